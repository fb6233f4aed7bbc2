/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/netfilter/nf_conntrack_common.h>
#include "base/mem.h"
#include "overlay/nft_match.h"
#include "overlay/nft_skel.h"

#define REFUSE_VXLAN NFT_COUNT("foreign_vxlan"), NFT_DROP
#define IN(set) NFT_LOOKUP(set, 0, NFT_REG_1)
#define NOT_IN(set) NFT_LOOKUP(set, NFT_LOOKUP_F_INV, NFT_REG_1)
#define IPV4 NFPROTO_IS(NFPROTO_IPV4)
#define IPV6 NFPROTO_IS(NFPROTO_IPV6)
/* One name is loaded for both. */
#define NOT_FROM_HERE \
	KEY_PORT, NFT_CMP_NAME(NFT_CMP_NEQ, NFT_REG_1, "lo", IFNAMSIZ), NOT_IN(NFT_SET_BRIDGES)
#define CT_HAS(key, bits)                                      \
	NFT_CT(key, NFT_REG_1), NFT_MASK_U32(NFT_REG_1, bits), \
		NFT_CMP_U32(NFT_CMP_NEQ, NFT_REG_1, 0)
#define DNATED CT_HAS(NFT_CT_STATUS, IPS_DST_NAT)
#define ESTABLISHED \
	CT_HAS(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED))
#define PAIR IIFNAME(NFT_REG_1), OIFNAME(NFT_REG_2)
#define L4PROTO(r) NFT_META(NFT_META_L4PROTO, r)

/* Registers that lie behind an address, or a protocol and an address; of 4 bytes each but for the IPv6 address. */
#define AFTER4 NFT_REG32_01
#define AFTER4_PROTO NFT_REG32_02
#define AFTER6 NFT_REG_2
#define AFTER6_PROTO NFT_REG32_05

/* The address is asked for last: only what is published to is looked up in the routes. */
#define IF_LOCAL                                                       \
	NFT_FIB(NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR, NFT_REG_4), \
		NFT_CMP_U32(NFT_CMP_EQ, NFT_REG_4, RTN_LOCAL)
#define DNS_FROM_OTHERS(proto) \
	L4PROTO_IS(proto), DPORT_IS(0, 53), IIFNAME(NFT_REG_1), IN(NFT_SET_DNSREDIR)
#define DNS_FROM_ONE4(proto)                                                                   \
	IPV4, L4PROTO_IS(proto), DPORT_IS(0, 53), LOAD(IP4_SADDR, NFT_REG_1), IIFNAME(AFTER4), \
		IN(NFT_SET_DNSASKER4)
#define DNS_FROM_ONE6(proto)                                                                   \
	IPV6, L4PROTO_IS(proto), DPORT_IS(0, 53), LOAD(IP6_SADDR, NFT_REG_1), IIFNAME(AFTER6), \
		IN(NFT_SET_DNSASKER6)
#define PUBLISHED(map, family, port) \
	NFT_MAP(map, NFT_REG_1, NFT_REG_1), IF_LOCAL, NFT_DNAT(family, NFT_REG_1, port)

static const struct nft_chain_def host_chains[] = {
	{ "raw_in", true, NF_INET_PRE_ROUTING, PRIO_RAW, NF_ACCEPT, false },
	{ "raw_out", true, NF_INET_LOCAL_OUT, PRIO_RAW, NF_ACCEPT, false },
	{ .name = "vxlan_in" },
	{ .name = "vxlan_out" },
	{ "nat_in", true, NF_INET_PRE_ROUTING, PRIO_DSTNAT, NF_ACCEPT, true },
	{ "nat_out", true, NF_INET_LOCAL_OUT, PRIO_DSTNAT, NF_ACCEPT, true },
	{ .name = "publish" },
	{ "forward", true, NF_INET_FORWARD, PRIO_FILTER, NF_ACCEPT, false },
	{ "masq", true, NF_INET_POST_ROUTING, PRIO_SRCNAT, NF_ACCEPT, true },
};

