/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model - the cluster's records as values, their keys in etcd, and their one-line JSON (DESIGN.md §4).
 *
 * Pure. A decoder refuses what breaks a bound and names the key and the field; it ignores fields it does not know and
 * keeps them in ->extra, so that the owner writes them back. Every record is a heap object: free with its _free.
 */
#pragma once
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/strv.h"

#define MODEL_FORMAT 1
#define MODEL_PREFIX_DEFAULT "/ovl/v1"
#define MODEL_PREFIX_MAX 128
#define MODEL_NAME_MAX 128 /* network, endpoint, node names, aliases: [A-Za-z0-9][A-Za-z0-9_.-]* */
#define MODEL_ALIASES_MAX 64
#define MODEL_SUBNETS_MAX 8 /* per network */
#define MODEL_AUX_MAX 64 /* auxiliary addresses per subnet */
#define MODEL_OPTIONS_MAX 64 /* options, and labels */
#define MODEL_OPTION_LEN_MAX 1024
#define MODEL_RECORD_MAX (64 * 1024) /* bytes of one value */
#define MODEL_VNI_MIN 1
#define MODEL_VNI_MAX 0xffffff
#define MODEL_VNI_AUTO_FIRST 1048576
#define MODEL_MTU_MIN 576 /* 1280 where the network has IPv6 */
#define MODEL_MTU_MAX 65535
#define MODEL_NUMBER_MAX 0xffffff /* of a local network */

enum model_kind {
	MODEL_CLUSTER,
	MODEL_NODE,
	MODEL_ALIVE,
	MODEL_NETWORK,
	MODEL_ENDPOINT,
	MODEL_ADDRESS,
	MODEL_POOL,
	MODEL_BINDING,
	MODEL_UNKNOWN,
};

struct model_cluster {
	struct id id;
	uint64_t epoch; /* starts at 1; `cluster adopt` adds one */
	cJSON *extra;
};
struct model_node {
	struct id id;
	char *name;
	struct ip vtep;
	uint32_t mtu; /* of the underlay interface */
	int64_t address_lease;
	char *boot_id; /* /proc/sys/kernel/random/boot_id */
	char *version; /* of ovld */
	uint32_t format; /* MODEL_FORMAT of the writer */
	int64_t mod_revision;
	cJSON *extra;
};
struct model_alive {
	struct id node;
	char *started; /* RFC 3339, for display */
};
struct model_aux {
	char *name;
	struct ip ip;
};
struct model_subnet {
	struct prefix subnet;
	struct ip gateway; /* set in every record of the cluster; unset: macvlan, ipvlan without a way out */
	struct prefix ip_range; /* unset: the whole subnet */
	struct model_aux *aux;
	size_t n_aux;
};
enum model_network_state { MODEL_NETWORK_READY, MODEL_NETWORK_PENDING };
struct model_network {
	struct id id;
	char *name;
	char *driver; /* "overlay"; of this node only: "bridge", "macvlan", "ipvlan", "egress", "host", "null" */
	enum model_network_state state;
	uint32_t vni; /* overlay; 0: local */
	uint32_t number; /* local: 1 (the default bridge) and up, this node's own; 0: overlay, or none (egress, host, null) */
	uint32_t mtu; /* local: 0 where it follows the way out */
	bool internal, ipv6,
		flood; /* flood: head-end replication of broadcast and multicast; true by default */
	struct model_subnet *subnets;
	size_t n_subnets;
	struct kv_pairs options, labels;
	char *created; /* RFC 3339, for display */
	int64_t mod_revision;
	cJSON *extra;
};
#define MODEL_PUBLISH_MAX 4096 /* published ports of one endpoint */
#define MODEL_PUBLISH_ITEMS_MAX \
	400 /* ports and ranges shown in an endpoint's record in etcd; all are in the node's own memory */
