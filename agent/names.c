/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/names.h"

#include <stdlib.h>
#include <string.h>

#include "agent/names_priv.h"
#include "base/log.h"
#include "base/mem.h"
#include "overlay/state.h"

/* ---- networks ---- */

/* As with Docker: on the default bridge only links tell names. The way out is no network to meet on. */
static bool is_nameless(const struct model_network *net)
{
	return network_is_predefined(net) || strcmp(net->driver, "egress") == 0;
}

static void put_network(struct names *n, const struct model_network *net)
{
	struct prefix subnets[MODEL_SUBNETS_MAX];

	for (size_t i = 0; i < net->n_subnets; i++) {
		subnets[i] = net->subnets[i].subnet;
		if (ip_is_set(net->subnets[i].gateway))
			subnets[i].ip = net->subnets[i].gateway; /* nobody who asks */
	}
	zone_network_put(dns_zone(n->dns), net->id, net->name, is_nameless(net), subnets,
			 net->n_subnets);
	if (network_key(net))
		dns_clients_network(dns_clients(n->dns), network_key(net), net->id, !net->internal,
				    subnets, net->n_subnets);
}

static void del_network(struct names *n, const struct model_network *net)
{
	zone_network_del(dns_zone(n->dns), net->id);
	if (network_key(net))
		dns_clients_network(dns_clients(n->dns), network_key(net), net->id, false, NULL, 0);
}

/* ---- endpoints in the zone ---- */

/* One that the cluster knows and one of this node's own memory, alike. */
struct named {
	struct id id, network;
	const char *name, *hostname, *sandbox;
	const struct strv *aliases;
	struct ip ip4, ip6;
	const struct model_publish *publish;
	size_t n_publish;
	const struct model_port *expose;
	size_t n_expose;
};

static size_t gather_ports(const struct named *e, struct zone_port *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_expose && n < ZONE_PORTS_PER_ENDPOINT_MAX; i++)
		ret[n++] = (struct zone_port){ e->expose[i].proto, e->expose[i].port };
	for (size_t i = 0; i < e->n_publish && n < ZONE_PORTS_PER_ENDPOINT_MAX; i++)
		ret[n++] = (struct zone_port){ e->publish[i].proto, e->publish[i].port };
	return n;
}

static void put_endpoint(struct names *n, const struct named *e)
{
	const char *v[ZONE_NAMES_PER_ENDPOINT_MAX];
	struct zone_port ports[ZONE_PORTS_PER_ENDPOINT_MAX];
	struct zone_endpoint z = { .id = e->id,
				   .network = e->network,
				   .names = v,
				   .ip4 = e->ip4,
				   .ip6 = e->ip6,
				   .ports = ports };
	char sandbox[ID_SHORT_MAX] = "";

	v[z.n_names++] = e->name;
	for (size_t i = 0; i < e->aliases->n && z.n_names < ARRAY_SIZE(v) - 2; i++)
		v[z.n_names++] = e->aliases->v[i];
	if (e->sandbox && strnlen(e->sandbox, ID_TEXT_MAX) >= ID_SHORT_LEN) {
		memcpy(sandbox, e->sandbox, ID_SHORT_LEN);
		v[z.n_names++] = sandbox;
	}
	if (e->hostname)
		v[z.n_names++] = e->hostname;
	z.n_ports = gather_ports(e, ports);
	zone_endpoint_put(dns_zone(n->dns), &z);
}

/* What has left here keeps its record until etcd takes it back, which may be away: its name is gone all the same. */
static bool has_left(struct names *n, struct id id)
{
	const struct local_endpoint *row = endpoint_get(n->d.endpoints, id);

	return row && row->state == LOCAL_RELEASING;
}

static void put_record(struct names *n, const struct model_endpoint *m)
{
	if (has_left(n, m->id))
		return;

	const struct named e = { .id = m->id,
				 .network = m->network,
				 .name = m->name,
				 .hostname = m->hostname,
				 .sandbox = m->sandbox,
				 .aliases = &m->aliases,
				 .ip4 = m->ip4,
				 .ip6 = m->ip6,
				 .publish = m->publish,
				 .n_publish = m->n_publish,
				 .expose = m->expose,
				 .n_expose = m->n_expose };

	put_endpoint(n, &e);
}

