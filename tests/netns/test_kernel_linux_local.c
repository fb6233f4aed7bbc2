/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/kernel_linux.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "overlay/netns.h"
#include "tests/netns/kernel_lab.h"

#define SEEN_MAX 4096
#define TIMED 50

static struct state_net *dump_net(struct lab *l, uint32_t key)
{
	struct kernel *k = lab_enter(l, 0);
	struct state_net *n = NULL;
	struct err e = { 0 };

	if (k->ops->dump_net(k, key, &n, &e) < 0)
		fail_msg("%s", err_text(&e));
	return n;
}

/* A bridge of the host with containers 0 and 1. */
static struct state_net *build_bridge(struct lab *l)
{
	struct state_net *want = lab_local(STATE_BRIDGE);

	lab_local_port(l, want, 0);
	lab_local_port(l, want, 1);
	assert_true(lab_settle(l, 0, want) > 0);
	return want;
}

/* The egress bridge with containers 2 and 3. */
static struct state_net *build_egress(struct lab *l)
{
	struct state_net *want = lab_local(STATE_EGRESS);

	lab_local_port(l, want, 2);
	lab_local_port(l, want, 3);
	assert_true(lab_settle(l, 0, want) > 0);
	return want;
}

static void test_bridge_of_the_host(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = build_bridge(l);
	int host = l->host[0].nsfd;

	assert_true(lab_udp(l, 0, 1, AF_INET));
	assert_true(lab_udp(l, 1, 0, AF_INET6));
	assert_true(lab_udp_at(host, l->c[0].nsfd, l->c[0].port.ip4));
	assert_true(lab_udp_at(host, l->c[1].nsfd, l->c[1].port.ip6));
	assert_true(lab_udp_at(l->c[0].nsfd, host, want->gateways[0].ip));
	assert_true(lab_udp_at(l->c[1].nsfd, host, want->gateways[1].ip));
	lab_sh("ip -n okl-%d-c0 route show | grep -q 'default via 172.30.0.1 dev eth0 proto 111'",
	       (int)getpid());
	lab_sh("ip -n okl-%d-c0 -6 route show | grep -q 'default via fd99::1 dev eth0 proto 111'",
	       (int)getpid());
	lab_sh("bridge -d link show dev %s | grep -q 'learning off.*isolated off.*locked on'",
	       l->c[0].port.name);
	lab_sh("ip -d link show lab0 | grep -q 'alias ovl local %u'", LAB_BRIDGE_KEY);
	lab_sh("ip addr show lab0 | grep -q 'inet6 fe80.* scope link nodad'");
	lab_sh("test $(cat /proc/sys/net/ipv4/conf/lab0/route_localnet) = 1");
	lab_sh("test $(cat /proc/sys/net/ipv4/conf/lab0/forwarding) = 1");
	lab_sh("test $(cat /proc/sys/net/ipv6/conf/lab0/accept_ra) = 0");
	lab_sh("test $(cat /proc/sys/net/ipv4/ip_forward) = 0");
}

