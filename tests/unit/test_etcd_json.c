/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it */
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/etcd_json.h"

#define HEADER "\"header\":{\"cluster_id\":\"14841639068965178418\",\"revision\":\"42\"}"

static void writes_ranges(void **state)
{
	(void)state;
	struct kv_range req = { .key = "/a/", .range_end = "/a0" };
	_cleanup_free_ char *first = NULL, *next = NULL, *count = NULL, *all = NULL, *large = NULL;
	char key[KV_KEY_MAX + 2];

	assert_int_equal(etcd_json_range(&req, 0, NULL, 0, &first), 0);
	assert_string_equal(first, "{\"key\":\"L2Ev\",\"range_end\":\"L2Ew\",\"limit\":\"1000\"}");
	/* The next page begins behind "/a/k": "/a/k\0". */
	assert_int_equal(etcd_json_range(&req, 7, "/a/k", 4, &next), 0);
	assert_string_equal(next, "{\"key\":\"L2EvawA=\",\"range_end\":\"L2Ew\",\"revision\":\"7\","
				  "\"limit\":\"1000\"}");
	req = (struct kv_range){ .key = "/a/", .count_only = true };
	assert_int_equal(etcd_json_range(&req, 0, NULL, 0, &count), 0);
	assert_string_equal(count, "{\"key\":\"L2Ev\",\"limit\":\"1\",\"sort_order\":\"DESCEND\","
				   "\"sort_target\":\"MOD\",\"keys_only\":true}");
	req = (struct kv_range){ .key = "", .range_end = "", .keys_only = true };
	assert_int_equal(etcd_json_range(&req, 0, NULL, 0, &all), 0);
	assert_string_equal(all, "{\"key\":\"AA==\",\"range_end\":\"AA==\",\"limit\":\"1000\","
				 "\"keys_only\":true}");
	memset(key, 'k', sizeof(key));
	key[KV_KEY_MAX + 1] = '\0';
	req = (struct kv_range){ .key = key };
	assert_int_equal(etcd_json_range(&req, 0, NULL, 0, &large), -EMSGSIZE);
	assert_null(large);
}

static void writes_a_transaction(void **state)
{
	(void)state;
	struct kv_compare cmp[] = {
		{ "k", NULL, KV_TARGET_CREATE, KV_EQUAL, 0 },
		{ "/a/", "/a0", KV_TARGET_MOD, KV_LESS, 9 },
	};
	struct kv_op then_ops[] = {
		{ .type = KV_OP_PUT, .key = "k", .value = "v", .lease = 5 },
		{ .type = KV_OP_DELETE, .key = "k", .range_end = "l", .prev_kv = true },
	};
	struct kv_op else_ops[] = { { .type = KV_OP_GET, .key = "k", .keys_only = true } };
	struct kv_txn txn = { cmp, 2, then_ops, 2, else_ops, 1 };
	struct etcd_json_ops ops;
	_cleanup_free_ char *body = NULL;

	assert_int_equal(etcd_json_txn(&txn, &body, &ops), 0);
	assert_string_equal(
		body,
		"{\"compare\":[{\"key\":\"aw==\",\"target\":\"CREATE\",\"result\":\"EQUAL\","
		"\"create_revision\":\"0\"},{\"key\":\"L2Ev\",\"range_end\":\"L2Ew\","
		"\"target\":\"MOD\",\"result\":\"LESS\",\"mod_revision\":\"9\"}],"
		"\"success\":[{\"request_put\":{\"key\":\"aw==\",\"value\":\"dg==\",\"lease\":\"5\"}},"
		"{\"request_delete_range\":{\"key\":\"aw==\",\"range_end\":\"bA==\",\"prev_kv\":true}}],"
		"\"failure\":[{\"request_range\":{\"key\":\"aw==\",\"keys_only\":true}}]}");
	assert_int_equal(ops.n_then, 2);
	assert_int_equal(ops.n_else, 1);
	assert_int_equal(ops.then_types[1], KV_OP_DELETE);
	assert_int_equal(ops.else_types[0], KV_OP_GET);
}

