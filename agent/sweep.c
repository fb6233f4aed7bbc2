/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sweep.h"

#include "base/mem.h"

#define SWEEP_KEYS_MAX 3 /* endpoint, IPv4 and IPv6 address */

struct sweep {
	struct kv *kv;
	char *keys[SWEEP_KEYS_MAX];
	size_t n_keys;
	int64_t revision;
	size_t next; /* key of the second round */
	int status; /* first failure */
	struct err err;
	sweep_done_fn done;
	void *user;
};

static void finish(struct sweep *s, int status, const struct err *e)
{
	s->done(s->user, status, e);
	for (size_t i = 0; i < s->n_keys; i++)
		free(s->keys[i]);
	free(s);
}

static void one_done(void *user, int status, const struct kv_result *res);

/* Second round, when not all keys are as one transaction made them: each by itself, if it still is. */
static void next_key(struct sweep *s)
{
	struct kv_compare cmp = { .target = KV_TARGET_MOD,
				  .relation = KV_EQUAL,
				  .revision = s->revision };
	struct kv_op op = { .type = KV_OP_DELETE };
	struct kv_txn txn = { .compares = &cmp, .n_compares = 1, .then_ops = &op, .n_then = 1 };

	if (s->next == s->n_keys) {
		finish(s, s->status, &s->err);
		return;
	}
	cmp.key = op.key = s->keys[s->next];
	if (s->next == 0)
		txn.n_compares = 0; /* the endpoint itself goes in any case */
	s->next++;
	kv_txn(s->kv, &txn, one_done, s);
}

static void one_done(void *user, int status, const struct kv_result *res)
{
	struct sweep *s = user;

	if (status < 0) {
		s->status = status;
		s->err = *res->err;
		s->next = s->n_keys;
	}
	next_key(s);
}

static void all_done(void *user, int status, const struct kv_result *res)
{
	struct sweep *s = user;

	if (status < 0 || res->succeeded)
		finish(s, status, res->err);
	else
		next_key(s);
}

void sweep_endpoint(struct kv *kv, const char *prefix, const struct model_endpoint *ep,
		    sweep_done_fn done, void *user)
{
	struct kv_compare cmp[SWEEP_KEYS_MAX];
	struct kv_op ops[SWEEP_KEYS_MAX];
	struct sweep *s = mem_alloc(sizeof(*s));

	*s = (struct sweep){ .kv = kv, .revision = ep->mod_revision, .done = done, .user = user };
	s->keys[s->n_keys++] = model_key_endpoint(prefix, ep->network, ep->id);
	if (ip_is_set(ep->ip4))
		s->keys[s->n_keys++] = model_key_address(prefix, ep->network, ep->ip4);
	if (ip_is_set(ep->ip6))
		s->keys[s->n_keys++] = model_key_address(prefix, ep->network, ep->ip6);
	for (size_t i = 0; i < s->n_keys; i++) {
		cmp[i] = (struct kv_compare){ .key = s->keys[i],
					      .target = KV_TARGET_MOD,
					      .relation = KV_EQUAL,
					      .revision = s->revision };
		ops[i] = (struct kv_op){ .type = KV_OP_DELETE, .key = s->keys[i] };
	}
	struct kv_txn txn = {
		.compares = cmp, .n_compares = s->n_keys, .then_ops = ops, .n_then = s->n_keys
	};
	kv_txn(kv, &txn, all_done, s);
}
