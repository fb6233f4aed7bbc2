# SPDX-License-Identifier: GPL-2.0-or-later
ovl_unit_test(NAME test_run SOURCES test_run.c LIBS ovl_run)
