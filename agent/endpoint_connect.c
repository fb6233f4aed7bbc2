/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connect: check, remember the intent, claim by one transaction, make the port, reply. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "agent/endpoint_priv.h"
#include "agent/network.h"
#include "agent/reconcile.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "overlay/netns.h"

#define OVERHEAD_V4 50
#define IFNAME_TRIES 256

struct name_query {
	const char *name;
	int found;
};

static int query_name(void *arg)
{
	struct name_query *q = arg;

	q->found = if_nametoindex(q->name) != 0;
	return 0;
}

int ep_ifname_exists(const struct state_target *t, const char *ifname)
{
	struct name_query q = { .name = ifname };
	_cleanup_close_ int fd = netns_open_target(t, NULL);

	if (fd < 0 || netns_call(fd, query_name, &q) < 0)
		return -ENOENT;
	return q.found;
}

static bool same_target(const struct state_target *a, const struct state_target *b)
{
	return a->ino == b->ino && a->dev == b->dev;
}

void ep_dying_add(struct ep *ep)
{
	struct ep_dying *d = mem_alloc(sizeof(*d));

	d->target = ep->target;
	snprintf(d->ifname, sizeof(d->ifname), "%s", ep->row->ifname ? ep->row->ifname : "");
	LL_PREPEND(ep->es->dying, d);
}

/* Links on their way out of @t; those that are gone are forgotten. */
static bool dying_has(struct endpoints *es, const struct state_target *t, const char *ifname)
{
	struct ep_dying *d = es->dying, *next, **link = &es->dying;
	bool found = false;

	for (; d; d = next) {
		next = d->next;
		if (same_target(&d->target, t) && ep_ifname_exists(&d->target, d->ifname) != 1) {
			*link = next;
			free(d);
			continue;
		}
		found = found || (same_target(&d->target, t) && strcmp(d->ifname, ifname) == 0);
		link = &d->next;
	}
	return found;
}

bool ep_dying_blocks(struct ep *ep)
{
	return dying_has(ep->es, &ep->target, ep->row->ifname);
}

/* ---- after the claim ---- */

void ep_attach(struct ep *ep)
{
	struct endpoints *es = ep->es;
	struct err e = { 0 };
	char ip[IP_TEXT_MAX];
	int r;

	ep->phase = EP_RUNNING;
	r = reconcile_now(es->d.reconcile, ep_vni(ep), &ep->row->id, &e);
	if (r < 0) {
		ep_leave(ep, r, &e);
		return;
	}
	log_info("endpoint connected", "name=%s address=%s ifname=%s", ep->row->name,
		 ip_format(ep->row->ip4, ip), ep->row->ifname);
	ep_answer(&ep->connects, 0, ep->row, &e);
	ep_publish(ep, "connect");
}

static void take_claimed(struct ep *ep, const struct model_endpoint *m)
{
	ep->row->ip4 = m->ip4;
	ep->row->ip6 = m->ip6;
	ep->row->mac = m->mac;
	ep->row->endpoint_rev = ep->row->addr4_rev = ep->row->addr6_rev = m->mod_revision;
}

static void claimed(void *user, int status, const struct model_endpoint *m, const struct err *ce)
{
	struct ep *ep = user;
	struct endpoints *es = ep->es;
	struct err e = { 0 };

	if (status == -ECANCELED)
		return; /* closing: endpoints_close() has answered, or will */
	if (status < 0) {
		ep_leave(ep, status, ce);
		return;
	}
	take_claimed(ep, m);
	ep_mirror(ep, m, m->mod_revision);
	status = ep_save(ep, LOCAL_BOUND, &e);
	if (status < 0 || ep->leave_wanted) {
		if (status == 0)
			status = err_set(&e, -ECANCELED,
					 "disconnected while it was being connected");
		ep_leave(ep, status, &e);
		return;
	}
	if (ep_dying_blocks(ep)) {
		ep->phase = EP_WAITING;
		ep->deadline_ms = uv_now(es->d.loop) + EP_WAIT_MAX_MS;
		endpoint_wait_start(es);
		return;
	}
	ep_attach(ep);
}

/* ---- before it ---- */

static int check_store(struct endpoints *es, struct err *e)
{
	if (!es->d.claim)
		return err_set(e, -EINVAL, "this agent has no etcd (--etcd)");
	if (mirror_get_state(es->d.mirror) == MIRROR_FROZEN)
		return err_set(
			e, -EAGAIN,
			"etcd does not hold the cluster this node knows (wiped or restored): run `ovlctl cluster adopt`");
	if (mirror_get_state(es->d.mirror) != MIRROR_SYNCED || !mirror_link_up(es->d.mirror))
		return err_set(e, -EHOSTUNREACH,
			       "etcd cannot be reached: no address can be claimed now");
	if (es->d.lease(es->d.user) == 0)
		return err_set(e, -EAGAIN, "this node has no address lease yet: try again");
	if (!reconcile_ready(es->d.reconcile))
		return err_set(e, -EAGAIN, "the kernel's state has not been read yet: try again");
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
	return e->code;
}

