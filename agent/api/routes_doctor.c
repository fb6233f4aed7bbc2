/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs, and its cure. */
#include <errno.h>

#include "agent/api/call.h"
#include "agent/api/routes.h"
#include "agent/doctor.h"
#include "base/json.h"
#include "base/mem.h"

static void put_findings(cJSON *j, const struct doctor_report *r)
{
	cJSON *list = cJSON_AddArrayToObject(j, "Findings");

	for (size_t i = 0; i < r->n; i++) {
		cJSON *o = cJSON_CreateObject();

		json_put_str(o, "Area", doctor_area_name(r->v[i].area));
		json_put_str(o, "What", r->v[i].what);
		json_put_str(o, "Cure", r->v[i].cure ? r->v[i].cure : "");
		cJSON_AddItemToArray(list, o);
	}
	if (r->left_out > 0)
		json_put_u64(j, "FindingsLeftOut", r->left_out);
}

static void put_areas(cJSON *j, const struct doctor_report *r)
{
	cJSON *checked = cJSON_AddArrayToObject(j, "Checked");
	cJSON *not = cJSON_AddArrayToObject(j, "NotChecked");

	for (size_t i = 0; i < DOCTOR_AREAS; i++) {
		const char *name = doctor_area_name(i);
		cJSON *o;

		if (!r->not_checked[i]) {
			cJSON_AddItemToArray(checked, cJSON_CreateString(name));
			continue;
		}
		o = cJSON_CreateObject();
		json_put_str(o, "Area", name);
		json_put_str(o, "Why", r->not_checked[i]);
		cJSON_AddItemToArray(not, o);
	}
}

static void examined(void *user, int status, const struct doctor_report *r)
{
	struct api_call *call = user;
	cJSON *j;

	if (status == -EAGAIN) {
		api_reply_fail(call, status, "enough examinations are under way: try again");
		return;
	}
	if (status < 0) {
		api_reply_fail(call, status, "ovld is about to end");
		return;
	}
	j = cJSON_CreateObject();
	put_findings(j, r);
	put_areas(j, r);
	api_reply_json(call, 200, j);
}

static void get_doctor(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;

	doctor_examine(ctx->doctor, examined, call);
}

static const struct api_route routes[] = {
	{ "GET", "/doctor", API_BODY_NONE, get_doctor },
};
const struct api_table routes_doctor = { routes, ARRAY_SIZE(routes) };
