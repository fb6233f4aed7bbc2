/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/resolv.conf and /etc/hosts of a container, on a "host" whose /etc is this test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/netns/run_lab.h"

struct fixture {
	struct run_lab lab;
	char resolv_conf[96], hosts[96];
};

static void put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void is(const char *path, const char *want)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;

	assert_true(fd >= 0);
	text = run_lab_read(fd);
	close(fd);
	assert_string_equal(text, want);
}

/* An /etc and a /run of tmpfs, shared as systemd has them: whatever leaks out of a container is seen here. */
static int up(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/etc", "tmpfs", 0, NULL) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		return -1;
	put("/etc/resolv.conf", "host\n");
	put("/etc/hosts", "host's hosts\n");
	run_lab_up(&f->lab);
	snprintf(f->resolv_conf, sizeof(f->resolv_conf), "%s/resolv.conf", f->lab.dir);
	snprintf(f->hosts, sizeof(f->hosts), "%s/hosts", f->lab.dir);
	put(f->resolv_conf, "container\n");
	put(f->hosts, "container's hosts\n");
	f->lab.resolv_conf = f->resolv_conf;
	f->lab.hosts = f->hosts;
	*state = f;
	return 0;
}

static int down(void **state)
{
	struct fixture *f = *state;

	unlink(f->resolv_conf);
	unlink(f->hosts);
	run_lab_down(&f->lab);
	free(f);
	return umount2("/etc", MNT_DETACH);
}

static void end(struct run_lab *l, const char *exit)
{
	_cleanup_free_ char *target = mem_printf("/containers/c1?exit=%s&signal=0", exit);

	run_lab_expect(l, "DELETE", target);
	run_lab_answer(l, "204 No Content", NULL);
	run_lab_exit(l);
}

static void stop(struct run_lab *l)
{
	kill(l->supervisor, SIGKILL);
	run_lab_exit(l);
}

/* The container's file by another way than its own: as a process that enters its mount namespace sees it. */
static char *inside(const struct run_lab *l, const char *path)
{
	return mem_printf("/proc/%d/root%s", (int)l->supervisor, path);
}

static void own_files_inside_alone(void **state)
{
	struct fixture *f = *state;
	struct run_lab *l = &f->lab;
	_cleanup_free_ char *out = NULL;

	run_lab_start(
		l,
		"cat /etc/resolv.conf /etc/hosts; ls -l /proc/self/fd | grep -c -e mountinfo -e inotify");
	run_lab_running(l);
	end(l, "1");
	out = run_lab_read(l->out);
	assert_string_equal(out, "container\ncontainer's hosts\n0\n");
	is("/etc/resolv.conf", "host\n");
	is("/etc/hosts", "host's hosts\n");
}

/* ovld writes in place: a mount is of the file, not of its name. */
static void changes_are_seen(void **state)
{
	struct fixture *f = *state;
	struct run_lab *l = &f->lab;
	_cleanup_free_ char *seen = NULL;

	run_lab_start(l, "exec sleep 60");
	run_lab_running(l);
	seen = inside(l, "/etc/resolv.conf");
	is(seen, "container\n");
	put(f->resolv_conf, "changed\n");
	is(seen, "changed\n");
	is("/etc/resolv.conf", "host\n");
	stop(l);
}

static void absent_files_of_ovld(void **state)
{
	struct fixture *f = *state;
	struct run_lab *l = &f->lab;
	_cleanup_free_ char *out = NULL;

	unlink(f->resolv_conf);
	l->hosts = NULL;
	run_lab_start(l, "cat /etc/resolv.conf /etc/hosts");
	run_lab_running(l);
	end(l, "0");
	out = run_lab_read(l->out);
	assert_string_equal(out, "host\nhost's hosts\n");
}

static void absent_files_of_the_host(void **state)
{
	struct fixture *f = *state;
	struct run_lab *l = &f->lab;
	_cleanup_free_ char *out = NULL, *kept = NULL, *seen = NULL;

	assert_int_equal(unlink("/etc/resolv.conf"), 0);
	assert_int_equal(symlink("../nowhere/resolv.conf", "/etc/resolv.conf"), 0);
	run_lab_start(l, "cat /etc/hosts; exec sleep 60");
	run_lab_running(l);
	kept = run_lab_file(l->log, "container's hosts\n");
	assert_non_null(strstr(kept, "ovl-run: the host has no /etc/resolv.conf"));
	/* It comes later. */
	put("/etc/new", "host\n");
	assert_int_equal(rename("/etc/new", "/etc/resolv.conf"), 0);
	seen = inside(l, "/etc/resolv.conf");
	out = run_lab_file(seen, "container\n");
	is("/etc/resolv.conf", "host\n");
	stop(l);
}

