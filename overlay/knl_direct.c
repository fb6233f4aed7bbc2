/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_direct.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "overlay/knl_direct_priv.h"
#include "overlay/knl_inside.h"
#include "overlay/netns.h"

#define MACVLAN "macvlan"
#define IPVLAN "ipvlan"
#define UNKNOWN_TYPE "Unknown device type" /* the kernel's words (rtnl_newlink()) */

static const struct {
	const char *driver, *mode, *config;
	uint16_t attr, value;
	uint8_t bytes;
	bool parent_mac; /* the device has its parent's MAC, whatever is asked for */
} modes[] = {
	{ MACVLAN, "bridge", "CONFIG_MACVLAN", IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE, 4, false },
	{ MACVLAN, "private", "CONFIG_MACVLAN", IFLA_MACVLAN_MODE, MACVLAN_MODE_PRIVATE, 4, false },
	{ MACVLAN, "vepa", "CONFIG_MACVLAN", IFLA_MACVLAN_MODE, MACVLAN_MODE_VEPA, 4, false },
	{ MACVLAN, "passthru", "CONFIG_MACVLAN", IFLA_MACVLAN_MODE, MACVLAN_MODE_PASSTHRU, 4,
	  true },
	{ IPVLAN, "l2", "CONFIG_IPVLAN", IFLA_IPVLAN_MODE, IPVLAN_MODE_L2, 2, true },
	{ IPVLAN, "l3", "CONFIG_IPVLAN", IFLA_IPVLAN_MODE, IPVLAN_MODE_L3, 2, true },
	{ IPVLAN, "l3s", "CONFIG_IPVLAN", IFLA_IPVLAN_MODE, IPVLAN_MODE_L3S, 2, true },
};

bool knl_direct_is_driver(const char *driver)
{
	return strcmp(driver, MACVLAN) == 0 || strcmp(driver, IPVLAN) == 0;
}

static int find_mode(const struct state_net *want, size_t *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(modes[i].driver, want->driver) == 0 &&
		    strcmp(modes[i].mode, want->mode) == 0) {
			*ret = i;
			return 0;
		}
	return err_set(e, -EINVAL, "there is no mode %s of %s", want->mode, want->driver);
}

/* Made here, it is born in the target namespace, and its parent's number is looked up in this one (fact_direct). */
static void put_create(struct knl_sock *host, const struct state_net *want,
		       const struct state_port *p, size_t mode, int parent, int target)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *h = knl_begin(host, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	struct nlattr *info, *data;

	mnl_attr_put_strz(h, IFLA_IFNAME, p->ifname);
	mnl_attr_put_u32(h, IFLA_LINK, (uint32_t)parent);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)target);
	if (p->container_mtu != 0)
		mnl_attr_put_u32(h, IFLA_MTU, p->container_mtu);
	if (!modes[mode].parent_mac)
		mnl_attr_put(h, IFLA_ADDRESS, sizeof(p->mac.b), p->mac.b);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, want->driver);
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	if (modes[mode].bytes == 2)
		mnl_attr_put_u16(h, modes[mode].attr, modes[mode].value);
	else
		mnl_attr_put_u32(h, modes[mode].attr, modes[mode].value);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

static void take_link(void *user, unsigned index, const struct nlmsghdr *h)
{
	(void)index;
	if (h->nlmsg_type == RTM_NEWLINK)
		knl_link_parse(h, KNL_IN_HOST, user);
}

static void read_master(struct knl_sock *host, int ifindex, struct knl_link *ret)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };

	knl_drop(host);
	mnl_attr_put_u32(knl_begin(host, RTM_GETLINK, 0, &i, sizeof(i)), IFLA_EXT_MASK,
			 RTEXT_FILTER_SKIP_STATS);
	(void)knl_send(host, take_link, ret);
}

int knl_direct_parent(struct knl_sock *host, const char *ifname, struct err *e)
{
	struct knl_link parent = { 0 }, master = { 0 };
	int r = knl_link_read(host, ifname, &parent);

	if (r == -ENODEV)
		return err_set(e, r, "there is no interface %s on this host", ifname);
	if (r < 0)
		return knl_fail(host, e, r, "cannot look for interface %s", ifname);
	if (parent.master == 0)
		return 0;
	read_master(host, parent.master, &master);
	/* A VRF takes no frames off its ports. */
	if (strcmp(master.driver, "vrf") == 0)
		return 0;
	return err_set(e, -EBUSY, "%s cannot be the parent: it is a port of %s", ifname,
		       master.name[0] ? master.name : "another device");
}

