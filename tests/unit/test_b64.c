/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/b64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"

/* RFC 4648 §10 */
static const struct {
	const char *plain, *text;
} vectors[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
};

static void rfc_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		_cleanup_free_ char *text = b64_encode(vectors[i].plain, strlen(vectors[i].plain));
		_cleanup_free_ char *plain = NULL;
		size_t len = 99;

		assert_string_equal(text, vectors[i].text);
		assert_int_equal(b64_decode(text, strlen(text), &plain, &len), 0);
		assert_int_equal(len, strlen(vectors[i].plain));
		assert_string_equal(plain, vectors[i].plain);
	}
}

static void every_byte_survives(void **state)
{
	unsigned char all[256];
	_cleanup_free_ char *text = NULL, *back = NULL;
	size_t len;

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	text = b64_encode(all, sizeof(all));
	assert_int_equal(b64_decode(text, strlen(text), &back, &len), 0);
	assert_int_equal(len, 256);
	assert_memory_equal(back, all, 256);
	assert_int_equal(back[256], '\0');
}

static void malformed_is_refused(void **state)
{
	static const char *const bad[] = {
		"Z",	"Zg",	 "Zg=",		 "Zg===", "=",	  "====", "Zg==Zg==",
		"Z=g=", "Zm9v ", "Zm9v\n\n\n\n", "Zm 9v", "Zm9-", "Zm9_", "Zh==", /* stray bits */
		"Zm9=", "A===",
	};
	char *out = (char *)bad;
	size_t len = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(b64_decode(bad[i], strlen(bad[i]), &out, &len), -EINVAL);
	assert_int_equal(b64_decode("Zm\0v", 4, &out, &len), -EINVAL);
	/* untouched on failure */
	assert_ptr_equal(out, (char *)bad);
	assert_int_equal(len, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_vectors),
		cmocka_unit_test(every_byte_survives),
		cmocka_unit_test(malformed_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
