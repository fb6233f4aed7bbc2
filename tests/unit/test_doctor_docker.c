/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Docker's answers against an etcd in memory and this node's rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/doctor_docker.h"
#include "base/mem.h"
#include "tests/unit/docker_lab.h"
#include "tests/unit/doctor_lab.h"

#define NET \
	"0a0000000000000000000000000000000000000000000000000000000000000a" /* doctor_lab_id(10) */
#define DOCKER_NET "dddd000000000000000000000000000000000000000000000000000000000001"
#define EP2 "0200000000000000000000000000000000000000000000000000000000000002"
#define EP9 "0900000000000000000000000000000000000000000000000000000000000009"

struct world {
	struct docker_lab s;
	struct doctor_lab l;
	struct docker_api *api;
	struct doctor_docker_deps dd;
	const char *list, *inspect; /* what Docker answers */
	const char *parts[2][2];
	char *bodies[2];
	bool left;
};

static const char *const *answer(void *user, const char *request)
{
	struct world *w = user;
	bool list = strncmp(request, "GET /networks?", 14) == 0;
	const char *body = list ? w->list : w->inspect;

	free(w->bodies[list]);
	w->bodies[list] =
		body ? mem_printf(OK "Content-Length: %zu\r\n\r\n%s", strlen(body), body) :
		       mem_strdup("HTTP/1.1 404 Not Found\r\nContent-Length: 26\r\n\r\n"
				  "{\"message\":\"no such thing\"}");
	w->parts[list][0] = w->bodies[list];
	return w->parts[list];
}

static bool left(void *user, struct id network)
{
	(void)network;
	return ((struct world *)user)->left;
}

static void look(struct doctor_lab *l, struct doctor_check *c)
{
	doctor_docker(&CONTAINER_OF(l, struct world, l)->dd, c);
}

static void bind_to(struct world *w, const char *docker)
{
	struct model_binding b = { .docker = (char *)docker };

	doctor_lab_put(&w->l, model_key_binding(P, doctor_lab_id(10), doctor_lab_id(1)),
		       model_binding_encode(&b));
}

/* Bound, known to Docker, with our endpoint in it. */
static int start(void **state, bool serve)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct local_endpoint *row;

	docker_lab_start(&w->s, serve);
	w->s.answer = answer;
	w->s.user = w;
	doctor_lab_open(&w->l, &w->s.loop);
	w->l.docker = look;
	w->api = docker_api_new(&w->s.loop, w->s.path);
	w->dd = (struct doctor_docker_deps){ .api = w->api,
					     .mirror = w->l.m,
					     .endpoints = (struct endpoints *)&w->l,
					     .self = doctor_lab_id(1),
					     .plugin = "/run/docker/plugins/ovl.sock",
					     .serving = true,
					     .left = left,
					     .user = w };
	row = w->l.rows[0];
	row->engine = mem_strdup("docker");
	row->created = mem_strdup("2026-01-01T00:00:00Z");
	bind_to(w, DOCKER_NET);
	w->list = "[{\"Id\":\"" DOCKER_NET "\",\"Name\":\"demo\",\"Driver\":\"ovl\"}]";
	w->inspect = "{\"Id\":\"" DOCKER_NET
		     "\",\"Name\":\"demo\",\"Driver\":\"ovl\",\"Containers\":{"
		     "\"c\":{\"Name\":\"c2\",\"EndpointID\":\"" EP2
		     "\",\"IPv4Address\":\"10.0.0.2/24\"}}}";
	*state = w;
	return 0;
}

static int up(void **state)
{
	return start(state, true);
}

static int up_without_docker(void **state)
{
	return start(state, false);
}

static int down(void **state)
{
	struct world *w = *state;

	doctor_lab_close(&w->l);
	docker_api_close(w->api);
	docker_lab_stop(&w->s);
	free(w->bodies[0]);
	free(w->bodies[1]);
	free(w);
	return 0;
}

static void one(struct world *w, const char *what, const char *cure)
{
	doctor_lab_one(&w->l, "docker", what, cure);
}

static void all_agree(void **state)
{
	struct world *w = *state;

	doctor_lab_look(&w->l);
	assert_string_equal(w->l.text, "");
	assert_non_null(strstr(w->s.seen.data, "GET /networks/" DOCKER_NET));
}

static void networks(void **state)
{
	struct world *w = *state;

	w->inspect = NULL; /* removed just then: no error */
	w->l.rows[0]->state = LOCAL_INTENDED;
	w->list = "[]";
	one(w, "network demo is bound to Docker's network dddd00000000, which Docker does not have",
	    DOCTOR_BY_ITSELF);
	doctor_lab_del(&w->l, model_key_binding(P, doctor_lab_id(10), doctor_lab_id(1)));
	one(w, "network demo of the cluster is not in Docker", DOCTOR_BY_ITSELF);
	w->left = true;
	doctor_lab_look(&w->l);
	assert_int_equal(w->l.n, 0); /* as was said here */
	w->left = false;
	w->list = "[{\"Id\":\"" DOCKER_NET "\",\"Name\":\"mine\",\"Driver\":\"ovl\",\"Options\":"
		  "{\"ovl.network\":\"" NET "\"}}]";
	one(w, "Docker's network mine is network demo of the cluster, but not bound to it",
	    DOCTOR_BY_ITSELF);
	bind_to(w, DOCKER_NET);
	doctor_lab_look(&w->l);
	assert_int_equal(w->l.n, 0);
	w->list = "[{\"Id\":\"" DOCKER_NET "\",\"Name\":\"demo\",\"Driver\":\"ovl\"},"
		  "{\"Id\":\"77\",\"Name\":\"old\",\"Driver\":\"ovl\",\"Labels\":{\"ovl.managed\":"
		  "\"true\"}}]";
	one(w, "Docker's network old stands for one that is gone", "docker network inspect old");
	w->list = "[{\"Id\":\"" DOCKER_NET "\",\"Name\":\"demo\",\"Driver\":\"ovl\"},"
		  "{\"Id\":\"78\",\"Name\":\"odd\",\"Driver\":\"ovl\"}]";
	one(w, "Docker's network odd is no network of the cluster", "docker network rm odd");
}

