/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_elem - elements of the sets and maps of nft_skel.h: keys, transactions, dumps. Written with libmnl alone: this is the hot path of attach.
 */
#pragma once
#include <stddef.h>
#include "overlay/nft_sock.h"
#include "overlay/state.h"

#define NFT_ELEM_KEY_MAX 40 /* guard6 */
#define NFT_ELEM_DUMP_MAX (1 << 20) /* elements of one set that a dump takes */

struct nft_key {
	uint8_t b[NFT_ELEM_KEY_MAX];
	uint8_t len;
};
struct nft_elem_op {
	bool del;
	uint8_t family; /* of the table */
	const char *set;
	struct nft_key key;
	struct nft_key
		data; /* what a map's key leads to; len 0: an element of a set, or a deletion */
};
struct nft_elem { /* dumped */
	struct nft_key key, data;
};

/** nft_elem_guard() - key of guard4, guard6, or with no address of macs; by its security of loose or free. *ret_set: which of them. */
struct nft_key nft_elem_guard(const struct state_guard *g, const char **ret_set);
struct nft_key nft_elem_vtep(struct ip a, const char **ret_set);
/** nft_elem_to_guard() - back; a key of loose looks like one of macs, and is taken for that. Return: 0, -EINVAL for a key of another shape. */
int nft_elem_to_guard(const struct nft_key *k, struct state_guard *ret);
int nft_elem_to_vtep(const struct nft_key *k, struct ip *ret);

/** nft_elem_put() - append one operation to a transaction; adding an element that exists with the same data is no error. */
void nft_elem_put(struct nft_batch *b, const char *table, const struct nft_elem_op *op);
/**
 * nft_elem_apply() - all of @ops in one transaction; elements to delete that are not there are left out and the rest done, and one to
 * add that stands with other data is replaced
 * @ret_n: messages written
 * Return: 0, -ENOENT: a table or set is absent, ...; then nothing was changed.
 */
int nft_elem_apply(struct nft_sock *s, const char *table, const struct nft_elem_op *ops, size_t n,
		   size_t *ret_n, struct err *e);
/** nft_elem_dump() - the elements of one set, in no order; heap array. An absent table or set has none. Return: 0, -E2BIG, -EINTR, ... */
int nft_elem_dump(struct nft_sock *s, uint8_t family, const char *table, const char *set,
		  struct nft_elem **ret, size_t *ret_n);
