/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proxy - a TCP relay on the test's loop, in front of an etcd, that misbehaves on request.
 */
#pragma once
#include <uv.h>

enum proxy_mode {
	PROXY_RELAY,
	PROXY_HOLE, /* connections stand, nothing passes any more */
	PROXY_CUT, /* requests pass; the first byte of an answer ends its connection instead */
};
struct proxy;
/** proxy_new() - listens on a free loopback port, relays to @port of 127.0.0.1. */
struct proxy *proxy_new(uv_loop_t *loop, int port);
int proxy_port(const struct proxy *p);
void proxy_mode(struct proxy *p, enum proxy_mode mode);
/** proxy_close() - all connections too; memory goes when the loop has run. */
void proxy_close(struct proxy *p);
