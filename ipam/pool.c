/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

/* Both families as one number: an IPv6 pool is wider than 64 bits. */
typedef unsigned __int128 num;

static num load(struct ip a)
{
	num v = 0;

	for (unsigned i = 0; i < ip_bytes(a); i++)
		v = v << 8 | a.b[i];
	return v;
}

static struct ip store(uint8_t family, num v)
{
	struct ip a = { .family = family };

	for (unsigned i = ip_bytes(a); i-- > 0; v >>= 8)
		a.b[i] = (uint8_t)v;
	return a;
}

/* Are the first and, in IPv4, the last address of the subnet something else than a host's? */
static bool has_edges(struct prefix subnet)
{
	return ip_bits(subnet.ip) - subnet.len >= 2;
}

struct span {
	uint8_t family;
	num lo, hi; /* both included; empty where lo > hi */
};

static struct span pool_span(const struct pool *p)
{
	num first = load(prefix_first(p->subnet)), last = load(prefix_last(p->subnet));
	struct span s = { .family = p->subnet.ip.family, .lo = first, .hi = last };

	if (prefix_is_set(p->range)) {
		s.lo = load(prefix_first(p->range));
		s.hi = load(prefix_last(p->range));
	}
	if (has_edges(p->subnet)) {
		if (s.lo <= first)
			s.lo = first + 1;
		if (s.family == AF_INET && s.hi >= last)
			s.hi = last - 1;
	}
	return s;
}

static int by_ip(const void *a, const void *b)
{
	struct ip x, y;

	x = *(const struct ip *)a;
	y = *(const struct ip *)b;
	return ip_cmp(x, y);
}

/* Those that matter to @s, sorted, without duplicates. */
static struct ip *sorted_reserved(const struct pool *p, const struct span *s, size_t *ret_n)
{
	struct ip *v = mem_alloc_array(p->n_reserved + 1, sizeof(*v));
	size_t n = 0, unique = 0;

	for (size_t i = 0; i < p->n_reserved; i++) {
		num a = load(p->reserved[i]);

		if (p->reserved[i].family == s->family && a >= s->lo && a <= s->hi)
			v[n++] = p->reserved[i];
	}
	qsort(v, n, sizeof(*v), by_ip);
	for (size_t i = 0; i < n; i++) {
		if (unique == 0 || !ip_eq(v[unique - 1], v[i]))
			v[unique++] = v[i];
	}
	*ret_n = unique;
	return v;
}

/* One sorted list of addresses that are passed over, and the place reached in it. */
struct list {
	const struct ip *v;
	size_t n, at;
};
#define LISTS 3
struct walk {
	struct span span;
	struct list lists[LISTS];
};

/* Binary search: the first element at or above @from. */
static void list_seek(struct list *l, struct ip from)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ip_cmp(l->v[mid], from) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	l->at = lo;
}

/* The lowest blocked address at or above @from and not above @to; false, and @ret 0, if none. */
static bool next_blocked(struct walk *w, num from, num to, num *ret)
{
	bool found = false;
	num lowest = 0;

	for (size_t i = 0; i < LISTS; i++) {
		struct list *l = &w->lists[i];
		num a;

		while (l->at < l->n && l->v[l->at].family == w->span.family &&
		       load(l->v[l->at]) < from)
			l->at++;
		if (l->at == l->n || l->v[l->at].family != w->span.family)
			continue;
		a = load(l->v[l->at]);
		if (a <= to && (!found || a < lowest)) {
			lowest = a;
			found = true;
		}
	}
	*ret = lowest;
	return found;
}

/*
 * Goes through the gaps of [from, to] and takes each one's width off @skip; @total gathers the widths.
 * Return: true with the address where @skip runs out inside a gap.
 */
static bool walk_part(struct walk *w, num from, num to, num *skip, num *total, num *ret)
{
	for (size_t i = 0; i < LISTS; i++)
		list_seek(&w->lists[i], store(w->span.family, from));
	while (from <= to) {
		num blocked, width;
		bool more = next_blocked(w, from, to, &blocked);

		width = more ? blocked - from : to - from + 1;
		if (*skip < width) {
			*ret = from + *skip;
			return true;
		}
		*skip -= width;
		*total += width;
		if (!more || blocked == to)
			break;
		from = blocked + 1;
	}
	return false;
}

