/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_foreign_rule.h"
#include <arpa/inet.h> /* before linux/netfilter.h, or the two define struct in_addr twice */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

#define DPORT_OFFSET 2 /* in UDP's and TCP's header */
#define SADDR4_OFFSET 12
#define SADDR6_OFFSET 8

/* What the last load put into which register: the next compare, range or lookup is about that. */
struct parse {
	struct nft_foreign_rule *r;
	enum { LOADED_OTHER, LOADED_IFNAME, LOADED_IFINDEX, LOADED_PROTO, LOADED_DPORT } loaded;
	enum nft_foreign_what what;
	uint32_t reg;
	uint16_t at_least;
	bool commented; /* with our comment */
	bool source; /* looks at the sender's address */
	bool narrow; /* looks at the protocol or the connection */
	bool strange; /* something that a rule of ours does not have */
	unsigned compares, matches; /* nf_tables' own; xt's, of ports */
};

struct nft_foreign_mention *nft_foreign_rule_mention(struct nft_foreign_rule *r,
						     enum nft_foreign_what what)
{
	r->mentions = mem_grow(r->mentions, r->n_mentions + 1, sizeof(*r->mentions));
	struct nft_foreign_mention *m = &r->mentions[r->n_mentions++];
	*m = (struct nft_foreign_mention){ .what = what };
	return m;
}

static void mention_ports(struct nft_foreign_rule *r, uint16_t from, uint16_t to)
{
	struct nft_foreign_mention *m = nft_foreign_rule_mention(r, NFT_FOREIGN_DPORT);

	m->from = from;
	m->to = to;
}

static void parse_load(struct parse *p, const struct nftnl_expr *x, bool meta)
{
	p->loaded = LOADED_OTHER;
	p->reg = nftnl_expr_get_u32(x, meta ? NFTNL_EXPR_META_DREG : NFTNL_EXPR_PAYLOAD_DREG);
	if (!meta && nftnl_expr_get_u32(x, NFTNL_EXPR_PAYLOAD_BASE) == NFT_PAYLOAD_NETWORK_HEADER) {
		uint32_t at = nftnl_expr_get_u32(x, NFTNL_EXPR_PAYLOAD_OFFSET);

		if (at == SADDR4_OFFSET || at == SADDR6_OFFSET)
			p->source = true;
		else
			p->narrow = true;
		return;
	}
	if (!meta) {
		if (nftnl_expr_get_u32(x, NFTNL_EXPR_PAYLOAD_BASE) ==
			    NFT_PAYLOAD_TRANSPORT_HEADER &&
		    nftnl_expr_get_u32(x, NFTNL_EXPR_PAYLOAD_OFFSET) == DPORT_OFFSET &&
		    nftnl_expr_get_u32(x, NFTNL_EXPR_PAYLOAD_LEN) == sizeof(uint16_t)) {
			p->loaded = LOADED_DPORT;
			p->what = NFT_FOREIGN_DPORT;
			p->at_least = 0;
		}
		return;
	}
	uint32_t key = nftnl_expr_get_u32(x, NFTNL_EXPR_META_KEY);
	if (key == NFT_META_IIFNAME || key == NFT_META_OIFNAME)
		p->loaded = LOADED_IFNAME;
	else if (key == NFT_META_IIF || key == NFT_META_OIF)
		p->loaded = LOADED_IFINDEX;
	else if (key == NFT_META_L4PROTO) {
		p->loaded = LOADED_PROTO;
		p->narrow = true;
	}
	p->what = key == NFT_META_IIFNAME || key == NFT_META_IIF ? NFT_FOREIGN_IN : NFT_FOREIGN_OUT;
}

static void parse_name(struct parse *p, const char *data, uint32_t len)
{
	struct nft_foreign_mention *m = nft_foreign_rule_mention(p->r, p->what);

	/* "ovl+" compares three bytes, "ovl0" five: the end of the string too. */
	m->len = memchr(data, '\0', len) ? IFNAMSIZ : len;
	memcpy(m->name, data, len);
	if (m->len < IFNAMSIZ)
		p->strange = true;
}

