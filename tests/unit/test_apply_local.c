/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Egress bridge, bridges of the host, devices on a parent: compared and carried out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/backoff.h"
#include "base/mem.h"
#include "tests/unit/state_lab.h"

#define SEEDS 150
#define VARIANTS 4

/* A bridge of each kind of port security, and the egress bridge. */
static uint32_t key_of(unsigned variant)
{
	return variant == 0 ? STATE_KEY_EGRESS : STATE_KEY_LOCAL + 2 + variant;
}

static enum state_kind kind_of(unsigned variant)
{
	return variant == 0 ? STATE_EGRESS : STATE_BRIDGE;
}

static void check(const struct fake_kernel *f, uint32_t key, const struct state_net *want,
		  uint64_t seed)
{
	struct err e = { 0 };

	if (!fake_kernel_is(f, key, want, &e))
		fail_msg("key %x seed %lu: %s", key, (unsigned long)seed, err_text(&e));
	if (fake_kernel_violation(f))
		fail_msg("key %x seed %lu: %s", key, (unsigned long)seed, fake_kernel_violation(f));
}

static void any_start(struct fake_kernel *f, unsigned variant, uint64_t *seed)
{
	_cleanup_state_net_ struct state_net *old =
		state_lab_random_local(kind_of(variant), key_of(variant), seed);
	unsigned n = (unsigned)(backoff_rand(seed) % 4);

	if (backoff_rand(seed) % 8 == 0)
		return;
	fake_kernel_put(f, old);
	while (n-- > 0) {
		enum fake_drift what = (enum fake_drift)(backoff_rand(seed) % FAKE_DRIFTS);

		if (what != FAKE_DROP_TABLES && what != FAKE_DROP_NAMESPACE &&
		    what != FAKE_PORT_LOOSE)
			fake_kernel_drift(f, what, key_of(variant));
	}
}

static void converge(struct fake_kernel *f, uint32_t key, const struct state_net *want, uint64_t s)
{
	struct kernel *k = fake_kernel_seam(f);
	uint64_t writes;

	if (state_lab_converge(f, key, want, true) < 0)
		fail_msg("key %x seed %lu does not converge", key, (unsigned long)s);
	check(f, key, want, s);
	writes = k->ops->writes(k);
	assert_int_equal(state_lab_converge(f, key, want, true), 0);
	assert_int_equal(k->ops->writes(k), writes);
}

static void from_anything_to_anything(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SEEDS * VARIANTS; i++) {
		struct fake_kernel *f = fake_kernel_new(NULL);
		uint64_t seed = 1 + i;
		unsigned v = i % VARIANTS;
		_cleanup_state_net_ struct state_net *want =
			state_lab_random_local(kind_of(v), key_of(v), &seed);

		any_start(f, v, &seed);
		converge(f, key_of(v), want, i);
		converge(f, key_of(v), NULL, i);
		fake_kernel_free(f);
	}
}

static void what_fails_is_made_up_for(void **state)
{
	(void)state;
	for (int verb = FAKE_BRIDGE_ADD; verb <= FAKE_GUARD; verb++) {
		for (unsigned i = 0; i < 12 * VARIANTS; i++) {
			struct fake_kernel *f = fake_kernel_new(NULL);
			uint64_t seed = 1 + i;
			unsigned v = i % VARIANTS;
			_cleanup_state_net_ struct state_net *want =
				state_lab_random_local(kind_of(v), key_of(v), &seed);

			any_start(f, v, &seed);
			fake_kernel_fail(f, (enum fake_verb)verb, 1 + i / VARIANTS % 4, 1, -ENOMEM);
			converge(f, key_of(v), want, i);
			fake_kernel_fail(f, (enum fake_verb)verb, 1 + i / VARIANTS % 3, 1, -ENOMEM);
			converge(f, key_of(v), NULL, i);
			fake_kernel_free(f);
		}
	}
}

/* What is kept as observed makes another dump needless. */
static void an_attach_follows_from_what_is_kept(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VARIANTS; v++) {
		struct fake_kernel *f = fake_kernel_new(NULL);
		_cleanup_state_net_ struct state_net *have = state_net_new(key_of(v));

		have->complete = true;
		for (unsigned n = 0; n < 4; n++) {
			_cleanup_state_net_ struct state_net *want =
				state_lab_local(kind_of(v), key_of(v), (n * 2) % 5);
			struct diff d;

			apply_know_ports(want, have);
			diff_net(want, have, true, &d);
			assert_int_equal(apply_diff(fake_kernel_seam(f), want, have, &d, NULL, NULL,
						    NULL),
					 0);
			diff_done(&d);
			fake_kernel_turn(f);
			check(f, key_of(v), want, n);
			assert_true(have->complete);
			diff_net(want, have, true, &d);
			assert_int_equal(d.n, 0);
			diff_done(&d);
		}
		fake_kernel_free(f);
	}
}

static void an_administrators_address_stays(void **state)
{
	struct fake_kernel *f = fake_kernel_new(NULL);
	_cleanup_state_net_ struct state_net *want =
		state_lab_local(STATE_BRIDGE, STATE_KEY_LOCAL + 3, 1);

	(void)state;
	fake_kernel_put(f, want);
	fake_kernel_drift(f, FAKE_ADD_GATEWAY, want->vni);
	converge(f, want->vni, want, 0);
	assert_int_equal(fake_kernel_net(f, want->vni)->n_gateways, want->n_gateways + 1);
	assert_int_equal(fake_kernel_calls(f, FAKE_GATEWAY), 0);
	fake_kernel_free(f);
}

