/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Written without stdio or allocation: there may be no memory left for either. */
static _Noreturn void die(const char *why)
{
	ssize_t n = write(STDERR_FILENO, why, strlen(why));

	(void)n;
	abort();
}

void *mem_alloc(size_t size)
{
	return mem_alloc_array(1, size);
}

void *mem_alloc_array(size_t n, size_t size)
{
	/* calloc(0) may return NULL, which would read as failure. */
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		die("out of memory\n");
	return p;
}

void *mem_grow(void *p, size_t n, size_t size)
{
	/* realloc(p, 0) may free: keep one byte so that the pointer stays owned. */
	void *q = n && size ? reallocarray(p, n, size) : realloc(p, 1);

	if (!q)
		die("out of memory\n");
	return q;
}

void *mem_dup(const void *p, size_t size)
{
	void *q = mem_alloc(size);

	if (size)
		memcpy(q, p, size);
	return q;
}

char *mem_strdup(const char *s)
{
	return s ? mem_dup(s, strlen(s) + 1) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p;

	if (len == SIZE_MAX)
		die("string too long\n");
	p = mem_alloc(len + 1);
	memcpy(p, s, len);
	return p;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = mem_vprintf(fmt, ap);
	va_end(ap);
	return s;
}

char *mem_vprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		die("out of memory or bad format\n");
	return s;
}
