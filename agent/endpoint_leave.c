/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disconnect, withdrawal of the dead, and settling with etcd what was left open. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/endpoint_priv.h"
#include "agent/network.h"
#include "agent/reconcile.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- leaving ---- */

static bool store_away(int status)
{
	return status == -EHOSTUNREACH || status == -ETIMEDOUT || status == -EACCES;
}

/* Tell everybody who waits. After a failed connect its callers learn why; who asked to leave is told it is done. */
static void answer_left(struct ep *ep, int status, const struct err *e)
{
	struct err none = { 0 };

	if (ep->connects)
		ep_answer(&ep->connects, ep->fail_status ? ep->fail_status : -ECANCELED, NULL,
			  &ep->fail);
	ep_answer(&ep->leaves, status, status == 0 ? ep->row : NULL, e ? e : &none);
}

static void released(void *user, int status, int64_t revision, const struct err *e)
{
	struct ep *ep = user;
	struct endpoints *es = ep->es;
	struct err le = { 0 };

	if (status == -ECANCELED)
		return;
	ep->releasing = false;
	if (status < 0) {
		/* The intent is kept in SQLite and sent again with the next contact (endpoints_resettle()). */
		log_warn("addresses not given back yet; will retry when etcd answers",
			 "endpoint=%s err=%s", ep->row->name, LOG_Q(err_text(e)));
		answer_left(ep, store_away(status) ? 0 : status, e);
		return;
	}
	ep_mirror(ep, NULL, revision);
	if (local_endpoint_del(es->d.local, ep->row->id, &le) < 0)
		log_error("cannot forget an endpoint", "endpoint=%s err=%s", ep->row->name,
			  LOG_Q(err_text(&le)));
	answer_left(ep, 0, NULL);
	ep_free(ep);
}

void ep_release(struct ep *ep)
{
	struct model_endpoint m = ep_model(ep);

	if (ep->releasing || ep->reclaiming || !ep->es->d.claim)
		return; /* a reclaim under way: its answer leads here again */
	ep->releasing = true;
	claim_endpoint_release(ep->es->d.claim, &m, released, ep);
}

void ep_leave(struct ep *ep, int fail_status, const struct err *e)
{
	struct endpoints *es = ep->es;
	bool was_running = ep->phase == EP_RUNNING;
	struct err le = { 0 };

	if (ep->phase == EP_LEAVING)
		return;
	ep->phase = EP_LEAVING;
	if (fail_status < 0) {
		ep->fail_status = fail_status;
		ep->fail = *e;
	}
	if (ep_save(ep, LOCAL_RELEASING, &le) < 0)
		log_error("cannot remember that an endpoint leaves", "endpoint=%s err=%s",
			  ep->row->name, LOG_Q(err_text(&le)));
	if (was_running) {
		if (fail_status == 0)
			ep_publish(ep, "disconnect");
		ep_dying_add(ep);
		if (ep_vni(ep))
			(void)reconcile_now(es->d.reconcile, ep_vni(ep), NULL, NULL);
		else
			reconcile_dirty_all(es->d.reconcile);
	}
	ep_release(ep);
	if (!es->d.claim || !mirror_link_up(es->d.mirror))
		answer_left(ep, 0, NULL); /* etcd is away: off the network now, given back later */
}

/* ---- disconnect ---- */

static struct ep *match_text(struct endpoints *es, struct id network, const char *text)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		const struct local_endpoint *r = ep->row;

		if (ep->phase == EP_LEAVING || !id_eq(r->network, network))
			continue;
		if (strcmp(r->name, text) == 0 ||
		    (r->target.path && strcmp(r->target.path, text) == 0) ||
		    (r->run_name && strcmp(r->run_name, text) == 0) || id_has_prefix(r->id, text) ||
		    (r->container_id && strcmp(r->container_id, text) == 0))
			return ep;
	}
	return NULL;
}

static struct ep *match(struct endpoints *es, struct id network, const char *text, struct err *e)
{
	_cleanup_free_ char *run_name = NULL;
	struct local_target t = { 0 };
	struct ep *ep, *tmp, *found = NULL;

