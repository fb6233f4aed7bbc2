/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/publish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>
#include <utlist.h>
#include "agent/dns/dns_client.h"
#include "agent/publish_priv.h"
#include "base/log.h"
#include "base/mem.h"

#define FDS_ELSE 8192 /* the agent's other descriptors */
#define FDS (2 * PUBLISH_PORTS_MAX + 3 * PUBLISH_RELAYS_MAX + FDS_ELSE)
#define ANY_TRIES 64 /* ephemeral ports that are free for one family and not for the other */
#define BLIND_FIRST 49152 /* RFC 6335: ephemeral, where the kernel cannot choose */

static void raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= FDS)
		return;
	l.rlim_cur = l.rlim_max < FDS ? l.rlim_max : FDS;
	setrlimit(RLIMIT_NOFILE, &l);
}

void publish_ref(struct publishes *ps)
{
	ps->refs++;
}

void publish_unref(struct publishes *ps)
{
	if (--ps->refs == 0)
		free(ps);
}

struct publishes *publishes_new(uv_loop_t *loop)
{
	struct publishes *ps = mem_alloc(sizeof(*ps));

	raise_limit();
	ps->loop = loop;
	ps->refs = 1;
	ps->udp_idle_ms = PUBLISH_UDP_IDLE_MS;
	uv_timer_init(loop, &ps->timer);
	ps->timer.data = ps;
	return ps;
}

static uint32_t slot_key(uint8_t proto, uint16_t port)
{
	return (uint32_t)proto << 16 | port;
}

static struct publish_slot *find_slot(const struct publishes *ps, uint8_t proto, uint16_t port)
{
	uint32_t key = slot_key(proto, port);
	struct publish_slot *slot;

	HASH_FIND(hh, ps->slots, &key, sizeof(key), slot);
	return slot;
}

static void index_add(struct publishes *ps, struct publish_port *port)
{
	struct publish_slot *slot = find_slot(ps, port->p.proto, port->p.host_port);

	if (!slot) {
		slot = mem_alloc(sizeof(*slot));
		slot->key = slot_key(port->p.proto, port->p.host_port);
		HASH_ADD(hh, ps->slots, key, sizeof(slot->key), slot);
	}
	DL_APPEND(slot->ports, port);
	ps->stats.ports++;
}

static void index_del(struct publishes *ps, struct publish_port *port)
{
	struct publish_slot *slot = find_slot(ps, port->p.proto, port->p.host_port);

	DL_DELETE(slot->ports, port);
	ps->stats.ports--;
	if (slot->ports)
		return;
	HASH_DEL(ps->slots, slot);
	free(slot);
}

/* Unset: both families. */
static bool overlaps(struct ip a, struct ip b)
{
	if (!ip_is_set(a) || !ip_is_set(b))
		return true;
	return a.family == b.family &&
	       (ip_is_unspecified(a) || ip_is_unspecified(b) || ip_eq(a, b));
}

static const struct publish_port *find_overlap(const struct publishes *ps,
					       const struct model_publish *p, uint16_t host_port)
{
	const struct publish_slot *slot = find_slot(ps, p->proto, host_port);
	const struct publish_port *other = NULL;

	if (slot)
		DL_FOREACH(slot->ports, other) {
			if (overlaps(other->p.host_ip, p->host_ip))
				return other;
		}
	return NULL;
}

/* Ours are those of the name server, on the addresses of bridges (agent/dns/dns_listen.h). */
static bool is_name_server(uint16_t port, const char *holder)
{
	char own[PUBLISH_HOLDER_MAX];

	snprintf(own, sizeof(own), "(pid %d)", (int)getpid());
	return port == DNS_PORT && strstr(holder, own);
}

