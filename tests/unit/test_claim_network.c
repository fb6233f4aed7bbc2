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
static struct lab_answer a;

static int setup(void **state)
{
	(void)state;
	lab_open(&lab);
	lab_node(&lab, 1, "node1");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_answer_done(&a);
	lab_close(&lab);
	return 0;
}

/* @n: number of its id. */
static void start(struct claim *c, unsigned n, const char *name, const char *subnet, uint32_t vni,
		  bool ipv6, struct lab_answer *answer)
{
	struct model_network base = { .id = lab_id(0xbb, n),
				      .name = (char *)name,
				      .driver = (char *)"overlay",
				      .vni = vni,
				      .mtu = 1450,
				      .flood = true,
				      .created = (char *)"2026-11-21T09:30:00Z" };
	static const struct subnet_pool pools[] = { { { { AF_INET, { 10 } }, 8 }, 24 } };
	struct subnet_taken host[] = { { { lab_ip("10.0.1.7"), 32 }, "nameserver 10.0.1.7" } };
	struct strv subnets = { 0 };
	struct claim_network_request req = { .base = &base,
					     .ask = { .subnets = &subnets, .ipv6 = ipv6 },
					     .pools = pools,
					     .n_pools = 1,
					     .host_taken = host,
					     .n_host_taken = 1,
					     .cluster_id = lab_id(0xcc, 0) };

	if (subnet)
		strv_split(&subnets, subnet, ',');
	claim_network_create(c, &req, lab_on_network, answer);
	strv_done(&subnets);
}

static int create(unsigned n, const char *name, const char *subnet, uint32_t vni)
{
	lab_answer_done(&a);
	start(lab.claim, n, name, subnet, vni, false, &a);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 1);
	return a.status;
}

static void assert_subnet(size_t i, const char *text)
{
	char buf[PREFIX_TEXT_MAX];

	assert_non_null(a.net);
	assert_true(i < a.net->n_subnets);
	assert_string_equal(prefix_format(a.net->subnets[i].subnet, buf), text);
}

static size_t networks(void)
{
	return fake_kv_count(lab.fake, LAB_PREFIX "/network/", LAB_PREFIX "/network0");
}

static void chosen(void **state)
{
	_cleanup_free_ char *key = model_key_network(LAB_PREFIX, lab_id(0xbb, 1));
	struct model_network *stored;
	const char *value;

	(void)state;
	assert_int_equal(create(1, "demo", NULL, 0), 0);
	assert_subnet(0, "10.0.0.0/24");
	assert_int_equal(a.net->vni, MODEL_VNI_AUTO_FIRST);
	assert_int_equal(a.net->mod_revision, fake_kv_store(lab.fake)->revision);
	value = fake_kv_get(lab.fake, key);
	assert_non_null(value);
	assert_int_equal(model_network_decode(LAB_PREFIX, key, value, strlen(value), &stored, NULL),
			 0);
	assert_string_equal(stored->name, "demo");
	assert_true(stored->flood);
	model_network_free(stored);
	/* 10.0.1.0/24 has this host's nameserver. */
	assert_int_equal(create(2, "second", NULL, 0), 0);
	assert_subnet(0, "10.0.2.0/24");
	assert_int_equal(a.net->vni, MODEL_VNI_AUTO_FIRST + 1);
	assert_int_equal(create(3, "high", "192.168.0.0/24", MODEL_VNI_AUTO_FIRST + 3), 0);
	assert_int_equal(create(4, "fourth", NULL, 0), 0);
	assert_int_equal(a.net->vni, MODEL_VNI_AUTO_FIRST + 2);
	assert_int_equal(create(5, "fifth", NULL, 0), 0);
	assert_int_equal(a.net->vni, MODEL_VNI_AUTO_FIRST + 4);
	assert_int_equal(create(6, "low", NULL, 7), 0);
	assert_int_equal(a.net->vni, 7);
	/* A freed number is the lowest again. */
	fake_kv_delete(lab.fake, key, NULL);
	assert_int_equal(create(7, "again", NULL, 0), 0);
	assert_subnet(0, "10.0.0.0/24");
	assert_int_equal(a.net->vni, MODEL_VNI_AUTO_FIRST);
}

static void ipv6(void **state)
{
	(void)state;
	start(lab.claim, 1, "demo", NULL, 0, true, &a);
	lab_wait(&lab, &a, 1);
	assert_int_equal(a.status, 0);
	assert_true(a.net->ipv6);
	assert_subnet(1, "fdcc::/64");
	lab_answer_done(&a);
	start(lab.claim, 2, "two", NULL, 0, true, &a);
	lab_wait(&lab, &a, 1);
	assert_subnet(1, "fdcc:0:0:1::/64");
}

