/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is who on docker_gwbridge, and when questions are redirected. This node's endpoints, the host's addresses, sockets and memory are stand-ins here.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/names_priv.h"
#include "base/mem.h"
#include "overlay/state.h"

#define ROWS_MAX 4

static struct {
	struct names n;
	struct config config;
	struct dns_clients *clients;
	struct local_endpoint rows[ROWS_MAX]; /* those with an engine run */
	struct strv none;
	struct model_network net;
	struct ip host[4]; /* addresses of docker_gwbridge */
	size_t n_host;
	char remembered[8];
	struct ip served[8];
	size_t n_served;
	int listen_status;
	unsigned again, checks, unknown, problems;
	int wanted; /* as told; -1: not */
	unsigned told;
	dns_stranger_fn stranger;
	void *stranger_user;
} lab;

/* ---- stand-ins ---- */

void endpoints_running(struct endpoints *es, const struct state_target *t,
		       void (*fn)(void *user, const struct local_endpoint *ep), void *user)
{
	(void)es;
	assert_null(t);
	for (size_t i = 0; i < ROWS_MAX; i++) {
		if (lab.rows[i].engine)
			fn(user, &lab.rows[i]);
	}
}

const struct model_network *network_get(struct networks *n, struct id id)
{
	(void)n;
	return id_eq(id, lab.net.id) ? &lab.net : NULL;
}

int local_get(struct local *l, const char *name, char **ret)
{
	(void)l;
	assert_string_equal(name, "docker-gwbridge");
	if (!lab.remembered[0])
		return -ENOENT;
	*ret = mem_strdup(lab.remembered);
	return 0;
}

int local_set(struct local *l, const char *name, const char *value, struct err *e)
{
	(void)l;
	(void)name;
	(void)e;
	snprintf(lab.remembered, sizeof(lab.remembered), "%s", value);
	return 0;
}

int getifaddrs(struct ifaddrs **ret)
{
	static struct sockaddr_storage sa[5];
	static struct ifaddrs v[5];
	static char bridge[] = STATE_DOCKER_GWBRIDGE, other[] = "docker0";

	for (size_t i = 0; i <= lab.n_host; i++) {
		struct ip ip = i < lab.n_host ? lab.host[i] : ip_v4(0xac110001);

		ip_to_sockaddr(ip, 0, &sa[i]);
		v[i] = (struct ifaddrs){ .ifa_next = i < lab.n_host ? &v[i + 1] : NULL,
					 .ifa_name = i < lab.n_host ? bridge : other,
					 .ifa_addr = (struct sockaddr *)&sa[i] };
	}
	*ret = v;
	return 0;
}

void freeifaddrs(struct ifaddrs *v)
{
	(void)v;
}

struct dns_clients *dns_clients(struct dns *d)
{
	(void)d;
	return lab.clients;
}

struct dns_listen *dns_listen(struct dns *d)
{
	(void)d;
	return NULL;
}

int dns_listen_host(struct dns_listen *l, uint32_t key, const char *ifname, struct ip address,
		    struct err *e)
{
	(void)l;
	assert_int_equal(key, strcmp(ifname, STATE_DOCKER_GWBRIDGE) == 0 ?
				      STATE_KEY_DOCKER_GWBRIDGE :
				      STATE_KEY_DOCKER_BRIDGE);
	if (lab.listen_status < 0)
		return err_set(e, lab.listen_status, "in use");
	for (size_t i = 0; i < lab.n_served; i++) {
		if (ip_eq(lab.served[i], address))
			return 0;
	}
	lab.served[lab.n_served++] = address;
	return 0;
}

void dns_listen_host_del(struct dns_listen *l, uint32_t key)
{
	(void)l;
	if (key == STATE_KEY_DOCKER_GWBRIDGE)
		lab.n_served = 0;
}

void dns_strangers(struct dns *d, uint32_t key, dns_stranger_fn fn, void *user)
{
	(void)d;
	assert_int_equal(key, STATE_KEY_DOCKER_GWBRIDGE);
	lab.stranger = fn;
	lab.stranger_user = user;
}

