/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/claim_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipam/claim_op.h"

#define DEADLINE_MS 20000

#define TURNS_MAX 200000 /* of the loop, before a test is given up */

struct id lab_id(unsigned kind, unsigned n)
{
	struct id id = { .b = { (uint8_t)kind, (uint8_t)(n >> 8), (uint8_t)n } };

	return id;
}

struct ip lab_ip(const char *s)
{
	struct ip a;

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

struct claim *lab_claim(struct lab *lab, uint64_t seed)
{
	struct claim *c = claim_new(&lab->loop, fake_kv_kv(lab->fake), LAB_PREFIX, seed);

	c->deadline_ms = DEADLINE_MS;
	c->settle_min_ms = 40;
	return c;
}

void lab_hurry(struct lab *lab)
{
	lab->claim->deadline_ms = 60;
}

void lab_open(struct lab *lab)
{
	memset(lab, 0, sizeof(*lab));
	assert_int_equal(uv_loop_init(&lab->loop), 0);
	lab->fake = fake_kv_new(&lab->loop);
	lab->claim = lab_claim(lab, 1);
	lab->lease = fake_store_grant(fake_kv_store(lab->fake), 86400);
}

void lab_close(struct lab *lab)
{
	claim_close(lab->claim);
	/* What is under way is told of its end before the store goes. */
	for (int i = 0; i < 10; i++)
		lab_turn(lab);
	fake_kv_close(lab->fake);
	uv_run(&lab->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&lab->loop), 0);
}

void lab_turn(struct lab *lab)
{
	uv_run(&lab->loop, UV_RUN_NOWAIT);
}

void lab_wait(struct lab *lab, const struct lab_answer *a, int n)
{
	for (int i = 0; a->calls < n && i < TURNS_MAX; i++)
		uv_run(&lab->loop, UV_RUN_ONCE);
	assert_int_equal(a->calls, n);
}

void lab_answer_done(struct lab_answer *a)
{
	model_endpoint_free(a->ep);
	model_network_free(a->net);
	model_pool_free(a->pool);
	memset(a, 0, sizeof(*a));
}

struct model_network *lab_network(struct lab *lab, const char *name, const char *subnets)
{
	struct model_network *n = mem_alloc(sizeof(*n));
	_cleanup_strv_ struct strv parts = { 0 };
	_cleanup_free_ char *key = NULL, *value = NULL;

	strv_split(&parts, subnets, ',');
	n->id = lab_id(0xaa, (unsigned)name[0]);
	n->name = mem_strdup(name);
	n->driver = mem_strdup("overlay");
	n->created = mem_strdup("2026-11-21T09:30:00Z");
	n->vni = MODEL_VNI_AUTO_FIRST;
	n->mtu = 1450;
	n->flood = true;
	n->subnets = mem_alloc_array(parts.n, sizeof(*n->subnets));
	n->n_subnets = parts.n;
	for (size_t i = 0; i < parts.n; i++) {
		assert_int_equal(prefix_parse(parts.v[i], &n->subnets[i].subnet, NULL), 0);
		n->subnets[i].gateway = ip_add(prefix_first(n->subnets[i].subnet), 1);
		n->ipv6 = n->ipv6 || n->subnets[i].subnet.ip.family == AF_INET6;
	}
	key = model_key_network(LAB_PREFIX, n->id);
	value = model_network_encode(n);
	n->mod_revision = fake_kv_put(lab->fake, key, value, 0);
	return n;
}

void lab_node(struct lab *lab, unsigned n, const char *name)
{
	struct model_node node = { .id = lab_id(0x0d, n),
				   .name = (char *)name,
				   .vtep = lab_ip("192.168.205.10"),
				   .mtu = 1500,
				   .boot_id = (char *)"boot",
				   .version = (char *)"0.1.0",
				   .format = MODEL_FORMAT };
	_cleanup_free_ char *key = model_key_node(LAB_PREFIX, node.id);
	_cleanup_free_ char *value = model_node_encode(&node);

	fake_kv_put(lab->fake, key, value, 0);
}

void lab_occupy(struct lab *lab, const struct model_network *net, const char *ip, unsigned n)
{
	struct model_address addr = { .network = net->id,
				      .endpoint = lab_id(0xee, n),
				      .node = lab_id(0x0d, 2),
				      .ip = lab_ip(ip),
				      .state = MODEL_ADDRESS_BOUND };
	_cleanup_free_ char *key = model_key_address(LAB_PREFIX, net->id, addr.ip);
	_cleanup_free_ char *value = model_address_encode(&addr);

	fake_kv_put(lab->fake, key, value, 0);
}

void lab_on_endpoint(void *user, int status, const struct model_endpoint *ep, const struct err *e)
{
	struct lab_answer *a = user;

	a->calls++;
	a->status = status;
	a->err = *e;
	assert_true((status == 0) == (ep != NULL));
	model_endpoint_free(a->ep);
	a->ep = NULL;
	if (ep) {
		a->ep = model_endpoint_dup(ep);
		a->ep->mod_revision = ep->mod_revision;
	}
}