static void symbolic_links(void **state)
{
	struct fixture *f = *state;
	struct run_lab *l = &f->lab;
	_cleanup_free_ char *a = NULL, *b = NULL, *c = NULL, *seen = NULL;

	assert_int_equal(mkdir("/etc/far", 0755), 0);
	put("/etc/far/stub", "stub\n");
	assert_int_equal(unlink("/etc/resolv.conf"), 0);
	assert_int_equal(symlink("/etc/far/stub", "/etc/resolv.conf"), 0);
	run_lab_start(l, "exec sleep 60");
	run_lab_running(l);
	seen = inside(l, "/etc/resolv.conf");
	a = inside(l, "/etc/far/stub");
	is(a, "container\n");
	/* What the link leads to is replaced, as systemd-resolved does; then the link. */
	put("/etc/far/new", "stub 2\n");
	assert_int_equal(rename("/etc/far/new", "/etc/far/stub"), 0);
	b = run_lab_file(a, "container\n");
	put("/etc/far/other", "other\n");
	assert_int_equal(symlink("far/other", "/etc/link"), 0);
	assert_int_equal(rename("/etc/link", "/etc/resolv.conf"), 0);
	free(a);
	a = inside(l, "/etc/far/other");
	c = run_lab_file(a, "container\n");
	is("/etc/resolv.conf", "other\n");
	is("/etc/far/stub", "stub 2\n");
	stop(l);
}

/* A host's file put in the place of another, again and again: that takes the mount away each time. */
static void replaced_files(void **state)
{
	struct fixture *f = *state;
	struct run_lab *l = &f->lab;
	_cleanup_free_ char *seen = NULL, *hosts = NULL;

	run_lab_start(l, "exec sleep 60");
	run_lab_running(l);
	seen = inside(l, "/etc/resolv.conf");
	hosts = inside(l, "/etc/hosts");
	for (int i = 0; i < 50; i++) {
		put("/etc/new", "host again\n");
		assert_int_equal(rename("/etc/new", i % 2 ? "/etc/hosts" : "/etc/resolv.conf"), 0);
		free(run_lab_file(seen, "container\n"));
		free(run_lab_file(hosts, "container's hosts\n"));
	}
	is("/etc/resolv.conf", "host again\n");
	is("/etc/hosts", "host again\n");
	stop(l);
}

/* What the command mounts itself is its own affair. */
static void mounts_of_the_command_stay(void **state)
{
	struct fixture *f = *state;
	struct run_lab *l = &f->lab;
	_cleanup_free_ char *mine = mem_printf("%s/mine", l->dir), *kept = NULL, *seen = NULL;
	_cleanup_free_ char *script = mem_printf(
		"echo mine > %s; mount --bind %s /etc/resolv.conf; echo ready; exec sleep 60", mine,
		mine);
	_cleanup_free_ char *hosts = NULL;

	run_lab_start(l, script);
	run_lab_running(l);
	kept = run_lab_file(l->log, "ready\n");
	/* The supervisor has looked again when the other one is back. */
	put("/etc/new", "host again\n");
	assert_int_equal(rename("/etc/new", "/etc/hosts"), 0);
	hosts = inside(l, "/etc/hosts");
	free(run_lab_file(hosts, "container's hosts\n"));
	seen = inside(l, "/etc/resolv.conf");
	is(seen, "mine\n");
	is("/etc/resolv.conf", "host\n");
	unlink(mine);
	stop(l);
}

static void host_name_as_asked(void **state)
{
	struct fixture *f = *state;
	struct run_lab *l = &f->lab;
	_cleanup_free_ char *out = NULL, *again = NULL;

	l->request.names.hostname = mem_strdup("box.example");
	run_lab_start(l, "hostname");
	run_lab_running(l);
	end(l, "0");
	out = run_lab_read(l->out);
	assert_string_equal(out, "box.example\n");
	l->request.mode = RUN_HOST;
	run_lab_again(l, "hostname");
	run_lab_running(l);
	end(l, "0");
	again = run_lab_read(l->out);
	assert_string_equal(again, "box.example\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(own_files_inside_alone),     T(changes_are_seen),   T(absent_files_of_ovld),
		T(absent_files_of_the_host),   T(symbolic_links),     T(replaced_files),
		T(mounts_of_the_command_stay), T(host_name_as_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
