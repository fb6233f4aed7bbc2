# SPDX-License-Identifier: GPL-2.0-or-later
ovl_fuzzer(NAME fuzz_config SOURCES fuzz_config.c LIBS ovl_agent CORPUS corpus/config)
ovl_fuzzer(NAME fuzz_netopt SOURCES fuzz_netopt.c LIBS ovl_compile CORPUS corpus/netopt)
