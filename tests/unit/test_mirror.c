/* SPDX-License-Identifier: GPL-2.0-or-later */
/* List, watch, own writes, odd records, audit: over a fake etcd that is compacted, silent and forgetful on request. */
#include "store/mirror.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "base/mem.h"
#include "tests/unit/mirror_lab.h"

static void test_list_and_watch(void **state)
{
	struct lab *w = *state;
	struct mirror_node *n;

	assert_int_equal(mirror_get_state(w->m), MIRROR_EMPTY);
	lab_start_filled(w);
	assert_int_equal(w->n_synced, 1);
	assert_int_equal(w->n_bad, 0);
	assert_true(id_eq(mirror_cluster(w->m)->id, lab_id(99)));
	n = mirror_node_by_name(w->m, "node1");
	assert_ptr_equal(n, mirror_node(w->m, lab_id(1)));
	assert_true(n->alive);
	assert_non_null(mirror_network_by_name(w->m, "net10"));
	assert_null(mirror_network_by_name(w->m, "nope"));
	lab_put_endpoint(w, 10, 5);
	WAIT(w, lab_in_sync(w) && mirror_endpoint(w->m, lab_id(10), lab_id(5)));
	lab_del(w, model_key_endpoint(P, lab_id(10), lab_id(5)));
	lab_del(w, model_key_alive(P, lab_id(1)));
	WAIT(w, lab_in_sync(w) && !mirror_node(w->m, lab_id(1))->alive);
	assert_null(mirror_endpoint(w->m, lab_id(10), lab_id(5)));
	assert_int_equal(w->puts[MODEL_ENDPOINT], 4);
	assert_int_equal(w->dels[MODEL_ENDPOINT], 1);
	assert_int_equal(w->dels[MODEL_ALIVE], 1);
	/* cluster, 2 nodes, network, 4 endpoints and one deletion */
	assert_int_equal(w->persisted, 9);
	assert_int_equal(w->persisted_dels, 1);
	assert_int_equal(fake_kv_calls(w->f, FAKE_RANGE), 1);
}

/* A network's record goes before its endpoints do, and comes after them. */
static void test_network_without_record(void **state)
{
	struct lab *w = *state;

	lab_start_filled(w);
	lab_del(w, model_key_network(P, lab_id(10)));
	WAIT(w, lab_in_sync(w) && w->dels[MODEL_NETWORK] == 1);
	assert_non_null(mirror_network(w->m, lab_id(10)));
	assert_null(mirror_network(w->m, lab_id(10))->rec);
	assert_null(mirror_network_by_name(w->m, "net10"));
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 3);
	for (unsigned i = 2; i < 5; i++)
		lab_del(w, model_key_endpoint(P, lab_id(10), lab_id(i)));
	WAIT(w, lab_in_sync(w) && !mirror_network(w->m, lab_id(10)));
	lab_put_endpoint(w, 11, 7);
	WAIT(w, lab_in_sync(w) && mirror_network(w->m, lab_id(11)));
	lab_put_network(w, 11);
	WAIT(w, lab_in_sync(w) && mirror_network(w->m, lab_id(11))->rec);
}

static void test_compaction(void **state)
{
	struct lab *w = *state;

	lab_start_filled(w);
	fake_kv_down(w->f, true);
	WAIT(w, !mirror_link_up(w->m));
	lab_put_endpoint(w, 10, 5);
	lab_del(w, model_key_endpoint(P, lab_id(10), lab_id(2)));
	fake_kv_compact(w->f, 0);
	fake_kv_put(w->f, "/foreign", "x", 0);
	fake_kv_down(w->f, false);
	WAIT(w, lab_in_sync(w) && w->n_synced == 2);
	assert_non_null(mirror_endpoint(w->m, lab_id(10), lab_id(5)));
	assert_null(mirror_endpoint(w->m, lab_id(10), lab_id(2)));
	assert_int_equal(w->n_frozen, 0);
	/* Unchanged records make no change. */
	assert_int_equal(w->puts[MODEL_ENDPOINT], 4);
	assert_int_equal(w->puts[MODEL_NODE], 2);
}

