/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_iptables - iptables-legacy's filter tables, read only: does FORWARD drop, and which interfaces does it accept? Does INPUT drop DNS?
 *
 * Asking the kernel for a table that nobody uses would make it (xt_find_table_lock()): so only those listed in /proc/net/ip_tables_names and
 * ip6_tables_names are asked for. Works in the namespace of the calling thread.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#define KNL_IPTABLES_BYTES_MAX (64 << 20)

struct knl_iptables {
	bool used; /* the table exists */
	bool drops; /* the policy of FORWARD */
	size_t n_missing; /* interfaces without an accept rule, in or out */
	bool input_drops; /* the policy of INPUT */
	size_t n_dns_missing; /* interfaces without a rule that accepts them, or UDP's port 53, there */
};
/**
 * knl_iptables_read() - one family's filter table
 * @v6: ip6tables; @ifaces: looked for in FORWARD and the chains it leads to (any chain of the table)
 * Return: 0, -EPERM, -E2BIG, -EAGAIN: it changes all the time
 */
int knl_iptables_read(bool v6, const char (*ifaces)[IFNAMSIZ], size_t n, struct knl_iptables *ret);
