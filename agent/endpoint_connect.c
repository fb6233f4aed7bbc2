/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connect: check, remember the intent, claim by one transaction, make the port, reply. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "agent/endpoint_priv.h"
#include "agent/forwarding.h"
#include "agent/reconcile.h"
#include "base/log.h"
#include "base/mem.h"

#define OVERHEAD_V4 50

/* ---- the port ---- */

/* Does what goes through it pass the host's own routing? */
static bool is_forwarded(const struct ep *ep)
{
	const struct model_network *net = ep_network(ep);
	struct netopt opt;

	if (!ep->local || !net)
		return false;
	network_options(net, &opt);
	return opt.driver == NETOPT_EGRESS ||
	       (opt.driver == NETOPT_BRIDGE && !net->internal &&
		(opt.masquerade || opt.gateway_mode == NETOPT_ROUTED));
}

/* Return: 1 when it had to be switched on, 0, or the error. */
static int need_forwarding(const struct ep *ep, struct err *e)
{
	int r = 0, r6 = 0;

	if (is_forwarded(ep))
		r = forwarding_need(ep->es->d.kernel, ep->es->d.local, AF_INET, e);
	if (r >= 0 && is_forwarded(ep) && ip_is_set(ep->row->ip6))
		r6 = forwarding_need(ep->es->d.kernel, ep->es->d.local, AF_INET6, e);
	return r6 ? r6 : r;
}

unsigned endpoints_check_forwarding(struct endpoints *es)
{
	struct ep *ep, *tmp;
	unsigned n = 0;

	HASH_ITER(hh, es->table, ep, tmp) {
		struct err e = { 0 };
		int r = ep->phase == EP_RUNNING ? need_forwarding(ep, &e) : 0;

		if (r < 0) {
			log_error("containers cannot reach the outside; will retry", "err=%s",
				  LOG_Q(err_text(&e)));
			break;
		}
		n += (unsigned)r;
	}
	return n;
}

bool endpoints_forwarded(struct endpoints *es, int family)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->phase == EP_RUNNING && is_forwarded(ep) &&
		    (family == AF_INET || ip_is_set(ep->row->ip6)))
			return true;
	}
	return false;
}

int ep_make(struct ep *ep, struct err *e)
{
	uint32_t key = ep_key(ep);
	int r;

	ep->phase = EP_RUNNING;
	ep->attaching = true;
	ep_sandbox_enter(ep);
	r = need_forwarding(ep, e);
	if (r >= 0)
		r = key ? reconcile_now(ep->es->d.reconcile, key, &ep->row->id, e) :
			  err_set(e, -ENOENT, "the network is gone");
	ep->attaching = false;
	if (r == 0 && ep->es->d.endpoint)
		ep->es->d.endpoint(ep->es->d.user, ep->row, false);
	return r;
}

void ep_finish(struct ep *ep)
{
	struct err none = { 0 };
	char ip[IP_TEXT_MAX];

	log_info("endpoint connected", "name=%s address=%s ifname=%s", ep->row->name,
		 ip_format(ep->row->ip4, ip), ep->row->ifname);
	if (!ep->row->defer_egress && ep->es->d.sandbox)
		ep->es->d.sandbox(ep->es->d.user, &ep->target);
	ep_answer(&ep->connects, 0, ep->row, &none);
	ep_event(ep, "connect");
}

void ep_attach(struct ep *ep)
{
	struct endpoints *es = ep->es;
	struct state_target target = ep->target;
	struct id id = ep->row->id;
	struct err e = { 0 };
	int r;

	if (ep->remaking) {
		ep_egress_remade(ep);
		return;
	}
	r = ep_make(ep, &e);
	if (r == 0 && !ep->row->defer_egress)
		ep_sandbox_final(es, &target);
	if (r == 0)
		r = ep_sandbox_settle(es, &target, &e);
	/* Should the namespace have ended under it, all of it has been told and is gone. */
	if (!ep_find(es, id) || ep->phase != EP_RUNNING)
		return;
	if (r < 0)
		ep_leave(ep, r, &e);
	else if (!ep_egress_hold(ep))
		ep_finish(ep);
}

/* Addresses are ours: now, or as soon as the name inside the container is free. */
static void proceed(struct ep *ep)
{
	struct endpoints *es = ep->es;

	if (!ep_dying_blocks(ep)) {
		ep_attach(ep);
		return;
	}
	ep->phase = EP_WAITING;
	ep->deadline_ms = uv_now(es->d.loop) + EP_WAIT_MAX_MS;
	endpoint_wait_start(es);
}

/* ---- after the claim ---- */

