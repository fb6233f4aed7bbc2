/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/mirror_set.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

static void rec_free(enum model_kind kind, void *rec)
{
	if (kind == MODEL_NODE)
		model_node_free(rec);
	else if (kind == MODEL_NETWORK)
		model_network_free(rec);
	else if (kind == MODEL_ENDPOINT)
		model_endpoint_free(rec);
	else if (kind == MODEL_BINDING)
		model_binding_free(rec);
}

void mirror_batch_add(struct mirror_batch *b, const struct mirror_change *c)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 8;
		b->v = mem_grow(b->v, b->cap, sizeof(*b->v));
	}
	b->v[b->n++] = *c;
}

void mirror_batch_bury(struct mirror_batch *b, enum model_kind kind, void *rec)
{
	if (!rec)
		return;
	if (b->n_dead == b->cap_dead) {
		b->cap_dead = b->cap_dead ? b->cap_dead * 2 : 8;
		b->dead = mem_grow(b->dead, b->cap_dead, sizeof(*b->dead));
	}
	b->dead[b->n_dead].kind = kind;
	b->dead[b->n_dead++].rec = rec;
}

void mirror_batch_done(struct mirror_batch *b)
{
	for (size_t i = 0; i < b->n_dead; i++)
		rec_free(b->dead[i].kind, b->dead[i].rec);
	free(b->dead);
	free(b->v);
	*b = (struct mirror_batch){ 0 };
}

void mirror_batch_tell(struct mirror_batch *b, enum model_kind kind, const struct model_key *k,
		       const void *before, const void *after, bool deleted)
{
	mirror_batch_add(b, &(struct mirror_change){ .kind = kind,
						     .id = k->id,
						     .network = k->network,
						     .deleted = deleted,
						     .before = before,
						     .after = after });
}

/* ---- finding ---- */

static struct mirror_node *find_node(const struct mirror_set *s, const struct id *id)
{
	struct mirror_node *n;

	HASH_FIND(hh, s->nodes, id, sizeof(*id), n);
	return n;
}

static struct mirror_network *find_network(const struct mirror_set *s, const struct id *id)
{
	struct mirror_network *n;

	HASH_FIND(hh, s->networks, id, sizeof(*id), n);
	return n;
}

static struct mirror_endpoint *find_endpoint(const struct mirror_set *s, const struct model_key *k)
{
	struct mirror_network *n = find_network(s, &k->network);
	struct mirror_endpoint *ep = NULL;

	if (n)
		HASH_FIND(hh, n->endpoints, &k->id, sizeof(k->id), ep);
	return ep;
}

static struct mirror_alive *find_alive(const struct mirror_set *s, const struct id *id)
{
	struct mirror_alive *a;

	HASH_FIND(hh, s->alive, id, sizeof(*id), a);
	return a;
}

/* Where a record keeps its generation, and its revision; NULL for none. */
static uint32_t *find_gen(const struct mirror_set *s, const struct model_key *k, int64_t *ret_mod)
{
	struct mirror_endpoint *ep;
	struct mirror_network *net;
	struct mirror_binding *bi;
	struct mirror_alive *a;
	struct mirror_node *n;

	switch (k->kind) {
	case MODEL_NODE:
		n = find_node(s, &k->id);
		*ret_mod = n ? n->rec->mod_revision : 0;
		return n ? &n->gen : NULL;
	case MODEL_ALIVE:
		a = find_alive(s, &k->id);
		*ret_mod = a ? a->mod_revision : 0;
		return a ? &a->gen : NULL;
	case MODEL_NETWORK:
		net = find_network(s, &k->id);
		*ret_mod = net && net->rec ? net->rec->mod_revision : 0;
		return net && net->rec ? &net->gen : NULL;
	case MODEL_ENDPOINT:
		ep = find_endpoint(s, k);
		*ret_mod = ep ? ep->rec->mod_revision : 0;
		return ep ? &ep->gen : NULL;
	case MODEL_BINDING:
		bi = mirror_binding_find(find_network(s, &k->network), k->id);
		*ret_mod = bi ? bi->rec->mod_revision : 0;
		return bi ? &bi->gen : NULL;
	case MODEL_CLUSTER:
	case MODEL_ADDRESS:
	case MODEL_POOL:
	case MODEL_UNKNOWN:
		break;
	}
	*ret_mod = 0;
	return NULL;
}

int64_t mirror_set_mod(const struct mirror_set *s, const struct model_key *k)
{
	int64_t mod;

	find_gen(s, k, &mod);
	return mod;
}

void mirror_set_touch(struct mirror_set *s, const struct model_key *k)
{
	int64_t mod;
	uint32_t *gen = find_gen(s, k, &mod);

	if (gen)
		*gen = s->gen;
}

