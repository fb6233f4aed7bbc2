/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reservations of published ports, beside real sockets.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include "base/mem.h"
#include "tests/netns/publish_lab.h"

#define MANY 1000

/* @p may be reserved for @owner ("web" or "db"). Return: 0 or the error, its text in @e. */
static int reserve(struct lab *l, bool web, struct model_publish p, struct err *e)
{
	*e = (struct err){ 0 };
	return publish_reserve(l->ps, web ? l->web : l->db, web ? "web" : "db", &p, 1, true, e);
}

static void expect(struct lab *l, bool web, struct model_publish p, int code, const char *text)
{
	struct err e;

	assert_int_equal(reserve(l, web, p, &e), code);
	if (text)
		assert_string_equal(err_text(&e), text);
	else if (code < 0)
		print_message("%s\n", err_text(&e));
}

static bool is_free(int type, const char *addr, uint16_t port)
{
	int fd = lab_bind(type, addr, port, true);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* libuv opens one for itself with the first listening socket. */
static unsigned count_fds(struct lab *l)
{
	expect(l, true, lab_port(IPPROTO_TCP, "", 9999, 80), 0, NULL);
	publish_release(l->ps, l->web);
	return lab_fds();
}

static void test_nobody_else_takes_it(void **state)
{
	struct lab *l = *state;
	const char *all[] = { "0.0.0.0", "::", "127.0.0.1", "10.2.0.1", "::1", "fd02::1" };
	struct model_publish v[] = { lab_port(IPPROTO_TCP, "", 8080, 80),
				     lab_port(IPPROTO_UDP, "", 8080, 80) };
	struct err e = { 0 };

	assert_int_equal(publish_reserve(l->ps, l->web, "web", v, 2, true, &e), 0);
	assert_int_equal(lab_stats(l).ports, 2);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		assert_false(is_free(SOCK_STREAM, all[i], 8080));
		assert_false(is_free(SOCK_DGRAM, all[i], 8080));
	}
	publish_release(l->ps, l->web);
	publish_release(l->ps, l->web);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		assert_true(is_free(SOCK_STREAM, all[i], 8080));
		assert_true(is_free(SOCK_DGRAM, all[i], 8080));
	}
	assert_int_equal(lab_stats(l).ports, 0);
}

static void test_one_address(void **state)
{
	struct lab *l = *state;

	expect(l, true, lab_port(IPPROTO_TCP, "10.2.0.1", 8080, 80), 0, NULL);
	assert_false(is_free(SOCK_STREAM, "10.2.0.1", 8080));
	assert_true(is_free(SOCK_STREAM, "127.0.0.1", 8080));
	assert_true(is_free(SOCK_STREAM, "::", 8080));
	/* Another list takes the place of the first. */
	expect(l, true, lab_port(IPPROTO_TCP, "fd02::1", 8080, 80), 0, NULL);
	assert_true(is_free(SOCK_STREAM, "10.2.0.1", 8080));
	assert_false(is_free(SOCK_STREAM, "fd02::1", 8080));
	expect(l, true, lab_port(IPPROTO_TCP, "10.9.9.9", 8080, 80), -EADDRNOTAVAIL,
	       "port 8080/tcp: 10.9.9.9 is not an address of this host");
}

#define BY_WEB "port 8080/tcp is published by container web already"

static void test_ours_by_name(void **state)
{
	struct lab *l = *state;
	struct model_publish twice[] = { lab_port(IPPROTO_TCP, "", 80, 80),
					 lab_port(IPPROTO_TCP, "10.2.0.1", 80, 81) };
	struct err e = { 0 };

	expect(l, true, lab_port(IPPROTO_TCP, "127.0.0.1", 8080, 80), 0, NULL);
	expect(l, false, lab_port(IPPROTO_TCP, "127.0.0.1", 8080, 80), -EADDRINUSE, BY_WEB);
	expect(l, false, lab_port(IPPROTO_TCP, "0.0.0.0", 8080, 80), -EADDRINUSE, BY_WEB);
	expect(l, false, lab_port(IPPROTO_TCP, "", 8080, 80), -EADDRINUSE, BY_WEB);
	expect(l, false, lab_port(IPPROTO_TCP, "10.2.0.1", 8080, 80), 0, NULL);
	expect(l, false, lab_port(IPPROTO_TCP, "::1", 8080, 80), 0, NULL);
	expect(l, false, lab_port(IPPROTO_TCP, "::", 8080, 80), 0, NULL);
	expect(l, false, lab_port(IPPROTO_UDP, "", 8080, 80), 0, NULL);
	expect(l, true, lab_port(IPPROTO_TCP, "", 8080, 80), 0, NULL);
	expect(l, false, lab_port(IPPROTO_TCP, "fd02::1", 8080, 80), -EADDRINUSE, BY_WEB);
	assert_int_equal(publish_reserve(l->ps, l->db, "db", twice, 2, true, &e), -EADDRINUSE);
	assert_string_equal(err_text(&e), "port 80/tcp is published twice");
	assert_true(is_free(SOCK_STREAM, "0.0.0.0", 80));
}

