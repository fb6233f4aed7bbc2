/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_lab - hosts and containers as network namespaces, and `struct kernel` of each host, for tests of kernel_linux.
 *
 * One process plays several hosts: a host's verbs are called after lab_enter(), which moves the test into the host's namespace. All names begin
 * with okl-<pid>-; lab_done() removes them.
 */
#pragma once
#include <uv.h>
#include "overlay/kernel_linux.h"

#define LAB_HOSTS 2
#define LAB_CONTAINERS 8
#define LAB_VNI 1048577u

/** lab_key() - a network by its key alone, for the verbs that need no more; valid until the next call. */
const struct state_net *lab_key(uint32_t vni);
#define LAB_TIMEOUT_MS 5000

struct lab_container {
	int nsfd;
	struct state_target target;
	struct state_port port; /* as desired */
};
struct lab_host {
	char name[32];
	int nsfd;
	char ovl_path[64];
	struct ip vtep;
	struct kernel *k;
};
struct lab {
	uv_loop_t loop;
	int own; /* the namespace the test came from */
	struct lab_host host[LAB_HOSTS]; /* joined by a veth, 192.168.77.1 and .2 */
	struct lab_container c[LAB_CONTAINERS];
	unsigned closed;
};

/** lab_new() - namespaces made, kernels opened, ground() done. */
struct lab *lab_new(void);
void lab_free(struct lab *l);
/** lab_open() / lab_close() - the kernel of one host: as an agent starts and ends. */
void lab_open(struct lab *l, unsigned host);
void lab_close(struct lab *l, unsigned host);
struct kernel *lab_enter(struct lab *l, unsigned host);
/** lab_net() - a network as desired on @host: bridge 1500, gateway 10.77.0.1/24, no ports. */
struct state_net *lab_net(const struct lab *l, unsigned host, uint32_t vni);
/** lab_make_net() - its bridge, VXLAN device and gateways. */
void lab_make_net(struct lab *l, unsigned host, const struct state_net *want);
/** lab_port() - container @i as desired: address 10.77.0.(10+i), fd77::(10+i). */
const struct state_port *lab_port(struct lab *l, unsigned i);
/** lab_attach() - port, entries, neighbours, guards, up: in the order that facts §4 asks for. */
void lab_attach(struct lab *l, unsigned host, const struct state_net *want, unsigned i);
/** lab_remote() - on @host: container @i is at @vtep. */
void lab_remote(struct lab *l, unsigned host, uint32_t vni, unsigned i, struct ip vtep);
void lab_flood(struct lab *l, unsigned host, uint32_t vni, struct ip vtep);

#define LAB_BRIDGE_KEY (STATE_KEY_LOCAL + 7)
/** lab_local() - a local network as desired: the egress bridge (172.31.0.1/24) or bridge `lab0` (172.30.0.1/24 and fd99::1/64), no ports. */
struct state_net *lab_local(enum state_kind kind);
/** lab_local_port() - container @i on it: address .10+i, IPv6 where the network has it, default route by the gateway; entry and guards too. */
struct state_port *lab_local_port(struct lab *l, struct state_net *want, unsigned i);
/** lab_settle() - dump the network, make it as @want; the test fails when an operation does. Return: how many operations that took. */
size_t lab_settle(struct lab *l, unsigned host, struct state_net *want);
/** lab_udp_at() - does a datagram from namespace @from to @dst, which is in namespace @to, arrive within some seconds? */
bool lab_udp_at(int from, int to, struct ip dst);
/** lab_silent() - does none arrive that way? (One by one that surely does would need another way: here the time is short.) */
bool lab_silent(int from, int to, struct ip dst);
/** lab_udp() - does a datagram of @family from container @from reach container @to? */
bool lab_udp(struct lab *l, unsigned from, unsigned to, int family);
/** lab_sh() - run a command; the test fails when it does. */
void lab_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** lab_sh_ok() - its exit status is 0. */
bool lab_sh_ok(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** lab_wait() - turn the loop until @cond. Return: false when LAB_TIMEOUT_MS have passed. */
bool lab_wait(struct lab *l, bool (*cond)(void *arg), void *arg);
double lab_now_us(void);
struct ip lab_ip(const char *text);
