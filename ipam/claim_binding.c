/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipam/claim_op.h"

struct binding_op {
	struct claim_op op;
	struct id network;
	char *key, *network_key;
	char *docker, *value; /* NULL: to be deleted */
	int64_t seen; /* mod_revision to replace or delete; 0: put: must be absent, delete: whatever is there */
	int64_t revision;
	claim_done_fn fn;
	void *user;
};

static void step_put(struct claim_op *op);
static void step_delete(struct claim_op *op);

static struct binding_op *binding_op(struct claim_op *op)
{
	return (struct binding_op *)op;
}

static void op_done(struct claim_op *op)
{
	struct binding_op *x = binding_op(op);

	x->fn(x->user, op->status, x->revision, &op->err);
}

static void op_free(struct claim_op *op)
{
	struct binding_op *x = binding_op(op);

	free(x->key);
	free(x->network_key);
	free(x->docker);
	free(x->value);
	free(x);
}

static const struct claim_op_type binding_type = { .done = op_done, .free = op_free };

static void succeed(struct binding_op *x, int64_t revision)
{
	x->revision = revision;
	claim_op_end(&x->op, 0);
}

static void changed(struct binding_op *x)
{
	char text[ID_SHORT_MAX];

	claim_op_fail(&x->op, -ESTALE, "what network %s is bound to on this node has changed",
		      id_short(x->network, text));
}

/* ---- put ---- */

/* The binding that is there, which is not the one expected. */
static void learn_binding(struct binding_op *x, const struct kv_entry *e)
{
	struct model_binding *b = NULL;
	char text[ID_SHORT_MAX];

	if (model_binding_decode(x->op.claim->prefix, e->key, e->value, e->value_len, &b, NULL) <
	    0) {
		/* Not readable, so nobody's: replaced. */
		x->seen = e->mod_revision;
		claim_op_retry(&x->op, step_put);
	} else if (strcmp(b->docker, x->docker) == 0) {
		succeed(x, e->mod_revision);
	} else if (x->seen) {
		changed(x);
	} else {
		claim_op_fail(&x->op, -EEXIST,
			      "network %s is on this node already, as Docker's network %s",
			      id_short(x->network, text), b->docker);
	}
	model_binding_free(b);
}

static void on_put(struct claim_op *op, int status, const struct kv_result *res)
{
	struct binding_op *x = binding_op(op);
	char text[ID_TEXT_MAX];

	if (status != 0) {
		claim_op_lost(op, status, res, step_put);
		return;
	}
	claim_op_settled(op);
	if (res->succeeded) {
		succeed(x, res->revision);
	} else if (res->n_ops < 2) {
		claim_op_fail(op, -EPROTO, "etcd's answer lacks parts");
	} else if (res->ops[0].n_entries == 0) {
		claim_op_fail(op, -ENOENT, "no network with id %s", id_format(x->network, text));
	} else if (res->ops[1].n_entries > 0) {
		learn_binding(x, &res->ops[1].entries[0]);
	} else if (x->seen) {
		changed(x);
	} else {
		claim_op_retry(op, step_put);
	}
}

static void step_put(struct claim_op *op)
{
	struct binding_op *x = binding_op(op);
	const struct kv_compare compares[] = {
		{ .key = x->network_key, .target = KV_TARGET_CREATE, .relation = KV_GREATER },
		{ .key = x->key,
		  .target = KV_TARGET_MOD,
		  .relation = KV_EQUAL,
		  .revision = x->seen },
	};
	const struct kv_op put = { .type = KV_OP_PUT, .key = x->key, .value = x->value };
	const struct kv_op gets[] = {
		{ .type = KV_OP_GET, .key = x->network_key, .keys_only = true },
		{ .type = KV_OP_GET, .key = x->key },
	};

	claim_op_txn(op,
		     &(struct kv_txn){ .compares = compares,
				       .n_compares = ARRAY_SIZE(compares),
				       .then_ops = &put,
				       .n_then = 1,
				       .else_ops = gets,
				       .n_else = ARRAY_SIZE(gets) },
		     on_put);
}

static void put_first(struct claim_op *op)
{
	size_t len = strlen(binding_op(op)->docker);

	if (len == 0 || len > MODEL_DOCKER_ID_MAX)
		claim_op_fail(op, -EINVAL, "Docker's NetworkID must have 1 to %d bytes",
			      MODEL_DOCKER_ID_MAX);
	else
		step_put(op);
}

static struct binding_op *binding_op_new(struct claim *c, const struct model_binding *b,
					 claim_done_fn done, void *user)
{
	struct binding_op *x = mem_alloc(sizeof(*x));

	x->network = b->network;
	x->key = model_key_binding(c->prefix, b->network, b->node);
	x->seen = b->mod_revision;
	x->fn = done;
	x->user = user;
	return x;
}

void claim_binding_put(struct claim *c, const struct model_binding *b, claim_done_fn done,
		       void *user)
{
	struct binding_op *x = binding_op_new(c, b, done, user);

	x->network_key = model_key_network(c->prefix, b->network);
	x->docker = mem_strdup(b->docker ? b->docker : "");
	x->value = b->docker ? model_binding_encode(b) : NULL;
	claim_op_start(&x->op, c, &binding_type, put_first);
}

/* ---- delete ---- */

static void on_deleted(struct claim_op *op, int status, const struct kv_result *res)
{
	struct binding_op *x = binding_op(op);

	if (status != 0) {
		claim_op_lost(op, status, res, step_delete);
		return;
	}
	claim_op_settled(op);
	if (res->succeeded || res->n_ops == 0 || res->ops[0].n_entries == 0)
		succeed(x, res->revision);
	else
		changed(x);
}

static void step_delete(struct claim_op *op)
{
	struct binding_op *x = binding_op(op);
	const struct kv_compare same = {
		.key = x->key, .target = KV_TARGET_MOD, .relation = KV_EQUAL, .revision = x->seen
	};
	const struct kv_op del = { .type = KV_OP_DELETE, .key = x->key };
	const struct kv_op get = { .type = KV_OP_GET, .key = x->key, .keys_only = true };

	claim_op_txn(op,
		     &(struct kv_txn){ .compares = &same,
				       .n_compares = x->seen != 0,
				       .then_ops = &del,
				       .n_then = 1,
				       .else_ops = &get,
				       .n_else = 1 },
		     on_deleted);
}

void claim_binding_del(struct claim *c, const struct model_binding *b, claim_done_fn done,
		       void *user)
{
	struct binding_op *x = binding_op_new(c, b, done, user);

	claim_op_start(&x->op, c, &binding_type, step_delete);
}