static void test_made_it_is_as_wanted(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *bridge = build_bridge(l), *egress = build_egress(l);
	_cleanup_state_net_ struct state_net *overlay = lab_net(l, 0, LAB_VNI);
	struct kernel_dump d = { 0 };
	struct err e = { 0 };
	struct kernel *k;
	uint64_t writes;

	lab_make_net(l, 0, overlay);
	k = lab_enter(l, 0);
	writes = k->ops->writes(k);
	assert_int_equal(lab_settle(l, 0, bridge), 0);
	assert_int_equal(lab_settle(l, 0, egress), 0);
	assert_int_equal(k->ops->writes(k), writes);
	/* The whole shows the same. */
	assert_int_equal(k->ops->dump(k, &d, &e), 0);
	assert_int_equal(d.n_nets, 3);
	assert_int_equal(d.n_loose + d.n_strays, 0);
	assert_int_equal(d.nets[0]->kind, STATE_OVERLAY);
	assert_int_equal(d.nets[1]->kind, STATE_EGRESS);
	assert_true(d.nets[1]->uplink_exists && d.nets[1]->uplink_up &&
		    d.nets[1]->uplink_enslaved && d.nets[1]->localnet_ok);
	assert_int_equal(d.nets[1]->uplink_mtu, 1500);
	assert_int_equal(d.nets[1]->n_gateways, 1);
	assert_int_equal(d.nets[1]->n_fdb, 2);
	assert_int_equal(d.nets[2]->kind, STATE_BRIDGE);
	assert_string_equal(d.nets[2]->bridge, "lab0");
	assert_true(d.nets[2]->bridge_up && d.nets[2]->localnet_ok);
	assert_int_equal(d.nets[2]->n_gateways, 2);
	for (size_t i = 1; i < 3; i++)
		for (size_t p = 0; p < 2; p++) {
			const struct state_port *have = &d.nets[i]->ports[p];

			assert_true(have->up && have->enslaved && have->flags_ok && !have->open &&
				    have->guard4);
		}
	kernel_dump_done(&d);
	/* And after a restart. */
	lab_close(l, 0);
	lab_open(l, 0);
	k = lab_enter(l, 0);
	assert_int_equal(lab_settle(l, 0, bridge) + lab_settle(l, 0, egress), 0);
	assert_int_equal(k->ops->writes(k), 0);
}

static void test_egress_bridge(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = build_egress(l);
	int host = l->host[0].nsfd, pid = (int)getpid();

	assert_true(lab_udp_at(l->c[2].nsfd, host, want->gateways[0].ip));
	assert_true(lab_udp_at(l->c[3].nsfd, host, want->gateways[0].ip));
	assert_true(lab_udp_at(host, l->c[3].nsfd, l->c[3].port.ip4));
	assert_true(lab_silent(l->c[2].nsfd, l->c[3].nsfd, l->c[3].port.ip4));
	lab_sh("bridge -n okl-%d-ovl0 -d link show dev %s | grep -q 'learning off.*isolated on.*locked on'",
	       pid, l->c[2].port.name);
	lab_sh("bridge -n okl-%d-ovl0 -d link show dev gw-up | grep -q 'learning on.*isolated off.*locked off'",
	       pid);
	lab_sh("ip -d link show ovl-gw | grep -q 'alias ovl local %u'", STATE_KEY_EGRESS);
	lab_sh("ip link show ovl-gw | grep -q 02:42:ac:1f:00:01");
	lab_sh("test $(cat /proc/sys/net/ipv4/conf/ovl-gw/route_localnet) = 1");
	/* Made anew, it is reached at the same MAC. */
	lab_sh("ip link del ovl-gw");
	assert_true(lab_settle(l, 0, want) > 0);
	assert_true(lab_udp_at(l->c[2].nsfd, host, want->gateways[0].ip));
}

static void wait_for_deletions(struct lab *l)
{
	/* What closes works off what was asked for. */
	lab_close(l, 0);
	lab_open(l, 0);
}

