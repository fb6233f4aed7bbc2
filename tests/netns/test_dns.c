/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The name server as a whole, asked from containers: what each is told, and what nobody is.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "agent/dns/dns.h"
#include "base/buf.h"
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"
#include "tests/netns/dns_lab.h"

#define UPSTREAM_PORT 5300
#define TYPE_A 1
#define TYPE_PTR 12
#define TYPE_TXT 16
#define TYPE_AAAA 28
#define TYPE_AXFR 252
#define QR_TC 0x82 /* of byte 2 */

struct lab {
	uv_loop_t loop;
	struct dns *dns;
	/* An upstream server in h: 192.0.2.1 for everything */
	int fd;
	uv_poll_t poll;
	bool silent;
	size_t n_upstream;
	/* dns_ask()'s */
	unsigned told;
	bool ours, refused, cached, stopped;
	char text[4096];
};

static void on_upstream(uv_poll_t *h, int status, int events)
{
	static const uint8_t rr[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1 };
	struct lab *l = h->data;
	struct sockaddr_in from;
	uint8_t buf[2048];

	(void)status;
	(void)events;
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(l->fd, buf, sizeof(buf) - sizeof(rr), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &len);

		if (n < DNS_HEADER)
			return;
		l->n_upstream++;
		if (l->silent)
			continue;
		buf[2] |= 0x80;
		buf[3] |= 0x80;
		buf[7] = 1;
		memcpy(buf + n, rr, sizeof(rr));
		sendto(l->fd, buf, (size_t)n + sizeof(rr), MSG_DONTWAIT, (struct sockaddr *)&from,
		       len);
	}
}

static struct id id_of(uint8_t n)
{
	return (struct id){ .b = { n, 1 } };
}

static void put_network(struct lab *l, uint8_t n, uint32_t key, const char *name,
			const char *subnet, bool forward)
{
	struct prefix p;

	assert_int_equal(prefix_parse(subnet, &p, NULL), 0);
	zone_network_put(dns_zone(l->dns), id_of(n), name, false, &p, 1);
	dns_clients_network(dns_clients(l->dns), key, id_of(n), forward, &p, 1);
}

static void put(struct lab *l, uint8_t n, uint8_t network, uint32_t key, uint8_t place,
		const char *name, const char *ip, bool forward)
{
	const char *const names[] = { name };
	struct zone_endpoint z = { .id = id_of(n),
				   .network = id_of(network),
				   .names = names,
				   .n_names = 1,
				   .ip4 = dns_lab_ip(ip) };
	struct dns_client_endpoint c = { .id = id_of(n),
					 .network = id_of(network),
					 .place = { 1, place },
					 .key = key,
					 .ifname = "eth0",
					 .ip4 = z.ip4,
					 .forward = forward };

	zone_endpoint_put(dns_zone(l->dns), &z);
	dns_clients_put(dns_clients(l->dns), &c);
}

static void begin_upstream(struct lab *l)
{
	struct dns_servers s = { .v[0] = { .ip = dns_lab_ip("127.0.0.1"), .port = UPSTREAM_PORT },
				 .n = 1 };

	l->fd = nft_lab_udp("h", "127.0.0.1", UPSTREAM_PORT);
	nft_lab_enter("h");
	assert_int_equal(uv_poll_init(&l->loop, &l->poll, l->fd), 0);
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_upstream);
	dns_forward_servers(dns_forward(l->dns), &s);
}

/*
 * c1 on "front" (leads out) with web and many, c2 on "back" (internal) with a web of its own, c3 on "local". c4's network is unknown.
 */
