# SPDX-License-Identifier: GPL-2.0-or-later
ovl_kernel_fact(NAME fact_run_etc SOURCES fact_run_etc.c)
ovl_kernel_fact(NAME fact_run_mounts SOURCES fact_run_mounts.c)
ovl_kernel_fact(NAME fact_run_process SOURCES fact_run_process.c)
