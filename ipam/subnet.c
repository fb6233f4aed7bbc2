/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/subnet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ipam/pool.h"

#define OVERLAPS_NAMED 4 /* per subnet; the rest is counted */

/* ---- choice ---- */

static int by_prefix(const void *a, const void *b)
{
	return prefix_cmp(*(const struct prefix *)a, *(const struct prefix *)b);
}

/* The subnet after the one that holds @a, in steps of @len; false where the pool ends. */
static bool step(struct prefix base, struct ip a, uint8_t len, struct prefix *ret)
{
	struct ip last = prefix_last(prefix_mask(a, len));

	if (ip_cmp(last, prefix_last(base)) >= 0)
		return false;
	*ret = (struct prefix){ .ip = ip_add(last, 1), .len = len };
	return true;
}

/*
 * @busy is sorted by first address, the wider before the narrower: one sweep over both. Prefixes are nested or apart, so
 * whatever ends before the candidate can be left behind.
 */
static bool choose_in(const struct subnet_pool *pool, const struct prefix *busy, size_t n,
		      struct prefix *ret)
{
	struct prefix cand = { .ip = prefix_first(pool->base), .len = pool->len };

	for (size_t i = 0; i < n; i++) {
		struct ip last = prefix_last(busy[i]);

		if (busy[i].ip.family != cand.ip.family || ip_cmp(last, cand.ip) < 0)
			continue;
		if (ip_cmp(busy[i].ip, prefix_last(cand)) > 0)
			break;
		if (!step(pool->base, last, pool->len, &cand))
			return false;
	}
	*ret = cand;
	return true;
}

int subnet_choose(const struct subnet_pool *pools, size_t n_pools, int family,
		  const struct subnet_taken *taken, size_t n_taken, struct prefix *ret,
		  struct err *e)
{
	_cleanup_free_ struct prefix *busy = mem_alloc_array(n_taken + 1, sizeof(*busy));
	char names[256] = "", text[PREFIX_TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < n_taken; i++) {
		struct prefix p = taken[i].prefix;

		/* A default route stands for no network in particular. */
		if (p.ip.family == family && p.len > 0)
			busy[n++] = prefix_mask(p.ip, p.len);
	}
	qsort(busy, n, sizeof(*busy), by_prefix);
	for (size_t i = 0; i < n_pools; i++) {
		size_t used = strlen(names);

		if (pools[i].base.ip.family != family || pools[i].len < pools[i].base.len)
			continue;
		if (choose_in(&pools[i], busy, n, ret))
			return 0;
		snprintf(names + used, sizeof(names) - used, "%s%s in /%us", used ? ", " : "",
			 prefix_format(pools[i].base, text), pools[i].len);
	}
	if (!names[0])
		return err_set(e, -ENOSPC, "no pool of %s subnets is configured",
			       family == AF_INET ? "IPv4" : "IPv6");
	return err_set(e, -ENOSPC, "no free subnet in the pools (%s)", names);
}

struct prefix subnet_ula(const uint8_t cluster_id[32], uint16_t n)
{
	struct prefix p = { .ip.family = AF_INET6, .len = 64 };

	/* fd, then a 40-bit global id: the cluster's id is random as RFC 4193 3.2 asks. */
	p.ip.b[0] = 0xfd;
	memcpy(p.ip.b + 1, cluster_id, 5);
	p.ip.b[6] = (uint8_t)(n >> 8);
	p.ip.b[7] = (uint8_t)n;
	return p;
}

/* ---- a request ---- */

struct resolve {
	const struct subnet_request *req;
	const struct subnet_taken *taken;
	size_t n_taken;
	struct model_subnet *subnets;
	size_t n, cap;
	struct err err; /* all problems so far */
};

static struct model_subnet *add_subnet(struct resolve *r, struct prefix p, bool first)
{
	struct model_subnet *s;

	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 4;
		r->subnets = mem_grow(r->subnets, r->cap, sizeof(*r->subnets));
	}
	if (first)
		memmove(r->subnets + 1, r->subnets, r->n * sizeof(*r->subnets));
	s = &r->subnets[first ? 0 : r->n];
	r->n++;
	memset(s, 0, sizeof(*s));
	s->subnet = p;
	return s;
}

static const struct {
	const char *prefix, *what;
} specials[] = {
	{ "0.0.0.0/8", "\"this network\"" },
	{ "127.0.0.0/8", "loopback addresses" },
	{ "169.254.0.0/16", "link-local addresses" },
	{ "224.0.0.0/4", "multicast addresses" },
	{ "240.0.0.0/4", "reserved addresses" },
	{ "::/96", "unspecified and loopback addresses" },
	{ "::ffff:0:0/96", "IPv4-mapped addresses" },
	{ "fe80::/10", "link-local addresses" },
	{ "ff00::/8", "multicast addresses" },
};

