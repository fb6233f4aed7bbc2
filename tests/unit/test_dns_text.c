/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/dns_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"

#define ID "3f2a5c0d9e11ffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define A(name, data) "{\"Name\":\"" name "\",\"Type\":\"A\",\"TTL\":5,\"Data\":\"" data "\"}"
#define REPLY(rcode, answers, rest)                                                               \
	"{\"Name\":\"c2\",\"Type\":\"A\",\"Rcode\":\"" rcode "\",\"Answers\":[" answers "]," rest \
	"}"
#define C2                                                                                       \
	"\"Network\":\"demo\",\"NetworkID\":\"" ID "\",\"Endpoint\":\"c2\",\"EndpointID\":\"" ID \
	"\",\"Node\":\"host2\",\"NodeAlive\":"
#define C2_TEXT "endpoint c2 (3f2a5c0d9e11) of network demo on node host2"

static void shows(const char *reply, bool asked_as, bool found, const char *want)
{
	_cleanup_json_ cJSON *j = cJSON_Parse(reply);
	_cleanup_free_ char *text = NULL;

	assert_non_null(j);
	text = dns_text_answer(j, asked_as);
	assert_string_equal(text, want);
	assert_int_equal(dns_text_found(j), found);
}

static void test_zone(void **state)
{
	(void)state;
	shows(REPLY("NOERROR", A("c2", "10.0.0.3"), "\"Source\":\"zone\"," C2 "true"), false, true,
	      "c2.                    \t5\tIN\tA\t10.0.0.3\n"
	      "; from the zone: " C2_TEXT " (alive)\n");
	shows(REPLY("NOERROR", A("web", "10.0.0.3") "," A("web", "10.0.0.4"),
		    "\"Source\":\"zone\",\"Link\":\"db\"," C2 "false"),
	      false, true,
	      "web.                   \t5\tIN\tA\t10.0.0.3\n"
	      "web.                   \t5\tIN\tA\t10.0.0.4\n"
	      "; from the zone, link db: " C2_TEXT " (down), and 1 more\n");
	shows(REPLY("NOERROR", "", "\"Source\":\"zone\"," C2 "true"), false, false,
	      "; not there: the name exists, but no record of type A; from the zone: " C2_TEXT
	      " (alive)\n");
	shows(REPLY("NXDOMAIN", "", "\"Source\":\"zone\""), false, false,
	      "; not there: NXDOMAIN; from the zone\n");
	shows(REPLY("NXDOMAIN", "",
		    "\"Source\":\"zone\",\"Network\":\"demo\",\"NetworkID\":\"" ID "\""),
	      false, false, "; not there: NXDOMAIN; from the zone: network demo\n");
	shows(REPLY("REFUSED", "", "\"Source\":\"zone\""), false, false,
	      "; failed: REFUSED; nobody is asked for records of type A\n");
	/* It went between answer and reply. */
	shows(REPLY("NOERROR", A("c2", "10.0.0.3"),
		    "\"Source\":\"zone\",\"EndpointID\":\"" ID "\""),
	      false, true,
	      "c2.                    \t5\tIN\tA\t10.0.0.3\n"
	      "; from the zone: endpoint just gone (3f2a5c0d9e11)\n");
}

static void test_upstream(void **state)
{
#define FROM "\"Source\":\"upstream\",\"Server\":\"10.0.0.1:53\""
	(void)state;
	shows(REPLY("NOERROR", A("a-rather-long-name.example.org", "192.0.2.1"),
		    FROM ",\"Tries\":1,\"Truncated\":true"),
	      false, true,
	      "a-rather-long-name.example.org.\t5\tIN\tA\t192.0.2.1\n"
	      "; from upstream 10.0.0.1:53, 1 try\n; truncated: there is more\n");
	shows(REPLY("NXDOMAIN", "", FROM ",\"Tries\":2,\"Tcp\":true"), false, false,
	      "; not there: NXDOMAIN; from upstream 10.0.0.1:53, 2 tries, by TCP\n");
	shows(REPLY("SERVFAIL", "", FROM ",\"Tries\":1,\"Error\":\"it says so\""), false, false,
	      "; failed: SERVFAIL; from upstream 10.0.0.1:53, 1 try: it says so\n");
	shows(REPLY("SERVFAIL", "",
		    "\"Source\":\"upstream\",\"Error\":\"10.0.0.1: no answer within 1500 ms\""),
	      false, false, "; no upstream answered: 10.0.0.1: no answer within 1500 ms\n");
	shows(REPLY("NOERROR", A("x", "192.0.2.1"), "\"Source\":\"cache\""), false, true,
	      "x.                     \t5\tIN\tA\t192.0.2.1\n; cached\n");
	shows(REPLY("NXDOMAIN", "", "\"Source\":\"cache\",\"Server\":\"10.0.0.1:53\""), false,
	      false, "; not there: NXDOMAIN; cached, from upstream 10.0.0.1:53\n");
	shows(REPLY("REFUSED", "", "\"Source\":\"refused\""), false, false,
	      "; refused: the name is none of ours, and no network leads out of there\n");
}

