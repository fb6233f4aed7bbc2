/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fake/fake_store.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

bool fake_in_range(const char *k, const char *key, const char *end)
{
	if (!end)
		return strcmp(k, key) == 0;
	return strcmp(k, key) >= 0 && strcmp(k, end) < 0;
}

struct kv_entry fake_entry_kv(const struct fake_entry *e)
{
	return (struct kv_entry){
		.key = e->key,
		.value = e->value ? e->value : "",
		.value_len = e->value_len,
		.create_revision = e->create_revision,
		.mod_revision = e->mod_revision,
		.lease = e->lease,
	};
}

struct fake_entry fake_entry_copy(const struct fake_entry *e)
{
	struct fake_entry c = *e;

	c.key = mem_strdup(e->key);
	c.value = e->value ? mem_strndup(e->value, e->value_len) : NULL;
	return c;
}

static void entry_done(struct fake_entry *e)
{
	free(e->key);
	free(e->value);
	*e = (struct fake_entry){ 0 };
}

void fake_store_init(struct fake_store *s)
{
	*s = (struct fake_store){ .revision = 1, .last_lease = 7000 };
}

void fake_store_done(struct fake_store *s)
{
	for (size_t i = 0; i < s->n_entries; i++)
		entry_done(&s->entries[i]);
	for (size_t i = 0; i < s->n_events; i++) {
		entry_done(&s->events[i].entry);
		entry_done(&s->events[i].prev);
	}
	free(s->entries);
	free(s->events);
	free(s->leases);
	*s = (struct fake_store){ 0 };
}

void fake_store_copy(struct fake_store *dst, const struct fake_store *src)
{
	size_t cap = 1;

	*dst = *src;
	/* As vec_insert() expects: room up to the next power of two. */
	while (cap < src->n_entries)
		cap *= 2;
	dst->entries = mem_alloc_array(cap, sizeof(*dst->entries));
	for (size_t i = 0; i < src->n_entries; i++)
		dst->entries[i] = fake_entry_copy(&src->entries[i]);
	dst->events = mem_alloc_array(src->n_events, sizeof(*dst->events));
	dst->cap_events = src->n_events;
	for (size_t i = 0; i < src->n_events; i++) {
		dst->events[i] = src->events[i];
		dst->events[i].entry = fake_entry_copy(&src->events[i].entry);
		dst->events[i].prev = fake_entry_copy(&src->events[i].prev);
	}
	dst->leases = mem_alloc_array(src->n_leases + 1, sizeof(*dst->leases));
	for (size_t i = 0; i < src->n_leases; i++)
		dst->leases[i] = src->leases[i];
}

