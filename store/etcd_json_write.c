/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests. Base64 and decimal numbers need no escaping, so they are printed; cJSON is for what a person typed. */
#include "store/etcd_json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/b64.h"
#include "base/buf.h"
#include "base/json.h"

/* ,"name":"base64" */
static int put_bytes(struct buf *b, const char *name, const char *data, size_t len)
{
	_cleanup_free_ char *text = b64_encode(data, len);
	int r = buf_printf(b, "%s\"%s\":\"", b->data[b->len - 1] == '{' ? "" : ",", name);

	if (r == 0)
		r = buf_append(b, text, strlen(text));
	return r < 0 ? r : buf_puts(b, "\"");
}

/* etcd takes "\0" for "from the first key" and, as range_end, for "to the last" (api rpc.proto, RangeRequest). */
static int put_key(struct buf *b, const char *name, const char *key)
{
	size_t len = strlen(key);

	if (len > KV_KEY_MAX)
		return -EMSGSIZE;
	return put_bytes(b, name, key, len ? len : 1);
}

static int put_keys(struct buf *b, const char *key, const char *range_end)
{
	int r = put_key(b, "key", key);

	if (r == 0 && range_end)
		r = put_key(b, "range_end", range_end);
	return r;
}

int etcd_json_range(const struct kv_range *req, int64_t revision, const char *after,
		    size_t after_len, char **ret_body)
{
	_cleanup_buf_ struct buf b;
	int r;

	buf_init(&b, ETCD_JSON_REQUEST_MAX);
	r = buf_puts(&b, "{");
	if (r == 0 && after) {
		/* The key right behind another is the same with a NUL: mem's NUL past the end is that byte. */
		r = put_bytes(&b, "key", after, after_len + 1);
		if (r == 0 && req->range_end)
			r = put_key(&b, "range_end", req->range_end);
	} else if (r == 0) {
		r = put_keys(&b, req->key, req->range_end);
	}
	if (r == 0 && revision > 0)
		r = buf_printf(&b, ",\"revision\":\"%" PRId64 "\"", revision);
	if (r == 0 && req->count_only)
		/* One answer with both: the limit cuts the entries, not the count. */
		r = buf_puts(&b, ",\"limit\":\"1\",\"sort_order\":\"DESCEND\","
				 "\"sort_target\":\"MOD\",\"keys_only\":true");
	else if (r == 0)
		r = buf_printf(&b, ",\"limit\":\"%d\"%s", ETCD_JSON_PAGE,
			       req->keys_only ? ",\"keys_only\":true" : "");
	if (r == 0)
		r = buf_puts(&b, "}");
	if (r == 0)
		*ret_body = buf_take(&b);
	return r;
}

static int put_compare(struct buf *b, const struct kv_compare *c)
{
	static const char *const relation[] = {
		[KV_EQUAL] = "EQUAL",
		[KV_LESS] = "LESS",
		[KV_GREATER] = "GREATER",
		[KV_NOT_EQUAL] = "NOT_EQUAL",
	};
	int r = buf_puts(b, "{");

	if (r == 0)
		r = put_keys(b, c->key, c->range_end);
	if (r < 0)
		return r;
	return buf_printf(b, ",\"target\":\"%s\",\"result\":\"%s\",\"%s\":\"%" PRId64 "\"}",
			  c->target == KV_TARGET_MOD ? "MOD" : "CREATE", relation[c->relation],
			  c->target == KV_TARGET_MOD ? "mod_revision" : "create_revision",
			  c->revision);
}

static int put_op_put(struct buf *b, const struct kv_op *op)
{
	size_t len = op->value ? strlen(op->value) : 0;
	int r = buf_puts(b, "{\"request_put\":{");

	if (len > KV_VALUE_MAX)
		return -EMSGSIZE;
	if (r == 0)
		r = put_key(b, "key", op->key);
	if (r == 0)
		r = put_bytes(b, "value", len ? op->value : "", len);
	if (r == 0 && op->lease)
		r = buf_printf(b, ",\"lease\":\"%" PRId64 "\"", op->lease);
	return r < 0 ? r : buf_puts(b, "}}");
}

