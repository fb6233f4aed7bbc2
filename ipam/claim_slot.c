/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/claim_slot.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

#define SKIP_FIRST 4 /* after the first conflict: one of so many free addresses */
#define SKIP_DOUBLINGS 6

void claim_slots_init(struct claim_slots *s, struct claim_op *op, const struct model_network *net,
		      claim_step_fn choose)
{
	s->op = op;
	s->net = model_network_dup(net);
	s->choose = choose;
}

void claim_slots_unset(struct claim_slots *s, struct claim_slot *slot)
{
	struct claim_net *n = claim_net_find(s->op->claim, s->net->id);

	if (slot->held && n)
		claim_cache_drop(&n->cache, slot->ip);
	slot->held = false;
}

void claim_slots_drop(struct claim_slots *s)
{
	for (size_t i = 0; i < s->n; i++)
		claim_slots_unset(s, &s->v[i]);
}

void claim_slots_done(struct claim_slots *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->v); i++)
		free(s->v[i].key);
	model_network_free(s->net);
}

/* ---- candidates ---- */

void claim_slots_set(struct claim_slots *s, struct claim_slot *slot, struct ip ip)
{
	slot->ip = ip;
	slot->held = true;
	slot->seen = 0;
	slot->bound = false;
	free(slot->key);
	slot->key = model_key_address(s->op->claim->prefix, s->net->id, ip);
	claim_cache_hold(&claim_net_get(s->op->claim, s->net->id)->cache, ip);
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

int claim_slots_check(const struct claim_slots *s, struct ip ip, int family, struct err *e)
{
	const struct model_subnet *subnet = model_network_subnet_of(s->net, ip);
	struct ip reserved[MODEL_AUX_MAX + 1];
	const char *who[MODEL_AUX_MAX + 1];
	char text[IP_TEXT_MAX];
	struct pool p;

	if (ip.family != family)
		return err_set(e, -EINVAL, "%s is no %s address", ip_format(ip, text),
			       family == AF_INET ? "IPv4" : "IPv6");
	if (!subnet)
		return err_set(e, -ERANGE, "address %s is in none of the subnets of network %s",
			       ip_format(ip, text), s->net->name);
	p = pool_of(subnet, reserved, who);
	return pool_check(&p, ip, e);
}

/* The first subnet of the family that has room. */
static int pick(struct claim_slots *s, int family, struct ip *ret)
{
	struct claim *c = s->op->claim;
	struct claim_net *n = claim_net_get(c, s->net->id);
	unsigned doublings = s->conflicts < SKIP_DOUBLINGS ? s->conflicts : SKIP_DOUBLINGS;
	uint64_t skip = 0;
	int r = -ENOSPC;

	if (s->conflicts)
		skip = backoff_rand(&c->seed) % ((uint64_t)SKIP_FIRST << (doublings - 1));
	s->op->err = (struct err){ 0 };
	for (size_t i = 0; r == -ENOSPC && i < s->net->n_subnets; i++) {
		struct ip reserved[MODEL_AUX_MAX + 1];
		const char *who[MODEL_AUX_MAX + 1];
		struct err why = { 0 };
		struct pool p = pool_of(&s->net->subnets[i], reserved, who);

		if (p.subnet.ip.family != family)
			continue;
		r = claim_cache_pick(&n->cache, &p, uv_now(c->loop), skip, ret, &why);
		if (r < 0)
			err_add(&s->op->err, r, "%s", err_text(&why));
	}
	return r;
}

/* Full by what is known: make sure by a fresh list, and wait for those of ours whose fate is open. */
static void no_space(struct claim_slots *s)
{
	struct claim_net *n = claim_net_get(s->op->claim, s->net->id);

	if (!s->listed) {
		s->listed = true;
		claim_op_fill(s->op, s->net->id, s->choose);
	} else if (claim_cache_in_flight(&n->cache) && s->op->tries + 1 < CLAIM_TRIES_MAX) {
		/* The next list must tell whether they were taken. */
		s->listed = false;
		claim_op_retry(s->op, s->choose);
	} else {
		err_prefix(&s->op->err, "network %s", s->net->name);
		claim_op_end(s->op, -ENOSPC);
	}
}

bool claim_slots_choose(struct claim_slots *s)
{
	struct claim_net *n = claim_net_get(s->op->claim, s->net->id);

	for (size_t i = 0; i < s->n; i++) {
		struct claim_slot *slot = &s->v[i];
		struct ip ip;

		if (slot->held)
			continue;
		if (ip_is_set(slot->want)) {
			claim_slots_set(s, slot, slot->want);
			continue;
		}
		if (!n->cache.filled) {
			s->listed = true;
			claim_op_fill(s->op, s->net->id, s->choose);
			return false;
		}
		if (pick(s, slot->family, &ip) < 0) {
			no_space(s);
			return false;
		}
		claim_slots_set(s, slot, ip);
	}
	return true;
}

void claim_slots_took(struct claim_slots *s, int64_t created, int64_t known)
{
	struct claim_net *n = claim_net_find(s->op->claim, s->net->id);

	for (size_t i = 0; n && i < s->n; i++)
		claim_cache_take(&n->cache, s->v[i].ip, created, known);
}

/* ---- what the loser of a transaction learns ---- */

void claim_holder_read(const char *prefix, const struct kv_entry *e, struct claim_holder *ret)
{
	struct model_address *a;

	*ret = (struct claim_holder){ 0 };
	if (model_address_decode(prefix, e->key, e->value, e->value_len, &a, NULL) < 0)
		return;
	ret->readable = true;
	ret->reserved = a->state == MODEL_ADDRESS_RESERVED;
	ret->endpoint = ret->reserved ? (struct id){ 0 } : a->endpoint;
	ret->node = a->node;
	model_address_free(a);
}

static void wanted_is_taken(struct claim_slots *s, const struct claim_slot *slot,
			    const struct claim_holder *h)
{
	char ip[IP_TEXT_MAX];
	/* A record that cannot be read has no owner to name, but is not ours to take. */
	char *what = mem_printf("address %s of network %s is %s", ip_format(slot->ip, ip),
				s->net->name,
				!h->readable ? "in use" :
				h->reserved  ? "reserved by" :
					       "in use by endpoint");
	struct claim_who *who = mem_alloc(sizeof(*who));

	*who = (struct claim_who){ .network = s->net->id,
				   .endpoint = h->endpoint,
				   .node = h->node };
	claim_who_end(s->op, -EADDRINUSE, what, who, h->readable, h->readable);
}

bool claim_slots_taken(struct claim_slots *s, struct claim_slot *slot, const struct kv_entry *e,
		       int64_t revision, const struct claim_holder *h)
{
	claim_cache_take(&claim_net_get(s->op->claim, s->net->id)->cache, slot->ip,
			 e->create_revision, revision);
	if (ip_is_set(slot->want)) {
		wanted_is_taken(s, slot, h);
		return false;
	}
	claim_slots_unset(s, slot);
	s->conflicts++;
	return true;
}

void claim_slots_retry(struct claim_slots *s)
{
	claim_op_retry(s->op, s->choose);
}

int claim_slots_network(struct claim_slots *s, const struct kv_entry *e)
{
	if (!e) {
		claim_op_fail(s->op, -ENOENT, "network %s is gone", s->net->name);
		return -ENOENT;
	}
	if (e->mod_revision != s->net->mod_revision) {
		claim_op_fail(s->op, -ESTALE, "the record of network %s has changed", s->net->name);
		return -ESTALE;
	}
	return 0;
}

struct kv_compare claim_slots_compare(const char *key, int64_t seen)
{
	return (struct kv_compare){ .key = key,
				    .target = seen ? KV_TARGET_MOD : KV_TARGET_CREATE,
				    .relation = KV_EQUAL,
				    .revision = seen };
}
