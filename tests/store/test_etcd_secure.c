/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS with client certificates; users, passwords and tokens that end; unix sockets. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/store/lab.h"

static struct lab lab;

/* A CA, a server's certificate for 127.0.0.1, a client's, and one of another CA. */
static void make_certs(const struct servers *c)
{
	static const struct {
		const char *name, *ca, *san, *usage;
	} certs[] = {
		{ "server", "ca", "subjectAltName=IP:127.0.0.1",
		  "extendedKeyUsage=serverAuth,clientAuth" },
		{ "client", "ca", NULL, "extendedKeyUsage=clientAuth" },
		{ "stranger", "other", NULL, "extendedKeyUsage=clientAuth" },
	};
	static const char *const cas[] = { "ca", "other" };

	assert_int_equal(chdir(c->dir), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cas); i++) {
		_cleanup_free_ char *key = mem_printf("%s.key", cas[i]);
		_cleanup_free_ char *pem = mem_printf("%s.pem", cas[i]);
		_cleanup_free_ char *subject = mem_printf("/CN=%s", cas[i]);

		run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", subject, "-keyout",
		    key, "-out", pem, NULL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(certs); i++) {
		_cleanup_free_ char *key = mem_printf("%s.key", certs[i].name);
		_cleanup_free_ char *pem = mem_printf("%s.pem", certs[i].name);
		_cleanup_free_ char *ca = mem_printf("%s.pem", certs[i].ca);
		_cleanup_free_ char *ca_key = mem_printf("%s.key", certs[i].ca);

		run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/O=ovl", "-keyout",
		    key, "-out", pem, "-CA", ca, "-CAkey", ca_key, "-addext",
		    "basicConstraints=critical,CA:FALSE", "-addext", certs[i].usage,
		    certs[i].san ? "-addext" : NULL, certs[i].san, NULL);
	}
	assert_int_equal(chdir("/"), 0);
}

/* A client with these files of the servers' directory. */
static void second(struct lab *l, const char *url, const char *ca, const char *cert,
		   const char *key, const char *user, const char *password)
{
	struct etcd_config config = {
		.ca_file = ca ? servers_file(&lab.servers, ca) : NULL,
		.cert_file = cert ? servers_file(&lab.servers, cert) : NULL,
		.key_file = key ? servers_file(&lab.servers, key) : NULL,
		.user = user,
		.password = password,
		.watch_silence_ms = 1500,
	};

	strv_add(&config.endpoints, url);
	lab_second(l, &lab, &config);
}

static void second_close(struct lab *l)
{
	lab_client_close(l);
	free((char *)l->config.ca_file);
	free((char *)l->config.cert_file);
	free((char *)l->config.key_file);
}

static int setup_tls(void **state)
{
	(void)state;
	lab_init(&lab, 1, true);
	make_certs(&lab.servers);
	lab.config.ca_file = servers_file(&lab.servers, "ca.pem");
	lab.config.cert_file = servers_file(&lab.servers, "client.pem");
	lab.config.key_file = servers_file(&lab.servers, "client.key");
	lab.config.watch_silence_ms = 1500;
	server_start(&lab.servers, 0);
	lab_client(&lab);
	lab_wait_ready(&lab);
	return 0;
}

