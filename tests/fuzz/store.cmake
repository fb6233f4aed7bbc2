# SPDX-License-Identifier: GPL-2.0-or-later
ovl_fuzzer(NAME fuzz_etcd_json SOURCES fuzz_etcd_json.c LIBS ovl_model CORPUS corpus/etcd_json)
