/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/claim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/claim_lab.h"

static struct lab lab;
static struct model_network *net;
static struct lab_answer a;

static int setup(void **state)
{
	(void)state;
	lab_open(&lab);
	lab_node(&lab, 1, "node1");
	lab_node(&lab, 2, "node2");
	net = lab_network(&lab, "demo", "10.0.0.0/24");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_answer_done(&a);
	model_network_free(net);
	lab_close(&lab);
	return 0;
}

static void assert_ip4(const char *text)
{
	char buf[IP_TEXT_MAX];

	assert_int_equal(a.status, 0);
	assert_string_equal(ip_format(a.ep->ip4, buf), text);
}

static void attach(unsigned n, const char *expected)
{
	if (lab_create_now(&lab, net, n, NULL, &a) != 0)
		print_message("%s\n", err_text(&a.err));
	assert_ip4(expected);
}

/* ---- taking ---- */

static void first_is_2(void **state)
{
	_cleanup_free_ char *key = model_key_address(LAB_PREFIX, net->id, lab_ip("10.0.0.2"));
	const struct fake_entry *e;
	char mac[MAC_TEXT_MAX];
	unsigned calls;

	(void)state;
	attach(1, "10.0.0.2");
	assert_string_equal(mac_format(a.ep->mac, mac), "02:42:0a:00:00:02");
	assert_string_equal(a.ep->name, "c1");
	assert_int_equal(a.ep->mod_revision, fake_kv_store(lab.fake)->revision);
	assert_true(lab_owns(&lab, net, "10.0.0.2", 1));
	e = fake_store_find(fake_kv_store(lab.fake), key);
	assert_int_equal(e->lease, lab.lease);
	lab_check(&lab, net);
	/* From now on one transaction each. */
	calls = fake_kv_calls(lab.fake, FAKE_ANY);
	attach(2, "10.0.0.3");
	attach(3, "10.0.0.4");
	assert_int_equal(fake_kv_calls(lab.fake, FAKE_ANY), calls + 2);
}

static void next_fit(void **state)
{
	struct model_endpoint *ep;

	(void)state;
	attach(1, "10.0.0.2");
	ep = TAKE_PTR(a.ep);
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	assert_int_equal(a.revision, fake_kv_store(lab.fake)->revision);
	assert_int_equal(lab_addresses(&lab, net), 0);
	assert_int_equal(lab_endpoints(&lab, net), 0);
	attach(2, "10.0.0.3");
	/* The other end of the subnet: wraps, and .2 rests for a minute yet. */
	assert_int_equal(lab_create_now(&lab, net, 3, "10.0.0.254", &a), 0);
	attach(4, "10.0.0.4");
	model_endpoint_free(ep);
}

static void another_agent(void **state)
{
	struct claim *other = lab_claim(&lab, 2);
	unsigned calls;

	(void)state;
	attach(1, "10.0.0.2");
	lab_answer_done(&a);
	lab_create(&lab, other, net, 2, 2, NULL, &a);
	lab_wait(&lab, &a, 1);
	assert_ip4("10.0.0.3"); /* its first list showed .2 as the newest */
	/* Told by the mirror, the first one needs no conflict to know. */
	claim_note(lab.claim, net->id, a.ep->ip4, true, a.ep->mod_revision);
	calls = fake_kv_calls(lab.fake, FAKE_ANY);
	attach(3, "10.0.0.4");
	assert_int_equal(fake_kv_calls(lab.fake, FAKE_ANY), calls + 1);
	claim_note(lab.claim, net->id, lab_ip("10.0.0.3"), false, a.ep->mod_revision + 1);
	claim_note(lab.claim, lab_id(1, 1), lab_ip("10.0.0.3"), true, 1000);
	attach(4, "10.0.0.5");
	claim_close(other);
}

