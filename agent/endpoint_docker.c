/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints that Docker asks for: claimed, handed over, taken back, given back. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/endpoint_priv.h"
#include "agent/reconcile.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define ENGINE "docker"

/* FNV-1a */
uint64_t endpoint_docker_place(const char *sandbox_key)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *sandbox_key; sandbox_key++)
		h = (h ^ (unsigned char)*sandbox_key) * 0x100000001b3;
	return h;
}

/* @key NULL: in no sandbox; then it is a place of its own. */
static void set_place(struct ep *ep, const char *key)
{
	struct local_target *t = &ep->row->target;
	char id[ID_TEXT_MAX];

	free(t->path);
	t->path = mem_strdup(key);
	t->netns_dev = ENDPOINT_DOCKER_DEV;
	t->netns_ino = endpoint_docker_place(key ? key : id_format(ep->row->id, id));
	snprintf(ep->target.path, sizeof(ep->target.path), "%s", key ? key : "");
	ep->target.dev = t->netns_dev;
	ep->target.ino = t->netns_ino;
}

static struct ep *find(struct endpoints *es, struct id id)
{
	struct ep *ep = ep_find(es, id);

	return ep && ep_is_docker(ep) ? ep : NULL;
}

static void save(struct ep *ep)
{
	struct err e = { 0 };

	if (ep_save(ep, ep->row->state, &e) < 0)
		log_error("cannot remember an endpoint", "endpoint=%s err=%s", ep->row->name,
			  LOG_Q(err_text(&e)));
}

/* ---- create ---- */

static struct local_endpoint *new_row(struct endpoints *es,
				      const struct endpoint_docker_request *req)
{
	struct local_endpoint *row = mem_alloc(sizeof(*row));
	char now[CLOCK_TEXT_MAX], text[ID_TEXT_MAX], hex[ID_SHORT_MAX], link[IFNAMSIZ];

	row->id = req->id;
	row->network = req->network;
	row->engine = mem_strdup(ENGINE);
	row->engine_network = mem_strdup(req->docker_network);
	/* Until Docker tells of its container. */
	row->name = mem_strdup(id_short(req->id, hex));
	row->sandbox = mem_strdup(id_format(req->id, text));
	row->container_id = mem_strdup(text);
	state_handed_name(req->id, link);
	row->ifname = mem_strdup(link);
	state_port_name(req->id, link);
	row->port = mem_strdup(link);
	row->mac = req->mac;
	row->boot_id = mem_strdup(es->d.boot_id);
	row->created = mem_strdup(clock_wall_text(now));
	if (req->n_expose) {
		row->n_expose = req->n_expose;
		row->expose = mem_dup(req->expose, req->n_expose * sizeof(*req->expose));
	}
	return row;
}

/* A network made by Docker gets its name just after, and the record that is known may be the one before that: another follows. */
static bool wait_for_record(struct ep *ep)
{
	struct endpoints *es = ep->es;

	if (!ep_network(ep) || !ep->claim_rev || uv_now(es->d.loop) >= ep->deadline_ms)
		return false;
	ep->stale_rev = ep->claim_rev;
	endpoint_wait_start(es);
	return true;
}

static void claimed(void *user, int status, const struct model_endpoint *m, const struct err *ce)
{
	struct ep *ep = user;
	struct err e = { 0 }, none = { 0 };

	if (status == -ECANCELED)
		return; /* closing: endpoints_close() has answered, or will */
	if (status == -ESTALE && !ep->leave_wanted && wait_for_record(ep))
		return;
	if (status < 0) {
		ep_leave(ep, status, ce);
		return;
	}
	ep_take_claimed(ep, m);
	ep_mirror(ep, m, m->mod_revision);
	status = ep_save(ep, LOCAL_BOUND, &e);
	if (status == 0 && ep->leave_wanted)
		status = err_set(&e, -ECANCELED, "deleted while it was being created");
	if (status < 0) {
		ep_leave(ep, status, &e);
		return;
	}
	ep->phase = EP_HELD;
	if (ep->names_due)
		ep_reclaim(ep);
	ep_answer(&ep->connects, 0, ep->row, &none);
}

