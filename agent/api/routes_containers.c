/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/routes_containers.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "agent/api/body_run.h"
#include "agent/api/call.h"
#include "agent/api/context.h"
#include "agent/api/view.h"
#include "agent/containers.h"
#include "agent/target.h"
#include "base/buf.h"

static struct containers *containers_of(void *user)
{
	return ((struct api_context *)user)->containers;
}

/* A whole number in the query. Return: false when a reply was made. */
static bool query_number(struct api_call *call, const char *name, uint64_t max, uint64_t *ret)
{
	const char *text = api_call_query(call, name);
	uint64_t v = 0;

	if (!text)
		return true;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || (v = v * 10 + (uint64_t)(*p - '0')) > max) {
			api_reply_fail(call, -EINVAL, "%s: not a number from 0 to %llu", name,
				       (unsigned long long)max);
			return false;
		}
	}
	*ret = v;
	return true;
}

/* ---- as JSON ---- */

static const char *const state_names[] = {
	[CONTAINER_CREATED] = "created",
	[CONTAINER_RUNNING] = "running",
	[CONTAINER_ENDING] = "removing",
};

struct joining {
	const struct api_context *ctx;
	const struct container *c;
	cJSON *networks, *ports;
};

/* Docker shows none for an overlay: what leads out of it is the egress bridge's. */
static struct ip gateway(const struct model_network *net, int family)
{
	struct ip none = { 0 };

	if (!net || net->internal || !model_network_is_local(net))
		return none;
	return model_network_gateway(net, family);
}

static void put_endpoint(void *user, const struct local_endpoint *ep)
{
	struct joining *jn = user;
	const struct model_network *net;
	const struct model_subnet *subnet = NULL;
	char id[ID_TEXT_MAX], mac[MAC_TEXT_MAX], ip[IP_TEXT_MAX];
	cJSON *j;

	if (ep->state == LOCAL_RELEASING || !target_match(&ep->target, &jn->c->target))
		return;
	net = network_get(jn->ctx->networks, ep->network);
	id_format(ep->network, id);
	j = cJSON_AddObjectToObject(jn->networks, net ? net->name : id);
	json_put_str(j, "NetworkID", id);
	json_put_str(j, "EndpointID", id_format(ep->id, id));
	json_put_str(j, "MacAddress", mac_format(ep->mac, mac));
	json_put_str(j, "IPAddress", ip_format(ep->ip4, ip));
	if (net)
		subnet = model_network_subnet_of(net, ep->ip4);
	json_put_u64(j, "IPPrefixLen", subnet ? subnet->subnet.len : 0);
	json_put_str(j, "Gateway", ip_format(gateway(net, AF_INET), ip));
	json_put_str(j, "GlobalIPv6Address", ip_format(ep->ip6, ip));
	subnet = net ? model_network_subnet_of(net, ep->ip6) : NULL;
	json_put_u64(j, "GlobalIPv6PrefixLen", subnet ? subnet->subnet.len : 0);
	json_put_str(j, "IPv6Gateway", ip_format(gateway(net, AF_INET6), ip));
	cJSON_AddNumberToObject(j, "GwPriority", ep->gw_priority);
	json_put_str(j, "IfName", ep->ifname ? ep->ifname : "");
	json_put_strv(j, "Aliases", &ep->aliases);
	view_put_names(j, NULL, ep);
	view_put_ports(jn->ports, ep->publish, ep->n_publish);
}

static char *command_line(const struct strv *command)
{
	struct buf line = { 0 };

	buf_init(&line, RUN_COMMAND_SHOWN_MAX * 2);
	for (size_t i = 0; i < command->n; i++) {
		if (buf_printf(&line, "%s%s", i ? " " : "", command->v[i]) < 0)
			break;
	}
	return buf_take(&line);
}

