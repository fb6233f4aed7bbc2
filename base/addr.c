/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Both families as one number, so that sums and differences need no carry loops. */
typedef unsigned __int128 num;

static num ip_load(struct ip a)
{
	num v = 0;

	for (unsigned i = 0; i < ip_bytes(a); i++)
		v = v << 8 | a.b[i];
	return v;
}

static struct ip ip_store(uint8_t family, num v)
{
	struct ip a = { .family = family };

	for (unsigned i = ip_bytes(a); i-- > 0; v >>= 8)
		a.b[i] = (uint8_t)v;
	return a;
}

unsigned ip_bits(struct ip a)
{
	return ip_bytes(a) * 8;
}

unsigned ip_bytes(struct ip a)
{
	if (a.family == AF_INET)
		return 4;
	return a.family == AF_INET6 ? 16 : 0;
}

struct ip ip_v4(uint32_t host_order)
{
	return ip_store(AF_INET, host_order);
}

int ip_parse(const char *s, struct ip *ret, struct err *e)
{
	struct ip a = { 0 };

	if (inet_pton(AF_INET, s, a.b) == 1) {
		a.family = AF_INET;
	} else {
		memset(a.b, 0, sizeof(a.b));
		if (inet_pton(AF_INET6, s, a.b) != 1)
			return err_set(e, -EINVAL, "\"%.64s\" is not an IP address", s);
		a.family = AF_INET6;
	}
	*ret = a;
	return 0;
}

const char *ip_format(struct ip a, char *buf)
{
	if (!ip_is_set(a) || !inet_ntop(a.family, a.b, buf, IP_TEXT_MAX))
		buf[0] = '\0';
	return buf;
}

int ip_cmp(struct ip a, struct ip b)
{
	if (a.family != b.family)
		return a.family < b.family ? -1 : 1;
	return memcmp(a.b, b.b, sizeof(a.b));
}

bool ip_eq(struct ip a, struct ip b)
{
	return ip_cmp(a, b) == 0;
}

struct ip ip_add(struct ip a, int64_t n)
{
	/* Sign extension to 128 bits, then modulo the family's width in ip_store(). */
	return ip_store(a.family, ip_load(a) + (num)(__int128)n);
}

int64_t ip_diff(struct ip a, struct ip b)
{
	num x = ip_load(a), y = ip_load(b);

	if (x >= y)
		return x - y > INT64_MAX ? INT64_MAX : (int64_t)(x - y);
	return y - x > INT64_MAX ? INT64_MIN : -(int64_t)(y - x);
}

bool ip_is_loopback(struct ip a)
{
	if (a.family == AF_INET)
		return a.b[0] == 127;
	return a.family == AF_INET6 && ip_load(a) == 1;
}

bool ip_is_multicast(struct ip a)
{
	if (a.family == AF_INET)
		return (a.b[0] & 0xf0) == 224;
	return a.family == AF_INET6 && a.b[0] == 0xff;
}

bool ip_is_link_local(struct ip a)
{
	if (a.family == AF_INET)
		return a.b[0] == 169 && a.b[1] == 254;
	return a.family == AF_INET6 && a.b[0] == 0xfe && (a.b[1] & 0xc0) == 0x80;
}

bool ip_is_unspecified(struct ip a)
{
	return ip_is_set(a) && ip_load(a) == 0;
}

int ip_from_sockaddr(const struct sockaddr *sa, struct ip *ret)
{
	struct ip a = { 0 };

	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		a.family = AF_INET;
		memcpy(a.b, &in.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
			a.family = AF_INET;
			memcpy(a.b, in6.sin6_addr.s6_addr + 12, 4);
		} else {
			a.family = AF_INET6;
			memcpy(a.b, &in6.sin6_addr, 16);
		}
	} else {
		return -EAFNOSUPPORT;
	}
	*ret = a;
	return 0;
}

