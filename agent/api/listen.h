/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen - the unix socket of the API: for root and group `ovl`, never two servers on one path.
 *
 * A socket that nobody answers on is left over from a crash and replaced; one that answers is refused. A socket that
 * systemd passed for the same path (sd_listen_fds(3)) is used as it is, and stays when we go.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include "base/err.h"

#define LISTEN_GROUP "ovl" /* where the group exists its members may connect */
#define LISTEN_MODE 0660
#define LISTEN_BACKLOG 512

struct listen {
	int fd;
	bool passed; /* by systemd: not ours to remove */
	char *path;
	dev_t dev; /* of the socket's file, to remove only our own; inode numbers come back, times do not */
	ino_t ino;
	struct timespec ctime;
};
/**
 * listen_open() - bind @path and listen, non-blocking; the directory is made where only the last part is missing
 * Return: 0; -EADDRINUSE: another process answers there, -EEXIST: the path is no socket, -ENAMETOOLONG, or what the kernel says.
 */
int listen_open(const char *path, struct listen *ret, struct err *e);
/** listen_open_as() - @flags: LISTEN_ROOT: not for the group. */
#define LISTEN_ROOT 1u
int listen_open_as(const char *path, unsigned flags, struct listen *ret, struct err *e);
/** listen_close() - close, and remove the file if it is still the one we made. */
void listen_close(struct listen *l);
