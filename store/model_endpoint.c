/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is attached: endpoints, and the address keys that hold their addresses. */
#include "store/model.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/model_json.h"

static const char *const endpoint_fields[] = {
	"name", "hostname",  "aliases", "expose",  "sandbox",
	"mac",	"addresses", "node",	"publish", "created"
};

static void put_addresses(cJSON *j, struct ip ip4, struct ip ip6)
{
	_cleanup_strv_ struct strv list = { 0 };
	char text[IP_TEXT_MAX];

	if (ip_is_set(ip4))
		strv_add(&list, ip_format(ip4, text));
	if (ip_is_set(ip6))
		strv_add(&list, ip_format(ip6, text));
	json_put_strv(j, "addresses", &list);
}

char *model_endpoint_encode(const struct model_endpoint *ep)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str(j, "name", ep->name);
	json_put_str_opt(j, "hostname", ep->hostname);
	if (ep->aliases.n > 0)
		json_put_strv(j, "aliases", &ep->aliases);
	if (ep->n_expose > 0)
		cJSON_AddItemToObject(j, "expose", model_expose_json(ep->expose, ep->n_expose));
	json_put_str_opt(j, "sandbox", ep->sandbox);
	json_put_mac(j, "mac", ep->mac);
	put_addresses(j, ep->ip4, ep->ip6);
	model_json_put_id(j, "node", ep->node);
	if (ep->n_publish > 0)
		cJSON_AddItemToObject(
			j, "publish",
			model_publish_json(ep->publish,
					   model_publish_head(ep->publish, ep->n_publish,
							      MODEL_PUBLISH_ITEMS_MAX)));
	json_put_str_opt(j, "created", ep->created);
	return model_json_print(j, ep->extra);
}

static int get_addresses(const cJSON *j, struct model_endpoint *ep, struct err *e)
{
	_cleanup_strv_ struct strv list = { 0 };
	int r = json_get_strv(j, "addresses", 2, IP_TEXT_MAX, &list, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.n; i++) {
		struct ip ip, *slot;

		if (ip_parse(list.v[i], &ip, e) < 0) {
			err_prefix(e, "addresses[%zu]", i);
			return -EINVAL;
		}
		slot = ip.family == AF_INET ? &ep->ip4 : &ep->ip6;
		if (ip_is_set(*slot))
			return err_set(e, -EINVAL, "addresses: two of one family");
		r = model_json_host_ip("addresses", ip, e);
		if (r < 0)
			return r;
		*slot = ip;
	}
	if (list.n == 0)
		return err_set(e, -EINVAL, "addresses: missing");
	return 0;
}

static int get_hostname(const cJSON *j, struct model_endpoint *ep, struct err *e)
{
	const char *s = NULL;
	int r = json_get_str(j, "hostname", MODEL_HOSTNAME_MAX, &s, e);

	if (r < 0 || !s)
		return r;
	r = model_hostname_check("hostname", s, e);
	if (r == 0)
		ep->hostname = mem_strdup(s);
	return r;
}

static int endpoint_fill(const cJSON *j, struct model_endpoint *ep, struct err *e)
{
	int r = model_json_name(j, "name", &ep->name, e);

	if (r == 0)
		r = get_hostname(j, ep, e);
	if (r == 0)
		r = model_expose_parse(j, "expose", &ep->expose, &ep->n_expose, e);
	if (r == 0)
		r = json_get_strv(j, "aliases", MODEL_ALIASES_MAX, MODEL_NAME_MAX, &ep->aliases, e);
	for (size_t i = 0; r == 0 && i < ep->aliases.n; i++)
		r = model_name_check("aliases", ep->aliases.v[i], e);
	if (r == 0)
		r = model_json_text(j, "sandbox", &ep->sandbox, e);
	if (r == 0)
		r = json_get_mac(j, "mac", &ep->mac, e);
	if (r == 0 && !mac_is_usable(ep->mac))
		r = err_set(e, -EINVAL, "mac: missing, or not one of an interface");
	if (r == 0)
		r = get_addresses(j, ep, e);
	if (r == 0)
		r = model_json_id(j, "node", true, &ep->node, e);
	if (r == 0)
		r = model_publish_parse(json_get(j, "publish"), &ep->publish, &ep->n_publish, e);
	if (r == 0)
		r = model_json_text(j, "created", &ep->created, e);
	return r;
}