/* One published port (a range is several): what comes to the node's address(es) at host_port goes to the container's port. */
struct model_publish {
	uint8_t proto; /* IPPROTO_TCP, _UDP, _SCTP */
	struct ip host_ip; /* unset: every address of the node, IPv4 and IPv6 */
	uint16_t host_port; /* never 0 in a record: chosen before */
	uint16_t port;
};
#define MODEL_EXPOSE_MAX 256 /* declared ports of one endpoint */
#define MODEL_HOSTNAME_MAX 253 /* what fits into a domain name (RFC 1035 §2.3.4) */
#define MODEL_LABEL_MAX 63 /* between its dots */
/* A port that the container says it serves; found by SRV. */
struct model_port {
	uint8_t proto; /* IPPROTO_TCP, _UDP, _SCTP */
	uint16_t port;
};
struct model_endpoint {
	struct id id, network, node;
	char *name;
	char *hostname; /* of the container, found by it too; NULL: not told */
	struct strv aliases;
	struct model_port *expose;
	size_t n_expose;
	char *sandbox; /* id of what the endpoint is in; endpoints of one sandbox share it */
	struct mac mac;
	struct ip ip4, ip6; /* ip6 unset where the network has none */
	struct model_publish *publish; /* ports that were published with this endpoint */
	size_t n_publish;
	char *created;
	int64_t mod_revision;
	cJSON *extra;
};
enum model_address_state { MODEL_ADDRESS_RESERVED, MODEL_ADDRESS_BOUND };
struct model_address {
	struct id network, endpoint, node;
	struct ip ip;
	enum model_address_state state;
	char *created; /* RFC 3339, for display: since when it is reserved; NULL: not told */
	int64_t mod_revision;
};
/* A subnet held by a node between Docker's RequestPool and its CreateNetwork; under a short lease. */
struct model_pool {
	struct id id, node;
	struct prefix subnet;
	struct prefix range; /* unset: the whole subnet */
	char *created; /* RFC 3339, for display */
	int64_t mod_revision;
	cJSON *extra;
};
#define MODEL_DOCKER_ID_MAX \
	64 /* bytes in a NetworkID of Docker: 64 hex digits, 25 others from a swarm; opaque */
/* A network as one node's Docker knows it. */
struct model_binding {
	struct id network, node;
	char *docker; /* Docker's NetworkID there */
	int64_t mod_revision;
	cJSON *extra;
};

/** model_name_check() - Docker's rule [A-Za-z0-9][A-Za-z0-9_.-]*, 1 to MODEL_NAME_MAX bytes. @what: "network name" for the error. */
int model_name_check(const char *what, const char *name, struct err *e);
/** model_hostname_check() - the same characters, 1 to MODEL_HOSTNAME_MAX, none of the parts between dots empty or above MODEL_LABEL_MAX. */
int model_hostname_check(const char *what, const char *name, struct err *e);

/* Keys. @prefix: e.g. "/ovl/v1", no slash at the end. Results are heap strings. */
char *model_key_cluster(const char *prefix);
char *model_key_node(const char *prefix, struct id node);
char *model_key_alive(const char *prefix, struct id node);
char *model_key_network(const char *prefix, struct id network);
char *model_key_endpoint(const char *prefix, struct id network, struct id endpoint);
char *model_key_address(const char *prefix, struct id network, struct ip ip);
char *model_key_pool(const char *prefix, struct id pool);
char *model_key_binding(const char *prefix, struct id network, struct id node);
/** model_key_dir() - "<prefix>/<kind>/" (all records of a kind), or with @network its endpoints', addresses' or bindings' directory. */
char *model_key_dir(const char *prefix, enum model_kind kind, const struct id *network);
/**
 * model_mirror_range() - [key, range_end) that holds exactly alive, binding, cluster, endpoint, network, node and not
 * address or pool: one range, hence one watch and one revision order for everything that is mirrored.
 */
void model_mirror_range(const char *prefix, char **ret_key, char **ret_range_end);

struct model_key {
	enum model_kind kind; /* MODEL_UNKNOWN: under the prefix, but nothing we know */
	struct id id; /* node, network, endpoint, pool id; of a binding its node */
	struct id network; /* endpoint, address, binding */
	struct ip ip; /* address */
};
/** model_key_parse() - Return: 0, -EINVAL for a key of a known kind that is malformed (named in @e). */
int model_key_parse(const char *prefix, const char *key, struct model_key *ret, struct err *e);

/* JSON. Encoders never fail and give one line; decoders take the key as well, for identity and error text.
 * Decode Return: 0, -EINVAL, -EMSGSIZE; the error reads "<key>: <field>: <reason>". */
