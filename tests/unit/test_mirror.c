/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mirror over a fake etcd that is wiped, restored, compacted, silent and forgetful on request. */
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
#include "tests/fake/fake_kv.h"

#define P "/ovl/v1"
#define DEADLINE_MS 5000

struct world {
	uv_loop_t loop;
	struct fake_kv *f;
	struct mirror *m;
	struct mirror_config config;
	/* what was heard */
	int n_synced, n_frozen, n_bad, n_link_up, n_link_down;
	int puts[MODEL_UNKNOWN + 1], dels[MODEL_UNKNOWN + 1];
	int persisted, persisted_dels;
	char why[256], bad[256];
	bool resync_in_handler, close_in_handler;
};

static struct id id_of(unsigned n)
{
	struct id id = { { 0 } };

	id.b[0] = (uint8_t)(n >> 16);
	id.b[1] = (uint8_t)(n >> 8);
	id.b[31] = (uint8_t)n;
	id.b[15] = 1;
	return id;
}

static void on_changed(void *user, const struct mirror_change *c, size_t n)
{
	struct world *w = user;

	for (size_t i = 0; i < n; i++) {
		bool rec = c[i].kind == MODEL_NODE || c[i].kind == MODEL_NETWORK ||
			   c[i].kind == MODEL_ENDPOINT;

		if (c[i].deleted)
			w->dels[c[i].kind]++;
		else
			w->puts[c[i].kind]++;
		if (rec) {
			assert_true((c[i].after == NULL) == c[i].deleted);
			assert_true(!c[i].deleted || c[i].before != NULL);
		}
	}
	if (w->resync_in_handler)
		mirror_resync(w->m);
	w->resync_in_handler = false;
	if (w->close_in_handler) {
		mirror_close(w->m);
		w->m = NULL;
	}
}

