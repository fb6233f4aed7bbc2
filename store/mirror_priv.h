/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror_priv - the mirror's inside, shared by store/mirror.c (life, watch, own writes), mirror_list.c (list, audit) and
 * mirror_guard.c (freeze and thaw).
 */
#pragma once
#include "base/backoff.h"
#include "store/mirror.h"
#include "store/mirror_set.h"

/* A write of this node that was taken in before its echo: for its key nothing up to this revision is news. */
struct mirror_own {
	char *key;
	int64_t revision;
	UT_hash_handle hh;
};

struct mirror {
	uv_loop_t *loop;
	struct kv *kv;
	struct mirror_handlers h;
	void *user;
	char *prefix, *range_key, *range_end, *cluster_key;
	uint32_t audit_ms, thaw_grace_ms;

	struct mirror_set set;
	enum mirror_state state;
	struct model_cluster *cluster; /* in force */
	struct model_cluster *found; /* in etcd */
	int64_t found_mod;
	int64_t seen; /* newest revision heard of before any freeze */
	int64_t list_floor; /* ->seen when the list was asked for: a read that is linearizable is not older */
	int64_t applied; /* list or event that was taken in last: all up to here is in */
	struct mirror_own *own;

	struct kv_call *list_call, *audit_call;
	struct kv_watch *watch;
	uv_timer_t retry, audit, grace;
	unsigned refs; /* open timers and calls; the last one frees a closed mirror */
	struct backoff backoff;
	bool link_up, link_told;
	bool started, closing;
	bool list_again; /* asked for while a list was under way */
	bool audit_suspect; /* the last audit differed */
	bool was_frozen; /* from the configuration; until the first thaw */
	bool grace_running, thaw_due;
};

enum mirror_verdict {
	MIRROR_TAKE, /* etcd's word counts, deletions too */
	MIRROR_TAKE_ANEW, /* the same, but revisions known before mean nothing */
	MIRROR_KEEP, /* additions and changes only */
};

/* mirror.c */
/**
 * mirror_take() - one record that is not the cluster's
 * @verdict: of the list it is from: TAKE trusts an equal revision to be the same record, TAKE_ANEW writes down unchanged ones, too;
 *           KEEP does neither: for events
 * Return: false when its revision went back (TAKE only).
 */
bool mirror_take(struct mirror *m, const struct kv_entry *ent, enum mirror_verdict verdict,
		 struct mirror_batch *b);
void mirror_unref(struct mirror *m);
void mirror_tell(struct mirror *m, struct mirror_batch *b); /* changed(), then @b is done */
void mirror_link_set(struct mirror *m, bool up, const char *why);
void mirror_watch_from(struct mirror *m, int64_t revision);
void mirror_watch_end(struct mirror *m);
void mirror_persist(struct mirror *m, const char *key, const char *value, int64_t mod_revision);
struct mirror_own *mirror_own_find(struct mirror *m, const char *key);
/** mirror_own_purge() - forget own writes up to @revision; INT64_MAX: all. */
void mirror_own_purge(struct mirror *m, int64_t revision);

/* mirror_list.c */
/** mirror_list() - end the watch, list, watch from there. Retries until it succeeds. */
void mirror_list(struct mirror *m);
void mirror_list_soon(struct mirror *m, uint64_t delay_ms);

/* mirror_guard.c */
/** mirror_guard_list() - what a list at @revision is worth, with @found (taken; NULL for none) as cluster record. Sets state and cluster. */
enum mirror_verdict mirror_guard_list(struct mirror *m, int64_t revision,
				      struct model_cluster *found, int64_t found_mod,
				      struct mirror_batch *b);
void mirror_guard_put(struct mirror *m, const struct kv_entry *ent, struct mirror_batch *b);
void mirror_guard_delete(struct mirror *m, struct mirror_batch *b);
void mirror_guard_freeze(struct mirror *m, const char *why);
struct model_cluster *mirror_guard_dup(const struct model_cluster *c);
/** mirror_guard_decode() - the cluster record, NULL (and reported) when it does not decode. */
struct model_cluster *mirror_guard_decode(struct mirror *m, const struct kv_entry *ent);
