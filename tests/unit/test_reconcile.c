/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/reconcile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/reconcile_lab.h"

/* ---- what is asked for ---- */

static void what_is_desired_comes_about(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_want(w, 0, 2, 9);
	lab_want(w, 1, 1, 0);
	lab_settle(w, "made");
	lab_want(w, 0, 3, 8);
	lab_settle(w, "one moved here");
	lab_want_not(w, 1);
	lab_settle(w, "removed");
	assert_int_equal(fake_kernel_count(w->f), 1);
	assert_int_equal(w->n_drift, 0);
}

static void a_restart_writes_nothing(void **state)
{
	struct lab *w = *state;
	uint64_t writes;

	lab_want(w, 0, 3, 20);
	lab_want(w, 1, 1, 5);
	lab_start(w);
	lab_settle(w, "made");
	writes = w->k->ops->writes(w->k);
	assert_true(writes > 0);
	lab_restart(w);
	lab_settle(w, "restarted");
	reconcile_audit(w->r);
	lab_quiet(w);
	assert_int_equal(w->k->ops->writes(w->k), writes);
	assert_int_equal(w->n_drift, 0);
}

static void an_attach_needs_no_dump(void **state)
{
	struct lab *w = *state;
	struct id id = state_lab_id(LAB_VNI, 2);
	unsigned dumps;
	struct err e = { 0 };

	lab_start(w);
	lab_want(w, 0, 2, 9);
	lab_settle(w, "made");
	lab_quiet(w);
	dumps = fake_kernel_calls(w->f, FAKE_DUMP) + fake_kernel_calls(w->f, FAKE_DUMP_NET);
	state_net_free(w->want[0]);
	w->want[0] = state_lab_make(LAB_VNI, 3, 9);
	assert_int_equal(reconcile_now(w->r, LAB_VNI, &id, &e), 0);
	assert_true(lab_is(w, 0));
	/* Nor do its own echoes cause one, states on the way among them. */
	lab_quiet(w);
	assert_int_equal(
		fake_kernel_calls(w->f, FAKE_DUMP) + fake_kernel_calls(w->f, FAKE_DUMP_NET), dumps);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_GROUND_CHECK), 1);
	assert_int_equal(w->n_drift, 0);
}

static void a_detach_shuts_the_port_at_once(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_want(w, 0, 2, 3);
	lab_settle(w, "made");
	fake_kernel_hold(w->f, true);
	state_net_free(w->want[0]);
	w->want[0] = state_lab_make(LAB_VNI, 1, 3);
	assert_int_equal(reconcile_now(w->r, LAB_VNI, NULL, NULL), 0);
	assert_int_equal(fake_kernel_guards(w->f), 2);
	assert_int_equal(fake_kernel_net(w->f, LAB_VNI)->n_ports, 1);
	/* The same one comes back before the link is gone. */
	lab_want(w, 0, 2, 3);
	lab_settle(w, "back");
	fake_kernel_hold(w->f, false);
	lab_quiet(w);
	lab_settle(w, "still there");
}

/* ---- what may be done ---- */

/* Once the port is gone nothing tells of its elements any more but the next audit. */
static void elements_that_could_not_be_deleted_are_not_forgotten(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_want(w, 0, 3, 3);
	lab_settle(w, "made");
	for (unsigned left = 2; left > 0; left--) {
		fake_kernel_fail(w->f, FAKE_GUARD, 1, 1, -EBUSY);
		lab_want(w, 0, left, 3);
		lab_settle(w, "less");
		assert_int_equal(fake_kernel_guards(w->f), left * 2);
		lab_restart(w); /* the next port is known from a dump only */
		lab_settle(w, "restarted");
	}
}