static void writes_the_rest(void **state)
{
	(void)state;
	_cleanup_free_ char *a = etcd_json_lease_grant(60), *b = etcd_json_lease(INT64_MAX);
	_cleanup_free_ char *c = etcd_json_auth("u\"ser", "p\\w"),
			    *d = etcd_json_watch("k", NULL, 3);
	_cleanup_free_ char *e = etcd_json_watch("k", "l", 0), *f = etcd_json_watch_progress();

	assert_string_equal(a, "{\"TTL\":\"60\"}");
	assert_string_equal(b, "{\"ID\":\"9223372036854775807\"}");
	assert_string_equal(c, "{\"name\":\"u\\\"ser\",\"password\":\"p\\\\w\"}");
	assert_string_equal(d,
			    "{\"create_request\":{\"key\":\"aw==\",\"start_revision\":\"3\"}}\n");
	assert_string_equal(e, "{\"create_request\":{\"key\":\"aw==\",\"range_end\":\"bA==\","
			       "\"start_revision\":\"0\"}}\n");
	assert_string_equal(f, "{\"progress_request\":{}}\n");
}

static void reads_a_range(void **state)
{
	(void)state;
	struct etcd_json_entries list = { 0 };
	struct etcd_json_page page;
	struct err e = { 0 };
	const char *text =
		"{" HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"create_revision\":\"2\","
		"\"mod_revision\":\"3\",\"version\":\"2\",\"value\":\"eHkA\",\"lease\":\"77\"},"
		"{\"key\":\"YQBi\",\"create_revision\":\"4\",\"mod_revision\":\"4\"}],"
		"\"more\":true,\"count\":\"9\"}";

	assert_int_equal(etcd_json_range_read(text, strlen(text), &page, &list, &e), 0);
	assert_int_equal(page.header.revision, 42);
	assert_true(page.header.cluster_id == 14841639068965178418u);
	assert_true(page.more);
	assert_int_equal(page.count, 9);
	assert_int_equal(list.n, 2);
	assert_string_equal(list.v[0].key, "a");
	assert_int_equal(list.v[0].value_len, 3);
	assert_memory_equal(list.v[0].value, "xy\0", 4);
	assert_int_equal(list.v[0].lease, 77);
	assert_int_equal(list.v[0].create_revision, 2);
	assert_int_equal(list.v[0].mod_revision, 3);
	/* A NUL never shortens a key into another; the next page still begins where it should. */
	assert_string_equal(list.v[1].key, "a\xff"
					   "b");
	assert_string_equal(list.v[1].value, "");
	assert_int_equal(page.last_len, 3);
	assert_memory_equal(page.last_key, "a\0b", 4);
	etcd_json_page_done(&page);
	/* Pages add up. */
	assert_int_equal(etcd_json_range_read(text, strlen(text), &page, &list, &e), 0);
	assert_int_equal(list.n, 4);
	etcd_json_page_done(&page);
	etcd_json_entries_done(&list);
	/* Zero, false and empty are left out. */
	assert_int_equal(etcd_json_range_read("{}", 2, &page, &list, &e), 0);
	assert_false(page.more);
	assert_int_equal(page.count, 0);
	assert_null(page.last_key);
	etcd_json_page_done(&page);
}

static void a_range_has_a_bound(void **state)
{
	(void)state;
	struct etcd_json_entries list = { .bytes = KV_RANGE_BYTES_MAX - 20 };
	struct etcd_json_page page;
	struct err e = { 0 };
	const char *text = "{\"kvs\":[{\"key\":\"YQ==\"}]}";

	assert_int_equal(etcd_json_range_read(text, strlen(text), &page, &list, &e), -EMSGSIZE);
	etcd_json_page_done(&page);
	etcd_json_entries_done(&list);
}

static void refuses_bad_ranges(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{} x",
		"{\"header\":5}",
		"{\"header\":{\"revision\":\"x\"}}",
		"{\"count\":\"9999999999999999999999\"}",
		"{\"more\":1}",
		"{\"kvs\":{}}",
		"{\"kvs\":[5]}",
		"{\"kvs\":[{\"key\":\"not base64!\"}]}",
		"{\"kvs\":[{\"key\":5}]}",
		"{\"kvs\":[{\"key\":\"YQ==\",\"value\":[]}]}",
		"{\"kvs\":[{\"key\":\"YQ==\",\"mod_revision\":1.5}]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct etcd_json_entries list = { 0 };
		struct etcd_json_page page;
		struct err e = { 0 };

		assert_int_equal(etcd_json_range_read(bad[i], strlen(bad[i]), &page, &list, &e),
				 -EPROTO);
		assert_int_equal(e.code, -EPROTO);
		assert_true(strncmp(e.text, "answer of etcd: ", 16) == 0);
		etcd_json_page_done(&page);
		etcd_json_entries_done(&list);
	}
}

