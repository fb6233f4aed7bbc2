# SPDX-License-Identifier: GPL-2.0-or-later
foreach(name mem proc err log addr id buf strv json backoff b64 clock)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c LIBS ovl_base)
endforeach()
