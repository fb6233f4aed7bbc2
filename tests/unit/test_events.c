/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"

struct listener {
	struct events *ev;
	struct events_sub *sub;
	unsigned heard;
	struct listener *drop; /* unsubscribed when something is heard */
	struct listener *add; /* subscribed then */
	unsigned again; /* so often publishes from within */
	char *last;
};

static void hear(void *user, const char *line, size_t len)
{
	struct listener *l = user;

	assert_int_equal(strlen(line), len);
	assert_null(strchr(line, '\n'));
	l->heard++;
	free(l->last);
	l->last = mem_strdup(line);
	if (l->drop) {
		struct events_sub *s = TAKE_PTR(l->drop->sub);

		events_unsubscribe(l->ev, s);
	}
	if (l->add) {
		l->add->sub = events_subscribe(l->ev, hear, l->add);
		l->add = NULL;
	}
	if (l->again > 0) {
		l->again--;
		events_publish(l->ev, "node", "up", "n1", NULL);
	}
}

static void listen_to(struct events *ev, struct listener *l)
{
	l->ev = ev;
	l->sub = events_subscribe(ev, hear, l);
}

static void done(struct events *ev, struct listener *l, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		events_unsubscribe(ev, l[i].sub);
		free(l[i].last);
	}
	events_free(ev);
}

static void a_line_is_one_event_as_docker_tells_it(void **state)
{
	struct events *ev = events_new();
	struct listener l = { 0 };
	_cleanup_kv_pairs_ struct kv_pairs attrs = { 0 };
	_cleanup_json_ cJSON *j = NULL;
	struct err e = { 0 };
	const cJSON *actor;

	(void)state;
	listen_to(ev, &l);
	kv_pairs_set(&attrs, "name", "demo \"quoted\"\n");
	events_publish(ev, "network", "create", "abc", &attrs);
	assert_int_equal(l.heard, 1);
	assert_int_equal(json_parse_object(l.last, strlen(l.last), 4096, &j, &e), 0);
	assert_string_equal(cJSON_GetObjectItem(j, "Type")->valuestring, "network");
	assert_string_equal(cJSON_GetObjectItem(j, "Action")->valuestring, "create");
	assert_string_equal(cJSON_GetObjectItem(j, "scope")->valuestring, "local");
	actor = cJSON_GetObjectItem(j, "Actor");
	assert_string_equal(cJSON_GetObjectItem(actor, "ID")->valuestring, "abc");
	actor = cJSON_GetObjectItem(actor, "Attributes");
	assert_string_equal(cJSON_GetObjectItem(actor, "name")->valuestring, "demo \"quoted\"\n");
	assert_true(cJSON_GetObjectItem(j, "timeNano")->valuedouble >
		    cJSON_GetObjectItem(j, "time")->valuedouble * 1e9 - 1e6);
	events_publish(ev, "daemon", "reload", "x", NULL);
	assert_non_null(strstr(l.last, "\"Attributes\":{}"));
	done(ev, &l, 1);
}

static void nobody_listens(void **state)
{
	struct events *ev = events_new();

	(void)state;
	events_publish(ev, "node", "up", "n1", NULL);
	events_unsubscribe(ev, NULL);
	events_free(ev);
}

static void one_may_leave_while_it_is_told(void **state)
{
	struct events *ev = events_new();
	struct listener l[3] = { 0 };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		listen_to(ev, &l[i]);
	l[1].drop = &l[1];
	events_publish(ev, "node", "up", "n1", NULL);
	events_publish(ev, "node", "up", "n1", NULL);
	assert_int_equal(l[0].heard, 2);
	assert_int_equal(l[1].heard, 1);
	assert_int_equal(l[2].heard, 2);
	done(ev, l, 3);
}

static void one_may_drop_another_while_it_is_told(void **state)
{
	struct events *ev = events_new();
	struct listener l[3] = { 0 };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		listen_to(ev, &l[i]);
	l[1].drop = &l[2]; /* still to be told */
	events_publish(ev, "node", "up", "n1", NULL);
	assert_int_equal(l[2].heard, 0);
	l[1].drop = &l[0]; /* told already */
	events_publish(ev, "node", "up", "n1", NULL);
	events_publish(ev, "node", "up", "n1", NULL);
	assert_int_equal(l[0].heard, 2);
	assert_int_equal(l[1].heard, 3);
	assert_int_equal(l[2].heard, 0);
	done(ev, l, 3);
}

static void one_may_come_while_others_are_told(void **state)
{
	struct events *ev = events_new();
	struct listener l[2] = { 0 };

	(void)state;
	listen_to(ev, &l[0]);
	l[1].ev = ev;
	l[0].add = &l[1];
	events_publish(ev, "node", "up", "n1", NULL);
	events_publish(ev, "node", "up", "n1", NULL);
	assert_int_equal(l[0].heard, 2);
	assert_in_range(l[1].heard, 1, 2);
	done(ev, l, 2);
}

static void one_may_publish_and_leave_while_it_is_told(void **state)
{
	struct events *ev = events_new();
	struct listener l[3] = { 0 };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		listen_to(ev, &l[i]);
	l[0].again = 3;
	l[1].drop = &l[1]; /* within the innermost */
	events_publish(ev, "node", "up", "n1", NULL);
	assert_int_equal(l[0].heard, 4);
	assert_int_equal(l[1].heard, 1);
	assert_int_equal(l[2].heard, 4);
	done(ev, l, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_one_event_as_docker_tells_it),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(one_may_leave_while_it_is_told),
		cmocka_unit_test(one_may_drop_another_while_it_is_told),
		cmocka_unit_test(one_may_come_while_others_are_told),
		cmocka_unit_test(one_may_publish_and_leave_while_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
