/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What calls answer when etcd is away, in part or as a whole; what was sent is never sent twice. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/store/lab.h"
#include "tests/store/proxy.h"

#define FAIL_WITHIN_MS 5000 /* ETCD_CALL_TIMEOUT_MS and some room for a busy machine */

static struct lab lab;

static int setup(void **state)
{
	(void)state;
	lab_open(&lab, 1);
	return 0;
}

static int setup_cluster(void **state)
{
	(void)state;
	lab_open(&lab, 3);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_close(&lab);
	return 0;
}

static void refused_is_told_soon(void **state)
{
	(void)state;
	struct lab_answer a;
	uint64_t start;

	server_kill(&lab.servers, 0, false);
	start = lab_now(&lab);
	a = lab_put(&lab, "/x", "y", 0);
	assert_int_equal(a.status, -EHOSTUNREACH);
	assert_non_null(strstr(a.err, lab.servers.s[0].url));
	assert_int_equal(lab_get(&lab, "/x").status, -EHOSTUNREACH);
	/* Not by waiting for the deadline. */
	assert_true(lab_now(&lab) - start < 2000);
	server_start(&lab.servers, 0);
	lab_wait_ready(&lab);
	lab_must_put(&lab, "/x", "y");
}

static void a_silent_server(void **state)
{
	(void)state;
	struct lab_answer get = { 0 }, put = { 0 };
	uint64_t start;

	lab_must_put(&lab, "/silent", "0");
	server_stop(&lab.servers, 0);
	start = lab_now(&lab);
	kv_range(lab.kv, &(struct kv_range){ .key = "/silent" }, lab_on_done, &get);
	kv_put(lab.kv, "/silent", "1", 0, lab_on_done, &put);
	lab_until(&lab, get.done && put.done);
	/* It may be done or not: that is what the status says. */
	assert_int_equal(put.status, -ETIMEDOUT);
	assert_int_equal(get.status, -ETIMEDOUT);
	assert_true(lab_now(&lab) - start < FAIL_WITHIN_MS);
	kill(lab.servers.s[0].pid, SIGCONT);
	lab_wait_ready(&lab);
	lab_must_put(&lab, "/silent", "2");
}

static void the_next_endpoint(void **state)
{
	(void)state;
	/* Port 1 refuses; and a write is not lost by it. */
	struct etcd_config config = { 0 };
	struct kv_health health[2];
	struct lab two;

	strv_add(&config.endpoints, "http://127.0.0.1:1");
	strv_add(&config.endpoints, lab.servers.s[0].url);
	lab_second(&two, &lab, &config);
	lab_must_put(&two, "/next", "1");
	assert_int_equal(kv_health(two.kv, health, 2), 2);
	assert_false(health[0].up);
	assert_true(health[1].up);
	lab_client_close(&two);
}

static struct proxy *behind_proxy(struct lab *through)
{
	struct etcd_config config = { .call_timeout_ms = 1500 };
	struct proxy *proxy = proxy_new(lab.loop, lab.servers.s[0].client_port);
	_cleanup_free_ char *url = mem_printf("http://127.0.0.1:%d", proxy_port(proxy));

	strv_add(&config.endpoints, url);
	lab_second(through, &lab, &config);
	return proxy;
}

/* curl by itself sends a POST again when a kept connection ends before an answer came. */
static void a_write_is_sent_once(void **state)
{
	(void)state;
	struct lab through;
	struct proxy *proxy = behind_proxy(&through);
	struct kv_compare absent = { .key = "/once/k", .target = KV_TARGET_CREATE };
	struct kv_op put = { .type = KV_OP_PUT, .key = "/once/k", .value = "1" };
	struct lab_answer a;
	int64_t before;

	/* The connection is a kept one. */
	before = lab_must_put(&through, "/once/x", "0");
	proxy_mode(proxy, PROXY_CUT);
	a = lab_put(&through, "/once/x", "1", 0);
	assert_int_equal(a.status, -ETIMEDOUT);
	a = lab_txn(&through, &(struct kv_txn){ &absent, 1, &put, 1, NULL, 0 });
	assert_int_equal(a.status, -ETIMEDOUT);
	proxy_mode(proxy, PROXY_RELAY);
	/* Both were done, and done once. */
	a = lab_get(&lab, "/once/x");
	assert_string_equal(a.value, "1");
	assert_int_equal(a.mod_revision, before + 1);
	a = lab_get(&lab, "/once/k");
	assert_int_equal(a.mod_revision, before + 2);
	assert_int_equal(a.revision, before + 2);
	lab_client_close(&through);
	proxy_close(proxy);
}

