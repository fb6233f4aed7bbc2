/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MEMBERS 8

/* A namespace with endpoints; each network has one subnet, told by the first letter of its name. */
struct world {
	struct model_subnet subnets[MEMBERS][2];
	struct model_network nets[MEMBERS];
	struct sandbox_member v[MEMBERS];
	size_t n;
	struct sandbox_verdict got;
};

static struct ip ip6(uint8_t net, uint8_t last)
{
	struct ip ip = { .family = AF_INET6, .b = { 0xfd, net } };

	ip.b[15] = last;
	return ip;
}

static struct sandbox_member *add(struct world *w, const char *driver, const char *name)
{
	size_t i = w->n++;
	uint32_t base = 0x0a000000u + ((uint32_t)name[0] << 8);
	struct model_network *net = &w->nets[i];
	struct sandbox_member *m = &w->v[i];

	w->subnets[i][0] =
		(struct model_subnet){ .subnet = { ip_v4(base), 24 }, .gateway = ip_v4(base + 1) };
	net->driver = (char *)driver;
	net->name = (char *)name;
	net->subnets = w->subnets[i];
	net->n_subnets = 1;
	m->network = net;
	m->endpoint.b[0] = (uint8_t)(1 + i);
	m->ip4 = ip_v4(base + 2);
	return m;
}

static void with_ipv6(struct world *w, struct sandbox_member *m)
{
	size_t i = (size_t)(m - w->v);
	uint8_t net = (uint8_t)m->network->name[0];

	w->subnets[i][1] =
		(struct model_subnet){ .subnet = { ip6(net, 0), 64 }, .gateway = ip6(net, 1) };
	w->nets[i].n_subnets = 2;
	m->ip6 = ip6(net, 2);
}

static void judge(struct world *w)
{
	sandbox_judge(w->v, w->n, &w->got);
}

static void is(struct id got, const struct sandbox_member *m)
{
	struct id none = { 0 };

	assert_true(id_eq(got, m ? m->endpoint : none));
}

static void an_empty_one(void **state)
{
	struct world w = { 0 };

	(void)state;
	judge(&w);
	assert_false(w.got.need_egress);
	is(w.got.gateway4, NULL);
	is(w.got.published, NULL);
}

static void one_bridge(void **state)
{
	struct world w = { 0 };
	struct sandbox_member *b = add(&w, "bridge", "b");

	(void)state;
	judge(&w);
	assert_false(w.got.need_egress);
	is(w.got.gateway4, b);
	is(w.got.gateway6, NULL);
	is(w.got.published, b);
	assert_true(ip_eq(w.got.via4, w.subnets[0][0].gateway));
	assert_false(ip_is_set(w.got.via6));
}

static void an_overlay_needs_the_egress_bridge(void **state)
{
	struct world w = { 0 };
	struct sandbox_member *o = add(&w, "overlay", "o"), *e;

	(void)state;
	judge(&w);
	assert_true(w.got.need_egress);
	is(w.got.egress, NULL);
	is(w.got.gateway4, NULL); /* not before it is there: an overlay never bears it */
	is(w.got.published, NULL);
	e = add(&w, "egress", "egress");
	judge(&w);
	assert_true(w.got.need_egress);
	is(w.got.egress, e);
	is(w.got.gateway4, e);
	is(w.got.published, e);
	assert_true(ip_eq(w.got.via4, w.subnets[1][0].gateway));
	/* And no more once its network is internal, or gone. */
	w.nets[0].internal = true;
	judge(&w);
	assert_false(w.got.need_egress);
	is(w.got.egress, e);
	is(w.got.gateway4, NULL);
	w.nets[0].internal = false;
	sandbox_judge(&w.v[1], 1, &w.got);
	assert_false(w.got.need_egress);
	is(w.got.egress, e);
	(void)o;
}

static void internal_networks_have_no_part(void **state)
{
	struct world w = { 0 };
	struct sandbox_member *e;

	(void)state;
	add(&w, "overlay", "o");
	add(&w, "bridge", "b")->gw_priority = 9;
	w.nets[0].internal = w.nets[1].internal = true;
	judge(&w);
	assert_false(w.got.need_egress);
	is(w.got.gateway4, NULL);
	is(w.got.published, NULL);
	/* Not all of them. */
	add(&w, "overlay", "p");
	e = add(&w, "egress", "egress");
	judge(&w);
	assert_true(w.got.need_egress);
	is(w.got.gateway4, e);
}

static void a_local_network_that_leads_out_spares_it(void **state)
{
	static const char *const drivers[] = { "bridge", "macvlan", "ipvlan" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world w = { 0 };
		struct sandbox_member *l, *e;

		add(&w, "overlay", "a");
		l = add(&w, drivers[i], "z");
		e = add(&w, "egress", "egress"); /* from before */
		judge(&w);
		assert_false(w.got.need_egress);
		is(w.got.egress, e);
		is(w.got.gateway4, l);
		is(w.got.published, i == 0 ? l : NULL);
		/* Without a gateway a device on a parent leads nowhere. */
		w.subnets[1][0].gateway = (struct ip){ 0 };
		judge(&w);
		assert_true(w.got.need_egress);
		is(w.got.gateway4, e);
	}
}

