# SPDX-License-Identifier: GPL-2.0-or-later
ovl_unit_test(NAME test_plugin_body SOURCES test_plugin_body.c LIBS ovl_docker_pure)
ovl_unit_test(NAME test_plugin_body_network SOURCES test_plugin_body_network.c LIBS ovl_docker_pure)
ovl_unit_test(NAME test_docker_decode SOURCES test_docker_decode.c LIBS ovl_docker_pure)
ovl_unit_test(NAME test_docker_sync SOURCES test_docker_sync.c LIBS ovl_docker_pure)
ovl_unit_test(NAME test_docker_api SOURCES test_docker_api.c docker_lab.c LIBS ovl_docker_api)
ovl_unit_test(NAME test_plugin SOURCES test_plugin.c plugin_lab.c api_client.c LIBS ovl_docker_plugin)
ovl_unit_test(NAME test_plugin_replay SOURCES test_plugin_replay.c plugin_lab.c api_client.c LIBS ovl_docker_plugin)
if(TARGET test_plugin_replay)
	target_compile_definitions(test_plugin_replay PRIVATE TRACES="${CMAKE_CURRENT_SOURCE_DIR}/docker_traces")
endif()
ovl_unit_test(NAME test_docker_watch SOURCES test_docker_watch.c docker_watch_lab.c docker_lab.c LIBS ovl_docker_watch ovl_fake_kv)
# Docker, endpoints and the host are the tests' own (docker_world.c)
foreach(name ipam network ends)
	ovl_unit_test(NAME test_docker_${name} SOURCES test_docker_${name}.c docker_world.c docker_world_calls.c
		LIBS ovl_docker ovl_fake_kv ovl_fake_kernel)
endforeach()
# Docker's API and names, this node's endpoints and sockets are the tests' own
ovl_unit_test(NAME test_docker_gwbridge SOURCES test_docker_gwbridge.c LIBS ovl_docker)
