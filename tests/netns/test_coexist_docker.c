/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coexist beside a real dockerd, which runs in a network namespace of its own: whoever comes first, both go on to work.
 *
 * h: the host with dockerd, up0 (to n1, the outside) and ovl0 (to n2, a container of ours). dockerd's files are in /tmp/onf-<pid>-dk.
 */
#include <arpa/inet.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include "base/mem.h"
#include "overlay/coexist.h"
#include "tests/kernel_facts/nft_lab.h"

#define IN_H "ip netns exec ~h "
#define DOCKER "docker -H unix://$DIR/run/docker.sock "

static const char ifaces[][IFNAMSIZ] = { "ovl-gw", "ovl0" };

static struct {
	char dir[64];
	pid_t daemon;
	struct coexist *c;
	int n2; /* UDP socket */
} lab;

static void start_docker(void)
{
	static const char cmd[] =
		"hostname h; mount --make-rprivate /; mount --bind $DIR/run /run; mkdir -p /run/lock;"
		"test ! -d /etc/docker || mount -t tmpfs t /etc/docker;"
		"exec dockerd --data-root $DIR/data --exec-root /run/docker --pidfile /run/docker.pid "
		"-H unix:///run/docker.sock --storage-driver vfs --cgroup-parent=/$(basename $DIR) --bip 10.9.8.1/24 "
		">>$DIR/log 2>&1";

	/* Its own decision, so that it also sets the policy of FORWARD. */
	nft_lab_sh(IN_H "sysctl -qw net.ipv4.ip_forward=0");
	lab.daemon = fork();
	assert_true(lab.daemon >= 0);
	if (lab.daemon == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		nft_lab_enter("h");
		if (unshare(CLONE_NEWNS | CLONE_NEWUTS) < 0)
			_exit(126);
		execl("/bin/sh", "sh", "-ec", cmd, NULL);
		_exit(127);
	}
	nft_lab_sh("for i in $(seq 600); do " DOCKER
		   "info >/dev/null 2>&1 && exit 0; sleep 0.1; done; tail $DIR/log >&2; exit 1");
	nft_lab_sh("test $(" IN_H "sysctl -n net.ipv4.ip_forward) = 1");
}

static void stop_docker(void)
{
	if (lab.daemon > 0) {
		kill(lab.daemon, SIGTERM);
		waitpid(lab.daemon, NULL, 0);
	}
	lab.daemon = 0;
}

static unsigned update(size_t n)
{
	struct err e = { 0 };
	unsigned writes = 99;

	nft_lab_enter("h");
	int r = coexist_update(lab.c, ifaces, n, &writes, &e);
	nft_lab_enter(NULL);
	if (r < 0)
		fail_msg("%s", err_text(&e));
	return writes;
}

static bool passes(void)
{
	static unsigned serial;
	char text[16];
	int fd = nft_lab_udp("n1", "", 0);

	snprintf(text, sizeof(text), "m%u", ++serial);
	bool yes = nft_lab_send(fd, "10.9.2.2", 2000, text) == 0 &&
		   nft_lab_comes(lab.n2, text, 300);
	close(fd);
	return yes;
}

/* A container of Docker's reaches the outside; its networks and published ports are made and taken away. */
static void expect_docker_works(void)
{
	nft_lab_sh(DOCKER "run --rm img /busybox ping -q -c 1 -W 5 10.9.1.2 >/dev/null");
	nft_lab_sh(DOCKER
		   "network create dn >/dev/null; " DOCKER
		   "run --rm --network dn -p 8080:80 img /busybox ping -q -c 1 -W 5 10.9.1.2 "
		   ">/dev/null; " DOCKER "network rm dn >/dev/null");
	nft_lab_sh("! grep -i 'incompatible\\|iptables failed' $DIR/log");
	nft_lab_sh(IN_H "iptables -S >/dev/null; " IN_H "iptables-save >/dev/null");
}

static void expect_in(const char *chain)
{
	bool docker = strcmp(chain, "DOCKER-USER") == 0;

	/* The first line declares the chain. With Docker's bridge there, from each of ours to it its own rules decide. */
	nft_lab_sh("test \"$(" IN_H "iptables -S %s | grep -n -- '--comment ovl -j' | "
		   "sed 's/:.*//' | xargs)\" = '%s'",
		   chain, docker ? "2 3 4 5 6 7" : "2 3 4 5");
	if (docker)
		nft_lab_sh("test \"$(" IN_H "iptables -S %s | grep -n -- '-o docker0 -m comment "
			   "--comment ovl -j RETURN' | sed 's/:.*//' | xargs)\" = '2 5'",
			   chain);
	nft_lab_sh("test $(" IN_H "iptables -S | grep -c -- '--comment ovl -j ACCEPT') = 4");
}

