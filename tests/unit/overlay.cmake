# SPDX-License-Identifier: GPL-2.0-or-later
ovl_unit_test(NAME test_nft SOURCES test_nft.c LIBS ovl_overlay PkgConfig::libnftnl)
