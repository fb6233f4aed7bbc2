/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/kernel_linux.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/stat.h>
#include "overlay/kernel_linux_priv.h"
#include "overlay/knl_bridge.h"
#include "overlay/knl_entry.h"
#include "overlay/knl_link.h"
#include "overlay/knl_port.h"
#include "overlay/knl_route.h"
#include "overlay/knl_vxlan.h"
#include "overlay/netns.h"

int kernel_linux_need(const struct kernel_linux *k, struct err *e)
{
	return k->nsfd >= 0 ? 0 :
			      err_set(e, -ENONET, "there is no namespace %s yet", k->netns_path);
}

static bool is_hidden(void *user, int ifindex)
{
	const struct kernel_linux *k = user;

	return knl_delete_has(k->del, ifindex);
}

struct knl_hidden kernel_linux_hidden(struct kernel_linux *k)
{
	return (struct knl_hidden){ is_hidden, k };
}

static int dump(struct kernel *kernel, struct kernel_dump *ret, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	_cleanup_free_ struct state_guard *guards = NULL;
	struct kernel_dump d = { 0 };
	size_t n_guards = 0;
	int r;

	/* No namespace: nothing is there, and that is a complete answer. */
	if (k->nsfd < 0) {
		*ret = d;
		return 0;
	}
	r = knl_dump_all(k->ovl, kernel_linux_hidden(k), &d, e);
	if (r < 0)
		return r;
	r = nft_ground_dump(k->nft, &guards, &n_guards, &d.vteps, &d.n_vteps, e);
	if (r < 0) {
		kernel_dump_done(&d);
		return r;
	}
	knl_dump_guards(d.nets, d.n_nets, guards, n_guards, &d.strays, &d.n_strays);
	*ret = d;
	return 0;
}

static int dump_net(struct kernel *kernel, uint32_t vni, struct state_net **ret, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	_cleanup_free_ struct state_guard *guards = NULL;
	_cleanup_free_ struct ip *vteps = NULL;
	size_t n_guards = 0, n_vteps = 0;
	struct state_net *n;
	int r;

	if (k->nsfd < 0) {
		*ret = state_net_new(vni);
		(*ret)->complete = true;
		return 0;
	}
	r = knl_dump_one(k->ovl, kernel_linux_hidden(k), vni, &n, e);
	if (r < 0)
		return r;
	if (n->n_ports > 0)
		r = nft_ground_dump(k->nft, &guards, &n_guards, &vteps, &n_vteps, e);
	if (r < 0) {
		state_net_free(n);
		return r;
	}
	knl_dump_guards(&n, 1, guards, n_guards, NULL, NULL);
	*ret = n;
	return 0;
}

/* A link of that name on its way out would be taken for the one wanted: it goes now. */
static int make_room(struct kernel_linux *k, const char *name, struct err *e)
{
	int ifindex = knl_delete_find(k->del, name), r;

	if (ifindex == 0)
		return 0;
	r = knl_link_delete(k->ovl, ifindex);
	return r < 0 ? knl_fail(k->ovl, e, r, "cannot delete the former %s", name) : 0;
}

static int bridge_add(struct kernel *kernel, const struct state_net *want, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	char name[IFNAMSIZ];
	unsigned writes = 0;
	int r = kernel_linux_need(k, e);

	if (r < 0)
		return r;
	state_bridge_name(want->vni, name);
	r = make_room(k, name, e);
	if (r == 0)
		r = knl_bridge_make(k->ovl, want, &writes, e);
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
	r = make_room(k, name, e);
	if (r == 0)
		r = knl_vxlan_make(&at, want, &writes, e);
	k->writes += writes;
	return r;
}

static int port_add(struct kernel *kernel, const struct state_net *want, const struct state_port *p,
		    struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	unsigned writes = 0;
	int r = kernel_linux_need(k, e);

	if (r == 0)
		r = knl_port_make(k->ovl, want, p, &writes, e);
	k->writes += writes;
	return r;
}

