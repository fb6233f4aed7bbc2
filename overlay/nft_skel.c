/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_skel.h"
#include "base/mem.h"
#include "overlay/nft_match.h"

#define HOST_PORT "ovp" /* state_host_port_name() */
#define TYPE_MAC_KEY TYPE_CONCAT(TYPE_IFNAME, TYPE_ETHER)
/* Ethernet, IPv4, 6 and 4 bytes: only then are the senders where they are looked for. */
#define ARP_IS_IPV4 LOAD(ARP_HEAD, NFT_REG_1), NFT_EQ(NFT_REG_1, 0, 1, 0x08, 0, 6, 4)

static const struct nft_chain_def overlay_chains[] = {
	{ "raw_in", true, NF_INET_PRE_ROUTING, PRIO_RAW, NF_ACCEPT, false },
	{ "raw_out", true, NF_INET_LOCAL_OUT, PRIO_RAW, NF_ACCEPT, false },
	{ "input", true, NF_INET_LOCAL_IN, PRIO_FILTER, NF_DROP, false },
	{ "forward", true, NF_INET_FORWARD, PRIO_FILTER, NF_DROP, false },
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

/* What both tables have: @prefix, of @n characters, tells the ports that are judged. */
#define PORT_RULES(prefix, n)                                                                      \
	RULE("ports", KEY_PORT, NFT_CMP_NAME(NFT_CMP_NEQ, NFT_REG_1, prefix, n), NFT_ACCEPT),      \
		RULE("ports", ETH_TYPE_IS(0x08, 0x00), KEY_PORT, KEY_MAC,                          \
		     LOAD(IP4_SADDR, REG_KEY_IP), NFT_LOOKUP(NFT_SET_GUARD4, 0, NFT_REG_1),        \
		     NFT_ACCEPT),                                                                  \
		RULE("ports", ETH_TYPE_IS(0x08, 0x06), ARP_IS_IPV4, KEY_PORT, KEY_MAC,             \
		     LOAD(ARP_SENDER_IP, REG_KEY_IP), NFT_LOOKUP(NFT_SET_GUARD4, 0, NFT_REG_1),    \
		     LOAD(ARP_SENDER_MAC, NFT_REG_2), NFT_LOOKUP(NFT_SET_GUARD4, 0, NFT_REG_1),    \
		     NFT_ACCEPT),                                                                  \
		RULE("ports", ETH_TYPE_IS(0x86, 0xdd), L4PROTO_IS(IPPROTO_ICMPV6),                 \
		     NFT_JUMP_TO("icmp6")),                                                        \
		RULE("ports", ETH_TYPE_IS(0x86, 0xdd), KEY_PORT, KEY_MAC,                          \
		     LOAD(IP6_SADDR, REG_KEY_IP), NFT_LOOKUP(NFT_SET_GUARD6, 0, NFT_REG_1),        \
		     NFT_ACCEPT),                                                                  \
		RULE("ports", ETH_TYPE_IS(0x86, 0xdd), LOAD(IP6_SADDR_HEAD, NFT_REG_1),            \
		     NFT_MASK(NFT_REG_1, 0xff, 0xc0), NFT_EQ(NFT_REG_1, 0xfe, 0x80), KEY_PORT,     \
		     KEY_MAC, NFT_LOOKUP(NFT_SET_MACS, 0, NFT_REG_1), NFT_ACCEPT),                 \
		RULE("ports", ETH_TYPE_IS(0x86, 0xdd), L4PROTO_IS(IPPROTO_ICMPV6),                 \
		     LOAD(IP6_SADDR, NFT_REG_1), NFT_EQ(NFT_REG_1, ZERO16), KEY_PORT, KEY_MAC,     \
		     NFT_LOOKUP(NFT_SET_MACS, 0, NFT_REG_1), NFT_ACCEPT),                          \
		RULE("ports", NFT_JUMP_TO("others")),                                              \
		RULE("icmp6", ICMP_TYPE_IS(ND_ROUTER_ADVERT), NFT_JUMP_TO("others")),              \
		RULE("icmp6", ICMP_TYPE_IS(ND_REDIRECT), NFT_JUMP_TO("others")),                   \
		RULE("icmp6", ICMP_TYPE_IS(ND_NEIGHBOR_ADVERT), LOAD(ND_TARGET_HEAD, NFT_REG_1),   \
		     NFT_MASK(NFT_REG_1, 0xff, 0xc0), NFT_CMP(NFT_CMP_NEQ, NFT_REG_1, 0xfe, 0x80), \
		     KEY_PORT, KEY_MAC, LOAD(ND_TARGET, REG_KEY_IP),                               \
		     NFT_LOOKUP(NFT_SET_GUARD6, NFT_LOOKUP_F_INV, NFT_REG_1),                      \
		     NFT_JUMP_TO("others")),                                                       \
		RULE("others", ETH_TYPE_IS(0x08, 0x06), ARP_IS_IPV4, KEY_PORT, KEY_MAC,            \
		     NFT_LOOKUP(NFT_SET_LOOSE, 0, NFT_REG_1), LOAD(ARP_SENDER_MAC, NFT_REG_2),     \
		     NFT_LOOKUP(NFT_SET_LOOSE, 0, NFT_REG_1), NFT_ACCEPT),                         \
		RULE("others", LOAD(ETH_TYPE, NFT_REG_1),                                          \
		     NFT_CMP(NFT_CMP_NEQ, NFT_REG_1, 0x08, 0x06), KEY_PORT, KEY_MAC,               \
		     NFT_LOOKUP(NFT_SET_LOOSE, 0, NFT_REG_1), NFT_ACCEPT),                         \
		RULE("others", KEY_PORT, NFT_LOOKUP(NFT_SET_FREE, 0, NFT_REG_1), NFT_ACCEPT),      \
		RULE("others", NFT_DROP)
#define PORT_CHAINS                                                                           \
	{ "ports", true, BRIDGE_PRE_ROUTING, PRIO_RAW, NF_DROP, false }, { .name = "icmp6" }, \
	{                                                                                     \
		.name = "others"                                                              \
	}
#define PORT_SETS                                                                   \
	{ NFT_SET_GUARD4, TYPE_CONCAT(TYPE_MAC_KEY, TYPE_IPV4), 28, 0, 0 },         \
		{ NFT_SET_GUARD6, TYPE_CONCAT(TYPE_MAC_KEY, TYPE_IPV6), 40, 0, 0 }, \
		{ NFT_SET_MACS, TYPE_MAC_KEY, 24, 0, 0 },                           \
		{ NFT_SET_LOOSE, TYPE_MAC_KEY, 24, 0, 0 },                          \
	{                                                                           \
		NFT_SET_FREE, TYPE_IFNAME, IFNAMSIZ, 0, 0                           \
	}

static const struct nft_chain_def bridge_chains[] = { PORT_CHAINS };
static const struct nft_set_def bridge_sets[] = { PORT_SETS };
static const struct nft_rule_def bridge_rules[] = { PORT_RULES("ve", 2) };
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

static const struct nft_chain_def host_bridge_chains[] = {
	PORT_CHAINS,
	{ "forward", true, BRIDGE_FORWARD, PRIO_BRIDGE_FILTER, NF_ACCEPT, false },
	{ .name = "apart" },
};
static const struct nft_set_def host_bridge_sets[] = {
	PORT_SETS,
	{ NFT_SET_NOICC, TYPE_IFNAME, IFNAMSIZ, 0, 0 },
};
/* The prefix spares other people's frames the lookups. */
#define NOICC_RULE(name)                                                            \
	RULE("forward", NFT_META(name, NFT_REG_1),                                  \
	     NFT_CMP_NAME(NFT_CMP_EQ, NFT_REG_1, HOST_PORT, sizeof(HOST_PORT) - 1), \
	     NFT_LOOKUP(NFT_SET_NOICC, 0, NFT_REG_1), NFT_JUMP_TO("apart"))
static const struct nft_rule_def host_bridge_rules[] = {
	PORT_RULES(HOST_PORT, sizeof(HOST_PORT) - 1),
	NOICC_RULE(NFT_META_IIFNAME),
	NOICC_RULE(NFT_META_OIFNAME),
	/* The frame has a route: br_netfilter saw it, and table inet judges it (fact_nft_bridge_route.c). */
	RULE("apart", NFT_META(NFT_META_RTCLASSID, NFT_REG_1),
	     NFT_CMP_U32(NFT_CMP_GTE, NFT_REG_1, 0), NFT_ACCEPT),
	RULE("apart", NFT_DROP),
};
const struct nft_table_def nft_skel_host_bridge = {
	.family = NFPROTO_BRIDGE,
	.where = "host",
	.chains = host_bridge_chains,
	.n_chains = ARRAY_SIZE(host_bridge_chains),
	.sets = host_bridge_sets,
	.n_sets = ARRAY_SIZE(host_bridge_sets),
	.rules = host_bridge_rules,
	.n_rules = ARRAY_SIZE(host_bridge_rules),
};
