/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent - the wiring of ovld: which module hears what from which other one. No decisions of its own but the order of start and stop.
 *
 *   etcd -> mirror -> (changes) -> reconcile <- endpoints;   kernel -> reconcile;   api -> networks, endpoints, node, cluster
 */
#pragma once
#include <uv.h>
#include "agent/config.h"

struct agent;
/** agent_start() - open everything and begin; @c is borrowed. Return: 0, or why not (nothing stays open then). */
int agent_start(uv_loop_t *loop, const struct config *c, struct agent **ret, struct err *e);
/** agent_stop() - close all; kernel objects and keys stay (DESIGN.md §3.4). When the loop has run, agent_free() may follow. */
void agent_stop(struct agent *a);
/** agent_status() - exit status that the agent asks for: 0, or 1 after a fatal problem (name taken). */
int agent_status(const struct agent *a);
void agent_free(struct agent *a);
