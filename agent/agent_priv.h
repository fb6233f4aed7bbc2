/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_priv - the wiring's own struct, shared by agent.c, agent_hooks.c and agent_snapshot.c only.
 */
#pragma once
#include <uthash.h>
#include "agent/agent.h"
#include "agent/api/context.h"
#include "agent/containers.h"
#include "store/etcd.h"

#define AGENT_BOOT_ID_MAX 40
#define AGENT_SNAPSHOT_MS 1000 /* changes gather that long before they are written */
#define AGENT_SETTLE_MS 60000 /* open ends are settled with etcd at least that often */

/* The record of a network with local endpoints, kept should it vanish from etcd by a foreign hand (fail static). */
struct kept_network {
	struct id id;
	struct model_network *rec;
	UT_hash_handle hh;
};
struct agent {
	uv_loop_t *loop;
	const struct config *config;
	char boot_id[AGENT_BOOT_ID_MAX];
	struct local *local;
	struct kernel *kernel;
	struct etcd *etcd; /* NULL: standalone; so are kv, claim, cluster */
	struct kv *kv;
	struct mirror *mirror;
	struct claim *claim;
	struct cluster *cluster;
	struct events *events;
	struct reconcile *reconcile;
	struct node *node;
	struct networks *networks;
	struct endpoints *endpoints;
	struct containers *containers;
	struct api_server *api;
	struct api_context context;
	struct kept_network *kept;
	uv_timer_t snapshot_timer, settle_timer;
	bool timers_open, snapshot_due, stopping, announced;
	int status;
};

/* agent_hooks.c: what the modules are told. */
int agent_make_mirror(struct agent *a, struct err *e);
int agent_make_reconcile(struct agent *a);
int agent_make_node(struct agent *a, struct err *e);
/* agent_events.c: one change of the mirror, told to those who listen. */
void agent_tell(struct agent *a, const struct mirror_change *c);
/* agent_snapshot.c: the last picture of the cluster, in SQLite. */
int agent_snapshot_load(struct agent *a, struct err *e);
void agent_snapshot_put(struct agent *a, const char *key, const char *value, int64_t mod_revision);
void agent_snapshot_flush(struct agent *a);
/** agent_network() - the record of a network with local endpoints: the mirror's, else the one kept. NULL: never seen. */
const struct model_network *agent_network(struct agent *a, struct id id);
