/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/run/run_http.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#define MESSAGE_MAX 1900 /* of an error text, so that what is put in front still fits */
#define ANSWER_CHUNK 16384

static int status_code(unsigned status)
{
	static const struct {
		unsigned status;
		int code;
	} map[] = {
		{ 400, -EINVAL }, { 403, -EPERM },	  { 404, -ENOENT },
		{ 409, -EEXIST }, { 503, -EHOSTUNREACH }, { 504, -ETIMEDOUT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (map[i].status == status)
			return map[i].code;
	}
	return status >= 200 && status < 300 ? 0 : -EIO;
}

/* "HTTP/1.1 200 OK". Return: false if it is none. */
static bool status_line(const char *line, unsigned *ret)
{
	static const char start[] = "HTTP/1.";
	const char *p = line + strlen(start);
	unsigned status = 0;

	if (strncmp(line, start, strlen(start)) != 0 || (*p != '0' && *p != '1') || p[1] != ' ')
		return false;
	for (int i = 2; i < 5; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		status = status * 10 + (unsigned)(p[i] - '0');
	}
	*ret = status;
	return true;
}

int run_http_answer(const char *data, size_t len, cJSON **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const char *body, *message = NULL;
	unsigned status;
	int r;

	body = memmem(data, len, "\r\n\r\n", 4);
	if (!body || !status_line(data, &status))
		return err_set(e, -EPROTO, "ovld's answer is no HTTP");
	body += 4;
	if (body < data + len) {
		r = json_parse_object(body, len - (size_t)(body - data), RUN_HTTP_ANSWER_MAX, &j,
				      e);
		if (r < 0 && status_code(status) == 0) {
			err_prefix(e, "ovld's answer");
			return -EPROTO;
		}
	}
	r = status_code(status);
	if (r < 0) {
		if (!j || json_get_str(j, "message", RUN_HTTP_ANSWER_MAX, &message, NULL) < 0)
			message = NULL;
		return message ? err_set(e, r, "%.*s", MESSAGE_MAX, message) :
				 err_set(e, r, "ovld answered with status %u", status);
	}
	if (ret)
		*ret = TAKE_PTR(j);
	return 0;
}

struct exchange {
	const struct run_http *h;
	const struct run_http_request *q;
	int fd;
	uint64_t start_ms;
	bool told;
};

/* Wait until the socket can go on. Return: 0, -ECANCELED, -ETIMEDOUT. */
static int wait_for(struct exchange *x, short events, struct err *e)
{
	struct pollfd p[1 + RUN_HTTP_CANCEL_MAX] = { { .fd = x->fd, .events = events } };
	unsigned n = 1 + x->h->n_cancel;

	for (unsigned i = 0; i < x->h->n_cancel; i++)
		p[1 + i] = (struct pollfd){ .fd = x->h->cancel[i], .events = POLLIN };
	for (;;) {
		uint64_t gone = clock_boot_ms() - x->start_ms;
		uint64_t until = x->told || !x->q->what ? x->q->timeout_ms : RUN_HTTP_PATIENCE_MS;
		int r;

		if (gone >= x->q->timeout_ms)
			return err_set(e, -ETIMEDOUT, "ovld did not answer within %llu s",
				       (unsigned long long)x->q->timeout_ms / 1000);
		r = poll(p, n, gone < until ? (int)(until - gone) : 0);
		if (r < 0 && errno != EINTR)
			return err_set(e, -errno, "poll: %m");
		for (unsigned i = 1; r > 0 && i < n; i++) {
			if (p[i].revents)
				return err_set(e, -ECANCELED, "interrupted");
		}
		if (r > 0)
			return 0;
		if (r == 0 && !x->told && x->q->what) {
			x->told = true;
			dprintf(STDERR_FILENO, "waiting for ovld to %s ...\n", x->q->what);
		}
	}
}

static int send_all(struct exchange *x, const char *data, size_t len, struct err *e)
{
	while (len > 0) {
		ssize_t n = send(x->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			int r = wait_for(x, POLLOUT, e);

			if (r < 0)
				return r;
			continue;
		}
		/* Refused while it was still being sent: the answer says why. */
		if (n < 0 && errno == EPIPE)
			return 0;
		if (n < 0)
			return err_set(e, -errno, "cannot send to ovld: %m");
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int receive_all(struct exchange *x, struct buf *in, struct err *e)
{
	char chunk[ANSWER_CHUNK];

	for (;;) {
		ssize_t n;
		int r = wait_for(x, POLLIN, e);

		if (r < 0)
			return r;
		n = recv(x->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n == 0)
			break;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return err_set(e, -EHOSTDOWN, "ovld went away while it was asked: %m");
		if (buf_append(in, chunk, (size_t)n) < 0)
			return err_set(e, -EPROTO, "ovld's answer is longer than %d bytes",
				       RUN_HTTP_ANSWER_MAX);
	}
	if (in->len == 0)
		return err_set(e, -EHOSTDOWN, "ovld went away while it was asked");
	return 0;
}

static int connect_to(const char *path, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_set(e, -errno, "socket: %m");
	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(e, -ENAMETOOLONG, "socket path longer than %zu bytes: %s",
			       sizeof(sa.sun_path) - 1, path);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int r = errno == ENOENT || errno == ECONNREFUSED ? -EHOSTDOWN : -errno;

		return err_set(e, r, "cannot reach ovld at %s: %m", path);
	}
	return TAKE_FD(fd);
}

int run_http_call(const struct run_http *h, const struct run_http_request *q, cJSON **ret,
		  struct err *e)
{
	_cleanup_free_ char *body = q->body ? json_print(q->body) : NULL;
	_cleanup_close_ int fd = connect_to(h->socket, e);
	_cleanup_buf_ struct buf in = { 0 };
	struct exchange x = { .h = h, .q = q, .fd = fd, .start_ms = clock_boot_ms() };
	_cleanup_free_ char *head = NULL;
	int r;

	if (fd < 0)
		return fd;
	head = mem_printf("%s %s HTTP/1.0\r\nHost: ovld\r\n%sContent-Length: %zu\r\n\r\n",
			  q->method, q->path, body ? "Content-Type: application/json\r\n" : "",
			  body ? strlen(body) : 0);
	buf_init(&in, RUN_HTTP_ANSWER_MAX);
	r = send_all(&x, head, strlen(head), e);
	if (r == 0 && body)
		r = send_all(&x, body, strlen(body), e);
	if (r == 0)
		r = receive_all(&x, &in, e);
	return r < 0 ? r : run_http_answer(in.data, in.len, ret, e);
}
