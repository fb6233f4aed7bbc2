/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When Docker is asked who is on docker_gwbridge, and what names are told of it. Docker's API and names are stand-ins here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/docker/docker_gwbridge.h"
#include "agent/names.h"
#include "base/mem.h"

static struct {
	uv_loop_t loop;
	struct docker_gwbridge *g;
	unsigned asked; /* calls of the API */
	uint64_t asked_ms; /* the last one */
	docker_networks_fn answer;
	void *answer_user;
	void (*unknown)(void *user);
	void *unknown_user;
	unsigned generation, took, took_generation;
	struct names_gwbridge members[8];
	size_t n_members;
	int usable; /* -1: not told */
	char sandbox[NAMES_SANDBOX_MAX];
	struct names_bridge bridges[8];
	size_t n_bridges;
} lab;

/* ---- stand-ins ---- */

void docker_api_network(struct docker_api *a, const char *ref, docker_networks_fn fn, void *user)
{
	(void)a;
	assert_string_equal(ref, "docker_gwbridge");
	assert_null(lab.answer);
	lab.asked++;
	lab.asked_ms = uv_now(&lab.loop);
	lab.answer = fn;
	lab.answer_user = user;
}

void names_gwbridge_took(struct names *n, const struct names_gwbridge *v, size_t n_v,
			 unsigned generation)
{
	(void)n;
	assert_true(n_v <= ARRAY_SIZE(lab.members));
	lab.took++;
	lab.took_generation = generation;
	memcpy(lab.members, v, n_v * sizeof(*v));
	lab.n_members = n_v;
}

unsigned names_gwbridge_generation(const struct names *n)
{
	(void)n;
	return lab.generation;
}

void names_gwbridge_usable(struct names *n, bool usable)
{
	(void)n;
	lab.usable = usable;
}

void names_gwbridge_watch(struct names *n, void (*unknown)(void *user), void *user)
{
	(void)n;
	lab.unknown = unknown;
	lab.unknown_user = user;
}

void names_bridges(struct names *n, const char *sandbox, const struct names_bridge *v, size_t n_v)
{
	(void)n;
	assert_true(n_v <= ARRAY_SIZE(lab.bridges));
	snprintf(lab.sandbox, sizeof(lab.sandbox), "%s", sandbox);
	memcpy(lab.bridges, v, n_v * sizeof(*v));
	lab.n_bridges = n_v;
}

unsigned if_nametoindex(const char *name)
{
	return strcmp(name, "br-0123456789ab") == 0 || strcmp(name, "docker0") == 0 ? 7 : 0;
}

/* ---- */

static struct names *const some_names = (struct names *)&lab;

static int setup(void **state)
{
	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.usable = -1;
	uv_loop_init(&lab.loop);
	lab.g = docker_gwbridge_new(&lab.loop, NULL, some_names);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	docker_gwbridge_close(lab.g);
	uv_run(&lab.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&lab.loop), 0);
	assert_null(lab.unknown);
	return 0;
}

/* Until its timer has nothing more to do. */
static void turn(void)
{
	uv_run(&lab.loop, UV_RUN_DEFAULT);
}

static void answer(int status, const char *text)
{
	docker_networks_fn fn = TAKE_PTR(lab.answer);
	struct docker_network *net = NULL;
	struct err e = { 0 };

	assert_non_null(fn);
	if (status == 0)
		assert_int_equal(docker_network_decode(text, strlen(text), &net, &e), 0);
	else
		err_set(&e, status, "so it is");
	fn(lab.answer_user, status, net, net ? 1 : 0, &e);
	docker_networks_free(net, net ? 1 : 0);
}

#define ID16 "0123456789abcdef"
#define ID(c) c ID16 ID16 ID16 "123456789abcdef"
/* As dockerd 20.10 has it. */
static const char bridge[] = "{\"Name\":\"docker_gwbridge\",\"Id\":\"" ID(
	"4") "\",\"Scope\":\"local\",\"Driver\":\"bridge\",\"Internal\":false,\"Containers\":{"
	     "\"" ID("1") "\":{\"Name\":\"gateway_8455250c1a1f\",\"EndpointID\":\"" ID(
		     "9") "\","
			  "\"MacAddress\":\"02:42:ac:12:00:02\",\"IPv4Address\":\"172.18.0.2/16\",\"IPv6Address\":\"\"},"
			  "\"" ID("2") "\":{\"Name\":\"gateway_0a1b2c3d4e5f\",\"EndpointID\":\"" ID(
				  "8") "\","
				       "\"IPv4Address\":\"172.18.0.3/16\",\"IPv6Address\":\"fd18::3/64\"},"
				       "\"" ID("3") "\":{\"Name\":\"c3\",\"EndpointID\":\"" ID(
					       "7") "\",\"IPv4Address\":\"172.18.0.4/16\"},"
						    "\"" ID("5") "\":{\"Name\":\"gateway_" ID("5")
							    ID("5") "\",\"EndpointID\":\"" ID(
								    "6") "\",\"IPv4Address\":\"172.18.0.5/16\"}},"
									 "\"Options\":{\"com.docker.network.bridge.name\":\"docker_gwbridge\"}}";

static const struct names_gwbridge *member(const char *sandbox)
{
	for (size_t i = 0; i < lab.n_members; i++) {
		if (strcmp(lab.members[i].sandbox, sandbox) == 0)
			return &lab.members[i];
	}
	return NULL;
}

