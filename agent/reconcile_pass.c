/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One network: observe, compare, apply. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "agent/reconcile_priv.h"
#include "base/mem.h"
#include "overlay/apply.h"

struct pass {
	struct reconcile *r;
	struct rnet *rn;
	struct port_failure *failures;
	size_t n_failures;
	struct err first;
	struct err elems; /* what kept its elements from being in line */
};

/* ---- deletions ---- */

static void deletion_free(struct deletion *d)
{
	free(d->port);
	free(d);
}

/* No dump finds a device in a container: it is still there, unless it has been made again meanwhile. */
static void observe_again(struct reconcile *r, struct deletion *d)
{
	struct rnet *rn;

	if (d->vni == 0)
		return; /* of no network any more: the next start will try again */
	rn = rnet_get(r, d->vni);
	if (state_net_port(rn->have, d->port->name))
		return;
	rn->have->kind = STATE_DIRECT;
	d->port->up = false;
	state_net_put_port(rn->have, d->port);
	rn->dirty = rn->commanded = true;
}

static void link_deleted(void *user, const char *name, int status)
{
	struct deletion *d = user;
	struct reconcile *r = d->r;

	if (r)
		DL_DELETE(r->deletions, d);
	if (!r || r->stopped || status == 0 || status == -ECANCELED) {
		if (r && !r->stopped && status == 0 && d->port && r->h.direct_gone)
			r->h.direct_gone(r->user, d->port->endpoint);
		deletion_free(d);
		return;
	}
	r->stats.failures++;
	log_warn("a link could not be deleted; will retry", "link=%s err=%s", name,
		 LOG_Q(strerror(-status)));
	if (d->port)
		observe_again(r, d);
	else
		r->full_dump = true;
	reconcile_kick(r, backoff_next(&r->retry_backoff));
	deletion_free(d);
}

void reconcile_link_del(struct reconcile *r, const char *name)
{
	struct deletion *d = mem_alloc(sizeof(*d));

	d->r = r;
	DL_APPEND(r->deletions, d);
	r->k->ops->link_del(r->k, name, link_deleted, d);
}

void reconcile_direct_del(struct reconcile *r, uint32_t vni, const struct state_port *p)
{
	struct deletion *d = mem_alloc(sizeof(*d));

	d->r = r;
	d->vni = vni;
	d->port = mem_dup(p, sizeof(*p));
	DL_APPEND(r->deletions, d);
	r->k->ops->direct_del(r->k, d->port, link_deleted, d);
}

void reconcile_drop_direct(struct reconcile *r, uint32_t vni, const struct state_port *p)
{
	reconcile_direct_del(r, vni, p);
}

/* ---- what apply tells ---- */

static void pass_fail_port(struct pass *p, struct id endpoint, int status, const struct err *e)
{
	p->failures = mem_grow(p->failures, p->n_failures + 1, sizeof(*p->failures));
	p->failures[p->n_failures++] =
		(struct port_failure){ .endpoint = endpoint, .status = status, .err = *e };
}

static bool is_of_port(enum diff_op_type t)
{
	return t == DIFF_PORT_ADD || t == DIFF_PORT_SET || t == DIFF_PORT_UP || t == DIFF_GUARD_ADD;
}

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
	if (is_of_port(op->type)) {
		pass_fail_port(p, op->port->endpoint, status, e);
		return; /* the endpoint's owner says so */
	}
	if (log_limit_pass(&r->limit, uv_now(r->loop), 5000, &kept))
		log_warn("kernel operation failed; will retry", "vni=%u op=%s err=%s suppressed=%u",
			 p->rn->vni, diff_op_name(op->type), LOG_Q(err_text(e)), kept);
}

static void op_link_del(void *user, const char *name)
{
	reconcile_link_del(((struct pass *)user)->r, name);
}

static void op_direct_del(void *user, const struct state_port *port)
{
	struct pass *p = user;

	reconcile_direct_del(p->r, p->rn->vni, port);
}

