/* SPDX-License-Identifier: GPL-2.0-or-later */
/* coexist and real iptables-nft's INPUT: VXLAN and questions for names have to come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"
#include "tests/netns/coexist_lab.h"

static void test_input(void **state)
{
	static const char *const rules[] = { "-p udp --dport 4789", "-p udp --dport 4000:5000",
					     "-p udp -m multiport --dports 53,4000:5000" };
	struct coexist_lab *f = *state;

	nft_lab_sh(IN_H "iptables -P INPUT DROP; " IN_H
			"iptables -A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT; " IN_H
			"iptables -A INPUT -p udp --sport 4789 -j ACCEPT");
	assert_int_equal(coexist_lab_update(f, 2), 4);
	coexist_lab_cure(
		f, "iptables: INPUT may block VXLAN: it drops and has no rule for UDP port 4789",
		2);
	coexist_lab_expect_no_problem(f);
	/* Whose addresses these are is not known here; of TCP alone it says nothing. */
	nft_lab_sh(IN_H "iptables -F INPUT; " IN_H
			"iptables -A INPUT -s 10.9.0.0/16 -p tcp -j ACCEPT");
	coexist_lab_update(f, 1);
	coexist_lab_expect(f, COEXIST_PROBLEM, "VXLAN");
	nft_lab_sh(IN_H "iptables -A INPUT -s 10.9.0.0/20 -j ACCEPT");
	coexist_lab_update(f, 1);
	assert_null(coexist_lab_find(f, COEXIST_PROBLEM, "VXLAN"));
	coexist_lab_expect(f, COEXIST_NOTE, "unless it comes from an address that is let in");
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		nft_lab_sh(IN_H "iptables -F INPUT");
		coexist_lab_update(f, 1);
		coexist_lab_expect(f, COEXIST_PROBLEM, "VXLAN");
		nft_lab_sh(IN_H "iptables -A INPUT %s -j ACCEPT", rules[i]);
		coexist_lab_update(f, 1);
		assert_null(coexist_lab_find(f, COEXIST_PROBLEM, "VXLAN"));
		/* Where everything comes in, nothing is amiss. */
		nft_lab_sh(IN_H "iptables -F INPUT; " IN_H "iptables -A INPUT -j ACCEPT");
		coexist_lab_update(f, 1);
		coexist_lab_expect_no_problem(f);
	}
}

#define DNS4                                                                               \
	"-A INPUT -i ovl-gw -p udp -m udp --dport 53 -m comment --comment ovl -j ACCEPT\n" \
	"-A INPUT -i ovl-gw -p tcp -m tcp --dport 53 -m comment --comment ovl -j ACCEPT\n" \
	"-A INPUT -i ovl0 -p udp -m udp --dport 53 -m comment --comment ovl -j ACCEPT\n"   \
	"-A INPUT -i ovl0 -p tcp -m tcp --dport 53 -m comment --comment ovl -j ACCEPT\n"

/* Names are served on our interfaces: who asks there is let in, and nobody else. */
static void test_dns(void **state)
{
	struct coexist_lab *f = *state;

	assert_int_equal(coexist_lab_update(f, 2), 0);
	assert_true(coexist_lab_asks(f, f->n2, "10.9.2.1"));
	nft_lab_sh(IN_H "iptables -P INPUT DROP; " IN_H "iptables -A INPUT -i up9 -j ACCEPT");
	assert_false(coexist_lab_asks(f, f->n2, "10.9.2.1"));
	assert_true(coexist_event_read(f->c));
	assert_int_equal(coexist_lab_update(f, 2), 4);
	assert_false(coexist_event_read(f->c));
	coexist_lab_says("iptables -S INPUT", "-P INPUT DROP\n" DNS4 "-A INPUT -i up9 -j ACCEPT\n");
	coexist_lab_expect(
		f, COEXIST_NOTE,
		"iptables: INPUT drops; accept rules for DNS from ovl-gw, ovl0 in INPUT");
	assert_null(coexist_lab_find(f, COEXIST_PROBLEM, "DNS"));
	assert_true(coexist_lab_asks(f, f->n2, "10.9.2.1"));
	assert_false(coexist_lab_asks(f, f->n1, "10.9.1.1"));
	assert_int_equal(coexist_lab_update(f, 2), 0);
	/* iptables knows them: -C, -D, save and restore (which writes them in its own way). */
	nft_lab_sh(
		IN_H
		"iptables -C INPUT -i ovl0 -p tcp --dport 53 -m comment --comment ovl -j ACCEPT");
	nft_lab_sh(
		IN_H
		"iptables -D INPUT -i ovl0 -p tcp --dport 53 -m comment --comment ovl -j ACCEPT");
	assert_true(coexist_event_read(f->c));
	assert_int_equal(coexist_lab_update(f, 2), 1);
	nft_lab_sh(IN_H "sh -c 'iptables-save | iptables-restore'");
	assert_int_equal(coexist_lab_update(f, 2), 0);
}

