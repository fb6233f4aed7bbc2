/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/claim_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void claim_cache_done(struct claim_cache *c)
{
	free(c->used);
	free(c->used_info);
	free(c->recent);
	free(c->recent_info);
	memset(c, 0, sizeof(*c));
}

/* Where @ip is, or would go. */
static size_t place(const struct ip *v, size_t n, struct ip ip, bool *ret_found)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ip_cmp(v[mid], ip) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_found = lo < n && ip_eq(v[lo], ip);
	return lo;
}

static struct claim_used *used_get(struct claim_cache *c, struct ip ip, bool create)
{
	bool found;
	size_t at = place(c->used, c->n_used, ip, &found);

	if (found || !create)
		return found ? &c->used_info[at] : NULL;
	if (c->n_used == c->cap_used) {
		c->cap_used = c->cap_used ? c->cap_used * 2 : 16;
		c->used = mem_grow(c->used, c->cap_used, sizeof(*c->used));
		c->used_info = mem_grow(c->used_info, c->cap_used, sizeof(*c->used_info));
	}
	memmove(c->used + at + 1, c->used + at, (c->n_used - at) * sizeof(*c->used));
	memmove(c->used_info + at + 1, c->used_info + at, (c->n_used - at) * sizeof(*c->used_info));
	c->n_used++;
	c->used[at] = ip;
	c->used_info[at] = (struct claim_used){ 0 };
	return &c->used_info[at];
}

/* Taken by nobody and tried by nobody: out. */
static void used_put(struct claim_cache *c, struct ip ip)
{
	bool found;
	size_t at = place(c->used, c->n_used, ip, &found);

	if (!found || c->used_info[at].known || c->used_info[at].in_flight)
		return;
	c->n_used--;
	memmove(c->used + at, c->used + at + 1, (c->n_used - at) * sizeof(*c->used));
	memmove(c->used_info + at, c->used_info + at + 1, (c->n_used - at) * sizeof(*c->used_info));
}

static struct claim_recent *recent_get(const struct claim_cache *c, struct ip ip)
{
	bool found;
	size_t at = place(c->recent, c->n_recent, ip, &found);

	return found ? &c->recent_info[at] : NULL;
}

static void recent_cut(struct claim_cache *c, size_t at)
{
	if (at >= c->n_recent || !c->recent || !c->recent_info)
		return;
	c->n_recent--;
	memmove(c->recent + at, c->recent + at + 1, (c->n_recent - at) * sizeof(*c->recent));
	memmove(c->recent_info + at, c->recent_info + at + 1,
		(c->n_recent - at) * sizeof(*c->recent_info));
}

static void recent_remove(struct claim_cache *c, struct ip ip)
{
	bool found;
	size_t at = place(c->recent, c->n_recent, ip, &found);

	if (found)
		recent_cut(c, at);
}

static void recent_add(struct claim_cache *c, struct ip ip, struct claim_recent info, size_t max)
{
	bool found;
	size_t at, oldest = 0;

	if (c->n_recent >= max) {
		for (size_t i = 1; i < c->n_recent; i++) {
			if (c->recent_info[i].until_ms < c->recent_info[oldest].until_ms)
				oldest = i;
		}
		recent_cut(c, oldest);
	}
	at = place(c->recent, c->n_recent, ip, &found);
	if (found) {
		c->recent_info[at] = info;
		return;
	}
	if (c->n_recent == c->cap_recent) {
		c->cap_recent = c->cap_recent ? c->cap_recent * 2 : 16;
		c->recent = mem_grow(c->recent, c->cap_recent, sizeof(*c->recent));
		c->recent_info = mem_grow(c->recent_info, c->cap_recent, sizeof(*c->recent_info));
	}
	memmove(c->recent + at + 1, c->recent + at, (c->n_recent - at) * sizeof(*c->recent));
	memmove(c->recent_info + at + 1, c->recent_info + at,
		(c->n_recent - at) * sizeof(*c->recent_info));
	c->n_recent++;
	c->recent[at] = ip;
	c->recent_info[at] = info;
}

static void recent_expire(struct claim_cache *c, uint64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_recent; i++) {
		if (c->recent_info[i].until_ms <= now_ms)
			continue;
		c->recent[kept] = c->recent[i];
		c->recent_info[kept++] = c->recent_info[i];
	}
	c->n_recent = kept;
}

