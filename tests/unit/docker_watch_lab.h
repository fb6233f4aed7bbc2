/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_watch_lab - docker_watch between a small Docker and an etcd in memory, with steps that do what they are for.
 *
 * Network n has id {n, 1} and subnet 10.n.0.0/16; this node is 100; network 50 counts as `left`.
 */
#pragma once
#include "agent/docker/docker_watch.h"
#include "tests/fake/fake_kv.h"
#include "tests/unit/docker_lab.h"

#define NETS 40
#define SETTLE_MS 2
#define AGAIN_MS 20

struct fake_network {
	char id[80], name[64], ref[80];
};
struct lab {
	struct docker_lab s;
	struct fake_kv *f;
	struct mirror *m;
	struct docker_watch *w;
	struct fake_network docker[NETS];
	size_t n_docker;
	unsigned lists, made;
	unsigned fail_names; /* so many questions about containers fail */
	const char *refuse; /* what POST and DELETE are answered with, NULL: done */
	char *answer;
	const char *parts[4];
	struct docker_step *later; /* of a step that is answered when the test says so */
	bool keep_step, close_in_step;
};

struct id id_of(unsigned n);
const char *hex(unsigned n);
/** put_network() - in etcd; pending where the name begins with "docker-". */
void put_network(struct lab *l, unsigned n, const char *name);
void put_binding(struct lab *l, unsigned n, const char *docker);
void del_network(struct lab *l, unsigned n);
/** docker_put() - a network of Docker's; @ref: its option, may be NULL. */
void docker_put(struct lab *l, const char *id, const char *name, const char *ref);
void docker_del(struct lab *l, const char *id);
void lab_start(struct lab *l, bool serve);
/** run_all() - both start. */
void run_all(struct lab *l);
void lab_stop(struct lab *l);
void until(struct lab *l, const char *told);
/** more_passes() - some, each asked for. */
void more_passes(struct lab *l);
/** expect_only() - @told is told, and nothing more, whatever passes follow. */
void expect_only(struct lab *l, const char *told);
