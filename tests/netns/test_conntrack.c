/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_conntrack on real entries: h has addresses on lo, a rule that looks at ct, and flows between them.
 */
#include "overlay/knl_conntrack.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"

#define MANY 3000

struct fixture {
	uv_loop_t loop;
	struct knl_conntrack *c;
	unsigned calls;
	int status;
	size_t deleted;
};

static struct ip ip(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static struct knl_conntrack_filter filter(const char *addr, uint8_t proto, uint16_t port)
{
	struct knl_conntrack_filter f = { .proto = proto, .port = port };

	if (addr)
		f.ip = ip(addr);
	return f;
}

/* An entry: one datagram, whoever is there to take it. */
static void flow(const char *from, const char *to, uint16_t port)
{
	int fd = nft_lab_udp("h", from, 0);

	assert_int_equal(nft_lab_send(fd, to, port, "x"), 0);
	close(fd);
}

/* How many entries mention @text, as the kernel prints them: "dst=10.1.0.2 ". */
static unsigned entries(const char *text)
{
	char line[512];
	unsigned n = 0;

	nft_lab_enter("h");
	FILE *f = fopen("/proc/thread-self/net/nf_conntrack", "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	nft_lab_enter(NULL);
	return n;
}

static void on_done(void *user, int status, size_t n_deleted)
{
	struct fixture *f = user;

	f->calls++;
	f->status = status;
	f->deleted = n_deleted;
}

static size_t flush(struct fixture *f, const struct knl_conntrack_filter *v, size_t n)
{
	f->calls = 0;
	knl_conntrack_flush(f->c, v, n, on_done, f);
	assert_int_equal(f->calls, 0); /* never from inside */
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(f->calls, 1);
	assert_int_equal(f->status, 0);
	return f->deleted;
}

static void test_address_in_either_direction(void **state)
{
	struct fixture *f = *state;
	struct knl_conntrack_filter v[] = { filter("10.1.0.2", 0, 0), filter("fd01::2", 0, 0) };

	flow("10.1.0.1", "10.1.0.2", 1000);
	flow("10.1.0.2", "10.1.0.1", 1001);
	flow("10.1.0.1", "10.1.0.3", 1002);
	flow("fd01::1", "fd01::2", 1003);
	flow("fd01::1", "fd01::3", 1004);
	assert_int_equal(flush(f, v, ARRAY_SIZE(v)), 3);
	assert_int_equal(entries("10.1.0.2"), 0);
	assert_int_equal(entries("dport=1002"), 1);
	assert_int_equal(entries("dport=1003"), 0);
	assert_int_equal(entries("dport=1004"), 1);
	assert_int_equal(flush(f, v, ARRAY_SIZE(v)), 0);
}

static void test_translated_address_is_in_the_reply(void **state)
{
	struct fixture *f = *state;
	struct knl_conntrack_filter v = filter("10.1.0.3", 0, 0);

	nft_lab_sh(
		"ip netns exec ~h nft add table ip n; "
		"ip netns exec ~h nft 'add chain ip n o { type nat hook output priority -100; }';"
		"ip netns exec ~h nft add rule ip n o udp dport 2000 dnat to 10.1.0.3:2001");
	flow("10.1.0.1", "10.1.0.2", 2000);
	nft_lab_sh("ip netns exec ~h nft delete table ip n");
	assert_int_equal(entries("src=10.1.0.3"), 1);
	assert_int_equal(flush(f, &v, 1), 1);
	assert_int_equal(entries("dport=2000"), 0);
}

static void test_port_of_the_original_direction(void **state)
{
	struct fixture *f = *state;
	struct knl_conntrack_filter any = filter(NULL, IPPROTO_UDP, 3000),
				    tcp = filter(NULL, IPPROTO_TCP, 3000),
				    exact = filter("10.1.0.2", IPPROTO_UDP, 3000);
	int fd = nft_lab_udp("h", "10.1.0.1", 3000);

	flow("10.1.0.1", "10.1.0.2", 3000);
	flow("10.1.0.1", "10.1.0.3", 3000);
	flow("fd01::1", "fd01::2", 3000);
	assert_int_equal(nft_lab_send(fd, "10.1.0.2", 3001, "x"), 0); /* from 3000 */
	close(fd);
	assert_int_equal(flush(f, &tcp, 1), 0);
	assert_int_equal(flush(f, &exact, 1), 1);
	assert_int_equal(flush(f, &any, 1), 2);
	assert_int_equal(entries("dport=3001"), 1);
}

static void test_says_nothing_matches_nothing(void **state)
{
	struct fixture *f = *state;
	struct knl_conntrack_filter v = { .proto = IPPROTO_UDP };

	flow("10.1.0.1", "10.1.0.2", 1000);
	assert_int_equal(flush(f, &v, 1), 0);
	assert_int_equal(flush(f, NULL, 0), 0);
	assert_int_equal(entries("dport=1000"), 1);
}

static void test_protocol_with_an_address(void **state)
{
	struct fixture *f = *state;
	struct knl_conntrack_filter tcp = filter("10.1.0.2", IPPROTO_TCP, 0),
				    udp = filter("10.1.0.2", IPPROTO_UDP, 0);

	flow("10.1.0.1", "10.1.0.2", 1000);
	assert_int_equal(flush(f, &tcp, 1), 0);
	assert_int_equal(flush(f, &udp, 1), 1);
}

static void test_many(void **state)
{
	struct fixture *f = *state;
	struct knl_conntrack_filter v[4096];
	int fd = nft_lab_udp("h", "10.1.0.1", 0);

	for (uint16_t i = 0; i < MANY; i++)
		nft_lab_send(fd, "10.1.0.2", (uint16_t)(5000 + i), "x");
	close(fd);
	flow("10.1.0.1", "10.1.0.3", 4999);
	assert_int_equal(entries("dst=10.1.0.2 "), MANY);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		v[i] = filter(NULL, IPPROTO_UDP, (uint16_t)(5000 + i));
	assert_int_equal(flush(f, v, ARRAY_SIZE(v)), MANY);
	assert_int_equal(entries("udp"), 1);
}

static void test_joined(void **state)
{
	struct fixture *f = *state;
	struct fixture other[20];

	memset(other, 0, sizeof(other));
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		flow("10.1.0.1", "10.1.0.2", (uint16_t)(5000 + i));
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		struct knl_conntrack_filter v =
			filter("10.1.0.2", IPPROTO_UDP, (uint16_t)(5000 + i));

		knl_conntrack_flush(f->c, &v, 1, on_done, &other[i]);
	}
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(entries("udp"), 0);
	assert_int_equal(other[0].deleted, 1); /* began at once, alone */
	for (size_t i = 1; i < ARRAY_SIZE(other); i++) {
		assert_int_equal(other[i].calls, 1);
		assert_int_equal(other[i].deleted, ARRAY_SIZE(other) - 1);
	}
}

static void test_close_in_the_middle(void **state)
{
	struct fixture *f = *state;
	struct fixture a = { 0 }, b = { 0 };
	struct knl_conntrack_filter v[] = { filter("10.1.0.2", 0, 0), filter("10.1.0.3", 0, 0) };

	flow("10.1.0.1", "10.1.0.2", 1000);
	flow("10.1.0.1", "10.1.0.3", 1000);
	knl_conntrack_flush(f->c, &v[0], 1, on_done, &a);
	knl_conntrack_flush(f->c, &v[1], 1, on_done, &b);
	knl_conntrack_flush(f->c, &v[1], 1, NULL, NULL);
	knl_conntrack_close(TAKE_PTR(f->c));
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	assert_int_equal(a.status, -ECANCELED);
	assert_int_equal(b.status, -ECANCELED);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(a.calls + b.calls, 2);
	assert_int_equal(entries("udp"), 0);
}

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	assert_int_equal(uv_loop_init(&f->loop), 0);
	nft_lab_enter("h");
	int r = knl_conntrack_new(&f->loop, &f->c, &e);
	nft_lab_enter(NULL);
	if (r < 0)
		fail_msg("%s", err_text(&e));
	*state = f;
	/* From nothing. */
	struct knl_conntrack_filter v[] = { filter("10.1.0.1", 0, 0), filter("fd01::1", 0, 0) };
	flush(f, v, ARRAY_SIZE(v));
	assert_int_equal(entries("udp"), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	knl_conntrack_close(f->c);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_address_in_either_direction),
		TEST(test_translated_address_is_in_the_reply),
		TEST(test_port_of_the_original_direction),
		TEST(test_says_nothing_matches_nothing),
		TEST(test_protocol_with_an_address),
		TEST(test_many),
		TEST(test_joined),
		TEST(test_close_in_the_middle),
	};

	nft_lab_begin();
	nft_lab_need("/proc/net/nf_conntrack", "CONFIG_NF_CONNTRACK_PROCFS");
	nft_lab_ns("h");
	nft_lab_sh(
		"ip netns exec ~h nft add table inet t; "
		"ip netns exec ~h nft 'add chain inet t o { type filter hook output priority 0; }'; "
		"ip netns exec ~h nft add rule inet t o ct state new accept; "
		"for i in 1 2 3; do ip -n ~h addr add 10.1.0.$i/32 dev lo; "
		"ip -n ~h addr add fd01::$i/128 dev lo nodad; done");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
