/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/node_priv.h"
#include "agent/vtep.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/lease.h"

#define NODE_VTEP_RETRY_MS 1000
#define NODE_WRITE_RETRY_MIN_MS 50
#define NODE_WRITE_RETRY_MAX_MS 5000

struct node {
	struct node_deps d;
	struct node_handlers h;
	void *user;
	struct id id;
	struct ip vtep;
	uint32_t mtu;
	char started[CLOCK_TEXT_MAX];
	struct lease *liveness, *address;
	uv_timer_t vtep_timer, write_timer;
	unsigned timers; /* open handles; freed at 0 */
	struct backoff backoff;
	struct log_limit vtep_limit, write_limit;
	bool mirror_ready; /* the mirror has spoken: the name can be checked */
	bool record_due, alive_due, name_refused;
	struct kv_call *record_call, *alive_call;
	char *record_value; /* being written */
	bool closing;
};

struct id node_id(const struct node *n)
{
	return n->id;
}

struct ip node_vtep(const struct node *n)
{
	return n->vtep;
}

struct node_deps *node_deps(struct node *n)
{
	return &n->d;
}

uint32_t node_mtu(const struct node *n)
{
	return n->mtu;
}

int64_t node_address_lease(const struct node *n)
{
	return n->address ? lease_id(n->address) : 0;
}

void node_lease_check(struct node *n)
{
	if (n->address)
		lease_check(n->address);
}

int node_find(struct mirror *m, const char *ref, struct mirror_node **ret, struct err *e)
{
	struct mirror_node *node, *tmp, *found = NULL;
	struct id id;

	if (id_parse(ref, &id) == 0 && (node = mirror_node(m, id))) {
		*ret = node;
		return 0;
	}
	node = mirror_node_by_name(m, ref);
	if (node) {
		*ret = node;
		return 0;
	}
	HASH_ITER(hh, mirror_nodes(m), node, tmp) {
		if (!node->rec || !id_has_prefix(node->rec->id, ref))
			continue;
		if (found)
			return err_set(e, -EEXIST,
				       "node %s is ambiguous: several ids begin with it", ref);
		found = node;
	}
	if (!found)
		return err_set(e, -ENOENT, "node %s not found", ref);
	*ret = found;
	return 0;
}

/* ---- the record ---- */

static void write_later(struct node *n);
static void write_due(struct node *n);

static struct mirror_node *name_holder(struct node *n)
{
	struct mirror_node *node, *tmp;

	HASH_ITER(hh, mirror_nodes(n->d.mirror), node, tmp) {
		if (node->rec && !id_eq(node->rec->id, n->id) &&
		    strcmp(node->rec->name, n->d.config->name) == 0)
			return node;
	}
	return NULL;
}

static char *make_record(struct node *n)
{
	struct mirror_node *mine = mirror_node(n->d.mirror, n->id);
	struct model_node rec = {
		.id = n->id,
		.name = n->d.config->name,
		.vtep = n->vtep,
		.mtu = n->mtu,
		.address_lease = node_address_lease(n),
		.boot_id = (char *)n->d.boot_id,
		.version = (char *)n->d.version,
		.format = MODEL_FORMAT,
		.extra = mine && mine->rec ? mine->rec->extra : NULL,
	};

	return model_node_encode(&rec);
}

static void record_written(void *user, int status, const struct kv_result *res)
{
	struct node *n = user;
	_cleanup_free_ char *value = TAKE_PTR(n->record_value);

	n->record_call = NULL;
	if (n->closing || status == -ECANCELED)
		return;
	if (status == 0 && res->succeeded) {
		_cleanup_free_ char *key = model_key_node(n->d.config->etcd_prefix, n->id);

		backoff_reset(&n->backoff);
		mirror_apply_own(n->d.mirror, key, value, res->revision);
		write_due(n); /* a change that came meanwhile */
		return;
	}
	/* Lost the race over the names, or no contact: look again. */
	n->record_due = true;
	write_later(n);
}

