# SPDX-License-Identifier: GPL-2.0-or-later
ovl_fuzzer(NAME fuzz_run SOURCES fuzz_run.c LIBS ovl_run CORPUS corpus/run)
