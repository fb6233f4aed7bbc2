/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, as Docker asks for them: of a network to come, and of one that is there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/docker/docker_priv.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- RequestAddress ---- */

static void answer_address(struct plugin_call *c, struct ip ip, struct prefix subnet)
{
	plugin_reply(c, plugin_answer_address(ip, subnet.len));
}

static bool pool_has(const struct docker_pool *p, struct ip ip)
{
	for (size_t i = 0; i < p->n_aux; i++) {
		if (ip_eq(p->aux[i], ip))
			return true;
	}
	return ip_eq(p->gateway, ip);
}

/* The network is not there yet: what is asked for now are its gateway and auxiliary addresses, and CreateNetwork brings them again. */
static void pending_address(struct docker_pool *p, const struct plugin_address *a,
			    struct plugin_call *c)
{
	struct ip ip = a->ip;
	char text[IP_TEXT_MAX], subnet[PREFIX_TEXT_MAX];

	if (!ip_is_set(ip) && !a->gateway) {
		docker_refuse(c, -EINVAL, "the network of %s is not made yet",
			      prefix_format(p->subnet, subnet));
		return;
	}
	if (!ip_is_set(ip))
		for (ip = ip_add(prefix_first(p->subnet), 1); pool_has(p, ip);)
			ip = ip_add(ip, 1);
	if (!prefix_contains(p->subnet, ip))
		docker_refuse(c, -ERANGE, "%s is outside %s", ip_format(ip, text),
			      prefix_format(p->subnet, subnet));
	else if (pool_has(p, ip) && !(a->gateway && ip_eq(p->gateway, ip)))
		docker_refuse(c, -EADDRINUSE, "%s is asked for twice in %s", ip_format(ip, text),
			      prefix_format(p->subnet, subnet));
	else if (!a->gateway && p->n_aux == MODEL_AUX_MAX)
		docker_refuse(c, -ENOSPC, "more than %d auxiliary addresses", MODEL_AUX_MAX);
	else {
		if (a->gateway)
			p->gateway = ip;
		else
			p->aux[p->n_aux++] = ip;
		answer_address(c, ip, p->subnet);
	}
}

static const struct model_subnet *subnet_of(const struct model_network *net, struct prefix subnet)
{
	for (size_t i = 0; i < net->n_subnets; i++) {
		if (prefix_eq(net->subnets[i].subnet, subnet))
			return &net->subnets[i];
	}
	return NULL;
}

static bool is_aux(const struct model_subnet *s, struct ip ip)
{
	for (size_t i = 0; i < s->n_aux; i++) {
		if (ip_eq(s->aux[i].ip, ip))
			return true;
	}
	return false;
}

struct address_op {
	struct docker *d;
	struct plugin_call *c;
	struct id network;
	struct prefix subnet;
	struct ip want;
	int64_t tried; /* mod_revision of the record it was tried with */
	uint64_t deadline_ms;
	uv_timer_t poll;
};

static void address_closed(uv_handle_t *h)
{
	struct address_op *o = h->data;
	struct docker *d = o->d;

	free(o);
	docker_unref(d);
}

static void address_end(struct address_op *o)
{
	uv_close((uv_handle_t *)&o->poll, address_closed);
}

static void reserve(struct address_op *o);

static void poll_record(uv_timer_t *t)
{
	struct address_op *o = t->data;

	reserve(o);
}

static void freed_late(void *user, int status, int64_t revision, const struct err *e)
{
	(void)status; /* swept otherwise */
	(void)revision;
	(void)e;
	docker_unref(user);
}

static void reserved(void *user, int status, struct ip ip, const struct err *e)
{
	struct address_op *o = user;
	struct docker *d = o->d;

	if (status == -ESTALE && !d->closing) { /* named or altered just now */
		reserve(o);
		return;
	}
	docker_touch(d, o->network);
	if (status < 0) {
		plugin_reply_err(o->c, e);
	} else if (plugin_call_late(o->c) && !d->closing) {
		docker_ref(d);
		claim_address_free(d->d.claim, o->network, ip, docker_self(d), freed_late, d);
		docker_ok(o->c);
	} else {
		answer_address(o->c, ip, o->subnet);
	}
	address_end(o);
}

static void reserve(struct address_op *o)
{
	struct docker *d = o->d;
	struct mirror_network *net = mirror_network(d->d.mirror, o->network);
	int64_t lease = d->d.lease(d->d.user);

	if (d->closing || !net || !net->rec) {
		docker_refuse(o->c, -ENOENT, "the network is gone");
		address_end(o);
	} else if (lease == 0) {
		docker_refuse(o->c, -EAGAIN, "this node is not registered in etcd yet: try again");
		address_end(o);
	} else if (net->rec->mod_revision != o->tried) {
		o->tried = net->rec->mod_revision;
		claim_address_reserve(d->d.claim, net->rec, o->want, o->subnet.ip.family,
				      docker_self(d), lease, reserved, o);
	} else if (uv_now(d->d.loop) < o->deadline_ms) {
		uv_timer_start(&o->poll, poll_record, DOCKER_STALE_POLL_MS, 0);
	} else {
		docker_refuse(o->c, -ESTALE, "the network changes all the time: try again");
		address_end(o);
	}
}

static void network_address(struct docker *d, const struct model_network *net,
			    const struct model_subnet *s, const struct plugin_address *a,
			    struct plugin_call *c)
{
	char text[IP_TEXT_MAX];
	struct address_op *o;
	struct err e = { 0 };

