/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses before and after they are an endpoint's: reserved, bound, unbound. */
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
#include "tests/unit/claim_address_lab.h"

/* ---- reserve ---- */

static void chosen(void **state)
{
	unsigned calls;

	(void)state;
	assert_int_equal(reserve(NULL), 0);
	assert_got("10.0.0.2");
	assert_true(is_reserved("10.0.0.2", 1));
	calls = txns();
	assert_int_equal(reserve(NULL), 0);
	assert_got("10.0.0.3");
	assert_int_equal(txns(), calls + 1);
	assert_int_equal(reserve_on(1, NULL, AF_INET6), 0);
	assert_got("fd00:1::2");
	/* An endpoint does not get them; and what an endpoint got is not reserved. */
	assert_int_equal(lab_create_now(&lab, net, 1, NULL, &a), 0);
	assert_true(ip_eq(a.ep->ip4, lab_ip("10.0.0.4")));
	assert_int_equal(reserve(NULL), 0);
	assert_got("10.0.0.5");
	assert_int_equal(reserve("10.0.0.77"), 0);
	assert_got("10.0.0.77");
	/* Another agent, which has not heard of any. */
	for (int i = 0; i < 3; i++) {
		struct claim *other = lab_claim(&lab, (uint64_t)i);
		struct lab_answer b = { 0 };

		start_reserve(other, 2, NULL, AF_INET, &b);
		lab_wait(&lab, &b, 1);
		assert_int_equal(b.status, 0);
		lab_answer_done(&b);
		claim_close(other);
	}
	assert_int_equal(lab_addresses(&lab, net), 10);
}

static void refused(void **state)
{
	struct model_network *old = model_network_dup(net);

	(void)state;
	assert_int_equal(lab_create_now(&lab, net, 1, "10.0.0.9", &a), 0);
	assert_int_equal(reserve("10.0.0.9"), -EADDRINUSE);
	assert_string_equal(
		a.err.text,
		"address 10.0.0.9 of network demo is in use by endpoint c1 (ee0001000000) on node node1");
	assert_int_equal(reserve_on(2, "10.0.0.10", AF_INET), 0);
	assert_int_equal(reserve("10.0.0.10"), -EADDRINUSE);
	assert_string_equal(a.err.text,
			    "address 10.0.0.10 of network demo is reserved by node node2");
	/* By this very node, too: for another container. */
	assert_int_equal(reserve("10.0.0.11"), 0);
	assert_int_equal(reserve("10.0.0.11"), -EADDRINUSE);
	assert_string_equal(a.err.text,
			    "address 10.0.0.11 of network demo is reserved by node node1");
	assert_int_equal(reserve("10.0.0.1"), -EADDRINUSE);
	assert_non_null(strstr(a.err.text, "the gateway"));
	assert_int_equal(reserve("10.0.0.255"), -EINVAL);
	assert_int_equal(reserve("10.1.0.2"), -ERANGE);
	assert_int_equal(reserve("fd00:1::7"), -EINVAL);
	assert_int_equal(lab_addresses(&lab, net), 4);
	/* The record has changed; the network is gone. */
	net->mod_revision--;
	assert_int_equal(reserve(NULL), -ESTALE);
	net->mod_revision++;
	fake_kv_delete(lab.fake, LAB_PREFIX "/network/", LAB_PREFIX "/network0");
	assert_int_equal(reserve("10.0.0.20"), -ENOENT);
	assert_int_equal(reserve(NULL), -ENOENT);
	assert_int_equal(lab_addresses(&lab, net), 4);
	model_network_free(old);
}

static void small_network(void **state)
{
	(void)state;
	model_network_free(net);
	net = lab_network(&lab, "small", "10.9.0.0/29");
	for (int i = 0; i < 5; i++)
		assert_int_equal(reserve(NULL), 0);
	assert_int_equal(reserve(NULL), -ENOSPC);
	assert_non_null(strstr(a.err.text, "network small: "));
	assert_int_equal(reserve_on(1, NULL, AF_INET6), -EINVAL);
	assert_string_equal(a.err.text, "network small has no IPv6 subnet");
	assert_int_equal(free_now("10.9.0.4", 1), 0);
	assert_int_equal(reserve(NULL), 0);
	assert_got("10.9.0.4");
}

