/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What endpoints tell whoever keeps names and files of containers: each that came goes again, and files are told of when all is done. */
#include "agent/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/endpoint_lab.h"

static void what_came_goes(void **state)
{
	struct lab *w = *state;

	w->etcd = true;
	lab_connect(w, LAB_OVER, "1"); /* and the way out */
	lab_connect(w, LAB_BRIDGE, "2");
	assert_int_equal(w->n_known, 3);
	lab_leave(w, LAB_BRIDGE, "2");
	lab_leave(w, LAB_OVER, "1");
	assert_int_equal(w->n_known, 0);
}

/* IPv6 is added to the way out, for which its port comes again; in between the container ends. */
static void the_way_out_ends_while_it_is_made_again(void **state)
{
	struct endpoint_request req = { .target = "1" };
	struct lab *w = *state;
	struct local_target t;

	w->etcd = true;
	lab_connect(w, LAB_OVER, "1");
	assert_int_equal(w->n_known, 2);
	req.network = w->nets[LAB_OVER2]->id;
	w->a = (struct lab_answer){ 0 };
	endpoint_connect(w->es, &req, lab_answered, w);
	while (!ip_is_set(lab_of(w, LAB_EGRESS, "1")->ip6))
		endpoint_stand_answer(w); /* etcd's answer, and not the loop's next turn */
	assert_int_equal(w->a.n, 0); /* it waits for the old port to go */
	t = lab_of(w, LAB_OVER, "1")->target;
	t.path = NULL; /* not ours beyond the first */
	endpoint_drop_target(w->es, &t);
	for (int i = 0; i < 500 && lab_rows(w) > 0; i++)
		lab_turn(w);
	assert_int_equal(w->a.n, 1);
	assert_int_equal(w->n_known, 0);
}

/* Whoever asked for several networks died; who asks again for the one says that no more follow. */
static void files_when_no_more_follow(void **state)
{
	struct lab *w = *state;
	unsigned before;

	w->etcd = true;
	lab_ask(w, LAB_OVER, "1", (struct endpoint_request){ .more = true });
	assert_int_equal(w->told_sandbox, 0);
	lab_connect(w, LAB_OVER, "1");
	assert_int_equal(w->told_sandbox, 1);
	before = w->told_sandbox;
	endpoints_settle_sandboxes(w->es); /* nothing is due */
	assert_int_equal(w->told_sandbox, before);
}

/* After a restart what leads out is settled later: the name server may be another one then. */
static void files_when_settled_late(void **state)
{
	struct lab *w = *state;
	unsigned before;

	w->etcd = true;
	lab_connect(w, LAB_OVER, "1");
	lab_turn(w);
	lab_restart(w, "boot");
	before = w->told_sandbox;
	endpoints_settle_sandboxes(w->es);
	assert_int_equal(w->told_sandbox, before + 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_came_goes),
		T(the_way_out_ends_while_it_is_made_again),
		T(files_when_no_more_follow),
		T(files_when_settled_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
