/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names_priv - what the files of names share: names.c the feed, names_listen.c the sockets, names_files.c the files.
 */
#pragma once
#include "agent/dns/dns.h"
#include "agent/dns/resolv_follow.h"
#include "agent/etc_files.h"
#include "agent/names.h"

/* A socket that could not be opened, told once. */
struct names_problem {
	uint32_t key; /* of the network; 0: the overlay namespace */
	char *text;
};
struct names {
	struct names_deps d;
	struct dns *dns;
	struct etc_files *files;
	struct resolv_follow *follow;
	struct resolv_conf host; /* the host's own */
	struct names_problem *problems;
	size_t n_problems;
	uint32_t egress_key; /* STATE_KEY_EGRESS while ovl-gw is served, 0 before */
	uv_timer_t timer;
	bool started, timer_open;
};

/* names_listen.c */
/** names_listen_all() - open what is missing. */
void names_listen_all(struct names *n);
/** names_listen_one() - the addresses of one local network. */
void names_listen_one(struct names *n, const struct model_network *net);
/** names_listen_drop() - it is no more. */
void names_listen_drop(struct names *n, uint32_t key);

/* names_files.c */
/** names_files_all() - of every namespace with an endpoint. */
void names_files_all(struct names *n);
/** names_servers() - the upstream servers that a container names itself (--dns); what does not parse is left out. */
struct dns_servers names_servers(const struct strv *texts);
