/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_host.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "overlay/nft_skel.h"

/* The kernel's sets: which struct state_elem goes into it. */
struct host_set {
	const char *name;
	enum state_set set;
	uint8_t family; /* AF_*; 0: either, where no address is in it */
	bool any; /* PUBLISH without address */
};
static const struct host_set sets[] = {
	{ NFT_SET_BRIDGES, STATE_SET_BRIDGES, 0, false },
	{ NFT_SET_MASQ4, STATE_SET_MASQ4, 0, false },
	{ NFT_SET_MASQ6, STATE_SET_MASQ6, 0, false },
	{ NFT_SET_INTERNAL, STATE_SET_INTERNAL, 0, false },
	{ NFT_SET_ICC, STATE_SET_ICC, 0, false },
	{ NFT_SET_NOICC, STATE_SET_NOICC, 0, false },
	{ NFT_SET_DNSREDIR, STATE_SET_DNSREDIR, 0, false },
	{ NFT_SET_DNSASKER4, STATE_SET_DNSASKER, AF_INET, false },
	{ NFT_SET_DNSASKER6, STATE_SET_DNSASKER, AF_INET6, false },
	{ NFT_SET_MEMBER4, STATE_SET_MEMBER, AF_INET, false },
	{ NFT_SET_MEMBER6, STATE_SET_MEMBER, AF_INET6, false },
	{ NFT_SET_OPEN4, STATE_SET_OPEN, AF_INET, false },
	{ NFT_SET_OPEN6, STATE_SET_OPEN, AF_INET6, false },
	{ NFT_MAP_PUBLISH4, STATE_SET_PUBLISH, AF_INET, false },
	{ NFT_MAP_PUBLISH6, STATE_SET_PUBLISH, AF_INET6, false },
	{ NFT_MAP_PUBLISH4_ANY, STATE_SET_PUBLISH, AF_INET, true },
	{ NFT_MAP_PUBLISH6_ANY, STATE_SET_PUBLISH, AF_INET6, true },
};

static uint8_t table_family(const struct host_set *s)
{
	return s->set == STATE_SET_NOICC ? NFPROTO_BRIDGE : NFPROTO_INET;
}

static uint8_t address_family(const struct state_elem *el)
{
	if (el->set == STATE_SET_PUBLISH)
		return el->to.family;
	return el->set == STATE_SET_MEMBER || el->set == STATE_SET_OPEN ||
			       el->set == STATE_SET_DNSASKER ?
		       el->ip.family :
		       0;
}

static const struct host_set *set_of(const struct state_elem *el)
{
	bool any = el->set == STATE_SET_PUBLISH && !ip_is_set(el->ip);

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		if (sets[i].set == el->set && sets[i].family == address_family(el) &&
		    sets[i].any == any)
			return &sets[i];
	}
	return NULL;
}

/* Each part of a key fills whole registers of 4 bytes. */
static void add_bytes(struct nft_key *k, const void *b, size_t n)
{
	memcpy(k->b + k->len, b, n);
	k->len = (uint8_t)(k->len + (n + 3) / 4 * 4);
}

static void add_ifname(struct nft_key *k, const char *name)
{
	char b[IFNAMSIZ] = "";

	memcpy(b, name, strnlen(name, IFNAMSIZ - 1));
	add_bytes(k, b, sizeof(b));
}

static void add_ip(struct nft_key *k, struct ip a)
{
	add_bytes(k, a.b, ip_bytes(a));
}

static void add_port(struct nft_key *k, uint16_t port)
{
	uint16_t v = htons(port);

	add_bytes(k, &v, sizeof(v));
}

static bool is_complete(const struct state_elem *el)
{
	switch ((enum state_set)el->set) {
	case STATE_SET_BRIDGES:
	case STATE_SET_MASQ4:
	case STATE_SET_MASQ6:
	case STATE_SET_INTERNAL:
	case STATE_SET_ICC:
	case STATE_SET_NOICC:
	case STATE_SET_DNSREDIR:
	case STATE_SET_MEMBER:
	case STATE_SET_DNSASKER:
		return el->ifname[0] != '\0';
	case STATE_SET_PUBLISH:
		return el->proto && el->port && el->to_port &&
		       (!ip_is_set(el->ip) || el->ip.family == el->to.family);
	case STATE_SET_OPEN:
		return el->proto && el->port;
	case STATE_SETS:
		break;
	}
	return false;
}

static struct nft_key key_of(const struct state_elem *el)
{
	struct nft_key k = { 0 };

	switch ((enum state_set)el->set) {
	case STATE_SET_BRIDGES:
	case STATE_SET_MASQ4:
	case STATE_SET_MASQ6:
	case STATE_SET_INTERNAL:
	case STATE_SET_NOICC:
	case STATE_SET_DNSREDIR:
		add_ifname(&k, el->ifname);
		break;
	case STATE_SET_ICC:
		add_ifname(&k, el->ifname);
		add_ifname(&k, el->ifname);
		break;
	case STATE_SET_MEMBER:
	case STATE_SET_DNSASKER:
		add_ip(&k, el->ip);
		add_ifname(&k, el->ifname);
		break;
	case STATE_SET_PUBLISH:
		add_bytes(&k, &el->proto, 1);
		add_ip(&k, el->ip);
		add_port(&k, el->port);
		break;
	case STATE_SET_OPEN:
		add_ip(&k, el->ip);
		add_bytes(&k, &el->proto, 1);
		add_port(&k, el->port);
		break;
	case STATE_SETS:
		break;
	}
	return k;
}

