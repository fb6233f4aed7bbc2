/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/state_lab.h"

#define VNI 1048576u

static size_t count(const struct diff *d, enum diff_op_type t)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->ops[i].type == t;
	return n;
}

static size_t first(const struct diff *d, enum diff_op_type t)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->ops[i].type == t)
			return i;
	}
	return SIZE_MAX;
}

static size_t last(const struct diff *d, enum diff_op_type t)
{
	for (size_t i = d->n; i-- > 0;) {
		if (d->ops[i].type == t)
			return i;
	}
	fail_msg("no %s", diff_op_name(t));
	return 0;
}

static void nothing_to_do_for_the_same(void **state)
{
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 3, 9);
	struct diff d;

	(void)state;
	diff_net(want, want, true, &d);
	assert_int_equal(d.n, 0);
	diff_done(&d);
}

static void a_new_network_comes_in_the_kernels_order(void **state)
{
	static const enum diff_op_type order[] = { DIFF_BRIDGE_ADD,  DIFF_VXLAN_ADD,
						   DIFF_GATEWAY_ADD, DIFF_PORT_ADD,
						   DIFF_FDB_ADD,     DIFF_NEIGH_ADD };
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 2, 5);
	struct diff d;

	(void)state;
	diff_net(want, NULL, true, &d);
	for (size_t i = 1; i < sizeof(order) / sizeof(order[0]); i++)
		assert_true(last(&d, order[i - 1]) < first(&d, order[i]));
	assert_true(last(&d, DIFF_NEIGH_ADD) < first(&d, DIFF_PORT_UP));
	for (size_t i = 0; i < d.n; i++) {
		assert_int_equal(d.ops[i].reason, DIFF_MISSING);
		if (d.ops[i].type == DIFF_PORT_UP)
			assert_int_equal(d.ops[i - 1].type, DIFF_GUARD_ADD);
	}
	assert_int_equal(count(&d, DIFF_FDB_ADD), want->n_fdb);
	/* On the device first, then on the bridge. */
	for (size_t i = 1; i < d.n; i++) {
		if (d.ops[i].type == DIFF_FDB_ADD && d.ops[i - 1].type == DIFF_FDB_ADD)
			assert_true(d.ops[i - 1].fdb->where <= d.ops[i].fdb->where);
	}
	diff_done(&d);
}

static void a_network_that_goes(void **state)
{
	_cleanup_state_net_ struct state_net *have = state_lab_make(VNI, 2, 5);
	struct diff d;

	(void)state;
	diff_net(NULL, have, true, &d);
	assert_int_equal(count(&d, DIFF_PORT_DEL), 2);
	assert_true(last(&d, DIFF_PORT_DEL) < first(&d, DIFF_VXLAN_DEL));
	assert_int_equal(last(&d, DIFF_BRIDGE_DEL), d.n - 1);
	assert_int_equal(count(&d, DIFF_FDB_DEL), 0); /* they go with the devices */
	diff_done(&d);
}

static void nothing_foreign_goes_while_the_picture_is_not_complete(void **state)
{
	_cleanup_state_net_ struct state_net *have = state_lab_make(VNI, 2, 5);
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 0, 1);
	struct diff d;

	(void)state;
	for (size_t i = 0; i < have->n_ports; i++)
		have->ports[i].endpoint = (struct id){ 0 }; /* as dumped */
	diff_net(NULL, have, false, &d);
	assert_int_equal(d.n, 0);
	diff_done(&d);
	diff_net(want, have, false, &d);
	for (size_t i = 0; i < d.n; i++)
		assert_int_not_equal(d.ops[i].reason, DIFF_SURPLUS);
	diff_done(&d);
}

static void an_own_port_that_left_goes_all_the_same(void **state)
{
	_cleanup_state_net_ struct state_net *have = state_lab_make(VNI, 2, 5);
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 1, 5);
	struct diff d;

	(void)state;
	have->ports[0].endpoint = (struct id){ 0 };
	diff_net(NULL, have, false, &d);
	assert_int_equal(count(&d, DIFF_PORT_DEL), 1);
	assert_string_equal(d.ops[last(&d, DIFF_PORT_DEL)].port->name, have->ports[1].name);
	assert_int_equal(count(&d, DIFF_BRIDGE_DEL), 0);
	diff_done(&d);
	diff_net(want, have, false, &d);
	assert_int_equal(count(&d, DIFF_PORT_DEL), 1);
	assert_int_equal(count(&d, DIFF_NEIGH_DEL), 0);
	diff_done(&d);
}

static void a_move_is_one_replace(void **state)
{
	_cleanup_state_net_ struct state_net *local = state_lab_make(VNI, 3, 6);
	_cleanup_state_net_ struct state_net *remote = state_lab_make(VNI, 2, 7);
	struct diff d;
	size_t at;

	(void)state;
	/* Endpoint 2 leaves for another node. */
	diff_net(remote, local, true, &d);
	assert_int_equal(count(&d, DIFF_FDB_DEL), 0);
	assert_int_equal(count(&d, DIFF_NEIGH_ADD) + count(&d, DIFF_NEIGH_DEL), 0);
	at = last(&d, DIFF_FDB_ADD);
	assert_int_equal(d.ops[at].fdb->where, STATE_FDB_MASTER);
	assert_int_equal(d.ops[at].reason, DIFF_DIFFERS);
	assert_true(at < first(&d, DIFF_PORT_DEL)); /* replaced first, then the link */
	diff_done(&d);
	/* And comes back: the entry before the port is up. */
	diff_net(local, remote, true, &d);
	assert_true(last(&d, DIFF_FDB_ADD) < first(&d, DIFF_PORT_UP));
	assert_int_equal(count(&d, DIFF_FDB_DEL), 1); /* on the device */
	diff_done(&d);
}

