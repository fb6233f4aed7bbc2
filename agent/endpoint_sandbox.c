/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What follows from all endpoints of a namespace together: the way out, the default route, where published ports lead. */
#include <errno.h>
#include <string.h>

#include "agent/endpoint_priv.h"
#include "agent/reconcile.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- the table ---- */

static struct ep_place place_of(const struct state_target *t)
{
	struct ep_place place;

	memset(&place, 0, sizeof(place)); /* a key is compared byte by byte */
	place.dev = t->dev;
	place.ino = t->ino;
	return place;
}

struct ep_sandbox *ep_sandbox_of(struct endpoints *es, const struct state_target *t)
{
	struct ep_place place = place_of(t);
	struct ep_sandbox *sb;

	/* clang-tidy 14 takes the bytes of a number assigned whole, as uthash reads them, for garbage. */
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	HASH_FIND(hh, es->sandboxes, &place, sizeof(place), sb);
	return sb;
}

static struct ep_sandbox *sandbox_get(struct endpoints *es, const struct state_target *t)
{
	struct ep_sandbox *sb = ep_sandbox_of(es, t);

	if (sb)
		return sb;
	sb = mem_alloc(sizeof(*sb));
	sb->place = place_of(t);
	HASH_ADD(hh, es->sandboxes, place, sizeof(sb->place), sb);
	return sb;
}

bool ep_in(const struct ep *ep, const struct ep_sandbox *sb)
{
	return ep->target.ino == sb->place.ino && ep->target.dev == sb->place.dev;
}

/* Gone with the last one that is not leaving. */
static void forget_empty(struct endpoints *es, struct ep_sandbox *sb)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep_in(ep, sb) && ep->phase != EP_LEAVING)
			return;
	}
	HASH_DELETE(hh, es->sandboxes, sb);
	free(sb->publish);
	free(sb);
}

void ep_sandbox_done(struct endpoints *es)
{
	struct ep_sandbox *sb = es->sandboxes, *next;

	HASH_CLEAR(hh, es->sandboxes); /* the table; the elements' own list stays to walk along */
	for (; sb; sb = next) {
		next = sb->hh.next;
		free(sb->publish);
		free(sb);
	}
}

/* ---- the verdict ---- */

static struct sandbox_member member_of(const struct ep *ep, const struct model_network *net)
{
	return (struct sandbox_member){ .endpoint = ep->row->id,
					.network = net,
					.gw_priority = ep->row->gw_priority,
					.defer = ep->row->defer_egress,
					.ip4 = ep->row->ip4,
					.ip6 = ep->row->ip6 };
}

static bool counts(const struct ep *ep)
{
	return ep->phase == EP_RUNNING || (ep->phase == EP_WAITING && ep->remaking);
}

/*
 * @extra: one that is not among them yet, may be NULL
 * @unknown: stands for a network whose record is not known; NULL: then nothing can be said.
 * Return: false in that case.
 */
static bool judge_with(struct endpoints *es, const struct ep_place *place,
		       const struct sandbox_member *extra, const struct model_network *unknown,
		       struct sandbox_verdict *ret)
{
	struct sandbox_member v[ENDPOINT_PER_TARGET_MAX + 2];
	struct ep *ep, *tmp;
	size_t n = 0;

	HASH_ITER(hh, es->table, ep, tmp) {
		const struct model_network *net;

		if (!counts(ep) || ep->target.ino != place->ino || ep->target.dev != place->dev ||
		    n > ENDPOINT_PER_TARGET_MAX)
			continue;
		net = ep_network(ep) ? ep_network(ep) : unknown;
		if (!net)
			return false;
		v[n++] = member_of(ep, net);
	}
	if (extra)
		v[n++] = *extra;
	sandbox_judge(v, n, ret);
	return true;
}

static bool judge(struct endpoints *es, const struct ep_place *place, struct sandbox_verdict *ret)
{
	return judge_with(es, place, NULL, NULL, ret);
}

static int refuse_publish(const struct netopt *opt, struct err *e)
{
	if (opt->driver == NETOPT_MACVLAN || opt->driver == NETOPT_IPVLAN)
		return err_set(e, -EINVAL,
			       "published ports: the container is on the segment itself with %s; "
			       "its ports are reached at its own address",
			       netopt_driver_name(opt->driver));
	return err_set(
		e, -EINVAL,
		"published ports need a network that leads out of the container: all of its are internal");
}

/* A stand-in for the address it will have: what counts is which families there are. */
static struct ip any_address(const struct model_network *net, int family)
{
	for (size_t i = 0; i < net->n_subnets; i++) {
		if (net->subnets[i].subnet.ip.family == family)
			return net->subnets[i].subnet.ip;
	}
	return (struct ip){ 0 };
}

/* Where the default route would lead through a device on a parent, its driver; else @opt as it is. */
static void blame(struct endpoints *es, const struct sandbox_verdict *v, struct netopt *opt)
{
	const struct ep *ep;

	if (id_is_zero(v->gateway4) && id_is_zero(v->gateway6))
		return;
	ep = ep_find(es, id_is_zero(v->gateway4) ? v->gateway6 : v->gateway4);
	if (ep && ep_network(ep))
		network_options(ep_network(ep), opt);
}

