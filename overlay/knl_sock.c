/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_sock.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "overlay/netns.h"

#define RECV_BYTES (64u << 10) /* the kernel's dumps come in pieces of at most 32 KiB */
#define SNDBUF_BYTES (4 << 20) /* a batch of KNL_BATCH_MAX entries is 60 to 100 KiB */
#define RCVBUF_BYTES (8 << 20) /* every message of a batch may be answered by an error */
#define ANSWER_TIMEOUT_S \
	10 /* answers are there when send() returns; this is for a kernel gone wrong */
#define EXTACK_MAX 256

struct request {
	int status;
	int allow[KNL_ALLOW_MAX];
};
struct knl_sock {
	struct mnl_socket *nl;
	uint32_t first_seq; /* of the batch */
	unsigned n;
	bool sent; /* the batch was sent: the next knl_begin() starts another */
	char *out;
	size_t len, cap;
	struct nlmsghdr *cur;
	struct request *req;
	unsigned req_cap;
	unsigned failed;
	char extack[EXTACK_MAX];
	char in[RECV_BYTES] __attribute__((aligned(8)));
};

static int set_buffer(int fd, int force, int plain, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes)) < 0 ? -errno : 0;
}

static int open_fd(int nsfd, int flags, int protocol)
{
	int fd;

	if (nsfd >= 0)
		return netns_socket(nsfd, AF_NETLINK, SOCK_RAW | flags, protocol);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol);
	return fd < 0 ? -errno : fd;
}

int knl_open_protocol(int nsfd, int protocol, struct knl_sock **ret, struct err *e)
{
	static const int options[] = { NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK };
	struct timeval tv = { .tv_sec = ANSWER_TIMEOUT_S };
	_cleanup_close_ int fd = open_fd(nsfd, 0, protocol);
	struct mnl_socket *nl;
	struct knl_sock *s;

	if (fd < 0)
		return err_set(e, fd, "cannot open a netlink socket: %s", strerror(-fd));
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, SNDBUF_BYTES);
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RCVBUF_BYTES);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		int one = 1;

		if (setsockopt(fd, SOL_NETLINK, options[i], &one, sizeof(one)) < 0)
			return err_set(e, -errno, "netlink socket option %d: %s", options[i],
				       strerror(errno));
	}
	nl = mnl_socket_fdopen(fd);
	if (!nl)
		return err_set(e, -errno, "netlink socket: %s", strerror(errno));
	TAKE_FD(fd);
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		int code = -errno;

		mnl_socket_close(nl);
		return err_set(e, code, "cannot bind a netlink socket: %s", strerror(-code));
	}
	s = mem_alloc(sizeof(*s));
	s->nl = nl;
	s->first_seq = 1;
	*ret = s;
	return 0;
}

int knl_open(int nsfd, struct knl_sock **ret, struct err *e)
{
	return knl_open_protocol(nsfd, NETLINK_ROUTE, ret, e);
}

void knl_close(struct knl_sock *s)
{
	if (!s)
		return;
	mnl_socket_close(s->nl);
	free(s->out);
	free(s->req);
	free(s);
}

static void end_message(struct knl_sock *s)
{
	if (s->cur)
		s->len += MNL_ALIGN(s->cur->nlmsg_len);
	s->cur = NULL;
}

/* Sequence numbers go on, so that a late answer to an earlier batch is not taken for one to this. */
void knl_drop(struct knl_sock *s)
{
	s->first_seq += s->n;
	s->n = 0;
	s->len = 0;
	s->cur = NULL;
	s->sent = false;
}

struct nlmsghdr *knl_begin(struct knl_sock *s, uint16_t type, uint16_t flags, const void *header,
			   size_t len)
{
	struct nlmsghdr *h;

	if (s->sent)
		knl_drop(s);
	end_message(s);
	if (s->len + KNL_MSG_MAX > s->cap) {
		s->cap = s->cap * 2 + KNL_MSG_MAX;
		s->out = mem_grow(s->out, s->cap, 1);
	}
	if (s->n == s->req_cap) {
		s->req_cap = s->req_cap * 2 + 16;
		s->req = mem_grow(s->req, s->req_cap, sizeof(*s->req));
	}
	memset(&s->req[s->n], 0, sizeof(s->req[s->n]));
	memset(s->out + s->len, 0, KNL_MSG_MAX);
	h = mnl_nlmsg_put_header(s->out + s->len);
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = s->first_seq + s->n;
	memcpy(mnl_nlmsg_put_extra_header(h, len), header, len);
	s->cur = h;
	s->n++;
	return h;
}

void knl_allow(struct knl_sock *s, int code)
{
	int *allow = s->req[s->n - 1].allow;

	for (size_t i = 0; i < KNL_ALLOW_MAX; i++)
		if (allow[i] == 0) {
			allow[i] = code;
			return;
		}
	abort(); /* more than KNL_ALLOW_MAX: an error in the caller */
}

unsigned knl_queued(const struct knl_sock *s)
{
	return s->sent ? 0 : s->n;
}

/* The kernel's words, from the attributes after the error (NETLINK_EXT_ACK). */
static void read_extack(const struct nlmsghdr *h, char *ret, size_t size)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(h);
	size_t offset = sizeof(*err);
	const struct nlattr *a;

	ret[0] = '\0';
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	/* Without NLM_F_CAPPED the whole request is repeated before the attributes. */
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		offset += mnl_nlmsg_get_payload_len(&err->msg);
	if (mnl_nlmsg_get_payload_len(h) < offset)
		return;
	mnl_attr_for_each(a, h, offset) {
		if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG)
			snprintf(ret, size, "%.*s", (int)mnl_attr_get_payload_len(a),
				 mnl_attr_get_str(a));
	}
}

