/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipam/claim_slot.h"

struct left { /* a reservation that was never bound nor freed */
	struct ip ip;
	int64_t mod_revision;
};
struct sweep_op {
	struct claim_op op;
	struct id *networks;
	size_t n_networks, at; /* the one at hand */
	struct id node;
	uint64_t now_ms, older_than_ms;
	struct left *left; /* of the network at hand */
	size_t n_left;
	size_t freed;
	claim_sweep_fn fn;
	void *user;
};

static void step_list(struct claim_op *op);
static void step_delete(struct claim_op *op);

static struct sweep_op *sweep_op(struct claim_op *op)
{
	return (struct sweep_op *)op;
}

static void op_done(struct claim_op *op)
{
	struct sweep_op *x = sweep_op(op);

	x->fn(x->user, op->status, x->freed, &op->err);
}

static void op_free(struct claim_op *op)
{
	struct sweep_op *x = sweep_op(op);

	free(x->networks);
	free(x->left);
	free(x);
}

static const struct claim_op_type sweep_type = { .done = op_done, .free = op_free };

static void look_at(struct sweep_op *x, const struct kv_entry *e, struct id network)
{
	struct claim_holder h;
	struct model_key key;

	claim_holder_read(x->op.claim->prefix, e, &h);
	if (!h.reserved || !id_eq(h.node, x->node) ||
	    model_key_parse(x->op.claim->prefix, e->key, &key, NULL) < 0 ||
	    !claim_reserved_old(x->op.claim, network, key.ip, e->mod_revision, x->now_ms,
				x->older_than_ms))
		return;
	x->left = mem_grow(x->left, x->n_left + 1, sizeof(*x->left));
	x->left[x->n_left++] = (struct left){ .ip = key.ip, .mod_revision = e->mod_revision };
}

static bool is_listed(const struct claim *c, const struct kv_op_result *r, struct id network,
		      struct ip ip)
{
	_cleanup_free_ char *key = model_key_address(c->prefix, network, ip);

	/* In the order of the keys' bytes, as etcd gives them. */
	for (size_t lo = 0, hi = r->n_entries; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;
		int cmp = strcmp(r->entries[mid].key, key);

		if (cmp == 0)
			return true;
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* What went in another way (a lease's end, a lost answer) is forgotten; what came after the list is not in it. */
static void forget_gone(struct sweep_op *x, const struct kv_result *res, struct id network)
{
	struct claim_net *n = claim_net_find(x->op.claim, network);

	for (size_t i = n ? n->n_reserved : 0; i-- > 0;) {
		const struct claim_reserved *r = &n->reserved[i];

		if (r->mod_revision <= res->revision &&
		    !is_listed(x->op.claim, &res->ops[0], network, r->ip))
			claim_reserved_drop(x->op.claim, network, r->ip);
	}
}

static void on_list(struct claim_op *op, int status, const struct kv_result *res)
{
	struct sweep_op *x = sweep_op(op);
	struct id network = x->networks[x->at];

	if (status != 0) {
		claim_op_lost(op, status, res, step_list);
		return;
	}
	claim_op_settled(op);
	if (res->n_ops < 1) {
		claim_op_fail(op, -EPROTO, "etcd's answer lacks parts");
		return;
	}
	for (size_t i = 0; i < res->ops[0].n_entries; i++)
		look_at(x, &res->ops[0].entries[i], network);
	forget_gone(x, res, network);
	step_delete(op);
}

static void step_list(struct claim_op *op)
{
	struct sweep_op *x = sweep_op(op);
	_cleanup_free_ char *dir = NULL, *end = NULL;
	struct kv_op get;

	if (x->at == x->n_networks) {
		claim_op_end(op, 0);
		return;
	}
	dir = model_key_dir(op->claim->prefix, MODEL_ADDRESS, &x->networks[x->at]);
	end = kv_prefix_end(dir);
	get = (struct kv_op){ .type = KV_OP_GET, .key = dir, .range_end = end };
	claim_op_txn(op, &(struct kv_txn){ .then_ops = &get, .n_then = 1 }, on_list);
}

static void on_deleted(struct claim_op *op, int status, const struct kv_result *res)
{
	struct sweep_op *x = sweep_op(op);
	struct id network = x->networks[x->at];
	struct claim_net *n = claim_net_find(op->claim, network);
	struct ip ip = x->left[x->n_left - 1].ip;

	if (status != 0) {
		claim_op_lost(op, status, res, step_delete);
		return;
	}
	claim_op_settled(op);
	/* Else it was bound, or freed, while we looked. */
	if (res->succeeded) {
		x->freed++;
		claim_reserved_drop(op->claim, network, ip);
		if (n)
			claim_cache_release(&n->cache, ip, res->revision, uv_now(op->claim->loop),
					    CLAIM_RECENT_MAX);
	}
	x->n_left--;
	step_delete(op);
}

/* One at a time: what is bound at this very moment must not keep the others. */
static void step_delete(struct claim_op *op)
{
	struct sweep_op *x = sweep_op(op);
	_cleanup_free_ char *key = NULL;
	const struct left *l;
	struct kv_compare same;
	struct kv_op del;

	if (x->n_left == 0) {
		x->at++;
		step_list(op);
		return;
	}
	l = &x->left[x->n_left - 1];
	key = model_key_address(op->claim->prefix, x->networks[x->at], l->ip);
	same = (struct kv_compare){ .key = key,
				    .target = KV_TARGET_MOD,
				    .relation = KV_EQUAL,
				    .revision = l->mod_revision };
	del = (struct kv_op){ .type = KV_OP_DELETE, .key = key };
	claim_op_txn(op,
		     &(struct kv_txn){
			     .compares = &same, .n_compares = 1, .then_ops = &del, .n_then = 1 },
		     on_deleted);
}

void claim_reservations_sweep(struct claim *c, const struct id *networks, size_t n, struct id node,
			      uint64_t now_ms, uint64_t older_than_ms, claim_sweep_fn done,
			      void *user)
{
	struct sweep_op *x = mem_alloc(sizeof(*x));

	x->networks = mem_alloc_array(n + 1, sizeof(*x->networks));
	for (size_t i = 0; i < n; i++)
		x->networks[i] = networks[i];
	x->n_networks = n;
	x->node = node;
	x->now_ms = now_ms;
	x->older_than_ms = older_than_ms;
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &sweep_type, step_list);
}
