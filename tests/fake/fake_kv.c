/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/fake_kv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"

#define FAULTS_MAX 16

struct kv_call {
	struct fake_kv *f;
	enum fake_call kind;
	kv_done_fn done;
	void *user;
	bool canceled, applied;
	struct kv_range range;
	struct kv_txn txn;
	int64_t lease, ttl_s;
	/* the answer */
	int status;
	struct kv_result res;
	struct fake_range *ranges;
	size_t n_ranges;
	struct err err;
	struct kv_call *prev, *next;
};

struct kv_watch {
	struct fake_kv *f;
	struct kv_watch_handlers h;
	void *user;
	char *key, *end;
	int64_t next_revision;
	bool live, told_down, final, closed;
	struct kv_watch *prev, *next;
};

struct fault {
	unsigned mask, skip, n;
	int status;
	bool applied;
};

struct fake_kv {
	struct kv kv;
	struct fake_store store;
	uv_timer_t *timer; /* NULL without loop */
	struct kv_call *calls;
	struct kv_watch *watches;
	unsigned made[6];
	struct fault faults[FAULTS_MAX];
	unsigned hold_mask;
	enum fake_hold hold;
	bool down, watch_hold, watch_first, closing;
};

static void on_timer(uv_timer_t *t)
{
	fake_kv_pump(t->data);
}

static void wake(struct fake_kv *f)
{
	if (f->timer && !f->closing)
		uv_timer_start(f->timer, on_timer, 0, 0);
}

/* ---- calls ---- */

static struct kv_call *call_new(struct kv *kv, enum fake_call kind, kv_done_fn done, void *user)
{
	struct fake_kv *f = CONTAINER_OF(kv, struct fake_kv, kv);
	struct kv_call *c = mem_alloc(sizeof(*c));

	assert(!f->closing);
	c->f = f;
	c->kind = kind;
	c->done = done;
	c->user = user;
	f->made[__builtin_ctz(kind)]++;
	DL_APPEND(f->calls, c);
	wake(f);
	return c;
}

static struct kv_op *ops_copy(const struct kv_op *ops, size_t n)
{
	struct kv_op *c = mem_alloc_array(n + 1, sizeof(*c));

	for (size_t i = 0; i < n; i++) {
		c[i] = ops[i];
		c[i].key = mem_strdup(ops[i].key);
		c[i].range_end = mem_strdup(ops[i].range_end);
		c[i].value = mem_strdup(ops[i].value);
	}
	return c;
}

static void ops_free(const struct kv_op *ops, size_t n)
{
	for (size_t i = 0; ops && i < n; i++) {
		free((void *)ops[i].key);
		free((void *)ops[i].range_end);
		free((void *)ops[i].value);
	}
	free((void *)ops);
}

static void answer_free(struct kv_call *c)
{
	for (size_t i = 0; i < c->n_ranges; i++) {
		fake_range_done(&c->ranges[i]);
		free((void *)c->res.ops[i].entries);
	}
	free(c->ranges);
	free((void *)c->res.ops);
}

static void call_free(struct kv_call *c)
{
	answer_free(c);
	free((void *)c->range.key);
	free((void *)c->range.range_end);
	for (size_t i = 0; i < c->txn.n_compares; i++) {
		free((void *)c->txn.compares[i].key);
		free((void *)c->txn.compares[i].range_end);
	}
	free((void *)c->txn.compares);
	ops_free(c->txn.then_ops, c->txn.n_then);
	ops_free(c->txn.else_ops, c->txn.n_else);
	free(c);
}

static struct kv_call *op_range(struct kv *kv, const struct kv_range *req, kv_done_fn done,
				void *user)
{
	struct kv_call *c = call_new(kv, FAKE_RANGE, done, user);

	c->range = *req;
	c->range.key = mem_strdup(req->key);
	c->range.range_end = mem_strdup(req->range_end);
	return c;
}

static struct kv_call *op_txn(struct kv *kv, const struct kv_txn *req, kv_done_fn done, void *user)
{
	struct kv_call *c = call_new(kv, FAKE_TXN, done, user);
	struct kv_compare *cmp = mem_alloc_array(req->n_compares + 1, sizeof(*cmp));

	c->txn = *req;
	for (size_t i = 0; i < req->n_compares; i++) {
		cmp[i] = req->compares[i];
		cmp[i].key = mem_strdup(req->compares[i].key);
		cmp[i].range_end = mem_strdup(req->compares[i].range_end);
	}
	c->txn.compares = cmp;
	c->txn.then_ops = ops_copy(req->then_ops, req->n_then);
	c->txn.else_ops = ops_copy(req->else_ops, req->n_else);
	return c;
}

static struct kv_call *op_grant(struct kv *kv, int64_t ttl_s, kv_done_fn done, void *user)
{
	struct kv_call *c = call_new(kv, FAKE_GRANT, done, user);

	c->ttl_s = ttl_s;
	return c;
}

static struct kv_call *lease_call(struct kv *kv, enum fake_call kind, int64_t lease,
				  kv_done_fn done, void *user)
{
	struct kv_call *c = call_new(kv, kind, done, user);

	c->lease = lease;
	return c;
}

static struct kv_call *op_keepalive(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return lease_call(kv, FAKE_KEEPALIVE, lease, done, user);
}

static struct kv_call *op_revoke(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return lease_call(kv, FAKE_REVOKE, lease, done, user);
}

static struct kv_call *op_ttl(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return lease_call(kv, FAKE_TTL, lease, done, user);
}

static void op_cancel(struct kv_call *call)
{
	call->canceled = true;
	wake(call->f);
}

/* ---- carrying out ---- */

