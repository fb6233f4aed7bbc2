/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "agent/ctl/cmd.h"
#include "agent/ctl/dns_text.h"
#include "base/mem.h"

/* An address is asked for by the name that its PTR record has. */
static char *query_path(const char *name, const char *type, const char *network,
			const char *container)
{
	_cleanup_free_ char *reverse =
		!type || strcasecmp(type, "PTR") == 0 ? dns_text_reverse(name) : NULL;
	_cleanup_free_ char *n = client_escape(reverse ? reverse : name);
	_cleanup_free_ char *t = client_escape(type ? type : reverse ? "PTR" : "A");
	_cleanup_free_ char *whom = NULL;

	if (network || container)
		whom = client_escape(network ? network : container);
	return mem_printf("/dns/query?name=%s&type=%s%s%s", n, t,
			  network   ? "&network=" :
			  container ? "&container=" :
				      "",
			  whom ? whom : "");
}

static void print_answer(const cJSON *reply, bool asked_as)
{
	_cleanup_free_ char *text = dns_text_answer(reply, asked_as);

	printf("%s", text);
}

static int run_query(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_free_ char *network = NULL, *container = NULL, *format = NULL, *path = NULL;
	int as_json = 0, status, r;
	const struct poptOption opts[] = {
		{ "network", 0, POPT_ARG_STRING, &network, 0, "As on that network alone",
		  "NETWORK" },
		{ "container", 0, POPT_ARG_STRING, &container, 0,
		  "As that container of this node: its name, that of its endpoint or of its "
		  "network namespace, pid:N, a path",
		  "CONTAINER" },
		{ "json", 0, POPT_ARG_NONE, &as_json, 0, "The same as --format json", NULL },
		{ "format", 0, POPT_ARG_STRING, &format, 0, "table or json", "FORMAT" },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *reply = NULL;
	struct err e = { 0 };
	bool json;

	if (!ctl_parse(cmd, argc, argv, opts, 1, 2, &args, &status) ||
	    !ctl_format(cmd, format, &json, &status))
		return status;
	if (!*args.v[0])
		return ctl_usage(cmd, "an empty name");
	if (network && container)
		return ctl_usage(
			cmd,
			"--network and --container: a container is told of all its networks, give one of the two");
	path = query_path(args.v[0], args.n > 1 ? args.v[1] : NULL, network, container);
	r = client_call(ctl->client, "GET", path, NULL, &reply, &e);
	if (r < 0) {
		ctl_fail(&e);
		return r == -EINVAL ? CTL_USAGE : CTL_FAILED;
	}
	if (json || as_json)
		ctl_print_json(reply);
	else
		print_answer(reply, !network && !container);
	return dns_text_found(reply) ? 0 : CTL_FAILED;
}

const struct ctl_command cmd_dns[] = {
	{ "dns query", "NAME|ADDRESS [TYPE]",
	  "Ask for a name as a container would, and show why it is told that.\n\n"
	  "TYPE is A where it is left out, PTR for an address. Without --network and --container the\n"
	  "question is asked as by a container on all networks of this node's containers and, of\n"
	  "the cluster's, all there are. Search domains are not tried.\n"
	  "Exit status: 0 there are records; 1 there are none, or something failed; 2 wrong usage.",
	  run_query },
	{ 0 },
};
