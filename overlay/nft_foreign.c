/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_foreign.h"
#include <arpa/inet.h> /* before linux/netfilter.h, or the two define struct in_addr twice */
#include <errno.h>
#include <libnftnl/chain.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "overlay/nft_foreign_rule.h"

#define ELEMENTS_MAX 4096 /* of one set; those beyond are not looked at */

_Static_assert((int)NFT_FOREIGN_INET == (int)NFPROTO_INET &&
		       (int)NFT_FOREIGN_IP == (int)NFPROTO_IPV4 &&
		       (int)NFT_FOREIGN_IP6 == (int)NFPROTO_IPV6,
	       "the kernel's numbers");

static void chain_done(struct nft_foreign_chain *c)
{
	for (size_t i = 0; i < c->n_rules; i++)
		nft_foreign_rule_done(&c->rules[i]);
	free(c->rules);
	free(c->table);
	free(c->name);
}

void nft_foreign_done(struct nft_foreign *f)
{
	for (size_t i = 0; i < f->n; i++)
		chain_done(&f->chains[i]);
	free(f->chains);
	*f = (struct nft_foreign){ 0 };
}

struct nft_foreign_chain *nft_foreign_find(const struct nft_foreign *f, uint8_t family,
					   const char *table, const char *chain)
{
	for (size_t i = 0; i < f->n; i++) {
		struct nft_foreign_chain *c = &f->chains[i];

		if (c->family == family && strcmp(c->table, table) == 0 &&
		    strcmp(c->name, chain) == 0)
			return c;
	}
	return NULL;
}

static bool same_table(const struct nft_foreign_chain *a, const struct nft_foreign_chain *b)
{
	return a->family == b->family && strcmp(a->table, b->table) == 0;
}

static void reach(struct nft_foreign *f, struct nft_foreign_chain *from)
{
	bool all = false;

	from->reached = true;
	for (size_t i = 0; i < from->n_rules; i++) {
		const struct nft_foreign_rule *r = &from->rules[i];
		struct nft_foreign_chain *to;

		all |= r->verdict_map;
		if (!r->target)
			continue;
		to = nft_foreign_find(f, from->family, from->table, r->target);
		/* The kernel allows neither loops nor more than 16 levels (nft_chain_validate()). */
		if (to && !to->reached)
			reach(f, to);
	}
	for (size_t i = 0; all && i < f->n; i++) {
		if (same_table(&f->chains[i], from) && f->chains[i].hook == NFT_FOREIGN_NO_HOOK)
			f->chains[i].reached = true;
	}
}

void nft_foreign_reach(struct nft_foreign *f, const struct nft_foreign_chain *base)
{
	for (size_t i = 0; i < f->n; i++)
		f->chains[i].reached = false;
	reach(f, &f->chains[base - f->chains]);
}

/* Rules are told in the order of the chains: the one meant is @last or the one after it. */
static struct nft_foreign_chain *next_chain(const struct nft_foreign *f,
					    const struct nft_foreign_chain *last, uint8_t family,
					    const char *table, const char *chain)
{
	size_t begin = last ? (size_t)(last - f->chains) : 0;

	for (size_t i = 0; i < f->n; i++) {
		struct nft_foreign_chain *c = &f->chains[(begin + i) % f->n];

		if (c->family == family && strcmp(c->name, chain) == 0 &&
		    strcmp(c->table, table) == 0)
			return c;
	}
	return NULL;
}

struct reading {
	struct nft_foreign *f;
	const char *own;
	struct nft_foreign_chain *last; /* rules come chain by chain */
	size_t n_rules;
};

static int on_gen(const struct nlmsghdr *nlh, void *user)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) == NFTA_GEN_ID && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
			*(uint32_t *)user = ntohl(mnl_attr_get_u32(a));
	}
	return 0;
}

static int read_gen(struct nft_sock *s, uint32_t *ret)
{
	return nft_sock_ask(s, nft_sock_request(s, NFT_MSG_GETGEN, NFPROTO_UNSPEC, NLM_F_ACK),
			    on_gen, ret);
}

