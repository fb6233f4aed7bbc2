/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_event.h"

#include <errno.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include "overlay/knl_bridge.h"
#include "overlay/knl_decode.h"
#include "overlay/knl_sock.h"

/* Thousands of our own writes at once must fit, or every large change would look like a loss. */
#define RCVBUF_BYTES (8 << 20)
#define READS_PER_TURN 256 /* then the loop has its turn */
#define READS_LOSSY 100000 /* more than the buffer holds: throwing away is quick */
#define RECV_BYTES (64u << 10)

static const int overlay_groups[] = {
	RTNLGRP_LINK,	     RTNLGRP_NEIGH,	   RTNLGRP_IPV4_IFADDR,
	RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
};
static const int host_groups[] = {
	RTNLGRP_LINK,	     RTNLGRP_NEIGH,	   RTNLGRP_IPV4_IFADDR,
	RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
};
static const int route_groups[] = { RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };

enum source {
	SOURCE_HOST,
	SOURCE_ROUTES,
	SOURCE_OVERLAY,
	SOURCE_NFT_HOST,
	SOURCE_NFT_OVERLAY,
	N_SOURCES,
};
struct watch {
	struct knl_event *ev;
	uv_poll_t poll;
	int fd; /* -1: not watched */
	bool own_fd;
	enum source source;
};
/* A namespace whose objects are decoded. */
struct side {
	struct knl_decode *decode;
	struct knl_sock *refill; /* reads the links anew after a loss */
	bool lossy; /* notifications were dropped, and may still be */
};
struct knl_event {
	struct knl_event_config c;
	char *path;
	const char *file; /* last part of path */
	struct watch watch[N_SOURCES];
	uv_fs_event_t folder;
	bool folder_on;
	struct nft_ground *nft;
	struct side ovl, host;
	unsigned handles;
	bool closing;
	void (*closed)(void *user);
	void *closed_user;
	char in[RECV_BYTES] __attribute__((aligned(8)));
};

static void emit(struct knl_event *ev, const struct kernel_event *what)
{
	if (!ev->closing)
		ev->c.fn(ev->c.user, what);
}

static void emit_type(struct knl_event *ev, enum kernel_event_type type)
{
	struct kernel_event what = { .type = type };

	emit(ev, &what);
}

static void on_decoded(void *user, const struct kernel_event *what)
{
	emit(user, what);
}

/* Return: bytes read, 0 when there are no more, -ENOBUFS when some were lost, another -errno. */
static int read_some(struct knl_event *ev, int fd)
{
	ssize_t got;

	do {
		got = recv(fd, ev->in, sizeof(ev->in), MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	return (int)got;
}

static void lost(struct knl_event *ev, struct side *side)
{
	side->lossy = false;
	knl_decode_links(side->decode, side->refill);
	emit_type(ev, KERNEL_EVENT_LOST);
	if (side == &ev->host)
		emit_type(ev, KERNEL_EVENT_UNDERLAY);
}

/* The one sysctl change that is told of. */
enum netconf {
	NETCONF_OTHER, /* a new link has the default, which says nothing new */
	NETCONF_ALL, /* forwarding switched for the namespace */
	NETCONF_OWN_OFF, /* IPv4 forwarding of a device of ours off; what we do is to switch it on */
};
static enum netconf judge_netconf(const struct side *side, const struct nlmsghdr *h)
{
	const struct netconfmsg *m = mnl_nlmsg_get_payload(h);
	bool off = false, own = false;
	const struct nlattr *a;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return NETCONF_OTHER;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		int value = (int)knl_get_u32(a);

		if (mnl_attr_get_type(a) == NETCONFA_FORWARDING)
			off = value == 0;
		if (mnl_attr_get_type(a) != NETCONFA_IFINDEX)
			continue;
		if (value == NETCONFA_IFINDEX_ALL || value == NETCONFA_IFINDEX_DEFAULT)
			return NETCONF_ALL;
		own = knl_decode_has(side->decode, value);
	}
	return own && off && m->ncm_family == AF_INET ? NETCONF_OWN_OFF : NETCONF_OTHER;
}

/* Return: it is about the host's forwarding. */
static bool take_netconf(struct knl_event *ev, const struct side *side, const struct nlmsghdr *h)
{
	enum netconf what = h->nlmsg_type == RTM_NEWNETCONF ? judge_netconf(side, h) :
							      NETCONF_OTHER;
	bool host = side == &ev->host;

	/* In the overlay namespace a device that does not forward is as it shall be. */
	if (what == NETCONF_ALL || (what == NETCONF_OWN_OFF && host))
		emit_type(ev, KERNEL_EVENT_GROUND);
	return what == NETCONF_ALL && host;
}

/* Return: it is about a link or address of the host's that is not ours, or about its forwarding. */
static bool take_message(struct knl_event *ev, const struct side *side, const struct nlmsghdr *h)
{
	bool ours;

	if (h->nlmsg_type == RTM_NEWNETCONF || h->nlmsg_type == RTM_DELNETCONF)
		return take_netconf(ev, side, h);
	ours = knl_decode_message(side->decode, h);
	return side == &ev->host && !ours && h->nlmsg_type != RTM_NEWNEIGH &&
	       h->nlmsg_type != RTM_DELNEIGH;
}

/*
 * ENOBUFS comes before the notifications that still fitted, and only once: until they have all been read the kernel drops
 * every new one without a word (NETLINK_S_CONGESTED; fact_event_lost). So what is left is thrown away, and the loss told when
 * the socket is empty: whatever is read from the kernel from then on is complete.
 */
static void read_side(struct knl_event *ev, struct side *side, int fd)
{
	bool underlay = false;

	for (unsigned i = 0; i < (side->lossy ? READS_LOSSY : READS_PER_TURN) && !ev->closing;
	     i++) {
		int len = read_some(ev, fd);
		const struct nlmsghdr *h = (void *)ev->in;

		if (len == -ENOBUFS)
			side->lossy = true;
		if (len == 0 && side->lossy)
			lost(ev, side);
		if (len == 0 || (len < 0 && len != -ENOBUFS))
			break;
		if (side->lossy)
			continue;
		for (; mnl_nlmsg_ok(h, len) && !ev->closing; h = mnl_nlmsg_next(h, &len))
			underlay = take_message(ev, side, h) || underlay;
	}
	if (underlay)
		emit_type(ev, KERNEL_EVENT_UNDERLAY);
}

/* A route by one of our own devices says nothing of the way to other nodes. */
static bool is_own_route(const struct knl_event *ev, const struct nlmsghdr *h)
{
	const struct nlattr *a;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(struct rtmsg))
		return true;
	mnl_attr_for_each(a, h, sizeof(struct rtmsg)) {
		if (mnl_attr_get_type(a) == RTA_OIF)
			return knl_decode_has(ev->host.decode, (int)knl_get_u32(a));
	}
	return false;
}

