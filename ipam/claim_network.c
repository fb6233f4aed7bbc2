/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "ipam/claim_op.h"

struct network_op {
	struct claim_op op;
	struct model_network *net; /* the base; vni and subnets are set for each try */
	bool auto_vni;
	/* the request, copied */
	struct subnet_request ask;
	struct strv subnets, gateways, ip_ranges;
	struct kv_pairs aux;
	struct subnet_pool *pools;
	size_t n_pools;
	struct subnet_taken *host_taken; /* ->who owned */
	size_t n_host_taken;
	struct id cluster_id;
	claim_network_fn fn;
	void *user;
};

/* What is there at one revision. */
struct inventory {
	struct model_network **networks;
	size_t n_networks;
	struct subnet_taken *taken; /* first those of this host, then pools and networks */
	char **words; /* what taken[].who borrows */
	size_t n_taken, n_words;
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
	strv_done(&x->subnets);
	strv_done(&x->gateways);
	strv_done(&x->ip_ranges);
	kv_pairs_done(&x->aux);
	for (size_t i = 0; i < x->n_host_taken; i++)
		free((char *)x->host_taken[i].who);
	free(x->host_taken);
	free(x->pools);
	free(x);
}

static const struct claim_op_type network_type = { .done = op_done, .free = op_free };

/* ---- what is there ---- */

static void inventory_done(struct inventory *inv)
{
	for (size_t i = 0; i < inv->n_networks; i++)
		model_network_free(inv->networks[i]);
	for (size_t i = 0; i < inv->n_words; i++)
		free(inv->words[i]);
	free(inv->networks);
	free(inv->words);
	free(inv->taken);
}

static void add_taken(struct inventory *inv, struct prefix p, const char *who)
{
	inv->taken = mem_grow(inv->taken, inv->n_taken + 1, sizeof(*inv->taken));
	inv->taken[inv->n_taken++] = (struct subnet_taken){ .prefix = p, .who = who };
}

/* @word: heap, owned by @inv afterwards. Return: @word. */
static const char *add_word(struct inventory *inv, char *word)
{
	inv->words = mem_grow(inv->words, inv->n_words + 1, sizeof(*inv->words));
	inv->words[inv->n_words++] = word;
	return word;
}

/* A record that does not decode is passed over, as everywhere: one bad key must not stop the rest. */
static void add_network(struct inventory *inv, const char *prefix, const struct kv_entry *e)
{
	struct model_network *n;
	const char *who;

	if (model_network_decode(prefix, e->key, e->value, e->value_len, &n, NULL) < 0)
		return;
	n->mod_revision = e->mod_revision;
	inv->networks =
		mem_grow(inv->networks, inv->n_networks + 1, sizeof(struct model_network *));
	inv->networks[inv->n_networks++] = n;
	who = add_word(inv, mem_printf("network %s", n->name));
	for (size_t i = 0; i < n->n_subnets; i++)
		add_taken(inv, n->subnets[i].subnet, who);
}

/* {"subnet":"10.0.0.0/24",...}: a subnet that a Docker node holds until it creates the network. */
static void add_pool(struct inventory *inv, const struct kv_entry *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const char *slash = strrchr(e->key, '/');
	struct prefix p = { 0 };

	if (json_parse_object(e->value, e->value_len, MODEL_RECORD_MAX, &j, NULL) < 0 ||
	    json_get_prefix(j, "subnet", &p, NULL) < 0 || !prefix_is_set(p))
		return;
	add_taken(inv, p,
		  add_word(inv, mem_printf("pool %.12s, held for a network to come",
					   slash ? slash + 1 : e->key)));
}

static void take_inventory(const struct network_op *x, const struct kv_result *res,
			   struct inventory *ret)
{
	for (size_t i = 0; i < x->n_host_taken; i++)
		add_taken(ret, x->host_taken[i].prefix, x->host_taken[i].who);
	for (size_t i = 0; i < res->ops[0].n_entries; i++)
		add_network(ret, x->op.claim->prefix, &res->ops[0].entries[i]);
	for (size_t i = 0; i < res->ops[1].n_entries; i++)
		add_pool(ret, &res->ops[1].entries[i]);
}

/* ---- the choice ---- */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int choose_vni(const struct inventory *inv, uint32_t *ret)
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

static void check_vni(struct network_op *x, const struct inventory *inv, struct err *e)
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