/* What one hand takes away is seen, and the other puts it back. */
static void test_drift_is_repaired(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *bridge = build_bridge(l), *egress = build_egress(l);
	int pid = (int)getpid();
	const char *const by_hand[] = {
		"ip link set lab0 mtu 1400",
		"ip link set lab0 down",
		"ip link set lab0 name lab1",
		"ip link del lab0",
		"ip addr del 172.30.0.1/24 dev lab0",
		"ip addr flush dev lab0",
		"sysctl -q -w net.ipv4.conf.lab0.route_localnet=0",
		"sysctl -q -w net.ipv4.conf.lab0.forwarding=0",
		"bridge link set dev ovpb0b0b0b0b0b0 learning on",
		"bridge link set dev ovpb0b0b0b0b0b0 learning on locked off",
		"ip link set ovpb0b0b0b0b0b0 down",
		"ip link set ovpb0b0b0b0b0b0 nomaster",
		"bridge fdb del 02:42:ac:1e:00:0a dev ovpb0b0b0b0b0b0 master",
		"ip addr del 172.31.0.1/24 dev ovl-gw",
		"ip link set ovl-gw down",
		"ip link set ovl-gw mtu 1400",
		"ip link set ovl-gw name other",
		"sysctl -q -w net.ipv4.conf.ovl-gw.route_localnet=0",
		"ip -n okl-%d-ovl0 link set gw-up mtu 1400",
		"ip -n okl-%d-ovl0 link set gw-up nomaster",
		"bridge -n okl-%d-ovl0 link set dev gw-up isolated on",
		"ip -n okl-%d-ovl0 link del gw",
		"bridge -n okl-%d-ovl0 link set dev vec2c2c2c2c2c2 isolated off",
	};

	for (size_t i = 0; i < ARRAY_SIZE(by_hand); i++) {
		size_t n;

		lab_enter(l, 0);
		lab_sh(by_hand[i], pid);
		n = lab_settle(l, 0, bridge) + lab_settle(l, 0, egress);
		if (n == 0)
			fail_msg("not seen: %s", by_hand[i]);
		wait_for_deletions(l);
		/* What was down may have lost more than could be seen at once. */
		lab_settle(l, 0, bridge);
		lab_settle(l, 0, egress);
		if (lab_settle(l, 0, bridge) + lab_settle(l, 0, egress) > 0)
			fail_msg("not repaired: %s", by_hand[i]);
	}
	assert_true(lab_udp(l, 0, 1, AF_INET));
	assert_true(lab_udp(l, 0, 1, AF_INET6));
	assert_true(lab_udp_at(l->host[0].nsfd, l->c[0].nsfd, l->c[0].port.ip4));
	assert_true(lab_udp_at(l->c[2].nsfd, l->host[0].nsfd, egress->gateways[0].ip));
}

static void test_what_others_wire_stays(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = build_bridge(l), *n = NULL;
	struct kernel_dump d = { 0 };
	struct err e = { 0 };
	struct kernel *k;
	int pid = (int)getpid();

	lab_sh("ip link add hand0 type veth peer name eth0 netns okl-%d-c5 && ip link set hand0 master lab0 up",
	       pid);
	lab_sh("ip -n okl-%d-c5 addr add 172.30.0.99/24 dev eth0 && ip -n okl-%d-c5 link set eth0 up",
	       pid, pid);
	lab_sh("ip addr add 172.29.0.1/24 dev lab0");
	assert_true(lab_udp_at(l->c[5].nsfd, l->c[0].nsfd, l->c[0].port.ip4));
	assert_true(lab_udp_at(l->c[0].nsfd, l->c[5].nsfd, lab_ip("172.30.0.99")));
	assert_int_equal(lab_settle(l, 0, want), 0);
	n = dump_net(l, LAB_BRIDGE_KEY);
	assert_int_equal(n->n_ports, 2);
	assert_int_equal(n->n_fdb, 2);
	assert_int_equal(n->n_gateways, 3);
	k = lab_enter(l, 0);
	assert_int_equal(k->ops->dump(k, &d, &e), 0);
	assert_int_equal(d.n_nets, 1);
	assert_int_equal(d.n_loose, 0);
	kernel_dump_done(&d);
	lab_sh("ip addr show lab0 | grep -q 172.29.0.1");
	lab_sh("ip link show hand0 | grep -q 'master lab0'");
}

