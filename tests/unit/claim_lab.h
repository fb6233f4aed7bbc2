/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim_lab - a loop, an etcd in memory and a network in it, for the tests of ipam/claim.
 */
#pragma once
#include <uv.h>
#include "ipam/claim.h"
#include "store/model.h"
#include "tests/fake/fake_kv.h"

#define LAB_PREFIX "/ovl/v1"

struct lab {
	uv_loop_t loop;
	struct fake_kv *fake;
	struct claim *claim; /* node 1's */
	int64_t lease;
};
/* What a callback told; several may be under way at once. */
struct lab_answer {
	int calls, status;
	int64_t revision;
	struct model_endpoint *ep; /* copies */
	struct model_network *net;
	struct model_pool *pool;
	struct ip ip;
	struct err err;
};
void lab_open(struct lab *lab);
/** lab_close() - the claim too, unless NULL; everything ended and nothing leaked. */
void lab_close(struct lab *lab);
/** lab_claim() - another agent on the same store; its deadline is far, however busy the machine is. */
struct claim *lab_claim(struct lab *lab, uint64_t seed);
/** lab_hurry() - from here on the deadline is short: for what is to end by it. */
void lab_hurry(struct lab *lab);
/** lab_turn() - run the loop a little. */
void lab_turn(struct lab *lab);
/** lab_wait() - until @n callbacks came to @a. */
void lab_wait(struct lab *lab, const struct lab_answer *a, int n);
void lab_answer_done(struct lab_answer *a);
/* Callbacks that take down what they are told in a struct lab_answer. */
void lab_on_network(void *user, int status, const struct model_network *net, const struct err *e);
void lab_on_done(void *user, int status, int64_t revision, const struct err *e);
void lab_on_pool(void *user, int status, const struct model_pool *pool, const struct err *e);
void lab_on_endpoint(void *user, int status, const struct model_endpoint *ep, const struct err *e);

struct id lab_id(unsigned kind, unsigned n); /* an id that reads as its numbers */
struct ip lab_ip(const char *s);
/** lab_network() - put a network with the subnets ("10.0.0.0/24,fd00::/64") in the store. */
struct model_network *lab_network(struct lab *lab, const char *name, const char *subnets);
/** lab_node() - put a node's record in the store. */
void lab_node(struct lab *lab, unsigned n, const char *name);

/** lab_occupy() - another client puts an address of endpoint @n of node 2. */
void lab_occupy(struct lab *lab, const struct model_network *net, const char *ip, unsigned n);

/* Start, as node @node for endpoint @n; @want4 may be NULL. */
void lab_create(struct lab *lab, struct claim *c, const struct model_network *net, unsigned node,
		unsigned n, const char *want4, struct lab_answer *a);
void lab_reclaim(struct lab *lab, struct claim *c, const struct model_network *net,
		 const struct model_endpoint *ep, int64_t lease, struct lab_answer *a);
void lab_release(struct claim *c, const struct model_endpoint *ep, struct lab_answer *a);
void lab_remove(struct claim *c, struct id network, struct lab_answer *a);
/* The same, and wait. @a is emptied first. Return: status. */
int lab_create_now(struct lab *lab, const struct model_network *net, unsigned n, const char *want4,
		   struct lab_answer *a);
int lab_release_now(struct lab *lab, const struct model_endpoint *ep, struct lab_answer *a);

/** lab_addresses() - how many address keys of @net there are. */
size_t lab_addresses(struct lab *lab, const struct model_network *net);
size_t lab_endpoints(struct lab *lab, const struct model_network *net);
/** lab_owns() - does the address key name endpoint @n? */
bool lab_owns(struct lab *lab, const struct model_network *net, const char *ip, unsigned n);
/** lab_check() - every address key names an endpoint that has it, and every endpoint has its keys. */
void lab_check(struct lab *lab, const struct model_network *net);
