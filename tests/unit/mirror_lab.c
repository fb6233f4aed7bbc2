/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/mirror_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct id lab_id(unsigned n)
{
	struct id id = { { 0 } };

	id.b[0] = (uint8_t)(n >> 16);
	id.b[1] = (uint8_t)(n >> 8);
	id.b[31] = (uint8_t)n;
	id.b[15] = 1;
	return id;
}

static void on_changed(void *user, const struct mirror_change *c, size_t n)
{
	struct lab *w = user;

	for (size_t i = 0; i < n; i++) {
		bool rec = c[i].kind == MODEL_NODE || c[i].kind == MODEL_NETWORK ||
			   c[i].kind == MODEL_ENDPOINT || c[i].kind == MODEL_BINDING;

		if (c[i].deleted)
			w->dels[c[i].kind]++;
		else
			w->puts[c[i].kind]++;
		if (rec) {
			assert_true((c[i].after == NULL) == c[i].deleted);
			assert_true(!c[i].deleted || c[i].before != NULL);
		}
	}
	if (w->resync_in_handler)
		mirror_resync(w->m);
	w->resync_in_handler = false;
	if (w->close_in_handler) {
		mirror_close(w->m);
		w->m = NULL;
	}
}

static void on_state(void *user, enum mirror_state s, const char *why)
{
	struct lab *w = user;

	assert_int_equal(s, mirror_get_state(w->m));
	w->n_synced += s == MIRROR_SYNCED;
	w->n_frozen += s == MIRROR_FROZEN;
	snprintf(w->why, sizeof(w->why), "%s", why);
	if (s == MIRROR_FROZEN) /* it may have thawed in the same turn */
		snprintf(w->frozen_why, sizeof(w->frozen_why), "%s", why);
}

static void on_bad(void *user, const struct err *e)
{
	struct lab *w = user;

	w->n_bad++;
	snprintf(w->bad, sizeof(w->bad), "%.255s", e->text);
}

static void on_link(void *user, bool up, const char *why)
{
	struct lab *w = user;

	assert_non_null(why);
	w->n_link_up += up;
	w->n_link_down += !up;
}

static void on_persist(void *user, const char *key, const char *value, int64_t mod)
{
	struct lab *w = user;

	assert_true(mod > 0);
	assert_non_null(key);
	w->persisted++;
	w->persisted_dels += value == NULL;
}

void lab_make_mirror(struct lab *w)
{
	static const struct mirror_handlers h = {
		.changed = on_changed,
		.state = on_state,
		.bad_record = on_bad,
		.link = on_link,
		.persist = on_persist,
	};

	w->m = mirror_new(&w->loop, fake_kv_kv(w->f), &w->config, &h, w);
}

int lab_open(void **state)
{
	struct lab *w = mem_alloc(sizeof(*w));

	uv_loop_init(&w->loop);
	w->f = fake_kv_new(&w->loop);
	w->config.prefix = P;
	w->config.thaw_grace_ms = 20;
	lab_make_mirror(w);
	*state = w;
	return 0;
}

int lab_close(void **state)
{
	struct lab *w = *state;

	mirror_close(w->m);
	fake_kv_close(w->f);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	free(w);
	return 0;
}

void lab_tick(uv_timer_t *t)
{
	(void)t;
}

bool lab_in_sync(struct lab *w)
{
	return mirror_get_state(w->m) == MIRROR_SYNCED && mirror_link_up(w->m) &&
	       mirror_revision(w->m) >= fake_kv_store(w->f)->revision;
}

int64_t lab_put(struct lab *w, char *key, char *value)
{
	int64_t rev = fake_kv_put(w->f, key, value, 0);

	free(key);
	free(value);
	return rev;
}

int64_t lab_del(struct lab *w, char *key)
{
	int64_t rev = fake_kv_delete(w->f, key, NULL);

	free(key);
	return rev;
}

void lab_put_cluster(struct lab *w, unsigned id, uint64_t epoch)
{
	struct model_cluster c = { .id = lab_id(id), .epoch = epoch };

	lab_put(w, model_key_cluster(P), model_cluster_encode(&c));
}

void lab_put_node(struct lab *w, unsigned n)
{
	struct model_node rec = { .name = mem_printf("node%u", n),
				  .vtep = ip_v4(0xc0a80000 + n),
				  .mtu = 1500,
				  .format = 1 };

	lab_put(w, model_key_node(P, lab_id(n)), model_node_encode(&rec));
	lab_put(w, model_key_alive(P, lab_id(n)), mem_strdup("{}"));
	free(rec.name);
}

void lab_put_network(struct lab *w, unsigned n)
{
	lab_put(w, model_key_network(P, lab_id(n)),
		mem_printf("{\"name\":\"net%u\",\"vni\":%u,\"mtu\":1450,\"subnets\":"
			   "[{\"subnet\":\"10.%u.0.0/16\",\"gateway\":\"10.%u.0.1\"}]}",
			   n, n + 1, n, n));
}

char *lab_endpoint_value(unsigned n)
{
	struct model_endpoint ep = { .name = mem_printf("c%u", n),
				     .node = lab_id(1),
				     .ip4 = ip_v4(0x0a000000 + n),
				     .mac = mac_from_ip(ip_v4(0x0a000000 + n)) };
	char *text;

	text = model_endpoint_encode(&ep);
	free(ep.name);
	return text;
}

int64_t lab_put_endpoint(struct lab *w, unsigned net, unsigned n)
{
	return lab_put(w, model_key_endpoint(P, lab_id(net), lab_id(n)), lab_endpoint_value(n));
}

/* A cluster with two nodes, one network, three endpoints: eight keys and a binding. */
void lab_fill(struct lab *w)
{
	lab_put_cluster(w, 99, 1);
	lab_put_node(w, 1);
	lab_put_node(w, 2);
	lab_put_network(w, 10);
	for (unsigned i = 2; i < 5; i++)
		lab_put_endpoint(w, 10, i);
	fake_kv_put(w->f, P "/address/x", "not mirrored", 0);
}

void lab_start_filled(struct lab *w)
{
	lab_fill(w);
	mirror_start(w->m);
	WAIT(w, lab_in_sync(w));
	assert_int_equal(mirror_network(w->m, lab_id(10))->n_endpoints, 3);
}
