/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "base/mem.h"

/* A thread's own namespace; /proc/self would be the main thread's. */
#define OWN_NETNS "/proc/thread-self/ns/net"

static int open_own(void)
{
	int fd = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Going on in a container's namespace would send everything to the wrong place: better not at all. */
static void go_back(int own)
{
	if (setns(own, CLONE_NEWNET) < 0)
		abort();
}

int netns_socket(int nsfd, int domain, int type, int protocol)
{
	_cleanup_close_ int own = open_own();
	int fd;

	if (own < 0)
		return own;
	if (setns(nsfd, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(domain, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		fd = -errno;
	go_back(own);
	return fd;
}

int netns_call(int nsfd, int (*fn)(void *arg), void *arg)
{
	_cleanup_close_ int own = open_own();
	int r;

	if (own < 0)
		return own;
	if (setns(nsfd, CLONE_NEWNET) < 0)
		return -errno;
	r = fn(arg);
	go_back(own);
	return r;
}

/* What a file is that is no network namespace. */
static const char *what_else(int fd)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC)
		return "a namespace of another kind";
	if (fstat(fd, &st) < 0)
		return "something that cannot be looked at";
	if (S_ISDIR(st.st_mode))
		return "a directory";
	if (S_ISREG(st.st_mode) && st.st_size == 0)
		return "an empty file (the namespace that was there died with its mount)";
	if (S_ISREG(st.st_mode))
		return "an ordinary file";
	return "a device, pipe or socket";
}

static bool is_netns(int fd)
{
	struct statfs fs;

	/* The file system first: an ioctl of another driver may mean anything. */
	return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC &&
	       ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

int netns_open(const char *path, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_set(e, errno == ENOTDIR || errno == ESRCH ? -ENOENT : -errno,
			       "cannot open %s: %s", path, strerror(errno));
	if (!is_netns(fd))
		return err_set(e, -EINVAL, "%s is no network namespace but %s", path,
			       what_else(fd));
	return TAKE_FD(fd);
}

int netns_identify(int nsfd, uint64_t *ret_dev, uint64_t *ret_ino)
{
	struct stat st;

	if (fstat(nsfd, &st) < 0)
		return -errno;
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	return 0;
}

int netns_open_target(const struct state_target *t, struct err *e)
{
	_cleanup_close_ int fd = netns_open(t->path, e);
	uint64_t dev = 0, ino = 0;
	int r;

	/* Somebody else's file at this path is also "the namespace meant is gone". */
	if (fd == -EINVAL && t->ino != 0)
		return err_set(e, -ENOENT, "the namespace %s is gone", t->path);
	if (fd < 0)
		return fd;
	r = netns_identify(fd, &dev, &ino);
	if (r < 0)
		return err_set(e, r, "%s: %s", t->path, strerror(-r));
	if (t->ino != 0 && (dev != t->dev || ino != t->ino))
		return err_set(e, -ENOENT, "the namespace %s is gone, another one is there now",
			       t->path);
	return TAKE_FD(fd);
}

/*
 * The directory as ip-netns(8) makes it: a shared mount point, so that a namespace mounted there is seen in every
 * mount namespace, and outlives this one (facts §1).
 */
static int share_dir(const char *path, struct err *e)
{
	_cleanup_free_ char *dir = mem_strdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash || slash == dir)
		return err_set(e, -EINVAL,
			       "%s: a network namespace's file needs a folder of its own", path);
	*slash = '\0';
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "cannot make %s: %s", dir, strerror(errno));
	if (mount("", dir, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	/* EINVAL: not a mount point yet. */
	if (errno != EINVAL || mount(dir, dir, "none", MS_BIND | MS_REC, NULL) < 0 ||
	    mount("", dir, "none", MS_SHARED | MS_REC, NULL) < 0)
		return err_set(e, -errno, "cannot make %s a shared mount: %s", dir,
			       strerror(errno));
	return 0;
}

/* An empty plain file is what a namespace leaves whose mount is gone. */
static bool is_leftover(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
}

static int touch(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	if (fd < 0)
		return err_set(e, -errno, "cannot make %s: %s", path, strerror(errno));
	close(fd);
	return 0;
}

/* A new namespace, mounted at @path. Return: its descriptor. */
static int make_new(const char *path, struct err *e)
{
	_cleanup_close_ int own = open_own();
	int fd, r = 0;

	if (own < 0)
		return err_set(e, own, "cannot open %s: %s", OWN_NETNS, strerror(-own));
	if (unshare(CLONE_NEWNET) < 0)
		return err_set(e, -errno, "cannot make a network namespace: %s", strerror(errno));
	fd = open_own();
	if (fd < 0)
		r = fd;
	else if (mount(OWN_NETNS, path, "none", MS_BIND, NULL) < 0)
		r = -errno;
	go_back(own);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return err_set(e, r, "cannot mount the new namespace at %s: %s", path,
			       strerror(-r));
	}
	return fd;
}

int netns_ensure(const char *path, bool *ret_created, struct err *e)
{
	struct err why = { 0 };
	int fd = netns_open(path, &why);
	int r;

	if (fd >= 0) {
		*ret_created = false;
		return fd;
	}
	if (fd != -ENOENT && !(fd == -EINVAL && is_leftover(path)))
		return err_set(e, fd, "%s", err_text(&why));
	r = share_dir(path, e);
	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(e, -errno, "cannot remove the leftover %s: %s", path,
			       strerror(errno));
	r = touch(path, e);
	if (r < 0)
		return r;
	fd = make_new(path, e);
	if (fd < 0) {
		unlink(path);
		return fd;
	}
	*ret_created = true;
	return fd;
}

static int unmount_all(const char *path, struct err *e)
{
	/* Mounts may be stacked; EINVAL says that none is left. */
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	if (errno != EINVAL && errno != ENOENT)
		return err_set(e, -errno, "cannot unmount %s: %s", path, strerror(errno));
	return 0;
}

int netns_remount(int nsfd, const char *path, struct err *e)
{
	char from[64];
	int r = share_dir(path, e);

	if (r < 0)
		return r;
	r = unmount_all(path, e);
	if (r < 0)
		return r;
	if (!is_leftover(path)) {
		r = touch(path, e);
		if (r < 0)
			return r;
	}
	snprintf(from, sizeof(from), "/proc/thread-self/fd/%d", nsfd);
	if (mount(from, path, "none", MS_BIND, NULL) < 0)
		return err_set(e, -errno, "cannot mount the namespace at %s again: %s", path,
			       strerror(errno));
	return 0;
}

int netns_remove(const char *path, struct err *e)
{
	int r = unmount_all(path, e);

	if (r < 0)
		return r;
	if (is_leftover(path) && unlink(path) < 0 && errno != ENOENT)
		return err_set(e, -errno, "cannot remove %s: %s", path, strerror(errno));
	return 0;
}
