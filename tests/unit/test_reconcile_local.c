/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local networks, and the elements of the host's table. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "agent/reconcile.h"
#include "base/mem.h"
#include "tests/unit/reconcile_lab.h"

#define BRIDGE (STATE_KEY_LOCAL + 2) /* of security mac+ip; the next ones of the others */
#define DIRECT (STATE_KEY_LOCAL + 9)

static void one_of_each(struct lab *w)
{
	lab_want(w, 0, 2, 3);
	lab_local(w, 1, STATE_EGRESS, STATE_KEY_EGRESS, 2);
	lab_local(w, 2, STATE_BRIDGE, BRIDGE, 2);
	lab_local(w, 3, STATE_DIRECT, DIRECT, 2);
}

static uint64_t writes(struct lab *w)
{
	return w->k->ops->writes(w->k);
}

/* ---- what is asked for ---- */

static void what_is_desired_comes_about(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	one_of_each(w);
	lab_settle(w, "made");
	lab_local(w, 1, STATE_EGRESS, STATE_KEY_EGRESS, 3);
	lab_local(w, 2, STATE_BRIDGE, BRIDGE, 0);
	lab_local(w, 3, STATE_DIRECT, DIRECT, 1);
	lab_settle(w, "changed");
	for (unsigned i = 0; i < LAB_NETS; i++)
		lab_want_not(w, i);
	lab_settle(w, "removed");
	assert_int_equal(fake_kernel_count(w->f), 0);
	assert_int_equal(fake_kernel_elems(w->f, NULL), 0);
	assert_int_equal(w->n_drift, 0);
}

static void a_restart_writes_nothing(void **state)
{
	struct lab *w = *state;
	uint64_t before;

	one_of_each(w);
	lab_start(w);
	lab_settle(w, "made");
	before = writes(w);
	lab_restart(w);
	lab_settle(w, "restarted");
	reconcile_audit(w->r);
	lab_quiet(w);
	assert_int_equal(writes(w), before);
	assert_int_equal(w->n_drift, 0);
}

/* As the kernel tells of a port that is being made: without a mark yet, down, on no bridge. */
static void tell_newborn(struct lab *w, enum state_kind kind, struct id endpoint)
{
	struct kernel_event ev = { .type = KERNEL_EVENT_LINK, .mtu = 1500 };
	struct state_net net = { .kind = kind };

	state_net_port_name(&net, endpoint, ev.name);
	fake_kernel_tell(w->f, &ev);
}

static void an_attach_needs_no_dump(void **state)
{
	static const enum state_kind kinds[] = { STATE_EGRESS, STATE_BRIDGE, STATE_DIRECT };
	struct lab *w = *state;

	lab_start(w);
	one_of_each(w);
	lab_settle(w, "made");
	lab_quiet(w);
	for (unsigned i = 1; i < LAB_NETS; i++) {
		struct id id = state_lab_id(w->keys[i], 2);
		unsigned dumps =
			fake_kernel_calls(w->f, FAKE_DUMP) + fake_kernel_calls(w->f, FAKE_DUMP_NET);
		struct err e = { 0 };

		lab_set(w, i, state_lab_local(kinds[i - 1], w->keys[i], 3));
		if (kinds[i - 1] != STATE_DIRECT)
			tell_newborn(w, kinds[i - 1], id);
		if (reconcile_now(w->r, w->keys[i], &id, &e) < 0)
			fail_msg("%s", err_text(&e));
		assert_true(lab_is(w, i));
		lab_quiet(w);
		assert_int_equal(fake_kernel_calls(w->f, FAKE_DUMP) +
					 fake_kernel_calls(w->f, FAKE_DUMP_NET),
				 dumps);
	}
	assert_int_equal(w->n_drift, 0);
}

static void a_detach_takes_its_elements_at_once(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_local(w, 1, STATE_EGRESS, STATE_KEY_EGRESS, 2);
	lab_local(w, 3, STATE_DIRECT, DIRECT, 2);
	lab_settle(w, "made");
	fake_kernel_hold(w->f, true);
	lab_set(w, 1, state_lab_local(STATE_EGRESS, STATE_KEY_EGRESS, 1));
	lab_set(w, 3, state_lab_local(STATE_DIRECT, DIRECT, 1));
	assert_int_equal(reconcile_now(w->r, STATE_KEY_EGRESS, NULL, NULL), 0);
	assert_int_equal(reconcile_now(w->r, DIRECT, NULL, NULL), 0);
	assert_int_equal(fake_kernel_elems(w->f, NULL), 3);
	assert_int_equal(fake_kernel_guards(w->f), 2);
	lab_settle(w, "asked for");
	fake_kernel_hold(w->f, false);
	lab_quiet(w);
}

