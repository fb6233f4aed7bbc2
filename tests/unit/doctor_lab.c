/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/doctor_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/containers.h"
#include "agent/forwarding.h"
#include "agent/publish.h"
#include "agent/surroundings.h"
#include "base/mem.h"

#define DEADLINE_MS 20000
#define L(handle) ((struct doctor_lab *)(handle))

struct id doctor_lab_id(unsigned n)
{
	struct id id = { { 0 } };

	id.b[0] = (uint8_t)n;
	id.b[31] = (uint8_t)n;
	return id;
}

/* ---- stand-ins: every handle but the mirror's is the lab itself ---- */

struct id node_id(const struct node *n)
{
	(void)n;
	return doctor_lab_id(1);
}

struct ip node_vtep(const struct node *n)
{
	(void)n;
	return ip_v4(0xc0a80001);
}

int64_t node_address_lease(const struct node *n)
{
	return L(n)->lease;
}

const struct model_network *network_get(struct networks *n, struct id id)
{
	const struct mirror_network *net = mirror_network(L(n)->m, id);

	return net ? net->rec : NULL;
}

const struct model_network *network_by_key(struct networks *n, uint32_t key)
{
	const struct model_network *net = network_get(n, doctor_lab_id(10));

	return net && net->vni == key ? net : NULL;
}

void endpoint_each(struct endpoints *es, void (*fn)(void *user, const struct local_endpoint *ep),
		   void *user)
{
	for (size_t i = 0; i < L(es)->n_rows; i++)
		fn(user, L(es)->rows[i]);
}

const struct local_endpoint *endpoint_get(struct endpoints *es, struct id id)
{
	for (size_t i = 0; i < L(es)->n_rows; i++) {
		if (id_eq(L(es)->rows[i]->id, id))
			return L(es)->rows[i];
	}
	return NULL;
}

bool endpoints_forwarded(struct endpoints *es, int family)
{
	(void)family;
	return L(es)->forwarded;
}

static bool forwarding_off;

bool forwarding_is_off(int family)
{
	(void)family;
	return forwarding_off;
}

const char *forwarding_name(int family)
{
	return family == AF_INET ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
}

bool reconcile_idle(const struct reconcile *r)
{
	struct doctor_lab *l = L(r);

	l->looks++;
	return !l->busy || (l->settles && l->looks > 2);
}

void reconcile_stats(const struct reconcile *r, struct reconcile_stats *ret)
{
	*ret = L(r)->stats;
}

int reconcile_examine(struct reconcile *r, reconcile_examine_fn fn, void *user, struct err *e)
{
	struct doctor_lab *l = L(r);

	if (l->examine_status < 0)
		return err_set(e, l->examine_status, "the kernel is not to be read");
	for (size_t i = 0; i < l->n_kernel && !(l->once && l->examined > 0); i++)
		fn(user, &l->kernel[i]);
	l->examined++;
	return 0;
}

size_t surroundings_findings(const struct surroundings *s, const struct coexist_finding **ret)
{
	*ret = L(s)->walls;
	return L(s)->n_walls;
}

void publishes_unbound(const struct publishes *ps,
		       void (*fn)(void *user, const struct model_publish *p, const char *who),
		       void *user)
{
	const struct model_publish p = { .proto = IPPROTO_TCP, .host_port = 8080, .port = 80 };

	if (L(ps)->unbound)
		fn(user, &p, "web");
}

void containers_each(const struct containers *cs, void (*fn)(void *user, const struct container *c),
		     void *user)
{
	struct container c = { .name = (char *)"r1", .state = CONTAINER_RUNNING };

	c.target.pid = getpid();
	c.target.pid_start = 1; /* another process had that pid */
	if (L(cs)->dead_container)
		fn(user, &c);
	c.state = CONTAINER_ENDING;
	fn(user, &c);
}

static void names_problems(void *user, struct strv *ret)
{
	if (L(user)->name_problem)
		strv_add(ret, L(user)->name_problem);
}

static void docker(void *user, struct doctor_check *c)
{
	struct doctor_lab *l = user;

	if (l->docker)
		l->docker(l, c);
	else
		doctor_checked(c);
}

/* ---- etcd ---- */

static void on_changed(void *user, const struct mirror_change *c, size_t n)
{
	(void)user;
	(void)c;
	(void)n;
}

static void on_state(void *user, enum mirror_state s, const char *why)
{
	(void)user;
	(void)s;
	(void)why;
}

static void on_bad(void *user, const struct err *e)
{
	(void)user;
	fail_msg("%s", e->text);
}

