/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns - the node's name server: what comes in (dns_listen), who asks (dns_client), what is ours (zone), and the rest (dns_forward).
 *
 * A question is answered only to an address of one of our networks that asks on that network. A client that no network leads out is never
 * forwarded for: what is not ours it is refused. Of one network it may be told that its addresses are not all known at once (dns_strangers()).
 */
#pragma once
#include "agent/dns/dns_client.h"
#include "agent/dns/dns_forward.h"
#include "agent/dns/dns_hold.h"
#include "agent/dns/dns_listen.h"
#include "agent/dns/zone.h"

#define DNS_TTL_DEFAULT 5 /* seconds */
#define DNS_TTL_MAX 3600

struct dns;
struct dns_config {
	uv_loop_t *loop;
	const char *domain;
	uint32_t ttl_s;
	size_t cache_bytes;
};
/** dns_new() - knows nobody and nothing, listens nowhere. */
struct dns *dns_new(const struct dns_config *c);
/** dns_close() - questions of dns_ask() under way are told that nobody answered; sockets' memory goes when the loop has run. NULL is none. */
void dns_close(struct dns *d);
/* To be fed by the wiring; never NULL. */
struct zone *dns_zone(struct dns *d);
struct dns_clients *dns_clients(struct dns *d);
struct dns_forward *dns_forward(struct dns *d);
struct dns_listen *dns_listen(struct dns *d);

/* @source: of somebody who is not known; as often as he asks. Clients may be changed from inside, dns_strangers_again() called. */
typedef void (*dns_stranger_fn)(void *user, struct ip source);
/**
 * dns_strangers() - who asks on the network @key and is not known may be known soon: his questions are kept (dns_hold.h), and then answered
 * SERVFAIL, upon which resolvers ask their next server. On the others those are dropped.
 */
void dns_strangers(struct dns *d, uint32_t key, dns_stranger_fn fn, void *user);
/** dns_strangers_again() - there are clients that were not known before: their questions are answered now. */
void dns_strangers_again(struct dns *d);

/* A question as `ovlctl dns query` asks it: as @client would be told. */
struct dns_told {
	const uint8_t *pkt; /* the answer; borrowed */
	size_t len;
	bool ours; /* the zone's, or what nobody is asked for (AXFR): an error then, and ->zone says ZONE_FOREIGN */
	struct zone_answer zone; /* ours: why; without its records */
	struct dns_forward_how how; /* not ours */
	bool refused; /* not ours, and the client has no way out */
};
typedef void (*dns_told_fn)(void *user, const struct dns_told *t);
/** dns_ask() - @fn exactly once where it returns 0, also from inside; it must not close @d. Return: 0, -EINVAL: @name is no domain name, -EBUSY: too many under way. */
int dns_ask(struct dns *d, const struct dns_client *client, const char *name, uint16_t type,
	    dns_told_fn fn, void *user, struct err *e);

struct dns_stats {
	uint64_t questions; /* of our clients; dns_ask()'s are not among them, but in the next two */
	uint64_t ours; /* answered from the zone */
	uint64_t forwarded; /* given to dns_forward, whose cache may have had the answer */
	uint64_t refused; /* not ours and no way out, or too many under way */
	uint64_t bad; /* no question at all, or answered with an error */
	uint64_t strangers; /* dropped: no client of ours */
	uint64_t held; /* kept for a while: nobody we knew then */
	uint64_t unknown; /* of those, and of those there were too many of: answered SERVFAIL */
	struct zone_stats zone;
	struct dns_forward_stats forward;
	struct dns_listen_stats listen;
};
void dns_stats(const struct dns *d, struct dns_stats *ret);
