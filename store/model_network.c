/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A network's record: the one everything else hangs on, so it is checked as a whole. */
#include "store/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/model_json.h"

#define IPV6_MTU_MIN 1280 /* RFC 8200 §5 */

static const char *const network_fields[] = { "name",	 "state",    "driver", "vni",
					      "mtu",	 "internal", "ipv6",   "flood",
					      "subnets", "options",  "labels", "created" };
/* Drivers of this node's own networks, and what their records have. */
static const struct local_driver {
	const char *name;
	bool numbered, subnets, gateway;
} local_drivers[] = {
	{ "bridge", true, true, true },	 { "macvlan", true, true, false },
	{ "ipvlan", true, true, false }, { "egress", false, true, true },
	{ "host", false, false, false }, { "null", false, false, false },
};

static cJSON *subnet_encode(const struct model_subnet *s)
{
	cJSON *j = cJSON_CreateObject();

	json_put_prefix_opt(j, "subnet", s->subnet);
	json_put_ip_opt(j, "gateway", s->gateway);
	json_put_prefix_opt(j, "ip-range", s->ip_range);
	if (s->n_aux > 0) {
		cJSON *aux = cJSON_AddObjectToObject(j, "aux");

		for (size_t i = 0; i < s->n_aux; i++)
			json_put_ip_opt(aux, s->aux[i].name, s->aux[i].ip);
	}
	return j;
}

char *model_network_encode(const struct model_network *n)
{
	cJSON *j = cJSON_CreateObject(), *subnets;

	json_put_str(j, "name", n->name);
	json_put_str(j, "state", n->state == MODEL_NETWORK_READY ? "ready" : "pending");
	json_put_str(j, "driver", n->driver ? n->driver : "overlay");
	if (!model_network_is_local(n))
		json_put_u64(j, "vni", n->vni);
	else if (n->number)
		json_put_u64(j, "number", n->number);
	if (!model_network_is_local(n) || n->mtu)
		json_put_u64(j, "mtu", n->mtu);
	json_put_bool(j, "internal", n->internal);
	json_put_bool(j, "ipv6", n->ipv6);
	json_put_bool(j, "flood", n->flood);
	subnets = cJSON_AddArrayToObject(j, "subnets");
	for (size_t i = 0; i < n->n_subnets; i++)
		cJSON_AddItemToArray(subnets, subnet_encode(&n->subnets[i]));
	json_put_pairs(j, "options", &n->options);
	json_put_pairs(j, "labels", &n->labels);
	json_put_str_opt(j, "created", n->created);
	return model_json_print(j, n->extra);
}

/* An address of the subnet that can stand for one host: not the network's own, not the broadcast. */
static int check_inside(const struct model_subnet *s, const char *field, struct ip ip,
			struct err *e)
{
	char a[IP_TEXT_MAX], p[PREFIX_TEXT_MAX];

	if (!prefix_contains(s->subnet, ip))
		return err_set(e, -EINVAL, "%s: %s is not in %s", field, ip_format(ip, a),
			       prefix_format(s->subnet, p));
	/* A /31, /32, /127 or /128 has neither (RFC 3021, RFC 6164). */
	if (s->subnet.len + 2u > ip_bits(ip))
		return 0;
	if (ip_eq(ip, prefix_first(s->subnet)))
		return err_set(e, -EINVAL, "%s: %s is the network's own address", field,
			       ip_format(ip, a));
	if (ip.family == AF_INET && ip_eq(ip, prefix_last(s->subnet)))
		return err_set(e, -EINVAL, "%s: %s is the broadcast address", field,
			       ip_format(ip, a));
	return 0;
}