static void answer_op(struct kv_call *c, size_t i, enum kv_op_type type, bool values, bool entries)
{
	struct kv_op_result *r = (struct kv_op_result *)&c->res.ops[i];
	struct kv_entry *out = mem_alloc_array(c->ranges[i].n + 1, sizeof(*out));

	for (size_t j = 0; j < c->ranges[i].n; j++) {
		out[j] = fake_entry_kv(&c->ranges[i].entries[j]);
		if (!values) {
			out[j].value = "";
			out[j].value_len = 0;
		}
	}
	r->type = type;
	r->entries = out;
	r->count = (int64_t)c->ranges[i].n;
	r->n_entries = entries ? c->ranges[i].n : 0;
}

static void apply_range(struct kv_call *c)
{
	struct kv_op_result *r = mem_alloc(sizeof(*r));

	c->ranges = mem_alloc(sizeof(*c->ranges));
	c->n_ranges = 1;
	c->res.n_ops = 1;
	c->res.ops = r;
	c->status = fake_store_range(&c->f->store, c->range.key, c->range.range_end,
				     c->range.revision, &c->ranges[0]);
	answer_op(c, 0, KV_OP_GET, !c->range.keys_only && !c->range.count_only, true);
	if (c->range.count_only && r->n_entries > 0) {
		struct kv_entry *v = (struct kv_entry *)r->entries;

		for (size_t i = 1; i < r->n_entries; i++) {
			if (v[i].mod_revision > v[0].mod_revision)
				v[0] = v[i];
		}
		r->n_entries = 1;
	}
}

static void apply_txn(struct kv_call *c)
{
	const struct kv_op *ops;

	c->status = fake_store_txn(&c->f->store, &c->txn, &c->res.succeeded, &c->ranges, &c->err);
	if (c->status < 0)
		return;
	c->n_ranges = c->res.succeeded ? c->txn.n_then : c->txn.n_else;
	ops = c->res.succeeded ? c->txn.then_ops : c->txn.else_ops;
	c->res.ops = mem_alloc_array(c->n_ranges + 1, sizeof(*c->res.ops));
	c->res.n_ops = c->n_ranges;
	for (size_t i = 0; i < c->n_ranges; i++)
		answer_op(c, i, ops[i].type, !ops[i].keys_only,
			  ops[i].type == KV_OP_GET || ops[i].prev_kv);
}

static void apply(struct kv_call *c)
{
	struct fake_store *s = &c->f->store;

	c->applied = true;
	switch (c->kind) {
	case FAKE_RANGE:
		apply_range(c);
		break;
	case FAKE_TXN:
		apply_txn(c);
		break;
	case FAKE_GRANT:
		c->res.lease_id = fake_store_grant(s, c->ttl_s);
		c->res.lease_ttl_s = c->ttl_s;
		break;
	case FAKE_KEEPALIVE:
	case FAKE_TTL:
		c->res.lease_id = c->lease;
		c->res.lease_ttl_s = fake_store_ttl(s, c->lease);
		c->status = c->res.lease_ttl_s <= 0 ? -ENOENT : 0;
		break;
	case FAKE_REVOKE:
		c->status = fake_store_revoke(s, c->lease);
		break;
	case FAKE_ANY:
		break;
	}
	c->res.revision = s->revision;
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
		apply(c);
	if (ft)
		c->status = ft->status;
	return !held;
}

static void answer(struct kv_call *c)
{
	static const struct kv_result none = { 0 };

	if (c->status < 0 && c->err.code == 0)
		err_set(&c->err, c->status, "fake: %s", strerror(-c->status));
	if (c->status < 0) {
		answer_free(c);
		c->ranges = NULL;
		c->n_ranges = 0;
		c->res = none;
	}
	c->res.err = &c->err;
	c->done(c->user, c->status, &c->res);
	call_free(c);
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
	wake(f);
	return w;
}

static void op_watch_close(struct kv_watch *w)
{
	/* Freed by the pump, which may be on it. */
	w->closed = true;
	wake(w->f);
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
	if (!w->live) {
		if (w->next_revision < s->compacted)
			watch_state(w, KV_WATCH_COMPACTED, "fake: compacted");
		else
			watch_state(w, KV_WATCH_LIVE, "fake: live");
		wake(f);
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
		answer(c);
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
	.range = op_range,
	.txn = op_txn,
	.lease_grant = op_grant,
	.lease_keepalive = op_keepalive,
	.lease_revoke = op_revoke,
	.lease_ttl = op_ttl,
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
		answer(c);
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
	wake(f);
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
	wake(f);
}

void fake_kv_compact(struct fake_kv *f, int64_t revision)
{
	fake_store_compact(&f->store, revision ? revision : f->store.revision);
	wake(f);
}

void fake_kv_wipe(struct fake_kv *f)
{
	fake_store_done(&f->store);
	fake_store_init(&f->store);
	wake(f);
}

void fake_kv_restore(struct fake_kv *f, const struct fake_store *backup)
{
	fake_store_done(&f->store);
	fake_store_copy(&f->store, backup);
	wake(f);
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
	wake(f);
}

void fake_kv_down(struct fake_kv *f, bool down)
{
	f->down = down;
	wake(f);
}

void fake_kv_watch_drop(struct fake_kv *f)
{
	struct kv_watch *w;

	/* LIVE is told by the next turn. */
	DL_FOREACH(f->watches, w) {
		if (!w->closed && !w->final && w->live)
			watch_state(w, KV_WATCH_DOWN, "fake: dropped");
	}
	wake(f);
}

void fake_kv_watch_hold(struct fake_kv *f, bool hold)
{
	f->watch_hold = hold;
	wake(f);
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