/* ---- elements ---- */

static void an_element_that_fails_fails_the_attach(void **state)
{
	struct lab *w = *state;
	struct id id = state_lab_id(BRIDGE, 1);
	struct err e = { 0 };

	lab_start(w);
	lab_local(w, 2, STATE_BRIDGE, BRIDGE, 1);
	lab_settle(w, "made");
	/* Once: healed within the attach. */
	fake_kernel_fail(w->f, FAKE_ELEMS, 1, 1, -ENOBUFS);
	lab_set(w, 2, state_lab_local(STATE_BRIDGE, BRIDGE, 2));
	assert_int_equal(reconcile_now(w->r, BRIDGE, &id, NULL), 0);
	assert_true(lab_is(w, 2));
	lab_settle(w, "healed");
	/* Again and again: told, and what was begun goes. */
	fake_kernel_fail(w->f, FAKE_ELEMS, 1, 100, -ENOBUFS);
	id = state_lab_id(BRIDGE, 2);
	lab_set(w, 2, state_lab_local(STATE_BRIDGE, BRIDGE, 3));
	assert_int_equal(reconcile_now(w->r, BRIDGE, &id, &e), -ENOBUFS);
	assert_non_null(strstr(err_text(&e), "fault"));
	lab_set(w, 2, state_lab_local(STATE_BRIDGE, BRIDGE, 2));
	assert_int_equal(reconcile_now(w->r, BRIDGE, NULL, NULL), 0);
	assert_true(lab_is(w, 2));
	fake_kernel_fail(w->f, FAKE_ELEMS, 1, 0, 0);
	lab_settle(w, "as before");
}

static void an_attach_finds_the_table_gone(void **state)
{
	struct lab *w = *state;
	struct id id = state_lab_id(BRIDGE + 2, 1);
	struct err e = { 0 };

	lab_start(w);
	lab_local(w, 2, STATE_BRIDGE, BRIDGE + 2, 1);
	lab_settle(w, "made");
	lab_quiet(w);
	fake_kernel_drift(w->f, FAKE_DROP_TABLES, BRIDGE + 2); /* its event is not read yet */
	lab_set(w, 2, state_lab_local(STATE_BRIDGE, BRIDGE + 2, 1));
	state_net_add_elem(w->want[2], &(struct state_elem){ .set = STATE_SET_NOICC });
	state_net_sort(w->want[2]);
	id = state_lab_id(BRIDGE + 2, 0);
	if (reconcile_now(w->r, BRIDGE + 2, &id, &e) < 0)
		fail_msg("%s", err_text(&e));
	lab_settle(w, "whole again");
}

static void a_flushed_table_comes_back_in_one_piece(void **state)
{
	struct lab *w = *state;
	unsigned elems, guards;

	lab_start(w);
	one_of_each(w);
	lab_settle(w, "made");
	lab_quiet(w);
	elems = fake_kernel_calls(w->f, FAKE_ELEMS);
	guards = fake_kernel_calls(w->f, FAKE_GUARD);
	assert_true(fake_kernel_drift(w->f, FAKE_DROP_TABLES, BRIDGE));
	assert_int_equal(fake_kernel_elems(w->f, NULL), 0);
	lab_settle(w, "flushed");
	assert_int_equal(fake_kernel_calls(w->f, FAKE_GROUND), 1);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_ELEMS), elems);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_GUARD), guards);
	assert_true(w->n_drift > 0);
}

