/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ovlctl itself, run against a server with canned answers: output, exit status, and what it asked for. */
#include "tests/unit/ctl_lab.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/api/server.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#define ID1 "1111111111111111111111111111111111111111111111111111111111111111"
#define ID2 "2222222222222222222222222222222222222222222222222222222222222222"

/* ---- canned answers ---- */

static void get_networks(struct api_call *call, void *user)
{
	const char *filters = api_call_query(call, "filters");

	ctl_lab_remember(user, mem_strdup(filters ? filters : "-"));
	api_reply_json(call, 200,
		       cJSON_Parse("[{\"Id\":\"" ID1 "\",\"Name\":\"demo\",\"Driver\":\"overlay\","
				   "\"Scope\":\"global\"},{\"Id\":\"" ID2
				   "\",\"Name\":\"a-longer-name\",\"Driver\":\"overlay\","
				   "\"Scope\":\"global\"}]"));
}

static void get_network(struct api_call *call, void *user)
{
	const char *id = api_call_param(call, "id");
	cJSON *j;

	(void)user;
	if (strcmp(id, "none") == 0) {
		api_reply_fail(call, -ENOENT, "network %s not found", id);
		return;
	}
	j = cJSON_CreateObject();
	json_put_str(j, "Name", id);
	api_reply_json(call, 200, j);
}

static void post_create(struct api_call *call, void *user)
{
	ctl_lab_remember(user, json_print(api_call_body(call)));
	api_reply_json(call, 201, cJSON_Parse("{\"Id\":\"" ID1 "\",\"Warning\":\"\"}"));
}

static void post_connect(struct api_call *call, void *user)
{
	ctl_lab_remember(user, json_print(api_call_body(call)));
	api_reply_json(call, 200, cJSON_CreateObject());
}

static void delete_any(struct api_call *call, void *user)
{
	const char *id = api_call_param(call, "id");

	(void)user;
	if (strcmp(id, "none") == 0)
		api_reply_fail(call, -ENOENT, "network %s not found", id);
	else if (strcmp(id, "busy") == 0)
		api_reply_fail(call, -EBUSY, "network busy has endpoints");
	else
		api_reply_empty(call);
}

static void post_prune(struct api_call *call, void *user)
{
	ctl_lab_remember(user, mem_strdup(api_call_flag(call, "cluster") ? "cluster" : "local"));
	api_reply_json(call, 200, cJSON_Parse("{\"NetworksDeleted\":[\"old\"],\"Warning\":\"\"}"));
}

static void get_nodes(struct api_call *call, void *user)
{
	(void)user;
	api_reply_json(call, 200,
		       cJSON_Parse("[{\"Id\":\"" ID1 "\",\"Name\":\"node1\",\"Vtep\":\"10.9.0.1\","
				   "\"State\":\"up\",\"Self\":true,\"Endpoints\":2,"
				   "\"Version\":\"0.1.0\"}]"));
}

static void get_version(struct api_call *call, void *user)
{
	(void)user;
	api_reply_json(call, 200, cJSON_Parse("{\"Version\":\"9.8.7\"}"));
}

static void get_info(struct api_call *call, void *user)
{
	(void)user;
	api_reply_json(
		call, 200,
		cJSON_Parse("{\"Node\":{\"Name\":\"node1\"},\"Networks\":2,\"LocalNetworks\":3,"
			    "\"Egress\":{\"Interface\":\"ovl-gw\",\"Subnets\":[\"172.31.0.0/16\"]},"
			    "\"Published\":{\"Ports\":7,\"TcpRelays\":1},"
			    "\"SwitchedOn\":[\"net.ipv4.ip_forward\"],"
			    "\"Surroundings\":{\"Firewalld\":\"not running\",\"Findings\":["
			    "{\"Level\":\"problem\",\"What\":\"INPUT drops\",\"Cure\":\"do it\"}]},"
			    "\"Conflicts\":[{\"Network\":\"a\",\"Other\":\"a\",\"SameName\":true,"
			    "\"Subnet\":\"10.0.0.0/8\"},{\"Network\":\"b\",\"Other\":\"c\","
			    "\"SameName\":false,\"Subnet\":\"10.0.0.0/8\"}]}"));
}

static void get_events(struct api_call *call, void *user)
{
	struct ctl_lab *f = user;

	f->stream = api_reply_stream(call, "application/x-ndjson", NULL, NULL);
}