static void revoked(void *user, int status, const struct kv_result *res)
{
	(void)user;
	if (status < 0 && status != -ENOENT && status != -ECANCELED)
		log_warn("the former node's address lease could not be revoked; it ends by itself",
			 "err=%s", LOG_Q(err_text(res->err)));
}

static void unbound(void *user, int status, const struct kv_result *res)
{
	(void)user;
	if (status < 0 && status != -ECANCELED)
		log_warn("what the former node's Docker called a network could not be removed",
			 "err=%s", LOG_Q(err_text(res->err)));
}

/* With its record goes the last that would lead to them. */
static void drop_bindings(struct node *n, struct id other)
{
	struct mirror_network *net, *tmp;

	HASH_ITER(hh, mirror_networks(n->d.mirror), net, tmp) {
		_cleanup_free_ char *key = NULL;

		if (!mirror_binding(n->d.mirror, net->id, other))
			continue;
		key = model_key_binding(n->d.config->etcd_prefix, net->id, other);
		kv_delete(n->d.kv, key, NULL, unbound, NULL);
	}
}

static void takeover(struct node *n, const struct model_node *other)
{
	char mine[ID_TEXT_MAX], theirs[ID_TEXT_MAX];

	log_warn("taking the node name over", "name=%s from=%s id=%s", other->name,
		 id_format(other->id, theirs), id_format(n->id, mine));
	if (other->address_lease)
		kv_lease_revoke(n->d.kv, other->address_lease, revoked, NULL);
	drop_bindings(n, other->id);
}

/* Record and name in one transaction: it fails when any node record changed since our picture of them. */
static void write_record(struct node *n)
{
	const char *prefix = n->d.config->etcd_prefix;
	_cleanup_free_ char *key = model_key_node(prefix, n->id),
			    *dir = model_key_dir(prefix, MODEL_NODE, NULL);
	_cleanup_free_ char *end = kv_prefix_end(dir), *other_key = NULL;
	struct mirror_node *mine = mirror_node(n->d.mirror, n->id), *holder = name_holder(n);
	struct kv_compare cmp = { .key = dir,
				  .range_end = end,
				  .target = KV_TARGET_MOD,
				  .relation = KV_LESS,
				  .revision = mirror_revision(n->d.mirror) + 1 };
	struct kv_op ops[2] = { { .type = KV_OP_PUT, .key = key } };
	struct kv_txn txn = { .compares = &cmp, .n_compares = 1, .then_ops = ops, .n_then = 1 };

	if (holder && !n->d.config->takeover) {
		char a[ID_TEXT_MAX], b[ID_TEXT_MAX], va[IP_TEXT_MAX], vb[IP_TEXT_MAX];
		struct err e = { 0 };

		err_set(&e, -EEXIST,
			"node name \"%s\" is in use: by id %s (vtep %s); this node is id %s (vtep %s); remove the other with "
			"`ovlctl node rm`, choose another --name, or start with --takeover",
			n->d.config->name, id_format(holder->rec->id, a),
			ip_format(holder->rec->vtep, va), id_format(n->id, b),
			ip_format(n->vtep, vb));
		n->name_refused = true;
		n->h.problem(n->user, NODE_NAME_TAKEN, &e);
		return;
	}
	if (holder) {
		takeover(n, holder->rec);
		other_key = model_key_node(prefix, holder->rec->id);
		ops[1] = (struct kv_op){ .type = KV_OP_DELETE, .key = other_key };
		txn.n_then = 2;
	}
	if (mine && mine->rec && strcmp(mine->rec->name, n->d.config->name) == 0)
		txn.n_compares = 0; /* the name is ours already: nothing to race for */
	n->record_value = make_record(n);
	ops[0].value = n->record_value;
	n->record_due = false;
	n->record_call = kv_txn(n->d.kv, &txn, record_written, n);
}

static void alive_written(void *user, int status, const struct kv_result *res)
{
	struct node *n = user;

	n->alive_call = NULL;
	if (n->closing || status == -ECANCELED || status == 0)
		return;
	unsigned kept;
	if (log_limit_pass(&n->write_limit, clock_boot_ms(), 10000, &kept))
		log_warn("liveness could not be written; will retry", "err=%s suppressed=%u",
			 LOG_Q(err_text(res->err)), kept);
	n->alive_due = true;
	write_later(n);
}

