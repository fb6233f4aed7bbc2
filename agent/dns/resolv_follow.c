/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/resolv_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define SETTLE_MS 50 /* from a change until it is read: whoever truncates goes on to write */

struct resolv_follow {
	/* Directories: where the name is, and where symlinks lead to. */
	uv_fs_event_t name, target;
	uv_timer_t timer;
	char *path;
	resolv_follow_fn fn;
	void *user;
	char *text; /* as told last */
	size_t len;
	bool settling;
	unsigned open; /* handles */
};

static void on_event(uv_fs_event_t *event, const char *filename, int events, int status);

/* Watch the directory that @path is in; anew each time, for it may be another one by now, even with the same inode number. */
static void watch_aim(uv_fs_event_t *event, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = !slash	 ? mem_strdup(".") :
				   slash == path ? mem_strdup("/") :
						   mem_strndup(path, (size_t)(slash - path));

	uv_fs_event_stop(event);
	uv_fs_event_start(event, on_event, dir, 0); /* no such directory: until the next poll */
}

/* Return: 0, none is an empty text; -errno: nothing can be said now. */
static int read_file(const char *path, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = mem_alloc(RESOLV_CONF_MAX + 2);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return -errno;
	/* One byte more than is read of it tells resolv_conf_read() that there was more. */
	while (fd >= 0 && len <= RESOLV_CONF_MAX &&
	       (n = read(fd, text + len, RESOLV_CONF_MAX + 1 - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		return -errno;
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

static void tell(struct resolv_follow *f)
{
	struct resolv_conf c;

	resolv_conf_read(f->text, f->len, &c);
	f->fn(f->user, &c); /* may close us */
	resolv_conf_done(&c);
}

static void look(struct resolv_follow *f)
{
	_cleanup_free_ char *text = NULL;
	char *target = realpath(f->path, NULL);
	size_t len = 0;

	/* First the watches: a change while they are aimed is read below, a later one is told. */
	watch_aim(&f->name, f->path);
	if (target) /* else the one before: it may come back there */
		watch_aim(&f->target, target);
	free(target);
	if (read_file(f->path, &text, &len) < 0 || !text)
		return;
	if (f->text && len == f->len && memcmp(text, f->text, len) == 0)
		return;
	free(f->text);
	f->text = TAKE_PTR(text);
	f->len = len;
	tell(f);
}

static void on_timer(uv_timer_t *timer)
{
	struct resolv_follow *f = timer->data;

	f->settling = false;
	look(f);
}

static void on_event(uv_fs_event_t *event, const char *filename, int events, int status)
{
	struct resolv_follow *f = event->data;

	(void)filename;
	(void)events;
	(void)status;
	if (!f->settling)
		uv_timer_start(&f->timer, on_timer, SETTLE_MS, RESOLV_FOLLOW_POLL_MS);
	f->settling = true; /* whoever writes all the time does not put it off */
}

struct resolv_follow *resolv_follow_start(uv_loop_t *loop, const char *path, resolv_follow_fn fn,
					  void *user)
{
	struct resolv_follow *f = mem_alloc(sizeof(*f));

	f->path = mem_strdup(path);
	f->fn = fn;
	f->user = user;
	uv_fs_event_init(loop, &f->name);
	uv_fs_event_init(loop, &f->target);
	uv_timer_init(loop, &f->timer);
	f->name.data = f->target.data = f->timer.data = f;
	f->open = 3;
	look(f);
	if (!f->text) { /* not readable just now: as if there were none */
		f->text = mem_alloc(1);
		tell(f);
	}
	uv_timer_start(&f->timer, on_timer, RESOLV_FOLLOW_POLL_MS, RESOLV_FOLLOW_POLL_MS);
	return f;
}

static void on_closed(uv_handle_t *h)
{
	struct resolv_follow *f = h->data;

	if (--f->open > 0)
		return;
	free(f->path);
	free(f->text);
	free(f);
}

void resolv_follow_close(struct resolv_follow *f)
{
	if (!f)
		return;
	uv_close((uv_handle_t *)&f->name, on_closed);
	uv_close((uv_handle_t *)&f->target, on_closed);
	uv_close((uv_handle_t *)&f->timer, on_closed);
}
