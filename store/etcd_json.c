/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/etcd_json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/b64.h"
#include "base/json.h"

#define ENTRY_BYTES sizeof(struct kv_entry) /* what an entry costs beside its texts */

void etcd_json_entries_done(struct etcd_json_entries *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free((char *)s->v[i].key);
		free((char *)s->v[i].value);
	}
	free(s->v);
	*s = (struct etcd_json_entries){ 0 };
}

/* Whatever does not look as it should is -EPROTO, with the field named. */
static int proto(struct err *e, const char *what)
{
	if (!e)
		return -EPROTO;
	if (e->code == 0)
		return err_set(e, -EPROTO, "answer of etcd: %s: missing or malformed", what);
	err_prefix(e, "answer of etcd: %s", what);
	e->code = -EPROTO;
	return -EPROTO;
}

static int parse(const char *text, size_t len, size_t max, cJSON **ret, struct err *e)
{
	int r = json_parse_object(text, len, max, ret, e);

	return r == -EMSGSIZE ? r : r < 0 ? proto(e, "body") : 0;
}

static int header_read(const cJSON *obj, struct etcd_json_header *ret, struct err *e)
{
	const cJSON *h = NULL;
	int r = json_get_object(obj, "header", &h, e);

	if (r == 0 && h)
		r = json_get_u64(h, "cluster_id", 0, UINT64_MAX, &ret->cluster_id, e);
	if (r == 0 && h)
		r = json_get_i64(h, "revision", &ret->revision, e);
	return r < 0 ? proto(e, "header") : 0;
}

/* A key as text: see kv.h for keys that are none. */
static char *key_text(char *raw, size_t len)
{
	if (len > KV_KEY_MAX)
		len = KV_KEY_MAX;
	for (size_t i = 0; i < len; i++) {
		if (raw[i] == '\0')
			raw[i] = (char)0xff;
	}
	raw[len] = '\0';
	return raw;
}

static int bytes_read(const cJSON *obj, const char *name, char **ret, size_t *ret_len,
		      struct err *e)
{
	const char *text = "";
	int r = json_get_str(obj, name, ETCD_JSON_ANSWER_MAX, &text, e);

	if (r == 0)
		r = b64_decode(text, strlen(text), ret, ret_len);
	if (r < 0 && (!e || e->code == 0))
		err_set(e, -EINVAL, "not base64");
	return r < 0 ? proto(e, name) : 0;
}

static struct kv_entry *entries_add(struct etcd_json_entries *s)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->v = mem_grow(s->v, s->cap, sizeof(*s->v));
	}
	s->v[s->n] = (struct kv_entry){ 0 };
	return &s->v[s->n];
}

/* Appends one kv; @ret_raw (may be NULL): the key as stored. */
static int entry_read(const cJSON *kv, struct etcd_json_entries *s, char **ret_raw,
		      size_t *ret_raw_len, struct err *e)
{
	_cleanup_free_ char *key = NULL, *value = NULL;
	size_t key_len = 0, value_len = 0;
	struct kv_entry *entry;
	int r = cJSON_IsObject(kv) ? 0 : proto(e, "kvs");

	if (r == 0)
		r = bytes_read(kv, "key", &key, &key_len, e);
	if (r == 0)
		r = bytes_read(kv, "value", &value, &value_len, e);
	if (r < 0 || !key || !value)
		return r < 0 ? r : proto(e, "kvs");
	if (key_len + value_len + ENTRY_BYTES > KV_RANGE_BYTES_MAX - s->bytes)
		return err_set(e, -EMSGSIZE, "more than %u bytes in the range", KV_RANGE_BYTES_MAX);
	entry = entries_add(s);
	r = json_get_i64(kv, "create_revision", &entry->create_revision, e);
	if (r == 0)
		r = json_get_i64(kv, "mod_revision", &entry->mod_revision, e);
	if (r == 0)
		r = json_get_i64(kv, "lease", &entry->lease, e);
	if (r < 0)
		return proto(e, "kvs");
	if (ret_raw) {
		*ret_raw = mem_alloc(key_len + 1);
		memcpy(*ret_raw, key, key_len);
		*ret_raw_len = key_len;
	}
	s->bytes += key_len + value_len + ENTRY_BYTES;
	entry->key = key_text(TAKE_PTR(key), key_len);
	entry->value = TAKE_PTR(value);
	entry->value_len = value_len;
	s->n++;
	return 0;
}

