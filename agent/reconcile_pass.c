/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One pass: the ground, the dump, the hosts' addresses, one network. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/compile.h"
#include "agent/reconcile_priv.h"
#include "base/mem.h"
#include "overlay/apply.h"

/* ---- ground ---- */

static size_t all_guards(struct reconcile *r, struct state_guard **ret)
{
	struct state_guard *all = NULL;
	struct rnet *rn, *tmp;
	size_t n = 0;

	if (r->h.source(r->user) == RECONCILE_NONE)
		return 0;
	HASH_ITER(hh, r->nets, rn, tmp) {
		_cleanup_state_net_ struct state_net *want = r->h.desired(r->user, rn->vni);
		_cleanup_free_ struct state_guard *v = NULL;
		size_t count = 0;

		if (!want)
			continue;
		compile_guards(want, &v, &count);
		all = mem_grow(all, n + count + 1, sizeof(*all));
		memcpy(all + n, v, count * sizeof(*v));
		n += count;
	}
	*ret = all;
	return n;
}

int reconcile_ground(struct reconcile *r, struct err *e)
{
	_cleanup_free_ struct state_guard *guards = NULL;
	_cleanup_free_ struct ip *vteps = NULL;
	struct kernel_elements el = { 0 };
	struct err amiss = { 0 };
	int status;

	r->ground_due = false;
	status = r->k->ops->ground_check(r->k, &amiss);
	if (status == 0)
		return 0;
	if (status != -ESTALE)
		return err_set(e, status, "%s", err_text(&amiss));
	el.n_vteps = r->h.vteps(r->user, &vteps);
	el.n_guards = all_guards(r, &guards);
	el.vteps = vteps;
	el.guards = guards;
	status = r->k->ops->ground(r->k, &el, e);
	if (status == 0 && r->ready) {
		r->stats.drift_repaired++;
		r->h.drift(r->user, 0, err_text(&amiss), 1);
		/* Objects may have gone with what was amiss. */
		r->full_dump = r->hosts_dirty = true;
	}
	return status;
}

/* ---- dump ---- */

/* What only the desired side knew of a port is kept: its guard elements are deleted by it one day. */
static void keep_port_facts(const struct state_net *old, struct state_net *now)
{
	for (size_t i = 0; i < now->n_ports; i++) {
		const struct state_port *o = state_net_port(old, now->ports[i].name);

		if (!o)
			continue;
		now->ports[i].endpoint = o->endpoint;
		now->ports[i].mac = o->mac;
		now->ports[i].ip4 = o->ip4;
		now->ports[i].ip6 = o->ip6;
	}
}

static void replace_have(struct rnet *rn, struct state_net *now)
{
	keep_port_facts(rn->have, now);
	state_net_free(rn->have);
	rn->have = now;
	rn->need_dump = false;
}

/* A port taken off its bridge by somebody belongs to a network all the same: it is observed as such, to be put back. */
static bool adopt_loose(struct reconcile *r, const char *name)
{
	struct rnet *rn, *tmp;

	if (r->h.source(r->user) == RECONCILE_NONE)
		return true; /* not known yet whose it is: leave it alone */
	HASH_ITER(hh, r->nets, rn, tmp) {
		_cleanup_state_net_ struct state_net *want = r->h.desired(r->user, rn->vni);
		struct state_port *w = want ? state_net_port(want, name) : NULL;
		struct state_port p;

		if (!w)
			continue;
		p = *w;
		p.enslaved = p.flags_ok = false;
		p.up = true;
		state_net_put_port(rn->have, &p);
		return true;
	}
	return false;
}

static void take_strays(struct reconcile *r, const struct kernel_dump *d)
{
	_cleanup_free_ struct kernel_guard_op *ops = mem_alloc_array(d->n_strays + 1, sizeof(*ops));
	struct err e = { 0 };

	for (size_t i = 0; i < d->n_loose; i++) {
		if (!adopt_loose(r, d->loose[i]) && r->h.source(r->user) == RECONCILE_COMPLETE)
			r->k->ops->link_del(r->k, d->loose[i], NULL, NULL);
	}
	if (d->n_strays == 0 || r->h.source(r->user) != RECONCILE_COMPLETE)
		return;
	for (size_t i = 0; i < d->n_strays; i++)
		ops[i] = (struct kernel_guard_op){ .del = true, .guard = d->strays[i] };
	if (r->k->ops->guard(r->k, ops, d->n_strays, &e) < 0)
		log_warn(
			"stray port-security elements could not be removed; will retry at the next audit",
			"err=%s", LOG_Q(err_text(&e)));
}

int reconcile_dump(struct reconcile *r, struct err *e)
{
	struct kernel_dump d = { 0 };
	struct rnet *rn, *tmp;
	int status = r->k->ops->dump(r->k, &d, e);

	if (status < 0)
		return status;
	r->full_dump = false;
	r->stats.audits++;
	HASH_ITER(hh, r->nets, rn, tmp) {
		rn->need_dump = true; /* until found below */
		rn->dirty = true;
	}
	for (size_t i = 0; i < d.n_nets; i++) {
		rn = rnet_get(r, d.nets[i]->vni);
		replace_have(rn, TAKE_PTR(d.nets[i]));
		rn->dirty = true;
	}
	HASH_ITER(hh, r->nets, rn, tmp) {
		if (!rn->need_dump)
			continue;
		replace_have(rn, state_net_new(rn->vni));
		rn->have->complete = true;
	}
	free(r->vteps);
	r->vteps = TAKE_PTR(d.vteps);
	r->n_vteps = d.n_vteps;
	d.n_vteps = 0;
	r->hosts_dirty = true;
	take_strays(r, &d);
	kernel_dump_done(&d);
	return 0;
}