	if (target_resolve(text, es->d.run_pid, es->d.user, &t, &run_name, e) == 0) {
		HASH_ITER(hh, es->table, ep, tmp) {
			if (ep->phase != EP_LEAVING && id_eq(ep->row->network, network) &&
			    target_match(&ep->row->target, &t))
				found = ep;
		}
	}
	target_done(&t);
	return found ? found : match_text(es, network, text);
}

static void leave_on_request(struct ep *ep, endpoint_done_fn done, void *user)
{
	ep_wait(&ep->leaves, done, user);
	if (ep->phase == EP_CLAIMING)
		ep->leave_wanted = true; /* settled when the claim's answer comes */
	else if (ep->phase != EP_LEAVING)
		ep_leave(ep, 0, NULL);
}

void endpoint_disconnect(struct endpoints *es, struct id network, const char *target, bool force,
			 endpoint_done_fn done, void *user)
{
	struct err e = { 0 };
	struct ep *ep = match(es, network, target, &e);

	if (ep) {
		leave_on_request(ep, done, user);
		return;
	}
	if (force) {
		struct err none = { 0 };

		done(user, 0, NULL, &none);
		return;
	}
	err_set(&e, -ENOENT, "%s is not connected to this network on this node", target);
	done(user, -ENOENT, NULL, &e);
}

void endpoint_disconnect_id(struct endpoints *es, struct id endpoint, endpoint_done_fn done,
			    void *user)
{
	struct ep *ep = ep_find(es, endpoint);
	struct err e = { 0 };

	if (ep) {
		leave_on_request(ep, done, user);
		return;
	}
	err_set(&e, -ENOENT, "endpoint not found on this node");
	done(user, -ENOENT, NULL, &e);
}

void endpoint_drop_target(struct endpoints *es, const struct local_target *t)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (target_match(&ep->row->target, t))
			leave_on_request(ep, NULL, NULL);
	}
}

void endpoints_port_failed(struct endpoints *es, struct id endpoint, int status,
			   const struct err *e)
{
	struct ep *ep = ep_find(es, endpoint);

	if (!ep || ep->phase != EP_RUNNING || ep->connects)
		return; /* while attaching, reconcile_now() tells */
	if (status == -ENOENT) {
		log_info("namespace is gone; its endpoint is withdrawn", "endpoint=%s target=%s",
			 ep->row->name, LOG_Q(ep->row->target.path));
		ep_leave(ep, 0, NULL);
		return;
	}
	log_warn("port could not be repaired; will retry", "endpoint=%s err=%s", ep->row->name,
		 LOG_Q(err_text(e)));
}

/* ---- settling with etcd ---- */

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
	ep_publish(ep, conflict ? "conflict" : "connect");
	reconcile_dirty(ep->es->d.reconcile, ep_vni(ep));
}

static void reclaimed(void *user, int status, const struct model_endpoint *m, const struct err *e)
{
	struct ep *ep = user;
	struct err le = { 0 };

	if (status == -ECANCELED)
		return;
	ep->reclaiming = false;
	if (ep->phase == EP_LEAVING) {
		ep_release(ep);
		return;
	}
	if (status == 0) {
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
	const struct model_network *net = network_get(es->d.networks, ep->row->network);
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

static bool record_agrees(struct ep *ep)
{
	struct mirror_endpoint *me =
		mirror_endpoint(ep->es->d.mirror, ep->row->network, ep->row->id);

	return me && id_eq(me->rec->node, ep->es->d.self) && ip_eq(me->rec->ip4, ep->row->ip4) &&
	       ip_eq(me->rec->ip6, ep->row->ip6) && mac_eq(me->rec->mac, ep->row->mac);
}

void endpoints_resettle(struct endpoints *es, bool all)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->phase == EP_LEAVING)
			ep_release(ep);
		else if (ep->phase == EP_RUNNING &&
			 (all || ep->row->state == LOCAL_CONFLICT || !record_agrees(ep)))
			ep_reclaim(ep);
	}
}

void endpoints_record_changed(struct endpoints *es, const struct mirror_change *c)
{
	struct ep *ep = ep_find(es, c->id);

	if (ep && ep->phase == EP_RUNNING && !ep->connects && !record_agrees(ep))
		ep_reclaim(ep);
}