static void without_a_picture_nothing_is_written(void **state)
{
	struct lab *w = *state;
	_cleanup_state_net_ struct state_net *old = state_lab_make(LAB_VNI, 2, 5);
	struct err e = { 0 };

	fake_kernel_put(w->f, old);
	fake_kernel_put_vtep(w->f, state_lab_vtep(7));
	w->source = RECONCILE_NONE;
	lab_start(w);
	lab_want(w, 0, 1, 1);
	reconcile_audit(w->r);
	lab_quiet(w);
	assert_int_equal(w->k->ops->writes(w->k), 0);
	assert_int_equal(reconcile_now(w->r, LAB_VNI, NULL, &e), -EAGAIN);
	w->source = RECONCILE_COMPLETE;
	reconcile_dirty_all(w->r);
	lab_settle(w, "now there is one");
}

static void a_partial_picture_deletes_nothing(void **state)
{
	struct lab *w = *state;
	_cleanup_state_net_ struct state_net *old = state_lab_make(LAB_VNI, 3, 9);
	_cleanup_state_net_ struct state_net *other = state_lab_make(LAB_VNI + 1, 1, 2);
	const struct state_net *n;

	fake_kernel_put(w->f, old);
	fake_kernel_put(w->f, other);
	fake_kernel_put_vtep(w->f, state_lab_vtep(7));
	fake_kernel_drift(w->f, FAKE_ADD_GUARD, LAB_VNI);
	w->source = RECONCILE_PARTIAL;
	w->want[0] = state_lab_make(LAB_VNI, 1, 1);
	lab_start(w);
	reconcile_audit(w->r);
	lab_quiet(w);
	n = fake_kernel_net(w->f, LAB_VNI);
	assert_int_equal(n->n_ports, 3);
	assert_int_equal(n->n_neigh, old->n_neigh);
	assert_int_equal(n->n_gateways, 2);
	assert_true(fake_kernel_is(w->f, LAB_VNI + 1, other, NULL));
	assert_int_equal(fake_kernel_vteps(w->f, NULL), 3);
	assert_int_equal(fake_kernel_guards(w->f), 9);
	assert_int_equal(fake_kernel_calls(w->f, FAKE_LINK_DEL), 0);
	/* It repairs, though. */
	fake_kernel_drift(w->f, FAKE_DROP_VXLAN, LAB_VNI);
	lab_quiet(w);
	assert_true(fake_kernel_net(w->f, LAB_VNI)->vxlan_exists);
	w->source = RECONCILE_COMPLETE;
	reconcile_dirty_all(w->r);
	lab_settle(w, "complete");
}

static void an_own_endpoint_leaves_while_the_cluster_is_away(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_want(w, 0, 2, 3);
	lab_settle(w, "made");
	w->source = RECONCILE_PARTIAL;
	state_net_free(w->want[0]);
	w->want[0] = state_lab_make(LAB_VNI, 1, 4);
	assert_int_equal(reconcile_now(w->r, LAB_VNI, NULL, NULL), 0);
	assert_int_equal(fake_kernel_net(w->f, LAB_VNI)->n_ports, 1);
	state_net_free(w->want[0]);
	w->want[0] = NULL;
	assert_int_equal(reconcile_now(w->r, LAB_VNI, NULL, NULL), 0);
	assert_int_equal(fake_kernel_net(w->f, LAB_VNI)->n_ports, 0);
	assert_true(fake_kernel_net(w->f, LAB_VNI)->bridge_exists);
	assert_int_equal(fake_kernel_guards(w->f), 0);
	w->source = RECONCILE_COMPLETE;
	reconcile_dirty_all(w->r);
	lab_settle(w, "complete");
	assert_int_equal(fake_kernel_count(w->f), 0);
}

/* ---- ground ---- */

