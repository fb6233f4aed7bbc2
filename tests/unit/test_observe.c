/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/observe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/state_lab.h"

#define VNI 1048576u

static struct kernel_event link_event(const char *name, int ifindex)
{
	struct kernel_event ev = { .type = KERNEL_EVENT_LINK,
				   .vni = VNI,
				   .ifindex = ifindex,
				   .mtu = STATE_LAB_MTU,
				   .up = true,
				   .enslaved = true,
				   .flags_ok = true,
				   .has_flags = true,
				   .mac = state_bridge_mac(VNI),
				   .vtep = state_lab_vtep(0) };

	snprintf(ev.name, sizeof(ev.name), "%s", name);
	return ev;
}

static void echoes_say_nothing_new(void **state)
{
	_cleanup_state_net_ struct state_net *n = state_lab_make(VNI, 1, 2);
	struct kernel_event ev = link_event("br1048576", 3);

	(void)state;
	assert_false(observe_event(n, &ev));
	ev = link_event("vx1048576", 4);
	assert_false(observe_event(n, &ev));
	ev = link_event(n->ports[0].name, 5);
	assert_false(observe_event(n, &ev));
	ev = (struct kernel_event){ .type = KERNEL_EVENT_FDB, .vni = VNI, .fdb = n->fdb[0] };
	assert_false(observe_event(n, &ev));
	ev = (struct kernel_event){ .type = KERNEL_EVENT_NEIGH, .vni = VNI, .neigh = n->neigh[0] };
	assert_false(observe_event(n, &ev));
	ev = (struct kernel_event){ .type = KERNEL_EVENT_GATEWAY,
				    .vni = VNI,
				    .gateway = n->gateways[0] };
	assert_false(observe_event(n, &ev));
}

static void every_property_of_a_link_counts(void **state)
{
	_cleanup_state_net_ struct state_net *n = state_lab_make(VNI, 1, 2);
	const char *names[] = { "br1048576", "vx1048576", n->ports[0].name };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct kernel_event ev = link_event(names[i], 3);

		ev.up = false;
		assert_true(observe_event(n, &ev));
		ev = link_event(names[i], 3);
		ev.mtu = 1280;
		assert_true(observe_event(n, &ev));
		ev = link_event(names[i], 3);
		ev.deleted = true;
		assert_true(observe_event(n, &ev));
		ev = link_event(names[i], 3);
		ev.enslaved = false;
		assert_int_equal(observe_event(n, &ev), i > 0);
		ev = link_event(names[i], 3);
		ev.flags_ok = false;
		assert_int_equal(observe_event(n, &ev), i > 0);
		ev.has_flags = false;
		assert_false(observe_event(n, &ev));
		ev = link_event(names[i], 3);
		ev.mac.b[3] ^= 1;
		assert_int_equal(observe_event(n, &ev), i == 0);
		ev = link_event(names[i], 3);
		ev.vtep = state_lab_vtep(9);
		assert_int_equal(observe_event(n, &ev), i == 1);
	}
}

static void a_link_made_anew_is_another(void **state)
{
	_cleanup_state_net_ struct state_net *n = state_lab_make(VNI, 1, 2);
	struct kernel_event ev = link_event("br1048576", 4);

	(void)state;
	n->bridge_ifindex = 3;
	assert_true(observe_event(n, &ev));
	/* The end of the former one is no news. */
	ev = link_event("br1048576", 2);
	ev.deleted = true;
	assert_false(observe_event(n, &ev));
}

static void a_port_of_nobody_matters_when_it_is_up(void **state)
{
	_cleanup_state_net_ struct state_net *n = state_lab_make(VNI, 1, 2);
	struct kernel_event ev = link_event("veffffffffffff", 9);

	(void)state;
	assert_true(observe_event(n, &ev));
	ev.up = false;
	assert_false(observe_event(n, &ev));
	ev.deleted = true;
	assert_false(observe_event(n, &ev));
}

static void entries(void **state)
{
	_cleanup_state_net_ struct state_net *n = state_lab_make(VNI, 1, 2);
	struct kernel_event ev = { .type = KERNEL_EVENT_FDB, .vni = VNI, .fdb = n->fdb[0] };

	(void)state;
	ev.deleted = true;
	assert_true(observe_event(n, &ev));
	ev.deleted = false;
	for (size_t i = 0; i < n->n_fdb; i++) {
		ev.fdb = n->fdb[i];
		if (ev.fdb.where == STATE_FDB_SELF && !mac_is_zero(ev.fdb.mac))
			ev.fdb.vtep = state_lab_vtep(9);
		else if (ev.fdb.where == STATE_FDB_MASTER)
			snprintf(ev.fdb.port, sizeof(ev.fdb.port), "veother");
		else
			ev.fdb.vtep = state_lab_vtep(50);
		assert_true(observe_event(n, &ev));
		/* Its former place left behind: replaced, no news. */
		ev.deleted = true;
		assert_false(observe_event(n, &ev));
		ev.deleted = false;
	}
	ev = (struct kernel_event){ .type = KERNEL_EVENT_NEIGH, .vni = VNI, .neigh = n->neigh[0] };
	ev.neigh.mac.b[5] ^= 1;
	assert_true(observe_event(n, &ev));
	ev.deleted = true;
	assert_true(observe_event(n, &ev));
	ev.neigh.ip = ip_v4(1);
	assert_false(observe_event(n, &ev));
	ev = (struct kernel_event){
		.type = KERNEL_EVENT_GATEWAY, .vni = VNI, .gateway = n->gateways[0], .deleted = true
	};
	assert_true(observe_event(n, &ev));
	ev.gateway.len = 9;
	assert_false(observe_event(n, &ev));
	ev.deleted = false;
	assert_true(observe_event(n, &ev));
}

