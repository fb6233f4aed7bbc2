/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Published ports as JSON. Neighbours on both sides are one item with a count: a range of a thousand ports stays a line that a person reads. */
#include "store/model.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/model_json.h"

static const struct {
	uint8_t proto;
	const char *name;
} protos[] = { { IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" }, { IPPROTO_SCTP, "sctp" } };

const char *model_proto_name(uint8_t proto)
{
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (protos[i].proto == proto)
			return protos[i].name;
	}
	return "?";
}

/* How many from @v[0] on follow one another. */
static size_t run_length(const struct model_publish *v, size_t n)
{
	size_t k = 1;

	while (k < n && v[k].proto == v[0].proto && ip_eq(v[k].host_ip, v[0].host_ip) &&
	       v[k].host_port == v[0].host_port + k && v[k].port == v[0].port + k)
		k++;
	return k;
}

size_t model_publish_head(const struct model_publish *v, size_t n, size_t max_items)
{
	size_t at = 0;

	for (size_t i = 0; at < n && i < max_items; i++)
		at += run_length(v + at, n - at);
	return at;
}

cJSON *model_publish_json(const struct model_publish *v, size_t n)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0, k; i < n; i += k) {
		cJSON *j = cJSON_CreateObject();

		k = run_length(v + i, n - i);
		json_put_str(j, "proto", model_proto_name(v[i].proto));
		json_put_ip_opt(j, "ip", v[i].host_ip);
		json_put_u64(j, "host", v[i].host_port);
		json_put_u64(j, "port", v[i].port);
		if (k > 1)
			json_put_u64(j, "count", k);
		cJSON_AddItemToArray(list, j);
	}
	return list;
}

static int get_proto(const cJSON *j, uint8_t *ret, struct err *e)
{
	const char *s = NULL;
	int r = json_get_str_req(j, "proto", 8, &s, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (strcmp(protos[i].name, s) == 0) {
			*ret = protos[i].proto;
			return 0;
		}
	}
	return err_set(e, -EINVAL, "proto: \"%s\" is none of tcp, udp, sctp", s);
}

static int get_port(const cJSON *j, const char *field, uint64_t *ret, struct err *e)
{
	int r = json_get_u64(j, field, 1, UINT16_MAX, ret, e);

	return r == 0 && *ret == 0 ? err_set(e, -EINVAL, "%s: missing", field) : r;
}

static int get_item(const cJSON *j, struct model_publish *ret, size_t *ret_count, struct err *e)
{
	uint64_t host = 0, port = 0, count = 1;
	struct model_publish p = { 0 };
	int r;

	if (!cJSON_IsObject(j))
		return err_set(e, -EINVAL, "item: not an object");
	r = get_proto(j, &p.proto, e);
	if (r == 0)
		r = json_get_ip(j, "ip", &p.host_ip, e);
	if (r == 0 && ip_is_multicast(p.host_ip))
		r = err_set(e, -EINVAL, "ip: not an address of a host");
	if (r == 0)
		r = get_port(j, "host", &host, e);
	if (r == 0)
		r = get_port(j, "port", &port, e);
	if (r == 0)
		r = json_get_u64(j, "count", 1, MODEL_PUBLISH_MAX, &count, e);
	if (r == 0 && (host + count - 1 > UINT16_MAX || port + count - 1 > UINT16_MAX))
		r = err_set(e, -EINVAL, "count: the ports would go beyond %d", UINT16_MAX);
	p.host_port = (uint16_t)host;
	p.port = (uint16_t)port;
	*ret = p;
	*ret_count = count;
	return r;
}

int model_publish_parse(const cJSON *list, struct model_publish **ret, size_t *ret_n, struct err *e)
{
	struct model_publish *v = NULL;
	const cJSON *item;
	size_t n = 0, i = 0;

	if (list && !cJSON_IsArray(list))
		return err_set(e, -EINVAL, "publish: not a list");
	cJSON_ArrayForEach(item, list) {
		struct model_publish p;
		size_t count = 0;
		struct err one = { 0 };

		if (get_item(item, &p, &count, &one) == 0 && n + count > MODEL_PUBLISH_MAX)
			err_set(&one, -EINVAL, "count: more than %d ports in all",
				MODEL_PUBLISH_MAX);
		if (one.code < 0) {
			free(v);
			json_err_in(&one, "publish[%zu]", i);
			return err_set(e, one.code, "%s", one.text);
		}
		v = mem_grow(v, n + count, sizeof(*v));
		for (size_t k = 0; k < count; k++, p.host_port++, p.port++)
			v[n++] = p;
		i++;
	}
	*ret = v;
	*ret_n = n;
	return 0;
}
