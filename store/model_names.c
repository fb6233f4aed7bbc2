/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What else a container is found by: its host name, and the ports that it says it serves. */
#include "store/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/model_json.h"

#define PORT_DIGITS 5

int model_hostname_check(const char *what, const char *name, struct err *e)
{
	size_t len = strlen(name), label = 0;

	if (len == 0)
		return err_set(e, -EINVAL, "%s: empty", what);
	if (len > MODEL_HOSTNAME_MAX)
		return err_set(e, -EINVAL, "%s: longer than %d characters", what,
			       MODEL_HOSTNAME_MAX);
	for (size_t i = 0; i <= len; i++) {
		char c = name[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9');

		if (c == '.' || c == '\0') {
			if (label == 0 || label > MODEL_LABEL_MAX)
				return err_set(e, -EINVAL,
					       "%s: \"%s\": between dots stand 1 to %d characters",
					       what, name, MODEL_LABEL_MAX);
			label = 0;
			continue;
		}
		if (!word && (i == 0 || !strchr("_-", c)))
			return err_set(
				e, -EINVAL,
				"%s: \"%s\" is not letters, digits, '_', '.' and '-' with a letter or digit first",
				what, name);
		label++;
	}
	return 0;
}

/* ---- declared ports ---- */

bool model_port_eq(struct model_port a, struct model_port b)
{
	return a.proto == b.proto && a.port == b.port;
}

const char *model_port_format(struct model_port p, char ret[MODEL_PORT_TEXT_MAX])
{
	snprintf(ret, MODEL_PORT_TEXT_MAX, "%u/%s", p.port, model_proto_name(p.proto));
	return ret;
}

/* As model_port_format() writes it, and nothing else. */
static int parse_port(const char *text, struct model_port *ret)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	uint32_t port = 0;
	size_t n = 0;

	for (; text[n] >= '0' && text[n] <= '9'; n++) {
		if (n == PORT_DIGITS)
			return -EINVAL;
		port = port * 10 + (uint32_t)(text[n] - '0');
	}
	if (port < 1 || port > UINT16_MAX || text[0] == '0' || text[n] != '/')
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (strcmp(text + n + 1, model_proto_name(protos[i])) == 0) {
			*ret = (struct model_port){ protos[i], (uint16_t)port };
			return 0;
		}
	}
	return -EINVAL;
}

cJSON *model_expose_json(const struct model_port *v, size_t n)
{
	cJSON *list = cJSON_CreateArray();
	char text[MODEL_PORT_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(model_port_format(v[i], text)));
	return list;
}

int model_expose_parse(const cJSON *obj, const char *field, struct model_port **ret, size_t *ret_n,
		       struct err *e)
{
	_cleanup_strv_ struct strv texts = { 0 };
	_cleanup_free_ struct model_port *v = NULL;
	int r = json_get_strv(obj, field, MODEL_EXPOSE_MAX, MODEL_PORT_TEXT_MAX, &texts, e);

	if (r < 0)
		return r;
	v = mem_alloc_array(texts.n + 1, sizeof(*v));
	for (size_t i = 0; i < texts.n; i++) {
		if (parse_port(texts.v[i], &v[i]) < 0)
			return err_set(e, -EINVAL,
				       "%s[%zu]: \"%s\" is not PORT/tcp, PORT/udp, PORT/sctp",
				       field, i, texts.v[i]);
	}
	*ret = texts.n > 0 ? TAKE_PTR(v) : NULL;
	*ret_n = texts.n;
	return 0;
}
