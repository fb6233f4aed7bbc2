/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_kernel_priv - shared by fake_kernel.c (verbs), fake_kernel_link.c (those of links), fake_kernel_host.c (those of the host's elements and
 * routes), fake_kernel_world.c (objects, and what goes with them), fake_kernel_test.c (what a test asks and prepares), fake_kernel_drift.c.
 */
#pragma once
#include "tests/fake/fake_kernel.h"

#define FAKE_DEAD_MAX 16

struct fake_fault {
	unsigned after, times; /* calls that still succeed, then that fail */
	int status;
};
struct fake_deletion {
	char name[IFNAMSIZ];
	bool refused;
	kernel_deleted_fn done;
	void *user;
};
struct fake_route {
	char path[STATE_TARGET_PATH_MAX], ifname[IFNAMSIZ];
	struct ip gw;
};
/* What a link is to its network. */
enum fake_part {
	FAKE_PART_BRIDGE,
	FAKE_PART_VXLAN,
	FAKE_PART_INNER,
	FAKE_PART_OUTER,
	FAKE_PART_PORT
};
struct fake_kernel {
	struct kernel k;
	struct kernel_ops ops;
	uv_timer_t *timer; /* NULL: no loop */
	bool grounded, namespace_is_there;
	struct state_net **nets; /* any order */
	size_t n_nets;
	struct ip *vteps;
	size_t n_vteps;
	struct state_guard *guards;
	size_t n_guards;
	struct state_elem *elems; /* sorted */
	size_t n_elems;
	struct fake_route *routes;
	size_t n_routes;
	bool forward4, forward6;
	uint32_t outward_mtu;
	char (*loose)[IFNAMSIZ]; /* ve links of no network */
	size_t n_loose;
	char dead[FAKE_DEAD_MAX][STATE_TARGET_PATH_MAX];
	size_t n_dead;
	int next_ifindex;

	struct fake_fault faults[FAKE_VERBS];
	unsigned calls[FAKE_VERBS];
	char bad_port[IFNAMSIZ];
	int bad_port_status;
	uint64_t writes;
	char violation[256];

	kernel_event_fn fn;
	void *fn_user;
	struct kernel_event *queue;
	size_t n_queue;
	struct fake_deletion *deletions;
	size_t n_deletions;
	bool mute, hold;
	unsigned lose;
};

/* fake_kernel.c */
struct fake_kernel *fake_of(struct kernel *k);
/** fake_call() - every verb begins with it. Return: the fault asked for, or 0. */
int fake_call(struct fake_kernel *f, enum fake_verb v, struct err *e);
bool fake_is_dead(const struct fake_kernel *f, const char *path);

/* fake_kernel_link.c */
void fake_link_ops(struct kernel_ops *ops);

/* fake_kernel_host.c */
void fake_host_ops(struct kernel_ops *ops);
void fake_set_elem(struct fake_kernel *f, const struct state_elem *el, bool del);

/* fake_kernel_world.c */
struct state_net *fake_net_find(const struct fake_kernel *f, uint32_t vni);
struct state_net *fake_net_make(struct fake_kernel *f, uint32_t vni);
/** fake_net_tidy() - a network of which nothing is left is no more. */
void fake_net_tidy(struct fake_kernel *f, uint32_t vni);
/** fake_part_of() - what the link @name is to @n; false: it is none of its. */
bool fake_part_of(const struct state_net *n, const char *name, enum fake_part *ret);
/** fake_net_of() - the network a link belongs to; NULL: no such link. */
struct state_net *fake_net_of(const struct fake_kernel *f, const char *name);
void fake_wake(struct fake_kernel *f);
void fake_event(struct fake_kernel *f, const struct kernel_event *ev);
void fake_event_link(struct fake_kernel *f, const struct state_net *n, const char *name,
		     bool deleted);
void fake_event_ground(struct fake_kernel *f);
void fake_violate(struct fake_kernel *f, const char *what, const char *name);
/* What goes with what, with its events. */
void fake_lose_fdb(struct fake_kernel *f, struct state_net *n, const char *port);
void fake_lose_self(struct fake_kernel *f, struct state_net *n);
void fake_lose_neigh(struct fake_kernel *f, struct state_net *n);
void fake_lose_gateways(struct fake_kernel *f, struct state_net *n, bool all); /* else IPv6 ones */
void fake_unslave(struct fake_kernel *f, struct state_net *n, const char *name);
/** fake_drop_link() - @silent: our own deletion, no LINK event. Return: was it there? */
bool fake_drop_link(struct fake_kernel *f, const char *name, bool silent);
void fake_set_fdb(struct fake_kernel *f, struct state_net *n, const struct state_fdb *e, bool del);
void fake_set_neigh(struct fake_kernel *f, struct state_net *n, const struct state_neigh *g,
		    bool del);
void fake_set_gateway(struct fake_kernel *f, struct state_net *n, struct prefix gw, bool del);
void fake_set_guard(struct fake_kernel *f, const struct state_guard *g, bool del);
void fake_set_vtep(struct fake_kernel *f, struct ip ip, bool del);
/** fake_guard_may_fit() - do the tables say nothing against @g on the port @p of @n? A bridge of the host has no neighbours. */
bool fake_guard_may_fit(const struct state_net *n, const struct state_port *p,
			const struct state_guard *g);
bool fake_has_guard(const struct fake_kernel *f, const struct state_guard *g);
/** fake_observe() - a network as a dump shows it; heap. */
struct state_net *fake_observe(const struct fake_kernel *f, const struct state_net *n);
