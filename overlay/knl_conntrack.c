/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_conntrack.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <uthash.h>
#include "overlay/knl_sock.h"

#define BATCH 256 /* deletions in one send; their acknowledgements must fit the receive buffer */
#define TUPLE_MAX 128 /* bytes of CTA_TUPLE_ORIG; IPv6 takes 76 */
#define MSG(type) (NFNL_SUBSYS_CTNETLINK << 8 | (type))

/* The filter itself is the key. */
struct wanted {
	struct knl_conntrack_filter f;
	UT_hash_handle hh;
};
static_assert(sizeof(struct knl_conntrack_filter) == 20, "a hash key without padding");

struct waiter {
	void (*done)(void *user, int status, size_t n_deleted);
	void *user;
};
struct waiters {
	struct waiter *v;
	size_t n;
};
/* What one run looks for; any_*: are there filters of the kind at all? */
struct round {
	struct wanted *wanted;
	bool any_ip, any_ip_proto, any_port;
	bool v4, v6; /* families that entries may have */
	struct waiters waiters;
};
/* One direction of an entry. */
struct side {
	struct ip src, dst;
	uint8_t proto;
	uint16_t sport, dport;
};
struct knl_conntrack {
	uv_loop_t *loop;
	uv_work_t work;
	struct knl_sock *dump,
		*del; /* the worker's while busy: one is read while the other deletes */
	bool busy, closing;
	struct round next, now;
	/* the worker's */
	size_t n_deleted;
	int status;
};

static void add_filter(struct round *r, const struct knl_conntrack_filter *f)
{
	struct wanted *w;

	if (!ip_is_set(f->ip) && f->port == 0)
		return;
	HASH_FIND(hh, r->wanted, f, sizeof(*f), w);
	if (w)
		return;
	w = mem_alloc(sizeof(*w));
	w->f = *f;
	HASH_ADD(hh, r->wanted, f, sizeof(w->f), w);
	r->any_port = r->any_port || f->port != 0;
	r->any_ip = r->any_ip || (f->port == 0 && f->proto == 0);
	r->any_ip_proto = r->any_ip_proto || (f->port == 0 && f->proto != 0);
	r->v4 = r->v4 || f->ip.family != AF_INET6;
	r->v6 = r->v6 || f->ip.family != AF_INET;
}

static void done_round(struct round *r)
{
	struct wanted *w = r->wanted, *next;

	/* The elements outlive the table: clang-tidy takes uthash's delete-while-iterating for a use after free. */
	HASH_CLEAR(hh, r->wanted);
	for (; w; w = next) {
		next = w->hh.next;
		free(w);
	}
	free(r->waiters.v);
	memset(r, 0, sizeof(*r));
}

static bool has(const struct round *r, struct ip ip, uint8_t proto, uint16_t port)
{
	struct knl_conntrack_filter f = { .ip = ip, .proto = proto, .port = port };
	struct wanted *w;

	HASH_FIND(hh, r->wanted, &f, sizeof(f), w);
	return w != NULL;
}

static bool matches(const struct round *r, const struct side *orig, const struct side *reply)
{
	const struct ip ips[] = { orig->src, orig->dst, reply->src, reply->dst };
	const struct ip none = { 0 };

	if (r->any_port && orig->dport != 0 &&
	    (has(r, none, 0, orig->dport) || has(r, none, orig->proto, orig->dport) ||
	     has(r, orig->dst, 0, orig->dport) || has(r, orig->dst, orig->proto, orig->dport)))
		return true;
	for (size_t i = 0; (r->any_ip || r->any_ip_proto) && i < ARRAY_SIZE(ips); i++) {
		if (r->any_ip && has(r, ips[i], 0, 0))
			return true;
		if (r->any_ip_proto && has(r, ips[i], orig->proto, 0))
			return true;
	}
	return false;
}

static void get_ip(const struct nlattr *a, int family, struct ip *ret)
{
	size_t len = family == AF_INET ? 4 : 16;

	if (mnl_attr_get_payload_len(a) < len)
		return;
	ret->family = (uint8_t)family;
	memcpy(ret->b, mnl_attr_get_payload(a), len);
}

