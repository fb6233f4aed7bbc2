/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/fake_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/fake/fake_kernel_priv.h"

static struct fake_kernel *of(struct kernel *k)
{
	return CONTAINER_OF(k, struct fake_kernel, k);
}

/* Every verb begins here. Return: the fault asked for, or 0. */
static int call(struct fake_kernel *f, enum fake_verb v, struct err *e)
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
	struct fake_kernel *f = of(k);
	int r = call(f, FAKE_GROUND_CHECK, e);

	if (r < 0)
		return r;
	return f->grounded ? 0 : err_set(e, -ESTALE, "a table is not as it should be");
}

static int ground(struct kernel *k, const struct kernel_elements *el, struct err *e)
{
	struct fake_kernel *f = of(k);
	int r = call(f, FAKE_GROUND, e);

	if (r < 0)
		return r;
	f->grounded = f->namespace_is_there = true;
	f->writes++;
	f->n_guards = f->n_vteps = 0;
	for (size_t i = 0; i < el->n_guards; i++)
		fake_set_guard(f, &el->guards[i], false);
	for (size_t i = 0; i < el->n_vteps; i++)
		fake_set_vtep(f, el->vteps[i], false);
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

	return !p || !mac_eq(p->mac, g->mac) || (!ip_eq(p->ip4, g->ip) && !ip_eq(p->ip6, g->ip));
}

static int dump(struct kernel *k, struct kernel_dump *ret, struct err *e)
{
	struct fake_kernel *f = of(k);
	struct kernel_dump d = { 0 };
	int r = call(f, FAKE_DUMP, e);

	if (r < 0)
		return r;
	d.nets = mem_alloc_array(f->n_nets + 1, sizeof(struct state_net *));
	for (size_t i = 0; i < f->n_nets; i++)
		d.nets[d.n_nets++] = fake_observe(f, f->nets[i]);
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
	d.loose = mem_alloc_array(f->n_loose + 1, sizeof(*d.loose));
	for (size_t i = 0; i < f->n_loose; i++)
		memcpy(d.loose[d.n_loose++], f->loose[i], IFNAMSIZ);
	*ret = d;
	return 0;
}

static int dump_net(struct kernel *k, uint32_t vni, struct state_net **ret, struct err *e)
{
	struct fake_kernel *f = of(k);
	const struct state_net *n = fake_net_find(f, vni);
	int r = call(f, FAKE_DUMP_NET, e);

	if (r < 0)
		return r;
	*ret = n ? fake_observe(f, n) : state_net_new(vni);
	(*ret)->complete = true;
	return 0;
}

/* ---- makers ---- */

static int bridge_add(struct kernel *k, const struct state_net *want, struct err *e)
{
	struct fake_kernel *f = of(k);
	char name[IFNAMSIZ];
	struct state_net *n;
	int r = call(f, FAKE_BRIDGE_ADD, e);

	if (r < 0)
		return r;
	state_bridge_name(want->vni, name);
	n = fake_net_make(f, want->vni);
	f->writes++;
	if (n->bridge_exists && !mac_eq(n->bridge_mac, want->bridge_mac))
		fake_lose_neigh(f, n);
	if (!n->bridge_exists) {
		n->bridge_ifindex = ++f->next_ifindex;
		n->bridge_up = false;
		n->bridge_exists = true;
	}
	n->bridge_mac = want->bridge_mac;
	n->bridge_mtu = want->bridge_mtu;
	fake_event_link(f, n, name, false);
	n->bridge_up = true;
	fake_event_link(f, n, name, false);
	return 0;
}

static int vxlan_add(struct kernel *k, const struct state_net *want, struct err *e)
{
	struct fake_kernel *f = of(k);
	struct state_net *n = fake_net_find(f, want->vni);
	char name[IFNAMSIZ];
	int r = call(f, FAKE_VXLAN_ADD, e);

	if (r < 0)
		return r;
	if (!n || !n->bridge_exists)
		return err_set(e, -ENODEV, "no bridge");
	state_vxlan_name(want->vni, name);
	f->writes++;
	if (n->vxlan_exists)
		fake_drop_link(f, name, true);
	n->vxlan_ifindex = ++f->next_ifindex;
	n->vxlan_exists = true;
	n->vtep = want->vtep;
	n->port = want->port;
	n->vxlan_mtu = want->vxlan_mtu;
	n->vxlan_up = n->vxlan_enslaved = n->vxlan_flags_ok = false;
	fake_event_link(f, n, name, false);
	n->vxlan_up = n->vxlan_enslaved = n->vxlan_flags_ok = true;
	fake_event_link(f, n, name, false);
	return 0;
}