#define AT(ip, port) "{\"HostIp\":\"" ip "\",\"HostPort\":\"" port "\"}"
#define PORTS                                                   \
	"\"Ports\":{\"80/tcp\":[" AT("0.0.0.0", "8080") "," AT( \
		"::", "8080") "],"                              \
			      "\"53/udp\":[" AT("127.0.0.1", "5353") "]}"
#define C1                                                                            \
	"{\"Name\":\"c1\",\"Pid\":77,\"Command\":\"sleep\",\"NetworkMode\":\"demo\"," \
	"\"NetworkSettings\":{\"Networks\":{\"demo\":{\"IPAddress\":\"10.0.0.2\"}}," PORTS "}}"
#define C2                                                                               \
	"{\"Name\":\"c2\",\"Pid\":0,\"Command\":\"x\",\"NetworkMode\":\"container:c1\"," \
	"\"NetworkSettings\":{\"Networks\":{\"demo\":{\"IPAddress\":\"10.0.0.2\"}}," PORTS "}}"
#define C3 \
	"{\"Name\":\"c3\",\"Pid\":0,\"Command\":\"y\",\"NetworkMode\":\"host\",\"NetworkSettings\":{}}"

static void get_containers(struct api_call *call, void *user)
{
	(void)user;
	api_reply_json(call, 200, cJSON_Parse("[" C1 "," C2 "," C3 "]"));
}

static void get_container(struct api_call *call, void *user)
{
	(void)user;
	if (strcmp(api_call_param(call, "name"), "c1") == 0)
		api_reply_json(call, 200, cJSON_Parse(C1));
	else
		api_reply_fail(call, -ENOENT, "container %s not found",
			       api_call_param(call, "name"));
}

static void get_endpoint(struct api_call *call, void *user)
{
	(void)user;
	if (strcmp(api_call_param(call, "id"), "ep") == 0)
		api_reply_json(call, 200, cJSON_Parse("{\"Name\":\"ep\"," PORTS "}"));
	else
		api_reply_fail(call, -ENOENT, "endpoint not found");
}

static const struct api_route routes[] = {
	{ "GET", "/containers/json", API_BODY_NONE, get_containers },
	{ "GET", "/containers/{name}/json", API_BODY_NONE, get_container },
	{ "GET", "/endpoints/{id}", API_BODY_NONE, get_endpoint },
	{ "GET", "/networks", API_BODY_NONE, get_networks },
	{ "GET", "/networks/{id}", API_BODY_NONE, get_network },
	{ "DELETE", "/networks/{id}", API_BODY_NONE, delete_any },
	{ "POST", "/networks/create", API_BODY_REQUIRED, post_create },
	{ "POST", "/networks/prune", API_BODY_NONE, post_prune },
	{ "POST", "/networks/{id}/connect", API_BODY_REQUIRED, post_connect },
	{ "GET", "/nodes", API_BODY_NONE, get_nodes },
	{ "GET", "/version", API_BODY_NONE, get_version },
	{ "GET", "/info", API_BODY_NONE, get_info },
	{ "GET", "/events", API_BODY_NONE, get_events },
};

static int set_up(void **state)
{
	return ctl_lab_up(state, routes, ARRAY_SIZE(routes));
}

/* ---- tests ---- */

static void test_ls(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 0, "network ls");
	assert_string_equal(f->out, "NETWORK ID     NAME            DRIVER    SCOPE\n"
				    "111111111111   demo            overlay   global\n"
				    "222222222222   a-longer-name   overlay   global\n");
	assert_string_equal(f->err, "");
	ctl_lab_run(f, 0, "network ls -q");
	assert_string_equal(f->out, "111111111111\n222222222222\n");
	ctl_lab_run(f, 0, "network ls -q --no-trunc -f name=a -f name=b -f label=k=v");
	assert_string_equal(f->out, ID1 "\n" ID2 "\n");
	assert_string_equal(f->asked, "{\"name\":[\"a\",\"b\"],\"label\":[\"k=v\"]}");
	ctl_lab_run(f, 0, "network ls --format json");
	ctl_lab_has(f->out, "\"Scope\": \"global\"");
	ctl_lab_run(f, 2, "network ls --format yaml");
	ctl_lab_run(f, 2, "network ls -f name");
	ctl_lab_run(f, 2, "network ls extra");
	ctl_lab_has(f->err, "\"extra\" is one argument too many");
}

static void test_nodes(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 0, "node ls");
	assert_string_equal(f->out,
			    "NODE ID          NAME      ADDRESS    STATE     ENDPOINTS   VERSION\n"
			    "111111111111 *   node1     10.9.0.1   up        2           0.1.0\n");
}

