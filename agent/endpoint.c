/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/compile.h"
#include "agent/endpoint_priv.h"
#include "agent/reconcile.h"
#include "base/log.h"
#include "base/mem.h"

struct ep *ep_new(struct endpoints *es, struct local_endpoint *row)
{
	struct ep *ep = mem_alloc(sizeof(*ep));

	ep->es = es;
	ep->row = row;
	snprintf(ep->target.path, sizeof(ep->target.path), "%s",
		 row->target.path ? row->target.path : "");
	ep->target.dev = row->target.netns_dev;
	ep->target.ino = row->target.netns_ino;
	ep->local = ep_network(ep) && model_network_is_local(ep_network(ep));
	HASH_ADD_KEYPTR(hh, es->table, &ep->row->id, sizeof(struct id), ep);
	return ep;
}

void ep_free(struct ep *ep)
{
	HASH_DELETE(hh, ep->es->table, ep);
	local_endpoint_free(ep->row);
	free(ep);
}

bool ep_at(const struct ep *ep, const struct state_target *t)
{
	return ep->target.ino == t->ino && ep->target.dev == t->dev;
}

struct ep *ep_find(struct endpoints *es, struct id id)
{
	struct ep *ep;

	HASH_FIND(hh, es->table, &id, sizeof(id), ep);
	return ep;
}

void ep_wait(struct ep_waiter **list, endpoint_done_fn done, void *user)
{
	struct ep_waiter *w = mem_alloc(sizeof(*w));

	*w = (struct ep_waiter){ .done = done, .user = user, .next = *list };
	*list = w;
}

void ep_answer(struct ep_waiter **list, int status, const struct local_endpoint *row,
	       const struct err *e)
{
	struct ep_waiter *w = TAKE_PTR(*list), *next;

	for (; w; w = next) {
		next = w->next;
		if (w->done)
			w->done(w->user, status, row, e);
		free(w);
	}
}

int ep_save(struct ep *ep, enum local_endpoint_state state, struct err *e)
{
	ep->row->state = state;
	return local_endpoint_put(ep->es->d.local, ep->row, e);
}

const struct model_network *ep_network(const struct ep *ep)
{
	return network_get(ep->es->d.networks, ep->row->network);
}

uint32_t ep_key(const struct ep *ep)
{
	const struct model_network *net = ep_network(ep);

	return net ? network_key(net) : 0;
}

void ep_event(const struct ep *ep, const char *action)
{
	const struct model_network *net = ep_network(ep);
	struct kv_pairs attrs = { 0 };
	char id[ID_TEXT_MAX], ip[IP_TEXT_MAX];

	kv_pairs_set(&attrs, "name", net ? net->name : "");
	kv_pairs_set(&attrs, "type", net ? net->driver : "overlay");
	kv_pairs_set(&attrs, "container", ep->row->container_id ? ep->row->container_id : "");
	kv_pairs_set(&attrs, "endpoint", ep->row->name);
	kv_pairs_set(&attrs, "address", ip_format(ep->row->ip4, ip));
	events_publish(ep->es->d.events, "network", action, id_format(ep->row->network, id),
		       &attrs);
	kv_pairs_done(&attrs);
}

struct model_endpoint ep_model(const struct ep *ep)
{
	const struct local_endpoint *r = ep->row;

	return (struct model_endpoint){
		.id = r->id,
		.network = r->network,
		.node = ep->es->d.self,
		.name = r->name,
		.hostname = r->hostname,
		.expose = r->expose,
		.n_expose = r->n_expose,
		.aliases = r->aliases,
		.sandbox = r->sandbox,
		.mac = r->mac,
		.ip4 = r->ip4,
		.ip6 = r->ip6,
		.publish = r->publish,
		.n_publish = r->n_publish,
		.created = r->created,
		.mod_revision = r->endpoint_rev,
	};
}

void ep_mirror(struct ep *ep, const struct model_endpoint *m, int64_t revision)
{
	_cleanup_free_ char *key =
		model_key_endpoint(ep->es->d.prefix, ep->row->network, ep->row->id);
	_cleanup_free_ char *value = m ? model_endpoint_encode(m) : NULL;

	if (revision > 0)
		mirror_apply_own(ep->es->d.mirror, key, value, revision);
}