void ep_take_claimed(struct ep *ep, const struct model_endpoint *m)
{
	ep->row->ip4 = m->ip4;
	ep->row->ip6 = m->ip6;
	ep->row->mac = m->mac;
	ep->row->endpoint_rev = ep->row->addr4_rev = ep->row->addr6_rev = m->mod_revision;
}

static void claimed(void *user, int status, const struct model_endpoint *m, const struct err *ce)
{
	struct ep *ep = user;
	struct err e = { 0 };

	if (status == -ECANCELED)
		return; /* closing: endpoints_close() has answered, or will */
	ep_lease_doubt(ep->es, status);
	if (status < 0) {
		ep_leave(ep, status, ce);
		return;
	}
	ep_take_claimed(ep, m);
	ep_mirror(ep, m, m->mod_revision);
	status = ep_save(ep, LOCAL_BOUND, &e);
	if (status < 0 || ep->leave_wanted) {
		if (status == 0)
			status = err_set(&e, -ECANCELED,
					 "disconnected while it was being connected");
		ep_leave(ep, status, &e);
		return;
	}
	proceed(ep);
}

/* ---- before it ---- */

static int check_store(struct endpoints *es, struct err *e)
{
	if (!es->d.claim)
		return err_set(e, -EINVAL,
			       "overlay networks need etcd, and this agent has none (--etcd)");
	if (mirror_get_state(es->d.mirror) == MIRROR_FROZEN)
		return err_set(
			e, -EAGAIN,
			"etcd does not hold the cluster this node knows (wiped or restored): run `ovlctl cluster adopt`");
	if (mirror_get_state(es->d.mirror) != MIRROR_SYNCED || !mirror_link_up(es->d.mirror))
		return err_set(e, -EHOSTUNREACH,
			       "etcd cannot be reached: no address can be claimed now");
	if (es->d.lease(es->d.user) == 0)
		return err_set(e, -EAGAIN, "this node has no address lease yet: try again");
	return 0;
}

static int check_mtu(struct endpoints *es, const struct model_network *net, struct err *e)
{
	uint32_t under = es->d.mtu(es->d.user);

	if (under == 0)
		return err_set(e, -EAGAIN, "this node has no VTEP address yet: try again");
	if (net->mtu + OVERHEAD_V4 > under)
		return err_set(
			e, -EMSGSIZE,
			"network %s has MTU %u, which needs an underlay of %u; this node's has %u: it fits networks of MTU %u "
			"and less (create it with -o mtu=%u)",
			net->name, net->mtu, net->mtu + OVERHEAD_V4, under, under - OVERHEAD_V4,
			under - OVERHEAD_V4);
	return 0;
}

/* "NAME:ALIAS" */
void ep_check_link(const char *link, struct err *e)
{
	const char *colon = strchr(link, ':');
	_cleanup_free_ char *name = mem_strndup(link, colon ? (size_t)(colon - link) : 0);
	struct err one = { 0 };

	if (!colon)
		err_set(&one, -EINVAL, "link: \"%s\" is not NAME:ALIAS", link);
	else if (model_name_check("link: name", name, &one) == 0)
		model_name_check("link: alias", colon + 1, &one);
	if (one.code < 0)
		err_add(e, one.code, "%s", one.text);
}

static void check_more_names(const struct endpoint_request *req, struct err *e)
{
	const struct {
		const char *what;
		size_t n, max;
	} bounds[] = {
		{ "exposed ports", req->n_expose, MODEL_EXPOSE_MAX },
		{ "links", req->links.n, LOCAL_LINKS_MAX },
		{ "dns servers", req->dns.n, LOCAL_DNS_MAX },
		{ "search domains", req->dns_search.n, LOCAL_DNS_SEARCH_MAX },
		{ "dns options", req->dns_options.n, LOCAL_DNS_OPTIONS_MAX },
		{ "extra hosts", req->extra_hosts.n, LOCAL_HOSTS_MAX },
	};
	struct err one = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		if (bounds[i].n > bounds[i].max)
			err_add(e, -EINVAL, "%s: more than %zu", bounds[i].what, bounds[i].max);
	}
	if (req->hostname && model_hostname_check("hostname", req->hostname, &one) < 0)
		err_add(e, one.code, "%s", one.text);
	for (size_t i = 0; i < req->links.n; i++)
		ep_check_link(req->links.v[i], e);
}

