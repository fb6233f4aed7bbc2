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

#define V4(a, b, c, d) \
	ip_v4((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

#define assert_ip(a, b)                                                  \
	do {                                                             \
		char _x[IP_TEXT_MAX], _y[IP_TEXT_MAX];                   \
		assert_string_equal(ip_format(a, _x), ip_format(b, _y)); \
	} while (0)

static const struct model_publish web = { .proto = IPPROTO_TCP, .host_port = 8080, .port = 80 };

static struct ip default_route(struct lab *w, const char *path, char *ret_ifname)
{
	return fake_kernel_route(w->f, path, AF_INET, ret_ifname);
}

/* ---- local networks ---- */

static void a_local_network_needs_no_etcd(void **state)
{
	struct lab *w = *state;
	struct compile_local l;

	lab_connect(w, LAB_BRIDGE, "1");
	assert_ip(w->a.ip4, V4(172, 17, 0, 2));
	assert_string_equal(w->a.ifname, "eth0");
	assert_int_equal(w->releases, 0);
	assert_int_equal(lab_rows(w), 1);
	assert_int_equal(lab_of(w, LAB_BRIDGE, "1")->state, LOCAL_BOUND);
	assert_non_null(lab_port(w, LAB_BRIDGE, "1"));
	assert_true(lab_port(w, LAB_BRIDGE, "1")->up);
	/* Its default route came with the port. */
	assert_int_equal(lab_locals(w, LAB_BRIDGE, &l), 1);
	assert_ip(l.gw4, V4(172, 17, 0, 1));
	assert_int_equal(fake_kernel_calls(w->f, FAKE_DEFAULT_ROUTE), 0);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_FORWARDING), 1);

	lab_connect(w, LAB_BRIDGE, "1"); /* again */
	assert_int_equal(lab_rows(w), 1);
	lab_leave(w, LAB_BRIDGE, "1");
	assert_int_equal(w->a.status, 0);
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(lab_locals(w, LAB_BRIDGE, NULL), 0);
	assert_int_equal(w->releases, 0);
	assert_true(w->flushed >= 1);
	lab_leave(w, LAB_BRIDGE, "1");
	assert_int_equal(w->a.status, -ENOENT);
}

static void addresses_are_handed_out_in_turn(void **state)
{
	struct lab *w = *state;

	lab_connect(w, LAB_BRIDGE, "1");
	lab_connect(w, LAB_BRIDGE, "2");
	assert_ip(w->a.ip4, V4(172, 17, 0, 3));
	lab_leave(w, LAB_BRIDGE, "2");
	lab_connect(w, LAB_BRIDGE, "3");
	assert_ip(w->a.ip4, V4(172, 17, 0, 4)); /* not one just given back */
	lab_ask(w, LAB_BRIDGE, "4", (struct endpoint_request){ .ip4 = V4(172, 17, 0, 3) });
	assert_int_equal(w->a.status, 0); /* but on request */
	lab_connect(w, LAB_SIX, "5");
	assert_int_equal(w->a.ip6.family, AF_INET6);
	lab_connect(w, LAB_SIX, "6");
	assert_int_equal(ip_diff(w->a.ip6, lab_of(w, LAB_SIX, "5")->ip6), 1);
}

