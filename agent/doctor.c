/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "agent/doctor_priv.h"
#include "base/mem.h"

#define QUIET_POLL_MS 20

struct doctor_check {
	struct exam *exam;
	enum doctor_area area;
	bool open;
	struct doctor_finding *v;
	size_t n;
	size_t left_out;
	bool dropped; /* the last finding was: its cure is nobody's */
	char *skipped;
	void *state;
	void (*drop)(void *state);
};
/* One round: every area once. */
struct round {
	struct doctor_check check[DOCTOR_AREAS];
	unsigned open;
};
struct exam {
	struct doctor *doctor;
	struct exam *prev, *next;
	doctor_done_fn done;
	void *user;
	uv_timer_t timer;
	uint64_t until_ms; /* nothing to be due is waited for that long */
	struct round first, second;
	bool again; /* the second round */
};
struct doctor {
	struct doctor_deps d;
	struct exam *exams;
	unsigned n;
	uint32_t quiet_ms, again_ms;
};

static const struct {
	const char *name;
	void (*look)(const struct doctor_deps *d, struct doctor_check *c);
} areas[DOCTOR_AREAS] = {
	[DOCTOR_KERNEL] = { "kernel", doctor_kernel },
	[DOCTOR_ETCD] = { "etcd", doctor_etcd },
	[DOCTOR_ENDPOINT] = { "endpoint", doctor_endpoint },
	[DOCTOR_DOCKER] = { "docker", NULL }, /* doctor_deps.docker */
	[DOCTOR_NAMES] = { "names", doctor_names },
	[DOCTOR_NODE] = { "node", doctor_node },
	[DOCTOR_FIREWALL] = { "firewall", doctor_firewall },
};

const char *doctor_area_name(enum doctor_area a)
{
	return areas[a].name;
}

/* ---- one area ---- */

void doctor_find(struct doctor_check *c, const char *fmt, ...)
{
	struct doctor_finding *f;
	va_list ap;

	c->dropped = c->n == DOCTOR_FINDINGS_MAX;
	if (c->dropped) {
		c->left_out++;
		return;
	}
	if ((c->n & (c->n - 1)) == 0)
		c->v = mem_grow(c->v, c->n ? c->n * 2 : 1, sizeof(*c->v));
	f = &c->v[c->n++];
	va_start(ap, fmt);
	*f = (struct doctor_finding){ .area = c->area, .what = mem_vprintf(fmt, ap) };
	va_end(ap);
}

void doctor_cure(struct doctor_check *c, const char *fmt, ...)
{
	va_list ap;

	if (c->dropped || c->n == 0)
		return;
	free(c->v[c->n - 1].cure);
	va_start(ap, fmt);
	c->v[c->n - 1].cure = mem_vprintf(fmt, ap);
	va_end(ap);
}

void doctor_skip(struct doctor_check *c, const char *fmt, ...)
{
	va_list ap;

	free(c->skipped);
	va_start(ap, fmt);
	c->skipped = mem_vprintf(fmt, ap);
	va_end(ap);
}

void doctor_keep(struct doctor_check *c, void *state, void (*drop)(void *state))
{
	c->state = state;
	c->drop = drop;
}

static void check_done(struct doctor_check *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].what);
		free(c->v[i].cure);
	}
	free(c->v);
	free(c->skipped);
}

/* ---- names of things ---- */

bool doctor_synced(const struct doctor_deps *d)
{
	return d->kv && mirror_get_state(d->mirror) == MIRROR_SYNCED && mirror_link_up(d->mirror);
}

const char *doctor_network_name(const struct doctor_deps *d, struct id network,
				char buf[ID_SHORT_MAX])
{
	const struct model_network *net = network_get(d->networks, network);

	return net ? net->name : id_short(network, buf);
}

const char *doctor_node_name(const struct doctor_deps *d, struct id node, char buf[ID_SHORT_MAX])
{
	const struct mirror_node *n = mirror_node(d->mirror, node);

	return n && n->rec ? n->rec->name : id_short(node, buf);
}

int64_t doctor_wall_age(const char *created)
{
	struct tm tm = { 0 };
	const char *end = created ? strptime(created, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	time_t now = time(NULL), then;

	if (!end || (*end != 'Z' && *end != '.'))
		return -1;
	then = timegm(&tm);
	return then < now ? (int64_t)(now - then) : 0;
}

/* ---- an examination ---- */

static void round_done(struct round *r)
{
	for (size_t i = 0; i < DOCTOR_AREAS; i++)
		check_done(&r->check[i]);
	memset(r, 0, sizeof(*r));
}

static void exam_closed(uv_handle_t *h)
{
	struct exam *x = h->data;

	round_done(&x->first);
	round_done(&x->second);
	free(x);
}

static void exam_end(struct exam *x, int status, const struct doctor_report *r)
{
	DL_DELETE(x->doctor->exams, x);
	x->doctor->n--;
	x->done(x->user, status, r);
	uv_close((uv_handle_t *)&x->timer, exam_closed);
}

static bool has(const struct doctor_check *c, const struct doctor_finding *f)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->v[i].what, f->what) == 0)
			return true;
	}
	return false;
}

