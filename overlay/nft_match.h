/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_match - words that rules of nft_skel*.c are made of: fields of headers, keys in registers, types of sets. For those files alone.
 */
#pragma once
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include "overlay/nft_table.h"

#define PRIO_RAW (-300)
#define PRIO_BRIDGE_FILTER (-200)
#define PRIO_DSTNAT (-100)
#define PRIO_FILTER 0
#define PRIO_SRCNAT 100
/* NF_BR_PRE_ROUTING; linux/netfilter_bridge.h cannot stand beside net/if.h. */
#define BRIDGE_PRE_ROUTING NF_INET_PRE_ROUTING
#define BRIDGE_FORWARD NF_INET_FORWARD

/* Offsets in bytes. */
#define ETH_SADDR NFT_PAYLOAD_LL_HEADER, 6, 6
#define ETH_TYPE \
	NFT_PAYLOAD_LL_HEADER, 12, 2 /* 0x8100 for a tagged frame (nft_payload_copy_vlan()) */
#define IP4_SADDR NFT_PAYLOAD_NETWORK_HEADER, 12, 4
#define IP4_SADDR_FIRST NFT_PAYLOAD_NETWORK_HEADER, 12, 1
#define IP4_DADDR NFT_PAYLOAD_NETWORK_HEADER, 16, 4
#define IP4_DADDR_FIRST NFT_PAYLOAD_NETWORK_HEADER, 16, 1
#define IP6_SADDR NFT_PAYLOAD_NETWORK_HEADER, 8, 16
#define IP6_DADDR NFT_PAYLOAD_NETWORK_HEADER, 24, 16
#define IP6_SADDR_HEAD NFT_PAYLOAD_NETWORK_HEADER, 8, 2
#define ARP_HEAD NFT_PAYLOAD_NETWORK_HEADER, 0, 6
#define ARP_SENDER_MAC NFT_PAYLOAD_NETWORK_HEADER, 8, 6
#define ARP_SENDER_IP NFT_PAYLOAD_NETWORK_HEADER, 14, 4
#define ICMP_TYPE NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1
#define ND_TARGET NFT_PAYLOAD_TRANSPORT_HEADER, 8, 16
#define ND_TARGET_HEAD NFT_PAYLOAD_TRANSPORT_HEADER, 8, 2
#define DPORT NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2

#define ZERO4 0, 0, 0, 0
#define ZERO16 ZERO4, ZERO4, ZERO4, ZERO4

#define LOAD(field, reg) LOAD_(field, reg)
#define LOAD_(base, off, len, reg) NFT_LOAD(base, off, len, reg)

/* A set's key lies in consecutive registers: name 16 bytes, MAC 8 (6 and zeros), then the address. */
#define KEY_PORT NFT_META(NFT_META_IIFNAME, NFT_REG_1)
#define KEY_MAC LOAD(ETH_SADDR, NFT_REG_2)
#define REG_KEY_IP NFT_REG32_06

#define IIFNAME(r) NFT_META(NFT_META_IIFNAME, r)
#define OIFNAME(r) NFT_META(NFT_META_OIFNAME, r)
#define IIFNAME_IS(name) KEY_PORT, NFT_CMP_NAME(NFT_CMP_EQ, NFT_REG_1, name, IFNAMSIZ)
#define L4PROTO_IS(proto) NFT_META(NFT_META_L4PROTO, NFT_REG_1), NFT_EQ(NFT_REG_1, proto)
#define NFPROTO_IS(proto) NFT_META(NFT_META_NFPROTO, NFT_REG_1), NFT_EQ(NFT_REG_1, proto)
#define ICMP_TYPE_IS(type) LOAD(ICMP_TYPE, NFT_REG_1), NFT_EQ(NFT_REG_1, type)
#define DPORT_IS(hi, lo) LOAD(DPORT, NFT_REG_1), NFT_EQ(NFT_REG_1, hi, lo)
#define UDP_TO_VXLAN L4PROTO_IS(IPPROTO_UDP), LOAD(DPORT, NFT_REG_1), NFT_CMP_PORT(NFT_REG_1)
#define ETH_TYPE_IS(hi, lo) LOAD(ETH_TYPE, NFT_REG_1), NFT_EQ(NFT_REG_1, hi, lo)
#define ROUTE_BACK(found)                                                                   \
	NFT_FIB(NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT, \
		NFT_REG_1),                                                                 \
		NFT_CMP(NFT_CMP_EQ, NFT_REG_1, found, 0, 0, 0)
#define RULE(name, ...)                                         \
	{                                                       \
		.chain = (name), .ops = (const struct nft_op[]) \
		{                                               \
			__VA_ARGS__,                            \
			{                                       \
				.kind = NFT_OP_END              \
			}                                       \
		}                                               \
	}

/* nft(8)'s data types; a concatenation shifts by six bits. */
enum {
	TYPE_IPV4 = 7,
	TYPE_IPV6 = 8,
	TYPE_ETHER = 9,
	TYPE_PROTO = 12,
	TYPE_SERVICE = 13,
	TYPE_IFNAME = NFT_TYPE_IFNAME,
};
#define TYPE_CONCAT(a, b) ((a) << 6 | (b))
