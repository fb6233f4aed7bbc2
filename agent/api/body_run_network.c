/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One network of `ovlctl run`: as --network takes it, and in the request (body_run.h). */
#include "agent/api/body_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IFNAME_OPTION "com.docker.network.endpoint.ifname="
#define SHOWN 64 /* bytes of a wrong text that an error repeats */

void run_network_done(struct run_network *n)
{
	free(n->name);
	strv_done(&n->aliases);
	free(n->ifname);
	memset(n, 0, sizeof(*n));
}

/* ---- as a person writes it ---- */

static int take_name(struct run_network *n, const char *value, struct err *e)
{
	(void)e;
	n->name = mem_strdup(value);
	return 0;
}

static int take_family(const char *value, int family, struct ip *to, struct err *e)
{
	struct ip ip;

	if (ip_parse(value, &ip, NULL) < 0 || ip.family != family)
		return err_set(e, -EINVAL, "\"%.*s\" is no IPv%d address", SHOWN, value,
			       family == AF_INET ? 4 : 6);
	*to = ip;
	return 0;
}

static int take_ip4(struct run_network *n, const char *value, struct err *e)
{
	return take_family(value, AF_INET, &n->ip4, e);
}

static int take_ip6(struct run_network *n, const char *value, struct err *e)
{
	return take_family(value, AF_INET6, &n->ip6, e);
}

static int take_mac(struct run_network *n, const char *value, struct err *e)
{
	return mac_parse(value, &n->mac, e);
}

static int take_alias(struct run_network *n, const char *value, struct err *e)
{
	if (n->aliases.n == BODY_ALIASES_MAX)
		return err_set(e, -EINVAL, "more than %d", BODY_ALIASES_MAX);
	strv_add(&n->aliases, value);
	return 0;
}

static int take_ifname(struct run_network *n, const char *value, struct err *e)
{
	(void)e;
	n->ifname = mem_strdup(value);
	return 0;
}

static int take_gw_priority(struct run_network *n, const char *value, struct err *e)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(value, &end, 10);
	if (errno || *end || end == value || v < INT32_MIN || v > INT32_MAX)
		return err_set(e, -EINVAL, "\"%.*s\" is no whole number of 32 bits", SHOWN, value);
	n->gw_priority = (int32_t)v;
	return 0;
}

/* Docker's way to name the interface. */
static int take_driver_opt(struct run_network *n, const char *value, struct err *e)
{
	size_t len = strlen(IFNAME_OPTION);

	if (strncmp(value, IFNAME_OPTION, len) != 0 || !value[len])
		return err_set(e, -EINVAL, "\"%.*s\" is not " IFNAME_OPTION "NAME", SHOWN, value);
	if (n->ifname)
		return err_set(e, -EINVAL, "the interface is named twice");
	return take_ifname(n, value + len, e);
}

static const struct {
	const char *key;
	int (*take)(struct run_network *n, const char *value, struct err *e);
	bool repeatable;
} keys[] = {
	{ "name", take_name, false },
	{ "ip", take_ip4, false },
	{ "ip6", take_ip6, false },
	{ "mac-address", take_mac, false },
	{ "alias", take_alias, true },
	{ "ifname", take_ifname, false },
	{ "gw-priority", take_gw_priority, false },
	{ "driver-opt", take_driver_opt, true },
};

static int take_pair(struct run_network *n, const char *pair, unsigned *seen, struct err *e)
{
	const char *eq = strchr(pair, '=');
	size_t len = eq ? (size_t)(eq - pair) : 0;
	int r;

	if (!eq || !eq[1])
		return err_set(e, -EINVAL, "\"%.*s\" is not of the form KEY=VALUE", SHOWN, pair);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strlen(keys[i].key) != len || strncmp(keys[i].key, pair, len) != 0)
			continue;
		if (!keys[i].repeatable && (*seen & 1U << i))
			return err_set(e, -EINVAL, "%s: given twice", keys[i].key);
		*seen |= 1U << i;
		r = keys[i].take(n, eq + 1, e);
		err_prefix(r < 0 ? e : NULL, "%s", keys[i].key);
		return r;
	}
	return err_set(e, -EINVAL,
		       "\"%.*s\" is none of name, ip, ip6, mac-address, alias, ifname, gw-priority",
		       (int)(len < SHOWN ? len : SHOWN), pair);
}