static void parse_cmp(struct parse *p, const struct nftnl_expr *x)
{
	uint32_t op = nftnl_expr_get_u32(x, NFTNL_EXPR_CMP_OP), len;
	const void *data = nftnl_expr_get(x, NFTNL_EXPR_CMP_DATA, &len);
	uint32_t index;
	uint16_t port;

	p->r->plain = false;
	p->compares++;
	if (p->reg != nftnl_expr_get_u32(x, NFTNL_EXPR_CMP_SREG))
		return;
	if (p->loaded == LOADED_IFNAME && op == NFT_CMP_EQ && len <= IFNAMSIZ) {
		parse_name(p, data, len);
	} else if (p->loaded == LOADED_IFINDEX && op == NFT_CMP_EQ && len == sizeof(index)) {
		char name[IFNAMSIZ] = "";

		memcpy(&index, data, sizeof(index));
		p->strange = true;
		if (if_indextoname(index, name))
			parse_name(p, name, sizeof(name));
	} else if (p->loaded == LOADED_PROTO && op == NFT_CMP_EQ && len == 1) {
		p->r->proto = *(const uint8_t *)data;
	} else if (p->loaded == LOADED_DPORT && len == sizeof(port)) {
		memcpy(&port, data, sizeof(port));
		port = ntohs(port);
		if (op == NFT_CMP_EQ)
			mention_ports(p->r, port, port);
		else if (op == NFT_CMP_GTE)
			p->at_least = port;
		else if (op == NFT_CMP_LTE)
			mention_ports(p->r, p->at_least, port);
	}
}

static void parse_range(struct parse *p, const struct nftnl_expr *x)
{
	uint32_t n1, n2;
	const void *from = nftnl_expr_get(x, NFTNL_EXPR_RANGE_FROM_DATA, &n1);
	const void *to = nftnl_expr_get(x, NFTNL_EXPR_RANGE_TO_DATA, &n2);
	uint16_t ports[2];

	if (p->loaded != LOADED_DPORT || p->reg != nftnl_expr_get_u32(x, NFTNL_EXPR_RANGE_SREG) ||
	    nftnl_expr_get_u32(x, NFTNL_EXPR_RANGE_OP) != NFT_RANGE_EQ || n1 != 2 || n2 != 2)
		return;
	memcpy(&ports[0], from, 2);
	memcpy(&ports[1], to, 2);
	mention_ports(p->r, ntohs(ports[0]), ntohs(ports[1]));
}

