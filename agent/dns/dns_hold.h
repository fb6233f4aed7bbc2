/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_hold - questions of those who are not known yet, kept until they are, or for DNS_HOLD_MS.
 *
 * A container may ask before the one who knows which container it is has told. An error would be its answer to whoever waits in it.
 */
#pragma once
#include "agent/dns/dns_listen.h"

#define DNS_HOLD_MS 2000 /* Docker's resolver waits for 4 s and asks its next server then */
#define DNS_HOLD_MAX 256 /* questions */
#define DNS_HOLD_SOURCE_MAX 32 /* of one source address */

struct dns_hold;
/** dns_hold_new() - @late: has been kept long enough; the question is @asker's owner's again, as in all that follows. */
struct dns_hold *dns_hold_new(uv_loop_t *loop, dns_listen_fn late, void *user);
/** dns_hold_close() - after dns_listen_close(), which took all questions back; memory goes when the loop has run. */
void dns_hold_close(struct dns_hold *h);
/** dns_hold_put() - @pkt is copied. Return: false: there are too many. */
bool dns_hold_put(struct dns_hold *h, struct dns_asker *asker, const struct dns_from *from,
		  const uint8_t *pkt, size_t len);
/** dns_hold_again() - those of whom @known says so are given to @again. */
void dns_hold_again(struct dns_hold *h, bool (*known)(void *user, const struct dns_from *from),
		    dns_listen_fn again, void *user);
size_t dns_hold_count(const struct dns_hold *h);
