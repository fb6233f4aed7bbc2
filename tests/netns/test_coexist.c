/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coexist beside real iptables-nft, iptables-legacy, nft and ufw: what is written, what is found, and what packets do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"
#include "tests/netns/coexist_lab.h"

static void test_quiet(void **state)
{
	struct coexist_lab *f = *state;

	assert_int_equal(coexist_lab_update(f, 2), 0);
	assert_int_equal(coexist_lab_update(f, 0), 0);
	assert_null(coexist_lab_find(f, COEXIST_NOTE, NULL));
	coexist_lab_expect_no_problem(f);
	assert_true(coexist_lab_passes(f));
	/* Policies that accept are nobody's trouble. */
	nft_lab_sh(IN_H "iptables -A FORWARD -i up0 -j LOG");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	assert_null(coexist_lab_find(f, COEXIST_NOTE, NULL));
	coexist_lab_expect_no_problem(f);
}

#define OURS                                                        \
	"-A FORWARD -i ovl-gw -m comment --comment ovl -j ACCEPT\n" \
	"-A FORWARD -o ovl-gw -m comment --comment ovl -j ACCEPT\n" \
	"-A FORWARD -i ovl0 -m comment --comment ovl -j ACCEPT\n"   \
	"-A FORWARD -o ovl0 -m comment --comment ovl -j ACCEPT\n"

static void test_forward_drop(void **state)
{
	struct coexist_lab *f = *state;

	nft_lab_sh(IN_H "iptables -P FORWARD DROP; " IN_H "iptables -A FORWARD -i up9 -j DROP");
	assert_false(coexist_lab_passes(f));
	assert_true(coexist_event_read(f->c));
	assert_int_equal(coexist_lab_update(f, 2), 4);
	assert_false(coexist_event_read(f->c)); /* our own */
	coexist_lab_says("iptables -S FORWARD",
			 "-P FORWARD DROP\n" OURS "-A FORWARD -i up9 -j DROP\n");
	coexist_lab_expect(f, COEXIST_NOTE,
			   "iptables: FORWARD drops; accept rules for ovl-gw, ovl0 in FORWARD");
	coexist_lab_expect_no_problem(f);
	assert_true(coexist_lab_passes(f));
	assert_int_equal(coexist_lab_update(f, 2), 0);
	/* Theirs and ours are the same: -C, -D, save and restore. */
	nft_lab_sh(IN_H "iptables -C FORWARD -o ovl0 -m comment --comment ovl -j ACCEPT");
	nft_lab_sh(IN_H "iptables -D FORWARD -o ovl0 -m comment --comment ovl -j ACCEPT");
	assert_true(coexist_event_read(f->c));
	assert_int_equal(coexist_lab_update(f, 2), 1);
	nft_lab_sh(IN_H "sh -c 'iptables-save | iptables-restore'");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	nft_lab_sh(IN_H "iptables -A FORWARD -i ovl0 -m comment --comment ovl -j ACCEPT");
	assert_int_equal(coexist_lab_update(f, 2), 1); /* one too many */
	/* What is almost ours stays. */
	nft_lab_sh(IN_H
		   "iptables -A FORWARD -i ovl0 -p udp -m comment --comment ovl -j ACCEPT; " IN_H
		   "iptables -A FORWARD -i ovl0 -m comment --comment ovl2 -j ACCEPT; " IN_H
		   "iptables -A FORWARD ! -i ovl0 -m comment --comment ovl -j ACCEPT; " IN_H
		   "iptables -A FORWARD -i ovl0 -o up0 -m comment --comment ovl -j ACCEPT; " IN_H
		   "iptables -A FORWARD -i ovl+ -m comment --comment ovl -j ACCEPT; " IN_H
		   "iptables -A FORWARD -i ovl0 -m comment --comment ovl -j DROP");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	assert_int_equal(coexist_lab_update(f, 1), 2); /* ovl0 is gone */
	assert_int_equal(coexist_lab_update(f, 0), 2);
	assert_int_equal(nft_lab_try(IN_H "iptables -S FORWARD | grep -cq 'ovl-gw'"), 1);
	nft_lab_sh("test $(" IN_H "iptables -S FORWARD | wc -l) = 8");
	nft_lab_sh(IN_H "iptables -P FORWARD ACCEPT");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	/* ip6tables has a table of its own. */
	nft_lab_sh(IN_H "ip6tables -P FORWARD DROP");
	assert_int_equal(coexist_lab_update(f, 2), 4);
	coexist_lab_says("ip6tables -S FORWARD", "-P FORWARD DROP\n" OURS);
	coexist_lab_expect(f, COEXIST_NOTE, "ip6tables: FORWARD drops");
	struct err e = { 0 };
	assert_int_equal(coexist_remove(f->c, &e), 0);
	coexist_lab_says("ip6tables -S FORWARD", "-P FORWARD DROP\n");
}

