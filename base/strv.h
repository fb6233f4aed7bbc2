/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * strv - owned arrays of strings, and of key=value pairs in the order given.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/mem.h"

struct strv {
	char **v;
	size_t n;
};
void strv_add(struct strv *s, const char *item);
bool strv_has(const struct strv *s, const char *item);
void strv_copy(struct strv *dst, const struct strv *src); /* @dst must be empty */
bool strv_eq(const struct strv *a, const struct strv *b);
void strv_done(struct strv *s);
/** strv_split() - add the parts of @text between @sep, empty parts left out. */
void strv_split(struct strv *s, const char *text, char sep);
#define _cleanup_strv_ _cleanup_(strv_done)

struct kv_pair {
	char *key, *value;
};
struct kv_pairs {
	struct kv_pair *v;
	size_t n;
};
/** kv_pairs_set() - add, or replace the value of @key. */
void kv_pairs_set(struct kv_pairs *p, const char *key, const char *value);
/** kv_pairs_get() - borrowed value, NULL where absent. */
const char *kv_pairs_get(const struct kv_pairs *p, const char *key);
void kv_pairs_copy(struct kv_pairs *dst, const struct kv_pairs *src);
void kv_pairs_done(struct kv_pairs *p);
#define _cleanup_kv_pairs_ _cleanup_(kv_pairs_done)