static void test_create(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(
		f, 0,
		"network create -d overlay --subnet 10.1.0.0/24 --gateway 10.1.0.9 --label a=1 -o mtu=1400 demo");
	assert_string_equal(f->out, ID1 "\n");
	assert_string_equal(f->asked,
			    "{\"Name\":\"demo\",\"Driver\":\"overlay\",\"Internal\":false,"
			    "\"EnableIPv6\":false,\"IPAM\":{\"Driver\":\"default\",\"Config\":["
			    "{\"Subnet\":\"10.1.0.0/24\",\"Gateway\":\"10.1.0.9\"}]},"
			    "\"Options\":{\"mtu\":\"1400\"},\"Labels\":{\"a\":\"1\"}}");
	/* Options may also come last. */
	ctl_lab_run(f, 0, "network create demo --ipv6 --internal");
	ctl_lab_has(f->asked, "\"Internal\":true,\"EnableIPv6\":true");
	ctl_lab_run(f, 2, "network create");
	ctl_lab_has(f->err, "exactly 1 argument is needed");
	ctl_lab_run(f, 2, "network create --nonsense demo");
	ctl_lab_has(f->err, "--nonsense: unknown option");
	ctl_lab_run(f, 2, "network create -o mtu demo");
	ctl_lab_has(f->err, "\"mtu\" is not of the form KEY=VALUE");
}

/* Several names: each is tried. */
static void test_several(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 1, "network inspect one none two");
	assert_string_equal(f->out, "[\n    {\n        \"Name\": \"one\"\n    },\n"
				    "    {\n        \"Name\": \"two\"\n    }\n]\n");
	assert_string_equal(f->err, "ovlctl: network none not found\n");
	ctl_lab_run(f, 1, "network rm a none b busy");
	assert_string_equal(f->out, "a\nb\n");
	ctl_lab_has(f->err, "network none not found");
	ctl_lab_has(f->err, "network busy has endpoints");
	ctl_lab_run(f, 0, "network rm -f a none");
	assert_string_equal(f->out, "a\n");
	assert_string_equal(f->err, "");
	ctl_lab_run(f, 1, "network rm -f busy");
	/* A name is one segment of the path whatever is in it. */
	ctl_lab_run(f, 0, "network inspect ../a?b#c%41");
	ctl_lab_has(f->out, "\"Name\": \"../a?b#c%41\"");
}

static void test_connect(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 0, "network connect --ip 10.0.0.9 --alias web --name c1 demo netns:x");
	assert_string_equal(f->out, "");
	assert_string_equal(
		f->asked, "{\"Target\":\"netns:x\",\"EndpointConfig\":{\"IPAMConfig\":"
			  "{\"IPv4Address\":\"10.0.0.9\"},\"Aliases\":[\"web\"],\"Name\":\"c1\"}}");
	ctl_lab_run(
		f, 0,
		"network connect -p 8080:80 --publish [::1]:53:53/udp --gw-priority -3 demo c1");
	assert_string_equal(
		f->asked,
		"{\"Target\":\"c1\",\"EndpointConfig\":{\"IPAMConfig\":{},\"Aliases\":[],"
		"\"Publish\":[{\"Proto\":\"tcp\",\"HostPort\":8080,\"Port\":80},"
		"{\"Proto\":\"udp\",\"HostIp\":\"::1\",\"HostPort\":53,\"Port\":53}],\"GwPriority\":-3}}");
	ctl_lab_run(
		f, 0,
		"network connect --link db --link c2:redis --expose 5000 --expose 7-8/udp --dns 10.0.0.53 --dns [fd00::1]:5353 "
		"--dns-search example.org --dns-option ndots:2 --dns-opt rotate --add-host gw:10.0.0.1 --hostname box "
		"--network-alias web demo c1");
	assert_string_equal(
		f->asked,
		"{\"Target\":\"c1\",\"EndpointConfig\":{\"IPAMConfig\":{},\"Aliases\":[\"web\"],\"Hostname\":\"box\","
		"\"ExposedPorts\":[\"5000/tcp\",\"7/udp\",\"8/udp\"],\"Links\":[\"db:db\",\"c2:redis\"],"
		"\"Dns\":[\"10.0.0.53\",\"[fd00::1]:5353\"],\"DnsSearch\":[\"example.org\"],"
		"\"DnsOptions\":[\"ndots:2\",\"rotate\"],\"ExtraHosts\":[\"gw:10.0.0.1\"]}}");
	ctl_lab_run(f, 2, "network connect --link a:b:c demo c1");
	ctl_lab_has(f->err, "--link: \"a:b:c\" is not NAME[:ALIAS]");
	ctl_lab_run(f, 0, "network connect -h");
	ctl_lab_has(f->out, "--dns-search DOMAIN");
	ctl_lab_run(f, 2, "network connect -p 8080:65536 demo c1");
	ctl_lab_has(f->err, "--publish: 8080:65536: container port: \"65536\" is no number");
	ctl_lab_run(f, 2, "network connect --gw-priority many demo c1");
	ctl_lab_run(f, 2, "network connect --ip fd00::1 demo c1");
	ctl_lab_has(f->err, "fd00::1 is not an IPv4 address");
	ctl_lab_run(f, 2, "network connect --mac zz demo c1");
	ctl_lab_run(f, 2, "network connect demo");
}

