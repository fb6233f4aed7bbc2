/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_skel.h"
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include "base/mem.h"

#define PRIO_RAW (-300)
/* NF_BR_PRE_ROUTING; linux/netfilter_bridge.h cannot stand beside net/if.h. */
#define BRIDGE_PRE_ROUTING NF_INET_PRE_ROUTING

/* Offsets in bytes. */
#define ETH_SADDR NFT_PAYLOAD_LL_HEADER, 6, 6
#define ETH_TYPE \
	NFT_PAYLOAD_LL_HEADER, 12, 2 /* 0x8100 for a tagged frame (nft_payload_copy_vlan()) */
#define IP4_SADDR NFT_PAYLOAD_NETWORK_HEADER, 12, 4
#define IP4_DADDR_FIRST NFT_PAYLOAD_NETWORK_HEADER, 16, 1
#define IP6_SADDR NFT_PAYLOAD_NETWORK_HEADER, 8, 16
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
#define REFUSE_VXLAN NFT_COUNT("foreign_vxlan"), NFT_DROP

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
enum { TYPE_IPV4 = 7, TYPE_IPV6 = 8, TYPE_ETHER = 9, TYPE_IFNAME = 41 };
#define TYPE_MAC_KEY (TYPE_IFNAME << 6 | TYPE_ETHER)

static const struct nft_chain_def overlay_chains[] = {
	{ "raw_in", true, NF_INET_PRE_ROUTING, PRIO_RAW, NF_ACCEPT },
	{ "raw_out", true, NF_INET_LOCAL_OUT, PRIO_RAW, NF_ACCEPT },
	{ "input", true, NF_INET_LOCAL_IN, 0, NF_DROP },
	{ "forward", true, NF_INET_FORWARD, 0, NF_DROP },
};
static const struct nft_rule_def overlay_rules[] = {
	RULE("raw_in", NFT_NOTRACK),
	RULE("raw_out", NFT_NOTRACK),
	RULE("input", IIFNAME_IS("lo"), NFT_ACCEPT),
	RULE("input",
	     NFT_FIB(NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF, NFT_REG_1),
	     NFT_CMP_U32(NFT_CMP_NEQ, NFT_REG_1, RTN_LOCAL),
	     NFT_CMP_U32(NFT_CMP_NEQ, NFT_REG_1, RTN_BROADCAST),
	     NFT_CMP_U32(NFT_CMP_NEQ, NFT_REG_1, RTN_MULTICAST), NFT_DROP),
	RULE("input", L4PROTO_IS(IPPROTO_ICMPV6), ICMP_TYPE_IS(ND_NEIGHBOR_SOLICIT), NFT_ACCEPT),
	RULE("input", L4PROTO_IS(IPPROTO_ICMPV6), ICMP_TYPE_IS(ND_NEIGHBOR_ADVERT), NFT_ACCEPT),
	RULE("input", ROUTE_BACK(0), NFT_DROP),
	RULE("input", L4PROTO_IS(IPPROTO_UDP), DPORT_IS(0, 53), NFT_ACCEPT),
	RULE("input", L4PROTO_IS(IPPROTO_TCP), DPORT_IS(0, 53), NFT_ACCEPT),
	RULE("input", L4PROTO_IS(IPPROTO_ICMP), ICMP_TYPE_IS(ICMP_ECHO), NFT_ACCEPT),
	RULE("input", L4PROTO_IS(IPPROTO_ICMPV6), ICMP_TYPE_IS(ICMP6_ECHO_REQUEST), NFT_ACCEPT),
};
const struct nft_table_def nft_skel_overlay = {
	.family = NFPROTO_INET,
	.where = "overlay namespace",
	.chains = overlay_chains,
	.n_chains = ARRAY_SIZE(overlay_chains),
	.rules = overlay_rules,
	.n_rules = ARRAY_SIZE(overlay_rules),
};

