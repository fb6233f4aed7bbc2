/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What would be repaired, seen without being repaired. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/reconcile.h"
#include "base/mem.h"
#include "overlay/diff.h"
#include "tests/unit/reconcile_lab.h"

#define BRIDGE (STATE_KEY_LOCAL + 2)

struct seen {
	unsigned n, by[RECONCILE_LINK_LOOSE + 1], ops[DIFF_BRIDGE_DEL + 1];
	uint32_t vni; /* of the last one */
};

static void count(void *user, const struct reconcile_finding *f)
{
	struct seen *s = user;

	s->n++;
	s->by[f->amiss]++;
	s->vni = f->vni;
	if (f->amiss == RECONCILE_OP) {
		s->ops[f->op->type]++;
		assert_non_null(f->have);
	}
	assert_true(f->amiss != RECONCILE_GROUND || f->why[0]);
}

/* Nothing is written, and nothing is due afterwards. */
static struct seen look(struct lab *w)
{
	uint64_t writes = w->k->ops->writes(w->k);
	struct reconcile_stats before, after;
	struct seen s = { 0 };
	struct err e = { 0 };

	reconcile_stats(w->r, &before);
	assert_int_equal(reconcile_examine(w->r, count, &s, &e), 0);
	assert_int_equal(w->k->ops->writes(w->k), writes);
	reconcile_stats(w->r, &after);
	assert_int_equal(before.nets_dirty, after.nets_dirty);
	assert_int_equal(before.drift_repaired, after.drift_repaired);
	return s;
}

static void make(struct lab *w)
{
	lab_start(w);
	lab_want(w, 0, 2, 3);
	lab_local(w, 1, STATE_EGRESS, STATE_KEY_EGRESS, 2);
	lab_local(w, 2, STATE_BRIDGE, BRIDGE, 2);
	lab_local(w, 3, STATE_DIRECT, STATE_KEY_LOCAL + 9, 1);
	lab_settle(w, "made");
	lab_quiet(w);
}

static void before_the_first_dump_it_says_so(void **state)
{
	struct lab *w = *state;
	struct err e = { 0 };
	struct seen s = { 0 };

	assert_int_equal(reconcile_examine(w->r, count, &s, &e), -EAGAIN);
	assert_false(reconcile_idle(w->r));
}

static void what_is_as_desired_is_no_finding(void **state)
{
	struct lab *w = *state;

	make(w);
	assert_int_equal(look(w).n, 0);
	assert_true(reconcile_idle(w->r));
	for (unsigned i = 0; i < LAB_NETS; i++)
		lab_want_not(w, i);
	lab_settle(w, "removed");
	lab_quiet(w);
	assert_int_equal(look(w).n, 0);
}

/* No dump tells of devices in containers; further addresses of a bridge of the host are their owner's (diff.h). */
static bool is_seen(unsigned drift, unsigned net)
{
	return drift != FAKE_DROP_DIRECT && !(drift == FAKE_ADD_GATEWAY && net == 2);
}

/* Whatever another hand does, and no event tells of it: seen, and gone when it is repaired. */
static void every_drift_is_seen(void **state)
{
	struct lab *w = *state;
	unsigned tried = 0;

	make(w);
	for (unsigned i = 0; i < FAKE_DRIFTS; i++) {
		for (unsigned k = 0; k < 3; k++) {
			struct seen s;

			fake_kernel_mute(w->f, true);
			if (!fake_kernel_drift(w->f, i, w->keys[k])) {
				fake_kernel_mute(w->f, false);
				continue;
			}
			s = look(w);
			if ((s.n > 0) != is_seen(i, k))
				fail_msg("%s of network %u: %u findings", fake_drift_name(i), k,
					 s.n);
			tried++;
			fake_kernel_mute(w->f, false);
			reconcile_audit(w->r);
			assert_false(reconcile_idle(w->r));
			lab_quiet(w);
			if (!is_seen(i, k))
				continue;
			lab_settle(w, fake_drift_name(i));
			lab_quiet(w);
			s = look(w);
			if (s.n != 0)
				fail_msg("%s of network %u: %u findings after its repair",
					 fake_drift_name(i), k, s.n);
		}
	}
	assert_true(tried > FAKE_DRIFTS);
}

static void kinds_are_told_apart(void **state)
{
	struct lab *w = *state;
	struct seen s;

	make(w);
	fake_kernel_mute(w->f, true);
	assert_true(fake_kernel_drift(w->f, FAKE_DROP_NEIGH, LAB_VNI));
	s = look(w);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.ops[DIFF_NEIGH_ADD], 1);
	assert_int_equal(s.vni, LAB_VNI);
	assert_true(fake_kernel_drift(w->f, FAKE_DROP_VTEP, LAB_VNI));
	assert_int_equal(look(w).by[RECONCILE_VTEP_MISSING], 1);
	assert_true(fake_kernel_drift(w->f, FAKE_ADD_VTEP, LAB_VNI));
	assert_int_equal(look(w).by[RECONCILE_VTEP_SURPLUS], 1);
	fake_kernel_unground(w->f);
	assert_int_equal(look(w).by[RECONCILE_GROUND], 1);
}

static void without_a_picture_nothing_is_too_much(void **state)
{
	struct lab *w = *state;

	make(w);
	fake_kernel_mute(w->f, true);
	assert_true(fake_kernel_drift(w->f, FAKE_ADD_VTEP, LAB_VNI));
	assert_true(fake_kernel_drift(w->f, FAKE_ADD_NEIGH, LAB_VNI));
	assert_true(look(w).n >= 2);
	w->source = RECONCILE_PARTIAL;
	assert_int_equal(look(w).n, 0);
	w->source = RECONCILE_NONE;
	assert_int_equal(look(w).n, 0);
}

static void a_dump_that_fails_is_an_error(void **state)
{
	struct lab *w = *state;
	struct seen s = { 0 };
	struct err e = { 0 };

	make(w);
	fake_kernel_fail(w->f, FAKE_DUMP, 1, 1, -EIO);
	assert_int_equal(reconcile_examine(w->r, count, &s, &e), -EIO);
	assert_int_equal(look(w).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(before_the_first_dump_it_says_so, lab_open,
						lab_close),
		cmocka_unit_test_setup_teardown(what_is_as_desired_is_no_finding, lab_open,
						lab_close),
		cmocka_unit_test_setup_teardown(every_drift_is_seen, lab_open, lab_close),
		cmocka_unit_test_setup_teardown(kinds_are_told_apart, lab_open, lab_close),
		cmocka_unit_test_setup_teardown(without_a_picture_nothing_is_too_much, lab_open,
						lab_close),
		cmocka_unit_test_setup_teardown(a_dump_that_fails_is_an_error, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
