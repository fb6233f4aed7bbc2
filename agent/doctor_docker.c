/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/doctor_docker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/docker/docker_sync.h"
#include "agent/doctor_priv.h"
#include "base/mem.h"

#define DRIVER "ovl"
#define YOUNG_S 5 /* what Docker is about to list, or about to delete */

struct docker_look {
	struct doctor_docker_deps d;
	struct doctor_check *c;
	struct strv ids, names; /* of Docker's networks of our driver */
	size_t next; /* to be inspected */
	struct id *seen; /* endpoints that Docker has; sorted at the end */
	size_t n_seen;
};

static void look_free(void *state)
{
	struct docker_look *l = state;

	strv_done(&l->ids);
	strv_done(&l->names);
	free(l->seen);
	free(l);
}

static void finish(struct docker_look *l)
{
	struct doctor_check *c = l->c;

	look_free(l);
	doctor_checked(c);
}

static const char *network_text(const struct docker_look *l, struct id id, char buf[ID_SHORT_MAX])
{
	const struct mirror_network *net = mirror_network(l->d.mirror, id);

	return net && net->rec ? net->rec->name : id_short(id, buf);
}

/* ---- networks ---- */

static int net_cmp(const void *a, const void *b)
{
	const struct docker_sync_net *x = a, *y = b;

	return id_cmp(x->net->id, y->net->id);
}

static size_t cluster_nets(const struct docker_look *l, struct docker_sync_net **ret)
{
	struct mirror_network *all = mirror_networks(l->d.mirror), *m, *tmp;
	struct docker_sync_net *v = mem_alloc_array(HASH_COUNT(all) + 1, sizeof(*v));
	char hex[ID_TEXT_MAX];
	size_t n = 0;

	HASH_ITER(hh, all, m, tmp) {
		const struct mirror_binding *b = mirror_binding(l->d.mirror, m->id, l->d.self);

		if (!m->rec)
			continue;
		v[n].net = m->rec;
		v[n].bound = b ? b->rec->docker : NULL;
		v[n].left = l->d.left && l->d.left(l->d.user, m->id);
		v[n].own = v[n].bound && strcmp(v[n].bound, id_format(m->id, hex)) == 0;
		v[n].endpoints = m->n_endpoints;
		v[n++].other_bindings = m->n_bindings - (b ? 1 : 0);
	}
	qsort(v, n, sizeof(*v), net_cmp);
	*ret = v;
	return n;
}

static void cure_by_ovld(struct docker_look *l, const struct docker_sync *s)
{
	const char *why = l->d.why && s->net ? l->d.why(l->d.user, s->net->net->id) : NULL;

	if (why && *why)
		doctor_cure(l->c, "ovld tries again by itself; the last time: %s", why);
	else
		doctor_cure(l->c, "%s", DOCTOR_BY_ITSELF);
}

static void tell_name(struct docker_look *l, const struct docker_sync *s)
{
	const struct mirror_network *other = mirror_network_by_name(l->d.mirror, s->docker->name);

	if (other && !id_eq(other->id, s->net->net->id)) {
		doctor_find(
			l->c,
			"Docker's network %s cannot have this name in the cluster: another network has it",
			s->docker->name);
		doctor_cure(l->c, "docker network rm %s, and create it under another name",
			    s->docker->name);
		return;
	}
	doctor_find(l->c, "Docker's network %s has not got its name in the cluster",
		    s->docker->name);
	cure_by_ovld(l, s);
}

static void tell_strange(struct docker_look *l, const struct docker_sync *s)
{
	if (s->net)
		doctor_find(l->c,
			    "network %s cannot be in Docker: another network there has its name",
			    s->net->net->name);
	else
		doctor_find(l->c, "Docker's network %s is no network of the cluster",
			    s->docker->name);
	doctor_cure(l->c, "docker network rm %s", s->docker->name);
}

static void tell_step(struct docker_look *l, const struct docker_sync *s)
{
	switch (s->step) {
	case DOCKER_SYNC_NONE:
		return;
	case DOCKER_SYNC_NAME:
		tell_name(l, s);
		return;
	case DOCKER_SYNC_CREATE:
		doctor_find(l->c, "network %s of the cluster is not in Docker", s->net->net->name);
		break;
	case DOCKER_SYNC_REMOVE:
		doctor_find(l->c,
			    "Docker's network %s stands for one that is gone from the cluster",
			    s->docker->name);
		doctor_cure(l->c,
			    "ovld removes it within a minute, unless containers are on it: "
			    "docker network inspect %s",
			    s->docker->name);
		return;
	case DOCKER_SYNC_UNBIND:
		doctor_find(
			l->c,
			"network %s is bound to Docker's network %.12s, which Docker does not have",
			s->net->net->name, s->net->bound);
		break;
	case DOCKER_SYNC_BIND:
		doctor_find(l->c,
			    "Docker's network %s is network %s of the cluster, but not bound to it",
			    s->docker->name, s->net->net->name);
		break;
	case DOCKER_SYNC_STRANGE:
		tell_strange(l, s);
		return;
	}
	cure_by_ovld(l, s);
}

