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

#define KEY (STATE_KEY_LOCAL + 9)

/* The parent is one end of a veth, the segment behind it container 7. */
static struct state_net *make_net(struct lab *l, const char *driver, const char *mode)
{
	struct state_net *n = state_net_new(KEY);

	n->kind = STATE_DIRECT;
	n->complete = true;
	snprintf(n->parent, sizeof(n->parent), "wire0");
	snprintf(n->driver, sizeof(n->driver), "%s", driver);
	snprintf(n->mode, sizeof(n->mode), "%s", mode);
	lab_enter(l, 0);
	if (!lab_sh_ok("ip link show wire0 >/dev/null 2>&1"))
		lab_sh("ip link add wire0 type veth peer name eth0 netns okl-%d-c7 && ip link set wire0 up &&"
		       " ip -n okl-%d-c7 addr add 172.28.0.1/24 dev eth0 && ip -n okl-%d-c7 link set eth0 up",
		       (int)getpid(), (int)getpid(), (int)getpid());
	return n;
}

static struct state_port port(struct lab *l, unsigned i)
{
	struct state_port p = *lab_port(l, i);
	char text[IP_TEXT_MAX];

	state_host_port_name(p.endpoint, p.name);
	snprintf(text, sizeof(text), "172.28.0.%u", 10 + i);
	p.ip4 = lab_ip(text);
	p.ip6 = (struct ip){ 0 };
	p.mac = mac_from_ip(p.ip4);
	p.gw4 = lab_ip("172.28.0.1");
	p.n_routes = 0;
	p.container_mtu = 1400;
	return p;
}

static void add(struct lab *l, const struct state_net *want, const struct state_port *p)
{
	struct kernel *k = lab_enter(l, 0);
	struct err e = { 0 };

	if (k->ops->port_add(k, want, p, &e) < 0)
		fail_msg("%s", err_text(&e));
}

static void test_macvlan(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = make_net(l, "macvlan", "bridge");
	struct state_port a = port(l, 0), b = port(l, 1);
	struct kernel *k = lab_enter(l, 0);
	struct kernel_dump d = { 0 };
	struct err e = { 0 };
	int pid = (int)getpid();
	uint64_t writes;

	add(l, want, &a);
	add(l, want, &b);
	assert_true(lab_udp_at(l->c[0].nsfd, l->c[1].nsfd, b.ip4));
	assert_true(lab_udp_at(l->c[1].nsfd, l->c[7].nsfd, lab_ip("172.28.0.1")));
	lab_sh("ip -n okl-%d-c0 -d link show eth0 | grep -q 'macvlan mode bridge'", pid);
	lab_sh("ip -n okl-%d-c0 link show eth0 | grep -q 'mtu 1400'", pid);
	lab_sh("ip -n okl-%d-c0 link show eth0 | grep -q 02:42:ac:1c:00:0a", pid);
	lab_sh("ip -n okl-%d-c0 route show | grep -q 'default via 172.28.0.1 dev eth0 proto 111'",
	       pid);
	/* In place: nothing is written; and a restarted one finds it as well. */
	writes = k->ops->writes(k);
	add(l, want, &a);
	assert_int_equal(k->ops->writes(k), writes);
	lab_close(l, 0);
	lab_open(l, 0);
	add(l, want, &a);
	k = lab_enter(l, 0);
	assert_int_equal(k->ops->writes(k), 0);
	/* It is never dumped. */
	assert_int_equal(k->ops->dump(k, &d, &e), 0);
	assert_int_equal(d.n_nets + d.n_loose, 0);
	kernel_dump_done(&d);
}

static void test_modes(void **state)
{
	static const char *const modes[] = { "private", "vepa", "passthru" };
	struct lab *l = *state;
	struct state_port p = port(l, 0);

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		_cleanup_state_net_ struct state_net *want = make_net(l, "macvlan", modes[i]);
		struct kernel *k = lab_enter(l, 0);
		uint64_t writes;

		add(l, want, &p);
		lab_sh("ip -n okl-%d-c0 -d link show eth0 | grep -q 'macvlan mode %s'",
		       (int)getpid(), modes[i]);
		assert_true(lab_udp_at(l->c[0].nsfd, l->c[7].nsfd, lab_ip("172.28.0.1")));
		writes = k->ops->writes(k);
		add(l, want, &p);
		assert_int_equal(k->ops->writes(k), writes);
		lab_sh("ip -n okl-%d-c0 link del eth0", (int)getpid());
	}
}

