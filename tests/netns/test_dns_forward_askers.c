/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asks: the same question of several, bounds, cancelling, what is kept. Upstreams have all the time of the test for an answer.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "base/mem.h"
#include "tests/netns/dns_forward_lab.h"

#define FLOOD 2000
#define CLIENTS 10 /* of FLOOD */

static void test_one_packet_for_all(void **state)
{
	static const char *const names[] = { "www.example.org", "WWW.example.org",
					     "www.EXAMPLE.ORG" };
	struct lab *l = *state;
	struct lab_answer *a;

	for (unsigned i = 0; i < 10; i++)
		lab_ask(l, names[i % ARRAY_SIZE(names)]);
	assert_int_equal(lab_stats(l).in_flight, 1);
	lab_wait(l, 10);
	for (unsigned i = 0; i < 10; i++)
		lab_good(&l->answers[i], &l->up[0]);
	assert_int_equal(l->up[0].n_udp, 1);
	assert_int_equal(lab_stats(l).forwarded, 1);
	assert_int_equal(lab_stats(l).cached, 0);
	/* Another type, and with EDNS, are other questions. */
	a = lab_prepare(l, "www.example.org", ZONE_AAAA, false);
	assert_int_equal(lab_ask_as(a, 1, NULL, DNS_PACKET_MAX), 0);
	a = lab_prepare(l, "www.example.org", ZONE_A, true);
	assert_int_equal(lab_ask_as(a, 1, NULL, DNS_PACKET_MAX), 0);
	lab_wait(l, 12);
	assert_int_equal(l->up[0].n_udp, 3);
}

static void test_each_has_its_own_size(void **state)
{
	struct lab *l = *state;
	struct lab_answer *small = lab_prepare(l, "a.org", ZONE_A, false);
	struct lab_answer *large = lab_prepare(l, "a.org", ZONE_A, false);

	l->up[0].records = 60;
	assert_int_equal(lab_ask_as(small, 1, NULL, DNS_UDP_MIN), 0);
	assert_int_equal(lab_ask_as(large, 1, NULL, DNS_PACKET_MAX), 0);
	lab_wait(l, 2);
	lab_good(large, &l->up[0]);
	assert_true(small->len <= DNS_UDP_MIN);
	assert_true(lab_truncated(small));
	/* From the cache as well. */
	small = lab_prepare(l, "a.org", ZONE_A, false);
	assert_int_equal(lab_ask_as(small, 1, NULL, DNS_UDP_MIN), 0);
	assert_true(small->how.cached);
	assert_true(lab_truncated(small));
}

static bool has_cookie(const struct lab_answer *a)
{
	return memmem(a->reply, a->len, "tellnone", 8) != NULL;
}

/* A cookie (RFC 7873) is of the one who sent it. */
static void test_options_are_not_passed_to_others(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a[3];

	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		a[i] = lab_prepare(l, "a.org", ZONE_A, true);
		if (i == 2)
			lab_wait(l, 2);
		assert_int_equal(lab_ask_as(a[i], 1, NULL, DNS_PACKET_MAX), 0);
	}
	assert_true(a[2]->how.cached);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		lab_good(a[i], &l->up[0]);
		assert_int_equal(a[i]->reply[11], 1); /* OPT is there */
		assert_int_equal(has_cookie(a[i]), i == 0);
	}
}

static void test_askers_of_one_question(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	for (unsigned i = 0; i < DNS_FORWARD_ASKERS_MAX; i++)
		lab_ask(l, "a.org");
	a = lab_prepare(l, "a.org", ZONE_A, false);
	assert_int_equal(lab_ask_as(a, 2, NULL, DNS_PACKET_MAX), -EBUSY);
	lab_wait(l, DNS_FORWARD_ASKERS_MAX);
	assert_int_equal(a->calls, 0);
	assert_int_equal(lab_stats(l).refused, 1);
}

