/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_delete.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "overlay/knl_sock.h"

/* The group number that marks links of the group at work (IFLA_GROUP; "ov" in ASCII). */
#define GROUP_MARK 0x6f76

struct item {
	char name[IFNAMSIZ];
	int ifindex;
	kernel_deleted_fn done;
	void *user;
	int status;
};
struct knl_delete {
	uv_timer_t timer; /* 0 ms: the end of this turn */
	uv_timer_t deadline; /* while closing */
	uv_work_t work;
	struct knl_sock *sock; /* the worker's while busy; NULL: no namespace, nothing to delete */
	bool busy;
	struct item group[KNL_DELETE_GROUP]; /* at work */
	size_t n_group;
	struct item *queue;
	size_t n_queue;
	bool closing;
	unsigned handles; /* to be closed */
	void (*closed)(void *user);
	void *closed_user;
};

static void start(struct knl_delete *d);

static void on_timer(uv_timer_t *t)
{
	start(t->data);
}

struct knl_delete *knl_delete_new(uv_loop_t *loop)
{
	struct knl_delete *d = mem_alloc(sizeof(*d));

	uv_timer_init(loop, &d->timer);
	uv_timer_init(loop, &d->deadline);
	d->timer.data = d->deadline.data = d->work.data = d;
	d->handles = 2;
	return d;
}

int knl_delete_ground(struct knl_delete *d, int nsfd, struct err *e)
{
	return d->sock ? 0 : knl_open(nsfd, &d->sock, e);
}

static void put_away(struct knl_sock *s, const struct item *it)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC,
			       .ifi_index = it->ifindex,
			       .ifi_change = IFF_UP };
	struct nlmsghdr *h = knl_begin(s, RTM_NEWLINK, 0, &i, sizeof(i));

	mnl_attr_put_u32(h, IFLA_GROUP, GROUP_MARK);
	mnl_attr_put_u32(h, IFLA_MASTER, 0);
	knl_allow(s, -ENODEV);
}

/* In a thread of the pool: touches nothing but the group and the socket. */
static void delete_group(uv_work_t *w)
{
	struct knl_delete *d = w->data;
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct item *sent[KNL_DELETE_GROUP];
	unsigned n = 0;
	int r;

	for (size_t k = 0; k < d->n_group; k++)
		if (d->group[k].ifindex != 0) {
			put_away(d->sock, &d->group[k]);
			sent[n++] = &d->group[k];
		}
	if (n == 0)
		return;
	knl_send(d->sock, NULL, NULL);
	for (unsigned k = 0; k < n; k++)
		sent[k]->status = knl_status(d->sock, k);
	knl_drop(d->sock);
	mnl_attr_put_u32(knl_begin(d->sock, RTM_DELLINK, 0, &i, sizeof(i)), IFLA_GROUP, GROUP_MARK);
	knl_allow(d->sock, -ENODEV);
	r = knl_send(d->sock, NULL, NULL);
	for (unsigned k = 0; r < 0 && k < n; k++)
		sent[k]->status = r;
}

static void tell(const struct item *it, int status)
{
	if (it->done)
		it->done(it->user, it->name, status);
}

static void on_handle_closed(uv_handle_t *h)
{
	struct knl_delete *d = h->data;

	if (--d->handles > 0)
		return;
	knl_close(d->sock);
	free(d->queue);
	d->closed(d->closed_user);
	free(d);
}

/* Nothing at work, nothing left: the handles go. */
static void finish(struct knl_delete *d)
{
	if (uv_is_closing((uv_handle_t *)&d->timer))
		return;
	uv_close((uv_handle_t *)&d->timer, on_handle_closed);
	uv_close((uv_handle_t *)&d->deadline, on_handle_closed);
}

static void on_group_deleted(uv_work_t *w, int status)
{
	struct knl_delete *d = w->data;
	struct item group[KNL_DELETE_GROUP];
	size_t n = d->n_group;

	(void)status; /* never cancelled */
	memcpy(group, d->group, sizeof(group));
	d->n_group = 0;
	d->busy = false;
	for (size_t i = 0; i < n; i++)
		tell(&group[i], group[i].status);
	start(d);
}

static void start(struct knl_delete *d)
{
	size_t n = d->n_queue < KNL_DELETE_GROUP ? d->n_queue : KNL_DELETE_GROUP;

	if (d->busy)
		return;
	if (n == 0) {
		if (d->closing)
			finish(d);
		return;
	}
	memcpy(d->group, d->queue, n * sizeof(*d->queue));
	d->n_group = n;
	d->n_queue -= n;
	memmove(d->queue, d->queue + n, d->n_queue * sizeof(*d->queue));
	d->busy = true;
	uv_queue_work(d->timer.loop, &d->work, delete_group, on_group_deleted);
}

void knl_delete_add(struct knl_delete *d, const char *name, int ifindex, kernel_deleted_fn done,
		    void *user)
{
	struct item *it;

	d->queue = mem_grow(d->queue, d->n_queue + 1, sizeof(*d->queue));
	it = &d->queue[d->n_queue++];
	memset(it, 0, sizeof(*it));
	memccpy(it->name, name, '\0', sizeof(it->name) - 1);
	it->ifindex = ifindex;
	it->done = done;
	it->user = user;
	if (!d->busy)
		uv_timer_start(&d->timer, on_timer, 0, 0);
}

bool knl_delete_has(const struct knl_delete *d, int ifindex)
{
	for (size_t i = 0; i < d->n_group; i++)
		if (d->group[i].ifindex == ifindex)
			return true;
	for (size_t i = 0; i < d->n_queue; i++)
		if (d->queue[i].ifindex == ifindex)
			return true;
	return false;
}

int knl_delete_find(const struct knl_delete *d, const char *name)
{
	for (size_t i = d->n_queue; i-- > 0;)
		if (strcmp(d->queue[i].name, name) == 0)
			return d->queue[i].ifindex;
	for (size_t i = d->n_group; i-- > 0;)
		if (strcmp(d->group[i].name, name) == 0)
			return d->group[i].ifindex;
	return 0;
}

/* Too slow: what is at work comes to its end, the rest is told of and left for the next start to find. */
static void on_deadline(uv_timer_t *t)
{
	struct knl_delete *d = t->data;
	struct item *queue = TAKE_PTR(d->queue);
	size_t n = d->n_queue;

	d->n_queue = 0;
	for (size_t i = 0; i < n; i++)
		tell(&queue[i], -ECANCELED);
	free(queue);
	start(d);
}

void knl_delete_close(struct knl_delete *d, void (*closed)(void *user), void *user)
{
	d->closing = true;
	d->closed = closed;
	d->closed_user = user;
	uv_timer_start(&d->deadline, on_deadline, KNL_DELETE_CLOSE_MS, 0);
	start(d);
}