static void strays_of_an_earlier_life_go(void **state)
{
	struct lab *w = *state;
	_cleanup_state_net_ struct state_net *old = state_lab_local(STATE_BRIDGE, BRIDGE + 1, 2);

	fake_kernel_put(w->f, old);
	one_of_each(w);
	w->local_source = RECONCILE_PARTIAL;
	lab_start(w);
	lab_quiet(w);
	/* As long as not all is known, they stay; and so they do where the ground is made anew. */
	assert_true(fake_kernel_is(w->f, old->vni, old, NULL));
	assert_int_equal(fake_kernel_elems(w->f, NULL), 5 + 5 + 5);
	fake_kernel_unground(w->f);
	lab_quiet(w);
	assert_int_equal(fake_kernel_elems(w->f, NULL), 5 + 5 + 5);
	w->local_source = RECONCILE_COMPLETE;
	reconcile_dirty_all(w->r);
	w->keys[0] = LAB_VNI;
	lab_settle(w, "known");
	assert_true(fake_kernel_is(w->f, old->vni, NULL, NULL));
	lab_quiet(w);
	lab_settle(w, "and at rest");
}

/* Both publish the same port. */
static struct state_net *rival(uint32_t key, uint32_t to)
{
	struct state_net *n = state_lab_local(STATE_BRIDGE, key, 1);
	struct state_elem el = state_elem_publish(17, (struct ip){ 0 }, 53, ip_v4(to), 5353);

	state_net_add_elem(n, &el);
	state_net_sort(n);
	return n;
}

static uint32_t who_has_it(struct lab *w)
{
	const struct state_elem *v;
	size_t n = fake_kernel_elems(w->f, &v);

	for (size_t i = 0; i < n; i++) {
		if (v[i].set == STATE_SET_PUBLISH && v[i].port == 53)
			return v[i].to.b[3];
	}
	return 0;
}

static bool the_second_has_it(struct lab *w)
{
	return who_has_it(w) == 2;
}

static void the_first_of_two_keeps_what_both_want(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_set(w, 1, rival(BRIDGE, 1));
	assert_int_equal(reconcile_now(w->r, BRIDGE, NULL, NULL), 0);
	lab_set(w, 0, rival(BRIDGE + 6, 2));
	assert_int_equal(reconcile_now(w->r, BRIDGE + 6, NULL, NULL), 0);
	assert_int_equal(who_has_it(w), 1);
	lab_quiet(w);
	/* Not fought over, and not by a restart either, whichever is looked at first. */
	for (int i = 0; i < 2; i++) {
		uint64_t before = writes(w);

		lab_quiet(w);
		reconcile_audit(w->r);
		lab_quiet(w);
		assert_int_equal(writes(w), before);
		assert_int_equal(who_has_it(w), 1);
		lab_restart(w);
	}
	lab_quiet(w);
	fake_kernel_drift(w->f, FAKE_DROP_TABLES, BRIDGE);
	lab_quiet(w);
	assert_int_equal(who_has_it(w), 1);
	/* Until it is given up. */
	lab_set(w, 1, state_lab_local(STATE_BRIDGE, BRIDGE, 1));
	assert_int_equal(reconcile_now(w->r, BRIDGE, NULL, NULL), 0);
	assert_true(lab_wait(w, the_second_has_it));
	lab_settle(w, "the second has it");
}

#define PUBLISHED 1000

static void an_attach_does_not_grow_with_others_elements(void **state)
{
	struct lab *w = *state;
	struct state_net *many = state_lab_local(STATE_BRIDGE, BRIDGE, 1);
	uint64_t before, with_none, calls;
	struct id id = state_lab_id(STATE_KEY_EGRESS, 0);

	lab_start(w);
	lab_set(w, 1, state_lab_local(STATE_EGRESS, STATE_KEY_EGRESS, 1));
	before = writes(w);
	assert_int_equal(reconcile_now(w->r, STATE_KEY_EGRESS, &id, NULL), 0);
	with_none = writes(w) - before;
	lab_want_not(w, 1);
	lab_settle(w, "none");
	for (uint16_t i = 0; i < PUBLISHED; i++) {
		struct state_elem el =
			state_elem_publish(6, (struct ip){ 0 }, 20000 + i, many->ports[0].ip4, 80);

		state_net_add_elem(many, &el);
	}
	state_net_sort(many);
	lab_set(w, 2, many);
	assert_int_equal(reconcile_now(w->r, BRIDGE, NULL, NULL), 0);
	assert_int_equal(fake_kernel_elems(w->f, NULL), PUBLISHED + 3);
	lab_settle(w, "many");
	before = writes(w);
	calls = fake_kernel_calls(w->f, FAKE_ELEMS);
	lab_set(w, 1, state_lab_local(STATE_EGRESS, STATE_KEY_EGRESS, 1));
	assert_int_equal(reconcile_now(w->r, STATE_KEY_EGRESS, &id, NULL), 0);
	assert_int_equal(writes(w) - before, with_none);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_ELEMS) - calls, 1);
	before = writes(w);
	lab_restart(w);
	lab_settle(w, "restarted");
	assert_int_equal(writes(w), before);
}

