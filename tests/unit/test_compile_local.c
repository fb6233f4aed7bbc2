/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local networks: bridge, egress bridge, macvlan and ipvlan; and port security. */
#include "agent/compile.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"

#define KEY (STATE_KEY_LOCAL + 7)

struct world {
	struct model_subnet subnets[2];
	struct model_network net;
	struct netopt opt;
	struct state_target target;
	struct compile_local locals[4];
	struct model_publish publish[4];
	struct compile_local_input in;
};

static struct ip v6(uint8_t last)
{
	struct ip ip = { .family = AF_INET6, .b = { 0xfd, 9 } };

	ip.b[15] = last;
	return ip;
}

static void world(struct world *w, enum netopt_driver driver)
{
	memset(w, 0, sizeof(*w));
	w->subnets[0] = (struct model_subnet){ .subnet = { ip_v4(0xac110000), 16 },
					       .gateway = ip_v4(0xac110001) };
	w->subnets[1] = (struct model_subnet){ .subnet = { v6(0), 64 }, .gateway = v6(1) };
	w->net = (struct model_network){ .id = { { 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45 } },
					 .subnets = w->subnets,
					 .n_subnets = 2,
					 .ipv6 = true };
	w->opt = (struct netopt){ .driver = driver, .icc = true, .masquerade = true };
	snprintf(w->target.path, sizeof(w->target.path), "/run/netns/a");
	w->in = (struct compile_local_input){ .network = &w->net,
					      .opt = &w->opt,
					      .key = driver == NETOPT_EGRESS ? STATE_KEY_EGRESS :
									       KEY,
					      .mtu = 1400,
					      .bridge_mac = { { 2, 1, 1, 1, 1, 1 } },
					      .locals = w->locals };
}

static struct compile_local *local(struct world *w, uint8_t last)
{
	struct compile_local *l = &w->locals[w->in.n_locals++];

	l->id.b[0] = last;
	l->ip4 = ip_v4(0xac110000u + last);
	l->ip6 = v6(last);
	l->mac = mac_from_ip(l->ip4);
	l->ifname = "eth1";
	l->target = &w->target;
	l->publish = w->publish;
	return l;
}

static size_t count(const struct state_net *n, enum state_set set)
{
	size_t found = 0;

	for (size_t i = 0; i < n->n_elems; i++)
		found += n->elems[i].set == set;
	return found;
}

static bool has(const struct state_net *n, struct state_elem el)
{
	for (size_t i = 0; i < n->n_elems; i++) {
		if (memcmp(&n->elems[i], &el, sizeof(el)) == 0)
			return true;
	}
	return false;
}

static void a_bridge_is_there_without_endpoints(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	char name[IFNAMSIZ];
	struct world w;

	(void)state;
	world(&w, NETOPT_BRIDGE);
	n = compile_local(&w.in);
	assert_int_equal(n->vni, KEY);
	assert_int_equal(n->kind, STATE_BRIDGE);
	state_net_bridge_name(n, name);
	assert_string_equal(name, "ovl-abcdef01234");
	assert_true(n->complete && n->bridge_exists && n->bridge_up && n->localnet_ok);
	assert_false(n->vxlan_exists || n->uplink_exists);
	assert_int_equal(n->bridge_mtu, 1400);
	assert_true(mac_eq(n->bridge_mac, w.in.bridge_mac));
	assert_int_equal(n->n_gateways, 2);
	assert_int_equal(n->n_elems, 4);
	assert_true(has(n, state_elem_ifname(STATE_SET_BRIDGES, name)));
	assert_true(has(n, state_elem_ifname(STATE_SET_MASQ4, name)));
	assert_true(has(n, state_elem_ifname(STATE_SET_MASQ6, name)));
	assert_true(has(n, state_elem_ifname(STATE_SET_ICC, name)));
}

static void the_options_of_a_bridge(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	struct world w;

	(void)state;
	world(&w, NETOPT_BRIDGE);
	snprintf(w.opt.bridge, sizeof(w.opt.bridge), "ovl0");
	w.opt.icc = w.opt.masquerade = false;
	n = compile_local(&w.in);
	assert_string_equal(n->bridge, "ovl0");
	assert_true(has(n, state_elem_ifname(STATE_SET_NOICC, "ovl0")));
	assert_int_equal(n->n_elems, 2);
	state_net_free(n);
	w.opt.masquerade = true;
	w.net.ipv6 = false;
	n = compile_local(&w.in);
	assert_int_equal(count(n, STATE_SET_MASQ4), 1);
	assert_int_equal(count(n, STATE_SET_MASQ6), 0);
	state_net_free(n);
	/* Internal: its address on the host all the same. */
	w.net.internal = true;
	n = compile_local(&w.in);
	assert_int_equal(count(n, STATE_SET_MASQ4), 0);
	assert_int_equal(count(n, STATE_SET_INTERNAL), 1);
	assert_int_equal(count(n, STATE_SET_BRIDGES), 1);
	assert_int_equal(n->n_gateways, 2);
	state_net_free(n);
	w.net.internal = false;
	w.opt.gateway_mode = NETOPT_ROUTED;
	n = compile_local(&w.in);
	assert_int_equal(count(n, STATE_SET_MASQ4), 0);
}

