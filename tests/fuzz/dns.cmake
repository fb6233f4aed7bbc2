# SPDX-License-Identifier: GPL-2.0-or-later
ovl_fuzzer(NAME fuzz_resolv_conf SOURCES fuzz_resolv_conf.c LIBS ovl_dns_pure ovl_base CORPUS corpus/resolv_conf)
