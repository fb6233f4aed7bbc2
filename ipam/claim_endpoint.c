/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipam/claim_op.h"

#define SKIP_FIRST 4 /* after the first conflict: one of so many free addresses */
#define SKIP_DOUBLINGS 6

/* An address to claim; an endpoint has one or two. */
struct slot {
	struct ip want; /* asked for: no other will do; unset: any */
	struct ip ip; /* candidate */
	bool held; /* there is a candidate, marked in flight in the cache */
	char *key;
	int64_t seen; /* mod_revision of a key that is there and ours, 0: must be absent */
};
struct endpoint_op {
	struct claim_op op;
	struct model_network *net;
	struct model_endpoint *ep;
	struct model_endpoint *found; /* the record that is there already, or NULL */
	int64_t lease;
	bool reclaim, auto_mac;
	bool listed; /* the cache was listed on behalf of this operation */
	unsigned conflicts; /* automatic addresses that were taken */
	struct slot slots[2];
	size_t n_slots;
	char *network_key, *endpoint_key;
	int64_t endpoint_seen;
	claim_endpoint_fn fn;
	void *user;
};

static void step_choose(struct claim_op *op);
static void step_send(struct claim_op *op);

static struct endpoint_op *endpoint_op(struct claim_op *op)
{
	return (struct endpoint_op *)op;
}

static void drop_candidate(struct endpoint_op *x, struct slot *s)
{
	struct claim_net *n = claim_net_find(x->op.claim, x->net->id);

	if (s->held && n)
		claim_cache_drop(&n->cache, s->ip);
	s->held = false;
}

static void op_done(struct claim_op *op)
{
	struct endpoint_op *x = endpoint_op(op);

	for (size_t i = 0; i < x->n_slots; i++)
		drop_candidate(x, &x->slots[i]);
	x->fn(x->user, op->status, op->status == 0 ? x->ep : NULL, &op->err);
}

static void op_free(struct claim_op *op)
{
	struct endpoint_op *x = endpoint_op(op);

	for (size_t i = 0; i < ARRAY_SIZE(x->slots); i++)
		free(x->slots[i].key);
	free(x->network_key);
	free(x->endpoint_key);
	model_network_free(x->net);
	model_endpoint_free(x->ep);
	model_endpoint_free(x->found);
	free(x);
}

static const struct claim_op_type endpoint_type = { .done = op_done, .free = op_free };

/* ---- candidates ---- */

static void set_candidate(struct endpoint_op *x, struct slot *s, struct ip ip)
{
	s->ip = ip;
	s->held = true;
	s->seen = 0;
	free(s->key);
	s->key = model_key_address(x->op.claim->prefix, x->net->id, ip);
	claim_cache_hold(&claim_net_get(x->op.claim, x->net->id)->cache, ip);
}

/* The pool of @s; @reserved and @who have room for gateway and aux addresses. */
static struct pool pool_of(const struct model_subnet *s, struct ip *reserved, const char **who)
{
	struct pool p = {
		.subnet = s->subnet, .range = s->ip_range, .reserved = reserved, .reserved_who = who
	};

	reserved[p.n_reserved] = s->gateway;
	who[p.n_reserved++] = "the gateway";
	for (size_t i = 0; i < s->n_aux && i < MODEL_AUX_MAX; i++) {
		reserved[p.n_reserved] = s->aux[i].ip;
		who[p.n_reserved++] = "an auxiliary address";
	}
	return p;
}

/* The first subnet of the family that has room. */
static int choose(struct endpoint_op *x, int family, struct ip *ret)
{
	struct claim *c = x->op.claim;
	struct claim_net *n = claim_net_get(c, x->net->id);
	unsigned doublings = x->conflicts < SKIP_DOUBLINGS ? x->conflicts : SKIP_DOUBLINGS;
	uint64_t skip = 0;
	int r = -ENOSPC;

	if (x->conflicts)
		skip = backoff_rand(&c->seed) % ((uint64_t)SKIP_FIRST << (doublings - 1));
	x->op.err = (struct err){ 0 };
	for (size_t i = 0; r == -ENOSPC && i < x->net->n_subnets; i++) {
		struct ip reserved[MODEL_AUX_MAX + 1];
		const char *who[MODEL_AUX_MAX + 1];
		struct err why = { 0 };
		struct pool p = pool_of(&x->net->subnets[i], reserved, who);

		if (p.subnet.ip.family != family)
			continue;
		r = claim_cache_pick(&n->cache, &p, uv_now(c->loop), skip, ret, &why);
		if (r < 0)
			err_add(&x->op.err, r, "%s", err_text(&why));
	}
	return r;
}

