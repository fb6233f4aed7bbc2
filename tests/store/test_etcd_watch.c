/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The watch against real etcd: events, what is lost and what is not when etcd goes and comes back. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/store/lab.h"
#include "tests/store/proxy.h"

static struct lab lab;

static int setup(void **state)
{
	(void)state;
	lab_init(&lab, 1, false);
	lab.config.watch_silence_ms = 1500;
	server_start(&lab.servers, 0);
	lab_client(&lab);
	lab_wait_ready(&lab);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_close(&lab);
	return 0;
}

static void compact(int64_t revision)
{
	_cleanup_free_ char *url = mem_printf("%s/v3/kv/compaction", lab.servers.s[0].url);
	_cleanup_free_ char *body =
		mem_printf("{\"revision\":\"%lld\",\"physical\":true}", (long long)revision);

	run("curl", "-sf", "-d", body, url, NULL);
}

static void events_in_order(void **state)
{
	(void)state;
	struct kv_op ops[] = { { .type = KV_OP_PUT, .key = "/w/c", .value = "3" },
			       { .type = KV_OP_DELETE, .key = "/w/a" } };
	struct lab_watch w, past;
	int64_t first = lab_must_put(&lab, "/w/before", "0");

	lab_watch(&lab, &w, "/w/", first + 1);
	lab_until(&lab, w.live == 1);
	lab_must_put(&lab, "/w/a", "1");
	lab_must_put(&lab, "/other", "x");
	lab_must_put(&lab, "/w/b", "2");
	lab_txn(&lab, &(struct kv_txn){ .then_ops = ops, .n_then = 2 });
	lab_until(&lab, w.n_events == 4);
	assert_string_equal(w.keys[0], "/w/a");
	assert_string_equal(w.keys[1], "/w/b");
	assert_true(w.ordered);
	/* From the past. */
	lab_watch(&lab, &past, "/w/", first);
	lab_until(&lab, past.n_events == 5);
	assert_string_equal(past.keys[0], "/w/before");
	assert_int_equal(w.n_events, 4);
	lab_watch_close(&w);
	lab_watch_close(&past);
}

static void large_events(void **state)
{
	(void)state;
	_cleanup_free_ char *value = mem_alloc(KV_VALUE_MAX + 1);
	int64_t first = lab_must_put(&lab, "/big/0", "");
	struct lab_watch w;

	memset(value, 'x', KV_VALUE_MAX);
	for (int i = 0; i < 4; i++)
		lab_must_put(&lab, "/big/k", value);
	/* All in one line. */
	lab_watch(&lab, &w, "/big/", first);
	lab_until(&lab, w.n_events == 5);
	assert_int_equal(strlen(w.last_value), KV_VALUE_MAX);
	lab_watch_close(&w);
}

static void quiet_is_not_silent(void **state)
{
	(void)state;
	uint64_t end;
	struct lab_watch w;

	lab_watch(&lab, &w, "/quiet/", 0);
	lab_until(&lab, w.live == 1);
	for (end = lab_now(&lab) + 3500; lab_now(&lab) < end;)
		lab_turn(&lab);
	assert_int_equal(w.down, 0);
	lab_watch_close(&w);
}

static void resumes_after_a_kill(void **state)
{
	(void)state;
	struct etcd_config config = { 0 };
	struct lab_watch w;
	struct lab slow;
	uint64_t start;

	/* One that asks every two seconds only. */
	strv_add(&config.endpoints, lab.servers.s[0].url);
	lab_second(&slow, &lab, &config);
	for (int gently = 0; gently < 2; gently++) {
		lab_watch(&slow, &w, "/kill/", 0);
		lab_until(&lab, w.live == 1);
		lab_must_put(&lab, "/kill/1", "a");
		lab_until(&lab, w.n_events == 1);
		server_kill(&lab.servers, 0, gently);
		start = lab_now(&lab);
		lab_until(&lab, w.down == 1);
		/* At once, not by asking. */
		assert_true(lab_now(&lab) - start < 500);
		server_start(&lab.servers, 0);
		lab_wait_ready(&lab);
		lab_must_put(&lab, "/kill/2", "b");
		lab_until(&lab, w.n_events == 2);
		assert_int_equal(w.live, 2);
		assert_int_equal(w.down, 1);
		assert_string_equal(w.keys[1], "/kill/2");
		lab_watch_close(&w);
	}
	lab_client_close(&slow);
}

