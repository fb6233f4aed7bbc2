/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_decode.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <string.h>
#include "overlay/knl_bridge.h"
#include "overlay/knl_entry.h"
#include "overlay/knl_link.h"

struct seen {
	int ifindex;
	enum knl_kind kind;
	char name[IFNAMSIZ];
	uint32_t vni; /* of a port: that of its ifalias, or of the last bridge it was on */
};
struct knl_decode {
	struct knl_hidden hidden;
	kernel_event_fn fn;
	void *user;
	struct seen *links; /* by ifindex */
	size_t n, cap;
};

struct knl_decode *knl_decode_new(struct knl_hidden hidden, kernel_event_fn fn, void *user)
{
	struct knl_decode *d = mem_alloc(sizeof(*d));

	d->hidden = hidden;
	d->fn = fn;
	d->user = user;
	return d;
}

void knl_decode_free(struct knl_decode *d)
{
	if (!d)
		return;
	free(d->links);
	free(d);
}

/* Where @ifindex is, or would be put. */
static size_t position(const struct knl_decode *d, int ifindex)
{
	size_t lo = 0, hi = d->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (d->links[mid].ifindex < ifindex)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct seen *find(const struct knl_decode *d, int ifindex)
{
	size_t at = position(d, ifindex);

	return at < d->n && d->links[at].ifindex == ifindex ? &d->links[at] : NULL;
}

static struct seen *insert(struct knl_decode *d, int ifindex)
{
	size_t at = position(d, ifindex);

	if (at < d->n && d->links[at].ifindex == ifindex)
		return &d->links[at];
	if (d->n == d->cap) {
		d->cap = d->cap * 2 + 16;
		d->links = mem_grow(d->links, d->cap, sizeof(*d->links));
	}
	memmove(&d->links[at + 1], &d->links[at], (d->n - at) * sizeof(*d->links));
	d->n++;
	memset(&d->links[at], 0, sizeof(d->links[at]));
	d->links[at].ifindex = ifindex;
	return &d->links[at];
}

static void drop(struct knl_decode *d, struct seen *s)
{
	size_t at = (size_t)(s - d->links);

	d->n--;
	memmove(s, s + 1, (d->n - at) * sizeof(*s));
}

static struct seen *note_link(struct knl_decode *d, const struct knl_link *l)
{
	const struct seen *master = l->master ? find(d, l->master) : NULL;
	uint32_t of_master = master && master->kind == KNL_BRIDGE ? master->vni : 0;
	struct seen *s =
		insert(d, l->ifindex); /* moves the others: @master is not to be read after */

	s->kind = l->kind;
	memcpy(s->name, l->name, sizeof(s->name));
	if (l->vni != 0)
		s->vni = l->vni;
	else if (s->vni == 0)
		s->vni = of_master;
	return s;
}

static void tell_gone(struct knl_decode *d, const struct seen *s)
{
	struct kernel_event ev = {
		.type = KERNEL_EVENT_LINK, .deleted = true, .vni = s->vni, .ifindex = s->ifindex
	};

	memcpy(ev.name, s->name, sizeof(ev.name));
	d->fn(d->user, &ev);
}

static void forget(struct knl_decode *d, int ifindex)
{
	struct seen *s = find(d, ifindex), copy;

	if (!s)
		return;
	copy = *s;
	drop(d, s);
	tell_gone(d, &copy);
}

static void on_link(struct knl_decode *d, const struct nlmsghdr *h)
{
	struct kernel_event ev = { .type = KERNEL_EVENT_LINK };
	struct seen *s, *master;
	struct knl_link l;

	if (!knl_link_parse(h, &l))
		return;
	s = find(d, l.ifindex);
	if (l.kind == KNL_OTHER || (s && strcmp(s->name, l.name) != 0))
		forget(d, l.ifindex);
	if (l.kind == KNL_OTHER)
		return;
	s = note_link(d, &l);
	if (d->hidden.is(d->hidden.user, l.ifindex))
		return;
	master = l.master ? find(d, l.master) : NULL;
	ev.vni = s->vni;
	memcpy(ev.name, l.name, sizeof(ev.name));
	ev.ifindex = l.ifindex;
	ev.mtu = l.mtu;
	ev.up = l.up;
	ev.enslaved = master && master->kind == KNL_BRIDGE && master->vni == s->vni;
	ev.has_flags = l.has_flags;
	ev.flags_ok = l.flags_ok;
	ev.mac = l.mac;
	ev.vtep = l.vx_local;
	d->fn(d->user, &ev);
}

static void on_link_gone(struct knl_decode *d, const struct nlmsghdr *h)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);

	/* Of AF_BRIDGE: a port left its bridge; the link tells of that itself. */
	if (mnl_nlmsg_get_payload_len(h) >= sizeof(*i) && i->ifi_family == AF_UNSPEC)
		forget(d, i->ifi_index);
}

