/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client - one ovld at the other end of a unix socket: HTTP calls that wait for their answer (libcurl).
 *
 * Errors a person reads: what ovld said ("message" of its reply), or why there was no reply.
 */
#pragma once
#include <cjson/cJSON.h>
#include "base/err.h"

#define CLIENT_CONNECT_TIMEOUT_S 5
#define CLIENT_TIMEOUT_S 120 /* for one answer */
#define CLIENT_REPLY_MAX (256 * 1024 * 1024) /* bytes of one answer */
#define CLIENT_WAIT_NOTICE_MS 2000 /* after this a person is told what is waited for */

struct client;
/** client_new() - @socket: path of ovld's socket, copied. Nothing is connected yet. */
struct client *client_new(const char *socket);
void client_free(struct client *c);
const char *client_socket(const struct client *c);
/** client_set_timeout() - seconds for one answer; 0: for ever. */
void client_set_timeout(struct client *c, long seconds);
/** client_set_waiting() - what the next calls wait for ("network demo to be created"); shown on a terminal when they take long. NULL: nothing. Copied. */
void client_set_waiting(struct client *c, const char *what);
/**
 * client_call() - ask and wait
 * @path: from the root, segments escaped by client_escape(); with query
 * @body: NULL: none; borrowed
 * @ret: the JSON answer, NULL where it had none; owned by the caller; may be NULL
 * Return: 0 for 2xx; -ENOTCONN: no ovld there, -ETIMEDOUT; else what ovld said: -EINVAL (400), -EACCES (403), -ENOENT (404),
 * -EEXIST (409), -EMSGSIZE (413), -EAGAIN (503), -EREMOTEIO (other).
 */
int client_call(struct client *c, const char *method, const char *path, const cJSON *body,
		cJSON **ret, struct err *e);
/* Return 0 to go on, else the stream ends with that value. */
typedef int (*client_data_fn)(void *user, const char *data, size_t len);
/** client_stream() - GET, and every byte to @fn as it comes. Return: 0 when ovld ended it, as client_call(), or @fn's value. */
int client_stream(struct client *c, const char *path, client_data_fn fn, void *user, struct err *e);
/** client_escape() - percent-encoded for a path segment or query value; heap. */
char *client_escape(const char *text);