socklen_t ip_to_sockaddr(struct ip a, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a.family == AF_INET) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

		memcpy(&in.sin_addr, a.b, 4);
		memcpy(ret, &in, sizeof(in));
		return sizeof(in);
	}
	if (a.family == AF_INET6) {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

		memcpy(&in6.sin6_addr, a.b, 16);
		memcpy(ret, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}

/* One to three digits without leading zero, so that a prefix has one text. */
static int len_parse(const char *s, unsigned max, unsigned *ret)
{
	unsigned v = 0;
	size_t i;

	if (s[0] == '0' && s[1] != '\0')
		return -EINVAL;
	for (i = 0; s[i] >= '0' && s[i] <= '9' && i < 3; i++)
		v = v * 10 + (unsigned)(s[i] - '0');
	if (i == 0 || s[i] != '\0' || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

int prefix_parse_host(const char *s, struct prefix *ret, struct err *e)
{
	const char *slash = strchr(s, '/');
	char text[IP_TEXT_MAX];
	struct ip a;
	unsigned len;
	int r;

	if (!slash)
		return err_set(e, -EINVAL, "\"%.64s\" is not a subnet: no \"/\"", s);
	if ((size_t)(slash - s) >= sizeof(text))
		return err_set(e, -EINVAL, "\"%.64s\" is not a subnet", s);
	memcpy(text, s, (size_t)(slash - s));
	text[slash - s] = '\0';
	r = ip_parse(text, &a, e);
	if (r < 0)
		return r;
	if (len_parse(slash + 1, ip_bits(a), &len) < 0)
		return err_set(e, -EINVAL, "\"%.64s\" is not a subnet: the length must be 0 to %u",
			       s, ip_bits(a));
	*ret = (struct prefix){ .ip = a, .len = (uint8_t)len };
	return 0;
}

int prefix_parse(const char *s, struct prefix *ret, struct err *e)
{
	struct prefix p, masked;
	char text[PREFIX_TEXT_MAX];
	int r = prefix_parse_host(s, &p, e);

	if (r < 0)
		return r;
	masked = prefix_mask(p.ip, p.len);
	if (!ip_eq(masked.ip, p.ip))
		return err_set(e, -EINVAL, "\"%.64s\" has host bits set; the subnet is %s", s,
			       prefix_format(masked, text));
	*ret = p;
	return 0;
}

const char *prefix_format(struct prefix p, char *buf)
{
	char text[IP_TEXT_MAX];

	if (prefix_is_set(p))
		snprintf(buf, PREFIX_TEXT_MAX, "%s/%u", ip_format(p.ip, text), p.len);
	else
		buf[0] = '\0';
	return buf;
}

/* Ones in the host part of a prefix of @len bits; shifting by the full width would be undefined. */
static num host_bits(struct ip a, unsigned len)
{
	unsigned host = ip_bits(a) - len;

	return host >= 128 ? ~(num)0 : ((num)1 << host) - 1;
}

struct prefix prefix_mask(struct ip a, unsigned len)
{
	if (len > ip_bits(a))
		len = ip_bits(a);
	return (struct prefix){ .ip = ip_store(a.family, ip_load(a) & ~host_bits(a, len)),
				.len = (uint8_t)len };
}

bool prefix_contains(struct prefix p, struct ip a)
{
	if (!prefix_is_set(p) || p.ip.family != a.family)
		return false;
	return ip_eq(prefix_mask(a, p.len).ip, prefix_mask(p.ip, p.len).ip);
}

bool prefix_covers(struct prefix outer, struct prefix inner)
{
	return outer.len <= inner.len && prefix_contains(outer, inner.ip);
}

bool prefix_overlaps(struct prefix a, struct prefix b)
{
	return prefix_covers(a, b) || prefix_covers(b, a);
}

bool prefix_eq(struct prefix a, struct prefix b)
{
	return prefix_cmp(a, b) == 0;
}

int prefix_cmp(struct prefix a, struct prefix b)
{
	int r = ip_cmp(a.ip, b.ip);

	return r ? r : (int)a.len - (int)b.len;
}

struct ip prefix_first(struct prefix p)
{
	return prefix_mask(p.ip, p.len).ip;
}

struct ip prefix_last(struct prefix p)
{
	return ip_store(p.ip.family, ip_load(p.ip) | host_bits(p.ip, p.len));
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int mac_parse(const char *s, struct mac *ret, struct err *e)
{
	struct mac m;

	if (strnlen(s, MAC_TEXT_MAX) != MAC_TEXT_MAX - 1)
		goto bad;
	for (size_t i = 0; i < sizeof(m.b); i++) {
		int hi = hex_value(s[3 * i]), lo = hex_value(s[3 * i + 1]);

		if (hi < 0 || lo < 0)
			goto bad;
		/* One separator, the same throughout. */
		if (i < 5 && (s[3 * i + 2] != s[2] || (s[2] != ':' && s[2] != '-')))
			goto bad;
		m.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = m;
	return 0;
bad:
	return err_set(e, -EINVAL, "\"%.64s\" is not a MAC address", s);
}

const char *mac_format(struct mac m, char *buf)
{
	snprintf(buf, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", m.b[0], m.b[1], m.b[2], m.b[3],
		 m.b[4], m.b[5]);
	return buf;
}

int mac_cmp(struct mac a, struct mac b)
{
	return memcmp(a.b, b.b, sizeof(a.b));
}

bool mac_eq(struct mac a, struct mac b)
{
	return mac_cmp(a, b) == 0;
}

bool mac_is_zero(struct mac m)
{
	return mac_eq(m, (struct mac){ 0 });
}

bool mac_is_usable(struct mac m)
{
	return !(m.b[0] & 1) && !mac_is_zero(m);
}

struct mac mac_from_ip(struct ip a)
{
	struct mac m = { .b = { 0x02, 0x42 } };
	uint32_t h = 2166136261U; /* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */

	if (a.family == AF_INET) {
		memcpy(m.b + 2, a.b, 4);
		return m;
	}
	for (unsigned i = 0; i < ip_bytes(a); i++)
		h = (h ^ a.b[i]) * 16777619U;
	for (unsigned i = 0; i < 4; i++)
		m.b[2 + i] = (uint8_t)(h >> (24 - 8 * i));
	return m;
}
