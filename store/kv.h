/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kv - the cluster's key-value store as the rest of ovl sees it: ranges, transactions, leases, one watch.
 *
 * An ops struct over etcd v3 (store/etcd.h) or a fake that injects faults (tests/fake). Keys are
 * text without NUL; values are text, too, but foreign ones may hold anything: use value_len. A foreign key with a NUL or
 * longer than KV_KEY_MAX is given with 0xff for each NUL and cut: it never looks like one of ours. A range_end of ""
 * means: to the end of all keys.
 *
 * Contract of every asynchronous call: it returns a handle (never NULL); its callback runs exactly once, never from
 * inside the starting call, on the loop thread; with status -ECANCELED after kv_cancel(); results and error text are borrowed for the
 * duration of the callback. Statuses:
 *   0            done
 *   -EHOSTUNREACH  no endpoint reached; certainly not done (retry is safe)
 *   -ETIMEDOUT   sent, no answer: may or may not have been done
 *   -EACCES      refused by etcd's auth (after one token renewal)
 *   -ENOENT      lease not found (lease calls, txn with a dead lease)
 *   -EMSGSIZE    request or answer above a limit
 *   -ESTALE      revision compacted
 *   -EPROTO      the answer could not be understood
 *   -EREMOTEIO   etcd said no for another reason (text in res->err)
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define KV_KEY_MAX 1024 /* bytes in a key */
#define KV_VALUE_MAX (1024 * 1024) /* bytes in a value */
#define KV_RANGE_BYTES_MAX (256u << 20) /* bytes in one whole range answer, all pages */
#define KV_TXN_OPS_MAX 128 /* etcd's default --max-txn-ops */

struct kv_entry {
	const char *key;
	const char *
		value; /* NUL added past value_len; "" where the request asked for keys only or for a deletion */
	size_t value_len;
	int64_t create_revision, mod_revision;
	int64_t lease; /* 0: none */
};

enum kv_target { KV_TARGET_MOD, KV_TARGET_CREATE };
enum kv_relation { KV_EQUAL, KV_LESS, KV_GREATER, KV_NOT_EQUAL };
/* One guard of a transaction; with range_end it must hold for every key in [key, range_end) (true when empty). */
struct kv_compare {
	const char *key, *range_end;
	enum kv_target target;
	enum kv_relation relation;
	int64_t revision;
};
enum kv_op_type { KV_OP_PUT, KV_OP_DELETE, KV_OP_GET };
struct kv_op {
	enum kv_op_type type;
	const char *key, *range_end; /* range_end for DELETE and GET, NULL for one key */
	const char *value; /* PUT: text */
	int64_t lease; /* PUT: 0 for none */
	bool keys_only; /* GET */
	bool prev_kv; /* DELETE: answer what was deleted */
};
struct kv_txn {
	const struct kv_compare *compares;
	size_t n_compares;
	const struct kv_op *then_ops;
	size_t n_then;
	const struct kv_op *else_ops;
	size_t n_else;
};
struct kv_op_result {
	enum kv_op_type type;
	const struct kv_entry *entries; /* GET: found; DELETE with prev_kv: deleted */
	size_t n_entries;
	int64_t count; /* GET: total; DELETE: deleted */
};
struct kv_result {
	int64_t revision; /* header.revision; 0 when the call failed */
	bool succeeded; /* txn: the compares held */
	const struct kv_op_result *ops;
	size_t n_ops; /* txn: one per op of the branch taken; range: exactly one */
	int64_t lease_id,
		lease_ttl_s; /* grant, keepalive, time_to_live; ttl -1 or 0: lease is gone (status -ENOENT) */
	const struct err *err; /* never NULL; text set when status != 0 */
};
typedef void (*kv_done_fn)(void *user, int status, const struct kv_result *res);

struct kv_range {
	const char *key, *range_end; /* range_end NULL: one key */
	int64_t revision; /* 0: newest */
	bool keys_only,
		count_only; /* count_only: ops[0].count, and ops[0].entries[0] is the entry of newest mod_revision (key only) if any */
};

