/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_listen.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "agent/dns/dns_listen_priv.h"
#include "base/mem.h"
#include "overlay/knl_diag.h"
#include "overlay/netns.h"

#define HOLDER_KNOWN_MS 60000

static const int families[DNS_FAMILIES] = { [DNS_V4] = AF_INET, [DNS_V6] = AF_INET6 };

void dns_listen_ref(struct dns_listen *l)
{
	l->refs++;
}

void dns_listen_unref(struct dns_listen *l)
{
	if (--l->refs > 0)
		return;
	free(l->spare);
	free(l);
}

struct dns_asker *dns_asker_new(struct dns_listen *l)
{
	struct dns_asker *a = l->spare ? TAKE_PTR(l->spare) : mem_alloc(sizeof(*a));

	memset(a, 0, sizeof(*a));
	a->l = l;
	return a;
}

void dns_asker_free(struct dns_asker *a)
{
	if (a->handled)
		*a->handled = NULL;
	if (a->l->spare)
		free(a);
	else
		a->l->spare = a;
}

void dns_asker_gone(struct dns_asker *a)
{
	dns_gone_fn gone = a->gone;
	void *user = a->user;

	a->sock = NULL;
	a->conn = NULL;
	a->l->stats.dropped++;
	if (!gone && !a->l->closed) {
		DL_APPEND(a->l->orphans, a);
		return;
	}
	dns_asker_free(a);
	if (gone)
		gone(user);
}

bool dns_asker_ask(struct dns_asker *a, const struct dns_from *from, const uint8_t *pkt, size_t len)
{
	struct dns_asker *under_way = a;

	a->handled = &under_way;
	a->l->fn(a->l->user, a, from, pkt, len);
	if (!under_way)
		return false;
	a->handled = NULL;
	return a->sock || a->conn;
}

void dns_listen_answer(struct dns_asker *a, const uint8_t *pkt, size_t len)
{
	if (a->sock)
		dns_udp_answer(a, pkt, len);
	else if (a->conn)
		dns_tcp_answer(a, pkt, len);
	else
		DL_DELETE(a->l->orphans, a);
	dns_asker_free(a);
}

void dns_listen_drop(struct dns_asker *a)
{
	if (a->sock || a->conn)
		a->l->stats.dropped++;
	if (a->sock)
		dns_udp_drop(a);
	else if (a->conn)
		dns_tcp_drop(a);
	else
		DL_DELETE(a->l->orphans, a);
	dns_asker_free(a);
}

void dns_listen_watch(struct dns_asker *a, dns_gone_fn fn, void *user)
{
	a->gone = fn;
	a->user = user;
}

static void on_timer(uv_timer_t *t)
{
	struct dns_listen *l = t->data;

	if (l->paused)
		dns_listen_resume(l);
	dns_tcp_idle(l);
	if (!l->connections && !l->paused)
		uv_timer_stop(t);
}

void dns_listen_timer(struct dns_listen *l)
{
	uint64_t every_ms = l->idle_ms < DNS_LISTEN_ACCEPT_AGAIN_MS ? l->idle_ms :
								      DNS_LISTEN_ACCEPT_AGAIN_MS;

	if (!l->closed && !uv_is_active((uv_handle_t *)&l->timer))
		uv_timer_start(&l->timer, on_timer, every_ms, every_ms);
}

static void resume(struct dns_socket *s)
{
	if (!s || !s->paused)
		return;
	s->paused = false;
	uv_poll_start(&s->poll, UV_READABLE, dns_tcp_acceptable);
}

void dns_listen_resume(struct dns_listen *l)
{
	struct dns_host *h, *tmp;

	l->paused = false;
	for (size_t i = 0; i < DNS_FAMILIES; i++)
		resume(l->tcp[i]);
	HASH_ITER(hh, l->hosts, h, tmp)
		resume(h->tcp);
}

static void on_timer_closed(uv_handle_t *h)
{
	dns_listen_unref(h->data);
}

struct dns_listen *dns_listen_new(uv_loop_t *loop, dns_listen_fn fn, void *user)
{
	struct dns_listen *l = mem_alloc(sizeof(*l));

	l->loop = loop;
	l->fn = fn;
	l->user = user;
	l->idle_ms = DNS_LISTEN_TCP_IDLE_MS;
	l->refs = 2; /* one the timer's */
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
	return l;
}

static void close_overlay(struct dns_listen *l)
{
	for (size_t i = 0; i < DNS_FAMILIES; i++) {
		dns_socket_close(TAKE_PTR(l->udp[i]));
		dns_socket_close(TAKE_PTR(l->tcp[i]));
	}
	l->ns_dev = l->ns_ino = 0;
}

int dns_listen_overlay(struct dns_listen *l, int nsfd, struct err *e)
{
	uint64_t dev = 0, ino = 0;
	int r = nsfd < 0 ? 0 : netns_identify(nsfd, &dev, &ino);

	if (r < 0)
		return err_set(e, r, "cannot tell the overlay namespace: %s", strerror(-r));
	if (ino != 0 && dev == l->ns_dev && ino == l->ns_ino)
		return 0;
	close_overlay(l);
	if (nsfd < 0)
		return 0;
	for (size_t i = 0; i < DNS_FAMILIES && r == 0; i++) {
		r = dns_socket_overlay(l, nsfd, families[i], false, &l->udp[i]);
		if (r == 0)
			r = dns_socket_overlay(l, nsfd, families[i], true, &l->tcp[i]);
		if (r == -EAFNOSUPPORT && families[i] == AF_INET6) /* a kernel without */
			r = 0;
	}
	if (r < 0) {
		close_overlay(l);
		return err_set(e, r, "cannot listen on port %d in the overlay namespace: %s",
			       DNS_PORT, strerror(-r));
	}
	l->ns_dev = dev;
	l->ns_ino = ino;
	return 0;
}

