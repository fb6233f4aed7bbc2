/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reconcile_priv - what reconcile.c (what is due, and when) shares with reconcile_pass.c (doing it).
 */
#pragma once
#include <uthash.h>
#include "agent/reconcile.h"
#include "base/backoff.h"
#include "base/log.h"

#define RECONCILE_RETRY_MIN_MS 100
#define RECONCILE_RETRY_MAX_MS 30000
#define RECONCILE_DUMP_GAP_MS \
	50 /* while events keep coming, one network is dumped at most that often */
#define RECONCILE_UNDERLAY_MS 20
#define RECONCILE_ROUNDS_MAX 3 /* passes in a row over one network when it has to be dumped again */

struct rnet {
	uint32_t vni;
	struct state_net *have; /* never NULL */
	bool dirty; /* a pass is due */
	bool commanded; /* because the desired state changed, not the kernel: no drift */
	bool need_dump; /* what is observed may be stale */
	uint64_t dumped_ms, retry_ms; /* retry_ms 0: not backing off */
	struct backoff backoff;
	UT_hash_handle hh;
};
struct port_failure {
	struct id endpoint;
	int status;
	struct err err;
};
struct reconcile {
	uv_loop_t *loop;
	struct kernel *k;
	struct reconcile_hooks h;
	void *user;
	struct rnet *nets; /* by vni */
	struct ip *vteps; /* observed, sorted */
	size_t n_vteps;
	uv_timer_t timer, audit_timer, underlay_timer;
	unsigned open_timers;
	uint64_t wake_ms; /* when the timer is set for; 0: not set */
	bool ready, stopped, full_dump, ground_due, hosts_dirty;
	unsigned depth; /* passes under way: nets are freed at 0 only */
	struct backoff start_backoff;
	struct log_limit limit;
	struct reconcile_stats stats;
};

struct rnet *rnet_get(struct reconcile *r, uint32_t vni);
/** reconcile_kick() - run what is due in @delay_ms, or earlier. */
void reconcile_kick(struct reconcile *r, uint64_t delay_ms);
/* reconcile_pass.c */
int reconcile_ground(struct reconcile *r, struct err *e);
int reconcile_dump(struct reconcile *r, struct err *e);
int reconcile_hosts(struct reconcile *r, struct err *e);
/** reconcile_net() - dump if needed, compare, apply; failures of ports are told to the hooks afterwards. Return: 0 or the first error. */
int reconcile_net(struct reconcile *r, struct rnet *rn, struct err *e);