static void start_claim(struct ep *ep)
{
	struct model_endpoint m = ep_model(ep);
	struct claim_endpoint_request cr = { .network = ep_network(ep),
					     .endpoint = &m,
					     .want4 = ep->want4,
					     .want6 = ep->want6,
					     .reserved = true,
					     .lease = ep->es->d.lease(ep->es->d.user) };

	ep->phase = EP_CLAIMING;
	ep->stale_rev = 0;
	ep->claim_rev = cr.network->mod_revision;
	claim_endpoint_create(ep->es->d.claim, &cr, claimed, ep);
}

bool ep_docker_waits(const struct ep *ep)
{
	const struct model_network *net = ep_network(ep);

	return net && net->mod_revision == ep->stale_rev && !ep->leave_wanted;
}

void ep_docker_claim(struct ep *ep)
{
	struct err e = { 0 };

	if (ep->leave_wanted)
		err_set(&e, -ECANCELED, "deleted while it was being created");
	else if (!ep_network(ep))
		err_set(&e, -ENOENT, "the network is gone");
	else if (ep_docker_waits(ep))
		err_set(&e, -ESTALE,
			"the network's record has changed, and has not reached this node: try again");
	ep->stale_rev = 0;
	if (e.code < 0)
		ep_leave(ep, e.code, &e);
	else
		start_claim(ep);
}

static int check(struct endpoints *es, const struct endpoint_docker_request *req, struct err *e)
{
	const struct model_network *net = network_get(es->d.networks, req->network);
	struct local_target nowhere = { .netns_dev = ENDPOINT_DOCKER_DEV };
	int r;

	if (!net)
		return err_set(e, -ENOENT, "network not found");
	if (strcmp(net->driver, "overlay") != 0)
		return err_set(e, -EINVAL, "network %s is no overlay network", net->name);
	if (req->n_expose > MODEL_EXPOSE_MAX)
		return err_set(e, -EINVAL, "exposed ports: more than %d", MODEL_EXPOSE_MAX);
	if (!mac_is_zero(req->mac) && !mac_is_usable(req->mac))
		return err_set(e, -EINVAL, "mac: a multicast address cannot be an interface's");
	r = ep_check_network(es, net, &nowhere, e);
	return r < 0 ? r : ep_check_room(es, net, e);
}

static bool asks_the_same(const struct ep *ep, const struct endpoint_docker_request *req)
{
	const struct local_endpoint *r = ep->row;

	return ep_is_docker(ep) && id_eq(r->network, req->network) &&
	       (ep->phase == EP_CLAIMING || ((!ip_is_set(req->ip4) || ip_eq(req->ip4, r->ip4)) &&
					     (!ip_is_set(req->ip6) || ip_eq(req->ip6, r->ip6)) &&
					     (mac_is_zero(req->mac) || mac_eq(req->mac, r->mac))));
}

static void create_again(struct ep *ep, const struct endpoint_docker_request *req,
			 endpoint_done_fn done, void *user)
{
	char id[ID_SHORT_MAX];
	struct err e = { 0 };

	if (ep->phase == EP_LEAVING)
		err_set(&e, -EBUSY, "endpoint %s is being deleted", id_short(req->id, id));
	else if (!asks_the_same(ep, req))
		err_set(&e, -EEXIST, "endpoint %s exists already, and is another",
			id_short(req->id, id));
	if (e.code < 0)
		done(user, e.code, NULL, &e);
	else if (ep->phase == EP_CLAIMING)
		ep_wait(&ep->connects, done, user);
	else
		done(user, 0, ep->row, &e);
}

