/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_entry.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <string.h>
#include "overlay/knl_link.h"

/*
 * Names to numbers for one call: an entry names its port, thousands name the same one. Nothing is kept between calls,
 * as a link may be made anew under its name at any time.
 */
struct names {
	struct knl_sock *sock;
	struct {
		char name[IFNAMSIZ];
		int ifindex; /* or -errno */
	} * v;
	size_t n, last;
};

static int name_to_ifindex(struct names *names, const char *name)
{
	struct knl_link l;
	int r;

	if (names->n > 0 && strcmp(names->v[names->last].name, name) == 0)
		return names->v[names->last].ifindex;
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->v[i].name, name) == 0) {
			names->last = i;
			return names->v[i].ifindex;
		}
	r = knl_link_read(names->sock, name, &l);
	names->v = mem_grow(names->v, names->n + 1, sizeof(*names->v));
	memcpy(names->v[names->n].name, name, IFNAMSIZ);
	names->v[names->n].ifindex = r < 0 ? r : l.ifindex;
	names->last = names->n;
	return names->v[names->n++].ifindex;
}

static void put_self(struct knl_sock *s, int ifindex, bool del, const struct state_fdb *f)
{
	struct ndmsg m = {
		.ndm_family = AF_BRIDGE,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_PERMANENT,
		.ndm_flags = NTF_SELF | NTF_EXT_LEARNED,
	};
	/* Replace would put one VTEP in the place of all others: of the all-zero MAC there is one per VTEP. */
	uint16_t how = mac_is_zero(f->mac) ? NLM_F_APPEND : NLM_F_REPLACE;
	struct nlmsghdr *h = knl_begin(s, del ? RTM_DELNEIGH : RTM_NEWNEIGH,
				       del ? 0 : NLM_F_CREATE | how, &m, sizeof(m));

	mnl_attr_put(h, NDA_LLADDR, sizeof(f->mac.b), f->mac.b);
	/* In a delete too: an entry that has moved to another VTEP is not meant. */
	mnl_attr_put(h, NDA_DST, ip_bytes(f->vtep), f->vtep.b);
}

static void put_master(struct knl_sock *s, int ifindex, bool del, const struct state_fdb *f)
{
	struct ndmsg m = {
		.ndm_family = AF_BRIDGE,
		.ndm_ifindex = ifindex,
		/* PERMANENT would mean the bridge's own address (BR_FDB_LOCAL). */
		.ndm_state = NUD_NOARP,
		.ndm_flags = NTF_MASTER | NTF_EXT_LEARNED,
	};
	struct nlmsghdr *h = knl_begin(s, del ? RTM_DELNEIGH : RTM_NEWNEIGH,
				       del ? 0 : NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));

	mnl_attr_put(h, NDA_LLADDR, sizeof(f->mac.b), f->mac.b);
}

static void put_neigh(struct knl_sock *s, int ifindex, bool del, const struct state_neigh *g)
{
	struct ndmsg m = {
		.ndm_family = g->ip.family,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_NOARP,
		.ndm_flags = NTF_EXT_LEARNED,
	};
	struct nlmsghdr *h = knl_begin(s, del ? RTM_DELNEIGH : RTM_NEWNEIGH,
				       del ? 0 : NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));

	mnl_attr_put(h, NDA_DST, ip_bytes(g->ip), g->ip.b);
	if (!del)
		mnl_attr_put(h, NDA_LLADDR, sizeof(g->mac.b), g->mac.b);
}

struct tally {
	unsigned writes;
	size_t failed;
	int first; /* the first error */
};

/* Only the first failure is told in words. */
static void note_failure(struct tally *t, const struct knl_sock *s, int r, size_t n,
			 const char *what, const struct state_net *net, struct err *e)
{
	if (t->first == 0) {
		t->first = r;
		if (net->kind == STATE_BRIDGE)
			knl_fail(s, e, r, "cannot change %s of bridge %s", what, net->bridge);
		else if (net->kind == STATE_EGRESS)
			knl_fail(s, e, r, "cannot change %s of the egress bridge", what);
		else
			knl_fail(s, e, r, "cannot change %s of network %u", what, net->vni);
	}
	t->failed += n;
}

static void flush(struct knl_sock *s, struct tally *t, const char *what,
		  const struct state_net *net, struct err *e)
{
	unsigned n = knl_queued(s);
	int r = knl_send(s, NULL, NULL);

	if (r < 0)
		note_failure(t, s, r, knl_failed(s), what, net, e);
	t->writes += n - knl_failed(s);
	knl_drop(s);
}

