# SPDX-License-Identifier: GPL-2.0-or-later
ovl_fuzzer(NAME fuzz_resolv_conf SOURCES fuzz_resolv_conf.c LIBS ovl_dns_pure ovl_base CORPUS corpus/resolv_conf)
ovl_fuzzer(NAME fuzz_dns_query SOURCES fuzz_dns_query.c LIBS ovl_dns_pure ovl_base CORPUS corpus/dns_query)
ovl_fuzzer(NAME fuzz_dns_reply SOURCES fuzz_dns_reply.c LIBS ovl_dns_pure ovl_base CORPUS corpus/dns_reply)
ovl_fuzzer(NAME fuzz_zone SOURCES fuzz_zone.c LIBS ovl_dns_pure ovl_base CORPUS corpus/zone)
