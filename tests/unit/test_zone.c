/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "tests/unit/zone_lab.h"

static int setup(void **state)
{
	*state = zone_new("ovl");
	return 0;
}

static int teardown(void **state)
{
	zone_free(*state);
	return 0;
}

static void stats_are(const struct zone *z, size_t networks, size_t endpoints, size_t names)
{
	struct zone_stats s;

	zone_stats(z, &s);
	assert_int_equal(s.networks, networks);
	assert_int_equal(s.endpoints, endpoints);
	assert_int_equal(s.names, names);
	assert_true(s.bytes > 0);
}

static size_t bytes_of(const struct zone *z)
{
	struct zone_stats s;

	zone_stats(z, &s);
	return s.bytes;
}

static void the_domain(void **state)
{
	static const char *const good[] = { "ovl", "a", "A.b-c_d.9", "_x", "-" };
	static const char *const bad[] = { "",	   ".",	  "ovl.", ".ovl",
					   "a..b", "a b", "a\\b", "\xc3\xa4" };
	char longest[128], label[80];
	struct zone *z = zone_new("Corp.Example");
	struct err e;

	(void)state;
	assert_string_equal(zone_domain(z), "corp.example");
	zone_lab_network(z, 1, "n", false, "10.0.0.0/24");
	zone_lab_put(z, 1, 1, "w", "10.0.0.2", "", "");
	zone_lab_says(z, "1", "", "w.n.corp.example", ZONE_A, "FOUND 10.0.0.2");
	zone_lab_says(z, "1", "", "x.corp.example", ZONE_A, "NXDOMAIN corp.example");
	zone_lab_says(z, "1", "", "corp.example", ZONE_A, "NODATA corp.example");
	zone_lab_says(z, "1", "", "example", ZONE_A, "FOREIGN");
	zone_free(z);
	zone_free(NULL);

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(zone_domain_check(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(zone_domain_check(bad[i], &e), -22);
		assert_non_null(strstr(e.text, "domain"));
	}
	memset(longest, 'x', sizeof(longest));
	longest[50] = '.';
	longest[100] = '\0';
	assert_int_equal(zone_domain_check(longest, NULL), 0);
	longest[100] = 'x';
	longest[101] = '\0';
	assert_int_equal(zone_domain_check(longest, NULL), -22);
	memset(label, 'x', sizeof(label));
	label[63] = '\0';
	assert_int_equal(zone_domain_check(label, NULL), 0);
	label[63] = 'x';
	label[64] = '\0';
	assert_int_equal(zone_domain_check(label, NULL), -22);
}

static void endpoints_may_come_first(void **state)
{
	struct zone *z = *state;

	zone_lab_put(z, 1, 1, "web", "10.0.0.2", "", "");
	stats_are(z, 0, 1, 1);
	zone_lab_says(z, "1", "", "web", ZONE_A, "FOREIGN");
	zone_lab_says(z, "1", "", "2.0.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN");
	zone_lab_says(z, "1", "web:db", "db", ZONE_A, "NXDOMAIN db");
	zone_lab_network(z, 1, "net", false, "10.0.0.0/24");
	stats_are(z, 1, 1, 1);
	zone_lab_says(z, "1", "", "web.net", ZONE_A, "FOUND 10.0.0.2");
	zone_network_del(z, zone_lab_id(1));
	zone_network_del(z, zone_lab_id(1));
	stats_are(z, 0, 0, 0);
	zone_lab_network(z, 1, "net", false, "10.0.0.0/24");
	zone_lab_says(z, "1", "", "web", ZONE_A, "FOREIGN");
}

static void a_network_may_change(void **state)
{
	struct zone *z = *state;

	zone_lab_network(z, 1, "Old", false, "10.0.0.0/24");
	zone_lab_put(z, 1, 1, "web", "10.0.0.2", "", "");
	zone_lab_says(z, "1", "", "web.old.ovl", ZONE_A, "FOUND 10.0.0.2");
	zone_lab_network(z, 1, "new", false, "10.0.0.0/24");
	stats_are(z, 1, 1, 1);
	zone_lab_says(z, "1", "", "web.old.ovl", ZONE_A, "NXDOMAIN ovl");
	zone_lab_says(z, "1", "", "web.old", ZONE_A, "FOREIGN");
	zone_lab_says(z, "1", "", "web.new.ovl", ZONE_A, "FOUND 10.0.0.2");
	zone_lab_says(z, "1", "", "web.new", ZONE_A, "FOUND 10.0.0.2");
	zone_lab_says(z, "1", "", "2.0.0.10.in-addr.arpa", ZONE_PTR, "FOUND PTR web.new.ovl");
	zone_lab_network(z, 1, "new", true, "10.0.0.0/24");
	zone_lab_says(z, "1", "", "web", ZONE_A, "FOREIGN");
	zone_lab_says(z, "1", "web:db", "db", ZONE_A, "FOUND 10.0.0.2");
	zone_lab_network(z, 1, "new", false, "10.0.9.0/24");
	zone_lab_says(z, "1", "", "2.0.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN");
	zone_lab_network(z, 1, "new", false, "");
	zone_lab_says(z, "1", "", "2.0.9.10.in-addr.arpa", ZONE_PTR, "FOREIGN");
	zone_lab_says(z, "1", "", "web", ZONE_A, "FOUND 10.0.0.2");
}

static void an_endpoint_may_change(void **state)
{
	struct zone *z = *state;
	size_t before;

	zone_lab_network(z, 1, "net", false, "10.0.0.0/24 fd00::/64");
	zone_lab_put(z, 1, 1, "Web www", "10.0.0.2", "fd00::2", "80/tcp");
	before = bytes_of(z);
	zone_lab_put(z, 1, 1, "Web www", "10.0.0.2", "fd00::2", "80/tcp");
	/* the same to us: case, names that no question has, repetitions */
	zone_lab_put(z, 1, 1, "wEB www web a..b", "10.0.0.2", "fd00::2", "80/tcp 80/tcp 0/tcp");
	assert_int_equal(bytes_of(z), before);
	stats_are(z, 1, 1, 2);
	zone_lab_put(z, 1, 1, "web new", "10.0.0.3", "", "81/tcp");
	stats_are(z, 1, 1, 2);
	zone_lab_says(z, "1", "", "www", ZONE_A, "FOREIGN");
	zone_lab_says(z, "1", "", "new", ZONE_A, "FOUND 10.0.0.3");
	zone_lab_says(z, "1", "", "web", ZONE_A, "FOUND 10.0.0.3");
	zone_lab_says(z, "1", "", "web", ZONE_AAAA, "NODATA web");
	zone_lab_says(z, "1", "", "_80._tcp.web", ZONE_SRV, "NXDOMAIN web");
	zone_lab_says(z, "1", "", "_81._tcp.web", ZONE_SRV,
		      "FOUND SRV 81 web.net.ovl + web.net.ovl=10.0.0.3");
	zone_lab_says(z, "1", "", "2.0.0.10.in-addr.arpa", ZONE_PTR,
		      "NXDOMAIN 0.0.10.in-addr.arpa");
	/* another first name is another canonical one */
	zone_lab_put(z, 1, 1, "new web", "10.0.0.3", "", "81/tcp");
	zone_lab_says(z, "1", "", "3.0.0.10.in-addr.arpa", ZONE_PTR, "FOUND PTR new.net.ovl");
	zone_lab_del(z, 1, 1);
	zone_lab_del(z, 1, 1);
	zone_lab_del(z, 2, 1);
	stats_are(z, 1, 0, 0);
	zone_lab_says(z, "1", "", "web", ZONE_A, "FOREIGN");
}

/* One endpoint id on two networks is two endpoints. */
static void networks_are_apart(void **state)
{
	struct zone *z = *state;

	zone_lab_network(z, 1, "one", false, "10.0.1.0/24");
	zone_lab_network(z, 2, "two", false, "10.0.2.0/24");
	zone_lab_put(z, 1, 1, "web", "10.0.1.2", "", "");
	zone_lab_put(z, 2, 1, "web", "10.0.2.2", "", "");
	stats_are(z, 2, 2, 2);
	zone_network_del(z, zone_lab_id(1));
	zone_lab_says(z, "1 2", "", "web", ZONE_A, "FOUND 10.0.2.2");
	zone_lab_says(z, "1 2", "", "web.one.ovl", ZONE_A, "NXDOMAIN ovl");
}

static void what_names_hold(void **state)
{
	static const char *const bad[] = { "a..b", ".a",   "a.",   ".",	   "",
					   "a b",  "a\tb", "a\\b", "\x80", "a\x7f" };
	static const char *const good[] = { "a", "a_b", "-", "_80", "x.y.z", "(!)", "*" };
	struct zone *z = *state;
	char label[80], name[300];
	const char *names[2] = { label, name };
	struct zone_endpoint ep = { .network = zone_lab_id(1), .ip4 = ip_v4(0x0a000002) };

	zone_lab_network(z, 1, "net", false, "10.0.0.0/24");
	ep.names = bad;
	ep.n_names = ARRAY_SIZE(bad);
	zone_endpoint_put(z, &ep);
	stats_are(z, 1, 1, 0);
	ep.names = good;
	ep.n_names = ARRAY_SIZE(good);
	zone_endpoint_put(z, &ep);
	stats_are(z, 1, 1, ARRAY_SIZE(good));
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		zone_lab_says(z, "1", "", good[i], ZONE_A, "FOUND 10.0.0.2");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		zone_lab_says(z, "1", "", bad[i], ZONE_A, "FOREIGN");

	memset(label, 'x', sizeof(label));
	memset(name, 'y', sizeof(name));
	for (size_t i = 60; i < sizeof(name); i += 60)
		name[i] = '.';
	ep.names = names;
	ep.n_names = 2;
	for (size_t more = 0; more < 2; more++) {
		label[63 + more] = name[ZONE_NAME_MAX + more] = '\0';
		zone_endpoint_put(z, &ep);
		stats_are(z, 1, 1, more ? 0 : 2);
		label[63] = 'x';
		name[ZONE_NAME_MAX] = 'y';
	}
}

static void bounds_of_one_endpoint(void **state)
{
	enum { NAMES = ZONE_NAMES_PER_ENDPOINT_MAX + 5, PORTS = ZONE_PORTS_PER_ENDPOINT_MAX + 5 };
	struct zone *z = *state;
	char text[NAMES][8];
	const char *names[NAMES];
	struct zone_port ports[PORTS];
	struct zone_endpoint ep = { .network = zone_lab_id(1),
				    .ip4 = ip_v4(0x0a000002),
				    .names = names,
				    .n_names = NAMES,
				    .ports = ports,
				    .n_ports = PORTS };

	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(text[i], sizeof(text[i]), "n%u", i);
		names[i] = text[i];
	}
	for (unsigned i = 0; i < PORTS; i++)
		ports[i] = (struct zone_port){ IPPROTO_TCP, (uint16_t)(PORTS - i) };
	zone_lab_network(z, 1, "net", false, "10.0.0.0/24");
	zone_endpoint_put(z, &ep);
	stats_are(z, 1, 1, ZONE_NAMES_PER_ENDPOINT_MAX);
	zone_lab_says(z, "1", "", "n71", ZONE_A, "FOUND 10.0.0.2");
	zone_lab_says(z, "1", "", "n72", ZONE_A, "FOREIGN");
	zone_lab_says(z, "1", "", "_6._tcp.n0", ZONE_A, "NODATA _6._tcp.n0");
	zone_lab_says(z, "1", "", "_1029._tcp.n0", ZONE_A, "NODATA _1029._tcp.n0");
	zone_lab_says(z, "1", "", "_5._tcp.n0", ZONE_A, "NXDOMAIN n0");
}

