/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipam/claim_slot.h"

struct endpoint_op {
	struct claim_op op;
	struct claim_slots slots;
	struct model_endpoint *ep;
	struct model_endpoint *found; /* the record that is there already, or NULL */
	int64_t lease;
	bool reclaim, reserved, auto_mac;
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

static void op_done(struct claim_op *op)
{
	struct endpoint_op *x = endpoint_op(op);

	claim_slots_drop(&x->slots);
	x->fn(x->user, op->status, op->status == 0 ? x->ep : NULL, &op->err);
}

static void op_free(struct claim_op *op)
{
	struct endpoint_op *x = endpoint_op(op);

	claim_slots_done(&x->slots);
	free(x->network_key);
	free(x->endpoint_key);
	model_endpoint_free(x->ep);
	model_endpoint_free(x->found);
	free(x);
}

static const struct claim_op_type endpoint_type = { .done = op_done, .free = op_free };

/* An address reserved by this agent is compared at the revision of its reservation: right in nearly every case, and one round trip. */
static void step_choose(struct claim_op *op)
{
	struct endpoint_op *x = endpoint_op(op);

	for (size_t i = 0; x->reserved && i < x->slots.n; i++) {
		struct claim_slot *s = &x->slots.v[i];

		if (s->held || !ip_is_set(s->want))
			continue;
		claim_slots_set(&x->slots, s, s->want);
		s->seen = claim_reserved_get(op->claim, x->slots.net->id, s->want);
	}
	if (claim_slots_choose(&x->slots))
		step_send(op);
}

/* ---- the transaction ---- */

static char *address_value(const struct endpoint_op *x, struct ip ip)
{
	struct model_address a = { .network = x->slots.net->id,
				   .endpoint = x->ep->id,
				   .node = x->ep->node,
				   .ip = ip,
				   .state = MODEL_ADDRESS_BOUND };

	return model_address_encode(&a);
}

static void fill_record(struct endpoint_op *x)
{
	x->ep->ip4 = x->slots.v[0].ip;
	x->ep->ip6 = x->slots.n > 1 ? x->slots.v[1].ip : (struct ip){ 0 };
	if (x->auto_mac)
		x->ep->mac = mac_from_ip(x->ep->ip4);
}

static void succeed(struct endpoint_op *x, int64_t created, int64_t known)
{
	claim_slots_took(&x->slots, created, known);
	for (size_t i = 0; i < x->slots.n; i++)
		claim_reserved_drop(x->op.claim, x->slots.net->id, x->slots.v[i].ip);
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
					     .revision = x->slots.net->mod_revision };
	gets[txn.n_else++] =
		(struct kv_op){ .type = KV_OP_GET, .key = x->network_key, .keys_only = true };
	for (size_t i = 0; i < x->slots.n; i++) {
		const struct claim_slot *s = &x->slots.v[i];

		compares[txn.n_compares++] = claim_slots_compare(s->key, s->seen);
		values[txn.n_then] = address_value(x, s->ip);
		puts[txn.n_then] = (struct kv_op){ .type = KV_OP_PUT,
						   .key = s->key,
						   .value = values[txn.n_then],
						   .lease = x->lease };
		txn.n_then++;
		gets[txn.n_else++] = (struct kv_op){ .type = KV_OP_GET, .key = s->key };
	}
	compares[txn.n_compares++] = claim_slots_compare(x->endpoint_key, x->endpoint_seen);
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
	for (size_t i = 0; i < x->slots.n; i++) {
		struct claim_slot *s = &x->slots.v[i];
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
		claim_slots_unset(&x->slots, s);
		claim_slots_set(&x->slots, s, have[i]);
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

/* Bound to this endpoint already, or reserved by its node for it. */
static enum lesson learn_address(struct endpoint_op *x, struct claim_slot *s,
				 const struct kv_entry *e, int64_t revision)
{
	struct claim_holder h;

	s->seen = 0;
	s->bound = false;
	if (!e)
		return LESSON_NONE;
	claim_holder_read(x->op.claim->prefix, e, &h);
	s->bound = h.readable && !h.reserved && id_eq(h.endpoint, x->ep->id);
	if (s->bound ||
	    (x->reserved && h.reserved && ip_is_set(s->want) && id_eq(h.node, x->ep->node))) {
		s->seen = e->mod_revision;
		return LESSON_NONE;
	}
	return claim_slots_taken(&x->slots, s, e, revision, &h) ? LESSON_RETRY : LESSON_ENDED;
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
	for (size_t i = 0; i < x->slots.n; i++) {
		struct ip have = i == 0 ? x->found->ip4 : x->found->ip6;

		if (!x->slots.v[i].bound || address[i]->lease != x->lease ||
		    !ip_eq(have, x->slots.v[i].ip))
			return false;
	}
	return true;
}

static const struct kv_entry *entry_of(const struct kv_result *res, size_t i)
{
	return i < res->n_ops && res->ops[i].n_entries ? &res->ops[i].entries[0] : NULL;
}

static void learn(struct endpoint_op *x, const struct kv_result *res)
{
	const struct kv_entry *address[2] = { 0 };
	const struct kv_entry *endpoint = entry_of(res, 1 + x->slots.n);
	enum lesson lesson = LESSON_NONE;

	x->endpoint_seen = 0;
	if (endpoint)
		lesson = learn_endpoint(x, endpoint);
	if (lesson == LESSON_RETRY) {
		claim_op_retry(&x->op, step_choose);
		return;
	}
	for (size_t i = 0; lesson != LESSON_ENDED && i < x->slots.n; i++) {
		enum lesson l;

		address[i] = entry_of(res, 1 + i);
		l = learn_address(x, &x->slots.v[i], address[i], res->revision);
		lesson = l > lesson ? l : lesson;
	}
	if (lesson == LESSON_NONE && endpoint && complete(x, address, endpoint)) {
		/* The record that is there is the answer, not the one that would have been put. */
		model_endpoint_free(x->ep);
		x->ep = TAKE_PTR(x->found);
		succeed(x, endpoint->mod_revision, res->revision);
		return;
	}
	if (lesson == LESSON_ENDED ||
	    (!x->reclaim && claim_slots_network(&x->slots, entry_of(res, 0)) < 0))
		return;
	if (x->slots.conflicts > 1 && lesson == LESSON_RETRY)
		claim_net_get(x->op.claim, x->slots.net->id)->cache.filled = false;
	claim_slots_retry(&x->slots);
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

static void step_first(struct claim_op *op)
{
	struct endpoint_op *x = endpoint_op(op);
	bool ipv6 = false;
	int r = 0;

	for (size_t i = 0; i < x->slots.net->n_subnets; i++)
		ipv6 = ipv6 || x->slots.net->subnets[i].subnet.ip.family == AF_INET6;
	if (ip_is_set(x->slots.v[1].want) && !ipv6 && !x->reclaim) {
		claim_op_fail(op, -EINVAL, "network %s has no IPv6 subnet", x->slots.net->name);
		return;
	}
	x->slots.n = ipv6 || ip_is_set(x->slots.v[1].want) ? 2 : 1;
	/* What an endpoint held already was right when it was given. */
	for (size_t i = 0; r == 0 && !x->reclaim && i < x->slots.n; i++) {
		if (ip_is_set(x->slots.v[i].want))
			r = claim_slots_check(&x->slots, x->slots.v[i].want, x->slots.v[i].family,
					      &op->err);
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

	claim_slots_init(&x->slots, &x->op, req->network, step_choose);
	x->slots.v[0].family = AF_INET;
	x->slots.v[1].family = AF_INET6;
	x->ep = model_endpoint_dup(req->endpoint);
	x->ep->network = req->network->id;
	x->slots.v[0].want = ip_is_set(req->want4) || !own ? req->want4 : req->endpoint->ip4;
	x->slots.v[1].want = ip_is_set(req->want6) || !own ? req->want6 : req->endpoint->ip6;
	x->auto_mac = mac_is_zero(x->ep->mac);
	x->lease = req->lease;
	x->reclaim = req->reclaim;
	x->reserved = req->reserved;
	x->network_key = model_key_network(c->prefix, x->slots.net->id);
	x->endpoint_key = model_key_endpoint(c->prefix, x->slots.net->id, x->ep->id);
	x->fn = done;
	x->user = user;
	claim_op_start(&x->op, c, &endpoint_type, step_first);
}
