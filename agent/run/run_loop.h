/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run_loop - the supervisor's life beside its command: output to the log (and the terminal), signals passed on, until it ends.
 */
#pragma once
#include "agent/run/run_child.h"
#include "agent/run/run_etc.h"
#include "agent/run/run_log.h"

struct run_loop {
	struct run_child *child;
	struct run_log *log;
	int signal_fd; /* of run_loop_signals(), all of them blocked */
	struct run_etc *etc; /* looked after; its descriptors may be none */
	bool tee; /* output to our stdout and stderr too */
};
/** run_loop_signals() - the set that the loop wants to read. */
void run_loop_signals(sigset_t *ret);
/** run_loop_run() - returns when the command has ended and its output is written. */
void run_loop_run(const struct run_loop *l, int *ret_code, int *ret_signal);