/* A RHEL host: the policy accepts, the last rule rejects all. */
static void test_last_rule(void **state)
{
	struct coexist_lab *f = *state;

	nft_lab_sh(IN_H "iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited");
	assert_int_equal(coexist_lab_update(f, 2), 4);
	assert_true(coexist_lab_passes(f));
	coexist_lab_expect_no_problem(f);
	/* The panic button of an administrator is left alone, and told of. */
	nft_lab_sh(IN_H "iptables -I FORWARD -j DROP");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	coexist_lab_expect(f, COEXIST_PROBLEM, "a rule in front of ours drops everything");
	nft_lab_sh(IN_H "iptables -F FORWARD");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	coexist_lab_expect_no_problem(f);
}

static void test_docker_user(void **state)
{
	struct coexist_lab *f = *state;

	nft_lab_sh(IN_H "iptables -P FORWARD DROP");
	assert_int_equal(coexist_lab_update(f, 2), 4);
	/* dockerd starts: rules move. */
	nft_lab_sh(IN_H "iptables -N DOCKER-USER; " IN_H "iptables -A DOCKER-USER -j RETURN; " IN_H
			"iptables -I FORWARD -j DOCKER-USER");
	assert_true(coexist_event_read(f->c));
	assert_int_equal(coexist_lab_update(f, 1), 6); /* four deleted, two made */
	coexist_lab_says("iptables -S",
			 "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N DOCKER-USER\n"
			 "-A FORWARD -j DOCKER-USER\n"
			 "-A DOCKER-USER -i ovl-gw -m comment --comment ovl -j ACCEPT\n"
			 "-A DOCKER-USER -o ovl-gw -m comment --comment ovl -j ACCEPT\n"
			 "-A DOCKER-USER -j RETURN\n");
	coexist_lab_expect(f, COEXIST_NOTE, "accept rules for ovl-gw in DOCKER-USER");
	assert_int_equal(coexist_lab_update(f, 2), 2);
	assert_true(coexist_lab_passes(f));
	/* A RETURN in front makes ours void. */
	nft_lab_sh(IN_H "iptables -I DOCKER-USER -j RETURN");
	assert_int_equal(coexist_lab_update(f, 2), 8);
	assert_true(coexist_lab_passes(f));
	assert_int_equal(coexist_lab_update(f, 2), 0);
	/* Docker is gone, its chain left behind. */
	nft_lab_sh(IN_H "iptables -F FORWARD");
	assert_int_equal(coexist_lab_update(f, 2), 8);
	assert_true(coexist_lab_passes(f));
	nft_lab_sh(IN_H "nft flush ruleset");
	assert_true(coexist_event_read(f->c));
	assert_int_equal(coexist_lab_update(f, 2), 0);
}

/* iptables at work all the time: no rule is lost or doubled. */
static void test_concurrent(void **state)
{
	struct coexist_lab *f = *state;
	unsigned writes = 0;

	nft_lab_sh(IN_H "iptables -P FORWARD DROP");
	pid_t pid = fork();
	if (pid == 0) {
		nft_lab_sh(IN_H "sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do"
				" iptables -P FORWARD DROP; iptables -A FORWARD -i up0 -j ACCEPT;"
				" iptables -F FORWARD; done'");
		_exit(0);
	}
	for (unsigned i = 0; waitpid(pid, NULL, WNOHANG) == 0; i++)
		writes += coexist_lab_update(f, 1 + i % 2);
	assert_true(writes > 0);
	coexist_lab_update(f, 2);
	/* The order is that of their coming. */
	coexist_lab_says("sh -c 'iptables -S FORWARD | LC_ALL=C sort'",
			 "-A FORWARD -i ovl-gw -m comment --comment ovl -j ACCEPT\n"
			 "-A FORWARD -i ovl0 -m comment --comment ovl -j ACCEPT\n"
			 "-A FORWARD -o ovl-gw -m comment --comment ovl -j ACCEPT\n"
			 "-A FORWARD -o ovl0 -m comment --comment ovl -j ACCEPT\n"
			 "-P FORWARD DROP\n");
	assert_int_equal(coexist_lab_update(f, 2), 0);
}

