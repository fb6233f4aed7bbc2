/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/docker/docker_gwbridge.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/names.h"
#include "base/log.h"
#include "base/mem.h"

#define PREFIX "gateway_" /* and 12 digits of the sandbox's id (libnetwork's default_gateway.go) */

struct docker_gwbridge {
	struct docker_api *api;
	struct names *names;
	uv_timer_t timer;
	bool asking, again, closed;
	unsigned generation; /* when it was asked */
	uint64_t asked_ms; /* 0: never */
};

/* Those that are no container's way out (a load balancer of a swarm's) are nobody who asks. */
static size_t gather(const struct docker_network *net, struct names_gwbridge *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < net->n_endpoints; i++) {
		const struct docker_endpoint *ep = &net->endpoints[i];

		if (!ep->name || strncmp(ep->name, PREFIX, sizeof(PREFIX) - 1) != 0 ||
		    strlen(ep->name) - (sizeof(PREFIX) - 1) >= NAMES_SANDBOX_MAX)
			continue;
		ret[n] = (struct names_gwbridge){ .endpoint = ep->endpoint,
						  .ip4 = ep->ip4,
						  .ip6 = ep->ip6 };
		snprintf(ret[n++].sandbox, NAMES_SANDBOX_MAX, "%s", ep->name + sizeof(PREFIX) - 1);
	}
	return n;
}

static void took(struct docker_gwbridge *g, const struct docker_network *net)
{
	_cleanup_free_ struct names_gwbridge *v =
		mem_alloc_array((net ? net->n_endpoints : 0) + 1, sizeof(*v));

	names_gwbridge_took(g->names, v, net ? gather(net, v) : 0, g->generation);
}

static void answered(void *user, int status, const struct docker_network *v, size_t n,
		     const struct err *e)
{
	struct docker_gwbridge *g = user;

	if (g->closed)
		return;
	g->asking = false;
	if (status == 0 || status == -ENOENT) {
		names_gwbridge_usable(g->names, true);
		took(g, status == 0 && n == 1 ? v : NULL);
	} else if (status == -EACCES) {
		names_gwbridge_usable(g->names, false);
	} else {
		log_debug("Docker does not tell who is on docker_gwbridge", "err=%s",
			  LOG_Q(err_text(e)));
	}
	if (g->again)
		docker_gwbridge_ask(g);
}

static void ask_now(struct docker_gwbridge *g)
{
	g->asking = true;
	g->again = false;
	g->asked_ms = uv_now(g->timer.loop);
	g->generation = names_gwbridge_generation(g->names);
	docker_api_network(g->api, "docker_gwbridge", answered, g);
}

static void on_timer(uv_timer_t *t)
{
	struct docker_gwbridge *g = t->data;

	if (!g->asking)
		ask_now(g);
}

void docker_gwbridge_ask(struct docker_gwbridge *g)
{
	uint64_t now, due;

	if (!g || g->closed || uv_is_active((uv_handle_t *)&g->timer))
		return;
	if (g->asking) {
		g->again = true; /* what comes now may be older than the question */
		return;
	}
	now = uv_now(g->timer.loop);
	due = g->asked_ms ? g->asked_ms + DOCKER_GWBRIDGE_GAP_MS : now;
	uv_timer_start(&g->timer, on_timer, due > now ? due - now : 0, 0);
}

static void on_unknown(void *user)
{
	docker_gwbridge_ask(user);
}

/* Docker's own names for its devices (libnetwork's drivers/bridge). */
static bool bridge_of(const struct docker_attachment *at, char ret[IFNAMSIZ])
{
	if (strcmp(at->network_name, "bridge") == 0)
		snprintf(ret, IFNAMSIZ, "docker0");
	else
		snprintf(ret, IFNAMSIZ, "br-%.*s", ID_SHORT_LEN, at->network_id);
	return if_nametoindex(ret) != 0;
}

void docker_gwbridge_container(struct docker_gwbridge *g, const struct docker_container *c)
{
	struct names_bridge v[DOCKER_GWBRIDGE_BRIDGES_MAX];
	const char *slash = c->sandbox_key ? strrchr(c->sandbox_key, '/') : NULL;
	size_t n = 0;

	if (!g || !slash || strlen(slash + 1) >= NAMES_SANDBOX_MAX)
		return;
	for (size_t i = 0; c->running && i < c->n_networks && n < ARRAY_SIZE(v); i++) {
		const struct docker_attachment *at = &c->networks[i];

		v[n] = (struct names_bridge){ .endpoint = at->endpoint, .ip4 = at->ip4 };
		if (ip_is_set(at->ip4) && !id_is_zero(at->endpoint) && at->network_id &&
		    at->network_name && bridge_of(at, v[n].ifname))
			n++;
	}
	names_bridges(g->names, slash + 1, v, n);
}

struct docker_gwbridge *docker_gwbridge_new(uv_loop_t *loop, struct docker_api *api,
					    struct names *names)
{
	struct docker_gwbridge *g;

	if (!names)
		return NULL;
	g = mem_alloc(sizeof(*g));
	g->api = api;
	g->names = names;
	uv_timer_init(loop, &g->timer);
	g->timer.data = g;
	names_gwbridge_watch(names, on_unknown, g);
	return g;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void docker_gwbridge_close(struct docker_gwbridge *g)
{
	if (!g)
		return;
	g->closed = true;
	names_gwbridge_watch(g->names, NULL, NULL);
	uv_close((uv_handle_t *)&g->timer, on_closed);
}
