/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/netopt.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/model.h"

#define IPV6_MTU_MIN 1280 /* RFC 8200 §5 */
#define NAME_DIGITS 11 /* of a network's id in a bridge's name: what fits behind "ovl-" */

static const char *const drivers[] = {
	[NETOPT_OVERLAY] = "overlay", [NETOPT_BRIDGE] = "bridge", [NETOPT_MACVLAN] = "macvlan",
	[NETOPT_IPVLAN] = "ipvlan",   [NETOPT_EGRESS] = "egress", [NETOPT_HOST] = "host",
	[NETOPT_NULL] = "null",
};

int netopt_driver_parse(const char *text, enum netopt_driver *ret, struct err *e)
{
	enum netopt_driver d = netopt_driver_of(text);

	switch (d) {
	case NETOPT_OVERLAY:
	case NETOPT_BRIDGE:
	case NETOPT_MACVLAN:
	case NETOPT_IPVLAN:
		if (strcmp(text, drivers[d]) == 0) {
			*ret = d;
			return 0;
		}
		break;
	case NETOPT_HOST:
	case NETOPT_NULL:
		if (strcmp(text, drivers[d]) == 0)
			return err_set(e, -EINVAL,
				       "driver %s: only the pre-defined network \"%s\" has it",
				       text, d == NETOPT_HOST ? "host" : "none");
		break;
	case NETOPT_EGRESS:
		break;
	}
	return err_set(
		e, -EINVAL,
		"driver \"%.64s\" is not known (there are: overlay, bridge, macvlan, ipvlan)",
		text);
}

enum netopt_driver netopt_driver_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (strcmp(drivers[i], name) == 0)
			return (enum netopt_driver)i;
	}
	return NETOPT_NULL;
}

const char *netopt_driver_name(enum netopt_driver d)
{
	return drivers[d];
}

int netopt_ifname_check(const char *what, const char *name, struct err *e)
{
	/* "all" and "default" are directories of net.ipv4.conf beside those of the devices. */
	static const char *const reserved[] = { ".", "..", "all", "default", "lo" };
	size_t len = strlen(name);

	if (len == 0)
		return err_add(e, -EINVAL, "%s: empty, an interface's name is wanted", what);
	if (len >= IFNAMSIZ)
		return err_add(e, -EINVAL,
			       "%s: \"%.64s\" has %zu characters, an interface's name at most %d",
			       what, name, len, IFNAMSIZ - 1);
	for (size_t i = 0; i < len; i++) {
		if (!isgraph((unsigned char)name[i]) || strchr("/:%", name[i]))
			return err_add(
				e, -EINVAL,
				"%s: \"%s\" cannot be an interface's name: no '/', ':', '%%' or blank in it",
				what, name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (strcmp(name, reserved[i]) == 0)
			return err_add(e, -EINVAL, "%s: \"%s\" is not for use as a name", what,
				       name);
	}
	return 0;
}

void netopt_bridge(const struct netopt *o, struct id id, char ret[IFNAMSIZ])
{
	char hex[ID_SHORT_MAX];

	if (o->bridge[0])
		snprintf(ret, IFNAMSIZ, "%s", o->bridge);
	else
		snprintf(ret, IFNAMSIZ, "ovl-%.*s", NAME_DIGITS, id_short(id, hex));
}

/* ---- values ---- */

struct parse {
	const char *key; /* as it was given */
	const char *value;
	bool ipv6;
	struct netopt *ret;
	struct err *e;
};

static void parse_number(const struct parse *p, uint32_t min, uint32_t max, uint32_t *ret)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(p->value, &end, 10);
	if (errno || !isdigit((unsigned char)p->value[0]) || *end || v < min || v > max)
		err_add(p->e, -EINVAL, "option %s: \"%.64s\" is not a number from %u to %u", p->key,
			p->value, min, max);
	else
		*ret = (uint32_t)v;
}

static void parse_switch(const struct parse *p, bool *ret)
{
	static const char *const on[] = { "on", "true", "yes", "1" };
	static const char *const off[] = { "off", "false", "no", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		if (strcasecmp(p->value, on[i]) == 0) {
			*ret = true;
			return;
		}
		if (strcasecmp(p->value, off[i]) == 0) {
			*ret = false;
			return;
		}
	}
	err_add(p->e, -EINVAL, "option %s: \"%.64s\" is neither on nor off", p->key, p->value);
}

