/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolv.conf and hosts of the containers, from all their endpoints. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/names_priv.h"
#include "base/log.h"
#include "base/mem.h"

#define NETNS_DIR "/run/netns/"

struct dns_servers names_servers(const struct strv *texts)
{
	struct dns_servers ret = { 0 };

	for (size_t i = 0; i < texts->n && ret.n < DNS_SERVERS_MAX; i++) {
		if (resolv_server_parse(texts->v[i], &ret.v[ret.n], NULL) == 0)
			ret.n++;
	}
	return ret;
}

/* All endpoints of one namespace. */
struct place {
	struct names *n;
	const struct local_endpoint *v[ENDPOINT_PER_TARGET_MAX + 2];
	size_t count;
};

static void gather(void *user, const struct local_endpoint *row)
{
	struct place *p = user;

	if (p->count < ARRAY_SIZE(p->v))
		p->v[p->count++] = row;
}

static int by_interface(const void *x, const void *y)
{
	const struct local_endpoint *const *a = x, *const *b = y;

	return strverscmp((*a)->ifname, (*b)->ifname);
}

/* Where it finds a server of ours: on the way out, else on a bridge of the host, else on an overlay network. Direct ones have none. */
static int rank(const struct model_network *net)
{
	static const char *const order[] = { "egress", "bridge", "overlay" };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (strcmp(net->driver, order[i]) == 0)
			return (int)i;
	}
	return -1;
}

static struct ip server_of(const struct place *p)
{
	struct ip best = { 0 };
	int best_rank = -1;

	for (size_t i = 0; i < p->count; i++) {
		const struct model_network *net = network_get(p->n->d.networks, p->v[i]->network);
		int r = net ? rank(net) : -1;
		struct ip gw = net ? model_network_gateway(net, AF_INET) : (struct ip){ 0 };

		if (r < 0 || !ip_is_set(gw) || (best_rank >= 0 && r >= best_rank))
			continue;
		best = gw;
		best_rank = r;
	}
	return best;
}

/* Of all that were given, each once; else of the host. */
static void merge(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++) {
		if (!strv_has(to, from->v[i]))
			strv_add(to, from->v[i]);
	}
}

static void add_search(const struct place *p, struct strv *ret)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct model_network *net = network_get(p->n->d.networks, p->v[i]->network);
		_cleanup_free_ char *text = NULL;

		if (!net || network_is_predefined(net) || strcmp(net->driver, "egress") == 0)
			continue;
		text = mem_printf("%s.%s", net->name, p->n->d.config->dns_domain);
		if (resolv_search_check(text, NULL) < 0)
			continue; /* a network may be called what no question can hold */
		strv_add(ret, text);
		break;
	}
	merge(ret, &p->n->host.search);
}

static void add_names(const struct place *p, struct strv *ret)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct local_endpoint *r = p->v[i];
		const char *own[] = { r->hostname, r->run_name, r->name };

		for (size_t k = 0; k < ARRAY_SIZE(own); k++) {
			if (own[k] && !strv_has(ret, own[k]))
				strv_add(ret, own[k]);
		}
	}
}

static bool is_egress(const struct place *p, const struct local_endpoint *row)
{
	const struct model_network *net = network_get(p->n->d.networks, row->network);

	return net && strcmp(net->driver, "egress") == 0;
}

/* Tried again by and by (names_files_again()); said once. */
static void failed(struct names *n, const char *container, const struct err *e)
{
	if (!n->files_again)
		log_warn("a container's files could not be written; will retry",
			 "container=%s err=%s", container, LOG_Q(err_text(e)));
	n->files_failed = true;
}

