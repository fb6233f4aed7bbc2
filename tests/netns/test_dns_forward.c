/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A question's way from upstream to upstream. A try lasts as long as a test may (nothing depends on the machine being fast), but where silence
 * is what is tested.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "base/mem.h"
#include "tests/netns/dns_forward_lab.h"

#define SHORT_MS 100
#define MANY 128

static void test_plain(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a = lab_get(l, "wWw.Example.ORG");

	lab_good(a, &l->up[0]);
	assert_int_equal(a->how.tries, 1);
	assert_false(a->how.cached);
	assert_false(a->how.tcp);
	/* The asker's own bytes but for the id. */
	assert_int_equal(l->up[0].last_len, a->pkt_len);
	assert_memory_equal(l->up[0].last + 2, a->pkt + 2, a->pkt_len - 2);
	assert_int_equal(l->up[1].n_udp, 0);
	assert_int_equal(lab_stats(l).server[0].asked, 1);
	assert_int_equal(lab_stats(l).server[0].answered, 1);
	assert_int_equal(lab_stats(l).in_flight, 0);
}

static void test_ipv6_upstream_and_edns(void **state)
{
	struct lab *l = *state;
	struct dns_servers v6 = lab_list(l, 2, 1);
	struct lab_answer *a = lab_prepare(l, "a.org", ZONE_A, true);

	assert_int_equal(lab_ask_as(a, 1, &v6, DNS_PACKET_MAX), 0);
	lab_wait(l, 1);
	lab_good(a, &l->up[2]);
	assert_int_equal(l->up[2].last_len, a->pkt_len);
	assert_memory_equal(l->up[2].last + 2, a->pkt + 2, a->pkt_len - 2);
	/* The OPT that came, cookie and all. */
	assert_memory_equal(a->reply + a->len - 12, a->pkt + a->pkt_len - 12, 12);
}

/* How many of @v have one before them that is less than @near away; sequential ones all have. */
static unsigned count_near(const uint16_t *v, unsigned near)
{
	unsigned n = 0;

	for (size_t i = 1; i < MANY; i++) {
		int d = v[i] - v[i - 1];

		n += (unsigned)(d < 0 ? -d : d) < near;
	}
	return n;
}

static unsigned count_different(const uint16_t *v)
{
	unsigned n = 0;

	for (size_t i = 0; i < MANY; i++) {
		bool seen = false;

		for (size_t k = 0; k < i; k++)
			seen = seen || v[k] == v[i];
		n += !seen;
	}
	return n;
}

static void test_ids_and_ports_are_random(void **state)
{
	struct lab *l = *state;
	char name[16];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "n%u.org", i);
		lab_get(l, name);
	}
	assert_int_equal(l->up[0].n_udp, MANY);
	assert_true(count_different(l->up[0].id) > MANY - 10);
	assert_true(count_different(l->up[0].port) > MANY - 10);
	assert_true(count_near(l->up[0].id, 100) < 10);
	assert_true(count_near(l->up[0].port, 100) < 20);
}

static void test_silent_ones_are_followed(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	lab_new(l, SHORT_MS, LAB_WAIT_MS);
	l->up[0].mode = l->up[1].mode = LAB_SILENT;
	a = lab_get(l, "a.org");
	lab_good(a, &l->up[2]);
	assert_true(a->how.tries >= 3);
	assert_true(lab_stats(l).server[0].sick);
	assert_true(lab_stats(l).server[0].failed >= 1);
	assert_true(lab_stats(l).server[1].sick);
}

/* An answer that is there when the time is over, since the loop was kept from it, is no silence. */
static void test_late_to_read(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	lab_new(l, SHORT_MS, LAB_WAIT_MS);
	l->up[0].mode = LAB_ANSWER_AND_STALL;
	l->up[0].stall_ms = 2 * SHORT_MS;
	a = lab_get(l, "a.org");
	lab_good(a, &l->up[0]);
	assert_int_equal(a->how.tries, 1);
	assert_int_equal(l->up[0].n_udp, 1);
	assert_int_equal(lab_stats(l).server[0].failed, 0);
	assert_false(lab_stats(l).server[0].sick);
}