/* Figures to look at, nothing to fail on. */
static void attach_beside_published_ports_of_its_own_network(void **state)
{
	struct lab *w = *state;
	uint16_t publish = 0;

	lab_start(w);
	for (int many = 0; many < 2; many++) {
		double ms[3];

		for (unsigned k = 0; k < 3; k++) {
			struct state_net *n = state_lab_local(STATE_BRIDGE, BRIDGE, 2 + k);
			struct timespec from, to;

			for (uint16_t i = 0; i < publish; i++) {
				struct state_elem el = state_elem_publish(
					6, (struct ip){ 0 }, 20000 + i, n->ports[0].ip4, 80);

				state_net_add_elem(n, &el);
			}
			state_net_sort(n);
			lab_set(w, 2, n);
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
			assert_int_equal(reconcile_now(w->r, BRIDGE, NULL, NULL), 0);
			clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
			ms[k] = (double)(to.tv_sec - from.tv_sec) * 1e3 +
				(double)(to.tv_nsec - from.tv_nsec) / 1e6;
		}
		print_message("%u published ports: a pass that adds one endpoint takes %.3f ms\n",
			      publish, ms[2]);
		publish = PUBLISHED;
	}
}

/* ---- without the cluster ---- */

static void local_networks_need_no_picture_of_the_cluster(void **state)
{
	static const enum reconcile_source sources[] = { RECONCILE_NONE, RECONCILE_PARTIAL };
	struct lab *w = *state;
	_cleanup_state_net_ struct state_net *old = state_lab_make(LAB_VNI + 1, 2, 3);

	w->n_vteps = 0;
	fake_kernel_put(w->f, old);
	fake_kernel_drift(w->f, FAKE_PORT_LOOSE, LAB_VNI + 1); /* its elements are strays now */
	fake_kernel_put_vtep(w->f, state_lab_vtep(7));
	w->source = RECONCILE_NONE;
	lab_start(w);
	for (size_t i = 0; i < 2; i++) {
		struct id id = state_lab_id(BRIDGE, 1);
		struct err e = { 0 };

		w->source = sources[i];
		reconcile_dirty_all(w->r);
		lab_set(w, 2, state_lab_local(STATE_BRIDGE, BRIDGE, 2));
		lab_set(w, 3, state_lab_local(STATE_EGRESS, STATE_KEY_EGRESS, 2));
		if (reconcile_now(w->r, BRIDGE, &id, &e) < 0)
			fail_msg("%s", err_text(&e));
		reconcile_dirty(w->r, STATE_KEY_EGRESS);
		lab_quiet(w);
		assert_true(fake_kernel_is(w->f, BRIDGE, w->want[2], NULL));
		assert_true(fake_kernel_is(w->f, STATE_KEY_EGRESS, w->want[3], NULL));
		/* Repaired, audited, tables made anew: the overlay's are left as they are. */
		fake_kernel_drift(w->f, FAKE_ADD_PORT, BRIDGE);
		fake_kernel_drift(w->f, FAKE_PORT_DOWN, BRIDGE);
		fake_kernel_drift(w->f, FAKE_ADD_ELEM, BRIDGE);
		fake_kernel_drift(w->f, FAKE_PORT_LOOSE, STATE_KEY_EGRESS);
		fake_kernel_drift(w->f, FAKE_DROP_UPLINK, STATE_KEY_EGRESS);
		reconcile_audit(w->r);
		lab_quiet(w);
		assert_true(fake_kernel_is(w->f, BRIDGE, w->want[2], NULL));
		assert_true(fake_kernel_is(w->f, STATE_KEY_EGRESS, w->want[3], NULL));
		assert_int_equal(fake_kernel_elems(w->f, NULL), 5 + 5);
		assert_int_equal(fake_kernel_net(w->f, LAB_VNI + 1)->n_ports, 1);
		assert_int_equal(fake_kernel_guards(w->f), 4 + 4 + 4);
		assert_int_equal(fake_kernel_vteps(w->f, NULL), 1);
		/* An endpoint leaves. */
		lab_set(w, 2, state_lab_local(STATE_BRIDGE, BRIDGE, 1));
		assert_int_equal(reconcile_now(w->r, BRIDGE, NULL, NULL), 0);
		assert_true(fake_kernel_is(w->f, BRIDGE, w->want[2], NULL));
		assert_int_equal(reconcile_now(w->r, LAB_VNI, NULL, NULL),
				 w->source == RECONCILE_NONE ? -EAGAIN : 0);
	}
	w->source = RECONCILE_COMPLETE;
	reconcile_dirty_all(w->r);
	lab_settle(w, "the cluster is there");
	assert_null(fake_kernel_net(w->f, LAB_VNI + 1));
	assert_int_equal(fake_kernel_guards(w->f), 2 + 4);
}

