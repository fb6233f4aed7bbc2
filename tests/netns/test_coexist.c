/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coexist beside real iptables-nft, iptables-legacy, nft and ufw: what is written, what is found, and what packets do.
 *
 * h: the host, with up0 (to n1, the outside) and ovl0, a plain veth that stands for a bridge of ours (to n2, a container). Traffic goes
 * n1 <-> h <-> n2.
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
#include "overlay/coexist.h"
#include "tests/kernel_facts/nft_lab.h"

#define IN_H "ip netns exec ~h "
#define PORT 4789

static const char ifaces[][IFNAMSIZ] = { "ovl-gw", "ovl0" };

struct fixture {
	struct coexist *c;
	int n1, n2; /* UDP sockets */
};

static struct fixture *begin(void **state)
{
	return *state;
}

static unsigned update(struct fixture *f, size_t n)
{
	struct err e = { 0 };
	unsigned writes = 99;

	nft_lab_enter("h");
	int r = coexist_update(f->c, ifaces, n, &writes, &e);
	nft_lab_enter(NULL);
	if (r < 0)
		fail_msg("%s", err_text(&e));
	return writes;
}

/* A finding of @level that contains @what; NULL: there is none at all of that level. */
static const struct coexist_finding *find(struct fixture *f, enum coexist_level level,
					  const char *what)
{
	const struct coexist_finding *v;
	size_t n = coexist_findings(f->c, &v);

	for (size_t i = 0; i < n; i++) {
		if (v[i].level == level && (!what || strstr(v[i].what, what)))
			return &v[i];
	}
	return NULL;
}

static void expect(struct fixture *f, enum coexist_level level, const char *what)
{
	const struct coexist_finding *v;

	if (find(f, level, what))
		return;
	for (size_t n = coexist_findings(f->c, &v); n > 0; n--)
		print_message("found: %s [%s]\n", v[n - 1].what, v[n - 1].cure);
	fail_msg("not found: %s", what);
}

static void expect_no_problem(struct fixture *f)
{
	const struct coexist_finding *p = find(f, COEXIST_PROBLEM, NULL);

	if (p)
		fail_msg("found: %s [%s]", p->what, p->cure);
}

/* Type the cure of a problem into h, as a person would; the problem is gone then. */
static void cure(struct fixture *f, const char *what, size_t n)
{
	const struct coexist_finding *p;

	expect(f, COEXIST_PROBLEM, what);
	p = find(f, COEXIST_PROBLEM, what);
	assert_non_null(p->cure);
	print_message("%s\n  cure: %s\n", p->what, p->cure);
	/* By the environment: it has quotes of its own. */
	setenv("CURE", p->cure, 1);
	nft_lab_sh(IN_H "sh -ec \"$CURE\"");
	update(f, n);
	if (find(f, COEXIST_PROBLEM, what))
		fail_msg("still found: %s", what);
}

/* What @command prints in h, compared with @text. */
static void says(const char *command, const char *text)
{
	char *out = mem_alloc(16384);
	char name[64];
	size_t n;

	snprintf(name, sizeof(name), "/tmp/onf-%d-says", getpid());
	nft_lab_sh(IN_H "%s >%s 2>&1", command, name);
	FILE *file = fopen(name, "re");
	assert_non_null(file);
	n = fread(out, 1, 16383, file);
	out[n] = '\0';
	fclose(file);
	unlink(name);
	if (strcmp(out, text) != 0)
		fail_msg("%s says\n%s\nnot\n%s", command, out, text);
	free(out);
}

static bool passes(struct fixture *f)
{
	char text[16];
	static unsigned serial;

	snprintf(text, sizeof(text), "m%u", ++serial);
	if (nft_lab_send(f->n1, "10.9.2.2", 2000, text))
		return false;
	if (!nft_lab_comes(f->n2, text, 300))
		return false;
	return nft_lab_send(f->n2, "10.9.1.2", 1000, text) == 0 && nft_lab_comes(f->n1, text, 300);
}