static void conflict_is_solved(void **state)
{
	(void)state;
	attach(1, "10.0.0.2");
	for (int i = 3; i < 100; i++) {
		_cleanup_free_ char *ip = mem_printf("10.0.0.%d", i);

		lab_occupy(&lab, net, ip, 500 + (unsigned)i);
	}
	assert_int_equal(lab_create_now(&lab, net, 2, NULL, &a), 0);
	assert_true(ip_cmp(a.ep->ip4, lab_ip("10.0.0.99")) > 0);
	assert_true(lab_addresses(&lab, net) == 1 + 97 + 1);
}

static void wanted(void **state)
{
	(void)state;
	assert_int_equal(lab_create_now(&lab, net, 1, "10.0.0.9", &a), 0);
	assert_ip4("10.0.0.9");
	assert_int_equal(lab_create_now(&lab, net, 2, "10.0.0.9", &a), -EADDRINUSE);
	assert_string_equal(
		a.err.text,
		"address 10.0.0.9 of network demo is in use by endpoint c1 (ee0001000000) on node node1");
	lab_occupy(&lab, net, "10.0.0.10", 77);
	assert_int_equal(lab_create_now(&lab, net, 2, "10.0.0.10", &a), -EADDRINUSE);
	assert_string_equal(
		a.err.text,
		"address 10.0.0.10 of network demo is in use by endpoint ee004d000000 on node node2");
	assert_int_equal(lab_create_now(&lab, net, 2, "10.0.0.1", &a), -EADDRINUSE);
	assert_string_equal(a.err.text, "address 10.0.0.1 is the gateway of 10.0.0.0/24");
	assert_int_equal(lab_create_now(&lab, net, 2, "10.0.1.1", &a), -ERANGE);
	assert_string_equal(a.err.text,
			    "address 10.0.1.1 is in none of the subnets of network demo");
	assert_int_equal(lab_create_now(&lab, net, 2, "10.0.0.255", &a), -EINVAL);
	assert_int_equal(lab_create_now(&lab, net, 2, "fd00::1", &a), -EINVAL);
	assert_int_equal(lab_endpoints(&lab, net), 1);
}

static void garbage_in_the_way(void **state)
{
	_cleanup_free_ char *key = model_key_address(LAB_PREFIX, net->id, lab_ip("10.0.0.2"));
	_cleanup_free_ char *odd = mem_printf("%s/what", key);

	(void)state;
	fake_kv_put(lab.fake, key, "fish", 0);
	fake_kv_put(lab.fake, odd, "{}", 0);
	assert_int_equal(lab_create_now(&lab, net, 1, "10.0.0.2", &a), -EADDRINUSE);
	attach(1, "10.0.0.3");
}

static void network_gone_or_changed(void **state)
{
	_cleanup_free_ char *key = model_key_network(LAB_PREFIX, net->id);

	(void)state;
	fake_kv_put(lab.fake, key, "{}", 0);
	assert_int_equal(lab_create_now(&lab, net, 1, NULL, &a), -ESTALE);
	assert_string_equal(a.err.text, "the record of network demo has changed");
	fake_kv_delete(lab.fake, key, NULL);
	assert_int_equal(lab_create_now(&lab, net, 1, NULL, &a), -ENOENT);
	assert_string_equal(a.err.text, "network demo is gone");
	assert_int_equal(lab_addresses(&lab, net), 0);
}

static void called_twice(void **state)
{
	int64_t revision;

	(void)state;
	attach(1, "10.0.0.2");
	revision = a.ep->mod_revision;
	attach(1, "10.0.0.2");
	assert_int_equal(a.ep->mod_revision, revision);
	assert_int_equal(lab_create_now(&lab, net, 1, "10.0.0.2", &a), 0);
	assert_int_equal(lab_create_now(&lab, net, 1, "10.0.0.7", &a), -EEXIST);
	assert_string_equal(
		a.err.text,
		"endpoint ee0001000000 exists already, with address 10.0.0.2 instead of 10.0.0.7");
	lab_answer_done(&a);
	lab_create(&lab, lab.claim, net, 2, 1, NULL, &a);
	lab_wait(&lab, &a, 1);
	assert_int_equal(a.status, -EEXIST);
	/* Two at once for one endpoint: one record, both succeed. */
	lab_answer_done(&a);
	lab_create(&lab, lab.claim, net, 1, 2, NULL, &a);
	lab_create(&lab, lab.claim, net, 1, 2, NULL, &a);
	lab_wait(&lab, &a, 2);
	assert_int_equal(a.status, 0);
	assert_int_equal(lab_addresses(&lab, net), 2);
	lab_check(&lab, net);
	attach(3, "10.0.0.4");
}

