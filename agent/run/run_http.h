/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run_http - one request to ovld, waited for.
 *
 * HTTP/1.0 over the unix socket: one request a connection, the answer ends with the connection, so nothing but a status line and a
 * body has to be understood. A supervisor makes five of them in its life; a library would weigh more than the rest of it.
 */
#pragma once
#include <cjson/cJSON.h>
#include <stdint.h>
#include "base/err.h"

#define RUN_HTTP_ANSWER_MAX (1024 * 1024) /* bytes */
#define RUN_HTTP_PATIENCE_MS 2000 /* then a line on stderr says what is waited for */
#define RUN_HTTP_CANCEL_MAX 4

struct run_http {
	const char *socket; /* path */
	/* Descriptors that end the waiting: readable, or (POLLERR) the other end is gone. */
	int cancel[RUN_HTTP_CANCEL_MAX];
	unsigned n_cancel;
};
struct run_http_request {
	const char *method, *path; /* path escaped */
	const cJSON *body; /* NULL: none */
	uint64_t timeout_ms;
	const char *what; /* "waiting for ovld to ..." after a while; NULL: quiet */
};
/**
 * run_http_call() - send and wait
 * @ret: the object answered (NULL where there was none); may be NULL
 * Return: 0 for 2xx. For others what the status stands for (-ENOENT 404, -EEXIST 409, -EINVAL 400, ...) with ovld's message in @e;
 * -ECANCELED, -ETIMEDOUT, -EPROTO, or that of connect (-ENOENT and -ECONNREFUSED become -EHOSTDOWN: ovld is away).
 */
int run_http_call(const struct run_http *h, const struct run_http_request *q, cJSON **ret,
		  struct err *e);
/** run_http_answer() - the pure half: a complete answer (a NUL past its end) to what run_http_call() returns. */
int run_http_answer(const char *data, size_t len, cJSON **ret, struct err *e);