static void test_all_silent(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	lab_new(l, SHORT_MS, 1);
	l->up[0].mode = l->up[1].mode = LAB_SILENT;
	lab_servers(l, 2);
	a = lab_get(l, "a.org");
	assert_int_equal(a->calls, 1);
	assert_int_equal(lab_rcode(a), DNS_SERVFAIL);
	assert_string_equal(a->error, "127.0.0.1:5300: no answer within 100 ms (3 times); "
				      "127.0.0.2:5300: no answer within 100 ms (3 times)");
	assert_int_equal(a->how.tries, 2 * DNS_FORWARD_SERVER_TRIES_MAX);
	assert_int_equal(a->how.server.ip.family, 0);
	assert_int_equal(lab_stats(l).failed, 1);
	/* Not kept: asked for anew. */
	l->up[0].mode = l->up[1].mode = LAB_ANSWER;
	a = lab_get(l, "a.org");
	assert_int_equal(lab_rcode(a), DNS_NOERROR);
	assert_false(a->how.cached);
}

static void test_time_in_all(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	l->config.try_ms = SHORT_MS;
	l->config.total_ms = 2 * SHORT_MS;
	dns_forward_close(l->f);
	l->f = dns_forward_new(&l->config);
	for (size_t i = 0; i < LAB_UPSTREAMS; i++)
		l->up[i].mode = LAB_SILENT;
	lab_servers(l, 3);
	a = lab_get(l, "a.org");
	assert_int_equal(lab_rcode(a), DNS_SERVFAIL);
	assert_true(a->how.tries <= 2);
	assert_non_null(strstr(a->error, "::1]:5300: not asked"));
}

static void test_refusals_are_followed(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	l->up[0].mode = l->up[1].mode = LAB_RCODE;
	l->up[0].rcode = DNS_SERVFAIL;
	l->up[1].rcode = DNS_REFUSED;
	a = lab_get(l, "a.org");
	lab_good(a, &l->up[2]);
	assert_int_equal(a->how.tries, 3);
	assert_int_equal(lab_stats(l).server[0].failed, 1);
	assert_false(lab_stats(l).server[0].sick);
	l->up[2].mode = LAB_NO_QUESTION;
	l->up[2].rcode = DNS_NOTIMP;
	a = lab_get(l, "b.org");
	assert_int_equal(lab_rcode(a), DNS_SERVFAIL);
	assert_int_equal(a->how.tries, 3);
	assert_string_equal(
		a->error, "127.0.0.1:5300: SERVFAIL; 127.0.0.2:5300: REFUSED; [::1]:5300: NOTIMP");
	/* None of it is kept. */
	l->up[1].mode = LAB_ANSWER;
	lab_good(lab_get(l, "b.org"), &l->up[1]);
	assert_int_equal(lab_stats(l).cache.entries, 2);
}

/* Other errors are the answer. */
static void test_formerr_without_question(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	l->up[0].mode = LAB_NO_QUESTION;
	l->up[0].rcode = DNS_FORMERR;
	a = lab_get(l, "a.org");
	assert_int_equal(lab_rcode(a), DNS_FORMERR);
	assert_int_equal(a->how.tries, 1);
	assert_memory_equal(a->reply + DNS_HEADER, a->q.question, a->q.question_len);
	assert_string_equal(a->error, "");
}

static void test_closed_port_and_no_route(void **state)
{
	struct lab *l = *state;
	struct dns_servers s = lab_list(l, 0, 3);
	struct lab_answer *a;

	lab_mute(&l->up[0]);
	s.v[1].ip = ip_v4(0x0a090909);
	s.v[1].port = 53;
	dns_forward_servers(l->f, &s);
	a = lab_get(l, "a.org");
	lab_good(a, &l->up[2]);
	assert_int_equal(a->how.tries, 3);
	assert_true(lab_stats(l).server[0].sick);
	lab_mute(&l->up[2]);
	a = lab_get(l, "b.org");
	assert_int_equal(a->how.tries, 3);
	assert_string_equal(a->error, "[::1]:5300: Connection refused; 127.0.0.1:5300: Connection "
				      "refused; 10.9.9.9: Network is unreachable");
}

static void test_sick_ones_come_last(void **state)
{
	struct lab *l = *state;
	size_t n;

	lab_new(l, SHORT_MS, LAB_WAIT_MS);
	lab_servers(l, 2);
	l->up[0].mode = LAB_SILENT;
	lab_get(l, "a.org");
	assert_true(lab_stats(l).server[0].sick);
	/* It is well again, but nobody knows. */
	l->up[0].mode = LAB_ANSWER;
	n = l->up[1].n_udp;
	lab_get(l, "b.org");
	assert_true(l->up[1].n_udp > n);
	/* Its turn comes when the other one fails, and then it stays. */
	l->up[1].mode = LAB_SILENT;
	lab_good(lab_get(l, "c.org"), &l->up[0]);
	assert_true(lab_stats(l).server[1].sick);
	assert_false(lab_stats(l).server[0].sick);
	n = l->up[0].n_udp;
	lab_good(lab_get(l, "d.org"), &l->up[0]);
	assert_true(l->up[0].n_udp > n);
}

