/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of `info` about this host alone: its own networks, the way out, published ports, and what is in conflict (view.h). */
#include "agent/api/view.h"

#include <string.h>

#include "agent/publish.h"
#include "agent/surroundings.h"
#include "base/json.h"
#include "base/mem.h"
#include "overlay/state.h"

#define CONFLICTS_SHOWN_MAX 64

struct host_info {
	const struct api_context *ctx;
	cJSON *info, *conflicts;
	uint64_t n_local, n_ports;
};

static void put_egress(cJSON *j, const struct model_network *net)
{
	cJSON *o = cJSON_AddObjectToObject(j, "Egress");
	cJSON *subnets = cJSON_AddArrayToObject(o, "Subnets");
	char text[PREFIX_TEXT_MAX];

	json_put_str(o, "Network", net->name);
	json_put_str(o, "Interface", STATE_EGRESS_HOST);
	for (size_t i = 0; i < net->n_subnets; i++)
		cJSON_AddItemToArray(
			subnets, cJSON_CreateString(prefix_format(net->subnets[i].subnet, text)));
}

/* ---- conflicts: a network of the cluster, made elsewhere, that is in the way of one of this node ---- */

static const struct model_subnet *overlap(const struct model_network *a,
					  const struct model_network *b)
{
	for (size_t i = 0; i < a->n_subnets; i++) {
		for (size_t k = 0; k < b->n_subnets; k++) {
			if (prefix_overlaps(a->subnets[i].subnet, b->subnets[k].subnet))
				return &b->subnets[k];
		}
	}
	return NULL;
}

static void add_conflict(struct host_info *h, const struct model_network *own,
			 const struct model_network *other, const char *subnet)
{
	cJSON *o = cJSON_CreateObject();
	char id[ID_TEXT_MAX];

	json_put_str(o, "Network", own->name);
	json_put_str(o, "NetworkId", id_format(own->id, id));
	json_put_str(o, "Other", other->name);
	json_put_str(o, "OtherId", id_format(other->id, id));
	json_put_bool(o, "SameName", strcmp(own->name, other->name) == 0);
	json_put_str_opt(o, "Subnet", subnet);
	cJSON_AddItemToArray(h->conflicts, o);
}

static void compare(struct host_info *h, const struct model_network *own)
{
	struct mirror_network *net, *tmp;

	HASH_ITER(hh, mirror_networks(h->ctx->mirror), net, tmp) {
		const struct model_subnet *subnet;
		char text[PREFIX_TEXT_MAX];

		if (!net->rec || model_network_is_local(net->rec))
			continue;
		if (cJSON_GetArraySize(h->conflicts) == CONFLICTS_SHOWN_MAX)
			return;
		subnet = overlap(own, net->rec);
		if (subnet || strcmp(own->name, net->rec->name) == 0)
			add_conflict(h, own, net->rec,
				     subnet ? prefix_format(subnet->subnet, text) : NULL);
	}
}

static void look_network(void *user, const struct model_network *net)
{
	struct host_info *h = user;

	if (!model_network_is_local(net))
		return;
	h->n_local++;
	if (strcmp(net->driver, "egress") == 0)
		put_egress(h->info, net);
	compare(h, net);
}

static void count_ports(void *user, const struct local_endpoint *ep)
{
	struct host_info *h = user;

	if (ep->state != LOCAL_RELEASING)
		h->n_ports += ep->n_publish;
}

static void put_published(cJSON *j, const struct host_info *h)
{
	cJSON *o = cJSON_AddObjectToObject(j, "Published");
	struct publish_stats st = { 0 };

	if (h->ctx->publishes)
		publishes_stats(h->ctx->publishes, &st);
	json_put_u64(o, "Ports", h->n_ports);
	json_put_u64(o, "TcpRelays", st.tcp_relays);
	json_put_u64(o, "UdpRelays", st.udp_relays);
	json_put_u64(o, "Relayed", st.relayed);
	json_put_u64(o, "Refused", st.refused);
}

/* ---- surroundings: what of this host is not ours, but in our way ---- */

static void put_switched(cJSON *j, const struct api_context *ctx)
{
	static const char *const names[] = { "net.ipv4.ip_forward",
					     "net.ipv6.conf.all.forwarding" };
	cJSON *list = cJSON_AddArrayToObject(j, "SwitchedOn");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *key = mem_printf("sysctl:%s", names[i]);
		_cleanup_free_ char *was = NULL;

		if (local_get(ctx->local, key, &was) == 0 && strcmp(was, "0") == 0)
			cJSON_AddItemToArray(list, cJSON_CreateString(names[i]));
	}
}

static void put_surroundings(cJSON *j, const struct api_context *ctx)
{
	const struct coexist_finding *v = NULL;
	cJSON *o, *list;
	size_t n;

	if (!ctx->surroundings)
		return;
	o = cJSON_AddObjectToObject(j, "Surroundings");
	json_put_str(o, "Firewalld", surroundings_firewalld(ctx->surroundings));
	list = cJSON_AddArrayToObject(o, "Findings");
	n = surroundings_findings(ctx->surroundings, &v);
	for (size_t i = 0; i < n; i++) {
		cJSON *item = cJSON_CreateObject();

		json_put_str(item, "Level", v[i].level == COEXIST_PROBLEM ? "problem" : "note");
		json_put_str(item, "What", v[i].what);
		json_put_str_opt(item, "Cure", v[i].cure);
		cJSON_AddItemToArray(list, item);
	}
}

void view_info_host(const struct api_context *ctx, cJSON *j)
{
	struct host_info h = { .ctx = ctx, .info = j, .conflicts = cJSON_CreateArray() };

	network_each(ctx->networks, look_network, &h);
	endpoint_each(ctx->endpoints, count_ports, &h);
	json_put_u64(j, "LocalNetworks", h.n_local);
	put_published(j, &h);
	put_switched(j, ctx);
	put_surroundings(j, ctx);
	cJSON_AddItemToObject(j, "Conflicts", h.conflicts);
}
