/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit/endpoint_lab.h"

#define KEY "/var/run/docker/netns/0123456789ab"
#define OTHER_KEY "/var/run/docker/netns/ba9876543210"

static uint64_t writes(struct lab *w)
{
	return w->k->ops->writes(w->k);
}

static void whole_life(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	const struct local_endpoint *row;
	struct err e = { 0 };

	w->etcd = true;
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	row = endpoint_get(w->es, id);
	assert_string_equal(row->engine, "docker");
	assert_string_equal(row->engine_network, "dddd");
	assert_true(id_has_prefix(id, row->name));
	assert_int_equal(strlen(row->name), 12);
	assert_null(row->target.path);
	assert_null(lab_docker_port(w, LAB_OVER, id));
	assert_int_equal(lab_locals(w, LAB_OVER, NULL), 0);
	assert_int_equal(endpoint_count(w->es), 0);

	assert_int_equal(lab_docker_join(w, id, KEY), 0);
	assert_true(lab_docker_port(w, LAB_OVER, id)->up);
	assert_true(lab_docker_port(w, LAB_OVER, id)->handed);
	assert_string_equal(row->target.path, KEY);
	assert_true(row->target.netns_dev == ENDPOINT_DOCKER_DEV);
	assert_true(row->target.netns_ino == endpoint_docker_place(KEY));
	assert_int_equal(w->told, 1);
	assert_int_equal(endpoint_count(w->es), 1);

	assert_int_equal(endpoint_docker_leave(w->es, id, &e), 0);
	lab_turn(w);
	assert_null(lab_docker_port(w, LAB_OVER, id));
	assert_null(row->target.path);
	assert_int_equal(w->told_gone, 1);
	assert_int_equal(lab_rows(w), 1);
	assert_int_equal(w->releases, 0);

	assert_int_equal(w->reserved, 1);
	lab_docker_delete(w, id);
	assert_int_equal(w->unbinds, 1); /* its addresses are Docker's still */
	assert_int_equal(w->releases, 0);
	assert_int_equal(lab_rows(w), 0);
	assert_null(endpoint_get(w->es, id));
	assert_int_equal(w->told, 1);
	assert_int_equal(w->told_gone, 1);
}

static void every_call_may_be_repeated(void **state)
{
	struct lab *w = *state;
	struct id id = id_random(), unknown = id_random();
	struct endpoint_docker_request req = lab_docker(w, LAB_OVER, id);
	struct err e = { 0 };
	uint64_t before;

	w->etcd = true;
	assert_int_equal(lab_docker_join(w, unknown, KEY), -ENOENT);
	assert_int_equal(endpoint_docker_leave(w->es, unknown, &e), 0);
	lab_docker_delete(w, unknown);
	/* Twice before the claim is answered: both are. */
	endpoint_docker_create(w->es, &req, lab_answered, w);
	w->a = (struct lab_answer){ 0 };
	endpoint_docker_create(w->es, &req, lab_answered, w);
	assert_int_equal(lab_docker_join(w, id, KEY), -EAGAIN);
	lab_turn(w);
	assert_int_equal(w->a.n, 2);
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	assert_int_equal(w->creates, 1);
	assert_int_equal(lab_rows(w), 1);
	assert_int_equal(lab_docker_create(w, LAB_OVER2, id), -EEXIST);
	req.ip4 = ip_v4(0x0a000063);
	w->a = (struct lab_answer){ 0 };
	endpoint_docker_create(w->es, &req, lab_answered, w);
	assert_int_equal(w->a.status, -EEXIST);

	assert_int_equal(endpoint_docker_leave(w->es, id, &e), 0); /* not joined */
	assert_int_equal(lab_docker_join(w, id, ""), -EINVAL);
	assert_int_equal(lab_docker_join(w, id, KEY), 0);
	before = writes(w);
	assert_int_equal(lab_docker_join(w, id, KEY), 0);
	assert_true(writes(w) == before);
	/* The leave was lost: another sandbox means another interface. */
	assert_int_equal(lab_docker_join(w, id, OTHER_KEY), 0);
	assert_true(writes(w) > before);
	assert_int_equal(endpoint_count(w->es), 1);
	assert_string_equal(endpoint_get(w->es, id)->target.path, OTHER_KEY);
	lab_turn(w);
	assert_non_null(lab_docker_port(w, LAB_OVER, id));
	assert_int_equal(endpoint_docker_leave(w->es, id, &e), 0);
	assert_int_equal(endpoint_docker_leave(w->es, id, &e), 0);
	lab_docker_delete(w, id);
	lab_docker_delete(w, id);
	assert_int_equal(w->unbinds, 1);
}

