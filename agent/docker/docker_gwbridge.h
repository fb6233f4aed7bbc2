/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_gwbridge - which container has which address on docker_gwbridge, and on Docker's ordinary bridges: read from Docker, told to names
 * (names_gwbridge_took(), names_bridges()).
 *
 * Docker's way out for containers on networks of other drivers than its own; what its resolver asks others comes by it. There is no event for who comes
 * and goes there. So Docker is asked when its event stream opens, and when somebody asks who is not known: at most every DOCKER_GWBRIDGE_GAP_MS,
 * one call at a time. Whether it can be asked at all is told too: without that nothing is redirected.
 */
#pragma once
#include <uv.h>
#include "agent/docker/docker_api.h"

#define DOCKER_GWBRIDGE_GAP_MS 200
#define DOCKER_GWBRIDGE_BRIDGES_MAX 32 /* of one container; more are left out */

struct names;
struct docker_gwbridge;
/** docker_gwbridge_new() - asks nothing yet. @names: NULL: names are not served: NULL. */
struct docker_gwbridge *docker_gwbridge_new(uv_loop_t *loop, struct docker_api *api,
					    struct names *names);
/** docker_gwbridge_close() - in the same turn of the loop as docker_api_close(), before names_close(); memory goes when the loop has run. NULL is none, as below. */
void docker_gwbridge_close(struct docker_gwbridge *g);
/**
 * docker_gwbridge_container() - as it is now: those on an ordinary bridge as well have their way out there. Only bridges with the names that Docker gives
 * them are found (docker0, br-<12 digits>).
 */
void docker_gwbridge_container(struct docker_gwbridge *g, const struct docker_container *c);
/** docker_gwbridge_ask() - soon: the event stream is open. */
void docker_gwbridge_ask(struct docker_gwbridge *g);
