/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Docker's networks in pieces: pools held, networks made of them, their names found later, bindings. */
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
static int64_t short_lease;

static int setup(void **state)
{
	(void)state;
	lab_open(&lab);
	lab_node(&lab, 1, "node1");
	short_lease = fake_store_grant(fake_kv_store(lab.fake), 60);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_answer_done(&a);
	lab_close(&lab);
	return 0;
}

static const struct subnet_pool pools[] = { { { { AF_INET, { 10 } }, 8 }, 24 } };

static void start_pool(struct claim *c, int family, const char *subnet, const char *range,
		       struct lab_answer *answer)
{
	struct strv subnets = { 0 }, ranges = { 0 };
	struct subnet_taken host[] = { { { lab_ip("10.0.1.7"), 32 }, "nameserver 10.0.1.7" } };
	struct claim_pool_request req = { .ask = { .subnets = &subnets, .ip_ranges = &ranges },
					  .family = family,
					  .pools = pools,
					  .n_pools = 1,
					  .host_taken = host,
					  .n_host_taken = 1,
					  .cluster_id = lab_id(0xcc, 0),
					  .node = lab_id(0x0d, 1),
					  .lease = short_lease };
	int calls = answer->calls;

	if (subnet)
		strv_split(&subnets, subnet, ',');
	if (range)
		strv_add(&ranges, range);
	claim_pool_create(c, &req, lab_on_pool, answer);
	assert_int_equal(answer->calls, calls);
	strv_done(&subnets);
	strv_done(&ranges);
}

static int pool(int family, const char *subnet, const char *range)
{
	lab_answer_done(&a);
	start_pool(lab.claim, family, subnet, range, &a);
	lab_wait(&lab, &a, 1);
	return a.status;
}

static void assert_pool(const char *subnet)
{
	char buf[PREFIX_TEXT_MAX];

	assert_non_null(a.pool);
	assert_string_equal(prefix_format(a.pool->subnet, buf), subnet);
}

static size_t count(const char *kind)
{
	_cleanup_free_ char *dir = mem_printf("%s/%s/", LAB_PREFIX, kind);
	_cleanup_free_ char *end = kv_prefix_end(dir);

	return fake_kv_count(lab.fake, dir, end);
}

static void start_network(struct claim *c, unsigned n, const char *name, const char *subnet,
			  const struct id *own, size_t n_own, struct lab_answer *answer)
{
	struct model_network base = { .id = lab_id(0xbb, n),
				      .name = (char *)name,
				      .driver = (char *)"overlay",
				      .state = MODEL_NETWORK_PENDING,
				      .mtu = 1450,
				      .ipv6 = subnet && strchr(subnet, ':'),
				      .created = (char *)"2026-11-21T09:30:00Z" };
	struct strv subnets = { 0 };
	struct claim_network_request req = { .base = &base,
					     .ask = { .subnets = &subnets },
					     .pools = pools,
					     .n_pools = 1,
					     .cluster_id = lab_id(0xcc, 0),
					     .own_pools = own,
					     .n_own_pools = n_own };

	if (subnet)
		strv_split(&subnets, subnet, ',');
	claim_network_create(c, &req, lab_on_network, answer);
	strv_done(&subnets);
}

static int network(unsigned n, const char *name, const char *subnet, const struct id *own,
		   size_t n_own)
{
	lab_answer_done(&a);
	start_network(lab.claim, n, name, subnet, own, n_own, &a);
	lab_wait(&lab, &a, 1);
	return a.status;
}

/* ---- pools ---- */

static void held(void **state)
{
	_cleanup_free_ char *key = NULL;
	struct model_pool *stored;
	const char *value;

	(void)state;
	assert_int_equal(pool(AF_INET, NULL, NULL), 0);
	assert_pool("10.0.0.0/24");
	assert_int_equal(a.pool->mod_revision, fake_kv_store(lab.fake)->revision);
	key = model_key_pool(LAB_PREFIX, a.pool->id);
	value = fake_kv_get(lab.fake, key);
	assert_non_null(value);
	assert_int_equal(model_pool_decode(LAB_PREFIX, key, value, strlen(value), &stored, NULL),
			 0);
	assert_true(id_eq(stored->node, lab_id(0x0d, 1)));
	assert_non_null(stored->created);
	assert_false(prefix_is_set(stored->range));
	model_pool_free(stored);
	/* Never one that is held; 10.0.1.0/24 has this host's nameserver. */
	assert_int_equal(pool(AF_INET, NULL, NULL), 0);
	assert_pool("10.0.2.0/24");
	assert_int_equal(pool(AF_INET, "10.9.0.0/16", "10.9.5.0/24"), 0);
	assert_pool("10.9.0.0/16");
	assert_int_equal(a.pool->range.len, 24);
	assert_int_equal(pool(AF_INET6, NULL, NULL), 0);
	assert_pool("fdcc::/64");
	assert_int_equal(pool(AF_INET6, NULL, NULL), 0);
	assert_pool("fdcc:0:0:1::/64");
	assert_int_equal(pool(AF_INET6, "fd77::/64", NULL), 0);
	assert_pool("fd77::/64");
	assert_int_equal(count("pool"), 6);
	/* The lease is the pools': when it ends, nobody has them. */
	fake_kv_lease_expire(lab.fake, short_lease);
	assert_int_equal(count("pool"), 0);
	assert_int_equal(pool(AF_INET, NULL, NULL), -EKEYEXPIRED);
}

