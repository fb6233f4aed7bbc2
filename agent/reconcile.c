/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/reconcile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "agent/reconcile_priv.h"
#include "base/mem.h"

struct rnet *rnet_get(struct reconcile *r, uint32_t vni)
{
	struct rnet *rn;

	HASH_FIND(hh, r->nets, &vni, sizeof(vni), rn);
	if (rn)
		return rn;
	rn = mem_alloc(sizeof(*rn));
	rn->vni = vni;
	/* After the first dump, what it did not tell of is not there. */
	rn->have = state_net_new(vni);
	rn->have->complete = true;
	backoff_init(&rn->backoff, RECONCILE_RETRY_MIN_MS, RECONCILE_RETRY_MAX_MS, vni);
	HASH_ADD(hh, r->nets, vni, sizeof(rn->vni), rn);
	return rn;
}

static void rnet_free(struct reconcile *r, struct rnet *rn)
{
	/* The analyzer does not follow the table's own bookkeeping from one removal to the next. */
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
	HASH_DELETE(hh, r->nets, rn);
	state_net_free(rn->have);
	free(rn->gone);
	free(rn->elems);
	free(rn->told);
	free(rn->peers);
	free(rn);
}

/* Networks of which nothing is left and nothing is wanted. */
static void forget_empty(struct reconcile *r)
{
	struct rnet *rn, *tmp;

	if (r->depth > 0)
		return;
	HASH_ITER(hh, r->nets, rn, tmp) {
		const struct state_net *h = rn->have;

		if (!rn->dirty && h->complete && !h->bridge_exists && !h->vxlan_exists &&
		    !h->uplink_exists && h->n_ports == 0 && rn->n_gone == 0 && rn->n_elems == 0)
			rnet_free(r, rn);
	}
}

/* ---- when ---- */

static void run(uv_timer_t *t);

void reconcile_kick(struct reconcile *r, uint64_t delay_ms)
{
	uint64_t at = uv_now(r->loop) + delay_ms;

	if (r->stopped || (r->wake_ms && r->wake_ms <= at))
		return;
	r->wake_ms = at;
	uv_timer_start(&r->timer, run, delay_ms, 0);
}

int reconcile_start(struct reconcile *r, struct err *e)
{
	int status = reconcile_ground(r, e);

	if (status == 0)
		status = r->k->ops->watch(r->k, reconcile_event, r, e);
	if (status == 0)
		status = reconcile_dump(r, e); /* after the events are on: nothing is missed */
	if (status < 0) {
		reconcile_kick(r, backoff_next(&r->start_backoff));
		return status;
	}
	r->ready = true;
	reconcile_dirty_all(r);
	return 0;
}

static bool net_is_due(struct reconcile *r, struct rnet *rn, uint64_t now)
{
	uint64_t at = rn->retry_ms;

	if (!rn->dirty || r->stopped)
		return false;
	if (r->h.source(r->user, rn->vni) == RECONCILE_NONE)
		return false; /* reconcile_dirty_all() tells when there is a picture */
	/* What is newly asked for does not wait for what failed. */
	if (rn->fresh && at > rn->passed_ms + RECONCILE_DUMP_GAP_MS)
		at = rn->passed_ms + RECONCILE_DUMP_GAP_MS;
	if (rn->need_dump && !rn->fresh && rn->dumped_ms &&
	    rn->dumped_ms + RECONCILE_DUMP_GAP_MS > at)
		at = rn->dumped_ms + RECONCILE_DUMP_GAP_MS;
	if (at > now) {
		reconcile_kick(r, at - now);
		return false;
	}
	return true;
}

static void run_nets(struct reconcile *r)
{
	struct rnet *rn, *tmp;

	r->depth++;
	HASH_ITER(hh, r->nets, rn, tmp) {
		reconcile_peers(r, rn);
		if (net_is_due(r, rn, uv_now(r->loop)))
			/* Told by its own log line, retried by its own back-off. */
			(void)reconcile_net(r, rn, NULL, NULL);
	}
	r->depth--;
	forget_empty(r);
}

static int dump_if_due(struct reconcile *r, struct err *e)
{
	uint64_t now = uv_now(r->loop), at = r->dumped_ms + RECONCILE_DUMP_GAP_MS;

	if (!r->full_dump)
		return 0;
	if (r->dumped_ms != 0 && at > now) {
		reconcile_kick(r, at - now);
		return 0;
	}
	return reconcile_dump(r, e);
}

/* What is no single network's, in order; the first failure stops it. */
static int run_common(struct reconcile *r, const char **ret_what, struct err *e)
{
	int status = 0;

	*ret_what = "ground";
	if (r->ground_due)
		status = reconcile_ground(r, e);
	if (status < 0) {
		r->ground_due = true;
		return status;
	}
	reconcile_judge(r);
	*ret_what = "dump";
	status = dump_if_due(r, e);
	if (status < 0)
		return status;
	*ret_what = "leftovers";
	status = reconcile_leftovers(r, e);
	if (status < 0)
		return status;
	*ret_what = "vteps";
	return r->hosts_dirty ? reconcile_hosts(r, e) : 0;
}

static void common_failed(struct reconcile *r, const char *what, const struct err *e)
{
	uint32_t delay = backoff_next(&r->retry_backoff);
	unsigned kept;

	r->stats.failures++;
	snprintf(r->stats.last_error, sizeof(r->stats.last_error), "%s: %s", what, err_text(e));
	if (log_limit_pass(&r->limit, uv_now(r->loop), 5000, &kept))
		log_warn("kernel state could not be kept; will retry",
			 "what=%s err=%s in_ms=%u suppressed=%u", what, LOG_Q(err_text(e)), delay,
			 kept);
	reconcile_kick(r, delay);
}

