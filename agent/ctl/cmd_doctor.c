/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "agent/ctl/cmd.h"

static void print_findings(const cJSON *list)
{
	const cJSON *f;

	cJSON_ArrayForEach(f, list) {
		printf("%s: %s\n", ctl_text(f, "Area"), ctl_text(f, "What"));
		if (*ctl_text(f, "Cure"))
			printf("    cure: %s\n", ctl_text(f, "Cure"));
	}
}

static void print_checked(const cJSON *list)
{
	const cJSON *area;

	printf("nothing amiss:");
	cJSON_ArrayForEach(area, list) {
		printf("%s %s", area == list->child ? "" : ",",
		       cJSON_IsString(area) ? area->valuestring : "");
	}
	printf("\n");
}

static void print_not_checked(const cJSON *list)
{
	const cJSON *n;

	cJSON_ArrayForEach(n, list) {
		printf("not checked: %s: %s\n", ctl_text(n, "Area"), ctl_text(n, "Why"));
	}
}

static void print_left_out(const cJSON *j)
{
	uint64_t n = 0;

	json_get_u64(j, "FindingsLeftOut", 0, UINT64_MAX, &n, NULL);
	if (n > 0)
		printf("%llu further findings\n", (unsigned long long)n);
}

static int run_doctor(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv)
{
	_cleanup_free_ char *format = NULL;
	int as_json = 0, status;
	const struct poptOption opts[] = {
		{ "json", 0, POPT_ARG_NONE, &as_json, 0, "The same as --format json", NULL },
		{ "format", 0, POPT_ARG_STRING, &format, 0, "table or json", "FORMAT" },
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_json_ cJSON *reply = NULL;
	const cJSON *findings;
	struct err e = { 0 };
	bool json, any;

	if (!ctl_parse(cmd, argc, argv, opts, 0, 0, &args, &status) ||
	    !ctl_format(cmd, format, &json, &status))
		return status;
	client_set_waiting(ctl->client, "this node to be looked at");
	if (client_call(ctl->client, "GET", "/doctor", NULL, &reply, &e) < 0)
		return ctl_fail(&e);
	findings = cJSON_IsObject(reply) ? json_get(reply, "Findings") : NULL;
	any = cJSON_GetArraySize(findings) > 0;
	if (json || as_json) {
		ctl_print_json(reply);
		return any ? CTL_FAILED : 0;
	}
	if (any)
		print_findings(findings);
	else
		print_checked(json_get(reply, "Checked"));
	print_left_out(reply);
	print_not_checked(json_get(reply, "NotChecked"));
	return any ? CTL_FAILED : 0;
}

const struct ctl_command cmd_doctor[] = {
	{ "doctor", "",
	  "Compare Docker, etcd, what is wanted here and the kernel, and say how to cure what differs.\n\n"
	  "Only this node is looked at, and nothing is changed. What is under way is waited for.\n"
	  "Exit status: 0 nothing is amiss; 1 something is, or the command failed; 2 wrong usage.",
	  run_doctor },
	{ 0 },
};
