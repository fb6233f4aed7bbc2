# SPDX-License-Identifier: GPL-2.0-or-later
ovl_unit_test(NAME test_fake_kv SOURCES test_fake_kv.c LIBS ovl_fake_kv)
