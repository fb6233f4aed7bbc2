/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ovld: the agent of one node. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <uv.h>

#include "agent/agent.h"
#include "base/log.h"

#define MAIN_FDS_WANTED 65536 /* connections, sockets; a container costs none */

static void on_signal(uv_signal_t *s, int signo)
{
	log_info("stopping", "signal=%d", signo);
	uv_stop(s->loop);
}

static void raise_fd_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < MAIN_FDS_WANTED) {
		rl.rlim_cur = rl.rlim_max < MAIN_FDS_WANTED ? rl.rlim_max : MAIN_FDS_WANTED;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static int run(const struct config *c)
{
	uv_signal_t term, intr;
	struct agent *a = NULL;
	struct err e = { 0 };
	uv_loop_t loop;
	int r, status = 1;

	uv_loop_init(&loop);
	uv_signal_init(&loop, &term);
	uv_signal_init(&loop, &intr);
	r = agent_start(&loop, c, &a, &e);
	if (r < 0) {
		fprintf(stderr, "ovld: %s\n", err_text(&e));
	} else {
		uv_signal_start(&term, on_signal, SIGTERM);
		uv_signal_start(&intr, on_signal, SIGINT);
		uv_run(&loop, UV_RUN_DEFAULT);
		status = agent_status(a);
	}
	agent_stop(a);
	uv_close((uv_handle_t *)&term, NULL);
	uv_close((uv_handle_t *)&intr, NULL);
	/* libuv has put the default back: a second signal must not cut the closing short. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	uv_run(&loop, UV_RUN_DEFAULT); /* until every handle is closed */
	agent_free(a);
	r = uv_loop_close(&loop);
	if (r != 0)
		log_error("handles left open at the end", "err=%s", uv_strerror(r));
	return status;
}

int main(int argc, char **argv)
{
	enum config_outcome outcome;
	struct config c = { 0 };
	struct err e = { 0 };
	int status = 0;

	if (config_load(argc, argv, &c, &outcome, &e) < 0) {
		fprintf(stderr, "ovld: %s\n", err_text(&e));
		return 2;
	}
	if (outcome == CONFIG_EXIT_OK)
		return 0;
	if (c.check_only) {
		printf("configuration is valid\n");
	} else {
		log_set_level(c.log_level);
		signal(SIGPIPE, SIG_IGN);
		raise_fd_limit();
		status = run(&c);
	}
	config_done(&c);
	return status;
}
