/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/compile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/mem.h"
#include "overlay/diff.h"

#define VNI 1048577u
#define MANY 10000

/* Nodes are told by the first byte of their id, which is also the last of their VTEP; 0x63 is not known. */
static struct ip vtep_of(void *user, struct id node)
{
	(void)user;
	if (node.b[0] == 0x63)
		return (struct ip){ 0 };
	if (node.b[0] == 0x64)
		return (struct ip){ .family = AF_INET6, .b = { 0xfd } };
	return ip_v4(0xc0a8cd00u + node.b[0]);
}

struct world {
	struct model_subnet subnets[2];
	struct model_network net;
	struct state_target target;
	struct compile_local locals[4];
	struct model_endpoint eps[16];
	const struct model_endpoint *list[16];
	struct compile_input in;
};

static struct prefix pfx(uint32_t ip, uint8_t len)
{
	return (struct prefix){ .ip = ip_v4(ip), .len = len };
}

static void world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->subnets[0] = (struct model_subnet){ .subnet = pfx(0x0a000000, 24),
					       .gateway = ip_v4(0x0a000001) };
	w->subnets[1] = (struct model_subnet){ .subnet = pfx(0x0a010000, 16),
					       .gateway = ip_v4(0x0a010001) };
	w->net = (struct model_network){
		.vni = VNI, .mtu = 1450, .flood = true, .subnets = w->subnets, .n_subnets = 2
	};
	snprintf(w->target.path, sizeof(w->target.path), "/run/netns/a");
	w->in = (struct compile_input){ .network = &w->net,
					.self = { { 1 } },
					.vtep = ip_v4(0xc0a8cd01),
					.vxlan_port = 4789,
					.underlay_mtu = 1500,
					.locals = w->locals,
					.endpoints = w->list,
					.vtep_of = vtep_of };
}

static struct compile_local *local(struct world *w, uint32_t ip)
{
	struct compile_local *l = &w->locals[w->in.n_locals++];

	l->id.b[0] = (uint8_t)(0xa0 + w->in.n_locals);
	l->ip4 = ip_v4(ip);
	l->mac = mac_from_ip(l->ip4);
	l->ifname = "eth0";
	l->target = &w->target;
	return l;
}

static struct model_endpoint *remote(struct world *w, uint8_t node, uint32_t ip)
{
	struct model_endpoint *ep = &w->eps[w->in.n_endpoints];

	w->list[w->in.n_endpoints++] = ep;
	ep->node.b[0] = node;
	ep->ip4 = ip_v4(ip);
	ep->mac = mac_from_ip(ep->ip4);
	return ep;
}

static const struct state_fdb *fdb(const struct state_net *n, enum state_fdb_where where,
				   struct mac mac, struct ip vtep)
{
	struct state_fdb key = { .where = (uint8_t)where, .mac = mac, .vtep = vtep };

	return state_net_fdb(n, &key);
}

static void without_local_endpoints_there_is_no_network(void **state)
{
	struct world w;

	(void)state;
	world(&w);
	remote(&w, 2, 0x0a000003);
	assert_null(compile_network(&w.in, NULL));
}

static void devices_and_a_local_endpoint(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	const struct state_fdb *f;
	struct compile_local *l;
	struct state_port *p;
	struct world w;

	(void)state;
	world(&w);
	l = local(&w, 0x0a000002);
	n = compile_network(&w.in, NULL);
	assert_true(n->bridge_exists && n->bridge_up && n->vxlan_exists && n->vxlan_up);
	assert_true(n->vxlan_enslaved && n->vxlan_flags_ok && n->complete);
	assert_int_equal(n->bridge_mtu, 1500);
	assert_int_equal(n->vxlan_mtu, 1500);
	assert_true(mac_eq(n->bridge_mac, state_bridge_mac(VNI)));
	assert_int_equal(n->n_gateways, 2);
	assert_true(prefix_eq(n->gateways[0], pfx(0x0a000001, 24)));
	assert_int_equal(n->n_ports, 1);
	p = &n->ports[0];
	assert_true(p->up && p->enslaved && p->flags_ok && p->guard4 && !p->guard6);
	assert_int_equal(p->mtu, 1500);
	assert_int_equal(p->container_mtu, 1450);
	assert_int_equal(p->len4, 24);
	assert_int_equal(p->n_routes, 1);
	assert_true(prefix_eq(p->routes[0], w.subnets[1].subnet));
	assert_string_equal(p->target.path, "/run/netns/a");
	f = fdb(n, STATE_FDB_MASTER, l->mac, (struct ip){ 0 });
	assert_string_equal(f->port, p->name);
	assert_true(mac_eq(state_net_neigh(n, l->ip4)->mac, l->mac));
	assert_int_equal(n->n_fdb, 1);
}

