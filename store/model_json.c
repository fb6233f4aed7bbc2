/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/model_json.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

int model_json_fail(const char *key, int r, struct err *e)
{
	err_prefix(e, "%s", key);
	return r;
}

int model_json_open(const char *prefix, enum model_kind kind, const char *key, const char *value,
		    size_t len, struct model_key *ret_key, cJSON **ret, struct err *e)
{
	struct model_key k = { .kind = kind };
	int r;

	if (prefix) {
		r = model_key_parse(prefix, key, &k, e);
		if (r < 0)
			return r;
		if (k.kind != kind)
			return err_set(e, -EINVAL, "%s: another kind of record is expected", key);
	}
	r = json_parse_object(value, len, MODEL_RECORD_MAX, ret, e);
	if (r < 0)
		return model_json_fail(key, r, e);
	if (ret_key)
		*ret_key = k;
	return 0;
}

int model_json_name(const cJSON *obj, const char *field, char **ret, struct err *e)
{
	const char *s = NULL;
	int r = json_get_str_req(obj, field, MODEL_NAME_MAX, &s, e);

	if (r == 0)
		r = model_name_check(field, s, e);
	if (r == 0)
		*ret = mem_strdup(s);
	return r;
}

int model_json_text(const cJSON *obj, const char *field, char **ret, struct err *e)
{
	const char *s = NULL;
	int r = json_get_str(obj, field, MODEL_TEXT_MAX, &s, e);

	if (r == 0 && s && *s)
		*ret = mem_strdup(s);
	return r;
}

int model_json_id(const cJSON *obj, const char *field, bool required, struct id *ret, struct err *e)
{
	const char *s = NULL;
	int r = required ? json_get_str_req(obj, field, ID_TEXT_LEN, &s, e) :
			   json_get_str(obj, field, ID_TEXT_LEN, &s, e);

	if (r < 0 || !s)
		return r;
	if (id_parse(s, ret) < 0)
		return err_set(e, -EINVAL, "%s: not %d hex digits", field, ID_TEXT_LEN);
	return 0;
}

int model_json_host_ip(const char *field, struct ip ip, struct err *e)
{
	char text[IP_TEXT_MAX];

	if (ip_is_multicast(ip) || ip_is_loopback(ip) || ip_is_unspecified(ip))
		return err_set(e, -EINVAL, "%s: %s is not an address of a host", field,
			       ip_format(ip, text));
	return 0;
}

cJSON *model_json_extra(cJSON *obj, const char *const *known, size_t n_known)
{
	json_remove_keys(obj, known, n_known);
	if (obj->child)
		return obj;
	cJSON_Delete(obj);
	return NULL;
}

void model_json_put_id(cJSON *obj, const char *field, struct id id)
{
	char text[ID_TEXT_MAX];

	json_put_str(obj, field, id_format(id, text));
}

char *model_json_print(cJSON *obj, const cJSON *extra)
{
	const cJSON *item;
	char *text;

	cJSON_ArrayForEach(item, extra) {
		cJSON *copy = cJSON_Duplicate(item, 1);

		if (!copy || !cJSON_AddItemToObject(obj, item->string, copy))
			abort(); /* out of memory (base/mem.h) */
	}
	text = json_print(obj);
	cJSON_Delete(obj);
	return text;
}
