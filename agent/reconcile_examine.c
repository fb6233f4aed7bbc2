/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What passes over everything would do now, without doing it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/reconcile_priv.h"
#include "base/mem.h"
#include "overlay/apply.h"
#include "overlay/diff.h"

struct examine {
	struct reconcile *r;
	reconcile_examine_fn fn;
	void *user;
	struct wanted want;
	struct kernel_dump dump;
};

static void tell(struct examine *x, const struct reconcile_finding *f)
{
	x->fn(x->user, f);
}

/* ---- one network ---- */

/* Of what is observed this is found by nothing but its key. */
static struct rnet *known(struct reconcile *r, uint32_t vni)
{
	struct rnet *rn;

	HASH_FIND(hh, r->nets, &vni, sizeof(vni), rn);
	return rn;
}

static void compare(struct examine *x, const struct state_net *want, const struct state_net *have)
{
	struct reconcile_finding f = {
		.amiss = RECONCILE_OP, .vni = have->vni, .want = want, .have = have
	};
	bool may_delete = x->r->h.source(x->r->user, have->vni) == RECONCILE_COMPLETE;
	struct diff d;

	diff_net(want, have, may_delete, &d);
	for (size_t i = 0; i < d.n; i++) {
		f.op = &d.ops[i];
		tell(x, &f);
	}
	diff_done(&d);
}

static void look_targets(struct examine *x, const struct state_net *want)
{
	struct reconcile_finding f = { .amiss = RECONCILE_TARGET_GONE, .vni = want->vni };

	for (size_t i = 0; i < want->n_ports; i++) {
		f.port = &want->ports[i];
		if (!f.port->handed && !x->r->k->ops->target_alive(x->r->k, &want->ports[i].target))
			tell(x, &f);
	}
}

static struct state_net *dumped(const struct examine *x, uint32_t vni)
{
	for (size_t i = 0; i < x->dump.n_nets; i++) {
		if (x->dump.nets[i]->vni == vni)
			return x->dump.nets[i];
	}
	return NULL;
}

static void look_wanted(struct examine *x, const struct state_net *want)
{
	const struct rnet *rn = known(x->r, want->vni);
	_cleanup_state_net_ struct state_net *none = state_net_new(want->vni);
	struct state_net *have = dumped(x, want->vni);

	look_targets(x, want);
	/* No dump tells of devices in containers. */
	if (want->kind == STATE_DIRECT) {
		compare(x, want, rn ? rn->have : none);
		return;
	}
	none->complete = true;
	have = have ? have : none;
	if (rn)
		apply_know_ports(rn->have, have);
	apply_know_ports(want, have);
	compare(x, want, have);
}

static bool is_wanted(const struct examine *x, uint32_t vni)
{
	for (size_t i = 0; i < x->want.n; i++) {
		if (x->want.v[i]->vni == vni)
			return true;
	}
	return false;
}

static void look_nets(struct examine *x)
{
	for (size_t i = 0; i < x->want.n; i++)
		look_wanted(x, x->want.v[i]);
	for (size_t i = 0; i < x->dump.n_nets; i++) {
		struct state_net *have = x->dump.nets[i];
		const struct rnet *rn = known(x->r, have->vni);

		if (is_wanted(x, have->vni) ||
		    x->r->h.source(x->r->user, have->vni) == RECONCILE_NONE)
			continue;
		if (rn)
			apply_know_ports(rn->have, have);
		compare(x, NULL, have);
	}
}

/* ---- what is no single network's ---- */

static void tell_ips(struct examine *x, enum reconcile_amiss amiss, const struct ip *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tell(x, &(struct reconcile_finding){ .amiss = amiss, .ip = v[i] });
}

static void look_vteps(struct examine *x)
{
	_cleanup_free_ struct ip *want = NULL, *add = NULL, *del = NULL;
	enum reconcile_source source = x->r->h.source(x->r->user, 0);
	size_t n_want, n_add, n_del;

	if (source == RECONCILE_NONE)
		return;
	n_want = x->r->h.vteps(x->r->user, &want);
	diff_ips(want, n_want, x->dump.vteps, x->dump.n_vteps, &add, &n_add, &del, &n_del);
	tell_ips(x, RECONCILE_VTEP_MISSING, add, n_add);
	if (source == RECONCILE_COMPLETE)
		tell_ips(x, RECONCILE_VTEP_SURPLUS, del, n_del);
}

struct owned {
	const struct state_elem *elem;
	uint32_t vni;
};

static int cmp_owned(const void *a, const void *b)
{
	const struct owned *p = a, *q = b;

	return state_elem_cmp(p->elem, q->elem);
}

/* All that networks want, by identity; where several want the same, each of them. */
static size_t owned_all(const struct examine *x, struct owned **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < x->want.n; i++)
		n += x->want.v[i]->n_elems;
	*ret = mem_alloc_array(n + 1, sizeof(**ret));
	n = 0;
	for (size_t i = 0; i < x->want.n; i++) {
		for (size_t k = 0; k < x->want.v[i]->n_elems; k++)
			(*ret)[n++] = (struct owned){ &x->want.v[i]->elems[k], x->want.v[i]->vni };
	}
	qsort(*ret, n, sizeof(**ret), cmp_owned);
	return n;
}

