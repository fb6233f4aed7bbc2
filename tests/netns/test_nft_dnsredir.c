/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions for names that come in by somebody else's bridge, redirected to the name server here: the set dnsredir of the host's table.
 *
 * h: the host, 192.0.2.1 towards x, which is the outside: DNS servers at .2 and 2001:db8::2. Bridges: docker_gwbridge (172.18.0.1, and .2 besides,
 * fd18::1) with g; docker0 (172.17.0.1) with d. The name server listens on docker_gwbridge's addresses alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "overlay/nft_ground.h"
#include "tests/kernel_facts/nft_lab.h"

#define NF_CALL "/proc/sys/net/bridge/bridge-nf-call-iptables"
#define PORT 53

enum { UDP4, UDP6, TCP4, TCP6, KINDS };
struct server {
	int fd[KINDS];
};
static struct {
	struct nft_ground *g;
	int nsfd;
	bool nf_call; /* br_netfilter is there */
	struct server ours, other, theirs; /* in h, on docker_gwbridge and docker0; in x */
	struct sockaddr_storage asker; /* the last one, as a server saw him */
} lab;

static bool is_tcp(int kind)
{
	return kind >= TCP4;
}

static struct ip addr(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static int socket_in(const char *ns, const char *text, uint16_t port, bool tcp)
{
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(addr(text), port, &sa);
	int fd, one = 1;

	nft_lab_enter(ns);
	fd = socket(sa.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	nft_lab_enter(NULL);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_true(!tcp || port == 0 || listen(fd, 8) == 0);
	return fd;
}

static struct server serve(const char *ns, const char *ip4, const char *ip6)
{
	return (struct server){
		.fd = { socket_in(ns, ip4, PORT, false), socket_in(ns, ip6, PORT, false),
			socket_in(ns, ip4, PORT, true), socket_in(ns, ip6, PORT, true) }
	};
}

static void elem(bool del)
{
	const struct kernel_elem_op op = { del, state_elem_ifname(STATE_SET_DNSREDIR,
								  STATE_DOCKER_GWBRIDGE) };
	struct err e = { 0 };

	if (nft_ground_elems(lab.g, &op, 1, &e))
		fail_msg("%s", e.text);
}

static void asker(bool del, const char *ip, const char *ifname)
{
	const struct kernel_elem_op op = { del, state_elem_asker(addr(ip), ifname) };
	struct err e = { 0 };

	if (nft_ground_elems(lab.g, &op, 1, &e))
		fail_msg("%s", e.text);
}

static void make_bridge(const char *name, int n, const char *ns)
{
	nft_lab_ns(ns);
	nft_lab_sh(
		"ip -n ~h link add %s type bridge; ip -n ~h link set %s up; "
		"ip -n ~h addr add 172.%d.0.1/16 dev %s; ip -n ~h addr add fd%d::1/64 dev %s nodad; "
		"ip -n ~h link add veth%s type veth peer name eth0 netns ~%s; "
		"ip -n ~h link set veth%s master %s up; ip -n ~%s link set eth0 up; "
		"ip -n ~%s addr add 172.%d.0.3/16 dev eth0; ip -n ~%s addr add fd%d::3/64 dev eth0 nodad; "
		"ip -n ~%s route add default via 172.%d.0.1; ip -n ~%s route add default via fd%d::1",
		name, name, n, name, n, name, ns, ns, ns, name, ns, ns, n, ns, n, ns, n, ns, n);
}

static int group_setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	nft_lab_ns("o");
	nft_lab_ns("h");
	nft_lab_ns("x");
	lab.nsfd = open(nft_lab_path("o"), O_RDONLY | O_CLOEXEC);
	nft_lab_enter("h");
	assert_int_equal(nft_ground_new(lab.nsfd, "ovl", 4789, &lab.g, &e), 0);
	lab.nf_call = access(NF_CALL, F_OK) == 0;
	nft_lab_enter(NULL);
	assert_int_equal(nft_ground_make(lab.g, NULL, &e), 0);
	nft_lab_sh(
		"ip -n ~h link add uplink type veth peer name eth0 netns ~x; "
		"ip -n ~h link set uplink up; ip -n ~x link set eth0 up; "
		"ip -n ~h addr add 192.0.2.1/24 dev uplink; ip -n ~h addr add 2001:db8::1/64 dev uplink nodad; "
		"ip -n ~x addr add 192.0.2.2/24 dev eth0; ip -n ~x addr add 2001:db8::2/64 dev eth0 nodad; "
		"ip -n ~x route add 172.16.0.0/12 via 192.0.2.1; ip -n ~x route add fd00::/8 via 2001:db8::1; "
		"ip netns exec ~h sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
		"net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.uplink.rp_filter=0");
	make_bridge(STATE_DOCKER_GWBRIDGE, 18, "g");
	make_bridge("docker0", 17, "d");
	nft_lab_sh("ip -n ~h addr add 172.18.0.2/16 dev docker_gwbridge");
	lab.ours = serve("h", "172.18.0.1", "fd18::1");
	lab.other = serve("h", "172.17.0.1", "fd17::1");
	lab.theirs = serve("x", "192.0.2.2", "2001:db8::2");
	assert_int_equal(nft_ground_check(lab.g, &e), 0);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	for (int i = 0; i < KINDS; i++) {
		close(lab.ours.fd[i]);
		close(lab.other.fd[i]);
		close(lab.theirs.fd[i]);
	}
	nft_ground_free(lab.g);
	close(lab.nsfd);
	return 0;
}

/* What has come to a server by @kind is answered with @word. */
static void answer(int fd, int kind, const char *word)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	char b[16];
	int at = fd;

	if (is_tcp(kind)) {
		at = accept4(fd, (struct sockaddr *)&lab.asker, &len, SOCK_CLOEXEC);
		assert_true(at >= 0);
		assert_int_equal(send(at, word, strlen(word), MSG_NOSIGNAL), strlen(word));
		close(at);
		return;
	}
	assert_true(recvfrom(fd, b, sizeof(b), 0, (struct sockaddr *)&sa, &len) > 0);
	memcpy(&lab.asker, &sa, sizeof(sa));
	assert_int_equal(sendto(fd, word, strlen(word), 0, (struct sockaddr *)&sa, len),
			 strlen(word));
}