static void parse_lookup(struct parse *p, const struct nftnl_expr *x)
{
	bool inverted = nftnl_expr_is_set(x, NFTNL_EXPR_LOOKUP_FLAGS) &&
			nftnl_expr_get_u32(x, NFTNL_EXPR_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;

	if (nftnl_expr_is_set(x, NFTNL_EXPR_LOOKUP_DREG) &&
	    nftnl_expr_get_u32(x, NFTNL_EXPR_LOOKUP_DREG) == NFT_REG_VERDICT)
		p->r->verdict_map = true;
	if ((p->loaded != LOADED_IFNAME && p->loaded != LOADED_DPORT) || inverted ||
	    p->reg != nftnl_expr_get_u32(x, NFTNL_EXPR_LOOKUP_SREG))
		return;
	nft_foreign_rule_mention(p->r, p->what)->set =
		mem_strdup(nftnl_expr_get_str(x, NFTNL_EXPR_LOOKUP_SET));
}

static void parse_multiport(struct parse *p, const struct xt_multiport_v1 *m)
{
	if (m->invert || m->flags == XT_MULTIPORT_SOURCE)
		return;
	for (unsigned i = 0; i < m->count && i < XT_MULTI_PORTS; i++) {
		uint16_t to = m->ports[i];

		if (m->pflags[i] && i + 1 < XT_MULTI_PORTS)
			to = m->ports[i + 1];
		mention_ports(p->r, m->ports[i], to);
		if (m->pflags[i])
			i++;
	}
}

/* Return: it asks for nothing but the destination port. */
static bool parse_tcpudp(struct parse *p, const uint16_t spts[2], const uint16_t dpts[2],
			 bool other)
{
	if (other || (dpts[0] == 0 && dpts[1] == UINT16_MAX))
		return false;
	p->matches++;
	mention_ports(p->r, dpts[0], dpts[1]);
	return spts[0] == 0 && spts[1] == UINT16_MAX;
}

/* xt's matches, which iptables-nft has where nf_tables has nothing of the kind. */
static void parse_match(struct parse *p, const struct nftnl_expr *x)
{
	const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_MT_NAME);
	uint32_t rev = nftnl_expr_get_u32(x, NFTNL_EXPR_MT_REV), len;
	const void *info = nftnl_expr_get(x, NFTNL_EXPR_MT_INFO, &len);

	if (strcmp(name, "comment") == 0) { /* no condition */
		if (len >= sizeof(NFT_FOREIGN_COMMENT) &&
		    memcmp(info, NFT_FOREIGN_COMMENT, sizeof(NFT_FOREIGN_COMMENT)) == 0)
			p->commented = true;
		else
			p->strange = true;
		return;
	}
	p->r->plain = false;
	p->narrow = true;
	if (strcmp(name, "udp") == 0 && rev == 0 && len >= sizeof(struct xt_udp)) {
		const struct xt_udp *u = info;

		if (!parse_tcpudp(p, u->spts, u->dpts, u->invflags & XT_UDP_INV_DSTPT) ||
		    u->invflags)
			p->strange = true;
		return;
	}
	if (strcmp(name, "tcp") == 0 && rev == 0 && len >= sizeof(struct xt_tcp)) {
		const struct xt_tcp *t = info;

		if (!parse_tcpudp(p, t->spts, t->dpts, t->invflags & XT_TCP_INV_DSTPT) ||
		    t->invflags || t->flg_mask || t->option)
			p->strange = true;
		return;
	}
	p->strange = true;
	if (strcmp(name, "multiport") == 0 && rev == 1 && len >= sizeof(struct xt_multiport_v1)) {
		parse_multiport(p, info);
	}
}

static void parse_verdict(struct parse *p, const struct nftnl_expr *x)
{
	if (nftnl_expr_get_u32(x, NFTNL_EXPR_IMM_DREG) != NFT_REG_VERDICT)
		return;
	switch ((int)nftnl_expr_get_u32(x, NFTNL_EXPR_IMM_VERDICT)) {
	case NF_ACCEPT:
		p->r->verdict = NFT_FOREIGN_ACCEPT;
		break;
	case NF_DROP:
		p->r->verdict = NFT_FOREIGN_DROP;
		break;
	case NFT_RETURN:
		p->r->verdict = NFT_FOREIGN_RETURN;
		break;
	case NFT_JUMP:
	case NFT_GOTO:
		free(p->r->target);
		p->r->verdict = NFT_FOREIGN_JUMP;
		p->r->target = mem_strdup(nftnl_expr_get_str(x, NFTNL_EXPR_IMM_CHAIN));
		break;
	}
}

