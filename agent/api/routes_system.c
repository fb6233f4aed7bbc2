/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent/api/body.h"
#include "agent/api/call.h"
#include "agent/api/routes.h"
#include "agent/api/view.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

static void get_ping(struct api_call *call, void *user)
{
	(void)user;
	api_reply_text(call, 200, "OK");
}

static void get_version(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	cJSON *j = cJSON_CreateObject();
	struct utsname u;

	json_put_str(j, "Version", ctx->version);
	json_put_str(j, "ApiVersion", "1");
	json_put_str(j, "Os", "linux");
	if (uname(&u) == 0) {
		json_put_str(j, "Arch", u.machine);
		json_put_str(j, "KernelVersion", u.release);
	}
	api_reply_json(call, 200, j);
}

static void get_info(struct api_call *call, void *user)
{
	api_reply_json(call, 200, view_info(user));
}

/* ---- log level ---- */

static void put_log_level(struct api_call *call, void *user)
{
	struct body_log_level b = { 0 };
	enum log_level level;
	struct err e = { 0 };
	int r = body_log_level_decode(api_call_body(call), &b, &e);

	(void)user;
	if (r == 0 && log_level_parse(b.level, &level) < 0)
		r = err_set(&e, -EINVAL, "Level: \"%.32s\" is none of error, warn, info, debug",
			    b.level);
	if (r == 0) {
		log_info("log level changed", "from=%s to=%s", log_level_name(log_get_level()),
			 log_level_name(level));
		log_set_level(level);
		api_reply_empty(call);
	} else {
		api_reply_err(call, r, &e);
	}
	body_log_level_done(&b);
}

static const struct api_route routes[] = {
	{ "GET", "/_ping", API_BODY_NONE, get_ping },
	{ "GET", "/version", API_BODY_NONE, get_version },
	{ "GET", "/info", API_BODY_NONE, get_info },
	{ "PUT", "/log-level", API_BODY_REQUIRED, put_log_level },
	{ "POST", "/log-level", API_BODY_REQUIRED, put_log_level },
};
const struct api_table routes_system = { routes, ARRAY_SIZE(routes) };
