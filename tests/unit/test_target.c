/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/target.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"

static void start_times_tell_processes_apart(void **state)
{
	uint64_t own = 0, again = 0, init = 0;
	pid_t child;

	(void)state;
	assert_int_equal(target_pid_start(getpid(), &own), 0);
	assert_int_equal(target_pid_start(getpid(), &again), 0);
	assert_int_equal(own, again);
	assert_int_equal(target_pid_start(1, &init), 0);
	assert_true(init <= own);

	child = fork();
	if (child == 0)
		_exit(0);
	assert_true(child > 0);
	/* A zombie still has its entry; once waited for it is gone. */
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(target_pid_start(child, &own), -ESRCH);
	assert_int_equal(target_pid_start(0, &own), -ESRCH);
	assert_int_equal(target_pid_start(-1, &own), -ESRCH);
	assert_int_equal(target_pid_start(INT64_MAX, &own), -ESRCH);
}

static int64_t run_pid(void *user, const char *name)
{
	return strcmp(name, "c1") == 0 ? *(int64_t *)user : 0;
}

static void bad_texts_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *why;
	} cases[] = {
		{ "", -EINVAL, "empty" },
		{ "pid:", -EINVAL, "not a process id" },
		{ "pid:x", -EINVAL, "not a process id" },
		{ "pid:-1", -EINVAL, "not a process id" },
		{ "pid: 1", -EINVAL, "not a process id" },
		{ "pid:0", -EINVAL, "not a process id" },
		{ "0", -EINVAL, "not a process id" },
		{ "99999999999999999999999", -EINVAL, "not a process id" },
		{ "pid:4294967297", -EINVAL, "not a process id" },
		{ "pid:2147483647", -ENOENT, "2147483647" },
		{ "netns:", -EINVAL, "not a network namespace name" },
		{ "netns:..", -EINVAL, "not a network namespace name" },
		{ "netns:a/b", -EINVAL, "not a network namespace name" },
		{ "../../etc/passwd", -EINVAL, "not a network namespace name" },
		{ "netns:ovl-no-such", -ENOENT, "ovl-no-such" },
		{ "run:ovl-no-such", -ENOENT, "no running container" },
		{ "ovl-no-such", -ENOENT, "neither a container" },
		{ "/no/such/file", -ENOENT, "/no/such/file" },
		{ "/etc/hostname", -EINVAL, "/etc/hostname" },
		{ "/proc/self/ns/mnt", -EINVAL, "/proc/self/ns/mnt" },
		{ "/proc/self/ns/net", -EINVAL, "host's own" },
	};
	int64_t self = getpid();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct local_target t = { 0 };
		char *name = NULL;
		struct err e = { 0 };
		int r = target_resolve(cases[i].text, run_pid, &self, &t, &name, &e);

		if (r != cases[i].status || !strstr(e.text, cases[i].why))
			fail_msg("\"%s\": %d \"%s\"", cases[i].text, r, e.text);
		assert_null(t.path);
		assert_null(name);
	}
}

static void overlong_texts_are_refused(void **state)
{
	_cleanup_free_ char *text = mem_alloc(100000);
	struct local_target t = { 0 };
	char *name = NULL;
	struct err e = { 0 };

	(void)state;
	memset(text, 'a', 99999);
	assert_int_equal(target_resolve(text, NULL, NULL, &t, &name, &e), -EINVAL);
	text[0] = '/';
	assert_int_equal(target_resolve(text, NULL, NULL, &t, &name, &e), -EINVAL);
	text[300] = '\0';
	text[0] = 'a';
	assert_int_equal(target_resolve(text, NULL, NULL, &t, &name, &e), -EINVAL);
}

/* The test itself runs in the host's namespace: a container that did would be the host. */
static void the_host_is_no_container(void **state)
{
	int64_t self = getpid();
	struct local_target t = { 0 };
	char *name = NULL, text[32];
	struct err e = { 0 };

	(void)state;
	snprintf(text, sizeof(text), "pid:%lld", (long long)self);
	assert_int_equal(target_resolve(text, run_pid, &self, &t, &name, &e), -EINVAL);
	assert_non_null(strstr(e.text, "host's own"));
	assert_int_equal(target_resolve(text + 4, run_pid, &self, &t, &name, &e), -EINVAL);
	assert_int_equal(target_resolve("run:c1", run_pid, &self, &t, &name, &e), -EINVAL);
	assert_int_equal(target_resolve("c1", run_pid, &self, &t, &name, &e), -EINVAL);
	assert_null(name);
	assert_null(t.path);
}

static void targets_are_known_by_inode(void **state)
{
	struct local_target a = { .netns_dev = 4, .netns_ino = 10, .path = (char *)"/a" };
	struct local_target b = { .netns_dev = 4, .netns_ino = 10, .path = (char *)"/b" };

	(void)state;
	assert_true(target_match(&a, &b));
	b.netns_ino++;
	assert_false(target_match(&a, &b));
	b.netns_ino--;
	b.netns_dev++;
	assert_false(target_match(&a, &b));
	assert_false(target_alive(&a));
	a.path = NULL;
	assert_false(target_alive(&a));
	a.path = (char *)"/proc/self/ns/net";
	a.pid = getpid();
	a.pid_start = 1; /* another process with that number */
	assert_false(target_alive(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_times_tell_processes_apart),
		cmocka_unit_test(bad_texts_are_refused_with_a_reason),
		cmocka_unit_test(overlong_texts_are_refused),
		cmocka_unit_test(the_host_is_no_container),
		cmocka_unit_test(targets_are_known_by_inode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
