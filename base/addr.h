/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addr - IP addresses, prefixes and MACs as plain values.
 *
 * Pure. Values compare with memcmp (unused bytes are zero), so they can be hash keys. Text forms
 * follow RFC 4291/5952 as inet_ntop prints them; prefixes are refused with host bits set.
 */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/err.h"

#define IP_TEXT_MAX 46
#define PREFIX_TEXT_MAX 50
#define MAC_TEXT_MAX 18

struct ip {
	uint8_t family; /* AF_INET, AF_INET6, or 0: no address */
	uint8_t b[16]; /* network order; 4 bytes used for AF_INET, the rest zero */
};
struct prefix {
	struct ip ip;
	uint8_t len; /* bits */
};
struct mac {
	uint8_t b[6];
};

static inline bool ip_is_set(struct ip a)
{
	return a.family != 0;
}
static inline bool prefix_is_set(struct prefix p)
{
	return p.ip.family != 0;
}
/** ip_bits() - 32, 128, or 0 for none. */
unsigned ip_bits(struct ip a);
unsigned ip_bytes(struct ip a);
struct ip ip_v4(uint32_t host_order);
/** ip_parse() - text to address, no zone, no surrounding space. Return: 0 or -EINVAL (with @e saying which text). */
int ip_parse(const char *s, struct ip *ret, struct err *e);
/** ip_format() - into @buf (IP_TEXT_MAX); "" for none. Return: @buf. */
const char *ip_format(struct ip a, char *buf);
/** ip_cmp() - order: family, then numeric. */
int ip_cmp(struct ip a, struct ip b);
bool ip_eq(struct ip a, struct ip b);
/** ip_add() - @a + @n (may be negative), wrapping within the family's space. */
struct ip ip_add(struct ip a, int64_t n);
/** ip_diff() - @a - @b, saturated to INT64 limits; families must agree. */
int64_t ip_diff(struct ip a, struct ip b);
bool ip_is_loopback(struct ip a);
bool ip_is_multicast(struct ip a);
bool ip_is_link_local(struct ip a);
bool ip_is_unspecified(struct ip a);
/** ip_from_sockaddr() - address of @sa (AF_INET or AF_INET6; v4-mapped becomes v4). Return: 0 or -EAFNOSUPPORT. */
int ip_from_sockaddr(const struct sockaddr *sa, struct ip *ret);
/** ip_to_sockaddr() - @a and @port (host order) into @ret. Return: its length, 0 for no address. */
socklen_t ip_to_sockaddr(struct ip a, uint16_t port, struct sockaddr_storage *ret);

/** prefix_parse() - "10.0.0.0/24". Return: 0, or -EINVAL: no '/', bad length, host bits set (the error names the right prefix). */
int prefix_parse(const char *s, struct prefix *ret, struct err *e);
/** prefix_parse_host() - "10.0.0.5/24": host bits allowed, kept in ->ip. */
int prefix_parse_host(const char *s, struct prefix *ret, struct err *e);
const char *prefix_format(struct prefix p, char *buf);
/** prefix_mask() - @a with the bits beyond @len cleared. */
struct prefix prefix_mask(struct ip a, unsigned len);
bool prefix_contains(struct prefix p, struct ip a);
bool prefix_covers(struct prefix outer, struct prefix inner);
bool prefix_overlaps(struct prefix a, struct prefix b);
bool prefix_eq(struct prefix a, struct prefix b);
int prefix_cmp(struct prefix a, struct prefix b);
struct ip prefix_first(struct prefix p);
struct ip prefix_last(struct prefix p);

/** mac_parse() - "02:42:0a:00:00:02" (':' or '-'). Return: 0 or -EINVAL. */
int mac_parse(const char *s, struct mac *ret, struct err *e);
const char *mac_format(struct mac m, char *buf);
int mac_cmp(struct mac a, struct mac b);
bool mac_eq(struct mac a, struct mac b);
bool mac_is_zero(struct mac m);
/** mac_is_usable() - unicast and not zero: fit for an interface. */
bool mac_is_usable(struct mac m);
/**
 * mac_from_ip() - 02:42 + the IPv4 address, so that a neighbour cache stays right even when the
 * address is used again by another container (DESIGN.md §5). For IPv6: 02:42 + a hash of it.
 */
struct mac mac_from_ip(struct ip a);