/* Return: index in @words, or -1 with the error added. */
static int parse_word(const struct parse *p, const char *const *words, size_t n)
{
	_cleanup_buf_ struct buf b;

	buf_init(&b, ERR_TEXT_MAX);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(p->value, words[i]) == 0)
			return (int)i;
		buf_printf(&b, "%s%s", i ? ", " : "", words[i]);
	}
	err_add(p->e, -EINVAL, "option %s: \"%.64s\" is none of %s", p->key, p->value, b.data);
	return -1;
}

static void set_mtu(const struct parse *p)
{
	parse_number(p, p->ipv6 ? IPV6_MTU_MIN : MODEL_MTU_MIN, MODEL_MTU_MAX, &p->ret->mtu);
}

static void set_vni(const struct parse *p)
{
	parse_number(p, MODEL_VNI_MIN, MODEL_VNI_MAX, &p->ret->vni);
}

static void set_flood(const struct parse *p)
{
	parse_switch(p, &p->ret->flood);
}

static void set_icc(const struct parse *p)
{
	parse_switch(p, &p->ret->icc);
}

static void set_masquerade(const struct parse *p)
{
	parse_switch(p, &p->ret->masquerade);
}

static void set_security(const struct parse *p)
{
	static const char *const words[] = {
		[STATE_SECURE_MAC_IP] = "mac+ip", [STATE_SECURE_MAC] = "mac", [STATE_SECURE_OFF] = "off"
	};
	int i = parse_word(p, words, ARRAY_SIZE(words));

	if (i >= 0)
		p->ret->security = (enum state_security)i;
}

static void set_gateway_mode(const struct parse *p)
{
	static const char *const words[] = { [NETOPT_NAT] = "nat", [NETOPT_ROUTED] = "routed" };
	int i = parse_word(p, words, ARRAY_SIZE(words));

	if (i >= 0)
		p->ret->gateway_mode = (enum netopt_gateway_mode)i;
}

static void set_host_binding(const struct parse *p)
{
	struct ip ip;

	if (ip_parse(p->value, &ip, NULL) < 0 || ip.family != AF_INET || ip_is_multicast(ip))
		err_add(p->e, -EINVAL, "option %s: \"%.64s\" is not an IPv4 address of a host",
			p->key, p->value);
	else if (!ip_is_unspecified(ip)) /* 0.0.0.0, Docker's default: all */
		p->ret->host_binding4 = ip;
}

static void set_device(const struct parse *p, char ret[IFNAMSIZ])
{
	_cleanup_free_ char *what = mem_printf("option %s", p->key);

	if (netopt_ifname_check(what, p->value, p->e) == 0)
		snprintf(ret, IFNAMSIZ, "%s", p->value);
}

static bool is_digits(const char *s, size_t least, size_t most, const char *digits)
{
	size_t n = strspn(s, digits);

	return s[n] == '\0' && n >= least && n <= most;
}

/*
 * Devices of ours that are no bridges of the host: in either namespace, since a name that both know would mean the one in the overlay namespace
 * (kernel.h link_del). Return: what bears such names, NULL: nothing does.
 */
static const char *own_device(const char *name)
{
	static const struct {
		const char *begin; /* the whole name where @digits is NULL */
		const char *digits;
		size_t least, most;
		const char *of;
	} own[] = {
		{ STATE_EGRESS_BRIDGE, NULL, 0, 0, "the egress bridge" },
		{ STATE_EGRESS_INNER, NULL, 0, 0, "the port of the egress bridge" },
		{ STATE_EGRESS_HOST, NULL, 0, 0, "the way out of overlay networks" },
		{ "br", "0123456789", 1, IFNAMSIZ, "bridges of overlay networks" },
		{ "vx", "0123456789", 1, IFNAMSIZ, "VXLAN devices of overlay networks" },
		{ "ve", "0123456789abcdef", 12, 12, "ports of containers" },
	};

	if (state_port_in_host(name))
		return "ports of containers";
	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		size_t len = strlen(own[i].begin);

		if (!own[i].digits && strcmp(name, own[i].begin) == 0)
			return own[i].of;
		if (own[i].digits && strncmp(name, own[i].begin, len) == 0 &&
		    is_digits(name + len, own[i].least, own[i].most, own[i].digits))
			return own[i].of;
	}
	return NULL;
}

static void set_bridge(const struct parse *p)
{
	const char *of = own_device(p->value);

	if (of)
		err_add(p->e, -EINVAL, "option %s: \"%s\" is ovl's own name of %s; take another",
			p->key, p->value, of);
	else
		set_device(p, p->ret->bridge);
}

static void set_parent(const struct parse *p)
{
	set_device(p, p->ret->parent);
}

