/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/fake_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/fake/fake_kernel_priv.h"

struct fake_kernel *fake_of(struct kernel *k)
{
	return CONTAINER_OF(k, struct fake_kernel, k);
}

int fake_call(struct fake_kernel *f, enum fake_verb v, struct err *e)
{
	struct fake_fault *t = &f->faults[v];

	f->calls[v]++;
	if (t->times == 0)
		return 0;
	if (t->after > 0) {
		t->after--;
		return 0;
	}
	t->times--;
	return err_set(e, t->status, "fault asked for by the test: %s", strerror(-t->status));
}

/* ---- ground ---- */

static int ground_check(struct kernel *k, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	int r = fake_call(f, FAKE_GROUND_CHECK, e);

	if (r < 0)
		return r;
	return f->grounded ? 0 : err_set(e, -ESTALE, "a table is not as it should be");
}

static int ground(struct kernel *k, const struct kernel_elements *el, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	int r = fake_call(f, FAKE_GROUND, e);

	if (r < 0)
		return r;
	f->grounded = f->namespace_is_there = true;
	f->writes++;
	f->n_guards = f->n_vteps = f->n_elems = 0;
	for (size_t i = 0; i < el->n_guards; i++)
		fake_set_guard(f, &el->guards[i], false);
	for (size_t i = 0; i < el->n_vteps; i++)
		fake_set_vtep(f, el->vteps[i], false);
	for (size_t i = 0; i < el->n_elems; i++) {
		if (i > 0 && state_elem_cmp(&el->elems[i - 1], &el->elems[i]) >= 0)
			fake_violate(f, "elements not sorted, or one twice", "ground");
		fake_set_elem(f, &el->elems[i], false);
	}
	return 0;
}

/* ---- dump ---- */

static int cmp_net(const void *a, const void *b)
{
	uint32_t x = (*(struct state_net *const *)a)->vni, y = (*(struct state_net *const *)b)->vni;

	return (x > y) - (x < y);
}

static bool is_stray(const struct fake_kernel *f, const struct state_guard *g)
{
	const struct state_net *n = fake_net_of(f, g->port);
	const struct state_port *p = n ? state_net_port(n, g->port) : NULL;
	struct state_guard own[2];
	size_t count = p ? state_port_guards(p, own) : 0;

	for (size_t i = 0; i < count; i++) {
		if (mac_eq(own[i].mac, g->mac) && ip_eq(own[i].ip, g->ip))
			return false;
	}
	return !p || !fake_guard_may_fit(n, p, g);
}

static int dump(struct kernel *k, struct kernel_dump *ret, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	struct kernel_dump d = { 0 };
	int r = fake_call(f, FAKE_DUMP, e);

	if (r < 0)
		return r;
	d.nets = mem_alloc_array(f->n_nets + 1, sizeof(struct state_net *));
	for (size_t i = 0; i < f->n_nets; i++) {
		if (f->nets[i]->kind != STATE_DIRECT)
			d.nets[d.n_nets++] = fake_observe(f, f->nets[i]);
	}
	qsort(d.nets, d.n_nets, sizeof(struct state_net *), cmp_net);
	d.n_vteps = f->n_vteps;
	d.vteps = mem_alloc_array(f->n_vteps + 1, sizeof(*d.vteps));
	if (f->n_vteps)
		memcpy(d.vteps, f->vteps, f->n_vteps * sizeof(*d.vteps));
	d.strays = mem_alloc_array(f->n_guards + 1, sizeof(*d.strays));
	for (size_t i = 0; i < f->n_guards; i++) {
		if (is_stray(f, &f->guards[i]))
			d.strays[d.n_strays++] = f->guards[i];
	}
	d.guards = mem_alloc_array(f->n_guards + 1, sizeof(*d.guards));
	if (f->n_guards)
		memcpy(d.guards, f->guards, f->n_guards * sizeof(*d.guards));
	d.n_guards = f->n_guards;
	d.loose = mem_alloc_array(f->n_loose + 1, sizeof(*d.loose));
	for (size_t i = 0; i < f->n_loose; i++)
		memcpy(d.loose[d.n_loose++], f->loose[i], IFNAMSIZ);
	d.n_elems = f->n_elems;
	d.elems = mem_alloc_array(f->n_elems + 1, sizeof(*d.elems));
	if (f->n_elems)
		memcpy(d.elems, f->elems, f->n_elems * sizeof(*d.elems));
	*ret = d;
	return 0;
}

