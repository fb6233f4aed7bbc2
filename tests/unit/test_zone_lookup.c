/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "tests/unit/zone_lab.h"

enum { TXT = 16, MX = 15 };

#define V6_2 "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.0.d.f.ip6.arpa"
#define V6_9 "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.0.d.f.ip6.arpa"
#define V6_APEX "0.0.0.0.0.0.0.0.0.0.0.0.a.0.d.f.ip6.arpa"
#define V6_ELSEWHERE "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.0.d.f.ip6.arpa"

struct row {
	const char *nets, *links, *name;
	uint16_t type;
	const char *want;
};

/*
 * 1 demo:   web (both families), two that are "app", one with IPv6 alone, one without address
 * 2 back:   another web
 * 3 bridge: nameless
 * 4 demo:   again, as a local network may be called
 * 5 a.b:    a network with a dot; 6 x.ovl: ends like the domain; 7 ovl: is called as the domain
 */
static int fill(void **state)
{
	struct zone *z = zone_new("OVL");

	zone_lab_network(z, 1, "Demo", false, "10.0.1.0/24 fd0a::/64");
	zone_lab_network(z, 2, "back", false, "10.0.2.0/25");
	zone_lab_network(z, 3, "bridge", true, "172.17.0.0/16");
	zone_lab_network(z, 4, "demo", false, "10.0.4.0/24");
	zone_lab_network(z, 5, "a.b", false, "10.0.5.0/24");
	zone_lab_network(z, 6, "x.ovl", false, "10.0.6.0/24");
	zone_lab_network(z, 7, "ovl", false, "10.0.7.0/24");
	zone_lab_put(z, 1, 1, "Web www 0123456789ab", "10.0.1.2", "fd0a::2", "80/tcp 53/udp");
	zone_lab_put(z, 1, 2, "app1 app", "10.0.1.3", "", "80/tcp 8080/tcp");
	zone_lab_put(z, 1, 3, "app2 app", "10.0.1.4", "fd0a::4", "80/tcp 9/sctp");
	zone_lab_put(z, 1, 4, "six", "", "fd0a::6", "");
	zone_lab_put(z, 1, 5, "none", "", "", "");
	zone_lab_put(z, 2, 6, "web six", "10.0.2.2", "", "443/tcp");
	zone_lab_put(z, 2, 7, "web.demo", "10.0.2.3", "", "");
	zone_lab_put(z, 3, 8, "old olds", "172.17.0.2", "", "5000/tcp");
	zone_lab_put(z, 3, 9, "olds", "172.17.0.3", "", "5000/tcp");
	zone_lab_put(z, 4, 10, "web", "10.0.4.2", "", "");
	zone_lab_put(z, 4, 11, "local", "10.0.4.3", "", "");
	zone_lab_put(z, 5, 12, "c web", "10.0.5.2", "", "");
	zone_lab_put(z, 5, 13, "c.a", "10.0.5.3", "", "");
	zone_lab_put(z, 6, 14, "web", "10.0.6.2", "", "");
	zone_lab_put(z, 7, 15, "web", "10.0.7.2", "", "");
	zone_lab_put(z, 99, 16, "early", "10.0.9.2", "", "");
	*state = z;
	return 0;
}

static int empty(void **state)
{
	zone_free(*state);
	return 0;
}

static void ask_all(const struct zone *z, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		zone_lab_says(z, rows[i].nets, rows[i].links, rows[i].name, rows[i].type,
			      rows[i].want);
}

