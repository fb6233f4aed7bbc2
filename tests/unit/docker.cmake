# SPDX-License-Identifier: GPL-2.0-or-later
ovl_unit_test(NAME test_plugin_body SOURCES test_plugin_body.c LIBS ovl_docker_pure)
ovl_unit_test(NAME test_plugin_body_network SOURCES test_plugin_body_network.c LIBS ovl_docker_pure)
