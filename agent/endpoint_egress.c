/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The endpoint on the egress bridge, by which a namespace on overlay networks reaches the outside. */
#include <string.h>

#include "agent/endpoint_priv.h"
#include "agent/reconcile.h"
#include "base/mem.h"

/* One of those that need the way out: the egress endpoint has its names. */
static const struct ep *find_needy(struct endpoints *es, const struct ep_sandbox *sb)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->phase == EP_RUNNING && ep_in(ep, sb) && !ep->local)
			return ep;
	}
	return NULL;
}

/* IPv6 leads out where one of those networks has it. */
static bool wants6(struct endpoints *es, const struct ep_sandbox *sb)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		const struct model_network *net = ep_network(ep);

		if (ep->phase == EP_RUNNING && ep_in(ep, sb) && !ep->local && net &&
		    !net->internal && net->ipv6)
			return true;
	}
	return false;
}

static int egress_row(struct endpoints *es, const struct ep *of, const struct model_network *net,
		      bool with6, struct local_endpoint **ret, struct err *e)
{
	_cleanup_free_ char *ifname = NULL;
	struct endpoint_request req = { .network = net->id, .name = of->row->name };
	struct local_target t = of->row->target;
	struct local_endpoint *row;
	int r;

	/* Not one whose link is still going: nobody waits here. */
	r = ep_choose_ifname(es, &of->target, NULL, true, &ifname, e);
	if (r < 0)
		return r;
	req.ifname = ifname;
	t.path = mem_strdup(of->row->target.path);
	row = ep_row_new(es, &req, net, &t, mem_strdup(of->row->run_name));
	r = ep_local_addresses(es, net, &req, with6, row, e);
	if (r < 0)
		local_endpoint_free(row);
	else
		*ret = row;
	return r;
}

int ep_egress_make(struct endpoints *es, const struct ep_sandbox *sb, struct err *e)
{
	const struct ep *of = find_needy(es, sb);
	const struct model_network *net = NULL;
	struct local_endpoint *row = NULL;
	struct err why = { 0 };
	struct ep *ep;
	int r;

	if (!of)
		return 0;
	r = network_egress(es->d.networks, &net, &why);
	if (r == 0)
		r = egress_row(es, of, net, wants6(es, sb), &row, &why);
	if (r == 0) {
		ep = ep_new(es, row);
		r = ep_save(ep, LOCAL_BOUND, &why);
		if (r == 0)
			r = ep_make(ep, &why);
		if (r < 0)
			ep_leave(ep, r, &why);
	}
	return r < 0 ? err_set(e, r, "no way out of the container: %s", err_text(&why)) : 0;
}

bool ep_egress_lacks6(const struct ep *egress, const struct ep_sandbox *sb)
{
	const struct model_network *net = ep_network(egress);

	return !egress->remaking && net && net->ipv6 && !ip_is_set(egress->row->ip6) &&
	       wants6(egress->es, sb);
}

int ep_egress_remake(struct ep *ep, struct err *e)
{
	struct endpoints *es = ep->es;
	int r = ep_local_add6(es, ep_network(ep), ep->row, e);

	if (r == 0)
		r = ep_save(ep, LOCAL_BOUND, e);
	if (r < 0) {
		ep->row->ip6 = (struct ip){ 0 };
		return r;
	}
	ep->remaking = true;
	ep->phase = EP_WAITING;
	ep->deadline_ms = uv_now(es->d.loop) + EP_WAIT_MAX_MS;
	ep_dying_add(ep);
	(void)reconcile_now(es->d.reconcile, ep_key(ep), NULL, NULL);
	endpoint_wait_start(es);
	return 0;
}

bool ep_egress_hold(struct ep *ep)
{
	struct ep *other, *tmp;

	HASH_ITER(hh, ep->es->table, other, tmp) {
		if (other->remaking && ep_at(other, &ep->target))
			ep->held = true;
	}
	return ep->held;
}

void ep_egress_unhold(struct endpoints *es, const struct state_target *t, int status,
		      const struct err *e)
{
	_cleanup_free_ struct id *ids = mem_alloc_array(HASH_COUNT(es->table) + 1, sizeof(*ids));
	struct ep *ep, *tmp;
	size_t n = 0;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->held && ep->phase == EP_RUNNING && ep_at(ep, t))
			ids[n++] = ep->row->id;
	}
	for (size_t i = 0; i < n; i++) {
		ep = ep_find(es, ids[i]);
		if (!ep || !ep->held || ep->phase != EP_RUNNING)
			continue;
		ep->held = false;
		if (status < 0)
			ep_leave(ep, status, e);
		else
			ep_finish(ep);
	}
}

void ep_egress_remade(struct ep *ep)
{
	struct endpoints *es = ep->es;
	struct state_target t = ep->target;
	struct err e = { 0 };
	int r;

	ep->remaking = false;
	r = ep_make(ep, &e);
	if (r < 0)
		ep_leave(ep, r, &e); /* which tries to make another */
	else
		r = ep_sandbox_settle(es, &t, &e);
	ep_egress_unhold(es, &t, r, &e);
}
