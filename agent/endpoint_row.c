/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an endpoint is made of: its names, and the name of its interface inside. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "agent/endpoint_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#define IFNAME_TRIES 256

/* ---- links on their way out ---- */

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
		if (same_target(&d->target, t) &&
		    target_ifname_exists(&d->target, d->ifname) != 1) {
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

/* ---- the interface's name ---- */

/* Does an endpoint of the namespace have it? *ret_count: how many there are. */
static bool has_ifname(struct endpoints *es, const struct state_target *t, const char *name,
		       unsigned *ret_count)
{
	struct ep *ep, *tmp;
	bool used = false;

	*ret_count = 0;
	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->phase == EP_LEAVING || !same_target(&ep->target, t))
			continue;
		(*ret_count)++;
		used = used || strcmp(ep->row->ifname, name) == 0;
	}
	return used;
}

int ep_choose_ifname(struct endpoints *es, const struct state_target *t, const char *want, bool now,
		     char **ret, struct err *e)
{
	for (int i = 0; i < IFNAME_TRIES; i++) {
		char name[IFNAMSIZ];
		unsigned count;
		bool used;
		int r;

		snprintf(name, sizeof(name), "eth%d", i);
		if (want)
			snprintf(name, sizeof(name), "%s", want);
		used = has_ifname(es, t, name, &count);
		if (count >= ENDPOINT_PER_TARGET_MAX)
			return err_set(e, -ENOSPC, "a namespace can be on %d networks at most",
				       ENDPOINT_PER_TARGET_MAX);
		r = used ? 1 : target_ifname_exists(t, name);
		if (r == 1 && !used && !now && dying_has(es, t, name))
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

/* ---- the row ---- */

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

/* The host end; a device on a parent has none but itself. */
static char *port_name(struct id id, const struct netopt *opt, const char *ifname)
{
	char port[IFNAMSIZ];

	switch (opt->driver) {
	case NETOPT_OVERLAY:
	case NETOPT_EGRESS:
		state_port_name(id, port);
		return mem_strdup(port);
	case NETOPT_BRIDGE:
		state_host_port_name(id, port);
		return mem_strdup(port);
	case NETOPT_MACVLAN:
	case NETOPT_IPVLAN:
	case NETOPT_HOST:
	case NETOPT_NULL:
		break;
	}
	return mem_strdup(ifname);
}

static void row_names(struct local_endpoint *row, const struct endpoint_request *req)
{
	row->hostname = mem_strdup(req->hostname);
	if (req->n_expose) {
		row->expose = mem_dup(req->expose, req->n_expose * sizeof(*req->expose));
		row->n_expose = req->n_expose;
	}
	strv_copy(&row->aliases, &req->aliases);
	strv_copy(&row->links, &req->links);
	strv_copy(&row->dns, &req->dns);
	strv_copy(&row->dns_search, &req->dns_search);
	strv_copy(&row->dns_options, &req->dns_options);
	strv_copy(&row->extra_hosts, &req->extra_hosts);
}

struct local_endpoint *ep_row_new(struct endpoints *es, const struct endpoint_request *req,
				  const struct model_network *net, struct local_target *t,
				  char *run_name)
{
	struct local_endpoint *row = mem_alloc(sizeof(*row));
	char now[CLOCK_TEXT_MAX];
	struct netopt opt;

	network_options(net, &opt);
	row->id = id_random();
	row->network = net->id;
	row->target = *t; /* moved */
	memset(t, 0, sizeof(*t));
	row->run_name = run_name;
	row->sandbox = find_sandbox(es, &row->target);
	row->container_id = mem_strdup(row->sandbox);
	row->name = req->name ? mem_strdup(req->name) :
				default_name(&row->target, run_name, row->sandbox);
	row_names(row, req);
	row->ifname = mem_strdup(req->ifname);
	row->port = port_name(row->id, &opt, req->ifname);
	row->mac = req->mac;
	row->boot_id = mem_strdup(es->d.boot_id);
	row->created = mem_strdup(clock_wall_text(now));
	row->gw_priority = req->gw_priority;
	row->defer_egress = req->more;
	if (req->n_publish) {
		row->publish = mem_dup(req->publish, req->n_publish * sizeof(*req->publish));
		row->n_publish = req->n_publish;
	}
	return row;
}

bool ep_is_direct(const struct ep *ep)
{
	return ep->row->port && ep->row->ifname && strcmp(ep->row->port, ep->row->ifname) == 0;
}

struct state_port ep_direct_port(const struct ep *ep)
{
	struct state_port p = { .endpoint = ep->row->id,
				.mac = ep->row->mac,
				.target = ep->target };

	state_host_port_name(ep->row->id, p.name);
	snprintf(p.ifname, sizeof(p.ifname), "%s", ep->row->ifname);
	return p;
}