static void on_state(void *user, enum mirror_state s, const char *why)
{
	struct world *w = user;

	assert_int_equal(s, mirror_get_state(w->m));
	w->n_synced += s == MIRROR_SYNCED;
	w->n_frozen += s == MIRROR_FROZEN;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static void on_bad(void *user, const struct err *e)
{
	struct world *w = user;

	w->n_bad++;
	snprintf(w->bad, sizeof(w->bad), "%.255s", e->text);
}

static void on_link(void *user, bool up, const char *why)
{
	struct world *w = user;

	assert_non_null(why);
	w->n_link_up += up;
	w->n_link_down += !up;
}

static void on_persist(void *user, const char *key, const char *value, int64_t mod)
{
	struct world *w = user;

	assert_true(mod > 0);
	assert_non_null(key);
	w->persisted++;
	w->persisted_dels += value == NULL;
}

static void make_mirror(struct world *w)
{
	static const struct mirror_handlers h = {
		.changed = on_changed,
		.state = on_state,
		.bad_record = on_bad,
		.link = on_link,
		.persist = on_persist,
	};

	w->m = mirror_new(&w->loop, fake_kv_kv(w->f), &w->config, &h, w);
}

static int set_up(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	uv_loop_init(&w->loop);
	w->f = fake_kv_new(&w->loop);
	w->config.prefix = P;
	w->config.thaw_grace_ms = 20;
	make_mirror(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	mirror_close(w->m);
	fake_kv_close(w->f);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	free(w);
	return 0;
}

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

/* Runs the loop until @cond holds; a timer of 1 ms keeps it turning. */
#define WAIT(w, cond)                                                             \
	do {                                                                      \
		uint64_t end_ = uv_hrtime() / 1000000 + DEADLINE_MS;              \
		uv_timer_t tick_;                                                 \
		uv_timer_init(&(w)->loop, &tick_);                                \
		uv_timer_start(&tick_, on_tick, 1, 1);                            \
		while (!(cond) && uv_hrtime() / 1000000 < end_)                   \
			uv_run(&(w)->loop, UV_RUN_ONCE);                          \
		uv_close((uv_handle_t *)&tick_, NULL);                            \
		uv_run(&(w)->loop, UV_RUN_NOWAIT);                                \
		if (!(cond))                                                      \
			fail_msg("never: %s (%s:%d)", #cond, __FILE__, __LINE__); \
	} while (0)

static bool in_sync(struct world *w)
{
	return mirror_get_state(w->m) == MIRROR_SYNCED && mirror_link_up(w->m) &&
	       mirror_revision(w->m) >= fake_kv_store(w->f)->revision;
}

static int64_t put(struct world *w, char *key, char *value)
{
	int64_t rev = fake_kv_put(w->f, key, value, 0);

	free(key);
	free(value);
	return rev;
}

static int64_t del(struct world *w, char *key)
{
	int64_t rev = fake_kv_delete(w->f, key, NULL);

	free(key);
	return rev;
}

static void put_cluster(struct world *w, unsigned id, uint64_t epoch)
{
	struct model_cluster c = { .id = id_of(id), .epoch = epoch };

	put(w, model_key_cluster(P), model_cluster_encode(&c));
}

static void put_node(struct world *w, unsigned n)
{
	struct model_node rec = { .name = mem_printf("node%u", n),
				  .vtep = ip_v4(0xc0a80000 + n),
				  .mtu = 1500,
				  .format = 1 };

	put(w, model_key_node(P, id_of(n)), model_node_encode(&rec));
	put(w, model_key_alive(P, id_of(n)), mem_strdup("{}"));
	free(rec.name);
}

static void put_network(struct world *w, unsigned n)
{
	put(w, model_key_network(P, id_of(n)),
	    mem_printf("{\"name\":\"net%u\",\"vni\":%u,\"mtu\":1450,\"subnets\":"
		       "[{\"subnet\":\"10.%u.0.0/16\",\"gateway\":\"10.%u.0.1\"}]}",
		       n, n + 1, n, n));
}

static char *endpoint_value(unsigned n)
{
	struct model_endpoint ep = { .name = mem_printf("c%u", n),
				     .node = id_of(1),
				     .ip4 = ip_v4(0x0a000000 + n),
				     .mac = mac_from_ip(ip_v4(0x0a000000 + n)) };
	char *text;

	text = model_endpoint_encode(&ep);
	free(ep.name);
	return text;
}

static int64_t put_endpoint(struct world *w, unsigned net, unsigned n)
{
	return put(w, model_key_endpoint(P, id_of(net), id_of(n)), endpoint_value(n));
}

/* A cluster with two nodes, one network, three endpoints: eight keys and a binding. */
static void fill(struct world *w)
{
	put_cluster(w, 99, 1);
	put_node(w, 1);
	put_node(w, 2);
	put_network(w, 10);
	for (unsigned i = 2; i < 5; i++)
		put_endpoint(w, 10, i);
	fake_kv_put(w->f, P "/address/x", "not mirrored", 0);
}

static void start_filled(struct world *w)
{
	fill(w);
	mirror_start(w->m);
	WAIT(w, in_sync(w));
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 3);
}

static void test_list_and_watch(void **state)
{
	struct world *w = *state;
	struct mirror_node *n;

	assert_int_equal(mirror_get_state(w->m), MIRROR_EMPTY);
	start_filled(w);
	assert_int_equal(w->n_synced, 1);
	assert_int_equal(w->n_bad, 0);
	assert_true(id_eq(mirror_cluster(w->m)->id, id_of(99)));
	n = mirror_node_by_name(w->m, "node1");
	assert_ptr_equal(n, mirror_node(w->m, id_of(1)));
	assert_true(n->alive);
	assert_non_null(mirror_network_by_name(w->m, "net10"));
	assert_null(mirror_network_by_name(w->m, "nope"));
	put_endpoint(w, 10, 5);
	WAIT(w, in_sync(w) && mirror_endpoint(w->m, id_of(10), id_of(5)));
	del(w, model_key_endpoint(P, id_of(10), id_of(5)));
	del(w, model_key_alive(P, id_of(1)));
	WAIT(w, in_sync(w) && !mirror_node(w->m, id_of(1))->alive);
	assert_null(mirror_endpoint(w->m, id_of(10), id_of(5)));
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
	struct world *w = *state;

	start_filled(w);
	del(w, model_key_network(P, id_of(10)));
	WAIT(w, in_sync(w) && w->dels[MODEL_NETWORK] == 1);
	assert_non_null(mirror_network(w->m, id_of(10)));
	assert_null(mirror_network(w->m, id_of(10))->rec);
	assert_null(mirror_network_by_name(w->m, "net10"));
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 3);
	for (unsigned i = 2; i < 5; i++)
		del(w, model_key_endpoint(P, id_of(10), id_of(i)));
	WAIT(w, in_sync(w) && !mirror_network(w->m, id_of(10)));
	put_endpoint(w, 11, 7);
	WAIT(w, in_sync(w) && mirror_network(w->m, id_of(11)));
	put_network(w, 11);
	WAIT(w, in_sync(w) && mirror_network(w->m, id_of(11))->rec);
}

static void test_first_start(void **state)
{
	struct world *w = *state;

	mirror_start(w->m);
	WAIT(w, mirror_get_state(w->m) == MIRROR_SYNCED && mirror_link_up(w->m));
	assert_null(mirror_cluster(w->m));
	put_cluster(w, 7, 1);
	WAIT(w, mirror_cluster(w->m) != NULL);
	assert_int_equal(w->n_frozen, 0);
	assert_int_equal(w->puts[MODEL_CLUSTER], 1);
	assert_true(id_eq(mirror_cluster(w->m)->id, id_of(7)));
}

/* One batch deletes everything: the cluster's record counts first, wherever it stands. */
static void test_wiped_prefix(void **state)
{
	struct world *w = *state;
	int64_t seen;

	start_filled(w);
	seen = mirror_revision(w->m);
	w->persisted = 0;
	fake_kv_delete(w->f, P "/", P "0");
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN);
	assert_non_null(strstr(w->why, "deleted"));
	assert_null(mirror_cluster_found(w->m));
	assert_true(id_eq(mirror_cluster(w->m)->id, id_of(99)));
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 3);
	assert_non_null(mirror_network(w->m, id_of(10))->rec);
	assert_true(mirror_node(w->m, id_of(1))->alive);
	assert_int_equal(w->dels[MODEL_ENDPOINT] + w->dels[MODEL_NODE] + w->dels[MODEL_NETWORK] +
				 w->dels[MODEL_ALIVE],
			 0);
	/* Additions and changes go on; nothing is written down, and the revision known stays. */
	put_endpoint(w, 10, 6);
	WAIT(w, mirror_endpoint(w->m, id_of(10), id_of(6)));
	del(w, model_key_endpoint(P, id_of(10), id_of(6)));
	put_endpoint(w, 10, 7);
	WAIT(w, mirror_endpoint(w->m, id_of(10), id_of(7)));
	assert_non_null(mirror_endpoint(w->m, id_of(10), id_of(6)));
	assert_int_equal(w->persisted, 0);
	assert_int_equal(mirror_revision(w->m), seen);
	/* Listing again does not thaw, nor does the same epoch. */
	mirror_resync(w->m);
	put_cluster(w, 99, 1);
	WAIT(w, mirror_cluster_found(w->m) != NULL && fake_kv_calls(w->f, FAKE_RANGE) == 2);
	assert_int_equal(mirror_get_state(w->m), MIRROR_FROZEN);
	assert_int_equal(w->n_frozen, 1);
	/* Adopted: endpoint 7 and a node are there again, the rest has gone for good. */
	put_node(w, 1);
	put_network(w, 10);
	put_cluster(w, 99, 2);
	WAIT(w, w->n_frozen == 2);
	assert_non_null(strstr(w->why, "adopted"));
	put_endpoint(w, 10, 2);
	WAIT(w, in_sync(w));
	assert_int_equal(mirror_cluster(w->m)->epoch, 2);
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 2);
	assert_null(mirror_node(w->m, id_of(2)));
	assert_int_equal(w->dels[MODEL_NODE], 1);
	/* What is there is written down again as a whole: cluster, node, network, 2 endpoints. */
	assert_int_equal(w->persisted - w->persisted_dels, 5);
	/* node 2; endpoints 3, 4, 6 */
	assert_int_equal(w->persisted_dels, 4);
}

