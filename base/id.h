/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * id - 256-bit identities (cluster, node, network, endpoint), written as 64 lower-case hex digits
 * as Docker writes its own.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_BYTES 32
#define ID_TEXT_LEN 64
#define ID_TEXT_MAX (ID_TEXT_LEN + 1)
#define ID_SHORT_LEN 12
#define ID_SHORT_MAX (ID_SHORT_LEN + 1)

struct id {
	uint8_t b[ID_BYTES];
};

/** id_random() - a new identity from getrandom(2). */
struct id id_random(void);
/** id_parse() - exactly 64 hex digits (lower case). Return: 0 or -EINVAL. */
int id_parse(const char *s, struct id *ret);
/** id_parse_n() - the same for @len bytes that need not be NUL-terminated. */
int id_parse_n(const char *s, size_t len, struct id *ret);
const char *id_format(struct id id, char buf[ID_TEXT_MAX]);
const char *id_short(struct id id, char buf[ID_SHORT_MAX]);
bool id_eq(struct id a, struct id b);
int id_cmp(struct id a, struct id b);
bool id_is_zero(struct id id);
/** id_has_prefix() - do @id's hex digits begin with @hex? An empty or overlong @hex never matches. */
bool id_has_prefix(struct id id, const char *hex);
