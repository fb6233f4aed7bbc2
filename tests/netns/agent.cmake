# SPDX-License-Identifier: GPL-2.0-or-later
ovl_netns_test(NAME test_firewalld SOURCES test_firewalld.c ../kernel_facts/nft_lab.c LIBS ovl_agent ovl_overlay)
foreach(test publish publish_relay)
	ovl_netns_test(NAME test_${test} SOURCES test_${test}.c publish_lab.c ../kernel_facts/nft_lab.c LIBS ovl_publish)
endforeach()