static void tables_made_anew_without_a_picture_keep_all(void **state)
{
	struct lab *w = *state;
	_cleanup_state_net_ struct state_net *old = state_lab_make(LAB_VNI + 1, 2, 3);

	fake_kernel_put(w->f, old);
	fake_kernel_put_vtep(w->f, state_lab_vtep(7));
	lab_set(w, 2, state_lab_local(STATE_BRIDGE, BRIDGE, 2));
	fake_kernel_put(w->f, w->want[2]);
	fake_kernel_unground(w->f);
	w->source = RECONCILE_NONE;
	lab_start(w);
	assert_int_equal(fake_kernel_guards(w->f), 4 + 4);
	assert_int_equal(fake_kernel_elems(w->f, NULL), 5);
	assert_int_equal(fake_kernel_vteps(w->f, NULL), 1);
	lab_quiet(w);
	assert_int_equal(fake_kernel_guards(w->f), 4 + 4);
	w->source = RECONCILE_COMPLETE;
	reconcile_dirty_all(w->r);
	lab_settle(w, "complete");
}

/* ---- drift and failures ---- */

static void drift_of(struct lab *w, uint32_t key, bool mute)
{
	unsigned done = 0;

	for (int d = 0; d < FAKE_DRIFTS; d++) {
		enum fake_drift what = (enum fake_drift)d;
		unsigned before = w->n_drift;

		if (!fake_kernel_drift(w->f, what, key))
			continue;
		done++;
		if (mute || what == FAKE_ADD_GATEWAY)
			reconcile_audit(w->r);
		lab_settle(w, fake_drift_name(what));
		/* An administrator's address on a bridge of the host is none. */
		if (w->n_drift == before && !(what == FAKE_ADD_GATEWAY && key != STATE_KEY_EGRESS))
			fail_msg("%s of %x: not told", fake_drift_name(what), key);
	}
	assert_true(done >= 20);
}

static void every_drift_is_repaired(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_local(w, 0, STATE_BRIDGE, BRIDGE, 2);
	lab_local(w, 1, STATE_EGRESS, STATE_KEY_EGRESS, 2);
	lab_local(w, 2, STATE_BRIDGE, BRIDGE + 1, 2);
	lab_local(w, 3, STATE_BRIDGE, BRIDGE + 2, 2);
	lab_settle(w, "made");
	for (int mute = 0; mute < 2; mute++) {
		lab_quiet(w);
		fake_kernel_mute(w->f, mute);
		drift_of(w, BRIDGE, mute);
		drift_of(w, STATE_KEY_EGRESS, mute);
		drift_of(w, BRIDGE + 1, mute);
		drift_of(w, BRIDGE + 2, mute);
	}
}

static void every_failure_is_made_up_for(void **state)
{
	struct lab *w = *state;
	unsigned n = 1;

	lab_start(w);
	for (int v = FAKE_DUMP_NET; v <= FAKE_VTEPS; v++) {
		for (unsigned nth = 1; nth <= 3; nth++) {
			fake_kernel_fail(w->f, (enum fake_verb)v, nth, 1, -EBUSY);
			lab_local(w, 1, STATE_EGRESS, STATE_KEY_EGRESS, 1 + n % 3);
			lab_local(w, 2, STATE_BRIDGE, BRIDGE + n % 3, n % 4);
			lab_local(w, 3, STATE_DIRECT, DIRECT, 1 + n % 2);
			lab_settle(w, "changed");
			fake_kernel_drift(w->f, FAKE_DROP_UPLINK, STATE_KEY_EGRESS);
			fake_kernel_drift(w->f, FAKE_DROP_ELEM, STATE_KEY_EGRESS);
			lab_settle(w, "altered");
			for (unsigned i = 1; i < LAB_NETS; i++)
				lab_want_not(w, i);
			lab_settle(w, "removed");
			fake_kernel_fail(w->f, (enum fake_verb)v, 1, 0, 0);
			n++;
		}
	}
	lab_quiet(w);
	assert_int_equal(fake_kernel_count(w->f), 0);
}