/* Who has the parent? */
static int busy(struct knl_sock *host, const struct state_net *want, struct err *e)
{
	if (knl_direct_parent(host, want->parent, e) == -EBUSY)
		return -EBUSY;
	return err_set(e, -EBUSY,
		       "%s cannot be the parent of a %s device: devices of another kind are on it",
		       want->parent, want->driver);
}

static int create(struct knl_sock *host, const struct state_net *want, const struct state_port *p,
		  size_t mode, const struct knl_link *parent, int target, struct err *e)
{
	int r;

	knl_drop(host);
	put_create(host, want, p, mode, parent->ifindex, target);
	r = knl_send(host, NULL, NULL);
	if (r == 0)
		return 0;
	if (r == -EOPNOTSUPP && strcmp(knl_extack(host), UNKNOWN_TYPE) == 0)
		return err_set(e, r, "this kernel has no %s (%s)", want->driver,
			       modes[mode].config);
	if (r == -EEXIST)
		return err_set(e, r, "an interface %s exists already in %s", p->ifname,
			       p->target.path);
	if (r == -EBUSY)
		return busy(host, want, e);
	if (r == -EINVAL && knl_extack(host)[0] == '\0')
		return err_set(
			e, r,
			"%s cannot be the parent of a %s device in mode %s: it is no Ethernet interface, or one in mode passthru shares it with no other",
			want->parent, want->driver, want->mode);
	return knl_fail(host, e, r, "cannot make %s device %s on %s in %s", want->driver, p->ifname,
			want->parent, p->target.path);
}

/*
 * What is inside under that name. Return: 1: it is what is wanted, 0: nothing (any more), -EEXIST.
 */
static int make_room(struct knl_direct *d, struct knl_sock *in, const struct state_net *want,
		     const struct state_port *p, size_t mode, struct err *e)
{
	struct knl_link have = { 0 };
	bool alike, going;
	int r = knl_link_read(in, p->ifname, &have);

	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return knl_fail(in, e, r, "cannot look for %s in %s", p->ifname, p->target.path);
	alike = strcmp(have.driver, want->driver) == 0 &&
		(modes[mode].parent_mac || mac_eq(have.mac, p->mac));
	going = knl_direct_going(d, &p->target, have.ifindex);
	if (alike && !going && have.mark == want->vni)
		return 1;
	/* One on its way out, or of ours that was never finished. */
	if (going || (alike && have.mark == 0 && !modes[mode].parent_mac)) {
		r = knl_link_delete(in, have.ifindex);
		return r < 0 ? knl_fail(in, e, r, "cannot delete the former %s in %s", p->ifname,
					p->target.path) :
			       0;
	}
	return err_set(e, -EEXIST, "an interface %s exists already in %s", p->ifname,
		       p->target.path);
}

int knl_direct_make(struct knl_direct *d, struct knl_sock *host, const struct state_net *want,
		    const struct state_port *p, unsigned *ret_writes, struct err *e)
{
	_cleanup_close_ int target = netns_open_target(&p->target, e);
	_cleanup_knl_ struct knl_sock *in = NULL;
	struct knl_link parent = { 0 }, have = { 0 };
	char alias[KNL_ALIAS_MAX];
	size_t mode;
	int r;

	if (target < 0)
		return target;
	r = find_mode(want, &mode, e);
	if (r == 0)
		r = knl_open(target, &in, e);
	if (r == 0)
		r = make_room(d, in, want, p, mode, e);
	if (r != 0)
		return r < 0 ? r : 0;
	r = knl_link_read(host, want->parent, &parent);
	if (r == -ENODEV)
		return err_set(e, r, "this host has no interface %s (the network's parent)",
			       want->parent);
	if (r < 0)
		return knl_fail(host, e, r, "cannot look for the parent %s", want->parent);
	r = create(host, want, p, mode, &parent, target, e);
	if (r < 0)
		return r;
	*ret_writes = 1;
	r = knl_link_read(in, p->ifname, &have);
	if (r < 0)
		return knl_fail(in, e, r, "cannot find %s in %s", p->ifname, p->target.path);
	knl_link_alias(want->vni, alias);
	r = knl_inside_set_up(in, p, have.ifindex, alias, e);
	if (r < 0)
		knl_link_delete(in, have.ifindex);
	return r;
}
