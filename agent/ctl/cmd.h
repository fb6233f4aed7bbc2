/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd - the groups of commands, one per cmd_<group>.c; each table ends with an entry without words.
 */
#pragma once
#include "agent/ctl/ctl.h"

extern const struct ctl_command cmd_network[]; /* create, ls, inspect, rm, prune */
extern const struct ctl_command cmd_connect[]; /* network connect, disconnect */
extern const struct ctl_command cmd_node[];
extern const struct ctl_command cmd_endpoint[];
extern const struct ctl_command cmd_cluster[]; /* cluster adopt, reset */
extern const struct ctl_command cmd_dns[]; /* dns query */
extern const struct ctl_command cmd_doctor[];
extern const struct ctl_command cmd_events[];
extern const struct ctl_command cmd_info[]; /* info, version, log-level */
extern const struct ctl_command cmd_run[];
extern const struct ctl_command cmd_ps[]; /* ps, inspect */
extern const struct ctl_command cmd_port[];
extern const struct ctl_command cmd_stop[];
extern const struct ctl_command cmd_exec[];
extern const struct ctl_command cmd_logs[];