/* Events of the time without a stream come afterwards. */
static void loses_nothing_while_stopped(void **state)
{
	(void)state;
	struct lab_watch w;

	lab_watch(&lab, &w, "/stop/", 0);
	lab_until(&lab, w.live == 1);
	server_stop(&lab.servers, 0);
	lab_until(&lab, w.down == 1);
	assert_non_null(strstr(w.why, "silent"));
	kill(lab.servers.s[0].pid, SIGCONT);
	lab_wait_ready(&lab);
	lab_must_put(&lab, "/stop/1", "a");
	lab_until(&lab, w.live == 2 && w.n_events == 1);
	lab_watch_close(&w);
}

static void compacted(void **state)
{
	(void)state;
	int64_t first = lab_must_put(&lab, "/comp/1", "a"), last;
	struct lab_watch w;

	lab_must_put(&lab, "/comp/1", "b");
	last = lab_must_put(&lab, "/comp/1", "c");
	compact(last);
	lab_watch(&lab, &w, "/comp/", first);
	lab_until(&lab, w.compacted == 1);
	assert_int_equal(w.n_events, 0);
	/* The end: nothing comes any more. */
	lab_must_put(&lab, "/comp/1", "d");
	for (int i = 0; i < 20; i++)
		lab_turn(&lab);
	assert_int_equal(w.n_events, 0);
	lab_watch_close(&w);
	assert_int_equal(
		lab_range(&lab, &(struct kv_range){ .key = "/comp/1", .revision = first }).status,
		-ESTALE);
}

/* A second client that sees etcd through a proxy, and directly with @both. */
static struct proxy *behind_proxy(struct lab *through, bool both)
{
	struct etcd_config config = { .watch_silence_ms = 1500, .call_timeout_ms = 2000 };
	struct proxy *proxy = proxy_new(lab.loop, lab.servers.s[0].client_port);
	_cleanup_free_ char *url = mem_printf("http://127.0.0.1:%d", proxy_port(proxy));

	strv_add(&config.endpoints, url);
	if (both)
		strv_add(&config.endpoints, lab.servers.s[0].url);
	lab_second(through, &lab, &config);
	return proxy;
}

static void compacted_while_away(void **state)
{
	(void)state;
	struct lab through;
	struct proxy *proxy = behind_proxy(&through, false);
	struct lab_watch w;

	lab_watch(&through, &w, "/away/", 0);
	lab_until(&lab, w.live == 1);
	lab_must_put(&lab, "/away/1", "a");
	lab_until(&lab, w.n_events == 1);
	proxy_mode(proxy, PROXY_HOLE);
	lab_must_put(&lab, "/away/1", "b");
	compact(lab_must_put(&lab, "/away/1", "c"));
	lab_until(&lab, w.down == 1);
	proxy_mode(proxy, PROXY_RELAY);
	lab_until(&lab, w.compacted == 1);
	assert_int_equal(w.n_events, 1);
	lab_watch_close(&w);
	lab_client_close(&through);
	proxy_close(proxy);
}

