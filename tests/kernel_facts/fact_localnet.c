/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * route_localnet and forwarding of one device can be set through rtnetlink, and are told with the link (overlay/knl_link.c).
 */
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include "tests/kernel_facts/nft_lab.h"

#define CONF "/proc/sys/net/ipv4/conf/v0/"

struct settings {
	uint32_t localnet, forwarding;
};

static uint32_t setting(const struct nlattr *conf, unsigned number)
{
	uint32_t v = 0;

	if (mnl_attr_get_payload_len(conf) >= number * sizeof(v))
		memcpy(&v, (const char *)mnl_attr_get_payload(conf) + (number - 1) * sizeof(v),
		       sizeof(v));
	return v;
}

static int on_link(const struct nlmsghdr *h, void *user)
{
	struct settings *s = user;
	const struct nlattr *spec, *af, *conf;

	mnl_attr_for_each(spec, h, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(spec) != IFLA_AF_SPEC)
			continue;
		mnl_attr_for_each_nested(af, spec) {
			if (mnl_attr_get_type(af) != AF_INET)
				continue;
			mnl_attr_for_each_nested(conf, af) {
				if (mnl_attr_get_type(conf) != IFLA_INET_CONF)
					continue;
				s->localnet = setting(conf, IPV4_DEVCONF_ROUTE_LOCALNET);
				s->forwarding = setting(conf, IPV4_DEVCONF_FORWARDING);
			}
		}
	}
	return MNL_CB_OK;
}

/* One request about v0; with @set the two settings are switched on. Return: 0 or -1. */
static int talk(struct mnl_socket *nl, bool set, struct settings *ret)
{
	char buf[32768] __attribute__((aligned(8)));
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *i;
	struct nlattr *spec, *inet, *conf;
	ssize_t n;

	h->nlmsg_type = set ? RTM_NEWLINK : RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST | (set ? NLM_F_ACK : 0);
	i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
	i->ifi_index = (int)if_nametoindex("v0");
	if (set) {
		spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);
		inet = mnl_attr_nest_start(h, AF_INET);
		conf = mnl_attr_nest_start(h, IFLA_INET_CONF);
		mnl_attr_put_u32(h, IPV4_DEVCONF_ROUTE_LOCALNET, 1);
		mnl_attr_put_u32(h, IPV4_DEVCONF_FORWARDING, 1);
		mnl_attr_nest_end(h, conf);
		mnl_attr_nest_end(h, inet);
		mnl_attr_nest_end(h, spec);
	}
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		return -1;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	return n < 0 ? -1 : mnl_cb_run(buf, (size_t)n, 0, 0, on_link, ret);
}

int main(void)
{
	struct mnl_socket *nl;
	struct settings s = { 0 };

	nft_lab_begin();
	nft_lab_ns("h");
	nft_lab_sh("ip -n ~h link add v0 type veth peer name v1");
	nft_lab_enter("h");
	nl = mnl_socket_open(NETLINK_ROUTE);
	nft_lab_fact(nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0, "a netlink socket");
	nft_lab_fact(talk(nl, false, &s) >= 0 && s.localnet == 0 && s.forwarding == 0,
		     "a link tells its IPv4 settings");
	nft_lab_fact(talk(nl, true, &s) >= 0, "they can be set");
	nft_lab_fact(talk(nl, false, &s) >= 0 && s.localnet == 1 && s.forwarding == 1,
		     "and are told as set");
	nft_lab_enter(NULL);
	nft_lab_fact(nft_lab_number("h", CONF "route_localnet") == 1 &&
			     nft_lab_number("h", CONF "forwarding") == 1,
		     "the sysctls say the same");
	mnl_socket_close(nl);
	return 0;
}