static void write_alive(struct node *n)
{
	_cleanup_free_ char *key = model_key_alive(n->d.config->etcd_prefix, n->id);
	_cleanup_free_ char *value = mem_printf("{\"started\":\"%s\"}", n->started);

	n->alive_due = false;
	n->alive_call = kv_put(n->d.kv, key, value, lease_id(n->liveness), alive_written, n);
}

static bool record_differs(struct node *n)
{
	struct mirror_node *mine = mirror_node(n->d.mirror, n->id);
	const struct model_node *r = mine ? mine->rec : NULL;

	return !r || strcmp(r->name, n->d.config->name) != 0 || !ip_eq(r->vtep, n->vtep) ||
	       r->mtu != n->mtu || r->address_lease != node_address_lease(n) || !r->boot_id ||
	       strcmp(r->boot_id, n->d.boot_id) != 0 || !r->version ||
	       strcmp(r->version, n->d.version) != 0 || r->format != MODEL_FORMAT;
}

/* Write what is due and can be written now; everything else waits for its event. */
static void write_due(struct node *n)
{
	if (n->closing || n->name_refused || !n->d.kv)
		return;
	if (n->alive_due && !n->alive_call && lease_id(n->liveness))
		write_alive(n);
	if (n->record_due && !n->record_call && n->mirror_ready && ip_is_set(n->vtep) &&
	    node_address_lease(n))
		write_record(n);
}

static void write_timer_cb(uv_timer_t *t)
{
	write_due(t->data);
}

static void write_later(struct node *n)
{
	if (!n->closing && !uv_is_active((uv_handle_t *)&n->write_timer))
		uv_timer_start(&n->write_timer, write_timer_cb, backoff_next(&n->backoff), 0);
}

void node_mirror_ready(struct node *n)
{
	n->mirror_ready = true;
	if (record_differs(n))
		n->record_due = true;
	write_due(n);
}

void node_republish(struct node *n)
{
	n->mirror_ready = true;
	n->record_due = n->alive_due = true;
	write_due(n);
}

void node_record_changed(struct node *n)
{
	struct mirror_node *mine = mirror_node(n->d.mirror, n->id);

	if (record_differs(n))
		n->record_due = true;
	if (!mine || !mine->alive)
		n->alive_due = true;
	write_due(n);
}

/* ---- leases ---- */

static void remember_lease(struct node *n, const char *name, int64_t lease)
{
	char text[24];
	struct err e = { 0 };

	snprintf(text, sizeof(text), "%" PRId64, lease);
	if (local_set(n->d.local, name, text, &e) < 0)
		log_error("cannot remember a lease", "name=%s err=%s", name, LOG_Q(err_text(&e)));
}

static int64_t recall_lease(struct node *n, const char *name)
{
	_cleanup_free_ char *text = NULL;

	return local_get(n->d.local, name, &text) == 0 ? strtoll(text, NULL, 10) : 0;
}

static void liveness_granted(void *user, int64_t lease, bool fresh)
{
	struct node *n = user;

	(void)fresh;
	remember_lease(n, "liveness-lease", lease);
	n->alive_due = true;
	write_due(n);
}

static void liveness_lost(void *user, int64_t lease)
{
	(void)user;
	log_warn("this node counted as down: its liveness lease had ended; a new one is taken",
		 "lease=%" PRId64, lease);
}

static void address_granted(void *user, int64_t lease, bool fresh)
{
	struct node *n = user;

	remember_lease(n, "address-lease", lease);
	n->record_due = n->record_due || record_differs(n);
	n->h.lease(n->user, lease, fresh);
	write_due(n);
}

static void address_lost(void *user, int64_t lease)
{
	(void)user;
	log_warn("the address lease is gone; own addresses are claimed again where they are free",
		 "lease=%" PRId64, lease);
}

