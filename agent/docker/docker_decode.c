/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks and containers. base/json.h is too strict here: the output of a health check, which Docker puts into a container's answer, may hold anything. */
#include "agent/docker/docker_decode.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "agent/docker/docker_decode_priv.h"
#include "base/json.h"
#include "base/mem.h"

int docker_decode_parse(const char *text, size_t len, size_t max, cJSON **ret, struct err *e)
{
	cJSON *j;

	if (len > max)
		return err_set(e, -EINVAL, "an answer of %zu bytes is larger than %zu", len, max);
	j = cJSON_ParseWithLength(text, len); /* bounds the depth by itself */
	if (!j)
		return err_set(e, -EINVAL, "the answer is not JSON");
	*ret = j;
	return 0;
}

const char *docker_decode_text(const cJSON *obj, const char *key, size_t max)
{
	const char *s = cJSON_GetStringValue(json_get(obj, key));

	return s && *s && strnlen(s, max + 1) <= max ? s : NULL;
}

bool docker_decode_is_word(const char *s)
{
	for (; *s; s++) {
		if (*s <= ' ' || *s > '~')
			return false;
	}
	return true;
}

const char *docker_decode_word(const cJSON *obj, const char *key, size_t max)
{
	const char *s = docker_decode_text(obj, key, max);

	return s && docker_decode_is_word(s) ? s : NULL;
}

static void take_words(const cJSON *list, struct strv *ret)
{
	const cJSON *item;

	if (!cJSON_IsArray(list))
		return;
	cJSON_ArrayForEach(item, list) {
		const char *s = cJSON_GetStringValue(item);

		if (ret->n >= DOCKER_LIST_MAX)
			return;
		if (s && *s && strnlen(s, DOCKER_TEXT_MAX + 1) <= DOCKER_TEXT_MAX &&
		    docker_decode_is_word(s))
			strv_add(ret, s);
	}
}

static void take_pairs(const cJSON *obj, struct kv_pairs *ret)
{
	const cJSON *item;

	if (!cJSON_IsObject(obj))
		return;
	cJSON_ArrayForEach(item, obj) {
		const char *s = cJSON_GetStringValue(item);

		if (ret->n >= DOCKER_LIST_MAX)
			return;
		if (s && item->string && *item->string &&
		    strnlen(item->string, DOCKER_TEXT_MAX + 1) <= DOCKER_TEXT_MAX &&
		    strnlen(s, DOCKER_TEXT_MAX + 1) <= DOCKER_TEXT_MAX)
			kv_pairs_set(ret, item->string, s);
	}
}

/* "10.0.0.2/24" or "10.0.0.2"; unset for anything else */
static struct ip take_ip(const cJSON *obj, const char *key, int family)
{
	const char *s = docker_decode_word(obj, key, PREFIX_TEXT_MAX);
	struct prefix p = { 0 };

	if (!s)
		return (struct ip){ 0 };
	if (strchr(s, '/') ? prefix_parse_host(s, &p, NULL) : ip_parse(s, &p.ip, NULL))
		return (struct ip){ 0 };
	return p.ip.family == family ? p.ip : (struct ip){ 0 };
}

static struct id take_id(const cJSON *obj, const char *key)
{
	const char *s = docker_decode_word(obj, key, ID_TEXT_LEN);
	struct id id = { 0 };

	if (s)
		id_parse(s, &id);
	return id;
}

