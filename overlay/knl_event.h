/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_event - what others, and we, do in the kernel, decoded into kernel.h's events.
 *
 * Monitors in the overlay namespace (links, entries, neighbours, addresses, forwarding sysctls) and in the host's (the same of ours there; of all
 * else that links, addresses or routes changed), the nf_tables monitors, and the folder of the namespace's file. Events can be lost
 * (ENOBUFS): KERNEL_EVENT_LOST then. Entries and neighbours are told with a device's number only: the monitor keeps a table of our links, from the
 * same stream, so it is always of the same moment as the event. The host's routes have a socket of their own: there may be many of them, and
 * one lost is no loss.
 */
#pragma once
#include <uv.h>
#include "overlay/kernel.h"
#include "overlay/knl_dump.h"
#include "overlay/nft_ground.h"

struct knl_event;
struct knl_event_config {
	uv_loop_t *loop;
	const char *netns_path;
	struct knl_hidden hidden, host_hidden; /* links on their way out: only their end is told */
	kernel_event_fn fn;
	void *user;
};
/** knl_event_new() - begins with the host's side. Return: 0 or -errno. */
int knl_event_new(const struct knl_event_config *c, struct knl_event **ret, struct err *e);
/** knl_event_ground() - the overlay namespace is there: its side too. */
int knl_event_ground(struct knl_event *ev, int ovl_nsfd, struct nft_ground *nft, struct err *e);
/** knl_event_close() - no event from here on; @closed later, @ev is freed. */
void knl_event_close(struct knl_event *ev, void (*closed)(void *user), void *user);
