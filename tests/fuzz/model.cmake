# SPDX-License-Identifier: GPL-2.0-or-later
ovl_fuzzer(NAME fuzz_model SOURCES fuzz_model.c LIBS ovl_model CORPUS corpus/model)
