/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror_lab - a loop, an etcd in memory, a mirror of it, and what the mirror told: for its tests.
 */
#pragma once
#include <uv.h>
#include "store/mirror.h"
#include "tests/fake/fake_kv.h"

#define P "/ovl/v1"
#define LAB_DEADLINE_MS 60000

struct lab {
	uv_loop_t loop;
	struct fake_kv *f;
	struct mirror *m;
	struct mirror_config config;
	/* what was heard */
	int n_synced, n_frozen, n_bad, n_link_up, n_link_down;
	int puts[MODEL_UNKNOWN + 1], dels[MODEL_UNKNOWN + 1];
	int persisted, persisted_dels;
	char why[256], frozen_why[256], bad[256]; /* the last ones */
	bool resync_in_handler, close_in_handler;
};

/* For cmocka; the mirror is new and not started. */
int lab_open(void **state);
int lab_close(void **state);
/** lab_make_mirror() - another one in the place of ->m, with ->config as it is by now. */
void lab_make_mirror(struct lab *w);
/** lab_in_sync() - has the mirror heard of all that etcd holds? */
bool lab_in_sync(struct lab *w);
void lab_tick(uv_timer_t *t);

struct id lab_id(unsigned n);
/* As another node would write them; @key and @value are taken. Return: revision. */
int64_t lab_put(struct lab *w, char *key, char *value);
int64_t lab_del(struct lab *w, char *key);
void lab_put_cluster(struct lab *w, unsigned id, uint64_t epoch);
void lab_put_node(struct lab *w, unsigned n); /* and its sign of life */
void lab_put_network(struct lab *w, unsigned n);
int64_t lab_put_endpoint(struct lab *w, unsigned net, unsigned n);
char *lab_endpoint_value(unsigned n); /* heap; 10.0.0.n */
/** lab_fill() - cluster 99 at epoch 1, nodes 1 and 2, network 10 with endpoints 2, 3 and 4. */
void lab_fill(struct lab *w);
/** lab_start_filled() - the same, and the mirror is in sync with it. */
void lab_start_filled(struct lab *w);

/* Runs the loop until @cond holds; a timer of 1 ms keeps it turning. */
#define WAIT(w, cond)                                                             \
	do {                                                                      \
		uint64_t end_ = uv_hrtime() / 1000000 + LAB_DEADLINE_MS;          \
		uv_timer_t tick_;                                                 \
		uv_timer_init(&(w)->loop, &tick_);                                \
		uv_timer_start(&tick_, lab_tick, 1, 1);                           \
		while (!(cond) && uv_hrtime() / 1000000 < end_)                   \
			uv_run(&(w)->loop, UV_RUN_ONCE);                          \
		uv_close((uv_handle_t *)&tick_, NULL);                            \
		uv_run(&(w)->loop, UV_RUN_NOWAIT);                                \
		if (!(cond))                                                      \
			fail_msg("never: %s (%s:%d)", #cond, __FILE__, __LINE__); \
	} while (0)
