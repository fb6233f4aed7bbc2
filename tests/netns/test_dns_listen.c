/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets on port 53 by UDP: who asked, on which network, and from where the answer comes. The handler gives questions back as answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include "agent/dns/dns_listen_priv.h"
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"
#include "tests/netns/dns_lab.h"
#include "tests/netns/dns_listen_lab.h"

static void test_own_key_and_source(void **state)
{
	static const struct {
		const char *client, *from, *to;
		uint32_t key;
	} v[] = {
		{ "c1", "10.7.0.2", "10.7.0.1", DNS_LAB_A },
		{ "c2", "10.7.0.2", "10.7.0.1", DNS_LAB_B },
		{ "c1", "10.7.1.2", "10.7.1.1", DNS_LAB_A },
		{ "c2", "10.7.2.2", "10.7.2.1", DNS_LAB_B },
		{ "c1", "fd07::2", "fd07::1", DNS_LAB_A },
		{ "c2", "fd07::2", "fd07::1", DNS_LAB_B },
		{ "c1", "fd07:1::2", "fd07:1::1", DNS_LAB_A },
		{ "c2", "fd07:2::2", "fd07:2::1", DNS_LAB_B },
		{ "c3", "10.8.0.2", "10.8.0.1", DNS_LAB_HOST },
		{ "c3", "fd08::2", "fd08::1", DNS_LAB_HOST },
	};
	struct listen_lab *l = *state;

	listen_lab_overlay(l, "o");
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "fd08::1", 0);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		char question[64], answer[64];
		int fd = dns_lab_udp(v[i].client, v[i].from);
		struct ip from;
		int n = snprintf(question, sizeof(question), "question %zu", i);

		assert_int_equal(dns_lab_send(fd, v[i].to, question, (size_t)n), 0);
		assert_int_equal(dns_lab_recv(&l->loop, fd, answer, sizeof(answer), &from), n);
		assert_memory_equal(answer, question, (size_t)n);
		assert_true(ip_eq(from, dns_lab_ip(v[i].to)));
		assert_int_equal(l->last.key, v[i].key);
		assert_true(ip_eq(l->last.source, dns_lab_ip(v[i].from)));
		assert_false(l->last.tcp);
		close(fd);
	}
	assert_int_equal(listen_lab_stats(l).udp, ARRAY_SIZE(v));
	assert_int_equal(listen_lab_stats(l).dropped, 0);
	assert_int_equal(listen_lab_stats(l).host, 2);
	assert_true(listen_lab_stats(l).overlay);
}

/* What other nodes would answer too. */
static void test_not_to_all(void **state)
{
	struct listen_lab *l = *state;
	int fd = dns_lab_udp("c1", "10.7.1.2"), one = 1, fd6;

	listen_lab_overlay(l, "o");
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)), 0);
	assert_int_equal(dns_lab_send(fd, "10.7.1.255", "all", 3), 0);
	listen_lab_echo(l, fd, "10.7.1.1", "one");
	assert_int_equal(l->n, 1);
	close(fd);
	fd6 = dns_lab_udp("c1", "fd07:1::2");
	nft_lab_sh("ip -n ~o maddr show dev br%u | grep -q ff02::1", DNS_LAB_A);
	dns_lab_send(fd6, "ff02::1", "all", 3); /* no scope: by the only interface */
	listen_lab_echo(l, fd6, "fd07:1::1", "one");
	assert_int_equal(l->n, 2);
	close(fd6);
}

static uint32_t key_by(struct listen_lab *l, const char *from, const char *to)
{
	int fd = dns_lab_udp("c2", from);

	listen_lab_echo(l, fd, to, "whose?");
	close(fd);
	return l->last.key;
}

/* Names that are not exactly ours mean nothing; the same name again means the same network. */
static void test_renamed_and_made_again(void **state)
{
	static const char *const others[] = { "brx",	    "br01048577",   "br16777216",
					      "br1048577x", "br4295966873", "br",
					      "br0" };
	struct listen_lab *l = *state;

	listen_lab_overlay(l, "o");
	assert_int_equal(key_by(l, "10.7.2.2", "10.7.2.1"), DNS_LAB_B);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		nft_lab_sh("ip -n ~o link set dev br1048577 name %s", others[i]);
		assert_int_equal(key_by(l, "10.7.2.2", "10.7.2.1"), 0);
		nft_lab_sh("ip -n ~o link set dev %s name br1048577", others[i]);
	}
	assert_int_equal(key_by(l, "10.7.2.2", "10.7.2.1"), DNS_LAB_B);
	nft_lab_sh("ip -n ~o link del br1048577; ip -n ~o link del vc2");
	dns_lab_bridge("o", DNS_LAB_B, "c2");
	assert_int_equal(key_by(l, "10.7.2.2", "10.7.2.1"), DNS_LAB_B);
	assert_int_equal(key_by(l, "fd07:2::2", "fd07:2::1"), DNS_LAB_B);
}