static void take_endpoints(const cJSON *obj, struct docker_network *n)
{
	size_t max = cJSON_IsObject(obj) ? (size_t)cJSON_GetArraySize(obj) : 0;
	const cJSON *item;

	if (max == 0)
		return;
	if (max > DOCKER_ENDPOINTS_MAX)
		max = DOCKER_ENDPOINTS_MAX;
	n->endpoints = mem_alloc_array(max, sizeof(*n->endpoints));
	cJSON_ArrayForEach(item, obj) {
		const char *name = docker_decode_word(item, "Name", DOCKER_TEXT_MAX);
		struct docker_endpoint *ep = &n->endpoints[n->n_endpoints];

		if (n->n_endpoints == max)
			return;
		if (!cJSON_IsObject(item) || !item->string || !*item->string ||
		    strnlen(item->string, DOCKER_TEXT_MAX + 1) > DOCKER_TEXT_MAX ||
		    !docker_decode_is_word(item->string))
			continue;
		ep->container = mem_strdup(item->string);
		ep->name = mem_strdup(name ? name : "");
		ep->endpoint = take_id(item, "EndpointID");
		ep->ip4 = take_ip(item, "IPv4Address", AF_INET);
		ep->ip6 = take_ip(item, "IPv6Address", AF_INET6);
		n->n_endpoints++;
	}
}

static bool take_network(const cJSON *obj, struct docker_network *n)
{
	const char *id = docker_decode_word(obj, "Id", DOCKER_ID_MAX);
	const char *name = docker_decode_text(obj, "Name", DOCKER_TEXT_MAX);
	const char *driver = docker_decode_word(obj, "Driver", DOCKER_TEXT_MAX);
	const cJSON *ipam = json_get(obj, "IPAM"), *config = json_get(ipam, "Config"), *item;

	if (!id || !name)
		return false;
	*n = (struct docker_network){ .id = mem_strdup(id),
				      .name = mem_strdup(name),
				      .driver = mem_strdup(driver ? driver : "") };
	n->internal = cJSON_IsTrue(json_get(obj, "Internal"));
	n->ipv6 = cJSON_IsTrue(json_get(obj, "EnableIPv6"));
	take_pairs(json_get(obj, "Options"), &n->options);
	take_pairs(json_get(obj, "Labels"), &n->labels);
	take_pairs(json_get(ipam, "Options"), &n->ipam_options);
	if (cJSON_IsArray(config)) {
		cJSON_ArrayForEach(item, config) {
			const char *s = docker_decode_word(item, "Subnet", PREFIX_TEXT_MAX);

			if (s && n->subnets.n < DOCKER_LIST_MAX)
				strv_add(&n->subnets, s);
		}
	}
	take_endpoints(json_get(obj, "Containers"), n);
	return true;
}

static void network_done(struct docker_network *n)
{
	free(n->id);
	free(n->name);
	free(n->driver);
	kv_pairs_done(&n->options);
	kv_pairs_done(&n->labels);
	kv_pairs_done(&n->ipam_options);
	strv_done(&n->subnets);
	for (size_t i = 0; i < n->n_endpoints; i++) {
		free(n->endpoints[i].container);
		free(n->endpoints[i].name);
	}
	free(n->endpoints);
}

void docker_networks_free(struct docker_network *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++)
		network_done(&v[i]);
	free(v);
}

struct docker_network *docker_networks_dup(const struct docker_network *v, size_t n)
{
	struct docker_network *ret = mem_alloc_array(n + 1, sizeof(*ret));

	for (size_t i = 0; i < n; i++) {
		ret[i].id = mem_strdup(v[i].id);
		ret[i].name = mem_strdup(v[i].name);
		ret[i].driver = mem_strdup(v[i].driver);
		ret[i].internal = v[i].internal;
		ret[i].ipv6 = v[i].ipv6;
		kv_pairs_copy(&ret[i].options, &v[i].options);
		kv_pairs_copy(&ret[i].labels, &v[i].labels);
		kv_pairs_copy(&ret[i].ipam_options, &v[i].ipam_options);
		strv_copy(&ret[i].subnets, &v[i].subnets);
	}
	return ret;
}