static int explain(const struct model_publish *p, struct ip ip, int code, struct err *e)
{
	char text[IP_TEXT_MAX], holder[PUBLISH_HOLDER_MAX];
	const char *proto = model_proto_name(p->proto);

	ip_format(ip, text);
	switch (code) {
	case -EADDRINUSE:
		publish_holder_text(p->proto, ip, p->host_port, holder);
		return err_set(
			e, code, "port %u/%s of %s is in use by %s%s", p->host_port, proto, text,
			holder,
			is_name_server(p->host_port, holder) ?
				", which answers names there on the addresses of its bridges: publish it "
				"at another address of this host (-p ADDRESS:53:PORT)" :
				"");
	case -EADDRNOTAVAIL:
		return err_set(e, code, "port %u/%s: %s is not an address of this host",
			       p->host_port, proto, text);
	case -EMFILE:
	case -ENFILE:
		return err_set(e, -EMFILE, "port %u/%s: too many open files (LimitNOFILE)",
			       p->host_port, proto);
	}
	return err_set(e, code, "port %u/%s of %s: %s", p->host_port, proto, text, strerror(-code));
}

static void close_socks(struct publish_port *port)
{
	for (size_t i = 0; i < ARRAY_SIZE(port->sock); i++) {
		publish_sock_close(port->sock[i]);
		port->sock[i] = NULL;
	}
}

/* All sockets of a port, or none. @port->p.host_port 0: becomes what the kernel chose for the first. */
static int open_socks(struct publishes *ps, struct publish_port *port, struct ip *ret_failed)
{
	struct ip ips[2] = { { .family = AF_INET }, { .family = AF_INET6 } };
	bool all = !ip_is_set(port->p.host_ip);

	if (!all)
		ips[0] = port->p.host_ip;
	for (size_t i = 0; i < (all ? 2 : 1); i++) {
		int fd, r = publish_sock_bind(port->p.proto, ips[i], port->p.host_port, &fd,
					      &port->p.host_port);

		/* A host without IPv6. */
		if (i > 0 && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL))
			continue;
		if (r == 0 && fd >= 0)
			r = publish_sock_open(ps, port, fd, &port->sock[i]);
		if (r < 0) {
			*ret_failed = ips[i];
			close_socks(port);
			return r;
		}
	}
	return 0;
}

static int take_fixed(struct publishes *ps, struct publish_port *port, struct err *e)
{
	const struct publish_port *other = find_overlap(ps, &port->p, port->p.host_port);
	const char *proto = model_proto_name(port->p.proto);
	struct ip failed;
	int r;

	if (other && other->owner == port->owner)
		return err_set(e, -EADDRINUSE, "port %u/%s is published twice", port->p.host_port,
			       proto);
	if (other)
		return err_set(e, -EADDRINUSE, "port %u/%s is published by container %s already",
			       port->p.host_port, proto, other->owner->who);
	r = open_socks(ps, port, &failed);
	return r < 0 ? explain(&port->p, failed, r, e) : 0;
}

static uint16_t blind_port(void)
{
	uint16_t n = 0;

	(void)!getrandom(&n, sizeof(n), 0);
	return (uint16_t)(BLIND_FIRST + n % (65536 - BLIND_FIRST));
}

static int take_any(struct publishes *ps, struct publish_port *port, struct err *e)
{
	for (unsigned i = 0; i < ANY_TRIES; i++) {
		struct ip failed;
		int r;

		port->p.host_port = 0;
		r = open_socks(ps, port, &failed);
		if (r == -EADDRINUSE)
			continue;
		if (r < 0)
			return explain(&port->p, failed, r, e);
		if (port->p.host_port == 0)
			port->p.host_port = blind_port();
		if (!find_overlap(ps, &port->p, port->p.host_port))
			return 0;
		close_socks(port);
	}
	return err_set(e, -ENOSPC, "no ephemeral port is free for port %u/%s", port->p.port,
		       model_proto_name(port->p.proto));
}

static int take(struct publishes *ps, struct publish_port *port, bool strict, struct err *e)
{
	struct err why = { 0 };
	bool any = port->p.host_port == 0;
	int r = any ? take_any(ps, port, &why) : take_fixed(ps, port, &why);

	if (r < 0 && (strict || any))
		return err_set(e, r, "%s", err_text(&why));
	if (r < 0)
		log_warn("published port not reserved, its translation goes on",
			 "container=%s error=%s", port->owner->who, LOG_Q(err_text(&why)));
	index_add(ps, port);
	return 0;
}

static struct publish_owner *find_owner(const struct publishes *ps, struct id id)
{
	struct publish_owner *o;

	HASH_FIND(hh, ps->owners, &id, sizeof(id), o);
	return o;
}

