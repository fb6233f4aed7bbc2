/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_decode - what the Docker Engine API answers, as values.
 *
 * Pure. Answers are decoded with bounds; fields that are not known are ignored, entries that make no sense are left out.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/addr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/strv.h"

#define DOCKER_NETWORKS_MAX 10000
#define DOCKER_ENDPOINTS_MAX 10000 /* of one network */

struct docker_endpoint { /* Containers{} of a network */
	char *container; /* its key: the container's id, "ep-<endpoint id>", "gateway_<12 digits of the sandbox>" */
	char *name;
	struct id endpoint;
	struct ip ip4, ip6;
};
struct docker_network {
	char *id, *name, *driver;
	bool internal, ipv6;
	struct kv_pairs options, labels, ipam_options;
	struct strv subnets;
	struct docker_endpoint *endpoints; /* only where one network was asked for */
	size_t n_endpoints;
};
struct docker_container { /* GET /containers/ID/json */
	char *id, *name, *hostname, *sandbox_key;
	bool running;
	struct docker_attachment { /* NetworkSettings.Networks{} */
		char *network_id, *network_name;
		struct id endpoint;
		struct strv aliases, links;
		struct ip ip4;
	} * networks;
	size_t n_networks;
	struct strv dns;
};
enum docker_event_kind {
	DOCKER_EVENT_CONNECTED, /* the stream is open: whatever happened before it is to be asked for */
	DOCKER_EVENT_GONE, /* it has ended: the daemon stopped, or never was there; it is tried again */
	DOCKER_EVENT_NETWORK, /* type network: create, destroy, connect, disconnect */
	DOCKER_EVENT_CONTAINER, /* type container: start, die, rename */
};
struct docker_event {
	enum docker_event_kind kind;
	const char *action;
	const char *id; /* of the network, of the container */
	const char *name, *driver; /* network: Attributes name, type */
	const char *container; /* network connect, disconnect: the container's id */
	const char *why; /* GONE */
};
/* Return: 0, -EINVAL. *ret: heap. */
int docker_networks_decode(const char *text, size_t len, struct docker_network **ret, size_t *ret_n,
			   struct err *e);
int docker_network_decode(const char *text, size_t len, struct docker_network **ret, struct err *e);
void docker_networks_free(struct docker_network *v, size_t n);
int docker_container_decode(const char *text, size_t len, struct docker_container **ret,
			    struct err *e);
void docker_container_free(struct docker_container *c);
/** docker_event_decode() - one line of the stream; borrowed texts are valid for the call. Return: 0 with @fn called, -ENOMSG: of no interest, -EINVAL. */
int docker_event_decode(const char *line, size_t len,
			void (*fn)(void *user, const struct docker_event *ev), void *user);
