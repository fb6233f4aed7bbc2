/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netopt - what `-o KEY=VALUE` means for each driver of networks.
 *
 * Pure. Docker's keys (com.docker.network.bridge.*, com.docker.network.driver.mtu, macvlan_mode, ipvlan_mode) are synonyms of ours. A key
 * that the driver does not know is refused, with those it knows, so that a slip of the pen is not silently ignored.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/strv.h"
#include "overlay/state.h"

enum netopt_driver {
	NETOPT_OVERLAY,
	NETOPT_BRIDGE,
	NETOPT_MACVLAN,
	NETOPT_IPVLAN,
	NETOPT_EGRESS, /* ovl's own */
	NETOPT_HOST, /* the predefined network "host" */
	NETOPT_NULL, /* the predefined network "none" */
};
enum netopt_gateway_mode { NETOPT_NAT, NETOPT_ROUTED };

struct netopt {
	enum netopt_driver driver;
	uint32_t mtu; /* 0: not given. All but host, null */
	uint32_t vni; /* overlay; 0: chosen */
	bool flood; /* overlay; default on */
	enum state_security security; /* port-security=mac+ip|mac|off; overlay, bridge */
	/* bridge: */
	char bridge[IFNAMSIZ]; /* bridge.name; "": ovl-<11 hex digits of the id> */
	bool icc, masquerade; /* default on */
	struct ip host_binding4; /* host-binding-ipv4: default address of published ports; unset: all */
	enum netopt_gateway_mode gateway_mode;
	/* macvlan, ipvlan: */
	char parent[IFNAMSIZ]; /* required */
	char mode[16]; /* macvlan: bridge (default), private, vepa, passthru; ipvlan: l2 (default), l3, l3s */
};
/** netopt_driver_parse() - "overlay", "bridge", ... Return: 0, -EINVAL: not one that networks can be made of (named, with those there are). */
int netopt_driver_parse(const char *text, enum netopt_driver *ret, struct err *e);
/** netopt_driver_of() - of a record's ->driver, ovl's own ones too. */
enum netopt_driver netopt_driver_of(const char *name);
const char *netopt_driver_name(enum netopt_driver d);
/** netopt_ifname_check() - 1 to 15 characters, none that the kernel refuses in an interface's name. @what: "option parent", for the error (added). Return: 0, -EINVAL. */
int netopt_ifname_check(const char *what, const char *name, struct err *e);
/** netopt_bridge() - name of the device of bridge network @id: as the option says, else ovl-<11 hex digits>. */
void netopt_bridge(const struct netopt *o, struct id id, char ret[IFNAMSIZ]);
/**
 * netopt_parse() - all problems are added to @e
 * @ipv6: raises the least MTU. Return: 0, -EINVAL. @ret is filled with defaults where nothing is said, on failure too.
 */
int netopt_parse(enum netopt_driver d, const struct kv_pairs *options, bool ipv6,
		 struct netopt *ret, struct err *e);
