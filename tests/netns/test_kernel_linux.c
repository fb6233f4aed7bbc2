/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/kernel_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <cmocka.h>
#include "base/mem.h"
#include "overlay/netns.h"
#include "tests/netns/kernel_lab.h"

static struct state_net *dump_net(struct kernel *k, uint32_t vni)
{
	struct state_net *n = NULL;
	struct err e = { 0 };

	if (k->ops->dump_net(k, vni, &n, &e) < 0)
		fail_msg("%s", err_text(&e));
	return n;
}

/* Two containers on each host, all entries by hand. */
static void build(struct lab *l)
{
	for (unsigned h = 0; h < LAB_HOSTS; h++) {
		_cleanup_state_net_ struct state_net *want = lab_net(l, h, LAB_VNI);

		lab_make_net(l, h, want);
		for (unsigned i = 0; i < 2; i++)
			lab_attach(l, h, want, h * 2 + i);
		for (unsigned i = 0; i < 2; i++)
			lab_remote(l, h, LAB_VNI, (1 - h) * 2 + i, l->host[1 - h].vtep);
		lab_flood(l, h, LAB_VNI, l->host[1 - h].vtep);
	}
}

static void test_packets_cross(void **state)
{
	struct lab *l = *state;

	build(l);
	assert_true(lab_udp(l, 0, 1, AF_INET));
	assert_true(lab_udp(l, 0, 2, AF_INET));
	assert_true(lab_udp(l, 3, 1, AF_INET));
	assert_true(lab_udp(l, 0, 2, AF_INET6));
	assert_true(lab_udp(l, 3, 0, AF_INET6));
}

static void check_port(const struct state_net *n, const struct state_port *want)
{
	const struct state_port *p = state_net_port(n, want->name);

	assert_non_null(p);
	assert_int_equal(p->mtu, want->mtu);
	assert_true(p->up && p->enslaved && p->flags_ok && p->guard4 && p->guard6);
	assert_true(p->ifindex > 0);
}

static void check_net(struct lab *l, const struct state_net *n, const struct state_net *want)
{
	assert_true(n->complete);
	assert_true(n->bridge_exists && n->bridge_up);
	assert_true(mac_eq(n->bridge_mac, want->bridge_mac));
	assert_int_equal(n->bridge_mtu, want->bridge_mtu);
	assert_int_equal(n->n_gateways, 2);
	assert_true(prefix_eq(n->gateways[0], want->gateways[0]));
	assert_true(prefix_eq(n->gateways[1], want->gateways[1]));
	assert_true(n->vxlan_exists && n->vxlan_up && n->vxlan_enslaved && n->vxlan_flags_ok);
	assert_true(ip_eq(n->vtep, want->vtep));
	assert_int_equal(n->port, 4789);
	assert_int_equal(n->vxlan_mtu, 1500);
	assert_int_equal(n->n_ports, 2);
	check_port(n, &l->c[0].port);
	check_port(n, &l->c[1].port);
	assert_int_equal(n->n_fdb, 3 + 4); /* two remote and flood on vx; four on the bridge */
	assert_int_equal(n->n_neigh, 8);
	for (unsigned i = 0; i < 4; i++) {
		struct state_fdb key = { .where = STATE_FDB_MASTER, .mac = l->c[i].port.mac };
		const struct state_fdb *f = state_net_fdb(n, &key);
		const struct state_neigh *g = state_net_neigh(n, l->c[i].port.ip6);

		assert_non_null(f);
		assert_string_equal(f->port, i < 2 ? l->c[i].port.name : "vx1048577");
		assert_non_null(g);
		assert_true(mac_eq(g->mac, l->c[i].port.mac));
		key.where = STATE_FDB_SELF;
		f = state_net_fdb(n, &key);
		assert_true(i < 2 ? f == NULL : ip_eq(f->vtep, l->host[1].vtep));
	}
}

