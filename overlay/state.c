/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct state_net *state_net_new(uint32_t vni)
{
	struct state_net *n = mem_alloc(sizeof(*n));

	n->vni = vni;
	return n;
}

void state_net_free(struct state_net *n)
{
	if (!n)
		return;
	free(n->ports);
	free(n->fdb);
	free(n->neigh);
	free(n);
}

void state_host_done(struct state_host *h)
{
	free(h->vteps);
	memset(h, 0, sizeof(*h));
}

/* ---- identity ---- */

int state_fdb_cmp(const struct state_fdb *a, const struct state_fdb *b)
{
	int c = (int)a->where - (int)b->where;

	if (c == 0)
		c = mac_cmp(a->mac, b->mac);
	/* Only the all-zero MAC stands once per VTEP; any other MAC has one destination. */
	if (c == 0 && a->where == STATE_FDB_SELF && mac_is_zero(a->mac))
		c = ip_cmp(a->vtep, b->vtep);
	return c;
}

static int cmp_fdb(const void *a, const void *b)
{
	return state_fdb_cmp(a, b);
}

static int cmp_neigh(const void *a, const void *b)
{
	return ip_cmp(((const struct state_neigh *)a)->ip, ((const struct state_neigh *)b)->ip);
}

static int cmp_port(const void *a, const void *b)
{
	return strcmp(((const struct state_port *)a)->name, ((const struct state_port *)b)->name);
}

static int cmp_gateway(const void *a, const void *b)
{
	return prefix_cmp(*(const struct prefix *)a, *(const struct prefix *)b);
}

typedef int (*cmp_fn)(const void *a, const void *b);

/* ---- arrays ---- */

/* Room for one more: capacity is the next power of two, so that n appends cost O(n). */
static void *room(void *v, size_t n, size_t size)
{
	if ((n & (n - 1)) == 0)
		v = mem_grow(v, n == 0 ? 1 : n * 2, size);
	return v;
}

/*
 * Sort; of equals the one appended last stays. Each element travels as a mark: with its index, which decides among equals, and with a number
 * that begins its order (key_fn), by which nearly every comparison is decided without a look at the element.
 */
typedef uint64_t (*key_fn)(const void *item);
struct mark {
	uint64_t key;
	const char *item;
	size_t index;
};

static uint64_t big_endian(const uint8_t *b, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | b[i];
	return v;
}

static uint64_t key_fdb(const void *item)
{
	const struct state_fdb *f = item;

	return (uint64_t)f->where << 48 | big_endian(f->mac.b, sizeof(f->mac.b));
}

static uint64_t key_neigh(const void *item)
{
	const struct state_neigh *g = item;

	return (uint64_t)g->ip.family << 56 | big_endian(g->ip.b, 7);
}

static uint64_t key_none(const void *item)
{
	(void)item;
	return 0;
}

static int cmp_mark(const void *a, const void *b, void *arg)
{
	const struct mark *x = a, *y = b;
	cmp_fn cmp = *(cmp_fn *)arg;
	int c;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	c = cmp(x->item, y->item);
	return c ? c : (x->index > y->index) - (x->index < y->index);
}

static bool is_sorted(const char *v, size_t n, size_t size, cmp_fn cmp)
{
	for (size_t i = 1; i < n; i++) {
		if (cmp(v + (i - 1) * size, v + i * size) >= 0)
			return false;
	}
	return true;
}

static size_t sort_unique(void *array, size_t n, size_t size, cmp_fn cmp, key_fn key)
{
	_cleanup_free_ struct mark *marks = NULL;
	_cleanup_free_ char *copy = NULL;
	char *v = array;
	size_t out = 0;

	if (n < 2 || is_sorted(v, n, size, cmp))
		return n;
	copy = mem_dup(v, n * size);
	marks = mem_alloc_array(n, sizeof(*marks));
	for (size_t i = 0; i < n; i++)
		marks[i] = (struct mark){ key(copy + i * size), copy + i * size, i };
	qsort_r(marks, n, sizeof(*marks), cmp_mark, &cmp);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && marks[i].key == marks[i + 1].key &&
		    cmp(marks[i].item, marks[i + 1].item) == 0)
			continue;
		memcpy(v + out++ * size, marks[i].item, size);
	}
	return out;
}

void state_net_sort(struct state_net *n)
{
	n->n_ports = sort_unique(n->ports, n->n_ports, sizeof(*n->ports), cmp_port, key_none);
	n->n_fdb = sort_unique(n->fdb, n->n_fdb, sizeof(*n->fdb), cmp_fdb, key_fdb);
	n->n_neigh = sort_unique(n->neigh, n->n_neigh, sizeof(*n->neigh), cmp_neigh, key_neigh);
	n->n_gateways = sort_unique(n->gateways, n->n_gateways, sizeof(n->gateways[0]), cmp_gateway,
				    key_none);
}

