/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/filter.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"

static bool is_known(const char *const *known, const char *key)
{
	for (; *known; known++) {
		if (strcmp(*known, key) == 0)
			return true;
	}
	return false;
}

static int take_value(const char *key, const char *value, struct strv *to, struct err *e)
{
	if (to->n == FILTER_VALUES_MAX)
		return err_set(e, -EINVAL, "filters: %s: more than %d values", key,
			       FILTER_VALUES_MAX);
	if (strlen(value) > FILTER_VALUE_MAX)
		return err_set(e, -EINVAL, "filters: %s: a value longer than %d bytes", key,
			       FILTER_VALUE_MAX);
	strv_add(to, value);
	return 0;
}

static int take_key(const cJSON *j, struct filter *f, struct err *e)
{
	struct strv *to = &f->values[f->n];
	const cJSON *item;
	int r;

	f->keys[f->n++] = mem_strdup(j->string);
	if (!cJSON_IsArray(j) && !cJSON_IsObject(j))
		return err_set(e, -EINVAL, "filters: %s: neither a list nor an object", j->string);
	cJSON_ArrayForEach(item, j) {
		if (cJSON_IsArray(j) ? !cJSON_IsString(item) : !cJSON_IsBool(item))
			return err_set(e, -EINVAL, "filters: %s: not a list of texts", j->string);
		if (cJSON_IsFalse(item))
			continue;
		r = take_value(j->string, cJSON_IsArray(j) ? item->valuestring : item->string, to,
			       e);
		if (r < 0)
			return r;
	}
	return 0;
}

int filter_parse(const char *text, const char *const *known, struct filter *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct filter f = { 0 };
	const cJSON *item;
	int r = 0;

	if (text && *text) {
		r = json_parse_object(text, strlen(text), FILTER_TEXT_MAX, &j, e);
		if (r < 0) {
			err_prefix(e, "filters");
			return r;
		}
	}
	cJSON_ArrayForEach(item, j) {
		if (!is_known(known, item->string))
			r = err_set(e, -EINVAL, "filters: \"%.64s\" is not a known filter",
				    item->string);
		else if (f.n == FILTER_KEYS_MAX || filter_values(&f, item->string))
			r = err_set(e, -EINVAL, "filters: %s: given twice", item->string);
		else
			r = take_key(item, &f, e);
		if (r < 0) {
			filter_done(&f);
			return r;
		}
	}
	*ret = f;
	return 0;
}

void filter_done(struct filter *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->keys[i]);
		strv_done(&f->values[i]);
	}
	f->n = 0;
}

const struct strv *filter_values(const struct filter *f, const char *key)
{
	for (size_t i = 0; i < f->n; i++) {
		if (strcmp(f->keys[i], key) == 0)
			return &f->values[i];
	}
	return NULL;
}

bool filter_exact(const struct filter *f, const char *key, const char *value)
{
	const struct strv *v = filter_values(f, key);

	return !v || v->n == 0 || (value && strv_has(v, value));
}

bool filter_part(const struct filter *f, const char *key, const char *value)
{
	const struct strv *v = filter_values(f, key);

	for (size_t i = 0; v && value && i < v->n; i++) {
		if (strstr(value, v->v[i]))
			return true;
	}
	return !v || v->n == 0;
}

bool filter_prefix(const struct filter *f, const char *key, const char *value)
{
	const struct strv *v = filter_values(f, key);

	for (size_t i = 0; v && value && i < v->n; i++) {
		if (strncmp(value, v->v[i], strlen(v->v[i])) == 0)
			return true;
	}
	return !v || v->n == 0;
}

bool filter_labels(const struct filter *f, const struct kv_pairs *labels)
{
	const struct strv *v = filter_values(f, "label");

	for (size_t i = 0; v && i < v->n; i++) {
		const char *eq = strchr(v->v[i], '=');
		_cleanup_free_ char *key =
			mem_strndup(v->v[i], eq ? (size_t)(eq - v->v[i]) : strlen(v->v[i]));
		const char *have = kv_pairs_get(labels, key);

		if (!have || (eq && strcmp(have, eq + 1) != 0))
			return false;
	}
	return true;
}
