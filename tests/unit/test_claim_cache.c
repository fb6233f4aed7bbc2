/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/claim_cache.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"

#define RECENT_MAX 100

static struct ip ip(const char *s)
{
	struct ip a;

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static void assert_pick(struct claim_cache *c, const char *subnet, uint64_t now_ms,
			const char *text)
{
	struct pool p = { 0 };
	char buf[IP_TEXT_MAX];
	struct ip a;

	assert_int_equal(prefix_parse(subnet, &p.subnet, NULL), 0);
	if (!text) {
		assert_int_equal(claim_cache_pick(c, &p, now_ms, 0, &a, NULL), -ENOSPC);
		return;
	}
	assert_int_equal(claim_cache_pick(c, &p, now_ms, 0, &a, NULL), 0);
	assert_string_equal(ip_format(a, buf), text);
}

static void in_flight(void **state)
{
	struct claim_cache c = { 0 };

	(void)state;
	claim_cache_hold(&c, ip("10.0.0.1"));
	claim_cache_hold(&c, ip("10.0.0.2"));
	claim_cache_hold(&c, ip("10.0.0.2"));
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.3");
	assert_true(claim_cache_in_flight(&c));
	claim_cache_drop(&c, ip("10.0.0.2"));
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.3");
	claim_cache_drop(&c, ip("10.0.0.2"));
	claim_cache_drop(&c, ip("10.0.0.2")); /* once more than held */
	claim_cache_drop(&c, ip("10.0.0.6")); /* never held */
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.2");
	/* Taken by the operation that tried it: stays. */
	claim_cache_take(&c, ip("10.0.0.1"), 7, 7);
	claim_cache_drop(&c, ip("10.0.0.1"));
	assert_false(claim_cache_in_flight(&c));
	assert_int_equal(c.n_used, 1);
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.2");
	claim_cache_done(&c);
}

static void recent_expires(void **state)
{
	struct claim_cache c = { 0 };

	(void)state;
	claim_cache_take(&c, ip("10.0.0.1"), 5, 5);
	claim_cache_release(&c, ip("10.0.0.1"), 6, 1000, RECENT_MAX);
	claim_cache_release(&c, ip("10.0.0.2"), 7, 2000, RECENT_MAX);
	/* Newest was .1; 3 to 6 are free. */
	assert_pick(&c, "10.0.0.0/29", 2000, "10.0.0.3");
	for (int i = 3; i < 7; i++)
		claim_cache_take(&c, ip_v4(0x0a000000 + (unsigned)i), 5 + i, 5 + i);
	/* Nothing else is free: a recent one after all. */
	assert_pick(&c, "10.0.0.0/29", 2000, "10.0.0.1");
	claim_cache_take(&c, ip("10.0.0.1"), 20, 20);
	assert_int_equal(c.n_recent, 1);
	assert_pick(&c, "10.0.0.0/29", 2000, "10.0.0.2");
	assert_pick(&c, "10.0.0.0/29", 2000 + POOL_RECENT_MS, "10.0.0.2");
	assert_int_equal(c.n_recent, 0);
	claim_cache_done(&c);
}

static void recent_is_bounded(void **state)
{
	struct claim_cache c = { 0 };

	(void)state;
	for (unsigned i = 0; i < 3 * RECENT_MAX; i++)
		claim_cache_release(&c, ip_v4(0x0a000000 + i * 7919 % 65536), (int64_t)i, i,
				    RECENT_MAX);
	assert_int_equal(c.n_recent, RECENT_MAX);
	for (size_t i = 1; i < c.n_recent; i++)
		assert_true(ip_cmp(c.recent[i - 1], c.recent[i]) < 0);
	for (size_t i = 0; i < c.n_recent; i++)
		assert_true(c.recent_info[i].known >= 2 * RECENT_MAX);
	claim_cache_done(&c);
}

static void fill_keeps_what_is_newer(void **state)
{
	struct claim_cache c = { 0 };
	struct claim_listed list[] = { { ip("10.0.0.4"), 4 },
				       { ip("10.0.0.3"), 9 },
				       { ip("fd00::2"), 8 },
				       { ip("10.0.0.5"), 3 } };

	(void)state;
	claim_cache_take(&c, ip("10.0.0.1"), 2, 2); /* gone by the time of the list */
	claim_cache_take(&c, ip("10.0.0.2"), 11, 11); /* taken after the list began */
	claim_cache_take(&c, ip("10.0.0.5"), 3, 3);
	claim_cache_release(&c, ip("10.0.0.5"), 12, 0, RECENT_MAX); /* released after it */
	claim_cache_hold(&c, ip("10.0.0.6"));
	claim_cache_fill(&c, list, ARRAY_SIZE(list), 10);
	assert_true(c.filled);
	assert_int_equal(c.n_used, 5); /* .2 .3 .4 .6 fd00::2 */
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.1"); /* newest .2; 3, 4, 6 taken, 5 recent */
	assert_pick(&c, "fd00::/64", 0, "fd00::3");
	claim_cache_take(&c, ip("10.0.0.1"), 13, 13);
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.5");
	claim_cache_drop(&c, ip("10.0.0.6"));
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.6");
	/* News that are older than what is known. */
	claim_cache_take(&c, ip("10.0.0.5"), 3, 11);
	claim_cache_release(&c, ip("10.0.0.1"), 12, 0, RECENT_MAX);
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.6");
	claim_cache_hold(&c, ip("10.0.0.6"));
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.5");
	claim_cache_done(&c);
}

static void store_went_back(void **state)
{
	struct claim_cache c = { 0 };
	struct claim_listed list[] = { { ip("10.0.0.1"), 90 } };

	(void)state;
	claim_cache_fill(&c, list, 1, 100);
	claim_cache_take(&c, ip("10.0.0.2"), 101, 101);
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.3");
	list[0] = (struct claim_listed){ ip("10.0.0.1"), 40 };
	claim_cache_fill(&c, list, 1, 50);
	assert_pick(&c, "10.0.0.0/29", 0, "10.0.0.2");
	claim_cache_done(&c);
}

static void full_of_a_16(void **state)
{
	struct claim_cache c = { 0 };
	struct claim_listed *list = mem_alloc_array(65536, sizeof(*list));

	(void)state;
	for (unsigned i = 1; i < 65535; i++)
		list[i - 1] = (struct claim_listed){ ip_v4(0x0a010000 + (i * 7919 % 65536)), i };
	/* 7919 is odd, so all numbers come; 0 and the broadcast address may be among them. */
	claim_cache_fill(&c, list, 65534, 70000);
	claim_cache_hold(&c, ip_v4(0x0a010000 + 65535u * 7919 % 65536));
	assert_pick(&c, "10.1.0.0/16", 0, NULL);
	claim_cache_release(&c, ip("10.1.77.7"), 70001, 0, RECENT_MAX);
	assert_pick(&c, "10.1.0.0/16", 0, "10.1.77.7");
	free(list);
	claim_cache_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_flight),	     cmocka_unit_test(recent_expires),
		cmocka_unit_test(recent_is_bounded), cmocka_unit_test(fill_keeps_what_is_newer),
		cmocka_unit_test(store_went_back),   cmocka_unit_test(full_of_a_16),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
