/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it */
#include <cmocka.h>

#include "base/mem.h"
#include "store/kv.h"

static void prefix_ends(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "/a/", "/a0" }, { "a", "b" }, { "a\xff", "b" }, { "\xff", "" }, { "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *end = kv_prefix_end(cases[i][0]);

		assert_string_equal(end, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefix_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