static int parse_expr(struct nftnl_expr *x, void *user)
{
	struct parse *p = user;
	const char *kind = nftnl_expr_get_str(x, NFTNL_EXPR_NAME);
	bool meta = strcmp(kind, "meta") == 0;

	if (meta || strcmp(kind, "payload") == 0) {
		if (nftnl_expr_is_set(x, meta ? NFTNL_EXPR_META_DREG : NFTNL_EXPR_PAYLOAD_DREG))
			parse_load(p, x, meta);
		return 0;
	}
	if (strcmp(kind, "cmp") == 0) {
		parse_cmp(p, x);
		return 0;
	}
	if (strcmp(kind, "match") == 0) {
		parse_match(p, x);
		return 0;
	}
	if (strcmp(kind, "immediate") == 0) {
		parse_verdict(p, x);
		return 0;
	}
	if (strcmp(kind, "counter") == 0)
		return 0;
	p->strange = true;
	if (strcmp(kind, "reject") == 0 ||
	    (strcmp(kind, "target") == 0 &&
	     strcmp(nftnl_expr_get_str(x, NFTNL_EXPR_TG_NAME), "REJECT") == 0)) {
		p->r->verdict = NFT_FOREIGN_DROP;
		return 0;
	}
	if (strcmp(kind, "log") == 0 || strcmp(kind, "notrack") == 0 || strcmp(kind, "objref") == 0)
		return 0;
	p->r->plain = false;
	if (strcmp(kind, "range") == 0)
		parse_range(p, x);
	else if (strcmp(kind, "lookup") == 0)
		parse_lookup(p, x);
	else if (strcmp(kind, "ct") == 0)
		p->narrow = true;
	else if (strcmp(kind, "bitwise") == 0)
		p->loaded = LOADED_OTHER;
	return 0;
}

static bool is_ours(const struct nft_foreign_rule *r)
{
	const struct nft_foreign_mention *m = r->mentions;

	if (r->n_mentions == 2 && m[0].what == NFT_FOREIGN_IN && m[1].what == NFT_FOREIGN_DPORT)
		return m[1].from == NFT_FOREIGN_DNS_PORT && m[1].to == NFT_FOREIGN_DNS_PORT &&
		       (r->proto == IPPROTO_UDP || r->proto == IPPROTO_TCP) &&
		       r->verdict == NFT_FOREIGN_ACCEPT;
	if (r->proto)
		return false;
	if (r->n_mentions == 1)
		return r->mentions[0].what != NFT_FOREIGN_DPORT && r->verdict == NFT_FOREIGN_ACCEPT;
	return r->n_mentions == 2 && r->mentions[0].what == NFT_FOREIGN_IN &&
	       r->mentions[1].what == NFT_FOREIGN_OUT && r->verdict == NFT_FOREIGN_RETURN;
}

void nft_foreign_rule_parse(const struct nlmsghdr *nlh, char **ret_table, char **ret_chain,
			    struct nft_foreign_rule *ret)
{
	struct nftnl_rule *n = nftnl_rule_alloc();
	struct parse p = { .r = ret };
	const struct nlattr *a;

	if (!n)
		abort();
	*ret = (struct nft_foreign_rule){ 0 };
	*ret_table = *ret_chain = NULL;
	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg)) {
		uint16_t type = mnl_attr_get_type(a);

		if ((type != NFTA_RULE_TABLE && type != NFTA_RULE_CHAIN) ||
		    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0)
			continue;
		char **to = type == NFTA_RULE_TABLE ? ret_table : ret_chain;
		free(*to);
		*to = mem_strdup(mnl_attr_get_str(a));
	}
	/* Fails for an expression that the library is too old for. */
	if (nftnl_rule_nlmsg_parse(nlh, n) == 0) {
		ret->handle = nftnl_rule_get_u64(n, NFTNL_RULE_HANDLE);
		ret->plain = true;
		nftnl_expr_foreach(n, parse_expr, &p);
		ret->by_source = p.source && !p.narrow && !ret->n_mentions &&
				 ret->verdict == NFT_FOREIGN_ACCEPT;
		ret->ours = p.commented && !p.strange &&
			    p.compares + p.matches == ret->n_mentions + (ret->proto ? 1 : 0) &&
			    is_ours(ret);
	}
	nftnl_rule_free(n);
}

void nft_foreign_rule_done(struct nft_foreign_rule *r)
{
	for (size_t i = 0; i < r->n_mentions; i++)
		free(r->mentions[i].set);
	free(r->mentions);
	free(r->target);
}

static struct nftnl_expr *add(struct nftnl_rule *r, const char *kind)
{
	struct nftnl_expr *x = nftnl_expr_alloc(kind);

	if (!x)
		abort();
	nftnl_rule_add_expr(r, x);
	return x;
}

