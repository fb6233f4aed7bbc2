/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/kernel_linux.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "tests/netns/kernel_lab.h"

#define SEEN_MAX 65536

struct watcher {
	struct lab *l;
	struct kernel_event *seen;
	size_t n;
	/* what is waited for */
	bool (*match)(const struct watcher *w, const struct kernel_event *ev);
	const char *name;
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
		if (w->match(w, &w->seen[i]))
			return true;
	return false;
}

static bool seen(struct watcher *w,
		 bool (*match)(const struct watcher *, const struct kernel_event *))
{
	w->match = match;
	return lab_wait(w->l, any_matches, w);
}

static bool port_gone(const struct watcher *w, const struct kernel_event *ev)
{
	return ev->type == KERNEL_EVENT_LINK && ev->deleted && strcmp(ev->name, w->name) == 0 &&
	       ev->vni == LAB_VNI;
}

static bool port_off_bridge(const struct watcher *w, const struct kernel_event *ev)
{
	return ev->type == KERNEL_EVENT_LINK && !ev->deleted && strcmp(ev->name, w->name) == 0 &&
	       ev->vni == LAB_VNI && !ev->enslaved;
}

static bool flags_wrong(const struct watcher *w, const struct kernel_event *ev)
{
	return ev->type == KERNEL_EVENT_LINK && strcmp(ev->name, w->name) == 0 && ev->has_flags &&
	       !ev->flags_ok && ev->enslaved;
}

static bool all_fine(const struct watcher *w, const struct kernel_event *ev)
{
	return ev->type == KERNEL_EVENT_LINK && strcmp(ev->name, w->name) == 0 && ev->has_flags &&
	       ev->flags_ok && ev->enslaved && ev->up && ev->mtu == 1500 && ev->vni == LAB_VNI;
}

static bool mtu_changed(const struct watcher *w, const struct kernel_event *ev)
{
	return ev->type == KERNEL_EVENT_LINK && strcmp(ev->name, w->name) == 0 && ev->mtu == 1400;
}

static bool self_added(const struct watcher *w, const struct kernel_event *ev)
{
	return ev->type == KERNEL_EVENT_FDB && !ev->deleted && ev->vni == LAB_VNI &&
	       ev->fdb.where == STATE_FDB_SELF && mac_eq(ev->fdb.mac, w->l->c[2].port.mac) &&
	       ip_eq(ev->fdb.vtep, w->l->host[1].vtep);
}

static bool self_gone(const struct watcher *w, const struct kernel_event *ev)
{
	return ev->type == KERNEL_EVENT_FDB && ev->deleted && ev->vni == LAB_VNI &&
	       ev->fdb.where == STATE_FDB_SELF && mac_eq(ev->fdb.mac, w->l->c[2].port.mac);
}

static bool master_gone(const struct watcher *w, const struct kernel_event *ev)
{
	return ev->type == KERNEL_EVENT_FDB && ev->deleted && ev->vni == LAB_VNI &&
	       ev->fdb.where == STATE_FDB_MASTER && mac_eq(ev->fdb.mac, w->l->c[0].port.mac) &&
	       strcmp(ev->fdb.port, w->l->c[0].port.name) == 0;
}

static bool flood_gone(const struct watcher *w, const struct kernel_event *ev)
{
	return ev->type == KERNEL_EVENT_FDB && ev->deleted && mac_is_zero(ev->fdb.mac) &&
	       ip_eq(ev->fdb.vtep, w->l->host[1].vtep);
}

static bool neigh_gone(const struct watcher *w, const struct kernel_event *ev)
{
	return ev->type == KERNEL_EVENT_NEIGH && ev->deleted && ev->vni == LAB_VNI &&
	       ip_eq(ev->neigh.ip, w->l->c[2].port.ip4);
}

static bool gateway_gone(const struct watcher *w, const struct kernel_event *ev)
{
	(void)w;
	return ev->type == KERNEL_EVENT_GATEWAY && ev->deleted && ev->vni == LAB_VNI &&
	       ip_eq(ev->gateway.ip, lab_ip("10.77.0.1")) && ev->gateway.len == 24;
}

static bool ground(const struct watcher *w, const struct kernel_event *ev)
{
	(void)w;
	return ev->type == KERNEL_EVENT_GROUND;
}

