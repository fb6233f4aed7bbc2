/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_rule - rules as static data: a list of operations each, which become nf_tables expressions.
 *
 * Registers are named as the kernel names them back: 1 to 4 for the 16-byte ones, NFT_REG32_xx for a 4-byte one that begins no
 * 16-byte one (nft_dump_register()). So what was sent and what is dumped read the same, and nft_table_check() may compare text.
 */
#pragma once
#include <arpa/inet.h> /* before linux/netfilter.h, or the two define struct in_addr twice */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <stdint.h>

struct nftnl_rule;

enum nft_op_kind {
	NFT_OP_END,
	NFT_OP_META, /* a: NFT_META_*, to reg */
	NFT_OP_LOAD, /* a: NFT_PAYLOAD_*, b: offset, len: bytes, to reg */
	NFT_OP_MASK, /* reg &= data, len bytes */
	NFT_OP_CMP, /* a: NFT_CMP_*, data, len */
	NFT_OP_CMP_U32, /* a: NFT_CMP_*, b: a number in the host's order */
	NFT_OP_CMP_PORT, /* reg equals the VXLAN port */
	NFT_OP_CT, /* a: NFT_CT_*, to reg */
	NFT_OP_MASK_U32, /* reg &= b, a number in the host's order */
	NFT_OP_LOOKUP, /* s: set; a: NFT_LOOKUP_F_INV or 0; key from reg on */
	NFT_OP_MAP, /* s: map; key from reg on, what it maps to into b on */
	NFT_OP_FIB, /* a: NFT_FIB_RESULT_*, b: NFTA_FIB_F_*, to reg */
	NFT_OP_COUNT, /* s: named counter */
	NFT_OP_NOTRACK,
	NFT_OP_DNAT, /* a: NFPROTO_*, reg: address, b: register of the port */
	NFT_OP_MASQUERADE,
	NFT_OP_REDIRECT, /* to the incoming interface's own address, same port */
	NFT_OP_VERDICT, /* a: NF_ACCEPT, NF_DROP, NFT_JUMP to chain s */
};
struct nft_op {
	enum nft_op_kind kind;
	uint32_t a, b, reg, len;
	const char *s;
	uint8_t data[IFNAMSIZ];
};
struct nft_params { /* what is not known when compiling */
	const char *table;
	uint16_t vxlan_port; /* host order */
};

#define NFT_META(key, r)                                    \
	{                                                   \
		.kind = NFT_OP_META, .a = (key), .reg = (r) \
	}
#define NFT_LOAD(base, off, n, r)                                                    \
	{                                                                            \
		.kind = NFT_OP_LOAD, .a = (base), .b = (off), .len = (n), .reg = (r) \
	}
#define NFT_MASK(r, ...)                                                             \
	{                                                                            \
		.kind = NFT_OP_MASK, .reg = (r),                                     \
		.len = (uint32_t)sizeof((const uint8_t[]){ __VA_ARGS__ }), .data = { \
			__VA_ARGS__                                                  \
		}                                                                    \
	}
#define NFT_CMP(op, r, ...)                                                          \
	{                                                                            \
		.kind = NFT_OP_CMP, .a = (op), .reg = (r),                           \
		.len = (uint32_t)sizeof((const uint8_t[]){ __VA_ARGS__ }), .data = { \
			__VA_ARGS__                                                  \
		}                                                                    \
	}
#define NFT_EQ(r, ...) NFT_CMP(NFT_CMP_EQ, r, __VA_ARGS__)
/* The first @n bytes of a name: IFNAMSIZ for a whole one, fewer for a prefix. */
#define NFT_CMP_NAME(op, r, name, n)                                                \
	{                                                                           \
		.kind = NFT_OP_CMP, .a = (op), .reg = (r), .len = (n), .data = name \
	}
#define NFT_CMP_U32(op, r, v)                                           \
	{                                                               \
		.kind = NFT_OP_CMP_U32, .a = (op), .b = (v), .reg = (r) \
	}
#define NFT_CMP_PORT(r)                             \
	{                                           \
		.kind = NFT_OP_CMP_PORT, .reg = (r) \
	}
#define NFT_CT(key, r)                                    \
	{                                                 \
		.kind = NFT_OP_CT, .a = (key), .reg = (r) \
	}
#define NFT_MASK_U32(r, v)                                    \
	{                                                     \
		.kind = NFT_OP_MASK_U32, .b = (v), .reg = (r) \
	}
#define NFT_MAP(map, r, to)                                           \
	{                                                             \
		.kind = NFT_OP_MAP, .s = (map), .reg = (r), .b = (to) \
	}
#define NFT_DNAT(family, r, port)                                           \
	{                                                                   \
		.kind = NFT_OP_DNAT, .a = (family), .reg = (r), .b = (port) \
	}
#define NFT_MASQUERADE                    \
	{                                 \
		.kind = NFT_OP_MASQUERADE \
	}
#define NFT_REDIRECT                    \
	{                               \
		.kind = NFT_OP_REDIRECT \
	}
#define NFT_LOOKUP(set, flags, r)                                           \
	{                                                                   \
		.kind = NFT_OP_LOOKUP, .s = (set), .a = (flags), .reg = (r) \
	}
#define NFT_FIB(result, flags, r)                                           \
	{                                                                   \
		.kind = NFT_OP_FIB, .a = (result), .b = (flags), .reg = (r) \
	}
#define NFT_COUNT(counter)                           \
	{                                            \
		.kind = NFT_OP_COUNT, .s = (counter) \
	}
#define NFT_NOTRACK                    \
	{                              \
		.kind = NFT_OP_NOTRACK \
	}
#define NFT_ACCEPT                                     \
	{                                              \
		.kind = NFT_OP_VERDICT, .a = NF_ACCEPT \
	}
#define NFT_DROP                                     \
	{                                            \
		.kind = NFT_OP_VERDICT, .a = NF_DROP \
	}
#define NFT_JUMP_TO(chain)                                                    \
	{                                                                     \
		.kind = NFT_OP_VERDICT, .a = (uint32_t)NFT_JUMP, .s = (chain) \
	}

/** nft_rule_new() - the rule of @ops (ended by NFT_OP_END) in @chain; owned by the caller (nftnl_rule_free()). */
struct nftnl_rule *nft_rule_new(uint8_t family, const char *chain, const struct nft_op *ops,
				const struct nft_params *p);
/** nft_rule_text() - its expressions in one line, the same for ours and for the kernel's; heap string. */
char *nft_rule_text(const struct nftnl_rule *r);
