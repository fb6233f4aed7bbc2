/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim_cache - what an agent believes of one network's addresses: taken, in flight, released lately, newest.
 *
 * Pure: time is passed in. Only proposes candidates; never the truth. Knowledge carries the revision it is from, so that
 * a list that began earlier and arrives later does not undo it. Sorted arrays, ready for pool_pick().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "ipam/pool.h"

struct claim_used {
	int64_t known; /* revision at which it was taken for certain; 0: in flight only */
	unsigned in_flight; /* operations of this agent that are trying it */
};
struct claim_recent {
	uint64_t until_ms;
	int64_t known; /* revision of the release */
};
struct claim_cache {
	bool filled; /* from the store, at least once */
	int64_t fill_revision; /* of the last time */
	struct ip *used; /* sorted */
	struct claim_used *used_info; /* beside it */
	size_t n_used, cap_used;
	struct ip *recent; /* sorted */
	struct claim_recent *recent_info; /* beside it */
	size_t n_recent, cap_recent;
	struct ip newest[2]; /* by family: IPv4, IPv6; highest create revision seen */
	int64_t newest_revision[2];
};
struct claim_listed {
	struct ip ip;
	int64_t create_revision;
};

void claim_cache_done(struct claim_cache *c);
/** claim_cache_hold() - an operation tries @ip: as good as taken until claim_cache_drop(). */
void claim_cache_hold(struct claim_cache *c, struct ip ip);
/** claim_cache_drop() - the operation is done with it, whatever came of it. */
void claim_cache_drop(struct claim_cache *c, struct ip ip);
/** claim_cache_take() - @ip was taken at @created, known at revision @known. */
void claim_cache_take(struct claim_cache *c, struct ip ip, int64_t created, int64_t known);
/** claim_cache_release() - @ip was free at revision @known; passed over until @now_ms + POOL_RECENT_MS. */
void claim_cache_release(struct claim_cache *c, struct ip ip, int64_t known, uint64_t now_ms,
			 size_t recent_max);
/** claim_cache_fill() - all addresses in the store at @revision; @v is sorted in place. What is known from later stays,
 * unless @revision is behind the last one's: then the store was put back to an earlier state, and what was known is void. */
void claim_cache_fill(struct claim_cache *c, struct claim_listed *v, size_t n, int64_t revision);
/** claim_cache_in_flight() - is any address being tried, beside those taken? */
bool claim_cache_in_flight(const struct claim_cache *c);
/** claim_cache_pick() - pool_pick() for @p with used, recent and newest from @c. */
int claim_cache_pick(struct claim_cache *c, const struct pool *p, uint64_t now_ms, uint64_t skip,
		     struct ip *ret, struct err *e);
