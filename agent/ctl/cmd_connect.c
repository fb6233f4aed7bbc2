/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/api/body.h"
#include "agent/ctl/cmd.h"
#include "agent/ctl/names.h"
#include "base/mem.h"

/* Relative paths are ovlctl's, not ovld's. */
static char *absolute_target(const char *text)
{
	_cleanup_free_ char *cwd = NULL;

	if (text[0] == '/' || !strchr(text, '/'))
		return mem_strdup(text);
	cwd = getcwd(NULL, 0);
	return mem_printf("%s/%s", cwd ? cwd : "", text);
}

static bool take_ip(const struct ctl_command *cmd, const char *option, const char *text, int family,
		    struct ip *ret, int *ret_status)
{
	struct err e = { 0 };

	if (!text)
		return true;
	if (ip_parse(text, ret, &e) < 0)
		*ret_status = ctl_usage(cmd, "%s: %s", option, err_text(&e));
	else if (ret->family != family)
		*ret_status = ctl_usage(cmd, "%s: %s is not an IPv%d address", option, text,
					family == AF_INET ? 4 : 6);
	else
		return true;
	return false;
}

static bool take_mac(const struct ctl_command *cmd, const char *text, struct mac *ret,
		     int *ret_status)
{
	struct err e = { 0 };

	if (!text || mac_parse(text, ret, &e) == 0)
		return true;
	*ret_status = ctl_usage(cmd, "--mac: %s", err_text(&e));
	return false;
}

static bool take_publish(const struct ctl_command *cmd, char *const *v, struct body_publishes *ret,
			 int *ret_status)
{
	struct err e = { 0 };

	for (; v && *v; v++) {
		if (body_publish_parse(*v, ret, &e) < 0) {
			*ret_status = ctl_usage(cmd, "--publish: %s", err_text(&e));
			return false;
		}
	}
	return true;
}

static int call(struct ctl *ctl, const char *net, const char *verb, const char *target,
		const cJSON *body)
{
	_cleanup_free_ char *name = client_escape(net);
	_cleanup_free_ char *path = mem_printf("/networks/%s/%s", name, verb);
	_cleanup_free_ char *what = mem_printf("%s to be %sed", target, verb);
	struct err e = { 0 };

	client_set_waiting(ctl->client, what);
	if (client_call(ctl->client, "POST", path, body, NULL, &e) < 0)
		return ctl_fail(&e);
	return 0;
}

struct connect_options {
	char *ip, *ip6, *mac, *name, *ifname;
	char **aliases, **publish;
	int gw_priority;
	struct names_options names;
};

static void connect_options_done(struct connect_options *o)
{
	free(o->ip);
	free(o->ip6);
	free(o->mac);
	free(o->name);
	free(o->ifname);
	ctl_argv_free(&o->aliases);
	ctl_argv_free(&o->publish);
	names_options_done(&o->names);
}

static bool take_names(const struct ctl_command *cmd, const struct names_options *o,
		       struct body_names *ret, int *ret_status)
{
	struct err e = { 0 };

	if (names_take(o, ret, &e) == 0)
		return true;
	*ret_status = ctl_usage(cmd, "%s", err_text(&e));
	return false;
}

static int connect_with(struct ctl *ctl, const struct ctl_command *cmd,
			const struct connect_options *o, const struct strv *args)
{
	_cleanup_(body_connect_done) struct body_connect b = { 0 };
	_cleanup_json_ cJSON *body = NULL;
	int status;

	if (!take_ip(cmd, "--ip", o->ip, AF_INET, &b.ip4, &status) ||
	    !take_ip(cmd, "--ip6", o->ip6, AF_INET6, &b.ip6, &status) ||
	    !take_mac(cmd, o->mac, &b.mac, &status) ||
	    !take_publish(cmd, o->publish, &b.publish, &status) ||
	    !take_names(cmd, &o->names, &b.names, &status))
		return status;
	b.target = absolute_target(args->v[1]);
	b.name = mem_strdup(o->name);
	b.ifname = mem_strdup(o->ifname);
	b.gw_priority = o->gw_priority;
	ctl_argv_strv(o->aliases, &b.aliases);
	body = body_connect_encode(&b);
	return call(ctl, args->v[0], "connect", b.target, body);
}

static int run_connect(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_(connect_options_done) struct connect_options o = { 0 };
	const struct poptOption opts[] = {
		{ "ip", 0, POPT_ARG_STRING, &o.ip, 0, "IPv4 address (default: a free one)", "IP" },
		{ "ip6", 0, POPT_ARG_STRING, &o.ip6, 0, "IPv6 address (default: a free one)",
		  "IP" },
		{ "mac", 0, POPT_ARG_STRING, &o.mac, 0, "MAC (default: from the IPv4 address)",
		  "MAC" },
		{ "alias", 0, POPT_ARG_ARGV, &o.aliases, 0, "Further name (repeatable)", "NAME" },
		{ "network-alias", 0, POPT_ARG_ARGV | POPT_ARGFLAG_DOC_HIDDEN, &o.aliases, 0, NULL,
		  NULL },
		{ "name", 0, POPT_ARG_STRING, &o.name, 0,
		  "Name of the endpoint (default: the target's)", "NAME" },
		{ "ifname", 0, POPT_ARG_STRING, &o.ifname, 0,
		  "Name of the interface (default: the first free ethN)", "NAME" },
		{ "publish", 'p', POPT_ARG_ARGV, &o.publish, 0,
		  "Port of the host that leads to one of the target, as for run (repeatable)",
		  "[[IP:]PORT:]CPORT[/PROTO]" },
		{ "gw-priority", 0, POPT_ARG_INT, &o.gw_priority, 0,
		  "The network with the highest has the default route (default: 0)", "N" },
		{ "hostname", 0, POPT_ARG_STRING, &o.names.hostname, 0,
		  "Host name that it is found by too; the namespace's own is not changed", "NAME" },
		NAMES_OPTIONS(&o.names),
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	int status;

	if (!ctl_parse(cmd, argc, argv, opts, 2, 2, &args, &status))
		return status;
	return connect_with(ctl, cmd, &o, &args);
}

static int run_disconnect(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	int force = 0, status;
	const struct poptOption opts[] = {
		{ "force", 'f', POPT_ARG_NONE, &force, 0,
		  "Also an endpoint of a node that is gone; one that does not exist is no error",
		  NULL },
		POPT_TABLEEND,
	};
	_cleanup_(body_disconnect_done) struct body_disconnect b = { 0 };
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *body = NULL;

	if (!ctl_parse(cmd, argc, argv, opts, 2, 2, &args, &status))
		return status;
	b.target = absolute_target(args.v[1]);
	b.force = force;
	body = body_disconnect_encode(&b);
	return call(ctl, args.v[0], "disconnect", b.target, body);
}

const struct ctl_command cmd_connect[] = {
	{ "network connect", "NETWORK TARGET",
	  "Join a network namespace to a network.\nTARGET: a path, pid:N, netns:NAME, run:NAME, or bare: digits are a pid,\n"
	  "else the name of a container of `ovlctl run`, else that of a network namespace.",
	  run_connect },
	{ "network disconnect", "NETWORK TARGET",
	  "Take a network namespace off a network.\nTARGET: as for connect, or the endpoint's name or id.",
	  run_disconnect },
	{ 0 },
};