/* Bridges, and an ovl-gw, without our mark are not touched. */
static void test_foreign_devices_are_not_touched(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *bridge = lab_local(STATE_BRIDGE);
	_cleanup_state_net_ struct state_net *egress = lab_local(STATE_EGRESS);
	_cleanup_state_net_ struct state_net *other = lab_local(STATE_BRIDGE), *n = NULL;
	struct kernel_link_set set = { .name = "lab0", .host = true, .mtu = 1300 };
	struct kernel *k = lab_enter(l, 0);
	struct kernel_dump d = { 0 };
	struct err e = { 0 };

	lab_sh("ip link add lab0 type bridge && ip link set lab0 alias 'somebody' up");
	lab_sh("ip link add br100 type bridge && ip link add ovl-gw type bridge");
	assert_int_equal(k->ops->bridge_add(k, bridge, &e), -EEXIST);
	assert_string_equal(err_text(&e), "a bridge lab0 exists already that is not ours");
	assert_true(k->ops->link_set(k, &set, &e) < 0);
	assert_true(k->ops->gateway(k, bridge, false, bridge->gateways[0], &e) < 0);
	assert_int_equal(k->ops->gateway(k, bridge, true, bridge->gateways[0], &e), 0);
	assert_int_equal(k->ops->port_add(k, bridge, lab_local_port(l, bridge, 0), &e), -ENODEV);
	k->ops->link_del(k, "lab0", NULL, NULL);
	k->ops->link_del(k, "br100", NULL, NULL);
	assert_int_equal(k->ops->bridge_add(k, egress, &e), 0);
	assert_int_equal(k->ops->uplink_add(k, egress, &e), -EEXIST);
	assert_string_equal(err_text(&e), "an interface ovl-gw exists already that is not ours");
	assert_int_equal(k->ops->dump(k, &d, &e), 0);
	assert_int_equal(d.n_nets, 1);
	assert_false(d.nets[0]->uplink_exists);
	kernel_dump_done(&d);
	n = dump_net(l, LAB_BRIDGE_KEY);
	assert_false(n->bridge_exists);
	assert_int_equal(kernel_linux_reset(k, &e), 0);
	lab_close(l, 0);
	lab_enter(l, 0);
	lab_sh("ip link show lab0 | grep -q 'mtu 1500'");
	lab_sh("ip link show br100 >/dev/null && ip link show ovl-gw >/dev/null");
	lab_open(l, 0);
	/* A name with a meaning of its own. */
	snprintf(other->bridge, sizeof(other->bridge), "gw");
	assert_int_equal(lab_enter(l, 0)->ops->bridge_add(l->host[0].k, other, &e), -EINVAL);
	snprintf(other->bridge, sizeof(other->bridge), "lab0");
	/* One of ours, but of another network. */
	k = lab_enter(l, 0);
	lab_sh("ip link del lab0");
	assert_int_equal(k->ops->bridge_add(k, bridge, &e), 0);
	other->vni++;
	assert_int_equal(k->ops->bridge_add(k, other, &e), -EEXIST);
}

static void test_open_ports_and_learning(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_local(STATE_BRIDGE), *n = NULL;
	struct state_port *p;
	int pid = (int)getpid();

	p = lab_local_port(l, want, 0);
	p->open = true;
	p->security = STATE_SECURE_OFF;
	p->guard6 = false;
	lab_local_port(l, want, 1);
	lab_settle(l, 0, want);
	assert_int_equal(lab_settle(l, 0, want), 0);
	lab_sh("bridge -d link show dev %s | grep -q 'learning on.*locked off'", l->c[0].port.name);
	/* A second MAC behind it, as of a router's virtual one. */
	lab_sh("ip -n okl-%d-c0 link add link eth0 name vr type macvlan && ip -n okl-%d-c0 addr add 172.30.0.77/24 dev vr && ip -n okl-%d-c0 link set vr up",
	       pid, pid, pid);
	assert_true(lab_udp_at(l->c[1].nsfd, l->c[0].nsfd, lab_ip("172.30.0.77")));
	lab_sh("bridge fdb show br lab0 | grep -v permanent | grep -vq extern_learn");
	n = dump_net(l, LAB_BRIDGE_KEY);
	assert_int_equal(n->n_fdb, 2);
	assert_true(state_net_port(n, l->c[0].port.name)->open);
	assert_int_equal(lab_settle(l, 0, want), 0);
}

