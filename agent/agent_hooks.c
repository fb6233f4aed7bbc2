/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the modules tell each other: the mirror's changes, the reconciler's questions, the node's news. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent_priv.h"
#include "agent/compile.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- networks with local endpoints ---- */

static void keep(struct agent *a, const struct model_network *rec)
{
	struct kept_network *k;

	HASH_FIND(hh, a->kept, &rec->id, sizeof(struct id), k);
	if (!k) {
		k = mem_alloc(sizeof(*k));
		k->id = rec->id;
		HASH_ADD_KEYPTR(hh, a->kept, &k->id, sizeof(struct id), k);
	} else if (k->rec->mod_revision == rec->mod_revision) {
		return;
	}
	model_network_free(k->rec);
	k->rec = model_network_dup(rec);
}

const struct model_network *agent_network(struct agent *a, struct id id)
{
	struct mirror_network *net = mirror_network(a->mirror, id);
	struct kept_network *k;

	if (net && net->rec) {
		keep(a, net->rec);
		return net->rec;
	}
	HASH_FIND(hh, a->kept, &id, sizeof(struct id), k);
	return k ? k->rec : NULL;
}

/* ---- the reconciler asks ---- */

static enum reconcile_source hook_source(void *user, uint32_t key)
{
	struct agent *a = user;

	if (state_key_is_local(key))
		return RECONCILE_COMPLETE;
	if (!a->kv)
		return RECONCILE_PARTIAL;
	if (!ip_is_set(node_vtep(a->node)))
		return RECONCILE_NONE; /* desired devices cannot be told without a VTEP */
	switch (mirror_get_state(a->mirror)) {
	case MIRROR_EMPTY:
		return RECONCILE_NONE;
	case MIRROR_SNAPSHOT:
	case MIRROR_FROZEN:
		return RECONCILE_PARTIAL;
	case MIRROR_SYNCED:
		return RECONCILE_COMPLETE;
	}
	return RECONCILE_NONE;
}

static struct ip hook_vtep_of(void *user, struct id node)
{
	struct agent *a = user;
	struct mirror_node *n = mirror_node(a->mirror, node);

	return n && n->rec ? n->rec->vtep : (struct ip){ 0 };
}

static const struct model_network *network_by_vni(struct agent *a, uint32_t vni)
{
	_cleanup_free_ struct id *ids = NULL;
	size_t n = endpoints_networks(a->endpoints, &ids);

	for (size_t i = 0; i < n; i++) {
		const struct model_network *rec = agent_network(a, ids[i]);

		if (rec && rec->vni == vni)
			return rec;
	}
	return NULL;
}

static struct state_net *overlay_desired(struct agent *a, uint32_t vni)
{
	const struct model_network *rec = network_by_vni(a, vni);
	_cleanup_free_ const struct model_endpoint **eps = NULL;
	_cleanup_free_ struct compile_local *locals = NULL;
	struct mirror_endpoint *ep, *tmp;
	struct mirror_network *net;
	struct netopt opt;
	size_t n = 0;

	if (!rec)
		return NULL;
	network_options(rec, &opt);
	net = mirror_network(a->mirror, rec->id);
	eps = mem_alloc_array((net ? net->n_endpoints : 0) + 1, sizeof(struct model_endpoint *));
	if (net) {
		HASH_ITER(hh, net->endpoints, ep, tmp)
			eps[n++] = ep->rec;
	}

	struct compile_input in = {
		.network = rec,
		.self = node_id(a->node),
		.vtep = node_vtep(a->node),
		.vxlan_port = a->config->vxlan_port,
		.underlay_mtu = node_mtu(a->node),
		.security = opt.security,
		.n_locals = endpoints_locals(a->endpoints, rec->id, &locals),
		.endpoints = eps,
		.n_endpoints = n,
		.vtep_of = hook_vtep_of,
		.user = a,
	};
	in.locals = locals;
	return compile_network(&in, NULL);
}

static struct state_net *hook_desired(void *user, uint32_t vni)
{
	return state_key_is_local(vni) ? agent_local_desired(user, vni) :
					 overlay_desired(user, vni);
}

