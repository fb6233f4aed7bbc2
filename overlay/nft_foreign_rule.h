/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_foreign_rule - one rule of another hand, from the kernel's message to what nft_foreign keeps of it; and the encoder of ours.
 */
#pragma once
#include "overlay/nft_foreign.h"

struct nlmsghdr;
/**
 * nft_foreign_rule_parse() - a message NFT_MSG_NEWRULE; a rule that cannot be read has conditions and no verdict
 * @ret_table, @ret_chain: heap strings, NULL where the message lacks them
 * @ret: a mention of a set has its name in `set`, to be replaced by the elements
 */
void nft_foreign_rule_parse(const struct nlmsghdr *nlh, char **ret_table, char **ret_chain,
			    struct nft_foreign_rule *ret);
void nft_foreign_rule_done(struct nft_foreign_rule *r);
/** nft_foreign_rule_mention() - add one, zeroed but for @what. Return: borrowed until the next. */
struct nft_foreign_mention *nft_foreign_rule_mention(struct nft_foreign_rule *r,
						     enum nft_foreign_what what);
struct nft_foreign_own { /* a rule of ours */
	const char *in, *out; /* NULL: any */
	uint8_t proto; /* to the port of DNS; 0: whatever it is */
};
/** nft_foreign_rule_build() - fill in the message NFT_MSG_NEWRULE of a rule of ours (nft_foreign_put(), nft_foreign_put_dns()). */
void nft_foreign_rule_build(struct nlmsghdr *nlh, const struct nft_foreign_chain *c,
			    const struct nft_foreign_own *own);
