# SPDX-License-Identifier: GPL-2.0-or-later
ovl_unit_test(NAME test_api_route SOURCES test_api_route.c LIBS ovl_api_server)
ovl_unit_test(NAME test_api_bodies SOURCES test_api_bodies.c LIBS ovl_api)
ovl_unit_test(NAME test_api_filter SOURCES test_api_filter.c LIBS ovl_api_filter)
ovl_unit_test(NAME test_api_listen SOURCES test_api_listen.c LIBS ovl_api_server)
ovl_unit_test(NAME test_api_server SOURCES test_api_server.c api_client.c LIBS ovl_api_server)
# The agent's modules are the test's own (api_modules*.c)
foreach(name routes local dns)
	ovl_unit_test(NAME test_api_${name} SOURCES test_api_${name}.c api_lab.c api_client.c api_modules.c api_modules_dns.c
		${PROJECT_SOURCE_DIR}/agent/events.c LIBS ovl_api_routes ovl_model)
endforeach()
ovl_unit_test(NAME test_dns_text SOURCES test_dns_text.c LIBS ovl_ctl)
# Run DIR/bin/ovlctl
foreach(name ctl ctl_dns)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c ctl_lab.c LIBS ovl_api_server ovl_ctl)
	if(TARGET test_${name})
		add_dependencies(test_${name} ovlctl)
	endif()
endforeach()
# The same, over the route itself; the doctor is the test's own
ovl_unit_test(NAME test_ctl_doctor SOURCES test_ctl_doctor.c ctl_lab.c LIBS ovl_api_routes ovl_api_server ovl_ctl)
if(TARGET test_ctl_doctor)
	add_dependencies(test_ctl_doctor ovlctl)
endif()
