/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: what the modules tell the name server's feed, and what it asks them. */
#include "agent/agent_priv.h"
#include "overlay/kernel_linux.h"

/* ---- told ---- */

void agent_names_endpoint(void *user, const struct local_endpoint *row, bool gone)
{
	struct agent *a = user;

	names_endpoint(a->names, row, gone);
}

void agent_names_sandbox(void *user, const struct state_target *t)
{
	struct agent *a = user;

	names_sandbox(a->names, t);
}

void agent_names_drop(void *user, const struct local_target *t, containers_dropped_fn done,
		      void *done_user)
{
	struct state_target there = { .dev = t->netns_dev, .ino = t->netns_ino };
	struct agent *a = user;

	containers_drop_endpoints(a->endpoints, t, done, done_user);
	names_sandbox(a->names, &there);
}

void agent_names_problems(void *user, struct strv *ret)
{
	struct agent *a = user;

	names_problems(a->names, ret);
}

/* ---- asked ---- */

static int overlay_fd(void *user)
{
	struct agent *a = user;

	return kernel_linux_overlay_fd(a->kernel);
}

struct container_ask {
	const struct state_target *t;
	void (*fn)(void *fn_user, const char *name, const struct local_target *t);
	void *fn_user;
};

static void ask_container(void *user, const struct container *c)
{
	struct container_ask *ask = user;
	enum run_mode mode = c->mode ? run_mode_of(c->mode, NULL) : RUN_OWN;

	if (c->state == CONTAINER_ENDING || mode != RUN_OWN)
		return;
	if (!ask->t || (ask->t->dev == c->target.netns_dev && ask->t->ino == c->target.netns_ino))
		ask->fn(ask->fn_user, c->name, &c->target);
}

static void own_containers(void *user, const struct state_target *t,
			   void (*fn)(void *fn_user, const char *name,
				      const struct local_target *t),
			   void *fn_user)
{
	struct container_ask ask = { .t = t, .fn = fn, .fn_user = fn_user };
	struct agent *a = user;

	containers_each(a->containers, ask_container, &ask);
}

void agent_names_surroundings(struct agent *a)
{
	_cleanup_free_ char(*v)[IFNAMSIZ] = NULL;
	size_t n = names_docker_ifaces(a->names, &v);

	surroundings_dns_also(a->surroundings, (const char(*)[IFNAMSIZ])v, n);
}

static void gwbridge_changed(void *user, bool wanted)
{
	struct agent *a = user;

	(void)wanted;
	if (a->stopping)
		return;
	reconcile_dirty(a->reconcile, STATE_KEY_DOCKER_GWBRIDGE);
	agent_names_surroundings(a);
}

void agent_make_names(struct agent *a)
{
	struct names_deps d = { .loop = a->loop,
				.config = a->config,
				.mirror = a->mirror,
				.networks = a->networks,
				.endpoints = a->endpoints,
				.local = a->local,
				.overlay_fd = overlay_fd,
				.containers = own_containers,
				.gwbridge = gwbridge_changed,
				.user = a };

	a->names = names_new(&d);
}