static void test_namespace_made_again(void **state)
{
	struct listen_lab *l = *state;
	int fd;

	listen_lab_overlay(l, "o");
	assert_int_equal(key_by(l, "10.7.2.2", "10.7.2.1"), DNS_LAB_B);
	listen_lab_overlay(l, "o"); /* the same: nothing is opened anew */
	assert_int_equal(l->opened, 0);
	nft_lab_sh("ip -n ~o link del vc2");
	dns_lab_bridge("o2", DNS_LAB_B, "c2");
	listen_lab_overlay(l, "o2");
	assert_int_equal(key_by(l, "10.7.2.2", "10.7.2.1"), DNS_LAB_B);
	fd = dns_lab_udp("c1", "10.7.1.2");
	listen_lab_refused(l, fd, "10.7.1.1"); /* nobody listens in the old one */
	close(fd);
	assert_int_equal(dns_listen_overlay(l->listen, -1, NULL), 0);
	assert_false(listen_lab_stats(l).overlay);
	fd = dns_lab_udp("c2", "10.7.2.2");
	listen_lab_refused(l, fd, "10.7.2.1");
	close(fd);
	nft_lab_sh("ip -n ~o2 link del br1048577; ip -n ~o2 link del vc2; "
		   "ip -n ~o link del br1048577");
	dns_lab_bridge("o", DNS_LAB_B, "c2");
}

/* A question to the address that comes by another interface is not ours. */
static void test_host_device(void **state)
{
	struct listen_lab *l = *state;
	int c3 = dns_lab_udp("c3", "10.8.0.2"), c4 = dns_lab_udp("c4", "10.9.0.2");
	struct dns_server_addr a = { dns_lab_ip("10.8.0.1"), 53 };

	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.99", 0); /* comes later */
	assert_int_equal(listen_lab_stats(l).host, 2);
	listen_lab_refused(l, c4, "10.8.0.1");
	listen_lab_echo(l, c3, "10.8.0.1", "mine");
	assert_int_equal(l->n, 1);
	nft_lab_sh("ip -n ~h addr add 10.8.0.99/24 dev hb0");
	listen_lab_echo(l, c3, "10.8.0.99", "later");
	nft_lab_sh("ip -n ~h addr del 10.8.0.99/24 dev hb0");
	assert_true(dns_listen_is_self(l->listen, a));
	a.port = 5353;
	assert_false(dns_listen_is_self(l->listen, a));
	listen_lab_host(l, DNS_LAB_HOST2, "hb1", "10.9.0.1", 0);
	dns_listen_host_del(l->listen, DNS_LAB_HOST);
	assert_int_equal(listen_lab_stats(l).host, 1);
	listen_lab_refused(l, c3, "10.8.0.1");
	listen_lab_echo(l, c4, "10.9.0.1", "mine");
	assert_int_equal(l->last.key, DNS_LAB_HOST2);
	close(c3);
	close(c4);
}

static void test_host_device_made_again(void **state)
{
	struct listen_lab *l = *state;
	int fd = dns_lab_udp("c3", "10.8.0.2");

	listen_lab_host(l, DNS_LAB_HOST, "hb9", "10.8.0.1", -ENODEV);
	assert_non_null(strstr(l->error, "there is no device hb9"));
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	assert_int_equal(l->opened, 0);
	listen_lab_echo(l, fd, "10.8.0.1", "one");
	nft_lab_sh("ip -n ~h link del hb0");
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", -ENODEV);
	assert_int_equal(listen_lab_stats(l).host, 0);
	nft_lab_sh("ip -n ~h link add hb0 type bridge; ip -n ~h addr add 10.8.0.1/24 dev hb0; "
		   "ip -n ~h addr add fd08::1/64 dev hb0 nodad; "
		   "ip -n ~h link set hb0 up; ip -n ~h link set vc3 master hb0");
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	listen_lab_echo(l, fd, "10.8.0.1", "two");
	nft_lab_sh("ip -n ~h link set hb0 down; ip -n ~h link set hb0 name hb7; "
		   "ip -n ~h link add hb0 type bridge");
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	assert_true(l->opened > 0); /* another device by now */
	nft_lab_sh(
		"ip -n ~h link del hb0; ip -n ~h link set hb7 name hb0; ip -n ~h link set hb0 up; "
		"ip -n ~h addr replace fd08::1/64 dev hb0 nodad");
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	listen_lab_echo(l, fd, "10.8.0.1", "three");
	close(fd);
}

