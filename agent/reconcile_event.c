/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel tells. An event that agrees with what is observed is an echo of our own writes. One that does not may still be: while a port is
 * made it is seen down, then on the bridge, then up. So it is held until the loop's turn is over, when a later one of the same object may
 * have settled it, and only then means a dump.
 */
#include <string.h>

#include "agent/reconcile_priv.h"
#include "base/mem.h"
#include "overlay/observe.h"

static struct rnet *net_of_event(struct reconcile *r, const struct kernel_event *ev)
{
	struct rnet *rn, *tmp;

	if (ev->vni) {
		HASH_FIND(hh, r->nets, &ev->vni, sizeof(ev->vni), rn);
		return rn;
	}
	HASH_ITER(hh, r->nets, rn, tmp) {
		if (state_net_port(rn->have, ev->name))
			return rn;
	}
	return NULL;
}

static bool disagrees(struct reconcile *r, const struct kernel_event *ev)
{
	struct rnet *rn = net_of_event(r, ev);

	return observe_event(rn ? rn->have : NULL, ev);
}

static bool is_port(const char *name)
{
	return strncmp(name, "ve", 2) == 0 || state_port_in_host(name);
}

static void mark(struct reconcile *r, const struct kernel_event *ev)
{
	struct rnet *rn = net_of_event(r, ev);

	/* A port off its bridge may be found by no dump of one network. */
	if (!rn ||
	    (ev->type == KERNEL_EVENT_LINK && !ev->deleted && !ev->enslaved && is_port(ev->name)))
		r->full_dump = true;
	if (rn)
		rn->dirty = rn->need_dump = true;
}

void reconcile_judge(struct reconcile *r)
{
	for (size_t i = 0; i < r->n_suspects; i++) {
		if (disagrees(r, &r->suspects[i]))
			mark(r, &r->suspects[i]);
	}
	r->n_suspects = 0;
}

/* A port gets its mark after it is born: the first event of it has no key yet. */
static bool same_net(const struct kernel_event *a, const struct kernel_event *b)
{
	return a->vni == b->vni ||
	       (a->type == KERNEL_EVENT_LINK && is_port(a->name) && (!a->vni || !b->vni));
}

static bool same_object(const struct kernel_event *a, const struct kernel_event *b)
{
	if (a->type != b->type || !same_net(a, b))
		return false;
	switch (a->type) {
	case KERNEL_EVENT_LINK:
		return strcmp(a->name, b->name) == 0;
	case KERNEL_EVENT_FDB:
		return state_fdb_cmp(&a->fdb, &b->fdb) == 0;
	case KERNEL_EVENT_NEIGH:
		return ip_eq(a->neigh.ip, b->neigh.ip);
	case KERNEL_EVENT_GATEWAY:
		return prefix_eq(a->gateway, b->gateway);
	case KERNEL_EVENT_LOST:
	case KERNEL_EVENT_GROUND:
	case KERNEL_EVENT_UNDERLAY:
		break;
	}
	return false;
}

static void suspect(struct reconcile *r, size_t at, const struct kernel_event *ev)
{
	if (at == RECONCILE_SUSPECTS_MAX) {
		mark(r, ev);
		return;
	}
	if (!r->suspects)
		r->suspects = mem_alloc_array(RECONCILE_SUSPECTS_MAX, sizeof(*r->suspects));
	if (at == r->n_suspects)
		r->n_suspects++;
	r->suspects[at] = *ev;
}

static void object_event(struct reconcile *r, const struct kernel_event *ev)
{
	bool odd = disagrees(r, ev);
	size_t at = 0;

	while (at < r->n_suspects && !same_object(&r->suspects[at], ev))
		at++;
	/* A link that was gone for a moment has lost its entries, whatever stands there now. */
	if (at < r->n_suspects && ev->type == KERNEL_EVENT_LINK && r->suspects[at].deleted)
		return;
	if (odd)
		suspect(r, at, ev);
	else if (at < r->n_suspects)
		r->suspects[at] = r->suspects[--r->n_suspects];
	if (odd)
		reconcile_kick(r, 0);
}

static void underlay_timer(uv_timer_t *t)
{
	struct reconcile *r = t->data;

	r->h.underlay_changed(r->user);
}

void reconcile_event(void *user, const struct kernel_event *ev)
{
	struct reconcile *r = user;

	if (r->stopped)
		return;
	switch (ev->type) {
	case KERNEL_EVENT_LOST:
		r->full_dump = true;
		reconcile_kick(r, 0);
		break;
	case KERNEL_EVENT_GROUND:
		/* Elements count as well, and only a dump sees those. */
		r->ground_due = r->full_dump = true;
		reconcile_kick(r, 0);
		break;
	case KERNEL_EVENT_UNDERLAY:
		if (!uv_is_active((uv_handle_t *)&r->underlay_timer))
			uv_timer_start(&r->underlay_timer, underlay_timer, RECONCILE_UNDERLAY_MS,
				       0);
		break;
	case KERNEL_EVENT_LINK:
	case KERNEL_EVENT_FDB:
	case KERNEL_EVENT_NEIGH:
	case KERNEL_EVENT_GATEWAY:
		object_event(r, ev);
		break;
	}
}
