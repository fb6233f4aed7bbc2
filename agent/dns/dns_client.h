/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_client - who asks: from the network and source address of a question to the container, and what it may see.
 *
 * Pure. Fed with this node's endpoints as they come and go; all endpoints of one network namespace (a place) make a client.
 * A source address on a network of ours that no endpoint has (wired in by hand) is a client of that network alone.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/dns/zone.h"
#include "base/addr.h"
#include "base/id.h"
#include "base/strv.h"

#define DNS_SERVERS_MAX 3 /* per container, as resolv.conf(5) has; and of the configuration */
#define DNS_PORT 53

struct dns_place { /* a network namespace; all zero: not known, shared with nobody */
	uint64_t dev, ino;
};
struct dns_server_addr {
	struct ip ip;
	uint16_t port;
};
struct dns_servers {
	struct dns_server_addr v[DNS_SERVERS_MAX];
	size_t n;
};
/* One endpoint of this node; copied. */
struct dns_client_endpoint {
	struct id id, network;
	struct dns_place place;
	uint32_t key; /* of its network in the kernel (network_key()) */
	const char *
		ifname; /* networks are searched in the order of the interfaces: eth0, eth1, ..., eth10 */
	struct ip ip4, ip6;
	const struct strv *links; /* "NAME:ALIAS" */
	const struct dns_servers *servers; /* the container's own (--dns); none: the default ones */
	bool forward; /* its network leads out: what is not ours may be forwarded */
};
/* What is known of a client; borrowed until the next change. */
struct dns_client {
	struct dns_place place; /* all zero: wired by hand */
	struct id *networks;
	size_t n_networks;
	struct strv links; /* of all its endpoints */
	struct dns_servers servers; /* of the first endpoint that has any */
	bool forward; /* any of its networks leads out */
};
struct dns_clients;
struct dns_clients *dns_clients_new(void);
void dns_clients_free(struct dns_clients *cs);
/**
 * dns_clients_network() - a network that has an interface here, for those wired by hand; again: in place of what was said of @key before
 * @subnets: ->ip may be the gateway's address (prefix_parse_host()), which is nobody's then; so are a subnet's first and broadcast address. None: none of it any more.
 */
void dns_clients_network(struct dns_clients *cs, uint32_t key, struct id id, bool forward,
			 const struct prefix *subnets, size_t n_subnets);
/** dns_clients_put() - one more endpoint, or what is new about it. */
void dns_clients_put(struct dns_clients *cs, const struct dns_client_endpoint *ep);
void dns_clients_del(struct dns_clients *cs, struct id endpoint);
/** dns_client_find() - by kernel key of the network asked on and source address; NULL: nobody of ours, not to be answered. */
const struct dns_client *dns_client_find(const struct dns_clients *cs, uint32_t key,
					 struct ip source);
/** dns_client_at() - by place; NULL: none. */
const struct dns_client *dns_client_at(const struct dns_clients *cs, struct dns_place place);
/** dns_client_asker() - as the zone wants it; borrows. */
static inline struct zone_asker dns_client_asker(const struct dns_client *c)
{
	return (struct zone_asker){ .networks = c->networks,
				    .n_networks = c->n_networks,
				    .links = &c->links };
}
