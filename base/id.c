/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char digits[] = "0123456789abcdef";

struct id id_random(void)
{
	struct id id;
	size_t done = 0;

	while (done < ID_BYTES) {
		ssize_t n = getrandom(id.b + done, ID_BYTES - done, 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* Without randomness two nodes could share an identity: nothing sane can follow. */
		if (n <= 0)
			abort();
		done += (size_t)n;
	}
	return id;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int id_parse(const char *s, struct id *ret)
{
	return id_parse_n(s, strnlen(s, ID_TEXT_MAX), ret);
}

int id_parse_n(const char *s, size_t len, struct id *ret)
{
	struct id id;

	if (len != ID_TEXT_LEN)
		return -EINVAL;
	for (size_t i = 0; i < ID_BYTES; i++) {
		int hi = hex_value(s[2 * i]), lo = hex_value(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		id.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = id;
	return 0;
}

static const char *format_n(const struct id *id, size_t n, char *buf)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = digits[i % 2 ? id->b[i / 2] & 15 : id->b[i / 2] >> 4];
	buf[n] = '\0';
	return buf;
}

const char *id_format(struct id id, char buf[ID_TEXT_MAX])
{
	return format_n(&id, ID_TEXT_LEN, buf);
}

const char *id_short(struct id id, char buf[ID_SHORT_MAX])
{
	return format_n(&id, ID_SHORT_LEN, buf);
}

bool id_eq(struct id a, struct id b)
{
	return id_cmp(a, b) == 0;
}

int id_cmp(struct id a, struct id b)
{
	return memcmp(a.b, b.b, ID_BYTES);
}

bool id_is_zero(struct id id)
{
	return id_eq(id, (struct id){ 0 });
}

bool id_has_prefix(struct id id, const char *hex)
{
	size_t len = strnlen(hex, ID_TEXT_MAX);
	char text[ID_TEXT_MAX];

	if (len == 0 || len > ID_TEXT_LEN)
		return false;
	return memcmp(id_format(id, text), hex, len) == 0;
}