static void an_unknown_network_that_comes_up(void **state)
{
	struct kernel_event ev = link_event("br1048576", 4);

	(void)state;
	assert_true(observe_event(NULL, &ev));
	ev.up = false;
	assert_false(observe_event(NULL, &ev));
}

static struct kernel_event local_event(const struct state_net *n, const char *name)
{
	struct kernel_event ev = link_event(name, 3);

	ev.vni = n->vni;
	ev.mac = n->bridge_mac;
	return ev;
}

static void uplinks_and_bridges_of_the_host(void **state)
{
	_cleanup_state_net_ struct state_net *gw =
		state_lab_local(STATE_EGRESS, STATE_KEY_EGRESS, 1);
	_cleanup_state_net_ struct state_net *br =
		state_lab_local(STATE_BRIDGE, STATE_KEY_LOCAL + 2, 1);
	static const char *const ends[] = { STATE_EGRESS_INNER, STATE_EGRESS_HOST };
	struct kernel_event ev;

	(void)state;
	for (int i = 0; i < 2; i++) {
		ev = local_event(gw, ends[i]);
		assert_false(observe_event(gw, &ev));
		ev.mtu++;
		assert_true(observe_event(gw, &ev));
		ev = local_event(gw, ends[i]);
		ev.up = false;
		assert_true(observe_event(gw, &ev));
		ev = local_event(gw, ends[i]);
		ev.enslaved = false;
		assert_int_equal(observe_event(gw, &ev), i == 0);
		ev.deleted = true;
		assert_true(observe_event(gw, &ev));
	}
	ev = local_event(gw, STATE_EGRESS_BRIDGE);
	assert_false(observe_event(gw, &ev));
	ev = local_event(br, br->bridge);
	assert_false(observe_event(br, &ev));
	ev.up = false;
	assert_true(observe_event(br, &ev));
	/* It gets another name. */
	br->bridge_ifindex = 3;
	ev = local_event(br, "other0");
	assert_true(observe_event(br, &ev));
}

static void what_others_do_on_a_bridge_of_the_host(void **state)
{
	_cleanup_state_net_ struct state_net *n =
		state_lab_local(STATE_BRIDGE, STATE_KEY_LOCAL + 2, 1);
	struct kernel_event ev = local_event(n, "byhand0");
	struct state_fdb f = { .where = STATE_FDB_MASTER, .mac = { { 2, 7 } }, .port = "byhand0" };

	(void)state;
	assert_false(observe_event(n, &ev));
	ev = (struct kernel_event){ .type = KERNEL_EVENT_FDB, .vni = n->vni, .fdb = f };
	assert_false(observe_event(n, &ev));
	ev = (struct kernel_event){ .type = KERNEL_EVENT_NEIGH,
				    .vni = n->vni,
				    .neigh = { ip_v4(7), { { 2, 7 } } } };
	assert_false(observe_event(n, &ev));
	/* Not so on a port of ours, unless the bridge learns behind it. */
	memcpy(f.port, n->ports[0].name, sizeof(f.port));
	ev = (struct kernel_event){ .type = KERNEL_EVENT_FDB, .vni = n->vni, .fdb = f };
	assert_true(observe_event(n, &ev));
	n->ports[0].open = true;
	assert_false(observe_event(n, &ev));
	ev = local_event(n, n->ports[0].name);
	assert_true(observe_event(n, &ev));
	ev.open = true;
	assert_false(observe_event(n, &ev));
	ev = local_event(n, "ovpffffffffffff");
	assert_true(observe_event(n, &ev));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echoes_say_nothing_new),
		cmocka_unit_test(every_property_of_a_link_counts),
		cmocka_unit_test(a_link_made_anew_is_another),
		cmocka_unit_test(a_port_of_nobody_matters_when_it_is_up),
		cmocka_unit_test(entries),
		cmocka_unit_test(an_unknown_network_that_comes_up),
		cmocka_unit_test(uplinks_and_bridges_of_the_host),
		cmocka_unit_test(what_others_do_on_a_bridge_of_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
