/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/docker/docker_sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/backoff.h"
#include "base/mem.h"

#define MAX 16

/* A small cluster and a small Docker: network i has id {i}, subnet 10.i.0.0/24 and name "n<i>". */
struct lab {
	struct docker_sync_net nets[MAX];
	struct model_network rec[MAX];
	struct model_subnet subnet[MAX];
	char name[MAX][32], bound[MAX][80];
	struct docker_network docker[MAX];
	struct strv tried, gone;
	struct docker_sync_picture p;
};

static struct id id_of(unsigned i)
{
	return (struct id){ .b = { (uint8_t)i } };
}

static void lab_init(struct lab *l)
{
	memset(l, 0, sizeof(*l));
	l->p = (struct docker_sync_picture){ .nets = l->nets,
					     .docker = l->docker,
					     .complete = true,
					     .tried = &l->tried,
					     .gone = &l->gone };
}

static void docker_del(struct lab *l, size_t i)
{
	struct docker_network *d = &l->docker[i];

	free(d->id);
	free(d->name);
	free(d->driver);
	kv_pairs_done(&d->options);
	kv_pairs_done(&d->labels);
	kv_pairs_done(&d->ipam_options);
	strv_done(&d->subnets);
	l->p.n_docker--;
	memmove(d, d + 1, (l->p.n_docker - i) * sizeof(*d));
	memset(&l->docker[l->p.n_docker], 0, sizeof(*d));
}

static void lab_done(struct lab *l)
{
	while (l->p.n_docker > 0)
		docker_del(l, 0);
	strv_done(&l->tried);
	strv_done(&l->gone);
}

/* By rising @i. */
static struct docker_sync_net *net(struct lab *l, unsigned i, const char *bound)
{
	size_t at = l->p.n_nets++;
	struct model_network *r = &l->rec[i];
	struct docker_sync_net *n = &l->nets[at];

	snprintf(l->name[i], sizeof(l->name[i]), "n%u", i);
	l->subnet[i].subnet = (struct prefix){ ip_v4(0x0a000000 + (i << 16)), 24 };
	*r = (struct model_network){ .id = id_of(i),
				     .name = l->name[i],
				     .driver = "overlay",
				     .subnets = &l->subnet[i],
				     .n_subnets = 1 };
	*n = (struct docker_sync_net){ .net = r };
	if (bound) {
		snprintf(l->bound[i], sizeof(l->bound[i]), "%s", bound);
		n->bound = l->bound[i];
	}
	return n;
}

static struct docker_network *docker(struct lab *l, const char *id, const char *name)
{
	struct docker_network *d = &l->docker[l->p.n_docker++];

	d->id = mem_strdup(id);
	d->name = mem_strdup(name);
	d->driver = mem_strdup("ovl");
	return d;
}

static void names(struct docker_network *d, unsigned i)
{
	char id[ID_TEXT_MAX];
	_cleanup_free_ char *subnet = mem_printf("10.%u.0.0/24", i);

	kv_pairs_set(&d->options, DOCKER_OPTION_NETWORK, id_format(id_of(i), id));
	strv_add(&d->subnets, subnet);
}

static const char *hex(unsigned i)
{
	static char text[4][ID_TEXT_MAX];

	return id_format(id_of(i), text[i % 4]);
}

/* "CREATE n1", "REMOVE d7", "STRANGE n1 d2" */
static const char *next(struct lab *l)
{
	static const char *const step[] = { "NONE",   "NAME", "CREATE", "REMOVE",
					    "UNBIND", "BIND", "STRANGE" };
	static char text[256];
	struct docker_sync s;

	docker_sync_next(&l->p, &s);
	snprintf(text, sizeof(text), "%s%s%s%s%s", step[s.step], s.net ? " " : "",
		 s.net ? s.net->net->name : "", s.docker ? " " : "",
		 s.docker ? s.docker->name : "");
	return text;
}

static void test_nothing(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	l.p.tried = l.p.gone = NULL;
	assert_string_equal(next(&l), "NONE");
	net(&l, 1, "d1");
	docker(&l, "d1", "n1");
	assert_string_equal(next(&l), "NONE");
	lab_done(&l);
}

