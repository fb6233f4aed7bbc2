/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_listen - the sockets on port 53, UDP and TCP: questions in, answers out, and from whom they came.
 *
 * In the overlay namespace one pair for all networks (and both families): the interface a question came by (IP_PKTINFO) tells its network, `br<VNI>`.
 * In the host's namespace one pair per address, bound to its bridge (SO_BINDTODEVICE, freely: the address may come later). An answer leaves
 * from the address that was asked, by the interface it was asked on. Datagrams are read in batches with a bound per turn of the loop, so that a
 * flood of them takes its share of it and no more. TCP (RFC 7766): bounded in connections, in questions under way on each, and in silence.
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
/** dns_listen_close() - questions under way are dropped by it; their dns_asker must not be used any more. Memory goes when the loop has run. */
void dns_listen_close(struct dns_listen *l);
/**
 * dns_listen_overlay() - open (or open anew: the namespace is another one) the pair in the overlay namespace
 * @nsfd: borrowed; -1: none
 * Return: 0, -EADDRINUSE and whatever socket(2), bind(2) say
 */
int dns_listen_overlay(struct dns_listen *l, int nsfd, struct err *e);
/**
 * dns_listen_host() - one address of a bridge of ours
 * Again for the same: nothing is done, but where another device bears the name by now the sockets are opened anew.
 * Return: 0; -ENODEV: no such device (yet); -EADDRINUSE: by whom, if that can be told (agent/publish_priv.h publish_holder_text())
 */
int dns_listen_host(struct dns_listen *l, uint32_t key, const char *ifname, struct ip address,
		    struct err *e);
/** dns_listen_host_del() - all addresses of a network. */
void dns_listen_host_del(struct dns_listen *l, uint32_t key);
/** dns_listen_is_self() - would a question sent to @a come back to us? */
bool dns_listen_is_self(const struct dns_listen *l, struct dns_server_addr a);
void dns_listen_answer(struct dns_asker *a, const uint8_t *pkt, size_t len);
void dns_listen_drop(struct dns_asker *a);

struct dns_listen_stats {
	uint64_t udp, tcp; /* questions */
	uint64_t dropped; /* unanswered */
	size_t tcp_connections, under_way;
	bool overlay; /* the pair in the overlay namespace is open */
	size_t host; /* addresses served in the host's namespace */
};
void dns_listen_stats(const struct dns_listen *l, struct dns_listen_stats *ret);
