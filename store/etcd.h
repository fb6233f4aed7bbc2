/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etcd - `struct kv` over etcd's v3 JSON gateway (curl multi on a libuv loop).
 *
 * Endpoints are tried in turn; one that fails is passed over until its back-off ends. Calls that only read, and calls
 * that certainly did not reach etcd, fail over within their own deadline; a write that was sent and not answered is -ETIMEDOUT.
 * The watch sends Grpc-Metadata-hasleader: true and a progress request every few seconds; silence ends the connection.
 */
#pragma once
#include <uv.h>
#include "base/strv.h"
#include "store/kv.h"

#define ETCD_ENDPOINTS_MAX 16
#define ETCD_CALL_TIMEOUT_MS \
	4000 /* a call's whole life, fail-over included; so that ovlctl fails within 5 s */

struct etcd_config {
	struct strv endpoints; /* "http://10.0.0.1:2379", "https://...", "unix:///path" */
	const char *ca_file, *cert_file, *key_file; /* NULL: none */
	const char *user, *password; /* NULL: no auth */
	uint32_t call_timeout_ms; /* 0: ETCD_CALL_TIMEOUT_MS */
	uint32_t watch_silence_ms; /* 0: default 6000 */
};
struct etcd;
/** etcd_config_check() - endpoints well formed, files readable; gathers all problems in @e. Return: 0 or -EINVAL. */
int etcd_config_check(const struct etcd_config *c, struct err *e);
/** etcd_new() - @c is copied. Nothing is sent before the first call. */
struct etcd *etcd_new(uv_loop_t *loop, const struct etcd_config *c);
struct kv *etcd_kv(struct etcd *e);
/** etcd_close() - cancels everything (callbacks come with -ECANCELED before @closed); memory is freed before @closed runs. */
void etcd_close(struct etcd *e, void (*closed)(void *user), void *user);
