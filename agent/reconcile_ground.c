/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is no single network's: the ground they stand on, the dump of everything, what belongs to none, the hosts' addresses. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/compile.h"
#include "agent/reconcile_priv.h"
#include "base/mem.h"
#include "overlay/diff.h"

/* ---- elements ---- */

static int cmp_ip(const void *a, const void *b)
{
	return ip_cmp(*(const struct ip *)a, *(const struct ip *)b);
}

static int cmp_guard(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct state_guard));
}

static size_t unique(void *v, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	size_t kept = 0;
	char *p = v;

	if (n > 0)
		qsort(v, n, size, cmp);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && cmp(p + (kept - 1) * size, p + i * size) == 0)
			continue;
		memmove(p + kept++ * size, p + i * size, size);
	}
	return kept;
}

static size_t join_vteps(struct ip **v, size_t n, const struct ip *more, size_t n_more)
{
	*v = mem_grow(*v, n + n_more + 1, sizeof(**v));
	if (n_more > 0)
		memcpy(*v + n, more, n_more * sizeof(**v));
	return unique(*v, n + n_more, sizeof(**v), cmp_ip);
}

struct guards {
	struct state_guard *v;
	size_t n;
};

static void add_guard(struct guards *g, const struct state_guard *one)
{
	if ((g->n & (g->n - 1)) == 0)
		g->v = mem_grow(g->v, g->n ? g->n * 2 : 1, sizeof(*g->v));
	g->v[g->n++] = *one;
}

/* The elements themselves are gone with the table; but which MAC is on which port, and which address is that MAC's, stands in the entries. */
static void observed_guards(const struct state_net *have, struct guards *g)
{
	struct state_guard one[2];

	for (size_t i = 0; i < have->n_neigh; i++) {
		struct state_fdb key = { .where = STATE_FDB_MASTER, .mac = have->neigh[i].mac };
		const struct state_fdb *f = state_net_fdb(have, &key);
		struct state_port p = { .mac = key.mac, .security = STATE_SECURE_MAC_IP };

		if (!f || strncmp(f->port, "ve", 2) != 0)
			continue;
		memcpy(p.name, f->port, sizeof(p.name));
		if (have->neigh[i].ip.family == AF_INET)
			p.ip4 = have->neigh[i].ip;
		else
			p.ip6 = have->neigh[i].ip;
		if (state_port_guards(&p, one) > 0)
			add_guard(g, &one[0]);
	}
	for (size_t i = 0; i < have->n_ports; i++) {
		struct state_port p = have->ports[i];

		if (!p.open)
			continue;
		p.security = STATE_SECURE_OFF;
		p.mac = (struct mac){ { 2 } }; /* any will do: it is not in the element */
		if (state_port_guards(&p, one) > 0)
			add_guard(g, &one[0]);
	}
}

static struct guards all_guards(struct reconcile *r, const struct wanted *w)
{
	struct guards g = { 0 };
	struct rnet *rn, *tmp;

	for (size_t i = 0; i < w->n; i++) {
		_cleanup_free_ struct state_guard *v = NULL;
		size_t n;

		compile_guards(w->v[i], &v, &n);
		for (size_t j = 0; j < n; j++)
			add_guard(&g, &v[j]);
	}
	HASH_ITER(hh, r->nets, rn, tmp) {
		if (r->h.source(r->user, rn->vni) != RECONCILE_COMPLETE)
			observed_guards(rn->have, &g);
	}
	g.n = unique(g.v, g.n, sizeof(*g.v), cmp_guard);
	return g;
}