static void check_special(struct resolve *r, const char *text, struct prefix p)
{
	for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
		struct prefix s;

		if (prefix_parse(specials[i].prefix, &s, NULL) == 0 && prefix_overlaps(p, s)) {
			err_add(&r->err, -EINVAL, "subnet %s overlaps %s (%s)", text,
				specials[i].what, specials[i].prefix);
			return;
		}
	}
}

static void check_taken(struct resolve *r, const char *text, struct prefix p)
{
	size_t found = 0;

	for (size_t i = 0; i < r->n_taken; i++) {
		const struct subnet_taken *t = &r->taken[i];
		char other[PREFIX_TEXT_MAX], host[IP_TEXT_MAX];

		if (t->prefix.len == 0 || !prefix_overlaps(p, t->prefix))
			continue;
		if (++found > OVERLAPS_NAMED)
			continue;
		prefix_format(t->prefix, other);
		ip_format(t->prefix.ip, host);
		if (strstr(t->who, other) ||
		    (t->prefix.len == ip_bits(t->prefix.ip) && strstr(t->who, host)))
			err_add(&r->err, -EINVAL, "%s overlaps %s", text, t->who);
		else
			err_add(&r->err, -EINVAL, "%s overlaps %s (%s)", text, t->who, other);
	}
	if (found > OVERLAPS_NAMED)
		err_add(&r->err, -EINVAL, "%s overlaps %zu more", text, found - OVERLAPS_NAMED);
}

static void check_subnet(struct resolve *r, const char *text, struct prefix p)
{
	bool v4 = p.ip.family == AF_INET;
	unsigned max = v4 ? SUBNET_MAX_LEN4 : SUBNET_MAX_LEN6;

	if (p.len > max)
		err_add(&r->err, -EINVAL, "subnet %s is too small: at most /%u", text, max);
	if (!v4 && !r->req->ipv6)
		err_add(&r->err, -EINVAL,
			"subnet %s is IPv6, which was not asked for (option ipv6)", text);
	if (r->req->family && p.ip.family != r->req->family)
		err_add(&r->err, -EINVAL, "subnet %s is not %s", text, v4 ? "IPv6" : "IPv4");
	check_special(r, text, p);
	for (size_t i = 0; i < r->n; i++) {
		char other[PREFIX_TEXT_MAX];

		prefix_format(r->subnets[i].subnet, other);
		if (prefix_eq(r->subnets[i].subnet, p))
			err_add(&r->err, -EINVAL, "subnet %s is given twice", text);
		else if (prefix_overlaps(r->subnets[i].subnet, p))
			err_add(&r->err, -EINVAL,
				"subnet %s overlaps subnet %s of the same network", text, other);
	}
	check_taken(r, text, p);
}

static void parse_subnets(struct resolve *r)
{
	const struct strv *v = r->req->subnets;

	if (v && v->n > MODEL_SUBNETS_MAX) {
		err_add(&r->err, -EINVAL, "%zu subnets are given, at most %d are allowed", v->n,
			MODEL_SUBNETS_MAX);
		return;
	}
	for (size_t i = 0; v && i < v->n; i++) {
		char text[PREFIX_TEXT_MAX];
		struct err e = { 0 };
		struct prefix p;

		if (prefix_parse(v->v[i], &p, &e) < 0) {
			err_add(&r->err, -EINVAL, "subnet %s", err_text(&e));
			continue;
		}
		check_subnet(r, prefix_format(p, text), p);
		add_subnet(r, p, false);
	}
}

static struct model_subnet *subnet_of(struct resolve *r, struct ip a)
{
	for (size_t i = 0; i < r->n; i++) {
		if (prefix_contains(r->subnets[i].subnet, a))
			return &r->subnets[i];
	}
	return NULL;
}

