/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/netns/kernel_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "overlay/apply.h"
#include "overlay/diff.h"
#include "overlay/netns.h"

const struct state_net *lab_key(uint32_t vni)
{
	static struct state_net net;

	net.vni = vni;
	return &net;
}

static bool run(const char *fmt, va_list ap)
{
	_cleanup_free_ char *cmd = mem_vprintf(fmt, ap);

	return system(cmd) == 0;
}

void lab_sh(const char *fmt, ...)
{
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	ok = run(fmt, ap);
	va_end(ap);
	if (!ok)
		fail_msg("command failed: %s", fmt);
}

bool lab_sh_ok(const char *fmt, ...)
{
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	ok = run(fmt, ap);
	va_end(ap);
	return ok;
}

struct ip lab_ip(const char *text)
{
	struct ip a;

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

double lab_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int make_ns(char *ret_path, size_t size, const char *name)
{
	struct err e = { 0 };
	bool created;
	int fd;

	snprintf(ret_path, size, "/run/netns/okl-%d-%s", (int)getpid(), name);
	fd = netns_ensure(ret_path, &created, &e);
	if (fd < 0)
		fail_msg("%s", err_text(&e));
	assert_true(created);
	return fd;
}

struct kernel *lab_enter(struct lab *l, unsigned host)
{
	assert_int_equal(setns(l->host[host].nsfd, CLONE_NEWNET), 0);
	return l->host[host].k;
}

void lab_open(struct lab *l, unsigned host)
{
	struct lab_host *h = &l->host[host];
	struct kernel_linux_config c = { .netns_path = h->ovl_path,
					 .vxlan_port = 4789,
					 .table = "ovl" };
	struct err e = { 0 };

	lab_enter(l, host);
	if (kernel_linux_new(&l->loop, &c, &h->k, &e) < 0)
		fail_msg("%s", err_text(&e));
}

static void on_closed(void *user)
{
	((struct lab *)user)->closed++;
}

static bool all_closed(void *arg)
{
	return ((struct lab *)arg)->closed > 0;
}

void lab_close(struct lab *l, unsigned host)
{
	l->closed = 0;
	kernel_linux_close(lab_enter(l, host), on_closed, l);
	assert_true(lab_wait(l, all_closed, l));
	l->host[host].k = NULL;
}

/* A new namespace takes over the machine's own settings (a Docker there has switched forwarding on): tests begin with none. */
static void no_forwarding(void)
{
	lab_sh("echo 0 >/proc/sys/net/ipv4/ip_forward && echo 0 >/proc/sys/net/ipv6/conf/all/forwarding");
}

struct lab *lab_new(void)
{
	struct lab *l = mem_alloc(sizeof(*l));
	struct err e = { 0 };
	char path[64];

	uv_loop_init(&l->loop);
	l->own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < LAB_HOSTS; i++) {
		struct lab_host *h = &l->host[i];

		snprintf(h->name, sizeof(h->name), "host%u", i);
		h->nsfd = make_ns(path, sizeof(path), h->name);
		snprintf(h->ovl_path, sizeof(h->ovl_path), "/run/netns/okl-%d-ovl%u", (int)getpid(),
			 i);
	}
	assert_int_equal(setns(l->host[0].nsfd, CLONE_NEWNET), 0);
	no_forwarding();
	lab_sh("ip link set lo up && ip link add u0 type veth peer name u0 netns okl-%d-host1 &&"
	       " ip addr add 192.168.77.1/24 dev u0 && ip link set u0 up",
	       (int)getpid());
	assert_int_equal(setns(l->host[1].nsfd, CLONE_NEWNET), 0);
	no_forwarding();
	lab_sh("ip link set lo up && ip addr add 192.168.77.2/24 dev u0 && ip link set u0 up");
	for (unsigned i = 0; i < LAB_HOSTS; i++) {
		struct ip vteps[] = { lab_ip("192.168.77.1"), lab_ip("192.168.77.2") };
		struct kernel_elements el = { .vteps = vteps, .n_vteps = 2 };

		l->host[i].vtep = vteps[i];
		lab_open(l, i);
		if (l->host[i].k->ops->ground(l->host[i].k, &el, &e) < 0)
			fail_msg("%s", err_text(&e));
	}
	for (unsigned i = 0; i < LAB_CONTAINERS; i++) {
		struct lab_container *c = &l->c[i];
		char name[8];

		snprintf(name, sizeof(name), "c%u", i);
		c->nsfd = make_ns(path, sizeof(path), name);
		snprintf(c->target.path, sizeof(c->target.path), "%s", path);
		netns_identify(c->nsfd, &c->target.dev, &c->target.ino);
	}
	return l;
}

