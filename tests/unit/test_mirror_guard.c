/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the mirror believes of an etcd that is empty, wiped, restored or another one: at start and while it runs. */
#include "store/mirror.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/mirror_lab.h"

static void test_first_start(void **state)
{
	struct lab *w = *state;

	mirror_start(w->m);
	WAIT(w, mirror_get_state(w->m) == MIRROR_SYNCED && mirror_link_up(w->m));
	assert_null(mirror_cluster(w->m));
	lab_put_cluster(w, 7, 1);
	WAIT(w, mirror_cluster(w->m) != NULL);
	assert_int_equal(w->n_frozen, 0);
	assert_int_equal(w->puts[MODEL_CLUSTER], 1);
	assert_true(id_eq(mirror_cluster(w->m)->id, lab_id(7)));
}

/* One batch deletes everything: the cluster's record counts first, wherever it stands. */
static void test_wiped_prefix(void **state)
{
	struct lab *w = *state;
	int64_t seen;

	lab_start_filled(w);
	seen = mirror_revision(w->m);
	w->persisted = 0;
	fake_kv_delete(w->f, P "/", P "0");
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN);
	assert_non_null(strstr(w->why, "deleted"));
	assert_null(mirror_cluster_found(w->m));
	assert_true(id_eq(mirror_cluster(w->m)->id, lab_id(99)));
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 3);
	assert_non_null(mirror_network(w->m, lab_id(10))->rec);
	assert_true(mirror_node(w->m, lab_id(1))->alive);
	assert_int_equal(w->dels[MODEL_ENDPOINT] + w->dels[MODEL_NODE] + w->dels[MODEL_NETWORK] +
				 w->dels[MODEL_ALIVE],
			 0);
	/* Additions and changes go on; nothing is written down, and the revision known stays. */
	lab_put_endpoint(w, 10, 6);
	WAIT(w, mirror_endpoint(w->m, lab_id(10), lab_id(6)));
	lab_del(w, model_key_endpoint(P, lab_id(10), lab_id(6)));
	lab_put_endpoint(w, 10, 7);
	WAIT(w, mirror_endpoint(w->m, lab_id(10), lab_id(7)));
	assert_non_null(mirror_endpoint(w->m, lab_id(10), lab_id(6)));
	assert_int_equal(w->persisted, 0);
	assert_int_equal(mirror_revision(w->m), seen);
	/* Listing again does not thaw, nor does the same epoch. */
	mirror_resync(w->m);
	lab_put_cluster(w, 99, 1);
	WAIT(w, mirror_cluster_found(w->m) != NULL && fake_kv_calls(w->f, FAKE_RANGE) == 2);
	assert_int_equal(mirror_get_state(w->m), MIRROR_FROZEN);
	assert_int_equal(w->n_frozen, 1);
	/* Adopted: endpoints 2 and 7 and a node are there again, the rest has gone for good. */
	lab_put_node(w, 1);
	lab_put_network(w, 10);
	lab_put_endpoint(w, 10, 2); /* before: the thaw may come in the same turn */
	lab_put_cluster(w, 99, 2);
	WAIT(w, w->n_frozen == 2);
	assert_non_null(strstr(w->frozen_why, "adopted"));
	WAIT(w, lab_in_sync(w));
	assert_int_equal(mirror_cluster(w->m)->epoch, 2);
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 2);
	assert_null(mirror_node(w->m, lab_id(2)));
	assert_int_equal(w->dels[MODEL_NODE], 1);
	/* What is there is written down again as a whole: cluster, node, network, 2 endpoints. */
	assert_int_equal(w->persisted - w->persisted_dels, 5);
	/* node 2; endpoints 3, 4, 6 */
	assert_int_equal(w->persisted_dels, 4);
}

/* A new etcd in the old one's place: the watch sees that the revision went back. */
static void test_wiped_store(void **state)
{
	struct lab *w = *state;

	lab_start_filled(w);
	fake_kv_wipe(w->f);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN && fake_kv_calls(w->f, FAKE_RANGE) == 2);
	WAIT(w, mirror_link_up(w->m));
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 3);
	/* Another cluster in the same etcd is no reason to thaw. */
	lab_put_cluster(w, 98, 5);
	WAIT(w, mirror_cluster_found(w->m) != NULL);
	mirror_resync(w->m);
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) == 3 && mirror_link_up(w->m));
	assert_int_equal(mirror_get_state(w->m), MIRROR_FROZEN);
	lab_put_cluster(w, 99, 2);
	lab_put_endpoint(w, 10, 3);
	WAIT(w, lab_in_sync(w));
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 1);
}

