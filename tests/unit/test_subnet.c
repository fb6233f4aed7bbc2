/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/subnet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const uint8_t cluster[32] = { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc };

static struct prefix pfx(const char *s)
{
	struct prefix p;

	assert_int_equal(prefix_parse_host(s, &p, NULL), 0);
	return p;
}

static void assert_prefix(struct prefix p, const char *text)
{
	char buf[PREFIX_TEXT_MAX];

	assert_string_equal(prefix_format(p, buf), text);
}

static void assert_ip(struct ip a, const char *text)
{
	char buf[IP_TEXT_MAX];

	assert_string_equal(ip_format(a, buf), text);
}

/* ---- choice ---- */

static void lowest_free(void **state)
{
	const struct subnet_pool pools[] = { { pfx("fd00::/48"), 64 },
					     { pfx("10.0.0.0/8"), 24 },
					     { pfx("172.16.0.0/15"), 16 } };
	struct subnet_taken taken[] = {
		{ pfx("10.0.3.0/24"), "c" },	  { pfx("10.0.0.0/24"), "a" },
		{ pfx("0.0.0.0/0"), "default" },  { pfx("10.0.1.128/25"), "b" },
		{ pfx("fd00::/64"), "six" },	  { pfx("192.168.0.0/16"), "elsewhere" },
		{ pfx("10.0.4.17/22"), "wider" }, { pfx("10.0.4.1/32"), "inside it" },
	};
	struct prefix p;

	(void)state;
	assert_int_equal(subnet_choose(pools, 3, AF_INET, NULL, 0, &p, NULL), 0);
	assert_prefix(p, "10.0.0.0/24");
	assert_int_equal(subnet_choose(pools, 3, AF_INET, taken, 2, &p, NULL), 0);
	assert_prefix(p, "10.0.1.0/24");
	assert_int_equal(subnet_choose(pools, 3, AF_INET, taken, ARRAY_SIZE(taken), &p, NULL), 0);
	assert_prefix(p, "10.0.2.0/24");
	taken[3].prefix = pfx("10.0.1.0/23");
	assert_int_equal(subnet_choose(pools, 3, AF_INET, taken, ARRAY_SIZE(taken), &p, NULL), 0);
	assert_prefix(p, "10.0.2.0/24");
	taken[5].prefix = pfx("10.0.2.2/32");
	assert_int_equal(subnet_choose(pools, 3, AF_INET, taken, ARRAY_SIZE(taken), &p, NULL), 0);
	assert_prefix(p, "10.0.8.0/24");
	taken[0].prefix = pfx("10.0.9.0/24");
	assert_int_equal(subnet_choose(pools, 3, AF_INET, taken, ARRAY_SIZE(taken), &p, NULL), 0);
	assert_prefix(p, "10.0.3.0/24");
	taken[7].prefix = pfx("10.0.0.0/21");
	assert_int_equal(subnet_choose(pools, 3, AF_INET, taken, ARRAY_SIZE(taken), &p, NULL), 0);
	assert_prefix(p, "10.0.8.0/24");
	assert_int_equal(subnet_choose(pools, 3, AF_INET6, taken, ARRAY_SIZE(taken), &p, NULL), 0);
	assert_prefix(p, "fd00:0:0:1::/64");
}

static void used_up(void **state)
{
	const struct subnet_pool pools[] = { { pfx("10.0.0.0/8"), 24 },
					     { pfx("255.255.254.0/23"), 24 } };
	struct subnet_taken taken[] = { { pfx("10.0.0.0/8"), "route" },
					{ pfx("255.255.254.0/24"), "x" },
					{ pfx("255.255.255.0/24"), "y" } };
	struct err e = { 0 };
	struct prefix p = pfx("192.0.2.0/24");

	(void)state;
	assert_int_equal(subnet_choose(pools, 2, AF_INET, taken, 2, &p, &e), 0);
	assert_prefix(p, "255.255.255.0/24");
	assert_int_equal(subnet_choose(pools, 2, AF_INET, taken, 3, &p, &e), -ENOSPC);
	assert_prefix(p, "255.255.255.0/24");
	assert_string_equal(
		e.text,
		"no free subnet in the pools (10.0.0.0/8 in /24s, 255.255.254.0/23 in /24s)");
	assert_int_equal(subnet_choose(pools, 2, AF_INET6, taken, 3, &p, &e), -ENOSPC);
	assert_string_equal(e.text, "no pool of IPv6 subnets is configured");
	assert_prefix(subnet_ula(cluster, 0), "fd12:3456:789a::/64");
	assert_prefix(subnet_ula(cluster, 0x1ff), "fd12:3456:789a:1ff::/64");
}