static void what_is_told(void **state)
{
	char ip[IP_TEXT_MAX], id[ID_TEXT_MAX];

	(void)state;
	turn();
	assert_int_equal(lab.asked, 0);
	docker_gwbridge_ask(lab.g);
	assert_int_equal(lab.asked, 0); /* not from inside */
	turn();
	assert_int_equal(lab.asked, 1);
	assert_int_equal(lab.usable, -1);
	lab.generation = 7;
	answer(0, bridge);
	assert_int_equal(lab.usable, 1);
	assert_int_equal(lab.took, 1);
	assert_int_equal(lab.took_generation, 0); /* when it was asked */
	assert_int_equal(lab.n_members, 2);
	assert_non_null(member("8455250c1a1f"));
	assert_string_equal(ip_format(member("8455250c1a1f")->ip4, ip), "172.18.0.2");
	assert_false(ip_is_set(member("8455250c1a1f")->ip6));
	assert_string_equal(id_format(member("8455250c1a1f")->endpoint, id), ID("9"));
	assert_non_null(member("0a1b2c3d4e5f"));
	assert_string_equal(ip_format(member("0a1b2c3d4e5f")->ip6, ip), "fd18::3");
	turn();
	assert_int_equal(lab.asked, 1);
}

/* There is none before the first container needs it. */
static void no_bridge(void **state)
{
	(void)state;
	docker_gwbridge_ask(lab.g);
	turn();
	answer(-ENOENT, NULL);
	assert_int_equal(lab.usable, 1);
	assert_int_equal(lab.took, 1);
	assert_int_equal(lab.n_members, 0);
}

static void no_answer(void **state)
{
	(void)state;
	docker_gwbridge_ask(lab.g);
	turn();
	answer(-EHOSTUNREACH, NULL);
	assert_int_equal(lab.usable, -1); /* it comes back */
	docker_gwbridge_ask(lab.g);
	turn();
	answer(-ETIMEDOUT, NULL);
	assert_int_equal(lab.usable, -1);
	docker_gwbridge_ask(lab.g);
	turn();
	answer(-EACCES, NULL);
	assert_int_equal(lab.usable, 0);
	assert_int_equal(lab.took, 0);
	docker_gwbridge_ask(lab.g);
	turn();
	answer(0, bridge);
	assert_int_equal(lab.usable, 1);
	assert_int_equal(lab.took, 1);
}

/* However many ask who are not known: one call at a time, and not all the time. */
static void not_too_often(void **state)
{
	uint64_t first;

	(void)state;
	assert_non_null(lab.unknown);
	for (int i = 0; i < 100; i++)
		lab.unknown(lab.unknown_user);
	turn();
	assert_int_equal(lab.asked, 1);
	first = lab.asked_ms;
	for (int i = 0; i < 100; i++)
		lab.unknown(lab.unknown_user);
	turn();
	assert_int_equal(lab.asked, 1); /* not answered yet */
	answer(0, bridge);
	assert_int_equal(lab.asked, 1);
	turn();
	assert_int_equal(lab.asked, 2); /* those came while it was under way */
	assert_true(lab.asked_ms >= first + DOCKER_GWBRIDGE_GAP_MS);
	answer(0, bridge);
	turn();
	assert_int_equal(lab.asked, 2);
}

static void closed_while_it_is_asked(void **state)
{
	(void)state;
	docker_gwbridge_ask(lab.g);
	turn();
	assert_int_equal(lab.asked, 1);
	docker_gwbridge_ask(NULL);
	assert_null(docker_gwbridge_new(&lab.loop, NULL, NULL));
}

/* Only bridges that are there by their usual names; others are no way of questions, or none that is known. */
static void ordinary_bridges(void **state)
{
	struct docker_attachment at[] = {
		{ .network_id = (char[]){ "aaaaaaaaaaaaaaaa" },
		  .network_name = (char[]){ "demo" },
		  .endpoint = { .b = { 1 } },
		  .ip4 = ip_v4(0x0a000002) },
		{ .network_id = (char[]){ "0123456789abcdef" },
		  .network_name = (char[]){ "plain" },
		  .endpoint = { .b = { 2 } },
		  .ip4 = ip_v4(0xac130002) },
		{ .network_id = (char[]){ "bbbbbbbbbbbbbbbb" },
		  .network_name = (char[]){ "bridge" },
		  .endpoint = { .b = { 3 } },
		  .ip4 = ip_v4(0xac110002) },
		{ .network_id = (char[]){ "0123456789abcdef" },
		  .network_name = (char[]){ "not connected yet" } },
	};
	struct docker_container c = { .running = true,
				      .sandbox_key = (char[]){ "/run/docker/netns/8455250c1a1f" },
				      .networks = at,
				      .n_networks = ARRAY_SIZE(at) };

	(void)state;
	docker_gwbridge_container(lab.g, &c);
	assert_string_equal(lab.sandbox, "8455250c1a1f");
	assert_int_equal(lab.n_bridges, 2);
	assert_string_equal(lab.bridges[0].ifname, "br-0123456789ab");
	assert_true(ip_eq(lab.bridges[0].ip4, at[1].ip4));
	assert_string_equal(lab.bridges[1].ifname, "docker0");
	c.running = false;
	docker_gwbridge_container(lab.g, &c);
	assert_int_equal(lab.n_bridges, 0);
	lab.sandbox[0] = '\0';
	c.sandbox_key = NULL;
	docker_gwbridge_container(lab.g, &c);
	docker_gwbridge_container(NULL, &c);
	assert_string_equal(lab.sandbox, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(no_bridge, setup, teardown),
		cmocka_unit_test_setup_teardown(no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(not_too_often, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_while_it_is_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(ordinary_bridges, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
