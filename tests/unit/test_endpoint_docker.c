/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/endpoint_lab.h"

#define KEY "/var/run/docker/netns/0123456789ab"
#define OTHER_KEY "/var/run/docker/netns/ba9876543210"
#define CONTAINER "c0ffee"

static void answered(void *user, int status, const struct local_endpoint *ep, const struct err *e)
{
	struct lab *w = user;
	unsigned n = w->a.n + 1;

	w->a = (struct lab_answer){ .n = n, .status = status };
	snprintf(w->a.why, sizeof(w->a.why), "%.500s", status < 0 ? err_text(e) : "");
	if (status == 0 && ep)
		w->a.ip4 = ep->ip4;
}

static struct endpoint_docker_request request(struct lab *w, enum lab_net net, struct id id)
{
	static const char network[] = "dddd";

	return (struct endpoint_docker_request){ .id = id,
						 .network = w->nets[net]->id,
						 .docker_network = network };
}

static int create(struct lab *w, enum lab_net net, struct id id)
{
	struct endpoint_docker_request req = request(w, net, id);

	w->a = (struct lab_answer){ 0 };
	endpoint_docker_create(w->es, &req, answered, w);
	lab_turn(w);
	assert_int_equal(w->a.n, 1);
	return w->a.status;
}

static int join(struct lab *w, struct id id, const char *key)
{
	char ifname[IFNAMSIZ] = "", want[IFNAMSIZ];
	struct err e = { 0 };
	int r = endpoint_docker_join(w->es, id, key, ifname, &e);

	state_handed_name(id, want);
	assert_string_equal(ifname, r == 0 ? want : "");
	snprintf(w->a.why, sizeof(w->a.why), "%.500s", r < 0 ? err_text(&e) : "");
	return r;
}

static void remove_it(struct lab *w, struct id id)
{
	w->a = (struct lab_answer){ 0 };
	endpoint_docker_delete(w->es, id, answered, w);
	lab_turn(w);
	assert_int_equal(w->a.n, 1);
	assert_int_equal(w->a.status, 0);
}

static const struct state_port *port_of(struct lab *w, enum lab_net net, struct id id)
{
	const struct state_net *n = fake_kernel_net(w->f, network_key(w->nets[net]));
	char name[IFNAMSIZ];

	state_port_name(id, name);
	return n ? state_net_port(n, name) : NULL;
}

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
	assert_int_equal(create(w, LAB_OVER, id), 0);
	row = endpoint_get(w->es, id);
	assert_string_equal(row->engine, "docker");
	assert_string_equal(row->engine_network, "dddd");
	assert_true(id_has_prefix(id, row->name));
	assert_int_equal(strlen(row->name), 12);
	assert_null(row->target.path);
	assert_null(port_of(w, LAB_OVER, id));
	assert_int_equal(lab_locals(w, LAB_OVER, NULL), 0);
	assert_int_equal(endpoint_count(w->es), 0);

	assert_int_equal(join(w, id, KEY), 0);
	assert_true(port_of(w, LAB_OVER, id)->up);
	assert_true(port_of(w, LAB_OVER, id)->handed);
	assert_string_equal(row->target.path, KEY);
	assert_true(row->target.netns_dev == ENDPOINT_DOCKER_DEV);
	assert_true(row->target.netns_ino == endpoint_docker_place(KEY));
	assert_int_equal(w->told, 1);
	assert_int_equal(endpoint_count(w->es), 1);

	assert_int_equal(endpoint_docker_leave(w->es, id, &e), 0);
	lab_turn(w);
	assert_null(port_of(w, LAB_OVER, id));
	assert_null(row->target.path);
	assert_int_equal(w->told_gone, 1);
	assert_int_equal(lab_rows(w), 1);
	assert_int_equal(w->releases, 0);

	remove_it(w, id);
	assert_int_equal(w->releases, 1);
	assert_int_equal(lab_rows(w), 0);
	assert_null(endpoint_get(w->es, id));
	assert_int_equal(w->told, 1);
	assert_int_equal(w->told_gone, 1);
}

