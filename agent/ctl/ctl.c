/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"

#define CTL_OPTIONS_MAX 32
#define CTL_SHORT_ID 12

int ctl_usage(const struct ctl_command *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "ovlctl %s: ", cmd->words);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nUsage: ovlctl %s [OPTIONS]%s%s   (see ovlctl %s --help)\n", cmd->words,
		*cmd->args ? " " : "", cmd->args, cmd->words);
	return CTL_USAGE;
}

int ctl_fail(const struct err *e)
{
	fprintf(stderr, "ovlctl: %s\n", err_text(e));
	return CTL_FAILED;
}

/* ---- options ---- */

static size_t copy_options(struct poptOption *to, const struct poptOption *from, int *help)
{
	struct poptOption own[] = {
		{ "help", 'h', POPT_ARG_NONE, help, 0, "Show this help", NULL },
		POPT_TABLEEND,
	};
	size_t n = 0;

	while (from && (from[n].longName || from[n].shortName || from[n].arg) &&
	       n < CTL_OPTIONS_MAX) {
		/* The command's own: as in Docker's `run`, whose -h is the host name. */
		if (from[n].shortName == 'h')
			own[0].shortName = '\0';
		to[n] = from[n];
		n++;
	}
	memcpy(to + n, own, sizeof(own));
	return n;
}

static bool take_args(const struct ctl_command *cmd, poptContext con, int min, int max,
		      struct strv *args, int *ret_status)
{
	const char **rest = poptGetArgs(con);
	int n = 0;

	for (; rest && rest[n]; n++)
		strv_add(args, rest[n]);
	if (n >= min && (max < 0 || n <= max))
		return true;
	if (n < min)
		*ret_status = ctl_usage(cmd, "%s %d argument%s needed",
					max == min ? "exactly" : "at least", min,
					min == 1 ? " is" : "s are");
	else
		*ret_status = ctl_usage(cmd, "\"%s\" is one argument too many", rest[max]);
	return false;
}

bool ctl_parse(const struct ctl_command *cmd, int argc, char **argv, const struct poptOption *opts,
	       int min, int max, struct strv *args, int *ret_status)
{
	_cleanup_free_ char *name = mem_printf("ovlctl %s", cmd->words);
	_cleanup_free_ char *other = mem_printf("[OPTIONS] %s", cmd->args);
	_cleanup_free_ const char **v = mem_alloc_array((size_t)argc + 1, sizeof(*v));
	struct poptOption all[CTL_OPTIONS_MAX + 2];
	poptContext con;
	bool go_on = false;
	int help = 0, r;

	/* The usage line shows argv[0]. */
	for (int i = 0; i < argc; i++)
		v[i] = i == 0 ? name : argv[i];
	copy_options(all, opts, &help);
	con = poptGetContext(name, argc, v, all, cmd->posix ? POPT_CONTEXT_POSIXMEHARDER : 0);
	poptSetOtherOptionHelp(con, other);
	r = poptGetNextOpt(con);
	if (help) {
		poptPrintHelp(con, stdout, 0);
		printf("\n%s\n", cmd->help);
		*ret_status = 0;
	} else if (r < -1) {
		*ret_status = ctl_usage(cmd, "%s: %s", poptBadOption(con, POPT_BADOPTION_NOALIAS),
					poptStrerror(r));
	} else {
		go_on = take_args(cmd, con, min, max, args, ret_status);
	}
	poptFreeContext(con);
	return go_on;
}

void ctl_argv_strv(char *const *v, struct strv *ret)
{
	for (; v && *v; v++)
		strv_add(ret, *v);
}

bool ctl_argv_pairs(const struct ctl_command *cmd, const char *option, char *const *v, bool bare,
		    struct kv_pairs *ret, int *ret_status)
{
	for (; v && *v; v++) {
		const char *eq = strchr(*v, '=');
		_cleanup_free_ char *key = mem_strndup(*v, eq ? (size_t)(eq - *v) : strlen(*v));

		if (!*key || (!eq && !bare)) {
			*ret_status = ctl_usage(cmd, "%s: \"%s\" is not of the form KEY=VALUE",
						option, *v);
			return false;
		}
		kv_pairs_set(ret, key, eq ? eq + 1 : "");
	}
	return true;
}

bool ctl_argv_filters(const struct ctl_command *cmd, char *const *v, char **ret, int *ret_status)
{
	_cleanup_json_ cJSON *j = cJSON_CreateObject();
	_cleanup_free_ char *text = NULL, *escaped = NULL;

	for (; v && *v; v++) {
		const char *eq = strchr(*v, '=');
		_cleanup_free_ char *key = eq ? mem_strndup(*v, (size_t)(eq - *v)) : NULL;
		cJSON *list;

		if (!eq || !*key) {
			*ret_status =
				ctl_usage(cmd, "--filter: \"%s\" is not of the form KEY=VALUE", *v);
			return false;
		}
		list = json_get(j, key);
		if (!list)
			list = cJSON_AddArrayToObject(j, key);
		cJSON_AddItemToArray(list, cJSON_CreateString(eq + 1));
	}
	text = json_print(j);
	escaped = client_escape(text);
	*ret = j->child ? mem_printf("filters=%s", escaped) : mem_strdup("");
	return true;
}