static int check_names(const struct endpoint_request *req, struct err *e)
{
	struct err one = { 0 };

	if (req->name && model_name_check("endpoint name", req->name, &one) < 0)
		err_add(e, one.code, "%s", one.text);
	if (req->aliases.n > MODEL_ALIASES_MAX)
		err_add(e, -EINVAL, "aliases: more than %d", MODEL_ALIASES_MAX);
	for (size_t i = 0; i < req->aliases.n; i++) {
		one = (struct err){ 0 };
		if (model_name_check("alias", req->aliases.v[i], &one) < 0)
			err_add(e, one.code, "%s", one.text);
	}
	if (req->ifname && (!*req->ifname || strlen(req->ifname) >= IFNAMSIZ ||
			    strpbrk(req->ifname, "/: \t\n") || req->ifname[0] == '.'))
		err_add(e, -EINVAL,
			"interface name: \"%s\" must have 1 to %d characters, none of '/', ':' or blank",
			req->ifname, IFNAMSIZ - 1);
	if (!mac_is_zero(req->mac) && !mac_is_usable(req->mac))
		err_add(e, -EINVAL, "mac: a multicast address cannot be an interface's");
	check_more_names(req, e);
	return e->code;
}

static struct ep *find_connected(struct endpoints *es, struct id network,
				 const struct local_target *t)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->phase != EP_LEAVING && id_eq(ep->row->network, network) &&
		    target_match(&ep->row->target, t))
			return ep;
	}
	return NULL;
}

/* Both lead to the same addresses: the namespace could reach only one of them. */
static int check_conflict(struct endpoints *es, const struct model_network *net,
			  const struct local_target *t, struct err *e)
{
	const struct model_network *other = network_conflict(es->d.networks, net);

	if (!other || (model_network_is_local(net) && !find_connected(es, other->id, t)))
		return 0;
	return err_set(
		e, -EEXIST,
		"network %s (%s) overlaps with network %s (%s) of this node: remove one of them",
		net->name, net->driver, other->name, other->driver);
}

int ep_check_network(struct endpoints *es, const struct model_network *net,
		     const struct local_target *t, struct err *e)
{
	struct netopt opt;
	int r = 0;

	network_options(net, &opt);
	switch (opt.driver) {
	case NETOPT_OVERLAY:
		r = check_store(es, e);
		if (r == 0)
			r = check_mtu(es, net, e);
		break;
	case NETOPT_BRIDGE:
	case NETOPT_MACVLAN:
	case NETOPT_IPVLAN:
		break;
	case NETOPT_EGRESS:
		return err_set(
			e, -EACCES,
			"network %s is ovl's own: overlay networks lead out through it by themselves",
			net->name);
	case NETOPT_HOST:
	case NETOPT_NULL:
		return err_set(e, -EINVAL,
			       "network %s cannot be connected to: only `ovlctl run --network %s`",
			       net->name, net->name);
	}
	if (r == 0 && !reconcile_ready(es->d.reconcile))
		r = err_set(e, -EAGAIN, "the kernel's state has not been read yet: try again");
	return r < 0 ? r : check_conflict(es, net, t, e);
}

/* A port of the host left to choose is any. */
static bool publishes_the_same(const struct local_endpoint *r, const struct endpoint_request *req)
{
	if (req->n_publish != r->n_publish)
		return false;
	for (size_t i = 0; i < r->n_publish; i++) {
		const struct model_publish *a = &r->publish[i], *b = &req->publish[i];

		if (a->proto != b->proto || a->port != b->port ||
		    (b->host_port && a->host_port != b->host_port) ||
		    (ip_is_set(b->host_ip) && !ip_eq(a->host_ip, b->host_ip)))
			return false;
	}
	return true;
}

static bool asks_the_same(const struct ep *ep, const struct endpoint_request *req)
{
	const struct local_endpoint *r = ep->row;

	return (!ip_is_set(req->ip4) || ip_eq(req->ip4, r->ip4)) &&
	       (!ip_is_set(req->ip6) || ip_eq(req->ip6, r->ip6)) &&
	       (mac_is_zero(req->mac) || mac_eq(req->mac, r->mac)) &&
	       (!req->name || strcmp(req->name, r->name) == 0) &&
	       (!req->ifname || strcmp(req->ifname, r->ifname) == 0) &&
	       req->gw_priority == r->gw_priority && publishes_the_same(r, req);
}

static void start_claim(struct ep *ep, const struct model_network *net,
			const struct endpoint_request *req)
{
	struct model_endpoint m = ep_model(ep);
	struct claim_endpoint_request cr = { .network = net,
					     .endpoint = &m,
					     .want4 = req->ip4,
					     .want6 = req->ip6,
					     .lease = ep->es->d.lease(ep->es->d.user) };

	ep->phase = EP_CLAIMING;
	claim_endpoint_create(ep->es->d.claim, &cr, claimed, ep);
}

