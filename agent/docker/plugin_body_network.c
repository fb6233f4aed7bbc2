/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the network driver is asked: networks, endpoints, joins. */
#include "agent/docker/plugin_body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/docker/plugin_body_priv.h"
#include "base/mem.h"

#define WHERE_MAX 64
#define PORTS_MAX (PLUGIN_BODY_MAX / 4) /* more entries do not fit into a body */

static const char option_generic[] = "com.docker.network.generic";
static const char option_internal[] = "com.docker.network.internal";
static const char option_ipv6[] = "com.docker.network.enable_ipv6";
static const char option_exposed[] = "com.docker.network.endpoint.exposedports";
static const char option_portmap[] = "com.docker.network.portmap";

/* ---- networks ---- */

static void ipam_done(struct plugin_ipam_data *d)
{
	free(d->space);
	for (size_t i = 0; i < d->n_aux; i++)
		free(d->aux[i].name);
	free(d->aux);
}

static int fill_aux(const cJSON *map, const char *where, int family, struct plugin_ipam_data *d,
		    struct err *e)
{
	const cJSON *item;

	if (!map)
		return 0;
	d->aux = mem_alloc_array((size_t)cJSON_GetArraySize(map) + 1, sizeof(*d->aux));
	cJSON_ArrayForEach(item, map) {
		struct model_aux *a = &d->aux[d->n_aux];
		const char *text = NULL;
		char what[WHERE_MAX];
		int r;

		snprintf(what, sizeof(what), "%.20s.AuxAddresses.%.24s", where, item->string);
		r = plugin_body_value(item, what, &text, e);
		if (r == 0)
			r = plugin_body_ip(text, family, what, &a->ip, e);
		if (r == 0 && !ip_is_set(a->ip))
			r = err_set(e, -EINVAL, "%s: no address", what);
		if (r == 0 && strlen(item->string) > PLUGIN_TEXT_MAX)
			r = err_set(e, -EINVAL, "%s: longer than %d bytes", what, PLUGIN_TEXT_MAX);
		if (r < 0)
			return r;
		a->name = mem_strdup(item->string);
		d->n_aux++;
	}
	return 0;
}

static int fill_ipam(const cJSON *j, const char *where, int family, struct plugin_ipam_data *d,
		     struct err *e)
{
	const char *space = NULL, *pool = NULL, *gateway = NULL;
	const cJSON *aux = NULL;
	char what[WHERE_MAX];
	int r;

	if (!cJSON_IsObject(j))
		return err_set(e, -EINVAL, "%s: not an object", where);
	r = plugin_body_text(j, where, "AddressSpace", &space, e);
	if (r == 0)
		r = plugin_body_text(j, where, "Pool", &pool, e);
	if (r == 0)
		r = plugin_body_text(j, where, "Gateway", &gateway, e);
	if (r == 0)
		r = plugin_body_map(j, where, "AuxAddresses", MODEL_AUX_MAX, &aux, e);
	if (r < 0)
		return r;
	if (!pool)
		return err_set(e, -EINVAL, "%s.Pool: missing", where);
	d->space = mem_strdup(space ? space : "");
	snprintf(what, sizeof(what), "%.32s.Pool", where);
	r = plugin_body_prefix(pool, family, what, &d->pool, e);
	snprintf(what, sizeof(what), "%.32s.Gateway", where);
	if (r == 0)
		r = plugin_body_ip(gateway, family, what, &d->gateway, e);
	return r < 0 ? r : fill_aux(aux, where, family, d, e);
}

