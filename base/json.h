/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json - cJSON used strictly: case-sensitive keys, no trailing bytes, typed access with errors that
 * name the field ("subnets[0].gateway: not an IP address").
 *
 * The getters of optional fields leave *ret untouched and return 0 when the key is absent (or null);
 * the _req forms return -EINVAL then. A wrong type is always -EINVAL. @e may be NULL.
 */
#pragma once
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/strv.h"

#define JSON_DEPTH_MAX 64 /* deeper input is refused before cJSON recurses */

static inline void json_freep(cJSON **j)
{
	cJSON_Delete(*j);
}
#define _cleanup_json_ _cleanup_(json_freep)

/** json_parse() - @len bytes, exactly one value. Return: 0; -EMSGSIZE above @max; -EINVAL with the position in @e. */
int json_parse(const char *text, size_t len, size_t max, cJSON **ret, struct err *e);
/** json_parse_object() - the same, and the value must be an object. */
int json_parse_object(const char *text, size_t len, size_t max, cJSON **ret, struct err *e);
/** json_print() - one line, no spaces; owned by the caller. */
char *json_print(const cJSON *j);
/** json_print_pretty() - 4-space indentation as docker inspect prints it. */
char *json_print_pretty(const cJSON *j);

/** json_get() - member or NULL (case-sensitive). */
cJSON *json_get(const cJSON *obj, const char *key);
int json_get_str(const cJSON *obj, const char *key, size_t max_len, const char **ret,
		 struct err *e);
int json_get_str_req(const cJSON *obj, const char *key, size_t max_len, const char **ret,
		     struct err *e);
int json_get_bool(const cJSON *obj, const char *key, bool *ret, struct err *e);
/** json_get_u64() - a whole number (JSON number up to 2^53, or a decimal string as etcd writes 64-bit ones) within [min,max]. */
int json_get_u64(const cJSON *obj, const char *key, uint64_t min, uint64_t max, uint64_t *ret,
		 struct err *e);
int json_get_i64(const cJSON *obj, const char *key, int64_t *ret, struct err *e);
int json_get_ip(const cJSON *obj, const char *key, struct ip *ret, struct err *e);
int json_get_prefix(const cJSON *obj, const char *key, struct prefix *ret, struct err *e);
int json_get_mac(const cJSON *obj, const char *key, struct mac *ret, struct err *e);
/** json_get_array() / json_get_object() - borrowed; *ret untouched when absent. */
int json_get_array(const cJSON *obj, const char *key, size_t max_items, const cJSON **ret,
		   struct err *e);
int json_get_object(const cJSON *obj, const char *key, const cJSON **ret, struct err *e);
/** json_get_strv() - array of strings, appended to @ret. */
int json_get_strv(const cJSON *obj, const char *key, size_t max_items, size_t max_len,
		  struct strv *ret, struct err *e);
/** json_get_pairs() - object whose values are strings, appended to @ret. */
int json_get_pairs(const cJSON *obj, const char *key, size_t max_items, size_t max_len,
		   struct kv_pairs *ret, struct err *e);

/* Writers: add to @obj; the _opt forms add nothing for NULL, empty or unset values. */
void json_put_str(cJSON *obj, const char *key, const char *value);
void json_put_str_opt(cJSON *obj, const char *key, const char *value);
/* A number of up to 15 digits, above that a decimal string; json_get_u64() reads both. */
void json_put_u64(cJSON *obj, const char *key, uint64_t value);
void json_put_bool(cJSON *obj, const char *key, bool value);
void json_put_ip_opt(cJSON *obj, const char *key, struct ip a);
void json_put_prefix_opt(cJSON *obj, const char *key, struct prefix p);
void json_put_mac(cJSON *obj, const char *key, struct mac m);
void json_put_strv(cJSON *obj, const char *key, const struct strv *s);
void json_put_pairs(cJSON *obj, const char *key, const struct kv_pairs *p);
/**
 * json_err_in() - put the way to an object in front of an error about one of its fields
 *
 * "gateway: not an IP address" becomes "subnets[0].gateway: ..." after json_err_in(e, "subnets[%zu]", i).
 * Return: the code kept (0 if @e is NULL or clean).
 */
int json_err_in(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** json_remove_keys() - detach and delete the named members (used to keep only unknown fields). */
void json_remove_keys(cJSON *obj, const char *const *keys, size_t n);
