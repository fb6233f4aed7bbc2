/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `ovlctl dns query`: what it asks for, and its exit status. What it says: test_dns_text.c. */
#include "tests/unit/ctl_lab.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/api/call.h"
#include "base/mem.h"

#define NONE "{\"Rcode\":\"NXDOMAIN\",\"Answers\":[],\"Source\":\"zone\",\"Networks\":[\"demo\"]}"
#define C2                                                                                        \
	"{\"Rcode\":\"NOERROR\",\"Answers\":[{\"Name\":\"c2\",\"Type\":\"A\",\"TTL\":5,\"Data\":" \
	"\"10.0.0.3\"}],\"Source\":\"cache\"}"

static const char *asked_for(const struct api_call *call, const char *key)
{
	const char *v = api_call_query(call, key);

	return v ? v : "-";
}

static void get_query(struct api_call *call, void *user)
{
	const char *name = asked_for(call, "name");

	ctl_lab_remember(user,
			 mem_printf("%s %s %s %s", name, asked_for(call, "type"),
				    asked_for(call, "network"), asked_for(call, "container")));
	if (strcmp(name, "bad") == 0)
		api_reply_fail(call, -EINVAL, "type: no such type");
	else if (strcmp(name, "unknown") == 0)
		api_reply_fail(call, -ENOENT, "network unknown not found");
	else
		api_reply_json(call, 200, cJSON_Parse(strcmp(name, "none") == 0 ? NONE : C2));
}

static const struct api_route routes[] = {
	{ "GET", "/dns/query", API_BODY_NONE, get_query },
};

static int set_up(void **state)
{
	return ctl_lab_up(state, routes, ARRAY_SIZE(routes));
}

static void test_query(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 0, "dns query c2 --network a&b");
	assert_string_equal(f->asked, "c2 A a&b -");
	assert_string_equal(f->out, "c2.                    \t5\tIN\tA\t10.0.0.3\n; cached\n");
	ctl_lab_run(f, 1, "dns query none aaaa");
	assert_string_equal(f->asked, "none aaaa - -");
	assert_string_equal(f->out, "; not there: NXDOMAIN; from the zone\n"
				    "; asked as by a container on demo\n");
	ctl_lab_run(f, 0, "dns query --json c2");
	ctl_lab_has(f->out, "\"Source\": \"cache\"");
}

/* By the name of its PTR record, unless somebody asks for another type of it. */
static void test_address(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 0, "dns query --container run:c1 10.0.0.2");
	assert_string_equal(f->asked, "2.0.0.10.in-addr.arpa PTR - run:c1");
	ctl_lab_run(f, 0, "dns query 10.0.0.2 ptr");
	assert_string_equal(f->asked, "2.0.0.10.in-addr.arpa ptr - -");
	ctl_lab_run(f, 0, "dns query 10.0.0.2 A");
	assert_string_equal(f->asked, "10.0.0.2 A - -");
}

static void test_wrong(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 2, "dns query bad");
	assert_string_equal(f->err, "ovlctl: type: no such type\n");
	ctl_lab_run(f, 1, "dns query unknown");
	assert_string_equal(f->err, "ovlctl: network unknown not found\n");
	ctl_lab_run(f, 2, "dns query");
	ctl_lab_run(f, 2, "dns query a A more");
	ctl_lab_run(f, 2, "dns query a --format yaml");
	ctl_lab_run(f, 2, "dns query a --network b --container c");
	ctl_lab_has(f->err, "give one of the two");
	ctl_lab_run(f, 2, "dns");
	ctl_lab_has(f->err, "dns query");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, ctl_lab_down)
	const struct CMUnitTest tests[] = { T(test_query), T(test_address), T(test_wrong) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
