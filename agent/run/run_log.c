/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/run/run_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"

#define MODE 0600

static int create(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE);
}

int run_log_open(struct run_log *l, const char *path, struct err *e)
{
	_cleanup_free_ char *older = NULL;

	*l = (struct run_log){ .fd = -1, .max = RUN_LOG_FILE_MAX };
	if (!path)
		return 0;
	older = mem_printf("%s.1", path);
	unlink(older);
	unlink(path);
	l->fd = create(path);
	if (l->fd < 0)
		return err_set(e, -errno, "cannot keep the output in %s: %m", path);
	l->path = mem_strdup(path);
	return 0;
}

static void rotate(struct run_log *l)
{
	_cleanup_free_ char *older = mem_printf("%s.1", l->path);
	int fd;

	if (rename(l->path, older) < 0 && errno != ENOENT)
		return;
	fd = create(l->path);
	if (fd < 0)
		return;
	close(l->fd);
	l->fd = fd;
	l->size = 0;
}

void run_log_write(struct run_log *l, const char *data, size_t len)
{
	if (l->fd < 0)
		return;
	if (l->size > 0 && l->size + len > l->max)
		rotate(l);
	while (len > 0) {
		ssize_t n = write(l->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		l->size += (uint64_t)n;
		data += n;
		len -= (size_t)n;
	}
}

void run_log_close(struct run_log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	free(l->path);
	l->path = NULL;
}