static void plain_names(void **state)
{
	static const struct row rows[] = {
		{ "1", "", "web", ZONE_A, "FOUND 10.0.1.2" },
		{ "1", "", "www", ZONE_A, "FOUND 10.0.1.2" },
		{ "1", "", "0123456789ab", ZONE_A, "FOUND 10.0.1.2" },
		{ "1", "", "web", ZONE_AAAA, "FOUND fd0a::2" },
		{ "1", "", "app", ZONE_A, "FOUND 10.0.1.3 10.0.1.4" },
		{ "1", "", "app", ZONE_AAAA, "FOUND fd0a::4" },
		/* networks in their order, until one has the family */
		{ "1 2", "", "web", ZONE_A, "FOUND 10.0.1.2" },
		{ "2 1", "", "web", ZONE_A, "FOUND 10.0.2.2" },
		{ "2 1", "", "web", ZONE_AAAA, "FOUND fd0a::2" },
		{ "1 2", "", "six", ZONE_A, "FOUND 10.0.2.2" },
		{ "1 2", "", "six", ZONE_AAAA, "FOUND fd0a::6" },
		/* there, without that */
		{ "1", "", "six", ZONE_A, "NODATA six" },
		{ "1", "", "none", ZONE_A, "NODATA none" },
		{ "1", "", "none", ZONE_AAAA, "NODATA none" },
		{ "1", "", "web", TXT, "NODATA web" },
		{ "1", "", "web", MX, "NODATA web" },
		{ "1", "", "web", ZONE_SRV, "NODATA web" },
		{ "1", "", "web", ZONE_SOA, "NODATA web" },
		{ "1", "", "web", ZONE_PTR, "NODATA web" },
		{ "1", "", "web", ZONE_HINFO, "NODATA web" },
		{ "1", "", "web", ZONE_ANY, "FOUND HINFO" },
		{ "1", "", "none", ZONE_ANY, "FOUND HINFO" },
		/* others' names are nobody's */
		{ "2", "", "www", ZONE_A, "FOREIGN" },
		{ "", "", "web", ZONE_A, "FOREIGN" },
		{ "3", "", "old", ZONE_A, "FOREIGN" },
		{ "99", "", "early", ZONE_A, "FOREIGN" },
		{ "98", "", "early", ZONE_A, "FOREIGN" },
		{ "1", "", "nobody", ZONE_A, "FOREIGN" },
		{ "1", "", "nobody", ZONE_ANY, "FOREIGN" },
		{ "1", "", "example.com", ZONE_A, "FOREIGN" },
		{ "1", "", "xovl", ZONE_A, "FOREIGN" },
		{ "1", "", ".", ZONE_A, "FOREIGN" },
		{ "1", "", "", ZONE_NS, "FOREIGN" },
	};

	ask_all(*state, rows, ARRAY_SIZE(rows));
}

static void names_with_networks(void **state)
{
	static const struct row rows[] = {
		{ "1 2", "", "web.back", ZONE_A, "FOUND 10.0.2.2" },
		{ "1 2", "", "web.back.ovl", ZONE_A, "FOUND 10.0.2.2" },
		{ "1", "", "web.demo", ZONE_AAAA, "FOUND fd0a::2" },
		{ "1", "", "web.demo.ovl", ZONE_ANY, "FOUND HINFO" },
		{ "1 2", "", "web.back", ZONE_AAAA, "NODATA web.back" },
		{ "1 2", "", "web.back.ovl", ZONE_AAAA, "NODATA ovl" },
		/* not one of its own */
		{ "1", "", "web.back", ZONE_A, "FOREIGN" },
		{ "1", "", "web.back.ovl", ZONE_A, "NXDOMAIN ovl" },
		{ "3", "", "old.bridge", ZONE_A, "FOREIGN" },
		{ "3", "", "old.bridge.ovl", ZONE_A, "NXDOMAIN ovl" },
		{ "1", "", "nobody.demo", ZONE_A, "FOREIGN" },
		{ "1", "", "nobody.demo.ovl", ZONE_A, "NXDOMAIN ovl" },
		/* NAME.DOMAIN is no name */
		{ "1", "", "web.ovl", ZONE_A, "NXDOMAIN ovl" },
		{ "1", "", "anything.at.all.ovl", TXT, "NXDOMAIN ovl" },
		/* two networks of one name */
		{ "1 4", "", "web.demo", ZONE_A, "FOUND 10.0.1.2" },
		{ "4 1", "", "web.demo.ovl", ZONE_A, "FOUND 10.0.4.2" },
		{ "4 1", "", "web.demo.ovl", ZONE_AAAA, "FOUND fd0a::2" },
		{ "1 4", "", "local.demo", ZONE_A, "FOUND 10.0.4.3" },
		{ "4 1", "", "www.demo.ovl", ZONE_A, "FOUND 10.0.1.2" },
		/* dots: a name as it is comes before NAME.NETWORK, and stands back where it has not what is asked for */
		{ "1 2", "", "web.demo", ZONE_A, "FOUND 10.0.2.3" },
		{ "1 2", "", "web.demo", ZONE_AAAA, "FOUND fd0a::2" },
		{ "2", "", "web.demo.back.ovl", ZONE_A, "FOUND 10.0.2.3" },
		{ "5", "", "c.a.b", ZONE_A, "FOUND 10.0.5.2" },
		{ "5", "", "c.a", ZONE_A, "FOUND 10.0.5.3" },
		{ "5", "", "c.a.a.b", ZONE_A, "FOUND 10.0.5.3" },
		{ "5", "", "c.a.a.b.ovl", ZONE_A, "FOUND 10.0.5.3" },
		{ "5", "", "web.b", ZONE_A, "FOREIGN" },
		/* networks that look like the domain */
		{ "6", "", "web.x.ovl", ZONE_A, "FOUND 10.0.6.2" },
		{ "6", "", "web.x.ovl", ZONE_AAAA, "NODATA ovl" },
		{ "6", "", "web.x.ovl.ovl", ZONE_A, "FOUND 10.0.6.2" },
		{ "7", "", "web.ovl", ZONE_A, "FOUND 10.0.7.2" },
		{ "7", "", "web.ovl.ovl", ZONE_A, "FOUND 10.0.7.2" },
		{ "7 1", "", "web.demo.ovl", ZONE_A, "FOUND 10.0.1.2" },
	};

	ask_all(*state, rows, ARRAY_SIZE(rows));
}