static int get_aux(const cJSON *j, struct model_subnet *s, struct err *e)
{
	_cleanup_kv_pairs_ struct kv_pairs pairs = { 0 };
	int r = json_get_pairs(j, "aux", MODEL_AUX_MAX, MODEL_NAME_MAX, &pairs, e);

	if (r < 0)
		return r;
	s->aux = mem_alloc_array(pairs.n, sizeof(*s->aux));
	for (size_t i = 0; i < pairs.n; i++) {
		struct model_aux *a = &s->aux[i];

		a->name = mem_strdup(pairs.v[i].key);
		s->n_aux = i + 1;
		if (ip_parse(pairs.v[i].value, &a->ip, e) < 0) {
			err_prefix(e, "aux");
			return -EINVAL;
		}
		r = check_inside(s, "aux", a->ip, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int subnet_fill(const cJSON *j, bool gateway, struct model_subnet *s, struct err *e)
{
	char text[PREFIX_TEXT_MAX];
	int r;

	if (!cJSON_IsObject(j))
		return err_set(e, -EINVAL, "subnet: not in an object");
	r = json_get_prefix(j, "subnet", &s->subnet, e);
	if (r < 0)
		return r;
	if (!prefix_is_set(s->subnet))
		return err_set(e, -EINVAL, "subnet: missing");
	if (ip_is_multicast(s->subnet.ip) || ip_is_loopback(s->subnet.ip) ||
	    ip_is_unspecified(s->subnet.ip))
		return err_set(e, -EINVAL, "subnet: %s is not for hosts",
			       prefix_format(s->subnet, text));
	r = json_get_ip(j, "gateway", &s->gateway, e);
	if (r < 0)
		return r;
	if (!ip_is_set(s->gateway) && gateway)
		return err_set(e, -EINVAL, "gateway: missing");
	if (ip_is_set(s->gateway))
		r = check_inside(s, "gateway", s->gateway, e);
	if (r == 0)
		r = json_get_prefix(j, "ip-range", &s->ip_range, e);
	if (r < 0)
		return r;
	if (prefix_is_set(s->ip_range) && !prefix_covers(s->subnet, s->ip_range))
		return err_set(e, -EINVAL, "ip-range: %s is not within the subnet",
			       prefix_format(s->ip_range, text));
	return get_aux(j, s, e);
}

/* @gateway: each has one. */
static int get_subnets(const cJSON *j, bool gateway, struct model_network *n, struct err *e)
{
	const cJSON *list = NULL, *item;
	int r = json_get_array(j, "subnets", MODEL_SUBNETS_MAX, &list, e);

	if (r < 0)
		return r;
	n->subnets = mem_alloc_array(MODEL_SUBNETS_MAX, sizeof(*n->subnets));
	cJSON_ArrayForEach(item, list) {
		struct model_subnet *s = &n->subnets[n->n_subnets++];

		r = subnet_fill(item, gateway, s, e);
		if (r == 0 && s->subnet.ip.family == AF_INET6 && !n->ipv6)
			r = err_set(e, -EINVAL, "subnet: IPv6 in a network without ipv6");
		for (size_t i = 0; r == 0 && i + 1 < n->n_subnets; i++) {
			if (prefix_overlaps(n->subnets[i].subnet, s->subnet))
				r = err_set(e, -EINVAL, "subnet: overlaps subnets[%zu]", i);
		}
		if (r < 0) {
			json_err_in(e, "subnets[%zu]", n->n_subnets - 1);
			return r;
		}
	}
	return 0;
}

static int get_state(const cJSON *j, enum model_network_state *ret, struct err *e)
{
	const char *s = "ready";
	int r = json_get_str(j, "state", 16, &s, e);

	if (r < 0)
		return r;
	if (strcmp(s, "ready") != 0 && strcmp(s, "pending") != 0)
		return err_set(e, -EINVAL, "state: \"%s\" is neither ready nor pending", s);
	*ret = strcmp(s, "ready") == 0 ? MODEL_NETWORK_READY : MODEL_NETWORK_PENDING;
	return 0;
}

/* @ret_local: NULL for a record of the cluster, which cannot claim to be a node's own. */
static int get_driver(const cJSON *j, char **ret, const struct local_driver **ret_local,
		      struct err *e)
{
	const char *s = "overlay";
	int r = json_get_str(j, "driver", MODEL_NAME_MAX, &s, e);

	if (r == 0)
		r = model_name_check("driver", s, e);
	if (r < 0)
		return r;
	for (size_t i = 0; ret_local && i < ARRAY_SIZE(local_drivers); i++) {
		if (strcmp(local_drivers[i].name, s) == 0)
			*ret_local = &local_drivers[i];
	}
	if (ret_local ? !*ret_local : strcmp(s, "overlay") != 0)
		return err_set(e, -EINVAL, "driver: \"%s\" is not one of %s", s,
			       ret_local ? "this node's own networks" : "the cluster (overlay)");
	*ret = mem_strdup(s);
	return 0;
}

static int get_number(const cJSON *j, const char *field, bool wanted, uint64_t min, uint64_t max,
		      uint32_t *ret, struct err *e)
{
	uint64_t v = 0;
	int r = json_get_u64(j, field, min, max, &v, e);

	if (r == 0 && wanted && v == 0)
		return err_set(e, -EINVAL, "%s: missing", field);
	*ret = (uint32_t)v;
	return r;
}

/* What both kinds of record have; the driver is known. */
static int fill_common(const cJSON *j, bool local, struct model_network *n, struct err *e)
{
	int r;

	n->flood = true;
	r = get_state(j, &n->state, e);
	if (r == 0)
		r = json_get_bool(j, "internal", &n->internal, e);
	if (r == 0)
		r = json_get_bool(j, "ipv6", &n->ipv6, e);
	if (r == 0)
		r = json_get_bool(j, "flood", &n->flood, e);
	if (r == 0)
		r = get_number(j, "mtu", !local, n->ipv6 ? IPV6_MTU_MIN : MODEL_MTU_MIN,
			       MODEL_MTU_MAX, &n->mtu, e);
	if (r == 0)
		r = json_get_pairs(j, "options", MODEL_OPTIONS_MAX, MODEL_OPTION_LEN_MAX,
				   &n->options, e);
	if (r == 0)
		r = json_get_pairs(j, "labels", MODEL_OPTIONS_MAX, MODEL_OPTION_LEN_MAX, &n->labels,
				   e);
	if (r == 0)
		r = model_json_text(j, "created", &n->created, e);
	return r;
}

static int cluster_fill(const cJSON *j, struct model_network *n, struct err *e)
{
	int r = model_json_name(j, "name", &n->name, e);

	if (r == 0)
		r = get_driver(j, &n->driver, NULL, e);
	if (r == 0)
		r = get_number(j, "vni", true, MODEL_VNI_MIN, MODEL_VNI_MAX, &n->vni, e);
	if (r == 0)
		r = fill_common(j, false, n, e);
	if (r == 0)
		r = get_subnets(j, true, n, e);
	if (r == 0 && n->n_subnets == 0 && n->state == MODEL_NETWORK_READY)
		r = err_set(e, -EINVAL, "subnets: missing");
	return r;
}

static int local_fill(const cJSON *j, struct model_network *n, struct err *e)
{
	const struct local_driver *d = NULL;
	int r = model_json_name(j, "name", &n->name, e);

	if (r == 0)
		r = get_driver(j, &n->driver, &d, e);
	if (r == 0)
		r = get_number(j, "number", d->numbered, 1, MODEL_NUMBER_MAX, &n->number, e);
	if (r == 0 && n->number && !d->numbered)
		r = err_set(e, -EINVAL, "number: a network of driver %s has none", d->name);
	if (r == 0)
		r = fill_common(j, true, n, e);
	if (r == 0)
		r = get_subnets(j, d->gateway, n, e);
	if (r == 0 && (n->n_subnets > 0) != d->subnets)
		r = err_set(e, -EINVAL, "subnets: %s",
			    d->subnets ? "missing" : "a network of this driver has none");
	return r;
}

int model_network_decode(const char *prefix, const char *key, const char *value, size_t len,
			 struct model_network **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct model_network *n;
	struct model_key k;
	int r = model_json_open(prefix, MODEL_NETWORK, key, value, len, &k, &j, e);

	if (r < 0)
		return r;
	n = mem_alloc(sizeof(*n));
	n->id = k.id;
	r = cluster_fill(j, n, e);
	if (r < 0) {
		model_network_free(n);
		return model_json_fail(key, r, e);
	}
	n->extra = model_json_extra(TAKE_PTR(j), network_fields, ARRAY_SIZE(network_fields));
	*ret = n;
	return 0;
}

int model_network_decode_local(struct id id, const char *value, size_t len,
			       struct model_network **ret, struct err *e)
{
	static const char *const own[] = { "number" };
	_cleanup_json_ cJSON *j = NULL;
	struct model_network *n;
	char text[ID_SHORT_MAX];
	int r = json_parse_object(value, len, MODEL_RECORD_MAX, &j, e);

	n = mem_alloc(sizeof(*n));
	n->id = id;
	if (r == 0)
		r = local_fill(j, n, e);
	if (r < 0) {
		model_network_free(n);
		err_prefix(e, "network %s", id_short(id, text));
		return r;
	}
	json_remove_keys(j, own, ARRAY_SIZE(own));
	n->extra = model_json_extra(TAKE_PTR(j), network_fields, ARRAY_SIZE(network_fields));
	*ret = n;
	return 0;
}

static void subnet_copy(struct model_subnet *dst, const struct model_subnet *src)
{
	*dst = *src;
	dst->aux = mem_alloc_array(src->n_aux, sizeof(*dst->aux));
	for (size_t i = 0; i < src->n_aux; i++)
		dst->aux[i] = (struct model_aux){ mem_strdup(src->aux[i].name), src->aux[i].ip };
}

struct model_network *model_network_dup(const struct model_network *n)
{
	struct model_network *c = mem_dup(n, sizeof(*n));

	c->name = mem_strdup(n->name);
	c->driver = mem_strdup(n->driver);
	c->created = mem_strdup(n->created);
	c->subnets = mem_alloc_array(n->n_subnets, sizeof(*c->subnets));
	for (size_t i = 0; i < n->n_subnets; i++)
		subnet_copy(&c->subnets[i], &n->subnets[i]);
	c->options = c->labels = (struct kv_pairs){ 0 };
	kv_pairs_copy(&c->options, &n->options);
	kv_pairs_copy(&c->labels, &n->labels);
	c->extra = n->extra ? cJSON_Duplicate(n->extra, 1) : NULL;
	return c;
}

void model_network_free(struct model_network *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_subnets; i++) {
		for (size_t a = 0; a < n->subnets[i].n_aux; a++)
			free(n->subnets[i].aux[a].name);
		free(n->subnets[i].aux);
	}
	free(n->subnets);
	free(n->name);
	free(n->driver);
	free(n->created);
	kv_pairs_done(&n->options);
	kv_pairs_done(&n->labels);
	cJSON_Delete(n->extra);
	free(n);
}

bool model_network_is_local(const struct model_network *n)
{
	return n->driver && strcmp(n->driver, "overlay") != 0;
}

const struct model_subnet *model_network_subnet_of(const struct model_network *n, struct ip ip)
{
	for (size_t i = 0; i < n->n_subnets; i++) {
		if (prefix_contains(n->subnets[i].subnet, ip))
			return &n->subnets[i];
	}
	return NULL;
}

struct ip model_network_gateway(const struct model_network *n, int family)
{
	for (size_t i = 0; i < n->n_subnets; i++) {
		if (n->subnets[i].gateway.family == family)
			return n->subnets[i].gateway;
	}
	return (struct ip){ 0 };
}
