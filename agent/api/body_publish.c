/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Published ports: as a person writes them, and in bodies (body.h). */
#include "agent/api/body.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"

#define PORT_DIGITS 5
#define SHOWN 64 /* bytes of a wrong text that an error repeats */

static const struct {
	const char *name;
	uint8_t proto;
} protos[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "sctp", IPPROTO_SCTP },
};

const char *body_publish_proto(uint8_t proto)
{
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (protos[i].proto == proto)
			return protos[i].name;
	}
	return "?";
}

static bool take_proto(const char *text, uint8_t *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (strcasecmp(protos[i].name, text) == 0) {
			*ret = protos[i].proto;
			return true;
		}
	}
	return false;
}

/* ---- as a person writes it ---- */

struct range {
	uint16_t first, last;
};

static bool take_port(const char *text, uint16_t *ret)
{
	uint32_t v = 0;
	size_t n = 0;

	for (; text[n]; n++) {
		if (text[n] < '0' || text[n] > '9' || n == PORT_DIGITS)
			return false;
		v = v * 10 + (uint32_t)(text[n] - '0');
	}
	if (v < 1 || v > UINT16_MAX)
		return false;
	*ret = (uint16_t)v;
	return true;
}

static int take_range(const char *text, const char *part, struct range *ret, struct err *e)
{
	const char *dash = strchr(text, '-');
	_cleanup_free_ char *first = mem_strndup(text, dash ? (size_t)(dash - text) : strlen(text));
	const char *last = dash ? dash + 1 : first;

	if (!*text)
		return err_set(e, -EINVAL, "%s: missing", part);
	if (!take_port(first, &ret->first))
		return err_set(e, -EINVAL, "%s: \"%.*s\" is no number from 1 to 65535", part, SHOWN,
			       first);
	if (!take_port(last, &ret->last))
		return err_set(e, -EINVAL, "%s: \"%.*s\" is no number from 1 to 65535", part, SHOWN,
			       last);
	if (ret->last < ret->first)
		return err_set(e, -EINVAL, "%s: the range %.*s ends before it begins", part, SHOWN,
			       text);
	return 0;
}

static int take_host_ip(const char *text, struct ip *ret, struct err *e)
{
	size_t len = strlen(text);
	bool brackets = len >= 2 && text[0] == '[' && text[len - 1] == ']';
	_cleanup_free_ char *bare = brackets ? mem_strndup(text + 1, len - 2) : mem_strdup(text);
	struct ip ip;

	if (ip_parse(bare, &ip, NULL) < 0)
		return err_set(e, -EINVAL, "host address: \"%.*s\" is no address", SHOWN, text);
	if (!brackets && ip.family == AF_INET6)
		return err_set(e, -EINVAL, "host address: %.*s: an IPv6 address goes in brackets",
			       SHOWN, text);
	if (brackets && ip.family == AF_INET)
		return err_set(e, -EINVAL, "host address: %.*s: brackets are for IPv6", SHOWN,
			       text);
	if (ip_is_multicast(ip))
		return err_set(e, -EINVAL, "host address: %.*s is no address of one host", SHOWN,
			       text);
	*ret = ip;
	return 0;
}

/* @text is what stands before the container's port: "8080", "", "127.0.0.1:", "[::1]:8080-8081". */
static int take_host(const char *text, struct body_publish *p, struct range *ret, struct err *e)
{
	const char *colon = strrchr(text, ':');
	const char *port = text;

	/* "[::1]" alone ends within the address: its last colon is none of ours. */
	if (colon && strchr(colon, ']'))
		return err_set(e, -EINVAL,
			       "host port: \"%.*s\" is none (address alone: %.*s::PORT)", SHOWN,
			       text, SHOWN, text);
	if (colon) {
		_cleanup_free_ char *ip = mem_strndup(text, (size_t)(colon - text));
		int r = *ip ? take_host_ip(ip, &p->host_ip, e) : 0;

		if (r < 0)
			return r;
		port = colon + 1;
	}
	return *port ? take_range(port, "host port", ret, e) : 0;
}

