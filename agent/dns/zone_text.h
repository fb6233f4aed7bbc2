/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone_text - names as texts and parts of texts: what they may hold, how they are taken apart, and the addresses and ports written in them.
 *
 * Pure. A name is in lower case without the dot at the end, unless "any case" is said.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/addr.h"

/* A name or a part of one; borrowed, not ended by a NUL. */
struct zone_text {
	const char *s;
	size_t len;
};
static inline struct zone_text zone_text_of(const char *s)
{
	return (struct zone_text){ s, strlen(s) };
}
static inline bool zone_text_same(struct zone_text t, struct zone_text u)
{
	return t.len == u.len && memcmp(t.s, u.s, t.len) == 0;
}
/** zone_text_strip() - is @t something, a dot, and @end? That something into @ret. */
bool zone_text_strip(struct zone_text t, struct zone_text end, struct zone_text *ret);
/** zone_text_first_label() - of @t, and what is behind its dot. Return: false: @t has no dot. */
bool zone_text_first_label(struct zone_text t, struct zone_text *ret_label,
			   struct zone_text *ret_rest);
/** zone_text_ok() - can a question hold it (any case): labels of 1 to 63 visible bytes, ZONE_NAME_MAX in all (RFC 1035 §2.3.4)? */
bool zone_text_ok(const char *text, size_t len);
/** zone_text_lower() - @len bytes of @text in lower case into @ret, with a NUL. */
void zone_text_lower(const char *text, size_t len, char *ret);
/** zone_text_eq_fold() - are @len bytes the same but for case? */
bool zone_text_eq_fold(const char *a, const char *b, size_t len);
/** zone_text_port() - 80 of "_80"; 0, which is no port: not written as one. */
uint16_t zone_text_port(struct zone_text label);
/** zone_text_reverse() - the address of a whole in-addr.arpa (RFC 1035 §3.5) or ip6.arpa (RFC 3596 §2.5) name. Return: false: it is none. */
bool zone_text_reverse(struct zone_text name, struct ip *ret);
/** zone_text_reverse_apex() - the part of a reverse @name that stands for @subnet around its address, as far as that is whole labels. */
struct zone_text zone_text_reverse_apex(struct zone_text name, const struct prefix *subnet);
