/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CAP_MIN 64

/* What an empty buffer shows: NUL-terminated without an allocation; never written, never freed. */
static const char nothing[1];

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .data = (char *)nothing, .max = max };
}

void buf_done(struct buf *b)
{
	if (b->cap)
		free(b->data);
	buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->cap)
		b->data[0] = '\0';
}

/* Room for @more bytes and the NUL. */
static int reserve(struct buf *b, size_t more)
{
	size_t need, cap;

	if (b->len > b->max || more > b->max - b->len || more > SIZE_MAX / 2 - b->len)
		return -EMSGSIZE;
	need = b->len + more + 1;
	if (need <= b->cap)
		return 0;
	cap = b->cap > SIZE_MAX / 2 ? need : b->cap * 2;
	if (cap < need)
		cap = need;
	if (cap < CAP_MIN)
		cap = CAP_MIN;
	b->data = mem_grow(b->cap ? b->data : NULL, cap, 1);
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	int r;

	if (len == 0)
		return 0;
	r = reserve(b, len);
	if (r < 0)
		return r;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_puts(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	_cleanup_free_ char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	s = mem_vprintf(fmt, ap);
	va_end(ap);
	return buf_puts(b, s);
}

void buf_drop(struct buf *b, size_t n)
{
	if (n >= b->len) {
		buf_reset(b);
		return;
	}
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

char *buf_take(struct buf *b)
{
	char *s = b->cap ? b->data : mem_strdup("");

	buf_init(b, b->max);
	return s;
}