/* As many interfaces as there may be. */
static void test_many(void **state)
{
	static char many[COEXIST_IFACES_MAX + 1][IFNAMSIZ];
	struct coexist_lab *f = *state;
	struct err e = { 0 };
	unsigned writes;

	for (unsigned i = 0; i <= COEXIST_IFACES_MAX; i++)
		snprintf(many[i], IFNAMSIZ, "ovl-%011x", i);
	nft_lab_sh(IN_H "iptables -P FORWARD DROP");
	nft_lab_enter("h");
	for (unsigned i = 0; i < 2; i++) {
		uint64_t begin_ms = clock_boot_ms();

		assert_int_equal(coexist_update(f->c, many, COEXIST_IFACES_MAX, &writes, &e), 0);
		assert_int_equal(writes, i ? 0 : 2 * COEXIST_IFACES_MAX);
		print_message("%u rules, %u of them written: %u ms\n", 2 * COEXIST_IFACES_MAX,
			      writes, (unsigned)(clock_boot_ms() - begin_ms));
	}
	coexist_lab_expect(f, COEXIST_NOTE, "and 1016 more in FORWARD");
	assert_int_equal(coexist_update(f->c, many, COEXIST_IFACES_MAX + 1, &writes, &e), -E2BIG);
	assert_int_equal(coexist_remove(f->c, &e), 0);
	nft_lab_enter(NULL);
	coexist_lab_says("iptables -S FORWARD", "-P FORWARD DROP\n");
}

static void test_nft_table(void **state)
{
	struct coexist_lab *f = *state;

	nft_lab_sh(IN_H "nft -f - <<'END'\n"
			"table inet filter {\n"
			"chain forward { type filter hook forward priority filter; policy drop; }\n"
			"chain input { type filter hook input priority filter; policy drop;\n"
			"  ct state established,related accept\n"
			"  iif lo accept\n"
			"}\n}\nEND\n");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	assert_false(coexist_lab_passes(f));
	coexist_lab_cure(f, "nft: inet filter forward drops what ovl-gw, ovl0 forwards", 2);
	coexist_lab_expect(f, COEXIST_NOTE,
			   "inet filter forward drops, but has rules for ovl-gw, ovl0");
	assert_true(coexist_lab_passes(f));
	coexist_lab_cure(f, "inet filter input may block VXLAN", 2);
	coexist_lab_cure(f, "inet filter input may block DNS", 2);
	coexist_lab_expect_no_problem(f);
	/* By a set, through a chain; by the interface's number. */
	nft_lab_sh(
		IN_H
		"nft -f - <<'END'\n"
		"flush ruleset\n"
		"table inet filter {\n"
		"set ports { type inet_service; flags interval; elements = { 50-60, 4000-5000 }; }\n"
		"chain pass { iifname { \"ovl0\", \"ovl-gw\" } accept; oifname { ovl0, ovl-gw } accept; }\n"
		"chain ports_in { udp dport @ports accept; }\n"
		"chain forward { type filter hook forward priority filter; jump pass\n drop; }\n"
		"chain input { type filter hook input priority filter; policy drop;\n"
		"  ct state vmap { established : accept, new : jump ports_in }\n"
		"}\n}\nEND\n");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	coexist_lab_expect_no_problem(f);
	coexist_lab_expect(f, COEXIST_NOTE,
			   "inet filter forward drops, but has rules for ovl-gw, ovl0");
	nft_lab_sh(IN_H "nft delete element inet filter ports { 4000-5000 }");
	assert_true(coexist_event_read(f->c));
	assert_int_equal(coexist_lab_update(f, 2), 0);
	coexist_lab_expect(f, COEXIST_PROBLEM, "inet filter input may block VXLAN");
	nft_lab_sh(
		IN_H
		"nft -f - <<'END'\n"
		"flush ruleset\n"
		"table ip x {\n"
		"chain y { type filter hook forward priority 5; policy drop; iif ovl0 accept; oif ovl0 accept; }\n"
		"}\nEND\n");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	coexist_lab_expect(f, COEXIST_PROBLEM, "nft: ip x y drops what ovl-gw forwards");
	assert_true(coexist_lab_passes(f));
}

