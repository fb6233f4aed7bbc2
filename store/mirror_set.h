/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror_set - the mirror's tables: records by key, what changed in them, and which a list did not mention.
 *
 * Only for store/mirror*.c. No IO. Every list raises ->gen; a record put or touched carries it, and mirror_set_sweep()
 * deletes the others. Keys that hold no usable record ("odd": undecodable, unknown, above a limit) are remembered by
 * revision, so that each is reported once and the count of keys is right.
 */
#pragma once
#include "store/mirror.h"

#define MIRROR_ODD_MAX 100000 /* above: not remembered, counts are not compared any more */

struct mirror_alive {
	struct id node;
	int64_t mod_revision;
	uint32_t gen;
	UT_hash_handle hh;
};
struct mirror_odd {
	char *key;
	int64_t mod_revision;
	uint32_t gen;
	bool shadow; /* an older, good record of this key is kept */
	UT_hash_handle hh;
};
struct mirror_set {
	const char *prefix; /* borrowed */
	struct mirror_node *nodes;
	struct mirror_network *networks;
	struct mirror_alive *alive;
	struct mirror_odd *odd;
	size_t n_networks, n_endpoints, n_bindings; /* with a record */
	uint32_t gen;
	bool odd_full;
};
/* Changes of one batch, and the records they replaced, which live until it is done. */
struct mirror_batch {
	struct mirror_change *v;
	size_t n, cap;
	struct {
		enum model_kind kind;
		void *rec;
	} * dead;
	size_t n_dead, cap_dead;
};

void mirror_batch_done(struct mirror_batch *b);
void mirror_batch_add(struct mirror_batch *b, const struct mirror_change *c);
/** mirror_batch_tell() - the same, in pieces. */
void mirror_batch_tell(struct mirror_batch *b, enum model_kind kind, const struct model_key *k,
		       const void *before, const void *after, bool deleted);
/** mirror_batch_bury() - @rec (taken, NULL is none) lives until the batch is done. */
void mirror_batch_bury(struct mirror_batch *b, enum model_kind kind, void *rec);
void mirror_set_done(struct mirror_set *s);
/** mirror_set_mod() - mod_revision of the record at @k, 0 for none. */
int64_t mirror_set_mod(const struct mirror_set *s, const struct model_key *k);
/** mirror_set_touch() - @k was mentioned. */
void mirror_set_touch(struct mirror_set *s, const struct model_key *k);
/**
 * mirror_set_put() - decode and take in a node, network, endpoint, binding or sign of life
 * Return: 1 changed (told in @b), 0 the same as before, -EINVAL, -EMSGSIZE, -E2BIG above a limit: nothing is changed.
 */
int mirror_set_put(struct mirror_set *s, const struct model_key *k, const struct kv_entry *ent,
		   struct mirror_batch *b, struct err *e);
/** mirror_set_del() - Return: true when there was a record. */
bool mirror_set_del(struct mirror_set *s, const struct model_key *k, struct mirror_batch *b);
/** mirror_set_odd() - remember a key without usable record; @k NULL where the key itself is bad. Return: true the first time for this revision. */
bool mirror_set_odd(struct mirror_set *s, const char *key, int64_t mod_revision,
		    const struct model_key *k);
void mirror_set_odd_del(struct mirror_set *s, const char *key);
/** mirror_set_sweep() - delete what does not carry the current generation. */
void mirror_set_sweep(struct mirror_set *s, struct mirror_batch *b);
/** mirror_set_count() - keys that etcd should have, and the newest mod_revision among them (the cluster record is not one of them). */
size_t mirror_set_count(const struct mirror_set *s, int64_t *ret_newest);

/* mirror_set_binding.c: the bindings of one network's entry; the entry itself is mirror_set.c's. */
/** mirror_binding_find() - @n NULL: none. */
struct mirror_binding *mirror_binding_find(const struct mirror_network *n, struct id node);
int mirror_binding_put(struct mirror_set *s, struct mirror_network *n, const struct model_key *k,
		       const struct kv_entry *ent, struct mirror_batch *b, struct err *e);
void mirror_binding_del(struct mirror_set *s, struct mirror_network *n, struct mirror_binding *bi,
			struct mirror_batch *b);
void mirror_binding_sweep(struct mirror_set *s, struct mirror_network *n, struct mirror_batch *b);
