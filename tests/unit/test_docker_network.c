/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/docker_world.h"

#define POOL "10.5.0.0/24"

static void assert_says(const struct plugin_call *c, const char *what)
{
	if (!strstr(c->why, what))
		fail_msg("\"%s\" is not in \"%s\"", what, c->why);
}

static bool record_has(struct world *w, const char *docker, const char *what)
{
	char key[128];
	const char *value;

	snprintf(key, sizeof(key), "network/%s", docker);
	value = world_value(w, key);
	return value && strstr(value, what);
}

static void made_named_and_removed(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };

	world_make(w, WORLD_NET, POOL);
	assert_int_equal(world_count(w, "pool"), 0);
	assert_int_equal(world_count(w, "binding"), 1);
	assert_true(record_has(w, WORLD_NET, "\"name\":\"docker-dd0000000000\""));
	assert_true(record_has(w, WORLD_NET, "pending"));
	assert_true(record_has(w, WORLD_NET, "\"ovl.origin\":\"docker\""));
	/* Nobody joins it yet. */
	assert_int_equal(world_pool(w, &c, NULL, NULL, "docker-dd0000000000", false), -EAGAIN);
	assert_int_equal(world_name(w, WORLD_NET, "demo"), 0);
	assert_true(record_has(w, WORLD_NET, "\"name\":\"demo\""));
	assert_false(record_has(w, WORLD_NET, "pending"));
	assert_int_equal(world_name(w, WORLD_NET, "demo"), 0);
	/* A second time: nothing changes. */
	assert_int_equal(world_create(w, &c, WORLD_NET, POOL, NULL, NULL), 0);
	assert_int_equal(world_release_pool(w, &c, POOL), 0);
	assert_int_equal(world_delete(w, &c, WORLD_NET), 0);
	assert_int_equal(world_delete(w, &c, WORLD_NET), 0);
	world_clean(w);
	world_call_done(&c);
}

static void ready_at_once_without_the_api(void **state)
{
	struct world *w = *state;

	w->config.docker_api = NULL;
	world_make(w, WORLD_NET, POOL);
	assert_false(record_has(w, WORLD_NET, "pending"));
}

static void options_and_words_of_refusal(void **state)
{
	struct plugin_network n = { .id = (char *)WORLD_NET, .n_v4 = 1 };
	struct world *w = *state;
	struct plugin_call c = { 0 };

	n.v4[0].space = (char *)"LocalDefault";
	docker_create_network(w->docker, &n, &c);
	assert_int_equal(world_wait(w, &c), -EINVAL);
	assert_says(&c, "use --ipam-driver ovl");
	assert_int_equal(world_create(w, &c, WORLD_NET, POOL, NULL, NULL), -ENOENT);
	assert_says(&c, "is held for this network no more");
	assert_int_equal(world_pool(w, &c, POOL, "10.5.0.128/25", NULL, false), 0);
	assert_int_equal(world_create(w, &c, WORLD_NET, POOL, "10.5.0.254", "nonsense=1"), -EINVAL);
	assert_says(&c, "nonsense");
	assert_int_equal(world_count(w, "pool"), 1);
	assert_int_equal(world_create(w, &c, WORLD_NET, POOL, "10.5.0.254", "ovl.mtu=1400"), 0);
	assert_true(record_has(w, WORLD_NET, "\"mtu\":1400"));
	assert_true(record_has(w, WORLD_NET, "10.5.0.128/25"));
	assert_true(record_has(w, WORLD_NET, "\"gateway\":\"10.5.0.254\""));
	/* The pools are the network's by now. */
	assert_int_equal(world_pool(w, &c, POOL, NULL, NULL, false), -EEXIST);
	assert_int_equal(world_delete(w, &c, WORLD_NET), 0);
	world_clean(w);
	world_call_done(&c);
}

static void joined_and_left_to_its_owner(void **state)
{
	static const char option[] = "ovl.network=ours";
	struct world *w = *state;
	struct plugin_call c = { 0 };
	struct id id;

	world_network(w, "ours");
	assert_int_equal(id_parse(WORLD_OURS, &id), 0);
	assert_int_equal(world_create(w, &c, WORLD_NET, POOL, NULL, option), -EINVAL);
	assert_says(&c, "both --ipam-opt and -o");
	assert_int_equal(world_create(w, &c, WORLD_NET, "10.9.0.0/24", "10.9.0.3", option),
			 -EINVAL);
	assert_int_equal(world_create(w, &c, WORLD_NET, "10.9.0.0/24", "10.9.0.1", option), 0);
	assert_int_equal(world_create(w, &c, WORLD_NET, "10.9.0.0/24", "10.9.0.1", option), 0);
	assert_int_equal(world_create(w, &c, WORLD_NET2, "10.9.0.0/24", "10.9.0.1", option),
			 -EEXIST);
	assert_says(&c, "in this Docker already");
	assert_ptr_equal(docker_network_of(w->docker, WORLD_NET), mirror_network(w->mirror, id));
	/* Others use it: this node leaves it. It was made by ovlctl: it stays when they have gone. */
	world_other(w, WORLD_OURS, "theirs", true);
	assert_int_equal(world_delete(w, &c, WORLD_NET), 0);
	assert_true(docker_left(w->docker, id));
	assert_int_equal(world_count(w, "binding"), 1);
	world_other_gone(w, WORLD_OURS);
	world_settle(w);
	assert_int_equal(world_count(w, "network"), 1);
	assert_true(docker_left(w->docker, id));
	/* Asked for again, and then removed by the last one. */
	assert_int_equal(world_create(w, &c, WORLD_NET2, "10.9.0.0/24", "10.9.0.1", option), 0);
	assert_false(docker_left(w->docker, id));
	assert_int_equal(world_delete(w, &c, WORLD_NET2), 0);
	world_clean(w);
	world_call_done(&c);
}

