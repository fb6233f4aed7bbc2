/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/netopt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"

/* @text: "key=value key=value" */
static int parse(enum netopt_driver d, const char *text, bool ipv6, struct netopt *ret,
		 struct err *e)
{
	_cleanup_kv_pairs_ struct kv_pairs p = { 0 };
	_cleanup_strv_ struct strv words = { 0 };

	strv_split(&words, text, ' ');
	for (size_t i = 0; i < words.n; i++) {
		char *eq = strchr(words.v[i], '=');

		*eq = '\0';
		kv_pairs_set(&p, words.v[i], eq + 1);
	}
	*e = (struct err){ 0 };
	return netopt_parse(d, &p, ipv6, ret, e);
}

static void drivers(void **state)
{
	enum netopt_driver d = NETOPT_NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(netopt_driver_parse("macvlan", &d, &e), 0);
	assert_int_equal(d, NETOPT_MACVLAN);
	assert_int_equal(netopt_driver_parse("overlay", &d, &e), 0);
	assert_int_equal(d, NETOPT_OVERLAY);
	assert_int_equal(netopt_driver_parse("host", &d, &e), -EINVAL);
	assert_string_equal(e.text, "driver host: only the pre-defined network \"host\" has it");
	assert_int_equal(netopt_driver_parse("null", &d, &e), -EINVAL);
	assert_string_equal(e.text, "driver null: only the pre-defined network \"none\" has it");
	assert_int_equal(netopt_driver_parse("egress", &d, &e), -EINVAL);
	assert_int_equal(netopt_driver_parse("weave", &d, &e), -EINVAL);
	assert_string_equal(
		e.text,
		"driver \"weave\" is not known (there are: overlay, bridge, macvlan, ipvlan)");
	for (int i = NETOPT_OVERLAY; i <= NETOPT_NULL; i++)
		assert_int_equal(netopt_driver_of(netopt_driver_name((enum netopt_driver)i)), i);
}

static void defaults(void **state)
{
	struct netopt o;
	struct err e;

	(void)state;
	assert_int_equal(parse(NETOPT_BRIDGE, "", false, &o, &e), 0);
	assert_true(o.icc && o.masquerade);
	assert_int_equal(o.security, STATE_SECURE_MAC_IP);
	assert_int_equal(o.gateway_mode, NETOPT_NAT);
	assert_string_equal(o.bridge, "");
	assert_int_equal(o.mtu, 0);
	assert_false(ip_is_set(o.host_binding4));
	assert_int_equal(parse(NETOPT_OVERLAY, "", false, &o, &e), 0);
	assert_true(o.flood);
	assert_int_equal(o.vni, 0);
	assert_int_equal(parse(NETOPT_MACVLAN, "parent=eth0", false, &o, &e), 0);
	assert_string_equal(o.mode, "bridge");
	assert_string_equal(o.parent, "eth0");
	assert_int_equal(parse(NETOPT_IPVLAN, "parent=eth0.100", false, &o, &e), 0);
	assert_string_equal(o.mode, "l2");
	assert_int_equal(netopt_parse(NETOPT_HOST, NULL, false, &o, &e), 0);
}

static void ours_and_dockers(void **state)
{
	static const char *const texts[] = {
		"mtu=1400 bridge.name=br-x icc=off masquerade=false host-binding-ipv4=10.0.0.1 gateway-mode=routed "
		"port-security=mac",
		"com.docker.network.driver.mtu=1400 com.docker.network.bridge.name=br-x "
		"com.docker.network.bridge.enable_icc=false com.docker.network.bridge.enable_ip_masquerade=0 "
		"com.docker.network.bridge.host_binding_ipv4=10.0.0.1 "
		"com.docker.network.bridge.gateway_mode_ipv4=routed port-security=mac",
	};
	struct netopt o;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (parse(NETOPT_BRIDGE, texts[i], false, &o, &e) < 0)
			fail_msg("%s", e.text);
		assert_int_equal(o.mtu, 1400);
		assert_string_equal(o.bridge, "br-x");
		assert_false(o.icc || o.masquerade);
		assert_true(ip_eq(o.host_binding4, ip_v4(0x0a000001)));
		assert_int_equal(o.gateway_mode, NETOPT_ROUTED);
		assert_int_equal(o.security, STATE_SECURE_MAC);
	}
	/* Like ours, but not ours. */
	assert_int_equal(parse(NETOPT_BRIDGE, "bridge.name=br0x", false, &o, &e), 0);
	assert_int_equal(parse(NETOPT_BRIDGE, "bridge.name=ve0123456789a", false, &o, &e), 0);
	assert_int_equal(parse(NETOPT_BRIDGE, "bridge.name=gw0", false, &o, &e), 0);
	assert_int_equal(parse(NETOPT_MACVLAN, "parent=br0", false, &o, &e), 0);
	assert_int_equal(parse(NETOPT_BRIDGE, "host-binding-ipv4=0.0.0.0", false, &o, &e), 0);
	assert_false(ip_is_set(o.host_binding4));
	assert_int_equal(parse(NETOPT_MACVLAN, "parent=e macvlan_mode=passthru", false, &o, &e), 0);
	assert_string_equal(o.mode, "passthru");
	assert_int_equal(parse(NETOPT_IPVLAN, "parent=e ipvlan_mode=l3s", false, &o, &e), 0);
	assert_string_equal(o.mode, "l3s");
	assert_int_equal(parse(NETOPT_OVERLAY, "vni=7 flood=OFF port-security=off mtu=1280", true,
			       &o, &e),
			 0);
	assert_int_equal(o.vni, 7);
	assert_false(o.flood);
	assert_int_equal(o.security, STATE_SECURE_OFF);
}

