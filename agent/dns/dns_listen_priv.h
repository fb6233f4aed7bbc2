/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_listen_priv - what the parts of dns_listen share: the table (dns_listen), sockets (dns_listen_sock), datagrams (dns_listen_udp),
 * connections (dns_listen_tcp).
 *
 * Sockets, connections and dns_listen itself live until nothing of libuv's and no question points to them; closed ones do nothing more.
 */
#pragma once
#include <netinet/in.h>
#include <uthash.h>
#include "agent/dns/dns_listen.h"
#include "agent/publish_priv.h"

#define DNS_LISTEN_CONTROL_MAX 64 /* bytes: one pktinfo of either family */

/* A bound socket. */
struct dns_socket {
	struct dns_listen *l;
	int fd; /* -1: closed */
	bool tcp, overlay;
	uint32_t key; /* of a host address */
	bool paused; /* accepts nothing for now */
	uv_poll_t poll;
};
/* An address in the host's namespace. */
struct dns_host_key {
	uint32_t key;
	struct ip ip;
};
struct dns_host {
	struct dns_host_key key; /* zeroed before it is filled */
	char ifname[IFNAMSIZ];
	unsigned ifindex;
	struct dns_socket *udp, *tcp; /* NULL: not open */
	UT_hash_handle hh;
};
union dns_sockaddr {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};
/* Where a datagram came to: what an answer to it leaves by. */
struct dns_local {
	struct ip ip;
	unsigned ifindex;
};
struct dns_connection;
struct dns_asker {
	struct dns_listen *l;
	struct dns_socket *sock; /* UDP */
	struct dns_connection *conn; /* TCP; both NULL: nobody waits */
	union dns_sockaddr peer; /* UDP */
	struct dns_local local; /* UDP, where the socket has many addresses */
	dns_gone_fn gone;
	void *user;
	struct dns_asker **handled; /* while the handler has it: to be emptied when it is over */
	struct dns_asker *prev, *next; /* l->askers, l->orphans or its connection's */
};
union dns_control {
	struct cmsghdr align;
	char buf[DNS_LISTEN_CONTROL_MAX];
};
/* Datagrams of one turn. */
struct dns_batch {
	struct dns_socket *sock; /* whose turn it is; answers to others' questions are sent at once */
	struct mmsghdr in[DNS_LISTEN_BATCH], out[DNS_LISTEN_BATCH];
	struct iovec iov_in[DNS_LISTEN_BATCH], iov_out[DNS_LISTEN_BATCH];
	union dns_sockaddr from[DNS_LISTEN_BATCH], to[DNS_LISTEN_BATCH];
	union dns_control control_in[DNS_LISTEN_BATCH], control_out[DNS_LISTEN_BATCH];
	uint8_t buf_in[DNS_LISTEN_BATCH][DNS_LISTEN_QUESTION_MAX];
	uint8_t buf_out[DNS_LISTEN_BATCH][DNS_UDP_MAX];
	unsigned n_out;
};
/* Who was found to hold a port, with much ado; the same one often holds it on many addresses. */
struct dns_holder {
	uint32_t inode; /* 0: none */
	uint64_t found_ms;
	char text[PUBLISH_HOLDER_MAX];
};
enum { DNS_V4, DNS_V6, DNS_FAMILIES };
struct dns_listen {
	uv_loop_t *loop;
	dns_listen_fn fn;
	void *user;
	bool closed;
	unsigned refs; /* handles, and one until closed */
	uint64_t ns_dev, ns_ino; /* the overlay namespace; 0: none */
	struct dns_socket *udp[DNS_FAMILIES], *tcp[DNS_FAMILIES]; /* in it */
	struct dns_host *hosts;
	struct dns_asker *spare; /* the next question's: most are answered before the next comes */
	struct dns_asker *askers; /* UDP, under way */
	struct dns_asker *orphans; /* nobody waits, and nobody was told */
	size_t under_way;
	struct dns_connection *connections; /* the one longest unused first */
	size_t n_connections;
	size_t out_bytes; /* of answers that connections have not fetched */
	bool paused; /* some socket is */
	uint64_t idle_ms;
	uv_timer_t
		timer; /* runs while there are connections, or sockets that accept nothing for now */
	struct dns_holder holder;
	struct dns_listen_stats stats;
	struct dns_batch batch;
};
void dns_listen_ref(struct dns_listen *l);
void dns_listen_unref(struct dns_listen *l);

/** dns_asker_new() - a question's object, in no list; the caller sets where it came from. */
struct dns_asker *dns_asker_new(struct dns_listen *l);
/** dns_asker_free() - out of no list. */
void dns_asker_free(struct dns_asker *a);
/** dns_asker_gone() - nobody waits for @a (in no list any more): tells the watch, or keeps an orphan. */
void dns_asker_gone(struct dns_asker *a);
/** dns_asker_ask() - to the handler with it. Return: whether it is still under way. */
bool dns_asker_ask(struct dns_asker *a, const struct dns_from *from, const uint8_t *pkt,
		   size_t len);
/** dns_listen_timer() - run it if there is anything to run it for. */
void dns_listen_timer(struct dns_listen *l);
/** dns_listen_resume() - sockets that accepted nothing for want of descriptors try again. */
void dns_listen_resume(struct dns_listen *l);

/**
 * dns_socket_overlay() / dns_socket_host() - bind, listen and begin to read
 * Return: 0 or -errno of what failed
 */
int dns_socket_overlay(struct dns_listen *l, int nsfd, int family, bool tcp,
		       struct dns_socket **ret);
int dns_socket_host(struct dns_listen *l, const struct dns_host *h, bool tcp,
		    struct dns_socket **ret);
/** dns_socket_close() - and all that came by it; NULL is none. */
void dns_socket_close(struct dns_socket *s);
/** dns_socket_key() - of the network that @ifindex of a socket's own namespace belongs to; 0: none. */
uint32_t dns_socket_key(const struct dns_socket *s, unsigned ifindex);

/** dns_udp_gone() - all questions of a socket; NULL: all. */
void dns_udp_gone(struct dns_listen *l, const struct dns_socket *s);
/** dns_udp_readable() - libuv's poll callback; its data is the socket. */
void dns_udp_readable(uv_poll_t *h, int status, int events);
/** dns_udp_answer() / dns_udp_drop() - the question is over; @a is in no list any more. */
void dns_udp_answer(struct dns_asker *a, const uint8_t *pkt, size_t len);
void dns_udp_drop(struct dns_asker *a);

/** dns_tcp_acceptable() - libuv's poll callback; its data is the socket. */
void dns_tcp_acceptable(uv_poll_t *h, int status, int events);
/** dns_tcp_answer() / dns_tcp_drop() - the question is over; @a is in no list any more. */
void dns_tcp_answer(struct dns_asker *a, const uint8_t *pkt, size_t len);
void dns_tcp_drop(struct dns_asker *a);
/** dns_tcp_close() - all connections of a socket; NULL: all. */
void dns_tcp_close(struct dns_listen *l, const struct dns_socket *s);
/** dns_tcp_idle() - close those that have been silent for too long. */
void dns_tcp_idle(struct dns_listen *l);