static int setup(void **state)
{
	_cleanup_close_ int nsfd = open(nft_lab_path("o"), O_RDONLY | O_CLOEXEC);
	struct lab *l = mem_alloc(sizeof(*l));
	struct dns_config c = { .loop = &l->loop, .domain = "ovl", .ttl_s = DNS_TTL_DEFAULT };
	struct err e = { 0 };

	assert_int_equal(uv_loop_init(&l->loop), 0);
	l->dns = dns_new(&c);
	put_network(l, 1, DNS_LAB_A, "front", "10.7.1.0/24", true);
	put_network(l, 2, DNS_LAB_B, "back", "10.7.2.0/24", false);
	put_network(l, 3, DNS_LAB_HOST, "local", "10.8.0.0/24", true);
	put(l, 11, 1, DNS_LAB_A, 1, "c1", "10.7.1.2", true);
	put(l, 12, 1, DNS_LAB_A, 9, "web", "10.7.1.77", true);
	put(l, 13, 2, DNS_LAB_B, 2, "c2", "10.7.2.2", false);
	put(l, 14, 2, DNS_LAB_B, 8, "web", "10.7.2.77", false);
	put(l, 15, 3, DNS_LAB_HOST, 3, "c3", "10.8.0.2", true);
	for (uint8_t i = 0; i < 100; i++) {
		char ip[IP_TEXT_MAX];

		snprintf(ip, sizeof(ip), "10.7.1.%u", 100 + i);
		put(l, 100 + i, 1, DNS_LAB_A, 100 + i, "many", ip, true);
	}
	begin_upstream(l);
	if (dns_listen_overlay(dns_listen(l->dns), nsfd, &e) < 0 ||
	    dns_listen_host(dns_listen(l->dns), DNS_LAB_HOST, "hb0", dns_lab_ip("10.8.0.1"), &e) <
		    0 ||
	    dns_listen_host(dns_listen(l->dns), DNS_LAB_HOST2, "hb1", dns_lab_ip("10.9.0.1"), &e) <
		    0)
		fail_msg("%s", err_text(&e));
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct lab *l = *state;

	dns_close(l->dns);
	uv_close((uv_handle_t *)&l->poll, NULL);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	close(l->fd);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	free(l);
	return 0;
}

static struct dns_stats stats(struct lab *l)
{
	struct dns_stats s;

	dns_stats(l->dns, &s);
	return s;
}

static void on_record(void *user, const struct dns_shown *r)
{
	buf_printf(user, " %s=%s", r->type, r->data);
}

/* "NOERROR A=10.7.1.77 ..."; with "+tc" behind the code if it is truncated. */
static void show(const uint8_t *pkt, size_t len, char *ret, size_t size)
{
	char rcode[DNS_TYPE_TEXT_MAX];
	_cleanup_buf_ struct buf b;

	buf_init(&b, size - 1);
	assert_true(len >= DNS_HEADER);
	buf_printf(&b, "%s%s", dns_rcode_text(pkt[3] & 0xf, rcode),
		   (pkt[2] & QR_TC) == QR_TC ? "+tc" : "");
	dns_show(pkt, len, on_record, &b);
	snprintf(ret, size, "%s", b.data);
}

static size_t question(const char *name, uint16_t type, uint8_t *buf, size_t size)
{
	size_t n = dns_query_make(4711, name, type, buf, size);

	assert_true(n > 0);
	return n;
}

static void check(struct lab *l, const uint8_t *pkt, size_t len, const char *want)
{
	assert_int_equal(pkt[0] << 8 | pkt[1], 4711);
	assert_true(pkt[2] & 0x80);
	show(pkt, len, l->text, sizeof(l->text));
	if (want)
		assert_string_equal(l->text, want);
}

static void says(struct lab *l, int fd, const char *to, const char *name, uint16_t type,
		 const char *want)
{
	uint8_t buf[4096];
	struct ip from;
	ssize_t n;

	assert_int_equal(dns_lab_send(fd, to, buf, question(name, type, buf, sizeof(buf))), 0);
	n = dns_lab_recv(&l->loop, fd, buf, sizeof(buf), &from);
	assert_true(n > 0);
	assert_true(ip_eq(from, dns_lab_ip(to)));
	check(l, buf, (size_t)n, want);
}

static void says_by_tcp(struct lab *l, int fd, const char *name, uint16_t type, const char *want)
{
	uint8_t buf[DNS_PACKET_MAX + 2];
	size_t n = question(name, type, buf + 2, 512);

	buf[0] = (uint8_t)(n >> 8);
	buf[1] = (uint8_t)n;
	dns_lab_write(&l->loop, fd, buf, n + 2);
	assert_int_equal(dns_lab_read(&l->loop, fd, buf, 2), 2);
	n = (size_t)buf[0] << 8 | buf[1];
	assert_int_equal(dns_lab_read(&l->loop, fd, buf, n), n);
	check(l, buf, n, want);
}

