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

#define TIMED 50

static void no_trace(struct kernel *k, const char *ns)
{
	struct state_net *n;

	assert_int_equal(k->ops->dump_net(k, LAB_VNI, &n, NULL), 0);
	assert_int_equal(n->n_ports, 0);
	state_net_free(n);
	assert_false(lab_sh_ok("ip -n %s -o link show type veth | grep -q .", ns));
}

static void test_inside_all_is_set(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI);
	int pid = (int)getpid();

	lab_make_net(l, 0, want);
	lab_attach(l, 0, want, 0);
	lab_sh("ip -n okl-%d-c0 link show lo | grep -q 'LOOPBACK,UP'", pid);
	lab_sh("ip -n okl-%d-c0 link show eth0 | grep -q 'mtu 1450'", pid);
	lab_sh("ip -n okl-%d-c0 link show eth0 | grep -q 02:42:0a:4d:00:0a", pid);
	lab_sh("ip -n okl-%d-c0 addr show eth0 | grep -q 'inet 10.77.0.10/24 brd 10.77.0.255'",
	       pid);
	lab_sh("ip -n okl-%d-c0 addr show eth0 | grep -q 'inet6 fd77::10/64 scope global nodad'",
	       pid);
	lab_sh("ip -n okl-%d-c0 addr show eth0 | grep -q 'inet6 fe80::42:aff:fe4d:a/64 scope link nodad'",
	       pid);
	assert_false(lab_sh_ok("ip -n okl-%d-c0 addr show eth0 | grep -q tentative", pid));
	lab_sh("ip -n okl-%d-c0 route show | grep -q '10.78.0.0/24 dev eth0'", pid);
	/* No address of the host end's own. */
	assert_false(lab_sh_ok("ip -n okl-%d-ovl0 addr show dev %s | grep -q inet6", pid,
			       l->c[0].port.name));
}

static void test_without_ipv6_no_address_of_its_own(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI);
	struct state_port p = *lab_port(l, 0);
	struct kernel_link_set up = { .name = p.name, .up = KERNEL_ON };
	struct kernel *k;
	struct err e = { 0 };

	lab_make_net(l, 0, want);
	k = lab_enter(l, 0);
	p.ip6 = (struct ip){ 0 };
	assert_int_equal(k->ops->port_add(k, want, &p, &e), 0);
	assert_int_equal(k->ops->link_set(k, &up, &e), 0);
	assert_false(lab_sh_ok("ip -n okl-%d-c0 addr show eth0 | grep -q inet6", (int)getpid()));
}

static void test_name_taken_inside(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL;
	const struct state_port *p = lab_port(l, 0);
	struct kernel *k;
	struct err e = { 0 };
	char words[STATE_TARGET_PATH_MAX + 64];

	lab_make_net(l, 0, want);
	lab_sh("ip -n okl-%d-c0 link add eth0 type bridge", (int)getpid());
	k = lab_enter(l, 0);
	assert_int_equal(k->ops->port_add(k, want, p, &e), -EEXIST);
	snprintf(words, sizeof(words), "an interface eth0 exists already in %s", p->target.path);
	assert_string_equal(err_text(&e), words);
	assert_int_equal(k->ops->dump_net(k, LAB_VNI, &n, &e), 0);
	assert_int_equal(n->n_ports, 0);
}

static void test_dead_target(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI);
	struct state_port p = *lab_port(l, 0);
	struct kernel *k;
	struct err e = { 0 };
	char ns[32];

	lab_make_net(l, 0, want);
	k = lab_enter(l, 0);
	assert_true(k->ops->target_alive(k, &p.target));
	p.target.ino++; /* another namespace is there now */
	assert_false(k->ops->target_alive(k, &p.target));
	assert_int_equal(k->ops->port_add(k, want, &p, &e), -ENOENT);
	snprintf(ns, sizeof(ns), "okl-%d-c0", (int)getpid());
	no_trace(k, ns);
	p.target.ino--;
	lab_sh("ip netns del %s", ns);
	assert_false(k->ops->target_alive(k, &p.target));
	assert_int_equal(k->ops->port_add(k, want, &p, &e), -ENOENT);
}

