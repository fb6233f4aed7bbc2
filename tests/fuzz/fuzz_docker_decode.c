/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any answer of Docker's to any decoder: what comes out is within its bounds. */
#include "agent/docker/docker_decode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_text(const char *s)
{
	check(s && strnlen(s, DOCKER_TEXT_MAX + 1) <= DOCKER_TEXT_MAX);
}

static void check_network(const struct docker_network *n)
{
	check_text(n->name);
	check_text(n->driver);
	check(n->id && *n->id && strnlen(n->id, DOCKER_ID_MAX + 1) <= DOCKER_ID_MAX);
	check(n->options.n <= DOCKER_LIST_MAX && n->labels.n <= DOCKER_LIST_MAX &&
	      n->ipam_options.n <= DOCKER_LIST_MAX && n->subnets.n <= DOCKER_LIST_MAX);
	check(n->n_endpoints <= DOCKER_ENDPOINTS_MAX);
	for (size_t i = 0; i < n->n_endpoints; i++) {
		check_text(n->endpoints[i].container);
		check_text(n->endpoints[i].name);
	}
}

static void on_event(void *user, const struct docker_event *ev)
{
	(void)user;
	check(ev->kind == DOCKER_EVENT_NETWORK || ev->kind == DOCKER_EVENT_CONTAINER);
	check_text(ev->action);
	check_text(ev->id);
}

static void decode_container(const char *text, size_t size)
{
	struct docker_container *c;

	if (docker_container_decode(text, size, &c, NULL) < 0)
		return;
	check_text(c->name);
	check_text(c->hostname);
	check(c->n_networks <= DOCKER_LIST_MAX && c->dns.n <= DOCKER_LIST_MAX);
	for (size_t i = 0; i < c->n_networks; i++)
		check_text(c->networks[i].network_name);
	docker_container_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct docker_network *v;
	struct docker_info info = { 0 };
	struct strv ids = { 0 };
	size_t n;

	if (docker_networks_decode(text, size, &v, &n, NULL) == 0) {
		for (size_t i = 0; i < n; i++)
			check_network(&v[i]);
		docker_networks_free(v, n);
	}
	if (docker_network_decode(text, size, &v, NULL) == 0) {
		check_network(v);
		docker_networks_free(v, 1);
	}
	decode_container(text, size);
	docker_event_decode(text, size, on_event, NULL);
	if (docker_info_decode(text, size, &info, NULL) == 0)
		docker_info_done(&info);
	docker_containers_decode(text, size, &ids, NULL);
	strv_done(&ids);
	free(docker_message_decode(text, size));
	free(docker_created_decode(text, size));
	return 0;
}
