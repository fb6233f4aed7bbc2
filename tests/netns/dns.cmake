# SPDX-License-Identifier: GPL-2.0-or-later
foreach(test dns_forward dns_forward_askers)
	ovl_netns_test(NAME test_${test} SOURCES test_${test}.c dns_forward_lab.c ../kernel_facts/nft_lab.c LIBS ovl_dns)
endforeach()
foreach(test dns_listen dns_listen_tcp)
	ovl_netns_test(NAME test_${test} SOURCES test_${test}.c dns_listen_lab.c dns_lab.c ../kernel_facts/nft_lab.c LIBS ovl_dns)
endforeach()
ovl_netns_test(NAME test_dns SOURCES test_dns.c dns_lab.c ../kernel_facts/nft_lab.c LIBS ovl_dns)
