/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etcd's errors are a gRPC code and a text. Codes are shared by errors that call for different things, so the text is looked at where it
 * matters (api/v3rpc/rpctypes/error.go; the texts have not changed since 3.0).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/etcd_internal.h"

/* The first line that fits decides. */
static const struct {
	int code;
	const char *text; /* part of the reason; NULL: any */
	enum etcd_verdict verdict;
	int status; /* for ETCD_FINAL */
} verdicts[] = {
	{ ETCD_CODE_UNAUTHENTICATED, NULL, ETCD_RENEW, 0 },
	{ ETCD_CODE_INVALID, "user name is empty", ETCD_RENEW, 0 }, /* no token was sent */
	{ ETCD_CODE_INVALID, "auth store is old", ETCD_RENEW, 0 },
	{ ETCD_CODE_INVALID, "invalid auth token", ETCD_RENEW, 0 },
	{ ETCD_CODE_INVALID, "authentication failed", ETCD_FINAL, -EACCES },
	{ ETCD_CODE_INVALID, "too large", ETCD_FINAL, -EMSGSIZE },
	{ ETCD_CODE_INVALID, "too many operations", ETCD_FINAL, -EMSGSIZE },
	{ ETCD_CODE_DENIED, NULL, ETCD_FINAL, -EACCES },
	{ ETCD_CODE_NOT_FOUND, "lease not found", ETCD_FINAL, -ENOENT },
	{ ETCD_CODE_OUT_OF_RANGE, "compacted", ETCD_FINAL, -ESTALE },
	{ ETCD_CODE_EXHAUSTED, "too many requests", ETCD_WAIT, 0 },
	{ ETCD_CODE_EXHAUSTED, "larger than max", ETCD_FINAL, -EMSGSIZE },
	/* Refused before anything was proposed: etcd_endpoint_request(). */
	{ ETCD_CODE_UNAVAILABLE, "no leader", ETCD_WAIT, 0 },
	{ ETCD_CODE_UNAVAILABLE, NULL, ETCD_UNCERTAIN, 0 },
	{ ETCD_CODE_DEADLINE, NULL, ETCD_UNCERTAIN, 0 },
	{ ETCD_CODE_CANCELED, NULL, ETCD_UNCERTAIN, 0 },
	{ ETCD_CODE_UNKNOWN, "proposal dropped", ETCD_WAIT, 0 },
	{ ETCD_CODE_UNKNOWN, NULL, ETCD_UNCERTAIN, 0 },
	{ ETCD_CODE_INTERNAL, NULL, ETCD_UNCERTAIN, 0 },
	{ ETCD_CODE_ABORTED, NULL, ETCD_UNCERTAIN, 0 },
	{ ETCD_CODE_DATA_LOSS, NULL, ETCD_UNCERTAIN, 0 },
};

enum etcd_verdict etcd_verdict_error(const struct etcd_json_error *error, int *ret_status)
{
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		if (verdicts[i].code != error->code ||
		    (verdicts[i].text && !strstr(error->reason, verdicts[i].text)))
			continue;
		*ret_status = verdicts[i].status;
		return verdicts[i].verdict;
	}
	*ret_status = -EREMOTEIO;
	return ETCD_FINAL;
}

enum etcd_verdict etcd_verdict(const struct http_answer *a, struct etcd_json_error *ret_error,
			       int *ret_status)
{
	if (etcd_json_error_read(a->body, a->len, ret_error) == 0)
		return etcd_verdict_error(ret_error, ret_status);
	/* Not etcd's gateway that spoke, but something before it, or another server altogether. */
	snprintf(ret_error->reason, sizeof(ret_error->reason), "HTTP status %u: %.200s", a->status,
		 a->body);
	if (a->status >= 500)
		return ETCD_UNCERTAIN;
	*ret_status = a->status == 401 || a->status == 403 ? -EACCES : -EPROTO;
	return ETCD_FINAL;
}
