/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints of other nodes, one by one: the kernel is as a pass over all of them would have made it, mostly without one. */
#include "agent/reconcile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/compile.h"
#include "base/backoff.h"
#include "base/mem.h"
#include "tests/unit/reconcile_lab.h"

#define PEERS 120 /* that a test may have */
#define LOCALS 2
#define UNKNOWN 0x63 /* a node without a record */
#define BATCH 6
#define ROUNDS 300
#define FAULT_ROUNDS 40

/* Nodes are told by the first byte of their id; 0 is this one. */
static struct ip vtep_of(void *user, struct id node)
{
	(void)user;
	return node.b[0] == UNKNOWN ? (struct ip){ 0 } : state_lab_vtep(node.b[0]);
}

struct told {
	struct state_peer gone, coming;
};
struct cluster {
	struct lab *lab;
	struct model_subnet subnet;
	struct model_network net;
	struct state_target targets[LOCALS];
	struct compile_local locals[LOCALS];
	struct model_endpoint eps[PEERS];
	bool there[PEERS];
	struct told batch[PEERS + 1]; /* changed, and not told yet */
	size_t n_batch;
};

static struct ip address(unsigned n)
{
	return ip_v4(0x0a000002 + n);
}

static struct compile_input input(struct cluster *c)
{
	return (struct compile_input){ .network = &c->net,
				       .vtep = state_lab_vtep(0),
				       .vxlan_port = 4789,
				       .underlay_mtu = STATE_LAB_MTU,
				       .locals = c->locals,
				       .n_locals = LOCALS,
				       .vtep_of = vtep_of };
}

static void want(struct cluster *c)
{
	const struct model_endpoint *v[PEERS];
	struct compile_input in = input(c);

	in.endpoints = v;
	for (size_t i = 0; i < PEERS; i++) {
		if (c->there[i])
			v[in.n_endpoints++] = &c->eps[i];
	}
	lab_set(c->lab, 0, compile_network(&in, NULL));
}

/* ---- changes ---- */

/* The @i-th endpoint is on @node from now on, with the @n-th MAC and address; @node 0: it is gone. */
static void change(struct cluster *c, size_t i, uint8_t node, unsigned mac, unsigned n)
{
	struct told *t = &c->batch[c->n_batch++];
	struct compile_input in = input(c);
	struct model_endpoint *ep = &c->eps[i];

	memset(t, 0, sizeof(*t));
	if (c->there[i])
		compile_peer(&in, ep, &t->gone);
	c->there[i] = node != 0;
	ep->node.b[0] = node;
	ep->mac = mac_from_ip(address(mac));
	ep->ip4 = address(n);
	if (node)
		compile_peer(&in, ep, &t->coming);
}

static void put(struct cluster *c, size_t i, uint8_t node)
{
	change(c, i, node, (unsigned)i + 10, (unsigned)i + 10);
}

static void del(struct cluster *c, size_t i)
{
	change(c, i, 0, 0, 0);
}

static void tell(struct cluster *c)
{
	want(c);
	for (size_t i = 0; i < c->n_batch; i++)
		reconcile_peer(c->lab->r, LAB_VNI, &c->batch[i].gone, &c->batch[i].coming,
			       c->net.flood);
	c->n_batch = 0;
}

/* Return: passes that it took. */
static unsigned told(struct cluster *c, const char *what)
{
	unsigned before = c->lab->n_desired;

	tell(c);
	lab_settle(c->lab, what);
	return c->lab->n_desired - before;
}

static unsigned writes(struct cluster *c)
{
	return (unsigned)c->lab->k->ops->writes(c->lab->k);
}

/* What is observed agrees as well: a look at all of the kernel finds nothing to repair. */
static void looked_at(struct cluster *c)
{
	unsigned before = writes(c);

	reconcile_audit(c->lab->r);
	lab_quiet(c->lab);
	lab_settle(c->lab, "looked at");
	assert_int_equal(writes(c), before);
	assert_int_equal(c->lab->n_drift, 0);
}

/* ---- life ---- */

