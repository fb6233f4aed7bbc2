/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names_priv - what the files of names share: names.c the feed, names_listen.c the sockets, names_files.c the files, names_gwbridge.c Docker's containers.
 */
#pragma once
#include <uthash.h>
#include "agent/dns/dns.h"
#include "agent/dns/resolv_follow.h"
#include "agent/etc_files.h"
#include "agent/names.h"

/* A socket that could not be opened, told once. */
struct names_problem {
	uint32_t key; /* of the network; 0: the overlay namespace */
	char *text;
};
/* One that is on docker_gwbridge. */
struct gw_member {
	UT_hash_handle hh;
	struct id id; /* Docker's endpoint there */
	char sandbox[NAMES_SANDBOX_MAX];
	struct ip ip4, ip6;
	bool foreign; /* on no network of ours, for all we know */
	bool gone;
};
/* One on an ordinary bridge of Docker's. */
struct gw_guest {
	struct id id; /* Docker's endpoint there */
	char sandbox[NAMES_SANDBOX_MAX];
	char ifname[IFNAMSIZ];
	struct ip ip4;
	bool served;
};
struct gw_guests {
	struct gw_guest *v;
	size_t n;
};
struct gw_address {
	char ifname[IFNAMSIZ];
	struct ip ip;
	bool served;
};
struct names_gw {
	struct gw_guests guests;
	struct gw_address *bridges; /* that were to be served last */
	size_t n_bridges;
	struct gw_member *members;
	struct ip *addresses; /* of the bridge, that were to be served last */
	size_t n_addresses;
	bool usable, failed, wanted, told;
	unsigned generation;
	void (*unknown)(void *user);
	void *user;
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
	struct names_gw gw;
	uv_timer_t timer;
	bool started, timer_open;
	bool files_failed; /* some could not be written */
	bool files_again; /* what fails has been said */
};

/* names_listen.c */
/** names_note() - a problem with serving @key, told once; @e NULL: all is well with it. */
void names_note(struct names *n, uint32_t key, const struct err *e);
/** names_retry() - soon again: something could not be opened. */
void names_retry(struct names *n);
/** names_listen_all() - open what is missing. */
void names_listen_all(struct names *n);
/** names_listen_one() - the addresses of one local network. */
void names_listen_one(struct names *n, const struct model_network *net);
/** names_listen_drop() - it is no more. */
void names_listen_drop(struct names *n, uint32_t key);

/* names_gwbridge.c */
void names_gwbridge_new(struct names *n);
void names_gwbridge_done(struct names *n);
/** names_gwbridge_row() - one of this node's endpoints is in the kernel, or no more. */
void names_gwbridge_row(struct names *n, const struct local_endpoint *row, bool gone);

/** names_gwbridge_place() - of the endpoints of ours in a sandbox. Return: false: there are none. */
bool names_gwbridge_place(struct names *n, const char *sandbox, struct dns_place *ret);
#define NAMES_ADDRESSES_MAX 16 /* of an interface; more are left out */
/** names_addresses() - of an interface of the host, without link-local ones. */
size_t names_addresses(const char *ifname, struct ip ret[NAMES_ADDRESSES_MAX]);

/* names_bridges.c */
/** names_bridges_check() - the sockets. Return: other containers can be served than before. */
bool names_bridges_check(struct names *n);
/** names_bridges_gone() - an endpoint of ours has left that sandbox. */
void names_bridges_gone(struct names *n, const char *sandbox);

/* names_files.c */
/** names_files_all() - of every namespace with an endpoint. */
void names_files_all(struct names *n);
/** names_files_again() - if some could not be written. */
void names_files_again(struct names *n);
/** names_servers() - the upstream servers that a container names itself (--dns); what does not parse is left out. */
struct dns_servers names_servers(const struct strv *texts);