static const struct nft_chain_def bridge_chains[] = {
	{ "ports", true, BRIDGE_PRE_ROUTING, PRIO_RAW, NF_DROP },
	{ .name = "icmp6" },
};
static const struct nft_set_def bridge_sets[] = {
	{ NFT_SET_GUARD4, TYPE_MAC_KEY << 6 | TYPE_IPV4, 28 },
	{ NFT_SET_GUARD6, TYPE_MAC_KEY << 6 | TYPE_IPV6, 40 },
	{ NFT_SET_MACS, TYPE_MAC_KEY, 24 },
};
static const struct nft_rule_def bridge_rules[] = {
	RULE("ports", KEY_PORT, NFT_CMP_NAME(NFT_CMP_NEQ, NFT_REG_1, "ve", 2), NFT_ACCEPT),
	RULE("ports", ETH_TYPE_IS(0x08, 0x00), KEY_PORT, KEY_MAC, LOAD(IP4_SADDR, REG_KEY_IP),
	     NFT_LOOKUP(NFT_SET_GUARD4, 0, NFT_REG_1), NFT_ACCEPT),
	/* Ethernet, IPv4, 6 and 4 bytes: only then are the senders where they are looked for. */
	RULE("ports", ETH_TYPE_IS(0x08, 0x06), LOAD(ARP_HEAD, NFT_REG_1),
	     NFT_EQ(NFT_REG_1, 0, 1, 0x08, 0, 6, 4), KEY_PORT, KEY_MAC,
	     LOAD(ARP_SENDER_IP, REG_KEY_IP), NFT_LOOKUP(NFT_SET_GUARD4, 0, NFT_REG_1),
	     LOAD(ARP_SENDER_MAC, NFT_REG_2), NFT_LOOKUP(NFT_SET_GUARD4, 0, NFT_REG_1), NFT_ACCEPT),
	RULE("ports", ETH_TYPE_IS(0x86, 0xdd), L4PROTO_IS(IPPROTO_ICMPV6), NFT_JUMP_TO("icmp6")),
	RULE("ports", ETH_TYPE_IS(0x86, 0xdd), KEY_PORT, KEY_MAC, LOAD(IP6_SADDR, REG_KEY_IP),
	     NFT_LOOKUP(NFT_SET_GUARD6, 0, NFT_REG_1), NFT_ACCEPT),
	RULE("ports", ETH_TYPE_IS(0x86, 0xdd), LOAD(IP6_SADDR_HEAD, NFT_REG_1),
	     NFT_MASK(NFT_REG_1, 0xff, 0xc0), NFT_EQ(NFT_REG_1, 0xfe, 0x80), KEY_PORT, KEY_MAC,
	     NFT_LOOKUP(NFT_SET_MACS, 0, NFT_REG_1), NFT_ACCEPT),
	RULE("ports", ETH_TYPE_IS(0x86, 0xdd), L4PROTO_IS(IPPROTO_ICMPV6),
	     LOAD(IP6_SADDR, NFT_REG_1), NFT_EQ(NFT_REG_1, ZERO16), KEY_PORT, KEY_MAC,
	     NFT_LOOKUP(NFT_SET_MACS, 0, NFT_REG_1), NFT_ACCEPT),
	RULE("icmp6", ICMP_TYPE_IS(ND_ROUTER_ADVERT), NFT_DROP),
	RULE("icmp6", ICMP_TYPE_IS(ND_REDIRECT), NFT_DROP),
	/* An advertisement for another's address would enter the neighbours' caches whatever its source is. */
	RULE("icmp6", ICMP_TYPE_IS(ND_NEIGHBOR_ADVERT), LOAD(ND_TARGET_HEAD, NFT_REG_1),
	     NFT_MASK(NFT_REG_1, 0xff, 0xc0), NFT_CMP(NFT_CMP_NEQ, NFT_REG_1, 0xfe, 0x80), KEY_PORT,
	     KEY_MAC, LOAD(ND_TARGET, REG_KEY_IP),
	     NFT_LOOKUP(NFT_SET_GUARD6, NFT_LOOKUP_F_INV, NFT_REG_1), NFT_DROP),
};
const struct nft_table_def nft_skel_bridge = {
	.family = NFPROTO_BRIDGE,
	.where = "overlay namespace",
	.chains = bridge_chains,
	.n_chains = ARRAY_SIZE(bridge_chains),
	.sets = bridge_sets,
	.n_sets = ARRAY_SIZE(bridge_sets),
	.rules = bridge_rules,
	.n_rules = ARRAY_SIZE(bridge_rules),
};

static const struct nft_chain_def host_chains[] = {
	{ "raw_in", true, NF_INET_PRE_ROUTING, PRIO_RAW, NF_ACCEPT },
	{ "raw_out", true, NF_INET_LOCAL_OUT, PRIO_RAW, NF_ACCEPT },
	{ .name = "vxlan_in" },
	{ .name = "vxlan_out" },
};
static const struct nft_set_def host_sets[] = {
	{ NFT_SET_VTEPS4, TYPE_IPV4, 4 },
	{ NFT_SET_VTEPS6, TYPE_IPV6, 16 },
};
static const struct nft_rule_def host_rules[] = {
	RULE("raw_in", UDP_TO_VXLAN, NFT_JUMP_TO("vxlan_in")),
	/* route_localnet on ovl-gw would open the host's loopback to containers. */
	RULE("raw_in", IIFNAME_IS("ovl-gw"), NFPROTO_IS(NFPROTO_IPV4),
	     LOAD(IP4_DADDR_FIRST, NFT_REG_1), NFT_EQ(NFT_REG_1, 127), NFT_DROP),
	RULE("raw_out", UDP_TO_VXLAN, NFT_JUMP_TO("vxlan_out")),
	RULE("vxlan_in", IIFNAME_IS("ovl-gw"), REFUSE_VXLAN),
	RULE("vxlan_in", IIFNAME_IS("lo"), REFUSE_VXLAN),
	RULE("vxlan_in", NFPROTO_IS(NFPROTO_IPV4), LOAD(IP4_SADDR, NFT_REG_1),
	     NFT_LOOKUP(NFT_SET_VTEPS4, 0, NFT_REG_1), ROUTE_BACK(1), NFT_NOTRACK, NFT_ACCEPT),
	RULE("vxlan_in", NFPROTO_IS(NFPROTO_IPV6), LOAD(IP6_SADDR, NFT_REG_1),
	     NFT_LOOKUP(NFT_SET_VTEPS6, 0, NFT_REG_1), ROUTE_BACK(1), NFT_NOTRACK, NFT_ACCEPT),
	RULE("vxlan_in", REFUSE_VXLAN),
	RULE("vxlan_out", NFT_META(NFT_META_SKUID, NFT_REG_1),
	     NFT_CMP_U32(NFT_CMP_NEQ, NFT_REG_1, 0), REFUSE_VXLAN),
	RULE("vxlan_out", NFT_NOTRACK),
};
const struct nft_table_def nft_skel_host = {
	.family = NFPROTO_INET,
	.where = "host",
	.chains = host_chains,
	.n_chains = ARRAY_SIZE(host_chains),
	.sets = host_sets,
	.n_sets = ARRAY_SIZE(host_sets),
	.counter = "foreign_vxlan",
	.rules = host_rules,
	.n_rules = ARRAY_SIZE(host_rules),
};
