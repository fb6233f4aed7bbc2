/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Freeze and thaw (DESIGN.md §4). The record `cluster` stands for the whole store: where it is missing, another, or of
 * another epoch, etcd was wiped or restored, and what it does not hold any more is no proof that it is gone.
 */
#include "store/mirror.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/mirror_priv.h"

#define WHY_MAX 256

struct model_cluster *mirror_guard_dup(const struct model_cluster *c)
{
	struct model_cluster *d = mem_dup(c, sizeof(*c));

	d->extra = c->extra ? cJSON_Duplicate(c->extra, 1) : NULL;
	return d;
}

static void in_force(struct mirror *m, const struct model_cluster *c, struct mirror_batch *b)
{
	struct model_cluster *before = m->cluster;

	m->cluster = c ? mirror_guard_dup(c) : NULL;
	if (c && (!before || !id_eq(before->id, c->id) || before->epoch != c->epoch))
		mirror_batch_add(b, &(struct mirror_change){ .kind = MODEL_CLUSTER, .id = c->id });
	model_cluster_free(before);
}

static void set_found(struct mirror *m, struct model_cluster *found, int64_t mod)
{
	model_cluster_free(m->found);
	m->found = found;
	m->found_mod = found ? mod : 0;
}

static void on_grace(uv_timer_t *t)
{
	struct mirror *m = t->data;

	m->grace_running = false;
	m->thaw_due = true;
	mirror_list(m);
}

/* Frozen: does etcd hold our cluster with a newer epoch? Then every node gets time to put its own endpoints again. */
static void consider_thaw(struct mirror *m)
{
	bool adopted = m->found && m->cluster && id_eq(m->found->id, m->cluster->id) &&
		       m->found->epoch > m->cluster->epoch;
	char why[WHY_MAX];

	if (!adopted) {
		m->grace_running = m->thaw_due = false;
		uv_timer_stop(&m->grace);
		return;
	}
	if (m->grace_running || m->thaw_due || m->closing)
		return;
	m->grace_running = true;
	uv_timer_start(&m->grace, on_grace, m->thaw_grace_ms, 0);
	snprintf(why, sizeof(why),
		 "cluster was adopted, epoch %" PRIu64 "; etcd's word counts again in %" PRIu32
		 " ms",
		 m->found->epoch, m->thaw_grace_ms);
	m->h.state(m->user, MIRROR_FROZEN, why);
}

void mirror_guard_freeze(struct mirror *m, const char *why)
{
	if (m->state == MIRROR_FROZEN)
		return;
	m->state = MIRROR_FROZEN;
	m->audit_suspect = false;
	m->h.state(m->user, MIRROR_FROZEN, why);
}

/* Why @m->found is not the cluster known, in words; NULL when it is. */
static const char *mismatch(const struct mirror *m, char why[WHY_MAX])
{
	char id[ID_SHORT_MAX];

	if (!m->found)
		return "the cluster record is missing in etcd";
	if (!id_eq(m->found->id, m->cluster->id)) {
		snprintf(why, WHY_MAX, "etcd holds another cluster, %s",
			 id_short(m->found->id, id));
		return why;
	}
	if (m->found->epoch != m->cluster->epoch) {
		snprintf(why, WHY_MAX, "the cluster's epoch went from %" PRIu64 " to %" PRIu64,
			 m->cluster->epoch, m->found->epoch);
		return why;
	}
	return NULL;
}

static enum mirror_verdict keep(struct mirror *m, const char *why)
{
	mirror_guard_freeze(m, why);
	consider_thaw(m);
	return MIRROR_KEEP;
}

enum mirror_verdict mirror_guard_list(struct mirror *m, int64_t revision,
				      struct model_cluster *found, int64_t found_mod,
				      struct mirror_batch *b)
{
	enum mirror_verdict verdict = MIRROR_TAKE;
	char buf[WHY_MAX];
	const char *why;

	set_found(m, found, found_mod);
	if (!m->cluster) {
		/* A first start: whatever is there is right, an empty etcd as well. */
		in_force(m, found, b);
		verdict = MIRROR_TAKE_ANEW;
	} else if (m->state == MIRROR_FROZEN || m->was_frozen) {
		if (m->thaw_due)
			consider_thaw(m);
		if (!m->thaw_due)
			return keep(m, "frozen since before the start");
		in_force(m, found, b);
		verdict = MIRROR_TAKE_ANEW;
	} else {
		if (revision < m->list_floor) {
			snprintf(buf, sizeof(buf),
				 "etcd's revision went back from %" PRId64 " to %" PRId64,
				 m->list_floor, revision);
			return keep(m, buf);
		}
		why = mismatch(m, buf);
		if (why)
			return keep(m, why);
	}
	m->seen = verdict == MIRROR_TAKE_ANEW || revision > m->seen ? revision : m->seen;
	m->was_frozen = m->thaw_due = false;
	m->state = MIRROR_SYNCED;
	return verdict;
}

struct model_cluster *mirror_guard_decode(struct mirror *m, const struct kv_entry *ent)
{
	struct model_cluster *c = NULL;
	struct err e = { 0 };

	if (model_cluster_decode(ent->key, ent->value, ent->value_len, &c, &e) == 0) {
		mirror_set_odd_del(&m->set, ent->key);
		return c;
	}
	if (mirror_set_odd(&m->set, ent->key, ent->mod_revision, NULL))
		m->h.bad_record(m->user, &e);
	return NULL;
}

void mirror_guard_put(struct mirror *m, const struct kv_entry *ent, struct mirror_batch *b)
{
	struct model_cluster *c = mirror_guard_decode(m, ent);
	char buf[WHY_MAX];
	const char *why;

	set_found(m, c, ent->mod_revision);
	if (!m->cluster && c)
		in_force(m, c, b);
	if (!m->cluster)
		return;
	why = mismatch(m, buf);
	if (why)
		mirror_guard_freeze(m, c ? why : "the cluster record does not decode");
	if (m->state == MIRROR_FROZEN)
		consider_thaw(m);
	else
		mirror_persist(m, ent->key, ent->value, ent->mod_revision);
}

void mirror_guard_delete(struct mirror *m, struct mirror_batch *b)
{
	(void)b;
	mirror_set_odd_del(&m->set, m->cluster_key);
	set_found(m, NULL, 0);
	if (!m->cluster)
		return;
	mirror_guard_freeze(m, "the cluster record was deleted in etcd");
	consider_thaw(m);
}
