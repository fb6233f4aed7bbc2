/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/docker/plugin.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

#include "agent/api/listen.h"
#include "agent/api/server.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#define JSON_TYPE "application/vnd.docker.plugins.v1.2+json"
#define LOG_INTERVAL_MS 1000

struct plugin {
	struct api_server *server;
	struct plugin_backend backend;
	void *user;
	uv_timer_t timer; /* of the first of ->calls */
	struct plugin_call *calls; /* unanswered, in the order they came */
	uint64_t call_ms;
	bool closing;
	struct log_limit limit;
	struct plugin_stats stats;
};
/* Held by the backend until it replies; on the plugin's list until it is answered. */
struct plugin_call {
	struct plugin *plugin; /* while ->api is set */
	struct api_call *api; /* NULL: answered already */
	const char *method;
	uint64_t began_ms;
	struct plugin_call *prev, *next;
};

/* ---- calls ---- */

static void on_timer(uv_timer_t *t);

static void rearm(struct plugin *p)
{
	uint64_t due, now = clock_boot_ms();

	if (!p->calls) {
		uv_timer_stop(&p->timer);
		return;
	}
	due = p->calls->began_ms + p->call_ms;
	uv_timer_start(&p->timer, on_timer, due > now ? due - now : 0, 0);
}

static struct plugin_call *call_new(struct plugin *p, struct api_call *api, const char *method)
{
	struct plugin_call *c = mem_alloc(sizeof(*c));

	c->plugin = p;
	c->api = api;
	c->method = method;
	c->began_ms = clock_boot_ms();
	DL_APPEND(p->calls, c);
	if (p->calls == c)
		rearm(p);
	p->stats.calls++;
	return c;
}

/* Docker hears @j; the call is no longer waited for. */
static void settle(struct plugin_call *c, cJSON *j)
{
	struct plugin *p = c->plugin;
	uint64_t took = clock_boot_ms() - c->began_ms;
	bool first = p->calls == c;

	if (took > p->stats.slowest_ms)
		p->stats.slowest_ms = took;
	DL_DELETE(p->calls, c);
	if (first && !p->closing)
		rearm(p);
	/* Anything but 200 is no answer of the driver to Docker, also for errors. */
	api_reply_json(TAKE_PTR(c->api), 200, j);
}

static void answer_err(struct plugin_call *c, const struct err *e)
{
	struct plugin *p = c->plugin;
	unsigned kept = 0;

	p->stats.errors++;
	if (log_limit_pass(&p->limit, clock_boot_ms(), LOG_INTERVAL_MS, &kept))
		log_warn("docker was refused a call", "method=%s reason=%s suppressed=%u",
			 c->method, LOG_Q(err_text(e)), kept);
	settle(c, plugin_answer_err(e));
}

void plugin_reply(struct plugin_call *c, cJSON *answer)
{
	if (c->api)
		settle(c, answer ? answer : cJSON_CreateObject());
	else
		cJSON_Delete(answer);
	free(c);
}

void plugin_reply_err(struct plugin_call *c, const struct err *e)
{
	if (c->api)
		answer_err(c, e);
	free(c);
}

bool plugin_call_late(const struct plugin_call *c)
{
	return !c->api || api_call_gone(c->api);
}

/* The backend's reply is still to come, and finds nobody. */
static void give_up(struct plugin_call *c)
{
	struct err e = { 0 };

	err_set(&e, -ETIMEDOUT, "ovl: %s took longer than %" PRIu64 " ms", c->method,
		c->plugin->call_ms);
	c->plugin->stats.late++;
	answer_err(c, &e);
}

static void on_timer(uv_timer_t *t)
{
	struct plugin *p = CONTAINER_OF(t, struct plugin, timer);
	uint64_t now = clock_boot_ms();

	while (p->calls && p->calls->began_ms + p->call_ms <= now)
		give_up(p->calls);
	rearm(p);
}

