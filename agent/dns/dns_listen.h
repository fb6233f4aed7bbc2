/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_listen - the sockets on port 53, UDP and TCP: questions in, answers out, and from whom they came.
 *
 * In the overlay namespace one pair for all networks (and both families): the interface a question came by (IP_PKTINFO) tells its network, `br<VNI>`.
 * In the host's namespace one pair per address, bound to its bridge (SO_BINDTODEVICE, freely: the address may come later). An answer leaves
 * from the address that was asked, by the interface it was asked on; one that was sent to a broadcast or multicast address is not answered.
 * Datagrams are read in batches with a bound per turn of the loop, so that a flood of them takes its share of it and no more. TCP (RFC 7766):
 * bounded in connections, in questions under way on each, in bytes nobody fetches, and in silence.
 *
 * A resolver of the host that has port 53 on all addresses (0.0.0.0, ::) stands in the way of ours unless both allow it: by UDP where it has
 * SO_REUSEADDR or SO_REUSEPORT, by TCP with SO_REUSEPORT alone, as the same user (tests/kernel_facts/fact_dns_sockets.c). One that is bound to a
 * device (systemd-resolved: lo) or to addresses of its own never does.
 */
#pragma once
#include <net/if.h>
#include <uv.h>
#include "agent/dns/dns_client.h"
#include "agent/dns/dns_wire.h"
#include "base/err.h"

#define DNS_LISTEN_HOST_MAX 2048 /* addresses in the host's namespace */
#define DNS_LISTEN_BATCH 32 /* datagrams per socket and turn of the loop */
#define DNS_LISTEN_TCP_MAX 256 /* connections; of one source address DNS_LISTEN_TCP_SOURCE_MAX */
#define DNS_LISTEN_TCP_SOURCE_MAX 16
#define DNS_LISTEN_TCP_QUESTIONS_MAX \
	32 /* under way on one connection; then it is read no further */
#define DNS_LISTEN_TCP_IDLE_MS 10000
#define DNS_LISTEN_UNDER_WAY_MAX \
	4096 /* UDP questions that are being forwarded: what is kept of each to answer it */
#define DNS_LISTEN_QUESTION_MAX 4096 /* bytes; longer ones are not for us */
#define DNS_LISTEN_TCP_OUT_MAX \
	((size_t)512 *         \
	 1024) /* bytes of answers that a connection has not fetched; then it is closed */
#define DNS_LISTEN_TCP_OUT_ALL_MAX ((size_t)16 * 1024 * 1024) /* of all connections */
#define DNS_LISTEN_ACCEPT_AGAIN_MS 1000 /* after the process ran out of descriptors */

/* A question that has come; lives until it is answered or dropped, exactly once, also from inside the handler. */
struct dns_asker;
struct dns_from {
	uint32_t key; /* of the network (network_key()), 0 where the interface is none of ours */
	struct ip source;
	bool tcp;
};
/* @pkt: borrowed. Every question is to be given to dns_listen_answer() or dns_listen_drop() at some time. */
typedef void (*dns_listen_fn)(void *user, struct dns_asker *asker, const struct dns_from *from,
			      const uint8_t *pkt, size_t len);
struct dns_listen;
struct dns_listen *dns_listen_new(uv_loop_t *loop, dns_listen_fn fn, void *user);
/** dns_listen_close() - questions under way are dropped by it (their watches called); their dns_asker must not be used any more. Memory goes when the loop has run. */
void dns_listen_close(struct dns_listen *l);
/**
 * dns_listen_overlay() - open (or open anew: the namespace is another one) the pair in the overlay namespace
 * @nsfd: borrowed; -1: none
 * Again for the same namespace: nothing is done. All sockets or none. They keep the namespace alive, as sockets do, until told of another.
 * Return: 0, -EADDRINUSE and whatever socket(2), bind(2) say
 */
int dns_listen_overlay(struct dns_listen *l, int nsfd, struct err *e);
/**
 * dns_listen_host() - one address of a bridge of ours
 * Again for the same: what is open stays, but where another device bears the name by now the sockets are opened anew. Where only TCP is in use
 * by somebody UDP is served all the same, and the error told; ask again to try TCP again.
 * Return: 0; -ENODEV: no such device (yet); -E2BIG above DNS_LISTEN_HOST_MAX; -EADDRINUSE: by whom, if that can be told
 * (agent/publish_priv.h publish_holder_text())
 */
int dns_listen_host(struct dns_listen *l, uint32_t key, const char *ifname, struct ip address,
		    struct err *e);
/** dns_listen_host_del() - all addresses of a network. */
void dns_listen_host_del(struct dns_listen *l, uint32_t key);
/** dns_listen_is_self() - would a question sent to @a come back to us? */
bool dns_listen_is_self(const struct dns_listen *l, struct dns_server_addr a);
void dns_listen_answer(struct dns_asker *a, const uint8_t *pkt, size_t len);
void dns_listen_drop(struct dns_asker *a);
/**
 * dns_listen_watch() - whoever keeps a question beyond the handler is told when nobody waits for its answer any more
 * @fn: called at most once, not after dns_listen_answer() or dns_listen_drop(); @a must not be used from then on. The connection is gone, the
 * socket or dns_listen is closed, or DNS_LISTEN_UNDER_WAY_MAX is exceeded (then right after the handler). It must not call dns_listen itself.
 * Without a watch such a question stays valid, and its answer goes nowhere.
 */
typedef void (*dns_gone_fn)(void *user);
void dns_listen_watch(struct dns_asker *a, dns_gone_fn fn, void *user);

struct dns_listen_stats {
	uint64_t udp, tcp; /* questions */
	uint64_t dropped; /* unanswered: dropped by the handler, too long, too many, or the socket was full */
	size_t tcp_connections, under_way;
	bool overlay; /* the pair in the overlay namespace is open */
	size_t host; /* addresses served in the host's namespace */
	size_t host_no_tcp; /* of these, those where somebody else has TCP's port */
};
void dns_listen_stats(const struct dns_listen *l, struct dns_listen_stats *ret);
