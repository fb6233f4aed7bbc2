/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/fake_kv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"
#include "tests/fake/fake_kv_priv.h"

static void on_timer(uv_timer_t *t)
{
	fake_kv_pump(t->data);
}

void fake_kv_wake(struct fake_kv *f)
{
	if (f->timer && !f->closing)
		uv_timer_start(f->timer, on_timer, 0, 0);
}

/* ---- calls ---- */

static void op_cancel(struct kv_call *call)
{
	call->canceled = true;
	fake_kv_wake(call->f);
}

/* The fault that hits @c, if any; uses it up. */
static struct fault *fault_for(struct fake_kv *f, const struct kv_call *c)
{
	for (size_t i = 0; i < FAULTS_MAX; i++) {
		struct fault *ft = &f->faults[i];

		if (ft->n == 0 || !(ft->mask & c->kind))
			continue;
		if (ft->skip > 0) {
			ft->skip--;
			return NULL;
		}
		ft->n--;
		return ft;
	}
	return NULL;
}

/* Return: true when @c is to be answered now. */
static bool serve(struct fake_kv *f, struct kv_call *c)
{
	bool held = f->hold != FAKE_HOLD_NONE && (f->hold_mask & c->kind);
	struct fault *ft;

	if (c->canceled) {
		c->status = -ECANCELED;
		return true;
	}
	if (held && (f->hold == FAKE_HOLD_REQUESTS || c->applied))
		return false;
	if (f->down) {
		c->status = c->applied ? -ETIMEDOUT : -EHOSTUNREACH;
		return true;
	}
	if (c->applied)
		return true;
	ft = fault_for(f, c);
	if (!ft || ft->applied)
		fake_call_apply(c);
	if (ft)
		c->status = ft->status;
	return !held;
}

/* ---- watches ---- */

static struct kv_watch *op_watch(struct kv *kv, const char *key, const char *range_end,
				 int64_t start_revision, const struct kv_watch_handlers *h,
				 void *user)
{
	struct fake_kv *f = CONTAINER_OF(kv, struct fake_kv, kv);
	struct kv_watch *w = mem_alloc(sizeof(*w));

	w->f = f;
	w->h = *h;
	w->user = user;
	w->key = mem_strdup(key);
	w->end = mem_strdup(range_end);
	w->next_revision = start_revision ? start_revision : f->store.revision + 1;
	DL_APPEND(f->watches, w);
	fake_kv_wake(f);
	return w;
}

static void op_watch_close(struct kv_watch *w)
{
	/* Freed by the pump, which may be on it. */
	w->closed = true;
	fake_kv_wake(w->f);
}

static void watch_state(struct kv_watch *w, enum kv_watch_state s, const char *why)
{
	w->live = s == KV_WATCH_LIVE;
	w->told_down = s == KV_WATCH_DOWN;
	w->final = s == KV_WATCH_COMPACTED || s == KV_WATCH_REWOUND;
	w->h.state(w->user, s, why);
}

/* Events from @w's next revision on are copied first: the handler may change the store. */
static void deliver(struct kv_watch *w)
{
	const struct fake_store *s = &w->f->store;
	struct fake_range own = { 0 };
	struct kv_event *ev = NULL;
	size_t first = s->n_events;

	while (first > 0 && s->events[first - 1].revision >= w->next_revision)
		first--;
	ev = mem_alloc_array(s->n_events - first + 1, sizeof(*ev));
	own.entries = mem_alloc_array(s->n_events - first + 1, sizeof(*own.entries));
	for (size_t i = first; i < s->n_events; i++) {
		if (!fake_in_range(s->events[i].entry.key, w->key, w->end))
			continue;
		own.entries[own.n] = fake_entry_copy(&s->events[i].entry);
		ev[own.n].type = s->events[i].type;
		ev[own.n].entry = fake_entry_kv(&own.entries[own.n]);
		own.n++;
	}
	w->next_revision = s->revision + 1;
	if (own.n > 0)
		w->h.events(w->user, s->revision, ev, own.n);
	fake_range_done(&own);
	free(ev);
}

