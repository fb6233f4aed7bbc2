/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * view - records as the API shows them: networks with Docker's field names, endpoints and nodes.
 */
#pragma once
#include <cjson/cJSON.h>
#include "agent/api/context.h"

/** view_network() - @containers: with the endpoints, else an empty Containers (as Docker's list). */
cJSON *view_network(const struct api_context *ctx, const struct model_network *rec,
		    bool containers);
/** view_count_endpoints() - on all nodes; of a local network: on this one. */
size_t view_count_endpoints(const struct api_context *ctx, const struct model_network *net);
/** view_endpoint() - from the cluster's record, this node's own, or both; at least one is given. */
cJSON *view_endpoint(const struct api_context *ctx, const struct model_endpoint *rec,
		     const struct local_endpoint *local);
cJSON *view_node(const struct api_context *ctx, const struct mirror_node *node);
/** view_put_options() - "Options": as asked for, and those in force. */
void view_put_options(cJSON *j, const struct model_network *net);
/** view_info() - GET /info. */
cJSON *view_info(const struct api_context *ctx);
/** view_info_host() - its part about this host alone, added to @j. */
void view_info_host(const struct api_context *ctx, cJSON *j);
/** view_info_dns() - its part about names. */
void view_info_dns(const struct api_context *ctx, cJSON *j);
/** view_put_docker() - which networks of Docker's it is, and whether this node's has left it; nothing of a local network. */
void view_put_docker(cJSON *j, const struct api_context *ctx, const struct model_network *net);
/** view_info_docker() - the plugin's part of GET /info. */
void view_info_docker(const struct api_context *ctx, cJSON *j);
/** view_dns_server() - "10.0.0.1:53", "[fd00::1]:53". Return: @ret. */
#define VIEW_DNS_SERVER_MAX (IP_TEXT_MAX + 8)
const char *view_dns_server(struct dns_server_addr a, char ret[VIEW_DNS_SERVER_MAX]);
/** view_put_ports() - Docker's map, added to: {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, ...]}; every address of the host is two, of IPv4 and IPv6. */
void view_put_ports(cJSON *ports, const struct model_publish *v, size_t n);
/** view_publish() - as in bodies: [{"Proto","HostIp","HostPort","Port"}]. */
cJSON *view_publish(const struct model_publish *v, size_t n);
/** view_put_names() - host name and declared ports; links, servers, search domains, options and further hosts of this node's own. Either may be NULL. */
void view_put_names(cJSON *j, const struct model_endpoint *rec, const struct local_endpoint *local);
/** view_is_builtin() - a network that is there from the start, or ovl's own: neither pruned nor anybody's to remove. */
bool view_is_builtin(const struct model_network *net);
/** view_node_name() - the node's name, or the short id of one that has no record. Return: @buf or borrowed. */
const char *view_node_name(const struct api_context *ctx, struct id node, char buf[ID_SHORT_MAX]);
/** view_each_endpoint() - those of the cluster, and those of this node that the cluster does not show (yet, or any more). */
void view_each_endpoint(const struct api_context *ctx,
			void (*fn)(void *user, const struct model_endpoint *rec,
				   const struct local_endpoint *local),
			void *user);