static int on_chain(const struct nlmsghdr *nlh, void *user)
{
	struct reading *rd = user;
	struct nft_foreign *f = rd->f;
	uint8_t family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family;
	struct nftnl_chain *n;
	const char *table, *name;

	if (family != NFT_FOREIGN_IP && family != NFT_FOREIGN_IP6 && family != NFT_FOREIGN_INET)
		return 0;
	if (f->n == NFT_FOREIGN_CHAINS_MAX)
		return -E2BIG;
	n = nftnl_chain_alloc();
	if (!n)
		abort();
	if (nftnl_chain_nlmsg_parse(nlh, n) < 0) {
		nftnl_chain_free(n);
		return 0;
	}
	table = nftnl_chain_get_str(n, NFTNL_CHAIN_TABLE);
	name = nftnl_chain_get_str(n, NFTNL_CHAIN_NAME);
	if (table && name && strcmp(table, rd->own) != 0) {
		f->chains = mem_grow(f->chains, f->n + 1, sizeof(*f->chains));
		struct nft_foreign_chain *c = &f->chains[f->n++];

		*c = (struct nft_foreign_chain){ .family = family,
						 .table = mem_strdup(table),
						 .name = mem_strdup(name) };
		const char *type = nftnl_chain_get_str(n, NFTNL_CHAIN_TYPE);
		if (type && strcmp(type, "filter") == 0) {
			uint32_t hook = nftnl_chain_get_u32(n, NFTNL_CHAIN_HOOKNUM);

			c->hook = hook == NF_INET_FORWARD  ? NFT_FOREIGN_FORWARD :
				  hook == NF_INET_LOCAL_IN ? NFT_FOREIGN_INPUT :
							     NFT_FOREIGN_NO_HOOK;
			c->drops = nftnl_chain_get_u32(n, NFTNL_CHAIN_POLICY) == NF_DROP;
		}
	}
	nftnl_chain_free(n);
	return 0;
}

static int on_rule(const struct nlmsghdr *nlh, void *user)
{
	struct reading *rd = user;
	uint8_t family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family;
	_cleanup_free_ char *table = NULL;
	_cleanup_free_ char *chain = NULL;
	struct nft_foreign_rule r;

	if (rd->n_rules++ == NFT_FOREIGN_RULES_MAX)
		return -E2BIG;
	nft_foreign_rule_parse(nlh, &table, &chain, &r);
	struct nft_foreign_chain *c = NULL;
	if (table && chain)
		c = next_chain(rd->f, rd->last, family, table, chain);
	if (c)
		rd->last = c;
	else {
		nft_foreign_rule_done(&r);
		return 0;
	}
	if ((c->n_rules & (c->n_rules - 1)) == 0) /* grows by doubling */
		c->rules = mem_grow(c->rules, c->n_rules ? c->n_rules * 2 : 1, sizeof(*c->rules));
	c->rules[c->n_rules++] = r;
	return 0;
}

/* An interval set's dump: begins and, marked, ends, which are not included. */
struct elements {
	struct nft_foreign_rule *r;
	enum nft_foreign_what what;
	uint16_t *from, *to;
	size_t n_from, n_to, n;
};

static void element(struct elements *el, const void *data, size_t len, bool end)
{
	uint16_t port;

	if (el->n++ >= ELEMENTS_MAX)
		return;
	if (el->what != NFT_FOREIGN_DPORT && len == IFNAMSIZ) {
		struct nft_foreign_mention *m;

		if (end)
			return;
		m = nft_foreign_rule_mention(el->r, el->what);
		memcpy(m->name, data, len);
		m->len = IFNAMSIZ;
	} else if (el->what == NFT_FOREIGN_DPORT && len == sizeof(port)) {
		uint16_t **to = end ? &el->to : &el->from;
		size_t *n = end ? &el->n_to : &el->n_from;

		memcpy(&port, data, sizeof(port));
		*to = mem_grow(*to, *n + 1, sizeof(port));
		(*to)[(*n)++] = ntohs(port);
	}
}