static void put_row(struct names *n, const struct local_endpoint *r)
{
	const struct named e = { .id = r->id,
				 .network = r->network,
				 .name = r->name,
				 .hostname = r->hostname,
				 .sandbox = r->sandbox,
				 .aliases = &r->aliases,
				 .ip4 = r->ip4,
				 .ip6 = r->ip6,
				 .publish = r->publish,
				 .n_publish = r->n_publish,
				 .expose = r->expose,
				 .n_expose = r->n_expose };

	put_endpoint(n, &e);
}

/* ---- told ---- */

struct late {
	struct names *n;
	struct id network;
};

/* A network whose record vanished by a foreign hand keeps its names while this node has endpoints on it (fail static). */
static bool is_in_use(struct names *n, struct id network)
{
	_cleanup_free_ struct id *ids = NULL;
	size_t n_ids = endpoints_networks(n->d.endpoints, &ids);

	for (size_t i = 0; i < n_ids; i++) {
		if (id_eq(ids[i], network))
			return true;
	}
	return false;
}

/* What is told of one of this node's: again, as soon as its network's record is known. */
static void take_late(void *user, const struct local_endpoint *row)
{
	const struct late *l = user;

	if (!id_eq(row->network, l->network))
		return;
	names_endpoint(l->n, row, false);
	names_sandbox(l->n, &(struct state_target){ .dev = row->target.netns_dev,
						    .ino = row->target.netns_ino });
}

/* Its endpoints may have been there before: without it they could not be told, or went with the record that was lost. */
static void take_in(struct names *n, struct id id)
{
	struct mirror_network *net = mirror_network(n->d.mirror, id);
	struct late l = { .n = n, .network = id };
	struct mirror_endpoint *ep, *tmp;

	if (net) {
		HASH_ITER(hh, net->endpoints, ep, tmp)
			put_record(n, ep->rec);
	}
	endpoints_running(n->d.endpoints, NULL, take_late, &l);
}

void names_mirror(struct names *n, const struct mirror_change *c)
{
	if (!n || !n->started)
		return;
	if (c->kind == MODEL_NETWORK && c->after) {
		put_network(n, c->after);
		if (!c->before)
			take_in(n, c->id);
	} else if (c->kind == MODEL_NETWORK && c->before && !is_in_use(n, c->id))
		del_network(n, c->before);
	else if (c->kind == MODEL_ENDPOINT && c->after)
		put_record(n, c->after);
	else if (c->kind == MODEL_ENDPOINT)
		zone_endpoint_del(dns_zone(n->dns), c->network, c->id);
}

void names_local(struct names *n, const struct model_network *net, bool removed)
{
	if (!n || !n->started)
		return;
	if (removed) {
		names_listen_drop(n, network_key(net));
		del_network(n, net);
		return;
	}
	put_network(n, net);
	names_listen_one(n, net);
}

/* The last one of a network that the cluster does not know any more. */
static void forget_network(struct names *n, struct id id)
{
	struct mirror_network *net = mirror_network(n->d.mirror, id);

	if ((!net || !net->rec) && !is_in_use(n, id))
		zone_network_del(dns_zone(n->dns), id);
}

/* Of a network of the cluster the zone has it from the mirror, which may lack it while etcd is away. */
static void put_of_cluster(struct names *n, const struct local_endpoint *row)
{
	struct mirror_endpoint *me = mirror_endpoint(n->d.mirror, row->network, row->id);

	if (me)
		put_record(n, me->rec);
	else
		put_row(n, row);
}

/* Nobody meets on the way out, whose network comes with the first who needs it: none is told of another there. */
static void put_of_node(struct names *n, const struct model_network *net,
			const struct local_endpoint *row)
{
	if (network_key(net) != STATE_KEY_EGRESS)
		put_row(n, row);
	else if (n->egress_key == 0)
		put_network(n, net);
	/* Its bridge is there by now, at the latest. */
	names_listen_one(n, net);
}