static int add_ports(struct body_publish p, struct range host, struct range ports,
		     struct body_publishes *ret, struct err *e)
{
	size_t n = (size_t)(ports.last - ports.first) + 1;

	if (host.first && host.last - host.first != ports.last - ports.first)
		return err_set(
			e, -EINVAL,
			"the ranges %u-%u of the host and %u-%u of the container differ in length",
			host.first, host.last, ports.first, ports.last);
	if (n > BODY_PUBLISH_MAX || ret->n + n > BODY_PUBLISH_MAX)
		return err_set(e, -EINVAL, "more than %d ports", BODY_PUBLISH_MAX);
	ret->v = mem_grow(ret->v, ret->n + n, sizeof(*ret->v));
	for (size_t i = 0; i < n; i++) {
		p.port = (uint16_t)(ports.first + i);
		p.host_port = host.first ? (uint16_t)(host.first + i) : 0;
		ret->v[ret->n++] = p;
	}
	return 0;
}

int body_publish_parse(const char *text, struct body_publishes *ret, struct err *e)
{
	struct body_publish p = { .proto = IPPROTO_TCP };
	struct range host = { 0 }, ports = { 0 };
	const char *slash = strrchr(text, '/');
	_cleanup_free_ char *left =
		mem_strndup(text, slash ? (size_t)(slash - text) : strlen(text));
	char *colon = strrchr(left, ':');
	int r = 0;

	if (strlen(text) > BODY_TEXT_MAX)
		return err_set(e, -EINVAL, "published port: longer than %d bytes", BODY_TEXT_MAX);
	if (slash && !take_proto(slash + 1, &p.proto))
		r = err_set(e, -EINVAL, "protocol: \"%.*s\" is none of tcp, udp, sctp", SHOWN,
			    slash + 1);
	if (r == 0)
		r = take_range(colon ? colon + 1 : left, "container port", &ports, e);
	if (r == 0 && colon) {
		*colon = '\0';
		r = take_host(left, &p, &host, e);
	}
	if (r == 0)
		r = add_ports(p, host, ports, ret, e);
	err_prefix(r < 0 ? e : NULL, "%.*s", SHOWN, text);
	return r;
}

const char *body_publish_format(const struct body_publish *p, int family,
				char ret[BODY_PUBLISH_TEXT_MAX])
{
	const char *any = family == AF_INET6 ? "::" : "0.0.0.0";
	char ip[IP_TEXT_MAX];
	bool six = ip_is_set(p->host_ip) ? p->host_ip.family == AF_INET6 : family == AF_INET6;

	snprintf(ret, BODY_PUBLISH_TEXT_MAX, six ? "[%s]:%u" : "%s:%u",
		 ip_is_set(p->host_ip) ? ip_format(p->host_ip, ip) : any, p->host_port);
	return ret;
}

/* ---- in bodies ---- */

cJSON *body_publishes_encode(const struct body_publishes *p)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < p->n; i++) {
		cJSON *j = cJSON_CreateObject();

		json_put_str(j, "Proto", body_publish_proto(p->v[i].proto));
		json_put_ip_opt(j, "HostIp", p->v[i].host_ip);
		if (p->v[i].host_port)
			json_put_u64(j, "HostPort", p->v[i].host_port);
		json_put_u64(j, "Port", p->v[i].port);
		cJSON_AddItemToArray(list, j);
	}
	return list;
}