char *model_cluster_encode(const struct model_cluster *c);
int model_cluster_decode(const char *key, const char *value, size_t len, struct model_cluster **ret,
			 struct err *e);
void model_cluster_free(struct model_cluster *c);
char *model_node_encode(const struct model_node *n);
int model_node_decode(const char *prefix, const char *key, const char *value, size_t len,
		      struct model_node **ret, struct err *e);
void model_node_free(struct model_node *n);
char *model_alive_encode(const struct model_alive *a);
int model_alive_decode(const char *prefix, const char *key, const char *value, size_t len,
		       struct model_alive **ret, struct err *e);
void model_alive_free(struct model_alive *a);
char *model_network_encode(const struct model_network *n);
int model_network_decode(const char *prefix, const char *key, const char *value, size_t len,
			 struct model_network **ret, struct err *e);
/** model_network_decode_local() - of this node's own memory: any driver but overlay; the error begins "network <short id>". */
int model_network_decode_local(struct id id, const char *value, size_t len,
			       struct model_network **ret, struct err *e);
struct model_network *model_network_dup(const struct model_network *n);
void model_network_free(struct model_network *n);
char *model_endpoint_encode(const struct model_endpoint *ep);
int model_endpoint_decode(const char *prefix, const char *key, const char *value, size_t len,
			  struct model_endpoint **ret, struct err *e);
struct model_endpoint *model_endpoint_dup(const struct model_endpoint *ep);
void model_endpoint_free(struct model_endpoint *ep);
char *model_address_encode(const struct model_address *a);
int model_address_decode(const char *prefix, const char *key, const char *value, size_t len,
			 struct model_address **ret, struct err *e);
void model_address_free(struct model_address *a);
char *model_pool_encode(const struct model_pool *p);
int model_pool_decode(const char *prefix, const char *key, const char *value, size_t len,
		      struct model_pool **ret, struct err *e);
struct model_pool *model_pool_dup(const struct model_pool *p);
void model_pool_free(struct model_pool *p);
char *model_binding_encode(const struct model_binding *b);
int model_binding_decode(const char *prefix, const char *key, const char *value, size_t len,
			 struct model_binding **ret, struct err *e);
void model_binding_free(struct model_binding *b);
#define _cleanup_model_network_ _cleanup_(model_network_freep)
#define _cleanup_model_endpoint_ _cleanup_(model_endpoint_freep)
static inline void model_network_freep(struct model_network **n)
{
	model_network_free(*n);
}
static inline void model_endpoint_freep(struct model_endpoint **n)
{
	model_endpoint_free(*n);
}

/** model_network_is_local() - of this node only: never in etcd. */
bool model_network_is_local(const struct model_network *n);
/** model_publish_json() / model_publish_parse() - a list of {"proto":"tcp","ip":"...","host":8080,"port":80,"count":2}; in records and in the node's memory. */
cJSON *model_publish_json(const struct model_publish *v, size_t n);
/** @list NULL: none. Return: 0, -EINVAL naming the item: "publish[1].host: ...". *ret: heap array, NULL for none. */
int model_publish_parse(const cJSON *list, struct model_publish **ret, size_t *ret_n,
			struct err *e);
const char *model_proto_name(uint8_t proto); /* "tcp", "udp", "sctp" */
#define MODEL_PORT_TEXT_MAX 16
bool model_port_eq(struct model_port a, struct model_port b);
/** model_port_format() - "5000/tcp" */
const char *model_port_format(struct model_port p, char ret[MODEL_PORT_TEXT_MAX]);
/** model_expose_json() / model_expose_parse() - a list of "5000/tcp"; @obj's member @field, optional. Return and *ret as model_publish_parse(). */
cJSON *model_expose_json(const struct model_port *v, size_t n);
int model_expose_parse(const cJSON *obj, const char *field, struct model_port **ret, size_t *ret_n,
		       struct err *e);
/** model_network_subnet_of() - the subnet of @n that holds @ip, NULL if none. */
const struct model_subnet *model_network_subnet_of(const struct model_network *n, struct ip ip);
/** model_network_gateway() - first gateway of the family, unset if none. */
struct ip model_network_gateway(const struct model_network *n, int family);
