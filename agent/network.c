/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/network.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/hostnet.h"
#include "agent/network_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#define NETWORK_OVERHEAD_V4 50 /* outer Ethernet 14, IPv4 20, UDP 8, VXLAN 8 */
#define NETWORK_OVERHEAD_V6 70

struct networks *networks_new(const struct networks_deps *d)
{
	struct networks *n = mem_alloc(sizeof(*n));

	n->d = *d;
	return n;
}

void networks_free(struct networks *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_locals; i++)
		model_network_free(n->locals[i]);
	free(n->locals);
	free(n);
}

void networks_on_local(struct networks *n,
		       void (*fn)(void *user, const struct model_network *net, bool removed),
		       void *user)
{
	n->on_local = fn;
	n->on_local_user = user;
}

/* ---- look up ---- */

const struct model_network *network_get(struct networks *n, struct id id)
{
	const struct model_network *own = network_local_get(n, id);
	const struct mirror_network *net = own ? NULL : mirror_network(n->d.mirror, id);

	return own ? own : net ? net->rec : NULL;
}

uint32_t network_key(const struct model_network *net)
{
	if (!model_network_is_local(net))
		return net->vni;
	if (strcmp(net->driver, "egress") == 0)
		return STATE_KEY_EGRESS;
	return net->number ? STATE_KEY_LOCAL + net->number : 0;
}

const struct model_network *network_by_key(struct networks *n, uint32_t key)
{
	struct mirror_network *net, *tmp;

	if (key == 0)
		return NULL;
	for (size_t i = 0; i < n->n_locals; i++) {
		if (network_key(n->locals[i]) == key)
			return n->locals[i];
	}
	HASH_ITER(hh, mirror_networks(n->d.mirror), net, tmp) {
		if (net->rec && net->rec->vni == key)
			return net->rec;
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct model_network *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

void network_each(struct networks *n, void (*fn)(void *user, const struct model_network *net),
		  void *user)
{
	struct mirror_network *nets = mirror_networks(n->d.mirror), *net, *tmp;
	_cleanup_free_ const struct model_network **v =
		mem_alloc_array(HASH_COUNT(nets) + 1, sizeof(*v));
	size_t count = 0;

	for (size_t i = 0; i < n->n_locals; i++)
		fn(user, n->locals[i]);
	HASH_ITER(hh, nets, net, tmp) {
		if (net->rec)
			v[count++] = net->rec;
	}
	qsort(v, count, sizeof(*v), by_name);
	for (size_t i = 0; i < count; i++)
		fn(user, v[i]);
}

struct prefixed {
	const char *hex;
	const struct model_network *found;
	unsigned n;
};

static void look_prefix(void *user, const struct model_network *net)
{
	struct prefixed *p = user;

	if (!id_has_prefix(net->id, p->hex))
		return;
	p->found = net;
	p->n++;
}

int network_find(struct networks *n, const char *ref, const struct model_network **ret,
		 struct err *e)
{
	struct prefixed p = { .hex = ref };
	const struct model_network *net = NULL;
	struct mirror_network *mn;
	struct id id;

	if (id_parse(ref, &id) == 0)
		net = network_get(n, id);
	if (!net)
		net = network_local_by_name(n, ref);
	if (!net) {
		mn = mirror_network_by_name(n->d.mirror, ref);
		net = mn ? mn->rec : NULL;
	}
	if (!net) {
		network_each(n, look_prefix, &p);
		if (p.n > 1)
			return err_set(e, -EEXIST,
				       "network %s is ambiguous: several ids begin with it", ref);
		net = p.found;
	}
	if (!net)
		return err_set(e, -ENOENT, "network %s not found", ref);
	*ret = net;
	return 0;
}

/* ---- create ---- */

static int parse_number(const char *what, const char *text, uint64_t min, uint64_t max,
			uint32_t *ret, struct err *e)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || v < min || v > max)
		return err_add(e, -EINVAL, "option %s: \"%s\" is not a number from %llu to %llu",
			       what, text, (unsigned long long)min, (unsigned long long)max);
	*ret = (uint32_t)v;
	return 0;
}

static int parse_switch(const char *what, const char *text, bool *ret, struct err *e)
{
	static const char *const on[] = { "on", "true", "yes", "1" };
	static const char *const off[] = { "off", "false", "no", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		if (strcasecmp(text, on[i]) == 0) {
			*ret = true;
			return 0;
		}
		if (strcasecmp(text, off[i]) == 0) {
			*ret = false;
			return 0;
		}
	}
	return err_add(e, -EINVAL, "option %s: \"%s\" is neither on nor off", what, text);
}

