/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ends of ovld at each point of a network's life (docker_priv.h has the table), and endpoints. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/docker_world.h"

#define POOL "10.5.0.0/24"
#define ENDPOINT "0e00000000000000000000000000000000000000000000000000000000000000"

/* From now on etcd gets what it is asked and does nothing yet. */
static void hold(struct world *w)
{
	fake_kv_hold(w->fake, FAKE_ANY, FAKE_HOLD_REQUESTS);
}

/* The calls of etcd are carried out and answered up to the @nth, whose answer is never heard. Return: @c was answered before. */
static bool end_at(struct world *w, unsigned nth, struct plugin_call *c)
{
	bool answered;

	world_turn(w);
	for (unsigned i = 1; i < nth; i++) {
		fake_kv_hold(w->fake, FAKE_ANY, FAKE_HOLD_NONE);
		fake_kv_pump(w->fake);
		hold(w);
		world_turn(w);
	}
	answered = c->done;
	fake_kv_hold(w->fake, FAKE_ANY, FAKE_HOLD_ANSWERS);
	world_turn(w);
	world_restart(w);
	world_settle(w);
	return answered;
}

static void ended_in_create_network(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };
	unsigned nth = 0;
	bool answered;

	do {
		assert_int_equal(world_pool(w, &c, POOL, NULL, NULL, false), 0);
		hold(w);
		world_create_start(w, &c, WORLD_NET, POOL, NULL, NULL);
		answered = end_at(w, ++nth, &c);
		if (!answered) {
			assert_true(c.status < 0);
			assert_int_equal(world_release_pool(w, &c, POOL), 0);
			world_clean(w);
		}
	} while (!answered);
	assert_true(nth > 2);
	assert_int_equal(c.status, 0);
	assert_int_equal(world_count(w, "binding"), 1);
	assert_int_equal(world_delete(w, &c, WORLD_NET), 0);
	world_clean(w);
	world_call_done(&c);
}

static void ended_before_anything_was_put(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };

	assert_int_equal(world_pool(w, &c, POOL, NULL, NULL, false), 0);
	world_create_start(w, &c, WORLD_NET, POOL, NULL, NULL);
	fake_kv_hold(w->fake, FAKE_ANY, FAKE_HOLD_REQUESTS);
	world_restart(w);
	assert_int_equal(w->docker->gone.n, 0);
	assert_int_equal(world_count(w, "network"), 0);
	/* Docker would have gone on, had it not heard of the end: the pool is known still. */
	assert_int_equal(world_create(w, &c, WORLD_NET2, POOL, NULL, NULL), 0);
	assert_int_equal(world_delete(w, &c, WORLD_NET2), 0);
	world_clean(w);
	world_call_done(&c);
}

static void ended_while_joining(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };
	unsigned nth = 0;
	bool answered;

	world_network(w, "ours");
	do {
		hold(w);
		world_create_start(w, &c, WORLD_NET, "10.9.0.0/24", NULL, "ovl.network=ours");
		answered = end_at(w, ++nth, &c);
		assert_int_equal(world_count(w, "binding"), answered);
		assert_int_equal(world_count(w, "network"), 1); /* not ours to remove */
		assert_int_equal(w->docker->gone.n, 0);
	} while (!answered);
	assert_true(nth > 1);
	world_call_done(&c);
}

static void ended_in_delete_network(void **state)
{
	struct plugin_ref r = { .network = (char *)WORLD_NET };
	struct world *w = *state;
	struct plugin_call c = { 0 };
	unsigned nth = 0;
	bool answered;

	do {
		world_make(w, WORLD_NET, POOL);
		hold(w);
		world_call_done(&c);
		docker_delete_network(w->docker, &r, &c);
		answered = end_at(w, ++nth, &c);
		assert_int_equal(c.status < 0, !answered);
		world_clean(w);
	} while (!answered);
	assert_true(nth > 2);
	world_call_done(&c);
}