static void broken_ground_keeps_its_elements(void **state)
{
	struct lab *w = *state;
	_cleanup_state_net_ struct state_net *old = state_lab_make(LAB_VNI, 2, 5);
	const struct state_net *n;

	fake_kernel_put(w->f, old);
	fake_kernel_put_vtep(w->f, state_lab_vtep(7));
	fake_kernel_unground(w->f);
	w->source = RECONCILE_NONE;
	lab_start(w);
	/* Made whole before there is a picture, and nothing that flows is cut. */
	assert_int_equal(w->k->ops->ground_check(w->k, NULL), 0);
	assert_int_equal(fake_kernel_guards(w->f), 4);
	assert_int_equal(fake_kernel_vteps(w->f, NULL), 1);
	n = fake_kernel_net(w->f, LAB_VNI);
	assert_true(fake_kernel_is(w->f, LAB_VNI, old, NULL));
	assert_int_equal(n->n_ports, 2);
}

static void a_failed_start_is_tried_again(void **state)
{
	struct lab *w = *state;
	struct err e = { 0 };

	w->want[0] = state_lab_make(LAB_VNI, 1, 1);
	fake_kernel_fail(w->f, FAKE_DUMP, 1, 1, -EBUSY);
	assert_int_equal(reconcile_start(w->r, &e), -EBUSY);
	assert_false(reconcile_ready(w->r));
	assert_int_equal(reconcile_now(w->r, LAB_VNI, NULL, &e), -EAGAIN);
	lab_settle(w, "started by itself");
	assert_true(reconcile_ready(w->r));
}

/* ---- drift ---- */

static void every_drift_is_repaired(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_want(w, 0, 2, 6);
	lab_want(w, 1, 1, 1);
	lab_settle(w, "made");
	lab_quiet(w);
	for (int d = 0; d < FAKE_OVERLAY_DRIFTS; d++) {
		unsigned before = w->n_drift;

		if (!fake_kernel_drift(w->f, (enum fake_drift)d, LAB_VNI))
			fail_msg("%s: not possible", fake_drift_name((enum fake_drift)d));
		lab_settle(w, fake_drift_name((enum fake_drift)d));
		if (w->n_drift == before)
			fail_msg("%s: not told", fake_drift_name((enum fake_drift)d));
	}
}

static void what_no_event_told_the_audit_finds(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_want(w, 0, 2, 6);
	lab_settle(w, "made");
	fake_kernel_mute(w->f, true);
	for (int d = 0; d < FAKE_OVERLAY_DRIFTS; d++) {
		assert_true(fake_kernel_drift(w->f, (enum fake_drift)d, LAB_VNI));
		reconcile_audit(w->r);
		lab_settle(w, fake_drift_name((enum fake_drift)d));
	}
	assert_true(w->n_drift > FAKE_OVERLAY_DRIFTS / 2);
}

static void lost_events_mean_a_dump(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_want(w, 0, 2, 6);
	lab_settle(w, "made");
	lab_quiet(w);
	/* Its events are lost but for the news that some were. */
	fake_kernel_lose(w->f, 4);
	fake_kernel_drift(w->f, FAKE_DROP_BRIDGE, LAB_VNI);
	lab_settle(w, "bridge deleted");
}

static void a_storm_of_events_costs_few_dumps(void **state)
{
	struct lab *w = *state;
	unsigned dumps;
	uint64_t end;

	lab_start(w);
	lab_want(w, 0, 2, 6);
	lab_settle(w, "made");
	lab_quiet(w);
	dumps = fake_kernel_calls(w->f, FAKE_DUMP_NET) + fake_kernel_calls(w->f, FAKE_DUMP);
	uv_update_time(&w->loop);
	end = uv_now(&w->loop) + 200;
	while (uv_now(&w->loop) < end) {
		fake_kernel_drift(w->f, FAKE_DROP_NEIGH, LAB_VNI);
		uv_run(&w->loop, UV_RUN_ONCE);
	}
	dumps = fake_kernel_calls(w->f, FAKE_DUMP_NET) + fake_kernel_calls(w->f, FAKE_DUMP) - dumps;
	assert_true(dumps >= 1 && dumps <= 6);
	lab_settle(w, "the storm is over");
}

