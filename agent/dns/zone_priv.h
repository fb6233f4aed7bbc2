/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone_priv - the store of names behind zone.h, for zone.c (which writes it) and zone_lookup.c (which reads it).
 *
 * A network has a table from name to the endpoints that bear it. These stand in one array, sorted by the families of their addresses (IPv4 alone,
 * both, IPv6 alone, none): those with an address of a family are a range of it, found without looking at the others, however many bear the name.
 */
#pragma once
#include <uthash.h>
#include "agent/dns/zone.h"
#include "agent/dns/zone_text.h"

enum zone_class {
	ZONE_ONLY4,
	ZONE_BOTH,
	ZONE_ONLY6,
	ZONE_NEITHER,
	ZONE_CLASSES,
};
/* One name of one endpoint. */
struct zone_holder {
	struct zone_name *name;
	struct zone_ep *ep;
	uint32_t at; /* in name->v */
};
/* A name within a network. */
struct zone_name {
	UT_hash_handle hh; /* by text */
	struct zone_holder **v;
	uint32_t end[ZONE_CLASSES]; /* of each class in v; the last: how many there are */
	uint32_t cap;
	uint16_t len;
	char text[]; /* lower case */
};
struct zone_ep {
	UT_hash_handle hh; /* by id */
	UT_hash_handle hh4, hh6; /* by address */
	struct zone_net *net;
	struct id id;
	struct ip ip4, ip6;
	uint16_t n_names, n_ports;
	uint32_t *ports; /* zone_port_key(), ascending */
	struct zone_holder names[];
};
struct zone_net {
	UT_hash_handle hh; /* by id */
	struct id id;
	bool known; /* false: its endpoints came first; nobody is told of them yet */
	bool nameless;
	bool speakable; /* its name can be part of a question's */
	char *name; /* lower case */
	size_t name_len;
	struct prefix *subnets;
	size_t n_subnets;
	struct zone_name *names;
	struct zone_ep *endpoints, *by4, *by6;
};
struct zone {
	char *domain; /* lower case */
	size_t domain_len;
	struct zone_net *nets;
	size_t n_known, n_endpoints, n_names;
	size_t bytes; /* of allocations, without the buckets of the tables */
};

static inline uint32_t zone_port_key(uint8_t proto, uint16_t port)
{
	return (uint32_t)proto << 16 | port;
}
/** zone_net_find() - NULL: never heard of. */
struct zone_net *zone_net_find(const struct zone *z, struct id id);
/** zone_name_find() - @text in lower case; @hash: zone_hash() of it. */
struct zone_name *zone_name_find(const struct zone_net *net, const char *text, size_t len,
				 unsigned hash);
unsigned zone_hash(const char *text, size_t len);
/** zone_ep_by_ip() - one that has the address, NULL: none. */
struct zone_ep *zone_ep_by_ip(const struct zone_net *net, struct ip ip);
