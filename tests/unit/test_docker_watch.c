/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop against a small Docker and an etcd in memory: whatever is out of step comes together, and then nothing more is done. */
#include "agent/docker/docker_watch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/docker_watch_lab.h"

static void test_create(void **state)
{
	struct docker_watch_state s;
	struct lab l;

	(void)state;
	lab_start(&l, true);
	put_network(&l, 1, "demo");
	put_network(&l, 2, "docker-pending");
	put_network(&l, 50, "left");
	run_all(&l);
	expect_only(&l, "container name-c0;POST /networks/create;");
	assert_string_equal(l.docker[0].name, "demo");
	assert_string_equal(l.docker[0].ref, hex(1));
	/* One that comes later, and one that gets its name. */
	put_network(&l, 3, "other");
	until(&l, "create;POST /networks/create;");
	put_network(&l, 2, "named");
	until(&l, "create;POST /networks/create;POST /networks/create;");
	more_passes(&l);
	assert_int_equal(l.n_docker, 3);
	docker_watch_state(l.w, &s);
	assert_true(s.connected && !s.swarm && s.networks == 3 && s.strange == 0);
	assert_string_equal(s.version, "20.10.24");
	lab_stop(&l);
}

static void test_not_before_the_picture(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	put_network(&l, 1, "demo");
	docker_put(&l, "d7", "old", hex(7));
	docker_watch_start(l.w);
	until(&l, "container");
	docker_watch_soon(l.w, NULL);
	for (int i = 0; i < 20; i++)
		uv_run(&l.s.loop, UV_RUN_ONCE);
	assert_int_equal(l.lists, 0);
	mirror_start(l.m);
	expect_only(&l, "container name-c0;POST /networks/create;DELETE /networks/d7;");
	lab_stop(&l);
}

static void test_name(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	put_network(&l, 1, "docker-010100000000");
	put_binding(&l, 1, hex(1));
	put_network(&l, 2, "docker-020100000000");
	put_binding(&l, 2, hex(2));
	docker_put(&l, hex(1), "demo", NULL);
	docker_put(&l, hex(2), "taken", NULL);
	run_all(&l);
	until(&l, "name docker-010100000000 demo;");
	until(&l, "name docker-020100000000 taken;");
	more_passes(&l);
	assert_string_equal(docker_watch_why(l.w, id_of(2)),
			    "a network of the cluster has the name taken");
	assert_null(strstr(l.s.told.data, "POST"));
	assert_null(strstr(l.s.told.data, "DELETE"));
	lab_stop(&l);
}

static void test_remove(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	put_network(&l, 1, "mine");
	put_binding(&l, 1, hex(1));
	put_network(&l, 2, "joined");
	put_binding(&l, 2, "d2");
	docker_put(&l, hex(1), "mine", NULL);
	docker_put(&l, "d2", "joined", hex(2));
	docker_put(&l, "d3", "foreign", NULL);
	docker_watch_delays(l.w, SETTLE_MS, 3600000, AGAIN_MS); /* told: not to be believed first */
	run_all(&l);
	expect_only(&l, "container name-c0;");
	del_network(&l, 1);
	until(&l, hex(1));
	del_network(&l, 2);
	until(&l, "DELETE /networks/d2;");
	more_passes(&l);
	assert_int_equal(l.n_docker, 1);
	assert_string_equal(l.docker[0].id, "d3");
	lab_stop(&l);
}

static void test_busy(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	docker_put(&l, "d2", "joined", hex(2));
	l.refuse = "HTTP/1.1 403 Forbidden\r\n\r\n{\"message\":\"has active endpoints\"}";
	docker_watch_delays(l.w, SETTLE_MS, 0, 3600000);
	run_all(&l);
	expect_only(&l, "container name-c0;DELETE /networks/d2;");
	/* Its last container goes. */
	l.refuse = NULL;
	docker_lab_push(
		&l.s,
		"{\"Type\":\"network\",\"Action\":\"disconnect\",\"Actor\":{\"ID\":\"d2\","
		"\"Attributes\":{\"container\":\"c1\",\"name\":\"joined\",\"type\":\"ovl\"}}}\n");
	expect_only(&l, "container name-c0;DELETE /networks/d2;DELETE /networks/d2;");
	assert_int_equal(l.n_docker, 0);
	lab_stop(&l);
}