/* ---- failures ---- */

static void every_failure_is_made_up_for(void **state)
{
	struct lab *w = *state;
	unsigned n = 1;

	lab_start(w);
	for (int v = FAKE_DUMP_NET; v <= FAKE_VTEPS; v++) {
		for (unsigned nth = 1; nth <= 2; nth++) {
			fake_kernel_fail(w->f, (enum fake_verb)v, nth, 1, -EBUSY);
			lab_want(w, 0, 1 + n % 3, n % 7);
			w->n_vteps = 1 + n % 2;
			reconcile_dirty_hosts(w->r);
			lab_settle(w, "changed");
			fake_kernel_drift(w->f, FAKE_DROP_VXLAN, LAB_VNI);
			lab_settle(w, "vxlan deleted");
			lab_want_not(w, 0);
			lab_settle(w, "removed");
			fake_kernel_fail(w->f, (enum fake_verb)v, 1, 0, 0);
			n++;
		}
	}
}

static bool has_failed_twice(struct lab *w)
{
	struct reconcile_stats st;

	reconcile_stats(w->r, &st);
	return st.failures >= 2 && st.nets_backing_off == 1;
}

static void a_port_that_fails_does_not_hold_up_its_network(void **state)
{
	struct lab *w = *state;
	struct id bad = state_lab_id(LAB_VNI, 1), good = state_lab_id(LAB_VNI, 0);
	char name[IFNAMSIZ];
	struct err e = { 0 };

	lab_start(w);
	lab_want(w, 0, 1, 0);
	lab_settle(w, "made");
	state_port_name(bad, name);
	fake_kernel_fail_port(w->f, name, -EEXIST);
	state_net_free(w->want[0]);
	w->want[0] = state_lab_make(LAB_VNI, 3, 4);
	assert_int_equal(reconcile_now(w->r, LAB_VNI, &bad, &e), -EEXIST);
	assert_non_null(strstr(err_text(&e), name));
	assert_int_equal(reconcile_now(w->r, LAB_VNI, &good, NULL), 0);
	assert_int_equal(w->port_status, -EEXIST);
	assert_true(id_eq(w->port_endpoint, bad));
	assert_true(lab_wait(w, has_failed_twice));
	/* Told once. What comes new is done though the network backs off. */
	assert_int_equal(w->n_port_failed, 1);
	state_net_free(w->want[0]);
	w->want[0] = state_lab_make(LAB_VNI, 4, 4);
	reconcile_dirty(w->r, LAB_VNI);
	lab_quiet(w);
	assert_int_equal(fake_kernel_net(w->f, LAB_VNI)->n_ports, 3);
	fake_kernel_fail_port(w->f, name, 0);
	lab_settle(w, "by itself");
}

static void a_stale_picture_is_read_again_within_an_attach(void **state)
{
	struct lab *w = *state;
	struct id id = state_lab_id(LAB_VNI, 2);
	struct err e = { 0 };

	lab_start(w);
	lab_want(w, 0, 2, 4);
	lab_settle(w, "made");
	/* The bridge goes in the very moment of an attach: its event is not read yet. */
	fake_kernel_drift(w->f, FAKE_DROP_BRIDGE, LAB_VNI);
	state_net_free(w->want[0]);
	w->want[0] = state_lab_make(LAB_VNI, 3, 4);
	if (reconcile_now(w->r, LAB_VNI, &id, &e) < 0)
		fail_msg("%s", err_text(&e));
	assert_true(lab_is(w, 0));
	lab_settle(w, "and after its events");
}

