/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reconcile_priv - what the files of reconcile share: reconcile.c (what is due, and when), reconcile_event.c (what the kernel tells),
 * reconcile_ground.c (what is no single network's), reconcile_wanted.c (all that is desired), reconcile_pass.c (one network), reconcile_peer.c (one remote endpoint of it), reconcile_elems.c (elements of
 * the host's table: networks have them, but which one does not stand in the kernel), reconcile_examine.c (all of it compared, nothing written).
 */
#pragma once
#include <uthash.h>
#include "agent/reconcile.h"
#include "base/backoff.h"
#include "base/log.h"

#define RECONCILE_RETRY_MIN_MS 100
#define RECONCILE_RETRY_MAX_MS 30000
/* While events keep coming, a network (and the whole) is dumped at most that often; the first one is answered at once. */
#define RECONCILE_DUMP_GAP_MS 50
#define RECONCILE_UNDERLAY_MS 20
#define RECONCILE_ROUNDS_MAX 3 /* over one network in one pass, when it has to be dumped again */
#define RECONCILE_PEERS_MAX 100 /* gathered for one network; a pass costs less than more of them */
#define RECONCILE_SUSPECTS_MAX 256 /* events held until the end of the turn */

struct port_failure {
	struct id endpoint;
	int status;
	struct err err;
};
/* One call of reconcile_peer(). */
struct peer_change {
	struct state_peer gone, coming;
	bool flood;
};
/* One network. */
struct rnet {
	uint32_t vni;
	struct state_net *have; /* observed; never NULL */
	bool dirty; /* a pass is due */
	bool fresh; /* something new is asked for: no back-off */
	bool commanded; /* the desired state changed since the last success: what differs is no drift */
	bool need_dump; /* what is observed may be stale */
	bool check_targets; /* are the containers still there? */
	uint64_t dumped_ms, passed_ms, retry_ms; /* retry_ms 0: not backing off */
	struct backoff backoff;
	struct state_guard *
		gone; /* elements of ports that vanished; deleted unless the port is to be made again */
	size_t n_gone;
	struct state_elem *
		elems; /* claimed: the desired ones, but for those that another network had first; sorted */
	size_t n_elems;
	bool elems_ok; /* those stand, as far as is known */
	struct port_failure *told; /* ports that failed in the last pass */
	size_t n_told;
	bool shared; /* what the last pass desired has entries of two endpoints at once */
	struct peer_change *peers; /* not carried out yet; a pass does that as well */
	size_t n_peers;
	UT_hash_handle hh;
};
/* A link being deleted in the background; outlives the reconciler if need be. */
struct deletion {
	struct reconcile *r; /* NULL: closed */
	struct deletion *prev, *next;
	uint32_t vni; /* of a device in a container, ... */
	struct state_port *port; /* ... which this is; NULL: a link */
};
/* One element of the host's table: observed, claimed by a network, or both. */
struct relem {
	struct state_elem key; /* its identity */
	struct state_elem el; /* as observed */
	bool there; /* observed */
	bool disputed; /* another network than the owner wants it too; told */
	uint32_t owner; /* key of the network; 0: none */
	UT_hash_handle hh;
};
struct reconcile {
	uv_loop_t *loop;
	struct kernel *k;
	struct reconcile_hooks h;
	void *user;
	struct rnet *nets; /* by vni */
	struct ip *vteps; /* observed, sorted */
	size_t n_vteps;
	/* What the last full dump found that belongs to no network; kept until it may be judged (source != NONE). */
	struct state_guard *strays;
	size_t n_strays;
	struct state_guard *guards; /* all that the last full dump found, until they are judged */
	size_t n_guards;
	char (*loose)[IFNAMSIZ];
	size_t n_loose;
	struct relem *elems;
	struct kernel_event *suspects; /* disagree with what is observed, so far */
	size_t n_suspects;
	struct deletion *deletions;
	uv_timer_t timer, audit_timer, underlay_timer;
	unsigned open_timers;
	uint64_t wake_ms; /* when the timer is set for; 0: not set */
	uint64_t dumped_ms; /* last full dump; 0: never */
	bool ready, stopped, full_dump, ground_due, hosts_dirty;
	bool leftovers_due; /* after a dump, or when what is desired of all changed: who wants what belongs to no network? */
	/* What a dump found otherwise than it was left, and nobody asked for: addresses of hosts, elements of no port. */
	bool hosts_drift, strays_drift, guards_drift, elems_drift;
	unsigned depth; /* passes under way: nets are freed at 0 only */
	struct backoff start_backoff, retry_backoff;
	struct log_limit limit;
	struct reconcile_stats stats;
};

struct rnet *rnet_get(struct reconcile *r, uint32_t vni);
/** reconcile_kick() - run what is due in @delay_ms, or earlier. */
void reconcile_kick(struct reconcile *r, uint64_t delay_ms);

/* reconcile_event.c */
void reconcile_event(void *user, const struct kernel_event *ev);
/** reconcile_judge() - the turn is over: events that still disagree with what is observed mean that a dump is needed. */
void reconcile_judge(struct reconcile *r);

/* reconcile_ground.c */
/** reconcile_ground() - check, and repair with all elements. Return: 0, or the error. */
int reconcile_ground(struct reconcile *r, struct err *e);
/** reconcile_dump() - all of the kernel anew; every network becomes dirty. Writes nothing. */
int reconcile_dump(struct reconcile *r, struct err *e);
/** reconcile_leftovers() - loose ports and stray elements of the last dump: put back, or deleted. */
int reconcile_leftovers(struct reconcile *r, struct err *e);
int reconcile_hosts(struct reconcile *r, struct err *e);
/** reconcile_source_of() - who judges a port of which the name alone is known. */
enum reconcile_source reconcile_source_of(struct reconcile *r, const char *port);
/** reconcile_is_guard_of() - is @g one of the elements that @p shall have? */
bool reconcile_is_guard_of(const struct state_port *p, const struct state_guard *g);
/** reconcile_tell_drift() - @n repairs of @what; none is no news. */
void reconcile_tell_drift(struct reconcile *r, uint32_t vni, const char *what, size_t n);

/* reconcile_wanted.c */
struct wanted_place {
	const struct state_port *port;
	uint32_t vni;
};
struct wanted {
	struct state_net **v;
	size_t n;
	struct wanted_place *ports; /* of all of them, by name */
	size_t n_ports;
};
/** reconcile_wanted() - every network whose source has a picture. */
struct wanted reconcile_wanted(struct reconcile *r);
void reconcile_wanted_done(struct wanted *w);
#define _cleanup_wanted_ _cleanup_(reconcile_wanted_done)
/** reconcile_wanted_port() - NULL: nobody's, and *ret_vni is left alone. */
const struct state_port *reconcile_wanted_port(const struct wanted *w, const char *name,
					       uint32_t *ret_vni);

/* reconcile_elems.c */
/**
 * reconcile_elems_net() - bring the elements of one network in line, in one transaction
 * @want: NULL: none are wanted. Costs what its own elements cost, however many others there are. On failure nothing was changed.
 */
int reconcile_elems_net(struct reconcile *r, struct rnet *rn, const struct state_net *want,
			struct err *e);
/** reconcile_elems_observed() - a full dump; who claims what is kept. */
void reconcile_elems_observed(struct reconcile *r, const struct state_elem *v, size_t n);
/** reconcile_elems_unclaimed() - are there any that no network claims so far? */
bool reconcile_elems_unclaimed(const struct reconcile *r);
/** reconcile_elems_judge() - what one of the desired networks @v wants becomes its own; the rest is deleted. */
int reconcile_elems_judge(struct reconcile *r, struct state_net *const *v, size_t n, struct err *e);
/** reconcile_elems_all() - what shall be in the table, each identity once, sorted; with @keep what is observed besides. Heap array. */
size_t reconcile_elems_all(struct reconcile *r, struct state_net *const *v, size_t n, bool keep,
			   struct state_elem **ret);
void reconcile_elems_free(struct reconcile *r);

/* reconcile_peer.c */
/** reconcile_peers() - carry out what is gathered, or make the network dirty. */
void reconcile_peers(struct reconcile *r, struct rnet *rn);

/* reconcile_pass.c */
/**
 * reconcile_net() - dump if needed, compare, apply; then the hooks are told of ports that failed
 * @endpoint: whose fate is asked for, may be NULL: the result is then that of its port. Return: 0 or the first error.
 */
int reconcile_net(struct reconcile *r, struct rnet *rn, const struct id *endpoint, struct err *e);
/** reconcile_observed() - @now replaces what was observed; what is known of its ports is kept, also of those that vanished. */
void reconcile_observed(struct rnet *rn, struct state_net *now);
/** reconcile_link_del() - in the background; should it fail, everything is dumped again. */
void reconcile_link_del(struct reconcile *r, const char *name);
/** reconcile_direct_del() - the same of a device in a container; should it fail, it is observed again. */
void reconcile_direct_del(struct reconcile *r, uint32_t vni, const struct state_port *p);
