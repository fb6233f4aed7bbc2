/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_delete - links of one namespace deleted in the background, in groups: one for the overlay namespace, one for the host's.
 *
 * A deletion waits for RCU: 16 to 36 ms each, 0.4 ms in a group, and a large group holds up everybody else (facts §7, DESIGN.md §3.8). So
 * what is asked for gathers for the rest of the loop's turn, or while the group before is at work, and goes in groups of KNL_DELETE_GROUP
 * through libuv's thread pool, on a socket of its own: first down and off the bridge, then all at once.
 *
 * Links are deleted by number: one made anew under the same name meanwhile is not touched.
 */
#pragma once
#include <uv.h>
#include "overlay/kernel.h"

#define KNL_DELETE_GROUP 8

struct knl_delete;
struct knl_delete *knl_delete_new(uv_loop_t *loop);
/** knl_delete_ground() - the namespace is there (-1: the current one): the socket in it. Return: 0 or -errno. */
int knl_delete_ground(struct knl_delete *d, int nsfd, struct err *e);
/** knl_delete_add() - @ifindex 0: not there; @done (may be NULL) is called from the loop, once, -ECANCELED when closed before. */
void knl_delete_add(struct knl_delete *d, const char *name, int ifindex, kernel_deleted_fn done,
		    void *user);
/** knl_delete_has() - is this link asked for, or at work? */
bool knl_delete_has(const struct knl_delete *d, int ifindex);
/**
 * knl_delete_find() - number of the link of that name asked for or at work, the latest of several: an earlier one was gone before the next could have
 * its name; 0: none
 */
int knl_delete_find(const struct knl_delete *d, const char *name);
/** knl_delete_close() - @closed when all that was asked for is deleted, or KNL_DELETE_CLOSE_MS have passed; @d is freed. */
#define KNL_DELETE_CLOSE_MS 5000
void knl_delete_close(struct knl_delete *d, void (*closed)(void *user), void *user);
