/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugin - Docker's side door: /run/docker/plugins/ovl.sock, a remote network and IPAM driver.
 *
 * The four activation answers are constants. Every other call is decoded (plugin_body.h), handed to a backend, and answered exactly once, within
 * PLUGIN_CALL_MS: later the caller is told that it took too long, and what the backend answers then is undone by the backend's own sweeps, as Docker
 * undoes it itself. Calls run beside each other. A delete that fails is told too, but Docker only logs it.
 */
#pragma once
#include <uv.h>
#include "agent/docker/plugin_body.h"
#include "base/err.h"

#define PLUGIN_SOCKET_DEFAULT "/run/docker/plugins/ovl.sock"
#define PLUGIN_CALL_MS 2000
#define PLUGIN_SPACE_LOCAL "ovl-local"
#define PLUGIN_SPACE_GLOBAL "ovl-global"

struct plugin_call; /* one request that waits */
/* What a backend answers with: exactly one of these for each call, from inside or later. */
void plugin_reply(struct plugin_call *c, cJSON *answer); /* taken; NULL: {} */
void plugin_reply_err(struct plugin_call *c, const struct err *e);
/** plugin_call_late() - nobody waits any more (answered after PLUGIN_CALL_MS, dockerd gone, plugin closed): what comes of it is nobody's; the reply is still to be made. */
bool plugin_call_late(const struct plugin_call *c);

/* All may answer later. Requests are borrowed until the function returns. */
struct plugin_backend {
	void (*request_pool)(void *user, const struct plugin_pool *p, struct plugin_call *c);
	void (*release_pool)(void *user, const struct plugin_ref *r, struct plugin_call *c);
	void (*request_address)(void *user, const struct plugin_address *a, struct plugin_call *c);
	void (*release_address)(void *user, const struct plugin_address *a, struct plugin_call *c);
	void (*create_network)(void *user, const struct plugin_network *n, struct plugin_call *c);
	void (*delete_network)(void *user, const struct plugin_ref *r, struct plugin_call *c);
	void (*create_endpoint)(void *user, const struct plugin_endpoint *ep,
				struct plugin_call *c);
	void (*delete_endpoint)(void *user, const struct plugin_ref *r, struct plugin_call *c);
	void (*join)(void *user, const struct plugin_join *j, struct plugin_call *c);
	void (*leave)(void *user, const struct plugin_ref *r, struct plugin_call *c);
};
struct plugin;
/**
 * plugin_start() - bind and answer, for root alone; the directory is made (0755, its parents as dockerd's 0700) where it is missing; a socket handed over by systemd for that path is used
 * Return: 0, -EADDRINUSE: another process answers there, ...
 */
int plugin_start(uv_loop_t *loop, const char *path, const struct plugin_backend *b, void *user,
		 struct plugin **ret, struct err *e);
/** plugin_close() - open calls are answered with an error; memory goes when the loop has run. The socket file goes, but one of systemd's. NULL is none. */
void plugin_close(struct plugin *p);
/** plugin_set_call_ms() - instead of PLUGIN_CALL_MS, also for the calls that wait already; for tests. */
void plugin_set_call_ms(struct plugin *p, uint64_t ms);
struct plugin_stats {
	uint64_t calls, errors, late;
	uint64_t slowest_ms;
};
void plugin_stats(const struct plugin *p, struct plugin_stats *ret);