static void test_dump_shows_what_was_made(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *one = NULL;
	_cleanup_state_net_ struct state_net *other = lab_net(l, 0, LAB_VNI + 1), *absent = NULL;
	struct kernel_dump d = { 0 };
	struct kernel *k;
	struct err e = { 0 };

	build(l);
	lab_make_net(l, 0, other);
	k = lab_enter(l, 0);
	one = dump_net(k, LAB_VNI);
	check_net(l, one, want);
	assert_int_equal(k->ops->dump(k, &d, &e), 0);
	assert_int_equal(d.n_nets, 2);
	check_net(l, d.nets[0], want);
	assert_int_equal(d.nets[1]->vni, LAB_VNI + 1);
	assert_int_equal(d.nets[1]->n_ports + d.nets[1]->n_fdb + d.nets[1]->n_neigh, 0);
	assert_int_equal(d.n_vteps, 2);
	assert_int_equal(d.n_strays, 0);
	assert_int_equal(d.n_loose, 0);
	kernel_dump_done(&d);
	absent = dump_net(k, 5);
	assert_false(absent->bridge_exists || absent->vxlan_exists);
	assert_int_equal(absent->n_ports, 0);
}

static void test_made_twice_is_the_same(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *before = NULL;
	_cleanup_state_net_ struct state_net *after = NULL;

	build(l);
	before = dump_net(lab_enter(l, 0), LAB_VNI);
	lab_make_net(l, 0, want);
	lab_remote(l, 0, LAB_VNI, 2, l->host[1].vtep);
	lab_flood(l, 0, LAB_VNI, l->host[1].vtep);
	after = dump_net(lab_enter(l, 0), LAB_VNI);
	check_net(l, after, want);
	assert_int_equal(before->vxlan_ifindex, after->vxlan_ifindex);
	assert_int_equal(before->bridge_ifindex, after->bridge_ifindex);
	assert_true(lab_udp(l, 0, 2, AF_INET));
}

static void test_bridge_keeps_its_mtu(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *n = NULL;

	build(l);
	lab_sh("ip -n okl-%d-ovl0 link set %s mtu 1400", (int)getpid(), l->c[0].port.name);
	n = dump_net(lab_enter(l, 0), LAB_VNI);
	assert_int_equal(n->bridge_mtu, 1500);
}

static void test_restart_writes_nothing(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL;
	struct kernel_elements el = { 0 };
	struct err e = { 0 };
	struct kernel *k;

	build(l);
	lab_close(l, 0);
	lab_open(l, 0);
	k = lab_enter(l, 0);
	if (k->ops->ground_check(k, &e) < 0)
		fail_msg("%s", err_text(&e));
	assert_int_equal(k->ops->ground(k, &el, &e), 0);
	n = dump_net(k, LAB_VNI);
	check_net(l, n, want);
	assert_int_equal(k->ops->writes(k), 0);
	assert_true(lab_udp(l, 0, 2, AF_INET));
}

static void test_vxlan_is_changed_or_made_anew(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *a = NULL, *b = NULL,
					     *c = NULL;
	struct kernel_link_set set = { .name = "vx1048577" };
	struct err e = { 0 };
	struct kernel *k;

	build(l);
	k = lab_enter(l, 0);
	a = dump_net(k, LAB_VNI);
	/* Its local address: entries stay. */
	lab_sh("ip addr add 192.168.77.11/24 dev u0");
	set.vtep = lab_ip("192.168.77.11");
	assert_int_equal(k->ops->link_set(k, &set, &e), 0);
	b = dump_net(k, LAB_VNI);
	assert_true(ip_eq(b->vtep, set.vtep));
	assert_int_equal(b->vxlan_ifindex, a->vxlan_ifindex);
	assert_int_equal(b->n_fdb, a->n_fdb);
	/* Its port: another device, ports and bridge stay. */
	want->port = 4790;
	assert_int_equal(k->ops->vxlan_add(k, want, &e), 0);
	c = dump_net(k, LAB_VNI);
	assert_int_equal(c->port, 4790);
	assert_int_not_equal(c->vxlan_ifindex, a->vxlan_ifindex);
	assert_int_equal(c->bridge_ifindex, a->bridge_ifindex);
	assert_true(c->vxlan_up && c->vxlan_enslaved && c->vxlan_flags_ok);
	assert_int_equal(c->n_ports, 2);
	assert_int_equal(c->n_neigh, a->n_neigh);
}