/* ---- putting ---- */

/* Takes both texts. */
static bool same_text(char *before, char *now)
{
	bool r = strcmp(before, now) == 0;

	free(before);
	free(now);
	return r;
}

static int put_node(struct mirror_set *s, const struct model_key *k, const struct kv_entry *ent,
		    struct mirror_batch *b, struct err *e)
{
	struct mirror_node *n = find_node(s, &k->id);
	struct model_node *rec = NULL;
	int r;

	if (!n && HASH_COUNT(s->nodes) >= MIRROR_NODES_MAX)
		return err_set(e, -E2BIG, "%s: more than %d nodes: skipped", ent->key,
			       MIRROR_NODES_MAX);
	r = model_node_decode(s->prefix, ent->key, ent->value, ent->value_len, &rec, e);
	if (r < 0)
		return r;
	rec->mod_revision = ent->mod_revision;
	if (!n) {
		n = mem_alloc(sizeof(*n));
		n->id = k->id;
		n->alive = find_alive(s, &k->id) != NULL;
		HASH_ADD(hh, s->nodes, id, sizeof(n->id), n);
	} else if (n->rec->mod_revision == rec->mod_revision &&
		   same_text(model_node_encode(n->rec), model_node_encode(rec))) {
		n->gen = s->gen;
		model_node_free(rec);
		return 0;
	}
	mirror_batch_tell(b, MODEL_NODE, k, n->rec, rec, false);
	mirror_batch_bury(b, MODEL_NODE, n->rec);
	n->rec = rec;
	n->gen = s->gen;
	return 1;
}

static int put_alive(struct mirror_set *s, const struct model_key *k, const struct kv_entry *ent,
		     struct mirror_batch *b, struct err *e)
{
	struct mirror_alive *a = find_alive(s, &k->id);
	struct mirror_node *n = find_node(s, &k->id);
	struct model_alive *rec = NULL;
	bool known = a != NULL;
	int r;

	if (!a && HASH_COUNT(s->alive) >= MIRROR_NODES_MAX)
		return err_set(e, -E2BIG, "%s: more than %d nodes: skipped", ent->key,
			       MIRROR_NODES_MAX);
	r = model_alive_decode(s->prefix, ent->key, ent->value, ent->value_len, &rec, e);
	if (r < 0)
		return r;
	model_alive_free(rec);
	if (!a) {
		a = mem_alloc(sizeof(*a));
		a->node = k->id;
		HASH_ADD(hh, s->alive, node, sizeof(a->node), a);
	}
	a->mod_revision = ent->mod_revision;
	a->gen = s->gen;
	if (n)
		n->alive = true;
	if (known)
		return 0;
	mirror_batch_tell(b, MODEL_ALIVE, k, NULL, NULL, false);
	return 1;
}

static struct mirror_network *network_entry(struct mirror_set *s, const struct id *id)
{
	struct mirror_network *n = find_network(s, id);

	if (!n) {
		n = mem_alloc(sizeof(*n));
		n->id = *id;
		HASH_ADD(hh, s->networks, id, sizeof(n->id), n);
	}
	return n;
}

/* An entry lives as long as it has a record, endpoints or bindings. */
static void network_drop_empty(struct mirror_set *s, struct mirror_network *n)
{
	if (n->rec || n->n_endpoints > 0 || n->n_bindings > 0)
		return;
	HASH_DEL(s->networks, n);
	free(n);
}

static int put_network(struct mirror_set *s, const struct model_key *k, const struct kv_entry *ent,
		       struct mirror_batch *b, struct err *e)
{
	struct mirror_network *n = find_network(s, &k->id);
	struct model_network *rec = NULL;
	int r;

	if (!(n && n->rec) && s->n_networks >= MIRROR_NETWORKS_MAX)
		return err_set(e, -E2BIG, "%s: more than %d networks: skipped", ent->key,
			       MIRROR_NETWORKS_MAX);
	r = model_network_decode(s->prefix, ent->key, ent->value, ent->value_len, &rec, e);
	if (r < 0)
		return r;
	rec->mod_revision = ent->mod_revision;
	n = network_entry(s, &k->id);
	n->gen = s->gen;
	if (n->rec && n->rec->mod_revision == rec->mod_revision &&
	    same_text(model_network_encode(n->rec), model_network_encode(rec))) {
		model_network_free(rec);
		return 0;
	}
	s->n_networks += !n->rec;
	mirror_batch_tell(b, MODEL_NETWORK, k, n->rec, rec, false);
	mirror_batch_bury(b, MODEL_NETWORK, n->rec);
	n->rec = rec;
	return 1;
}

static int put_endpoint(struct mirror_set *s, const struct model_key *k, const struct kv_entry *ent,
			struct mirror_batch *b, struct err *e)
{
	struct mirror_endpoint *ep = find_endpoint(s, k);
	struct model_endpoint *rec = NULL;
	struct mirror_network *n;
	int r;

