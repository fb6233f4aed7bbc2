/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define CHUNK 65536
#define EVENTS_MAX 4096 /* bytes read of inotify at once */
#define WATCHED (IN_MODIFY | IN_MOVE_SELF)
#define RETRY_MS 20 /* between the writer's rename and its new file */

static int print_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* From where @fd stands to its end. */
static int print_rest(int fd, struct err *e)
{
	char chunk[CHUNK];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, -errno, "cannot read the log: %m");
		r = print_all(chunk, (size_t)n);
		if (r < 0)
			return err_set(e, r, "cannot write: %m");
	}
	return 0;
}

static int open_log(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_set(e, -errno, "cannot read %s: %m", path) : fd;
}

static void drain(int fd)
{
	char events[EVENTS_MAX];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

/*
 * The writer renames a full log and begins another: a look at the name tells which file is the one now.
 * Return: 0, 1: there is none at this moment, -errno.
 */
static int go_on(const char *path, int watch, int *fd, struct err *e)
{
	_cleanup_close_ int now = open(path, O_RDONLY | O_CLOEXEC);
	struct stat a, b;
	int r = print_rest(*fd, e);

	if (r < 0 || now < 0)
		return r < 0 ? r : 1;
	if (fstat(now, &a) < 0 || fstat(*fd, &b) < 0 ||
	    (a.st_ino == b.st_ino && a.st_dev == b.st_dev))
		return 0;
	if (inotify_add_watch(watch, path, WATCHED) < 0)
		return errno == ENOENT ? 1 : err_set(e, -errno, "cannot watch %s: %m", path);
	r = print_rest(*fd, e); /* written between the two looks */
	close(*fd);
	*fd = TAKE_FD(now);
	return r < 0 ? r : print_rest(*fd, e);
}

static int follow(const char *path, int pidfd, int *fd, struct err *e)
{
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd p[2] = { { .fd = watch, .events = POLLIN },
			       { .fd = pidfd, .events = POLLIN } };
	int r;

	if (watch < 0 || inotify_add_watch(watch, path, WATCHED) < 0)
		return err_set(e, -errno, "cannot watch %s: %m", path);
	for (;;) {
		r = go_on(path, watch, fd, e);
		if (r < 0 || p[1].revents)
			return r < 0 ? r : 0;
		if (poll(p, 2, r > 0 ? RETRY_MS : -1) < 0 && errno != EINTR)
			return err_set(e, -errno, "poll: %m");
		drain(watch);
	}
}

int follow_print(const char *path, int pidfd, struct err *e)
{
	_cleanup_free_ char *older_path = mem_printf("%s.1", path);
	_cleanup_close_ int older = open(older_path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int fd = open_log(path, e);
	int r;

	if (fd < 0)
		return fd;
	r = older >= 0 ? print_rest(older, e) : 0;
	if (r == 0)
		r = pidfd >= 0 ? follow(path, pidfd, &fd, e) : print_rest(fd, e);
	return r;
}