/* What it was is of no interest: the host's routes are looked at again. */
static void read_routes(struct knl_event *ev, int fd)
{
	bool any = false;

	for (unsigned i = 0; i < READS_PER_TURN; i++) {
		int len = read_some(ev, fd);
		const struct nlmsghdr *h = (void *)ev->in;

		any = any || len < 0;
		if (len == 0 || (len < 0 && len != -ENOBUFS))
			break;
		for (; !any && mnl_nlmsg_ok(h, len); h = mnl_nlmsg_next(h, &len))
			any = !is_own_route(ev, h);
	}
	if (any)
		emit_type(ev, KERNEL_EVENT_UNDERLAY);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct watch *w = p->data;

	(void)events;
	/* An overrun is an error of the socket (ENOBUFS), and libuv stops polling at one: it is read away, and polling goes on. */
	if (status < 0)
		uv_poll_start(p, UV_READABLE, on_poll);
	switch (w->source) {
	case SOURCE_HOST:
		read_side(w->ev, &w->ev->host, w->fd);
		break;
	case SOURCE_ROUTES:
		read_routes(w->ev, w->fd);
		break;
	case SOURCE_OVERLAY:
		read_side(w->ev, &w->ev->ovl, w->fd);
		break;
	case SOURCE_NFT_HOST:
	case SOURCE_NFT_OVERLAY:
		if (nft_ground_event_read(w->ev->nft, w->fd))
			emit_type(w->ev, KERNEL_EVENT_GROUND);
		break;
	case N_SOURCES:
		break;
	}
}

static void on_folder(uv_fs_event_t *f, const char *filename, int events, int status)
{
	struct knl_event *ev = f->data;

	(void)events;
	(void)status;
	if (!filename || strcmp(filename, ev->file) == 0)
		emit_type(ev, KERNEL_EVENT_GROUND);
}

static int watch_fd(struct knl_event *ev, enum source source, int fd, bool own_fd)
{
	struct watch *w = &ev->watch[source];
	int r = uv_poll_init(ev->c.loop, &w->poll, fd);

	if (r < 0)
		return r;
	w->ev = ev;
	w->fd = fd;
	w->own_fd = own_fd;
	w->source = source;
	w->poll.data = w;
	ev->handles++;
	return uv_poll_start(&w->poll, UV_READABLE, on_poll);
}