/* Twice round at most: the first round may only tell how many free ones @skip has to wrap at. */
static bool walk_find(struct walk *w, num start, num skip, num *ret)
{
	for (int round = 0; round < 2; round++) {
		num total = 0;

		if (walk_part(w, start, w->span.hi, &skip, &total, ret))
			return true;
		if (start > w->span.lo && walk_part(w, w->span.lo, start - 1, &skip, &total, ret))
			return true;
		if (total == 0)
			return false;
		skip %= total;
	}
	return false;
}

static int no_space(const struct pool *p, struct err *e)
{
	char subnet[PREFIX_TEXT_MAX], range[PREFIX_TEXT_MAX];
	uint64_t n = pool_size(p);

	prefix_format(p->subnet, subnet);
	if (prefix_is_set(p->range))
		return err_set(e, -ENOSPC,
			       "no free address in range %s of %s: all %" PRIu64 " are taken",
			       prefix_format(p->range, range), subnet, n);
	return err_set(e, -ENOSPC, "no free address in %s: all %" PRIu64 " are taken", subnet, n);
}

int pool_pick(const struct pool *p, uint64_t skip, struct ip *ret, struct err *e)
{
	struct walk w = { .span = pool_span(p) };
	_cleanup_free_ struct ip *reserved = NULL;
	num start = w.span.lo, found;
	size_t n_reserved;

	if (w.span.lo > w.span.hi)
		return no_space(p, e);
	reserved = sorted_reserved(p, &w.span, &n_reserved);
	w.lists[0] = (struct list){ .v = reserved, .n = n_reserved };
	w.lists[1] = (struct list){ .v = p->used, .n = p->n_used };
	w.lists[2] = (struct list){ .v = p->recent, .n = p->n_recent };
	if (p->newest.family == w.span.family) {
		num newest = load(p->newest);

		if (newest >= w.span.lo && newest < w.span.hi)
			start = newest + 1;
	}
	if (!walk_find(&w, start, skip, &found)) {
		w.lists[2].n = 0;
		if (!walk_find(&w, start, skip, &found))
			return no_space(p, e);
	}
	*ret = store(w.span.family, found);
	return 0;
}

uint64_t pool_size(const struct pool *p)
{
	struct span s = pool_span(p);
	size_t n_reserved;
	num n;

	if (s.lo > s.hi)
		return 0;
	free(sorted_reserved(p, &s, &n_reserved)); /* only their number counts here */
	n = s.hi - s.lo;
	/* One less than the number, so that ::/0 does not overflow. */
	if (n_reserved > n)
		return 0;
	n -= n_reserved;
	return n >= UINT64_MAX ? UINT64_MAX : (uint64_t)n + 1;
}

int pool_check(const struct pool *p, struct ip ip, struct err *e)
{
	char text[IP_TEXT_MAX], subnet[PREFIX_TEXT_MAX];

	ip_format(ip, text);
	prefix_format(p->subnet, subnet);
	if (!prefix_contains(p->subnet, ip))
		return err_set(e, -ERANGE, "address %s is outside of %s", text, subnet);
	if (has_edges(p->subnet)) {
		if (ip_eq(ip, prefix_first(p->subnet)))
			return err_set(e, -EINVAL, "address %s is the %s address of %s", text,
				       ip.family == AF_INET ? "network" : "subnet-router anycast",
				       subnet);
		if (ip.family == AF_INET && ip_eq(ip, prefix_last(p->subnet)))
			return err_set(e, -EINVAL, "address %s is the broadcast address of %s",
				       text, subnet);
	}
	for (size_t i = 0; i < p->n_reserved; i++) {
		if (ip_eq(ip, p->reserved[i]))
			return err_set(e, -EADDRINUSE, "address %s is %s of %s", text,
				       p->reserved_who ? p->reserved_who[i] :
							 "the gateway or an auxiliary address",
				       subnet);
	}
	return 0;
}
