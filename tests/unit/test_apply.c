/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/apply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/backoff.h"
#include "base/mem.h"
#include "tests/unit/state_lab.h"

#define VNI 1048576u
#define SEEDS 400

static void check(const struct fake_kernel *f, const struct state_net *want, uint64_t seed)
{
	struct err e = { 0 };

	if (!fake_kernel_is(f, VNI, want, &e))
		fail_msg("seed %lu: %s", (unsigned long)seed, err_text(&e));
	if (fake_kernel_violation(f))
		fail_msg("seed %lu: %s", (unsigned long)seed, fake_kernel_violation(f));
}

/* What a network may look like after anything: another variant of it, altered by other hands, or nothing. */
static void any_start(struct fake_kernel *f, uint64_t *seed)
{
	_cleanup_state_net_ struct state_net *old = state_lab_random(VNI, seed);
	unsigned n = (unsigned)(backoff_rand(seed) % 4);

	if (backoff_rand(seed) % 8 == 0)
		return;
	fake_kernel_put(f, old);
	while (n-- > 0) {
		enum fake_drift what = (enum fake_drift)(backoff_rand(seed) % FAKE_OVERLAY_DRIFTS);

		if (what != FAKE_DROP_TABLES && what != FAKE_DROP_NAMESPACE &&
		    what != FAKE_PORT_LOOSE)
			fake_kernel_drift(f, what, VNI);
	}
}

static void from_anything_to_anything(void **state)
{
	(void)state;
	for (uint64_t s = 1; s <= SEEDS; s++) {
		struct fake_kernel *f = fake_kernel_new(NULL);
		uint64_t seed = s;
		_cleanup_state_net_ struct state_net *want = state_lab_random(VNI, &seed);
		uint64_t writes;

		any_start(f, &seed);
		assert_int_equal(state_lab_converge(f, VNI, want, true), 0);
		check(f, want, s);
		/* And a second look finds nothing to do. */
		writes = fake_kernel_seam(f)->ops->writes(fake_kernel_seam(f));
		assert_int_equal(state_lab_converge(f, VNI, want, true), 0);
		assert_int_equal(fake_kernel_seam(f)->ops->writes(fake_kernel_seam(f)), writes);
		fake_kernel_free(f);
	}
}

static void from_anything_to_nothing(void **state)
{
	(void)state;
	for (uint64_t s = 1; s <= SEEDS / 4; s++) {
		struct fake_kernel *f = fake_kernel_new(NULL);
		uint64_t seed = s;

		any_start(f, &seed);
		assert_int_equal(state_lab_converge(f, VNI, NULL, true), 0);
		check(f, NULL, s);
		fake_kernel_free(f);
	}
}

static bool is_subset(const struct state_net *less, const struct state_net *more)
{
	for (size_t i = 0; i < less->n_ports; i++) {
		if (!state_net_port(more, less->ports[i].name))
			return false;
	}
	for (size_t i = 0; i < less->n_fdb; i++) {
		if (!state_net_fdb(more, &less->fdb[i]))
			return false;
	}
	for (size_t i = 0; i < less->n_neigh; i++) {
		if (!state_net_neigh(more, less->neigh[i].ip))
			return false;
	}
	return true;
}

static void an_incomplete_picture_only_adds(void **state)
{
	(void)state;
	for (uint64_t s = 1; s <= SEEDS / 4; s++) {
		struct fake_kernel *f = fake_kernel_new(NULL);
		uint64_t seed = s;
		_cleanup_state_net_ struct state_net *want = state_lab_random(VNI, &seed);
		_cleanup_state_net_ struct state_net *old = state_lab_random(VNI, &seed);

		/* What makes the device anew loses its entries; that is repair. */
		old->port = want->port;
		old->vtep.family = want->vtep.family;
		fake_kernel_put(f, old);
		assert_int_equal(state_lab_converge(f, VNI, want, false), 0);
		assert_true(is_subset(old, fake_kernel_net(f, VNI)));
		assert_true(is_subset(want, fake_kernel_net(f, VNI)));
		assert_int_equal(state_lab_converge(f, VNI, NULL, false), 0);
		assert_true(is_subset(old, fake_kernel_net(f, VNI)));
		fake_kernel_free(f);
	}
}

