/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forwarding entries: what replace, append and delete do, what is kept and what is lost (facts §4, §5; overlay/knl_entry.c).
 */
#include "tests/kernel_facts/nft_lab.h"

#define MAC "02:42:0a:00:00:02"

static bool bridge(const char *cmd)
{
	return !nft_lab_try("bridge -n ~o fdb %s 2>/dev/null", cmd);
}

static bool shown(const char *dev, const char *what)
{
	return !nft_lab_try("bridge -n ~o fdb show dev %s | grep -q '%s'", dev, what);
}

static void make(void)
{
	nft_lab_ns("o");
	nft_lab_ns("a");
	nft_lab_sh(
		"ip -n ~o link add br1 address 02:42:00:10:00:01 type bridge ageing_time 100; "
		"ip -n ~o link add vx1 type vxlan id 1 local 192.0.2.1 dstport 4789 nolearning; "
		"ip -n ~o link add v0 type veth peer name eth0 netns ~a; "
		"ip -n ~o link set v0 master br1; ip -n ~o link set vx1 master br1; "
		"bridge -n ~o link set dev v0 learning off; bridge -n ~o link set dev vx1 learning off; "
		"for l in br1 vx1 v0; do ip -n ~o link set $l up; done; ip -n ~a link set eth0 up");
}

static void moves(void)
{
	nft_lab_fact(bridge("replace " MAC " dev v0 master static extern_learn"),
		     "an entry for a local port");
	nft_lab_fact(shown("v0", MAC ".*extern_learn.*master br1"), "it is there");
	nft_lab_fact(bridge("replace " MAC " dev vx1 master extern_learn"),
		     "replaced by one on the VXLAN port");
	nft_lab_fact(shown("vx1", MAC ".*master br1") && !shown("v0", MAC), "one replace moves it");
	nft_lab_fact(!bridge("del " MAC " dev v0 master"),
		     "a delete on the former port does not touch it");
	nft_lab_fact(shown("vx1", MAC ".*master br1"), "it is still there");
	nft_lab_fact(bridge("replace " MAC " dev v0 master static extern_learn"), "and back");
}

static void of_device(void)
{
	nft_lab_sh("bridge -n ~o fdb replace " MAC " dev vx1 dst 192.0.2.9 self extern_learn; "
		   "bridge -n ~o fdb replace " MAC " dev vx1 dst 192.0.2.8 self extern_learn");
	nft_lab_fact(shown("vx1", MAC " dst 192.0.2.8") && !shown("vx1", "192.0.2.9"),
		     "replace changes the VTEP");
	bridge("del " MAC " dev vx1 dst 192.0.2.9 self");
	nft_lab_fact(shown("vx1", MAC " dst 192.0.2.8"),
		     "a delete with the former VTEP does not touch it");
	nft_lab_fact(!bridge("replace 00:00:00:00:00:00 dev vx1 dst 192.0.2.9 self"),
		     "the all-zero MAC cannot be replaced");
	nft_lab_fact(bridge("append 00:00:00:00:00:00 dev vx1 dst 192.0.2.9 self") &&
			     bridge("append 00:00:00:00:00:00 dev vx1 dst 192.0.2.8 self") &&
			     bridge("append 00:00:00:00:00:00 dev vx1 dst 192.0.2.9 self"),
		     "it is appended, twice is no error");
	nft_lab_fact(
		!nft_lab_try(
			"test $(bridge -n ~o fdb show dev vx1 | grep -c '^00:00:00:00:00:00') = 2"),
		"and not there twice");
	nft_lab_fact(bridge("del 00:00:00:00:00:00 dev vx1 dst 192.0.2.9 self") &&
			     shown("vx1", "^00:00:00:00:00:00 dst 192.0.2.8"),
		     "one of them can be deleted");
}

/* ageing_time is one second: an entry learned by hand goes, ours stays. */
static void ageing(void)
{
	nft_lab_sh("bridge -n ~o fdb replace 02:00:00:00:00:77 dev v0 master dynamic");
	nft_lab_fact(
		!nft_lab_try(
			"timeout 20 sh -c 'while bridge -n ~o fdb show dev v0 | grep -q 00:77; do sleep 0.05; done'"),
		"a dynamic entry ages");
	nft_lab_fact(shown("v0", MAC ".*master br1") && shown("vx1", MAC " dst"),
		     "extern_learn does not");
}

static void losses(void)
{
	nft_lab_sh("ip -n ~o link set vx1 down; ip -n ~o link set vx1 up");
	nft_lab_fact(shown("vx1", MAC " dst 192.0.2.8"),
		     "entries of the device outlive down and up");
	nft_lab_sh("bridge -n ~o link set dev v0 locked on; ip -n ~o link set v0 nomaster");
	nft_lab_fact(!shown("v0", MAC), "a port that leaves takes its entries along");
	nft_lab_fact(nft_lab_try("bridge -n ~o fdb del " MAC
				 " dev v0 master 2>&1 | grep -q 'not supported'") == 0,
		     "a delete is then EOPNOTSUPP");
	nft_lab_sh("ip -n ~o link set v0 master br1");
	nft_lab_fact(!nft_lab_try("bridge -n ~o -d link show dev v0 | grep -q 'learning on' && "
				  "bridge -n ~o -d link show dev v0 | grep -q 'locked off'"),
		     "and comes back with learning on and locked off");
	nft_lab_sh("bridge -n ~o fdb replace " MAC " dev vx1 master extern_learn");
	if (nft_lab_try("bridge -n ~o fdb flush dev br1 2>/dev/null") == 0)
		nft_lab_fact(!shown("vx1", MAC ".*master br1"),
			     "a flush of the bridge takes them all");
}

int main(void)
{
	nft_lab_begin();
	make();
	moves();
	of_device();
	ageing();
	losses();
	return 0;
}