/* ---- constants: they depend on nothing, as one that fails is not asked for again while dockerd lives ---- */

static void constant(struct api_call *api, struct plugin *p, const char *text)
{
	p->stats.calls++;
	api_reply_json(api, 200, cJSON_Parse(text));
}

#define CONSTANT(name, text)                                    \
	static void on_##name(struct api_call *api, void *user) \
	{                                                       \
		constant(api, user, text);                      \
	}

CONSTANT(activate, "{\"Implements\":[\"NetworkDriver\",\"IpamDriver\"]}")
CONSTANT(network_capabilities, "{\"Scope\":\"local\",\"ConnectivityScope\":\"global\"}")
CONSTANT(ipam_capabilities, "{\"RequiresMACAddress\":false,\"RequiresRequestReplay\":false}")
CONSTANT(spaces, "{\"LocalDefaultAddressSpace\":\"" PLUGIN_SPACE_LOCAL
		 "\",\"GlobalDefaultAddressSpace\":\"" PLUGIN_SPACE_GLOBAL "\"}")
CONSTANT(oper_info, "{\"Value\":{}}")
CONSTANT(allocate_network, "{\"Options\":{}}")
CONSTANT(nothing, "{}")

/* ---- methods ---- */

/* Decode, hand over; what cannot be decoded never reaches the backend. @check: an expression on @req and @e. */
#define METHOD(name, title, kind, check)                                           \
	static void on_##name(struct api_call *api, void *user)                    \
	{                                                                          \
		struct plugin *p = user;                                           \
		struct plugin_call *c = call_new(p, api, title);                   \
		struct plugin_##kind req;                                          \
		struct err e = { 0 };                                              \
		size_t len;                                                        \
		const char *body = api_call_raw(api, &len);                        \
		int r = p->closing ? err_set(&e, -ECANCELED, "ovld is stopping") : \
				     plugin_##kind##_decode(body, len, &req, &e);  \
                                                                                   \
		if (r < 0) {                                                       \
			plugin_reply_err(c, &e);                                   \
			return;                                                    \
		}                                                                  \
		if ((check) < 0)                                                   \
			plugin_reply_err(c, &e);                                   \
		else                                                               \
			p->backend.name(p->user, &req, c);                         \
		plugin_##kind##_done(&req);                                        \
	}

static int need_ip(const struct plugin_address *a, struct err *e)
{
	return ip_is_set(a->ip) ? 0 : err_set(e, -EINVAL, "Address: missing");
}

#define OF_NETWORK PLUGIN_REF_NETWORK
#define OF_ENDPOINT (PLUGIN_REF_NETWORK | PLUGIN_REF_ENDPOINT)

METHOD(request_pool, "RequestPool", pool, 0)
METHOD(release_pool, "ReleasePool", ref, plugin_ref_check(&req, PLUGIN_REF_POOL, &e))
METHOD(request_address, "RequestAddress", address, 0)
METHOD(release_address, "ReleaseAddress", address, need_ip(&req, &e))
METHOD(create_network, "CreateNetwork", network, 0)
METHOD(delete_network, "DeleteNetwork", ref, plugin_ref_check(&req, OF_NETWORK, &e))
METHOD(create_endpoint, "CreateEndpoint", endpoint, 0)
METHOD(delete_endpoint, "DeleteEndpoint", ref, plugin_ref_check(&req, OF_ENDPOINT, &e))
METHOD(join, "Join", join, 0)
METHOD(leave, "Leave", ref, plugin_ref_check(&req, OF_ENDPOINT, &e))

#define POST(path, fn)                         \
	{                                      \
		"POST", path, API_BODY_RAW, fn \
	}

