/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/view.h"

#include <stdio.h>
#include <string.h>

#include "agent/containers.h"
#include "base/json.h"
#include "base/mem.h"

static void put_id(cJSON *j, const char *key, struct id id)
{
	char text[ID_TEXT_MAX];

	json_put_str(j, key, id_format(id, text));
}

/* "10.0.0.2/24", "" where there is no address; the length from the network's subnet, full where that is not known. */
static void put_address(cJSON *j, const char *key, const struct model_network *net, struct ip ip)
{
	const struct model_subnet *sub = net ? model_network_subnet_of(net, ip) : NULL;
	struct prefix p = { .ip = ip, .len = (uint8_t)(sub ? sub->subnet.len : ip_bits(ip)) };
	char text[PREFIX_TEXT_MAX];

	json_put_str(j, key, ip_is_set(ip) ? prefix_format(p, text) : "");
}

const char *view_node_name(const struct api_context *ctx, struct id node, char buf[ID_SHORT_MAX])
{
	const struct mirror_node *n = mirror_node(ctx->mirror, node);

	if (n && n->rec)
		return n->rec->name;
	if (id_eq(node, node_id(ctx->node)) && ctx->config->name)
		return ctx->config->name;
	return id_short(node, buf);
}

/* ---- networks ---- */

static void put_ipam(cJSON *j, const struct model_network *rec)
{
	cJSON *ipam = cJSON_AddObjectToObject(j, "IPAM"), *config;
	char text[IP_TEXT_MAX];

	json_put_str(ipam, "Driver", "default");
	cJSON_AddNullToObject(ipam, "Options");
	config = cJSON_AddArrayToObject(ipam, "Config");
	for (size_t i = 0; i < rec->n_subnets; i++) {
		const struct model_subnet *s = &rec->subnets[i];
		cJSON *item = cJSON_CreateObject();

		json_put_prefix_opt(item, "Subnet", s->subnet);
		json_put_prefix_opt(item, "IPRange", s->ip_range);
		json_put_ip_opt(item, "Gateway", s->gateway);
		if (s->n_aux > 0) {
			cJSON *aux = cJSON_AddObjectToObject(item, "AuxiliaryAddresses");

			for (size_t k = 0; k < s->n_aux; k++)
				json_put_str(aux, s->aux[k].name, ip_format(s->aux[k].ip, text));
		}
		cJSON_AddItemToArray(config, item);
	}
}

/* Names already used as keys of Containers; two endpoints of one name would hide each other in JSON. */
struct seen {
	char *key;
	UT_hash_handle hh;
};

static bool seen_add(struct seen **head, const char *key)
{
	struct seen *s;

	HASH_FIND_STR(*head, key, s);
	if (s)
		return false;
	s = mem_alloc(sizeof(*s));
	s->key = mem_strdup(key);
	HASH_ADD_KEYPTR(hh, *head, s->key, strlen(s->key), s);
	return true;
}

struct containers_of {
	const struct api_context *ctx;
	const struct model_network *net;
	cJSON *to;
	struct seen *seen;
};

static void put_container(struct containers_of *c, const struct model_endpoint *rec,
			  const struct local_endpoint *local)
{
	struct id id = rec ? rec->id : local->id;
	const char *key = local && local->container_id ? local->container_id :
			  rec			       ? rec->sandbox :
							 local->sandbox;
	char text[ID_TEXT_MAX], short_id[ID_SHORT_MAX];
	cJSON *j = cJSON_CreateObject();

	id_format(id, text);
	if (!key || !*key || !seen_add(&c->seen, key))
		key = text;
	json_put_str(j, "Name", rec ? rec->name : local->name);
	json_put_str(j, "EndpointID", text);
	json_put_mac(j, "MacAddress", rec ? rec->mac : local->mac);
	put_address(j, "IPv4Address", c->net, rec ? rec->ip4 : local->ip4);
	put_address(j, "IPv6Address", c->net, rec ? rec->ip6 : local->ip6);
	json_put_str(j, "Node",
		     view_node_name(c->ctx, rec ? rec->node : node_id(c->ctx->node), short_id));
	cJSON_AddItemToObject(c->to, key, j);
}

/* Local ones that the cluster does not show: it was wiped, or the claim is just being made. */
static void put_local_only(void *user, const struct local_endpoint *local)
{
	struct containers_of *c = user;

	if (!id_eq(local->network, c->net->id))
		return;
	if (local->state != LOCAL_BOUND && local->state != LOCAL_CONFLICT)
		return;
	if (!mirror_endpoint(c->ctx->mirror, local->network, local->id))
		put_container(c, NULL, local);
}

