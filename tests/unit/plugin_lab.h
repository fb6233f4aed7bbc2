/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugin_lab - the plugin on a socket of its own, with a backend that records, answers or keeps what it is asked; and dockerd's side of a call.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>
#include "agent/docker/plugin.h"
#include "base/buf.h"

#define PLUGIN_LAB_HELD_MAX 700
#define PLUGIN_LAB_ANSWER_MAX ((size_t)4096)

struct plugin_lab {
	uv_loop_t loop;
	struct plugin *plugin; /* NULL: closed */
	char dir[64], path[96];
	struct plugin_backend backend;
	bool hold; /* calls are kept in ->held, not answered */
	bool fail; /* calls are answered with an error */
	bool close; /* the plugin is closed from inside the call */
	struct plugin_call *held[PLUGIN_LAB_HELD_MAX];
	size_t n_held;
	unsigned calls;
	const char *method; /* the last one's: "request_pool" */
	struct buf said; /* and what was decoded */
};
int plugin_lab_setup(void **state);
int plugin_lab_teardown(void **state);
/** plugin_lab_close() - the plugin, and the loop until it is empty. */
void plugin_lab_close(struct plugin_lab *l);
void plugin_lab_turn(struct plugin_lab *l);
int plugin_lab_dial(struct plugin_lab *l);
/** plugin_lab_send() - a call as dockerd writes it: an empty Host, no Content-Type. Return: false when the server closed. */
bool plugin_lab_send(struct plugin_lab *l, int fd, const char *path, const char *body);
/** plugin_lab_hear() - one answer with its length. @ret_status: NULL or the HTTP status. Return: its body, heap; NULL: closed without one. */
char *plugin_lab_hear(struct plugin_lab *l, int fd, unsigned *ret_status);
/** plugin_lab_call() - both, and the status is 200. */
char *plugin_lab_call(struct plugin_lab *l, int fd, const char *path, const char *body);
/** plugin_lab_until_held() - turn the loop until the backend holds @n calls. */
void plugin_lab_until_held(struct plugin_lab *l, size_t n);