/* Full by what is known: make sure by a fresh list, and wait for those of ours whose fate is open. */
static void no_space(struct endpoint_op *x)
{
	struct claim_net *n = claim_net_get(x->op.claim, x->net->id);

	if (!x->listed) {
		x->listed = true;
		claim_op_fill(&x->op, x->net->id, step_choose);
	} else if (claim_cache_in_flight(&n->cache) && x->op.tries + 1 < CLAIM_TRIES_MAX) {
		/* The next list must tell whether they were taken. */
		x->listed = false;
		claim_op_retry(&x->op, step_choose);
	} else {
		err_prefix(&x->op.err, "network %s", x->net->name);
		claim_op_end(&x->op, -ENOSPC);
	}
}

static void step_choose(struct claim_op *op)
{
	struct endpoint_op *x = endpoint_op(op);
	struct claim_net *n = claim_net_get(op->claim, x->net->id);

	for (size_t i = 0; i < x->n_slots; i++) {
		struct slot *s = &x->slots[i];
		int family = i == 0 ? AF_INET : AF_INET6;
		struct ip ip;

		if (s->held)
			continue;
		if (ip_is_set(s->want)) {
			set_candidate(x, s, s->want);
			continue;
		}
		if (!n->cache.filled) {
			x->listed = true;
			claim_op_fill(op, x->net->id, step_choose);
			return;
		}
		if (choose(x, family, &ip) < 0) {
			no_space(x);
			return;
		}
		set_candidate(x, s, ip);
	}
	step_send(op);
}

/* ---- the transaction ---- */

static char *address_value(const struct endpoint_op *x, struct ip ip)
{
	struct model_address a = { .network = x->net->id,
				   .endpoint = x->ep->id,
				   .node = x->ep->node,
				   .ip = ip,
				   .state = MODEL_ADDRESS_BOUND };

	return model_address_encode(&a);
}

static struct kv_compare compare_seen(const char *key, int64_t seen)
{
	return (struct kv_compare){ .key = key,
				    .target = seen ? KV_TARGET_MOD : KV_TARGET_CREATE,
				    .relation = KV_EQUAL,
				    .revision = seen };
}

static void fill_record(struct endpoint_op *x)
{
	x->ep->ip4 = x->slots[0].ip;
	x->ep->ip6 = x->n_slots > 1 ? x->slots[1].ip : (struct ip){ 0 };
	if (x->auto_mac)
		x->ep->mac = mac_from_ip(x->ep->ip4);
}

static void succeed(struct endpoint_op *x, int64_t created, int64_t known)
{
	struct claim_net *n = claim_net_find(x->op.claim, x->net->id);

	for (size_t i = 0; n && i < x->n_slots; i++)
		claim_cache_take(&n->cache, x->slots[i].ip, created, known);
	claim_op_end(&x->op, 0);
}

static void on_sent(struct claim_op *op, int status, const struct kv_result *res);

/*
 * Compares, puts, and in the else branch gets, in one order: network (unless reclaiming), addresses, endpoint. The loser
 * learns why in the same round trip.
 */
