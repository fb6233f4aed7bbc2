/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/mirror.h"

#include <string.h>

#include "base/mem.h"
#include "store/mirror_priv.h"

#define AUDIT_MS 180000
#define THAW_GRACE_MS 10000
/* Short at most: after an outage the mirror is right again within 2 s of etcd's return. */
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 1000

static void on_timer_closed(uv_handle_t *h)
{
	mirror_unref(h->data);
}

static void timer_init(struct mirror *m, uv_timer_t *t)
{
	uv_timer_init(m->loop, t);
	t->data = m;
	m->refs++;
}

struct mirror *mirror_new(uv_loop_t *loop, struct kv *kv, const struct mirror_config *c,
			  const struct mirror_handlers *h, void *user)
{
	struct mirror *m = mem_alloc(sizeof(*m));

	m->loop = loop;
	m->kv = kv;
	m->h = *h;
	m->user = user;
	m->prefix = mem_strdup(c->prefix);
	m->set.prefix = m->prefix;
	m->cluster_key = model_key_cluster(c->prefix);
	model_mirror_range(c->prefix, &m->range_key, &m->range_end);
	m->audit_ms = c->audit_ms ? c->audit_ms : AUDIT_MS;
	m->thaw_grace_ms = c->thaw_grace_ms ? c->thaw_grace_ms : THAW_GRACE_MS;
	if (!id_is_zero(c->cluster_id)) {
		m->cluster = mem_alloc(sizeof(*m->cluster));
		m->cluster->id = c->cluster_id;
		m->cluster->epoch = c->cluster_epoch;
		m->seen = c->seen_revision;
		m->was_frozen = c->was_frozen;
	}
	backoff_init(&m->backoff, RETRY_MIN_MS, RETRY_MAX_MS, uv_hrtime());
	timer_init(m, &m->retry);
	timer_init(m, &m->audit);
	timer_init(m, &m->grace);
	return m;
}

void mirror_unref(struct mirror *m)
{
	if (--m->refs > 0)
		return;
	mirror_set_done(&m->set);
	mirror_own_purge(m, INT64_MAX);
	model_cluster_free(m->cluster);
	model_cluster_free(m->found);
	free(m->prefix);
	free(m->range_key);
	free(m->range_end);
	free(m->cluster_key);
	free(m);
}

void mirror_close(struct mirror *m)
{
	if (!m || m->closing)
		return;
	m->closing = true;
	mirror_watch_end(m);
	kv_cancel(m->kv, m->list_call);
	kv_cancel(m->kv, m->audit_call);
	uv_close((uv_handle_t *)&m->retry, on_timer_closed);
	uv_close((uv_handle_t *)&m->audit, on_timer_closed);
	uv_close((uv_handle_t *)&m->grace, on_timer_closed);
}

void mirror_start(struct mirror *m)
{
	if (m->started)
		return;
	m->started = true;
	mirror_list(m);
}

void mirror_resync(struct mirror *m)
{
	/* By the timer: this may be called from a handler of the watch, which the list ends. */
	if (m->started)
		mirror_list_soon(m, 0);
}

/* ---- telling ---- */

void mirror_tell(struct mirror *m, struct mirror_batch *b)
{
	if (b->n > 0 && !m->closing)
		m->h.changed(m->user, b->v, b->n);
	mirror_batch_done(b);
}

void mirror_link_set(struct mirror *m, bool up, const char *why)
{
	if (m->closing || (m->link_told && m->link_up == up))
		return;
	m->link_told = true;
	m->link_up = up;
	m->h.link(m->user, up, why);
}

void mirror_persist(struct mirror *m, const char *key, const char *value, int64_t mod_revision)
{
	struct model_key k;

	if (!m->h.persist || m->closing || model_key_parse(m->prefix, key, &k, NULL) < 0)
		return;
	if (k.kind == MODEL_CLUSTER || k.kind == MODEL_NODE || k.kind == MODEL_NETWORK ||
	    k.kind == MODEL_ENDPOINT || k.kind == MODEL_BINDING)
		m->h.persist(m->user, key, value, mod_revision);
}

/* ---- own writes ---- */

struct mirror_own *mirror_own_find(struct mirror *m, const char *key)
{
	struct mirror_own *o;

	HASH_FIND_STR(m->own, key, o);
	return o;
}

void mirror_own_purge(struct mirror *m, int64_t revision)
{
	struct mirror_own *o = m->own, *next;

	/* Built anew from what stays: few, and usually none. */
	HASH_CLEAR(hh, m->own);
	for (; o; o = next) {
		next = o->hh.next;
		if (o->revision > revision) {
			HASH_ADD_KEYPTR(hh, m->own, o->key, strlen(o->key), o);
			continue;
		}
		free(o->key);
		free(o);
	}
}