static void test_own_names(void **state)
{
	struct lab *l = *state;
	int c1 = dns_lab_udp("c1", "10.7.1.2"), c2 = dns_lab_udp("c2", "10.7.2.2"),
	    c3 = dns_lab_udp("c3", "10.8.0.2"), tcp = dns_lab_tcp("c1", "10.7.1.2", "10.7.1.1");

	says(l, c1, "10.7.1.1", "web", TYPE_A, "NOERROR A=10.7.1.77");
	says(l, c2, "10.7.2.1", "web", TYPE_A, "NOERROR A=10.7.2.77");
	says(l, c1, "10.7.1.1", "WEB.front.OVL", TYPE_A, "NOERROR A=10.7.1.77");
	says(l, c1, "10.7.1.1", "web", TYPE_AAAA, "NOERROR");
	says(l, c1, "10.7.1.1", "web.back.ovl", TYPE_A, "NXDOMAIN");
	says(l, c1, "10.7.1.1", "77.1.7.10.in-addr.arpa", TYPE_PTR, "NOERROR PTR=web.front.ovl.");
	says(l, c3, "10.8.0.1", "c3", TYPE_A, "NOERROR A=10.8.0.2");
	says_by_tcp(l, tcp, "web", TYPE_A, "NOERROR A=10.7.1.77");
	/* Too many for a datagram without EDNS: by TCP all of them. */
	says(l, c1, "10.7.1.1", "many", TYPE_A, NULL);
	assert_int_equal(strncmp(l->text, "NOERROR+tc A=", 13), 0);
	says_by_tcp(l, tcp, "many", TYPE_A, NULL);
	assert_int_equal(strncmp(l->text, "NOERROR A=", 10), 0);
	assert_non_null(strstr(l->text, "10.7.1.199"));
	assert_non_null(strstr(l->text, "10.7.1.100"));
	assert_int_equal(stats(l).ours, 10);
	assert_int_equal(stats(l).questions, 10);
	assert_int_equal(l->n_upstream, 0);
	close(c1);
	close(c2);
	close(c3);
	close(tcp);
}

/* Each of several addresses is the first one at times. */
static void test_rotated(void **state)
{
	struct lab *l = *state;
	int fd = dns_lab_udp("c1", "10.7.1.2");
	char first[4096];
	bool other = false;

	says(l, fd, "10.7.1.1", "many", TYPE_A, NULL);
	snprintf(first, sizeof(first), "%s", l->text);
	for (unsigned i = 0; i < 10 && !other; i++) {
		says(l, fd, "10.7.1.1", "many", TYPE_A, NULL);
		other = strcmp(first, l->text) != 0;
	}
	assert_true(other);
	close(fd);
}

static void test_foreign(void **state)
{
	struct lab *l = *state;
	int c1 = dns_lab_udp("c1", "10.7.1.2"), c2 = dns_lab_udp("c2", "10.7.2.2"),
	    tcp = dns_lab_tcp("c1", "10.7.1.2", "10.7.1.1");

	says(l, c1, "10.7.1.1", "www.Example.com", TYPE_A, "NOERROR A=192.0.2.1");
	says(l, c1, "10.7.1.1", "www.example.COM", TYPE_A, "NOERROR A=192.0.2.1");
	says_by_tcp(l, tcp, "www.example.com", TYPE_A, "NOERROR A=192.0.2.1");
	assert_int_equal(l->n_upstream, 1); /* and from the cache */
	says_by_tcp(l, tcp, "example.org", TYPE_A, "NOERROR A=192.0.2.1");
	/* A name that no endpoint can have is the world's business. */
	says(l, c1, "10.7.1.1", "a b.example.com", TYPE_A, "NOERROR A=192.0.2.1");
	assert_int_equal(l->n_upstream, 3);
	says(l, c2, "10.7.2.1", "www.example.com", TYPE_A, "REFUSED");
	assert_int_equal(l->n_upstream, 3);
	says(l, c1, "10.7.1.1", "example.com", TYPE_AXFR, "REFUSED");
	assert_int_equal(stats(l).refused, 1);
	assert_int_equal(stats(l).bad, 1);
	assert_int_equal(stats(l).forwarded, 5);
	close(c1);
	close(c2);
	close(tcp);
}