/* Every verb, its n-th call: what it breaks is healed by the next passes. */
static void what_fails_is_made_up_for(void **state)
{
	(void)state;
	for (int v = FAKE_BRIDGE_ADD; v <= FAKE_GUARD; v++) {
		for (unsigned nth = 1; nth <= 4; nth++) {
			for (uint64_t s = 1; s <= 8; s++) {
				struct fake_kernel *f = fake_kernel_new(NULL);
				uint64_t seed = s;
				_cleanup_state_net_ struct state_net *want =
					state_lab_random(VNI, &seed);

				any_start(f, &seed);
				fake_kernel_fail(f, (enum fake_verb)v, nth, 1, -ENOMEM);
				assert_int_equal(state_lab_converge(f, VNI, want, true), 0);
				check(f, want, s);
				fake_kernel_free(f);
			}
		}
	}
}

struct told {
	unsigned failed, deleted;
	int status;
	enum diff_op_type type;
	char port[IFNAMSIZ];
};

static void on_failed(void *user, const struct diff_op *op, int status, const struct err *e)
{
	struct told *t = user;

	t->failed++;
	t->status = status;
	t->type = op->type;
	assert_int_equal(e->code, status);
	if (op->type == DIFF_PORT_ADD)
		snprintf(t->port, sizeof(t->port), "%s", op->port->name);
}

static void on_link_del(void *user, const char *name)
{
	struct told *t = user;

	t->deleted++;
	assert_true(name[0] == 'v' || name[0] == 'b');
}

static const struct apply_hooks hooks = { .failed = on_failed, .link_del = on_link_del };

static void a_port_that_fails_leaves_the_others_alone(void **state)
{
	struct fake_kernel *f = fake_kernel_new(NULL);
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 3, 4),
					     *have = state_net_new(VNI);
	struct state_fdb key = { .where = STATE_FDB_MASTER, .mac = want->ports[1].mac };
	struct apply_result res;
	struct told t = { 0 };
	struct diff d;

	(void)state;
	fake_kernel_fail_port(f, want->ports[1].name, -EEXIST);
	diff_net(want, have, true, &d);
	assert_int_equal(apply_diff(fake_kernel_seam(f), want, have, &d, &hooks, &t, &res),
			 -EEXIST);
	diff_done(&d);
	assert_int_equal(t.failed, 1);
	assert_string_equal(t.port, want->ports[1].name);
	assert_int_equal(res.ports_failed, 1);
	assert_true(state_net_port(have, want->ports[0].name)->up);
	assert_true(state_net_port(have, want->ports[2].name)->up);
	assert_null(state_net_port(have, want->ports[1].name));
	assert_null(state_net_fdb(fake_kernel_net(f, VNI), &key));
	assert_int_equal(fake_kernel_guards(f), 4);
	assert_false(have->complete);
	fake_kernel_free(f);
}

/* Port security: without its entry no packet of it passes, and an attach must not be told to have worked. */
static void a_port_without_its_entry_is_not_put_up(void **state)
{
	struct fake_kernel *f = fake_kernel_new(NULL);
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 2, 3),
					     *have = state_net_new(VNI);
	struct apply_result res;
	struct told t = { 0 };
	struct diff d;

	(void)state;
	diff_net(want, have, true, &d);
	fake_kernel_fail(f, FAKE_FDB, 1, 100, -ENOBUFS);
	assert_int_equal(apply_diff(fake_kernel_seam(f), want, have, &d, &hooks, &t, &res),
			 -ENOBUFS);
	diff_done(&d);
	assert_int_equal(res.ports_failed, 2);
	assert_int_equal(t.type, DIFF_PORT_UP);
	for (size_t i = 0; i < 2; i++)
		assert_false(fake_kernel_net(f, VNI)->ports[i].up);
	assert_null(fake_kernel_violation(f));
	fake_kernel_fail(f, FAKE_FDB, 1, 0, 0);
	assert_int_equal(state_lab_converge(f, VNI, want, true), 0);
	check(f, want, 0);
	fake_kernel_free(f);
}

static void an_entry_that_fails_keeps_no_port_down(void **state)
{
	struct fake_kernel *f = fake_kernel_new(NULL);
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 2, 3),
					     *have = state_net_new(VNI);
	struct apply_result res;
	struct diff d;

	(void)state;
	diff_net(want, have, true, &d);
	fake_kernel_fail(f, FAKE_FDB, 1, 1, -ENOBUFS);
	assert_int_equal(apply_diff(fake_kernel_seam(f), want, have, &d, NULL, NULL, &res),
			 -ENOBUFS);
	diff_done(&d);
	assert_int_equal(res.failed, 1);
	assert_int_equal(res.ports_failed, 0);
	for (size_t i = 0; i < 2; i++)
		assert_true(fake_kernel_net(f, VNI)->ports[i].up);
	assert_null(fake_kernel_violation(f));
	assert_false(have->complete);
	fake_kernel_free(f);
}

