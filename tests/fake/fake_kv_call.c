/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/fake_kv_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"

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
	fake_kv_wake(f);
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

struct kv_call *fake_call_range(struct kv *kv, const struct kv_range *req, kv_done_fn done,
				void *user)
{
	struct kv_call *c = call_new(kv, FAKE_RANGE, done, user);

	c->range = *req;
	c->range.key = mem_strdup(req->key);
	c->range.range_end = mem_strdup(req->range_end);
	return c;
}

struct kv_call *fake_call_txn(struct kv *kv, const struct kv_txn *req, kv_done_fn done, void *user)
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

struct kv_call *fake_call_grant(struct kv *kv, int64_t ttl_s, kv_done_fn done, void *user)
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

struct kv_call *fake_call_keepalive(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return lease_call(kv, FAKE_KEEPALIVE, lease, done, user);
}

struct kv_call *fake_call_revoke(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return lease_call(kv, FAKE_REVOKE, lease, done, user);
}

struct kv_call *fake_call_ttl(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return lease_call(kv, FAKE_TTL, lease, done, user);
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

void fake_call_apply(struct kv_call *c)
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

void fake_call_answer(struct kv_call *c)
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
