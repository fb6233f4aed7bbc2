/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as each of dockerd's requests (the first byte says which): what is accepted keeps its bounds, what is not says why. */
#include "agent/docker/plugin_body.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool yes)
{
	if (!yes)
		abort();
}

static bool id_fits(const char *id)
{
	return id && *id && strlen(id) <= PLUGIN_ID_MAX && !strchr(id, '/');
}

static void is_masked(struct prefix p)
{
	must(!prefix_is_set(p) || prefix_eq(p, prefix_mask(p.ip, p.len)));
}

static void pool(const struct plugin_pool *p)
{
	must(p->space && p->options.n <= PLUGIN_OPTIONS_MAX);
	is_masked(p->pool);
	is_masked(p->range);
	must(!prefix_is_set(p->pool) || (p->pool.ip.family == AF_INET6) == p->v6);
	must(!prefix_is_set(p->range) || prefix_covers(p->pool, p->range));
	cJSON_Delete(plugin_answer_pool(p->space, p->pool));
}

static void address(const struct plugin_address *a)
{
	must(a->pool_id && *a->pool_id && strlen(a->pool_id) <= PLUGIN_TEXT_MAX);
	must(mac_is_zero(a->mac) || mac_is_usable(a->mac));
	cJSON_Delete(plugin_answer_address(a->ip, 24));
}

static void ipams(const struct plugin_ipam_data *v, size_t n, int family)
{
	must(n <= PLUGIN_POOLS_MAX);
	for (size_t i = 0; i < n; i++) {
		must(v[i].space && v[i].pool.ip.family == family && v[i].n_aux <= MODEL_AUX_MAX);
		is_masked(v[i].pool);
		must(!ip_is_set(v[i].gateway) || v[i].gateway.family == family);
		for (size_t k = 0; k < v[i].n_aux; k++)
			must(v[i].aux[k].name && v[i].aux[k].ip.family == family);
	}
}

static void network(const struct plugin_network *n)
{
	must(id_fits(n->id) && n->options.n <= PLUGIN_OPTIONS_MAX);
	ipams(n->v4, n->n_v4, AF_INET);
	ipams(n->v6, n->n_v6, AF_INET6);
}

static void endpoint(const struct plugin_endpoint *ep)
{
	must(id_fits(ep->network) && id_fits(ep->id));
	must(ep->options.n <= PLUGIN_OPTIONS_MAX && ep->n_expose <= MODEL_EXPOSE_MAX);
	for (size_t i = 0; i < ep->n_expose; i++) {
		must(ep->expose[i].port != 0);
		must(i == 0 || ep->expose[i - 1].proto < ep->expose[i].proto ||
		     ep->expose[i - 1].port < ep->expose[i].port);
	}
	cJSON_Delete(plugin_answer_endpoint(&ep->mac));
}

static void join(const struct plugin_join *j)
{
	must(id_fits(j->network) && id_fits(j->endpoint) && j->sandbox);
}

static void ref(const struct plugin_ref *r)
{
	must(!r->network || id_fits(r->network));
	must(!r->endpoint || id_fits(r->endpoint));
	must(!r->pool_id || *r->pool_id);
}

#define DECODE(kind)                                                      \
	static void decode_##kind(const char *body, size_t len)           \
	{                                                                 \
		struct plugin_##kind v;                                   \
		struct err e = { 0 };                                     \
		int r = plugin_##kind##_decode(body, len, &v, &e);        \
                                                                          \
		must(r == 0 || (r == -EINVAL && e.code == r && *e.text)); \
		if (r < 0) {                                              \
			cJSON_Delete(plugin_answer_err(&e));              \
			return;                                           \
		}                                                         \
		kind(&v);                                                 \
		plugin_##kind##_done(&v);                                 \
	}

DECODE(pool)
DECODE(address)
DECODE(network)
DECODE(endpoint)
DECODE(join)
DECODE(ref)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(const char *body, size_t len) = {
		decode_pool,	 decode_address, decode_network,
		decode_endpoint, decode_join,	 decode_ref,
	};
	const char letters[] = "panejr";
	const char *at = size > 0 ? memchr(letters, data[0], sizeof(letters) - 1) : NULL;

	if (at)
		kinds[at - letters]((const char *)data + 1, size - 1);
	return 0;
}