static int dump_net(struct kernel *k, uint32_t vni, struct state_net **ret, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	const struct state_net *n = fake_net_find(f, vni);
	int r = fake_call(f, FAKE_DUMP_NET, e);

	if (r < 0)
		return r;
	*ret = n && n->kind != STATE_DIRECT ? fake_observe(f, n) : state_net_new(vni);
	(*ret)->complete = true;
	return 0;
}

/* ---- entries ---- */

static int gateway(struct kernel *k, const struct state_net *whose, bool del, struct prefix gw,
		   struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	struct state_net *n = fake_net_find(f, whose->vni);
	int r = fake_call(f, FAKE_GATEWAY, e);

	if (r < 0)
		return r;
	if (!n || !(n->kind == STATE_EGRESS ? n->uplink_exists : n->bridge_exists))
		return del ? 0 : err_set(e, -ENODEV, "no device for the address");
	f->writes++;
	fake_set_gateway(f, n, gw, del);
	return 0;
}

static int one_fdb(struct fake_kernel *f, struct state_net *n, const struct kernel_fdb_op *op)
{
	const struct state_port *p;
	char vx[IFNAMSIZ];

	if (!n)
		return op->del ? 0 : -ENODEV;
	state_vxlan_name(n->vni, vx);
	p = state_net_port(n, op->fdb.port);
	if (!op->del && op->fdb.where == STATE_FDB_SELF && !n->vxlan_exists)
		return -ENODEV;
	if (!op->del && op->fdb.where == STATE_FDB_MASTER &&
	    !(p ? p->enslaved : n->vxlan_enslaved && strcmp(op->fdb.port, vx) == 0))
		return -ENODEV;
	fake_set_fdb(f, n, &op->fdb, op->del);
	return 0;
}

static int fdb(struct kernel *k, const struct state_net *whose, const struct kernel_fdb_op *ops,
	       size_t n, size_t *ret_failed, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	int first = fake_call(f, FAKE_FDB, e);
	size_t failed = first < 0;

	/* A fault takes the first of the batch. */
	for (size_t i = failed; i < n; i++) {
		int r = one_fdb(f, fake_net_find(f, whose->vni), &ops[i]);

		failed += r < 0;
		f->writes += r == 0;
		if (r < 0 && first == 0)
			first = err_set(e, r, "entry refused");
	}
	if (ret_failed)
		*ret_failed = failed;
	return first;
}

static int neigh(struct kernel *k, const struct state_net *whose, const struct kernel_neigh_op *ops,
		 size_t n, size_t *ret_failed, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	struct state_net *net = fake_net_find(f, whose->vni);
	bool there = net && net->bridge_exists;
	int first = fake_call(f, FAKE_NEIGH, e);
	size_t failed = first < 0;

	for (size_t i = failed; i < n; i++) {
		if (there)
			fake_set_neigh(f, net, &ops[i].neigh, ops[i].del);
		f->writes += there;
		failed += !there && !ops[i].del;
		if (!there && !ops[i].del && first == 0)
			first = err_set(e, -ENODEV, "no bridge");
	}
	if (ret_failed)
		*ret_failed = failed;
	return first;
}

static int guard(struct kernel *k, const struct kernel_guard_op *ops, size_t n, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	int r = fake_call(f, FAKE_GUARD, e);

	if (r < 0)
		return r;
	if (!f->grounded)
		return err_set(e, -ENOENT, "no table");
	for (size_t i = 0; i < n; i++)
		fake_set_guard(f, &ops[i].guard, ops[i].del);
	f->writes += n;
	return 0;
}

