/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/run/run_agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"

#define TIMEOUT_MS 15000 /* of calls within the node */
#define CONNECT_TIMEOUT_MS 60000 /* etcd takes part: ovld itself gives up earlier */

int run_agent_peer(struct run_agent *a, struct run_ns_peer *ret, struct err *e)
{
	_cleanup_free_ char *name = run_url_escape(a->request->container);
	_cleanup_free_ char *path = mem_printf("/containers/%s/json", name);
	struct run_http_request q = { .method = "GET",
				      .path = path,
				      .timeout_ms = TIMEOUT_MS,
				      .what = "find the container" };
	struct run_ns_peer peer = { .name = a->request->container };
	_cleanup_json_ cJSON *answer = NULL;
	const char *state = "";
	uint64_t pid = 0;
	int r = run_http_call(&a->http, &q, &answer, e);

	if (r == 0)
		r = json_get_str_req(answer, "State", RUN_TEXT_MAX, &state, e);
	if (r == 0)
		r = json_get_u64(answer, "SupervisorPid", 1, INT32_MAX, &pid, e);
	if (r == 0)
		r = json_get_u64(answer, "SupervisorStart", 0, UINT64_MAX, &peer.pid_start, e);
	if (r < 0)
		return r;
	if (strcmp(state, "removing") == 0 || pid == 0)
		return err_set(e, -ESRCH, "container %s is ending", peer.name);
	peer.pid = (int64_t)pid;
	*ret = peer;
	return 0;
}

int run_agent_register(struct run_agent *a, char *const *argv, struct err *e)
{
	struct run_create c = { .name = mem_strdup(a->request->name),
				.pid = getpid(),
				.mode = run_request_mode(a->request) };
	_cleanup_json_ cJSON *body = NULL, *answer = NULL;
	struct run_http_request q = { .method = "POST",
				      .path = "/containers/create",
				      .timeout_ms = TIMEOUT_MS,
				      .what = "register the container" };
	const char *name = NULL, *log_path = NULL, *resolv_conf = NULL, *hosts = NULL;
	int r;

	if (proc_start(c.pid, &c.pid_start) < 0) {
		run_create_done(&c);
		return err_set(e, -EIO, "cannot read /proc/self/stat");
	}
	run_command_shown(argv, &c.command);
	body = run_create_json(&c);
	q.body = body;
	r = run_http_call(&a->http, &q, &answer, e);
	run_create_done(&c);
	if (r == 0)
		r = json_get_str_req(answer, "Name", RUN_TEXT_MAX, &name, e);
	if (r == 0)
		r = json_get_str(answer, "LogPath", RUN_TEXT_MAX, &log_path, e);
	if (r == 0)
		r = json_get_str(answer, "ResolvConfPath", RUN_TEXT_MAX, &resolv_conf, e);
	if (r == 0)
		r = json_get_str(answer, "HostsPath", RUN_TEXT_MAX, &hosts, e);
	if (r < 0)
		return r;
	a->name = mem_strdup(name);
	a->log_path = mem_strdup(log_path);
	a->resolv_conf = mem_strdup(resolv_conf && *resolv_conf ? resolv_conf : NULL);
	a->hosts = mem_strdup(hosts && *hosts ? hosts : NULL);
	return 0;
}

int run_agent_connect(struct run_agent *a, struct err *e)
{
	_cleanup_free_ char *target = mem_printf("run:%s", a->name);
	const struct run_request *rq = a->request;
	int r = 0;

	for (size_t i = 0; r == 0 && i < rq->n_networks; i++) {
		_cleanup_json_ cJSON *body = run_request_connect(rq, i, target);
		_cleanup_free_ char *net = run_url_escape(rq->networks[i].name);
		_cleanup_free_ char *path = mem_printf("/networks/%s/connect", net);
		_cleanup_free_ char *what =
			mem_printf("connect %s to network %s", a->name, rq->networks[i].name);
		struct run_http_request q = { .method = "POST",
					      .path = path,
					      .body = body,
					      .timeout_ms = CONNECT_TIMEOUT_MS,
					      .what = what };

		r = run_http_call(&a->http, &q, NULL, e);
	}
	return r;
}

int run_agent_started(struct run_agent *a, pid_t command, struct err *e)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_free_ char *path = mem_printf("/containers/%s/started", a->name);
	struct run_http_request q = {
		.method = "POST", .path = path, .body = body, .timeout_ms = TIMEOUT_MS
	};

	json_put_u64(body, "CommandPid", (uint64_t)command);
	return run_http_call(&a->http, &q, NULL, e);
}

void run_agent_ended(struct run_agent *a, int code, int signal)
{
	_cleanup_free_ char *path = NULL;
	struct run_http_request q = { .method = "DELETE", .timeout_ms = TIMEOUT_MS };

	if (!a->name)
		return;
	if (code < 0)
		path = mem_printf("/containers/%s", a->name);
	else
		path = mem_printf("/containers/%s?exit=%d&signal=%d", a->name, code, signal);
	q.path = path;
	/* Nothing cuts this short but its time: an impatient signal would leave the endpoints to ovld's own discovery. */
	a->http.n_cancel = 0;
	run_http_call(&a->http, &q, NULL, NULL);
	mem_freep(&a->name);
	a->name = NULL;
}

void run_agent_done(struct run_agent *a)
{
	free(a->name);
	free(a->log_path);
	free(a->resolv_conf);
	free(a->hosts);
}
