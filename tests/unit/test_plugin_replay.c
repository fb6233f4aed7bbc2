/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every shape of a call that real dockerds were seen to make (docker_traces/), over a real socket. */
#include "agent/docker/plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "tests/unit/api_client.h"
#include "tests/unit/plugin_lab.h"

#define CALLS_MIN 100

static const char *text_of(const cJSON *j, const char *key)
{
	return cJSON_GetStringValue(json_get(j, key));
}

/* With the headers that came, the empty Host too. */
static char *post(struct plugin_lab *l, int fd, const cJSON *call)
{
	const char *body = text_of(call, "request_raw");
	const cJSON *h;
	unsigned status = 0;
	struct buf b;
	char *text;

	buf_init(&b, 1 << 20);
	buf_printf(&b, "POST %s HTTP/1.1\r\n", text_of(call, "path"));
	cJSON_ArrayForEach(h, json_get(call, "headers"))
		buf_printf(&b, "%s: %s\r\n", h->string, h->valuestring);
	buf_puts(&b, "\r\n");
	buf_puts(&b, body);
	assert_true(api_client_say(&l->loop, fd, b.data, b.len));
	buf_done(&b);
	text = plugin_lab_hear(l, fd, &status);
	if (!text || status != 200)
		fail_msg("%s: %u %s", text_of(call, "path"), status, text ? text : "closed");
	return text;
}

/* Has @ours no keys that @theirs had not? */
static bool within(const cJSON *ours, const cJSON *theirs)
{
	const cJSON *item;

	if (!cJSON_IsObject(ours))
		return true;
	cJSON_ArrayForEach(item, ours) {
		const cJSON *other = json_get(theirs, item->string);

		if (!cJSON_HasObjectItem(theirs, item->string) || !within(item, other))
			return false;
	}
	return true;
}

static void check_answer(const cJSON *call, const char *text)
{
	const char *refused = text_of(call, "refused");
	const cJSON *answer = json_get(call, "answer"), *keys = json_get(call, "keys");
	_cleanup_json_ cJSON *j = NULL;
	struct err e = { 0 };

	if (json_parse_object(text, strlen(text), PLUGIN_LAB_ANSWER_MAX, &j, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	if (!cJSON_HasObjectItem(j, "Err") != !refused ||
	    !cJSON_HasObjectItem(j, "Error") != !refused ||
	    (refused && !strstr(text_of(j, "Err"), refused)))
		fail_msg("%s from %s: %s", text_of(call, "path"), text_of(call, "from"), text);
	if (answer && !cJSON_Compare(j, answer, true))
		fail_msg("%s: %s", text_of(call, "path"), text);
	if (keys && !within(j, keys))
		fail_msg("%s from %s: %s", text_of(call, "path"), text_of(call, "from"), text);
}

static void replay(struct plugin_lab *l, int fd, const char *line, size_t len)
{
	_cleanup_json_ cJSON *call = NULL;
	_cleanup_free_ char *text = NULL;
	const char *expect, *path;
	unsigned before = l->calls;

	assert_int_equal(json_parse_object(line, len, 1 << 20, &call, NULL), 0);
	path = text_of(call, "path");
	expect = text_of(call, "expect");
	text = post(l, fd, call);
	check_answer(call, text);
	assert_int_equal(l->calls, before + (expect ? 1 : 0));
	if (!expect)
		return;
	assert_string_equal(l->method, strchr(path, '.') + 1);
	if (strcmp(l->said.data, expect) != 0)
		fail_msg("%s from %s:\n%s\nnot\n%s", path, text_of(call, "from"), l->said.data,
			 expect);
}

static void test_replay(void **state)
{
	struct plugin_lab *l = *state;
	FILE *f = fopen(TRACES "/calls.jsonl", "re");
	_cleanup_free_ char *line = NULL;
	size_t cap = 0, n = 0;
	ssize_t len;
	int fd = plugin_lab_dial(l);

	assert_non_null(f);
	while ((len = getline(&line, &cap, f)) > 0) {
		replay(l, fd, line, (size_t)len);
		n++;
	}
	assert_true(n >= CALLS_MIN);
	fclose(f);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replay, plugin_lab_setup, plugin_lab_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
