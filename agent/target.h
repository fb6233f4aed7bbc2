/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * target - what a user means by TARGET: a path, pid:N, netns:NAME, run:NAME, or bare: digits are a pid, else a `run` name, else a netns name.
 */
#pragma once
#include "base/err.h"
#include "overlay/state.h"
#include "store/local.h"

/* Pid of the container of `ovlctl run` with that name; 0: none. */
typedef int64_t (*target_run_fn)(void *user, const char *name);
/**
 * target_resolve() - find the namespace, with its inode and, for a pid, the start time
 * @ret: filled; heap strings, target_done(). @ret_run_name: set (heap) when it was a run container, else NULL.
 * Return: 0, -ENOENT (no such process, name, file), -EINVAL (not a network namespace, or it is the host's own one: refused).
 */
int target_resolve(const char *text, target_run_fn run, void *user, struct local_target *ret,
		   char **ret_run_name, struct err *e);
void target_done(struct local_target *t);
/** target_match() - does stored @t mean the same namespace as @other (dev and inode)? */
bool target_match(const struct local_target *t, const struct local_target *other);
/** target_alive() - the namespace is still there: path opens to the same inode, and the pid has the same start time. */
bool target_alive(const struct local_target *t);
/** target_pid_start() - field 22 of /proc/<pid>/stat. -ESRCH. */
int target_pid_start(int64_t pid, uint64_t *ret);
/** target_ifname_exists() - does the namespace hold an interface of that name? 0, 1; -ENOENT: the namespace is gone. */
int target_ifname_exists(const struct state_target *t, const char *ifname);
