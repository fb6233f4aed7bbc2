/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/docker/docker_sync.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Texts in order, each with what it leads to: pictures have thousands of networks on both sides, and are looked at once for each step. */
struct entry {
	const char *key;
	size_t at;
};
struct index {
	struct entry *v;
	size_t n;
};
struct view {
	const struct docker_sync_picture *p;
	struct index docker_by_id, docker_by_name;
	struct index net_by_bound, net_by_name;
	struct index tried, gone;
	size_t *owner; /* of each of Docker's: its network of the cluster, NONE */
	size_t *docker_of; /* of each of the cluster's: one of Docker's that is it, the bound one first, NONE */
	char (*net_id)[ID_TEXT_MAX];
};
#define NONE SIZE_MAX

static int entry_cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strcmp(x->key, y->key);

	return c ? c : (x->at > y->at) - (x->at < y->at);
}

static void index_add(struct index *ix, const char *key, size_t at)
{
	if (key)
		ix->v[ix->n++] = (struct entry){ key, at };
}

static void index_start(struct index *ix, size_t max)
{
	ix->v = mem_alloc_array(max + 1, sizeof(*ix->v));
	ix->n = 0;
}

static void index_sort(struct index *ix)
{
	qsort(ix->v, ix->n, sizeof(*ix->v), entry_cmp);
}