static bool nobody_sick(struct lab *l)
{
	uv_update_time(&l->loop);
	return !lab_stats(l).server[0].sick && !lab_stats(l).server[1].sick;
}

static void test_sick_for_a_while(void **state)
{
	struct lab *l = *state;

	lab_new(l, SHORT_MS, 2 * SHORT_MS);
	l->up[0].mode = LAB_SILENT;
	lab_good(lab_get(l, "a.org"), &l->up[1]);
	lab_until(l, nobody_sick);
	l->up[0].mode = LAB_ANSWER;
	l->up[1].mode = l->up[2].mode = LAB_SILENT;
	lab_good(lab_get(l, "b.org"), &l->up[0]);
}

static bool x_came(struct lab *l)
{
	return l->up[0].n_udp == 1;
}

static bool later(struct lab *l)
{
	static uint64_t since_ms;

	if (!since_ms)
		since_ms = uv_now(&l->loop);
	return uv_now(&l->loop) > since_ms + 10;
}

/* Of a name whose own servers are dead an upstream says nothing for long; it is well all the same. */
static void test_not_sick_while_it_answers_others(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;
	char name[16];

	lab_new(l, 1000, LAB_WAIT_MS);
	l->up[0].silent_for = 'x';
	a = lab_ask(l, "x.org");
	lab_until(l, x_came);
	lab_until(l, later);
	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "n%u.org", i);
		lab_ask(l, name);
	}
	lab_wait(l, 6);
	lab_good(a, &l->up[1]);
	assert_false(lab_stats(l).server[0].sick);
}

static void test_wrong_answers_are_passed_over(void **state)
{
	struct lab *l = *state;

	l->up[0].mode = LAB_WRONG_ID;
	lab_good(lab_get(l, "a.org"), &l->up[0]);
	l->up[0].mode = LAB_WRONG_QUESTION;
	lab_good(lab_get(l, "b.org"), &l->up[0]);
	assert_int_equal(lab_stats(l).server[0].failed, 0);
}

/* A try lasts as long as the test, and is given up. */
static void test_nothing_but_wrong_answers(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	l->up[0].mode = l->up[1].mode = LAB_WRONG_ONLY;
	lab_good(lab_get(l, "a.org"), &l->up[2]);
	lab_servers(l, 1);
	a = lab_get(l, "b.org");
	assert_string_equal(a->error, "127.0.0.1:5300: wrong answers only (3 times)");
}

static void test_answer_from_another_address(void **state)
{
	struct lab *l = *state;

	lab_new(l, SHORT_MS, LAB_WAIT_MS);
	l->up[0].mode = LAB_OTHER_ADDRESS;
	lab_good(lab_get(l, "a.org"), &l->up[1]);
	assert_true(lab_stats(l).server[0].sick);
}

static void test_truncated_is_asked_by_tcp(void **state)
{
	static const enum lab_tcp modes[] = { LAB_TCP_ANSWER, LAB_TCP_PARTS };
	struct lab *l = *state;
	struct lab_answer *a;
	char name[16];

	l->up[0].mode = LAB_TRUNCATED;
	l->up[0].records = 100;
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		snprintf(name, sizeof(name), "n%u.org", i);
		l->up[0].tcp_mode = modes[i];
		a = lab_get(l, name);
		lab_good(a, &l->up[0]);
		assert_true(a->how.tcp);
		assert_int_equal(l->up[0].n_tcp, i + 1);
		assert_int_equal(lab_stats(l).tcp, i + 1);
	}
	/* It is kept whole. */
	a = lab_get(l, "n0.org");
	lab_good(a, &l->up[0]);
	assert_true(a->how.cached);
}

static void is_truncated(const struct lab_answer *a, const struct lab_upstream *u)
{
	assert_int_equal(a->calls, 1);
	assert_int_equal(lab_rcode(a), DNS_NOERROR);
	assert_true(lab_truncated(a));
	assert_int_equal(lab_records(a), 1);
	assert_false(a->how.tcp);
	assert_true(ip_eq(a->how.server.ip, u->addr.ip));
}

static void test_tcp_fails(void **state)
{
	static const enum lab_tcp modes[] = { LAB_TCP_CLOSE, LAB_TCP_SHORT, LAB_TCP_WRONG_ID,
					      LAB_TCP_SERVFAIL };
	struct lab *l = *state;

	l->up[0].mode = LAB_TRUNCATED;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		l->up[0].tcp_mode = modes[i];
		is_truncated(lab_get(l, "a.org"), &l->up[0]);
		assert_int_equal(l->up[0].n_tcp, i + 1);
	}
	lab_mute_tcp(&l->up[0]);
	is_truncated(lab_get(l, "a.org"), &l->up[0]);
	assert_int_equal(lab_stats(l).cache.entries, 0);
}

