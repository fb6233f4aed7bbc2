/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each kind of difference made by hand, over an etcd in memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit/doctor_lab.h"

static int up(void **state)
{
	struct doctor_lab *l = mem_alloc(sizeof(*l));

	doctor_lab_open(l, NULL);
	*state = l;
	return 0;
}

static int down(void **state)
{
	doctor_lab_close(*state);
	free(*state);
	return 0;
}

/* ---- the examination ---- */

static void a_healthy_node_is_looked_at_once(void **state)
{
	struct doctor_lab *l = *state;

	doctor_lab_look(l);
	assert_int_equal(l->status, 0);
	assert_string_equal(l->text, "");
	assert_int_equal(l->examined, 1);
}

static void add_vtep(struct doctor_lab *l)
{
	l->kernel[l->n_kernel++] = (struct reconcile_finding){ .amiss = RECONCILE_VTEP_MISSING,
							       .ip = ip_v4(0xc0a80002) };
}

static void what_is_gone_at_the_second_look_is_no_finding(void **state)
{
	struct doctor_lab *l = *state;

	add_vtep(l);
	l->once = true;
	doctor_lab_look(l);
	assert_string_equal(l->text, "");
	assert_int_equal(l->examined, 2);
	l->once = false;
	doctor_lab_one(l, "kernel", "VXLAN from node 192.168.0.2 is not let in", DOCTOR_BY_ITSELF);
	assert_int_equal(l->examined, 2);
}

static void what_is_due_is_waited_for(void **state)
{
	struct doctor_lab *l = *state;

	doctor_delays(l->d, DOCTOR_QUIET_MS, 1);
	l->busy = l->settles = true;
	doctor_lab_look(l);
	assert_int_equal(l->looks, 3);
	/* One that is being claimed, too; and not for ever. */
	l->busy = false;
	doctor_delays(l->d, DOCTOR_LAB_QUIET_MS, 1);
	l->rows[0]->state = LOCAL_INTENDED;
	doctor_lab_look(l);
	assert_int_equal(l->n, 0);
}

static void floods(struct doctor_lab *l, struct doctor_check *c)
{
	(void)l;
	for (unsigned i = 0; i < DOCTOR_FINDINGS_MAX + 7; i++) {
		doctor_find(c, "finding %u", i);
		doctor_cure(c, "cure %u", i);
	}
	doctor_checked(c);
}

static void many_findings_are_counted(void **state)
{
	struct doctor_lab *l = *state;

	l->docker = floods;
	doctor_lab_look(l);
	assert_int_equal(l->n, DOCTOR_FINDINGS_MAX);
	assert_int_equal(l->left_out, 7);
	assert_non_null(strstr(l->text, "docker: finding 999 | cure 999\n"));
}

static void closing_ends_what_is_under_way(void **state)
{
	struct doctor_lab *l = *state;

	fake_kv_hold(l->f, FAKE_ANY, FAKE_HOLD_REQUESTS);
	for (unsigned i = 0; i < 3; i++)
		doctor_examine(l->d, doctor_lab_told, l);
	for (unsigned i = 0; i < 20; i++)
		uv_run(l->loop, UV_RUN_ONCE);
	assert_int_equal(l->told, 0);
	doctor_close(l->d);
	l->d = NULL;
	assert_int_equal(l->told, 3);
	assert_int_equal(l->status, -ECANCELED);
}

static void too_many_at_a_time_are_refused(void **state)
{
	struct doctor_lab *l = *state;

	fake_kv_hold(l->f, FAKE_ANY, FAKE_HOLD_REQUESTS);
	for (unsigned i = 0; i <= DOCTOR_EXAMINATIONS_MAX; i++)
		doctor_examine(l->d, doctor_lab_told, l);
	for (unsigned i = 0; i < 20; i++)
		uv_run(l->loop, UV_RUN_ONCE);
	assert_int_equal(l->told, 1);
	assert_int_equal(l->status, -EAGAIN);
}

/* ---- kernel ---- */