static int entries_read(const cJSON *obj, const char *name, struct etcd_json_entries *s,
			char **ret_last, size_t *ret_last_len, struct err *e)
{
	const cJSON *kvs = NULL, *kv;
	int r = json_get_array(obj, name, INT_MAX, &kvs, e);

	if (r < 0)
		return proto(e, name);
	cJSON_ArrayForEach(kv, kvs) {
		bool last = ret_last && !kv->next;

		r = entry_read(kv, s, last ? ret_last : NULL, ret_last_len, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int etcd_json_range_read(const char *text, size_t len, struct etcd_json_page *ret,
			 struct etcd_json_entries *entries, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	int r;

	*ret = (struct etcd_json_page){ 0 };
	r = parse(text, len, ETCD_JSON_ANSWER_MAX, &j, e);
	if (r == 0)
		r = header_read(j, &ret->header, e);
	if (r == 0 && json_get_i64(j, "count", &ret->count, e) < 0)
		r = proto(e, "range");
	if (r == 0 && json_get_bool(j, "more", &ret->more, e) < 0)
		r = proto(e, "range");
	if (r == 0)
		r = entries_read(j, "kvs", entries, &ret->last_key, &ret->last_len, e);
	return r;
}

void etcd_json_page_done(struct etcd_json_page *p)
{
	free(p->last_key);
	*p = (struct etcd_json_page){ 0 };
}

static int op_read(const cJSON *item, enum kv_op_type type, struct kv_op_result *ret,
		   struct etcd_json_entries *list, struct err *e)
{
	static const struct {
		const char *answer, *count, *entries;
	} shape[] = {
		[KV_OP_PUT] = { "response_put", NULL, NULL },
		[KV_OP_DELETE] = { "response_delete_range", "deleted", "prev_kvs" },
		[KV_OP_GET] = { "response_range", "count", "kvs" },
	};
	const cJSON *body = NULL;
	int r = cJSON_IsObject(item) ? json_get_object(item, shape[type].answer, &body, e) : -1;

	ret->type = type;
	if (r < 0 || !body)
		return proto(e, "responses");
	if (shape[type].count && json_get_i64(body, shape[type].count, &ret->count, e) < 0)
		return proto(e, "responses");
	if (shape[type].entries)
		r = entries_read(body, shape[type].entries, list, NULL, NULL, e);
	ret->entries = list->v;
	ret->n_entries = list->n;
	return r;
}

static int ops_read(const cJSON *j, const struct etcd_json_ops *expect, struct etcd_json_txn *ret,
		    struct err *e)
{
	const enum kv_op_type *types = ret->succeeded ? expect->then_types : expect->else_types;
	size_t n = ret->succeeded ? expect->n_then : expect->n_else;
	const cJSON *list = NULL, *item;
	int r = json_get_array(j, "responses", KV_TXN_OPS_MAX, &list, e);

	if (r < 0)
		return proto(e, "txn");
	if ((size_t)cJSON_GetArraySize(list) != n) {
		err_set(e, -EPROTO, "%d answers for %zu operations", cJSON_GetArraySize(list), n);
		return proto(e, "responses");
	}
	ret->ops = mem_alloc_array(n ? n : 1, sizeof(*ret->ops));
	ret->lists = mem_alloc_array(n ? n : 1, sizeof(*ret->lists));
	ret->n_ops = n;
	n = 0;
	cJSON_ArrayForEach(item, list) {
		r = op_read(item, types[n], &ret->ops[n], &ret->lists[n], e);
		if (r < 0)
			return r;
		n++;
	}
	return 0;
}

int etcd_json_txn_read(const char *text, size_t len, const struct etcd_json_ops *expect,
		       struct etcd_json_txn *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	int r;

	*ret = (struct etcd_json_txn){ 0 };
	r = parse(text, len, ETCD_JSON_ANSWER_MAX, &j, e);
	if (r == 0)
		r = header_read(j, &ret->header, e);
	if (r == 0 && json_get_bool(j, "succeeded", &ret->succeeded, e) < 0)
		r = proto(e, "txn");
	if (r == 0)
		r = ops_read(j, expect, ret, e);
	return r;
}

void etcd_json_txn_done(struct etcd_json_txn *t)
{
	for (size_t i = 0; i < t->n_ops; i++)
		etcd_json_entries_done(&t->lists[i]);
	free(t->lists);
	free(t->ops);
	*t = (struct etcd_json_txn){ 0 };
}

int etcd_json_lease_read(const char *text, size_t len, struct etcd_json_lease *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const cJSON *obj;
	int r;

	*ret = (struct etcd_json_lease){ 0 };
	r = parse(text, len, ETCD_JSON_ANSWER_MAX, &j, e);
	if (r < 0)
		return r == -EMSGSIZE ? -EPROTO : r;
	obj = j;
	if (json_get_object(j, "result", &obj, e) < 0)
		return proto(e, "lease");
	r = header_read(obj, &ret->header, e);
	if (r == 0 && (json_get_i64(obj, "ID", &ret->id, e) < 0 ||
		       json_get_i64(obj, "TTL", &ret->ttl_s, e) < 0))
		r = proto(e, "lease");
	return r;
}

int etcd_json_auth_read(const char *text, size_t len, char **ret_token, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const char *token = "";
	int r = parse(text, len, ETCD_JSON_ANSWER_MAX, &j, e);

	if (r < 0)
		return -EPROTO;
	if (json_get_str(j, "token", ETCD_JSON_TOKEN_MAX, &token, e) < 0)
		return proto(e, "authenticate");
	/* It becomes a header's value: nothing but visible ASCII. */
	if (!*token)
		err_set(e, -EPROTO, "no token");
	for (const char *p = token; *p; p++) {
		if (*p <= ' ' || *p > '~') {
			token = "";
			break;
		}
	}
	if (!*token)
		return proto(e, "authenticate");
	*ret_token = mem_strdup(token);
	return 0;
}

/* @obj: what holds "code" (or grpc_code) and "message". Wrong types leave the field empty: an error stays an error. */
static void error_fields(const cJSON *obj, struct etcd_json_error *ret)
{
	const char *text = NULL;
	int64_t code = 0;

	json_get_i64(obj, "code", &code, NULL);
	json_get_i64(obj, "grpc_code", &code, NULL);
	json_get_str(obj, "message", SIZE_MAX, &text, NULL);
	if (!text)
		json_get_str(obj, "error", SIZE_MAX, &text, NULL);
	ret->code = code > 0 && code < 1000 ? (int)code : 0;
	snprintf(ret->reason, sizeof(ret->reason), "%s", text ? text : "unnamed error");
}

/* 3.4: {"error":"x","code":5}; streams: {"error":{"grpc_code":5,"message":"x"}}; gateway v2: {"code":5,"message":"x"}. */
static int error_read(const cJSON *j, struct etcd_json_error *ret)
{
	const cJSON *error = json_get(j, "error");

	*ret = (struct etcd_json_error){ 0 };
	if (!error && !json_get(j, "message"))
		return -ENOENT;
	error_fields(cJSON_IsObject(error) ? error : j, ret);
	return 0;
}

int etcd_json_error_read(const char *text, size_t len, struct etcd_json_error *ret)
{
	_cleanup_json_ cJSON *j = NULL;

	*ret = (struct etcd_json_error){ 0 };
	if (json_parse_object(text, len, ETCD_JSON_ANSWER_MAX, &j, NULL) < 0)
		return -EPROTO;
	return error_read(j, ret);
}

static int event_read(const cJSON *item, struct etcd_json_entries *list,
		      enum kv_event_type *ret_type, struct err *e)
{
	const char *type = "PUT";
	const cJSON *kv = NULL;

	if (!cJSON_IsObject(item) || json_get_str(item, "type", 16, &type, e) < 0 ||
	    json_get_object(item, "kv", &kv, e) < 0 || !kv)
		return proto(e, "events");
	if (strcmp(type, "PUT") != 0 && strcmp(type, "DELETE") != 0)
		return proto(e, "events: type");
	*ret_type = *type == 'P' ? KV_EVENT_PUT : KV_EVENT_DELETE;
	return entry_read(kv, list, NULL, NULL, e);
}

static int events_read(const cJSON *obj, struct etcd_json_watch *ret, struct err *e)
{
	const cJSON *list = NULL, *item;
	size_t n = 0;
	int r = json_get_array(obj, "events", INT_MAX, &list, e);

	if (r < 0)
		return proto(e, "watch");
	if (!list || !list->child)
		return 0;
	ret->events = mem_alloc_array((size_t)cJSON_GetArraySize(list), sizeof(*ret->events));
	cJSON_ArrayForEach(item, list) {
		r = event_read(item, &ret->list, &ret->events[n].type, e);
		if (r < 0)
			return r;
		ret->events[n].entry = ret->list.v[n];
		n++;
	}
	ret->n_events = n;
	return 0;
}

int etcd_json_watch_read(const char *text, size_t len, struct etcd_json_watch *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const cJSON *obj = NULL;
	const char *reason = "";
	int r;

	*ret = (struct etcd_json_watch){ 0 };
	r = parse(text, len, ETCD_JSON_LINE_MAX, &j, e);
	if (r < 0)
		return r;
	if (json_get_object(j, "result", &obj, e) < 0)
		return proto(e, "watch");
	if (!obj) {
		ret->failed = true;
		return error_read(j, &ret->error) == 0 ?
			       0 :
			       proto(e, "watch: neither result nor error");
	}
	r = header_read(obj, &ret->header, e);
	if (r == 0 && (json_get_bool(obj, "created", &ret->created, e) < 0 ||
		       json_get_bool(obj, "canceled", &ret->canceled, e) < 0 ||
		       json_get_i64(obj, "compact_revision", &ret->compact_revision, e) < 0 ||
		       json_get_str(obj, "cancel_reason", SIZE_MAX, &reason, e) < 0))
		r = proto(e, "watch");
	snprintf(ret->error.reason, sizeof(ret->error.reason), "%s", reason);
	if (r == 0)
		r = events_read(obj, ret, e);
	return r;
}

void etcd_json_watch_done(struct etcd_json_watch *w)
{
	etcd_json_entries_done(&w->list);
	free(w->events);
	*w = (struct etcd_json_watch){ 0 };
}