static void test_ports(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 0, "port c1");
	assert_string_equal(f->out, "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n"
				    "53/udp -> 127.0.0.1:5353\n");
	ctl_lab_run(f, 0, "port c1 80");
	assert_string_equal(f->out, "0.0.0.0:8080\n[::]:8080\n");
	ctl_lab_run(f, 0, "port ep 53/udp");
	assert_string_equal(f->out, "127.0.0.1:5353\n");
	ctl_lab_run(f, 1, "port c1 81");
	assert_string_equal(f->err, "ovlctl: no public port '81/tcp' published for c1\n");
	ctl_lab_run(f, 1, "port nobody");
	assert_string_equal(f->err, "ovlctl: container nobody not found\n");
	ctl_lab_run(f, 2, "port");
	ctl_lab_run(f, 0, "ps");
	ctl_lab_has(f->out, "NAME      PID       NETWORKS        PORTS ");
	ctl_lab_has(f->out,
		    "c1        77        demo=10.0.0.2   0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, "
		    "127.0.0.1:5353->53/udp   ");
	/* Said once, with the container whose they are. */
	ctl_lab_has(f->out, "c2                  container:c1      ");
	ctl_lab_has(f->out, "c3                  host   ");
	ctl_lab_run(f, 1, "inspect c1 nobody");
	ctl_lab_has(f->out, "\"HostPort\": \"5353\"");
	ctl_lab_has(f->err, "container nobody not found");
}

/* What is refused before a supervisor is started. */
static void test_run_usage(void **state)
{
	static const char *const bad[][2] = {
		{ "run --network host --network demo -- true",
		  "--network host excludes other networks" },
		{ "run --network demo --network none -- true", "--network none excludes" },
		{ "run --network container:a --network b -- true", "container:a excludes" },
		{ "run --network container: -- true", "--network container: no name given" },
		{ "run --network host --ip 10.0.0.9 -- true", "--network host: addresses" },
		{ "run --network name=none,gw-priority=3 -- true", "--network none: addresses" },
		{ "run --network host --alias x -- true", "--network host: addresses" },
		{ "run --network name=demo,ip=10.0.0.8 --ip 10.0.0.9 -- true",
		  "--ip: the first network has an address already" },
		{ "run --network demo,ip=10.0.0.8 -- true", "\"demo\" is not of the form" },
		{ "run --network name=a,ifname=e --ifname f -- true",
		  "--ifname: network a has one already" },
		{ "run --ifname e --ifname f -- true", "more --ifname than --network" },
		{ "run --mac zz -- true", "--mac: " },
		{ "run --ip fd00::1 -- true", "--ip: fd00::1 is not an IPv4 address" },
		{ "run -p 0:80 -- true", "--publish: 0:80: host port: \"0\" is no number" },
		{ "run -p 1-3:80 -- true", "differ in length" },
		{ "run --network none -p 80 -- true",
		  "--publish is not possible with --network none" },
		{ "run --network container:a -p 80 -- true",
		  "with --network container:NAME: publish at that container" },
		{ "run --link : -- true", "--link: \":\" is not NAME[:ALIAS]" },
		{ "run --expose 80:80 -- true", "--expose: \"80:80\" is not PORT" },
		{ "run --expose 80/icmp -- true", "--expose: 80/icmp: protocol: " },
		{ "run -h _x -- true", "--hostname: \"_x\" is not letters" },
		{ "run -h "
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -- true",
		  "--hostname: longer than 64 characters" },
		{ "run --dns 1 --dns 2 --dns 3 --dns 4 -- true", "--dns: more than 3" },
		{ "run --network host --link a -- true",
		  "--link is not possible with --network host" },
		{ "run --network host --dns 10.0.0.1 -- true", "--dns is not possible with" },
		{ "run --network none --dns-search a -- true",
		  "--dns-search is not possible with --network none" },
		{ "run --network none --dns-opt a -- true",
		  "--dns-option is not possible with --network none" },
		{ "run --network container:a --add-host a:10.0.0.1 -- true",
		  "--add-host is not possible with --network container:NAME" },
		{ "run --network container:a -h b -- true", "--hostname is not possible with" },
		{ "run --network container:a --expose 80 -- true",
		  "--expose is not possible with" },
	};
	struct ctl_lab *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ctl_lab_run(f, 2, bad[i][0]);
		ctl_lab_has(f->err, bad[i][1]);
	}
	ctl_lab_run(f, 0, "run --help");
	ctl_lab_has(f->out, "container:NAME");
	ctl_lab_has(f->out, "-h, --hostname=NAME");
	ctl_lab_has(f->out, "    --help ");
	ctl_lab_run(f, 2, "run -h");
	ctl_lab_run(f, 0, "network create --help");
	ctl_lab_has(f->out, "parent=DEVICE");
}

