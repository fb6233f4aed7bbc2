/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses before and after they are an endpoint's: reserved by a node, and freed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipam/claim_slot.h"

static const struct kv_entry *entry_of(const struct kv_result *res, size_t i)
{
	return i < res->n_ops && res->ops[i].n_entries ? &res->ops[i].entries[0] : NULL;
}

/* ---- reserve ---- */

struct reserve_op {
	struct claim_op op;
	struct claim_slots slots; /* one */
	char *value; /* by which the reservation is known again: no other has the same */
	char *network_key;
	int64_t lease;
	claim_address_fn fn;
	void *user;
};

static void step_send(struct claim_op *op);

static struct reserve_op *reserve_op(struct claim_op *op)
{
	return (struct reserve_op *)op;
}

static void reserve_done(struct claim_op *op)
{
	struct reserve_op *x = reserve_op(op);

	claim_slots_drop(&x->slots);
	x->fn(x->user, op->status, op->status == 0 ? x->slots.v[0].ip : (struct ip){ 0 }, &op->err);
}

static void reserve_free(struct claim_op *op)
{
	struct reserve_op *x = reserve_op(op);

	claim_slots_done(&x->slots);
	free(x->network_key);
	free(x->value);
	free(x);
}

static const struct claim_op_type reserve_type = { .done = reserve_done, .free = reserve_free };

static void succeed(struct reserve_op *x, int64_t created, int64_t known)
{
	claim_slots_took(&x->slots, created, known);
	claim_reserved_set(x->op.claim, x->slots.net->id, x->slots.v[0].ip, created);
	claim_op_end(&x->op, 0);
}

static bool is_own_value(const struct reserve_op *x, const struct kv_entry *e)
{
	return e->value_len == strlen(x->value) && memcmp(e->value, x->value, e->value_len) == 0;
}

static void learn(struct reserve_op *x, const struct kv_result *res)
{
	const struct kv_entry *e = entry_of(res, 1);
	struct claim_slot *s = &x->slots.v[0];
	struct claim_holder h;

	if (e && is_own_value(x, e)) {
		succeed(x, e->mod_revision, res->revision);
		return;
	}
	if (e) {
		claim_holder_read(x->op.claim->prefix, e, &h);
		if (!claim_slots_taken(&x->slots, s, e, res->revision, &h))
			return;
	}
	if (claim_slots_network(&x->slots, entry_of(res, 0)) < 0)
		return;
	if (x->slots.conflicts > 1)
		claim_net_get(x->op.claim, x->slots.net->id)->cache.filled = false;
	claim_slots_retry(&x->slots);
}

static void on_sent(struct claim_op *op, int status, const struct kv_result *res)
{
	struct reserve_op *x = reserve_op(op);

	if (status != 0) {
		claim_op_lost(op, status, res, step_send);
		return;
	}
	claim_op_settled(op);
	if (res->succeeded)
		succeed(x, res->revision, res->revision);
	else
		learn(x, res);
}

static void step_send(struct claim_op *op)
{
	struct reserve_op *x = reserve_op(op);
	const struct claim_slot *s = &x->slots.v[0];
	const struct kv_compare compares[] = {
		{ .key = x->network_key,
		  .target = KV_TARGET_MOD,
		  .relation = KV_EQUAL,
		  .revision = x->slots.net->mod_revision },
		claim_slots_compare(s->key, 0),
	};
	const struct kv_op put = {
		.type = KV_OP_PUT, .key = s->key, .value = x->value, .lease = x->lease
	};
	const struct kv_op gets[] = {
		{ .type = KV_OP_GET, .key = x->network_key, .keys_only = true },
		{ .type = KV_OP_GET, .key = s->key },
	};

	claim_op_txn(op,
		     &(struct kv_txn){ .compares = compares,
				       .n_compares = ARRAY_SIZE(compares),
				       .then_ops = &put,
				       .n_then = 1,
				       .else_ops = gets,
				       .n_else = ARRAY_SIZE(gets) },
		     on_sent);
}

static void step_choose(struct claim_op *op)
{
	if (claim_slots_choose(&reserve_op(op)->slots))
		step_send(op);
}

static bool has_family(const struct model_network *net, int family)
{
	for (size_t i = 0; i < net->n_subnets; i++) {
		if (net->subnets[i].subnet.ip.family == family)
			return true;
	}
	return false;
}