int docker_networks_decode(const char *text, size_t len, struct docker_network **ret, size_t *ret_n,
			   struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct docker_network *v;
	const cJSON *item;
	size_t n = 0, max;
	int r = docker_decode_parse(text, len, DOCKER_DECODE_MAX, &j, e);

	if (r < 0)
		return r;
	if (!cJSON_IsArray(j) && !cJSON_IsNull(j))
		return err_set(e, -EINVAL, "the answer is not a list of networks");
	max = (size_t)cJSON_GetArraySize(j);
	if (max > DOCKER_NETWORKS_MAX)
		return err_set(e, -EINVAL, "%zu networks are more than %d", max,
			       DOCKER_NETWORKS_MAX);
	v = mem_alloc_array(max + 1, sizeof(*v));
	cJSON_ArrayForEach(item, j)
		n += take_network(item, &v[n]);
	*ret = v;
	*ret_n = n;
	return 0;
}

int docker_network_decode(const char *text, size_t len, struct docker_network **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct docker_network *n;
	int r = docker_decode_parse(text, len, DOCKER_DECODE_MAX, &j, e);

	if (r < 0)
		return r;
	n = mem_alloc(sizeof(*n));
	if (!take_network(j, n)) {
		free(n);
		return err_set(e, -EINVAL, "the answer is not a network");
	}
	*ret = n;
	return 0;
}

static void take_attachments(const cJSON *obj, struct docker_container *c)
{
	size_t max = cJSON_IsObject(obj) ? (size_t)cJSON_GetArraySize(obj) : 0;
	const cJSON *item;

	if (max > DOCKER_LIST_MAX)
		max = DOCKER_LIST_MAX;
	c->networks = mem_alloc_array(max + 1, sizeof(*c->networks));
	if (max == 0)
		return;
	cJSON_ArrayForEach(item, obj) {
		struct docker_attachment *a = &c->networks[c->n_networks];
		const char *id = docker_decode_word(item, "NetworkID", DOCKER_ID_MAX);

		if (c->n_networks == max)
			return;
		if (!cJSON_IsObject(item) || !item->string ||
		    strnlen(item->string, DOCKER_TEXT_MAX + 1) > DOCKER_TEXT_MAX)
			continue;
		a->network_name = mem_strdup(item->string);
		a->network_id = mem_strdup(id ? id : "");
		a->endpoint = take_id(item, "EndpointID");
		a->ip4 = take_ip(item, "IPAddress", AF_INET);
		take_words(json_get(item, "Aliases"), &a->aliases);
		take_words(json_get(item, "Links"), &a->links);
		c->n_networks++;
	}
}

static char *text_or_empty(const char *s)
{
	return mem_strdup(s ? s : "");
}

int docker_container_decode(const char *text, size_t len, struct docker_container **ret,
			    struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const cJSON *settings;
	struct docker_container *c;
	const char *id, *name;
	int r = docker_decode_parse(text, len, DOCKER_DECODE_MAX, &j, e);

	if (r < 0)
		return r;
	id = docker_decode_word(j, "Id", DOCKER_ID_MAX);
	name = docker_decode_word(j, "Name", DOCKER_TEXT_MAX);
	settings = json_get(j, "NetworkSettings");
	if (!id || !name)
		return err_set(e, -EINVAL, "the answer is not a container");
	c = mem_alloc(sizeof(*c));
	c->id = mem_strdup(id);
	c->name = mem_strdup(name + (*name == '/'));
	c->hostname = text_or_empty(
		docker_decode_word(json_get(j, "Config"), "Hostname", DOCKER_TEXT_MAX));
	c->sandbox_key = text_or_empty(docker_decode_word(settings, "SandboxKey", DOCKER_TEXT_MAX));
	c->running = cJSON_IsTrue(json_get(json_get(j, "State"), "Running"));
	take_words(json_get(json_get(j, "HostConfig"), "Dns"), &c->dns);
	take_attachments(json_get(settings, "Networks"), c);
	*ret = c;
	return 0;
}

void docker_container_free(struct docker_container *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_networks; i++) {
		free(c->networks[i].network_id);
		free(c->networks[i].network_name);
		strv_done(&c->networks[i].aliases);
		strv_done(&c->networks[i].links);
	}
	free(c->networks);
	free(c->id);
	free(c->name);
	free(c->hostname);
	free(c->sandbox_key);
	strv_done(&c->dns);
	free(c);
}