static bool underlay(const struct watcher *w, const struct kernel_event *ev)
{
	(void)w;
	return ev->type == KERNEL_EVENT_UNDERLAY;
}

static bool lost(const struct watcher *w, const struct kernel_event *ev)
{
	(void)w;
	return ev->type == KERNEL_EVENT_LOST;
}

static void drain(struct watcher *w)
{
	for (unsigned i = 0; i < 20; i++)
		uv_run(&w->l->loop, UV_RUN_NOWAIT);
	w->n = 0;
}

static void test_changes_are_told(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI);
	struct watcher w = { .l = l, .seen = mem_alloc_array(SEEN_MAX, sizeof(*w.seen)) };
	struct kernel *k = lab_enter(l, 0);
	int pid = (int)getpid();
	const char *mac2 = "02:42:0a:4d:00:0c";

	assert_int_equal(k->ops->watch(k, on_event, &w, NULL), 0);
	lab_make_net(l, 0, want);
	lab_attach(l, 0, want, 0);
	lab_remote(l, 0, LAB_VNI, 2, l->host[1].vtep);
	lab_flood(l, 0, LAB_VNI, l->host[1].vtep);
	w.name = l->c[0].port.name;
	assert_true(seen(&w, all_fine));
	w.name = "vx1048577";
	assert_true(seen(&w, all_fine));
	assert_true(seen(&w, self_added));
	drain(&w);

	lab_sh("bridge -n okl-%d-ovl0 fdb del %s dev vx1048577 self", pid, mac2);
	assert_true(seen(&w, self_gone));
	lab_sh("bridge -n okl-%d-ovl0 fdb del 00:00:00:00:00:00 dev vx1048577 dst 192.168.77.2 self",
	       pid);
	assert_true(seen(&w, flood_gone));
	lab_sh("bridge -n okl-%d-ovl0 fdb del 02:42:0a:4d:00:0a dev %s master", pid,
	       l->c[0].port.name);
	assert_true(seen(&w, master_gone));
	lab_sh("ip -n okl-%d-ovl0 neigh del 10.77.0.12 dev br1048577", pid);
	assert_true(seen(&w, neigh_gone));
	lab_sh("ip -n okl-%d-ovl0 addr del 10.77.0.1/24 dev br1048577", pid);
	assert_true(seen(&w, gateway_gone));
	w.name = l->c[0].port.name;
	lab_sh("bridge -n okl-%d-ovl0 link set dev %s learning on", pid, w.name);
	assert_true(seen(&w, flags_wrong));
	lab_sh("ip -n okl-%d-ovl0 link set %s mtu 1400", pid, w.name);
	assert_true(seen(&w, mtu_changed));
	lab_sh("ip -n okl-%d-ovl0 link set %s nomaster", pid, w.name);
	assert_true(seen(&w, port_off_bridge));
	lab_sh("ip -n okl-%d-ovl0 link del %s", pid, w.name);
	assert_true(seen(&w, port_gone));
	w.name = "vx1048577";
	lab_sh("bridge -n okl-%d-ovl0 link set dev vx1048577 neigh_suppress off", pid);
	assert_true(seen(&w, flags_wrong));
	lab_sh("ip -n okl-%d-ovl0 link set vx1048577 name other0 down", pid);
	assert_true(seen(&w, port_gone));
	k->ops->watch(k, NULL, NULL, NULL);
	free(w.seen);
}

static void test_ground_and_underlay_are_told(void **state)
{
	struct lab *l = *state;
	struct watcher w = { .l = l, .seen = mem_alloc_array(SEEN_MAX, sizeof(*w.seen)) };
	struct kernel *k = lab_enter(l, 0);
	struct kernel_elements el = { 0 };
	struct err e = { 0 };
	int pid = (int)getpid();

	assert_int_equal(k->ops->watch(k, on_event, &w, NULL), 0);
	drain(&w);
	lab_sh("ip addr add 192.168.78.1/24 dev u0");
	assert_true(seen(&w, underlay));
	drain(&w);
	lab_sh("ip netns exec okl-%d-ovl0 sysctl -q -w net.ipv4.ip_forward=1", pid);
	assert_true(seen(&w, ground));
	assert_int_equal(k->ops->ground_check(k, &e), -ESTALE);
	assert_int_equal(k->ops->ground(k, &el, &e), 0);
	assert_int_equal(k->ops->ground_check(k, &e), 0);
	drain(&w);
	lab_sh("nft flush ruleset");
	assert_true(seen(&w, ground));
	assert_int_equal(k->ops->ground_check(k, &e), -ESTALE);
	assert_int_equal(k->ops->ground(k, &el, &e), 0);
	assert_int_equal(k->ops->ground_check(k, &e), 0);
	drain(&w);
	lab_sh("ip netns del okl-%d-ovl0", pid);
	assert_true(seen(&w, ground));
	assert_int_equal(k->ops->ground_check(k, &e), -ESTALE);
	assert_int_equal(k->ops->ground(k, &el, &e), 0);
	drain(&w);
	k->ops->watch(k, NULL, NULL, NULL);
	free(w.seen);
}