static const struct api_route routes[] = {
	POST("/Plugin.Activate", on_activate),
	POST("/NetworkDriver.GetCapabilities", on_network_capabilities),
	POST("/NetworkDriver.CreateNetwork", on_create_network),
	POST("/NetworkDriver.DeleteNetwork", on_delete_network),
	POST("/NetworkDriver.CreateEndpoint", on_create_endpoint),
	POST("/NetworkDriver.DeleteEndpoint", on_delete_endpoint),
	POST("/NetworkDriver.Join", on_join),
	POST("/NetworkDriver.Leave", on_leave),
	POST("/NetworkDriver.EndpointOperInfo", on_oper_info),
	/* No gateway is answered to Join: Docker's own bridge publishes, and there is nothing to do here. */
	POST("/NetworkDriver.ProgramExternalConnectivity", on_nothing),
	POST("/NetworkDriver.RevokeExternalConnectivity", on_nothing),
	POST("/NetworkDriver.DiscoverNew", on_nothing),
	POST("/NetworkDriver.DiscoverDelete", on_nothing),
	POST("/NetworkDriver.AllocateNetwork", on_allocate_network),
	POST("/NetworkDriver.FreeNetwork", on_nothing),
	POST("/IpamDriver.GetCapabilities", on_ipam_capabilities),
	POST("/IpamDriver.GetDefaultAddressSpaces", on_spaces),
	POST("/IpamDriver.RequestPool", on_request_pool),
	POST("/IpamDriver.ReleasePool", on_release_pool),
	POST("/IpamDriver.RequestAddress", on_request_address),
	POST("/IpamDriver.ReleaseAddress", on_release_address),
};

/* ---- life ---- */

static cJSON *refusal(const char *text)
{
	struct err e = { 0 };

	err_set(&e, -EINVAL, "%s", text);
	return plugin_answer_err(&e);
}

/* Parents as dockerd makes them (its exec root is for root alone); it may come later than we do. */
static int make_dirs(const char *path, struct err *e)
{
	_cleanup_free_ char *dir = mem_strdup(path);
	char *last = strrchr(dir, '/');

	if (!last || last == dir)
		return 0;
	*last = '\0';
	for (char *p = dir + 1;; p++) {
		char kept = *p;

		if (kept != '/' && kept != '\0')
			continue;
		*p = '\0';
		if (mkdir(dir, kept ? 0700 : 0755) < 0 && errno != EEXIST)
			return err_set(e, -errno, "cannot make %s: %s", dir, strerror(errno));
		if (!kept)
			return 0;
		*p = kept;
	}
}

int plugin_start(uv_loop_t *loop, const char *path, const struct plugin_backend *b, void *user,
		 struct plugin **ret, struct err *e)
{
	static const struct api_server_manner manner = {
		.json_type = JSON_TYPE,
		.refusal = refusal,
		.patient = true,
		.listen = LISTEN_ROOT,
	};
	static const struct api_table table = { routes, ARRAY_SIZE(routes) };
	struct plugin *p;
	int r = make_dirs(path, e);

	if (r < 0)
		return r;
	p = mem_alloc(sizeof(*p));
	p->backend = *b;
	p->user = user;
	p->call_ms = PLUGIN_CALL_MS;
	r = api_server_start_as(loop, path, &table, 1, p, &manner, &p->server, e);
	if (r < 0) {
		free(p);
		return r;
	}
	uv_timer_init(loop, &p->timer);
	*ret = p;
	return 0;
}

static void timer_closed(uv_handle_t *h)
{
	free(CONTAINER_OF((uv_timer_t *)h, struct plugin, timer));
}

void plugin_close(struct plugin *p)
{
	struct err e = { 0 };

	if (!p || p->closing)
		return;
	p->closing = true;
	err_set(&e, -ECANCELED, "ovld is stopping");
	while (p->calls)
		answer_err(p->calls, &e);
	api_server_close(p->server);
	uv_close((uv_handle_t *)&p->timer, timer_closed);
}

void plugin_set_call_ms(struct plugin *p, uint64_t ms)
{
	p->call_ms = ms;
	rearm(p);
}

void plugin_stats(const struct plugin *p, struct plugin_stats *ret)
{
	*ret = p->stats;
}