enum kv_event_type { KV_EVENT_PUT, KV_EVENT_DELETE };
struct kv_event {
	enum kv_event_type type;
	struct kv_entry entry;
};
enum kv_watch_state {
	KV_WATCH_LIVE, /* the stream stands and etcd answered on it */
	KV_WATCH_DOWN, /* stream lost or silent; it is being re-made, nothing is lost so far */
	KV_WATCH_COMPACTED, /* the resume revision is compacted: the watch has ended; list again and start a new one */
	KV_WATCH_REWOUND, /* etcd's revision is behind what was seen (restored or wiped store): ended; list again */
};
struct kv_watch_handlers {
	/* All events of one revision or of several, in order; @revision: header.revision of the message. */
	void (*events)(void *user, int64_t revision, const struct kv_event *ev, size_t n);
	/* Not called for a state that is already in force; COMPACTED and REWOUND are final (handle still to be closed). @why: words. */
	void (*state)(void *user, enum kv_watch_state state, const char *why);
};

struct kv;
struct kv_call;
struct kv_watch;
struct kv_health {
	const char *endpoint; /* URL, borrowed */
	bool up;
	const char *last_error; /* "" when none */
};
struct kv_ops {
	struct kv_call *(*range)(struct kv *kv, const struct kv_range *req, kv_done_fn done,
				 void *user);
	struct kv_call *(*txn)(struct kv *kv, const struct kv_txn *req, kv_done_fn done,
			       void *user);
	struct kv_call *(*lease_grant)(struct kv *kv, int64_t ttl_s, kv_done_fn done, void *user);
	struct kv_call *(*lease_keepalive)(struct kv *kv, int64_t lease, kv_done_fn done,
					   void *user);
	struct kv_call *(*lease_revoke)(struct kv *kv, int64_t lease, kv_done_fn done, void *user);
	struct kv_call *(*lease_ttl)(struct kv *kv, int64_t lease, kv_done_fn done, void *user);
	void (*cancel)(struct kv_call *call);
	struct kv_watch *(*watch)(struct kv *kv, const char *key, const char *range_end,
				  int64_t start_revision, const struct kv_watch_handlers *h,
				  void *user);
	void (*watch_close)(struct kv_watch *w); /* no callback comes after it returns */
	size_t (*health)(struct kv *kv, struct kv_health *ret, size_t max);
};
struct kv {
	const struct kv_ops *ops;
};

/* Thin callers, so that the code reads kv_range(kv, ...). Requests are copied; the caller's memory may go at once. */
struct kv_call *kv_range(struct kv *kv, const struct kv_range *req, kv_done_fn done, void *user);
struct kv_call *kv_txn(struct kv *kv, const struct kv_txn *req, kv_done_fn done, void *user);
struct kv_call *kv_put(struct kv *kv, const char *key, const char *value, int64_t lease,
		       kv_done_fn done, void *user);
struct kv_call *kv_delete(struct kv *kv, const char *key, const char *range_end, kv_done_fn done,
			  void *user);
struct kv_call *kv_lease_grant(struct kv *kv, int64_t ttl_s, kv_done_fn done, void *user);
struct kv_call *kv_lease_keepalive(struct kv *kv, int64_t lease, kv_done_fn done, void *user);
struct kv_call *kv_lease_revoke(struct kv *kv, int64_t lease, kv_done_fn done, void *user);
struct kv_call *kv_lease_ttl(struct kv *kv, int64_t lease, kv_done_fn done, void *user);
/** kv_cancel() - abort; the callback still comes, later, with -ECANCELED. NULL is accepted. */
void kv_cancel(struct kv *kv, struct kv_call *call);
struct kv_watch *kv_watch_start(struct kv *kv, const char *key, const char *range_end,
				int64_t start_revision, const struct kv_watch_handlers *h,
				void *user);
void kv_watch_close(struct kv *kv, struct kv_watch *w);
size_t kv_health(struct kv *kv, struct kv_health *ret, size_t max);
/** kv_prefix_end() - the range_end that makes [prefix, end) all keys beginning with @prefix; heap. For "" it is "": to the end of all keys. */
char *kv_prefix_end(const char *prefix);
