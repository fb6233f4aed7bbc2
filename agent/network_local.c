/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of this node only: in memory by name, in SQLite by id; those that are there from the start, and the egress bridge. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/network_priv.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/local.h"

struct model_network *network_local_get(struct networks *n, struct id id)
{
	for (size_t i = 0; i < n->n_locals; i++) {
		if (id_eq(n->locals[i]->id, id))
			return n->locals[i];
	}
	return NULL;
}

struct model_network *network_local_by_name(struct networks *n, const char *name)
{
	for (size_t i = 0; i < n->n_locals; i++) {
		if (strcmp(n->locals[i]->name, name) == 0)
			return n->locals[i];
	}
	return NULL;
}

static void insert(struct networks *n, struct model_network *net)
{
	size_t i = 0;

	n->locals = mem_grow(n->locals, n->n_locals + 1, sizeof(*n->locals));
	while (i < n->n_locals && strcmp(n->locals[i]->name, net->name) < 0)
		i++;
	memmove(n->locals + i + 1, n->locals + i, (n->n_locals - i) * sizeof(*n->locals));
	n->locals[i] = net;
	n->n_locals++;
}

static void take_out(struct networks *n, const struct model_network *net)
{
	size_t i = 0;

	while (n->locals[i] != net)
		i++;
	n->n_locals--;
	memmove(n->locals + i, n->locals + i + 1, (n->n_locals - i) * sizeof(*n->locals));
}

int network_local_keep(struct networks *n, struct model_network *net, struct err *e)
{
	_cleanup_free_ char *json = model_network_encode(net);
	_cleanup_model_network_ struct model_network *again = NULL;
	int r;

	/* What the next start could not read must not be written. */
	r = model_network_decode_local(net->id, json, strlen(json), &again, e);
	if (r == 0)
		r = local_network_put(n->d.local, net->id, json, e);
	if (r == 0)
		insert(n, net);
	else
		model_network_free(net);
	return r;
}

/* ---- load ---- */

struct load {
	struct networks *n;
	struct err err;
};

static void load_row(void *user, struct id id, const char *json, size_t len)
{
	struct load *l = user;
	struct model_network *net;
	struct err one = { 0 };

	if (model_network_decode_local(id, json, len, &net, &one) < 0)
		err_add(&l->err, one.code, "%s", one.text);
	else
		insert(l->n, net);
}

/* Random once, as RFC 4193 3.2 asks. */
static int load_ula(struct networks *n, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char hex[ID_TEXT_MAX];

	if (local_get(n->d.local, "local-ula", &text) == 0 && id_parse(text, &n->ula) == 0)
		return 0;
	n->ula = id_random();
	return local_set(n->d.local, "local-ula", id_format(n->ula, hex), e);
}

/* What stands keeps its subnet: containers have addresses of it. But what is wrong with it is said. */
static void check_default(struct networks *n, const struct model_network *net)
{
	struct prefix want = n->d.config->default_bridge_subnet;
	_cleanup_free_ struct subnet_taken *v = NULL;
	struct hostnet_taken host = { 0 };
	char have[PREFIX_TEXT_MAX], other[PREFIX_TEXT_MAX];
	struct err e = { 0 };
	size_t count;

	if (net->n_subnets == 0)
		return;
	prefix_format(net->subnets[0].subnet, have);
	if (prefix_is_set(want) && !prefix_eq(want, net->subnets[0].subnet))
		log_warn("network bridge has another subnet than default-bridge says; it stays",
			 "subnet=%s configured=%s", have, prefix_format(want, other));
	hostnet_read(n->d.kernel, &host, &e);
	count = hostnet_as_taken(&host, NULL, &v);
	for (size_t i = 0; i < count; i++) {
		if (v[i].prefix.len == 0 || !prefix_overlaps(v[i].prefix, net->subnets[0].subnet))
			continue;
		log_warn("network bridge overlaps with what this host uses; it stays as it is",
			 "subnet=%s other=%s", have, LOG_Q(v[i].who));
		break;
	}
	hostnet_done(&host);
}

static int make_default(struct networks *n, struct err *e)
{
	struct network_request req = { .name = "bridge" };
	const struct model_network *net;
	struct err one = { 0 };
	int r;

	kv_pairs_set(&req.options, "bridge.name", NETWORK_DEFAULT_BRIDGE);
	r = network_make_own(n, &req, NETOPT_BRIDGE, n->d.config->default_bridge_subnet,
			     NETWORK_DEFAULT_NUMBER, &net, &one);
	kv_pairs_done(&req.options);
	if (r == -ENOSPC || r == -EINVAL) {
		/* No reason to leave the overlay networks alone. */
		log_error("network bridge cannot be made; set default-bridge.subnet and restart",
			  "err=%s", LOG_Q(one.text));
		return 0;
	}
	return r < 0 ? err_set(e, r, "%s", one.text) : 0;
}

static int make_plain(struct networks *n, const char *name, enum netopt_driver d, struct err *e)
{
	const struct network_request req = { .name = name };
	const struct model_network *net;

	if (network_local_by_name(n, name))
		return 0;
	return network_make_own(n, &req, d, (struct prefix){ 0 }, 0, &net, e);
}

int networks_load(struct networks *n, struct err *e)
{
	struct load l = { .n = n };
	int r = load_ula(n, e);

	if (r == 0)
		r = local_network_each(n->d.local, load_row, &l, e);
	if (r == 0 && l.err.code < 0)
		r = err_set(e, l.err.code, "state: %s", l.err.text);
	if (r == 0)
		r = make_plain(n, "host", NETOPT_HOST, e);
	if (r == 0)
		r = make_plain(n, "none", NETOPT_NULL, e);
	if (r < 0)
		return r;
	if (network_local_by_name(n, "bridge"))
		check_default(n, network_local_by_name(n, "bridge"));
	else
		r = make_default(n, e);
	return r;
}

/* ---- the egress bridge ---- */

int network_egress(struct networks *n, const struct model_network **ret, struct err *e)
{
	const struct network_request req = { .name = "egress", .ipv6 = true };
	const struct model_network *net = network_local_by_name(n, "egress");

	if (net) {
		*ret = net;
		return 0;
	}
	return network_make_own(n, &req, NETOPT_EGRESS, n->d.config->egress_subnet, 0, ret, e);
}

/* ---- remove ---- */

static int may_go(struct networks *n, const struct model_network *net, struct err *e)
{
	const char *busy;

	if (network_is_predefined(net))
		return err_set(e, -EACCES, "%s is a pre-defined network and cannot be removed",
			       net->name);
	busy = n->d.busy ? n->d.busy(n->d.user, net->id) : NULL;
	if (busy)
		return err_set(e, -EBUSY, "network %s has endpoints: %s", net->name, busy);
	return 0;
}

void network_remove_local(struct networks *n, struct id id, network_done_fn done, void *user)
{
	_cleanup_model_network_ struct model_network *gone = NULL;
	struct model_network *net = network_local_get(n, id);
	struct err e = { 0 };
	int r = may_go(n, net, &e);

	if (r == 0)
		r = local_network_del(n->d.local, id, &e);
	if (r == 0) {
		gone = net;
		take_out(n, gone);
		if (n->on_local)
			n->on_local(n->on_local_user, gone, true);
	}
	done(user, r, gone, &e);
}
