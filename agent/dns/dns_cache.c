/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_cache.h"

#include <string.h>
#include <uthash.h>
#include <utlist.h>
#include "base/mem.h"

#define ANCOUNT 6 /* where the header has it (RFC 1035 §4.1.1) */
#define HEAP_OVERHEAD 32 /* of an allocation and its share of the table, about */

struct entry {
	struct entry *prev, *next; /* used longest ago first */
	UT_hash_handle hh;
	uint64_t put_ms, until_ms;
	size_t key_len, len;
	uint8_t b[]; /* the key, then the packet */
};
struct dns_cache {
	size_t max_bytes;
	struct entry *entries; /* by key */
	struct entry *used; /* the same */
	struct dns_cache_stats stats;
};

static size_t put_server(uint8_t *b, const struct dns_server_addr *a)
{
	b[0] = a->ip.family;
	memcpy(b + 1, a->ip.b, sizeof(a->ip.b));
	b[17] = (uint8_t)(a->port >> 8);
	b[18] = (uint8_t)a->port;
	return 19;
}

void dns_cache_key(const struct dns_servers *from, const struct dns_query *q,
		   struct dns_cache_key *ret)
{
	size_t name_len = q->question_len >= 4 ? q->question_len - 4 : 0;
	uint8_t *b = ret->b;

	*b++ = (uint8_t)(q->edns | q->dnssec_ok << 1 | q->cd << 2 | q->rd << 3);
	*b++ = (uint8_t)from->n;
	for (size_t i = 0; i < from->n; i++)
		b += put_server(b, &from->v[i]);
	memcpy(b, q->question, q->question_len);
	/* Lengths of labels are below 'A'; other bytes of names have no case (RFC 4343 §2). */
	for (size_t i = 0; i < name_len; i++)
		if (b[i] >= 'A' && b[i] <= 'Z')
			b[i] = (uint8_t)(b[i] + ('a' - 'A'));
	ret->len = (size_t)(b - ret->b) + q->question_len;
}

static size_t entry_bytes(size_t key_len, size_t len)
{
	return sizeof(struct entry) + key_len + len + HEAP_OVERHEAD;
}

static void drop(struct dns_cache *c, struct entry *e)
{
	HASH_DEL(c->entries, e);
	DL_DELETE(c->used, e);
	c->stats.entries--;
	c->stats.bytes -= entry_bytes(e->key_len, e->len);
	free(e);
}

static struct entry *find(struct dns_cache *c, const struct dns_cache_key *key)
{
	struct entry *e;

	HASH_FIND(hh, c->entries, key->b, key->len, e);
	return e;
}

struct dns_cache *dns_cache_new(size_t max_bytes)
{
	struct dns_cache *c = mem_alloc(sizeof(*c));

	c->max_bytes = max_bytes;
	return c;
}

void dns_cache_clear(struct dns_cache *c)
{
	while (c->used)
		drop(c, c->used);
}

void dns_cache_free(struct dns_cache *c)
{
	if (!c)
		return;
	dns_cache_clear(c);
	free(c);
}

static uint32_t ttl_of(const uint8_t *pkt, const struct dns_reply *r)
{
	bool negative = r->rcode == DNS_NXDOMAIN || (pkt[ANCOUNT] == 0 && pkt[ANCOUNT + 1] == 0);
	uint32_t max = negative ? DNS_CACHE_NEGATIVE_MAX : DNS_CACHE_TTL_MAX;

	return r->ttl < max ? r->ttl : max;
}

void dns_cache_put(struct dns_cache *c, const struct dns_servers *from, const struct dns_query *q,
		   const uint8_t *pkt, size_t len, const struct dns_reply *r, uint64_t now_ms)
{
	struct dns_cache_key key;
	struct entry *e;

	if (!r->cacheable || r->ttl == 0 || len < DNS_HEADER || len > DNS_CACHE_PACKET_MAX)
		return;
	dns_cache_key(from, q, &key);
	e = find(c, &key);
	if (e)
		drop(c, e);
	if (entry_bytes(key.len, len) > c->max_bytes)
		return;
	while (c->stats.bytes + entry_bytes(key.len, len) > c->max_bytes) {
		drop(c, c->used);
		c->stats.evicted++;
	}
	e = mem_alloc(sizeof(*e) + key.len + len);
	e->put_ms = now_ms;
	e->until_ms = now_ms + (uint64_t)ttl_of(pkt, r) * 1000;
	e->key_len = key.len;
	e->len = len;
	memcpy(e->b, key.b, key.len);
	memcpy(e->b + key.len, pkt, len);
	HASH_ADD_KEYPTR(hh, c->entries, e->b, e->key_len, e);
	DL_APPEND(c->used, e);
	c->stats.entries++;
	c->stats.bytes += entry_bytes(key.len, len);
}

size_t dns_cache_get(struct dns_cache *c, const struct dns_servers *from, const struct dns_query *q,
		     size_t max, uint64_t now_ms, uint8_t *buf)
{
	struct dns_cache_key key;
	struct entry *e;
	size_t n = 0;

	dns_cache_key(from, q, &key);
	e = find(c, &key);
	if (e && now_ms < e->until_ms)
		n = dns_reply_aged(e->b + e->key_len, e->len,
				   (uint32_t)((now_ms - e->put_ms) / 1000), q, max, buf);
	if (n > 0) {
		DL_DELETE(c->used, e);
		DL_APPEND(c->used, e);
		c->stats.hits++;
		return n;
	}
	if (e)
		drop(c, e);
	c->stats.misses++;
	return 0;
}

void dns_cache_stats(const struct dns_cache *c, struct dns_cache_stats *ret)
{
	*ret = c->stats;
}
