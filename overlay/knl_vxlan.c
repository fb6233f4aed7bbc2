/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_vxlan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "overlay/netns.h"

#define TTL 64
/* A namespace just deleted still holds its VNIs for about 20 ms (fact_vxlan_create). */
#define EXIST_TRIES 10
#define EXIST_WAIT_MS 10
#define SEARCH_MAX 4096 /* files looked at for the holder */

static void put_create(struct knl_sock *host, int nsfd, const char *name,
		       const struct state_net *want)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *h = knl_begin(host, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	struct nlattr *info, *data;

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)nsfd);
	mnl_attr_put_u32(h, IFLA_MTU, want->vxlan_mtu);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u32(h, IFLA_VXLAN_ID, want->vni);
	knl_link_put_vtep(h, want->vtep);
	mnl_attr_put_u16(h, IFLA_VXLAN_PORT, htons(want->port));
	mnl_attr_put_u8(h, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_put_u8(h, IFLA_VXLAN_TTL, TTL);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

struct search {
	uint32_t vni;
	uint16_t port;
	int nsid; /* of the host's namespace where we search; -1: it is the very one */
	char name[IFNAMSIZ]; /* found */
};

static void look_at(void *user, const struct nlmsghdr *h)
{
	struct search *s = user;
	struct knl_link l;

	if (!h) {
		s->name[0] = '\0';
		return;
	}
	if (knl_link_parse(h, KNL_IN_OVERLAY, &l) && strcmp(l.driver, "vxlan") == 0 &&
	    l.vx_id == s->vni && l.vx_port == s->port && l.link_nsid == s->nsid)
		memcpy(s->name, l.name, sizeof(s->name));
}

static bool search_in(struct knl_sock *sock, struct search *s)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *h;
	struct nlattr *info;

	knl_drop(sock);
	h = knl_begin(sock, RTM_GETLINK, NLM_F_DUMP, &i, sizeof(i));
	mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "vxlan");
	mnl_attr_nest_end(h, info);
	return knl_dump(sock, look_at, s, NULL) == 0 && s->name[0] != '\0';
}

static void take_nsid(void *user, unsigned index, const struct nlmsghdr *h)
{
	const struct nlattr *a;

	(void)index;
	if (h->nlmsg_type != RTM_NEWNSID)
		return;
	mnl_attr_for_each(a, h, sizeof(struct rtgenmsg)) {
		if (mnl_attr_get_type(a) == NETNSA_NSID)
			*(int *)user = (int)knl_get_u32(a);
	}
}

/* The number that @sock's namespace has for the current one; -1 for none. */
static int nsid_of_host(struct knl_sock *sock)
{
	_cleanup_close_ int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct rtgenmsg g = { .rtgen_family = AF_UNSPEC };
	int nsid = -1;

	if (own < 0)
		return -1;
	knl_drop(sock);
	mnl_attr_put_u32(knl_begin(sock, RTM_GETNSID, 0, &g, sizeof(g)), NETNSA_FD, (uint32_t)own);
	return knl_send(sock, take_nsid, &nsid) == 0 ? nsid : -1;
}

static bool search_file(const char *path, struct search *s)
{
	_cleanup_knl_ struct knl_sock *sock = NULL;
	_cleanup_close_ int fd = netns_open(path, NULL);

	if (fd < 0 || knl_open(fd, &sock, NULL) < 0)
		return false;
	s->nsid = nsid_of_host(sock);
	return s->nsid >= 0 && search_in(sock, s);
}

/* Who holds this VNI and port in the host's namespace? Its device may live in any namespace. */
static int name_holder(const struct knl_vxlan_place *at, const struct state_net *want,
		       struct err *e)
{
	struct search s = { .vni = want->vni, .port = want->port, .nsid = -1 };
	_cleanup_free_ char *dir = mem_strdup(at->netns_path);
	char *slash = strrchr(dir, '/');
	char where[STATE_TARGET_PATH_MAX] = "the host's namespace";
	bool found = search_in(at->host, &s);
	struct dirent *d;
	DIR *folder = NULL;

