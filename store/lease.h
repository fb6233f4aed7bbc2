/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease - keeps one lease alive: granted, or taken up from an earlier run, kept alive at a third of its TTL.
 *
 * Losing contact is no loss: it retries with back-off for as long as it takes; only etcd's own word that the lease is gone (-ENOENT) is.
 * Then `lost` is called and a new lease is granted, and `granted` with its id follows.
 */
#pragma once
#include <uv.h>
#include "store/kv.h"

struct lease;
struct lease_handlers {
	/* A lease stands. @fresh: newly granted (anything bound to an older one is gone or going). */
	void (*granted)(void *user, int64_t lease, bool fresh);
	void (*lost)(void *user, int64_t lease);
};
/** lease_new() - @known: lease id of an earlier run to take up, 0 for none; @ttl_s: asked for when granting. */
struct lease *lease_new(uv_loop_t *loop, struct kv *kv, int64_t ttl_s, int64_t known,
			const struct lease_handlers *h, void *user);
/** lease_id() - the lease in force, 0 while there is none. */
int64_t lease_id(const struct lease *l);
/** lease_left_ms() - milliseconds until it would expire as far as we know, 0 when unknown. */
uint64_t lease_left_ms(const struct lease *l, uint64_t now_ms);
/** lease_check() - somebody was told by etcd that it is gone: ask now, and not only when it is to be kept alive next. */
void lease_check(struct lease *l);
/** lease_close() - stops keeping alive; the lease itself stays in etcd until its TTL. No callback comes afterwards. */
void lease_close(struct lease *l);
