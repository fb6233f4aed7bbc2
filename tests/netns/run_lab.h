/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run_lab - one ovl-run, and the test as its ovld: each request is expected and answered by hand, so that what happens between two
 * of them is under control.
 */
#pragma once
#include "agent/api/body_run.h"

#define LAB_DEADLINE_MS 20000

struct run_lab {
	char dir[64], socket[96], log[96];
	int listener;
	struct run_request request;
	pid_t pid; /* of the program started: the supervisor, or when detached the one that returns at once */
	bool terminal; /* started with a terminal instead of pipes: ->tty is its other end */
	int tty;
	int out, err, report; /* ends to read */
	int fd; /* connection of the request expected last */
	char target[256]; /* its path with query */
	cJSON *body; /* and body, NULL: none */
	pid_t supervisor; /* as told by create */
	char mode[64]; /* NetworkMode, as told by create */
	const char *resolv_conf, *hosts; /* what create is answered with; NULL: nothing */
};
void run_lab_up(struct run_lab *l);
/** run_lab_down() - nothing started is left. */
void run_lab_down(struct run_lab *l);
/** run_lab_network() - a further network of ->request, as --network takes it. */
void run_lab_network(struct run_lab *l, const char *text);
/** run_lab_start() - with ->request, running the shell script @script. Without a network it is asked for none. */
void run_lab_start(struct run_lab *l, const char *script);
/** run_lab_again() - start another, after the first has exited. */
void run_lab_again(struct run_lab *l, const char *script);
void run_lab_forget(struct run_lab *l); /* the ends to read of the one that has exited */
void run_lab_start_argv(struct run_lab *l, char *const *argv);
/** run_lab_expect() - the next request must be this one. */
void run_lab_expect(struct run_lab *l, const char *method, const char *target);
void run_lab_answer(struct run_lab *l, const char *status, const char *json);
/** run_lab_create() - expect and answer create, with name c1 and the log. */
void run_lab_create(struct run_lab *l);
/** run_lab_running() - create, and started answered. */
void run_lab_running(struct run_lab *l);
/** run_lab_nothing_more() - no request waits. */
void run_lab_nothing_more(struct run_lab *l);
/** run_lab_exit() - how the program ended, as a shell tells it. */
int run_lab_exit(struct run_lab *l);
/** run_lab_read() - @fd until its end. */
char *run_lab_read(int fd);
/** run_lab_file() - the content of a file, once it holds @want. */
char *run_lab_file(const char *path, const char *want);
/** run_lab_gone() - the process ends within the deadline. */
void run_lab_gone(pid_t pid);
