/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* ---- taking fields: each problem is added to the error, none stops the rest ---- */

static void add(struct err *e, const char *where, const struct err *one)
{
	err_add(e, one->code, "%s%s%s", where, *where ? "." : "", err_text(one));
}

void body_check_fields(const cJSON *j, const char *const *known, const char *where, struct err *e)
{
	const char *dot = *where ? "." : "";
	const cJSON *item;

	cJSON_ArrayForEach(item, j) {
		size_t i = 0;

		while (known[i] && strcmp(known[i], item->string) != 0)
			i++;
		if (!known[i])
			err_add(e, -EINVAL, "%s%s%.64s: not a known field", where, dot,
				item->string);
		else if (json_get(j, item->string) != item)
			err_add(e, -EINVAL, "%s%s%.64s: given twice", where, dot, item->string);
	}
}

void body_take_text(const cJSON *j, const char *key, size_t max_len, const char *where, char **ret,
		    struct err *e)
{
	const char *s = NULL;
	struct err one = { 0 };

	if (json_get_str(j, key, max_len, &s, &one) < 0) {
		add(e, where, &one);
		return;
	}
	free(*ret);
	*ret = s && *s ? mem_strdup(s) : NULL;
}

void body_take_bool(const cJSON *j, const char *key, const char *where, bool *ret, struct err *e)
{
	struct err one = { 0 };

	if (json_get_bool(j, key, ret, &one) < 0)
		add(e, where, &one);
}

void body_take_texts(const cJSON *j, const char *key, size_t max_items, size_t max_len,
		     const char *where, struct strv *ret, struct err *e)
{
	struct err one = { 0 };

	if (json_get_strv(j, key, max_items, max_len, ret, &one) < 0)
		add(e, where, &one);
}

void body_take_pairs(const cJSON *j, const char *key, size_t max_items, size_t max_len,
		     const char *where, struct kv_pairs *ret, struct err *e)
{
	_cleanup_kv_pairs_ struct kv_pairs got = { 0 };
	const char *dot = *where ? "." : "";
	const cJSON *obj = NULL, *item;
	struct err one = { 0 };

	if (json_get_pairs(j, key, max_items, max_len, &got, &one) < 0) {
		add(e, where, &one);
		return;
	}
	json_get_object(j, key, &obj, NULL);
	cJSON_ArrayForEach(item, obj) {
		if (json_get(obj, item->string) != item || kv_pairs_get(ret, item->string))
			err_add(e, -EINVAL, "%s%s%s: %.64s is given twice", where, dot, key,
				item->string);
		else
			kv_pairs_set(ret, item->string, item->valuestring);
	}
}

void body_take_ip(const cJSON *j, const char *key, int family, const char *where, struct ip *ret,
		  struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct err one = { 0 };
	struct ip ip;

	body_take_text(j, key, BODY_TEXT_MAX, where, &text, e);
	if (!text)
		return;
	if (ip_parse(text, &ip, &one) < 0) {
		err_prefix(&one, "%s", key);
		add(e, where, &one);
	} else if (ip.family != family) {
		err_set(&one, -EINVAL, "%s: %s is not an IPv%d address", key, text,
			family == AF_INET ? 4 : 6);
		add(e, where, &one);
	} else {
		*ret = ip;
	}
}

/* ---- network ---- */

static void take_config(const cJSON *j, size_t index, struct body_network *b, struct err *e)
{
	static const char *const known[] = { "Subnet", "Gateway", "IPRange", "AuxiliaryAddresses",
					     NULL };
	const struct {
		const char *key;
		struct strv *list;
	} parts[] = {
		{ "Subnet", &b->subnets },
		{ "Gateway", &b->gateways },
		{ "IPRange", &b->ip_ranges },
	};
	char where[48];

	snprintf(where, sizeof(where), "IPAM.Config[%zu]", index);
	if (!cJSON_IsObject(j)) {
		err_add(e, -EINVAL, "%s: not an object", where);
		return;
	}
	body_check_fields(j, known, where, e);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *text = NULL;

		body_take_text(j, parts[i].key, BODY_TEXT_MAX, where, &text, e);
		if (text)
			strv_add(parts[i].list, text);
	}
	body_take_pairs(j, "AuxiliaryAddresses", BODY_AUX_MAX, BODY_TEXT_MAX, where, &b->aux, e);
	if (b->aux.n > BODY_AUX_MAX)
		err_add(e, -EINVAL, "%s.AuxiliaryAddresses: more than %d in all", where,
			BODY_AUX_MAX);
}

