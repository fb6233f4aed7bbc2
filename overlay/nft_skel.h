/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_skel - the rules of ovl, as data. They never change at run time: attaching adds elements of sets and maps (nft_elem.h, nft_host.h).
 *
 * Overlay namespace, `table inet ovl`: networks share the namespace and must not meet in it (tests/kernel_facts/fact_nft_shared_ns.c shows
 * each leak and its cure). Nothing is forwarded; what is delivered here must be addressed to the network it came from (fib daddr .
 * iif) and come from an address of that network (fib saddr . iif), and only DNS, echo and neighbour discovery are served. ND
 * stands before the source check: its link-local sources have no route on bridges, and the kernel answers it per device.
 *
 * Both namespaces, `table bridge ovl`: port security. Only frames that enter by a container's port ("ve*"; "ovp*" in the host's namespace, where
 * "veth..." is everybody's) are judged: IPv4, ARP and IPv6 only, untagged, with the port's own MAC and address as source (ARP: both senders; ND
 * advertisements: the target too), no router advertisement and no redirect. Link-local and unspecified IPv6 sources need the MAC alone. What
 * that does not let in may come from a port in `loose`, with its own MAC (ARP: as sender too), or from one in `free`.
 * In the host's namespace, chain `forward` keeps the ports in `noicc` apart. Neither `meta ibrname` nor `ct` can be relied on there: not every
 * kernel has them, and `ct` would have the frames of all bridges tracked. So the set names ports, not bridges; and what br_netfilter has seen, which
 * is told by the route it attaches, is left to the forward chain of table inet (a published port of a sibling).
 *
 * Host namespace, `table inet ovl`, VXLAN: it is taken only from a known VTEP, on the interface that leads back to it, and neither from
 * a bridge of ours nor from lo; other packets to the port are counted and dropped, forwarded ones too (a container's, masqueraded, would
 * arrive at the next node with this node's VTEP as source). The route back is asked instead of `fib daddr type local` because a container on
 * any other bridge of the host may forge a VTEP as source. Sent from here: the kernel's own encapsulated packets carry no socket of this
 * namespace, so a socket of anyone but root is refused (fact_nft_vxlan_output.c). Both directions go untracked.
 *
 * Host namespace, `table inet ovl`, the way out and in. `bridges` are ours: bridges of local networks, and ovl-gw. What neither comes from one nor
 * goes to one costs two lookups when it is forwarded, and as many for each new connection.
 *   dnsredir: DNS that comes in by such an interface, to whatever address, goes to that interface's own first address; dnsasker: from such an address.
 *   publish: the maps tell where a port of an address of this host, or of any, leads; the exact ones are asked first. The client's address is kept.
 *   forward: established; within a bridge in `icc`; nothing from or to one in `internal`; translated; from a bridge out. Into a bridge
 *     otherwise only to what is in `open`, so bridges are apart and ports are reached only as they are published.
 *   masq: hairpin (a member of the bridge it goes to), the host's loopback into a bridge, and what leaves a bridge in `masq`. For bridged
 *     frames that br_netfilter brings here there is no interface that they came in by: the member's address tells.
 */
#pragma once
#include "overlay/nft_table.h"

#define NFT_SET_GUARD4 "guard4" /* interface . MAC . IPv4 */
#define NFT_SET_GUARD6 "guard6" /* interface . MAC . IPv6 */
#define NFT_SET_MACS "macs" /* interface . MAC */
#define NFT_SET_LOOSE "loose" /* interface . MAC, any address */
#define NFT_SET_FREE "free" /* interface, anything */
#define NFT_SET_NOICC "noicc" /* interface: a port */
#define NFT_SET_VTEPS4 "vteps4"
#define NFT_SET_VTEPS6 "vteps6"
#define NFT_SET_BRIDGES "bridges" /* interface */
#define NFT_SET_MASQ4 "masq4" /* interface */
#define NFT_SET_MASQ6 "masq6"
#define NFT_SET_INTERNAL "internal" /* interface */
#define NFT_SET_ICC \
	"icc" /* interface . the same: nf_tables cannot compare two fields of a packet */
#define NFT_SET_DNSREDIR "dnsredir" /* interface */
#define NFT_SET_DNSASKER4 "dnsasker4" /* IPv4 . interface */
#define NFT_SET_DNSASKER6 "dnsasker6"
#define NFT_SET_MEMBER4 "member4" /* IPv4 . interface */
#define NFT_SET_MEMBER6 "member6"
#define NFT_SET_OPEN4 "open4" /* IPv4 . protocol . port */
#define NFT_SET_OPEN6 "open6"
#define NFT_MAP_PUBLISH4 "publish4" /* protocol . IPv4 . port : IPv4 . port */
#define NFT_MAP_PUBLISH6 "publish6"
#define NFT_MAP_PUBLISH4_ANY "publish4_any" /* protocol . port : IPv4 . port */
#define NFT_MAP_PUBLISH6_ANY "publish6_any"

extern const struct nft_table_def nft_skel_overlay;
extern const struct nft_table_def nft_skel_bridge;
extern const struct nft_table_def nft_skel_host;
extern const struct nft_table_def nft_skel_host_bridge;