static void test_name(void **state)
{
	struct lab l;
	struct docker_sync_net *n;

	(void)state;
	lab_init(&l);
	/* Made here, its record pending; another node's, not here until it is READY. */
	n = net(&l, 1, hex(1));
	n->own = true;
	l.rec[1].state = MODEL_NETWORK_PENDING;
	net(&l, 2, NULL);
	l.rec[2].state = MODEL_NETWORK_PENDING;
	docker(&l, hex(1), "demo");
	assert_string_equal(next(&l), "NAME n1 demo");
	/* The name is taken: it stays what it is. */
	strv_add(&l.tried, hex(1));
	assert_string_equal(next(&l), "NONE");
	strv_done(&l.tried);
	/* The binding lost: first the name all the same, then it. */
	n->bound = NULL;
	n->own = false;
	assert_string_equal(next(&l), "NAME n1 demo");
	l.rec[1].state = MODEL_NETWORK_READY;
	assert_string_equal(next(&l), "BIND n1 demo");
	lab_done(&l);
}

static void test_joined_while_pending(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	net(&l, 1, "d1");
	l.rec[1].state = MODEL_NETWORK_PENDING;
	names(docker(&l, "d1", "mine"), 1);
	assert_string_equal(next(&l), "NONE");
	lab_done(&l);
}

static void test_create(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	net(&l, 1, NULL);
	net(&l, 2, NULL)->left = true;
	net(&l, 3, NULL);
	l.rec[3].driver = "bridge";
	assert_string_equal(next(&l), "CREATE n1");
	l.p.complete = false;
	assert_string_equal(next(&l), "CREATE n1");
	/* Refused, as by a bridge network of that name. */
	strv_add(&l.tried, hex(1));
	assert_string_equal(next(&l), "NONE");
	lab_done(&l);
}

static void test_unbind(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	net(&l, 1, "d1");
	net(&l, 2, "d2")->left = true;
	assert_string_equal(next(&l), "UNBIND n1");
	l.nets[0].bound = NULL;
	assert_string_equal(next(&l), "UNBIND n2");
	l.p.complete = false;
	l.nets[0].bound = "d1";
	assert_string_equal(next(&l), "NONE");
	l.p.complete = true;
	/* Another one stands for it by now: not as if it had been removed. */
	names(docker(&l, "d9", "n1"), 1);
	assert_string_equal(next(&l), "UNBIND n2");
	l.nets[1].bound = NULL;
	assert_string_equal(next(&l), "BIND n1 n1");
	lab_done(&l);
}

static void test_bind(void **state)
{
	struct docker_network *d;
	struct lab l;

	(void)state;
	lab_init(&l);
	net(&l, 1, NULL)->left = true;
	net(&l, 2, NULL);
	net(&l, 3, "d3");
	names(docker(&l, "d1", "other"), 1);
	d = docker(&l, "d2", "n2");
	kv_pairs_set(&d->ipam_options, DOCKER_OPTION_NETWORK, "n2"); /* by name, one driver only */
	strv_add(&d->subnets, "10.2.0.9/24");
	names(docker(&l, "d3", "x"), 2); /* the binding counts, not what the option says */
	assert_string_equal(next(&l), "BIND n1 other");
	l.nets[0].bound = "d1";
	assert_string_equal(next(&l), "BIND n2 n2");
	l.nets[1].bound = "d2";
	assert_string_equal(next(&l), "NONE");
	lab_done(&l);
}

static void test_remove(void **state)
{
	struct docker_network *d;
	struct lab l;

	(void)state;
	lab_init(&l);
	d = docker(&l, "d1", "by label");
	kv_pairs_set(&d->labels, DOCKER_LABEL_MANAGED, "true");
	names(docker(&l, "d2", "by option"), 7);
	docker(&l, "d3", "by memory");
	docker(&l, "d4", "unknown");
	strv_add(&l.gone, "d3");
	l.p.complete = false;
	assert_string_equal(next(&l), "NONE");
	l.p.complete = true;
	assert_string_equal(next(&l), "REMOVE by label");
	docker_del(&l, 0);
	assert_string_equal(next(&l), "REMOVE by option");
	/* It has endpoints: later. */
	strv_add(&l.tried, "d2");
	assert_string_equal(next(&l), "REMOVE by memory");
	strv_add(&l.tried, "d3");
	assert_string_equal(next(&l), "STRANGE unknown");
	strv_add(&l.tried, "d4");
	assert_string_equal(next(&l), "NONE");
	lab_done(&l);
}

