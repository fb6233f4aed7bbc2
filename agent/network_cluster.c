/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of the cluster: checked here, claimed by a transaction. */
#include <errno.h>
#include <string.h>

#include "agent/network_priv.h"
#include "base/mem.h"

#define NETWORK_OVERHEAD_V4 50 /* outer Ethernet 14, IPv4 20, UDP 8, VXLAN 8 */
#define NETWORK_OVERHEAD_V6 70

/* ---- create ---- */

struct create {
	struct networks *n;
	network_done_fn done;
	void *user;
	struct model_network *base;
};

static void create_free(struct create *c)
{
	model_network_free(c->base);
	free(c);
}

static void created(void *user, int status, const struct model_network *net, const struct err *e)
{
	struct create *c = user;
	struct networks *n = c->n;

	if (status == 0) {
		_cleanup_free_ char *key = model_key_network(n->d.config->etcd_prefix, net->id);
		_cleanup_free_ char *value = model_network_encode(net);
		struct mirror_network *mn;

		mirror_apply_own(n->d.mirror, key, value, net->mod_revision);
		mn = mirror_network(n->d.mirror, net->id);
		if (mn && mn->rec)
			net = mn->rec;
	}
	c->done(c->user, status, net, e);
	create_free(c);
}

int network_ready(struct networks *n, struct err *e)
{
	if (!n->d.claim)
		return err_set(e, -EINVAL,
			       "driver overlay needs etcd, and this agent has none (--etcd)");
	switch (mirror_get_state(n->d.mirror)) {
	case MIRROR_SYNCED:
		break;
	case MIRROR_EMPTY:
	case MIRROR_SNAPSHOT:
		return err_set(e, -EHOSTUNREACH,
			       "etcd cannot be reached: networks cannot be changed now");
	case MIRROR_FROZEN:
		return err_set(
			e, -EAGAIN,
			"etcd does not hold the cluster this node knows (wiped or restored): run `ovlctl cluster adopt`");
	}
	if (!mirror_link_up(n->d.mirror))
		return err_set(e, -EHOSTUNREACH,
			       "etcd cannot be reached: networks cannot be changed now");
	if (!mirror_cluster(n->d.mirror))
		return err_set(e, -EAGAIN, "the cluster record is not written yet: try again");
	return 0;
}

/* The values of the record that do not depend on other networks; the MTU from the underlay here. */
static struct model_network *make_base(struct networks *n, const struct network_request *req,
				       struct err *e)
{
	struct model_network *net = network_base(req, NETOPT_OVERLAY);
	struct ip vtep = n->d.vtep(n->d.user);
	uint32_t under = 0, fits = 0;
	char ifname[IFNAMSIZ];
	struct netopt o;

	netopt_parse(NETOPT_OVERLAY, &req->options, req->ipv6, &o, e);
	if (ip_is_set(vtep) &&
	    n->d.kernel->ops->underlay(n->d.kernel, vtep, &under, ifname, NULL) == 0)
		fits = under - (vtep.family == AF_INET ? NETWORK_OVERHEAD_V4 : NETWORK_OVERHEAD_V6);
	if (fits && o.mtu > fits)
		err_add(e, -EINVAL,
			"option mtu: %u is more than fits the underlay of this node (%s has %u, which leaves %u)",
			o.mtu, ifname, under, fits);
	net->vni = o.vni;
	net->flood = o.flood;
	net->mtu = o.mtu ? o.mtu : fits;
	if (net->mtu == 0)
		err_add(e, -EAGAIN,
			"the underlay's MTU is not known yet (no address to reach other nodes)");
	return net;
}