/* A new etcd in the old one's place: the watch sees that the revision went back. */
static void test_wiped_store(void **state)
{
	struct world *w = *state;

	start_filled(w);
	fake_kv_wipe(w->f);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN && fake_kv_calls(w->f, FAKE_RANGE) == 2);
	WAIT(w, mirror_link_up(w->m));
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 3);
	/* Another cluster in the same etcd is no reason to thaw. */
	put_cluster(w, 98, 5);
	WAIT(w, mirror_cluster_found(w->m) != NULL);
	mirror_resync(w->m);
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) == 3 && mirror_link_up(w->m));
	assert_int_equal(mirror_get_state(w->m), MIRROR_FROZEN);
	put_cluster(w, 99, 2);
	put_endpoint(w, 10, 3);
	WAIT(w, in_sync(w));
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 1);
}

/* Adopted elsewhere while this node saw no harm: frozen for the grace, which ends early when the record goes again. */
static void test_epoch(void **state)
{
	struct world *w = *state;
	char *own = model_key_endpoint(P, id_of(10), id_of(2));
	int64_t rev;

	start_filled(w);
	mirror_close(w->m);
	w->config.thaw_grace_ms = 200;
	make_mirror(w);
	mirror_start(w->m);
	WAIT(w, in_sync(w));
	put_cluster(w, 99, 2);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN);
	del(w, model_key_cluster(P));
	WAIT(w, mirror_cluster_found(w->m) == NULL);
	assert_int_equal(mirror_cluster(w->m)->epoch, 1);
	/* What this node itself gives back goes in any state, and from its memory, too. */
	w->persisted_dels = 0;
	rev = fake_kv_delete(w->f, own, NULL);
	mirror_apply_own(w->m, own, NULL, rev);
	assert_null(mirror_endpoint(w->m, id_of(10), id_of(2)));
	assert_int_equal(w->persisted_dels, 1);
	/* A step back is no adoption, a step on is. */
	w->n_frozen = 0;
	put_cluster(w, 99, 1);
	put_cluster(w, 99, 3);
	del(w, model_key_endpoint(P, id_of(10), id_of(3)));
	WAIT(w, w->n_frozen == 1);
	WAIT(w, in_sync(w));
	assert_int_equal(mirror_cluster(w->m)->epoch, 3);
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 1);
	free(own);
}