static void bad_requests_leave_nothing(void **state)
{
	static const struct {
		enum lab_net net;
		int status;
		const char *why, *ip4, *ip6, *mac, *ifname, *name;
		bool publish;
	} cases[] = {
		{ LAB_BRIDGE, -EADDRINUSE, "in use by endpoint first", .ip4 = "172.17.0.2" },
		{ LAB_BRIDGE, -EADDRINUSE, "gateway", .ip4 = "172.17.0.1" },
		{ LAB_BRIDGE, -ERANGE, "none of", .ip4 = "10.9.9.9" },
		{ LAB_BRIDGE, -EINVAL, "broadcast", .ip4 = "172.17.0.255" },
		{ LAB_BRIDGE, -EINVAL, "no IPv6", .ip6 = "fd00::2" },
		{ LAB_BRIDGE, -EADDRINUSE, "in use by endpoint first", .mac = "02:42:ac:11:00:02" },
		{ LAB_BRIDGE, -EEXIST, "busy0 exists", .ifname = "busy0" },
		{ LAB_BRIDGE, -EINVAL, "name", .name = "-x" },
		{ LAB_HOST, -EINVAL, "only `ovlctl run --network host`" },
		{ LAB_NULL, -EINVAL, "only `ovlctl run --network none`" },
		{ LAB_EGRESS, -EACCES, "ovl's own" },
		{ LAB_OVER, -EHOSTUNREACH, "etcd" },
		{ LAB_INTERNAL, -EINVAL, "all of its are internal", .publish = true },
		{ LAB_MACVLAN, -EINVAL, "segment itself", .publish = true },
	};
	struct lab *w = *state;

	lab_ask(w, LAB_BRIDGE, "1", (struct endpoint_request){ .name = "first" });
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct endpoint_request req = { .ifname = cases[i].ifname,
						.name = cases[i].name,
						.publish = &web,
						.n_publish = cases[i].publish };

		if (cases[i].ip4)
			assert_int_equal(ip_parse(cases[i].ip4, &req.ip4, NULL), 0);
		if (cases[i].ip6)
			assert_int_equal(ip_parse(cases[i].ip6, &req.ip6, NULL), 0);
		if (cases[i].mac)
			assert_int_equal(mac_parse(cases[i].mac, &req.mac, NULL), 0);
		lab_ask(w, cases[i].net, "2", req);
		if (w->a.status != cases[i].status || !strstr(w->a.why, cases[i].why))
			print_error("case %zu: %d %s\n", i, w->a.status, w->a.why);
		assert_int_equal(w->a.status, cases[i].status);
		assert_non_null(strstr(w->a.why, cases[i].why));
		assert_int_equal(lab_rows(w), 1);
		assert_int_equal(w->n_ports, 0);
	}
}

static void names_go_into_the_row(void **state)
{
	static const struct model_port ports[] = { { IPPROTO_TCP, 5000 }, { IPPROTO_UDP, 53 } };
	char *links[] = { "db:redis" }, *dns[] = { "10.0.0.53" }, *hosts[] = { "router:10.0.0.1" };
	struct lab *w = *state;
	const struct local_endpoint *row;

	lab_ask(w, LAB_BRIDGE, "1",
		(struct endpoint_request){ .hostname = "box.example",
					   .expose = ports,
					   .n_expose = 2,
					   .links = { links, 1 },
					   .dns = { dns, 1 },
					   .dns_search = { hosts, 1 },
					   .dns_options = { dns, 1 },
					   .extra_hosts = { hosts, 1 } });
	assert_int_equal(w->a.status, 0);
	row = lab_of(w, LAB_BRIDGE, "1");
	assert_string_equal(row->hostname, "box.example");
	assert_int_equal(row->n_expose, 2);
	assert_true(model_port_eq(row->expose[1], ports[1]));
	assert_true(strv_has(&row->links, "db:redis"));
	assert_true(strv_has(&row->dns, "10.0.0.53"));
	assert_true(strv_has(&row->dns_search, "router:10.0.0.1"));
	assert_true(strv_has(&row->dns_options, "10.0.0.53"));
	assert_true(strv_has(&row->extra_hosts, "router:10.0.0.1"));
}

