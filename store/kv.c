/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/kv.h"

#include <string.h>

#include "base/mem.h"

struct kv_call *kv_range(struct kv *kv, const struct kv_range *req, kv_done_fn done, void *user)
{
	return kv->ops->range(kv, req, done, user);
}

struct kv_call *kv_txn(struct kv *kv, const struct kv_txn *req, kv_done_fn done, void *user)
{
	return kv->ops->txn(kv, req, done, user);
}

struct kv_call *kv_put(struct kv *kv, const char *key, const char *value, int64_t lease,
		       kv_done_fn done, void *user)
{
	struct kv_op op = { .type = KV_OP_PUT, .key = key, .value = value, .lease = lease };
	struct kv_txn txn = { .then_ops = &op, .n_then = 1 };

	return kv_txn(kv, &txn, done, user);
}

struct kv_call *kv_delete(struct kv *kv, const char *key, const char *range_end, kv_done_fn done,
			  void *user)
{
	struct kv_op op = { .type = KV_OP_DELETE, .key = key, .range_end = range_end };
	struct kv_txn txn = { .then_ops = &op, .n_then = 1 };

	return kv_txn(kv, &txn, done, user);
}

struct kv_call *kv_lease_grant(struct kv *kv, int64_t ttl_s, kv_done_fn done, void *user)
{
	return kv->ops->lease_grant(kv, ttl_s, done, user);
}

struct kv_call *kv_lease_keepalive(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return kv->ops->lease_keepalive(kv, lease, done, user);
}

struct kv_call *kv_lease_revoke(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return kv->ops->lease_revoke(kv, lease, done, user);
}

struct kv_call *kv_lease_ttl(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return kv->ops->lease_ttl(kv, lease, done, user);
}

void kv_cancel(struct kv *kv, struct kv_call *call)
{
	if (call)
		kv->ops->cancel(call);
}

struct kv_watch *kv_watch_start(struct kv *kv, const char *key, const char *range_end,
				int64_t start_revision, const struct kv_watch_handlers *h,
				void *user)
{
	return kv->ops->watch(kv, key, range_end, start_revision, h, user);
}

void kv_watch_close(struct kv *kv, struct kv_watch *w)
{
	if (w)
		kv->ops->watch_close(w);
}

size_t kv_health(struct kv *kv, struct kv_health *ret, size_t max)
{
	return kv->ops->health(kv, ret, max);
}

char *kv_prefix_end(const char *prefix)
{
	char *end = mem_strdup(prefix);
	size_t len = strlen(end);

	/* The next text of the same length; bytes that cannot be raised fall away (etcd's clientv3.GetPrefixRangeEnd). */
	while (len > 0 && (unsigned char)end[len - 1] == 0xff)
		end[--len] = '\0';
	if (len > 0)
		end[len - 1] = (char)((unsigned char)end[len - 1] + 1);
	return end;
}
