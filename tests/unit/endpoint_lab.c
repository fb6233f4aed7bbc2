/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/endpoint_lab.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- the reconciler's questions, answered as the agent does ---- */

static enum reconcile_source on_source(void *user, uint32_t key)
{
	(void)user;
	(void)key;
	return RECONCILE_COMPLETE;
}

static struct ip on_vtep_of(void *user, struct id node)
{
	(void)user;
	(void)node;
	return (struct ip){ 0 };
}

static struct state_net *on_desired(void *user, uint32_t key)
{
	struct lab *w = user;
	_cleanup_free_ struct compile_local *locals = NULL;
	const struct model_network *net = NULL;
	struct netopt opt;
	size_t n;

	for (int i = 0; i < LAB_NETS; i++) {
		if (network_key(w->nets[i]) == key)
			net = w->nets[i];
	}
	if (!net || !w->es)
		return NULL;
	network_options(net, &opt);
	n = endpoints_locals(w->es, net->id, &locals);
	if (!state_key_is_local(key)) {
		struct compile_input in = { .network = net,
					    .self = w->self,
					    .vtep = ip_v4(0xc0a80001),
					    .vxlan_port = 4789,
					    .underlay_mtu = 1500,
					    .locals = locals,
					    .n_locals = n,
					    .vtep_of = on_vtep_of };

		return compile_network(&in, NULL);
	}
	struct compile_local_input in = { .network = net,
					  .opt = &opt,
					  .key = key,
					  .mtu = 1500,
					  .bridge_mac = { .b = { 2, 0x42, 0xf0, 0, 0,
								 (uint8_t)key } },
					  .locals = locals,
					  .n_locals = n };
	return compile_local(&in);
}

static size_t on_vnis(void *user, uint32_t **ret)
{
	struct lab *w = user;
	size_t n = 0;

	*ret = mem_alloc_array(LAB_NETS, sizeof(**ret));
	for (int i = 0; i < LAB_NETS; i++) {
		if (network_key(w->nets[i]))
			(*ret)[n++] = network_key(w->nets[i]);
	}
	return n;
}

static size_t on_vteps(void *user, struct ip **ret)
{
	(void)user;
	*ret = mem_alloc_array(1, sizeof(**ret));
	return 0;
}

static void on_port_failed(void *user, struct id endpoint, int status, const struct err *e)
{
	endpoints_port_failed(((struct lab *)user)->es, endpoint, status, e);
}

static void on_drift(void *user, uint32_t vni, const char *what, unsigned count)
{
	(void)user;
	(void)vni;
	(void)what;
	(void)count;
}

static void on_underlay(void *user)
{
	(void)user;
}

static void on_direct_gone(void *user, struct id endpoint)
{
	endpoints_direct_gone(((struct lab *)user)->es, endpoint);
}

static int64_t on_lease(void *user)
{
	(void)user;
	return 1;
}

static uint32_t on_mtu(void *user)
{
	(void)user;
	return 1500;
}

static void on_endpoint(void *user, const struct local_endpoint *row, bool gone)
{
	struct lab *w = user;
	size_t i = 0;

	assert_non_null(row);
	*(gone ? &w->told_gone : &w->told) += 1;
	while (i < w->n_known && !id_eq(w->known[i], row->id))
		i++;
	if (gone && i < w->n_known) {
		w->known[i] = w->known[--w->n_known];
	} else if (!gone && i == w->n_known) {
		assert_true(i < LAB_KNOWN_MAX);
		w->known[w->n_known++] = row->id;
	}
}

static void on_sandbox(void *user, const struct state_target *t)
{
	assert_true(t->ino != 0);
	((struct lab *)user)->told_sandbox++;
}

/* ---- life ---- */

