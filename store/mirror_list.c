/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mirror's lists: the whole range at one revision, compared with what is known; and the audit that asks for one. */
#include "store/mirror.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/mirror_priv.h"

#define AUDIT_AGAIN_MS \
	1000 /* events may be under way when counts differ: asked once more before a list */
#define WHY_MAX 128

static void on_audit_timer(uv_timer_t *t);

static void audit_in(struct mirror *m, uint64_t delay_ms)
{
	if (!m->closing)
		uv_timer_start(&m->audit, on_audit_timer, delay_ms, 0);
}

bool mirror_count(const struct mirror *m, size_t *ret_count, int64_t *ret_newest)
{
	if (m->state != MIRROR_SYNCED || m->list_call || m->set.odd_full)
		return false;
	*ret_count = mirror_set_count(&m->set, ret_newest) + (m->found != NULL);
	if (m->found_mod > *ret_newest)
		*ret_newest = m->found_mod;
	return true;
}

static void on_audit(void *user, int status, const struct kv_result *res)
{
	struct mirror *m = user;
	int64_t newest = 0, theirs = 0;
	size_t count;

	m->audit_call = NULL;
	if (!m->closing && status == 0 && m->state == MIRROR_SYNCED && !m->list_call) {
		if (res->ops[0].n_entries > 0)
			theirs = res->ops[0].entries[0].mod_revision;
		if (!mirror_count(m, &count, &newest) ||
		    (newest == theirs && count == (size_t)res->ops[0].count)) {
			m->audit_suspect = false;
		} else if (!m->audit_suspect) {
			m->audit_suspect = true;
			audit_in(m, m->audit_ms < AUDIT_AGAIN_MS ? m->audit_ms : AUDIT_AGAIN_MS);
		} else {
			mirror_list(m);
		}
	}
	mirror_unref(m);
}

static void on_audit_timer(uv_timer_t *t)
{
	struct mirror *m = t->data;
	struct kv_range req = { .key = m->range_key,
				.range_end = m->range_end,
				.count_only = true };

	audit_in(m, m->audit_ms);
	if (m->list_call || m->audit_call || !m->link_up)
		return;
	/* Frozen: counts differ anyway, and a lost thaw would last for ever. */
	if (m->state == MIRROR_FROZEN) {
		mirror_list(m);
		return;
	}
	m->refs++;
	m->audit_call = kv_range(m->kv, &req, on_audit, m);
}

static bool is_own_newer(struct mirror *m, const struct kv_entry *ent, int64_t revision)
{
	struct mirror_own *o = m->own ? mirror_own_find(m, ent->key) : NULL;

	return o && o->revision > revision;
}

/* Records and deletions that this node has made after the list was taken. */
static void touch_own(struct mirror *m, int64_t revision)
{
	struct mirror_own *o, *next;

	HASH_ITER(hh, m->own, o, next) {
		struct model_key k;

		if (o->revision > revision && model_key_parse(m->prefix, o->key, &k, NULL) == 0)
			mirror_set_touch(&m->set, &k);
	}
}

/* Return: false when a record is older than the one known: the store's history is not the one we saw. */
static bool take_entries(struct mirror *m, const struct kv_op_result *op, int64_t revision,
			 enum mirror_verdict verdict, struct mirror_batch *b)
{
	bool forward = true;

	m->set.gen++;
	for (size_t i = 0; i < op->n_entries && !m->closing; i++) {
		const struct kv_entry *ent = &op->entries[i];

		if (strcmp(ent->key, m->cluster_key) == 0) {
			if (m->state != MIRROR_FROZEN)
				mirror_persist(m, ent->key, ent->value, ent->mod_revision);
			/* One that does not decode is odd, and was mentioned. */
			if (!m->found)
				mirror_set_odd(&m->set, ent->key, ent->mod_revision, NULL);
			continue;
		}
		if (is_own_newer(m, ent, revision))
			continue;
		if (!mirror_take(m, ent, verdict, b))
			forward = false;
	}
	touch_own(m, revision);
	return forward;
}

