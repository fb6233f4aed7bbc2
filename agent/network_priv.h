/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network_priv - what the files of network share: the networks of this node, and the parts of making one.
 *
 *   network.c          look up, questions about one, which way to make or remove one
 *   network_cluster.c  overlay networks, through ipam/claim.h
 *   network_local.c    this node's own: memory and SQLite, the predefined ones, the egress bridge, removal
 *   network_make.c     what a local one is checked against, and its making
 */
#pragma once
#include "agent/hostnet.h"
#include "agent/network.h"

#define NETWORK_LOCALS_MAX 1024
#define NETWORK_DEFAULT_BRIDGE "ovl0"
#define NETWORK_DEFAULT_NUMBER 1 /* of the predefined network "bridge"; the others follow */

struct networks {
	struct networks_deps d;
	struct model_network **locals; /* by name */
	size_t n_locals;
	struct id ula; /* random, this node's: its first bytes make the IPv6 prefix of local networks */
	void (*on_local)(void *user, const struct model_network *net, bool removed);
	void *on_local_user;
};
/** network_local_get() - one of this node's own, NULL for none. */
struct model_network *network_local_get(struct networks *n, struct id id);
struct model_network *network_local_by_name(struct networks *n, const char *name);
/** network_local_keep() - into SQLite and memory. @net: owned afterwards; on failure too, and freed. */
int network_local_keep(struct networks *n, struct model_network *net, struct err *e);

bool network_name_is_reserved(const char *name);
/**
 * network_check_words() - name (its form, and that nobody has it), numbers of options and labels; problems are added to @e
 * @cluster: none of the cluster's networks known here either. Not where etcd itself is asked next: the mirror may lag behind a removal.
 */
void network_check_words(struct networks *n, const struct network_request *req, bool cluster,
			 struct err *e);
/** network_base() - a record with what the request says as it is. */
struct model_network *network_base(const struct network_request *req, enum netopt_driver d);

/* What a new network must not overlap with. */
struct network_taken {
	struct hostnet_taken host;
	char **words; /* of networks */
	size_t n_words;
	struct subnet_taken *v; /* all together; borrows from both */
	size_t n;
};
/**
 * network_taken_read() - the host's routes, addresses and nameservers, and this node's networks; problems are added to @e
 * @parent: NULL, or as hostnet_as_taken()
 * @cluster: the cluster's networks too, as far as they are known here
 */
void network_taken_read(struct networks *n, const char *parent, bool cluster,
			struct network_taken *ret, struct err *e);
void network_taken_done(struct network_taken *t);

void network_create_cluster(struct networks *n, const struct network_request *req,
			    network_done_fn done, void *user);
void network_remove_cluster(struct networks *n, struct id id, network_done_fn done, void *user);
void network_create_local(struct networks *n, const struct network_request *req,
			  enum netopt_driver d, network_done_fn done, void *user);
void network_remove_local(struct networks *n, struct id id, network_done_fn done, void *user);
/**
 * network_make_own() - a network of ovl's own making: the default bridge, the egress bridge
 * @subnet: unset: from the pools
 * @number: 0: none
 * Return: 0 with the record in memory and SQLite, -ENOSPC, -EINVAL (the subnet given is taken), ...
 */
int network_make_own(struct networks *n, const struct network_request *req, enum netopt_driver d,
		     struct prefix subnet, uint32_t number, const struct model_network **ret,
		     struct err *e);