static void test_dropped_watch(void **state)
{
	struct lab *w = *state;

	lab_start_filled(w);
	fake_kv_watch_drop(w->f);
	assert_false(mirror_link_up(w->m));
	lab_put_endpoint(w, 10, 5);
	WAIT(w, lab_in_sync(w) && mirror_endpoint(w->m, lab_id(10), lab_id(5)));
	assert_int_equal(w->n_link_down, 1);
	assert_int_equal(w->n_link_up, 2);
	assert_int_equal(fake_kv_calls(w->f, FAKE_RANGE), 1);
}

static void test_etcd_away_at_start(void **state)
{
	struct lab *w = *state;

	lab_fill(w);
	fake_kv_down(w->f, true);
	mirror_start(w->m);
	WAIT(w, w->n_link_down == 1);
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) >= 3);
	assert_int_equal(mirror_get_state(w->m), MIRROR_EMPTY);
	/* Told once, not at every try. */
	assert_int_equal(w->n_link_down, 1);
	fake_kv_down(w->f, false);
	WAIT(w, lab_in_sync(w));
}

/* ---- own writes ---- */

static void test_own_write(void **state)
{
	struct lab *w = *state;
	char *key = model_key_endpoint(P, lab_id(10), lab_id(20)), *value = lab_endpoint_value(20);
	int64_t rev;

	lab_start_filled(w);
	fake_kv_watch_hold(w->f, true);
	rev = fake_kv_put(w->f, key, value, 0);
	mirror_apply_own(w->m, key, value, rev);
	assert_int_equal(w->puts[MODEL_ENDPOINT], 4);
	assert_int_equal(mirror_endpoint(w->m, lab_id(10), lab_id(20))->rec->mod_revision, rev);
	fake_kv_watch_hold(w->f, false);
	lab_put_node(w, 3);
	WAIT(w, lab_in_sync(w) && mirror_node(w->m, lab_id(3)));
	assert_int_equal(w->puts[MODEL_ENDPOINT], 4);
	/* Put and deleted; the echo of the put comes after the deletion was taken in. */
	fake_kv_watch_hold(w->f, true);
	rev = fake_kv_put(w->f, key, value, 0);
	mirror_apply_own(w->m, key, value, rev);
	rev = fake_kv_delete(w->f, key, NULL);
	mirror_apply_own(w->m, key, NULL, rev);
	assert_null(mirror_endpoint(w->m, lab_id(10), lab_id(20)));
	assert_int_equal(w->dels[MODEL_ENDPOINT], 1);
	fake_kv_watch_hold(w->f, false);
	lab_put_node(w, 4);
	WAIT(w, lab_in_sync(w) && mirror_node(w->m, lab_id(4)));
	assert_null(mirror_endpoint(w->m, lab_id(10), lab_id(20)));
	assert_int_equal(w->puts[MODEL_ENDPOINT], 5);
	assert_int_equal(w->dels[MODEL_ENDPOINT], 1);
	/* The watch was faster: the answer brings nothing new, and nothing back. */
	mirror_apply_own(w->m, key, value, rev - 1);
	assert_null(mirror_endpoint(w->m, lab_id(10), lab_id(20)));
	mirror_apply_own(w->m, P "/address/y", "{}", rev + 100);
	free(key);
	free(value);
}