void dns_strangers_again(struct dns *d)
{
	(void)d;
	lab.again++;
}

void names_note(struct names *n, uint32_t key, const struct err *e)
{
	(void)n;
	if (key == STATE_KEY_DOCKER_GWBRIDGE)
		lab.problems = 0;
	lab.problems += e != NULL;
}

void names_retry(struct names *n)
{
	(void)n;
	lab.checks++;
}

/* ---- */

static void redirect(void *user, bool wanted)
{
	(void)user;
	lab.told++;
	lab.wanted = wanted;
}

static void count_unknown(void *user)
{
	(*(unsigned *)user)++;
}

static char engine[] = "docker", path1[] = "/run/docker/netns/111111111111",
	    path2[] = "/run/docker/netns/222222222222", api[] = "/docker.sock";

/* A life of the agent begins; it is not started yet. */
static void begin(void)
{
	lab.n = (struct names){ .d = { .config = &lab.config, .gwbridge = redirect } };
	lab.wanted = -1;
	lab.told = lab.again = lab.unknown = 0;
	lab.clients = dns_clients_new();
	names_gwbridge_new(&lab.n);
	names_gwbridge_watch(&lab.n, count_unknown, &lab.unknown);
}

static void start(void)
{
	lab.n.started = true;
	names_gwbridge_check(&lab.n);
}

static void end(void)
{
	names_gwbridge_done(&lab.n);
	dns_clients_free(lab.clients);
}

static int setup(void **state)
{
	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.config.docker_api = api;
	lab.net.id = id_random();
	lab.host[0] = ip_v4(0xac120001);
	lab.n_host = 1;
	begin();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	end();
	return 0;
}

static struct local_endpoint *join(size_t i, char *path)
{
	struct local_endpoint *r = &lab.rows[i];

	*r = (struct local_endpoint){
		.id = id_random(),
		.network = lab.net.id,
		.engine = engine,
		.target = { .path = path, .netns_dev = ENDPOINT_DOCKER_DEV, .netns_ino = 100 + i }
	};
	names_gwbridge_row(&lab.n, r, false);
	return r;
}

static void leave(size_t i)
{
	struct local_endpoint was = lab.rows[i];

	lab.rows[i].engine = NULL;
	names_gwbridge_row(&lab.n, &was, true);
}

static struct names_gwbridge on(uint8_t id, const char *sandbox, uint32_t ip)
{
	struct names_gwbridge m = { .endpoint = { .b = { id } }, .ip4 = ip_v4(ip) };

	snprintf(m.sandbox, sizeof(m.sandbox), "%s", sandbox);
	return m;
}

static void took(const struct names_gwbridge *v, size_t n)
{
	names_gwbridge_took(&lab.n, v, n, names_gwbridge_generation(&lab.n));
}

/* Whose place is that address, as far as is known? UINT64_MAX: nobody's; 0: somebody else's. */
static uint64_t who(uint32_t ip)
{
	const struct dns_client *c =
		dns_client_find(lab.clients, STATE_KEY_DOCKER_GWBRIDGE, ip_v4(ip));

	assert_true(!c || c->forward);
	return c ? c->place.ino : UINT64_MAX;
}

#define IP2 0xac120002
#define IP3 0xac120003
#define IP4 0xac120004

static void who_is_who(void **state)
{
	struct names_gwbridge v[] = { on(1, "111111111111", IP2), on(2, "222222222222", IP3),
				      on(3, "333333333333", IP4) };

	(void)state;
	start();
	join(0, path1);
	join(1, path2);
	assert_true(who(IP2) == UINT64_MAX);
	lab.stranger(lab.stranger_user, ip_v4(IP2));
	assert_int_equal(lab.unknown, 1);
	took(v, 3);
	assert_int_equal(lab.again, 1);
	assert_true(who(IP2) == 100);
	assert_true(who(IP3) == 101);
	assert_true(who(IP4) == 0);
	/* Another address, another endpoint there. */
	v[0] = on(4, "111111111111", IP3);
	v[1] = on(2, "222222222222", IP2);
	took(v, 2);
	assert_true(who(IP2) == 101);
	assert_true(who(IP3) == 100);
	assert_true(who(IP4) == UINT64_MAX);
	took(NULL, 0);
	assert_true(who(IP2) == UINT64_MAX);
}