static void the_domain_itself(void **state)
{
	static const struct row rows[] = {
		{ "1", "", "ovl", ZONE_SOA, "NODATA ovl" },
		{ "1", "", "ovl", ZONE_NS, "NODATA ovl" },
		{ "", "", "ovl", ZONE_A, "NODATA ovl" },
		/* what has names below it is there */
		{ "1", "", "demo.ovl", ZONE_A, "NODATA ovl" },
		{ "5", "", "a.b.ovl", ZONE_A, "NODATA ovl" },
		{ "5", "", "b.ovl", ZONE_A, "NODATA ovl" },
		{ "5", "", "a.ovl", ZONE_A, "NXDOMAIN ovl" },
		{ "2", "", "demo.ovl", ZONE_A, "NXDOMAIN ovl" },
		{ "3", "", "bridge.ovl", ZONE_A, "NXDOMAIN ovl" },
		{ "1", "", "demo", ZONE_A, "FOREIGN" },
	};

	ask_all(*state, rows, ARRAY_SIZE(rows));
}

static void links(void **state)
{
	static const struct row rows[] = {
		{ "3", "old:db", "db", ZONE_A, "FOUND 172.17.0.2" },
		{ "3", "OLD:DB", "db", ZONE_A, "FOUND 172.17.0.2" },
		{ "3", "old:db", "old", ZONE_A, "FOUND 172.17.0.2" },
		{ "3", "old:db", "db.ovl", ZONE_A, "FOUND 172.17.0.2" },
		{ "3", "old:db", "old.ovl", ZONE_A, "FOUND 172.17.0.2" },
		{ "3", "old:db", "db.bridge", ZONE_A, "FOREIGN" },
		{ "3", "old:db", "db.bridge.ovl", ZONE_A, "NXDOMAIN ovl" },
		{ "3", "old:db", "db", ZONE_AAAA, "NODATA db" },
		{ "3", "old:db", "db.ovl", ZONE_AAAA, "NODATA ovl" },
		{ "3", "old:db", "db", ZONE_ANY, "FOUND HINFO" },
		{ "3", "olds:db", "db", ZONE_A, "FOUND 172.17.0.2 172.17.0.3" },
		{ "3", "old", "old", ZONE_A, "FOUND 172.17.0.2" },
		{ "3", "old:db.main", "db.main", ZONE_A, "FOUND 172.17.0.2" },
		/* one way, one asker, its own networks */
		{ "3", "", "db", ZONE_A, "FOREIGN" },
		{ "1", "old:db", "db", ZONE_A, "NXDOMAIN db" },
		{ "1", "old:db", "db.ovl", ZONE_A, "NXDOMAIN ovl" },
		/* before names */
		{ "1 3", "old:web", "web", ZONE_A, "FOUND 172.17.0.2" },
		{ "1 3", "old:web", "web", ZONE_AAAA, "NODATA web" },
		{ "1 3", "old:web", "web.demo", ZONE_A, "FOUND 10.0.1.2" },
		{ "1 7 3", "old:web", "web.ovl", ZONE_A, "FOUND 172.17.0.2" },
		/* also while it leads nowhere */
		{ "1", "old:web", "web", ZONE_A, "NXDOMAIN web" },
		/* those with names are linked to as well; the first network that has it */
		{ "3 1", "web:db", "db", ZONE_AAAA, "FOUND fd0a::2" },
		{ "2 1", "web:db", "db", ZONE_A, "FOUND 10.0.2.2" },
		{ "2 1", "web:db", "db", ZONE_AAAA, "FOUND fd0a::2" },
		/* of several with one alias the first that leads somewhere */
		{ "3", "gone:db old:db", "db", ZONE_A, "FOUND 172.17.0.2" },
		{ "3", "gone:db gone2:db", "db", ZONE_A, "NXDOMAIN db" },
		/* nonsense leads nowhere */
		{ "1", ":db db: :", "db", ZONE_A, "NXDOMAIN db" },
		{ "1", ":db", "web", ZONE_A, "FOUND 10.0.1.2" },
	};

	ask_all(*state, rows, ARRAY_SIZE(rows));
}

