/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ipam/claim_op.h"

struct remove_op {
	struct claim_op op;
	struct id network;
	bool was_lost; /* an earlier transaction of ours may have removed it */
	int64_t revision;
	claim_done_fn fn;
	void *user;
};

static void step_send(struct claim_op *op);

static void op_done(struct claim_op *op)
{
	struct remove_op *x = (struct remove_op *)op;

	x->fn(x->user, op->status, x->revision, &op->err);
}

static void op_free(struct claim_op *op)
{
	free(op);
}

static const struct claim_op_type remove_type = { .done = op_done, .free = op_free };

static void succeed(struct remove_op *x, int64_t revision)
{
	x->revision = revision;
	claim_forget_network(x->op.claim, x->network);
	claim_op_end(&x->op, 0);
}

static char *network_name(const struct remove_op *x, const struct kv_entry *e)
{
	char text[ID_SHORT_MAX];
	struct model_network *n;
	char *name;

	if (model_network_decode(x->op.claim->prefix, e->key, e->value, e->value_len, &n, NULL) < 0)
		return mem_strdup(id_short(x->network, text));
	name = mem_strdup(n->name);
	model_network_free(n);
	return name;
}

static void has_endpoints(struct remove_op *x, const char *name, const struct kv_op_result *r)
{
	struct claim_who *who = mem_alloc_array(CLAIM_NAMED_MAX, sizeof(*who));
	char *what = mem_printf("network %s has %zu endpoint%s:", name, r->n_entries,
				r->n_entries == 1 ? "" : "s");
	size_t n = 0;

	for (size_t i = 0; i < r->n_entries && n < CLAIM_NAMED_MAX; i++) {
		struct model_key key;

		if (model_key_parse(x->op.claim->prefix, r->entries[i].key, &key, NULL) == 0 &&
		    key.kind == MODEL_ENDPOINT)
			who[n++] = (struct claim_who){ .network = key.network, .endpoint = key.id };
	}
	claim_who_end(&x->op, -EBUSY, what, who, n, r->n_entries);
}

static void has_addresses(struct remove_op *x, const char *name, const struct kv_op_result *r)
{
	_cleanup_buf_ struct buf b;

	buf_init(&b, ERR_TEXT_MAX);
	for (size_t i = 0; i < r->n_entries && i < CLAIM_NAMED_MAX; i++) {
		const char *slash = strrchr(r->entries[i].key, '/');

		buf_printf(&b, "%s%s", i ? ", " : "", slash ? slash + 1 : r->entries[i].key);
	}
	claim_op_fail(&x->op, -EBUSY, "network %s has %zu reserved address%s: %s%s", name,
		      r->n_entries, r->n_entries == 1 ? "" : "es", b.data,
		      r->n_entries > CLAIM_NAMED_MAX ? ", ..." : "");
}

/* The else branch: the network's record, the keys of its endpoints, those of its addresses. */
static void learn(struct remove_op *x, const struct kv_result *res)
{
	_cleanup_free_ char *name = NULL;
	char text[ID_TEXT_MAX];

	if (res->n_ops < 3) {
		claim_op_fail(&x->op, -EPROTO, "etcd's answer lacks parts");
		return;
	}
	if (res->ops[0].n_entries == 0) {
		/* Gone after a lost answer: that was ours, or comes to the same. */
		if (x->was_lost)
			succeed(x, res->revision);
		else
			claim_op_fail(&x->op, -ENOENT, "no network with id %s",
				      id_format(x->network, text));
		return;
	}
	name = network_name(x, &res->ops[0].entries[0]);
	if (res->ops[1].n_entries)
		has_endpoints(x, name, &res->ops[1]);
	else if (res->ops[2].n_entries)
		has_addresses(x, name, &res->ops[2]);
	else
		claim_op_retry(&x->op, step_send);
}

static void on_sent(struct claim_op *op, int status, const struct kv_result *res)
{
	struct remove_op *x = (struct remove_op *)op;

	if (status != 0) {
		x->was_lost = x->was_lost || status == -ETIMEDOUT;
		claim_op_lost(op, status, res, step_send);
		return;
	}
	claim_op_settled(op);
	if (res->succeeded)
		succeed(x, res->revision);
	else
		learn(x, res);
}

/*
 * "create_revision == 0" over a range is true only where the range is empty (etcd's applyCompare over range_end), so this
 * cannot race with an attach: that one compares the network's key. What Docker nodes call the network goes with it.
 */
static void step_send(struct claim_op *op)
{
	struct remove_op *x = (struct remove_op *)op;
	const char *prefix = op->claim->prefix;
	_cleanup_free_ char *key = model_key_network(prefix, x->network);
	_cleanup_free_ char *endpoints = model_key_dir(prefix, MODEL_ENDPOINT, &x->network);
	_cleanup_free_ char *addresses = model_key_dir(prefix, MODEL_ADDRESS, &x->network);
	_cleanup_free_ char *bindings = model_key_dir(prefix, MODEL_BINDING, &x->network);
	_cleanup_free_ char *endpoints_end = kv_prefix_end(endpoints);
	_cleanup_free_ char *addresses_end = kv_prefix_end(addresses);
	_cleanup_free_ char *bindings_end = kv_prefix_end(bindings);
	const struct kv_compare compares[] = {
		{ .key = key, .target = KV_TARGET_CREATE, .relation = KV_GREATER, .revision = 0 },
		{ .key = endpoints, .range_end = endpoints_end, .target = KV_TARGET_CREATE },
		{ .key = addresses, .range_end = addresses_end, .target = KV_TARGET_CREATE },
	};
	const struct kv_op then_ops[] = {
		{ .type = KV_OP_DELETE, .key = key },
		{ .type = KV_OP_DELETE, .key = bindings, .range_end = bindings_end },
	};
	const struct kv_op else_ops[] = {
		{ .type = KV_OP_GET, .key = key },
		{ .type = KV_OP_GET,
		  .key = endpoints,
		  .range_end = endpoints_end,
		  .keys_only = true },
		{ .type = KV_OP_GET,
		  .key = addresses,
		  .range_end = addresses_end,
		  .keys_only = true },
	};

	claim_op_txn(op,
		     &(struct kv_txn){ .compares = compares,
				       .n_compares = ARRAY_SIZE(compares),
				       .then_ops = then_ops,
				       .n_then = ARRAY_SIZE(then_ops),
				       .else_ops = else_ops,
				       .n_else = ARRAY_SIZE(else_ops) },
		     on_sent);
}

void claim_network_remove(struct claim *c, struct id network, claim_done_fn done, void *user)
{
	struct remove_op *x = mem_alloc(sizeof(*x));

	x->network = network;
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &remove_type, step_send);
}
