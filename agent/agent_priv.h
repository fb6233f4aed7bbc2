/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_priv - the wiring's own struct, shared by agent*.c only.
 */
#pragma once
#include <uthash.h>
#include "agent/agent.h"
#include "agent/api/context.h"
#include "agent/containers.h"
#include "agent/docker/docker.h"
#include "agent/names.h"
#include "agent/publish.h"
#include "agent/surroundings.h"
#include "overlay/knl_conntrack.h"
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
	struct publishes *publishes;
	struct knl_conntrack *conntrack; /* NULL: the kernel has none */
	struct surroundings *surroundings;
	struct names *names; /* NULL: switched off */
	struct docker *docker; /* NULL: switched off */
	uint32_t outward_mtu; /* of the way out of this host; 0: not read yet */
	bool egress; /* ovl-gw is wanted, as last told the surroundings */
	struct doctor *doctor;
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
/* agent_local.c: networks of this node only. */
struct state_net *agent_local_desired(struct agent *a, uint32_t key);
/** agent_local_keys() - of those that shall be in the kernel; heap array. */
size_t agent_local_keys(struct agent *a, uint32_t **ret);
/** agent_local_changed() - networks_on_local()'s hook. */
void agent_local_changed(void *user, const struct model_network *net, bool removed);
/** agent_local_outward() - the way out of the host may have another MTU. */
void agent_local_outward(struct agent *a);
/** agent_local_surroundings() - tell them which interfaces are ours. */
void agent_local_surroundings(struct agent *a);
/* agent_docker.c: Docker's plugin. */
void agent_make_docker(struct agent *a);
/* agent_names.c: names. */
void agent_make_names(struct agent *a);
/** agent_names_endpoint() / agent_names_sandbox() - endpoints_deps' hooks. */
void agent_names_endpoint(void *user, const struct local_endpoint *row, bool gone);
void agent_names_sandbox(void *user, const struct state_target *t);
/** agent_names_drop() - containers_deps.drop: the endpoints go, and with the last of them, or at once where there is none, the container's files. */
void agent_names_drop(void *user, const struct local_target *t, containers_dropped_fn done,
		      void *done_user);
/** agent_names_surroundings() - tell them on which interfaces of Docker's names are served. */
void agent_names_surroundings(struct agent *a);
void agent_names_problems(void *user, struct strv *ret);
/* agent_doctor.c */
void agent_make_doctor(struct agent *a);