/* Containers of `ovlctl run` on the networks host and none have no endpoints; shown as Docker shows its own. */
static void put_by_mode(void *user, const struct container *c)
{
	static const char *const empty[] = { "EndpointID", "MacAddress", "IPv4Address",
					     "IPv6Address" };
	struct containers_of *co = user;
	char short_id[ID_SHORT_MAX];
	cJSON *j;

	if (!c->mode || strcmp(c->mode, co->net->name) != 0)
		return;
	j = cJSON_AddObjectToObject(co->to, c->name);
	json_put_str(j, "Name", c->name);
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++)
		json_put_str(j, empty[i], "");
	json_put_str(j, "Node", view_node_name(co->ctx, node_id(co->ctx->node), short_id));
}

static void put_containers(cJSON *j, const struct api_context *ctx, const struct model_network *net)
{
	const struct mirror_network *mn = mirror_network(ctx->mirror, net->id);
	struct containers_of c = { .ctx = ctx, .net = net };
	struct mirror_endpoint *ep, *tmp;
	struct seen *s, *next;

	c.to = cJSON_AddObjectToObject(j, "Containers");
	if (mn) {
		HASH_ITER(hh, mn->endpoints, ep, tmp)
			put_container(&c, ep->rec, endpoint_get(ctx->endpoints, ep->rec->id));
	}
	endpoint_each(ctx->endpoints, put_local_only, &c);
	if (strcmp(net->driver, "host") == 0 || strcmp(net->driver, "null") == 0)
		containers_each(ctx->containers, put_by_mode, &c);
	/* The elements outlive the table: clang-tidy takes uthash's delete-while-iterating for a use after free. */
	s = c.seen;
	HASH_CLEAR(hh, c.seen);
	for (; s; s = next) {
		next = s->hh.next;
		free(s->key);
		free(s);
	}
}

struct count {
	struct id network;
	size_t n;
};

static void count_one(void *user, const struct local_endpoint *local)
{
	struct count *c = user;

	c->n += id_eq(local->network, c->network);
}

size_t view_count_endpoints(const struct api_context *ctx, const struct model_network *net)
{
	const struct mirror_network *mn = mirror_network(ctx->mirror, net->id);
	struct count c = { .network = net->id };

	if (!model_network_is_local(net))
		return mn ? mn->n_endpoints : 0;
	endpoint_each(ctx->endpoints, count_one, &c);
	return c.n;
}

bool view_is_builtin(const struct model_network *net)
{
	static const char *const names[] = { "bridge", "host", "none" };

	if (!model_network_is_local(net))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(net->name, names[i]) == 0)
			return true;
	}
	return strcmp(net->driver, "egress") == 0;
}

cJSON *view_network(const struct api_context *ctx, const struct model_network *rec, bool containers)
{
	cJSON *j = cJSON_CreateObject(), *from;

	json_put_str(j, "Name", rec->name);
	put_id(j, "Id", rec->id);
	json_put_str(j, "Created", rec->created);
	json_put_str(j, "Scope", model_network_is_local(rec) ? "local" : "global");
	json_put_str(j, "Driver", rec->driver);
	json_put_bool(j, "EnableIPv6", rec->ipv6);
	put_ipam(j, rec);
	json_put_bool(j, "Internal", rec->internal);
	json_put_bool(j, "Attachable", true);
	json_put_bool(j, "Ingress", false);
	from = cJSON_AddObjectToObject(j, "ConfigFrom");
	json_put_str(from, "Network", "");
	json_put_bool(j, "ConfigOnly", false);
	if (containers)
		put_containers(j, ctx, rec);
	else
		cJSON_AddObjectToObject(j, "Containers");
	view_put_options(j, rec);
	json_put_pairs(j, "Labels", &rec->labels);
	view_put_docker(j, ctx, rec);
	return j;
}

/* ---- endpoints ---- */

static const char *state_word(const struct local_endpoint *local)
{
	if (!local)
		return "bound";
	if (local->lost)
		return "lost";
	switch (local->state) {
	case LOCAL_INTENDED:
		return "pending";
	case LOCAL_BOUND:
		return "bound";
	case LOCAL_RELEASING:
		return "releasing";
	case LOCAL_CONFLICT:
		return "conflict";
	}
	return "unknown";
}

/* What the cluster's record has, or this node's memory of it. */
static void put_ports(cJSON *j, const struct model_endpoint *rec,
		      const struct local_endpoint *local)
{
	const struct model_publish *v = local ? local->publish : rec->publish;
	size_t n = local ? local->n_publish : rec->n_publish;

	cJSON_AddItemToObject(j, "Publish", view_publish(v, n));
	view_put_ports(cJSON_AddObjectToObject(j, "Ports"), v, n);
}

