/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bodies of connect and disconnect (body.h). */
#include "agent/api/body.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* dev_valid_name() in the kernel's net/core/dev.c. */
static bool ifname_ok(const char *s)
{
	if (!*s || strlen(s) > BODY_IFNAME_MAX || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (; *s; s++) {
		if (*s == '/' || *s == ':' || isspace((unsigned char)*s))
			return false;
	}
	return true;
}

static void take_target(const cJSON *j, char **ret, struct err *e)
{
	int before = e->code;

	body_take_text(j, "Target", BODY_TARGET_MAX, "", ret, e);
	if (!*ret && e->code == before)
		err_add(e, -EINVAL, "Target: missing");
}

static void take_mac(const cJSON *j, struct mac *ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct err one = { 0 };
	struct mac mac;

	body_take_text(j, "MacAddress", BODY_TEXT_MAX, "EndpointConfig", &text, e);
	if (!text)
		return;
	if (mac_parse(text, &mac, &one) < 0)
		err_add(e, -EINVAL, "EndpointConfig.MacAddress: %s", err_text(&one));
	else if (!mac_is_usable(mac))
		err_add(e, -EINVAL, "EndpointConfig.MacAddress: %s is no address of one interface",
			text);
	else
		*ret = mac;
}

static void take_way_out(const cJSON *j, struct body_connect *b, struct err *e)
{
	const cJSON *publish = json_get(j, "Publish");
	int64_t priority = 0;
	struct err one = { 0 };

	if (publish && !cJSON_IsNull(publish))
		body_publishes_decode(publish, "EndpointConfig.Publish", &b->publish, e);
	if (json_get_i64(j, "GwPriority", &priority, &one) < 0)
		err_add(e, -EINVAL, "EndpointConfig.%s", err_text(&one));
	else if (priority < INT32_MIN || priority > INT32_MAX)
		err_add(e, -EINVAL, "EndpointConfig.GwPriority: %lld is not within %d to %d",
			(long long)priority, INT32_MIN, INT32_MAX);
	else
		b->gw_priority = (int32_t)priority;
}

static void take_endpoint(const cJSON *j, struct body_connect *b, struct err *e)
{
	static const char *const known[] = { "IPAMConfig", "Aliases",	      "MacAddress",
					     "Name",	   "IfName",	      "Publish",
					     "GwPriority", BODY_NAMES_FIELDS, NULL };
	static const char *const known_ipam[] = { "IPv4Address", "IPv6Address", NULL };
	const char *where = "EndpointConfig", *where_ipam = "EndpointConfig.IPAMConfig";
	const cJSON *ipam = NULL;
	struct err one = { 0 };

	body_check_fields(j, known, where, e);
	body_take_texts(j, "Aliases", BODY_ALIASES_MAX, BODY_NAME_MAX, where, &b->aliases, e);
	body_take_text(j, "Name", BODY_NAME_MAX, where, &b->name, e);
	body_take_text(j, "IfName", BODY_TEXT_MAX, where, &b->ifname, e);
	if (b->ifname && !ifname_ok(b->ifname))
		err_add(e, -EINVAL, "%s.IfName: \"%.32s\" cannot name an interface", where,
			b->ifname);
	take_mac(j, &b->mac, e);
	take_way_out(j, b, e);
	body_names_take(j, where, &b->names, e);
	if (json_get_object(j, "IPAMConfig", &ipam, &one) < 0)
		err_add(e, -EINVAL, "%s.%s", where, err_text(&one));
	if (!ipam)
		return;
	body_check_fields(ipam, known_ipam, where_ipam, e);
	body_take_ip(ipam, "IPv4Address", AF_INET, where_ipam, &b->ip4, e);
	body_take_ip(ipam, "IPv6Address", AF_INET6, where_ipam, &b->ip6, e);
}

int body_connect_decode(const cJSON *j, struct body_connect *ret, struct err *e)
{
	static const char *const known[] = { "Target", "EndpointConfig", "More", NULL };
	struct body_connect b = { 0 };
	struct err all = { 0 }, one = { 0 };
	const cJSON *endpoint = NULL;

	body_check_fields(j, known, "", &all);
	take_target(j, &b.target, &all);
	body_take_bool(j, "More", "", &b.more, &all);
	if (json_get_object(j, "EndpointConfig", &endpoint, &one) < 0)
		err_add(&all, -EINVAL, "%s", err_text(&one));
	if (endpoint)
		take_endpoint(endpoint, &b, &all);
	if (all.code < 0) {
		body_connect_done(&b);
		return err_add(e, all.code, "%s", all.text);
	}
	*ret = b;
	return 0;
}

cJSON *body_connect_encode(const struct body_connect *b)
{
	cJSON *j = cJSON_CreateObject(), *endpoint, *ipam;

	json_put_str(j, "Target", b->target);
	endpoint = cJSON_AddObjectToObject(j, "EndpointConfig");
	ipam = cJSON_AddObjectToObject(endpoint, "IPAMConfig");
	json_put_ip_opt(ipam, "IPv4Address", b->ip4);
	json_put_ip_opt(ipam, "IPv6Address", b->ip6);
	json_put_strv(endpoint, "Aliases", &b->aliases);
	if (!mac_is_zero(b->mac))
		json_put_mac(endpoint, "MacAddress", b->mac);
	json_put_str_opt(endpoint, "Name", b->name);
	json_put_str_opt(endpoint, "IfName", b->ifname);
	if (b->publish.n > 0)
		cJSON_AddItemToObject(endpoint, "Publish", body_publishes_encode(&b->publish));
	if (b->gw_priority)
		cJSON_AddNumberToObject(endpoint, "GwPriority", b->gw_priority);
	body_names_put(endpoint, &b->names);
	if (b->more)
		json_put_bool(j, "More", true);
	return j;
}

void body_connect_done(struct body_connect *b)
{
	free(b->target);
	free(b->name);
	free(b->ifname);
	strv_done(&b->aliases);
	body_publishes_done(&b->publish);
	body_names_done(&b->names);
	*b = (struct body_connect){ 0 };
}

int body_disconnect_decode(const cJSON *j, struct body_disconnect *ret, struct err *e)
{
	static const char *const known[] = { "Target", "Force", NULL };
	struct body_disconnect b = { 0 };
	struct err all = { 0 };

	body_check_fields(j, known, "", &all);
	take_target(j, &b.target, &all);
	body_take_bool(j, "Force", "", &b.force, &all);
	if (all.code < 0) {
		body_disconnect_done(&b);
		return err_add(e, all.code, "%s", all.text);
	}
	*ret = b;
	return 0;
}

cJSON *body_disconnect_encode(const struct body_disconnect *b)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str(j, "Target", b->target);
	json_put_bool(j, "Force", b->force);
	return j;
}

void body_disconnect_done(struct body_disconnect *b)
{
	free(b->target);
	b->target = NULL;
}
