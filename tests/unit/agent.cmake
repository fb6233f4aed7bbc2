# SPDX-License-Identifier: GPL-2.0-or-later
foreach(name config target hostnet vtep events etc_files)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c LIBS ovl_agent)
endforeach()
foreach(name compile compile_local sandbox)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c LIBS ovl_compile)
endforeach()
foreach(name reconcile reconcile_local reconcile_examine reconcile_peer)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c reconcile_lab.c state_lab.c LIBS ovl_reconcile ovl_fake_kernel)
endforeach()
ovl_unit_test(NAME test_netopt SOURCES test_netopt.c LIBS ovl_compile)
# hostnet_read.c is the test's own
ovl_unit_test(NAME test_network_local SOURCES test_network_local.c LIBS ovl_agent)
ovl_unit_test(NAME test_endpoint_docker SOURCES test_endpoint_docker.c endpoint_lab.c endpoint_stand.c LIBS ovl_agent ovl_fake_kernel)
ovl_unit_test(NAME test_endpoint_docker_names SOURCES test_endpoint_docker_names.c endpoint_lab.c endpoint_stand.c LIBS ovl_agent ovl_fake_kernel)
ovl_unit_test(NAME test_endpoint SOURCES test_endpoint.c endpoint_lab.c endpoint_stand.c LIBS ovl_agent ovl_fake_kernel)
ovl_unit_test(NAME test_endpoint_hooks SOURCES test_endpoint_hooks.c endpoint_lab.c endpoint_stand.c LIBS ovl_agent ovl_fake_kernel)
# endpoints, sockets and the host's addresses are the test's own
ovl_unit_test(NAME test_names_gwbridge SOURCES test_names_gwbridge.c LIBS ovl_agent)
# The agent's modules are the test's own (doctor_lab.c), but for the mirror
ovl_unit_test(NAME test_doctor SOURCES test_doctor.c doctor_lab.c LIBS ovl_doctor ovl_store ovl_fake_kv)
ovl_unit_test(NAME test_doctor_docker SOURCES test_doctor_docker.c doctor_lab.c docker_lab.c LIBS ovl_doctor ovl_docker_api ovl_store ovl_fake_kv)
