/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/agent_priv.h"
#include "agent/api/api.h"
#include "agent/api/server.h"
#include "agent/doctor.h"
#include "agent/forwarding.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "overlay/kernel_linux.h"

static int read_boot_id(struct agent *a, struct err *e)
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, a->boot_id, sizeof(a->boot_id) - 1);

	if (n <= 0)
		return err_set(e, -EIO, "cannot read the boot id: %s", strerror(errno));
	a->boot_id[n] = '\0';
	a->boot_id[strcspn(a->boot_id, "\n")] = '\0';
	return 0;
}

static struct ip own_vtep(void *user)
{
	struct agent *a = user;

	return node_vtep(a->node);
}

static int64_t own_lease(void *user)
{
	struct agent *a = user;

	return node_address_lease(a->node);
}

static void own_lease_gone(void *user)
{
	struct agent *a = user;

	node_lease_check(a->node);
}

static uint32_t own_mtu(void *user)
{
	struct agent *a = user;

	return node_mtu(a->node);
}

static int64_t run_pid(void *user, const char *name)
{
	struct agent *a = user;

	return containers_pid(a->containers, name);
}

static void settle(uv_timer_t *t)
{
	struct agent *a = t->data;

	if (a->kv && mirror_link_up(a->mirror) && mirror_get_state(a->mirror) == MIRROR_SYNCED)
		endpoints_resettle(a->endpoints, false);
	endpoints_settle_sandboxes(a->endpoints);
}

static void make_store(struct agent *a)
{
	const struct config *c = a->config;
	uint64_t seed = clock_boot_ms() ^ (uint64_t)getpid() << 32;
	struct etcd_config ec = { .endpoints = c->etcd,
				  .ca_file = c->etcd_ca,
				  .cert_file = c->etcd_cert,
				  .key_file = c->etcd_key,
				  .user = c->etcd_user,
				  .password = c->etcd_password };

	if (c->etcd.n == 0) {
		log_info("no etcd configured: standalone, no overlay networks", "name=%s", c->name);
		return;
	}
	a->etcd = etcd_new(a->loop, &ec);
	a->kv = etcd_kv(a->etcd);
	a->claim = claim_new(a->loop, a->kv, c->etcd_prefix, seed);
}

struct busy {
	struct id network;
	const char *name;
};

static void look_busy(void *user, const struct local_endpoint *ep)
{
	struct busy *b = user;

	if (id_eq(ep->network, b->network))
		b->name = ep->name;
}

static const char *network_busy(void *user, struct id network)
{
	struct agent *a = user;
	struct busy b = { .network = network };

	endpoint_each(a->endpoints, look_busy, &b);
	return b.name;
}

/* What looks after the host's own namespace. */
static void make_host_parts(struct agent *a)
{
	struct err e = { 0 };

	a->publishes = publishes_new(a->loop);
	a->surroundings = surroundings_new(a->loop, a->config->vxlan_port, a->config->dns);
	if (knl_conntrack_new(a->loop, &a->conntrack, &e) < 0) {
		a->conntrack = NULL;
		log_warn(
			"connection tracking cannot be flushed: flows to an address that changes hands end by themselves",
			"err=%s", LOG_Q(err_text(&e)));
	}
}

static void make_parts(struct agent *a)
{
	struct networks_deps nd = { .mirror = a->mirror,
				    .local = a->local,
				    .claim = a->claim,
				    .kernel = a->kernel,
				    .config = a->config,
				    .vtep = own_vtep,
				    .busy = network_busy,
				    .user = a };
	struct endpoints_deps ed = { .loop = a->loop,
				     .mirror = a->mirror,
				     .claim = a->claim,
				     .local = a->local,
				     .kernel = a->kernel,
				     .publishes = a->publishes,
				     .conntrack = a->conntrack,
				     .reconcile = a->reconcile,
				     .events = a->events,
				     .self = node_id(a->node),
				     .boot_id = a->boot_id,
				     .prefix = a->config->etcd_prefix,
				     .lease = own_lease,
				     .lease_gone = own_lease_gone,
				     .mtu = own_mtu,
				     .run_pid = run_pid,
				     .endpoint = agent_names_endpoint,
				     .sandbox = agent_names_sandbox,
				     .user = a };

	if (a->kv)
		a->cluster = cluster_new(a->kv, a->mirror, a->local, a->config->etcd_prefix);
	a->networks = networks_new(&nd);
	ed.networks = a->networks;
	a->endpoints = endpoints_new(&ed);

	agent_make_names(a);

	struct containers_deps cd = { .loop = a->loop,
				      .local = a->local,
				      .events = a->events,
				      .state_dir = a->config->state_dir,
				      .drop = agent_names_drop,
				      .user = a };
	a->containers = containers_new(&cd);
	agent_make_docker(a); /* before all that may wait */
}

static void reset_now(void *user, void (*done)(void *done_user, int status, const struct err *e),
		      void *done_user);

