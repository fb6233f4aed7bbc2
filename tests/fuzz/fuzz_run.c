/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first byte chooses a decoder of agent/run; what a request or a registration decodes to, encodes to the same again. */
#include "agent/api/body_run.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/run_http.h"

#define INPUT_MAX ((size_t)1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request(const char *text, size_t len)
{
	_cleanup_free_ char *once = NULL, *twice = NULL;
	struct run_request q = { 0 }, again = { 0 };
	struct err e = { 0 };

	if (run_request_decode(text, len, &q, &e) < 0)
		return;
	once = run_request_encode(&q);
	if (strlen(once) <= RUN_REQUEST_MAX) {
		if (run_request_decode(once, strlen(once), &again, &e) < 0)
			abort();
		twice = run_request_encode(&again);
		if (strcmp(once, twice) != 0)
			abort();
	}
	for (size_t i = 0; i < q.n_networks; i++) {
		_cleanup_json_ cJSON *body = run_request_connect(&q, i, "run:c1");
		_cleanup_free_ char *escaped = run_url_escape(q.networks[i].name);
	}
	run_request_done(&q);
	run_request_done(&again);
}

static void create(const char *text, size_t len)
{
	_cleanup_json_ cJSON *j = NULL, *once = NULL;
	struct run_create c = { 0 };
	struct err e = { 0 };

	if (json_parse_object(text, len, INPUT_MAX, &j, &e) < 0 || run_create_decode(j, &c, &e) < 0)
		return;
	once = run_create_json(&c);
	run_create_done(&c);
	if (run_create_decode(once, &c, &e) < 0)
		abort();
	run_create_done(&c);
}

/* What was understood is understood again by the decoder of requests. */
static void network(const char *text)
{
	struct run_network n = { 0 }, back = { 0 };
	_cleanup_json_ cJSON *j = NULL;
	struct err e = { 0 };

	if (run_network_parse(text, &n, &e) < 0) {
		if (e.text[0] == '\0')
			abort();
		return;
	}
	j = run_network_json(&n);
	run_network_done(&n);
	if (run_network_decode(j, &back, &e) < 0)
		abort();
	run_network_done(&back);
}

static void ports(const char *text)
{
	struct body_publishes p = { 0 }, back = { 0 };
	_cleanup_json_ cJSON *j = NULL;
	struct err e = { 0 };
	char shown[BODY_PUBLISH_TEXT_MAX];

	if (body_publish_parse(text, &p, &e) < 0) {
		if (p.n > 0 || e.text[0] == '\0')
			abort();
		return;
	}
	(void)body_publish_format(&p.v[0], AF_INET6, shown);
	j = body_publishes_encode(&p);
	if (body_publishes_decode(j, "Publish", &back, &e) < 0 || back.n != p.n)
		abort();
	body_publishes_done(&p);
	body_publishes_done(&back);
}

static void report(const char *text, size_t len)
{
	struct run_report r = { 0 };
	struct err e = { 0 };

	if (run_report_decode(text, len, &r, &e) == 0)
		run_report_done(&r);
}

static void answer(const char *text, size_t len)
{
	_cleanup_json_ cJSON *j = NULL;
	struct err e = { 0 };

	run_http_answer(text, len, &j, &e);
}

/* What is told to ovld must be JSON that ovld reads, whatever bytes the command has. */
static void command(char *text)
{
	char *argv[] = { text, NULL };
	struct run_create c = { .pid = 1 };
	_cleanup_json_ cJSON *j = NULL, *back = NULL;
	_cleanup_free_ char *line = NULL;
	struct err e = { 0 };

	run_command_shown(argv, &c.command);
	j = run_create_json(&c);
	run_create_done(&c);
	line = json_print(j);
	if (json_parse_object(line, strlen(line), 8 * INPUT_MAX, &back, &e) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	text = mem_alloc(size);
	memcpy(text, data + 1, size - 1);
	switch (data[0]) {
	case 'q':
		request(text, size - 1);
		break;
	case 'n':
		network(text);
		break;
	case 'p':
		ports(text);
		break;
	case 'c':
		create(text, size - 1);
		break;
	case 'r':
		report(text, size - 1);
		break;
	case 'a':
		answer(text, size - 1);
		break;
	case 'x':
		command(text);
		break;
	case 's': {
		int s;

		run_signal_parse(text, &s, NULL);
		break;
	}
	}
	return 0;
}
