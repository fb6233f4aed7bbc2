/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Elements of the host's table. They are dumped as a whole, and nothing in the kernel tells whose they are: the table here does. Where two
 * networks want the same one (two published ports, say), the first keeps it, and the other gets it when it is given up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/reconcile_priv.h"
#include "base/mem.h"

/* ---- the table ---- */

/* Member by member, so that padding is zero and the whole is its own key. */
static void identity(const struct state_elem *el, struct state_elem *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->set = el->set;
	ret->proto = el->proto;
	ret->family = el->family;
	ret->port = el->port;
	snprintf(ret->ifname, sizeof(ret->ifname), "%s", el->ifname);
	ret->ip = el->ip;
}

static struct relem *find(const struct reconcile *r, const struct state_elem *el)
{
	struct state_elem key;
	struct relem *x;

	identity(el, &key);
	HASH_FIND(hh, r->elems, &key, sizeof(key), x);
	return x;
}

static struct relem *get(struct reconcile *r, const struct state_elem *el)
{
	struct relem *x = find(r, el);

	if (x)
		return x;
	x = mem_alloc(sizeof(*x));
	identity(el, &x->key);
	HASH_ADD(hh, r->elems, key, sizeof(x->key), x);
	return x;
}

/* Neither observed nor claimed any more. */
static void tidy(struct reconcile *r, struct relem *x)
{
	if (x->there || x->owner)
		return;
	/* The analyzer does not follow the table's own bookkeeping from one removal to the next. */
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
	HASH_DELETE(hh, r->elems, x);
	free(x);
}

static bool same_target(const struct state_elem *a, const struct state_elem *b)
{
	return ip_eq(a->to, b->to) && a->to_port == b->to_port;
}

static bool same_value(const struct relem *x, const struct state_elem *el)
{
	return x->there && same_target(&x->el, el);
}

void reconcile_elems_free(struct reconcile *r)
{
	struct relem *x, *tmp;

	HASH_ITER(hh, r->elems, x, tmp) {
		x->there = false;
		x->owner = 0;
		tidy(r, x);
	}
}

/* ---- one network ---- */

struct change {
	struct kernel_elem_op *ops;
	size_t n_ops, n_add;
	struct state_elem *claimed; /* sorted as what is desired */
	size_t n_claimed;
	const struct state_elem **fresh; /* of the claimed ones: those that the table must hear of */
	const struct state_elem **gone; /* of what it had: no longer wanted */
	size_t n_fresh, n_gone;
};

static void dispute(struct reconcile *r, struct relem *x, const struct state_elem *el, uint32_t vni)
{
	char text[STATE_ELEM_TEXT_MAX];
	unsigned kept;

	if (x->disputed)
		return;
	x->disputed = true;
	if (log_limit_pass(&r->limit, uv_now(r->loop), 5000, &kept))
		log_warn("two networks want the same; the first keeps it until it is given up",
			 "what=%s first=%u second=%u suppressed=%u",
			 LOG_Q(state_elem_format(el, text)), x->owner, vni, kept);
}

/* @known: it has it already, and it stands. */
static void plan_add(struct reconcile *r, struct rnet *rn, const struct state_elem *el, bool known,
		     struct change *c)
{
	struct state_elem *mine = &c->claimed[c->n_claimed];
	struct relem *x;

	*mine = *el;
	if (known) {
		c->n_claimed++;
		return;
	}
	x = find(r, el);
	if (x && x->owner && x->owner != rn->vni) {
		dispute(r, x, el, rn->vni);
		return;
	}
	c->n_claimed++;
	c->fresh[c->n_fresh++] = mine;
	if (!x || !same_value(x, el))
		c->ops[c->n_ops++] = (struct kernel_elem_op){ .elem = *el };
}

/* A merge of what is wanted with what it had: of all that stays as it is nothing is looked up. */
static void plan(struct reconcile *r, struct rnet *rn, const struct state_net *want,
		 struct change *c)
{
	size_t n_want = want ? want->n_elems : 0, i = 0, j = 0;

