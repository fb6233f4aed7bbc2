/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Docker tells of its containers after it has made endpoints for them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/endpoint_lab.h"

#define KEY "/var/run/docker/netns/0123456789ab"
#define CONTAINER "c0ffee"

static void names_come_later(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	char *const aliases[] = { (char *)"www", (char *)"-no-", (char *)"www", (char *)"web" };
	char *const links[] = { (char *)"db:database", (char *)"nonsense" };
	struct endpoint_docker_names n = { .container = CONTAINER,
					   .name = "shop",
					   .hostname = "shop.example",
					   .aliases = { (char **)aliases, 4 },
					   .links = { (char **)links, 2 } };
	const struct local_endpoint *row;

	w->etcd = true;
	endpoint_docker_names(w->es, id, &n);
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	assert_int_equal(lab_docker_join(w, id, KEY), 0);
	endpoint_docker_names(w->es, id, &n);
	lab_turn(w);
	row = endpoint_get(w->es, id);
	assert_string_equal(row->name, "shop");
	assert_string_equal(row->hostname, "shop.example");
	assert_string_equal(row->container_id, CONTAINER);
	assert_int_equal(row->aliases.n, 2);
	assert_int_equal(row->links.n, 1);
	assert_int_equal(w->creates, 2);
	assert_string_equal(w->claimed_name, "shop");
	assert_string_equal(w->claimed_sandbox, CONTAINER);
	assert_int_equal(w->claimed_aliases, 2);
	assert_int_equal(w->told, 2);
	endpoint_docker_names(w->es, id, &n); /* nothing new */
	lab_turn(w);
	assert_int_equal(w->creates, 2);
}

static void renamed_while_etcd_is_away(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	struct endpoint_docker_names n = { .container = CONTAINER, .name = "shop" };
	unsigned before;

	w->etcd = true;
	assert_int_equal(lab_docker_create(w, LAB_OVER, id), 0);
	assert_int_equal(lab_docker_join(w, id, KEY), 0);
	endpoint_docker_names(w->es, id, &n);
	lab_turn(w);

	/* Put with the next contact. */
	w->claim_status = -EHOSTUNREACH;
	n.name = "store";
	endpoint_docker_names(w->es, id, &n);
	lab_turn(w);
	w->claim_status = 0;
	before = w->creates;
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_true(w->creates > before);
	assert_string_equal(w->claimed_name, "store");
	before = w->creates;
	endpoints_resettle(w->es, false); /* agreed */
	lab_turn(w);
	assert_int_equal(w->creates, before);

	/* Renamed, and ended before it could be put: the row remembers it. */
	w->claim_status = -EHOSTUNREACH;
	n.name = "depot";
	endpoint_docker_names(w->es, id, &n);
	lab_turn(w);
	w->claim_status = 0;
	lab_restart(w, "boot");
	endpoints_resettle(w->es, false);
	lab_turn(w);
	assert_string_equal(w->claimed_name, "depot");
	assert_string_equal(endpoint_get(w->es, id)->name, "depot");
}

static void names_before_the_claim_is_answered(void **state)
{
	struct lab *w = *state;
	struct id id = id_random();
	struct endpoint_docker_request req = lab_docker(w, LAB_OVER, id);
	struct endpoint_docker_names n = { .container = CONTAINER, .name = "early" };

	w->etcd = true;
	endpoint_docker_create(w->es, &req, lab_answered, w);
	endpoint_docker_names(w->es, id, &n);
	lab_turn(w);
	assert_int_equal(w->creates, 2);
	assert_string_equal(w->claimed_name, "early");
	/* Given back while its record is put again. */
	n.name = "late";
	endpoint_docker_names(w->es, id, &n);
	lab_docker_delete(w, id);
	assert_int_equal(w->unbinds, 1);
	assert_int_equal(lab_rows(w), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(names_come_later),
		T(renamed_while_etcd_is_away),
		T(names_before_the_claim_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