static size_t hook_vnis(void *user, uint32_t **ret)
{
	struct agent *a = user;
	_cleanup_free_ struct id *ids = NULL;
	size_t n = endpoints_networks(a->endpoints, &ids);
	uint32_t *v = NULL;
	size_t found = agent_local_keys(a, &v);

	v = mem_grow(v, found + n + 1, sizeof(*v));
	for (size_t i = 0; i < n; i++) {
		const struct model_network *rec = agent_network(a, ids[i]);

		if (rec)
			v[found++] = rec->vni;
	}
	*ret = v;
	return found;
}

static int cmp_ip(const void *x, const void *y)
{
	return ip_cmp(*(const struct ip *)x, *(const struct ip *)y);
}

static size_t hook_vteps(void *user, struct ip **ret)
{
	struct agent *a = user;
	struct mirror_node *nodes = mirror_nodes(a->mirror), *node, *tmp;
	struct ip *v = mem_alloc_array(HASH_COUNT(nodes) + 2, sizeof(*v));
	size_t n = 0, kept = 0;

	if (ip_is_set(node_vtep(a->node)))
		v[n++] = node_vtep(a->node);
	HASH_ITER(hh, nodes, node, tmp) {
		if (node->rec)
			v[n++] = node->rec->vtep;
	}
	qsort(v, n, sizeof(*v), cmp_ip);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || !ip_eq(v[kept - 1], v[i]))
			v[kept++] = v[i];
	}
	*ret = v;
	return kept;
}

static void hook_port_failed(void *user, struct id endpoint, int status, const struct err *e)
{
	struct agent *a = user;

	endpoints_port_failed(a->endpoints, endpoint, status, e);
}

static void hook_drift(void *user, uint32_t vni, const char *what, unsigned count)
{
	struct agent *a = user;
	struct kv_pairs attrs = { 0 };
	char text[16];

	log_warn("kernel state was altered by another hand; repaired", "vni=%u what=%s count=%u",
		 vni, what, count);
	snprintf(text, sizeof(text), "%u", vni);
	kv_pairs_set(&attrs, "vni", text);
	kv_pairs_set(&attrs, "what", what);
	events_publish(a->events, "daemon", "repair", a->config->name, &attrs);
	kv_pairs_done(&attrs);
	names_check(a->names);
}

static void hook_underlay(void *user)
{
	struct agent *a = user;

	node_underlay_changed(a->node);
	agent_local_outward(a);
	names_gwbridge_check(a->names);
	if (a->endpoints && endpoints_check_forwarding(a->endpoints) > 0)
		reconcile_repaired(a->reconcile, STATE_KEY_EGRESS, "forwarding");
}

static void hook_direct_gone(void *user, struct id endpoint)
{
	struct agent *a = user;

	if (!a->stopping)
		endpoints_direct_gone(a->endpoints, endpoint);
}

int agent_make_reconcile(struct agent *a)
{
	static const struct reconcile_hooks hooks = {
		.source = hook_source,
		.desired = hook_desired,
		.vnis = hook_vnis,
		.vteps = hook_vteps,
		.port_failed = hook_port_failed,
		.drift = hook_drift,
		.underlay_changed = hook_underlay,
		.direct_gone = hook_direct_gone,
	};

	a->reconcile = reconcile_new(a->loop, a->kernel, &hooks, a);
	return 0;
}

/* ---- the mirror tells ---- */

static void network_changed(struct agent *a, const struct mirror_change *c)
{
	const struct model_network *before = c->before, *after = c->after;

	if (before)
		reconcile_dirty(a->reconcile, before->vni);
	if (after)
		reconcile_dirty(a->reconcile, after->vni);
	if (!after && a->claim)
		claim_forget_network(a->claim, c->id);
}

/* What others take and give back: the allocator then proposes what is free, and "next" means next in the cluster. */
static void note_addresses(struct agent *a, const struct mirror_change *c)
{
	const struct model_endpoint *ep = c->deleted ? c->before : c->after;
	int64_t revision = c->deleted ? mirror_revision(a->mirror) : ep ? ep->mod_revision : 0;

	if (!a->claim || !ep)
		return;
	if (ip_is_set(ep->ip4))
		claim_note(a->claim, ep->network, ep->ip4, !c->deleted, revision);
	if (ip_is_set(ep->ip6))
		claim_note(a->claim, ep->network, ep->ip6, !c->deleted, revision);
}