static bool watch_turn(struct fake_kv *f, struct kv_watch *w)
{
	const struct fake_store *s = &f->store;
	int64_t before = w->next_revision;

	if (w->closed || w->final)
		return false;
	if (f->down) {
		if (w->told_down)
			return false;
		watch_state(w, KV_WATCH_DOWN, "fake: unreachable");
		return true;
	}
	if (w->next_revision > s->revision + 1) {
		watch_state(w, KV_WATCH_REWOUND, "fake: revision went back");
		return true;
	}
	/* A live one, too, that has not kept up: etcd cancels a slow watcher in the same way. */
	if (w->next_revision < s->compacted && !(w->live && f->watch_hold)) {
		watch_state(w, KV_WATCH_COMPACTED, "fake: compacted");
		return true;
	}
	if (!w->live) {
		watch_state(w, KV_WATCH_LIVE, "fake: live");
		fake_kv_wake(f);
		return true;
	}
	if (!f->watch_hold)
		deliver(w);
	return w->next_revision != before;
}

static bool watches_turn(struct fake_kv *f)
{
	struct kv_watch *w, *next;
	bool any = false;

	/* New ones are appended meanwhile and served, too; closed ones go only at the end. */
	DL_FOREACH(f->watches, w)
		any |= watch_turn(f, w);
	DL_FOREACH_SAFE(f->watches, w, next) {
		if (!w->closed)
			continue;
		DL_DELETE(f->watches, w);
		free(w->key);
		free(w->end);
		free(w);
	}
	return any;
}

bool fake_kv_pump(struct fake_kv *f)
{
	struct kv_call *c, *next, *ready = NULL;
	bool any = false;

	DL_FOREACH_SAFE(f->calls, c, next) {
		if (!serve(f, c))
			continue;
		DL_DELETE(f->calls, c);
		DL_APPEND(ready, c);
	}
	if (f->watch_first)
		any |= watches_turn(f);
	DL_FOREACH_SAFE(ready, c, next) {
		DL_DELETE(ready, c);
		/* Canceled since, by the callback of another. */
		if (c->canceled)
			c->status = -ECANCELED;
		fake_call_answer(c);
		any = true;
	}
	if (!f->watch_first)
		any |= watches_turn(f);
	return any;
}

static size_t op_health(struct kv *kv, struct kv_health *ret, size_t max)
{
	struct fake_kv *f = CONTAINER_OF(kv, struct fake_kv, kv);

	if (max == 0)
		return 0;
	ret[0] = (struct kv_health){ .endpoint = "fake://",
				     .up = !f->down,
				     .last_error = f->down ? "fake: unreachable" : "" };
	return 1;
}

static const struct kv_ops fake_ops = {
	.range = fake_call_range,
	.txn = fake_call_txn,
	.lease_grant = fake_call_grant,
	.lease_keepalive = fake_call_keepalive,
	.lease_revoke = fake_call_revoke,
	.lease_ttl = fake_call_ttl,
	.cancel = op_cancel,
	.watch = op_watch,
	.watch_close = op_watch_close,
	.health = op_health,
};

struct fake_kv *fake_kv_new(uv_loop_t *loop)
{
	struct fake_kv *f = mem_alloc(sizeof(*f));

	f->kv.ops = &fake_ops;
	fake_store_init(&f->store);
	if (loop) {
		f->timer = mem_alloc(sizeof(*f->timer));
		uv_timer_init(loop, f->timer);
		f->timer->data = f;
	}
	return f;
}

struct kv *fake_kv_kv(struct fake_kv *f)
{
	return &f->kv;
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

void fake_kv_close(struct fake_kv *f)
{
	struct kv_watch *w, *next_w;

	f->closing = true;
	while (f->calls) {
		struct kv_call *c = f->calls;

		DL_DELETE(f->calls, c);
		c->status = -ECANCELED;
		fake_call_answer(c);
	}
	DL_FOREACH_SAFE(f->watches, w, next_w) {
		free(w->key);
		free(w->end);
		free(w);
	}
	fake_store_done(&f->store);
	if (f->timer)
		uv_close((uv_handle_t *)f->timer, on_closed);
	free(f);
}

unsigned fake_kv_calls(const struct fake_kv *f, unsigned mask)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(f->made); i++)
		n += mask & (1u << i) ? f->made[i] : 0;
	return n;
}