static void persist_deleted(struct mirror *m, const struct mirror_batch *b, size_t from)
{
	for (size_t i = from; i < b->n; i++) {
		const struct mirror_change *c = &b->v[i];
		char *key =
			c->kind == MODEL_NODE ? model_key_node(m->prefix, c->id) :
			c->kind == MODEL_NETWORK ?
						model_key_network(m->prefix, c->id) :
			c->kind == MODEL_ENDPOINT ?
						model_key_endpoint(m->prefix, c->network, c->id) :
			c->kind == MODEL_BINDING ? model_key_binding(m->prefix, c->network, c->id) :
						   NULL;

		if (key)
			mirror_persist(m, key, NULL, m->applied);
		free(key);
	}
}

static struct model_cluster *find_cluster(struct mirror *m, int64_t revision,
					  const struct kv_op_result *op, int64_t *ret_mod)
{
	struct kv_entry own = { .key = m->cluster_key };

	/* This node has written it since: an adoption, or the first start. */
	if (is_own_newer(m, &own, revision)) {
		*ret_mod = m->found_mod;
		return m->found ? mirror_guard_dup(m->found) : NULL;
	}
	for (size_t i = 0; i < op->n_entries; i++) {
		if (strcmp(op->entries[i].key, m->cluster_key) != 0)
			continue;
		*ret_mod = op->entries[i].mod_revision;
		return mirror_guard_decode(m, &op->entries[i]);
	}
	return NULL;
}

static void take_list(struct mirror *m, int64_t revision, const struct kv_op_result *op)
{
	struct model_cluster *found;
	struct mirror_batch b = { 0 };
	enum mirror_verdict verdict;
	int64_t found_mod = 0;
	char why[WHY_MAX];
	size_t n;

	/* The history that own writes belong to is gone. */
	if (revision < m->applied)
		mirror_own_purge(m, INT64_MAX);
	found = find_cluster(m, revision, op, &found_mod);
	verdict = mirror_guard_list(m, revision, found, found_mod, &b);
	if (!take_entries(m, op, revision, verdict, &b)) {
		mirror_guard_freeze(m, "etcd holds an older record than it did: restored or wiped");
		verdict = MIRROR_KEEP;
	}
	m->applied = revision;
	n = b.n;
	if (verdict != MIRROR_KEEP) {
		mirror_set_sweep(&m->set, &b);
		persist_deleted(m, &b, n);
	}
	mirror_own_purge(m, revision);
	if (!m->closing)
		mirror_watch_from(m, revision + 1);
	mirror_tell(m, &b);
	if (verdict == MIRROR_KEEP || m->closing)
		return;
	snprintf(why, sizeof(why), "listed %zu records at revision %" PRId64, op->n_entries,
		 revision);
	m->h.state(m->user, MIRROR_SYNCED, why);
}

static void on_list(void *user, int status, const struct kv_result *res)
{
	struct mirror *m = user;

	m->list_call = NULL;
	if (!m->closing && status == 0) {
		backoff_reset(&m->backoff);
		m->audit_suspect = false;
		take_list(m, res->revision, &res->ops[0]);
		if (!m->closing && m->list_again)
			mirror_list(m);
		else
			audit_in(m, m->audit_ms);
	} else if (!m->closing) {
		mirror_list_soon(m, backoff_next(&m->backoff));
		mirror_link_set(m, false, err_text(res->err));
	}
	mirror_unref(m);
}

void mirror_list(struct mirror *m)
{
	struct kv_range req = { .key = m->range_key, .range_end = m->range_end };

	if (m->closing)
		return;
	/* What is under way may have been read before the reason to ask again. */
	m->list_again = m->list_call != NULL;
	if (m->list_call)
		return;
	uv_timer_stop(&m->retry);
	mirror_watch_end(m);
	m->list_floor = m->seen;
	m->refs++;
	m->list_call = kv_range(m->kv, &req, on_list, m);
}

static void on_retry(uv_timer_t *t)
{
	mirror_list(t->data);
}

void mirror_list_soon(struct mirror *m, uint64_t delay_ms)
{
	if (!m->closing)
		uv_timer_start(&m->retry, on_retry, delay_ms, 0);
}