static void test_docker_first(void **state)
{
	(void)state;
	start_docker();
	nft_lab_sh(IN_H "iptables -S FORWARD | grep -qx -- '-P FORWARD DROP'");
	nft_lab_sh(DOCKER "import $DIR/root.tar img >/dev/null");
	assert_false(passes());
	assert_int_equal(update(2), 6);
	assert_true(passes());
	expect_in("DOCKER-USER");
	expect_docker_works();
	/* Docker makes rules anew and ours stay. */
	stop_docker();
	assert_true(passes() || nft_lab_number("h", "/proc/sys/net/ipv4/ip_forward") == 0);
	start_docker();
	assert_int_equal(update(2), 0);
	expect_in("DOCKER-USER");
	assert_true(passes());
	expect_docker_works();
}

static void test_docker_later(void **state)
{
	(void)state;
	stop_docker();
	nft_lab_sh(IN_H "nft flush ruleset; " IN_H "ip link del docker0; " IN_H
			"iptables -P FORWARD DROP");
	assert_int_equal(update(2), 4);
	expect_in("FORWARD");
	assert_true(coexist_event_read(lab.c));
	start_docker();
	/* The way now begins with DOCKER-USER, but rules in FORWARD do until the notification comes. */
	assert_true(passes());
	assert_true(coexist_event_read(lab.c));
	assert_int_equal(update(2), 10);
	expect_in("DOCKER-USER");
	assert_int_equal(update(2), 0);
	assert_true(passes());
	expect_docker_works();
	/* Its rules vanish: `iptables -F`, then a restart. */
	nft_lab_sh(IN_H "iptables -F; " IN_H "iptables -X");
	assert_int_equal(update(2), 4);
	expect_in("FORWARD");
	stop_docker();
	start_docker();
	update(2);
	expect_in("DOCKER-USER");
	assert_true(passes());
	expect_docker_works();
	assert_int_equal(update(0), 6);
	nft_lab_sh("! " IN_H "iptables -S | grep -- '--comment ovl'");
	expect_docker_works();
}

static int begin(void **state)
{
	struct err e = { 0 };

	(void)state;
	nft_lab_enter("h");
	int r = coexist_new(4789, &lab.c, &e);
	nft_lab_enter(NULL);
	if (r < 0)
		fail_msg("%s", err_text(&e));
	lab.n2 = nft_lab_udp("n2", "10.9.2.2", 2000);
	return 0;
}

static int end(void **state)
{
	(void)state;
	coexist_free(lab.c);
	stop_docker();
	close(lab.n2);
	return 0;
}

static void cleanup(void)
{
	nft_lab_try(
		"for c in /sys/fs/cgroup /sys/fs/cgroup/*; do rmdir $c/$(basename $DIR) || :; done 2>/dev/null; rm -rf $DIR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_docker_first),
		cmocka_unit_test(test_docker_later),
	};

	nft_lab_begin();
	snprintf(lab.dir, sizeof(lab.dir), "/tmp/onf-%d-dk", (int)getpid());
	setenv("DIR", lab.dir, 1);
	nft_lab_ns("h");
	nft_lab_ns("n1");
	nft_lab_ns("n2");
	nft_lab_sh(
		"mkdir -p $DIR/run $DIR/root; cp /bin/busybox $DIR/root; tar -C $DIR/root -cf $DIR/root.tar .");
	nft_lab_sh(
		"ip -n ~h link add up0 type veth peer name eth0 netns ~n1; ip -n ~h link add ovl0 type veth peer name eth0 netns ~n2;"
		"ip -n ~h addr add 10.9.1.1/24 dev up0; ip -n ~h addr add 10.9.2.1/24 dev ovl0;"
		"ip -n ~h link set up0 up; ip -n ~h link set ovl0 up");
	for (unsigned i = 1; i <= 2; i++)
		nft_lab_sh(
			"ip -n ~n%u link set eth0 up; ip -n ~n%u addr add 10.9.%u.2/24 dev eth0; "
			"ip -n ~n%u route add default via 10.9.%u.1",
			i, i, i, i, i);
	int failed = cmocka_run_group_tests(tests, begin, end);
	cleanup();
	return failed;
}
