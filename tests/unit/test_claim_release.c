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

/* ---- giving back ---- */

static void release_twice(void **state)
{
	struct model_endpoint *ep;

	(void)state;
	attach(1, "10.0.0.2");
	ep = TAKE_PTR(a.ep);
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	ep->mod_revision = 0;
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	model_endpoint_free(ep);
}

static void release_never_frees_anothers(void **state)
{
	_cleanup_free_ char *key = model_key_address(LAB_PREFIX, net->id, lab_ip("10.0.0.2"));
	_cleanup_free_ char *gone = NULL;
	struct model_endpoint *ep;

	(void)state;
	attach(1, "10.0.0.2");
	ep = TAKE_PTR(a.ep);
	/* Lost by hand, and taken by another. */
	fake_kv_delete(lab.fake, key, NULL);
	lab_occupy(&lab, net, "10.0.0.2", 9);
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	assert_true(lab_owns(&lab, net, "10.0.0.2", 9));
	assert_int_equal(lab_endpoints(&lab, net), 0);
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	ep->mod_revision = 0;
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	assert_true(lab_owns(&lab, net, "10.0.0.2", 9));
	/* Nor what cannot be read. */
	fake_kv_put(lab.fake, key, "fish", 0);
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	assert_string_equal(fake_kv_get(lab.fake, key), "fish");
	model_endpoint_free(ep);
}

/* A row of SQLite before its transaction was answered: no address, no revision. */
static void release_by_id(void **state)
{
	struct model_endpoint bare = { .network = net->id, .id = lab_id(0xee, 1) };

	(void)state;
	attach(1, "10.0.0.2");
	assert_int_equal(lab_release_now(&lab, &bare, &a), 0);
	assert_int_equal(lab_addresses(&lab, net), 0);
	assert_int_equal(lab_endpoints(&lab, net), 0);
	attach(2, "10.0.0.3");
	bare.id = lab_id(0xee, 2);
	bare.mod_revision = a.ep->mod_revision;
	assert_int_equal(lab_release_now(&lab, &bare, &a), 0);
	assert_int_equal(lab_addresses(&lab, net), 0);
}

static void release_after_rewrite(void **state)
{
	_cleanup_free_ char *key = model_key_endpoint(LAB_PREFIX, net->id, lab_id(0xee, 1));
	_cleanup_free_ char *value = NULL;
	struct model_endpoint *ep;

	(void)state;
	attach(1, "10.0.0.2");
	ep = TAKE_PTR(a.ep);
	value = mem_strdup(fake_kv_get(lab.fake, key));
	ep->mod_revision = fake_kv_put(lab.fake, key, value, lab.lease);
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	assert_int_equal(lab_addresses(&lab, net), 0);
	model_endpoint_free(ep);
}

static void release_lost(void **state)
{
	struct model_endpoint *ep;

	(void)state;
	for (int applied = 0; applied < 2; applied++) {
		assert_int_equal(lab_create_now(&lab, net, 1, NULL, &a), 0);
		ep = TAKE_PTR(a.ep);
		fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, applied);
		assert_int_equal(lab_release_now(&lab, ep, &a), 0);
		assert_int_equal(lab_addresses(&lab, net), 0);
		assert_int_equal(lab_endpoints(&lab, net), 0);
		model_endpoint_free(ep);
	}
	attach(2, "10.0.0.4");
	ep = TAKE_PTR(a.ep);
	lab_hurry(&lab);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 10000, -ETIMEDOUT, false);
	assert_int_equal(lab_release_now(&lab, ep, &a), -ETIMEDOUT);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 0, 0, false);
	fake_kv_down(lab.fake, true);
	assert_int_equal(lab_release_now(&lab, ep, &a), -EHOSTUNREACH);
	fake_kv_down(lab.fake, false);
	assert_int_equal(lab_release_now(&lab, ep, &a), 0);
	assert_int_equal(lab_addresses(&lab, net), 0);
	model_endpoint_free(ep);
}

/* ---- claiming again ---- */

static int reclaim(const struct model_endpoint *ep, int64_t lease)
{
	lab_answer_done(&a);
	lab_reclaim(&lab, lab.claim, net, ep, lease, &a);
	lab_wait(&lab, &a, 1);
	return a.status;
}

