/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>

static void alloc_is_zeroed_and_never_null(void **state)
{
	_cleanup_free_ char *p = mem_alloc(100), *zero = mem_alloc(0), *none = NULL;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	assert_non_null(zero);
	none = mem_alloc_array(0, 8);
	assert_non_null(none);
}

/* Runs @fn in a child of its own: must it die? */
static bool dies(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDERR_FILENO);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* volatile: the compiler warns, rightly, of constants this large. */
static volatile size_t huge = SIZE_MAX / 2;

static void overflow_alloc(void)
{
	free(mem_alloc_array(huge, 4));
}

static void overflow_grow(void)
{
	free(mem_grow(NULL, huge, 4));
}

static void overflowing_sizes_abort(void **state)
{
	(void)state;
	assert_true(dies(overflow_alloc));
	assert_true(dies(overflow_grow));
}

static void grow_keeps_content(void **state)
{
	uint32_t *p = NULL;

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		p = mem_grow(p, i + 1, sizeof(*p));
		p[i] = i;
	}
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(p[i], i);
	p = mem_grow(p, 0, sizeof(*p));
	assert_non_null(p);
	free(p);
}

static void copies(void **state)
{
	_cleanup_free_ char *a = mem_strdup("abc"), *b = mem_strndup("abcdef", 3),
			    *c = mem_strndup("ab", 100), *d = mem_dup("x\0y", 3),
			    *e = mem_dup("", 0);
	const char raw[2] = { 'h', 'i' }; /* no NUL: at most n bytes may be read */
	_cleanup_free_ char *f = mem_strndup(raw, 2);

	(void)state;
	assert_string_equal(a, "abc");
	assert_string_equal(b, "abc");
	assert_string_equal(c, "ab");
	assert_memory_equal(d, "x\0y", 3);
	assert_non_null(e);
	assert_string_equal(f, "hi");
	assert_null(mem_strdup(NULL));
}

static void formatted(void **state)
{
	_cleanup_free_ char *s = mem_printf("%d-%s", 42, "x"), *big = mem_printf("%5000d", 7);

	(void)state;
	assert_string_equal(s, "42-x");
	assert_int_equal(strlen(big), 5000);
}

static void take_leaves_nothing(void **state)
{
	char *p = mem_strdup("x");
	_cleanup_free_ char *q = TAKE_PTR(p);
	int fd = 7, taken = TAKE_FD(fd);

	(void)state;
	assert_null(p);
	assert_string_equal(q, "x");
	assert_int_equal(fd, -1);
	assert_int_equal(taken, 7);
}

static void descriptors_close_with_their_scope(void **state)
{
	int seen;

	(void)state;
	{
		_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), none = -1;

		assert_true(fd >= 0);
		(void)none;
		seen = fd;
	}
	assert_int_equal(fcntl(seen, F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alloc_is_zeroed_and_never_null),
		cmocka_unit_test(overflowing_sizes_abort),
		cmocka_unit_test(grow_keeps_content),
		cmocka_unit_test(copies),
		cmocka_unit_test(formatted),
		cmocka_unit_test(take_leaves_nothing),
		cmocka_unit_test(descriptors_close_with_their_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
