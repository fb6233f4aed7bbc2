# SPDX-License-Identifier: GPL-2.0-or-later
foreach(name pool subnet)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c LIBS ovl_ipam)
endforeach()
ovl_unit_test(NAME test_claim_cache SOURCES test_claim_cache.c LIBS ovl_claim)
foreach(name claim claim_network claim_pool claim_race claim_release)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c claim_lab.c LIBS ovl_claim ovl_fake_kv)
endforeach()
foreach(name claim_address claim_sweep)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c claim_address_lab.c claim_lab.c
		LIBS ovl_claim ovl_fake_kv)
endforeach()