static void test_holder_of_vni_is_named(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI);
	struct err e = { 0 };
	struct kernel *k = lab_enter(l, 0);

	lab_sh("ip link add foreign0 type vxlan id %u dstport 4789", LAB_VNI);
	assert_int_equal(k->ops->bridge_add(k, want, &e), 0);
	assert_int_equal(k->ops->vxlan_add(k, want, &e), -EEXIST);
	assert_non_null(strstr(err_text(&e), "foreign0"));
	/* The same in another namespace. */
	lab_sh("ip link set foreign0 netns okl-%d-c7", (int)getpid());
	assert_int_equal(k->ops->vxlan_add(k, want, &e), -EEXIST);
	assert_non_null(strstr(err_text(&e), "foreign0"));
	assert_non_null(strstr(err_text(&e), "-c7"));
	lab_sh("ip -n okl-%d-c7 link del foreign0", (int)getpid());
	assert_int_equal(k->ops->vxlan_add(k, want, &e), 0);
}

static void test_deletes_of_what_is_absent_succeed(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL;
	const struct state_port *p = lab_port(l, 0);
	struct kernel_fdb_op f[] = {
		{ .del = true,
		  .fdb = { .where = STATE_FDB_SELF, .mac = p->mac, .vtep = l->host[1].vtep } },
		{ .del = true,
		  .fdb = { .where = STATE_FDB_MASTER, .mac = p->mac, .port = "veNONE" } },
		{ .del = true,
		  .fdb = { .where = STATE_FDB_MASTER, .mac = p->mac, .port = "vx1048577" } },
		{ .del = true, .fdb = { .where = STATE_FDB_SELF, .vtep = l->host[1].vtep } },
	};
	struct kernel_neigh_op g[] = { { .del = true, .neigh = { p->ip4, p->mac } },
				       { .del = true, .neigh = { p->ip6, p->mac } } };
	struct kernel *k = lab_enter(l, 0);
	struct err e = { 0 };
	size_t failed = 9;

	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(k->ops->fdb(k, lab_key(LAB_VNI), f, 4, &failed, &e), 0);
		assert_int_equal(failed, 0);
		assert_int_equal(k->ops->neigh(k, lab_key(LAB_VNI), g, 2, &failed, &e), 0);
		assert_int_equal(failed, 0);
		assert_int_equal(k->ops->gateway(k, lab_key(LAB_VNI), true, want->gateways[0], &e),
				 0);
		assert_int_equal(k->ops->link_shut(k, p->name, &e), 0);
		if (round == 0)
			lab_make_net(l, 0, want); /* then once more with the devices there */
		lab_attach(l, 0, want, 0);
		assert_int_equal(k->ops->link_shut(k, p->name, &e), 0);
	}
	/* The port has left the bridge: its entry is gone with it. */
	memcpy(f[1].fdb.port, p->name, IFNAMSIZ);
	assert_int_equal(k->ops->fdb(k, lab_key(LAB_VNI), f, 4, &failed, &e), 0);
	n = dump_net(k, LAB_VNI);
	assert_int_equal(n->n_ports, 1);
	assert_false(n->ports[0].enslaved || n->ports[0].up);
}

static void test_an_error_does_not_stop_a_batch(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL;
	struct kernel_fdb_op f[3] = { 0 };
	struct kernel *k = lab_enter(l, 0);
	struct err e = { 0 };
	size_t failed = 0;

	lab_make_net(l, 0, want);
	for (unsigned i = 0; i < 3; i++)
		f[i].fdb = (struct state_fdb){ .where = STATE_FDB_SELF,
					       .mac = { { 2, 0, 0, 0, 0, (uint8_t)i } },
					       .vtep = l->host[1].vtep };
	f[0].fdb.vtep = lab_ip("fd00::1"); /* IPv6 on an IPv4 device */
	f[1].fdb.where = STATE_FDB_MASTER;
	snprintf(f[1].fdb.port, IFNAMSIZ, "veffffffffffff");
	assert_true(k->ops->fdb(k, lab_key(LAB_VNI), f, 3, &failed, &e) < 0);
	assert_int_equal(failed, 2);
	assert_true(err_text(&e)[0] != '\0');
	n = dump_net(k, LAB_VNI);
	assert_int_equal(n->n_fdb, 1);
}