/* ---- one round ---- */

static void add_gone(struct rnet *rn, const struct state_port *p)
{
	struct state_guard g[2];
	size_t n = state_port_guards(p, g);

	rn->gone = mem_grow(rn->gone, rn->n_gone + n + 1, sizeof(*rn->gone));
	for (size_t i = 0; i < n; i++)
		rn->gone[rn->n_gone++] = g[i];
}

void reconcile_observed(struct rnet *rn, struct state_net *now)
{
	for (size_t i = 0; i < rn->have->n_ports; i++) {
		struct state_port *p = &rn->have->ports[i];

		if (mac_is_zero(p->mac) || state_net_port(now, p->name))
			continue;
		if (rn->have->kind == STATE_DIRECT) {
			p->up = false; /* no dump tells: to be asked for again */
			state_net_put_port(now, p);
		} else {
			add_gone(rn, p);
		}
	}
	apply_know_ports(rn->have, now);
	state_net_free(rn->have);
	rn->have = now;
	rn->need_dump = false;
}

static int dump_net(struct reconcile *r, struct rnet *rn, struct err *e)
{
	struct state_net *now = NULL;
	int status = r->k->ops->dump_net(r->k, rn->vni, &now, e);

	if (status < 0) {
		if (e->code == 0)
			err_set(e, status, "cannot read network %u: %s", rn->vni,
				strerror(-status));
		return status;
	}
	now->complete = true;
	rn->dumped_ms = uv_now(r->loop) + 1; /* never 0 */
	reconcile_observed(rn, now);
	return 0;
}

static void report_drift(struct reconcile *r, struct rnet *rn, const struct diff *d, bool written)
{
	size_t from = 0;

	/* What was only asked for again, and found in place, is no repair. */
	if (rn->commanded || d->n == 0 || (rn->have->kind == STATE_DIRECT && !written))
		return;
	r->stats.drift_repaired += d->n;
	for (size_t i = 1; i <= d->n; i++) {
		if (i < d->n && d->ops[i].type == d->ops[from].type)
			continue;
		r->h.drift(r->user, rn->vni, diff_op_name(d->ops[from].type), (unsigned)(i - from));
		from = i;
	}
}

/* A container may have ended while something else keeps its veth: its name says so. */
static void check_targets(struct pass *p, const struct state_net *want)
{
	struct err e = { 0 };

	p->rn->check_targets = false;
	for (size_t i = 0; want && i < want->n_ports; i++) {
		const struct state_target *t = &want->ports[i].target;

		/* Where a port that was handed over is now is not known. */
		if (want->ports[i].handed || p->r->k->ops->target_alive(p->r->k, t))
			continue;
		err_set(&e, -ENOENT, "the namespace %s is gone", t->path);
		pass_fail_port(p, want->ports[i].endpoint, -ENOENT, &e);
	}
}

/* Ports that vanished (their containers ended) left their elements behind. */
static int drop_gone(struct pass *p, const struct state_net *want)
{
	struct rnet *rn = p->rn;
	_cleanup_free_ struct kernel_guard_op *ops = NULL;
	size_t kept = 0, n = 0;
	struct err e = { 0 };
	int status = 0;

	if (rn->n_gone == 0)
		return 0;
	ops = mem_alloc_array(rn->n_gone, sizeof(*ops));
	for (size_t i = 0; i < rn->n_gone; i++) {
		if (state_net_port(rn->have, rn->gone[i].port))
			continue; /* it is back, and they are in use */
		if (want && state_net_port(want, rn->gone[i].port))
			rn->gone[kept++] = rn->gone[i]; /* not made yet */
		else
			ops[n++] = (struct kernel_guard_op){ .del = true, .guard = rn->gone[i] };
	}
	rn->n_gone = kept;
	if (n > 0)
		status = p->r->k->ops->guard(p->r->k, ops, n, &e);
	if (status < 0 && p->first.code == 0)
		p->first = e;
	for (size_t i = 0; status < 0 && i < n; i++)
		rn->gone[rn->n_gone++] = ops[i].guard;
	return status;
}