static void write_files(struct place *p)
{
	struct ip addresses[2 * (ENDPOINT_PER_TARGET_MAX + 2)];
	struct etc_files_want w = { .addresses = addresses };
	const struct local_endpoint *first = p->v[0];
	struct strv none = { 0 };
	struct err e = { 0 };

	qsort(p->v, p->count, sizeof(p->v[0]), by_interface);
	w.place = (struct dns_place){ first->target.netns_dev, first->target.netns_ino };
	w.server = server_of(p);
	for (size_t i = 0; i < p->count; i++) {
		const struct local_endpoint *r = p->v[i];

		w.run_name = r->run_name ? r->run_name : w.run_name;
		merge(&w.search, &r->dns_search);
		merge(&w.options, &r->dns_options);
		merge(&w.extra_hosts, &r->extra_hosts);
		/* Where nobody of ours can be asked, those that were named can be. */
		if (!ip_is_set(w.server) && r->dns.n && names_servers(&r->dns).n)
			w.server = names_servers(&r->dns).v[0].ip;
		if (is_egress(p, r))
			continue;
		if (ip_is_set(r->ip4))
			addresses[w.n_addresses++] = r->ip4;
		if (ip_is_set(r->ip6))
			addresses[w.n_addresses++] = r->ip6;
	}
	if (strncmp(first->target.path, NETNS_DIR, sizeof(NETNS_DIR) - 1) == 0 && !w.run_name)
		w.netns_name = first->target.path + sizeof(NETNS_DIR) - 1;
	if (w.search.n == 0)
		add_search(p, &w.search);
	else if (w.search.n == 1 && strcmp(w.search.v[0], ".") == 0)
		w.search = (strv_done(&w.search), none); /* none at all, as docker run has it */
	if (w.options.n == 0)
		merge(&w.options, &p->n->host.options);
	add_names(p, &w.names);
	if ((w.run_name || w.netns_name) && etc_files_put(p->n->files, &w, &e) < 0)
		failed(p->n, w.run_name ? w.run_name : w.netns_name, &e);
	strv_done(&w.search);
	strv_done(&w.options);
	strv_done(&w.extra_hosts);
	strv_done(&w.names);
}

/* One that runs without a network sees the files it was started with: they say so. */
static void write_lonely(void *user, const char *name, const struct local_target *t)
{
	struct names *n = user;
	struct etc_files_want w = { .place = { t->netns_dev, t->netns_ino }, .run_name = name };
	struct err e = { 0 };

	strv_add(&w.names, name);
	if (etc_files_put(n->files, &w, &e) < 0)
		failed(n, name, &e);
	strv_done(&w.names);
}

static void note_lonely(void *user, const char *name, const struct local_target *t)
{
	(void)name;
	(void)t;
	*(bool *)user = true;
}

void names_sandbox(struct names *n, const struct state_target *t)
{
	struct place p = { .n = n };
	bool runs = false;

	if (!n || !n->started)
		return;
	endpoints_running(n->d.endpoints, t, gather, &p);
	if (p.count) {
		write_files(&p);
		return;
	}
	n->d.containers(n->d.user, t, note_lonely, &runs);
	if (runs)
		n->d.containers(n->d.user, t, write_lonely, n);
	else
		etc_files_del(n->files, (struct dns_place){ t->dev, t->ino });
}

struct targets {
	struct state_target *v;
	size_t n;
};

static void add(struct targets *l, const struct local_target *t)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].ino == t->netns_ino && l->v[i].dev == t->netns_dev)
			return;
	}
	l->v = mem_grow(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct state_target){ .dev = t->netns_dev, .ino = t->netns_ino };
}

static void add_target(void *user, const struct local_endpoint *row)
{
	add(user, &row->target);
}

static void add_container(void *user, const char *name, const struct local_target *t)
{
	(void)name;
	add(user, t);
}

void names_files_all(struct names *n)
{
	struct targets l = { 0 };

	endpoints_running(n->d.endpoints, NULL, add_target, &l);
	n->d.containers(n->d.user, NULL, add_container, &l);
	for (size_t i = 0; i < l.n; i++)
		names_sandbox(n, &l.v[i]);
	free(l.v);
}

void names_files_again(struct names *n)
{
	if (!n->files_failed)
		return;
	n->files_failed = false;
	n->files_again = true;
	names_files_all(n);
	n->files_again = false;
}
