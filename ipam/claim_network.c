/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipam/claim_inventory.h"
#include "ipam/claim_op.h"

struct network_op {
	struct claim_op op;
	struct model_network *net; /* the base; vni and subnets are set for each try */
	bool auto_vni;
	struct claim_ask ask;
	struct id own_pools[MODEL_SUBNETS_MAX];
	size_t n_own_pools;
	claim_network_fn fn;
	void *user;
};

static void step_read(struct claim_op *op);

static struct network_op *network_op(struct claim_op *op)
{
	return (struct network_op *)op;
}

static void op_done(struct claim_op *op)
{
	struct network_op *x = network_op(op);

	x->fn(x->user, op->status, op->status == 0 ? x->net : NULL, &op->err);
}

static void op_free(struct claim_op *op)
{
	struct network_op *x = network_op(op);

	model_network_free(x->net);
	claim_ask_done(&x->ask);
	free(x);
}

static const struct claim_op_type network_type = { .done = op_done, .free = op_free };

/* ---- the choice ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int choose_vni(const struct claim_inventory *inv, uint32_t *ret)
{
	_cleanup_free_ uint32_t *v = mem_alloc_array(inv->n_networks + 1, sizeof(*v));
	uint32_t vni = MODEL_VNI_AUTO_FIRST;

	for (size_t i = 0; i < inv->n_networks; i++)
		v[i] = inv->networks[i]->vni;
	qsort(v, inv->n_networks, sizeof(*v), by_number);
	for (size_t i = 0; i < inv->n_networks; i++) {
		if (v[i] == vni)
			vni++;
	}
	if (vni > MODEL_VNI_MAX)
		return -ENOSPC;
	*ret = vni;
	return 0;
}

static void check_vni(struct network_op *x, const struct claim_inventory *inv, struct err *e)
{
	char id[ID_SHORT_MAX];

	if (x->auto_vni) {
		if (choose_vni(inv, &x->net->vni) < 0)
			err_add(e, -ENOSPC, "no VXLAN network identifier is free from %u to %u",
				MODEL_VNI_AUTO_FIRST, MODEL_VNI_MAX);
		return;
	}
	if (x->net->vni < MODEL_VNI_MIN || x->net->vni > MODEL_VNI_MAX)
		err_add(e, -EINVAL, "vni %u is not within %d to %d", x->net->vni, MODEL_VNI_MIN,
			MODEL_VNI_MAX);
	for (size_t i = 0; i < inv->n_networks; i++) {
		const struct model_network *n = inv->networks[i];

		if (n->vni == x->net->vni)
			err_add(e, -EEXIST, "vni %u is used by network %s (id %s)", n->vni, n->name,
				id_short(n->id, id));
	}
}

static void set_subnets(struct model_network *net, struct model_subnet *subnets, size_t n)
{
	subnet_free(net->subnets, net->n_subnets);
	net->subnets = subnets;
	net->n_subnets = n;
	for (size_t i = 0; i < n; i++)
		net->ipv6 = net->ipv6 || subnets[i].subnet.ip.family == AF_INET6;
}

/* All that is wrong with the request is told at once. */
static int choose(struct network_op *x, const struct claim_inventory *inv, struct err *e)
{
	struct model_subnet *subnets = NULL;
	size_t n = 0;

	claim_inventory_name(inv, x->net->name ? x->net->name : "", x->net->id, e);
	check_vni(x, inv, e);
	if (subnet_resolve(&x->ask.ask, x->ask.pools, x->ask.n_pools, x->ask.cluster_id.b,
			   inv->taken, inv->n_taken, &subnets, &n, e) < 0)
		return e->code;
	set_subnets(x->net, subnets, n);
	return e->code;
}

/* ---- the transactions ---- */

static void on_put(struct claim_op *op, int status, const struct kv_result *res);

/* The network in the place of the pools that were held for it. One that has vanished meanwhile is no loss: nobody took its subnet (claim_inventory.h). */
static size_t then_ops(const struct network_op *x, const char *key, const char *value,
		       char *pool_keys[], struct kv_op *ret)
{
	size_t n = 0;

	ret[n++] = (struct kv_op){ .type = KV_OP_PUT, .key = key, .value = value };
	for (size_t i = 0; i < x->n_own_pools; i++) {
		pool_keys[i] = model_key_pool(x->op.claim->prefix, x->own_pools[i]);
		ret[n++] = (struct kv_op){ .type = KV_OP_DELETE, .key = pool_keys[i] };
	}
	return n;
}