static void ended_in_request_pool(void **state)
{
	struct plugin_pool p = { .space = (char *)PLUGIN_SPACE_LOCAL };
	struct world *w = *state;
	struct plugin_call c = { 0 };
	unsigned nth = 0;
	bool answered;

	do {
		hold(w);
		world_call_done(&c);
		docker_request_pool(w->docker, &p, &c);
		answered = end_at(w, ++nth, &c);
		/* Those that were put are known again, and given back by themselves. */
		while (w->docker->pools)
			docker_pool_forget(w->docker, w->docker->pools);
		world_turn(w);
		assert_int_equal(world_count(w, "pool"), 0);
	} while (!answered);
	assert_true(nth > 1);
	world_call_done(&c);
}

static void late_networks_are_removed_again(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };

	assert_int_equal(world_pool(w, &c, POOL, NULL, NULL, false), 0);
	world_create_start(w, &c, WORLD_NET, POOL, NULL, NULL);
	c.late = true;
	world_wait(w, &c);
	world_settle(w);
	world_settle(w);
	world_clean(w);
	world_call_done(&c);
}

/* Its outcome was not heard, nor has the mirror: etcd alone knows that it is there. */
static void networks_not_heard_of_are_removed_again(void **state)
{
	struct world *w = *state;
	struct id id = docker_network_id(WORLD_NET);
	_cleanup_free_ char *key = model_key_network(WORLD_PREFIX, id);
	struct err e = { 0 };

	assert_int_equal(docker_making(w->docker, WORLD_NET, &e), 0);
	fake_kv_watch_hold(w->fake, true);
	fake_kv_put(w->fake, key,
		    "{\"name\":\"docker-dd\",\"state\":\"pending\",\"vni\":1000,\"mtu\":1450,"
		    "\"subnets\":[{\"subnet\":\"10.5.0.0/24\",\"gateway\":\"10.5.0.1\"}]}",
		    0);
	world_turn(w);
	docker_unmade(w->docker, WORLD_NET, false);
	world_settle(w);
	fake_kv_watch_hold(w->fake, false);
	world_turn(w);
	world_clean(w);
}

/* ---- endpoints ---- */

static void create(struct world *w, struct plugin_call *c, const char *ip, bool mac)
{
	struct plugin_endpoint ep = { .network = (char *)WORLD_NET, .id = (char *)ENDPOINT };

	if (mac)
		ep.mac = (struct mac){ .b = { 2, 0x42, 1, 2, 3, 4 } };
	assert_int_equal(ip_parse(ip, &ep.ip4, NULL), 0);
	world_call_done(c);
	docker_create_endpoint(w->docker, &ep, c);
}

static void an_endpoints_life(void **state)
{
	struct plugin_join j = { .network = (char *)WORLD_NET,
				 .endpoint = (char *)ENDPOINT,
				 .sandbox = (char *)"/run/docker/netns/1" };
	struct plugin_ref r = { .network = (char *)WORLD_NET, .endpoint = (char *)ENDPOINT };
	struct world *w = *state;
	struct plugin_call c = { 0 };

	create(w, &c, "10.5.0.2", false);
	assert_int_equal(world_wait(w, &c), -ENOENT);
	world_make(w, WORLD_NET, POOL);
	create(w, &c, "10.6.0.2", false);
	assert_int_equal(world_wait(w, &c), -ERANGE);
	world_call_done(&c);
	docker_join(w->docker, &j, &c);
	assert_int_equal(world_wait(w, &c), -ENOENT);
	create(w, &c, "10.5.0.2", true);
	assert_string_equal(w->asked.docker_network, WORLD_NET);
	world_endpoint(w);
	assert_int_equal(world_wait(w, &c), 0);
	assert_null(strstr(c.answer, "MacAddress")); /* Docker refuses an echo */
	w->n_rows = 0;
	create(w, &c, "10.5.0.2", false);
	world_endpoint(w);
	assert_int_equal(world_wait(w, &c), 0);
	assert_non_null(strstr(c.answer, "\"MacAddress\":\"02:42:0a:05:00:02\""));
	world_call_done(&c);
	docker_join(w->docker, &j, &c);
	assert_int_equal(world_wait(w, &c), 0);
	assert_string_equal(c.answer,
			    "{\"InterfaceName\":{\"SrcName\":\"vdead\",\"DstPrefix\":\"eth\"}}");
	assert_string_equal(w->sandbox, j.sandbox);
	for (int i = 0; i < 2; i++) {
		world_call_done(&c);
		docker_leave(w->docker, &r, &c);
		assert_int_equal(world_wait(w, &c), 0);
		world_call_done(&c);
		docker_delete_endpoint(w->docker, &r, &c);
		assert_int_equal(world_wait(w, &c), 0);
		r.endpoint = (char *)"unknown";
	}
	assert_int_equal(w->left, 1);
	assert_int_equal(w->deleted, 1);
	world_call_done(&c);
}

