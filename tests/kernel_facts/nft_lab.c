/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/kernel_facts/nft_lab.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/addr.h"
#include "base/clock.h"
#include "base/mem.h"

#define NS_MAX 16
#define COMMAND_MAX 8192

static struct {
	char names[NS_MAX][32];
	size_t n;
	int home;
	pid_t pid;
} lab = { .home = -1 };

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "nft_lab: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

static void end(void)
{
	if (getpid() != lab.pid)
		return;
	nft_lab_enter(NULL);
	for (size_t i = 0; i < lab.n; i++)
		nft_lab_try("ip netns del ~%s", lab.names[i]);
}

void nft_lab_begin(void)
{
	if (geteuid() != 0)
		fail("must be root");
	if (lab.home >= 0)
		return;
	lab.home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	lab.pid = getpid();
	if (lab.home < 0 || nft_lab_try("command -v nft ip >/dev/null"))
		fail("wants nft(8) and ip(8) (deploy/deps --test)");
	atexit(end);
}

int nft_lab_try(const char *fmt, ...)
{
	char *cmd = mem_alloc(COMMAND_MAX), *text, *out = cmd;
	va_list ap;
	int status;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	for (const char *p = text; *p && out < cmd + COMMAND_MAX - 32; p++) {
		if (*p == '~')
			out += snprintf(out, 32, "onf-%d-", lab.pid);
		else
			*out++ = *p;
	}
	pid_t pid = fork();
	if (pid == 0) {
		if (lab.home >= 0)
			setns(lab.home, CLONE_NEWNET);
		execl("/bin/sh", "sh", "-ec", cmd, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		fail("fork: %s", strerror(errno));
	free(text);
	free(cmd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void nft_lab_sh(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = mem_vprintf(fmt, ap);
	va_end(ap);
	int r = nft_lab_try("%s", text);
	if (r)
		fail("exit status %d of: %s", r, text);
	free(text);
}

const char *nft_lab_path(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/run/netns/onf-%d-%s", lab.pid, name);
	return path;
}

void nft_lab_ns(const char *name)
{
	if (lab.n == NS_MAX)
		fail("too many namespaces");
	snprintf(lab.names[lab.n++], sizeof(lab.names[0]), "%s", name);
	nft_lab_sh("ip netns add ~%s; ip -n ~%s link set lo up", name, name);
}

void nft_lab_enter(const char *name)
{
	int fd = name ? open(nft_lab_path(name), O_RDONLY | O_CLOEXEC) : lab.home;

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		fail("enter %s: %s", name ? name : "home", strerror(errno));
	if (name)
		close(fd);
}

long nft_lab_number(const char *name, const char *path)
{
	char text[32] = "";

	nft_lab_enter(name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		fail("%s: %s", path, strerror(errno));
	close(fd);
	nft_lab_enter(NULL);
	return strtol(text, NULL, 10);
}

void nft_lab_need(const char *path, const char *what)
{
	if (access(path, F_OK) == 0)
		return;
	printf("SKIP: kernel lacks %s (%s)\n", what, path);
	exit(77);
}

void nft_lab_fact(bool holds, const char *fact)
{
	printf("%s: %s\n", holds ? "holds" : "DOES NOT HOLD", fact);
	if (!holds)
		exit(1);
}

static socklen_t sockaddr(const char *addr, uint16_t port, struct sockaddr_storage *ret)
{
	struct ip a = { .family = AF_INET };

	if (*addr && ip_parse(addr, &a, NULL))
		fail("no address: %s", addr);
	return ip_to_sockaddr(a, port, ret);
}

int nft_lab_udp(const char *name, const char *addr, uint16_t port)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr(addr, port, &sa);
	int on = 1;

	nft_lab_enter(name);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, len) < 0)
		fail("bind %s:%u in %s: %s", addr, port, name, strerror(errno));
	nft_lab_enter(NULL);
	return fd;
}

int nft_lab_send(int fd, const char *addr, uint16_t port, const char *text)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr(addr, port, &sa);

	return sendto(fd, text, strlen(text), 0, (struct sockaddr *)&sa, len) < 0 ? -errno : 0;
}

/* Reads frames until one holds @last; *ret_saw: whether one held @text. Return: false at the deadline. */
static bool read_until(int fd, const char *text, const char *last, unsigned ms, bool *ret_saw)
{
	uint64_t until = clock_boot_ms() + ms, now;
	char b[2048];

	*ret_saw = false;
	while ((now = clock_boot_ms()) < until) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, (int)(until - now)) <= 0)
			continue;
		ssize_t n = recv(fd, b, sizeof(b), MSG_DONTWAIT);
		if (n <= 0)
			continue;
		if (text && memmem(b, (size_t)n, text, strlen(text)))
			*ret_saw = true;
		if (memmem(b, (size_t)n, last, strlen(last)))
			return true;
	}
	return false;
}

