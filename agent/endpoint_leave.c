/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disconnect, withdrawal of the dead, and settling with etcd what was left open. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/endpoint_priv.h"
#include "agent/reconcile.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- leaving ---- */

void ep_answer_left(struct ep *ep, int status, const struct err *e)
{
	struct err none = { 0 };

	if (ep->connects && !ep->fail_status)
		ep->fail_status =
			err_set(&ep->fail, -ECANCELED, "disconnected while it was being connected");
	ep_answer(&ep->connects, ep->fail_status, NULL, &ep->fail);
	ep_answer(&ep->leaves, status, status == 0 ? ep->row : NULL, e ? e : &none);
}

static void say_unsaved(const struct ep *ep, const struct err *e)
{
	log_error("cannot remember that an endpoint leaves", "endpoint=%s err=%s", ep->row->name,
		  LOG_Q(err_text(e)));
}

/* Of a local network: nobody else holds anything of it. @device: in the container itself, and about to go. */
static void forget_local(struct ep *ep, bool device)
{
	struct err e = { 0 };

	if (device && ep_save(ep, LOCAL_RELEASING, &e) < 0)
		say_unsaved(ep, &e);
	else if (!device && local_endpoint_del(ep->es->d.local, ep->row->id, &e) < 0)
		log_error("cannot forget an endpoint", "endpoint=%s err=%s", ep->row->name,
			  LOG_Q(err_text(&e)));
	ep_local_released(ep);
}

void endpoints_direct_gone(struct endpoints *es, struct id endpoint)
{
	char id[ID_TEXT_MAX];
	struct err e = { 0 };

	if (!ep_find(es, endpoint) && local_endpoint_del(es->d.local, endpoint, &e) < 0)
		log_error("cannot forget an endpoint", "id=%s err=%s", id_format(endpoint, id),
			  LOG_Q(err_text(&e)));
}

static void leave_local(struct ep *ep)
{
	struct endpoints *es = ep->es;
	struct state_target t = ep->target;
	bool remaking = ep->remaking;
	struct err none = { 0 };

	ep_answer_left(ep, 0, NULL);
	ep_free(ep);
	if (remaking) /* it was not needed any more */
		ep_egress_unhold(es, &t, 0, &none);
}

void ep_shut_port(struct ep *ep)
{
	struct endpoints *es = ep->es;

	if (!ep_is_docker(ep))
		ep_dying_add(ep);
	if (ep_key(ep))
		(void)reconcile_now(es->d.reconcile, ep_key(ep), NULL, NULL);
	else
		reconcile_dirty_all(es->d.reconcile);
}

static bool is_egress(const struct ep *ep)
{
	const struct model_network *net = ep_network(ep);

	return net && strcmp(net->driver, "egress") == 0;
}

void ep_leave(struct ep *ep, int fail_status, const struct err *e)
{
	struct endpoints *es = ep->es;
	bool was_running = ep->phase == EP_RUNNING, was_told = was_running || ep->remaking;
	struct err le = { 0 };

	if (ep->phase == EP_LEAVING)
		return;
	ep->phase = EP_LEAVING;
	if (fail_status < 0) {
		ep->fail_status = fail_status;
		ep->fail = *e;
	}
	if (ep->local)
		forget_local(ep, was_running && ep_is_direct(ep));
	else if (ep_save(ep, LOCAL_RELEASING, &le) < 0)
		say_unsaved(ep, &le);
	if (was_running && fail_status == 0 && !is_egress(ep))
		ep_event(ep, "disconnect");
	if (was_running)
		ep_shut_port(ep);
	if (was_told && es->d.endpoint)
		es->d.endpoint(es->d.user, ep->row, true);
	ep_sandbox_left(ep);
	if (was_told && es->d.sandbox && !ep_is_docker(ep))
		es->d.sandbox(es->d.user, &ep->target);
	ep_publish_drop(ep);
	if (ep->local) {
		leave_local(ep);
		return;
	}
	ep_release(ep);
	if (!es->d.claim || !mirror_link_up(es->d.mirror))
		ep_answer_left(ep, 0,
			       NULL); /* etcd is away: off the network now, given back later */
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

	if (ep && is_egress(ep)) {
		err_set(&e, -EACCES,
			"network egress is ovl's own: it goes with the last network that needs it");
		done(user, -EACCES, NULL, &e);
		return;
	}
	if (ep && ep_is_docker(ep)) {
		err_set(&e, -EACCES,
			"endpoint %s is Docker's: use `docker network disconnect` or stop its container",
			ep->row->name);
		done(user, -EACCES, NULL, &e);
		return;
	}
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

/* Leaving one may take others along: by their ids. */
void endpoint_drop_target(struct endpoints *es, const struct local_target *t)
{
	_cleanup_free_ struct id *ids = mem_alloc_array(HASH_COUNT(es->table) + 1, sizeof(*ids));
	struct ep *ep, *tmp;
	size_t n = 0;

	endpoints_drop_begin(es, t);
	HASH_ITER(hh, es->table, ep, tmp) {
		if (target_match(&ep->row->target, t))
			ids[n++] = ep->row->id;
	}
	for (size_t i = 0; i < n; i++) {
		ep = ep_find(es, ids[i]);
		if (ep)
			leave_on_request(ep, NULL, NULL);
	}
}

/* Until Docker deletes it, or the comparison with Docker does, it keeps its addresses. */
static void lose(struct ep *ep)
{
	if (ep->row->lost)
		return;
	ep->row->lost = true;
	log_warn("the interface that Docker was given is gone; Docker is to say what becomes of it",
		 "endpoint=%s ifname=%s sandbox=%s", ep->row->name, ep->row->ifname,
		 LOG_Q(ep->row->target.path));
	reconcile_dirty(ep->es->d.reconcile, ep_key(ep));
}

/* Its namespace's other endpoints go with it: not each of them can be watched. */
static void withdraw(struct ep *ep)
{
	struct endpoints *es = ep->es;
	struct local_target t = { .netns_dev = ep->target.dev, .netns_ino = ep->target.ino };

	if (es->d.kernel->ops->target_alive(es->d.kernel, &ep->target))
		ep_leave(ep, 0, NULL);
	else
		endpoint_drop_target(es, &t);
}

void endpoints_port_failed(struct endpoints *es, struct id endpoint, int status,
			   const struct err *e)
{
	struct ep *ep = ep_find(es, endpoint);

	if (!ep || ep->phase != EP_RUNNING || ep->attaching || ep->connects)
		return; /* while attaching, reconcile_now() tells */
	if (status == -ENOENT && ep_is_docker(ep)) {
		lose(ep);
		return;
	}
	if (status == -ENOENT) {
		log_info("namespace is gone; its endpoint is withdrawn", "endpoint=%s target=%s",
			 ep->row->name, LOG_Q(ep->row->target.path));
		withdraw(ep);
		return;
	}
	log_warn("port could not be repaired; will retry", "endpoint=%s err=%s", ep->row->name,
		 LOG_Q(err_text(e)));
}
