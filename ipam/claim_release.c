/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ipam/claim_slot.h"

#define TARGETS_MAX 5 /* the endpoint, two addresses as known, two as its record says */

/* A key to delete if it is this endpoint's. */
struct target {
	char *key;
	struct ip ip; /* unset: the endpoint itself */
	int64_t seen; /* mod_revision where it is there and ours, 0: nothing to delete */
	bool foreign; /* there, but not ours */
};
struct release_op {
	struct claim_op op;
	struct id network, endpoint;
	struct target targets[TARGETS_MAX];
	size_t n;
	char *reserved; /* what the addresses become; NULL: they are deleted */
	int64_t lease;
	int64_t revision;
	claim_done_fn fn;
	void *user;
};

static void step_read(struct claim_op *op);
static void step_delete(struct claim_op *op);

static void op_done(struct claim_op *op)
{
	struct release_op *x = (struct release_op *)op;

	x->fn(x->user, op->status, x->revision, &op->err);
}

static void op_free(struct claim_op *op)
{
	struct release_op *x = (struct release_op *)op;

	for (size_t i = 0; i < x->n; i++)
		free(x->targets[i].key);
	free(x->reserved);
	free(x);
}

static const struct claim_op_type release_type = { .done = op_done, .free = op_free };

/* Return: was it new? */
static bool add_address(struct release_op *x, const char *prefix, struct ip ip)
{
	if (!ip_is_set(ip) || x->n == TARGETS_MAX)
		return false;
	for (size_t i = 1; i < x->n; i++) {
		if (ip_eq(x->targets[i].ip, ip))
			return false;
	}
	x->targets[x->n++] =
		(struct target){ .key = model_key_address(prefix, x->network, ip), .ip = ip };
	return true;
}

/*
 * Nothing of ours is left at @revision: its addresses rest for a while before they are used again. @deleted: by the transaction that had that
 * revision, which reserved them where that was asked for.
 */
static void succeed(struct release_op *x, bool deleted, int64_t revision)
{
	struct claim *c = x->op.claim;
	struct claim_net *n = claim_net_get(c, x->network);

	for (size_t i = 1; i < x->n; i++) {
		const struct target *t = &x->targets[i];

		if (x->reserved && deleted && t->seen) {
			claim_cache_take(&n->cache, t->ip, 0, revision);
			claim_reserved_set(c, x->network, t->ip, revision);
		} else if (!t->foreign) {
			claim_cache_release(&n->cache, t->ip, revision, uv_now(c->loop),
					    CLAIM_RECENT_MAX);
		}
	}
	x->revision = revision;
	claim_op_end(&x->op, 0);
}

static bool address_is_ours(const struct release_op *x, const struct kv_entry *e)
{
	struct model_address *a;
	bool ours;

	if (model_address_decode(x->op.claim->prefix, e->key, e->value, e->value_len, &a, NULL) < 0)
		return false;
	ours = id_eq(a->endpoint, x->endpoint);
	model_address_free(a);
	return ours;
}

/* The record may name addresses the caller did not know of. Return: are there any? */
static bool learn_addresses(struct release_op *x, const struct kv_entry *e)
{
	const char *prefix = x->op.claim->prefix;
	struct model_endpoint *ep;
	bool more;

	if (model_endpoint_decode(prefix, e->key, e->value, e->value_len, &ep, NULL) < 0)
		return false;
	more = add_address(x, prefix, ep->ip4);
	more = add_address(x, prefix, ep->ip6) || more;
	model_endpoint_free(ep);
	return more;
}

/* @res: one GET for each target. */
static void learn(struct release_op *x, const struct kv_result *res)
{
	bool more = false, any = false;
	size_t n = x->n;

	for (size_t i = 0; i < n && i < res->n_ops; i++) {
		const struct kv_op_result *r = &res->ops[i];
		const struct kv_entry *e = r->n_entries ? &r->entries[0] : NULL;
		bool ours = e && (i == 0 || address_is_ours(x, e));

		x->targets[i].seen = ours ? e->mod_revision : 0;
		x->targets[i].foreign = e && !ours;
		any = any || ours;
		if (e && i == 0)
			more = learn_addresses(x, e);
	}
	if (more)
		claim_op_retry(&x->op, step_read);
	else if (any)
		claim_op_retry(&x->op, step_delete);
	else
		succeed(x, false, res->revision);
}

