/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/reconcile_lab.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"

#define QUIET_MS 120 /* twice the gap between dumps, and a little */

/* ---- hooks ---- */

static enum reconcile_source on_source(void *user, uint32_t key)
{
	const struct lab *w = user;

	return state_key_is_local(key) ? w->local_source : w->source;
}

static struct state_net *on_desired(void *user, uint32_t vni)
{
	struct lab *w = user;

	w->n_desired++;
	for (unsigned i = 0; i < LAB_NETS; i++) {
		if (w->want[i] && w->want[i]->vni == vni)
			return state_lab_dup(w->want[i]);
	}
	return NULL;
}

static size_t on_vnis(void *user, uint32_t **ret)
{
	struct lab *w = user;
	uint32_t *v = mem_alloc_array(LAB_NETS, sizeof(*v));
	size_t n = 0;

	for (unsigned i = 0; i < LAB_NETS; i++) {
		if (w->want[i])
			v[n++] = w->want[i]->vni;
	}
	*ret = v;
	return n;
}

static size_t on_vteps(void *user, struct ip **ret)
{
	struct lab *w = user;

	*ret = mem_dup(w->vteps, sizeof(w->vteps));
	return w->n_vteps;
}

static void on_port_failed(void *user, struct id endpoint, int status, const struct err *e)
{
	struct lab *w = user;

	assert_int_equal(e->code, status);
	w->n_port_failed++;
	w->port_status = status;
	w->port_endpoint = endpoint;
	if (!w->withdraw || status != -ENOENT)
		return;
	for (unsigned i = 0; i < LAB_NETS; i++) {
		struct state_net *n = w->want[i];

		for (unsigned p = 0; n && p < n->n_ports; p++) {
			if (!id_eq(n->ports[p].endpoint, endpoint))
				continue;
			struct state_fdb f = { .where = STATE_FDB_MASTER, .mac = n->ports[p].mac };

			state_net_drop_fdb(n, &f);
			for (size_t k = n->n_elems; k-- > 0;) {
				struct state_elem *el = &n->elems[k];

				if (ip_eq(el->ip, n->ports[p].ip4) ||
				    ip_eq(el->to, n->ports[p].ip4))
					memmove(el, el + 1, (--n->n_elems - k) * sizeof(*el));
			}
			state_net_drop_neigh(n, n->ports[p].ip4);
			state_net_drop_neigh(n, n->ports[p].ip6);
			state_net_drop_port(n, n->ports[p].name);
			/* From inside, as the agent does it. */
			assert_int_equal(reconcile_now(w->r, n->vni, NULL, NULL), 0);
			return;
		}
	}
}

static void on_drift(void *user, uint32_t vni, const char *what, unsigned count)
{
	struct lab *w = user;

	(void)vni;
	w->n_drift += count;
	snprintf(w->drift, sizeof(w->drift), "%s", what);
}

static void on_underlay(void *user)
{
	((struct lab *)user)->n_underlay++;
}

static const struct reconcile_hooks hooks = {
	.source = on_source,
	.desired = on_desired,
	.vnis = on_vnis,
	.vteps = on_vteps,
	.port_failed = on_port_failed,
	.drift = on_drift,
	.underlay_changed = on_underlay,
};

/* ---- life ---- */

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

int lab_open(void **state)
{
	struct lab *w = mem_alloc(sizeof(*w));

	log_set_level(LOG_LEVEL_ERROR);
	uv_loop_init(&w->loop);
	uv_timer_init(&w->loop, &w->tick);
	uv_timer_start(&w->tick, on_tick, 1, 1);
	w->f = fake_kernel_new(&w->loop);
	w->k = fake_kernel_seam(w->f);
	w->source = w->local_source = RECONCILE_COMPLETE;
	for (unsigned i = 0; i < LAB_NETS; i++)
		w->keys[i] = LAB_VNI + i;
	w->vteps[w->n_vteps++] = state_lab_vtep(0);
	w->vteps[w->n_vteps++] = state_lab_vtep(1);
	w->r = reconcile_new(&w->loop, w->k, &hooks, w);
	*state = w;
	return 0;
}

int lab_close(void **state)
{
	struct lab *w = *state;

	reconcile_close(w->r);
	fake_kernel_free(w->f);
	uv_close((uv_handle_t *)&w->tick, NULL);
	assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	for (unsigned i = 0; i < LAB_NETS; i++)
		state_net_free(w->want[i]);
	free(w);
	return 0;
}

void lab_start(struct lab *w)
{
	struct err e = { 0 };

	if (reconcile_start(w->r, &e) < 0)
		fail_msg("%s", err_text(&e));
	assert_true(reconcile_ready(w->r));
}

