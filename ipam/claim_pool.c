/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ipam/claim_inventory.h"
#include "ipam/claim_op.h"

/* ---- creation ---- */

struct pool_op {
	struct claim_op op;
	struct model_pool *pool; /* subnet and range are set for each try */
	struct claim_ask ask;
	int64_t lease;
	claim_pool_fn fn;
	void *user;
};

static void step_read(struct claim_op *op);

static struct pool_op *pool_op(struct claim_op *op)
{
	return (struct pool_op *)op;
}

static void op_done(struct claim_op *op)
{
	struct pool_op *x = pool_op(op);

	x->fn(x->user, op->status, op->status == 0 ? x->pool : NULL, &op->err);
}

static void op_free(struct claim_op *op)
{
	struct pool_op *x = pool_op(op);

	model_pool_free(x->pool);
	claim_ask_done(&x->ask);
	free(x);
}

static const struct claim_op_type pool_type = { .done = op_done, .free = op_free };

static int choose(struct pool_op *x, const struct claim_inventory *inv)
{
	struct model_subnet *subnets = NULL;
	size_t n = 0;
	int r = subnet_resolve(&x->ask.ask, x->ask.pools, x->ask.n_pools, x->ask.cluster_id.b,
			       inv->taken, inv->n_taken, &subnets, &n, &x->op.err);

	if (r < 0)
		return r;
	if (n == 1) {
		x->pool->subnet = subnets[0].subnet;
		x->pool->range = subnets[0].ip_range;
	} else {
		r = err_set(&x->op.err, -EINVAL, "a pool is one subnet, not %zu", n);
	}
	subnet_free(subnets, n);
	return r;
}

static void on_put(struct claim_op *op, int status, const struct kv_result *res);

static void put(struct pool_op *x, int64_t revision)
{
	const char *prefix = x->op.claim->prefix;
	_cleanup_ranges_ struct claim_ranges ranges = { 0 };
	_cleanup_free_ char *key = model_key_pool(prefix, x->pool->id);
	_cleanup_free_ char *value = model_pool_encode(x->pool);
	struct kv_compare compares[CLAIM_RANGES];
	struct kv_op gets[CLAIM_RANGES];
	const struct kv_op then_op = {
		.type = KV_OP_PUT, .key = key, .value = value, .lease = x->lease
	};

	claim_ranges_init(&ranges, prefix);
	claim_ranges_compares(&ranges, revision, compares);
	claim_ranges_gets(&ranges, gets);
	claim_op_txn(&x->op,
		     &(struct kv_txn){ .compares = compares,
				       .n_compares = ARRAY_SIZE(compares),
				       .then_ops = &then_op,
				       .n_then = 1,
				       .else_ops = gets,
				       .n_else = ARRAY_SIZE(gets) },
		     on_put);
}

/* A pool of our id was put by a transaction whose answer was lost. */
static bool is_there(struct pool_op *x, const struct claim_inventory *inv)
{
	for (size_t i = 0; i < inv->n_pools; i++) {
		if (!id_eq(inv->pools[i]->id, x->pool->id))
			continue;
		model_pool_free(x->pool);
		x->pool = TAKE_PTR(inv->pools[i]);
		claim_op_end(&x->op, 0);
		return true;
	}
	return false;
}

static void proceed(struct pool_op *x, const struct kv_result *res)
{
	struct claim_inventory inv = { 0 };
	int r;

	if (claim_inventory_take(x->op.claim->prefix, res, &x->ask, NULL, 0, &inv) < 0) {
		claim_op_fail(&x->op, -EPROTO, "etcd's answer lacks parts");
		return;
	}
	if (!is_there(x, &inv)) {
		r = choose(x, &inv);
		if (r < 0)
			claim_op_end(&x->op, r);
		else
			put(x, res->revision);
	}
	claim_inventory_done(&inv);
}

