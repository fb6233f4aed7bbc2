/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `ovlctl node rm`: another node is gone for good. */
#include <errno.h>
#include <string.h>

#include "agent/node_priv.h"
#include "agent/sweep.h"
#include "base/mem.h"

struct removal {
	struct node_deps *d;
	struct id other;
	char *name;
	unsigned pending;
	int status;
	struct err err;
	node_done_fn done;
	void *user;
};

static void finish(struct removal *r)
{
	if (--r->pending > 0)
		return;
	r->done(r->user, r->status, &r->err);
	free(r->name);
	free(r);
}

static void fail(struct removal *r, int status, const struct err *e)
{
	if (status < 0 && r->status == 0) {
		r->status = status;
		r->err = *e;
	}
}

static void swept(void *user, int status, const struct err *e)
{
	fail(user, status, e);
	finish(user);
}

static void unbound(void *user, int status, const struct kv_result *res)
{
	struct removal *r = user;

	fail(r, status, res->err);
	finish(r);
}

/* What its Docker called a network. */
static void unbind(struct removal *r, const struct mirror_network *net)
{
	_cleanup_free_ char *key = NULL;

	if (!mirror_binding(r->d->mirror, net->id, r->other))
		return;
	key = model_key_binding(r->d->config->etcd_prefix, net->id, r->other);
	r->pending++;
	kv_delete(r->d->kv, key, NULL, unbound, r);
}

/* What was not bound to the lease that has been revoked (an older one, or none). */
static void sweep_rest(struct removal *r)
{
	struct mirror_network *net, *tmp;
	struct mirror_endpoint *ep, *tmp_ep;

	HASH_ITER(hh, mirror_networks(r->d->mirror), net, tmp) {
		unbind(r, net);
		HASH_ITER(hh, net->endpoints, ep, tmp_ep) {
			if (!id_eq(ep->rec->node, r->other))
				continue;
			r->pending++;
			sweep_endpoint(r->d->kv, r->d->config->etcd_prefix, ep->rec, swept, r);
		}
	}
}

static void record_deleted(void *user, int status, const struct kv_result *res)
{
	struct removal *r = user;

	fail(r, status, res->err);
	if (status == 0 && !res->succeeded) {
		r->status = err_set(&r->err, -EBUSY, "node %s is alive", r->name);
	} else if (status == 0) {
		sweep_rest(r);
	}
	finish(r);
}

static void delete_record(struct removal *r)
{
	const char *prefix = r->d->config->etcd_prefix;
	_cleanup_free_ char *key = model_key_node(prefix, r->other),
			    *alive = model_key_alive(prefix, r->other);
	struct kv_compare cmp = { .key = alive, .target = KV_TARGET_CREATE, .relation = KV_EQUAL };
	struct kv_op op = { .type = KV_OP_DELETE, .key = key };
	struct kv_txn txn = { .compares = &cmp, .n_compares = 1, .then_ops = &op, .n_then = 1 };

	kv_txn(r->d->kv, &txn, record_deleted, r);
}

static void lease_revoked(void *user, int status, const struct kv_result *res)
{
	struct removal *r = user;

	if (status < 0 && status != -ENOENT) {
		fail(r, status, res->err);
		finish(r);
		return;
	}
	delete_record(r);
}

void node_remove(struct node *n, struct id other, node_done_fn done, void *user)
{
	struct node_deps *d = node_deps(n);
	struct mirror_node *node = mirror_node(d->mirror, other);
	struct removal *r;
	struct err e = { 0 };
	int status = 0;

	if (!d->kv)
		status = err_set(&e, -EINVAL, "this agent has no etcd (--etcd)");
	else if (!node || !node->rec)
		status = err_set(&e, -ENOENT, "node not found");
	else if (id_eq(other, node_id(n)))
		status = err_set(&e, -EBUSY, "node %s is this node", node->rec->name);
	else if (node->alive)
		status = err_set(&e, -EBUSY, "node %s is alive; stop its agent first",
				 node->rec->name);
	if (status < 0) {
		done(user, status, &e);
		return;
	}
	r = mem_alloc(sizeof(*r));
	*r = (struct removal){ .d = d,
			       .other = other,
			       .name = mem_strdup(node->rec->name),
			       .done = done,
			       .user = user };
	r->pending = 1;
	if (node->rec->address_lease)
		kv_lease_revoke(d->kv, node->rec->address_lease, lease_revoked, r);
	else
		delete_record(r);
}
