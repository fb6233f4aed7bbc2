/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab - a loop, real etcd servers and a client of them; calls that wait for their answer; what a watch told.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it */
#include <cmocka.h>
#include <uv.h>
#include "base/mem.h"
#include "store/etcd.h"
#include "tests/store/server.h"

#define LAB_WAIT_MS 15000
#define LAB_KEYS_MAX 4096

struct lab {
	uv_loop_t *loop, own_loop; /* a second client shares the loop of the first */
	uv_timer_t tick;
	struct servers servers;
	struct etcd_config config;
	struct etcd *etcd;
	struct kv *kv;
	bool closed;
};
/** lab_open() - @n servers started and a client of all of them; waits until it answers. */
void lab_open(struct lab *l, int n);
/** lab_init() / lab_client() - the same in steps: servers not started, config filled in by the test; the client made. */
void lab_init(struct lab *l, int n, bool tls);
void lab_client(struct lab *l);
/**
 * lab_second() - a second client, of @first's servers, on its loop: @config is taken. Ends with lab_client_close().
 */
void lab_second(struct lab *l, struct lab *first, const struct etcd_config *config);
void lab_wait_ready(struct lab *l);
/** lab_client_close() - and waits; the config is emptied. */
void lab_client_close(struct lab *l);
void lab_close(struct lab *l);
/** lab_turn() - one turn of the loop, 10 ms at most. */
void lab_turn(struct lab *l);
uint64_t lab_now(struct lab *l);
/* Wait for a condition; fails the test after LAB_WAIT_MS. */
#define lab_until(l, cond)                                             \
	do {                                                           \
		uint64_t _end = lab_now(l) + LAB_WAIT_MS;              \
		while (!(cond)) {                                      \
			if (lab_now(l) > _end)                         \
				fail_msg("waited in vain for " #cond); \
			lab_turn(l);                                   \
		}                                                      \
	} while (0)

/* What a call answered. */
struct lab_answer {
	int done; /* callbacks */
	int status;
	int64_t revision, lease, ttl_s, count, mod_revision;
	bool succeeded;
	size_t n_ops, n_entries;
	char first[KV_KEY_MAX + 1], last[KV_KEY_MAX + 1]; /* keys of ops[0] */
	char value[256];
	char err[ERR_TEXT_MAX];
};
void lab_on_done(void *user, int status, const struct kv_result *res);
struct lab_answer lab_range(struct lab *l, const struct kv_range *req);
struct lab_answer lab_get(struct lab *l, const char *key);
struct lab_answer lab_txn(struct lab *l, const struct kv_txn *req);
struct lab_answer lab_put(struct lab *l, const char *key, const char *value, int64_t lease);
/** lab_must_put() - Return: the revision. */
int64_t lab_must_put(struct lab *l, const char *key, const char *value);
enum lab_lease_op { LAB_KEEPALIVE, LAB_REVOKE, LAB_TTL };
struct lab_answer lab_lease(struct lab *l, enum lab_lease_op op, int64_t lease);

/* What a watch told. */
struct lab_watch {
	struct lab *lab;
	struct kv_watch *w;
	size_t n_events;
	char *keys[LAB_KEYS_MAX];
	enum kv_event_type types[LAB_KEYS_MAX];
	char *last_value;
	int64_t revision; /* of the last event */
	bool ordered; /* mod_revisions never went back */
	int live, down, compacted, rewound; /* times told */
	enum kv_watch_state state;
	char why[256];
};
void lab_watch(struct lab *l, struct lab_watch *w, const char *prefix, int64_t start);
void lab_watch_close(struct lab_watch *w);
bool lab_watch_is(const struct lab_watch *w, enum kv_watch_state state);