static void start(struct lab *w, const char *boot)
{
	static const struct reconcile_hooks hooks = {
		.source = on_source,
		.desired = on_desired,
		.vnis = on_vnis,
		.vteps = on_vteps,
		.port_failed = on_port_failed,
		.drift = on_drift,
		.underlay_changed = on_underlay,
		.direct_gone = on_direct_gone,
	};
	struct endpoints_deps d = { .loop = &w->loop,
				    .mirror = (struct mirror *)w,
				    .networks = (struct networks *)w,
				    .publishes = (struct publishes *)w,
				    .conntrack = (struct knl_conntrack *)w,
				    .claim = (struct claim *)w,
				    .local = w->local,
				    .kernel = w->k,
				    .events = w->events,
				    .self = w->self,
				    .boot_id = boot,
				    .prefix = "/ovl/v1",
				    .lease = on_lease,
				    .mtu = on_mtu,
				    .endpoint = on_endpoint,
				    .sandbox = on_sandbox,
				    .user = w };
	struct err e = { 0 };

	w->r = reconcile_new(&w->loop, w->k, &hooks, w);
	d.reconcile = w->r;
	w->es = endpoints_new(&d);
	assert_int_equal(endpoints_load(w->es, &e), 0);
	assert_int_equal(reconcile_start(w->r, &e), 0);
	lab_turn(w);
}