int ep_sandbox_check(struct endpoints *es, const struct endpoint_request *req,
		     const struct model_network *net, const struct state_target *t, struct err *e)
{
	const struct ep_sandbox *sb = ep_sandbox_of(es, t);
	struct ep_place place = place_of(t);
	struct sandbox_member joining = { .endpoint = id_random(),
					  .network = net,
					  .gw_priority = req->gw_priority,
					  .defer = req->more,
					  .ip4 = any_address(net, AF_INET),
					  .ip6 = any_address(net, AF_INET6) };
	struct sandbox_verdict v;
	struct netopt opt;

	if (sb && sb->dropping)
		return err_set(e, -ENOENT, "target: %s is ending", t->path);
	if (req->n_publish == 0 && (!sb || sb->n_publish == 0))
		return 0;
	network_options(net, &opt);
	if (req->n_publish && (opt.driver == NETOPT_MACVLAN || opt.driver == NETOPT_IPVLAN))
		return refuse_publish(&opt, e);
	/* While further networks follow, the last one decides. */
	if (req->more || !judge_with(es, &place, &joining, NULL, &v) || v.need_egress ||
	    !id_is_zero(v.published))
		return 0;
	if (req->n_publish == 0 && !id_is_zero(sb->published))
		return 0; /* it takes the default route from another: that is said, not refused */
	blame(es, &v, &opt);
	return refuse_publish(&opt, e);
}

/* ---- the port that bears it ---- */

void ep_sandbox_enter(struct ep *ep)
{
	struct endpoints *es = ep->es;
	struct ep_sandbox *sb = sandbox_get(es, &ep->target);
	struct id id = ep->row->id;
	struct sandbox_verdict v;

	if (!judge(es, &sb->place, &v))
		return;
	if (id_is_zero(sb->gateway4) && id_eq(v.gateway4, id)) {
		sb->gateway4 = id;
		sb->via4 = v.via4;
	}
	if (id_is_zero(sb->gateway6) && id_eq(v.gateway6, id)) {
		sb->gateway6 = id;
		sb->via6 = v.via6;
	}
	if (id_is_zero(sb->published) && id_eq(v.published, id)) {
		(void)ep_publish_gather(es, sb);
		sb->published = id;
		ep_publish_follow(es, sb);
	}
}

/* ---- the default route ---- */

/* What default_route is to be told of a family: its gateway through @ep; all zeros: leave it to the other one that bears it. */
static struct ip route_of(int family, struct id bearer, struct ip via, struct id ep)
{
	if (id_is_zero(bearer))
		return (struct ip){ 0 };
	return id_eq(bearer, ep) ? via : (struct ip){ .family = (uint8_t)family };
}

static int route_through(struct endpoints *es, const struct sandbox_verdict *v, struct id id,
			 const struct state_target *t, struct err *e)
{
	struct kernel *k = es->d.kernel;
	const struct ep *ep = ep_find(es, id);

	return k->ops->default_route(k, t, ep ? ep->row->ifname : "",
				     route_of(AF_INET, v->gateway4, v->via4, id),
				     route_of(AF_INET6, v->gateway6, v->via6, id), e);
}

static int switch_route(struct endpoints *es, struct ep_sandbox *sb,
			const struct sandbox_verdict *v, const struct state_target *t,
			struct err *e)
{
	bool other4 = sb->unsure || !id_eq(sb->gateway4, v->gateway4) || !ip_eq(sb->via4, v->via4);
	bool other6 = sb->unsure || !id_eq(sb->gateway6, v->gateway6) || !ip_eq(sb->via6, v->via6);
	int r = 0;

	if (other4)
		r = route_through(es, v, v->gateway4, t, e);
	/* Through one endpoint the first call has set both. */
	if (r == 0 && other6 && !(other4 && id_eq(v->gateway4, v->gateway6)))
		r = route_through(es, v, v->gateway6, t, e);
	sb->unsure = r < 0;
	if (r < 0)
		return r;
	sb->gateway4 = v->gateway4;
	sb->gateway6 = v->gateway6;
	sb->via4 = v->via4;
	sb->via6 = v->via6;
	return 0;
}

/* ---- published ports ---- */

static int move_publish(struct endpoints *es, struct ep_sandbox *sb, struct id to, struct err *e)
{
	const struct ep *old = ep_find(es, sb->published), *now = ep_find(es, to);
	bool other = ep_publish_gather(es, sb);
	int r = 0;

	if (!other && id_eq(sb->published, to))
		return 0;
	if (sb->n_publish && id_is_zero(to))
		log_warn("published ports lead nowhere: no network of the container leads out",
			 "namespace=%llu ports=%zu", (unsigned long long)sb->place.ino,
			 sb->n_publish);
	sb->published = to;
	ep_publish_follow(es, sb);
	if (old && old != now && ep_key(old)) {
		(void)reconcile_now(es->d.reconcile, ep_key(old), NULL, NULL);
		now = ep_find(es, to); /* with the namespace, should that have ended, it has gone */
	}
	if (now && ep_key(now))
		r = reconcile_now(es->d.reconcile, ep_key(now), &to, e);
	return r;
}

