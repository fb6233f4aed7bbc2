/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent/firewalld with a real firewalld and a bus of its own, and what coexist says about it.
 *
 * h: the host, where firewalld runs, with up0 (to n1, the outside) and ovl0 (to n2, a container). The bus, firewalld's configuration and its
 * other files are in /tmp/onf-<pid>-fw.
 */
#include <arpa/inet.h>
#include <errno.h>
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
#include "agent/firewalld.h"
#include "base/clock.h"
#include "base/mem.h"
#include "overlay/coexist.h"
#include "tests/kernel_facts/nft_lab.h"

#define WAIT_MS 60000 /* firewalld takes seconds to start, on a busy machine more */
#define BOTH "zone ovl: ovl-gw, ovl0"

static const char ifaces[][IFNAMSIZ] = { "ovl-gw", "ovl0" };

static struct {
	char dir[64];
	pid_t bus, daemon;
	uv_loop_t loop;
	struct firewalld *f;
	struct coexist *c;
	int n1, n2; /* UDP sockets */
} lab;

/* A shell command in the background, which ends with the test; in h and with mounts of its own where @daemon. */
static pid_t spawn(bool daemon, const char *cmd)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (daemon)
		nft_lab_enter("h");
	if (daemon && unshare(CLONE_NEWNS) < 0)
		_exit(126);
	execl("/bin/sh", "sh", "-ec", cmd, NULL);
	_exit(127);
}

static void start_bus(void)
{
	_cleanup_free_ char *cmd =
		mem_printf("exec dbus-daemon --nofork --config-file=%s/bus.conf >%s/bus.log 2>&1",
			   lab.dir, lab.dir);

	lab.bus = spawn(false, cmd);
	nft_lab_sh("for i in $(seq 600); do test -S %s/bus && exit 0; sleep 0.1; done; exit 1",
		   lab.dir);
}

static void start_daemon(void)
{
	_cleanup_free_ char *cmd = mem_printf(
		"mount --make-rprivate /; mount --bind %s/etc /etc/firewalld; mount --bind %s/log /var/log;"
		"mount --bind %s/run /run/lock; mkdir -p /run/firewalld; mount -t tmpfs t /run/firewalld;"
		"exec firewalld --nofork --nopid >%s/firewalld.log 2>&1",
		lab.dir, lab.dir, lab.dir, lab.dir);

	lab.daemon = spawn(true, cmd);
}

static void stop(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGTERM);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

/* Turn the loop until the state is @want. */
static void wait_state(const char *want)
{
	uint64_t until = clock_boot_ms() + WAIT_MS;
	uv_timer_t tick;

	uv_timer_init(&lab.loop, &tick);
	uv_timer_start(&tick, on_tick, 20, 20);
	while (strcmp(firewalld_state(lab.f), want) != 0 && clock_boot_ms() < until)
		uv_run(&lab.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&lab.loop, UV_RUN_NOWAIT);
	if (strcmp(firewalld_state(lab.f), want) != 0)
		fail_msg("state is \"%s\", not \"%s\"", firewalld_state(lab.f), want);
}

/* Turn the loop until @cmd succeeds. */
static void wait_command(const char *cmd)
{
	uint64_t until = clock_boot_ms() + WAIT_MS;
	int r;

	while ((r = nft_lab_try("%s", cmd)) && clock_boot_ms() < until)
		uv_run(&lab.loop, UV_RUN_NOWAIT);
	if (r)
		fail_msg("never: %s", cmd);
}

/* From a port of its own each time: connections that conntrack knows pass in any case. */
static bool comes(const char *from, int to, const char *addr, uint16_t port)
{
	static unsigned serial;
	char text[16];
	int fd = nft_lab_udp(from, "", 0);

	snprintf(text, sizeof(text), "m%u", ++serial);
	bool yes = nft_lab_send(fd, addr, port, text) == 0 && nft_lab_comes(to, text, 300);
	close(fd);
	return yes;
}

static bool to_container(void)
{
	return comes("n1", lab.n2, "10.9.2.2", 2000);
}

static bool from_container(void)
{
	return comes("n2", lab.n1, "10.9.1.2", 1000);
}

static bool found(enum coexist_level level, const char *what)
{
	const struct coexist_finding *v;
	struct err e = { 0 };
	unsigned writes = 9;

	nft_lab_enter("h");
	int r = coexist_update(lab.c, ifaces, 2, &writes, &e);
	nft_lab_enter(NULL);
	if (r < 0)
		fail_msg("%s", err_text(&e));
	assert_int_equal(writes, 0);
	for (size_t n = coexist_findings(lab.c, &v); n > 0; n--) {
		if (v[n - 1].level == level && strstr(v[n - 1].what, what)) {
			print_message("%s [%s]\n", v[n - 1].what,
				      v[n - 1].cure ? v[n - 1].cure : "");
			return true;
		}
	}
	return false;
}

static void test_comes_and_goes(void **state)
{
	(void)state;
	/* No bus at all, then a bus without firewalld. */
	lab.f = firewalld_new(&lab.loop);
	firewalld_set(lab.f, ifaces, 2);
	wait_state("not running");
	start_bus();
	assert_true(to_container());
	/* Now the real one, without our zone: it drops. */
	start_daemon();
	wait_state(BOTH);
	assert_true(from_container());
	assert_true(to_container());
	nft_lab_sh(
		"test \"$(firewall-cmd --zone=ovl --list-interfaces | xargs -n1 | LC_ALL=C sort | xargs)\" = 'ovl-gw ovl0'");
	nft_lab_sh("test \"$(firewall-cmd --permanent --zone=ovl --get-target)\" = ACCEPT");
	nft_lab_sh("test -z \"$(firewall-cmd --permanent --zone=ovl --list-interfaces)\"");
	assert_true(found(COEXIST_NOTE, "firewalld: filter_FORWARD drops, but has rules for"));
	assert_true(found(COEXIST_PROBLEM, "firewalld: filter_INPUT may block VXLAN"));
	nft_lab_sh("firewall-cmd -q --permanent --add-port=4789/udp && firewall-cmd -q --reload");
	/* That reload took our interfaces out. */
	wait_command("firewall-cmd -q --zone=ovl --query-interface=ovl0 && "
		     "firewall-cmd -q --zone=ovl --query-interface=ovl-gw");
	wait_state(BOTH);
	assert_false(found(COEXIST_PROBLEM, ""));
	assert_true(to_container());
}

