/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

#define P "/ovl/v1"
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C64 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define NODE_KEY P "/node/" A64
#define NET_KEY P "/network/" A64
#define EP_KEY P "/endpoint/" A64 "/" B64
#define ADDR_KEY P "/address/" A64 "/10.0.0.2"

#define NET(rest) "{\"name\":\"demo\",\"vni\":1048576,\"mtu\":1450," rest "}"
#define SUBNETS(rest) "\"subnets\":[{\"subnet\":\"10.0.0.0/24\"," rest "}]"
#define SUBNET SUBNETS("\"gateway\":\"10.0.0.1\"")
#define EP(rest)                                                                                \
	"{\"name\":\"c1\",\"mac\":\"02:42:0a:00:00:02\",\"addresses\":[\"10.0.0.2\"],\"node\":" \
	"\"" C64 "\"" rest "}"

static struct model_network *network(const char *text)
{
	struct model_network *n = NULL;
	struct err e = { 0 };

	if (model_network_decode(P, NET_KEY, text, strlen(text), &n, &e) < 0)
		fail_msg("%s", e.text);
	return n;
}

static void test_network_full(void **state)
{
	static const char text[] =
		"{\"name\":\"demo\",\"state\":\"ready\",\"driver\":\"overlay\",\"vni\":1048576,\"mtu\":1450,"
		"\"internal\":true,\"ipv6\":true,\"flood\":false,\"subnets\":[{\"subnet\":\"10.0.0.0/24\","
		"\"gateway\":\"10.0.0.1\",\"ip-range\":\"10.0.0.128/25\",\"aux\":{\"router\":\"10.0.0.9\"}},"
		"{\"subnet\":\"fd12:3456::/64\",\"gateway\":\"fd12:3456::1\"}],\"options\":{\"mtu\":\"1450\"},"
		"\"labels\":{\"team\":\"a\"},\"created\":\"2026-11-21T09:30:00Z\",\"future\":[1,{\"x\":null}]}";
	_cleanup_model_network_ struct model_network *n = network(text), *dup = NULL;
	_cleanup_free_ char *again = model_network_encode(n), *copy = NULL;
	struct ip ip;

	(void)state;
	assert_string_equal(again, text);
	dup = model_network_dup(n);
	copy = model_network_encode(dup);
	assert_string_equal(copy, text);
	assert_true(n->internal && n->ipv6 && !n->flood);
	assert_int_equal(n->n_subnets, 2);
	assert_string_equal(n->subnets[0].aux[0].name, "router");
	assert_string_equal(kv_pairs_get(&n->labels, "team"), "a");
	assert_true(ip_eq(model_network_gateway(n, AF_INET), ip_v4(0x0a000001)));
	ip_parse("fd12:3456::77", &ip, NULL);
	assert_ptr_equal(model_network_subnet_of(n, ip), &n->subnets[1]);
	assert_null(model_network_subnet_of(n, ip_v4(0x0a000101)));
}

static void test_network_defaults(void **state)
{
	_cleanup_model_network_ struct model_network *n = network(NET(SUBNET));

	(void)state;
	assert_string_equal(n->driver, "overlay");
	assert_int_equal(n->state, MODEL_NETWORK_READY);
	assert_true(n->flood);
	assert_false(n->internal || n->ipv6);
	assert_null(n->extra);
	assert_null(n->created);
	assert_int_equal(model_network_gateway(n, AF_INET6).family, 0);
}

