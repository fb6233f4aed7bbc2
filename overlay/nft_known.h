/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_known - the guards that stand in the kernel's sets, remembered, so that a port's MAC element goes with its last address and no dump is needed
 * to tell. In memory only; a dump fills it anew.
 */
#pragma once
#include "overlay/state.h"

struct nft_known;
struct nft_known *nft_known_new(void);
void nft_known_free(struct nft_known *k);
void nft_known_clear(struct nft_known *k);
/** nft_known_add() - a guard with an address; twice is once. */
void nft_known_add(struct nft_known *k, const struct state_guard *g);
/** nft_known_del() - one not known is ignored. Return: true when no address is left for its port and MAC. */
bool nft_known_del(struct nft_known *k, const struct state_guard *g);
/** nft_known_has() - any address for the port and MAC of @g? */
bool nft_known_has(const struct nft_known *k, const struct state_guard *g);
