/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/ctl/cmd.h"
#include "agent/ctl/names.h"
#include "agent/ctl/spawn.h"
#include "base/mem.h"

#define DEFAULT_NETWORK "bridge"

struct run_options {
	char *name, *ip, *ip6, *mac;
	char **networks, **aliases, **ifnames, **publish;
	struct names_options names;
	int detach;
};

static void run_options_done(struct run_options *o)
{
	free(o->name);
	free(o->ip);
	free(o->ip6);
	free(o->mac);
	ctl_argv_free(&o->networks);
	ctl_argv_free(&o->aliases);
	ctl_argv_free(&o->ifnames);
	ctl_argv_free(&o->publish);
	names_options_done(&o->names);
}

/* The supervisor will look from another working directory. */
static char *absolute(const char *path)
{
	_cleanup_free_ char *cwd = NULL;

	if (path[0] == '/')
		return mem_strdup(path);
	cwd = getcwd(NULL, 0);
	return mem_printf("%s/%s", cwd ? cwd : "", path);
}

static int take_ip(const char *option, const char *text, int family, struct ip *ret, struct err *e)
{
	struct ip ip = { 0 };
	int r = text ? ip_parse(text, &ip, e) : 0;

	if (!text)
		return 0;
	if (r == 0 && ip.family != family)
		r = err_set(e, -EINVAL, "%s is not an IPv%d address", text,
			    family == AF_INET ? 4 : 6);
	if (r == 0 && ip_is_set(*ret))
		r = err_set(e, -EINVAL, "the first network has an address already");
	if (r == 0)
		*ret = ip;
	err_prefix(r < 0 ? e : NULL, "%s", option);
	return r;
}

static int take_mac(const char *text, struct mac *ret, struct err *e)
{
	int r = 0;

	if (text && !mac_is_zero(*ret))
		r = err_set(e, -EINVAL, "the first network has one already");
	else if (text)
		r = mac_parse(text, ret, e);
	err_prefix(r < 0 ? e : NULL, "--mac");
	return r;
}

/* The arguments of --network, as they are. */
static int take_networks(char *const *v, struct run_request *q, struct err *e)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	if (n > RUN_NETWORKS_MAX)
		return err_set(e, -EINVAL, "--network: more than %d", RUN_NETWORKS_MAX);
	q->networks = mem_alloc_array(n + 1, sizeof(*q->networks));
	for (; q->n_networks < n; q->n_networks++) {
		int r = run_network_parse(v[q->n_networks], &q->networks[q->n_networks], e);

		if (r < 0) {
			err_prefix(e, "--network");
			return r;
		}
	}
	if (n == 0) {
		q->networks[0].name = mem_strdup(DEFAULT_NETWORK);
		q->n_networks = 1;
	}
	return 0;
}

static bool has_wishes(const struct run_network *n)
{
	return ip_is_set(n->ip4) || ip_is_set(n->ip6) || !mac_is_zero(n->mac) || n->aliases.n > 0 ||
	       n->ifname || n->gw_priority;
}

/* host, none and container:NAME stand alone: what they are, they are alone. */
static int take_mode(struct run_request *q, struct err *e)
{
	for (size_t i = 0; i < q->n_networks; i++) {
		const struct run_network *n = &q->networks[i];
		const char *container = NULL;
		enum run_mode mode = run_mode_of(n->name, &container);

		if (mode == RUN_OWN)
			continue;
		if (q->n_networks > 1)
			return err_set(e, -EINVAL, "--network %s excludes other networks", n->name);
		if (has_wishes(n))
			return err_set(
				e, -EINVAL,
				"--network %s: addresses, names and interfaces are not chosen here",
				n->name);
		if (container && !*container)
			return err_set(e, -EINVAL, "--network container: no name given");
		q->mode = mode;
		q->container = mem_strdup(container);
	}
	if (q->mode == RUN_OWN)
		return 0;
	run_network_done(&q->networks[0]);
	q->n_networks = 0;
	return 0;
}