static void test_restored_backup(void **state)
{
	struct world *w = *state;
	struct fake_store backup;

	start_filled(w);
	fake_store_copy(&backup, fake_kv_store(w->f));
	put_endpoint(w, 10, 8);
	put_endpoint(w, 10, 9);
	WAIT(w, in_sync(w) && mirror_endpoint(w->m, id_of(10), id_of(9)));
	fake_kv_restore(w->f, &backup);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN && fake_kv_calls(w->f, FAKE_RANGE) == 2);
	assert_non_null(mirror_endpoint(w->m, id_of(10), id_of(8)));
	/* The same revision in the new history holds another record. */
	put(w, model_key_endpoint(P, id_of(10), id_of(8)), endpoint_value(80));
	WAIT(w, mirror_endpoint(w->m, id_of(10), id_of(8))->rec->ip4.b[3] == 80);
	put_cluster(w, 99, 2);
	WAIT(w, in_sync(w));
	assert_null(mirror_endpoint(w->m, id_of(10), id_of(9)));
	assert_non_null(mirror_endpoint(w->m, id_of(10), id_of(8)));
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 4);
	fake_store_done(&backup);
}

/* The restore went unseen and the revision has overtaken: an older record gives it away. */
static void test_restored_unseen(void **state)
{
	struct world *w = *state;
	struct fake_store backup;

	start_filled(w);
	fake_store_copy(&backup, fake_kv_store(w->f));
	put_endpoint(w, 10, 4);
	put_endpoint(w, 10, 9);
	WAIT(w, in_sync(w));
	fake_kv_watch_hold(w->f, true);
	fake_kv_restore(w->f, &backup);
	for (int i = 0; i < 5; i++)
		fake_kv_put(w->f, "/foreign", "x", 0);
	fake_kv_watch_hold(w->f, false);
	mirror_resync(w->m);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN);
	assert_non_null(strstr(w->why, "older record"));
	assert_non_null(mirror_endpoint(w->m, id_of(10), id_of(9)));
	fake_store_done(&backup);
}