static int vteps(struct kernel *k, const struct ip *add, size_t n_add, const struct ip *del,
		 size_t n_del, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	int r = fake_call(f, FAKE_VTEPS, e);

	if (r < 0)
		return r;
	if (!f->grounded)
		return err_set(e, -ENOENT, "no table");
	for (size_t i = 0; i < n_add; i++)
		fake_set_vtep(f, add[i], false);
	for (size_t i = 0; i < n_del; i++)
		fake_set_vtep(f, del[i], true);
	f->writes += n_add + n_del;
	return 0;
}

/* ---- the rest ---- */

bool fake_is_dead(const struct fake_kernel *f, const char *path)
{
	for (size_t i = 0; i < f->n_dead; i++) {
		if (strcmp(f->dead[i], path) == 0)
			return true;
	}
	return false;
}

static int watch(struct kernel *k, kernel_event_fn fn, void *user, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	int r = fn ? fake_call(f, FAKE_WATCH, e) : 0;

	if (r < 0)
		return r;
	f->fn = fn;
	f->fn_user = user;
	return 0;
}

static bool target_alive(struct kernel *k, const struct state_target *t)
{
	return !fake_is_dead(fake_of(k), t->path);
}

static int underlay(struct kernel *k, struct ip vtep, uint32_t *ret_mtu, char ret_ifname[IFNAMSIZ],
		    struct err *e)
{
	(void)k;
	(void)vtep;
	(void)e;
	*ret_mtu = 1500;
	snprintf(ret_ifname, IFNAMSIZ, "eth0");
	return 0;
}

static uint64_t writes(struct kernel *k)
{
	return fake_of(k)->writes;
}

static const struct kernel_ops fake_ops = {
	.ground_check = ground_check,
	.ground = ground,
	.dump = dump,
	.dump_net = dump_net,
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

/* ---- life ---- */

struct fake_kernel *fake_kernel_new(uv_loop_t *loop)
{
	struct fake_kernel *f = mem_alloc(sizeof(*f));

	f->ops = fake_ops;
	fake_link_ops(&f->ops);
	fake_host_ops(&f->ops);
	f->k.ops = &f->ops;
	f->outward_mtu = 1500;
	f->grounded = f->namespace_is_there = true;
	if (loop) {
		f->timer = mem_alloc(sizeof(*f->timer));
		uv_timer_init(loop, f->timer);
		f->timer->data = f;
	}
	return f;
}

static void free_timer(uv_handle_t *h)
{
	free(h);
}

void fake_kernel_free(struct fake_kernel *f)
{
	f->hold = false;
	f->fn = NULL;
	fake_kernel_turn(f);
	if (f->timer)
		uv_close((uv_handle_t *)f->timer, free_timer);
	for (size_t i = 0; i < f->n_nets; i++)
		state_net_free(f->nets[i]);
	free(f->nets);
	free(f->vteps);
	free(f->guards);
	free(f->elems);
	free(f->routes);
	free(f->loose);
	free(f->queue);
	free(f->deletions);
	free(f);
}

struct kernel *fake_kernel_seam(struct fake_kernel *f)
{
	return &f->k;
}

void fake_kernel_turn(struct fake_kernel *f)
{
	struct kernel_event *queue = TAKE_PTR(f->queue);
	struct fake_deletion *dels;
	size_t n = f->n_queue, n_del;

	f->n_queue = 0;
	for (size_t i = 0; i < n && f->fn; i++)
		f->fn(f->fn_user, &queue[i]);
	free(queue);
	if (f->hold)
		return;
	dels = TAKE_PTR(f->deletions);
	n_del = f->n_deletions;
	f->n_deletions = 0;
	for (size_t i = 0; i < n_del; i++) {
		if (dels[i].done)
			dels[i].done(dels[i].user, dels[i].name, dels[i].refused ? -EBUSY : 0);
	}
	free(dels);
}