static void test_asked_as(void **state)
{
	(void)state;
	shows(REPLY("NXDOMAIN", "", "\"Source\":\"zone\",\"Networks\":[\"demo\",\"mine\"]"), true,
	      false,
	      "; not there: NXDOMAIN; from the zone\n"
	      "; asked as by a container on demo, mine\n");
	shows(REPLY("NXDOMAIN", "",
		    "\"Source\":\"zone\",\"Networks\":[\"a\"],\"NetworksLeftOut\":7"),
	      true, false,
	      "; not there: NXDOMAIN; from the zone\n"
	      "; asked as by a container on a (7 more left out)\n");
	shows(REPLY("REFUSED", "", "\"Source\":\"refused\",\"Networks\":[]"), true, false,
	      "; refused: the name is none of ours, and no network leads out of there\n"
	      "; asked as by a container on no network\n");
}

/* Whatever ovld says: no crash, one line at least. */
static void test_odd(void **state)
{
	static const char *const odd[] = {
		"{}",
		"{\"Answers\":[1,{}],\"Rcode\":7,\"Source\":\"zone\"}",
		"{\"Answers\":\"x\",\"Networks\":[1],\"Source\":\"cache\",\"Tries\":\"-\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		_cleanup_json_ cJSON *j = cJSON_Parse(odd[i]);
		_cleanup_free_ char *text = dns_text_answer(j, true);

		assert_non_null(strstr(text, "; "));
		assert_false(dns_text_found(j));
	}
}

static void test_reverse(void **state)
{
	_cleanup_free_ char *v4 = dns_text_reverse("10.0.0.2"), *v6 = dns_text_reverse("fd00::1b");

	(void)state;
	assert_string_equal(v4, "2.0.0.10.in-addr.arpa");
	assert_string_equal(
		v6, "b.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa");
	assert_null(dns_text_reverse("c2"));
	assert_null(dns_text_reverse("10.0.0"));
	assert_null(dns_text_reverse("10.0.0.0/8"));
	assert_null(dns_text_reverse(""));
}

static void info_is(const char *dns, const char *want)
{
	_cleanup_json_ cJSON *j = dns ? cJSON_Parse(dns) : NULL;
	_cleanup_free_ char *text = dns_text_info(j, 24);

	assert_string_equal(text, want);
}

static void test_info(void **state)
{
	(void)state;
	info_is(NULL, "");
	info_is("{\"On\":false}", "Names:                  switched off\n");
	info_is("{\"On\":true,\"Domain\":\"ovl\",\"Ttl\":5,\"Listening\":{\"Overlay\":true,\"Host\":2,\"HostNoTcp\":1},"
		"\"Servers\":[{\"Server\":\"10.0.0.1:53\",\"State\":\"ok\",\"Asked\":9,\"Answered\":8},"
		"{\"Server\":\"172.31.0.1:53\",\"State\":\"self\"}],"
		"\"Questions\":40,\"Ours\":30,\"Forwarded\":9,\"Refused\":1,\"Strangers\":2,"
		"\"Cache\":{\"Entries\":3,\"Bytes\":600,\"Hits\":4,\"Misses\":5},\"InFlight\":1,"
		"\"Names\":12,\"Problems\":[\"port 53 of 172.31.0.1 is in use by dnsmasq (pid 1)\"]}",
		"Names:                  12, domain ovl, TTL 5 s, port 53 of overlays and of 2 addresses of this host (1 by UDP alone)\n"
		"  Upstreams:            10.0.0.1:53 ok, 9 asked, 8 answered\n"
		"                        172.31.0.1:53 left out (it is this server), 0 asked, 0 answered\n"
		"  Questions:            40: 30 ours, 9 forwarded (1 right now), 1 refused, 2 of strangers dropped\n"
		"  Cache:                3 answers, 600 bytes, 4 hits, 5 misses\n"
		"WARNING:                port 53 of 172.31.0.1 is in use by dnsmasq (pid 1)\n");
	info_is("{\"On\":true,\"Domain\":\"ovl\"}",
		"Names:                  0, domain ovl, TTL 0 s, port 53 of no overlay and of 0 addresses of this host\n"
		"  Upstreams:            none: other names are not found\n"
		"  Questions:            0: 0 ours, 0 forwarded (0 right now), 0 refused, 0 of strangers dropped\n"
		"  Cache:                0 answers, 0 bytes, 0 hits, 0 misses\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zone),	 cmocka_unit_test(test_upstream),
		cmocka_unit_test(test_asked_as), cmocka_unit_test(test_odd),
		cmocka_unit_test(test_reverse),	 cmocka_unit_test(test_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
