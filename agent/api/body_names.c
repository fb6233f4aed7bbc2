/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/body_names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/api/body.h"
#include "base/json.h"
#include "base/mem.h"

#define SHOWN 64 /* bytes of a wrong text that an error repeats */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int body_hostname_check(const char *text, struct err *e)
{
	if (strlen(text) > BODY_HOSTNAME_MAX)
		return err_set(e, -EINVAL, "longer than %d characters", BODY_HOSTNAME_MAX);
	for (const char *p = text; *p || p == text; p++) {
		if (!is_word(*p) && (p == text || !strchr("-._", *p)))
			return err_set(
				e, -EINVAL,
				"\"%.*s\" is not letters, digits, '-', '.' and '_' with a letter or digit first",
				SHOWN, text);
	}
	return 0;
}

int body_link_parse(const char *text, struct strv *links, struct err *e)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	const char *alias = colon ? colon + 1 : text;
	_cleanup_free_ char *whole = NULL;

	if (len == 0 || !*alias || strchr(alias, ':'))
		return err_set(e, -EINVAL, "\"%.*s\" is not NAME[:ALIAS]", SHOWN, text);
	if (len > BODY_NAME_MAX || strlen(alias) > BODY_NAME_MAX)
		return err_set(e, -EINVAL, "%.*s: a name longer than %d bytes", SHOWN, text,
			       BODY_NAME_MAX);
	whole = mem_printf("%.*s:%s", (int)len, text, alias);
	if (strv_has(links, whole))
		return 0;
	if (links->n >= BODY_LINKS_MAX)
		return err_set(e, -EINVAL, "more than %d", BODY_LINKS_MAX);
	strv_add(links, whole);
	return 0;
}

static bool has_port(const struct body_names *n, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < n->n_expose; i++) {
		if (n->expose[i].proto == proto && n->expose[i].port == port)
			return true;
	}
	return false;
}

static int add_port(struct body_names *n, uint8_t proto, uint16_t port, struct err *e)
{
	if (has_port(n, proto, port))
		return 0;
	if (n->n_expose >= BODY_EXPOSE_MAX)
		return err_set(e, -EINVAL, "more than %d ports", BODY_EXPOSE_MAX);
	n->expose = mem_grow(n->expose, n->n_expose + 1, sizeof(*n->expose));
	n->expose[n->n_expose++] = (struct body_port){ .proto = proto, .port = port };
	return 0;
}

/* The container's side of a published port, and nothing else. */
int body_expose_parse(const char *text, struct body_names *ret, struct err *e)
{
	struct body_publishes ports = { 0 };
	int r = 0;

	if (strchr(text, ':'))
		return err_set(e, -EINVAL, "\"%.*s\" is not PORT[-END][/tcp|udp|sctp]", SHOWN,
			       text);
	r = body_publish_parse(text, &ports, e);
	for (size_t i = 0; r == 0 && i < ports.n; i++)
		r = add_port(ret, ports.v[i].proto, ports.v[i].port, e);
	body_publishes_done(&ports);
	return r;
}

/* ---- in bodies ---- */

/* Each text of a list goes through @parse; its place is named. */
static void take_each(const cJSON *j, const char *key, size_t max, const char *where,
		      struct body_names *n,
		      int (*parse)(const char *text, struct body_names *n, struct err *e),
		      struct err *e)
{
	_cleanup_strv_ struct strv texts = { 0 };

	body_take_texts(j, key, max, BODY_TEXT_MAX, where, &texts, e);
	for (size_t i = 0; i < texts.n; i++) {
		struct err one = { 0 };

		if (parse(texts.v[i], n, &one) < 0)
			err_add(e, one.code, "%s%s%s[%zu]: %s", where, *where ? "." : "", key, i,
				err_text(&one));
	}
}

static int take_link(const char *text, struct body_names *n, struct err *e)
{
	return body_link_parse(text, &n->links, e);
}

void body_names_take(const cJSON *j, const char *where, struct body_names *ret, struct err *e)
{
	struct err one = { 0 };

	body_take_text(j, "Hostname", BODY_HOSTNAME_MAX, where, &ret->hostname, e);
	if (ret->hostname && body_hostname_check(ret->hostname, &one) < 0)
		err_add(e, one.code, "%s%sHostname: %s", where, *where ? "." : "", err_text(&one));
	take_each(j, "ExposedPorts", BODY_EXPOSE_MAX, where, ret, body_expose_parse, e);
	take_each(j, "Links", BODY_LINKS_MAX, where, ret, take_link, e);
	body_take_texts(j, "Dns", BODY_DNS_MAX, BODY_TEXT_MAX, where, &ret->dns, e);
	body_take_texts(j, "DnsSearch", BODY_DNS_SEARCH_MAX, BODY_TEXT_MAX, where, &ret->dns_search,
			e);
	body_take_texts(j, "DnsOptions", BODY_DNS_OPTIONS_MAX, BODY_TEXT_MAX, where,
			&ret->dns_options, e);
	body_take_texts(j, "ExtraHosts", BODY_HOSTS_MAX, BODY_TEXT_MAX, where, &ret->extra_hosts,
			e);
}

static void put_ports(cJSON *j, const struct body_names *n)
{
	cJSON *list = cJSON_AddArrayToObject(j, "ExposedPorts");
	char text[16];

	for (size_t i = 0; i < n->n_expose; i++) {
		snprintf(text, sizeof(text), "%u/%s", n->expose[i].port,
			 body_publish_proto(n->expose[i].proto));
		cJSON_AddItemToArray(list, cJSON_CreateString(text));
	}
}

void body_names_put(cJSON *j, const struct body_names *n)
{
	const struct {
		const char *key;
		const struct strv *list;
	} lists[] = {
		{ "Links", &n->links },
		{ "Dns", &n->dns },
		{ "DnsSearch", &n->dns_search },
		{ "DnsOptions", &n->dns_options },
		{ "ExtraHosts", &n->extra_hosts },
	};

	json_put_str_opt(j, "Hostname", n->hostname);
	if (n->n_expose > 0)
		put_ports(j, n);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (lists[i].list->n > 0)
			json_put_strv(j, lists[i].key, lists[i].list);
	}
}

void body_names_done(struct body_names *n)
{
	free(n->hostname);
	free(n->expose);
	strv_done(&n->links);
	strv_done(&n->dns);
	strv_done(&n->dns_search);
	strv_done(&n->dns_options);
	strv_done(&n->extra_hosts);
	*n = (struct body_names){ 0 };
}
