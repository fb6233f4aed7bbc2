/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run_child - the container's command as a child process that does not outlive its supervisor.
 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

struct run_child {
	pid_t pid;
	int out, err; /* its stdout and stderr, non-blocking; -1 after their end */
	bool group; /* it leads a session of its own */
};
struct run_child_spec {
	char *const *argv;
	/* What it starts with: as they were before this program changed them. */
	sigset_t mask;
	struct sigaction sigpipe;
	bool detach; /* own session, nothing on stdin; else the caller's session and stdin, so that it may read the terminal */
};
/**
 * run_child_start() - fork and execvp; returns when the program runs
 * @ret_status: on failure as a shell tells it: 127 not found, 126 not executable
 */
int run_child_start(const struct run_child_spec *s, struct run_child *ret, int *ret_status,
		    struct err *e);
/**
 * run_child_reap() - has it ended?
 *
 * What is left of a detached command's process group dies with it.
 * Return: 0 with its exit code or signal; -EAGAIN: it runs.
 */
int run_child_reap(struct run_child *c, int *ret_code, int *ret_signal);
void run_child_done(struct run_child *c);
