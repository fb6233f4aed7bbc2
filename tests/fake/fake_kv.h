/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_kv - `struct kv` over an etcd in memory, with faults on request.
 *
 * Calls and watches keep kv.h's contract: nothing is called back from inside a call; a turn of the loop (or fake_kv_pump())
 * does what was asked for so far, in order, then delivers to the watches. Time plays no part: a lease ends by
 * fake_kv_lease_expire(). The fake_kv_put() family acts at once, as another client would.
 * One fake may serve any number of users at once (several mirrors, several nodes).
 */
#pragma once
#include <uv.h>
#include "store/kv.h"
#include "tests/fake/fake_store.h"

struct fake_kv;
enum fake_call {
	FAKE_RANGE = 1,
	FAKE_TXN = 2,
	FAKE_GRANT = 4,
	FAKE_KEEPALIVE = 8,
	FAKE_REVOKE = 16,
	FAKE_TTL = 32,
	FAKE_ANY = 63,
};
enum fake_hold {
	FAKE_HOLD_NONE,
	FAKE_HOLD_REQUESTS, /* nothing is done and nothing answered: a black hole before etcd */
	FAKE_HOLD_ANSWERS, /* done, but not answered */
};

/** fake_kv_new() - @loop NULL: only fake_kv_pump() moves it. */
struct fake_kv *fake_kv_new(uv_loop_t *loop);
struct kv *fake_kv_kv(struct fake_kv *f);
/** fake_kv_close() - after its users have closed their watches; pending calls end with -ECANCELED now; the memory goes when the loop has run its close callbacks. */
void fake_kv_close(struct fake_kv *f);
/** fake_kv_pump() - one turn by hand. Return: was anything called back? */
bool fake_kv_pump(struct fake_kv *f);
/** fake_kv_calls() - how many calls of the kinds in @mask were made so far. */
unsigned fake_kv_calls(const struct fake_kv *f, unsigned mask);

/* The store itself, as another client would use it: at once. Results are borrowed until the next change. */
struct fake_store *fake_kv_store(struct fake_kv *f);
int64_t fake_kv_put(struct fake_kv *f, const char *key, const char *value, int64_t lease);
/** fake_kv_delete() - [key, end), or the key where @end is NULL. Return: revision. */
int64_t fake_kv_delete(struct fake_kv *f, const char *key, const char *end);
/** fake_kv_get() - the value or NULL. */
const char *fake_kv_get(struct fake_kv *f, const char *key);
size_t fake_kv_count(struct fake_kv *f, const char *key, const char *end);
/** fake_kv_lease_expire() - the lease's time is over: its keys go in one revision. */
void fake_kv_lease_expire(struct fake_kv *f, int64_t lease);
/** fake_kv_compact() - @revision 0: the newest. */
void fake_kv_compact(struct fake_kv *f, int64_t revision);
/** fake_kv_wipe() - a new, empty etcd in its place: revision 1. */
void fake_kv_wipe(struct fake_kv *f);
/** fake_kv_restore() - a backup made with fake_store_copy() is put back; @backup stays the caller's. */
void fake_kv_restore(struct fake_kv *f, const struct fake_store *backup);

/* Faults. */
/** fake_kv_fail() - the next @n calls of the kinds in @mask, after @skip good ones, end with @status; @applied: they are carried out all the same. @n 0: no more faults. */
void fake_kv_fail(struct fake_kv *f, unsigned mask, unsigned skip, unsigned n, int status,
		  bool applied);
/** fake_kv_hold() - from now on, and for calls already waiting; FAKE_HOLD_NONE lets them go. */
void fake_kv_hold(struct fake_kv *f, unsigned mask, enum fake_hold hold);
/** fake_kv_down() - unreachable: calls end with -EHOSTUNREACH, watches go DOWN, and come back LIVE (resumed by revision) when it ends. */
void fake_kv_down(struct fake_kv *f, bool down);
/** fake_kv_watch_drop() - every watch goes DOWN and LIVE again; nothing is lost, unless compaction came between. */
void fake_kv_watch_drop(struct fake_kv *f);
/** fake_kv_watch_hold() - watches stay LIVE and deliver nothing, until switched off again. */
void fake_kv_watch_hold(struct fake_kv *f, bool hold);
/** fake_kv_watch_lose() - the events not yet delivered are never delivered (etcd has had such bugs). */
void fake_kv_watch_lose(struct fake_kv *f);
/** fake_kv_watch_first() - true: events are delivered before the answers of the calls that made them. Default false. */
void fake_kv_watch_first(struct fake_kv *f, bool first);
