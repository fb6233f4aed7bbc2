/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/ctl/cmd.h"
#include "agent/ctl/spawn.h"
#include "base/mem.h"

struct run_options {
	char *name, *ip, *ip6, *mac;
	char **networks, **aliases, **ifnames;
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
	int r = text ? ip_parse(text, ret, e) : 0;

	if (r == 0 && text && ret->family != family)
		r = err_set(e, -EINVAL, "%s is not an IPv%d address", text,
			    family == AF_INET ? 4 : 6);
	err_prefix(r < 0 ? e : NULL, "%s", option);
	return r;
}

/* Return: 0, else the exit status. */
static int make_request(const struct ctl_command *cmd, const struct run_options *o,
			struct run_request *q)
{
	struct err e = { 0 };
	int r = take_ip("--ip", o->ip, AF_INET, &q->ip4, &e);

	if (r == 0)
		r = take_ip("--ip6", o->ip6, AF_INET6, &q->ip6, &e);
	if (r == 0 && o->mac) {
		r = mac_parse(o->mac, &q->mac, &e);
		err_prefix(r < 0 ? &e : NULL, "--mac");
	}
	if (r < 0)
		return ctl_usage(cmd, "%s", err_text(&e));
	q->name = mem_strdup(o->name);
	q->detach = o->detach;
	ctl_argv_strv(o->networks, &q->networks);
	ctl_argv_strv(o->aliases, &q->aliases);
	ctl_argv_strv(o->ifnames, &q->ifnames);
	if (q->networks.n > RUN_NETWORKS_MAX || q->aliases.n > RUN_NETWORKS_MAX)
		return ctl_usage(cmd, "more than %d networks or aliases", RUN_NETWORKS_MAX);
	if (q->networks.n == 0 && (o->ip || o->ip6 || o->mac || q->aliases.n || q->ifnames.n))
		return ctl_usage(cmd, "--ip, --ip6, --mac, --alias and --ifname need a --network");
	if (q->ifnames.n > q->networks.n)
		return ctl_usage(cmd, "more --ifname than --network");
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
		  "Network to join (repeatable: eth0, eth1, ... in this order; default: none)",
		  "NETWORK" },
		{ "ip", 0, POPT_ARG_STRING, &o.ip, 0, "IPv4 address in the first network", "IP" },
		{ "ip6", 0, POPT_ARG_STRING, &o.ip6, 0, "IPv6 address in the first network", "IP" },
		{ "mac", 0, POPT_ARG_STRING, &o.mac, 0, "MAC in the first network", "MAC" },
		{ "alias", 0, POPT_ARG_ARGV, &o.aliases, 0,
		  "Further name in the networks (repeatable)", "NAME" },
		{ "ifname", 0, POPT_ARG_ARGV, &o.ifnames, 0,
		  "Name of the interface in the first, second, ... network (repeatable)", "NAME" },
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
	  "Run a command in a new network namespace.\n"
	  "Exit status: the command's; 127: not found, 126: not executable. When it ends, its endpoints go and its name is free.",
	  run_run, .posix = true },
	{ 0 },
};
