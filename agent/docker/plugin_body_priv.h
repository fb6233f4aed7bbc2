/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugin_body_priv - reading JSON as Go's decoder does; for plugin_body*.c.
 *
 * Members of structs are found in any case, the last one counts, null is as good as absent. Keys of maps (Options) are exact. @where ("IPv4Data[0]", may
 * be "") goes in front of a field's name in errors; all of them are -EINVAL. Outputs are untouched where the field is absent.
 */
#pragma once
#include "agent/docker/plugin_body.h"
#include "base/json.h"

#define PLUGIN_BODY_MAX (1024 * 1024) /* bytes */
#define PLUGIN_OPTION_MAC "com.docker.network.endpoint.macaddress"

/** plugin_body_open() - the object that a body is. */
int plugin_body_open(const char *body, size_t len, cJSON **ret, struct err *e);
/** plugin_body_get() - a member by its name in any case, NULL for none and null. */
const cJSON *plugin_body_get(const cJSON *obj, const char *key);
/** plugin_body_option() - an entry of a map, exactly. */
const cJSON *plugin_body_option(const cJSON *map, const char *key);
/** plugin_body_value() - what @v (NULL: none) says. Return: 0, -EINVAL: no text, or one of more than PLUGIN_TEXT_MAX bytes. */
int plugin_body_value(const cJSON *v, const char *what, const char **ret, struct err *e);
/** plugin_body_text() - borrowed; "" counts as absent. */
int plugin_body_text(const cJSON *obj, const char *where, const char *key, const char **ret,
		     struct err *e);
/** plugin_body_id() - an opaque text of up to PLUGIN_ID_MAX bytes, fit to be a part of a path; heap. */
int plugin_body_id(const cJSON *obj, const char *key, bool required, char **ret, struct err *e);
/** plugin_body_bool() - also as a text. @v: NULL: none. */
int plugin_body_bool(const cJSON *v, const char *what, bool *ret, struct err *e);
/** plugin_body_ip() - "10.0.0.5" or "10.0.0.5/24", of @family (0: any). */
int plugin_body_ip(const char *text, int family, const char *what, struct ip *ret, struct err *e);
/** plugin_body_prefix() - "10.0.0.5/24" is 10.0.0.0/24. */
int plugin_body_prefix(const char *text, int family, const char *what, struct prefix *ret,
		       struct err *e);
/** plugin_body_mac() - "02:42:..", or base64 of its six bytes, as Go writes a net.HardwareAddr. */
int plugin_body_mac(const char *text, const char *what, struct mac *ret, struct err *e);
/** plugin_body_map() - an object member of @obj; *ret untouched where there is none. */
int plugin_body_map(const cJSON *obj, const char *where, const char *key, size_t max,
		    const cJSON **ret, struct err *e);
/** plugin_body_list() - an array member. */
int plugin_body_list(const cJSON *obj, const char *where, const char *key, size_t max,
		     const cJSON **ret, struct err *e);
/** plugin_body_pairs() - the texts in @map (NULL: none); nulls are left out, and @but (NULL: none). @strict: other types are refused, else left out too. */
int plugin_body_pairs(const cJSON *map, const char *where, bool strict, const char *but,
		      struct kv_pairs *ret, struct err *e);
