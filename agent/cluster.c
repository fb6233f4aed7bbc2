/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "agent/sweep.h"
#include "base/log.h"
#include "base/mem.h"

struct adoption {
	struct cluster *c;
	cluster_done_fn done;
	void *user;
	unsigned pending, restored;
	struct model_cluster next;
	int status;
	struct err err;
};

struct cluster {
	struct kv *kv;
	struct mirror *mirror;
	struct local *local;
	char *prefix;
	struct model_cluster own; /* the record being made at the first start */
	bool creating;
	struct adoption *adoption;
};

struct cluster *cluster_new(struct kv *kv, struct mirror *mirror, struct local *local,
			    const char *prefix)
{
	struct cluster *c = mem_alloc(sizeof(*c));

	c->kv = kv;
	c->mirror = mirror;
	c->local = local;
	c->prefix = mem_strdup(prefix);
	return c;
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	free(c->prefix);
	free(c);
}

static void remember(struct cluster *c, const struct model_cluster *rec)
{
	char id[ID_TEXT_MAX], epoch[24];
	struct err e = { 0 };

	snprintf(epoch, sizeof(epoch), "%" PRIu64, rec->epoch);
	if (local_set(c->local, "cluster-id", id_format(rec->id, id), &e) < 0 ||
	    local_set(c->local, "cluster-epoch", epoch, &e) < 0)
		log_error("cannot remember the cluster's identity", "err=%s", LOG_Q(err_text(&e)));
}

static void created(void *user, int status, const struct kv_result *res)
{
	struct cluster *c = user;

	c->creating = false;
	if (status == -ECANCELED)
		return;
	if (status < 0) {
		log_warn("the cluster record could not be written; will retry at the next contact",
			 "err=%s", LOG_Q(err_text(res->err)));
		mirror_resync(c->mirror);
		return;
	}
	if (res->succeeded) {
		_cleanup_free_ char *key = model_key_cluster(c->prefix);
		_cleanup_free_ char *value = model_cluster_encode(&c->own);
		char id[ID_TEXT_MAX];

		log_info("new cluster", "id=%s prefix=%s", id_format(c->own.id, id), c->prefix);
		mirror_apply_own(c->mirror, key, value, res->revision);
		remember(c, &c->own);
	}
}

static void create(struct cluster *c)
{
	_cleanup_free_ char *key = model_key_cluster(c->prefix);
	_cleanup_free_ char *value = NULL;
	struct kv_compare cmp = { .key = key, .target = KV_TARGET_CREATE, .relation = KV_EQUAL };
	struct kv_op put = { .type = KV_OP_PUT, .key = key };
	struct kv_txn txn = { .compares = &cmp, .n_compares = 1, .then_ops = &put, .n_then = 1 };

	c->creating = true;
	c->own = (struct model_cluster){ .id = id_random(), .epoch = 1 };
	value = model_cluster_encode(&c->own);
	put.value = value;
	kv_txn(c->kv, &txn, created, c);
}

void cluster_mirror_state(struct cluster *c, enum mirror_state s)
{
	const struct model_cluster *rec = mirror_cluster(c->mirror);

	if (s != MIRROR_SYNCED)
		return;
	if (rec)
		remember(c, rec);
	else if (!c->creating)
		create(c);
}

/* ---- adopt ---- */

static void adoption_end(struct adoption *a, int status, const struct err *e)
{
	if (a->c)
		a->c->adoption = NULL;
	a->done(a->user, status, a->restored, e);
	free(a);
}

static void record_put(void *user, int status, const struct kv_result *res)
{
	adoption_end(user, status, res->err);
}

static void put_record(struct adoption *a)
{
	_cleanup_free_ char *key = model_key_cluster(a->c->prefix);
	_cleanup_free_ char *value = model_cluster_encode(&a->next);

	kv_put(a->c->kv, key, value, 0, record_put, a);
}

static void one_put(struct adoption *a, int status, const struct kv_result *res)
{
	if (status < 0 && a->status == 0) {
		a->status = status;
		a->err = *res->err;
	}
	if (--a->pending > 0)
		return;
	if (a->status < 0)
		adoption_end(a, a->status, &a->err);
	else
		put_record(a);
}

static void network_put(void *user, int status, const struct kv_result *res)
{
	struct adoption *a = user;

	if (status == 0 && res->succeeded)
		a->restored++;
	one_put(a, status, res);
}

static void binding_put(void *user, int status, const struct kv_result *res)
{
	one_put(user, status, res);
}

static void put_missing(struct adoption *a, const char *key, const char *value, kv_done_fn done)
{
	struct kv_compare cmp = { .key = key, .target = KV_TARGET_CREATE, .relation = KV_EQUAL };
	struct kv_op put = { .type = KV_OP_PUT, .key = key, .value = value };
	struct kv_txn txn = { .compares = &cmp, .n_compares = 1, .then_ops = &put, .n_then = 1 };

	a->pending++;
	kv_txn(a->c->kv, &txn, done, a);
}

/* With what each node's Docker calls it: without its API no node could say that anew. */
static void restore(struct adoption *a, const struct mirror_network *net)
{
	const char *prefix = a->c->prefix;
	_cleanup_free_ char *key = model_key_network(prefix, net->id);
	_cleanup_free_ char *value = model_network_encode(net->rec);
	struct mirror_binding *b, *tmp;

	put_missing(a, key, value, network_put);
	HASH_ITER(hh, net->bindings, b, tmp) {
		_cleanup_free_ char *bkey = model_key_binding(prefix, net->id, b->node);
		_cleanup_free_ char *bvalue = model_binding_encode(b->rec);

		put_missing(a, bkey, bvalue, binding_put);
	}
}

void cluster_adopt(struct cluster *c, cluster_done_fn done, void *user)
{
	const struct model_cluster *known = mirror_cluster(c->mirror),
				   *found = mirror_cluster_found(c->mirror);
	struct mirror_network *net, *tmp;
	struct adoption *a;
	struct err e = { 0 };

	if (mirror_get_state(c->mirror) != MIRROR_FROZEN || !known) {
		err_set(&e, -EALREADY, "nothing to adopt: etcd holds the cluster this node knows");
		done(user, -EALREADY, 0, &e);
		return;
	}
	if (c->adoption) {
		err_set(&e, -EBUSY, "an adoption is under way");
		done(user, -EBUSY, 0, &e);
		return;
	}
	a = mem_alloc(sizeof(*a));
	*a = (struct adoption){ .c = c,
				.done = done,
				.user = user,
				.next = { .id = known->id, .epoch = known->epoch } };
	if (found && found->epoch > a->next.epoch)
		a->next.epoch = found->epoch;
	a->next.epoch++;
	c->adoption = a;
	a->pending = 1; /* held until all are sent */
	HASH_ITER(hh, mirror_networks(c->mirror), net, tmp) {
		if (net->rec)
			restore(a, net);
	}
	if (--a->pending == 0)
		put_record(a);
}

/* ---- endpoints of nodes that are gone ---- */

struct release {
	cluster_done_fn done;
	void *user;
};

static void released(void *user, int status, const struct err *e)
{
	struct release *r = user;

	r->done(r->user, status, 0, e);
	free(r);
}

void cluster_release_endpoint(struct cluster *c, const struct model_endpoint *ep,
			      cluster_done_fn done, void *user)
{
	struct release *r = mem_alloc(sizeof(*r));

	*r = (struct release){ .done = done, .user = user };
	sweep_endpoint(c->kv, c->prefix, ep, released, r);
}