static void every_call_may_be_repeated(void **state)
{
	struct lab *w = *state;
	struct id id = id_random(), unknown = id_random();
	struct endpoint_docker_request req = request(w, LAB_OVER, id);
	struct err e = { 0 };
	uint64_t before;

	w->etcd = true;
	assert_int_equal(join(w, unknown, KEY), -ENOENT);
	assert_int_equal(endpoint_docker_leave(w->es, unknown, &e), 0);
	remove_it(w, unknown);
	/* Twice before the claim is answered: both are. */
	endpoint_docker_create(w->es, &req, answered, w);
	w->a = (struct lab_answer){ 0 };
	endpoint_docker_create(w->es, &req, answered, w);
	assert_int_equal(join(w, id, KEY), -EAGAIN);
	lab_turn(w);
	assert_int_equal(w->a.n, 2);
	assert_int_equal(create(w, LAB_OVER, id), 0);
	assert_int_equal(w->creates, 1);
	assert_int_equal(lab_rows(w), 1);
	assert_int_equal(create(w, LAB_OVER2, id), -EEXIST);
	req.ip4 = ip_v4(0x0a000063);
	w->a = (struct lab_answer){ 0 };
	endpoint_docker_create(w->es, &req, answered, w);
	assert_int_equal(w->a.status, -EEXIST);

	assert_int_equal(endpoint_docker_leave(w->es, id, &e), 0); /* not joined */
	assert_int_equal(join(w, id, ""), -EINVAL);
	assert_int_equal(join(w, id, KEY), 0);
	before = writes(w);
	assert_int_equal(join(w, id, KEY), 0);
	assert_true(writes(w) == before);
	/* The leave was lost: another sandbox means another interface. */
	assert_int_equal(join(w, id, OTHER_KEY), 0);
	assert_true(writes(w) > before);
	assert_int_equal(endpoint_count(w->es), 1);
	assert_string_equal(endpoint_get(w->es, id)->target.path, OTHER_KEY);
	lab_turn(w);
	assert_non_null(port_of(w, LAB_OVER, id));
	assert_int_equal(endpoint_docker_leave(w->es, id, &e), 0);
	assert_int_equal(endpoint_docker_leave(w->es, id, &e), 0);
	remove_it(w, id);
	remove_it(w, id);
	assert_int_equal(w->releases, 1);
}

static void deleted_without_a_leave(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();

	w->etcd = true;
	assert_int_equal(create(w, LAB_OVER, id), 0);
	assert_int_equal(join(w, id, KEY), 0);
	remove_it(w, id);
	assert_null(port_of(w, LAB_OVER, id));
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(w->told_gone, 1);
	assert_null(fake_kernel_net(w->f, network_key(w->nets[LAB_OVER])));
}

static void etcd_away(void **state)
{
	struct lab *w = *state;
	struct id id = id_random(), other = id_random();
	struct err e = { 0 };

	assert_int_equal(create(w, LAB_OVER, id), -EHOSTUNREACH);
	assert_int_equal(lab_rows(w), 0);
	w->etcd = true;
	w->claim_status = -EADDRINUSE;
	assert_int_equal(create(w, LAB_OVER, id), -EADDRINUSE);
	w->claim_status = 0;
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(create(w, LAB_OVER, id), 0);
	assert_int_equal(create(w, LAB_OVER, other), 0);

	/* Joins and leaves need no etcd; a delete succeeds, and is sent later. */
	w->etcd = false;
	w->claim_status = -EHOSTUNREACH;
	w->releases = 0;
	assert_int_equal(join(w, id, KEY), 0);
	assert_int_equal(endpoint_docker_leave(w->es, id, &e), 0);
	remove_it(w, id);
	remove_it(w, id);
	assert_int_equal(create(w, LAB_OVER, id), -EBUSY);
	assert_int_equal(lab_rows(w), 2);
	w->etcd = true;
	w->claim_status = 0;
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_int_equal(lab_rows(w), 1);
	assert_int_equal(w->releases, 2);
	assert_int_equal(create(w, LAB_OVER, id), 0);
}

/* The answer of a claim is not there yet when Docker gives up, and when the agent ends. */
static void lost_answers(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	struct endpoint_docker_request req = request(w, LAB_OVER, id);

	w->etcd = true;
	w->a = (struct lab_answer){ 0 };
	endpoint_docker_create(w->es, &req, answered, w);
	endpoint_docker_delete(w->es, id, answered, w);
	assert_int_equal(w->a.n, 0);
	lab_turn(w);
	assert_int_equal(w->a.n, 2);
	assert_int_equal(w->releases, 1);
	assert_int_equal(lab_rows(w), 0);

	endpoint_docker_create(w->es, &req, answered, w);
	lab_restart(w, "boot");
	assert_int_equal(lab_rows(w), 1);
	assert_int_equal(join(w, id, KEY), -ENOENT);
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_int_equal(w->releases, 2);
	assert_int_equal(lab_rows(w), 0);
}

