/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/netns/dns_forward_lab.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"

#define RCVBUF (8 << 20)
#define FDS 4096
#define MESSAGE_MAX 16384
#define TC 0x02 /* of byte 2 */
#define COOKIE "\0\x0a\0\x08tellnone" /* option 10 */

void dns_forward_lab_begin(void)
{
	struct rlimit l;
	uv_loop_t loop;

	signal(SIGPIPE, SIG_IGN);
	nft_lab_begin();
	nft_lab_ns("dns");
	nft_lab_enter("dns");
	getrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_cur < FDS)
		l.rlim_cur = FDS;
	setrlimit(RLIMIT_NOFILE, &l);
	/* The first loop of a process opens what no one closes. */
	uv_loop_init(&loop);
	uv_loop_close(&loop);
}

void dns_forward_lab_end(void)
{
	nft_lab_enter(NULL);
}

static void put16(uint8_t *b, unsigned n)
{
	b[0] = (uint8_t)(n >> 8);
	b[1] = (uint8_t)n;
}

static unsigned get16(const uint8_t *b)
{
	return (unsigned)b[0] << 8 | b[1];
}

static size_t question_end(const uint8_t *pkt)
{
	size_t at = DNS_HEADER;

	while (pkt[at])
		at += pkt[at] + 1u;
	return at + 5;
}

/* The answer to @q as @u gives it, into @b (MESSAGE_MAX). */
static size_t write_answer(const struct lab_upstream *u, const uint8_t *q, enum dns_rcode rcode,
			   unsigned records, uint8_t *b)
{
	static const uint8_t soa[] = { 0, 0, 6, 0, 1, 0, 0, 0, 60, 0, 22, 0, 0, 0, 0, 0, 1,
				       0, 0, 0, 1, 0, 0, 0, 1, 0,  0, 0,  1, 0, 0, 0, 60 };
	size_t n = question_end(q);

	memcpy(b, q, n);
	b[2] = 0x80 | (q[2] & 1);
	b[3] = (uint8_t)(0x80 | rcode);
	put16(b + 6, records);
	put16(b + 8, rcode == DNS_NXDOMAIN);
	put16(b + 10, 0);
	for (unsigned i = 0; i < records; i++) {
		uint8_t rr[16] = { 0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 0 };

		put16(rr + 8, u->ttl);
		rr[15] = (uint8_t)i;
		memcpy(b + n, rr, sizeof(rr));
		n += sizeof(rr);
	}
	if (rcode == DNS_NXDOMAIN) {
		memcpy(b + n, soa, sizeof(soa));
		n += sizeof(soa);
	}
	/* EDNS comes back with what the server makes of the cookie: here the same. */
	if (get16(q + 10) == 1 && u->mode != LAB_TRUNCATED) {
		size_t opt = 11 + sizeof(COOKIE) - 1;

		put16(b + 10, 1);
		memcpy(b + n, q + question_end(q), opt);
		n += opt;
	}
	return n;
}

static void send_from_elsewhere(const struct sockaddr_storage *to, const uint8_t *b, size_t n)
{
	int fd = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	sendto(fd, b, n, 0, (const struct sockaddr *)to, sizeof(struct sockaddr_in));
	close(fd);
}

static void stall(struct lab_upstream *u)
{
	uint64_t end_ms = clock_boot_ms() + u->stall_ms;

	u->mode = LAB_ANSWER;
	while (clock_boot_ms() < end_ms)
		poll(NULL, 0, (int)u->stall_ms);
}

