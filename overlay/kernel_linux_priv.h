/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_linux_priv - what the files of kernel_linux share.
 *
 * The overlay namespace is held by a descriptor from the first ground() (or the start, where it is there already) to the end: whoever
 * unlinks its file loses nothing, it is mounted again.
 */
#pragma once
#include "overlay/kernel_linux.h"
#include "overlay/knl_delete.h"
#include "overlay/knl_direct.h"
#include "overlay/knl_dump.h"
#include "overlay/knl_event.h"
#include "overlay/knl_sock.h"
#include "overlay/nft_ground.h"

struct kernel_linux {
	struct kernel k;
	struct kernel_ops ops; /* put together from the files below */
	uv_loop_t *loop;
	char *netns_path;
	char *table;
	uint16_t vxlan_port;
	struct knl_sock *host;
	/* All set or all unset: */
	int nsfd; /* -1: no namespace yet */
	struct knl_sock *ovl;
	struct nft_ground *nft;
	/* Always: */
	struct knl_delete *del, *host_del; /* of the overlay namespace, of the host's */
	struct knl_direct *direct;
	struct knl_event *events; /* NULL: nobody watches */
	uint64_t writes; /* by rtnetlink and to sysctls; nf_tables counts its own */
	unsigned closing; /* parts that are still to close */
	bool closed_asked;
	void (*closed)(void *user);
	void *closed_user;
};

static inline struct kernel_linux *kernel_linux_of(struct kernel *k)
{
	return CONTAINER_OF(k, struct kernel_linux, k);
}
/** kernel_linux_need() - -ENONET (in words in @e) while there is no overlay namespace. */
int kernel_linux_need(const struct kernel_linux *k, struct err *e);
/** kernel_linux_hidden() - links on their way out. */
struct knl_hidden kernel_linux_hidden(struct kernel_linux *k, enum knl_where where);
/** kernel_linux_hold() - take over the namespace @nsfd: its sockets, nf_tables, deletions, events. @nsfd is ours on success. */
int kernel_linux_hold(struct kernel_linux *k, int nsfd, struct err *e);

/** kernel_linux_verbs() - the verbs of kernel_linux_link.c, put into @ops */
void kernel_linux_verbs(struct kernel_ops *ops);

/* Verbs of kernel_linux_ground.c */
int kernel_linux_ground_check(struct kernel *k, struct err *e);
int kernel_linux_ground(struct kernel *k, const struct kernel_elements *el, struct err *e);