/* Turn until the client has its answer. */
static void wait_for_answer(int client, int kind)
{
	uint64_t until = clock_boot_ms() + NFT_LAB_WAIT_MS;

	for (;;) {
		struct pollfd p[] = { { .fd = lab.ours.fd[kind], .events = POLLIN },
				      { .fd = lab.theirs.fd[kind], .events = POLLIN },
				      { .fd = lab.other.fd[kind], .events = POLLIN },
				      { .fd = client, .events = POLLIN } };

		if (clock_boot_ms() > until)
			fail_msg("no answer");
		poll(p, ARRAY_SIZE(p), 100);
		if (p[0].revents & POLLIN)
			answer(p[0].fd, kind, "ours");
		if (p[1].revents & POLLIN)
			answer(p[1].fd, kind, "theirs");
		if (p[2].revents & POLLIN)
			answer(p[2].fd, kind, "other");
		if (p[3].revents & (POLLIN | POLLHUP | POLLERR))
			return;
	}
}

/* A connected socket takes only what comes from the address that was asked. */
static void ask(const char *ns, int kind, const char *from, const char *server, const char *want)
{
	int fd = socket_in(ns, from, 0, is_tcp(kind));
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(addr(server), PORT, &sa);
	char b[16] = "";
	struct ip seen;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (connect(fd, (struct sockaddr *)&sa, len) < 0)
		assert_int_equal(errno, EINPROGRESS);
	if (!is_tcp(kind))
		assert_int_equal(send(fd, "?", 1, 0), 1);
	wait_for_answer(fd, kind);
	if (recv(fd, b, sizeof(b) - 1, 0) <= 0 || strcmp(b, want) != 0)
		fail_msg("%s asked %s (%d): \"%s\", not \"%s\"", ns, server, kind, b, want);
	assert_int_equal(ip_from_sockaddr((struct sockaddr *)&lab.asker, &seen), 0);
	/* By his own address the container is known. */
	assert_true(ip_eq(seen, addr(from)));
	close(fd);
}