static void another_port_number_makes_the_device_anew(void **state)
{
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 1, 5),
					     *have = state_lab_dup(want);
	struct diff d;

	(void)state;
	have->port = 8472;
	diff_net(want, have, true, &d);
	assert_true(first(&d, DIFF_VXLAN_DEL) < first(&d, DIFF_VXLAN_ADD));
	/* 5 on the device, 3 to flood, 5 on the bridge; not that of the local port. */
	assert_int_equal(count(&d, DIFF_FDB_ADD), 13);
	assert_int_equal(count(&d, DIFF_NEIGH_ADD) + count(&d, DIFF_PORT_UP), 0);
	diff_done(&d);
	have->port = want->port;
	have->vtep = state_lab_vtep(77);
	diff_net(want, have, true, &d);
	assert_int_equal(d.n, 1);
	assert_int_equal(d.ops[0].type, DIFF_VXLAN_SET);
	diff_done(&d);
}

static void a_port_off_its_bridge_goes_back_while_down(void **state)
{
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 1, 1),
					     *have = state_lab_dup(want);
	struct state_fdb key = { .where = STATE_FDB_MASTER, .mac = want->ports[0].mac };
	struct diff d;

	(void)state;
	have->ports[0].enslaved = have->ports[0].flags_ok = false;
	state_net_drop_fdb(have, &key);
	diff_net(want, have, true, &d);
	assert_int_equal(d.n, 3);
	assert_int_equal(d.ops[0].type, DIFF_PORT_SET);
	assert_int_equal(d.ops[1].type, DIFF_FDB_ADD);
	assert_int_equal(d.ops[2].type, DIFF_PORT_UP);
	diff_done(&d);
}

static void a_bridge_that_vanished_leaves_its_ports(void **state)
{
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 2, 2),
					     *have = state_lab_dup(want);
	struct diff d;

	(void)state;
	have->bridge_exists = false;
	diff_net(want, have, true, &d);
	assert_int_equal(d.ops[0].type, DIFF_BRIDGE_ADD);
	assert_int_equal(count(&d, DIFF_VXLAN_SET), 1);
	assert_int_equal(count(&d, DIFF_VXLAN_ADD) + count(&d, DIFF_PORT_ADD), 0);
	assert_int_equal(count(&d, DIFF_PORT_SET), 2);
	assert_int_equal(count(&d, DIFF_PORT_UP), 2);
	assert_int_equal(count(&d, DIFF_NEIGH_ADD), want->n_neigh);
	assert_int_equal(count(&d, DIFF_GATEWAY_ADD), want->n_gateways);
	diff_done(&d);
}

static void a_shut_port_loses_its_elements(void **state)
{
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 1, 0),
					     *have = state_lab_dup(want);
	struct diff d;

	(void)state;
	want->ports[0].up = want->ports[0].guard4 = want->ports[0].guard6 = false;
	diff_net(want, have, true, &d);
	assert_int_equal(count(&d, DIFF_PORT_SET), 1);
	assert_int_equal(count(&d, DIFF_GUARD_DEL), 1);
	assert_int_equal(count(&d, DIFF_PORT_UP) + count(&d, DIFF_PORT_DEL), 0);
	diff_done(&d);
}

static void without_ipv6_no_element_is_missed(void **state)
{
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 1, 0), *have = NULL;
	struct diff d;

	(void)state;
	want->ports[0].guard6 = false;
	want->ports[0].ip6 = (struct ip){ 0 };
	have = state_lab_dup(want);
	diff_net(want, have, true, &d);
	assert_int_equal(d.n, 0);
	diff_done(&d);
}

static void address_lists(void **state)
{
	struct ip want[] = { ip_v4(1), ip_v4(3), ip_v4(4) }, have[] = { ip_v4(2), ip_v4(3) };
	struct ip *add, *del;
	size_t n_add, n_del;

	(void)state;
	diff_ips(want, 3, have, 2, &add, &n_add, &del, &n_del);
	assert_int_equal(n_add, 2);
	assert_int_equal(n_del, 1);
	assert_true(ip_eq(add[1], ip_v4(4)));
	assert_true(ip_eq(del[0], ip_v4(2)));
	free(add);
	free(del);
	diff_ips(NULL, 0, NULL, 0, &add, &n_add, &del, &n_del);
	assert_int_equal(n_add + n_del, 0);
	free(add);
	free(del);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_do_for_the_same),
		cmocka_unit_test(a_new_network_comes_in_the_kernels_order),
		cmocka_unit_test(a_network_that_goes),
		cmocka_unit_test(nothing_foreign_goes_while_the_picture_is_not_complete),
		cmocka_unit_test(an_own_port_that_left_goes_all_the_same),
		cmocka_unit_test(a_move_is_one_replace),
		cmocka_unit_test(another_port_number_makes_the_device_anew),
		cmocka_unit_test(a_port_off_its_bridge_goes_back_while_down),
		cmocka_unit_test(a_bridge_that_vanished_leaves_its_ports),
		cmocka_unit_test(a_shut_port_loses_its_elements),
		cmocka_unit_test(without_ipv6_no_element_is_missed),
		cmocka_unit_test(address_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
