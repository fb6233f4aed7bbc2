/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_lab - a server on a unix socket that answers what a test says, in the pieces it says, on the test's own loop.
 */
#pragma once
#include <stdbool.h>
#include <uv.h>
#include "base/buf.h"

#define DOCKER_LAB_SCRIPTS 64
#define OK "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

struct docker_lab {
	uv_loop_t loop;
	uv_timer_t turn;
	uv_pipe_t server;
	bool serving;
	char dir[64], path[96];
	/*
	 * What is answered, in the order of requests; the last one again and again. Written one by one; NULL or "CLOSE" at the end closes, "HANG" does not.
	 */
	const char *const *script[DOCKER_LAB_SCRIPTS];
	size_t n_script, at;
	/* Instead of it: what to answer @request ("GET /x"), kept by the test. */
	const char *const *(*answer)(void *user, const char *request);
	void *user;
	struct buf seen; /* "GET /x\n" ... with the body of a POST */
	struct buf told; /* what the test's callbacks said */
	struct docker_lab_conn *hanging; /* the last that "HANG" was answered to */
	char read_buffer[4096];
};
void docker_lab_start(struct docker_lab *l, bool serve);
void docker_lab_serve(struct docker_lab *l);
/** docker_lab_stop() - what the test has on the loop must be closing already. */
void docker_lab_stop(struct docker_lab *l);
/** docker_lab_until() - runs the loop until ->told has @told in it; fails at a deadline. */
void docker_lab_until(struct docker_lab *l, const char *told);
/** docker_lab_until_true() - the same for any condition; @what: for the failure. */
void docker_lab_until_true(struct docker_lab *l, bool (*done)(void *user), void *user,
			   const char *what);
/** docker_lab_push() - more of the answer that hangs. */
void docker_lab_push(struct docker_lab *l, const char *text);
/** docker_lab_cut() - that answer ends. */
void docker_lab_cut(struct docker_lab *l);
void docker_lab_script(struct docker_lab *l, const char *const *parts);
