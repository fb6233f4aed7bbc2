/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Port 53 by TCP (RFC 7766), and beside resolvers that have the port already.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"
#include "tests/netns/dns_lab.h"
#include "tests/netns/dns_listen_lab.h"

static void ask(struct listen_lab *l, int fd, const char *text)
{
	uint8_t buf[64] = { 0, (uint8_t)strlen(text) };

	memcpy(buf + 2, text, strlen(text));
	dns_lab_write(&l->loop, fd, buf, strlen(text) + 2);
}

static void expect(struct listen_lab *l, int fd, const char *text)
{
	uint8_t buf[64] = { 0 };

	assert_int_equal(dns_lab_read(&l->loop, fd, buf, strlen(text) + 2), strlen(text) + 2);
	assert_int_equal(buf[0] << 8 | buf[1], strlen(text));
	assert_memory_equal(buf + 2, text, strlen(text));
}

static void expect_end(struct listen_lab *l, int fd)
{
	char c;

	assert_int_equal(dns_lab_read(&l->loop, fd, &c, 1), 0);
}

static int open_one(struct listen_lab *l)
{
	listen_lab_overlay(l, "o");
	return dns_lab_tcp("c1", "10.7.1.2", "10.7.1.1");
}

static void answer_kept(struct listen_lab *l, size_t i)
{
	dns_listen_answer(l->kept[i].asker, &l->kept[i].first, 1);
	l->kept[i].asker = NULL;
}

static void test_own_key_and_source(void **state)
{
	static const struct {
		const char *client, *from, *to;
		uint32_t key;
	} v[] = {
		{ "c1", "10.7.1.2", "10.7.1.1", DNS_LAB_A },
		{ "c2", "10.7.2.2", "10.7.2.1", DNS_LAB_B },
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
		int fd = dns_lab_tcp(v[i].client, v[i].from, v[i].to);

		ask(l, fd, "one");
		ask(l, fd, "two");
		expect(l, fd, "one");
		expect(l, fd, "two");
		assert_int_equal(l->last.key, v[i].key);
		assert_true(ip_eq(l->last.source, dns_lab_ip(v[i].from)));
		assert_true(l->last.tcp);
		close(fd);
	}
	assert_int_equal(listen_lab_stats(l).tcp, 2 * ARRAY_SIZE(v));
}

static void test_byte_by_byte(void **state)
{
	static const char two[] = "\0\3one\0\3two";
	struct listen_lab *l = *state;
	int fd = open_one(l);

	for (size_t i = 0; i < sizeof(two) - 1; i++) {
		dns_lab_write(&l->loop, fd, two + i, 1);
		for (unsigned j = 0; j < 3; j++)
			uv_run(&l->loop, UV_RUN_NOWAIT);
	}
	expect(l, fd, "one");
	expect(l, fd, "two");
	ask(l, fd, ""); /* no message at all is one of the handler's to judge */
	expect(l, fd, "");
	close(fd);
}

/* Answers as they come; a client that says no more still gets them; then the connection ends. */
static void test_any_order_and_half_closed(void **state)
{
	struct listen_lab *l = *state;
	int fd = open_one(l);

	l->how = LAB_KEEP;
	ask(l, fd, "a");
	ask(l, fd, "b");
	ask(l, fd, "c");
	ask(l, fd, "d");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	listen_lab_until(l, 4);
	for (unsigned i = 0; i < 10; i++)
		uv_run(&l->loop, UV_RUN_NOWAIT);
	answer_kept(l, 2);
	expect(l, fd, "c");
	dns_listen_drop(l->kept[3].asker);
	answer_kept(l, 0);
	expect(l, fd, "a");
	assert_int_equal(listen_lab_stats(l).tcp_connections, 1);
	answer_kept(l, 1);
	expect(l, fd, "b");
	expect_end(l, fd);
	assert_int_equal(listen_lab_stats(l).tcp_connections, 0);
	assert_int_equal(l->gone, 0);
	close(fd);
}

