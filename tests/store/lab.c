/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/store/lab.h"

#include <stdio.h>
#include <string.h>

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

void lab_init(struct lab *l, int n, bool tls)
{
	*l = (struct lab){ 0 };
	servers_init(&l->servers, n, tls);
	l->loop = &l->own_loop;
	uv_loop_init(l->loop);
	uv_timer_init(l->loop, &l->tick);
	uv_timer_start(&l->tick, on_tick, 10, 10);
	for (int i = 0; i < n; i++)
		strv_add(&l->config.endpoints, l->servers.s[i].url);
}

void lab_client(struct lab *l)
{
	struct err e = { 0 };

	if (etcd_config_check(&l->config, &e) < 0)
		fail_msg("%s", err_text(&e));
	l->etcd = etcd_new(l->loop, &l->config);
	l->kv = etcd_kv(l->etcd);
}

void lab_second(struct lab *l, struct lab *first, const struct etcd_config *config)
{
	*l = (struct lab){ .loop = first->loop, .config = *config };
	lab_client(l);
}

void lab_wait_ready(struct lab *l)
{
	uint64_t end = lab_now(l) + LAB_WAIT_MS;
	struct lab_answer a;

	do {
		a = lab_get(l, "ready?");
		if (lab_now(l) > end)
			fail_msg("etcd does not come up: %s", a.err);
	} while (a.status != 0);
}

void lab_open(struct lab *l, int n)
{
	lab_init(l, n, false);
	for (int i = 0; i < n; i++)
		server_start(&l->servers, i);
	lab_client(l);
	lab_wait_ready(l);
	for (int i = 0; i < n; i++)
		server_wait(&l->servers, i);
}

static void on_closed(void *user)
{
	struct lab *l = user;

	l->closed = true;
}

void lab_client_close(struct lab *l)
{
	l->closed = false;
	etcd_close(l->etcd, on_closed, l);
	lab_until(l, l->closed);
	strv_done(&l->config.endpoints);
}

void lab_close(struct lab *l)
{
	lab_client_close(l);
	uv_close((uv_handle_t *)&l->tick, NULL);
	uv_run(l->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(l->loop), 0);
	servers_done(&l->servers);
}

void lab_turn(struct lab *l)
{
	uv_run(l->loop, UV_RUN_ONCE);
}

uint64_t lab_now(struct lab *l)
{
	uv_update_time(l->loop);
	return uv_now(l->loop);
}

void lab_on_done(void *user, int status, const struct kv_result *res)
{
	struct lab_answer *a = user;

	a->done++;
	a->status = status;
	a->revision = res->revision;
	a->succeeded = res->succeeded;
	a->lease = res->lease_id;
	a->ttl_s = res->lease_ttl_s;
	a->n_ops = res->n_ops;
	snprintf(a->err, sizeof(a->err), "%s", res->err->text);
	if (status == 0)
		assert_string_equal(res->err->text, "");
	else
		assert_true(*res->err->text);
	if (res->n_ops == 0)
		return;
	a->count = res->ops[0].count;
	a->n_entries = res->ops[0].n_entries;
	if (a->n_entries == 0)
		return;
	snprintf(a->first, sizeof(a->first), "%s", res->ops[0].entries[0].key);
	snprintf(a->last, sizeof(a->last), "%s", res->ops[0].entries[a->n_entries - 1].key);
	snprintf(a->value, sizeof(a->value), "%s", res->ops[0].entries[0].value);
	a->mod_revision = res->ops[0].entries[0].mod_revision;
}

static struct lab_answer finish(struct lab *l, struct lab_answer *a)
{
	/* Never from inside the starting call. */
	assert_int_equal(a->done, 0);
	lab_until(l, a->done);
	assert_int_equal(a->done, 1);
	return *a;
}

struct lab_answer lab_range(struct lab *l, const struct kv_range *req)
{
	struct lab_answer a = { 0 };

	kv_range(l->kv, req, lab_on_done, &a);
	return finish(l, &a);
}

struct lab_answer lab_get(struct lab *l, const char *key)
{
	return lab_range(l, &(struct kv_range){ .key = key });
}

struct lab_answer lab_txn(struct lab *l, const struct kv_txn *req)
{
	struct lab_answer a = { 0 };

	kv_txn(l->kv, req, lab_on_done, &a);
	return finish(l, &a);
}

struct lab_answer lab_put(struct lab *l, const char *key, const char *value, int64_t lease)
{
	struct lab_answer a = { 0 };

	kv_put(l->kv, key, value, lease, lab_on_done, &a);
	return finish(l, &a);
}

int64_t lab_must_put(struct lab *l, const char *key, const char *value)
{
	struct lab_answer a = lab_put(l, key, value, 0);

	if (a.status < 0)
		fail_msg("put %s: %d %s", key, a.status, a.err);
	return a.revision;
}

struct lab_answer lab_lease(struct lab *l, enum lab_lease_op op, int64_t lease)
{
	struct lab_answer a = { 0 };

	if (op == LAB_KEEPALIVE)
		kv_lease_keepalive(l->kv, lease, lab_on_done, &a);
	else if (op == LAB_REVOKE)
		kv_lease_revoke(l->kv, lease, lab_on_done, &a);
	else
		kv_lease_ttl(l->kv, lease, lab_on_done, &a);
	return finish(l, &a);
}

static void on_events(void *user, int64_t revision, const struct kv_event *ev, size_t n)
{
	struct lab_watch *w = user;

	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		if (ev[i].entry.mod_revision < w->revision)
			w->ordered = false;
		w->revision = ev[i].entry.mod_revision;
		assert_true(w->n_events < LAB_KEYS_MAX);
		w->types[w->n_events] = ev[i].type;
		w->keys[w->n_events++] = mem_strdup(ev[i].entry.key);
		free(w->last_value);
		w->last_value = mem_strdup(ev[i].entry.value);
	}
	assert_true(revision >= w->revision);
}

static void on_state(void *user, enum kv_watch_state state, const char *why)
{
	struct lab_watch *w = user;
	int *count[] = {
		[KV_WATCH_LIVE] = &w->live,
		[KV_WATCH_DOWN] = &w->down,
		[KV_WATCH_COMPACTED] = &w->compacted,
		[KV_WATCH_REWOUND] = &w->rewound,
	};

	if (w->live + w->down + w->compacted + w->rewound > 0)
		assert_int_not_equal(w->state, state);
	w->state = state;
	(*count[state])++;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

void lab_watch(struct lab *l, struct lab_watch *w, const char *prefix, int64_t start)
{
	static const struct kv_watch_handlers h = { .events = on_events, .state = on_state };
	_cleanup_free_ char *end = kv_prefix_end(prefix);

	*w = (struct lab_watch){ .lab = l, .ordered = true };
	w->w = kv_watch_start(l->kv, prefix, end, start, &h, w);
	assert_int_equal(w->live + w->down, 0);
}

void lab_watch_close(struct lab_watch *w)
{
	kv_watch_close(w->lab->kv, w->w);
	for (size_t i = 0; i < w->n_events; i++)
		free(w->keys[i]);
	free(w->last_value);
}

bool lab_watch_is(const struct lab_watch *w, enum kv_watch_state state)
{
	return w->live + w->down + w->compacted + w->rewound > 0 && w->state == state;
}