static void check_name(const struct network_op *x, const struct inventory *inv, struct err *e)
{
	const char *name = x->net->name ? x->net->name : "";
	char id[ID_SHORT_MAX];
	struct err why = { 0 };

	if (model_name_check("network name", name, &why) < 0)
		err_add(e, -EINVAL, "%s", err_text(&why));
	for (size_t i = 0; i < inv->n_networks; i++) {
		const struct model_network *n = inv->networks[i];

		if (strcmp(n->name, name) == 0)
			err_add(e, -EEXIST, "a network named %s exists already (id %s, created %s)",
				name, id_short(n->id, id), n->created ? n->created : "?");
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
static int choose(struct network_op *x, const struct inventory *inv, struct err *e)
{
	struct model_subnet *subnets = NULL;
	size_t n = 0;

	check_name(x, inv, e);
	check_vni(x, inv, e);
	if (subnet_resolve(&x->ask, x->pools, x->n_pools, x->cluster_id.b, inv->taken, inv->n_taken,
			   &subnets, &n, e) < 0)
		return e->code;
	set_subnets(x->net, subnets, n);
	return e->code;
}

/* ---- the transactions ---- */

static void fill_gets(const char *const keys[2], char *const ends[2], struct kv_op gets[2])
{
	for (size_t i = 0; i < 2; i++)
		gets[i] = (struct kv_op){ .type = KV_OP_GET, .key = keys[i], .range_end = ends[i] };
}

static void on_put(struct claim_op *op, int status, const struct kv_result *res);

/*
 * "mod_revision < R+1" over both ranges: nothing was added or changed since the inventory at R, so names, VNIs and
 * subnets are unique without an index. The else branch brings the next inventory.
 */
static void put(struct network_op *x, int64_t revision)
{
	const char *prefix = x->op.claim->prefix;
	_cleanup_free_ char *networks = model_key_dir(prefix, MODEL_NETWORK, NULL);
	_cleanup_free_ char *pools = model_key_dir(prefix, MODEL_POOL, NULL);
	_cleanup_free_ char *networks_end = kv_prefix_end(networks);
	_cleanup_free_ char *pools_end = kv_prefix_end(pools);
	_cleanup_free_ char *key = model_key_network(prefix, x->net->id);
	_cleanup_free_ char *value = model_network_encode(x->net);
	const struct kv_compare compares[] = {
		{ .key = networks,
		  .range_end = networks_end,
		  .target = KV_TARGET_MOD,
		  .relation = KV_LESS,
		  .revision = revision + 1 },
		{ .key = pools,
		  .range_end = pools_end,
		  .target = KV_TARGET_MOD,
		  .relation = KV_LESS,
		  .revision = revision + 1 },
		{ .key = key, .target = KV_TARGET_CREATE, .relation = KV_EQUAL, .revision = 0 },
	};
	const struct kv_op then_op = { .type = KV_OP_PUT, .key = key, .value = value };
	struct kv_op gets[2];

	fill_gets((const char *const[2]){ networks, pools },
		  (char *const[2]){ networks_end, pools_end }, gets);
	claim_op_txn(&x->op,
		     &(struct kv_txn){ .compares = compares,
				       .n_compares = ARRAY_SIZE(compares),
				       .then_ops = &then_op,
				       .n_then = 1,
				       .else_ops = gets,
				       .n_else = ARRAY_SIZE(gets) },
		     on_put);
}

/* A network of our id: put by an earlier call, or by a transaction whose answer was lost. */
static bool is_there(struct network_op *x, const struct inventory *inv)
{
	for (size_t i = 0; i < inv->n_networks; i++) {
		if (!id_eq(inv->networks[i]->id, x->net->id))
			continue;
		model_network_free(x->net);
		x->net = model_network_dup(inv->networks[i]);
		x->net->mod_revision = inv->networks[i]->mod_revision;
		claim_op_end(&x->op, 0);
		return true;
	}
	return false;
}

static void proceed(struct network_op *x, const struct kv_result *res)
{
	struct inventory inv = { 0 };
	int r;

	if (res->n_ops < 2) {
		claim_op_fail(&x->op, -EPROTO, "etcd's answer lacks parts");
		return;
	}
	take_inventory(x, res, &inv);
	if (!is_there(x, &inv)) {
		r = choose(x, &inv, &x->op.err);
		if (r < 0)
			claim_op_end(&x->op, r);
		else
			put(x, res->revision);
	}
	inventory_done(&inv);
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
	const char *prefix = op->claim->prefix;
	_cleanup_free_ char *networks = model_key_dir(prefix, MODEL_NETWORK, NULL);
	_cleanup_free_ char *pools = model_key_dir(prefix, MODEL_POOL, NULL);
	_cleanup_free_ char *networks_end = kv_prefix_end(networks);
	_cleanup_free_ char *pools_end = kv_prefix_end(pools);
	struct kv_op gets[2];

	fill_gets((const char *const[2]){ networks, pools },
		  (char *const[2]){ networks_end, pools_end }, gets);
	claim_op_txn(op, &(struct kv_txn){ .then_ops = gets, .n_then = ARRAY_SIZE(gets) }, on_read);
}

static void copy_request(struct network_op *x, const struct claim_network_request *req)
{
	x->net = model_network_dup(req->base);
	set_subnets(x->net, NULL, 0);
	x->auto_vni = req->base->vni == 0;
	if (req->ask.subnets)
		strv_copy(&x->subnets, req->ask.subnets);
	if (req->ask.gateways)
		strv_copy(&x->gateways, req->ask.gateways);
	if (req->ask.ip_ranges)
		strv_copy(&x->ip_ranges, req->ask.ip_ranges);
	if (req->ask.aux)
		kv_pairs_copy(&x->aux, req->ask.aux);
	x->ask = (struct subnet_request){ .subnets = &x->subnets,
					  .gateways = &x->gateways,
					  .ip_ranges = &x->ip_ranges,
					  .aux = &x->aux,
					  .ipv6 = req->ask.ipv6 || req->base->ipv6 };
	x->n_pools = req->n_pools;
	x->pools = mem_alloc_array(req->n_pools + 1, sizeof(*x->pools));
	for (size_t i = 0; i < req->n_pools; i++)
		x->pools[i] = req->pools[i];
	x->n_host_taken = req->n_host_taken;
	x->host_taken = mem_alloc_array(req->n_host_taken + 1, sizeof(*x->host_taken));
	for (size_t i = 0; i < req->n_host_taken; i++)
		x->host_taken[i] =
			(struct subnet_taken){ .prefix = req->host_taken[i].prefix,
					       .who = mem_strdup(req->host_taken[i].who) };
	x->cluster_id = req->cluster_id;
}

void claim_network_create(struct claim *c, const struct claim_network_request *req,
			  claim_network_fn done, void *user)
{
	struct network_op *x = mem_alloc(sizeof(*x));

	copy_request(x, req);
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &network_type, step_read);
}
