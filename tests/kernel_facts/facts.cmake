# SPDX-License-Identifier: GPL-2.0-or-later
# Links, entries, notifications: what overlay/knl_* relies on.
foreach(fact link_make vxlan_create vxlan_change fdb neigh mtu suppress delete_group netns_mount direct nd_forward)
	ovl_kernel_fact(NAME fact_${fact} SOURCES fact_${fact}.c nft_lab.c LIBS ovl_base)
endforeach()
ovl_kernel_fact(NAME fact_event SOURCES fact_event.c nft_lab.c LIBS ovl_base PkgConfig::libmnl)
ovl_kernel_fact(NAME fact_localnet SOURCES fact_localnet.c nft_lab.c LIBS ovl_base PkgConfig::libmnl)