void endpoint_docker_create(struct endpoints *es, const struct endpoint_docker_request *req,
			    endpoint_done_fn done, void *user)
{
	struct ep *ep = ep_find(es, req->id);
	struct err e = { 0 };
	int r;

	if (ep) {
		create_again(ep, req, done, user);
		return;
	}
	r = check(es, req, &e);
	if (r == 0) {
		ep = ep_new(es, new_row(es, req));
		set_place(ep, NULL);
		r = ep_save(ep, LOCAL_INTENDED, &e);
		if (r < 0)
			ep_free(ep);
	}
	if (r < 0 || !ep) {
		done(user, r, NULL, &e);
		return;
	}
	ep->want4 = req->ip4;
	ep->want6 = req->ip6;
	ep->deadline_ms = uv_now(es->d.loop) + EP_STALE_MAX_MS;
	ep_wait(&ep->connects, done, user);
	start_claim(ep);
}

/* ---- join and leave ---- */

static int join(struct ep *ep, const char *key, struct err *e)
{
	struct endpoints *es = ep->es;
	struct id id = ep->row->id;
	char ip[IP_TEXT_MAX];
	int r;

	if (ep->row->state == LOCAL_CONFLICT)
		return err_set(e, -EADDRINUSE, "another endpoint owns the address %s now",
			       ip_format(ep->row->ip4, ip));
	if (!ep_key(ep))
		return err_set(e, -ENOENT, "the network is gone");
	set_place(ep, key);
	ep->phase = EP_RUNNING;
	ep->fresh = ep->attaching = true;
	r = ep_save(ep, LOCAL_BOUND, e);
	if (r == 0)
		r = reconcile_now(es->d.reconcile, ep_key(ep), &id, e);
	if (ep_find(es, id) != ep)
		return err_set(e, -ECANCELED, "deleted while it was being joined");
	ep->fresh = ep->attaching = false;
	if (r < 0) {
		ep->phase = EP_HELD;
		set_place(ep, NULL);
		save(ep);
		ep_shut_port(ep);
		return r;
	}
	log_info("endpoint handed over to Docker", "name=%s address=%s ifname=%s sandbox=%s",
		 ep->row->name, ip_format(ep->row->ip4, ip), ep->row->ifname, LOG_Q(key));
	if (es->d.endpoint)
		es->d.endpoint(es->d.user, ep->row, false);
	ep_event(ep, "connect");
	return 0;
}

/* First forgotten, then shut: what is left by an end in between belongs to nobody and goes with the next start. */
static void unjoin(struct ep *ep)
{
	struct endpoints *es = ep->es;

	ep->phase = EP_HELD;
	if (es->d.endpoint)
		es->d.endpoint(es->d.user, ep->row, true);
	ep->row->lost = false;
	set_place(ep, NULL);
	save(ep);
	ep_shut_port(ep);
	ep_event(ep, "disconnect");
}

int endpoint_docker_join(struct endpoints *es, struct id id, const char *sandbox_key,
			 char ret_ifname[IFNAMSIZ], struct err *e)
{
	struct ep *ep = find(es, id);
	char hex[ID_SHORT_MAX];
	int r = 0;

	if (!ep || ep->phase == EP_LEAVING)
		return err_set(e, -ENOENT, "endpoint %s is not known on this node",
			       id_short(id, hex));
	if (ep->phase == EP_CLAIMING)
		return err_set(e, -EAGAIN, "endpoint %s is being created", id_short(id, hex));
	if (*sandbox_key == '\0' || strlen(sandbox_key) >= STATE_TARGET_PATH_MAX)
		return err_set(e, -EINVAL, "sandbox key: must have 1 to %d bytes",
			       STATE_TARGET_PATH_MAX - 1);
	if (ep->phase == EP_RUNNING &&
	    (ep->row->lost || strcmp(ep->row->target.path, sandbox_key) != 0))
		unjoin(ep);
	if (ep->phase == EP_HELD)
		r = join(ep, sandbox_key, e);
	if (r == 0)
		snprintf(ret_ifname, IFNAMSIZ, "%s", ep->row->ifname);
	return r;
}

int endpoint_docker_leave(struct endpoints *es, struct id id, struct err *e)
{
	struct ep *ep = find(es, id);

	(void)e; /* what goes wrong is put right in the background: Docker would only warn */
	if (ep && ep->phase == EP_RUNNING)
		unjoin(ep);
	return 0;
}