static void test_follows(void **state)
{
	(void)state;
	/* Somebody's own stays; one of ours that is no more goes. */
	nft_lab_sh("firewall-cmd -q --zone=ovl --add-interface=theirs");
	firewalld_set(lab.f, ifaces, 1);
	wait_state("zone ovl: ovl-gw");
	nft_lab_sh(
		"test \"$(firewall-cmd --zone=ovl --list-interfaces | xargs -n1 | LC_ALL=C sort | xargs)\" = 'ovl-gw theirs'");
	assert_true(found(COEXIST_PROBLEM, "firewalld: filter_FORWARD drops what ovl0 forwards"));
	assert_false(to_container());
	/* In a zone of somebody's: it is ours, and moves. */
	nft_lab_sh("firewall-cmd -q --zone=dmz --add-interface=ovl0");
	firewalld_set(lab.f, ifaces, 2);
	wait_state(BOTH);
	assert_true(to_container());
	assert_true(firewalld_settled(lab.f));
	firewalld_set(lab.f, NULL, 0);
	assert_false(firewalld_settled(lab.f));
	wait_state("running, nothing of ours in it");
	assert_true(firewalld_settled(lab.f));
	firewalld_set(lab.f, ifaces, 2);
	wait_state(BOTH);
}

static void test_restarts(void **state)
{
	(void)state;
	stop(&lab.daemon);
	wait_state("not running");
	assert_true(to_container());
	start_daemon();
	wait_state(BOTH);
	assert_true(to_container());
	nft_lab_sh("! grep -q 'reload' %s/firewalld.log", lab.dir);
	/* ovld starts again: nothing of it shows. */
	firewalld_close(lab.f);
	uv_run(&lab.loop, UV_RUN_DEFAULT);
	lab.f = firewalld_new(&lab.loop);
	firewalld_set(lab.f, ifaces, 2);
	wait_state(BOTH);
	/* The bus goes, with firewalld (it ends with it), and comes again. */
	stop(&lab.bus);
	wait_state("not running");
	stop(&lab.daemon);
	start_bus();
	start_daemon();
	wait_state(BOTH);
	assert_true(to_container());
}

static int begin(void **state)
{
	struct err e = { 0 };

	(void)state;
	snprintf(lab.dir, sizeof(lab.dir), "/tmp/onf-%d-fw", (int)getpid());
	nft_lab_sh(
		"mkdir -p %s/log %s/run; cp -a /etc/firewalld %s/etc; cat >%s/bus.conf <<'END'\n"
		"<busconfig><type>system</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>\n"
		"<policy context='default'><allow user='*'/><allow own='*'/><allow send_destination='*'/>\n"
		"<allow eavesdrop='false'/><allow receive_type='signal'/><allow receive_type='method_call'/>\n"
		"<allow receive_type='method_return'/><allow receive_type='error'/></policy></busconfig>\nEND\n",
		lab.dir, lab.dir, lab.dir, lab.dir, lab.dir);
	_cleanup_free_ char *address = mem_printf("unix:path=%s/bus", lab.dir);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
	uv_loop_init(&lab.loop);
	nft_lab_enter("h");
	int r = coexist_new(4789, &lab.c, &e);
	nft_lab_enter(NULL);
	if (r < 0)
		fail_msg("%s", err_text(&e));
	lab.n1 = nft_lab_udp("n1", "10.9.1.2", 1000);
	lab.n2 = nft_lab_udp("n2", "10.9.2.2", 2000);
	return 0;
}

static int end(void **state)
{
	(void)state;
	firewalld_close(lab.f);
	uv_run(&lab.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&lab.loop), 0);
	coexist_free(lab.c);
	stop(&lab.daemon);
	stop(&lab.bus);
	close(lab.n1);
	close(lab.n2);
	nft_lab_sh("rm -rf %s", lab.dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_and_goes),
		cmocka_unit_test(test_follows),
		cmocka_unit_test(test_restarts),
	};

	nft_lab_begin();
	nft_lab_ns("h");
	nft_lab_ns("n1");
	nft_lab_ns("n2");
	nft_lab_sh(
		"ip -n ~h link add up0 type veth peer name eth0 netns ~n1; ip -n ~h link add ovl0 type veth peer name eth0 netns ~n2;"
		"ip -n ~h addr add 10.9.1.1/24 dev up0; ip -n ~h addr add 10.9.2.1/24 dev ovl0;"
		"ip -n ~h link set up0 up; ip -n ~h link set ovl0 up; ip netns exec ~h sysctl -qw net.ipv4.ip_forward=1");
	for (unsigned i = 1; i <= 2; i++)
		nft_lab_sh(
			"ip -n ~n%u link set eth0 up; ip -n ~n%u addr add 10.9.%u.2/24 dev eth0; "
			"ip -n ~n%u route add default via 10.9.%u.1",
			i, i, i, i, i);
	return cmocka_run_group_tests(tests, begin, end);
}