static bool leads_as(const struct state_elem *a, const struct state_elem *b)
{
	return ip_eq(a->to, b->to) && a->to_port == b->to_port;
}

/* Of those that want one identity, in @v[0..n): is it as one of them has it? */
static bool fits_one(const struct owned *v, size_t n, const struct state_elem *have)
{
	for (size_t i = 0; i < n; i++) {
		if (leads_as(v[i].elem, have))
			return true;
	}
	return false;
}

/* A merge: both are sorted. */
static void look_elems(struct examine *x)
{
	bool may_delete = x->r->h.source(x->r->user, STATE_KEY_LOCAL) == RECONCILE_COMPLETE;
	_cleanup_free_ struct owned *v = NULL;
	size_t n = owned_all(x, &v), i = 0, k = 0;

	while (i < n || k < x->dump.n_elems) {
		const struct state_elem *have = k < x->dump.n_elems ? &x->dump.elems[k] : NULL;
		int order = i == n ? 1 : !have ? -1 : state_elem_cmp(v[i].elem, have);
		size_t same = 1;

		if (order > 0) {
			if (may_delete)
				tell(x, &(struct reconcile_finding){
						.amiss = RECONCILE_ELEM_SURPLUS, .elem = have });
			k++;
			continue;
		}
		while (i + same < n && state_elem_cmp(v[i].elem, v[i + same].elem) == 0)
			same++;
		if (order < 0 || !fits_one(&v[i], same, have))
			tell(x, &(struct reconcile_finding){ .amiss = RECONCILE_ELEM_MISSING,
							     .vni = v[i].vni,
							     .elem = v[i].elem });
		i += same;
		k += order == 0;
	}
}

static bool is_stray(const struct examine *x, const struct state_guard *g)
{
	for (size_t i = 0; i < x->dump.n_strays; i++) {
		if (memcmp(&x->dump.strays[i], g, sizeof(*g)) == 0)
			return true;
	}
	return false;
}

/* As reconcile_leftovers() judges them. */
static bool is_surplus_guard(const struct examine *x, const struct state_guard *g)
{
	uint32_t vni;
	const struct state_port *p = reconcile_wanted_port(&x->want, g->port, &vni);

	if (reconcile_source_of(x->r, g->port) != RECONCILE_COMPLETE)
		return false;
	if (is_stray(x, g))
		return !p || !reconcile_is_guard_of(p, g);
	return p && !reconcile_is_guard_of(p, g) &&
	       (ip_is_set(g->ip) || g->security != STATE_SECURE_MAC_IP);
}

static void look_guards(struct examine *x)
{
	struct reconcile_finding f = { .amiss = RECONCILE_GUARD_SURPLUS };

	for (size_t i = 0; i < x->dump.n_guards; i++) {
		f.guard = &x->dump.guards[i];
		if (is_surplus_guard(x, f.guard))
			tell(x, &f);
	}
}

static void look_loose(struct examine *x)
{
	struct reconcile_finding f = { .amiss = RECONCILE_LINK_LOOSE };

	for (size_t i = 0; i < x->dump.n_loose; i++) {
		f.name = x->dump.loose[i];
		/* A wanted one is told as a port that is missing. */
		if (!reconcile_wanted_port(&x->want, f.name, &f.vni) &&
		    reconcile_source_of(x->r, f.name) == RECONCILE_COMPLETE)
			tell(x, &f);
	}
}

int reconcile_examine(struct reconcile *r, reconcile_examine_fn fn, void *user, struct err *e)
{
	struct examine x = { .r = r, .fn = fn, .user = user };
	struct err amiss = { 0 };
	int status;

	if (!r->ready || r->stopped)
		return err_set(e, -EAGAIN, "the kernel's state has not been read yet");
	status = r->k->ops->ground_check(r->k, &amiss);
	if (status == -ESTALE)
		tell(&x, &(struct reconcile_finding){ .amiss = RECONCILE_GROUND,
						      .why = err_text(&amiss) });
	else if (status < 0)
		return err_set(e, status, "%s", err_text(&amiss));
	status = r->k->ops->dump(r->k, &x.dump, e);
	if (status < 0)
		return status;
	x.want = reconcile_wanted(r);
	look_nets(&x);
	look_vteps(&x);
	look_elems(&x);
	look_guards(&x);
	look_loose(&x);
	reconcile_wanted_done(&x.want);
	kernel_dump_done(&x.dump);
	return 0;
}

bool reconcile_idle(const struct reconcile *r)
{
	const struct rnet *rn;

	if (!r->ready || r->ground_due || r->full_dump || r->hosts_dirty || r->leftovers_due ||
	    r->n_suspects > 0 || r->deletions)
		return false;
	for (rn = r->nets; rn; rn = rn->hh.next) {
		if ((rn->dirty && rn->retry_ms == 0) || rn->n_peers > 0)
			return false;
	}
	return true;
}
