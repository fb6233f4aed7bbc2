/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/run/run_log.h"
#include "base/mem.h"

#define DEADLINE_MS 20000

struct lab {
	char dir[64];
	char *path, *older;
	struct run_log log;
	pid_t writer; /* whose end ends the following */
	int writer_end; /* closed: it ends */
	pid_t follower;
	int out;
	char got[256];
	size_t n;
};

static int up(void **state)
{
	struct lab *l = mem_alloc(sizeof(*l));
	struct err e = { 0 };
	int end[2];

	snprintf(l->dir, sizeof(l->dir), "/tmp/ovl-test-follow-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	l->path = mem_printf("%s/c1.log", l->dir);
	l->older = mem_printf("%s.1", l->path);
	assert_int_equal(run_log_open(&l->log, l->path, &e), 0);
	l->log.max = 8;
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	l->writer = fork();
	if (l->writer == 0) {
		char c;

		close(end[1]);
		_exit(read(end[0], &c, 1) != 0);
	}
	close(end[0]);
	l->writer_end = end[1];
	l->out = -1;
	*state = l;
	return 0;
}

static int down(void **state)
{
	struct lab *l = *state;

	run_log_close(&l->log);
	mem_closep(&l->writer_end);
	mem_closep(&l->out);
	waitpid(l->writer, NULL, 0);
	unlink(l->path);
	unlink(l->older);
	assert_int_equal(rmdir(l->dir), 0);
	free(l->path);
	free(l->older);
	free(l);
	return 0;
}

static void start(struct lab *l, bool follow)
{
	int out[2];

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	l->follower = fork();
	if (l->follower == 0) {
		struct err e = { 0 };

		mem_closep(&l->writer_end);
		dup2(out[1], STDOUT_FILENO);
		_exit(follow_print(l->path, follow ? pidfd_open(l->writer, 0) : -1, &e) < 0);
	}
	close(out[1]);
	l->out = out[0];
}

/* All that came up to now is @want. */
static void expect(struct lab *l, const char *want)
{
	struct pollfd p = { .fd = l->out, .events = POLLIN };

	while (l->n < strlen(want)) {
		ssize_t n;

		assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
		n = read(l->out, l->got + l->n, sizeof(l->got) - 1 - l->n);
		assert_true(n > 0);
		l->n += (size_t)n;
	}
	assert_string_equal(l->got, want);
}

static void expect_end(struct lab *l)
{
	int status;
	char c;

	assert_int_equal(read(l->out, &c, 1), 0);
	assert_int_equal(waitpid(l->follower, &status, 0), l->follower);
	assert_int_equal(status, 0);
}

static void write_log(struct lab *l, const char *text)
{
	run_log_write(&l->log, text, strlen(text));
}

static void both_files(void **state)
{
	struct lab *l = *state;

	write_log(l, "12345678");
	write_log(l, "abc");
	start(l, false);
	expect(l, "12345678abc");
	expect_end(l);
}

static void as_it_grows(void **state)
{
	struct lab *l = *state;

	start(l, true);
	write_log(l, "one ");
	expect(l, "one ");
	write_log(l, "two ");
	expect(l, "one two ");
	write_log(l, "three "); /* in another file */
	expect(l, "one two three ");
	write_log(l, "4 ");
	expect(l, "one two three 4 ");
	write_log(l, "5 ");
	write_log(l, "last");
	close(TAKE_FD(l->writer_end));
	expect(l, "one two three 4 5 last");
	expect_end(l);
}

/* What was written before the end is there, also where nothing woke us in between. */
static void ended_before(void **state)
{
	struct lab *l = *state;
	struct pollfd p = { .fd = pidfd_open(l->writer, 0), .events = POLLIN };

	write_log(l, "one");
	close(TAKE_FD(l->writer_end));
	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	close(p.fd);
	start(l, true);
	expect(l, "one");
	expect_end(l);
}

static void no_log(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(follow_print("/tmp/ovl-test-follow/none", -1, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/tmp/ovl-test-follow/none"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(both_files),
		T(as_it_grows),
		T(ended_before),
		cmocka_unit_test(no_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
