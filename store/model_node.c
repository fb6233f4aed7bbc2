/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who there is: the cluster's record, a node's, and its sign of life. */
#include "store/model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/model_json.h"

#define NODE_MTU_DEFAULT 1500

static const char *const cluster_fields[] = { "id", "epoch" };
static const char *const node_fields[] = { "name", "vtep",    "mtu",   "lease",
					   "boot", "version", "format" };

char *model_cluster_encode(const struct model_cluster *c)
{
	cJSON *j = cJSON_CreateObject();

	model_json_put_id(j, "id", c->id);
	json_put_u64(j, "epoch", c->epoch);
	return model_json_print(j, c->extra);
}

int model_cluster_decode(const char *key, const char *value, size_t len, struct model_cluster **ret,
			 struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct model_cluster c = { .epoch = 1 };
	int r = model_json_open(NULL, MODEL_CLUSTER, key, value, len, NULL, &j, e);

	if (r < 0)
		return r;
	r = model_json_id(j, "id", true, &c.id, e);
	if (r == 0)
		r = json_get_u64(j, "epoch", 1, INT64_MAX, &c.epoch, e);
	if (r == 0 && id_is_zero(c.id))
		r = err_set(e, -EINVAL, "id: all zero");
	if (r < 0)
		return model_json_fail(key, r, e);
	c.extra = model_json_extra(TAKE_PTR(j), cluster_fields, ARRAY_SIZE(cluster_fields));
	*ret = mem_dup(&c, sizeof(c));
	return 0;
}

void model_cluster_free(struct model_cluster *c)
{
	if (!c)
		return;
	cJSON_Delete(c->extra);
	free(c);
}

char *model_node_encode(const struct model_node *n)
{
	cJSON *j = cJSON_CreateObject();
	char lease[24];

	json_put_str(j, "name", n->name);
	json_put_ip_opt(j, "vtep", n->vtep);
	json_put_u64(j, "mtu", n->mtu);
	if (n->address_lease != 0) {
		/* In hex, as etcdctl prints and takes leases. */
		snprintf(lease, sizeof(lease), "%" PRIx64, (uint64_t)n->address_lease);
		json_put_str(j, "lease", lease);
	}
	json_put_str_opt(j, "boot", n->boot_id);
	json_put_str_opt(j, "version", n->version);
	json_put_u64(j, "format", n->format);
	return model_json_print(j, n->extra);
}

static int get_lease(const cJSON *j, int64_t *ret, struct err *e)
{
	const char *s = NULL;
	uint64_t v = 0;
	int r = json_get_str(j, "lease", 16, &s, e);

	if (r < 0 || !s)
		return r;
	for (const char *p = s; *p; p++) {
		const char *digits = "0123456789abcdef", *d = strchr(digits, *p);

		if (!d)
			return err_set(e, -EINVAL, "lease: not a number in hex");
		v = v * 16 + (uint64_t)(d - digits);
	}
	if (v > INT64_MAX || !*s)
		return err_set(e, -EINVAL, "lease: not a number in hex of 63 bits");
	*ret = (int64_t)v;
	return 0;
}

static int node_fill(const cJSON *j, struct model_node *n, struct err *e)
{
	uint64_t mtu = NODE_MTU_DEFAULT, format = MODEL_FORMAT;
	int r = model_json_name(j, "name", &n->name, e);

	if (r == 0)
		r = json_get_ip(j, "vtep", &n->vtep, e);
	if (r == 0 && !ip_is_set(n->vtep))
		r = err_set(e, -EINVAL, "vtep: missing");
	if (r == 0)
		r = model_json_host_ip("vtep", n->vtep, e);
	if (r == 0)
		r = json_get_u64(j, "mtu", MODEL_MTU_MIN, MODEL_MTU_MAX, &mtu, e);
	if (r == 0)
		r = get_lease(j, &n->address_lease, e);
	if (r == 0)
		r = model_json_text(j, "boot", &n->boot_id, e);
	if (r == 0)
		r = model_json_text(j, "version", &n->version, e);
	if (r == 0)
		r = json_get_u64(j, "format", 1, UINT32_MAX, &format, e);
	n->mtu = (uint32_t)mtu;
	n->format = (uint32_t)format;
	return r;
}

int model_node_decode(const char *prefix, const char *key, const char *value, size_t len,
		      struct model_node **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct model_node *n;
	struct model_key k;
	int r = model_json_open(prefix, MODEL_NODE, key, value, len, &k, &j, e);

	if (r < 0)
		return r;
	n = mem_alloc(sizeof(*n));
	n->id = k.id;
	r = node_fill(j, n, e);
	if (r < 0) {
		model_node_free(n);
		return model_json_fail(key, r, e);
	}
	n->extra = model_json_extra(TAKE_PTR(j), node_fields, ARRAY_SIZE(node_fields));
	*ret = n;
	return 0;
}

void model_node_free(struct model_node *n)
{
	if (!n)
		return;
	free(n->name);
	free(n->boot_id);
	free(n->version);
	cJSON_Delete(n->extra);
	free(n);
}

char *model_alive_encode(const struct model_alive *a)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str_opt(j, "started", a->started);
	return model_json_print(j, NULL);
}

int model_alive_decode(const char *prefix, const char *key, const char *value, size_t len,
		       struct model_alive **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct model_alive a = { 0 };
	struct model_key k;
	int r = model_json_open(prefix, MODEL_ALIVE, key, value, len, &k, &j, e);

	if (r < 0)
		return r;
	r = model_json_text(j, "started", &a.started, e);
	if (r < 0)
		return model_json_fail(key, r, e);
	a.node = k.id;
	*ret = mem_dup(&a, sizeof(a));
	return 0;
}

void model_alive_free(struct model_alive *a)
{
	if (!a)
		return;
	free(a->started);
	free(a);
}