static void the_uplink_brings_its_addresses(void **state)
{
	struct fake_kernel *f = fake_kernel_new(NULL);
	_cleanup_state_net_ struct state_net *want =
		state_lab_local(STATE_EGRESS, STATE_KEY_EGRESS, 1);

	(void)state;
	converge(f, want->vni, want, 0);
	assert_int_equal(fake_kernel_calls(f, FAKE_UPLINK_ADD), 1);
	assert_int_equal(fake_kernel_calls(f, FAKE_GATEWAY), 0);
	assert_int_equal(fake_kernel_calls(f, FAKE_NEIGH), 0);
	/* Not so one that is missing later, and one too many. */
	fake_kernel_drift(f, FAKE_DROP_GATEWAY, want->vni);
	fake_kernel_drift(f, FAKE_ADD_GATEWAY, want->vni);
	converge(f, want->vni, want, 0);
	assert_int_equal(fake_kernel_calls(f, FAKE_UPLINK_ADD), 1);
	assert_int_equal(fake_kernel_calls(f, FAKE_GATEWAY), 2);
	fake_kernel_free(f);
}

static void the_uplink_goes_before_its_bridge(void **state)
{
	_cleanup_state_net_ struct state_net *have =
		state_lab_local(STATE_EGRESS, STATE_KEY_EGRESS, 2);
	struct diff d;

	(void)state;
	diff_net(NULL, have, true, &d);
	assert_int_equal(d.ops[d.n - 2].type, DIFF_UPLINK_DEL);
	assert_int_equal(d.ops[d.n - 1].type, DIFF_BRIDGE_DEL);
	assert_string_equal(diff_op_name(DIFF_UPLINK_DEL), "uplink-del");
	for (size_t i = 0; i + 2 < d.n; i++)
		assert_true(d.ops[i].type == DIFF_GUARD_DEL || d.ops[i].type == DIFF_PORT_DEL);
	diff_done(&d);
}

static void what_is_learnt_behind_an_open_port_stays(void **state)
{
	_cleanup_state_net_ struct state_net *want =
		state_lab_local(STATE_BRIDGE, STATE_KEY_LOCAL + 4, 1);
	_cleanup_state_net_ struct state_net *have = state_lab_dup(want);
	struct state_fdb learnt = { .where = STATE_FDB_MASTER, .mac = { { 2, 7 } } };
	struct diff d;

	(void)state;
	assert_true(want->ports[0].open);
	memcpy(learnt.port, want->ports[0].name, sizeof(learnt.port));
	state_net_put_fdb(have, &learnt);
	diff_net(want, have, true, &d);
	assert_int_equal(d.n, 0);
	diff_done(&d);
	have->ports[0].open = false;
	diff_net(want, have, true, &d);
	assert_int_equal(d.n, 1);
	assert_int_equal(d.ops[0].type, DIFF_PORT_SET);
	diff_done(&d);
}

static void apply(struct fake_kernel *f, const struct state_net *want, struct state_net *have,
		  int status)
{
	struct diff d;

	if (want)
		apply_know_ports(want, have);
	diff_net(want, have, true, &d);
	assert_int_equal(apply_diff(fake_kernel_seam(f), want, have, &d, NULL, NULL, NULL), status);
	diff_done(&d);
	fake_kernel_turn(f);
}

static void devices_on_a_parent(void **state)
{
	struct fake_kernel *f = fake_kernel_new(NULL);
	struct kernel *k = fake_kernel_seam(f);
	uint32_t key = STATE_KEY_LOCAL + 9;
	_cleanup_state_net_ struct state_net *two = state_lab_local(STATE_DIRECT, key, 2),
					     *one = state_lab_local(STATE_DIRECT, key, 1),
					     *have = state_net_new(key);
	uint64_t writes;

	(void)state;
	apply(f, two, have, 0);
	check(f, key, two, 0);
	writes = k->ops->writes(k);
	apply(f, two, have, 0);
	assert_int_equal(fake_kernel_calls(f, FAKE_PORT_ADD), 2);
	/* Not seen for a while: asked for again, and found in place. */
	have->ports[0].up = have->ports[1].up = false;
	apply(f, two, have, 0);
	assert_int_equal(fake_kernel_calls(f, FAKE_PORT_ADD), 4);
	assert_int_equal(k->ops->writes(k), writes);
	apply(f, one, have, 0);
	check(f, key, one, 0);
	apply(f, NULL, have, 0);
	check(f, key, NULL, 0);
	assert_int_equal(fake_kernel_calls(f, FAKE_LINK_DEL) + fake_kernel_calls(f, FAKE_LINK_SHUT),
			 0);
	/* One that fails leaves the other alone. */
	fake_kernel_fail_port(f, two->ports[0].name, -ENODEV);
	apply(f, two, have, -ENODEV);
	assert_int_equal(fake_kernel_net(f, key)->n_ports, 1);
	fake_kernel_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_anything_to_anything),
		cmocka_unit_test(what_fails_is_made_up_for),
		cmocka_unit_test(an_attach_follows_from_what_is_kept),
		cmocka_unit_test(an_administrators_address_stays),
		cmocka_unit_test(the_uplink_brings_its_addresses),
		cmocka_unit_test(the_uplink_goes_before_its_bridge),
		cmocka_unit_test(what_is_learnt_behind_an_open_port_stays),
		cmocka_unit_test(devices_on_a_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
