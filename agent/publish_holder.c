/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "agent/publish_priv.h"
#include "base/mem.h"
#include "overlay/knl_diag.h"

#define COMM_MAX 16 /* TASK_COMM_LEN */
#define LINK_MAX_BYTES 64 /* "socket:[4294967295]" */

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}
#define _cleanup_dir_ _cleanup_(close_dir)

static DIR *open_dir_at(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d && fd >= 0)
		close(fd);
	return d;
}

/* Does the process whose directory is @proc/@pid have the socket open? */
static bool has_socket(int proc, const char *pid, const char *socket)
{
	char path[300], link[LINK_MAX_BYTES];
	_cleanup_dir_ DIR *d = NULL;

	snprintf(path, sizeof(path), "%s/fd", pid);
	d = open_dir_at(proc, path);
	if (!d)
		return false;
	for (struct dirent *de = readdir(d); de; de = readdir(d)) {
		ssize_t n = readlinkat(dirfd(d), de->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (strcmp(link, socket) == 0)
			return true;
	}
	return false;
}

static void read_comm(int proc, const char *pid, char ret[COMM_MAX])
{
	char path[300];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, ret, COMM_MAX - 1) : -1;
	n = n > 0 && ret[n - 1] == '\n' ? n - 1 : n;
	ret[n > 0 ? n : 0] = '\0';
	for (char *c = ret; *c; c++)
		if (!isprint((unsigned char)*c)) /* a process may call itself anything */
			*c = '?';
}

const char *publish_holder_text(uint8_t proto, struct ip ip, uint16_t port, char *buf)
{
	char socket[LINK_MAX_BYTES], comm[COMM_MAX];
	_cleanup_dir_ DIR *d = NULL;
	uint32_t inode = 0;

	snprintf(buf, PUBLISH_HOLDER_MAX, "a socket of an unknown process");
	if (knl_diag_holder(proto, ip, port, &inode) < 0 || inode == 0)
		return buf;
	snprintf(socket, sizeof(socket), "socket:[%u]", inode);
	d = open_dir_at(AT_FDCWD, "/proc");
	if (!d)
		return buf;
	for (struct dirent *de = readdir(d); de; de = readdir(d)) {
		if (!isdigit((unsigned char)de->d_name[0]) ||
		    !has_socket(dirfd(d), de->d_name, socket))
			continue;
		read_comm(dirfd(d), de->d_name, comm);
		snprintf(buf, PUBLISH_HOLDER_MAX, "%s (pid %.12s)", comm, de->d_name);
		return buf;
	}
	return buf;
}