static void deleted_without_a_leave(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();

	w->etcd = true;
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	assert_int_equal(lab_docker_join(w, id, KEY), 0);
	lab_docker_delete(w, id);
	assert_null(lab_docker_port(w, LAB_OVER, id));
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(w->told_gone, 1);
	assert_null(fake_kernel_net(w->f, network_key(w->nets[LAB_OVER])));
}

static void etcd_away(void **state)
{
	struct lab *w = *state;
	struct id id = id_random(), other = id_random();
	struct err e = { 0 };

	assert_int_equal(lab_docker_create(w, LAB_OVER, id), -EHOSTUNREACH);
	assert_int_equal(lab_rows(w), 0);
	w->etcd = true;
	w->claim_status = -EADDRINUSE;
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), -EADDRINUSE);
	w->claim_status = 0;
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	assert_int_equal(lab_docker_create(w, LAB_OVER, other), 0);

	/* Joins and leaves need no etcd; a delete succeeds, and is sent later. */
	w->etcd = false;
	w->claim_status = -EHOSTUNREACH;
	w->releases = 0;
	assert_int_equal(lab_docker_join(w, id, KEY), 0);
	assert_int_equal(endpoint_docker_leave(w->es, id, &e), 0);
	lab_docker_delete(w, id);
	lab_docker_delete(w, id);
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), -EBUSY);
	assert_int_equal(lab_rows(w), 2);
	w->etcd = true;
	w->claim_status = 0;
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_int_equal(lab_rows(w), 1);
	assert_int_equal(w->unbinds, 0); /* Docker has given them back, and was told so */
	assert_int_equal(w->releases, 2);
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);

	/* Asked in vain, and the lease gone: all of it is given back. */
	w->releases = 0;
	w->claim_status = -ETIMEDOUT;
	lab_docker_delete(w, id);
	w->claim_status = 0;
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_int_equal(w->unbinds, 1);
	assert_int_equal(w->releases, 1);
	w->lease_gone = true;
	lab_docker_delete(w, other);
	assert_int_equal(w->unbinds, 2);
	assert_int_equal(w->releases, 2);
	assert_int_equal(lab_rows(w), 0);
}

/* ReleaseAddress is refused then: reservations would stay until they are swept. */
static void etcd_is_another(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();

	w->etcd = true;
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	w->frozen = true;
	lab_docker_delete(w, id);
	lab_turn(w);
	assert_int_equal(w->unbinds, 0);
	assert_int_equal(w->releases, 1);
	assert_int_equal(lab_rows(w), 0);
}

/* The answer of a claim is not there yet when Docker gives up, and when the agent ends. */
static void lost_answers(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	struct endpoint_docker_request req = lab_docker(w, LAB_OVER, id);

	w->etcd = true;
	w->a = (struct lab_answer){ 0 };
	endpoint_docker_create(w->es, &req, lab_answered, w);
	endpoint_docker_delete(w->es, id, lab_answered, w);
	assert_int_equal(w->a.n, 0);
	lab_turn(w);
	assert_int_equal(w->a.n, 2);
	assert_int_equal(w->releases, 1);
	assert_int_equal(lab_rows(w), 0);

	endpoint_docker_create(w->es, &req, lab_answered, w);
	lab_restart(w, "boot");
	assert_int_equal(lab_rows(w), 1);
	assert_int_equal(lab_docker_join(w, id, KEY), -ENOENT);
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_int_equal(w->releases, 2);
	assert_int_equal(lab_rows(w), 0);
}

static void turn_until_answered(struct lab *w)
{
	uint64_t deadline = clock_boot_ms() + 10000;

	while (w->a.n == 0 && clock_boot_ms() < deadline)
		lab_turn(w);
	assert_int_equal(w->a.n, 1);
}