/* Options beside --network: of the first network, or of each. */
static int take_wishes(const struct run_options *o, struct run_request *q, struct err *e)
{
	_cleanup_strv_ struct strv aliases = { 0 };
	struct run_network *first = &q->networks[0];
	int r = take_ip("--ip", o->ip, AF_INET, &first->ip4, e);

	if (r == 0)
		r = take_ip("--ip6", o->ip6, AF_INET6, &first->ip6, e);
	if (r == 0)
		r = take_mac(o->mac, &first->mac, e);
	if (r < 0)
		return r;
	ctl_argv_strv(o->aliases, &aliases);
	for (size_t i = 0; i < q->n_networks; i++) {
		for (size_t k = 0; k < aliases.n; k++)
			strv_add(&q->networks[i].aliases, aliases.v[k]);
		if (q->networks[i].aliases.n > BODY_ALIASES_MAX)
			return err_set(e, -EINVAL, "--alias: more than %d", BODY_ALIASES_MAX);
	}
	for (size_t i = 0; o->ifnames && o->ifnames[i]; i++) {
		if (i == q->n_networks)
			return err_set(e, -EINVAL, "more --ifname than --network");
		if (q->networks[i].ifname)
			return err_set(e, -EINVAL, "--ifname: network %s has one already",
				       q->networks[i].name);
		q->networks[i].ifname = mem_strdup(o->ifnames[i]);
	}
	return 0;
}

static int take_publish(char *const *v, struct run_request *q, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && v && v[i]; i++)
		r = body_publish_parse(v[i], &q->publish, e);
	err_prefix(r < 0 ? e : NULL, "--publish");
	return r;
}

/* What the mode says to them. */
static int check_publish(struct run_request *q, struct err *e)
{
	if (q->publish.n == 0 || q->mode == RUN_OWN)
		return 0;
	if (q->mode != RUN_HOST)
		return err_set(e, -EINVAL, "--publish is not possible with --network %s",
			       q->mode == RUN_NONE ? "none" :
						     "container:NAME: publish at that container");
	fprintf(stderr, "WARNING: Published ports are discarded when using host network mode\n");
	body_publishes_done(&q->publish);
	return 0;
}

/* Nobody is asked where there is no network of its own: /etc/resolv.conf and /etc/hosts are the host's, or the other container's. */
static int check_names(struct run_request *q, struct err *e)
{
	const struct body_names *n = &q->names;
	const struct {
		const char *option;
		size_t n;
	} given[] = {
		{ "--link", n->links.n },
		{ "--expose", n->n_expose },
		{ "--dns", n->dns.n },
		{ "--dns-search", n->dns_search.n },
		{ "--dns-option", n->dns_options.n },
		{ "--add-host", n->extra_hosts.n },
		{ "--hostname", q->mode == RUN_SHARED && n->hostname },
	};

	if (n->hostname && strlen(n->hostname) > RUN_HOSTNAME_MAX)
		return err_set(e, -EINVAL, "--hostname: longer than %d characters",
			       RUN_HOSTNAME_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(given) && q->mode != RUN_OWN; i++) {
		if (given[i].n > 0)
			return err_set(e, -EINVAL, "%s is not possible with --network %s",
				       given[i].option,
				       q->mode == RUN_HOST ? "host" :
				       q->mode == RUN_NONE ? "none" :
							     "container:NAME");
	}
	return 0;
}

/* Return: 0, else the exit status. */
static int make_request(const struct ctl_command *cmd, const struct run_options *o,
			struct run_request *q)
{
	struct err e = { 0 };
	int r = take_networks(o->networks, q, &e);

	if (r == 0)
		r = take_wishes(o, q, &e);
	if (r == 0)
		r = take_publish(o->publish, q, &e);
	if (r == 0)
		r = take_mode(q, &e);
	if (r == 0)
		r = check_publish(q, &e);
	if (r == 0)
		r = names_take(&o->names, &q->names, &e);
	if (r == 0)
		r = check_names(q, &e);
	if (r < 0)
		return ctl_usage(cmd, "%s", err_text(&e));
	q->name = mem_strdup(o->name);
	q->detach = o->detach;
	return 0;
}

static int start(const struct run_request *q, char *const *command)
{
	struct run_report report = { 0 };
	struct err e = { 0 };
	int status;

	if (!q->detach) {
		spawn_foreground(q, command, &e);
		return ctl_fail(&e);
	}
	if (spawn_detached(q, command, &report, &e) < 0)
		return ctl_fail(&e);
	status = report.status;
	if (report.error)
		fprintf(stderr, "ovlctl: %s\n", report.error);
	else
		printf("%s\n", report.name);
	run_report_done(&report);
	return status;
}