/* What was there the first time, too. The texts stay the checks'. */
static void tell(struct exam *x)
{
	const struct round *last = x->again ? &x->second : &x->first;
	struct doctor_report r = { 0 };
	size_t max = 0;

	for (size_t i = 0; i < DOCTOR_AREAS; i++)
		max += last->check[i].n;
	r.v = mem_alloc_array(max + 1, sizeof(*r.v));
	for (size_t i = 0; i < DOCTOR_AREAS; i++) {
		const struct doctor_check *c = &last->check[i];

		r.not_checked[i] = c->skipped;
		r.left_out += c->left_out;
		for (size_t k = 0; k < c->n; k++) {
			if (!x->again || has(&x->first.check[i], &c->v[k]))
				r.v[r.n++] = c->v[k];
		}
	}
	exam_end(x, 0, &r);
	free(r.v);
}

static void wait_for_quiet(uv_timer_t *t);

static void round_ended(uv_timer_t *t)
{
	struct exam *x = t->data;
	size_t n = 0;

	for (size_t i = 0; i < DOCTOR_AREAS; i++)
		n += x->first.check[i].n;
	if (x->again || n == 0) {
		tell(x);
		return;
	}
	x->again = true;
	x->until_ms = uv_now(x->doctor->d.loop) + x->doctor->again_ms + x->doctor->quiet_ms;
	uv_timer_start(&x->timer, wait_for_quiet, x->doctor->again_ms, QUIET_POLL_MS);
}

void doctor_checked(struct doctor_check *c)
{
	struct exam *x = c->exam;
	struct round *r = x->again ? &x->second : &x->first;

	c->open = false;
	c->drop = NULL;
	/* In a turn of its own: areas may answer from inside. */
	if (--r->open == 0)
		uv_timer_start(&x->timer, round_ended, 0, 0);
}

static void look(struct exam *x)
{
	struct round *r = x->again ? &x->second : &x->first;
	const struct doctor_deps *d = &x->doctor->d;

	r->open = DOCTOR_AREAS;
	for (size_t i = 0; i < DOCTOR_AREAS; i++)
		r->check[i] = (struct doctor_check){ .exam = x, .area = i, .open = true };
	for (size_t i = 0; i < DOCTOR_AREAS; i++) {
		struct doctor_check *c = &r->check[i];

		if (areas[i].look) {
			areas[i].look(d, c);
		} else if (d->docker) {
			d->docker(d->user, c);
		} else {
			doctor_skip(c, "ovld serves no Docker here");
			doctor_checked(c);
		}
	}
}

struct moving {
	const struct doctor_deps *d;
	bool any;
};

/* Nobody knows yet what becomes of one that is being claimed; one that leaves does so soon where etcd answers. */
static void look_moving(void *user, const struct local_endpoint *ep)
{
	struct moving *m = user;

	m->any = m->any || ep->state == LOCAL_INTENDED ||
		 (ep->state == LOCAL_RELEASING && doctor_synced(m->d));
}

static void wait_for_quiet(uv_timer_t *t)
{
	struct exam *x = t->data;
	struct moving m = { .d = &x->doctor->d };

	endpoint_each(m.d->endpoints, look_moving, &m);
	if ((m.any || !reconcile_idle(m.d->reconcile)) && uv_now(m.d->loop) < x->until_ms)
		return;
	uv_timer_stop(t);
	look(x);
}

static void refuse(uv_timer_t *t)
{
	exam_end(t->data, -EAGAIN, NULL);
}

void doctor_examine(struct doctor *d, doctor_done_fn done, void *user)
{
	struct exam *x = mem_alloc(sizeof(*x));

	x->doctor = d;
	x->done = done;
	x->user = user;
	x->until_ms = uv_now(d->d.loop) + d->quiet_ms;
	uv_timer_init(d->d.loop, &x->timer);
	x->timer.data = x;
	uv_timer_start(&x->timer, d->n < DOCTOR_EXAMINATIONS_MAX ? wait_for_quiet : refuse, 0,
		       QUIET_POLL_MS);
	DL_APPEND(d->exams, x);
	d->n++;
}

/* ---- life ---- */

struct doctor *doctor_new(const struct doctor_deps *d)
{
	struct doctor *doc = mem_alloc(sizeof(*doc));

	doc->d = *d;
	doctor_delays(doc, DOCTOR_QUIET_MS, DOCTOR_AGAIN_MS);
	return doc;
}

void doctor_delays(struct doctor *d, uint32_t quiet_ms, uint32_t again_ms)
{
	d->quiet_ms = quiet_ms;
	d->again_ms = again_ms;
}

static void drop(struct round *r)
{
	for (size_t i = 0; i < DOCTOR_AREAS; i++) {
		struct doctor_check *c = &r->check[i];

		if (c->open && c->drop)
			c->drop(c->state);
		c->open = false;
	}
}

void doctor_close(struct doctor *d)
{
	struct exam *x, *tmp;

	if (!d)
		return;
	DL_FOREACH_SAFE(d->exams, x, tmp) {
		drop(&x->first);
		drop(&x->second);
		exam_end(x, -ECANCELED, NULL);
	}
	free(d);
}
