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
	};
	ip_parse("fd00::2", &ep->ip6, NULL);
	strv_add(&ep->aliases, "web \"quoted\"");
	strv_add(&ep->aliases, "www");
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
	local_endpoint_free(got);
	got = NULL;
	assert_int_equal(local_endpoint_del(l, ep.id, NULL), 0);
	assert_int_equal(local_endpoint_del(l, ep.id, NULL), 0);
	assert_int_equal(local_endpoint_each(l, keep, &got, NULL), 0);
	assert_null(got);
	strv_done(&ep.aliases);
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
	strv_done(&ep.aliases);
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
	assert_int_equal(n + rows.n, 0);
	assert_string_equal(rows.text, "");
	strv_done(&ep.aliases);
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
		T(test_values),	  T(test_lock), T(test_endpoint), T(test_endpoint_bad_row),
		T(test_snapshot), T(test_run),	T(test_wipe),	  T(test_damaged),
		T(test_newer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
