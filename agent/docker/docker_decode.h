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
#define DOCKER_CONTAINERS_MAX 10000
#define DOCKER_DECODE_MAX ((size_t)64 << 20) /* bytes of one answer */
#define DOCKER_EVENT_MAX \
	((size_t)1 << 20) /* bytes of one line: a container's event carries its labels */
#define DOCKER_ID_MAX 64 /* bytes of an id: 64 hex digits, in a swarm 25 of base 36 */
#define DOCKER_TEXT_MAX 1024 /* bytes of a name, an option, a label; longer ones are left out */
#define DOCKER_LIST_MAX \
	256 /* options, labels, subnets of a network; networks, aliases of a container */

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
/** docker_networks_dup() - a deep copy, without endpoints. */
struct docker_network *docker_networks_dup(const struct docker_network *v, size_t n);
void docker_networks_free(struct docker_network *v, size_t n);
int docker_container_decode(const char *text, size_t len, struct docker_container **ret,
			    struct err *e);
void docker_container_free(struct docker_container *c);
/** docker_event_decode() - one line of the stream; borrowed texts are valid for the call. Return: 0 with @fn called, -ENOMSG: of no interest, -EINVAL. */
int docker_event_decode(const char *line, size_t len,
			void (*fn)(void *user, const struct docker_event *ev), void *user);
/** docker_message_decode() - Docker's reason for an error: {"message":...}; heap, NULL: none. */
char *docker_message_decode(const char *text, size_t len);
/** docker_created_decode() - the id of what was made: {"Id":...}; heap, NULL: none. */
char *docker_created_decode(const char *text, size_t len);
/** docker_containers_decode() - ids of GET /containers/json, added to @ret. Return: 0, -EINVAL. */
int docker_containers_decode(const char *text, size_t len, struct strv *ret, struct err *e);
struct docker_info { /* GET /info */
	const char *version, *name;
	bool swarm;
};
/** docker_info_decode() - texts are heap: docker_info_done(). Return: 0, -EINVAL. */
int docker_info_decode(const char *text, size_t len, struct docker_info *ret, struct err *e);
void docker_info_done(struct docker_info *i);