static void answer_udp(struct lab_upstream *u, const uint8_t *q, const struct sockaddr_storage *to)
{
	static uint8_t b[MESSAGE_MAX];
	socklen_t to_len = to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
						       sizeof(struct sockaddr_in);
	size_t n = write_answer(u, q, DNS_NOERROR, u->records, b);
	unsigned times = 1;

	switch (u->mode) {
	case LAB_ANSWER:
	case LAB_ANSWER_AND_STALL:
		break;
	case LAB_SILENT:
		return;
	case LAB_RCODE:
		n = write_answer(u, q, u->rcode, 0, b);
		break;
	case LAB_NO_QUESTION:
		n = write_answer(u, q, u->rcode, 0, b) ? DNS_HEADER : 0;
		memset(b + 4, 0, 8);
		break;
	case LAB_NXDOMAIN:
		n = write_answer(u, q, DNS_NXDOMAIN, 0, b);
		break;
	case LAB_WRONG_ID:
	case LAB_WRONG_ONLY:
		times = u->mode == LAB_WRONG_ID ? 1 : DNS_FORWARD_WRONG_MAX;
		b[1] ^= 1;
		while (times-- > 0)
			sendto(u->fd, b, n, 0, (const struct sockaddr *)to, to_len);
		if (u->mode == LAB_WRONG_ONLY)
			return;
		b[1] ^= 1;
		break;
	case LAB_WRONG_QUESTION:
		b[DNS_HEADER + 1] ^= 1;
		sendto(u->fd, b, n, 0, (const struct sockaddr *)to, to_len);
		b[DNS_HEADER + 1] ^= 1;
		break;
	case LAB_OTHER_ADDRESS:
		send_from_elsewhere(to, b, n);
		return;
	case LAB_TRUNCATED:
		n = write_answer(u, q, DNS_NOERROR, 1, b);
		b[2] |= TC;
		break;
	}
	sendto(u->fd, b, n, 0, (const struct sockaddr *)to, to_len);
	if (u->mode == LAB_ANSWER_AND_STALL)
		stall(u);
}

static void on_udp(uv_poll_t *h, int status, int events)
{
	struct lab_upstream *u = h->data;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n;

	(void)status;
	(void)events;
	while ((n = recvfrom(u->fd, u->last, sizeof(u->last), MSG_DONTWAIT, (struct sockaddr *)&ss,
			     &len)) >= DNS_HEADER) {
		u->last_len = (size_t)n;
		if (u->n_udp < LAB_SEEN_MAX) {
			u->id[u->n_udp] = (uint16_t)get16(u->last);
			u->port[u->n_udp] = ntohs(((struct sockaddr_in *)&ss)->sin_port);
		}
		u->n_udp++;
		if (!u->silent_for || u->last[DNS_HEADER + 1] != (uint8_t)u->silent_for)
			answer_udp(u, u->last, &ss);
		len = sizeof(ss);
	}
}

struct conn {
	uv_tcp_t tcp;
	struct lab_upstream *u;
	uint8_t in[MESSAGE_MAX];
	size_t have;
};

static void on_conn_closed(uv_handle_t *h)
{
	free(h->data);
}

static void on_conn_alloc(uv_handle_t *h, size_t size, uv_buf_t *ret)
{
	struct conn *c = h->data;

	(void)size;
	*ret = uv_buf_init((char *)c->in + c->have, (unsigned)(sizeof(c->in) - c->have));
}

static void say(struct conn *c, const uint8_t *b, size_t n)
{
	uv_buf_t data = uv_buf_init((char *)b, (unsigned)n);

	assert_int_equal(uv_try_write((uv_stream_t *)&c->tcp, &data, 1), n);
}

static void answer_tcp(struct conn *c)
{
	enum lab_tcp mode = c->u->tcp_mode;
	bool fails = mode == LAB_TCP_SERVFAIL;
	uint8_t b[MESSAGE_MAX];
	size_t n = write_answer(c->u, c->in + 2, fails ? DNS_SERVFAIL : DNS_NOERROR,
				fails ? 0 : c->u->records, b + 2);

	put16(b, (unsigned)n);
	n += 2;
	switch (mode) {
	case LAB_TCP_SILENT:
		return;
	case LAB_TCP_CLOSE:
		uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
		return;
	case LAB_TCP_PARTS:
		uv_tcp_nodelay(&c->tcp, 1);
		for (size_t i = 0; i < n; i++)
			say(c, b + i, 1);
		return;
	case LAB_TCP_SHORT:
		put16(b, DNS_HEADER - 1);
		break;
	case LAB_TCP_WRONG_ID:
		b[3] ^= 1;
		break;
	case LAB_TCP_ANSWER:
	case LAB_TCP_SERVFAIL:
		break;
	}
	say(c, b, n);
}

static void on_conn_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = s->data;

	(void)buf;
	if (n < 0) {
		uv_close((uv_handle_t *)s, on_conn_closed);
		return;
	}
	c->have += (size_t)n;
	if (c->have < 2 || c->have < 2 + get16(c->in))
		return;
	c->have = 0;
	c->u->n_tcp++;
	answer_tcp(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct conn *c = mem_alloc(sizeof(*c));

	assert_int_equal(status, 0);
	c->u = listener->data;
	c->tcp.data = c;
	assert_int_equal(uv_tcp_init(listener->loop, &c->tcp), 0);
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&c->tcp), 0);
	uv_read_start((uv_stream_t *)&c->tcp, on_conn_alloc, on_conn_read);
}

