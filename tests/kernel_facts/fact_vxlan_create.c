/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose a VXLAN device is: it lives in the namespace it was made for, its UDP socket in the one it was made from (facts §1; overlay/knl_vxlan.c).
 */
#include "tests/kernel_facts/nft_lab.h"

/* Made from @host, for the namespace o. */
static int vxlan(const char *host, const char *name, unsigned vni)
{
	return nft_lab_try(
		"ip -n ~%s link add %s netns ~o type vxlan id %u local 192.0.2.1 dstport 4789 nolearning 2>/dev/null",
		host, name, vni);
}

int main(void)
{
	nft_lab_begin();
	nft_lab_ns("h");
	nft_lab_ns("g");
	nft_lab_ns("o");
	nft_lab_fact(vxlan("h", "vx1", 1) == 0, "a device can be made for another namespace");
	nft_lab_fact(vxlan("h", "vy1", 1) != 0,
		     "the same VNI and port twice from one host is refused");
	nft_lab_fact(vxlan("g", "vy1", 1) == 0, "from another host it is not");
	nft_lab_sh("ip -n ~o link set vx1 up");
	nft_lab_fact(!nft_lab_try("ip netns exec ~h ss -uln | grep -q ':4789'"),
		     "its socket is the host's");
	nft_lab_fact(nft_lab_try("ip netns exec ~o ss -uln | grep -q ':4789'"),
		     "and not the other's");

	/* The namespace with the devices goes: VNI and port are free again a little later. */
	nft_lab_sh("ip netns del ~o; ip netns add ~o");
	nft_lab_fact(
		!nft_lab_try(
			"timeout 5 sh -c 'until ip -n ~h link add vx1 netns ~o type vxlan id 1 local 192.0.2.1 dstport 4789 2>/dev/null; do sleep 0.01; done'"),
		"its end frees VNI and port within a bounded time");

	/* The host goes: its devices vanish, what is not its own stays. */
	nft_lab_sh(
		"ip -n ~o link add br1 type bridge; ip -n ~o link add v0 type veth peer name v1; "
		"ip -n ~o link set vx1 master br1");
	nft_lab_sh("ip netns del ~h");
	nft_lab_fact(
		!nft_lab_try(
			"timeout 5 sh -c 'while ip -n ~o link show vx1 >/dev/null 2>&1; do sleep 0.01; done'"),
		"with the host its VXLAN devices vanish from the other namespace");
	nft_lab_fact(
		!nft_lab_try(
			"ip -n ~o link show br1 >/dev/null && ip -n ~o link show v0 >/dev/null"),
		"bridge and veth stay");
	return 0;
}