static void bad_names_are_refused(void **state)
{
	static const struct {
		const char *hostname, *link, *why;
		size_t dns;
	} cases[] = {
		{ .hostname = "a b", .why = "hostname: \"a b\"" },
		{ .hostname = "a..b", .why = "hostname: " },
		{ .link = "db", .why = "link: \"db\" is not NAME:ALIAS" },
		{ .link = "d b:x", .why = "link: name: \"d b\"" },
		{ .link = "db:", .why = "link: alias: empty" },
		{ .link = "db:x:y", .why = "link: alias: \"x:y\"" },
		{ .dns = LOCAL_DNS_MAX + 1, .why = "dns servers: more than 3" },
	};
	struct lab *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct endpoint_request req = { .hostname = cases[i].hostname };

		if (cases[i].link)
			strv_add(&req.links, cases[i].link);
		for (size_t k = 0; k < cases[i].dns; k++)
			strv_add(&req.dns, "10.0.0.1");
		lab_ask(w, LAB_BRIDGE, "1", req);
		strv_done(&req.links);
		strv_done(&req.dns);
		assert_int_equal(w->a.status, -EINVAL);
		if (!strstr(w->a.why, cases[i].why))
			fail_msg("no \"%s\" in \"%s\"", cases[i].why, w->a.why);
		assert_int_equal(lab_rows(w), 0);
	}
}

static void a_full_network_says_so(void **state)
{
	struct lab *w = *state;

	lab_connect(w, LAB_SMALL, "1");
	lab_ask(w, LAB_SMALL, "2", (struct endpoint_request){ 0 });
	assert_int_equal(w->a.status, -ENOSPC);
	assert_non_null(strstr(w->a.why, "network small: no free address"));
	lab_leave(w, LAB_SMALL, "1");
	lab_connect(w, LAB_SMALL, "2"); /* lately released, but there is no other */
}

static void overlapping_networks_are_not_joined(void **state)
{
	struct lab *w = *state;

	w->etcd = true;
	w->conflict[0] = LAB_OVER;
	w->conflict[1] = LAB_BRIDGE;
	lab_connect(w, LAB_BRIDGE, "1");
	lab_ask(w, LAB_OVER, "2", (struct endpoint_request){ 0 });
	assert_int_equal(w->a.status, -EEXIST);
	assert_non_null(strstr(w->a.why, "network over (overlay) overlaps with network bridge"));
}

static void a_port_that_fails_leaves_nothing(void **state)
{
	struct lab *w = *state;

	fake_kernel_fail(w->f, FAKE_PORT_ADD, 1, 9, -EPERM);
	lab_ask(w, LAB_BRIDGE, "1", (struct endpoint_request){ .publish = &web, .n_publish = 1 });
	assert_int_equal(w->a.status, -EPERM);
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(w->n_ports, 0);
	assert_int_equal(lab_locals(w, LAB_BRIDGE, NULL), 0);
	fake_kernel_fail(w->f, FAKE_PORT_ADD, 1, 0, 0);
	lab_connect(w, LAB_BRIDGE, "1");
}

static void a_device_on_a_parent_has_neither_bridge_nor_egress(void **state)
{
	struct lab *w = *state;

	lab_connect(w, LAB_MACVLAN, "1");
	assert_ip(w->a.ip4, V4(192, 168, 9, 2));
	assert_int_equal(fake_kernel_calls(w->f, FAKE_FORWARDING), 0);
	lab_leave(w, LAB_MACVLAN, "1");
	assert_int_equal(w->a.status, 0);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_DIRECT_DEL), 1);
	lab_turn(w);
	assert_int_equal(lab_rows(w), 0);
}

/* The agent ends before the background deletion does: it is made sure of by the next one. */
static void a_device_on_its_way_out_is_remembered(void **state)
{
	struct lab *w = *state;

	lab_connect(w, LAB_MACVLAN, "1");
	fake_kernel_hold(w->f, true);
	lab_leave(w, LAB_MACVLAN, "1");
	assert_int_equal(w->a.status, 0);
	assert_null(lab_of(w, LAB_MACVLAN, "1"));
	assert_int_equal(lab_rows(w), 1);
	lab_restart(w, "boot");
	assert_null(lab_of(w, LAB_MACVLAN, "1"));
	assert_int_equal(fake_kernel_calls(w->f, FAKE_DIRECT_DEL), 2);
	assert_int_equal(lab_rows(w), 1);
	fake_kernel_hold(w->f, false);
	lab_turn(w);
	assert_int_equal(lab_rows(w), 0);
	lab_restart(w, "boot");
	assert_int_equal(fake_kernel_calls(w->f, FAKE_DIRECT_DEL), 2);
	lab_connect(w, LAB_MACVLAN, "1");
}