static int start_api(struct agent *a, struct err *e)
{
	agent_make_doctor(a);
	a->context = (struct api_context){ .loop = a->loop,
					   .config = a->config,
					   .version = OVL_VERSION,
					   .kv = a->kv,
					   .mirror = a->mirror,
					   .kernel = a->kernel,
					   .local = a->local,
					   .reconcile = a->reconcile,
					   .networks = a->networks,
					   .endpoints = a->endpoints,
					   .node = a->node,
					   .cluster = a->cluster,
					   .events = a->events,
					   .containers = a->containers,
					   .publishes = a->publishes,
					   .surroundings = a->surroundings,
					   .doctor = a->doctor,
					   .dns = names_dns(a->names),
					   .docker = a->docker,
					   .dns_problems = agent_names_problems,
					   .reset = reset_now,
					   .user = a };
	return api_start(&a->context, &a->api, e);
}

/* In the order of dependence; what fails leaves the rest NULL for agent_stop(). */
static int make_all(struct agent *a, struct err *e)
{
	const struct config *c = a->config;
	struct kernel_linux_config kc = { .netns_path = c->overlay_netns,
					  .vxlan_port = c->vxlan_port,
					  .table = "ovl" };
	int r;

	r = read_boot_id(a, e);
	if (r == 0)
		r = local_open(c->state_dir, &a->local, e);
	if (r == 0)
		r = kernel_linux_new(a->loop, &kc, &a->kernel, e);
	if (r < 0)
		return r;
	a->events = events_new();
	make_store(a);
	r = agent_make_mirror(a, e);
	if (r == 0)
		r = agent_make_node(a, e);
	if (r == 0)
		r = agent_make_reconcile(a);
	if (r < 0)
		return r;
	make_host_parts(a);
	make_parts(a);
	agent_local_outward(a);
	r = agent_snapshot_load(a, e);
	/* After the cluster's: the default bridge takes a subnet that none of those has. */
	if (r == 0)
		r = networks_load(a->networks, e);
	if (r == 0)
		r = containers_load(a->containers, e);
	if (r == 0)
		r = endpoints_load(a->endpoints, e);
	return r;
}

int agent_start(uv_loop_t *loop, const struct config *c, struct agent **ret, struct err *e)
{
	struct agent *a = mem_alloc(sizeof(*a));
	struct err ground = { 0 };
	int r;

	a->loop = loop;
	a->config = c;
	uv_timer_init(loop, &a->snapshot_timer);
	uv_timer_init(loop, &a->settle_timer);
	a->snapshot_timer.data = a->settle_timer.data = a;
	a->timers_open = true;
	*ret = a;
	r = make_all(a, e);
	if (r == 0)
		r = start_api(a, e);
	if (r < 0)
		return r;
	networks_on_local(a->networks, agent_local_changed, a);
	if (reconcile_start(a->reconcile, &ground) < 0)
		log_error("the kernel cannot be prepared; will retry", "err=%s",
			  LOG_Q(err_text(&ground)));
	agent_local_surroundings(a);
	names_start(a->names);
	node_start(a->node);
	if (a->kv)
		mirror_start(a->mirror);
	if (a->docker)
		docker_start(a->docker);
	uv_timer_start(&a->settle_timer, settle, AGENT_SETTLE_MS, AGENT_SETTLE_MS);
	sd_notify(0, "READY=1");
	log_info("ovld runs", "version=%s name=%s socket=%s", OVL_VERSION, c->name, c->socket);
	return 0;
}

/* ---- stop ---- */

static void etcd_closed(void *user)
{
	struct agent *a = user;

	a->etcd = NULL;
}

static void kernel_closed(void *user)
{
	struct agent *a = user;

	a->kernel = NULL;
}

void agent_stop(struct agent *a)
{
	if (a->stopping)
		return;
	a->stopping = true;
	sd_notify(0, "STOPPING=1");
	api_server_close(a->api);
	doctor_close(a->doctor);
	if (a->mirror && a->local && a->kv)
		agent_snapshot_flush(a);
	docker_close(a->docker);
	a->docker = NULL;
	if (a->containers)
		containers_close(a->containers);
	if (a->endpoints)
		endpoints_close(a->endpoints);
	names_close(a->names);
	a->names = NULL;
	if (a->publishes)
		publishes_close(a->publishes);
	if (a->conntrack)
		knl_conntrack_close(a->conntrack);
	surroundings_close(a->surroundings);
	node_close(a->node);
	if (a->claim)
		claim_close(a->claim);
	if (a->mirror)
		mirror_close(a->mirror);
	if (a->reconcile)
		reconcile_close(a->reconcile);
	if (a->kernel)
		kernel_linux_close(a->kernel, kernel_closed, a);
	if (a->etcd)
		etcd_close(a->etcd, etcd_closed, a);
	a->timers_open = false;
	uv_close((uv_handle_t *)&a->snapshot_timer, NULL);
	uv_close((uv_handle_t *)&a->settle_timer, NULL);
}