/* What fails inside, after the veth is there. */
static void test_rolled_back_when_inside_fails(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI);
	struct state_port p = *lab_port(l, 0);
	struct kernel *k;
	struct err e = { 0 };
	char ns[32];

	snprintf(ns, sizeof(ns), "okl-%d-c0", (int)getpid());
	lab_make_net(l, 0, want);
	k = lab_enter(l, 0);
	p.len4 = 33;
	assert_true(k->ops->port_add(k, want, &p, &e) < 0);
	assert_non_null(strstr(err_text(&e), "eth0"));
	no_trace(k, ns);
	p.len4 = 24;
	p.mac = (struct mac){ { 1, 0, 0, 0, 0, 1 } }; /* multicast */
	assert_true(k->ops->port_add(k, want, &p, &e) < 0);
	no_trace(k, ns);
	p.mac = mac_from_ip(p.ip4);
	p.container_mtu = 1000; /* too small for IPv6: its address is refused */
	assert_true(k->ops->port_add(k, want, &p, &e) < 0);
	no_trace(k, ns);
	p.container_mtu = 1450;
	assert_int_equal(k->ops->port_add(k, want, &p, &e), 0);
}

static void test_no_bridge(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI);
	struct kernel *k = lab_enter(l, 0);
	struct err e = { 0 };

	assert_int_equal(k->ops->port_add(k, want, lab_port(l, 0), &e), -ENODEV);
}

static void test_stale_host_end_is_replaced(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL;
	const struct state_port *p = lab_port(l, 0);
	struct kernel *k;
	struct err e = { 0 };

	lab_make_net(l, 0, want);
	k = lab_enter(l, 0);
	lab_sh("ip -n okl-%d-ovl0 link add %s type veth peer name nowhere", (int)getpid(), p->name);
	if (k->ops->port_add(k, want, p, &e) < 0)
		fail_msg("%s", err_text(&e));
	/* And once more over one of our own. */
	assert_int_equal(k->ops->port_add(k, want, p, &e), 0);
	assert_int_equal(k->ops->dump_net(k, LAB_VNI, &n, &e), 0);
	assert_int_equal(n->n_ports, 1);
	assert_true(n->ports[0].enslaved && n->ports[0].flags_ok && !n->ports[0].up);
}

struct deletions {
	unsigned done;
	int status;
};

static void on_deleted(void *user, const char *name, int status)
{
	struct deletions *d = user;

	(void)name;
	d->done++;
	if (status < 0)
		d->status = status;
}

static bool all_deleted(void *arg)
{
	return ((struct deletions *)arg)->done == LAB_CONTAINERS + 1;
}

static void test_deletions_are_gathered(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL, *m = NULL;
	struct deletions d = { 0 };
	struct kernel *k;
	double t;

	lab_make_net(l, 0, want);
	for (unsigned i = 0; i < LAB_CONTAINERS; i++)
		lab_attach(l, 0, want, i);
	k = lab_enter(l, 0);
	t = lab_now_us();
	for (unsigned i = 0; i < LAB_CONTAINERS; i++)
		k->ops->link_del(k, l->c[i].port.name, on_deleted, &d);
	k->ops->link_del(k, "ve000000000000", on_deleted, &d); /* not there */
	assert_int_equal(d.done, 0); /* never from inside */
	/* On their way out they count as gone. */
	assert_int_equal(k->ops->dump_net(k, LAB_VNI, &n, NULL), 0);
	assert_int_equal(n->n_ports, 0);
	assert_true(lab_wait(l, all_deleted, &d));
	t = lab_now_us() - t;
	assert_int_equal(d.status, 0);
	print_message("%d links deleted in %.1f ms\n", LAB_CONTAINERS, t / 1e3);
	assert_int_equal(k->ops->dump_net(k, LAB_VNI, &m, NULL), 0);
	assert_int_equal(m->n_ports, 0);
	assert_false(
		lab_sh_ok("ip -n okl-%d-ovl0 -o link show type veth | grep -q .", (int)getpid()));
}

static bool one_deleted(void *arg)
{
	return ((struct deletions *)arg)->done == 1;
}

