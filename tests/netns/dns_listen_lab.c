/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/netns/dns_listen_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"
#include "tests/netns/dns_lab.h"

static void on_gone(void *user)
{
	struct lab_kept *k = user;

	k->asker = NULL;
	k->l->gone++;
}

static void keep(struct listen_lab *l, struct dns_asker *asker, const uint8_t *pkt, size_t len)
{
	struct lab_kept *k = &l->kept[l->n_kept++];

	assert_true(l->n_kept <= LAB_KEPT_MAX);
	*k = (struct lab_kept){ .l = l, .asker = asker, .first = len > 0 ? pkt[0] : 0 };
	dns_listen_watch(asker, on_gone, k);
}

static void on_question(void *user, struct dns_asker *asker, const struct dns_from *from,
			const uint8_t *pkt, size_t len)
{
	static const uint8_t big[DNS_PACKET_MAX];
	struct listen_lab *l = user;

	l->n++;
	l->last = *from;
	switch (l->how) {
	case LAB_ECHO:
		dns_listen_answer(asker, pkt, len);
		break;
	case LAB_KEEP:
		keep(l, asker, pkt, len);
		break;
	case LAB_CLOSE_HOST:
		keep(l, asker, pkt, len);
		dns_listen_host_del(l->listen, DNS_LAB_HOST);
		break;
	case LAB_BIG:
		dns_listen_answer(asker, big, sizeof(big));
		break;
	}
}

int listen_lab_setup(void **state)
{
	struct listen_lab *l = mem_alloc(sizeof(*l));

	assert_int_equal(uv_loop_init(&l->loop), 0);
	l->listen = dns_listen_new(&l->loop, on_question, l);
	*state = l;
	return 0;
}

int listen_lab_teardown(void **state)
{
	struct listen_lab *l = *state;

	if (l->listen)
		dns_listen_close(l->listen);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	free(l);
	return 0;
}

struct dns_listen_stats listen_lab_stats(const struct listen_lab *l)
{
	struct dns_listen_stats s;

	dns_listen_stats(l->listen, &s);
	return s;
}

void listen_lab_overlay(struct listen_lab *l, const char *ns)
{
	_cleanup_close_ int nsfd = open(nft_lab_path(ns), O_RDONLY | O_CLOEXEC);
	const struct dns_socket *before = l->listen->udp[0];
	struct err e = { 0 };

	assert_true(nsfd >= 0);
	if (dns_listen_overlay(l->listen, nsfd, &e) < 0)
		fail_msg("%s", err_text(&e));
	l->opened = l->listen->udp[0] != before;
}

static const struct dns_socket *socket_of(const struct listen_lab *l, struct ip ip)
{
	for (const struct dns_host *h = l->listen->hosts; h; h = h->hh.next)
		if (ip_eq(h->key.ip, ip))
			return h->udp;
	return NULL;
}

void listen_lab_host(struct listen_lab *l, uint32_t key, const char *ifname, const char *address,
		     int code)
{
	struct ip ip = dns_lab_ip(address);
	const struct dns_socket *before = socket_of(l, ip);
	struct err e = { 0 };

	assert_int_equal(dns_listen_host(l->listen, key, ifname, ip, &e), code);
	snprintf(l->error, sizeof(l->error), "%s", code < 0 ? err_text(&e) : "");
	l->opened = socket_of(l, ip) != before;
}

struct until {
	struct listen_lab *l;
	size_t n;
};

static bool has_come(void *arg)
{
	const struct until *u = arg;

	return u->l->n >= u->n;
}

void listen_lab_until(struct listen_lab *l, size_t n)
{
	struct until u = { l, n };

	dns_lab_wait(&l->loop, has_come, &u);
}

void listen_lab_echo(struct listen_lab *l, int fd, const char *to, const char *text)
{
	char buf[DNS_LISTEN_QUESTION_MAX];
	struct ip from;

	assert_int_equal(dns_lab_send(fd, to, text, strlen(text)), 0);
	assert_int_equal(dns_lab_recv(&l->loop, fd, buf, sizeof(buf), &from), strlen(text));
	assert_memory_equal(buf, text, strlen(text));
	assert_true(ip_eq(from, dns_lab_ip(to)));
}

void listen_lab_refused(struct listen_lab *l, int fd, const char *to)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(dns_lab_ip(to), 53, &ss);
	size_t before = l->n;
	char c;

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(send(fd, "?", 1, 0), 1);
	assert_int_equal(dns_lab_recv(&l->loop, fd, &c, 1, NULL), -ECONNREFUSED);
	assert_int_equal(l->n, before);
	ss.ss_family = AF_UNSPEC;
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
}