/* ---- all of it ---- */

static int settle(struct endpoints *es, struct ep_sandbox *sb, const struct state_target *t,
		  struct err *e)
{
	struct sandbox_verdict v;
	struct ep *egress;
	int r = 0;

	sb->due = true;
	if (!judge(es, &sb->place, &v))
		return 0;
	egress = ep_find(es, v.egress);
	if (v.need_egress && egress && ep_egress_lacks6(egress, sb))
		return ep_egress_remake(egress, e);
	if (v.need_egress && id_is_zero(v.egress)) {
		r = ep_egress_make(es, sb, e);
		if (r == 0 && !judge(es, &sb->place, &v))
			return 0;
	}
	if (r == 0)
		r = switch_route(es, sb, &v, t, e);
	if (r == 0)
		r = move_publish(es, sb, v.published, e);
	egress = ep_find(es, v.egress);
	if (r == 0 && !v.need_egress && egress)
		ep_leave(egress, 0, NULL);
	sb->due = r < 0;
	return r;
}

int ep_sandbox_settle(struct endpoints *es, const struct state_target *t, struct err *e)
{
	struct ep_sandbox *sb = ep_sandbox_of(es, t);
	int r;

	if (!sb || sb->dropping || sb->settling || es->closing)
		return 0;
	sb->settling = true;
	r = settle(es, sb, t, e);
	sb->settling = false;
	forget_empty(es, sb);
	return r;
}

void ep_sandbox_final(struct endpoints *es, const struct state_target *t)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		struct err e = { 0 };

		if (ep->phase != EP_RUNNING || !ep_at(ep, t) || !ep->row->defer_egress)
			continue;
		ep->row->defer_egress = false;
		if (ep_save(ep, ep->row->state, &e) < 0)
			log_error("cannot remember an endpoint", "endpoint=%s err=%s",
				  ep->row->name, LOG_Q(err_text(&e)));
	}
}

void ep_sandbox_left(struct ep *ep)
{
	struct endpoints *es = ep->es;
	struct ep_sandbox *sb = ep_sandbox_of(es, &ep->target);
	struct err e = { 0 };

	if (!sb || sb->settling)
		return;
	if (ep_sandbox_settle(es, &ep->target, &e) < 0 && e.code != -ENOENT)
		log_warn("the container's other networks could not be settled; will retry",
			 "endpoint=%s err=%s", ep->row->name, LOG_Q(err_text(&e)));
	sb = ep_sandbox_of(es, &ep->target);
	if (sb)
		forget_empty(es, sb);
}

void ep_sandbox_load(struct endpoints *es)
{
	/* Nothing is made now: what leads out is taken to do so still. */
	struct model_network unknown = { .name = (char[]){ "" }, .driver = (char[]){ "overlay" } };
	struct ep *ep, *tmp;

	HASH_ITER(hh, es->table, ep, tmp) {
		struct ep_sandbox *sb;
		struct sandbox_verdict v;

		if (ep->phase != EP_RUNNING || ep_is_docker(ep) || ep_sandbox_of(es, &ep->target))
			continue;
		sb = sandbox_get(es, &ep->target);
		(void)judge_with(es, &sb->place, NULL, &unknown, &v);
		sb->gateway4 = v.gateway4;
		sb->gateway6 = v.gateway6;
		sb->via4 = v.via4;
		sb->via6 = v.via6;
		sb->published = v.published;
		sb->due = true;
		(void)ep_publish_gather(es, sb);
	}
}

/* ---- for others ---- */

void endpoints_settle_sandboxes(struct endpoints *es)
{
	_cleanup_free_ struct id *ids =
		mem_alloc_array(HASH_COUNT(es->sandboxes) + 1, sizeof(*ids));
	struct ep_sandbox *sb, *tmp_sb;
	struct ep *ep, *tmp;
	size_t n = 0;

	/* One endpoint of each; settling may take others away. */
	HASH_ITER(hh, es->sandboxes, sb, tmp_sb) {
		HASH_ITER(hh, es->table, ep, tmp) {
			if (sb->due && ep_in(ep, sb) && ep->phase == EP_RUNNING) {
				ids[n++] = ep->row->id;
				break;
			}
		}
	}
	for (size_t i = 0; i < n; i++) {
		struct state_target t;
		struct err e = { 0 };

		ep = ep_find(es, ids[i]);
		if (!ep)
			continue;
		t = ep->target;
		if (ep_sandbox_settle(es, &t, &e) < 0)
			log_warn("a container's networks could not be settled; will retry",
				 "target=%s err=%s", LOG_Q(t.path), LOG_Q(err_text(&e)));
		else if (es->d.sandbox)
			es->d.sandbox(es->d.user, &t);
	}
}

void endpoints_drop_begin(struct endpoints *es, const struct local_target *t)
{
	struct ep_sandbox *sb, *tmp;

	HASH_ITER(hh, es->sandboxes, sb, tmp) {
		if (!t || (sb->place.ino == t->netns_ino && sb->place.dev == t->netns_dev))
			sb->dropping = true;
	}
}
