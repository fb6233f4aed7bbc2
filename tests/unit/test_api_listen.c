/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"

static char dir[64], path[96];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/ovl-listen-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sub/s.sock", dir);
	return 0;
}

static int teardown(void **state)
{
	char sub[96];

	(void)state;
	unlink(path);
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	rmdir(sub);
	return rmdir(dir);
}

static bool exists(void)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void test_open_close(void **state)
{
	struct listen l;
	struct stat st;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(listen_open(path, &l, &e), 0);
	assert_false(l.passed);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, LISTEN_MODE);
	listen_close(&l);
	assert_false(exists());
}

static void test_live_is_refused(void **state)
{
	struct listen l, other;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(listen_open(path, &l, &e), 0);
	assert_int_equal(listen_open(path, &other, &e), -EADDRINUSE);
	assert_non_null(strstr(e.text, "another ovld answers on"));
	assert_non_null(strstr(e.text, path));
	assert_true(exists());
	listen_close(&l);
}

static void test_stale_is_replaced(void **state)
{
	struct listen l, other;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(listen_open(path, &l, &e), 0);
	/* As a crash leaves it: the file stays, nobody listens. */
	close(l.fd);
	l.fd = -1;
	assert_int_equal(listen_open(path, &other, &e), 0);
	/* The late close of the first does not take the file of the second. */
	listen_close(&l);
	assert_true(exists());
	listen_close(&other);
	assert_false(exists());
}

static void test_bad_paths(void **state)
{
	char longer[256];
	struct listen l;
	struct err e = { 0 };
	int fd;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(listen_open(longer, &l, &e), -ENAMETOOLONG);
	assert_int_equal(listen_open("/proc/none/s.sock", &l, &e), -ENOENT);

	assert_int_equal(listen_open(path, &l, &e), 0);
	listen_close(&l);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(listen_open(path, &l, &e), -EEXIST);
	assert_true(exists());
}

/* As systemd starts a service: the socket is descriptor 3, and stays when the service goes. */
static int activated(void)
{
	struct listen passed, l;
	char pid[24];

	if (listen_open(path, &passed, NULL) < 0)
		return 1;
	if (dup2(passed.fd, 3) != 3)
		return 2;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	if (listen_open(path, &l, NULL) < 0 || !l.passed || l.fd != 3)
		return 3;
	listen_close(&l);
	return exists() ? 0 : 4;
}

static void test_activation(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(activated());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Two of them, as the API's and Docker's: each is found by its path. */
static int activated_both(void)
{
	char other[sizeof(path) + 2], pid[24];
	struct listen first, second, l, m;

	snprintf(other, sizeof(other), "%s2", path);
	if (listen_open(path, &first, NULL) < 0 ||
	    listen_open_as(other, LISTEN_ROOT, &second, NULL) < 0)
		return 1;
	if (dup2(first.fd, 13) != 13 || dup2(second.fd, 14) != 14 || dup2(13, 3) != 3 ||
	    dup2(14, 4) != 4)
		return 2;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	if (listen_open_as(other, LISTEN_ROOT, &l, NULL) < 0 || !l.passed || l.fd != 4)
		return 3;
	if (listen_open(path, &m, NULL) < 0 || !m.passed || m.fd != 3)
		return 4;
	listen_close(&l);
	listen_close(&m);
	return unlink(other) == 0 && exists() ? 0 : 5;
}

static void test_activation_of_two(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(activated_both());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open_close, setup, teardown),
		cmocka_unit_test_setup_teardown(test_live_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_activation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_activation_of_two, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