static int link_set(struct kernel *kernel, const struct kernel_link_set *s, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	int r = kernel_linux_need(k, e);

	if (r == 0)
		r = knl_link_change(k->ovl, s, e);
	if (r == 0)
		k->writes++;
	return r;
}

static int link_shut(struct kernel *kernel, const char *name, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct nlmsghdr *h;
	int r;

	if (k->nsfd < 0)
		return 0;
	knl_drop(k->ovl);
	h = knl_link_set(k->ovl, name, 0, IFF_UP);
	mnl_attr_put_u32(h, IFLA_MASTER, 0);
	r = knl_send(k->ovl, NULL, NULL);
	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return knl_fail(k->ovl, e, r, "cannot shut link %s", name);
	k->writes++;
	return 0;
}

static void link_del(struct kernel *kernel, const char *name, kernel_deleted_fn done, void *user)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_link l = { 0 };

	if (k->nsfd >= 0 && knl_link_read(k->ovl, name, &l) == 0)
		k->writes++;
	knl_delete_add(k->del, name, l.ifindex, done, user);
}

static int gateway(struct kernel *kernel, const struct state_net *net, bool del, struct prefix gw,
		   struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	int r = kernel_linux_need(k, e);

	if (r == 0)
		r = knl_bridge_gateway(k->ovl, net->vni, del, gw, e);
	if (r == 0)
		k->writes++;
	return r;
}

static int fdb(struct kernel *kernel, const struct state_net *net, const struct kernel_fdb_op *ops,
	       size_t n, size_t *ret_failed, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	unsigned writes = 0;
	size_t failed = n;
	int r = kernel_linux_need(k, e);

	if (r == 0)
		r = knl_entry_fdb(k->ovl, net->vni, ops, n, &writes, &failed, e);
	k->writes += writes;
	if (ret_failed)
		*ret_failed = failed;
	return r;
}

static int neigh(struct kernel *kernel, const struct state_net *net,
		 const struct kernel_neigh_op *ops, size_t n, size_t *ret_failed, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	unsigned writes = 0;
	size_t failed = n;
	int r = kernel_linux_need(k, e);

	if (r == 0)
		r = knl_entry_neigh(k->ovl, net->vni, ops, n, &writes, &failed, e);
	k->writes += writes;
	if (ret_failed)
		*ret_failed = failed;
	return r;
}

static int guard(struct kernel *kernel, const struct kernel_guard_op *ops, size_t n, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	int r = kernel_linux_need(k, e);

	if (r == 0)
		r = nft_ground_guard(k->nft, ops, n, e);
	return r;
}

static int vteps(struct kernel *kernel, const struct ip *add, size_t n_add, const struct ip *del,
		 size_t n_del, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	int r = kernel_linux_need(k, e);

	if (r == 0)
		r = nft_ground_vteps(k->nft, add, n_add, del, n_del, e);
	return r;
}

