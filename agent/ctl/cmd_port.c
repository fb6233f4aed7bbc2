/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/ctl/cmd.h"
#include "base/mem.h"

/* Ports of a container; else of the endpoint with that name, wherever it is attached. */
static int get_ports(struct ctl *ctl, const char *name, cJSON **ret_reply, const cJSON **ret_ports,
		     struct err *e)
{
	_cleanup_free_ char *escaped = client_escape(name);
	_cleanup_free_ char *container = mem_printf("/containers/%s/json", escaped);
	_cleanup_free_ char *endpoint = mem_printf("/endpoints/%s", escaped);
	struct err none = { 0 };
	const cJSON *settings;
	int r = client_call(ctl->client, "GET", container, NULL, ret_reply, e);

	if (r == 0) {
		settings = json_get(*ret_reply, "NetworkSettings");
		*ret_ports = settings ? json_get(settings, "Ports") : NULL;
		return 0;
	}
	if (r != -ENOENT)
		return r;
	/* Whatever is wrong there: that there is no container is what to say first. */
	if (client_call(ctl->client, "GET", endpoint, NULL, ret_reply, &none) < 0)
		return r;
	*ret_ports = json_get(*ret_reply, "Ports");
	return 0;
}

static void print_address(const cJSON *at)
{
	const char *ip = ctl_text(at, "HostIp");

	printf(strchr(ip, ':') ? "[%s]:%s\n" : "%s:%s\n", ip, ctl_text(at, "HostPort"));
}

/* "80" is "80/tcp". */
static int print_one(const cJSON *ports, const char *name, const char *wanted)
{
	_cleanup_free_ char *key = strchr(wanted, '/') ? mem_strdup(wanted) :
							 mem_printf("%s/tcp", wanted);
	const cJSON *list = cJSON_IsObject(ports) ? json_get(ports, key) : NULL, *at;
	struct err e = { 0 };

	if (!list || !list->child) {
		err_set(&e, -ENOENT, "no public port '%s' published for %s", key, name);
		return ctl_fail(&e);
	}
	cJSON_ArrayForEach(at, list)
		print_address(at);
	return 0;
}

static int run_port(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *reply = NULL;
	const cJSON *ports = NULL, *port, *at;
	struct err e = { 0 };
	int status;

	if (!ctl_parse(cmd, argc, argv, NULL, 1, 2, &args, &status))
		return status;
	if (!*args.v[0])
		return ctl_usage(cmd, "an empty name");
	if (get_ports(ctl, args.v[0], &reply, &ports, &e) < 0)
		return ctl_fail(&e);
	if (args.n == 2)
		return print_one(ports, args.v[0], args.v[1]);
	cJSON_ArrayForEach(port, ports) {
		cJSON_ArrayForEach(at, port) {
			printf("%s -> ", port->string);
			print_address(at);
		}
	}
	return 0;
}

const struct ctl_command cmd_port[] = {
	{ "port", "NAME [PORT[/PROTO]]",
	  "List the published ports of a container or endpoint, or where one of them is.",
	  run_port },
	{ 0 },
};
