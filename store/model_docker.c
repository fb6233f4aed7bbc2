/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only Docker's way in pieces needs: a subnet held for a network to come, and a node's own name of a network. */
#include "store/model.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/model_json.h"

static const char *const pool_fields[] = { "subnet", "ip-range", "node", "created" };
static const char *const binding_fields[] = { "docker" };

char *model_pool_encode(const struct model_pool *p)
{
	cJSON *j = cJSON_CreateObject();

	json_put_prefix_opt(j, "subnet", p->subnet);
	json_put_prefix_opt(j, "ip-range", p->range);
	model_json_put_id(j, "node", p->node);
	json_put_str_opt(j, "created", p->created);
	return model_json_print(j, p->extra);
}

static int pool_fill(const cJSON *j, struct model_pool *p, struct err *e)
{
	char text[PREFIX_TEXT_MAX];
	int r = json_get_prefix(j, "subnet", &p->subnet, e);

	if (r == 0 && !prefix_is_set(p->subnet))
		r = err_set(e, -EINVAL, "subnet: missing");
	if (r == 0 && (ip_is_multicast(p->subnet.ip) || ip_is_loopback(p->subnet.ip) ||
		       ip_is_unspecified(p->subnet.ip)))
		r = err_set(e, -EINVAL, "subnet: %s is not for hosts",
			    prefix_format(p->subnet, text));
	if (r == 0)
		r = json_get_prefix(j, "ip-range", &p->range, e);
	if (r == 0 && prefix_is_set(p->range) && !prefix_covers(p->subnet, p->range))
		r = err_set(e, -EINVAL, "ip-range: %s is not within the subnet",
			    prefix_format(p->range, text));
	if (r == 0)
		r = model_json_id(j, "node", true, &p->node, e);
	if (r == 0)
		r = model_json_text(j, "created", &p->created, e);
	return r;
}

int model_pool_decode(const char *prefix, const char *key, const char *value, size_t len,
		      struct model_pool **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct model_pool *p;
	struct model_key k;
	int r = model_json_open(prefix, MODEL_POOL, key, value, len, &k, &j, e);

	if (r < 0)
		return r;
	p = mem_alloc(sizeof(*p));
	p->id = k.id;
	r = pool_fill(j, p, e);
	if (r < 0) {
		model_pool_free(p);
		return model_json_fail(key, r, e);
	}
	p->extra = model_json_extra(TAKE_PTR(j), pool_fields, ARRAY_SIZE(pool_fields));
	*ret = p;
	return 0;
}

struct model_pool *model_pool_dup(const struct model_pool *p)
{
	struct model_pool *c = mem_dup(p, sizeof(*p));

	c->created = mem_strdup(p->created);
	c->extra = p->extra ? cJSON_Duplicate(p->extra, 1) : NULL;
	return c;
}

void model_pool_free(struct model_pool *p)
{
	if (!p)
		return;
	free(p->created);
	cJSON_Delete(p->extra);
	free(p);
}

char *model_binding_encode(const struct model_binding *b)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str(j, "docker", b->docker);
	return model_json_print(j, b->extra);
}

int model_binding_decode(const char *prefix, const char *key, const char *value, size_t len,
			 struct model_binding **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const char *docker = NULL;
	struct model_binding *b;
	struct model_key k;
	int r = model_json_open(prefix, MODEL_BINDING, key, value, len, &k, &j, e);

	if (r < 0)
		return r;
	r = json_get_str_req(j, "docker", MODEL_DOCKER_ID_MAX, &docker, e);
	if (r == 0 && !*docker)
		r = err_set(e, -EINVAL, "docker: empty");
	if (r < 0)
		return model_json_fail(key, r, e);
	b = mem_alloc(sizeof(*b));
	b->network = k.network;
	b->node = k.id;
	b->docker = mem_strdup(docker);
	b->extra = model_json_extra(TAKE_PTR(j), binding_fields, ARRAY_SIZE(binding_fields));
	*ret = b;
	return 0;
}

void model_binding_free(struct model_binding *b)
{
	if (!b)
		return;
	free(b->docker);
	cJSON_Delete(b->extra);
	free(b);
}
