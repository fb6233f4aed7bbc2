/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone - the names of all networks this node knows, and what one container is told of them.
 *
 * Pure. Names are texts without the dot at the end; they are kept and compared in lower case (RFC 4343). An endpoint is found by each of its
 * names: NAME, NAME.NETWORK and NAME.NETWORK.DOMAIN; names and networks may contain dots themselves. What an asker is told:
 *
 *   question                                              answer
 *   a link of its own (NAME or ALIAS of it)               the addresses of the endpoint(s) the link names, on its networks, those without names too
 *   NAME                                                  those of the first of its networks where one has an address of that family
 *   NAME.NETWORK[.DOMAIN]                                 those on that network, where it is one of its own
 *   _PORT._tcp|_udp|_sctp.NAME...  SRV                    port and canonical name of each that has the port; the addresses beside them
 *   in-addr.arpa, ip6.arpa  PTR, in a subnet of its own   the canonical name: FIRST NAME.NETWORK.DOMAIN
 *   ... of somebody there, and another type               nothing, with SOA (RFC 2308 §2.2): never "no such name", never forwarded
 *   DOMAIN, NETWORK.DOMAIN of its own                     nothing, with SOA: there are names below (RFC 8020 §2)
 *   a link to somebody away, _PORT of NAME that lacks it  no such name, never forwarded
 *   anything else under DOMAIN or in such a subnet        no such name (§2.1), never forwarded
 *   ANY, of somebody there                                one HINFO "RFC8482" (RFC 8482 §4.2)
 *   all else                                              foreign: somebody else may know
 *
 * Where NAME may be read in several ways (dots), each is tried, in the order above, until one has what is asked for. A link's name is that link's alone,
 * and also understood as ALIAS.DOMAIN. The SRV target on a network without names is the name it was asked by: no other leads there.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/strv.h"

#define ZONE_DOMAIN_DEFAULT "ovl"
#define ZONE_NAME_MAX 253 /* bytes of a name as text (RFC 1035 §2.3.4 without the last dot) */
#define ZONE_NAMES_PER_ENDPOINT_MAX 72 /* more are left out */
#define ZONE_PORTS_PER_ENDPOINT_MAX 1024 /* more are left out */
#define ZONE_RECORDS_MAX 128 /* in one answer; of more, those whose turn it is */
#define ZONE_NETWORKS_MAX 64 /* of one asker */

/* RR types (IANA) that are answered here. */
enum zone_type {
	ZONE_A = 1,
	ZONE_NS = 2,
	ZONE_SOA = 6,
	ZONE_PTR = 12,
	ZONE_HINFO = 13,
	ZONE_AAAA = 28,
	ZONE_SRV = 33,
	ZONE_ANY = 255,
};
struct zone_port {
	uint8_t proto; /* IPPROTO_TCP, _UDP, _SCTP */
	uint16_t port; /* the container's */
};
/* One endpoint, as told; copied. */
struct zone_endpoint {
	struct id id, network;
	const char *const *
		names; /* the first is the canonical one; those no question can hold (RFC 1035 §2.3.4) are left out */
	size_t n_names;
	struct ip ip4, ip6; /* unset: none */
	const struct zone_port *ports;
	size_t n_ports;
};
struct zone;
/** zone_new() - @domain: as text, any case, no dot at the ends (zone_domain_check()). */
struct zone *zone_new(const char *domain);
void zone_free(struct zone *z);
const char *zone_domain(const struct zone *z);
/**
 * zone_network_put() - a network, or what is new about it; its endpoints may come before or after
 * @nameless: its endpoints are found through links and by address alone (the default bridge; the egress network, which is told of no endpoints)
 */
void zone_network_put(struct zone *z, struct id id, const char *name, bool nameless,
		      const struct prefix *subnets, size_t n_subnets);
/** zone_network_del() - with all its endpoints; unknown ones are no error. */
void zone_network_del(struct zone *z, struct id id);
/** zone_endpoint_put() - one more, or what is new about it. Cost does not grow with the number of others. */
void zone_endpoint_put(struct zone *z, const struct zone_endpoint *ep);
/** zone_endpoint_del() - unknown ones are no error. */
void zone_endpoint_del(struct zone *z, struct id network, struct id endpoint);

/* Who asks. */
struct zone_asker {
	const struct id *
		networks; /* in the order in which they are searched; more than ZONE_NETWORKS_MAX are left out */
	size_t n_networks;
	const struct strv *links; /* "NAME:ALIAS" (any case); may be NULL */
};
enum zone_outcome {
	ZONE_FOREIGN, /* not ours to answer */
	ZONE_FOUND, /* at least one record */
	ZONE_NODATA, /* the name is there, nothing of that type */
	ZONE_NXDOMAIN, /* ours, and not there */
};
struct zone_record {
	uint16_t type; /* enum zone_type */
	struct ip ip; /* A, AAAA */
	uint16_t port; /* SRV; priority and weight are 0 */
	char target[ZONE_NAME_MAX + 1]; /* PTR, SRV */
};
struct zone_answer {
	enum zone_outcome outcome;
	char owner[ZONE_NAME_MAX +
		   1]; /* NODATA, NXDOMAIN: of the SOA, the question's name or an ancestor of it */
	struct zone_record *v; /* FOUND: heap */
	size_t n;
	struct zone_record *extra; /* SRV: addresses, each with its owner in ->target; heap */
	size_t n_extra;
	/* Why, for people: which network, endpoint and link decided; zero, "" where none did. Of several endpoints the first. */
	struct id network, endpoint;
	char link[ZONE_NAME_MAX + 1];
};
/**
 * zone_lookup() - @name: lower case, no dot at the end, at most ZONE_NAME_MAX; @turn: rotates the order of several (count it up)
 * @ret: always filled; zone_answer_done()
 */
void zone_lookup(const struct zone *z, const struct zone_asker *asker, const char *name,
		 uint16_t type, unsigned turn, struct zone_answer *ret);
void zone_answer_done(struct zone_answer *a);

struct zone_stats {
	size_t networks, endpoints, names; /* names: NAME -> endpoint pairs */
	size_t bytes; /* of memory, about */
};
void zone_stats(const struct zone *z, struct zone_stats *ret);
/** zone_domain_check() - letters, digits, '-' and '_' in labels of 1 to 63 bytes, at most 100 in all, no dot at the ends. Return: 0, -EINVAL. */
int zone_domain_check(const char *domain, struct err *e);
