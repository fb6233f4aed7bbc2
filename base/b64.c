/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/b64.h"

#include <errno.h>
#include <nettle/base64.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

char *b64_encode(const void *data, size_t len)
{
	char *text;

	if (len > (SIZE_MAX - 4) / 4 * 3)
		abort();
	text = mem_alloc(BASE64_ENCODE_RAW_LENGTH(len) + 1);
	base64_encode_raw(text, len, data);
	return text;
}

/* nettle skips white space and takes input in any pieces: both are refused here. */
static bool is_strict(const char *text, size_t len)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i, end = len;

	if (len % 4)
		return false;
	for (i = 0; i < 2 && end > 0 && text[end - 1] == '='; i++)
		end--;
	for (i = 0; i < end; i++) {
		if (text[i] == '\0' || !strchr(alphabet, text[i]))
			return false;
	}
	return true;
}

int b64_decode(const char *text, size_t len, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *out = NULL;
	struct base64_decode_ctx ctx;
	size_t n = 0;

	if (!is_strict(text, len))
		return -EINVAL;
	out = mem_alloc(BASE64_DECODE_LENGTH(len) + 1);
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, &n, (uint8_t *)out, len, text) ||
	    !base64_decode_final(&ctx))
		return -EINVAL;
	out[n] = '\0';
	*ret = TAKE_PTR(out);
	*ret_len = n;
	return 0;
}