static void take_ipam(const cJSON *j, struct body_network *b, struct err *e)
{
	static const char *const known[] = { "Driver", "Options", "Config", NULL };
	_cleanup_free_ char *driver = NULL;
	_cleanup_kv_pairs_ struct kv_pairs options = { 0 };
	const cJSON *config = NULL, *item;
	struct err one = { 0 };
	size_t i = 0;

	body_check_fields(j, known, "IPAM", e);
	body_take_text(j, "Driver", BODY_TEXT_MAX, "IPAM", &driver, e);
	if (driver && strcmp(driver, "default") != 0)
		err_add(e, -EINVAL, "IPAM.Driver: \"%.64s\" is not available (only default is)",
			driver);
	body_take_pairs(j, "Options", BODY_PAIRS_MAX, BODY_TEXT_MAX, "IPAM", &options, e);
	if (options.n > 0)
		err_add(e, -EINVAL, "IPAM.Options: %.64s: not a known option", options.v[0].key);
	if (json_get_array(j, "Config", BODY_CONFIGS_MAX, &config, &one) < 0)
		add(e, "IPAM", &one);
	cJSON_ArrayForEach(item, config) {
		take_config(item, i++, b, e);
	}
}

/* Fields of Docker's request that have one acceptable value here. */
static void take_fixed(const cJSON *j, const char *driver, struct err *e)
{
	bool overlay = driver && strcmp(driver, "overlay") == 0;
	_cleanup_free_ char *scope = NULL;
	bool flag = false;

	body_take_bool(j, "CheckDuplicate", "", &flag, e);
	body_take_bool(j, "Attachable", "", &flag, e);
	flag = false;
	body_take_bool(j, "Ingress", "", &flag, e);
	if (flag)
		err_add(e, -EINVAL, "Ingress: not available");
	flag = false;
	body_take_bool(j, "ConfigOnly", "", &flag, e);
	if (flag)
		err_add(e, -EINVAL, "ConfigOnly: not available");
	body_take_text(j, "Scope", BODY_NAME_MAX, "", &scope, e);
	/* It follows from the driver; without one either may come out. */
	if (scope && strcmp(scope, "global") != 0 && strcmp(scope, "local") != 0)
		err_add(e, -EINVAL, "Scope: \"%.64s\" is neither global nor local", scope);
	else if (scope && driver && overlay != (strcmp(scope, "global") == 0))
		err_add(e, -EINVAL, "Scope: networks of driver %.64s are %s", driver,
			overlay ? "global" : "local");
}

int body_network_decode(const cJSON *j, struct body_network *ret, struct err *e)
{
	static const char *const known[] = { "Name",	"CheckDuplicate", "Driver",
					     "Scope",	"Internal",	  "Attachable",
					     "Ingress", "ConfigOnly",	  "EnableIPv6",
					     "IPAM",	"Options",	  "Labels",
					     NULL };
	struct body_network b = { 0 };
	struct err all = { 0 }, one = { 0 };
	const cJSON *ipam = NULL;

	body_check_fields(j, known, "", &all);
	body_take_text(j, "Name", BODY_NAME_MAX, "", &b.name, &all);
	if (!b.name && !json_get(j, "Name"))
		err_add(&all, -EINVAL, "Name: missing");
	else if (!b.name && all.code == 0)
		err_add(&all, -EINVAL, "Name: empty");
	body_take_text(j, "Driver", BODY_NAME_MAX, "", &b.driver, &all);
	body_take_bool(j, "Internal", "", &b.internal, &all);
	body_take_bool(j, "EnableIPv6", "", &b.ipv6, &all);
	take_fixed(j, b.driver, &all);
	if (json_get_object(j, "IPAM", &ipam, &one) < 0)
		add(&all, "", &one);
	if (ipam)
		take_ipam(ipam, &b, &all);
	body_take_pairs(j, "Options", BODY_PAIRS_MAX, BODY_TEXT_MAX, "", &b.options, &all);
	body_take_pairs(j, "Labels", BODY_PAIRS_MAX, BODY_TEXT_MAX, "", &b.labels, &all);
	if (all.code < 0) {
		body_network_done(&b);
		return err_add(e, all.code, "%s", all.text);
	}
	*ret = b;
	return 0;
}

