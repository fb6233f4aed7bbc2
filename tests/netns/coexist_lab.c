/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/netns/coexist_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"

static const char ifaces[][IFNAMSIZ] = { "ovl-gw", "ovl0" };

unsigned coexist_lab_update(struct coexist_lab *f, size_t n)
{
	struct err e = { 0 };
	unsigned writes = 99;

	nft_lab_enter("h");
	int r = coexist_update(f->c, ifaces, n, &writes, &e);
	nft_lab_enter(NULL);
	if (r < 0)
		fail_msg("%s", err_text(&e));
	return writes;
}

const struct coexist_finding *coexist_lab_find(struct coexist_lab *f, enum coexist_level level,
					       const char *what)
{
	const struct coexist_finding *v;
	size_t n = coexist_findings(f->c, &v);

	for (size_t i = 0; i < n; i++) {
		if (v[i].level == level && (!what || strstr(v[i].what, what)))
			return &v[i];
	}
	return NULL;
}

void coexist_lab_expect(struct coexist_lab *f, enum coexist_level level, const char *what)
{
	const struct coexist_finding *v;

	if (coexist_lab_find(f, level, what))
		return;
	for (size_t n = coexist_findings(f->c, &v); n > 0; n--)
		print_message("found: %s [%s]\n", v[n - 1].what, v[n - 1].cure);
	fail_msg("not found: %s", what);
}

void coexist_lab_expect_no_problem(struct coexist_lab *f)
{
	const struct coexist_finding *p = coexist_lab_find(f, COEXIST_PROBLEM, NULL);

	if (p)
		fail_msg("found: %s [%s]", p->what, p->cure);
}

void coexist_lab_cure(struct coexist_lab *f, const char *what, size_t n)
{
	const struct coexist_finding *p;

	coexist_lab_expect(f, COEXIST_PROBLEM, what);
	p = coexist_lab_find(f, COEXIST_PROBLEM, what);
	assert_non_null(p->cure);
	print_message("%s\n  cure: %s\n", p->what, p->cure);
	/* By the environment: it has quotes of its own. */
	setenv("CURE", p->cure, 1);
	nft_lab_sh(IN_H "sh -ec \"$CURE\"");
	coexist_lab_update(f, n);
	if (coexist_lab_find(f, COEXIST_PROBLEM, what))
		fail_msg("still found: %s", what);
}

void coexist_lab_says(const char *command, const char *text)
{
	char *out = mem_alloc(16384);
	char name[64];
	size_t n;

	snprintf(name, sizeof(name), "/tmp/onf-%d-says", getpid());
	nft_lab_sh(IN_H "%s >%s 2>&1", command, name);
	FILE *file = fopen(name, "re");
	assert_non_null(file);
	n = fread(out, 1, 16383, file);
	out[n] = '\0';
	fclose(file);
	unlink(name);
	if (strcmp(out, text) != 0)
		fail_msg("%s says\n%s\nnot\n%s", command, out, text);
	free(out);
}

bool coexist_lab_passes(struct coexist_lab *f)
{
	char text[16];
	static unsigned serial;

	snprintf(text, sizeof(text), "m%u", ++serial);
	if (nft_lab_send(f->n1, "10.9.2.2", 2000, text))
		return false;
	if (!nft_lab_comes(f->n2, text, 300))
		return false;
	return nft_lab_send(f->n2, "10.9.1.2", 1000, text) == 0 && nft_lab_comes(f->n1, text, 300);
}

bool coexist_lab_asks(struct coexist_lab *f, int from, const char *server)
{
	static unsigned serial;
	char text[16];

	snprintf(text, sizeof(text), "q%u", ++serial);
	return nft_lab_send(from, server, 53, text) == 0 && nft_lab_comes(f->server, text, 300);
}

int coexist_lab_setup(void **state)
{
	struct coexist_lab *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	nft_lab_enter("h");
	int r = coexist_new(COEXIST_LAB_PORT, &f->c, &e);
	nft_lab_enter(NULL);
	if (r < 0)
		fail_msg("%s", err_text(&e));
	f->n1 = nft_lab_udp("n1", "10.9.1.2", 1000);
	f->n2 = nft_lab_udp("n2", "10.9.2.2", 2000);
	f->server = nft_lab_udp("h", "0.0.0.0", 53);
	*state = f;
	return 0;
}

int coexist_lab_teardown(void **state)
{
	struct coexist_lab *f = *state;

	close(f->n1);
	close(f->n2);
	close(f->server);
	coexist_free(f->c);
	free(f);
	nft_lab_sh(IN_H "nft flush ruleset");
	return 0;
}

void coexist_lab_begin(void)
{
	nft_lab_begin();
	nft_lab_ns("h");
	nft_lab_ns("n1");
	nft_lab_ns("n2");
	nft_lab_sh(
		"ip -n ~h link add up0 type veth peer name eth0 netns ~n1; ip -n ~h link add ovl0 type veth peer name eth0 netns ~n2;"
		"ip -n ~h addr add 10.9.1.1/24 dev up0; ip -n ~h addr add 10.9.2.1/24 dev ovl0;"
		"ip -n ~h link set up0 up; ip -n ~h link set ovl0 up; ip netns exec ~h sysctl -qw net.ipv4.ip_forward=1");
	for (unsigned i = 1; i <= 2; i++)
		nft_lab_sh(
			"ip -n ~n%u link set eth0 up; ip -n ~n%u addr add 10.9.%u.2/24 dev eth0; "
			"ip -n ~n%u route add default via 10.9.%u.1",
			i, i, i, i, i);
}
