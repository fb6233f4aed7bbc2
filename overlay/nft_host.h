/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_host - struct state_elem as elements of the sets and maps of the host's two tables (nft_skel.h), and back.
 */
#pragma once
#include "overlay/kernel.h"
#include "overlay/nft_elem.h"

/** nft_host_op() - one operation. Return: 0, -EINVAL: what its set needs is not given (in words in @e). */
int nft_host_op(const struct kernel_elem_op *op, struct nft_elem_op *ret, struct err *e);
/** nft_host_put() - those of @elems that belong into the host's table of @family, into the transaction that makes it anew; those that cannot be are left out. */
void nft_host_put(struct nft_batch *b, const char *table, uint8_t family,
		  const struct state_elem *elems, size_t n);
/** nft_host_dump() - all of them, heap array sorted by state_elem_cmp(). Elements that no struct state_elem can tell are left out. */
int nft_host_dump(struct nft_sock *s, const char *table, struct state_elem **ret, size_t *ret_n);