static void a_container_that_ends_is_withdrawn(void **state)
{
	struct lab *w = *state;

	w->withdraw = true;
	lab_start(w);
	lab_want(w, 0, 3, 2);
	lab_settle(w, "made");
	fake_kernel_kill(w->f, w->want[0]->ports[1].target.path);
	lab_settle(w, "its veth went with it");
	assert_int_equal(w->n_port_failed, 1);
	assert_int_equal(w->want[0]->n_ports, 2);
	/* Where something keeps the veth, the audit sees that the namespace's name is gone. */
	fake_kernel_bury(w->f, w->want[0]->ports[0].target.path);
	reconcile_audit(w->r);
	lab_quiet(w);
	lab_settle(w, "buried");
	assert_int_equal(w->want[0]->n_ports, 1);
	assert_int_equal(w->n_port_failed, 2);
}

static void a_link_that_does_not_go_is_tried_again(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_want(w, 0, 2, 2);
	lab_settle(w, "made");
	fake_kernel_fail(w->f, FAKE_LINK_DEL, 1, 3, -EBUSY);
	lab_want(w, 0, 1, 2);
	lab_settle(w, "gone at last");
	assert_true(fake_kernel_calls(w->f, FAKE_LINK_DEL) >= 2);
}

/* ---- the rest ---- */

static bool underlay_was_told(struct lab *w)
{
	return w->n_underlay > 0;
}

static void changes_of_the_underlay_gather(void **state)
{
	struct lab *w = *state;
	struct kernel_event ev = { .type = KERNEL_EVENT_UNDERLAY };

	lab_start(w);
	for (int i = 0; i < 50; i++)
		fake_kernel_tell(w->f, &ev);
	assert_true(lab_wait(w, underlay_was_told));
	lab_quiet(w);
	assert_int_equal(w->n_underlay, 1);
}

static void after_stop_nothing_is_written(void **state)
{
	struct lab *w = *state;
	uint64_t writes;
	struct err e = { 0 };

	lab_start(w);
	lab_want(w, 0, 2, 2);
	lab_settle(w, "made");
	reconcile_stop(w->r);
	writes = w->k->ops->writes(w->k);
	lab_want(w, 0, 1, 5);
	fake_kernel_drift(w->f, FAKE_DROP_VXLAN, LAB_VNI);
	reconcile_audit(w->r);
	lab_quiet(w);
	assert_int_equal(reconcile_now(w->r, LAB_VNI, NULL, &e), -EAGAIN);
	assert_int_equal(w->k->ops->writes(w->k), writes);
}

static void closing_with_deletions_under_way(void **state)
{
	struct lab *w = *state;

	lab_start(w);
	lab_want(w, 0, 2, 2);
	lab_settle(w, "made");
	fake_kernel_hold(w->f, true);
	lab_want_not(w, 0);
	lab_settle(w, "asked for"); /* and lab_close() follows */
}

#define LAB(t) cmocka_unit_test_setup_teardown(t, lab_open, lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB(what_is_desired_comes_about),
		LAB(a_restart_writes_nothing),
		LAB(an_attach_needs_no_dump),
		LAB(a_detach_shuts_the_port_at_once),
		LAB(elements_that_could_not_be_deleted_are_not_forgotten),
		LAB(without_a_picture_nothing_is_written),
		LAB(a_partial_picture_deletes_nothing),
		LAB(an_own_endpoint_leaves_while_the_cluster_is_away),
		LAB(broken_ground_keeps_its_elements),
		LAB(a_failed_start_is_tried_again),
		LAB(every_drift_is_repaired),
		LAB(what_no_event_told_the_audit_finds),
		LAB(lost_events_mean_a_dump),
		LAB(a_storm_of_events_costs_few_dumps),
		LAB(every_failure_is_made_up_for),
		LAB(a_port_that_fails_does_not_hold_up_its_network),
		LAB(a_stale_picture_is_read_again_within_an_attach),
		LAB(a_container_that_ends_is_withdrawn),
		LAB(a_link_that_does_not_go_is_tried_again),
		LAB(changes_of_the_underlay_gather),
		LAB(after_stop_nothing_is_written),
		LAB(closing_with_deletions_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