static void test_quiet(void **state)
{
	struct fixture *f = begin(state);

	assert_int_equal(update(f, 2), 0);
	assert_int_equal(update(f, 0), 0);
	assert_null(find(f, COEXIST_NOTE, NULL));
	expect_no_problem(f);
	assert_true(passes(f));
	/* Policies that accept are nobody's trouble. */
	nft_lab_sh(IN_H "iptables -A FORWARD -i up0 -j LOG");
	assert_int_equal(update(f, 2), 0);
	assert_null(find(f, COEXIST_NOTE, NULL));
	expect_no_problem(f);
}

#define OURS                                                        \
	"-A FORWARD -i ovl-gw -m comment --comment ovl -j ACCEPT\n" \
	"-A FORWARD -o ovl-gw -m comment --comment ovl -j ACCEPT\n" \
	"-A FORWARD -i ovl0 -m comment --comment ovl -j ACCEPT\n"   \
	"-A FORWARD -o ovl0 -m comment --comment ovl -j ACCEPT\n"

static void test_forward_drop(void **state)
{
	struct fixture *f = begin(state);

	nft_lab_sh(IN_H "iptables -P FORWARD DROP; " IN_H "iptables -A FORWARD -i up9 -j DROP");
	assert_false(passes(f));
	assert_true(coexist_event_read(f->c));
	assert_int_equal(update(f, 2), 4);
	assert_false(coexist_event_read(f->c)); /* our own */
	says("iptables -S FORWARD", "-P FORWARD DROP\n" OURS "-A FORWARD -i up9 -j DROP\n");
	expect(f, COEXIST_NOTE,
	       "iptables: FORWARD drops; accept rules for ovl-gw, ovl0 in FORWARD");
	expect_no_problem(f);
	assert_true(passes(f));
	assert_int_equal(update(f, 2), 0);
	/* Theirs and ours are the same: -C, -D, save and restore. */
	nft_lab_sh(IN_H "iptables -C FORWARD -o ovl0 -m comment --comment ovl -j ACCEPT");
	nft_lab_sh(IN_H "iptables -D FORWARD -o ovl0 -m comment --comment ovl -j ACCEPT");
	assert_true(coexist_event_read(f->c));
	assert_int_equal(update(f, 2), 1);
	nft_lab_sh(IN_H "sh -c 'iptables-save | iptables-restore'");
	assert_int_equal(update(f, 2), 0);
	nft_lab_sh(IN_H "iptables -A FORWARD -i ovl0 -m comment --comment ovl -j ACCEPT");
	assert_int_equal(update(f, 2), 1); /* one too many */
	/* What is almost ours stays. */
	nft_lab_sh(IN_H
		   "iptables -A FORWARD -i ovl0 -p udp -m comment --comment ovl -j ACCEPT; " IN_H
		   "iptables -A FORWARD -i ovl0 -m comment --comment ovl2 -j ACCEPT; " IN_H
		   "iptables -A FORWARD ! -i ovl0 -m comment --comment ovl -j ACCEPT; " IN_H
		   "iptables -A FORWARD -i ovl0 -o up0 -m comment --comment ovl -j ACCEPT; " IN_H
		   "iptables -A FORWARD -i ovl+ -m comment --comment ovl -j ACCEPT; " IN_H
		   "iptables -A FORWARD -i ovl0 -m comment --comment ovl -j DROP");
	assert_int_equal(update(f, 2), 0);
	assert_int_equal(update(f, 1), 2); /* ovl0 is gone */
	assert_int_equal(update(f, 0), 2);
	assert_int_equal(nft_lab_try(IN_H "iptables -S FORWARD | grep -cq 'ovl-gw'"), 1);
	nft_lab_sh("test $(" IN_H "iptables -S FORWARD | wc -l) = 8");
	nft_lab_sh(IN_H "iptables -P FORWARD ACCEPT");
	assert_int_equal(update(f, 2), 0);
	/* ip6tables has a table of its own. */
	nft_lab_sh(IN_H "ip6tables -P FORWARD DROP");
	assert_int_equal(update(f, 2), 4);
	says("ip6tables -S FORWARD", "-P FORWARD DROP\n" OURS);
	expect(f, COEXIST_NOTE, "ip6tables: FORWARD drops");
	struct err e = { 0 };
	assert_int_equal(coexist_remove(f->c, &e), 0);
	says("ip6tables -S FORWARD", "-P FORWARD DROP\n");
}