/* All tables anew, with all that shall be in them. */
static int ground_whole(struct reconcile *r, struct err *e)
{
	_cleanup_wanted_ struct wanted w = reconcile_wanted(r);
	_cleanup_free_ struct state_elem *elems = NULL;
	_cleanup_free_ struct ip *vteps = NULL;
	struct guards g = all_guards(r, &w);
	struct kernel_elements el = { .guards = g.v, .n_guards = g.n };
	enum reconcile_source source = r->h.source(r->user, 0);
	bool keep = r->h.source(r->user, STATE_KEY_LOCAL) != RECONCILE_COMPLETE;
	int status;

	if (source != RECONCILE_NONE)
		el.n_vteps = r->h.vteps(r->user, &vteps);
	if (source != RECONCILE_COMPLETE)
		el.n_vteps = join_vteps(&vteps, el.n_vteps, r->vteps, r->n_vteps);
	el.vteps = vteps;
	el.n_elems = reconcile_elems_all(r, w.v, w.n, keep, &elems);
	el.elems = elems;
	status = r->k->ops->ground(r->k, &el, e);
	free(g.v);
	return status;
}

int reconcile_ground(struct reconcile *r, struct err *e)
{
	struct err amiss = { 0 };
	int status;

	r->ground_due = false;
	status = r->k->ops->ground_check(r->k, &amiss);
	if (status == 0)
		return 0;
	if (status != -ESTALE)
		return err_set(e, status, "%s", err_text(&amiss));
	/* Where all stood before: flows go on with the elements that can still be read. Nothing there is an answer too. */
	if (r->dumped_ms == 0)
		(void)reconcile_dump(r, NULL);
	status = ground_whole(r, e);
	if (status == 0) {
		/* Objects may have gone with what was amiss. */
		r->full_dump = r->hosts_dirty = true;
		r->dumped_ms = 0;
	}
	if (status == 0 && r->ready) {
		r->stats.drift_repaired++;
		r->h.drift(r->user, 0, err_text(&amiss), 1);
	}
	return status;
}

void reconcile_tell_drift(struct reconcile *r, uint32_t vni, const char *what, size_t n)
{
	if (n == 0)
		return;
	r->stats.drift_repaired += n;
	r->h.drift(r->user, vni, what, (unsigned)n);
}

/* ---- dump ---- */

int reconcile_dump(struct reconcile *r, struct err *e)
{
	struct kernel_dump d = { 0 };
	struct rnet *rn, *tmp;
	int status = r->k->ops->dump(r->k, &d, e);

	if (status < 0)
		return status;
	r->full_dump = false;
	r->dumped_ms = uv_now(r->loop) + 1; /* never 0 */
	r->stats.audits++;
	HASH_ITER(hh, r->nets, rn, tmp)
		rn->dirty = rn->need_dump = true; /* until found below */
	for (size_t i = 0; i < d.n_nets; i++) {
		rn = rnet_get(r, d.nets[i]->vni);
		reconcile_observed(rn, TAKE_PTR(d.nets[i]));
		rn->dirty = true;
	}
	HASH_ITER(hh, r->nets, rn, tmp) {
		if (!rn->need_dump)
			continue;
		reconcile_observed(rn, state_net_new(rn->vni));
		rn->have->complete = true;
	}
	free(r->vteps);
	free(r->strays);
	free(r->guards);
	free(r->loose);
	r->vteps = TAKE_PTR(d.vteps);
	r->n_vteps = d.n_vteps;
	r->strays = TAKE_PTR(d.strays);
	r->n_strays = d.n_strays;
	r->guards = TAKE_PTR(d.guards);
	r->n_guards = d.n_guards;
	r->guards_drift = r->ready;
	r->loose = TAKE_PTR(d.loose);
	r->n_loose = d.n_loose;
	r->strays_drift = r->ready && r->n_strays > 0;
	r->elems_drift = r->ready;
	reconcile_elems_observed(r, d.elems, d.n_elems);
	r->leftovers_due = true;
	r->hosts_drift = r->hosts_drift || (r->ready && !r->hosts_dirty);
	r->hosts_dirty = true;
	kernel_dump_done(&d);
	return 0;
}

/* ---- leftovers ---- */

/* A port taken off its bridge by somebody belongs to its network all the same: it is observed as such, to be put back. */
static void adopt_loose(struct reconcile *r, const struct state_port *w, uint32_t vni)
{
	struct rnet *rn = rnet_get(r, vni);
	struct state_port p = *w;

	if (state_net_port(rn->have, w->name))
		return;
	p.enslaved = p.flags_ok = p.guard4 = p.guard6 = false;
	p.up = true;
	state_net_put_port(rn->have, &p);
	rn->dirty = true;
}

