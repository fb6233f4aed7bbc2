/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of this node, without etcd: a real memory, a mirror filled from a snapshot, and a host as the test says. */
#include "agent/network.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "agent/hostnet.h"
#include "base/mem.h"
#include "store/local.h"

struct lab {
	char *dir;
	uv_loop_t loop;
	struct mirror *mirror;
	struct local *local;
	struct config config;
	struct networks *n;
	/* What the last call said. */
	int status, calls;
	struct err err;
	struct id id;
	char told[128]; /* by networks_on_local() */
	struct id busy;
};

/* ---- the host ---- */

/* In the place of agent/hostnet_read.c */
void hostnet_read(struct kernel *k, struct hostnet_taken *ret, struct err *e)
{
	static const struct {
		const char *prefix, *dev;
		bool own;
	} routes[] = {
		{ "172.31.0.0/16", "eth1", false }, /* the first pool is taken */
		{ "192.168.7.0/24", "eth0", false },
		{ "172.30.0.0/16", "ovl0", true },
		{ "10.8.0.0/16", "tun0", false },
	};

	(void)k;
	(void)e;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		char *who = mem_printf("route %s dev %s", routes[i].prefix, routes[i].dev);
		struct prefix p;

		assert_int_equal(prefix_parse(routes[i].prefix, &p, NULL), 0);
		hostnet_add(ret, p, who, routes[i].dev, routes[i].own);
		free(who);
	}
	hostnet_nameservers("nameserver 192.168.7.1\nnameserver 10.9.0.53\n", ret);
}

int hostnet_device(struct kernel *k, const char *ifname, bool *ret_own, struct err *e)
{
	(void)k;
	if (ret_own)
		*ret_own = strcmp(ifname, "ovl0") == 0;
	if (strcmp(ifname, "eth0") == 0 || strcmp(ifname, "eth1") == 0 ||
	    strcmp(ifname, "docker0") == 0 || strcmp(ifname, "ovl0") == 0)
		return 0;
	return err_set(e, -ENODEV, "there is no interface %s on this host", ifname);
}

int hostnet_parent(struct kernel *k, const char *ifname, struct err *e)
{
	if (strcmp(ifname, "eth2") == 0)
		return err_set(e, -EBUSY, "eth2 cannot be the parent: it is a port of br0");
	return hostnet_device(k, ifname, NULL, e);
}

/* ---- the lab ---- */

static struct ip no_vtep(void *user)
{
	(void)user;
	return (struct ip){ 0 };
}

static const char *busy(void *user, struct id id)
{
	struct lab *l = user;

	return id_eq(l->busy, id) ? "web" : NULL;
}

static void on_local(void *user, const struct model_network *net, bool removed)
{
	struct lab *l = user;
	size_t at = strlen(l->told);

	snprintf(l->told + at, sizeof(l->told) - at, "%c%s ", removed ? '-' : '+', net->name);
}

static void start(struct lab *l)
{
	struct networks_deps d = { .mirror = l->mirror,
				   .local = l->local,
				   .config = &l->config,
				   .vtep = no_vtep,
				   .busy = busy,
				   .user = l };
	struct err e = { 0 };

	l->n = networks_new(&d);
	networks_on_local(l->n, on_local, l);
	if (networks_load(l->n, &e) < 0)
		fail_msg("%s", e.text);
}

static void restart(struct lab *l)
{
	networks_free(l->n);
	start(l);
}

