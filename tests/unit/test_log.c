/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* stderr into a memory file for the time of one test. */
struct capture {
	int fd, saved;
	char text[20000];
};

static int setup(void **state)
{
	struct capture *c = mem_alloc(sizeof(*c));

	fflush(stderr);
	c->fd = memfd_create("log", MFD_CLOEXEC);
	c->saved = dup(STDERR_FILENO);
	dup2(c->fd, STDERR_FILENO);
	log_set_level(LOG_LEVEL_INFO);
	unsetenv("JOURNAL_STREAM");
	*state = c;
	return c->fd < 0 || c->saved < 0;
}

static int teardown(void **state)
{
	struct capture *c = *state;

	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	close(c->fd);
	free(c);
	return 0;
}

/* Everything written since the last call. */
static const char *written(struct capture *c)
{
	ssize_t n = pread(c->fd, c->text, sizeof(c->text) - 1, 0);

	assert_true(n >= 0);
	c->text[n] = '\0';
	assert_int_equal(ftruncate(c->fd, 0), 0);
	lseek(c->fd, 0, SEEK_SET);
	return c->text;
}

static void line_has_time_level_and_message(void **state)
{
	int y, mo, d, h, mi, s, ms, end = 0;
	const char *line;

	log_info("network created", "name=%s n=%d", "demo", 3);
	line = written(*state);
	assert_int_equal(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &y, &mo, &d, &h, &mi, &s,
				&ms, &end),
			 7);
	assert_string_equal(line + end, "info msg=\"network created\" name=demo n=3\n");
}

static void empty_pairs_leave_no_trailing_space(void **state)
{
	const char *line, *msg;

	log_warn("started", "%s", "");
	line = written(*state);
	msg = strstr(line, "warn ");
	assert_non_null(msg);
	assert_string_equal(msg, "warn msg=\"started\"\n");
}

static void level_filters(void **state)
{
	log_debug("hidden", "%s", "");
	assert_string_equal(written(*state), "");
	log_set_level(LOG_LEVEL_ERROR);
	log_warn("hidden", "%s", "");
	assert_string_equal(written(*state), "");
	log_error("shown", "%s", "");
	assert_non_null(strstr(written(*state), "error msg=\"shown\""));
	log_set_level(LOG_LEVEL_DEBUG);
	assert_int_equal(log_get_level(), LOG_LEVEL_DEBUG);
	log_debug("shown", "%s", "");
	assert_non_null(strstr(written(*state), "debug msg=\"shown\""));
}

static void journal_gets_priorities(void **state)
{
	struct capture *c = *state;
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(c->fd, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_error("broken", "a=%d", 1);
	assert_string_equal(written(c), "<3>msg=\"broken\" a=1\n");
	/* An inherited variable with stderr elsewhere, and one that is no dev:ino at all. */
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_error("broken", "a=%d", 1);
	assert_non_null(strstr(written(c), "Z error msg="));
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_error("broken", "a=%d", 1);
	assert_non_null(strstr(written(c), "Z error msg="));
}

static void one_event_is_one_line(void **state)
{
	char big[12000];
	const char *line;

	log_info("x", "v=%s", "a\nb\r\nc");
	line = written(*state);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info("x", "v=%s", big);
	line = written(*state);
	assert_true(strlen(line) <= 8192);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void quoting(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "demo", "demo" },
		{ "10.0.0.0/24", "10.0.0.0/24" },
		{ "", "\"\"" },
		{ NULL, "\"\"" },
		{ "a b", "\"a b\"" },
		{ "a=b", "\"a=b\"" },
		{ "say \"hi\"\\", "\"say \\\"hi\\\"\\\\\"" },
		{ "a\nb\tc\r\x01\x7f", "\"a\\nb\\tc\\r\\x01\\x7f\"" },
		{ "M\xc3\xbcnchen", "M\xc3\xbcnchen" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(LOG_Q(cases[i].in), cases[i].out);
}

static void quoting_is_bounded(void **state)
{
	char big[LOG_QUOTE_MAX * 3];
	struct log_quoted q;

	(void)state;
	memset(big, '\x01', sizeof(big) - 1); /* the longest escape there is */
	big[sizeof(big) - 1] = '\0';
	q = log_quote(big);
	assert_true(strlen(q.s) < sizeof(q.s));
	assert_string_equal(q.s + strlen(q.s) - 4, "...\"");
	/* Exactly at the limit: whole. */
	memset(big, 'x', sizeof(big));
	big[LOG_QUOTE_MAX] = '\0';
	q = log_quote(big);
	assert_string_equal(q.s, big);
	/* The limit falls inside a two-byte character: that one goes whole. */
	memset(big, 'x', sizeof(big));
	memcpy(big + LOG_QUOTE_MAX - 1, "\xc3\xbc", 2);
	big[LOG_QUOTE_MAX + 5] = '\0';
	q = log_quote(big);
	assert_string_equal(q.s + strlen(q.s) - 5, "x...\"");
}

static void level_names(void **state)
{
	enum log_level level = LOG_LEVEL_DEBUG;

	(void)state;
	assert_int_equal(log_level_parse("warn", &level), 0);
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_string_equal(log_level_name(LOG_LEVEL_DEBUG), "debug");
}

static void rate_limit_counts(void **state)
{
	struct log_limit l = { 0 };
	unsigned suppressed = 99;

	(void)state;
	assert_true(log_limit_pass(&l, 1000, 500, &suppressed));
	assert_int_equal(suppressed, 0);
	assert_false(log_limit_pass(&l, 1001, 500, &suppressed));
	assert_false(log_limit_pass(&l, 1499, 500, &suppressed));
	assert_true(log_limit_pass(&l, 1500, 500, &suppressed));
	assert_int_equal(suppressed, 2);
	assert_true(log_limit_pass(&l, 2000, 500, &suppressed));
	assert_int_equal(suppressed, 0);
}

#define captured(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		captured(line_has_time_level_and_message),
		captured(empty_pairs_leave_no_trailing_space),
		captured(level_filters),
		captured(journal_gets_priorities),
		captured(one_event_is_one_line),
		cmocka_unit_test(quoting),
		cmocka_unit_test(quoting_is_bounded),
		cmocka_unit_test(level_names),
		cmocka_unit_test(rate_limit_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
