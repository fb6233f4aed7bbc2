/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_flags.h"

#include <linux/if_link.h>
#include "base/mem.h"
#include "overlay/knl_sock.h"

static const struct {
	uint16_t attr;
	bool is[KNL_FLAGS_OPEN + 1];
} flags[] = {
	/*                               VXLAN locked open */
	{ IFLA_BRPORT_LEARNING, { false, false, true } },
	{ IFLA_BRPORT_LOCKED, { false, true, false } },
	{ IFLA_BRPORT_NEIGH_SUPPRESS, { true, false, false } },
	{ IFLA_BRPORT_ISOLATED, { false, false, false } }, /* egress: containers' on */
	{ IFLA_BRPORT_UNICAST_FLOOD, { true, true, true } },
	{ IFLA_BRPORT_MCAST_FLOOD, { true, true, true } },
	{ IFLA_BRPORT_BCAST_FLOOD, { true, true, true } },
	{ IFLA_BRPORT_MODE, { false, false, false } }, /* hairpin; host: on */
};

static bool shall_be(size_t i, enum knl_flags_kind kind, enum knl_flags_at at)
{
	if (flags[i].attr == IFLA_BRPORT_ISOLATED)
		return at == KNL_FLAGS_AT_EGRESS;
	if (flags[i].attr == IFLA_BRPORT_MODE)
		return at == KNL_FLAGS_AT_HOST;
	return flags[i].is[kind];
}

struct knl_flags knl_flags_parse(const struct nlattr *nest)
{
	struct knl_flags f = { .any = true };
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
			if (flags[i].attr != mnl_attr_get_type(a))
				continue;
			f.told |= (uint16_t)(1u << i);
			if (knl_get_u8(a) != 0)
				f.on |= (uint16_t)(1u << i);
		}
	}
	return f;
}

bool knl_flags_are(struct knl_flags f, enum knl_flags_kind kind, enum knl_flags_at at)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if ((f.told & 1u << i) && ((f.on & 1u << i) != 0) != shall_be(i, kind, at))
			return false;
	return true;
}

void knl_flags_put(struct nlmsghdr *h, enum knl_flags_kind kind, enum knl_flags_at at)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		mnl_attr_put_u8(h, flags[i].attr, shall_be(i, kind, at));
}