static void refused(void **state)
{
	struct model_network *net = lab_network(&lab, "demo", "10.3.0.0/16");
	_cleanup_free_ char *text = NULL;
	char id[ID_SHORT_MAX];

	(void)state;
	assert_int_equal(pool(AF_INET, "10.3.7.0/24", NULL), -EINVAL);
	assert_string_equal(a.err.text, "10.3.7.0/24 overlaps network demo (10.3.0.0/16)");
	assert_int_equal(pool(AF_INET, "10.0.1.0/24", NULL), -EINVAL);
	assert_string_equal(a.err.text, "10.0.1.0/24 overlaps nameserver 10.0.1.7");
	assert_int_equal(pool(AF_INET, "10.4.0.0/16", NULL), 0);
	text = mem_printf(
		"10.4.1.0/24 overlaps pool %s, held by node 0d0001000000 for a network to "
		"come (10.4.0.0/16)",
		id_short(a.pool->id, id));
	assert_int_equal(pool(AF_INET, "10.4.1.0/24", NULL), -EINVAL);
	assert_string_equal(a.err.text, text);
	assert_int_equal(pool(AF_INET, "fd00::/64", NULL), -EINVAL);
	assert_non_null(strstr(a.err.text, "subnet fd00::/64 is not IPv4"));
	assert_int_equal(pool(AF_INET6, "10.5.0.0/24", NULL), -EINVAL);
	assert_non_null(strstr(a.err.text, "subnet 10.5.0.0/24 is not IPv6"));
	assert_int_equal(pool(AF_INET, "10.5.0.0/24,10.6.0.0/24", NULL), -EINVAL);
	assert_int_equal(pool(AF_INET, NULL, "10.5.0.0/24"), -EINVAL);
	assert_int_equal(pool(AF_INET, "10.5.0.7/24", NULL), -EINVAL);
	assert_int_equal(count("pool"), 1);
	model_network_free(net);
}

static void pool_lost(void **state)
{
	(void)state;
	for (int applied = 0; applied < 2; applied++) {
		fake_kv_fail(lab.fake, FAKE_TXN, 1, 1, -ETIMEDOUT, applied);
		assert_int_equal(pool(AF_INET, NULL, NULL), 0);
		assert_int_equal(count("pool"), (size_t)applied + 1);
	}
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, false);
	assert_int_equal(pool(AF_INET, NULL, NULL), -EHOSTUNREACH);
	lab_hurry(&lab);
	fake_kv_fail(lab.fake, FAKE_TXN, 1, 1000, -ETIMEDOUT, false);
	assert_int_equal(pool(AF_INET, NULL, NULL), -ETIMEDOUT);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 0, 0, false);
	assert_int_equal(count("pool"), 2);
}

/* Ten on each of two nodes at the same moment: all get one, no two the same. */
static void pools_race(void **state)
{
	struct lab_answer answers[20] = { 0 };
	struct claim *other = lab_claim(&lab, 2);

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		start_pool(i % 2 ? lab.claim : other, AF_INET, NULL, NULL, &answers[i]);
	for (int i = 0; i < 20; i++) {
		lab_wait(&lab, &answers[i], 1);
		assert_int_equal(answers[i].status, 0);
		for (int j = 0; j < i; j++)
			assert_false(
				prefix_overlaps(answers[i].pool->subnet, answers[j].pool->subnet));
	}
	for (int i = 0; i < 20; i++)
		lab_answer_done(&answers[i]);
	claim_close(other);
}