/* With its namespace, or its boot, it is gone anyway; and what has its name by now is another's. */
static void a_device_is_not_looked_for_where_it_cannot_be(void **state)
{
	struct lab *w = *state;

	lab_connect(w, LAB_MACVLAN, "1");
	lab_connect(w, LAB_MACVLAN, "2");
	lab_connect(w, LAB_MACVLAN, "3");
	fake_kernel_hold(w->f, true);
	lab_leave(w, LAB_MACVLAN, "1");
	lab_leave(w, LAB_MACVLAN, "2");
	lab_connect(w, LAB_BRIDGE, "1");
	assert_string_equal(w->a.ifname, "eth0");
	fake_kernel_kill(w->f, "/run/netns/2");
	lab_restart(w, "boot");
	assert_int_equal(lab_rows(w), 2);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_DIRECT_DEL), 2);
	lab_leave(w, LAB_MACVLAN, "3");
	lab_restart(w, "another boot");
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_DIRECT_DEL), 3);
	fake_kernel_hold(w->f, false);
	lab_turn(w);
}

/* ---- the way out ---- */

static void an_overlay_container_gets_egress(void **state)
{
	struct lab *w = *state;
	struct compile_local l;

	w->etcd = true;
	lab_connect(w, LAB_OVER, "1");
	assert_string_equal(w->a.ifname, "eth0");
	assert_non_null(lab_of(w, LAB_EGRESS, "1"));
	assert_string_equal(lab_of(w, LAB_EGRESS, "1")->ifname, "eth1");
	assert_string_equal(lab_of(w, LAB_EGRESS, "1")->name, lab_of(w, LAB_OVER, "1")->name);
	assert_non_null(lab_port(w, LAB_EGRESS, "1"));
	assert_int_equal(lab_locals(w, LAB_EGRESS, &l), 1);
	assert_ip(l.gw4, V4(172, 31, 0, 1));
	assert_int_equal(lab_rows(w), 2);

	lab_connect(w, LAB_OVER2, "1");
	assert_string_equal(w->a.ifname, "eth2");
	assert_int_equal(lab_rows(w), 3);
	assert_int_equal(lab_locals(w, LAB_EGRESS, NULL), 1);
	lab_leave(w, LAB_OVER, "1");
	assert_non_null(lab_of(w, LAB_EGRESS, "1"));
	lab_leave(w, LAB_OVER2, "1");
	assert_null(lab_of(w, LAB_EGRESS, "1"));
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(w->releases, 2);
}

static void ipv6_leads_out_where_a_network_has_it(void **state)
{
	struct lab *w = *state;
	struct compile_local l;
	struct id egress;

	w->etcd = true;
	lab_connect(w, LAB_OVER, "1");
	egress = lab_of(w, LAB_EGRESS, "1")->id;
	assert_false(ip_is_set(lab_of(w, LAB_EGRESS, "1")->ip6));
	assert_int_equal(fake_kernel_calls(w->f, FAKE_FORWARDING), 1);
	lab_connect(w, LAB_OVER2, "1"); /* the port comes again: the same, with IPv6 */
	assert_true(id_eq(lab_of(w, LAB_EGRESS, "1")->id, egress));
	assert_string_equal(lab_of(w, LAB_EGRESS, "1")->ifname, "eth1");
	assert_true(ip_is_set(lab_of(w, LAB_EGRESS, "1")->ip6));
	assert_int_equal(lab_locals(w, LAB_EGRESS, &l), 1);
	assert_ip(l.ip4, V4(172, 31, 0, 2));
	assert_ip(l.gw4, V4(172, 31, 0, 1));
	assert_int_equal(l.gw6.family, AF_INET6);
	assert_int_equal(lab_rows(w), 3);
}