/* More questions than may be under way wait in the socket; all are answered, also after the client's end. */
static void test_questions_bound(void **state)
{
	struct listen_lab *l = *state;
	const size_t all = 100;
	int fd = open_one(l);

	l->how = LAB_KEEP;
	for (size_t i = 0; i < all; i++)
		ask(l, fd, "q");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	listen_lab_until(l, DNS_LISTEN_TCP_QUESTIONS_MAX);
	for (unsigned i = 0; i < 10; i++)
		uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_int_equal(l->n, DNS_LISTEN_TCP_QUESTIONS_MAX);
	for (size_t i = 0; i < all; i++) {
		answer_kept(l, i);
		expect(l, fd, "q");
		listen_lab_until(l, i + 1 + DNS_LISTEN_TCP_QUESTIONS_MAX < all ?
					    i + 1 + DNS_LISTEN_TCP_QUESTIONS_MAX :
					    all);
	}
	expect_end(l, fd);
	close(fd);
}

/* A flood on one connection has its share of a turn, and no more. */
static void test_turn_bound(void **state)
{
	struct listen_lab *l = *state;
	char all[1000][3];
	int fd = open_one(l);

	ask(l, fd, "open");
	expect(l, fd, "open");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		memcpy(all[i], "\0\1q", 3);
	assert_int_equal(send(fd, all, sizeof(all), MSG_DONTWAIT), sizeof(all));
	while (l->n < 1 + ARRAY_SIZE(all)) {
		size_t before = l->n;

		uv_run(&l->loop, UV_RUN_ONCE);
		assert_true(l->n <= before + DNS_LISTEN_BATCH);
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		expect(l, fd, "q");
	close(fd);
}

static void reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(fd);
}

static bool has_none(void *arg)
{
	return listen_lab_stats(arg).tcp_connections == 0;
}

/* The client resets: whoever looks for its answers is told. */
static void test_gone(void **state)
{
	struct listen_lab *l = *state;
	int fd = open_one(l);

	l->how = LAB_KEEP;
	ask(l, fd, "a");
	ask(l, fd, "b");
	listen_lab_until(l, 2);
	l->kept[0].asker->gone = NULL; /* not watched: answers into nothing */
	reset(fd);
	dns_lab_wait(&l->loop, has_none, l);
	assert_int_equal(l->gone, 1);
	answer_kept(l, 0);
	/* And with its socket. */
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	fd = dns_lab_tcp("c3", "10.8.0.2", "10.8.0.1");
	ask(l, fd, "c");
	listen_lab_until(l, 3);
	dns_listen_host_del(l->listen, DNS_LAB_HOST);
	assert_int_equal(l->gone, 2);
	expect_end(l, fd);
	close(fd);
	/* And from within. */
	listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0);
	l->how = LAB_CLOSE_HOST;
	fd = dns_lab_tcp("c3", "10.8.0.2", "10.8.0.1");
	ask(l, fd, "d");
	expect_end(l, fd);
	assert_int_equal(l->gone, 3);
	close(fd);
}

static void test_idle(void **state)
{
	struct listen_lab *l = *state;
	int fd, slow;
	uint64_t begin_ms;

	l->listen->idle_ms = 200;
	fd = open_one(l);
	l->how = LAB_KEEP;
	ask(l, fd, "a");
	listen_lab_until(l, 1);
	begin_ms = clock_boot_ms();
	while (clock_boot_ms() < begin_ms + 600) /* waits for its answer: not idle */
		uv_run(&l->loop, UV_RUN_ONCE);
	assert_int_equal(listen_lab_stats(l).tcp_connections, 1);
	answer_kept(l, 0);
	expect(l, fd, "a");
	expect_end(l, fd);
	close(fd);
	/* Half a question now and then is silence. */
	slow = dns_lab_tcp("c1", "10.7.1.2", "10.7.1.1");
	dns_lab_write(&l->loop, slow, "\0\3on", 4);
	expect_end(l, slow);
	close(slow);
}