/* By its name alone: one in the overlay namespace may be an overlay's or the egress bridge's, so the cluster's picture has to be complete too. */
enum reconcile_source reconcile_source_of(struct reconcile *r, const char *port)
{
	return r->h.source(r->user, state_port_in_host(port) ? STATE_KEY_LOCAL : 0);
}

static void sort_loose(struct reconcile *r, const struct wanted *w)
{
	size_t kept = 0;
	uint32_t vni;

	for (size_t i = 0; i < r->n_loose; i++) {
		const struct state_port *p = reconcile_wanted_port(w, r->loose[i], &vni);

		if (p)
			adopt_loose(r, p, vni);
		else if (reconcile_source_of(r, r->loose[i]) == RECONCILE_COMPLETE)
			reconcile_link_del(r, r->loose[i]);
		else
			memmove(r->loose[kept++], r->loose[i], IFNAMSIZ);
	}
	r->n_loose = kept;
}

static bool is_wanted_guard(const struct wanted *w, const struct state_guard *g)
{
	uint32_t vni;
	const struct state_port *p = reconcile_wanted_port(w, g->port, &vni);
	struct state_guard own[2];
	size_t n = p ? state_port_guards(p, own) : 0;

	for (size_t i = 0; i < n; i++) {
		if (mac_eq(own[i].mac, g->mac) && ip_eq(own[i].ip, g->ip) &&
		    (g->ip.family == AF_INET6 ? p->guard6 : p->guard4))
			return true;
	}
	return false;
}

static int drop_strays(struct reconcile *r, const struct wanted *w, struct err *e)
{
	_cleanup_free_ struct kernel_guard_op *ops = NULL;
	size_t n = 0, kept = 0;
	int status;

	ops = mem_alloc_array(r->n_strays + 1, sizeof(*ops));
	for (size_t i = 0; i < r->n_strays; i++) {
		if (reconcile_source_of(r, r->strays[i].port) == RECONCILE_COMPLETE &&
		    !is_wanted_guard(w, &r->strays[i]))
			ops[n++] = (struct kernel_guard_op){ .del = true, .guard = r->strays[i] };
	}
	status = n > 0 ? r->k->ops->guard(r->k, ops, n, e) : 0;
	if (status < 0)
		return status;
	for (size_t i = 0; i < r->n_strays; i++) {
		if (reconcile_source_of(r, r->strays[i].port) != RECONCILE_COMPLETE)
			r->strays[kept++] = r->strays[i];
	}
	r->n_strays = kept;
	if (r->strays_drift)
		reconcile_tell_drift(r, 0, diff_op_name(DIFF_GUARD_DEL), n);
	return 0;
}

bool reconcile_is_guard_of(const struct state_port *p, const struct state_guard *g)
{
	struct state_guard own[2];
	size_t n = state_port_guards(p, own);

	for (size_t i = 0; i < n; i++) {
		if (own[i].security == g->security && mac_eq(own[i].mac, g->mac) &&
		    ip_eq(own[i].ip, g->ip))
			return true;
	}
	return false;
}

static bool is_stray(const struct reconcile *r, const struct state_guard *g)
{
	for (size_t i = 0; i < r->n_strays; i++) {
		if (memcmp(&r->strays[i], g, sizeof(*g)) == 0)
			return true;
	}
	return false;
}

/* What was taken for the port's own may have been the other one. */
static void look_again(struct reconcile *r, const struct state_port *p, uint32_t vni)
{
	struct rnet *rn = rnet_get(r, vni);
	struct state_port *have = state_net_port(rn->have, p->name);

	if (!have)
		return;
	have->guard4 = have->guard6 = false;
	for (size_t i = 0; i < r->n_guards; i++) {
		const struct state_guard *g = &r->guards[i];

		if (strcmp(g->port, p->name) != 0 || !reconcile_is_guard_of(p, g))
			continue;
		have->guard6 = have->guard6 || g->ip.family == AF_INET6;
		have->guard4 = have->guard4 || g->ip.family != AF_INET6;
	}
	rn->dirty = true;
}