int ep_check_room(struct endpoints *es, const struct model_network *net, struct err *e)
{
	struct ep *ep, *tmp;
	size_t n = 0;

	HASH_ITER(hh, es->table, ep, tmp)
		n += ep->phase != EP_LEAVING && id_eq(ep->row->network, net->id);
	return n < STATE_PORTS_MAX ?
		       0 :
		       err_set(e, -ENOSPC,
			       "network %s has %d endpoints on this node, and no room for more",
			       net->name, STATE_PORTS_MAX);
}

/* Ports and, on a local network, addresses are taken here; with the row they are remembered. */
static int take(struct endpoints *es, const struct endpoint_request *req,
		const struct model_network *net, struct local_endpoint *row, struct ep **ret,
		struct err *e)
{
	bool local = model_network_is_local(net);
	struct netopt opt;
	struct ep *ep;
	int r = 0;

	network_options(net, &opt);
	if (local)
		r = ep_local_addresses(es, net, req, true, row, e);
	if (r == 0)
		r = ep_publish_take(es, row, &opt, e);
	if (r < 0) {
		local_endpoint_free(row);
		return r;
	}
	ep = ep_new(es, row);
	/* With nothing to claim, an intent would announce nothing: whoever asked asks again, and is told that it is there. */
	r = ep_save(ep, local ? LOCAL_BOUND : LOCAL_INTENDED, e);
	if (r < 0) {
		ep_publish_drop(ep);
		ep_free(ep);
		return r;
	}
	*ret = ep;
	return 0;
}

/* Everything that can be refused before anything is written. *ret set and 1: it is there already. */
static int prepare(struct endpoints *es, const struct endpoint_request *req,
		   const struct model_network *net, struct local_target *t, struct ep **ret,
		   char **run_name, struct err *e)
{
	_cleanup_free_ char *ifname = NULL;
	struct endpoint_request named = *req;
	struct state_target st = { 0 };
	struct ep *ep;
	int r;

	ep = find_connected(es, req->network, t);
	if (ep) {
		if (!asks_the_same(ep, req))
			return err_set(e, -EEXIST,
				       "%s is connected to network %s already (endpoint %s)",
				       t->path, net->name, ep->row->name);
		*ret = ep;
		return 1;
	}
	snprintf(st.path, sizeof(st.path), "%s", t->path);
	st.dev = t->netns_dev;
	st.ino = t->netns_ino;
	r = ep_check_room(es, net, e);
	if (r == 0)
		r = ep_sandbox_check(es, req, net, &st, e);
	if (r == 0)
		r = ep_choose_ifname(es, &st, req->ifname, false, &ifname, e);
	if (r < 0)
		return r;
	named.ifname = ifname;
	return take(es, req, net, ep_row_new(es, &named, net, t, TAKE_PTR(*run_name)), ret, e);
}

/* The same call again. What was left to further networks is due if it says now that none follow. */
static void connect_again(struct ep *ep, const struct endpoint_request *req, endpoint_done_fn done,
			  void *user)
{
	struct state_target target = ep->target;
	struct endpoints *es = ep->es;
	struct id id = ep->row->id;
	struct err e = { 0 };
	int r = 0;

	if (ep->phase != EP_RUNNING || ep->connects) {
		ep_wait(&ep->connects, done, user);
		return;
	}
	if (ep->row->defer_egress && !req->more) {
		ep_sandbox_final(es, &target);
		r = ep_sandbox_settle(es, &target, &e);
		ep = ep_find(es, id);
		if (r == 0 && ep && es->d.sandbox)
			es->d.sandbox(es->d.user, &target);
	}
	if (r == 0 && !ep)
		r = err_set(&e, -ENOENT, "target: %s has ended", target.path);
	done(user, r, r == 0 ? ep->row : NULL, &e);
}

void endpoint_connect(struct endpoints *es, const struct endpoint_request *req,
		      endpoint_done_fn done, void *user)
{
	const struct model_network *net = network_get(es->d.networks, req->network);
	_cleanup_free_ char *run_name = NULL;
	struct local_target t = { 0 };
	struct err e = { 0 };
	struct ep *ep = NULL;
	int r;

	if (!net)
		r = err_set(&e, -ENOENT, "network not found");
	else
		r = check_names(req, &e);
	if (r == 0)
		r = target_resolve(req->target, es->d.run_pid, es->d.user, &t, &run_name, &e);
	if (r == 0)
		r = ep_check_network(es, net, &t, &e);
	if (r == 0)
		r = prepare(es, req, net, &t, &ep, &run_name, &e);
	target_done(&t);
	if (r < 0 || !ep) {
		done(user, r, NULL, &e);
		return;
	}
	if (r == 1) {
		connect_again(ep, req, done, user);
		return;
	}
	ep_wait(&ep->connects, done, user);
	if (ep->local)
		proceed(ep);
	else
		start_claim(ep, net, req);
}