static void on_link(void *user, bool up, const char *why)
{
	(void)user;
	(void)up;
	(void)why;
}

void doctor_lab_put(struct doctor_lab *l, char *key, char *value)
{
	fake_kv_put(l->f, key, value, 0);
	free(key);
	free(value);
	if (l->d)
		doctor_lab_sync(l);
}

void doctor_lab_del(struct doctor_lab *l, char *key)
{
	fake_kv_delete(l->f, key, NULL);
	free(key);
	doctor_lab_sync(l);
}

static void put_node(struct doctor_lab *l, unsigned n)
{
	struct model_node rec = { .name = mem_printf("node%u", n),
				  .vtep = ip_v4(0xc0a80000 + n),
				  .mtu = 1500,
				  .address_lease = n == 1 ? l->lease : 77,
				  .format = 1 };

	doctor_lab_put(l, model_key_node(P, doctor_lab_id(n)), model_node_encode(&rec));
	doctor_lab_put(l, model_key_alive(P, doctor_lab_id(n)), mem_strdup("{}"));
	free(rec.name);
}

void doctor_lab_put_endpoint(struct doctor_lab *l, unsigned net, unsigned n, unsigned node)
{
	struct model_endpoint ep = { .name = mem_printf("c%u", n),
				     .node = doctor_lab_id(node),
				     .ip4 = ip_v4(0x0a000000 + n),
				     .mac = mac_from_ip(ip_v4(0x0a000000 + n)) };

	doctor_lab_put(l, model_key_endpoint(P, doctor_lab_id(net), doctor_lab_id(n)),
		       model_endpoint_encode(&ep));
	free(ep.name);
}

void doctor_lab_put_address(struct doctor_lab *l, unsigned net, unsigned ip, unsigned ep,
			    unsigned node)
{
	struct model_address a = { .endpoint = doctor_lab_id(ep),
				   .node = doctor_lab_id(node),
				   .state = MODEL_ADDRESS_BOUND };

	doctor_lab_put(l, model_key_address(P, doctor_lab_id(net), ip_v4(0x0a000000 + ip)),
		       model_address_encode(&a));
}

struct local_endpoint *doctor_lab_row(struct doctor_lab *l, unsigned net, unsigned n)
{
	struct local_endpoint *row = mem_alloc(sizeof(*row));

	row->id = doctor_lab_id(n);
	row->network = doctor_lab_id(net);
	row->state = LOCAL_BOUND;
	row->name = mem_printf("c%u", n);
	row->ip4 = ip_v4(0x0a000000 + n);
	row->mac = mac_from_ip(row->ip4);
	return l->rows[l->n_rows++] = row;
}

static void fill(struct doctor_lab *l)
{
	struct model_cluster c = { .id = doctor_lab_id(99), .epoch = 1 };

	doctor_lab_put(l, model_key_cluster(P), model_cluster_encode(&c));
	put_node(l, 1);
	put_node(l, 2);
	doctor_lab_put(l, model_key_network(P, doctor_lab_id(10)),
		       mem_strdup("{\"name\":\"demo\",\"vni\":1048576,\"mtu\":1450,\"subnets\":"
				  "[{\"subnet\":\"10.0.0.0/24\",\"gateway\":\"10.0.0.1\"}]}"));
	doctor_lab_put_endpoint(l, 10, 2, 1);
	doctor_lab_put_endpoint(l, 10, 3, 2);
	doctor_lab_put_address(l, 10, 2, 2, 1);
	doctor_lab_put_address(l, 10, 3, 3, 2);
	doctor_lab_row(l, 10, 2);
}

/* ---- life ---- */

static void tick(uv_timer_t *t)
{
	(void)t;
}

static void turn_until(struct doctor_lab *l, bool (*done)(struct doctor_lab *l), const char *what)
{
	uint64_t end = uv_hrtime() / 1000000 + DEADLINE_MS;

	while (!done(l)) {
		uv_run(l->loop, UV_RUN_ONCE);
		if (uv_hrtime() / 1000000 > end)
			fail_msg("never: %s", what);
	}
}

static bool in_sync(struct doctor_lab *l)
{
	_cleanup_free_ char *key = NULL, *end = NULL;
	struct fake_range r = { 0 };
	int64_t newest = 0, theirs = 0;
	size_t count = 0, n;

	model_mirror_range(P, &key, &end);
	fake_store_range(fake_kv_store(l->f), key, end, 0, &r);
	n = r.n;
	for (size_t i = 0; i < r.n; i++) {
		if (r.entries[i].mod_revision > theirs)
			theirs = r.entries[i].mod_revision;
	}
	fake_range_done(&r);
	return mirror_link_up(l->m) && mirror_count(l->m, &count, &newest) && count == n &&
	       newest == theirs;
}

