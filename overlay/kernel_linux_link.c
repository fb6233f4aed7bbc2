/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs about links, entries and routes: each goes to the namespace where its object is. */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "overlay/kernel_linux_priv.h"
#include "overlay/knl_bridge.h"
#include "overlay/knl_entry.h"
#include "overlay/knl_inside.h"
#include "overlay/knl_link.h"
#include "overlay/knl_port.h"
#include "overlay/knl_uplink.h"
#include "overlay/knl_vxlan.h"
#include "overlay/netns.h"
#include "overlay/sysctl_host.h"

/* Where a network's bridge, ports and entries are. *ret: its socket. */
static int place_of(struct kernel_linux *k, enum state_kind kind, struct knl_sock **ret,
		    struct err *e)
{
	int r = kind == STATE_BRIDGE ? 0 : kernel_linux_need(k, e);

	*ret = kind == STATE_BRIDGE ? k->host : k->ovl;
	return r;
}

/* A link of that name on its way out would be taken for the one wanted: it goes now. */
static int make_room(struct knl_sock *s, const struct knl_delete *del, const char *name,
		     struct err *e)
{
	int ifindex = knl_delete_find(del, name), r;

	if (ifindex == 0)
		return 0;
	r = knl_link_delete(s, ifindex);
	return r < 0 ? knl_fail(s, e, r, "cannot delete the former %s", name) : 0;
}

/* Names that mean something else, here or in the overlay namespace, where link_del() would look for them. */
static bool is_taken_name(const char *name)
{
	return knl_link_kind(KNL_IN_HOST, name, NULL) != KNL_OTHER ||
	       strcmp(name, STATE_EGRESS_BRIDGE) == 0 || strcmp(name, STATE_EGRESS_INNER) == 0;
}

static int bridge_add(struct kernel *kernel, const struct state_net *want, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	bool in_host = want->kind == STATE_BRIDGE;
	char name[IFNAMSIZ];
	struct knl_sock *s;
	unsigned writes = 0;
	int r = place_of(k, want->kind, &s, e);

	if (r < 0)
		return r;
	state_net_bridge_name(want, name);
	if (name[0] == '\0')
		return err_set(e, -EINVAL, "a network of this kind has no bridge");
	if (in_host && is_taken_name(name))
		return err_set(e, -EINVAL, "no bridge can have the name %s, which we use otherwise",
			       name);
	r = make_room(s, in_host ? k->host_del : k->del, name, e);
	if (r == 0)
		r = knl_bridge_make(s, in_host ? KNL_IN_HOST : KNL_IN_OVERLAY, want, &writes, e);
	if (r == 0 && in_host)
		writes += sysctl_host_refuse_ra(name);
	k->writes += writes;
	return r;
}

static int vxlan_add(struct kernel *kernel, const struct state_net *want, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_vxlan_place at = { k->host, k->ovl, k->nsfd, k->netns_path };
	char name[IFNAMSIZ];
	unsigned writes = 0;
	int r = kernel_linux_need(k, e);

	if (r < 0)
		return r;
	state_vxlan_name(want->vni, name);
	r = make_room(k->ovl, k->del, name, e);
	if (r == 0)
		r = knl_vxlan_make(&at, want, &writes, e);
	k->writes += writes;
	return r;
}

static int uplink_add(struct kernel *kernel, const struct state_net *want, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_uplink_place at = { k->host, k->ovl, k->nsfd };
	unsigned writes = 0;
	int r = kernel_linux_need(k, e);

	if (r < 0)
		return r;
	r = make_room(k->ovl, k->del, STATE_EGRESS_INNER, e);
	if (r == 0)
		r = make_room(k->host, k->host_del, STATE_EGRESS_HOST, e);
	if (r == 0)
		r = knl_uplink_make(&at, want, &writes, e);
	if (r == 0)
		writes += sysctl_host_refuse_ra(STATE_EGRESS_HOST);
	k->writes += writes;
	return r;
}

static int port_add(struct kernel *kernel, const struct state_net *want, const struct state_port *p,
		    struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_sock *s;
	unsigned writes = 0;
	int r;

	if (want->kind == STATE_DIRECT) {
		r = knl_direct_make(k->direct, k->host, want, p, &writes, e);
	} else {
		r = place_of(k, want->kind, &s, e);
		if (r == 0)
			r = knl_port_make(s, k->host, want, p, &writes, e);
	}
	k->writes += writes;
	return r;
}

/* In the host's namespace only what bears our mark is changed; a port's name says enough. */
static int is_ours(struct kernel_linux *k, const char *name, struct err *e)
{
	struct knl_link l;
	int r;

	if (knl_link_kind(KNL_IN_HOST, name, NULL) == KNL_PORT)
		return 0;
	r = knl_link_read(k->host, name, &l);
	if (r < 0)
		return knl_fail(k->host, e, r, "cannot find link %s", name);
	return l.mark ? 0 : err_set(e, -EPERM, "link %s is not ours", name);
}

