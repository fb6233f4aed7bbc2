/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a macvlan in another namespace than its parent's, and who may share a parent (overlay/knl_direct.c).
 */
#include "tests/kernel_facts/nft_lab.h"

int main(void)
{
	nft_lab_begin();
	nft_lab_ns("h");
	nft_lab_ns("a");
	nft_lab_ns("w");
	nft_lab_sh("ip -n ~h link add wire0 type veth peer name eth0 netns ~w");
	nft_lab_sh("ip -n ~h link set wire0 up; ip -n ~w link set eth0 up");
	nft_lab_sh(
		"ip -n ~h link add link wire0 name eth0 address 02:42:0a:00:00:02 mtu 1400 netns ~a type macvlan mode bridge");
	nft_lab_fact(
		!nft_lab_try(
			"ip -n ~a -d link show eth0 | grep -q 'macvlan mode bridge' && ip -n ~a link show eth0 | grep -q 'mtu 1400'"),
		"made with a target, it is born there, on a parent looked up where the request was sent");
	nft_lab_fact(!nft_lab_try("ip -n ~a link show eth0 | grep -q 02:42:0a:00:00:02"),
		     "with its MAC");
	nft_lab_fact(
		nft_lab_try(
			"ip -n ~h link add link wire0 name eth0 netns ~a type macvlan mode bridge 2>/dev/null"),
		"a name taken there is refused");
	nft_lab_fact(
		nft_lab_try(
			"ip -n ~h link add link wire0 name eth1 netns ~a type macvlan mode passthru 2>/dev/null"),
		"mode passthru shares no parent");
	nft_lab_sh("ip -n ~a link del eth0");
	nft_lab_sh(
		"ip -n ~h link add link wire0 name eth0 address 02:42:0a:00:00:02 netns ~a type macvlan mode passthru");
	nft_lab_fact(nft_lab_try("ip -n ~a link show eth0 | grep -q 02:42:0a:00:00:02"),
		     "in mode passthru its MAC is the parent's, whatever is asked for");
	nft_lab_sh("ip -n ~h link del wire0");
	nft_lab_fact(nft_lab_try("ip -n ~a link show eth0 2>/dev/null"), "it goes with its parent");
	return 0;
}