static void an_internal_network_has_no_way_out(void **state)
{
	struct lab *w = *state;

	w->etcd = true;
	lab_connect(w, LAB_OVER_INTERNAL, "1");
	assert_int_equal(lab_rows(w), 1);
	lab_connect(w, LAB_INTERNAL, "1");
	assert_int_equal(lab_rows(w), 2);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_FORWARDING), 0);
}

static void the_default_route_follows_the_election(void **state)
{
	struct lab *w = *state;
	char ifname[IFNAMSIZ] = "";

	w->etcd = true;
	lab_connect(w, LAB_OVER, "1");
	lab_connect(w, LAB_BRIDGE, "1"); /* a bridge before egress */
	assert_null(lab_of(w, LAB_EGRESS, "1"));
	assert_ip(default_route(w, "/run/netns/1", ifname), V4(172, 17, 0, 1));
	assert_string_equal(ifname, "eth2");

	lab_ask(w, LAB_SIX, "1", (struct endpoint_request){ .gw_priority = 5 });
	assert_ip(default_route(w, "/run/netns/1", ifname), V4(172, 19, 0, 1));
	lab_leave(w, LAB_SIX, "1");
	assert_ip(default_route(w, "/run/netns/1", ifname), V4(172, 17, 0, 1));
	assert_false(ip_is_set(fake_kernel_route(w->f, "/run/netns/1", AF_INET6, NULL)));

	lab_leave(w, LAB_BRIDGE, "1");
	assert_non_null(lab_of(w, LAB_EGRESS, "1"));
	assert_ip(default_route(w, "/run/netns/1", ifname), V4(172, 31, 0, 1));
}

static void one_family_leaves_the_other_alone(void **state)
{
	struct lab *w = *state;
	char ifname[IFNAMSIZ] = "";

	lab_connect(w, LAB_SIX, "1");
	lab_ask(w, LAB_BRIDGE, "1", (struct endpoint_request){ .gw_priority = 1 });
	assert_int_equal(w->a.status, 0);
	assert_ip(default_route(w, "/run/netns/1", ifname), V4(172, 17, 0, 1));
	assert_string_equal(ifname, "eth1");
	lab_leave(w, LAB_BRIDGE, "1");
	assert_ip(default_route(w, "/run/netns/1", ifname), V4(172, 19, 0, 1));
	assert_string_equal(ifname, "eth0");
}

static void a_default_route_that_fails_half_way_is_put_back(void **state)
{
	struct endpoint_request first = { .gw_priority = 5 };
	struct lab *w = *state;
	char ifname[IFNAMSIZ];

	lab_connect(w, LAB_BRIDGE, "1");
	fake_kernel_fail(w->f, FAKE_DEFAULT_ROUTE, 1, 1, -EIO);
	lab_ask(w, LAB_SIX, "1", first);
	assert_int_equal(w->a.status, -EIO);
	/* The kernel may have changed one family. */
	assert_ip(default_route(w, "/run/netns/1", ifname), V4(172, 17, 0, 1));
	assert_string_equal(ifname, "eth0");
	assert_int_equal(fake_kernel_calls(w->f, FAKE_DEFAULT_ROUTE), 3); /* IPv6's by itself */
}

static void without_a_way_out_the_connect_fails(void **state)
{
	struct lab *w = *state;

	w->etcd = true;
	fake_kernel_fail(w->f, FAKE_PORT_ADD, 2, 9, -ENODEV);
	lab_ask(w, LAB_OVER, "1", (struct endpoint_request){ 0 });
	assert_int_equal(w->a.status, -ENODEV);
	assert_non_null(strstr(w->a.why, "no way out"));
	lab_turn(w);
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(w->releases, 1);
	assert_null(lab_of(w, LAB_EGRESS, "1"));
}