static void refused(struct lab *l, const struct state_net *want, const struct state_port *p,
		    int code, const char *words)
{
	struct kernel *k = lab_enter(l, 0);
	struct err e = { 0 };

	assert_int_equal(k->ops->port_add(k, want, p, &e), code);
	if (!strstr(err_text(&e), words))
		fail_msg("%s", err_text(&e));
	assert_false(
		lab_sh_ok("ip -n okl-%d-c0 -o link show type macvlan | grep -q .", (int)getpid()));
}

static void test_refusals(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = make_net(l, "macvlan", "bridge");
	_cleanup_state_net_ struct state_net *wrong = make_net(l, "macvlan", "l2");
	struct state_port p = port(l, 0);
	int pid = (int)getpid();

	snprintf(want->parent, sizeof(want->parent), "nosuch0");
	refused(l, want, &p, -ENODEV, "this host has no interface nosuch0");
	snprintf(want->parent, sizeof(want->parent), "wire0");
	refused(l, wrong, &p, -EINVAL, "no mode l2 of macvlan");
	lab_sh("ip link add somebr type bridge && ip link set wire0 master somebr");
	refused(l, want, &p, -EBUSY, "wire0 cannot be the parent: it is a port of somebr");
	lab_sh("ip link set wire0 nomaster && ip link del somebr");
	lab_sh("ip -n okl-%d-c0 link add eth0 type bridge", pid);
	refused(l, want, &p, -EEXIST, "an interface eth0 exists already");
	lab_sh("ip -n okl-%d-c0 link del eth0", pid);
	p.len4 = 33; /* what fails inside takes the device away again */
	refused(l, want, &p, -EINVAL, "cannot set up eth0");
	p.len4 = 24;
	lab_sh("ip netns del okl-%d-c0", pid);
	assert_int_equal(lab_enter(l, 0)->ops->port_add(l->host[0].k, want, &p, NULL), -ENOENT);
}

static void test_ipvlan(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = make_net(l, "ipvlan", "l2");
	struct state_port p = port(l, 0);
	struct kernel *k = lab_enter(l, 0);
	struct err e = { 0 };
	int r = k->ops->port_add(k, want, &p, &e);

	if (r == -EOPNOTSUPP) {
		assert_string_equal(err_text(&e), "this kernel has no ipvlan (CONFIG_IPVLAN)");
		return;
	}
	assert_int_equal(r, 0);
	assert_true(lab_udp_at(l->c[0].nsfd, l->c[7].nsfd, lab_ip("172.28.0.1")));
}

/* Left by a crash between its making and its mark: made anew. */
static void test_half_made(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = make_net(l, "macvlan", "bridge");
	struct state_port p = port(l, 0);
	int pid = (int)getpid();

	lab_sh("ip link add link wire0 name eth0 address 02:42:ac:1c:00:0a netns okl-%d-c0 type macvlan mode bridge",
	       pid);
	add(l, want, &p);
	lab_sh("ip -n okl-%d-c0 addr show eth0 | grep -q 172.28.0.10/24", pid);
}

struct deletions {
	unsigned done;
	int status;
};

static void on_deleted(void *user, const char *name, int status)
{
	struct deletions *d = user;

	assert_int_equal(strncmp(name, "ovp", 3), 0);
	d->done++;
	if (status < 0)
		d->status = status;
}

static bool three(void *arg)
{
	return ((struct deletions *)arg)->done == 3;
}

static bool one(void *arg)
{
	return ((struct deletions *)arg)->done == 1;
}