static void on_entry(struct knl_decode *d, const struct nlmsghdr *h)
{
	struct kernel_event ev = { .type = KERNEL_EVENT_FDB };
	const struct seen *s;
	struct knl_entry en;

	if (!knl_entry_parse(h, &en))
		return;
	s = find(d, en.ifindex);
	if (!s || s->vni == 0)
		return;
	ev.deleted = h->nlmsg_type == RTM_DELNEIGH;
	ev.vni = s->vni;
	if (en.family != AF_BRIDGE) {
		if (s->kind != KNL_BRIDGE || !ip_is_set(en.dst))
			return;
		ev.type = KERNEL_EVENT_NEIGH;
		/* In any other state ours is no more: failed, or somebody's own in its place. */
		ev.deleted = ev.deleted || !en.ours;
		ev.neigh.ip = en.dst;
		ev.neigh.mac = en.mac;
	} else {
		if (!en.ours || s->kind == KNL_BRIDGE)
			return;
		ev.fdb.mac = en.mac;
		ev.fdb.where = en.bridge ? STATE_FDB_MASTER : STATE_FDB_SELF;
		if (en.bridge)
			memcpy(ev.fdb.port, s->name, sizeof(ev.fdb.port));
		else if (s->kind == KNL_VXLAN && ip_is_set(en.dst))
			ev.fdb.vtep = en.dst;
		else
			return;
	}
	d->fn(d->user, &ev);
}

static void on_addr(struct knl_decode *d, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	struct kernel_event ev = { .type = KERNEL_EVENT_GATEWAY };
	const struct seen *s;
	struct ip ip;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return;
	s = find(d, (int)m->ifa_index);
	ip = knl_bridge_addr_ip(h);
	if (!s || s->kind != KNL_BRIDGE || !ip_is_set(ip) ||
	    (ip.family == AF_INET6 && ip_is_link_local(ip)))
		return;
	ev.deleted = h->nlmsg_type == RTM_DELADDR;
	ev.vni = s->vni;
	ev.gateway = (struct prefix){ .ip = ip, .len = m->ifa_prefixlen };
	d->fn(d->user, &ev);
}

void knl_decode_message(struct knl_decode *d, const struct nlmsghdr *h)
{
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
		on_link(d, h);
		break;
	case RTM_DELLINK:
		on_link_gone(d, h);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_entry(d, h);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		on_addr(d, h);
		break;
	}
}

static void take_link(void *user, const struct nlmsghdr *h)
{
	struct knl_decode *d = user;
	struct knl_link l;

	if (!h)
		d->n = 0;
	else if (h->nlmsg_type == RTM_NEWLINK && knl_link_parse(h, &l) && l.kind != KNL_OTHER)
		note_link(d, &l);
}

int knl_decode_links(struct knl_decode *d, struct knl_sock *ovl)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *h;

	knl_drop(ovl);
	h = knl_begin(ovl, RTM_GETLINK, NLM_F_DUMP, &i, sizeof(i));
	mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return knl_dump(ovl, take_link, d, NULL);
}