/* The first with @key, NONE. */
static size_t index_find(const struct index *ix, const char *key)
{
	size_t lo = 0, hi = ix->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(ix->v[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < ix->n && strcmp(ix->v[lo].key, key) == 0 ? ix->v[lo].at : NONE;
}

static void index_strv(struct index *ix, const struct strv *s)
{
	index_start(ix, s ? s->n : 0);
	for (size_t i = 0; s && i < s->n; i++)
		index_add(ix, s->v[i], i);
	index_sort(ix);
}

static bool is_ours(const struct docker_sync_net *n)
{
	return strcmp(n->net->driver, "overlay") == 0;
}

static size_t net_by_id(const struct view *w, const char *text)
{
	size_t lo = 0, hi = w->p->n_nets;
	struct id id;

	if (id_parse(text, &id) < 0)
		return NONE;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (id_cmp(w->p->nets[mid].net->id, id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->p->n_nets && id_eq(w->p->nets[lo].net->id, id) && is_ours(&w->p->nets[lo]) ?
		       lo :
		       NONE;
}

static const char *reference(const struct docker_network *d)
{
	const char *ref = kv_pairs_get(&d->options, DOCKER_OPTION_NETWORK);

	return ref ? ref : kv_pairs_get(&d->ipam_options, DOCKER_OPTION_NETWORK);
}

static bool has_subnet(const struct model_network *n, const char *text)
{
	struct prefix p;

	/* As a user typed it: Docker keeps the bits of the host. */
	if (prefix_parse_host(text, &p, NULL) < 0)
		return false;
	p = prefix_mask(p.ip, p.len);
	for (size_t i = 0; i < n->n_subnets; i++) {
		if (prefix_eq(n->subnets[i].subnet, p))
			return true;
	}
	return false;
}

static bool subnets_agree(const struct model_network *n, const struct docker_network *d)
{
	for (size_t i = 0; i < d->subnets.n; i++) {
		if (!has_subnet(n, d->subnets.v[i]))
			return false;
	}
	return true;
}

static size_t owner_of(const struct view *w, const struct docker_network *d)
{
	const char *ref = reference(d);
	size_t at = index_find(&w->net_by_bound, d->id);

	if (at == NONE)
		at = net_by_id(w, d->id);
	if (at != NONE || !ref)
		return at;
	at = net_by_id(w, ref);
	if (at == NONE)
		at = index_find(&w->net_by_name, ref);
	return at != NONE && subnets_agree(w->p->nets[at].net, d) ? at : NONE;
}

static void view_index(struct view *w)
{
	const struct docker_sync_picture *p = w->p;

	index_start(&w->docker_by_id, p->n_docker);
	index_start(&w->docker_by_name, p->n_docker);
	index_start(&w->net_by_bound, p->n_nets);
	index_start(&w->net_by_name, p->n_nets);
	for (size_t i = 0; i < p->n_docker; i++) {
		index_add(&w->docker_by_id, p->docker[i].id, i);
		index_add(&w->docker_by_name, p->docker[i].name, i);
	}
	for (size_t i = 0; i < p->n_nets; i++) {
		id_format(p->nets[i].net->id, w->net_id[i]);
		if (!is_ours(&p->nets[i]))
			continue;
		index_add(&w->net_by_bound, p->nets[i].bound, i);
		index_add(&w->net_by_name, p->nets[i].net->name, i);
	}
	index_sort(&w->docker_by_id);
	index_sort(&w->docker_by_name);
	index_sort(&w->net_by_bound);
	index_sort(&w->net_by_name);
	index_strv(&w->tried, p->tried);
	index_strv(&w->gone, p->gone);
}

static void view_init(struct view *w, const struct docker_sync_picture *p)
{
	*w = (struct view){ .p = p };
	w->net_id = mem_alloc_array(p->n_nets + 1, sizeof(*w->net_id));
	w->owner = mem_alloc_array(p->n_docker + 1, sizeof(*w->owner));
	w->docker_of = mem_alloc_array(p->n_nets + 1, sizeof(*w->docker_of));
	view_index(w);
	for (size_t i = 0; i < p->n_nets; i++)
		w->docker_of[i] =
			p->nets[i].bound ? index_find(&w->docker_by_id, p->nets[i].bound) : NONE;
	for (size_t i = 0; i < p->n_docker; i++) {
		size_t at = w->owner[i] = owner_of(w, &p->docker[i]);

		if (at != NONE && w->docker_of[at] == NONE)
			w->docker_of[at] = i;
	}
}

static void view_done(struct view *w)
{
	free(w->net_id);
	free(w->owner);
	free(w->docker_of);
	free(w->docker_by_id.v);
	free(w->docker_by_name.v);
	free(w->net_by_bound.v);
	free(w->net_by_name.v);
	free(w->tried.v);
	free(w->gone.v);
}

static bool net_passed(const struct view *w, size_t i)
{
	return !is_ours(&w->p->nets[i]) || index_find(&w->tried, w->net_id[i]) != NONE;
}

static bool docker_passed(const struct view *w, size_t i)
{
	return index_find(&w->tried, w->p->docker[i].id) != NONE;
}

static bool step_name(const struct view *w, size_t i, struct docker_sync *ret)
{
	const struct docker_sync_net *n = &w->p->nets[i];
	const struct docker_network *d;

	if (n->net->state != MODEL_NETWORK_PENDING || w->docker_of[i] == NONE)
		return false;
	d = &w->p->docker[w->docker_of[i]];
	/* One that was joined by its id while it has no name yet tells nothing. */
	if (docker_passed(w, w->docker_of[i]) || (!n->own && strcmp(d->id, w->net_id[i]) != 0))
		return false;
	*ret = (struct docker_sync){ DOCKER_SYNC_NAME, n, d };
	return true;
}

static bool step_unbind(const struct view *w, size_t i, struct docker_sync *ret)
{
	const struct docker_sync_net *n = &w->p->nets[i];

	if (!w->p->complete || !n->bound || w->docker_of[i] != NONE)
		return false;
	*ret = (struct docker_sync){ DOCKER_SYNC_UNBIND, n, NULL };
	return true;
}

static bool step_bind(const struct view *w, size_t i, struct docker_sync *ret)
{
	const struct docker_sync_net *n = &w->p->nets[i];
	size_t d = w->docker_of[i];

	if (d == NONE || docker_passed(w, d) ||
	    (n->bound && strcmp(n->bound, w->p->docker[d].id) == 0))
		return false;
	*ret = (struct docker_sync){ DOCKER_SYNC_BIND, n, &w->p->docker[d] };
	return true;
}

static bool was_of_cluster(const struct view *w, const struct docker_network *d)
{
	return kv_pairs_get(&d->labels, DOCKER_LABEL_MANAGED) || reference(d) ||
	       index_find(&w->gone, d->id) != NONE;
}

static bool step_remove(const struct view *w, size_t i, struct docker_sync *ret)
{
	const struct docker_network *d = &w->p->docker[i];

	if (!w->p->complete || w->owner[i] != NONE || !was_of_cluster(w, d))
		return false;
	*ret = (struct docker_sync){ DOCKER_SYNC_REMOVE, NULL, d };
	return true;
}

static bool is_wanted(const struct view *w, size_t i)
{
	const struct docker_sync_net *n = &w->p->nets[i];

	return n->net->state == MODEL_NETWORK_READY && !n->bound && !n->left &&
	       w->docker_of[i] == NONE;
}

static bool step_create(const struct view *w, size_t i, struct docker_sync *ret)
{
	if (!is_wanted(w, i) || index_find(&w->docker_by_name, w->p->nets[i].net->name) != NONE)
		return false;
	*ret = (struct docker_sync){ DOCKER_SYNC_CREATE, &w->p->nets[i], NULL };
	return true;
}

static bool step_blocked(const struct view *w, size_t i, struct docker_sync *ret)
{
	size_t d;

	if (!w->p->complete || !is_wanted(w, i))
		return false;
	d = index_find(&w->docker_by_name, w->p->nets[i].net->name);
	if (d == NONE)
		return false;
	*ret = (struct docker_sync){ DOCKER_SYNC_STRANGE, &w->p->nets[i], &w->p->docker[d] };
	return true;
}

static bool step_strange(const struct view *w, size_t i, struct docker_sync *ret)
{
	size_t net = w->owner[i];

	/* Also a second one of a network that has another. */
	if (!w->p->complete || (net == NONE && was_of_cluster(w, &w->p->docker[i])) ||
	    (net != NONE && w->docker_of[net] == i))
		return false;
	*ret = (struct docker_sync){ DOCKER_SYNC_STRANGE, NULL, &w->p->docker[i] };
	return true;
}

typedef bool (*step_fn)(const struct view *w, size_t i, struct docker_sync *ret);

static bool first_of_nets(const struct view *w, step_fn fn, struct docker_sync *ret)
{
	for (size_t i = 0; i < w->p->n_nets; i++) {
		if (!net_passed(w, i) && fn(w, i, ret))
			return true;
	}
	return false;
}

static bool first_of_docker(const struct view *w, step_fn fn, struct docker_sync *ret)
{
	for (size_t i = 0; i < w->p->n_docker; i++) {
		if (!docker_passed(w, i) && fn(w, i, ret))
			return true;
	}
	return false;
}

void docker_sync_next(const struct docker_sync_picture *p, struct docker_sync *ret)
{
	struct view w;

	*ret = (struct docker_sync){ DOCKER_SYNC_NONE, NULL, NULL };
	view_init(&w, p);
	if (!first_of_nets(&w, step_name, ret) && !first_of_nets(&w, step_unbind, ret) &&
	    !first_of_nets(&w, step_bind, ret) && !first_of_docker(&w, step_remove, ret) &&
	    !first_of_nets(&w, step_create, ret) && !first_of_nets(&w, step_blocked, ret))
		first_of_docker(&w, step_strange, ret);
	view_done(&w);
}