/*
 * Elements for a port of ours that let it send as somebody else, or as anybody: another's hand. The kernel's tables do not tell of all: bridges of the
 * host have no neighbours to compare an address with, and nothing there says how secure a port shall be.
 */
static int drop_misplaced(struct reconcile *r, const struct wanted *w, struct err *e)
{
	_cleanup_free_ struct kernel_guard_op *ops = mem_alloc_array(r->n_guards + 1, sizeof(*ops));
	size_t n = 0, kept = 0;
	uint32_t vni;
	int status;

	for (size_t i = 0; i < r->n_guards; i++) {
		const struct state_guard *g = &r->guards[i];
		const struct state_port *p = reconcile_wanted_port(w, g->port, &vni);

		if (p && !reconcile_is_guard_of(p, g) && !is_stray(r, g) &&
		    reconcile_source_of(r, g->port) == RECONCILE_COMPLETE &&
		    (ip_is_set(g->ip) || g->security != STATE_SECURE_MAC_IP))
			ops[n++] = (struct kernel_guard_op){ .del = true, .guard = *g };
	}
	status = n > 0 ? r->k->ops->guard(r->k, ops, n, e) : 0;
	if (status < 0)
		return status;
	for (size_t i = 0; i < n; i++) {
		const struct state_port *p = reconcile_wanted_port(w, ops[i].guard.port, &vni);

		if (p)
			look_again(r, p, vni);
	}
	/* A new dump tells anew; those that could not be judged yet wait. */
	for (size_t i = 0; i < r->n_guards; i++) {
		if (reconcile_source_of(r, r->guards[i].port) != RECONCILE_COMPLETE)
			r->guards[kept++] = r->guards[i];
	}
	r->n_guards = kept;
	if (r->guards_drift)
		reconcile_tell_drift(r, 0, diff_op_name(DIFF_GUARD_DEL), n);
	return 0;
}

int reconcile_leftovers(struct reconcile *r, struct err *e)
{
	bool elems;
	int status;

	if (!r->leftovers_due)
		return 0;
	r->leftovers_due = false;
	elems = reconcile_elems_unclaimed(r);
	if (r->n_strays == 0 && r->n_guards == 0 && r->n_loose == 0 && !elems)
		return 0;

	_cleanup_wanted_ struct wanted w = reconcile_wanted(r);

	sort_loose(r, &w);
	status = drop_misplaced(r, &w, e);
	if (status == 0)
		status = drop_strays(r, &w, e);
	if (status == 0 && elems)
		status = reconcile_elems_judge(r, w.v, w.n, e);
	r->leftovers_due = status < 0;
	return status;
}

/* ---- the hosts' addresses ---- */

int reconcile_hosts(struct reconcile *r, struct err *e)
{
	_cleanup_free_ struct ip *want = NULL, *add = NULL, *del = NULL;
	enum reconcile_source source = r->h.source(r->user, 0);
	size_t n_want, n_add, n_del;
	bool drift = r->hosts_drift;
	int status;

	if (source == RECONCILE_NONE)
		return 0; /* told again when there is a picture */
	r->hosts_dirty = false;
	n_want = r->h.vteps(r->user, &want);
	diff_ips(want, n_want, r->vteps, r->n_vteps, &add, &n_add, &del, &n_del);
	if (source != RECONCILE_COMPLETE)
		n_del = 0;
	r->hosts_drift = false;
	if (n_add == 0 && n_del == 0)
		return 0;
	status = r->k->ops->vteps(r->k, add, n_add, del, n_del, e);
	if (status < 0) {
		r->hosts_dirty = r->full_dump = true;
		r->hosts_drift = drift;
		return status;
	}
	if (source != RECONCILE_COMPLETE)
		n_want = join_vteps(&want, n_want, r->vteps, r->n_vteps);
	free(r->vteps);
	r->vteps = TAKE_PTR(want);
	r->n_vteps = n_want;
	if (drift) {
		reconcile_tell_drift(r, 0, "vtep-add", n_add);
		reconcile_tell_drift(r, 0, "vtep-del", n_del);
	}
	return 0;
}
