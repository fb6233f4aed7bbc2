/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * context - what the API's routes may use of the agent; all borrowed, valid while the server runs.
 */
#pragma once
#include <uv.h>
#include "agent/cluster.h"
#include "agent/config.h"
#include "agent/endpoint.h"
#include "agent/events.h"
#include "agent/network.h"
#include "agent/node.h"
#include "agent/reconcile.h"

struct dns; /* agent/dns/dns.h */
struct doctor; /* agent/doctor.h */
struct docker; /* agent/docker/docker.h */
struct containers; /* agent/containers.h: what `ovlctl run` started */
struct publishes; /* agent/publish.h */
struct surroundings; /* agent/surroundings.h: other firewalls on this host */

struct api_context {
	uv_loop_t *loop;
	const struct config *config;
	const char *version;
	struct kv *kv; /* NULL: standalone */
	struct mirror *mirror;
	struct kernel *kernel;
	struct local *local;
	struct reconcile *reconcile;
	struct networks *networks;
	struct endpoints *endpoints;
	struct node *node;
	struct cluster *cluster; /* NULL: standalone */
	struct events *events;
	struct containers *containers;
	struct publishes *publishes;
	struct surroundings *surroundings;
	struct doctor *doctor;
	struct dns *dns; /* NULL: names are switched off */
	struct docker *docker; /* NULL: switched off */
	/* What keeps names from being served, for people, appended to @ret: "port 53 of 172.31.0.1 is in use by dnsmasq (pid 1)". NULL: nothing. */
	void (*dns_problems)(void *user, struct strv *ret);
	/* Stop the agent after removing all of this node's kernel objects and state (`ovlctl reset`); @done once, then the agent exits. */
	void (*reset)(void *user, void (*done)(void *done_user, int status, const struct err *e),
		      void *done_user);
	void *user;
};
