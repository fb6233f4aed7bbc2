/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events, and the small answers. */
#include <errno.h>
#include <string.h>

#include "agent/docker/docker_decode.h"
#include "agent/docker/docker_decode_priv.h"
#include "base/json.h"
#include "base/mem.h"

static bool is_one_of(const char *s, const char *const *v)
{
	for (; *v; v++) {
		if (strcmp(s, *v) == 0)
			return true;
	}
	return false;
}

int docker_event_decode(const char *line, size_t len,
			void (*fn)(void *user, const struct docker_event *ev), void *user)
{
	static const char *const of_network[] = { "create", "destroy", "connect", "disconnect",
						  NULL };
	static const char *const of_container[] = { "start", "die", "rename", NULL };
	_cleanup_json_ cJSON *j = NULL;
	const cJSON *actor, *attributes;
	struct docker_event ev = { 0 };
	const char *type;

	if (docker_decode_parse(line, len, DOCKER_EVENT_MAX, &j, NULL) < 0 || !cJSON_IsObject(j))
		return -EINVAL;
	type = docker_decode_word(j, "Type", DOCKER_TEXT_MAX);
	ev.action = docker_decode_text(j, "Action", DOCKER_TEXT_MAX);
	if (!type || !ev.action)
		return -EINVAL;
	if (strcmp(type, "network") == 0 && is_one_of(ev.action, of_network))
		ev.kind = DOCKER_EVENT_NETWORK;
	else if (strcmp(type, "container") == 0 && is_one_of(ev.action, of_container))
		ev.kind = DOCKER_EVENT_CONTAINER;
	else
		return -ENOMSG;
	actor = json_get(j, "Actor");
	attributes = json_get(actor, "Attributes");
	ev.id = docker_decode_word(actor, "ID", DOCKER_ID_MAX);
	if (!ev.id)
		return -EINVAL;
	ev.name = docker_decode_text(attributes, "name", DOCKER_TEXT_MAX);
	if (ev.kind == DOCKER_EVENT_NETWORK) {
		ev.driver = docker_decode_word(attributes, "type", DOCKER_TEXT_MAX);
		ev.container = docker_decode_word(attributes, "container", DOCKER_ID_MAX);
	}
	fn(user, &ev);
	return 0;
}

char *docker_message_decode(const char *text, size_t len)
{
	_cleanup_json_ cJSON *j = NULL;
	const char *s = NULL;

	if (docker_decode_parse(text, len, DOCKER_DECODE_MAX, &j, NULL) == 0)
		s = docker_decode_text(j, "message", ERR_TEXT_MAX);
	return mem_strdup(s);
}

char *docker_created_decode(const char *text, size_t len)
{
	_cleanup_json_ cJSON *j = NULL;
	const char *s = NULL;

	if (docker_decode_parse(text, len, DOCKER_DECODE_MAX, &j, NULL) == 0)
		s = docker_decode_word(j, "Id", DOCKER_ID_MAX);
	return mem_strdup(s);
}

int docker_containers_decode(const char *text, size_t len, struct strv *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const cJSON *item;
	int r = docker_decode_parse(text, len, DOCKER_DECODE_MAX, &j, e);

	if (r < 0)
		return r;
	if (!cJSON_IsArray(j) && !cJSON_IsNull(j))
		return err_set(e, -EINVAL, "the answer is not a list of containers");
	cJSON_ArrayForEach(item, j) {
		const char *id = docker_decode_word(item, "Id", DOCKER_ID_MAX);

		if (id && ret->n < DOCKER_CONTAINERS_MAX)
			strv_add(ret, id);
	}
	return 0;
}

int docker_info_decode(const char *text, size_t len, struct docker_info *ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	const char *s;
	int r = docker_decode_parse(text, len, DOCKER_DECODE_MAX, &j, e);

	if (r < 0)
		return r;
	if (!cJSON_IsObject(j))
		return err_set(e, -EINVAL, "the answer is not an object");
	s = docker_decode_word(j, "ServerVersion", DOCKER_TEXT_MAX);
	ret->version = mem_strdup(s ? s : "");
	s = docker_decode_word(j, "Name", DOCKER_TEXT_MAX);
	ret->name = mem_strdup(s ? s : "");
	s = docker_decode_word(json_get(j, "Swarm"), "LocalNodeState", DOCKER_TEXT_MAX);
	/* "inactive", "pending", "active", "error", "locked" */
	ret->swarm = s && strcmp(s, "inactive") != 0;
	return 0;
}

void docker_info_done(struct docker_info *i)
{
	free((char *)i->version);
	free((char *)i->name);
	*i = (struct docker_info){ 0 };
}
