/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run_ns - the container's namespaces: the calling process leaves the host's for new ones of its own.
 */
#pragma once
#include "base/err.h"

/**
 * run_ns_enter() - new network, mount and UTS namespace for this process and what it starts; `lo` is up, /sys shows the new network
 *
 * Mounts of the host still arrive (slave), those made inside stay inside. With private ones every /run/netns/NAME of the
 * host would live on here after `ip netns del` (tests/kernel_facts/fact_run_mounts).
 * Return: 0, -EPERM, or what the kernel says.
 */
int run_ns_enter(struct err *e);
/** run_ns_hostname() - the container's host name, cut to what the kernel takes (64 bytes). */
int run_ns_hostname(const char *name, struct err *e);