int agent_status(const struct agent *a)
{
	return a->status;
}

void agent_free(struct agent *a)
{
	struct kept_network *k = a->kept, *next;

	HASH_CLEAR(hh, a->kept); /* the table; the elements' own list stays to walk along */
	for (; k; k = next) {
		next = k->hh.next;
		model_network_free(k->rec);
		free(k);
	}
	networks_free(a->networks);
	cluster_free(a->cluster);
	events_free(a->events);
	if (a->local)
		local_close(a->local);
	free(a);
}

/* ---- reset: every object and state of this node ---- */

struct reset {
	struct agent *a;
	unsigned pending;
	void (*done)(void *done_user, int status, const struct err *e);
	void *done_user;
	uv_timer_t timer; /* while others are waited for */
	uint64_t deadline_ms;
	int status;
	struct err err;
};
#define RESET_POLL_MS 10
#define RESET_FIREWALLD_MS 3000 /* for firewalld to answer */

/* What was changed of other people's things. The rest is reset all the same. */
static int undo_foreign(struct agent *a, struct err *e)
{
	struct err one = { 0 };

	if (surroundings_remove(a->surroundings, &one) < 0)
		err_add(e, one.code, "%s", err_text(&one));
	one = (struct err){ 0 };
	if (names_remove(a->names, &one) < 0)
		err_add(e, one.code, "%s", err_text(&one));
	one = (struct err){ 0 };
	if (forwarding_undo(a->local, &one) < 0)
		err_add(e, one.code, "%s", err_text(&one));
	return e->code;
}

static void reset_closed(uv_handle_t *h)
{
	free(h->data);
}

/* The links are deleted when firewalld knows them no more: it would keep their names. */
static void reset_last(struct reset *r)
{
	struct agent *a = r->a;

	if (kernel_linux_reset(a->kernel, &r->err) < 0)
		r->status = r->err.code;
	if (r->status == 0)
		r->status = local_wipe(a->local, &r->err);
	r->done(r->done_user, r->status, &r->err);
	log_info("reset: every kernel object and the state of this node are removed; ovld ends",
		 "status=%d", r->status);
	a->status = r->status < 0;
	uv_close((uv_handle_t *)&r->timer, reset_closed);
	uv_stop(a->loop);
}

static void reset_wait(uv_timer_t *t)
{
	struct reset *r = t->data;

	if (r->a->stopping) /* by a signal: the next start may be asked again */
		uv_close((uv_handle_t *)t, reset_closed);
	else if (surroundings_settled(r->a->surroundings) || uv_now(r->a->loop) > r->deadline_ms)
		reset_last(r);
}

static void reset_finish(struct reset *r)
{
	struct agent *a = r->a;

	if (--r->pending > 0)
		return;
	reconcile_stop(a->reconcile);
	r->status = undo_foreign(a, &r->err);
	r->deadline_ms = uv_now(a->loop) + RESET_FIREWALLD_MS;
	uv_timer_init(a->loop, &r->timer);
	r->timer.data = r;
	uv_timer_start(&r->timer, reset_wait, 0, RESET_POLL_MS);
}

static void reset_endpoint_gone(void *user, int status, const struct local_endpoint *ep,
				const struct err *e)
{
	(void)ep;
	if (status < 0)
		log_warn("reset: an endpoint's address could not be given back", "err=%s",
			 LOG_Q(err_text(e)));
	reset_finish(user);
}

/* Else they stay for ever: the node begins anew under another id. */
static void reset_unbound(void *user, int status, int64_t revision, const struct err *e)
{
	(void)revision;
	if (status < 0)
		log_warn("reset: what Docker calls a network could not be taken back", "err=%s",
			 LOG_Q(err_text(e)));
	reset_finish(user);
}

struct id_list {
	struct id *v;
	size_t n;
};

static void collect_id(void *user, const struct local_endpoint *ep)
{
	struct id_list *l = user;

	l->v = mem_grow(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = ep->id;
}

static void reset_now(void *user, void (*done)(void *done_user, int status, const struct err *e),
		      void *done_user)
{
	struct agent *a = user;
	struct reset *r = mem_alloc(sizeof(*r));
	struct id_list ids = { 0 };

	*r = (struct reset){ .a = a, .pending = 1, .done = done, .done_user = done_user };
	endpoints_drop_begin(a->endpoints, NULL);
	endpoint_each(a->endpoints, collect_id, &ids);
	for (size_t i = 0; i < ids.n; i++) {
		r->pending++;
		endpoint_disconnect_id(a->endpoints, ids.v[i], reset_endpoint_gone, r);
	}
	free(ids.v);
	r->pending += docker_unbind(a->docker, reset_unbound, r);
	reset_finish(r);
}
