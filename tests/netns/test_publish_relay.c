/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sockets of published ports relay: TCP by connection, UDP by client. There is no nf_tables here, so all of it comes by the sockets.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "base/mem.h"
#include "tests/netns/publish_lab.h"

#define BULK ((size_t)10 << 20)
#define PARALLEL 200
#define PORT 8080

static struct model_publish tcp(uint16_t port)
{
	return lab_port(IPPROTO_TCP, "", PORT, port);
}

/* Blocking reads and writes, in a thread of their own. */
struct talk {
	int fd;
	size_t n; /* bytes to be sent */
	size_t got;
	int error; /* errno of the last read */
	char text[64];
	bool same; /* what came is what was sent */
};

static char pattern(size_t i)
{
	return (char)(i * 7 + i / 251);
}

/* Both ways at a time, as an echo of any length needs. */
static void talk_echo(void *arg)
{
	struct talk *t = arg;
	size_t sent = 0;
	char buf[32768];

	t->same = true;
	while (t->got < t->n) {
		struct pollfd p = { .fd = t->fd, .events = POLLIN | (sent < t->n ? POLLOUT : 0) };
		ssize_t r;

		if (poll(&p, 1, LAB_WAIT_MS) <= 0)
			return;
		if (p.revents & POLLOUT) {
			size_t n = t->n - sent < sizeof(buf) ? t->n - sent : sizeof(buf);

			for (size_t i = 0; i < n; i++)
				buf[i] = pattern(sent + i);
			r = send(t->fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
			sent += r > 0 ? (size_t)r : 0;
		}
		if (!(p.revents & ~POLLOUT))
			continue;
		r = recv(t->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (r <= 0 && errno != EAGAIN)
			return;
		for (ssize_t i = 0; i < r; i++)
			t->same = t->same && buf[i] == pattern(t->got + (size_t)i);
		t->got += r > 0 ? (size_t)r : 0;
	}
}

/* Send @n bytes, say that this is all, and read the rest. */
static void talk_count(void *arg)
{
	struct talk *t = arg;
	_cleanup_free_ char *data = mem_alloc(t->n + 1);
	ssize_t r = 1;

	for (size_t sent = 0; sent < t->n && r > 0; sent += r > 0 ? (size_t)r : 0)
		r = send(t->fd, data, t->n - sent, MSG_NOSIGNAL);
	shutdown(t->fd, SHUT_WR);
	do {
		r = recv(t->fd, t->text + t->got, sizeof(t->text) - 1 - t->got, 0);
		t->got += r > 0 ? (size_t)r : 0;
	} while (r > 0);
	t->error = r < 0 ? errno : 0;
}

static void talk_drain(void *arg)
{
	struct talk *t = arg;
	char buf[32768];
	ssize_t r;

	for (r = recv(t->fd, buf, sizeof(buf), 0); r > 0; r = recv(t->fd, buf, sizeof(buf), 0))
		t->got += (size_t)r;
	t->error = r < 0 ? errno : 0;
}

static struct talk drive(struct lab *l, void (*fn)(void *arg), const char *addr, size_t n)
{
	struct talk t = { .fd = lab_socket(SOCK_STREAM, addr, PORT), .n = n };

	lab_drive(l, fn, &t);
	close(t.fd);
	return t;
}

static bool no_relays(struct lab *l)
{
	return lab_stats(l).tcp_relays == 0 && lab_stats(l).udp_relays == 0;
}

static void test_bulk_both_ways(void **state)
{
	struct lab *l = *state;
	static const char *const from[] = { "::1", "127.0.0.1", "10.2.0.1", "fd02::1" };

	lab_publish(l, l->web, tcp(LAB_ECHO), "10.2.0.2", "fd02::2");
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		struct talk t = drive(l, talk_echo, from[i], BULK);

		assert_int_equal(t.got, BULK);
		assert_true(t.same);
	}
	lab_wait(l, no_relays);
	assert_int_equal(lab_stats(l).relayed, ARRAY_SIZE(from));
	assert_int_equal(lab_stats(l).refused, 0);
}

static void test_other_family(void **state)
{
	struct lab *l = *state;

	lab_publish(l, l->web, tcp(LAB_ECHO), "10.2.0.2", "");
	assert_int_equal(drive(l, talk_echo, "::1", 1000).got, 1000);
	lab_publish(l, l->web, tcp(LAB_ECHO), "", "fd02::2");
	assert_int_equal(drive(l, talk_echo, "127.0.0.1", 1000).got, 1000);
}

static void test_half_close(void **state)
{
	struct lab *l = *state;
	struct talk t;

	lab_publish(l, l->web, tcp(LAB_COUNT), "10.2.0.2", "");
	t = drive(l, talk_count, "::1", BULK);
	assert_int_equal(t.error, 0);
	assert_string_equal(t.text, "10485760");
	t = drive(l, talk_count, "::1", 0);
	assert_string_equal(t.text, "0");
	lab_wait(l, no_relays);
	/* The container's side ends first. */
	lab_publish(l, l->web, tcp(LAB_BYE), "10.2.0.2", "");
	t = drive(l, talk_count, "::1", 0);
	assert_int_equal(t.error, 0);
	assert_string_equal(t.text, "bye");
	lab_wait(l, no_relays);
}

/* Has the source stood still for some turns of lab_wait()? */
static bool stands_still(struct lab *l)
{
	static size_t sent;
	static unsigned turns;

	(void)l;
	turns = lab_sent() == sent ? turns + 1 : 0;
	sent = lab_sent();
	return sent > 0 && turns > 30; /* of 10 ms */
}

static void test_slow_reader_stops_the_writer(void **state)
{
	struct lab *l = *state;
	struct talk t = { 0 };

	lab_publish(l, l->web, tcp(LAB_SOURCE), "10.2.0.2", "");
	t.fd = lab_socket(SOCK_STREAM, "::1", PORT);
	lab_wait(l, stands_still);
	print_message("sent to a reader that does not read: %zu KiB\n", lab_sent() >> 10);
	assert_true(lab_sent() < LAB_SOURCE_BYTES);
	lab_drive(l, talk_drain, &t);
	assert_int_equal(t.error, 0);
	assert_int_equal(t.got, LAB_SOURCE_BYTES);
	close(t.fd);
	lab_wait(l, no_relays);
}

static void talk_parallel(void *arg)
{
	struct talk *t = arg;

	for (size_t i = 0; i < PARALLEL; i++)
		talk_echo(&t[i]);
}

static void test_parallel(void **state)
{
	struct lab *l = *state;
	struct talk t[PARALLEL] = { 0 };

	lab_publish(l, l->web, tcp(LAB_ECHO), "10.2.0.2", "");
	for (size_t i = 0; i < PARALLEL; i++) {
		t[i].fd = lab_socket(SOCK_STREAM, i % 2 ? "::1" : "10.2.0.1", PORT);
		t[i].n = 10000;
	}
	lab_drive(l, talk_parallel, t);
	assert_int_equal(lab_stats(l).tcp_relays, PARALLEL);
	for (size_t i = 0; i < PARALLEL; i++) {
		assert_int_equal(t[i].got, 10000);
		assert_true(t[i].same);
		close(t[i].fd);
	}
	lab_wait(l, no_relays);
}

static void test_refused(void **state)
{
	struct lab *l = *state;
	struct talk t;

	lab_publish(l, l->web, tcp(LAB_CLOSED), "10.2.0.2", "");
	t = drive(l, talk_drain, "::1", 0);
	assert_int_equal(t.error, ECONNRESET);
	/* No target: closed at once. */
	lab_publish(l, l->web, tcp(LAB_ECHO), "", "");
	t = drive(l, talk_drain, "::1", 0);
	assert_int_equal(t.error, ECONNRESET);
	assert_int_equal(lab_stats(l).refused, 1);
	lab_wait(l, no_relays);
}

/* Our side of a relayed connection closes first and stays in TIME_WAIT with the published port. */
static bool in_time_wait(struct lab *l)
{
	char line[512];
	bool found = false;
	FILE *f = fopen("/proc/thread-self/net/tcp", "re");

	(void)l;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		found = found ||
			(strstr(line, ": 0100007F:1F90 ") != NULL && strstr(line, " 06 ") != NULL);
	fclose(f);
	return found;
}

static void test_time_wait_does_not_keep_it(void **state)
{
	struct lab *l = *state;

	lab_publish(l, l->web, tcp(LAB_BYE), "10.2.0.2", "");
	assert_int_equal(drive(l, talk_drain, "127.0.0.1", 0).got, 3);
	lab_wait(l, in_time_wait);
	publish_release(l->ps, l->web);
	lab_publish(l, l->db, tcp(LAB_BYE), "10.2.0.2", "");
	assert_true(in_time_wait(l));
	assert_int_equal(drive(l, talk_drain, "127.0.0.1", 0).got, 3);
}

static bool one_relay(struct lab *l)
{
	return lab_stats(l).tcp_relays == 1;
}

static bool two_relays(struct lab *l)
{
	return lab_stats(l).tcp_relays == 2;
}

static void test_cut_with_its_owner(void **state)
{
	struct lab *l = *state;
	struct talk web, db = { .n = 1000 };

	lab_publish(l, l->web, tcp(LAB_ECHO), "10.2.0.2", "");
	lab_publish(l, l->db, lab_port(IPPROTO_TCP, "", PORT + 1, LAB_ECHO), "10.2.0.2", "");
	for (unsigned i = 0; i < 2; i++) {
		web = (struct talk){ .fd = lab_socket(SOCK_STREAM, "::1", PORT) };
		if (i == 0)
			db.fd = lab_socket(SOCK_STREAM, "::1", PORT + 1);
		lab_wait(l, two_relays);
		if (i == 0) /* elsewhere from now on */
			publish_target(l->ps, l->web, lab_ip("10.2.0.9"), lab_ip(""));
		else
			publish_release(l->ps, l->web);
		lab_wait(l, one_relay);
		lab_drive(l, talk_drain, &web);
		assert_int_equal(web.got, 0);
		close(web.fd);
		publish_target(l->ps, l->web, lab_ip("10.2.0.2"), lab_ip(""));
	}
	lab_drive(l, talk_echo, &db);
	assert_int_equal(db.got, 1000);
	close(db.fd);
}

/* Everything goes at once, with data under way in every direction. */
static void test_close_in_the_middle(void **state)
{
	struct lab *l = *state;
	char buf[32768] = { 0 };
	int fd[20];

	lab_publish(l, l->web, tcp(LAB_SOURCE), "10.2.0.2", "");
	lab_publish(l, l->db, lab_port(IPPROTO_UDP, "", PORT, LAB_ECHO), "10.2.0.2", "");
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = lab_socket(i % 2 ? SOCK_DGRAM : SOCK_STREAM, "::1", PORT);
		assert_true(send(fd[i], buf, sizeof(buf), MSG_DONTWAIT) > 0);
	}
	for (unsigned i = 0; i < 5; i++)
		uv_run(&l->loop, UV_RUN_ONCE);
	send(fd[0], buf, sizeof(buf), MSG_DONTWAIT);
	publishes_close(l->ps);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	l->ps = NULL;
}

