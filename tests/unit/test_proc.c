/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/proc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void own_start(void **state)
{
	uint64_t a = 0, b = 0;
	char name[16];

	(void)state;
	assert_int_equal(proc_start(getpid(), &a), 0);
	assert_true(a > 0);
	/* A name that looks like the end of the field. */
	assert_int_equal(prctl(PR_GET_NAME, name), 0);
	assert_int_equal(prctl(PR_SET_NAME, "a) R 1 (b) 2 3"), 0);
	assert_int_equal(proc_start(getpid(), &b), 0);
	assert_int_equal(prctl(PR_SET_NAME, name), 0);
	assert_int_equal(a, b);
}

static void gone(void **state)
{
	uint64_t start = 7;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(proc_start(pid, &start), -ESRCH);
	assert_int_equal(start, 7);
	assert_int_equal(proc_start(-1, &start), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_start),
		cmocka_unit_test(gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