static void step_send(struct claim_op *op)
{
	struct endpoint_op *x = endpoint_op(op);
	struct kv_compare compares[4];
	struct kv_op puts[3] = { 0 }, gets[4] = { 0 };
	char *values[3] = { 0 };
	struct kv_txn txn = { .compares = compares, .then_ops = puts, .else_ops = gets };

	fill_record(x);
	if (!x->reclaim)
		compares[txn.n_compares++] =
			(struct kv_compare){ .key = x->network_key,
					     .target = KV_TARGET_MOD,
					     .relation = KV_EQUAL,
					     .revision = x->net->mod_revision };
	gets[txn.n_else++] =
		(struct kv_op){ .type = KV_OP_GET, .key = x->network_key, .keys_only = true };
	for (size_t i = 0; i < x->n_slots; i++) {
		const struct slot *s = &x->slots[i];

		compares[txn.n_compares++] = compare_seen(s->key, s->seen);
		values[txn.n_then] = address_value(x, s->ip);
		puts[txn.n_then] = (struct kv_op){ .type = KV_OP_PUT,
						   .key = s->key,
						   .value = values[txn.n_then],
						   .lease = x->lease };
		txn.n_then++;
		gets[txn.n_else++] = (struct kv_op){ .type = KV_OP_GET, .key = s->key };
	}
	compares[txn.n_compares++] = compare_seen(x->endpoint_key, x->endpoint_seen);
	values[txn.n_then] = model_endpoint_encode(x->ep);
	puts[txn.n_then] = (struct kv_op){ .type = KV_OP_PUT,
					   .key = x->endpoint_key,
					   .value = values[txn.n_then],
					   .lease = x->lease };
	txn.n_then++;
	gets[txn.n_else++] = (struct kv_op){ .type = KV_OP_GET, .key = x->endpoint_key };
	claim_op_txn(op, &txn, on_sent);
	for (size_t i = 0; i < txn.n_then; i++)
		free(values[i]);
}

/* ---- the loser's lesson ---- */

enum lesson {
	LESSON_NONE, /* go on with the next question */
	LESSON_RETRY, /* what is to be compared is known better now */
	LESSON_ENDED,
};

static enum lesson refuse(struct endpoint_op *x, int status)
{
	claim_op_end(&x->op, status);
	return LESSON_ENDED;
}

/* Takes over the addresses of the record that is there, where they are not the candidates already. */
static enum lesson adopt_addresses(struct endpoint_op *x)
{
	const struct ip have[2] = { x->found->ip4, x->found->ip6 };
	enum lesson lesson = LESSON_NONE;

	/* What the owner says counts more than what somebody made of its record. */
	if (x->reclaim)
		return LESSON_NONE;
	for (size_t i = 0; i < x->n_slots; i++) {
		struct slot *s = &x->slots[i];
		char a[IP_TEXT_MAX], b[IP_TEXT_MAX], id[ID_SHORT_MAX];

		if (!ip_is_set(have[i]) || ip_eq(have[i], s->ip))
			continue;
		if (ip_is_set(s->want)) {
			err_set(&x->op.err, -EEXIST,
				"endpoint %s exists already, with address %s instead of %s",
				id_short(x->ep->id, id), ip_format(have[i], a),
				ip_format(s->ip, b));
			return refuse(x, -EEXIST);
		}
		drop_candidate(x, s);
		set_candidate(x, s, have[i]);
		lesson = LESSON_RETRY;
	}
	return lesson;
}

/* An endpoint of this id is there: an earlier call or a transaction whose answer was lost. */
static enum lesson learn_endpoint(struct endpoint_op *x, const struct kv_entry *e)
{
	char id[ID_SHORT_MAX], node[ID_SHORT_MAX];
	struct err why = { 0 };

	model_endpoint_free(x->found);
	x->found = NULL;
	if (model_endpoint_decode(x->op.claim->prefix, e->key, e->value, e->value_len, &x->found,
				  &why) < 0) {
		err_set(&x->op.err, -EPROTO, "%s", err_text(&why));
		return refuse(x, -EPROTO);
	}
	x->found->mod_revision = e->mod_revision;
	x->endpoint_seen = e->mod_revision;
	if (!x->reclaim && !id_eq(x->found->node, x->ep->node)) {
		err_set(&x->op.err, -EEXIST, "endpoint %s exists already on node %s",
			id_short(x->ep->id, id), id_short(x->found->node, node));
		return refuse(x, -EEXIST);
	}
	/* Fields of a newer format stay in the record when it is put again. */
	if (!x->ep->extra && x->found->extra)
		x->ep->extra = cJSON_Duplicate(x->found->extra, true);
	return adopt_addresses(x);
}

static bool address_is_ours(const struct endpoint_op *x, const struct kv_entry *e,
			    struct claim_who *ret_owner)
{
	struct model_address *a;
	bool ours;