static void step_first(struct claim_op *op)
{
	struct reserve_op *x = reserve_op(op);
	const struct claim_slot *s = &x->slots.v[0];
	int r;

	if (!has_family(x->slots.net, s->family)) {
		claim_op_fail(op, -EINVAL, "network %s has no %s subnet", x->slots.net->name,
			      s->family == AF_INET6 ? "IPv6" : "IPv4");
		return;
	}
	r = ip_is_set(s->want) ? claim_slots_check(&x->slots, s->want, s->family, &op->err) : 0;
	if (r < 0)
		claim_op_end(op, r);
	else
		step_choose(op);
}

void claim_address_reserve(struct claim *c, const struct model_network *net, struct ip want,
			   int family, struct id node, int64_t lease, claim_address_fn done,
			   void *user)
{
	struct reserve_op *x = mem_alloc(sizeof(*x));

	claim_slots_init(&x->slots, &x->op, net, step_choose);
	x->slots.n = 1;
	x->slots.v[0].family = family;
	x->slots.v[0].want = want;
	x->value = claim_reserved_value(net->id, node);
	x->network_key = model_key_network(c->prefix, net->id);
	x->lease = lease;
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &reserve_type, step_first);
}

/* ---- free ---- */

struct free_op {
	struct claim_op op;
	struct id network, node;
	struct ip ip;
	char *key;
	int64_t seen; /* mod_revision of the reservation; 0: to be read */
	bool was_lost; /* a deletion at ->seen was sent, and not answered */
	int64_t revision;
	claim_done_fn fn;
	void *user;
};

static void step_free(struct claim_op *op);

static struct free_op *free_op(struct claim_op *op)
{
	return (struct free_op *)op;
}

static void free_done(struct claim_op *op)
{
	struct free_op *x = free_op(op);

	x->fn(x->user, op->status, x->revision, &op->err);
}

static void free_free(struct claim_op *op)
{
	struct free_op *x = free_op(op);

	free(x->key);
	free(x);
}

static const struct claim_op_type free_type = { .done = free_done, .free = free_free };

/* @gone: the key is not there at @revision, else it is not for us. */
static void free_succeed(struct free_op *x, bool gone, int64_t revision)
{
	struct claim *c = x->op.claim;
	struct claim_net *n = claim_net_find(c, x->network);

	if (gone && n)
		claim_cache_release(&n->cache, x->ip, revision, uv_now(c->loop), CLAIM_RECENT_MAX);
	claim_reserved_drop(c, x->network, x->ip);
	x->revision = revision;
	claim_op_end(&x->op, 0);
}

static void on_freed(struct claim_op *op, int status, const struct kv_result *res)
{
	struct free_op *x = free_op(op);
	const struct kv_entry *e;
	struct claim_holder h;

	if (status != 0) {
		x->was_lost = x->was_lost || (status == -ETIMEDOUT && x->seen);
		claim_op_lost(op, status, res, step_free);
		return;
	}
	claim_op_settled(op);
	if (x->seen && res->succeeded) {
		free_succeed(x, true, res->revision);
		return;
	}
	e = entry_of(res, 0);
	if (!e) {
		free_succeed(x, true, res->revision);
		return;
	}
	claim_holder_read(op->claim->prefix, e, &h);
	/* After a lost deletion another reservation is somebody else's. */
	if (!h.reserved || !id_eq(h.node, x->node) || x->was_lost) {
		free_succeed(x, false, res->revision);
		return;
	}
	x->seen = e->mod_revision;
	claim_op_retry(op, step_free);
}

static void step_free(struct claim_op *op)
{
	struct free_op *x = free_op(op);
	const struct kv_compare same = {
		.key = x->key, .target = KV_TARGET_MOD, .relation = KV_EQUAL, .revision = x->seen
	};
	const struct kv_op del = { .type = KV_OP_DELETE, .key = x->key };
	const struct kv_op get = { .type = KV_OP_GET, .key = x->key };

	if (x->seen)
		claim_op_txn(op,
			     &(struct kv_txn){ .compares = &same,
					       .n_compares = 1,
					       .then_ops = &del,
					       .n_then = 1,
					       .else_ops = &get,
					       .n_else = 1 },
			     on_freed);
	else
		claim_op_txn(op, &(struct kv_txn){ .then_ops = &get, .n_then = 1 }, on_freed);
}

void claim_address_free(struct claim *c, struct id network, struct ip ip, struct id node,
			claim_done_fn done, void *user)
{
	struct free_op *x = mem_alloc(sizeof(*x));

	x->network = network;
	x->node = node;
	x->ip = ip;
	x->key = model_key_address(c->prefix, network, ip);
	x->seen = claim_reserved_get(c, network, ip);
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &free_type, step_free);
}