/* The else branch brings the next inventory. */
static void put(struct network_op *x, int64_t revision)
{
	const char *prefix = x->op.claim->prefix;
	_cleanup_ranges_ struct claim_ranges ranges = { 0 };
	_cleanup_free_ char *key = model_key_network(prefix, x->net->id);
	_cleanup_free_ char *value = model_network_encode(x->net);
	char *pool_keys[MODEL_SUBNETS_MAX] = { 0 };
	struct kv_compare compares[CLAIM_RANGES + 1];
	struct kv_op ops[1 + MODEL_SUBNETS_MAX], gets[CLAIM_RANGES];
	struct kv_txn txn = { .compares = compares,
			      .n_compares = ARRAY_SIZE(compares),
			      .then_ops = ops,
			      .else_ops = gets,
			      .n_else = ARRAY_SIZE(gets) };

	claim_ranges_init(&ranges, prefix);
	claim_ranges_compares(&ranges, revision, compares);
	claim_ranges_gets(&ranges, gets);
	compares[CLAIM_RANGES] = (struct kv_compare){
		.key = key, .target = KV_TARGET_CREATE, .relation = KV_EQUAL, .revision = 0
	};
	txn.n_then = then_ops(x, key, value, pool_keys, ops);
	claim_op_txn(&x->op, &txn, on_put);
	for (size_t i = 0; i < x->n_own_pools; i++)
		free(pool_keys[i]);
}

/* A network of our id: put by an earlier call, or by a transaction whose answer was lost. */
static bool is_there(struct network_op *x, const struct claim_inventory *inv)
{
	const struct model_network *n = claim_inventory_network(inv, x->net->id);

	if (!n)
		return false;
	model_network_free(x->net);
	x->net = model_network_dup(n);
	x->net->mod_revision = n->mod_revision;
	claim_op_end(&x->op, 0);
	return true;
}

static void proceed(struct network_op *x, const struct kv_result *res)
{
	struct claim_inventory inv = { 0 };
	int r;

	if (claim_inventory_take(x->op.claim->prefix, res, &x->ask, x->own_pools, x->n_own_pools,
				 &inv) < 0) {
		claim_op_fail(&x->op, -EPROTO, "etcd's answer lacks parts");
		return;
	}
	if (!is_there(x, &inv)) {
		r = choose(x, &inv, &x->op.err);
		if (r < 0)
			claim_op_end(&x->op, r);
		else
			put(x, res->revision);
	}
	claim_inventory_done(&inv);
}

static void on_put(struct claim_op *op, int status, const struct kv_result *res)
{
	struct network_op *x = network_op(op);

	if (status != 0) {
		claim_op_lost(op, status, res, step_read);
	} else if (res->succeeded) {
		x->net->mod_revision = res->revision;
		claim_op_end(op, 0);
	} else if (++op->tries >= CLAIM_TRIES_MAX) {
		claim_op_fail(op, -EAGAIN, "gave up after %d conflicts with others in a row",
			      CLAIM_TRIES_MAX);
	} else {
		/* No pause: each conflict means that somebody else's network got in. */
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
	proceed(network_op(op), res);
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
	if (network_op(op)->n_own_pools > MODEL_SUBNETS_MAX)
		claim_op_fail(op, -EINVAL, "more than %d pools for one network", MODEL_SUBNETS_MAX);
	else
		step_read(op);
}

void claim_network_create(struct claim *c, const struct claim_network_request *req,
			  claim_network_fn done, void *user)
{
	struct network_op *x = mem_alloc(sizeof(*x));
	struct subnet_request ask = req->ask;

	ask.ipv6 = ask.ipv6 || req->base->ipv6;
	claim_ask_init(&x->ask, &ask, req->pools, req->n_pools, req->host_taken, req->n_host_taken,
		       req->cluster_id);
	x->net = model_network_dup(req->base);
	set_subnets(x->net, NULL, 0);
	x->auto_vni = req->base->vni == 0;
	for (size_t i = 0; i < req->n_own_pools && i < MODEL_SUBNETS_MAX; i++)
		x->own_pools[i] = req->own_pools[i];
	x->n_own_pools = req->n_own_pools;
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &network_type, step_first);
}
