/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "agent/api/body.h"
#include "agent/ctl/cmd.h"
#include "agent/ctl/table.h"
#include "base/mem.h"

/* ---- create ---- */

struct create_options {
	char *driver;
	char **subnets, **gateways, **ranges, **aux, **labels, **options;
	int ipv6, internal;
};

static void create_options_done(struct create_options *o)
{
	free(o->driver);
	ctl_argv_free(&o->subnets);
	ctl_argv_free(&o->gateways);
	ctl_argv_free(&o->ranges);
	ctl_argv_free(&o->aux);
	ctl_argv_free(&o->labels);
	ctl_argv_free(&o->options);
}

static int create_body(const struct ctl_command *cmd, const struct create_options *o,
		       const char *name, struct body_network *b)
{
	int status = 0;

	b->name = mem_strdup(name);
	b->driver = mem_strdup(o->driver);
	b->ipv6 = o->ipv6;
	b->internal = o->internal;
	ctl_argv_strv(o->subnets, &b->subnets);
	ctl_argv_strv(o->gateways, &b->gateways);
	ctl_argv_strv(o->ranges, &b->ip_ranges);
	if (!ctl_argv_pairs(cmd, "--aux-address", o->aux, false, &b->aux, &status) ||
	    !ctl_argv_pairs(cmd, "--opt", o->options, false, &b->options, &status))
		return status;
	ctl_argv_pairs(cmd, "--label", o->labels, true, &b->labels, &status);
	return status;
}

static int create_call(struct ctl *ctl, const struct body_network *b)
{
	_cleanup_json_ cJSON *body = body_network_encode(b), *reply = NULL;
	_cleanup_free_ char *what = mem_printf("network %s to be created", b->name);
	struct err e = { 0 };

	client_set_waiting(ctl->client, what);
	if (client_call(ctl->client, "POST", "/networks/create", body, &reply, &e) < 0)
		return ctl_fail(&e);
	if (*ctl_text(reply, "Warning"))
		fprintf(stderr, "WARNING: %s\n", ctl_text(reply, "Warning"));
	printf("%s\n", ctl_text(reply, "Id"));
	return 0;
}