/* More than the receive buffer holds, without a turn of the loop. */
static void test_a_flood_is_told_as_lost(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI);
	struct watcher w = { .l = l, .seen = mem_alloc_array(SEEN_MAX, sizeof(*w.seen)) };
	struct kernel *k = lab_enter(l, 0);
	const size_t count = 2000;
	_cleanup_free_ struct kernel_neigh_op *g = mem_alloc_array(count, sizeof(*g));

	assert_int_equal(k->ops->watch(k, on_event, &w, NULL), 0);
	lab_make_net(l, 0, want);
	for (size_t i = 0; i < count; i++) {
		g[i].neigh.ip = ip_v4(0x0a500000u + (uint32_t)i);
		g[i].neigh.mac = mac_from_ip(g[i].neigh.ip);
	}
	drain(&w);
	for (unsigned round = 0; round < 12; round++) {
		for (size_t i = 0; i < count; i++)
			g[i].del = round % 2;
		assert_int_equal(k->ops->neigh(k, lab_key(LAB_VNI), g, count, NULL, NULL), 0);
	}
	assert_true(seen(&w, lost));
	/* And afterwards the stream goes on. */
	drain(&w);
	lab_sh("ip -n okl-%d-ovl0 addr del 10.77.0.1/24 dev br1048577", (int)getpid());
	assert_true(seen(&w, gateway_gone));
	k->ops->watch(k, NULL, NULL, NULL);
	free(w.seen);
}

static void on_deleted(void *user, const char *name, int status)
{
	assert_string_equal(name, "vx1048577");
	assert_int_equal(status, 0);
	*(bool *)user = true;
}

static bool is_set(void *arg)
{
	return *(bool *)arg;
}

static void test_watch_before_there_is_a_namespace(void **state)
{
	struct lab *l = *state;
	_cleanup_state_net_ struct state_net *want = lab_net(l, 0, LAB_VNI), *n = NULL;
	struct watcher w = { .l = l, .seen = mem_alloc_array(SEEN_MAX, sizeof(*w.seen)) };
	struct kernel_elements el = { 0 };
	struct kernel_dump d = { 0 };
	bool deleted = false;
	struct kernel *k;
	struct err e = { 0 };

	assert_int_equal(kernel_linux_reset(lab_enter(l, 0), &e), 0);
	lab_close(l, 0);
	lab_open(l, 0);
	k = lab_enter(l, 0);
	assert_int_equal(k->ops->watch(k, on_event, &w, NULL), 0);
	assert_int_equal(k->ops->ground_check(k, &e), -ESTALE);
	assert_int_equal(k->ops->dump(k, &d, &e), 0);
	assert_int_equal(d.n_nets, 0);
	kernel_dump_done(&d);
	assert_int_equal(k->ops->dump_net(k, LAB_VNI, &n, &e), 0);
	assert_int_equal(k->ops->bridge_add(k, want, &e), -ENONET);
	k->ops->link_del(k, "vx1048577", on_deleted, &deleted);
	assert_true(lab_wait(l, is_set, &deleted)); /* absent is success */
	assert_int_equal(k->ops->writes(k), 0);
	assert_int_equal(k->ops->ground(k, &el, &e), 0);
	lab_make_net(l, 0, want);
	w.name = "vx1048577";
	assert_true(seen(&w, all_fine));
	k->ops->watch(k, NULL, NULL, NULL);
	free(w.seen);
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
		T(test_changes_are_told),
		T(test_ground_and_underlay_are_told),
		T(test_a_flood_is_told_as_lost),
		T(test_watch_before_there_is_a_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