static void test_unbind(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	put_network(&l, 1, "lost");
	put_binding(&l, 1, "d1");
	run_all(&l);
	/* Nobody told: the binding goes, and the network is made in Docker again. */
	expect_only(&l, "container name-c0;unbind lost d1 missing;POST /networks/create;");
	lab_stop(&l);
}

static void test_unbind_told(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	put_network(&l, 50, "net");
	put_binding(&l, 50, "d1");
	docker_put(&l, "d1", "net", hex(50));
	docker_watch_delays(l.w, SETTLE_MS, 3600000, AGAIN_MS);
	run_all(&l);
	expect_only(&l, "container name-c0;");
	docker_del(&l, "d1");
	more_passes(&l);
	assert_string_equal(docker_watch_why(l.w, id_of(50)), "");
	docker_lab_push(&l.s,
			"{\"Type\":\"network\",\"Action\":\"destroy\",\"Actor\":{\"ID\":\"d1\","
			"\"Attributes\":{\"name\":\"net\",\"type\":\"ovl\"}}}\n");
	expect_only(&l, "container name-c0;unbind net d1 told;");
	lab_stop(&l);
}

static void test_bind(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	put_network(&l, 1, "net");
	docker_put(&l, "d1", "mine", "net");
	run_all(&l);
	expect_only(&l, "container name-c0;bind net d1;");
	lab_stop(&l);
}

static void test_name_in_the_way(void **state)
{
	struct docker_watch_state s;
	struct lab l;

	(void)state;
	lab_start(&l, true);
	put_network(&l, 1, "demo");
	put_network(&l, 2, "own");
	docker_put(&l, "d2", "own", NULL); /* a stranger of our driver */
	l.refuse =
		"HTTP/1.1 409 Conflict\r\n\r\n{\"message\":\"network with name demo already exists\"}";
	docker_watch_delays(l.w, SETTLE_MS, 0, 3600000);
	run_all(&l);
	expect_only(&l, "container name-c0;POST /networks/create;");
	assert_string_equal(docker_watch_why(l.w, id_of(1)),
			    "network with name demo already exists (HTTP 409)");
	assert_string_equal(docker_watch_why(l.w, id_of(2)),
			    "Docker has another network of that name: d2");
	docker_watch_state(l.w, &s);
	assert_int_equal(s.strange, 2);
	/* A bridge goes: the name is free. */
	l.refuse = NULL;
	docker_lab_push(&l.s,
			"{\"Type\":\"network\",\"Action\":\"destroy\",\"Actor\":{\"ID\":\"b1\","
			"\"Attributes\":{\"name\":\"demo\",\"type\":\"bridge\"}}}\n");
	expect_only(&l, "container name-c0;POST /networks/create;POST /networks/create;");
	docker_del(&l, "d2");
	docker_lab_push(&l.s,
			"{\"Type\":\"network\",\"Action\":\"destroy\",\"Actor\":{\"ID\":\"d2\","
			"\"Attributes\":{\"name\":\"own\",\"type\":\"ovl\"}}}\n");
	until(&l, "create;POST /networks/create;POST /networks/create;");
	more_passes(&l);
	docker_watch_state(l.w, &s);
	assert_int_equal(s.strange, 0);
	lab_stop(&l);
}

static void test_failing(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	put_network(&l, 1, "demo");
	l.refuse = "HTTP/1.1 500 Error\r\n\r\n{\"message\":\"remote: etcd is away\"}";
	run_all(&l);
	until(&l, "create;POST /networks/create;POST /networks/create;POST");
	l.refuse = NULL;
	docker_watch_soon(l.w, &(struct id){ .b = { 1, 1 } });
	while (l.n_docker == 0)
		uv_run(&l.s.loop, UV_RUN_ONCE);
	lab_stop(&l);
}