void names_endpoint(struct names *n, const struct local_endpoint *row, bool gone)
{
	const struct model_network *net;
	struct dns_servers servers;

	if (!n || !n->started)
		return;
	names_gwbridge_row(n, row, gone);
	net = network_get(n->d.networks, row->network);
	if (gone) {
		dns_clients_del(dns_clients(n->dns), row->id);
		zone_endpoint_del(dns_zone(n->dns), row->network, row->id);
		if (!net)
			forget_network(n, row->network);
		return;
	}
	if (!net)
		return; /* again when its record comes */
	servers = names_servers(&row->dns);

	const struct dns_client_endpoint c = { .id = row->id,
					       .network = row->network,
					       .place = { row->target.netns_dev,
							  row->target.netns_ino },
					       .key = network_key(net),
					       .ifname = row->ifname,
					       .ip4 = row->ip4,
					       .ip6 = row->ip6,
					       .links = &row->links,
					       .servers = &servers,
					       .forward = !net->internal };

	dns_clients_put(dns_clients(n->dns), &c);
	if (model_network_is_local(net))
		put_of_node(n, net, row);
	else
		put_of_cluster(n, row);
}

/* ---- upstream ---- */

static void host_changed(void *user, const struct resolv_conf *c)
{
	struct names *n = user;

	resolv_conf_done(&n->host);
	n->host = (struct resolv_conf){ .servers = c->servers };
	strv_copy(&n->host.search, &c->search);
	strv_copy(&n->host.options, &c->options);
	if (n->d.config->dns_servers.n == 0)
		dns_forward_servers(dns_forward(n->dns), &n->host.servers);
	if (n->follow) /* else names_start() does */
		names_files_all(n);
}

/* ---- life ---- */

struct names *names_new(const struct names_deps *d)
{
	const struct dns_config dc = { .loop = d->loop,
				       .domain = d->config->dns_domain,
				       .ttl_s = d->config->dns_ttl_s,
				       .cache_bytes = d->config->dns_cache_bytes };
	struct names *n;

	if (!d->config->dns)
		return NULL;
	n = mem_alloc(sizeof(*n));
	n->d = *d;
	n->dns = dns_new(&dc);
	n->files = etc_files_new(d->config->state_dir, ETC_FILES_NETNS_DIR);
	names_gwbridge_new(n);
	uv_timer_init(d->loop, &n->timer);
	n->timer.data = n;
	n->timer_open = true;
	return n;
}

static void take_network(void *user, const struct model_network *net)
{
	put_network(user, net);
}

static void take_endpoint(void *user, const struct local_endpoint *row)
{
	names_endpoint(user, row, false);
}

static void take_records(struct names *n)
{
	struct mirror_network *net, *tmp_net;
	struct mirror_endpoint *ep, *tmp;

	HASH_ITER(hh, mirror_networks(n->d.mirror), net, tmp_net) {
		HASH_ITER(hh, net->endpoints, ep, tmp)
			put_record(n, ep->rec);
	}
}

void names_start(struct names *n)
{
	if (!n)
		return;
	n->started = true;
	network_each(n->d.networks, take_network, n);
	take_records(n);
	endpoints_running(n->d.endpoints, NULL, take_endpoint, n);
	if (n->d.config->dns_servers.n)
		dns_forward_servers(dns_forward(n->dns), &n->d.config->dns_servers);
	n->follow = resolv_follow_start(n->d.loop, n->d.config->dns_resolv_conf, host_changed, n);
	names_listen_all(n);
	names_files_all(n);
	etc_files_sweep(n->files);
}

static void timer_closed(uv_handle_t *h)
{
	struct names *n = h->data;

	resolv_conf_done(&n->host);
	for (size_t i = 0; i < n->n_problems; i++)
		free(n->problems[i].text);
	free(n->problems);
	names_gwbridge_done(n);
	etc_files_free(n->files);
	free(n);
}

void names_close(struct names *n)
{
	if (!n)
		return;
	n->started = false;
	resolv_follow_close(n->follow);
	dns_close(n->dns);
	uv_close((uv_handle_t *)&n->timer, timer_closed);
}

/* Nothing is told from here on: it would make files again. */
int names_remove(struct names *n, struct err *e)
{
	if (!n)
		return 0;
	n->started = false;
	return etc_files_remove_all(n->files, e);
}

struct dns *names_dns(struct names *n)
{
	return n ? n->dns : NULL;
}