static void test_compaction(void **state)
{
	struct world *w = *state;

	start_filled(w);
	fake_kv_down(w->f, true);
	WAIT(w, !mirror_link_up(w->m));
	put_endpoint(w, 10, 5);
	del(w, model_key_endpoint(P, id_of(10), id_of(2)));
	fake_kv_compact(w->f, 0);
	fake_kv_put(w->f, "/foreign", "x", 0);
	fake_kv_down(w->f, false);
	WAIT(w, in_sync(w) && w->n_synced == 2);
	assert_non_null(mirror_endpoint(w->m, id_of(10), id_of(5)));
	assert_null(mirror_endpoint(w->m, id_of(10), id_of(2)));
	assert_int_equal(w->n_frozen, 0);
	/* Unchanged records make no change. */
	assert_int_equal(w->puts[MODEL_ENDPOINT], 4);
	assert_int_equal(w->puts[MODEL_NODE], 2);
}

static void test_dropped_watch(void **state)
{
	struct world *w = *state;

	start_filled(w);
	fake_kv_watch_drop(w->f);
	assert_false(mirror_link_up(w->m));
	put_endpoint(w, 10, 5);
	WAIT(w, in_sync(w) && mirror_endpoint(w->m, id_of(10), id_of(5)));
	assert_int_equal(w->n_link_down, 1);
	assert_int_equal(w->n_link_up, 2);
	assert_int_equal(fake_kv_calls(w->f, FAKE_RANGE), 1);
}

static void test_etcd_away_at_start(void **state)
{
	struct world *w = *state;

	fill(w);
	fake_kv_down(w->f, true);
	mirror_start(w->m);
	WAIT(w, w->n_link_down == 1);
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) >= 3);
	assert_int_equal(mirror_get_state(w->m), MIRROR_EMPTY);
	/* Told once, not at every try. */
	assert_int_equal(w->n_link_down, 1);
	fake_kv_down(w->f, false);
	WAIT(w, in_sync(w));
}

/* ---- the snapshot ---- */

struct raw {
	char *key, *value;
	int64_t mod;
};

static size_t snapshot_of(struct world *w, struct raw *out)
{
	const struct fake_store *s = fake_kv_store(w->f);

	for (size_t i = 0; i < s->n_entries; i++)
		out[i] = (struct raw){ mem_strdup(s->entries[i].key),
				       mem_strdup(s->entries[i].value),
				       s->entries[i].mod_revision };
	return s->n_entries;
}