/* An address may be another's before Docker is asked again. */
static void what_is_known_grows_old(void **state)
{
	struct names_gwbridge v[] = { on(1, "111111111111", IP2), on(3, "333333333333", IP4) };
	unsigned before;

	(void)state;
	start();
	join(0, path1);
	join(2, path1); /* two networks, one sandbox */
	took(v, 2);
	leave(0);
	assert_true(who(IP2) == 100);
	leave(2);
	assert_true(who(IP2) == UINT64_MAX);
	assert_true(who(IP4) == 0);
	/* One comes: who is somebody else's is to be asked anew. */
	join(1, path2);
	assert_true(who(IP4) == UINT64_MAX);
	/* What was asked before that tells of ours alone. */
	before = names_gwbridge_generation(&lab.n);
	join(0, path1);
	names_gwbridge_took(&lab.n, v, 2, before);
	assert_true(who(IP2) == 100);
	assert_true(who(IP4) == UINT64_MAX);
	took(v, 2);
	assert_true(who(IP4) == 0);
}

static void when_it_is_wanted(void **state)
{
	(void)state;
	start();
	assert_int_equal(lab.told, 0);
	join(0, path1);
	assert_false(names_gwbridge_wanted(&lab.n));
	assert_int_equal(lab.n_served, 0);
	names_gwbridge_usable(&lab.n, true);
	assert_int_equal(lab.wanted, 1);
	assert_true(names_gwbridge_wanted(&lab.n));
	assert_int_equal(lab.n_served, 1);
	assert_string_equal(lab.remembered, "1");
	/* With the last one it goes; one of an engine of ours is none. */
	lab.rows[3] = (struct local_endpoint){ .engine = NULL };
	leave(0);
	assert_int_equal(lab.wanted, 0);
	assert_int_equal(lab.n_served, 0);
	/* There is no such way out of an internal network. */
	lab.net.internal = true;
	join(0, path1);
	assert_false(names_gwbridge_wanted(&lab.n));
	lab.net.internal = false;
	join(1, path2);
	assert_int_equal(lab.wanted, 1);
	names_gwbridge_usable(&lab.n, false);
	assert_int_equal(lab.wanted, 0);
	assert_string_equal(lab.remembered, "0");
	assert_int_equal(lab.told, 4);
}

static void addresses_change(void **state)
{
	(void)state;
	start();
	names_gwbridge_usable(&lab.n, true);
	lab.n_host = 0; /* it comes with the first container that needs it */
	join(0, path1);
	assert_int_equal(lab.wanted, 1);
	assert_int_equal(lab.n_served, 0);
	assert_int_equal(lab.checks, 0);
	lab.n_host = 3;
	assert_int_equal(ip_parse("fe80::1", &lab.host[1], NULL), 0);
	assert_int_equal(ip_parse("fd18::1", &lab.host[2], NULL), 0);
	names_gwbridge_check(&lab.n);
	assert_int_equal(lab.n_served, 2);
	lab.host[0] = ip_v4(0xac1d0001);
	lab.n_host = 1;
	names_gwbridge_check(&lab.n);
	assert_int_equal(lab.n_served, 1);
	assert_true(ip_eq(lab.served[0], lab.host[0]));
	assert_int_equal(lab.told, 1);
	/* Where nobody would answer nothing is redirected. */
	lab.listen_status = -EADDRINUSE;
	names_gwbridge_check(&lab.n);
	assert_int_equal(lab.wanted, 0);
	assert_false(names_gwbridge_wanted(&lab.n));
	assert_int_equal(lab.problems, 1);
	assert_int_equal(lab.checks, 1);
	lab.listen_status = 0;
	names_gwbridge_check(&lab.n);
	assert_int_equal(lab.wanted, 1);
	assert_int_equal(lab.problems, 0);
}

