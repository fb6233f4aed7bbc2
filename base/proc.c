/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define STAT_MAX 4096
#define START_FIELD 22

int proc_start(int64_t pid, uint64_t *ret)
{
	char path[64], text[STAT_MAX], *p, *end;
	_cleanup_close_ int fd = -1;
	uint64_t start;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	/* The command name (field 2) may hold blanks and parentheses: count from the last ')'. */
	p = strrchr(text, ')');
	for (int field = 2; p && field < START_FIELD; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -ESRCH;
	errno = 0;
	start = strtoull(p + 1, &end, 10);
	if (errno || end == p + 1)
		return -ESRCH;
	*ret = start;
	return 0;
}