/* Removed and made again under its name while the agent was away: another subnet, another network. */
static void test_made_anew(void **state)
{
	struct docker_network *d;
	struct lab l;

	(void)state;
	lab_init(&l);
	net(&l, 1, NULL);
	d = docker(&l, "d1", "n1");
	kv_pairs_set(&d->options, DOCKER_OPTION_NETWORK, "n1");
	strv_add(&d->subnets, "10.99.0.0/24");
	assert_string_equal(next(&l), "REMOVE n1");
	/* It cannot go yet: the new one has to wait, and that is told. */
	strv_add(&l.tried, "d1");
	assert_string_equal(next(&l), "STRANGE n1 n1");
	strv_add(&l.tried, hex(1));
	assert_string_equal(next(&l), "NONE");
	strv_done(&l.tried);
	docker_del(&l, 0);
	assert_string_equal(next(&l), "CREATE n1");
	lab_done(&l);
}

static void test_strange(void **state)
{
	struct lab l;

	(void)state;
	lab_init(&l);
	net(&l, 1, "d1");
	names(docker(&l, "d1", "n1"), 1);
	names(docker(&l, "d2", "second"), 1);
	assert_string_equal(next(&l), "STRANGE second");
	/* Of a local network's record no word is said. */
	l.rec[1].driver = "bridge";
	assert_string_equal(next(&l), "REMOVE n1");
	l.p.complete = false;
	assert_string_equal(next(&l), "NONE");
	lab_done(&l);
}

static void test_order(void **state)
{
	static const char *const expect[] = { "NAME n1 name",  "UNBIND n2", "BIND n3 bind",
					      "REMOVE remove", "CREATE n4", "STRANGE strange" };
	struct lab l;

	(void)state;
	lab_init(&l);
	net(&l, 1, hex(1))->own = true;
	l.rec[1].state = MODEL_NETWORK_PENDING;
	net(&l, 2, "d2");
	net(&l, 3, NULL);
	net(&l, 4, NULL);
	docker(&l, "d8", "strange");
	names(docker(&l, "d7", "remove"), 7);
	names(docker(&l, "d3", "bind"), 3);
	docker(&l, hex(1), "name");
	for (size_t i = 0; i < ARRAY_SIZE(expect); i++) {
		struct docker_sync s;

		assert_string_equal(next(&l), expect[i]);
		docker_sync_next(&l.p, &s);
		if (s.net)
			strv_add(&l.tried, hex(s.net->net->id.b[0]));
		else
			strv_add(&l.tried, s.docker->id);
	}
	assert_string_equal(next(&l), "NONE");
	lab_done(&l);
}

/* Any picture: of networks 1 to 8, of Docker's "d0", "d1", ... and those with a cluster network's own id. */
static void random_picture(struct lab *l, uint64_t *seed)
{
	for (unsigned i = 1; i <= 8; i++) {
		uint64_t r = backoff_rand(seed);
		char bound[80];
		struct docker_sync_net *n;

		if (r & 1)
			continue;
		snprintf(bound, sizeof(bound), "d%u", (unsigned)(r >> 8) % 6);
		n = net(l, i, r & 2 ? (r & 4 ? hex(i) : bound) : NULL);
		n->left = (r & 0x18) == 0;
		n->own = n->bound && strcmp(n->bound, hex(i)) == 0;
		n->endpoints = (r >> 16) % 3;
		n->other_bindings = (r >> 20) % 2;
		if ((r & 0x60) == 0)
			l->rec[i].state = MODEL_NETWORK_PENDING;
		if ((r & 0x700000000) == 0)
			l->rec[i].driver = "bridge";
	}
	for (unsigned i = 0; i < 6; i++) {
		uint64_t r = backoff_rand(seed);
		unsigned of = 1 + (unsigned)(r >> 8) % 8;
		char text[80], name[32];
		struct docker_network *d;

		if (r & 1)
			continue;
		snprintf(text, sizeof(text), "d%u", i);
		snprintf(name, sizeof(name), "n%u", 1 + (unsigned)(r >> 12) % 8);
		d = docker(l, (r & 6) == 6 ? hex(of) : text, name);
		if (r & 8)
			names(d, of);
		if ((r & 0x30) == 0)
			kv_pairs_set(&d->labels, DOCKER_LABEL_MANAGED, "true");
		if ((r & 0x1c0) == 0)
			strv_add(&l->gone, d->id);
	}
	l->p.complete = backoff_rand(seed) % 4 != 0;
}

