/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of this node only: what the reconciler shall make of them, and what the surroundings must know. */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/agent_priv.h"
#include "agent/compile.h"
#include "base/log.h"
#include "base/mem.h"

#define MTU_DEFAULT 1500

/* ---- desired ---- */

/*
 * Stable over restarts, this node's own: 02:42 and four bytes of the network's id. Containers have their address there, and no address begins
 * with 240 or more.
 */
static struct mac bridge_mac(struct id network)
{
	struct mac m = { .b = { 0x02, 0x42 } };

	memcpy(&m.b[2], network.b, 4);
	m.b[2] |= 0xf0;
	return m;
}

/* A device on a parent cannot have more than that (macvlan_change_mtu() in the kernel). */
static uint32_t parent_mtu(const char *parent)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { 0 };

	memcpy(r.ifr_name, parent, strnlen(parent, sizeof(r.ifr_name) - 1));
	return fd >= 0 && ioctl(fd, SIOCGIFMTU, &r) == 0 ? (uint32_t)r.ifr_mtu : MTU_DEFAULT;
}

static uint32_t mtu_of(const struct agent *a, const struct netopt *opt)
{
	if (opt->mtu)
		return opt->mtu;
	if (opt->driver == NETOPT_MACVLAN || opt->driver == NETOPT_IPVLAN)
		return parent_mtu(opt->parent);
	return a->outward_mtu;
}

static struct state_net *compile(struct agent *a, const struct model_network *rec)
{
	_cleanup_free_ struct compile_local *locals = NULL;
	struct netopt opt;
	struct compile_local_input in = { .network = rec,
					  .opt = &opt,
					  .key = network_key(rec),
					  .bridge_mac = bridge_mac(rec->id) };

	network_options(rec, &opt);
	in.mtu = mtu_of(a, &opt);
	in.n_locals = endpoints_locals(a->endpoints, rec->id, &locals);
	in.locals = locals;
	return compile_local(&in);
}

/* Of Docker's bridges nothing is ours but elements. */
static struct state_net *docker_desired(struct agent *a)
{
	struct state_elem el = state_elem_ifname(STATE_SET_DNSREDIR, STATE_DOCKER_GWBRIDGE);
	_cleanup_state_net_ struct state_net *n = state_net_new(STATE_KEY_DOCKER_GWBRIDGE);

	n->kind = STATE_DIRECT; /* no bridge of ours */
	n->complete = true;
	if (names_gwbridge_wanted(a->names))
		state_net_add_elem(n, &el);
	names_bridges_elems(a->names, n);
	state_net_sort(n);
	return n->n_elems ? TAKE_PTR(n) : NULL;
}

struct state_net *agent_local_desired(struct agent *a, uint32_t key)
{
	if (key == STATE_KEY_DOCKER_GWBRIDGE)
		return docker_desired(a);

	const struct model_network *rec = network_by_key(a->networks, key);
	struct state_net *n = rec ? compile(a, rec) : NULL;

	/* Its end in the host's namespace is there from the first container that needed it. */
	if (key == STATE_KEY_EGRESS && (n != NULL) != a->egress)
		agent_local_surroundings(a);
	return n;
}

struct keys {
	struct agent *a;
	uint32_t *v;
	size_t n;
};

static bool is_wanted(struct agent *a, const struct model_network *net)
{
	_cleanup_free_ struct compile_local *locals = NULL;

	return strcmp(net->driver, "bridge") == 0 || network_key(net) == STATE_KEY_EGRESS ||
	       endpoints_locals(a->endpoints, net->id, &locals) > 0;
}

static void add_key(void *user, const struct model_network *net)
{
	struct keys *k = user;

	if (!model_network_is_local(net) || network_key(net) == 0 || !is_wanted(k->a, net))
		return;
	k->v = mem_grow(k->v, k->n + 1, sizeof(*k->v));
	k->v[k->n++] = network_key(net);
}

size_t agent_local_keys(struct agent *a, uint32_t **ret)
{
	_cleanup_state_net_ struct state_net *docker = docker_desired(a);
	struct keys k = { .a = a };

	network_each(a->networks, add_key, &k);
	if (docker) {
		k.v = mem_grow(k.v, k.n + 1, sizeof(*k.v));
		k.v[k.n++] = STATE_KEY_DOCKER_GWBRIDGE;
	}
	*ret = k.v;
	return k.n;
}

/* ---- told ---- */

void agent_local_changed(void *user, const struct model_network *net, bool removed)
{
	struct agent *a = user;
	uint32_t key = network_key(net);
	struct err e = { 0 };

	if (a->stopping)
		return;
	if (key == 0) {
		names_local(a->names, net, removed);
		return;
	}
	/* At once, so that the reply to a create finds the bridge there; what fails is logged and retried by itself. */
	if (removed || !reconcile_ready(a->reconcile))
		reconcile_dirty(a->reconcile, key);
	else if (reconcile_now(a->reconcile, key, NULL, &e) < 0)
		log_warn("a local network is not in the kernel yet; will retry", "name=%s err=%s",
			 net->name, LOG_Q(err_text(&e)));
	agent_local_surroundings(a);
	names_local(a->names, net, removed);
}

void agent_local_outward(struct agent *a)
{
	uint32_t mtu = MTU_DEFAULT;
	uint32_t before = a->outward_mtu;
	_cleanup_free_ uint32_t *keys = NULL;
	size_t n;

	/* Without a way out it is as good as any. */
	(void)a->kernel->ops->outward_mtu(a->kernel, &mtu, NULL);
	if (mtu == before)
		return;
	a->outward_mtu = mtu;
	if (!before)
		return;
	log_info("the MTU of the way out has changed", "mtu=%u before=%u", mtu, before);
	n = agent_local_keys(a, &keys);
	for (size_t i = 0; i < n; i++)
		reconcile_dirty(a->reconcile, keys[i]);
}

/* ---- surroundings ---- */

struct ifaces {
	struct agent *a;
	char (*v)[IFNAMSIZ];
	size_t n;
};

static void add_iface(struct ifaces *l, const char *name)
{
	if (l->n >= COEXIST_IFACES_MAX)
		return;
	l->v = mem_grow(l->v, l->n + 1, sizeof(*l->v));
	memset(l->v[l->n], 0, sizeof(*l->v));
	snprintf(l->v[l->n++], sizeof(*l->v), "%s", name);
}

static void add_bridge(void *user, const struct model_network *net)
{
	char name[IFNAMSIZ];

	network_bridge(net, name);
	if (name[0])
		add_iface(user, name);
}

void agent_local_surroundings(struct agent *a)
{
	const struct model_network *egress = network_by_key(a->networks, STATE_KEY_EGRESS);
	struct ifaces l = { .a = a };

	network_each(a->networks, add_bridge, &l);
	a->egress = egress && is_wanted(a, egress);
	if (a->egress)
		add_iface(&l, STATE_EGRESS_HOST);
	/* First: what an earlier run left is not to be taken back. */
	agent_names_surroundings(a);
	surroundings_set(a->surroundings, (const char(*)[IFNAMSIZ])l.v, l.n);
	free(l.v);
}