/* Looking through all processes for each of two thousand addresses would keep the loop for seconds. */
static const char *holder_text(struct dns_listen *l, uint8_t proto, struct ip ip)
{
	struct dns_holder *h = &l->holder;
	uint64_t now_ms = uv_now(l->loop);
	uint32_t inode = 0;

	if (knl_diag_holder(proto, ip, DNS_PORT, &inode) == 0 && inode != 0 && inode == h->inode &&
	    now_ms - h->found_ms < HOLDER_KNOWN_MS)
		return h->text;
	h->inode = inode;
	h->found_ms = now_ms;
	return publish_holder_text(proto, ip, DNS_PORT, h->text);
}

static int tell(struct dns_listen *l, const struct dns_host *h, bool tcp, int r, struct err *e)
{
	char ip[IP_TEXT_MAX];
	const char *proto = tcp ? "TCP" : "UDP";

	ip_format(h->key.ip, ip);
	if (r != -EADDRINUSE)
		return err_set(e, r, "cannot listen on %s port %d/%s of %s: %s", ip, DNS_PORT,
			       proto, h->ifname, strerror(-r));
	return err_set(e, r,
		       "cannot listen on %s port %d/%s of %s: held by %s; a resolver on all "
		       "addresses must be told to leave this one to ovl, by listing its own "
		       "(dnsmasq: bind-dynamic and except-interface=%s)",
		       ip, DNS_PORT, proto, h->ifname,
		       holder_text(l, tcp ? IPPROTO_TCP : IPPROTO_UDP, h->key.ip), h->ifname);
}

static void close_host(struct dns_host *h)
{
	dns_socket_close(TAKE_PTR(h->udp));
	dns_socket_close(TAKE_PTR(h->tcp));
}

static int open_host(struct dns_listen *l, struct dns_host *h, struct err *e)
{
	int r = h->udp ? 0 : dns_socket_host(l, h, false, &h->udp);

	if (r < 0)
		return tell(l, h, false, r, e);
	r = h->tcp ? 0 : dns_socket_host(l, h, true, &h->tcp);
	return r < 0 ? tell(l, h, true, r, e) : 0;
}

static void host_free(struct dns_listen *l, struct dns_host *h)
{
	/* The analyzer does not follow the table's own bookkeeping from one removal to the next. */
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	HASH_DEL(l->hosts, h);
	close_host(h);
	free(h);
}

int dns_listen_host(struct dns_listen *l, uint32_t key, const char *ifname, struct ip address,
		    struct err *e)
{
	unsigned ifindex = if_nametoindex(ifname);
	struct dns_host_key k;
	struct dns_host *h;
	int r;

	memset(&k, 0, sizeof(k));
	k.key = key;
	k.ip = address;
	HASH_FIND(hh, l->hosts, &k, sizeof(k), h);
	if (ifindex == 0) {
		if (h)
			host_free(l, h);
		return err_set(e, -ENODEV, "there is no device %s", ifname);
	}
	if (!h && HASH_COUNT(l->hosts) >= DNS_LISTEN_HOST_MAX)
		return err_set(e, -E2BIG, "more than %d addresses to answer names on",
			       DNS_LISTEN_HOST_MAX);
	if (!h) {
		h = mem_alloc(sizeof(*h));
		memcpy(&h->key, &k, sizeof(k));
		HASH_ADD(hh, l->hosts, key, sizeof(h->key), h);
	}
	if (ifindex != h->ifindex)
		close_host(h);
	h->ifindex = ifindex;
	snprintf(h->ifname, sizeof(h->ifname), "%s", ifname);
	r = open_host(l, h, e);
	if (!h->udp)
		host_free(l, h);
	return r;
}

void dns_listen_host_del(struct dns_listen *l, uint32_t key)
{
	struct dns_host *h, *tmp;

	HASH_ITER(hh, l->hosts, h, tmp) {
		if (h->key.key == key)
			host_free(l, h);
	}
}

bool dns_listen_is_self(const struct dns_listen *l, struct dns_server_addr a)
{
	for (const struct dns_host *h = l->hosts; h; h = h->hh.next)
		if (a.port == DNS_PORT && ip_eq(h->key.ip, a.ip))
			return true;
	return false;
}

void dns_listen_close(struct dns_listen *l)
{
	struct dns_host *h, *tmp;
	struct dns_asker *a, *next;

	if (l->closed)
		return;
	l->closed = true;
	dns_udp_gone(l, NULL);
	dns_tcp_close(l, NULL);
	DL_FOREACH_SAFE(l->orphans, a, next) {
		DL_DELETE(l->orphans, a);
		dns_asker_free(a);
	}
	close_overlay(l);
	HASH_ITER(hh, l->hosts, h, tmp)
		host_free(l, h);
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
	dns_listen_unref(l);
}

void dns_listen_stats(const struct dns_listen *l, struct dns_listen_stats *ret)
{
	*ret = l->stats;
	ret->under_way = l->under_way;
	ret->tcp_connections = l->n_connections;
	ret->overlay = l->ns_ino != 0;
	ret->host = HASH_COUNT(l->hosts);
	ret->host_no_tcp = 0;
	for (const struct dns_host *h = l->hosts; h; h = h->hh.next)
		ret->host_no_tcp += h->tcp == NULL;
}