bool ctl_format(const struct ctl_command *cmd, const char *format, bool *ret_json, int *ret_status)
{
	*ret_json = format && strcmp(format, "json") == 0;
	if (!format || *ret_json || strcmp(format, "table") == 0)
		return true;
	*ret_status = ctl_usage(cmd, "--format: \"%s\" is neither table nor json", format);
	return false;
}

/* ---- output ---- */

const char *ctl_text(const cJSON *j, const char *key)
{
	const cJSON *item = cJSON_IsObject(j) ? json_get(j, key) : NULL;

	return item && cJSON_IsString(item) ? item->valuestring : "";
}

const char *ctl_id(const cJSON *j, const char *key, bool full, char *buf)
{
	const char *id = ctl_text(j, key);

	if (full)
		return id;
	snprintf(buf, CTL_SHORT_ID + 1, "%s", id);
	return buf;
}

void ctl_print_json(const cJSON *j)
{
	_cleanup_free_ char *text = json_print_pretty(j);

	printf("%s\n", text);
}

bool ctl_confirm(const char *warning, bool force)
{
	char answer[16];

	if (force)
		return true;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		fprintf(stderr, "ovlctl: %s Not done without -f.\n", warning);
		return false;
	}
	fprintf(stderr, "WARNING: %s\nGo on? [y/N] ", warning);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	return strcasecmp(answer, "y\n") == 0 || strcasecmp(answer, "yes\n") == 0;
}

/* ---- one thing to each of several names ---- */

static bool name_ok(const char *name)
{
	if (!*name)
		fprintf(stderr, "ovlctl: an empty name\n");
	return *name != '\0';
}

int ctl_list(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv,
	     const char *path, const char *filters, void (*print)(const cJSON *list, bool full))
{
	_cleanup_free_ char *format = NULL, *query = NULL, *full_path = NULL;
	_cleanup_argv_ char **given = NULL;
	_cleanup_json_ cJSON *list = NULL;
	int quiet = 0, full = 0, status;
	const struct poptOption filter = { "filter", 'f', POPT_ARG_ARGV, &given, 0, filters, "K=V" };
	const struct poptOption end = POPT_TABLEEND;
	const struct poptOption opts[] = {
		{ "quiet", 'q', POPT_ARG_NONE, &quiet, 0, "Ids only", NULL },
		{ "no-trunc", 0, POPT_ARG_NONE, &full, 0, "Ids in full", NULL },
		{ "format", 0, POPT_ARG_STRING, &format, 0, "table or json", "FORMAT" },
		filters ? filter : end,
		POPT_TABLEEND,
	};
	_cleanup_strv_ struct strv args = { 0 };
	struct err e = { 0 };
	const cJSON *item;
	bool json;
	char id[16];

	if (!ctl_parse(cmd, argc, argv, opts, 0, 0, &args, &status) ||
	    !ctl_format(cmd, format, &json, &status) ||
	    !ctl_argv_filters(cmd, given, &query, &status))
		return status;
	full_path = filters ? mem_printf("%s?%s", path, query) : mem_strdup(path);
	if (client_call(ctl->client, "GET", full_path, NULL, &list, &e) < 0)
		return ctl_fail(&e);
	if (json) {
		ctl_print_json(list);
	} else if (quiet) {
		cJSON_ArrayForEach(item, list) {
			printf("%s\n", ctl_id(item, "Id", full, id));
		}
	} else {
		print(list, full);
	}
	return 0;
}

int ctl_inspect_each(struct ctl *ctl, const char *dir, const char *rest, const struct strv *names)
{
	_cleanup_json_ cJSON *list = cJSON_CreateArray();
	int status = 0;

	for (size_t i = 0; i < names->n; i++) {
		_cleanup_free_ char *name = client_escape(names->v[i]);
		_cleanup_free_ char *path = mem_printf("%s%s%s", dir, name, rest);
		cJSON *j = NULL;
		struct err e = { 0 };
		int r;

		if (!name_ok(names->v[i])) {
			status = CTL_FAILED;
			continue;
		}
		r = client_call(ctl->client, "GET", path, NULL, &j, &e);
		if (r == 0) {
			cJSON_AddItemToArray(list, j ? j : cJSON_CreateNull());
			continue;
		}
		status = ctl_fail(&e);
		if (r == -ENOTCONN)
			return status;
	}
	ctl_print_json(list);
	return status;
}

int ctl_remove_each(struct ctl *ctl, const char *dir, const struct strv *names, bool force)
{
	int status = 0;

	for (size_t i = 0; i < names->n; i++) {
		_cleanup_free_ char *name = client_escape(names->v[i]);
		_cleanup_free_ char *path = mem_printf("%s%s", dir, name);
		_cleanup_free_ char *what = mem_printf("%s to be removed", names->v[i]);
		struct err e = { 0 };
		int r;

		if (!name_ok(names->v[i])) {
			status = CTL_FAILED;
			continue;
		}
		client_set_waiting(ctl->client, what);
		r = client_call(ctl->client, "DELETE", path, NULL, NULL, &e);
		if (r == 0)
			printf("%s\n", names->v[i]);
		else if (r != -ENOENT || !force)
			status = ctl_fail(&e);
		if (r == -ENOTCONN)
			return status;
	}
	return status;
}