int nft_host_op(const struct kernel_elem_op *op, struct nft_elem_op *ret, struct err *e)
{
	const struct host_set *s = set_of(&op->elem);
	char text[STATE_ELEM_TEXT_MAX];

	if (!s || !is_complete(&op->elem))
		return err_set(e, -EINVAL, "nf_tables: no element: %s",
			       state_elem_format(&op->elem, text));
	*ret = (struct nft_elem_op){
		.del = op->del, .family = table_family(s), .set = s->name, .key = key_of(&op->elem)
	};
	if (op->elem.set == STATE_SET_PUBLISH) {
		add_ip(&ret->data, op->elem.to);
		add_port(&ret->data, op->elem.to_port);
	}
	return 0;
}

void nft_host_put(struct nft_batch *b, const char *table, uint8_t family,
		  const struct state_elem *elems, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct kernel_elem_op op = { .elem = elems[i] };
		struct nft_elem_op elem;

		if (nft_host_op(&op, &elem, NULL) == 0 && elem.family == family)
			nft_elem_put(b, table, &elem);
	}
}

/* A key, or what it leads to, as it is read from the front. */
struct reader {
	const struct nft_key *k;
	size_t at;
	bool bad;
};

static void get_bytes(struct reader *r, void *ret, size_t n)
{
	memset(ret, 0, n);
	if (r->at + n > r->k->len)
		r->bad = true;
	else
		memcpy(ret, r->k->b + r->at, n);
	r->at += (n + 3) / 4 * 4;
}

static struct ip get_ip(struct reader *r, uint8_t family)
{
	struct ip a = { .family = family };

	get_bytes(r, a.b, ip_bytes(a));
	return a;
}

static uint16_t get_port(struct reader *r)
{
	uint16_t v;

	get_bytes(r, &v, sizeof(v));
	return ntohs(v);
}

static uint8_t get_proto(struct reader *r)
{
	uint8_t v;

	get_bytes(r, &v, sizeof(v));
	return v;
}

static void get_ifname(struct reader *r, char ret[IFNAMSIZ])
{
	get_bytes(r, ret, IFNAMSIZ);
	if (ret[IFNAMSIZ - 1])
		r->bad = true;
	ret[IFNAMSIZ - 1] = '\0';
}

static bool elem_from(const struct host_set *s, const struct nft_elem *el, struct state_elem *ret)
{
	struct reader k = { &el->key, 0, false }, d = { &el->data, 0, false };
	char name[IFNAMSIZ] = "", twin[IFNAMSIZ] = "";
	struct ip ip = { 0 }, to;
	uint8_t proto;

	switch (s->set) {
	case STATE_SET_BRIDGES:
	case STATE_SET_MASQ4:
	case STATE_SET_MASQ6:
	case STATE_SET_INTERNAL:
	case STATE_SET_NOICC:
	case STATE_SET_DNSREDIR:
		get_ifname(&k, name);
		*ret = state_elem_ifname(s->set, name);
		break;
	case STATE_SET_ICC:
		get_ifname(&k, name);
		get_ifname(&k, twin);
		k.bad |= strcmp(name, twin) != 0;
		*ret = state_elem_ifname(s->set, name);
		break;
	case STATE_SET_MEMBER:
	case STATE_SET_DNSASKER:
		ip = get_ip(&k, s->family);
		get_ifname(&k, name);
		*ret = s->set == STATE_SET_MEMBER ? state_elem_member(ip, name) :
						    state_elem_asker(ip, name);
		break;
	case STATE_SET_PUBLISH:
		proto = get_proto(&k);
		if (!s->any)
			ip = get_ip(&k, s->family);
		to = get_ip(&d, s->family);
		*ret = state_elem_publish(proto, ip, get_port(&k), to, get_port(&d));
		break;
	case STATE_SET_OPEN:
		ip = get_ip(&k, s->family);
		proto = get_proto(&k);
		*ret = state_elem_open(proto, ip, get_port(&k));
		break;
	case STATE_SETS:
		return false;
	}
	return !k.bad && !d.bad && k.at == el->key.len && d.at == el->data.len;
}

static int cmp_elems(const void *a, const void *b)
{
	return state_elem_cmp(a, b);
}

int nft_host_dump(struct nft_sock *s, const char *table, struct state_elem **ret, size_t *ret_n)
{
	_cleanup_free_ struct state_elem *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		_cleanup_free_ struct nft_elem *elems = NULL;
		size_t n_elems = 0;

		int r = nft_elem_dump(s, table_family(&sets[i]), table, sets[i].name, &elems,
				      &n_elems);
		if (r)
			return r;
		list = mem_grow(list, n + n_elems + 1, sizeof(*list));
		for (size_t j = 0; j < n_elems; j++) {
			if (elem_from(&sets[i], &elems[j], &list[n]))
				n++;
		}
	}
	qsort(list, n, sizeof(*list), cmp_elems);
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}
