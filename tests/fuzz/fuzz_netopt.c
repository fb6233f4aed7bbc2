/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of a network as a user may give them: the first byte chooses driver and IPv6, then one KEY=VALUE a line. What is refused says so;
 * what is taken has device names that a kernel could have made.
 */
#include "agent/netopt.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define INPUT_MAX ((size_t)1 << 14)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
	if (*name && netopt_ifname_check("", name, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_kv_pairs_ struct kv_pairs p = { 0 };
	_cleanup_strv_ struct strv lines = { 0 };
	_cleanup_free_ char *text = NULL;
	char bridge[IFNAMSIZ];
	struct err e = { 0 };
	struct netopt o;

	if (size == 0 || size > INPUT_MAX)
		return 0;
	text = mem_alloc(size);
	memcpy(text, data + 1, size - 1);
	strv_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		char *eq = strchr(lines.v[i], '=');

		if (eq)
			*eq = '\0';
		kv_pairs_set(&p, lines.v[i], eq ? eq + 1 : "");
	}
	if (netopt_parse((enum netopt_driver)(data[0] % (NETOPT_NULL + 1)), &p, data[0] & 0x40, &o,
			 &e) < 0) {
		if (e.code == 0 || !e.text[0])
			abort();
	} else if (e.code < 0) {
		abort();
	}
	check_name(o.bridge);
	check_name(o.parent);
	netopt_bridge(&o, (struct id){ { 0 } }, bridge);
	check_name(bridge);
	return 0;
}