/* ---- requests ---- */

static const struct subnet_taken in_use[] = {
	{ { { AF_INET, { 10, 0, 0, 0 } }, 16 }, "network demo" },
	{ { { AF_INET, { 10, 1, 0, 0 } }, 16 }, "route 10.1.0.0/16 dev eth0" },
	{ { { AF_INET, { 192, 168, 7, 53 } }, 32 }, "nameserver 192.168.7.53" },
	{ { { AF_INET, { 0 } }, 0 }, "default route" },
};
static const struct subnet_pool some_pools[] = { { { { AF_INET, { 10, 0, 0, 0 } }, 8 }, 24 } };

struct ask {
	struct strv subnets, gateways, ranges;
	struct kv_pairs aux;
	bool ipv6;
};

/* "subnet 10.0.0.0/24, gateway 10.0.0.1, range ..., aux NAME=IP, ipv6" */
static void parse_ask(const char *text, struct ask *ask)
{
	_cleanup_strv_ struct strv parts = { 0 };

	strv_split(&parts, text, ',');
	for (size_t i = 0; i < parts.n; i++) {
		char *word = parts.v[i] + strspn(parts.v[i], " ");
		char *value = strchr(word, ' ');
		char *eq;

		if (value)
			*value++ = '\0';
		if (strcmp(word, "ipv6") == 0) {
			ask->ipv6 = true;
		} else if (strcmp(word, "subnet") == 0) {
			strv_add(&ask->subnets, value);
		} else if (strcmp(word, "gateway") == 0) {
			strv_add(&ask->gateways, value);
		} else if (strcmp(word, "range") == 0) {
			strv_add(&ask->ranges, value);
		} else {
			assert_string_equal(word, "aux");
			eq = strchr(value, '=');
			assert_non_null(eq);
			*eq = '\0';
			kv_pairs_set(&ask->aux, value, eq + 1);
		}
	}
}

static int resolve(const char *text, struct model_subnet **ret, size_t *ret_n, struct err *e)
{
	struct ask ask = { 0 };
	struct subnet_request req = { .subnets = &ask.subnets,
				      .gateways = &ask.gateways,
				      .ip_ranges = &ask.ranges,
				      .aux = &ask.aux };
	int r;

	parse_ask(text, &ask);
	req.ipv6 = ask.ipv6;
	r = subnet_resolve(&req, some_pools, ARRAY_SIZE(some_pools), cluster, in_use,
			   ARRAY_SIZE(in_use), ret, ret_n, e);
	strv_done(&ask.subnets);
	strv_done(&ask.gateways);
	strv_done(&ask.ranges);
	kv_pairs_done(&ask.aux);
	return r;
}