	if (!ep && s->n_endpoints >= MIRROR_ENDPOINTS_MAX)
		return err_set(e, -E2BIG, "%s: more than %d endpoints: skipped", ent->key,
			       MIRROR_ENDPOINTS_MAX);
	r = model_endpoint_decode(s->prefix, ent->key, ent->value, ent->value_len, &rec, e);
	if (r < 0)
		return r;
	rec->mod_revision = ent->mod_revision;
	if (!ep) {
		ep = mem_alloc(sizeof(*ep));
		ep->id = k->id;
		n = network_entry(s, &k->network);
		HASH_ADD(hh, n->endpoints, id, sizeof(ep->id), ep);
		n->n_endpoints++;
		s->n_endpoints++;
	} else if (ep->rec->mod_revision == rec->mod_revision &&
		   same_text(model_endpoint_encode(ep->rec), model_endpoint_encode(rec))) {
		ep->gen = s->gen;
		model_endpoint_free(rec);
		return 0;
	}
	mirror_batch_tell(b, MODEL_ENDPOINT, k, ep->rec, rec, false);
	mirror_batch_bury(b, MODEL_ENDPOINT, ep->rec);
	ep->rec = rec;
	ep->gen = s->gen;
	return 1;
}

static int put_binding(struct mirror_set *s, const struct model_key *k, const struct kv_entry *ent,
		       struct mirror_batch *b, struct err *e)
{
	struct mirror_network *n = network_entry(s, &k->network);
	int r = mirror_binding_put(s, n, k, ent, b, e);

	if (r < 0)
		network_drop_empty(s, n);
	return r;
}

int mirror_set_put(struct mirror_set *s, const struct model_key *k, const struct kv_entry *ent,
		   struct mirror_batch *b, struct err *e)
{
	int r = -EINVAL;

	if (k->kind == MODEL_NODE)
		r = put_node(s, k, ent, b, e);
	else if (k->kind == MODEL_ALIVE)
		r = put_alive(s, k, ent, b, e);
	else if (k->kind == MODEL_NETWORK)
		r = put_network(s, k, ent, b, e);
	else if (k->kind == MODEL_ENDPOINT)
		r = put_endpoint(s, k, ent, b, e);
	else if (k->kind == MODEL_BINDING)
		r = put_binding(s, k, ent, b, e);
	if (r >= 0 && s->odd)
		mirror_set_odd_del(s, ent->key);
	return r;
}

/* ---- deleting ---- */

static void del_node(struct mirror_set *s, struct mirror_node *n, struct mirror_batch *b)
{
	mirror_batch_tell(b, MODEL_NODE, &(struct model_key){ .id = n->id }, n->rec, NULL, true);
	mirror_batch_bury(b, MODEL_NODE, n->rec);
	HASH_DEL(s->nodes, n);
	free(n);
}

static void del_alive(struct mirror_set *s, struct mirror_alive *a, struct mirror_batch *b)
{
	struct mirror_node *n = find_node(s, &a->node);

	if (n)
		n->alive = false;
	mirror_batch_tell(b, MODEL_ALIVE, &(struct model_key){ .id = a->node }, NULL, NULL, true);
	HASH_DEL(s->alive, a);
	free(a);
}

static void del_network(struct mirror_set *s, struct mirror_network *n, struct mirror_batch *b)
{
	mirror_batch_tell(b, MODEL_NETWORK, &(struct model_key){ .id = n->id }, n->rec, NULL, true);
	mirror_batch_bury(b, MODEL_NETWORK, n->rec);
	n->rec = NULL;
	s->n_networks--;
}

static void del_endpoint(struct mirror_set *s, struct mirror_network *n, struct mirror_endpoint *ep,
			 struct mirror_batch *b)
{
	mirror_batch_tell(b, MODEL_ENDPOINT, &(struct model_key){ .id = ep->id, .network = n->id },
			  ep->rec, NULL, true);
	mirror_batch_bury(b, MODEL_ENDPOINT, ep->rec);
	/* uthash goes by ->prev and ->next, which the analyzer does not follow: they are of entries still in the table. */
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
	HASH_DEL(n->endpoints, ep);
	free(ep);
	n->n_endpoints--;
	s->n_endpoints--;
}