static void services(void **state)
{
	static const struct row rows[] = {
		{ "1", "", "_80._tcp.web", ZONE_SRV,
		  "FOUND SRV 80 web.demo.ovl + web.demo.ovl=10.0.1.2 web.demo.ovl=fd0a::2" },
		{ "1", "", "_53._udp.www.demo.ovl", ZONE_SRV,
		  "FOUND SRV 53 web.demo.ovl + web.demo.ovl=10.0.1.2 web.demo.ovl=fd0a::2" },
		{ "1", "", "_80._tcp.app", ZONE_SRV,
		  "FOUND SRV 80 app1.demo.ovl SRV 80 app2.demo.ovl"
		  " + app1.demo.ovl=10.0.1.3 app2.demo.ovl=10.0.1.4 app2.demo.ovl=fd0a::4" },
		{ "1", "", "_8080._tcp.app.demo", ZONE_SRV,
		  "FOUND SRV 8080 app1.demo.ovl + app1.demo.ovl=10.0.1.3" },
		{ "1", "", "_9._sctp.app", ZONE_SRV,
		  "FOUND SRV 9 app2.demo.ovl + app2.demo.ovl=10.0.1.4 app2.demo.ovl=fd0a::4" },
		/* on the first network where it has the port */
		{ "1 2", "", "_443._tcp.web", ZONE_SRV,
		  "FOUND SRV 443 web.back.ovl + web.back.ovl=10.0.2.2" },
		/* no such service of somebody there */
		{ "1", "", "_81._tcp.web", ZONE_SRV, "NXDOMAIN web" },
		{ "1", "", "_80._udp.web", ZONE_SRV, "NXDOMAIN web" },
		{ "1", "", "_81._tcp.web.demo.ovl", ZONE_SRV, "NXDOMAIN ovl" },
		{ "1", "", "_81._tcp.web", ZONE_A, "NXDOMAIN web" },
		{ "1", "", "_http._tcp.web", ZONE_SRV, "NXDOMAIN web" },
		{ "1", "", "_0._tcp.web", ZONE_SRV, "NXDOMAIN web" },
		{ "1", "", "_080._tcp.web", ZONE_SRV, "NXDOMAIN web" },
		{ "1", "", "_65616._tcp.web", ZONE_SRV, "NXDOMAIN web" },
		{ "1", "", "_4294967376._tcp.web", ZONE_SRV, "NXDOMAIN web" },
		{ "1", "", "_._tcp.web", ZONE_SRV, "NXDOMAIN web" },
		/* another type of one that is there */
		{ "1", "", "_80._tcp.web", ZONE_A, "NODATA _80._tcp.web" },
		{ "1", "", "_80._tcp.web.demo.ovl", TXT, "NODATA ovl" },
		{ "1", "", "_80._tcp.web", ZONE_ANY, "FOUND HINFO" },
		/* between the two */
		{ "1", "", "_tcp.web", ZONE_SRV, "NODATA _tcp.web" },
		{ "1", "", "_tcp.web.demo.ovl", ZONE_NS, "NODATA ovl" },
		{ "1", "", "_sctp.web", ZONE_A, "NXDOMAIN web" },
		/* of nobody there, or no service */
		{ "1", "", "_80._tcp.nobody", ZONE_SRV, "FOREIGN" },
		{ "1", "", "_80._tcp.nobody.ovl", ZONE_SRV, "NXDOMAIN ovl" },
		{ "1", "", "_80._tcp.demo.ovl", ZONE_SRV, "NXDOMAIN ovl" },
		{ "1", "", "_80._tcp", ZONE_SRV, "FOREIGN" },
		{ "1", "", "_80", ZONE_SRV, "FOREIGN" },
		{ "1", "", "_80._dccp.web", ZONE_SRV, "FOREIGN" },
		{ "1", "", "80._tcp.web", ZONE_SRV, "FOREIGN" },
		{ "2", "", "_80._tcp.www", ZONE_SRV, "FOREIGN" },
		/* links; the target is a name that leads there */
		{ "3", "old:db", "_5000._tcp.db", ZONE_SRV, "FOUND SRV 5000 db + db=172.17.0.2" },
		{ "3", "olds:db", "_5000._tcp.db.ovl", ZONE_SRV,
		  "FOUND SRV 5000 db.ovl + db.ovl=172.17.0.2 db.ovl=172.17.0.3" },
		{ "1", "web:db", "_80._tcp.db", ZONE_SRV,
		  "FOUND SRV 80 web.demo.ovl + web.demo.ovl=10.0.1.2 web.demo.ovl=fd0a::2" },
		{ "3", "gone:db", "_5000._tcp.db", ZONE_SRV, "NXDOMAIN db" },
	};

	ask_all(*state, rows, ARRAY_SIZE(rows));
}

