/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/docker/plugin_body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/docker/plugin_body_priv.h"
#include "base/b64.h"
#include "base/mem.h"

#define FIELD_MAX 128 /* of a field's name in an error; cut where longer */

static const char option_address_type[] = "RequestAddressType";
static const char address_type_gateway[] = "com.docker.network.gateway";

/* ---- reading ---- */

int plugin_body_open(const char *body, size_t len, cJSON **ret, struct err *e)
{
	size_t blank = 0;

	while (blank < len && strchr(" \t\r\n", body[blank]) && body[blank])
		blank++;
	if (blank == len)
		return err_set(
			e, -EINVAL,
			"the request is empty: Docker repeats so what was not answered; do it again");
	if (json_parse_object(body, len, PLUGIN_BODY_MAX, ret, e) < 0) {
		/* Also where it is too long: the caller has one word for a bad request. */
		if (e)
			e->code = -EINVAL;
		return -EINVAL;
	}
	return 0;
}

const cJSON *plugin_body_get(const cJSON *obj, const char *key)
{
	const cJSON *item, *found = NULL;

	cJSON_ArrayForEach(item, obj) {
		if (!cJSON_IsNull(item) && item->string && strcasecmp(item->string, key) == 0)
			found = item;
	}
	return found;
}

const cJSON *plugin_body_option(const cJSON *map, const char *key)
{
	const cJSON *item, *found = NULL;

	cJSON_ArrayForEach(item, map) {
		if (item->string && strcmp(item->string, key) == 0)
			found = cJSON_IsNull(item) ? NULL : item;
	}
	return found;
}

static const char *field(const char *where, const char *key, char ret[FIELD_MAX])
{
	snprintf(ret, FIELD_MAX, "%.64s%s%.60s", where, *where ? "." : "", key);
	return ret;
}

int plugin_body_value(const cJSON *v, const char *what, const char **ret, struct err *e)
{
	if (!v || cJSON_IsNull(v))
		return 0;
	if (!cJSON_IsString(v))
		return err_set(e, -EINVAL, "%s: not a text", what);
	if (strlen(v->valuestring) > PLUGIN_TEXT_MAX)
		return err_set(e, -EINVAL, "%s: longer than %d bytes", what, PLUGIN_TEXT_MAX);
	if (*v->valuestring)
		*ret = v->valuestring;
	return 0;
}

int plugin_body_text(const cJSON *obj, const char *where, const char *key, const char **ret,
		     struct err *e)
{
	char what[FIELD_MAX];

	return plugin_body_value(plugin_body_get(obj, key), field(where, key, what), ret, e);
}

int plugin_body_id(const cJSON *obj, const char *key, bool required, char **ret, struct err *e)
{
	const char *text = NULL;
	int r = plugin_body_text(obj, "", key, &text, e);

	if (r < 0)
		return r;
	if (!text)
		return required ? err_set(e, -EINVAL, "%s: missing", key) : 0;
	if (strlen(text) > PLUGIN_ID_MAX)
		return err_set(e, -EINVAL, "%s: longer than %d bytes", key, PLUGIN_ID_MAX);
	for (const char *p = text; *p; p++) {
		if (*p <= ' ' || *p > '~' || *p == '/')
			return err_set(e, -EINVAL, "%s: not an id", key);
	}
	*ret = mem_strdup(text);
	return 0;
}

int plugin_body_bool(const cJSON *v, const char *what, bool *ret, struct err *e)
{
	if (!v || cJSON_IsNull(v))
		return 0;
	if (cJSON_IsBool(v))
		*ret = cJSON_IsTrue(v);
	else if (cJSON_IsString(v) && strcasecmp(v->valuestring, "true") == 0)
		*ret = true;
	else if (cJSON_IsString(v) && strcasecmp(v->valuestring, "false") == 0)
		*ret = false;
	else
		return err_set(e, -EINVAL, "%s: neither true nor false", what);
	return 0;
}

static int family_check(struct ip ip, int family, const char *what, const char *text, struct err *e)
{
	if (family == 0 || ip.family == family)
		return 0;
	return err_set(e, -EINVAL, "%s: %.64s is not IPv%d", what, text, family == AF_INET ? 4 : 6);
}

