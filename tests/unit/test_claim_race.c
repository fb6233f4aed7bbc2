/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several agents on one store, many operations at once, answers lost, agents that die: no address twice, none leaked.
 * A failing run is repeated with the seed it printed: OVL_TEST_SEED=N.
 */
#include "ipam/claim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "base/mem.h"
#include "tests/unit/claim_lab.h"

static struct lab lab;
static struct model_network *net;

static int setup(void **state)
{
	(void)state;
	lab_open(&lab);
	net = lab_network(&lab, "demo", "10.0.0.0/24");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_network_free(net);
	lab_close(&lab);
	return 0;
}

static uint64_t test_seed(void)
{
	const char *text = getenv("OVL_TEST_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

	print_message("seed: OVL_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static void done_all(struct lab_answer *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		lab_answer_done(&v[i]);
}

static void assert_all_different(const struct lab_answer *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; v[i].ep && j < i; j++)
			assert_true(!v[j].ep || !ip_eq(v[i].ep->ip4, v[j].ep->ip4));
	}
}

/* 50 at once on one agent do not get into each other's way: one list and one transaction each. */
static void one_agent(void **state)
{
	struct lab_answer v[50] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		lab_create(&lab, lab.claim, net, 1, i + 1, NULL, &v[i]);
	for (unsigned i = 0; i < 50; i++) {
		lab_wait(&lab, &v[i], 1);
		assert_int_equal(v[i].status, 0);
		assert_int_equal(ip_diff(v[i].ep->ip4, lab_ip("10.0.0.2")), i);
	}
	assert_int_equal(fake_kv_calls(lab.fake, FAKE_RANGE), 1);
	assert_int_equal(fake_kv_calls(lab.fake, FAKE_TXN), 50);
	lab_check(&lab, net);
	done_all(v, 50);
}

static void two_agents(void **state)
{
	struct claim *other = lab_claim(&lab, 2);
	struct lab_answer v[200] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		lab_create(&lab, i % 2 ? lab.claim : other, net, i % 2, i + 1, NULL, &v[i]);
	for (unsigned i = 0; i < 200; i++) {
		lab_wait(&lab, &v[i], 1);
		assert_int_equal(v[i].status, 0);
	}
	assert_all_different(v, 200);
	assert_int_equal(lab_addresses(&lab, net), 200);
	lab_check(&lab, net);
	print_message("%u transactions for 200 endpoints of two agents\n",
		      fake_kv_calls(lab.fake, FAKE_TXN));
	/* Each conflict costs one; no storm. */
	assert_true(fake_kv_calls(lab.fake, FAKE_TXN) < 600);
	done_all(v, 200);
	claim_close(other);
}

/* 300 for 253 addresses: exactly 253 get one, the others are told that there is none. */
static void exhaustion(void **state)
{
	struct claim *agents[3] = { lab.claim, lab_claim(&lab, 2), lab_claim(&lab, 3) };
	struct lab_answer v[300] = { 0 }, late = { 0 };
	unsigned good = 0;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		lab_create(&lab, agents[i % 3], net, i % 3, i + 1, NULL, &v[i]);
	for (unsigned i = 0; i < 300; i++) {
		lab_wait(&lab, &v[i], 1);
		if (v[i].status == 0) {
			good++;
			continue;
		}
		assert_int_equal(v[i].status, -ENOSPC);
		assert_string_equal(
			v[i].err.text,
			"network demo: no free address in 10.0.0.0/24: all 253 are taken");
	}
	assert_int_equal(good, 253);
	assert_all_different(v, 300);
	lab_check(&lab, net);
	/* One given back by one agent is found by another, by a fresh list. */
	for (unsigned i = 0; i < 300; i++) {
		if (v[i].status == 0 && i % 3 == 0) {
			assert_int_equal(lab_release_now(&lab, v[i].ep, &late), 0);
			break;
		}
	}
	late.calls = 0;
	lab_create(&lab, agents[1], net, 1, 301, NULL, &late);
	lab_wait(&lab, &late, 1);
	assert_int_equal(late.status, 0);
	lab_answer_done(&late);
	done_all(v, 300);
	claim_close(agents[1]);
	claim_close(agents[2]);
}

/* ---- chance ---- */

#define AGENTS 3
#define ENDPOINTS 60 /* for 29 addresses */

/* What the agent's SQLite would remember of an endpoint. */
struct row {
	struct lab_answer answer;
	struct model_endpoint *ep; /* claimed for certain */
	unsigned agent;
	bool busy, releasing, unsure;
};
static struct row rows[ENDPOINTS];
static struct claim *agents[AGENTS];