static void begin(struct cluster *c, struct lab *lab, bool flood, size_t n)
{
	memset(c, 0, sizeof(*c));
	c->lab = lab;
	c->subnet = (struct model_subnet){ .subnet = { .ip = ip_v4(0x0a000000), .len = 16 },
					   .gateway = ip_v4(0x0a000001) };
	c->net = (struct model_network){
		.vni = LAB_VNI, .mtu = 1450, .flood = flood, .subnets = &c->subnet, .n_subnets = 1
	};
	for (unsigned i = 0; i < LOCALS; i++) {
		snprintf(c->targets[i].path, sizeof(c->targets[i].path), "/run/netns/c%u", i);
		c->locals[i] = (struct compile_local){ .id = state_lab_id(LAB_VNI, i),
						       .mac = mac_from_ip(address(i)),
						       .ip4 = address(i),
						       .ifname = "eth0",
						       .target = &c->targets[i] };
	}
	for (size_t i = 0; i < n; i++)
		put(c, i, (uint8_t)(1 + i % 3));
	want(c);
	c->n_batch = 0;
	lab_start(lab);
	reconcile_dirty(lab->r, LAB_VNI);
	lab_settle(lab, "made");
	lab_quiet(lab);
}

/* ---- one change each ---- */

static void plain_changes_take_no_pass(void **state)
{
	struct cluster c;
	struct reconcile_stats st;
	unsigned before;

	begin(&c, *state, false, 30);
	before = writes(&c);
	put(&c, 40, 2);
	assert_int_equal(told(&c, "came"), 0);
	assert_int_equal(writes(&c) - before, 3); /* on the device, on the bridge, its neighbour */
	change(&c, 40, 3, 50, 50);
	assert_int_equal(told(&c, "another node"), 0);
	assert_int_equal(writes(&c) - before, 4);
	change(&c, 40, 3, 50, 70);
	assert_int_equal(told(&c, "another address"), 0);
	assert_int_equal(writes(&c) - before, 6);
	del(&c, 40);
	assert_int_equal(told(&c, "went"), 0);
	assert_int_equal(writes(&c) - before, 9);
	put(&c, 41, UNKNOWN);
	assert_int_equal(told(&c, "nobody knows where it is"), 0);
	assert_int_equal(writes(&c) - before, 9);
	reconcile_stats(c.lab->r, &st);
	assert_int_equal(st.peers, 4);
	looked_at(&c);
}

static void a_batch_is_one(void **state)
{
	struct cluster c;
	unsigned before, calls;

	begin(&c, *state, false, 30);
	before = writes(&c);
	calls = fake_kernel_calls(c.lab->f, FAKE_FDB);
	for (size_t i = 0; i < 20; i++)
		put(&c, 40 + i, 2);
	for (size_t i = 0; i < 20; i++)
		del(&c, 40 + i);
	for (size_t i = 0; i < 10; i++)
		put(&c, i, 2);
	put(&c, 60, 1);
	assert_int_equal(told(&c, "a batch"), 0);
	/* Every third of ten was on that node before. */
	assert_int_equal(writes(&c) - before, 3 + 7);
	assert_int_equal(fake_kernel_calls(c.lab->f, FAKE_FDB) - calls, 1);
	looked_at(&c);
}

static void many_at_once_are_one_pass(void **state)
{
	struct cluster c;

	begin(&c, *state, false, 0);
	for (size_t i = 0; i < PEERS; i++)
		put(&c, i, 1);
	assert_int_equal(told(&c, "many"), 1);
	looked_at(&c);
}

/* ---- a MAC that is another one's by now ---- */

static void what_has_moved_is_not_deleted(void **state)
{
	struct cluster c;

	begin(&c, *state, false, 30);
	/* Made again before the former one is deleted: elsewhere, or on the same node; in one batch or in two. */
	for (unsigned k = 0; k < 4; k++) {
		change(&c, 40, k & 1 ? 2 : 1, 10, 10);
		if (k & 2)
			told(&c, "made again");
		del(&c, 0);
		told(&c, "the former is gone");
		assert_int_equal(told(&c, "nothing"), 0);
		looked_at(&c);
		put(&c, 0, 1);
		del(&c, 40);
		told(&c, "back again");
	}
	/* In the right order it is one replacement. */
	del(&c, 0);
	change(&c, 40, 2, 10, 10);
	assert_int_equal(told(&c, "moved"), 0);
	looked_at(&c);
}

static void two_of_one_mac_are_for_a_pass(void **state)
{
	struct cluster c;

	begin(&c, *state, false, 30);
	change(&c, 40, 1, 10, 90);
	assert_true(told(&c, "a second one") > 0);
	del(&c, 0);
	assert_true(told(&c, "the first is gone") > 0);
	looked_at(&c);
	change(&c, 40, 1, 10, 91);
	assert_int_equal(told(&c, "one again"), 0);
	looked_at(&c);
}

/* ---- what is this node's ---- */