static void reserve_lost(void **state)
{
	(void)state;
	for (int applied = 0; applied < 2; applied++) {
		fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, applied);
		assert_int_equal(reserve(NULL), 0);
		fake_kv_fail(lab.fake, FAKE_TXN, 0, 2, -ETIMEDOUT, applied);
		assert_int_equal(reserve(applied ? "10.0.0.50" : "10.0.0.51"), 0);
	}
	assert_int_equal(lab_addresses(&lab, net), 4);
	assert_true(is_reserved("10.0.0.2", 1));
	lab_hurry(&lab);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 1000, -ETIMEDOUT, false);
	assert_int_equal(reserve(NULL), -ETIMEDOUT);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 0, 0, false);
	assert_int_equal(lab_addresses(&lab, net), 4);
	fake_kv_down(lab.fake, true);
	assert_int_equal(reserve(NULL), -EHOSTUNREACH);
	fake_kv_down(lab.fake, false);
	fake_kv_lease_expire(lab.fake, lab.lease);
	assert_int_equal(reserve(NULL), -EKEYEXPIRED);
}

/* Two agents, fifty each at the same moment: no address twice. */
static void reserve_race(void **state)
{
	static struct lab_answer answers[100];
	struct claim *other = lab_claim(&lab, 7);

	(void)state;
	memset(answers, 0, sizeof(answers));
	for (unsigned i = 0; i < 100; i++)
		start_reserve(i % 2 ? lab.claim : other, 1 + i % 2, NULL, AF_INET, &answers[i]);
	for (int i = 0; i < 100; i++) {
		lab_wait(&lab, &answers[i], 1);
		assert_int_equal(answers[i].status, 0);
		for (int j = 0; j < i; j++)
			assert_false(ip_eq(answers[i].ip, answers[j].ip));
	}
	assert_int_equal(lab_addresses(&lab, net), 100);
	claim_close(other);
}

/* ---- bind and unbind ---- */

static void bound(void **state)
{
	struct model_endpoint *ep;
	unsigned calls;

	(void)state;
	assert_int_equal(reserve(NULL), 0);
	assert_int_equal(reserve_on(1, NULL, AF_INET6), 0);
	calls = txns();
	assert_int_equal(bind_in(lab.claim, 1, "10.0.0.2", "fd00:1::2"), 0);
	assert_int_equal(txns(), calls + 1);
	assert_true(is_bound("10.0.0.2", 1));
	assert_true(is_bound("fd00:1::2", 1));
	lab_check(&lab, net);
	/* The call repeated is the endpoint it made. */
	assert_int_equal(bind_in(lab.claim, 1, "10.0.0.2", "fd00:1::2"), 0);
	/* Bound is not reserved: neither free nor sweep touches it. */
	ep = model_endpoint_dup(a.ep);
	ep->mod_revision = a.ep->mod_revision;
	assert_int_equal(free_now("10.0.0.2", 1), 0);
	assert_int_equal(sweep(lab.claim, 1000), 0);
	assert_int_equal(sweep(lab.claim, 1000000), 0);
	assert_true(is_bound("10.0.0.2", 1));
	/* Docker: DeleteEndpoint, then ReleaseAddress twice. */
	calls = txns();
	assert_int_equal(unbind(ep), 0);
	assert_int_equal(a.revision, fake_kv_store(lab.fake)->revision);
	assert_int_equal(txns(), calls + 1);
	assert_int_equal(lab_endpoints(&lab, net), 0);
	assert_true(is_reserved("10.0.0.2", 1));
	assert_true(is_reserved("fd00:1::2", 1));
	assert_int_equal(unbind(ep), 0);
	assert_true(is_reserved("10.0.0.2", 1));
	calls = txns();
	assert_int_equal(free_now("10.0.0.2", 1), 0);
	assert_int_equal(txns(), calls + 1);
	assert_int_equal(free_now("fd00:1::2", 1), 0);
	assert_int_equal(lab_addresses(&lab, net), 0);
	assert_int_equal(free_now("10.0.0.2", 1), 0);
	/* It rests for a while. */
	assert_int_equal(reserve(NULL), 0);
	assert_got("10.0.0.3");
	model_endpoint_free(ep);
}