static void refused(void **state)
{
	(void)state;
	assert_int_equal(create(1, "demo", "10.3.0.0/16", 5000), 0);
	assert_int_equal(create(2, "demo", NULL, 0), -EEXIST);
	assert_string_equal(
		a.err.text,
		"a network named demo exists already (id bb0001000000, created 2026-11-21T09:30:00Z)");
	assert_int_equal(create(2, "other", NULL, 5000), -EEXIST);
	assert_string_equal(a.err.text, "vni 5000 is used by network demo (id bb0001000000)");
	assert_int_equal(create(2, "other", "10.3.7.0/24", 0), -EINVAL);
	assert_string_equal(a.err.text, "10.3.7.0/24 overlaps network demo (10.3.0.0/16)");
	assert_int_equal(create(2, "other", "10.0.1.0/24", 0), -EINVAL);
	assert_string_equal(a.err.text, "10.0.1.0/24 overlaps nameserver 10.0.1.7");
	/* All that is wrong, at once. */
	assert_int_equal(create(2, "demo", "10.3.7.0/24", 1 << 24), -EEXIST);
	assert_string_equal(
		a.err.text,
		"a network named demo exists already (id bb0001000000, created 2026-11-21T09:30:00Z); "
		"vni 16777216 is not within 1 to 16777215; "
		"10.3.7.0/24 overlaps network demo (10.3.0.0/16)");
	assert_int_equal(create(2, "no name", NULL, 0), -EINVAL);
	assert_int_equal(networks(), 1);
	/* The call repeated is the network it made. */
	assert_int_equal(create(1, "demo", "10.3.0.0/16", 5000), 0);
	assert_int_equal(a.net->vni, 5000);
}

static void pools_and_garbage(void **state)
{
	(void)state;
	fake_kv_put(lab.fake, LAB_PREFIX "/pool/0123456789abcdef", "{\"subnet\":\"10.0.0.0/24\"}",
		    0);
	fake_kv_put(lab.fake, LAB_PREFIX "/pool/1", "fish", 0);
	fake_kv_put(lab.fake, LAB_PREFIX "/network/fish", "{}", 0);
	assert_int_equal(create(1, "demo", NULL, 0), 0);
	assert_subnet(0, "10.0.2.0/24");
	assert_int_equal(create(2, "two", "10.0.0.0/25", 0), -EINVAL);
	assert_string_equal(
		a.err.text,
		"10.0.0.0/25 overlaps pool 0123456789ab, held for a network to come (10.0.0.0/24)");
}

/* Three agents ask for the same name at the same moment. */
static void one_wins(void **state)
{
	struct lab_answer answers[3] = { 0 };
	struct claim *agents[3];
	int won = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		agents[i] = lab_claim(&lab, i + 10);
		start(agents[i], i + 1, "demo", NULL, 0, false, &answers[i]);
	}
	for (int i = 0; i < 3; i++) {
		lab_wait(&lab, &answers[i], 1);
		won += answers[i].status == 0;
		if (answers[i].status)
			assert_non_null(strstr(answers[i].err.text, "a network named demo exists"));
		lab_answer_done(&answers[i]);
		claim_close(agents[i]);
	}
	assert_int_equal(won, 1);
	assert_int_equal(networks(), 1);
}

/* Twenty names on two agents: all get through, with subnets and VNIs of their own. */
static void all_win(void **state)
{
	struct lab_answer answers[20] = { 0 };
	struct claim *other = lab_claim(&lab, 2);
	char name[8] = "net-x";

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		name[4] = (char)('a' + i);
		start(i % 2 ? lab.claim : other, i + 1, name, NULL, 0, false, &answers[i]);
	}
	for (int i = 0; i < 20; i++) {
		lab_wait(&lab, &answers[i], 1);
		assert_int_equal(answers[i].status, 0);
		for (int j = 0; j < i; j++) {
			assert_int_not_equal(answers[i].net->vni, answers[j].net->vni);
			assert_false(prefix_overlaps(answers[i].net->subnets[0].subnet,
						     answers[j].net->subnets[0].subnet));
		}
	}
	for (int i = 0; i < 20; i++)
		lab_answer_done(&answers[i]);
	claim_close(other);
}