/* A network just made gets its name while its first endpoint is claimed. */
static void the_record_of_the_network_changes(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	struct endpoint_docker_request req = lab_docker(w, LAB_OVER, id);

	w->etcd = true;
	w->nets[LAB_OVER]->mod_revision = 5;
	w->claim_status = -ESTALE;
	req.ip4 = ip_v4(0x0a000063);
	endpoint_docker_create(w->es, &req, lab_answered, w);
	lab_turn(w);
	assert_int_equal(w->a.n, 0);
	w->nets[LAB_OVER]->mod_revision = 6;
	w->claim_status = 0;
	turn_until_answered(w);
	assert_int_equal(w->a.status, 0);
	assert_int_equal(w->creates, 2);
	assert_true(ip_eq(w->a.ip4, req.ip4));
	lab_docker_delete(w, id);

	/* Deleted meanwhile, and never heard of again. */
	w->claim_status = -ESTALE;
	endpoint_docker_create(w->es, &req, NULL, w);
	lab_turn(w);
	w->claim_status = 0;
	w->a = (struct lab_answer){ 0 };
	endpoint_docker_delete(w->es, id, lab_answered, w);
	turn_until_answered(w);
	assert_int_equal(w->a.status, 0);
	w->claim_status = -ESTALE;
	w->a = (struct lab_answer){ 0 };
	endpoint_docker_create(w->es, &req, lab_answered, w);
	turn_until_answered(w);
	assert_int_equal(w->a.status, -ESTALE);
	w->claim_status = 0;
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_int_equal(lab_rows(w), 0);
}

static void outlives_the_agent(void **state)
{
	struct lab *w = *state;
	struct id held = id_random(), joined = id_random();
	uint64_t before;
	struct err e = { 0 };

	w->etcd = true;
	assert_int_equal(lab_docker_create(w, LAB_OVER, held), 0);
	assert_int_equal(lab_docker_create(w, LAB_OVER, joined), 0);
	assert_int_equal(lab_docker_join(w, joined, KEY), 0);
	lab_turn(w);
	before = writes(w);
	lab_restart(w, "boot");
	assert_true(writes(w) == before);
	assert_int_equal(w->releases, 0);
	assert_int_equal(endpoint_count(w->es), 1);
	assert_string_equal(endpoint_get(w->es, joined)->engine, "docker");
	assert_true(endpoint_get(w->es, joined)->target.netns_dev == ENDPOINT_DOCKER_DEV);
	assert_non_null(lab_docker_port(w, LAB_OVER, joined));
	assert_int_equal(lab_docker_join(w, joined, KEY), 0);
	assert_true(writes(w) == before);
	assert_int_equal(lab_docker_join(w, held, OTHER_KEY), 0);
	assert_int_equal(endpoint_docker_leave(w->es, joined, &e), 0);
	lab_restart(w, "boot");
	assert_int_equal(endpoint_count(w->es), 1);
	assert_null(lab_docker_port(w, LAB_OVER, joined));
	assert_non_null(lab_docker_port(w, LAB_OVER, held));

	/* Nothing of it is left after a boot. */
	lab_restart(w, "another");
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_int_equal(w->releases, 2);
	assert_int_equal(lab_rows(w), 0);
}

static void ended_between_row_and_port(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();

	w->etcd = true;
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	assert_int_equal(lab_docker_join(w, id, KEY), 0);
	fake_kernel_mute(w->f, true);
	fake_kernel_kill(w->f, KEY);
	fake_kernel_mute(w->f, false);
	lab_restart(w, "boot");
	assert_true(endpoint_get(w->es, id)->lost);
	assert_null(lab_docker_port(w, LAB_OVER, id));
	assert_int_equal(lab_docker_join(w, id, KEY), 0); /* asked for again: made again */
	assert_false(endpoint_get(w->es, id)->lost);
	assert_true(lab_docker_port(w, LAB_OVER, id)->up);
}

static void a_port_lost_is_told_and_not_made_again(void **state)
{
	struct lab *w = *state;
	struct id id = id_random(), other = id_random();
	uint64_t before;

	w->etcd = true;
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	assert_int_equal(lab_docker_create(w, LAB_OVER, other), 0);
	assert_int_equal(lab_docker_join(w, id, KEY), 0);
	assert_int_equal(lab_docker_join(w, other, OTHER_KEY), 0);
	/* A sandbox's file that cannot be found says nothing. */
	fake_kernel_bury(w->f, OTHER_KEY);
	lab_turn(w);
	reconcile_audit(w->r);
	lab_turn(w);
	assert_false(endpoint_get(w->es, other)->lost);

	fake_kernel_kill(w->f, KEY);
	lab_turn(w);
	reconcile_audit(w->r);
	lab_turn(w);
	assert_true(endpoint_get(w->es, id)->lost);
	assert_null(lab_docker_port(w, LAB_OVER, id));
	assert_non_null(lab_docker_port(w, LAB_OVER, other));
	assert_int_equal(w->releases, 0);
	before = writes(w);
	reconcile_audit(w->r);
	lab_turn(w);
	assert_true(writes(w) == before);
	lab_docker_delete(w, id);
	assert_int_equal(w->unbinds, 1);
	assert_int_equal(lab_rows(w), 1);
}