static void both_families(void **state)
{
	struct model_network *six = lab_network(&lab, "six", "10.6.0.0/24,fd00:6::/64");
	struct model_endpoint *ep;
	char buf[IP_TEXT_MAX];

	(void)state;
	assert_int_equal(lab_create_now(&lab, six, 1, NULL, &a), 0);
	assert_ip4("10.6.0.2");
	assert_string_equal(ip_format(a.ep->ip6, buf), "fd00:6::2");
	assert_int_equal(lab_create_now(&lab, six, 2, NULL, &a), 0);
	assert_string_equal(ip_format(a.ep->ip6, buf), "fd00:6::3");
	lab_check(&lab, six);
	assert_int_equal(lab_addresses(&lab, six), 4);
	ep = TAKE_PTR(a.ep);
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	assert_int_equal(lab_addresses(&lab, six), 2);
	lab_check(&lab, six);
	model_endpoint_free(ep);
	model_network_free(six);
}

static void second_subnet_when_full(void **state)
{
	struct model_network *two = lab_network(&lab, "two", "10.6.0.0/30,10.7.0.0/30");

	(void)state;
	assert_int_equal(lab_create_now(&lab, two, 1, NULL, &a), 0);
	assert_ip4("10.6.0.2");
	assert_int_equal(lab_create_now(&lab, two, 2, NULL, &a), 0);
	assert_ip4("10.7.0.2");
	assert_int_equal(lab_create_now(&lab, two, 3, NULL, &a), -ENOSPC);
	assert_string_equal(a.err.text,
			    "network two: no free address in 10.6.0.0/30: all 1 are taken; "
			    "no free address in 10.7.0.0/30: all 1 are taken");
	model_network_free(two);
}

static void lease_is_dead(void **state)
{
	(void)state;
	fake_kv_lease_expire(lab.fake, lab.lease);
	assert_int_equal(lab_create_now(&lab, net, 1, NULL, &a), -EKEYEXPIRED);
	assert_int_equal(lab_addresses(&lab, net), 0);
}

/* ---- lost answers ---- */

static void lost(bool applied, unsigned n_lost, const char *want)
{
	attach(1, "10.0.0.2");
	fake_kv_fail(lab.fake, FAKE_TXN, 0, n_lost, -ETIMEDOUT, applied);
	assert_int_equal(lab_create_now(&lab, net, 2, want, &a), 0);
	assert_ip4(want ? want : "10.0.0.3");
	assert_int_equal(lab_addresses(&lab, net), 2);
	lab_check(&lab, net);
	attach(3, "10.0.0.4");
}

static void lost_but_done(void **state)
{
	(void)state;
	lost(true, 1, NULL);
}

static void lost_but_done_thrice(void **state)
{
	(void)state;
	lost(true, 3, "10.0.0.3");
}

static void lost_and_not_done(void **state)
{
	(void)state;
	lost(false, 2, NULL);
}

static void unreachable_while_settling(void **state)
{
	(void)state;
	attach(1, "10.0.0.2");
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, true);
	lab_answer_done(&a);
	lab_create(&lab, lab.claim, net, 1, 2, NULL, &a);
	while (lab_addresses(&lab, net) == 1)
		lab_turn(&lab);
	fake_kv_down(lab.fake, true);
	for (int i = 0; i < 3; i++)
		uv_run(&lab.loop, UV_RUN_ONCE);
	assert_int_equal(a.calls, 0);
	fake_kv_down(lab.fake, false);
	lab_wait(&lab, &a, 1);
	assert_ip4("10.0.0.3");
}

