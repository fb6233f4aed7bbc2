# SPDX-License-Identifier: GPL-2.0-or-later
foreach(fact shared_ns foreign_vxlan vxlan_output sysctl nat bridge_route)
	ovl_kernel_fact(NAME fact_nft_${fact} SOURCES fact_nft_${fact}.c nft_lab.c LIBS ovl_base)
endforeach()
ovl_kernel_fact(NAME fact_nft_events SOURCES fact_nft_events.c nft_lab.c
	LIBS ovl_base PkgConfig::libmnl PkgConfig::libnftnl)
