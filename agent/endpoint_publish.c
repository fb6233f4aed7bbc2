/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Published ports of endpoints: reserved for the one that asked, led to the one that bears its namespace's default route. */
#include <errno.h>
#include <string.h>

#include "agent/endpoint_priv.h"
#include "base/log.h"
#include "base/mem.h"

/* Without translation a port of the host is not used. */
static bool is_routed(const struct model_network *net)
{
	struct netopt opt;

	if (!net)
		return false;
	network_options(net, &opt);
	return opt.driver == NETOPT_BRIDGE && opt.gateway_mode == NETOPT_ROUTED;
}

static void flush(struct endpoints *es, const struct knl_conntrack_filter *v, size_t n)
{
	if (es->d.conntrack && n > 0)
		knl_conntrack_flush(es->d.conntrack, v, n, NULL, NULL);
}

/* Flows to the host's side of @row's ports; @udp_only: begun before they were published, a TCP connection cannot be. */
static size_t port_filters(const struct local_endpoint *row, bool udp_only,
			   struct knl_conntrack_filter *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < row->n_publish; i++) {
		const struct model_publish *p = &row->publish[i];

		if (udp_only && p->proto != IPPROTO_UDP)
			continue;
		ret[n++] = (struct knl_conntrack_filter){ .ip = p->host_ip,
							  .proto = p->proto,
							  .port = p->host_port };
	}
	return n;
}

int ep_publish_take(struct endpoints *es, struct local_endpoint *row, const struct netopt *opt,
		    struct err *e)
{
	_cleanup_free_ struct knl_conntrack_filter *stale = NULL;
	bool routed = opt->driver == NETOPT_BRIDGE && opt->gateway_mode == NETOPT_ROUTED;
	int r;

	if (row->n_publish == 0)
		return 0;
	for (size_t i = 0; i < row->n_publish; i++) {
		struct model_publish *p = &row->publish[i];

		if (!ip_is_set(p->host_ip))
			p->host_ip = opt->host_binding4;
		if (routed && p->host_port == 0)
			p->host_port = p->port;
	}
	if (routed)
		return 0;
	r = publish_reserve(es->d.publishes, row->id, row->name, row->publish, row->n_publish, true,
			    e);
	if (r < 0)
		return r;
	stale = mem_alloc_array(row->n_publish, sizeof(*stale));
	flush(es, stale, port_filters(row, true, stale));
	return 0;
}

void ep_publish_drop(struct ep *ep)
{
	struct endpoints *es = ep->es;
	const struct local_endpoint *row = ep->row;
	struct knl_conntrack_filter *v = mem_alloc_array(row->n_publish + 2, sizeof(*v));
	size_t n = port_filters(row, false, v);

	if (row->n_publish)
		publish_release(es->d.publishes, row->id);
	/* An overlay's addresses are not seen by the host's own connection tracking. */
	if (ep->local && ip_is_set(row->ip4))
		v[n++] = (struct knl_conntrack_filter){ .ip = row->ip4 };
	if (ep->local && ip_is_set(row->ip6))
		v[n++] = (struct knl_conntrack_filter){ .ip = row->ip6 };
	flush(es, v, n);
	free(v);
}

/* ---- of a namespace ---- */

static bool is_of(const struct ep *ep, const struct ep_sandbox *sb)
{
	return ep->phase == EP_RUNNING && ep->row->n_publish && ep->target.ino == sb->place.ino &&
	       ep->target.dev == sb->place.dev;
}

static bool same_list(const struct model_publish *a, size_t n_a, const struct model_publish *b,
		      size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++) {
		if (a[i].proto != b[i].proto || a[i].port != b[i].port ||
		    a[i].host_port != b[i].host_port || !ip_eq(a[i].host_ip, b[i].host_ip))
			return false;
	}
	return true;
}

bool ep_publish_gather(struct endpoints *es, struct ep_sandbox *sb)
{
	struct model_publish *v = NULL;
	struct ep *ep, *tmp;
	size_t n = 0;
	bool same;

	HASH_ITER(hh, es->table, ep, tmp) {
		const struct local_endpoint *row = ep->row;

		if (!is_of(ep, sb))
			continue;
		v = mem_grow(v, n + row->n_publish, sizeof(*v));
		memcpy(v + n, row->publish, row->n_publish * sizeof(*v));
		n += row->n_publish;
	}
	same = same_list(v, n, sb->publish, sb->n_publish);
	free(sb->publish);
	sb->publish = v;
	sb->n_publish = n;
	return !same;
}

/* Later than its connect the port is as it was told: what somebody has taken meanwhile stays translated. */
static void reserve_again(struct endpoints *es, struct ep *ep)
{
	struct local_endpoint *row = ep->row;
	struct err e = { 0 };

	if (publish_reserve(es->d.publishes, row->id, row->name, row->publish, row->n_publish,
			    false, &e) < 0)
		log_warn("published ports could not be reserved", "endpoint=%s err=%s", row->name,
			 LOG_Q(err_text(&e)));
}

void ep_publish_follow(struct endpoints *es, struct ep_sandbox *sb)
{
	const struct ep *to = ep_find(es, sb->published);
	bool routed = to && is_routed(ep_network(to));
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (!is_of(ep, sb))
			continue;
		if (routed) {
			publish_release(es->d.publishes, ep->row->id);
			continue;
		}
		reserve_again(es, ep);
		publish_target(es->d.publishes, ep->row->id, to ? to->row->ip4 : (struct ip){ 0 },
			       to ? to->row->ip6 : (struct ip){ 0 });
	}
}

void ep_publish_load(struct endpoints *es)
{
	struct ep_sandbox *sb, *tmp;

	HASH_ITER(hh, es->sandboxes, sb, tmp) {
		if (sb->n_publish)
			ep_publish_follow(es, sb);
	}
}