static void without_its_bridge_nothing_more_is_tried(void **state)
{
	struct fake_kernel *f = fake_kernel_new(NULL);
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 3, 4),
					     *have = state_net_new(VNI);
	struct told t = { 0 };
	struct diff d;

	(void)state;
	fake_kernel_fail(f, FAKE_BRIDGE_ADD, 1, 1, -EPERM);
	diff_net(want, have, true, &d);
	assert_int_equal(apply_diff(fake_kernel_seam(f), want, have, &d, &hooks, &t, NULL), -EPERM);
	diff_done(&d);
	assert_int_equal(t.failed, 1);
	assert_int_equal(fake_kernel_seam(f)->ops->writes(fake_kernel_seam(f)), 0);
	fake_kernel_free(f);
}

static void thousands_go_in_batches(void **state)
{
	struct fake_kernel *f = fake_kernel_new(NULL);
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 1, 2500),
					     *have = state_net_new(VNI);
	struct err e = { 0 };
	struct diff d;

	(void)state;
	have->complete = true;
	diff_net(want, have, true, &d);
	assert_int_equal(apply_diff(fake_kernel_seam(f), want, have, &d, NULL, NULL, NULL), 0);
	diff_done(&d);
	assert_int_equal(fake_kernel_calls(f, FAKE_FDB), 6); /* 5,004 entries */
	assert_int_equal(fake_kernel_calls(f, FAKE_NEIGH), 6);
	assert_true(fake_kernel_is(f, VNI, want, &e));
	/* What is kept as observed is what stands: nothing to do without another dump. */
	assert_true(have->complete);
	diff_net(want, have, true, &d);
	assert_int_equal(d.n, 0);
	diff_done(&d);
	fake_kernel_free(f);
}

static void what_is_kept_as_observed_is_what_stands(void **state)
{
	(void)state;
	for (uint64_t s = 1; s <= SEEDS; s++) {
		struct fake_kernel *f = fake_kernel_new(NULL);
		uint64_t seed = s;
		_cleanup_state_net_ struct state_net *want = state_lab_random(VNI, &seed);
		_cleanup_state_net_ struct state_net *have = NULL;
		struct diff d;

		any_start(f, &seed);
		fake_kernel_seam(f)->ops->dump_net(fake_kernel_seam(f), VNI, &have, NULL);
		diff_net(want, have, true, &d);
		assert_int_equal(apply_diff(fake_kernel_seam(f), want, have, &d, NULL, NULL, NULL),
				 0);
		diff_done(&d);
		if (have->complete) {
			check(f, want, s);
			diff_net(want, have, true, &d);
			assert_int_equal(d.n, 0);
			diff_done(&d);
		}
		fake_kernel_free(f);
	}
}

static void a_detached_port_takes_its_elements_along(void **state)
{
	struct fake_kernel *f = fake_kernel_new(NULL);
	_cleanup_state_net_ struct state_net *want = state_lab_make(VNI, 2, 2),
					     *less = state_lab_make(VNI, 0, 0), *have = NULL;
	struct kernel *k = fake_kernel_seam(f);
	struct told t = { 0 };
	struct diff d;

	(void)state;
	fake_kernel_put(f, want);
	k->ops->dump_net(k, VNI, &have, NULL);
	apply_know_ports(want, have);
	diff_net(less, have, true, &d);
	assert_int_equal(apply_diff(k, less, have, &d, &hooks, &t, NULL), 0);
	diff_done(&d);
	assert_int_equal(fake_kernel_guards(f), 0);
	assert_int_equal(t.deleted, 2);
	assert_int_equal(have->n_ports, 0);
	/* Off the bridge at once, whenever the link itself goes. */
	assert_false(fake_kernel_net(f, VNI)->ports[0].enslaved);
	fake_kernel_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_anything_to_anything),
		cmocka_unit_test(from_anything_to_nothing),
		cmocka_unit_test(an_incomplete_picture_only_adds),
		cmocka_unit_test(what_fails_is_made_up_for),
		cmocka_unit_test(a_port_that_fails_leaves_the_others_alone),
		cmocka_unit_test(a_port_without_its_entry_is_not_put_up),
		cmocka_unit_test(an_entry_that_fails_keeps_no_port_down),
		cmocka_unit_test(without_its_bridge_nothing_more_is_tried),
		cmocka_unit_test(thousands_go_in_batches),
		cmocka_unit_test(what_is_kept_as_observed_is_what_stands),
		cmocka_unit_test(a_detached_port_takes_its_elements_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