void lab_free(struct lab *l)
{
	for (unsigned i = 0; i < LAB_HOSTS; i++) {
		char path[64];

		if (!l->host[i].k)
			lab_open(l, i);
		kernel_linux_reset(lab_enter(l, i), NULL);
		lab_close(l, i);
		assert_int_not_equal(access(l->host[i].ovl_path, F_OK), 0);
		snprintf(path, sizeof(path), "/run/netns/okl-%d-%s", (int)getpid(),
			 l->host[i].name);
		netns_remove(path, NULL);
		close(l->host[i].nsfd);
	}
	for (unsigned i = 0; i < LAB_CONTAINERS; i++) {
		netns_remove(l->c[i].target.path, NULL);
		if (l->c[i].nsfd >= 0)
			close(l->c[i].nsfd);
	}
	assert_int_equal(setns(l->own, CLONE_NEWNET), 0);
	close(l->own);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	free(l);
}

struct state_net *lab_net(const struct lab *l, unsigned host, uint32_t vni)
{
	struct state_net *n = state_net_new(vni);

	n->complete = n->bridge_exists = n->bridge_up = true;
	n->bridge_mac = state_bridge_mac(vni);
	n->bridge_mtu = n->vxlan_mtu = 1500;
	assert_int_equal(prefix_parse_host("10.77.0.1/24", &n->gateways[0], NULL), 0);
	assert_int_equal(prefix_parse_host("fd77::1/64", &n->gateways[1], NULL), 0);
	n->n_gateways = 2;
	n->vxlan_exists = n->vxlan_up = n->vxlan_enslaved = n->vxlan_flags_ok = true;
	n->vtep = l->host[host].vtep;
	n->port = 4789;
	return n;
}

void lab_make_net(struct lab *l, unsigned host, const struct state_net *want)
{
	struct kernel *k = lab_enter(l, host);
	struct err e = { 0 };
	int r = k->ops->bridge_add(k, want, &e);

	if (r == 0)
		r = k->ops->vxlan_add(k, want, &e);
	for (size_t i = 0; r == 0 && i < want->n_gateways; i++)
		r = k->ops->gateway(k, want, false, want->gateways[i], &e);
	if (r < 0)
		fail_msg("%s", err_text(&e));
}

const struct state_port *lab_port(struct lab *l, unsigned i)
{
	struct state_port *p = &l->c[i].port;
	char text[IP_TEXT_MAX];

	memset(p, 0, sizeof(*p));
	memset(p->endpoint.b, (int)(0xa0 + i), sizeof(p->endpoint.b));
	state_port_name(p->endpoint, p->name);
	p->mtu = 1500;
	p->container_mtu = 1450;
	p->up = p->enslaved = p->flags_ok = p->guard4 = p->guard6 = true;
	snprintf(text, sizeof(text), "10.77.0.%u", 10 + i);
	p->ip4 = lab_ip(text);
	snprintf(text, sizeof(text), "fd77::%x", 0x10 + i);
	p->ip6 = lab_ip(text);
	p->len4 = 24;
	p->len6 = 64;
	p->mac = mac_from_ip(p->ip4);
	assert_int_equal(prefix_parse("10.78.0.0/24", &p->routes[0], NULL), 0);
	p->n_routes = 1;
	snprintf(p->ifname, sizeof(p->ifname), "eth0");
	p->target = l->c[i].target;
	return p;
}