/* From an address that is nobody's on the network it asks on: not a byte. */
static void test_strangers(void **state)
{
	struct lab *l = *state;
	uint8_t buf[512];
	size_t n = question("web", TYPE_A, buf, sizeof(buf));
	int fd = dns_lab_udp("c1", "10.7.0.2"), good = dns_lab_udp("c1", "10.7.1.2"),
	    c4 = dns_lab_udp("c4", "10.9.0.2"), spoofed, victim = dns_lab_udp("c2", "10.7.2.2");

	/* c2's address, from c1's network: that is not where it is asked from. */
	nft_lab_sh("ip -n ~c1 addr add 10.7.2.2/32 dev eth0");
	spoofed = dns_lab_udp("c1", "10.7.2.2");
	assert_int_equal(dns_lab_send(fd, "10.7.1.1", buf, n), 0);
	assert_int_equal(dns_lab_send(c4, "10.9.0.1", buf, n), 0);
	assert_int_equal(dns_lab_send(spoofed, "10.7.1.1", buf, n), 0);
	says(l, good, "10.7.1.1", "web", TYPE_A, "NOERROR A=10.7.1.77");
	says(l, victim, "10.7.2.1", "web", TYPE_A, "NOERROR A=10.7.2.77");
	assert_true(dns_lab_quiet(fd));
	assert_true(dns_lab_quiet(c4));
	assert_true(dns_lab_quiet(spoofed));
	assert_true(dns_lab_quiet(victim));
	assert_in_range(stats(l).strangers, 2, 3); /* rp_filter may have been before us */
	assert_int_equal(stats(l).questions, 2);
	nft_lab_sh("ip -n ~c1 addr del 10.7.2.2/32 dev eth0");
	close(fd);
	close(good);
	close(c4);
	close(spoofed);
	close(victim);
}

/* Somebody tells who it is; of .3 he never does. */
static void tell(void *user, struct ip source)
{
	struct lab *l = user;

	l->told++;
	if (!ip_eq(source, dns_lab_ip("10.9.0.2")))
		return;
	put(l, 16, 1, DNS_LAB_HOST2, 1, "c4", "10.9.0.2", true);
	dns_strangers_again(l->dns);
}