/* A RHEL host: the policy accepts, the last rule rejects all. */
static void test_last_rule(void **state)
{
	struct fixture *f = begin(state);

	nft_lab_sh(IN_H "iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited");
	assert_int_equal(update(f, 2), 4);
	assert_true(passes(f));
	expect_no_problem(f);
	/* The panic button of an administrator is left alone, and told of. */
	nft_lab_sh(IN_H "iptables -I FORWARD -j DROP");
	assert_int_equal(update(f, 2), 0);
	expect(f, COEXIST_PROBLEM, "a rule in front of ours drops everything");
	nft_lab_sh(IN_H "iptables -F FORWARD");
	assert_int_equal(update(f, 2), 0);
	expect_no_problem(f);
}

static void test_docker_user(void **state)
{
	struct fixture *f = begin(state);

	nft_lab_sh(IN_H "iptables -P FORWARD DROP");
	assert_int_equal(update(f, 2), 4);
	/* dockerd starts: rules move. */
	nft_lab_sh(IN_H "iptables -N DOCKER-USER; " IN_H "iptables -A DOCKER-USER -j RETURN; " IN_H
			"iptables -I FORWARD -j DOCKER-USER");
	assert_true(coexist_event_read(f->c));
	assert_int_equal(update(f, 1), 6); /* four deleted, two made */
	says("iptables -S", "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N DOCKER-USER\n"
			    "-A FORWARD -j DOCKER-USER\n"
			    "-A DOCKER-USER -i ovl-gw -m comment --comment ovl -j ACCEPT\n"
			    "-A DOCKER-USER -o ovl-gw -m comment --comment ovl -j ACCEPT\n"
			    "-A DOCKER-USER -j RETURN\n");
	expect(f, COEXIST_NOTE, "accept rules for ovl-gw in DOCKER-USER");
	assert_int_equal(update(f, 2), 2);
	assert_true(passes(f));
	/* A RETURN in front makes ours void. */
	nft_lab_sh(IN_H "iptables -I DOCKER-USER -j RETURN");
	assert_int_equal(update(f, 2), 8);
	assert_true(passes(f));
	assert_int_equal(update(f, 2), 0);
	/* Docker is gone, its chain left behind. */
	nft_lab_sh(IN_H "iptables -F FORWARD");
	assert_int_equal(update(f, 2), 8);
	assert_true(passes(f));
	nft_lab_sh(IN_H "nft flush ruleset");
	assert_true(coexist_event_read(f->c));
	assert_int_equal(update(f, 2), 0);
}

/* iptables at work all the time: no rule is lost or doubled. */
static void test_concurrent(void **state)
{
	struct fixture *f = begin(state);
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
		writes += update(f, 1 + i % 2);
	assert_true(writes > 0);
	update(f, 2);
	/* The order is that of their coming. */
	says("sh -c 'iptables -S FORWARD | LC_ALL=C sort'",
	     "-A FORWARD -i ovl-gw -m comment --comment ovl -j ACCEPT\n"
	     "-A FORWARD -i ovl0 -m comment --comment ovl -j ACCEPT\n"
	     "-A FORWARD -o ovl-gw -m comment --comment ovl -j ACCEPT\n"
	     "-A FORWARD -o ovl0 -m comment --comment ovl -j ACCEPT\n"
	     "-P FORWARD DROP\n");
	assert_int_equal(update(f, 2), 0);
}