static void entries(struct lab *l, unsigned host, uint32_t vni, unsigned i, const char *port,
		    struct ip vtep)
{
	struct kernel *k = lab_enter(l, host);
	const struct state_port *p = &l->c[i].port;
	struct kernel_fdb_op f[2] = { 0 };
	struct kernel_neigh_op g[2] = { { .neigh = { p->ip4, p->mac } },
					{ .neigh = { p->ip6, p->mac } } };
	struct err e = { 0 };
	size_t n = 0, failed;
	int r;

	if (ip_is_set(vtep))
		f[n++].fdb =
			(struct state_fdb){ .where = STATE_FDB_SELF, .mac = p->mac, .vtep = vtep };
	f[n].fdb.where = STATE_FDB_MASTER;
	f[n].fdb.mac = p->mac;
	snprintf(f[n++].fdb.port, IFNAMSIZ, "%s", port);
	r = k->ops->fdb(k, lab_key(vni), f, n, &failed, &e);
	if (r == 0)
		r = k->ops->neigh(k, lab_key(vni), g, 2, &failed, &e);
	if (r < 0)
		fail_msg("%s", err_text(&e));
	assert_int_equal(failed, 0);
}

void lab_remote(struct lab *l, unsigned host, uint32_t vni, unsigned i, struct ip vtep)
{
	char vx[IFNAMSIZ];

	lab_port(l, i);
	state_vxlan_name(vni, vx);
	entries(l, host, vni, i, vx, vtep);
}

void lab_flood(struct lab *l, unsigned host, uint32_t vni, struct ip vtep)
{
	struct kernel *k = lab_enter(l, host);
	struct kernel_fdb_op op = { .fdb = { .where = STATE_FDB_SELF, .vtep = vtep } };
	struct err e = { 0 };

	if (k->ops->fdb(k, lab_key(vni), &op, 1, NULL, &e) < 0)
		fail_msg("%s", err_text(&e));
}

void lab_attach(struct lab *l, unsigned host, const struct state_net *want, unsigned i)
{
	const struct state_port *p = lab_port(l, i);
	struct kernel *k = lab_enter(l, host);
	struct kernel_guard_op g[2] = { 0 };
	struct kernel_link_set up = { .name = p->name, .up = KERNEL_ON };
	struct err e = { 0 };
	int r = k->ops->port_add(k, want, p, &e);

	if (r < 0)
		fail_msg("%s", err_text(&e));
	entries(l, host, want->vni, i, p->name, (struct ip){ 0 });
	for (unsigned n = 0; n < 2; n++) {
		memcpy(g[n].guard.port, p->name, IFNAMSIZ);
		g[n].guard.mac = p->mac;
		g[n].guard.ip = n ? p->ip6 : p->ip4;
	}
	r = k->ops->guard(k, g, 2, &e);
	if (r == 0)
		r = k->ops->link_set(k, &up, &e);
	if (r < 0)
		fail_msg("%s", err_text(&e));
}