static void bytes_come_back(void **state)
{
	struct zone *z = *state;
	size_t nothing = bytes_of(z), full;

	for (unsigned i = 0; i < 1000; i++) {
		char names[64], ip[IP_TEXT_MAX];

		snprintf(names, sizeof(names), "c%u 0123456789%02x all", i, i % 256);
		snprintf(ip, sizeof(ip), "10.0.%u.%u", i / 250, i % 250);
		zone_lab_put(z, 1 + i % 3, i, names, ip, i % 2 ? "fd00::1" : "", "80/tcp");
	}
	full = bytes_of(z);
	assert_true(full > 1000 * 200 && full < 1000 * (size_t)1500);
	zone_lab_network(z, 1, "net", false, "10.0.0.0/24 fd00::/64");
	for (unsigned i = 0; i < 1000; i++)
		zone_lab_del(z, 1 + i % 3, i);
	zone_network_del(z, zone_lab_id(1));
	stats_are(z, 0, 0, 0);
	assert_int_equal(bytes_of(z), nothing);
}

#define ON_A_ZONE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_domain),	   ON_A_ZONE(endpoints_may_come_first),
		ON_A_ZONE(a_network_may_change),   ON_A_ZONE(an_endpoint_may_change),
		ON_A_ZONE(networks_are_apart),	   ON_A_ZONE(what_names_hold),
		ON_A_ZONE(bounds_of_one_endpoint), ON_A_ZONE(bytes_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