/* "is in none of the subnets (10.0.0.0/24, 10.0.1.0/24)" */
static void not_in_any(struct resolve *r, const char *what, const char *text)
{
	_cleanup_buf_ struct buf b;
	char subnet[PREFIX_TEXT_MAX];

	buf_init(&b, ERR_TEXT_MAX);
	if (r->n == 0) {
		/* With a malformed subnet the cause is told already. */
		if (!r->req->subnets || r->req->subnets->n == 0)
			err_add(&r->err, -EINVAL, "%s %s needs a subnet", what, text);
		return;
	}
	for (size_t i = 0; i < r->n; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", prefix_format(r->subnets[i].subnet, subnet));
	err_add(&r->err, -EINVAL, "%s %s is in none of the subnets (%s)", what, text, b.data);
}

/* A gateway or auxiliary address must be one that a host could have. */
static bool check_host(struct resolve *r, const char *what, struct prefix subnet, struct ip a)
{
	struct pool p = { .subnet = subnet };
	struct err e = { 0 };

	if (pool_check(&p, a, &e) == 0)
		return true;
	err_add(&r->err, -EINVAL, "%s: %s", what, err_text(&e));
	return false;
}

static void parse_gateways(struct resolve *r)
{
	const struct strv *v = r->req->gateways;

	for (size_t i = 0; v && i < v->n; i++) {
		char text[IP_TEXT_MAX], other[IP_TEXT_MAX], subnet[PREFIX_TEXT_MAX];
		struct err e = { 0 };
		struct model_subnet *s;
		struct ip a;

		if (ip_parse(v->v[i], &a, &e) < 0) {
			err_add(&r->err, -EINVAL, "gateway %s", err_text(&e));
			continue;
		}
		s = subnet_of(r, a);
		ip_format(a, text);
		if (!s) {
			not_in_any(r, "gateway", text);
		} else if (ip_is_set(s->gateway)) {
			err_add(&r->err, -EINVAL, "two gateways for subnet %s: %s and %s",
				prefix_format(s->subnet, subnet), ip_format(s->gateway, other),
				text);
		} else if (check_host(r, "gateway", s->subnet, a)) {
			s->gateway = a;
		}
	}
}

static void parse_ranges(struct resolve *r)
{
	const struct strv *v = r->req->ip_ranges;

	for (size_t i = 0; v && i < v->n; i++) {
		char text[PREFIX_TEXT_MAX], other[PREFIX_TEXT_MAX], subnet[PREFIX_TEXT_MAX];
		struct err e = { 0 };
		struct model_subnet *s;
		struct prefix p;

		if (prefix_parse(v->v[i], &p, &e) < 0) {
			err_add(&r->err, -EINVAL, "ip-range %s", err_text(&e));
			continue;
		}
		s = subnet_of(r, p.ip);
		prefix_format(p, text);
		if (!s) {
			not_in_any(r, "ip-range", text);
			continue;
		}
		prefix_format(s->subnet, subnet);
		if (p.len < s->subnet.len)
			err_add(&r->err, -EINVAL, "ip-range %s is larger than subnet %s", text,
				subnet);
		else if (prefix_is_set(s->ip_range))
			err_add(&r->err, -EINVAL, "two ip-ranges for subnet %s: %s and %s", subnet,
				prefix_format(s->ip_range, other), text);
		else
			s->ip_range = p;
	}
}

static void add_aux(struct resolve *r, struct model_subnet *s, const char *name, struct ip a)
{
	char text[IP_TEXT_MAX];

	ip_format(a, text);
	if (ip_eq(s->gateway, a)) {
		err_add(&r->err, -EINVAL, "aux-address %s=%s is the gateway", name, text);
		return;
	}
	for (size_t i = 0; i < s->n_aux; i++) {
		if (ip_eq(s->aux[i].ip, a)) {
			err_add(&r->err, -EINVAL, "aux-addresses %s and %s are both %s",
				s->aux[i].name, name, text);
			return;
		}
	}
	if (s->n_aux == MODEL_AUX_MAX) {
		err_add(&r->err, -EINVAL, "aux-address %s: more than %d in one subnet", name,
			MODEL_AUX_MAX);
		return;
	}
	s->aux = mem_grow(s->aux, s->n_aux + 1, sizeof(*s->aux));
	s->aux[s->n_aux++] = (struct model_aux){ .name = mem_strdup(name), .ip = a };
}

static void parse_aux(struct resolve *r)
{
	const struct kv_pairs *v = r->req->aux;

	for (size_t i = 0; v && i < v->n; i++) {
		_cleanup_free_ char *what = mem_printf("aux-address %.64s", v->v[i].key);
		char text[IP_TEXT_MAX];
		struct err e = { 0 };
		struct model_subnet *s;
		struct ip a;

		if (model_name_check("aux-address name", v->v[i].key, &e) < 0) {
			err_add(&r->err, -EINVAL, "%s", err_text(&e));
			continue;
		}
		if (ip_parse(v->v[i].value ? v->v[i].value : "", &a, &e) < 0) {
			err_add(&r->err, -EINVAL, "%s: %s", what, err_text(&e));
			continue;
		}
		s = subnet_of(r, a);
		if (!s)
			not_in_any(r, what, ip_format(a, text));
		else if (check_host(r, what, s->subnet, a))
			add_aux(r, s, v->v[i].key, a);
	}
}

static bool has_family(const struct resolve *r, int family)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->subnets[i].subnet.ip.family == family)
			return true;
	}
	return false;
}

