/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports that are handed over: the test plays dockerd, which moves, renames and addresses them. */
#include "overlay/kernel_linux.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "agent/reconcile.h"
#include "base/mem.h"
#include "tests/netns/kernel_lab.h"

#define CONTAINERS 4 /* even ones on host 0, odd ones on host 1 */

static struct state_port port(struct lab *l, unsigned i)
{
	struct state_port p = *lab_port(l, i);

	p.handed = p.fresh = true;
	p.n_routes = 0;
	state_handed_name(p.endpoint, p.ifname);
	snprintf(p.target.path, sizeof(p.target.path), "/var/run/docker/netns/none-%u", i);
	p.target.dev = UINT64_MAX;
	p.target.ino = i + 1;
	return p;
}

static void add_entry(struct state_net *n, uint8_t where, const struct state_port *p,
		      const char *to, struct ip vtep)
{
	struct state_fdb f = { .where = where, .mac = p->mac, .vtep = vtep };

	snprintf(f.port, sizeof(f.port), "%s", to);
	state_net_add_fdb(n, &f);
}

/* As compile has it, for the first @count containers. */
static struct state_net *want_of(struct lab *l, unsigned host, unsigned count)
{
	struct state_net *n = lab_net(l, host, LAB_VNI);
	char vx[IFNAMSIZ];

	state_vxlan_name(LAB_VNI, vx);
	for (unsigned i = 0; i < count; i++) {
		struct state_port p = port(l, i);

		if (i % LAB_HOSTS == host) {
			state_net_add_port(n, &p);
			add_entry(n, STATE_FDB_MASTER, &p, p.name, (struct ip){ 0 });
		} else {
			add_entry(n, STATE_FDB_MASTER, &p, vx, (struct ip){ 0 });
			add_entry(n, STATE_FDB_SELF, &p, "", l->host[i % LAB_HOSTS].vtep);
		}
		state_net_add_neigh(n, &(struct state_neigh){ p.ip4, p.mac });
		state_net_add_neigh(n, &(struct state_neigh){ p.ip6, p.mac });
	}
	state_net_sort(n);
	return n;
}

static size_t settle(struct lab *l, unsigned host)
{
	_cleanup_state_net_ struct state_net *want = want_of(l, host, CONTAINERS);

	return lab_settle(l, host, want);
}

/* What Docker does with the name it was told. */
static void take(struct lab *l, unsigned i)
{
	struct state_port p = port(l, i);
	int pid = (int)getpid();

	lab_enter(l, i % LAB_HOSTS);
	lab_sh("ip link set %s netns okl-%d-c%u && ip -n okl-%d-c%u link set %s name eth7",
	       p.ifname, pid, i, pid, i, p.ifname);
	lab_sh("ip -n okl-%d-c%u addr add 10.77.0.%u/24 dev eth7 &&"
	       " ip -n okl-%d-c%u addr add fd77::%x/64 dev eth7 nodad &&"
	       " ip -n okl-%d-c%u link set eth7 up",
	       pid, i, 10 + i, pid, i, 0x10 + i, pid, i);
}

static bool host_has(struct lab *l, unsigned host, const char *ifname)
{
	lab_enter(l, host);
	return lab_sh_ok("ip link show %s >/dev/null 2>&1", ifname);
}

static size_t ports(struct lab *l, unsigned host)
{
	_cleanup_state_net_ struct state_net *n = NULL;
	struct kernel *k = lab_enter(l, host);

	assert_int_equal(k->ops->dump_net(k, LAB_VNI, &n, NULL), 0);
	return n->n_ports;
}

static void test_made_bare(void **state)
{
	struct lab *l = *state;
	struct state_port p = port(l, 0);
	char id[ID_TEXT_MAX];

	assert_true(settle(l, 0) > 0);
	lab_enter(l, 0);
	lab_sh("ip link show %s | grep -q 'mtu 1450'", p.ifname);
	lab_sh("ip link show %s | grep -q 02:42:0a:4d:00:0a", p.ifname);
	lab_sh("ip link show %s | grep -q 'alias ovl endpoint %s'", p.ifname,
	       id_format(p.endpoint, id));
	assert_false(lab_sh_ok("ip link show %s | grep -q '[<,]UP[,>]'", p.ifname));
	assert_false(lab_sh_ok("ip addr show dev %s | grep -q inet", p.ifname));
	assert_false(lab_sh_ok("ip route show | grep -q %s", p.ifname));
	lab_sh("ip -n okl-%d-ovl0 link show %s | grep -q 'master br%u'", (int)getpid(), p.name,
	       LAB_VNI);
	assert_int_equal(settle(l, 0), 0);
}

