/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pure: what is sent, and what an answer means. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/docker/docker_api_priv.h"
#include "agent/docker/docker_sync.h"
#include "base/json.h"
#include "base/mem.h"

char *docker_api_escape(const char *s)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char *ret = mem_alloc(3 * strlen(s) + 1), *p = ret;

	for (; *s; s++) {
		if (strchr(plain, *s)) {
			*p++ = *s;
		} else {
			snprintf(p, 4, "%%%02X", (unsigned char)*s);
			p += 3;
		}
	}
	return ret;
}

static int status_of_connection(const struct http_answer *a)
{
	if (a->os_err == EACCES || a->os_err == EPERM)
		return -EACCES;
	if (a->err == -ECONNREFUSED || a->err == -EHOSTUNREACH)
		return -EHOSTUNREACH;
	return a->err == -ETIMEDOUT ? -ETIMEDOUT : -EREMOTEIO;
}

static int status_of_http(unsigned status)
{
	switch (status) {
	case 403:
		return -EBUSY;
	case 404:
		return -ENOENT;
	case 409:
		return -EEXIST;
	default:
		return -EREMOTEIO;
	}
}

int docker_api_status(const char *path, const struct http_answer *a, struct err *e)
{
	_cleanup_free_ char *message = NULL;

	if (a->err && a->os_err)
		return err_set(e, status_of_connection(a), "%s: %s", path, strerror(a->os_err));
	if (a->err)
		return err_set(e, status_of_connection(a), "%s: %s", path, a->why);
	if (a->status >= 200 && a->status < 300)
		return 0;
	message = docker_message_decode(a->body, a->len);
	return err_set(e, status_of_http(a->status), "%s (HTTP %u)",
		       message ? message : "Docker refuses", a->status);
}

static cJSON *options_json(const char id[ID_TEXT_MAX])
{
	cJSON *j = cJSON_CreateObject();

	json_put_str(j, DOCKER_OPTION_NETWORK, id);
	return j;
}

static cJSON *subnet_json(const struct model_subnet *s)
{
	cJSON *j = cJSON_CreateObject(), *aux;

	json_put_prefix_opt(j, "Subnet", s->subnet);
	json_put_ip_opt(j, "Gateway", s->gateway);
	json_put_prefix_opt(j, "IPRange", s->ip_range);
	if (s->n_aux > 0) {
		aux = cJSON_AddObjectToObject(j, "AuxiliaryAddresses");
		for (size_t i = 0; i < s->n_aux; i++)
			json_put_ip_opt(aux, s->aux[i].name, s->aux[i].ip);
	}
	return j;
}

char *docker_api_create_body(const struct model_network *net)
{
	_cleanup_json_ cJSON *j = cJSON_CreateObject();
	_cleanup_kv_pairs_ struct kv_pairs labels = { 0 };
	char id[ID_TEXT_MAX];
	cJSON *ipam, *config;

	id_format(net->id, id);
	kv_pairs_copy(&labels, &net->labels);
	kv_pairs_set(&labels, DOCKER_LABEL_MANAGED, "true");
	json_put_str(j, "Name", net->name);
	json_put_bool(j, "CheckDuplicate", true);
	json_put_str(j, "Driver", "ovl");
	json_put_bool(j, "Internal", net->internal);
	json_put_bool(j, "EnableIPv6", net->ipv6);
	ipam = cJSON_AddObjectToObject(j, "IPAM");
	json_put_str(ipam, "Driver", "ovl");
	cJSON_AddItemToObject(ipam, "Options", options_json(id));
	config = cJSON_AddArrayToObject(ipam, "Config");
	for (size_t i = 0; i < net->n_subnets; i++)
		cJSON_AddItemToArray(config, subnet_json(&net->subnets[i]));
	cJSON_AddItemToObject(j, "Options", options_json(id));
	json_put_pairs(j, "Labels", &labels);
	return json_print(j);
}
