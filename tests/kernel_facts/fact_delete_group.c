/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links deleted as a group wait for RCU once (facts §7; overlay/knl_delete.c; the times are printed, for a person to judge); a number is not given again to a link of the same name.
 */
#include <stdio.h>
#include <time.h>
#include "tests/kernel_facts/nft_lab.h"

#define LINKS 8

static double ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void make(void)
{
	nft_lab_sh(
		"for i in $(seq %d); do echo link add v$i group 28534 type veth peer name w$i; done | ip -n ~o -batch -",
		LINKS);
}

int main(void)
{
	double single, group;

	nft_lab_begin();
	nft_lab_ns("o");
	make();
	single = ms();
	nft_lab_sh("for i in $(seq %d); do echo link del v$i; done | ip -n ~o -batch -", LINKS);
	single = ms() - single;
	make();
	group = ms();
	nft_lab_sh("ip -n ~o link del group 28534");
	group = ms() - group;
	printf("%d links: one by one %.1f ms, as a group %.1f ms\n", LINKS, single, group);
	nft_lab_fact(nft_lab_try("ip -n ~o -o link show type veth | grep -q ."),
		     "both ends of all are gone");
	nft_lab_sh(
		"ip -n ~o link add v1 type veth peer name w1; cd /tmp; a=$(ip -n ~o -j link show v1 | jq .[0].ifindex); "
		"ip -n ~o link del v1; ip -n ~o link add v1 type veth peer name w1; "
		"test $a != $(ip -n ~o -j link show v1 | jq .[0].ifindex)");
	return 0;
}
