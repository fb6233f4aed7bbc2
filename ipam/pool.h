/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool - which address of a subnet to try next.
 *
 * Pure. The caller gives the addresses in use (from etcd's address keys), those released lately, and the newest assigned one; the answer
 * is next-fit: the lowest free one above the newest assigned, wrapping, passing over reserved (network, broadcast, gateway, aux) and lately
 * released ones; lately released ones are taken only when nothing else is free.
 *
 * Not handed out: IPv4's network and broadcast address (RFC 1122 3.3.6; /31 and /32 have none, RFC 3021), IPv6's
 * subnet-router anycast address (RFC 4291 2.6.1; /127 and /128 have none, RFC 6164).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/err.h"

#define POOL_RECENT_MS 60000 /* how long a released address is passed over */

struct pool {
	struct prefix subnet;
	struct prefix range; /* unset: the whole subnet */
	const struct ip *reserved; /* gateway, aux; any order */
	const char *const *
		reserved_who; /* words for each, e.g. "the gateway"; may be NULL, for error texts only */
	size_t n_reserved;
	const struct ip *
		used; /* sorted by ip_cmp, no duplicates; those of other subnets or families do not matter */
	size_t n_used;
	const struct ip *recent; /* sorted likewise; released within POOL_RECENT_MS */
	size_t n_recent;
	struct ip newest; /* last assigned, unset for none */
};
/**
 * pool_pick() - the address to try
 * @skip: how many free candidates to pass over first (random after a conflict; 0 normally); modulo their number
 * Return: 0, -ENOSPC when every address is taken (the error says how many there are).
 */
int pool_pick(const struct pool *p, uint64_t skip, struct ip *ret, struct err *e);
/** pool_size() - how many addresses can be handed out in all; UINT64_MAX when more. */
uint64_t pool_size(const struct pool *p);
/** pool_check() - may @ip be given on request? -ERANGE outside subnet, -EADDRINUSE for gateway or aux (named), -EINVAL for network/broadcast. Being outside ip-range is allowed. */
int pool_check(const struct pool *p, struct ip ip, struct err *e);
