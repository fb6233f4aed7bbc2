/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `ovlctl doctor` and GET /doctor: what is said of a report, and the exit status. */
#include "tests/unit/ctl_lab.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/api/routes.h"
#include "agent/doctor.h"
#include "base/mem.h"

/* ---- a doctor that says what it is told ---- */

struct doctor {
	struct doctor_report r;
	int status;
};
static struct doctor doctor;
static struct api_context ctx = { .doctor = &doctor };

void doctor_examine(struct doctor *d, doctor_done_fn done, void *user)
{
	done(user, d->status, d->status < 0 ? NULL : &d->r);
}

const char *doctor_area_name(enum doctor_area a)
{
	static const char *const names[DOCTOR_AREAS] = { "a0", "a1", "a2", "a3", "a4", "a5", "a6" };

	return names[a];
}

static void get_doctor(struct api_call *call, void *user)
{
	(void)user;
	routes_doctor.routes[0].handler(call, &ctx);
}

static const struct api_route routes[] = { { "GET", "/doctor", API_BODY_NONE, get_doctor } };

static int set_up(void **state)
{
	doctor = (struct doctor){ 0 };
	return ctl_lab_up(state, routes, ARRAY_SIZE(routes));
}

static void nothing_amiss(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 0, "doctor");
	assert_string_equal(f->out, "nothing amiss: a0, a1, a2, a3, a4, a5, a6\n");
	doctor.r.not_checked[DOCTOR_DOCKER] = (char *)"none here";
	ctl_lab_run(f, 0, "doctor");
	assert_string_equal(f->out, "nothing amiss: a0, a1, a2, a4, a5, a6\n"
				    "not checked: a3: none here\n");
	ctl_lab_run(f, 0, "doctor --json");
	ctl_lab_has(f->out, "\"Findings\": []");
	ctl_lab_has(f->out, "\"Why\": \"none here\"");
}

static void something_is(void **state)
{
	struct doctor_finding v[] = { { DOCTOR_ETCD, (char *)"it is away",
					(char *)"bring it back" },
				      { DOCTOR_NODE, (char *)"odd", NULL } };
	struct ctl_lab *f = *state;

	doctor.r.v = v;
	doctor.r.n = 2;
	doctor.r.left_out = 3;
	ctl_lab_run(f, 1, "doctor");
	assert_string_equal(f->out, "a1: it is away\n    cure: bring it back\na5: odd\n"
				    "3 further findings\n");
	ctl_lab_run(f, 1, "doctor --format json");
	ctl_lab_has(f->out, "\"Cure\": \"bring it back\"");
	ctl_lab_has(f->out, "\"FindingsLeftOut\": 3");
}

static void wrong(void **state)
{
	struct ctl_lab *f = *state;

	ctl_lab_run(f, 2, "doctor now");
	ctl_lab_run(f, 2, "doctor --format xml");
	ctl_lab_run(f, 2, "doctor --nonsense");
	ctl_lab_run(f, 0, "doctor --help");
	ctl_lab_has(f->out, "Exit status: 0 nothing is amiss");
	doctor.status = -EAGAIN;
	ctl_lab_run(f, 1, "doctor");
	ctl_lab_has(f->err, "enough examinations are under way");
	doctor.status = -ECANCELED;
	ctl_lab_run(f, 1, "doctor");
	ctl_lab_has(f->err, "ovld is about to end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_amiss, set_up, ctl_lab_down),
		cmocka_unit_test_setup_teardown(something_is, set_up, ctl_lab_down),
		cmocka_unit_test_setup_teardown(wrong, set_up, ctl_lab_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
