/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routes over a real socket, on modules that answer what they are told to. */
#include "agent/api/routes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/api/server.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "tests/unit/api_client.h"
#include "tests/unit/api_modules.h"

#define DEADLINE_MS API_CLIENT_DEADLINE_MS

struct fixture {
	uv_loop_t loop;
	struct api_server *server;
	struct modules m;
	struct mirror_network *demo, *other;
	struct mirror_node *node1, *node2, *node3;
	struct model_endpoint *c1, *c2, *c3;
	char dir[64], path[96];
	int fd;
	unsigned status;
	cJSON *reply; /* of the last request */
};

static void reset(void *user, void (*done)(void *done_user, int status, const struct err *e),
		  void *done_user)
{
	struct modules *m = user;

	snprintf(m->called, sizeof(m->called), "reset");
	done(done_user, m->status, &m->err);
}

static void make_cluster(struct fixture *f)
{
	struct modules *m = &f->m;

	f->node2 = modules_node(m, "node2", true);
	f->node1 = modules_node(m, "node1", true);
	f->node3 = modules_node(m, "node3", false);
	f->other = modules_network(m, "other", "10.0.1.0/24");
	f->demo = modules_network(m, "demo", "10.0.0.0/24");
	f->c1 = modules_endpoint(m, f->demo, "c1", "10.0.0.2", m->self);
	f->c2 = modules_endpoint(m, f->demo, "c2", "10.0.0.3", f->node2->rec->id);
	f->c3 = modules_endpoint(m, f->demo, "c3", "10.0.0.4", f->node3->rec->id);
	modules_local(m, f->demo->id, "c1", "10.0.0.2", &f->c1->id);
}

