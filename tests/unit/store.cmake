# SPDX-License-Identifier: GPL-2.0-or-later
ovl_unit_test(NAME test_fake_kv SOURCES test_fake_kv.c LIBS ovl_fake_kv)
ovl_unit_test(NAME test_model SOURCES test_model.c LIBS ovl_model)
ovl_unit_test(NAME test_model_key SOURCES test_model_key.c LIBS ovl_model)
ovl_unit_test(NAME test_local SOURCES test_local.c LIBS ovl_store)
foreach(name mirror mirror_guard)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c mirror_lab.c LIBS ovl_store ovl_fake_kv)
endforeach()