static void test_bound_of_one_client(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;
	char name[16];

	lab_get(l, "kept.org");
	for (unsigned i = 0; i < DNS_FORWARD_CLIENT_MAX; i++) {
		snprintf(name, sizeof(name), "n%u.org", i);
		lab_ask(l, name);
	}
	a = lab_prepare(l, "a.org", ZONE_A, false);
	assert_int_equal(lab_ask_as(a, 1, NULL, DNS_PACKET_MAX), -EBUSY);
	a = lab_prepare(l, "n0.org", ZONE_A, false); /* not even to join */
	assert_int_equal(lab_ask_as(a, 1, NULL, DNS_PACKET_MAX), -EBUSY);
	lab_good(lab_ask(l, "kept.org"), &l->up[0]);
	a = lab_prepare(l, "a.org", ZONE_A, false);
	assert_int_equal(lab_ask_as(a, 2, NULL, DNS_PACKET_MAX), 0);
	lab_wait(l, DNS_FORWARD_CLIENT_MAX + 3);
	lab_good(a, &l->up[0]);
	lab_good(lab_get(l, "again.org"), &l->up[0]);
}

/* More than there may be, in one turn of the loop: those beyond are refused at once, the others answered. */
static void test_flood(void **state)
{
	struct lab *l = *state;
	size_t taken = 0, fds = lab_fds();
	char name[16];

	l->up[0].ttl = 0;
	for (unsigned round = 0; round < 2; round++) {
		size_t told = l->n_told;

		taken = 0;
		l->n_asked = 0;
		for (unsigned i = 0; i < FLOOD; i++) {
			struct lab_answer *a = &l->answers[i];
			int r;

			free(a->reply);
			memset(a, 0, sizeof(*a));
			snprintf(name, sizeof(name), "n%u.org", i);
			lab_prepare(l, name, ZONE_A, false);
			r = lab_ask_as(a, i % CLIENTS, NULL, DNS_UDP_MIN);
			assert_int_equal(r, i < DNS_FORWARD_FLIGHT_MAX ? 0 : -EBUSY);
			taken += r == 0;
		}
		assert_int_equal(taken, DNS_FORWARD_FLIGHT_MAX);
		assert_int_equal(lab_stats(l).in_flight, taken);
		lab_wait(l, told + taken);
		for (unsigned i = 0; i < DNS_FORWARD_FLIGHT_MAX; i++)
			lab_good(&l->answers[i], &l->up[0]);
		assert_int_equal(lab_stats(l).in_flight, 0);
		assert_int_equal(lab_fds(), fds);
	}
	assert_int_equal(lab_stats(l).refused, (size_t)2 * (FLOOD - DNS_FORWARD_FLIGHT_MAX));
}

/* As many as there may be, and nobody answers. */
static void test_flood_of_silence(void **state)
{
	struct lab *l = *state;
	size_t fds = lab_fds();
	char name[16];

	lab_new(l, 50, 1);
	lab_servers(l, 2);
	l->up[0].mode = l->up[1].mode = LAB_SILENT;
	for (unsigned i = 0; i < DNS_FORWARD_FLIGHT_MAX; i++) {
		snprintf(name, sizeof(name), "n%u.org", i);
		assert_int_equal(lab_ask_as(lab_prepare(l, name, ZONE_A, false), i % CLIENTS, NULL,
					    DNS_UDP_MIN),
				 0);
	}
	lab_wait(l, DNS_FORWARD_FLIGHT_MAX);
	for (unsigned i = 0; i < DNS_FORWARD_FLIGHT_MAX; i++) {
		assert_int_equal(l->answers[i].calls, 1);
		assert_int_equal(lab_rcode(&l->answers[i]), DNS_SERVFAIL);
	}
	assert_int_equal(lab_fds(), fds);
}

static void test_too_long(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a = lab_prepare(l, "a.org", ZONE_A, false);

	a->pkt_len = DNS_FORWARD_QUESTION_MAX + 1;
	assert_int_equal(lab_ask_as(a, 1, NULL, DNS_PACKET_MAX), -EMSGSIZE);
	assert_int_equal(lab_stats(l).in_flight, 0);
}

static bool udp_came(struct lab *l)
{
	return l->up[0].n_udp > 0;
}

static bool tcp_came(struct lab *l)
{
	return l->up[0].n_tcp > 0;
}

/* Three questions, one asked twice, brought as far as @cond. */
static void bring_to(struct lab *l, bool (*cond)(struct lab *l))
{
	l->up[0].mode = cond == udp_came ? LAB_SILENT : LAB_TRUNCATED;
	l->up[0].tcp_mode = LAB_TCP_SILENT;
	lab_ask(l, "a.org");
	lab_ask(l, "a.org");
	lab_ask(l, "b.org");
	lab_ask(l, "c.org");
	if (cond)
		lab_until(l, cond);
}