/* Answers long after, in any order, each to its own and from the address it asked. */
static void test_answered_later(void **state)
{
	struct listen_lab *l = *state;
	int a = dns_lab_udp("c1", "10.7.0.2"), b = dns_lab_udp("c2", "10.7.0.2");
	char buf[16];
	struct ip from;

	listen_lab_overlay(l, "o");
	l->how = LAB_KEEP;
	dns_lab_send(a, "10.7.1.1", "a", 1); /* of one's own network, but another address */
	dns_lab_send(b, "10.7.0.1", "b", 1);
	listen_lab_until(l, 2);
	assert_int_equal(listen_lab_stats(l).under_way, 2);
	while (l->n_kept > 0)
		dns_listen_answer(l->kept[--l->n_kept].asker, (const uint8_t *)"later", 5);
	assert_int_equal(dns_lab_recv(&l->loop, a, buf, sizeof(buf), &from), 5);
	assert_true(ip_eq(from, dns_lab_ip("10.7.1.1")));
	assert_int_equal(dns_lab_recv(&l->loop, b, buf, sizeof(buf), &from), 5);
	assert_true(ip_eq(from, dns_lab_ip("10.7.0.1")));
	assert_int_equal(listen_lab_stats(l).under_way, 0);
	dns_lab_send(a, "10.7.1.1", "a", 1);
	listen_lab_until(l, 3);
	dns_listen_drop(l->kept[--l->n_kept].asker);
	assert_int_equal(listen_lab_stats(l).dropped, 1);
	close(a);
	close(b);
}

/* The socket goes before the answer comes: whoever watches is told, and others may answer into nothing. */
static void test_gone(void **state)
{
	struct listen_lab *l = *state;
	int fd = dns_lab_udp("c3", "10.8.0.2");

	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	l->how = LAB_KEEP;
	for (size_t i = 0; i < 3; i++)
		dns_lab_send(fd, "10.8.0.1", "a", 1);
	listen_lab_until(l, 3);
	l->kept[1].asker->gone = NULL; /* was not watched */
	dns_listen_host_del(l->listen, DNS_LAB_HOST);
	assert_int_equal(l->gone, 2);
	assert_int_equal(listen_lab_stats(l).under_way, 0);
	dns_listen_answer(l->kept[1].asker, (const uint8_t *)"later", 5);
	l->n_kept = 0;
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	dns_lab_send(fd, "10.8.0.1", "a", 1);
	dns_lab_send(fd, "10.8.0.1", "a", 1);
	listen_lab_until(l, 5);
	l->kept[1].asker->gone = NULL;
	dns_listen_host_del(l->listen, DNS_LAB_HOST);
	assert_int_equal(l->gone, 3); /* the other is freed by dns_listen_close() */
	close(fd);
}

/* The handler may close what the question came by. */
static void test_closed_within(void **state)
{
	struct listen_lab *l = *state;
	int fd = dns_lab_udp("c3", "10.8.0.2");

	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	for (size_t i = 0; i < 10; i++)
		dns_lab_send(fd, "10.8.0.1", "a", 1);
	l->how = LAB_CLOSE_HOST;
	listen_lab_until(l, 1);
	uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_int_equal(l->n, 1);
	close(fd);
}

/* Too many under way: the newest goes. */
static void test_under_way_bound(void **state)
{
	struct listen_lab *l = *state;
	int fd = dns_lab_udp("c1", "10.7.1.2");
	const size_t more = 100;

	listen_lab_overlay(l, "o");
	l->how = LAB_KEEP;
	for (size_t i = 0; i < DNS_LISTEN_UNDER_WAY_MAX + more; i++) {
		dns_lab_send(fd, "10.7.1.1", "a", 1);
		if (i % 50 == 49)
			listen_lab_until(l, i + 1);
	}
	listen_lab_until(l, DNS_LISTEN_UNDER_WAY_MAX + more - more % 50);
	assert_int_equal(l->gone, more);
	assert_int_equal(listen_lab_stats(l).under_way, DNS_LISTEN_UNDER_WAY_MAX);
	assert_int_equal(listen_lab_stats(l).dropped, more);
	close(fd);
}

/* A flood has its share of a turn, and no more. */
static void test_turn_bound(void **state)
{
	struct listen_lab *l = *state;
	int fd = dns_lab_udp("c1", "10.7.1.2"), quiet = dns_lab_udp("c2", "10.7.2.2");
	const size_t flood = 200;

	listen_lab_overlay(l, "o");
	for (size_t i = 0; i < flood; i++)
		dns_lab_send(fd, "10.7.1.1", "flood", 5);
	for (size_t before = l->n; l->n < flood; before = l->n) {
		uv_run(&l->loop, UV_RUN_ONCE);
		assert_true(l->n <= before + DNS_LISTEN_BATCH);
	}
	for (size_t i = 0; i < flood; i++) { /* answered each, in one piece */
		char buf[16];

		assert_int_equal(dns_lab_recv(&l->loop, fd, buf, sizeof(buf), NULL), 5);
	}
	listen_lab_echo(l, quiet, "10.7.2.1", "me too");
	close(fd);
	close(quiet);
}