/* As many interfaces as there may be. */
static void test_many(void **state)
{
	static char many[COEXIST_IFACES_MAX + 1][IFNAMSIZ];
	struct fixture *f = begin(state);
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
	expect(f, COEXIST_NOTE, "and 1016 more in FORWARD");
	assert_int_equal(coexist_update(f->c, many, COEXIST_IFACES_MAX + 1, &writes, &e), -E2BIG);
	assert_int_equal(coexist_remove(f->c, &e), 0);
	nft_lab_enter(NULL);
	says("iptables -S FORWARD", "-P FORWARD DROP\n");
}

static void test_nft_table(void **state)
{
	struct fixture *f = begin(state);

	nft_lab_sh(IN_H "nft -f - <<'END'\n"
			"table inet filter {\n"
			"chain forward { type filter hook forward priority filter; policy drop; }\n"
			"chain input { type filter hook input priority filter; policy drop;\n"
			"  ct state established,related accept\n"
			"  iif lo accept\n"
			"}\n}\nEND\n");
	assert_int_equal(update(f, 2), 0);
	assert_false(passes(f));
	cure(f, "nft: inet filter forward drops what ovl-gw, ovl0 forwards", 2);
	expect(f, COEXIST_NOTE, "inet filter forward drops, but has rules for ovl-gw, ovl0");
	assert_true(passes(f));
	cure(f, "inet filter input may block VXLAN", 2);
	cure(f, "inet filter input may block DNS", 2);
	expect_no_problem(f);
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
	assert_int_equal(update(f, 2), 0);
	expect_no_problem(f);
	expect(f, COEXIST_NOTE, "inet filter forward drops, but has rules for ovl-gw, ovl0");
	nft_lab_sh(IN_H "nft delete element inet filter ports { 4000-5000 }");
	assert_true(coexist_event_read(f->c));
	assert_int_equal(update(f, 2), 0);
	expect(f, COEXIST_PROBLEM, "inet filter input may block VXLAN");
	nft_lab_sh(
		IN_H
		"nft -f - <<'END'\n"
		"flush ruleset\n"
		"table ip x {\n"
		"chain y { type filter hook forward priority 5; policy drop; iif ovl0 accept; oif ovl0 accept; }\n"
		"}\nEND\n");
	assert_int_equal(update(f, 2), 0);
	expect(f, COEXIST_PROBLEM, "nft: ip x y drops what ovl-gw forwards");
	assert_true(passes(f));
}

static void test_input(void **state)
{
	static const char *const rules[] = { "-p udp --dport 4789", "-p udp --dport 4000:5000",
					     "-p udp -m multiport --dports 53,4000:5000" };
	struct fixture *f = begin(state);

	nft_lab_sh(IN_H "iptables -P INPUT DROP; " IN_H
			"iptables -A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT; " IN_H
			"iptables -A INPUT -p udp --sport 4789 -j ACCEPT");
	assert_int_equal(update(f, 2), 0);
	cure(f, "iptables: INPUT may block VXLAN: it drops and has no rule for UDP port 4789", 2);
	cure(f, "iptables: INPUT may block DNS", 2);
	/* Whose addresses these are is not known here; of TCP alone it says nothing. */
	nft_lab_sh(IN_H "iptables -F INPUT; " IN_H
			"iptables -A INPUT -s 10.9.0.0/16 -p tcp -j ACCEPT");
	update(f, 1);
	expect(f, COEXIST_PROBLEM, "VXLAN");
	nft_lab_sh(IN_H "iptables -A INPUT -s 10.9.0.0/20 -j ACCEPT");
	update(f, 1);
	assert_null(find(f, COEXIST_PROBLEM, "VXLAN"));
	expect(f, COEXIST_NOTE, "unless it comes from an address that is let in");
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		nft_lab_sh(IN_H "iptables -F INPUT");
		update(f, 1);
		expect(f, COEXIST_PROBLEM, "VXLAN");
		nft_lab_sh(IN_H "iptables -A INPUT %s -j ACCEPT", rules[i]);
		update(f, 1);
		assert_null(find(f, COEXIST_PROBLEM, "VXLAN"));
		/* Where everything comes in, nothing is amiss. */
		nft_lab_sh(IN_H "iptables -F INPUT; " IN_H "iptables -A INPUT -j ACCEPT");
		update(f, 1);
		expect_no_problem(f);
	}
}

