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
	struct nft_key k = { .len = (uint8_t)(AT_IP + ip_bytes(g->ip)) };

	memcpy(k.b, g->port, strnlen(g->port, IFNAMSIZ - 1));
	memcpy(k.b + AT_MAC, g->mac.b, sizeof(g->mac.b));
	memcpy(k.b + AT_IP, g->ip.b, ip_bytes(g->ip));
	*ret_set = g->ip.family == AF_INET  ? NFT_SET_GUARD4 :
		   g->ip.family == AF_INET6 ? NFT_SET_GUARD6 :
					      NFT_SET_MACS;
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
	else if (k->len != AT_IP)
		return -EINVAL;
	memcpy(g.port, k->b, IFNAMSIZ - 1);
	memcpy(g.mac.b, k->b + AT_MAC, sizeof(g.mac.b));
	memcpy(g.ip.b, k->b + AT_IP, k->len - AT_IP);
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

void nft_elem_put(struct nft_batch *b, uint8_t family, const char *table,
		  const struct nft_elem_op *op)
{
	struct nlmsghdr *nlh = nft_batch_msg(b, op->del ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM,
					     family, op->del ? 0 : NLM_F_CREATE);

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, op->set);
	struct nlattr *list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	struct nlattr *key = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, op->key.len, op->key.b);
	mnl_attr_nest_end(nlh, key);
	mnl_attr_nest_end(nlh, elem);
	mnl_attr_nest_end(nlh, list);
}

/* Deletions that failed because the element is not there are marked. Return: whether all failures were of that kind. */
static bool skip_absent(const struct nft_batch *b, const struct nft_elem_op *ops, size_t n,
			bool *skip)
{
	size_t m = 0;
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (skip[i])
			continue;
		int status = b->status[m++];
		if (!status)
			continue;
		if (status != -ENOENT || !ops[i].del)
			return false;
		skip[i] = true;
		found = true;
	}
	return found;
}

int nft_elem_apply(struct nft_sock *s, uint8_t family, const char *table,
		   const struct nft_elem_op *ops, size_t n, size_t *ret_n, struct err *e)
{
	_cleanup_free_ bool *skip = mem_alloc_array(n ? n : 1, sizeof(*skip));
	int r = -ENOENT;

	/* A transaction is refused as a whole: what it could not delete is left out of the next try. */
	for (unsigned try = 0; r == -ENOENT && try < NFT_ELEM_TRIES; try++) {
		struct err why = { 0 };
		struct nft_batch b;

		nft_batch_init(&b, s);
		for (size_t i = 0; i < n; i++) {
			if (!skip[i])
				nft_elem_put(&b, family, table, &ops[i]);
		}
		r = nft_batch_commit(&b, &why);
		if (!r)
			*ret_n = b.n;
		bool again = r == -ENOENT && skip_absent(&b, ops, n, skip);
		nft_batch_done(&b);
		if (r && !again)
			return err_set(e, r, "%s", err_text(&why));
	}
	return r ? err_set(e, r, "nf_tables: set elements vanish while they are deleted") : 0;
}

struct dump {
	struct nft_key *keys;
	size_t n, cap;
};

static void dump_key(struct dump *d, const struct nlattr *value)
{
	size_t len = mnl_attr_get_payload_len(value);

	if (len > NFT_ELEM_KEY_MAX)
		return;
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->keys = mem_grow(d->keys, d->cap, sizeof(*d->keys));
	}
	struct nft_key *k = &d->keys[d->n++];
	*k = (struct nft_key){ .len = (uint8_t)len };
	memcpy(k->b, mnl_attr_get_payload(value), len);
}

static int on_elements(const struct nlmsghdr *nlh, void *user)
{
	struct dump *d = user;
	const struct nlattr *list, *elem, *key, *value;

	mnl_attr_for_each(list, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(elem, list) {
			if (d->n == NFT_ELEM_DUMP_MAX)
				return -E2BIG;
			mnl_attr_for_each_nested(key, elem) {
				if (mnl_attr_get_type(key) != NFTA_SET_ELEM_KEY)
					continue;
				mnl_attr_for_each_nested(value, key) {
					if (mnl_attr_get_type(value) == NFTA_DATA_VALUE)
						dump_key(d, value);
				}
			}
		}
	}
	return 0;
}

int nft_elem_dump(struct nft_sock *s, uint8_t family, const char *table, const char *set,
		  struct nft_key **ret, size_t *ret_n)
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
		free(d.keys);
		return r;
	}
	*ret = d.keys;
	*ret_n = d.n;
	return 0;
}
