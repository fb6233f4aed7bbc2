/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"

static char path[64];

static uint64_t ino_of(int fd)
{
	uint64_t dev, ino;

	assert_int_equal(netns_identify(fd, &dev, &ino), 0);
	return ino;
}

static uint64_t own_ino(void)
{
	_cleanup_close_ int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return ino_of(fd);
}

static int make(void)
{
	struct err e = { 0 };
	bool created = false;
	int fd = netns_ensure(path, &created, &e);

	if (fd < 0)
		fail_msg("%s", err_text(&e));
	assert_true(created);
	return fd;
}

static int clean(void **state)
{
	(void)state;
	netns_remove(path, NULL);
	return access(path, F_OK) == 0 ? -1 : 0;
}

static void test_ensure_makes_once_and_then_opens(void **state)
{
	uint64_t before = own_ino();
	_cleanup_close_ int a = make(), b = -1;
	bool created = true;

	(void)state;
	b = netns_ensure(path, &created, NULL);
	assert_true(b >= 0);
	assert_false(created);
	assert_int_equal(ino_of(a), ino_of(b));
	assert_int_equal(own_ino(), before);
	assert_int_not_equal(ino_of(a), before);
}

static void test_ensure_replaces_an_empty_leftover(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	close(make());
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	fd = make();
	assert_true(fd >= 0);
}

static void test_ensure_leaves_what_is_no_leftover(void **state)
{
	_cleanup_close_ int fd = open(path, O_CREAT | O_WRONLY, 0644);
	struct err e = { 0 };
	bool created;

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(netns_ensure(path, &created, &e), -EINVAL);
	assert_non_null(strstr(err_text(&e), "an ordinary file"));
	assert_int_equal(unlink(path), 0);
}

static void test_open_says_what_it_is_instead(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(netns_open("/nonexistent/x", &e), -ENOENT);
	assert_int_equal(netns_open("/proc/self/ns/uts", &e), -EINVAL);
	assert_non_null(strstr(err_text(&e), "another kind"));
	assert_int_equal(netns_open("/run", &e), -EINVAL);
	assert_non_null(strstr(err_text(&e), "directory"));
	assert_int_equal(netns_open("/dev/null", &e), -EINVAL);
}

static void test_target_must_be_the_one_meant(void **state)
{
	_cleanup_close_ int fd = make(), again = -1;
	struct state_target t = { 0 };
	struct err e = { 0 };

	(void)state;
	memcpy(t.path, path, sizeof(path));
	again = netns_open_target(&t, &e); /* not known: not checked */
	assert_true(again >= 0);
	assert_int_equal(netns_identify(fd, &t.dev, &t.ino), 0);
	close(again);
	again = netns_open_target(&t, &e);
	assert_true(again >= 0);
	t.ino++;
	assert_int_equal(netns_open_target(&t, &e), -ENOENT);
	assert_non_null(strstr(err_text(&e), "another one"));
}

static void test_socket_is_of_the_other_namespace(void **state)
{
	_cleanup_close_ int fd = make(), sock = netns_socket(fd, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = 1,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)state;
	assert_true(sock >= 0);
	/* lo is down in there. */
	assert_int_equal(connect(sock, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ENETUNREACH);
	assert_int_equal(netns_socket(fd, AF_INET, 12345, 0), -EINVAL);
}

static int look(void *arg)
{
	*(uint64_t *)arg = own_ino();
	return 42;
}

static void test_call_runs_inside(void **state)
{
	_cleanup_close_ int fd = make();
	uint64_t seen = 0, before = own_ino();

	(void)state;
	assert_int_equal(netns_call(fd, look, &seen), 42);
	assert_int_equal(seen, ino_of(fd));
	assert_int_equal(own_ino(), before);
}

static void test_remount_after_the_file_was_removed(void **state)
{
	_cleanup_close_ int fd = make(), again = -1;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	assert_int_equal(unlink(path), 0);
	if (netns_remount(fd, path, &e) < 0)
		fail_msg("%s", err_text(&e));
	again = netns_open(path, &e);
	assert_int_equal(ino_of(again), ino_of(fd));
	/* Another namespace in its place gives way too. */
	assert_int_equal(netns_remove(path, NULL), 0);
	close(make());
	assert_int_equal(netns_remount(fd, path, &e), 0);
	close(again);
	again = netns_open(path, &e);
	assert_int_equal(ino_of(again), ino_of(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_ensure_makes_once_and_then_opens, clean),
		cmocka_unit_test_teardown(test_ensure_replaces_an_empty_leftover, clean),
		cmocka_unit_test_teardown(test_ensure_leaves_what_is_no_leftover, clean),
		cmocka_unit_test_teardown(test_open_says_what_it_is_instead, clean),
		cmocka_unit_test_teardown(test_target_must_be_the_one_meant, clean),
		cmocka_unit_test_teardown(test_socket_is_of_the_other_namespace, clean),
		cmocka_unit_test_teardown(test_call_runs_inside, clean),
		cmocka_unit_test_teardown(test_remount_after_the_file_was_removed, clean),
	};

	snprintf(path, sizeof(path), "/run/netns/okl-%d-t", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