static void reads_a_transaction(void **state)
{
	(void)state;
	struct etcd_json_ops ops = { .n_then = 3, .n_else = 1 };
	struct etcd_json_txn txn;
	struct err e = { 0 };
	const char *yes =
		"{" HEADER ",\"succeeded\":true,\"responses\":["
		"{\"response_put\":{\"header\":{\"revision\":\"42\"}}},"
		"{\"response_delete_range\":{\"deleted\":\"1\",\"prev_kvs\":[{\"key\":\"YQ==\"}]}},"
		"{\"response_range\":{\"header\":{}}}]}";
	const char *no = "{" HEADER ",\"responses\":[{\"response_range\":{\"count\":\"1\","
			 "\"kvs\":[{\"key\":\"Yg==\",\"value\":\"dg==\"}]}}]}";

	ops.then_types[0] = KV_OP_PUT;
	ops.then_types[1] = KV_OP_DELETE;
	ops.then_types[2] = KV_OP_GET;
	ops.else_types[0] = KV_OP_GET;
	assert_int_equal(etcd_json_txn_read(yes, strlen(yes), &ops, &txn, &e), 0);
	assert_true(txn.succeeded);
	assert_int_equal(txn.n_ops, 3);
	assert_int_equal(txn.ops[1].count, 1);
	assert_string_equal(txn.ops[1].entries[0].key, "a");
	assert_int_equal(txn.ops[2].n_entries, 0);
	etcd_json_txn_done(&txn);
	assert_int_equal(etcd_json_txn_read(no, strlen(no), &ops, &txn, &e), 0);
	assert_false(txn.succeeded);
	assert_int_equal(txn.n_ops, 1);
	assert_string_equal(txn.ops[0].entries[0].value, "v");
	etcd_json_txn_done(&txn);
	/* The other branch's answers, too few, too many. */
	ops.n_else = 2;
	assert_int_equal(etcd_json_txn_read(no, strlen(no), &ops, &txn, &e), -EPROTO);
	etcd_json_txn_done(&txn);
	ops.n_else = 1;
	ops.else_types[0] = KV_OP_PUT;
	assert_int_equal(etcd_json_txn_read(no, strlen(no), &ops, &txn, &e), -EPROTO);
	etcd_json_txn_done(&txn);
	ops.n_else = 0;
	assert_int_equal(etcd_json_txn_read("{}", 2, &ops, &txn, &e), 0);
	etcd_json_txn_done(&txn);
}

static void reads_leases(void **state)
{
	(void)state;
	struct etcd_json_lease lease;
	struct err e = { 0 };
	const char *grant = "{" HEADER ",\"ID\":\"7587862094679030541\",\"TTL\":\"60\"}\n";
	const char *kept = "{\"result\":{" HEADER ",\"ID\":\"5\",\"TTL\":\"30\"}}\n";
	const char *dead = "{\"result\":{" HEADER ",\"ID\":\"5\"}}";

	assert_int_equal(etcd_json_lease_read(grant, strlen(grant), &lease, &e), 0);
	assert_true(lease.id == 7587862094679030541);
	assert_int_equal(lease.ttl_s, 60);
	assert_int_equal(etcd_json_lease_read(kept, strlen(kept), &lease, &e), 0);
	assert_int_equal(lease.ttl_s, 30);
	assert_int_equal(etcd_json_lease_read(dead, strlen(dead), &lease, &e), 0);
	assert_int_equal(lease.ttl_s, 0);
	assert_int_equal(etcd_json_lease_read("{\"TTL\":{}}", 10, &lease, &e), -EPROTO);
	assert_int_equal(etcd_json_lease_read("{\"result\":1}", 12, &lease, &e), -EPROTO);
}

static void reads_tokens(void **state)
{
	(void)state;
	static const char *const bad[] = { "{}", "{\"token\":\"\"}", "{\"token\":\"a b\"}",
					   "{\"token\":\"a\\r\\nX: y\"}", "{\"token\":5}" };
	const char *good = "{" HEADER ",\"token\":\"rVWyzSVKRaXhzlmy.11\"}";
	_cleanup_free_ char *token = NULL;
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(etcd_json_auth_read(bad[i], strlen(bad[i]), &token, &e), -EPROTO);
	assert_int_equal(etcd_json_auth_read(good, strlen(good), &token, &e), 0);
	assert_string_equal(token, "rVWyzSVKRaXhzlmy.11");
}

