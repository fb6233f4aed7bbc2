/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/ctl_lab.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/api/server.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/strv.h"

int ctl_lab_up(void **state, const struct api_route *routes, size_t n)
{
	const struct api_table table = { routes, n };
	const char *bin = getenv("OVL_BIN");
	struct ctl_lab *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	*state = f;
	snprintf(f->ovlctl, sizeof(f->ovlctl), "%s/ovlctl", bin ? bin : ".");
	snprintf(f->dir, sizeof(f->dir), "/tmp/ovl-ctl-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s.sock", f->dir);
	uv_loop_init(&f->loop);
	if (api_server_start(&f->loop, f->path, &table, 1, f, &f->server, &e) < 0)
		fail_msg("%s", e.text);
	return 0;
}

int ctl_lab_down(void **state)
{
	struct ctl_lab *f = *state;

	api_server_close(f->server);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	rmdir(f->dir);
	free(f->asked);
	free(f->out);
	free(f->err);
	free(f);
	return 0;
}

void ctl_lab_remember(struct ctl_lab *f, char *text)
{
	free(f->asked);
	f->asked = text;
}

int ctl_lab_scratch(const struct ctl_lab *f, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", f->dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

char *ctl_lab_slurp(int fd)
{
	_cleanup_buf_ struct buf b;
	char block[4096];
	ssize_t n;
	off_t at = 0;

	buf_init(&b, 1 << 20);
	while ((n = pread(fd, block, sizeof(block), at)) > 0) {
		buf_append(&b, block, (size_t)n);
		at += n;
	}
	close(fd);
	return buf_take(&b);
}

/* Words separated by blanks, as in a shell without quotes. */
void ctl_lab_start(struct ctl_lab *f, const char *line, int out, int err)
{
	_cleanup_strv_ struct strv words = { 0 };
	_cleanup_free_ char *env = mem_printf("OVL_SOCKET=%s", f->path);
	char *const envp[] = { env, (char *)"TZ=UTC", NULL };
	posix_spawn_file_actions_t fa;
	char *argv[32] = { f->ovlctl };

	strv_split(&words, line, ' ');
	assert_true(words.n < ARRAY_SIZE(argv) - 1);
	for (size_t i = 0; i < words.n; i++)
		argv[i + 1] = words.v[i];
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_adddup2(&fa, err, 2);
	assert_int_equal(posix_spawn(&f->pid, f->ovlctl, &fa, NULL, argv, envp), 0);
	posix_spawn_file_actions_destroy(&fa);
}

void ctl_lab_turn(struct ctl_lab *f)
{
	uv_run(&f->loop, UV_RUN_NOWAIT);
	poll(NULL, 0, 1);
}

int ctl_lab_ended(struct ctl_lab *f)
{
	uint64_t end = clock_boot_ms() + CTL_LAB_DEADLINE_MS;
	int status;

	while (waitpid(f->pid, &status, WNOHANG) == 0) {
		if (clock_boot_ms() >= end) {
			kill(f->pid, SIGKILL);
			waitpid(f->pid, &status, 0);
			fail_msg("ovlctl does not end");
		}
		ctl_lab_turn(f);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void ctl_lab_run(struct ctl_lab *f, int want, const char *line)
{
	int out = ctl_lab_scratch(f, "out"), err = ctl_lab_scratch(f, "err"), status;

	free(f->out);
	free(f->err);
	f->out = f->err = NULL;
	ctl_lab_start(f, line, out, err);
	status = ctl_lab_ended(f);
	f->out = ctl_lab_slurp(out);
	f->err = ctl_lab_slurp(err);
	if (status != want)
		fail_msg("%s: exit status %d, not %d\n%s%s", line, status, want, f->out, f->err);
}

void ctl_lab_has(const char *text, const char *want)
{
	if (!strstr(text, want))
		fail_msg("no \"%s\" in \"%s\"", want, text);
}
