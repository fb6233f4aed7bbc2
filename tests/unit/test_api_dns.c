/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the API says of names: who is asked for, what was told, and the state of the server. */
#include "agent/api/routes.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/unit/api_client.h"
#include "tests/unit/api_lab.h"

/* c2. A 5 10.0.0.3, rcode and the TC bit at bytes 3 and 2 */
static uint8_t packet[] = {
	0,    1,   0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, /* header */
	2,    'c', '2',	 0,    0, 1, 0, 1, /* question */
	0xc0, 12,  0,	 1,    0, 1, 0, 0, 0, 5, 0, 4, 10, 0, 0, 3, /* answer */
};
#define QUESTION_END 20

static void tell(struct api_lab *f, unsigned rcode, bool answer)
{
	packet[2] = 0x85;
	packet[3] = (uint8_t)(0x80 | rcode);
	packet[7] = answer;
	f->m.told =
		(struct dns_told){ .pkt = packet, .len = answer ? sizeof(packet) : QUESTION_END };
}

static void test_zone(void **state)
{
	struct api_lab *f = *state;

	tell(f, DNS_NOERROR, true);
	f->m.told.ours = true;
	f->m.told.zone.network = f->demo->id;
	f->m.told.zone.endpoint = f->c2->id;
	snprintf(f->m.told.zone.link, sizeof(f->m.told.zone.link), "db");
	api_lab_ask(f, "GET", "/dns/query?name=c2&network=demo", NULL);
	api_lab_expect(f, 200,
		       "{\"Name\":\"c2\",\"Type\":\"A\",\"Rcode\":\"NOERROR\",\"Answers\":[{"
		       "\"Name\":\"c2\",\"Type\":\"A\",\"TTL\":5,\"Data\":\"10.0.0.3\"}],"
		       "\"Source\":\"zone\",\"Network\":\"demo\",\"NetworkID\":\"");
	api_lab_expect(f, 200,
		       "\"Endpoint\":\"c2\",\"Node\":\"node2\",\"NodeAlive\":true,\"Link\":\"db\","
		       "\"Networks\":[\"demo\"]}");
	assert_string_equal(f->m.asked, "c2 1 networks=1 links=0 ino=0 forward");
	/* On a node that is down; then gone before the reply. */
	f->m.told.zone.endpoint = f->c3->id;
	api_lab_ask(f, "GET", "/dns/query?name=c3&network=demo", NULL);
	api_lab_expect(f, 200, "\"Node\":\"node3\",\"NodeAlive\":false");
	f->m.told.zone.endpoint = id_random();
	f->m.told.zone.network = id_random();
	api_lab_ask(f, "GET", "/dns/query?name=c3&network=demo", NULL);
	assert_null(api_lab_text(f->reply, "Network"));
	assert_null(api_lab_text(f->reply, "Endpoint"));
	assert_int_equal(strlen(api_lab_text(f->reply, "EndpointID")), 64);
	/* Of this node. */
	f->m.told.zone.endpoint = f->c1->id;
	f->m.told.zone.network = f->demo->id;
	api_lab_ask(f, "GET", "/dns/query?name=c1&network=demo", NULL);
	api_lab_expect(f, 200, "\"Endpoint\":\"c1\",\"Node\":\"node1\",\"NodeAlive\":true");
	tell(f, DNS_NXDOMAIN, false);
	f->m.told.ours = true;
	f->m.told_at_once = true;
	api_lab_ask(f, "GET", "/dns/query?name=c9.ovl.&type=aaaa", NULL);
	api_lab_expect(
		f, 200,
		"{\"Name\":\"c9.ovl.\",\"Type\":\"AAAA\",\"Rcode\":\"NXDOMAIN\",\"Answers\":[],"
		"\"Source\":\"zone\",\"Networks\":[\"demo\",\"other\"]}");
	assert_string_equal(f->m.asked, "c9.ovl. 28 networks=2 links=0 ino=0 forward");
}

