/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim_address_lab - a claim_lab with one network of both families, and reservations in it: shared by the tests of them.
 *
 * Node 1 is lab.claim's; each call waits for its answer, which is in `a`.
 */
#pragma once
#include "tests/unit/claim_lab.h"

extern struct lab lab;
extern struct model_network *net; /* demo: 10.0.0.0/24, fd00:1::/64 */
extern struct lab_answer a;
extern size_t freed; /* told by the last sweep */

int address_setup(void **state);
int address_teardown(void **state);

void start_reserve(struct claim *c, unsigned node, const char *want, int family,
		   struct lab_answer *answer);
int reserve_on(unsigned node, const char *want, int family);
int reserve(const char *want); /* IPv4, as node 1 */
void assert_got(const char *text);
struct model_address *record(const char *ip); /* or NULL */
bool is_reserved(const char *ip, unsigned node);
bool is_bound(const char *ip, unsigned n); /* to endpoint @n of node 1 */
void start_bind(struct claim *c, unsigned n, const char *ip4, const char *ip6,
		struct lab_answer *answer);
int bind_in(struct claim *c, unsigned n, const char *ip4, const char *ip6);
int unbind(const struct model_endpoint *ep);
int free_in(struct claim *c, const char *ip, unsigned node);
int free_now(const char *ip, unsigned node);
void on_swept(void *user, int status, size_t n, const struct err *e);
size_t sweep(struct claim *c, uint64_t now_ms);
unsigned txns(void);
