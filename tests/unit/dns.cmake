# SPDX-License-Identifier: GPL-2.0-or-later
ovl_unit_test(NAME test_resolv_conf SOURCES test_resolv_conf.c LIBS ovl_dns_pure ovl_base)
ovl_unit_test(NAME test_dns_cache SOURCES test_dns_cache.c LIBS ovl_dns_pure ovl_base)
ovl_unit_test(NAME test_resolv_follow SOURCES test_resolv_follow.c LIBS ovl_dns ovl_base)
ovl_unit_test(NAME test_dns_wire SOURCES test_dns_wire.c LIBS ovl_dns_pure ovl_base)
ovl_unit_test(NAME test_dns_wire_answer SOURCES test_dns_wire_answer.c LIBS ovl_dns_pure ovl_base)
ovl_unit_test(NAME test_dns_wire_reply SOURCES test_dns_wire_reply.c LIBS ovl_dns_pure ovl_base)
foreach(name zone zone_lookup zone_model)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c zone_lab.c LIBS ovl_dns_pure ovl_base)
endforeach()
ovl_unit_test(NAME test_dns_client SOURCES test_dns_client.c LIBS ovl_dns_pure ovl_base)
# dns_listen is its own
ovl_unit_test(NAME test_dns_hold SOURCES test_dns_hold.c LIBS ovl_dns ovl_base)
