/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api_lab - the API's routes on a real socket, over modules that answer what they are told to (api_modules.h), and a small cluster.
 */
#pragma once
#include <cjson/cJSON.h>
#include "tests/unit/api_modules.h"

struct api_server;
struct api_lab {
	uv_loop_t loop;
	struct api_server *server;
	struct modules m;
	struct mirror_network *demo, *other;
	struct mirror_node *node1, *node2, *node3;
	struct model_endpoint *c1, *c2, *c3;
	char dir[64], path[96];
	int fd;
	unsigned status;
	cJSON *reply; /* of the last request */
};

/* Set-up and tear-down of cmocka; *state is the lab. */
int api_lab_up(void **state);
int api_lab_down(void **state);
/** api_lab_ask() - a request and its whole reply; where a module is to answer later, it answers at once. */
void api_lab_ask(struct api_lab *f, const char *method, const char *path, const char *body);
/** api_lab_expect() - the last reply had this status and these words. */
void api_lab_expect(struct api_lab *f, unsigned status, const char *word);
/** api_lab_text() - the text at "a/0/b", NULL where there is none. Borrowed. */
const char *api_lab_text(const cJSON *j, const char *way);