/* Every step that is due, each thing once. */
static void look_networks(struct docker_look *l, const struct docker_network *v, size_t n)
{
	_cleanup_free_ struct docker_sync_net *nets = NULL;
	_cleanup_strv_ struct strv told = { 0 };
	struct docker_sync_picture p = { .docker = v,
					 .n_docker = n,
					 .n_nets = cluster_nets(l, &nets),
					 .complete = true,
					 .tried = &told };
	struct docker_sync s;
	char hex[ID_TEXT_MAX];

	p.nets = nets;
	for (size_t i = 0; i <= p.n_nets + n && i < DOCTOR_FINDINGS_MAX; i++) {
		docker_sync_next(&p, &s);
		if (s.step == DOCKER_SYNC_NONE)
			return;
		tell_step(l, &s);
		strv_add(&told, s.net ? id_format(s.net->net->id, hex) : s.docker->id);
	}
}

/* ---- endpoints ---- */

static void look_endpoint(struct docker_look *l, const char *network,
			  const struct docker_endpoint *ep)
{
	const struct local_endpoint *row = endpoint_get(l->d.endpoints, ep->endpoint);
	char has[IP_TEXT_MAX], docker[IP_TEXT_MAX];

	l->seen = mem_grow(l->seen, l->n_seen + 1, sizeof(*l->seen));
	l->seen[l->n_seen++] = ep->endpoint;
	if (!row) {
		doctor_find(
			l->c,
			"Docker has container %s on network %s, where this node has no such endpoint",
			ep->name, network);
		doctor_cure(l->c, "docker network disconnect -f %s %s, and connect it again",
			    network, ep->name);
		return;
	}
	if (!ip_is_set(ep->ip4) || ip_eq(ep->ip4, row->ip4))
		return;
	doctor_find(l->c, "container %s on network %s has address %s in Docker, but %s here",
		    ep->name, network, ip_format(ep->ip4, docker), ip_format(row->ip4, has));
	doctor_cure(l->c, "docker network disconnect -f %s %s, and connect it again", network,
		    ep->name);
}

static int cmp_id(const void *a, const void *b)
{
	return id_cmp(*(const struct id *)a, *(const struct id *)b);
}

static void look_row(void *user, const struct local_endpoint *row)
{
	struct docker_look *l = user;
	char hex[ID_SHORT_MAX];
	const char *net;
	int64_t age = doctor_wall_age(row->created);

	if (!row->engine || (row->state != LOCAL_BOUND && row->state != LOCAL_CONFLICT))
		return;
	net = network_text(l, row->network, hex);
	if (row->lost) {
		doctor_find(
			l->c,
			"container %s on network %s: the interface that Docker was given is gone",
			row->name, net);
		doctor_cure(l->c, "docker restart %s", row->name);
	}
	if ((age >= 0 && age < YOUNG_S) ||
	    (l->n_seen && bsearch(&row->id, l->seen, l->n_seen, sizeof(row->id), cmp_id)))
		return;
	doctor_find(l->c, "endpoint %s on network %s is Docker's, which does not have it",
		    row->name, net);
	doctor_cure(l->c, "%s", DOCTOR_BY_ITSELF);
}

/* ---- asked ---- */

static void ask(struct docker_look *l);

static void inspected(void *user, int status, const struct docker_network *v, size_t n,
		      const struct err *e)
{
	struct docker_look *l = user;

	/* -ENOENT: removed meanwhile. */
	if (status < 0 && status != -ENOENT) {
		doctor_skip(l->c, "%s", err_text(e));
		finish(l);
		return;
	}
	for (size_t i = 0; status == 0 && n > 0 && i < v->n_endpoints; i++) {
		if (!id_is_zero(v->endpoints[i].endpoint))
			look_endpoint(l, l->names.v[l->next], &v->endpoints[i]);
	}
	l->next++;
	ask(l);
}

static void ask(struct docker_look *l)
{
	if (l->next < l->ids.n) {
		docker_api_network(l->d.api, l->ids.v[l->next], inspected, l);
		return;
	}
	if (l->n_seen)
		qsort(l->seen, l->n_seen, sizeof(*l->seen), cmp_id);
	endpoint_each(l->d.endpoints, look_row, l);
	finish(l);
}

static void listed(void *user, int status, const struct docker_network *v, size_t n,
		   const struct err *e)
{
	struct docker_look *l = user;

	if (status < 0) {
		doctor_skip(l->c, "%s", err_text(e));
		finish(l);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		strv_add(&l->ids, v[i].id);
		strv_add(&l->names, v[i].name);
	}
	/* Without all of the cluster nothing can be called missing. */
	if (mirror_get_state(l->d.mirror) != MIRROR_SYNCED) {
		doctor_skip(l->c, "what etcd holds is not known");
		finish(l);
		return;
	}
	look_networks(l, v, n);
	ask(l);
}

void doctor_docker(const struct doctor_docker_deps *d, struct doctor_check *c)
{
	struct docker_look *l;

	if (!d->serving) {
		doctor_find(c, "the socket of the network driver ovl cannot be had: %s", d->plugin);
		doctor_cure(c, "end what is in the way (`ss -xlp`); ovld tries again each second");
	}
	if (!d->api) {
		doctor_skip(c, "Docker's API is not used (docker-api)");
		doctor_checked(c);
		return;
	}
	l = mem_alloc(sizeof(*l));
	l->d = *d;
	l->c = c;
	/* docker_api_close() ends calls without a word. */
	doctor_keep(c, l, look_free);
	docker_api_networks(d->api, DRIVER, listed, l);
}