static void ask_all(const char *ns, int n, const char *want)
{
	char ip4[IP_TEXT_MAX], ip6[IP_TEXT_MAX];

	snprintf(ip4, sizeof(ip4), "172.%d.0.3", n);
	snprintf(ip6, sizeof(ip6), "fd%d::3", n);
	ask(ns, UDP4, ip4, "192.0.2.2", want);
	ask(ns, TCP4, ip4, "192.0.2.2", want);
	ask(ns, UDP6, ip6, "2001:db8::2", want);
	ask(ns, TCP6, ip6, "2001:db8::2", want);
}

static void redirected(void)
{
	elem(false);
	ask_all("g", 18, "ours");
	/* To addresses that nobody has, of the host, and of the bridge itself. */
	ask("g", UDP4, "172.18.0.3", "203.0.113.53", "ours");
	ask("g", TCP4, "172.18.0.3", "203.0.113.53", "ours");
	ask("g", UDP4, "172.18.0.3", "192.0.2.1", "ours");
	ask("g", UDP4, "172.18.0.3", "172.18.0.1", "ours");
	ask("g", TCP4, "172.18.0.3", "172.18.0.2", "ours");
	/* Of other bridges nothing is, but of addresses that are meant. */
	ask_all("d", 17, "theirs");
	asker(false, "172.17.0.4", "docker0");
	asker(false, "172.17.0.3", STATE_DOCKER_GWBRIDGE);
	ask_all("d", 17, "theirs");
	asker(false, "172.17.0.3", "docker0");
	ask("d", UDP4, "172.17.0.3", "192.0.2.2", "other");
	ask("d", TCP4, "172.17.0.3", "192.0.2.2", "other");
	ask("d", UDP6, "fd17::3", "2001:db8::2", "theirs");
	asker(false, "fd17::3", "docker0");
	ask_all("d", 17, "other");
	for (int i = 0; i < 2; i++)
		asker(true, i ? "fd17::3" : "172.17.0.3", "docker0");
	asker(true, "172.17.0.4", "docker0");
	asker(true, "172.17.0.3", STATE_DOCKER_GWBRIDGE);
	ask_all("d", 17, "theirs");
	elem(true);
	ask_all("g", 18, "theirs");
}

static void test_redirect(void **state)
{
	(void)state;
	for (int on = 0; on <= (lab.nf_call ? 1 : 0); on++) {
		if (lab.nf_call)
			nft_lab_sh(
				"ip netns exec ~h sysctl -qw net.bridge.bridge-nf-call-iptables=%d "
				"net.bridge.bridge-nf-call-ip6tables=%d",
				on, on);
		redirected();
	}
}

/* Other ports are none of ours, and what is published for port 53 is that still. */
static void test_others(void **state)
{
	struct kernel_elem_op op = { false, state_elem_publish(IPPROTO_UDP, (struct ip){ 0 }, PORT,
							       addr("172.17.0.3"), 5300) };
	int fd = nft_lab_udp("g", "172.18.0.3", 0), at = nft_lab_udp("x", "192.0.2.2", 5353);
	int asker = nft_lab_udp("x", "192.0.2.2", 0), d = nft_lab_udp("d", "172.17.0.3", 5300);
	struct err e = { 0 };

	(void)state;
	elem(false);
	assert_int_equal(nft_lab_send(fd, "192.0.2.2", 5353, "other"), 0);
	assert_true(nft_lab_comes(at, "other", NFT_LAB_WAIT_MS));
	assert_int_equal(nft_ground_elems(lab.g, &op, 1, &e), 0);
	assert_int_equal(nft_lab_send(asker, "192.0.2.1", PORT, "published"), 0);
	assert_true(nft_lab_comes(d, "published", NFT_LAB_WAIT_MS));
	ask("g", UDP4, "172.18.0.3", "192.0.2.1", "ours");
	op.del = true;
	assert_int_equal(nft_ground_elems(lab.g, &op, 1, &e), 0);
	elem(true);
	close(fd);
	close(at);
	close(asker);
	close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_others),
	};

	nft_lab_begin();
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