static int on_element(const struct nlmsghdr *nlh, void *user)
{
	const struct nlattr *list, *elem, *a, *value;

	mnl_attr_for_each(list, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(elem, list) {
			const struct nlattr *key = NULL;
			bool end = false;

			mnl_attr_for_each_nested(a, elem) {
				if (mnl_attr_get_type(a) == NFTA_SET_ELEM_FLAGS &&
				    mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
					end = ntohl(mnl_attr_get_u32(a)) &
					      NFT_SET_ELEM_INTERVAL_END;
				else if (mnl_attr_get_type(a) == NFTA_SET_ELEM_KEY)
					key = a;
			}
			if (!key)
				continue;
			mnl_attr_for_each_nested(value, key) {
				if (mnl_attr_get_type(value) == NFTA_DATA_VALUE)
					element(user, mnl_attr_get_payload(value),
						mnl_attr_get_payload_len(value), end);
			}
		}
	}
	return 0;
}

static int by_port(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* What the elements of @set say goes among @r's mentions. */
static int read_set(struct nft_sock *s, const struct nft_foreign_chain *c,
		    struct nft_foreign_rule *r, enum nft_foreign_what what, const char *set)
{
	struct nlmsghdr *nlh = nft_sock_request(s, NFT_MSG_GETSETELEM, c->family, NLM_F_DUMP);
	struct elements el = { .r = r, .what = what };

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, c->table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	int err = nft_sock_ask(s, nlh, on_element, &el);
	if (el.n_from)
		qsort(el.from, el.n_from, sizeof(*el.from), by_port);
	if (el.n_to)
		qsort(el.to, el.n_to, sizeof(*el.to), by_port);
	for (size_t i = 0, j = 0; i < el.n_from; i++) {
		struct nft_foreign_mention *m = nft_foreign_rule_mention(r, what);

		m->from = m->to = el.from[i];
		while (j < el.n_to && el.to[j] <= el.from[i])
			j++;
		if (el.n_to) /* without an end: up to the last port */
			m->to = j < el.n_to ? (uint16_t)(el.to[j] - 1) : UINT16_MAX;
	}
	free(el.from);
	free(el.to);
	return err == -ENOENT ? -EINTR : err;
}

static int read_sets(struct nft_sock *s, const struct nft_foreign_chain *c, unsigned *left)
{
	int err = 0;

	for (size_t i = 0; !err && i < c->n_rules; i++) {
		struct nft_foreign_rule *r = &c->rules[i];

		for (size_t j = 0, n = r->n_mentions; !err && j < n && *left; j++) {
			_cleanup_free_ char *set = TAKE_PTR(r->mentions[j].set);

			if (!set)
				continue;
			(*left)--;
			err = read_set(s, c, r, r->mentions[j].what, set);
		}
	}
	return err;
}

static bool of_interest(const struct nft_foreign *f, const struct nft_foreign_chain *c)
{
	if (c->family != NFT_FOREIGN_INET && strcmp(c->table, "filter") == 0)
		return true;
	for (size_t i = 0; i < f->n; i++) {
		if (f->chains[i].hook != NFT_FOREIGN_NO_HOOK && same_table(&f->chains[i], c))
			return true;
	}
	return false;
}

/* Chains come table by table. */
static int read_tables(struct nft_sock *s, struct reading *rd)
{
	struct nft_foreign *f = rd->f;
	int err = 0;

	for (size_t i = 0; !err && i < f->n; i++) {
		const struct nft_foreign_chain *c = &f->chains[i];
		unsigned sets = NFT_FOREIGN_SETS_MAX;

		if ((i > 0 && same_table(&f->chains[i - 1], c)) || !of_interest(f, c))
			continue;
		struct nlmsghdr *nlh = nft_sock_request(s, NFT_MSG_GETRULE, c->family, NLM_F_DUMP);
		mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, c->table);
		rd->last = NULL;
		err = nft_sock_ask(s, nlh, on_rule, rd);
		if (err == -ENOENT)
			err = -EINTR;
		for (size_t j = i; !err && j < f->n && same_table(&f->chains[j], c); j++)
			err = read_sets(s, &f->chains[j], &sets);
	}
	return err;
}

int nft_foreign_read(struct nft_sock *s, const char *own, struct nft_foreign *ret, struct err *e)
{
	struct reading rd = { .f = ret, .own = own };
	uint32_t after = 0;
	int err;

	*ret = (struct nft_foreign){ 0 };
	err = read_gen(s, &ret->gen);
	if (!err)
		err = nft_sock_ask(
			s, nft_sock_request(s, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP),
			on_chain, &rd);
	if (!err)
		err = read_tables(s, &rd);
	if (!err)
		err = read_gen(s, &after);
	if (!err && after != ret->gen)
		err = -EINTR;
	if (err == -EINTR)
		return err;
	return err ? err_set(e, err, "nf_tables: read the rules of others: %s", strerror(-err)) : 0;
}

void nft_foreign_put(struct nft_batch *b, const struct nft_foreign_chain *c, const char *in,
		     const char *out)
{
	/* Without NLM_F_APPEND: in front. */
	nft_foreign_rule_build(nft_batch_msg(b, NFT_MSG_NEWRULE, c->family, NLM_F_CREATE), c,
			       &(struct nft_foreign_own){ .in = in, .out = out });
}

void nft_foreign_put_dns(struct nft_batch *b, const struct nft_foreign_chain *c, const char *in,
			 uint8_t proto)
{
	nft_foreign_rule_build(nft_batch_msg(b, NFT_MSG_NEWRULE, c->family, NLM_F_CREATE), c,
			       &(struct nft_foreign_own){ .in = in, .proto = proto });
}

void nft_foreign_del(struct nft_batch *b, const struct nft_foreign_chain *c, uint64_t handle)
{
	struct nlmsghdr *nlh = nft_batch_msg(b, NFT_MSG_DELRULE, c->family, 0);

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, c->table);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, c->name);
	mnl_attr_put_u64(nlh, NFTA_RULE_HANDLE, htobe64(handle));
}

void nft_foreign_expect(struct nft_batch *b, uint32_t gen)
{
	struct nlmsghdr *begin = (struct nlmsghdr *)b->data;

	mnl_attr_put_u32(begin, NFNL_BATCH_GENID, htonl(gen));
	b->len = begin->nlmsg_len;
}
