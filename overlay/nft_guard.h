/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_guard - the port-security elements of one namespace's `table bridge` (nft_skel.h): guard4, guard6 and macs, loose, free.
 *
 * A guard with an address (STATE_SECURE_MAC_IP) brings the element (port, MAC) with it, and takes it away with the last one; what stands is
 * remembered (nft_known.h), so that this needs no dump. The other kinds are one element each.
 */
#pragma once
#include "overlay/kernel.h"
#include "overlay/nft_sock.h"

struct nft_guard;
/** nft_guard_new() - @s and @table are borrowed for its life; @host: for the ports of state_port_in_host(), else for all others. */
struct nft_guard *nft_guard_new(struct nft_sock *s, const char *table, bool host);
void nft_guard_free(struct nft_guard *k);
/** nft_guard_put() - those of @guards that belong here, into the transaction that makes the table anew. */
void nft_guard_put(const struct nft_guard *k, struct nft_batch *b, const struct state_guard *guards,
		   size_t n);
/** nft_guard_made() - that transaction was committed. */
void nft_guard_made(struct nft_guard *k, const struct state_guard *guards, size_t n);
/** nft_guard_forget() - what stands is not known any more; the next change begins with a dump. */
void nft_guard_forget(struct nft_guard *k);
/**
 * nft_guard_apply() - those of @ops that belong here, in one transaction
 * @writes: counts what was written
 * Return: 0, -ENOENT: the table is absent, -EINVAL: an add without what its kind needs
 */
int nft_guard_apply(struct nft_guard *k, const struct kernel_guard_op *ops, size_t n,
		    uint64_t *writes, struct err *e);
/** nft_guard_dump() - append to the heap array *@list, in no order. */
int nft_guard_dump(struct nft_guard *k, struct state_guard **list, size_t *n);
/** nft_guard_cmp() - by port, MAC, address, kind; for qsort(). */
int nft_guard_cmp(const void *a, const void *b);
