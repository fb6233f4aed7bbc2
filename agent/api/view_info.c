/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of this node and of its cluster (view.h); what is around it on the host: view_info_host.c. */
#include "agent/api/view.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "overlay/kernel_linux.h"

#define ETCD_ENDPOINTS_SHOWN_MAX 64

static void put_id(cJSON *j, const char *key, struct id id)
{
	char text[ID_TEXT_MAX];

	json_put_str(j, key, id_format(id, text));
}

static void put_node(cJSON *j, const struct api_context *ctx)
{
	cJSON *o = cJSON_AddObjectToObject(j, "Node");

	put_id(o, "Id", node_id(ctx->node));
	json_put_str(o, "Name", ctx->config->name);
	json_put_ip_opt(o, "Vtep", node_vtep(ctx->node));
	json_put_u64(o, "Mtu", node_mtu(ctx->node));
}

static void put_etcd(cJSON *j, const struct api_context *ctx)
{
	struct kv_health health[ETCD_ENDPOINTS_SHOWN_MAX];
	cJSON *list = cJSON_AddArrayToObject(j, "Etcd");
	size_t n = ctx->kv ? kv_health(ctx->kv, health, ETCD_ENDPOINTS_SHOWN_MAX) : 0;

	for (size_t i = 0; i < n && i < ETCD_ENDPOINTS_SHOWN_MAX; i++) {
		cJSON *o = cJSON_CreateObject();

		json_put_str(o, "Endpoint", health[i].endpoint);
		json_put_bool(o, "Up", health[i].up);
		json_put_str_opt(o, "Error", health[i].last_error);
		cJSON_AddItemToArray(list, o);
	}
}

static const char *state_word(enum mirror_state s)
{
	switch (s) {
	case MIRROR_EMPTY:
		return "empty";
	case MIRROR_SNAPSHOT:
		return "snapshot";
	case MIRROR_SYNCED:
		return "synced";
	case MIRROR_FROZEN:
		return "frozen";
	}
	return "unknown";
}

static void put_record(cJSON *j, const struct model_cluster *c)
{
	if (!c)
		return;
	put_id(j, "Id", c->id);
	json_put_u64(j, "Epoch", c->epoch);
}

static void put_cluster(cJSON *j, const struct api_context *ctx)
{
	cJSON *o = cJSON_AddObjectToObject(j, "Cluster"), *found;
	enum mirror_state s = mirror_get_state(ctx->mirror);

	json_put_str(o, "State", ctx->kv ? state_word(s) : "standalone");
	json_put_bool(o, "Link", ctx->kv && mirror_link_up(ctx->mirror));
	json_put_u64(o, "Revision", (uint64_t)mirror_revision(ctx->mirror));
	put_record(o, mirror_cluster(ctx->mirror));
	if (s != MIRROR_FROZEN)
		return;
	/* What etcd holds instead; empty: nothing. */
	found = cJSON_AddObjectToObject(o, "Found");
	put_record(found, mirror_cluster_found(ctx->mirror));
}

static void put_counts(cJSON *j, const struct api_context *ctx)
{
	struct mirror_network *net, *next_net;
	struct mirror_node *node, *next_node;
	uint64_t networks = 0, endpoints = 0, nodes = 0, up = 0;

	HASH_ITER(hh, mirror_networks(ctx->mirror), net, next_net) {
		networks += net->rec != NULL;
		endpoints += net->n_endpoints;
	}
	HASH_ITER(hh, mirror_nodes(ctx->mirror), node, next_node) {
		nodes += node->rec != NULL;
		up += node->rec && node->alive;
	}
	json_put_u64(j, "Nodes", nodes);
	json_put_u64(j, "NodesUp", up);
	json_put_u64(j, "Networks", networks);
	json_put_u64(j, "Endpoints", endpoints);
	json_put_u64(j, "LocalEndpoints", endpoint_count(ctx->endpoints));
}

static void put_reconcile(cJSON *j, const struct api_context *ctx)
{
	cJSON *o = cJSON_AddObjectToObject(j, "Reconcile");
	struct reconcile_stats st = { 0 };

	reconcile_stats(ctx->reconcile, &st);
	json_put_bool(o, "Ready", reconcile_ready(ctx->reconcile));
	json_put_u64(o, "Passes", st.passes);
	json_put_u64(o, "Audits", st.audits);
	json_put_u64(o, "Writes", st.writes);
	json_put_u64(o, "DriftRepaired", st.drift_repaired);
	json_put_u64(o, "Failures", st.failures);
	json_put_u64(o, "Dirty", st.nets_dirty);
	json_put_u64(o, "BackingOff", st.nets_backing_off);
	json_put_str(o, "LastError", st.last_error);
}

cJSON *view_info(const struct api_context *ctx)
{
	cJSON *j = cJSON_CreateObject();
	uint64_t dropped;

	json_put_str(j, "Version", ctx->version);
	put_node(j, ctx);
	put_etcd(j, ctx);
	put_cluster(j, ctx);
	put_counts(j, ctx);
	put_reconcile(j, ctx);
	if (kernel_linux_dropped(ctx->kernel, &dropped) == 0)
		json_put_u64(j, "ForeignVxlanDropped", dropped);
	view_info_host(ctx, j);
	view_info_dns(ctx, j);
	view_info_docker(ctx, j);
	json_put_str(j, "LogLevel", log_level_name(log_get_level()));
	json_put_str(j, "OverlayNetns", ctx->config->overlay_netns);
	json_put_str(j, "StateDir", ctx->config->state_dir);
	return j;
}
