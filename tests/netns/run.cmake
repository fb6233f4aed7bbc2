# SPDX-License-Identifier: GPL-2.0-or-later
ovl_netns_test(NAME test_run_supervisor SOURCES test_run_supervisor.c run_lab.c LIBS ovl_run)
if(TARGET test_run_supervisor)
	add_dependencies(test_run_supervisor ovl-run)
endif()
ovl_netns_test(NAME test_containers SOURCES test_containers.c LIBS ovl_agent)