/* Index of the first entry whose key is not below @key. */
static size_t lower_bound(const struct fake_entry *v, size_t n, const char *key)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(v[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct fake_entry *fake_store_find(const struct fake_store *s, const char *key)
{
	size_t i = lower_bound(s->entries, s->n_entries, key);

	return i < s->n_entries && strcmp(s->entries[i].key, key) == 0 ? &s->entries[i] : NULL;
}

static void vec_insert(struct fake_entry **v, size_t *n, size_t at, struct fake_entry e)
{
	/* Grown by doubling: sizes are powers of two. */
	if ((*n & (*n - 1)) == 0)
		*v = mem_grow(*v, *n ? *n * 2 : 1, sizeof(**v));
	memmove(&(*v)[at + 1], &(*v)[at], (*n - at) * sizeof(**v));
	(*v)[at] = e;
	(*n)++;
}

static void vec_remove(struct fake_entry *v, size_t *n, size_t at)
{
	memmove(&v[at], &v[at + 1], (*n - at - 1) * sizeof(*v));
	(*n)--;
	/* Capacity is derived from the length: it may only have become too large, never too small. */
}

static void log_event(struct fake_store *s, enum kv_event_type type, struct fake_entry entry,
		      struct fake_entry prev)
{
	if (s->n_events == s->cap_events) {
		s->cap_events = s->n_events * 2 + 8;
		s->events = mem_grow(s->events, s->cap_events, sizeof(*s->events));
	}
	s->events[s->n_events++] = (struct fake_event){
		.type = type, .revision = s->revision, .entry = entry, .prev = prev
	};
}

static void put_entry(struct fake_store *s, const char *key, const char *value, int64_t lease)
{
	size_t i = lower_bound(s->entries, s->n_entries, key);
	bool there = i < s->n_entries && strcmp(s->entries[i].key, key) == 0;
	struct fake_entry prev = { 0 };
	struct fake_entry e = {
		.key = mem_strdup(key),
		.value = mem_strdup(value),
		.value_len = strlen(value),
		.create_revision = there ? s->entries[i].create_revision : s->revision,
		.mod_revision = s->revision,
		.lease = lease,
	};

	if (there) {
		prev = s->entries[i];
		s->entries[i] = e;
	} else {
		vec_insert(&s->entries, &s->n_entries, i, e);
	}
	log_event(s, KV_EVENT_PUT, fake_entry_copy(&e), prev);
}

static void delete_at(struct fake_store *s, size_t i)
{
	struct fake_entry prev = s->entries[i];
	struct fake_entry e = { .key = mem_strdup(prev.key), .mod_revision = s->revision };

	vec_remove(s->entries, &s->n_entries, i);
	log_event(s, KV_EVENT_DELETE, e, prev);
}

/* Deletes and hands out copies of what was there. */
static void delete_range(struct fake_store *s, const char *key, const char *end,
			 struct fake_range *ret)
{
	size_t i = lower_bound(s->entries, s->n_entries, key);

	while (i < s->n_entries && fake_in_range(s->entries[i].key, key, end)) {
		vec_insert(&ret->entries, &ret->n, ret->n, fake_entry_copy(&s->entries[i]));
		delete_at(s, i);
	}
}

/* The past: the present with later events undone, newest first. */
static void undo(const struct fake_store *s, const char *key, const char *end, int64_t revision,
		 struct fake_range *r)
{
	for (size_t n = s->n_events; n > 0 && s->events[n - 1].revision > revision; n--) {
		const struct fake_event *ev = &s->events[n - 1];
		size_t i;

		if (!fake_in_range(ev->entry.key, key, end))
			continue;
		i = lower_bound(r->entries, r->n, ev->entry.key);
		if (ev->type == KV_EVENT_PUT) {
			entry_done(&r->entries[i]);
			vec_remove(r->entries, &r->n, i);
		}
		if (ev->prev.key)
			vec_insert(&r->entries, &r->n, i, fake_entry_copy(&ev->prev));
	}
}

int fake_store_range(const struct fake_store *s, const char *key, const char *end, int64_t revision,
		     struct fake_range *ret)
{
	if (revision > s->revision)
		return -EREMOTEIO;
	if (revision != 0 && revision < s->compacted)
		return -ESTALE;
	*ret = (struct fake_range){ 0 };
	for (size_t i = lower_bound(s->entries, s->n_entries, key);
	     i < s->n_entries && fake_in_range(s->entries[i].key, key, end); i++)
		vec_insert(&ret->entries, &ret->n, ret->n, fake_entry_copy(&s->entries[i]));
	if (revision != 0)
		undo(s, key, end, revision, ret);
	return 0;
}

void fake_range_done(struct fake_range *r)
{
	for (size_t i = 0; i < r->n; i++)
		entry_done(&r->entries[i]);
	free(r->entries);
	*r = (struct fake_range){ 0 };
}

static bool compare_one(const struct kv_compare *c, int64_t create, int64_t mod)
{
	int64_t have = c->target == KV_TARGET_MOD ? mod : create;

	switch (c->relation) {
	case KV_EQUAL:
		return have == c->revision;
	case KV_LESS:
		return have < c->revision;
	case KV_GREATER:
		return have > c->revision;
	case KV_NOT_EQUAL:
		return have != c->revision;
	}
	return false;
}

static bool compare_holds(const struct fake_store *s, const struct kv_compare *c)
{
	size_t i = lower_bound(s->entries, s->n_entries, c->key);
	bool any = false;

	for (; i < s->n_entries && fake_in_range(s->entries[i].key, c->key, c->range_end); i++) {
		any = true;
		if (!compare_one(c, s->entries[i].create_revision, s->entries[i].mod_revision))
			return false;
	}
	/* An absent key has revision 0; an empty range holds. */
	return any || c->range_end || compare_one(c, 0, 0);
}

static int check_ops(const struct fake_store *s, const struct kv_op *ops, size_t n, struct err *e)
{
	if (n > KV_TXN_OPS_MAX)
		return err_set(e, -EMSGSIZE, "etcd: too many operations in txn request");
	for (size_t i = 0; i < n; i++) {
		if (ops[i].type != KV_OP_PUT)
			continue;
		if (ops[i].lease != 0 && fake_store_ttl(s, ops[i].lease) < 0)
			return err_set(e, -ENOENT, "etcd: requested lease not found");
		for (size_t j = 0; j < n; j++) {
			bool clash = ops[j].type == KV_OP_PUT ?
					     j > i && strcmp(ops[i].key, ops[j].key) == 0 :
					     ops[j].type == KV_OP_DELETE &&
						     fake_in_range(ops[i].key, ops[j].key,
								   ops[j].range_end);

			if (clash)
				return err_set(e, -EREMOTEIO,
					       "etcd: duplicate key given in txn request");
		}
	}
	return 0;
}

static bool writes(const struct fake_store *s, const struct kv_op *op)
{
	size_t i = lower_bound(s->entries, s->n_entries, op->key);

	if (op->type == KV_OP_DELETE)
		return i < s->n_entries && fake_in_range(s->entries[i].key, op->key, op->range_end);
	return op->type == KV_OP_PUT;
}

int fake_store_txn(struct fake_store *s, const struct kv_txn *txn, bool *ret_succeeded,
		   struct fake_range **ret, struct err *e)
{
	struct fake_range *results;
	const struct kv_op *ops;
	bool ok = true;
	size_t n;
	int r;

	if (txn->n_compares > KV_TXN_OPS_MAX)
		return err_set(e, -EMSGSIZE, "etcd: too many operations in txn request");
	for (size_t i = 0; ok && i < txn->n_compares; i++)
		ok = compare_holds(s, &txn->compares[i]);
	r = check_ops(s, txn->then_ops, txn->n_then, e);
	if (r == 0)
		r = check_ops(s, txn->else_ops, txn->n_else, e);
	if (r < 0)
		return r;
	ops = ok ? txn->then_ops : txn->else_ops;
	n = ok ? txn->n_then : txn->n_else;
	for (size_t i = 0; i < n; i++) {
		if (writes(s, &ops[i])) {
			s->revision++;
			break;
		}
	}
	results = mem_alloc_array(n + 1, sizeof(*results));
	for (size_t i = 0; i < n; i++) {
		if (ops[i].type == KV_OP_PUT)
			put_entry(s, ops[i].key, ops[i].value, ops[i].lease);
		else if (ops[i].type == KV_OP_DELETE)
			delete_range(s, ops[i].key, ops[i].range_end, &results[i]);
		else
			fake_store_range(s, ops[i].key, ops[i].range_end, 0, &results[i]);
	}
	*ret_succeeded = ok;
	*ret = results;
	return 0;
}

int64_t fake_store_grant(struct fake_store *s, int64_t ttl_s)
{
	s->leases = mem_grow(s->leases, s->n_leases + 1, sizeof(*s->leases));
	s->leases[s->n_leases++] = (struct fake_lease){ .id = ++s->last_lease, .ttl_s = ttl_s };
	return s->last_lease;
}

int64_t fake_store_ttl(const struct fake_store *s, int64_t lease)
{
	for (size_t i = 0; i < s->n_leases; i++) {
		if (s->leases[i].id == lease)
			return s->leases[i].ttl_s;
	}
	return -1;
}

int fake_store_revoke(struct fake_store *s, int64_t lease)
{
	bool first = true;
	size_t i = 0;

	while (i < s->n_leases && s->leases[i].id != lease)
		i++;
	if (i == s->n_leases)
		return -ENOENT;
	s->leases[i] = s->leases[--s->n_leases];
	for (i = 0; i < s->n_entries;) {
		if (s->entries[i].lease != lease) {
			i++;
			continue;
		}
		if (first)
			s->revision++;
		first = false;
		delete_at(s, i);
	}
	return 0;
}

void fake_store_compact(struct fake_store *s, int64_t revision)
{
	size_t n = 0;

	while (n < s->n_events && s->events[n].revision < revision) {
		entry_done(&s->events[n].entry);
		entry_done(&s->events[n].prev);
		n++;
	}
	if (n > 0)
		memmove(s->events, s->events + n, (s->n_events - n) * sizeof(*s->events));
	s->n_events -= n;
	s->compacted = revision;
}