static void reclaim_under_new_lease(void **state)
{
	int64_t lease = fake_store_grant(fake_kv_store(lab.fake), 100);
	_cleanup_free_ char *key = model_key_network(LAB_PREFIX, net->id);
	_cleanup_free_ char *endpoint_key =
		model_key_endpoint(LAB_PREFIX, net->id, lab_id(0xee, 1));
	_cleanup_free_ char *value = NULL;
	struct model_endpoint *ep;
	int64_t revision;

	(void)state;
	attach(1, "10.0.0.2");
	ep = TAKE_PTR(a.ep);
	/* Both keys are there, under the old lease. */
	assert_int_equal(reclaim(ep, lease), 0);
	assert_ip4("10.0.0.2");
	fake_kv_lease_expire(lab.fake, lab.lease);
	assert_true(lab_owns(&lab, net, "10.0.0.2", 1));
	lab_check(&lab, net);
	/* Again: nothing to write. */
	revision = a.ep->mod_revision;
	assert_int_equal(reclaim(ep, lease), 0);
	assert_int_equal(a.ep->mod_revision, revision);
	/* Altered by hand: put as its owner has it, fields of another format kept. */
	free(ep->name);
	ep->name = mem_strdup("renamed");
	value = mem_printf("{\"future\":1,%s", fake_kv_get(lab.fake, endpoint_key) + 1);
	fake_kv_put(lab.fake, endpoint_key, value, lease);
	assert_int_equal(reclaim(ep, lease), 0);
	assert_non_null(strstr(fake_kv_get(lab.fake, endpoint_key), "\"name\":\"renamed\""));
	assert_non_null(strstr(fake_kv_get(lab.fake, endpoint_key), "\"future\":1"));
	revision = a.ep->mod_revision;
	assert_int_equal(reclaim(ep, lease), 0);
	assert_int_equal(a.ep->mod_revision, revision);
	model_endpoint_free(TAKE_PTR(a.ep));
	free(value);
	value = mem_strdup(fake_kv_get(lab.fake, endpoint_key));
	*strstr(value, "10.0.0.2") = '2'; /* 20.0.0.2 */
	fake_kv_put(lab.fake, endpoint_key, value, lease);
	assert_int_equal(reclaim(ep, lease), 0);
	assert_ip4("10.0.0.2");
	lab_check(&lab, net);
	/* All is gone, the network too: put again. */
	fake_kv_lease_expire(lab.fake, lease);
	fake_kv_delete(lab.fake, key, NULL);
	lease = fake_store_grant(fake_kv_store(lab.fake), 100);
	assert_int_equal(reclaim(ep, lease), 0);
	lab_check(&lab, net);
	/* Only the address is there still. */
	fake_kv_delete(lab.fake, endpoint_key, NULL);
	assert_int_equal(reclaim(ep, lease), 0);
	lab_check(&lab, net);
	assert_int_equal(lab_endpoints(&lab, net), 1);
	model_endpoint_free(ep);
}

static void reclaim_of_a_lost_one(void **state)
{
	struct model_endpoint *ep;

	(void)state;
	attach(1, "10.0.0.2");
	ep = TAKE_PTR(a.ep);
	fake_kv_lease_expire(lab.fake, lab.lease);
	lab_occupy(&lab, net, "10.0.0.2", 9);
	lab.lease = fake_store_grant(fake_kv_store(lab.fake), 100);
	assert_int_equal(reclaim(ep, lab.lease), -EADDRINUSE);
	assert_string_equal(
		a.err.text,
		"address 10.0.0.2 of network demo is in use by endpoint ee0009000000 on node node2");
	assert_int_equal(lab_endpoints(&lab, net), 0);
	assert_true(lab_owns(&lab, net, "10.0.0.2", 9));
	model_endpoint_free(ep);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(release_twice),	  T(release_never_frees_anothers),
		T(release_by_id),	  T(release_after_rewrite),
		T(release_lost),	  T(reclaim_under_new_lease),
		T(reclaim_of_a_lost_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