int plugin_body_ip(const char *text, int family, const char *what, struct ip *ret, struct err *e)
{
	struct prefix p = { 0 };
	int r;

	if (!text)
		return 0;
	r = strchr(text, '/') ? prefix_parse_host(text, &p, e) : ip_parse(text, &p.ip, e);
	if (r < 0)
		return err_prefix(e, "%s", what), -EINVAL;
	r = family_check(p.ip, family, what, text, e);
	if (r == 0)
		*ret = p.ip;
	return r;
}

int plugin_body_prefix(const char *text, int family, const char *what, struct prefix *ret,
		       struct err *e)
{
	struct prefix p;
	int r;

	if (!text)
		return 0;
	if (prefix_parse_host(text, &p, e) < 0)
		return err_prefix(e, "%s", what), -EINVAL;
	r = family_check(p.ip, family, what, text, e);
	if (r == 0)
		*ret = prefix_mask(p.ip, p.len);
	return r;
}

int plugin_body_mac(const char *text, const char *what, struct mac *ret, struct err *e)
{
	_cleanup_free_ char *bytes = NULL;
	struct mac m;
	size_t n = 0;

	if (!text)
		return 0;
	if (mac_parse(text, &m, NULL) < 0) {
		if (b64_decode(text, strlen(text), &bytes, &n) < 0 || n != sizeof(m.b))
			return err_set(e, -EINVAL, "%s: \"%.64s\" is not a MAC address", what,
				       text);
		memcpy(m.b, bytes, sizeof(m.b));
	}
	if (!mac_is_usable(m))
		return err_set(e, -EINVAL, "%s: \"%.64s\" is not of one interface", what, text);
	*ret = m;
	return 0;
}

static int container(const cJSON *obj, const char *where, const char *key, bool list, size_t max,
		     const cJSON **ret, struct err *e)
{
	const cJSON *v = plugin_body_get(obj, key);
	char what[FIELD_MAX];

	if (!v)
		return 0;
	field(where, key, what);
	if (list ? !cJSON_IsArray(v) : !cJSON_IsObject(v))
		return err_set(e, -EINVAL, "%s: not a%s", what, list ? " list" : "n object");
	if ((size_t)cJSON_GetArraySize(v) > max)
		return err_set(e, -EINVAL, "%s: more than %zu entries", what, max);
	*ret = v;
	return 0;
}

int plugin_body_map(const cJSON *obj, const char *where, const char *key, size_t max,
		    const cJSON **ret, struct err *e)
{
	return container(obj, where, key, false, max, ret, e);
}

int plugin_body_list(const cJSON *obj, const char *where, const char *key, size_t max,
		     const cJSON **ret, struct err *e)
{
	return container(obj, where, key, true, max, ret, e);
}

int plugin_body_pairs(const cJSON *map, const char *where, bool strict, const char *but,
		      struct kv_pairs *ret, struct err *e)
{
	const cJSON *item;
	char what[FIELD_MAX];

	cJSON_ArrayForEach(item, map) {
		const char *value = "";
		int r;

		if (cJSON_IsNull(item) || (!strict && !cJSON_IsString(item)))
			continue;
		if (but && strcmp(item->string, but) == 0)
			continue;
		field(where, item->string, what);
		r = plugin_body_value(item, what, &value, e);
		if (r < 0)
			return r;
		if (strlen(item->string) > PLUGIN_TEXT_MAX)
			return err_set(e, -EINVAL, "%s: longer than %d bytes", what,
				       PLUGIN_TEXT_MAX);
		kv_pairs_set(ret, item->string, value);
	}
	return 0;
}

/* ---- pools ---- */

static int fill_pool(const cJSON *j, struct plugin_pool *p, struct err *e)
{
	const char *space = NULL, *pool = NULL, *range = NULL;
	const cJSON *options = NULL;
	char text[PREFIX_TEXT_MAX];
	int family, r;

	r = plugin_body_text(j, "", "AddressSpace", &space, e);
	if (r == 0)
		r = plugin_body_text(j, "", "Pool", &pool, e);
	if (r == 0)
		r = plugin_body_text(j, "", "SubPool", &range, e);
	if (r == 0)
		r = plugin_body_bool(plugin_body_get(j, "V6"), "V6", &p->v6, e);
	if (r == 0)
		r = plugin_body_map(j, "", "Options", PLUGIN_OPTIONS_MAX, &options, e);
	if (r == 0)
		r = plugin_body_pairs(options, "Options", true, NULL, &p->options, e);
	if (r < 0)
		return r;
	p->space = mem_strdup(space ? space : "");
	family = p->v6 ? AF_INET6 : AF_INET;
	if (range && !pool)
		return err_set(e, -EINVAL, "SubPool: a range without its pool");
	r = plugin_body_prefix(pool, family, "Pool", &p->pool, e);
	if (r == 0)
		r = plugin_body_prefix(range, family, "SubPool", &p->range, e);
	if (r == 0 && range && !prefix_covers(p->pool, p->range))
		r = err_set(e, -EINVAL, "SubPool: %.64s is not within %s", range,
			    prefix_format(p->pool, text));
	return r;
}