static void the_last_of_several_networks_decides(void **state)
{
	struct lab *w = *state;

	w->etcd = true;
	lab_ask(w, LAB_OVER, "1", (struct endpoint_request){ .more = true });
	assert_null(lab_of(w, LAB_EGRESS, "1"));
	lab_connect(w, LAB_OVER2, "1");
	assert_non_null(lab_of(w, LAB_EGRESS, "1"));
	assert_string_equal(lab_of(w, LAB_EGRESS, "1")->ifname, "eth2");
	lab_leave(w, LAB_OVER2, "1"); /* the first one still needs it */
	assert_non_null(lab_of(w, LAB_EGRESS, "1"));

	lab_ask(w, LAB_OVER, "2", (struct endpoint_request){ .more = true });
	lab_connect(w, LAB_BRIDGE, "2");
	assert_null(lab_of(w, LAB_EGRESS, "2"));

	lab_ask(w, LAB_OVER, "3", (struct endpoint_request){ .more = true });
	lab_connect(w, LAB_OVER, "3"); /* none follows after all */
	assert_non_null(lab_of(w, LAB_EGRESS, "3"));
}

static void an_ending_container_gets_nothing_new(void **state)
{
	struct lab *w = *state;
	struct local_target t = { .netns_dev = 1, .netns_ino = 1 };

	w->etcd = true;
	lab_connect(w, LAB_OVER, "1");
	lab_connect(w, LAB_BRIDGE, "1");
	endpoints_drop_begin(w->es, &t);
	lab_leave(w, LAB_BRIDGE, "1");
	assert_null(lab_of(w, LAB_EGRESS, "1"));
	lab_ask(w, LAB_SIX, "1", (struct endpoint_request){ 0 });
	assert_int_equal(w->a.status, -ENOENT);
	endpoint_drop_target(w->es, &t);
	lab_turn(w);
	assert_int_equal(lab_rows(w), 0);
	lab_connect(w, LAB_BRIDGE, "1"); /* the number is another's now */
}

static void with_its_namespace_all_goes(void **state)
{
	struct lab *w = *state;

	w->etcd = true;
	lab_connect(w, LAB_OVER, "1");
	lab_connect(w, LAB_MACVLAN, "2");
	lab_connect(w, LAB_BRIDGE, "2");
	fake_kernel_kill(w->f, "/run/netns/1");
	for (int i = 0; i < 500 && lab_rows(w) > 2; i++)
		lab_turn(w);
	assert_int_equal(lab_rows(w), 2);
	fake_kernel_kill(w->f, "/run/netns/2"); /* nobody tells of a device on a parent */
	for (int i = 0; i < 500 && lab_rows(w) > 0; i++)
		lab_turn(w);
	assert_int_equal(lab_rows(w), 0);
}

static struct {
	struct lab *w;
	const struct kernel_ops *ops; /* the fake's own */
} ending;

/* The default route is set, and at that moment the namespace ends; something still holds its links. */
static int route_and_end(struct kernel *k, const struct state_target *t, const char *ifname,
			 struct ip gw4, struct ip gw6, struct err *e)
{
	int r = ending.ops->default_route(k, t, ifname, gw4, gw6, e);

	fake_kernel_bury(ending.w->f, t->path);
	reconcile_audit(ending.w->r);
	return r;
}

/* Ask for the bridge; whoever asks is told @status, and nothing is left. */
static void ask_and_end(struct lab *w, struct endpoint_request req, int status)
{
	struct kernel_ops ops = *w->k->ops;

	ending.w = w;
	ending.ops = w->k->ops;
	ops.default_route = route_and_end;
	w->k->ops = &ops;
	lab_ask(w, LAB_BRIDGE, "1", req);
	w->k->ops = ending.ops;
	assert_int_equal(w->a.status, status);
	for (int i = 0; i < 500 && lab_rows(w) > 0; i++)
		lab_turn(w);
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(w->n_ports, 0);
}

static void a_namespace_ends_while_its_ports_move(void **state)
{
	struct endpoint_request req = { .publish = &web, .n_publish = 1 };
	struct lab *w = *state;

	w->etcd = true;
	lab_ask(w, LAB_OVER, "1", req);
	assert_int_equal(w->a.status, 0);
	ask_and_end(w, (struct endpoint_request){ 0 }, -ECANCELED);
	assert_string_equal(w->a.why, "disconnected while it was being connected");
}

