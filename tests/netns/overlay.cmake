# SPDX-License-Identifier: GPL-2.0-or-later
ovl_netns_test(NAME test_netns SOURCES test_netns.c LIBS ovl_overlay)
ovl_netns_test(NAME test_kernel_linux SOURCES test_kernel_linux.c kernel_lab.c LIBS ovl_overlay)
ovl_netns_test(NAME test_kernel_linux_port SOURCES test_kernel_linux_port.c kernel_lab.c LIBS ovl_overlay)
ovl_netns_test(NAME test_kernel_linux_event SOURCES test_kernel_linux_event.c kernel_lab.c LIBS ovl_overlay)
foreach(test nft_ground nft_elems nft_packets nft_modes nft_nat coexist coexist_docker)
	ovl_netns_test(NAME test_${test} SOURCES test_${test}.c ../kernel_facts/nft_lab.c LIBS ovl_overlay)
endforeach()
ovl_netns_test(NAME test_conntrack SOURCES test_conntrack.c ../kernel_facts/nft_lab.c LIBS ovl_overlay)