bool nft_lab_got(int fd, const char *text, const char *last)
{
	bool saw;

	if (!read_until(fd, text, last, NFT_LAB_WAIT_MS, &saw))
		fail("\"%s\" did not come", last);
	return saw;
}

bool nft_lab_comes(int fd, const char *text, unsigned ms)
{
	bool saw;

	return read_until(fd, NULL, text, ms, &saw);
}

int nft_lab_raw(const char *name, const char *ifname)
{
	struct sockaddr_ll sa = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };

	nft_lab_enter(name);
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	sa.sll_ifindex = (int)if_nametoindex(ifname);
	if (fd < 0 || !sa.sll_ifindex || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		fail("packet socket on %s in %s: %s", ifname, name, strerror(errno));
	nft_lab_enter(NULL);
	return fd;
}

void frame_bytes(struct frame *f, const void *data, size_t n)
{
	if (f->n + n > sizeof(f->b))
		fail("frame too long");
	memcpy(f->b + f->n, data, n);
	f->n += n;
}

void frame_text(struct frame *f, const char *text)
{
	frame_bytes(f, text, strlen(text));
}

static void put_mac(struct frame *f, const char *text)
{
	struct mac m;

	if (mac_parse(text, &m, NULL))
		fail("no MAC: %s", text);
	frame_bytes(f, m.b, sizeof(m.b));
}

static void put_ip(struct frame *f, const char *text)
{
	struct ip a;

	if (ip_parse(text, &a, NULL))
		fail("no address: %s", text);
	frame_bytes(f, a.b, ip_bytes(a));
}

static void put16(struct frame *f, uint16_t v)
{
	v = htons(v);
	frame_bytes(f, &v, 2);
}

void frame_eth(struct frame *f, const char *dst, const char *src, uint16_t type)
{
	put_mac(f, dst);
	put_mac(f, src);
	put16(f, type);
}

void frame_ip4(struct frame *f, const char *src, const char *dst, uint8_t proto)
{
	const uint8_t head[12] = { 0x45, 0, 0, 0, 0, 1, 0, 0, 64, proto };

	frame_bytes(f, head, sizeof(head));
	put_ip(f, src);
	put_ip(f, dst);
}

void frame_ip6(struct frame *f, const char *src, const char *dst, uint8_t next, uint8_t hops)
{
	const uint8_t head[8] = { 0x60, 0, 0, 0, 0, 0, next, hops };

	frame_bytes(f, head, sizeof(head));
	put_ip(f, src);
	put_ip(f, dst);
}

void frame_udp(struct frame *f, uint16_t sport, uint16_t dport)
{
	put16(f, sport);
	put16(f, dport);
	put16(f, 0);
	put16(f, 0);
}

void frame_arp(struct frame *f, uint16_t op, const char *smac, const char *sip, const char *tip)
{
	put16(f, 1);
	put16(f, 0x0800);
	put16(f, 0x0604);
	put16(f, op);
	put_mac(f, smac);
	put_ip(f, sip);
	put_mac(f, "00:00:00:00:00:00");
	put_ip(f, tip);
}

static uint32_t sum16(const uint8_t *p, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i < n; i++)
		s += (uint32_t)p[i] << (i & 1 ? 0 : 8);
	return s;
}

static void store_sum(uint8_t *at, uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	at[0] = (uint8_t)(~s >> 8);
	at[1] = (uint8_t)~s;
}

static void store_len(uint8_t *at, size_t len)
{
	at[0] = (uint8_t)(len >> 8);
	at[1] = (uint8_t)len;
}

void frame_done(struct frame *f, size_t at)
{
	uint8_t *ip = f->b + at;
	bool v6 = ip[0] >> 4 == 6;
	size_t head = v6 ? 40 : 20, len = f->n - at - head;
	uint8_t *l4 = ip + head, proto = v6 ? ip[6] : ip[9];

	if (v6) {
		store_len(ip + 4, len);
	} else {
		store_len(ip + 2, len + head);
		store_sum(ip + 10, sum16(ip, head));
	}
	uint32_t s = sum16(ip + (v6 ? 8 : 12), v6 ? 32 : 8) + proto + (uint32_t)len;
	if (proto == IPPROTO_UDP) {
		store_len(l4 + 4, len);
		store_sum(l4 + 6, s + sum16(l4, len));
	} else if (proto == IPPROTO_ICMPV6) {
		store_sum(l4 + 2, s + sum16(l4, len));
	} else if (proto == IPPROTO_ICMP) {
		store_sum(l4 + 2, sum16(l4, len));
	}
}

void frame_send(int fd, const struct frame *f)
{
	if (send(fd, f->b, f->n, 0) != (ssize_t)f->n)
		fail("send frame: %s", strerror(errno));
}