struct state_port *state_net_add_port(struct state_net *n, const struct state_port *p)
{
	n->ports = room(n->ports, n->n_ports, sizeof(*n->ports));
	n->ports[n->n_ports] = *p;
	return &n->ports[n->n_ports++];
}

void state_net_add_fdb(struct state_net *n, const struct state_fdb *f)
{
	n->fdb = room(n->fdb, n->n_fdb, sizeof(*n->fdb));
	n->fdb[n->n_fdb++] = *f;
}

void state_net_add_neigh(struct state_net *n, const struct state_neigh *g)
{
	n->neigh = room(n->neigh, n->n_neigh, sizeof(*n->neigh));
	n->neigh[n->n_neigh++] = *g;
}

/* First index whose element is not below @key. */
static size_t lower(const void *array, size_t n, size_t size, cmp_fn cmp, const void *key,
		    bool *ret_found)
{
	const char *v = array;
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cmp(v + mid * size, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_found = lo < n && cmp(v + lo * size, key) == 0;
	return lo;
}

static void *put(void *array, size_t *n, size_t size, cmp_fn cmp, const void *item)
{
	bool found;
	size_t at = lower(array, *n, size, cmp, item, &found);

	if (!found) {
		array = room(array, *n, size);
		memmove((char *)array + (at + 1) * size, (char *)array + at * size,
			(*n - at) * size);
		(*n)++;
	}
	memcpy((char *)array + at * size, item, size);
	return array;
}

static void drop(void *array, size_t *n, size_t size, cmp_fn cmp, const void *key)
{
	bool found;
	size_t at = lower(array, *n, size, cmp, key, &found);

	if (!found)
		return;
	memmove((char *)array + at * size, (char *)array + (at + 1) * size, (*n - at - 1) * size);
	(*n)--;
}

struct state_port *state_net_port(const struct state_net *n, const char *name)
{
	struct state_port key = { 0 };
	bool found;
	size_t at;

	snprintf(key.name, sizeof(key.name), "%s", name);
	at = lower(n->ports, n->n_ports, sizeof(key), cmp_port, &key, &found);
	return found ? &n->ports[at] : NULL;
}

struct state_fdb *state_net_fdb(const struct state_net *n, const struct state_fdb *key)
{
	bool found;
	size_t at = lower(n->fdb, n->n_fdb, sizeof(*key), cmp_fdb, key, &found);

	return found ? &n->fdb[at] : NULL;
}

struct state_neigh *state_net_neigh(const struct state_net *n, struct ip ip)
{
	struct state_neigh key = { .ip = ip };
	bool found;
	size_t at = lower(n->neigh, n->n_neigh, sizeof(key), cmp_neigh, &key, &found);

	return found ? &n->neigh[at] : NULL;
}

void state_net_put_fdb(struct state_net *n, const struct state_fdb *f)
{
	n->fdb = put(n->fdb, &n->n_fdb, sizeof(*f), cmp_fdb, f);
}

void state_net_drop_fdb(struct state_net *n, const struct state_fdb *key)
{
	drop(n->fdb, &n->n_fdb, sizeof(*key), cmp_fdb, key);
}

void state_net_put_neigh(struct state_net *n, const struct state_neigh *g)
{
	n->neigh = put(n->neigh, &n->n_neigh, sizeof(*g), cmp_neigh, g);
}

void state_net_drop_neigh(struct state_net *n, struct ip ip)
{
	struct state_neigh key = { .ip = ip };

	drop(n->neigh, &n->n_neigh, sizeof(key), cmp_neigh, &key);
}

void state_net_put_port(struct state_net *n, const struct state_port *p)
{
	n->ports = put(n->ports, &n->n_ports, sizeof(*p), cmp_port, p);
}

void state_net_drop_port(struct state_net *n, const char *name)
{
	struct state_port key = { 0 };

	snprintf(key.name, sizeof(key.name), "%s", name);
	drop(n->ports, &n->n_ports, sizeof(key), cmp_port, &key);
}

/* ---- names ---- */

void state_bridge_name(uint32_t vni, char ret[IFNAMSIZ])
{
	snprintf(ret, IFNAMSIZ, "br%u", vni);
}

void state_vxlan_name(uint32_t vni, char ret[IFNAMSIZ])
{
	snprintf(ret, IFNAMSIZ, "vx%u", vni);
}

void state_port_name(struct id endpoint, char ret[IFNAMSIZ])
{
	char hex[ID_SHORT_MAX];

	snprintf(ret, IFNAMSIZ, "ve%s", id_short(endpoint, hex));
}

struct mac state_bridge_mac(uint32_t vni)
{
	return (struct mac){ { 0x02, 0x42, 0x00, (uint8_t)(vni >> 16), (uint8_t)(vni >> 8),
			       (uint8_t)vni } };
}