void doctor_lab_sync(struct doctor_lab *l)
{
	turn_until(l, in_sync, "in sync");
}

void doctor_lab_open(struct doctor_lab *l, uv_loop_t *loop)
{
	static const struct mirror_handlers handlers = {
		.changed = on_changed, .state = on_state, .bad_record = on_bad, .link = on_link
	};
	struct mirror_config mc = { .prefix = P };

	memset(l, 0, sizeof(*l));
	l->loop = loop ? loop : &l->own_loop;
	if (!loop)
		uv_loop_init(l->loop);
	uv_timer_init(l->loop, &l->tick);
	uv_timer_start(&l->tick, tick, 1, 1);
	forwarding_off = false;
	l->config.etcd_prefix = (char *)P;
	l->config.name = (char *)"node1";
	l->f = fake_kv_new(l->loop);
	l->lease = fake_store_grant(fake_kv_store(l->f), DOCTOR_LAB_LEASE_S);
	l->m = mirror_new(l->loop, fake_kv_kv(l->f), &mc, &handlers, l);
	fill(l);
	mirror_start(l->m);
	doctor_lab_sync(l);
	l->deps = (struct doctor_deps){ .loop = l->loop,
					.config = &l->config,
					.kv = fake_kv_kv(l->f),
					.mirror = l->m,
					.reconcile = (struct reconcile *)l,
					.networks = (struct networks *)l,
					.endpoints = (struct endpoints *)l,
					.node = (struct node *)l,
					.containers = (struct containers *)l,
					.publishes = (struct publishes *)l,
					.surroundings = (struct surroundings *)l,
					.names = true,
					.names_problems = names_problems,
					.docker = docker,
					.user = l };
	l->d = doctor_new(&l->deps);
	doctor_delays(l->d, DOCTOR_LAB_QUIET_MS, 1);
}

void doctor_lab_close(struct doctor_lab *l)
{
	doctor_close(l->d);
	mirror_close(l->m);
	fake_kv_close(l->f);
	uv_close((uv_handle_t *)&l->tick, NULL);
	for (size_t i = 0; i < l->n_rows; i++)
		local_endpoint_free(l->rows[i]);
	if (l->loop != &l->own_loop)
		return;
	uv_run(l->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(l->loop), 0);
}

/* ---- examinations ---- */

void doctor_lab_told(void *user, int status, const struct doctor_report *r)
{
	struct doctor_lab *l = user;
	int at = 0;

	l->told++;
	l->status = status;
	l->text[0] = '\0';
	if (status < 0)
		return;
	l->n = r->n;
	l->left_out = r->left_out;
	for (size_t i = 0; i < r->n && at < (int)sizeof(l->text) - 1; i++)
		at += snprintf(l->text + at, sizeof(l->text) - (size_t)at, "%s: %s | %s\n",
			       doctor_area_name(r->v[i].area), r->v[i].what, r->v[i].cure);
	for (size_t i = 0; i < DOCTOR_AREAS && at < (int)sizeof(l->text) - 1; i++) {
		if (r->not_checked[i])
			at += snprintf(l->text + at, sizeof(l->text) - (size_t)at, "not %s: %s\n",
				       doctor_area_name(i), r->not_checked[i]);
	}
}

static bool was_told(struct doctor_lab *l)
{
	return l->told > 0;
}

void doctor_lab_look(struct doctor_lab *l)
{
	forwarding_off = l->forwarding_off;
	l->told = l->examined = l->looks = 0;
	doctor_examine(l->d, doctor_lab_told, l);
	assert_int_equal(l->told, 0);
	turn_until(l, was_told, "told");
	assert_int_equal(l->told, 1);
}

void doctor_lab_one(struct doctor_lab *l, const char *area, const char *what, const char *cure)
{
	const char *bar;

	doctor_lab_look(l);
	bar = strstr(l->text, " | ");
	if (l->status != 0 || l->n != 1 || !bar || strncmp(l->text, area, strlen(area)) != 0 ||
	    !strstr(l->text, what) || !strstr(bar, cure))
		fail_msg("status %d, %zu findings:\n%s\nwanted: %s: %s | %s", l->status, l->n,
			 l->text, area, what, cure);
}