static void late_endpoints_are_deleted(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };

	world_make(w, WORLD_NET, POOL);
	create(w, &c, "10.5.0.2", false);
	c.late = true;
	world_endpoint(w);
	world_wait(w, &c);
	assert_int_equal(w->deleted, 1);
	world_call_done(&c);
}

static void names_of_a_container(void **state)
{
	struct docker_attachment at[2] = { { .endpoint = { .b = { 1 } } }, { 0 } };
	struct docker_container c = {
		.id = (char *)"c", .name = (char *)"web", .networks = at, .n_networks = 2
	};
	struct world *w = *state;

	w->steps->container(w->steps_user, &c);
	assert_int_equal(w->names, 1); /* not connected to the other */
	assert_string_equal(w->name, "web");
}

/* ---- what Docker does not list ---- */

static void what_docker_has_no_more(void **state)
{
	struct docker_network listed = { 0 };
	struct docker_endpoint there = { 0 };
	struct world *w = *state;
	struct plugin_call c = { 0 };

	world_make(w, WORLD_NET, POOL);
	assert_int_equal(world_address(w, &c, POOL, "10.5.0.2", false), 0);
	create(w, &c, "10.5.0.2", false);
	world_endpoint(w);
	there.endpoint = w->rows[0].id;
	listed.endpoints = &there;
	listed.n_endpoints = 1;
	w->listed = &listed;
	docker_compare(w->docker);
	assert_int_equal(w->docker->n_missing, 0);
	listed.n_endpoints = 0;
	docker_compare(w->docker);
	assert_int_equal(w->docker->n_missing, 1);
	/* Not believed at once; and Docker is away. */
	w->list_status = -EHOSTUNREACH;
	docker_compare(w->docker);
	assert_int_equal(w->deleted, 0);
	w->list_status = 0;
	listed.n_endpoints = 1;
	docker_compare(w->docker);
	assert_int_equal(w->docker->n_missing, 0);
	w->listed = NULL;
	w->list_status = -ENOENT;
	docker_compare(w->docker);
	docker_compare_believe(w->docker);
	docker_compare(w->docker);
	world_turn(w);
	assert_int_equal(w->deleted, 1);
	assert_int_equal(world_count(w, "address"), 0);
	world_call_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ended_in_create_network, world_open, world_close),
		cmocka_unit_test_setup_teardown(ended_before_anything_was_put, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(ended_while_joining, world_open, world_close),
		cmocka_unit_test_setup_teardown(ended_in_delete_network, world_open, world_close),
		cmocka_unit_test_setup_teardown(ended_in_request_pool, world_open, world_close),
		cmocka_unit_test_setup_teardown(late_networks_are_removed_again, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(networks_not_heard_of_are_removed_again, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(an_endpoints_life, world_open, world_close),
		cmocka_unit_test_setup_teardown(late_endpoints_are_deleted, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(names_of_a_container, world_open, world_close),
		cmocka_unit_test_setup_teardown(what_docker_has_no_more, world_open, world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
