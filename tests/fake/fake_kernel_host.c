/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's elements, default routes, and the way out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/fake/fake_kernel_priv.h"

/* ---- elements ---- */

void fake_set_elem(struct fake_kernel *f, const struct state_elem *el, bool del)
{
	size_t at = 0;
	bool found;

	while (at < f->n_elems && state_elem_cmp(&f->elems[at], el) < 0)
		at++;
	found = at < f->n_elems && state_elem_cmp(&f->elems[at], el) == 0;
	if (del && found)
		memmove(&f->elems[at], &f->elems[at + 1], (--f->n_elems - at) * sizeof(*f->elems));
	if (del)
		return;
	if (!found) {
		f->elems = mem_grow(f->elems, f->n_elems + 1, sizeof(*f->elems));
		memmove(&f->elems[at + 1], &f->elems[at], (f->n_elems++ - at) * sizeof(*f->elems));
	}
	f->elems[at] = *el;
}

size_t fake_kernel_elems(const struct fake_kernel *f, const struct state_elem **ret)
{
	if (ret)
		*ret = f->elems;
	return f->n_elems;
}

void fake_kernel_put_elem(struct fake_kernel *f, const struct state_elem *el)
{
	fake_set_elem(f, el, false);
}

static int elems(struct kernel *k, const struct kernel_elem_op *ops, size_t n, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	int r = fake_call(f, FAKE_ELEMS, e);

	if (r < 0)
		return r;
	if (!f->grounded)
		return err_set(e, -ENOENT, "no table");
	for (size_t i = 0; i < n; i++)
		fake_set_elem(f, &ops[i].elem, ops[i].del);
	f->writes += n;
	return 0;
}

/* ---- routes ---- */

static struct fake_route *find_route(const struct fake_kernel *f, const char *path, int family)
{
	for (size_t i = 0; i < f->n_routes; i++) {
		if (f->routes[i].gw.family == family && strcmp(f->routes[i].path, path) == 0)
			return &f->routes[i];
	}
	return NULL;
}

static void set_route(struct fake_kernel *f, const char *path, int family, const char *ifname,
		      struct ip gw)
{
	struct fake_route *have = find_route(f, path, family);

	if (have && ip_eq(have->gw, gw) && strcmp(have->ifname, ifname) == 0)
		return;
	if (!have && !ip_is_set(gw))
		return;
	f->writes++;
	if (!ip_is_set(gw)) {
		*have = f->routes[--f->n_routes];
		return;
	}
	if (!have) {
		f->routes = mem_grow(f->routes, f->n_routes + 1, sizeof(*f->routes));
		have = &f->routes[f->n_routes++];
		memset(have, 0, sizeof(*have));
	}
	snprintf(have->path, sizeof(have->path), "%s", path);
	snprintf(have->ifname, sizeof(have->ifname), "%s", ifname);
	have->gw = gw;
}

static int default_route(struct kernel *k, const struct state_target *t, const char *ifname,
			 struct ip gw4, struct ip gw6, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	int r = fake_call(f, FAKE_DEFAULT_ROUTE, e);

	if (r < 0)
		return r;
	if (fake_is_dead(f, t->path))
		return err_set(e, -ENOENT, "%s is gone", t->path);
	if (!ip_is_unspecified(gw4)) /* such a family is left as it is */
		set_route(f, t->path, AF_INET, ifname, gw4);
	if (!ip_is_unspecified(gw6))
		set_route(f, t->path, AF_INET6, ifname, gw6);
	return 0;
}

struct ip fake_kernel_route(const struct fake_kernel *f, const char *path, int family,
			    char ret_ifname[IFNAMSIZ])
{
	const struct fake_route *r = find_route(f, path, family);

	if (r && ret_ifname)
		memcpy(ret_ifname, r->ifname, IFNAMSIZ);
	return r ? r->gw : (struct ip){ 0 };
}

/* ---- the way out ---- */

static int forwarding(struct kernel *k, int family, bool *ret_changed, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	bool *on = family == AF_INET6 ? &f->forward6 : &f->forward4;
	int r = fake_call(f, FAKE_FORWARDING, e);

	if (r < 0)
		return r;
	*ret_changed = !*on;
	f->writes += !*on;
	*on = true;
	return 0;
}

static int outward_mtu(struct kernel *k, uint32_t *ret_mtu, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	int r = fake_call(f, FAKE_OUTWARD_MTU, e);

	if (r < 0)
		return r;
	if (f->outward_mtu == 0)
		return err_set(e, -ENOENT, "no default route");
	*ret_mtu = f->outward_mtu;
	return 0;
}

void fake_kernel_outward(struct fake_kernel *f, uint32_t mtu)
{
	f->outward_mtu = mtu;
}

void fake_host_ops(struct kernel_ops *ops)
{
	ops->elems = elems;
	ops->default_route = default_route;
	ops->forwarding = forwarding;
	ops->outward_mtu = outward_mtu;
}