static void test_dns_rules(void **state)
{
	struct coexist_lab *f = *state;
	struct err e = { 0 };

	nft_lab_sh(IN_H "iptables -P INPUT DROP");
	assert_int_equal(coexist_lab_update(f, 2), 4);
	/* What is almost ours stays; ours in a chain that is no place for it goes. */
	nft_lab_sh(
		IN_H
		"iptables -A INPUT -i ovl0 -p udp --dport 54 -m comment --comment ovl -j ACCEPT; " IN_H
		"iptables -A INPUT -i ovl0 -p udp --dport 53 --sport 9 -m comment --comment ovl -j ACCEPT; " IN_H
		"iptables -A INPUT -i ovl0 -p tcp --dport 53 --syn -m comment --comment ovl -j ACCEPT; " IN_H
		"iptables -A INPUT -i ovl0 ! -p udp -m comment --comment ovl -j ACCEPT; " IN_H
		"iptables -A INPUT -p udp --dport 53 -m comment --comment ovl -j ACCEPT");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	nft_lab_sh(IN_H "iptables -A INPUT -i ovl0 -m comment --comment ovl -j ACCEPT; " IN_H
			"iptables -A FORWARD -i ovl0 -p udp --dport 53 -m comment --comment ovl "
			"-j ACCEPT");
	assert_int_equal(coexist_lab_update(f, 2), 2);
	assert_int_equal(coexist_lab_update(f, 1), 2); /* ovl0 is gone */
	coexist_dns(f->c, false); /* no names any more */
	assert_int_equal(coexist_lab_update(f, 2), 2);
	assert_null(coexist_lab_find(f, COEXIST_PROBLEM, "DNS"));
	coexist_dns(f->c, true);
	assert_int_equal(coexist_lab_update(f, 2), 4);
	nft_lab_sh(IN_H "iptables -F INPUT; " IN_H "iptables -I INPUT -j DROP");
	assert_int_equal(coexist_lab_update(f, 2), 4);
	assert_true(coexist_lab_asks(f, f->n2, "10.9.2.1"));
	nft_lab_sh(IN_H "iptables -I INPUT -j DROP"); /* somebody's will */
	assert_int_equal(coexist_lab_update(f, 2), 0);
	coexist_lab_expect(f, COEXIST_PROBLEM, "INPUT: a rule in front of ours drops everything");
	nft_lab_sh(IN_H "iptables -F INPUT; " IN_H "iptables -P INPUT ACCEPT; " IN_H
			"ip6tables -P INPUT DROP");
	assert_int_equal(coexist_lab_update(f, 2), 4);
	coexist_lab_says("ip6tables -S INPUT", "-P INPUT DROP\n" DNS4);
	assert_int_equal(coexist_remove(f->c, &e), 0);
	coexist_lab_says("ip6tables -S INPUT", "-P INPUT DROP\n");
}

/* Somebody else's bridge, where names are served too: questions are let in from there, and nothing else is. */
static void test_dns_also(void **state)
{
	static const char up0[][IFNAMSIZ] = { "up0" };
	struct coexist_lab *f = *state;

	coexist_dns_also(f->c, up0, 1);
	assert_int_equal(coexist_lab_update(f, 2), 0);
	nft_lab_sh(IN_H "iptables -P INPUT DROP; " IN_H "iptables -P FORWARD DROP");
	assert_int_equal(coexist_lab_update(f, 2), 10);
	assert_true(coexist_lab_asks(f, f->n2, "10.9.2.1"));
	assert_true(coexist_lab_asks(f, f->n1, "10.9.1.1"));
	coexist_lab_says(
		"iptables -S",
		"-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n" DNS4
		"-A INPUT -i up0 -p udp -m udp --dport 53 -m comment --comment ovl -j ACCEPT\n"
		"-A INPUT -i up0 -p tcp -m tcp --dport 53 -m comment --comment ovl -j ACCEPT\n"
		"-A FORWARD -i ovl-gw -m comment --comment ovl -j ACCEPT\n"
		"-A FORWARD -o ovl-gw -m comment --comment ovl -j ACCEPT\n"
		"-A FORWARD -i ovl0 -m comment --comment ovl -j ACCEPT\n"
		"-A FORWARD -o ovl0 -m comment --comment ovl -j ACCEPT\n");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	/* Of ours there may be none. */
	assert_int_equal(coexist_lab_update(f, 0), 8);
	assert_true(coexist_lab_asks(f, f->n1, "10.9.1.1"));
	coexist_dns_also(f->c, NULL, 0);
	assert_int_equal(coexist_lab_update(f, 0), 2);
	assert_false(coexist_lab_asks(f, f->n1, "10.9.1.1"));
	coexist_dns_also(f->c, up0, 1);
	assert_int_equal(coexist_lab_update(f, 2), 10);
	assert_int_equal(coexist_remove(f->c, NULL), 0);
	coexist_lab_says("iptables -S INPUT", "-P INPUT DROP\n");
	/* Where it is not for us to write, it is told. */
	coexist_dns_also(f->c, up0, 1);
	nft_lab_sh(IN_H "nft flush ruleset");
	nft_lab_sh(IN_H "nft 'table inet mine { chain in { type filter hook input priority 0; "
			"policy drop; iifname \"ovl*\" udp dport 53 accept; }; }'");
	assert_int_equal(coexist_lab_update(f, 2), 0);
	coexist_lab_expect(f, COEXIST_PROBLEM,
			   "DNS of containers: it drops and has no rule for up0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_input, coexist_lab_setup,
						coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_dns_also, coexist_lab_setup,
						coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_dns, coexist_lab_setup, coexist_lab_teardown),
		cmocka_unit_test_setup_teardown(test_dns_rules, coexist_lab_setup,
						coexist_lab_teardown),
	};

	coexist_lab_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