static void put_etc_paths(cJSON *j, const struct api_context *ctx, const struct container *c)
{
	_cleanup_free_ char *dir = containers_etc_dir(ctx->containers, c);
	_cleanup_free_ char *resolv_conf = dir ? mem_printf("%s/resolv.conf", dir) : NULL;
	_cleanup_free_ char *hosts = dir ? mem_printf("%s/hosts", dir) : NULL;

	json_put_str(j, "ResolvConfPath", resolv_conf ? resolv_conf : "");
	json_put_str(j, "HostsPath", hosts ? hosts : "");
}

static cJSON *container_json(const struct api_context *ctx, const struct container *c)
{
	_cleanup_free_ char *line = command_line(&c->command);
	struct joining jn = { .ctx = ctx, .c = c };
	cJSON *j = cJSON_CreateObject(), *settings;

	json_put_str(j, "Name", c->name);
	json_put_str(j, "State", state_names[c->state]);
	json_put_str(j, "Created", c->created);
	json_put_str(j, "Command", line);
	json_put_strv(j, "Args", &c->command);
	json_put_u64(j, "Pid", (uint64_t)c->command_pid);
	json_put_u64(j, "SupervisorPid", (uint64_t)c->target.pid);
	json_put_u64(j, "SupervisorStart", c->target.pid_start);
	json_put_str(j, "LogPath", c->log_path);
	put_etc_paths(j, ctx, c);
	json_put_str(j, "NetworkMode", c->mode ? c->mode : "");
	settings = cJSON_AddObjectToObject(j, "NetworkSettings");
	jn.ports = cJSON_AddObjectToObject(settings, "Ports");
	jn.networks = cJSON_AddObjectToObject(settings, "Networks");
	endpoint_each(ctx->endpoints, put_endpoint, &jn);
	return j;
}

/* ---- for supervisors ---- */

static void post_create(struct api_call *call, void *user)
{
	const struct container *c = NULL;
	struct run_create req = { 0 };
	struct err e = { 0 };
	int r = run_create_decode(api_call_body(call), &req, &e);
	cJSON *j;

	if (r == 0)
		r = container_create(containers_of(user), &req, &c, &e);
	run_create_done(&req);
	if (r < 0 || !c) {
		api_reply_err(call, r, &e);
		return;
	}
	j = cJSON_CreateObject();
	json_put_str(j, "Name", c->name);
	json_put_str(j, "LogPath", c->log_path);
	put_etc_paths(j, user, c);
	api_reply_json(call, 201, j);
}

static void post_started(struct api_call *call, void *user)
{
	uint64_t pid = 0;
	struct err e = { 0 };
	int r = json_get_u64(api_call_body(call), "CommandPid", 1, INT_MAX, &pid, &e);

	if (r == 0 && pid == 0)
		r = err_set(&e, -EINVAL, "CommandPid: missing");
	if (r == 0)
		r = container_started(containers_of(user), api_call_param(call, "name"),
				      (int64_t)pid, &e);
	if (r < 0)
		api_reply_err(call, r, &e);
	else
		api_reply_empty(call);
}

static void reply_gone(void *user, int status, int code, int signal)
{
	(void)code;
	(void)signal;
	if (status < 0)
		api_reply_fail(user, status, "ovld is stopping");
	else
		api_reply_empty(user);
}

static void delete_container(struct api_call *call, void *user)
{
	uint64_t code = 0, signal = 0;
	struct err e = { 0 };
	int r;

	if (!query_number(call, "exit", 255, &code) || !query_number(call, "signal", 64, &signal))
		return;
	r = container_ended(containers_of(user), api_call_param(call, "name"), (int)code,
			    (int)signal, reply_gone, call, &e);
	if (r < 0)
		api_reply_err(call, r, &e);
}

/* ---- for users ---- */

struct listing {
	const struct api_context *ctx;
	cJSON *list;
};

static void put_container(void *user, const struct container *c)
{
	struct listing *l = user;

	cJSON_AddItemToArray(l->list, container_json(l->ctx, c));
}