static void settle(struct row *r, unsigned n)
{
	struct model_endpoint *ep = r->answer.ep;

	if (!r->busy || r->answer.calls == 0)
		return;
	assert_int_equal(r->answer.calls, 1);
	r->busy = false;
	if (r->releasing) {
		if (r->answer.status == 0) {
			model_endpoint_free(r->ep);
			r->ep = NULL;
			r->unsure = false;
		}
	} else if (r->answer.status == 0) {
		char text[IP_TEXT_MAX];

		/* It is ours now, in the store too. */
		assert_true(lab_owns(&lab, net, ip_format(ep->ip4, text), n));
		model_endpoint_free(r->ep);
		r->ep = TAKE_PTR(r->answer.ep);
		r->unsure = false;
	} else if (r->answer.status == -ETIMEDOUT || r->answer.status == -ECANCELED) {
		r->unsure = true;
	}
	lab_answer_done(&r->answer);
}

static void act(struct row *r, unsigned n)
{
	struct model_endpoint bare = { .network = net->id, .id = lab_id(0xee, n) };

	if (r->busy)
		return;
	r->busy = true;
	r->releasing = r->ep || r->unsure;
	if (r->releasing)
		lab_release(agents[r->agent], r->ep ? r->ep : &bare, &r->answer);
	else
		lab_create(&lab, agents[r->agent], net, r->agent, n, NULL, &r->answer);
}

static void random_fault(uint64_t *seed)
{
	static const int statuses[] = { -ETIMEDOUT, -ETIMEDOUT, -EHOSTUNREACH };
	int status = statuses[backoff_rand(seed) % ARRAY_SIZE(statuses)];
	bool applied = status == -ETIMEDOUT && backoff_rand(seed) % 2;

	fake_kv_fail(lab.fake, FAKE_TXN, (unsigned)(backoff_rand(seed) % 4),
		     1 + (unsigned)(backoff_rand(seed) % 3), status, applied);
}

/* The agent dies with calls under way, and comes back without its cache. */
static void crash(uint64_t *seed, unsigned agent)
{
	claim_close(agents[agent]);
	for (unsigned i = 0; i < ENDPOINTS; i++) {
		if (rows[i].agent == agent && rows[i].busy)
			lab_wait(&lab, &rows[i].answer, 1);
		if (rows[i].agent == agent)
			settle(&rows[i], i);
	}
	agents[agent] = lab_claim(&lab, backoff_rand(seed));
}

static void chaos(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	model_network_free(net);
	net = lab_network(&lab, "demo", "10.0.0.0/27");
	for (unsigned i = 0; i < AGENTS; i++)
		agents[i] = lab_claim(&lab, i);
	for (unsigned i = 0; i < ENDPOINTS; i++)
		rows[i].agent = i % AGENTS;
	for (int step = 0; step < 3000; step++) {
		unsigned n = (unsigned)(backoff_rand(&seed) % ENDPOINTS);

		act(&rows[n], n);
		if (step % 500 == 7)
			fake_kv_fail(lab.fake, 0, 0, 0, 0, false);
		if (step % 25 == 3 && step % 500 < 400)
			random_fault(&seed);
		if (step % 200 == 150)
			crash(&seed, (unsigned)(backoff_rand(&seed) % AGENTS));
		for (uint64_t i = backoff_rand(&seed) % 4; i > 0; i--)
			lab_turn(&lab);
		for (unsigned i = 0; i < ENDPOINTS; i++)
			settle(&rows[i], i);
		/* At every revision: each address key has its endpoint, each endpoint its address key. */
		if (step % 10 == 0)
			lab_check(&lab, net);
	}
	fake_kv_fail(lab.fake, 0, 0, 0, 0, false);
	/* In the end all is given back, and nothing is left. */
	for (unsigned i = 0; i < ENDPOINTS; i++) {
		for (int tries = 0; tries < 3; tries++) {
			if (rows[i].busy)
				lab_wait(&lab, &rows[i].answer, 1);
			settle(&rows[i], i);
			if (!rows[i].ep && !rows[i].unsure)
				break;
			act(&rows[i], i);
		}
		assert_null(rows[i].ep);
	}
	assert_int_equal(lab_endpoints(&lab, net), 0);
	assert_int_equal(lab_addresses(&lab, net), 0);
	for (unsigned i = 0; i < AGENTS; i++)
		claim_close(agents[i]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_agent),
		T(two_agents),
		T(exhaustion),
		T(chaos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