static int link_set(struct kernel *kernel, const struct kernel_link_set *set, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_sock *s;
	int r = place_of(k, set->host ? STATE_BRIDGE : STATE_OVERLAY, &s, e);

	if (r == 0 && set->host)
		r = is_ours(k, set->name, e);
	if (r == 0)
		r = knl_link_change(s, set, e);
	if (r == 0)
		k->writes++;
	return r;
}

static int default_route(struct kernel *kernel, const struct state_target *t, const char *ifname,
			 struct ip gw4, struct ip gw6, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	_cleanup_close_ int target = netns_open_target(t, e);
	_cleanup_knl_ struct knl_sock *in = NULL;
	unsigned writes = 0;
	int r;

	if (target < 0)
		return target;
	r = knl_open(target, &in, e);
	if (r == 0)
		r = knl_inside_default(in, ifname, gw4, gw6, &writes, e);
	k->writes += writes;
	return r;
}

static int link_shut(struct kernel *kernel, const char *name, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_sock *s = state_port_in_host(name) ? k->host : k->ovl;
	struct nlmsghdr *h;
	int r;

	if (!s)
		return 0;
	knl_drop(s);
	h = knl_link_set(s, name, 0, IFF_UP);
	mnl_attr_put_u32(h, IFLA_MASTER, 0);
	r = knl_send(s, NULL, NULL);
	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return knl_fail(s, e, r, "cannot shut link %s", name);
	k->writes++;
	return 0;
}

/* The number of the link of ours with that name in the host's namespace; 0: none. */
static int find_in_host(struct kernel_linux *k, const char *name)
{
	bool port = knl_link_kind(KNL_IN_HOST, name, NULL) == KNL_PORT;
	struct knl_link l = { 0 };

	if (knl_link_read(k->host, name, &l) < 0 || (!port && l.mark == 0))
		return 0;
	return l.ifindex;
}

/* A bridge of the host may have any name, even one as those of the overlay namespace: that one comes first. */
static void link_del(struct kernel *kernel, const char *name, kernel_deleted_fn done, void *user)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_link l = { 0 };

	if (k->nsfd >= 0 && knl_link_kind(KNL_IN_OVERLAY, name, NULL) != KNL_OTHER &&
	    knl_link_read(k->ovl, name, &l) == 0) {
		k->writes++;
		knl_delete_add(k->del, name, l.ifindex, done, user);
		return;
	}
	l.ifindex = find_in_host(k, name);
	if (l.ifindex != 0)
		k->writes++;
	knl_delete_add(k->host_del, name, l.ifindex, done, user);
}

static void direct_del(struct kernel *kernel, const struct state_port *p, kernel_deleted_fn done,
		       void *user)
{
	struct kernel_linux *k = kernel_linux_of(kernel);

	if (knl_direct_delete(k->direct, p, done, user))
		k->writes++;
}

static int gateway(struct kernel *kernel, const struct state_net *net, bool del, struct prefix gw,
		   struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_sock *s;
	/* The egress bridge's are on ovl-gw. */
	int r = place_of(k, net->kind == STATE_EGRESS ? STATE_BRIDGE : net->kind, &s, e);

	if (r == 0)
		r = knl_bridge_gateway(s, net, del, gw, e);
	if (r == 0)
		k->writes++;
	return r;
}

static int fdb(struct kernel *kernel, const struct state_net *net, const struct kernel_fdb_op *ops,
	       size_t n, size_t *ret_failed, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_sock *s;
	unsigned writes = 0;
	size_t failed = n;
	int r = place_of(k, net->kind, &s, e);

	if (r == 0)
		r = knl_entry_fdb(s, net, ops, n, &writes, &failed, e);
	k->writes += writes;
	if (ret_failed)
		*ret_failed = failed;
	return r;
}

static int neigh(struct kernel *kernel, const struct state_net *net,
		 const struct kernel_neigh_op *ops, size_t n, size_t *ret_failed, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_sock *s;
	unsigned writes = 0;
	size_t failed = n;
	int r = place_of(k, net->kind, &s, e);

	if (r == 0)
		r = knl_entry_neigh(s, net, ops, n, &writes, &failed, e);
	k->writes += writes;
	if (ret_failed)
		*ret_failed = failed;
	return r;
}

void kernel_linux_verbs(struct kernel_ops *ops)
{
	ops->bridge_add = bridge_add;
	ops->vxlan_add = vxlan_add;
	ops->uplink_add = uplink_add;
	ops->port_add = port_add;
	ops->link_set = link_set;
	ops->default_route = default_route;
	ops->link_shut = link_shut;
	ops->link_del = link_del;
	ops->direct_del = direct_del;
	ops->gateway = gateway;
	ops->fdb = fdb;
	ops->neigh = neigh;
}
