/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model_json - what the records' codecs share: opening a value, common fields, unknown fields kept.
 *
 * Only for store/model_*.c. Pure. Field errors read "<field>: <reason>"; model_json_fail() puts the key in front.
 */
#pragma once
#include "base/json.h"
#include "store/model.h"

#define MODEL_TEXT_MAX 128 /* bytes in a short free text: created, version, sandbox */

/**
 * model_json_open() - parse key and value of one record
 * @prefix: NULL where the key is not looked at (cluster)
 * @kind: the key must be of this kind
 * @ret_key: NULL allowed
 * Return: 0, -EINVAL, -EMSGSIZE; errors name the key already.
 */
int model_json_open(const char *prefix, enum model_kind kind, const char *key, const char *value,
		    size_t len, struct model_key *ret_key, cJSON **ret, struct err *e);
/** model_json_fail() - put @key in front of a field's error. Return: @r. */
int model_json_fail(const char *key, int r, struct err *e);
/** model_json_name() - required, by model_name_check(); heap. */
int model_json_name(const cJSON *obj, const char *field, char **ret, struct err *e);
/** model_json_text() - optional, at most MODEL_TEXT_MAX bytes; heap, @ret untouched when absent. */
int model_json_text(const cJSON *obj, const char *field, char **ret, struct err *e);
/** model_json_id() - 64 hex digits; -EINVAL when absent and @required. */
int model_json_id(const cJSON *obj, const char *field, bool required, struct id *ret,
		  struct err *e);
/** model_json_host_ip() - an address that a host can have: unicast, not loopback, not unspecified. @ip must be set. */
int model_json_host_ip(const char *field, struct ip ip, struct err *e);
/** model_json_extra() - the fields of @obj (taken) that are not in @known; NULL when there are none. */
cJSON *model_json_extra(cJSON *obj, const char *const *known, size_t n_known);
void model_json_put_id(cJSON *obj, const char *field, struct id id);
/** model_publish_head() - how many of the ports make up the first @max_items items of model_publish_json(). */
size_t model_publish_head(const struct model_publish *v, size_t n, size_t max_items);
/** model_json_print() - @obj (taken) with @extra's fields behind, as one line. */
char *model_json_print(cJSON *obj, const cJSON *extra);