static void a_join_that_fails_leaves_nothing(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	char name[IFNAMSIZ];

	w->etcd = true;
	state_port_name(id, name);
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	fake_kernel_fail_port(w->f, name, -EEXIST);
	assert_int_equal(lab_docker_join(w, id, KEY), -EEXIST);
	assert_int_equal(endpoint_count(w->es), 0);
	assert_null(endpoint_get(w->es, id)->target.path);
	assert_int_equal(w->told, 0);
	fake_kernel_fail_port(w->f, name, 0);
	lab_turn(w);
	assert_null(lab_docker_port(w, LAB_OVER, id));
	assert_int_equal(lab_docker_join(w, id, KEY), 0);
}

/* Two networks of one container are one client; neither bears a way out of ours. */
static void two_of_one_sandbox(void **state)
{
	struct lab *w = *state;
	struct id a = id_random(), b = id_random();
	const struct local_endpoint *ra, *rb;

	w->etcd = true;
	assert_int_equal(lab_docker_create(w, LAB_OVER, a), 0);
	assert_int_equal(lab_docker_create(w, LAB_OVER2, b), 0);
	assert_int_equal(lab_docker_join(w, a, KEY), 0);
	assert_int_equal(lab_docker_join(w, b, KEY), 0);
	endpoints_settle_sandboxes(w->es);
	lab_turn(w);
	ra = endpoint_get(w->es, a);
	rb = endpoint_get(w->es, b);
	assert_true(ra->target.netns_ino == rb->target.netns_ino);
	assert_string_not_equal(ra->ifname, rb->ifname);
	assert_int_equal(lab_locals(w, LAB_EGRESS, NULL), 0);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_DEFAULT_ROUTE), 0);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_FORWARDING), 0);
	assert_int_equal(w->told_sandbox, 0);
	lab_restart(w, "boot");
	endpoints_settle_sandboxes(w->es);
	lab_turn(w);
	assert_int_equal(lab_locals(w, LAB_EGRESS, NULL), 0);
	assert_int_equal(lab_rows(w), 2);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_DEFAULT_ROUTE), 0);
	lab_docker_delete(w, a);
	assert_non_null(lab_docker_port(w, LAB_OVER2, b));
	assert_int_equal(w->told_sandbox, 0);
}

static void only_docker_disconnects_it(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();

	w->etcd = true;
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	lab_leave(w, LAB_OVER, endpoint_get(w->es, id)->name);
	assert_int_equal(w->a.status, -EACCES);
	assert_non_null(strstr(w->a.why, "docker network disconnect"));
	assert_int_equal(lab_docker_join(w, id, KEY), 0);
	lab_leave(w, LAB_OVER, KEY);
	assert_int_equal(w->a.status, -EACCES);
	/* Its neighbours come and go. */
	lab_connect(w, LAB_OVER, "1");
	lab_leave(w, LAB_OVER, "1");
	assert_int_equal(w->a.status, 0);
	assert_non_null(lab_docker_port(w, LAB_OVER, id));
}

static void bad_requests(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	struct endpoint_docker_request req = lab_docker(w, LAB_OVER, id);

	w->etcd = true;
	assert_int_equal(lab_docker_create(w, LAB_BRIDGE, id), -EINVAL);
	req.mac = (struct mac){ { 1, 0, 0, 0, 0, 1 } };
	endpoint_docker_create(w->es, &req, lab_answered, w);
	assert_int_equal(w->a.status, -EINVAL);
	req.mac = (struct mac){ { 2, 0, 0, 0, 0, 1 } };
	req.network = id_random();
	endpoint_docker_create(w->es, &req, lab_answered, w);
	assert_int_equal(w->a.status, -ENOENT);
	assert_int_equal(lab_rows(w), 0);
	req.network = w->nets[LAB_OVER]->id;
	req.ip4 = ip_v4(0x0a000063);
	endpoint_docker_create(w->es, &req, lab_answered, w);
	lab_turn(w);
	assert_int_equal(w->a.status, 0);
	assert_true(ip_eq(endpoint_get(w->es, id)->ip4, req.ip4));
	assert_true(mac_eq(endpoint_get(w->es, id)->mac, req.mac));
}

#define T(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(whole_life),
		T(every_call_may_be_repeated),
		T(deleted_without_a_leave),
		T(etcd_away),
		T(etcd_is_another),
		T(lost_answers),
		T(the_record_of_the_network_changes),
		T(outlives_the_agent),
		T(ended_between_row_and_port),
		T(a_port_lost_is_told_and_not_made_again),
		T(a_join_that_fails_leaves_nothing),
		T(two_of_one_sandbox),
		T(only_docker_disconnects_it),
		T(bad_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
