/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl_lab - ovlctl itself (DIR/bin/ovlctl), run against a server with canned answers, in one thread with it.
 */
#pragma once
#include <sys/types.h>
#include <uv.h>
#include "agent/api/route.h"

#define CTL_LAB_DEADLINE_MS 20000

struct api_server;
struct api_stream;
struct ctl_lab {
	uv_loop_t loop;
	struct api_server *server;
	struct api_stream *stream; /* the routes' */
	char dir[64], path[96], ovlctl[4096];
	char *asked; /* body or query of the last request */
	char *out, *err; /* of the last command */
	pid_t pid;
};

/** ctl_lab_up() - *state is the lab, and the user of @routes. For cmocka's set-up; ctl_lab_down() is its tear-down. */
int ctl_lab_up(void **state, const struct api_route *routes, size_t n);
int ctl_lab_down(void **state);
/** ctl_lab_remember() - what was asked for; @text is taken. */
void ctl_lab_remember(struct ctl_lab *f, char *text);
/** ctl_lab_run() - a command, words separated by blanks as in a shell without quotes; fails unless its exit status is @want. */
void ctl_lab_run(struct ctl_lab *f, int want, const char *line);
/** ctl_lab_has() - fails unless @want is somewhere in @text. */
void ctl_lab_has(const char *text, const char *want);

/* A command in steps: its output goes to files that are read when it has ended. */
int ctl_lab_scratch(const struct ctl_lab *f, const char *name);
void ctl_lab_start(struct ctl_lab *f, const char *line, int out, int err);
/** ctl_lab_turn() - one turn of the loop and a millisecond. */
void ctl_lab_turn(struct ctl_lab *f);
/** ctl_lab_ended() - wait for its end. Return: exit status, or 128 + signal. */
int ctl_lab_ended(struct ctl_lab *f);
/** ctl_lab_slurp() - what is in the file, which is closed; heap. */
char *ctl_lab_slurp(int fd);