	while (i < n_want || j < rn->n_elems) {
		const struct state_elem *w = i < n_want ? &want->elems[i] : NULL;
		const struct state_elem *h = j < rn->n_elems ? &rn->elems[j] : NULL;
		int order = !w ? 1 : !h ? -1 : state_elem_cmp(w, h);

		if (order > 0)
			c->gone[c->n_gone++] = h;
		else
			plan_add(r, rn, w, order == 0 && rn->elems_ok && same_target(w, h), c);
		i += order <= 0;
		j += order >= 0;
	}
	c->n_add = c->n_ops;
	for (i = 0; i < c->n_gone; i++) {
		const struct relem *x = find(r, c->gone[i]);

		if (x && x->there)
			c->ops[c->n_ops++] =
				(struct kernel_elem_op){ .del = true, .elem = *c->gone[i] };
	}
}

/* Others may have waited for it. */
static void give_up(struct reconcile *r, struct relem *x)
{
	struct rnet *rn, *tmp;

	x->owner = 0;
	if (!x->disputed)
		return;
	x->disputed = false;
	HASH_ITER(hh, r->nets, rn, tmp) {
		if (state_key_is_local(rn->vni))
			rn->dirty = rn->fresh = rn->commanded = true;
	}
	reconcile_kick(r, 0);
}

/* All is as it was planned. */
static void took(struct reconcile *r, struct rnet *rn, struct change *c)
{
	for (size_t i = 0; i < c->n_gone; i++) {
		struct relem *x = find(r, c->gone[i]);

		if (!x)
			continue;
		x->there = false;
		give_up(r, x);
		tidy(r, x);
	}
	for (size_t i = 0; i < c->n_fresh; i++) {
		struct relem *x = get(r, c->fresh[i]);

		x->owner = rn->vni;
		x->there = true;
		x->el = *c->fresh[i];
	}
	free(rn->elems);
	rn->elems = TAKE_PTR(c->claimed);
	rn->n_elems = c->n_claimed;
	rn->elems_ok = true;
}

int reconcile_elems_net(struct reconcile *r, struct rnet *rn, const struct state_net *want,
			struct err *e)
{
	size_t n_want = want ? want->n_elems : 0;
	struct change c = { 0 };
	int status = 0;

	if (n_want == 0 && rn->n_elems == 0)
		return 0;
	c.ops = mem_alloc_array(n_want + rn->n_elems, sizeof(*c.ops));
	c.claimed = mem_alloc_array(n_want + 1, sizeof(*c.claimed));
	c.fresh = mem_alloc_array(n_want + 1, sizeof(*c.fresh));
	c.gone = mem_alloc_array(rn->n_elems + 1, sizeof(*c.gone));
	plan(r, rn, want, &c);
	if (c.n_ops > 0)
		status = r->k->ops->elems(r->k, c.ops, c.n_ops, e);
	if (status == 0) {
		took(r, rn, &c);
		if (!rn->commanded) {
			reconcile_tell_drift(r, rn->vni, "elem-add", c.n_add);
			reconcile_tell_drift(r, rn->vni, "elem-del", c.n_ops - c.n_add);
		}
	} else {
		/* The table may be gone or altered. */
		r->ground_due = r->full_dump = true;
		rn->elems_ok = false;
	}
	free(c.ops);
	free(c.claimed);
	free(c.fresh);
	free(c.gone);
	return status;
}

/* ---- all of them ---- */

void reconcile_elems_observed(struct reconcile *r, const struct state_elem *v, size_t n)
{
	struct relem *x, *tmp;
	struct rnet *rn, *tmp_net;

	HASH_ITER(hh, r->nets, rn, tmp_net)
		rn->elems_ok = false; /* to be looked up again */
	HASH_ITER(hh, r->elems, x, tmp)
		x->there = false;
	for (size_t i = 0; i < n; i++) {
		x = get(r, &v[i]);
		x->there = true;
		x->el = v[i];
	}
	HASH_ITER(hh, r->elems, x, tmp)
		tidy(r, x);
}