static void test_containers(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	run_all(&l);
	until(&l, "container name-c0;");
	docker_lab_push(
		&l.s,
		"{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":{\"ID\":\"n\","
		"\"Attributes\":{\"container\":\"c1\",\"name\":\"x\",\"type\":\"ovl\"}}}\n"
		"{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":{\"ID\":\"n\","
		"\"Attributes\":{\"container\":\"c9\",\"name\":\"x\",\"type\":\"macvlan\"}}}\n"
		"{\"Type\":\"network\",\"Action\":\"disconnect\",\"Actor\":{\"ID\":\"n\","
		"\"Attributes\":{\"container\":\"c5\",\"name\":\"x\",\"type\":\"bridge\"}}}\n"
		"{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"c1\"}}\n"
		"{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"c2\"}}\n"
		"{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"c3\"}}\n"
		"{\"Type\":\"container\",\"Action\":\"rename\",\"Actor\":{\"ID\":\"c4\"}}\n");
	until(&l, "name-c4;");
	assert_string_equal(
		l.s.told.data,
		"container name-c0;container name-c1;container name-c5;container name-c2;container name-c4;");
	lab_stop(&l);
}

static void test_containers_later(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	l.fail_names = 2;
	run_all(&l);
	while (l.fail_names > 0) {
		docker_watch_soon(l.w, NULL);
		uv_run(&l.s.loop, UV_RUN_ONCE);
	}
	docker_watch_soon(l.w, NULL);
	until(&l, "container name-c0;");
	lab_stop(&l);
}

/* More than are looked at in one turn. */
static void test_many(void **state)
{
	struct docker_watch_state s;
	struct lab l;

	(void)state;
	lab_start(&l, true);
	for (unsigned i = 0; i + 1 < NETS; i++) { /* one is made */
		char id[16];

		snprintf(id, sizeof(id), "d%u", i);
		docker_put(&l, id, id, NULL);
	}
	docker_watch_delays(l.w, SETTLE_MS, 0, AGAIN_MS);
	put_network(&l, 1, "demo");
	run_all(&l);
	expect_only(&l, "container name-c0;POST /networks/create;");
	docker_watch_state(l.w, &s);
	assert_int_equal(s.strange, NETS - 1);
	lab_stop(&l);
}

static bool is_away(void *user)
{
	struct docker_watch_state s;

	docker_watch_state(user, &s);
	return !s.connected && *s.problem;
}

static void test_docker_comes_and_goes(void **state)
{
	struct docker_watch_state s;
	struct lab l;

	(void)state;
	lab_start(&l, false);
	put_network(&l, 1, "demo");
	run_all(&l);
	docker_lab_until_true(&l.s, is_away, l.w, "that Docker is away");
	docker_watch_state(l.w, &s);
	assert_non_null(strstr(s.problem, "No such file"));
	docker_lab_serve(&l.s);
	until(&l, "POST /networks/create;");
	docker_lab_cut(&l.s);
	docker_lab_until_true(&l.s, is_away, l.w, "that Docker is away");
	put_network(&l, 2, "meanwhile");
	until(&l, "name-c0;POST /networks/create;");
	lab_stop(&l);
}

static void test_close(void **state)
{
	struct err e = { 0 };
	struct lab l;

	(void)state;
	/* With a step that is done elsewhere, ... */
	lab_start(&l, true);
	put_network(&l, 1, "lost");
	put_binding(&l, 1, "d1");
	l.keep_step = true;
	run_all(&l);
	until(&l, "unbind");
	docker_watch_close(TAKE_PTR(l.w));
	docker_step_done(l.later, -EIO, &e);
	lab_stop(&l);
	/* ... from inside one, ... */
	lab_start(&l, true);
	put_network(&l, 1, "lost");
	put_binding(&l, 1, "d1");
	l.close_in_step = true;
	run_all(&l);
	until(&l, "unbind");
	lab_stop(&l);
	/* ... with a call of the API, and before the first. */
	lab_start(&l, true);
	put_network(&l, 1, "demo");
	run_all(&l);
	until(&l, "POST");
	lab_stop(&l);
	lab_start(&l, true);
	lab_stop(&l);
	docker_watch_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_not_before_the_picture),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_unbind),
		cmocka_unit_test(test_unbind_told),
		cmocka_unit_test(test_bind),
		cmocka_unit_test(test_name_in_the_way),
		cmocka_unit_test(test_failing),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_containers_later),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_docker_comes_and_goes),
		cmocka_unit_test(test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
