/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * filter - the `filters` argument of lists, as Docker's clients send it: {"name":["a","b"],"label":["k=v"]}, or
 * {"name":{"a":true}}.
 *
 * Pure. Values of one key are alternatives, keys add up; labels all have to fit.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "base/strv.h"

#define FILTER_TEXT_MAX (16 * 1024) /* bytes of the JSON text */
#define FILTER_KEYS_MAX 8
#define FILTER_VALUES_MAX 64 /* per key */
#define FILTER_VALUE_MAX 1024 /* bytes of a value */

struct filter {
	char *keys[FILTER_KEYS_MAX];
	struct strv values[FILTER_KEYS_MAX];
	size_t n;
};
/**
 * filter_parse() - @text may be NULL: no filter
 * @known: keys there are, NULL-terminated
 * Return: 0, -EINVAL with the key named, -EMSGSIZE.
 */
int filter_parse(const char *text, const char *const *known, struct filter *ret, struct err *e);
void filter_done(struct filter *f);
#define _cleanup_filter_ _cleanup_(filter_done)
/** filter_values() - what was asked for @key, NULL where nothing was. */
const struct strv *filter_values(const struct filter *f, const char *key);
/* Does @value fit? True where the key is not filtered. @value NULL fits nothing. */
bool filter_exact(const struct filter *f, const char *key, const char *value);
bool filter_part(const struct filter *f, const char *key, const char *value);
bool filter_prefix(const struct filter *f, const char *key, const char *value);
/** filter_labels() - every "label" asked for ("k" or "k=v") is among @labels. */
bool filter_labels(const struct filter *f, const struct kv_pairs *labels);