/* Adopted elsewhere while this node saw no harm: frozen for the grace, which ends early when the record goes again. */
static void test_epoch(void **state)
{
	struct lab *w = *state;
	char *own = model_key_endpoint(P, lab_id(10), lab_id(2));
	int64_t rev;

	lab_start_filled(w);
	mirror_close(w->m);
	w->config.thaw_grace_ms = 200;
	lab_make_mirror(w);
	mirror_start(w->m);
	WAIT(w, lab_in_sync(w));
	lab_put_cluster(w, 99, 2);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN);
	lab_del(w, model_key_cluster(P));
	WAIT(w, mirror_cluster_found(w->m) == NULL);
	assert_int_equal(mirror_cluster(w->m)->epoch, 1);
	/* What this node itself gives back goes in any state, and from its memory, too. */
	w->persisted_dels = 0;
	rev = fake_kv_delete(w->f, own, NULL);
	mirror_apply_own(w->m, own, NULL, rev);
	assert_null(mirror_endpoint(w->m, lab_id(10), lab_id(2)));
	assert_int_equal(w->persisted_dels, 1);
	/* A step back is no adoption, a step on is. */
	w->n_frozen = 0;
	lab_put_cluster(w, 99, 1);
	lab_put_cluster(w, 99, 3);
	lab_del(w, model_key_endpoint(P, lab_id(10), lab_id(3)));
	WAIT(w, w->n_frozen == 1);
	WAIT(w, lab_in_sync(w));
	assert_int_equal(mirror_cluster(w->m)->epoch, 3);
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 1);
	free(own);
}

static void test_restored_backup(void **state)
{
	struct lab *w = *state;
	struct fake_store backup;

	lab_start_filled(w);
	fake_store_copy(&backup, fake_kv_store(w->f));
	lab_put_endpoint(w, 10, 8);
	lab_put_endpoint(w, 10, 9);
	WAIT(w, lab_in_sync(w) && mirror_endpoint(w->m, lab_id(10), lab_id(9)));
	fake_kv_restore(w->f, &backup);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN && fake_kv_calls(w->f, FAKE_RANGE) == 2);
	assert_non_null(mirror_endpoint(w->m, lab_id(10), lab_id(8)));
	/* The same revision in the new history holds another record. */
	lab_put(w, model_key_endpoint(P, lab_id(10), lab_id(8)), lab_endpoint_value(80));
	WAIT(w, mirror_endpoint(w->m, lab_id(10), lab_id(8))->rec->ip4.b[3] == 80);
	lab_put_cluster(w, 99, 2);
	WAIT(w, lab_in_sync(w));
	assert_null(mirror_endpoint(w->m, lab_id(10), lab_id(9)));
	assert_non_null(mirror_endpoint(w->m, lab_id(10), lab_id(8)));
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 4);
	fake_store_done(&backup);
}

/* The restore went unseen and the revision has overtaken: an older record gives it away. */
static void test_restored_unseen(void **state)
{
	struct lab *w = *state;
	struct fake_store backup;

	lab_start_filled(w);
	fake_store_copy(&backup, fake_kv_store(w->f));
	lab_put_endpoint(w, 10, 4);
	lab_put_endpoint(w, 10, 9);
	WAIT(w, lab_in_sync(w));
	fake_kv_watch_hold(w->f, true);
	fake_kv_restore(w->f, &backup);
	for (int i = 0; i < 5; i++)
		fake_kv_put(w->f, "/foreign", "x", 0);
	fake_kv_watch_hold(w->f, false);
	mirror_resync(w->m);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN);
	assert_non_null(strstr(w->why, "older record"));
	assert_non_null(mirror_endpoint(w->m, lab_id(10), lab_id(9)));
	fake_store_done(&backup);
}

/* ---- the snapshot ---- */

struct raw {
	char *key, *value;
	int64_t mod;
};

static size_t snapshot_of(struct lab *w, struct raw *out)
{
	const struct fake_store *s = fake_kv_store(w->f);

	for (size_t i = 0; i < s->n_entries; i++)
		out[i] = (struct raw){ mem_strdup(s->entries[i].key),
				       mem_strdup(s->entries[i].value),
				       s->entries[i].mod_revision };
	return s->n_entries;
}

