/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/claim_address_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct lab lab;
struct model_network *net;
struct lab_answer a;
size_t freed;

int address_setup(void **state)
{
	(void)state;
	lab_open(&lab);
	lab_node(&lab, 1, "node1");
	lab_node(&lab, 2, "node2");
	net = lab_network(&lab, "demo", "10.0.0.0/24,fd00:1::/64");
	return 0;
}

int address_teardown(void **state)
{
	(void)state;
	lab_answer_done(&a);
	model_network_free(net);
	lab_close(&lab);
	return 0;
}

static void on_address(void *user, int status, struct ip ip, const struct err *e)
{
	struct lab_answer *answer = user;

	answer->calls++;
	answer->status = status;
	answer->ip = ip;
	answer->err = *e;
	assert_true((status == 0) == ip_is_set(ip));
}

void start_reserve(struct claim *c, unsigned node, const char *want, int family,
		   struct lab_answer *answer)
{
	int calls = answer->calls;

	claim_address_reserve(c, net, want ? lab_ip(want) : (struct ip){ 0 }, family,
			      lab_id(0x0d, node), lab.lease, on_address, answer);
	assert_int_equal(answer->calls, calls);
}

/* An agent is of one node: the others have their own. */
int reserve_on(unsigned node, const char *want, int family)
{
	struct claim *c = node == 1 ? lab.claim : lab_claim(&lab, node);

	lab_answer_done(&a);
	start_reserve(c, node, want, family, &a);
	lab_wait(&lab, &a, 1);
	if (node != 1)
		claim_close(c);
	return a.status;
}

int reserve(const char *want)
{
	return reserve_on(1, want, AF_INET);
}

void assert_got(const char *text)
{
	char buf[IP_TEXT_MAX];

	assert_int_equal(a.status, 0);
	assert_string_equal(ip_format(a.ip, buf), text);
}

/* The address's record, or NULL; freed by the caller. */
struct model_address *record(const char *ip)
{
	_cleanup_free_ char *key = model_key_address(LAB_PREFIX, net->id, lab_ip(ip));
	const struct fake_entry *e = fake_store_find(fake_kv_store(lab.fake), key);
	struct model_address *r = NULL;

	if (!e)
		return NULL;
	assert_int_equal(
		model_address_decode(LAB_PREFIX, key, e->value, strlen(e->value), &r, NULL), 0);
	assert_true(e->lease == lab.lease || r->state == MODEL_ADDRESS_BOUND);
	return r;
}

bool is_reserved(const char *ip, unsigned node)
{
	struct model_address *r = record(ip);
	bool yes = r && r->state == MODEL_ADDRESS_RESERVED && id_eq(r->node, lab_id(0x0d, node)) &&
		   id_is_zero(r->endpoint) && r->created;

	model_address_free(r);
	return yes;
}

bool is_bound(const char *ip, unsigned n)
{
	struct model_address *r = record(ip);
	bool yes = r && r->state == MODEL_ADDRESS_BOUND && id_eq(r->endpoint, lab_id(0xee, n)) &&
		   id_eq(r->node, lab_id(0x0d, 1));

	model_address_free(r);
	return yes;
}

void start_bind(struct claim *c, unsigned n, const char *ip4, const char *ip6,
		struct lab_answer *answer)
{
	_cleanup_free_ char *name = mem_printf("c%u", n);
	struct model_endpoint ep = {
		.id = lab_id(0xee, n), .network = net->id, .node = lab_id(0x0d, 1), .name = name
	};
	struct claim_endpoint_request req = { .network = net,
					      .endpoint = &ep,
					      .want4 = lab_ip(ip4),
					      .want6 = lab_ip(ip6),
					      .lease = lab.lease,
					      .reserved = true };

	claim_endpoint_create(c, &req, lab_on_endpoint, answer);
}

int bind_in(struct claim *c, unsigned n, const char *ip4, const char *ip6)
{
	lab_answer_done(&a);
	start_bind(c, n, ip4, ip6, &a);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 1);
	return a.status;
}

int unbind(const struct model_endpoint *ep)
{
	a.calls = 0;
	claim_endpoint_unbind(lab.claim, ep, lab_id(0x0d, 1), lab.lease, lab_on_done, &a);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 1);
	return a.status;
}

int free_in(struct claim *c, const char *ip, unsigned node)
{
	a.calls = 0;
	claim_address_free(c, net->id, lab_ip(ip), lab_id(0x0d, node), lab_on_done, &a);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 1);
	return a.status;
}

int free_now(const char *ip, unsigned node)
{
	return free_in(lab.claim, ip, node);
}

void on_swept(void *user, int status, size_t n, const struct err *e)
{
	struct lab_answer *answer = user;

	answer->calls++;
	answer->status = status;
	answer->err = *e;
	freed = n;
}

/* Return: how many were freed. */
size_t sweep(struct claim *c, uint64_t now_ms)
{
	const struct id networks[] = { lab_id(1, 1), net->id };

	a.calls = 0;
	claim_reservations_sweep(c, networks, 2, lab_id(0x0d, 1), now_ms, 60000, on_swept, &a);
	assert_int_equal(a.calls, 0);
	lab_wait(&lab, &a, 1);
	assert_int_equal(a.status, 0);
	return freed;
}

unsigned txns(void)
{
	return fake_kv_calls(lab.fake, FAKE_TXN);
}