static void cut_relays(struct publish_owner *o, struct publishes *ps)
{
	publish_relay_cut(ps, o);
	publish_udp_cut(ps, o);
}

/* @o->n: as many as were taken. */
static void free_owner(struct publishes *ps, struct publish_owner *o)
{
	cut_relays(o, ps);
	for (size_t i = 0; i < o->n; i++) {
		close_socks(&o->port[i]);
		index_del(ps, &o->port[i]);
	}
	HASH_DEL(ps->owners, o);
	free(o->port);
	free(o->who);
	free(o);
}

static bool same(const struct publish_owner *o, const struct model_publish *want, size_t n)
{
	if (o->n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct model_publish *have = &o->port[i].p;

		if (have->proto != want[i].proto || have->port != want[i].port ||
		    !ip_eq(have->host_ip, want[i].host_ip) ||
		    (want[i].host_port != 0 && have->host_port != want[i].host_port))
			return false;
	}
	return true;
}

static int take_all(struct publishes *ps, struct publish_owner *o, const struct model_publish *want,
		    size_t n, bool strict, struct err *e)
{
	if (n > PUBLISH_PORTS_MAX || ps->stats.ports > PUBLISH_PORTS_MAX - n)
		return err_set(e, -ENOSPC, "more than %d published ports on this node",
			       PUBLISH_PORTS_MAX);
	o->port = mem_alloc_array(n, sizeof(*o->port));
	for (; o->n < n; o->n++) {
		struct publish_port *port = &o->port[o->n];
		int r;

		port->p = want[o->n];
		port->owner = o;
		r = take(ps, port, strict, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int publish_reserve(struct publishes *ps, struct id owner, const char *who,
		    struct model_publish *want, size_t n, bool strict, struct err *e)
{
	struct publish_owner *o = find_owner(ps, owner);
	int r;

	if (!o || !same(o, want, n)) {
		publish_release(ps, owner);
		if (n == 0)
			return 0;
		o = mem_alloc(sizeof(*o));
		o->id = owner;
		o->who = mem_strdup(who);
		HASH_ADD(hh, ps->owners, id, sizeof(o->id), o);
		r = take_all(ps, o, want, n, strict, e);
		if (r < 0) {
			free_owner(ps, o);
			return r;
		}
	}
	for (size_t i = 0; i < n; i++)
		want[i].host_port = o->port[i].p.host_port;
	return 0;
}

void publish_target(struct publishes *ps, struct id owner, struct ip ip4, struct ip ip6)
{
	struct publish_owner *o = find_owner(ps, owner);

	if (!o || (ip_eq(o->ip4, ip4) && ip_eq(o->ip6, ip6)))
		return;
	cut_relays(o, ps);
	o->ip4 = ip4;
	o->ip6 = ip6;
}

struct ip publish_where(const struct publish_owner *o, int family)
{
	struct ip like = family == AF_INET6 ? o->ip6 : o->ip4;
	struct ip unlike = family == AF_INET6 ? o->ip4 : o->ip6;

	return ip_is_set(like) ? like : unlike;
}

void publish_release(struct publishes *ps, struct id owner)
{
	struct publish_owner *o = find_owner(ps, owner);

	if (o)
		free_owner(ps, o);
}

void publishes_unbound(const struct publishes *ps,
		       void (*fn)(void *user, const struct model_publish *p, const char *who),
		       void *user)
{
	struct publish_owner *o, *tmp;

	HASH_ITER(hh, ps->owners, o, tmp) {
		for (size_t i = 0; i < o->n; i++) {
			/* A kernel without SCTP has no sockets of it. */
			if (!o->port[i].sock[0] && !o->port[i].sock[1] &&
			    o->port[i].p.proto != IPPROTO_SCTP)
				fn(user, &o->port[i].p, o->who);
		}
	}
}

void publishes_stats(const struct publishes *ps, struct publish_stats *ret)
{
	*ret = ps->stats;
}

static void on_timer_closed(uv_handle_t *h)
{
	publish_unref(h->data);
}

void publishes_close(struct publishes *ps)
{
	struct publish_owner *o, *tmp;

	if (!ps)
		return;
	HASH_ITER(hh, ps->owners, o, tmp)
		free_owner(ps, o);
	uv_close((uv_handle_t *)&ps->timer, on_timer_closed);
}