static int put_op(struct buf *b, const struct kv_op *op)
{
	int r;

	if (op->type == KV_OP_PUT)
		return put_op_put(b, op);
	r = buf_printf(b, "{\"%s\":{",
		       op->type == KV_OP_GET ? "request_range" : "request_delete_range");
	if (r == 0)
		r = put_keys(b, op->key, op->range_end);
	if (r == 0 && op->type == KV_OP_GET && op->keys_only)
		r = buf_puts(b, ",\"keys_only\":true");
	if (r == 0 && op->type == KV_OP_DELETE && op->prev_kv)
		r = buf_puts(b, ",\"prev_kv\":true");
	return r < 0 ? r : buf_puts(b, "}}");
}

static int put_ops(struct buf *b, const char *name, const struct kv_op *ops, size_t n,
		   enum kv_op_type *ret_types)
{
	int r = buf_printf(b, ",\"%s\":[", name);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (i > 0)
			r = buf_puts(b, ",");
		if (r == 0)
			r = put_op(b, &ops[i]);
		ret_types[i] = ops[i].type;
	}
	return r < 0 ? r : buf_puts(b, "]");
}

int etcd_json_txn(const struct kv_txn *req, char **ret_body, struct etcd_json_ops *ret_ops)
{
	_cleanup_buf_ struct buf b;
	int r;

	buf_init(&b, ETCD_JSON_REQUEST_MAX);
	/* etcd counts each list for itself (server/etcdserver/api/v3rpc/key.go, checkTxnRequest). */
	if (req->n_compares > KV_TXN_OPS_MAX || req->n_then > KV_TXN_OPS_MAX ||
	    req->n_else > KV_TXN_OPS_MAX)
		return -EMSGSIZE;
	r = buf_puts(&b, "{\"compare\":[");
	for (size_t i = 0; r == 0 && i < req->n_compares; i++) {
		if (i > 0)
			r = buf_puts(&b, ",");
		if (r == 0)
			r = put_compare(&b, &req->compares[i]);
	}
	if (r == 0)
		r = buf_puts(&b, "]");
	if (r == 0)
		r = put_ops(&b, "success", req->then_ops, req->n_then, ret_ops->then_types);
	if (r == 0)
		r = put_ops(&b, "failure", req->else_ops, req->n_else, ret_ops->else_types);
	if (r == 0)
		r = buf_puts(&b, "}");
	if (r < 0)
		return r;
	ret_ops->n_then = req->n_then;
	ret_ops->n_else = req->n_else;
	*ret_body = buf_take(&b);
	return 0;
}

char *etcd_json_lease_grant(int64_t ttl_s)
{
	return mem_printf("{\"TTL\":\"%" PRId64 "\"}", ttl_s);
}

char *etcd_json_lease(int64_t id)
{
	return mem_printf("{\"ID\":\"%" PRId64 "\"}", id);
}

char *etcd_json_auth(const char *user, const char *password)
{
	_cleanup_json_ cJSON *j = cJSON_CreateObject();

	json_put_str(j, "name", user);
	json_put_str(j, "password", password ? password : "");
	return json_print(j);
}

char *etcd_json_watch(const char *key, const char *range_end, int64_t start_revision)
{
	_cleanup_free_ char *key64 = b64_encode(key, *key ? strlen(key) : 1);
	_cleanup_free_ char *end64 = NULL;

	if (range_end)
		end64 = b64_encode(range_end, *range_end ? strlen(range_end) : 1);
	return mem_printf("{\"create_request\":{\"key\":\"%s\"%s%s%s,\"start_revision\":\"%" PRId64
			  "\"}}\n",
			  key64, end64 ? ",\"range_end\":\"" : "", end64 ? end64 : "",
			  end64 ? "\"" : "", start_revision);
}

char *etcd_json_watch_progress(void)
{
	return mem_strdup("{\"progress_request\":{}}\n");
}
