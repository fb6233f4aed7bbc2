/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/claim_inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* ---- a request ---- */

void claim_ask_init(struct claim_ask *a, const struct subnet_request *ask,
		    const struct subnet_pool *pools, size_t n_pools,
		    const struct subnet_taken *host_taken, size_t n_host_taken,
		    struct id cluster_id)
{
	if (ask->subnets)
		strv_copy(&a->subnets, ask->subnets);
	if (ask->gateways)
		strv_copy(&a->gateways, ask->gateways);
	if (ask->ip_ranges)
		strv_copy(&a->ip_ranges, ask->ip_ranges);
	if (ask->aux)
		kv_pairs_copy(&a->aux, ask->aux);
	a->ask = *ask;
	a->ask.subnets = &a->subnets;
	a->ask.gateways = &a->gateways;
	a->ask.ip_ranges = &a->ip_ranges;
	a->ask.aux = &a->aux;
	a->n_pools = n_pools;
	a->pools = mem_alloc_array(n_pools + 1, sizeof(*a->pools));
	for (size_t i = 0; i < n_pools; i++)
		a->pools[i] = pools[i];
	a->n_host_taken = n_host_taken;
	a->host_taken = mem_alloc_array(n_host_taken + 1, sizeof(*a->host_taken));
	for (size_t i = 0; i < n_host_taken; i++)
		a->host_taken[i] = (struct subnet_taken){ .prefix = host_taken[i].prefix,
							  .who = mem_strdup(host_taken[i].who) };
	a->cluster_id = cluster_id;
}

void claim_ask_done(struct claim_ask *a)
{
	strv_done(&a->subnets);
	strv_done(&a->gateways);
	strv_done(&a->ip_ranges);
	kv_pairs_done(&a->aux);
	for (size_t i = 0; i < a->n_host_taken; i++)
		free((char *)a->host_taken[i].who);
	free(a->host_taken);
	free(a->pools);
}

/* ---- the ranges ---- */

void claim_ranges_init(struct claim_ranges *r, const char *prefix)
{
	r->key[0] = model_key_dir(prefix, MODEL_NETWORK, NULL);
	r->key[1] = model_key_dir(prefix, MODEL_POOL, NULL);
	for (size_t i = 0; i < CLAIM_RANGES; i++)
		r->end[i] = kv_prefix_end(r->key[i]);
}

void claim_ranges_done(struct claim_ranges *r)
{
	for (size_t i = 0; i < CLAIM_RANGES; i++) {
		free(r->key[i]);
		free(r->end[i]);
	}
}

void claim_ranges_gets(const struct claim_ranges *r, struct kv_op ret[CLAIM_RANGES])
{
	for (size_t i = 0; i < CLAIM_RANGES; i++)
		ret[i] = (struct kv_op){ .type = KV_OP_GET,
					 .key = r->key[i],
					 .range_end = r->end[i] };
}

void claim_ranges_compares(const struct claim_ranges *r, int64_t revision,
			   struct kv_compare ret[CLAIM_RANGES])
{
	for (size_t i = 0; i < CLAIM_RANGES; i++)
		ret[i] = (struct kv_compare){ .key = r->key[i],
					      .range_end = r->end[i],
					      .target = KV_TARGET_MOD,
					      .relation = KV_LESS,
					      .revision = revision + 1 };
}

/* ---- what is there ---- */

void claim_inventory_done(struct claim_inventory *inv)
{
	for (size_t i = 0; i < inv->n_networks; i++)
		model_network_free(inv->networks[i]);
	for (size_t i = 0; i < inv->n_pools; i++)
		model_pool_free(inv->pools[i]);
	for (size_t i = 0; i < inv->n_words; i++)
		free(inv->words[i]);
	free(inv->networks);
	free(inv->pools);
	free(inv->words);
	free(inv->taken);
}

static void add_taken(struct claim_inventory *inv, struct prefix p, const char *who)
{
	inv->taken = mem_grow(inv->taken, inv->n_taken + 1, sizeof(*inv->taken));
	inv->taken[inv->n_taken++] = (struct subnet_taken){ .prefix = p, .who = who };
}

/* @word: heap, owned by @inv afterwards. Return: @word. */
static const char *add_word(struct claim_inventory *inv, char *word)
{
	inv->words = mem_grow(inv->words, inv->n_words + 1, sizeof(*inv->words));
	inv->words[inv->n_words++] = word;
	return word;
}

static void add_network(struct claim_inventory *inv, const char *prefix, const struct kv_entry *e)
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

/* Of a record that does not decode at least the subnet counts: somebody means to have it. */
static void add_odd_pool(struct claim_inventory *inv, const struct kv_entry *e)
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

static bool is_own(struct id id, const struct id *own, size_t n_own)
{
	for (size_t i = 0; i < n_own; i++) {
		if (id_eq(own[i], id))
			return true;
	}
	return false;
}

static void add_pool(struct claim_inventory *inv, const char *prefix, const struct kv_entry *e,
		     const struct id *own, size_t n_own)
{
	char id[ID_SHORT_MAX], node[ID_SHORT_MAX];
	struct model_pool *p;

	if (model_pool_decode(prefix, e->key, e->value, e->value_len, &p, NULL) < 0) {
		add_odd_pool(inv, e);
		return;
	}
	p->mod_revision = e->mod_revision;
	inv->pools = mem_grow(inv->pools, inv->n_pools + 1, sizeof(struct model_pool *));
	inv->pools[inv->n_pools++] = p;
	if (!is_own(p->id, own, n_own))
		add_taken(inv, p->subnet,
			  add_word(inv, mem_printf("pool %s, held by node %s for a network to come",
						   id_short(p->id, id), id_short(p->node, node))));
}

int claim_inventory_take(const char *prefix, const struct kv_result *res,
			 const struct claim_ask *ask, const struct id *own, size_t n_own,
			 struct claim_inventory *ret)
{
	if (res->n_ops < CLAIM_RANGES)
		return -EPROTO;
	for (size_t i = 0; ask && i < ask->n_host_taken; i++)
		add_taken(ret, ask->host_taken[i].prefix, ask->host_taken[i].who);
	for (size_t i = 0; i < res->ops[0].n_entries; i++)
		add_network(ret, prefix, &res->ops[0].entries[i]);
	for (size_t i = 0; i < res->ops[1].n_entries; i++)
		add_pool(ret, prefix, &res->ops[1].entries[i], own, n_own);
	return 0;
}

const struct model_network *claim_inventory_network(const struct claim_inventory *inv, struct id id)
{
	for (size_t i = 0; i < inv->n_networks; i++) {
		if (id_eq(inv->networks[i]->id, id))
			return inv->networks[i];
	}
	return NULL;
}

void claim_inventory_name(const struct claim_inventory *inv, const char *name, struct id self,
			  struct err *e)
{
	char id[ID_SHORT_MAX];
	struct err why = { 0 };

	if (model_name_check("network name", name, &why) < 0)
		err_add(e, -EINVAL, "%s", err_text(&why));
	for (size_t i = 0; i < inv->n_networks; i++) {
		const struct model_network *n = inv->networks[i];

		if (!id_eq(n->id, self) && strcmp(n->name, name) == 0)
			err_add(e, -EEXIST, "a network named %s exists already (id %s, created %s)",
				name, id_short(n->id, id), n->created ? n->created : "?");
	}
}