static bool is_dead(const struct fake_kernel *f, const char *path)
{
	for (size_t i = 0; i < f->n_dead; i++) {
		if (strcmp(f->dead[i], path) == 0)
			return true;
	}
	return false;
}

static bool inside_has(const struct fake_kernel *f, const struct state_port *p)
{
	for (size_t i = 0; i < f->n_nets; i++) {
		for (size_t j = 0; j < f->nets[i]->n_ports; j++) {
			const struct state_port *o = &f->nets[i]->ports[j];

			if (strcmp(o->name, p->name) != 0 && strcmp(o->ifname, p->ifname) == 0 &&
			    strcmp(o->target.path, p->target.path) == 0)
				return true;
		}
	}
	return false;
}

static int port_refused(struct fake_kernel *f, const struct state_net *n,
			const struct state_port *p, struct err *e)
{
	if (f->bad_port_status && strcmp(f->bad_port, p->name) == 0)
		return err_set(e, f->bad_port_status, "fault of port %s", p->name);
	if (is_dead(f, p->target.path))
		return err_set(e, -ENOENT, "%s is gone", p->target.path);
	if (!n || !n->bridge_exists)
		return err_set(e, -ENODEV, "no bridge");
	if (inside_has(f, p))
		return err_set(e, -EEXIST, "an interface %s exists", p->ifname);
	return 0;
}

static int port_add(struct kernel *k, const struct state_net *want, const struct state_port *p,
		    struct err *e)
{
	struct fake_kernel *f = of(k);
	struct state_net *n = fake_net_find(f, want->vni);
	struct state_port t = *p;
	int r = call(f, FAKE_PORT_ADD, e);

	if (r == 0)
		r = port_refused(f, n, p, e);
	if (r < 0)
		return r;
	fake_drop_link(f, p->name, true); /* a stale host end */
	f->writes++;
	t.ifindex = ++f->next_ifindex;
	t.up = t.guard4 = t.guard6 = t.enslaved = t.flags_ok = false;
	state_net_put_port(n, &t);
	fake_event_link(f, n, p->name, false);
	t.enslaved = t.flags_ok = true;
	state_net_put_port(n, &t);
	fake_event_link(f, n, p->name, false);
	return 0;
}

/* ---- changes ---- */

static void check_ready(struct fake_kernel *f, const struct state_net *n,
			const struct state_port *p)
{
	struct state_fdb key = { .where = STATE_FDB_MASTER, .mac = p->mac };
	const struct state_fdb *e = state_net_fdb(n, &key);

	if (!p->enslaved)
		fake_violate(f, "up while on no bridge", p->name);
	else if (!p->flags_ok)
		fake_violate(f, "up without its flags", p->name);
	else if (!e || strcmp(e->port, p->name) != 0)
		fake_violate(f, "up before its entry", p->name);
	else if (ip_is_set(p->ip4) && !fake_has_guard(f, p, p->ip4))
		fake_violate(f, "up before its elements", p->name);
}

static void set_port(struct fake_kernel *f, struct state_net *n, const struct kernel_link_set *s)
{
	struct state_port *p = state_net_port(n, s->name);

	if (s->up == KERNEL_OFF || (s->master && s->port_flags))
		p->up = false;
	if (s->mtu)
		p->mtu = s->mtu;
	if (s->master) {
		fake_unslave(f, n, s->name);
		p->enslaved = n->bridge_exists;
	}
	if (s->port_flags)
		p->flags_ok = p->enslaved;
	if (s->up == KERNEL_ON) {
		check_ready(f, n, p);
		p->up = true;
	}
}

