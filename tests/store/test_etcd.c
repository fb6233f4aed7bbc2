/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client against one real etcd: ranges, transactions, leases, cancelling. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/store/lab.h"

static struct lab lab;

static int setup(void **state)
{
	(void)state;
	lab_open(&lab, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_close(&lab);
	return 0;
}

static struct lab_answer count(const char *prefix)
{
	_cleanup_free_ char *end = kv_prefix_end(prefix);

	return lab_range(&lab,
			 &(struct kv_range){ .key = prefix, .range_end = end, .count_only = true });
}

static void put_and_get(void **state)
{
	(void)state;
	int64_t rev = lab_must_put(&lab, "/pg/a", "{\"x\":1}");
	struct lab_answer a = lab_get(&lab, "/pg/a");

	assert_int_equal(a.status, 0);
	assert_int_equal(a.n_entries, 1);
	assert_string_equal(a.first, "/pg/a");
	assert_string_equal(a.value, "{\"x\":1}");
	assert_int_equal(a.mod_revision, rev);
	assert_int_equal(lab_get(&lab, "/pg/none").n_entries, 0);
	assert_int_equal(lab_get(&lab, "/pg/none").status, 0);
	/* An older revision. */
	lab_must_put(&lab, "/pg/a", "new");
	a = lab_range(&lab, &(struct kv_range){ .key = "/pg/a", .revision = rev });
	assert_string_equal(a.value, "{\"x\":1}");
	a = lab_range(&lab, &(struct kv_range){ .key = "/pg/a", .keys_only = true });
	assert_string_equal(a.value, "");
	/* Without a value. */
	lab_must_put(&lab, "/pg/empty", "");
	a = lab_get(&lab, "/pg/empty");
	assert_int_equal(a.n_entries, 1);
	assert_string_equal(a.value, "");
}

static void fill(const char *prefix, int n)
{
	for (int i = 0; i < n;) {
		char keys[100][64];
		struct kv_op ops[100];
		int k = 0;

		for (; k < 100 && i < n; k++, i++) {
			snprintf(keys[k], sizeof(keys[k]), "%s%05d", prefix, i);
			ops[k] = (struct kv_op){ .type = KV_OP_PUT, .key = keys[k], .value = "v" };
		}
		assert_int_equal(lab_txn(&lab,
					 &(struct kv_txn){ .then_ops = ops, .n_then = (size_t)k })
					 .status,
				 0);
	}
}

static void range_in_pages(void **state)
{
	(void)state;
	struct lab_answer a;

	fill("/pages/", 2500);
	a = lab_range(&lab, &(struct kv_range){ .key = "/pages/", .range_end = "/pages0" });
	assert_int_equal(a.status, 0);
	assert_int_equal(a.n_ops, 1);
	assert_int_equal(a.n_entries, 2500);
	assert_int_equal(a.count, 2500);
	assert_string_equal(a.first, "/pages/00000");
	assert_string_equal(a.last, "/pages/02499");
	a = count("/pages/");
	assert_int_equal(a.count, 2500);
	assert_int_equal(a.n_entries, 1);
	lab_must_put(&lab, "/pages/00007", "newest");
	a = count("/pages/");
	assert_string_equal(a.first, "/pages/00007");
	assert_string_equal(a.value, "");
	assert_int_equal(a.mod_revision, a.revision);
	a = count("/nothing/");
	assert_int_equal(a.count, 0);
	assert_int_equal(a.n_entries, 0);
}

static void pages_are_of_one_revision(void **state)
{
	(void)state;
	struct lab_answer a = { 0 }, b = { 0 };
	struct kv_op del = { .type = KV_OP_DELETE, .key = "/one/", .range_end = "/one0" };

	fill("/one/", 2100);
	kv_range(lab.kv, &(struct kv_range){ .key = "/one/", .range_end = "/one0" }, lab_on_done,
		 &a);
	kv_txn(lab.kv, &(struct kv_txn){ .then_ops = &del, .n_then = 1 }, lab_on_done, &b);
	lab_until(&lab, a.done && b.done);
	assert_int_equal(b.status, 0);
	assert_int_equal(b.count, 2100);
	/* Before or after, never in between. */
	assert_true(a.n_entries == 2100 || a.n_entries == 0);
	assert_true(a.revision > 0);
}

static void compare_and_branch(void **state)
{
	(void)state;
	struct kv_compare absent = { .key = "/cmp/k", .target = KV_TARGET_CREATE };
	struct kv_op put = { .type = KV_OP_PUT, .key = "/cmp/k", .value = "1" };
	struct kv_op get[] = { { .type = KV_OP_GET, .key = "/cmp/k" },
			       { .type = KV_OP_GET, .key = "/cmp/", .range_end = "/cmp0" } };
	struct kv_txn txn = { &absent, 1, &put, 1, get, 2 };
	struct kv_compare mod = { .key = "/cmp/k", .target = KV_TARGET_MOD };
	struct kv_op del = { .type = KV_OP_DELETE, .key = "/cmp/k", .prev_kv = true };
	struct lab_answer a = lab_txn(&lab, &txn);

	assert_int_equal(a.status, 0);
	assert_true(a.succeeded);
	mod.revision = a.revision;
	a = lab_txn(&lab, &txn);
	assert_false(a.succeeded);
	assert_int_equal(a.n_ops, 2);
	assert_string_equal(a.value, "1");
	/* Deleted by the revision it was created with, and only by that. */
	mod.revision--;
	a = lab_txn(&lab, &(struct kv_txn){ &mod, 1, &del, 1, NULL, 0 });
	assert_false(a.succeeded);
	assert_int_equal(a.n_ops, 0);
	mod.revision++;
	a = lab_txn(&lab, &(struct kv_txn){ &mod, 1, &del, 1, NULL, 0 });
	assert_true(a.succeeded);
	assert_int_equal(a.count, 1);
	assert_string_equal(a.value, "1");
}

static void compare_a_range(void **state)
{
	(void)state;
	struct kv_compare empty = { "/rng/", "/rng0", KV_TARGET_CREATE, KV_EQUAL, 0 };
	struct kv_compare old = { "/rng/", "/rng0", KV_TARGET_MOD, KV_LESS, 0 };
	struct kv_op put = { .type = KV_OP_PUT, .key = "/rng/a", .value = "1" };
	struct kv_txn txn = { &empty, 1, &put, 1, NULL, 0 };
	struct lab_answer a = lab_txn(&lab, &txn);

	assert_true(a.succeeded);
	assert_false(lab_txn(&lab, &txn).succeeded);
	old.revision = a.revision + 1;
	txn.compares = &old;
	put.key = "/rng/b";
	assert_true(lab_txn(&lab, &txn).succeeded);
	/* /rng/b is newer now. */
	assert_false(lab_txn(&lab, &txn).succeeded);
}

static void limits(void **state)
{
	(void)state;
	_cleanup_free_ char *key = mem_alloc(KV_KEY_MAX + 2), *value = mem_alloc(KV_VALUE_MAX + 2);
	struct kv_op ops[KV_TXN_OPS_MAX + 1];
	struct lab_answer a;

	memset(key, 'k', KV_KEY_MAX + 1);
	memset(value, 'v', KV_VALUE_MAX + 1);
	assert_int_equal(lab_put(&lab, key, "", 0).status, -EMSGSIZE);
	assert_int_equal(lab_put(&lab, "/lim/v", value, 0).status, -EMSGSIZE);
	key[KV_KEY_MAX] = '\0';
	value[KV_VALUE_MAX] = '\0';
	assert_int_equal(lab_put(&lab, key, "", 0).status, 0);
	assert_int_equal(lab_put(&lab, "/lim/v", value, 0).status, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		ops[i] = (struct kv_op){ .type = KV_OP_GET, .key = "/lim/none" };
	a = lab_txn(&lab, &(struct kv_txn){ .then_ops = ops, .n_then = KV_TXN_OPS_MAX });
	assert_int_equal(a.status, 0);
	assert_int_equal(a.n_ops, KV_TXN_OPS_MAX);
	a = lab_txn(&lab, &(struct kv_txn){ .then_ops = ops, .n_then = KV_TXN_OPS_MAX + 1 });
	assert_int_equal(a.status, -EMSGSIZE);
	/* Two values of a MiB are above etcd's own limit. */
	ops[0] = (struct kv_op){ .type = KV_OP_PUT, .key = "/lim/a", .value = value };
	ops[1] = (struct kv_op){ .type = KV_OP_PUT, .key = "/lim/b", .value = value };
	a = lab_txn(&lab, &(struct kv_txn){ .then_ops = ops, .n_then = 2 });
	assert_int_equal(a.status, -EMSGSIZE);
	/* etcd's word where none of the statuses fits. */
	ops[1].key = "/lim/a";
	ops[0].value = ops[1].value = "twice";
	a = lab_txn(&lab, &(struct kv_txn){ .then_ops = ops, .n_then = 2 });
	assert_int_equal(a.status, -EREMOTEIO);
	assert_non_null(strstr(a.err, "duplicate key"));
}

static void leases(void **state)
{
	(void)state;
	struct lab_answer a = { 0 };
	int64_t lease;

	kv_lease_grant(lab.kv, 60, lab_on_done, &a);
	lab_until(&lab, a.done);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.ttl_s, 60);
	lease = a.lease;
	assert_int_equal(lab_put(&lab, "/lease/k", "v", lease).status, 0);
	a = lab_lease(&lab, LAB_KEEPALIVE, lease);
	assert_int_equal(a.status, 0);
	assert_int_equal(a.ttl_s, 60);
	a = lab_lease(&lab, LAB_TTL, lease);
	assert_int_equal(a.status, 0);
	assert_in_range(a.ttl_s, 50, 60);
	assert_int_equal(lab_lease(&lab, LAB_REVOKE, lease).status, 0);
	assert_int_equal(lab_get(&lab, "/lease/k").n_entries, 0);
	assert_int_equal(lab_lease(&lab, LAB_KEEPALIVE, lease).status, -ENOENT);
	assert_int_equal(lab_lease(&lab, LAB_TTL, lease).status, -ENOENT);
	assert_int_equal(lab_lease(&lab, LAB_REVOKE, lease).status, -ENOENT);
	assert_int_equal(lab_put(&lab, "/lease/k", "v", lease).status, -ENOENT);
}

static void lease_expires(void **state)
{
	(void)state;
	struct lab_answer a = { 0 };
	struct lab_watch w;

	kv_lease_grant(lab.kv, 1, lab_on_done, &a);
	lab_until(&lab, a.done);
	assert_int_equal(lab_put(&lab, "/exp/k", "v", a.lease).status, 0);
	lab_watch(&lab, &w, "/exp/", 0);
	lab_until(&lab, w.n_events == 1);
	assert_int_equal(w.types[0], KV_EVENT_DELETE);
	assert_int_equal(lab_lease(&lab, LAB_KEEPALIVE, a.lease).status, -ENOENT);
	lab_watch_close(&w);
}

static void cancel(void **state)
{
	(void)state;
	struct lab_answer a = { 0 }, b = { 0 };
	struct kv_call *c = kv_range(lab.kv, &(struct kv_range){ .key = "/c" }, lab_on_done, &a);

	kv_cancel(lab.kv, c);
	assert_int_equal(a.done, 0);
	lab_until(&lab, a.done);
	assert_int_equal(a.status, -ECANCELED);
	kv_cancel(lab.kv, NULL);
	/* One that ends at once for another reason. */
	c = kv_txn(lab.kv, &(struct kv_txn){ .n_then = 1000 }, lab_on_done, &b);
	kv_cancel(lab.kv, c);
	lab_until(&lab, b.done);
	assert_int_equal(b.status, -ECANCELED);
	for (int i = 0; i < 20; i++)
		lab_turn(&lab);
	assert_int_equal(a.done, 1);
	assert_int_equal(b.done, 1);
}

static void sixteen_at_once(void **state)
{
	(void)state;
	struct lab_answer a[200] = { 0 };
	char key[32];

	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		snprintf(key, sizeof(key), "/many/%zu", i);
		kv_put(lab.kv, key, "v", 0, lab_on_done, &a[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		lab_until(&lab, a[i].done);
		assert_int_equal(a[i].status, 0);
	}
	assert_int_equal(count("/many/").count, ARRAY_SIZE(a));
}

static void a_key_with_nul(void **state)
{
	(void)state;
	struct lab_answer a;
	_cleanup_free_ char *url = mem_printf("%s/v3/kv/put", lab.servers.s[0].url);

	/* "/nul/a\0b" */
	run("curl", "-sf", "-d", "{\"key\":\"L251bC9hAGI=\",\"value\":\"eA==\"}", url, NULL);
	a = lab_range(&lab, &(struct kv_range){ .key = "/nul/", .range_end = "/nul0" });
	assert_int_equal(a.n_entries, 1);
	assert_string_equal(a.first, "/nul/a\xff"
				     "b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put_and_get),
		cmocka_unit_test(range_in_pages),
		cmocka_unit_test(pages_are_of_one_revision),
		cmocka_unit_test(compare_and_branch),
		cmocka_unit_test(compare_a_range),
		cmocka_unit_test(limits),
		cmocka_unit_test(leases),
		cmocka_unit_test(lease_expires),
		cmocka_unit_test(cancel),
		cmocka_unit_test(sixteen_at_once),
		cmocka_unit_test(a_key_with_nul),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
