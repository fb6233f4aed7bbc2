# SPDX-License-Identifier: GPL-2.0-or-later
ovl_unit_test(NAME test_nft SOURCES test_nft.c LIBS ovl_overlay PkgConfig::libnftnl)
ovl_unit_test(NAME test_state SOURCES test_state.c LIBS ovl_state)
# apply.c links with the seam alone: what it needs of the kernel is behind it.
foreach(name diff observe apply apply_local)
	ovl_unit_test(NAME test_${name} SOURCES test_${name}.c state_lab.c LIBS ovl_overlay ovl_fake_kernel)
endforeach()
