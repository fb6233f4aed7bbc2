/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/backoff.h"
#include "base/mem.h"

static struct state_fdb self(uint8_t m, uint32_t vtep)
{
	return (struct state_fdb){ .where = STATE_FDB_SELF,
				   .mac = { { 2, 0, 0, 0, 0, m } },
				   .vtep = ip_v4(vtep) };
}

static void names_fit_and_are_known_by_their_prefix(void **state)
{
	char name[IFNAMSIZ];
	struct id id = { .b = { 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67 } };

	(void)state;
	state_bridge_name(16777215, name);
	assert_string_equal(name, "br16777215");
	state_vxlan_name(1, name);
	assert_string_equal(name, "vx1");
	state_port_name(id, name);
	assert_string_equal(name, "veabcdef012345");
}

static void gateway_macs_differ_between_networks(void **state)
{
	struct mac a = state_bridge_mac(0x100001), b = state_bridge_mac(0x100002);

	(void)state;
	assert_true(mac_is_usable(a));
	assert_false(mac_eq(a, b));
	assert_int_equal(a.b[3], 0x10);
}

static void one_destination_per_mac_but_many_for_flooding(void **state)
{
	struct state_fdb a = self(1, 1), b = self(1, 2), za = { .vtep = ip_v4(1) },
			 zb = { .vtep = ip_v4(2) };

	(void)state;
	assert_int_equal(state_fdb_cmp(&a, &b), 0);
	assert_int_not_equal(state_fdb_cmp(&za, &zb), 0);
}

static void sorting_keeps_the_later_of_two(void **state)
{
	_cleanup_state_net_ struct state_net *n = state_net_new(7);
	struct state_fdb a = self(9, 1), b = self(3, 2), c = self(9, 3);

	(void)state;
	state_net_add_fdb(n, &a);
	state_net_add_fdb(n, &b);
	state_net_add_fdb(n, &c);
	state_net_sort(n);
	assert_int_equal(n->n_fdb, 2);
	assert_int_equal(n->fdb[0].mac.b[5], 3);
	assert_true(ip_eq(n->fdb[1].vtep, ip_v4(3)));
}

static void put_and_drop_keep_the_order(void **state)
{
	_cleanup_state_net_ struct state_net *n = state_net_new(7);
	bool there[64] = { 0 };
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		uint8_t m = (uint8_t)(backoff_rand(&seed) % 64);
		struct state_fdb f = self(m, m);
		size_t count = 0;

		if (backoff_rand(&seed) % 2) {
			state_net_put_fdb(n, &f);
			there[m] = true;
		} else {
			state_net_drop_fdb(n, &f);
			there[m] = false;
		}
		for (int k = 0; k < 64; k++) {
			f = self((uint8_t)k, 0);
			assert_int_equal(state_net_fdb(n, &f) != NULL, there[k]);
			count += there[k];
		}
		assert_int_equal(n->n_fdb, count);
	}
}

static void put_replaces(void **state)
{
	_cleanup_state_net_ struct state_net *n = state_net_new(7);
	struct state_neigh a = { ip_v4(1), { { 2, 1 } } }, b = { ip_v4(1), { { 2, 2 } } };
	struct state_port p = { .name = "ve1", .mtu = 1 };

	(void)state;
	state_net_put_neigh(n, &a);
	state_net_put_neigh(n, &b);
	assert_int_equal(n->n_neigh, 1);
	assert_int_equal(state_net_neigh(n, ip_v4(1))->mac.b[1], 2);
	state_net_drop_neigh(n, ip_v4(1));
	assert_null(state_net_neigh(n, ip_v4(1)));
	state_net_put_port(n, &p);
	p.mtu = 2;
	state_net_put_port(n, &p);
	assert_int_equal(n->n_ports, 1);
	assert_int_equal(state_net_port(n, "ve1")->mtu, 2);
	state_net_drop_port(n, "ve1");
	state_net_drop_port(n, "ve1");
	assert_int_equal(n->n_ports, 0);
}

static void elements_of_a_port(void **state)
{
	struct state_port p = { .name = "ve1",
				.mac = { { 2, 1 } },
				.ip4 = { .family = AF_INET, .b = { 10 } },
				.ip6 = { .family = AF_INET6, .b = { 0xfd } } };
	struct state_guard g[2];

	(void)state;
	assert_int_equal(state_port_guards(&p, g), 2);
	assert_true(ip_eq(g[0].ip, p.ip4) && ip_eq(g[1].ip, p.ip6) && mac_eq(g[1].mac, p.mac));
	assert_string_equal(g[0].port, "ve1");
	p.security = STATE_SECURE_MAC;
	assert_int_equal(state_port_guards(&p, g), 1);
	assert_true(mac_eq(g[0].mac, p.mac) && !ip_is_set(g[0].ip));
	p.security = STATE_SECURE_OFF;
	assert_int_equal(state_port_guards(&p, g), 1);
	assert_true(mac_is_zero(g[0].mac) && !ip_is_set(g[0].ip));
	assert_int_equal(g[0].security, STATE_SECURE_OFF);
	p.mac = (struct mac){ 0 };
	assert_int_equal(state_port_guards(&p, g), 0);
}

static void elements_are_known_by_all_but_where_they_lead(void **state)
{
	struct ip any = { 0 }, a = ip_v4(1), b = ip_v4(2);
	struct state_elem x = state_elem_publish(6, any, 80, a, 8080),
			  y = state_elem_publish(6, any, 80, b, 8081);
	_cleanup_state_net_ struct state_net *n = state_net_new(STATE_KEY_LOCAL + 1);
	char text[STATE_ELEM_TEXT_MAX];

	(void)state;
	assert_int_equal(state_elem_cmp(&x, &y), 0);
	state_net_add_elem(n, &x);
	state_net_add_elem(n, &y);
	x = state_elem_publish(17, any, 80, a, 8080);
	state_net_add_elem(n, &x);
	x = state_elem_member(a, "ovl0");
	state_net_add_elem(n, &x);
	x = state_elem_publish(6, a, 80, a, 8080);
	state_net_add_elem(n, &x);
	state_net_sort(n);
	assert_int_equal(n->n_elems, 4);
	assert_int_equal(n->elems[0].set, STATE_SET_MEMBER);
	assert_string_equal(state_elem_format(&n->elems[0], text), "member 0.0.0.1 ovl0");
	assert_memory_equal(&n->elems[1], &y, sizeof(y)); /* the later of the two */
	assert_string_equal(state_elem_format(&y, text),
			    "publish tcp any port 80 to 0.0.0.2 port 8081");
	for (size_t i = 1; i < n->n_elems; i++)
		assert_true(state_elem_cmp(&n->elems[i - 1], &n->elems[i]) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_fit_and_are_known_by_their_prefix),
		cmocka_unit_test(gateway_macs_differ_between_networks),
		cmocka_unit_test(one_destination_per_mac_but_many_for_flooding),
		cmocka_unit_test(sorting_keeps_the_later_of_two),
		cmocka_unit_test(put_and_drop_keep_the_order),
		cmocka_unit_test(put_replaces),
		cmocka_unit_test(elements_of_a_port),
		cmocka_unit_test(elements_are_known_by_all_but_where_they_lead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