static void test_all_or_none(void **state)
{
	struct lab *l = *state;
	struct model_publish v[] = { lab_port(IPPROTO_TCP, "", 8081, 80),
				     lab_port(IPPROTO_UDP, "", 0, 81),
				     lab_port(IPPROTO_TCP, "", 8080, 82) };
	_cleanup_close_ int holder = lab_bind(SOCK_STREAM, "::", 8080, true);
	unsigned fds = count_fds(l);
	struct err e = { 0 };

	assert_int_equal(publish_reserve(l->ps, l->web, "web", v, 3, true, &e), -EADDRINUSE);
	assert_int_equal(v[1].host_port, 0);
	assert_true(is_free(SOCK_STREAM, "0.0.0.0", 8081));
	assert_int_equal(lab_stats(l).ports, 0);
	assert_int_equal(lab_fds(), fds);
}

/* The test itself is the holder. */
static void expect_holder(struct lab *l, uint8_t proto, const char *ip, const char *of)
{
	char text[128];

	snprintf(text, sizeof(text), "port 8080/%s of %s is in use by test_publish (pid %d)",
		 proto == IPPROTO_TCP ? "tcp" : "udp", of, getpid());
	expect(l, true, lab_port(proto, ip, 8080, 80), -EADDRINUSE, text);
}

static void test_holder_by_name(void **state)
{
	struct lab *l = *state;
	int fd = lab_bind(SOCK_STREAM, "0.0.0.0", 8080, false);

	expect_holder(l, IPPROTO_TCP, "", "0.0.0.0");
	expect_holder(l, IPPROTO_TCP, "10.2.0.1", "10.2.0.1");
	close(fd);
	fd = lab_bind(SOCK_STREAM, "::1", 8080, false);
	expect_holder(l, IPPROTO_TCP, "", "::");
	close(fd);
	fd = lab_bind(SOCK_STREAM, "::", 8080, false); /* takes IPv4 too */
	expect_holder(l, IPPROTO_TCP, "127.0.0.1", "127.0.0.1");
	close(fd);
	fd = lab_bind(SOCK_DGRAM, "127.0.0.1", 8080, false);
	expect_holder(l, IPPROTO_UDP, "", "0.0.0.0");
	close(fd);
	expect(l, true, lab_port(IPPROTO_UDP, "", 8080, 80), 0, NULL);
}

/* A socket that is under way in a message and in nobody's table of descriptors. */
static void test_holder_unknown(void **state)
{
	struct lab *l = *state;
	int pair[2], fd = lab_bind(SOCK_STREAM, "0.0.0.0", 8080, false);
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	assert_int_equal(sendmsg(pair[0], &m, 0), 1);
	close(fd);
	expect(l, true, lab_port(IPPROTO_TCP, "", 8080, 80), -EADDRINUSE,
	       "port 8080/tcp of 0.0.0.0 is in use by a socket of an unknown process");
	close(pair[0]);
	close(pair[1]);
}

/* At a start of the agent. */
static void test_taken_meanwhile(void **state)
{
	struct lab *l = *state;
	struct model_publish v[] = { lab_port(IPPROTO_TCP, "", 8080, 80),
				     lab_port(IPPROTO_TCP, "", 8081, 81) };
	_cleanup_close_ int holder = lab_bind(SOCK_STREAM, "127.0.0.1", 8080, false);
	struct err e = { 0 };

	assert_int_equal(publish_reserve(l->ps, l->web, "web", v, 2, false, &e), 0);
	assert_false(is_free(SOCK_STREAM, "0.0.0.0", 8081));
	assert_int_equal(lab_stats(l).ports, 2);
	expect(l, false, lab_port(IPPROTO_TCP, "", 8080, 80), -EADDRINUSE, BY_WEB);
	publish_release(l->ps, l->web);
	assert_int_equal(lab_stats(l).ports, 0);
}

