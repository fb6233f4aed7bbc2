/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_skel - the rules of ovl, as data. They never change at run time: attaching adds set elements (nft_elem.h).
 *
 * Overlay namespace, `table inet ovl`: networks share the namespace and must not meet in it (tests/kernel_facts/fact_nft_shared_ns.c shows
 * each leak and its cure). Nothing is forwarded; what is delivered here must be addressed to the network it came from (fib daddr .
 * iif) and come from an address of that network (fib saddr . iif), and only DNS, echo and neighbour discovery are served. ND
 * stands before the source check: its link-local sources have no route on bridges, and the kernel answers it per device.
 *
 * Overlay namespace, `table bridge ovl`: port security. Only frames that enter by a container's port ("ve*") are judged: IPv4, ARP and IPv6
 * only, untagged, with the port's own MAC and address as source (ARP: both senders; ND advertisements: the target too), no router
 * advertisement and no redirect. Link-local and unspecified IPv6 sources need the MAC alone.
 *
 * Host namespace, `table inet ovl`: VXLAN is taken only from a known VTEP, on the interface that leads back to it, and neither from
 * `ovl-gw` nor from lo; other packets to the port are counted and dropped, forwarded ones too (a container's, masqueraded, would
 * arrive at the next node with this node's VTEP as source). The route back is asked instead of `fib daddr type local` because a container on
 * any other bridge of the host may forge a VTEP as source. Sent from here: the kernel's own encapsulated packets carry no socket of this
 * namespace, so a socket of anyone but root is refused (fact_nft_vxlan_output.c). Both directions go untracked.
 */
#pragma once
#include "overlay/nft_table.h"

#define NFT_SET_GUARD4 "guard4" /* interface . MAC . IPv4 */
#define NFT_SET_GUARD6 "guard6" /* interface . MAC . IPv6 */
#define NFT_SET_MACS "macs" /* interface . MAC */
#define NFT_SET_VTEPS4 "vteps4"
#define NFT_SET_VTEPS6 "vteps6"

extern const struct nft_table_def nft_skel_overlay;
extern const struct nft_table_def nft_skel_bridge;
extern const struct nft_table_def nft_skel_host;