void lab_restart(struct lab *w)
{
	reconcile_close(w->r);
	lab_quiet(w);
	w->r = reconcile_new(&w->loop, w->k, &hooks, w);
	lab_start(w);
}

/* ---- desired ---- */

void lab_want(struct lab *w, unsigned i, unsigned n_locals, unsigned n_remotes)
{
	lab_set(w, i, state_lab_make(LAB_VNI + i, n_locals, n_remotes));
	reconcile_dirty(w->r, LAB_VNI + i);
}

void lab_set(struct lab *w, unsigned i, struct state_net *n)
{
	state_net_free(w->want[i]);
	w->want[i] = n;
	if (n)
		w->keys[i] = n->vni;
}

void lab_local(struct lab *w, unsigned i, enum state_kind kind, uint32_t key, unsigned n_locals)
{
	lab_set(w, i, state_lab_local(kind, key, n_locals));
	reconcile_dirty(w->r, key);
}

void lab_want_not(struct lab *w, unsigned i)
{
	lab_set(w, i, NULL);
	reconcile_dirty(w->r, w->keys[i]);
}

/* ---- waiting ---- */

static size_t wanted_guards(const struct lab *w)
{
	size_t n = 0;

	for (unsigned i = 0; i < LAB_NETS; i++) {
		for (size_t p = 0; w->want[i] && p < w->want[i]->n_ports; p++)
			n += w->want[i]->ports[p].guard4 + w->want[i]->ports[p].guard6;
	}
	return n;
}

static bool elems_differ(const struct lab *w, struct err *e)
{
	_cleanup_state_net_ struct state_net *all = state_net_new(STATE_KEY_LOCAL);
	char text[STATE_ELEM_TEXT_MAX];
	const struct state_elem *have;
	size_t n = fake_kernel_elems(w->f, &have);

	for (unsigned i = 0; i < LAB_NETS; i++) {
		for (size_t k = 0; w->want[i] && k < w->want[i]->n_elems; k++)
			state_net_add_elem(all, &w->want[i]->elems[k]);
	}
	state_net_sort(all);
	for (size_t i = 0; i < n && i < all->n_elems; i++) {
		if (memcmp(&have[i], &all->elems[i], sizeof(have[i])) != 0)
			return err_set(e, -1, "%s", state_elem_format(&have[i], text)) != 0;
	}
	return n != all->n_elems &&
	       err_set(e, -1, "%zu elements of the host, not %zu", n, all->n_elems) != 0;
}

static bool compare(struct lab *w, unsigned i, struct err *e)
{
	const struct ip *vteps;

	if (!fake_kernel_is(w->f, w->keys[i], w->want[i], e) || elems_differ(w, e))
		return false;
	if (w->want[i] && !fake_kernel_guarded(w->f, w->want[i], e))
		return false;
	if (fake_kernel_vteps(w->f, &vteps) != w->n_vteps ||
	    memcmp(vteps, w->vteps, w->n_vteps * sizeof(*vteps)) != 0) {
		err_set(e, -1, "vteps differ");
		return false;
	}
	if (fake_kernel_guards(w->f) != wanted_guards(w)) {
		err_set(e, -1, "%zu elements, not %zu", fake_kernel_guards(w->f), wanted_guards(w));
		return false;
	}
	return true;
}

bool lab_is(struct lab *w, unsigned i)
{
	return compare(w, i, NULL);
}

bool lab_wait(struct lab *w, bool (*done)(struct lab *w))
{
	uint64_t end;

	uv_update_time(&w->loop);
	end = uv_now(&w->loop) + LAB_DEADLINE_MS;
	while (!done(w) && uv_now(&w->loop) < end)
		uv_run(&w->loop, UV_RUN_ONCE);
	return done(w);
}

static bool all_are(struct lab *w)
{
	struct reconcile_stats st;

	for (unsigned i = 0; i < LAB_NETS; i++) {
		if (!lab_is(w, i))
			return false;
	}
	reconcile_stats(w->r, &st);
	return st.nets_dirty == 0;
}

void lab_settle(struct lab *w, const char *what)
{
	struct err e = { 0 };

	uv_run(&w->loop, UV_RUN_NOWAIT);
	if (!lab_wait(w, all_are)) {
		for (unsigned i = 0; i < LAB_NETS; i++)
			compare(w, i, &e);
		fail_msg("%s: %s", what, err_text(&e));
	}
	if (fake_kernel_violation(w->f))
		fail_msg("%s: %s", what, fake_kernel_violation(w->f));
}

void lab_quiet(struct lab *w)
{
	uint64_t end;

	uv_update_time(&w->loop);
	end = uv_now(&w->loop) + QUIET_MS;
	while (uv_now(&w->loop) < end)
		uv_run(&w->loop, UV_RUN_ONCE);
}
