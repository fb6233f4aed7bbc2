/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolv_follow - the host's resolv.conf, read again whenever it changes: written in place, replaced, a symlink that leads elsewhere, missing for a while.
 *
 * The directory it is in and the one its target is in are watched. What cannot be read for a moment (no descriptors) stays as it was.
 */
#pragma once
#include <uv.h>
#include "agent/dns/resolv_conf.h"

#define RESOLV_FOLLOW_POLL_MS \
	5000 /* what no event tells (a symlink on the way to the target, a directory made again): it is read then too */

/* @c: borrowed for the call; empty where there is no such file. Called once from resolv_follow_start(), then on each change of content. */
typedef void (*resolv_follow_fn)(void *user, const struct resolv_conf *c);
struct resolv_follow;
/** resolv_follow_start() - @path: copied. The file need not exist. */
struct resolv_follow *resolv_follow_start(uv_loop_t *loop, const char *path, resolv_follow_fn fn,
					  void *user);
/** resolv_follow_close() - @fn is not called any more; memory goes when the loop has run. NULL is none. */
void resolv_follow_close(struct resolv_follow *f);