/* ---- devices on a parent ---- */

static void a_device_that_fails_is_told(void **state)
{
	struct lab *w = *state;
	struct id id = state_lab_id(DIRECT, 0);
	struct err e = { 0 };

	lab_start(w);
	lab_set(w, 3, state_lab_local(STATE_DIRECT, DIRECT, 1));
	fake_kernel_fail_port(w->f, w->want[3]->ports[0].name, -ENODEV);
	assert_int_equal(reconcile_now(w->r, DIRECT, &id, &e), -ENODEV);
	assert_int_equal(w->port_status, -ENODEV);
	assert_int_equal(fake_kernel_count(w->f), 0);
	lab_want_not(w, 3);
	lab_settle(w, "withdrawn");
}

static void a_device_that_does_not_go_is_tried_again(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_local(w, 3, STATE_DIRECT, DIRECT, 2);
	lab_settle(w, "made");
	fake_kernel_fail(w->f, FAKE_DIRECT_DEL, 1, 3, -EBUSY);
	lab_local(w, 3, STATE_DIRECT, DIRECT, 1);
	lab_settle(w, "gone at last");
	assert_true(fake_kernel_calls(w->f, FAKE_DIRECT_DEL) >= 4);
	/* An audit between does not make it forgotten. */
	fake_kernel_fail(w->f, FAKE_DIRECT_DEL, 1, 1, -EBUSY);
	lab_want_not(w, 3);
	reconcile_audit(w->r);
	lab_settle(w, "gone too");
}

static void a_device_that_vanished_is_made_again(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_local(w, 3, STATE_DIRECT, DIRECT, 2);
	lab_settle(w, "made");
	fake_kernel_drift(w->f, FAKE_DROP_DIRECT, DIRECT);
	reconcile_audit(w->r);
	lab_settle(w, "made again");
	assert_true(w->n_drift > 0);
	assert_string_equal(w->drift, "port-add");
}

static void a_container_that_ends_is_withdrawn(void **state)
{
	static const enum state_kind kinds[] = { STATE_EGRESS, STATE_BRIDGE, STATE_DIRECT };
	struct lab *w = *state;

	w->withdraw = true;
	lab_start(w);
	one_of_each(w);
	lab_settle(w, "made");
	for (unsigned i = 1; i < LAB_NETS; i++) {
		fake_kernel_kill(w->f, w->want[i]->ports[0].target.path);
		reconcile_audit(w->r);
		lab_quiet(w);
		lab_settle(w, "ended");
		assert_int_equal(w->want[i]->n_ports, 1);
		assert_int_equal(w->want[i]->kind, kinds[i - 1]);
	}
	assert_int_equal(w->n_port_failed, 3);
}

#define LAB(t) cmocka_unit_test_setup_teardown(t, lab_open, lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB(what_is_desired_comes_about),
		LAB(a_restart_writes_nothing),
		LAB(an_attach_needs_no_dump),
		LAB(a_detach_takes_its_elements_at_once),
		LAB(an_element_that_fails_fails_the_attach),
		LAB(an_attach_finds_the_table_gone),
		LAB(a_flushed_table_comes_back_in_one_piece),
		LAB(strays_of_an_earlier_life_go),
		LAB(the_first_of_two_keeps_what_both_want),
		LAB(an_attach_does_not_grow_with_others_elements),
		LAB(attach_beside_published_ports_of_its_own_network),
		LAB(local_networks_need_no_picture_of_the_cluster),
		LAB(tables_made_anew_without_a_picture_keep_all),
		LAB(every_drift_is_repaired),
		LAB(every_failure_is_made_up_for),
		LAB(a_device_that_fails_is_told),
		LAB(a_device_that_does_not_go_is_tried_again),
		LAB(a_device_that_vanished_is_made_again),
		LAB(a_container_that_ends_is_withdrawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
