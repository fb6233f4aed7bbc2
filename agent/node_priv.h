/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * node_priv - what node.c shares with node_remove.c.
 */
#pragma once
#include "agent/node.h"

/** node_deps() - borrowed; valid as long as the node is open. */
struct node_deps *node_deps(struct node *n);