static void test_known_later(void **state)
{
	struct lab *l = *state;
	int c4 = dns_lab_udp("c4", "10.9.0.2"), other, tcp;
	uint8_t buf[512];
	size_t n = question("web", TYPE_A, buf + 2, sizeof(buf) - 2);

	nft_lab_sh("ip -n ~c4 addr add 10.9.0.3/24 dev eth0");
	other = dns_lab_udp("c4", "10.9.0.3");
	dns_strangers(l->dns, DNS_LAB_HOST2, tell, l);
	says(l, c4, "10.9.0.1", "web", TYPE_A, "NOERROR A=10.7.1.77");
	says(l, c4, "10.9.0.1", "www.example.com", TYPE_A, "NOERROR A=192.0.2.1");
	assert_int_equal(l->told, 1);
	/* A resolver goes on to its next server then. */
	says(l, other, "10.9.0.1", "web", TYPE_A, "SERVFAIL");
	tcp = dns_lab_tcp("c4", "10.9.0.3", "10.9.0.1");
	says_by_tcp(l, tcp, "web", TYPE_A, "SERVFAIL");
	assert_int_equal(stats(l).unknown, 2);
	assert_int_equal(stats(l).held, 3);
	/* Who goes meanwhile, and what is held at the end, is nobody's any more. */
	buf[0] = 0;
	buf[1] = (uint8_t)n;
	dns_lab_write(&l->loop, tcp, buf, n + 2);
	assert_int_equal(dns_lab_send(other, "10.9.0.1", buf + 2, n), 0);
	says(l, c4, "10.9.0.1", "web", TYPE_A, "NOERROR A=10.7.1.77");
	close(tcp);
	says(l, c4, "10.9.0.1", "web", TYPE_A, "NOERROR A=10.7.1.77");
	dns_strangers_again(l->dns);
	close(c4);
	close(other);
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

/* Random bytes, and questions that were good but for some bytes. */
static void test_garbage(void **state)
{
	struct lab *l = *state;
	int fd = dns_lab_udp("c1", "10.7.1.2");
	uint8_t buf[600], good[512];
	size_t n_good = question("_http._tcp.web.front.ovl", 33, good, sizeof(good));
	uint32_t seed = 42;

	l->silent = true;
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = next(&seed) % sizeof(buf);

		for (size_t j = 0; j < sizeof(buf); j++)
			buf[j] = (uint8_t)next(&seed);
		if (i % 2) {
			n = n_good - (next(&seed) % 8 == 0 ? next(&seed) % n_good : 0);
			memcpy(buf, good, n);
			for (unsigned j = 0; j <= next(&seed) % 3 && n > 0; j++)
				buf[next(&seed) % n] = (uint8_t)next(&seed);
		}
		dns_lab_send(fd, "10.7.1.1", buf, n);
		if (i % 16 == 15)
			uv_run(&l->loop, UV_RUN_NOWAIT);
	}
	close(fd);
	fd = dns_lab_udp("c1", "10.7.1.2");
	says(l, fd, "10.7.1.1", "web", TYPE_A, "NOERROR A=10.7.1.77");
	assert_true(stats(l).bad > 5000);
	assert_true(stats(l).listen.udp > 15000);
	assert_true(stats(l).forward.in_flight <= DNS_FORWARD_CLIENT_MAX);
	assert_true(stats(l).listen.under_way <= DNS_FORWARD_CLIENT_MAX);
	close(fd);
}

/* An upstream that is silent, and a container that goes on asking: it gets its share; others, and names of ours, are answered as ever. */
static void test_flood(void **state)
{
	struct lab *l = *state;
	int fd = dns_lab_udp("c1", "10.7.1.2"), own = dns_lab_udp("c1", "10.7.1.2"),
	    c3 = dns_lab_udp("c3", "10.8.0.2");
	uint8_t buf[512];

	l->silent = true;
	for (unsigned i = 0; i < 3000; i++) {
		char name[64];

		snprintf(name, sizeof(name), "n%u.example.com", i);
		dns_lab_send(fd, "10.7.1.1", buf, question(name, TYPE_TXT, buf, sizeof(buf)));
		if (i % 16 == 15)
			uv_run(&l->loop, UV_RUN_NOWAIT);
		if (i % 500 == 499)
			says(l, own, "10.7.1.1", "web", TYPE_A, "NOERROR A=10.7.1.77");
		assert_true(stats(l).forward.in_flight <= DNS_FORWARD_CLIENT_MAX);
		assert_true(stats(l).listen.under_way <= DNS_FORWARD_CLIENT_MAX + 1);
	}
	assert_true(stats(l).refused > 0);
	l->silent = false;
	says(l, c3, "10.8.0.1", "www.example.com", TYPE_A, "NOERROR A=192.0.2.1");
	close(fd);
	close(own);
	close(c3);
}

static bool none_in_flight(void *arg)
{
	return stats(arg).forward.in_flight == 0;
}

static bool some_in_flight(void *arg)
{
	return stats(arg).forward.in_flight == 1;
}

