/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err - why something failed, in words, for the places where a person or a plugin reads it.
 *
 * Functions return 0 or -errno; those whose reason must be readable also take a `struct err *`
 * (NULL allowed). Several problems of one request gather in one err, joined by "; ".
 */
#pragma once
#include <stdarg.h>

#define ERR_TEXT_MAX 2048

struct err {
	int code; /* first -errno recorded, 0 for none */
	char text[ERR_TEXT_MAX];
};

/** err_set() - replace what @e says. Return: @code (negative errno), for `return err_set(...)`. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__
/* The analyzer sees one file: it must be told that `return err_set(e, -EINVAL, ...)` is a failure. */
#define err_set(e, code, ...) ((void)(err_set)(e, code, __VA_ARGS__), (code))
#endif
/** err_add() - append a further problem ("; " between). The first code stays. Return: the code kept. */
int err_add(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** err_prefix() - put context in front: "context: text". Return: the code kept (0 if @e is NULL or clean). */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** err_text() - the text, or strerror of the code where there is none; never NULL. */
const char *err_text(const struct err *e);