/* Of an endpoint elsewhere its own entries tell all, however many others there are. */
static void peer_changed(struct agent *a, const struct model_network *rec,
			 const struct mirror_change *c)
{
	const struct compile_input in = { .network = rec,
					  .self = node_id(a->node),
					  .vtep = node_vtep(a->node),
					  .vtep_of = hook_vtep_of,
					  .user = a };
	struct state_peer gone = { 0 }, coming = { 0 };

	if (c->before)
		compile_peer(&in, c->before, &gone);
	if (c->after)
		compile_peer(&in, c->after, &coming);
	reconcile_peer(a->reconcile, rec->vni, &gone, &coming, rec->flood);
}

static void endpoint_changed(struct agent *a, const struct mirror_change *c)
{
	const struct model_endpoint *before = c->before, *after = c->after;
	const struct model_network *rec;
	struct id self = node_id(a->node);
	bool ours = (before && id_eq(before->node, self)) || (after && id_eq(after->node, self));

	if (ours)
		endpoints_record_changed(a->endpoints, c);
	note_addresses(a, c);
	rec = agent_network(a, c->network);
	if (rec && ours)
		reconcile_dirty(a->reconcile, rec->vni);
	else if (rec)
		peer_changed(a, rec, c);
}

static void node_changed(struct agent *a, const struct mirror_change *c)
{
	const struct model_node *before = c->before, *after = c->after;

	if (id_eq(c->id, node_id(a->node)))
		node_record_changed(a->node);
	if (before && after && ip_eq(before->vtep, after->vtep))
		return;
	reconcile_dirty_hosts(a->reconcile);
	reconcile_dirty_all(a->reconcile);
}

static void mirror_changed(void *user, const struct mirror_change *c, size_t n)
{
	struct agent *a = user;

	if (a->stopping)
		return;
	for (size_t i = 0; i < n; i++, c++) {
		agent_tell(a, c);
		names_mirror(a->names, c);
		docker_mirror(a->docker, c);
		switch (c->kind) {
		case MODEL_NETWORK:
			network_changed(a, c);
			break;
		case MODEL_ENDPOINT:
			endpoint_changed(a, c);
			break;
		case MODEL_NODE:
			node_changed(a, c);
			break;
		case MODEL_ALIVE:
			if (id_eq(c->id, node_id(a->node)))
				node_record_changed(a->node);
			break;
		case MODEL_CLUSTER:
		case MODEL_ADDRESS:
		case MODEL_POOL:
		case MODEL_BINDING:
		case MODEL_UNKNOWN:
			break;
		}
	}
}

static const char *state_name(enum mirror_state s)
{
	switch (s) {
	case MIRROR_EMPTY:
		return "empty";
	case MIRROR_SNAPSHOT:
		return "snapshot";
	case MIRROR_SYNCED:
		return "synced";
	case MIRROR_FROZEN:
		return "frozen";
	}
	return "?";
}

/* Frozen still, but only until every node has put its own endpoints again. */
static bool adoption_seen(struct agent *a)
{
	const struct model_cluster *known = mirror_cluster(a->mirror),
				   *found = mirror_cluster_found(a->mirror);

	return known && found && id_eq(known->id, found->id) && found->epoch > known->epoch;
}

/* Lest a restart forget the guard once etcd's revision has passed the one last seen. */
static void remember_frozen(struct agent *a, enum mirror_state s)
{
	struct err e = { 0 };

	if ((s == MIRROR_FROZEN || s == MIRROR_SYNCED) &&
	    local_set(a->local, "frozen", s == MIRROR_FROZEN ? "1" : "0", &e) < 0)
		log_error("cannot remember the state of the cluster's guard", "err=%s",
			  LOG_Q(err_text(&e)));
}

