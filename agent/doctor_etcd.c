/* SPDX-License-Identifier: GPL-2.0-or-later */
/* etcd: does it answer, is what is known of the cluster what it holds, and what did nobody take away? */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/doctor_priv.h"
#include "base/mem.h"

#define HEALTH_MAX 16
#define POOL_OLD_S 120 /* longer than the lease under which one is held */

struct etcd_look {
	struct doctor_deps d;
	struct kv_call *call;
	struct doctor_check *c; /* NULL: dropped */
};

/* ---- the link ---- */

static void look_link(const struct doctor_deps *d, struct doctor_check *c)
{
	struct kv_health v[HEALTH_MAX];
	size_t n = kv_health(d->kv, v, HEALTH_MAX);

	if (mirror_link_up(d->mirror))
		return;
	for (size_t i = 0; i < n; i++) {
		if (v[i].up)
			continue;
		doctor_find(c, "etcd at %s does not answer%s%s", v[i].endpoint,
			    v[i].last_error[0] ? ": " : "", v[i].last_error);
		doctor_cure(c,
			    "see to etcd there (`etcdctl endpoint health`); ovld goes on trying");
	}
	doctor_find(c,
		    "the link to etcd is down: nothing of the cluster can be changed, all goes on "
		    "forwarding");
	doctor_cure(c, "see to etcd (`etcdctl endpoint health`); ovld goes on trying");
}

static void look_state(const struct doctor_deps *d, struct doctor_check *c)
{
	switch (mirror_get_state(d->mirror)) {
	case MIRROR_SYNCED:
		return;
	case MIRROR_EMPTY:
		doctor_find(c, "nothing is known of the cluster yet");
		doctor_cure(c, "etcd has to be reached once");
		return;
	case MIRROR_SNAPSHOT:
		doctor_find(c, "what is known of the cluster is the last snapshot");
		doctor_cure(c, "etcd has to be reached");
		return;
	case MIRROR_FROZEN:
		doctor_find(c,
			    "etcd does not hold the cluster this node knows: nothing is deleted");
		doctor_cure(c, "bring etcd's own data back, or `ovlctl cluster adopt`: it puts the "
			       "networks back");
		return;
	}
}

/* ---- what is left behind ---- */

static void look_bindings(const struct doctor_deps *d, struct doctor_check *c)
{
	struct id self = node_id(d->node);
	struct mirror_network *net, *tmp;
	char hex[ID_SHORT_MAX];

	HASH_ITER(hh, mirror_networks(d->mirror), net, tmp) {
		_cleanup_free_ char *key = NULL;

		if (net->rec || !mirror_binding(d->mirror, net->id, self))
			continue;
		key = model_key_binding(d->config->etcd_prefix, net->id, self);
		doctor_find(c, "this node's Docker is bound to network %s, which does not exist",
			    id_short(net->id, hex));
		doctor_cure(c, "etcdctl del %s", key);
	}
}

/* Of nodes as well as networks: each key under which nothing can be any more. */
static void look_orphans(const struct doctor_deps *d, struct doctor_check *c)
{
	struct mirror_network *net, *tmp;
	char hex[ID_SHORT_MAX];

	HASH_ITER(hh, mirror_networks(d->mirror), net, tmp) {
		_cleanup_free_ char *dir = NULL;

		if (net->rec || net->n_endpoints == 0)
			continue;
		dir = model_key_dir(d->config->etcd_prefix, MODEL_ENDPOINT, &net->id);
		doctor_find(c, "there are endpoints of network %s, which does not exist",
			    id_short(net->id, hex));
		doctor_cure(c, "etcdctl del --prefix %s", dir);
	}
}

static void look_pool(struct etcd_look *l, const struct kv_entry *ent)
{
	struct model_pool *p = NULL;
	char text[PREFIX_TEXT_MAX];

	if (model_pool_decode(l->d.config->etcd_prefix, ent->key, ent->value, ent->value_len, &p,
			      NULL) < 0)
		return;
	if (id_eq(p->node, node_id(l->d.node)) && doctor_wall_age(p->created) > POOL_OLD_S) {
		doctor_find(l->c, "subnet %s is held for a Docker network that never came",
			    prefix_format(p->subnet, text));
		doctor_cure(l->c, "etcdctl del %s", ent->key);
	}
	model_pool_free(p);
}

/* ---- asked ---- */

static void drop(void *state)
{
	struct etcd_look *l = state;

	l->c = NULL;
	kv_cancel(l->d.kv, l->call);
}

static void finish(struct etcd_look *l)
{
	if (l->c)
		doctor_checked(l->c);
	free(l);
}

static void pools_came(void *user, int status, const struct kv_result *res)
{
	struct etcd_look *l = user;

	if (l->c && status < 0)
		doctor_skip(l->c, "%s", err_text(res->err));
	for (size_t i = 0; l->c && status == 0 && i < res->ops[0].n_entries; i++)
		look_pool(l, &res->ops[0].entries[i]);
	finish(l);
}

static void ask_pools(struct etcd_look *l)
{
	_cleanup_free_ char *dir = model_key_dir(l->d.config->etcd_prefix, MODEL_POOL, NULL);
	_cleanup_free_ char *end = kv_prefix_end(dir);
	struct kv_range req = { .key = dir, .range_end = end };

	l->call = kv_range(l->d.kv, &req, pools_came, l);
}

static void compare(struct etcd_look *l, const struct kv_op_result *op)
{
	int64_t ours = 0, theirs = op->n_entries > 0 ? op->entries[0].mod_revision : 0;
	size_t count = 0;

	if (!mirror_count(l->d.mirror, &count, &ours) ||
	    (count == (size_t)op->count && ours == theirs))
		return;
	doctor_find(l->c,
		    "etcd holds %" PRId64 " records, the newest of revision %" PRId64
		    "; known here are %zu, the newest of revision %" PRId64,
		    op->count, theirs, count, ours);
	doctor_cure(l->c, "ovld compares them itself every three minutes; at once: systemctl "
			  "restart ovld");
}

static void counted(void *user, int status, const struct kv_result *res)
{
	struct etcd_look *l = user;

	if (!l->c || status < 0) {
		if (l->c)
			doctor_skip(l->c, "%s", err_text(res->err));
		finish(l);
		return;
	}
	compare(l, &res->ops[0]);
	ask_pools(l);
}

void doctor_etcd(const struct doctor_deps *d, struct doctor_check *c)
{
	_cleanup_free_ char *key = NULL, *end = NULL;
	struct etcd_look *l;

	if (!d->kv) {
		doctor_skip(c, "no etcd is configured");
		doctor_checked(c);
		return;
	}
	look_link(d, c);
	look_state(d, c);
	if (!doctor_synced(d)) {
		doctor_checked(c);
		return;
	}
	look_bindings(d, c);
	look_orphans(d, c);
	l = mem_alloc(sizeof(*l));
	l->d = *d;
	l->c = c;
	doctor_keep(c, l, drop);
	model_mirror_range(d->config->etcd_prefix, &key, &end);

	struct kv_range req = { .key = key, .range_end = end, .count_only = true };

	l->call = kv_range(d->kv, &req, counted, l);
}