/* Hundreds of containers that begin at once, while the loop is busy elsewhere: every question is read. */
static void test_burst(void **state)
{
	static const struct {
		const char *client, *from, *to;
	} v[] = {
		{ "c1", "10.7.1.2", "10.7.1.1" },
		{ "c3", "10.8.0.2", "10.8.0.1" },
	};
	struct listen_lab *l = *state;
	const size_t burst = 1000;

	listen_lab_overlay(l, "o");
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		int fd = dns_lab_udp(v[i].client, v[i].from);

		for (size_t j = 0; j < burst; j++)
			assert_int_equal(dns_lab_send(fd, v[i].to, "question", 8), 0);
		listen_lab_until(l, (i + 1) * burst);
		close(fd);
	}
}

/* More than can be queued: lost, and those after are answered. */
static void test_overflow(void **state)
{
	struct listen_lab *l = *state;
	int fd = dns_lab_udp("c1", "10.7.1.2");
	char big[DNS_LISTEN_QUESTION_MAX + 1] = { 0 };
	size_t n;

	listen_lab_overlay(l, "o");
	for (size_t i = 0; i < 20000; i++)
		dns_lab_send(fd, "10.7.1.1", big, 1000);
	do {
		n = l->n;
		uv_run(&l->loop, UV_RUN_NOWAIT);
	} while (l->n > n);
	assert_in_range(l->n, DNS_LISTEN_BATCH + 1, 20000 - 1);
	close(fd);
	fd = dns_lab_udp("c1", "10.7.1.2");
	listen_lab_echo(l, fd, "10.7.1.1", "still there");
	/* Longer than any question, none at all, and just as long as one may be: a longer answer than datagrams have goes by itself. */
	dns_lab_send(fd, "10.7.1.1", big, sizeof(big));
	listen_lab_echo(l, fd, "10.7.1.1", "after");
	assert_int_equal(listen_lab_stats(l).dropped, 1);
	dns_lab_send(fd, "10.7.1.1", big, 0);
	assert_int_equal(dns_lab_recv(&l->loop, fd, big, sizeof(big), NULL), 0);
	dns_lab_send(fd, "10.7.1.1", big, DNS_LISTEN_QUESTION_MAX);
	assert_int_equal(dns_lab_recv(&l->loop, fd, big, sizeof(big), NULL),
			 DNS_LISTEN_QUESTION_MAX);
	close(fd);
}

/* What is no question hides nobody's who comes behind it in the same turn. */
static void test_behind_what_is_too_long(void **state)
{
	static const struct {
		const char *client, *from, *to;
		uint32_t key;
	} v[] = {
		{ "c1", "10.7.1.2", "10.7.1.1", DNS_LAB_A },
		{ "c3", "10.8.0.2", "10.8.0.1", DNS_LAB_HOST },
	};
	static const char big[DNS_LISTEN_QUESTION_MAX + 1];
	struct listen_lab *l = *state;

	listen_lab_overlay(l, "o");
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		int fd = dns_lab_udp(v[i].client, v[i].from);

		/* Both are there before the loop turns. */
		dns_lab_send(fd, v[i].to, big, sizeof(big));
		listen_lab_echo(l, fd, v[i].to, "whose?");
		assert_int_equal(l->last.key, v[i].key);
		assert_int_equal(listen_lab_stats(l).dropped, i + 1);
		close(fd);
	}
}

/* Closed with questions waiting to be read. */
static void test_close_at_any_time(void **state)
{
	struct listen_lab *l = *state;
	int fd = dns_lab_udp("c1", "10.7.1.2");

	listen_lab_overlay(l, "o");
	l->how = LAB_KEEP;
	dns_lab_send(fd, "10.7.1.1", "a", 1);
	listen_lab_until(l, 1);
	dns_lab_send(fd, "10.7.1.1", "a", 1);
	dns_listen_close(l->listen);
	l->listen = NULL;
	assert_int_equal(l->gone, 1);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(l->n, 1);
	close(fd);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, listen_lab_setup, listen_lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_own_key_and_source),
		TEST(test_not_to_all),
		TEST(test_renamed_and_made_again),
		TEST(test_namespace_made_again),
		TEST(test_host_device),
		TEST(test_host_device_made_again),
		TEST(test_answered_later),
		TEST(test_gone),
		TEST(test_closed_within),
		TEST(test_under_way_bound),
		TEST(test_turn_bound),
		TEST(test_burst),
		TEST(test_overflow),
		TEST(test_behind_what_is_too_long),
		TEST(test_close_at_any_time),
	};
	int r;

	dns_lab_begin();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	dns_lab_end();
	return r;
}
