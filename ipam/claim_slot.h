/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim_slot - the addresses that an operation is after, one or two, and its candidates for them. Internal to ipam/claim*.
 *
 * A candidate is what was asked for, or what the network's cache proposes; it is held in flight in the cache, so that this agent's operations do not
 * try the same. The operation's transaction decides, and tells the slot what it learnt.
 */
#pragma once
#include "ipam/claim_op.h"

struct claim_slot {
	int family;
	struct ip want; /* asked for: no other will do; unset: any */
	struct ip ip; /* candidate */
	bool held; /* there is a candidate, marked in flight in the cache */
	char *key;
	int64_t seen; /* mod_revision of a key that is there and may be overwritten, 0: must be absent */
	bool bound; /* that key is bound to this very endpoint */
};
struct claim_slots {
	struct claim_op *op;
	struct model_network *net; /* owned */
	claim_step_fn
		choose; /* the operation's step that calls claim_slots_choose(): taken again after a list or a pause */
	struct claim_slot v[2];
	size_t n;
	bool listed; /* the cache was listed on behalf of this operation */
	unsigned conflicts; /* automatic addresses that were taken */
};
/** claim_slots_init() - @net is copied; slots and wants are the caller's to fill. */
void claim_slots_init(struct claim_slots *s, struct claim_op *op, const struct model_network *net,
		      claim_step_fn choose);
/** claim_slots_drop() - no candidate is held any more: before the user is called back. */
void claim_slots_drop(struct claim_slots *s);
void claim_slots_done(struct claim_slots *s);
/** claim_slots_check() - may @ip be asked for? -EINVAL: another family, or no host's; -ERANGE; -EADDRINUSE: gateway or auxiliary. */
int claim_slots_check(const struct claim_slots *s, struct ip ip, int family, struct err *e);
/** claim_slots_set() - make @ip the candidate of @slot, which holds none. */
void claim_slots_set(struct claim_slots *s, struct claim_slot *slot, struct ip ip);
void claim_slots_unset(struct claim_slots *s, struct claim_slot *slot);
/** claim_slots_choose() - a candidate for each slot. Return: false: not yet; the operation goes on with ->choose, or has ended. */
bool claim_slots_choose(struct claim_slots *s);
/** claim_slots_took() - all candidates are taken by this operation. */
void claim_slots_took(struct claim_slots *s, int64_t created, int64_t known);

struct claim_holder { /* of an address key */
	bool readable, reserved;
	struct id endpoint, node;
};
void claim_holder_read(const char *prefix, const struct kv_entry *e, struct claim_holder *ret);
/**
 * claim_slots_taken() - the candidate of @slot is another's
 * Return: true: the candidate is dropped, choose another; false: it was asked for, and the operation ends with -EADDRINUSE, its holder named
 */
bool claim_slots_taken(struct claim_slots *s, struct claim_slot *slot, const struct kv_entry *e,
		       int64_t revision, const struct claim_holder *h);
/** claim_slots_retry() - choose and send again, after what was learnt from a conflict. */
void claim_slots_retry(struct claim_slots *s);
/** claim_slots_network() - the network's key as it is now. Return: 0, or the operation ends: -ENOENT gone, -ESTALE changed. */
int claim_slots_network(struct claim_slots *s, const struct kv_entry *e);
/** claim_slots_compare() - the key is as it was seen. */
struct kv_compare claim_slots_compare(const char *key, int64_t seen);

/*
 * What this agent has reserved, by the revision of its own write (or of a sweep's list): an optimistic compare, and the age of what is left over. A key at
 * that very mod_revision is that very reservation; nothing else is concluded. Per network, in struct claim_net.
 */
#define CLAIM_RESERVED_MAX \
	4096 /* per network; above, they are read first, and swept after others are gone */
struct claim_reserved {
	struct ip ip;
	int64_t mod_revision;
	bool aged; /* ->since_ms is set */
	uint64_t since_ms; /* a sweep saw it first then */
};
/** claim_reserved_set() - @ip was reserved at @mod_revision. */
void claim_reserved_set(struct claim *c, struct id network, struct ip ip, int64_t mod_revision);
/** claim_reserved_get() - Return: mod_revision, 0 where nothing is known. */
int64_t claim_reserved_get(const struct claim *c, struct id network, struct ip ip);
void claim_reserved_drop(struct claim *c, struct id network, struct ip ip);
/** claim_reserved_old() - seen by a sweep at @now_ms. Return: was it seen first @older_than_ms ago or earlier, at the same revision? */
bool claim_reserved_old(struct claim *c, struct id network, struct ip ip, int64_t mod_revision,
			uint64_t now_ms, uint64_t older_than_ms);
/** claim_reserved_value() - the JSON of a reservation by @node; heap. Two calls never give the same: it tells when it was made. */
char *claim_reserved_value(struct id network, struct id node);
