/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_foreign - what other people's nf_tables rules say about forwarding and input, as values; and accept rules of ours in iptables-nft's chains.
 *
 * Read are the tables of ip, ip6 and inet that have a base chain at the forward or the input hook, and iptables' `filter` in any case. Of a rule
 * only what decides here is kept: its verdict, whether it has conditions at all, and the interfaces and destination ports that it names
 * (compares, ranges, sets, xt's udp and multiport). Conditions of any other kind are not understood, only that there are some.
 *
 * A rule of ours is byte for byte what `iptables -I CHAIN -i NAME -m comment --comment ovl -j ACCEPT` (or -o, or -i NAME -p udp --dport 53) of
 * iptables-nft 1.8 sends (of 1.8.7 with a port: what later ones send that one does not understand), so that iptables -S, -D and iptables-save know it. That comment, with nothing else in the rule, is the mark of ownership.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "overlay/nft_sock.h"

#define NFT_FOREIGN_CHAINS_MAX 20000
#define NFT_FOREIGN_RULES_MAX 200000
#define NFT_FOREIGN_SETS_MAX 256 /* looked into, of one table */
#define NFT_FOREIGN_COMMENT "ovl"
#define NFT_FOREIGN_DNS_PORT 53

enum { NFT_FOREIGN_INET = 1, NFT_FOREIGN_IP = 2, NFT_FOREIGN_IP6 = 10 }; /* NFPROTO_* */
enum nft_foreign_hook { NFT_FOREIGN_NO_HOOK, NFT_FOREIGN_FORWARD, NFT_FOREIGN_INPUT };
enum nft_foreign_verdict {
	NFT_FOREIGN_CONTINUE,
	NFT_FOREIGN_ACCEPT,
	NFT_FOREIGN_DROP, /* rejected, too */
	NFT_FOREIGN_RETURN,
	NFT_FOREIGN_JUMP, /* goto, too */
};
enum nft_foreign_what { NFT_FOREIGN_IN, NFT_FOREIGN_OUT, NFT_FOREIGN_DPORT };
struct nft_foreign_mention { /* "iifname ovl0", "udp dport 4000-5000" */
	enum nft_foreign_what what;
	char name[IFNAMSIZ];
	size_t len; /* bytes of the name that must agree, IFNAMSIZ: all */
	uint16_t from, to; /* ports, both included, host order */
	char *set; /* while reading: whose elements it stands for */
};
struct nft_foreign_rule {
	uint64_t handle;
	enum nft_foreign_verdict verdict;
	char *target; /* of a jump */
	bool plain; /* without conditions */
	bool verdict_map; /* leads to chains that are not told */
	bool by_source; /* accepts by the sender's address, whatever the protocol */
	bool ours; /* as nft_foreign_put() and _put_dns() make it: mentions are IN, OUT, IN and OUT, or IN and DPORT */
	uint8_t proto; /* IPPROTO_*, the only one it is about; 0: not known */
	struct nft_foreign_mention *mentions;
	size_t n_mentions;
};
struct nft_foreign_chain {
	uint8_t family;
	char *table, *name;
	enum nft_foreign_hook hook;
	bool drops; /* policy drop */
	struct nft_foreign_rule *rules;
	size_t n_rules;
	bool reached; /* from the base chain asked for last (nft_foreign_reach()) */
};
struct nft_foreign {
	uint32_t gen; /* generation of the rule set that this is */
	struct nft_foreign_chain *chains;
	size_t n;
};

/**
 * nft_foreign_read() - all of it but the tables called @own
 * Return: 0, -EINTR: changed meanwhile, ask again; -E2BIG: more than the maxima; @ret: done by the caller in any case
 */
int nft_foreign_read(struct nft_sock *s, const char *own, struct nft_foreign *ret, struct err *e);
void nft_foreign_done(struct nft_foreign *f);
#define _cleanup_nft_foreign_ _cleanup_(nft_foreign_done)
/** nft_foreign_find() - a chain by name; NULL where absent. */
struct nft_foreign_chain *nft_foreign_find(const struct nft_foreign *f, uint8_t family,
					   const char *table, const char *chain);
/** nft_foreign_reach() - set `reached` in the chains of @base's table that it leads to, itself included. */
void nft_foreign_reach(struct nft_foreign *f, const struct nft_foreign_chain *base);

/**
 * nft_foreign_put() - append to @b: a rule of ours, in front of the chain
 * @in, @out: interfaces a packet comes in and leaves by. One alone (the other NULL): accept. Both: RETURN, its owner's rules decide.
 */
void nft_foreign_put(struct nft_batch *b, const struct nft_foreign_chain *c, const char *in,
		     const char *out);
/** nft_foreign_put_dns() - append to @b: a rule of ours, in front of the chain: accept what comes in by @in to the port of DNS. @proto: IPPROTO_UDP, IPPROTO_TCP. */
void nft_foreign_put_dns(struct nft_batch *b, const struct nft_foreign_chain *c, const char *in,
			 uint8_t proto);
/** nft_foreign_del() - append to @b: the rule deleted. */
void nft_foreign_del(struct nft_batch *b, const struct nft_foreign_chain *c, uint64_t handle);
/** nft_foreign_expect() - the transaction fails with -ERESTART where the generation is no longer @gen. Right after nft_batch_init(). */
void nft_foreign_expect(struct nft_batch *b, uint32_t gen);
