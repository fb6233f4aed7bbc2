# SPDX-License-Identifier: GPL-2.0-or-later
ovl_fuzzer(NAME fuzz_api_bodies SOURCES fuzz_api_bodies.c LIBS ovl_api ovl_api_filter CORPUS corpus/api_bodies)