static void test_too_long(void **state)
{
	struct listen_lab *l = *state;
	uint8_t most[2 + DNS_LISTEN_QUESTION_MAX] = { DNS_LISTEN_QUESTION_MAX >> 8,
						      DNS_LISTEN_QUESTION_MAX & 0xff };
	uint8_t back[sizeof(most)];
	int fd = open_one(l);

	for (unsigned i = 0; i < 3; i++)
		dns_lab_write(&l->loop, fd, most, sizeof(most));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(dns_lab_read(&l->loop, fd, back, sizeof(back)), sizeof(back));
	assert_memory_equal(back, most, sizeof(most));
	dns_lab_write(&l->loop, fd, "\xff\xff", 2);
	expect_end(l, fd);
	close(fd);
	assert_int_equal(l->n, 3);
}

/* The longest answers whole; a client that fetches none of them costs no more than its bound, and then is gone. */
static void test_not_fetched(void **state)
{
	struct listen_lab *l = *state;
	_cleanup_free_ uint8_t *buf = mem_alloc(DNS_PACKET_MAX + 2);
	int fd = open_one(l);

	l->how = LAB_BIG;
	for (unsigned i = 0; i < 20; i++)
		ask(l, fd, "big");
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(dns_lab_read(&l->loop, fd, buf, DNS_PACKET_MAX + 2),
				 DNS_PACKET_MAX + 2);
		assert_int_equal(buf[0] << 8 | buf[1], DNS_PACKET_MAX);
	}
	assert_int_equal(l->listen->out_bytes, 0);
	/* It waits before it asks for more than the client fetches. */
	for (unsigned i = 0; i < 500; i++)
		ask(l, fd, "big");
	for (unsigned i = 0; i < 100; i++)
		uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_true(l->n < 520);
	assert_in_range(l->listen->out_bytes, 1, 3 * DNS_PACKET_MAX);
	close(fd);
	dns_lab_wait(&l->loop, has_none, l);
	assert_int_equal(l->listen->out_bytes, 0);
	/* All under way already, answered at once. */
	fd = dns_lab_tcp("c1", "10.7.1.2", "10.7.1.1");
	l->how = LAB_KEEP;
	l->n = 0;
	for (unsigned i = 0; i < DNS_LISTEN_TCP_QUESTIONS_MAX; i++)
		ask(l, fd, "q");
	listen_lab_until(l, DNS_LISTEN_TCP_QUESTIONS_MAX);
	for (size_t i = 0; i < l->n_kept; i++) {
		memset(buf, 0, DNS_PACKET_MAX);
		if (l->kept[i].asker)
			dns_listen_answer(l->kept[i].asker, buf, DNS_PACKET_MAX);
		assert_true(l->listen->out_bytes <= DNS_LISTEN_TCP_OUT_MAX);
	}
	close(fd);
}

static bool has_served(void *arg)
{
	struct listen_lab *l = arg;

	return l->n >= 300;
}

/* 20 addresses with 15 connections each: those longest silent give way to the new ones. */
static void test_300_connections(void **state)
{
	struct listen_lab *l = *state;
	char from[IP_TEXT_MAX];
	int fd[300], one;

	listen_lab_overlay(l, "o");
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		snprintf(from, sizeof(from), "10.7.1.%u", 10 + i % 20);
		fd[i] = dns_lab_tcp("c1", from, "10.7.1.1");
		ask(l, fd[i], "q");
		expect(l, fd[i], "q");
		assert_true(listen_lab_stats(l).tcp_connections <= DNS_LISTEN_TCP_MAX);
	}
	assert_true(has_served(l));
	assert_int_equal(listen_lab_stats(l).tcp_connections, DNS_LISTEN_TCP_MAX);
	expect_end(l, fd[0]);
	expect_end(l, fd[ARRAY_SIZE(fd) - DNS_LISTEN_TCP_MAX - 1]);
	ask(l, fd[299], "still");
	expect(l, fd[299], "still");
	/* All wait for an answer: there is no room. */
	l->how = LAB_KEEP;
	l->n = 0;
	for (unsigned i = ARRAY_SIZE(fd) - DNS_LISTEN_TCP_MAX; i < ARRAY_SIZE(fd); i++)
		ask(l, fd[i], "q");
	listen_lab_until(l, DNS_LISTEN_TCP_MAX);
	one = dns_lab_tcp("c2", "10.7.2.2", "10.7.2.1");
	expect_end(l, one);
	close(one);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++)
		reset(fd[i]);
	dns_lab_wait(&l->loop, has_none, l);
	assert_int_equal(l->gone, DNS_LISTEN_TCP_MAX);
}

