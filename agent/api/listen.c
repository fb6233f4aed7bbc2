/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/listen.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/mem.h"

/* A listening unix socket at @path among those systemd passed; -ENOENT. */
static int passed_fd(const char *path)
{
	int n = sd_listen_fds(0);

	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
		if (sd_is_socket_unix(fd, SOCK_STREAM, 1, path, 0) > 0)
			return fd;
	}
	return -ENOENT;
}

static int make_dir(const char *path, struct err *e)
{
	_cleanup_free_ char *dir = mem_strdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "cannot make %s: %s", dir, strerror(errno));
	return 0;
}

/* Clear the path: 0 when nothing is in the way any more. */
static int clear_stale(const struct sockaddr_un *sa, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ?
			       0 :
			       err_set(e, -errno, "%s: %s", sa->sun_path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "%s exists and is no socket", sa->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, -errno, "no socket: %s", strerror(errno));
	/* EAGAIN: its queue is full, so somebody has it open. */
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN)
		return err_set(e, -EADDRINUSE, "another ovld answers on %s", sa->sun_path);
	if (errno != ECONNREFUSED)
		return err_set(e, -errno, "%s: %s", sa->sun_path, strerror(errno));
	if (unlink(sa->sun_path) < 0 && errno != ENOENT)
		return err_set(e, -errno, "cannot remove the stale %s: %s", sa->sun_path,
			       strerror(errno));
	return 0;
}

static int open_to_group(const char *path, unsigned flags, struct err *e)
{
	const struct group *g = flags & LISTEN_ROOT ? NULL : getgrnam(LISTEN_GROUP);

	if (g && chown(path, (uid_t)-1, g->gr_gid) < 0)
		return err_set(e, -errno, "cannot give %s to group %s: %s", path, LISTEN_GROUP,
			       strerror(errno));
	if (chmod(path, LISTEN_MODE) < 0)
		return err_set(e, -errno, "cannot set the mode of %s: %s", path, strerror(errno));
	return 0;
}

static int bind_fd(int fd, const struct sockaddr_un *sa, unsigned flags, struct listen *l,
		   struct err *e)
{
	struct stat st;
	int r;

	/* The mode the file is born with (unix_bind() takes the socket inode's): never open to more than it shall be. */
	if (fchmod(fd, 0600) < 0)
		return err_set(e, -errno, "%s: %s", sa->sun_path, strerror(errno));
	if (bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
		return err_set(e, -errno, "cannot bind %s: %s", sa->sun_path, strerror(errno));
	r = open_to_group(sa->sun_path, flags, e);
	if (r == 0 && lstat(sa->sun_path, &st) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
		l->ctime = st.st_ctim;
	}
	if (r == 0 && listen(fd, LISTEN_BACKLOG) < 0)
		r = err_set(e, -errno, "cannot listen on %s: %s", sa->sun_path, strerror(errno));
	if (r < 0)
		unlink(sa->sun_path);
	return r;
}

int listen_open(const char *path, struct listen *ret, struct err *e)
{
	return listen_open_as(path, 0, ret, e);
}

int listen_open_as(const char *path, unsigned flags, struct listen *ret, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct listen l = { .fd = passed_fd(path) };
	_cleanup_close_ int fd = -1;
	int r;

	l.passed = l.fd >= 0;
	if (!l.passed) {
		if (strlen(path) >= sizeof(sa.sun_path))
			return err_set(e, -ENAMETOOLONG, "socket path %s is longer than %zu bytes",
				       path, sizeof(sa.sun_path) - 1);
		memcpy(sa.sun_path, path, strlen(path));
		r = make_dir(path, e);
		if (r < 0)
			return r;
		r = clear_stale(&sa, e);
		if (r < 0)
			return r;
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0)
			return err_set(e, -errno, "no socket: %s", strerror(errno));
		r = bind_fd(fd, &sa, flags, &l, e);
		if (r < 0)
			return r;
		l.fd = TAKE_FD(fd);
	}
	l.path = mem_strdup(path);
	*ret = l;
	return 0;
}

void listen_close(struct listen *l)
{
	struct stat st;

	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	if (!l->passed && l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino && st.st_ctim.tv_sec == l->ctime.tv_sec &&
	    st.st_ctim.tv_nsec == l->ctime.tv_nsec)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
}