static void pool_deleted(void **state)
{
	struct id id;

	(void)state;
	assert_int_equal(pool(AF_INET, NULL, NULL), 0);
	id = a.pool->id;
	for (int i = 0; i < 2; i++) {
		a.calls = 0;
		if (i == 0)
			fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, true);
		claim_pool_delete(lab.claim, id, lab_on_done, &a);
		assert_int_equal(a.calls, 0);
		lab_wait(&lab, &a, 1);
		assert_int_equal(a.status, 0);
		assert_int_equal(count("pool"), 0);
	}
	fake_kv_down(lab.fake, true);
	a.calls = 0;
	claim_pool_delete(lab.claim, id, lab_on_done, &a);
	lab_wait(&lab, &a, 1);
	assert_int_equal(a.status, -EHOSTUNREACH);
	fake_kv_down(lab.fake, false);
}

/* ---- networks of pools ---- */

static void becomes_network(void **state)
{
	struct id own[MODEL_SUBNETS_MAX + 1] = { 0 }, foreign;

	(void)state;
	assert_int_equal(pool(AF_INET, "10.4.0.0/16", NULL), 0);
	own[0] = a.pool->id;
	assert_int_equal(pool(AF_INET6, "fd77::/64", NULL), 0);
	own[1] = a.pool->id;
	assert_int_equal(pool(AF_INET, "10.5.0.0/16", NULL), 0);
	foreign = a.pool->id;
	/* Not without naming the pools, and not in the place of another's. */
	assert_int_equal(network(1, "docker-1", "10.4.0.0/16,fd77::/64", NULL, 0), -EINVAL);
	assert_int_equal(network(1, "docker-1", "10.4.0.0/16,fd77::/64", &foreign, 1), -EINVAL);
	assert_int_equal(count("pool"), 3);
	/* The answer is lost: settled, and done once. */
	fake_kv_fail(lab.fake, FAKE_TXN, 1, 1, -ETIMEDOUT, true);
	assert_int_equal(network(1, "docker-1", "10.4.0.0/16,fd77::/64", own, 2), 0);
	assert_int_equal(a.net->state, MODEL_NETWORK_PENDING);
	assert_int_equal(a.net->n_subnets, 2);
	assert_int_equal(count("pool"), 1);
	assert_int_equal(count("network"), 1);
	/* Too many to be true. */
	assert_int_equal(network(2, "docker-2", NULL, own, MODEL_SUBNETS_MAX + 1), -EINVAL);
}

static void pool_vanished(void **state)
{
	struct id own;

	(void)state;
	assert_int_equal(pool(AF_INET, "10.4.0.0/16", NULL), 0);
	own = a.pool->id;
	fake_kv_lease_expire(lab.fake, short_lease);
	assert_int_equal(network(1, "docker-1", "10.4.0.0/16", &own, 1), 0);
	assert_int_equal(count("network"), 1);
	/* Somebody else was faster. */
	short_lease = fake_store_grant(fake_kv_store(lab.fake), 60);
	assert_int_equal(pool(AF_INET, "10.5.0.0/16", NULL), 0);
	own = a.pool->id;
	fake_kv_lease_expire(lab.fake, short_lease);
	short_lease = fake_store_grant(fake_kv_store(lab.fake), 60);
	assert_int_equal(pool(AF_INET, "10.5.0.0/16", NULL), 0);
	assert_int_equal(network(2, "docker-2", "10.5.0.0/16", &own, 1), -EINVAL);
	assert_non_null(strstr(a.err.text, "overlaps pool"));
}

/* ---- names ---- */

static void start_rename(struct claim *c, unsigned n, const char *name, struct lab_answer *answer)
{
	claim_network_rename(c, lab_id(0xbb, n), name, lab_on_network, answer);
}

static int rename_to(unsigned n, const char *name)
{
	lab_answer_done(&a);
	start_rename(lab.claim, n, name, &a);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 1);
	return a.status;
}