/* Was a subnet of @family given, if only a malformed one? Then none is chosen in its place. */
static bool family_asked(const struct resolve *r, int family)
{
	const struct strv *v = r->req->subnets;

	for (size_t i = 0; v && i < v->n; i++) {
		if ((strchr(v->v[i], ':') != NULL) == (family == AF_INET6))
			return true;
	}
	return has_family(r, family);
}

static void choose_missing(struct resolve *r, const struct subnet_pool *pools, size_t n_pools,
			   const uint8_t cluster_id[32])
{
	struct subnet_pool ula = { .base = subnet_ula(cluster_id, 0), .len = 64 };
	struct err e = { 0 };
	struct prefix p;

	if (r->req->outside) {
		if (!family_asked(r, AF_INET))
			err_add(&r->err, -EINVAL,
				"an IPv4 subnet must be given: that of the segment outside");
		if (r->req->ipv6 && !family_asked(r, AF_INET6))
			err_add(&r->err, -EINVAL,
				"an IPv6 subnet must be given: that of the segment outside");
		return;
	}
	ula.base.len = 48;
	if (r->req->family != AF_INET6 && !family_asked(r, AF_INET)) {
		if (subnet_choose(pools, n_pools, AF_INET, r->taken, r->n_taken, &p, &e) == 0)
			add_subnet(r, p, true);
		else if (has_family(r, AF_INET6))
			err_add(&r->err, e.code, "IPv6 alone is not supported, and %s",
				err_text(&e));
		else
			err_add(&r->err, e.code, "%s", err_text(&e));
	}
	if (r->req->ipv6 && r->req->family != AF_INET && !family_asked(r, AF_INET6)) {
		if (subnet_choose(&ula, 1, AF_INET6, r->taken, r->n_taken, &p, &e) == 0)
			add_subnet(r, p, false);
		else
			err_add(&r->err, e.code, "%s", err_text(&e));
	}
}

/* Gateways that were not given, and: is anything left to hand out? */
static void complete(struct resolve *r, struct model_subnet *s)
{
	_cleanup_free_ struct ip *reserved = mem_alloc_array(s->n_aux + 1, sizeof(*reserved));
	struct pool p = { .subnet = s->subnet, .reserved = reserved, .n_reserved = s->n_aux };
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < s->n_aux; i++)
		reserved[i] = s->aux[i].ip;
	if (!ip_is_set(s->gateway) && !r->req->outside && !r->req->family &&
	    pool_pick(&p, 0, &s->gateway, NULL) < 0) {
		err_add(&r->err, -EINVAL, "no address is left for the gateway of %s",
			prefix_format(s->subnet, text));
		return;
	}
	if (ip_is_set(s->gateway))
		reserved[p.n_reserved++] = s->gateway;
	p.range = s->ip_range;
	if (pool_size(&p) == 0)
		err_add(&r->err, -EINVAL, "no address is left to hand out in %s",
			prefix_format(prefix_is_set(p.range) ? p.range : p.subnet, text));
}

int subnet_resolve(const struct subnet_request *req, const struct subnet_pool *pools,
		   size_t n_pools, const uint8_t cluster_id[32], const struct subnet_taken *taken,
		   size_t n_taken, struct model_subnet **ret_subnets, size_t *ret_n, struct err *e)
{
	struct resolve r = { .req = req, .taken = taken, .n_taken = n_taken };

	parse_subnets(&r);
	parse_gateways(&r);
	parse_ranges(&r);
	parse_aux(&r);
	choose_missing(&r, pools, n_pools, cluster_id);
	for (size_t i = 0; i < r.n; i++) {
		/* A subnet refused above would only be named twice. */
		if (r.err.code == 0 ||
		    pool_size(&(struct pool){ .subnet = r.subnets[i].subnet }) > 1)
			complete(&r, &r.subnets[i]);
	}
	if (r.n > MODEL_SUBNETS_MAX)
		err_add(&r.err, -EINVAL, "%zu subnets, at most %d are allowed", r.n,
			MODEL_SUBNETS_MAX);
	if (r.err.code) {
		subnet_free(r.subnets, r.n);
		err_add(e, r.err.code, "%s", r.err.text);
		return r.err.code;
	}
	*ret_subnets = r.subnets;
	*ret_n = r.n;
	return 0;
}

void subnet_free(struct model_subnet *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < s[i].n_aux; j++)
			free(s[i].aux[j].name);
		free(s[i].aux);
	}
	free(s);
}