	*ret_owner = (struct claim_who){ .network = x->net->id };
	if (model_address_decode(x->op.claim->prefix, e->key, e->value, e->value_len, &a, NULL) < 0)
		return false;
	ours = id_eq(a->endpoint, x->ep->id);
	ret_owner->endpoint = a->endpoint;
	ret_owner->node = a->node;
	model_address_free(a);
	return ours;
}

static enum lesson wanted_is_taken(struct endpoint_op *x, const struct slot *s,
				   const struct claim_who *owner)
{
	char ip[IP_TEXT_MAX];
	char *what = mem_printf("address %s of network %s is in use by endpoint",
				ip_format(s->ip, ip), x->net->name);
	struct claim_who *who = mem_dup(owner, sizeof(*owner));
	size_t n = !id_is_zero(owner->endpoint);

	/* A record that cannot be read has no owner to name, but is not ours to take. */
	claim_who_end(&x->op, -EADDRINUSE, what, who, n, 1);
	return LESSON_ENDED;
}

static enum lesson learn_address(struct endpoint_op *x, struct slot *s, const struct kv_entry *e,
				 int64_t revision)
{
	struct claim_who owner;

	s->seen = 0;
	if (!e)
		return LESSON_NONE;
	if (address_is_ours(x, e, &owner)) {
		s->seen = e->mod_revision;
		return LESSON_NONE;
	}
	claim_cache_take(&claim_net_get(x->op.claim, x->net->id)->cache, s->ip, e->create_revision,
			 revision);
	if (ip_is_set(s->want))
		return wanted_is_taken(x, s, &owner);
	drop_candidate(x, s);
	x->conflicts++;
	return LESSON_RETRY;
}

/* Reclaiming puts the record as its owner has it; else what is there counts. */
static bool record_will_do(const struct endpoint_op *x)
{
	_cleanup_free_ char *ours = NULL, *theirs = NULL;

	if (!x->reclaim)
		return true;
	ours = model_endpoint_encode(x->ep);
	theirs = model_endpoint_encode(x->found);
	return strcmp(ours, theirs) == 0;
}

/* Is everything there, ours and under our lease? */
static bool complete(const struct endpoint_op *x, const struct kv_entry *const *address,
		     const struct kv_entry *endpoint)
{
	if (!endpoint || endpoint->lease != x->lease || !record_will_do(x))
		return false;
	for (size_t i = 0; i < x->n_slots; i++) {
		struct ip have = i == 0 ? x->found->ip4 : x->found->ip6;

		if (!x->slots[i].seen || address[i]->lease != x->lease ||
		    !ip_eq(have, x->slots[i].ip))
			return false;
	}
	return true;
}

static enum lesson learn_network(struct endpoint_op *x, const struct kv_entry *e)
{
	if (x->reclaim)
		return LESSON_NONE;
	if (!e) {
		err_set(&x->op.err, -ENOENT, "network %s is gone", x->net->name);
		return refuse(x, -ENOENT);
	}
	if (e->mod_revision != x->net->mod_revision) {
		err_set(&x->op.err, -ESTALE, "the record of network %s has changed", x->net->name);
		return refuse(x, -ESTALE);
	}
	return LESSON_NONE;
}

static const struct kv_entry *entry_of(const struct kv_result *res, size_t i)
{
	return i < res->n_ops && res->ops[i].n_entries ? &res->ops[i].entries[0] : NULL;
}