static int setup(void **state)
{
	const struct api_table tables[] = {
		routes_system,	routes_cluster,	 routes_events, routes_network,
		routes_connect, routes_endpoint, routes_node,
	};
	struct fixture *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	snprintf(f->dir, sizeof(f->dir), "/tmp/ovl-routes-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s.sock", f->dir);
	uv_loop_init(&f->loop);
	modules_init(&f->m, &f->loop, f->path);
	f->m.ctx.reset = reset;
	make_cluster(f);
	if (api_server_start(&f->loop, f->path, tables, ARRAY_SIZE(tables), &f->m.ctx, &f->server,
			     &e) < 0)
		fail_msg("%s", e.text);
	f->fd = api_client_dial(f->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	api_server_close(f->server);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	modules_done(&f->m);
	cJSON_Delete(f->reply);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* ---- requests ---- */

/* Where the body begins, when all of it has come. */
static const char *whole(const struct buf *b)
{
	const char *body = b->data ? strstr(b->data, "\r\n\r\n") : NULL;
	const char *length = b->data ? strstr(b->data, "Content-Length: ") : NULL;

	if (!body)
		return NULL;
	body += 4;
	return !length || strlen(body) >= strtoul(length + 16, NULL, 10) ? body : NULL;
}

/* Asks; where a module is to answer later, it answers at once. */
static void ask(struct fixture *f, const char *method, const char *path, const char *body)
{
	_cleanup_free_ char *text =
		mem_printf("%s %s HTTP/1.1\r\nHost: o\r\nContent-Length: %zu\r\n\r\n%s", method,
			   path, body ? strlen(body) : 0, body ? body : "");
	uint64_t end = clock_boot_ms() + DEADLINE_MS;
	_cleanup_buf_ struct buf b;
	const char *json;

	buf_init(&b, 16 << 20);
	cJSON_Delete(f->reply);
	f->reply = NULL;
	assert_int_equal(send(f->fd, text, strlen(text), 0), strlen(text));
	while (!(json = whole(&b))) {
		char block[4096];
		ssize_t n = recv(f->fd, block, sizeof(block), 0);

		assert_true(clock_boot_ms() < end);
		if (n > 0)
			buf_append(&b, block, (size_t)n);
		else
			api_client_turn(&f->loop);
		if (f->m.pending)
			modules_answer(&f->m);
	}
	f->status = (unsigned)strtoul(b.data + 9, NULL, 10);
	if (*json)
		f->reply = cJSON_Parse(json);
}

static void expect(struct fixture *f, unsigned status, const char *word)
{
	_cleanup_free_ char *text = f->reply ? json_print(f->reply) : mem_strdup("");

	if (f->status != status || !strstr(text, word))
		fail_msg("expected %u \"%s\", got %u %s", status, word, f->status, text);
}

static const char *text_at(const cJSON *j, const char *way)
{
	_cleanup_strv_ struct strv keys = { 0 };

	strv_split(&keys, way, '/');
	for (size_t i = 0; j && i < keys.n; i++)
		j = cJSON_IsArray(j) ? cJSON_GetArrayItem(j, (int)strtol(keys.v[i], NULL, 10)) :
				       json_get(j, keys.v[i]);
	return cJSON_IsString(j) ? j->valuestring : NULL;
}

/* ---- networks ---- */

static void test_list(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET", "/networks", NULL);
	expect(f, 200, "[{");
	assert_int_equal(cJSON_GetArraySize(f->reply), 2);
	assert_string_equal(text_at(f->reply, "0/Name"), "demo");
	assert_string_equal(text_at(f->reply, "1/Name"), "other");
	ask(f, "GET", "/networks?filters=%7B%22name%22:%5B%22oth%22%5D%7D", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 1);
	assert_string_equal(text_at(f->reply, "0/Name"), "other");
	ask(f, "GET", "/networks?filters={%22dangling%22:[%22true%22]}", NULL);
	assert_string_equal(text_at(f->reply, "0/Name"), "other");
	ask(f, "GET", "/networks?filters={%22label%22:[%22team=b%22]}", NULL);
	expect(f, 200, "[]");
	ask(f, "GET", "/networks?filters={%22colour%22:[%22red%22]}", NULL);
	expect(f, 400, "\\\"colour\\\" is not a known filter");
}

/* Docker's field names, all of them. */
static void test_inspect(void **state)
{
	struct fixture *f = *state;
	const cJSON *c;

	ask(f, "GET", "/networks/demo", NULL);
	assert_int_equal(f->status, 200);
	assert_string_equal(text_at(f->reply, "Scope"), "global");
	assert_string_equal(text_at(f->reply, "Driver"), "overlay");
	assert_string_equal(text_at(f->reply, "IPAM/Driver"), "default");
	assert_string_equal(text_at(f->reply, "IPAM/Config/0/Subnet"), "10.0.0.0/24");
	assert_string_equal(text_at(f->reply, "IPAM/Config/0/Gateway"), "10.0.0.1");
	assert_string_equal(text_at(f->reply, "Options/mtu"), "1450");
	assert_string_equal(text_at(f->reply, "Options/vni"), "1048576");
	assert_string_equal(text_at(f->reply, "Labels/team"), "a");
	assert_true(cJSON_IsFalse(json_get(f->reply, "EnableIPv6")));
	assert_true(cJSON_IsFalse(json_get(f->reply, "Internal")));
	c = json_get(f->reply, "Containers");
	assert_int_equal(cJSON_GetArraySize(c), 3);
	c = json_get(c, f->c2->sandbox);
	assert_string_equal(text_at(c, "Name"), "c2");
	assert_string_equal(text_at(c, "IPv4Address"), "10.0.0.3/24");
	assert_string_equal(text_at(c, "IPv6Address"), "");
	assert_string_equal(text_at(c, "MacAddress"), "02:42:0a:00:00:03");
	assert_string_equal(text_at(c, "Node"), "node2");
	assert_int_equal(strlen(text_at(c, "EndpointID")), 64);
	ask(f, "GET", "/networks/none", NULL);
	expect(f, 404, "{\"message\":\"network none not found\"}");
	f->m.state = MIRROR_EMPTY;
	ask(f, "GET", "/networks/none", NULL);
	expect(f, 503, "etcd has not answered");
}

/* Two endpoints that claim one sandbox do not hide each other; one that only this node knows is shown. */
static void test_inspect_odd(void **state)
{
	struct fixture *f = *state;
	struct id network = f->demo->id;

	free(f->c3->sandbox);
	f->c3->sandbox = mem_strdup(f->c2->sandbox);
	modules_local(&f->m, network, "lonely", "10.0.0.9", NULL);
	modules_local(&f->m, network, "leaving", "10.0.0.10", NULL)->state = LOCAL_RELEASING;
	ask(f, "GET", "/networks/demo", NULL);
	expect(f, 200, "lonely");
	assert_int_equal(cJSON_GetArraySize(json_get(f->reply, "Containers")), 4);
}

static void test_create(void **state)
{
	struct fixture *f = *state;

	ask(f, "POST", "/networks/create",
	    "{\"Name\":\"new\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.5.0.0/24\"}]},"
	    "\"Options\":{\"mtu\":\"1400\"}}");
	expect(f, 201, "\"Id\":\"");
	assert_string_equal(f->m.called, "network_create");
	assert_string_equal(f->m.asked, "new - subnets=1 mtu=1400");
	f->m.status = err_set(&f->m.err, -EEXIST, "network new exists");
	ask(f, "POST", "/networks/create", "{\"Name\":\"new\"}");
	expect(f, 409, "network new exists");
	f->m.status = err_set(&f->m.err, -EHOSTUNREACH, "etcd cannot be reached");
	ask(f, "POST", "/networks/create", "{\"Name\":\"new\"}");
	expect(f, 503, "etcd cannot be reached");
	f->m.called[0] = '\0';
	ask(f, "POST", "/networks/create", "{\"Name\":\"new\",\"Subnet\":\"10.0.0.0/8\"}");
	expect(f, 400, "Subnet: not a known field");
	assert_string_equal(f->m.called, "");
}

static void test_remove(void **state)
{
	struct fixture *f = *state;

	ask(f, "DELETE", "/networks/other", NULL);
	expect(f, 204, "");
	assert_string_equal(f->m.asked, "other");
	f->m.status = err_set(&f->m.err, -EBUSY, "endpoints c1 on node1");
	ask(f, "DELETE", "/networks/demo", NULL);
	expect(f, 409, "endpoints c1 on node1");
}

static void test_prune(void **state)
{
	struct fixture *f = *state;

	ask(f, "POST", "/networks/prune", NULL);
	expect(f, 200, "{\"NetworksDeleted\":[],\"Warning\":\"\"}");
	assert_string_equal(f->m.called, "");
	modules_network(&f->m, "zzz", "10.0.9.0/24");
	ask(f, "POST", "/networks/prune?cluster=1", NULL);
	assert_int_equal(f->status, 200);
	/* One after the other, in order of their names; that with endpoints is left alone. */
	assert_string_equal(f->m.asked, "zzz");
	assert_int_equal(cJSON_GetArraySize(json_get(f->reply, "NetworksDeleted")), 2);
	f->m.status = err_set(&f->m.err, -ETIMEDOUT, "no answer");
	ask(f, "POST", "/networks/prune?cluster=1", NULL);
	expect(f, 503, "no answer");
	f->m.status = -EBUSY;
	ask(f, "POST", "/networks/prune?cluster=1", NULL);
	expect(f, 200, "{\"NetworksDeleted\":[],\"Warning\":\"\"}");
}

/* ---- connect, disconnect ---- */

static void test_connect(void **state)
{
	struct fixture *f = *state;

	ask(f, "POST", "/networks/demo/connect",
	    "{\"Target\":\"pid:7\",\"EndpointConfig\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.2\"},"
	    "\"Aliases\":[\"web\"],\"Name\":\"c1\"}}");
	expect(f, 200, "\"IPv4Address\":\"10.0.0.2/24\"");
	assert_string_equal(f->m.asked, "pid:7 name=c1 ip=10.0.0.2 aliases=1 ports=0/0 prio=0");
	ask(f, "POST", "/networks/demo/connect",
	    "{\"Target\":\"7\",\"EndpointConfig\":{\"GwPriority\":-4,\"Publish\":[{\"HostPort\":8080,"
	    "\"Port\":80},{\"Port\":81}]},\"More\":true}");
	assert_string_equal(f->m.asked, "7 name=- ip= aliases=0 ports=2/8080 prio=-4 more");
	f->m.status = err_set(&f->m.err, -EMSGSIZE, "MTU 1450 does not fit");
	ask(f, "POST", "/networks/demo/connect", "{\"Target\":\"7\"}");
	expect(f, 409, "MTU 1450 does not fit");
	ask(f, "POST", "/networks/none/connect", "{\"Target\":\"7\"}");
	expect(f, 404, "network none not found");
}

/* Who shares another's namespace joins and leaves nothing. */
static void test_connect_shared(void **state)
{
	struct container c = { .name = (char *)"side", .mode = (char *)"container:web" };
	struct fixture *f = *state;

	f->m.container = &c;
	ask(f, "POST", "/networks/demo/connect", "{\"Target\":\"run:side\"}");
	expect(f, 400, "container side shares the network namespace of another container");
	ask(f, "POST", "/networks/demo/disconnect", "{\"Target\":\"side\"}");
	expect(f, 400, "networks are not its own");
	c.mode = (char *)"host";
	ask(f, "POST", "/networks/demo/connect", "{\"Target\":\"side\"}");
	expect(f, 400, "shares the network namespace of the host");
	assert_string_equal(f->m.called, "");
	c.mode = (char *)"none";
	ask(f, "POST", "/networks/demo/connect", "{\"Target\":\"side\"}");
	assert_string_equal(f->m.called, "endpoint_connect");
	f->m.container = NULL;
}

static struct model_network *make_local(struct fixture *f, const char *name, const char *driver)
{
	struct model_network *rec = modules_network(&f->m, name, "172.20.0.0/16")->rec;

	free(rec->driver);
	rec->driver = mem_strdup(driver);
	rec->vni = 0;
	return rec;
}

/* Networks of this node: their scope and type; those from the start are neither dangling nor pruned. */
static void test_local_networks(void **state)
{
	struct fixture *f = *state;
	const struct model_network *own = make_local(f, "own", "bridge");

	make_local(f, "bridge", "bridge");
	make_local(f, "none", "null");
	make_local(f, "gw", "egress");
	modules_local(&f->m, own->id, "c9", "172.20.0.2", NULL);
	make_local(f, "idle", "bridge");
	ask(f, "GET", "/networks?filters={%22scope%22:[%22local%22]}", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 5);
	assert_string_equal(text_at(f->reply, "0/Name"), "bridge");
	assert_string_equal(text_at(f->reply, "0/Scope"), "local");
	assert_null(json_get(json_get(f->reply->child, "Options"), "vni"));
	ask(f, "GET", "/networks?filters={%22type%22:[%22builtin%22]}", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 3);
	ask(f, "GET", "/networks?filters={%22dangling%22:[%22true%22],%22scope%22:[%22local%22]}",
	    NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 1);
	assert_string_equal(text_at(f->reply, "0/Name"), "idle");
	ask(f, "GET", "/networks/own", NULL);
	expect(f, 200, "\"IPv4Address\":\"172.20.0.2/16\"");
	ask(f, "POST", "/networks/prune", NULL);
	assert_int_equal(f->status, 200);
	assert_string_equal(f->m.asked, "idle");
}

static void test_published(void **state)
{
	static struct model_publish v[] = {
		{ .proto = IPPROTO_TCP, .host_port = 8080, .port = 80 },
		{ .proto = IPPROTO_UDP, .host_port = 53, .port = 53 },
		{ .proto = IPPROTO_TCP, .host_port = 8081, .port = 80 },
	};
	struct fixture *f = *state;

	assert_int_equal(ip_parse("127.0.0.1", &v[1].host_ip, NULL), 0);
	f->m.locals[0]->publish = v;
	f->m.locals[0]->n_publish = ARRAY_SIZE(v);
	f->m.locals[0]->gw_priority = -2;
	ask(f, "GET", "/endpoints/c1", NULL);
	expect(f, 200, "\"Publish\":[{\"Proto\":\"tcp\",\"HostPort\":8080,\"Port\":80},");
	expect(f, 200,
	       "\"Ports\":{\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8080\"},"
	       "{\"HostIp\":\"::\",\"HostPort\":\"8080\"},{\"HostIp\":\"0.0.0.0\",");
	expect(f, 200, "\"53/udp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"53\"}]}");
	expect(f, 200, "\"GwPriority\":-2");
	ask(f, "GET", "/endpoints/c2", NULL);
	expect(f, 200, "\"Publish\":[],\"Ports\":{}");
}

static void disconnect(struct fixture *f, const char *target, bool force)
{
	_cleanup_free_ char *body =
		mem_printf("{\"Target\":\"%s\",\"Force\":%s}", target, force ? "true" : "false");

	f->m.called[0] = '\0';
	ask(f, "POST", "/networks/demo/disconnect", body);
}

static void test_disconnect(void **state)
{
	struct fixture *f = *state;
	char id[ID_TEXT_MAX];

	disconnect(f, "c1", false);
	expect(f, 204, "");
	/* Not here: whose is it? */
	f->m.status = err_set(&f->m.err, -ENOENT, "not connected on this node");
	disconnect(f, "nobody", false);
	expect(f, 404, "not connected on this node");
	disconnect(f, "nobody", true);
	expect(f, 204, "");
	disconnect(f, "c2", false);
	expect(f, 409, "endpoint c2 is on node node2: disconnect it there");
	disconnect(f, id_format(f->c2->id, id), true);
	expect(f, 409, "endpoint c2 is on node node2");
	disconnect(f, "c3", false);
	expect(f, 409, "on node node3, which is down: -f removes it");
	assert_string_equal(f->m.called, "endpoint_disconnect");
	/* The release fails as well here: ->status is one for all. */
	disconnect(f, "c3", true);
	assert_string_equal(f->m.called, "cluster_release_endpoint");
	assert_string_equal(f->m.asked, "c3");
	expect(f, 404, "");
	/* On its way out already. */
	disconnect(f, "c1", false);
	expect(f, 204, "");
}

/* ---- the rest ---- */

static void test_endpoints(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = NULL;
	char id[ID_TEXT_MAX];

	ask(f, "GET", "/endpoints", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 3);
	ask(f, "GET", "/endpoints?filters={%22node%22:[%22node1%22]}", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 1);
	assert_string_equal(text_at(f->reply, "0/Name"), "c1");
	assert_string_equal(text_at(f->reply, "0/IfName"), "eth0");
	ask(f, "GET", "/endpoints?filters={%22network%22:[%22other%22]}", NULL);
	expect(f, 200, "[]");
	ask(f, "GET", "/endpoints/c2", NULL);
	expect(f, 200, "\"Node\":\"node2\"");
	path = mem_printf("/endpoints/%.20s", id_format(f->c3->id, id));
	ask(f, "GET", path, NULL);
	expect(f, 200, "\"Name\":\"c3\"");
	ask(f, "GET", "/endpoints/nobody", NULL);
	expect(f, 404, "endpoint nobody not found");
	modules_endpoint(&f->m, f->other, "c2", "10.0.1.2", f->m.self);
	ask(f, "GET", "/endpoints/c2", NULL);
	expect(f, 409, "2 have that name");
}

static void test_nodes(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET", "/nodes", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 3);
	assert_string_equal(text_at(f->reply, "0/Name"), "node1");
	assert_string_equal(text_at(f->reply, "0/AddressLease"), "1234");
	assert_string_equal(text_at(f->reply, "2/State"), "down");
	assert_true(cJSON_IsTrue(json_get(f->reply->child, "Self")));
	ask(f, "GET", "/nodes/node2", NULL);
	expect(f, 200, "\"Endpoints\":1");
	ask(f, "DELETE", "/nodes/node3", NULL);
	expect(f, 204, "");
	assert_string_equal(f->m.asked, "node3");
	f->m.status = err_set(&f->m.err, -EBUSY, "node2 is alive");
	ask(f, "DELETE", "/nodes/node2", NULL);
	expect(f, 409, "node2 is alive");
}

static void test_info(void **state)
{
	struct fixture *f = *state;

	ask(f, "GET", "/info", NULL);
	expect(f, 200, "\"State\":\"synced\"");
	assert_string_equal(text_at(f->reply, "Node/Name"), "node1");
	assert_string_equal(text_at(f->reply, "Node/Vtep"), "192.168.205.10");
	assert_string_equal(text_at(f->reply, "Etcd/0/Error"), "connection refused");
	expect(f, 200, "\"Networks\":2,\"Endpoints\":3,\"LocalEndpoints\":1");
	expect(f, 200, "\"DriftRepaired\":2");
	expect(f, 200, "\"ForeignVxlanDropped\":3");
	assert_null(json_get(json_get(f->reply, "Cluster"), "Found"));
	f->m.state = MIRROR_FROZEN;
	ask(f, "GET", "/info", NULL);
	expect(f, 200, "\"Found\":{}");
	f->m.ctx.kv = NULL;
	ask(f, "GET", "/info", NULL);
	expect(f, 200, "\"State\":\"standalone\"");
	ask(f, "GET", "/version", NULL);
	expect(f, 200, "\"Version\":\"1.2.3\"");
}

static void test_cluster(void **state)
{
	struct fixture *f = *state;

	ask(f, "POST", "/cluster/adopt", NULL);
	expect(f, 200, "{\"NetworksRestored\":4}");
	ask(f, "POST", "/reset", NULL);
	expect(f, 204, "");
	assert_string_equal(f->m.called, "reset");
	f->m.status = err_set(&f->m.err, -EALREADY, "nothing is frozen");
	ask(f, "POST", "/cluster/adopt", NULL);
	expect(f, 409, "nothing is frozen");
	f->m.ctx.cluster = NULL;
	ask(f, "POST", "/cluster/adopt", NULL);
	expect(f, 400, "no etcd");
}

static void test_log_level(void **state)
{
	struct fixture *f = *state;
	enum log_level before = log_get_level();

	ask(f, "PUT", "/log-level", "{\"Level\":\"error\"}");
	expect(f, 204, "");
	assert_int_equal(log_get_level(), LOG_LEVEL_ERROR);
	ask(f, "POST", "/log-level", "{\"Level\":\"loud\"}");
	expect(f, 400, "is none of error, warn, info, debug");
	assert_int_equal(log_get_level(), LOG_LEVEL_ERROR);
	log_set_level(before);
}

static void hear(struct fixture *f, const char *want, const char * not )
{
	_cleanup_free_ char *text = api_client_hear(&f->loop, f->fd, want);

	if (not )
		assert_null(strstr(text, not ));
}

static void test_events(void **state)
{
	static const char request[] =
		"GET /events?filters={%22network%22:[%22demo%22]} HTTP/1.1\r\nHost: o\r\n\r\n";
	_cleanup_kv_pairs_ struct kv_pairs attrs = { 0 };
	struct fixture *f = *state;

	kv_pairs_set(&attrs, "network", "demo");
	assert_int_equal(send(f->fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
	hear(f, "chunked", NULL);
	events_publish(f->m.ctx.events, "network", "create", "abc", NULL);
	events_publish(f->m.ctx.events, "node", "up", "def", NULL);
	events_publish(f->m.ctx.events, "endpoint", "connect", "xyz", &attrs);
	hear(f, "\"Action\":\"connect\"", "\"Action\":\"create\"");
	kv_pairs_set(&attrs, "name", "demo");
	events_publish(f->m.ctx.events, "network", "destroy", "abc", &attrs);
	hear(f, "\"Action\":\"destroy\"", NULL);
	/* The client goes: the subscription with it (events_free() and the leak check would tell). */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_list),		T(test_inspect),    T(test_inspect_odd),
		T(test_create),		T(test_remove),	    T(test_prune),
		T(test_connect),	T(test_disconnect), T(test_connect_shared),
		T(test_local_networks), T(test_published),  T(test_endpoints),
		T(test_nodes),		T(test_info),	    T(test_cluster),
		T(test_log_level),	T(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