static void set_mode(const struct parse *p)
{
	static const char *const macvlan[] = { "bridge", "private", "vepa", "passthru" };
	static const char *const ipvlan[] = { "l2", "l3", "l3s" };
	bool mac = p->ret->driver == NETOPT_MACVLAN;

	if (parse_word(p, mac ? macvlan : ipvlan, mac ? ARRAY_SIZE(macvlan) : ARRAY_SIZE(ipvlan)) >=
	    0)
		snprintf(p->ret->mode, sizeof(p->ret->mode), "%s", p->value);
}

/* ---- keys ---- */

#define D(driver) (1u << NETOPT_##driver)
#define DOCKER_BRIDGE "com.docker.network.bridge."

static const struct key {
	const char *name;
	const char *docker; /* Docker's word for it */
	unsigned drivers;
	void (*set)(const struct parse *p);
} keys[] = {
	{ "mtu", "com.docker.network.driver.mtu",
	  D(OVERLAY) | D(BRIDGE) | D(MACVLAN) | D(IPVLAN) | D(EGRESS), set_mtu },
	{ "vni", NULL, D(OVERLAY), set_vni },
	{ "flood", NULL, D(OVERLAY), set_flood },
	{ "port-security", NULL, D(OVERLAY) | D(BRIDGE), set_security },
	{ "bridge.name", DOCKER_BRIDGE "name", D(BRIDGE), set_bridge },
	{ "icc", DOCKER_BRIDGE "enable_icc", D(BRIDGE), set_icc },
	{ "masquerade", DOCKER_BRIDGE "enable_ip_masquerade", D(BRIDGE), set_masquerade },
	{ "host-binding-ipv4", DOCKER_BRIDGE "host_binding_ipv4", D(BRIDGE), set_host_binding },
	{ "gateway-mode", DOCKER_BRIDGE "gateway_mode_ipv4", D(BRIDGE), set_gateway_mode },
	{ "parent", NULL, D(MACVLAN) | D(IPVLAN), set_parent },
	{ "mode", "macvlan_mode", D(MACVLAN), set_mode },
	{ "mode", "ipvlan_mode", D(IPVLAN), set_mode },
};

static const struct key *find(enum netopt_driver d, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct key *k = &keys[i];

		if (!(k->drivers & 1u << d))
			continue;
		if (strcmp(k->name, name) == 0 || (k->docker && strcmp(k->docker, name) == 0))
			return k;
	}
	return NULL;
}

static void unknown(enum netopt_driver d, const char *name, struct err *e)
{
	_cleanup_buf_ struct buf b;

	buf_init(&b, ERR_TEXT_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].drivers & 1u << d)
			buf_printf(&b, "%s%s", b.len ? ", " : "", keys[i].name);
	}
	err_add(e, -EINVAL, "option %.64s: not known to driver %s (known: %s)", name, drivers[d],
		b.len ? b.data : "none");
}

static void parse_one(const struct kv_pairs *options, size_t i, const char **given, bool ipv6,
		      struct netopt *ret, struct err *e)
{
	const char *name = options->v[i].key, *value = options->v[i].value;
	const struct parse p = {
		.key = name, .value = value ? value : "", .ipv6 = ipv6, .ret = ret, .e = e
	};
	const struct key *k = find(ret->driver, name);
	const char **before = k ? &given[k - keys] : NULL;

	if (!k) {
		unknown(ret->driver, name, e);
		return;
	}
	if (*before)
		err_add(e, -EINVAL, "option %s: given as %s already", name, *before);
	else
		k->set(&p);
	*before = name;
}

int netopt_parse(enum netopt_driver d, const struct kv_pairs *options, bool ipv6,
		 struct netopt *ret, struct err *e)
{
	const char *given[ARRAY_SIZE(keys)] = { NULL };
	struct err one = { 0 };

	*ret = (struct netopt){ .driver = d, .flood = true, .icc = true, .masquerade = true };
	if (d == NETOPT_MACVLAN || d == NETOPT_IPVLAN)
		snprintf(ret->mode, sizeof(ret->mode), "%s", d == NETOPT_MACVLAN ? "bridge" : "l2");
	for (size_t i = 0; options && i < options->n; i++)
		parse_one(options, i, given, ipv6, ret, &one);
	if ((d == NETOPT_MACVLAN || d == NETOPT_IPVLAN) && !given[find(d, "parent") - keys])
		err_add(&one, -EINVAL,
			"driver %s needs the interface of the host that it is to use (-o parent=eth0)",
			drivers[d]);
	if (one.code < 0)
		err_add(e, one.code, "%s", one.text);
	return one.code;
}
