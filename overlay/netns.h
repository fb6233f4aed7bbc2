/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netns - network namespaces as files; the only setns() of the agent.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "overlay/state.h"

/**
 * netns_socket() - a socket of @domain/@type/@protocol opened inside the namespace @nsfd
 * Enters, opens, returns to the calling thread's own namespace. No thread may start within (STYLE.md 12). Aborts if the way back fails.
 * Return: a descriptor (close-on-exec), or -errno.
 */
int netns_socket(int nsfd, int domain, int type, int protocol);
/** netns_call() - run @fn inside @nsfd (for /proc/sys writes, which follow the reader's namespace). Return: its value or -errno. */
int netns_call(int nsfd, int (*fn)(void *arg), void *arg);
/** netns_open() - open @path; must be an nsfs file of a network namespace (NS_GET_NSTYPE). Return: fd, -ENOENT, -EINVAL (names what it is instead). */
int netns_open(const char *path, struct err *e);
/** netns_open_target() - open and check dev/ino. -ENOENT when the namespace meant is gone (path absent, or another namespace there now). */
int netns_open_target(const struct state_target *t, struct err *e);
/** netns_identify() - dev and inode of an open namespace file. */
int netns_identify(int nsfd, uint64_t *ret_dev, uint64_t *ret_ino);
/**
 * netns_ensure() - the namespace at @path: opened, or made anew as ip-netns(8) does (shared /run/netns mount; a 0-byte leftover is replaced).
 * @ret_created: whether it was made. Return: fd or -errno.
 */
int netns_ensure(const char *path, bool *ret_created, struct err *e);
/** netns_remount() - bind @nsfd at @path again after somebody unlinked the file. */
int netns_remount(int nsfd, const char *path, struct err *e);
/** netns_remove() - unmount and unlink. */
int netns_remove(const char *path, struct err *e);
