/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish - the host's ports that are published for containers: who has which, reserved by a socket of ours.
 *
 * The translation itself is nf_tables' (overlay/state.h STATE_SET_PUBLISH) and goes on without the agent. Each reservation holds sockets bound
 * in the host's namespace: nobody else takes the port, a port taken is found out, and an ephemeral one is the kernel's choice. What reaches those
 * sockets all the same (::1, which cannot be translated; IPv6 clients of a container that has IPv4 only) is relayed to the container: TCP by
 * connection, UDP by client address with an idle time. SCTP is reserved where the kernel has it and never relayed.
 * A published port of "all addresses" is reserved on 0.0.0.0 and on [::] (v6only).
 */
#pragma once
#include <uv.h>
#include "base/err.h"
#include "base/id.h"
#include "store/model.h"

#define PUBLISH_PORTS_MAX 20000 /* reservations in all */
#define PUBLISH_RELAYS_MAX \
	1024 /* TCP connections, and as many UDP clients, relayed at a time; more are refused */
#define PUBLISH_UDP_IDLE_MS 60000
#define PUBLISH_RELAY_BUFFER 65536 /* bytes per direction; the reader is stopped meanwhile */

struct publishes;
/** publishes_new() - nothing is opened yet; raises RLIMIT_NOFILE towards its hard limit. */
struct publishes *publishes_new(uv_loop_t *loop);
/** publishes_close() - sockets are closed, relays cut; memory goes when the loop has run. */
void publishes_close(struct publishes *ps);
/**
 * publish_reserve() - all ports of @want for one sandbox, or none
 * @owner: what the ports are reserved for (an endpoint id); @who: its name, copied, for the refusal of others
 * @want: host_port 0: an ephemeral port is chosen (the same for IPv4 and IPv6) and written back
 * @strict: false at start: a port that cannot be bound (somebody took it meanwhile) is logged and left, the translation goes on
 * Return: 0; -EADDRINUSE: "port 8080/tcp is published by container web already" or "... in use by nginx (pid 123)"; -EADDRNOTAVAIL: the address is
 * not this host's; -ENOSPC; -EMFILE. Again for the same owner and list: nothing is done.
 * Another list takes the place of the owner's, which is gone when that fails; an empty one releases.
 */
int publish_reserve(struct publishes *ps, struct id owner, const char *who,
		    struct model_publish *want, size_t n, bool strict, struct err *e);
/** publish_target() - where the relays of @owner lead: the container's addresses, reachable from the host; unset: relay nothing. A change cuts them. */
void publish_target(struct publishes *ps, struct id owner, struct ip ip4, struct ip ip6);
/** publish_release() - close all of the owner's; unknown owners are no error. */
void publish_release(struct publishes *ps, struct id owner);
struct publish_stats {
	size_t ports, tcp_relays, udp_relays;
	uint64_t relayed, refused;
};
/** publishes_unbound() - ports reserved in name only: somebody else had them when the agent started. @p and @who are borrowed. */
void publishes_unbound(const struct publishes *ps,
		       void (*fn)(void *user, const struct model_publish *p, const char *who),
		       void *user);
void publishes_stats(const struct publishes *ps, struct publish_stats *ret);
