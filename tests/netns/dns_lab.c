/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/netns/dns_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"

void dns_lab_bridge(const char *ns, unsigned n, const char *client)
{
	nft_lab_sh("ip -n ~%s link add br%u type bridge; "
		   "for i in 0 %u; do ip -n ~%s addr add 10.7.$i.1/24 dev br%u; done; "
		   "ip -n ~%s addr add fd07::1/64 dev br%u nodad; "
		   "ip -n ~%s addr add fd07:%u::1/64 dev br%u nodad; "
		   "ip -n ~%s link set br%u up",
		   ns, n, n - DNS_LAB_A + 1, ns, n, ns, n, ns, n - DNS_LAB_A + 1, n, ns, n);
	nft_lab_sh("ip -n ~%s link add v%s type veth peer name eth0 netns ~%s; "
		   "ip -n ~%s link set v%s master br%u up; ip -n ~%s link set eth0 up; "
		   "for i in 0 %u; do ip -n ~%s addr add 10.7.$i.2/24 dev eth0; done; "
		   "ip -n ~%s addr add fd07::2/64 dev eth0 nodad; "
		   "ip -n ~%s addr add fd07:%u::2/64 dev eth0 nodad",
		   ns, client, client, ns, client, n, client, n - DNS_LAB_A + 1, client, client,
		   client, n - DNS_LAB_A + 1);
}

void dns_lab_begin(void)
{
	static const char *const all[] = { "o", "o2", "h", "c1", "c2", "c3", "c4" };

	signal(SIGPIPE, SIG_IGN);
	nft_lab_begin();
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		nft_lab_ns(all[i]);
	dns_lab_bridge("o", DNS_LAB_A, "c1");
	dns_lab_bridge("o", DNS_LAB_B, "c2");
	nft_lab_sh("for i in $(seq 10 29); do ip -n ~c1 addr add 10.7.1.$i/24 dev eth0; done; "
		   "for i in 0 1; do ip -n ~h link add hb$i type bridge; "
		   "ip -n ~h addr add 10.$((8 + i)).0.1/24 dev hb$i; ip -n ~h link set hb$i up; "
		   "c=c$((3 + i)); ip -n ~h link add v$c type veth peer name eth0 netns ~$c; "
		   "ip -n ~h link set v$c master hb$i up; ip -n ~$c link set eth0 up; "
		   "ip -n ~$c addr add 10.$((8 + i)).0.2/24 dev eth0; done; "
		   "ip -n ~c4 route add default via 10.9.0.1; "
		   "ip -n ~h addr add fd08::1/64 dev hb0 nodad; "
		   "ip -n ~c3 addr add fd08::2/64 dev eth0 nodad");
	nft_lab_enter("h");
}

void dns_lab_end(void)
{
	nft_lab_enter(NULL);
}

struct ip dns_lab_ip(const char *text)
{
	struct ip ip = { 0 };

	assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

void dns_lab_wait(uv_loop_t *loop, bool (*cond)(void *arg), void *arg)
{
	uint64_t end_ms = clock_boot_ms() + DNS_LAB_WAIT_MS;
	uv_timer_t tick;

	uv_timer_init(loop, &tick);
	uv_timer_start(&tick, on_tick, 5, 5);
	while (!cond(arg) && clock_boot_ms() < end_ms)
		uv_run(loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
	assert_true(cond(arg));
}

int dns_lab_udp(const char *ns, const char *from)
{
	int fd = nft_lab_udp(ns, from, 0);

	nft_lab_enter("h");
	return fd;
}

int dns_lab_tcp(const char *ns, const char *from, const char *to)
{
	struct sockaddr_storage ss;
	struct ip ip = dns_lab_ip(to);
	socklen_t len = ip_to_sockaddr(dns_lab_ip(from), 0, &ss);
	int fd;

	nft_lab_enter(ns);
	fd = socket(ip.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	nft_lab_enter("h");
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	len = ip_to_sockaddr(ip, 53, &ss);
	assert_true(connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS);
	return fd;
}

struct transfer {
	int fd, error;
	char *buf;
	size_t n, done;
	bool stream, out, end;
	struct sockaddr_storage from;
};

static bool transferred(void *arg)
{
	struct transfer *t = arg;
	socklen_t len = sizeof(t->from);
	ssize_t n;

	while (!t->end && t->done < t->n) {
		if (t->out)
			n = send(t->fd, t->buf + t->done, t->n - t->done, MSG_DONTWAIT);
		else
			n = recvfrom(t->fd, t->buf + t->done, t->n - t->done, MSG_DONTWAIT,
				     (struct sockaddr *)&t->from, &len);
		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return false;
		if (n < 0)
			t->error = errno;
		t->end = n <= 0 || !t->stream;
		t->done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

ssize_t dns_lab_recv(uv_loop_t *loop, int fd, void *buf, size_t size, struct ip *ret_from)
{
	struct transfer t = { .fd = fd, .buf = buf, .n = size };

	dns_lab_wait(loop, transferred, &t);
	if (t.error)
		return -t.error;
	if (ret_from)
		assert_int_equal(ip_from_sockaddr((struct sockaddr *)&t.from, ret_from), 0);
	return (ssize_t)t.done;
}

size_t dns_lab_read(uv_loop_t *loop, int fd, void *buf, size_t n)
{
	struct transfer t = { .fd = fd, .buf = buf, .n = n, .stream = true };

	dns_lab_wait(loop, transferred, &t);
	return t.done;
}

void dns_lab_write(uv_loop_t *loop, int fd, const void *data, size_t n)
{
	struct transfer t = { .fd = fd, .buf = (char *)data, .n = n, .stream = true, .out = true };

	dns_lab_wait(loop, transferred, &t);
	assert_int_equal(t.done, n);
}

int dns_lab_send(int fd, const char *to, const void *data, size_t n)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(dns_lab_ip(to), 53, &ss);

	return sendto(fd, data, n, 0, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

bool dns_lab_quiet(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}