static void local_endpoints_keep_what_is_theirs(void **state)
{
	struct cluster c;

	begin(&c, *state, false, 30);
	change(&c, 40, 1, 1, 90); /* MAC of a local one */
	told(&c, "a MAC");
	change(&c, 41, 1, 91, 1); /* address */
	told(&c, "an address");
	put(&c, 43, 2);
	told(&c, "and one that is right");
	looked_at(&c);
	del(&c, 40);
	del(&c, 41);
	told(&c, "gone again");
	looked_at(&c);
}

/* One that is shut holds nothing on the bridge, and yet its port is there. */
static void a_shut_port_is_for_a_pass(void **state)
{
	struct cluster c;

	begin(&c, *state, false, 30);
	c.locals[1].shut = true;
	want(&c);
	reconcile_dirty(c.lab->r, LAB_VNI);
	lab_settle(c.lab, "shut");
	change(&c, 40, 1, 1, 1);
	assert_true(told(&c, "it is that one's") > 0);
	looked_at(&c);
	del(&c, 40);
	told(&c, "given back");
	c.locals[1].shut = false;
	want(&c);
	reconcile_dirty(c.lab->r, LAB_VNI);
	lab_settle(c.lab, "open");
	looked_at(&c);
}

/* ---- flooding ---- */

static void the_first_and_the_last_of_a_host_are_for_a_pass(void **state)
{
	struct cluster c;

	begin(&c, *state, true, 30);
	put(&c, 40, 5);
	assert_true(told(&c, "the first") > 0);
	put(&c, 41, 5);
	assert_int_equal(told(&c, "the second"), 0);
	del(&c, 40);
	assert_int_equal(told(&c, "one is left"), 0);
	put(&c, 41, 6);
	assert_true(told(&c, "the last is elsewhere") > 0);
	del(&c, 0);
	put(&c, 1, 3);
	assert_int_equal(told(&c, "of many"), 0);
	looked_at(&c);
}

/* ---- when it must not ---- */

static bool is_backing_off(struct lab *w)
{
	struct reconcile_stats st;

	reconcile_stats(w->r, &st);
	return st.nets_backing_off > 0;
}

static void without_a_whole_picture_nothing_is_deleted(void **state)
{
	struct cluster c;
	const struct state_net *n;

	begin(&c, *state, false, 30);
	c.lab->source = RECONCILE_PARTIAL;
	del(&c, 0);
	put(&c, 40, 2);
	tell(&c);
	lab_quiet(c.lab);
	n = fake_kernel_net(c.lab->f, LAB_VNI);
	assert_non_null(state_net_neigh(n, address(10)));
	assert_non_null(state_net_neigh(n, address(50)));
	c.lab->source = RECONCILE_NONE;
	del(&c, 40);
	tell(&c);
	lab_quiet(c.lab);
	assert_non_null(state_net_neigh(n, address(50)));
	c.lab->source = RECONCILE_COMPLETE;
	reconcile_dirty_all(c.lab->r);
	lab_settle(c.lab, "the picture is whole");
	looked_at(&c);
}

static void a_network_that_fails_comes_right(void **state)
{
	struct cluster c;

	begin(&c, *state, false, 30);
	fake_kernel_fail(c.lab->f, FAKE_FDB, 1, 3, -ENOBUFS);
	put(&c, 40, 1);
	tell(&c);
	assert_true(lab_wait(c.lab, is_backing_off));
	del(&c, 0);
	put(&c, 41, 1);
	told(&c, "right in the end");
	looked_at(&c);
}

static void nothing_of_a_network_that_is_not_here(void **state)
{
	struct cluster c;
	unsigned before;

	begin(&c, *state, false, 3);
	lab_want_not(c.lab, 0);
	lab_settle(c.lab, "removed");
	before = writes(&c);
	put(&c, 40, 1);
	reconcile_peer(c.lab->r, LAB_VNI, &c.batch[0].gone, &c.batch[0].coming, false);
	lab_quiet(c.lab);
	assert_int_equal(writes(&c), before);
	assert_int_equal(fake_kernel_count(c.lab->f), 0);
}

/* ---- by chance ---- */

/* @wild: MACs and addresses of one another and of local ones, nodes that nobody knows. */
static void any_change(struct cluster *c, uint64_t *seed, bool wild)
{
	size_t i = backoff_rand(seed) % 16;
	uint8_t node = (uint8_t)(1 + backoff_rand(seed) % 3);
	unsigned mac = (unsigned)i + 10, ip = (unsigned)i + 10;

	if (wild && backoff_rand(seed) % 2)
		mac = (unsigned)(backoff_rand(seed) % 12);
	if (wild && backoff_rand(seed) % 2)
		ip = (unsigned)(backoff_rand(seed) % 12);
	if (wild && backoff_rand(seed) % 10 == 0)
		node = UNKNOWN;
	if (!wild)
		ip += 20 * (unsigned)(backoff_rand(seed) % 2);
	if (c->there[i] && backoff_rand(seed) % 3 == 0)
		del(c, i);
	else
		change(c, i, node, mac, ip);
}

