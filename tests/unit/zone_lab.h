/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone_lab - a zone filled and asked in one line each, answers as texts: for the tests of agent/dns/zone.
 */
#pragma once
#include "agent/dns/zone.h"

#define ZONE_LAB_WORDS 160
#define ZONE_LAB_TEXT 65536

struct id zone_lab_id(unsigned n);
/** zone_lab_network() - @subnets: "10.0.0.0/24 fd00::/64" */
void zone_lab_network(struct zone *z, unsigned net, const char *name, bool nameless,
		      const char *subnets);
/** zone_lab_put() - @names: apart by spaces; @ip4, @ip6: "" for none; @ports: "80/tcp 53/udp" */
void zone_lab_put(struct zone *z, unsigned net, unsigned ep, const char *names, const char *ip4,
		  const char *ip6, const char *ports);
void zone_lab_del(struct zone *z, unsigned net, unsigned ep);
/**
 * zone_lab_ask() - as an asker on @nets ("1 2") with @links ("web:db")
 * Return: "FOREIGN", "NODATA owner", "NXDOMAIN owner", or "FOUND" and the records: "10.0.0.2", "PTR name", "SRV 80 name", "HINFO", and after "+" the
 * additional ones as "name=address". Heap.
 */
char *zone_lab_ask(const struct zone *z, const char *nets, const char *links, const char *name,
		   uint16_t type, unsigned turn);
/** zone_lab_says() - fails the test unless zone_lab_ask() says @want (turn 0). */
#define zone_lab_says(z, nets, links, name, type, want) \
	zone_lab_says_at(z, nets, links, name, type, want, __FILE__, __LINE__)
void zone_lab_says_at(const struct zone *z, const char *nets, const char *links, const char *name,
		      uint16_t type, const char *want, const char *file, int line);
