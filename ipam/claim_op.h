/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim_op - what the operations of claim.h have in common. Internal to ipam/claim*.
 *
 * An operation is a chain of steps. Each step ends by starting exactly one thing that goes on later: a store call
 * (claim_op_txn), a pause (claim_op_pause), the list of a network's addresses (claim_op_fill), or the end (claim_op_end).
 * claim_close() may come at any time; it turns whatever is under way into the end with -ECANCELED.
 */
#pragma once
#include <stdbool.h>
#include <uv.h>
#include "base/backoff.h"
#include "ipam/claim.h"
#include "ipam/claim_cache.h"

struct claim_op;
typedef void (*claim_step_fn)(struct claim_op *op);
typedef void (*claim_answer_fn)(struct claim_op *op, int status, const struct kv_result *res);
struct claim_op_type {
	void (*done)(struct claim_op *op); /* calls the user back with op->status and op->err */
	void (*free)(struct claim_op *op); /* what the operation owns, and itself */
};
struct claim_op { /* first member of each operation */
	const struct claim_op_type *type;
	struct claim *claim;
	struct claim_op *prev, *next; /* in claim->ops until the end */
	uv_timer_t timer;
	struct kv_call *call;
	claim_answer_fn answer; /* of the call under way */
	claim_step_fn step; /* after a pause or a fill */
	struct id fill; /* network waited for */
	bool waiting, ready; /* for the fill; it came, and the turn is near */
	bool starting; /* inside the user's starting call: nothing may be called back */
	bool ended; /* inside it, so the end waits for the timer */
	bool writes; /* the call under way may change something */
	bool cut; /* the call was cancelled because its time was over */
	bool unsure; /* a transaction's answer was lost and is not settled yet */
	unsigned tries;
	uint64_t started_ms, settle_until_ms;
	struct backoff backoff;
	struct claim_naming *naming;
	int status;
	struct err err;
};

struct claim_reserved; /* claim_slot.h */
/* One network's cache and the list of its addresses that may be under way. */
struct claim_net {
	struct claim *claim;
	struct id id;
	struct claim_cache cache;
	struct claim_reserved *reserved; /* by this agent; order has no meaning */
	size_t n_reserved;
	struct kv_call *call;
	bool forgotten; /* only waits for its call to end */
	struct claim_net *prev, *next;
};
struct claim {
	uv_loop_t *loop;
	struct kv *kv;
	char *prefix;
	uint64_t seed;
	uint32_t deadline_ms,
		settle_min_ms; /* CLAIM_DEADLINE_MS, CLAIM_SETTLE_MIN_MS; tests shorten them */
	struct claim_op *ops;
	struct claim_net *nets;
	size_t refs; /* 1 until claim_close(), and one per operation and per list under way */
	bool closed;
};
void claim_unref(struct claim *c);
/** claim_net_find() - NULL where nothing was claimed so far. */
struct claim_net *claim_net_find(const struct claim *c, struct id network);
/** claim_net_get() - found or made. */
struct claim_net *claim_net_get(struct claim *c, struct id network);
/** claim_net_fill() - list the addresses, unless that is under way; the waiting operations go on afterwards. */
void claim_net_fill(struct claim_net *n);

/** claim_op_start() - @op is zeroed but for its own fields; takes the first step. */
void claim_op_start(struct claim_op *op, struct claim *c, const struct claim_op_type *type,
		    claim_step_fn first);
void claim_op_txn(struct claim_op *op, const struct kv_txn *txn, claim_answer_fn answer);
void claim_op_pause(struct claim_op *op, uint32_t ms, claim_step_fn next);
/** claim_op_fill() - @next once the cache of @network has been listed anew. */
void claim_op_fill(struct claim_op *op, struct id network, claim_step_fn next);
/** claim_op_end() - the last step; op->err should hold the reason of a failure. @op may be gone afterwards. */
void claim_op_end(struct claim_op *op, int status);
/** claim_op_fail() - the same with words. */
void claim_op_fail(struct claim_op *op, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** claim_op_retry() - @next after a conflict: at once, then after 1, 2, 4 .. CLAIM_BACKOFF_MAX_MS; ends with -EAGAIN after CLAIM_TRIES_MAX. */
void claim_op_retry(struct claim_op *op, claim_step_fn next);
/**
 * claim_op_lost() - a transaction ended with @status != 0: settle or end
 *
 * -ETIMEDOUT of a call that may change something makes the operation unsure. An unsure one takes @again (which sends the transaction once more, or reads) while there
 * is time, then ends with -ETIMEDOUT. Otherwise it ends with @status; a dead lease is -EKEYEXPIRED, a read without answer -EHOSTUNREACH (nothing was done).
 */
void claim_op_lost(struct claim_op *op, int status, const struct kv_result *res,
		   claim_step_fn again);
/** claim_op_settled() - what the lost transaction did is known now. */
void claim_op_settled(struct claim_op *op);

/* Who holds something, in words: endpoint and node ids are read and named. */
struct claim_who {
	struct id network, endpoint,
		node; /* node zero: as the endpoint's record says; endpoint zero: the node itself */
};
/**
 * claim_who_end() - end with @status and "@what: endpoint NAME (ID) on node NAME, ..."
 * @what: heap string, taken
 * @who: heap array, taken; at most CLAIM_NAMED_MAX are named
 * @total: how many there are in all ("and 3 more")
 */
void claim_who_end(struct claim_op *op, int status, char *what, struct claim_who *who, size_t n,
		   size_t total);
void claim_who_free(struct claim_naming *naming);