static void get_ips(const struct nlattr *nest, struct side *s)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		switch (mnl_attr_get_type(a)) {
		case CTA_IP_V4_SRC:
			get_ip(a, AF_INET, &s->src);
			break;
		case CTA_IP_V4_DST:
			get_ip(a, AF_INET, &s->dst);
			break;
		case CTA_IP_V6_SRC:
			get_ip(a, AF_INET6, &s->src);
			break;
		case CTA_IP_V6_DST:
			get_ip(a, AF_INET6, &s->dst);
			break;
		}
	}
}

static void get_proto(const struct nlattr *nest, struct side *s)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		switch (mnl_attr_get_type(a)) {
		case CTA_PROTO_NUM:
			s->proto = knl_get_u8(a);
			break;
		case CTA_PROTO_SRC_PORT:
			s->sport = be16toh(knl_get_u16(a));
			break;
		case CTA_PROTO_DST_PORT:
			s->dport = be16toh(knl_get_u16(a));
			break;
		}
	}
}

static void get_side(const struct nlattr *nest, struct side *s)
{
	const struct nlattr *a;

	memset(s, 0, sizeof(*s));
	mnl_attr_for_each_nested(a, nest) {
		if (mnl_attr_get_type(a) == CTA_TUPLE_IP)
			get_ips(a, s);
		else if (mnl_attr_get_type(a) == CTA_TUPLE_PROTO)
			get_proto(a, s);
	}
}

static void send_batch(struct knl_conntrack *c)
{
	unsigned n = knl_queued(c->del);
	int r;

	if (n == 0)
		return;
	r = knl_send(c->del, NULL, NULL);
	c->n_deleted += n - knl_failed(c->del);
	if (r < 0 && c->status == 0)
		c->status = r;
}

/* By tuple and id: an entry that took the tuple over meanwhile stays. */
static void delete_entry(struct knl_conntrack *c, const struct nlmsghdr *entry,
			 const struct nlattr *tuple, const struct nlattr *id,
			 const struct nlattr *zone)
{
	struct nfgenmsg nf = *(const struct nfgenmsg *)mnl_nlmsg_get_payload(entry);
	struct nlmsghdr *h;

	nf.res_id = 0;
	h = knl_begin(c->del, MSG(IPCTNL_MSG_CT_DELETE), NLM_F_ACK, &nf, sizeof(nf));
	mnl_attr_put(h, CTA_TUPLE_ORIG | NLA_F_NESTED, mnl_attr_get_payload_len(tuple),
		     mnl_attr_get_payload(tuple));
	if (id)
		mnl_attr_put_u32(h, CTA_ID, knl_get_u32(id));
	if (zone)
		mnl_attr_put_u16(h, CTA_ZONE, knl_get_u16(zone));
	knl_allow(c->del, -ENOENT); /* timed out just now */
	if (knl_queued(c->del) >= BATCH)
		send_batch(c);
}

static void on_entry(void *user, const struct nlmsghdr *h)
{
	struct knl_conntrack *c = user;
	const struct nlattr *a, *tuple = NULL, *id = NULL, *zone = NULL;
	struct side orig = { 0 }, reply = { 0 };

	if (!h || mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
		return;
	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(a)) {
		case CTA_TUPLE_ORIG:
			tuple = a;
			get_side(a, &orig);
			break;
		case CTA_TUPLE_REPLY:
			get_side(a, &reply);
			break;
		case CTA_ID:
			id = a;
			break;
		case CTA_ZONE:
			zone = a;
			break;
		}
	}
	if (tuple && mnl_attr_get_payload_len(tuple) <= TUPLE_MAX &&
	    matches(&c->now, &orig, &reply))
		delete_entry(c, h, tuple, id, zone);
}

/* In a thread of the pool: touches nothing but the two sockets, the round and its outcome. */
static void run(uv_work_t *w)
{
	struct knl_conntrack *c = w->data;
	struct nfgenmsg nf = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	int r;

	c->n_deleted = 0;
	c->status = 0;
	if (!c->now.wanted)
		return;
	if (!c->now.v4 || !c->now.v6)
		nf.nfgen_family = c->now.v4 ? AF_INET : AF_INET6;
	knl_begin(c->dump, MSG(IPCTNL_MSG_CT_GET), NLM_F_DUMP, &nf, sizeof(nf));
	r = knl_dump(c->dump, on_entry, c, NULL);
	send_batch(c);
	if (r < 0)
		c->status = r;
}