static void test_upstream(void **state)
{
	struct api_lab *f = *state;

	tell(f, DNS_NOERROR, true);
	packet[2] |= 0x02;
	f->m.told.how.tries = 2;
	f->m.told.how.tcp = true;
	f->m.told.how.server = (struct dns_server_addr){ .ip = ip_v4(0x0a000001), .port = 53 };
	api_lab_ask(f, "GET", "/dns/query?name=c2", NULL);
	api_lab_expect(f, 200, "\"Truncated\":true");
	api_lab_expect(
		f, 200,
		"\"Source\":\"upstream\",\"Server\":\"10.0.0.1:53\",\"Tries\":2,\"Tcp\":true,"
		"\"Networks\"");
	ip_parse("fd00::1", &f->m.told.how.server.ip, NULL);
	f->m.told.how.cached = true;
	f->m.told.how.tries = 0;
	api_lab_ask(f, "GET", "/dns/query?name=c2", NULL);
	api_lab_expect(f, 200, "\"Source\":\"cache\",\"Server\":\"[fd00::1]:53\",\"Tcp\":true");
	tell(f, DNS_SERVFAIL, false);
	f->m.told.how.error = "no upstream servers";
	api_lab_ask(f, "GET", "/dns/query?name=c2", NULL);
	api_lab_expect(f, 200,
		       "\"Rcode\":\"SERVFAIL\",\"Answers\":[],\"Source\":\"upstream\","
		       "\"Error\":\"no upstream servers\",\"Networks\"");
	tell(f, DNS_REFUSED, false);
	f->m.told.refused = true;
	api_lab_ask(f, "GET", "/dns/query?name=c2", NULL);
	api_lab_expect(f, 200, "\"Rcode\":\"REFUSED\",\"Answers\":[],\"Source\":\"refused\",\"Net");
	/* What cannot be read is said, and none of it believed. */
	tell(f, DNS_NOERROR, true);
	f->m.told.len = sizeof(packet) - 2;
	api_lab_ask(f, "GET", "/dns/query?name=c2", NULL);
	api_lab_expect(f, 200, "\"Error\":\"the answer cannot be read to its end\"");
	f->m.told.pkt = NULL;
	api_lab_ask(f, "GET", "/dns/query?name=c2", NULL);
	api_lab_expect(f, 503, "c2: no answer, names are being switched off");
}

static void test_bad(void **state)
{
	static const char *const bad[][2] = {
		{ "", "name: missing" },
		{ "?name=", "name: missing" },
		{ "?name=c2&type=NONSENSE", "type: " },
		{ "?name=c2&network=demo&container=c1", "network and container: " },
	};
	_cleanup_free_ char *path = NULL;
	struct api_lab *f = *state;
	char name[ZONE_NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *p = mem_printf("/dns/query%s", bad[i][0]);

		api_lab_ask(f, "GET", p, NULL);
		api_lab_expect(f, 400, bad[i][1]);
	}
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	path = mem_printf("/dns/query?name=%s", name);
	api_lab_ask(f, "GET", path, NULL);
	api_lab_expect(f, 400, "name: longer than 253 bytes");
	api_lab_ask(f, "GET", "/dns/query?name=c2&network=nobody", NULL);
	api_lab_expect(f, 404, "network nobody not found");
	api_lab_ask(f, "GET", "/dns/query?name=c2&container=nobody", NULL);
	api_lab_expect(f, 404, "container: target: no namespace is named \\\"nobody\\\"");
	api_lab_ask(f, "GET", "/dns/query?name=c2&container=c2", NULL);
	api_lab_expect(f, 404, "container c2 is on node node2: ask there");
	assert_string_equal(f->m.called, "");
	f->m.status = -EINVAL;
	err_set(&f->m.err, -EINVAL, "name: a label of 64 bytes");
	api_lab_ask(f, "GET", "/dns/query?name=x", NULL);
	api_lab_expect(f, 400, "name: a label of 64 bytes");
	f->m.status = -EBUSY;
	api_lab_ask(f, "GET", "/dns/query?name=x", NULL);
	api_lab_expect(f, 503, "");
	f->m.status = 0;
	f->m.ctx.dns = NULL;
	api_lab_ask(f, "GET", "/dns/query?name=c2", NULL);
	api_lab_expect(f, 409, "names are switched off");
}

