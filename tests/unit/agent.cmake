# SPDX-License-Identifier: GPL-2.0-or-later
foreach(name config target hostnet vtep events)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c LIBS ovl_agent)
endforeach()
foreach(name compile compile_local sandbox)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c LIBS ovl_compile)
endforeach()
ovl_unit_test(NAME test_reconcile SOURCES test_reconcile.c reconcile_lab.c state_lab.c LIBS ovl_reconcile ovl_fake_kernel)
