# SPDX-License-Identifier: GPL-2.0-or-later
ovl_fuzzer(NAME fuzz_json SOURCES fuzz_json.c LIBS ovl_base CORPUS corpus/json)
ovl_fuzzer(NAME fuzz_addr SOURCES fuzz_addr.c LIBS ovl_base CORPUS corpus/addr)
