/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run_etc - the container's own /etc/resolv.conf and /etc/hosts: files kept by ovld, mounted over the host's in this mount namespace.
 *
 * A program of the host that puts a new file in the place of the old one takes such a mount away, in every mount namespace
 * (tests/kernel_facts/fact_run_etc); so it is looked for as long as the container runs, and made again. A mount that somebody else made there
 * inside the container is left alone.
 * Life cycle: zeroed by run_etc_init(); start; look whenever one of the descriptors says so; done.
 */
#pragma once
#include <poll.h>
#include <stdbool.h>
#include "agent/run/run_log.h"

#define RUN_ETC_FILES 2
#define RUN_ETC_FDS 2

struct run_etc {
	int root; /* "/" of this mount namespace: the command may turn to another */
	int source[RUN_ETC_FILES]; /* -1: nothing to mount */
	int mounts, changes; /* /proc/self/mountinfo; inotify on /etc */
	unsigned tries; /* left to look again unasked */
};
void run_etc_init(struct run_etc *etc);
/**
 * run_etc_start() - mount what there is; to be called in the mount namespace of the container, before its command runs
 * @resolv_conf, @hosts: what ovld keeps; NULL or absent: the host's own stays
 * @log: is told of what the host lacks; the container runs without
 */
void run_etc_start(struct run_etc *etc, const char *resolv_conf, const char *hosts,
		   struct run_log *log);
/** run_etc_poll() - descriptors for poll(2). Return: how many of @ret were filled. */
size_t run_etc_poll(const struct run_etc *etc, struct pollfd ret[RUN_ETC_FDS]);
/** run_etc_timeout() - for poll(2): milliseconds to the next look unasked, -1: none. */
int run_etc_timeout(const struct run_etc *etc);
/** run_etc_look() - are they still there? @asked: one of the descriptors said so. */
void run_etc_look(struct run_etc *etc, bool asked);
void run_etc_done(struct run_etc *etc);
