/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/containers.h"

#include "agent/endpoint.h"
#include "agent/target.h"

struct dropping {
	const struct local_target *target;
	struct id *ids;
	size_t n, pending;
	containers_dropped_fn done;
	void *user;
};

static void collect(void *user, const struct local_endpoint *ep)
{
	struct dropping *d = user;

	if (!target_match(&ep->target, d->target) || ep->state == LOCAL_RELEASING)
		return;
	d->ids = mem_grow(d->ids, d->n + 1, sizeof(*d->ids));
	d->ids[d->n++] = ep->id;
}

static void finish_one(struct dropping *d)
{
	if (--d->pending > 0)
		return;
	d->done(d->user);
	free(d->ids);
	free(d);
}

/* A failure is the endpoint's own to settle: its row says RELEASING. */
static void on_disconnected(void *user, int status, const struct local_endpoint *ep,
			    const struct err *e)
{
	(void)status;
	(void)ep;
	(void)e;
	finish_one(user);
}

void containers_drop_endpoints(void *endpoints, const struct local_target *t,
			       containers_dropped_fn done, void *done_user)
{
	struct dropping *d = mem_alloc(sizeof(*d));

	d->target = t;
	d->done = done;
	d->user = done_user;
	endpoints_drop_begin(endpoints, t);
	endpoint_each(endpoints, collect, d);
	d->target = NULL; /* not ours beyond this call */
	d->pending = d->n + 1; /* one for this function */
	for (size_t i = 0; i < d->n; i++)
		endpoint_disconnect_id(endpoints, d->ids[i], on_disconnected, d);
	finish_one(d);
}
