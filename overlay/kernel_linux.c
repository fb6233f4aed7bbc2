/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/kernel_linux.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "overlay/kernel_linux_priv.h"
#include "overlay/knl_route.h"
#include "overlay/netns.h"
#include "overlay/sysctl_host.h"

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

static bool is_hidden_in_host(void *user, int ifindex)
{
	const struct kernel_linux *k = user;

	return knl_delete_has(k->host_del, ifindex);
}

struct knl_hidden kernel_linux_hidden(struct kernel_linux *k, enum knl_where where)
{
	return (struct knl_hidden){ where == KNL_IN_HOST ? is_hidden_in_host : is_hidden, k };
}

static struct knl_dump_from both(struct kernel_linux *k)
{
	return (struct knl_dump_from){
		.ovl = { k->ovl, kernel_linux_hidden(k, KNL_IN_OVERLAY) },
		.host = { k->host, kernel_linux_hidden(k, KNL_IN_HOST) },
	};
}

static int dump(struct kernel *kernel, struct kernel_dump *ret, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	struct knl_dump_from from = both(k);
	struct kernel_dump d = { 0 };
	int r = knl_dump_all(&from, &d, e);

	if (r < 0)
		return r;
	/* No namespace, no tables: nothing is there, and that is a complete answer. */
	if (k->nft)
		r = nft_ground_dump(k->nft, &d.guards, &d.n_guards, &d.vteps, &d.n_vteps, e);
	if (r == 0 && k->nft)
		r = nft_ground_dump_elems(k->nft, &d.elems, &d.n_elems, e);
	if (r < 0) {
		kernel_dump_done(&d);
		return r;
	}
	knl_dump_guards(d.nets, d.n_nets, d.guards, d.n_guards, &d.strays, &d.n_strays);
	*ret = d;
	return 0;
}

static int dump_net(struct kernel *kernel, uint32_t vni, struct state_net **ret, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	_cleanup_free_ struct state_guard *guards = NULL;
	_cleanup_free_ struct ip *vteps = NULL;
	struct knl_dump_from from = both(k);
	size_t n_guards = 0, n_vteps = 0;
	struct state_net *n;
	int r = knl_dump_one(&from, vni, &n, e);

	if (r < 0)
		return r;
	if (n->n_ports > 0 && k->nft)
		r = nft_ground_dump(k->nft, &guards, &n_guards, &vteps, &n_vteps, e);
	if (r < 0) {
		state_net_free(n);
		return r;
	}
	knl_dump_guards(&n, 1, guards, n_guards, NULL, NULL);
	*ret = n;
	return 0;
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

static int elems(struct kernel *kernel, const struct kernel_elem_op *ops, size_t n, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	int r = kernel_linux_need(k, e);

	if (r == 0)
		r = nft_ground_elems(k->nft, ops, n, e);
	return r;
}

static int forwarding(struct kernel *kernel, int family, bool *ret_changed, struct err *e)
{
	struct kernel_linux *k = kernel_linux_of(kernel);
	unsigned writes = 0;
	int r = sysctl_host_forwarding(family, ret_changed, &writes, e);

	k->writes += writes;
	return r;
}

static int outward_mtu(struct kernel *kernel, uint32_t *ret_mtu, struct err *e)
{
	return knl_route_outward(kernel_linux_of(kernel)->host, ret_mtu, e);
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
		.hidden = kernel_linux_hidden(k, KNL_IN_OVERLAY),
		.host_hidden = kernel_linux_hidden(k, KNL_IN_HOST),
		.fn = fn,
		.user = user,
	};
	int r;

	unwatch(k);
	if (!fn)
		return 0;
	r = knl_event_new(&c, &k->events, e);
	if (r == 0 && k->nsfd >= 0)
		r = knl_event_ground(k->events, k->nsfd, k->nft, e);
	if (r < 0)
		unwatch(k);
	return r;
}

int kernel_linux_overlay_fd(struct kernel *k)
{
	return kernel_linux_of(k)->nsfd;
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
		r = knl_event_ground(k->events, nsfd, nft, e);
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

static void fill_verbs(struct kernel_ops *ops)
{
	*ops = (struct kernel_ops){
		.ground_check = kernel_linux_ground_check,
		.ground = kernel_linux_ground,
		.dump = dump,
		.dump_net = dump_net,
		.guard = guard,
		.vteps = vteps,
		.elems = elems,
		.forwarding = forwarding,
		.outward_mtu = outward_mtu,
		.watch = watch,
		.target_alive = target_alive,
		.underlay = underlay,
		.writes = writes,
	};
	kernel_linux_verbs(ops);
}

int kernel_linux_new(uv_loop_t *loop, const struct kernel_linux_config *c, struct kernel **ret,
		     struct err *e)
{
	struct kernel_linux *k = mem_alloc(sizeof(*k));
	int fd, r;

	fill_verbs(&k->ops);
	k->k.ops = &k->ops;
	k->loop = loop;
	k->netns_path = mem_strdup(c->netns_path);
	k->table = mem_strdup(c->table);
	k->vxlan_port = c->vxlan_port;
	k->nsfd = -1;
	k->del = knl_delete_new(loop);
	k->host_del = knl_delete_new(loop);
	k->direct = knl_direct_new(loop);
	r = knl_open(-1, &k->host, e);
	if (r == 0)
		r = knl_delete_ground(k->host_del, -1, e);
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
	k->closing += 3;
	knl_delete_close(k->del, part_closed, k);
	knl_delete_close(k->host_del, part_closed, k);
	knl_direct_close(k->direct, part_closed, k);
	part_closed(k);
}