void lab_create(struct lab *lab, struct claim *c, const struct model_network *net, unsigned node,
		unsigned n, const char *want4, struct lab_answer *a)
{
	_cleanup_free_ char *name = mem_printf("c%u", n);
	struct model_endpoint ep = { .id = lab_id(0xee, n),
				     .network = net->id,
				     .node = lab_id(0x0d, node),
				     .name = name,
				     .sandbox = (char *)"sandbox",
				     .created = (char *)"2026-11-21T09:30:00Z" };
	struct claim_endpoint_request req = { .network = net,
					      .endpoint = &ep,
					      .lease = lab->lease };
	int calls = a->calls;

	if (want4)
		req.want4 = lab_ip(want4);
	claim_endpoint_create(c, &req, lab_on_endpoint, a);
	assert_int_equal(a->calls, calls);
}

void lab_reclaim(struct lab *lab, struct claim *c, const struct model_network *net,
		 const struct model_endpoint *ep, int64_t lease, struct lab_answer *a)
{
	struct claim_endpoint_request req = {
		.network = net, .endpoint = ep, .lease = lease, .reclaim = true
	};

	(void)lab;
	claim_endpoint_create(c, &req, lab_on_endpoint, a);
}

void lab_on_done(void *user, int status, int64_t revision, const struct err *e)
{
	struct lab_answer *a = user;

	a->calls++;
	a->status = status;
	a->revision = revision;
	a->err = *e;
}

void lab_on_network(void *user, int status, const struct model_network *net, const struct err *e)
{
	struct lab_answer *a = user;

	a->calls++;
	a->status = status;
	a->err = *e;
	assert_true((status == 0) == (net != NULL));
	model_network_free(a->net);
	a->net = NULL;
	if (net) {
		a->net = model_network_dup(net);
		a->net->mod_revision = net->mod_revision;
	}
}

void lab_on_pool(void *user, int status, const struct model_pool *pool, const struct err *e)
{
	struct lab_answer *a = user;

	a->calls++;
	a->status = status;
	a->err = *e;
	assert_true((status == 0) == (pool != NULL));
	model_pool_free(a->pool);
	a->pool = pool ? model_pool_dup(pool) : NULL;
}

void lab_release(struct claim *c, const struct model_endpoint *ep, struct lab_answer *a)
{
	int calls = a->calls;

	claim_endpoint_release(c, ep, lab_on_done, a);
	assert_int_equal(a->calls, calls);
}

void lab_remove(struct claim *c, struct id network, struct lab_answer *a)
{
	claim_network_remove(c, network, lab_on_done, a);
}

int lab_create_now(struct lab *lab, const struct model_network *net, unsigned n, const char *want4,
		   struct lab_answer *a)
{
	lab_answer_done(a);
	lab_create(lab, lab->claim, net, 1, n, want4, a);
	lab_wait(lab, a, 1);
	return a->status;
}

int lab_release_now(struct lab *lab, const struct model_endpoint *ep, struct lab_answer *a)
{
	a->calls = 0;
	lab_release(lab->claim, ep, a);
	lab_wait(lab, a, 1);
	return a->status;
}

static size_t count(struct lab *lab, enum model_kind kind, const struct model_network *net)
{
	_cleanup_free_ char *dir = model_key_dir(LAB_PREFIX, kind, &net->id);
	_cleanup_free_ char *end = kv_prefix_end(dir);

	return fake_kv_count(lab->fake, dir, end);
}

size_t lab_addresses(struct lab *lab, const struct model_network *net)
{
	return count(lab, MODEL_ADDRESS, net);
}

size_t lab_endpoints(struct lab *lab, const struct model_network *net)
{
	return count(lab, MODEL_ENDPOINT, net);
}

static bool owned_by(struct lab *lab, const struct model_network *net, struct ip ip, struct id id)
{
	_cleanup_free_ char *key = model_key_address(LAB_PREFIX, net->id, ip);
	const char *value = fake_kv_get(lab->fake, key);
	struct model_address *a;
	bool r;

	if (!value)
		return false;
	assert_int_equal(model_address_decode(LAB_PREFIX, key, value, strlen(value), &a, NULL), 0);
	r = id_eq(a->endpoint, id);
	model_address_free(a);
	return r;
}

bool lab_owns(struct lab *lab, const struct model_network *net, const char *ip, unsigned n)
{
	return owned_by(lab, net, lab_ip(ip), lab_id(0xee, n));
}

void lab_check(struct lab *lab, const struct model_network *net)
{
	_cleanup_free_ char *dir = model_key_dir(LAB_PREFIX, MODEL_ENDPOINT, &net->id);
	_cleanup_free_ char *end = kv_prefix_end(dir);
	struct fake_range r;
	size_t addresses = 0;

	assert_int_equal(fake_store_range(fake_kv_store(lab->fake), dir, end, 0, &r), 0);
	for (size_t i = 0; i < r.n; i++) {
		_cleanup_model_endpoint_ struct model_endpoint *ep = NULL;

		assert_int_equal(model_endpoint_decode(LAB_PREFIX, r.entries[i].key,
						       r.entries[i].value, r.entries[i].value_len,
						       &ep, NULL),
				 0);
		assert_true(owned_by(lab, net, ep->ip4, ep->id));
		addresses++;
		if (ip_is_set(ep->ip6)) {
			assert_true(owned_by(lab, net, ep->ip6, ep->id));
			addresses++;
		}
	}
	fake_range_done(&r);
	assert_int_equal(lab_addresses(lab, net), addresses);
}
