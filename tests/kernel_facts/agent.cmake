# SPDX-License-Identifier: GPL-2.0-or-later
ovl_kernel_fact(NAME fact_dns_sockets SOURCES fact_dns_sockets.c nft_lab.c LIBS ovl_base)