/* Another agent process of the same node: nothing is remembered, all is read. */
static void bound_after_restart(void **state)
{
	struct claim *again = lab_claim(&lab, 5);

	(void)state;
	assert_int_equal(reserve("10.0.0.7"), 0);
	assert_int_equal(reserve_on(1, "fd00:1::7", AF_INET6), 0);
	assert_int_equal(bind_in(again, 1, "10.0.0.7", "fd00:1::7"), 0);
	assert_true(is_bound("10.0.0.7", 1));
	assert_true(is_bound("fd00:1::7", 1));
	/* What the first one remembers is outdated, and does no harm. */
	assert_int_equal(free_now("10.0.0.7", 1), 0);
	assert_true(is_bound("10.0.0.7", 1));
	assert_int_equal(bind_in(lab.claim, 2, "10.0.0.7", "fd00:1::7"), -EADDRINUSE);
	assert_non_null(strstr(a.err.text, "in use by endpoint c1 (ee0001000000) on node node1"));
	assert_int_equal(reserve("10.0.0.8"), 0);
	assert_int_equal(free_in(again, "10.0.0.8", 1), 0);
	assert_int_equal(lab_addresses(&lab, net), 2);
	claim_close(again);
}

/* The reservation has been swept meanwhile, and one of the addresses was given to somebody else. */
static void bind_after_sweep(void **state)
{
	(void)state;
	assert_int_equal(reserve("10.0.0.7"), 0);
	assert_int_equal(reserve_on(1, "fd00:1::7", AF_INET6), 0);
	assert_int_equal(sweep(lab.claim, 1000), 0);
	assert_int_equal(sweep(lab.claim, 61000), 2);
	assert_int_equal(bind_in(lab.claim, 1, "10.0.0.7", "fd00:1::7"), 0);
	assert_true(is_bound("10.0.0.7", 1));
	/* Gone without a word: the lease of an earlier time ended. */
	assert_int_equal(reserve("10.0.0.8"), 0);
	assert_int_equal(reserve_on(1, "fd00:1::8", AF_INET6), 0);
	fake_kv_delete(lab.fake, LAB_PREFIX "/address/", LAB_PREFIX "/address0");
	assert_int_equal(bind_in(lab.claim, 2, "10.0.0.8", "fd00:1::8"), 0);
	assert_true(is_bound("10.0.0.8", 2));
	assert_int_equal(reserve("10.0.0.9"), 0);
	fake_kv_delete(lab.fake, LAB_PREFIX "/address/", LAB_PREFIX "/address0");
	assert_int_equal(reserve_on(2, "10.0.0.9", AF_INET), 0);
	assert_int_equal(bind_in(lab.claim, 3, "10.0.0.9", "fd00:1::9"), -EADDRINUSE);
	assert_string_equal(a.err.text,
			    "address 10.0.0.9 of network demo is reserved by node node2");
	assert_true(is_reserved("10.0.0.9", 2));
}

/* A reservation counts only for those who say so. */
static void not_by_chance(void **state)
{
	(void)state;
	assert_int_equal(reserve("10.0.0.7"), 0);
	assert_int_equal(lab_create_now(&lab, net, 1, "10.0.0.7", &a), -EADDRINUSE);
	assert_string_equal(a.err.text,
			    "address 10.0.0.7 of network demo is reserved by node node1");
	assert_true(is_reserved("10.0.0.7", 1));
}

