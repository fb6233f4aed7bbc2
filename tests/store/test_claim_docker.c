/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Docker's way in pieces against a real etcd: pool, network, name, binding, address, endpoint, and all of it back. */
#include "ipam/claim.h"

#include <errno.h>
#include <string.h>

#include "tests/store/lab.h"

#define P "/ovl/v1"

static struct lab lab;
static struct claim *claim, *other;
static int64_t lease;

static int setup(void **state)
{
	(void)state;
	lab_open(&lab, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_close(&lab);
	return 0;
}

static int64_t grant(int64_t ttl_s)
{
	struct lab_answer a = { 0 };

	kv_lease_grant(lab.kv, ttl_s, lab_on_done, &a);
	lab_until(&lab, a.done);
	assert_int_equal(a.status, 0);
	return a.lease;
}

static int open_claims(void **state)
{
	(void)state;
	claim = claim_new(lab.loop, lab.kv, P, 1);
	other = claim_new(lab.loop, lab.kv, P, 2);
	lease = grant(600);
	return 0;
}

/* What is under way when the claims are closed is none: every test waits for its answers. */
static int close_claims(void **state)
{
	struct lab_answer a = { 0 };

	(void)state;
	claim_close(claim);
	claim_close(other);
	kv_delete(lab.kv, P "/", P "0", lab_on_done, &a);
	lab_until(&lab, a.done);
	return 0;
}

struct told {
	int done, status;
	int64_t revision;
	size_t freed;
	struct model_pool *pool;
	struct model_network *net;
	struct model_endpoint *ep;
	struct ip ip;
	struct err err;
};

static void told_done(struct told *t)
{
	model_pool_free(t->pool);
	model_network_free(t->net);
	model_endpoint_free(t->ep);
	*t = (struct told){ 0 };
}

static void on_pool(void *user, int status, const struct model_pool *pool, const struct err *e)
{
	struct told *t = user;

	t->done++;
	t->status = status;
	t->err = *e;
	t->pool = pool ? model_pool_dup(pool) : NULL;
}

static void on_network(void *user, int status, const struct model_network *net, const struct err *e)
{
	struct told *t = user;

	t->done++;
	t->status = status;
	t->err = *e;
	t->net = net ? model_network_dup(net) : NULL;
}

static void on_endpoint(void *user, int status, const struct model_endpoint *ep,
			const struct err *e)
{
	struct told *t = user;

	t->done++;
	t->status = status;
	t->err = *e;
	t->ep = ep ? model_endpoint_dup(ep) : NULL;
}

static void on_address(void *user, int status, struct ip ip, const struct err *e)
{
	struct told *t = user;

	t->done++;
	t->status = status;
	t->err = *e;
	t->ip = ip;
}

static void on_done(void *user, int status, int64_t revision, const struct err *e)
{
	struct told *t = user;

	t->done++;
	t->status = status;
	t->err = *e;
	t->revision = revision;
}

static void on_swept(void *user, int status, size_t freed, const struct err *e)
{
	struct told *t = user;

	t->done++;
	t->status = status;
	t->err = *e;
	t->freed = freed;
}

static void must(const struct told *t)
{
	lab_until(&lab, t->done);
	if (t->status)
		fail_msg("%s", err_text(&t->err));
}

static struct id an_id(uint8_t n)
{
	return (struct id){ .b = { n, 1 } };
}

static size_t count(const char *kind)
{
	_cleanup_free_ char *dir = mem_printf("%s/%s/", P, kind);
	_cleanup_free_ char *end = kv_prefix_end(dir);

	return (size_t)lab_range(
		       &lab, &(struct kv_range){ .key = dir, .range_end = end, .count_only = true })
		.count;
}

static const struct subnet_pool pools[] = { { { { AF_INET, { 10 } }, 8 }, 24 } };

static void start_pool(struct claim *c, int family, int64_t l, struct told *t)
{
	struct claim_pool_request req = { .family = family,
					  .pools = pools,
					  .n_pools = 1,
					  .cluster_id = an_id(0xcc),
					  .node = an_id(0x0d),
					  .lease = l };

	claim_pool_create(c, &req, on_pool, t);
}

/* Of the subnets of @n pools, which it takes the place of. */
static void start_network(struct claim *c, uint8_t n, const char *name,
			  struct model_pool *const *from, size_t n_from, struct told *t)
{
	struct model_network base = { .id = an_id(n),
				      .name = (char *)name,
				      .driver = (char *)"overlay",
				      .state = MODEL_NETWORK_PENDING,
				      .mtu = 1450,
				      .ipv6 = n_from > 1 };
	struct strv subnets = { 0 };
	struct id own[2];
	struct claim_network_request req = { .base = &base,
					     .ask = { .subnets = &subnets },
					     .pools = pools,
					     .n_pools = 1,
					     .cluster_id = an_id(0xcc),
					     .own_pools = own,
					     .n_own_pools = n_from };

	for (size_t i = 0; i < n_from; i++) {
		char text[PREFIX_TEXT_MAX];

		strv_add(&subnets, prefix_format(from[i]->subnet, text));
		own[i] = from[i]->id;
	}
	claim_network_create(c, &req, on_network, t);
	strv_done(&subnets);
}

/* Pools, network, name. Return: the record, owned by the caller. */
static struct model_network *make_network(uint8_t n, const char *name)
{
	struct told p4 = { 0 }, p6 = { 0 }, t = { 0 };
	struct model_network *net;

	start_pool(claim, AF_INET, lease, &p4);
	start_pool(claim, AF_INET6, lease, &p6);
	must(&p4);
	must(&p6);
	start_network(claim, n, "docker-1", (struct model_pool *[]){ p4.pool, p6.pool }, 2, &t);
	must(&t);
	told_done(&t);
	told_done(&p4);
	told_done(&p6);
	claim_network_rename(claim, an_id(n), name, on_network, &t);
	must(&t);
	assert_int_equal(t.net->state, MODEL_NETWORK_READY);
	net = model_network_dup(t.net);
	net->mod_revision = t.net->mod_revision;
	told_done(&t);
	return net;
}

static void remove_network(struct id id)
{
	struct told t = { 0 };

	claim_network_remove(claim, id, on_done, &t);
	must(&t);
	assert_int_equal(count("network"), 0);
	told_done(&t);
}

static void whole_life(void **state)
{
	struct model_network *net = make_network(0xa1, "demo");
	struct model_binding b = { .network = net->id,
				   .node = an_id(0x0d),
				   .docker = (char *)"dddd" };
	struct model_endpoint ep = {
		.id = an_id(0xee), .network = net->id, .node = an_id(0x0d), .name = (char *)"c1"
	};
	struct claim_endpoint_request req = {
		.network = net, .endpoint = &ep, .lease = lease, .reserved = true
	};
	struct told t = { 0 }, ip4 = { 0 }, ip6 = { 0 };

	(void)state;
	assert_int_equal(count("pool"), 0);
	assert_int_equal(count("network"), 1);
	claim_binding_put(claim, &b, on_done, &t);
	must(&t);
	b.mod_revision = t.revision;
	told_done(&t);
	claim_address_reserve(claim, net, (struct ip){ 0 }, AF_INET, an_id(0x0d), lease, on_address,
			      &ip4);
	claim_address_reserve(claim, net, (struct ip){ 0 }, AF_INET6, an_id(0x0d), lease,
			      on_address, &ip6);
	must(&ip4);
	must(&ip6);
	req.want4 = ip4.ip;
	req.want6 = ip6.ip;
	claim_endpoint_create(claim, &req, on_endpoint, &t);
	must(&t);
	assert_int_equal(count("endpoint"), 1);
	assert_int_equal(count("address"), 2);
	ep.ip4 = t.ep->ip4;
	told_done(&t);
	claim_endpoint_unbind(other, &ep, an_id(0x0d), lease, on_done, &t);
	must(&t);
	assert_int_equal(count("endpoint"), 0);
	assert_int_equal(count("address"), 2);
	told_done(&t);
	claim_network_remove(claim, net->id, on_done, &t);
	lab_until(&lab, t.done);
	assert_int_equal(t.status, -EBUSY);
	told_done(&t);
	claim_address_free(claim, net->id, ip4.ip, an_id(0x0d), on_done, &t);
	must(&t);
	told_done(&t);
	/* The other one is left over. */
	for (uint64_t now = 0; now <= 60000; now += 60000) {
		claim_reservations_sweep(claim, &net->id, 1, an_id(0x0d), now, 60000, on_swept, &t);
		must(&t);
		assert_int_equal(t.freed, now != 0);
		told_done(&t);
	}
	assert_int_equal(count("address"), 0);
	claim_binding_del(claim, &b, on_done, &t);
	must(&t);
	assert_int_equal(count("binding"), 0);
	told_done(&t);
	remove_network(net->id);
	model_network_free(net);
}

/* Two agents at once: the ranges' compares of a real etcd hold what the fake's do. */
static void races(void **state)
{
	struct told p[16] = { 0 }, n[16] = { 0 }, t[2] = { 0 };

	(void)state;
	for (int i = 0; i < 16; i++)
		start_pool(i % 2 ? claim : other, AF_INET, lease, &p[i]);
	for (int i = 0; i < 16; i++) {
		must(&p[i]);
		for (int j = 0; j < i; j++)
			assert_false(prefix_overlaps(p[i].pool->subnet, p[j].pool->subnet));
	}
	for (int i = 0; i < 16; i++) {
		char name[16];

		snprintf(name, sizeof(name), "docker-%d", i);
		start_network(i % 2 ? claim : other, (uint8_t)(i + 1), name, &p[i].pool, 1, &n[i]);
	}
	for (int i = 0; i < 16; i++)
		must(&n[i]);
	assert_int_equal(count("pool"), 0);
	assert_int_equal(count("network"), 16);
	claim_network_rename(claim, an_id(1), "demo", on_network, &t[0]);
	claim_network_rename(other, an_id(2), "demo", on_network, &t[1]);
	lab_until(&lab, t[0].done && t[1].done);
	assert_int_equal(t[0].status + t[1].status, -EEXIST);
	for (int i = 0; i < 16; i++) {
		told_done(&p[i]);
		told_done(&n[i]);
	}
	told_done(&t[0]);
	told_done(&t[1]);
}

/* Leases of a real etcd: a pool goes with its own, and is not put under a dead one. */
static void lease_gone(void **state)
{
	int64_t brief = grant(60);
	struct told p = { 0 }, t = { 0 };

	(void)state;
	start_pool(claim, AF_INET, brief, &p);
	must(&p);
	assert_int_equal(count("pool"), 1);
	lab_lease(&lab, LAB_REVOKE, brief);
	assert_int_equal(count("pool"), 0);
	start_network(claim, 1, "docker-1", &p.pool, 1, &t);
	must(&t);
	told_done(&p);
	told_done(&t);
	start_pool(claim, AF_INET, brief, &p);
	lab_until(&lab, p.done);
	assert_int_equal(p.status, -EKEYEXPIRED);
	told_done(&p);
	claim_pool_delete(claim, an_id(9), on_done, &t);
	must(&t);
	told_done(&t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_claims, close_claims)

int main(void)
{
	const struct CMUnitTest tests[] = { T(whole_life), T(races), T(lease_gone) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