int plugin_pool_decode(const char *body, size_t len, struct plugin_pool *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct plugin_pool p = { 0 };
	int r = plugin_body_open(body, len, &j, e);

	if (r == 0)
		r = fill_pool(j, &p, e);
	if (r < 0)
		plugin_pool_done(&p);
	else
		*ret = p;
	return r;
}

void plugin_pool_done(struct plugin_pool *p)
{
	free(p->space);
	kv_pairs_done(&p->options);
	*p = (struct plugin_pool){ 0 };
}

/* ---- addresses ---- */

static int pool_id(const cJSON *j, bool required, char **ret, struct err *e)
{
	const char *text = NULL;
	int r = plugin_body_text(j, "", "PoolID", &text, e);

	if (r < 0)
		return r;
	if (!text && required)
		return err_set(e, -EINVAL, "PoolID: missing");
	*ret = mem_strdup(text);
	return 0;
}

static int fill_address(const cJSON *j, struct plugin_address *a, struct err *e)
{
	const char *ip = NULL, *type = NULL, *mac = NULL;
	const cJSON *options = NULL;
	int r = pool_id(j, true, &a->pool_id, e);

	if (r == 0)
		r = plugin_body_text(j, "", "Address", &ip, e);
	if (r == 0)
		r = plugin_body_ip(ip, 0, "Address", &a->ip, e);
	if (r == 0)
		r = plugin_body_map(j, "", "Options", PLUGIN_OPTIONS_MAX, &options, e);
	if (r == 0)
		r = plugin_body_value(plugin_body_option(options, option_address_type),
				      option_address_type, &type, e);
	if (r == 0)
		r = plugin_body_value(plugin_body_option(options, PLUGIN_OPTION_MAC),
				      PLUGIN_OPTION_MAC, &mac, e);
	if (r == 0)
		r = plugin_body_mac(mac, PLUGIN_OPTION_MAC, &a->mac, e);
	a->gateway = type && strcmp(type, address_type_gateway) == 0;
	return r;
}

int plugin_address_decode(const char *body, size_t len, struct plugin_address *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct plugin_address a = { 0 };
	int r = plugin_body_open(body, len, &j, e);

	if (r == 0)
		r = fill_address(j, &a, e);
	if (r < 0)
		plugin_address_done(&a);
	else
		*ret = a;
	return r;
}

void plugin_address_done(struct plugin_address *a)
{
	free(a->pool_id);
	*a = (struct plugin_address){ 0 };
}

/* ---- what is to go ---- */

int plugin_ref_decode(const char *body, size_t len, struct plugin_ref *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct plugin_ref ref = { 0 };
	int r = plugin_body_open(body, len, &j, e);

	if (r == 0)
		r = plugin_body_id(j, "NetworkID", false, &ref.network, e);
	if (r == 0)
		r = plugin_body_id(j, "EndpointID", false, &ref.endpoint, e);
	if (r == 0)
		r = pool_id(j, false, &ref.pool_id, e);
	if (r < 0)
		plugin_ref_done(&ref);
	else
		*ret = ref;
	return r;
}

int plugin_ref_check(const struct plugin_ref *ref, unsigned needs, struct err *e)
{
	if ((needs & PLUGIN_REF_NETWORK) && !ref->network)
		return err_set(e, -EINVAL, "NetworkID: missing");
	if ((needs & PLUGIN_REF_ENDPOINT) && !ref->endpoint)
		return err_set(e, -EINVAL, "EndpointID: missing");
	if ((needs & PLUGIN_REF_POOL) && !ref->pool_id)
		return err_set(e, -EINVAL, "PoolID: missing");
	return 0;
}

void plugin_ref_done(struct plugin_ref *r)
{
	free(r->network);
	free(r->endpoint);
	free(r->pool_id);
	*r = (struct plugin_ref){ 0 };
}