static void test_legacy(void **state)
{
	struct fixture *f = begin(state);

	nft_lab_need("/proc/net/ip_tables_names", "iptables-legacy");
	nft_lab_need("/proc/net/ip6_tables_names", "ip6tables-legacy");
	nft_lab_sh(IN_H "iptables-legacy -A FORWARD -i up9 -j ACCEPT");
	assert_int_equal(update(f, 2), 0);
	expect_no_problem(f);
	nft_lab_sh(IN_H "iptables-legacy -P FORWARD DROP; " IN_H
			"ip6tables-legacy -P FORWARD DROP");
	assert_false(passes(f));
	assert_int_equal(update(f, 2), 0);
	cure(f, "iptables-legacy: FORWARD drops what 2 of our interfaces forward", 2);
	assert_true(passes(f));
	expect(f, COEXIST_NOTE, "iptables-legacy: FORWARD drops, but has rules for ours");
	cure(f, "ip6tables-legacy: FORWARD drops", 2);
	expect_no_problem(f);
	nft_lab_sh(IN_H "iptables-legacy -F; " IN_H "iptables-legacy -P FORWARD ACCEPT; " IN_H
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
	struct fixture *f = begin(state);

	setenv("UFW", dir, 1);
	nft_lab_sh("rm -rf $UFW; mkdir $UFW; cp -a /etc/ufw $UFW/ufw; "
		   "cp -a /lib/ufw $UFW/lib; sed 's/^IPT_SYSCTL=.*/IPT_SYSCTL=/' "
		   "/etc/default/ufw >$UFW/default");
	nft_lab_sh(IN_H "%s", enable);
	assert_int_equal(update(f, 2), 8);
	assert_true(passes(f));
	expect(f, COEXIST_NOTE, "ufw, iptables: FORWARD drops; accept rules for ovl-gw, ovl0");
	expect(f, COEXIST_PROBLEM, "ufw, iptables: INPUT may block VXLAN");
	assert_string_equal(find(f, COEXIST_PROBLEM, "ufw, iptables: INPUT may block VXLAN")->cure,
			    "ufw allow 4789/udp");
	nft_lab_sh(IN_H "%s", allow);
	update(f, 2);
	assert_null(find(f, COEXIST_PROBLEM, "VXLAN"));
	nft_lab_sh(IN_H "%s", reload);
	update(f, 2);
	assert_true(passes(f));
	assert_int_equal(update(f, 2), 0);
	nft_lab_sh(IN_H "%s", disable);
	update(f, 2);
	assert_true(passes(f));
	expect_no_problem(f);
	nft_lab_sh("rm -rf $UFW");
}

static int setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	nft_lab_enter("h");
	int r = coexist_new(PORT, &f->c, &e);
	nft_lab_enter(NULL);
	if (r < 0)
		fail_msg("%s", err_text(&e));
	f->n1 = nft_lab_udp("n1", "10.9.1.2", 1000);
	f->n2 = nft_lab_udp("n2", "10.9.2.2", 2000);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->n1);
	close(f->n2);
	coexist_free(f->c);
	free(f);
	nft_lab_sh(IN_H "nft flush ruleset");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forward_drop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_rule, setup, teardown),
		cmocka_unit_test_setup_teardown(test_docker_user, setup, teardown),
		cmocka_unit_test_setup_teardown(test_concurrent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nft_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_input, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ufw, setup, teardown),
		cmocka_unit_test_setup_teardown(test_legacy, setup, teardown),
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
	return cmocka_run_group_tests(tests, NULL, NULL);
}
