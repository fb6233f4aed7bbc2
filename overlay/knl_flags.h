/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_flags - bridge port flags: what each kind of port shall have, put into requests and read from what the kernel tells.
 *
 * Without IO. Those that others may find useful to flip by hand are held too. A flag that this kernel does not know is not told, and counts as right.
 */
#pragma once
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

enum knl_flags_kind {
	KNL_FLAGS_VXLAN, /* neighbours answered for */
	KNL_FLAGS_LOCKED, /* a container's: what is behind it is known */
	KNL_FLAGS_OPEN, /* the bridge learns what is behind it: a container's without port security, the uplink of the egress bridge */
};
/* Which bridge it is on. */
enum knl_flags_at {
	KNL_FLAGS_AT_OVERLAY,
	KNL_FLAGS_AT_EGRESS, /* containers are isolated from one another */
	/*
	 * Hairpin: where br_netfilter has frames cross the host's rules, one for a published port of its own sender is translated in the bridge, and has to
	 * go back by the port it came from.
	 */
	KNL_FLAGS_AT_HOST,
};
struct knl_flags {
	bool any; /* flags were told at all */
	uint16_t told, on; /* one bit for each that we hold */
};

/** knl_flags_parse() - from the nest of IFLA_BRPORT_* attributes. */
struct knl_flags knl_flags_parse(const struct nlattr *nest);
/** knl_flags_are() - as a port of this kind shall have them? */
bool knl_flags_are(struct knl_flags f, enum knl_flags_kind kind, enum knl_flags_at at);
/** knl_flags_put() - the IFLA_BRPORT_* attributes of a port of this kind. */
void knl_flags_put(struct nlmsghdr *h, enum knl_flags_kind kind, enum knl_flags_at at);