/* Of a port deleted without knowing whose it was: found as strays once it is gone. */
static bool leaves_elements(const struct diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct state_port *p = d->ops[i].type == DIFF_GUARD_DEL ? d->ops[i].port :
										NULL;

		if (p && (mac_is_zero(p->mac) || id_is_zero(p->endpoint)))
			return true;
	}
	return false;
}

static int set_elems(struct pass *p, const struct state_net *want)
{
	struct reconcile *r = p->r;
	struct err e = { 0 };
	int status = reconcile_elems_net(r, p->rn, want, &e);
	unsigned kept;

	if (status == 0)
		return 0;
	/* Not the namespace of a container, which is what this means to those who ask. */
	if (status == -ENOENT)
		status = -EAGAIN;
	err_set(&p->elems, status, "the host's table: %s", err_text(&e));
	if (p->first.code == 0)
		p->first = p->elems;
	r->stats.failures++;
	snprintf(r->stats.last_error, sizeof(r->stats.last_error), "%s", err_text(&p->elems));
	if (log_limit_pass(&r->limit, uv_now(r->loop), 5000, &kept))
		log_warn("kernel operation failed; will retry",
			 "vni=%u op=elems err=%s suppressed=%u", p->rn->vni, LOG_Q(err_text(&e)),
			 kept);
	return status;
}

/* What was handed over and is gone has ended with its container: told, not made again. */
static void lose_handed(struct pass *p, struct state_net *want)
{
	struct err e = { 0 };
	size_t i = 0;

	while (i < want->n_ports) {
		const struct state_port *w = &want->ports[i];
		char name[IFNAMSIZ];

		if (!w->handed || w->fresh || state_net_port(p->rn->have, w->name)) {
			i++;
			continue;
		}
		err_set(&e, -ENOENT, "the interface %s is gone", w->ifname);
		pass_fail_port(p, w->endpoint, -ENOENT, &e);
		memcpy(name, w->name, sizeof(name));
		state_net_lose_port(want, name);
	}
}

static int round_trip(struct pass *p)
{
	static const struct apply_hooks hooks = { .failed = op_failed,
						  .link_del = op_link_del,
						  .direct_del = op_direct_del };
	struct reconcile *r = p->r;
	struct rnet *rn = p->rn;
	_cleanup_state_net_ struct state_net *want = r->h.desired(r->user, rn->vni);
	bool may_delete = r->h.source(r->user, rn->vni) == RECONCILE_COMPLETE;
	uint64_t writes = r->k->ops->writes(r->k);
	struct diff d;
	int status = 0, gone, elems;

	rn->shared = want && want->shared;
	rn->n_peers = 0; /* what is desired holds them */
	if (want) {
		lose_handed(p, want);
		apply_know_ports(want, rn->have);
	}
	diff_net(want, rn->have, may_delete, &d);
	if (d.n > 0)
		status = apply_diff(r->k, want, rn->have, &d, &hooks, p, NULL);
	if (status == 0)
		report_drift(r, rn, &d, r->k->ops->writes(r->k) != writes);
	if (leaves_elements(&d)) {
		r->full_dump = true;
		reconcile_kick(r, 0);
	}
	diff_done(&d);
	gone = drop_gone(p, want);
	if (status == 0)
		status = gone;
	/* Also where a port failed: the others shall not wait for it. */
	elems = set_elems(p, want);
	if (status == 0)
		status = elems;
	if (status == 0 && rn->check_targets)
		check_targets(p, want);
	return status;
}

