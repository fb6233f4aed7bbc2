/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_known.h"
#include <string.h>
#include <uthash.h>
#include "base/mem.h"

struct guard {
	struct state_guard key;
	UT_hash_handle hh;
};
struct owner {
	struct state_guard key; /* without address */
	size_t n;
	UT_hash_handle hh;
};
struct nft_known {
	struct guard *guards;
	struct owner *owners;
};

/* A key without padding, and without what follows the NUL of the name. */
static struct state_guard key_of(const struct state_guard *g, bool with_ip)
{
	struct state_guard k;

	memset(&k, 0, sizeof(k));
	memcpy(k.port, g->port, strnlen(g->port, sizeof(k.port) - 1));
	k.mac = g->mac;
	if (with_ip)
		k.ip = g->ip;
	return k;
}

struct nft_known *nft_known_new(void)
{
	return mem_alloc(sizeof(struct nft_known));
}

void nft_known_clear(struct nft_known *k)
{
	struct guard *g = k->guards, *g_next;
	struct owner *o = k->owners, *o_next;

	/* The tables first; the elements' own list stays to walk along. */
	HASH_CLEAR(hh, k->guards);
	HASH_CLEAR(hh, k->owners);
	for (; g; g = g_next) {
		g_next = g->hh.next;
		free(g);
	}
	for (; o; o = o_next) {
		o_next = o->hh.next;
		free(o);
	}
}

void nft_known_free(struct nft_known *k)
{
	if (!k)
		return;
	nft_known_clear(k);
	free(k);
}

void nft_known_add(struct nft_known *k, const struct state_guard *g)
{
	struct state_guard key = key_of(g, true), owner = key_of(g, false);
	struct guard *have;
	struct owner *o;

	HASH_FIND(hh, k->guards, &key, sizeof(key), have);
	if (have)
		return;
	have = mem_alloc(sizeof(*have));
	have->key = key;
	HASH_ADD(hh, k->guards, key, sizeof(have->key), have);
	HASH_FIND(hh, k->owners, &owner, sizeof(owner), o);
	if (!o) {
		o = mem_alloc(sizeof(*o));
		o->key = owner;
		HASH_ADD(hh, k->owners, key, sizeof(o->key), o);
	}
	o->n++;
}

bool nft_known_del(struct nft_known *k, const struct state_guard *g)
{
	struct state_guard key = key_of(g, true), owner = key_of(g, false);
	struct guard *have;
	struct owner *o;

	HASH_FIND(hh, k->owners, &owner, sizeof(owner), o);
	HASH_FIND(hh, k->guards, &key, sizeof(key), have);
	if (have) {
		HASH_DEL(k->guards, have);
		free(have);
		if (o && --o->n == 0) {
			HASH_DEL(k->owners, o);
			free(o);
			o = NULL;
		}
	}
	return !o;
}

bool nft_known_has(const struct nft_known *k, const struct state_guard *g)
{
	struct state_guard owner = key_of(g, false);
	struct owner *o;

	HASH_FIND(hh, k->owners, &owner, sizeof(owner), o);
	return o != NULL;
}
