/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservations given back, and those left over. */
#include "ipam/claim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/claim_address_lab.h"

static void free_changes_nothing_else(void **state)
{
	_cleanup_free_ char *odd = model_key_address(LAB_PREFIX, net->id, lab_ip("10.0.0.200"));
	int64_t revision;

	(void)state;
	assert_int_equal(reserve_on(2, "10.0.0.7", AF_INET), 0);
	lab_occupy(&lab, net, "10.0.0.8", 42);
	fake_kv_put(lab.fake, odd, "fish", 0);
	revision = fake_kv_store(lab.fake)->revision;
	assert_int_equal(free_now("10.0.0.7", 1), 0);
	assert_int_equal(free_now("10.0.0.8", 1), 0);
	assert_int_equal(free_now("10.0.0.200", 1), 0);
	assert_int_equal(free_now("10.0.0.99", 1), 0);
	assert_int_equal(fake_kv_store(lab.fake)->revision, revision);
	fake_kv_down(lab.fake, true);
	assert_int_equal(free_now("10.0.0.7", 2), -EHOSTUNREACH);
	fake_kv_down(lab.fake, false);
	assert_int_equal(free_now("10.0.0.7", 2), 0);
	assert_int_equal(lab_addresses(&lab, net), 2);
}

static void swept(void **state)
{
	(void)state;
	assert_int_equal(reserve("10.0.0.7"), 0);
	assert_int_equal(reserve_on(2, "10.0.0.8", AF_INET), 0);
	assert_int_equal(reserve("10.0.0.9"), 0);
	lab_occupy(&lab, net, "10.0.0.10", 42);
	assert_int_equal(sweep(lab.claim, 5000), 0);
	/* Bound and unbound again, and a new one: not the same any more. */
	assert_int_equal(bind_in(lab.claim, 1, "10.0.0.9", "fd00:1::9"), 0);
	assert_int_equal(unbind(a.ep), 0);
	assert_int_equal(reserve("10.0.0.11"), 0);
	assert_int_equal(sweep(lab.claim, 64999), 0);
	assert_int_equal(sweep(lab.claim, 65000), 1);
	assert_null(record("10.0.0.7"));
	assert_true(is_reserved("10.0.0.8", 2));
	assert_true(is_reserved("10.0.0.9", 1));
	assert_int_equal(sweep(lab.claim, 124999), 3);
	assert_null(record("10.0.0.9"));
	assert_int_equal(lab_addresses(&lab, net), 2);
	/* A new run knows of no age. */
	assert_int_equal(reserve("10.0.0.7"), 0);
	assert_int_equal(sweep(lab.claim, 200000), 0);
	lab_answer_done(&a);
	claim_close(lab.claim);
	lab.claim = lab_claim(&lab, 3);
	assert_int_equal(sweep(lab.claim, 300000), 0);
	assert_int_equal(sweep(lab.claim, 360000), 1);
	assert_int_equal(sweep(lab.claim, 460000), 0);
}

static void sweep_lost(void **state)
{
	const struct id id = net->id;

	(void)state;
	assert_int_equal(reserve("10.0.0.7"), 0);
	assert_int_equal(reserve("10.0.0.8"), 0);
	assert_int_equal(sweep(lab.claim, 0), 0);
	fake_kv_fail(lab.fake, FAKE_TXN, 2, 1, -ETIMEDOUT, true);
	sweep(lab.claim, 60000);
	assert_int_equal(lab_addresses(&lab, net), 0);
	assert_int_equal(reserve("10.0.0.7"), 0);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, false);
	a.calls = 0;
	claim_reservations_sweep(lab.claim, &id, 1, lab_id(0x0d, 1), 0, 0, on_swept, &a);
	lab_wait(&lab, &a, 1);
	assert_int_equal(a.status, -EHOSTUNREACH);
	a.calls = 0;
	claim_reservations_sweep(lab.claim, &id, 0, lab_id(0x0d, 1), 0, 0, on_swept, &a);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 1);
	assert_int_equal(a.status, 0);
	a.calls = 0;
	claim_reservations_sweep(lab.claim, &id, 1, lab_id(0x0d, 1), 0, 0, on_swept, &a);
	lab_wait(&lab, &a, 1);
	assert_int_equal(freed, 1);
}

/* The sweep of one process while another binds: whoever is first, nothing is left over, and what is bound stays. */
static void sweep_against_bind(void **state)
{
	const struct id id = net->id;

	(void)state;
	for (unsigned order = 0; order < 4; order++) {
		struct claim *other = lab_claim(&lab, order);
		struct lab_answer b = { 0 };

		assert_int_equal(reserve("10.0.0.7"), 0);
		assert_int_equal(sweep(other, 0), 0);
		a.calls = 0;
		if (order % 2)
			claim_reservations_sweep(other, &id, 1, lab_id(0x0d, 1), 60000, 60000,
						 on_swept, &a);
		if (order > 1)
			lab_turn(&lab);
		start_bind(lab.claim, 1, "10.0.0.7", "fd00:1::7", &b);
		if (order % 2 == 0)
			claim_reservations_sweep(other, &id, 1, lab_id(0x0d, 1), 60000, 60000,
						 on_swept, &a);
		lab_wait(&lab, &a, 1);
		lab_wait(&lab, &b, 1);
		assert_int_equal(b.status, 0);
		assert_true(is_bound("10.0.0.7", 1));
		lab_check(&lab, net);
		assert_int_equal(lab_release_now(&lab, b.ep, &a), 0);
		lab_answer_done(&b);
		claim_close(other);
	}
}

static void cancelled(void **state)
{
	struct lab_answer answers[5] = { 0 };
	struct model_endpoint bare = { .id = lab_id(0xee, 1), .network = net->id };
	struct claim *c = lab_claim(&lab, 3);

	(void)state;
	fake_kv_hold(lab.fake, FAKE_ANY, FAKE_HOLD_REQUESTS);
	start_reserve(c, 1, NULL, AF_INET, &answers[0]);
	start_reserve(c, 1, "10.0.0.7", AF_INET, &answers[1]);
	claim_endpoint_unbind(c, &bare, lab_id(0x0d, 1), lab.lease, lab_on_done, &answers[2]);
	claim_address_free(c, net->id, lab_ip("10.0.0.7"), lab_id(0x0d, 1), lab_on_done,
			   &answers[3]);
	claim_reservations_sweep(c, &net->id, 1, lab_id(0x0d, 1), 0, 0, on_swept, &answers[4]);
	lab_turn(&lab);
	claim_close(c);
	for (int i = 0; i < 5; i++) {
		lab_wait(&lab, &answers[i], 1);
		assert_int_equal(answers[i].status, -ECANCELED);
	}
	fake_kv_hold(lab.fake, FAKE_ANY, FAKE_HOLD_NONE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, address_setup, address_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(free_changes_nothing_else), T(swept),	    T(sweep_lost),
		T(sweep_against_bind),	      T(cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
