/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server - real etcd processes for tests: on loopback ports that were free (without TLS on the unix socket NAME:1 in
 * the directory as well), data in a directory of their own under /tmp.
 *
 * Every process is killed by its pid, and dies with the test (PR_SET_PDEATHSIG).
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#define SERVERS_MAX 3

struct server {
	pid_t pid; /* 0: not running */
	int client_port, peer_port;
	char name[16];
	char url[128]; /* for clients */
	char *data, *log;
};
struct servers {
	char dir[128];
	int n;
	bool tls; /* client side, with the files made by servers_make_certs() */
	struct server s[SERVERS_MAX];
};
/** servers_init() - ports and directories for @n members; nothing runs yet. */
void servers_init(struct servers *c, int n, bool tls);
/** servers_done() - kills what runs, removes the directory. */
void servers_done(struct servers *c);
void server_start(struct servers *c, int i);
/**
 * server_wait() - until member @i itself answers, on both ports. It listens long before that, and while it has not told the
 * others its addresses, for which it needs a quorum, it lets every request wait.
 */
void server_wait(struct servers *c, int i);
/** server_kill() - SIGKILL, or SIGTERM with @gently, and waits. */
void server_kill(struct servers *c, int i, bool gently);
/** server_stop() - SIGSTOP, and waits until no thread of it runs; SIGCONT or server_kill() ends that. */
void server_stop(struct servers *c, int i);
/** server_wipe() - the data directory of a stopped member. */
void server_wipe(struct servers *c, int i);
/** server_save() / server_restore() - a copy of a stopped member's data directory. */
void server_save(struct servers *c, int i);
void server_restore(struct servers *c, int i);
/** servers_file() - path of a file in the directory; heap. */
char *servers_file(const struct servers *c, const char *name);
/** run() - a program and its arguments, NULL at the end; fails the test when it fails. */
void run(const char *arg0, ...);