static void test_thousands_of_entries(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL, *m = NULL;
	const size_t count = 5000;
	_cleanup_free_ struct kernel_fdb_op *f = mem_alloc_array(count * 2, sizeof(*f));
	_cleanup_free_ struct kernel_neigh_op *g = mem_alloc_array(count, sizeof(*g));
	struct kernel *k = lab_enter(l, 0);
	struct err e = { 0 };
	size_t failed;

	lab_make_net(l, 0, want);
	for (size_t i = 0; i < count; i++) {
		g[i].neigh.ip = ip_v4(0x0a500000u + (uint32_t)i);
		g[i].neigh.mac = mac_from_ip(g[i].neigh.ip);
		f[i].fdb = (struct state_fdb){ .where = STATE_FDB_SELF,
					       .mac = g[i].neigh.mac,
					       .vtep = l->host[1].vtep };
		f[count + i].fdb = (struct state_fdb){ .where = STATE_FDB_MASTER,
						       .mac = g[i].neigh.mac,
						       .port = "vx1048577" };
	}
	assert_int_equal(k->ops->fdb(k, lab_key(LAB_VNI), f, count * 2, &failed, &e), 0);
	assert_int_equal(k->ops->neigh(k, lab_key(LAB_VNI), g, count, &failed, &e), 0);
	n = dump_net(k, LAB_VNI);
	assert_int_equal(n->n_fdb, count * 2);
	assert_int_equal(n->n_neigh, count);
	for (size_t i = 0; i < count; i++)
		f[i].del = f[count + i].del = g[i].del = true;
	assert_int_equal(k->ops->neigh(k, lab_key(LAB_VNI), g, count, &failed, &e), 0);
	assert_int_equal(k->ops->fdb(k, lab_key(LAB_VNI), f, count * 2, &failed, &e), 0);
	m = dump_net(k, LAB_VNI);
	assert_int_equal(m->n_fdb + m->n_neigh, 0);
}

static void test_unlinked_namespace_is_mounted_again(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL;
	struct kernel_elements el = { 0 };
	struct kernel *k;
	struct err e = { 0 };

	build(l);
	k = lab_enter(l, 0);
	lab_sh("ip netns del okl-%d-ovl0", (int)getpid());
	assert_int_equal(k->ops->ground_check(k, &e), -ESTALE);
	assert_true(lab_udp(l, 0, 2, AF_INET));
	if (k->ops->ground(k, &el, &e) < 0)
		fail_msg("%s", err_text(&e));
	assert_int_equal(k->ops->ground_check(k, &e), 0);
	/* The very same namespace. */
	lab_close(l, 0);
	lab_open(l, 0);
	n = dump_net(lab_enter(l, 0), LAB_VNI);
	check_net(l, n, want);
}

static void test_bridge_gone_ports_come_back(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL, *m = NULL;
	struct kernel_link_set set = { .master = "br1048577", .port_flags = true, .up = KERNEL_ON };
	struct kernel *k;
	struct err e = { 0 };
	int ifindex;

	build(l);
	k = lab_enter(l, 0);
	lab_sh("ip -n okl-%d-ovl0 link del br1048577", (int)getpid());
	n = dump_net(k, LAB_VNI);
	assert_false(n->bridge_exists);
	assert_true(n->vxlan_exists && !n->vxlan_enslaved && !n->vxlan_flags_ok);
	assert_int_equal(n->n_ports, 2);
	assert_false(n->ports[0].enslaved || n->ports[0].flags_ok);
	ifindex = n->ports[0].ifindex;
	lab_make_net(l, 0, want);
	set.name = n->ports[0].name;
	assert_int_equal(k->ops->link_set(k, &set, &e), 0);
	m = dump_net(k, LAB_VNI);
	assert_true(m->vxlan_enslaved && m->vxlan_flags_ok && m->bridge_exists);
	assert_int_equal(m->ports[0].ifindex, ifindex);
	assert_true(m->ports[0].enslaved && m->ports[0].flags_ok && m->ports[0].up);
}

