/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "agent/api/body.h"
#include "agent/ctl/cmd.h"
#include "agent/ctl/dns_text.h"
#include "base/mem.h"

#define INFO_WIDTH 24

/* ---- info ---- */

static unsigned long long count(const cJSON *j, const char *key)
{
	uint64_t v = 0;

	if (cJSON_IsObject(j))
		json_get_u64(j, key, 0, UINT64_MAX, &v, NULL);
	return v;
}

static void label(const char *name)
{
	printf("%-*s", INFO_WIDTH, name);
}

static void text(const char *name, const char *value)
{
	label(name);
	printf("%s\n", *value ? value : "-");
}

static void print_etcd(const cJSON *list)
{
	const cJSON *ep;

	if (!list || !list->child)
		text("etcd:", "none configured");
	cJSON_ArrayForEach(ep, list) {
		label(ep == list->child ? "etcd:" : "");
		printf("%s %s%s%s\n", ctl_text(ep, "Endpoint"),
		       cJSON_IsTrue(json_get(ep, "Up")) ? "up" : "down",
		       *ctl_text(ep, "Error") ? ": " : "", ctl_text(ep, "Error"));
	}
}

static void print_cluster(const cJSON *c)
{
	const cJSON *found = c ? json_get(c, "Found") : NULL;

	if (strcmp(ctl_text(c, "State"), "standalone") == 0) {
		text("Cluster:", "none, this node is standalone: no networks across hosts");
		return;
	}
	label("Cluster:");
	printf("%s, %s, revision %llu\n", ctl_text(c, "State"),
	       cJSON_IsTrue(json_get(c, "Link")) ? "connected" : "not connected",
	       count(c, "Revision"));
	text("  Id:", ctl_text(c, "Id"));
	label("  Epoch:");
	printf("%llu\n", count(c, "Epoch"));
	if (!found)
		return;
	label("  In etcd:");
	if (*ctl_text(found, "Id"))
		printf("cluster %s, epoch %llu", ctl_text(found, "Id"), count(found, "Epoch"));
	else
		printf("no cluster");
	printf(": nothing is deleted; `ovlctl cluster adopt` takes it as ours\n");
}

static void print_reconcile(const cJSON *r)
{
	label("Kernel:");
	printf("%s, %llu passes, %llu objects written, %llu repaired, %llu failures\n",
	       cJSON_IsTrue(json_get(r, "Ready")) ? "in step" : "not read yet", count(r, "Passes"),
	       count(r, "Writes"), count(r, "DriftRepaired"), count(r, "Failures"));
	if (count(r, "BackingOff") > 0) {
		label("  Backing off:");
		printf("%llu networks\n", count(r, "BackingOff"));
	}
	if (*ctl_text(r, "LastError"))
		text("  Last error:", ctl_text(r, "LastError"));
}

static void print_host(const cJSON *j)
{
	const cJSON *egress = json_get(j, "Egress"), *published = json_get(j, "Published");
	const cJSON *subnet, *item;

	if (egress) {
		label("Way out of overlays:");
		printf("%s", ctl_text(egress, "Interface"));
		cJSON_ArrayForEach(subnet, json_get(egress, "Subnets"))
			printf(" %s", cJSON_IsString(subnet) ? subnet->valuestring : "");
		printf("\n");
	}
	label("Published ports:");
	printf("%llu, %llu connections and %llu UDP clients relayed\n", count(published, "Ports"),
	       count(published, "TcpRelays"), count(published, "UdpRelays"));
	cJSON_ArrayForEach(item, json_get(j, "SwitchedOn")) {
		label(item == json_get(j, "SwitchedOn")->child ? "Switched on:" : "");
		printf("%s\n", cJSON_IsString(item) ? item->valuestring : "");
	}
}

static void print_names(const cJSON *dns)
{
	_cleanup_free_ char *lines = dns_text_info(dns, INFO_WIDTH);

	printf("%s", lines);
}

static void print_surroundings(const cJSON *s)
{
	const cJSON *f;

	if (!s)
		return;
	text("firewalld:", ctl_text(s, "Firewalld"));
	cJSON_ArrayForEach(f, json_get(s, "Findings")) {
		bool problem = strcmp(ctl_text(f, "Level"), "problem") == 0;

		label(problem ? "WARNING:" : "Note:");
		printf("%s\n", ctl_text(f, "What"));
		if (*ctl_text(f, "Cure"))
			text("  to do:", ctl_text(f, "Cure"));
	}
}

static void print_conflicts(const cJSON *list)
{
	const cJSON *c;

	cJSON_ArrayForEach(c, list) {
		label(c == list->child ? "Conflicts:" : "");
		printf("network %s of this node and network %s of the cluster",
		       ctl_text(c, "Network"), ctl_text(c, "Other"));
		if (cJSON_IsTrue(json_get(c, "SameName")))
			printf(" share a name%s", *ctl_text(c, "Subnet") ? ", and" : "");
		if (*ctl_text(c, "Subnet"))
			printf(" overlap (%s)", ctl_text(c, "Subnet"));
		printf("\n");
	}
}

