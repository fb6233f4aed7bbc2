/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/etc_files.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/dns/resolv_conf.h"
#include "base/mem.h"

#define READ_MAX 8192

struct lab {
	char root[64];
	char *state_dir, *netns_dir;
	struct etc_files *f;
	struct etc_files_want w;
	struct ip address;
	char text[READ_MAX]; /* of the file read last */
};

static char *at(const struct lab *l, const char *name)
{
	return mem_printf("%s/%s", l->root, name);
}

static void write_at(const struct lab *l, const char *name, const char *text)
{
	_cleanup_free_ char *path = at(l, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* NULL: there is none. */
static const char *read_at(struct lab *l, const char *name)
{
	_cleanup_free_ char *path = at(l, name);
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return NULL;
	n = fread(l->text, 1, READ_MAX - 1, f);
	l->text[n] = '\0';
	fclose(f);
	return l->text;
}

/* Below the first line. */
static const char *rest_at(struct lab *l, const char *name)
{
	const char *text = read_at(l, name), *rest;

	assert_non_null(text);
	assert_ptr_equal(strstr(text, RESOLV_MARK " "), text);
	rest = strchr(text, '\n');
	assert_non_null(rest);
	return rest + 1;
}

static bool is_there(const struct lab *l, const char *name)
{
	_cleanup_free_ char *path = at(l, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static struct stat stat_at(const struct lab *l, const char *name)
{
	_cleanup_free_ char *path = at(l, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st;
}

static void restart(struct lab *l)
{
	etc_files_free(l->f);
	l->f = etc_files_new(l->state_dir, l->netns_dir);
}

static void put(struct lab *l)
{
	struct err e = { 0 };

	if (etc_files_put(l->f, &l->w, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(e.code, 0);
}

static int set_up(void **state)
{
	struct lab *l = mem_alloc(sizeof(*l));

	snprintf(l->root, sizeof(l->root), "/tmp/ovl-test-etc.XXXXXX");
	assert_non_null(mkdtemp(l->root));
	l->state_dir = at(l, "state");
	l->netns_dir = at(l, "netns");
	assert_int_equal(mkdir(l->state_dir, 0700), 0);
	restart(l);
	l->address = ip_v4(0x0a000002);
	l->w = (struct etc_files_want){ .place = { 4, 4026531840 },
					.netns_name = "red",
					.server = ip_v4(0x0a000001),
					.addresses = &l->address,
					.n_addresses = 1 };
	strv_add(&l->w.names, "web");
	*state = l;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct lab *l = *state;

	etc_files_free(l->f);
	strv_done(&l->w.names);
	strv_done(&l->w.search);
	strv_done(&l->w.options);
	strv_done(&l->w.extra_hosts);
	free(l->state_dir);
	free(l->netns_dir);
	nftw(l->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(l);
	return 0;
}

static void made_changed_in_place_and_removed(void **state)
{
	struct lab *l = *state;
	struct stat before, after;

	strv_add(&l->w.search, "example.com");
	strv_add(&l->w.extra_hosts, "db:10.1.1.1");
	strv_add(&l->w.extra_hosts, "host:host-gateway");
	put(l);
	assert_string_equal(rest_at(l, "netns/red/resolv.conf"),
			    "nameserver 10.0.0.1\nsearch example.com\noptions ndots:0\n");
	assert_non_null(strstr(rest_at(l, "netns/red/hosts"),
			       "10.1.1.1\tdb\n10.0.0.1\thost\n10.0.0.2\tweb\n"));
	before = stat_at(l, "netns/red/resolv.conf");
	assert_int_equal(before.st_mode & 07777, 0644);
	assert_int_equal(stat_at(l, "netns/red").st_mode & 07777, 0755);

	strv_done(&l->w.search); /* shorter than before */
	l->w.server = ip_v4(0x0a000003);
	put(l);
	assert_string_equal(rest_at(l, "netns/red/resolv.conf"),
			    "nameserver 10.0.0.3\noptions ndots:0\n");
	after = stat_at(l, "netns/red/resolv.conf");
	assert_int_equal(before.st_ino, after.st_ino);
	put(l); /* nothing new: nothing is written */
	before = stat_at(l, "netns/red/resolv.conf");
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));

	l->w.server = (struct ip){ 0 };
	put(l);
	assert_false(is_there(l, "netns/red/resolv.conf"));
	assert_null(strstr(rest_at(l, "netns/red/hosts"), "\thost\n")); /* no address for it */
	etc_files_del(l->f, l->w.place);
	assert_false(is_there(l, "netns"));
	etc_files_del(l->f, l->w.place); /* unknown by now */
}

static void of_a_running_container(void **state)
{
	struct lab *l = *state;
	_cleanup_free_ char *dir = etc_files_dir(l->state_dir, "c1");
	_cleanup_free_ char *expected = at(l, "state/run/c1.etc");
	struct stat before;

	assert_string_equal(dir, expected);
	l->w.run_name = "c1";
	l->w.netns_name = NULL;
	put(l);
	assert_string_equal(rest_at(l, "state/run/c1.etc/resolv.conf"),
			    "nameserver 10.0.0.1\noptions ndots:0\n");
	before = stat_at(l, "state/run/c1.etc/resolv.conf");
	l->w.server = (struct ip){ 0 }; /* the mount would go on showing what was removed */
	put(l);
	assert_string_equal(rest_at(l, "state/run/c1.etc/resolv.conf"), "");
	l->w.server = ip_v4(0x0a000009);
	put(l);
	assert_string_equal(rest_at(l, "state/run/c1.etc/resolv.conf"),
			    "nameserver 10.0.0.9\noptions ndots:0\n");
	assert_int_equal(before.st_ino, stat_at(l, "state/run/c1.etc/resolv.conf").st_ino);

	/* Changed inside: theirs while it runs, gone with it. */
	write_at(l, "state/run/c1.etc/resolv.conf", "nameserver 8.8.8.8\n");
	l->w.server = ip_v4(0x0a000001);
	put(l);
	assert_string_equal(read_at(l, "state/run/c1.etc/resolv.conf"), "nameserver 8.8.8.8\n");
	etc_files_del(l->f, l->w.place);
	assert_false(is_there(l, "state/run/c1.etc"));
	assert_true(is_there(l, "state/run"));
}

static void what_is_theirs_is_left_alone(void **state)
{
	static const char *const edits[] = { "nameserver 8.8.8.8\n", RESOLV_MARK "\n",
					     RESOLV_MARK " 0123456789abcdef: changed\nx\n" };
	struct lab *l = *state;

	put(l);
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		write_at(l, "netns/red/resolv.conf", edits[i]);
		put(l);
		assert_string_equal(read_at(l, "netns/red/resolv.conf"), edits[i]);
		restart(l);
		put(l);
		assert_string_equal(read_at(l, "netns/red/resolv.conf"), edits[i]);
	}
	etc_files_del(l->f, l->w.place);
	assert_true(is_there(l, "netns/red/resolv.conf"));
	assert_false(is_there(l, "netns/red/hosts"));
	put(l); /* the other one is still done */
	assert_true(is_there(l, "netns/red/hosts"));
	write_at(l, "netns/red/resolv.conf", ""); /* an empty one is nobody's */
	put(l);
	assert_string_equal(rest_at(l, "netns/red/resolv.conf"),
			    "nameserver 10.0.0.1\noptions ndots:0\n");
}

static void a_line_more_makes_it_theirs(void **state)
{
	struct lab *l = *state;
	_cleanup_free_ char *path = at(l, "netns/red/hosts");
	FILE *f;

	put(l);
	f = fopen(path, "ae");
	assert_non_null(f);
	fputs("10.9.9.9 mine\n", f);
	fclose(f);
	restart(l);
	l->address = ip_v4(0x0a000063);
	put(l);
	assert_non_null(strstr(read_at(l, "netns/red/hosts"), "10.9.9.9 mine\n"));
	assert_null(strstr(l->text, "10.0.0.99"));
}

/* By the bound of a file's size: with whatever was written up to there. */
static void put_and_be_killed(struct lab *l, rlim_t bytes)
{
	const struct rlimit none = { 0 }, most = { bytes, bytes };
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		setrlimit(RLIMIT_FSIZE, &most);
		etc_files_put(l->f, &l->w, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void killed_while_writing_it_stays_ours(void **state)
{
	static const char text[] = "nameserver 10.0.0.1\noptions ndots:0\n";
	struct lab *l = *state;

	/* Beyond the first line, which is written in one. */
	for (rlim_t bytes = 100; bytes < 300; bytes += 7) {
		put(l);
		strv_add(&l->w.search, "a-domain-that-makes-it-longer.example");
		strv_add(&l->w.search, "another.example");
		put_and_be_killed(l, bytes);
		strv_done(&l->w.search);
		restart(l);
		put(l);
		assert_string_equal(rest_at(l, "netns/red/resolv.conf"), text);
		/* And back: what is shorter leaves nothing behind. */
		put_and_be_killed(l, bytes);
		restart(l);
		put(l);
		assert_string_equal(rest_at(l, "netns/red/resolv.conf"), text);
	}
	/* With none that wants it, it is swept away. */
	strv_add(&l->w.search, "a-domain-that-makes-it-longer.example");
	put_and_be_killed(l, 110);
	strv_done(&l->w.search);
	restart(l);
	etc_files_sweep(l->f);
	assert_false(is_there(l, "netns"));
}

static void symlinks_are_somebodys_own(void **state)
{
	struct lab *l = *state;
	_cleanup_free_ char *dir = at(l, "netns/red");
	_cleanup_free_ char *file = at(l, "netns/red/resolv.conf");
	_cleanup_free_ char *target = at(l, "target");

	/* The file, to one with a mark even. */
	put(l);
	assert_int_equal(rename(file, target), 0);
	assert_int_equal(symlink(target, file), 0);
	l->w.server = ip_v4(0x0a0000ff);
	put(l);
	assert_string_equal(rest_at(l, "target"), "nameserver 10.0.0.1\noptions ndots:0\n");
	etc_files_del(l->f, l->w.place);
	assert_true(is_there(l, "netns/red/resolv.conf"));
	assert_true(is_there(l, "target"));
	/* The directory. */
	unlink(file);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(symlink(l->root, dir), 0);
	put(l);
	assert_false(is_there(l, "hosts"));
	etc_files_del(l->f, l->w.place);
	assert_true(is_there(l, "netns/red"));
	etc_files_sweep(l->f);
	assert_true(is_there(l, "netns/red"));
}

static void a_directory_of_theirs_stays(void **state)
{
	struct lab *l = *state;
	_cleanup_free_ char *dir = at(l, "netns/red");

	assert_int_equal(mkdir(l->netns_dir, 0755), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	put(l);
	etc_files_del(l->f, l->w.place);
	assert_true(is_there(l, "netns/red"));
	assert_int_equal(stat_at(l, "netns/red").st_mode & 07777, 0700);
	assert_false(is_there(l, "netns/red/hosts"));
}

static void a_directory_of_ours_is_known_after_a_restart(void **state)
{
	struct lab *l = *state;

	put(l);
	restart(l);
	l->w.server = ip_v4(0x0a000063);
	put(l);
	restart(l);
	put(l);
	etc_files_del(l->f, l->w.place);
	assert_false(is_there(l, "netns/red"));
}

static void swept_after_the_start(void **state)
{
	struct lab *l = *state;

	l->w.run_name = "c1";
	put(l);
	l->w.place.ino++;
	l->w.netns_name = "blue";
	l->w.run_name = "c2";
	put(l);
	write_at(l, "state/run/c1.log", "a log");
	restart(l);
	put(l);
	etc_files_sweep(l->f);
	assert_false(is_there(l, "netns/red"));
	assert_false(is_there(l, "state/run/c1.etc"));
	assert_true(is_there(l, "netns/blue/hosts"));
	assert_true(is_there(l, "state/run/c2.etc/hosts"));
	assert_true(is_there(l, "state/run/c1.log"));
	write_at(l, "netns/blue/hosts", "10.0.0.1 mine\n");
	assert_int_equal(etc_files_remove_all(l->f, NULL), 0);
	assert_false(is_there(l, "state/run/c2.etc"));
	assert_false(is_there(l, "netns/blue/resolv.conf"));
	assert_true(is_there(l, "netns/blue/hosts"));
	restart(l);
	etc_files_sweep(l->f); /* nothing of ours */
	assert_true(is_there(l, "netns/blue/hosts"));
}

static void a_name_that_moves_to_another_namespace(void **state)
{
	struct lab *l = *state;
	struct dns_place old = l->w.place;

	put(l);
	l->w.place.ino++; /* deleted and made again */
	put(l);
	etc_files_del(l->f, old);
	assert_true(is_there(l, "netns/red/hosts"));
	l->w.netns_name = "blue"; /* renamed */
	put(l);
	assert_false(is_there(l, "netns/red"));
	assert_true(is_there(l, "netns/blue/hosts"));
	l->w.netns_name = NULL;
	put(l);
	assert_false(is_there(l, "netns/blue"));
}

static void names_and_errors(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "../etc", "/etc" };
	struct lab *l = *state;
	struct err e = { 0 };
	char longest[300];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		e = (struct err){ 0 };
		l->w.netns_name = bad[i];
		assert_int_equal(etc_files_put(l->f, &l->w, &e), -EINVAL);
		assert_non_null(strstr(e.text, "name of a directory"));
		etc_files_del(l->f, l->w.place);
	}
	assert_false(is_there(l, "netns"));
	memset(longest, 'a', 256);
	longest[256] = '\0';
	l->w.netns_name = longest;
	assert_int_equal(etc_files_put(l->f, &l->w, NULL), -EINVAL);
	/* What fails names the file, and the rest is done. */
	write_at(l, "netns", "no directory");
	l->w.netns_name = "red";
	l->w.run_name = "c1";
	e = (struct err){ 0 };
	assert_true(etc_files_put(l->f, &l->w, &e) < 0);
	assert_non_null(strstr(e.text, l->netns_dir));
	assert_true(is_there(l, "state/run/c1.etc/hosts"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_changed_in_place_and_removed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(of_a_running_container, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_theirs_is_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_line_more_makes_it_theirs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(killed_while_writing_it_stays_ours, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(symlinks_are_somebodys_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_directory_of_theirs_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_directory_of_ours_is_known_after_a_restart,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(swept_after_the_start, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_name_that_moves_to_another_namespace, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(names_and_errors, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