cJSON *view_endpoint(const struct api_context *ctx, const struct model_endpoint *rec,
		     const struct local_endpoint *local)
{
	struct id network = rec ? rec->network : local->network;
	struct id node = rec ? rec->node : node_id(ctx->node);
	const struct model_network *net = network_get(ctx->networks, network);
	cJSON *j = cJSON_CreateObject();
	char text[ID_SHORT_MAX];

	put_id(j, "Id", rec ? rec->id : local->id);
	json_put_str(j, "Name", rec ? rec->name : local->name);
	put_id(j, "NetworkId", network);
	json_put_str(j, "Network", net ? net->name : id_short(network, text));
	put_id(j, "NodeId", node);
	json_put_str(j, "Node", view_node_name(ctx, node, text));
	json_put_str(j, "Sandbox", rec ? rec->sandbox : local->sandbox);
	json_put_strv(j, "Aliases", rec ? &rec->aliases : &local->aliases);
	view_put_names(j, rec, local);
	json_put_mac(j, "MacAddress", rec ? rec->mac : local->mac);
	put_address(j, "IPv4Address", net, rec ? rec->ip4 : local->ip4);
	put_address(j, "IPv6Address", net, rec ? rec->ip6 : local->ip6);
	put_ports(j, rec, local);
	json_put_str(j, "Created", rec ? rec->created : local->created);
	json_put_str(j, "State", state_word(local));
	json_put_bool(j, "Local", local != NULL);
	if (!local)
		return j;
	json_put_str(j, "IfName", local->ifname);
	json_put_str(j, "Port", local->port);
	json_put_str(j, "Target", local->target.path ? local->target.path : "");
	json_put_str_opt(j, "Engine", local->engine);
	json_put_u64(j, "Pid", (uint64_t)local->target.pid);
	json_put_str_opt(j, "Run", local->run_name);
	cJSON_AddNumberToObject(j, "GwPriority", local->gw_priority);
	return j;
}

struct each_endpoint {
	const struct api_context *ctx;
	void (*fn)(void *user, const struct model_endpoint *rec,
		   const struct local_endpoint *local);
	void *user;
};

static void each_local(void *user, const struct local_endpoint *local)
{
	struct each_endpoint *e = user;

	if (!mirror_endpoint(e->ctx->mirror, local->network, local->id))
		e->fn(e->user, NULL, local);
}

void view_each_endpoint(const struct api_context *ctx,
			void (*fn)(void *user, const struct model_endpoint *rec,
				   const struct local_endpoint *local),
			void *user)
{
	struct each_endpoint e = { .ctx = ctx, .fn = fn, .user = user };
	struct mirror_network *net, *next_net;
	struct mirror_endpoint *ep, *next;

	HASH_ITER(hh, mirror_networks(ctx->mirror), net, next_net) {
		HASH_ITER(hh, net->endpoints, ep, next)
			fn(user, ep->rec, endpoint_get(ctx->endpoints, ep->rec->id));
	}
	endpoint_each(ctx->endpoints, each_local, &e);
}

/* ---- nodes ---- */

cJSON *view_node(const struct api_context *ctx, const struct mirror_node *node)
{
	const struct model_node *rec = node->rec;
	struct mirror_network *net, *next_net;
	struct mirror_endpoint *ep, *next;
	cJSON *j = cJSON_CreateObject();
	uint64_t endpoints = 0;
	char lease[24];

	HASH_ITER(hh, mirror_networks(ctx->mirror), net, next_net) {
		HASH_ITER(hh, net->endpoints, ep, next)
			endpoints += id_eq(ep->rec->node, rec->id);
	}
	put_id(j, "Id", rec->id);
	json_put_str(j, "Name", rec->name);
	json_put_str(j, "State", node->alive ? "up" : "down");
	json_put_bool(j, "Self", id_eq(rec->id, node_id(ctx->node)));
	json_put_ip_opt(j, "Vtep", rec->vtep);
	json_put_u64(j, "Mtu", rec->mtu);
	json_put_u64(j, "Endpoints", endpoints);
	/* As etcdctl writes lease ids. */
	snprintf(lease, sizeof(lease), "%llx", (unsigned long long)rec->address_lease);
	json_put_str(j, "AddressLease", lease);
	json_put_str(j, "BootId", rec->boot_id);
	json_put_str(j, "Version", rec->version);
	json_put_u64(j, "Format", rec->format);
	return j;
}
