/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_forward - questions that are not ours, relayed as they are to the upstream servers, from the host's namespace.
 *
 * Each question goes out on a connected UDP socket of its own (a random source port, and nobody else's datagrams) with a random id (RFC 5452);
 * the same question of several askers goes out once. A server that does not answer in DNS_FORWARD_TRY_MS, or says SERVFAIL, REFUSED or
 * NOTIMP, is followed by the next; one that was silent comes last for a while. A truncated answer is asked for again by TCP. What comes back is
 * checked (dns_reply_check()), kept (dns_cache), and given to all who asked, each with its own id and case.
 * Everything is bounded: questions in flight, those of one client, askers of one question, TCP connections.
 */
#pragma once
#include <uv.h>
#include "agent/dns/dns_cache.h"
#include "agent/dns/dns_client.h"
#include "agent/dns/dns_wire.h"
#include "base/err.h"

#define DNS_FORWARD_TRY_MS 1500
#define DNS_FORWARD_MS \
	4500 /* in all: before the 5 s of a client's own patience (resolv.conf(5) timeout) */
#define DNS_FORWARD_FLIGHT_MAX 1024 /* questions */
#define DNS_FORWARD_CLIENT_MAX 256 /* of one client */
#define DNS_FORWARD_ASKERS_MAX 64 /* of one question */
#define DNS_FORWARD_TCP_MAX 64
#define DNS_FORWARD_SICK_MS 10000 /* how long a silent server comes last */
#define DNS_FORWARD_WRONG_MAX 32 /* wrong answers to one try; then it is given up */
#define DNS_FORWARD_SERVER_TRIES_MAX 3 /* of one question, of one server */
#define DNS_FORWARD_QUESTION_MAX DNS_UDP_MAX /* bytes; larger ones are not forwarded */
#define DNS_FORWARD_KNOWN_MAX 256 /* servers whose health is known */

struct dns_forward;
struct dns_forward_config {
	uv_loop_t *loop;
	size_t cache_bytes; /* 0: DNS_CACHE_BYTES */
	/* Is that a server of ours? It would only ask again: such upstreams are left out, with a warning once. May be NULL. */
	bool (*is_self)(void *user, struct dns_server_addr a);
	void *user;
	uint64_t try_ms, total_ms, sick_ms; /* 0: as above; for tests */
};
/** dns_forward_new() - no upstreams yet. */
struct dns_forward *dns_forward_new(const struct dns_forward_config *c);
/** dns_forward_close() - open questions are dropped without an answer, their dns_asked must not be used any more; memory goes when the loop has run. */
void dns_forward_close(struct dns_forward *f);
/** dns_forward_servers() - the default upstreams; changed ones clear the cache. */
void dns_forward_servers(struct dns_forward *f, const struct dns_servers *s);

/* How an answer came about, for people. */
struct dns_forward_how {
	bool cached;
	struct dns_server_addr server; /* family 0: none answered */
	unsigned tries;
	bool tcp;
	const char *
		error; /* NULL, or why it is SERVFAIL: "no upstream servers", "10.0.0.1: no answer within 1500 ms; ..." */
};
/* @reply: a whole answer to the question as it was asked, within @max; borrowed. Never called from inside dns_forward_ask(), but for a cached answer. */
typedef void (*dns_forward_fn)(void *user, const uint8_t *reply, size_t len,
			       const struct dns_forward_how *how);
struct dns_forward_ask {
	struct dns_place client; /* for the bound of one client; any value that tells them apart */
	const struct dns_servers *servers; /* NULL or none: the default ones */
	const struct dns_query *query;
	const uint8_t *pkt; /* the question as it came */
	size_t len;
	size_t max; /* bytes of the answer */
};
struct dns_asked; /* a question under way */
/**
 * dns_forward_ask() - @fn once, with an answer; SERVFAIL where nobody gave one
 * @ret: the question under way, NULL when @fn has been called already
 * The same question already under way is joined. A server that was silent is tried again as long as there is time; one that failed otherwise
 * is not.
 * Return: 0, -EBUSY: too many in flight (of all, or of this client, or of this question), -EMSGSIZE: above DNS_FORWARD_QUESTION_MAX: refuse it
 */
int dns_forward_ask(struct dns_forward *f, const struct dns_forward_ask *ask, dns_forward_fn fn,
		    void *user, struct dns_asked **ret);
/** dns_forward_cancel() - @fn is not called any more. */
void dns_forward_cancel(struct dns_asked *a);

struct dns_forward_server_state {
	struct dns_server_addr addr;
	uint64_t asked, answered, failed; /* tries by UDP */
	bool sick, self; /* silent lately; left out for being ourselves */
};
struct dns_forward_stats {
	size_t in_flight; /* questions; each once, however many asked */
	uint64_t forwarded; /* of those that went out */
	uint64_t failed; /* of them: SERVFAIL */
	uint64_t cached; /* answered from the cache */
	uint64_t refused; /* -EBUSY, -EMSGSIZE */
	uint64_t tcp; /* asked again by TCP */
	struct dns_cache_stats cache;
	struct dns_forward_server_state server[DNS_SERVERS_MAX]; /* the default ones */
	size_t n_servers;
};
void dns_forward_stats(const struct dns_forward *f, struct dns_forward_stats *ret);
