/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish_priv - what the parts of publish share: reservations and their owners (publish), sockets (publish_sock), relays (publish_relay, publish_udp).
 *
 * Owners and ports live as long as they are reserved. Sockets, relays and clients hold libuv's handles: cut or closed at any time they do nothing
 * more and go when the loop has run, each holding `struct publishes` until then.
 */
#pragma once
#include <uthash.h>
#include "agent/publish.h"

struct publish_owner;
struct publish_relay;
struct publish_client;

/* One bound socket; on the heap, for its handle outlives the port. */
struct publish_sock {
	struct publishes *ps;
	const struct publish_port *port; /* unset when closed */
	int fd; /* TCP: libuv's */
	union {
		uv_handle_t any;
		uv_tcp_t tcp;
		uv_poll_t poll;
	} h; /* none for SCTP */
};
struct publish_port {
	struct model_publish p;
	struct publish_owner *owner;
	struct publish_sock *sock[2]; /* NULL: not bound */
	struct publish_port *prev, *next; /* of the slot */
};
struct publish_owner {
	struct id id;
	char *who;
	struct publish_port *port; /* never resized */
	size_t n;
	struct ip ip4, ip6; /* where relays lead */
	UT_hash_handle hh;
};
/* All reservations of one protocol and port. */
struct publish_slot {
	uint32_t key;
	struct publish_port *ports;
	UT_hash_handle hh;
};
struct publishes {
	uv_loop_t *loop;
	unsigned refs; /* handles, and one until closed */
	struct publish_owner *owners;
	struct publish_slot *slots;
	struct publish_relay *relays;
	struct publish_client *clients; /* by key */
	struct publish_client *idle; /* the same, the one longest unused first */
	uv_timer_t timer; /* runs while there are clients */
	uint64_t udp_idle_ms;
	struct publish_stats stats;
	char datagram[65536];
};
void publish_ref(struct publishes *ps);
void publish_unref(struct publishes *ps);
/** publish_where() - the container's address for a client of @family: of the same where there is one, else the other, else unset. */
struct ip publish_where(const struct publish_owner *o, int family);

/**
 * publish_sock_bind() - a bound socket, listening where it is TCP
 * @port: 0: the kernel's choice
 * Return: 0 (*ret_fd -1: SCTP, and the kernel has none), or -errno of socket(2), bind(2), listen(2).
 */
int publish_sock_bind(uint8_t proto, struct ip ip, uint16_t port, int *ret_fd, uint16_t *ret_port);
/** publish_sock_open() - take @fd (closed on failure) and begin to relay what reaches it. Return: 0 or -errno. */
int publish_sock_open(struct publishes *ps, const struct publish_port *port, int fd,
		      struct publish_sock **ret);
/** publish_sock_close() - the port is free when it returns; NULL is none. */
void publish_sock_close(struct publish_sock *s);

#define PUBLISH_HOLDER_MAX 64
/** publish_holder_text() - "nginx (pid 123)", or "a socket of an unknown process", into @buf (PUBLISH_HOLDER_MAX). Return: @buf. */
const char *publish_holder_text(uint8_t proto, struct ip ip, uint16_t port, char *buf);

/** publish_relay_accept() - libuv's connection callback of a listening socket; its data is the publish_sock. */
void publish_relay_accept(uv_stream_t *server, int status);
/** publish_relay_cut() - end all relays of an owner. */
void publish_relay_cut(struct publishes *ps, const struct publish_owner *o);
/** publish_udp_readable() - libuv's poll callback of a UDP socket; its data is the publish_sock. */
void publish_udp_readable(uv_poll_t *h, int status, int events);
void publish_udp_cut(struct publishes *ps, const struct publish_owner *o);
