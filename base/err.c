/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Arguments may point into e->text (err_set(e, code, "x: %s", err_text(e))), so every text is made
 * on the side first.
 */
static void store(struct err *e, const char *text, size_t len)
{
	if (len >= sizeof(e->text))
		len = sizeof(e->text) - 1;
	memmove(e->text, text, len);
	e->text[len] = '\0';
}

static size_t bounded(int n, size_t size)
{
	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}

int(err_set)(struct err *e, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (!e)
		return code;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	e->code = code;
	store(e, text, bounded(n, sizeof(text)));
	return code;
}

int err_add(struct err *e, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	size_t used = 0;
	va_list ap;
	int n;

	if (!e)
		return code;
	if (e->code == 0)
		e->code = code;
	if (e->text[0] != '\0') {
		used = strlen(e->text);
		memcpy(text, e->text, used);
		used += bounded(snprintf(text + used, sizeof(text) - used, "; "),
				sizeof(text) - used);
	}
	va_start(ap, fmt);
	n = vsnprintf(text + used, sizeof(text) - used, fmt, ap);
	va_end(ap);
	store(e, text, used + bounded(n, sizeof(text) - used));
	return e->code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	size_t used;
	va_list ap;
	int n;

	if (!e || (e->code == 0 && e->text[0] == '\0'))
		return 0;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	used = bounded(n, sizeof(text));
	n = snprintf(text + used, sizeof(text) - used, ": %s", err_text(e));
	store(e, text, used + bounded(n, sizeof(text) - used));
	return e->code;
}

const char *err_text(const struct err *e)
{
	const char *s;

	if (!e)
		return "unknown error";
	if (e->text[0] != '\0')
		return e->text;
	s = strerrordesc_np(e->code < 0 ? -e->code : e->code);
	return s ? s : "unknown error";
}
