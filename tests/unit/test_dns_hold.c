/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions that are kept: how many, how long, and that each is given back once. dns_listen_watch() is a stand-in here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/dns/dns_hold.h"
#include "base/mem.h"

struct dns_asker {
	dns_gone_fn gone;
	void *user;
	unsigned late, again;
	uint8_t pkt[4];
};
static struct {
	uv_loop_t loop;
	struct dns_hold *h;
	struct dns_asker askers[DNS_HOLD_MAX + 1];
	struct ip known;
	struct dns_asker *goes; /* with the first that is given back */
} lab;

void dns_listen_watch(struct dns_asker *a, dns_gone_fn fn, void *user)
{
	a->gone = fn;
	a->user = user;
}

static void late(void *user, struct dns_asker *asker, const struct dns_from *from,
		 const uint8_t *pkt, size_t len)
{
	(void)user;
	(void)from;
	assert_int_equal(len, sizeof(asker->pkt));
	assert_memory_equal(pkt, asker->pkt, len);
	assert_null(asker->gone);
	asker->late++;
}

static void again(void *user, struct dns_asker *asker, const struct dns_from *from,
		  const uint8_t *pkt, size_t len)
{
	struct dns_asker *goes = TAKE_PTR(lab.goes);

	late(user, asker, from, pkt, len);
	asker->late--;
	asker->again++;
	if (goes && goes->gone)
		goes->gone(goes->user);
}

static bool is_known(void *user, const struct dns_from *from)
{
	(void)user;
	return ip_eq(from->source, lab.known);
}

static bool put(size_t i, uint32_t ip)
{
	struct dns_asker *a = &lab.askers[i];
	struct dns_from from = { .key = 1, .source = ip_v4(ip) };
	uint8_t pkt[4] = { 1, 2, (uint8_t)(i >> 8), (uint8_t)i };

	memcpy(a->pkt, pkt, sizeof(pkt));
	return dns_hold_put(lab.h, a, &from, pkt, sizeof(pkt));
}

static int setup(void **state)
{
	(void)state;
	memset(&lab, 0, sizeof(lab));
	uv_loop_init(&lab.loop);
	lab.h = dns_hold_new(&lab.loop, late, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dns_hold_close(lab.h);
	uv_run(&lab.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&lab.loop), 0);
	return 0;
}

static void bounds(void **state)
{
	size_t n = 0;

	(void)state;
	while (n < DNS_HOLD_SOURCE_MAX)
		assert_true(put(n++, 1));
	assert_false(put(n, 1));
	for (uint32_t ip = 2; n < DNS_HOLD_MAX; ip++) {
		for (size_t i = 0; i < DNS_HOLD_SOURCE_MAX && n < DNS_HOLD_MAX; i++)
			assert_true(put(n++, ip));
	}
	assert_false(put(n, 1000));
	assert_int_equal(dns_hold_count(lab.h), DNS_HOLD_MAX);
	/* One whose asker has gone makes room; the rest is held when all is closed. */
	lab.askers[3].gone(lab.askers[3].user);
	assert_true(put(n, 1000));
}

static void known_at_last(void **state)
{
	(void)state;
	assert_true(put(0, 1) && put(1, 2) && put(2, 1) && put(3, 1));
	dns_hold_again(lab.h, is_known, again, NULL);
	assert_int_equal(dns_hold_count(lab.h), 4);
	lab.known = ip_v4(1);
	lab.goes = &lab.askers[2];
	dns_hold_again(lab.h, is_known, again, NULL);
	assert_int_equal(dns_hold_count(lab.h), 1);
	assert_int_equal(lab.askers[0].again, 1);
	assert_int_equal(lab.askers[2].again, 0);
	assert_int_equal(lab.askers[3].again, 1);
	dns_hold_again(lab.h, is_known, again, NULL);
	assert_int_equal(lab.askers[0].again, 1);
}

static void too_late(void **state)
{
	uint64_t begin;

	(void)state;
	uv_update_time(&lab.loop);
	begin = uv_now(&lab.loop);
	assert_true(put(0, 1) && put(1, 2));
	uv_run(&lab.loop, UV_RUN_DEFAULT); /* while anything is held */
	assert_true(uv_now(&lab.loop) >= begin + DNS_HOLD_MS);
	assert_int_equal(dns_hold_count(lab.h), 0);
	assert_int_equal(lab.askers[0].late, 1);
	assert_int_equal(lab.askers[1].late, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(known_at_last, setup, teardown),
		cmocka_unit_test_setup_teardown(too_late, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