static void learn(struct endpoint_op *x, const struct kv_result *res)
{
	const struct kv_entry *address[2] = { 0 };
	const struct kv_entry *endpoint = entry_of(res, 1 + x->n_slots);
	enum lesson lesson = LESSON_NONE;

	x->endpoint_seen = 0;
	if (endpoint)
		lesson = learn_endpoint(x, endpoint);
	if (lesson == LESSON_RETRY) {
		claim_op_retry(&x->op, step_choose);
		return;
	}
	for (size_t i = 0; lesson != LESSON_ENDED && i < x->n_slots; i++) {
		enum lesson l;

		address[i] = entry_of(res, 1 + i);
		l = learn_address(x, &x->slots[i], address[i], res->revision);
		lesson = l > lesson ? l : lesson;
	}
	if (lesson == LESSON_NONE && endpoint && complete(x, address, endpoint)) {
		/* The record that is there is the answer, not the one that would have been put. */
		model_endpoint_free(x->ep);
		x->ep = TAKE_PTR(x->found);
		succeed(x, endpoint->mod_revision, res->revision);
		return;
	}
	if (lesson != LESSON_ENDED)
		lesson = learn_network(x, entry_of(res, 0)) == LESSON_ENDED ? LESSON_ENDED : lesson;
	if (lesson == LESSON_ENDED)
		return;
	if (x->conflicts > 1 && lesson == LESSON_RETRY)
		claim_net_get(x->op.claim, x->net->id)->cache.filled = false;
	claim_op_retry(&x->op, step_choose);
}

static void on_sent(struct claim_op *op, int status, const struct kv_result *res)
{
	struct endpoint_op *x = endpoint_op(op);

	if (status != 0) {
		claim_op_lost(op, status, res, step_send);
		return;
	}
	claim_op_settled(op);
	if (!res->succeeded) {
		learn(x, res);
		return;
	}
	x->ep->mod_revision = res->revision;
	succeed(x, res->revision, res->revision);
}

/* ---- start ---- */

/* Must an address that was asked for be refused at once? */
static int check_wanted(struct endpoint_op *x, struct ip ip, int family)
{
	const struct model_subnet *s = model_network_subnet_of(x->net, ip);
	struct ip reserved[MODEL_AUX_MAX + 1];
	const char *who[MODEL_AUX_MAX + 1];
	char text[IP_TEXT_MAX];
	struct pool p;

	if (ip.family != family)
		return err_set(&x->op.err, -EINVAL, "%s is no %s address", ip_format(ip, text),
			       family == AF_INET ? "IPv4" : "IPv6");
	/* What an endpoint held already was right when it was given. */
	if (x->reclaim)
		return 0;
	if (!s)
		return err_set(&x->op.err, -ERANGE,
			       "address %s is in none of the subnets of network %s",
			       ip_format(ip, text), x->net->name);
	p = pool_of(s, reserved, who);
	return pool_check(&p, ip, &x->op.err);
}

static void step_first(struct claim_op *op)
{
	struct endpoint_op *x = endpoint_op(op);
	bool ipv6 = false;
	int r = 0;

	for (size_t i = 0; i < x->net->n_subnets; i++)
		ipv6 = ipv6 || x->net->subnets[i].subnet.ip.family == AF_INET6;
	if (ip_is_set(x->slots[1].want) && !ipv6 && !x->reclaim) {
		claim_op_fail(op, -EINVAL, "network %s has no IPv6 subnet", x->net->name);
		return;
	}
	x->n_slots = ipv6 || ip_is_set(x->slots[1].want) ? 2 : 1;
	for (size_t i = 0; r == 0 && i < x->n_slots; i++) {
		if (ip_is_set(x->slots[i].want))
			r = check_wanted(x, x->slots[i].want, i == 0 ? AF_INET : AF_INET6);
	}
	if (r < 0)
		claim_op_end(op, r);
	else
		step_choose(op);
}

void claim_endpoint_create(struct claim *c, const struct claim_endpoint_request *req,
			   claim_endpoint_fn done, void *user)
{
	struct endpoint_op *x = mem_alloc(sizeof(*x));
	bool own = req->reclaim;

	x->net = model_network_dup(req->network);
	x->ep = model_endpoint_dup(req->endpoint);
	x->ep->network = req->network->id;
	x->slots[0].want = ip_is_set(req->want4) || !own ? req->want4 : req->endpoint->ip4;
	x->slots[1].want = ip_is_set(req->want6) || !own ? req->want6 : req->endpoint->ip6;
	x->auto_mac = mac_is_zero(x->ep->mac);
	x->lease = req->lease;
	x->reclaim = req->reclaim;
	x->network_key = model_key_network(c->prefix, x->net->id);
	x->endpoint_key = model_key_endpoint(c->prefix, x->net->id, x->ep->id);
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &endpoint_type, step_first);
}
