/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_priv - the areas, and how they name things: for doctor*.c.
 */
#pragma once
#include "agent/doctor.h"

void doctor_kernel(const struct doctor_deps *d, struct doctor_check *c);
void doctor_etcd(const struct doctor_deps *d, struct doctor_check *c);
void doctor_endpoint(const struct doctor_deps *d, struct doctor_check *c);
void doctor_names(const struct doctor_deps *d, struct doctor_check *c);
void doctor_node(const struct doctor_deps *d, struct doctor_check *c);
void doctor_firewall(const struct doctor_deps *d, struct doctor_check *c);

/** doctor_synced() - is all of the cluster known? */
bool doctor_synced(const struct doctor_deps *d);
/** doctor_network_name() - as people call it; else the short id. Return: @buf or borrowed. */
const char *doctor_network_name(const struct doctor_deps *d, struct id network,
				char buf[ID_SHORT_MAX]);
/** doctor_node_name() - the same of a node. */
const char *doctor_node_name(const struct doctor_deps *d, struct id node, char buf[ID_SHORT_MAX]);
/** doctor_wall_age() - seconds since @created (RFC 3339, UTC); -1: it does not say. */
int64_t doctor_wall_age(const char *created);
