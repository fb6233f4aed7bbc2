/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_kv_priv - the fake's inside: fake_kv.c turns it, fake_kv_call.c makes calls and carries them out on the store.
 */
#pragma once
#include "tests/fake/fake_kv.h"

#define FAULTS_MAX 16

struct kv_call {
	struct fake_kv *f;
	enum fake_call kind;
	kv_done_fn done;
	void *user;
	bool canceled, applied;
	struct kv_range range;
	struct kv_txn txn;
	int64_t lease, ttl_s;
	/* the answer */
	int status;
	struct kv_result res;
	struct fake_range *ranges;
	size_t n_ranges;
	struct err err;
	struct kv_call *prev, *next;
};

struct kv_watch {
	struct fake_kv *f;
	struct kv_watch_handlers h;
	void *user;
	char *key, *end;
	int64_t next_revision;
	bool live, told_down, final, closed;
	struct kv_watch *prev, *next;
};

struct fault {
	unsigned mask, skip, n;
	int status;
	bool applied;
};

struct fake_kv {
	struct kv kv;
	struct fake_store store;
	uv_timer_t *timer; /* NULL without loop */
	struct kv_call *calls;
	struct kv_watch *watches;
	unsigned made[6];
	struct fault faults[FAULTS_MAX];
	unsigned hold_mask;
	enum fake_hold hold;
	bool down, watch_hold, watch_first, closing;
};

/** fake_kv_wake() - have the loop take a turn. */
void fake_kv_wake(struct fake_kv *f);

/* struct kv_ops' starting calls: each copies its request and appends a call. */
struct kv_call *fake_call_range(struct kv *kv, const struct kv_range *req, kv_done_fn done,
				void *user);
struct kv_call *fake_call_txn(struct kv *kv, const struct kv_txn *req, kv_done_fn done, void *user);
struct kv_call *fake_call_grant(struct kv *kv, int64_t ttl_s, kv_done_fn done, void *user);
struct kv_call *fake_call_keepalive(struct kv *kv, int64_t lease, kv_done_fn done, void *user);
struct kv_call *fake_call_revoke(struct kv *kv, int64_t lease, kv_done_fn done, void *user);
struct kv_call *fake_call_ttl(struct kv *kv, int64_t lease, kv_done_fn done, void *user);
/** fake_call_apply() - carry it out; the answer waits in the call. */
void fake_call_apply(struct kv_call *c);
/** fake_call_answer() - call back, and free. */
void fake_call_answer(struct kv_call *c);