void claim_cache_hold(struct claim_cache *c, struct ip ip)
{
	used_get(c, ip, true)->in_flight++;
}

void claim_cache_drop(struct claim_cache *c, struct ip ip)
{
	struct claim_used *u = used_get(c, ip, false);

	if (!u || u->in_flight == 0)
		return;
	u->in_flight--;
	used_put(c, ip);
}

void claim_cache_take(struct claim_cache *c, struct ip ip, int64_t created, int64_t known)
{
	const struct claim_recent *r = recent_get(c, ip);
	unsigned family = ip.family == AF_INET6;
	struct claim_used *u;

	if (created > c->newest_revision[family]) {
		c->newest_revision[family] = created;
		c->newest[family] = ip;
	}
	if (r && r->known > known)
		return;
	recent_remove(c, ip);
	u = used_get(c, ip, true);
	if (known > u->known)
		u->known = known;
}

void claim_cache_release(struct claim_cache *c, struct ip ip, int64_t known, uint64_t now_ms,
			 size_t recent_max)
{
	struct claim_used *u = used_get(c, ip, false);
	struct claim_recent info = { .until_ms = now_ms + POOL_RECENT_MS, .known = known };

	if (u && u->known > known)
		return;
	if (u) {
		u->known = 0;
		used_put(c, ip);
	}
	recent_add(c, ip, info, recent_max);
}

static int by_ip(const void *a, const void *b)
{
	const struct claim_listed *x = a, *y = b;

	return ip_cmp(x->ip, y->ip);
}

/* The store went back in time: only what is in flight and what was released here still counts. */
static void rewind_known(struct claim_cache *c)
{
	for (size_t i = 0; i < c->n_used; i++)
		c->used_info[i].known = 0;
	for (size_t i = 0; i < c->n_recent; i++)
		c->recent_info[i].known = 0;
	memset(c->newest_revision, 0, sizeof(c->newest_revision));
}

void claim_cache_fill(struct claim_cache *c, struct claim_listed *v, size_t n, int64_t revision)
{
	struct claim_cache old;
	size_t at = 0;

	if (revision < c->fill_revision)
		rewind_known(c);
	c->fill_revision = revision;
	old = *c;
	/* One merge of two sorted lists, so that 65,000 addresses cost no 65,000 insertions. */
	qsort(v, n, sizeof(*v), by_ip);
	c->cap_used = n + old.n_used + 1;
	c->used = mem_alloc_array(c->cap_used, sizeof(*c->used));
	c->used_info = mem_alloc_array(c->cap_used, sizeof(*c->used_info));
	c->n_used = 0;
	for (size_t i = 0; i < n || at < old.n_used;) {
		int r = i == n ? 1 : at == old.n_used ? -1 : ip_cmp(v[i].ip, old.used[at]);
		struct claim_used info = r >= 0 ? old.used_info[at] : (struct claim_used){ 0 };
		struct ip ip = r >= 0 ? old.used[at] : v[i].ip;
		const struct claim_recent *rec = recent_get(c, ip);
		unsigned family = ip.family == AF_INET6;

		if (r <= 0 && v[i].create_revision > c->newest_revision[family]) {
			c->newest_revision[family] = v[i].create_revision;
			c->newest[family] = ip;
		}
		if (r <= 0 && !(rec && rec->known > revision)) {
			recent_remove(c, ip);
			if (info.known < revision)
				info.known = revision;
		} else if (info.known <= revision) {
			info.known = 0;
		}
		if (info.known || info.in_flight) {
			c->used[c->n_used] = ip;
			c->used_info[c->n_used++] = info;
		}
		i += r <= 0;
		at += r >= 0;
	}
	free(old.used);
	free(old.used_info);
	c->filled = true;
}

bool claim_cache_in_flight(const struct claim_cache *c)
{
	for (size_t i = 0; i < c->n_used; i++) {
		if (c->used_info[i].in_flight && !c->used_info[i].known)
			return true;
	}
	return false;
}

int claim_cache_pick(struct claim_cache *c, const struct pool *p, uint64_t now_ms, uint64_t skip,
		     struct ip *ret, struct err *e)
{
	struct pool pool = *p;

	recent_expire(c, now_ms);
	pool.used = c->used;
	pool.n_used = c->n_used;
	pool.recent = c->recent;
	pool.n_recent = c->n_recent;
	pool.newest = c->newest[p->subnet.ip.family == AF_INET6];
	return pool_pick(&pool, skip, ret, e);
}
