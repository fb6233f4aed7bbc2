/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local - the node's own memory in SQLite (WAL): identity, leases, local endpoints with what was intended, the last snapshot.
 *
 * Synchronous (13 to 230 us a write, dependencies.md §10): intents are written with synchronous=FULL before the transaction
 * they announce; what follows in an endpoint's life with NORMAL, and so the snapshot, in batches. One process per state
 * directory: a second one gets -EBUSY.
 */
#pragma once
#include "base/addr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/strv.h"
#include "store/model.h"

struct local;
/** local_open() - @dir is made (0700) when absent; the schema is created or upgraded. Return: 0, -EBUSY (another agent holds it), -EIO ... */
int local_open(const char *dir, struct local **ret, struct err *e);
void local_close(struct local *l);
/** local_wipe() - forget everything, the identity too (`ovlctl reset`); the store stays usable and empty. */
int local_wipe(struct local *l, struct err *e);

/* Named values: "node-id", "cluster-id", "cluster-epoch", "seen-revision", "address-lease", "liveness-lease", "gc-..." */
int local_get(struct local *l, const char *name, char **ret_value); /* -ENOENT; heap */
int local_set(struct local *l, const char *name, const char *value, struct err *e);

enum local_endpoint_state {
	LOCAL_INTENDED =
		0, /* written before the claim transaction: outcome unknown until settled */
	LOCAL_BOUND = 1, /* claimed, attached */
	LOCAL_RELEASING = 2, /* to be deleted in etcd (maybe while etcd was away) */
	LOCAL_CONFLICT = 3, /* lost its address to another: port shut */
};
/* How the container's namespace is recognised (DESIGN.md §5): by inode, and by the pid's start time where given by pid. */
struct local_target {
	char *path; /* how it was named: /proc/123/ns/net, /run/netns/x */
	uint64_t netns_dev, netns_ino;
	int64_t pid; /* 0: named by path */
	uint64_t pid_start; /* field 22 of /proc/pid/stat */
};
#define LOCAL_LINKS_MAX 64 /* per endpoint, as the following */
#define LOCAL_DNS_MAX 3
#define LOCAL_DNS_SEARCH_MAX 32
#define LOCAL_DNS_OPTIONS_MAX 32
#define LOCAL_HOSTS_MAX 256
#define LOCAL_NAMES_TEXT_MAX 1024 /* bytes of one of them */
struct local_endpoint {
	struct id id, network;
	enum local_endpoint_state state;
	char *name;
	struct strv aliases;
	char *sandbox;
	char *ifname; /* in the container: "eth0" */
	char *port; /* host end in the overlay namespace */
	struct mac mac;
	struct ip ip4, ip6;
	struct local_target target;
	char *run_name; /* of `ovlctl run`, NULL otherwise */
	char *boot_id; /* of the boot it was attached in */
	char *created;
	char *container_id; /* shown as the key of Containers{}; the sandbox by default */
	struct model_publish *publish; /* ports published with it */
	size_t n_publish;
	/* Names: what this container alone is told or has in its files; not in etcd, but for the first two. */
	char *hostname; /* NULL: not told */
	struct model_port *expose;
	size_t n_expose;
	struct strv links; /* "NAME:ALIAS" */
	struct strv dns, dns_search,
		dns_options; /* --dns, ...: for its resolv.conf and its questions */
	struct strv extra_hosts; /* "NAME:ADDRESS" */
	/* Asked for by a container engine that moves and addresses its interface itself: "docker", and its name for the network; NULL: ours. */
	char *engine, *engine_network;
	bool lost; /* of those: its interface is gone, the engine has not said so; not stored */
	int32_t gw_priority; /* of its network for the default route: the highest wins */
	bool defer_egress; /* further networks follow: no way out yet */
	int64_t endpoint_rev, addr4_rev,
		addr6_rev; /* mod_revisions the keys were created with; 0: unknown */
};
int local_endpoint_put(struct local *l, const struct local_endpoint *ep,
		       struct err *e); /* insert or replace by id */
int local_endpoint_del(struct local *l, struct id id, struct err *e);
/** local_endpoint_each() - every row; @fn borrows, must not write. */
int local_endpoint_each(struct local *l, void (*fn)(void *user, const struct local_endpoint *ep),
			void *user, struct err *e);
struct local_endpoint *local_endpoint_dup(const struct local_endpoint *ep);
void local_endpoint_free(struct local_endpoint *ep);

/* Local networks: a row each, the record's own JSON (model_network_encode()). */
int local_network_put(struct local *l, struct id id, const char *json, struct err *e);
int local_network_del(struct local *l, struct id id, struct err *e);
int local_network_each(struct local *l,
		       void (*fn)(void *user, struct id id, const char *json, size_t len),
		       void *user, struct err *e);

/* Snapshot of the mirrored range: raw records. Writes gather until local_snapshot_flush(). */
void local_snapshot_put(struct local *l, const char *key, const char *value,
			int64_t mod_revision); /* value NULL: delete */
int local_snapshot_flush(struct local *l, struct err *e);
int local_snapshot_each(struct local *l,
			void (*fn)(void *user, const char *key, const char *value, size_t len,
				   int64_t mod_revision),
			void *user, struct err *e);

/* Containers of `ovlctl run`: one row each, an opaque JSON object kept by agent/run. */
int local_run_put(struct local *l, const char *name, const char *json, struct err *e);
int local_run_del(struct local *l, const char *name, struct err *e);
int local_run_each(struct local *l, void (*fn)(void *user, const char *name, const char *json),
		   void *user, struct err *e);
