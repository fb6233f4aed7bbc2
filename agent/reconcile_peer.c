/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One endpoint of another node, at its own cost. Each of its entries has to fit what is observed: what goes stands as it was made, what comes finds its
 * place free. As long as all do, and no two endpoints share an entry, the result is what a pass would make of it, in whatever order changes were told;
 * where one does not (a MAC that two have for a moment, one of a local endpoint, another hand) the pass decides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/reconcile_priv.h"
#include "base/mem.h"
#include "overlay/apply.h"

/* The entries that are touched, as observed and as they shall be; the devices around them are the same in both. */
struct stage {
	const struct state_net *have;
	struct state_net was, now;
	bool flood;
};

static void stage_begin(struct stage *s, const struct state_net *have)
{
	memset(s, 0, sizeof(*s));
	s->have = have;
	s->was = *have;
	s->was.ports = NULL;
	s->was.fdb = NULL;
	s->was.neigh = NULL;
	s->was.elems = NULL;
	s->was.n_ports = s->was.n_fdb = s->was.n_neigh = s->was.n_elems = 0;
	s->now = s->was;
}

static void stage_done(struct stage *s)
{
	free(s->was.fdb);
	free(s->was.neigh);
	free(s->now.fdb);
	free(s->now.neigh);
}

/* ---- one entry ---- */

/* As it stands by now; NULL: it does not. */
static const struct state_fdb *look_fdb(struct stage *s, const struct state_fdb *key)
{
	const struct state_fdb *h = state_net_fdb(s->have, key);

	if (h && !state_net_fdb(&s->was, key)) {
		state_net_put_fdb(&s->was, h);
		state_net_put_fdb(&s->now, h);
	}
	return state_net_fdb(&s->now, key);
}

static const struct state_neigh *look_neigh(struct stage *s, struct ip ip)
{
	const struct state_neigh *h = state_net_neigh(s->have, ip);

	if (h && !state_net_neigh(&s->was, ip)) {
		state_net_put_neigh(&s->was, h);
		state_net_put_neigh(&s->now, h);
	}
	return state_net_neigh(&s->now, ip);
}

static bool fdb_same(const struct state_fdb *a, const struct state_fdb *b)
{
	return state_fdb_cmp(a, b) == 0 && ip_eq(a->vtep, b->vtep) && strcmp(a->port, b->port) == 0;
}

/* ---- one endpoint ---- */

static bool stage_gone(struct stage *s, const struct state_peer *p)
{
	for (size_t i = 0; i < p->n_fdb; i++) {
		const struct state_fdb *f = look_fdb(s, &p->fdb[i]);

		if (!f || !fdb_same(f, &p->fdb[i]))
			return false;
		state_net_drop_fdb(&s->now, &p->fdb[i]);
	}
	for (size_t i = 0; i < p->n_neigh; i++) {
		const struct state_neigh *g = look_neigh(s, p->neigh[i].ip);

		if (!g || !mac_eq(g->mac, p->neigh[i].mac))
			return false;
		state_net_drop_neigh(&s->now, p->neigh[i].ip);
	}
	return true;
}

/* Whether it may, compile_network() tells: here it is enough that nothing of this node bears it. */
static bool is_local(const struct state_net *n, const struct state_peer *p)
{
	struct mac mac = p->n_fdb ? p->fdb[0].mac : (struct mac){ 0 };

	if (mac_eq(mac, n->bridge_mac))
		return true;
	for (size_t i = 0; i < n->n_ports; i++) {
		if (mac_eq(mac, n->ports[i].mac))
			return true;
	}
	for (size_t k = 0; k < p->n_neigh; k++) {
		for (size_t i = 0; i < n->n_gateways; i++) {
			if (ip_eq(p->neigh[k].ip, n->gateways[i].ip))
				return true;
		}
		for (size_t i = 0; i < n->n_ports; i++) {
			if (ip_eq(p->neigh[k].ip, n->ports[i].ip4) ||
			    ip_eq(p->neigh[k].ip, n->ports[i].ip6))
				return true;
		}
	}
	return false;
}

static bool stage_coming(struct stage *s, const struct state_peer *p)
{
	if (p->n_fdb > 0 && is_local(s->have, p))
		return false;
	for (size_t i = 0; i < p->n_fdb; i++) {
		if (look_fdb(s, &p->fdb[i]))
			return false;
		state_net_put_fdb(&s->now, &p->fdb[i]);
	}
	for (size_t i = 0; i < p->n_neigh; i++) {
		if (look_neigh(s, p->neigh[i].ip))
			return false;
		state_net_put_neigh(&s->now, &p->neigh[i]);
	}
	return true;
}

/* ---- flooding ---- */

static bool leads_to(const struct state_fdb *f, struct ip vtep)
{
	return f->where == STATE_FDB_SELF && !mac_is_zero(f->mac) && ip_eq(f->vtep, vtep);
}

/* Is an endpoint left at @vtep? Looks at many entries only where that has few. */
static bool is_populated(const struct stage *s, struct ip vtep)
{
	for (size_t i = 0; i < s->now.n_fdb; i++) {
		if (leads_to(&s->now.fdb[i], vtep))
			return true;
	}
	for (size_t i = 0; i < s->have->n_fdb; i++) {
		if (leads_to(&s->have->fdb[i], vtep) && !state_net_fdb(&s->was, &s->have->fdb[i]))
			return true;
	}
	return false;
}

