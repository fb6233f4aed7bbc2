/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void boot_time_does_not_go_back(void **state)
{
	uint64_t last = clock_boot_ms();

	(void)state;
	assert_true(last > 0);
	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_boot_ms();

		assert_true(now >= last);
		last = now;
	}
}

static void wall_text_is_rfc3339(void **state)
{
	char buf[CLOCK_TEXT_MAX];
	int y, mo, d, h, mi, s, ns, end = 0;

	(void)state;
	assert_ptr_equal(clock_wall_text(buf), buf);
	assert_int_equal(sscanf(buf, "%4d-%2d-%2dT%2d:%2d:%2d.%9dZ%n", &y, &mo, &d, &h, &mi, &s,
				&ns, &end),
			 7);
	assert_int_equal(end, 30);
	assert_int_equal(strlen(buf), 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boot_time_does_not_go_back),
		cmocka_unit_test(wall_text_is_rfc3339),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
