/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etc_files - resolv.conf and hosts of containers, kept as their networks come and go.
 *
 *   of `ovlctl run` NAME       <state_dir>/run/NAME.etc/{resolv.conf,hosts}, mounted over /etc/... in its own mount namespace by ovl-run
 *   of the namespace NAME      /etc/netns/NAME/{resolv.conf,hosts}: where `ip netns exec NAME` looks
 *
 * Files are changed in place (a mount sees the inode, not the name). One that somebody changed meanwhile is theirs: it is left alone, with a warning once; so is
 * one in /etc/netns that does not begin with RESOLV_MARK. What was made is removed with the container or the last network; a directory if it was
 * made too and is empty. After a restart it is known by its sealed first line (etc_file.h); etc_files_sweep() removes what nobody wants any more.
 * A running container of ours goes on seeing the file it was started with: while it runs it is etc_files_put(), without a server if it has no
 * network, and etc_files_del() only when it has ended.
 */
#pragma once
#include "agent/dns/dns_client.h"
#include "base/err.h"
#include "base/strv.h"
#include "store/local.h"

#define ETC_FILES_NETNS_DIR "/etc/netns"
#define ETC_FILES_NETNS_RUN "/run/netns" /* where the namespaces themselves are */

struct etc_files;
struct etc_files_want {
	struct dns_place place;
	const char *run_name; /* NULL: none of ours */
	const char *netns_name; /* of a file in /run/netns; NULL: none */
	struct ip server; /* unset: no resolv.conf; what a running one sees has no server then */
	struct strv search, options,
		extra_hosts; /* borrowed; host-gateway is @server's address, left out without one */
	const struct ip *addresses; /* its own */
	size_t n_addresses;
	struct strv names; /* of its own, for hosts: host name, name */
};
/** etc_files_new() - @state_dir, @netns_dir (ETC_FILES_NETNS_DIR): copied. */
struct etc_files *etc_files_new(const char *state_dir, const char *netns_dir);
void etc_files_free(struct etc_files *f);
/** etc_files_put() - as they shall be now; nothing is written where nothing changes. Return: 0 or the first error (the rest is tried). */
int etc_files_put(struct etc_files *f, const struct etc_files_want *w, struct err *e);
/** etc_files_del() - the container has ended; or, of a namespace in /run/netns, has no network any more. */
void etc_files_del(struct etc_files *f, struct dns_place place);
/** etc_files_sweep() - after the start: remove ours in both places that no etc_files_put() has named since etc_files_new(), but for namespaces that are there. */
void etc_files_sweep(struct etc_files *f);
/** etc_files_remove_all() - `ovlctl reset`: those put, and then as etc_files_sweep(). */
int etc_files_remove_all(struct etc_files *f, struct err *e);
/** etc_files_dir() - "<state_dir>/run/NAME.etc"; heap. */
char *etc_files_dir(const char *state_dir, const char *run_name);