static void addresses(void **state)
{
	static const struct row rows[] = {
		{ "1", "", "2.1.0.10.in-addr.arpa", ZONE_PTR, "FOUND PTR web.demo.ovl" },
		{ "1", "", "4.1.0.10.in-addr.arpa", ZONE_PTR, "FOUND PTR app2.demo.ovl" },
		{ "1", "", V6_2, ZONE_PTR, "FOUND PTR web.demo.ovl" },
		{ "2", "", "3.2.0.10.in-addr.arpa", ZONE_PTR, "FOUND PTR web.demo.back.ovl" },
		{ "3", "", "2.0.17.172.in-addr.arpa", ZONE_PTR, "FOUND PTR old.bridge.ovl" },
		/* somebody there, another type */
		{ "1", "", "2.1.0.10.in-addr.arpa", ZONE_A, "NODATA 2.1.0.10.in-addr.arpa" },
		{ "1", "", V6_2, TXT, "NODATA " V6_2 },
		{ "1", "", "2.1.0.10.in-addr.arpa", ZONE_ANY, "FOUND HINFO" },
		/* nobody there, in a subnet of its own */
		{ "1", "", "9.1.0.10.in-addr.arpa", ZONE_PTR, "NXDOMAIN 1.0.10.in-addr.arpa" },
		{ "1", "", "9.1.0.10.in-addr.arpa", ZONE_ANY, "NXDOMAIN 1.0.10.in-addr.arpa" },
		{ "3", "", "9.9.17.172.in-addr.arpa", ZONE_PTR, "NXDOMAIN 17.172.in-addr.arpa" },
		{ "2", "", "9.2.0.10.in-addr.arpa", ZONE_PTR, "NXDOMAIN 2.0.10.in-addr.arpa" },
		{ "1", "", V6_9, ZONE_PTR, "NXDOMAIN " V6_APEX },
		/* elsewhere */
		{ "2", "", "2.1.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "2", "", "200.2.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", V6_ELSEWHERE, ZONE_PTR, "FOREIGN" },
		{ "", "", "2.1.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "8.8.8.8.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		/* no whole addresses, or none */
		{ "1", "", "1.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "2.2.1.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "02.1.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "258.1.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "2.1.0.1000.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "x.1.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "2..0.10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", ".1.0.10.in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "2.1.0.10in-addr.arpa", ZONE_PTR, "FOREIGN" },
		{ "1", "", "0." V6_2, ZONE_PTR, "FOREIGN" },
		{ "1", "", V6_APEX, ZONE_PTR, "FOREIGN" },
		{ "1", "", "g" V6_2, ZONE_PTR, "FOREIGN" },
		{ "1", "", "ip6.arpa", ZONE_PTR, "FOREIGN" },
	};

	ask_all(*state, rows, ARRAY_SIZE(rows));
}

static void an_address_without_a_name(void **state)
{
	struct zone *z = *state;

	zone_lab_put(z, 1, 50, "", "10.0.1.50", "", "");
	zone_lab_says(z, "1", "", "50.1.0.10.in-addr.arpa", ZONE_PTR,
		      "NODATA 50.1.0.10.in-addr.arpa");
}

/* Two with one address, for a moment: whoever stays is told. */
static void an_address_of_two(void **state)
{
	struct zone *z = *state;

	zone_lab_put(z, 1, 51, "thief", "10.0.1.2", "", "");
	zone_lab_del(z, 1, 1);
	zone_lab_says(z, "1", "", "2.1.0.10.in-addr.arpa", ZONE_PTR, "FOUND PTR thief.demo.ovl");
	zone_lab_del(z, 1, 51);
	zone_lab_says(z, "1", "", "2.1.0.10.in-addr.arpa", ZONE_PTR,
		      "NXDOMAIN 1.0.10.in-addr.arpa");
}

/* A canonical name has as many parts as fit, and no network that cannot be said. */
static void canonical_names_have_bounds(void **state)
{
	struct zone *z = *state;
	char name[ZONE_NAME_MAX + 1], want[ZONE_NAME_MAX + 32];

	memset(name, 'n', sizeof(name));
	for (size_t i = 50; i < sizeof(name) - 2; i += 50)
		name[i] = '.';
	name[ZONE_NAME_MAX - 5] = '\0'; /* ".back" fits, ".ovl" does not */
	zone_lab_put(z, 2, 60, name, "10.0.2.60", "", "");
	snprintf(want, sizeof(want), "FOUND PTR %s.back", name);
	zone_lab_says(z, "2", "", "60.2.0.10.in-addr.arpa", ZONE_PTR, want);
	name[ZONE_NAME_MAX - 5] = 'n';
	name[ZONE_NAME_MAX] = '\0';
	zone_lab_put(z, 2, 60, name, "10.0.2.60", "", "");
	snprintf(want, sizeof(want), "FOUND PTR %s", name);
	zone_lab_says(z, "2", "", "60.2.0.10.in-addr.arpa", ZONE_PTR, want);
	zone_lab_says(z, "2", "", name, ZONE_A, "FOUND 10.0.2.60");

	zone_lab_network(z, 1, "two words", false, "10.0.1.0/24");
	zone_lab_says(z, "1", "", "2.1.0.10.in-addr.arpa", ZONE_PTR, "FOUND PTR web");
}

static void turns_rotate(void **state)
{
	static const char *const want[] = { "FOUND 10.0.1.3 10.0.1.4", "FOUND 10.0.1.4 10.0.1.3" };

	for (unsigned turn = 0; turn < 5; turn++) {
		_cleanup_free_ char *got = zone_lab_ask(*state, "1", "", "app", ZONE_A, turn);

		assert_string_equal(got, want[turn % 2]);
	}
	for (unsigned turn = 0; turn < 2; turn++) {
		_cleanup_free_ char *got =
			zone_lab_ask(*state, "1", "", "_80._tcp.app", ZONE_SRV, turn);

		assert_true(strncmp(got, turn ? "FOUND SRV 80 app2" : "FOUND SRV 80 app1", 17) ==
			    0);
	}
}

/* Of more than fit all get their turn, and none comes twice in one answer; also where the number of turns wraps. */
static void many_get_their_turns(void **state)
{
	enum { MANY = 3 * ZONE_RECORDS_MAX / 2 };
	static const uint16_t types[] = { ZONE_A, ZONE_SRV };
	struct zone *z = *state;
	struct id net = zone_lab_id(1);
	struct zone_asker asker = { .networks = &net, .n_networks = 1 };

	for (unsigned i = 0; i < MANY; i++) {
		char ip[IP_TEXT_MAX], names[32];

		snprintf(ip, sizeof(ip), "10.1.%u.%u", i / 250, i % 250);
		snprintf(names, sizeof(names), "m%u many", i);
		/* between them some that have no such address */
		zone_lab_put(z, 1, 1000 + i, names, ip, "", "80/tcp");
		zone_lab_put(z, 1, 2000 + i, "many", "", "fd0a::77", "");
	}
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		const char *name = types[t] == ZONE_A ? "many" : "_80._tcp.many";
		unsigned seen[MANY] = { 0 };

		for (unsigned turn = 0; turn < 2 * MANY; turn++) {
			bool now[MANY] = { false };
			struct zone_answer a;

			zone_lookup(z, &asker, name, types[t], turn - MANY / 2, &a);
			assert_int_equal(a.outcome, ZONE_FOUND);
			assert_int_equal(a.n, ZONE_RECORDS_MAX);
			assert_int_equal(a.n_extra, types[t] == ZONE_A ? 0 : ZONE_RECORDS_MAX);
			for (size_t i = 0; i < a.n; i++) {
				struct ip ip = a.n_extra ? a.extra[i].ip : a.v[i].ip;
				unsigned at = ip.b[2] * 250u + ip.b[3];

				assert_true(at < MANY && !now[at]);
				now[at] = true;
				seen[at]++;
			}
			zone_answer_done(&a);
		}
		for (unsigned i = 0; i < MANY; i++)
			assert_true(seen[i] > 0);
	}
}

static void at_most_so_many_networks(void **state)
{
	struct zone *z = *state;
	struct id nets[ZONE_NETWORKS_MAX + 1];
	struct zone_asker asker = { .networks = nets, .n_networks = ZONE_NETWORKS_MAX + 1 };
	struct zone_answer a;

	for (unsigned i = 0; i < ZONE_NETWORKS_MAX; i++)
		nets[i] = zone_lab_id(500 + i);
	nets[ZONE_NETWORKS_MAX] = zone_lab_id(1);
	zone_lookup(z, &asker, "web", ZONE_A, 0, &a);
	assert_int_equal(a.outcome, ZONE_FOREIGN);
	zone_answer_done(&a);
	nets[ZONE_NETWORKS_MAX - 1] = zone_lab_id(1);
	zone_lookup(z, &asker, "web", ZONE_A, 0, &a);
	assert_int_equal(a.outcome, ZONE_FOUND);
	zone_answer_done(&a);
}

static void says_why(void **state)
{
	static const struct {
		const char *name;
		uint16_t type;
		unsigned net, ep; /* 0: none */
		const char *link;
	} rows[] = {
		{ "web", ZONE_A, 2, 6, "" },
		{ "web", ZONE_AAAA, 1, 1, "" },
		{ "web", TXT, 2, 6, "" },
		{ "none", ZONE_A, 1, 5, "" },
		{ "db", ZONE_A, 3, 8, "old:db" },
		{ "gone", ZONE_A, 0, 0, "away:gone" },
		{ "_80._tcp.web", ZONE_SRV, 1, 1, "" },
		{ "_81._tcp.web", ZONE_SRV, 2, 6, "" },
		{ "2.1.0.10.in-addr.arpa", ZONE_PTR, 1, 1, "" },
		{ "9.1.0.10.in-addr.arpa", ZONE_PTR, 1, 0, "" },
		{ "demo.ovl", ZONE_A, 1, 0, "" },
		{ "nobody.ovl", ZONE_A, 0, 0, "" },
		{ "example.com", ZONE_A, 0, 0, "" },
	};
	struct id nets[] = { zone_lab_id(2), zone_lab_id(1), zone_lab_id(3) }, none = { 0 };
	_cleanup_strv_ struct strv linked = { 0 };
	struct zone_asker asker = { nets, ARRAY_SIZE(nets), &linked };

	strv_split(&linked, "old:db away:gone", ' ');
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct zone_answer a;

		zone_lookup(*state, &asker, rows[i].name, rows[i].type, 0, &a);
		assert_true(id_eq(a.network, rows[i].net ? zone_lab_id(rows[i].net) : none));
		assert_true(id_eq(a.endpoint, rows[i].ep ? zone_lab_id(rows[i].ep) : none));
		assert_string_equal(a.link, rows[i].link);
		zone_answer_done(&a);
	}
}

static void names_too_long_are_nobodys(void **state)
{
	char name[ZONE_NAME_MAX + 2];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(name + sizeof(name) - 5, ".ovl", 4);
	zone_lab_says(*state, "1", "", name, ZONE_A, "FOREIGN");
	zone_lab_says(*state, "1", "", name + 1, ZONE_A, "NXDOMAIN ovl");
}

#define ON_A_ZONE(f) cmocka_unit_test_setup_teardown(f, fill, empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_ZONE(plain_names),
		ON_A_ZONE(names_with_networks),
		ON_A_ZONE(the_domain_itself),
		ON_A_ZONE(links),
		ON_A_ZONE(services),
		ON_A_ZONE(addresses),
		ON_A_ZONE(an_address_without_a_name),
		ON_A_ZONE(an_address_of_two),
		ON_A_ZONE(canonical_names_have_bounds),
		ON_A_ZONE(turns_rotate),
		ON_A_ZONE(many_get_their_turns),
		ON_A_ZONE(at_most_so_many_networks),
		ON_A_ZONE(says_why),
		ON_A_ZONE(names_too_long_are_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
