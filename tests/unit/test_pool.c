/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/pool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "base/mem.h"

static struct ip ip(const char *s)
{
	struct ip a;

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static struct prefix pfx(const char *s)
{
	struct prefix p;

	assert_int_equal(prefix_parse(s, &p, NULL), 0);
	return p;
}

static void assert_pick(const struct pool *p, uint64_t skip, const char *text)
{
	char buf[IP_TEXT_MAX];
	struct ip a;

	assert_int_equal(pool_pick(p, skip, &a, NULL), 0);
	assert_string_equal(ip_format(a, buf), text);
}

static void order(void **state)
{
	struct ip gateway = ip("10.0.0.1"), used[254], recent[4];
	struct pool p = { .subnet = pfx("10.0.0.0/24"),
			  .reserved = &gateway,
			  .n_reserved = 1,
			  .used = used,
			  .recent = recent };

	(void)state;
	assert_pick(&p, 0, "10.0.0.2");
	used[p.n_used++] = ip("10.0.0.2");
	p.newest = ip("10.0.0.2");
	assert_pick(&p, 0, "10.0.0.3");
	/* Released lately, but the newest all the same: not back at once. */
	p.n_used = 0;
	assert_pick(&p, 0, "10.0.0.3");
	/* Wraps, and passes over what was released lately. */
	p.newest = ip("10.0.0.254");
	assert_pick(&p, 0, "10.0.0.2");
	recent[p.n_recent++] = ip("10.0.0.2");
	recent[p.n_recent++] = ip("10.0.0.3");
	assert_pick(&p, 0, "10.0.0.4");
	/* A newest one of elsewhere does not count. */
	p.newest = ip("10.0.1.7");
	assert_pick(&p, 0, "10.0.0.4");
	assert_pick(&p, 10, "10.0.0.14");
	/* 251 are free: 254 hosts, the gateway, two recent */
	assert_pick(&p, 251, "10.0.0.4");
	assert_pick(&p, 251 * 1000003ull + 5, "10.0.0.9");
}

static void recent_last(void **state)
{
	struct ip gateway = ip("10.0.0.1"), used[253], recent[2];
	struct pool p = { .subnet = pfx("10.0.0.0/24"),
			  .reserved = &gateway,
			  .n_reserved = 1,
			  .used = used,
			  .recent = recent };
	struct err e = { 0 };
	struct ip a, keep = ip("192.0.2.1");

	(void)state;
	for (int i = 2; i < 255; i++) {
		if (i != 77 && i != 99)
			used[p.n_used++] = ip_add(pfx("10.0.0.0/24").ip, i);
	}
	recent[p.n_recent++] = ip("10.0.0.77");
	assert_pick(&p, 0, "10.0.0.99");
	recent[p.n_recent++] = ip("10.0.0.99");
	assert_pick(&p, 0, "10.0.0.77");
	p.newest = ip("10.0.0.80");
	assert_pick(&p, 0, "10.0.0.99");
	assert_pick(&p, 1, "10.0.0.77");
	p.n_used = p.n_recent = 0;
	for (int i = 2; i < 255; i++)
		used[p.n_used++] = ip_add(pfx("10.0.0.0/24").ip, i);
	a = keep;
	assert_int_equal(pool_pick(&p, 0, &a, &e), -ENOSPC);
	assert_memory_equal(&a, &keep, sizeof(a));
	assert_string_equal(e.text, "no free address in 10.0.0.0/24: all 253 are taken");
	p.range = pfx("10.0.0.8/29");
	assert_int_equal(pool_pick(&p, 3, &a, &e), -ENOSPC);
	assert_string_equal(e.text,
			    "no free address in range 10.0.0.8/29 of 10.0.0.0/24: all 8 are taken");
}

static void ranges_and_sizes(void **state)
{
	struct ip reserved[] = { ip("10.0.0.1"), ip("10.0.0.130"), ip("10.0.0.130"), ip("fd00::1"),
				 ip("10.9.9.9") };
	struct pool p = { .subnet = pfx("10.0.0.0/24"),
			  .reserved = reserved,
			  .n_reserved = ARRAY_SIZE(reserved) };

	(void)state;
	assert_int_equal(pool_size(&p), 252);
	p.range = pfx("10.0.0.128/30");
	assert_int_equal(pool_size(&p), 3);
	assert_pick(&p, 0, "10.0.0.128");
	assert_pick(&p, 2, "10.0.0.131");
	/* The subnet's edges stay out though the range has them. */
	p.range = pfx("10.0.0.252/30");
	assert_int_equal(pool_size(&p), 3);
	p.range = pfx("10.0.0.0/31");
	assert_int_equal(pool_size(&p), 0);
	p.range = pfx("10.0.0.0/32");
	assert_int_equal(pool_size(&p), 0);
	assert_int_equal(pool_pick(&p, 0, &(struct ip){ 0 }, NULL), -ENOSPC);
	p = (struct pool){ .subnet = pfx("10.0.0.0/30") };
	assert_int_equal(pool_size(&p), 2);
	p.subnet = pfx("10.0.0.0/31");
	assert_int_equal(pool_size(&p), 2);
	assert_pick(&p, 0, "10.0.0.0");
	p.subnet = pfx("10.0.0.7/32");
	assert_int_equal(pool_size(&p), 1);
	assert_pick(&p, 9, "10.0.0.7");
	p.subnet = pfx("0.0.0.0/0");
	assert_int_equal(pool_size(&p), 0xfffffffeull);
	p.newest = ip("255.255.255.254");
	assert_pick(&p, 0, "0.0.0.1");
}

static void ipv6(void **state)
{
	struct ip gateway = ip("fd00:1::1");
	/* IPv4 neighbours in the list, as a network of both families has. */
	struct ip used[] = { ip("10.0.0.2"), ip("10.0.0.3"), ip("fd00:1::2"), ip("fd00:2::1") };
	struct pool p = { .subnet = pfx("fd00:1::/64"),
			  .reserved = &gateway,
			  .n_reserved = 1,
			  .used = used,
			  .n_used = ARRAY_SIZE(used) };

	(void)state;
	assert_pick(&p, 0, "fd00:1::3");
	p.n_used = 2;
	assert_pick(&p, 0, "fd00:1::2");
	p.newest = ip("fd00:1::ffff:ffff:ffff:ffff");
	assert_pick(&p, 0, "fd00:1::2");
	/* No broadcast in IPv6: the last one is as good as any. */
	p.newest = ip("fd00:1::ffff:ffff:ffff:fffe");
	assert_pick(&p, 0, "fd00:1::ffff:ffff:ffff:ffff");
	assert_pick(&p, 1, "fd00:1::2");
	assert_true(pool_size(&p) == UINT64_MAX - 1);
	p.subnet = pfx("fd00:1::/48");
	assert_true(pool_size(&p) == UINT64_MAX);
	p.subnet = pfx("::/0");
	assert_true(pool_size(&p) == UINT64_MAX);
	assert_pick(&p, UINT64_MAX, "fd00:1:0:1:ffff:ffff:ffff:fffe");
	p = (struct pool){ .subnet = pfx("fd00::/126") };
	assert_int_equal(pool_size(&p), 3);
	p.subnet = pfx("fd00::/127");
	assert_pick(&p, 0, "fd00::");
}

static void checks(void **state)
{
	struct ip reserved[] = { ip("10.0.0.1"), ip("10.0.0.9") };
	const char *who[] = { "the gateway", "the auxiliary address printer" };
	struct pool p = { .subnet = pfx("10.0.0.0/24"),
			  .range = pfx("10.0.0.128/25"),
			  .reserved = reserved,
			  .n_reserved = 2 };
	struct pool six = { .subnet = pfx("fd00::/64") };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(pool_check(&p, ip("10.0.0.7"), &e), 0);
	assert_int_equal(pool_check(&p, ip("10.0.0.200"), &e), 0);
	assert_int_equal(pool_check(&p, ip("10.0.1.7"), &e), -ERANGE);
	assert_string_equal(e.text, "address 10.0.1.7 is outside of 10.0.0.0/24");
	assert_int_equal(pool_check(&p, ip("fd00::7"), NULL), -ERANGE);
	assert_int_equal(pool_check(&p, ip("10.0.0.0"), &e), -EINVAL);
	assert_string_equal(e.text, "address 10.0.0.0 is the network address of 10.0.0.0/24");
	assert_int_equal(pool_check(&p, ip("10.0.0.255"), &e), -EINVAL);
	assert_int_equal(pool_check(&p, ip("10.0.0.9"), &e), -EADDRINUSE);
	p.reserved_who = who;
	assert_int_equal(pool_check(&p, ip("10.0.0.9"), &e), -EADDRINUSE);
	assert_string_equal(e.text,
			    "address 10.0.0.9 is the auxiliary address printer of 10.0.0.0/24");
	assert_int_equal(pool_check(&six, ip("fd00::"), &e), -EINVAL);
	assert_int_equal(pool_check(&six, ip("fd00::ffff:ffff:ffff:ffff"), &e), 0);
}

/* ---- against a plain count ---- */

#define WORLD 64 /* addresses of the /26 */

struct world {
	bool in_range[WORLD], reserved[WORLD], used[WORLD], recent[WORLD];
	int newest; /* -1: none */
};

/* What the header says, one address after the other. */
static int expected(const struct world *w, uint64_t skip)
{
	for (int with_recent = 0; with_recent < 2; with_recent++) {
		int free_ones[WORLD], n = 0, start = w->newest >= 0 ? w->newest + 1 : 0;

		for (int i = 0; i < WORLD; i++) {
			int a = (start + i) % WORLD;

			if (a == 0 || a == WORLD - 1 || !w->in_range[a] || w->reserved[a] ||
			    w->used[a] || (w->recent[a] && !with_recent))
				continue;
			free_ones[n++] = a;
		}
		if (n)
			return free_ones[skip % (uint64_t)n];
	}
	return -1;
}

static size_t gather(struct ip base, const bool *set, struct ip *ret)
{
	size_t n = 0;

	for (int i = 0; i < WORLD; i++) {
		if (set[i])
			ret[n++] = ip_add(base, i);
	}
	return n;
}

static void random_world(uint64_t *seed, struct world *w, struct pool *p, struct ip base)
{
	unsigned used_share = (unsigned)(backoff_rand(seed) % 101);
	unsigned recent_share = (unsigned)(backoff_rand(seed) % 101);
	int len = 26 + (int)(backoff_rand(seed) % 7);
	struct ip at = ip_add(base, (int64_t)(backoff_rand(seed) % WORLD));

	p->range = (struct prefix){ 0 };
	if (backoff_rand(seed) % 2)
		p->range = prefix_mask(at, (unsigned)len);
	w->newest = -1;
	for (int i = 0; i < WORLD; i++) {
		struct ip a = ip_add(base, i);

		w->in_range[i] = !prefix_is_set(p->range) || prefix_contains(p->range, a);
		w->reserved[i] = backoff_rand(seed) % 20 == 0;
		w->used[i] = backoff_rand(seed) % 100 < used_share;
		w->recent[i] = !w->used[i] && backoff_rand(seed) % 100 < recent_share;
	}
	p->newest = (struct ip){ 0 };
	if (backoff_rand(seed) % 4) {
		w->newest = (int)(backoff_rand(seed) % WORLD);
		p->newest = ip_add(base, w->newest);
	}
}

static void same_as_counted(void **state)
{
	const char *text = getenv("OVL_TEST_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

	(void)state;
	print_message("seed: OVL_TEST_SEED=%llu\n", (unsigned long long)seed);
	for (int i = 0; i < 5000; i++) {
		struct ip base = ip("10.0.0.64"), found = { 0 };
		struct ip reserved[WORLD], used[WORLD], recent[WORLD];
		struct pool p = { .subnet = pfx("10.0.0.64/26"),
				  .reserved = reserved,
				  .used = used,
				  .recent = recent };
		uint64_t skip = backoff_rand(&seed) % 3 ? 0 : backoff_rand(&seed);
		struct world w;
		int want, r;

		random_world(&seed, &w, &p, base);
		p.n_reserved = gather(base, w.reserved, reserved);
		p.n_used = gather(base, w.used, used);
		p.n_recent = gather(base, w.recent, recent);
		/* A newest one outside of the range: from the range's beginning. */
		if (w.newest >= 0 && !w.in_range[w.newest])
			w.newest = -1;
		want = expected(&w, skip);
		r = pool_pick(&p, skip, &found, NULL);
		if (want < 0)
			assert_int_equal(r, -ENOSPC);
		else
			assert_int_equal(r ? r : ip_diff(found, base), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order),
		cmocka_unit_test(recent_last),
		cmocka_unit_test(ranges_and_sizes),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(checks),
		cmocka_unit_test(same_as_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
