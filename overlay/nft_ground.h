/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_ground - what ovl keeps in nf_tables, in the overlay namespace and in the host's: four tables (nft_skel.h) and the elements of their sets.
 *
 * Sockets are opened once in each namespace. The tables are made whole, each in one transaction, and rules never change afterwards. An element is
 * added in some microseconds, without a dump. If somebody else touches the tables, the event sockets tell; nft_ground_check() compares
 * tables, chains and rules, nft_ground_dump() reads the elements.
 *
 * An address guard (port, MAC, address) brings the element (port, MAC) with it, needed for IPv6's link-local sources, and takes it away with the
 * last one. A (port, MAC) whose address guards are gone is dumped as a guard without address, which may be deleted like any other. Guards
 * of ports of state_port_in_host() stand in the host's namespace, all others in the overlay's.
 */
#pragma once
#include "overlay/kernel.h"

#define NFT_GROUND_TABLE_MAX 64

struct nft_ground;
/**
 * nft_ground_new() - opens sockets, writes nothing; the host's namespace is the caller's
 * @overlay_nsfd: borrowed for the call
 * Return: 0, -EPERM, -EINVAL: table name too long
 */
int nft_ground_new(int overlay_nsfd, const char *table, uint16_t vxlan_port,
		   struct nft_ground **ret, struct err *e);
void nft_ground_free(struct nft_ground *g);
/** nft_ground_check() - Return: 0, -ESTALE with words what is amiss, or an error. Writes nothing; elements are not looked at. */
int nft_ground_check(struct nft_ground *g, struct err *e);
/** nft_ground_make() - each table that is amiss made anew in one transaction, with its elements from @el (NULL: none). */
int nft_ground_make(struct nft_ground *g, const struct kernel_elements *el, struct err *e);
/**
 * nft_ground_guard() - one transaction for each namespace, in the order given; an add of what exists and a delete of what does not are no errors
 * Return: 0, -ENOENT: the table is absent, -EINVAL: an add without what its kind needs (address, MAC)
 */
int nft_ground_guard(struct nft_ground *g, const struct kernel_guard_op *ops, size_t n,
		     struct err *e);
int nft_ground_vteps(struct nft_ground *g, const struct ip *add, size_t n_add, const struct ip *del,
		     size_t n_del, struct err *e);
/**
 * nft_ground_elems() - one transaction, in the order given; an add replaces what the key leads to, a delete of what is not there is no error
 * Return: 0, -ENOENT: a table is absent, -EINVAL: an element that lacks a part (named in @e); then nothing was changed.
 */
int nft_ground_elems(struct nft_ground *g, const struct kernel_elem_op *ops, size_t n,
		     struct err *e);
/** nft_ground_dump_elems() - heap array sorted by state_elem_cmp(), made by state_elem_*(); absent tables give an empty one. */
int nft_ground_dump_elems(struct nft_ground *g, struct state_elem **ret, size_t *ret_n,
			  struct err *e);
/**
 * nft_ground_dump() - guards of both namespaces and VTEPs; absent tables give empty lists
 * @ret_guards: heap array sorted by port, MAC, address, kind; of the address guards only those whose (port, MAC) stands too, so that one without is added again
 * @ret_vteps: heap array, sorted by ip_cmp()
 */
int nft_ground_dump(struct nft_ground *g, struct state_guard **ret_guards, size_t *ret_n_guards,
		    struct ip **ret_vteps, size_t *ret_n_vteps, struct err *e);
/** nft_ground_dropped() - VXLAN packets refused in the host's namespace, over rebuilds of the table too. Return: 0, -ENOENT. */
int nft_ground_dropped(struct nft_ground *g, uint64_t *ret_packets);
/** nft_ground_remove() - delete the four tables. */
int nft_ground_remove(struct nft_ground *g, struct err *e);
/** nft_ground_writes() - objects written (tables, chains, rules, elements) since nft_ground_new(). */
uint64_t nft_ground_writes(const struct nft_ground *g);

/** nft_ground_event_fds() - two sockets to poll for reading, opened by nft_ground_new() and owned by @g; non-blocking. */
void nft_ground_event_fds(const struct nft_ground *g, int *ret_overlay_fd, int *ret_host_fd);
/**
 * nft_ground_event_read() - drain one of them
 * Return: true when somebody else changed a table of ours, or notifications were lost. Own transactions bear the port id of the socket they were
 * sent from (tests/kernel_facts/fact_nft_events.c).
 */
bool nft_ground_event_read(struct nft_ground *g, int fd);
