/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Docker, as the API shows it: which of its networks are the cluster's, and what the plugin has done. */
#include "agent/api/view.h"

#include "agent/docker/docker.h"
#include "base/json.h"

void view_put_docker(cJSON *j, const struct api_context *ctx, const struct model_network *net)
{
	struct mirror_network *mn = mirror_network(ctx->mirror, net->id);
	struct mirror_binding *b, *next;
	char text[ID_SHORT_MAX];
	cJSON *list;

	if (model_network_is_local(net))
		return;
	list = cJSON_AddArrayToObject(j, "DockerBindings");
	if (mn) {
		HASH_ITER(hh, mn->bindings, b, next) {
			cJSON *o = cJSON_CreateObject();

			json_put_str(o, "Node", view_node_name(ctx, b->node, text));
			json_put_str(o, "Id", b->rec->docker);
			cJSON_AddItemToArray(list, o);
		}
	}
	if (docker_left(ctx->docker, net->id))
		json_put_bool(j, "Left", true);
	if (net->state == MODEL_NETWORK_PENDING)
		json_put_bool(j, "Pending", true);
}

void view_info_docker(const struct api_context *ctx, cJSON *j)
{
	cJSON *o = cJSON_AddObjectToObject(j, "Docker");
	struct docker_state s;

	docker_state(ctx->docker, &s);
	json_put_bool(o, "On", ctx->docker != NULL);
	if (!ctx->docker)
		return;
	json_put_bool(o, "Serving", s.serving);
	json_put_str(o, "Plugin", ctx->config->docker_plugin);
	json_put_str(o, "Api", ctx->config->docker_api ? ctx->config->docker_api : "");
	json_put_bool(o, "Connected", s.connected);
	json_put_str(o, "Version", s.version);
	json_put_bool(o, "Swarm", s.swarm);
	json_put_str(o, "Problem", s.problem);
	json_put_u64(o, "Networks", s.networks);
	json_put_u64(o, "Strange", s.strange);
	json_put_u64(o, "Calls", s.plugin.calls);
	json_put_u64(o, "Errors", s.plugin.errors);
	json_put_u64(o, "Late", s.plugin.late);
	json_put_u64(o, "SlowestMs", s.plugin.slowest_ms);
}