static bool target_alive(struct kernel *kernel, const struct state_target *t)
{
	struct stat st;
	int fd;

	(void)kernel;
	/* No open: an audit asks for every container. */
	if (t->ino != 0)
		return stat(t->path, &st) == 0 && st.st_ino == t->ino && st.st_dev == t->dev;
	fd = netns_open(t->path, NULL);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int underlay(struct kernel *kernel, struct ip vtep, uint32_t *ret_mtu,
		    char ret_ifname[IFNAMSIZ], struct err *e)
{
	return knl_route_underlay(kernel_linux_of(kernel)->host, vtep, ret_mtu, ret_ifname, e);
}

static uint64_t writes(struct kernel *kernel)
{
	const struct kernel_linux *k = kernel_linux_of(kernel);

	return k->writes + (k->nft ? nft_ground_writes(k->nft) : 0);
}

/* What closes asynchronously has closed. */
static void part_closed(void *user)
{
	struct kernel_linux *k = user;
	void (*closed)(void *user) = k->closed;
	void *closed_user = k->closed_user;

	if (--k->closing > 0 || !k->closed_asked)
		return;
	nft_ground_free(k->nft);
	knl_close(k->ovl);
	knl_close(k->host);
	if (k->nsfd >= 0)
		close(k->nsfd);
	free(k->netns_path);
	free(k->table);
	free(k);
	if (closed)
		closed(closed_user);
}

static void unwatch(struct kernel_linux *k)
{
	if (!k->events)
		return;
	k->closing++;
	knl_event_close(TAKE_PTR(k->events), part_closed, k);
}

static int watch(struct kernel *kernel, kernel_event_fn fn, void *user, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_event_config c = {
		.loop = k->loop,
		.netns_path = k->netns_path,
		.hidden = kernel_linux_hidden(k),
		.fn = fn,
		.user = user,
	};
	int r;

	unwatch(k);
	if (!fn)
		return 0;
	r = knl_event_new(&c, &k->events, e);
	if (r == 0 && k->nsfd >= 0)
		r = knl_event_ground(k->events, k->nsfd, k->ovl, k->nft, e);
	if (r < 0)
		unwatch(k);
	return r;
}

int kernel_linux_hold(struct kernel_linux *k, int nsfd, struct err *e)
{
	_cleanup_knl_ struct knl_sock *ovl = NULL;
	struct nft_ground *nft = NULL;
	int r = knl_open(nsfd, &ovl, e);

	if (r < 0)
		return r;
	r = nft_ground_new(nsfd, k->table, k->vxlan_port, &nft, e);
	if (r < 0)
		return r;
	if (k->events)
		r = knl_event_ground(k->events, nsfd, ovl, nft, e);
	if (r == 0)
		r = knl_delete_ground(k->del, nsfd, e);
	if (r < 0) {
		unwatch(k); /* it may hold on to @nft */
		nft_ground_free(nft);
		return r;
	}
	k->nsfd = nsfd;
	k->ovl = TAKE_PTR(ovl);
	k->nft = nft;
	return 0;
}

static const struct kernel_ops ops = {
	.ground_check = kernel_linux_ground_check,
	.ground = kernel_linux_ground,
	.dump = dump,
	.dump_net = dump_net,
	.bridge_add = bridge_add,
	.vxlan_add = vxlan_add,
	.port_add = port_add,
	.link_set = link_set,
	.link_shut = link_shut,
	.link_del = link_del,
	.gateway = gateway,
	.fdb = fdb,
	.neigh = neigh,
	.guard = guard,
	.vteps = vteps,
	.watch = watch,
	.target_alive = target_alive,
	.underlay = underlay,
	.writes = writes,
};

int kernel_linux_new(uv_loop_t *loop, const struct kernel_linux_config *c, struct kernel **ret,
		     struct err *e)
{
	struct kernel_linux *k = mem_alloc(sizeof(*k));
	int fd, r;

	k->k.ops = &ops;
	k->loop = loop;
	k->netns_path = mem_strdup(c->netns_path);
	k->table = mem_strdup(c->table);
	k->vxlan_port = c->vxlan_port;
	k->nsfd = -1;
	k->del = knl_delete_new(loop);
	r = knl_open(-1, &k->host, e);
	fd = r < 0 ? -1 : netns_open(k->netns_path, NULL);
	/* Absent, or a leftover: ground() makes it. */
	if (fd >= 0) {
		r = kernel_linux_hold(k, fd, e);
		if (r < 0)
			close(fd);
	}
	if (r < 0) {
		/* Its handles close with the loop's next turns. */
		kernel_linux_close(&k->k, NULL, NULL);
		return r;
	}
	*ret = &k->k;
	return 0;
}

void kernel_linux_close(struct kernel *kernel, void (*closed)(void *user), void *user)
{
	struct kernel_linux *k = kernel_linux_of(kernel);

	k->closed = closed;
	k->closed_user = user;
	k->closed_asked = true;
	k->closing++; /* until all are asked to close */
	unwatch(k);
	k->closing++;
	knl_delete_close(k->del, part_closed, k);
	part_closed(k);
}