static void ports_of_a_bridge(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	struct compile_local *l;
	const struct state_port *p;
	struct world w;

	(void)state;
	world(&w, NETOPT_BRIDGE);
	l = local(&w, 2);
	l->gw4 = ip_v4(0xac110001);
	n = compile_local(&w.in);
	assert_int_equal(n->n_ports, 1);
	p = &n->ports[0];
	assert_true(state_port_in_host(p->name));
	assert_true(p->up && p->enslaved && p->flags_ok && p->guard4 && p->guard6 && !p->open);
	assert_true(ip_eq(p->gw4, l->gw4));
	assert_false(ip_is_set(p->gw6));
	assert_int_equal(p->len4, 16);
	assert_int_equal(p->len6, 64);
	assert_int_equal(p->mtu, 1400);
	assert_int_equal(p->container_mtu, 1400);
	assert_string_equal(p->ifname, "eth1");
	assert_int_equal(n->n_fdb, 1);
	assert_string_equal(n->fdb[0].port, p->name);
	assert_int_equal(n->n_neigh, 0);
	assert_true(has(n, state_elem_member(l->ip4, n->bridge)));
	assert_true(has(n, state_elem_member(l->ip6, n->bridge)));
	assert_int_equal(count(n, STATE_SET_PUBLISH), 0);
	state_net_free(n);
	/* One that is shut has none of all that. */
	l->shut = true;
	n = compile_local(&w.in);
	assert_false(n->ports[0].up || n->ports[0].guard4);
	assert_int_equal(n->n_fdb, 0);
	assert_int_equal(count(n, STATE_SET_MEMBER), 0);
}

static void published_ports(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	struct ip any = { 0 }, own4 = ip_v4(0xc0a80105);
	struct compile_local *l;
	struct world w;

	(void)state;
	world(&w, NETOPT_BRIDGE);
	l = local(&w, 2);
	l->n_publish = 3;
	w.publish[0] = (struct model_publish){ IPPROTO_TCP, any, 8080, 80 };
	w.publish[1] = (struct model_publish){ IPPROTO_UDP, own4, 5353, 53 };
	w.publish[2] = (struct model_publish){ IPPROTO_TCP, v6(0x99), 8443, 443 };
	n = compile_local(&w.in);
	assert_int_equal(count(n, STATE_SET_PUBLISH), 4);
	assert_true(has(n, state_elem_publish(IPPROTO_TCP, any, 8080, l->ip4, 80)));
	assert_true(has(n, state_elem_publish(IPPROTO_TCP, any, 8080, l->ip6, 80)));
	assert_true(has(n, state_elem_publish(IPPROTO_UDP, own4, 5353, l->ip4, 53)));
	assert_true(has(n, state_elem_publish(IPPROTO_TCP, v6(0x99), 8443, l->ip6, 443)));
	state_net_free(n);
	/* Families that do not fit are the relay's. */
	l->ip6 = any;
	n = compile_local(&w.in);
	assert_int_equal(count(n, STATE_SET_PUBLISH), 2);
	state_net_free(n);
	l->ip6 = v6(2);
	w.opt.gateway_mode = NETOPT_ROUTED;
	n = compile_local(&w.in);
	assert_int_equal(count(n, STATE_SET_PUBLISH), 0);
	assert_int_equal(count(n, STATE_SET_OPEN), 6);
	assert_true(has(n, state_elem_open(IPPROTO_TCP, l->ip6, 80)));
	state_net_free(n);
	l->shut = true;
	n = compile_local(&w.in);
	assert_int_equal(count(n, STATE_SET_OPEN), 0);
}