static void outlives_the_agent(void **state)
{
	struct lab *w = *state;
	struct id held = id_random(), joined = id_random();
	uint64_t before;
	struct err e = { 0 };

	w->etcd = true;
	assert_int_equal(create(w, LAB_OVER, held), 0);
	assert_int_equal(create(w, LAB_OVER, joined), 0);
	assert_int_equal(join(w, joined, KEY), 0);
	lab_turn(w);
	before = writes(w);
	lab_restart(w, "boot");
	assert_true(writes(w) == before);
	assert_int_equal(w->releases, 0);
	assert_int_equal(endpoint_count(w->es), 1);
	assert_string_equal(endpoint_get(w->es, joined)->engine, "docker");
	assert_true(endpoint_get(w->es, joined)->target.netns_dev == ENDPOINT_DOCKER_DEV);
	assert_non_null(port_of(w, LAB_OVER, joined));
	assert_int_equal(join(w, joined, KEY), 0);
	assert_true(writes(w) == before);
	assert_int_equal(join(w, held, OTHER_KEY), 0);
	assert_int_equal(endpoint_docker_leave(w->es, joined, &e), 0);
	lab_restart(w, "boot");
	assert_int_equal(endpoint_count(w->es), 1);
	assert_null(port_of(w, LAB_OVER, joined));
	assert_non_null(port_of(w, LAB_OVER, held));

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
	assert_int_equal(create(w, LAB_OVER, id), 0);
	assert_int_equal(join(w, id, KEY), 0);
	fake_kernel_mute(w->f, true);
	fake_kernel_kill(w->f, KEY);
	fake_kernel_mute(w->f, false);
	lab_restart(w, "boot");
	assert_true(endpoint_get(w->es, id)->lost);
	assert_null(port_of(w, LAB_OVER, id));
	assert_int_equal(join(w, id, KEY), 0); /* asked for again: made again */
	assert_false(endpoint_get(w->es, id)->lost);
	assert_true(port_of(w, LAB_OVER, id)->up);
}

static void a_port_lost_is_told_and_not_made_again(void **state)
{
	struct lab *w = *state;
	struct id id = id_random(), other = id_random();
	uint64_t before;

	w->etcd = true;
	assert_int_equal(create(w, LAB_OVER, id), 0);
	assert_int_equal(create(w, LAB_OVER, other), 0);
	assert_int_equal(join(w, id, KEY), 0);
	assert_int_equal(join(w, other, OTHER_KEY), 0);
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
	assert_null(port_of(w, LAB_OVER, id));
	assert_non_null(port_of(w, LAB_OVER, other));
	assert_int_equal(w->releases, 0);
	before = writes(w);
	reconcile_audit(w->r);
	lab_turn(w);
	assert_true(writes(w) == before);
	remove_it(w, id);
	assert_int_equal(w->releases, 1);
	assert_int_equal(lab_rows(w), 1);
}

static void a_join_that_fails_leaves_nothing(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	char name[IFNAMSIZ];

	w->etcd = true;
	state_port_name(id, name);
	assert_int_equal(create(w, LAB_OVER, id), 0);
	fake_kernel_fail_port(w->f, name, -EEXIST);
	assert_int_equal(join(w, id, KEY), -EEXIST);
	assert_int_equal(endpoint_count(w->es), 0);
	assert_null(endpoint_get(w->es, id)->target.path);
	assert_int_equal(w->told, 0);
	fake_kernel_fail_port(w->f, name, 0);
	lab_turn(w);
	assert_null(port_of(w, LAB_OVER, id));
	assert_int_equal(join(w, id, KEY), 0);
}

