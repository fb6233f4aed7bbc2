# SPDX-License-Identifier: GPL-2.0-or-later
foreach(name config target hostnet vtep events)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c LIBS ovl_agent)
endforeach()
