/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/docker_watch_lab.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"

#define P "/ovl/v1"
#define BELIEVE_MS 30

struct id id_of(unsigned n)
{
	return (struct id){ .b = { (uint8_t)n, 1 } };
}

const char *hex(unsigned n)
{
	static char text[4][ID_TEXT_MAX];

	return id_format(id_of(n), text[n % 4]);
}

/* ---- etcd ---- */
static void put(struct lab *l, char *key, char *value)
{
	fake_kv_put(l->f, key, value, 0);
	free(key);
	free(value);
}

static void del(struct lab *l, char *key)
{
	fake_kv_delete(l->f, key, NULL);
	free(key);
}

void put_network(struct lab *l, unsigned n, const char *name)
{
	put(l, model_key_network(P, id_of(n)),
	    mem_printf("{\"name\":\"%s\",\"vni\":%u,\"mtu\":1450,\"state\":\"%s\",\"subnets\":"
		       "[{\"subnet\":\"10.%u.0.0/16\",\"gateway\":\"10.%u.0.1\"}]}",
		       name, n + 1, strncmp(name, "docker-", 7) == 0 ? "pending" : "ready", n, n));
}

void put_binding(struct lab *l, unsigned n, const char *docker)
{
	put(l, model_key_binding(P, id_of(n), id_of(100)),
	    mem_printf("{\"docker\":\"%s\"}", docker));
}

/* As claim_network_remove() does it: in one transaction, as good as. */
void del_network(struct lab *l, unsigned n)
{
	del(l, model_key_network(P, id_of(n)));
	del(l, model_key_binding(P, id_of(n), id_of(100)));
}

/* ---- Docker ---- */
void docker_put(struct lab *l, const char *id, const char *name, const char *ref)
{
	struct fake_network *d = &l->docker[l->n_docker++];

	assert_true(l->n_docker <= NETS);
	snprintf(d->id, sizeof(d->id), "%s", id);
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(d->ref, sizeof(d->ref), "%s", ref ? ref : "");
}

void docker_del(struct lab *l, const char *id)
{
	for (size_t i = 0; i < l->n_docker; i++) {
		if (strcmp(l->docker[i].id, id) == 0) {
			l->docker[i] = l->docker[--l->n_docker];
			return;
		}
	}
}

static const char *list(struct lab *l)
{
	struct buf b;

	buf_init(&b, 65536);
	buf_puts(&b, OK "\r\n[");
	for (size_t i = 0; i < l->n_docker; i++) {
		buf_printf(&b, "%s{\"Id\":\"%s\",\"Name\":\"%s\",\"Driver\":\"ovl\",\"Options\":{",
			   i ? "," : "", l->docker[i].id, l->docker[i].name);
		if (*l->docker[i].ref)
			buf_printf(&b, "\"ovl.network\":\"%s\"", l->docker[i].ref);
		buf_puts(&b, "}}");
	}
	buf_puts(&b, "]");
	l->lists++;
	free(l->answer);
	return l->answer = buf_take(&b);
}

/* The plugin's part is done, too: the binding. */
static void create(struct lab *l)
{
	const char *body;
	_cleanup_json_ cJSON *j = NULL;
	char id[32];
	struct id net;
	const char *ref;

	for (body = l->s.seen.data; strstr(body + 1, "POST /networks/create{");)
		body = strstr(body + 1, "POST /networks/create{");
	body = strchr(body, '{');
	assert_int_equal(json_parse(body, strlen(body), 65536, &j, NULL), 0);
	ref = cJSON_GetStringValue(json_get(json_get(j, "Options"), "ovl.network"));
	assert_int_equal(id_parse(ref, &net), 0);
	snprintf(id, sizeof(id), "made%u", ++l->made);
	docker_put(l, id, cJSON_GetStringValue(json_get(j, "Name")), ref);
	put_binding(l, net.b[0], id);
}

static const char *answer_text(struct lab *l, const char *request)
{
	if (strncmp(request, "GET /networks?", 14) == 0)
		return list(l);
	if (strcmp(request, "GET /containers/json") == 0)
		return OK "\r\n[{\"Id\":\"c0\"}]";
	if (strncmp(request, "GET /containers/", 16) == 0) {
		if (l->fail_names > 0) {
			l->fail_names--;
			return "HTTP/1.1 500 Error\r\n\r\n{\"message\":\"it takes too long\"}";
		}
		free(l->answer);
		return l->answer = mem_printf(OK "\r\n{\"Id\":\"%.2s\",\"Name\":\"/name-%.2s\"}",
					      request + 16, request + 16);
	}
	if (strcmp(request, "GET /info") == 0)
		return OK
			"\r\n{\"ServerVersion\":\"20.10.24\",\"Swarm\":{\"LocalNodeState\":\"inactive\"}}";
	buf_printf(&l->s.told, "%s;", request);
	if (l->refuse)
		return l->refuse;
	if (strncmp(request, "POST ", 5) == 0) {
		create(l);
		return "HTTP/1.1 201 Created\r\n\r\n{\"Id\":\"made\"}";
	}
	assert_int_equal(strncmp(request, "DELETE /networks/", 17), 0);
	docker_del(l, request + 17);
	return "HTTP/1.1 204 No Content\r\n\r\n";
}

