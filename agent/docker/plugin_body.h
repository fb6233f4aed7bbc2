/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugin_body - what dockerd says to a remote network and IPAM driver, and how it is answered (libnetwork's drivers/remote/api, ipams/remote/api).
 *
 * Pure. As Go's decoder: keys in any case, unknown keys ignored, null, absent and {} the same for maps, null and [] for lists. Ids are opaque texts. An
 * empty body where arguments belong is a broken retry (Docker has read its own buffer empty): refused. Bodies may have megabytes of ports.
 */
#pragma once
#include <cjson/cJSON.h>
#include "base/addr.h"
#include "base/err.h"
#include "base/strv.h"
#include "store/model.h"

#define PLUGIN_ID_MAX 64 /* bytes: 64 hex digits, in a swarm 25 of base 36 */
#define PLUGIN_TEXT_MAX 1024
#define PLUGIN_POOLS_MAX 16 /* of one network */
#define PLUGIN_OPTIONS_MAX 128

struct plugin_pool { /* IpamDriver.RequestPool */
	char *space;
	struct prefix pool, range; /* unset: to be chosen; host bits are masked */
	struct kv_pairs options;
	bool v6;
};
struct plugin_address { /* IpamDriver.RequestAddress, ReleaseAddress */
	char *pool_id;
	struct ip ip; /* unset: to be chosen */
	bool gateway; /* RequestAddressType: it is to be the gateway */
	struct mac mac; /* zero: not told */
};
struct plugin_ipam_data { /* IPv4Data, IPv6Data */
	char *space;
	struct prefix pool;
	struct ip gateway; /* unset: none */
	struct model_aux *aux;
	size_t n_aux;
};
struct plugin_network { /* NetworkDriver.CreateNetwork */
	char *id;
	bool internal, ipv6;
	struct kv_pairs options; /* com.docker.network.generic: -o */
	struct plugin_ipam_data v4[PLUGIN_POOLS_MAX], v6[PLUGIN_POOLS_MAX];
	size_t n_v4, n_v6;
};
struct plugin_endpoint { /* NetworkDriver.CreateEndpoint */
	char *network, *id;
	struct ip ip4, ip6;
	struct mac mac; /* zero: the driver's choice */
	struct model_port *
		expose; /* exposedports, and the container's ports of portmap: by protocol and port, each once, the first MODEL_EXPOSE_MAX */
	size_t n_expose;
	struct kv_pairs options; /* those that are texts: --driver-opt */
};
struct plugin_join { /* NetworkDriver.Join */
	char *network, *endpoint, *sandbox;
};
struct plugin_ref { /* NetworkDriver.DeleteNetwork, DeleteEndpoint, Leave, ...; IpamDriver.ReleasePool */
	char *network, *endpoint; /* endpoint NULL where it has none */
	char *pool_id;
};
/*
 * Decoders: @body as it came. Return: 0; -EINVAL: what is wrong, with the field. @ret only on success; _done().
 */
int plugin_pool_decode(const char *body, size_t len, struct plugin_pool *ret, struct err *e);
void plugin_pool_done(struct plugin_pool *p);
int plugin_address_decode(const char *body, size_t len, struct plugin_address *ret, struct err *e);
void plugin_address_done(struct plugin_address *a);
int plugin_network_decode(const char *body, size_t len, struct plugin_network *ret, struct err *e);
void plugin_network_done(struct plugin_network *n);
int plugin_endpoint_decode(const char *body, size_t len, struct plugin_endpoint *ret,
			   struct err *e);
void plugin_endpoint_done(struct plugin_endpoint *ep);
int plugin_join_decode(const char *body, size_t len, struct plugin_join *ret, struct err *e);
void plugin_join_done(struct plugin_join *j);
int plugin_ref_decode(const char *body, size_t len, struct plugin_ref *ret, struct err *e);
void plugin_ref_done(struct plugin_ref *r);
/** plugin_ref_check() - is there what a call needs? @needs: of the bits below. Return: 0, -EINVAL: which one is missing. */
#define PLUGIN_REF_NETWORK 1u
#define PLUGIN_REF_ENDPOINT 2u
#define PLUGIN_REF_POOL 4u
int plugin_ref_check(const struct plugin_ref *ref, unsigned needs, struct err *e);

/* Answers; owned by the caller. */
cJSON *plugin_answer_pool(const char *pool_id, struct prefix pool);
cJSON *plugin_answer_address(struct ip ip, uint8_t len);
/** plugin_answer_endpoint() - @mac only where the request had none (Docker refuses an echo). */
cJSON *plugin_answer_endpoint(const struct mac *mac);
cJSON *plugin_answer_join(const char *src_name);
/** plugin_answer_err() - {"Err": ..., "Error": ...}: each of the two interfaces looks at another one. */
cJSON *plugin_answer_err(const struct err *e);