static void named(void **state)
{
	_cleanup_free_ char *key = model_key_network(LAB_PREFIX, lab_id(0xbb, 1)), *more = NULL;
	int64_t revision;

	(void)state;
	assert_int_equal(network(1, "docker-1", NULL, NULL, 0), 0);
	/* What a later version has written is kept. */
	more = mem_printf("%.*s,\"later\":7}", (int)strlen(fake_kv_get(lab.fake, key)) - 1,
			  fake_kv_get(lab.fake, key));
	fake_kv_put(lab.fake, key, more, 0);
	assert_int_equal(rename_to(1, "demo"), 0);
	assert_string_equal(a.net->name, "demo");
	assert_int_equal(a.net->state, MODEL_NETWORK_READY);
	revision = a.net->mod_revision;
	assert_int_equal(revision, fake_kv_store(lab.fake)->revision);
	assert_non_null(strstr(fake_kv_get(lab.fake, key), "\"later\":7"));
	assert_non_null(
		strstr(fake_kv_get(lab.fake, key), "\"name\":\"demo\",\"state\":\"ready\""));
	/* Again: nothing is written. */
	assert_int_equal(rename_to(1, "demo"), 0);
	assert_int_equal(a.net->mod_revision, revision);
	assert_int_equal(fake_kv_store(lab.fake)->revision, revision);
	assert_int_equal(network(2, "docker-2", NULL, NULL, 0), 0);
	assert_int_equal(rename_to(2, "demo"), -EEXIST);
	assert_string_equal(
		a.err.text,
		"a network named demo exists already (id bb0001000000, created 2026-11-21T09:30:00Z)");
	assert_int_equal(rename_to(2, "no name"), -EINVAL);
	assert_int_equal(rename_to(3, "x"), -ENOENT);
	/* PENDING under the very name: made READY. */
	assert_int_equal(rename_to(2, "docker-2"), 0);
	assert_int_equal(a.net->state, MODEL_NETWORK_READY);
}

static void rename_lost(void **state)
{
	(void)state;
	assert_int_equal(network(1, "docker-1", NULL, NULL, 0), 0);
	fake_kv_fail(lab.fake, FAKE_TXN, 1, 1, -ETIMEDOUT, true);
	assert_int_equal(rename_to(1, "one"), 0);
	assert_string_equal(a.net->name, "one");
	fake_kv_fail(lab.fake, FAKE_TXN, 1, 2, -ETIMEDOUT, false);
	assert_int_equal(rename_to(1, "two"), 0);
	assert_string_equal(a.net->name, "two");
}

/* Renames and creations of the same name at the same moment: one of them wins. */
static void names_race(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		struct lab_answer answers[4] = { 0 };
		struct claim *other = lab_claim(&lab, round + 9);
		unsigned n = round * 10;
		int won = 0;

		assert_int_equal(network(n + 1, "p1", NULL, NULL, 0), 0);
		assert_int_equal(network(n + 2, "p2", NULL, NULL, 0), 0);
		for (unsigned i = 0; i < 4; i++) {
			unsigned k = (i + round) % 4;
			struct claim *c = k % 2 ? lab.claim : other;

			if (k < 2)
				start_rename(c, n + 1 + k, "demo", &answers[k]);
			else
				start_network(c, n + 1 + k, "demo", NULL, NULL, 0, &answers[k]);
		}
		for (int i = 0; i < 4; i++) {
			lab_wait(&lab, &answers[i], 1);
			won += answers[i].status == 0;
			if (answers[i].status)
				assert_int_equal(answers[i].status, -EEXIST);
			lab_answer_done(&answers[i]);
		}
		assert_int_equal(won, 1);
		fake_kv_delete(lab.fake, LAB_PREFIX "/network/", LAB_PREFIX "/network0");
		claim_close(other);
	}
}

/* The network goes between the rename's read and its put: it must not come back. */
static void rename_against_removal(void **state)
{
	struct lab_answer removed = { 0 };

	(void)state;
	assert_int_equal(network(1, "docker-1", NULL, NULL, 0), 0);
	lab_answer_done(&a);
	start_rename(lab.claim, 1, "demo", &a);
	lab_remove(lab.claim, lab_id(0xbb, 1), &removed);
	lab_wait(&lab, &a, 1);
	lab_wait(&lab, &removed, 1);
	assert_int_equal(removed.status, 0);
	assert_int_equal(a.status, -ENOENT);
	assert_int_equal(count("network"), 0);
}

/* ---- bindings ---- */

static int bind_now(struct id net, const char *docker, int64_t mod)
{
	struct model_binding b = { .network = net,
				   .node = lab_id(0x0d, 1),
				   .docker = (char *)docker,
				   .mod_revision = mod };

	a.calls = 0;
	claim_binding_put(lab.claim, &b, lab_on_done, &a);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 1);
	return a.status;
}

static int unbind_now(struct id net, int64_t mod)
{
	struct model_binding b = { .network = net, .node = lab_id(0x0d, 1), .mod_revision = mod };

	a.calls = 0;
	claim_binding_del(lab.claim, &b, lab_on_done, &a);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 1);
	return a.status;
}