static int run_create(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_(create_options_done) struct create_options o = { 0 };
	const struct poptOption opts[] = {
		{ "driver", 'd', POPT_ARG_STRING, &o.driver, 0,
		  "overlay, bridge, macvlan, ipvlan (default: overlay where etcd is configured, else bridge)",
		  "DRIVER" },
		{ "subnet", 0, POPT_ARG_ARGV, &o.subnets, 0,
		  "Subnet, e.g. 10.1.0.0/24 (repeatable; default: a free one)", "CIDR" },
		{ "gateway", 0, POPT_ARG_ARGV, &o.gateways, 0,
		  "Gateway of a subnet (repeatable; default: its first address)", "IP" },
		{ "ip-range", 0, POPT_ARG_ARGV, &o.ranges, 0,
		  "Part of a subnet that addresses are chosen from (repeatable)", "CIDR" },
		{ "aux-address", 0, POPT_ARG_ARGV, &o.aux, 0,
		  "Address that is never given to an endpoint (repeatable)", "NAME=IP" },
		{ "ipv6", 0, POPT_ARG_NONE, &o.ipv6, 0,
		  "IPv6 as well (without an IPv6 --subnet: a free one)", NULL },
		{ "internal", 0, POPT_ARG_NONE, &o.internal, 0,
		  "No way out of the network, and none in", NULL },
		{ "label", 0, POPT_ARG_ARGV, &o.labels, 0, "Label (repeatable)", "K=V" },
		{ "opt", 'o', POPT_ARG_ARGV, &o.options, 0,
		  "Option of the driver, below (repeatable)", "K=V" },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_(body_network_done) struct body_network b = { 0 };
	int status;

	if (!ctl_parse(cmd, argc, argv, opts, 1, 1, &args, &status))
		return status;
	status = create_body(cmd, &o, args.v[0], &b);
	return status ? status : create_call(ctl, &b);
}

/* ---- ls ---- */

static void print_list(const cJSON *list, bool full)
{
	static const char *const headings[] = { "NETWORK ID", "NAME", "DRIVER", "SCOPE", NULL };
	struct table *t = table_new(headings);
	const cJSON *net;
	char id[16];

	cJSON_ArrayForEach(net, list) {
		const char *const cells[] = { ctl_id(net, "Id", full, id), ctl_text(net, "Name"),
					      ctl_text(net, "Driver"), ctl_text(net, "Scope") };

		table_row(t, cells);
	}
	table_print(t);
	table_free(t);
}

static int run_ls(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	return ctl_list(ctl, cmd, argc, argv, "/networks",
			"driver, id, label, name, scope, type, dangling (repeatable)", print_list);
}

/* ---- inspect, rm, prune ---- */

static int run_inspect(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_strv_ struct strv args = { 0 };
	int status;

	if (!ctl_parse(cmd, argc, argv, NULL, 1, -1, &args, &status))
		return status;
	return ctl_inspect_each(ctl, "/networks/", "", &args);
}

static int run_rm(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	int force = 0, status;
	const struct poptOption opts[] = {
		{ "force", 'f', POPT_ARG_NONE, &force, 0, "One that does not exist is no error",
		  NULL },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };

	if (!ctl_parse(cmd, argc, argv, opts, 1, -1, &args, &status))
		return status;
	return ctl_remove_each(ctl, "/networks/", &args, force);
}

static int run_prune(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	int force = 0, cluster = 0, status;
	const struct poptOption opts[] = {
		{ "force", 'f', POPT_ARG_NONE, &force, 0, "Do not ask", NULL },
		{ "cluster", 0, POPT_ARG_NONE, &cluster, 0,
		  "Networks of the cluster as well, where no node has an endpoint", NULL },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *reply = NULL;
	const cJSON *names, *name;
	struct err e = { 0 };

	if (!ctl_parse(cmd, argc, argv, opts, 0, 0, &args, &status))
		return status;
	if (!ctl_confirm(cluster ?
				 "This removes all networks that no endpoint uses, on all nodes." :
				 "This removes all local networks that no endpoint uses.",
			 force))
		return CTL_FAILED;
	client_set_waiting(ctl->client, "networks to be removed");
	if (client_call(ctl->client, "POST",
			cluster ? "/networks/prune?cluster=1" : "/networks/prune", NULL, &reply,
			&e) < 0)
		return ctl_fail(&e);
	names = json_get(reply, "NetworksDeleted");
	if (names && names->child)
		printf("Deleted Networks:\n");
	cJSON_ArrayForEach(name, names) {
		printf("%s\n", cJSON_IsString(name) ? name->valuestring : "");
	}
	if (!*ctl_text(reply, "Warning"))
		return 0;
	err_set(&e, -1, "%s", ctl_text(reply, "Warning"));
	return ctl_fail(&e);
}

const struct ctl_command cmd_network[] = {
	{ "network create", "NAME",
	  "Create a network and print its id.\n"
	  "\n"
	  "Drivers and their options (-o KEY=VALUE); Docker's keys are accepted as well:\n"
	  "  overlay  of the whole cluster: mtu, vni, flood=on|off, port-security=mac+ip|mac|off\n"
	  "  bridge   of this node: mtu, bridge.name, icc=true|false, masquerade=true|false, host-binding-ipv4=IP,\n"
	  "           gateway-mode=nat|routed, port-security=mac+ip|mac|off\n"
	  "  macvlan  of this node, on the parent's segment: parent=DEVICE, mode=bridge|private|vepa|passthru, mtu\n"
	  "  ipvlan   of this node, on the parent's segment: parent=DEVICE, mode=l2|l3|l3s, mtu\n"
	  "\n"
	  "  icc=false            its containers reach each other by published ports only\n"
	  "  masquerade=false     they go out with their own address\n"
	  "  host-binding-ipv4    the host's address of published ports that name none (default: all)\n"
	  "  gateway-mode=routed  no translation: published ports, and only those, are reached at the container's own address\n"
	  "  port-security        what a container may send as: its MAC and addresses, its MAC, or anything\n"
	  "  flood=off            overlay: no broadcast and unknown MACs across hosts\n"
	  "macvlan and ipvlan need --subnet, the segment's, and want --ip-range: ovld cannot know which of its addresses are in use.\n"
	  "The networks bridge, host and none are there from the start.",
	  run_create },
	{ "network ls", "",
	  "List networks: those of this node (SCOPE local) and of the cluster (global).", run_ls },
	{ "network inspect", "NETWORK...", "Show networks in full, as JSON.", run_inspect },
	{ "network rm", "NETWORK...", "Remove networks that no endpoint uses.", run_rm },
	{ "network prune", "",
	  "Remove all networks of this node that no endpoint uses; --cluster: of the cluster as well.",
	  run_prune },
	{ 0 },
};