#define TYPE_ANY TYPE_CONCAT(TYPE_PROTO, TYPE_SERVICE)
#define TYPE_EXACT(ip) TYPE_CONCAT(TYPE_CONCAT(TYPE_PROTO, ip), TYPE_SERVICE)
#define TYPE_OPEN(ip) TYPE_CONCAT(TYPE_CONCAT(ip, TYPE_PROTO), TYPE_SERVICE)
#define TYPE_TO(ip) TYPE_CONCAT(ip, TYPE_SERVICE)
static const struct nft_set_def host_sets[] = {
	{ NFT_SET_VTEPS4, TYPE_IPV4, 4, 0, 0 },
	{ NFT_SET_VTEPS6, TYPE_IPV6, 16, 0, 0 },
	{ NFT_SET_BRIDGES, TYPE_IFNAME, IFNAMSIZ, 0, 0 },
	{ NFT_SET_MASQ4, TYPE_IFNAME, IFNAMSIZ, 0, 0 },
	{ NFT_SET_MASQ6, TYPE_IFNAME, IFNAMSIZ, 0, 0 },
	{ NFT_SET_INTERNAL, TYPE_IFNAME, IFNAMSIZ, 0, 0 },
	{ NFT_SET_ICC, TYPE_CONCAT(TYPE_IFNAME, TYPE_IFNAME), 2 * IFNAMSIZ, 0, 0 },
	{ NFT_SET_DNSREDIR, TYPE_IFNAME, IFNAMSIZ, 0, 0 },
	{ NFT_SET_DNSASKER4, TYPE_CONCAT(TYPE_IPV4, TYPE_IFNAME), 20, 0, 0 },
	{ NFT_SET_DNSASKER6, TYPE_CONCAT(TYPE_IPV6, TYPE_IFNAME), 32, 0, 0 },
	{ NFT_SET_MEMBER4, TYPE_CONCAT(TYPE_IPV4, TYPE_IFNAME), 20, 0, 0 },
	{ NFT_SET_MEMBER6, TYPE_CONCAT(TYPE_IPV6, TYPE_IFNAME), 32, 0, 0 },
	{ NFT_SET_OPEN4, TYPE_OPEN(TYPE_IPV4), 12, 0, 0 },
	{ NFT_SET_OPEN6, TYPE_OPEN(TYPE_IPV6), 24, 0, 0 },
	{ NFT_MAP_PUBLISH4, TYPE_EXACT(TYPE_IPV4), 12, TYPE_TO(TYPE_IPV4), 8 },
	{ NFT_MAP_PUBLISH6, TYPE_EXACT(TYPE_IPV6), 24, TYPE_TO(TYPE_IPV6), 20 },
	{ NFT_MAP_PUBLISH4_ANY, TYPE_ANY, 8, TYPE_TO(TYPE_IPV4), 8 },
	{ NFT_MAP_PUBLISH6_ANY, TYPE_ANY, 8, TYPE_TO(TYPE_IPV6), 20 },
};
static const struct nft_rule_def host_rules[] = {
	RULE("raw_in", UDP_TO_VXLAN, NFT_JUMP_TO("vxlan_in")),
	/* route_localnet on our bridges would open the host's loopback to containers, and let them send as loopback: it is no martian then. */
	RULE("raw_in", IPV4, LOAD(IP4_DADDR_FIRST, NFT_REG_1), NFT_EQ(NFT_REG_1, 127),
	     IIFNAME(NFT_REG_1), IN(NFT_SET_BRIDGES), NFT_DROP),
	RULE("raw_in", IPV4, LOAD(IP4_SADDR_FIRST, NFT_REG_1), NFT_EQ(NFT_REG_1, 127),
	     IIFNAME(NFT_REG_1), IN(NFT_SET_BRIDGES), NFT_DROP),
	RULE("raw_out", UDP_TO_VXLAN, NFT_JUMP_TO("vxlan_out")),
	RULE("vxlan_in", IPV4, NOT_FROM_HERE, LOAD(IP4_SADDR, NFT_REG_1), IN(NFT_SET_VTEPS4),
	     ROUTE_BACK(1), NFT_NOTRACK, NFT_ACCEPT),
	RULE("vxlan_in", IPV6, NOT_FROM_HERE, LOAD(IP6_SADDR, NFT_REG_1), IN(NFT_SET_VTEPS6),
	     ROUTE_BACK(1), NFT_NOTRACK, NFT_ACCEPT),
	RULE("vxlan_in", REFUSE_VXLAN),
	RULE("vxlan_out", NFT_META(NFT_META_SKUID, NFT_REG_1),
	     NFT_CMP_U32(NFT_CMP_NEQ, NFT_REG_1, 0), REFUSE_VXLAN),
	RULE("vxlan_out", NFT_NOTRACK),

	/* Loopback's addresses are published to this host alone: a translated packet would pass as no martian. */
	RULE("nat_in", IPV4, LOAD(IP4_DADDR_FIRST, NFT_REG_1), NFT_EQ(NFT_REG_1, 127), NFT_ACCEPT),
	RULE("nat_in", DNS_FROM_OTHERS(IPPROTO_UDP), NFT_REDIRECT),
	RULE("nat_in", DNS_FROM_OTHERS(IPPROTO_TCP), NFT_REDIRECT),
	RULE("nat_in", DNS_FROM_ONE4(IPPROTO_UDP), NFT_REDIRECT),
	RULE("nat_in", DNS_FROM_ONE4(IPPROTO_TCP), NFT_REDIRECT),
	RULE("nat_in", DNS_FROM_ONE6(IPPROTO_UDP), NFT_REDIRECT),
	RULE("nat_in", DNS_FROM_ONE6(IPPROTO_TCP), NFT_REDIRECT),
	RULE("nat_in", NFT_JUMP_TO("publish")),
	/* The answer to ::1 would be dropped. */
	RULE("nat_out", IPV6, LOAD(IP6_DADDR, NFT_REG_1),
	     NFT_EQ(NFT_REG_1, ZERO4, ZERO4, ZERO4, 0, 0, 0, 1), NFT_ACCEPT),
	RULE("nat_out", NFT_JUMP_TO("publish")),
	RULE("publish", IPV4, L4PROTO(NFT_REG_1), LOAD(IP4_DADDR, AFTER4),
	     LOAD(DPORT, AFTER4_PROTO), PUBLISHED(NFT_MAP_PUBLISH4, NFPROTO_IPV4, AFTER4)),
	RULE("publish", IPV4, L4PROTO(NFT_REG_1), LOAD(DPORT, AFTER4),
	     PUBLISHED(NFT_MAP_PUBLISH4_ANY, NFPROTO_IPV4, AFTER4)),
	RULE("publish", IPV6, L4PROTO(NFT_REG_1), LOAD(IP6_DADDR, AFTER4),
	     LOAD(DPORT, AFTER6_PROTO), PUBLISHED(NFT_MAP_PUBLISH6, NFPROTO_IPV6, AFTER6)),
	RULE("publish", IPV6, L4PROTO(NFT_REG_1), LOAD(DPORT, AFTER4),
	     PUBLISHED(NFT_MAP_PUBLISH6_ANY, NFPROTO_IPV6, AFTER6)),

	RULE("forward", IIFNAME(NFT_REG_1), NOT_IN(NFT_SET_BRIDGES), OIFNAME(NFT_REG_1),
	     NOT_IN(NFT_SET_BRIDGES), NFT_ACCEPT),
	RULE("forward", ESTABLISHED, NFT_ACCEPT),
	RULE("forward", PAIR, IN(NFT_SET_ICC), NFT_ACCEPT),
	RULE("forward", IIFNAME(NFT_REG_1), IN(NFT_SET_INTERNAL), NFT_DROP),
	RULE("forward", OIFNAME(NFT_REG_1), IN(NFT_SET_INTERNAL), NFT_DROP),
	RULE("forward", DNATED, NFT_ACCEPT),
	RULE("forward", OIFNAME(NFT_REG_1), NOT_IN(NFT_SET_BRIDGES), NFT_ACCEPT),
	RULE("forward", IPV4, LOAD(IP4_DADDR, NFT_REG_1), L4PROTO(AFTER4),
	     LOAD(DPORT, AFTER4_PROTO), IN(NFT_SET_OPEN4), NFT_ACCEPT),
	RULE("forward", IPV6, LOAD(IP6_DADDR, NFT_REG_1), L4PROTO(AFTER6),
	     LOAD(DPORT, AFTER6_PROTO), IN(NFT_SET_OPEN6), NFT_ACCEPT),
	RULE("forward", NFT_DROP),

	/* To a container's own bridge: to itself, or to its sibling, which would answer it directly. */
	RULE("masq", DNATED, IPV4, LOAD(IP4_SADDR, NFT_REG_1), OIFNAME(AFTER4), IN(NFT_SET_MEMBER4),
	     NFT_MASQUERADE),
	RULE("masq", DNATED, IPV6, LOAD(IP6_SADDR, NFT_REG_1), OIFNAME(AFTER6), IN(NFT_SET_MEMBER6),
	     NFT_MASQUERADE),
	RULE("masq", IPV4, LOAD(IP4_SADDR_FIRST, NFT_REG_1), NFT_EQ(NFT_REG_1, 127),
	     OIFNAME(NFT_REG_1), IN(NFT_SET_BRIDGES), NFT_MASQUERADE),
	RULE("masq", IPV4, IIFNAME(NFT_REG_1), IN(NFT_SET_MASQ4), PAIR, NOT_IN(NFT_SET_ICC),
	     NFT_MASQUERADE),
	RULE("masq", IPV6, IIFNAME(NFT_REG_1), IN(NFT_SET_MASQ6), PAIR, NOT_IN(NFT_SET_ICC),
	     NFT_MASQUERADE),
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