static void test_ephemeral(void **state)
{
	struct lab *l = *state;
	struct model_publish v[MANY], again[MANY];
	struct err e = { 0 };

	for (size_t i = 0; i < MANY; i++)
		v[i] = lab_port(i % 2 ? IPPROTO_UDP : IPPROTO_TCP, i % 3 ? "" : "127.0.0.1", 0,
				(uint16_t)(1 + i));
	memcpy(again, v, sizeof(v));
	if (publish_reserve(l->ps, l->web, "web", v, MANY, true, &e) < 0)
		fail_msg("%s", err_text(&e));
	for (size_t i = 0; i < MANY; i++) {
		int type = i % 2 ? SOCK_DGRAM : SOCK_STREAM;

		assert_int_not_equal(v[i].host_port, 0);
		assert_false(is_free(type, "127.0.0.1", v[i].host_port));
		assert_true(i % 3 == 0 || !is_free(type, "::1", v[i].host_port));
		for (size_t k = i % 2; k < i; k += 2)
			assert_int_not_equal(v[i].host_port, v[k].host_port);
	}
	/* Asked again: the same ports, whether chosen or known. */
	assert_int_equal(publish_reserve(l->ps, l->web, "web", again, MANY, true, &e), 0);
	assert_memory_equal(v, again, sizeof(v));
	assert_int_equal(publish_reserve(l->ps, l->web, "web", again, MANY, true, &e), 0);
	assert_int_equal(lab_stats(l).ports, MANY);
}

/* Where the kernel lacks it (as here) there is no socket, only our own order. */
static void test_sctp(void **state)
{
	struct lab *l = *state;
	struct model_publish any = lab_port(IPPROTO_SCTP, "", 0, 80);
	struct err e = { 0 };

	expect(l, true, lab_port(IPPROTO_SCTP, "", 8080, 80), 0, NULL);
	expect(l, false, lab_port(IPPROTO_SCTP, "", 8080, 80), -EADDRINUSE,
	       "port 8080/sctp is published by container web already");
	assert_int_equal(publish_reserve(l->ps, l->db, "db", &any, 1, true, &e), 0);
	assert_int_not_equal(any.host_port, 0);
}

static void test_begun_anew(void **state)
{
	struct lab *l = *state;
	unsigned fds = count_fds(l);

	for (unsigned i = 0; i < 20; i++) {
		struct model_publish v[100];
		struct err e = { 0 };

		for (size_t k = 0; k < ARRAY_SIZE(v); k++)
			v[k] = lab_port(k % 2 ? IPPROTO_UDP : IPPROTO_TCP, "",
					(uint16_t)(20000 + k), (uint16_t)(k + 1));
		if (publish_reserve(l->ps, l->web, "web", v, ARRAY_SIZE(v), true, &e) < 0)
			fail_msg("%s", err_text(&e));
		assert_int_equal(lab_fds(), fds + 200);
		publish_release(l->ps, l->web);
		assert_int_equal(lab_fds(), fds);
	}
}

static void test_too_many(void **state)
{
	struct lab *l = *state;
	struct model_publish *v = mem_alloc_array(PUBLISH_PORTS_MAX + 1, sizeof(*v));
	struct err e = { 0 };

	for (size_t i = 0; i <= PUBLISH_PORTS_MAX; i++)
		v[i] = lab_port(IPPROTO_SCTP, "", (uint16_t)(1 + i), 1);
	assert_int_equal(publish_reserve(l->ps, l->web, "web", v, PUBLISH_PORTS_MAX + 1, true, &e),
			 -ENOSPC);
	assert_int_equal(publish_reserve(l->ps, l->web, "web", v, PUBLISH_PORTS_MAX, true, &e), 0);
	expect(l, false, lab_port(IPPROTO_TCP, "", 80, 80), -ENOSPC,
	       "more than 20000 published ports on this node");
	free(v);
}

static void test_no_more_descriptors(void **state)
{
	struct lab *l = *state;
	unsigned fds = count_fds(l);
	struct model_publish v[100];
	struct rlimit old, low;
	struct err e = { 0 };
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		v[i] = lab_port(i % 2 ? IPPROTO_UDP : IPPROTO_TCP, "", 0, (uint16_t)(i + 1));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(old.rlim_cur > 256); /* raised */
	low = (struct rlimit){ .rlim_cur = fds + 50, .rlim_max = old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &low);
	r = publish_reserve(l->ps, l->web, "web", v, ARRAY_SIZE(v), true, &e);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(r, -EMFILE);
	assert_non_null(strstr(err_text(&e), "too many open files"));
	assert_int_equal(lab_fds(), fds);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, publish_lab_setup, publish_lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nobody_else_takes_it),
		TEST(test_one_address),
		TEST(test_ours_by_name),
		TEST(test_all_or_none),
		TEST(test_holder_by_name),
		TEST(test_holder_unknown),
		TEST(test_taken_meanwhile),
		TEST(test_ephemeral),
		TEST(test_sctp),
		TEST(test_begun_anew),
		TEST(test_too_many),
		TEST(test_no_more_descriptors),
	};
	int r;

	publish_lab_begin();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	publish_lab_end();
	return r;
}