static void remote_endpoints_and_flooding(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	struct mac zero = { 0 };
	struct model_endpoint *ep;
	size_t skipped = 99;
	struct world w;

	(void)state;
	world(&w);
	local(&w, 0x0a000002);
	ep = remote(&w, 2, 0x0a000003);
	ep->ip6 = (struct ip){ .family = AF_INET6, .b = { 0xfd, 7 } };
	remote(&w, 3, 0x0a000004);
	remote(&w, 2, 0x0a000005);
	remote(&w, 1, 0x0a000006); /* our own record: the local list tells */
	n = compile_network(&w.in, &skipped);
	assert_int_equal(skipped, 0);
	assert_true(ip_eq(fdb(n, STATE_FDB_SELF, ep->mac, ep->ip4)->vtep, ip_v4(0xc0a8cd02)));
	assert_string_equal(fdb(n, STATE_FDB_MASTER, ep->mac, ep->ip4)->port, "vx1048577");
	assert_true(mac_eq(state_net_neigh(n, ep->ip6)->mac, ep->mac));
	assert_non_null(fdb(n, STATE_FDB_SELF, zero, ip_v4(0xc0a8cd02)));
	assert_non_null(fdb(n, STATE_FDB_SELF, zero, ip_v4(0xc0a8cd03)));
	assert_int_equal(n->n_fdb, 3 + 2 + 4);
	assert_int_equal(n->n_neigh, 5);
	state_net_free(n);
	w.net.flood = false;
	n = compile_network(&w.in, NULL);
	assert_int_equal(n->n_fdb, 3 + 4);
}

static void who_cannot_be_reached_is_left_out(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	size_t skipped;
	struct world w;

	(void)state;
	world(&w);
	local(&w, 0x0a000002);
	remote(&w, 0x63, 0x0a000003); /* node not known */
	remote(&w, 0x64, 0x0a000004); /* another family */
	w.in.vtep = ip_v4(0xc0a8cd05);
	remote(&w, 5, 0x0a000005); /* says it has our own VTEP */
	n = compile_network(&w.in, &skipped);
	assert_int_equal(skipped, 3);
	assert_int_equal(n->n_fdb, 1);
	assert_int_equal(n->n_neigh, 1);
}

static void local_endpoints_win(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	struct compile_local *l;
	size_t skipped;
	struct world w;

	(void)state;
	world(&w);
	l = local(&w, 0x0a000002);
	remote(&w, 2, 0x0a000002); /* address and MAC */
	remote(&w, 2, 0x0a000002)->mac.b[5] = 9; /* address */
	remote(&w, 2, 0x0a000009)->mac = l->mac; /* MAC */
	remote(&w, 2, 0x0a000001); /* the gateway's address */
	remote(&w, 2, 0x0a00000a)->mac = state_bridge_mac(VNI); /* its MAC */
	remote(&w, 2, 0x0a00000b)->mac = (struct mac){ 0 };
	n = compile_network(&w.in, &skipped);
	assert_int_equal(skipped, 6);
	assert_int_equal(n->n_fdb, 1);
	assert_int_equal(n->n_neigh, 1);
	state_net_free(n);
	/* One that is shut gives way to the owner. */
	l->shut = true;
	n = compile_network(&w.in, &skipped);
	assert_false(n->ports[0].up || n->ports[0].guard4);
	assert_true(ip_eq(fdb(n, STATE_FDB_SELF, l->mac, l->ip4)->vtep, ip_v4(0xc0a8cd02)));
	assert_string_equal(fdb(n, STATE_FDB_MASTER, l->mac, l->ip4)->port, "vx1048577");
}

static void elements(void **state)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	_cleanup_free_ struct state_guard *g = NULL;
	struct compile_local *l;
	struct world w;
	size_t count;

	(void)state;
	world(&w);
	local(&w, 0x0a000002)->ip6 = (struct ip){ .family = AF_INET6, .b = { 0xfd, 1 } };
	l = local(&w, 0x0a000003);
	local(&w, 0x0a000004)->shut = true;
	n = compile_network(&w.in, NULL);
	compile_guards(n, &g, &count);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++) {
		if (ip_eq(g[i].ip, l->ip4))
			assert_true(mac_eq(g[i].mac, l->mac));
	}
}

static double ms_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)(now.tv_sec - from->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - from->tv_nsec) / 1e6;
}

/* Figures to look at, nothing to fail on. */
static void ten_thousand(void **state)
{
	_cleanup_free_ struct model_endpoint *eps = mem_alloc_array(MANY, sizeof(*eps));
	_cleanup_free_ const struct model_endpoint **list = mem_alloc_array(MANY, sizeof(eps));
	_cleanup_state_net_ struct state_net *n = NULL;
	double t_compile, t_new, t_same;
	struct timespec from;
	struct world w;
	struct diff d;

	(void)state;
	world(&w);
	local(&w, 0x0a01fff0);
	for (uint32_t i = 0; i < MANY; i++) {
		/* In no order, as hash tables have it. */
		eps[i].ip4 = ip_v4(0x0a010002 + (i * 7919) % MANY);
		eps[i].mac = mac_from_ip(eps[i].ip4);
		eps[i].node.b[0] = (uint8_t)(2 + i % 40);
		list[i] = &eps[i];
	}
	w.in.endpoints = list;
	w.in.n_endpoints = MANY;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	n = compile_network(&w.in, NULL);
	t_compile = ms_since(&from);
	assert_int_equal(n->n_fdb, 2 * MANY + 40 + 1);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	diff_net(n, NULL, true, &d);
	t_new = ms_since(&from);
	diff_done(&d);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	diff_net(n, n, true, &d);
	t_same = ms_since(&from);
	assert_int_equal(d.n, 0);
	diff_done(&d);
	print_message("%d remotes: compile %.2f ms, diff %.2f ms from nothing, %.2f ms unchanged\n",
		      MANY, t_compile, t_new, t_same);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_local_endpoints_there_is_no_network),
		cmocka_unit_test(devices_and_a_local_endpoint),
		cmocka_unit_test(remote_endpoints_and_flooding),
		cmocka_unit_test(who_cannot_be_reached_is_left_out),
		cmocka_unit_test(local_endpoints_win),
		cmocka_unit_test(elements),
		cmocka_unit_test(ten_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