/* The entry of @config for an address or range: that of the first subnet that holds it, else one of its own. */
static cJSON *config_for(cJSON *config, const struct body_network *b, const char *text,
			 const char *key)
{
	struct prefix range = { 0 }, subnet;
	cJSON *item = config->child;

	if (prefix_parse(text, &range, NULL) < 0 && ip_parse(text, &range.ip, NULL) == 0)
		range.len = (uint8_t)ip_bits(range.ip);
	for (size_t i = 0; i < b->subnets.n; i++, item = item->next) {
		if (prefix_is_set(range) && prefix_parse(b->subnets.v[i], &subnet, NULL) == 0 &&
		    prefix_covers(subnet, range) && (!key || !json_get(item, key)))
			return item;
	}
	item = cJSON_CreateObject();
	cJSON_AddItemToArray(config, item);
	return item;
}

cJSON *body_network_encode(const struct body_network *b)
{
	cJSON *j = cJSON_CreateObject(), *ipam, *config;

	json_put_str(j, "Name", b->name);
	json_put_str_opt(j, "Driver", b->driver);
	json_put_bool(j, "Internal", b->internal);
	json_put_bool(j, "EnableIPv6", b->ipv6);
	ipam = cJSON_AddObjectToObject(j, "IPAM");
	json_put_str(ipam, "Driver", "default");
	config = cJSON_AddArrayToObject(ipam, "Config");
	for (size_t i = 0; i < b->subnets.n; i++) {
		cJSON *item = cJSON_CreateObject();

		json_put_str(item, "Subnet", b->subnets.v[i]);
		cJSON_AddItemToArray(config, item);
	}
	for (size_t i = 0; i < b->gateways.n; i++)
		json_put_str(config_for(config, b, b->gateways.v[i], "Gateway"), "Gateway",
			     b->gateways.v[i]);
	for (size_t i = 0; i < b->ip_ranges.n; i++)
		json_put_str(config_for(config, b, b->ip_ranges.v[i], "IPRange"), "IPRange",
			     b->ip_ranges.v[i]);
	for (size_t i = 0; i < b->aux.n; i++) {
		cJSON *item = config_for(config, b, b->aux.v[i].value, NULL);
		cJSON *aux = json_get(item, "AuxiliaryAddresses");

		if (!aux)
			aux = cJSON_AddObjectToObject(item, "AuxiliaryAddresses");
		json_put_str(aux, b->aux.v[i].key, b->aux.v[i].value);
	}
	json_put_pairs(j, "Options", &b->options);
	json_put_pairs(j, "Labels", &b->labels);
	return j;
}

void body_network_done(struct body_network *b)
{
	free(b->name);
	free(b->driver);
	strv_done(&b->subnets);
	strv_done(&b->gateways);
	strv_done(&b->ip_ranges);
	kv_pairs_done(&b->aux);
	kv_pairs_done(&b->options);
	kv_pairs_done(&b->labels);
	*b = (struct body_network){ 0 };
}

/* ---- log level ---- */

int body_log_level_decode(const cJSON *j, struct body_log_level *ret, struct err *e)
{
	static const char *const known[] = { "Level", NULL };
	struct body_log_level b = { 0 };
	struct err all = { 0 };

	body_check_fields(j, known, "", &all);
	body_take_text(j, "Level", BODY_NAME_MAX, "", &b.level, &all);
	if (!b.level && all.code == 0)
		err_add(&all, -EINVAL, "Level: missing");
	if (all.code < 0) {
		body_log_level_done(&b);
		return err_add(e, all.code, "%s", all.text);
	}
	*ret = b;
	return 0;
}

cJSON *body_log_level_encode(const struct body_log_level *b)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str(j, "Level", b->level);
	return j;
}

void body_log_level_done(struct body_log_level *b)
{
	free(b->level);
	b->level = NULL;
}