/* A list read before an own write must neither undo it nor bring back what was deleted. */
static void test_own_write_during_list(void **state)
{
	struct lab *w = *state;
	char *key = model_key_endpoint(P, lab_id(10), lab_id(20)), *value = lab_endpoint_value(20);
	char *gone = model_key_endpoint(P, lab_id(10), lab_id(2));
	int64_t rev;

	lab_start_filled(w);
	fake_kv_hold(w->f, FAKE_RANGE, FAKE_HOLD_ANSWERS);
	mirror_resync(w->m);
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) == 2);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	rev = fake_kv_put(w->f, key, value, 0);
	mirror_apply_own(w->m, key, value, rev);
	rev = fake_kv_delete(w->f, gone, NULL);
	mirror_apply_own(w->m, gone, NULL, rev);
	fake_kv_watch_hold(w->f, true);
	fake_kv_hold(w->f, FAKE_RANGE, FAKE_HOLD_NONE);
	WAIT(w, w->n_synced == 2);
	assert_non_null(mirror_endpoint(w->m, lab_id(10), lab_id(20)));
	assert_null(mirror_endpoint(w->m, lab_id(10), lab_id(2)));
	fake_kv_watch_hold(w->f, false);
	WAIT(w, lab_in_sync(w));
	assert_non_null(mirror_endpoint(w->m, lab_id(10), lab_id(20)));
	assert_null(mirror_endpoint(w->m, lab_id(10), lab_id(2)));
	assert_int_equal(w->dels[MODEL_ENDPOINT], 1);
	free(key);
	free(value);
	free(gone);
}

static void test_own_cluster(void **state)
{
	struct lab *w = *state;
	struct model_cluster c = { .id = lab_id(5), .epoch = 1 };
	char *key = model_key_cluster(P), *value = model_cluster_encode(&c);

	mirror_start(w->m);
	WAIT(w, mirror_get_state(w->m) == MIRROR_SYNCED && mirror_link_up(w->m));
	/* Made while a list that does not know of it is under way. */
	fake_kv_hold(w->f, FAKE_RANGE, FAKE_HOLD_ANSWERS);
	mirror_resync(w->m);
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) == 2);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	mirror_apply_own(w->m, key, value, fake_kv_put(w->f, key, value, 0));
	assert_non_null(mirror_cluster(w->m));
	fake_kv_hold(w->f, FAKE_RANGE, FAKE_HOLD_NONE);
	WAIT(w, w->n_synced == 2 && lab_in_sync(w));
	assert_int_equal(w->n_frozen, 0);
	assert_int_equal(w->puts[MODEL_CLUSTER], 1);
	free(key);
	free(value);
}

/* ---- what does not decode ---- */

static void test_bad_records(void **state)
{
	struct lab *w = *state;
	char *ep = model_key_endpoint(P, lab_id(10), lab_id(2));

	fake_kv_put(w->f, P "/endpoint/nonsense", "{}", 0);
	fake_kv_put(w->f, P "/binding/x", "y", 0);
	fake_kv_put(w->f, P "/cow/thing", "y", 0);
	lab_start_filled(w);
	/* The endpoint's and the binding's key; the unknown kind is no fault. */
	assert_int_equal(w->n_bad, 2);
	w->n_bad = 0;
	fake_kv_put(w->f, ep, "garbage", 0);
	WAIT(w, lab_in_sync(w) && w->n_bad == 1);
	assert_ptr_equal(strstr(w->bad, ep), w->bad);
	/* The good record before it is kept; a list reports nothing again and deletes nothing. */
	assert_non_null(mirror_endpoint(w->m, lab_id(10), lab_id(2)));
	mirror_resync(w->m);
	WAIT(w, w->n_synced == 2 && lab_in_sync(w));
	assert_int_equal(w->n_bad, 1);
	assert_non_null(mirror_endpoint(w->m, lab_id(10), lab_id(2)));
	fake_kv_put(w->f, ep, "garbage too", 0);
	WAIT(w, lab_in_sync(w) && w->n_bad == 2);
	lab_put_endpoint(w, 10, 2);
	WAIT(w, lab_in_sync(w));
	fake_kv_put(w->f, ep, "garbage", 0);
	WAIT(w, lab_in_sync(w) && w->n_bad == 3);
	fake_kv_delete(w->f, ep, NULL);
	WAIT(w, lab_in_sync(w) && !mirror_endpoint(w->m, lab_id(10), lab_id(2)));
	free(ep);
}