static void the_kernel_in_words(void **state)
{
	struct doctor_lab *l = *state;
	struct state_net have = { .vni = 1048576, .kind = STATE_OVERLAY };
	struct state_neigh neigh = { .ip = ip_v4(0x0a000003),
				     .mac = mac_from_ip(ip_v4(0x0a000003)) };
	struct state_elem elem = state_elem_ifname(STATE_SET_MASQ4, "ovl-gw");
	struct state_port port = { .name = "ve1", .endpoint = doctor_lab_id(2) };
	struct diff_op ops[] = {
		{ .type = DIFF_NEIGH_ADD, .reason = DIFF_MISSING, .neigh = &neigh },
		{ .type = DIFF_PORT_SET, .reason = DIFF_DIFFERS, .port = &port },
		{ .type = DIFF_BRIDGE_ADD, .reason = DIFF_MISSING },
		{ .type = DIFF_VXLAN_ADD, .reason = DIFF_MISSING },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		l->kernel[l->n_kernel++] = (struct reconcile_finding){ .amiss = RECONCILE_OP,
								       .vni = have.vni,
								       .op = &ops[i],
								       .want = &have,
								       .have = &have };
	l->kernel[l->n_kernel++] =
		(struct reconcile_finding){ .amiss = RECONCILE_ELEM_SURPLUS, .elem = &elem };
	l->kernel[l->n_kernel++] =
		(struct reconcile_finding){ .amiss = RECONCILE_GROUND, .why = "ip_forward is odd" };
	doctor_lab_look(l);
	assert_int_equal(l->n, 5); /* the VXLAN device follows from the bridge */
	assert_non_null(strstr(l->text,
			       "kernel: network demo: the neighbour entry of 10.0.0.3 "
			       "(02:42:0a:00:00:03) is missing in the kernel | ovld repairs"));
	assert_non_null(strstr(l->text,
			       "network demo: the interface ve1 of endpoint c2 is not in the "
			       "kernel as it shall be"));
	assert_non_null(strstr(l->text, "network demo: the bridge br1048576 is missing"));
	assert_non_null(strstr(l->text, "is no network's"));
	assert_non_null(strstr(l->text, "kernel: ip_forward is odd"));
}

static void why_repairs_fail_is_told(void **state)
{
	struct doctor_lab *l = *state;

	add_vtep(l);
	l->stats = (struct reconcile_stats){ .nets_backing_off = 1, .last_error = "no such luck" };
	doctor_lab_one(l, "kernel", "VXLAN from node", "the last failure: no such luck");
	l->n_kernel = 0;
	l->examine_status = -EAGAIN;
	doctor_lab_look(l);
	assert_string_equal(l->text, "not kernel: the kernel is not to be read\n");
}

/* ---- etcd ---- */

static void without_etcd_little_is_looked_at(void **state)
{
	struct doctor_lab *l = *state;

	doctor_close(l->d);
	l->deps.kv = NULL;
	l->deps.names = false;
	l->deps.docker = NULL;
	l->d = doctor_new(&l->deps);
	doctor_lab_look(l);
	assert_string_equal(l->text, "not etcd: no etcd is configured\n"
				     "not docker: ovld serves no Docker here\n"
				     "not names: names are switched off (dns.enabled)\n");
}

static bool link_down(struct doctor_lab *l)
{
	return !mirror_link_up(l->m);
}

static void etcd_that_is_away(void **state)
{
	struct doctor_lab *l = *state;

	fake_kv_down(l->f, true);
	for (unsigned i = 0; !link_down(l) && i < 5000; i++)
		uv_run(l->loop, UV_RUN_ONCE);
	assert_true(link_down(l));
	l->rows[0]->state = LOCAL_RELEASING;
	doctor_lab_look(l);
	assert_non_null(strstr(l->text, "etcd: the link to etcd is down"));
	assert_non_null(strstr(l->text,
			       "endpoint: endpoint c2 on network demo: it has left, but its "
			       "addresses are not given back yet | ovld does so as soon"));
	assert_non_null(strstr(l->text, "not endpoint: what etcd holds is not known"));
	fake_kv_down(l->f, false);
}

static void a_lost_event(void **state)
{
	struct doctor_lab *l = *state;

	fake_kv_put(l->f, P "/node/odd", "{}", 0);
	fake_kv_watch_lose(l->f);
	doctor_lab_look(l);
	assert_int_equal(l->n, 1);
	assert_non_null(strstr(l->text, "etcd: etcd holds "));
}

static void bindings_and_records_of_no_network(void **state)
{
	struct doctor_lab *l = *state;
	struct model_binding b = { .docker = (char *)"abc" };

	doctor_lab_put(l, model_key_binding(P, doctor_lab_id(66), doctor_lab_id(1)),
		       model_binding_encode(&b));
	doctor_lab_one(l, "etcd", "this node's Docker is bound to network 420000000000",
		       "etcdctl del " P "/binding/42");
	doctor_lab_del(l, model_key_binding(P, doctor_lab_id(66), doctor_lab_id(1)));
	/* Another node's is not ours to see to. */
	doctor_lab_put(l, model_key_binding(P, doctor_lab_id(66), doctor_lab_id(2)),
		       model_binding_encode(&b));
	doctor_lab_look(l);
	assert_int_equal(l->n, 0);
	doctor_lab_put_endpoint(l, 67, 5, 2);
	doctor_lab_one(l, "etcd", "endpoints of network 430000000000, which does not exist",
		       "etcdctl del --prefix " P "/endpoint/43");
}

static void a_subnet_held_for_nothing(void **state)
{
	struct doctor_lab *l = *state;
	struct model_pool p = { .node = doctor_lab_id(1),
				.created = (char *)"2026-01-01T00:00:00Z" };
	char now[CLOCK_TEXT_MAX];

	prefix_parse("10.9.0.0/24", &p.subnet, NULL);
	doctor_lab_put(l, model_key_pool(P, doctor_lab_id(5)), model_pool_encode(&p));
	doctor_lab_one(l, "etcd", "subnet 10.9.0.0/24 is held", "etcdctl del " P "/pool/05");
	p.created = (char *)clock_wall_text(now);
	doctor_lab_put(l, model_key_pool(P, doctor_lab_id(5)), model_pool_encode(&p));
	doctor_lab_look(l);
	assert_int_equal(l->n, 0);
}

/* ---- endpoints ---- */

static void rows_and_records(void **state)
{
	struct doctor_lab *l = *state;
	struct local_endpoint *row = doctor_lab_row(l, 10, 4);

	doctor_lab_one(l, "endpoint", "endpoint c4 on network demo: has no record in etcd",
		       DOCTOR_BY_ITSELF);
	doctor_lab_put_endpoint(l, 10, 4, 1);
	doctor_lab_one(l, "endpoint", "its address 10.0.0.4 is held in etcd by nobody",
		       "ovlctl network disconnect demo c4");
	doctor_lab_put_address(l, 10, 4, 4, 1);
	doctor_lab_look(l);
	assert_int_equal(l->n, 0);
	row->ip4 = ip_v4(0x0a000009);
	doctor_lab_look(l);
	assert_non_null(
		strstr(l->text, "c4 on network demo: its record in etcd has other addresses"));
	row->ip4 = ip_v4(0x0a000004);
	row->state = LOCAL_CONFLICT;
	doctor_lab_one(l, "endpoint", "its address 10.0.0.4 belongs to another, its port is shut",
		       "ovlctl network disconnect demo c4, and connect it again");
	row->state = LOCAL_BOUND;
	l->n_rows--;
	doctor_lab_one(l, "endpoint",
		       "endpoint c4 on network demo is in etcd as this node's, which has "
		       "no such",
		       "ovlctl network disconnect -f demo 04");
	local_endpoint_free(row);
}

static void a_release_that_is_stuck(void **state)
{
	struct doctor_lab *l = *state;

	l->rows[0]->state = LOCAL_RELEASING;
	doctor_lab_one(l, "endpoint", "it has left, but its addresses are not given back yet",
		       "ovld tries again each minute");
}

static void an_endpoint_of_no_node(void **state)
{
	struct doctor_lab *l = *state;

	doctor_lab_put_endpoint(l, 10, 5, 55);
	doctor_lab_one(l, "endpoint", "endpoint c5 on network demo belongs to node 370000000000",
		       "ovlctl network disconnect -f demo 0500");
}

static void addresses_of_nobody(void **state)
{
	struct doctor_lab *l = *state;
	struct model_address a = { .node = doctor_lab_id(1),
				   .state = MODEL_ADDRESS_RESERVED,
				   .created = (char *)"2026-01-01T00:00:00Z" };
	char *key = model_key_address(P, doctor_lab_id(10), ip_v4(0x0a000008));

	doctor_lab_put_address(l, 10, 7, 66, 1);
	doctor_lab_one(l, "endpoint",
		       "address 10.0.0.7 on network demo is held by node node1 for endpoint "
		       "420000000000, which does not exist",
		       "etcdctl del " P "/address/0a");
	doctor_lab_put_address(l, 10, 7, 3, 2);
	doctor_lab_one(l, "endpoint",
		       "held by node node2 for endpoint 030000000000, which has another",
		       "etcdctl del ");
	doctor_lab_del(l, model_key_address(P, doctor_lab_id(10), ip_v4(0x0a000007)));
	doctor_lab_put(l, mem_strdup(key), model_address_encode(&a));
	doctor_lab_one(l, "endpoint",
		       "address 10.0.0.8 on network demo is reserved since 2026-01-01",
		       "etcdctl del " P "/address/0a");
	/* Node 2 looks after its own, but nobody after those of a node that is no more. */
	a.node = doctor_lab_id(2);
	doctor_lab_put(l, mem_strdup(key), model_address_encode(&a));
	doctor_lab_look(l);
	assert_int_equal(l->n, 0);
	a.node = doctor_lab_id(55);
	doctor_lab_put(l, mem_strdup(key), model_address_encode(&a));
	doctor_lab_look(l);
	assert_int_equal(l->n, 1);
	doctor_lab_put(l, mem_strdup(key), mem_strdup("{]"));
	doctor_lab_one(l, "endpoint", P "/address/0a", "etcdctl del " P "/address/0a");
	free(key);
}

/* ---- the node ---- */

static void put_node(struct doctor_lab *l, unsigned n, const char *name, int64_t lease)
{
	struct model_node rec = { .name = (char *)name,
				  .vtep = ip_v4(0xc0a80001),
				  .mtu = 1500,
				  .address_lease = lease,
				  .format = 1 };

	doctor_lab_put(l, model_key_node(P, doctor_lab_id(n)), model_node_encode(&rec));
}

static void the_record_of_this_node(void **state)
{
	struct doctor_lab *l = *state;

	put_node(l, 1, "other", l->lease);
	doctor_lab_one(l, "node", "this node's record in etcd has another name", "restart ovld");
	put_node(l, 1, "node1", l->lease + 1);
	doctor_lab_one(l, "node", "this node's record in etcd has another address lease",
		       "restart");
	put_node(l, 1, "node1", l->lease);
	doctor_lab_del(l, model_key_alive(P, doctor_lab_id(1)));
	doctor_lab_one(l, "node", "sign of life is missing", DOCTOR_BY_ITSELF);
	doctor_lab_put(l, model_key_alive(P, doctor_lab_id(1)), mem_strdup("{}"));
	put_node(l, 7, "twin", 1);
	doctor_lab_one(l, "node", "node twin has the same address as this one, 192.168.0.1",
		       "ovlctl node rm twin");
	doctor_lab_put(l, model_key_alive(P, doctor_lab_id(7)), mem_strdup("{}"));
	doctor_lab_one(l, "node", "node twin has the same", "another address");
}

static void the_lease_is_gone(void **state)
{
	struct doctor_lab *l = *state;

	fake_kv_lease_expire(l->f, l->lease);
	doctor_lab_one(l, "node", "this node's address lease is gone", "systemctl restart ovld");
	l->lease = 0;
	put_node(l, 1, "node1", 0);
	doctor_lab_one(l, "node", "this node has no address lease", "");
}

static void what_containers_need_of_the_host(void **state)
{
	struct doctor_lab *l = *state;

	l->forwarding_off = true;
	doctor_lab_look(l);
	assert_int_equal(l->n, 0); /* nobody needs it */
	l->forwarded = true;
	doctor_lab_look(l);
	assert_int_equal(l->n, 2);
	assert_non_null(strstr(l->text,
			       "node: net.ipv4.ip_forward is 0: containers cannot reach the "
			       "outside | sysctl -w net.ipv4.ip_forward=1"));
	l->forwarded = false;
	l->unbound = true;
	doctor_lab_one(l, "node", "port 8080/tcp is published by web but in use", "sport = 8080");
	l->unbound = false;
	l->dead_container = true;
	doctor_lab_one(l, "node", "container r1: its supervisor (pid ", "systemctl restart ovld");
}

static void names_and_firewalls(void **state)
{
	struct doctor_lab *l = *state;

	l->name_problem = "port 53 of 172.31.0.1 is in use by dnsmasq (pid 1)";
	doctor_lab_one(l, "names", "names are not served: port 53 of 172.31.0.1 is in use",
		       "ovld tries");
	l->name_problem = NULL;
	l->walls[0] = (struct coexist_finding){ .level = COEXIST_NOTE, .what = (char *)"a note" };
	l->walls[1] = (struct coexist_finding){ .level = COEXIST_PROBLEM,
						.what = (char *)"a wall",
						.cure = (char *)"nft add rule" };
	l->n_walls = 2;
	doctor_lab_one(l, "firewall", "a wall", "nft add rule");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_healthy_node_is_looked_at_once),
		TEST(what_is_gone_at_the_second_look_is_no_finding),
		TEST(what_is_due_is_waited_for),
		TEST(many_findings_are_counted),
		TEST(closing_ends_what_is_under_way),
		TEST(too_many_at_a_time_are_refused),
		TEST(the_kernel_in_words),
		TEST(why_repairs_fail_is_told),
		TEST(without_etcd_little_is_looked_at),
		TEST(etcd_that_is_away),
		TEST(a_lost_event),
		TEST(bindings_and_records_of_no_network),
		TEST(a_subnet_held_for_nothing),
		TEST(rows_and_records),
		TEST(a_release_that_is_stuck),
		TEST(an_endpoint_of_no_node),
		TEST(addresses_of_nobody),
		TEST(the_record_of_this_node),
		TEST(the_lease_is_gone),
		TEST(what_containers_need_of_the_host),
		TEST(names_and_firewalls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