/* The networks without names have no endpoints; an internal one alone leads nowhere. */
static void test_networks(void **state)
{
	struct api_lab *f = *state;
	struct model_network *rec = modules_network(&f->m, "own", "172.20.0.0/16")->rec;

	tell(f, DNS_NXDOMAIN, false);
	free(rec->driver);
	rec->driver = mem_strdup("bridge");
	rec->internal = true;
	api_lab_ask(f, "GET", "/dns/query?name=x&network=own", NULL);
	assert_string_equal(f->m.asked, "x 1 networks=1 links=0 ino=0");
	/* Local ones are asked as of only where somebody is on them. */
	api_lab_ask(f, "GET", "/dns/query?name=x", NULL);
	api_lab_expect(f, 200, "\"Networks\":[\"demo\",\"other\"]}");
	modules_local(&f->m, rec->id, "c9", "172.20.0.2", NULL);
	api_lab_ask(f, "GET", "/dns/query?name=x", NULL);
	assert_string_equal(f->m.asked, "x 1 networks=3 links=0 ino=0 forward");
	assert_string_equal(api_lab_text(f->reply, "Networks/2"), "other");
	/* Nobody meets on the way out: neither is it asked as of, nor shown where a container is on it. */
	free(rec->driver);
	rec->driver = mem_strdup("egress");
	api_lab_ask(f, "GET", "/dns/query?name=x", NULL);
	api_lab_expect(f, 200, "\"Networks\":[\"demo\",\"other\"]}");
	assert_string_equal(f->m.asked, "x 1 networks=2 links=0 ino=0 forward");
	api_lab_ask(f, "GET", "/dns/query?name=x&network=own", NULL);
	api_lab_expect(f, 400, "network own has no names");
	free(rec->driver);
	rec->driver = mem_strdup("null");
	api_lab_ask(f, "GET", "/dns/query?name=x&network=own", NULL);
	api_lab_expect(f, 400, "network own has no names");
	for (unsigned i = 0; i < ZONE_NETWORKS_MAX; i++) {
		_cleanup_free_ char *name = mem_printf("n%u", i);

		modules_network(&f->m, name, "10.7.0.0/24");
	}
	api_lab_ask(f, "GET", "/dns/query?name=x", NULL);
	api_lab_expect(f, 200, "\"NetworksLeftOut\":2}");
}

static void put_client(struct api_lab *f, struct id endpoint, uint64_t ino, bool forward)
{
	_cleanup_strv_ struct strv links = { 0 };
	struct dns_client_endpoint ep = { .id = endpoint,
					  .network = f->demo->id,
					  .place = { .dev = 4, .ino = ino },
					  .key = 1048576,
					  .ifname = "eth0",
					  .ip4 = ip_v4(0x0a000000 + (uint32_t)ino),
					  .links = &links,
					  .forward = forward };

	strv_add(&links, "db:redis");
	dns_clients_put(f->m.clients, &ep);
}

static void test_container(void **state)
{
	struct container c = { .name = (char *)"web",
			       .target = { .netns_dev = 4, .netns_ino = 9 } };
	struct local_endpoint *twin;
	struct api_lab *f = *state;

	tell(f, DNS_NXDOMAIN, false);
	f->m.container = &c;
	api_lab_ask(f, "GET", "/dns/query?name=x&container=web", NULL);
	api_lab_expect(f, 404, "container web is on no network of ours");
	put_client(f, id_random(), 9, false);
	put_client(f, id_random(), 77, true);
	api_lab_ask(f, "GET", "/dns/query?name=x&container=run:web", NULL);
	api_lab_expect(f, 200, "\"Networks\":[\"demo\"]}");
	assert_string_equal(f->m.asked, "x 1 networks=1 links=1 ino=9");
	api_lab_ask(f, "GET", "/dns/query?name=x&container=netns:blue", NULL);
	assert_string_equal(f->m.asked, "x 1 networks=1 links=1 ino=77 forward");
	c.mode = (char *)"host";
	api_lab_ask(f, "GET", "/dns/query?name=x&container=web", NULL);
	api_lab_expect(f, 400, "container web is in the host's network namespace");
	/* By an endpoint's name: several of one container are one, of two containers are not. */
	f->m.locals[0]->target = (struct local_target){ .netns_dev = 4, .netns_ino = 9 };
	api_lab_ask(f, "GET", "/dns/query?name=x&container=c1", NULL);
	assert_string_equal(f->m.asked, "x 1 networks=1 links=1 ino=9");
	twin = modules_local(&f->m, f->other->id, "c1", "10.0.1.2", NULL);
	twin->target = f->m.locals[0]->target;
	api_lab_ask(f, "GET", "/dns/query?name=x&container=c1", NULL);
	assert_int_equal(f->status, 200);
	twin->target.netns_ino = 77;
	api_lab_ask(f, "GET", "/dns/query?name=x&container=c1", NULL);
	api_lab_expect(f, 409, "container c1 is ambiguous");
	twin->state = LOCAL_RELEASING;
	api_lab_ask(f, "GET", "/dns/query?name=x&container=c1", NULL);
	assert_int_equal(f->status, 200);
	f->m.container = NULL;
}

