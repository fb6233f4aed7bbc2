/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/state.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define HOST_PORT "ovp"

struct state_net *state_net_new(uint32_t vni)
{
	struct state_net *n = mem_alloc(sizeof(*n));

	n->vni = vni;
	n->kind = !state_key_is_local(vni) ? STATE_OVERLAY :
		  vni == STATE_KEY_EGRESS  ? STATE_EGRESS :
					     STATE_BRIDGE;
	return n;
}

void state_net_free(struct state_net *n)
{
	if (!n)
		return;
	free(n->ports);
	free(n->fdb);
	free(n->neigh);
	free(n->elems);
	free(n);
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

static int cmp_elem(const void *a, const void *b)
{
	return state_elem_cmp(a, b);
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

static uint64_t key_elem(const void *item)
{
	const struct state_elem *el = item;

	return (uint64_t)el->set << 40 | (uint64_t)el->family << 32 | (uint64_t)el->proto << 16 |
	       el->port;
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
	n->n_elems = sort_unique(n->elems, n->n_elems, sizeof(*n->elems), cmp_elem, key_elem);
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

void state_net_lose_port(struct state_net *n, const char *name)
{
	size_t kept = 0;

	state_net_drop_port(n, name);
	for (size_t i = 0; i < n->n_fdb; i++) {
		if (n->fdb[i].where != STATE_FDB_MASTER || strcmp(n->fdb[i].port, name) != 0)
			n->fdb[kept++] = n->fdb[i];
	}
	n->n_fdb = kept;
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

void state_host_port_name(struct id endpoint, char ret[IFNAMSIZ])
{
	char hex[ID_SHORT_MAX];

	snprintf(ret, IFNAMSIZ, HOST_PORT "%s", id_short(endpoint, hex));
}

void state_handed_name(struct id endpoint, char ret[IFNAMSIZ])
{
	char hex[ID_SHORT_MAX];

	snprintf(ret, IFNAMSIZ, "vd%s", id_short(endpoint, hex));
}

bool state_port_in_host(const char *name)
{
	return strncmp(name, HOST_PORT, sizeof(HOST_PORT) - 1) == 0;
}

void state_net_port_name(const struct state_net *n, struct id endpoint, char ret[IFNAMSIZ])
{
	if (n->kind == STATE_BRIDGE || n->kind == STATE_DIRECT)
		state_host_port_name(endpoint, ret);
	else
		state_port_name(endpoint, ret);
}

void state_net_bridge_name(const struct state_net *n, char ret[IFNAMSIZ])
{
	ret[0] = '\0';
	switch (n->kind) {
	case STATE_OVERLAY:
		state_bridge_name(n->vni, ret);
		break;
	case STATE_EGRESS:
		snprintf(ret, IFNAMSIZ, STATE_EGRESS_BRIDGE);
		break;
	case STATE_BRIDGE:
		memcpy(ret, n->bridge, IFNAMSIZ);
		break;
	case STATE_DIRECT:
		break;
	}
}

struct mac state_bridge_mac(uint32_t vni)
{
	return (struct mac){ { 0x02, 0x42, 0x00, (uint8_t)(vni >> 16), (uint8_t)(vni >> 8),
			       (uint8_t)vni } };
}

/* ---- elements ---- */

static struct state_elem elem_zero(enum state_set set)
{
	struct state_elem el;

	memset(&el, 0, sizeof(el));
	el.set = (uint8_t)set;
	return el;
}

struct state_elem state_elem_ifname(enum state_set set, const char *ifname)
{
	struct state_elem el = elem_zero(set);

	snprintf(el.ifname, sizeof(el.ifname), "%s", ifname);
	return el;
}

static struct state_elem elem_at(enum state_set set, struct ip ip, const char *ifname)
{
	struct state_elem el = state_elem_ifname(set, ifname);

	el.family = (uint8_t)ip.family;
	el.ip = ip;
	return el;
}

struct state_elem state_elem_member(struct ip ip, const char *ifname)
{
	return elem_at(STATE_SET_MEMBER, ip, ifname);
}

struct state_elem state_elem_asker(struct ip ip, const char *ifname)
{
	return elem_at(STATE_SET_DNSASKER, ip, ifname);
}

struct state_elem state_elem_publish(uint8_t proto, struct ip host, uint16_t port, struct ip to,
				     uint16_t to_port)
{
	struct state_elem el = elem_zero(STATE_SET_PUBLISH);

	el.proto = proto;
	el.family = (uint8_t)to.family;
	el.port = port;
	el.ip = host;
	el.to = to;
	el.to_port = to_port;
	return el;
}

struct state_elem state_elem_open(uint8_t proto, struct ip ip, uint16_t port)
{
	struct state_elem el = elem_zero(STATE_SET_OPEN);

	el.proto = proto;
	el.family = (uint8_t)ip.family;
	el.port = port;
	el.ip = ip;
	return el;
}

int state_elem_cmp(const struct state_elem *a, const struct state_elem *b)
{
	int c = (int)a->set - (int)b->set;

	if (c == 0)
		c = (int)a->family - (int)b->family;
	if (c == 0)
		c = (int)a->proto - (int)b->proto;
	if (c == 0)
		c = (int)a->port - (int)b->port;
	if (c == 0)
		c = strcmp(a->ifname, b->ifname);
	return c ? c : ip_cmp(a->ip, b->ip);
}

const char *state_elem_format(const struct state_elem *el, char ret[STATE_ELEM_TEXT_MAX])
{
	static const char *const names[STATE_SETS] = {
		"bridges", "masq4",   "masq6", "internal", "icc",      "noicc",
		"member",  "publish", "open",  "dnsredir", "dnsasker",
	};
	const char *proto = el->proto == IPPROTO_TCP ? "tcp" :
			    el->proto == IPPROTO_UDP ? "udp" :
						       "sctp";
	const char *name = el->set < STATE_SETS ? names[el->set] : "?";
	char ip[IP_TEXT_MAX], to[IP_TEXT_MAX];

	ip_format(el->ip, ip);
	if (el->set == STATE_SET_PUBLISH)
		snprintf(ret, STATE_ELEM_TEXT_MAX, "%s %s %s port %u to %s port %u", name, proto,
			 ip_is_set(el->ip) ? ip : "any", el->port, ip_format(el->to, to),
			 el->to_port);
	else if (el->set == STATE_SET_OPEN)
		snprintf(ret, STATE_ELEM_TEXT_MAX, "%s %s %s port %u", name, proto, ip, el->port);
	else if (el->set == STATE_SET_MEMBER || el->set == STATE_SET_DNSASKER)
		snprintf(ret, STATE_ELEM_TEXT_MAX, "%s %s %s", name, ip, el->ifname);
	else
		snprintf(ret, STATE_ELEM_TEXT_MAX, "%s %s", name, el->ifname);
	return ret;
}

void state_net_add_elem(struct state_net *n, const struct state_elem *el)
{
	n->elems = room(n->elems, n->n_elems, sizeof(*n->elems));
	n->elems[n->n_elems++] = *el;
}

/* ---- port security ---- */

static void put_guard(struct state_guard *g, const struct state_port *p, struct mac mac,
		      struct ip ip)
{
	memset(g, 0, sizeof(*g));
	snprintf(g->port, sizeof(g->port), "%s", p->name);
	g->mac = mac;
	g->ip = ip;
	g->security = p->security;
}

size_t state_port_guards(const struct state_port *p, struct state_guard ret[2])
{
	const struct ip any = { 0 };
	size_t n = 0;

	if (mac_is_zero(p->mac))
		return 0;
	switch ((enum state_security)p->security) {
	case STATE_SECURE_MAC_IP:
		if (ip_is_set(p->ip4))
			put_guard(&ret[n++], p, p->mac, p->ip4);
		if (ip_is_set(p->ip6))
			put_guard(&ret[n++], p, p->mac, p->ip6);
		break;
	case STATE_SECURE_MAC:
		put_guard(&ret[n++], p, p->mac, any);
		break;
	case STATE_SECURE_OFF:
		put_guard(&ret[n++], p, (struct mac){ 0 }, any);
		break;
	}
	return n;
}