/* Stops the mirror and starts another one from @raw (freed). */
static void restart(struct lab *w, struct raw *raw, size_t n)
{
	mirror_close(w->m);
	lab_make_mirror(w);
	for (size_t i = 0; i < n; i++) {
		mirror_load(w->m, raw[i].key, raw[i].value, strlen(raw[i].value), raw[i].mod);
		free(raw[i].key);
		free(raw[i].value);
	}
	w->n_synced = w->n_frozen = w->persisted = w->persisted_dels = 0;
	memset(w->puts, 0, sizeof(w->puts));
	memset(w->dels, 0, sizeof(w->dels));
}

static void test_snapshot(void **state)
{
	struct lab *w = *state;
	struct raw raw[32];
	size_t n;

	lab_start_filled(w);
	n = snapshot_of(w, raw);
	w->config.cluster_id = lab_id(99);
	w->config.cluster_epoch = 1;
	w->config.seen_revision = mirror_revision(w->m);
	restart(w, raw, n);
	assert_int_equal(mirror_get_state(w->m), MIRROR_SNAPSHOT);
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 3);
	assert_non_null(mirror_cluster(w->m));
	/* While it was away: one more, one less, one changed. */
	lab_put_endpoint(w, 10, 5);
	lab_del(w, model_key_endpoint(P, lab_id(10), lab_id(2)));
	lab_put(w, model_key_endpoint(P, lab_id(10), lab_id(3)), lab_endpoint_value(33));
	mirror_start(w->m);
	WAIT(w, lab_in_sync(w));
	assert_int_equal(w->puts[MODEL_ENDPOINT], 2);
	assert_int_equal(w->dels[MODEL_ENDPOINT], 1);
	assert_int_equal(w->puts[MODEL_NODE] + w->puts[MODEL_NETWORK], 0);
	/* cluster, 2 endpoints, 1 deletion */
	assert_int_equal(w->persisted, 4);
	assert_int_equal(w->persisted_dels, 1);
}

static void test_snapshot_then_wiped(void **state)
{
	struct lab *w = *state;
	struct raw raw[32];
	size_t n;

	lab_start_filled(w);
	n = snapshot_of(w, raw);
	w->config.cluster_id = lab_id(99);
	w->config.cluster_epoch = 1;
	w->config.seen_revision = mirror_revision(w->m);
	restart(w, raw, n);
	fake_kv_wipe(w->f);
	mirror_start(w->m);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN && mirror_link_up(w->m));
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 3);
	assert_int_equal(mirror_revision(w->m), w->config.seen_revision);
	lab_put_cluster(w, 99, 2);
	WAIT(w, lab_in_sync(w));
	assert_null(mirror_network(w->m, lab_id(10)));
}

/* Restored and then busy enough to pass the revision known: only the note of the earlier run tells. */
static void test_was_frozen(void **state)
{
	struct lab *w = *state;
	struct raw raw[32];
	size_t n;

	lab_start_filled(w);
	n = snapshot_of(w, raw);
	w->config.cluster_id = lab_id(99);
	w->config.cluster_epoch = 1;
	w->config.seen_revision = 3;
	w->config.was_frozen = true;
	restart(w, raw, n);
	lab_del(w, model_key_endpoint(P, lab_id(10), lab_id(2)));
	mirror_start(w->m);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN && mirror_link_up(w->m));
	assert_non_null(mirror_endpoint(w->m, lab_id(10), lab_id(2)));
	lab_put_cluster(w, 99, 2);
	WAIT(w, lab_in_sync(w));
	assert_null(mirror_endpoint(w->m, lab_id(10), lab_id(2)));
}

static void test_bad_cluster(void **state)
{
	struct lab *w = *state;

	lab_start_filled(w);
	fake_kv_put(w->f, P "/cluster", "garbage", 0);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN);
	assert_int_equal(w->n_bad, 1);
	lab_put_cluster(w, 99, 2);
	WAIT(w, lab_in_sync(w));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, lab_open, lab_close)
	const struct CMUnitTest tests[] = {
		T(test_first_start), T(test_wiped_prefix),	  T(test_wiped_store),
		T(test_epoch),	     T(test_restored_backup),	  T(test_restored_unseen),
		T(test_snapshot),    T(test_snapshot_then_wiped), T(test_was_frozen),
		T(test_bad_cluster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
