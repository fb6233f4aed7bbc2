/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/zone_text.h"

#include <errno.h>
#include "agent/dns/zone.h"

#define LABEL_MAX 63 /* RFC 1035 §2.3.4 */
#define DOMAIN_MAX 100
#define REVERSE4 "in-addr.arpa"
#define REVERSE6 "ip6.arpa"
#define REVERSE6_LABELS 32

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

void zone_text_lower(const char *text, size_t len, char *ret)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = lower(text[i]);
	ret[len] = '\0';
}

bool zone_text_eq_fold(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

/* A backslash would be an escape in the text form of names (RFC 1035 §5.1). */
static bool visible(char c)
{
	return c > ' ' && c < 0x7f && c != '\\';
}

static bool in_domain(char c)
{
	c = lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool labels_ok(const char *text, size_t len, bool (*ok)(char c))
{
	size_t label = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!ok(text[i]) || ++label > LABEL_MAX) {
			return false;
		}
	}
	return label > 0;
}

bool zone_text_ok(const char *text, size_t len)
{
	return len <= ZONE_NAME_MAX && labels_ok(text, len, visible);
}

int zone_domain_check(const char *domain, struct err *e)
{
	size_t len = strnlen(domain, DOMAIN_MAX + 1);

	if (len > DOMAIN_MAX)
		return err_set(e, -EINVAL, "domain: more than %d bytes", DOMAIN_MAX);
	if (!labels_ok(domain, len, in_domain))
		return err_set(
			e, -EINVAL,
			"domain \"%s\": letters, digits, '-' and '_' in labels of 1 to %d bytes, no dot at the ends",
			domain, LABEL_MAX);
	return 0;
}

bool zone_text_strip(struct zone_text t, struct zone_text end, struct zone_text *ret)
{
	if (t.len < end.len + 2 || t.s[t.len - end.len - 1] != '.' ||
	    memcmp(t.s + t.len - end.len, end.s, end.len) != 0)
		return false;
	*ret = (struct zone_text){ t.s, t.len - end.len - 1 };
	return true;
}

bool zone_text_first_label(struct zone_text t, struct zone_text *ret_label,
			   struct zone_text *ret_rest)
{
	const char *dot = memchr(t.s, '.', t.len);

	if (!dot)
		return false;
	*ret_label = (struct zone_text){ t.s, (size_t)(dot - t.s) };
	*ret_rest = (struct zone_text){ dot + 1, t.len - ret_label->len - 1 };
	return true;
}

uint16_t zone_text_port(struct zone_text label)
{
	uint32_t port = 0;

	if (label.len < 2 || label.len > 6 || label.s[1] == '0')
		return 0;
	for (size_t i = 1; i < label.len; i++) {
		if (label.s[i] < '0' || label.s[i] > '9')
			return 0;
		port = port * 10 + (uint32_t)(label.s[i] - '0');
	}
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static bool parse_octet(struct zone_text label, uint8_t *ret)
{
	unsigned n = 0;

	if (label.len == 0 || label.len > 3 || (label.len > 1 && label.s[0] == '0'))
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (label.s[i] < '0' || label.s[i] > '9')
			return false;
		n = n * 10 + (unsigned)(label.s[i] - '0');
	}
	*ret = (uint8_t)n;
	return n <= UINT8_MAX;
}

/* @t: "4.3.2.1" */
static bool parse_reverse4(struct zone_text t, struct ip *ret)
{
	struct ip ip = { .family = AF_INET };
	struct zone_text label;

	for (size_t i = 4; i-- > 1;) {
		if (!zone_text_first_label(t, &label, &t) || !parse_octet(label, &ip.b[i]))
			return false;
	}
	if (!parse_octet(t, &ip.b[0]))
		return false;
	*ret = ip;
	return true;
}

/* @t: 32 hex digits, a dot between each two, the last digit first */
static bool parse_reverse6(struct zone_text t, struct ip *ret)
{
	struct ip ip = { .family = AF_INET6 };

	if (t.len != 2 * REVERSE6_LABELS - 1)
		return false;
	for (size_t i = 0; i < REVERSE6_LABELS; i++) {
		char c = t.s[2 * i];
		size_t nibble = REVERSE6_LABELS - 1 - i;
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else
			return false;
		if (i + 1 < REVERSE6_LABELS && t.s[2 * i + 1] != '.')
			return false;
		ip.b[nibble / 2] |= (uint8_t)(nibble % 2 ? digit : digit << 4);
	}
	*ret = ip;
	return true;
}

bool zone_text_reverse(struct zone_text name, struct ip *ret)
{
	struct zone_text rest;

	return (zone_text_strip(name, zone_text_of(REVERSE4), &rest) &&
		parse_reverse4(rest, ret)) ||
	       (zone_text_strip(name, zone_text_of(REVERSE6), &rest) && parse_reverse6(rest, ret));
}

struct zone_text zone_text_reverse_apex(struct zone_text name, const struct prefix *subnet)
{
	size_t drop = subnet->ip.family == AF_INET ? 4 - subnet->len / 8u : 32 - subnet->len / 4u;
	struct zone_text label;

	while (drop-- > 0 && zone_text_first_label(name, &label, &name))
		;
	return name;
}
