/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_cache - answers of upstreams, for as long as they say.
 *
 * Pure; time is passed in. Bounded in bytes: what was used longest ago goes first. An answer belongs to the servers it came from: a container with
 * servers of its own does not get what others' said. Questions are the same when name (any case), type, class, RD, CD, DO and whether there is
 * EDNS at all are: an answer is passed on as it is, and those are what it depends on.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "agent/dns/dns_client.h"
#include "agent/dns/dns_wire.h"

#define DNS_CACHE_BYTES 4194304 /* by default */
#define DNS_CACHE_PACKET_MAX 4096 /* larger answers are not kept */
#define DNS_CACHE_TTL_MAX 86400
#define DNS_CACHE_NEGATIVE_MAX 300 /* RFC 2308 §5 lets us */

#define DNS_CACHE_KEY_MAX (2 + DNS_SERVERS_MAX * 19 + DNS_QUESTION_MAX)
struct dns_cache_key {
	size_t len;
	uint8_t b[DNS_CACHE_KEY_MAX];
};
/** dns_cache_key() - what makes two questions to @from the same. */
void dns_cache_key(const struct dns_servers *from, const struct dns_query *q,
		   struct dns_cache_key *ret);

struct dns_cache;
struct dns_cache *dns_cache_new(size_t max_bytes);
void dns_cache_free(struct dns_cache *c);
/** dns_cache_put() - a reply that dns_reply_check() calls cacheable; TTL 0 is not kept. */
void dns_cache_put(struct dns_cache *c, const struct dns_servers *from, const struct dns_query *q,
		   const uint8_t *pkt, size_t len, const struct dns_reply *r, uint64_t now_ms);
/** dns_cache_get() - an answer to @q that fits into @max (else cut with TC), aged. Return: its length, 0: none. @buf: DNS_PACKET_MAX bytes. */
size_t dns_cache_get(struct dns_cache *c, const struct dns_servers *from, const struct dns_query *q,
		     size_t max, uint64_t now_ms, uint8_t *buf);
void dns_cache_clear(struct dns_cache *c);
struct dns_cache_stats {
	size_t entries, bytes; /* bytes: of memory, about */
	uint64_t hits, misses, evicted;
};
void dns_cache_stats(const struct dns_cache *c, struct dns_cache_stats *ret);