static bool count_reached(void *arg)
{
	return *(unsigned *)arg == 0;
}

static void on_gone(void *user, const char *name, int status)
{
	(void)name;
	assert_int_equal(status, 0);
	--*(unsigned *)user;
}

static void test_networks_go(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *bridge = build_bridge(l), *egress = build_egress(l);
	_cleanup_state_net_ struct state_net *b = NULL, *g = NULL;
	struct kernel *k = lab_enter(l, 0);
	unsigned left = 5;
	struct err e = { 0 };

	assert_int_equal(k->ops->link_shut(k, l->c[0].port.name, &e), 0);
	assert_true(lab_silent(l->c[1].nsfd, l->c[0].nsfd, l->c[0].port.ip4));
	k->ops->link_del(k, l->c[0].port.name, on_gone, &left);
	k->ops->link_del(k, "lab0", on_gone, &left);
	k->ops->link_del(k, "gw-up", on_gone, &left);
	k->ops->link_del(k, "gw", on_gone, &left);
	k->ops->link_del(k, "ovp000000000000", on_gone, &left); /* not there */
	/* On their way out they count as gone. */
	b = dump_net(l, LAB_BRIDGE_KEY);
	g = dump_net(l, STATE_KEY_EGRESS);
	assert_false(b->bridge_exists || g->bridge_exists || g->uplink_exists);
	assert_int_equal(b->n_ports, 1);
	/* Made again meanwhile: new ones, which stay. */
	lab_settle(l, 0, bridge);
	lab_settle(l, 0, egress);
	assert_true(lab_wait(l, count_reached, &left));
	assert_int_equal(lab_settle(l, 0, bridge) + lab_settle(l, 0, egress), 0);
	assert_true(lab_udp(l, 0, 1, AF_INET));
	assert_true(lab_udp_at(l->c[3].nsfd, l->host[0].nsfd, egress->gateways[0].ip));
}

static void test_reset_removes_all(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *bridge = build_bridge(l), *egress = build_egress(l);
	struct err e = { 0 };

	assert_int_equal(kernel_linux_reset(lab_enter(l, 0), &e), 0);
	assert_false(lab_sh_ok("ip -o link show | grep -qE ' (lab0|ovp|ovl-gw)'"));
	assert_false(lab_sh_ok("nft list tables | grep -q ovl"));
	lab_sh("ip link show u0 >/dev/null");
}

static void test_forwarding(void **state)
{
	struct lab *l = *state;
	struct kernel *k = lab_enter(l, 0);
	struct err e = { 0 };
	bool changed;
	uint32_t mtu;

	lab_sh("sysctl -q -w net.ipv6.conf.u0.accept_ra=1");
	assert_int_equal(k->ops->forwarding(k, AF_INET, &changed, &e), 0);
	assert_true(changed);
	assert_int_equal(k->ops->forwarding(k, AF_INET6, &changed, &e), 0);
	assert_true(changed);
	lab_sh("test $(cat /proc/sys/net/ipv4/ip_forward) = 1");
	lab_sh("test $(cat /proc/sys/net/ipv6/conf/all/forwarding) = 1");
	lab_sh("test $(cat /proc/sys/net/ipv6/conf/u0/accept_ra) = 2");
	assert_int_equal(k->ops->forwarding(k, AF_INET, &changed, &e), 0);
	assert_false(changed);
	assert_int_equal(k->ops->outward_mtu(k, &mtu, &e), -ENOENT);
	lab_sh("ip link set u0 mtu 1420 && ip route add default via 192.168.77.2");
	assert_int_equal(k->ops->outward_mtu(k, &mtu, &e), 0);
	assert_int_equal(mtu, 1420);
}