static void test_network_bad(void **state)
{
	static const struct {
		const char *text, *where;
	} bad[] = {
		{ "", "not JSON" },
		{ "[]", "object" },
		{ "{}", "name: missing" },
		{ NET("\"name\":1"), "subnets: missing" },
		{ "{\"name\":\"a b\"}", "name: \"a b\"" },
		{ "{\"name\":\"a\"," SUBNET "}", "vni: missing" },
		{ "{\"name\":\"a\",\"vni\":0}", "vni: 0 " },
		{ "{\"name\":\"a\",\"vni\":16777216}", "vni: 16777216" },
		{ "{\"name\":\"a\",\"vni\":5," SUBNET "}", "mtu: missing" },
		{ "{\"name\":\"a\",\"vni\":5,\"mtu\":100}", "mtu: 100" },
		{ "{\"name\":\"a\",\"vni\":5,\"ipv6\":true,\"mtu\":1279}", "mtu: 1279" },
		{ NET("\"state\":\"gone\""), "state: \"gone\"" },
		{ NET("\"driver\":\"\""), "driver: empty" },
		{ NET("\"driver\":\"bridge\"," SUBNET),
		  "driver: \"bridge\" is not one of the cluster" },
		{ NET("\"flood\":1"), "flood: " },
		{ NET("\"subnets\":{}"), "subnets: not a list" },
		{ NET("\"subnets\":[1]"), "subnets[0].subnet: " },
		{ NET("\"subnets\":[{}]"), "subnets[0].subnet: missing" },
		{ NET("\"subnets\":[{\"subnet\":\"10.0.0.1/24\"}]"), "subnets[0].subnet: " },
		{ NET("\"subnets\":[{\"subnet\":\"224.0.0.0/24\"}]"), "not for hosts" },
		{ NET("\"subnets\":[{\"subnet\":\"10.0.0.0/24\"}]"),
		  "subnets[0].gateway: missing" },
		{ NET(SUBNETS("\"gateway\":\"10.0.1.1\"")), "gateway: 10.0.1.1 is not in" },
		{ NET(SUBNETS("\"gateway\":\"10.0.0.0\"")), "own address" },
		{ NET(SUBNETS("\"gateway\":\"10.0.0.255\"")), "broadcast" },
		{ NET(SUBNETS("\"gateway\":\"fd00::1\"")), "not in" },
		{ NET(SUBNETS("\"gateway\":\"10.0.0.1\",\"ip-range\":\"10.0.0.0/16\"")),
		  "ip-range: " },
		{ NET(SUBNETS("\"gateway\":\"10.0.0.1\",\"aux\":{\"a\":\"10.1.0.1\"}")), "aux: " },
		{ NET(SUBNETS("\"gateway\":\"10.0.0.1\",\"aux\":{\"a\":\"b\"}")), "aux: " },
		{ NET("\"subnets\":[{\"subnet\":\"fd00::/64\",\"gateway\":\"fd00::1\"}]"),
		  "without ipv6" },
		{ NET("\"subnets\":[{\"subnet\":\"10.0.0.0/24\",\"gateway\":\"10.0.0.1\"},"
		      "{\"subnet\":\"10.0.0.0/25\",\"gateway\":\"10.0.0.1\"}]"),
		  "subnets[1].subnet: overlaps subnets[0]" },
		{ NET(SUBNET ",\"options\":{\"a\":1}"), "options.a: " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct model_network *n = NULL;
		struct err e = { 0 };

		assert_int_equal(model_network_decode(P, NET_KEY, bad[i].text, strlen(bad[i].text),
						      &n, &e),
				 -EINVAL);
		assert_null(n);
		assert_ptr_equal(strstr(e.text, NET_KEY ": "), e.text);
		if (!strstr(e.text, bad[i].where))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].where);
	}
}

static struct model_network *local_network(const char *text)
{
	struct model_network *n = NULL;
	struct err e = { 0 };
	struct id id;

