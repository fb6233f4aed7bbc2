/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any text through the address parsers: what is accepted prints and parses to the same value. */
#include "base/addr.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_ip(const char *s)
{
	char text[IP_TEXT_MAX];
	struct ip a, b;

	if (ip_parse(s, &a, NULL) < 0)
		return;
	check(ip_parse(ip_format(a, text), &b, NULL) == 0 && ip_eq(a, b));
	check(ip_eq(ip_add(ip_add(a, 12345), -12345), a));
	check(mac_is_usable(mac_from_ip(a)));
}

static void check_prefix(const char *s)
{
	char text[PREFIX_TEXT_MAX];
	struct prefix p, q;
	struct err e = { 0 };

	if (prefix_parse_host(s, &p, &e) < 0)
		return;
	q = prefix_mask(p.ip, p.len);
	check((prefix_parse(s, &p, &e) == 0) == ip_eq(p.ip, q.ip));
	check(prefix_parse(prefix_format(q, text), &p, &e) == 0 && prefix_eq(p, q));
	check(prefix_contains(p, prefix_first(p)) && prefix_contains(p, prefix_last(p)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *s = mem_strndup((const char *)data, size);
	char text[ID_TEXT_MAX], mac_text[MAC_TEXT_MAX];
	struct mac m, n;
	struct id id;

	check_ip(s);
	check_prefix(s);
	if (mac_parse(s, &m, NULL) == 0)
		check(mac_parse(mac_format(m, mac_text), &n, NULL) == 0 && mac_eq(m, n));
	if (id_parse_n((const char *)data, size, &id) == 0)
		check(memcmp(id_format(id, text), data, ID_TEXT_LEN) == 0);
	return 0;
}