static void test_taken_and_used(void **state)
{
	struct lab *l = *state;
	uint64_t writes;
	struct kernel *k;

	for (unsigned h = 0; h < LAB_HOSTS; h++)
		settle(l, h);
	for (unsigned i = 0; i < CONTAINERS; i++)
		take(l, i);
	assert_true(lab_udp(l, 0, 2, AF_INET)); /* by the bridge */
	assert_true(lab_udp(l, 2, 0, AF_INET6));
	assert_true(lab_udp(l, 0, 1, AF_INET)); /* by VXLAN */
	assert_true(lab_udp(l, 3, 2, AF_INET6));
	/* Known by the host end, wherever the other one is and whatever it is called. */
	assert_int_equal(settle(l, 0), 0);
	lab_close(l, 0);
	lab_open(l, 0);
	k = lab_enter(l, 0);
	writes = k->ops->writes(k);
	assert_int_equal(settle(l, 0), 0);
	k = lab_enter(l, 0);
	assert_true(k->ops->writes(k) == writes);
	assert_true(lab_udp(l, 1, 0, AF_INET));
	/* The MAC is what its port may send with; another address than its own is not. */
	lab_sh("ip -n okl-%d-c0 addr replace 10.77.0.99/24 dev eth7 &&"
	       " ip -n okl-%d-c0 addr del 10.77.0.10/24 dev eth7",
	       (int)getpid(), (int)getpid());
	assert_true(lab_silent(l->c[0].nsfd, l->c[2].nsfd, lab_ip("10.77.0.12")));
}

static void on_deleted(void *user, const char *name, int status)
{
	(void)name;
	assert_int_equal(status, 0);
	*(bool *)user = true;
}

static bool is_set(void *arg)
{
	return *(bool *)arg;
}

static void test_deleted_from_either_end(void **state)
{
	struct lab *l = *state;
	struct state_port a = port(l, 0), b = port(l, 2);
	struct kernel *k;
	bool done = false;
	int pid = (int)getpid();

	settle(l, 0);
	take(l, 0);
	lab_sh("ip -n okl-%d-c0 link del eth7", pid);
	assert_int_equal(ports(l, 0), 1);
	/* Not taken yet, and taken. */
	lab_sh("ip link del %s", b.ifname);
	assert_int_equal(ports(l, 0), 0);
	assert_true(settle(l, 0) > 0);
	take(l, 0);
	k = lab_enter(l, 0);
	k->ops->link_del(k, a.name, on_deleted, &done);
	assert_true(lab_wait(l, is_set, &done));
	assert_false(lab_sh_ok("ip -n okl-%d-c0 link show eth7 >/dev/null 2>&1", pid));
	k = lab_enter(l, 0);
	done = false;
	k->ops->link_del(k, b.name, on_deleted, &done);
	assert_true(lab_wait(l, is_set, &done));
	assert_false(host_has(l, 0, b.ifname));
}

static void test_name_taken(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI);
	struct state_port p = port(l, 0);
	struct kernel *k;
	struct err e = { 0 };

	lab_make_net(l, 0, want);
	k = lab_enter(l, 0);
	lab_sh("ip link add %s type bridge", p.ifname);
	assert_int_equal(k->ops->port_add(k, want, &p, &e), -EEXIST);
	assert_non_null(strstr(err_text(&e), "host's namespace"));
	assert_int_equal(ports(l, 0), 0);
	lab_sh("ip link del %s", p.ifname);
	k = lab_enter(l, 0);
	assert_int_equal(k->ops->port_add(k, want, &p, &e), 0);
	assert_int_equal(k->ops->port_add(k, want, &p, &e), 0); /* a stale one is replaced */
	assert_int_equal(ports(l, 0), 1);
	assert_true(host_has(l, 0, p.ifname));
}

/* ---- under the reconciler ---- */

struct agent {
	struct lab *l;
	struct reconcile *r;
	bool fresh;
	unsigned wanted; /* containers */
	unsigned failed;
	int status;
	struct id endpoint;
};

