# SPDX-License-Identifier: GPL-2.0-or-later
ovl_fuzzer(NAME fuzz_docker_decode SOURCES fuzz_docker_decode.c LIBS ovl_docker_pure CORPUS corpus/docker_decode)
ovl_fuzzer(NAME fuzz_plugin_body SOURCES fuzz_plugin_body.c LIBS ovl_docker_pure CORPUS corpus/plugin_body)