bool reconcile_elems_unclaimed(const struct reconcile *r)
{
	const struct relem *x;

	for (x = r->elems; x; x = x->hh.next) {
		if (x->there && x->owner == 0)
			return true;
	}
	return false;
}

static int cmp_elem(const void *a, const void *b)
{
	return state_elem_cmp(a, b);
}

/* @exact: only those that stand as wanted. Of two that want the same, the one that has it keeps it over a restart. */
static void claim(struct reconcile *r, const struct state_net *want, bool exact)
{
	struct rnet *rn;
	size_t before;

	if (want->n_elems == 0)
		return;
	rn = rnet_get(r, want->vni);
	before = rn->n_elems;
	for (size_t i = 0; i < want->n_elems; i++) {
		struct relem *x = find(r, &want->elems[i]);

		if (!x || !x->there || x->owner || (exact && !same_value(x, &want->elems[i])))
			continue;
		x->owner = want->vni;
		if ((rn->n_elems & (rn->n_elems - 1)) == 0 || rn->n_elems == before)
			rn->elems = mem_grow(rn->elems, rn->n_elems ? rn->n_elems * 2 : 1,
					     sizeof(*rn->elems));
		rn->elems[rn->n_elems++] = want->elems[i];
	}
	if (rn->n_elems == before)
		return;
	rn->elems_ok = false;
	qsort(rn->elems, rn->n_elems, sizeof(*rn->elems), cmp_elem);
}

int reconcile_elems_judge(struct reconcile *r, struct state_net *const *v, size_t n, struct err *e)
{
	_cleanup_free_ struct kernel_elem_op *ops = NULL;
	struct relem *x, *tmp;
	size_t n_ops = 0;
	int status;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < n; i++)
			claim(r, v[i], round == 0);
	}
	if (r->h.source(r->user, STATE_KEY_LOCAL) != RECONCILE_COMPLETE)
		return 0;
	ops = mem_alloc_array(HASH_COUNT(r->elems) + 1, sizeof(*ops));
	HASH_ITER(hh, r->elems, x, tmp) {
		if (x->there && x->owner == 0)
			ops[n_ops++] = (struct kernel_elem_op){ .del = true, .elem = x->el };
	}
	if (n_ops == 0)
		return 0;
	status = r->k->ops->elems(r->k, ops, n_ops, e);
	if (status < 0)
		return status;
	HASH_ITER(hh, r->elems, x, tmp) {
		x->there = x->there && x->owner;
		tidy(r, x);
	}
	if (r->elems_drift)
		reconcile_tell_drift(r, 0, "elem-del", n_ops);
	return 0;
}

static void add_wanted(struct reconcile *r, const struct state_net *want, bool stands,
		       struct state_net *all)
{
	for (size_t k = 0; k < want->n_elems; k++) {
		const struct state_elem *el = &want->elems[k];
		struct relem *x = find(r, el);

		if (x && x->owner && x->owner != want->vni)
			continue;
		if ((x && same_value(x, el)) == stands)
			state_net_add_elem(all, el);
	}
}

size_t reconcile_elems_all(struct reconcile *r, struct state_net *const *v, size_t n, bool keep,
			   struct state_elem **ret)
{
	/* Sorting one network leaves the later of two. */
	_cleanup_state_net_ struct state_net *all = state_net_new(STATE_KEY_LOCAL);
	struct relem *x, *tmp;

	HASH_ITER(hh, r->elems, x, tmp) {
		if (keep && x->there)
			state_net_add_elem(all, &x->el);
	}
	/* First those that stand otherwise, then those that stand as wanted. */
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < n; i++)
			add_wanted(r, v[i], round == 1, all);
	}
	state_net_sort(all);
	*ret = TAKE_PTR(all->elems);
	return all->n_elems;
}