static void bound(void **state)
{
	struct model_network *net = lab_network(&lab, "demo", "10.0.0.0/24");
	_cleanup_free_ char *key = model_key_binding(LAB_PREFIX, net->id, lab_id(0x0d, 1));
	int64_t first;

	(void)state;
	assert_int_equal(bind_now(lab_id(1, 1), "d", 0), -ENOENT);
	assert_int_equal(bind_now(net->id, "", 0), -EINVAL);
	assert_int_equal(bind_now(net->id, NULL, 0), -EINVAL);
	assert_int_equal(bind_now(net->id, "dddd", 0), 0);
	first = a.revision;
	assert_int_equal(first, fake_kv_store(lab.fake)->revision);
	assert_string_equal(fake_kv_get(lab.fake, key), "{\"docker\":\"dddd\"}");
	assert_int_equal(bind_now(net->id, "dddd", 0), 0);
	assert_int_equal(a.revision, first);
	assert_int_equal(bind_now(net->id, "eeee", 0), -EEXIST);
	assert_non_null(strstr(a.err.text, "as Docker's network dddd"));
	assert_int_equal(bind_now(net->id, "eeee", first + 1), -ESTALE);
	assert_int_equal(bind_now(net->id, "eeee", first), 0);
	assert_string_equal(fake_kv_get(lab.fake, key), "{\"docker\":\"eeee\"}");
	assert_int_equal(unbind_now(net->id, first), -ESTALE);
	assert_non_null(fake_kv_get(lab.fake, key));
	assert_int_equal(unbind_now(net->id, fake_kv_store(lab.fake)->revision), 0);
	assert_null(fake_kv_get(lab.fake, key));
	assert_int_equal(unbind_now(net->id, first), 0);
	assert_int_equal(unbind_now(net->id, 0), 0);
	assert_int_equal(bind_now(net->id, "eeee", first), -ESTALE);
	/* Unreadable is nobody's. */
	fake_kv_put(lab.fake, key, "fish", 0);
	assert_int_equal(bind_now(net->id, "ffff", 0), 0);
	assert_int_equal(unbind_now(net->id, 0), 0);
	model_network_free(net);
}

static void binding_lost(void **state)
{
	struct model_network *net = lab_network(&lab, "demo", "10.0.0.0/24");
	int64_t first;

	(void)state;
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, true);
	assert_int_equal(bind_now(net->id, "dddd", 0), 0);
	first = a.revision;
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 2, -ETIMEDOUT, true);
	assert_int_equal(bind_now(net->id, "eeee", first), 0);
	assert_int_equal(a.revision, fake_kv_store(lab.fake)->revision);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 1, -ETIMEDOUT, true);
	assert_int_equal(unbind_now(net->id, a.revision), 0);
	assert_int_equal(count("binding"), 0);
	lab_hurry(&lab);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 1000, -ETIMEDOUT, false);
	assert_int_equal(bind_now(net->id, "dddd", 0), -ETIMEDOUT);
	fake_kv_fail(lab.fake, FAKE_TXN, 0, 0, 0, false);
	assert_int_equal(count("binding"), 0);
	model_network_free(net);
}

/* The agent stops while all of it is under way. */
static void cancelled(void **state)
{
	struct lab_answer answers[5] = { 0 };
	struct model_network *net = lab_network(&lab, "demo", "10.0.0.0/24");
	struct model_binding b = { .network = net->id, .docker = (char *)"d" };
	struct claim *c = lab_claim(&lab, 3);

	(void)state;
	fake_kv_hold(lab.fake, FAKE_ANY, FAKE_HOLD_REQUESTS);
	start_pool(c, AF_INET, NULL, NULL, &answers[0]);
	claim_pool_delete(c, lab_id(1, 1), lab_on_done, &answers[1]);
	start_rename(c, 1, "demo", &answers[2]);
	claim_binding_put(c, &b, lab_on_done, &answers[3]);
	claim_binding_del(c, &b, lab_on_done, &answers[4]);
	lab_turn(&lab);
	claim_close(c);
	for (int i = 0; i < 5; i++) {
		lab_wait(&lab, &answers[i], 1);
		assert_int_equal(answers[i].status, -ECANCELED);
	}
	fake_kv_hold(lab.fake, FAKE_ANY, FAKE_HOLD_NONE);
	model_network_free(net);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(held),
		T(refused),
		T(pool_lost),
		T(pools_race),
		T(pool_deleted),
		T(becomes_network),
		T(pool_vanished),
		T(named),
		T(rename_lost),
		T(names_race),
		T(rename_against_removal),
		T(bound),
		T(binding_lost),
		T(cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
