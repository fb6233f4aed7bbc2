/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bindings in the mirror: by node in their network, which may have no record of its own. */
#include "store/mirror.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/mirror_lab.h"

static char *key_of(unsigned net, unsigned node)
{
	return model_key_binding(P, lab_id(net), lab_id(node));
}

static int64_t put(struct lab *w, unsigned net, unsigned node, const char *docker)
{
	return lab_put(w, key_of(net, node), mem_printf("{\"docker\":\"%s\"}", docker));
}

static struct mirror_binding *get(struct lab *w, unsigned net, unsigned node)
{
	return mirror_binding(w->m, lab_id(net), lab_id(node));
}

static void test_watched(void **state)
{
	struct lab *w = *state;
	int64_t rev;

	put(w, 10, 1, "listed");
	lab_start_filled(w);
	assert_int_equal(w->n_bad, 0);
	assert_string_equal(get(w, 10, 1)->rec->docker, "listed");
	assert_true(id_eq(get(w, 10, 1)->rec->node, lab_id(1)));
	assert_null(get(w, 10, 2));
	assert_null(get(w, 11, 1));
	rev = put(w, 10, 2, "first");
	WAIT(w, lab_in_sync(w) && get(w, 10, 2));
	assert_int_equal(get(w, 10, 2)->rec->mod_revision, rev);
	put(w, 10, 2, "second");
	WAIT(w, lab_in_sync(w) && strcmp(get(w, 10, 2)->rec->docker, "second") == 0);
	assert_int_equal(w->puts[MODEL_BINDING], 3);
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_bindings, 2);
	lab_del(w, key_of(10, 2));
	WAIT(w, lab_in_sync(w) && !get(w, 10, 2));
	assert_int_equal(w->dels[MODEL_BINDING], 1);
	/* cluster, 2 nodes, network, 3 endpoints; 3 puts and a deletion of bindings */
	assert_int_equal(w->persisted, 11);
	assert_int_equal(w->persisted_dels, 1);
}

/* The network's record goes, or never came; what nodes call it stays visible until it is deleted. */
static void test_without_record(void **state)
{
	struct lab *w = *state;

	lab_start_filled(w);
	put(w, 10, 1, "a");
	put(w, 11, 2, "b");
	WAIT(w, lab_in_sync(w) && get(w, 11, 2));
	assert_null(mirror_network(w->m, lab_id(11))->rec);
	lab_del(w, model_key_network(P, lab_id(10)));
	for (unsigned i = 2; i < 5; i++)
		lab_del(w, model_key_endpoint(P, lab_id(10), lab_id(i)));
	WAIT(w, lab_in_sync(w) && mirror_network(w->m, lab_id(10))->n_endpoints == 0);
	assert_null(mirror_network(w->m, lab_id(10))->rec);
	assert_string_equal(get(w, 10, 1)->rec->docker, "a");
	/* A list says the same. */
	mirror_resync(w->m);
	WAIT(w, w->n_synced == 2);
	assert_non_null(get(w, 10, 1));
	assert_non_null(get(w, 11, 2));
	assert_int_equal(w->puts[MODEL_BINDING], 2);
	lab_del(w, key_of(10, 1));
	lab_del(w, key_of(11, 2));
	WAIT(w, lab_in_sync(w) && !mirror_network(w->m, lab_id(10)));
	assert_null(mirror_network(w->m, lab_id(11)));
	assert_int_equal(w->dels[MODEL_BINDING], 2);
}

/* Deleted while nobody watched, together with all else of its network; another came. */
static void test_swept(void **state)
{
	struct lab *w = *state;

	lab_start_filled(w);
	put(w, 10, 1, "a");
	put(w, 11, 1, "b");
	WAIT(w, lab_in_sync(w) && get(w, 11, 1));
	fake_kv_down(w->f, true);
	WAIT(w, !mirror_link_up(w->m));
	lab_del(w, model_key_network(P, lab_id(10)));
	for (unsigned i = 2; i < 5; i++)
		lab_del(w, model_key_endpoint(P, lab_id(10), lab_id(i)));
	lab_del(w, key_of(10, 1));
	put(w, 11, 2, "c");
	fake_kv_compact(w->f, 0);
	fake_kv_put(w->f, "/foreign", "x", 0);
	fake_kv_down(w->f, false);
	WAIT(w, lab_in_sync(w) && w->n_synced == 2);
	assert_null(mirror_network(w->m, lab_id(10)));
	assert_non_null(get(w, 11, 1));
	assert_non_null(get(w, 11, 2));
	assert_int_equal(w->dels[MODEL_BINDING], 1);
	assert_int_equal(w->puts[MODEL_BINDING], 3);
	/* The binding, the network, its endpoints. */
	assert_int_equal(w->persisted_dels, 5);
}