int lab_open(void **state)
{
	struct lab *w = mem_alloc(sizeof(*w));
	struct err e = { 0 };

	log_set_level(LOG_LEVEL_ERROR);
	uv_loop_init(&w->loop);
	snprintf(w->dir, sizeof(w->dir), "/tmp/ovl-endpoint-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(local_open(w->dir, &w->local, &e), 0);
	w->f = fake_kernel_new(&w->loop);
	w->k = fake_kernel_seam(w->f);
	w->events = events_new();
	w->self = id_random();
	for (int i = 0; i < LAB_NETS; i++)
		w->nets[i] = endpoint_stand_net((enum lab_net)i);
	start(w, "boot");
	*state = w;
	return 0;
}

static void stop(struct lab *w)
{
	endpoints_close(w->es);
	w->es = NULL;
	reconcile_close(w->r);
	for (size_t i = 0; i < w->n_claims; i++)
		model_endpoint_free(w->claims[i].ep);
	w->n_claims = 0; /* the records stay */
}

void lab_restart(struct lab *w, const char *boot)
{
	stop(w);
	w->n_ports = 0;
	start(w, boot);
}

int lab_close(void **state)
{
	struct lab *w = *state;
	char *path;

	assert_null(fake_kernel_violation(w->f));
	stop(w);
	endpoint_stand_done(w);
	fake_kernel_free(w->f);
	assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	local_close(w->local);
	events_free(w->events);
	for (int i = 0; i < LAB_NETS; i++)
		model_network_free(w->nets[i]);
	for (unsigned i = 0; i < 4; i++) {
		static const char *const files[] = { "state.db", "state.db-wal", "state.db-shm",
						     "lock" };

		path = mem_printf("%s/%s", w->dir, files[i]);
		unlink(path);
		free(path);
	}
	assert_int_equal(rmdir(w->dir), 0);
	free(w);
	return 0;
}

/* ---- what a test does ---- */

void lab_turn(struct lab *w)
{
	for (int i = 0; i < 4; i++) {
		endpoint_stand_answer(w);
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
}

void lab_answered(void *user, int status, const struct local_endpoint *ep, const struct err *e)
{
	struct lab *w = user;
	unsigned n = w->a.n + 1;

	w->a = (struct lab_answer){ .n = n, .status = status };
	snprintf(w->a.why, sizeof(w->a.why), "%.500s", status < 0 ? err_text(e) : "");
	if (!ep)
		return;
	w->a.endpoint = ep->id;
	w->a.ip4 = ep->ip4;
	w->a.ip6 = ep->ip6;
	snprintf(w->a.ifname, sizeof(w->a.ifname), "%s", ep->ifname);
}

static void wait_answer(struct lab *w)
{
	uint64_t deadline = clock_boot_ms() + 5000;

	do
		lab_turn(w);
	while (w->a.n == 0 && clock_boot_ms() < deadline);
}

void lab_ask(struct lab *w, enum lab_net net, const char *target, struct endpoint_request more)
{
	more.network = w->nets[net]->id;
	more.target = target;
	w->a = (struct lab_answer){ 0 };
	endpoint_connect(w->es, &more, lab_answered, w);
	wait_answer(w);
	assert_int_equal(w->a.n, 1);
}

void lab_connect(struct lab *w, enum lab_net net, const char *target)
{
	lab_ask(w, net, target, (struct endpoint_request){ 0 });
	if (w->a.status < 0)
		print_error("connect %s to %s: %s\n", target, w->nets[net]->name, w->a.why);
	assert_int_equal(w->a.status, 0);
}

void lab_leave(struct lab *w, enum lab_net net, const char *target)
{
	w->a = (struct lab_answer){ 0 };
	endpoint_disconnect(w->es, w->nets[net]->id, target, false, lab_answered, w);
	wait_answer(w);
	assert_int_equal(w->a.n, 1);
}

/* ---- Docker ---- */

struct endpoint_docker_request lab_docker(struct lab *w, enum lab_net net, struct id id)
{
	static const char network[] = "dddd";

	return (struct endpoint_docker_request){ .id = id,
						 .network = w->nets[net]->id,
						 .docker_network = network };
}

int lab_docker_create(struct lab *w, enum lab_net net, struct id id)
{
	struct endpoint_docker_request req = lab_docker(w, net, id);

	w->a = (struct lab_answer){ 0 };
	endpoint_docker_create(w->es, &req, lab_answered, w);
	lab_turn(w);
	assert_int_equal(w->a.n, 1);
	return w->a.status;
}

int lab_docker_join(struct lab *w, struct id id, const char *key)
{
	char ifname[IFNAMSIZ] = "", want[IFNAMSIZ];
	struct err e = { 0 };
	int r = endpoint_docker_join(w->es, id, key, ifname, &e);

	state_handed_name(id, want);
	assert_string_equal(ifname, r == 0 ? want : "");
	snprintf(w->a.why, sizeof(w->a.why), "%.500s", r < 0 ? err_text(&e) : "");
	return r;
}

void lab_docker_delete(struct lab *w, struct id id)
{
	w->a = (struct lab_answer){ 0 };
	endpoint_docker_delete(w->es, id, lab_answered, w);
	lab_turn(w);
	assert_int_equal(w->a.n, 1);
	assert_int_equal(w->a.status, 0);
}

const struct state_port *lab_docker_port(struct lab *w, enum lab_net net, struct id id)
{
	const struct state_net *n = fake_kernel_net(w->f, network_key(w->nets[net]));
	char name[IFNAMSIZ];

	state_port_name(id, name);
	return n ? state_net_port(n, name) : NULL;
}

/* ---- what it looks at ---- */

static void count_row(void *user, const struct local_endpoint *ep)
{
	(void)ep;
	++*(unsigned *)user;
}

unsigned lab_rows(struct lab *w)
{
	unsigned n = 0;

	assert_int_equal(local_endpoint_each(w->local, count_row, &n, NULL), 0);
	return n;
}

struct lookup {
	struct id network;
	uint64_t ino;
	const struct local_endpoint *found;
};

static void look(void *user, const struct local_endpoint *ep)
{
	struct lookup *l = user;

	if (id_eq(ep->network, l->network) && ep->target.netns_ino == l->ino &&
	    ep->state != LOCAL_RELEASING)
		l->found = ep;
}

const struct local_endpoint *lab_of(struct lab *w, enum lab_net net, const char *target)
{
	struct lookup l = { .network = w->nets[net]->id, .ino = strtoull(target, NULL, 10) };

	endpoint_each(w->es, look, &l);
	return l.found;
}

const struct state_port *lab_port(struct lab *w, enum lab_net net, const char *target)
{
	const struct state_net *n = fake_kernel_net(w->f, network_key(w->nets[net]));
	const struct local_endpoint *ep = lab_of(w, net, target);
	char name[IFNAMSIZ];

	if (!n || !ep)
		return NULL;
	state_net_port_name(n, ep->id, name);
	return state_net_port(n, name);
}

size_t lab_locals(struct lab *w, enum lab_net net, struct compile_local *ret)
{
	_cleanup_free_ struct compile_local *v = NULL;
	size_t n = endpoints_locals(w->es, w->nets[net]->id, &v);

	if (ret && n > 0)
		*ret = v[0];
	return n;
}

unsigned lab_translated(struct lab *w, struct ip to)
{
	const struct state_elem *v;
	size_t n = fake_kernel_elems(w->f, &v);
	unsigned count = 0;

	for (size_t i = 0; i < n; i++)
		count += v[i].set == STATE_SET_PUBLISH && ip_eq(v[i].to, to);
	return count;
}
