/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Agreement with etcd: addresses given back, own records put again, conflicts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/endpoint_priv.h"
#include "agent/reconcile.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- giving back ---- */

static bool store_away(int status)
{
	return status == -EHOSTUNREACH || status == -ETIMEDOUT || status == -EACCES;
}

static void say_kept(const struct ep *ep, const struct err *e)
{
	/* The intent is kept in SQLite and sent again with the next contact (endpoints_resettle()). */
	log_warn("addresses not given back yet; will retry when etcd answers", "endpoint=%s err=%s",
		 ep->row->name, LOG_Q(err_text(e)));
}

static void released(void *user, int status, int64_t revision, const struct err *e)
{
	struct ep *ep = user;
	struct endpoints *es;
	struct err le = { 0 };

	if (status == -ECANCELED)
		return; /* the agent is stopping: there is no endpoint any more */
	es = ep->es;
	ep->releasing = false;
	if (status < 0) {
		say_kept(ep, e);
		ep_answer_left(ep, store_away(status) ? 0 : status, e);
		return;
	}
	ep_mirror(ep, NULL, revision);
	if (local_endpoint_del(es->d.local, ep->row->id, &le) < 0)
		log_error("cannot forget an endpoint", "endpoint=%s err=%s", ep->row->name,
			  LOG_Q(err_text(&le)));
	ep_answer_left(ep, 0, NULL);
	ep_free(ep);
}

void ep_lease_doubt(struct endpoints *es, int status)
{
	if (status == -EKEYEXPIRED && es->d.lease_gone)
		es->d.lease_gone(es->d.user);
}

/* With a lease that is gone nothing can be reserved: then all of it is given back. */
static void unbound(void *user, int status, int64_t revision, const struct err *e)
{
	struct ep *ep = user;

	if (status != -EKEYEXPIRED) {
		released(user, status, revision, e);
		return;
	}
	ep->releasing = false;
	ep_release(ep);
}

void ep_release(struct ep *ep)
{
	int64_t lease = ep->unbind ? ep->es->d.lease(ep->es->d.user) : 0;
	struct model_endpoint m = ep_model(ep);

	if (ep->releasing || ep->reclaiming || !ep->es->d.claim)
		return; /* a reclaim under way: its answer leads here again */
	ep->releasing = true;
	ep->unbind = false;
	if (lease)
		claim_endpoint_unbind(ep->es->d.claim, &m, ep->es->d.self, lease, unbound, ep);
	else
		claim_endpoint_release(ep->es->d.claim, &m, released, ep);
}

/* ---- own records ---- */

static void set_conflict(struct ep *ep, bool conflict, const struct err *why)
{
	struct err e = { 0 };

	if ((ep->row->state == LOCAL_CONFLICT) == conflict)
		return;
	if (ep_save(ep, conflict ? LOCAL_CONFLICT : LOCAL_BOUND, &e) < 0)
		log_error("cannot remember a conflict", "err=%s", LOG_Q(err_text(&e)));
	if (conflict)
		log_error(
			"address conflict: another owns this endpoint's address now; its port is shut",
			"endpoint=%s err=%s", ep->row->name, LOG_Q(err_text(why)));
	else
		log_info("address conflict is over; the port is open again", "endpoint=%s",
			 ep->row->name);
	ep_event(ep, conflict ? "conflict" : "connect");
	reconcile_dirty(ep->es->d.reconcile, ep_key(ep));
}

static void reclaimed(void *user, int status, const struct model_endpoint *m, const struct err *e)
{
	struct ep *ep = user;
	struct err le = { 0 };

	if (status == -ECANCELED)
		return;
	ep->reclaiming = false;
	ep_lease_doubt(ep->es, status);
	if (ep->phase == EP_LEAVING) {
		ep_release(ep);
		return;
	}
	if (status == 0) {
		ep->names_due = ep->reclaim_again && ep->names_due;
		ep->row->endpoint_rev = ep->row->addr4_rev = ep->row->addr6_rev = m->mod_revision;
		ep_mirror(ep, m, m->mod_revision);
		if (ep->row->state == LOCAL_CONFLICT)
			set_conflict(ep, false, NULL);
		else if (ep_save(ep, LOCAL_BOUND, &le) < 0)
			log_error("cannot remember an endpoint", "err=%s", LOG_Q(err_text(&le)));
	} else if (status == -EADDRINUSE) {
		set_conflict(ep, true, e);
	} else {
		log_warn("own endpoint could not be put again; will retry at the next contact",
			 "endpoint=%s err=%s", ep->row->name, LOG_Q(err_text(e)));
	}
	if (ep->reclaim_again) {
		ep->reclaim_again = false;
		ep_reclaim(ep);
	}
}

void ep_reclaim(struct ep *ep)
{
	struct endpoints *es = ep->es;
	const struct model_network *net = ep_network(ep);
	struct model_endpoint m = ep_model(ep);
	struct claim_endpoint_request cr = { .endpoint = &m,
					     .want4 = ep->row->ip4,
					     .want6 = ep->row->ip6,
					     .lease = es->d.lease(es->d.user),
					     .reclaim = true };

	if (!es->d.claim || !cr.lease || !net)
		return;
	if (ep->reclaiming) {
		ep->reclaim_again = true;
		return;
	}
	cr.network = net;
	ep->reclaiming = true;
	claim_endpoint_create(es->d.claim, &cr, reclaimed, ep);
}

/* Others' never change. */
static bool names_agree(const struct ep *ep, const struct model_endpoint *rec)
{
	const struct local_endpoint *r = ep->row;
	const char *have = rec->hostname ? rec->hostname : "",
		   *want = r->hostname ? r->hostname : "";

	return !ep_is_docker(ep) ||
	       (!ep->names_due && strcmp(rec->name, r->name) == 0 && strcmp(have, want) == 0 &&
		strcmp(rec->sandbox, r->sandbox) == 0 && strv_eq(&rec->aliases, &r->aliases));
}

static bool is_claimed(const struct ep *ep)
{
	return ep->phase == EP_RUNNING || ep->phase == EP_HELD;
}

static bool record_agrees(struct ep *ep)
{
	struct mirror_endpoint *me =
		mirror_endpoint(ep->es->d.mirror, ep->row->network, ep->row->id);

	return me && id_eq(me->rec->node, ep->es->d.self) && ip_eq(me->rec->ip4, ep->row->ip4) &&
	       ip_eq(me->rec->ip6, ep->row->ip6) && mac_eq(me->rec->mac, ep->row->mac) &&
	       names_agree(ep, me->rec);
}

void endpoints_resettle(struct endpoints *es, bool all)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->local)
			continue;
		if (ep->phase == EP_LEAVING)
			ep_release(ep);
		else if (is_claimed(ep) &&
			 (all || ep->row->state == LOCAL_CONFLICT || !record_agrees(ep)))
			ep_reclaim(ep);
	}
}

void endpoints_record_changed(struct endpoints *es, const struct mirror_change *c)
{
	struct ep *ep = ep_find(es, c->id);

	if (ep && !ep->local && is_claimed(ep) && !ep->connects && !record_agrees(ep))
		ep_reclaim(ep);
}