/* ---- the hosts' addresses ---- */

int reconcile_hosts(struct reconcile *r, struct err *e)
{
	_cleanup_free_ struct ip *want = NULL, *add = NULL, *del = NULL;
	enum reconcile_source source = r->h.source(r->user);
	size_t n_want, n_add, n_del;
	int status = 0;

	if (source == RECONCILE_NONE)
		return 0; /* told again when there is a picture */
	r->hosts_dirty = false;
	n_want = r->h.vteps(r->user, &want);
	diff_ips(want, n_want, r->vteps, r->n_vteps, &add, &n_add, &del, &n_del);
	if (source != RECONCILE_COMPLETE)
		n_del = 0;
	if (n_add == 0 && n_del == 0)
		return 0;
	status = r->k->ops->vteps(r->k, add, n_add, del, n_del, e);
	if (status < 0) {
		r->hosts_dirty = r->full_dump = true;
		return status;
	}
	if (source == RECONCILE_COMPLETE) {
		free(r->vteps);
		r->vteps = TAKE_PTR(want);
		r->n_vteps = n_want;
	} else {
		r->full_dump = true; /* the union is in the kernel: read it back */
	}
	return 0;
}

/* ---- one network ---- */

struct pass {
	struct reconcile *r;
	struct rnet *rn;
	struct port_failure *failures;
	size_t n_failures;
	struct err first;
};

static void op_failed(void *user, const struct diff_op *op, int status, const struct err *e)
{
	struct pass *p = user;
	struct reconcile *r = p->r;
	unsigned kept;

	r->stats.failures++;
	if (p->first.code == 0)
		err_set(&p->first, status, "%s", err_text(e));
	snprintf(r->stats.last_error, sizeof(r->stats.last_error), "%s: %s", diff_op_name(op->type),
		 err_text(e));
	if (op->type == DIFF_PORT_ADD || op->type == DIFF_PORT_SET || op->type == DIFF_PORT_UP ||
	    op->type == DIFF_GUARD_ADD) {
		p->failures = mem_grow(p->failures, p->n_failures + 1, sizeof(*p->failures));
		p->failures[p->n_failures++] = (struct port_failure){
			.endpoint = op->port->endpoint, .status = status, .err = *e
		};
		return; /* the endpoint's owner says so */
	}
	if (log_limit_pass(&r->limit, uv_now(r->loop), 5000, &kept))
		log_warn("kernel operation failed; will retry", "vni=%u op=%s err=%s suppressed=%u",
			 p->rn->vni, diff_op_name(op->type), LOG_Q(err_text(e)), kept);
}

static int dump_net(struct reconcile *r, struct rnet *rn, struct err *e)
{
	struct state_net *now = NULL;
	int status = r->k->ops->dump_net(r->k, rn->vni, &now, e);

	if (status < 0)
		return status;
	now->complete = true;
	rn->dumped_ms = uv_now(r->loop);
	replace_have(rn, now);
	return 0;
}

static void report_drift(struct reconcile *r, struct rnet *rn, const struct diff *d)
{
	size_t from = 0;

	if (rn->commanded || d->n == 0)
		return;
	r->stats.drift_repaired += d->n;
	for (size_t i = 1; i <= d->n; i++) {
		if (i < d->n && d->ops[i].type == d->ops[from].type)
			continue;
		r->h.drift(r->user, rn->vni, diff_op_name(d->ops[from].type), (unsigned)(i - from));
		from = i;
	}
}

static int round_trip(struct reconcile *r, struct rnet *rn, struct pass *p)
{
	_cleanup_state_net_ struct state_net *want = r->h.desired(r->user, rn->vni);
	bool may_delete = r->h.source(r->user) == RECONCILE_COMPLETE;
	struct diff d;
	int status = 0;

	diff_net(want, rn->have, may_delete, &d);
	if (d.n > 0)
		status = apply_diff(r->k, want, rn->have, &d, op_failed, p, NULL);
	if (status == 0)
		report_drift(r, rn, &d);
	diff_done(&d);
	return status;
}

static void settle(struct reconcile *r, struct rnet *rn, int status)
{
	uint64_t now = uv_now(r->loop);
	uint32_t delay;

	if (status == 0) {
		rn->dirty = rn->commanded = false;
		rn->retry_ms = 0;
		backoff_reset(&rn->backoff);
		return;
	}
	rn->dirty = rn->need_dump = true;
	delay = backoff_next(&rn->backoff);
	rn->retry_ms = now + delay;
	reconcile_kick(r, delay);
}

int reconcile_net(struct reconcile *r, struct rnet *rn, struct err *e)
{
	struct pass p = { .r = r, .rn = rn };
	int status = 0;

	if (r->h.source(r->user) == RECONCILE_NONE)
		return err_set(e, -EAGAIN, "the cluster's picture is not complete yet");
	r->stats.passes++;
	r->depth++;
	for (int round = 0; round < RECONCILE_ROUNDS_MAX; round++) {
		if (rn->need_dump || !rn->have->complete)
			status = dump_net(r, rn, &p.first);
		if (status == 0)
			status = round_trip(r, rn, &p);
		if (status < 0 || rn->have->complete)
			break;
	}
	if (status == 0 && !rn->have->complete)
		status = -EAGAIN;
	settle(r, rn, status);
	if (status < 0)
		err_set(e, status, "%s", err_text(&p.first));
	/* Only now: a hook may well lead to the next pass over this very network. */
	for (size_t i = 0; i < p.n_failures; i++)
		r->h.port_failed(r->user, p.failures[i].endpoint, p.failures[i].status,
				 &p.failures[i].err);
	free(p.failures);
	r->depth--;
	return status;
}
