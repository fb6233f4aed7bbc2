/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This node: its record and leases, what its containers need of the host, names, other firewalls. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/containers.h"
#include "agent/doctor_priv.h"
#include "agent/forwarding.h"
#include "agent/publish.h"
#include "agent/surroundings.h"
#include "base/mem.h"
#include "base/proc.h"

/* ---- names ---- */

void doctor_names(const struct doctor_deps *d, struct doctor_check *c)
{
	_cleanup_strv_ struct strv problems = { 0 };

	if (!d->names)
		doctor_skip(c, "names are switched off (dns.enabled)");
	else if (d->names_problems)
		d->names_problems(d->user, &problems);
	for (size_t i = 0; i < problems.n; i++) {
		doctor_find(c, "names are not served: %s", problems.v[i]);
		doctor_cure(c, "end what is in the way: ovld tries again each second; or switch "
			       "names off (dns.enabled: false)");
	}
	doctor_checked(c);
}

/* ---- firewalls ---- */

void doctor_firewall(const struct doctor_deps *d, struct doctor_check *c)
{
	const struct coexist_finding *v = NULL;
	size_t n = d->surroundings ? surroundings_findings(d->surroundings, &v) : 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i].level != COEXIST_PROBLEM)
			continue;
		doctor_find(c, "%s", v[i].what);
		doctor_cure(c, "%s", v[i].cure ? v[i].cure : DOCTOR_BY_ITSELF);
	}
	doctor_checked(c);
}

/* ---- the host ---- */

static void look_forwarding(const struct doctor_deps *d, struct doctor_check *c)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const char *name = forwarding_name(families[i]);

		if (!endpoints_forwarded(d->endpoints, families[i]) ||
		    !forwarding_is_off(families[i]))
			continue;
		doctor_find(c, "%s is 0: containers cannot reach the outside", name);
		doctor_cure(c, "sysctl -w %s=1, and look for what switches it off", name);
	}
}

static void unbound(void *user, const struct model_publish *p, const char *who)
{
	struct doctor_check *c = user;
	const char *proto = model_proto_name(p->proto);

	doctor_find(c, "port %u/%s is published by %s but in use by another process on this host",
		    p->host_port, proto, who);
	doctor_cure(c, "find it with `ss -Hlnp 'sport = %u'`, end it, and `systemctl restart ovld`",
		    p->host_port);
}

static void look_container(void *user, const struct container *ct)
{
	struct doctor_check *c = user;
	uint64_t start = 0;

	if (ct->state == CONTAINER_ENDING ||
	    (proc_start(ct->target.pid, &start) == 0 && start == ct->target.pid_start))
		return;
	doctor_find(c, "container %s: its supervisor (pid %lld) is gone", ct->name,
		    (long long)ct->target.pid);
	doctor_cure(c, "systemctl restart ovld");
}

static void look_host(const struct doctor_deps *d, struct doctor_check *c)
{
	look_forwarding(d, c);
	if (d->publishes)
		publishes_unbound(d->publishes, unbound, c);
	if (d->containers)
		containers_each(d->containers, look_container, c);
}

/* ---- the record ---- */

static void look_twins(const struct doctor_deps *d, struct doctor_check *c)
{
	struct id self = node_id(d->node);
	struct ip vtep = node_vtep(d->node);
	struct mirror_node *n, *tmp;
	char ip[IP_TEXT_MAX];

	HASH_ITER(hh, mirror_nodes(d->mirror), n, tmp) {
		if (!n->rec || id_eq(n->id, self) || !ip_is_set(vtep) || !ip_eq(n->rec->vtep, vtep))
			continue;
		doctor_find(c, "node %s has the same address as this one, %s", n->rec->name,
			    ip_format(vtep, ip));
		if (n->alive)
			doctor_cure(c, "give one of the two another address (advertise:)");
		else
			doctor_cure(c, "ovlctl node rm %s", n->rec->name);
	}
}

static void look_record(const struct doctor_deps *d, struct doctor_check *c)
{
	const struct mirror_node *n = mirror_node(d->mirror, node_id(d->node));
	const char *differs = NULL;

	if (!n || !n->rec) {
		doctor_find(c, "this node has no record in etcd");
		doctor_cure(c, "systemctl restart ovld");
		return;
	}
	if (!ip_eq(n->rec->vtep, node_vtep(d->node)))
		differs = "address";
	else if (strcmp(n->rec->name, d->config->name) != 0)
		differs = "name";
	else if (n->rec->address_lease != node_address_lease(d->node))
		differs = "address lease";
	if (differs) {
		doctor_find(c, "this node's record in etcd has another %s", differs);
		doctor_cure(c, "systemctl restart ovld");
	}
	if (!n->alive) {
		doctor_find(c, "this node's sign of life is missing in etcd: others take it for "
			       "down");
		doctor_cure(c, "%s", DOCTOR_BY_ITSELF);
	}
}

/* ---- the lease ---- */

struct lease_look {
	struct kv *kv;
	struct kv_call *call;
	struct doctor_check *c; /* NULL: dropped */
};

static void drop_lease(void *state)
{
	struct lease_look *l = state;

	l->c = NULL;
	kv_cancel(l->kv, l->call);
}

static void leased(void *user, int status, const struct kv_result *res)
{
	struct lease_look *l = user;

	(void)res;
	if (l->c && status == -ENOENT) {
		/* ovld learns of it with the next claim, or when it is to be kept alive next. */
		doctor_find(l->c, "this node's address lease is gone: its addresses are anybody's");
		doctor_cure(l->c, "systemctl restart ovld");
	}
	if (l->c)
		doctor_checked(l->c);
	free(l);
}

void doctor_node(const struct doctor_deps *d, struct doctor_check *c)
{
	int64_t lease = d->kv ? node_address_lease(d->node) : 0;
	struct lease_look *l;

	look_host(d, c);
	/* Without etcd, that is said where etcd is looked at. */
	if (!doctor_synced(d)) {
		doctor_checked(c);
		return;
	}
	look_record(d, c);
	look_twins(d, c);
	if (!lease) {
		doctor_find(c, "this node has no address lease");
		doctor_cure(c, "%s", DOCTOR_BY_ITSELF);
		doctor_checked(c);
		return;
	}
	l = mem_alloc(sizeof(*l));
	*l = (struct lease_look){ .kv = d->kv, .c = c };
	doctor_keep(c, l, drop_lease);
	l->call = kv_lease_ttl(d->kv, lease, leased, l);
}
