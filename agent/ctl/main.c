/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ovlctl - the command line: finds the command and its socket, and leaves the rest to cmd_*.c. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "agent/api/body.h"
#include "agent/ctl/cmd.h"
#include "base/mem.h"

static const struct ctl_command *const groups[] = {
	cmd_network, cmd_connect,  cmd_run,	cmd_ps,	 cmd_port,   cmd_stop,	 cmd_exec, cmd_logs,
	cmd_node,    cmd_endpoint, cmd_cluster, cmd_dns, cmd_doctor, cmd_events, cmd_info,
};

#define WORDS_WIDTH 20

/* Which word of the command's @argv[0..n) fit @words? All of them: their number; else 0. */
static int words_fit(const char *words, int argc, char **argv)
{
	int n = 0;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (n == argc || strlen(argv[n]) != len || strncmp(argv[n], words, len) != 0)
			return 0;
		n++;
		words += len;
		words += strspn(words, " ");
	}
	return n;
}

static const struct ctl_command *find(int argc, char **argv, int *ret_words)
{
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		for (const struct ctl_command *c = groups[g]; c->words; c++) {
			*ret_words = words_fit(c->words, argc, argv);
			if (*ret_words > 0)
				return c;
		}
	}
	return NULL;
}

/* Commands that begin with the word @first (NULL: all), the first line of their help. Return: how many. */
static unsigned print_commands(FILE *to, const char *first)
{
	size_t len = first ? strlen(first) : 0;
	unsigned n = 0;

	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		for (const struct ctl_command *c = groups[g]; c->words; c++) {
			if (first && (strncmp(c->words, first, len) != 0 || c->words[len] != ' '))
				continue;
			if (n++ == 0)
				fprintf(to, "Commands:\n");
			fprintf(to, "  %-*s %.*s\n", WORDS_WIDTH, c->words,
				(int)strcspn(c->help, "\n"), c->help);
		}
	}
	return n;
}

static void print_help(FILE *to)
{
	fprintf(to,
		"Usage: ovlctl [-H PATH] COMMAND [OPTIONS] [ARGUMENTS]\n\n"
		"Container networks, on this host and across hosts; talks to ovld on this node.\n\n");
	print_commands(to, NULL);
	fprintf(to,
		"\nOptions:\n"
		"  -H, --host=PATH      Socket of ovld (default: $OVL_SOCKET, else " API_SOCKET_DEFAULT
		")\n"
		"  -h, --help           Show this help; after a command: that of the command (run: --help)\n"
		"  -V, --version        Show the version of ovlctl\n"
		"\nExit status: 0; 1 when something failed; 2 for a wrong usage.\n");
}

/* No command: a group alone, help for one, or a slip of the pen. */
static int no_command(int argc, char **argv)
{
	bool help;

	if (argc == 0)
		return CTL_USAGE;
	help = argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);
	if (strcmp(argv[0], "help") == 0) {
		print_help(stdout);
		return 0;
	}
	if (argc > 1 && !help)
		fprintf(stderr, "ovlctl: \"%s %s\" is no command\n", argv[0], argv[1]);
	if (print_commands(help ? stdout : stderr, argv[0]) == 0) {
		if (argc == 1 || help)
			fprintf(stderr, "ovlctl: \"%s\" is no command\n", argv[0]);
		fprintf(stderr, "See ovlctl --help\n");
		return CTL_USAGE;
	}
	return help ? 0 : CTL_USAGE;
}

static int run(const char *socket, int argc, char **argv)
{
	const struct ctl_command *cmd;
	struct ctl ctl = { 0 };
	int words = 0, status;

	cmd = argc > 0 ? find(argc, argv, &words) : NULL;
	if (!cmd)
		return no_command(argc, argv);
	if (strncmp(socket, "unix://", 7) == 0)
		socket += 7;
	ctl.client = client_new(socket);
	status = cmd->run(&ctl, cmd, argc - words + 1, argv + words - 1);
	client_free(ctl.client);
	return status;
}

static const char *default_socket(void)
{
	const char *s = getenv("OVL_SOCKET");

	return s && *s ? s : API_SOCKET_DEFAULT;
}

/* Options before the command; the rest is the command's. Return: true to go on with @ret_args. */
static bool global_options(poptContext con, const int *help, const int *version, int *ret_status)
{
	int r = poptGetNextOpt(con);

	*ret_status = 0;
	if (r < -1) {
		fprintf(stderr, "ovlctl: %s: %s\nSee ovlctl --help\n",
			poptBadOption(con, POPT_BADOPTION_NOALIAS), poptStrerror(r));
		*ret_status = CTL_USAGE;
		return false;
	}
	if (*help) {
		print_help(stdout);
		return false;
	}
	if (*version) {
		printf("ovlctl %s\n", OVL_VERSION);
		return false;
	}
	if (poptPeekArg(con))
		return true;
	print_help(stderr);
	*ret_status = CTL_USAGE;
	return false;
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *socket = NULL;
	_cleanup_strv_ struct strv rest = { 0 };
	int help = 0, version = 0, status;
	const struct poptOption opts[] = {
		{ "host", 'H', POPT_ARG_STRING, &socket, 0, NULL, NULL },
		{ "help", 'h', POPT_ARG_NONE, &help, 0, NULL, NULL },
		{ "version", 'V', POPT_ARG_NONE, &version, 0, NULL, NULL },
		POPT_TABLEEND,
	};
	poptContext con = poptGetContext("ovlctl", argc, (const char **)argv, opts,
					 POPT_CONTEXT_POSIXMEHARDER);

	/* libsmartcols shows as \x.. what the locale cannot. */
	setlocale(LC_CTYPE, "");
	if (global_options(con, &help, &version, &status)) {
		const char **args = poptGetArgs(con);

		for (int i = 0; args && args[i]; i++)
			strv_add(&rest, args[i]);
		status = run(socket ? socket : default_socket(), (int)rest.n, rest.v);
	}
	poptFreeContext(con);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0) {
		fprintf(stderr, "ovlctl: cannot write the output\n");
		status = CTL_FAILED;
	}
	return status;
}
