/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/route.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct segment {
	const char *s;
	size_t len;
};

/* "/a/b" to a, b. An empty segment ("//", or a slash at the end) stays one, and fits nothing. */
static size_t split(const char *path, struct segment *seg)
{
	size_t n = 0;

	while (*path == '/') {
		path++;
		if (n == API_ROUTE_SEGMENTS_MAX)
			return 0;
		seg[n].s = path;
		seg[n].len = strcspn(path, "/");
		path += seg[n].len;
		n++;
	}
	return *path ? 0 : n;
}

static bool is_param(const struct segment *p)
{
	return p->len > 2 && p->s[0] == '{' && p->s[p->len - 1] == '}';
}

static bool fits(const struct segment *pat, const struct segment *seg, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (seg[i].len == 0)
			return false;
		if (is_param(&pat[i]))
			continue;
		if (pat[i].len != seg[i].len || memcmp(pat[i].s, seg[i].s, seg[i].len) != 0)
			return false;
	}
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 §2.1. NULL for a broken escape, and for one that stands for NUL. */
static char *decode(const struct segment *seg)
{
	char *out = mem_alloc(seg->len + 1), *p = out;

	for (size_t i = 0; i < seg->len; i++) {
		int hi, lo;

		if (seg->s[i] != '%') {
			*p++ = seg->s[i];
			continue;
		}
		hi = i + 2 < seg->len ? hex(seg->s[i + 1]) : -1;
		lo = hi >= 0 ? hex(seg->s[i + 2]) : -1;
		if (lo < 0 || hi + lo == 0) {
			free(out);
			return NULL;
		}
		*p++ = (char)(hi << 4 | lo);
		i += 2;
	}
	return out;
}

static int take_params(const struct segment *pat, const struct segment *seg, size_t n,
		       struct kv_pairs *ret)
{
	_cleanup_kv_pairs_ struct kv_pairs got = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (!is_param(&pat[i]))
			continue;

		_cleanup_free_ char *name = mem_strndup(pat[i].s + 1, pat[i].len - 2);
		_cleanup_free_ char *value = decode(&seg[i]);

		if (!value)
			return -EINVAL;
		kv_pairs_set(&got, name, value);
	}
	kv_pairs_copy(ret, &got);
	return 0;
}

int api_route_find(const struct api_table *tables, size_t n, const char *method, const char *path,
		   const struct api_route **ret, struct kv_pairs *ret_params)
{
	struct segment seg[API_ROUTE_SEGMENTS_MAX], pat[API_ROUTE_SEGMENTS_MAX];
	size_t n_seg = split(path, seg);
	bool found = false;

	if (n_seg == 0)
		return -ENOENT;
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t t = 0; t < n; t++) {
		for (size_t i = 0; i < tables[t].n; i++) {
			const struct api_route *r = &tables[t].routes[i];

			if (split(r->pattern, pat) != n_seg || !fits(pat, seg, n_seg))
				continue;
			found = true;
			if (strcmp(r->method, method) != 0)
				continue;
			if (take_params(pat, seg, n_seg, ret_params) < 0)
				return -EINVAL;
			*ret = r;
			return 0;
		}
	}
	return found ? -ENOTSUP : -ENOENT;
}