static void left_and_gone_with_the_last(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };
	struct id id;

	world_make(w, WORLD_NET, POOL);
	assert_int_equal(id_parse(WORLD_NET, &id), 0);
	world_other(w, WORLD_NET, "theirs", true);
	assert_int_equal(world_delete(w, &c, WORLD_NET), 0);
	world_restart(w);
	assert_true(docker_left(w->docker, id));
	assert_int_equal(world_count(w, "network"), 1);
	world_other_gone(w, WORLD_NET);
	world_settle(w);
	world_settle(w);
	world_clean(w);
	world_call_done(&c);
}

static void removed_elsewhere(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };

	world_make(w, WORLD_NET, POOL);
	fake_kv_delete(w->fake, WORLD_PREFIX "/network/" WORLD_NET, NULL);
	world_turn(w);
	assert_int_equal(world_delete(w, &c, WORLD_NET), 0);
	world_clean(w);
	world_call_done(&c);
}

static void deleted_while_etcd_is_away(void **state)
{
	struct world *w = *state;
	struct plugin_call c = { 0 };

	world_make(w, WORLD_NET, POOL);
	fake_kv_down(w->fake, true);
	world_turn(w);
	assert_int_equal(world_delete(w, &c, WORLD_NET), -EHOSTUNREACH);
	assert_says(&c, "given up later");
	fake_kv_down(w->fake, false);
	world_turn(w);
	world_settle(w);
	world_clean(w);
	world_call_done(&c);
}

static bool is_done(void *user)
{
	struct docker_step *s = user;

	return s->done;
}

static void unbind(struct world *w, const char *docker, bool told)
{
	struct mirror_network *net = docker_network_of(w->docker, docker);
	struct docker_step s = { 0 };

	w->steps->unbind(w->steps_user, net->rec, docker, told, &s);
	world_until(w, is_done, &s, "the step");
	assert_int_equal(s.status, 0);
}

static void what_docker_has_lost(void **state)
{
	struct docker_step s = { 0 };
	struct world *w = *state;
	struct id id;

	/* Others can use it still: it stays, and is not left. */
	world_make(w, WORLD_NET, POOL);
	assert_int_equal(id_parse(WORLD_NET, &id), 0);
	world_other(w, WORLD_NET, "theirs", false);
	unbind(w, WORLD_NET, false);
	assert_int_equal(world_count(w, "network"), 1);
	assert_false(w->steps->left(w->steps_user, id));
	/* The binding comes back. */
	w->steps->bind(w->steps_user, mirror_network(w->mirror, id)->rec, WORLD_NET2, &s);
	world_until(w, is_done, &s, "the step");
	assert_int_equal(s.status, 0);
	assert_non_null(docker_network_of(w->docker, WORLD_NET2));
	/* Nobody else has it: it goes. */
	world_other_gone(w, WORLD_NET);
	unbind(w, WORLD_NET2, false);
	world_clean(w);
	/* Removed by word. */
	world_make(w, WORLD_NET, POOL);
	unbind(w, WORLD_NET, true);
	world_clean(w);
}

static void a_name_that_is_taken(void **state)
{
	struct world *w = *state;

	world_network(w, "ours");
	world_make(w, WORLD_NET, POOL);
	assert_int_equal(world_name(w, WORLD_NET, "ours"), -EEXIST);
	assert_int_equal(world_name(w, WORLD_NET, "bridge"), -EEXIST);
	assert_true(record_has(w, WORLD_NET, "docker-dd"));
	assert_int_equal(w->docker->refused.n, 1);
	assert_int_equal(world_name(w, WORLD_NET, "mine"), 0);
	assert_int_equal(w->docker->refused.n, 0);
}

static void ids_that_are_not_hex(void **state)
{
	static const char swarm[] = "sane4kb85gqnz4p0a8uj76p67";
	struct world *w = *state;
	struct plugin_call c = { 0 };

	assert_false(
		id_eq(docker_network_id(swarm), docker_network_id("sane4kb85gqnz4p0a8uj76p68")));
	world_make(w, swarm, POOL);
	assert_non_null(docker_network_of(w->docker, swarm));
	assert_int_equal(world_delete(w, &c, swarm), 0);
	world_clean(w);
	world_call_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_named_and_removed, world_open, world_close),
		cmocka_unit_test_setup_teardown(ready_at_once_without_the_api, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(options_and_words_of_refusal, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(joined_and_left_to_its_owner, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(left_and_gone_with_the_last, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(removed_elsewhere, world_open, world_close),
		cmocka_unit_test_setup_teardown(deleted_while_etcd_is_away, world_open,
						world_close),
		cmocka_unit_test_setup_teardown(what_docker_has_lost, world_open, world_close),
		cmocka_unit_test_setup_teardown(a_name_that_is_taken, world_open, world_close),
		cmocka_unit_test_setup_teardown(ids_that_are_not_hex, world_open, world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
