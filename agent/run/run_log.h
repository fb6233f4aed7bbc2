/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run_log - the file that keeps a container's output: at most RUN_LOG_FILE_MAX bytes, and as much again in PATH.1.
 *
 * What cannot be written (disk full) is lost: a container does not stop for its log.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define RUN_LOG_FILE_MAX (16 * 1024 * 1024)

struct run_log {
	char *path;
	int fd; /* -1: output is not kept */
	uint64_t size, max;
};
/** run_log_open() - a new file at @path (readers of an old one keep it); @path NULL: keep nothing. */
int run_log_open(struct run_log *l, const char *path, struct err *e);
void run_log_write(struct run_log *l, const char *data, size_t len);
void run_log_close(struct run_log *l);