int run_network_parse(const char *text, struct run_network *ret, struct err *e)
{
	_cleanup_(run_network_done) struct run_network n = { 0 };
	_cleanup_strv_ struct strv pairs = { 0 };
	unsigned seen = 0;
	int r = 0;

	if (!*text)
		return err_set(e, -EINVAL, "empty");
	if (strlen(text) > RUN_TEXT_MAX)
		return err_set(e, -EINVAL, "longer than %d bytes", RUN_TEXT_MAX);
	if (!strchr(text, '=')) {
		ret->name = mem_strdup(text);
		return 0;
	}
	strv_split(&pairs, text, ',');
	for (size_t i = 0; r == 0 && i < pairs.n; i++)
		r = take_pair(&n, pairs.v[i], &seen, e);
	if (r == 0 && !n.name)
		r = err_set(e, -EINVAL, "name: missing");
	err_prefix(r < 0 ? e : NULL, "%.*s", SHOWN, text);
	if (r < 0)
		return r;
	*ret = n;
	memset(&n, 0, sizeof(n));
	return 0;
}

/* ---- in the request ---- */

cJSON *run_network_json(const struct run_network *n)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str(j, "Name", n->name);
	json_put_ip_opt(j, "IPv4Address", n->ip4);
	json_put_ip_opt(j, "IPv6Address", n->ip6);
	if (!mac_is_zero(n->mac))
		json_put_mac(j, "MacAddress", n->mac);
	if (n->aliases.n > 0)
		json_put_strv(j, "Aliases", &n->aliases);
	json_put_str_opt(j, "IfName", n->ifname);
	if (n->gw_priority)
		cJSON_AddNumberToObject(j, "GwPriority", n->gw_priority);
	return j;
}

static int get_family(const cJSON *j, const char *key, int family, struct ip *ret, struct err *e)
{
	int r = json_get_ip(j, key, ret, e);

	if (r == 0 && ip_is_set(*ret) && ret->family != family)
		return err_set(e, -EINVAL, "%s: not an IPv%d address", key,
			       family == AF_INET ? 4 : 6);
	return r;
}

static int fields(const cJSON *j, struct run_network *n, struct err *e)
{
	const char *name = NULL, *ifname = NULL;
	int64_t priority = 0;
	int r = json_get_str_req(j, "Name", RUN_TEXT_MAX, &name, e);

	if (r == 0)
		r = get_family(j, "IPv4Address", AF_INET, &n->ip4, e);
	if (r == 0)
		r = get_family(j, "IPv6Address", AF_INET6, &n->ip6, e);
	if (r == 0)
		r = json_get_mac(j, "MacAddress", &n->mac, e);
	if (r == 0)
		r = json_get_strv(j, "Aliases", BODY_ALIASES_MAX, RUN_TEXT_MAX, &n->aliases, e);
	if (r == 0)
		r = json_get_str(j, "IfName", RUN_TEXT_MAX, &ifname, e);
	if (r == 0)
		r = json_get_i64(j, "GwPriority", &priority, e);
	if (r == 0 && (priority < INT32_MIN || priority > INT32_MAX))
		r = err_set(e, -EINVAL, "GwPriority: not a whole number of 32 bits");
	if (r < 0)
		return r;
	n->name = mem_strdup(name);
	n->ifname = mem_strdup(ifname);
	n->gw_priority = (int32_t)priority;
	return 0;
}

int run_network_decode(const cJSON *j, struct run_network *ret, struct err *e)
{
	struct run_network n = { 0 };
	int r = cJSON_IsObject(j) ? fields(j, &n, e) : err_set(e, -EINVAL, "not an object");

	if (r < 0) {
		run_network_done(&n);
		return r;
	}
	*ret = n;
	return 0;
}
