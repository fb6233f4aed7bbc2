/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * endpoint_lab - this node's endpoints over the kernel in memory, a real SQLite, and stand-ins for networks, etcd, ports and namespaces.
 *
 * The stand-ins replace the functions of network.h, publish.h, claim.h, mirror.h, target.h and knl_conntrack.h by their names. A target is a number: "1"
 * is the namespace /run/netns/1 with inode 1. Every namespace holds an interface busy0 beside what it was given.
 */
#pragma once
#include "agent/compile.h"
#include "agent/endpoint.h"
#include "agent/network.h"
#include "agent/reconcile.h"
#include "store/mirror.h"
#include "tests/fake/fake_kernel.h"

enum lab_net { /* in this order */
	       LAB_OVER, /* overlay 10.0.0.0/24 */
	       LAB_OVER2, /* overlay 10.0.1.0/24, fd00:1::/64 */
	       LAB_OVER_INTERNAL, /* overlay 10.0.2.0/24, internal */
	       LAB_BRIDGE, /* 172.17.0.0/24 */
	       LAB_SMALL, /* bridge 172.18.0.0/30: two hosts, one of them the gateway; port 1.2.3.4 by default */
	       LAB_SIX, /* bridge 172.19.0.0/24, fd00:19::/64 */
	       LAB_INTERNAL, /* bridge 172.20.0.0/24, internal */
	       LAB_MACVLAN, /* 192.168.9.0/24 */
	       LAB_EGRESS, /* 172.31.0.0/24, fd00:31::/64 */
	       LAB_HOST,
	       LAB_NULL,
	       LAB_NETS,
};
#define LAB_KNOWN_MAX 64
struct lab_answer { /* what the last connect or disconnect was told */
	unsigned n;
	int status;
	struct id endpoint;
	struct ip ip4, ip6;
	char ifname[IFNAMSIZ];
	char why[512];
};
struct lab_claim { /* what is under way in etcd */
	struct model_endpoint *ep;
	claim_endpoint_fn fn;
	claim_done_fn released;
	bool unbind;
	void *user;
};
#define LAB_CLAIMS_MAX 8
#define LAB_RECORDS_MAX 16
#define LAB_PORTS_MAX 16
struct lab {
	uv_loop_t loop;
	char dir[64];
	struct fake_kernel *f;
	struct kernel *k;
	struct local *local;
	struct events *events;
	struct reconcile *r;
	struct endpoints *es;
	struct id self;
	struct model_network *nets[LAB_NETS];
	bool etcd; /* it answers */
	bool frozen; /* and is not the one that was known */
	struct lab_claim claims[LAB_CLAIMS_MAX];
	size_t n_claims;
	struct mirror_endpoint records[LAB_RECORDS_MAX]; /* as etcd has them */
	size_t n_records;
	int claim_status; /* what is answered; 0: as asked for */
	unsigned creates; /* claims asked for, reclaims too */
	char claimed_name[MODEL_NAME_MAX + 1], claimed_sandbox[MODEL_NAME_MAX + 1];
	size_t claimed_aliases; /* of the last one */
	unsigned told, told_gone, told_sandbox; /* hooks of endpoints */
	struct id known[LAB_KNOWN_MAX]; /* told, and not yet told to be gone */
	size_t n_known;
	bool lease_gone; /* unbinds learn of it */
	unsigned releases, unbinds; /* asked for */
	unsigned reserved; /* claims of addresses that were */
	uint32_t next_ip; /* of an overlay endpoint */
	enum lab_net conflict[2]; /* overlap, where they differ */
	struct { /* ports reserved */
		struct id owner;
		uint16_t port;
		struct ip to;
	} ports[LAB_PORTS_MAX];
	size_t n_ports;
	bool strict; /* of the last reservation */
	unsigned flushed; /* filters */
	struct lab_answer a;
};
int lab_open(void **state);
int lab_close(void **state);
/** lab_restart() - the agent's parts end and begin again over the same kernel and SQLite. */
void lab_restart(struct lab *w, const char *boot);
/** lab_ask() - connect @target to @net; what @more sets beside that. The answer, and lab_turn() until the claim is answered. */
void lab_ask(struct lab *w, enum lab_net net, const char *target, struct endpoint_request more);
void lab_connect(struct lab *w, enum lab_net net, const char *target);
void lab_leave(struct lab *w, enum lab_net net, const char *target);
/** lab_answered() - what endpoints are to call with the lab as user: the answer is in ->a. */
void lab_answered(void *user, int status, const struct local_endpoint *ep, const struct err *e);
/* What Docker does; each makes sure of exactly one answer. Return: its status, the reason in ->a.why. */
struct endpoint_docker_request lab_docker(struct lab *w, enum lab_net net, struct id id);
int lab_docker_create(struct lab *w, enum lab_net net, struct id id);
int lab_docker_join(struct lab *w, struct id id, const char *key);
void lab_docker_delete(struct lab *w, struct id id);
/** lab_docker_port() - as the kernel has it, NULL: none. */
const struct state_port *lab_docker_port(struct lab *w, enum lab_net net, struct id id);
/** lab_turn() - answer what etcd was asked, deliver what the kernel tells. */
void lab_turn(struct lab *w);
/** lab_rows() - in SQLite. */
unsigned lab_rows(struct lab *w);
/** lab_of() - the endpoint of that namespace on @net, NULL: none. */
const struct local_endpoint *lab_of(struct lab *w, enum lab_net net, const char *target);
/** lab_port() - its port as the kernel has it, NULL: none. */
const struct state_port *lab_port(struct lab *w, enum lab_net net, const char *target);
/** lab_locals() - how many endpoints of @net compile is told of; @ret (may be NULL): the first. */
size_t lab_locals(struct lab *w, enum lab_net net, struct compile_local *ret);
/** lab_translated() - elements that lead a published port to @to. */
unsigned lab_translated(struct lab *w, struct ip to);

/* endpoint_stand.c, for endpoint_lab.c: */
struct model_network *endpoint_stand_net(enum lab_net i);
/** endpoint_stand_done() - forget the records and what is under way. */
void endpoint_stand_done(struct lab *w);
/** endpoint_stand_answer() - all that etcd was asked. */
void endpoint_stand_answer(struct lab *w);
