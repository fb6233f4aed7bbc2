/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coexist_lab - a host beside whose firewall coexist is tried.
 *
 * h: the host, with up0 (to n1, the outside) and ovl0, a plain veth that stands for a bridge of ours (to n2, a container). Traffic goes
 * n1 <-> h <-> n2. Each test begins without rules.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "overlay/coexist.h"

#define IN_H "ip netns exec ~h "
#define COEXIST_LAB_PORT 4789

struct coexist_lab {
	struct coexist *c;
	int n1, n2, server; /* UDP sockets; server: port 53 of h */
};

/** coexist_lab_begin() - the namespaces; once, in main(). */
void coexist_lab_begin(void);
int coexist_lab_setup(void **state);
int coexist_lab_teardown(void **state);
/** coexist_lab_update() - with the first @n of ovl-gw and ovl0. Return: rules written. */
unsigned coexist_lab_update(struct coexist_lab *f, size_t n);
/** coexist_lab_find() - a finding of @level that contains @what (NULL: any); NULL: there is none. */
const struct coexist_finding *coexist_lab_find(struct coexist_lab *f, enum coexist_level level,
					       const char *what);
void coexist_lab_expect(struct coexist_lab *f, enum coexist_level level, const char *what);
void coexist_lab_expect_no_problem(struct coexist_lab *f);
/** coexist_lab_cure() - type the cure of a problem into h, as a person would; the problem is gone then. */
void coexist_lab_cure(struct coexist_lab *f, const char *what, size_t n);
/** coexist_lab_says() - what @command prints in h is @text. */
void coexist_lab_says(const char *command, const char *text);
/** coexist_lab_passes() - do packets go from n1 to n2 and back? */
bool coexist_lab_passes(struct coexist_lab *f);
/** coexist_lab_asks() - does a question of socket @from reach port 53 of h at @server? */
bool coexist_lab_asks(struct coexist_lab *f, int from, const char *server);