static void test_elements(void **state)
{
	struct lab *l = *state;
	struct kernel *k = lab_enter(l, 0);
	struct kernel_elem_op ops[] = {
		{ .elem = state_elem_ifname(STATE_SET_BRIDGES, "lab0") },
		{ .elem = state_elem_publish(6, (struct ip){ 0 }, 8080, lab_ip("172.30.0.10"),
					     80) },
	};
	struct kernel_dump d = { 0 };
	struct err e = { 0 };

	assert_int_equal(k->ops->elems(k, ops, 2, &e), 0);
	assert_int_equal(k->ops->dump(k, &d, &e), 0);
	assert_int_equal(d.n_elems, 2);
	assert_memory_equal(&d.elems[0], &ops[0].elem, sizeof(d.elems[0]));
	assert_memory_equal(&d.elems[1], &ops[1].elem, sizeof(d.elems[1]));
	kernel_dump_done(&d);
}

struct watcher {
	struct lab *l;
	struct kernel_event *seen;
	size_t n;
	enum kernel_event_type type; /* what is waited for */
	const char *name;
	uint32_t vni;
	bool deleted;
};

static void on_event(void *user, const struct kernel_event *ev)
{
	struct watcher *w = user;

	if (w->n < SEEN_MAX)
		w->seen[w->n++] = *ev;
}

static bool any_matches(void *arg)
{
	struct watcher *w = arg;

	for (size_t i = 0; i < w->n; i++)
		if (w->seen[i].type == w->type && w->seen[i].vni == w->vni &&
		    w->seen[i].deleted == w->deleted &&
		    (!w->name || strcmp(w->seen[i].name, w->name) == 0))
			return true;
	return false;
}

static bool told(struct watcher *w, enum kernel_event_type type, uint32_t vni, const char *name,
		 bool deleted)
{
	bool ok;

	w->type = type;
	w->vni = vni;
	w->name = name;
	w->deleted = deleted;
	ok = lab_wait(w->l, any_matches, w);
	w->n = 0;
	return ok;
}

static void test_changes_are_told(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *bridge = NULL, *egress = NULL;
	struct watcher w = { .l = l, .seen = mem_alloc_array(SEEN_MAX, sizeof(*w.seen)) };
	struct kernel *k = lab_enter(l, 0);
	const char *port = "ovpb0b0b0b0b0b0";
	const uint32_t key = LAB_BRIDGE_KEY;

	assert_int_equal(k->ops->watch(k, on_event, &w, NULL), 0);
	bridge = build_bridge(l);
	assert_true(told(&w, KERNEL_EVENT_LINK, key, "lab0", false));
	egress = build_egress(l);
	assert_true(told(&w, KERNEL_EVENT_GATEWAY, STATE_KEY_EGRESS, NULL, false));
	lab_sh("ip addr del 172.30.0.1/24 dev lab0");
	assert_true(told(&w, KERNEL_EVENT_GATEWAY, key, NULL, true));
	lab_sh("bridge fdb del 02:42:ac:1e:00:0a dev %s master", port);
	assert_true(told(&w, KERNEL_EVENT_FDB, key, NULL, true));
	lab_sh("ip addr del 172.31.0.1/24 dev ovl-gw");
	assert_true(told(&w, KERNEL_EVENT_GATEWAY, STATE_KEY_EGRESS, NULL, true));
	lab_sh("bridge link set dev %s learning on", port);
	assert_true(told(&w, KERNEL_EVENT_LINK, key, port, false));
	lab_sh("ip link set ovl-gw mtu 1400");
	assert_true(told(&w, KERNEL_EVENT_LINK, STATE_KEY_EGRESS, "ovl-gw", false));
	lab_sh("sysctl -q -w net.ipv4.conf.ovl-gw.forwarding=0");
	assert_true(told(&w, KERNEL_EVENT_GROUND, 0, NULL, false));
	lab_sh("sysctl -q -w net.ipv4.ip_forward=1");
	assert_true(told(&w, KERNEL_EVENT_UNDERLAY, 0, NULL, false));
	lab_sh("ip link del %s", port);
	assert_true(told(&w, KERNEL_EVENT_LINK, key, port, true));
	lab_sh("ip link del ovl-gw");
	assert_true(told(&w, KERNEL_EVENT_LINK, STATE_KEY_EGRESS, "ovl-gw", true));
	lab_sh("ip link set lab0 alias ''");
	assert_true(told(&w, KERNEL_EVENT_LINK, key, "lab0", true));
	k->ops->watch(k, NULL, NULL, NULL);
	lab_sh("ip link del lab0");
	free(w.seen);
}

