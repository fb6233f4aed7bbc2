/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Subnets held for networks to come: in etcd under short leases, and known here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "agent/docker/docker_priv.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct docker_pool *docker_pool_add(struct docker *d, const struct model_pool *p, int64_t lease)
{
	struct docker_pool *pool = mem_alloc(sizeof(*pool));

	*pool = (struct docker_pool){ .id = p->id,
				      .subnet = p->subnet,
				      .range = p->range,
				      .lease = lease,
				      .until_ms = clock_boot_ms() + DOCKER_POOL_TTL_S * 1000 };
	DL_APPEND(d->pools, pool);
	return pool;
}

static void drop(struct docker *d, struct docker_pool *p)
{
	DL_DELETE(d->pools, p);
	free(p);
}

struct docker_pool *docker_pool_find(struct docker *d, struct prefix subnet)
{
	struct docker_pool *p, *next;
	uint64_t now = clock_boot_ms();

	DL_FOREACH_SAFE(d->pools, p, next) {
		if (now >= p->until_ms)
			drop(d, p);
		else if (prefix_eq(p->subnet, subnet))
			return p;
	}
	return NULL;
}

/* ---- leases ---- */

static void revoked(void *user, int status, const struct kv_result *res)
{
	(void)status; /* it ends by itself */
	(void)res;
	docker_unref(user);
}

void docker_lease_revoke(struct docker *d, int64_t lease)
{
	if (lease == 0 || d->closing)
		return;
	docker_ref(d);
	kv_lease_revoke(d->d.kv, lease, revoked, d);
}

void docker_pool_forget(struct docker *d, struct docker_pool *p)
{
	docker_lease_revoke(d, p->lease);
	drop(d, p);
}

/* ---- of an earlier run ---- */

static void take(struct docker *d, const struct kv_entry *en)
{
	struct model_pool *p;
	struct err e = { 0 };

	if (model_pool_decode(d->d.config->etcd_prefix, en->key, en->value, en->value_len, &p, &e) <
	    0) {
		log_warn("a record in etcd cannot be used; skipped", "err=%s", LOG_Q(err_text(&e)));
		return;
	}
	if (id_eq(p->node, docker_self(d)) && !docker_pool_find(d, p->subnet))
		docker_pool_add(d, p, en->lease);
	model_pool_free(p);
}

static void pools_read(void *user, int status, const struct kv_result *res)
{
	struct docker *d = user;

	d->pools_reading = false;
	if (status == 0 && !d->closing) {
		for (size_t i = 0; i < res->ops[0].n_entries; i++)
			take(d, &res->ops[0].entries[i]);
		d->pools_read = true;
	}
	docker_unref(d);
}

void docker_pools_read(struct docker *d)
{
	_cleanup_free_ char *dir = NULL, *end = NULL;
	struct kv_range range;

	if (d->pools_read || d->pools_reading)
		return;
	dir = model_key_dir(d->d.config->etcd_prefix, MODEL_POOL, NULL);
	end = kv_prefix_end(dir);
	range = (struct kv_range){ .key = dir, .range_end = end };
	d->pools_reading = true;
	docker_ref(d);
	kv_range(d->d.kv, &range, pools_read, d);
}

void docker_pools_done(struct docker *d)
{
	while (d->pools)
		drop(d, d->pools);
}
