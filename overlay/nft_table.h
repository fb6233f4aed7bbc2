/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_table - one nf_tables table as static data: put it into a transaction, or tell whether the kernel's is the same.
 *
 * The compare covers what a packet meets: table flags; chains with hook, priority, type and policy; sets with key, data and flags; counters by
 * name; every rule in order, expression by expression. Elements and counts are not looked at (nft_elem.h dumps elements). Any chain, set,
 * counter or rule too much counts as amiss: the table is ours alone.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "overlay/nft_rule.h"
#include "overlay/nft_sock.h"

#define NFT_TABLE_LINES_MAX \
	4096 /* chains, sets and rules of a foreign hand are read up to this many */

#define NFT_TYPE_IFNAME 41 /* nft(8)'s number of the data type */

struct nft_chain_def {
	const char *name;
	bool base; /* hooked; the rest only then */
	uint32_t hook; /* NF_INET_* or NF_BR_* */
	int32_t prio;
	uint32_t policy; /* NF_ACCEPT, NF_DROP */
	bool nat; /* of type nat: met by the first packet of a connection only; else filter */
};
struct nft_set_def {
	const char *name;
	uint32_t key_type; /* nft(8)'s numbers, for its listings */
	uint32_t key_len; /* bytes */
	uint32_t data_type; /* a map's */
	uint32_t data_len; /* 0: a set */
};
struct nft_rule_def {
	const char *chain;
	const struct nft_op *ops;
};
struct nft_table_def {
	uint8_t family; /* NFPROTO_INET, NFPROTO_BRIDGE */
	const char *where; /* for errors: "overlay namespace", "host" */
	const struct nft_chain_def *chains;
	size_t n_chains;
	const struct nft_set_def *sets;
	size_t n_sets;
	const char *counter; /* a named counter, or NULL */
	const struct nft_rule_def *rules; /* grouped by chain, in the order of @chains */
	size_t n_rules;
};

/**
 * nft_table_put() - append to @b what makes the table anew, whatever stood there: add, delete, add, chains, sets, counter, rules
 * @count: what the counter begins with
 */
void nft_table_put(struct nft_batch *b, const struct nft_table_def *t, const struct nft_params *p,
		   uint64_t count);
/** nft_table_check() - Return: 0, -ESTALE with the first difference in @e, or an error. Writes nothing. */
int nft_table_check(struct nft_sock *s, const struct nft_table_def *t, const struct nft_params *p,
		    struct err *e);
/** nft_table_count() - packets of the named counter. Return: 0, -ENOENT. */
int nft_table_count(struct nft_sock *s, const struct nft_table_def *t, const struct nft_params *p,
		    uint64_t *ret);
/** nft_table_delete() - a transaction of its own; absent is success. */
int nft_table_delete(struct nft_sock *s, const struct nft_table_def *t, const struct nft_params *p,
		     struct err *e);