static void net_del(struct lab *l, size_t at)
{
	l->p.n_nets--;
	memmove(&l->nets[at], &l->nets[at + 1], (l->p.n_nets - at) * sizeof(l->nets[0]));
}

static void apply_unbind(struct lab *l, struct docker_sync_net *n)
{
	n->bound = NULL;
	if (n->endpoints > 0 || n->other_bindings > 0)
		n->left = true;
	else
		net_del(l, (size_t)(n - l->nets));
}

/* What the step is for, or, one time in four, a failure. */
static void apply(struct lab *l, const struct docker_sync *s, uint64_t *seed)
{
	struct docker_sync_net *n = s->net ? &l->nets[s->net - l->nets] : NULL;
	size_t d = s->docker ? (size_t)(s->docker - l->docker) : 0;
	static unsigned made;
	char text[80];

	assert_true(!n || strcmp(n->net->driver, "overlay") == 0);
	if (s->step == DOCKER_SYNC_STRANGE || backoff_rand(seed) % 4 == 0) {
		strv_add(&l->tried, n ? hex(n->net->id.b[0]) : l->docker[d].id);
		return;
	}
	switch (s->step) {
	case DOCKER_SYNC_NAME:
		l->rec[n->net->id.b[0]].state = MODEL_NETWORK_READY;
		return;
	case DOCKER_SYNC_UNBIND:
		assert_true(l->p.complete);
		apply_unbind(l, n);
		return;
	case DOCKER_SYNC_BIND:
		snprintf(l->bound[n->net->id.b[0]], sizeof(l->bound[0]), "%s", l->docker[d].id);
		n->bound = l->bound[n->net->id.b[0]];
		return;
	case DOCKER_SYNC_REMOVE:
		assert_true(l->p.complete);
		docker_del(l, d);
		return;
	case DOCKER_SYNC_CREATE:
		assert_false(n->left || n->bound);
		assert_int_equal(n->net->state, MODEL_NETWORK_READY);
		snprintf(text, sizeof(text), "made%u", made++);
		names(docker(l, text, n->net->name), n->net->id.b[0]);
		snprintf(l->bound[n->net->id.b[0]], sizeof(l->bound[0]), "%s", text);
		n->bound = l->bound[n->net->id.b[0]];
		return;
	case DOCKER_SYNC_STRANGE:
	case DOCKER_SYNC_NONE:
		break;
	}
	fail();
}

/* Whatever the picture: it ends, and then each of the cluster's that can be is there. */
static void test_it_ends(void **state)
{
	uint64_t seed = 20260501;

	(void)state;
	for (unsigned round = 0; round < 5000; round++) {
		struct docker_sync s = { DOCKER_SYNC_NONE, NULL, NULL };
		unsigned steps = 0;
		struct lab l;

		lab_init(&l);
		random_picture(&l, &seed);
		for (docker_sync_next(&l.p, &s); s.step != DOCKER_SYNC_NONE;
		     docker_sync_next(&l.p, &s)) {
			assert_true(steps++ < 64);
			assert_true(l.p.n_docker < MAX);
			apply(&l, &s, &seed);
		}
		for (size_t i = 0; i < l.p.n_nets; i++) {
			const struct docker_sync_net *n = &l.nets[i];

			if (l.tried.n == 0 && l.p.complete && !n->left &&
			    n->net->state == MODEL_NETWORK_READY &&
			    strcmp(n->net->driver, "overlay") == 0)
				assert_non_null(n->bound);
		}
		lab_done(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_name),
		cmocka_unit_test(test_create),	cmocka_unit_test(test_joined_while_pending),
		cmocka_unit_test(test_unbind),	cmocka_unit_test(test_bind),
		cmocka_unit_test(test_remove),	cmocka_unit_test(test_made_anew),
		cmocka_unit_test(test_strange), cmocka_unit_test(test_order),
		cmocka_unit_test(test_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
