/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/claim.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"
#include "ipam/claim_op.h"

struct claim *claim_new(uv_loop_t *loop, struct kv *kv, const char *prefix, uint64_t seed)
{
	struct claim *c = mem_alloc(sizeof(*c));

	c->loop = loop;
	c->kv = kv;
	c->prefix = mem_strdup(prefix);
	c->seed = seed;
	c->deadline_ms = CLAIM_DEADLINE_MS;
	c->settle_min_ms = CLAIM_SETTLE_MIN_MS;
	c->refs = 1;
	return c;
}

void claim_unref(struct claim *c)
{
	if (--c->refs > 0)
		return;
	free(c->prefix);
	free(c);
}

static void net_free(struct claim_net *n)
{
	claim_cache_done(&n->cache);
	free(n->reserved);
	free(n);
}

/* A list under way ends first. */
static void net_forget(struct claim_net *n)
{
	DL_DELETE(n->claim->nets, n);
	if (n->call) {
		n->forgotten = true;
		kv_cancel(n->claim->kv, n->call);
	} else {
		net_free(n);
	}
}

void claim_close(struct claim *c)
{
	struct claim_op *op;
	struct claim_net *n, *next;

	if (!c)
		return;
	c->closed = true;
	DL_FOREACH_SAFE(c->nets, n, next) {
		net_forget(n);
	}
	DL_FOREACH(c->ops, op) {
		op->waiting = op->ready = false;
		if (op->call)
			kv_cancel(c->kv, op->call);
		else if (!op->ended)
			claim_op_pause(op, 0, op->step);
	}
	claim_unref(c);
}

struct claim_net *claim_net_find(const struct claim *c, struct id network)
{
	struct claim_net *n;

	DL_FOREACH(c->nets, n) {
		if (id_eq(n->id, network))
			return n;
	}
	return NULL;
}

struct claim_net *claim_net_get(struct claim *c, struct id network)
{
	struct claim_net *n = claim_net_find(c, network);

	if (n)
		return n;
	n = mem_alloc(sizeof(*n));
	n->claim = c;
	n->id = network;
	DL_APPEND(c->nets, n);
	return n;
}

static void take_list(struct claim_net *n, const struct kv_result *res)
{
	size_t entries = res->ops[0].n_entries, listed = 0;
	_cleanup_free_ struct claim_listed *v = mem_alloc_array(entries + 1, sizeof(*v));

	for (size_t i = 0; i < entries; i++) {
		const struct kv_entry *e = &res->ops[0].entries[i];
		struct model_key key;

		/* A key that is no address blocks none. */
		if (model_key_parse(n->claim->prefix, e->key, &key, NULL) < 0 ||
		    key.kind != MODEL_ADDRESS)
			continue;
		v[listed++] = (struct claim_listed){ .ip = key.ip,
						     .create_revision = e->create_revision };
	}
	claim_cache_fill(&n->cache, v, listed, res->revision);
}

static struct claim_op *first_ready(const struct claim *c)
{
	struct claim_op *op;

	DL_FOREACH(c->ops, op) {
		if (op->ready)
			return op;
	}
	return NULL;
}

/* Marked first, since a step may wait for the next list, and may end and free operations. */
static void wake(struct claim *c, struct id network, int status, const struct kv_result *res)
{
	struct claim_op *op;

	DL_FOREACH(c->ops, op) {
		if (op->waiting && id_eq(op->fill, network)) {
			op->waiting = false;
			op->ready = true;
		}
	}
	while ((op = first_ready(c))) {
		op->ready = false;
		op->writes = false;
		if (status == 0)
			op->step(op);
		else
			claim_op_lost(op, status, res, op->step);
	}
}

static void on_list(void *user, int status, const struct kv_result *res)
{
	struct claim_net *n = user;
	struct claim *c = n->claim;
	struct id id = n->id;

	n->call = NULL;
	if (n->forgotten) {
		net_free(n);
		/* Those that waited take a fresh cache and list again. */
		status = 0;
	} else if (status == 0) {
		take_list(n, res);
	}
	if (!c->closed)
		wake(c, id, status, res);
	claim_unref(c);
}

void claim_net_fill(struct claim_net *n)
{
	_cleanup_free_ char *dir = NULL, *end = NULL;

	if (n->call)
		return;
	dir = model_key_dir(n->claim->prefix, MODEL_ADDRESS, &n->id);
	end = kv_prefix_end(dir);
	n->claim->refs++;
	n->call = kv_range(n->claim->kv,
			   &(struct kv_range){ .key = dir, .range_end = end, .keys_only = true },
			   on_list, n);
}

void claim_forget_network(struct claim *c, struct id network)
{
	struct claim_net *n = claim_net_find(c, network);

	if (n)
		net_forget(n);
}

void claim_note(struct claim *c, struct id network, struct ip ip, bool used, int64_t revision)
{
	struct claim_net *n = claim_net_find(c, network);

	if (!n || !ip_is_set(ip))
		return;
	if (used)
		claim_cache_take(&n->cache, ip, revision, revision);
	else
		claim_cache_release(&n->cache, ip, revision, uv_now(c->loop), CLAIM_RECENT_MAX);
}