static void create_lost(void **state)
{
	(void)state;
	fake_kv_fail(lab.fake, FAKE_TXN, 1, 1, -ETIMEDOUT, true);
	assert_int_equal(create(1, "demo", NULL, 0), 0);
	assert_subnet(0, "10.0.0.0/24");
	fake_kv_fail(lab.fake, FAKE_TXN, 1, 2, -ETIMEDOUT, false);
	assert_int_equal(create(2, "two", NULL, 0), 0);
	assert_subnet(0, "10.0.2.0/24");
	assert_int_equal(networks(), 2);
	/* The read without an answer: nothing was done. */
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, false);
	assert_int_equal(create(3, "three", NULL, 0), -EHOSTUNREACH);
	lab_hurry(&lab);
	fake_kv_fail(lab.fake, FAKE_TXN, 1, 1000, -ETIMEDOUT, false);
	assert_int_equal(create(3, "three", NULL, 0), -ETIMEDOUT);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 0, 0, false);
	assert_int_equal(networks(), 2);
}

/* ---- removal ---- */

static int remove_now(struct id id)
{
	a.calls = 0;
	lab_remove(lab.claim, id, &a);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 1);
	return a.status;
}

static void remove_in_use(void **state)
{
	struct model_network *net = lab_network(&lab, "demo", "10.0.0.0/24");
	_cleanup_free_ char *address = model_key_address(LAB_PREFIX, net->id, lab_ip("10.0.0.9"));
	_cleanup_free_ char *binding = mem_printf("%s/binding/%064x/%064x", LAB_PREFIX, 0, 1);
	struct model_endpoint bare = { .network = net->id };

	(void)state;
	for (unsigned i = 1; i <= 6; i++)
		assert_int_equal(lab_create_now(&lab, net, i, NULL, &a), 0);
	assert_int_equal(remove_now(net->id), -EBUSY);
	assert_string_equal(a.err.text, "network demo has 6 endpoints: "
					"c1 (ee0001000000) on node node1, "
					"c2 (ee0002000000) on node node1, "
					"c3 (ee0003000000) on node node1, "
					"c4 (ee0004000000) on node node1 and 2 more");
	for (unsigned i = 1; i <= 6; i++) {
		bare.id = lab_id(0xee, i);
		assert_int_equal(lab_release_now(&lab, &bare, &a), 0);
	}
	fake_kv_put(lab.fake, address, "{}", 0);
	assert_int_equal(remove_now(net->id), -EBUSY);
	assert_string_equal(a.err.text, "network demo has 1 reserved address: 10.0.0.9");
	fake_kv_delete(lab.fake, address, NULL);
	fake_kv_put(lab.fake, binding, "{}", 0);
	assert_int_equal(remove_now(net->id), 0);
	assert_int_equal(a.revision, fake_kv_store(lab.fake)->revision);
	assert_int_equal(networks(), 0);
	assert_non_null(fake_kv_get(lab.fake, binding)); /* another network's */
	assert_int_equal(remove_now(net->id), -ENOENT);
	model_network_free(net);
}

static void remove_lost(void **state)
{
	(void)state;
	for (int applied = 0; applied < 2; applied++) {
		struct model_network *net = lab_network(&lab, "demo", "10.0.0.0/24");

		fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, applied);
		assert_int_equal(remove_now(net->id), 0);
		assert_int_equal(networks(), 0);
		model_network_free(net);
	}
	fake_kv_down(lab.fake, true);
	assert_int_equal(remove_now(lab_id(1, 1)), -EHOSTUNREACH);
	fake_kv_down(lab.fake, false);
}

/* Removal and attach at the same moment, in both orders: one of them is refused, nothing is left dangling. */
static void remove_against_attach(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct model_network *net = lab_network(&lab, "demo", "10.0.0.0/24");
		struct lab_answer removed = { 0 }, attached = { 0 };

		/* The list of addresses is not part of the race. */
		assert_int_equal(lab_create_now(&lab, net, 1, NULL, &a), 0);
		assert_int_equal(lab_release_now(&lab, a.ep, &removed), 0);
		removed.calls = 0;
		if (order == 0)
			lab_remove(lab.claim, net->id, &removed);
		lab_create(&lab, lab.claim, net, 1, 2, NULL, &attached);
		if (order == 1)
			lab_remove(lab.claim, net->id, &removed);
		lab_wait(&lab, &removed, 1);
		lab_wait(&lab, &attached, 1);
		assert_int_equal(removed.status, order == 0 ? 0 : -EBUSY);
		assert_int_equal(attached.status, order == 0 ? -ENOENT : 0);
		assert_int_equal(lab_addresses(&lab, net), (size_t)order);
		assert_int_equal(networks(), (size_t)order);
		lab_answer_done(&attached);
		model_network_free(net);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(chosen),	T(ipv6),
		T(refused),	T(pools_and_garbage),
		T(one_wins),	T(all_win),
		T(create_lost), T(remove_in_use),
		T(remove_lost), T(remove_against_attach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
