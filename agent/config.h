/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config - what ovld was told: defaults, then the YAML file, then flags (later wins).
 */
#pragma once
#include "agent/dns/dns_client.h"
#include "base/addr.h"
#include "base/err.h"
#include "base/log.h"
#include "base/strv.h"
#include "ipam/subnet.h"

#define CONFIG_PATH_DEFAULT "/etc/ovl/ovld.yaml"
#define CONFIG_RESOLV_CONF "/etc/resolv.conf"
#define CONFIG_POOLS_MAX 16
#define CONFIG_FILE_MAX (256 * 1024)

struct config {
	char *name; /* node name; the host's name by default */
	struct strv etcd; /* endpoints; none: standalone, no overlay networks */
	char *etcd_prefix; /* "/ovl/v1" */
	char *etcd_ca, *etcd_cert, *etcd_key;
	char *etcd_user, *etcd_password; /* password: from etcd-password-file where that is given */
	char *advertise; /* address or interface; NULL: the address that reaches etcd */
	char *socket; /* "/run/ovl/ovld.sock" */
	char *state_dir; /* "/var/lib/ovl" */
	char *overlay_netns; /* "/run/netns/ovl" */
	uint16_t vxlan_port; /* 4789 */
	uint32_t liveness_ttl_s; /* 10 */
	uint32_t address_ttl_s; /* 86400 */
	struct subnet_pool pools[CONFIG_POOLS_MAX]; /* 10.0.0.0/8 in /24s */
	size_t n_pools;
	struct subnet_pool local_pools
		[CONFIG_POOLS_MAX]; /* of this node's own networks: 172.31.0.0/16 down to 172.17.0.0/16, then 192.168.0.0/16 in /20s */
	size_t n_local_pools;
	struct prefix egress_subnet,
		default_bridge_subnet; /* of the egress bridge and of network "bridge", when they are made; unset: from local_pools */
	bool dns; /* serve names; true by default */
	char *dns_domain; /* ZONE_DOMAIN_DEFAULT */
	uint32_t dns_ttl_s; /* DNS_TTL_DEFAULT */
	struct dns_servers
		dns_servers; /* where other names are asked for; none: the host's resolv.conf */
	char *dns_resolv_conf; /* the host's: "/etc/resolv.conf" */
	size_t dns_cache_bytes; /* DNS_CACHE_BYTES */
	/* Docker; NULL: not served, not used. By default PLUGIN_SOCKET_DEFAULT and DOCKER_API_SOCKET_DEFAULT, and NULL where no etcd is configured. */
	char *docker_plugin, *docker_api;
	enum log_level log_level;
	bool takeover; /* take over the node name from another id */
	bool check_only; /* --check-config */
};
enum config_outcome { CONFIG_RUN, CONFIG_EXIT_OK };
/**
 * config_load() - from the command line (and the file it names, or the default one if it exists)
 * @ret_outcome: CONFIG_EXIT_OK after --help, --version. All problems are gathered in @e, with file, line and column where from the file.
 * Return: 0, -EINVAL.
 */
int config_load(int argc, char **argv, struct config *ret, enum config_outcome *ret_outcome,
		struct err *e);
void config_done(struct config *c);