static const char *const *on_request(void *user, const char *request)
{
	static const char *const events[] = { OK "\r\n", "HANG" };
	struct lab *l = user;

	if (strncmp(request, "GET /events", 11) == 0)
		return events;
	l->parts[0] = answer_text(l, request);
	l->parts[1] = NULL;
	return l->parts;
}

/* ---- the steps ---- */
static void step_end(struct lab *l, struct docker_step *s)
{
	if (l->close_in_step)
		docker_watch_close(TAKE_PTR(l->w));
	if (l->keep_step)
		l->later = s;
	else
		docker_step_done(s, 0, NULL);
}

static void on_name(void *user, const struct model_network *net, const char *name,
		    struct docker_step *s)
{
	struct lab *l = user;
	struct err e = { 0 };

	buf_printf(&l->s.told, "name %s %s;", net->name, name);
	if (strcmp(name, "taken") == 0) {
		err_set(&e, -EEXIST, "a network of the cluster has the name taken");
		docker_step_done(s, -EEXIST, &e);
		return;
	}
	put_network(l, net->id.b[0], name);
	step_end(l, s);
}

static void on_unbind(void *user, const struct model_network *net, const char *docker, bool told,
		      struct docker_step *s)
{
	struct lab *l = user;

	buf_printf(&l->s.told, "unbind %s %s %s;", net->name, docker, told ? "told" : "missing");
	del(l, model_key_binding(P, net->id, id_of(100)));
	step_end(l, s);
}

static void on_bind(void *user, const struct model_network *net, const char *docker,
		    struct docker_step *s)
{
	struct lab *l = user;

	buf_printf(&l->s.told, "bind %s %s;", net->name, docker);
	put_binding(l, net->id.b[0], docker);
	step_end(l, s);
}

static bool on_left(void *user, struct id network)
{
	(void)user;
	return network.b[0] == 50;
}

static struct id on_self(void *user)
{
	(void)user;
	return id_of(100);
}

static void on_container(void *user, const struct docker_container *c)
{
	struct lab *l = user;

	buf_printf(&l->s.told, "container %s;", c->name);
}

/* ---- the mirror ---- */
static void on_changed(void *user, const struct mirror_change *c, size_t n)
{
	struct lab *l = user;

	for (size_t i = 0; i < n && l->w; i++)
		docker_watch_mirror(l->w, &c[i]);
}

static void on_state(void *user, enum mirror_state s, const char *why)
{
	struct lab *l = user;

	(void)s;
	(void)why;
	if (l->w)
		docker_watch_soon(l->w, NULL);
}

static void on_bad(void *user, const struct err *e)
{
	(void)user;
	fail_msg("%s", e->text);
}

static void on_link(void *user, bool up, const char *why)
{
	(void)user;
	(void)up;
	(void)why;
}

void lab_start(struct lab *l, bool serve)
{
	static const struct mirror_handlers h = {
		.changed = on_changed, .state = on_state, .bad_record = on_bad, .link = on_link
	};
	static const struct docker_steps steps = { on_name, on_unbind, on_bind,
						   on_left, on_self,   on_container };
	struct model_cluster c = { .id = { .b = { 9 } }, .epoch = 1 };

	memset(l, 0, sizeof(*l));
	docker_lab_start(&l->s, serve);
	l->s.answer = on_request;
	l->s.user = l;
	l->f = fake_kv_new(&l->s.loop);
	l->m = mirror_new(&l->s.loop, fake_kv_kv(l->f), &(struct mirror_config){ .prefix = P }, &h,
			  l);
	put(l, model_key_cluster(P), model_cluster_encode(&c));
	l->w = docker_watch_new(&l->s.loop, l->s.path, l->m, &steps, l);
	docker_watch_delays(l->w, SETTLE_MS, BELIEVE_MS, AGAIN_MS);
}

void run_all(struct lab *l)
{
	docker_watch_start(l->w);
	mirror_start(l->m);
}

void lab_stop(struct lab *l)
{
	docker_watch_close(l->w);
	mirror_close(l->m);
	fake_kv_close(l->f);
	docker_lab_stop(&l->s);
	free(l->answer);
}

void until(struct lab *l, const char *told)
{
	docker_lab_until(&l->s, told);
}

struct passes {
	struct lab *l;
	uint64_t n;
};

static bool passes_reached(void *user)
{
	struct passes *p = user;
	struct docker_watch_state s;

	docker_watch_state(p->l->w, &s);
	return s.passes >= p->n;
}

void more_passes(struct lab *l)
{
	struct docker_watch_state s;

	for (int i = 0; i < 3; i++) {
		struct passes p = { l, 0 };

		docker_watch_state(l->w, &s);
		p.n = s.passes + 1;
		docker_watch_soon(l->w, NULL);
		docker_lab_until_true(&l->s, passes_reached, &p, "another pass");
	}
}

void expect_only(struct lab *l, const char *told)
{
	until(l, told);
	more_passes(l);
	assert_string_equal(l->s.told.data, told);
}