/* The first endpoint of a host and its last one bring and take a flooding entry: that is for the pass. */
static bool flood_stays(const struct stage *s)
{
	for (size_t i = 0; i < s->now.n_fdb; i++) {
		struct state_fdb f = { .where = STATE_FDB_SELF, .vtep = s->now.fdb[i].vtep };

		if (s->now.fdb[i].where == STATE_FDB_SELF && !state_net_fdb(s->have, &f))
			return false;
	}
	for (size_t i = 0; i < s->was.n_fdb; i++) {
		if (s->was.fdb[i].where == STATE_FDB_SELF && !is_populated(s, s->was.fdb[i].vtep))
			return false;
	}
	return true;
}

/* ---- all that is gathered ---- */

/* Does what is observed agree with what was desired, are the devices as they shall be, and is nothing else due? */
static bool is_plain(struct reconcile *r, const struct rnet *rn)
{
	const struct state_net *h = rn->have;

	return !rn->dirty && !rn->need_dump && !rn->shared && rn->retry_ms == 0 &&
	       h->kind == STATE_OVERLAY && h->complete && h->bridge_exists && h->bridge_up &&
	       h->vxlan_exists && h->vxlan_up && h->vxlan_enslaved && h->vxlan_flags_ok &&
	       r->h.source(r->user, rn->vni) == RECONCILE_COMPLETE;
}

static bool stage_all(struct stage *s, const struct rnet *rn)
{
	for (size_t i = 0; i < rn->n_peers; i++) {
		const struct peer_change *c = &rn->peers[i];

		s->flood = s->flood || c->flood;
		if (!stage_gone(s, &c->gone) || !stage_coming(s, &c->coming))
			return false;
	}
	return !s->flood || flood_stays(s);
}

static void op_failed(void *user, const struct diff_op *op, int status, const struct err *e)
{
	struct reconcile *r = user;

	(void)status;
	r->stats.failures++;
	snprintf(r->stats.last_error, sizeof(r->stats.last_error), "%s: %s", diff_op_name(op->type),
		 err_text(e));
}

static bool is_entry(enum diff_op_type t)
{
	return t == DIFF_FDB_ADD || t == DIFF_FDB_DEL || t == DIFF_NEIGH_ADD || t == DIFF_NEIGH_DEL;
}

/* In the order of a pass, since it is made the same way. */
static bool write_stage(struct reconcile *r, struct rnet *rn, const struct stage *s)
{
	static const struct apply_hooks hooks = { .failed = op_failed };
	bool ok = true;
	struct diff d;

	diff_net(&s->now, &s->was, true, &d);
	for (size_t i = 0; i < d.n; i++)
		ok = ok && is_entry(d.ops[i].type);
	if (ok && d.n > 0)
		ok = apply_diff(r->k, &s->now, rn->have, &d, &hooks, r, NULL) == 0;
	diff_done(&d);
	return ok;
}

void reconcile_peers(struct reconcile *r, struct rnet *rn)
{
	size_t n = rn->n_peers;
	struct stage s;
	bool done;

	if (n == 0)
		return;
	stage_begin(&s, rn->have);
	done = is_plain(r, rn) && stage_all(&s, rn) && write_stage(r, rn, &s);
	stage_done(&s);
	free(rn->peers);
	rn->peers = NULL;
	rn->n_peers = 0;
	if (done)
		r->stats.peers += n;
	else
		reconcile_dirty(r, rn->vni);
}

/* ---- what is told ---- */

static bool peer_same(const struct state_peer *a, const struct state_peer *b)
{
	if (a->n_fdb != b->n_fdb || a->n_neigh != b->n_neigh)
		return false;
	for (size_t i = 0; i < a->n_fdb; i++) {
		if (!fdb_same(&a->fdb[i], &b->fdb[i]))
			return false;
	}
	for (size_t i = 0; i < a->n_neigh; i++) {
		if (!ip_eq(a->neigh[i].ip, b->neigh[i].ip) ||
		    !mac_eq(a->neigh[i].mac, b->neigh[i].mac))
			return false;
	}
	return true;
}

void reconcile_peer(struct reconcile *r, uint32_t vni, const struct state_peer *gone,
		    const struct state_peer *coming, bool flood)
{
	struct rnet *rn;

	if (!r->ready || vni == 0 || peer_same(gone, coming))
		return;
	HASH_FIND(hh, r->nets, &vni, sizeof(vni), rn);
	if (!rn || !is_plain(r, rn) || rn->n_peers == RECONCILE_PEERS_MAX) {
		reconcile_dirty(r, vni);
		return;
	}
	if ((rn->n_peers & (rn->n_peers - 1)) == 0)
		rn->peers =
			mem_grow(rn->peers, rn->n_peers ? rn->n_peers * 2 : 1, sizeof(*rn->peers));
	rn->peers[rn->n_peers++] = (struct peer_change){ *gone, *coming, flood };
	reconcile_kick(r, 0);
}