static void talk_udp(void *arg)
{
	struct talk *t = arg;
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	ssize_t r;

	send(t->fd, t->text, t->n, 0);
	memset(t->text, 0, sizeof(t->text));
	r = poll(&p, 1, LAB_WAIT_MS) > 0 ? recv(t->fd, t->text, sizeof(t->text), 0) : -1;
	t->got = r > 0 ? (size_t)r : 0;
}

/* A connected socket takes what comes from the address it sent to, and nothing else. */
static void test_udp_answers_from_the_address_asked(void **state)
{
	struct lab *l = *state;
	static const char *const to[] = { "127.0.0.1", "10.2.0.1", "10.2.0.3", "127.0.0.9",
					  "::1",       "fd02::1",  "fd02::3" };

	lab_publish(l, l->web, lab_port(IPPROTO_UDP, "", PORT, LAB_ECHO), "10.2.0.2", "fd02::2");
	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		struct talk t = { .fd = lab_socket(SOCK_DGRAM, to[i], PORT) };

		for (unsigned k = 0; k < 2; k++) {
			t.n = (size_t)snprintf(t.text, sizeof(t.text), "%zu", i);
			lab_drive(l, talk_udp, &t);
			assert_int_equal(t.got, t.n);
			assert_int_equal(t.text[0], '0' + (char)i);
		}
		close(t.fd);
	}
	assert_int_equal(lab_stats(l).udp_relays, ARRAY_SIZE(to));
	assert_int_equal(lab_stats(l).relayed, ARRAY_SIZE(to));
}