static void test_cancel(void **state)
{
	static bool (*const conds[])(struct lab * l) = { NULL, udp_came, tcp_came };
	struct lab *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(conds); i++) {
		struct lab_answer *a = &l->answers[l->n_asked];

		bring_to(l, conds[i]);
		dns_forward_cancel(a[0].asked);
		assert_int_equal(lab_stats(l).in_flight, 3);
		dns_forward_cancel(a[1].asked);
		assert_int_equal(lab_stats(l).in_flight, 2);
		dns_forward_cancel(a[3].asked);
		dns_forward_cancel(a[2].asked);
		assert_int_equal(lab_stats(l).in_flight, 0);
		uv_run(&l->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(l->n_told, 0);
	l->up[0].mode = LAB_ANSWER;
	lab_good(lab_get(l, "a.org"), &l->up[0]);
}

static void cancel_victim(struct lab_answer *a)
{
	dns_forward_cancel(a->victim->asked);
}

static void test_cancel_from_inside(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a = lab_ask(l, "a.org"), *b = lab_ask(l, "b.org");

	/* The last of the same question, and one of another. */
	a->victim = lab_ask(l, "a.org");
	b->victim = lab_ask(l, "silent.org");
	l->up[0].silent_for = 's';
	a->inside = b->inside = cancel_victim;
	lab_wait(l, 2);
	lab_good(a, &l->up[0]);
	lab_good(b, &l->up[0]);
	assert_int_equal(a->victim->calls, 0);
	assert_int_equal(b->victim->calls, 0);
	assert_int_equal(lab_stats(l).in_flight, 0);
}

static void ask_again(struct lab_answer *a)
{
	uint8_t *before = mem_dup(a->reply, a->len);
	size_t len = a->len;

	a->inside = NULL;
	/* Kept by now: called from within. */
	lab_good(lab_ask(a->lab, "a.org"), &a->lab->up[0]);
	lab_ask(a->lab, "other.org");
	assert_int_equal(a->len, len);
	assert_memory_equal(a->reply, before, len);
	free(before);
}

static void test_ask_from_inside(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a = lab_ask(l, "a.org");

	a->inside = ask_again;
	lab_wait(l, 3);
	assert_true(l->answers[1].how.cached);
	lab_good(&l->answers[2], &l->up[0]);
}

static void test_close_in_the_middle(void **state)
{
	static bool (*const conds[])(struct lab * l) = { NULL, udp_came, tcp_came };
	struct lab *l = *state;

	for (size_t i = 0; i < ARRAY_SIZE(conds); i++) {
		bring_to(l, conds[i]);
		lab_new(l, LAB_WAIT_MS, LAB_WAIT_MS);
		if (i > 0) /* what of it has closed, what not */
			uv_run(&l->loop, UV_RUN_NOWAIT);
	}
	bring_to(l, udp_came);
	dns_forward_close(l->f);
	l->f = NULL;
	assert_int_equal(l->n_told, 0);
}

static void close_all(struct lab_answer *a)
{
	dns_forward_close(a->lab->f);
	a->lab->f = NULL;
}

static void test_close_from_inside(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a = lab_ask(l, "a.org");

	lab_ask(l, "a.org");
	lab_ask(l, "b.org");
	a->inside = close_all;
	lab_wait(l, 1);
	uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_int_equal(l->n_told, 1);
}

static void test_close_from_inside_a_cached_one(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	lab_get(l, "a.org");
	a = lab_prepare(l, "a.org", ZONE_A, false);
	a->inside = close_all;
	assert_int_equal(lab_ask_as(a, 1, NULL, DNS_PACKET_MAX), 0);
	lab_good(a, &l->up[0]);
}

static void test_cached(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	lab_get(l, "a.org");
	a = lab_ask(l, "A.Org");
	lab_good(a, &l->up[0]); /* from inside */
	assert_null(a->asked);
	assert_true(a->how.cached);
	assert_true(lab_ttl(a) <= l->up[0].ttl && lab_ttl(a) > 0);
	assert_int_equal(l->up[0].n_udp, 1);
	assert_int_equal(lab_stats(l).cached, 1);
	assert_int_equal(lab_stats(l).cache.hits, 1);
	/* Other servers may say something else. */
	lab_servers(l, 2);
	assert_int_equal(lab_stats(l).cache.entries, 0);
	assert_false(lab_get(l, "a.org")->how.cached);
	lab_servers(l, 2); /* the same again change nothing */
	assert_true(lab_get(l, "a.org")->how.cached);
}

static bool aged(struct lab *l)
{
	struct lab_answer *a;

	uv_update_time(&l->loop);
	l->n_asked--; /* the same one again */
	free(l->answers[l->n_asked].reply);
	memset(&l->answers[l->n_asked], 0, sizeof(l->answers[0]));
	a = lab_ask(l, "a.org");
	assert_int_equal(a->calls, 1);
	return lab_ttl(a) <= l->up[0].ttl - 1;
}

static void test_cached_ones_age(void **state)
{
	struct lab *l = *state;

	lab_get(l, "a.org");
	lab_until(l, aged);
	assert_int_equal(l->up[0].n_udp, 1);
}

static void test_negative_ones_are_kept(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	l->up[0].mode = LAB_NXDOMAIN;
	assert_int_equal(lab_rcode(lab_get(l, "a.org")), DNS_NXDOMAIN);
	a = lab_ask(l, "a.org");
	assert_true(a->how.cached);
	assert_int_equal(lab_rcode(a), DNS_NXDOMAIN);
	assert_int_equal(l->up[0].n_udp, 1);
}

static void test_servers_of_their_own(void **state)
{
	struct lab *l = *state;
	struct dns_servers own = lab_list(l, 1, 1), none = { .n = 0 };
	struct lab_answer *a;

	lab_servers(l, 1);
	l->up[1].mode = LAB_NXDOMAIN;
	lab_good(lab_get(l, "a.org"), &l->up[0]);
	a = lab_prepare(l, "a.org", ZONE_A, false);
	assert_int_equal(lab_ask_as(a, 2, &own, DNS_PACKET_MAX), 0);
	assert_non_null(a->asked); /* what others' said is not for it */
	lab_wait(l, 2);
	assert_int_equal(lab_rcode(a), DNS_NXDOMAIN);
	assert_true(ip_eq(a->how.server.ip, l->up[1].addr.ip));
	a = lab_ask(l, "a.org");
	assert_true(a->how.cached);
	assert_int_equal(lab_rcode(a), DNS_NOERROR);
	a = lab_prepare(l, "a.org", ZONE_A, false);
	assert_int_equal(lab_ask_as(a, 2, &own, DNS_PACKET_MAX), 0);
	assert_true(a->how.cached);
	assert_int_equal(lab_rcode(a), DNS_NXDOMAIN);
	a = lab_prepare(l, "a.org", ZONE_A, false);
	assert_int_equal(lab_ask_as(a, 2, &none, DNS_PACKET_MAX), 0);
	assert_int_equal(lab_rcode(a), DNS_NOERROR);
}

/* Those under way go on with the servers they began with. */
static void test_servers_change_under_way(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a = lab_ask(l, "a.org");

	lab_servers(l, 0);
	lab_wait(l, 1);
	lab_good(a, &l->up[0]);
	assert_string_equal(lab_get(l, "a.org")->error, "no upstream servers");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, dns_forward_lab_setup, dns_forward_lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_packet_for_all),
		TEST(test_each_has_its_own_size),
		TEST(test_options_are_not_passed_to_others),
		TEST(test_askers_of_one_question),
		TEST(test_bound_of_one_client),
		TEST(test_flood),
		TEST(test_flood_of_silence),
		TEST(test_too_long),
		TEST(test_cancel),
		TEST(test_cancel_from_inside),
		TEST(test_ask_from_inside),
		TEST(test_close_in_the_middle),
		TEST(test_close_from_inside),
		TEST(test_close_from_inside_a_cached_one),
		TEST(test_cached),
		TEST(test_cached_ones_age),
		TEST(test_negative_ones_are_kept),
		TEST(test_servers_of_their_own),
		TEST(test_servers_change_under_way),
	};
	int r;

	dns_forward_lab_begin();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	dns_forward_lab_end();
	return r;
}
