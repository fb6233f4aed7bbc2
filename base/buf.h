/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * buf - growable bytes with a stated maximum, always NUL-terminated one past the end.
 */
#pragma once
#include <stddef.h>
#include "base/mem.h"

struct buf {
	char *data;
	size_t len, cap, max;
};

/** buf_init() - empty; @max: the length at which appending fails with -EMSGSIZE. */
void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);
/** buf_reset() - empty again, memory kept. */
void buf_reset(struct buf *b);
int buf_append(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** buf_drop() - remove @n bytes from the front. */
void buf_drop(struct buf *b, size_t n);
/** buf_take() - the bytes as a heap string (never NULL), @b empty afterwards. */
char *buf_take(struct buf *b);
#define _cleanup_buf_ _cleanup_(buf_done)