static void run(uv_timer_t *t)
{
	struct reconcile *r = t->data;
	struct err e = { 0 };
	const char *what;

	r->wake_ms = 0;
	if (r->stopped)
		return;
	if (!r->ready) {
		if (reconcile_start(r, &e) < 0 && !r->stopped)
			log_warn("the kernel cannot be prepared; will retry", "err=%s",
				 LOG_Q(err_text(&e)));
		return;
	}
	if (run_common(r, &what, &e) < 0)
		common_failed(r, what, &e);
	else
		backoff_reset(&r->retry_backoff);
	/* Networks do not wait for one another, nor for the rest: what they need and is missing, their own operations tell. */
	run_nets(r);
}

/* ---- what is due ---- */

void reconcile_dirty(struct reconcile *r, uint32_t vni)
{
	struct rnet *rn;

	if (!r->ready || vni == 0)
		return;
	rn = rnet_get(r, vni);
	rn->dirty = rn->fresh = rn->commanded = true;
	reconcile_kick(r, 0);
}

void reconcile_dirty_all(struct reconcile *r)
{
	_cleanup_free_ uint32_t *vnis = NULL;
	struct rnet *rn, *tmp;
	size_t n;

	if (!r->ready)
		return;
	n = r->h.vnis(r->user, &vnis);
	for (size_t i = 0; i < n; i++)
		rnet_get(r, vnis[i]);
	HASH_ITER(hh, r->nets, rn, tmp)
		rn->dirty = rn->fresh = rn->commanded = true;
	r->hosts_dirty = r->leftovers_due = true;
	reconcile_kick(r, 0);
}

void reconcile_dirty_hosts(struct reconcile *r)
{
	r->hosts_dirty = true;
	if (r->ready)
		reconcile_kick(r, 0);
}

void reconcile_repaired(struct reconcile *r, uint32_t vni, const char *what)
{
	r->stats.drift_repaired++;
	r->h.drift(r->user, vni, what, 1);
}

void reconcile_audit(struct reconcile *r)
{
	struct rnet *rn, *tmp;

	if (!r->ready || r->stopped)
		return;
	HASH_ITER(hh, r->nets, rn, tmp)
		rn->check_targets = true;
	r->ground_due = r->full_dump = true;
	reconcile_kick(r, 0);
}

static void audit_timer(uv_timer_t *t)
{
	reconcile_audit(t->data);
}

int reconcile_now(struct reconcile *r, uint32_t vni, const struct id *endpoint, struct err *e)
{
	struct rnet *rn;
	int status;

	if (!r->ready || r->stopped)
		return err_set(e, -EAGAIN, "the kernel's state has not been read yet: try again");
	rn = rnet_get(r, vni);
	rn->dirty = rn->fresh = rn->commanded = true;
	status = reconcile_net(r, rn, endpoint, e);
	forget_empty(r);
	return status;
}

/* ---- life ---- */

struct reconcile *reconcile_new(uv_loop_t *loop, struct kernel *k, const struct reconcile_hooks *h,
				void *user)
{
	struct reconcile *r = mem_alloc(sizeof(*r));

	r->loop = loop;
	r->k = k;
	r->h = *h;
	r->user = user;
	backoff_init(&r->start_backoff, RECONCILE_RETRY_MIN_MS, RECONCILE_RETRY_MAX_MS, 1);
	backoff_init(&r->retry_backoff, RECONCILE_RETRY_MIN_MS, RECONCILE_RETRY_MAX_MS, 2);
	uv_timer_init(loop, &r->timer);
	uv_timer_init(loop, &r->audit_timer);
	uv_timer_init(loop, &r->underlay_timer);
	r->timer.data = r->audit_timer.data = r->underlay_timer.data = r;
	r->open_timers = 3;
	uv_timer_start(&r->audit_timer, audit_timer, RECONCILE_AUDIT_MS, RECONCILE_AUDIT_MS);
	return r;
}

void reconcile_stop(struct reconcile *r)
{
	r->stopped = true;
	(void)r->k->ops->watch(r->k, NULL, NULL, NULL);
	uv_timer_stop(&r->timer);
	uv_timer_stop(&r->audit_timer);
	uv_timer_stop(&r->underlay_timer);
}

static void closed(uv_handle_t *h)
{
	struct reconcile *r = h->data;
	struct rnet *rn, *tmp;

	if (--r->open_timers > 0)
		return;
	HASH_ITER(hh, r->nets, rn, tmp)
		rnet_free(r, rn);
	reconcile_elems_free(r);
	free(r->vteps);
	free(r->strays);
	free(r->guards);
	free(r->loose);
	free(r->suspects);
	free(r);
}

void reconcile_close(struct reconcile *r)
{
	struct deletion *d;

	reconcile_stop(r);
	DL_FOREACH(r->deletions, d)
		d->r = NULL;
	uv_close((uv_handle_t *)&r->timer, closed);
	uv_close((uv_handle_t *)&r->audit_timer, closed);
	uv_close((uv_handle_t *)&r->underlay_timer, closed);
}

bool reconcile_ready(const struct reconcile *r)
{
	return r->ready;
}

void reconcile_stats(const struct reconcile *r, struct reconcile_stats *ret)
{
	const struct rnet *rn;

	*ret = r->stats;
	ret->writes = r->k->ops->writes(r->k);
	for (rn = r->nets; rn; rn = rn->hh.next) {
		ret->nets_dirty += rn->dirty || rn->n_peers > 0;
		ret->nets_backing_off += rn->retry_ms != 0;
	}
}
