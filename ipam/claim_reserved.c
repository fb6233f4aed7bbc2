/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ipam/claim_slot.h"

static struct claim_reserved *find(const struct claim_net *n, struct ip ip)
{
	for (size_t i = 0; n && i < n->n_reserved; i++) {
		if (ip_eq(n->reserved[i].ip, ip))
			return &n->reserved[i];
	}
	return NULL;
}

static struct claim_reserved *get(struct claim *c, struct id network, struct ip ip)
{
	struct claim_net *n = claim_net_get(c, network);
	struct claim_reserved *r = find(n, ip);

	if (r || n->n_reserved >= CLAIM_RESERVED_MAX)
		return r;
	n->reserved = mem_grow(n->reserved, n->n_reserved + 1, sizeof(*n->reserved));
	r = &n->reserved[n->n_reserved++];
	*r = (struct claim_reserved){ .ip = ip };
	return r;
}

void claim_reserved_set(struct claim *c, struct id network, struct ip ip, int64_t mod_revision)
{
	struct claim_reserved *r = get(c, network, ip);

	if (r && r->mod_revision != mod_revision)
		*r = (struct claim_reserved){ .ip = ip, .mod_revision = mod_revision };
}

int64_t claim_reserved_get(const struct claim *c, struct id network, struct ip ip)
{
	const struct claim_reserved *r = find(claim_net_find(c, network), ip);

	return r ? r->mod_revision : 0;
}

void claim_reserved_drop(struct claim *c, struct id network, struct ip ip)
{
	struct claim_net *n = claim_net_find(c, network);
	struct claim_reserved *r = find(n, ip);

	if (r)
		*r = n->reserved[--n->n_reserved];
}

bool claim_reserved_old(struct claim *c, struct id network, struct ip ip, int64_t mod_revision,
			uint64_t now_ms, uint64_t older_than_ms)
{
	struct claim_reserved *r;

	claim_reserved_set(c, network, ip, mod_revision);
	r = find(claim_net_find(c, network), ip);
	if (!r)
		return false;
	if (!r->aged) {
		r->aged = true;
		r->since_ms = now_ms;
	}
	return now_ms >= r->since_ms && now_ms - r->since_ms >= older_than_ms;
}

char *claim_reserved_value(struct id network, struct id node)
{
	char created[CLOCK_TEXT_MAX];
	struct model_address a = { .network = network,
				   .node = node,
				   .state = MODEL_ADDRESS_RESERVED,
				   .created = created };

	clock_wall_text(created);
	return model_address_encode(&a);
}
