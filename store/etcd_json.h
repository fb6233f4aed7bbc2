/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etcd_json - bodies of etcd's v3 JSON gateway: requests written, answers and watch lines read.
 *
 * Pure. What the gateway does to protobuf (etcd api-spec rpc.swagger.json; measured on 3.4): keys and values are base64,
 * 64-bit numbers are strings, members that are zero, false or empty are left out. Errors have three
 * shapes, by gateway version and by whether the call streams; all are read.
 *
 * Writers return heap text. Readers fill a result that its _done function releases, also after a failure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "store/kv.h"

#define ETCD_JSON_REQUEST_MAX ((size_t)16 << 20) /* bytes; etcd's own default is 1.5 MiB */
#define ETCD_JSON_ANSWER_MAX ((size_t)KV_RANGE_BYTES_MAX / 3 * 4 + ((size_t)64 << 20))
#define ETCD_JSON_LINE_MAX ((size_t)64 << 20) /* one message of a watch */
#define ETCD_JSON_PAGE 1000 /* entries asked for at once */
#define ETCD_JSON_REASON_MAX 512
#define ETCD_JSON_TOKEN_MAX 4096

/* gRPC status codes (grpc/codes), as far as they decide something. */
enum etcd_json_code {
	ETCD_CODE_CANCELED = 1,
	ETCD_CODE_UNKNOWN = 2,
	ETCD_CODE_INVALID = 3,
	ETCD_CODE_DEADLINE = 4,
	ETCD_CODE_NOT_FOUND = 5,
	ETCD_CODE_DENIED = 7,
	ETCD_CODE_EXHAUSTED = 8,
	ETCD_CODE_PRECONDITION = 9,
	ETCD_CODE_ABORTED = 10,
	ETCD_CODE_OUT_OF_RANGE = 11,
	ETCD_CODE_INTERNAL = 13,
	ETCD_CODE_UNAVAILABLE = 14,
	ETCD_CODE_DATA_LOSS = 15,
	ETCD_CODE_UNAUTHENTICATED = 16,
};
struct etcd_json_error {
	int code; /* gRPC status, 0 when it told none */
	char reason[ETCD_JSON_REASON_MAX];
};
struct etcd_json_header {
	uint64_t cluster_id; /* 0: not told */
	int64_t revision;
};

/* Owned entries; ->bytes is what they hold, kept below KV_RANGE_BYTES_MAX. */
struct etcd_json_entries {
	struct kv_entry *v;
	size_t n, cap, bytes;
};
void etcd_json_entries_done(struct etcd_json_entries *s);

/* One page of a range; entries are appended to the caller's, so that pages add up. */
struct etcd_json_page {
	struct etcd_json_header header;
	int64_t count; /* of the whole range */
	bool more;
	char *last_key; /* as stored, NULs and all; NULL when the page is empty */
	size_t last_len;
};
/**
 * etcd_json_range() - a page of a range
 * @revision: to read at, 0: newest
 * @after: last key of the page before (as stored), NULL for the first page
 * Return: 0, -EMSGSIZE for a key above KV_KEY_MAX.
 */
int etcd_json_range(const struct kv_range *req, int64_t revision, const char *after,
		    size_t after_len, char **ret_body);
/** etcd_json_range_read() - Return: 0; -EPROTO; -EMSGSIZE when @entries would pass KV_RANGE_BYTES_MAX. */
int etcd_json_range_read(const char *text, size_t len, struct etcd_json_page *ret,
			 struct etcd_json_entries *entries, struct err *e);
void etcd_json_page_done(struct etcd_json_page *p);

/* What a transaction's answer must look like: the types of its operations. */
struct etcd_json_ops {
	size_t n_then, n_else;
	enum kv_op_type then_types[KV_TXN_OPS_MAX], else_types[KV_TXN_OPS_MAX];
};
struct etcd_json_txn {
	struct etcd_json_header header;
	bool succeeded;
	struct kv_op_result *ops; /* of the branch taken; ->entries owned by ->lists */
	size_t n_ops;
	struct etcd_json_entries *lists; /* one per op */
};
/** etcd_json_txn() - @ret_ops: kept by the caller for the answer. Return: 0, -EMSGSIZE: a key, value or number of operations above kv.h's limits. */
int etcd_json_txn(const struct kv_txn *req, char **ret_body, struct etcd_json_ops *ret_ops);
/** etcd_json_txn_read() - Return: 0, -EPROTO, -EMSGSIZE. */
int etcd_json_txn_read(const char *text, size_t len, const struct etcd_json_ops *expect,
		       struct etcd_json_txn *ret, struct err *e);
void etcd_json_txn_done(struct etcd_json_txn *t);

struct etcd_json_lease {
	struct etcd_json_header header;
	int64_t id;
	int64_t ttl_s; /* 0 or below: the lease is gone */
};
char *etcd_json_lease_grant(int64_t ttl_s);
char *etcd_json_lease(int64_t id); /* keepalive, revoke, timetolive */
/** etcd_json_lease_read() - answers of all four; keepalive's stream form {"result":..} too. Return: 0 or -EPROTO. */
int etcd_json_lease_read(const char *text, size_t len, struct etcd_json_lease *ret, struct err *e);

char *etcd_json_auth(const char *user, const char *password);
/** etcd_json_auth_read() - @ret_token: heap. Return: 0 or -EPROTO. */
int etcd_json_auth_read(const char *text, size_t len, char **ret_token, struct err *e);

/** etcd_json_error_read() - the error in an answer or in a stream's line. Return: 0, -ENOENT when there is none, -EPROTO for other text. */
int etcd_json_error_read(const char *text, size_t len, struct etcd_json_error *ret);

struct etcd_json_watch {
	struct etcd_json_header header;
	bool created, canceled;
	int64_t compact_revision; /* 0: none */
	struct kv_event *events;
	size_t n_events;
	struct etcd_json_entries list; /* what ->events borrow */
	bool failed; /* the line is an error: the stream is over */
	struct etcd_json_error error; /* of it, or the reason of ->canceled */
};
char *etcd_json_watch(const char *key, const char *range_end, int64_t start_revision);
char *etcd_json_watch_progress(void);
/** etcd_json_watch_read() - one line of the stream. Return: 0, -EPROTO, -EMSGSIZE. */
int etcd_json_watch_read(const char *text, size_t len, struct etcd_json_watch *ret, struct err *e);
void etcd_json_watch_done(struct etcd_json_watch *w);
