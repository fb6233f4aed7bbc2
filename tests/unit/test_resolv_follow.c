/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/resolv_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

#define DEADLINE_MS 30000
#define TURN_MS 20 /* how often the deadline is looked at */

struct lab {
	uv_loop_t loop;
	uv_timer_t turn;
	char dir[64], path[96], other[96]; /* other/: where symlinks lead to */
	struct resolv_follow *f;
	char told[128]; /* "10.0.0.1 10.0.0.2", "-" for none, "" for not told */
	unsigned calls;
	bool close_when_told;
};

static char *at(const struct lab *l, const char *name)
{
	return mem_printf("%s/%s", l->dir, name);
}

static void write_at(const struct lab *l, const char *name, const char *text)
{
	_cleanup_free_ char *path = at(l, name);
	FILE *f = fopen(path, "we"); /* in place, and cut first */

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void remove_at(const struct lab *l, const char *name)
{
	_cleanup_free_ char *path = at(l, name);

	assert_int_equal(remove(path), 0);
}

static void link_at(const struct lab *l, const char *to, const char *name)
{
	_cleanup_free_ char *path = at(l, name);
	_cleanup_free_ char *temp = at(l, "temp-link");

	assert_int_equal(symlink(to, temp), 0);
	assert_int_equal(rename(temp, path), 0);
}

static void on_turn(uv_timer_t *t)
{
	(void)t;
}

static void on_conf(void *user, const struct resolv_conf *c)
{
	struct lab *l = user;
	char text[IP_TEXT_MAX];

	l->told[0] = '\0';
	l->calls++;
	for (size_t i = 0; i < c->servers.n; i++)
		snprintf(l->told + strlen(l->told), sizeof(l->told) - strlen(l->told), "%s%s",
			 i ? " " : "", ip_format(c->servers.v[i].ip, text));
	if (c->servers.n == 0)
		snprintf(l->told, sizeof(l->told), "-");
	if (l->close_when_told) {
		resolv_follow_close(l->f);
		l->f = NULL;
	}
}

static void wait_told(struct lab *l, const char *what)
{
	uint64_t end = clock_boot_ms() + DEADLINE_MS;

	while (strcmp(l->told, what) != 0) {
		if (clock_boot_ms() > end)
			fail_msg("told \"%s\", not \"%s\"", l->told, what);
		uv_run(&l->loop, UV_RUN_ONCE);
	}
}

static int set_up(void **state)
{
	struct lab *l = mem_alloc(sizeof(*l));
	_cleanup_free_ char *other = NULL;

	snprintf(l->dir, sizeof(l->dir), "/tmp/ovl-test-resolv.XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	snprintf(l->path, sizeof(l->path), "%s/resolv.conf", l->dir);
	other = at(l, "other");
	assert_int_equal(mkdir(other, 0700), 0);
	uv_loop_init(&l->loop);
	uv_timer_init(&l->loop, &l->turn);
	uv_timer_start(&l->turn, on_turn, TURN_MS, TURN_MS);
	*state = l;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "resolv.conf",  "new",   "other/resolv.conf",
					     "other/second", "other", "temp-link" };
	struct lab *l = *state;

	resolv_follow_close(l->f);
	uv_close((uv_handle_t *)&l->turn, NULL);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = at(l, names[i]);

		remove(path);
	}
	assert_int_equal(rmdir(l->dir), 0);
	free(l);
	return 0;
}

static void start(struct lab *l, const char *told)
{
	l->f = resolv_follow_start(&l->loop, l->path, on_conf, l);
	assert_int_equal(l->calls, 1);
	assert_string_equal(l->told, told);
}

static void told_at_the_start_even_if_there_is_none(void **state)
{
	struct lab *l = *state;

	start(l, "-");
	write_at(l, "resolv.conf", "nameserver 10.0.0.1\n");
	wait_told(l, "10.0.0.1");
}