	if (a->gateway && ip_is_set(a->ip) && !ip_eq(a->ip, s->gateway)) {
		docker_refuse(c, -EINVAL, "the gateway of network %s is %s", net->name,
			      ip_format(s->gateway, text));
		return;
	}
	if (a->gateway || (ip_is_set(a->ip) && (ip_eq(a->ip, s->gateway) || is_aux(s, a->ip)))) {
		answer_address(c, a->gateway ? s->gateway : a->ip, s->subnet);
		return;
	}
	if (docker_ready(d, &e) < 0) {
		plugin_reply_err(c, &e);
		return;
	}
	o = mem_alloc(sizeof(*o));
	*o = (struct address_op){ .d = d,
				  .c = c,
				  .network = net->id,
				  .subnet = s->subnet,
				  .want = a->ip,
				  .deadline_ms = uv_now(d->d.loop) + DOCKER_STALE_MAX_MS };
	uv_timer_init(d->d.loop, &o->poll);
	o->poll.data = o;
	docker_ref(d);
	reserve(o);
}

void docker_request_address(void *user, const struct plugin_address *a, struct plugin_call *c)
{
	struct docker *d = user;
	const struct model_network *net;
	struct docker_pool *p;
	struct prefix subnet;

	if (docker_pool_of(a->pool_id, &subnet) < 0) {
		docker_refuse(c, -EINVAL, "there is no pool \"%s\"", a->pool_id);
		return;
	}
	net = docker_network_with(d, subnet);
	p = net ? NULL : docker_pool_find(d, subnet);
	if (net)
		network_address(d, net, subnet_of(net, subnet), a, c);
	else if (p)
		pending_address(p, a, c);
	else
		docker_refuse(c, -ENOENT, "%s is no subnet of a network in the cluster%s",
			      a->pool_id, d->pools_read ? "" : " known so far: try again");
}

/* ---- ReleaseAddress ---- */

struct free_op {
	struct docker *d;
	struct plugin_call *c;
};

static void address_freed(void *user, int status, int64_t revision, const struct err *e)
{
	struct free_op *o = user;
	struct docker *d = o->d;

	(void)revision;
	if (status < 0)
		plugin_reply_err(o->c, e);
	else
		docker_ok(o->c);
	free(o);
	docker_unref(d);
}

void docker_release_address(void *user, const struct plugin_address *a, struct plugin_call *c)
{
	struct docker *d = user;
	const struct model_network *net = NULL;
	const struct model_subnet *s;
	struct prefix subnet;
	struct free_op *o;
	struct err e = { 0 };

	if (docker_pool_of(a->pool_id, &subnet) == 0)
		net = docker_network_with(d, subnet);
	s = net ? subnet_of(net, subnet) : NULL;
	if (!s || !ip_is_set(a->ip) || ip_eq(a->ip, s->gateway) || is_aux(s, a->ip)) {
		docker_ok(c);
		return;
	}
	docker_touch(d, net->id);
	if (docker_ready(d, &e) < 0) { /* the sweep does it */
		docker_ok(c);
		return;
	}
	o = mem_alloc(sizeof(*o));
	*o = (struct free_op){ .d = d, .c = c };
	docker_ref(d);
	claim_address_free(d->d.claim, net->id, a->ip, docker_self(d), address_freed, o);
}

/* ---- reservations that nobody came for ---- */

void docker_touch(struct docker *d, struct id network)
{
	for (size_t i = 0; i < d->n_touched; i++) {
		if (id_eq(d->touched[i].network, network)) {
			d->touched[i].sweeps = 0;
			return;
		}
	}
	d->touched = mem_grow(d->touched, d->n_touched + 1, sizeof(*d->touched));
	d->touched[d->n_touched++] = (struct docker_touched){ .network = network };
}

static void swept(void *user, int status, size_t freed, const struct err *e)
{
	struct docker *d = user;

	d->sweeping = false;
	if (freed > 0)
		log_info("addresses that Docker asked for and never used are free again",
			 "count=%zu", freed);
	if (status < 0 && status != -ECANCELED)
		log_warn("addresses that Docker never used cannot be freed; will retry", "err=%s",
			 LOG_Q(err_text(e)));
	docker_unref(d);
}

/* Of an earlier run: those may be anywhere. */
static void touch_bound(struct docker *d)
{
	struct mirror_network *net, *next;

	if (d->touched_all)
		return;
	d->touched_all = true;
	HASH_ITER(hh, mirror_networks(d->d.mirror), net, next) {
		if (mirror_binding(d->d.mirror, net->id, docker_self(d)))
			docker_touch(d, net->id);
	}
}

void docker_sweep(struct docker *d)
{
	_cleanup_free_ struct id *ids = NULL;
	size_t n = 0, kept = 0;

	if (d->sweeping)
		return;
	touch_bound(d);
	if (d->n_touched == 0)
		return;
	ids = mem_alloc_array(d->n_touched, sizeof(*ids));
	for (size_t i = 0; i < d->n_touched; i++) {
		ids[n++] = d->touched[i].network;
		if (++d->touched[i].sweeps < DOCKER_TOUCHED_SWEEPS)
			d->touched[kept++] = d->touched[i];
	}
	d->n_touched = kept;
	d->sweeping = true;
	docker_ref(d);
	claim_reservations_sweep(d->d.claim, ids, n, docker_self(d), clock_boot_ms(),
				 DOCKER_RESERVED_MS, swept, d);
}