static void print_counts(const cJSON *j)
{
	const cJSON *cluster = json_get(j, "Cluster");

	if (strcmp(ctl_text(cluster, "State"), "standalone") == 0) {
		label("Networks:");
		printf("%llu\n", count(j, "LocalNetworks"));
		label("Endpoints:");
		printf("%llu\n", count(j, "LocalEndpoints"));
		return;
	}
	label("Nodes:");
	printf("%llu, %llu up\n", count(j, "Nodes"), count(j, "NodesUp"));
	label("Networks:");
	printf("%llu of the cluster, %llu of this node alone\n", count(j, "Networks"),
	       count(j, "LocalNetworks"));
	label("Endpoints:");
	printf("%llu on networks of the cluster; %llu on this node, on any network\n",
	       count(j, "Endpoints"), count(j, "LocalEndpoints"));
}

static void print_info(const cJSON *j)
{
	const cJSON *node = json_get(j, "Node");

	text("Node:", ctl_text(node, "Name"));
	text("  Id:", ctl_text(node, "Id"));
	text("  Address:", ctl_text(node, "Vtep"));
	label("  Underlay MTU:");
	printf("%llu\n", count(node, "Mtu"));
	text("Version:", ctl_text(j, "Version"));
	print_etcd(json_get(j, "Etcd"));
	print_cluster(json_get(j, "Cluster"));
	print_counts(j);
	print_host(j);
	print_names(json_get(j, "Dns"));
	print_surroundings(json_get(j, "Surroundings"));
	print_conflicts(json_get(j, "Conflicts"));
	print_reconcile(json_get(j, "Reconcile"));
	if (json_get(j, "ForeignVxlanDropped")) {
		label("Foreign VXLAN dropped:");
		printf("%llu packets\n", count(j, "ForeignVxlanDropped"));
	}
	text("Log level:", ctl_text(j, "LogLevel"));
	text("Overlay namespace:", ctl_text(j, "OverlayNetns"));
	text("State directory:", ctl_text(j, "StateDir"));
}

static int run_info(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_free_ char *format = NULL;
	const struct poptOption opts[] = {
		{ "format", 0, POPT_ARG_STRING, &format, 0, "table or json", "FORMAT" },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *j = NULL;
	struct err e = { 0 };
	int status;
	bool json;

	if (!ctl_parse(cmd, argc, argv, opts, 0, 0, &args, &status) ||
	    !ctl_format(cmd, format, &json, &status))
		return status;
	if (client_call(ctl->client, "GET", "/info", NULL, &j, &e) < 0)
		return ctl_fail(&e);
	if (json)
		ctl_print_json(j);
	else
		print_info(j);
	return 0;
}

/* ---- version ---- */

static void print_version(const cJSON *server)
{
	printf("Client:\n Version:         %s\n", OVL_VERSION);
	if (!server)
		return;
	printf("\nServer:\n Version:         %s\n API version:     %s\n OS/Arch:         %s/%s\n"
	       " Kernel:          %s\n",
	       ctl_text(server, "Version"), ctl_text(server, "ApiVersion"), ctl_text(server, "Os"),
	       ctl_text(server, "Arch"), ctl_text(server, "KernelVersion"));
}

static int run_version(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_free_ char *format = NULL;
	const struct poptOption opts[] = {
		{ "format", 0, POPT_ARG_STRING, &format, 0, "table or json", "FORMAT" },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *both = cJSON_CreateObject();
	cJSON *server = NULL;
	struct err e = { 0 };
	int status, r;
	bool json;

	if (!ctl_parse(cmd, argc, argv, opts, 0, 0, &args, &status) ||
	    !ctl_format(cmd, format, &json, &status))
		return status;
	r = client_call(ctl->client, "GET", "/version", NULL, &server, &e);
	json_put_str(cJSON_AddObjectToObject(both, "Client"), "Version", OVL_VERSION);
	cJSON_AddItemToObject(both, "Server", server ? server : cJSON_CreateNull());
	if (json)
		ctl_print_json(both);
	else
		print_version(server);
	return r < 0 ? ctl_fail(&e) : 0;
}

/* ---- log level ---- */

static int run_log_level(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *body = NULL;
	struct err e = { 0 };
	int status;

	if (!ctl_parse(cmd, argc, argv, NULL, 1, 1, &args, &status))
		return status;
	body = body_log_level_encode(&(struct body_log_level){ .level = args.v[0] });
	if (client_call(ctl->client, "PUT", "/log-level", body, NULL, &e) < 0)
		return ctl_fail(&e);
	return 0;
}

const struct ctl_command cmd_info[] = {
	{ "info", "", "Show the state of this node and of its cluster.", run_info },
	{ "version", "", "Show the versions of ovlctl and ovld.", run_version },
	{ "log-level", "error|warn|info|debug", "Change what ovld logs, until it is restarted.",
	  run_log_level },
	{ 0 },
};