static void never_settled(void **state)
{
	(void)state;
	attach(1, "10.0.0.2");
	lab_hurry(&lab);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 10000, -ETIMEDOUT, true);
	assert_int_equal(lab_create_now(&lab, net, 2, NULL, &a), -ETIMEDOUT);
	assert_non_null(strstr(a.err.text, "whether it was done is not known"));
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 0, 0, false);
	/* It was; the call repeated finds it. */
	attach(2, "10.0.0.3");
	lab_check(&lab, net);
}

static void silent_while_settling(void **state)
{
	(void)state;
	attach(1, "10.0.0.2");
	lab_hurry(&lab);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, false);
	lab_answer_done(&a);
	lab_create(&lab, lab.claim, net, 1, 2, NULL, &a);
	/* It was sent at once, and this turn answers it; what follows comes by a timer, in a later one. */
	lab_turn(&lab);
	/* Calls hang: the operation ends them when its time is over. */
	fake_kv_hold(lab.fake, FAKE_TXN, FAKE_HOLD_REQUESTS);
	lab_wait(&lab, &a, 1);
	assert_int_equal(a.status, -ETIMEDOUT);
	fake_kv_hold(lab.fake, FAKE_TXN, FAKE_HOLD_NONE);
	lab_turn(&lab);
}

static void unreachable(void **state)
{
	(void)state;
	fake_kv_down(lab.fake, true);
	assert_int_equal(lab_create_now(&lab, net, 1, NULL, &a), -EHOSTUNREACH);
	fake_kv_down(lab.fake, false);
	/* The list of addresses without an answer: nothing was done. */
	fake_kv_fail(lab.fake, FAKE_RANGE, 0, 1, -ETIMEDOUT, true);
	assert_int_equal(lab_create_now(&lab, net, 1, NULL, &a), -EHOSTUNREACH);
	attach(1, "10.0.0.2");
	fake_kv_down(lab.fake, true);
	assert_int_equal(lab_create_now(&lab, net, 2, NULL, &a), -EHOSTUNREACH);
	fake_kv_down(lab.fake, false);
	attach(2, "10.0.0.3");
}

static void closed_meanwhile(void **state)
{
	struct lab_answer other = { 0 };

	(void)state;
	attach(1, "10.0.0.2");
	lab_answer_done(&a);
	fake_kv_hold(lab.fake, FAKE_ANY, FAKE_HOLD_REQUESTS);
	lab_create(&lab, lab.claim, net, 1, 2, NULL, &a); /* a call under way */
	lab_create(&lab, lab.claim, net, 1, 3, "10.0.0.1", &other); /* an end under way */
	claim_forget_network(lab.claim, net->id);
	lab_create(&lab, lab.claim, net, 1, 4, NULL, &a); /* a list under way */
	claim_close(lab.claim);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 2);
	assert_int_equal(a.status, -ECANCELED);
	lab_wait(&lab, &other, 1);
	lab.claim = NULL;
}

static void forgotten_while_listed(void **state)
{
	(void)state;
	lab_create(&lab, lab.claim, net, 1, 1, NULL, &a);
	claim_forget_network(lab.claim, net->id);
	lab_wait(&lab, &a, 1);
	assert_ip4("10.0.0.2");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(first_is_2),
		T(next_fit),
		T(another_agent),
		T(conflict_is_solved),
		T(wanted),
		T(garbage_in_the_way),
		T(network_gone_or_changed),
		T(called_twice),
		T(both_families),
		T(second_subnet_when_full),
		T(lease_is_dead),
		T(lost_but_done),
		T(lost_but_done_thrice),
		T(lost_and_not_done),
		T(unreachable_while_settling),
		T(never_settled),
		T(silent_while_settling),
		T(unreachable),
		T(closed_meanwhile),
		T(forgotten_while_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