static void a_namespace_ends_as_it_is_told_that_no_more_follow(void **state)
{
	struct endpoint_request req = { .publish = &web, .n_publish = 1, .more = true };
	struct lab *w = *state;

	w->etcd = true;
	lab_ask(w, LAB_BRIDGE, "1", req);
	assert_int_equal(w->a.status, 0);
	lab_ask(w, LAB_OVER, "1", (struct endpoint_request){ .gw_priority = 5, .more = true });
	assert_int_equal(w->a.status, 0);
	req.more = false;
	ask_and_end(w, req, -ENOENT);
}

/* ---- published ports ---- */

static void published_ports_lead_to_the_gateways_endpoint(void **state)
{
	struct endpoint_request req = { .publish = &web, .n_publish = 1 };
	struct lab *w = *state;
	struct ip egress;

	w->etcd = true;
	lab_ask(w, LAB_OVER, "1", req);
	assert_int_equal(w->a.status, 0);
	assert_int_equal(w->n_ports, 1);
	egress = lab_of(w, LAB_EGRESS, "1")->ip4;
	assert_int_equal(lab_translated(w, egress), 1);
	assert_ip(w->ports[0].to, egress);

	lab_connect(w, LAB_BRIDGE, "1");
	assert_int_equal(lab_translated(w, egress), 0);
	assert_int_equal(lab_translated(w, V4(172, 17, 0, 2)), 1);
	assert_ip(w->ports[0].to, V4(172, 17, 0, 2));
	lab_leave(w, LAB_BRIDGE, "1");
	assert_int_equal(lab_translated(w, V4(172, 17, 0, 2)), 0);
	assert_int_equal(lab_translated(w, lab_of(w, LAB_EGRESS, "1")->ip4), 1);

	lab_leave(w, LAB_OVER, "1");
	assert_int_equal(w->n_ports, 0);
	assert_int_equal(lab_rows(w), 0);
}

static void a_port_that_is_taken_leaves_nothing(void **state)
{
	struct endpoint_request req = { .publish = &web, .n_publish = 1 };
	struct lab *w = *state;

	lab_ask(w, LAB_BRIDGE, "1", req);
	assert_int_equal(w->a.status, 0);
	lab_ask(w, LAB_BRIDGE, "2", req);
	assert_int_equal(w->a.status, -EADDRINUSE);
	assert_int_equal(lab_rows(w), 1);
	w->etcd = true;
	lab_ask(w, LAB_OVER, "2", req);
	assert_int_equal(w->a.status, -EADDRINUSE);
	assert_int_equal(w->releases, 0); /* nothing was claimed */
	assert_int_equal(lab_rows(w), 1);
	lab_leave(w, LAB_BRIDGE, "1");
	lab_ask(w, LAB_BRIDGE, "2", req);
	assert_int_equal(w->a.status, 0);
}

static void what_is_left_open_is_filled_in(void **state)
{
	struct model_publish any = { .proto = IPPROTO_UDP, .port = 53 };
	struct endpoint_request req = { .publish = &any, .n_publish = 1 };
	struct lab *w = *state;

	lab_ask(w, LAB_SMALL, "1", req);
	assert_int_equal(w->a.status, 0);
	assert_int_equal(w->flushed, 1); /* flows begun before */
	assert_ip(lab_of(w, LAB_SMALL, "1")->publish[0].host_ip, V4(1, 2, 3, 4));
	assert_int_not_equal(lab_of(w, LAB_SMALL, "1")->publish[0].host_port, 0);
	lab_ask(w, LAB_SMALL, "1", req); /* the same again */
	assert_int_equal(w->a.status, 0);
	lab_ask(w, LAB_SMALL, "1", (struct endpoint_request){ 0 });
	assert_int_equal(w->a.status, -EEXIST);
}