static void test_udp_other_family_and_one_address(void **state)
{
	struct lab *l = *state;
	struct talk t = { .n = 1 };

	lab_publish(l, l->web, lab_port(IPPROTO_UDP, "::1", PORT, LAB_ECHO), "10.2.0.2", "");
	t.fd = lab_socket(SOCK_DGRAM, "::1", PORT);
	lab_drive(l, talk_udp, &t);
	assert_int_equal(t.got, 1);
	close(t.fd);
}

/* The container's refusal is no end: it may listen later. */
static void test_udp_refused_by_the_container(void **state)
{
	struct lab *l = *state;
	struct talk t = { .n = 1 };

	lab_publish(l, l->web, lab_port(IPPROTO_UDP, "", PORT, LAB_CLOSED), "10.2.0.2", "");
	t.fd = lab_socket(SOCK_DGRAM, "::1", PORT);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(send(t.fd, "x", 1, 0), 1);
		uv_run(&l->loop, UV_RUN_ONCE);
	}
	assert_int_equal(lab_stats(l).udp_relays, 1);
	/* The service is there now, as it were. */
	lab_publish(l, l->web, lab_port(IPPROTO_UDP, "", PORT, LAB_ECHO), "10.2.0.2", "");
	lab_drive(l, talk_udp, &t);
	assert_int_equal(t.got, 1);
	close(t.fd);
}