/* ---- another client ---- */

struct fake_store *fake_kv_store(struct fake_kv *f)
{
	return &f->store;
}

static int64_t direct(struct fake_kv *f, const struct kv_op *op)
{
	struct kv_txn txn = { .then_ops = op, .n_then = 1 };
	struct fake_range *r = NULL;
	struct err e = { 0 };
	bool ok;
	int status = fake_store_txn(&f->store, &txn, &ok, &r, &e);

	assert(status == 0);
	fake_range_done(&r[0]);
	free(r);
	fake_kv_wake(f);
	return f->store.revision;
}

int64_t fake_kv_put(struct fake_kv *f, const char *key, const char *value, int64_t lease)
{
	struct kv_op op = { .type = KV_OP_PUT, .key = key, .value = value, .lease = lease };

	return direct(f, &op);
}

int64_t fake_kv_delete(struct fake_kv *f, const char *key, const char *end)
{
	struct kv_op op = { .type = KV_OP_DELETE, .key = key, .range_end = end };

	return direct(f, &op);
}

const char *fake_kv_get(struct fake_kv *f, const char *key)
{
	const struct fake_entry *e = fake_store_find(&f->store, key);

	return e ? e->value : NULL;
}

size_t fake_kv_count(struct fake_kv *f, const char *key, const char *end)
{
	size_t n = 0;

	for (size_t i = 0; i < f->store.n_entries; i++)
		n += fake_in_range(f->store.entries[i].key, key, end);
	return n;
}

void fake_kv_lease_expire(struct fake_kv *f, int64_t lease)
{
	fake_store_revoke(&f->store, lease);
	fake_kv_wake(f);
}

void fake_kv_compact(struct fake_kv *f, int64_t revision)
{
	fake_store_compact(&f->store, revision ? revision : f->store.revision);
	fake_kv_wake(f);
}

void fake_kv_wipe(struct fake_kv *f)
{
	fake_store_done(&f->store);
	fake_store_init(&f->store);
	fake_kv_wake(f);
}

void fake_kv_restore(struct fake_kv *f, const struct fake_store *backup)
{
	fake_store_done(&f->store);
	fake_store_copy(&f->store, backup);
	fake_kv_wake(f);
}

/* ---- faults ---- */

void fake_kv_fail(struct fake_kv *f, unsigned mask, unsigned skip, unsigned n, int status,
		  bool applied)
{
	if (n == 0) {
		memset(f->faults, 0, sizeof(f->faults));
		return;
	}
	for (size_t i = 0; i < FAULTS_MAX; i++) {
		if (f->faults[i].n > 0)
			continue;
		f->faults[i] = (struct fault){ mask, skip, n, status, applied };
		return;
	}
	assert(!"too many faults at once");
}

void fake_kv_hold(struct fake_kv *f, unsigned mask, enum fake_hold hold)
{
	f->hold_mask = mask;
	f->hold = hold;
	fake_kv_wake(f);
}

void fake_kv_down(struct fake_kv *f, bool down)
{
	f->down = down;
	fake_kv_wake(f);
}

void fake_kv_watch_drop(struct fake_kv *f)
{
	struct kv_watch *w;

	/* LIVE is told by the next turn. */
	DL_FOREACH(f->watches, w) {
		if (!w->closed && !w->final && w->live)
			watch_state(w, KV_WATCH_DOWN, "fake: dropped");
	}
	fake_kv_wake(f);
}

void fake_kv_watch_hold(struct fake_kv *f, bool hold)
{
	f->watch_hold = hold;
	fake_kv_wake(f);
}

void fake_kv_watch_lose(struct fake_kv *f)
{
	struct kv_watch *w;

	DL_FOREACH(f->watches, w) {
		if (!w->final)
			w->next_revision = f->store.revision + 1;
	}
}

void fake_kv_watch_first(struct fake_kv *f, bool first)
{
	f->watch_first = first;
}
