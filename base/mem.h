/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mem - allocation that cannot fail, and scope-bound cleanup.
 *
 * Running out of memory aborts: a restarted agent adopts the kernel's state, and every size that
 * comes from outside has a named maximum where it is parsed.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/** mem_alloc() - @size zeroed bytes; never NULL. Owned by the caller, released with free(). */
void *mem_alloc(size_t size);
/** mem_alloc_array() - @n zeroed objects of @size bytes, overflow-checked; never NULL. */
void *mem_alloc_array(size_t n, size_t size);
/** mem_grow() - resize @p to @n objects of @size bytes, overflow-checked; new bytes undefined. */
void *mem_grow(void *p, size_t n, size_t size);
/** mem_dup() - copy of @size bytes at @p; never NULL. */
void *mem_dup(const void *p, size_t size);
/** mem_strdup() - copy of @s, NULL for NULL. */
char *mem_strdup(const char *s);
/** mem_strndup() - copy of at most @n bytes of @s, NUL-terminated. */
char *mem_strndup(const char *s, size_t n);
/** mem_printf() - formatted string, owned by the caller. */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *mem_vprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

/** mem_freep() - cleanup attribute for heap pointers: `_cleanup_free_ char *s = NULL;` */
static inline void mem_freep(void *pp)
{
	free(*(void **)pp);
}
/** mem_closep() - cleanup attribute for descriptors: `_cleanup_close_ int fd = -1;` */
static inline void mem_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(mem_freep)
#define _cleanup_close_ _cleanup_(mem_closep)

/* Hands a pointer over: evaluates to @p's value and leaves NULL behind. */
#define TAKE_PTR(p)                     \
	({                              \
		__typeof__(p) _t = (p); \
		(p) = NULL;             \
		_t;                     \
	})
/* Hands a descriptor over: evaluates to @fd and leaves -1 behind. */
#define TAKE_FD(fd)            \
	({                     \
		int _t = (fd); \
		(fd) = -1;     \
		_t;            \
	})
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
