/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawn - start the supervisor of a container (agent/run): found beside ovlctl's own program, else in RUN_LIBEXEC_DIR, else in PATH.
 */
#pragma once
#include "agent/api/body_run.h"

/** spawn_foreground() - become the supervisor: terminal, signals and exit status are its own. Returns only on failure. */
int spawn_foreground(const struct run_request *q, char *const *command, struct err *e);
/**
 * spawn_detached() - start it and wait for its report
 * @ret: run_report_done(); ->error is set when the container could not be made
 */
int spawn_detached(const struct run_request *q, char *const *command, struct run_report *ret,
		   struct err *e);