static void get_list(struct api_call *call, void *user)
{
	struct listing l = { .ctx = user, .list = cJSON_CreateArray() };

	containers_each(containers_of(user), put_container, &l);
	api_reply_json(call, 200, l.list);
}

static void get_one(struct api_call *call, void *user)
{
	const char *name = api_call_param(call, "name");
	const struct container *c = containers_get(containers_of(user), name);

	if (c)
		api_reply_json(call, 200, container_json(user, c));
	else
		api_reply_fail(call, -ENOENT, "container %s not found", name);
}

/* Logs outlive their containers for a while. */
static void get_log(struct api_call *call, void *user)
{
	const char *name = api_call_param(call, "name");
	_cleanup_free_ char *path = containers_log_path(containers_of(user), name);
	const struct container *c = containers_get(containers_of(user), name);
	cJSON *j;

	if (!c && (model_name_check("container name", name, NULL) < 0 || access(path, F_OK) < 0)) {
		api_reply_fail(call, -ENOENT, "container %s not found, nor a log of it", name);
		return;
	}
	j = cJSON_CreateObject();
	json_put_str(j, "LogPath", c ? c->log_path : path);
	json_put_bool(j, "Running", c != NULL);
	if (c) {
		json_put_u64(j, "SupervisorPid", (uint64_t)c->target.pid);
		json_put_u64(j, "SupervisorStart", c->target.pid_start);
	}
	api_reply_json(call, 200, j);
}

static void post_stop(struct api_call *call, void *user)
{
	uint64_t seconds = CONTAINERS_STOP_MS / 1000;
	struct err e = { 0 };
	int r;

	if (!query_number(call, "t", RUN_STOP_SECONDS_MAX, &seconds))
		return;
	r = container_stop(containers_of(user), api_call_param(call, "name"), seconds * 1000,
			   reply_gone, call, &e);
	if (r < 0)
		api_reply_err(call, r, &e);
}

static void post_kill(struct api_call *call, void *user)
{
	const char *text = api_call_query(call, "signal");
	struct err e = { 0 };
	int signo = 0, r = run_signal_parse(text ? text : "KILL", &signo, &e);

	if (r == 0)
		r = container_kill(containers_of(user), api_call_param(call, "name"), signo, &e);
	if (r < 0)
		api_reply_err(call, r, &e);
	else
		api_reply_empty(call);
}

static void reply_waited(void *user, int status, int code, int signal)
{
	cJSON *j;

	if (status < 0) {
		api_reply_fail(user, status, "ovld is stopping");
		return;
	}
	j = cJSON_CreateObject();
	json_put_u64(j, "StatusCode", (uint64_t)run_exit_status(code, signal));
	api_reply_json(user, 200, j);
}

static void get_wait(struct api_call *call, void *user)
{
	struct err e = { 0 };
	int r = container_wait(containers_of(user), api_call_param(call, "name"), reply_waited,
			       call, &e);

	if (r < 0)
		api_reply_err(call, r, &e);
}

static const struct api_route routes[] = {
	{ "POST", "/containers/create", API_BODY_REQUIRED, post_create },
	{ "POST", "/containers/{name}/started", API_BODY_REQUIRED, post_started },
	{ "DELETE", "/containers/{name}", API_BODY_NONE, delete_container },
	{ "GET", "/containers/json", API_BODY_NONE, get_list },
	{ "GET", "/containers/{name}/json", API_BODY_NONE, get_one },
	{ "GET", "/containers/{name}/log", API_BODY_NONE, get_log },
	{ "GET", "/containers/{name}/wait", API_BODY_NONE, get_wait },
	{ "POST", "/containers/{name}/stop", API_BODY_OPTIONAL, post_stop },
	{ "POST", "/containers/{name}/kill", API_BODY_OPTIONAL, post_kill },
};
const struct api_table routes_containers = { routes, ARRAY_SIZE(routes) };
