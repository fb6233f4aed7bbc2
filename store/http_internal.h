/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_internal - what http.c (the loop, the connections' sockets) and http_request.c (one request) share.
 *
 * Rule: curl calls back into http_socket_cb, http_timer_cb and the request's read, write and prereq functions while ->in_curl is
 * set; these only note what happened. What is for the user is told by http_settle(), after curl has returned.
 */
#pragma once
#include <curl/curl.h>
#include "base/buf.h"
#include "store/http.h"

#define HTTP_IDLE_MAX 16 /* easy handles kept for reuse */

struct http {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;
	struct http_request *requests; /* all, by prev/next */
	struct http_request *ready; /* something is to be told, by rprev/rnext */
	struct http_request *current; /* being told; NULL again when it was cancelled meanwhile */
	CURL *idle[HTTP_IDLE_MAX];
	size_t n_idle;
	char *ca_file, *cert_file, *key_file;
	unsigned n_handles; /* uv handles not closed yet */
	bool in_curl;
	bool closing;
	void (*closed)(void *user);
	void *user;
};

struct http_request {
	struct http *http;
	struct http_request *prev, *next, *rprev, *rnext;
	CURL *easy;
	struct curl_slist *headers;
	struct buf in; /* answer not told yet */
	struct buf out; /* body of a stream not sent yet */
	bool stream;
	bool live; /* the answer is told as it comes: stream, follow */
	bool headed; /* the answer's headers are complete */
	bool opened_told;
	bool started; /* curl has begun to send it */
	bool paused; /* curl waits for http_send() */
	bool is_ready; /* in ->ready */
	bool finished; /* ->code holds */
	bool stalled; /* curl no longer reads a stream's answer: the server has ended it */
	bool too_big; /* above answer_max */
	CURLcode code;
	char why[CURL_ERROR_SIZE];
	void (*opened)(void *user);
	void (*data)(void *user, const char *data, size_t len);
	void (*done)(void *user, const struct http_answer *a);
	void *user;
};

/** http_request_ready() - @r has something to tell: data, or the end. */
void http_request_ready(struct http_request *r);
/** http_request_tell() - tell it; @r may be gone afterwards. */
void http_request_tell(struct http_request *r);
/** http_request_socket() - curl wants @what (CURL_POLL_*) of the request's socket. */
void http_request_socket(struct http_request *r, int what);