static enum reconcile_source on_source(void *user, uint32_t key)
{
	(void)user;
	(void)key;
	return RECONCILE_COMPLETE;
}

static struct state_net *on_desired(void *user, uint32_t vni)
{
	struct agent *a = user;
	struct state_net *n;

	if (vni != LAB_VNI)
		return NULL;
	n = want_of(a->l, 0, a->wanted);
	for (size_t i = 0; i < n->n_ports; i++)
		n->ports[i].fresh = a->fresh;
	return n;
}

static size_t on_vnis(void *user, uint32_t **ret)
{
	(void)user;
	*ret = mem_alloc_array(1, sizeof(**ret));
	(*ret)[0] = LAB_VNI;
	return 1;
}

static size_t on_vteps(void *user, struct ip **ret)
{
	struct agent *a = user;

	*ret = mem_alloc_array(LAB_HOSTS, sizeof(**ret));
	for (unsigned i = 0; i < LAB_HOSTS; i++)
		(*ret)[i] = a->l->host[i].vtep;
	return LAB_HOSTS;
}

/* As the agent: it is not desired any more. */
static void on_port_failed(void *user, struct id endpoint, int status, const struct err *e)
{
	struct agent *a = user;

	(void)e;
	a->failed++;
	a->status = status;
	a->endpoint = endpoint;
	a->wanted = 2; /* container 2 is the one that goes */
	reconcile_dirty(a->r, LAB_VNI);
}

static void on_drift(void *user, uint32_t vni, const char *what, unsigned count)
{
	(void)user;
	(void)vni;
	(void)what;
	(void)count;
}

static void on_underlay(void *user)
{
	(void)user;
}

static bool has_failed(void *arg)
{
	return ((struct agent *)arg)->failed > 0;
}

static void start(struct agent *a)
{
	static const struct reconcile_hooks hooks = {
		.source = on_source,
		.desired = on_desired,
		.vnis = on_vnis,
		.vteps = on_vteps,
		.port_failed = on_port_failed,
		.drift = on_drift,
		.underlay_changed = on_underlay,
	};
	struct err e = { 0 };

	a->r = reconcile_new(&a->l->loop, lab_enter(a->l, 0), &hooks, a);
	if (reconcile_start(a->r, &e) < 0 || reconcile_now(a->r, LAB_VNI, NULL, &e) < 0)
		fail_msg("%s", err_text(&e));
}

static uint64_t writes(struct lab *l)
{
	return l->host[0].k->ops->writes(l->host[0].k);
}

static void test_missing_is_told_not_made_again(void **state)
{
	struct lab *l = *state;
	struct agent a = { .l = l, .fresh = true, .wanted = CONTAINERS };
	struct state_port p = port(l, 2);
	uint64_t before;

	start(&a);
	take(l, 0);
	take(l, 2);
	assert_int_equal(a.failed, 0);
	assert_int_equal(ports(l, 0), 2);
	a.fresh = false;

	/* The agent again: nothing to be done. */
	reconcile_close(a.r);
	before = writes(l);
	start(&a);
	reconcile_audit(a.r);
	assert_true(writes(l) == before);
	assert_int_equal(a.failed, 0);

	lab_sh("ip -n okl-%d-c2 link del eth7", (int)getpid());
	assert_true(lab_wait(l, has_failed, &a));
	assert_int_equal(a.status, -ENOENT);
	assert_true(id_eq(a.endpoint, p.endpoint));
	reconcile_audit(a.r);
	assert_int_equal(reconcile_now(a.r, LAB_VNI, NULL, NULL), 0);
	assert_int_equal(a.failed, 1);
	assert_int_equal(ports(l, 0), 1);
	assert_false(host_has(l, 0, p.ifname));
	before = writes(l);
	reconcile_audit(a.r);
	assert_true(writes(l) == before);

	/* Whose endpoint is not known goes, taken or not. */
	a.wanted = 0;
	assert_int_equal(reconcile_now(a.r, LAB_VNI, NULL, NULL), 0);
	assert_int_equal(ports(l, 0), 0);
	reconcile_close(a.r);
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
		T(test_made_bare),
		T(test_taken_and_used),
		T(test_deleted_from_either_end),
		T(test_name_taken),
		T(test_missing_is_told_not_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