void network_create_cluster(struct networks *n, const struct network_request *req,
			    network_done_fn done, void *user)
{
	struct network_taken taken = { 0 };
	struct create *c;
	struct err e = { 0 };

	if (network_ready(n, &e) < 0) {
		done(user, e.code, NULL, &e);
		return;
	}
	network_check_words(n, req, false, &e);
	c = mem_alloc(sizeof(*c));
	*c = (struct create){ .n = n, .done = done, .user = user };
	c->base = make_base(n, req, &e);
	/* Those of the cluster are looked at in etcd itself. */
	network_taken_read(n, NULL, false, &taken, &e);

	struct claim_network_request cr = {
		.base = c->base,
		.ask = { .subnets = &req->subnets,
			 .gateways = &req->gateways,
			 .ip_ranges = &req->ip_ranges,
			 .aux = &req->aux,
			 .ipv6 = req->ipv6 },
		.pools = n->d.config->pools,
		.n_pools = n->d.config->n_pools,
		.cluster_id = mirror_cluster(n->d.mirror)->id,
		.host_taken = taken.v,
		.n_host_taken = taken.n,
		.own_pools = req->pools,
		.n_own_pools = req->n_pools,
	};
	if (e.code < 0) {
		struct model_subnet *subnets = NULL;
		size_t n_subnets;

		/* Already refused; still say what else is wrong with the subnets, all at once. */
		struct err more = { 0 };
		if (subnet_resolve(&cr.ask, cr.pools, cr.n_pools, cr.cluster_id.b, taken.v, taken.n,
				   &subnets, &n_subnets, &more) < 0)
			err_add(&e, more.code, "%s", more.text);
		else
			subnet_free(subnets, n_subnets);
		done(user, e.code, NULL, &e);
		create_free(c);
	} else {
		claim_network_create(n->d.claim, &cr, created, c);
	}
	network_taken_done(&taken);
}

/* ---- for Docker: the subnet first, the name last ---- */

void network_pool_create(struct networks *n, const struct network_pool_request *req,
			 claim_pool_fn done, void *user)
{
	_cleanup_strv_ struct strv subnets = { 0 }, ranges = { 0 };
	struct network_taken taken = { 0 };
	char text[PREFIX_TEXT_MAX];
	struct err e = { 0 };

	if (network_ready(n, &e) < 0) {
		done(user, e.code, NULL, &e);
		return;
	}
	if (prefix_is_set(req->pool))
		strv_add(&subnets, prefix_format(req->pool, text));
	if (prefix_is_set(req->range))
		strv_add(&ranges, prefix_format(req->range, text));
	network_taken_read(n, NULL, false, &taken, &e);

	struct claim_pool_request cr = {
		.ask = { .subnets = &subnets, .ip_ranges = &ranges },
		.family = req->family,
		.pools = n->d.config->pools,
		.n_pools = n->d.config->n_pools,
		.host_taken = taken.v,
		.n_host_taken = taken.n,
		.cluster_id = mirror_cluster(n->d.mirror)->id,
		.node = req->node,
		.lease = req->lease,
	};
	if (e.code < 0)
		done(user, e.code, NULL, &e);
	else
		claim_pool_create(n->d.claim, &cr, done, user);
	network_taken_done(&taken);
}

void network_rename(struct networks *n, struct id id, const char *name, network_done_fn done,
		    void *user)
{
	const struct model_network *local = network_local_by_name(n, name);
	struct create *c;
	struct err e = { 0 };

	if (network_ready(n, &e) == 0 && local)
		err_set(&e, -EEXIST, "this node has a network named %s of its own", name);
	if (e.code < 0) {
		done(user, e.code, NULL, &e);
		return;
	}
	c = mem_alloc(sizeof(*c));
	*c = (struct create){ .n = n, .done = done, .user = user };
	claim_network_rename(n->d.claim, id, name, created, c);
}

/* ---- remove ---- */

static void removed(void *user, int status, int64_t revision, const struct err *e)
{
	struct create *c = user;
	struct networks *n = c->n;

	if (status == 0) {
		_cleanup_free_ char *key = model_key_network(n->d.config->etcd_prefix, c->base->id);

		claim_forget_network(n->d.claim, c->base->id);
		if (revision > 0)
			mirror_apply_own(n->d.mirror, key, NULL, revision);
	}
	c->done(c->user, status, status == 0 ? c->base : NULL, e);
	create_free(c);
}

void network_remove_cluster(struct networks *n, struct id id, network_done_fn done, void *user)
{
	struct mirror_network *net = mirror_network(n->d.mirror, id);
	struct create *c;
	struct err e = { 0 };

	if (!net || !net->rec) {
		err_set(&e, -ENOENT, "network not found");
		done(user, -ENOENT, NULL, &e);
		return;
	}
	if (network_ready(n, &e) < 0) {
		done(user, e.code, NULL, &e);
		return;
	}
	c = mem_alloc(sizeof(*c));
	*c = (struct create){
		.n = n, .done = done, .user = user, .base = model_network_dup(net->rec)
	};
	claim_network_remove(n->d.claim, id, removed, c);
}
