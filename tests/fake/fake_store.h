/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_store - etcd's data model in memory: revisions, ranges, transactions, leases, history, compaction.
 *
 * Synchronous and without faults; tests/fake/fake_kv.h puts `struct kv`, its loop and its faults on top.
 * As etcd (3.4): one revision per transaction that writes, none for one that does not; a key put twice in one
 * transaction is refused; an absent key compares as revision 0; the death of a lease deletes its keys in one revision.
 */
#pragma once
#include "store/kv.h"

struct fake_entry {
	char *key; /* NULL: no entry */
	char *value;
	size_t value_len;
	int64_t create_revision, mod_revision, lease;
};
struct fake_event {
	enum kv_event_type type;
	int64_t revision;
	struct fake_entry entry, prev; /* prev.key NULL: there was none */
};
struct fake_lease {
	int64_t id, ttl_s;
};
struct fake_store {
	struct fake_entry *entries; /* sorted by key */
	size_t n_entries;
	struct fake_event *events; /* since compaction, in order */
	size_t n_events, cap_events;
	struct fake_lease *leases;
	size_t n_leases;
	int64_t revision, compacted, last_lease;
};
struct fake_range {
	struct fake_entry *entries; /* copies */
	size_t n;
};

void fake_store_init(struct fake_store *s); /* empty, revision 1 as a fresh etcd */
void fake_store_done(struct fake_store *s);
/** fake_store_copy() - a backup: data, leases and history. @dst must not be initialised. */
void fake_store_copy(struct fake_store *dst, const struct fake_store *src);

const struct fake_entry *fake_store_find(const struct fake_store *s, const char *key);
/** fake_store_range() - copies of [key, end) (end NULL: the key) at @revision (0: now). Return: 0, -ESTALE when compacted, -EREMOTEIO in the future. */
int fake_store_range(const struct fake_store *s, const char *key, const char *end, int64_t revision,
		     struct fake_range *ret);
void fake_range_done(struct fake_range *r);
/** fake_store_txn() - @ret: one range per op of the branch taken (GET: found, DELETE: deleted). Return: 0, -ENOENT dead lease, -EMSGSIZE, -EREMOTEIO (@e). */
int fake_store_txn(struct fake_store *s, const struct kv_txn *txn, bool *ret_succeeded,
		   struct fake_range **ret, struct err *e);
int64_t fake_store_grant(struct fake_store *s, int64_t ttl_s);
/** fake_store_ttl() - seconds, -1 where there is no such lease. */
int64_t fake_store_ttl(const struct fake_store *s, int64_t lease);
/** fake_store_revoke() - end a lease and delete its keys. Return: 0 or -ENOENT. */
int fake_store_revoke(struct fake_store *s, int64_t lease);
void fake_store_compact(struct fake_store *s, int64_t revision);
/** fake_in_range() - is @k in [key, end), or equal to @key where @end is NULL? */
bool fake_in_range(const char *k, const char *key, const char *end);
struct fake_entry fake_entry_copy(const struct fake_entry *e);
/** fake_entry_kv() - @e as kv's entry, borrowing. */
struct kv_entry fake_entry_kv(const struct fake_entry *e);
