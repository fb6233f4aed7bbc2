/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints and addresses in etcd, against this node's own. Addresses are not mirrored: they are asked for, network by network. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/doctor_priv.h"
#include "base/mem.h"

#define RESERVED_OLD_S 120 /* they are swept after a minute */

struct held { /* an address key that is bound */
	struct ip ip;
	struct id endpoint;
};
struct ep_look {
	struct doctor_deps d;
	struct kv_call *call;
	struct doctor_check *c; /* NULL: dropped */
	struct id *networks; /* to be asked for */
	size_t n, next;
	struct held *held; /* of the network asked for last; by address */
	size_t n_held;
};

static bool is_known(const struct doctor_deps *d, struct id node)
{
	const struct mirror_node *n = mirror_node(d->mirror, node);

	return n && n->rec;
}

/* ---- own endpoints ---- */

static void tell_own(struct ep_look *l, const struct local_endpoint *row, const char *what,
		     const char *cure)
{
	char hex[ID_SHORT_MAX];

	doctor_find(l->c, "endpoint %s on network %s: %s", row->name,
		    doctor_network_name(&l->d, row->network, hex), what);
	doctor_cure(l->c, "%s", cure);
}

static void tell_conflict(struct ep_look *l, const struct local_endpoint *row)
{
	char ip[IP_TEXT_MAX], hex[ID_SHORT_MAX];
	const char *net = doctor_network_name(&l->d, row->network, hex);

	doctor_find(l->c,
		    "endpoint %s on network %s: its address %s belongs to another, its port is "
		    "shut",
		    row->name, net, ip_format(row->ip4, ip));
	if (row->engine)
		doctor_cure(l->c, "disconnect and connect it again by %s", row->engine);
	else
		doctor_cure(l->c, "ovlctl network disconnect %s %s, and connect it again", net,
			    row->name);
}

/* Also whether there is one to compare with. */
static void look_record(struct ep_look *l, const struct local_endpoint *row)
{
	const struct mirror_endpoint *me = mirror_endpoint(l->d.mirror, row->network, row->id);
	const struct model_endpoint *rec = me ? me->rec : NULL;

	if (!rec)
		tell_own(l, row, "has no record in etcd", DOCTOR_BY_ITSELF);
	else if (!id_eq(rec->node, node_id(l->d.node)))
		tell_own(l, row, "its record in etcd is another node's", DOCTOR_BY_ITSELF);
	else if (!ip_eq(rec->ip4, row->ip4) || !ip_eq(rec->ip6, row->ip6) ||
		 !mac_eq(rec->mac, row->mac))
		tell_own(l, row, "its record in etcd has other addresses", DOCTOR_BY_ITSELF);
}

static void look_own(void *user, const struct local_endpoint *row)
{
	struct ep_look *l = user;
	const struct model_network *net = network_get(l->d.networks, row->network);

	if (net && model_network_is_local(net))
		return;
	switch (row->state) {
	case LOCAL_INTENDED:
		return;
	case LOCAL_RELEASING:
		tell_own(l, row, "it has left, but its addresses are not given back yet",
			 doctor_synced(&l->d) ?
				 "ovld tries again each minute; its log says why it fails" :
				 "ovld does so as soon as etcd answers");
		return;
	case LOCAL_CONFLICT:
		tell_conflict(l, row);
		return;
	case LOCAL_BOUND:
		break;
	}
	if (!doctor_synced(&l->d))
		return;
	if (!net)
		tell_own(l, row, "the network does not exist any more",
			 row->engine ? "disconnect it by Docker" :
				       "disconnect it, or end its container");
	else
		look_record(l, row);
}

/* ---- records ---- */

static void look_foreign(struct ep_look *l, const struct mirror_network *net,
			 const struct model_endpoint *rec)
{
	char hex[ID_SHORT_MAX], node[ID_SHORT_MAX];
	bool own = id_eq(rec->node, node_id(l->d.node));

	if (own && endpoint_get(l->d.endpoints, rec->id))
		return;
	if (!own && is_known(&l->d, rec->node))
		return;
	if (own)
		doctor_find(
			l->c,
			"endpoint %s on network %s is in etcd as this node's, which has no such",
			rec->name, net->rec->name);
	else
		doctor_find(l->c,
			    "endpoint %s on network %s belongs to node %s, which does not exist",
			    rec->name, net->rec->name, id_short(rec->node, node));
	doctor_cure(l->c, "ovlctl network disconnect -f %s %s", net->rec->name,
		    id_short(rec->id, hex));
}

