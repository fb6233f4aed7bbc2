/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/api_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"

int api_client_dial(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

void api_client_turn(uv_loop_t *loop)
{
	uv_run(loop, UV_RUN_NOWAIT);
	poll(NULL, 0, 1);
}

bool api_client_say(uv_loop_t *loop, int fd, const char *data, size_t len)
{
	uint64_t end = clock_boot_ms() + API_CLIENT_DEADLINE_MS;

	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		assert_true(clock_boot_ms() < end);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			api_client_turn(loop);
		} else {
			return false;
		}
	}
	return true;
}

char *api_client_hear(uv_loop_t *loop, int fd, const char *want)
{
	uint64_t end = clock_boot_ms() + API_CLIENT_DEADLINE_MS;
	struct buf b;

	buf_init(&b, 16 << 20);
	buf_puts(&b, "");
	for (;;) {
		char block[4096];
		ssize_t n = recv(fd, block, sizeof(block), 0);

		if (n > 0)
			assert_int_equal(buf_append(&b, block, (size_t)n), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (*want && b.data && strstr(b.data, want))
			break;
		if (clock_boot_ms() >= end)
			fail_msg("no \"%s\" in: %s", want, b.data ? b.data : "");
		if (n < 0)
			api_client_turn(loop);
	}
	if (*want && !(b.data && strstr(b.data, want)))
		fail_msg("closed without \"%s\": %s", want, b.data ? b.data : "");
	return buf_take(&b);
}