static int run_run(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_(run_options_done) struct run_options o = { 0 };
	const struct poptOption opts[] = {
		{ "detach", 'd', POPT_ARG_NONE, &o.detach, 0,
		  "In the background; its output goes to `ovlctl logs`", NULL },
		{ "name", 0, POPT_ARG_STRING, &o.name, 0, "Name (default: c- and 12 digits)",
		  "NAME" },
		{ "network", 0, POPT_ARG_ARGV, &o.networks, 0,
		  "Network to join (repeatable: eth0, eth1, ... in this order; default: bridge), or one of host, none, container:NAME",
		  "NETWORK" },
		{ "net", 0, POPT_ARG_ARGV | POPT_ARGFLAG_DOC_HIDDEN, &o.networks, 0, NULL, NULL },
		{ "publish", 'p', POPT_ARG_ARGV, &o.publish, 0,
		  "Port of the host that leads to one of the container (repeatable)",
		  "[[IP:]PORT:]CPORT[/PROTO]" },
		{ "ip", 0, POPT_ARG_STRING, &o.ip, 0, "IPv4 address in the first network", "IP" },
		{ "ip6", 0, POPT_ARG_STRING, &o.ip6, 0, "IPv6 address in the first network", "IP" },
		{ "mac", 0, POPT_ARG_STRING, &o.mac, 0, "MAC in the first network", "MAC" },
		{ "mac-address", 0, POPT_ARG_STRING | POPT_ARGFLAG_DOC_HIDDEN, &o.mac, 0, NULL,
		  NULL },
		{ "alias", 0, POPT_ARG_ARGV, &o.aliases, 0,
		  "Further name in the networks (repeatable)", "NAME" },
		{ "network-alias", 0, POPT_ARG_ARGV | POPT_ARGFLAG_DOC_HIDDEN, &o.aliases, 0, NULL,
		  NULL },
		{ "ifname", 0, POPT_ARG_ARGV, &o.ifnames, 0,
		  "Name of the interface in the first, second, ... network (repeatable)", "NAME" },
		{ "hostname", 'h', POPT_ARG_STRING, &o.names.hostname, 0,
		  "Host name (default: the name)", "NAME" },
		NAMES_OPTIONS(&o.names),
		POPT_TABLEEND,
	};
	_cleanup_(run_request_done) struct run_request q = { 0 };
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_free_ char **command = NULL;
	int status;

	if (!ctl_parse(cmd, argc, argv, opts, 1, -1, &args, &status))
		return status;
	status = make_request(cmd, &o, &q);
	if (status)
		return status;
	q.socket = absolute(client_socket(ctl->client));
	command = mem_alloc_array(args.n + 1, sizeof(*command));
	memcpy(command, args.v, args.n * sizeof(*command));
	return start(&q, command);
}

const struct ctl_command cmd_run[] = {
	{ "run", "[--] COMMAND [ARGUMENT]...",
	  "Run a command in a new network namespace, by default on the network bridge.\n"
	  "\n"
	  "  ovlctl run -d --name web -p 8080:80 -- busybox httpd -f -p 80 -h /srv/www\n"
	  "  ovlctl run --network demo -- ping 10.0.0.3\n"
	  "\n"
	  "Files, processes and users are the host's: only the network is the container's own, with its name, /etc/resolv.conf\n"
	  "and /etc/hosts.\n"
	  "\n"
	  "--network NETWORK also takes Docker's long form: name=demo,ip=10.0.0.9,ip6=fd00::9,mac-address=MAC,alias=web,\n"
	  "gw-priority=5,ifname=eth1. The network with the highest gw-priority (default 0) has the default route.\n"
	  "  host            the host's namespace: its addresses and ports\n"
	  "  none            lo alone\n"
	  "  container:NAME  the namespace of another container: its addresses, ports and lo, as long as that runs\n"
	  "\n"
	  "--publish [HOSTIP:][HOSTPORT[-END]]:CPORT[-END][/tcp|udp|sctp], or CPORT alone; an IPv6 HOSTIP in brackets. Without\n"
	  "HOSTPORT a free one is chosen (see ovlctl port); without HOSTIP every address of the host has it.\n"
	  "\n"
	  "Containers of a network find each other by name, alias and host name; on the network bridge, as in Docker, by --link\n"
	  "NAME[:ALIAS] alone. --add-host NAME:host-gateway is the address of the host. With --network host, none and container:NAME\n"
	  "none of these options is possible; --hostname is with host and none.\n"
	  "\n"
	  "Exit status: the command's; 127: not found, 126: not executable. When it ends, its endpoints go and its name is free.",
	  run_run, .posix = true },
	{ 0 },
};