/* ---- delete ---- */

/* One that waits for etcd to be given back is gone as far as Docker is concerned. */
static bool is_left_over(const struct ep *ep)
{
	return !(ep->releasing || ep->reclaiming) || !mirror_link_up(ep->es->d.mirror);
}

void endpoint_docker_delete(struct endpoints *es, struct id id, endpoint_done_fn done, void *user)
{
	struct ep *ep = find(es, id);
	struct err none = { 0 };

	if (!ep || (ep->phase == EP_LEAVING && is_left_over(ep))) {
		done(user, 0, NULL, &none);
		return;
	}
	ep_wait(&ep->leaves, done, user);
	if (ep->phase == EP_CLAIMING) {
		ep->leave_wanted = true; /* settled when the claim's answer comes */
	} else if (ep->phase != EP_LEAVING) {
		if (ep->phase == EP_RUNNING)
			unjoin(ep);
		/*
		 * Docker gives the addresses back itself, just after; but not those whose release is only sent when etcd is there again, nor from an etcd
		 * that is not the one known.
		 */
		ep->unbind = mirror_link_up(es->d.mirror) &&
			     mirror_get_state(es->d.mirror) == MIRROR_SYNCED;
		ep_leave(ep, 0, NULL);
	}
}

/* ---- names ---- */

static bool take_text(char **mine, const char *now)
{
	if (!now || (*mine && strcmp(*mine, now) == 0))
		return false;
	free(*mine);
	*mine = mem_strdup(now);
	return true;
}

static bool is_alias(const char *text)
{
	return model_name_check("", text, NULL) == 0;
}

static bool is_link(const char *text)
{
	struct err e = { 0 };

	ep_check_link(text, &e);
	return e.code == 0;
}

static bool is_address(const char *text)
{
	struct ip ip;

	return ip_parse(text, &ip, NULL) == 0;
}

static bool take_list(struct strv *mine, const struct strv *now, bool (*is)(const char *text),
		      size_t max)
{
	struct strv good = { 0 };

	for (size_t i = 0; i < now->n && good.n < max; i++) {
		if (is(now->v[i]) && !strv_has(&good, now->v[i]))
			strv_add(&good, now->v[i]);
	}
	if (strv_eq(mine, &good)) {
		strv_done(&good);
		return false;
	}
	strv_done(mine);
	*mine = good;
	return true;
}

static bool take_names(struct local_endpoint *row, const struct endpoint_docker_names *n)
{
	bool other = false;

	if (n->name && is_alias(n->name))
		other = take_text(&row->name, n->name);
	if (n->hostname && model_hostname_check("", n->hostname, NULL) == 0)
		other = take_text(&row->hostname, n->hostname) || other;
	if (n->container && is_alias(n->container))
		other = take_text(&row->sandbox, n->container) || other;
	return take_list(&row->aliases, &n->aliases, is_alias, MODEL_ALIASES_MAX) || other;
}

void endpoint_docker_names(struct endpoints *es, struct id id,
			   const struct endpoint_docker_names *n)
{
	struct ep *ep = find(es, id);
	bool told, own;

	if (!ep || ep->phase == EP_LEAVING)
		return;
	told = take_names(ep->row, n);
	/* This node's alone. */
	own = take_text(&ep->row->container_id, ep->row->sandbox);
	own = take_list(&ep->row->links, &n->links, is_link, LOCAL_LINKS_MAX) || own;
	own = take_list(&ep->row->dns, &n->dns, is_address, LOCAL_DNS_MAX) || own;
	if (!told && !own)
		return;
	ep->names_due = ep->names_due || told;
	save(ep);
	if (told && ep->phase != EP_CLAIMING)
		ep_reclaim(ep);
	if (ep->phase == EP_RUNNING && es->d.endpoint)
		es->d.endpoint(es->d.user, ep->row, false);
	ep_event(ep, "update");
}