static int fill_ipams(const cJSON *j, const char *key, int family, struct plugin_ipam_data *v,
		      size_t *n, struct err *e)
{
	const cJSON *list = NULL, *item;
	int r = plugin_body_list(j, "", key, PLUGIN_POOLS_MAX, &list, e);

	if (r < 0)
		return r;
	cJSON_ArrayForEach(item, list) {
		char where[WHERE_MAX];

		snprintf(where, sizeof(where), "%s[%zu]", key, *n);
		/* Counted first: what a failure leaves is released with the rest. */
		r = fill_ipam(item, where, family, &v[(*n)++], e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_network(const cJSON *j, struct plugin_network *n, struct err *e)
{
	const cJSON *options = NULL, *generic = NULL;
	int r = plugin_body_id(j, "NetworkID", true, &n->id, e);

	if (r == 0)
		r = plugin_body_map(j, "", "Options", PLUGIN_OPTIONS_MAX, &options, e);
	if (r < 0)
		return r;
	r = plugin_body_bool(plugin_body_option(options, option_internal), option_internal,
			     &n->internal, e);
	if (r == 0)
		r = plugin_body_bool(plugin_body_option(options, option_ipv6), option_ipv6,
				     &n->ipv6, e);
	generic = plugin_body_option(options, option_generic);
	if (r == 0 && generic && !cJSON_IsObject(generic))
		r = err_set(e, -EINVAL, "%s: not an object", option_generic);
	if (r == 0 && cJSON_GetArraySize(generic) > PLUGIN_OPTIONS_MAX)
		r = err_set(e, -EINVAL, "%s: more than %d entries", option_generic,
			    PLUGIN_OPTIONS_MAX);
	if (r == 0)
		r = plugin_body_pairs(generic, option_generic, true, NULL, &n->options, e);
	if (r == 0)
		r = fill_ipams(j, "IPv4Data", AF_INET, n->v4, &n->n_v4, e);
	if (r == 0)
		r = fill_ipams(j, "IPv6Data", AF_INET6, n->v6, &n->n_v6, e);
	return r;
}

int plugin_network_decode(const char *body, size_t len, struct plugin_network *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct plugin_network n = { 0 };
	int r = plugin_body_open(body, len, &j, e);

	if (r == 0)
		r = fill_network(j, &n, e);
	if (r < 0)
		plugin_network_done(&n);
	else
		*ret = n;
	return r;
}

void plugin_network_done(struct plugin_network *n)
{
	free(n->id);
	kv_pairs_done(&n->options);
	for (size_t i = 0; i < n->n_v4; i++)
		ipam_done(&n->v4[i]);
	for (size_t i = 0; i < n->n_v6; i++)
		ipam_done(&n->v6[i]);
	*n = (struct plugin_network){ 0 };
}

/* ---- endpoints ---- */

struct ports {
	struct model_port *v;
	size_t n;
};

static int port_order(const void *pa, const void *pb)
{
	const struct model_port *a = pa, *b = pb;

	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	return a->port == b->port ? 0 : a->port < b->port ? -1 : 1;
}

static bool number(const cJSON *v, unsigned max, unsigned *ret)
{
	if (!v)
		return true;
	if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble <= max) ||
	    v->valuedouble != (double)(unsigned)v->valuedouble)
		return false;
	*ret = (unsigned)v->valuedouble;
	return true;
}

/* [{"Proto": 6, "Port": 80, ...}]; what is no port of a container (0, other protocols) is left out. */
static int take_ports(const cJSON *options, const char *key, struct ports *p, struct err *e)
{
	const cJSON *list = plugin_body_option(options, key), *item;
	size_t i = 0, more;

	if (!list)
		return 0;
	more = (size_t)cJSON_GetArraySize(list);
	if (!cJSON_IsArray(list) || more > PORTS_MAX)
		return err_set(e, -EINVAL, "%s: not a list of ports", key);
	p->v = mem_grow(p->v, p->n + more + 1, sizeof(*p->v));
	cJSON_ArrayForEach(item, list) {
		unsigned proto = 0, port = 0;

		if (!cJSON_IsObject(item) ||
		    !number(plugin_body_get(item, "Proto"), UINT8_MAX, &proto) ||
		    !number(plugin_body_get(item, "Port"), UINT16_MAX, &port))
			return err_set(e, -EINVAL, "%s[%zu]: not a port", key, i);
		i++;
		if (port == 0 ||
		    (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_SCTP))
			continue;
		p->v[p->n++] =
			(struct model_port){ .proto = (uint8_t)proto, .port = (uint16_t)port };
	}
	return 0;
}

static int fill_ports(const cJSON *options, struct plugin_endpoint *ep, struct err *e)
{
	struct ports p = { 0 };
	size_t n = 0;
	int r = take_ports(options, option_exposed, &p, e);

	if (r == 0)
		r = take_ports(options, option_portmap, &p, e);
	if (r < 0 || p.n == 0) {
		free(p.v);
		return r;
	}
	qsort(p.v, p.n, sizeof(*p.v), port_order);
	for (size_t i = 0; i < p.n && n < MODEL_EXPOSE_MAX; i++) {
		if (n == 0 || port_order(&p.v[n - 1], &p.v[i]) != 0)
			p.v[n++] = p.v[i];
	}
	ep->expose = mem_grow(p.v, n, sizeof(*p.v));
	ep->n_expose = n;
	return 0;
}

static int fill_interface(const cJSON *j, const cJSON *options, struct plugin_endpoint *ep,
			  struct err *e)
{
	const char *ip4 = NULL, *ip6 = NULL, *mac = NULL;
	const char *mac_field = "Interface.MacAddress";
	const cJSON *iface = NULL;
	int r = plugin_body_map(j, "", "Interface", PLUGIN_OPTIONS_MAX, &iface, e);

	if (r == 0)
		r = plugin_body_text(iface, "Interface", "Address", &ip4, e);
	if (r == 0)
		r = plugin_body_text(iface, "Interface", "AddressIPv6", &ip6, e);
	if (r == 0)
		r = plugin_body_text(iface, "Interface", "MacAddress", &mac, e);
	if (r == 0 && !mac) {
		mac_field = PLUGIN_OPTION_MAC;
		r = plugin_body_value(plugin_body_option(options, PLUGIN_OPTION_MAC), mac_field,
				      &mac, e);
	}
	if (r == 0)
		r = plugin_body_ip(ip4, AF_INET, "Interface.Address", &ep->ip4, e);
	if (r == 0)
		r = plugin_body_ip(ip6, AF_INET6, "Interface.AddressIPv6", &ep->ip6, e);
	return r < 0 ? r : plugin_body_mac(mac, mac_field, &ep->mac, e);
}

static int fill_endpoint(const cJSON *j, struct plugin_endpoint *ep, struct err *e)
{
	const cJSON *options = NULL;
	int r = plugin_body_id(j, "NetworkID", true, &ep->network, e);

	if (r == 0)
		r = plugin_body_id(j, "EndpointID", true, &ep->id, e);
	if (r == 0)
		r = plugin_body_map(j, "", "Options", PLUGIN_OPTIONS_MAX, &options, e);
	if (r == 0)
		r = fill_interface(j, options, ep, e);
	if (r == 0)
		r = plugin_body_pairs(options, "Options", false, PLUGIN_OPTION_MAC, &ep->options,
				      e);
	return r < 0 ? r : fill_ports(options, ep, e);
}

int plugin_endpoint_decode(const char *body, size_t len, struct plugin_endpoint *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct plugin_endpoint ep = { 0 };
	int r = plugin_body_open(body, len, &j, e);

	if (r == 0)
		r = fill_endpoint(j, &ep, e);
	if (r < 0)
		plugin_endpoint_done(&ep);
	else
		*ret = ep;
	return r;
}

void plugin_endpoint_done(struct plugin_endpoint *ep)
{
	free(ep->network);
	free(ep->id);
	free(ep->expose);
	kv_pairs_done(&ep->options);
	*ep = (struct plugin_endpoint){ 0 };
}

/* ---- joins ---- */

int plugin_join_decode(const char *body, size_t len, struct plugin_join *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct plugin_join join = { 0 };
	const char *sandbox = NULL;
	int r = plugin_body_open(body, len, &j, e);

	if (r == 0)
		r = plugin_body_id(j, "NetworkID", true, &join.network, e);
	if (r == 0)
		r = plugin_body_id(j, "EndpointID", true, &join.endpoint, e);
	if (r == 0)
		r = plugin_body_text(j, "", "SandboxKey", &sandbox, e);
	if (r < 0) {
		plugin_join_done(&join);
		return r;
	}
	join.sandbox = mem_strdup(sandbox ? sandbox : "");
	*ret = join;
	return 0;
}

void plugin_join_done(struct plugin_join *j)
{
	free(j->network);
	free(j->endpoint);
	free(j->sandbox);
	*j = (struct plugin_join){ 0 };
}
