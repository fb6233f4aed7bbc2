/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fake of etcd behaves as etcd does where the product relies on it, and fails as asked. */
#include "tests/fake/fake_kv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"

struct seen {
	int n, status;
	bool succeeded;
	int64_t revision, count, lease;
	char first[64];
	size_t n_entries;
	/* watch */
	char events[256];
	int64_t watch_revision;
	int states[8], n_states;
};

static void on_done(void *user, int status, const struct kv_result *res)
{
	struct seen *s = user;

	s->n++;
	s->status = status;
	s->succeeded = res->succeeded;
	s->revision = res->revision;
	s->lease = res->lease_id;
	s->count = res->n_ops ? res->ops[0].count : -1;
	s->n_entries = res->n_ops ? res->ops[0].n_entries : 0;
	s->first[0] = 0;
	if (s->n_entries)
		snprintf(s->first, sizeof(s->first), "%s=%s", res->ops[0].entries[0].key,
			 res->ops[0].entries[0].value);
}

static void on_events(void *user, int64_t revision, const struct kv_event *ev, size_t n)
{
	struct seen *s = user;

	s->watch_revision = revision;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(s->events);

		snprintf(s->events + len, sizeof(s->events) - len, "%c%s ",
			 ev[i].type == KV_EVENT_PUT ? '+' : '-', ev[i].entry.key);
	}
}

static void on_state(void *user, enum kv_watch_state state, const char *why)
{
	struct seen *s = user;

	assert_non_null(why);
	s->states[s->n_states++ % 8] = (int)state;
}

static const struct kv_watch_handlers handlers = { on_events, on_state };

static void settle(struct fake_kv *f)
{
	while (fake_kv_pump(f))
		;
}

static void create(struct fake_kv *f, const char *key, int64_t lease, struct seen *s)
{
	struct kv *kv = fake_kv_kv(f);
	struct kv_compare absent = { .key = key, .target = KV_TARGET_CREATE, .revision = 0 };
	struct kv_op put = { .type = KV_OP_PUT, .key = key, .value = "v", .lease = lease };
	struct kv_op get = { .type = KV_OP_GET, .key = key };
	struct kv_txn txn = { &absent, 1, &put, 1, &get, 1 };

	kv->ops->txn(kv, &txn, on_done, s);
}

static void range(struct fake_kv *f, const char *key, const char *end, int64_t rev, struct seen *s)
{
	struct kv *kv = fake_kv_kv(f);
	struct kv_range r = { .key = key, .range_end = end, .revision = rev };

	kv->ops->range(kv, &r, on_done, s);
}

static void test_txn(void **state)
{
	struct fake_kv *f = fake_kv_new(NULL);
	struct seen s = { 0 };

	(void)state;
	create(f, "/a/1", 0, &s);
	assert_int_equal(s.n, 0);
	settle(f);
	assert_int_equal(s.n, 1);
	assert_true(s.succeeded);
	assert_int_equal(s.revision, 2);
	create(f, "/a/1", 0, &s);
	settle(f);
	assert_false(s.succeeded);
	assert_string_equal(s.first, "/a/1=v");
	assert_int_equal(s.revision, 2);
	create(f, "/a/2", 99, &s);
	settle(f);
	assert_int_equal(s.status, -ENOENT);
	fake_kv_put(f, "/a/3", "w", 0);
	fake_kv_delete(f, "/a/1", NULL);
	range(f, "/a/", "/a0", 0, &s);
	settle(f);
	assert_int_equal(s.count, 1);
	assert_string_equal(s.first, "/a/3=w");
	range(f, "/a/", "/a0", 3, &s);
	settle(f);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.first, "/a/1=v");
	fake_kv_compact(f, 0);
	range(f, "/a/", "/a0", 3, &s);
	settle(f);
	assert_int_equal(s.status, -ESTALE);
	fake_kv_close(f);
}

static void test_range_compare(void **state)
{
	struct fake_kv *f = fake_kv_new(NULL);
	struct kv *kv = fake_kv_kv(f);
	struct kv_compare none_newer = { .key = "/n/",
					 .range_end = "/n0",
					 .target = KV_TARGET_MOD,
					 .relation = KV_LESS,
					 .revision = 2 };
	struct kv_op put = { .type = KV_OP_PUT, .key = "/n/x", .value = "1" };
	struct kv_txn txn = { &none_newer, 1, &put, 1, NULL, 0 };
	struct seen s = { 0 };

	(void)state;
	kv->ops->txn(kv, &txn, on_done, &s);
	settle(f);
	assert_true(s.succeeded);
	kv->ops->txn(kv, &txn, on_done, &s);
	settle(f);
	assert_false(s.succeeded);
	fake_kv_close(f);
}