/* ---- audit ---- */

static void test_audit(void **state)
{
	struct lab *w = *state;
	unsigned ranges;

	fake_kv_put(w->f, P "/cow/thing", "y", 0);
	fake_kv_put(w->f, P "/endpoint/nonsense", "y", 0);
	mirror_close(w->m);
	w->config.audit_ms = 5;
	lab_make_mirror(w);
	lab_start_filled(w);
	lab_put(w, model_key_endpoint(P, lab_id(10), lab_id(2)), mem_strdup("garbage"));
	/* Several audits find nothing amiss, in spite of odd keys. */
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) >= 5);
	assert_int_equal(w->n_synced, 1);
	/* An event that never comes. */
	lab_put_endpoint(w, 10, 5);
	fake_kv_watch_lose(w->f);
	WAIT(w, mirror_endpoint(w->m, lab_id(10), lab_id(5)));
	assert_int_equal(w->n_synced, 2);
	/* A lost change leaves the count as it was: the newest revision tells. */
	lab_put(w, model_key_endpoint(P, lab_id(10), lab_id(5)), lab_endpoint_value(55));
	fake_kv_watch_lose(w->f);
	WAIT(w, mirror_endpoint(w->m, lab_id(10), lab_id(5))->rec->ip4.b[3] == 55);
	/* A lost deletion. */
	lab_del(w, model_key_endpoint(P, lab_id(10), lab_id(4)));
	fake_kv_watch_lose(w->f);
	WAIT(w, !mirror_endpoint(w->m, lab_id(10), lab_id(4)));
	assert_int_equal(w->n_synced, 4);
	ranges = fake_kv_calls(w->f, FAKE_RANGE);
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) > ranges + 3);
	assert_int_equal(w->n_synced, 4);
	assert_int_equal(w->n_frozen, 0);
}

/* Is the mirror exactly what etcd holds of endpoints of network 10? */
static void assert_equal(struct lab *w, unsigned seed)
{
	const struct fake_store *s = fake_kv_store(w->f);
	struct mirror_network *net = mirror_network(w->m, lab_id(10));
	size_t n = 0;

	for (size_t i = 0; i < s->n_entries; i++) {
		struct mirror_endpoint *ep;
		struct model_key k;

		if (model_key_parse(P, s->entries[i].key, &k, NULL) < 0 || k.kind != MODEL_ENDPOINT)
			continue;
		ep = mirror_endpoint(w->m, k.network, k.id);
		if (!ep || ep->rec->mod_revision != s->entries[i].mod_revision)
			fail_msg("seed %u: %s is not as in etcd", seed, s->entries[i].key);
		n++;
	}
	if (n != net->n_endpoints)
		fail_msg("seed %u: %zu endpoints, etcd has %zu", seed, net->n_endpoints, n);
}

static void random_write(struct lab *w, unsigned n, bool own, bool put, bool late)
{
	char *key = model_key_endpoint(P, lab_id(10), lab_id(n));
	char *value = put ? lab_endpoint_value(n) : NULL;
	bool there = fake_kv_get(w->f, key) != NULL;
	int64_t rev = put ? fake_kv_put(w->f, key, value, 0) : fake_kv_delete(w->f, key, NULL);

	/* The watch may tell before the answer of the transaction does. */
	if (late)
		uv_run(&w->loop, UV_RUN_NOWAIT);
	if (own && (put || there))
		mirror_apply_own(w->m, key, value, rev);
	free(key);
	free(value);
}