static void start_leases(struct node *n)
{
	static const struct lease_handlers liveness = { .granted = liveness_granted,
							.lost = liveness_lost };
	static const struct lease_handlers address = { .granted = address_granted,
						       .lost = address_lost };

	n->liveness = lease_new(n->d.loop, n->d.kv, n->d.config->liveness_ttl_s,
				recall_lease(n, "liveness-lease"), &liveness, n);
	n->address = lease_new(n->d.loop, n->d.kv, n->d.config->address_ttl_s,
			       recall_lease(n, "address-lease"), &address, n);
}

/* ---- the VTEP ---- */

static void choose_vtep(struct node *n)
{
	char text[IP_TEXT_MAX];
	struct err e = { 0 };
	struct ip vtep;
	uint32_t mtu;
	unsigned kept;

	if (vtep_choose(n->d.kernel, n->d.config, &vtep, &mtu, &e) < 0) {
		/* Alone, nobody has to reach us. */
		if (n->d.config->etcd.n > 0 &&
		    log_limit_pass(&n->vtep_limit, clock_boot_ms(), 30000, &kept))
			log_warn("no VTEP address; will retry", "err=%s", LOG_Q(e.text));
		return;
	}
	uv_timer_stop(&n->vtep_timer);
	if (ip_eq(vtep, n->vtep) && mtu == n->mtu)
		return;
	n->vtep = vtep;
	n->mtu = mtu;
	log_info("VTEP chosen", "vtep=%s underlay_mtu=%u", ip_format(vtep, text), mtu);
	n->record_due = true;
	n->h.vtep(n->user, vtep, mtu);
	write_due(n);
}

static void vtep_timer_cb(uv_timer_t *t)
{
	choose_vtep(t->data);
}

void node_underlay_changed(struct node *n)
{
	if (n->closing)
		return;
	uv_timer_start(&n->vtep_timer, vtep_timer_cb, NODE_VTEP_RETRY_MS, NODE_VTEP_RETRY_MS);
	choose_vtep(n);
}

/* ---- life ---- */

static int load_identity(struct node *n, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char id[ID_TEXT_MAX];

	if (local_get(n->d.local, "node-id", &text) == 0) {
		if (id_parse(text, &n->id) == 0)
			return 0;
		return err_set(e, -EINVAL, "state: the node id \"%s\" is damaged", text);
	}
	n->id = id_random();
	return local_set(n->d.local, "node-id", id_format(n->id, id), e);
}

int node_new(const struct node_deps *d, const struct node_handlers *h, void *user,
	     struct node **ret, struct err *e)
{
	struct node *n = mem_alloc(sizeof(*n));
	uint64_t seed;
	int r;

	n->d = *d;
	n->h = *h;
	n->user = user;
	r = load_identity(n, e);
	if (r < 0) {
		free(n);
		return r;
	}
	memcpy(&seed, n->id.b, sizeof(seed));
	backoff_init(&n->backoff, NODE_WRITE_RETRY_MIN_MS, NODE_WRITE_RETRY_MAX_MS, seed);
	clock_wall_text(n->started);
	uv_timer_init(d->loop, &n->vtep_timer);
	uv_timer_init(d->loop, &n->write_timer);
	n->vtep_timer.data = n->write_timer.data = n;
	n->timers = 2;
	*ret = n;
	return 0;
}

void node_start(struct node *n)
{
	node_underlay_changed(n);
	if (n->d.kv)
		start_leases(n);
}

static void timer_closed(uv_handle_t *h)
{
	struct node *n = h->data;

	if (--n->timers > 0)
		return;
	free(n->record_value);
	free(n);
}

void node_close(struct node *n)
{
	if (!n)
		return;
	n->closing = true;
	if (n->liveness)
		lease_close(n->liveness);
	if (n->address)
		lease_close(n->address);
	n->liveness = n->address = NULL;
	uv_close((uv_handle_t *)&n->vtep_timer, timer_closed);
	uv_close((uv_handle_t *)&n->write_timer, timer_closed);
}