/* What we do ourselves is no change of the way to other nodes; but for a bridge's first word, when it bears no mark yet. */
static void test_own_changes_are_no_underlay(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *bridge = build_bridge(l), *egress = build_egress(l);
	struct watcher w = { .l = l, .seen = mem_alloc_array(SEEN_MAX, sizeof(*w.seen)) };
	struct kernel *k = lab_enter(l, 0);
	struct kernel_link_set set = { .name = l->c[0].port.name, .host = true, .up = KERNEL_ON };
	struct err e = { 0 };

	assert_int_equal(k->ops->watch(k, on_event, &w, NULL), 0);
	for (unsigned i = 0; i < 20; i++)
		uv_run(&l->loop, UV_RUN_NOWAIT);
	w.n = 0;
	lab_local_port(l, bridge, 4);
	lab_settle(l, 0, bridge);
	assert_int_equal(k->ops->link_set(k, &set, &e), 0);
	assert_int_equal(k->ops->gateway(k, egress, true, egress->gateways[0], &e), 0);
	lab_settle(l, 0, egress);
	lab_sh("ip link set ovl-gw down && ip link set ovl-gw up");
	lab_sh("ip addr add 172.28.0.1/24 dev lab0");
	w.type = KERNEL_EVENT_GATEWAY;
	w.vni = LAB_BRIDGE_KEY;
	w.deleted = false;
	w.name = NULL;
	assert_true(lab_wait(l, any_matches, &w));
	for (size_t i = 0; i < w.n; i++)
		assert_int_not_equal(w.seen[i].type, KERNEL_EVENT_UNDERLAY);
	lab_sh("ip addr add 192.168.79.1/24 dev u0");
	assert_true(told(&w, KERNEL_EVENT_UNDERLAY, 0, NULL, false));
	lab_sh("ip route add 10.99.0.0/16 via 192.168.77.2");
	assert_true(told(&w, KERNEL_EVENT_UNDERLAY, 0, NULL, false));
	k->ops->watch(k, NULL, NULL, NULL);
	free(w.seen);
}

static int cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void test_times(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_local(STATE_BRIDGE);
	double add[TIMED];
	struct err e = { 0 };
	struct kernel *k;

	lab_settle(l, 0, want);
	lab_local_port(l, want, 0);
	k = lab_enter(l, 0);
	for (unsigned i = 0; i < TIMED; i++) {
		unsigned left = 1;
		double t = lab_now_us();

		assert_int_equal(k->ops->port_add(k, want, &want->ports[0], &e), 0);
		add[i] = lab_now_us() - t;
		k->ops->link_del(k, want->ports[0].name, on_gone, &left);
		assert_true(lab_wait(l, count_reached, &left));
	}
	qsort(add, TIMED, sizeof(*add), cmp_double);
	print_message("port_add on a bridge of the host: p50 %.0f us, p90 %.0f us\n",
		      add[TIMED / 2], add[TIMED * 9 / 10]);
}

static int setup(void **state)
{
	*state = lab_new();
	return 0;
}

static int teardown(void **state)
{
	lab_free(*state);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bridge_of_the_host),
		T(test_made_it_is_as_wanted),
		T(test_egress_bridge),
		T(test_drift_is_repaired),
		T(test_what_others_wire_stays),
		T(test_foreign_devices_are_not_touched),
		T(test_open_ports_and_learning),
		T(test_networks_go),
		T(test_reset_removes_all),
		T(test_forwarding),
		T(test_elements),
		T(test_changes_are_told),
		T(test_own_changes_are_no_underlay),
		T(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