static int choose_ifname(struct endpoints *es, const struct state_target *t, const char *want,
			 char **ret, struct err *e)
{
	unsigned count = 0;
	struct ep *ep, *tmp;

	for (int i = 0; i < IFNAME_TRIES; i++) {
		char name[IFNAMSIZ];
		bool used = false;
		int r;

		snprintf(name, sizeof(name), "eth%d", i);
		if (want)
			snprintf(name, sizeof(name), "%s", want);
		count = 0;
		HASH_ITER(hh, es->table, ep, tmp) {
			if (ep->phase == EP_LEAVING || !same_target(&ep->target, t))
				continue;
			count++;
			used = used || strcmp(ep->row->ifname, name) == 0;
		}
		if (count >= ENDPOINT_PER_TARGET_MAX)
			return err_set(e, -ENOSPC, "a namespace can be on %d networks at most",
				       ENDPOINT_PER_TARGET_MAX);
		r = used ? 1 : ep_ifname_exists(t, name);
		if (r == 1 && !used && dying_has(es, t, name))
			r = 0; /* on its way out: free by the time it is needed */
		if (r < 0)
			return err_set(e, -ENOENT, "target: %s is gone", t->path);
		if (r == 0) {
			*ret = mem_strdup(name);
			return 0;
		}
		if (want)
			return err_set(e, -EEXIST, "an interface %s exists already in %s", want,
				       t->path);
	}
	return err_set(e, -ENOSPC, "no interface name eth0 to eth%d is free in %s",
		       IFNAME_TRIES - 1, t->path);
}

static char *default_name(const struct local_target *t, const char *run_name, const char *sandbox)
{
	static const char dir[] = "/run/netns/";

	if (run_name)
		return mem_strdup(run_name);
	if (strncmp(t->path, dir, sizeof(dir) - 1) == 0 &&
	    model_name_check("", t->path + sizeof(dir) - 1, NULL) == 0)
		return mem_strdup(t->path + sizeof(dir) - 1);
	return mem_strndup(sandbox, ID_SHORT_LEN);
}

/* Endpoints of one namespace share the sandbox. */
static char *find_sandbox(struct endpoints *es, const struct local_target *t)
{
	char text[ID_TEXT_MAX];
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->phase != EP_LEAVING && target_match(&ep->row->target, t))
			return mem_strdup(ep->row->sandbox);
	}
	return mem_strdup(id_format(id_random(), text));
}

static struct local_endpoint *make_row(struct endpoints *es, const struct endpoint_request *req,
				       struct local_target *t, char *run_name)
{
	struct local_endpoint *row = mem_alloc(sizeof(*row));
	char now[CLOCK_TEXT_MAX], port[IFNAMSIZ];

	row->id = id_random();
	row->network = req->network;
	row->target = *t; /* moved */
	memset(t, 0, sizeof(*t));
	row->run_name = run_name;
	row->sandbox = find_sandbox(es, &row->target);
	row->container_id = mem_strdup(row->sandbox);
	row->name = req->name ? mem_strdup(req->name) :
				default_name(&row->target, run_name, row->sandbox);
	strv_copy(&row->aliases, &req->aliases);
	row->mac = req->mac;
	row->boot_id = mem_strdup(es->d.boot_id);
	row->created = mem_strdup(clock_wall_text(now));
	state_port_name(row->id, port);
	row->port = mem_strdup(port);
	return row;
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

static bool asks_the_same(const struct ep *ep, const struct endpoint_request *req)
{
	const struct local_endpoint *r = ep->row;

	return (!ip_is_set(req->ip4) || ip_eq(req->ip4, r->ip4)) &&
	       (!ip_is_set(req->ip6) || ip_eq(req->ip6, r->ip6)) &&
	       (mac_is_zero(req->mac) || mac_eq(req->mac, r->mac)) &&
	       (!req->name || strcmp(req->name, r->name) == 0) &&
	       (!req->ifname || strcmp(req->ifname, r->ifname) == 0);
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

/* Everything that can be refused before anything is written. */
static int prepare(struct endpoints *es, const struct endpoint_request *req,
		   const struct model_network *net, struct local_target *t, struct ep **ret,
		   char **run_name, struct err *e)
{
	struct local_endpoint *row;
	struct state_target st = { 0 };
	char *ifname = NULL;
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
	r = choose_ifname(es, &st, req->ifname, &ifname, e);
	if (r < 0)
		return r;
	row = make_row(es, req, t, TAKE_PTR(*run_name));
	row->ifname = ifname;
	ep = ep_new(es, row);
	r = ep_save(ep, LOCAL_INTENDED, e);
	if (r < 0) {
		ep_free(ep);
		return r;
	}
	*ret = ep;
	return 0;
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
		r = check_store(es, &e);
	if (r == 0)
		r = check_mtu(es, net, &e);
	if (r == 0)
		r = prepare(es, req, net, &t, &ep, &run_name, &e);
	target_done(&t);
	if (r < 0 || !ep) {
		done(user, r, NULL, &e);
		return;
	}
	if (r == 1 && ep->phase == EP_RUNNING) { /* the same call again */
		done(user, 0, ep->row, &e);
		return;
	}
	ep_wait(&ep->connects, done, user);
	if (r == 0)
		start_claim(ep, net, req);
}