bool mirror_set_del(struct mirror_set *s, const struct model_key *k, struct mirror_batch *b)
{
	struct mirror_network *n = NULL;
	int64_t mod;

	if (!find_gen(s, k, &mod))
		return false;
	if (k->kind == MODEL_NODE) {
		del_node(s, find_node(s, &k->id), b);
	} else if (k->kind == MODEL_ALIVE) {
		del_alive(s, find_alive(s, &k->id), b);
	} else if (k->kind == MODEL_NETWORK) {
		n = find_network(s, &k->id);
		del_network(s, n, b);
	} else {
		n = find_network(s, &k->network);
		if (k->kind == MODEL_BINDING)
			mirror_binding_del(s, n, mirror_binding_find(n, k->id), b);
		else
			del_endpoint(s, n, find_endpoint(s, k), b);
	}
	if (n)
		network_drop_empty(s, n);
	return true;
}

static void sweep_network(struct mirror_set *s, struct mirror_network *n, struct mirror_batch *b)
{
	struct mirror_endpoint *ep, *next;

	HASH_ITER(hh, n->endpoints, ep, next) {
		if (ep->gen != s->gen)
			del_endpoint(s, n, ep, b);
	}
	mirror_binding_sweep(s, n, b);
	if (n->rec && n->gen != s->gen)
		del_network(s, n, b);
	network_drop_empty(s, n);
}

void mirror_set_sweep(struct mirror_set *s, struct mirror_batch *b)
{
	struct mirror_network *net, *next_net;
	struct mirror_alive *a, *next_a;
	struct mirror_node *n, *next_n;
	struct mirror_odd *o, *next_o;

	HASH_ITER(hh, s->networks, net, next_net) {
		sweep_network(s, net, b);
	}
	HASH_ITER(hh, s->alive, a, next_a) {
		if (a->gen != s->gen)
			del_alive(s, a, b);
	}
	HASH_ITER(hh, s->nodes, n, next_n) {
		if (n->gen != s->gen)
			del_node(s, n, b);
	}
	HASH_ITER(hh, s->odd, o, next_o) {
		if (o->gen != s->gen)
			mirror_set_odd_del(s, o->key);
	}
}

/* ---- odd keys ---- */

bool mirror_set_odd(struct mirror_set *s, const char *key, int64_t mod_revision,
		    const struct model_key *k)
{
	struct mirror_odd *o;
	bool news;

	HASH_FIND_STR(s->odd, key, o);
	if (!o && HASH_COUNT(s->odd) >= MIRROR_ODD_MAX) {
		s->odd_full = true;
		return false;
	}
	news = !o || o->mod_revision != mod_revision;
	if (!o) {
		o = mem_alloc(sizeof(*o));
		o->key = mem_strdup(key);
		HASH_ADD_KEYPTR(hh, s->odd, o->key, strlen(o->key), o);
	}
	o->mod_revision = mod_revision;
	o->gen = s->gen;
	o->shadow = k && mirror_set_mod(s, k) != 0;
	if (k)
		mirror_set_touch(s, k);
	return news;
}

void mirror_set_odd_del(struct mirror_set *s, const char *key)
{
	struct mirror_odd *o;

	HASH_FIND_STR(s->odd, key, o);
	if (!o)
		return;
	HASH_DEL(s->odd, o);
	free(o->key);
	free(o);
}

static void newer(int64_t *newest, int64_t mod)
{
	if (mod > *newest)
		*newest = mod;
}

size_t mirror_set_count(const struct mirror_set *s, int64_t *ret_newest)
{
	const struct mirror_network *net;
	const struct mirror_endpoint *ep;
	const struct mirror_binding *bi;
	const struct mirror_alive *a;
	const struct mirror_node *n;
	const struct mirror_odd *o;
	size_t count = HASH_COUNT(s->nodes) + HASH_COUNT(s->alive) + s->n_networks +
		       s->n_endpoints + s->n_bindings;
	int64_t newest = 0;

	for (n = s->nodes; n; n = n->hh.next)
		newer(&newest, n->rec->mod_revision);
	for (a = s->alive; a; a = a->hh.next)
		newer(&newest, a->mod_revision);
	for (net = s->networks; net; net = net->hh.next) {
		newer(&newest, net->rec ? net->rec->mod_revision : 0);
		for (ep = net->endpoints; ep; ep = ep->hh.next)
			newer(&newest, ep->rec->mod_revision);
		for (bi = net->bindings; bi; bi = bi->hh.next)
			newer(&newest, bi->rec->mod_revision);
	}
	for (o = s->odd; o; o = o->hh.next) {
		newer(&newest, o->mod_revision);
		count += !o->shadow;
	}
	*ret_newest = newest;
	return count;
}

void mirror_set_done(struct mirror_set *s)
{
	struct mirror_batch b = { 0 };
	struct mirror_odd *o, *next;

	/* Nothing carries the next generation: all of it goes. */
	s->gen++;
	mirror_set_sweep(s, &b);
	HASH_ITER(hh, s->odd, o, next) {
		mirror_set_odd_del(s, o->key);
	}
	mirror_batch_done(&b);
}