/* One address has its share. */
static void test_source_bound(void **state)
{
	struct listen_lab *l = *state;
	int fd[DNS_LISTEN_TCP_SOURCE_MAX + 4], other;

	listen_lab_overlay(l, "o");
	other = dns_lab_tcp("c1", "10.7.1.10", "10.7.1.1");
	ask(l, other, "q");
	expect(l, other, "q");
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = dns_lab_tcp("c1", "10.7.1.2", "10.7.1.1");
		ask(l, fd[i], "q");
		expect(l, fd[i], "q");
	}
	assert_int_equal(listen_lab_stats(l).tcp_connections, DNS_LISTEN_TCP_SOURCE_MAX + 1);
	for (unsigned i = 0; i < 4; i++)
		expect_end(l, fd[i]);
	ask(l, other, "still");
	expect(l, other, "still");
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	close(other);
}

/* Out of descriptors: the loop waits instead of turning, and goes on by itself. */
static void test_no_more_descriptors(void **state)
{
	struct listen_lab *l = *state;
	struct rlimit old, low;
	uint64_t end_ms;
	unsigned turns = 0;
	int fd = open_one(l), free_fd;
	bool paused;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	free_fd = dup(fd);
	low = (struct rlimit){ .rlim_cur = (rlim_t)free_fd, .rlim_max = old.rlim_max };
	close(free_fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	uv_run(&l->loop, UV_RUN_NOWAIT);
	end_ms = clock_boot_ms() + 2 * DNS_LISTEN_ACCEPT_AGAIN_MS;
	for (paused = l->listen->paused; clock_boot_ms() < end_ms; turns++)
		uv_run(&l->loop, UV_RUN_ONCE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(paused);
	assert_int_equal(listen_lab_stats(l).tcp_connections, 0);
	assert_true(turns < 20);
	ask(l, fd, "at last");
	expect(l, fd, "at last");
	assert_false(l->listen->paused);
	close(fd);
}

static void test_garbage(void **state)
{
	struct listen_lab *l = *state;
	uint8_t buf[997];
	uint32_t seed = 4711;

	listen_lab_overlay(l, "o");
	for (unsigned i = 0; i < 200; i++) {
		int fd = dns_lab_tcp("c1", "10.7.1.2", "10.7.1.1");

		for (size_t j = 0; j < sizeof(buf); j++) {
			seed = seed * 1664525 + 1013904223;
			buf[j] = j % 50 == 0 ? 0 : (uint8_t)(seed >> 24);
		}
		for (unsigned j = 0; j < 20 && connect(fd, NULL, 0) < 0; j++)
			uv_run(&l->loop, UV_RUN_NOWAIT);
		send(fd, buf, 1 + i % sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		send(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		for (unsigned j = 0; j < 5; j++)
			uv_run(&l->loop, UV_RUN_NOWAIT);
		close(fd);
	}
	dns_lab_wait(&l->loop, has_none, l);
}

/* Somebody else's socket on port 53, as resolvers open theirs. */
static int other_resolver(int type, const char *addr, int option, const char *device)
{
	struct sockaddr_storage ss;
	struct ip ip = dns_lab_ip(addr);
	socklen_t len = ip_to_sockaddr(ip, 53, &ss);
	int fd = socket(ip.family, type | SOCK_CLOEXEC, 0), one = 1;

	if (option)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &one, sizeof(one)), 0);
	if (*device)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
					    (socklen_t)strlen(device)),
				 0);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0) {
		close(fd);
		return -errno;
	}
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void test_beside_others(void **state)
{
	static const struct {
		int type;
		const char *addr;
		int option;
		const char *device;
		bool collides;
	} v[] = {
		{ SOCK_DGRAM, "0.0.0.0", 0, "", true },
		{ SOCK_DGRAM, "::", 0, "", true },
		{ SOCK_DGRAM, "10.8.0.1", 0, "", true },
		{ SOCK_DGRAM, "0.0.0.0", SO_REUSEADDR, "", false }, /* dnsmasq */
		{ SOCK_DGRAM, "::", SO_REUSEADDR, "", false },
		{ SOCK_DGRAM, "0.0.0.0", SO_REUSEPORT, "", false }, /* unbound */
		{ SOCK_DGRAM, "127.0.0.53", 0, "lo", false }, /* systemd-resolved */
		{ SOCK_DGRAM, "127.0.0.1", 0, "", false },
		{ SOCK_STREAM, "0.0.0.0", 0, "", true },
		{ SOCK_STREAM, "0.0.0.0", SO_REUSEADDR, "", true }, /* dnsmasq */
		{ SOCK_STREAM, "::", SO_REUSEADDR, "", true },
		{ SOCK_STREAM, "0.0.0.0", SO_REUSEPORT, "", false }, /* unbound */
		{ SOCK_STREAM, "127.0.0.53", SO_REUSEADDR, "lo", false },
		{ SOCK_STREAM, "127.0.0.1", SO_REUSEADDR, "", false },
		{ SOCK_STREAM, "10.9.0.1", SO_REUSEADDR, "", false },
	};
	struct listen_lab *l = *state;
	int c3 = dns_lab_udp("c3", "10.8.0.2"), fd;

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		bool tcp = v[i].type == SOCK_STREAM;
		int other = other_resolver(v[i].type, v[i].addr, v[i].option, v[i].device);

		if (other < 0)
			fail_msg("%zu: %s", i, strerror(-other));
		listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1",
				v[i].collides ? -EADDRINUSE : 0);
		if (v[i].collides) {
			assert_non_null(strstr(l->error, tcp ? "10.8.0.1 port 53/TCP of hb0" :
							       "10.8.0.1 port 53/UDP of hb0"));
			assert_non_null(strstr(l->error, "test_dns_listen (pid "));
		}
		assert_int_equal(listen_lab_stats(l).host, tcp || !v[i].collides);
		assert_int_equal(listen_lab_stats(l).host_no_tcp, tcp && v[i].collides);
		if (tcp || !v[i].collides) /* ours gets what is for it, not theirs */
			listen_lab_echo(l, c3, "10.8.0.1", "whose?");
		if (!v[i].collides) {
			fd = dns_lab_tcp("c3", "10.8.0.2", "10.8.0.1");
			ask(l, fd, "whose?");
			expect(l, fd, "whose?");
			reset(fd); /* leaves nothing of it behind that has the port */
		}
		close(other);
		listen_lab_host(l, DNS_LAB_HOST, "hb0", "10.8.0.1", 0); /* what was missing */
		assert_int_equal(listen_lab_stats(l).host_no_tcp, 0);
		/* Whom ours keeps from starting is the same. */
		other = other_resolver(v[i].type, v[i].addr, v[i].option, v[i].device);
		assert_int_equal(other < 0 ? other : 0, v[i].collides ? -EADDRINUSE : 0);
		if (other >= 0)
			close(other);
		dns_listen_host_del(l->listen, DNS_LAB_HOST);
	}
	close(c3);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, listen_lab_setup, listen_lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_beside_others), /* before any connection is left in TIME_WAIT */
		TEST(test_own_key_and_source),
		TEST(test_byte_by_byte),
		TEST(test_any_order_and_half_closed),
		TEST(test_questions_bound),
		TEST(test_turn_bound),
		TEST(test_gone),
		TEST(test_idle),
		TEST(test_too_long),
		TEST(test_not_fetched),
		TEST(test_300_connections),
		TEST(test_source_bound),
		TEST(test_no_more_descriptors),
		TEST(test_garbage),
	};
	int r;

	dns_lab_begin();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	dns_lab_end();
	return r;
}