static void own_add(struct mirror *m, const char *key, int64_t revision)
{
	struct mirror_own *o = mirror_own_find(m, key);

	if (!o) {
		o = mem_alloc(sizeof(*o));
		o->key = mem_strdup(key);
		HASH_ADD_KEYPTR(hh, m->own, o->key, strlen(o->key), o);
	}
	if (revision > o->revision)
		o->revision = revision;
}

/* ---- records ---- */

static void report(struct mirror *m, const struct kv_entry *ent, const struct model_key *k,
		   const struct err *e)
{
	if (mirror_set_odd(&m->set, ent->key, ent->mod_revision, k) && !m->closing)
		m->h.bad_record(m->user, e);
}

bool mirror_take(struct mirror *m, const struct kv_entry *ent, enum mirror_verdict verdict,
		 struct mirror_batch *b)
{
	struct err e = { 0 };
	struct model_key k;
	int64_t known;
	int r;

	if (model_key_parse(m->prefix, ent->key, &k, &e) < 0) {
		report(m, ent, NULL, &e);
		return true;
	}
	if (k.kind != MODEL_NODE && k.kind != MODEL_ALIVE && k.kind != MODEL_NETWORK &&
	    k.kind != MODEL_ENDPOINT && k.kind != MODEL_BINDING) {
		/* What later versions keep here: counted, and no fault. */
		mirror_set_odd(&m->set, ent->key, ent->mod_revision, NULL);
		return true;
	}
	known = verdict == MIRROR_TAKE ? mirror_set_mod(&m->set, &k) : 0;
	if (known != 0 && known == ent->mod_revision) {
		mirror_set_touch(&m->set, &k);
		return true;
	}
	r = mirror_set_put(&m->set, &k, ent, b, &e);
	if (r < 0)
		report(m, ent, &k, &e);
	else if ((r > 0 || verdict == MIRROR_TAKE_ANEW) && m->state != MIRROR_FROZEN)
		mirror_persist(m, ent->key, ent->value, ent->mod_revision);
	return known <= ent->mod_revision;
}

static void take_delete(struct mirror *m, const struct kv_entry *ent, struct mirror_batch *b)
{
	struct model_key k;

	/* What is frozen stays; that the key is gone is found again by the list that thaws. */
	mirror_set_odd_del(&m->set, ent->key);
	if (m->state == MIRROR_FROZEN || model_key_parse(m->prefix, ent->key, &k, NULL) < 0)
		return;
	if (mirror_set_del(&m->set, &k, b))
		mirror_persist(m, ent->key, NULL, ent->mod_revision);
}

static bool is_echo(struct mirror *m, const struct kv_entry *ent)
{
	struct mirror_own *o = m->own ? mirror_own_find(m, ent->key) : NULL;

	return o && ent->mod_revision <= o->revision;
}

/* ---- watch ---- */

static void take_event(struct mirror *m, const struct kv_event *ev, bool cluster,
		       struct mirror_batch *b)
{
	if ((strcmp(ev->entry.key, m->cluster_key) == 0) != cluster || is_echo(m, &ev->entry))
		return;
	if (cluster && ev->type == KV_EVENT_PUT)
		mirror_guard_put(m, &ev->entry, b);
	else if (cluster)
		mirror_guard_delete(m, b);
	else if (ev->type == KV_EVENT_PUT)
		mirror_take(m, &ev->entry, MIRROR_KEEP, b);
	else
		take_delete(m, &ev->entry, b);
}

static void on_events(void *user, int64_t revision, const struct kv_event *ev, size_t n)
{
	struct mirror *m = user;
	struct mirror_batch b = { 0 };

	/* The cluster record first: a batch that deletes it must not delete anything else. */
	for (size_t i = 0; i < n; i++)
		take_event(m, &ev[i], true, &b);
	for (size_t i = 0; i < n; i++) {
		take_event(m, &ev[i], false, &b);
		if (ev[i].entry.mod_revision > m->applied)
			m->applied = ev[i].entry.mod_revision;
	}
	if (m->state != MIRROR_FROZEN && revision > m->seen)
		m->seen = revision;
	if (m->own)
		mirror_own_purge(m, m->applied);
	mirror_tell(m, &b);
}

static void on_watch_state(void *user, enum kv_watch_state state, const char *why)
{
	struct mirror *m = user;

	switch (state) {
	case KV_WATCH_LIVE:
		mirror_link_set(m, true, why);
		break;
	case KV_WATCH_DOWN:
		mirror_link_set(m, false, why);
		break;
	case KV_WATCH_REWOUND:
		mirror_own_purge(m, INT64_MAX);
		m->applied = 0;
		if (m->cluster)
			mirror_guard_freeze(m, why);
		mirror_list_soon(m, 0);
		break;
	case KV_WATCH_COMPACTED:
		/* By the timer: the list ends this watch, which is still on the stack. */
		mirror_list_soon(m, 0);
		break;
	}
}