static void the_egress_bridge(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	struct compile_local *l;
	struct world w;

	(void)state;
	world(&w, NETOPT_EGRESS);
	/* Once made it stays: the next container is not to wait for it. */
	n = compile_local(&w.in);
	assert_true(n && n->bridge_exists && n->uplink_exists);
	state_net_free(TAKE_PTR(n));
	l = local(&w, 2);
	l->n_publish = 1;
	w.publish[0] =
		(struct model_publish){ .proto = IPPROTO_TCP, .host_port = 8080, .port = 80 };
	w.opt.security = STATE_SECURE_OFF; /* no option of it */
	w.opt.gateway_mode = NETOPT_ROUTED;
	n = compile_local(&w.in);
	assert_int_equal(n->kind, STATE_EGRESS);
	assert_int_equal(n->vni, STATE_KEY_EGRESS);
	assert_true(n->uplink_exists && n->uplink_up && n->uplink_enslaved && n->localnet_ok);
	assert_int_equal(n->uplink_mtu, 1400);
	assert_int_equal(n->n_gateways, 2);
	assert_false(state_port_in_host(n->ports[0].name));
	assert_true(n->ports[0].guard4 && n->ports[0].guard6 && !n->ports[0].open);
	assert_true(has(n, state_elem_ifname(STATE_SET_BRIDGES, STATE_EGRESS_HOST)));
	assert_true(has(n, state_elem_ifname(STATE_SET_MASQ4, STATE_EGRESS_HOST)));
	assert_true(has(n, state_elem_ifname(STATE_SET_MASQ6, STATE_EGRESS_HOST)));
	assert_true(has(n, state_elem_member(l->ip4, STATE_EGRESS_HOST)));
	assert_int_equal(count(n, STATE_SET_PUBLISH), 2);
	assert_int_equal(n->n_elems, 3 + 2 + 2);
}

static void devices_on_a_parent(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	char name[IFNAMSIZ];
	struct world w;

	(void)state;
	world(&w, NETOPT_IPVLAN);
	snprintf(w.opt.parent, sizeof(w.opt.parent), "eth0");
	snprintf(w.opt.mode, sizeof(w.opt.mode), "l3");
	assert_null(compile_local(&w.in));
	local(&w, 2)->gw4 = ip_v4(0xac110001);
	local(&w, 3)->shut = true;
	n = compile_local(&w.in);
	assert_int_equal(n->kind, STATE_DIRECT);
	assert_string_equal(n->parent, "eth0");
	assert_string_equal(n->driver, "ipvlan");
	assert_string_equal(n->mode, "l3");
	state_net_bridge_name(n, name);
	assert_string_equal(name, "");
	assert_int_equal(n->n_ports, 1);
	assert_true(n->ports[0].up && !n->ports[0].enslaved && !n->ports[0].guard4);
	assert_true(ip_is_set(n->ports[0].gw4));
	assert_int_equal(n->n_elems + n->n_fdb + n->n_gateways + n->bridge_exists, 0);
	w.opt.driver = NETOPT_MACVLAN;
	state_net_free(n);
	n = compile_local(&w.in);
	assert_string_equal(n->driver, "macvlan");
}

/* Of overlay networks and of bridges alike. */
static void port_security(void **state)
{
	static const size_t elements[] = {
		[STATE_SECURE_MAC_IP] = 2, [STATE_SECURE_MAC] = 1, [STATE_SECURE_OFF] = 1
	};
	struct world w;

	(void)state;
	world(&w, NETOPT_BRIDGE);
	local(&w, 2)->gw4 = ip_v4(0xac110001);
	for (int overlay = 0; overlay < 2; overlay++) {
		for (int s = STATE_SECURE_MAC_IP; s <= STATE_SECURE_OFF; s++) {
			struct compile_input in = { .network = &w.net,
						    .security = (enum state_security)s,
						    .locals = w.locals,
						    .n_locals = 1 };
			_cleanup_state_net_ struct state_net *n = NULL;
			_cleanup_free_ struct state_guard *g = NULL;
			size_t n_guards;

			w.opt.security = (enum state_security)s;
			n = overlay ? compile_network(&in, NULL) : compile_local(&w.in);
			compile_guards(n, &g, &n_guards);
			assert_int_equal(n_guards, elements[s]);
			assert_int_equal(g[0].security, s);
			assert_int_equal(ip_is_set(g[0].ip), s == STATE_SECURE_MAC_IP);
			assert_int_equal(mac_is_zero(g[0].mac), s == STATE_SECURE_OFF);
			assert_string_equal(g[0].port, n->ports[0].name);
			assert_int_equal(n->ports[0].open, s == STATE_SECURE_OFF);
			assert_int_equal(n->n_fdb, s != STATE_SECURE_OFF);
			assert_int_equal(ip_is_set(n->ports[0].gw4), !overlay);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bridge_is_there_without_endpoints),
		cmocka_unit_test(the_options_of_a_bridge),
		cmocka_unit_test(ports_of_a_bridge),
		cmocka_unit_test(published_ports),
		cmocka_unit_test(the_egress_bridge),
		cmocka_unit_test(devices_on_a_parent),
		cmocka_unit_test(port_security),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
