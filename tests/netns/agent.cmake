# SPDX-License-Identifier: GPL-2.0-or-later
ovl_netns_test(NAME test_firewalld SOURCES test_firewalld.c ../kernel_facts/nft_lab.c LIBS ovl_agent ovl_overlay)