void mirror_watch_from(struct mirror *m, int64_t revision)
{
	static const struct kv_watch_handlers handlers = { on_events, on_watch_state };

	mirror_watch_end(m);
	m->watch = kv_watch_start(m->kv, m->range_key, m->range_end, revision, &handlers, m);
}

void mirror_watch_end(struct mirror *m)
{
	if (m->watch)
		kv_watch_close(m->kv, m->watch);
	m->watch = NULL;
}

/* ---- from the node: its snapshot, its own writes ---- */

void mirror_load(struct mirror *m, const char *key, const char *value, size_t len,
		 int64_t mod_revision)
{
	struct kv_entry ent = {
		.key = key, .value = value, .value_len = len, .mod_revision = mod_revision
	};
	struct mirror_batch b = { 0 };
	struct model_key k;

	m->state = MIRROR_SNAPSHOT;
	if (model_key_parse(m->prefix, key, &k, NULL) < 0)
		return;
	if (k.kind == MODEL_CLUSTER && !m->cluster)
		model_cluster_decode(key, value, len, &m->cluster, NULL);
	else
		mirror_set_put(&m->set, &k, &ent, &b, NULL);
	mirror_batch_done(&b);
}

void mirror_apply_own(struct mirror *m, const char *key, const char *value, int64_t revision)
{
	struct kv_entry ent = { .key = key,
				.value = value ? value : "",
				.value_len = value ? strlen(value) : 0,
				.mod_revision = revision };
	struct mirror_batch b = { 0 };
	struct model_key k;

	/* The watch may have been faster, and may have brought what came after this. */
	if (revision <= m->applied || strcmp(key, m->range_key) < 0 ||
	    strcmp(key, m->range_end) >= 0)
		return;
	own_add(m, key, revision);
	if (m->state != MIRROR_FROZEN && revision > m->seen)
		m->seen = revision;
	if (strcmp(key, m->cluster_key) == 0) {
		if (value)
			mirror_guard_put(m, &ent, &b);
		else
			mirror_guard_delete(m, &b);
	} else if (value) {
		mirror_take(m, &ent, MIRROR_KEEP, &b);
	} else if (model_key_parse(m->prefix, key, &k, NULL) == 0) {
		mirror_set_odd_del(&m->set, key);
		if (mirror_set_del(&m->set, &k, &b))
			mirror_persist(m, key, NULL, revision);
	}
	mirror_tell(m, &b);
}

/* ---- reading ---- */

enum mirror_state mirror_get_state(const struct mirror *m)
{
	return m->state;
}

bool mirror_link_up(const struct mirror *m)
{
	return m->link_up;
}

int64_t mirror_revision(const struct mirror *m)
{
	return m->seen;
}

const struct model_cluster *mirror_cluster(const struct mirror *m)
{
	return m->cluster;
}

const struct model_cluster *mirror_cluster_found(const struct mirror *m)
{
	return m->found;
}

struct mirror_node *mirror_nodes(struct mirror *m)
{
	return m->set.nodes;
}

struct mirror_network *mirror_networks(struct mirror *m)
{
	return m->set.networks;
}

struct mirror_node *mirror_node(struct mirror *m, struct id id)
{
	struct mirror_node *n;

	HASH_FIND(hh, m->set.nodes, &id, sizeof(id), n);
	return n;
}

struct mirror_node *mirror_node_by_name(struct mirror *m, const char *name)
{
	struct mirror_node *n;

	for (n = m->set.nodes; n && strcmp(n->rec->name, name) != 0; n = n->hh.next)
		;
	return n;
}

struct mirror_network *mirror_network(struct mirror *m, struct id id)
{
	struct mirror_network *n;

	HASH_FIND(hh, m->set.networks, &id, sizeof(id), n);
	return n;
}

struct mirror_network *mirror_network_by_name(struct mirror *m, const char *name)
{
	struct mirror_network *n;

	for (n = m->set.networks; n; n = n->hh.next) {
		if (n->rec && strcmp(n->rec->name, name) == 0)
			return n;
	}
	return NULL;
}

struct mirror_endpoint *mirror_endpoint(struct mirror *m, struct id network, struct id endpoint)
{
	struct mirror_network *n = mirror_network(m, network);
	struct mirror_endpoint *ep = NULL;

	if (n)
		HASH_FIND(hh, n->endpoints, &endpoint, sizeof(endpoint), ep);
	return ep;
}

struct mirror_binding *mirror_binding(struct mirror *m, struct id network, struct id node)
{
	return mirror_binding_find(mirror_network(m, network), node);
}