static void a_read_is_sent_again(void **state)
{
	(void)state;
	struct lab through;
	struct proxy *proxy = behind_proxy(&through);
	struct lab_answer a = { 0 };

	lab_must_put(&through, "/again", "0");
	proxy_mode(proxy, PROXY_CUT);
	kv_range(through.kv, &(struct kv_range){ .key = "/again" }, lab_on_done, &a);
	for (int i = 0; i < 3; i++)
		lab_turn(&lab);
	proxy_mode(proxy, PROXY_RELAY);
	lab_until(&lab, a.done);
	assert_int_equal(a.status, 0);
	lab_client_close(&through);
	proxy_close(proxy);
}

/* Calls, a watch and a cancelled call at every stage: each callback comes once, and before `closed`. */
static void closing_cancels(void **state)
{
	(void)state;
	struct lab_answer a[20] = { 0 };
	struct etcd_config config = { 0 };
	struct lab second;
	struct lab_watch w;

	for (int turns = 0; turns < 4; turns++) {
		config = (struct etcd_config){ 0 };
		strv_add(&config.endpoints, lab.servers.s[0].url);
		strv_add(&config.endpoints, "http://127.0.0.1:1");
		lab_second(&second, &lab, &config);
		memset(a, 0, sizeof(a));
		for (size_t i = 0; i < ARRAY_SIZE(a); i++)
			kv_put(second.kv, "/close", "x", 0, lab_on_done, &a[i]);
		lab_watch(&second, &w, "/close", 0);
		for (int i = 0; i < turns; i++)
			lab_turn(&lab);
		lab_client_close(&second);
		for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
			assert_int_equal(a[i].done, 1);
			assert_true(a[i].status == -ECANCELED || a[i].status == 0);
		}
		for (size_t i = 0; i < w.n_events; i++)
			free(w.keys[i]);
		free(w.last_value);
	}
}

static void not_etcd_at_all(void **state)
{
	(void)state;
	/* etcd's peer port speaks HTTP, but not this. */
	struct etcd_config config = { 0 };
	_cleanup_free_ char *url = mem_printf("http://127.0.0.1:%d", lab.servers.s[0].peer_port);
	struct lab other;
	struct lab_answer a;

	server_wait(&lab.servers, 0);
	strv_add(&config.endpoints, url);
	lab_second(&other, &lab, &config);
	a = lab_get(&other, "/x");
	assert_int_equal(a.status, -EPROTO);
	assert_non_null(strstr(a.err, "404"));
	lab_client_close(&other);
}

