/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reconcile_priv - what the files of reconcile share: reconcile.c (what is due, and when), reconcile_event.c (what the kernel tells),
 * reconcile_ground.c (what is no single network's), reconcile_pass.c (one network).
 */
#pragma once
#include <uthash.h>
#include "agent/reconcile.h"
#include "base/backoff.h"
#include "base/log.h"

#define RECONCILE_RETRY_MIN_MS 100
#define RECONCILE_RETRY_MAX_MS 30000
/* While events keep coming, a network (and the whole) is dumped at most that often; the first one is answered at once. */
#define RECONCILE_DUMP_GAP_MS 50
#define RECONCILE_UNDERLAY_MS 20
#define RECONCILE_ROUNDS_MAX 3 /* over one network in one pass, when it has to be dumped again */
#define RECONCILE_SUSPECTS_MAX 256 /* events held until the end of the turn */

struct port_failure {
	struct id endpoint;
	int status;
	struct err err;
};
/* One network. */
struct rnet {
	uint32_t vni;
	struct state_net *have; /* observed; never NULL */
	bool dirty; /* a pass is due */
	bool fresh; /* something new is asked for: no back-off */
	bool commanded; /* the desired state changed since the last success: what differs is no drift */
	bool need_dump; /* what is observed may be stale */
	bool check_targets; /* are the containers still there? */
	uint64_t dumped_ms, passed_ms, retry_ms; /* retry_ms 0: not backing off */
	struct backoff backoff;
	struct state_guard *
		gone; /* elements of ports that vanished; deleted unless the port is to be made again */
	size_t n_gone;
	struct port_failure *told; /* ports that failed in the last pass */
	size_t n_told;
	UT_hash_handle hh;
};
/* A link being deleted in the background; outlives the reconciler if need be. */
struct deletion {
	struct reconcile *r; /* NULL: closed */
	struct deletion *prev, *next;
};
struct reconcile {
	uv_loop_t *loop;
	struct kernel *k;
	struct reconcile_hooks h;
	void *user;
	struct rnet *nets; /* by vni */
	struct ip *vteps; /* observed, sorted */
	size_t n_vteps;
	/* What the last full dump found that belongs to no network; kept until it may be judged (source != NONE). */
	struct state_guard *strays;
	size_t n_strays;
	char (*loose)[IFNAMSIZ];
	size_t n_loose;
	struct kernel_event *suspects; /* disagree with what is observed, so far */
	size_t n_suspects;
	struct deletion *deletions;
	uv_timer_t timer, audit_timer, underlay_timer;
	unsigned open_timers;
	uint64_t wake_ms; /* when the timer is set for; 0: not set */
	uint64_t dumped_ms; /* last full dump; 0: never */
	bool ready, stopped, full_dump, ground_due, hosts_dirty;
	/* What a dump found otherwise than it was left, and nobody asked for: addresses of hosts, elements of no port. */
	bool hosts_drift, strays_drift;
	unsigned depth; /* passes under way: nets are freed at 0 only */
	struct backoff start_backoff, retry_backoff;
	struct log_limit limit;
	struct reconcile_stats stats;
};

struct rnet *rnet_get(struct reconcile *r, uint32_t vni);
/** reconcile_kick() - run what is due in @delay_ms, or earlier. */
void reconcile_kick(struct reconcile *r, uint64_t delay_ms);

/* reconcile_event.c */
void reconcile_event(void *user, const struct kernel_event *ev);
/** reconcile_judge() - the turn is over: events that still disagree with what is observed mean that a dump is needed. */
void reconcile_judge(struct reconcile *r);

/* reconcile_ground.c */
/** reconcile_ground() - check, and repair with all elements. Return: 0, or the error. */
int reconcile_ground(struct reconcile *r, struct err *e);
/** reconcile_dump() - all of the kernel anew; every network becomes dirty. Writes nothing. */
int reconcile_dump(struct reconcile *r, struct err *e);
/** reconcile_leftovers() - loose ports and stray elements of the last dump: put back, or deleted. */
int reconcile_leftovers(struct reconcile *r, struct err *e);
int reconcile_hosts(struct reconcile *r, struct err *e);

/* reconcile_pass.c */
/**
 * reconcile_net() - dump if needed, compare, apply; then the hooks are told of ports that failed
 * @endpoint: whose fate is asked for, may be NULL: the result is then that of its port. Return: 0 or the first error.
 */
int reconcile_net(struct reconcile *r, struct rnet *rn, const struct id *endpoint, struct err *e);
/** reconcile_observed() - @now replaces what was observed; what is known of its ports is kept, also of those that vanished. */
void reconcile_observed(struct rnet *rn, struct state_net *now);
/** reconcile_link_del() - in the background; should it fail, everything is dumped again. */
void reconcile_link_del(struct reconcile *r, const char *name);
