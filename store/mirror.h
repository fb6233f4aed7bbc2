/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror - the cluster as of one revision: nodes, networks, endpoints, bindings, liveness; kept by list + watch.
 *
 * Life cycle: mirror_new() -> [mirror_load() from the node's snapshot] -> mirror_start() lists at R, watches from R+1.
 * Readers see records by borrowed pointer, valid until control returns to the loop. Changes are told once per batch, after they are in.
 *
 * What can be lost, and what happens: stream lost: resumed by revision. Compacted: listed again and diffed. Every audit_ms count and
 * newest mod_revision of the range are compared with ours; a difference means: list again.
 *
 * The guard (DESIGN.md §4): when `cluster` is missing or another, its epoch changed, or the revision went backwards, the
 * mirror is FROZEN: it keeps all it has, takes in additions and changes, and deletes nothing. It thaws when a cluster record of the same id
 * with an epoch above the one known appears: after a grace (all nodes put their own endpoints again first) it lists and takes etcd's word.
 * A first start (no cluster known, none in etcd) is no freeze: the caller creates the record.
 */
#pragma once
#include <uthash.h>
#include <uv.h>
#include "base/id.h"
#include "store/kv.h"
#include "store/model.h"

#define MIRROR_ENDPOINTS_MAX 200000 /* records above are reported once and skipped */
#define MIRROR_BINDINGS_MAX 200000
#define MIRROR_NETWORKS_MAX 10000
#define MIRROR_NODES_MAX 10000

enum mirror_state {
	MIRROR_EMPTY, /* nothing known yet */
	MIRROR_SNAPSHOT, /* from the node's own memory; etcd not heard yet: add and repair, never delete */
	MIRROR_SYNCED, /* complete at ->revision */
	MIRROR_FROZEN, /* the guard holds */
};
struct mirror_node {
	struct id id;
	struct model_node *rec;
	bool alive;
	uint32_t gen; /* the mirror's own */
	UT_hash_handle hh; /* by id */
};
struct mirror_endpoint {
	struct id id;
	struct model_endpoint *rec;
	uint32_t gen; /* the mirror's own */
	UT_hash_handle hh; /* by id, in its network */
};
struct mirror_binding {
	struct id node;
	struct model_binding *rec;
	uint32_t gen; /* the mirror's own */
	UT_hash_handle hh; /* by node, in its network */
};
struct mirror_network {
	struct id id;
	struct model_network *
		rec; /* NULL: endpoints or bindings are known, the record is not (yet, or any more) */
	struct mirror_endpoint *endpoints; /* uthash head, by id */
	size_t n_endpoints;
	struct mirror_binding *bindings; /* uthash head, by node */
	size_t n_bindings;
	uint32_t gen; /* the mirror's own */
	UT_hash_handle hh; /* by id */
};

struct mirror;
struct mirror_change {
	enum model_kind kind; /* CLUSTER, NODE, ALIVE, NETWORK, ENDPOINT, BINDING */
	struct id id; /* node (of a binding, too), network or endpoint */
	struct id network; /* for ENDPOINT and BINDING */
	bool deleted;
	/* The record before the change (NULL: new) and after (NULL: deleted); borrowed for the call. For ENDPOINT/NETWORK/NODE/BINDING. */
	const void *before, *after;
};
struct mirror_handlers {
	/* After each batch; called in all states. Several for one revision possible after a list. */
	void (*changed)(void *user, const struct mirror_change *c, size_t n);
	/* @why: words for the log. Also called with the state in force: SYNCED after a fresh list, FROZEN when the grace before a thaw begins. */
	void (*state)(void *user, enum mirror_state s, const char *why);
	/* A record that does not decode; once per key and mod_revision. */
	void (*bad_record)(void *user, const struct err *e);
	/* Connection to etcd came or went (watch live or down). */
	void (*link)(void *user, bool up, const char *why);
	/* The raw records that changed, for the snapshot (cluster, nodes, networks, endpoints, bindings); value NULL: deleted. May be NULL.
	 * Not called while FROZEN, but for own deletions: the snapshot stays what it was before. */
	void (*persist)(void *user, const char *key, const char *value, int64_t mod_revision);
};
struct mirror_config {
	const char *prefix;
	uint32_t audit_ms; /* 0: 180000 */
	uint32_t thaw_grace_ms; /* 0: 10000 */
	/* What was known of the cluster before (from the node's memory); zero id: nothing. */
	struct id cluster_id;
	uint64_t cluster_epoch;
	int64_t seen_revision; /* mirror_revision() as it was then */
	/* It was FROZEN when the earlier run ended: it stays so until the epoch rises, whatever the revision says by now. */
	bool was_frozen;
};
struct mirror *mirror_new(uv_loop_t *loop, struct kv *kv, const struct mirror_config *c,
			  const struct mirror_handlers *h, void *user);
/** mirror_load() - one raw record of the last snapshot, before mirror_start(); state becomes SNAPSHOT. No handler is called; what does not decode is left out. */
void mirror_load(struct mirror *m, const char *key, const char *value, size_t len,
		 int64_t mod_revision);
/** mirror_start() - begin to list and watch; retries for ever with back-off. @kv may be silent: the state stays what it is. */
void mirror_start(struct mirror *m);
/** mirror_close() - stops; no callback comes afterwards. May be called from a handler. @kv must live until its cancelled calls have come back. */
void mirror_close(struct mirror *m);
/** mirror_resync() - list again now (after something was found amiss). */
void mirror_resync(struct mirror *m);

/**
 * mirror_count() - how many records etcd's range holds, and the newest mod_revision among them, if no event was lost
 * Return: false: that cannot be told: not SYNCED, a list is under way, too many records that cannot be used
 */
bool mirror_count(const struct mirror *m, size_t *ret_count, int64_t *ret_newest);
enum mirror_state mirror_get_state(const struct mirror *m);
bool mirror_link_up(const struct mirror *m);
/** mirror_revision() - newest revision seen; while FROZEN: newest before the freeze. */
int64_t mirror_revision(const struct mirror *m);
/** mirror_cluster() - the record in force (id, epoch), NULL while unknown. In FROZEN: the one known before. */
const struct model_cluster *mirror_cluster(const struct mirror *m);
/** mirror_cluster_found() - FROZEN: what etcd holds now, NULL for none. */
const struct model_cluster *mirror_cluster_found(const struct mirror *m);
struct mirror_node *mirror_nodes(struct mirror *m); /* uthash head */
struct mirror_network *mirror_networks(struct mirror *m); /* uthash head */
struct mirror_node *mirror_node(struct mirror *m, struct id id);
struct mirror_node *mirror_node_by_name(struct mirror *m, const char *name);
struct mirror_network *mirror_network(struct mirror *m, struct id id);
struct mirror_network *mirror_network_by_name(struct mirror *m,
					      const char *name); /* only with a record */
struct mirror_endpoint *mirror_endpoint(struct mirror *m, struct id network, struct id endpoint);
struct mirror_binding *mirror_binding(struct mirror *m, struct id network, struct id node);
/**
 * mirror_apply_own() - take in a record that this node has just written (revision from the transaction's answer), so that the reply need
 * not wait for the watch. The echo is recognised by its mod_revision. @value NULL: deleted. Own deletions are taken in
 * any state, FROZEN too. Keys that are not mirrored are ignored.
 */
void mirror_apply_own(struct mirror *m, const char *key, const char *value, int64_t revision);