static void take_error(struct knl_sock *s, unsigned index, const struct nlmsghdr *h)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(h);
	struct request *req = &s->req[index];

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*err) || err->error == 0)
		return;
	for (size_t i = 0; i < KNL_ALLOW_MAX; i++)
		if (req->allow[i] == err->error)
			return;
	req->status = err->error;
	if (s->failed++ == 0)
		read_extack(h, s->extack, sizeof(s->extack));
}

static bool is_get(uint16_t type)
{
	return (type - RTM_BASE) % 4 == 2; /* RTM_NEW, RTM_DEL, RTM_GET, RTM_SET of each object */
}

/* Answers up to that of the last request. */
static int read_answers(struct knl_sock *s, knl_reply_fn reply, void *user)
{
	unsigned portid = mnl_socket_get_portid(s->nl);

	for (;;) {
		ssize_t got = mnl_socket_recvfrom(s->nl, s->in, sizeof(s->in));
		const struct nlmsghdr *h = (void *)s->in;
		bool last = false;
		int len = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (; mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len)) {
			unsigned index = h->nlmsg_seq - s->first_seq;

			if (index >= s->n || h->nlmsg_pid != portid)
				continue;
			if (h->nlmsg_type == NLMSG_ERROR)
				take_error(s, index, h);
			else if (reply)
				reply(user, index, h);
			last = last || index == s->n - 1;
		}
		if (last)
			return 0;
	}
}

int knl_send(struct knl_sock *s, knl_reply_fn reply, void *user)
{
	struct nlmsghdr *last = s->cur;
	int r;

	s->failed = 0;
	s->extack[0] = '\0';
	if (s->sent || s->n == 0)
		return 0;
	/* A get is answered anyway; all others only on demand, and one acknowledgement says that the batch is through. */
	if (!is_get(last->nlmsg_type))
		last->nlmsg_flags |= NLM_F_ACK;
	end_message(s);
	s->sent = true;
	if (mnl_socket_sendto(s->nl, s->out, s->len) < 0)
		r = -errno;
	else
		r = read_answers(s, reply, user);
	if (r < 0) {
		s->failed = s->n;
		for (unsigned i = 0; i < s->n; i++)
			s->req[i].status = s->req[i].status < 0 ? s->req[i].status : r;
		return r;
	}
	for (unsigned i = 0; s->failed > 0 && i < s->n; i++)
		if (s->req[i].status < 0)
			return s->req[i].status;
	return 0;
}

int knl_status(const struct knl_sock *s, unsigned index)
{
	return index < s->n ? s->req[index].status : -EINVAL;
}

unsigned knl_failed(const struct knl_sock *s)
{
	return s->failed;
}

const char *knl_extack(const struct knl_sock *s)
{
	return s->extack;
}

int knl_fail(const struct knl_sock *s, struct err *e, int code, const char *fmt, ...)
{
	char what[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (s->extack[0] != '\0')
		return err_set(e, code, "%s: %s (%s)", what, s->extack, strerror(-code));
	return err_set(e, code, "%s: %s", what, strerror(-code));
}

/* Return: 1 when the dump is complete, 0 to read on, -errno; *interrupted set when it has to be read anew. */
static int dump_message(struct knl_sock *s, const struct nlmsghdr *h, knl_dump_fn fn, void *user,
			bool *interrupted)
{
	if (h->nlmsg_seq != s->first_seq || h->nlmsg_pid != mnl_socket_get_portid(s->nl))
		return 0;
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		*interrupted = true;
	if (h->nlmsg_type == NLMSG_ERROR) {
		take_error(s, 0, h);
		return s->failed ? s->req[0].status : 1;
	}
	if (h->nlmsg_type == NLMSG_DONE) {
		int status = 0;

		if (mnl_nlmsg_get_payload_len(h) >= sizeof(status))
			memcpy(&status, mnl_nlmsg_get_payload(h), sizeof(status));
		return status < 0 ? status : 1;
	}
	if (!*interrupted)
		fn(user, h);
	return 0;
}

static int dump_once(struct knl_sock *s, knl_dump_fn fn, void *user, bool *interrupted)
{
	struct nlmsghdr *request = (void *)s->out;

	request->nlmsg_seq = s->first_seq;
	fn(user, NULL);
	if (mnl_socket_sendto(s->nl, s->out, s->len) < 0)
		return -errno;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(s->nl, s->in, sizeof(s->in));
		const struct nlmsghdr *h = (void *)s->in;
		int len = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (; mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len)) {
			int r = dump_message(s, h, fn, user, interrupted);

			if (r != 0)
				return r < 0 ? r : 0;
		}
	}
}

int knl_dump(struct knl_sock *s, knl_dump_fn fn, void *user, struct err *e)
{
	int r = -EAGAIN;

	end_message(s);
	s->failed = 0;
	s->extack[0] = '\0';
	for (unsigned i = 0; i < KNL_DUMP_TRIES; i++) {
		bool interrupted = false;

		r = dump_once(s, fn, user, &interrupted);
		s->first_seq++;
		if (r < 0 || !interrupted)
			break;
		r = -EAGAIN;
	}
	s->sent = true;
	if (r == -EAGAIN)
		return err_set(e, r, "the kernel's tables change too fast to be read");
	if (r < 0)
		return knl_fail(s, e, r, "cannot read the kernel's tables");
	return 0;
}

int knl_monitor(int nsfd, const int *groups, size_t n_groups, int rcvbuf_bytes)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	_cleanup_close_ int fd = open_fd(nsfd, SOCK_NONBLOCK, NETLINK_ROUTE);
	int r;

	if (fd < 0)
		return fd;
	r = set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, rcvbuf_bytes);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	for (size_t i = 0; i < n_groups; i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return -errno;
	return TAKE_FD(fd);
}
