/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/local.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	char *dir = mem_strdup("/tmp/ovl-test-local-XXXXXX");

	if (!mkdtemp(dir))
		return -1;
	*state = dir;
	return 0;
}

static int tear_down(void **state)
{
	nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

static struct local *open_dir(const char *dir)
{
	struct local *l = NULL;
	struct err e = { 0 };

	if (local_open(dir, &l, &e) < 0)
		fail_msg("%s", e.text);
	return l;
}

static void test_values(void **state)
{
	_cleanup_free_ char *dir = mem_printf("%s/a/b", (char *)*state);
	struct local *l = open_dir(dir);
	char *v = NULL;
	struct stat st;

	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(local_get(l, "node-id", &v), -ENOENT);
	assert_int_equal(local_set(l, "node-id", "x", NULL), 0);
	assert_int_equal(local_set(l, "node-id", "y", NULL), 0);
	local_close(l);
	l = open_dir(dir);
	assert_int_equal(local_get(l, "node-id", &v), 0);
	assert_string_equal(v, "y");
	free(v);
	local_close(l);
}

/* A second one in the same process, and from another: each is refused, with the holder named. */
static void test_lock(void **state)
{
	struct local *l = open_dir(*state), *second = NULL;
	struct err e = { 0 };
	char pid[32];
	int status;
	pid_t child;

	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_int_equal(local_open(*state, &second, &e), -EBUSY);
	assert_null(second);
	assert_non_null(strstr(e.text, pid));
	child = fork();
	if (child == 0)
		_exit(local_open(*state, &second, NULL) == -EBUSY ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	local_close(l);
	l = open_dir(*state);
	local_close(l);
}

static void fill(struct local_endpoint *ep)
{
	*ep = (struct local_endpoint){
		.id = id_random(),
		.network = id_random(),
		.state = LOCAL_BOUND,
		.name = (char *)"c1",
		.sandbox = (char *)"box",
		.ifname = (char *)"eth0",
		.port = (char *)"vp1",
		.ip4 = ip_v4(0x0a000002),
		.mac = mac_from_ip(ip_v4(0x0a000002)),
		.target = { (char *)"/proc/1/ns/net", 4, UINT64_MAX, 1, UINT64_MAX - 1 },
		.run_name = NULL,
		.boot_id = (char *)"b",
		.created = (char *)"2026",
		.container_id = (char *)"cid",
		.endpoint_rev = INT64_MAX,
		.addr4_rev = 2,
		.gw_priority = -7,
		.defer_egress = true,
	};
	ep->n_publish = 2;
	ep->publish = mem_alloc_array(2, sizeof(*ep->publish));
	ep->publish[0] = (struct model_publish){ IPPROTO_TCP, ip_v4(0x7f000001), 8080, 80 };
	ep->publish[1] = (struct model_publish){ IPPROTO_UDP, { 0 }, 53, 5353 };
	ip_parse("fd00::2", &ep->ip6, NULL);
	strv_add(&ep->aliases, "web \"quoted\"");
	strv_add(&ep->aliases, "www");
	ep->hostname = (char *)"c1.example";
	ep->n_expose = 2;
	ep->expose = mem_alloc_array(2, sizeof(*ep->expose));
	ep->expose[0] = (struct model_port){ IPPROTO_TCP, 5000 };
	ep->expose[1] = (struct model_port){ IPPROTO_UDP, 53 };
	strv_add(&ep->links, "db:redis");
	strv_add(&ep->links, "web:web");
	strv_add(&ep->dns, "10.0.0.53");
	strv_add(&ep->dns, "[fd00::53]:5353");
	strv_add(&ep->dns_search, "example.org");
	strv_add(&ep->dns_options, "ndots:2");
	strv_add(&ep->extra_hosts, "router:10.0.0.1");
}

static void fill_done(struct local_endpoint *ep)
{
	strv_done(&ep->aliases);
	strv_done(&ep->links);
	strv_done(&ep->dns);
	strv_done(&ep->dns_search);
	strv_done(&ep->dns_options);
	strv_done(&ep->extra_hosts);
	free(ep->expose);
	free(ep->publish);
}

static void keep(void *user, const struct local_endpoint *ep)
{
	struct local_endpoint **kept = user;

	assert_null(*kept);
	*kept = local_endpoint_dup(ep);
}

static void test_endpoint(void **state)
{
	struct local *l = open_dir(*state);
	struct local_endpoint ep, *got = NULL;

	fill(&ep);
	assert_int_equal(local_endpoint_put(l, &ep, NULL), 0);
	ep.state = LOCAL_RELEASING;
	assert_int_equal(local_endpoint_put(l, &ep, NULL), 0);
	local_close(l);
	l = open_dir(*state);
	assert_int_equal(local_endpoint_each(l, keep, &got, NULL), 0);
	assert_non_null(got);
	assert_true(id_eq(got->id, ep.id) && id_eq(got->network, ep.network));
	assert_int_equal(got->state, LOCAL_RELEASING);
	assert_string_equal(got->name, "c1");
	assert_true(strv_eq(&got->aliases, &ep.aliases));
	assert_true(mac_eq(got->mac, ep.mac));
	assert_true(ip_eq(got->ip4, ep.ip4) && ip_eq(got->ip6, ep.ip6));
	assert_string_equal(got->target.path, "/proc/1/ns/net");
	assert_true(got->target.netns_ino == UINT64_MAX);
	assert_true(got->target.pid_start == UINT64_MAX - 1);
	assert_null(got->run_name);
	assert_true(got->endpoint_rev == INT64_MAX);
	assert_int_equal(got->addr6_rev, 0);
	assert_int_equal(got->n_publish, 2);
	assert_memory_equal(got->publish, ep.publish, 2 * sizeof(*ep.publish));
	assert_int_equal(got->gw_priority, -7);
	assert_true(got->defer_egress);
	assert_string_equal(got->hostname, "c1.example");
	assert_int_equal(got->n_expose, 2);
	assert_true(model_port_eq(got->expose[0], ep.expose[0]));
	assert_true(model_port_eq(got->expose[1], ep.expose[1]));
	assert_true(strv_eq(&got->links, &ep.links));
	assert_true(strv_eq(&got->dns, &ep.dns));
	assert_true(strv_eq(&got->dns_search, &ep.dns_search));
	assert_true(strv_eq(&got->dns_options, &ep.dns_options));
	assert_true(strv_eq(&got->extra_hosts, &ep.extra_hosts));
	local_endpoint_free(got);
	got = NULL;
	assert_int_equal(local_endpoint_del(l, ep.id, NULL), 0);
	assert_int_equal(local_endpoint_del(l, ep.id, NULL), 0);
	assert_int_equal(local_endpoint_each(l, keep, &got, NULL), 0);
	assert_null(got);
	fill_done(&ep);
	local_close(l);
}

static void count_endpoint(void *user, const struct local_endpoint *ep)
{
	(void)ep;
	++*(int *)user;
}

/* A row that a person has broken is named, and does not hide the others. */
static void test_endpoint_bad_row(void **state)
{
	struct local *l = open_dir(*state);
	struct local_endpoint ep;
	struct err e = { 0 };
	int n = 0;

	fill(&ep);
	assert_int_equal(local_endpoint_put(l, &ep, NULL), 0);
	ep.id = id_random();
	ep.state = (enum local_endpoint_state)9;
	assert_int_equal(local_endpoint_put(l, &ep, NULL), 0);
	assert_int_equal(local_endpoint_each(l, count_endpoint, &n, &e), -EINVAL);
	assert_int_equal(n, 1);
	assert_non_null(strstr(e.text, "state 9"));
	fill_done(&ep);
	local_close(l);
}

/* What was written into the column by hand is looked at. */
static void test_endpoint_bad_names(void **state)
{
	static const char *const bad[][2] = {
		{ "x", "names" },
		{ "{\"hostname\":\"a b\"}", "names: hostname: \"a b\"" },
		{ "{\"expose\":[\"80\"]}", "names: expose[0]: " },
		{ "{\"links\":1}", "names: links: not a list" },
		{ "{\"dns\":[\"1\",\"2\",\"3\",\"4\"]}", "names: dns: " },
	};
	_cleanup_free_ char *path = mem_printf("%s/state.db", (char *)*state);
	struct local *l = open_dir(*state);
	struct local_endpoint ep;
	sqlite3 *db;

	fill(&ep);
	assert_int_equal(local_endpoint_put(l, &ep, NULL), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *sql = sqlite3_mprintf("UPDATE endpoint SET names = %Q", bad[i][0]);
		struct err e = { 0 };
		int n = 0;

		assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_free(sql);
		assert_int_equal(local_endpoint_each(l, count_endpoint, &n, &e), -EINVAL);
		assert_int_equal(n, 0);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("no \"%s\" in \"%s\"", bad[i][1], e.text);
	}
	sqlite3_close(db);
	fill_done(&ep);
	local_close(l);
}

struct rows {
	char text[512];
	int n;
};

static void add_row(void *user, const char *key, const char *value, size_t len, int64_t rev)
{
	struct rows *r = user;
	size_t at = strlen(r->text);

	assert_int_equal(strlen(value), len);
	if (r->n++ < 8)
		snprintf(r->text + at, sizeof(r->text) - at, "%s=%s@%lld ", key, value,
			 (long long)rev);
}

static void test_snapshot(void **state)
{
	struct local *l = open_dir(*state);
	struct rows rows = { 0 };

	local_snapshot_put(l, "/a", "1", 10);
	local_snapshot_put(l, "/b", "2", 11);
	local_snapshot_put(l, "/a", "3", 12);
	assert_int_equal(local_snapshot_flush(l, NULL), 0);
	local_snapshot_put(l, "/b", NULL, 13);
	local_snapshot_put(l, "/c", "4", 14);
	/* Closing writes what is gathered. */
	local_close(l);
	l = open_dir(*state);
	assert_int_equal(local_snapshot_each(l, add_row, &rows, NULL), 0);
	assert_string_equal(rows.text, "/a=3@12 /c=4@14 ");
	for (int i = 0; i < 3000; i++) {
		char key[32];

		snprintf(key, sizeof(key), "/many/%d", i);
		local_snapshot_put(l, key, "v", i);
	}
	rows.n = 0;
	assert_int_equal(local_snapshot_each(l, add_row, &rows, NULL), 0);
	assert_int_equal(rows.n, 3002);
	local_close(l);
}

static void add_run(void *user, const char *name, const char *json)
{
	struct rows *r = user;
	size_t at = strlen(r->text);

	snprintf(r->text + at, sizeof(r->text) - at, "%s=%s ", name, json);
}

static void test_run(void **state)
{
	struct local *l = open_dir(*state);
	struct rows rows = { 0 };

	assert_int_equal(local_run_put(l, "c2", "{}", NULL), 0);
	assert_int_equal(local_run_put(l, "c1", "{\"pid\":1}", NULL), 0);
	assert_int_equal(local_run_put(l, "c2", "[]", NULL), 0);
	assert_int_equal(local_run_each(l, add_run, &rows, NULL), 0);
	assert_string_equal(rows.text, "c1={\"pid\":1} c2=[] ");
	assert_int_equal(local_run_del(l, "c1", NULL), 0);
	rows.text[0] = '\0';
	assert_int_equal(local_run_each(l, add_run, &rows, NULL), 0);
	assert_string_equal(rows.text, "c2=[] ");
	local_close(l);
}

static void add_network(void *user, struct id id, const char *json, size_t len)
{
	struct rows *r = user;
	char text[ID_SHORT_MAX];
	size_t at = strlen(r->text);

	assert_int_equal(strlen(json), len);
	r->n++;
	snprintf(r->text + at, sizeof(r->text) - at, "%s=%s ", id_short(id, text), json);
}

static void test_network(void **state)
{
	struct local *l = open_dir(*state);
	struct id a = { { 0xaa } }, b = { { 0xbb } };
	struct rows rows = { 0 };

	assert_int_equal(local_network_put(l, b, "{}", NULL), 0);
	assert_int_equal(local_network_put(l, a, "{\"x\":1}", NULL), 0);
	assert_int_equal(local_network_put(l, b, "{\"y\":1}", NULL), 0);
	local_close(l);
	l = open_dir(*state);
	assert_int_equal(local_network_each(l, add_network, &rows, NULL), 0);
	assert_string_equal(rows.text, "aa0000000000={\"x\":1} bb0000000000={\"y\":1} ");
	assert_int_equal(local_network_del(l, a, NULL), 0);
	assert_int_equal(local_network_del(l, a, NULL), 0);
	rows = (struct rows){ 0 };
	assert_int_equal(local_network_each(l, add_network, &rows, NULL), 0);
	assert_string_equal(rows.text, "bb0000000000={\"y\":1} ");
	local_close(l);
}

/* As version 1 wrote it. */
static const char old_schema[] =
	"CREATE TABLE value (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE endpoint (id TEXT PRIMARY KEY, network TEXT NOT NULL, state INTEGER NOT NULL,"
	" name TEXT, aliases TEXT NOT NULL, sandbox TEXT, ifname TEXT, port TEXT,"
	" mac TEXT NOT NULL, ip4 TEXT NOT NULL, ip6 TEXT NOT NULL, target_path TEXT,"
	" netns_dev INTEGER NOT NULL, netns_ino INTEGER NOT NULL,"
	" pid INTEGER NOT NULL, pid_start INTEGER NOT NULL,"
	" run_name TEXT, boot_id TEXT, created TEXT, container_id TEXT,"
	" endpoint_rev INTEGER NOT NULL, addr4_rev INTEGER NOT NULL, addr6_rev INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE snapshot (key TEXT PRIMARY KEY, value TEXT NOT NULL,"
	" mod_revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE run (name TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO value VALUES ('node-id', 'x');"
	"INSERT INTO run VALUES ('c1', '{}');"
	"INSERT INTO snapshot VALUES ('/a', '1', 7);"
	"INSERT INTO endpoint VALUES ("
	"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',"
	"'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 1, 'c1',"
	"'{\"aliases\":[\"web\"]}', 'box', 'eth0', 'vp1', '02:42:0a:00:00:02', '10.0.0.2', '',"
	"'/proc/1/ns/net', 4, 5, 1, 6, NULL, 'b', '2026', 'cid', 10, 11, 0);"
	"PRAGMA user_version = 1;";

static void test_upgrade(void **state)
{
	_cleanup_free_ char *path = mem_printf("%s/state.db", (char *)*state);
	_cleanup_free_ char *v = NULL;
	struct local_endpoint *got = NULL;
	struct rows rows = { 0 };
	struct local *l;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, old_schema, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	l = open_dir(*state);
	assert_int_equal(local_get(l, "node-id", &v), 0);
	assert_string_equal(v, "x");
	assert_int_equal(local_endpoint_each(l, keep, &got, NULL), 0);
	assert_non_null(got);
	assert_string_equal(got->name, "c1");
	assert_true(strv_has(&got->aliases, "web"));
	assert_int_equal(got->addr4_rev, 11);
	assert_int_equal(got->n_publish, 0);
	assert_int_equal(got->gw_priority, 0);
	assert_false(got->defer_egress);
	assert_null(got->hostname);
	assert_int_equal(got->n_expose + got->links.n + got->dns.n + got->extra_hosts.n, 0);
	/* The row takes what is new. */
	got->gw_priority = 3;
	strv_add(&got->links, "db:redis");
	assert_int_equal(local_endpoint_put(l, got, NULL), 0);
	local_endpoint_free(got);
	assert_int_equal(local_network_put(l, (struct id){ { 0xaa } }, "{}", NULL), 0);
	assert_int_equal(local_snapshot_each(l, add_row, &rows, NULL), 0);
	assert_string_equal(rows.text, "/a=1@7 ");
	rows = (struct rows){ 0 };
	assert_int_equal(local_run_each(l, add_run, &rows, NULL), 0);
	assert_string_equal(rows.text, "c1={} ");
	local_close(l);
	l = open_dir(*state); /* once only */
	rows = (struct rows){ 0 };
	assert_int_equal(local_network_each(l, add_network, &rows, NULL), 0);
	assert_int_equal(rows.n, 1);
	local_close(l);
}

/* What version 2 added. */
static const char schema_2[] =
	"CREATE TABLE network (id TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"ALTER TABLE endpoint ADD COLUMN publish TEXT NOT NULL DEFAULT '{}';"
	"ALTER TABLE endpoint ADD COLUMN gw_priority INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE endpoint ADD COLUMN defer_egress INTEGER NOT NULL DEFAULT 0;"
	"UPDATE endpoint SET gw_priority = 7;"
	"PRAGMA user_version = 2;";

static void test_upgrade_2(void **state)
{
	_cleanup_free_ char *path = mem_printf("%s/state.db", (char *)*state);
	struct local_endpoint *got = NULL;
	struct local *l;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, old_schema, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, schema_2, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	l = open_dir(*state);
	assert_int_equal(local_endpoint_each(l, keep, &got, NULL), 0);
	assert_non_null(got);
	assert_int_equal(got->gw_priority, 7);
	assert_null(got->hostname);
	got->hostname = mem_strdup("box");
	assert_int_equal(local_endpoint_put(l, got, NULL), 0);
	local_endpoint_free(got);
	got = NULL;
	local_close(l);
	l = open_dir(*state);
	assert_int_equal(local_endpoint_each(l, keep, &got, NULL), 0);
	assert_string_equal(got->hostname, "box");
	local_endpoint_free(got);
	local_close(l);
}

static void test_wipe(void **state)
{
	struct local *l = open_dir(*state);
	struct local_endpoint ep;
	struct rows rows = { 0 };
	char *v = NULL;
	int n = 0;

	fill(&ep);
	assert_int_equal(local_endpoint_put(l, &ep, NULL), 0);
	assert_int_equal(local_set(l, "node-id", "x", NULL), 0);
	assert_int_equal(local_run_put(l, "c1", "{}", NULL), 0);
	assert_int_equal(local_network_put(l, ep.id, "{}", NULL), 0);
	local_snapshot_put(l, "/a", "1", 1);
	assert_int_equal(local_snapshot_flush(l, NULL), 0);
	local_snapshot_put(l, "/b", "1", 1);
	assert_int_equal(local_wipe(l, NULL), 0);
	local_close(l);
	l = open_dir(*state);
	assert_int_equal(local_get(l, "node-id", &v), -ENOENT);
	assert_int_equal(local_endpoint_each(l, count_endpoint, &n, NULL), 0);
	assert_int_equal(local_snapshot_each(l, add_row, &rows, NULL), 0);
	assert_int_equal(local_run_each(l, add_run, &rows, NULL), 0);
	assert_int_equal(local_network_each(l, add_network, &rows, NULL), 0);
	assert_int_equal(n + rows.n, 0);
	assert_string_equal(rows.text, "");
	fill_done(&ep);
	local_close(l);
}

static void test_damaged(void **state)
{
	_cleanup_free_ char *path = mem_printf("%s/state.db", (char *)*state);
	struct local *l = NULL;
	struct err e = { 0 };
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		fputs("this is no database\n", f);
	fclose(f);
	assert_int_equal(local_open(*state, &l, &e), -EIO);
	assert_ptr_equal(strstr(e.text, *state), e.text);
	/* The lock is free again. */
	assert_int_equal(unlink(path), 0);
	local_close(open_dir(*state));
}

static void test_newer(void **state)
{
	_cleanup_free_ char *path = mem_printf("%s/state.db", (char *)*state);
	struct local *l = NULL;
	struct err e = { 0 };
	/* user_version: 4 bytes at 60 of the header (sqlite.org/fileformat2.html §1.3) */
	const char version[4] = { 0, 0, 0, 99 };
	int fd;

	local_close(open_dir(*state));
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, version, 4, 60), 4);
	close(fd);
	assert_int_equal(local_open(*state, &l, &e), -EPROTO);
	assert_non_null(strstr(e.text, "version 99"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_values),
		T(test_lock),
		T(test_endpoint),
		T(test_endpoint_bad_row),
		T(test_snapshot),
		T(test_run),
		T(test_wipe),
		T(test_damaged),
		T(test_newer),
		T(test_network),
		T(test_upgrade),
		T(test_upgrade_2),
		T(test_endpoint_bad_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