	if (!found && slash) {
		*slash = '\0';
		folder = opendir(dir);
	}
	for (unsigned n = 0; folder && !found && n < SEARCH_MAX && (d = readdir(folder)); n++) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(where, sizeof(where), "%s/%s", dir, d->d_name);
		found = search_file(where, &s);
	}
	if (folder)
		closedir(folder);
	if (!found)
		return err_set(
			e, -EEXIST,
			"VNI %u on UDP port %u is held by another VXLAN device of this host, in a namespace without a name",
			want->vni, want->port);
	return err_set(e, -EEXIST, "VNI %u on UDP port %u is held by the VXLAN device %s in %s",
		       want->vni, want->port, s.name, where);
}

static int create(const struct knl_vxlan_place *at, const char *name, const struct state_net *want,
		  struct err *e)
{
	int r = 0;

	for (unsigned i = 0; i < EXIST_TRIES; i++) {
		if (i > 0)
			poll(NULL, 0, EXIST_WAIT_MS);
		knl_drop(at->host);
		put_create(at->host, at->nsfd, name, want);
		r = knl_send(at->host, NULL, NULL);
		if (r != -EEXIST)
			break;
	}
	if (r == -EEXIST)
		return name_holder(at, want, e);
	if (r < 0)
		return knl_fail(at->host, e, r, "cannot make VXLAN device %s (VNI %u, port %u)",
				name, want->vni, want->port);
	return 0;
}

/* Can @have become as wanted without being made anew? (facts §6) */
static bool is_alike(const struct knl_link *have, const struct state_net *want)
{
	return strcmp(have->driver, "vxlan") == 0 && have->vx_id == want->vni &&
	       have->vx_port == want->port && have->vx_local.family == want->vtep.family;
}

int knl_vxlan_make(const struct knl_vxlan_place *at, const struct state_net *want,
		   unsigned *ret_writes, struct err *e)
{
	char name[IFNAMSIZ], bridge[IFNAMSIZ];
	struct kernel_link_set set = {
		.name = name, .master = bridge, .port_flags = true, .up = KERNEL_ON
	};
	struct knl_link have = { 0 }, br = { 0 };
	bool made = false;
	int r;

	state_vxlan_name(want->vni, name);
	state_bridge_name(want->vni, bridge);
	r = knl_link_read(at->ovl, name, &have);
	if (r < 0 && r != -ENODEV)
		return knl_fail(at->ovl, e, r, "cannot look for VXLAN device %s", name);
	if (r == 0 && !is_alike(&have, want)) {
		r = knl_link_delete(at->ovl, have.ifindex);
		if (r < 0)
			return knl_fail(at->ovl, e, r, "cannot delete %s, which differs", name);
		have = (struct knl_link){ 0 };
	}
	if (have.ifindex == 0) {
		r = create(at, name, want, e);
		if (r < 0)
			return r;
		made = true;
	} else {
		set.mtu = have.mtu != want->vxlan_mtu ? want->vxlan_mtu : 0;
		set.vtep = want->vtep;
		/* Joining anew would take it down for a moment. */
		if (have.master != 0 && knl_link_read(at->ovl, bridge, &br) == 0 &&
		    br.ifindex == have.master)
			set.master = NULL;
	}
	knl_drop(at->ovl);
	knl_link_quiet(at->ovl, name, NULL);
	r = knl_send(at->ovl, NULL, NULL);
	if (r < 0)
		knl_fail(at->ovl, e, r, "cannot set up %s", name);
	else
		r = knl_link_change(at->ovl, &set, e);
	*ret_writes = 1;
	if (r == 0 || !made)
		return r;
	if (knl_link_read(at->ovl, name, &have) == 0)
		knl_link_delete(at->ovl, have.ifindex);
	return r;
}
