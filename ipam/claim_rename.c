/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipam/claim_inventory.h"
#include "ipam/claim_op.h"

struct rename_op {
	struct claim_op op;
	struct id id;
	char *name;
	struct model_network *net; /* as read, and then as it is to be */
	claim_network_fn fn;
	void *user;
};

static void step_read(struct claim_op *op);

static struct rename_op *rename_op(struct claim_op *op)
{
	return (struct rename_op *)op;
}

static void op_done(struct claim_op *op)
{
	struct rename_op *x = rename_op(op);

	x->fn(x->user, op->status, op->status == 0 ? x->net : NULL, &op->err);
}

static void op_free(struct claim_op *op)
{
	struct rename_op *x = rename_op(op);

	model_network_free(x->net);
	free(x->name);
	free(x);
}

static const struct claim_op_type rename_type = { .done = op_done, .free = op_free };

static void on_put(struct claim_op *op, int status, const struct kv_result *res);

/* Nothing was added or changed since @revision, which does not see deletions: that of the network itself is asked for. */
static void put(struct rename_op *x, int64_t revision)
{
	const char *prefix = x->op.claim->prefix;
	_cleanup_ranges_ struct claim_ranges ranges = { 0 };
	_cleanup_free_ char *key = model_key_network(prefix, x->id);
	_cleanup_free_ char *value = model_network_encode(x->net);
	struct kv_compare compares[CLAIM_RANGES];
	struct kv_op gets[CLAIM_RANGES];
	const struct kv_op then_op = { .type = KV_OP_PUT, .key = key, .value = value };

	claim_ranges_init(&ranges, prefix);
	claim_ranges_compares(&ranges, revision, compares);
	claim_ranges_gets(&ranges, gets);
	/* Pools have no names: in the place of their range, the network itself. */
	compares[1] = (struct kv_compare){ .key = key,
					   .target = KV_TARGET_MOD,
					   .relation = KV_EQUAL,
					   .revision = x->net->mod_revision };
	claim_op_txn(&x->op,
		     &(struct kv_txn){ .compares = compares,
				       .n_compares = ARRAY_SIZE(compares),
				       .then_ops = &then_op,
				       .n_then = 1,
				       .else_ops = gets,
				       .n_else = ARRAY_SIZE(gets) },
		     on_put);
}

static bool take_record(struct rename_op *x, const struct claim_inventory *inv)
{
	const struct model_network *n = claim_inventory_network(inv, x->id);
	char text[ID_TEXT_MAX];

	if (!n) {
		claim_op_fail(&x->op, -ENOENT, "no network with id %s", id_format(x->id, text));
		return false;
	}
	model_network_free(x->net);
	x->net = model_network_dup(n);
	x->net->mod_revision = n->mod_revision;
	return true;
}

static void proceed(struct rename_op *x, const struct kv_result *res)
{
	struct claim_inventory inv = { 0 };
	int r;

	if (claim_inventory_take(x->op.claim->prefix, res, NULL, NULL, 0, &inv) < 0) {
		claim_op_fail(&x->op, -EPROTO, "etcd's answer lacks parts");
		return;
	}
	if (take_record(x, &inv)) {
		claim_inventory_name(&inv, x->name, x->id, &x->op.err);
		r = x->op.err.code;
		if (r < 0) {
			claim_op_end(&x->op, r);
		} else if (x->net->state == MODEL_NETWORK_READY &&
			   strcmp(x->net->name, x->name) == 0) {
			claim_op_end(&x->op, 0);
		} else {
			free(x->net->name);
			x->net->name = mem_strdup(x->name);
			x->net->state = MODEL_NETWORK_READY;
			put(x, res->revision);
		}
	}
	claim_inventory_done(&inv);
}

static void on_put(struct claim_op *op, int status, const struct kv_result *res)
{
	struct rename_op *x = rename_op(op);

	if (status != 0) {
		claim_op_lost(op, status, res, step_read);
	} else if (res->succeeded) {
		x->net->mod_revision = res->revision;
		claim_op_end(op, 0);
	} else if (++op->tries >= CLAIM_TRIES_MAX) {
		claim_op_fail(op, -EAGAIN, "gave up after %d conflicts with others in a row",
			      CLAIM_TRIES_MAX);
	} else {
		proceed(x, res);
	}
}

static void on_read(struct claim_op *op, int status, const struct kv_result *res)
{
	if (status != 0) {
		claim_op_lost(op, status, res, step_read);
		return;
	}
	claim_op_settled(op);
	proceed(rename_op(op), res);
}

static void step_read(struct claim_op *op)
{
	_cleanup_ranges_ struct claim_ranges ranges = { 0 };
	struct kv_op gets[CLAIM_RANGES];

	claim_ranges_init(&ranges, op->claim->prefix);
	claim_ranges_gets(&ranges, gets);
	claim_op_txn(op, &(struct kv_txn){ .then_ops = gets, .n_then = ARRAY_SIZE(gets) }, on_read);
}

void claim_network_rename(struct claim *c, struct id network, const char *name,
			  claim_network_fn done, void *user)
{
	struct rename_op *x = mem_alloc(sizeof(*x));

	x->id = network;
	x->name = mem_strdup(name ? name : "");
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &rename_type, step_read);
}