/* Nobody waits any more: nobody is asked any more. */
static void test_gone(void **state)
{
	struct linger now = { .l_onoff = 1 };
	struct lab *l = *state;
	uint8_t buf[512];
	size_t n = question("www.example.com", TYPE_A, buf + 2, sizeof(buf) - 2);
	int tcp = dns_lab_tcp("c1", "10.7.1.2", "10.7.1.1"), c3 = dns_lab_udp("c3", "10.8.0.2");

	l->silent = true;
	buf[0] = 0;
	buf[1] = (uint8_t)n;
	dns_lab_write(&l->loop, tcp, buf, n + 2);
	dns_lab_wait(&l->loop, some_in_flight, l);
	setsockopt(tcp, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(tcp);
	dns_lab_wait(&l->loop, none_in_flight, l);
	dns_lab_send(c3, "10.8.0.1", buf + 2, n);
	dns_lab_wait(&l->loop, some_in_flight, l);
	dns_listen_host_del(dns_listen(l->dns), DNS_LAB_HOST);
	assert_true(none_in_flight(l));
	/* And one that is there to the end. */
	close(c3);
	c3 = dns_lab_udp("c1", "10.7.1.2");
	dns_lab_send(c3, "10.7.1.1", buf + 2, n);
	dns_lab_wait(&l->loop, some_in_flight, l);
	close(c3);
}

static void test_own_server_as_upstream(void **state)
{
	struct dns_servers s = { .v[0] = { .ip = dns_lab_ip("10.8.0.1"), .port = 53 }, .n = 1 };
	struct lab *l = *state;
	int fd = dns_lab_udp("c1", "10.7.1.2");

	dns_forward_servers(dns_forward(l->dns), &s);
	says(l, fd, "10.7.1.1", "www.example.com", TYPE_A, "SERVFAIL");
	assert_int_equal(stats(l).questions, 1);
	assert_true(stats(l).forward.server[0].self);
	close(fd);
}

static void on_told(void *user, const struct dns_told *t)
{
	struct lab *l = user;

	l->told++;
	l->ours = t->ours;
	l->refused = t->refused;
	l->cached = t->how.cached;
	l->stopped = t->len == 0;
	l->text[0] = '\0';
	if (t->len > 0)
		show(t->pkt, t->len, l->text, sizeof(l->text));
	if (t->ours && t->zone.outcome == ZONE_FOUND)
		assert_true(id_eq(t->zone.network, id_of(1)));
}

static bool was_told(void *arg)
{
	return ((struct lab *)arg)->told > 0;
}

static void told(struct lab *l, uint8_t place, const char *name, uint16_t type, const char *want)
{
	const struct dns_client *c =
		dns_client_at(dns_clients(l->dns), (struct dns_place){ 1, place });
	struct err e = { 0 };

	assert_non_null(c);
	l->told = 0;
	assert_int_equal(dns_ask(l->dns, c, name, type, on_told, l, &e), 0);
	dns_lab_wait(&l->loop, was_told, l);
	assert_int_equal(l->told, 1);
	assert_string_equal(l->text, want);
}

static void test_ask(void **state)
{
	struct lab *l = *state;
	const struct dns_client *c = dns_client_at(dns_clients(l->dns), (struct dns_place){ 1, 1 });
	char long_name[300];
	struct err e = { 0 };

	told(l, 1, "web", TYPE_A, "NOERROR A=10.7.1.77");
	assert_true(l->ours && !l->refused);
	told(l, 1, "www.example.com", TYPE_A, "NOERROR A=192.0.2.1");
	assert_true(!l->ours && !l->refused && !l->cached);
	told(l, 1, "www.example.com", TYPE_A, "NOERROR A=192.0.2.1");
	assert_true(l->cached);
	told(l, 2, "www.example.com", TYPE_A, "REFUSED");
	assert_true(l->refused && !l->ours);
	told(l, 1, "example.com", TYPE_AXFR, "REFUSED");
	assert_true(l->ours && !l->refused);
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(dns_ask(l->dns, c, long_name, TYPE_A, on_told, l, &e), -EINVAL);
	assert_non_null(strstr(err_text(&e), "no domain name"));
	/* Two under way; the server ends. */
	l->silent = true;
	l->told = 0;
	assert_int_equal(dns_ask(l->dns, c, "a.example.com", TYPE_A, on_told, l, &e), 0);
	assert_int_equal(dns_ask(l->dns, c, "b.example.com", TYPE_A, on_told, l, &e), 0);
	dns_close(l->dns);
	l->dns = NULL;
	assert_int_equal(l->told, 2);
	assert_true(l->stopped);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_own_names), TEST(test_rotated),     TEST(test_foreign),
		TEST(test_strangers), TEST(test_known_later), TEST(test_garbage),
		TEST(test_flood),     TEST(test_gone),	      TEST(test_own_server_as_upstream),
		TEST(test_ask),
	};
	int r;

	dns_lab_begin();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	dns_lab_end();
	return r;
}