static void the_highest_priority_wins(void **state)
{
	struct world w = { 0 };
	struct sandbox_member *a = add(&w, "bridge", "a"), *b = add(&w, "bridge", "b");

	(void)state;
	b->gw_priority = 1;
	judge(&w);
	is(w.got.gateway4, b);
	b->gw_priority = -1;
	judge(&w);
	is(w.got.gateway4, a);
}

static void among_equals_the_name_decides(void **state)
{
	struct world w = { 0 };
	struct sandbox_member *b = add(&w, "bridge", "b"), *a = add(&w, "macvlan", "a");

	(void)state;
	judge(&w);
	is(w.got.gateway4, a);
	(void)b;
}

static void an_overlay_of_a_higher_priority_leads_by_the_egress_bridge(void **state)
{
	struct world w = { 0 };
	struct sandbox_member *b = add(&w, "bridge", "b"), *o = add(&w, "overlay", "a"), *e;

	(void)state;
	o->gw_priority = 5;
	judge(&w);
	assert_true(w.got.need_egress);
	is(w.got.gateway4, b); /* until it is there */
	e = add(&w, "egress", "egress");
	judge(&w);
	is(w.got.gateway4, e);
	is(w.got.published, e);
	/* Equal: bridge before overlay egress. */
	b->gw_priority = 5;
	judge(&w);
	assert_false(w.got.need_egress);
	is(w.got.gateway4, b);
}

static void further_networks_that_follow_hold_it_back(void **state)
{
	struct world w = { 0 };
	struct sandbox_member *a = add(&w, "overlay", "a");

	(void)state;
	a->defer = true;
	judge(&w);
	assert_false(w.got.need_egress);
	add(&w, "overlay", "b");
	judge(&w);
	assert_true(w.got.need_egress);
	/* The last one leaves again: what is there stays. */
	w.n = 1;
	add(&w, "egress", "egress");
	judge(&w);
	assert_true(w.got.need_egress);
}

static void each_family_by_itself(void **state)
{
	struct world w = { 0 };
	struct sandbox_member *a = add(&w, "bridge", "a"), *b = add(&w, "bridge", "b");

	(void)state;
	with_ipv6(&w, b);
	judge(&w);
	is(w.got.gateway4, a);
	is(w.got.gateway6, b);
	assert_true(ip_eq(w.got.via6, ip6('b', 1)));
	is(w.got.published, a);
	/* Its network has IPv6, the endpoint has not. */
	b->ip6 = (struct ip){ 0 };
	judge(&w);
	is(w.got.gateway6, NULL);
	/* IPv6 alone. */
	with_ipv6(&w, b);
	b->ip4 = (struct ip){ 0 };
	w.v[0] = w.v[1];
	sandbox_judge(w.v, 1, &w.got);
	is(w.got.gateway4, NULL);
	is(w.got.published, b);
}

static void the_gateway_is_that_of_its_own_subnet(void **state)
{
	struct world w = { 0 };
	struct sandbox_member *a = add(&w, "bridge", "a");

	(void)state;
	w.subnets[0][1] = (struct model_subnet){ .subnet = { ip_v4(0x0a630000), 24 },
						 .gateway = ip_v4(0x0a630001) };
	w.nets[0].n_subnets = 2;
	a->ip4 = ip_v4(0x0a630007);
	judge(&w);
	assert_true(ip_eq(w.got.via4, ip_v4(0x0a630001)));
}

static void host_and_none_lead_nowhere(void **state)
{
	struct world w = { 0 };

	(void)state;
	add(&w, "host", "host");
	add(&w, "null", "none");
	judge(&w);
	assert_false(w.got.need_egress);
	is(w.got.gateway4, NULL);
	is(w.got.published, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one),
		cmocka_unit_test(one_bridge),
		cmocka_unit_test(an_overlay_needs_the_egress_bridge),
		cmocka_unit_test(internal_networks_have_no_part),
		cmocka_unit_test(a_local_network_that_leads_out_spares_it),
		cmocka_unit_test(the_highest_priority_wins),
		cmocka_unit_test(among_equals_the_name_decides),
		cmocka_unit_test(an_overlay_of_a_higher_priority_leads_by_the_egress_bridge),
		cmocka_unit_test(further_networks_that_follow_hold_it_back),
		cmocka_unit_test(each_family_by_itself),
		cmocka_unit_test(the_gateway_is_that_of_its_own_subnet),
		cmocka_unit_test(host_and_none_lead_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
