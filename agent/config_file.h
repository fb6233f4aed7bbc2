/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_file - the YAML file of ovld, checked against its schema (unknown keys, types, ranges) by libcyaml.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct config_file_pool {
	char *base; /* "10.0.0.0/8" */
	uint8_t size; /* 24 */
};
struct config_file_network {
	char *subnet; /* NULL: chosen */
};
struct config_file_dns { /* NULL: not given */
	bool *enabled;
	char *domain, *resolv_conf;
	uint32_t *ttl, *cache_kib;
	char **servers;
	unsigned n_servers;
};
struct config_file_docker { /* NULL: not given */
	char *plugin, *api;
};
struct config_file { /* NULL: not given */
	char *name, *etcd_prefix, *etcd_ca, *etcd_cert, *etcd_key, *etcd_user, *etcd_password_file;
	char *advertise, *socket, *state_dir, *overlay_netns, *log_level;
	char **etcd;
	unsigned n_etcd;
	uint32_t *vxlan_port, *liveness_ttl, *address_ttl;
	struct config_file_pool *pools, *local_pools;
	unsigned n_pools, n_local_pools;
	struct config_file_network *egress, *default_bridge;
	struct config_file_dns *dns;
	struct config_file_docker *docker;
	bool takeover;
};
/** config_file_load() - Return: 0, -ENOENT, -EINVAL with "path: line N: what" for the first problem libcyaml tells. */
int config_file_load(const char *path, struct config_file **ret, struct err *e);
/** config_file_parse() - the same from memory, for tests. */
int config_file_parse(const char *text, size_t len, const char *name, struct config_file **ret,
		      struct err *e);
void config_file_free(struct config_file *f);
