/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Elements of the host's sets and maps through nft_ground: put, replaced, dumped, altered by hand. What packets meet: test_nft_nat.c. */
#include "overlay/nft_ground.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"

struct fixture {
	struct nft_ground *g;
	int nsfd;
	struct state_elem elems[24];
	size_t n_elems;
	struct kernel_elements el;
};

static struct ip addr(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static int cmp_elems(const void *a, const void *b)
{
	return state_elem_cmp(a, b);
}

/* One of each kind; sorted. */
static void make_elems(struct fixture *f)
{
	const struct ip none = { 0 }, host4 = addr("192.0.2.1"), host6 = addr("2001:db8::1"),
			to4 = addr("10.1.0.2"), to6 = addr("fd01::2");
	const struct state_elem all[] = {
		state_elem_ifname(STATE_SET_BRIDGES, "ovl0"),
		state_elem_ifname(STATE_SET_BRIDGES, "ovl-0123456789a"),
		state_elem_ifname(STATE_SET_MASQ4, "ovl0"),
		state_elem_ifname(STATE_SET_MASQ6, "ovl0"),
		state_elem_ifname(STATE_SET_INTERNAL, "ovl1"),
		state_elem_ifname(STATE_SET_ICC, "ovl0"),
		state_elem_ifname(STATE_SET_DNSREDIR, STATE_DOCKER_GWBRIDGE),
		state_elem_ifname(STATE_SET_NOICC, "ovp000000000001"),
		state_elem_member(to4, "ovl0"),
		state_elem_member(to6, "ovl0"),
		state_elem_asker(to4, "docker0"),
		state_elem_asker(to6, "docker0"),
		state_elem_publish(IPPROTO_TCP, none, 8080, to4, 80),
		state_elem_publish(IPPROTO_TCP, host4, 8080, to4, 81),
		state_elem_publish(IPPROTO_UDP, none, 8080, to6, 82),
		state_elem_publish(IPPROTO_SCTP, host6, 65535, to6, 65534),
		state_elem_open(IPPROTO_TCP, to4, 1),
		state_elem_open(IPPROTO_UDP, to6, 443),
	};

	f->n_elems = ARRAY_SIZE(all);
	memcpy(f->elems, all, sizeof(all));
	qsort(f->elems, f->n_elems, sizeof(*f->elems), cmp_elems);
	f->el.elems = f->elems;
	f->el.n_elems = f->n_elems;
}

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	nft_lab_sh("for n in o h; do ip netns exec ~$n nft flush ruleset; done");
	f->nsfd = open(nft_lab_path("o"), O_RDONLY | O_CLOEXEC);
	nft_lab_enter("h");
	assert_int_equal(nft_ground_new(f->nsfd, "ovl", 4789, &f->g, &e), 0);
	nft_lab_enter(NULL);
	make_elems(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	nft_ground_free(f->g);
	close(f->nsfd);
	free(f);
	return 0;
}

static void expect_elems(struct fixture *f, const struct state_elem *elems, size_t n)
{
	_cleanup_free_ struct state_elem *got = NULL;
	char text[STATE_ELEM_TEXT_MAX], other[STATE_ELEM_TEXT_MAX];
	struct err e = { 0 };
	size_t n_got;

	assert_int_equal(nft_ground_dump_elems(f->g, &got, &n_got, &e), 0);
	for (size_t i = 0; i < n && i < n_got; i++) {
		if (memcmp(&got[i], &elems[i], sizeof(*got)) != 0)
			fail_msg("%s, not %s", state_elem_format(&got[i], text),
				 state_elem_format(&elems[i], other));
	}
	assert_int_equal(n_got, n);
}

/* Did either event socket tell of another's change? */
static bool told(struct fixture *f)
{
	int o, h;

	nft_ground_event_fds(f->g, &o, &h);
	bool overlay = nft_ground_event_read(f->g, o), host = nft_ground_event_read(f->g, h);
	return overlay || host;
}

/* Elements taken away or put in by hand: told, and the dump shows it. */
static void test_foreign_elems(void **state)
{
	static const char *const emptied[] = {
		"set bridge ovl noicc",	     "set inet ovl bridges",	  "set inet ovl masq4",
		"set inet ovl masq6",	     "set inet ovl internal",	  "set inet ovl icc",
		"set inet ovl member4",	     "set inet ovl member6",	  "set inet ovl open4",
		"set inet ovl open6",	     "map inet ovl publish4",	  "map inet ovl publish6",
		"map inet ovl publish4_any", "map inet ovl publish6_any", "set inet ovl dnsredir",
		"set inet ovl dnsasker4",    "set inet ovl dnsasker6",
	};
	struct fixture *f = *state;
	struct kernel_elem_op op = { 0 };
	struct err e = { 0 };

	assert_int_equal(nft_ground_make(f->g, &f->el, &e), 0);
	nft_lab_sh("ip netns exec ~h nft delete element inet ovl publish4_any { tcp . 8080 }");
	assert_true(told(f));
	op.elem = state_elem_publish(IPPROTO_TCP, (struct ip){ 0 }, 8080, addr("10.1.0.2"), 80);
	assert_int_equal(nft_ground_elems(f->g, &op, 1, &e), 0);
	expect_elems(f, f->elems, f->n_elems);
	assert_false(told(f));
	nft_lab_sh("ip netns exec ~h nft 'add element inet ovl icc { \"a\" . \"b\" }'");
	assert_true(told(f));
	expect_elems(f, f->elems, f->n_elems); /* no pair of ours */
	for (size_t i = 0; i < ARRAY_SIZE(emptied); i++) {
		nft_lab_sh("ip netns exec ~h nft flush %s", emptied[i]);
		assert_true(told(f));
	}
	expect_elems(f, NULL, 0);
	assert_int_equal(nft_ground_check(f->g, &e), 0);
	nft_lab_sh("ip netns exec ~h nft flush ruleset");
	assert_true(told(f));
	assert_int_equal(nft_ground_make(f->g, &f->el, &e), 0);
	expect_elems(f, f->elems, f->n_elems);
	assert_false(told(f));
}

static void test_elems(void **state)
{
	struct fixture *f = *state;
	struct kernel_elem_op ops[24] = { 0 };
	struct err e = { 0 };

	for (size_t i = 0; i < f->n_elems; i++)
		ops[i].elem = f->elems[i];
	assert_int_equal(nft_ground_elems(f->g, ops, f->n_elems, &e), -ENOENT);
	assert_int_equal(nft_ground_make(f->g, NULL, &e), 0);
	expect_elems(f, NULL, 0);
	for (size_t again = 0; again < 2; again++) {
		assert_int_equal(nft_ground_elems(f->g, ops, f->n_elems, &e), 0);
		expect_elems(f, f->elems, f->n_elems);
	}
	/* All at once: replaced, added anew after a deletion, deleted, absent. */
	const struct ip none = { 0 }, other = addr("10.1.0.9");
	struct state_elem moved = state_elem_publish(IPPROTO_TCP, none, 8080, other, 99);
	struct kernel_elem_op mixed[] = {
		{ false, moved },
		{ true, state_elem_member(other, "ovl9") },
		{ true, ops[0].elem },
		{ false, ops[0].elem },
		{ false, state_elem_publish(IPPROTO_TCP, none, 9090, other, 1) },
		{ false, state_elem_publish(IPPROTO_TCP, none, 9090, other, 2) },
		{ true, state_elem_publish(IPPROTO_TCP, none, 9090, other, 3) },
	};
	assert_int_equal(nft_ground_elems(f->g, mixed, ARRAY_SIZE(mixed), &e), 0);
	for (size_t i = 0; i < f->n_elems; i++) {
		if (state_elem_cmp(&f->elems[i], &moved) == 0)
			f->elems[i] = moved;
	}
	expect_elems(f, f->elems, f->n_elems);
	for (size_t i = 0; i < f->n_elems; i++)
		ops[i].del = true;
	for (size_t again = 0; again < 2; again++) {
		assert_int_equal(nft_ground_elems(f->g, ops, f->n_elems, &e), 0);
		expect_elems(f, NULL, 0);
	}
	/* Refused as a whole. */
	ops[0].del = ops[1].del = false;
	ops[1].elem = state_elem_publish(IPPROTO_TCP, none, 0, other, 1);
	assert_int_equal(nft_ground_elems(f->g, ops, 2, &e), -EINVAL);
	ops[1].elem = state_elem_publish(IPPROTO_TCP, addr("::1"), 1, other, 1);
	assert_int_equal(nft_ground_elems(f->g, ops, 2, &e), -EINVAL);
	ops[1].elem = state_elem_ifname(STATE_SET_ICC, "");
	assert_int_equal(nft_ground_elems(f->g, ops, 2, &e), -EINVAL);
	expect_elems(f, NULL, 0);
	assert_false(told(f));
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A thousand published ports one by one; what one costs must not grow with those that are there. */
static void test_many_ports(void **state)
{
	enum { N = 1000, PART = 100 };
	struct fixture *f = *state;
	struct err e = { 0 };
	_cleanup_free_ struct state_elem *all = mem_alloc_array(N, sizeof(*all));
	uint64_t first = 0, last = 0;

	assert_int_equal(nft_ground_make(f->g, NULL, &e), 0);
	for (unsigned i = 0; i < N; i++) {
		struct kernel_elem_op op = { .elem = state_elem_publish(
						     IPPROTO_TCP, (struct ip){ 0 },
						     (uint16_t)(10000 + i), addr("10.1.0.2"), 80) };
		uint64_t begin = now_ns();

		all[i] = op.elem;
		assert_int_equal(nft_ground_elems(f->g, &op, 1, &e), 0);
		*(i < PART ? &first : &last) += i < PART || i >= N - PART ? now_ns() - begin : 0;
	}
	expect_elems(f, all, N);
	nft_lab_sh("ip netns exec ~h nft flush ruleset");
	assert_true(told(f));
	struct kernel_elements el = { .elems = all, .n_elems = N };
	uint64_t begin = now_ns();
	assert_int_equal(nft_ground_make(f->g, &el, &e), 0);
	uint64_t made = now_ns();
	expect_elems(f, all, N);
	assert_false(told(f));
	print_message(
		"publish: the first %d %.1f us each, the last %.1f us; dump %.1f ms, rebuild %.1f ms\n",
		PART, (double)first / 1e3 / PART, (double)last / 1e3 / PART,
		(double)(now_ns() - made) / 1e6, (double)(made - begin) / 1e6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_elems, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_elems, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_ports, setup, teardown),
	};

	nft_lab_begin();
	nft_lab_ns("o");
	nft_lab_ns("h");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