static void reads_errors(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int r, code;
		const char *reason;
	} cases[] = {
		{ "{\"error\":\"etcdserver: x\",\"message\":\"etcdserver: x\",\"code\":11}", 0, 11,
		  "etcdserver: x" },
		{ "{\"error\":\"only this\"}", 0, 0, "only this" },
		{ "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"gone\"}}", 0, 14,
		  "gone" },
		{ "{\"error\":{\"code\":5,\"message\":\"v2\",\"details\":[]}}", 0, 5, "v2" },
		{ "{\"code\":5,\"message\":\"v2\",\"details\":[]}", 0, 5, "v2" },
		{ "{\"error\":7}", 0, 0, "unnamed error" },
		{ "{\"error\":\"x\",\"code\":\"-9\"}", 0, 0, "x" },
		{ "{\"result\":{}}", -ENOENT, 0, "" },
		{ "404 page not found\n", -EPROTO, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct etcd_json_error error;

		assert_int_equal(etcd_json_error_read(cases[i].text, strlen(cases[i].text), &error),
				 cases[i].r);
		assert_int_equal(error.code, cases[i].code);
		assert_string_equal(error.reason, cases[i].reason);
	}
}

static void reads_watch_lines(void **state)
{
	(void)state;
	struct etcd_json_watch w;
	struct err e = { 0 };
	const char *created = "{\"result\":{" HEADER ",\"created\":true}}";
	const char *events =
		"{\"result\":{" HEADER ",\"events\":[{\"kv\":{\"key\":\"YQ==\","
		"\"mod_revision\":\"41\",\"value\":\"dg==\"}},{\"type\":\"DELETE\",\"kv\":"
		"{\"key\":\"Yg==\",\"mod_revision\":\"42\"}}]}}";
	const char *compacted = "{\"result\":{" HEADER
				",\"canceled\":true,\"compact_revision\":\"500\"}}";
	const char *refused = "{\"result\":{" HEADER
			      ",\"watch_id\":\"-1\",\"created\":true,\"canceled\":true,"
			      "\"cancel_reason\":\"no\"}}";
	const char *error = "{\"error\":{\"grpc_code\":14,\"message\":\"etcdserver: no leader\"}}";

	assert_int_equal(etcd_json_watch_read(created, strlen(created), &w, &e), 0);
	assert_true(w.created);
	assert_int_equal(w.header.revision, 42);
	etcd_json_watch_done(&w);
	assert_int_equal(etcd_json_watch_read(events, strlen(events), &w, &e), 0);
	assert_int_equal(w.n_events, 2);
	assert_int_equal(w.events[0].type, KV_EVENT_PUT);
	assert_string_equal(w.events[0].entry.value, "v");
	assert_int_equal(w.events[1].type, KV_EVENT_DELETE);
	assert_string_equal(w.events[1].entry.key, "b");
	assert_string_equal(w.events[1].entry.value, "");
	assert_int_equal(w.events[1].entry.mod_revision, 42);
	etcd_json_watch_done(&w);
	assert_int_equal(etcd_json_watch_read(compacted, strlen(compacted), &w, &e), 0);
	assert_true(w.canceled);
	assert_int_equal(w.compact_revision, 500);
	etcd_json_watch_done(&w);
	assert_int_equal(etcd_json_watch_read(refused, strlen(refused), &w, &e), 0);
	assert_true(w.canceled);
	assert_string_equal(w.error.reason, "no");
	etcd_json_watch_done(&w);
	assert_int_equal(etcd_json_watch_read(error, strlen(error), &w, &e), 0);
	assert_true(w.failed);
	assert_int_equal(w.error.code, 14);
	etcd_json_watch_done(&w);
}

static void refuses_bad_watch_lines(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"{}",
		"{\"result\":5}",
		"{\"result\":{\"events\":5}}",
		"{\"result\":{\"events\":[{}]}}",
		"{\"result\":{\"events\":[{\"type\":\"MOVE\",\"kv\":{}}]}}",
		"{\"result\":{\"events\":[{\"kv\":{\"key\":\"YQ==\"}},{\"kv\":{\"key\":\"*\"}}]}}",
		"{\"result\":{\"canceled\":\"yes\"}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct etcd_json_watch w;
		struct err e = { 0 };

		assert_int_equal(etcd_json_watch_read(bad[i], strlen(bad[i]), &w, &e), -EPROTO);
		assert_int_equal(e.code, -EPROTO);
		etcd_json_watch_done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_ranges),       cmocka_unit_test(writes_a_transaction),
		cmocka_unit_test(writes_the_rest),     cmocka_unit_test(reads_a_range),
		cmocka_unit_test(a_range_has_a_bound), cmocka_unit_test(refuses_bad_ranges),
		cmocka_unit_test(reads_a_transaction), cmocka_unit_test(reads_leases),
		cmocka_unit_test(reads_tokens),	       cmocka_unit_test(reads_errors),
		cmocka_unit_test(reads_watch_lines),   cmocka_unit_test(refuses_bad_watch_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