static void written_in_place_and_replaced(void **state)
{
	struct lab *l = *state;
	_cleanup_free_ char *new = at(l, "new");

	write_at(l, "resolv.conf", "nameserver 10.0.0.1\n");
	start(l, "10.0.0.1");
	write_at(l, "resolv.conf", "nameserver 10.0.0.2\n"); /* as long as the one before */
	wait_told(l, "10.0.0.2");
	write_at(l, "new", "nameserver 10.0.0.3\nnameserver 10.0.0.4\n");
	assert_int_equal(rename(new, l->path), 0);
	wait_told(l, "10.0.0.3 10.0.0.4");
	write_at(l, "resolv.conf", "nameserver 10.0.0.5\n"); /* the new inode */
	wait_told(l, "10.0.0.5");
}

static void removed_and_back(void **state)
{
	struct lab *l = *state;

	write_at(l, "resolv.conf", "nameserver 10.0.0.1\n");
	start(l, "10.0.0.1");
	remove_at(l, "resolv.conf");
	wait_told(l, "-");
	write_at(l, "resolv.conf", "nameserver 10.0.0.1\n");
	wait_told(l, "10.0.0.1");
}

static void a_symlink_and_its_target(void **state)
{
	struct lab *l = *state;

	write_at(l, "other/resolv.conf", "nameserver 10.0.0.1\n");
	write_at(l, "other/second", "nameserver 10.0.0.2\n");
	link_at(l, "other/resolv.conf", "resolv.conf");
	start(l, "10.0.0.1");
	write_at(l, "other/resolv.conf", "nameserver 10.0.0.3\n");
	wait_told(l, "10.0.0.3");
	link_at(l, "other/second", "resolv.conf");
	wait_told(l, "10.0.0.2");
	remove_at(l, "other/second");
	wait_told(l, "-");
	write_at(l, "other/second", "nameserver 10.0.0.4\n");
	wait_told(l, "10.0.0.4");
}

static void the_directory_of_the_target_made_again(void **state)
{
	struct lab *l = *state;
	_cleanup_free_ char *other = at(l, "other");

	write_at(l, "other/resolv.conf", "nameserver 10.0.0.1\n");
	link_at(l, "other/resolv.conf", "resolv.conf");
	start(l, "10.0.0.1");
	remove_at(l, "other/resolv.conf");
	remove_at(l, "other");
	wait_told(l, "-");
	assert_int_equal(mkdir(other, 0700), 0);
	write_at(l, "other/resolv.conf", "nameserver 10.0.0.2\n");
	wait_told(l, "10.0.0.2");
	write_at(l, "other/resolv.conf", "nameserver 10.0.0.3\n");
	wait_told(l, "10.0.0.3");
}

static void the_same_again_is_not_told(void **state)
{
	struct lab *l = *state;

	write_at(l, "resolv.conf", "nameserver 10.0.0.1\n");
	start(l, "10.0.0.1");
	/* By rename, so that no empty text is to be seen in between; something that is told ends the wait. */
	for (unsigned i = 0; i < 2; i++) {
		_cleanup_free_ char *new = at(l, "new");

		write_at(l, "new", i ? "nameserver 10.0.0.2\n" : "nameserver 10.0.0.1\n");
		assert_int_equal(rename(new, l->path), 0);
	}
	wait_told(l, "10.0.0.2");
	assert_int_equal(l->calls, 2);
}

static void closed_from_inside(void **state)
{
	struct lab *l = *state;

	start(l, "-");
	l->close_when_told = true;
	write_at(l, "resolv.conf", "nameserver 10.0.0.1\n");
	wait_told(l, "10.0.0.1");
	assert_null(l->f);
	resolv_follow_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(told_at_the_start_even_if_there_is_none, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(written_in_place_and_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(removed_and_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_symlink_and_its_target, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_directory_of_the_target_made_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_same_again_is_not_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(closed_from_inside, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
