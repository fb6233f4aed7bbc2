/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_decode_priv - how texts are taken out of Docker's answers, for docker_decode*.c.
 */
#pragma once
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

/** docker_decode_parse() - any JSON. Return: 0, -EINVAL. */
int docker_decode_parse(const char *text, size_t len, size_t max, cJSON **ret, struct err *e);
/** docker_decode_text() - a member that is a text of 1 to @max bytes, else NULL; borrowed. */
const char *docker_decode_text(const cJSON *obj, const char *key, size_t max);
/** docker_decode_is_word() - nothing but printable ASCII without spaces. */
bool docker_decode_is_word(const char *s);
/** docker_decode_word() - docker_decode_text() that is such a word. */
const char *docker_decode_word(const cJSON *obj, const char *key, size_t max);
