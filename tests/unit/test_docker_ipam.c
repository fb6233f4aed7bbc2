/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/docker_world.h"

static void assert_says(const struct plugin_call *c, const char *what)
{
	if (!strstr(c->why, what))
		fail_msg("\"%s\" is not in \"%s\"", what, c->why);
}

static void a_pool_is_held_and_given_back(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };

	/* The host has 10.0.0.0/24 already. */
	assert_int_equal(world_pool(w, &c, NULL, NULL, NULL, false), 0);
	assert_non_null(strstr(c.answer, "\"PoolID\":\"ovl-local/10.0.1.0/24\""));
	assert_int_equal(world_count(w, "pool"), 1);
	/* Docker found it taken on the host and asks again before it gives it back: never the same. */
	assert_int_equal(world_pool(w, &c, NULL, NULL, NULL, false), 0);
	assert_non_null(strstr(c.answer, "10.0.2.0/24"));
	assert_int_equal(world_pool(w, &c, "10.0.1.0/25", NULL, NULL, false), -EINVAL);
	assert_int_equal(world_release_pool(w, &c, "10.0.1.0/24"), 0);
	assert_int_equal(world_release_pool(w, &c, "10.0.1.0/24"), 0);
	assert_int_equal(world_release_pool(w, &c, "10.0.2.0/24"), 0);
	assert_int_equal(world_release_pool(w, &c, "192.0.2.0/24"), 0);
	assert_int_equal(world_pool(w, &c, NULL, NULL, NULL, true), 0);
	assert_non_null(strstr(c.answer, "/64"));
	world_stop(w);
	world_start(w);
	world_settle(w);
	assert_non_null(w->docker->pools); /* read again from etcd */
	world_call_done(&c);
}

static void late_pools_are_nobodys(void **state)
{
	struct plugin_call c = { .late = true };
	struct plugin_pool p = { .space = (char *)PLUGIN_SPACE_LOCAL };
	struct world *w = *state;

	docker_request_pool(w->docker, &p, &c);
	world_wait(w, &c);
	world_clean(w);
	world_call_done(&c);
}

static void addresses_of_a_network_to_come(void **state)
{
	static const char pool[] = "10.5.0.0/24";
	struct world *w = *state;
	struct plugin_call c = { 0 };

	assert_int_equal(world_address(w, &c, pool, NULL, true), -ENOENT);
	assert_int_equal(world_pool(w, &c, pool, NULL, NULL, false), 0);
	assert_int_equal(world_address(w, &c, pool, NULL, false), -EINVAL);
	assert_int_equal(world_address(w, &c, pool, NULL, true), 0);
	assert_non_null(strstr(c.answer, "\"Address\":\"10.5.0.1/24\""));
	assert_int_equal(world_address(w, &c, pool, "10.5.0.1", true), 0);
	assert_int_equal(world_address(w, &c, pool, "10.5.0.1", false), -EADDRINUSE);
	assert_int_equal(world_address(w, &c, pool, "10.5.0.9", false), 0);
	assert_non_null(strstr(c.answer, "10.5.0.9/24"));
	assert_int_equal(world_address(w, &c, pool, "10.5.0.9", false), -EADDRINUSE);
	assert_int_equal(world_address(w, &c, pool, "10.6.0.9", false), -ERANGE);
	assert_int_equal(world_release_address(w, &c, pool, "10.5.0.9"), 0);
	assert_int_equal(world_count(w, "address"), 0);
	world_call_done(&c);
}

static void addresses_of_a_network(void **state)
{
	static const char pool[] = "10.9.0.0/24";
	struct world *w = *state;
	struct plugin_call c = { 0 };

	world_network(w, "ours");
	for (int i = 0; i < 2; i++) { /* every node asks for them */
		assert_int_equal(world_address(w, &c, pool, NULL, true), 0);
		assert_non_null(strstr(c.answer, "10.9.0.1/24"));
		assert_int_equal(world_address(w, &c, pool, "10.9.0.1", false), 0);
		assert_int_equal(world_address(w, &c, pool, "10.9.0.7", false), 0);
	}
	assert_int_equal(world_address(w, &c, pool, "10.9.0.2", true), -EINVAL);
	assert_says(&c, "the gateway of network ours is 10.9.0.1");
	assert_int_equal(world_count(w, "address"), 0);
	assert_int_equal(world_address(w, &c, pool, NULL, false), 0);
	assert_non_null(strstr(c.answer, "10.9.0.2/24"));
	assert_int_equal(world_address(w, &c, pool, "10.9.0.2", false), -EADDRINUSE);
	assert_int_equal(world_address(w, &c, pool, "10.9.0.77", false), 0);
	assert_int_equal(world_count(w, "address"), 2);
	assert_int_equal(world_release_address(w, &c, pool, "10.9.0.1"), 0);
	assert_int_equal(world_release_address(w, &c, pool, "10.9.0.2"), 0);
	assert_int_equal(world_release_address(w, &c, pool, "10.9.0.2"), 0);
	assert_int_equal(world_release_address(w, &c, "10.77.0.0/24", "10.77.0.2"), 0);
	assert_int_equal(world_count(w, "address"), 1);
	world_call_done(&c);
}