static void look_records(struct ep_look *l)
{
	struct mirror_network *net, *next_net;
	struct mirror_endpoint *ep, *next;

	HASH_ITER(hh, mirror_networks(l->d.mirror), net, next_net) {
		if (!net->rec)
			continue; /* told where etcd is looked at */
		HASH_ITER(hh, net->endpoints, ep, next)
			look_foreign(l, net, ep->rec);
	}
}

/* ---- addresses ---- */

static void tell_address(struct ep_look *l, const struct model_address *a, const char *key,
			 const char *what)
{
	char ip[IP_TEXT_MAX], net[ID_SHORT_MAX], ep[ID_SHORT_MAX], node[ID_SHORT_MAX];

	doctor_find(l->c, "address %s on network %s is held by node %s for endpoint %s, %s",
		    ip_format(a->ip, ip), doctor_network_name(&l->d, a->network, net),
		    doctor_node_name(&l->d, a->node, node), id_short(a->endpoint, ep), what);
	doctor_cure(l->c, "etcdctl del %s", key);
}

static void look_bound(struct ep_look *l, const struct model_address *a, const char *key)
{
	const struct mirror_endpoint *me = mirror_endpoint(l->d.mirror, a->network, a->endpoint);

	l->held[l->n_held++] = (struct held){ a->ip, a->endpoint };
	if (!me || !me->rec)
		tell_address(l, a, key, "which does not exist");
	else if (!ip_eq(a->ip, me->rec->ip4) && !ip_eq(a->ip, me->rec->ip6))
		tell_address(l, a, key, "which has another");
}

/* Those of other nodes are theirs to see to, unless they are no more. */
static void look_reserved(struct ep_look *l, const struct model_address *a, const char *key)
{
	char ip[IP_TEXT_MAX], net[ID_SHORT_MAX];
	bool own = id_eq(a->node, node_id(l->d.node));

	if ((!own && is_known(&l->d, a->node)) || doctor_wall_age(a->created) < RESERVED_OLD_S)
		return;
	doctor_find(l->c,
		    "address %s on network %s is reserved since %s for an endpoint that never came",
		    ip_format(a->ip, ip), doctor_network_name(&l->d, a->network, net), a->created);
	doctor_cure(l->c, "etcdctl del %s", key);
}

static void look_address(struct ep_look *l, const struct kv_entry *ent)
{
	struct model_address *a = NULL;
	struct err e = { 0 };

	if (model_address_decode(l->d.config->etcd_prefix, ent->key, ent->value, ent->value_len, &a,
				 &e) < 0) {
		doctor_find(l->c, "%s", err_text(&e));
		doctor_cure(l->c, "etcdctl del %s", ent->key);
		return;
	}
	if (a->state == MODEL_ADDRESS_BOUND)
		look_bound(l, a, ent->key);
	else
		look_reserved(l, a, ent->key);
	model_address_free(a);
}

static int cmp_held(const void *a, const void *b)
{
	return ip_cmp(((const struct held *)a)->ip, ((const struct held *)b)->ip);
}

static void look_held_ip(struct ep_look *l, const struct local_endpoint *row, struct ip ip)
{
	const struct held key = { .ip = ip };
	const struct held *h;
	char text[IP_TEXT_MAX], net[ID_SHORT_MAX];

	if (!ip_is_set(ip))
		return;
	h = l->n_held ? bsearch(&key, l->held, l->n_held, sizeof(*h), cmp_held) : NULL;
	if (h && id_eq(h->endpoint, row->id))
		return;
	doctor_find(l->c, "endpoint %s on network %s: its address %s is held in etcd by %s",
		    row->name, doctor_network_name(&l->d, row->network, net), ip_format(ip, text),
		    h ? "another endpoint" : "nobody");
	if (row->engine)
		doctor_cure(l->c, "disconnect and connect it again by %s", row->engine);
	else
		doctor_cure(l->c, "ovlctl network disconnect %s %s, and connect it again",
			    doctor_network_name(&l->d, row->network, net), row->name);
}