static int setup_plain(void **state)
{
	(void)state;
	lab_open(&lab, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_close(&lab);
	free((char *)lab.config.ca_file);
	free((char *)lab.config.cert_file);
	free((char *)lab.config.key_file);
	return 0;
}

static void tls_calls_and_watch(void **state)
{
	(void)state;
	struct lab_watch w;
	uint64_t end;

	lab_watch(&lab, &w, "/t/", 0);
	lab_until(&lab, w.live == 1);
	lab_must_put(&lab, "/t/1", "a");
	lab_until(&lab, w.n_events == 1);
	for (end = lab_now(&lab) + 2500; lab_now(&lab) < end;)
		lab_turn(&lab);
	assert_int_equal(w.down, 0);
	server_kill(&lab.servers, 0, false);
	lab_until(&lab, w.down == 1);
	server_start(&lab.servers, 0);
	lab_wait_ready(&lab);
	lab_must_put(&lab, "/t/2", "b");
	lab_until(&lab, w.n_events == 2);
	lab_watch_close(&w);
}

static void tls_refusals(void **state)
{
	(void)state;
	const char *url = lab.servers.s[0].url;
	struct lab_answer a;
	struct lab l;

	/* A server whom the CA does not know: certainly not sent. */
	second(&l, url, "other.pem", "client.pem", "client.key", NULL, NULL);
	a = lab_put(&l, "/t/x", "y", 0);
	assert_int_equal(a.status, -EHOSTUNREACH);
	assert_non_null(strstr(a.err, "certificate"));
	second_close(&l);
	/* A client whom the server does not know: found out after sending (TLS 1.3). */
	second(&l, url, "ca.pem", "stranger.pem", "stranger.key", NULL, NULL);
	a = lab_put(&l, "/t/x", "y", 0);
	assert_true(a.status == -ETIMEDOUT || a.status == -EHOSTUNREACH);
	second_close(&l);
	second(&l, url, "ca.pem", NULL, NULL, NULL, NULL);
	assert_true(lab_put(&l, "/t/x", "y", 0).status < 0);
	second_close(&l);
	assert_int_equal(lab_get(&lab, "/t/x").n_entries, 0);
}

static void post(const char *path, const char *body)
{
	_cleanup_free_ char *url = mem_printf("%s/v3/auth/%s", lab.servers.s[0].url, path);

	run("curl", "-sf", "-d", body, url, NULL);
}

static void unix_socket(void **state)
{
	(void)state;
	_cleanup_free_ char *url = mem_printf("unix://%s/m0:1", lab.servers.dir);
	struct lab_watch w;
	struct lab l;

	second(&l, url, NULL, NULL, NULL, NULL, NULL);
	lab_must_put(&l, "/u/1", "x");
	lab_watch(&l, &w, "/u/", 1);
	lab_until(&lab, w.n_events == 1);
	lab_watch_close(&w);
	second_close(&l);
}

static void auth_not_enabled(void **state)
{
	(void)state;
	struct lab l;

	second(&l, lab.servers.s[0].url, NULL, NULL, NULL, "root", "pw");
	lab_must_put(&l, "/a/1", "x");
	second_close(&l);
}

/* root, and user "low" who may read and write below /low/ (/low0 is its end). */
static void auth_enabled(void **state)
{
	(void)state;
	post("user/add", "{\"name\":\"root\",\"password\":\"pw\"}");
	post("role/add", "{\"name\":\"root\"}");
	post("user/grant", "{\"user\":\"root\",\"role\":\"root\"}");
	post("user/add", "{\"name\":\"low\",\"password\":\"low\"}");
	post("role/add", "{\"name\":\"low\"}");
	post("role/grant", "{\"name\":\"low\",\"perm\":{\"permType\":\"READWRITE\","
			   "\"key\":\"L2xvdy8=\",\"range_end\":\"L2xvdzA=\"}}");
	post("user/grant", "{\"user\":\"low\",\"role\":\"low\"}");
	post("enable", "{}");
	/* The lab's own client has no user. */
	assert_int_equal(lab_put(&lab, "/a/2", "x", 0).status, -EACCES);
}

static void auth_calls(void **state)
{
	(void)state;
	struct lab_answer a[10] = { 0 };
	struct lab_watch w;
	struct lab l;

	second(&l, lab.servers.s[0].url, NULL, NULL, NULL, "low", "low");
	/* Several at once wait for one token. */
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		kv_put(l.kv, "/low/1", "x", 0, lab_on_done, &a[i]);
	lab_watch(&l, &w, "/low/", 0);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		lab_until(&lab, a[i].done);
		assert_int_equal(a[i].status, 0);
	}
	lab_until(&lab, w.live == 1);
	assert_int_equal(lab_put(&l, "/high", "x", 0).status, -EACCES);
	lab_watch_close(&w);
	/* Not for this user: it says so and does not give up. */
	lab_watch(&l, &w, "/high", 0);
	lab_until(&lab, w.down == 1);
	assert_int_equal(w.live, 0);
	assert_non_null(strstr(w.why, "permission denied"));
	lab_watch_close(&w);
	second_close(&l);
	second(&l, lab.servers.s[0].url, NULL, NULL, NULL, "low", "wrong");
	assert_int_equal(lab_put(&l, "/low/2", "x", 0).status, -EACCES);
	second_close(&l);
}

/* A new etcd process knows none of the old one's tokens: as when they have expired. */
static void token_ends(void **state)
{
	(void)state;
	struct lab_answer a[10] = { 0 };
	struct lab_watch w;
	struct lab l;

	second(&l, lab.servers.s[0].url, NULL, NULL, NULL, "low", "low");
	lab_must_put(&l, "/low/1", "x");
	lab_watch(&l, &w, "/low/", 0);
	lab_until(&lab, w.live == 1);
	server_kill(&lab.servers, 0, true);
	server_start(&lab.servers, 0);
	lab_until(&lab, w.live == 2);
	lab_must_put(&l, "/low/2", "y");
	lab_until(&lab, w.n_events > 0);
	/* Ten calls that find out together. */
	server_kill(&lab.servers, 0, true);
	server_start(&lab.servers, 0);
	lab_until(&lab, lab_lease(&l, LAB_TTL, 12345).status == -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		kv_put(l.kv, "/low/3", "z", 0, lab_on_done, &a[i]);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		lab_until(&lab, a[i].done);
		assert_int_equal(a[i].status, 0);
	}
	lab_watch_close(&w);
	/* etcd away: the calls that wait for a token end in time, too. */
	server_kill(&lab.servers, 0, false);
	second_close(&l);
	second(&l, lab.servers.s[0].url, NULL, NULL, NULL, "low", "low");
	assert_int_equal(lab_put(&l, "/low/4", "z", 0).status, -EHOSTUNREACH);
	second_close(&l);
	server_start(&lab.servers, 0);
}

int main(void)
{
	const struct CMUnitTest tls[] = {
		cmocka_unit_test(tls_calls_and_watch),
		cmocka_unit_test(tls_refusals),
	};
	const struct CMUnitTest auth[] = {
		cmocka_unit_test(unix_socket),	cmocka_unit_test(auth_not_enabled),
		cmocka_unit_test(auth_enabled), cmocka_unit_test(auth_calls),
		cmocka_unit_test(token_ends),
	};
	int failed = cmocka_run_group_tests(tls, setup_tls, teardown);

	return failed + cmocka_run_group_tests(auth, setup_plain, teardown);
}
