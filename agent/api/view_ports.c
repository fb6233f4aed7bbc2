/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Published ports as the API shows them (view.h). */
#include "agent/api/view.h"

#include <stdio.h>

#include "agent/api/body.h"
#include "base/json.h"
#include "base/mem.h"

#define KEY_MAX 16 /* "65535/sctp" */
#define PORT_TEXT_MAX 8

static void add_address(cJSON *list, struct ip ip, uint16_t port)
{
	cJSON *j = cJSON_CreateObject();
	char text[IP_TEXT_MAX], number[PORT_TEXT_MAX];

	snprintf(number, sizeof(number), "%u", port);
	json_put_str(j, "HostIp", ip_format(ip, text));
	json_put_str(j, "HostPort", number);
	cJSON_AddItemToArray(list, j);
}

void view_put_ports(cJSON *ports, const struct model_publish *v, size_t n)
{
	static const struct ip any4 = { .family = AF_INET }, any6 = { .family = AF_INET6 };

	for (size_t i = 0; i < n; i++) {
		char key[KEY_MAX];
		cJSON *list;

		snprintf(key, sizeof(key), "%u/%s", v[i].port, body_publish_proto(v[i].proto));
		list = json_get(ports, key);
		if (!list)
			list = cJSON_AddArrayToObject(ports, key);
		if (ip_is_set(v[i].host_ip)) {
			add_address(list, v[i].host_ip, v[i].host_port);
		} else {
			add_address(list, any4, v[i].host_port);
			add_address(list, any6, v[i].host_port);
		}
	}
}

cJSON *view_publish(const struct model_publish *v, size_t n)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < n; i++) {
		cJSON *j = cJSON_CreateObject();

		json_put_str(j, "Proto", body_publish_proto(v[i].proto));
		json_put_ip_opt(j, "HostIp", v[i].host_ip);
		json_put_u64(j, "HostPort", v[i].host_port);
		json_put_u64(j, "Port", v[i].port);
		cJSON_AddItemToArray(list, j);
	}
	return list;
}