static void test_own(void **state)
{
	struct lab *w = *state;
	_cleanup_free_ char *key = key_of(10, 1);
	int64_t rev;

	lab_start_filled(w);
	fake_kv_watch_hold(w->f, true);
	rev = fake_kv_put(w->f, key, "{\"docker\":\"mine\"}", 0);
	mirror_apply_own(w->m, key, "{\"docker\":\"mine\"}", rev);
	assert_string_equal(get(w, 10, 1)->rec->docker, "mine");
	rev = fake_kv_delete(w->f, key, NULL);
	mirror_apply_own(w->m, key, NULL, rev);
	assert_null(get(w, 10, 1));
	fake_kv_watch_hold(w->f, false);
	lab_put_node(w, 3);
	WAIT(w, lab_in_sync(w) && mirror_node(w->m, lab_id(3)));
	assert_null(get(w, 10, 1));
	assert_int_equal(w->puts[MODEL_BINDING], 1);
	assert_int_equal(w->dels[MODEL_BINDING], 1);
}

static void test_snapshot(void **state)
{
	struct lab *w = *state;
	_cleanup_free_ char *known = key_of(10, 1), *gone = key_of(10, 2);
	static const char value[] = "{\"docker\":\"known\"}";

	mirror_load(w->m, known, value, strlen(value), 3);
	mirror_load(w->m, gone, value, strlen(value), 4);
	assert_int_equal(mirror_get_state(w->m), MIRROR_SNAPSHOT);
	assert_string_equal(get(w, 10, 1)->rec->docker, "known");
	assert_non_null(get(w, 10, 2));
	fake_kv_put(w->f, known, value, 0);
	lab_start_filled(w);
	assert_non_null(get(w, 10, 1));
	assert_null(get(w, 10, 2));
	assert_int_equal(w->dels[MODEL_BINDING], 1);
}

/* A record that does not decode is reported once, and the one known before stays. */
static void test_bad(void **state)
{
	struct lab *w = *state;

	lab_start_filled(w);
	lab_put(w, key_of(12, 1), mem_strdup("{\"docker\":\"\"}"));
	WAIT(w, lab_in_sync(w) && w->n_bad == 1);
	assert_null(mirror_network(w->m, lab_id(12)));
	put(w, 10, 1, "good");
	lab_put(w, key_of(10, 1), mem_strdup("fish"));
	WAIT(w, lab_in_sync(w) && w->n_bad == 2);
	assert_string_equal(get(w, 10, 1)->rec->docker, "good");
	lab_del(w, key_of(10, 1));
	WAIT(w, lab_in_sync(w) && !get(w, 10, 1));
}

/* Counts agree with etcd's: no audit lists again because of bindings; and it finds one that was lost. */
static void test_audit(void **state)
{
	struct lab *w = *state;
	unsigned ranges;

	mirror_close(w->m);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	w->config.audit_ms = 5;
	lab_make_mirror(w);
	put(w, 10, 1, "a");
	put(w, 11, 2, "b");
	lab_start_filled(w);
	ranges = fake_kv_calls(w->f, FAKE_RANGE);
	WAIT(w, fake_kv_calls(w->f, FAKE_RANGE) > ranges + 3);
	assert_int_equal(w->n_synced, 1);
	fake_kv_watch_hold(w->f, true);
	put(w, 10, 2, "lost");
	fake_kv_watch_lose(w->f);
	fake_kv_watch_hold(w->f, false);
	WAIT(w, get(w, 10, 2));
	assert_int_equal(w->n_synced, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, lab_open, lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_watched), T(test_without_record), T(test_swept),
		T(test_own),	 T(test_snapshot),	 T(test_bad),
		T(test_audit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