static void test_udp_idle(void **state)
{
	struct lab *l = *state;
	struct talk t = { .n = 1 };

	l->ps->udp_idle_ms = 100;
	lab_publish(l, l->web, lab_port(IPPROTO_UDP, "", PORT, LAB_ECHO), "10.2.0.2", "");
	t.fd = lab_socket(SOCK_DGRAM, "::1", PORT);
	for (unsigned i = 0; i < 2; i++) {
		lab_drive(l, talk_udp, &t);
		assert_int_equal(t.got, 1);
		lab_wait(l, no_relays);
	}
	assert_int_equal(lab_stats(l).relayed, 2);
	close(t.fd);
}

static bool six_refused(struct lab *l)
{
	return lab_stats(l).refused >= 6;
}

static void test_udp_no_more_than_allowed(void **state)
{
	struct lab *l = *state;
	int fd[PUBLISH_RELAYS_MAX + 6];

	lab_publish(l, l->web, lab_port(IPPROTO_UDP, "", PORT, LAB_ECHO), "10.2.0.2", "");
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = lab_socket(SOCK_DGRAM, "::1", PORT);
		assert_int_equal(send(fd[i], "x", 1, 0), 1);
		uv_run(&l->loop, UV_RUN_NOWAIT);
	}
	lab_wait(l, six_refused);
	assert_int_equal(lab_stats(l).udp_relays, PUBLISH_RELAYS_MAX);
	assert_int_equal(lab_stats(l).refused, 6);
	publish_release(l->ps, l->web);
	assert_int_equal(lab_stats(l).udp_relays, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

static void test_tcp_no_more_than_allowed(void **state)
{
	struct lab *l = *state;
	int fd[PUBLISH_RELAYS_MAX + 6];

	lab_publish(l, l->web, tcp(LAB_MUTE), "10.2.0.2", "");
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = lab_socket(SOCK_STREAM, "::1", PORT);
		uv_run(&l->loop, UV_RUN_NOWAIT);
	}
	lab_wait(l, six_refused);
	assert_int_equal(lab_stats(l).tcp_relays, PUBLISH_RELAYS_MAX);
	assert_int_equal(lab_stats(l).refused, 6);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	publish_release(l->ps, l->web);
	assert_int_equal(lab_stats(l).tcp_relays, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, publish_lab_setup, publish_lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bulk_both_ways),
		TEST(test_other_family),
		TEST(test_half_close),
		TEST(test_slow_reader_stops_the_writer),
		TEST(test_parallel),
		TEST(test_refused),
		TEST(test_time_wait_does_not_keep_it),
		TEST(test_cut_with_its_owner),
		TEST(test_close_in_the_middle),
		TEST(test_udp_answers_from_the_address_asked),
		TEST(test_udp_other_family_and_one_address),
		TEST(test_udp_refused_by_the_container),
		TEST(test_udp_idle),
		TEST(test_udp_no_more_than_allowed),
		TEST(test_tcp_no_more_than_allowed),
	};
	int r;

	publish_lab_begin();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	publish_lab_end();
	return r;
}