/* One in conflict has lost it, one without a record has it put again with that: told. */
static void look_held(void *user, const struct local_endpoint *row)
{
	struct ep_look *l = user;

	if (!id_eq(row->network, l->networks[l->next]) || row->state != LOCAL_BOUND ||
	    !mirror_endpoint(l->d.mirror, row->network, row->id))
		return;
	look_held_ip(l, row, row->ip4);
	look_held_ip(l, row, row->ip6);
}

/* ---- asked ---- */

static void finish(struct ep_look *l)
{
	if (l->c)
		doctor_checked(l->c);
	free(l->networks);
	free(l->held);
	free(l);
}

static void drop(void *state)
{
	struct ep_look *l = state;

	l->c = NULL;
	kv_cancel(l->d.kv, l->call);
}

static void ask(struct ep_look *l);

static void came(void *user, int status, const struct kv_result *res)
{
	struct ep_look *l = user;

	if (!l->c || status < 0) {
		if (l->c)
			doctor_skip(l->c, "%s", err_text(res->err));
		finish(l);
		return;
	}
	free(l->held);
	l->held = mem_alloc_array(res->ops[0].n_entries + 1, sizeof(*l->held));
	l->n_held = 0;
	for (size_t i = 0; i < res->ops[0].n_entries; i++)
		look_address(l, &res->ops[0].entries[i]);
	qsort(l->held, l->n_held, sizeof(*l->held), cmp_held);
	endpoint_each(l->d.endpoints, look_held, l);
	l->next++;
	ask(l);
}

static void ask(struct ep_look *l)
{
	_cleanup_free_ char *dir = NULL, *end = NULL;

	if (l->next == l->n) {
		finish(l);
		return;
	}
	dir = model_key_dir(l->d.config->etcd_prefix, MODEL_ADDRESS, &l->networks[l->next]);
	end = kv_prefix_end(dir);

	struct kv_range req = { .key = dir, .range_end = end };

	l->call = kv_range(l->d.kv, &req, came, l);
}

static int cmp_id(const void *a, const void *b)
{
	return id_cmp(*(const struct id *)a, *(const struct id *)b);
}

static void add_network(void *user, const struct local_endpoint *row)
{
	struct ep_look *l = user;
	const struct mirror_network *net = mirror_network(l->d.mirror, row->network);

	if (!net || !net->rec)
		return;
	l->networks = mem_grow(l->networks, l->n + 1, sizeof(*l->networks));
	l->networks[l->n++] = row->network;
}

/* Networks of the cluster with endpoints of this node, or known to its Docker; each once. */
static void choose_networks(struct ep_look *l)
{
	struct id self = node_id(l->d.node);
	struct mirror_network *net, *tmp;
	size_t kept = 0;

	endpoint_each(l->d.endpoints, add_network, l);
	HASH_ITER(hh, mirror_networks(l->d.mirror), net, tmp) {
		if (!net->rec || !mirror_binding(l->d.mirror, net->id, self))
			continue;
		l->networks = mem_grow(l->networks, l->n + 1, sizeof(*l->networks));
		l->networks[l->n++] = net->id;
	}
	if (l->n > 0)
		qsort(l->networks, l->n, sizeof(*l->networks), cmp_id);
	for (size_t i = 0; i < l->n; i++) {
		if (kept == 0 || !id_eq(l->networks[kept - 1], l->networks[i]))
			l->networks[kept++] = l->networks[i];
	}
	l->n = kept;
}

void doctor_endpoint(const struct doctor_deps *d, struct doctor_check *c)
{
	struct ep_look *l = mem_alloc(sizeof(*l));

	l->d = *d;
	l->c = c;
	endpoint_each(d->endpoints, look_own, l);
	if (!doctor_synced(d)) {
		if (d->kv)
			doctor_skip(c, "what etcd holds is not known");
		finish(l);
		return;
	}
	look_records(l);
	choose_networks(l);
	doctor_keep(c, l, drop);
	ask(l);
}
