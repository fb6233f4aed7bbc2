/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_rule.h"
#include <stdio.h> /* libnftnl/expr.h names FILE */
#include <stdlib.h>

#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_nat.h>
#include <string.h>
#include "base/buf.h"

#define NFT_RULE_TEXT_MAX 8192

typedef void (*fill_fn)(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p);

static void fill_meta(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_META_KEY, op->a);
	nftnl_expr_set_u32(x, NFTNL_EXPR_META_DREG, op->reg);
}

static void fill_load(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_BASE, op->a);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_OFFSET, op->b);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_LEN, op->len);
	nftnl_expr_set_u32(x, NFTNL_EXPR_PAYLOAD_DREG, op->reg);
}

static void fill_mask(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	static const uint8_t zero[sizeof(op->data)];

	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_SREG, op->reg);
	nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_DREG, op->reg);
	nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(x, NFTNL_EXPR_BITWISE_LEN, op->len);
	nftnl_expr_set(x, NFTNL_EXPR_BITWISE_MASK, op->data, op->len);
	nftnl_expr_set(x, NFTNL_EXPR_BITWISE_XOR, zero, op->len);
}

static void fill_cmp(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_SREG, op->reg);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_OP, op->a);
	nftnl_expr_set(x, NFTNL_EXPR_CMP_DATA, op->data, op->len);
}

static void fill_cmp_u32(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_SREG, op->reg);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_OP, op->a);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_DATA, op->b);
}

static void fill_cmp_port(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_SREG, op->reg);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set_u16(x, NFTNL_EXPR_CMP_DATA, htons(p->vxlan_port));
}

static void fill_lookup(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_LOOKUP_SREG, op->reg);
	nftnl_expr_set_str(x, NFTNL_EXPR_LOOKUP_SET, op->s);
	/* The kernel dumps the flags always: they are set even when 0. */
	nftnl_expr_set_u32(x, NFTNL_EXPR_LOOKUP_FLAGS, op->a);
}

static void fill_ct(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_KEY, op->a);
	nftnl_expr_set_u32(x, NFTNL_EXPR_CT_DREG, op->reg);
}

static void fill_mask_u32(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	struct nft_op bytes = { .reg = op->reg, .len = sizeof(op->b) };

	memcpy(bytes.data, &op->b, sizeof(op->b));
	fill_mask(x, &bytes, p);
}

static void fill_map(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	fill_lookup(x, op, p);
	nftnl_expr_set_u32(x, NFTNL_EXPR_LOOKUP_DREG, op->b);
}

/* The kernel dumps ranges, and the flags that follow from them (nft_nat_init(), nft_nat_dump()). */
static void fill_dnat(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_FAMILY, op->a);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_REG_ADDR_MIN, op->reg);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_REG_ADDR_MAX, op->reg);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_REG_PROTO_MIN, op->b);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_REG_PROTO_MAX, op->b);
	nftnl_expr_set_u32(x, NFTNL_EXPR_NAT_FLAGS,
			   NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED);
}

static void fill_fib(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_FIB_RESULT, op->a);
	nftnl_expr_set_u32(x, NFTNL_EXPR_FIB_FLAGS, op->b);
	nftnl_expr_set_u32(x, NFTNL_EXPR_FIB_DREG, op->reg);
}

static void fill_count(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(x, NFTNL_EXPR_OBJREF_IMM_NAME, op->s);
}

static void fill_verdict(struct nftnl_expr *x, const struct nft_op *op, const struct nft_params *p)
{
	(void)p;
	nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(x, NFTNL_EXPR_IMM_VERDICT, op->a);
	if (op->s)
		nftnl_expr_set_str(x, NFTNL_EXPR_IMM_CHAIN, op->s);
}

static const struct {
	const char *name;
	fill_fn fill;
} kinds[] = {
	[NFT_OP_META] = { "meta", fill_meta },
	[NFT_OP_LOAD] = { "payload", fill_load },
	[NFT_OP_MASK] = { "bitwise", fill_mask },
	[NFT_OP_CMP] = { "cmp", fill_cmp },
	[NFT_OP_CMP_U32] = { "cmp", fill_cmp_u32 },
	[NFT_OP_CMP_PORT] = { "cmp", fill_cmp_port },
	[NFT_OP_CT] = { "ct", fill_ct },
	[NFT_OP_MASK_U32] = { "bitwise", fill_mask_u32 },
	[NFT_OP_LOOKUP] = { "lookup", fill_lookup },
	[NFT_OP_MAP] = { "lookup", fill_map },
	[NFT_OP_FIB] = { "fib", fill_fib },
	[NFT_OP_COUNT] = { "objref", fill_count },
	[NFT_OP_NOTRACK] = { "notrack", NULL },
	[NFT_OP_DNAT] = { "nat", fill_dnat },
	[NFT_OP_MASQUERADE] = { "masq", NULL },
	[NFT_OP_REDIRECT] = { "redir", NULL },
	[NFT_OP_VERDICT] = { "immediate", fill_verdict },
};

struct nftnl_rule *nft_rule_new(uint8_t family, const char *chain, const struct nft_op *ops,
				const struct nft_params *p)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	if (!r)
		abort();
	nftnl_rule_set_u32(r, NFTNL_RULE_FAMILY, family);
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, p->table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, chain);
	for (const struct nft_op *op = ops; op->kind != NFT_OP_END; op++) {
		struct nftnl_expr *x = nftnl_expr_alloc(kinds[op->kind].name);

		if (!x)
			abort();
		if (kinds[op->kind].fill)
			kinds[op->kind].fill(x, op, p);
		nftnl_rule_add_expr(r, x);
	}
	return r;
}

static int add_text(struct nftnl_expr *x, void *user)
{
	struct buf *b = user;
	char text[512];

	if (nftnl_expr_snprintf(text, sizeof(text), x, NFTNL_OUTPUT_DEFAULT, 0) < 0)
		text[0] = '\0';
	buf_printf(b, "[%s %s]", nftnl_expr_get_str(x, NFTNL_EXPR_NAME), text);
	return 0;
}

char *nft_rule_text(const struct nftnl_rule *r)
{
	_cleanup_buf_ struct buf b;

	buf_init(&b, NFT_RULE_TEXT_MAX);
	/* The iterator takes a rule that it does not change. */
	nftnl_expr_foreach((struct nftnl_rule *)r, add_text, &b);
	return buf_take(&b);
}