static void add_name(struct nftnl_rule *r, uint32_t key, const char *name)
{
	struct nftnl_expr *x = add(r, "meta");

	nftnl_expr_set_u32(x, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(x, NFTNL_EXPR_META_DREG, NFT_REG_1);
	x = add(r, "cmp");
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(x, NFTNL_EXPR_CMP_DATA, name, (uint32_t)strlen(name) + 1);
}

/* Takes @info over. */
static void add_match(struct nftnl_rule *r, const char *name, void *info, size_t size)
{
	struct nftnl_expr *x = add(r, "match");

	nftnl_expr_set_str(x, NFTNL_EXPR_MT_NAME, name);
	nftnl_expr_set_u32(x, NFTNL_EXPR_MT_REV, 0);
	/* The expression owns it from here on. */
	nftnl_expr_set(x, NFTNL_EXPR_MT_INFO, info, (uint32_t)size);
}

/* `-p udp --dport 53`; the port by xt's match: iptables-nft before 1.8.8 takes a table for incompatible where nf_tables compares it. */
static void add_dns(struct nftnl_rule *r, uint8_t proto)
{
	struct nftnl_expr *x = add(r, "meta");

	nftnl_expr_set_u32(x, NFTNL_EXPR_META_KEY, NFT_META_L4PROTO);
	nftnl_expr_set_u32(x, NFTNL_EXPR_META_DREG, NFT_REG_1);
	x = add(r, "cmp");
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(x, NFTNL_EXPR_CMP_DATA, &proto, sizeof(proto));
	if (proto == IPPROTO_UDP) {
		struct xt_udp *u = mem_alloc(XT_ALIGN(sizeof(*u)));

		*u = (struct xt_udp){ .spts = { 0, UINT16_MAX },
				      .dpts = { NFT_FOREIGN_DNS_PORT, NFT_FOREIGN_DNS_PORT } };
		add_match(r, "udp", u, XT_ALIGN(sizeof(*u)));
	} else {
		struct xt_tcp *t = mem_alloc(XT_ALIGN(sizeof(*t)));

		*t = (struct xt_tcp){ .spts = { 0, UINT16_MAX },
				      .dpts = { NFT_FOREIGN_DNS_PORT, NFT_FOREIGN_DNS_PORT } };
		add_match(r, "tcp", t, XT_ALIGN(sizeof(*t)));
	}
}

/* As iptables-nft 1.8 sends it (strace): the matches are xt's, which the kernel takes with the COMPAT attributes, even of zeros. */
void nft_foreign_rule_build(struct nlmsghdr *nlh, const struct nft_foreign_chain *c,
			    const struct nft_foreign_own *own)
{
	struct nftnl_rule *r = nftnl_rule_alloc();
	struct xt_comment_info *info = mem_alloc(XT_ALIGN(sizeof(*info)));
	struct nftnl_expr *x;

	if (!r)
		abort();
	nftnl_rule_set_u32(r, NFTNL_RULE_FAMILY, c->family);
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, c->table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, c->name);
	nftnl_rule_set_u32(r, NFTNL_RULE_COMPAT_PROTO, own->proto);
	nftnl_rule_set_u32(r, NFTNL_RULE_COMPAT_FLAGS, 0);

	if (own->in)
		add_name(r, NFT_META_IIFNAME, own->in);
	if (own->out)
		add_name(r, NFT_META_OIFNAME, own->out);
	if (own->proto)
		add_dns(r, own->proto);
	snprintf(info->comment, sizeof(info->comment), "%s", NFT_FOREIGN_COMMENT);
	add_match(r, "comment", info, XT_ALIGN(sizeof(*info)));
	x = add(r, "counter");
	nftnl_expr_set_u64(x, NFTNL_EXPR_CTR_PACKETS, 0);
	nftnl_expr_set_u64(x, NFTNL_EXPR_CTR_BYTES, 0);
	x = add(r, "immediate");
	nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_VERDICT,
			   own->in && own->out ? (uint32_t)NFT_RETURN : NF_ACCEPT);

	nftnl_rule_nlmsg_build_payload(nlh, r);
	nftnl_rule_free(r);
}