static void internal_networks_only_may_be_told_last(void **state)
{
	struct lab *w = *state;

	lab_ask(w, LAB_INTERNAL, "1",
		(struct endpoint_request){ .publish = &web, .n_publish = 1, .more = true });
	assert_int_equal(w->a.status, 0);
	w->etcd = true;
	lab_ask(w, LAB_OVER_INTERNAL, "1", (struct endpoint_request){ 0 });
	assert_int_equal(w->a.status, -EINVAL);
	assert_non_null(strstr(w->a.why, "all of its are internal"));
	lab_connect(w, LAB_BRIDGE, "1");
	assert_int_equal(lab_translated(w, w->a.ip4), 1);
}

/* ---- restart ---- */

static void a_restart_writes_nothing(void **state)
{
	struct endpoint_request req = { .publish = &web, .n_publish = 1 };
	struct lab *w = *state;
	uint64_t writes;
	unsigned routes;

	w->etcd = true;
	lab_connect(w, LAB_OVER, "1");
	lab_ask(w, LAB_BRIDGE, "1", req);
	lab_connect(w, LAB_OVER2, "2");
	lab_turn(w);
	writes = w->k->ops->writes(w->k);
	routes = fake_kernel_calls(w->f, FAKE_DEFAULT_ROUTE);
	w->etcd = false;
	lab_restart(w, "boot");
	lab_turn(w);
	assert_int_equal(w->k->ops->writes(w->k), writes);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_DEFAULT_ROUTE), routes);
	assert_int_equal(lab_rows(w), 4);
	assert_int_equal(w->n_ports, 1);
	assert_false(w->strict);
	assert_ip(w->ports[0].to, V4(172, 17, 0, 2));
	endpoints_settle_sandboxes(w->es);
	assert_int_equal(w->k->ops->writes(w->k), writes);
	lab_connect(w, LAB_BRIDGE, "3");
	assert_ip(w->a.ip4, V4(172, 17, 0, 3)); /* next to the newest */
}

static void another_boot_begins_without_local_endpoints(void **state)
{
	struct lab *w = *state;

	lab_connect(w, LAB_BRIDGE, "1");
	lab_connect(w, LAB_SIX, "1");
	lab_restart(w, "another boot");
	assert_int_equal(lab_rows(w), 0);
	assert_int_equal(lab_locals(w, LAB_BRIDGE, NULL), 0);
	lab_turn(w);
	lab_connect(w, LAB_BRIDGE, "1");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, lab_open, lab_close)
	const struct CMUnitTest tests[] = {
		T(a_local_network_needs_no_etcd),
		T(addresses_are_handed_out_in_turn),
		T(bad_requests_leave_nothing),
		T(a_full_network_says_so),
		T(names_go_into_the_row),
		T(bad_names_are_refused),
		T(overlapping_networks_are_not_joined),
		T(a_port_that_fails_leaves_nothing),
		T(a_device_on_a_parent_has_neither_bridge_nor_egress),
		T(a_device_on_its_way_out_is_remembered),
		T(a_device_is_not_looked_for_where_it_cannot_be),
		T(an_overlay_container_gets_egress),
		T(ipv6_leads_out_where_a_network_has_it),
		T(an_internal_network_has_no_way_out),
		T(the_default_route_follows_the_election),
		T(one_family_leaves_the_other_alone),
		T(a_default_route_that_fails_half_way_is_put_back),
		T(without_a_way_out_the_connect_fails),
		T(the_last_of_several_networks_decides),
		T(an_ending_container_gets_nothing_new),
		T(with_its_namespace_all_goes),
		T(a_namespace_ends_while_its_ports_move),
		T(a_namespace_ends_as_it_is_told_that_no_more_follow),
		T(published_ports_lead_to_the_gateways_endpoint),
		T(a_port_that_is_taken_leaves_nothing),
		T(what_is_left_open_is_filled_in),
		T(internal_networks_only_may_be_told_last),
		T(a_restart_writes_nothing),
		T(another_boot_begins_without_local_endpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
