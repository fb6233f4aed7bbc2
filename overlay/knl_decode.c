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
	enum knl_where where;
	struct knl_hidden hidden;
	kernel_event_fn fn;
	void *user;
	struct seen *links; /* by ifindex */
	size_t n, cap;
};

struct knl_decode *knl_decode_new(enum knl_where where, struct knl_hidden hidden,
				  kernel_event_fn fn, void *user)
{
	struct knl_decode *d = mem_alloc(sizeof(*d));

	d->where = where;
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

/* What the bridge code tells of a link lacks the mark: it is what it was known to be. */
static void recall(const struct seen *s, struct knl_link *l)
{
	if (!l->of_bridge || !s || strcmp(s->name, l->name) != 0)
		return;
	l->kind = s->kind;
	if (l->vni == 0)
		l->vni = s->vni;
}

static void tell_link(struct knl_decode *d, const struct seen *s, const struct knl_link *l)
{
	const struct seen *master = l->master ? find(d, l->master) : NULL;
	struct kernel_event ev = {
		.type = KERNEL_EVENT_LINK,
		.vni = s->vni,
		.ifindex = l->ifindex,
		.mtu = l->mtu,
		.up = l->up,
		.enslaved = master && master->kind == KNL_BRIDGE && master->vni == s->vni,
		.has_flags = l->flags.any,
		.mac = l->mac,
		.vtep = l->vx_local,
	};

	memcpy(ev.name, l->name, sizeof(ev.name));
	if (ev.has_flags)
		ev.flags_ok = knl_link_flags_ok(l, s->vni, &ev.open);
	/* As it is dumped: with wrong flags it is as good as off its bridge. */
	if (l->kind == KNL_INNER && ev.has_flags)
		ev.enslaved = ev.enslaved && ev.flags_ok;
	d->fn(d->user, &ev);
}

static bool on_link(struct knl_decode *d, const struct nlmsghdr *h)
{
	struct knl_link l;
	struct seen *s;
	bool known;

	if (!knl_link_parse(h, d->where, &l))
		return false;
	s = find(d, l.ifindex);
	known = s != NULL;
	recall(s, &l);
	if (l.kind == KNL_OTHER || (s && strcmp(s->name, l.name) != 0))
		forget(d, l.ifindex);
	if (l.kind == KNL_OTHER)
		return known;
	s = note_link(d, &l);
	if (!d->hidden.is(d->hidden.user, l.ifindex))
		tell_link(d, s, &l);
	return true;
}

static bool on_link_gone(struct knl_decode *d, const struct nlmsghdr *h)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	bool known;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*i))
		return false;
	known = find(d, i->ifi_index) != NULL;
	/* Of AF_BRIDGE: a port left its bridge; the link tells of that itself. */
	if (i->ifi_family == AF_UNSPEC)
		forget(d, i->ifi_index);
	return known;
}

static bool is_fdb_of(const struct seen *s, const struct knl_entry *en)
{
	return en->ours && (s->kind == KNL_VXLAN || s->kind == KNL_PORT) &&
	       !(en->learnt && state_key_is_local(s->vni));
}

static bool on_entry(struct knl_decode *d, const struct nlmsghdr *h)
{
	struct kernel_event ev = { .type = KERNEL_EVENT_FDB };
	const struct seen *s;
	struct knl_entry en;

	if (!knl_entry_parse(h, &en))
		return false;
	s = find(d, en.ifindex);
	if (!s || s->vni == 0)
		return s != NULL;
	ev.deleted = h->nlmsg_type == RTM_DELNEIGH;
	ev.vni = s->vni;
	if (en.family != AF_BRIDGE) {
		if (s->kind != KNL_BRIDGE || !ip_is_set(en.dst) || state_key_is_local(s->vni))
			return true;
		ev.type = KERNEL_EVENT_NEIGH;
		/* In any other state ours is no more: failed, or somebody's own in its place. */
		ev.deleted = ev.deleted || !en.ours;
		ev.neigh.ip = en.dst;
		ev.neigh.mac = en.mac;
	} else {
		if (!is_fdb_of(s, &en))
			return true;
		ev.fdb.mac = en.mac;
		ev.fdb.where = en.bridge ? STATE_FDB_MASTER : STATE_FDB_SELF;
		if (en.bridge)
			memcpy(ev.fdb.port, s->name, sizeof(ev.fdb.port));
		else if (s->kind == KNL_VXLAN && ip_is_set(en.dst))
			ev.fdb.vtep = en.dst;
		else
			return true;
	}
	d->fn(d->user, &ev);
	return true;
}

/* Does it bear gateways? Those of the egress bridge are on the host's end of its uplink. */
static bool bears_gateways(const struct seen *s)
{
	return s->kind == KNL_OUTER || (s->kind == KNL_BRIDGE && s->vni != STATE_KEY_EGRESS);
}

static bool on_addr(struct knl_decode *d, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	struct kernel_event ev = { .type = KERNEL_EVENT_GATEWAY };
	const struct seen *s;
	struct ip ip;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return false;
	s = find(d, (int)m->ifa_index);
	ip = knl_bridge_addr_ip(h);
	if (!s || !bears_gateways(s) || !ip_is_set(ip) ||
	    (ip.family == AF_INET6 && ip_is_link_local(ip)))
		return s != NULL;
	ev.deleted = h->nlmsg_type == RTM_DELADDR;
	ev.vni = s->vni;
	ev.gateway = (struct prefix){ .ip = ip, .len = m->ifa_prefixlen };
	d->fn(d->user, &ev);
	return true;
}

bool knl_decode_message(struct knl_decode *d, const struct nlmsghdr *h)
{
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
		return on_link(d, h);
	case RTM_DELLINK:
		return on_link_gone(d, h);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return on_entry(d, h);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return on_addr(d, h);
	}
	return false;
}

bool knl_decode_has(const struct knl_decode *d, int ifindex)
{
	return find(d, ifindex) != NULL;
}

static void take_link(void *user, const struct nlmsghdr *h)
{
	struct knl_decode *d = user;
	struct knl_link l;

	if (!h)
		d->n = 0;
	else if (h->nlmsg_type == RTM_NEWLINK && knl_link_parse(h, d->where, &l) &&
		 l.kind != KNL_OTHER)
		note_link(d, &l);
}

int knl_decode_links(struct knl_decode *d, struct knl_sock *s)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *h;

	knl_drop(s);
	h = knl_begin(s, RTM_GETLINK, NLM_F_DUMP, &i, sizeof(i));
	mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return knl_dump(s, take_link, d, NULL);
}