/* As a list tells: in no order of time. */
static void shuffle(struct cluster *c, uint64_t *seed)
{
	for (size_t i = c->n_batch; i > 1; i--) {
		size_t k = backoff_rand(seed) % i;
		struct told t = c->batch[i - 1];

		c->batch[i - 1] = c->batch[k];
		c->batch[k] = t;
	}
}

static void some_changes(struct cluster *c, uint64_t *seed, bool wild)
{
	for (uint64_t n = 1 + backoff_rand(seed) % BATCH; n > 0; n--)
		any_change(c, seed, wild);
	if (wild && backoff_rand(seed) % 3 == 0)
		shuffle(c, seed);
}

static void any_changes(void **state, bool wild, bool flood, uint64_t seed)
{
	struct cluster c;
	unsigned passes = 0;

	begin(&c, *state, flood, 12);
	for (unsigned i = 0; i < ROUNDS; i++) {
		some_changes(&c, &seed, wild);
		passes += told(&c, "some changes");
	}
	if (!wild && !flood)
		assert_int_equal(passes, 0);
	else
		assert_in_range(passes, 1, ROUNDS - 1);
	looked_at(&c);
}

static void changes_by_chance(void **state)
{
	any_changes(state, false, false, 1);
}

static void changes_by_chance_with_flooding(void **state)
{
	any_changes(state, false, true, 2);
}

static void collisions_by_chance(void **state)
{
	any_changes(state, true, false, 3);
}

static void collisions_by_chance_with_flooding(void **state)
{
	any_changes(state, true, true, 4);
}

/* A write fails, another hand is in it, or all of it is asked for in between. */
static void faults_by_chance(void **state)
{
	static const enum fake_drift hands[] = {
		FAKE_DROP_SELF,	  FAKE_DROP_MASTER, FAKE_DROP_NEIGH, FAKE_MOVE_SELF,
		FAKE_MOVE_MASTER, FAKE_MOVE_NEIGH,  FAKE_DROP_VXLAN, FAKE_BRIDGE_DOWN,
		FAKE_ADD_SELF,	  FAKE_DROP_BRIDGE, FAKE_VXLAN_DOWN, FAKE_ADD_NEIGH
	};
	struct cluster c;
	uint64_t seed = 5;

	begin(&c, *state, true, 12);
	for (unsigned i = 0; i < FAULT_ROUNDS; i++) {
		uint64_t what = backoff_rand(&seed) % 4;

		some_changes(&c, &seed, i % 2);
		if (what == 0)
			fake_kernel_fail(c.lab->f, FAKE_FDB, 1 + i % 2, 1, -ENOBUFS);
		else if (what == 1)
			fake_kernel_fail(c.lab->f, FAKE_NEIGH, 1, 1, -ENOMEM);
		else if (what == 2)
			fake_kernel_drift(c.lab->f, hands[i % ARRAY_SIZE(hands)], LAB_VNI);
		tell(&c);
		if (what == 3)
			assert_int_equal(reconcile_now(c.lab->r, LAB_VNI, NULL, NULL), 0);
		some_changes(&c, &seed, i % 2);
		told(&c, fake_drift_name(hands[i % ARRAY_SIZE(hands)]));
	}
	c.lab->n_drift = 0;
	looked_at(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, lab_open, lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain_changes_take_no_pass),
		TEST(a_batch_is_one),
		TEST(many_at_once_are_one_pass),
		TEST(what_has_moved_is_not_deleted),
		TEST(two_of_one_mac_are_for_a_pass),
		TEST(local_endpoints_keep_what_is_theirs),
		TEST(a_shut_port_is_for_a_pass),
		TEST(the_first_and_the_last_of_a_host_are_for_a_pass),
		TEST(without_a_whole_picture_nothing_is_deleted),
		TEST(a_network_that_fails_comes_right),
		TEST(nothing_of_a_network_that_is_not_here),
		TEST(changes_by_chance),
		TEST(changes_by_chance_with_flooding),
		TEST(collisions_by_chance),
		TEST(collisions_by_chance_with_flooding),
		TEST(faults_by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