/* ---- the table as others see it ---- */

/* Attaching one may make and free others: by their ids. */
static void wait_tick(uv_timer_t *t)
{
	struct endpoints *es = t->data;
	_cleanup_free_ struct id *ready =
		mem_alloc_array(HASH_COUNT(es->table) + 1, sizeof(*ready));
	struct ep *ep, *tmp;
	bool more = false;
	size_t n = 0;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->phase != EP_WAITING && !ep->stale_rev)
			continue;
		if ((ep->stale_rev ? ep_docker_waits(ep) : ep_dying_blocks(ep)) &&
		    uv_now(es->d.loop) < ep->deadline_ms)
			more = true;
		else
			ready[n++] = ep->row->id;
	}
	if (!more)
		uv_timer_stop(t);
	for (size_t i = 0; i < n; i++) {
		ep = ep_find(es, ready[i]);
		if (ep && ep->phase == EP_WAITING)
			ep_attach(ep);
		else if (ep && ep->stale_rev)
			ep_docker_claim(ep);
	}
}

struct endpoints *endpoints_new(const struct endpoints_deps *d)
{
	struct endpoints *es = mem_alloc(sizeof(*es));

	es->d = *d;
	uv_timer_init(d->loop, &es->wait_timer);
	es->wait_timer.data = es;
	return es;
}

void endpoint_wait_start(struct endpoints *es)
{
	if (!uv_is_active((uv_handle_t *)&es->wait_timer))
		uv_timer_start(&es->wait_timer, wait_tick, EP_WAIT_POLL_MS, EP_WAIT_POLL_MS);
}

static void load_row(void *user, const struct local_endpoint *row)
{
	struct endpoints *es = user;
	struct ep *ep = ep_new(es, local_endpoint_dup(row));
	bool other_boot = !row->boot_id || strcmp(row->boot_id, es->d.boot_id) != 0;

	/* An intent nobody waits for any more, and everything of an earlier boot, is given back. Whether a namespace still lives is
	 * the kernel's to say: its port is there, or it cannot be made again (endpoints_port_failed()). */
	if (row->state == LOCAL_INTENDED || row->state == LOCAL_RELEASING || other_boot)
		ep->phase = EP_LEAVING;
	else
		ep->phase = ep_is_docker(ep) && !row->target.path ? EP_HELD : EP_RUNNING;
}

/* Is there an endpoint that has the name inside by now? */
static bool is_succeeded(struct endpoints *es, const struct ep *old)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->phase != EP_LEAVING && ep_at(ep, &old->target) &&
		    strcmp(ep->row->ifname, old->row->ifname) == 0)
			return true;
	}
	return false;
}

/* Ended before its device was gone from its container. It is forgotten when that is so (endpoints_direct_gone()). */
static bool drop_stale_device(struct endpoints *es, const struct ep *ep)
{
	struct state_port p = ep_direct_port(ep);

	if (!ep->row->boot_id || strcmp(ep->row->boot_id, es->d.boot_id) != 0 ||
	    is_succeeded(es, ep) || !es->d.kernel->ops->target_alive(es->d.kernel, &p.target))
		return false;
	reconcile_drop_direct(es->d.reconcile, ep_key(ep), &p);
	return true;
}

/* On a network of this node nobody else has to be told. */
static void drop_stale_local(struct endpoints *es)
{
	struct err e = { 0 };
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->phase != EP_LEAVING || !(ep->local || ep_is_direct(ep)))
			continue;
		if (ep_is_direct(ep) && drop_stale_device(es, ep)) {
			ep_free(ep);
			continue;
		}
		if (local_endpoint_del(es->d.local, ep->row->id, &e) < 0)
			log_error("cannot forget an endpoint", "endpoint=%s err=%s", ep->row->name,
				  LOG_Q(err_text(&e)));
		ep_free(ep);
	}
}

