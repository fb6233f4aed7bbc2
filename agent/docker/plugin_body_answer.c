/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers. Docker takes one as a success unless it has the error key of the interface that was asked, so that both are written. */
#include "agent/docker/plugin_body.h"

#include "base/json.h"

cJSON *plugin_answer_pool(const char *pool_id, struct prefix pool)
{
	cJSON *j = cJSON_CreateObject();

	json_put_str(j, "PoolID", pool_id);
	json_put_prefix_opt(j, "Pool", pool);
	cJSON_AddObjectToObject(j, "Data");
	return j;
}

cJSON *plugin_answer_address(struct ip ip, uint8_t len)
{
	cJSON *j = cJSON_CreateObject();

	/* Docker calls a bare address an invalid CIDR, and does not release it. */
	json_put_prefix_opt(j, "Address", (struct prefix){ .ip = ip, .len = len });
	cJSON_AddObjectToObject(j, "Data");
	return j;
}

cJSON *plugin_answer_endpoint(const struct mac *mac)
{
	cJSON *j = cJSON_CreateObject();

	if (mac)
		json_put_mac(cJSON_AddObjectToObject(j, "Interface"), "MacAddress", *mac);
	return j;
}

cJSON *plugin_answer_join(const char *src_name)
{
	cJSON *j = cJSON_CreateObject();
	cJSON *name = cJSON_AddObjectToObject(j, "InterfaceName");

	json_put_str(name, "SrcName", src_name);
	json_put_str(name, "DstPrefix", "eth");
	return j;
}

cJSON *plugin_answer_err(const struct err *e)
{
	static const struct err unknown = { .text = "unknown error" };
	cJSON *j = cJSON_CreateObject();
	const char *text = err_text(e && (e->code || *e->text) ? e : &unknown);

	json_put_str(j, "Err", text);
	json_put_str(j, "Error", text);
	return j;
}
