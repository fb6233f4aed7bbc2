/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of a network as the API shows them (view.h): what was asked for, under the keys it was asked by, and what is in force. */
#include "agent/api/view.h"

#include <stdio.h>

#include "agent/netopt.h"
#include "base/json.h"
#include "base/mem.h"

#define BRIDGE_DIGITS 11 /* of the network's id in the name of its bridge: agent/compile_local.c */

static void set_number(struct kv_pairs *p, const char *key, uint32_t v)
{
	char text[16];

	if (!v)
		return;
	snprintf(text, sizeof(text), "%u", v);
	kv_pairs_set(p, key, text);
}

static const char *security_word(enum state_security s)
{
	switch (s) {
	case STATE_SECURE_MAC_IP:
		return "mac+ip";
	case STATE_SECURE_MAC:
		return "mac";
	case STATE_SECURE_OFF:
		break;
	}
	return "off";
}

static void set_bridge(struct kv_pairs *p, const struct model_network *net,
		       const struct netopt *opt)
{
	char hex[ID_SHORT_MAX], name[IFNAMSIZ], ip[IP_TEXT_MAX];

	snprintf(name, sizeof(name), "ovl-%.*s", BRIDGE_DIGITS, id_short(net->id, hex));
	kv_pairs_set(p, "bridge.name", opt->bridge[0] ? opt->bridge : name);
	kv_pairs_set(p, "icc", opt->icc ? "true" : "false");
	kv_pairs_set(p, "masquerade", opt->masquerade ? "true" : "false");
	kv_pairs_set(p, "gateway-mode", opt->gateway_mode == NETOPT_ROUTED ? "routed" : "nat");
	kv_pairs_set(p, "port-security", security_word(opt->security));
	if (ip_is_set(opt->host_binding4))
		kv_pairs_set(p, "host-binding-ipv4", ip_format(opt->host_binding4, ip));
}

void view_put_options(cJSON *j, const struct model_network *net)
{
	_cleanup_kv_pairs_ struct kv_pairs p = { 0 };
	struct netopt opt = { 0 };

	network_options(net, &opt);
	kv_pairs_copy(&p, &net->options);
	set_number(&p, "vni", net->vni);
	set_number(&p, "mtu", net->mtu ? net->mtu : opt.mtu);
	switch (opt.driver) {
	case NETOPT_BRIDGE:
		set_bridge(&p, net, &opt);
		break;
	case NETOPT_MACVLAN:
	case NETOPT_IPVLAN:
		kv_pairs_set(&p, "parent", opt.parent);
		kv_pairs_set(&p, "mode", opt.mode);
		break;
	case NETOPT_OVERLAY:
	case NETOPT_EGRESS:
	case NETOPT_HOST:
	case NETOPT_NULL:
		break;
	}
	json_put_pairs(j, "Options", &p);
}