static void bind_lost(void **state)
{
	struct model_endpoint *ep;
	struct claim *again;

	(void)state;
	for (unsigned i = 1; i <= 4; i++) {
		_cleanup_free_ char *ip4 = mem_printf("10.0.0.%u", 20 + i);
		_cleanup_free_ char *ip6 = mem_printf("fd00:1::%u", 20 + i);

		assert_int_equal(reserve(ip4), 0);
		assert_int_equal(reserve_on(1, ip6, AF_INET6), 0);
		fake_kv_fail(lab.fake, FAKE_TXN, 0, 1 + i / 3, -ETIMEDOUT, i % 2);
		assert_int_equal(bind_in(lab.claim, i, ip4, ip6), 0);
		assert_true(is_bound(ip4, i));
		assert_true(is_bound(ip6, i));
		lab_check(&lab, net);
		ep = model_endpoint_dup(a.ep);
		ep->mod_revision = a.ep->mod_revision;
		fake_kv_fail(lab.fake, FAKE_TXN, 0, 1 + i / 3, -ETIMEDOUT, i % 2);
		assert_int_equal(unbind(ep), 0);
		assert_true(is_reserved(ip4, 1));
		assert_true(is_reserved(ip6, 1));
		assert_int_equal(lab_endpoints(&lab, net), 0);
		/* Read first by an agent that does not remember; and not. */
		again = lab_claim(&lab, i);
		fake_kv_fail(lab.fake, FAKE_TXN, 1, 1 + i / 3, -ETIMEDOUT, i % 2);
		assert_int_equal(free_in(again, ip4, 1), 0);
		fake_kv_fail(lab.fake, FAKE_TXN, 0, 0, 0, false);
		assert_int_equal(free_in(again, ip6, 1), 0);
		claim_close(again);
		assert_int_equal(reserve_on(1, ip6, AF_INET6), 0);
		fake_kv_fail(lab.fake, FAKE_TXN, 0, 1 + i / 3, -ETIMEDOUT, i % 2);
		assert_int_equal(free_now(ip6, 1), 0);
		fake_kv_fail(lab.fake, FAKE_TXN, 0, 0, 0, false);
		assert_int_equal(lab_addresses(&lab, net), 0);
		model_endpoint_free(ep);
	}
	lab_hurry(&lab);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 1000, -ETIMEDOUT, false);
	assert_int_equal(bind_in(lab.claim, 9, "10.0.0.9", "fd00:1::9"), -ETIMEDOUT);
	assert_int_equal(free_now("10.0.0.9", 1), -EHOSTUNREACH);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 0, 0, false);
}

/* Without its addresses, and without its revision; and what is another's by now stays so. */
static void unbind_foreign(void **state)
{
	struct model_endpoint bare = { .id = lab_id(0xee, 1), .network = net->id };
	struct model_endpoint *ep;

	(void)state;
	assert_int_equal(bind_in(lab.claim, 1, "10.0.0.7", "fd00:1::7"), 0);
	assert_int_equal(unbind(&bare), 0);
	assert_true(is_reserved("10.0.0.7", 1));
	assert_true(is_reserved("fd00:1::7", 1));
	assert_int_equal(bind_in(lab.claim, 1, "10.0.0.7", "fd00:1::7"), 0);
	ep = model_endpoint_dup(a.ep);
	ep->mod_revision = a.ep->mod_revision;
	lab_occupy(&lab, net, "10.0.0.7", 42);
	assert_int_equal(unbind(ep), 0);
	assert_true(lab_owns(&lab, net, "10.0.0.7", 42));
	assert_true(is_reserved("fd00:1::7", 1));
	assert_int_equal(lab_endpoints(&lab, net), 0);
	/* Never made. */
	bare.id = lab_id(0xee, 5);
	assert_int_equal(unbind(&bare), 0);
	assert_int_equal(lab_addresses(&lab, net), 2);
	model_endpoint_free(ep);
}

/* Reclaimed by its node while the address is still reserved (it was killed in between). */
static void reclaimed(void **state)
{
	struct model_endpoint ep = { .id = lab_id(0xee, 1),
				     .network = net->id,
				     .node = lab_id(0x0d, 1),
				     .name = (char *)"c1",
				     .ip4 = lab_ip("10.0.0.7"),
				     .ip6 = lab_ip("fd00:1::7") };
	struct claim_endpoint_request req = {
		.network = net, .endpoint = &ep, .lease = lab.lease, .reclaim = true
	};
	struct claim *again = lab_claim(&lab, 4);

	(void)state;
	assert_int_equal(reserve("10.0.0.7"), 0);
	for (int i = 0; i < 2; i++) {
		req.reserved = i;
		lab_answer_done(&a);
		claim_endpoint_create(again, &req, lab_on_endpoint, &a);
		lab_wait(&lab, &a, 1);
		assert_int_equal(a.status, i ? 0 : -EADDRINUSE);
	}
	assert_true(is_bound("10.0.0.7", 1));
	assert_true(is_bound("fd00:1::7", 1));
	claim_close(again);
}

#define T(f) cmocka_unit_test_setup_teardown(f, address_setup, address_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(chosen),	  T(refused),	T(small_network),	T(reserve_lost),
		T(reserve_race),  T(bound),	T(bound_after_restart), T(bind_after_sweep),
		T(not_by_chance), T(bind_lost), T(unbind_foreign),	T(reclaimed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