static int take_item(const cJSON *j, const char *where, struct body_publish *ret, struct err *e)
{
	static const char *const known[] = { "Proto", "HostIp", "HostPort", "Port", NULL };
	struct body_publish p = { .proto = IPPROTO_TCP };
	_cleanup_free_ char *proto = NULL, *ip = NULL;
	uint64_t host_port = 0, port = 0;
	struct err all = { 0 }, one = { 0 };

	if (!cJSON_IsObject(j))
		return err_add(e, -EINVAL, "%s: not an object", where);
	body_check_fields(j, known, where, &all);
	body_take_text(j, "Proto", BODY_TEXT_MAX, where, &proto, &all);
	if (proto && !take_proto(proto, &p.proto))
		err_add(&all, -EINVAL, "%s.Proto: \"%.*s\" is none of tcp, udp, sctp", where, SHOWN,
			proto);
	body_take_text(j, "HostIp", BODY_TEXT_MAX, where, &ip, &all);
	if (ip && (ip_parse(ip, &p.host_ip, NULL) < 0 || ip_is_multicast(p.host_ip)))
		err_add(&all, -EINVAL, "%s.HostIp: \"%.*s\" is no address of a host", where, SHOWN,
			ip);
	if (json_get_u64(j, "HostPort", 0, UINT16_MAX, &host_port, &one) < 0)
		err_add(&all, -EINVAL, "%s.%s", where, err_text(&one));
	if (json_get_u64(j, "Port", 1, UINT16_MAX, &port, &one) < 0)
		err_add(&all, -EINVAL, "%s.%s", where, err_text(&one));
	else if (port == 0)
		err_add(&all, -EINVAL, "%s.Port: missing", where);
	if (all.code < 0)
		return err_add(e, all.code, "%s", all.text);
	p.host_port = (uint16_t)host_port;
	p.port = (uint16_t)port;
	*ret = p;
	return 0;
}

static int cmp_host(const void *a, const void *b)
{
	const struct body_publish *x = a, *y = b;
	int r = ip_cmp(x->host_ip, y->host_ip);

	if (r == 0)
		r = x->proto - y->proto;
	return r ? r : x->host_port - y->host_port;
}

/* Two ports of a container cannot have the same one of the host. */
static int check_twice(const struct body_publishes *p, const char *where, struct err *e)
{
	_cleanup_free_ struct body_publish *v = mem_alloc_array(p->n + 1, sizeof(*v));
	char text[BODY_PUBLISH_TEXT_MAX];

	if (p->n > 0)
		memcpy(v, p->v, p->n * sizeof(*v));
	qsort(v, p->n, sizeof(*v), cmp_host);
	for (size_t i = 1; i < p->n; i++) {
		if (v[i].host_port && cmp_host(&v[i - 1], &v[i]) == 0)
			return err_add(e, -EINVAL, "%s: the host's port %s/%s is given twice",
				       where, body_publish_format(&v[i], AF_INET, text),
				       body_publish_proto(v[i].proto));
	}
	return 0;
}

int body_publishes_decode(const cJSON *list, const char *where, struct body_publishes *ret,
			  struct err *e)
{
	struct body_publishes got = { 0 };
	const cJSON *item;
	char at[80];
	int r = 0;

	if (!cJSON_IsArray(list))
		return err_add(e, -EINVAL, "%s: not a list", where);
	if (cJSON_GetArraySize(list) > BODY_PUBLISH_MAX)
		return err_add(e, -EINVAL, "%s: more than %d ports", where, BODY_PUBLISH_MAX);
	cJSON_ArrayForEach(item, list) {
		struct body_publish p = { 0 };

		snprintf(at, sizeof(at), "%.64s[%zu]", where, got.n);
		if (take_item(item, at, &p, e) < 0)
			r = -EINVAL;
		got.v = mem_grow(got.v, got.n + 1, sizeof(*got.v));
		got.v[got.n++] = p;
	}
	if (r == 0)
		r = check_twice(&got, where, e);
	if (r < 0) {
		body_publishes_done(&got);
		return -EINVAL;
	}
	*ret = got;
	return 0;
}

void body_publishes_done(struct body_publishes *p)
{
	free(p->v);
	*p = (struct body_publishes){ 0 };
}
