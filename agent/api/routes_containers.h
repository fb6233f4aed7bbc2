/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * routes_containers - containers of `ovlctl run`: for their supervisors (create, started, DELETE), and for users.
 */
#pragma once
#include "agent/api/route.h"

/* Handlers take a struct api_context * as user. */
extern const struct api_table routes_containers;
