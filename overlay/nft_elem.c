/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_elem.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include "base/mem.h"
#include "overlay/nft_skel.h"

#define NFT_ELEM_TRIES 5

/* Where the parts of a guard's key lie: nf_tables pads each to 4 bytes. */
enum { AT_MAC = IFNAMSIZ, AT_IP = IFNAMSIZ + 8, LEN4 = AT_IP + 4, LEN6 = AT_IP + 16 };

struct nft_key nft_elem_guard(const struct state_guard *g, const char **ret_set)
{
	struct nft_key k = { .len = AT_IP };

	memcpy(k.b, g->port, strnlen(g->port, IFNAMSIZ - 1));
	if (g->security == STATE_SECURE_OFF)
		k.len = AT_MAC;
	else
		memcpy(k.b + AT_MAC, g->mac.b, sizeof(g->mac.b));
	if (g->security == STATE_SECURE_MAC_IP) {
		k.len = (uint8_t)(AT_IP + ip_bytes(g->ip));
		memcpy(k.b + AT_IP, g->ip.b, ip_bytes(g->ip));
	}
	*ret_set = g->ip.family == AF_INET  ? NFT_SET_GUARD4 :
		   g->ip.family == AF_INET6 ? NFT_SET_GUARD6 :
					      NFT_SET_MACS;
	if (g->security == STATE_SECURE_MAC)
		*ret_set = NFT_SET_LOOSE;
	if (g->security == STATE_SECURE_OFF)
		*ret_set = NFT_SET_FREE;
	return k;
}

struct nft_key nft_elem_vtep(struct ip a, const char **ret_set)
{
	struct nft_key k = { .len = (uint8_t)ip_bytes(a) };

	memcpy(k.b, a.b, k.len);
	*ret_set = a.family == AF_INET ? NFT_SET_VTEPS4 : NFT_SET_VTEPS6;
	return k;
}

int nft_elem_to_guard(const struct nft_key *k, struct state_guard *ret)
{
	struct state_guard g = { 0 };

	if (k->len == LEN4)
		g.ip.family = AF_INET;
	else if (k->len == LEN6)
		g.ip.family = AF_INET6;
	else if (k->len == AT_MAC)
		g.security = STATE_SECURE_OFF;
	else if (k->len != AT_IP)
		return -EINVAL;
	memcpy(g.port, k->b, IFNAMSIZ - 1);
	if (k->len >= AT_IP) {
		memcpy(g.mac.b, k->b + AT_MAC, sizeof(g.mac.b));
		memcpy(g.ip.b, k->b + AT_IP, k->len - AT_IP);
	}
	*ret = g;
	return 0;
}

int nft_elem_to_vtep(const struct nft_key *k, struct ip *ret)
{
	struct ip a = { .family = k->len == 4 ? AF_INET : AF_INET6 };

	if (k->len != 4 && k->len != 16)
		return -EINVAL;
	memcpy(a.b, k->b, k->len);
	*ret = a;
	return 0;
}

static void put_value(struct nlmsghdr *nlh, uint16_t type, const struct nft_key *v)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put(nlh, NFTA_DATA_VALUE, v->len, v->b);
	mnl_attr_nest_end(nlh, nest);
}

void nft_elem_put(struct nft_batch *b, const char *table, const struct nft_elem_op *op)
{
	struct nlmsghdr *nlh = nft_batch_msg(b, op->del ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM,
					     op->family, op->del ? 0 : NLM_F_CREATE);

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, op->set);
	struct nlattr *list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	put_value(nlh, NFTA_SET_ELEM_KEY, &op->key);
	if (op->data.len && !op->del)
		put_value(nlh, NFTA_SET_ELEM_DATA, &op->data);
	mnl_attr_nest_end(nlh, elem);
	mnl_attr_nest_end(nlh, list);
}

/* How an operation is put into the next try. */
enum how { AS_IT_IS, SKIP, REPLACE };

static void put_op(struct nft_batch *b, const char *table, const struct nft_elem_op *op,
		   enum how how)
{
	struct nft_elem_op first = *op;

	first.del = true;
	if (how == REPLACE)
		nft_elem_put(b, table, &first);
	if (how != SKIP)
		nft_elem_put(b, table, op);
}

