/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/api_modules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/publish.h"
#include "agent/surroundings.h"
#include "base/mem.h"
#include "overlay/kernel_linux.h"

/* The handles of all modules are the struct modules itself. */
#define M(handle) ((struct modules *)(handle))

void modules_init(struct modules *m, uv_loop_t *loop, const char *socket)
{
	memset(m, 0, sizeof(*m));
	m->self = id_random();
	m->config.name = mem_strdup("node1");
	m->config.socket = mem_strdup(socket);
	m->state = MIRROR_SYNCED;
	m->cluster.id = id_random();
	m->cluster.epoch = 1;
	m->ctx = (struct api_context){
		.loop = loop,
		.config = &m->config,
		.version = "1.2.3",
		.kv = (struct kv *)m,
		.mirror = (struct mirror *)m,
		.kernel = (struct kernel *)m,
		.reconcile = (struct reconcile *)m,
		.networks = (struct networks *)m,
		.endpoints = (struct endpoints *)m,
		.node = (struct node *)m,
		.cluster = (struct cluster *)m,
		.events = events_new(),
		.containers = (struct containers *)m,
		.publishes = (struct publishes *)m,
		.surroundings = (struct surroundings *)m,
		.user = m,
	};
	modules_dns_init(m);
}

static void free_network(struct mirror_network *net)
{
	struct mirror_endpoint *ep, *tmp;

	HASH_ITER(hh, net->endpoints, ep, tmp) {
		HASH_DEL(net->endpoints, ep);
		model_endpoint_free(ep->rec);
		free(ep);
	}
	model_network_free(net->rec);
	free(net);
}

void modules_done(struct modules *m)
{
	struct mirror_network *net, *next_net;
	struct mirror_node *node, *next_node;

	HASH_ITER(hh, m->networks, net, next_net) {
		HASH_DEL(m->networks, net);
		free_network(net);
	}
	HASH_ITER(hh, m->nodes, node, next_node) {
		HASH_DEL(m->nodes, node);
		model_node_free(node->rec);
		free(node);
	}
	for (size_t i = 0; i < m->n_locals; i++) {
		struct local_endpoint *l = m->locals[i];

		free(l->name);
		free(l->sandbox);
		free(l->hostname);
		free(l->expose);
		strv_done(&l->links);
		strv_done(&l->dns);
		strv_done(&l->extra_hosts);
		free(l);
	}
	modules_dns_done(m);
	free(m->config.name);
	free(m->config.socket);
	events_free(m->ctx.events);
}