/* Until what is observed can be trusted and agrees. */
static int rounds(struct pass *p)
{
	struct rnet *rn = p->rn;
	int status = 0;

	for (int i = 0; i < RECONCILE_ROUNDS_MAX; i++) {
		bool dumped = rn->need_dump || !rn->have->complete;

		if (dumped)
			status = dump_net(p->r, rn, &p->first);
		if (status < 0)
			return status;
		status = round_trip(p);
		if (status == 0 && rn->have->complete)
			return 0;
		/* What was just read was true: no use in trying again at once. */
		if (status < 0 && dumped)
			return status;
		if (p->elems.code) {
			(void)reconcile_ground(p->r, NULL); /* the next round tells */
			reconcile_kick(p->r, 0);
		}
		if (status < 0) {
			p->n_failures = 0;
			p->first = p->elems = (struct err){ 0 };
		}
		rn->need_dump = true;
	}
	return status < 0 ? status :
			    err_set(&p->first, -EAGAIN, "network %u does not settle", rn->vni);
}

/* ---- afterwards ---- */

static void settle(struct reconcile *r, struct rnet *rn, int status)
{
	uint32_t delay;

	rn->fresh = false;
	rn->passed_ms = uv_now(r->loop);
	if (status == 0) {
		rn->dirty = rn->commanded = false;
		rn->retry_ms = 0;
		backoff_reset(&rn->backoff);
		return;
	}
	rn->dirty = rn->need_dump = true;
	delay = backoff_next(&rn->backoff);
	rn->retry_ms = rn->passed_ms + delay;
	reconcile_kick(r, delay);
}

static const struct port_failure *failure_of(const struct port_failure *v, size_t n, struct id ep)
{
	for (size_t i = 0; i < n; i++) {
		if (id_eq(v[i].endpoint, ep))
			return &v[i];
	}
	return NULL;
}

/* Only now: a hook may well lead to the next pass over this very network. */
static void tell_failures(struct pass *p)
{
	struct port_failure *before = TAKE_PTR(p->rn->told);
	size_t n_before = p->rn->n_told;

	p->rn->told = p->n_failures ? mem_dup(p->failures, p->n_failures * sizeof(*p->failures)) :
				      NULL;
	p->rn->n_told = p->n_failures;
	for (size_t i = 0; i < p->n_failures; i++) {
		const struct port_failure *f = &p->failures[i];
		const struct port_failure *b = failure_of(before, n_before, f->endpoint);

		if (f->status == -ENOENT || !b || b->status != f->status)
			p->r->h.port_failed(p->r->user, f->endpoint, f->status, &f->err);
	}
	free(before);
	free(p->failures);
}

/* Other parts of the network may have failed, and are retried: the one who asks wants to know of his port. */
static int verdict(struct pass *p, const struct id *endpoint, int status)
{
	const struct port_failure *f;
	const struct state_port *port;
	char name[IFNAMSIZ];

	if (!endpoint)
		return status;
	state_net_port_name(p->rn->have, *endpoint, name);
	port = state_net_port(p->rn->have, name);
	f = failure_of(p->failures, p->n_failures, *endpoint);
	if (f)
		return err_set(&p->first, f->status, "%s", err_text(&f->err));
	if (p->elems.code)
		return err_set(&p->first, p->elems.code, "%s", err_text(&p->elems));
	if (port && port->up && (port->enslaved || p->rn->have->kind == STATE_DIRECT))
		return 0;
	return status < 0 ? status : err_set(&p->first, -EIO, "the port was not made");
}

int reconcile_net(struct reconcile *r, struct rnet *rn, const struct id *endpoint, struct err *e)
{
	struct pass p = { .r = r, .rn = rn };
	int status;

	if (r->h.source(r->user, rn->vni) == RECONCILE_NONE)
		return err_set(e, -EAGAIN, "the cluster's picture is not complete yet");
	r->stats.passes++;
	r->depth++;
	status = rounds(&p);
	settle(r, rn, status);
	status = verdict(&p, endpoint, status);
	if (status < 0)
		err_set(e, status, "%s", err_text(&p.first));
	tell_failures(&p);
	r->depth--;
	return status;
}
