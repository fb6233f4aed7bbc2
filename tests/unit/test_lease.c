/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it */
#include <cmocka.h>
#include <errno.h>

#include "base/clock.h"
#include "store/lease.h"
#include "tests/fake/fake_kv.h"

struct told {
	int granted, fresh, lost;
	int64_t id;
	struct lease *close_in_lost;
};
static uv_loop_t loop;
static uv_timer_t tick; /* a turn of the loop ends within 5 ms */
static struct fake_kv *fake;
static struct told told;

static void on_granted(void *user, int64_t lease, bool fresh)
{
	struct told *t = user;

	t->granted++;
	t->fresh += fresh;
	t->id = lease;
}

static void on_lost(void *user, int64_t lease)
{
	struct told *t = user;

	assert_int_equal(lease, t->id);
	t->lost++;
	if (t->close_in_lost)
		lease_close(t->close_in_lost);
}

static const struct lease_handlers handlers = { .granted = on_granted, .lost = on_lost };

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static int setup(void **state)
{
	(void)state;
	told = (struct told){ 0 };
	uv_loop_init(&loop);
	uv_timer_init(&loop, &tick);
	uv_timer_start(&tick, on_tick, 5, 5);
	fake = fake_kv_new(&loop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_kv_close(fake);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

/* Turns of the loop until @n calls of the kinds in @mask were made. */
static void until_calls(unsigned mask, unsigned n)
{
	uint64_t end = clock_boot_ms() + 5000;

	while (fake_kv_calls(fake, mask) < n && clock_boot_ms() < end)
		uv_run(&loop, UV_RUN_ONCE);
	/* The answer of the last one. */
	for (int i = 0; i < 4; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	assert_true(fake_kv_calls(fake, mask) >= n);
}

static void grants_and_keeps(void **state)
{
	(void)state;
	struct lease *l = lease_new(&loop, fake_kv_kv(fake), 1, 0, &handlers, &told);

	assert_int_equal(lease_id(l), 0);
	assert_int_equal(lease_left_ms(l, clock_boot_ms()), 0);
	until_calls(FAKE_GRANT, 1);
	assert_int_equal(told.granted, 1);
	assert_int_equal(told.fresh, 1);
	assert_int_equal(lease_id(l), told.id);
	assert_in_range(lease_left_ms(l, clock_boot_ms()), 1, 1000);
	until_calls(FAKE_KEEPALIVE, 2);
	assert_int_equal(told.granted, 1);
	assert_int_equal(told.lost, 0);
	lease_close(l);
}

static void takes_up_a_known_one(void **state)
{
	(void)state;
	struct lease *l = lease_new(&loop, fake_kv_kv(fake), 3600, 0, &handlers, &told);
	int64_t known;

	until_calls(FAKE_GRANT, 1);
	known = told.id;
	lease_close(l);
	l = lease_new(&loop, fake_kv_kv(fake), 3600, known, &handlers, &told);
	/* Not before etcd has said that it is there. */
	assert_int_equal(lease_id(l), 0);
	until_calls(FAKE_KEEPALIVE, 1);
	assert_int_equal(told.granted, 2);
	assert_int_equal(told.fresh, 1);
	assert_int_equal(lease_id(l), known);
	lease_close(l);
}

static void asked_for_when_in_doubt(void **state)
{
	(void)state;
	struct lease *l = lease_new(&loop, fake_kv_kv(fake), 3600, 0, &handlers, &told);

	lease_check(l); /* nothing to ask for yet */
	until_calls(FAKE_GRANT, 1);
	fake_kv_lease_expire(fake, told.id);
	lease_check(l);
	until_calls(FAKE_GRANT, 2);
	assert_int_equal(told.lost, 1);
	assert_int_equal(told.fresh, 2);
	lease_close(l);
}

static void a_lost_one_is_replaced(void **state)
{
	(void)state;
	struct lease *l = lease_new(&loop, fake_kv_kv(fake), 1, 0, &handlers, &told);
	int64_t first;

	until_calls(FAKE_GRANT, 1);
	first = told.id;
	fake_kv_lease_expire(fake, first);
	until_calls(FAKE_GRANT, 2);
	assert_int_equal(told.lost, 1);
	assert_int_equal(told.fresh, 2);
	assert_int_not_equal(told.id, first);
	assert_int_equal(lease_id(l), told.id);
	lease_close(l);
}

static void an_outage_is_no_loss(void **state)
{
	(void)state;
	struct lease *l = lease_new(&loop, fake_kv_kv(fake), 1, 0, &handlers, &told);

	until_calls(FAKE_GRANT, 1);
	fake_kv_down(fake, true);
	until_calls(FAKE_KEEPALIVE, 3);
	assert_int_equal(told.lost, 0);
	assert_int_equal(lease_id(l), told.id);
	fake_kv_down(fake, false);
	fake_kv_fail(fake, FAKE_KEEPALIVE, 0, 1, -ETIMEDOUT, true);
	until_calls(FAKE_KEEPALIVE, 5);
	assert_int_equal(told.granted, 1);
	assert_true(lease_left_ms(l, clock_boot_ms()) > 0);
	lease_close(l);
}

static void closes_at_any_time(void **state)
{
	(void)state;
	/* Before anything was asked; while a call is out; inside a handler. */
	lease_close(lease_new(&loop, fake_kv_kv(fake), 1, 0, &handlers, &told));
	struct lease *l = lease_new(&loop, fake_kv_kv(fake), 1, 0, &handlers, &told);

	fake_kv_hold(fake, FAKE_GRANT, FAKE_HOLD_REQUESTS);
	until_calls(FAKE_GRANT, 1);
	lease_close(l);
	fake_kv_hold(fake, FAKE_GRANT, FAKE_HOLD_NONE);
	l = lease_new(&loop, fake_kv_kv(fake), 1, 0, &handlers, &told);
	until_calls(FAKE_GRANT, 2);
	assert_int_equal(told.granted, 1);
	told.close_in_lost = l;
	fake_kv_lease_expire(fake, told.id);
	until_calls(FAKE_KEEPALIVE, 1);
	assert_int_equal(told.lost, 1);
	lease_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(grants_and_keeps, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_up_a_known_one, setup, teardown),
		cmocka_unit_test_setup_teardown(asked_for_when_in_doubt, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lost_one_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(an_outage_is_no_loss, setup, teardown),
		cmocka_unit_test_setup_teardown(closes_at_any_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