static void on_handle_closed(uv_handle_t *h)
{
	free(h);
}

void lab_mute_tcp(struct lab_upstream *u)
{
	if (u->listener)
		uv_close((uv_handle_t *)u->listener, on_handle_closed);
	u->listener = NULL;
}

void lab_mute(struct lab_upstream *u)
{
	lab_mute_tcp(u);
	if (u->fd < 0)
		return;
	uv_close((uv_handle_t *)u->poll, on_handle_closed);
	close(u->fd);
	u->fd = -1;
}

static void open_upstream(struct lab *l, struct lab_upstream *u, const char *addr)
{
	struct sockaddr_storage ss;
	int size = RCVBUF;
	socklen_t len;

	assert_int_equal(ip_parse(addr, &u->addr.ip, NULL), 0);
	u->addr.port = LAB_PORT;
	u->lab = l;
	u->records = 2;
	u->ttl = 300;
	len = ip_to_sockaddr(u->addr.ip, LAB_PORT, &ss);
	u->fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(u->fd >= 0);
	/* Whole bursts fit: what is tested is the forwarder. */
	setsockopt(u->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	assert_int_equal(bind(u->fd, (struct sockaddr *)&ss, len), 0);
	u->poll = mem_alloc(sizeof(*u->poll));
	assert_int_equal(uv_poll_init(&l->loop, u->poll, u->fd), 0);
	u->poll->data = u;
	uv_poll_start(u->poll, UV_READABLE, on_udp);
	u->listener = mem_alloc(sizeof(*u->listener));
	u->listener->data = u;
	assert_int_equal(uv_tcp_init(&l->loop, u->listener), 0);
	assert_int_equal(uv_tcp_bind(u->listener, (struct sockaddr *)&ss, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)u->listener, 128, on_connection), 0);
}

static bool is_self(void *user, struct dns_server_addr a)
{
	const struct lab *l = user;

	return l->self_up0 && ip_eq(a.ip, l->up[0].addr.ip);
}

struct dns_servers lab_list(const struct lab *l, size_t first, size_t n)
{
	struct dns_servers s = { .n = n };

	for (size_t i = 0; i < n; i++)
		s.v[i] = l->up[first + i].addr;
	return s;
}

void lab_servers(struct lab *l, size_t n)
{
	struct dns_servers s = lab_list(l, 0, n);

	dns_forward_servers(l->f, &s);
}

void lab_new(struct lab *l, uint64_t try_ms, uint64_t sick_ms)
{
	dns_forward_close(l->f);
	l->config = (struct dns_forward_config){ .loop = &l->loop,
						 .is_self = is_self,
						 .user = l,
						 .try_ms = try_ms,
						 .total_ms = LAB_WAIT_MS,
						 .sick_ms = sick_ms };
	l->f = dns_forward_new(&l->config);
	lab_servers(l, LAB_UPSTREAMS);
}

int dns_forward_lab_setup(void **state)
{
	static const char *const addr[LAB_UPSTREAMS] = { "127.0.0.1", "127.0.0.2", "::1" };
	struct lab *l = mem_alloc(sizeof(*l));

	l->fds = lab_fds();
	assert_int_equal(uv_loop_init(&l->loop), 0);
	for (size_t i = 0; i < LAB_UPSTREAMS; i++)
		open_upstream(l, &l->up[i], addr[i]);
	l->answers = mem_alloc_array(LAB_ANSWERS_MAX, sizeof(*l->answers));
	lab_new(l, LAB_WAIT_MS, LAB_WAIT_MS);
	*state = l;
	return 0;
}

int dns_forward_lab_teardown(void **state)
{
	struct lab *l = *state;

	dns_forward_close(l->f);
	for (size_t i = 0; i < LAB_UPSTREAMS; i++)
		lab_mute(&l->up[i]);
	uv_run(&l->loop,
	       UV_RUN_DEFAULT); /* whatever is left keeps it running: the test's time limit */
	assert_int_equal(uv_loop_close(&l->loop), 0);
	for (size_t i = 0; i < l->n_asked; i++)
		free(l->answers[i].reply);
	free(l->answers);
	assert_int_equal(lab_fds(), l->fds);
	free(l);
	return 0;
}

struct lab_answer *lab_prepare(struct lab *l, const char *name, uint16_t type, bool edns)
{
	static const uint8_t opt[11] = { 0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, sizeof(COOKIE) - 1 };
	struct lab_answer *a = &l->answers[l->n_asked++];
	enum dns_rcode rcode;