static void good_requests(void **state)
{
	struct model_subnet *s;
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(resolve("", &s, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_prefix(s[0].subnet, "10.2.0.0/24");
	assert_ip(s[0].gateway, "10.2.0.1");
	assert_false(prefix_is_set(s[0].ip_range));
	subnet_free(s, n);

	assert_int_equal(resolve("ipv6", &s, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_prefix(s[0].subnet, "10.2.0.0/24");
	assert_prefix(s[1].subnet, "fd12:3456:789a::/64");
	assert_ip(s[1].gateway, "fd12:3456:789a::1");
	subnet_free(s, n);

	/* Matched by containment, in whatever order. */
	assert_int_equal(resolve("subnet 10.9.1.0/24, subnet 10.9.0.0/24, gateway 10.9.0.254,"
				 "range 10.9.1.128/25, aux printer=10.9.1.1, aux fax=10.9.1.9",
				 &s, &n, &e),
			 0);
	assert_int_equal(n, 2);
	assert_prefix(s[0].subnet, "10.9.1.0/24");
	assert_ip(s[0].gateway, "10.9.1.2"); /* the first that is no auxiliary address */
	assert_prefix(s[0].ip_range, "10.9.1.128/25");
	assert_int_equal(s[0].n_aux, 2);
	assert_string_equal(s[0].aux[1].name, "fax");
	assert_ip(s[0].aux[1].ip, "10.9.1.9");
	assert_ip(s[1].gateway, "10.9.0.254");
	subnet_free(s, n);

	/* IPv6 given: IPv4 is chosen beside it, and comes first. */
	assert_int_equal(resolve("ipv6, subnet fd00:1::/64", &s, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_prefix(s[0].subnet, "10.2.0.0/24");
	assert_prefix(s[1].subnet, "fd00:1::/64");
	subnet_free(s, n);
	assert_int_equal(e.code, 0);
}

static const struct {
	const char *ask, *error;
} bad[] = {
	{ "subnet 10.0.0.0/24", "10.0.0.0/24 overlaps network demo (10.0.0.0/16)" },
	{ "subnet 10.0.0.0/8",
	  "10.0.0.0/8 overlaps network demo (10.0.0.0/16); 10.0.0.0/8 overlaps route 10.1.0.0/16 dev eth0" },
	{ "subnet 192.168.7.0/24", "192.168.7.0/24 overlaps nameserver 192.168.7.53" },
	{ "subnet 10.9.0.1/24",
	  "subnet \"10.9.0.1/24\" has host bits set; the subnet is 10.9.0.0/24" },
	{ "subnet fish", "subnet \"fish\" is not a subnet: no \"/\"" },
	{ "subnet 10.9.0.0/31", "subnet 10.9.0.0/31 is too small: at most /30" },
	{ "subnet 224.1.0.0/16", "subnet 224.1.0.0/16 overlaps multicast addresses (224.0.0.0/4)" },
	{ "subnet 127.0.0.0/24", "subnet 127.0.0.0/24 overlaps loopback addresses (127.0.0.0/8)" },
	{ "ipv6, subnet fe80::/64", "subnet fe80::/64 overlaps link-local addresses (fe80::/10)" },
	{ "ipv6, subnet fd00::/127", "subnet fd00::/127 is too small: at most /126" },
	{ "subnet fd00::/64", "subnet fd00::/64 is IPv6, which was not asked for (option ipv6)" },
	{ "subnet 10.9.0.0/24, subnet 10.9.0.0/24", "subnet 10.9.0.0/24 is given twice" },
	{ "subnet 10.9.0.0/16, subnet 10.9.3.0/24",
	  "subnet 10.9.3.0/24 overlaps subnet 10.9.0.0/16 of the same network" },
	{ "gateway 10.9.0.1", "gateway 10.9.0.1 needs a subnet" },
	{ "range 10.9.0.0/25", "ip-range 10.9.0.0/25 needs a subnet" },
	{ "aux a=10.9.0.9", "aux-address a 10.9.0.9 needs a subnet" },
	{ "subnet 10.9.0.0/24, gateway 10.8.0.1",
	  "gateway 10.8.0.1 is in none of the subnets (10.9.0.0/24)" },
	{ "subnet 10.9.0.0/24, gateway fish", "gateway \"fish\" is not an IP address" },
	{ "subnet 10.9.0.0/24, gateway 10.9.0.255",
	  "gateway: address 10.9.0.255 is the broadcast address of 10.9.0.0/24" },
	{ "subnet 10.9.0.0/24, gateway 10.9.0.1, gateway 10.9.0.2",
	  "two gateways for subnet 10.9.0.0/24: 10.9.0.1 and 10.9.0.2" },
	{ "subnet 10.9.0.0/24, range 10.8.0.0/25",
	  "ip-range 10.8.0.0/25 is in none of the subnets (10.9.0.0/24)" },
	{ "subnet 10.9.0.0/24, range 10.9.0.0/16",
	  "ip-range 10.9.0.0/16 is larger than subnet 10.9.0.0/24" },
	{ "subnet 10.9.0.0/24, range 10.9.0.0/25, range 10.9.0.128/25",
	  "two ip-ranges for subnet 10.9.0.0/24: 10.9.0.0/25 and 10.9.0.128/25" },
	{ "subnet 10.9.0.0/24, range 10.9.0.1/32",
	  "no address is left to hand out in 10.9.0.1/32" },
	{ "subnet 10.9.0.0/24, aux a=10.9.0.1, gateway 10.9.0.1",
	  "aux-address a=10.9.0.1 is the gateway" },
	{ "subnet 10.9.0.0/24, aux a=10.9.0.7, aux b=10.9.0.7",
	  "aux-addresses a and b are both 10.9.0.7" },
	{ "subnet 10.9.0.0/24, aux a=fish", "aux-address a: \"fish\" is not an IP address" },
	{ "subnet 10.9.0.0/24, aux a=10.9.0.0",
	  "aux-address a: address 10.9.0.0 is the network address of 10.9.0.0/24" },
	{ "subnet 10.9.0.0/30, aux a=10.9.0.1, aux b=10.9.0.2",
	  "no address is left for the gateway of 10.9.0.0/30" },
	/* All at once. */
	{ "subnet 10.0.5.0/24, gateway 10.8.0.1, aux a=x, range 1.2.3.4/8",
	  "10.0.5.0/24 overlaps network demo (10.0.0.0/16); "
	  "gateway 10.8.0.1 is in none of the subnets (10.0.5.0/24); "
	  "ip-range \"1.2.3.4/8\" has host bits set; the subnet is 1.0.0.0/8; "
	  "aux-address a: \"x\" is not an IP address" },
};

static void bad_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct model_subnet *s = NULL;
		struct err e = { 0 };
		size_t n = 7;

		assert_int_equal(resolve(bad[i].ask, &s, &n, &e), -EINVAL);
		assert_string_equal(e.text, bad[i].error);
		assert_null(s);
		assert_int_equal(n, 7);
		assert_int_equal(resolve(bad[i].ask, &s, &n, NULL), -EINVAL);
	}
}

static void added_to_what_is_there(void **state)
{
	struct model_subnet *s = NULL;
	struct err e = { 0 };
	size_t n;

	(void)state;
	err_add(&e, -EEXIST, "a network named demo exists already");
	assert_int_equal(resolve("subnet fish", &s, &n, &e), -EINVAL);
	assert_int_equal(e.code, -EEXIST);
	assert_string_equal(
		e.text,
		"a network named demo exists already; subnet \"fish\" is not a subnet: no \"/\"");
}

static void no_ipv4_pool(void **state)
{
	struct strv subnets = { 0 };
	struct subnet_request req = { .subnets = &subnets, .ipv6 = true };
	struct model_subnet *s;
	struct err e = { 0 };
	size_t n;

	(void)state;
	strv_add(&subnets, "fd00::/64");
	assert_int_equal(subnet_resolve(&req, NULL, 0, cluster, NULL, 0, &s, &n, &e), -ENOSPC);
	assert_string_equal(
		e.text, "IPv6 alone is not supported, and no pool of IPv4 subnets is configured");
	strv_done(&subnets);
}

/* Of a segment outside: nothing is made up, and what stands there already is not asked for. */
static void outside(void **state)
{
	struct strv subnets = { 0 }, gateways = { 0 };
	struct subnet_request req = {
		.subnets = &subnets, .gateways = &gateways, .outside = true, .ipv6 = true
	};
	struct model_subnet *s;
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(subnet_resolve(&req, some_pools, ARRAY_SIZE(some_pools), cluster, NULL, 0,
					&s, &n, &e),
			 -EINVAL);
	assert_string_equal(e.text, "an IPv4 subnet must be given: that of the segment outside; "
				    "an IPv6 subnet must be given: that of the segment outside");
	req.ipv6 = false;
	e = (struct err){ 0 };
	strv_add(&subnets, "10.99.0.0/24");
	assert_int_equal(subnet_resolve(&req, NULL, 0, cluster, NULL, 0, &s, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_false(ip_is_set(s[0].gateway));
	subnet_free(s, n);
	strv_add(&gateways, "10.99.0.254");
	assert_int_equal(subnet_resolve(&req, NULL, 0, cluster, NULL, 0, &s, &n, &e), 0);
	assert_int_equal(s[0].gateway.b[3], 254);
	subnet_free(s, n);
	strv_done(&subnets);
	strv_done(&gateways);
}

static void too_many(void **state)
{
	struct strv subnets = { 0 };
	struct subnet_request req = { .subnets = &subnets };
	struct subnet_taken taken[20];
	struct model_subnet *s;
	struct err e = { 0 };
	size_t n;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++)
		taken[i] =
			(struct subnet_taken){ { ip_v4(0x0a000000 + i * 256), 24 }, "network x" };
	strv_add(&subnets, "10.0.0.0/8");
	assert_int_equal(subnet_resolve(&req, NULL, 0, cluster, taken, 20, &s, &n, &e), -EINVAL);
	assert_non_null(strstr(e.text, "10.0.0.0/8 overlaps 16 more"));
	for (int i = 0; i < MODEL_SUBNETS_MAX; i++)
		strv_add(&subnets, "10.0.0.0/8");
	e = (struct err){ 0 };
	assert_int_equal(subnet_resolve(&req, NULL, 0, cluster, taken, 20, &s, &n, &e), -EINVAL);
	assert_string_equal(e.text, "9 subnets are given, at most 8 are allowed");
	strv_done(&subnets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lowest_free),
		cmocka_unit_test(used_up),
		cmocka_unit_test(good_requests),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(added_to_what_is_there),
		cmocka_unit_test(no_ipv4_pool),
		cmocka_unit_test(outside),
		cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