static void test_made_again_while_it_is_being_deleted(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL;
	struct deletions d = { 0 };
	struct kernel *k;

	lab_make_net(l, 0, want);
	lab_attach(l, 0, want, 0);
	k = lab_enter(l, 0);
	k->ops->link_del(k, l->c[0].port.name, on_deleted, &d);
	k->ops->link_del(k, "vx1048577", NULL, NULL);
	k->ops->link_del(k, "br1048577", NULL, NULL);
	lab_make_net(l, 0, want);
	lab_attach(l, 0, want, 0);
	assert_true(lab_wait(l, one_deleted, &d));
	lab_close(l, 0); /* waits for all */
	lab_open(l, 0);
	k = lab_enter(l, 0);
	assert_int_equal(k->ops->dump_net(k, LAB_VNI, &n, NULL), 0);
	assert_true(n->bridge_exists && n->vxlan_exists && n->vxlan_enslaved);
	assert_int_equal(n->n_ports, 1);
	assert_true(n->ports[0].up && n->ports[0].enslaved);
}

/* Deleted twice under one name before the first deletion is done: the later one is not to hit what was made after it. */
static void test_made_and_deleted_faster_than_that(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL;
	struct kernel *k;

	for (unsigned i = 0; i < 3; i++) {
		lab_make_net(l, 0, want);
		if (i == 2)
			break;
		k = lab_enter(l, 0);
		k->ops->link_del(k, "vx1048577", NULL, NULL);
		k->ops->link_del(k, "br1048577", NULL, NULL);
	}
	lab_close(l, 0); /* waits for all */
	lab_open(l, 0);
	k = lab_enter(l, 0);
	assert_int_equal(k->ops->dump_net(k, LAB_VNI, &n, NULL), 0);
	assert_true(n->bridge_exists && n->vxlan_exists && n->vxlan_enslaved);
}

static int cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print_times(const char *what, double *v, size_t n)
{
	qsort(v, n, sizeof(*v), cmp_double);
	print_message("%s: p50 %.0f us, p90 %.0f us, max %.0f us\n", what, v[n / 2], v[n * 9 / 10],
		      v[n - 1]);
}

static void test_times(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI);
	double add[TIMED], entries[TIMED], up[TIMED], shut[TIMED];
	struct kernel *k;
	struct err e = { 0 };

	lab_make_net(l, 0, want);
	k = lab_enter(l, 0);
	for (unsigned i = 0; i < TIMED; i++) {
		struct state_port p = *lab_port(l, i % LAB_CONTAINERS);
		struct kernel_link_set set = { .name = p.name, .up = KERNEL_ON };
		struct kernel_fdb_op f = { .fdb = { .where = STATE_FDB_MASTER, .mac = p.mac } };
		struct kernel_neigh_op g = { .neigh = { p.ip4, p.mac } };
		struct deletions d = { 0 };
		double t = lab_now_us();

		memcpy(f.fdb.port, p.name, IFNAMSIZ);
		assert_int_equal(k->ops->port_add(k, want, &p, &e), 0);
		add[i] = lab_now_us() - t;
		t = lab_now_us();
		assert_int_equal(k->ops->fdb(k, lab_key(LAB_VNI), &f, 1, NULL, &e), 0);
		assert_int_equal(k->ops->neigh(k, lab_key(LAB_VNI), &g, 1, NULL, &e), 0);
		entries[i] = lab_now_us() - t;
		t = lab_now_us();
		assert_int_equal(k->ops->link_set(k, &set, &e), 0);
		up[i] = lab_now_us() - t;
		t = lab_now_us();
		assert_int_equal(k->ops->link_shut(k, p.name, &e), 0);
		shut[i] = lab_now_us() - t;
		k->ops->link_del(k, p.name, on_deleted, &d);
		assert_true(lab_wait(l, one_deleted, &d));
	}
	print_times("port_add", add, TIMED);
	print_times("fdb + neigh", entries, TIMED);
	print_times("link_set up", up, TIMED);
	print_times("link_shut", shut, TIMED);
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
		T(test_inside_all_is_set),
		T(test_without_ipv6_no_address_of_its_own),
		T(test_name_taken_inside),
		T(test_dead_target),
		T(test_rolled_back_when_inside_fails),
		T(test_no_bridge),
		T(test_stale_host_end_is_replaced),
		T(test_deletions_are_gathered),
		T(test_made_again_while_it_is_being_deleted),
		T(test_made_and_deleted_faster_than_that),
		T(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