static void test_deletions(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = make_net(l, "macvlan", "bridge");
	struct state_port p[3] = { port(l, 0), port(l, 1), port(l, 2) };
	struct kernel *k = lab_enter(l, 0);
	struct deletions d = { 0 };
	int pid = (int)getpid();

	add(l, want, &p[0]);
	add(l, want, &p[1]);
	/* One there, one whose namespace is gone, one that was never made. */
	p[1].target.ino++;
	for (size_t i = 0; i < 3; i++)
		k->ops->direct_del(k, &p[i], on_deleted, &d);
	assert_int_equal(d.done, 0); /* never from inside */
	assert_true(lab_wait(l, three, &d));
	assert_int_equal(d.status, 0);
	assert_false(lab_sh_ok("ip -n okl-%d-c0 link show eth0 2>/dev/null", pid));
	lab_sh("ip -n okl-%d-c1 link show eth0 >/dev/null", pid);
	/* Made again while it is being deleted: the new one stays. */
	add(l, want, &p[0]);
	d.done = 0;
	k->ops->direct_del(k, &p[0], on_deleted, &d);
	add(l, want, &p[0]);
	assert_true(lab_wait(l, one, &d));
	lab_sh("ip -n okl-%d-c0 addr show eth0 | grep -q 172.28.0.10/24", pid);
	/* Somebody else's of that name is not touched. */
	lab_sh("ip -n okl-%d-c2 link add eth0 type bridge", pid);
	d.done = 0;
	k->ops->direct_del(k, &p[2], on_deleted, &d);
	assert_true(lab_wait(l, one, &d));
	lab_sh("ip -n okl-%d-c2 link show eth0 >/dev/null", pid);
	/* Closing works off what was asked for. */
	k->ops->direct_del(k, &p[0], NULL, NULL);
	lab_close(l, 0);
	assert_false(lab_sh_ok("ip -n okl-%d-c0 link show eth0 2>/dev/null", pid));
	lab_open(l, 0);
}

static void test_default_route(void **state)
{
	struct lab *l = *state;
	const struct ip none = { 0 }, keep4 = lab_ip("0.0.0.0"), keep6 = lab_ip("::");
	const struct ip gw4 = lab_ip("10.1.0.1"), other4 = lab_ip("10.1.0.2"),
			gw6 = lab_ip("fd01::1");
	struct kernel *k = lab_enter(l, 0);
	struct state_target t = l->c[0].target;
	char ns[32];
	struct err e = { 0 };
	uint64_t writes;

	snprintf(ns, sizeof(ns), "okl-%d-c0", (int)getpid());
	lab_sh("ip -n %s link add eth0 type veth peer name eth0p && ip -n %s link set eth0p up && ip -n %s addr add 10.1.0.9/24 dev eth0 && ip -n %s addr add fd01::9/64 dev eth0 nodad && ip -n %s link set eth0 up",
	       ns, ns, ns, ns, ns);
	/* Nothing of ours to take away; the container's own stays. */
	lab_sh("ip -n %s route add default via 10.1.0.7", ns);
	writes = k->ops->writes(k);
	assert_int_equal(k->ops->default_route(k, &t, "", none, none, &e), 0);
	assert_int_equal(k->ops->writes(k), writes);
	lab_sh("ip -n %s route show default | grep -q 'via 10.1.0.7'", ns);
	/* Put in its place. */
	assert_int_equal(k->ops->default_route(k, &t, "eth0", gw4, gw6, &e), 0);
	lab_sh("test \"$(ip -n %s route show default)\" = 'default via 10.1.0.1 dev eth0 proto 111 '",
	       ns);
	lab_sh("ip -n %s -6 route show default | grep -q 'via fd01::1 dev eth0 proto 111'", ns);
	writes = k->ops->writes(k);
	assert_int_equal(k->ops->default_route(k, &t, "eth0", gw4, gw6, &e), 0);
	assert_int_equal(k->ops->writes(k), writes);
	/* One family left as it is. */
	assert_int_equal(k->ops->default_route(k, &t, "eth0", other4, keep6, &e), 0);
	lab_sh("ip -n %s route show default | grep -q 'via 10.1.0.2'", ns);
	lab_sh("ip -n %s -6 route show default | grep -q 'via fd01::1'", ns);
	assert_int_equal(k->ops->default_route(k, &t, "", keep4, none, &e), 0);
	assert_false(lab_sh_ok("ip -n %s -6 route show default | grep -q via", ns));
	assert_int_equal(k->ops->default_route(k, &t, "", none, none, &e), 0);
	assert_false(lab_sh_ok("ip -n %s route show default | grep -q via", ns));
	assert_int_equal(k->ops->default_route(k, &t, "eth9", gw4, none, &e), -ENODEV);
	t.ino++;
	assert_int_equal(k->ops->default_route(k, &t, "eth0", gw4, none, &e), -ENOENT);
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
		T(test_macvlan),   T(test_modes),     T(test_refusals),	     T(test_ipvlan),
		T(test_half_made), T(test_deletions), T(test_default_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
