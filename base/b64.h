/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * b64 - standard base64 with padding (RFC 4648 §4), strict; over nettle.
 */
#pragma once
#include <stddef.h>

/** b64_encode() - @len bytes as a heap string. */
char *b64_encode(const void *data, size_t len);
/** b64_decode() - text to bytes (heap, NUL added past the end). Return: 0 or -EINVAL. */
int b64_decode(const char *text, size_t len, char **ret, size_t *ret_len);
