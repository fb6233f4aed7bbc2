/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run_agent - what a supervisor tells ovld: it exists, joins its networks, its command runs, it ended.
 *
 * Life cycle: (peer ->) register -> connect each network -> started -> ended. After a successful register, ended is owed on every way out.
 */
#pragma once
#include "agent/api/body_run.h"
#include "agent/run/run_http.h"
#include "agent/run/run_ns.h"

struct run_agent {
	struct run_http http;
	const struct run_request *request; /* borrowed */
	char *name; /* given by ovld; NULL: not registered */
	char *log_path; /* told by ovld; NULL: keep no output */
	char *resolv_conf, *hosts; /* told by ovld: where it keeps the container's; NULL: none */
};
/** run_agent_peer() - the supervisor whose network namespace the request asks to share; ret->name is the request's. -ENOENT, -ESRCH: it is ending. */
int run_agent_peer(struct run_agent *a, struct run_ns_peer *ret, struct err *e);
/** run_agent_register() - this process as supervisor of @argv. -EEXIST: the name is in use. */
int run_agent_register(struct run_agent *a, char *const *argv, struct err *e);
/** run_agent_connect() - every network of the request, in order; the first failure ends it. */
int run_agent_connect(struct run_agent *a, struct err *e);
/** run_agent_started() - -ENOENT: ovld no longer knows the container. */
int run_agent_started(struct run_agent *a, pid_t command, struct err *e);
/** run_agent_ended() - endpoints go, the name is free. @code -1: it never started. Failures are of no use to anybody: ovld will notice. */
void run_agent_ended(struct run_agent *a, int code, int signal);
void run_agent_done(struct run_agent *a);