static void set_vxlan(struct fake_kernel *f, struct state_net *n, const struct kernel_link_set *s)
{
	if (s->mtu)
		n->vxlan_mtu = s->mtu;
	if (s->master) {
		fake_unslave(f, n, s->name);
		n->vxlan_enslaved = n->bridge_exists;
	}
	if (s->port_flags)
		n->vxlan_flags_ok = n->vxlan_enslaved;
	if (ip_is_set(s->vtep))
		n->vtep = s->vtep;
	if (s->up != KERNEL_KEEP)
		n->vxlan_up = s->up == KERNEL_ON;
}

static int link_set(struct kernel *k, const struct kernel_link_set *s, struct err *e)
{
	struct fake_kernel *f = of(k);
	struct state_net *n = fake_net_of(f, s->name);
	int r = call(f, FAKE_LINK_SET, e);

	if (r < 0)
		return r;
	if (!n)
		return err_set(e, -ENODEV, "no link %s", s->name);
	f->writes++;
	if (strncmp(s->name, "br", 2) == 0)
		fake_violate(f, "a bridge changed by link_set", s->name);
	else if (state_net_port(n, s->name))
		set_port(f, n, s);
	else
		set_vxlan(f, n, s);
	fake_event_link(f, n, s->name, false);
	return 0;
}

static int link_shut(struct kernel *k, const char *name, struct err *e)
{
	struct fake_kernel *f = of(k);
	struct state_net *n = fake_net_of(f, name);
	struct state_port *p = n ? state_net_port(n, name) : NULL;
	int r = call(f, FAKE_LINK_SHUT, e);

	if (r < 0 || !p)
		return r;
	f->writes++;
	p->up = false;
	fake_unslave(f, n, name);
	return 0;
}

static void link_del(struct kernel *k, const char *name, kernel_deleted_fn done, void *user)
{
	struct fake_kernel *f = of(k);
	struct fake_deletion d = { .done = done, .user = user };

	snprintf(d.name, sizeof(d.name), "%s", name);
	d.refused = call(f, FAKE_LINK_DEL, NULL) < 0;
	f->deletions = mem_grow(f->deletions, f->n_deletions + 1, sizeof(d));
	f->deletions[f->n_deletions++] = d;
	fake_wake(f);
	/* From now on it is hidden, as if gone; or stays, and that is told later. */
	if (!d.refused && fake_drop_link(f, name, true))
		f->writes++;
}

static int gateway(struct kernel *k, const struct state_net *whose, bool del, struct prefix gw,
		   struct err *e)
{
	struct fake_kernel *f = of(k);
	struct state_net *n = fake_net_find(f, whose->vni);
	int r = call(f, FAKE_GATEWAY, e);

	if (r < 0)
		return r;
	if (!n || !n->bridge_exists)
		return del ? 0 : err_set(e, -ENODEV, "no bridge");
	f->writes++;
	fake_set_gateway(f, n, gw, del);
	return 0;
}

/* ---- entries ---- */

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
	struct fake_kernel *f = of(k);
	int first = call(f, FAKE_FDB, e);
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
	struct fake_kernel *f = of(k);
	struct state_net *net = fake_net_find(f, whose->vni);
	bool there = net && net->bridge_exists;
	int first = call(f, FAKE_NEIGH, e);
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
	struct fake_kernel *f = of(k);
	int r = call(f, FAKE_GUARD, e);

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
	struct fake_kernel *f = of(k);
	int r = call(f, FAKE_VTEPS, e);

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

static int watch(struct kernel *k, kernel_event_fn fn, void *user, struct err *e)
{
	struct fake_kernel *f = of(k);
	int r = fn ? call(f, FAKE_WATCH, e) : 0;

	if (r < 0)
		return r;
	f->fn = fn;
	f->fn_user = user;
	return 0;
}

static bool target_alive(struct kernel *k, const struct state_target *t)
{
	return !is_dead(of(k), t->path);
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
	return of(k)->writes;
}

static const struct kernel_ops fake_ops = {
	.ground_check = ground_check,
	.ground = ground,
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

/* ---- life ---- */

struct fake_kernel *fake_kernel_new(uv_loop_t *loop)
{
	struct fake_kernel *f = mem_alloc(sizeof(*f));

	f->k.ops = &fake_ops;
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