static void start(struct knl_conntrack *c);

static void on_run_done(uv_work_t *w, int status)
{
	struct knl_conntrack *c = w->data;
	struct waiters waiters = c->now.waiters;
	int outcome = c->status;
	size_t n_deleted = c->n_deleted;

	(void)status; /* never cancelled */
	c->now.waiters = (struct waiters){ 0 };
	done_round(&c->now);
	/* Callbacks may ask for more, which is the next round's, or close. */
	for (size_t i = 0; i < waiters.n; i++)
		waiters.v[i].done(waiters.v[i].user, c->closing ? -ECANCELED : outcome, n_deleted);
	free(waiters.v);
	c->busy = false;
	start(c);
}

static void free_conntrack(struct knl_conntrack *c)
{
	done_round(&c->now);
	done_round(&c->next);
	knl_close(c->dump);
	knl_close(c->del);
	free(c);
}

static void start(struct knl_conntrack *c)
{
	if (c->busy)
		return;
	if (!c->next.wanted && c->next.waiters.n == 0) {
		if (c->closing)
			free_conntrack(c);
		return;
	}
	c->now = c->next;
	memset(&c->next, 0, sizeof(c->next));
	c->busy = true;
	uv_queue_work(c->loop, &c->work, run, on_run_done);
}

/* nfnetlink alone does not say that ctnetlink is there: ask for the number of entries. */
static int probe(struct knl_sock *s, struct err *e)
{
	struct nfgenmsg nf = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	int r;

	knl_begin(s, MSG(IPCTNL_MSG_CT_GET_STATS), NLM_F_ACK, &nf, sizeof(nf));
	r = knl_send(s, NULL, NULL);
	if (r == -EINVAL || r == -EOPNOTSUPP)
		return err_set(e, -EPROTONOSUPPORT,
			       "the kernel has no ctnetlink (CONFIG_NF_CT_NETLINK)");
	return r < 0 ? knl_fail(s, e, r, "cannot ask ctnetlink") : 0;
}

int knl_conntrack_new(uv_loop_t *loop, struct knl_conntrack **ret, struct err *e)
{
	_cleanup_knl_ struct knl_sock *dump = NULL, *del = NULL;
	struct knl_conntrack *c;
	int r;

	r = knl_open_protocol(-1, NETLINK_NETFILTER, &dump, e);
	if (r == 0)
		r = probe(dump, e);
	if (r == 0)
		r = knl_open_protocol(-1, NETLINK_NETFILTER, &del, e);
	if (r < 0)
		return r;
	c = mem_alloc(sizeof(*c));
	c->loop = loop;
	c->work.data = c;
	c->dump = TAKE_PTR(dump);
	c->del = TAKE_PTR(del);
	*ret = c;
	return 0;
}

static void cancel(struct waiters *w)
{
	struct waiters old = *w;

	*w = (struct waiters){ 0 };
	for (size_t i = 0; i < old.n; i++)
		old.v[i].done(old.v[i].user, -ECANCELED, 0);
	free(old.v);
}

void knl_conntrack_close(struct knl_conntrack *c)
{
	if (!c || c->closing)
		return;
	c->closing = true;
	cancel(&c->now.waiters);
	cancel(&c->next.waiters);
	start(c);
}

void knl_conntrack_flush(struct knl_conntrack *c, const struct knl_conntrack_filter *v, size_t n,
			 void (*done)(void *user, int status, size_t n_deleted), void *user)
{
	struct waiters *w = &c->next.waiters;

	for (size_t i = 0; i < n; i++)
		add_filter(&c->next, &v[i]);
	if (done) {
		w->v = mem_grow(w->v, w->n + 1, sizeof(*w->v));
		w->v[w->n++] = (struct waiter){ done, user };
	}
	start(c);
}