static bool arrives(int from, int to, struct ip dst, unsigned wait_ms)
{
	_cleanup_close_ int in = netns_socket(to, dst.family, SOCK_DGRAM, 0);
	_cleanup_close_ int out = netns_socket(from, dst.family, SOCK_DGRAM, 0);
	struct timeval tv = { .tv_usec = 100000 };
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(dst, 7777, &sa);
	uint64_t deadline = clock_boot_ms() + wait_ms;
	char buf[16];

	assert_true(in >= 0 && out >= 0);
	assert_int_equal(bind(in, (struct sockaddr *)&sa, len), 0);
	setsockopt(in, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	while (clock_boot_ms() < deadline) {
		sendto(out, "hello", 5, 0, (struct sockaddr *)&sa, len);
		if (recv(in, buf, sizeof(buf), 0) == 5)
			return true;
	}
	return false;
}

bool lab_udp_at(int from, int to, struct ip dst)
{
	return arrives(from, to, dst, LAB_TIMEOUT_MS);
}

bool lab_silent(int from, int to, struct ip dst)
{
	return !arrives(from, to, dst, 500);
}

bool lab_udp(struct lab *l, unsigned from, unsigned to, int family)
{
	return lab_udp_at(l->c[from].nsfd, l->c[to].nsfd,
			  family == AF_INET ? l->c[to].port.ip4 : l->c[to].port.ip6);
}

struct state_net *lab_local(enum state_kind kind)
{
	bool egress = kind == STATE_EGRESS;
	struct state_net *n = state_net_new(egress ? STATE_KEY_EGRESS : LAB_BRIDGE_KEY);

	n->kind = kind;
	n->complete = n->bridge_exists = n->bridge_up = n->localnet_ok = true;
	n->bridge_mac = (struct mac){ { 2, 0x42, 0xaa, 0, 0, (uint8_t)kind } };
	n->bridge_mtu = 1500;
	n->uplink_exists = n->uplink_up = n->uplink_enslaved = egress;
	n->uplink_mtu = egress ? 1500 : 0;
	if (!egress)
		snprintf(n->bridge, sizeof(n->bridge), "lab0");
	assert_int_equal(prefix_parse_host(egress ? "172.31.0.1/24" : "172.30.0.1/24",
					   &n->gateways[n->n_gateways++], NULL),
			 0);
	if (!egress)
		assert_int_equal(
			prefix_parse_host("fd99::1/64", &n->gateways[n->n_gateways++], NULL), 0);
	return n;
}

struct state_port *lab_local_port(struct lab *l, struct state_net *want, unsigned i)
{
	bool egress = want->kind == STATE_EGRESS;
	struct state_port *p = &l->c[i].port;
	struct state_fdb f = { .where = STATE_FDB_MASTER };
	char text[IP_TEXT_MAX];

	lab_port(l, i);
	memset(p->endpoint.b, (int)((egress ? 0xc0 : 0xb0) + i), sizeof(p->endpoint.b));
	state_net_port_name(want, p->endpoint, p->name);
	snprintf(text, sizeof(text), "172.%u.0.%u", egress ? 31 : 30, 10 + i);
	p->ip4 = lab_ip(text);
	p->mac = mac_from_ip(p->ip4);
	snprintf(text, sizeof(text), "fd99::%x", 0x10 + i);
	p->ip6 = egress ? (struct ip){ 0 } : lab_ip(text);
	p->guard6 = !egress;
	p->n_routes = 0;
	p->gw4 = want->gateways[0].ip;
	if (!egress)
		p->gw6 = want->gateways[1].ip;
	f.mac = p->mac;
	memcpy(f.port, p->name, sizeof(f.port));
	state_net_add_fdb(want, &f);
	p = state_net_add_port(want, p);
	state_net_sort(want);
	return state_net_port(want, l->c[i].port.name);
}

static void on_failed(void *user, const struct diff_op *op, int status, const struct err *e)
{
	(void)user;
	(void)status;
	print_message("%s: %s\n", diff_op_name(op->type), err_text(e));
}

size_t lab_settle(struct lab *l, unsigned host, struct state_net *want)
{
	const struct apply_hooks hooks = { .failed = on_failed };
	_cleanup_state_net_ struct state_net *have = NULL;
	struct kernel *k = lab_enter(l, host);
	struct apply_result res;
	struct err e = { 0 };
	struct diff d;
	size_t n;

	if (k->ops->dump_net(k, want->vni, &have, &e) < 0)
		fail_msg("%s", err_text(&e));
	apply_know_ports(want, have);
	diff_net(want, have, true, &d);
	n = d.n;
	assert_int_equal(apply_diff(k, want, have, &d, &hooks, NULL, &res), 0);
	diff_done(&d);
	/* Deletions begin at the end of a turn. */
	uv_run(&l->loop, UV_RUN_NOWAIT);
	return n;
}

bool lab_wait(struct lab *l, bool (*cond)(void *arg), void *arg)
{
	uint64_t deadline = clock_boot_ms() + LAB_TIMEOUT_MS;

	while (!cond(arg)) {
		if (clock_boot_ms() > deadline)
			return false;
		if (uv_run(&l->loop, UV_RUN_NOWAIT) == 0 && cond(arg))
			return true;
		poll(NULL, 0, 1);
	}
	return true;
}
