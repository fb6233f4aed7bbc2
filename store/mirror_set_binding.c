/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/mirror_set.h"

struct mirror_binding *mirror_binding_find(const struct mirror_network *n, struct id node)
{
	struct mirror_binding *bi = NULL;

	if (n)
		HASH_FIND(hh, n->bindings, &node, sizeof(node), bi);
	return bi;
}

static bool same(const struct model_binding *before, const struct model_binding *now)
{
	_cleanup_free_ char *a = NULL, *b = NULL;

	if (before->mod_revision != now->mod_revision)
		return false;
	a = model_binding_encode(before);
	b = model_binding_encode(now);
	return strcmp(a, b) == 0;
}

int mirror_binding_put(struct mirror_set *s, struct mirror_network *n, const struct model_key *k,
		       const struct kv_entry *ent, struct mirror_batch *b, struct err *e)
{
	struct mirror_binding *bi = mirror_binding_find(n, k->id);
	struct model_binding *rec = NULL;
	int r;

	if (!bi && s->n_bindings >= MIRROR_BINDINGS_MAX)
		return err_set(e, -E2BIG, "%s: more than %d bindings: skipped", ent->key,
			       MIRROR_BINDINGS_MAX);
	r = model_binding_decode(s->prefix, ent->key, ent->value, ent->value_len, &rec, e);
	if (r < 0)
		return r;
	rec->mod_revision = ent->mod_revision;
	if (!bi) {
		bi = mem_alloc(sizeof(*bi));
		bi->node = k->id;
		HASH_ADD(hh, n->bindings, node, sizeof(bi->node), bi);
		n->n_bindings++;
		s->n_bindings++;
	} else if (same(bi->rec, rec)) {
		bi->gen = s->gen;
		model_binding_free(rec);
		return 0;
	}
	mirror_batch_tell(b, MODEL_BINDING, k, bi->rec, rec, false);
	mirror_batch_bury(b, MODEL_BINDING, bi->rec);
	bi->rec = rec;
	bi->gen = s->gen;
	return 1;
}

void mirror_binding_del(struct mirror_set *s, struct mirror_network *n, struct mirror_binding *bi,
			struct mirror_batch *b)
{
	struct model_key k = { .id = bi->node, .network = n->id };

	mirror_batch_tell(b, MODEL_BINDING, &k, bi->rec, NULL, true);
	mirror_batch_bury(b, MODEL_BINDING, bi->rec);
	/* uthash goes by ->prev and ->next, which the analyzer does not follow: they are of entries still in the table. */
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
	HASH_DEL(n->bindings, bi);
	free(bi);
	n->n_bindings--;
	s->n_bindings--;
}

void mirror_binding_sweep(struct mirror_set *s, struct mirror_network *n, struct mirror_batch *b)
{
	struct mirror_binding *bi, *next;

	HASH_ITER(hh, n->bindings, bi, next) {
		if (bi->gen != s->gen)
			mirror_binding_del(s, n, bi, b);
	}
}