static void on_put(struct claim_op *op, int status, const struct kv_result *res)
{
	struct pool_op *x = pool_op(op);

	if (status == -ENOENT) {
		claim_op_fail(op, -EKEYEXPIRED, "the lease for the pool is gone from etcd");
	} else if (status != 0) {
		claim_op_lost(op, status, res, step_read);
	} else if (res->succeeded) {
		x->pool->mod_revision = res->revision;
		claim_op_end(op, 0);
	} else if (++op->tries >= CLAIM_TRIES_MAX) {
		claim_op_fail(op, -EAGAIN, "gave up after %d conflicts with others in a row",
			      CLAIM_TRIES_MAX);
	} else {
		/* No pause: each conflict means that somebody else's pool or network got in. */
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
	proceed(pool_op(op), res);
}

static void step_read(struct claim_op *op)
{
	_cleanup_ranges_ struct claim_ranges ranges = { 0 };
	struct kv_op gets[CLAIM_RANGES];

	claim_ranges_init(&ranges, op->claim->prefix);
	claim_ranges_gets(&ranges, gets);
	claim_op_txn(op, &(struct kv_txn){ .then_ops = gets, .n_then = ARRAY_SIZE(gets) }, on_read);
}

static void step_first(struct claim_op *op)
{
	struct pool_op *x = pool_op(op);

	if (x->ask.subnets.n > 1)
		claim_op_fail(op, -EINVAL, "a pool is one subnet, not %zu", x->ask.subnets.n);
	else
		step_read(op);
}

void claim_pool_create(struct claim *c, const struct claim_pool_request *req, claim_pool_fn done,
		       void *user)
{
	struct pool_op *x = mem_alloc(sizeof(*x));
	struct subnet_request ask = { .subnets = req->ask.subnets,
				      .ip_ranges = req->ask.ip_ranges,
				      .family = req->family,
				      .ipv6 = req->family == AF_INET6 };
	char created[CLOCK_TEXT_MAX];

	claim_ask_init(&x->ask, &ask, req->pools, req->n_pools, req->host_taken, req->n_host_taken,
		       req->cluster_id);
	x->pool = mem_alloc(sizeof(*x->pool));
	x->pool->id = id_random();
	x->pool->node = req->node;
	x->pool->created = mem_strdup(clock_wall_text(created));
	x->lease = req->lease;
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &pool_type, step_first);
}

/* ---- deletion ---- */

struct delete_op {
	struct claim_op op;
	struct id pool;
	int64_t revision;
	claim_done_fn fn;
	void *user;
};

static void delete_done(struct claim_op *op)
{
	struct delete_op *x = (struct delete_op *)op;

	x->fn(x->user, op->status, x->revision, &op->err);
}

static void delete_free(struct claim_op *op)
{
	free(op);
}

static const struct claim_op_type delete_type = { .done = delete_done, .free = delete_free };

static void step_delete(struct claim_op *op);

static void on_deleted(struct claim_op *op, int status, const struct kv_result *res)
{
	struct delete_op *x = (struct delete_op *)op;

	if (status != 0) {
		claim_op_lost(op, status, res, step_delete);
		return;
	}
	x->revision = res->revision;
	claim_op_end(op, 0);
}

/* An id is never used twice, so it may be deleted as often as one likes. */
static void step_delete(struct claim_op *op)
{
	struct delete_op *x = (struct delete_op *)op;
	_cleanup_free_ char *key = model_key_pool(op->claim->prefix, x->pool);
	const struct kv_op del = { .type = KV_OP_DELETE, .key = key };

	claim_op_txn(op, &(struct kv_txn){ .then_ops = &del, .n_then = 1 }, on_deleted);
}

void claim_pool_delete(struct claim *c, struct id pool, claim_done_fn done, void *user)
{
	struct delete_op *x = mem_alloc(sizeof(*x));

	x->pool = pool;
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &delete_type, step_delete);
}