static void bad(void **state)
{
	static const struct {
		enum netopt_driver d;
		const char *text;
		bool ipv6;
		const char *says;
	} cases[] = {
		{ NETOPT_OVERLAY, "icc=off", false,
		  "option icc: not known to driver overlay (known: mtu, vni, flood, port-security)" },
		{ NETOPT_BRIDGE, "vni=5", false,
		  "option vni: not known to driver bridge (known: mtu, port-security, bridge.name, icc, masquerade, "
		  "host-binding-ipv4, gateway-mode)" },
		{ NETOPT_MACVLAN, "parent=e ipvlan_mode=l2", false,
		  "option ipvlan_mode: not known to driver macvlan (known: mtu, parent, mode)" },
		{ NETOPT_HOST, "mtu=1400", false,
		  "option mtu: not known to driver host (known: none)" },
		{ NETOPT_BRIDGE, "mtu=575", false,
		  "option mtu: \"575\" is not a number from 576 to 65535" },
		{ NETOPT_BRIDGE, "mtu=1279", true,
		  "option mtu: \"1279\" is not a number from 1280 to 65535" },
		{ NETOPT_BRIDGE, "mtu=-1", false, "option mtu: \"-1\" is not a number" },
		{ NETOPT_BRIDGE, "mtu=", false, "option mtu: \"\" is not a number" },
		{ NETOPT_OVERLAY, "vni=16777216", false, "option vni: \"16777216\" is not" },
		{ NETOPT_BRIDGE, "icc=maybe", false,
		  "option icc: \"maybe\" is neither on nor off" },
		{ NETOPT_BRIDGE, "port-security=ip", false,
		  "option port-security: \"ip\" is none of mac+ip, mac, off" },
		{ NETOPT_BRIDGE, "gateway-mode=isolated", false,
		  "option gateway-mode: \"isolated\" is none of nat, routed" },
		{ NETOPT_BRIDGE, "host-binding-ipv4=fd00::1", false, "is not an IPv4 address" },
		{ NETOPT_BRIDGE, "host-binding-ipv4=224.0.0.1", false, "is not an IPv4 address" },
		{ NETOPT_BRIDGE, "bridge.name=sixteen-letters-", false,
		  "option bridge.name: \"sixteen-letters-\" has 16 characters, an interface's name at most 15" },
		{ NETOPT_BRIDGE, "bridge.name=a/b", false,
		  "option bridge.name: \"a/b\" cannot be an interface's name" },
		{ NETOPT_BRIDGE, "bridge.name=br%d", false, "cannot be an interface's name" },
		{ NETOPT_BRIDGE, "bridge.name=", false, "option bridge.name: empty" },
		{ NETOPT_BRIDGE, "bridge.name=..", false, "\"..\" is not for use" },
		{ NETOPT_BRIDGE, "bridge.name=all", false, "\"all\" is not for use" },
		{ NETOPT_BRIDGE, "bridge.name=lo", false, "\"lo\" is not for use" },
		{ NETOPT_BRIDGE, "bridge.name=ovl-gw", false, "\"ovl-gw\" is ovl's own" },
		{ NETOPT_BRIDGE, "bridge.name=gw", false,
		  "option bridge.name: \"gw\" is ovl's own name of the egress bridge" },
		{ NETOPT_BRIDGE, "bridge.name=gw-up", false, "port of the egress bridge" },
		{ NETOPT_BRIDGE, "bridge.name=br0", false,
		  "\"br0\" is ovl's own name of bridges of overlay networks" },
		{ NETOPT_BRIDGE, "com.docker.network.bridge.name=br16777215", false,
		  "is ovl's own" },
		{ NETOPT_BRIDGE, "bridge.name=vx4097", false, "VXLAN devices" },
		{ NETOPT_BRIDGE, "bridge.name=ve0123456789ab", false, "ports of containers" },
		{ NETOPT_BRIDGE, "bridge.name=ovp0123456789ab", false, "is ovl's own" },
		{ NETOPT_MACVLAN, "", false, "(-o parent=eth0)" },
		{ NETOPT_IPVLAN, "mode=l4", false,
		  "option mode: \"l4\" is none of l2, l3, l3s; driver ipvlan needs" },
		{ NETOPT_BRIDGE, "mtu=1400 com.docker.network.driver.mtu=1400", false,
		  "option com.docker.network.driver.mtu: given as mtu already" },
		{ NETOPT_BRIDGE, "mtu=1 x=2", false, "; option x: not known" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct netopt o;
		struct err e;

		assert_int_equal(parse(cases[i].d, cases[i].text, cases[i].ipv6, &o, &e), -EINVAL);
		if (!strstr(e.text, cases[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, e.text,
				 cases[i].says);
		assert_int_equal(o.driver, cases[i].d);
	}
}

/* What was told before stays in front. */
static void added(void **state)
{
	struct err e = { 0 };
	struct netopt o;

	(void)state;
	err_set(&e, -EEXIST, "first");
	assert_int_equal(netopt_parse(NETOPT_MACVLAN, NULL, false, &o, &e), -EINVAL);
	assert_int_equal(e.code, -EEXIST);
	assert_ptr_equal(strstr(e.text, "first; driver macvlan needs"), e.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drivers),
		cmocka_unit_test(defaults),
		cmocka_unit_test(ours_and_dockers),
		cmocka_unit_test(bad),
		cmocka_unit_test(added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