int model_endpoint_decode(const char *prefix, const char *key, const char *value, size_t len,
			  struct model_endpoint **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct model_endpoint *ep;
	struct model_key k;
	int r = model_json_open(prefix, MODEL_ENDPOINT, key, value, len, &k, &j, e);

	if (r < 0)
		return r;
	ep = mem_alloc(sizeof(*ep));
	ep->id = k.id;
	ep->network = k.network;
	r = endpoint_fill(j, ep, e);
	if (r < 0) {
		model_endpoint_free(ep);
		return model_json_fail(key, r, e);
	}
	ep->extra = model_json_extra(TAKE_PTR(j), endpoint_fields, ARRAY_SIZE(endpoint_fields));
	*ret = ep;
	return 0;
}

struct model_endpoint *model_endpoint_dup(const struct model_endpoint *ep)
{
	struct model_endpoint *c = mem_dup(ep, sizeof(*ep));

	c->name = mem_strdup(ep->name);
	c->aliases = (struct strv){ 0 };
	strv_copy(&c->aliases, &ep->aliases);
	c->hostname = mem_strdup(ep->hostname);
	c->expose = ep->n_expose ? mem_dup(ep->expose, ep->n_expose * sizeof(*ep->expose)) : NULL;
	c->sandbox = mem_strdup(ep->sandbox);
	c->created = mem_strdup(ep->created);
	c->publish = ep->n_publish ? mem_dup(ep->publish, ep->n_publish * sizeof(*ep->publish)) :
				     NULL;
	c->extra = ep->extra ? cJSON_Duplicate(ep->extra, 1) : NULL;
	return c;
}

void model_endpoint_free(struct model_endpoint *ep)
{
	if (!ep)
		return;
	free(ep->name);
	free(ep->hostname);
	strv_done(&ep->aliases);
	free(ep->expose);
	free(ep->sandbox);
	free(ep->created);
	free(ep->publish);
	cJSON_Delete(ep->extra);
	free(ep);
}

char *model_address_encode(const struct model_address *a)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str(j, "state", a->state == MODEL_ADDRESS_RESERVED ? "reserved" : "bound");
	if (!id_is_zero(a->endpoint))
		model_json_put_id(j, "endpoint", a->endpoint);
	model_json_put_id(j, "node", a->node);
	json_put_str_opt(j, "created", a->created);
	return model_json_print(j, NULL);
}

static int address_fill(const cJSON *j, struct model_address *a, struct err *e)
{
	const char *state = "bound";
	int r = json_get_str(j, "state", 16, &state, e);

	if (r < 0)
		return r;
	if (strcmp(state, "reserved") == 0)
		a->state = MODEL_ADDRESS_RESERVED;
	else if (strcmp(state, "bound") == 0)
		a->state = MODEL_ADDRESS_BOUND;
	else
		return err_set(e, -EINVAL, "state: \"%s\" is neither reserved nor bound", state);
	/* A reservation has no endpoint yet (Docker asks for the address first). */
	r = model_json_id(j, "endpoint", a->state == MODEL_ADDRESS_BOUND, &a->endpoint, e);
	if (r == 0)
		r = model_json_id(j, "node", true, &a->node, e);
	if (r == 0)
		r = model_json_text(j, "created", &a->created, e);
	return r;
}

int model_address_decode(const char *prefix, const char *key, const char *value, size_t len,
			 struct model_address **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct model_address a = { 0 };
	struct model_key k;
	int r = model_json_open(prefix, MODEL_ADDRESS, key, value, len, &k, &j, e);

	if (r < 0)
		return r;
	r = address_fill(j, &a, e);
	if (r < 0)
		return model_json_fail(key, r, e);
	a.network = k.network;
	a.ip = k.ip;
	*ret = mem_dup(&a, sizeof(a));
	return 0;
}

void model_address_free(struct model_address *a)
{
	if (!a)
		return;
	free(a->created);
	free(a);
}