static void test_legacy(void **state)
{
	struct coexist_lab *f = *state;

	nft_lab_need("/proc/net/ip_tables_names", "iptables-legacy");
	nft_lab_need("/proc/net/ip6_tables_names", "ip6tables-legacy");
	nft_lab_sh(IN_H "iptables-legacy -A FORWARD -i up9 -j ACCEPT");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	coexist_lab_expect_no_problem(f);
	nft_lab_sh(IN_H "iptables-legacy -P FORWARD DROP; " IN_H
			"ip6tables-legacy -P FORWARD DROP");
	assert_false(coexist_lab_passes(f));
	assert_int_equal(coexist_lab_update(f, 2), 0);
	coexist_lab_cure(f, "iptables-legacy: FORWARD drops what 2 of our interfaces forward", 2);
	assert_true(coexist_lab_passes(f));
	coexist_lab_expect(f, COEXIST_NOTE,
			   "iptables-legacy: FORWARD drops, but has rules for ours");
	coexist_lab_cure(f, "ip6tables-legacy: FORWARD drops", 2);
	coexist_lab_expect_no_problem(f);
	nft_lab_sh(IN_H "iptables-legacy -P INPUT DROP; " IN_H
			"iptables-legacy -A INPUT -p udp --dport 54 -j ACCEPT; " IN_H
			"iptables-legacy -A INPUT -i ovl0 -p udp --dport 50:52 -j ACCEPT");
	assert_false(coexist_lab_asks(f, f->n2, "10.9.2.1"));
	assert_int_equal(coexist_lab_update(f, 2), 0);
	coexist_lab_cure(
		f,
		"iptables-legacy: INPUT may block DNS of containers: it drops and has no rule for 2",
		2);
	assert_true(coexist_lab_asks(f, f->n2, "10.9.2.1"));
	coexist_lab_expect_no_problem(f);
	nft_lab_sh(IN_H "iptables-legacy -F INPUT; " IN_H
			"iptables-legacy -A INPUT -p udp --dport 53 -j ACCEPT");
	coexist_lab_update(f, 2);
	coexist_lab_expect_no_problem(f);
	nft_lab_sh(IN_H "iptables-legacy -F; " IN_H "iptables-legacy -P FORWARD ACCEPT; " IN_H
			"iptables-legacy -P INPUT ACCEPT; " IN_H
			"ip6tables-legacy -P FORWARD ACCEPT");
}

/* Real ufw with a configuration of its own. */
static void test_ufw(void **state)
{
	static const char ufw[] =
		"unshare -m sh -ec '"
		"mount --make-rprivate /; mount -t tmpfs t /run/lock; mount --bind $UFW/ufw /etc/ufw;"
		"mount --bind $UFW/default /etc/default/ufw; mount --bind $UFW/lib /lib/ufw;"
		"ufw %s >/dev/null 2>$UFW/err || { cat $UFW/err >&2; exit 1; }'";
	_cleanup_free_ char *enable = mem_printf(ufw, "--force enable");
	_cleanup_free_ char *reload = mem_printf(ufw, "reload");
	_cleanup_free_ char *disable = mem_printf(ufw, "disable");
	_cleanup_free_ char *allow = mem_printf(ufw, "allow 4789/udp");
	_cleanup_free_ char *dir = mem_printf("/tmp/onf-%d-ufw", (int)getpid());
	struct coexist_lab *f = *state;

	setenv("UFW", dir, 1);
	nft_lab_sh("rm -rf $UFW; mkdir $UFW; cp -a /etc/ufw $UFW/ufw; "
		   "cp -a /lib/ufw $UFW/lib; sed 's/^IPT_SYSCTL=.*/IPT_SYSCTL=/' "
		   "/etc/default/ufw >$UFW/default");
	nft_lab_sh(IN_H "%s", enable);
	assert_int_equal(coexist_lab_update(f, 2), 16);
	assert_true(coexist_lab_passes(f));
	assert_true(coexist_lab_asks(f, f->n2, "10.9.2.1"));
	coexist_lab_expect(f, COEXIST_NOTE,
			   "ufw, iptables: FORWARD drops; accept rules for ovl-gw, ovl0");
	coexist_lab_expect(
		f, COEXIST_NOTE,
		"ufw, iptables: INPUT drops; accept rules for DNS from ovl-gw, ovl0 in INPUT");
	coexist_lab_expect(f, COEXIST_PROBLEM, "ufw, iptables: INPUT may block VXLAN");
	assert_string_equal(
		coexist_lab_find(f, COEXIST_PROBLEM, "ufw, iptables: INPUT may block VXLAN")->cure,
		"ufw allow 4789/udp");
	nft_lab_sh(IN_H "%s", allow);
	coexist_lab_update(f, 2);
	assert_null(coexist_lab_find(f, COEXIST_PROBLEM, "VXLAN"));
	nft_lab_sh(IN_H "%s", reload);
	coexist_lab_update(f, 2);
	assert_true(coexist_lab_passes(f));
	assert_true(coexist_lab_asks(f, f->n2, "10.9.2.1"));
	assert_int_equal(coexist_lab_update(f, 2), 0);
	nft_lab_sh(IN_H "%s", disable);
	coexist_lab_update(f, 2);
	assert_true(coexist_lab_passes(f));
	coexist_lab_expect_no_problem(f);
	nft_lab_sh("rm -rf $UFW");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_quiet, coexist_lab_setup,
						coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_forward_drop, coexist_lab_setup,
						coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_last_rule, coexist_lab_setup,
						coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_docker_user, coexist_lab_setup,
						coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_concurrent, coexist_lab_setup,
						coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_many, coexist_lab_setup, coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_nft_table, coexist_lab_setup,
						coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_ufw, coexist_lab_setup, coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_legacy, coexist_lab_setup,
						coexist_lab_teardown),
	};

	coexist_lab_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