static void test_wrong_guards_are_strays(void **state)
{
	struct lab *l = *state;
	struct kernel_guard_op g = { 0 };
	struct kernel_dump d = { 0 };
	struct kernel *k;
	struct err e = { 0 };

	build(l);
	k = lab_enter(l, 0);
	/* Another's address for the first container. */
	memcpy(g.guard.port, l->c[0].port.name, IFNAMSIZ);
	g.guard.mac = l->c[0].port.mac;
	g.guard.ip = l->c[1].port.ip4;
	assert_int_equal(k->ops->guard(k, &g, 1, &e), 0);
	assert_int_equal(k->ops->dump(k, &d, &e), 0);
	assert_int_equal(d.n_strays, 1);
	assert_true(ip_eq(d.strays[0].ip, g.guard.ip));
	assert_true(state_net_port(d.nets[0], l->c[0].port.name)->guard4);
	kernel_dump_done(&d);
}

static void test_host_side_questions(void **state)
{
	struct lab *l = *state;
	struct kernel *k = lab_enter(l, 0);
	struct kernel_linux_taken *taken = NULL;
	char ifname[IFNAMSIZ];
	struct err e = { 0 };
	uint64_t dropped = 1;
	uint32_t mtu;
	size_t n = 0;
	struct ip a;
	bool found = false, own;

	assert_int_equal(k->ops->underlay(k, l->host[0].vtep, &mtu, ifname, &e), 0);
	assert_int_equal(mtu, 1500);
	assert_string_equal(ifname, "u0");
	assert_int_equal(k->ops->underlay(k, l->host[1].vtep, &mtu, ifname, &e), -ENOENT);
	assert_int_equal(kernel_linux_source(k, l->host[1].vtep, &a, &e), 0);
	assert_true(ip_eq(a, l->host[0].vtep));
	assert_true(kernel_linux_source(k, lab_ip("8.8.8.8"), &a, &e) < 0);
	assert_int_equal(kernel_linux_ifaddr(k, "u0", &a, &e), 0);
	assert_true(ip_eq(a, l->host[0].vtep));
	assert_int_equal(kernel_linux_ifaddr(k, "nosuch", &a, &e), -ENODEV);
	assert_int_equal(kernel_linux_ifaddr(k, "lo", &a, &e), -EADDRNOTAVAIL);
	lab_sh("ip route add 10.9.0.0/16 via 192.168.77.2");
	assert_int_equal(kernel_linux_taken(k, &taken, &n, &e), 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(taken[i].prefix.len > 0);
		assert_false(ip_is_loopback(taken[i].prefix.ip));
		found = found || strcmp(taken[i].who, "route 10.9.0.0/16 dev u0") == 0;
	}
	assert_true(found);
	kernel_linux_taken_free(taken, n);
	/* Whose device it is says its ifalias. */
	lab_sh("ip link add own0 type bridge; ip link set own0 alias 'ovl local 16777218';"
	       "ip link add far0 type bridge; ip link set far0 alias 'ovl localhost';"
	       "ip addr add 10.10.0.1/24 dev own0; ip addr add 10.11.0.1/24 dev far0");
	assert_int_equal(kernel_linux_taken(k, &taken, &n, &e), 0);
	found = false;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(taken[i].own, strcmp(taken[i].dev, "own0") == 0);
		found = found || taken[i].own;
	}
	assert_true(found);
	kernel_linux_taken_free(taken, n);
	assert_int_equal(kernel_linux_device(k, "own0", &own, &e), 0);
	assert_true(own);
	assert_int_equal(kernel_linux_device(k, "far0", &own, &e), 0);
	assert_false(own);
	assert_int_equal(kernel_linux_device(k, "nosuch", &own, &e), -ENODEV);
	assert_string_equal(e.text, "there is no interface nosuch on this host");
	assert_int_equal(kernel_linux_device(k, "much-too-long-a-name", NULL, &e), -ENODEV);
	assert_int_equal(kernel_linux_dropped(k, &dropped), 0);
	assert_int_equal(dropped, 0);
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
		T(test_packets_cross),
		T(test_dump_shows_what_was_made),
		T(test_made_twice_is_the_same),
		T(test_bridge_keeps_its_mtu),
		T(test_restart_writes_nothing),
		T(test_vxlan_is_changed_or_made_anew),
		T(test_holder_of_vni_is_named),
		T(test_deletes_of_what_is_absent_succeed),
		T(test_an_error_does_not_stop_a_batch),
		T(test_thousands_of_entries),
		T(test_unlinked_namespace_is_mounted_again),
		T(test_bridge_gone_ports_come_back),
		T(test_wrong_guards_are_strays),
		T(test_host_side_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