/* Options of an overlay network: mtu, vni, flood. Others are refused, so that a slip of the pen is not silently ignored. */
static void parse_options(const struct network_request *req, uint32_t mtu_max,
			  struct model_network *net, struct err *e)
{
	for (size_t i = 0; i < req->options.n; i++) {
		const char *k = req->options.v[i].key, *v = req->options.v[i].value;

		if (strcmp(k, "mtu") == 0 || strcmp(k, "com.docker.network.driver.mtu") == 0)
			parse_number(k, v, req->ipv6 ? 1280 : MODEL_MTU_MIN,
				     mtu_max ? mtu_max : MODEL_MTU_MAX, &net->mtu, e);
		else if (strcmp(k, "vni") == 0)
			parse_number(k, v, MODEL_VNI_MIN, MODEL_VNI_MAX, &net->vni, e);
		else if (strcmp(k, "flood") == 0)
			parse_switch(k, v, &net->flood, e);
		else
			err_add(e, -EINVAL,
				"option %s: not known to driver overlay (known: mtu, vni, flood)",
				k);
	}
}

static void check_words(const struct network_request *req, struct err *e)
{
	static const char *const reserved[] = { "bridge", "host", "none" };

	struct err one = { 0 };

	if (model_name_check("network name", req->name, &one) < 0)
		err_add(e, one.code, "%s", one.text);
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (strcmp(req->name, reserved[i]) == 0)
			err_add(e, -EINVAL, "network name: \"%s\" is reserved", req->name);
	}
	if (req->options.n > MODEL_OPTIONS_MAX)
		err_add(e, -EINVAL, "options: more than %d", MODEL_OPTIONS_MAX);
	if (req->labels.n > MODEL_OPTIONS_MAX)
		err_add(e, -EINVAL, "labels: more than %d", MODEL_OPTIONS_MAX);
}

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

static int check_ready(struct networks *n, struct err *e)
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
	struct model_network *net = mem_alloc(sizeof(*net));
	char now[CLOCK_TEXT_MAX], ifname[IFNAMSIZ];
	struct ip vtep = n->d.vtep(n->d.user);
	uint32_t under = 0, fits = 0;

	net->id = id_random();
	net->name = mem_strdup(req->name);
	net->driver = mem_strdup("overlay");
	net->state = MODEL_NETWORK_READY;
	net->internal = req->internal;
	net->ipv6 = req->ipv6;
	net->flood = true;
	net->created = mem_strdup(clock_wall_text(now));
	kv_pairs_copy(&net->options, &req->options);
	kv_pairs_copy(&net->labels, &req->labels);
	if (ip_is_set(vtep) &&
	    n->d.kernel->ops->underlay(n->d.kernel, vtep, &under, ifname, NULL) == 0)
		fits = under - (vtep.family == AF_INET ? NETWORK_OVERHEAD_V4 : NETWORK_OVERHEAD_V6);
	parse_options(req, fits, net, e);
	if (net->mtu == 0)
		net->mtu = fits;
	if (net->mtu == 0)
		err_add(e, -EAGAIN,
			"the underlay's MTU is not known yet (no address to reach other nodes)");
	return net;
}

void network_create(struct networks *n, const struct network_request *req, network_done_fn done,
		    void *user)
{
	struct hostnet_taken host = { 0 };
	struct subnet_taken *taken;
	struct create *c;
	struct err e = { 0 };

	if (check_ready(n, &e) < 0) {
		done(user, e.code, NULL, &e);
		return;
	}
	check_words(req, &e);
	if (req->driver && strcmp(req->driver, "overlay") != 0)
		err_add(&e, -EINVAL, "driver %s: not available (this version has: overlay)",
			req->driver);
	c = mem_alloc(sizeof(*c));
	*c = (struct create){ .n = n, .done = done, .user = user };
	c->base = make_base(n, req, &e);
	hostnet_read(n->d.kernel, &host, &e);

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
	};
	cr.n_host_taken = hostnet_as_taken(&host, &taken);
	cr.host_taken = taken;
	if (e.code < 0) {
		struct model_subnet *subnets = NULL;
		size_t n_subnets;

		/* Already refused; still say what else is wrong with the subnets, all at once. */
		struct err more = { 0 };
		if (subnet_resolve(&cr.ask, cr.pools, cr.n_pools, cr.cluster_id.b, taken,
				   cr.n_host_taken, &subnets, &n_subnets, &more) < 0)
			err_add(&e, more.code, "%s", more.text);
		else
			subnet_free(subnets, n_subnets);
		done(user, e.code, NULL, &e);
		create_free(c);
	} else {
		claim_network_create(n->d.claim, &cr, created, c);
	}
	free(taken);
	hostnet_done(&host);
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

void network_remove(struct networks *n, struct id id, network_done_fn done, void *user)
{
	struct mirror_network *net = mirror_network(n->d.mirror, id);
	struct create *c;
	struct err e = { 0 };

	if (!net || !net->rec) {
		err_set(&e, -ENOENT, "network not found");
		done(user, -ENOENT, NULL, &e);
		return;
	}
	if (check_ready(n, &e) < 0) {
		done(user, e.code, NULL, &e);
		return;
	}
	c = mem_alloc(sizeof(*c));
	*c = (struct create){
		.n = n, .done = done, .user = user, .base = model_network_dup(net->rec)
	};
	claim_network_remove(n->d.claim, id, removed, c);
}