int endpoints_load(struct endpoints *es, struct err *e)
{
	int r = local_endpoint_each(es->d.local, load_row, es, e);

	if (r < 0)
		return r;
	drop_stale_local(es);
	ep_local_load(es);
	ep_sandbox_load(es);
	ep_publish_load(es);
	log_info("local endpoints", "known=%u", HASH_COUNT(es->table));
	return 0;
}

static void closed(uv_handle_t *h)
{
	free(h->data);
}

void endpoints_close(struct endpoints *es)
{
	struct err e = { .code = -ECANCELED, .text = "the agent is stopping" };
	struct ep_dying *d;
	struct ep *ep, *tmp;

	if (!es)
		return;
	es->closing = true;
	HASH_ITER(hh, es->table, ep, tmp) {
		ep_answer(&ep->connects, -ECANCELED, NULL, &e);
		ep_answer(&ep->leaves, -ECANCELED, NULL, &e);
		ep_free(ep);
	}
	ep_sandbox_done(es);
	ep_local_done(es);
	while ((d = es->dying)) {
		es->dying = d->next;
		free(d);
	}
	uv_close((uv_handle_t *)&es->wait_timer, closed);
}

void endpoint_each(struct endpoints *es, void (*fn)(void *user, const struct local_endpoint *ep),
		   void *user)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp)
		fn(user, ep->row);
}

void endpoints_running(struct endpoints *es, const struct state_target *t,
		       void (*fn)(void *user, const struct local_endpoint *ep), void *user)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->phase == EP_RUNNING && (!t || ep_at(ep, t)))
			fn(user, ep->row);
	}
}

const struct local_endpoint *endpoint_get(struct endpoints *es, struct id id)
{
	struct ep *ep = ep_find(es, id);

	return ep ? ep->row : NULL;
}

size_t endpoint_count(const struct endpoints *es)
{
	size_t n = 0;

	for (const struct ep *ep = es->table; ep; ep = ep->hh.next)
		n += ep->phase == EP_RUNNING;
	return n;
}

/* What it has of its namespace's way out. */
static void add_way_out(const struct ep *ep, struct compile_local *l)
{
	const struct ep_sandbox *sb = ep_sandbox_of(ep->es, &ep->target);

	if (!sb)
		return;
	if (id_eq(sb->gateway4, l->id))
		l->gw4 = sb->via4;
	if (id_eq(sb->gateway6, l->id))
		l->gw6 = sb->via6;
	if (id_eq(sb->published, l->id)) {
		l->publish = sb->publish;
		l->n_publish = sb->n_publish;
	}
}

/* Shall it be in the kernel? */
static bool is_wanted(const struct ep *ep)
{
	return ep->phase == EP_RUNNING && !ep->row->lost;
}

size_t endpoints_locals(struct endpoints *es, struct id network, struct compile_local **ret)
{
	struct compile_local *v = mem_alloc_array(HASH_COUNT(es->table) + 1, sizeof(*v));
	struct ep *ep, *tmp;
	size_t n = 0;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (!is_wanted(ep) || !id_eq(ep->row->network, network))
			continue;
		v[n] = (struct compile_local){ .id = ep->row->id,
					       .mac = ep->row->mac,
					       .ip4 = ep->row->ip4,
					       .ip6 = ep->row->ip6,
					       .ifname = ep->row->ifname,
					       .target = &ep->target,
					       .shut = ep->row->state == LOCAL_CONFLICT,
					       .handed = ep_is_docker(ep),
					       .fresh = ep->fresh };
		add_way_out(ep, &v[n++]);
	}
	*ret = v;
	return n;
}

size_t endpoints_networks(struct endpoints *es, struct id **ret)
{
	struct id *v = mem_alloc_array(HASH_COUNT(es->table) + 1, sizeof(*v));
	struct ep *ep, *tmp;
	size_t n = 0, i;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (!is_wanted(ep))
			continue;
		for (i = 0; i < n && !id_eq(v[i], ep->row->network); i++)
			;
		if (i == n)
			v[n++] = ep->row->network;
	}
	*ret = v;
	return n;
}