	id_parse(A64, &id);
	if (model_network_decode_local(id, text, strlen(text), &n, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(id_eq(n->id, id));
	return n;
}

static void test_network_local(void **state)
{
	static const char *const texts[] = {
		"{\"name\":\"lan\",\"state\":\"ready\",\"driver\":\"bridge\",\"number\":2,\"internal\":false,"
		"\"ipv6\":false,\"flood\":true,\"subnets\":[{\"subnet\":\"10.0.0.0/24\",\"gateway\":"
		"\"10.0.0.1\"}],\"options\":{\"icc\":\"off\"},\"labels\":{},\"later\":1}",
		"{\"name\":\"mv\",\"state\":\"ready\",\"driver\":\"macvlan\",\"number\":16777215,\"mtu\":1400,"
		"\"internal\":false,\"ipv6\":false,\"flood\":true,\"subnets\":[{\"subnet\":\"10.0.0.0/24\"}],"
		"\"options\":{},\"labels\":{}}",
		"{\"name\":\"none\",\"state\":\"ready\",\"driver\":\"null\",\"internal\":false,\"ipv6\":false,"
		"\"flood\":true,\"subnets\":[],\"options\":{},\"labels\":{}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_model_network_ struct model_network *n = local_network(texts[i]);
		_cleanup_free_ char *again = model_network_encode(n);

		assert_string_equal(again, texts[i]);
		assert_true(model_network_is_local(n));
	}
}

#define LOCAL(driver, rest) "{\"name\":\"a\",\"driver\":\"" driver "\"" rest "}"

static void test_network_local_bad(void **state)
{
	static const struct {
		const char *text, *where;
	} bad[] = {
		{ "", "not JSON" },
		{ LOCAL("overlay", ",\"vni\":5,\"mtu\":1450," SUBNET),
		  "driver: \"overlay\" is not one" },
		{ LOCAL("bridge", "," SUBNET), "number: missing" },
		{ LOCAL("bridge", ",\"number\":16777216," SUBNET), "number: 16777216" },
		{ LOCAL("egress", ",\"number\":3," SUBNET), "number: a network of driver egress" },
		{ LOCAL("bridge", ",\"number\":1"), "subnets: missing" },
		{ LOCAL("host", "," SUBNET), "subnets: a network of this driver has none" },
		{ LOCAL("bridge", ",\"number\":1,\"subnets\":[{\"subnet\":\"10.0.0.0/24\"}]"),
		  "subnets[0].gateway: missing" },
		{ LOCAL("bridge", ",\"number\":1,\"mtu\":5," SUBNET), "mtu: 5" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct model_network *n = NULL;
		struct err e = { 0 };
		struct id id;

		id_parse(A64, &id);
		assert_int_equal(model_network_decode_local(id, bad[i].text, strlen(bad[i].text),
							    &n, &e),
				 -EINVAL);
		assert_null(n);
		assert_ptr_equal(strstr(e.text, "network aaaaaaaaaaaa: "), e.text);
		if (!strstr(e.text, bad[i].where))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].where);
	}
}

static void test_publish(void **state)
{
	static const char text[] =
		"[{\"proto\":\"tcp\",\"host\":8080,\"port\":80,\"count\":3},{\"proto\":\"udp\",\"ip\":\"127.0.0.1\","
		"\"host\":65535,\"port\":1},{\"proto\":\"sctp\",\"ip\":\"fd00::1\",\"host\":1,\"port\":65535}]";
	_cleanup_free_ struct model_publish *v = NULL;
	_cleanup_free_ char *again = NULL;
	cJSON *j = cJSON_Parse(text), *out;
	size_t n = 0;

	(void)state;
	assert_int_equal(model_publish_parse(j, &v, &n, NULL), 0);
	assert_int_equal(n, 5);
	assert_int_equal(v[2].host_port, 8082);
	assert_int_equal(v[2].port, 82);
	assert_int_equal(v[3].proto, IPPROTO_UDP);
	assert_false(ip_is_set(v[0].host_ip));
	out = model_publish_json(v, n);
	again = cJSON_PrintUnformatted(out);
	assert_string_equal(again, text);
	cJSON_Delete(out);
	cJSON_Delete(j);
	free(v);
	v = NULL;
	assert_int_equal(model_publish_parse(NULL, &v, &n, NULL), 0);
	assert_null(v);
	assert_int_equal(n, 0);
}

/* The record stays one that every node reads, whatever is published and declared. */
static void test_publish_many(void **state)
{
	struct model_publish v[MODEL_PUBLISH_MAX] = { 0 };
	struct model_port ports[MODEL_EXPOSE_MAX];
	struct model_endpoint ep = { .name = (char *)"c1",
				     .ip4 = ip_v4(0x0a000002),
				     .publish = v,
				     .expose = ports,
				     .n_expose = MODEL_EXPOSE_MAX };
	_cleanup_model_endpoint_ struct model_endpoint *got = NULL;
	char alias[MODEL_NAME_MAX + 1], hostname[MODEL_HOSTNAME_MAX + 1];
	_cleanup_free_ char *text = NULL;

	(void)state;
	ep.n_publish = MODEL_PUBLISH_MAX;
	ep.mac = mac_from_ip(ep.ip4);
	for (size_t i = 0; i < MODEL_PUBLISH_MAX; i++) {
		v[i] = (struct model_publish){ IPPROTO_SCTP, { 0 }, (uint16_t)(i * 2 + 1), 65535 };
		ip_parse("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &v[i].host_ip, NULL);
	}
	memset(alias, 'a', sizeof(alias));
	alias[MODEL_NAME_MAX] = '\0';
	for (size_t i = 0; i < MODEL_ALIASES_MAX; i++)
		strv_add(&ep.aliases, alias);
	for (size_t i = 0; i < MODEL_EXPOSE_MAX; i++)
		ports[i] = (struct model_port){ IPPROTO_SCTP, 65535 };
	for (size_t i = 0; i < sizeof(hostname); i++)
		hostname[i] = i % 2 ? '.' : 'a';
	hostname[MODEL_HOSTNAME_MAX] = '\0';
	ep.hostname = hostname;
	text = model_endpoint_encode(&ep);
	assert_int_equal(model_endpoint_decode(P, EP_KEY, text, strlen(text), &got, NULL), 0);
	assert_int_equal(got->n_publish, MODEL_PUBLISH_ITEMS_MAX);
	assert_int_equal(got->n_expose, MODEL_EXPOSE_MAX);
	strv_done(&ep.aliases);
}

static void test_size(void **state)
{
	struct model_endpoint *ep = NULL;
	char *big = mem_alloc(MODEL_RECORD_MAX + 2);
	struct err e = { 0 };

	(void)state;
	memset(big, ' ', MODEL_RECORD_MAX + 1);
	assert_int_equal(model_endpoint_decode(P, EP_KEY, big, MODEL_RECORD_MAX + 1, &ep, &e),
			 -EMSGSIZE);
	assert_ptr_equal(strstr(e.text, EP_KEY ": "), e.text);
	free(big);
}

static void test_endpoint(void **state)
{
	static const char text[] =
		"{\"name\":\"c1\",\"hostname\":\"c1.example\",\"aliases\":[\"web\",\"www\"],"
		"\"expose\":[\"5000/tcp\",\"53/udp\",\"65535/sctp\"],\"sandbox\":\"box1\",\"mac\":\"02:42:0a:00:00:02\","
		"\"addresses\":[\"10.0.0.2\",\"fd00::2\"],\"node\":\"" C64
		"\",\"publish\":[{\"proto\":\"tcp\",\"host\":8080,\"port\":80}],"
		"\"created\":\"2026-11-21T09:30:00Z\",\"ports\":[\"80/tcp\"]}";
	_cleanup_model_endpoint_ struct model_endpoint *ep = NULL, *dup = NULL, *small = NULL;
	_cleanup_free_ char *again = NULL;

	(void)state;
	assert_int_equal(model_endpoint_decode(P, EP_KEY, text, strlen(text), &ep, NULL), 0);
	assert_true(strv_has(&ep->aliases, "www"));
	assert_true(ip_eq(ep->ip4, ip_v4(0x0a000002)));
	assert_int_equal(ep->ip6.family, AF_INET6);
	assert_string_equal(ep->hostname, "c1.example");
	assert_int_equal(ep->n_expose, 3);
	assert_true(model_port_eq(ep->expose[1], (struct model_port){ IPPROTO_UDP, 53 }));
	dup = model_endpoint_dup(ep);
	again = model_endpoint_encode(dup);
	assert_string_equal(again, text);
	assert_int_equal(model_endpoint_decode(P, EP_KEY, EP(""), strlen(EP("")), &small, NULL), 0);
	assert_null(small->sandbox);
	assert_null(small->hostname);
	assert_null(small->expose);
	assert_int_equal(small->aliases.n, 0);
	assert_int_equal(small->ip6.family, 0);
}

static void test_endpoint_bad(void **state)
{
	static const struct {
		const char *text, *where;
	} bad[] = {
		{ "{}", "name: missing" },
		{ "{\"name\":\"c1\"}", "mac: missing" },
		{ "{\"name\":\"c1\",\"mac\":\"01:00:5e:00:00:01\"}", "mac: " },
		{ "{\"name\":\"c1\",\"mac\":\"02:42:0a:00:00:02\"}", "addresses: missing" },
		{ "{\"name\":\"c1\",\"mac\":\"02:42:0a:00:00:02\",\"addresses\":[\"x\"]}",
		  "addresses[0]: " },
		{ "{\"name\":\"c1\",\"mac\":\"02:42:0a:00:00:02\",\"addresses\":[\"10.0.0.1\",\"10.0.0.2\"]}",
		  "addresses: two of one family" },
		{ "{\"name\":\"c1\",\"mac\":\"02:42:0a:00:00:02\",\"addresses\":[\"224.0.0.1\"]}",
		  "addresses: 224.0.0.1" },
		{ "{\"name\":\"c1\",\"mac\":\"02:42:0a:00:00:02\",\"addresses\":[\"10.0.0.1\"]}",
		  "node: missing" },
		{ EP(",\"aliases\":[\"a b\"]"), "aliases: \"a b\"" },
		{ EP(",\"aliases\":\"a\""), "aliases: not a list" },
		{ EP(",\"hostname\":7"), "hostname: not a string" },
		{ EP(",\"hostname\":\"\""), "hostname: empty" },
		{ EP(",\"hostname\":\"a b\""), "hostname: \"a b\"" },
		{ EP(",\"hostname\":\"a..b\""), "hostname: \"a..b\": between dots" },
		{ EP(",\"expose\":\"80/tcp\""), "expose: not a list" },
		{ EP(",\"expose\":[\"80/tcp\",\"0/tcp\"]"),
		  "expose[1]: \"0/tcp\" is not PORT/tcp" },
		{ EP(",\"expose\":[\"65536/tcp\"]"), "expose[0]: " },
		{ EP(",\"expose\":[\"80/icmp\"]"), "expose[0]: " },
		{ EP(",\"expose\":[\"080/tcp\"]"), "expose[0]: " },
		{ EP(",\"expose\":[\"80-81/tcp\"]"), "expose[0]: " },
		{ EP(",\"publish\":{}"), "publish: not a list" },
		{ EP(",\"publish\":[1]"), "publish[0].item: not an object" },
		{ EP(",\"publish\":[{\"proto\":\"icmp\"}]"), "publish[0].proto: \"icmp\"" },
		{ EP(",\"publish\":[{\"proto\":\"tcp\",\"host\":1,\"port\":1},{\"proto\":\"tcp\",\"port\":1}]"),
		  "publish[1].host: missing" },
		{ EP(",\"publish\":[{\"proto\":\"tcp\",\"host\":65536}]"),
		  "publish[0].host: 65536" },
		{ EP(",\"publish\":[{\"proto\":\"tcp\",\"host\":1,\"port\":0}]"),
		  "publish[0].port: 0" },
		{ EP(",\"publish\":[{\"proto\":\"tcp\",\"ip\":\"ff02::1\"}]"), "publish[0].ip: " },
		{ EP(",\"publish\":[{\"proto\":\"tcp\",\"host\":65535,\"port\":1,\"count\":2}]"),
		  "publish[0].count: the ports would go beyond" },
		{ EP(",\"publish\":[{\"proto\":\"tcp\",\"host\":1,\"port\":1,\"count\":4096},"
		     "{\"proto\":\"tcp\",\"host\":1,\"port\":1}]"),
		  "publish[1].count: more than 4096" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct model_endpoint *ep = NULL;
		struct err e = { 0 };

		assert_int_equal(model_endpoint_decode(P, EP_KEY, bad[i].text, strlen(bad[i].text),
						       &ep, &e),
				 -EINVAL);
		if (!strstr(e.text, bad[i].where))
			fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].where);
	}
	/* The key must be of the kind that is asked for. */
	assert_int_equal(model_endpoint_decode(P, NET_KEY, EP(""), strlen(EP("")),
					       &(struct model_endpoint *){ 0 }, NULL),
			 -EINVAL);
}

static void test_hostname(void **state)
{
	static const char *const good[] = { "a", "0", "c1", "web-1.example_2.org", "A.b" };
	static const char *const bad[] = { "",	  ".",	"a.",  ".a",  "-a",	 "_a",
					   "a b", "a/", "a:b", "a\n", "\xc3\xa4" };
	char text[MODEL_HOSTNAME_MAX + 2];
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(model_hostname_check("hostname", good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(model_hostname_check("hostname", bad[i], &e), -EINVAL);
		assert_ptr_equal(strstr(e.text, "hostname: "), e.text);
	}
	memset(text, 'a', sizeof(text));
	text[MODEL_LABEL_MAX] = '\0';
	assert_int_equal(model_hostname_check("hostname", text, NULL), 0);
	text[MODEL_LABEL_MAX] = 'a';
	text[MODEL_LABEL_MAX + 1] = '\0';
	assert_int_equal(model_hostname_check("hostname", text, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '.' : 'a';
	text[MODEL_HOSTNAME_MAX] = '\0';
	assert_int_equal(model_hostname_check("hostname", text, NULL), 0);
	memcpy(text + MODEL_HOSTNAME_MAX, "a", 2);
	assert_int_equal(model_hostname_check("hostname", text, NULL), -EINVAL);
}

/* As many as there may be, and one more. */
static void test_expose_many(void **state)
{
	for (size_t n = MODEL_EXPOSE_MAX; n <= MODEL_EXPOSE_MAX + 1; n++) {
		_cleanup_json_ cJSON *j = cJSON_CreateObject();
		_cleanup_free_ struct model_port *v = mem_alloc_array(n, sizeof(*v));
		_cleanup_free_ struct model_port *got = NULL;
		size_t n_got = 0;

		for (size_t i = 0; i < n; i++)
			v[i] = (struct model_port){ IPPROTO_SCTP, (uint16_t)(UINT16_MAX - i) };
		cJSON_AddItemToObject(j, "expose", model_expose_json(v, n));
		assert_int_equal(model_expose_parse(j, "expose", &got, &n_got, NULL),
				 n > MODEL_EXPOSE_MAX ? -EINVAL : 0);
		assert_int_equal(n_got, n > MODEL_EXPOSE_MAX ? 0 : n);
	}
	(void)state;
}

static void test_node(void **state)
{
	static const char text[] =
		"{\"name\":\"node1\",\"vtep\":\"192.168.205.10\",\"mtu\":1500,\"lease\":\"694d7a3c2b1f0e5d\","
		"\"boot\":\"b1\",\"version\":\"0.1.0\",\"format\":1,\"keys\":{\"wg\":\"x\"}}";
	static const char small[] = "{\"name\":\"n\",\"vtep\":\"fd00::1\"}";
	static const char *const bad[] = {
		"{\"name\":\"n\"}",
		"{\"name\":\"n\",\"vtep\":\"127.0.0.1\"}",
		"{\"name\":\"n\",\"vtep\":\"::\"}",
		"{\"vtep\":\"10.0.0.1\"}",
		"{\"name\":\"n\",\"vtep\":\"10.0.0.1\",\"lease\":\"xyz\"}",
		"{\"name\":\"n\",\"vtep\":\"10.0.0.1\",\"lease\":\"\"}",
		"{\"name\":\"n\",\"vtep\":\"10.0.0.1\",\"lease\":\"8000000000000000\"}",
		"{\"name\":\"n\",\"vtep\":\"10.0.0.1\",\"mtu\":70000}",
		"{\"name\":\"n\",\"vtep\":\"10.0.0.1\",\"format\":0}",
	};
	struct model_node *n = NULL;
	char *again;

	(void)state;
	assert_int_equal(model_node_decode(P, NODE_KEY, text, strlen(text), &n, NULL), 0);
	assert_int_equal(n->address_lease, 0x694d7a3c2b1f0e5d);
	again = model_node_encode(n);
	assert_string_equal(again, text);
	free(again);
	model_node_free(n);
	assert_int_equal(model_node_decode(P, NODE_KEY, small, strlen(small), &n, NULL), 0);
	assert_int_equal(n->mtu, 1500);
	assert_int_equal(n->format, MODEL_FORMAT);
	model_node_free(n);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(model_node_decode(P, NODE_KEY, bad[i], strlen(bad[i]), &n, NULL),
				 -EINVAL);
}

static void test_cluster_alive(void **state)
{
	static const char text[] = "{\"id\":\"" A64 "\",\"epoch\":3,\"note\":\"x\"}";
	static const char zero[] =
		"{\"id\":\"0000000000000000000000000000000000000000000000000000000000000000\"}";
	static const char alive[] = "{\"started\":\"2026-11-21T09:30:00Z\"}";
	struct model_cluster *c = NULL;
	struct model_alive *a = NULL;
	char *again;

	(void)state;
	assert_int_equal(model_cluster_decode("k", text, strlen(text), &c, NULL), 0);
	assert_int_equal(c->epoch, 3);
	again = model_cluster_encode(c);
	assert_string_equal(again, text);
	free(again);
	model_cluster_free(c);
	assert_int_equal(model_cluster_decode("k", zero, strlen(zero), &c, NULL), -EINVAL);
	assert_int_equal(model_cluster_decode("k", "{}", 2, &c, NULL), -EINVAL);
	assert_int_equal(model_alive_decode(P, P "/alive/" A64, alive, strlen(alive), &a, NULL), 0);
	again = model_alive_encode(a);
	assert_string_equal(again, alive);
	free(again);
	model_alive_free(a);
}

static void test_address(void **state)
{
	static const char bound[] = "{\"state\":\"bound\",\"endpoint\":\"" B64 "\",\"node\":\"" C64
				    "\"}";
	static const char reserved[] = "{\"state\":\"reserved\",\"node\":\"" C64 "\"}";
	static const char *const bad[] = {
		"{\"state\":\"bound\",\"node\":\"" C64 "\"}",
		"{\"state\":\"x\",\"node\":\"" C64 "\"}",
		"{\"state\":\"reserved\"}",
		"{\"state\":\"reserved\",\"node\":\"cc\"}",
	};
	struct model_address *a = NULL;
	char *again;

	(void)state;
	assert_int_equal(model_address_decode(P, ADDR_KEY, bound, strlen(bound), &a, NULL), 0);
	assert_true(ip_eq(a->ip, ip_v4(0x0a000002)));
	again = model_address_encode(a);
	assert_string_equal(again, bound);
	free(again);
	model_address_free(a);
	assert_int_equal(model_address_decode(P, ADDR_KEY, reserved, strlen(reserved), &a, NULL),
			 0);
	assert_int_equal(a->state, MODEL_ADDRESS_RESERVED);
	again = model_address_encode(a);
	assert_string_equal(again, reserved);
	free(again);
	model_address_free(a);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(model_address_decode(P, ADDR_KEY, bad[i], strlen(bad[i]), &a,
						      NULL),
				 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network_full),
		cmocka_unit_test(test_network_defaults),
		cmocka_unit_test(test_network_bad),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_endpoint_bad),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_cluster_alive),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_network_local),
		cmocka_unit_test(test_network_local_bad),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_publish_many),
		cmocka_unit_test(test_hostname),
		cmocka_unit_test(test_expose_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