static void on_read(struct claim_op *op, int status, const struct kv_result *res)
{
	struct release_op *x = (struct release_op *)op;

	if (status != 0) {
		claim_op_lost(op, status, res, step_read);
		return;
	}
	claim_op_settled(op);
	learn(x, res);
}

static void on_deleted(struct claim_op *op, int status, const struct kv_result *res)
{
	struct release_op *x = (struct release_op *)op;

	if (status != 0)
		claim_op_lost(op, status, res, step_read);
	else if (res->succeeded)
		succeed(x, true, res->revision);
	else
		learn(x, res);
}

static size_t read_ops(const struct release_op *x, struct kv_op *ops)
{
	for (size_t i = 0; i < x->n; i++)
		ops[i] = (struct kv_op){ .type = KV_OP_GET, .key = x->targets[i].key };
	return x->n;
}

static void step_read(struct claim_op *op)
{
	struct release_op *x = (struct release_op *)op;
	struct kv_op ops[TARGETS_MAX];
	struct kv_txn txn = { .then_ops = ops, .n_then = read_ops(x, ops) };

	claim_op_txn(op, &txn, on_read);
}

/* What was seen to be ours must be the very same key still; the else branch shows what it is otherwise. */
static void step_delete(struct claim_op *op)
{
	struct release_op *x = (struct release_op *)op;
	struct kv_compare compares[TARGETS_MAX];
	struct kv_op then_ops[TARGETS_MAX], else_ops[TARGETS_MAX];
	struct kv_txn txn = { .compares = compares, .then_ops = then_ops, .else_ops = else_ops };

	for (size_t i = 0; i < x->n; i++) {
		const struct target *t = &x->targets[i];

		if (!t->seen)
			continue;
		compares[txn.n_compares++] = (struct kv_compare){ .key = t->key,
								  .target = KV_TARGET_MOD,
								  .relation = KV_EQUAL,
								  .revision = t->seen };
		then_ops[txn.n_then++] = (struct kv_op){ .type = KV_OP_DELETE, .key = t->key };
		if (x->reserved && i > 0)
			then_ops[txn.n_then - 1] = (struct kv_op){ .type = KV_OP_PUT,
								   .key = t->key,
								   .value = x->reserved,
								   .lease = x->lease };
	}
	txn.n_else = read_ops(x, else_ops);
	claim_op_txn(op, &txn, on_deleted);
}

/* @reserved: taken. */
static void start(struct claim *c, const struct model_endpoint *ep, char *reserved, int64_t lease,
		  claim_done_fn done, void *user)
{
	struct release_op *x = mem_alloc(sizeof(*x));
	/* Without its addresses the record must be read for them. */
	bool known = ep->mod_revision > 0 && ip_is_set(ep->ip4);

	x->network = ep->network;
	x->endpoint = ep->id;
	x->reserved = reserved;
	x->lease = lease;
	x->fn = done;
	x->user = user;
	x->targets[x->n++].key = model_key_endpoint(c->prefix, ep->network, ep->id);
	add_address(x, c->prefix, ep->ip4);
	add_address(x, c->prefix, ep->ip6);
	for (size_t i = 0; known && i < x->n; i++)
		x->targets[i].seen = ep->mod_revision;
	claim_op_start(&x->op, c, &release_type, known ? step_delete : step_read);
}

void claim_endpoint_release(struct claim *c, const struct model_endpoint *ep, claim_done_fn done,
			    void *user)
{
	start(c, ep, NULL, 0, done, user);
}

void claim_endpoint_unbind(struct claim *c, const struct model_endpoint *ep, struct id node,
			   int64_t lease, claim_done_fn done, void *user)
{
	start(c, ep, claim_reserved_value(ep->network, node), lease, done, user);
}