/* An entry to delete is gone when its port is; with another than NOT FOUND the port's name is of no use. */
static bool skip(struct tally *t, const struct knl_sock *s, int ifindex, bool del, const char *what,
		 const struct state_net *net, struct err *e)
{
	if (ifindex >= 0)
		return false;
	if (!(del && ifindex == -ENODEV))
		note_failure(t, s, ifindex, 1, what, net, e);
	return true;
}

static void allow_gone(struct knl_sock *s, bool del)
{
	if (!del)
		return;
	knl_allow(s, -ENOENT);
	knl_allow(s, -ENODEV);
	/* The port has left its bridge, and its entries are gone with it (fact_fdb). */
	knl_allow(s, -EOPNOTSUPP);
}

/* Resolves the names first, as that takes the socket's batch. */
int knl_entry_fdb(struct knl_sock *s, const struct state_net *net, const struct kernel_fdb_op *ops,
		  size_t n, unsigned *ret_writes, size_t *ret_failed, struct err *e)
{
	static const char *const what = "forwarding entries";
	_cleanup_free_ int *ifindex = mem_alloc_array(n ? n : 1, sizeof(*ifindex));
	struct names names = { .sock = s };
	struct tally t = { 0 };
	char vx[IFNAMSIZ] = "";

	state_vxlan_name(net->vni, vx);
	for (size_t i = 0; i < n; i++) {
		bool self = ops[i].fdb.where == STATE_FDB_SELF;

		ifindex[i] = name_to_ifindex(&names, self ? vx : ops[i].fdb.port);
		skip(&t, s, ifindex[i], ops[i].del, what, net, e);
	}
	knl_drop(s);
	for (size_t i = 0; i < n; i++) {
		if (ifindex[i] < 0)
			continue;
		if (ops[i].fdb.where == STATE_FDB_SELF)
			put_self(s, ifindex[i], ops[i].del, &ops[i].fdb);
		else
			put_master(s, ifindex[i], ops[i].del, &ops[i].fdb);
		allow_gone(s, ops[i].del);
		if (knl_queued(s) == KNL_BATCH_MAX)
			flush(s, &t, what, net, e);
	}
	flush(s, &t, what, net, e);
	free(names.v);
	*ret_writes = t.writes;
	*ret_failed = t.failed;
	return t.first;
}

int knl_entry_neigh(struct knl_sock *s, const struct state_net *net,
		    const struct kernel_neigh_op *ops, size_t n, unsigned *ret_writes,
		    size_t *ret_failed, struct err *e)
{
	static const char *const what = "neighbours";
	struct tally t = { 0 };
	struct knl_link br = { 0 };
	char name[IFNAMSIZ];
	int r;

	state_net_bridge_name(net, name);
	r = knl_link_read(s, name, &br);
	for (size_t i = 0; r < 0 && i < n; i++)
		skip(&t, s, r, ops[i].del, what, net, e);
	knl_drop(s);
	for (size_t i = 0; r == 0 && i < n; i++) {
		put_neigh(s, br.ifindex, ops[i].del, &ops[i].neigh);
		allow_gone(s, ops[i].del);
		if (knl_queued(s) == KNL_BATCH_MAX)
			flush(s, &t, what, net, e);
	}
	flush(s, &t, what, net, e);
	*ret_writes = t.writes;
	*ret_failed = t.failed;
	return t.first;
}

bool knl_entry_parse(const struct nlmsghdr *h, struct knl_entry *ret)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	struct knl_entry en = { 0 };
	const struct nlattr *a;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return false;
	en.ifindex = m->ndm_ifindex;
	en.family = m->ndm_family;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		size_t len = mnl_attr_get_payload_len(a);

		switch (mnl_attr_get_type(a)) {
		case NDA_LLADDR:
			if (len == sizeof(en.mac.b))
				memcpy(en.mac.b, mnl_attr_get_payload(a), len);
			break;
		case NDA_DST:
			if (len != 4 && len != 16)
				break;
			en.dst.family = len == 4 ? AF_INET : AF_INET6;
			memcpy(en.dst.b, mnl_attr_get_payload(a), len);
			break;
		case NDA_MASTER:
			en.bridge = (int)knl_get_u32(a);
			break;
		}
	}
	if (en.family != AF_BRIDGE)
		en.ours = (m->ndm_state & NUD_NOARP) && (m->ndm_flags & NTF_EXT_LEARNED);
	else if (m->ndm_flags & NTF_SELF)
		en.bridge = 0;
	if (en.family == AF_BRIDGE)
		en.ours = !(en.mac.b[0] & 1) && !(en.bridge && (m->ndm_state & NUD_PERMANENT));
	en.learnt = en.family == AF_BRIDGE && !(m->ndm_flags & NTF_EXT_LEARNED) &&
		    !(m->ndm_state & (NUD_NOARP | NUD_PERMANENT));
	*ret = en;
	return true;
}