static void mirror_state_changed(void *user, enum mirror_state s, const char *why)
{
	struct agent *a = user;

	if (a->stopping)
		return;
	if (s == MIRROR_FROZEN && adoption_seen(a))
		log_info("the cluster was adopted", "why=%s", LOG_Q(why));
	else if (s == MIRROR_FROZEN)
		log_error(
			"etcd does not hold the cluster this node knows: nothing is deleted, everything forwards; "
			"`ovlctl cluster adopt` puts the networks back",
			"why=%s", LOG_Q(why));
	else
		log_info("picture of the cluster", "state=%s revision=%lld why=%s", state_name(s),
			 (long long)mirror_revision(a->mirror), LOG_Q(why));
	remember_frozen(a, s);
	cluster_mirror_state(a->cluster, s);
	if (s == MIRROR_FROZEN) {
		node_republish(a->node);
		endpoints_resettle(a->endpoints, true);
	} else if (s == MIRROR_SYNCED) {
		a->announced = true;
		node_mirror_ready(a->node);
		endpoints_resettle(a->endpoints, false);
	}
	docker_mirror_state(a->docker);
	reconcile_dirty_hosts(a->reconcile);
	reconcile_dirty_all(a->reconcile);
}

static void mirror_bad_record(void *user, const struct err *e)
{
	(void)user;
	log_warn("a record in etcd cannot be used; skipped", "err=%s", LOG_Q(err_text(e)));
}

static void mirror_link(void *user, bool up, const char *why)
{
	struct agent *a = user;

	if (a->stopping)
		return;
	if (up) {
		log_info("etcd answers", "prefix=%s", a->config->etcd_prefix);
		endpoints_resettle(a->endpoints, false);
		docker_mirror_state(a->docker);
	} else {
		log_warn("etcd does not answer; everything forwards as it is, will retry", "why=%s",
			 LOG_Q(why));
	}
}

static void mirror_persist(void *user, const char *key, const char *value, int64_t mod_revision)
{
	agent_snapshot_put(user, key, value, mod_revision);
}

int agent_make_mirror(struct agent *a, struct err *e)
{
	static const struct mirror_handlers handlers = {
		.changed = mirror_changed,
		.state = mirror_state_changed,
		.bad_record = mirror_bad_record,
		.link = mirror_link,
		.persist = mirror_persist,
	};
	_cleanup_free_ char *id = NULL, *epoch = NULL, *seen = NULL, *frozen = NULL;
	struct mirror_config mc = { .prefix = a->config->etcd_prefix };

	if (local_get(a->local, "cluster-id", &id) == 0 && id_parse(id, &mc.cluster_id) < 0)
		return err_set(e, -EINVAL, "state: the cluster id \"%s\" is damaged", id);
	if (local_get(a->local, "cluster-epoch", &epoch) == 0)
		mc.cluster_epoch = strtoull(epoch, NULL, 10);
	if (local_get(a->local, "seen-revision", &seen) == 0)
		mc.seen_revision = strtoll(seen, NULL, 10);
	mc.was_frozen = local_get(a->local, "frozen", &frozen) == 0 && frozen[0] == '1';
	a->mirror = mirror_new(a->loop, a->kv, &mc, &handlers, a);
	return 0;
}

/* ---- the node tells ---- */

static void node_lease(void *user, int64_t lease, bool fresh)
{
	struct agent *a = user;

	log_info("address lease stands", "lease=%lld fresh=%d", (long long)lease, fresh);
	if (a->endpoints && mirror_get_state(a->mirror) != MIRROR_EMPTY)
		endpoints_resettle(a->endpoints, fresh);
}

static void node_vtep_changed(void *user, struct ip vtep, uint32_t mtu)
{
	struct agent *a = user;

	(void)vtep;
	(void)mtu;
	reconcile_dirty_hosts(a->reconcile);
	reconcile_dirty_all(a->reconcile);
}

static void node_trouble(void *user, enum node_problem p, const struct err *e)
{
	struct agent *a = user;

	if (p != NODE_NAME_TAKEN)
		return;
	log_error("this node cannot join", "err=%s", LOG_Q(err_text(e)));
	a->status = 1;
	uv_stop(a->loop); /* main closes everything */
}

int agent_make_node(struct agent *a, struct err *e)
{
	static const struct node_handlers handlers = { .lease = node_lease,
						       .vtep = node_vtep_changed,
						       .problem = node_trouble };
	struct node_deps d = { .loop = a->loop,
			       .kv = a->kv,
			       .mirror = a->mirror,
			       .local = a->local,
			       .kernel = a->kernel,
			       .config = a->config,
			       .boot_id = a->boot_id,
			       .version = OVL_VERSION };

	return node_new(&d, &handlers, a, &a->node, e);
}