/*
 * A deletion failed because the element is not there: it is left out. An addition, because it stands with other data (nft_add_set_elem()): it is
 * deleted first. Return: whether all failures were of those kinds.
 */
static bool learn(const struct nft_batch *b, const struct nft_elem_op *ops, size_t n, enum how *how)
{
	size_t m = 0;
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (how[i] == SKIP)
			continue;
		bool gone = how[i] == REPLACE && b->status[m++] == -ENOENT;
		int status = b->status[m++];
		if (gone)
			how[i] = AS_IT_IS;
		else if (status == -ENOENT && ops[i].del)
			how[i] = SKIP;
		else if ((status == -EEXIST || status == -EBUSY) && !ops[i].del &&
			 how[i] == AS_IT_IS)
			how[i] = REPLACE;
		else if (status)
			return false;
		else
			continue;
		found = true;
	}
	return found;
}

int nft_elem_apply(struct nft_sock *s, const char *table, const struct nft_elem_op *ops, size_t n,
		   size_t *ret_n, struct err *e)
{
	_cleanup_free_ enum how *how = mem_alloc_array(n ? n : 1, sizeof(*how));
	bool again = true;
	int r = 0;

	/* A transaction is refused as a whole: what it could not do is done otherwise in the next try. */
	for (unsigned try = 0; again && try < NFT_ELEM_TRIES; try++) {
		struct err why = { 0 };
		struct nft_batch b;

		nft_batch_init(&b, s);
		for (size_t i = 0; i < n; i++)
			put_op(&b, table, &ops[i], how[i]);
		r = nft_batch_commit(&b, &why);
		if (!r)
			*ret_n = b.n;
		again = (r == -ENOENT || r == -EEXIST || r == -EBUSY) && learn(&b, ops, n, how);
		nft_batch_done(&b);
		if (r && !again)
			return err_set(e, r, "%s", err_text(&why));
	}
	return r ? err_set(e, r, "nf_tables: set elements change while they are written") : 0;
}

struct dump {
	struct nft_elem *elems;
	size_t n, cap;
};

static void get_value(const struct nlattr *nest, struct nft_key *ret)
{
	const struct nlattr *value;

	mnl_attr_for_each_nested(value, nest) {
		size_t len = mnl_attr_get_payload_len(value);

		if (mnl_attr_get_type(value) != NFTA_DATA_VALUE || len > NFT_ELEM_KEY_MAX)
			continue;
		ret->len = (uint8_t)len;
		memcpy(ret->b, mnl_attr_get_payload(value), len);
	}
}

static void dump_elem(struct dump *d, const struct nlattr *elem)
{
	struct nft_elem el = { 0 };
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, elem) {
		if (mnl_attr_get_type(a) == NFTA_SET_ELEM_KEY)
			get_value(a, &el.key);
		if (mnl_attr_get_type(a) == NFTA_SET_ELEM_DATA)
			get_value(a, &el.data);
	}
	if (!el.key.len)
		return;
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->elems = mem_grow(d->elems, d->cap, sizeof(*d->elems));
	}
	d->elems[d->n++] = el;
}

static int on_elements(const struct nlmsghdr *nlh, void *user)
{
	struct dump *d = user;
	const struct nlattr *list, *elem;

	mnl_attr_for_each(list, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(elem, list) {
			if (d->n == NFT_ELEM_DUMP_MAX)
				return -E2BIG;
			dump_elem(d, elem);
		}
	}
	return 0;
}

int nft_elem_dump(struct nft_sock *s, uint8_t family, const char *table, const char *set,
		  struct nft_elem **ret, size_t *ret_n)
{
	struct dump d = { 0 };
	int r = -EINTR;

	for (unsigned try = 0; r == -EINTR && try < NFT_ELEM_TRIES; try++) {
		struct nlmsghdr *nlh = nft_sock_request(s, NFT_MSG_GETSETELEM, family, NLM_F_DUMP);

		d.n = 0;
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
		r = nft_sock_ask(s, nlh, on_elements, &d);
	}
	if (r == -ENOENT)
		r = 0;
	if (r) {
		free(d.elems);
		return r;
	}
	*ret = d.elems;
	*ret_n = d.n;
	return 0;
}
