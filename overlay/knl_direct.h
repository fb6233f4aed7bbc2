/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_direct - macvlan and ipvlan devices: on an interface of the host, born in the container's namespace, and deleted there (rtnetlink).
 *
 * Such a device bears the ifalias "ovl local <key>", set when all else is done: without it, it was left half made.
 */
#pragma once
#include <uv.h>
#include "overlay/knl_link.h"

struct knl_direct;
/** knl_direct_new() - the deletions, in libuv's thread pool, one at a time. */
struct knl_direct *knl_direct_new(uv_loop_t *loop);
/** knl_direct_parent() - may devices be made on that interface? Return: 0, -ENODEV, -EBUSY: it is a port of a bridge, bond, ... (named) */
int knl_direct_parent(struct knl_sock *host, const char *ifname, struct err *e);
/**
 * knl_direct_make() - kernel.h's port_add for STATE_DIRECT
 * @host: a socket in the host's namespace, where the parent is
 * *@ret_writes: objects written, 0 where it was in place.
 */
int knl_direct_make(struct knl_direct *d, struct knl_sock *host, const struct state_net *want,
		    const struct state_port *p, unsigned *ret_writes, struct err *e);
/**
 * knl_direct_delete() - kernel.h's direct_del: @done (may be NULL) once, from the loop, with the port's name; -ECANCELED when closed before
 * What is there when this is called is deleted, by number; a namespace that is gone, or no such device of ours in it, is success.
 * Return: is there something to delete?
 */
bool knl_direct_delete(struct knl_direct *d, const struct state_port *p, kernel_deleted_fn done,
		       void *user);
/** knl_direct_close() - @closed when all that was asked for is deleted, or after KNL_DIRECT_CLOSE_MS that at work is; @d is freed. */
#define KNL_DIRECT_CLOSE_MS 5000
void knl_direct_close(struct knl_direct *d, void (*closed)(void *user), void *user);