static void over_a_restart(void **state)
{
	(void)state;
	start();
	join(0, path1);
	names_gwbridge_usable(&lab.n, true);
	end();
	/* Docker has not said a word; what is in the kernel is still wanted. */
	begin();
	assert_true(names_gwbridge_wanted(&lab.n));
	start();
	assert_int_equal(lab.n_served, 1);
	assert_int_equal(lab.wanted, 1);
	end();
	/* And in this life it cannot be served, or Docker not be asked. */
	lab.listen_status = -EADDRINUSE;
	begin();
	assert_true(names_gwbridge_wanted(&lab.n));
	start();
	assert_int_equal(lab.wanted, 0);
	end();
	lab.listen_status = 0;
	lab.config.docker_api = NULL;
	begin();
	assert_false(names_gwbridge_wanted(&lab.n));
	assert_false(names_gwbridge_wanted(NULL));
	start();
	assert_int_equal(lab.told, 0);
}

static size_t elems(void)
{
	_cleanup_state_net_ struct state_net *n = state_net_new(STATE_KEY_DOCKER_GWBRIDGE);

	names_bridges_elems(&lab.n, n);
	return n->n_elems;
}

static size_t ifaces(const char *first, const char *second)
{
	_cleanup_free_ char(*v)[IFNAMSIZ] = NULL;
	size_t n = names_docker_ifaces(&lab.n, &v);

	assert_true(n < 1 || strcmp(v[0], first) == 0);
	assert_true(n < 2 || strcmp(v[1], second) == 0);
	return n;
}

/* A container that has its way out elsewhere. */
static void ordinary_bridges(void **state)
{
	struct names_bridge v[] = {
		{ .endpoint = { .b = { 9 } }, .ifname = "docker0", .ip4 = ip_v4(0xac110003) },
		{ .endpoint = { .b = { 8 } }, .ifname = "br-none", .ip4 = ip_v4(0xac130003) }
	};
	const struct dns_client *c;

	(void)state;
	start();
	names_bridges(&lab.n, "111111111111", v, 2);
	assert_int_equal(lab.told, 0);
	assert_int_equal(elems(), 0);
	join(0, path1);
	names_bridges(&lab.n, "111111111111", v, 2);
	assert_int_equal(lab.told, 1);
	/* Only where somebody answers. */
	assert_int_equal(elems(), 1);
	assert_int_equal(ifaces("docker0", NULL), 1);
	c = dns_client_find(lab.clients, STATE_KEY_DOCKER_BRIDGE, v[0].ip4);
	assert_non_null(c);
	assert_true(c->place.ino == 100 && c->forward);
	assert_null(dns_client_find(lab.clients, STATE_KEY_DOCKER_BRIDGE, ip_v4(0xac110004)));
	names_bridges(&lab.n, "111111111111", v, 2);
	assert_int_equal(lab.told, 1);
	names_gwbridge_usable(&lab.n, true);
	assert_int_equal(ifaces(STATE_DOCKER_GWBRIDGE, "docker0"), 2);
	/* Its socket is lost, and had again. */
	lab.listen_status = -EADDRINUSE;
	names_gwbridge_check(&lab.n);
	assert_int_equal(elems(), 0);
	assert_int_equal(ifaces("", NULL), 0);
	lab.listen_status = 0;
	names_gwbridge_check(&lab.n);
	assert_int_equal(elems(), 1);
	names_bridges(&lab.n, "111111111111", v + 1, 1);
	assert_int_equal(elems(), 0);
	assert_null(dns_client_find(lab.clients, STATE_KEY_DOCKER_BRIDGE, v[0].ip4));
	names_bridges(&lab.n, "111111111111", v, 1);
	assert_int_equal(elems(), 1);
	leave(0);
	assert_int_equal(elems(), 0);
	assert_null(dns_client_find(lab.clients, STATE_KEY_DOCKER_BRIDGE, v[0].ip4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_is_who, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_known_grows_old, setup, teardown),
		cmocka_unit_test_setup_teardown(when_it_is_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_change, setup, teardown),
		cmocka_unit_test_setup_teardown(over_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(ordinary_bridges, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
