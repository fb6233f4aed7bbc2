/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/client.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <curl/curl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

struct client {
	CURL *curl;
	char *socket, *waiting;
	long timeout_s;
	char errbuf[CURL_ERROR_SIZE];
	/* Of the call under way: */
	struct buf reply;
	client_data_fn fn;
	void *user;
	int fn_result;
	bool too_large, noticed;
	uint64_t started_ms;
};

struct client *client_new(const char *socket)
{
	struct client *c = mem_alloc(sizeof(*c));

	curl_global_init(CURL_GLOBAL_DEFAULT);
	c->curl = curl_easy_init();
	if (!c->curl)
		abort();
	c->socket = mem_strdup(socket);
	c->timeout_s = CLIENT_TIMEOUT_S;
	buf_init(&c->reply, CLIENT_REPLY_MAX);
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	curl_global_cleanup();
	buf_done(&c->reply);
	free(c->socket);
	free(c->waiting);
	free(c);
}

const char *client_socket(const struct client *c)
{
	return c->socket;
}

void client_set_timeout(struct client *c, long seconds)
{
	c->timeout_s = seconds;
}

void client_set_waiting(struct client *c, const char *what)
{
	free(c->waiting);
	c->waiting = mem_strdup(what);
}

char *client_escape(const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = mem_alloc(strlen(text) * 3 + 1), *p = out;

	for (; *text; text++) {
		unsigned char ch = (unsigned char)*text;

		if (isalnum(ch) || strchr("-._~", ch)) {
			*p++ = (char)ch;
		} else {
			*p++ = '%';
			*p++ = hex[ch >> 4];
			*p++ = hex[ch & 15];
		}
	}
	return out;
}

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
	struct client *c = user;
	long status = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	/* An error's body is short and has the message, also where a stream was asked for. */
	if (c->fn && status < 300) {
		c->fn_result = c->fn(c->user, data, size * n);
		return c->fn_result == 0 ? size * n : 0;
	}
	if (buf_append(&c->reply, data, size * n) < 0) {
		c->too_large = true;
		return 0;
	}
	return size * n;
}

static int on_progress(void *user, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total,
		       curl_off_t ul)
{
	struct client *c = user;

	(void)dl_total;
	(void)dl;
	(void)ul_total;
	(void)ul;
	if (c->noticed || !c->waiting || !isatty(STDERR_FILENO) ||
	    clock_boot_ms() - c->started_ms < CLIENT_WAIT_NOTICE_MS)
		return 0;
	c->noticed = true;
	fprintf(stderr, "waiting for %s ...\n", c->waiting);
	return 0;
}

static int code_of(long status)
{
	switch (status) {
	case 400:
		return -EINVAL;
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 409:
		return -EEXIST;
	case 413:
		return -EMSGSIZE;
	case 503:
		return -EAGAIN;
	default:
		return -EREMOTEIO;
	}
}

static int no_reply(struct client *c, CURLcode code, struct err *e)
{
	const char *why = c->errbuf[0] ? c->errbuf : curl_easy_strerror(code);
	long os = 0;

	if (c->fn_result)
		return c->fn_result;
	if (c->too_large)
		return err_set(e, -EMSGSIZE, "the answer of ovld is longer than %d bytes",
			       CLIENT_REPLY_MAX);
	curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os);
	if (code == CURLE_COULDNT_CONNECT) {
		if (os == EACCES || os == EPERM)
			return err_set(e, -ENOTCONN,
				       "cannot reach ovld at %s: %s (for root and group ovl only)",
				       c->socket, strerror((int)os));
		return err_set(e, -ENOTCONN, "cannot reach ovld at %s: %s: is it running?",
			       c->socket, os ? strerror((int)os) : why);
	}
	if (code == CURLE_OPERATION_TIMEDOUT)
		return err_set(e, -ETIMEDOUT, "ovld at %s does not answer%s%s", c->socket,
			       c->waiting ? "; waited for " : "", c->waiting ? c->waiting : "");
	return err_set(e, -ENOTCONN, "connection to ovld at %s lost: %s", c->socket, why);
}

static int take_reply(struct client *c, cJSON **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const char *message = NULL;
	long status = 0;
	struct err bad = { 0 };
	int r = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (c->reply.len > 0)
		r = json_parse(c->reply.data, c->reply.len, CLIENT_REPLY_MAX, &j, &bad);
	if (status >= 200 && status < 300) {
		if (r < 0)
			return err_set(e, -EREMOTEIO, "the answer of ovld is no JSON: %s",
				       err_text(&bad));
		if (ret)
			*ret = TAKE_PTR(j);
		return 0;
	}
	if (cJSON_IsObject(j))
		json_get_str(j, "message", ERR_TEXT_MAX, &message, NULL);
	if (message)
		return err_set(e, code_of(status), "%s", message);
	return err_set(e, code_of(status), "ovld at %s answers with status %ld", c->socket, status);
}

static CURLcode perform(struct client *c, const char *method, const char *path, const char *body)
{
	_cleanup_free_ char *url = mem_printf("http://ovld%s", path);
	struct curl_slist *headers = NULL;
	CURL *h = c->curl;
	CURLcode code;

	curl_easy_reset(h);
	buf_reset(&c->reply);
	c->errbuf[0] = '\0';
	c->fn_result = 0;
	c->too_large = c->noticed = false;
	c->started_ms = clock_boot_ms();
	headers = curl_slist_append(headers, "Expect:");
	if (body)
		headers = curl_slist_append(headers, "Content-Type: application/json");
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	if (body)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
	else if (strcmp(method, "POST") == 0)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, (long)CLIENT_CONNECT_TIMEOUT_S);
	curl_easy_setopt(h, CURLOPT_TIMEOUT, c->fn ? 0L : c->timeout_s);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->errbuf);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h, CURLOPT_XFERINFODATA, c);
	code = curl_easy_perform(h);
	curl_slist_free_all(headers);
	return code;
}

/* curl would say "couldn't connect" and no more. */
static int check_path(struct client *c, struct err *e)
{
	struct sockaddr_un sa;

	if (strlen(c->socket) >= sizeof(sa.sun_path))
		return err_set(e, -ENOTCONN, "socket path %s is longer than %zu bytes", c->socket,
			       sizeof(sa.sun_path) - 1);
	return 0;
}

int client_call(struct client *c, const char *method, const char *path, const cJSON *body,
		cJSON **ret, struct err *e)
{
	_cleanup_free_ char *text = body ? json_print(body) : NULL;
	CURLcode code;
	int r = check_path(c, e);

	if (r < 0)
		return r;
	code = perform(c, method, path, text);
	return code == CURLE_OK ? take_reply(c, ret, e) : no_reply(c, code, e);
}

int client_stream(struct client *c, const char *path, client_data_fn fn, void *user, struct err *e)
{
	CURLcode code;
	int r = check_path(c, e);

	if (r < 0)
		return r;
	c->fn = fn;
	c->user = user;
	code = perform(c, "GET", path, NULL);
	c->fn = NULL;
	return code == CURLE_OK ? take_reply(c, NULL, e) : no_reply(c, code, e);
}
