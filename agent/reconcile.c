/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/reconcile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/reconcile_priv.h"
#include "base/mem.h"
#include "overlay/observe.h"

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
	HASH_DELETE(hh, r->nets, rn);
	state_net_free(rn->have);
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
		    h->n_ports == 0)
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

static void on_event(void *user, const struct kernel_event *ev);

int reconcile_start(struct reconcile *r, struct err *e)
{
	int status = reconcile_ground(r, e);

	if (status == 0)
		status = r->k->ops->watch(r->k, on_event, r, e);
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

	if (!rn->dirty)
		return false;
	if (rn->need_dump && !rn->commanded && rn->dumped_ms &&
	    rn->dumped_ms + RECONCILE_DUMP_GAP_MS > at)
		at = rn->dumped_ms + RECONCILE_DUMP_GAP_MS;
	if (at > now) {
		reconcile_kick(r, at - now);
		return false;
	}
	return true;
}

static void failed(struct reconcile *r, const char *what, const struct err *e)
{
	unsigned kept;

	r->stats.failures++;
	if (log_limit_pass(&r->limit, uv_now(r->loop), 5000, &kept))
		log_warn("kernel state could not be kept; will retry in 1s",
			 "what=%s err=%s suppressed=%u", what, LOG_Q(err_text(e)), kept);
	reconcile_kick(r, 1000);
}

static void run_nets(struct reconcile *r)
{
	struct rnet *rn, *tmp;

	r->depth++;
	HASH_ITER(hh, r->nets, rn, tmp) {
		if (net_is_due(r, rn, uv_now(r->loop)))
			(void)reconcile_net(
				r, rn,
				NULL); /* told by its own log line, retried by its own back-off */
	}
	r->depth--;
	forget_empty(r);
}

static void run(uv_timer_t *t)
{
	struct reconcile *r = t->data;
	struct err e = { 0 };

	r->wake_ms = 0;
	if (r->stopped)
		return;
	if (!r->ready) {
		if (reconcile_start(r, &e) < 0)
			failed(r, "start", &e);
		return;
	}
	if (r->ground_due && reconcile_ground(r, &e) < 0) {
		r->ground_due = true;
		failed(r, "ground", &e);
		return;
	}
	if (r->full_dump && reconcile_dump(r, &e) < 0) {
		failed(r, "dump", &e);
		return;
	}
	if (r->h.source(r->user) == RECONCILE_NONE)
		return;
	if (r->hosts_dirty && reconcile_hosts(r, &e) < 0)
		failed(r, "vteps", &e);
	run_nets(r);
	if (r->full_dump || r->ground_due)
		reconcile_kick(r, 0);
}

/* ---- what is due ---- */

void reconcile_dirty(struct reconcile *r, uint32_t vni)
{
	struct rnet *rn;

	if (!r->ready || vni == 0)
		return;
	rn = rnet_get(r, vni);
	rn->dirty = rn->commanded = true;
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
		rn->dirty = rn->commanded = true;
	r->hosts_dirty = true;
	reconcile_kick(r, 0);
}

void reconcile_dirty_hosts(struct reconcile *r)
{
	r->hosts_dirty = true;
	if (r->ready)
		reconcile_kick(r, 0);
}

void reconcile_audit(struct reconcile *r)
{
	if (!r->ready)
		return;
	r->ground_due = r->full_dump = true;
	reconcile_kick(r, 0);
}

static void audit_timer(uv_timer_t *t)
{
	reconcile_audit(t->data);
}

int reconcile_now(struct reconcile *r, uint32_t vni, const struct id *endpoint, struct err *e)
{
	const struct state_port *p;
	struct rnet *rn;
	char name[IFNAMSIZ];
	struct err first = { 0 };
	int status;

	if (!r->ready || r->stopped)
		return err_set(e, -EAGAIN, "the kernel's state has not been read yet: try again");
	rn = rnet_get(r, vni);
	rn->dirty = rn->commanded = true;
	status = reconcile_net(r, rn, &first);
	if (endpoint) {
		state_port_name(*endpoint, name);
		p = state_net_port(rn->have, name);
		if (p && p->up)
			status = 0; /* something else of this network failed, and is retried */
		else if (status == 0)
			status = err_set(&first, -EIO, "the port was not made");
	}
	forget_empty(r);
	if (status < 0)
		err_set(e, status, "%s", err_text(&first));
	return status;
}

/* ---- events ---- */

static void underlay_timer(uv_timer_t *t)
{
	struct reconcile *r = t->data;

	r->h.underlay_changed(r->user);
}

static struct rnet *net_of_event(struct reconcile *r, const struct kernel_event *ev)
{
	struct rnet *rn, *tmp;

	if (ev->vni) {
		HASH_FIND(hh, r->nets, &ev->vni, sizeof(ev->vni), rn);
		return rn;
	}
	HASH_ITER(hh, r->nets, rn, tmp) {
		if (state_net_port(rn->have, ev->name))
			return rn;
	}
	return NULL;
}

static void object_event(struct reconcile *r, const struct kernel_event *ev)
{
	struct rnet *rn = net_of_event(r, ev);

	if (!observe_event(rn ? rn->have : NULL, ev))
		return;
	/* A port off its bridge is found by no dump of one network. */
	if (!rn || (ev->type == KERNEL_EVENT_LINK && !ev->deleted && !ev->enslaved &&
		    strncmp(ev->name, "ve", 2) == 0))
		r->full_dump = true;
	if (rn)
		rn->dirty = rn->need_dump = true;
	reconcile_kick(r, 0);
}

static void on_event(void *user, const struct kernel_event *ev)
{
	struct reconcile *r = user;

	switch (ev->type) {
	case KERNEL_EVENT_LOST:
		r->full_dump = true;
		reconcile_kick(r, 0);
		break;
	case KERNEL_EVENT_GROUND:
		r->ground_due = r->full_dump = true;
		reconcile_kick(r, 0);
		break;
	case KERNEL_EVENT_UNDERLAY:
		if (!uv_is_active((uv_handle_t *)&r->underlay_timer))
			uv_timer_start(&r->underlay_timer, underlay_timer, RECONCILE_UNDERLAY_MS,
				       0);
		break;
	case KERNEL_EVENT_LINK:
	case KERNEL_EVENT_FDB:
	case KERNEL_EVENT_NEIGH:
	case KERNEL_EVENT_GATEWAY:
		object_event(r, ev);
		break;
	}
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
	free(r->vteps);
	free(r);
}

void reconcile_close(struct reconcile *r)
{
	reconcile_stop(r);
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
		ret->nets_dirty += rn->dirty;
		ret->nets_backing_off += rn->retry_ms != 0;
	}
}