static void note(struct modules *m, const char *called, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void note(struct modules *m, const char *called, const char *fmt, ...)
{
	va_list ap;

	snprintf(m->called, sizeof(m->called), "%s", called);
	va_start(ap, fmt);
	vsnprintf(m->asked, sizeof(m->asked), fmt, ap);
	va_end(ap);
}

static void later(struct modules *m, void (*answer)(struct modules *), void *done, void *user)
{
	m->pending = answer;
	m->done = done;
	m->user = user;
}

void modules_answer(struct modules *m)
{
	void (*answer)(struct modules *) = m->pending;

	m->pending = NULL;
	answer(m);
}

/* ---- records ---- */

struct mirror_node *modules_node(struct modules *m, const char *name, bool alive)
{
	struct mirror_node *n = mem_alloc(sizeof(*n));

	n->rec = mem_alloc(sizeof(*n->rec));
	n->rec->id = strcmp(name, m->config.name) == 0 ? m->self : id_random();
	n->rec->name = mem_strdup(name);
	n->rec->vtep = ip_v4(0xc0a8cd0a);
	n->rec->mtu = 1500;
	n->rec->address_lease = 0x1234;
	n->rec->boot_id = mem_strdup("boot");
	n->rec->version = mem_strdup("1.2.3");
	n->rec->format = 1;
	n->alive = alive;
	HASH_ADD_KEYPTR(hh, m->nodes, &n->rec->id, sizeof(n->rec->id), n);
	return n;
}

struct mirror_network *modules_network(struct modules *m, const char *name, const char *subnet)
{
	struct mirror_network *net = mem_alloc(sizeof(*net));
	struct model_network *rec = mem_alloc(sizeof(*rec));

	rec->id = net->id = id_random();
	rec->name = mem_strdup(name);
	rec->driver = mem_strdup("overlay");
	rec->vni = 1048576;
	rec->mtu = 1450;
	rec->created = mem_strdup("2026-11-21T09:30:00Z");
	rec->subnets = mem_alloc_array(1, sizeof(*rec->subnets));
	rec->n_subnets = 1;
	prefix_parse(subnet, &rec->subnets[0].subnet, NULL);
	rec->subnets[0].gateway = ip_add(rec->subnets[0].subnet.ip, 1);
	kv_pairs_set(&rec->labels, "team", "a");
	net->rec = rec;
	HASH_ADD(hh, m->networks, id, sizeof(net->id), net);
	return net;
}

struct model_endpoint *modules_endpoint(struct modules *m, struct mirror_network *net,
					const char *name, const char *ip, struct id node)
{
	struct mirror_endpoint *ep = mem_alloc(sizeof(*ep));
	char text[ID_TEXT_MAX];

	(void)m;
	ep->rec = mem_alloc(sizeof(*ep->rec));
	ep->rec->id = id_random();
	ep->rec->network = net->id;
	ep->rec->node = node;
	ep->rec->name = mem_strdup(name);
	ep->rec->sandbox = mem_strdup(id_format(id_random(), text));
	ip_parse(ip, &ep->rec->ip4, NULL);
	ep->rec->mac = mac_from_ip(ep->rec->ip4);
	ep->rec->created = mem_strdup("2026-11-21T09:31:00Z");
	HASH_ADD_KEYPTR(hh, net->endpoints, &ep->rec->id, sizeof(ep->rec->id), ep);
	net->n_endpoints++;
	return ep->rec;
}

struct local_endpoint *modules_local(struct modules *m, struct id network, const char *name,
				     const char *ip, const struct id *id)
{
	struct local_endpoint *l = mem_alloc(sizeof(*l));

	l->id = id ? *id : id_random();
	l->network = network;
	l->state = LOCAL_BOUND;
	l->name = mem_strdup(name);
	l->sandbox = mem_strdup("sandbox-of-local");
	l->ifname = (char *)"eth0";
	ip_parse(ip, &l->ip4, NULL);
	l->mac = mac_from_ip(l->ip4);
	m->locals[m->n_locals++] = l;
	return l;
}

/* ---- mirror, kv, kernel, reconcile ---- */

enum mirror_state mirror_get_state(const struct mirror *m)
{
	return M(m)->state;
}

bool mirror_link_up(const struct mirror *m)
{
	(void)m;
	return true;
}

int64_t mirror_revision(const struct mirror *m)
{
	(void)m;
	return 77;
}

const struct model_cluster *mirror_cluster(const struct mirror *m)
{
	return &M(m)->cluster;
}

const struct model_cluster *mirror_cluster_found(const struct mirror *m)
{
	return M(m)->has_found ? &M(m)->found : NULL;
}

struct mirror_node *mirror_nodes(struct mirror *m)
{
	return M(m)->nodes;
}

struct mirror_network *mirror_networks(struct mirror *m)
{
	return M(m)->networks;
}

struct mirror_node *mirror_node(struct mirror *m, struct id id)
{
	struct mirror_node *n;

	HASH_FIND(hh, M(m)->nodes, &id, sizeof(id), n);
	return n;
}

struct mirror_network *mirror_network(struct mirror *m, struct id id)
{
	struct mirror_network *n;

	HASH_FIND(hh, M(m)->networks, &id, sizeof(id), n);
	return n;
}

struct mirror_endpoint *mirror_endpoint(struct mirror *m, struct id network, struct id endpoint)
{
	struct mirror_network *n = mirror_network(m, network);
	struct mirror_endpoint *ep = NULL;

	if (n)
		HASH_FIND(hh, n->endpoints, &endpoint, sizeof(endpoint), ep);
	return ep;
}

size_t kv_health(struct kv *kv, struct kv_health *ret, size_t max)
{
	(void)kv;
	(void)max;
	ret[0] = (struct kv_health){ "http://10.9.9.9:2379", false, "connection refused" };
	return 1;
}

int kernel_linux_dropped(struct kernel *k, uint64_t *ret)
{
	(void)k;
	*ret = 3;
	return 0;
}

void reconcile_stats(const struct reconcile *r, struct reconcile_stats *ret)
{
	(void)r;
	*ret = (struct reconcile_stats){ .passes = 5, .writes = 9, .drift_repaired = 2 };
}

bool reconcile_ready(const struct reconcile *r)
{
	(void)r;
	return true;
}

/* ---- networks ---- */

int network_find(struct networks *n, const char *ref, const struct model_network **ret,
		 struct err *e)
{
	struct mirror_network *net, *tmp;

	HASH_ITER(hh, M(n)->networks, net, tmp) {
		if (strcmp(net->rec->name, ref) != 0 && !id_has_prefix(net->id, ref))
			continue;
		*ret = net->rec;
		return 0;
	}
	return err_set(e, -ENOENT, "network %s not found", ref);
}

const struct model_network *network_get(struct networks *n, struct id id)
{
	const struct mirror_network *net = mirror_network((struct mirror *)n, id);

	return net ? net->rec : NULL;
}

void network_each(struct networks *n, void (*fn)(void *user, const struct model_network *net),
		  void *user)
{
	struct mirror_network *net, *tmp;

	HASH_ITER(hh, M(n)->networks, net, tmp)
		fn(user, net->rec);
}

/* As if bridges were made with these. */
void network_options(const struct model_network *net, struct netopt *ret)
{
	*ret = (struct netopt){ .driver = strcmp(net->driver, "bridge") == 0  ? NETOPT_BRIDGE :
					  strcmp(net->driver, "macvlan") == 0 ? NETOPT_MACVLAN :
					  strcmp(net->driver, "overlay") == 0 ? NETOPT_OVERLAY :
										NETOPT_NULL,
				.icc = true,
				.gateway_mode = NETOPT_ROUTED,
				.security = STATE_SECURE_MAC,
				.host_binding4 = ip_v4(0x7f000001),
				.parent = "eth7",
				.mode = "vepa" };
}

static void answer_network(struct modules *m)
{
	network_done_fn done = (network_done_fn)m->done;

	done(m->user, m->status, m->status == 0 ? m->networks->rec : NULL, &m->err);
}

void network_create(struct networks *n, const struct network_request *req, network_done_fn done,
		    void *user)
{
	note(M(n), "network_create", "%s %s subnets=%zu mtu=%s", req->name,
	     req->driver ? req->driver : "-", req->subnets.n,
	     kv_pairs_get(&req->options, "mtu") ? kv_pairs_get(&req->options, "mtu") : "-");
	later(M(n), answer_network, (void *)done, user);
}

void network_remove(struct networks *n, struct id id, network_done_fn done, void *user)
{
	note(M(n), "network_remove", "%s", mirror_network((struct mirror *)n, id)->rec->name);
	later(M(n), answer_network, (void *)done, user);
}

/* ---- endpoints ---- */

void endpoint_each(struct endpoints *es, void (*fn)(void *user, const struct local_endpoint *ep),
		   void *user)
{
	for (size_t i = 0; i < M(es)->n_locals; i++)
		fn(user, M(es)->locals[i]);
}

const struct local_endpoint *endpoint_get(struct endpoints *es, struct id id)
{
	for (size_t i = 0; i < M(es)->n_locals; i++) {
		if (id_eq(M(es)->locals[i]->id, id))
			return M(es)->locals[i];
	}
	return NULL;
}

size_t endpoint_count(const struct endpoints *es)
{
	return M(es)->n_locals;
}

static void answer_endpoint(struct modules *m)
{
	endpoint_done_fn done = (endpoint_done_fn)m->done;

	done(m->user, m->status, m->status == 0 ? m->locals[0] : NULL, &m->err);
}

static const char *first(const struct strv *s)
{
	return s->n > 0 ? s->v[0] : "-";
}

void endpoint_connect(struct endpoints *es, const struct endpoint_request *req,
		      endpoint_done_fn done, void *user)
{
	char ip[IP_TEXT_MAX];

	if (req->hostname) {
		note(M(es), "endpoint_connect",
		     "%s hostname=%s expose=%zu/%u link=%s dns=%s %s %s %s", req->target,
		     req->hostname, req->n_expose, req->n_expose ? req->expose[0].port : 0,
		     first(&req->links), first(&req->dns), first(&req->dns_search),
		     first(&req->dns_options), first(&req->extra_hosts));
		later(M(es), answer_endpoint, (void *)done, user);
		return;
	}
	note(M(es), "endpoint_connect", "%s name=%s ip=%s aliases=%zu ports=%zu/%u prio=%d%s",
	     req->target, req->name ? req->name : "-", ip_format(req->ip4, ip), req->aliases.n,
	     req->n_publish, req->n_publish ? req->publish[0].host_port : 0, req->gw_priority,
	     req->more ? " more" : "");
	later(M(es), answer_endpoint, (void *)done, user);
}

void endpoint_disconnect(struct endpoints *es, struct id network, const char *target, bool force,
			 endpoint_done_fn done, void *user)
{
	(void)network;
	note(M(es), "endpoint_disconnect", "%s force=%d", target, force);
	later(M(es), answer_endpoint, (void *)done, user);
}

/* ---- surroundings ---- */

void publishes_stats(const struct publishes *ps, struct publish_stats *ret)
{
	(void)ps;
	*ret = (struct publish_stats){ .ports = 4, .tcp_relays = 2, .udp_relays = 1 };
}

const char *surroundings_firewalld(const struct surroundings *s)
{
	(void)s;
	return "zone ovl: ovl0";
}

size_t surroundings_findings(const struct surroundings *s, const struct coexist_finding **ret)
{
	static const struct coexist_finding v[] = {
		{ COEXIST_NOTE, (char *)"FORWARD drops", NULL },
		{ COEXIST_PROBLEM, (char *)"INPUT drops 4789", (char *)"iptables -I INPUT" },
	};

	(void)s;
	*ret = v;
	return ARRAY_SIZE(v);
}

int local_get(struct local *l, const char *name, char **ret_value)
{
	(void)l;
	if (strcmp(name, "sysctl:net.ipv4.ip_forward") != 0)
		return -ENOENT;
	*ret_value = mem_strdup("0");
	return 0;
}

/* ---- containers ---- */

const struct container *containers_get(const struct containers *cs, const char *name)
{
	const struct container *c = M(cs)->container;

	return c && strcmp(c->name, name) == 0 ? c : NULL;
}

void containers_each(const struct containers *cs, void (*fn)(void *user, const struct container *c),
		     void *user)
{
	if (M(cs)->container)
		fn(user, M(cs)->container);
}

/* ---- nodes, cluster ---- */

struct id node_id(const struct node *n)
{
	return M(n)->self;
}

struct ip node_vtep(const struct node *n)
{
	(void)n;
	return ip_v4(0xc0a8cd0a);
}

uint32_t node_mtu(const struct node *n)
{
	(void)n;
	return 1500;
}

int node_find(struct mirror *m, const char *ref, struct mirror_node **ret, struct err *e)
{
	struct mirror_node *n, *tmp;

	HASH_ITER(hh, M(m)->nodes, n, tmp) {
		if (strcmp(n->rec->name, ref) == 0) {
			*ret = n;
			return 0;
		}
	}
	return err_set(e, -ENOENT, "node %s not found", ref);
}

static void answer_node(struct modules *m)
{
	node_done_fn done = (node_done_fn)m->done;

	done(m->user, m->status, &m->err);
}

void node_remove(struct node *n, struct id other, node_done_fn done, void *user)
{
	note(M(n), "node_remove", "%s", mirror_node((struct mirror *)n, other)->rec->name);
	later(M(n), answer_node, (void *)done, user);
}

static void answer_cluster(struct modules *m)
{
	cluster_done_fn done = (cluster_done_fn)m->done;

	done(m->user, m->status, 4, &m->err);
}

void cluster_adopt(struct cluster *c, cluster_done_fn done, void *user)
{
	note(M(c), "cluster_adopt", "-");
	later(M(c), answer_cluster, (void *)done, user);
}

void cluster_release_endpoint(struct cluster *c, const struct model_endpoint *ep,
			      cluster_done_fn done, void *user)
{
	note(M(c), "cluster_release_endpoint", "%s", ep->name);
	later(M(c), answer_cluster, (void *)done, user);
}