/* Stops the mirror and starts another one from @raw (freed). */
static void restart(struct world *w, struct raw *raw, size_t n)
{
	mirror_close(w->m);
	make_mirror(w);
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
	struct world *w = *state;
	struct raw raw[32];
	size_t n;

	start_filled(w);
	n = snapshot_of(w, raw);
	w->config.cluster_id = id_of(99);
	w->config.cluster_epoch = 1;
	w->config.seen_revision = mirror_revision(w->m);
	restart(w, raw, n);
	assert_int_equal(mirror_get_state(w->m), MIRROR_SNAPSHOT);
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 3);
	assert_non_null(mirror_cluster(w->m));
	/* While it was away: one more, one less, one changed. */
	put_endpoint(w, 10, 5);
	del(w, model_key_endpoint(P, id_of(10), id_of(2)));
	put(w, model_key_endpoint(P, id_of(10), id_of(3)), endpoint_value(33));
	mirror_start(w->m);
	WAIT(w, in_sync(w));
	assert_int_equal(w->puts[MODEL_ENDPOINT], 2);
	assert_int_equal(w->dels[MODEL_ENDPOINT], 1);
	assert_int_equal(w->puts[MODEL_NODE] + w->puts[MODEL_NETWORK], 0);
	/* cluster, 2 endpoints, 1 deletion */
	assert_int_equal(w->persisted, 4);
	assert_int_equal(w->persisted_dels, 1);
}

static void test_snapshot_then_wiped(void **state)
{
	struct world *w = *state;
	struct raw raw[32];
	size_t n;

	start_filled(w);
	n = snapshot_of(w, raw);
	w->config.cluster_id = id_of(99);
	w->config.cluster_epoch = 1;
	w->config.seen_revision = mirror_revision(w->m);
	restart(w, raw, n);
	fake_kv_wipe(w->f);
	mirror_start(w->m);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN && mirror_link_up(w->m));
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 3);
	assert_int_equal(mirror_revision(w->m), w->config.seen_revision);
	put_cluster(w, 99, 2);
	WAIT(w, in_sync(w));
	assert_null(mirror_network(w->m, id_of(10)));
}

/* Restored and then busy enough to pass the revision known: only the note of the earlier run tells. */
static void test_was_frozen(void **state)
{
	struct world *w = *state;
	struct raw raw[32];
	size_t n;

	start_filled(w);
	n = snapshot_of(w, raw);
	w->config.cluster_id = id_of(99);
	w->config.cluster_epoch = 1;
	w->config.seen_revision = 3;
	w->config.was_frozen = true;
	restart(w, raw, n);
	del(w, model_key_endpoint(P, id_of(10), id_of(2)));
	mirror_start(w->m);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN && mirror_link_up(w->m));
	assert_non_null(mirror_endpoint(w->m, id_of(10), id_of(2)));
	put_cluster(w, 99, 2);
	WAIT(w, in_sync(w));
	assert_null(mirror_endpoint(w->m, id_of(10), id_of(2)));
}

/* ---- own writes ---- */

static void test_own_write(void **state)
{
	struct world *w = *state;
	char *key = model_key_endpoint(P, id_of(10), id_of(20)), *value = endpoint_value(20);
	int64_t rev;

	start_filled(w);
	fake_kv_watch_hold(w->f, true);
	rev = fake_kv_put(w->f, key, value, 0);
	mirror_apply_own(w->m, key, value, rev);
	assert_int_equal(w->puts[MODEL_ENDPOINT], 4);
	assert_int_equal(mirror_endpoint(w->m, id_of(10), id_of(20))->rec->mod_revision, rev);
	fake_kv_watch_hold(w->f, false);
	put_node(w, 3);
	WAIT(w, in_sync(w) && mirror_node(w->m, id_of(3)));
	assert_int_equal(w->puts[MODEL_ENDPOINT], 4);
	/* Put and deleted; the echo of the put comes after the deletion was taken in. */
	fake_kv_watch_hold(w->f, true);
	rev = fake_kv_put(w->f, key, value, 0);
	mirror_apply_own(w->m, key, value, rev);
	rev = fake_kv_delete(w->f, key, NULL);
	mirror_apply_own(w->m, key, NULL, rev);
	assert_null(mirror_endpoint(w->m, id_of(10), id_of(20)));
	assert_int_equal(w->dels[MODEL_ENDPOINT], 1);
	fake_kv_watch_hold(w->f, false);
	put_node(w, 4);
	WAIT(w, in_sync(w) && mirror_node(w->m, id_of(4)));
	assert_null(mirror_endpoint(w->m, id_of(10), id_of(20)));
	assert_int_equal(w->puts[MODEL_ENDPOINT], 5);
	assert_int_equal(w->dels[MODEL_ENDPOINT], 1);
	/* The watch was faster: the answer brings nothing new, and nothing back. */
	mirror_apply_own(w->m, key, value, rev - 1);
	assert_null(mirror_endpoint(w->m, id_of(10), id_of(20)));
	mirror_apply_own(w->m, P "/address/y", "{}", rev + 100);
	free(key);
	free(value);
}

