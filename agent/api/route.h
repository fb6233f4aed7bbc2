/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * route - which handler answers a method and a path.
 *
 * Pure. Tables are static const arrays, one per group of routes; the first route that fits wins.
 */
#pragma once
#include <stddef.h>
#include "base/strv.h"

#define API_ROUTE_SEGMENTS_MAX 8

struct api_call;
/* Must lead to exactly one reply (call.h), at once or later. @user: of the table's server. */
typedef void (*api_handler)(struct api_call *call, void *user);

enum api_body {
	API_BODY_NONE, /* a body is refused */
	API_BODY_OPTIONAL,
	API_BODY_REQUIRED, /* one JSON object */
	API_BODY_RAW, /* any bytes, or none: the handler looks at them itself (api_call_raw()) */
};
struct api_route {
	const char *method;
	const char *pattern; /* "/networks/{id}/connect": braces take any one segment */
	enum api_body body;
	api_handler handler;
};
struct api_table {
	const struct api_route *routes;
	size_t n;
};

/**
 * api_route_find() - the route for a request
 * @path: as it was sent, without query: a segment may hold an escaped slash
 * @ret_params: must be empty: the segments taken by braces, percent-decoded, by name; only on success
 * Return: 0, -ENOENT: no such path, -ENOTSUP: the path has no such method, -EINVAL: a broken escape. HEAD is answered by GET's route.
 */
int api_route_find(const struct api_table *tables, size_t n, const char *method, const char *path,
		   const struct api_route **ret, struct kv_pairs *ret_params);