/* The client leaves while the upstream thinks: the answer is dropped, nothing else. */
static void test_gone(void **state)
{
	static const char ask[] = "GET /dns/query?name=c2 HTTP/1.1\r\nHost: o\r\n\r\n";
	uint64_t end = clock_boot_ms() + API_CLIENT_DEADLINE_MS;
	struct api_lab *f = *state;
	int fd = api_client_dial(f->path);

	tell(f, DNS_NOERROR, true);
	assert_int_equal(send(fd, ask, sizeof(ask) - 1, 0), sizeof(ask) - 1);
	while (!f->m.pending) {
		assert_true(clock_boot_ms() < end);
		api_client_turn(&f->loop);
	}
	close(fd);
	/* Noticed or not yet: both are right. */
	api_client_turn(&f->loop);
	api_client_turn(&f->loop);
	modules_answer(&f->m);
	api_lab_ask(f, "GET", "/dns/query?name=c2", NULL);
	assert_int_equal(f->status, 200);
}

static void test_info(void **state)
{
	struct api_lab *f = *state;
	struct dns_stats *st = &f->m.dns_stats;

	*st = (struct dns_stats){ .questions = 40, .ours = 30, .forwarded = 9, .refused = 1 };
	st->zone.names = 12;
	st->listen = (struct dns_listen_stats){ .overlay = true, .host = 2, .host_no_tcp = 1 };
	st->forward.in_flight = 3;
	st->forward.cache = (struct dns_cache_stats){ .entries = 4, .bytes = 500, .hits = 6 };
	st->forward.n_servers = 2;
	st->forward.server[0].addr = (struct dns_server_addr){ ip_v4(0x0a000001), 53 };
	st->forward.server[0].asked = 9;
	st->forward.server[0].sick = true;
	st->forward.server[1].addr = (struct dns_server_addr){ ip_v4(0xac1f0001), 5353 };
	st->forward.server[1].self = true;
	api_lab_ask(f, "GET", "/info", NULL);
	api_lab_expect(
		f, 200,
		"\"Dns\":{\"On\":true,\"Domain\":\"ovl\",\"Ttl\":5,"
		"\"Listening\":{\"Overlay\":true,\"Host\":2,\"HostNoTcp\":1},\"Servers\":["
		"{\"Server\":\"10.0.0.1:53\",\"State\":\"silent\",\"Asked\":9,\"Answered\":0,\"Failed\":0},"
		"{\"Server\":\"172.31.0.1:5353\",\"State\":\"self\",");
	api_lab_expect(
		f, 200,
		"\"Questions\":40,\"Ours\":30,\"Forwarded\":9,\"Refused\":1,\"Bad\":0,\"Strangers\":0,"
		"\"Dropped\":0,\"Cache\":{\"Entries\":4,\"Bytes\":500,\"Hits\":6,\"Misses\":0,\"Evicted\":0},"
		"\"InFlight\":3,\"Names\":12,\"NameBytes\":0,"
		"\"Problems\":[\"port 53 of 172.31.0.1 is in use by dnsmasq (pid 1)\"]}");
	f->m.ctx.dns_problems = NULL;
	api_lab_ask(f, "GET", "/info", NULL);
	api_lab_expect(f, 200, "\"Problems\":[]");
	f->m.ctx.dns = NULL;
	api_lab_ask(f, "GET", "/info", NULL);
	api_lab_expect(f, 200, "\"Dns\":{\"On\":false}");
}

#define T(name) cmocka_unit_test_setup_teardown(name, api_lab_up, api_lab_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_zone),	   T(test_upstream), T(test_bad),  T(test_networks),
		T(test_container), T(test_gone),     T(test_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