static void bad_config(void **state)
{
	(void)state;
	static const char *const bad[] = { "ftp://h:1",	     "http://",
					   "10.0.0.1:2379",  "http://h:1/x",
					   "http://h:99999", "http://u@h:1",
					   "unix://rel",     "" };
	static const char *const good[] = { "http://h", "https://[fd00::1]:2379", "unix:///run/e",
					    "http://h:1/" };
	struct err e = { 0 };
	struct etcd_config c = { .password = "p", .cert_file = "/none/a", .ca_file = "/none/b" };

	assert_int_equal(etcd_config_check(&c, &e), -EINVAL);
	/* All at once. */
	assert_non_null(strstr(e.text, "no endpoint"));
	assert_non_null(strstr(e.text, "/none/a"));
	assert_non_null(strstr(e.text, "/none/b"));
	assert_non_null(strstr(e.text, "go together"));
	assert_non_null(strstr(e.text, "without a user"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		c = (struct etcd_config){ 0 };
		strv_add(&c.endpoints, bad[i]);
		assert_int_equal(etcd_config_check(&c, NULL), -EINVAL);
		strv_done(&c.endpoints);
	}
	c = (struct etcd_config){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		strv_add(&c.endpoints, good[i]);
	assert_int_equal(etcd_config_check(&c, &e), 0);
	strv_done(&c.endpoints);
}

/* The current leader's number, -1 while there is none. */
static int leader(void)
{
	for (int i = 0; i < 3; i++) {
		_cleanup_free_ char *log = servers_file(&lab.servers, "status");
		_cleanup_free_ char *url =
			mem_printf("%s/v3/maintenance/status", lab.servers.s[i].url);
		char text[4096] = "", *id, *lead;
		FILE *f;

		if (lab.servers.s[i].pid == 0)
			continue;
		run("curl", "-s", "-o", log, "--max-time", "2", "-d", "{}", url, NULL);
		f = fopen(log, "r");
		if (f) {
			text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
			fclose(f);
		}
		id = strstr(text, "\"member_id\":\"");
		lead = strstr(text, "\"leader\":\"");
		if (id && lead && strtoull(id + 13, NULL, 10) == strtoull(lead + 10, NULL, 10))
			return i;
	}
	return -1;
}

static void leader_killed(void **state)
{
	(void)state;
	struct lab_watch w;
	struct lab_answer a;
	int first;

	lab_watch(&lab, &w, "/lead/", 0);
	lab_until(&lab, w.live == 1);
	first = leader();
	assert_true(first >= 0);
	server_kill(&lab.servers, first, false);
	/* Waits for the election; at most one that was under way is in doubt. */
	a = lab_put(&lab, "/lead/1", "a", 0);
	if (a.status == -ETIMEDOUT)
		a = lab_put(&lab, "/lead/1", "a", 0);
	assert_int_equal(a.status, 0);
	lab_until(&lab, w.n_events >= 1);
	assert_true(lab_watch_is(&w, KV_WATCH_LIVE));
	server_start(&lab.servers, first);
	server_wait(&lab.servers, first);
	lab_watch_close(&w);
}

/* One member of three is not enough; it says so instead of keeping the caller, and the watch notices. */
static void quorum_lost(void **state)
{
	(void)state;
	struct lab_answer a;
	struct lab_watch w;
	uint64_t start;

	lab_wait_ready(&lab);
	lab_must_put(&lab, "/q/0", "a");
	lab_watch(&lab, &w, "/q/", 0);
	lab_until(&lab, w.live == 1);
	server_kill(&lab.servers, 0, false);
	server_kill(&lab.servers, 1, false);
	lab_until(&lab, lab_watch_is(&w, KV_WATCH_DOWN));
	do {
		start = lab_now(&lab);
		a = lab_put(&lab, "/q/1", "b", 0);
		assert_true(a.status == -EHOSTUNREACH || a.status == -ETIMEDOUT);
		assert_true(lab_now(&lab) - start < FAIL_WITHIN_MS);
	} while (!strstr(a.err, "no leader"));
	/* By now the member left knows that it has no leader: certainly not done. */
	a = lab_put(&lab, "/q/2", "b", 0);
	assert_int_equal(a.status, -EHOSTUNREACH);
	assert_non_null(strstr(a.err, "no leader"));
	server_start(&lab.servers, 0);
	server_start(&lab.servers, 1);
	lab_wait_ready(&lab);
	start = lab_now(&lab);
	lab_until(&lab, lab_watch_is(&w, KV_WATCH_LIVE));
	assert_true(lab_now(&lab) - start < 3000);
	lab_must_put(&lab, "/q/3", "c");
	lab_until(&lab, w.n_events > 0 && strcmp(w.keys[w.n_events - 1], "/q/3") == 0);
	assert_int_equal(lab_get(&lab, "/q/2").n_entries, 0);
	lab_watch_close(&w);
}

static void all_gone(void **state)
{
	(void)state;
	struct lab_answer a;
	uint64_t start;

	for (int i = 0; i < 3; i++)
		server_kill(&lab.servers, i, false);
	start = lab_now(&lab);
	a = lab_put(&lab, "/gone", "x", 0);
	assert_int_equal(a.status, -EHOSTUNREACH);
	assert_true(lab_now(&lab) - start < 1000);
}

int main(void)
{
	const struct CMUnitTest one[] = {
		cmocka_unit_test(refused_is_told_soon), cmocka_unit_test(a_silent_server),
		cmocka_unit_test(the_next_endpoint),	cmocka_unit_test(a_write_is_sent_once),
		cmocka_unit_test(a_read_is_sent_again), cmocka_unit_test(closing_cancels),
		cmocka_unit_test(not_etcd_at_all),	cmocka_unit_test(bad_config),
	};
	const struct CMUnitTest cluster[] = {
		cmocka_unit_test(leader_killed),
		cmocka_unit_test(quorum_lost),
		cmocka_unit_test(all_gone),
	};
	int failed = cmocka_run_group_tests(one, setup, teardown);

	return failed + cmocka_run_group_tests(cluster, setup_cluster, teardown);
}