static void late_addresses_are_free_again(void **state)
{
	struct plugin_address a = { .pool_id = (char *)"ovl-local/10.9.0.0/24" };
	struct plugin_call c = { .late = true };
	struct world *w = *state;

	world_network(w, "ours");
	docker_request_address(w->docker, &a, &c);
	world_wait(w, &c);
	world_turn(w);
	assert_int_equal(world_count(w, "address"), 0);
	world_call_done(&c);
}

static void reservations_are_looked_at_for_a_while(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };

	world_network(w, "ours");
	assert_int_equal(world_address(w, &c, "10.9.0.0/24", NULL, false), 0);
	assert_int_equal(w->docker->n_touched, 1);
	for (int i = 0; i < DOCKER_TOUCHED_SWEEPS; i++) {
		assert_int_equal(w->docker->n_touched, 1);
		docker_sweep(w->docker);
		world_turn(w);
	}
	assert_int_equal(w->docker->n_touched, 0);
	assert_int_equal(world_count(w, "address"), 1); /* it is not a minute old */
	world_call_done(&c);
}

static void a_network_that_is_there(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };

	world_network(w, "ours");
	assert_int_equal(world_pool(w, &c, "10.9.0.0/24", NULL, NULL, false), -EEXIST);
	assert_says(&c, "--ipam-opt ovl.network=ours -o ovl.network=ours");
	assert_int_equal(world_pool(w, &c, "10.9.0.0/24", NULL, "ours", false), 0);
	assert_int_equal(world_pool(w, &c, NULL, NULL, WORLD_OURS, false), 0);
	assert_non_null(strstr(c.answer, "\"Pool\":\"10.9.0.0/24\""));
	assert_int_equal(world_pool(w, &c, NULL, NULL, "ours", true), -EINVAL);
	assert_says(&c, "has no IPv6");
	assert_int_equal(world_pool(w, &c, "10.8.0.0/24", NULL, "ours", false), -EINVAL);
	assert_int_equal(world_pool(w, &c, NULL, NULL, "nosuch", false), -ENOENT);
	assert_int_equal(world_pool(w, &c, NULL, NULL, "bridge", false), -EINVAL);
	assert_int_equal(world_count(w, "pool"), 0);
	world_call_done(&c);
}

static void nothing_waits_for_etcd(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };

	world_network(w, "ours");
	fake_kv_down(w->fake, true);
	world_turn(w);
	assert_int_equal(world_pool(w, &c, NULL, NULL, NULL, false), -EHOSTUNREACH);
	assert_says(&c, "etcd cannot be reached");
	assert_int_equal(world_address(w, &c, "10.9.0.0/24", NULL, false), -EHOSTUNREACH);
	assert_int_equal(world_address(w, &c, "10.9.0.0/24", NULL, true), 0);
	assert_int_equal(world_release_address(w, &c, "10.9.0.0/24", "10.9.0.3"), 0);
	assert_int_equal(world_create(w, &c, WORLD_NET, "10.5.0.0/24", NULL, NULL), -EHOSTUNREACH);
	fake_kv_down(w->fake, false);
	world_call_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_pool_is_held_and_given_back, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(late_pools_are_nobodys, world_open, world_close),
		cmocka_unit_test_setup_teardown(addresses_of_a_network_to_come, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(addresses_of_a_network, world_open, world_close),
		cmocka_unit_test_setup_teardown(late_addresses_are_free_again, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(reservations_are_looked_at_for_a_while, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(a_network_that_is_there, world_open, world_close),
		cmocka_unit_test_setup_teardown(nothing_waits_for_etcd, world_open, world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