static void test_tcp_is_silent(void **state)
{
	struct lab *l = *state;

	lab_new(l, SHORT_MS, 1);
	lab_servers(l, 1);
	l->up[0].mode = LAB_TRUNCATED;
	l->up[0].tcp_mode = LAB_TCP_SILENT;
	is_truncated(lab_get(l, "a.org"), &l->up[0]);
}

static bool tcp_is_full(struct lab *l)
{
	return l->up[0].n_tcp == DNS_FORWARD_TCP_MAX && l->n_told == 3;
}

static void test_no_more_tcp_than_allowed(void **state)
{
	struct lab *l = *state;
	char name[16];

	l->up[0].mode = LAB_TRUNCATED;
	l->up[0].tcp_mode = LAB_TCP_SILENT;
	for (unsigned i = 0; i < DNS_FORWARD_TCP_MAX + 3; i++) {
		snprintf(name, sizeof(name), "n%u.org", i);
		lab_ask(l, name);
	}
	lab_until(l, tcp_is_full);
	for (size_t i = 0; i < l->n_asked; i++)
		if (l->answers[i].calls)
			is_truncated(&l->answers[i], &l->up[0]);
		else
			dns_forward_cancel(l->answers[i].asked);
	/* Free again. */
	l->up[0].tcp_mode = LAB_TCP_ANSWER;
	lab_good(lab_get(l, "again.org"), &l->up[0]);
}

static void test_no_servers(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	lab_servers(l, 0);
	a = lab_ask(l, "a.org");
	assert_int_equal(a->calls, 0); /* not from inside */
	lab_wait(l, 1);
	assert_int_equal(lab_rcode(a), DNS_SERVFAIL);
	assert_string_equal(a->error, "no upstream servers");
	assert_memory_equal(a->reply + DNS_HEADER, a->q.question, a->q.question_len);
}

static void test_ourselves_are_left_out(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	l->self_up0 = true;
	lab_good(lab_get(l, "a.org"), &l->up[1]);
	assert_true(lab_stats(l).server[0].self);
	lab_servers(l, 1);
	a = lab_get(l, "b.org");
	assert_string_equal(a->error, "127.0.0.1:5300: left out, it is this node itself");
	assert_int_equal(l->up[0].n_udp, 0);
	l->self_up0 = false; /* our listener is closed: it is somebody else now */
	lab_good(lab_get(l, "b.org"), &l->up[0]);
}

/* Containers with servers of their own: what is known of those is bounded, too. */
static void test_servers_are_forgotten(void **state)
{
	struct lab *l = *state;
	struct lab_answer *a;

	lab_good(lab_get(l, "a.org"), &l->up[0]);
	for (unsigned i = 0; i < DNS_FORWARD_KNOWN_MAX + 10; i++) {
		struct dns_servers s = { .v = { { .ip = ip_v4(0x0a000000 + i), .port = 53 } },
					 .n = 1 };

		a = lab_prepare(l, "a.org", ZONE_A, false);
		assert_int_equal(lab_ask_as(a, 1, &s, DNS_PACKET_MAX), 0);
		lab_wait(l, l->n_asked);
		assert_int_equal(lab_rcode(a), DNS_SERVFAIL);
	}
	assert_int_equal(lab_stats(l).server[0].answered, 1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, dns_forward_lab_setup, dns_forward_lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain),
		TEST(test_ipv6_upstream_and_edns),
		TEST(test_ids_and_ports_are_random),
		TEST(test_silent_ones_are_followed),
		TEST(test_late_to_read),
		TEST(test_all_silent),
		TEST(test_time_in_all),
		TEST(test_refusals_are_followed),
		TEST(test_formerr_without_question),
		TEST(test_closed_port_and_no_route),
		TEST(test_sick_ones_come_last),
		TEST(test_sick_for_a_while),
		TEST(test_not_sick_while_it_answers_others),
		TEST(test_wrong_answers_are_passed_over),
		TEST(test_nothing_but_wrong_answers),
		TEST(test_answer_from_another_address),
		TEST(test_truncated_is_asked_by_tcp),
		TEST(test_tcp_fails),
		TEST(test_tcp_is_silent),
		TEST(test_no_more_tcp_than_allowed),
		TEST(test_no_servers),
		TEST(test_ourselves_are_left_out),
		TEST(test_servers_are_forgotten),
	};
	int r;

	dns_forward_lab_begin();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	dns_forward_lab_end();
	return r;
}