	assert_true(l->n_asked <= LAB_ANSWERS_MAX);
	a->lab = l;
	a->pkt_len = dns_query_make((uint16_t)l->n_asked, name, type, a->pkt, sizeof(a->pkt));
	assert_true(a->pkt_len > 0);
	a->pkt_len = question_end(a->pkt);
	put16(a->pkt + 10, edns);
	if (edns) {
		memcpy(a->pkt + a->pkt_len, opt, sizeof(opt));
		a->pkt_len += sizeof(opt);
		memcpy(a->pkt + a->pkt_len, COOKIE, sizeof(COOKIE) - 1);
		a->pkt_len += sizeof(COOKIE) - 1;
	}
	assert_int_equal(dns_query_parse(a->pkt, a->pkt_len, &a->q, &rcode), 0);
	return a;
}

static void on_told(void *user, const uint8_t *reply, size_t len, const struct dns_forward_how *how)
{
	struct lab_answer *a = user;

	a->calls++;
	a->lab->n_told++;
	a->asked = NULL;
	free(a->reply);
	a->reply = mem_dup(reply, len);
	a->len = len;
	a->how = *how;
	snprintf(a->error, sizeof(a->error), "%s", how->error ? how->error : "");
	if (a->inside)
		a->inside(a);
}

int lab_ask_as(struct lab_answer *a, uint64_t client, const struct dns_servers *servers, size_t max)
{
	_cleanup_free_ uint8_t *pkt = mem_dup(a->pkt, a->pkt_len);
	struct dns_forward_ask ask = { .client = { .dev = 4, .ino = client },
				       .servers = servers,
				       .query = &a->q,
				       .pkt = pkt,
				       .len = a->pkt_len,
				       .max = max };

	return dns_forward_ask(a->lab->f, &ask, on_told, a, &a->asked);
}

struct lab_answer *lab_ask(struct lab *l, const char *name)
{
	struct lab_answer *a = lab_prepare(l, name, ZONE_A, false);

	uv_update_time(&l->loop);
	assert_int_equal(lab_ask_as(a, 1, NULL, DNS_PACKET_MAX), 0);
	return a;
}

struct lab_answer *lab_get(struct lab *l, const char *name)
{
	size_t n = l->n_told + 1;
	struct lab_answer *a = lab_ask(l, name);

	lab_wait(l, n);
	return a;
}

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

static void turn(struct lab *l, size_t n, bool (*cond)(struct lab *l))
{
	uint64_t end_ms = clock_boot_ms() + LAB_WAIT_MS;
	uv_timer_t tick;

	uv_timer_init(&l->loop, &tick);
	uv_timer_start(&tick, on_tick, 10, 10);
	while ((cond ? !cond(l) : l->n_told < n) && clock_boot_ms() < end_ms)
		uv_run(&l->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&l->loop, UV_RUN_NOWAIT);
}

void lab_wait(struct lab *l, size_t n)
{
	turn(l, n, NULL);
	assert_int_equal(l->n_told, n);
}

void lab_until(struct lab *l, bool (*cond)(struct lab *l))
{
	turn(l, 0, cond);
	assert_true(cond(l));
}

struct dns_forward_stats lab_stats(struct lab *l)
{
	struct dns_forward_stats s;

	dns_forward_stats(l->f, &s);
	return s;
}

unsigned lab_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

unsigned lab_rcode(const struct lab_answer *a)
{
	return a->reply[3] & 15;
}

bool lab_truncated(const struct lab_answer *a)
{
	return a->reply[2] & TC;
}

unsigned lab_records(const struct lab_answer *a)
{
	return get16(a->reply + 6);
}

uint32_t lab_ttl(const struct lab_answer *a)
{
	return get16(a->reply + question_end(a->reply) + 8);
}

void lab_good(const struct lab_answer *a, const struct lab_upstream *u)
{
	assert_int_equal(a->calls, 1);
	assert_string_equal(a->error, "");
	assert_int_equal(lab_rcode(a), DNS_NOERROR);
	assert_int_equal(get16(a->reply), a->q.id);
	assert_memory_equal(a->reply + DNS_HEADER, a->q.question, a->q.question_len);
	assert_int_equal(lab_records(a), u->records);
	assert_false(lab_truncated(a));
	if (!a->how.cached)
		assert_true(ip_eq(a->how.server.ip, u->addr.ip));
}