static int set_up(void **state)
{
	static const struct mirror_handlers none = { 0 };
	static const struct mirror_config mc = { .prefix = "/ovl/v1" };
	struct lab *l = mem_alloc(sizeof(*l));

	l->dir = mem_strdup("/tmp/ovl-test-network-XXXXXX");
	if (!mkdtemp(l->dir) || local_open(l->dir, &l->local, NULL) < 0)
		return -1;
	uv_loop_init(&l->loop);
	l->mirror = mirror_new(&l->loop, NULL, &mc, &none, l);
	l->config.etcd_prefix = (char *)"/ovl/v1";
	for (uint32_t i = 0; i < 15; i++)
		l->config.local_pools[i] =
			(struct subnet_pool){ { ip_v4(0xac1f0000 - (i << 16)), 16 }, 16 };
	l->config.local_pools[15] = (struct subnet_pool){ { ip_v4(0xc0a80000), 16 }, 20 };
	l->config.n_local_pools = 16;
	*state = l;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct lab *l = *state;

	networks_free(l->n);
	mirror_close(l->mirror);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	uv_loop_close(&l->loop);
	local_close(l->local);
	nftw(l->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(l->dir);
	free(l);
	return 0;
}

static void cluster_network(struct lab *l, char digit, const char *name, const char *subnet,
			    const char *gateway)
{
	char id[ID_TEXT_MAX] = "";
	_cleanup_free_ char *key = NULL, *value = NULL;

	memset(id, digit, ID_TEXT_LEN);
	key = mem_printf("/ovl/v1/network/%s", id);
	value = mem_printf(
		"{\"name\":\"%s\",\"vni\":%d,\"mtu\":1450,\"subnets\":[{\"subnet\":\"%s\","
		"\"gateway\":\"%s\"}]}",
		name, 1000 + digit, subnet, gateway);
	mirror_load(l->mirror, key, value, strlen(value), 5);
}

static void done(void *user, int status, const struct model_network *net, const struct err *e)
{
	struct lab *l = user;

	l->calls++;
	l->status = status;
	l->err = *e;
	if (net)
		l->id = net->id;
	assert_int_equal(status == 0, net != NULL);
}

/* @text: "subnet=... gateway=... range=... ipv6= internal= KEY=VALUE ..." */
static const struct model_network *create(struct lab *l, const char *name, const char *driver,
					  const char *text)
{
	struct network_request req = { .name = name, .driver = driver };
	_cleanup_strv_ struct strv words = { 0 };

	strv_split(&words, text, ' ');
	for (size_t i = 0; i < words.n; i++) {
		char *key = words.v[i], *value = strchr(key, '=') + 1;

		value[-1] = '\0';
		if (strcmp(key, "subnet") == 0)
			strv_add(&req.subnets, value);
		else if (strcmp(key, "gateway") == 0)
			strv_add(&req.gateways, value);
		else if (strcmp(key, "ipv6") == 0)
			req.ipv6 = true;
		else
			kv_pairs_set(&req.options, key, value);
	}
	l->calls = 0;
	network_create(l->n, &req, done, l);
	assert_int_equal(l->calls, 1);
	strv_done(&req.subnets);
	strv_done(&req.gateways);
	kv_pairs_done(&req.options);
	return l->status == 0 ? network_get(l->n, l->id) : NULL;
}

static const struct model_network *made(struct lab *l, const char *name, const char *driver,
					const char *text)
{
	const struct model_network *net = create(l, name, driver, text);

	if (!net)
		fail_msg("%s: %s", name, l->err.text);
	return net;
}

static const struct model_network *found(struct lab *l, const char *ref)
{
	const struct model_network *net = NULL;
	struct err e = { 0 };

	if (network_find(l->n, ref, &net, &e) < 0)
		fail_msg("%s", e.text);
	return net;
}

static const char *subnet_of(const struct model_network *net, size_t i, char *buf)
{
	assert_true(net->n_subnets > i);
	return prefix_format(net->subnets[i].subnet, buf);
}

static void add_name(void *user, const struct model_network *net)
{
	char *text = user;
	size_t at = strlen(text);

	snprintf(text + at, 256 - at, "%s/%s ", net->name, net->driver);
}

static const char *all(struct lab *l, char text[256])
{
	text[0] = '\0';
	network_each(l->n, add_name, text);
	return text;
}

/* ---- tests ---- */

static void predefined(void **state)
{
	static const char *const names[] = { "bridge", "host", "none" };
	struct lab *l = *state;
	const struct model_network *net;
	char text[256], bridge[IFNAMSIZ];
	struct id ids[3];

	start(l);
	assert_string_equal(all(l, text), "bridge/bridge host/host none/null ");
	net = found(l, "bridge");
	/* Not the first pool: the host routes it. The second's route is our own bridge's. */
	assert_string_equal(subnet_of(net, 0, text), "172.30.0.0/16");
	assert_string_equal(ip_format(net->subnets[0].gateway, text), "172.30.0.1");
	assert_int_equal(network_key(net), STATE_KEY_LOCAL + 1);
	network_bridge(net, bridge);
	assert_string_equal(bridge, "ovl0");
	assert_int_equal(network_key(found(l, "host")), 0);
	assert_int_equal(network_key(found(l, "none")), 0);
	assert_ptr_equal(network_by_key(l->n, STATE_KEY_LOCAL + 1), net);
	for (int i = 0; i < 3; i++) {
		ids[i] = found(l, names[i])->id;
		assert_true(network_is_predefined(found(l, names[i])));
		l->calls = 0;
		network_remove(l->n, ids[i], done, l);
		assert_int_equal(l->status, -EACCES);
		snprintf(text, sizeof(text), "%s is a pre-defined network and cannot be removed",
			 names[i]);
		assert_string_equal(l->err.text, text);
	}
	/* The same ones at the next start, whatever is configured by then. */
	prefix_parse("10.77.0.0/24", &l->config.default_bridge_subnet, NULL);
	restart(l);
	for (int i = 0; i < 3; i++)
		assert_true(id_eq(found(l, names[i])->id, ids[i]));
	assert_string_equal(subnet_of(found(l, "bridge"), 0, text), "172.30.0.0/16");
}

static void default_bridge_as_configured(void **state)
{
	struct lab *l = *state;
	struct networks *n;
	const struct model_network *net;
	char text[64];
	struct err e = { 0 };

	/* What cannot be had leaves the rest usable, and is made when it can. */
	prefix_parse("10.8.0.0/24", &l->config.default_bridge_subnet, NULL);
	start(l);
	n = l->n;
	assert_int_equal(network_find(n, "bridge", &net, &e), -ENOENT);
	found(l, "none");
	prefix_parse("10.77.0.0/24", &l->config.default_bridge_subnet, NULL);
	restart(l);
	assert_string_equal(subnet_of(found(l, "bridge"), 0, text), "10.77.0.0/24");
}

static void bridges(void **state)
{
	struct lab *l = *state;
	const struct model_network *a, *b;
	char text[256], name[IFNAMSIZ], hex[ID_SHORT_MAX];
	struct netopt o;
	struct id id;

	start(l);
	l->told[0] = '\0';
	a = made(l, "lan", NULL, "mtu=1400 icc=off ipv6=1"); /* no etcd: a bridge */
	assert_string_equal(a->driver, "bridge");
	assert_string_equal(subnet_of(a, 0, text), "172.29.0.0/16");
	assert_int_equal(a->n_subnets, 2);
	assert_int_equal(a->subnets[1].subnet.ip.b[0], 0xfd);
	assert_int_equal(a->subnets[1].subnet.len, 64);
	assert_int_equal(a->number, 2);
	assert_int_equal(a->mtu, 1400);
	network_bridge(a, name);
	snprintf(text, sizeof(text), "ovl-%.11s", id_short(a->id, hex));
	assert_string_equal(name, text);
	network_options(a, &o);
	assert_false(o.icc);
	b = made(l, "dmz", "bridge", "subnet=10.5.0.0/24 gateway=10.5.0.254 bridge.name=br-dmz");
	assert_int_equal(network_key(b), STATE_KEY_LOCAL + 3);
	network_bridge(b, name);
	assert_string_equal(name, "br-dmz");
	assert_int_equal(b->subnets[0].gateway.b[3], 254);
	/* A second ULA of the same node: the same /48. */
	a = network_get(l->n, found(l, "lan")->id);
	id = a->id;
	b = made(l, "six", "bridge", "ipv6=1");
	assert_memory_equal(a->subnets[1].subnet.ip.b, b->subnets[1].subnet.ip.b, 6);
	assert_false(prefix_eq(a->subnets[1].subnet, b->subnets[1].subnet));
	assert_string_equal(l->told, "+lan +dmz +six ");
	restart(l);
	assert_string_equal(all(l, text),
			    "bridge/bridge dmz/bridge host/host lan/bridge none/null six/bridge ");
	assert_int_equal(found(l, "lan")->number, 2);
	/* Removed: not while in use; its number and subnet are free again. */
	l->told[0] = '\0';
	l->busy = id;
	network_remove(l->n, id, done, l);
	assert_int_equal(l->status, -EBUSY);
	assert_string_equal(l->err.text, "network lan has endpoints: web");
	l->busy = (struct id){ 0 };
	network_remove(l->n, id, done, l);
	assert_int_equal(l->status, 0);
	assert_null(network_get(l->n, id));
	a = made(l, "again", "bridge", "subnet=172.29.0.0/16");
	assert_int_equal(a->number, 2);
	assert_string_equal(l->told, "-lan +again ");
	restart(l);
	assert_null(network_get(l->n, id));
}

static const struct {
	const char *name, *driver, *text;
	int code;
	const char *says;
} wrong[] = {
	{ "x", "overlay", "", -EINVAL,
	  "driver overlay needs etcd, and this agent has none (--etcd)" },
	{ "x", "host", "", -EINVAL, "driver host: only the pre-defined network" },
	{ "x", "weave", "", -EINVAL, "driver \"weave\" is not known" },
	{ "none", "bridge", "", -EINVAL, "network name: \"none\" is reserved" },
	{ "egress", "bridge", "", -EINVAL, "network name: \"egress\" is reserved" },
	{ "a b", "bridge", "", -EINVAL, "network name: \"a b\"" },
	{ "lan", "bridge", "", -EEXIST, "a network named lan exists already on this node (id " },
	{ "demo", "bridge", "", -EEXIST, "a network named demo exists already (id " },
	{ "x", "bridge", "colour=red", -EINVAL, "option colour: not known to driver bridge" },
	{ "x", "bridge", "subnet=10.8.3.0/24", -EINVAL,
	  "10.8.3.0/24 overlaps route 10.8.0.0/16 dev tun0" },
	{ "x", "bridge", "subnet=10.9.0.0/24", -EINVAL,
	  "10.9.0.0/24 overlaps nameserver 10.9.0.53" },
	{ "x", "bridge", "subnet=172.29.4.0/24", -EINVAL,
	  "172.29.4.0/24 overlaps network lan (172.29.0.0/16)" },
	{ "x", "bridge", "subnet=10.66.1.0/24", -EINVAL,
	  "10.66.1.0/24 overlaps network demo (10.66.0.0/16)" },
	{ "x", "bridge", "subnet=172.30.4.0/24", -EINVAL,
	  "172.30.4.0/24 overlaps network bridge (172.30.0.0/16)" },
	{ "x", "bridge", "bridge.name=docker0", -EEXIST,
	  "option bridge.name: this host has an interface docker0 already, which is not ovl's" },
	{ "x", "bridge", "bridge.name=ovl0", -EEXIST,
	  "option bridge.name: ovl0 is the bridge of network bridge" },
	{ "x", "macvlan", "parent=eth0", -EINVAL,
	  "an IPv4 subnet must be given: that of the segment outside" },
	{ "x", "macvlan", "parent=eth7 subnet=10.0.0.0/24", -EINVAL,
	  "option parent: there is no interface eth7 on this host" },
	{ "x", "macvlan", "parent=eth2 subnet=10.0.0.0/24", -EBUSY,
	  "option parent: eth2 cannot be the parent: it is a port of br0" },
	{ "x", "macvlan", "subnet=10.0.0.0/24", -EINVAL, "-o parent=" },
	{ "x", "ipvlan", "parent=eth0 subnet=10.0.0.0/24", -EBUSY,
	  "option parent: eth0 is used by network seg with driver macvlan" },
	{ "x", "macvlan", "parent=eth0 subnet=10.0.0.0/24 mode=passthru", -EBUSY,
	  "and mode passthru wants it alone" },
	{ "x", "macvlan", "parent=eth1 subnet=192.168.7.0/24", -EINVAL,
	  "192.168.7.0/24 overlaps route 192.168.7.0/24 dev eth0" },
	{ "a b", "bridge", "mtu=1 subnet=10.0.0.1/8", -EINVAL,
	  "; option mtu: \"1\" is not a number from 576 to 65535; subnet " },
};

static void refused(void **state)
{
	struct lab *l = *state;
	char before[256], after[256];

	cluster_network(l, 'd', "demo", "10.66.0.0/16", "10.66.0.1");
	start(l);
	made(l, "lan", NULL, "");
	/* The parent's own route, and the nameserver on it, are what is to be expected there. */
	made(l, "seg", "macvlan", "parent=eth0 subnet=192.168.7.0/24");
	all(l, before);
	l->told[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (create(l, wrong[i].name, wrong[i].driver, wrong[i].text))
			fail_msg("%s was made", wrong[i].text);
		assert_int_equal(l->status, wrong[i].code);
		if (!strstr(l->err.text, wrong[i].says))
			fail_msg("\"%s\" does not say \"%s\"", l->err.text, wrong[i].says);
	}
	/* Nothing is left behind. */
	assert_string_equal(all(l, after), before);
	assert_string_equal(l->told, "");
	restart(l);
	assert_string_equal(all(l, after), before);
}

static void on_a_parent(void **state)
{
	struct lab *l = *state;
	const struct model_network *net;
	struct netopt o;

	start(l);
	net = made(l, "seg", "macvlan", "parent=eth0 subnet=192.168.7.0/24 macvlan_mode=vepa");
	assert_false(ip_is_set(net->subnets[0].gateway));
	network_options(net, &o);
	assert_string_equal(o.parent, "eth0");
	assert_string_equal(o.mode, "vepa");
	assert_true(network_key(net) > STATE_KEY_LOCAL);
	net = made(l, "two", "macvlan", "parent=eth0 subnet=10.7.0.0/24 gateway=10.7.0.254");
	assert_int_equal(net->subnets[0].gateway.b[3], 254);
	restart(l);
	assert_false(ip_is_set(found(l, "seg")->subnets[0].gateway));
}

static void egress(void **state)
{
	struct lab *l = *state;
	const struct model_network *net = NULL, *again = NULL;
	char text[256];
	struct err e = { 0 };

	start(l);
	l->told[0] = '\0';
	assert_int_equal(network_egress(l->n, &net, &e), 0);
	assert_int_equal(network_egress(l->n, &again, &e), 0);
	assert_ptr_equal(net, again);
	assert_string_equal(l->told, "+egress ");
	assert_string_equal(net->driver, "egress");
	assert_string_equal(subnet_of(net, 0, text), "172.29.0.0/16");
	assert_int_equal(net->subnets[1].subnet.ip.b[0], 0xfd);
	assert_int_equal(network_key(net), STATE_KEY_EGRESS);
	assert_ptr_equal(network_by_key(l->n, STATE_KEY_EGRESS), net);
	assert_false(network_is_predefined(net));
	l->busy = net->id;
	network_remove(l->n, net->id, done, l);
	assert_int_equal(l->status, -EBUSY);
	l->busy = (struct id){ 0 };
	network_remove(l->n, net->id, done, l);
	assert_int_equal(l->status, 0);
	prefix_parse("10.8.5.0/24", &l->config.egress_subnet, NULL);
	assert_int_equal(network_egress(l->n, &net, &e), -EINVAL);
	assert_string_equal(e.text,
			    "network egress: 10.8.5.0/24 overlaps route 10.8.0.0/16 dev tun0");
	prefix_parse("10.78.0.0/24", &l->config.egress_subnet, NULL);
	assert_int_equal(network_egress(l->n, &net, &e), 0);
	assert_string_equal(subnet_of(net, 0, text), "10.78.0.0/24");
}

static void used_up(void **state)
{
	struct lab *l = *state;
	const struct model_network *net;
	struct err e = { 0 };

	l->config.local_pools[0] = (struct subnet_pool){ { ip_v4(0x0a630000), 23 }, 24 };
	l->config.n_local_pools = 1;
	start(l); /* takes one */
	made(l, "lan", NULL, "");
	assert_null(create(l, "more", NULL, ""));
	assert_int_equal(l->status, -ENOSPC);
	assert_non_null(strstr(l->err.text, "no free subnet in the pools (10.99.0.0/23 in /24s)"));
	assert_int_equal(network_egress(l->n, &net, &e), -ENOSPC);
}

/* A cluster network made elsewhere has the name and the subnet of a local one: both are there, local first. */
static void collisions(void **state)
{
	struct lab *l = *state;
	const struct model_network *far, *net = NULL;
	char text[256];
	struct err e = { 0 };
	struct id id;

	start(l);
	made(l, "lan", NULL, "");
	made(l, "free", NULL, "");
	cluster_network(l, 'e', "lan", "172.29.1.0/24", "172.29.1.1");
	cluster_network(l, 'f', "aaa", "10.66.0.0/16", "10.66.0.1");
	assert_string_equal(
		all(l, text),
		"bridge/bridge free/bridge host/host lan/bridge none/null aaa/overlay lan/overlay ");
	assert_string_equal(found(l, "lan")->driver, "bridge");
	far = found(l, "eeee");
	assert_string_equal(far->driver, "overlay");
	assert_ptr_equal(network_by_key(l->n, 1000 + 'e'), far);
	assert_ptr_equal(network_conflict(l->n, far), found(l, "lan"));
	assert_ptr_equal(network_conflict(l->n, found(l, "lan")), far);
	assert_null(network_conflict(l->n, found(l, "aaa")));
	assert_null(network_conflict(l->n, found(l, "free")));
	assert_null(network_conflict(l->n, found(l, "host")));
	id = far->id;
	assert_ptr_equal(network_get(l->n, id), far);
	assert_int_equal(network_find(l->n, "nope", &net, &e), -ENOENT);
}

static void damaged(void **state)
{
	struct lab *l = *state;
	struct networks_deps d = {
		.mirror = l->mirror, .local = l->local, .config = &l->config, .user = l
	};
	struct err e = { 0 };

	assert_int_equal(
		local_network_put(l->local, (struct id){ { 0xab } }, "{\"name\":\"x\"}", NULL), 0);
	l->n = networks_new(&d);
	assert_int_equal(networks_load(l->n, &e), -EINVAL);
	assert_string_equal(
		e.text,
		"state: network ab0000000000: driver: \"overlay\" is not one of this node's own networks");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(predefined),	T(default_bridge_as_configured),
		T(bridges),	T(refused),
		T(on_a_parent), T(egress),
		T(used_up),	T(collisions),
		T(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