static void names_that_are_taken(void **state)
{
	struct world *w = *state;

	w->inspect = NULL;
	w->l.rows[0]->state = LOCAL_INTENDED;
	doctor_lab_put(&w->l, model_key_network(P, doctor_lab_id(11)),
		       mem_strdup("{\"name\":\"docker-0b\",\"state\":\"pending\",\"vni\":1048577,"
				  "\"mtu\":1450,\"subnets\":[{\"subnet\":\"10.0.1.0/24\","
				  "\"gateway\":\"10.0.1.1\"}]}"));
	w->list = "[{\"Id\":\"" DOCKER_NET "\",\"Name\":\"demo\",\"Driver\":\"ovl\"},"
		  "{\"Id\":\"0b0000000000000000000000000000000000000000000000000000000000000b\","
		  "\"Name\":\"demo\",\"Driver\":\"ovl\"}]";
	doctor_lab_look(&w->l);
	assert_non_null(strstr(w->l.text,
			       "docker: Docker's network demo cannot have this name in the "
			       "cluster: another network has it | docker network rm demo, "
			       "and create it under another name"));
}

static void endpoints_that_differ(void **state)
{
	struct world *w = *state;
	struct local_endpoint *row = w->l.rows[0];

	w->inspect = "{\"Id\":\"" DOCKER_NET
		     "\",\"Name\":\"demo\",\"Driver\":\"ovl\",\"Containers\":{"
		     "\"c\":{\"Name\":\"c2\",\"EndpointID\":\"" EP2
		     "\",\"IPv4Address\":\"10.0.0.4/24\"}}}";
	one(w, "container c2 on network demo has address 10.0.0.4 in Docker, but 10.0.0.2 here",
	    "docker network disconnect -f demo c2");
	w->inspect =
		"{\"Id\":\"" DOCKER_NET "\",\"Name\":\"demo\",\"Driver\":\"ovl\",\"Containers\":{"
		"\"c\":{\"Name\":\"c2\",\"EndpointID\":\"" EP2
		"\",\"IPv4Address\":\"10.0.0.2/24\"},\"d\":{\"Name\":\"c9\",\"EndpointID\":\"" EP9
		"\",\"IPv4Address\":\"10.0.0.9/24\"}}}";
	one(w, "Docker has container c9 on network demo, where this node has no such endpoint",
	    "docker network disconnect -f demo c9");
	w->inspect = "{\"Id\":\"" DOCKER_NET
		     "\",\"Name\":\"demo\",\"Driver\":\"ovl\",\"Containers\":{}}";
	one(w, "endpoint c2 on network demo is Docker's, which does not have it", DOCTOR_BY_ITSELF);
	/* Not Docker's. */
	free(TAKE_PTR(row->engine));
	doctor_lab_look(&w->l);
	assert_int_equal(w->l.n, 0);
}

static void an_interface_that_is_lost(void **state)
{
	struct world *w = *state;

	w->l.rows[0]->lost = true;
	one(w, "container c2 on network demo: the interface that Docker was given is gone",
	    "docker restart c2");
}

static void the_socket_cannot_be_had(void **state)
{
	struct world *w = *state;

	w->dd.serving = false;
	one(w, "the socket of the network driver ovl cannot be had: /run/docker/plugins/ovl.sock",
	    "ovld tries again");
}

static void docker_is_not_there(void **state)
{
	struct world *w = *state;

	doctor_lab_look(&w->l);
	assert_int_equal(w->l.n, 0);
	assert_non_null(strstr(w->l.text, "not docker: "));
	assert_non_null(strstr(w->l.text, "No such file or directory"));
	w->dd.api = NULL;
	doctor_lab_look(&w->l);
	assert_string_equal(w->l.text, "not docker: Docker's API is not used (docker-api)\n");
}

/* While Docker is asked: nothing is left behind. */
static void closing_meanwhile(void **state)
{
	struct world *w = *state;

	w->l.told = 0;
	doctor_examine(w->l.d, doctor_lab_told, &w->l);
	for (unsigned i = 0; i < 3; i++)
		uv_run(&w->s.loop, UV_RUN_ONCE);
	doctor_close(TAKE_PTR(w->l.d));
	assert_int_equal(w->l.told, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_agree),
		TEST(networks),
		TEST(names_that_are_taken),
		TEST(endpoints_that_differ),
		TEST(an_interface_that_is_lost),
		TEST(the_socket_cannot_be_had),
		cmocka_unit_test_setup_teardown(docker_is_not_there, up_without_docker, down),
		TEST(closing_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