static void test_info(void **state)
{
	static const char *const want[] = {
		"Networks:               2 of the cluster, 3 of this node alone\n",
		"Way out of overlays:    ovl-gw 172.31.0.0/16\n",
		"Published ports:        7, 1 connections and 0 UDP clients relayed\n",
		"Switched on:            net.ipv4.ip_forward\n",
		"firewalld:              not running\n",
		"WARNING:                INPUT drops\n  to do:                do it\n",
		"Conflicts:              network a of this node and network a of the cluster share a name, and overlap (10.0.0.0/8)\n",
		"network b of this node and network c of the cluster overlap (10.0.0.0/8)\n",
	};
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 0, "info");
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		ctl_lab_has(f->out, want[i]);
}

static void test_prune(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 1, "network prune --cluster");
	ctl_lab_has(f->err, "Not done without -f.");
	assert_null(f->asked);
	ctl_lab_run(f, 0, "network prune -f --cluster");
	assert_string_equal(f->asked, "cluster");
	assert_string_equal(f->out, "Deleted Networks:\nold\n");
}

static void test_words(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 2, "");
	ctl_lab_has(f->err, "Usage: ovlctl");
	ctl_lab_run(f, 0, "--help");
	ctl_lab_has(f->out, "network create");
	ctl_lab_run(f, 2, "network");
	ctl_lab_has(f->err, "network inspect");
	ctl_lab_run(f, 0, "network ls -h");
	ctl_lab_has(f->out, "Usage: ovlctl network ls [OPTIONS]");
	ctl_lab_run(f, 2, "nonsense");
	ctl_lab_has(f->err, "\"nonsense\" is no command");
	ctl_lab_run(f, 2, "network nonsense");
	ctl_lab_run(f, 0, "version");
	ctl_lab_has(f->out, "9.8.7");
	ctl_lab_run(f, 1, "-H /nonexistent/s.sock version");
	ctl_lab_has(f->out, "Client:");
	ctl_lab_has(
		f->err,
		"cannot reach ovld at /nonexistent/s.sock: No such file or directory: is it running?");
}

static void test_events(void **state)
{
	static const char event[] =
		"{\"Type\":\"network\",\"Action\":\"create\",\"Actor\":{\"ID\":\"abc\",\"Attributes\":"
		"{\"name\":\"demo\",\"type\":\"overlay\"}},\"time\":1,\"timeNano\":1500000000}\n";
	uint64_t end = clock_boot_ms() + CTL_LAB_DEADLINE_MS;
	struct ctl_lab *f = *state;
	int out = ctl_lab_scratch(f, "out"), err = ctl_lab_scratch(f, "err");

	ctl_lab_start(f, "events", out, err);
	while (!f->stream) {
		assert_true(clock_boot_ms() < end);
		ctl_lab_turn(f);
	}
	/* Cut in two: lines are put together again. */
	api_stream_send(f->stream, event, 20);
	for (int i = 0; i < 20; i++)
		ctl_lab_turn(f);
	api_stream_send(f->stream, event + 20, sizeof(event) - 1 - 20);
	api_stream_end(f->stream);
	assert_int_equal(ctl_lab_ended(f), 1);
	f->out = ctl_lab_slurp(out);
	f->err = ctl_lab_slurp(err);
	assert_string_equal(
		f->out,
		"1970-01-01T00:00:01.500+00:00 network create abc (name=demo, type=overlay)\n");
	ctl_lab_has(f->err, "it is stopping");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, ctl_lab_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ls),	 T(test_nodes), T(test_create),	   T(test_several),
		T(test_connect), T(test_ports), T(test_run_usage), T(test_info),
		T(test_prune),	 T(test_words), T(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
