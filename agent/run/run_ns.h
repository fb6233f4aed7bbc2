/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run_ns - the container's namespaces: the calling process leaves the host's for new ones of its own.
 */
#pragma once
#include <stdint.h>
#include "agent/api/body_run.h"
#include "base/err.h"

/* The supervisor whose network namespace is shared (RUN_SHARED). */
struct run_ns_peer {
	const char *name; /* borrowed, for errors */
	int64_t pid;
	uint64_t pid_start; /* field 22 of /proc/PID/stat */
};
/**
 * run_ns_enter() - new mount and UTS namespace for this process and what it starts, and the network namespace of @mode
 * @peer: for RUN_SHARED
 *
 * A new network namespace has `lo` up; where it is not the host's, /sys shows it. A shared one goes with the last process in it, not with the
 * container that made it.
 * Mounts of the host still arrive (slave), those made inside stay inside. With private ones every /run/netns/NAME of the
 * host would live on here after `ip netns del` (tests/kernel_facts/fact_run_mounts).
 * Return: 0, -EPERM, -ESRCH: the peer has ended; or what the kernel says.
 */
int run_ns_enter(enum run_mode mode, const struct run_ns_peer *peer, struct err *e);
/** run_ns_hostname() - the container's host name, cut to what the kernel takes (64 bytes). */
int run_ns_hostname(const char *name, struct err *e);
