/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/api_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/api/routes.h"
#include "agent/api/server.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/unit/api_client.h"

static void reset(void *user, void (*done)(void *done_user, int status, const struct err *e),
		  void *done_user)
{
	struct modules *m = user;

	snprintf(m->called, sizeof(m->called), "reset");
	done(done_user, m->status, &m->err);
}

static void make_cluster(struct api_lab *f)
{
	struct modules *m = &f->m;

	f->node2 = modules_node(m, "node2", true);
	f->node1 = modules_node(m, "node1", true);
	f->node3 = modules_node(m, "node3", false);
	f->other = modules_network(m, "other", "10.0.1.0/24");
	f->demo = modules_network(m, "demo", "10.0.0.0/24");
	f->c1 = modules_endpoint(m, f->demo, "c1", "10.0.0.2", m->self);
	f->c2 = modules_endpoint(m, f->demo, "c2", "10.0.0.3", f->node2->rec->id);
	f->c3 = modules_endpoint(m, f->demo, "c3", "10.0.0.4", f->node3->rec->id);
	modules_local(m, f->demo->id, "c1", "10.0.0.2", &f->c1->id);
}

int api_lab_up(void **state)
{
	const struct api_table tables[] = {
		routes_system,	routes_cluster,	 routes_events, routes_network,
		routes_connect, routes_endpoint, routes_node,	routes_dns,
	};
	struct api_lab *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	snprintf(f->dir, sizeof(f->dir), "/tmp/ovl-routes-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s.sock", f->dir);
	uv_loop_init(&f->loop);
	modules_init(&f->m, &f->loop, f->path);
	f->m.ctx.reset = reset;
	make_cluster(f);
	if (api_server_start(&f->loop, f->path, tables, ARRAY_SIZE(tables), &f->m.ctx, &f->server,
			     &e) < 0)
		fail_msg("%s", e.text);
	f->fd = api_client_dial(f->path);
	*state = f;
	return 0;
}

int api_lab_down(void **state)
{
	struct api_lab *f = *state;

	close(f->fd);
	api_server_close(f->server);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	modules_done(&f->m);
	cJSON_Delete(f->reply);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* ---- requests ---- */

/* Where the body begins, when all of it has come. */
static const char *whole(const struct buf *b)
{
	const char *body = b->data ? strstr(b->data, "\r\n\r\n") : NULL;
	const char *length = b->data ? strstr(b->data, "Content-Length: ") : NULL;

	if (!body)
		return NULL;
	body += 4;
	return !length || strlen(body) >= strtoul(length + 16, NULL, 10) ? body : NULL;
}

/* Asks; where a module is to answer later, it answers at once. */
void api_lab_ask(struct api_lab *f, const char *method, const char *path, const char *body)
{
	_cleanup_free_ char *text =
		mem_printf("%s %s HTTP/1.1\r\nHost: o\r\nContent-Length: %zu\r\n\r\n%s", method,
			   path, body ? strlen(body) : 0, body ? body : "");
	uint64_t end = clock_boot_ms() + API_CLIENT_DEADLINE_MS;
	_cleanup_buf_ struct buf b;
	const char *json;

	buf_init(&b, 16 << 20);
	cJSON_Delete(f->reply);
	f->reply = NULL;
	assert_int_equal(send(f->fd, text, strlen(text), 0), strlen(text));
	while (!(json = whole(&b))) {
		char block[4096];
		ssize_t n = recv(f->fd, block, sizeof(block), 0);

		assert_true(clock_boot_ms() < end);
		if (n > 0)
			buf_append(&b, block, (size_t)n);
		else
			api_client_turn(&f->loop);
		if (f->m.pending)
			modules_answer(&f->m);
	}
	f->status = (unsigned)strtoul(b.data + 9, NULL, 10);
	if (*json)
		f->reply = cJSON_Parse(json);
}

void api_lab_expect(struct api_lab *f, unsigned status, const char *word)
{
	_cleanup_free_ char *text = f->reply ? json_print(f->reply) : mem_strdup("");

	if (f->status != status || !strstr(text, word))
		fail_msg("expected %u \"%s\", got %u %s", status, word, f->status, text);
}

const char *api_lab_text(const cJSON *j, const char *way)
{
	_cleanup_strv_ struct strv keys = { 0 };

	strv_split(&keys, way, '/');
	for (size_t i = 0; j && i < keys.n; i++)
		j = cJSON_IsArray(j) ? cJSON_GetArrayItem(j, (int)strtol(keys.v[i], NULL, 10)) :
				       json_get(j, keys.v[i]);
	return cJSON_IsString(j) ? j->valuestring : NULL;
}