static void test_lease(void **state)
{
	struct fake_kv *f = fake_kv_new(NULL);
	struct kv *kv = fake_kv_kv(f);
	struct seen s = { 0 };
	int64_t lease;

	(void)state;
	kv->ops->lease_grant(kv, 10, on_done, &s);
	settle(f);
	lease = s.lease;
	create(f, "/l/1", lease, &s);
	create(f, "/l/2", lease, &s);
	kv->ops->lease_keepalive(kv, lease, on_done, &s);
	settle(f);
	assert_int_equal(s.status, 0);
	fake_kv_lease_expire(f, lease);
	assert_int_equal(fake_kv_count(f, "/l/", "/l0"), 0);
	kv->ops->lease_keepalive(kv, lease, on_done, &s);
	settle(f);
	assert_int_equal(s.status, -ENOENT);
	fake_kv_close(f);
}

static void test_watch(void **state)
{
	struct fake_kv *f = fake_kv_new(NULL);
	struct kv *kv = fake_kv_kv(f);
	struct seen s = { 0 };
	struct fake_store backup;
	struct kv_watch *w;

	(void)state;
	w = kv->ops->watch(kv, "/a/", "/a0", 2, &handlers, &s);
	fake_kv_put(f, "/a/1", "v", 0);
	fake_store_copy(&backup, fake_kv_store(f));
	fake_kv_put(f, "/b/1", "v", 0);
	settle(f);
	fake_kv_delete(f, "/a/1", NULL);
	settle(f);
	assert_string_equal(s.events, "+/a/1 -/a/1 ");
	assert_int_equal(s.watch_revision, 4);
	fake_kv_watch_drop(f);
	fake_kv_put(f, "/a/2", "v", 0);
	settle(f);
	assert_string_equal(s.events, "+/a/1 -/a/1 +/a/2 ");
	fake_kv_put(f, "/a/3", "v", 0);
	fake_kv_watch_lose(f);
	settle(f);
	assert_string_equal(s.events, "+/a/1 -/a/1 +/a/2 ");
	fake_kv_restore(f, &backup);
	settle(f);
	assert_int_equal(s.n_states, 4);
	assert_int_equal(s.states[3], KV_WATCH_REWOUND);
	kv->ops->watch_close(w);
	fake_kv_compact(f, 0);
	fake_kv_put(f, "/a/9", "v", 0);
	w = kv->ops->watch(kv, "/a/", "/a0", 1, &handlers, &s);
	settle(f);
	assert_int_equal(s.states[4], KV_WATCH_COMPACTED);
	kv->ops->watch_close(w);
	fake_store_done(&backup);
	fake_kv_close(f);
}

static void test_faults(void **state)
{
	struct fake_kv *f = fake_kv_new(NULL);
	struct kv *kv = fake_kv_kv(f);
	struct seen s = { 0 };
	struct kv_call *c;
	struct kv_range one = { .key = "/a/1" };

	(void)state;
	fake_kv_fail(f, FAKE_TXN, 0, 1, -ETIMEDOUT, true);
	fake_kv_fail(f, FAKE_TXN, 0, 1, -EHOSTUNREACH, false);
	create(f, "/a/1", 0, &s);
	settle(f);
	assert_int_equal(s.status, -ETIMEDOUT);
	assert_non_null(fake_kv_get(f, "/a/1"));
	create(f, "/a/2", 0, &s);
	settle(f);
	assert_int_equal(s.status, -EHOSTUNREACH);
	assert_null(fake_kv_get(f, "/a/2"));
	fake_kv_hold(f, FAKE_ANY, FAKE_HOLD_ANSWERS);
	s.n = 0;
	create(f, "/a/2", 0, &s);
	settle(f);
	assert_int_equal(s.n, 0);
	assert_non_null(fake_kv_get(f, "/a/2"));
	fake_kv_hold(f, FAKE_ANY, FAKE_HOLD_REQUESTS);
	c = kv->ops->range(kv, &one, on_done, &s);
	settle(f);
	kv->ops->cancel(c);
	settle(f);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.status, -ECANCELED);
	fake_kv_hold(f, 0, FAKE_HOLD_NONE);
	settle(f);
	assert_int_equal(s.n, 2);
	assert_true(s.succeeded);
	fake_kv_down(f, true);
	kv->ops->range(kv, &one, on_done, &s);
	settle(f);
	assert_int_equal(s.status, -EHOSTUNREACH);
	assert_int_equal(fake_kv_calls(f, FAKE_TXN), 3);
	fake_kv_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_txn),    cmocka_unit_test(test_range_compare),
		cmocka_unit_test(test_lease),  cmocka_unit_test(test_watch),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