static int watch_group(struct knl_event *ev, enum source source, int nsfd, const int *groups,
		       size_t n, struct err *e)
{
	int fd = knl_monitor(nsfd, groups, n, RCVBUF_BYTES), r;

	if (fd < 0)
		return err_set(e, fd, "cannot watch the kernel's notifications: %s", strerror(-fd));
	r = watch_fd(ev, source, fd, true);
	if (r < 0 && ev->watch[source].fd != fd)
		close(fd);
	return r < 0 ? err_set(e, r, "cannot watch a netlink socket: %s", uv_strerror(r)) : 0;
}

/* Where this fails (no folder yet, no inotify left) the periodic audit finds out instead. */
static void watch_folder(struct knl_event *ev)
{
	_cleanup_free_ char *dir = mem_strndup(ev->path, (size_t)(ev->file - ev->path));

	if (uv_fs_event_start(&ev->folder, on_folder, dir[0] ? dir : ".", 0) == 0)
		ev->folder_on = true;
}

static void drop_closed(void *user)
{
	(void)user;
}

/* The monitor first: what is made between the two is told of. */
static int watch_side(struct knl_event *ev, struct side *side, enum source source, int nsfd,
		      const int *groups, size_t n, struct err *e)
{
	int r = knl_open(nsfd, &side->refill, e);

	if (r == 0)
		r = watch_group(ev, source, nsfd, groups, n, e);
	if (r < 0)
		return r;
	r = knl_decode_links(side->decode, side->refill);
	return r < 0 ? err_set(e, r, "cannot read the links: %s", strerror(-r)) : 0;
}

int knl_event_new(const struct knl_event_config *c, struct knl_event **ret, struct err *e)
{
	struct knl_event *ev = mem_alloc(sizeof(*ev));
	const char *slash;
	int r;

	ev->c = *c;
	ev->path = mem_strdup(c->netns_path);
	slash = strrchr(ev->path, '/');
	ev->file = slash ? slash + 1 : ev->path;
	for (int i = 0; i < N_SOURCES; i++)
		ev->watch[i].fd = -1;
	ev->ovl.decode = knl_decode_new(KNL_IN_OVERLAY, c->hidden, on_decoded, ev);
	ev->host.decode = knl_decode_new(KNL_IN_HOST, c->host_hidden, on_decoded, ev);
	uv_fs_event_init(c->loop, &ev->folder);
	ev->folder.data = ev;
	ev->handles = 1;
	watch_folder(ev);
	r = watch_side(ev, &ev->host, SOURCE_HOST, -1, host_groups, ARRAY_SIZE(host_groups), e);
	if (r == 0)
		r = watch_group(ev, SOURCE_ROUTES, -1, route_groups, ARRAY_SIZE(route_groups), e);
	if (r < 0) {
		knl_event_close(ev, drop_closed, NULL);
		return r;
	}
	*ret = ev;
	return 0;
}

int knl_event_ground(struct knl_event *ev, int ovl_nsfd, struct nft_ground *nft, struct err *e)
{
	int overlay_fd = -1, host_fd = -1, r;

	if (!ev->folder_on)
		watch_folder(ev);
	if (ev->watch[SOURCE_OVERLAY].fd >= 0)
		return 0;
	r = watch_side(ev, &ev->ovl, SOURCE_OVERLAY, ovl_nsfd, overlay_groups,
		       ARRAY_SIZE(overlay_groups), e);
	if (r < 0)
		return r;
	ev->nft = nft;
	nft_ground_event_fds(nft, &overlay_fd, &host_fd);
	r = watch_fd(ev, SOURCE_NFT_OVERLAY, overlay_fd, false);
	if (r == 0)
		r = watch_fd(ev, SOURCE_NFT_HOST, host_fd, false);
	return r < 0 ? err_set(e, r, "cannot watch nf_tables: %s", strerror(-r)) : 0;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct knl_event *ev = h->type == UV_POLL ? ((struct watch *)h->data)->ev : h->data;

	if (--ev->handles > 0)
		return;
	for (int i = 0; i < N_SOURCES; i++)
		if (ev->watch[i].fd >= 0 && ev->watch[i].own_fd)
			close(ev->watch[i].fd);
	knl_close(ev->ovl.refill);
	knl_close(ev->host.refill);
	knl_decode_free(ev->ovl.decode);
	knl_decode_free(ev->host.decode);
	free(ev->path);
	ev->closed(ev->closed_user);
	free(ev);
}

void knl_event_close(struct knl_event *ev, void (*closed)(void *user), void *user)
{
	ev->closing = true;
	ev->closed = closed;
	ev->closed_user = user;
	uv_close((uv_handle_t *)&ev->folder, on_handle_closed);
	for (int i = 0; i < N_SOURCES; i++)
		if (ev->watch[i].fd >= 0)
			uv_close((uv_handle_t *)&ev->watch[i].poll, on_handle_closed);
}
