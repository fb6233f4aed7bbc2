/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of agent/docker call, and what they look for in etcd. */
#include "tests/unit/docker_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct prefix prefix_of(const char *text)
{
	struct prefix p = { 0 };

	if (text)
		assert_int_equal(prefix_parse(text, &p, NULL), 0);
	return p;
}

static struct ip ip_of(const char *text)
{
	struct ip ip = { 0 };

	if (text)
		assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

static char *pool_id(const char *pool)
{
	return mem_printf(PLUGIN_SPACE_LOCAL "/%s", pool);
}

/* ---- calls ---- */

int world_pool(struct world *w, struct plugin_call *c, const char *pool, const char *range,
	       const char *network, bool v6)
{
	struct plugin_pool p = { .space = (char *)PLUGIN_SPACE_LOCAL,
				 .pool = prefix_of(pool),
				 .range = prefix_of(range),
				 .v6 = v6 };

	if (network)
		kv_pairs_set(&p.options, DOCKER_OPTION_NETWORK, network);
	world_call_done(c);
	docker_request_pool(w->docker, &p, c);
	kv_pairs_done(&p.options);
	return world_wait(w, c);
}

int world_release_pool(struct world *w, struct plugin_call *c, const char *pool)
{
	_cleanup_free_ char *id = pool_id(pool);
	struct plugin_ref r = { .pool_id = id };

	world_call_done(c);
	docker_release_pool(w->docker, &r, c);
	return world_wait(w, c);
}

int world_address(struct world *w, struct plugin_call *c, const char *pool, const char *ip,
		  bool gateway)
{
	_cleanup_free_ char *id = pool_id(pool);
	struct plugin_address a = { .pool_id = id, .ip = ip_of(ip), .gateway = gateway };

	world_call_done(c);
	docker_request_address(w->docker, &a, c);
	return world_wait(w, c);
}

int world_release_address(struct world *w, struct plugin_call *c, const char *pool, const char *ip)
{
	_cleanup_free_ char *id = pool_id(pool);
	struct plugin_address a = { .pool_id = id, .ip = ip_of(ip) };

	world_call_done(c);
	docker_release_address(w->docker, &a, c);
	return world_wait(w, c);
}

void world_create_start(struct world *w, struct plugin_call *c, const char *docker,
			const char *pool, const char *gateway, const char *option)
{
	struct plugin_network *n = mem_alloc(sizeof(*n));
	_cleanup_strv_ struct strv words = { 0 };

	n->id = (char *)docker;
	n->n_v4 = 1;
	n->v4[0] = (struct plugin_ipam_data){ .space = (char *)PLUGIN_SPACE_LOCAL,
					      .pool = prefix_of(pool),
					      .gateway = ip_of(gateway) };
	if (option) {
		strv_split(&words, option, '=');
		kv_pairs_set(&n->options, words.v[0], words.v[1]);
	}
	world_call_done(c);
	docker_create_network(w->docker, n, c);
	kv_pairs_done(&n->options);
	free(n);
}

int world_create(struct world *w, struct plugin_call *c, const char *docker, const char *pool,
		 const char *gateway, const char *option)
{
	world_create_start(w, c, docker, pool, gateway, option);
	return world_wait(w, c);
}

int world_delete(struct world *w, struct plugin_call *c, const char *docker)
{
	struct plugin_ref r = { .network = (char *)docker };

	world_call_done(c);
	docker_delete_network(w->docker, &r, c);
	return world_wait(w, c);
}

void world_make(struct world *w, const char *docker, const char *pool)
{
	struct plugin_call c = { 0 };

	if (world_pool(w, &c, pool, NULL, NULL, false) < 0 ||
	    world_address(w, &c, pool, NULL, true) < 0 ||
	    world_create(w, &c, docker, pool, NULL, NULL) < 0)
		fail_msg("%s", c.why);
	world_call_done(&c);
}

static bool step_is_done(void *user)
{
	struct docker_step *s = user;

	return s->done;
}

int world_name(struct world *w, const char *docker, const char *name)
{
	struct mirror_network *net = docker_network_of(w->docker, docker);
	struct docker_step s = { 0 };

	assert_non_null(net);
	w->steps->name(w->steps_user, net->rec, name, &s);
	world_until(w, step_is_done, &s, "the name");
	return s.status;
}

/* ---- etcd ---- */

size_t world_count(struct world *w, const char *dir)
{
	_cleanup_free_ char *key = mem_printf(WORLD_PREFIX "/%s/", dir), *end = kv_prefix_end(key);

	return fake_kv_count(w->fake, key, end);
}

const char *world_value(struct world *w, const char *key)
{
	_cleanup_free_ char *full = mem_printf(WORLD_PREFIX "/%s", key);

	return fake_kv_get(w->fake, full);
}

static struct id id_of(const char *text)
{
	struct id id;

	assert_int_equal(id_parse(text, &id), 0);
	return id;
}

static void put(struct world *w, char *key, char *value)
{
	fake_kv_put(w->fake, key, value, 0);
	free(key);
	free(value);
}

static const struct id other_node = { .b = { 1, 2 } }, other_endpoint = { .b = { 3, 2 } };

void world_other(struct world *w, const char *network, const char *docker, bool endpoint)
{
	struct id net = id_of(network);
	struct model_binding b = { .network = net, .node = other_node, .docker = (char *)docker };
	struct model_endpoint ep = { .id = other_endpoint,
				     .network = net,
				     .node = other_node,
				     .name = (char *)"theirs",
				     .sandbox = (char *)"box",
				     .mac = { .b = { 2, 0x42, 10, 9, 0, 9 } },
				     .ip4 = ip_of("10.9.0.9"),
				     .created = (char *)"2026-11-21T00:00:00Z" };

	if (docker)
		put(w, model_key_binding(WORLD_PREFIX, net, other_node), model_binding_encode(&b));
	if (endpoint)
		put(w, model_key_endpoint(WORLD_PREFIX, net, other_endpoint),
		    model_endpoint_encode(&ep));
	world_turn(w);
}

void world_other_gone(struct world *w, const char *network)
{
	struct id net = id_of(network);
	_cleanup_free_ char *binding = model_key_binding(WORLD_PREFIX, net, other_node);
	_cleanup_free_ char *ep = model_key_endpoint(WORLD_PREFIX, net, other_endpoint);

	fake_kv_delete(w->fake, binding, NULL);
	fake_kv_delete(w->fake, ep, NULL);
	world_turn(w);
}

void world_network(struct world *w, const char *name)
{
	char *key = model_key_network(WORLD_PREFIX, id_of(WORLD_OURS));

	put(w, key,
	    mem_printf(
		    "{\"name\":\"%s\",\"vni\":1000,\"mtu\":1450,\"subnets\":[{\"subnet\":\"10.9.0.0/24\",\"gateway\":\"10.9.0.1\","
		    "\"aux\":{\"router\":\"10.9.0.7\"}}]}",
		    name));
	world_turn(w);
}

void world_clean(struct world *w)
{
	static const char *const kinds[] = { "network", "endpoint", "address", "pool", "binding" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (world_count(w, kinds[i]) != 0)
			fail_msg("something is left in %s", kinds[i]);
	assert_int_equal(w->docker->gone.n, 0);
	assert_int_equal(w->docker->left.n, 0);
	assert_int_equal(w->docker->working.n, 0);
	assert_null(w->docker->pools);
}
