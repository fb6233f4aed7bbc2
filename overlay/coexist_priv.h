/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coexist_priv - what coexist.c and coexist_findings.c share.
 */
#pragma once
#include "overlay/coexist.h"
#include "overlay/nft_foreign.h"

#define COEXIST_TABLE "ovl" /* ours, which is not looked at */

struct coexist {
	struct nft_sock *sock;
	int event_fd;
	uint16_t vxlan_port;
	bool no_dns;
	char (*dns_also)[IFNAMSIZ];
	size_t n_dns_also;
	struct coexist_finding findings[COEXIST_FINDINGS_MAX];
	size_t n_findings;
};
struct coexist_ifaces {
	const char (*v)[IFNAMSIZ];
	size_t n; /* ours */
	size_t n_dns; /* those where names are served: ours, and behind them those that are somebody else's */
};

/** coexist_dns_ifaces() - those where names are served, as if all were ours. */
static inline struct coexist_ifaces coexist_dns_ifaces(const struct coexist_ifaces *ifs)
{
	return (struct coexist_ifaces){ ifs->v, ifs->n_dns, ifs->n_dns };
}

/** coexist_drops() - what no rule of a base chain takes is dropped: by its policy, or by a rule without conditions. */
bool coexist_drops(const struct nft_foreign_chain *c);
/** coexist_place() - iptables-nft's chain for accept rules of ours, in ip or ip6; NULL: nothing drops there. */
struct nft_foreign_chain *coexist_place(const struct nft_foreign *f, uint8_t family);
/** coexist_input() - iptables-nft's chain for accept rules of DNS; NULL: nothing drops there. */
struct nft_foreign_chain *coexist_input(const struct nft_foreign *f, uint8_t family);
/** coexist_find() - findings about @f, which may have been read before our rules were written. */
void coexist_find(struct coexist *c, struct nft_foreign *f, const struct coexist_ifaces *ifs);
/** coexist_find_legacy() - findings about iptables-legacy. Return: 0 or the first error. */
int coexist_find_legacy(struct coexist *c, const struct coexist_ifaces *ifs, struct err *e);
void coexist_findings_clear(struct coexist *c);
/** coexist_add() - a finding; both strings become its own. */
void coexist_add(struct coexist *c, enum coexist_level level, char *what, char *cure);