static void names_come_later(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	char *const aliases[] = { (char *)"www", (char *)"-no-", (char *)"www", (char *)"web" };
	char *const links[] = { (char *)"db:database", (char *)"nonsense" };
	struct endpoint_docker_names n = { .container = CONTAINER,
					   .name = "shop",
					   .hostname = "shop.example",
					   .aliases = { (char **)aliases, 4 },
					   .links = { (char **)links, 2 } };
	const struct local_endpoint *row;
	unsigned before;

	w->etcd = true;
	endpoint_docker_names(w->es, id, &n);
	assert_int_equal(create(w, LAB_OVER, id), 0);
	assert_int_equal(join(w, id, KEY), 0);
	endpoint_docker_names(w->es, id, &n);
	lab_turn(w);
	row = endpoint_get(w->es, id);
	assert_string_equal(row->name, "shop");
	assert_string_equal(row->hostname, "shop.example");
	assert_string_equal(row->container_id, CONTAINER);
	assert_int_equal(row->aliases.n, 2);
	assert_int_equal(row->links.n, 1);
	assert_int_equal(w->creates, 2);
	assert_string_equal(w->claimed_name, "shop");
	assert_string_equal(w->claimed_sandbox, CONTAINER);
	assert_int_equal(w->claimed_aliases, 2);
	assert_int_equal(w->told, 2);
	endpoint_docker_names(w->es, id, &n); /* nothing new */
	lab_turn(w);
	assert_int_equal(w->creates, 2);

	/* Renamed while etcd is away: put with the next contact. */
	w->claim_status = -EHOSTUNREACH;
	n.name = "store";
	endpoint_docker_names(w->es, id, &n);
	lab_turn(w);
	w->claim_status = 0;
	before = w->creates;
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_true(w->creates > before);
	assert_string_equal(w->claimed_name, "store");
	lab_restart(w, "boot");
	assert_string_equal(endpoint_get(w->es, id)->name, "store");
	assert_int_equal(endpoint_get(w->es, id)->links.n, 1);
}

static void names_before_the_claim_is_answered(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	struct endpoint_docker_request req = request(w, LAB_OVER, id);
	struct endpoint_docker_names n = { .container = CONTAINER, .name = "early" };

	w->etcd = true;
	endpoint_docker_create(w->es, &req, answered, w);
	endpoint_docker_names(w->es, id, &n);
	lab_turn(w);
	assert_int_equal(w->creates, 2);
	assert_string_equal(w->claimed_name, "early");
	/* Given back while its record is put again. */
	n.name = "late";
	endpoint_docker_names(w->es, id, &n);
	remove_it(w, id);
	assert_int_equal(w->releases, 1);
	assert_int_equal(lab_rows(w), 0);
}

/* Two networks of one container are one client; neither bears a way out of ours. */
static void two_of_one_sandbox(void **state)
{
	struct lab *w = *state;
	struct id a = id_random(), b = id_random();
	const struct local_endpoint *ra, *rb;

	w->etcd = true;
	assert_int_equal(create(w, LAB_OVER, a), 0);
	assert_int_equal(create(w, LAB_OVER2, b), 0);
	assert_int_equal(join(w, a, KEY), 0);
	assert_int_equal(join(w, b, KEY), 0);
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
	remove_it(w, a);
	assert_non_null(port_of(w, LAB_OVER2, b));
	assert_int_equal(w->told_sandbox, 0);
}

static void only_docker_disconnects_it(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();

	w->etcd = true;
	assert_int_equal(create(w, LAB_OVER, id), 0);
	lab_leave(w, LAB_OVER, endpoint_get(w->es, id)->name);
	assert_int_equal(w->a.status, -EACCES);
	assert_non_null(strstr(w->a.why, "docker network disconnect"));
	assert_int_equal(join(w, id, KEY), 0);
	lab_leave(w, LAB_OVER, KEY);
	assert_int_equal(w->a.status, -EACCES);
	/* Its neighbours come and go. */
	lab_connect(w, LAB_OVER, "1");
	lab_leave(w, LAB_OVER, "1");
	assert_int_equal(w->a.status, 0);
	assert_non_null(port_of(w, LAB_OVER, id));
}

static void bad_requests(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	struct endpoint_docker_request req = request(w, LAB_OVER, id);

	w->etcd = true;
	assert_int_equal(create(w, LAB_BRIDGE, id), -EINVAL);
	req.mac = (struct mac){ { 1, 0, 0, 0, 0, 1 } };
	endpoint_docker_create(w->es, &req, answered, w);
	assert_int_equal(w->a.status, -EINVAL);
	req.mac = (struct mac){ { 2, 0, 0, 0, 0, 1 } };
	req.network = id_random();
	endpoint_docker_create(w->es, &req, answered, w);
	assert_int_equal(w->a.status, -ENOENT);
	assert_int_equal(lab_rows(w), 0);
	req.network = w->nets[LAB_OVER]->id;
	req.ip4 = ip_v4(0x0a000063);
	endpoint_docker_create(w->es, &req, answered, w);
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
		T(lost_answers),
		T(outlives_the_agent),
		T(ended_between_row_and_port),
		T(a_port_lost_is_told_and_not_made_again),
		T(a_join_that_fails_leaves_nothing),
		T(names_come_later),
		T(names_before_the_claim_is_answered),
		T(two_of_one_sandbox),
		T(only_docker_disconnects_it),
		T(bad_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
