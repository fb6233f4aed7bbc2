/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * node - this node's membership: identity, record, liveness, address lease, VTEP (DESIGN.md §4).
 */
#pragma once
#include <uv.h>
#include "agent/config.h"
#include "overlay/kernel.h"
#include "store/kv.h"
#include "store/local.h"
#include "store/mirror.h"

enum node_problem {
	NODE_OK,
	NODE_NAME_TAKEN, /* another id holds the name: ovld exits with both ids and VTEPs named, unless --takeover */
};
struct node;
struct node_handlers {
	void (*lease)(void *user, int64_t address_lease, bool fresh); /* the address lease stands */
	void (*vtep)(void *user, struct ip vtep, uint32_t underlay_mtu); /* known or changed */
	void (*problem)(void *user, enum node_problem p, const struct err *e);
};
struct node_deps {
	uv_loop_t *loop;
	struct kv *kv; /* NULL: standalone */
	struct mirror *mirror;
	struct local *local;
	struct kernel *kernel;
	const struct config *config;
	const char *boot_id, *version;
};
/** node_new() - reads or makes the identity (SQLite "node-id"). */
int node_new(const struct node_deps *d, const struct node_handlers *h, void *user,
	     struct node **ret, struct err *e);
/** node_start() - choose the VTEP (retrying while the underlay or etcd is away); then leases and record. */
void node_start(struct node *n);
/** node_mirror_ready() - the mirror is complete: check the name, write the record where it differs. */
void node_mirror_ready(struct node *n);
/** node_republish() - put record and liveness again in any case (etcd was wiped or restored). */
void node_republish(struct node *n);
/** node_record_changed() - somebody changed or deleted our record or liveness key: put it again. */
void node_record_changed(struct node *n);
/** node_underlay_changed() - addresses or MTU of the host may have changed. */
void node_underlay_changed(struct node *n);
/** node_close() - stops; with @leave the liveness key is dropped by revoking its lease (best effort). */
void node_close(struct node *n);
struct id node_id(const struct node *n);
struct ip node_vtep(const struct node *n);
uint32_t node_mtu(const struct node *n);
int64_t node_address_lease(const struct node *n);
/** node_lease_check() - etcd has said that the address lease is gone: find out now. */
void node_lease_check(struct node *n);

typedef void (*node_done_fn)(void *user, int status, const struct err *e);
/** node_remove() - another node: its leases revoked, record deleted, what is left of its endpoints and addresses swept. -EBUSY: it is alive; -ENOENT. */
void node_remove(struct node *n, struct id other, node_done_fn done, void *user);
/** node_find() - by id, name or unique id prefix. */
int node_find(struct mirror *m, const char *ref, struct mirror_node **ret, struct err *e);