/* A list read before an own write must neither undo it nor bring back what was deleted. */
static void test_own_write_during_list(void **state)
{
	struct world *w = *state;
	char *key = model_key_endpoint(P, id_of(10), id_of(20)), *value = endpoint_value(20);
	char *gone = model_key_endpoint(P, id_of(10), id_of(2));
	int64_t rev;

	start_filled(w);
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
	assert_non_null(mirror_endpoint(w->m, id_of(10), id_of(20)));
	assert_null(mirror_endpoint(w->m, id_of(10), id_of(2)));
	fake_kv_watch_hold(w->f, false);
	WAIT(w, in_sync(w));
	assert_non_null(mirror_endpoint(w->m, id_of(10), id_of(20)));
	assert_null(mirror_endpoint(w->m, id_of(10), id_of(2)));
	assert_int_equal(w->dels[MODEL_ENDPOINT], 1);
	free(key);
	free(value);
	free(gone);
}

static void test_own_cluster(void **state)
{
	struct world *w = *state;
	struct model_cluster c = { .id = id_of(5), .epoch = 1 };
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
	WAIT(w, w->n_synced == 2 && in_sync(w));
	assert_int_equal(w->n_frozen, 0);
	assert_int_equal(w->puts[MODEL_CLUSTER], 1);
	free(key);
	free(value);
}

/* ---- what does not decode ---- */

static void test_bad_records(void **state)
{
	struct world *w = *state;
	char *ep = model_key_endpoint(P, id_of(10), id_of(2));

	fake_kv_put(w->f, P "/endpoint/nonsense", "{}", 0);
	fake_kv_put(w->f, P "/binding/x", "y", 0);
	fake_kv_put(w->f, P "/cow/thing", "y", 0);
	start_filled(w);
	/* The endpoint's and the binding's key; the unknown kind is no fault. */
	assert_int_equal(w->n_bad, 2);
	w->n_bad = 0;
	fake_kv_put(w->f, ep, "garbage", 0);
	WAIT(w, in_sync(w) && w->n_bad == 1);
	assert_ptr_equal(strstr(w->bad, ep), w->bad);
	/* The good record before it is kept; a list reports nothing again and deletes nothing. */
	assert_non_null(mirror_endpoint(w->m, id_of(10), id_of(2)));
	mirror_resync(w->m);
	WAIT(w, w->n_synced == 2 && in_sync(w));
	assert_int_equal(w->n_bad, 1);
	assert_non_null(mirror_endpoint(w->m, id_of(10), id_of(2)));
	fake_kv_put(w->f, ep, "garbage too", 0);
	WAIT(w, in_sync(w) && w->n_bad == 2);
	put_endpoint(w, 10, 2);
	WAIT(w, in_sync(w));
	fake_kv_put(w->f, ep, "garbage", 0);
	WAIT(w, in_sync(w) && w->n_bad == 3);
	fake_kv_delete(w->f, ep, NULL);
	WAIT(w, in_sync(w) && !mirror_endpoint(w->m, id_of(10), id_of(2)));
	free(ep);
}

