/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/containers_row.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "agent/target.h"
#include "base/clock.h"

#define ROW_MAX (1024 * 1024) /* bytes: the command and a few numbers */

char *containers_row_encode(const struct container *c)
{
	_cleanup_json_ cJSON *j = cJSON_CreateObject();

	json_put_u64(j, "pid", (uint64_t)c->target.pid);
	json_put_u64(j, "pidStart", c->target.pid_start);
	json_put_u64(j, "netnsDev", c->target.netns_dev);
	json_put_u64(j, "netnsIno", c->target.netns_ino);
	json_put_u64(j, "commandPid", (uint64_t)c->command_pid);
	json_put_strv(j, "command", &c->command);
	json_put_str_opt(j, "networkMode", c->mode);
	json_put_str(j, "logPath", c->log_path);
	json_put_str(j, "created", c->created);
	json_put_bool(j, "running", c->state == CONTAINER_RUNNING);
	return json_print(j);
}

static int fields(const cJSON *j, struct container *c, struct err *e)
{
	const char *log_path = NULL, *created = NULL, *mode = NULL;
	uint64_t pid = 0, command_pid = 0;
	bool running = false;
	int r = json_get_u64(j, "pid", 1, INT_MAX, &pid, e);

	if (r == 0)
		r = json_get_u64(j, "pidStart", 0, UINT64_MAX, &c->target.pid_start, e);
	if (r == 0)
		r = json_get_u64(j, "netnsDev", 0, UINT64_MAX, &c->target.netns_dev, e);
	if (r == 0)
		r = json_get_u64(j, "netnsIno", 0, UINT64_MAX, &c->target.netns_ino, e);
	if (r == 0)
		r = json_get_u64(j, "commandPid", 0, INT_MAX, &command_pid, e);
	if (r == 0)
		r = json_get_strv(j, "command", RUN_COMMAND_MAX, RUN_COMMAND_SHOWN_MAX + 4,
				  &c->command, e);
	if (r == 0)
		r = json_get_str(j, "networkMode", RUN_TEXT_MAX, &mode, e);
	if (r == 0)
		r = json_get_str_req(j, "logPath", PATH_MAX, &log_path, e);
	if (r == 0)
		r = json_get_str_req(j, "created", CLOCK_TEXT_MAX, &created, e);
	if (r == 0)
		r = json_get_bool(j, "running", &running, e);
	if (r == 0 && pid == 0)
		r = err_set(e, -EINVAL, "pid: missing");
	if (r < 0)
		return r;
	c->target.pid = (int64_t)pid;
	c->target.path = mem_printf("/proc/%lld/ns/net", (long long)pid);
	c->command_pid = (int64_t)command_pid;
	c->mode = mem_strdup(mode);
	c->log_path = mem_strdup(log_path);
	c->created = mem_strdup(created);
	c->state = running ? CONTAINER_RUNNING : CONTAINER_CREATED;
	return 0;
}

int containers_row_decode(const char *name, const char *json, struct container *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	struct container c = { 0 };
	int r = json_parse_object(json, strlen(json), ROW_MAX, &j, e);

	if (r == 0)
		r = fields(j, &c, e);
	if (r < 0) {
		containers_row_done(&c);
		err_prefix(e, "container %s", name);
		return r;
	}
	c.name = mem_strdup(name);
	*ret = c;
	return 0;
}

void containers_row_done(struct container *c)
{
	free(c->name);
	target_done(&c->target);
	strv_done(&c->command);
	free(c->mode);
	free(c->log_path);
	free(c->created);
	memset(c, 0, sizeof(*c));
}
