/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl - what all commands of ovlctl share: the table they stand in, options, errors, and the common shapes of commands.
 *
 * A group of commands is one cmd_<group>.c with a table `const struct ctl_command cmd_<group>[]`, ended by an entry without
 * words and named in main.c. A command parses its own options with ctl_parse() and returns the exit status: 0; 1 when something
 * failed, which has been said on stderr; 2 for a wrong usage. With several names each is tried.
 */
#pragma once
#include <popt.h>
#include <stdbool.h>
#include "agent/ctl/client.h"
#include "base/json.h"
#include "base/strv.h"

#define CTL_FAILED 1
#define CTL_USAGE 2

struct ctl {
	struct client *client;
};
struct ctl_command {
	const char *words; /* "network create" */
	const char *args; /* what follows the options: "NAME" */
	const char *help; /* one line */
	/* argv[0] is the last of the words, options and arguments follow */
	int (*run)(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv);
	bool posix; /* options end at the first argument: what follows is another command's */
};

/**
 * ctl_parse() - options and arguments of a command; --help is added, and -h where @opts has no such letter
 * @opts: popt table, NULL: no options
 * @min, @max: how many arguments; @max -1: any number
 * @args: appended
 * Return: true to go on; false: return *ret_status (help was shown, or what is wrong).
 */
bool ctl_parse(const struct ctl_command *cmd, int argc, char **argv, const struct poptOption *opts,
	       int min, int max, struct strv *args, int *ret_status);
/** ctl_usage() - say what is wrong with the usage of @cmd. Return: CTL_USAGE. */
int ctl_usage(const struct ctl_command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** ctl_fail() - say what failed. Return: CTL_FAILED. */
int ctl_fail(const struct err *e);

/* Lists of a repeatable option (POPT_ARG_ARGV): `_cleanup_argv_ char **labels = NULL;` */
static inline void ctl_argv_free(char ***v)
{
	for (char **p = *v; p && *p; p++)
		free(*p);
	free(*v);
}
#define _cleanup_argv_ _cleanup_(ctl_argv_free)
/** ctl_argv_strv() - appended to @ret. */
void ctl_argv_strv(char *const *v, struct strv *ret);
/** ctl_argv_pairs() - "K=V", appended; @bare: "K" alone is allowed, with "". Return: false with *ret_status set. */
bool ctl_argv_pairs(const struct ctl_command *cmd, const char *option, char *const *v, bool bare,
		    struct kv_pairs *ret, int *ret_status);
/** ctl_argv_filters() - "K=V" of -f as the query "filters=..." (escaped; heap), "" for none. Return: as above. */
bool ctl_argv_filters(const struct ctl_command *cmd, char *const *v, char **ret, int *ret_status);
/** ctl_format() - --format: NULL and "table" are no JSON. Return: as above. */
bool ctl_format(const struct ctl_command *cmd, const char *format, bool *ret_json, int *ret_status);

/** ctl_text() - a string member, "" where absent or none. Borrowed. */
const char *ctl_text(const cJSON *j, const char *key);
/** ctl_id() - the member as an id: 12 digits, or all with @full. @buf: 13 bytes. Return: @buf or borrowed. */
const char *ctl_id(const cJSON *j, const char *key, bool full, char *buf);
/** ctl_print_json() - indented, as docker inspect. */
void ctl_print_json(const cJSON *j);
/** ctl_confirm() - ask on the terminal; without one, and without @force: an error that names the option. */
bool ctl_confirm(const char *warning, bool force);

/**
 * ctl_list() - an ls command: options -q, --no-trunc, --format, and -f where @filters (its help text) is not NULL
 * @path: "/networks"; @print: shows the list as a table
 */
int ctl_list(struct ctl *ctl, const struct ctl_command *cmd, int argc, char **argv,
	     const char *path, const char *filters, void (*print)(const cJSON *list, bool full));
/* Commands that do one thing to each of several names. @dir: "/networks/"; @rest: what follows the name in the path. */
int ctl_inspect_each(struct ctl *ctl, const char *dir, const char *rest, const struct strv *names);
/** ctl_remove_each() - DELETE, printing each name removed; @force: absent is no error. */
int ctl_remove_each(struct ctl *ctl, const char *dir, const struct strv *names, bool force);