static void random_step(struct lab *w, uint64_t r)
{
	unsigned n = 2 + (r >> 8) % 12;

	switch (r % 16) {
	case 0:
		fake_kv_watch_drop(w->f);
		break;
	case 1:
		mirror_resync(w->m);
		break;
	case 2:
		fake_kv_compact(w->f, 0);
		break;
	case 3:
		fake_kv_down(w->f, r >> 16 & 1);
		break;
	case 4:
		fake_kv_watch_hold(w->f, r >> 16 & 1);
		break;
	case 5:
		fake_kv_hold(w->f, FAKE_RANGE, (enum fake_hold)((r >> 16) % 3));
		break;
	case 6:
		fake_kv_watch_first(w->f, r >> 16 & 1);
		break;
	default:
		random_write(w, n, r >> 20 & 1, (r >> 21) % 3 != 0, r >> 25 & 1);
		break;
	}
	if (r >> 24 & 1)
		uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* Whatever happens on the way, and however it mixes with own writes: in the end it is what etcd holds. */
static void test_random(void **state)
{
	struct lab *w = *state;

	w->config.cluster_id = lab_id(99);
	w->config.cluster_epoch = 1;
	mirror_close(w->m);
	lab_make_mirror(w);
	lab_start_filled(w);
	for (unsigned seed = 1; seed <= 12; seed++) {
		uint64_t chance = seed;

		for (int i = 0; i < 100; i++)
			random_step(w, backoff_rand(&chance));
		fake_kv_down(w->f, false);
		fake_kv_watch_hold(w->f, false);
		fake_kv_hold(w->f, 0, FAKE_HOLD_NONE);
		/* The next event is behind all others. */
		random_write(w, 50, false, true, false);
		w->n_synced = 0;
		WAIT(w, lab_in_sync(w) && mirror_endpoint(w->m, lab_id(10), lab_id(50)));
		random_write(w, 50, false, false, false);
		WAIT(w, lab_in_sync(w) && !mirror_endpoint(w->m, lab_id(10), lab_id(50)));
		assert_int_equal(w->n_frozen, 0);
		assert_equal(w, seed);
	}
}

static void test_close_and_resync_in_handler(void **state)
{
	struct lab *w = *state;

	lab_start_filled(w);
	w->resync_in_handler = true;
	lab_put_endpoint(w, 10, 5);
	WAIT(w, w->n_synced == 2 && lab_in_sync(w));
	w->close_in_handler = true;
	lab_put_endpoint(w, 10, 6);
	WAIT(w, w->puts[MODEL_ENDPOINT] == 5);
}

static void test_close_during_list(void **state)
{
	struct lab *w = *state;

	lab_fill(w);
	fake_kv_hold(w->f, FAKE_ANY, FAKE_HOLD_REQUESTS);
	mirror_start(w->m);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	mirror_close(w->m);
	w->m = NULL;
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->n_link_down + w->n_synced, 0);
}

static void test_many(void **state)
{
	struct lab *w = *state;
	clock_t t0;

	lab_put_cluster(w, 99, 1);
	lab_put_network(w, 10);
	for (unsigned i = 0; i < 10000; i++)
		lab_put_endpoint(w, 10, 2 + i);
	t0 = clock();
	mirror_start(w->m);
	WAIT(w, lab_in_sync(w));
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 10000);
	/* Of our own time, sanitizers included; it takes a tenth of this. */
	assert_true(clock() - t0 < 3 * CLOCKS_PER_SEC);
	mirror_resync(w->m);
	WAIT(w, w->n_synced == 2);
	assert_int_equal(w->puts[MODEL_ENDPOINT], 10000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, lab_open, lab_close)
	const struct CMUnitTest tests[] = {
		T(test_list_and_watch),
		T(test_network_without_record),
		T(test_compaction),
		T(test_dropped_watch),
		T(test_etcd_away_at_start),
		T(test_own_write),
		T(test_own_write_during_list),
		T(test_own_cluster),
		T(test_bad_records),
		T(test_audit),
		T(test_random),
		T(test_close_and_resync_in_handler),
		T(test_close_during_list),
		T(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