static void test_bad_cluster(void **state)
{
	struct world *w = *state;

	start_filled(w);
	fake_kv_put(w->f, P "/cluster", "garbage", 0);
	WAIT(w, mirror_get_state(w->m) == MIRROR_FROZEN);
	assert_int_equal(w->n_bad, 1);
	put_cluster(w, 99, 2);
	WAIT(w, in_sync(w));
}

/* ---- audit ---- */

static void test_audit(void **state)
{
	struct world *w = *state;
	unsigned ranges;

	fake_kv_put(w->f, P "/cow/thing", "y", 0);
	fake_kv_put(w->f, P "/endpoint/nonsense", "y", 0);
	mirror_close(w->m);
	w->config.audit_ms = 5;
	make_mirror(w);
	start_filled(w);
	put(w, model_key_endpoint(P, id_of(10), id_of(2)), mem_strdup("garbage"));
	/* Several audits find nothing amiss, in spite of odd keys. */
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) >= 5);
	assert_int_equal(w->n_synced, 1);
	/* An event that never comes. */
	put_endpoint(w, 10, 5);
	fake_kv_watch_lose(w->f);
	WAIT(w, mirror_endpoint(w->m, id_of(10), id_of(5)));
	assert_int_equal(w->n_synced, 2);
	/* A lost change leaves the count as it was: the newest revision tells. */
	put(w, model_key_endpoint(P, id_of(10), id_of(5)), endpoint_value(55));
	fake_kv_watch_lose(w->f);
	WAIT(w, mirror_endpoint(w->m, id_of(10), id_of(5))->rec->ip4.b[3] == 55);
	/* A lost deletion. */
	del(w, model_key_endpoint(P, id_of(10), id_of(4)));
	fake_kv_watch_lose(w->f);
	WAIT(w, !mirror_endpoint(w->m, id_of(10), id_of(4)));
	assert_int_equal(w->n_synced, 4);
	ranges = fake_kv_calls(w->f, FAKE_RANGE);
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) > ranges + 3);
	assert_int_equal(w->n_synced, 4);
	assert_int_equal(w->n_frozen, 0);
}

static void test_close_and_resync_in_handler(void **state)
{
	struct world *w = *state;

	start_filled(w);
	w->resync_in_handler = true;
	put_endpoint(w, 10, 5);
	WAIT(w, w->n_synced == 2 && in_sync(w));
	w->close_in_handler = true;
	put_endpoint(w, 10, 6);
	WAIT(w, w->puts[MODEL_ENDPOINT] == 5);
}

static void test_close_during_list(void **state)
{
	struct world *w = *state;

	fill(w);
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
	struct world *w = *state;
	uint64_t t0;

	put_cluster(w, 99, 1);
	put_network(w, 10);
	for (unsigned i = 0; i < 10000; i++)
		put_endpoint(w, 10, 2 + i);
	t0 = uv_hrtime();
	mirror_start(w->m);
	WAIT(w, in_sync(w));
	assert_int_equal(mirror_network(w->m, id_of(10))->n_endpoints, 10000);
	/* Sanitizers and other work on the machine included; alone it is a tenth of this. */
	assert_true(uv_hrtime() - t0 < 3000000000U);
	mirror_resync(w->m);
	WAIT(w, w->n_synced == 2);
	assert_int_equal(w->puts[MODEL_ENDPOINT], 10000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_list_and_watch),
		T(test_network_without_record),
		T(test_first_start),
		T(test_wiped_prefix),
		T(test_wiped_store),
		T(test_epoch),
		T(test_restored_backup),
		T(test_restored_unseen),
		T(test_compaction),
		T(test_dropped_watch),
		T(test_etcd_away_at_start),
		T(test_snapshot),
		T(test_snapshot_then_wiped),
		T(test_was_frozen),
		T(test_own_write),
		T(test_own_write_during_list),
		T(test_own_cluster),
		T(test_bad_records),
		T(test_bad_cluster),
		T(test_audit),
		T(test_close_and_resync_in_handler),
		T(test_close_during_list),
		T(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
