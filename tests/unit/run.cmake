# SPDX-License-Identifier: GPL-2.0-or-later
ovl_unit_test(NAME test_run SOURCES test_run.c LIBS ovl_run)
ovl_unit_test(NAME test_follow SOURCES test_follow.c LIBS ovl_ctl ovl_run)