static void rewound(bool wipe)
{
	struct lab_watch w, after;

	server_kill(&lab.servers, 0, true);
	if (!wipe)
		server_save(&lab.servers, 0);
	server_start(&lab.servers, 0);
	lab_wait_ready(&lab);
	lab_watch(&lab, &w, "/rew/", 0);
	lab_until(&lab, w.live == 1);
	for (int i = 0; i < 10; i++)
		lab_must_put(&lab, "/rew/1", "a");
	lab_until(&lab, w.n_events == 10);
	server_kill(&lab.servers, 0, false);
	if (wipe)
		server_wipe(&lab.servers, 0);
	else
		server_restore(&lab.servers, 0);
	server_start(&lab.servers, 0);
	lab_until(&lab, w.rewound == 1);
	assert_int_equal(w.n_events, 10);
	assert_int_equal(w.live, 1);
	/* From a revision that the store has not reached yet: found out at once, too. */
	lab_watch(&lab, &after, "/rew/", w.revision + 1);
	lab_until(&lab, after.rewound == 1);
	assert_int_equal(after.live, 0);
	lab_watch_close(&w);
	lab_watch_close(&after);
}

static void restored_from_a_backup(void **state)
{
	(void)state;
	rewound(false);
}

static void wiped(void **state)
{
	(void)state;
	rewound(true);
}

static void on_state_close(void *user, enum kv_watch_state state, const char *why)
{
	struct lab_watch *w = user;

	(void)state;
	(void)why;
	w->live++;
	kv_watch_close(lab.kv, w->w);
}

static void no_events(void *user, int64_t revision, const struct kv_event *ev, size_t n)
{
	(void)user;
	(void)revision;
	(void)ev;
	(void)n;
	fail();
}

static void closes_inside_a_handler(void **state)
{
	(void)state;
	static const struct kv_watch_handlers h = { .events = no_events, .state = on_state_close };
	struct lab_watch w = { 0 };

	lab_must_put(&lab, "/in/1", "a");
	w.w = kv_watch_start(lab.kv, "/in/1", NULL, 1, &h, &w);
	lab_until(&lab, w.live == 1);
	for (int i = 0; i < 20; i++)
		lab_turn(&lab);
	assert_int_equal(w.live, 1);
	/* Never opened. */
	w.w = kv_watch_start(lab.kv, "/in/1", NULL, 1, &h, &w);
	kv_watch_close(lab.kv, w.w);
	kv_watch_close(lab.kv, NULL);
}

static void leaves_a_black_hole(void **state)
{
	(void)state;
	struct lab through;
	struct proxy *proxy = behind_proxy(&through, true);
	struct kv_health health[3];
	struct lab_watch w;

	lab_watch(&through, &w, "/hole/", 0);
	lab_until(&lab, w.live == 1);
	proxy_mode(proxy, PROXY_HOLE);
	/* A read moves over within its deadline, the watch after its silence. */
	assert_int_equal(lab_get(&through, "/hole/x").status, 0);
	lab_until(&lab, w.down == 1 && w.live == 2);
	lab_must_put(&lab, "/hole/1", "a");
	lab_until(&lab, w.n_events == 1);
	assert_int_equal(kv_health(through.kv, health, 3), 2);
	assert_string_equal(health[0].endpoint, through.config.endpoints.v[0]);
	assert_false(health[0].up);
	assert_true(*health[0].last_error);
	assert_true(health[1].up);
	/* It comes back without being used: asked for its health. */
	proxy_mode(proxy, PROXY_RELAY);
	lab_until(&lab, kv_health(through.kv, health, 3) == 2 && health[0].up);
	lab_watch_close(&w);
	lab_client_close(&through);
	proxy_close(proxy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_in_order),
		cmocka_unit_test(large_events),
		cmocka_unit_test(quiet_is_not_silent),
		cmocka_unit_test(resumes_after_a_kill),
		cmocka_unit_test(loses_nothing_while_stopped),
		cmocka_unit_test(compacted),
		cmocka_unit_test(compacted_while_away),
		cmocka_unit_test(closes_inside_a_handler),
		cmocka_unit_test(leaves_a_black_hole),
		cmocka_unit_test(restored_from_a_backup),
		cmocka_unit_test(wiped),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
