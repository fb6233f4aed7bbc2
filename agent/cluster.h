/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cluster - the `cluster` record: made at the first start of all, guarded ever after, adopted by a person's word.
 */
#pragma once
#include "store/kv.h"
#include "store/local.h"
#include "store/mirror.h"

struct cluster;
struct cluster *cluster_new(struct kv *kv, struct mirror *mirror, struct local *local,
			    const char *prefix);
void cluster_free(struct cluster *c); /* outstanding calls are cancelled */
/** cluster_mirror_state() - after each state of the mirror: create the record when there never was one; remember id, epoch and revision. */
void cluster_mirror_state(struct cluster *c, enum mirror_state s);
typedef void (*cluster_done_fn)(void *user, int status, unsigned networks_restored,
				const struct err *e);
/** cluster_adopt() - FROZEN only: put every network of the mirror that etcd lacks, then the record with epoch + 1. -EALREADY when nothing is frozen. */
void cluster_adopt(struct cluster *c, cluster_done_fn done, void *user);
/** cluster_release_endpoint() - delete an endpoint (and its addresses) of a node that is gone; for `network disconnect -f`. */
void cluster_release_endpoint(struct cluster *c, const struct model_endpoint *ep,
			      cluster_done_fn done, void *user);
