/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deletions in the background: each waits for RCU, as those of knl_delete do, but each in a namespace of its own. */
#include <errno.h>
#include <string.h>
#include "overlay/knl_direct_priv.h"
#include "overlay/netns.h"

struct item {
	struct item *next;
	char name[IFNAMSIZ]; /* of the port, not of the device */
	struct state_target target;
	int ifindex; /* 0: nothing is there */
	kernel_deleted_fn done;
	void *user;
	int status;
};
struct knl_direct {
	uv_timer_t timer; /* 0 ms: the end of this turn */
	uv_work_t work;
	struct item *queue, *busy; /* busy: the worker's */
	bool closing;
	uint64_t deadline_ms; /* of closing, by uv_now() */
	void (*closed)(void *user);
	void *closed_user;
};

static void start(struct knl_direct *d);

static void on_timer(uv_timer_t *t)
{
	start(t->data);
}

struct knl_direct *knl_direct_new(uv_loop_t *loop)
{
	struct knl_direct *d = mem_alloc(sizeof(*d));

	uv_timer_init(loop, &d->timer);
	d->timer.data = d->work.data = d;
	return d;
}

static bool same_target(const struct state_target *a, const struct state_target *b)
{
	if (a->ino != 0 && b->ino != 0)
		return a->ino == b->ino && a->dev == b->dev;
	return strcmp(a->path, b->path) == 0;
}

bool knl_direct_going(const struct knl_direct *d, const struct state_target *t, int ifindex)
{
	if (d->busy && d->busy->ifindex == ifindex && same_target(&d->busy->target, t))
		return true;
	for (const struct item *it = d->queue; it; it = it->next)
		if (it->ifindex == ifindex && same_target(&it->target, t))
			return true;
	return false;
}

/* In a thread of the pool, which is for a moment in that namespace: touches nothing but the item. */
static void delete_one(uv_work_t *w)
{
	struct item *it = ((struct knl_direct *)w->data)->busy;
	_cleanup_close_ int target = -1;
	_cleanup_knl_ struct knl_sock *in = NULL;

	if (it->ifindex == 0)
		return;
	target = netns_open_target(&it->target, NULL);
	if (target == -ENOENT)
		return;
	it->status = target < 0 ? target : knl_open(target, &in, NULL);
	if (it->status == 0)
		it->status = knl_link_delete(in, it->ifindex);
}

static void tell(struct item *it)
{
	if (it->done)
		it->done(it->user, it->name, it->status);
	free(it);
}

static void on_deleted(uv_work_t *w, int status)
{
	struct knl_direct *d = w->data;
	struct item *it = TAKE_PTR(d->busy);

	(void)status; /* never cancelled */
	tell(it);
	start(d);
}

static void on_handle_closed(uv_handle_t *h)
{
	struct knl_direct *d = h->data;

	d->closed(d->closed_user);
	free(d);
}

/* Closing: what is still queued is told of. */
static void finish(struct knl_direct *d)
{
	while (d->queue) {
		struct item *it = d->queue;

		d->queue = it->next;
		it->status = -ECANCELED;
		tell(it);
	}
	if (!uv_is_closing((uv_handle_t *)&d->timer))
		uv_close((uv_handle_t *)&d->timer, on_handle_closed);
}

static void start(struct knl_direct *d)
{
	if (d->busy)
		return;
	if (d->closing && (!d->queue || uv_now(d->timer.loop) > d->deadline_ms))
		finish(d);
	if (!d->queue)
		return;
	d->busy = d->queue;
	d->queue = d->busy->next;
	uv_queue_work(d->timer.loop, &d->work, delete_one, on_deleted);
}

/* The number of the device in question; 0 when there is none of ours. */
static int find(const struct state_port *p)
{
	_cleanup_close_ int target = netns_open_target(&p->target, NULL);
	_cleanup_knl_ struct knl_sock *in = NULL;
	struct knl_link l = { 0 };

	if (target < 0 || knl_open(target, &in, NULL) < 0 || knl_link_read(in, p->ifname, &l) < 0)
		return 0;
	/* Without mark it was never finished; then its MAC tells. */
	if (!knl_direct_is_driver(l.driver) ||
	    (!state_key_is_local(l.mark) && !mac_eq(l.mac, p->mac)))
		return 0;
	return l.ifindex;
}

bool knl_direct_delete(struct knl_direct *d, const struct state_port *p, kernel_deleted_fn done,
		       void *user)
{
	struct item *it = mem_alloc(sizeof(*it)), **end = &d->queue;
	bool there;

	memcpy(it->name, p->name, sizeof(it->name));
	it->target = p->target;
	it->ifindex = find(p);
	it->done = done;
	it->user = user;
	there = it->ifindex != 0;
	while (*end)
		end = &(*end)->next;
	*end = it;
	if (!d->busy)
		uv_timer_start(&d->timer, on_timer, 0, 0);
	return there;
}

void knl_direct_close(struct knl_direct *d, void (*closed)(void *user), void *user)
{
	d->closing = true;
	d->closed = closed;
	d->closed_user = user;
	d->deadline_ms = uv_now(d->timer.loop) + KNL_DIRECT_CLOSE_MS;
	start(d);
}
