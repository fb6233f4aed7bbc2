/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/plugin_lab.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit/api_client.h"

#define SAID_MAX ((size_t)1 << 20)

/* ---- what was decoded, in words ---- */

static void say(struct plugin_lab *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct plugin_lab *l, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	assert_int_equal(buf_puts(&l->said, text), 0);
}

static void say_ip(struct plugin_lab *l, const char *what, struct ip ip)
{
	char text[IP_TEXT_MAX];

	say(l, "%s%s", what, ip_format(ip, text));
}

static void say_prefix(struct plugin_lab *l, const char *what, struct prefix p)
{
	char text[PREFIX_TEXT_MAX];

	say(l, "%s%s", what, prefix_is_set(p) ? prefix_format(p, text) : "");
}

static void say_mac(struct plugin_lab *l, struct mac m)
{
	char text[MAC_TEXT_MAX];

	say(l, " mac=%s", mac_format(m, text));
}

static void say_pairs(struct plugin_lab *l, const struct kv_pairs *p)
{
	say(l, " options=");
	for (size_t i = 0; i < p->n; i++)
		say(l, "%s%s=%s", i ? "," : "", p->v[i].key, p->v[i].value);
}

static void say_ipams(struct plugin_lab *l, const char *what, const struct plugin_ipam_data *v,
		      size_t n)
{
	say(l, "%s", what);
	for (size_t i = 0; i < n; i++) {
		say(l, "%s%s", i ? ";" : "", v[i].space);
		say_prefix(l, " ", v[i].pool);
		say_ip(l, " ", v[i].gateway);
		say(l, " ");
		for (size_t k = 0; k < v[i].n_aux; k++) {
			say(l, "%s%s", k ? "," : "", v[i].aux[k].name);
			say_ip(l, "=", v[i].aux[k].ip);
		}
	}
}

static void say_address(struct plugin_lab *l, const struct plugin_address *a)
{
	say(l, "pool=%s", a->pool_id);
	say_ip(l, " ip=", a->ip);
	say(l, " gateway=%d", a->gateway);
	say_mac(l, a->mac);
}

static void say_ref(struct plugin_lab *l, const struct plugin_ref *r)
{
	say(l, "network=%s endpoint=%s pool=%s", r->network ? r->network : "",
	    r->endpoint ? r->endpoint : "", r->pool_id ? r->pool_id : "");
}

/* ---- the backend ---- */

static void took(struct plugin_lab *l, const char *method)
{
	l->calls++;
	l->method = method;
	buf_reset(&l->said);
}

static void done(struct plugin_lab *l, struct plugin_call *c, cJSON *answer)
{
	struct err e = { .code = -EBUSY, .text = "the backend says no" };

	if (l->close)
		plugin_close(TAKE_PTR(l->plugin));
	if (l->hold) {
		assert_true(l->n_held < PLUGIN_LAB_HELD_MAX);
		l->held[l->n_held++] = c;
		cJSON_Delete(answer);
	} else if (l->fail) {
		cJSON_Delete(answer);
		plugin_reply_err(c, &e);
	} else {
		plugin_reply(c, answer);
	}
}

static void request_pool(void *user, const struct plugin_pool *p, struct plugin_call *c)
{
	struct prefix any = { .ip = ip_v4(0x0a000000), .len = 24 };

	took(user, "RequestPool");
	say(user, "space=%s", p->space);
	say_prefix(user, " pool=", p->pool);
	say_prefix(user, " range=", p->range);
	say(user, " v6=%d", p->v6);
	say_pairs(user, &p->options);
	done(user, c, plugin_answer_pool("ovl-local/x", prefix_is_set(p->pool) ? p->pool : any));
}

static void request_address(void *user, const struct plugin_address *a, struct plugin_call *c)
{
	took(user, "RequestAddress");
	say_address(user, a);
	done(user, c, plugin_answer_address(ip_is_set(a->ip) ? a->ip : ip_v4(0x0a000001), 24));
}

static void release_address(void *user, const struct plugin_address *a, struct plugin_call *c)
{
	took(user, "ReleaseAddress");
	say_address(user, a);
	done(user, c, NULL);
}

static void create_network(void *user, const struct plugin_network *n, struct plugin_call *c)
{
	took(user, "CreateNetwork");
	say(user, "id=%s internal=%d ipv6=%d", n->id, n->internal, n->ipv6);
	say_pairs(user, &n->options);
	say_ipams(user, " v4=", n->v4, n->n_v4);
	say_ipams(user, " v6=", n->v6, n->n_v6);
	done(user, c, NULL);
}

static void create_endpoint(void *user, const struct plugin_endpoint *ep, struct plugin_call *c)
{
	struct mac m = { .b = { 2, 0x42, 10, 0, 0, 1 } };
	char text[MODEL_PORT_TEXT_MAX];

	took(user, "CreateEndpoint");
	say(user, "network=%s id=%s", ep->network, ep->id);
	say_ip(user, " ip4=", ep->ip4);
	say_ip(user, " ip6=", ep->ip6);
	say_mac(user, ep->mac);
	say(user, " expose=");
	for (size_t i = 0; i < ep->n_expose; i++)
		say(user, "%s%s", i ? "," : "", model_port_format(ep->expose[i], text));
	say_pairs(user, &ep->options);
	done(user, c, plugin_answer_endpoint(mac_is_zero(ep->mac) ? &m : NULL));
}

static void join(void *user, const struct plugin_join *j, struct plugin_call *c)
{
	took(user, "Join");
	say(user, "network=%s endpoint=%s sandbox=%s", j->network, j->endpoint, j->sandbox);
	done(user, c, plugin_answer_join("v0123456789ab"));
}

#define REF(name, title)                                                                \
	static void name(void *user, const struct plugin_ref *r, struct plugin_call *c) \
	{                                                                               \
		took(user, title);                                                      \
		say_ref(user, r);                                                       \
		done(user, c, NULL);                                                    \
	}

REF(release_pool, "ReleasePool")
REF(delete_network, "DeleteNetwork")
REF(delete_endpoint, "DeleteEndpoint")
REF(leave, "Leave")

/* ---- life ---- */

int plugin_lab_setup(void **state)
{
	struct plugin_lab *l = mem_alloc(sizeof(*l));
	struct err e = { 0 };

	l->backend = (struct plugin_backend){
		.request_pool = request_pool,
		.release_pool = release_pool,
		.request_address = request_address,
		.release_address = release_address,
		.create_network = create_network,
		.delete_network = delete_network,
		.create_endpoint = create_endpoint,
		.delete_endpoint = delete_endpoint,
		.join = join,
		.leave = leave,
	};
	buf_init(&l->said, SAID_MAX);
	snprintf(l->dir, sizeof(l->dir), "/tmp/ovl-plugin-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	snprintf(l->path, sizeof(l->path), "%s/ovl.sock", l->dir);
	assert_int_equal(uv_loop_init(&l->loop), 0);
	if (plugin_start(&l->loop, l->path, &l->backend, l, &l->plugin, &e) < 0)
		fail_msg("%s", e.text);
	/* Whatever the machine is busy with: only the tests of lateness see it. */
	plugin_set_call_ms(l->plugin, API_CLIENT_DEADLINE_MS * 10);
	*state = l;
	return 0;
}

void plugin_lab_close(struct plugin_lab *l)
{
	plugin_close(TAKE_PTR(l->plugin));
	uv_run(&l->loop, UV_RUN_DEFAULT);
}

int plugin_lab_teardown(void **state)
{
	struct plugin_lab *l = *state;

	plugin_lab_close(l);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	assert_int_equal(rmdir(l->dir), 0);
	buf_done(&l->said);
	free(l);
	return 0;
}

/* ---- dockerd's side ---- */

void plugin_lab_turn(struct plugin_lab *l)
{
	api_client_turn(&l->loop);
}

int plugin_lab_dial(struct plugin_lab *l)
{
	return api_client_dial(l->path);
}

bool plugin_lab_send(struct plugin_lab *l, int fd, const char *path, const char *body)
{
	_cleanup_free_ char *text = mem_printf(
		"POST %s HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\n"
		"Content-Length: %zu\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n"
		"\r\n%s",
		path, strlen(body), body);

	return api_client_say(&l->loop, fd, text, strlen(text));
}

/* Is the whole of an answer there? Its body, then; the rest of @text is empty. */
static char *complete(const char *text, unsigned *ret_status)
{
	const char *body = strstr(text, "\r\n\r\n");
	const char *length = strstr(text, "Content-Length: ");
	size_t len;

	if (!body)
		return NULL;
	assert_true(length && length < body);
	len = strtoul(length + strlen("Content-Length: "), NULL, 10);
	body += 4;
	if (strlen(body) < len)
		return NULL;
	assert_int_equal(strlen(body), len);
	if (ret_status)
		*ret_status = (unsigned)strtoul(text + strlen("HTTP/1.1 "), NULL, 10);
	return mem_strdup(body);
}

char *plugin_lab_hear(struct plugin_lab *l, int fd, unsigned *ret_status)
{
	uint64_t end = clock_boot_ms() + API_CLIENT_DEADLINE_MS;
	char text[2 * PLUGIN_LAB_ANSWER_MAX] = "";
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		char *body;

		if (n > 0) {
			len += (size_t)n;
			text[len] = '\0';
			body = complete(text, ret_status);
			if (body)
				return body;
		} else if (n == 0 || errno != EAGAIN) {
			return NULL;
		}
		if (clock_boot_ms() >= end)
			fail_msg("no answer: %s", text);
		if (n < 0)
			plugin_lab_turn(l);
	}
}

char *plugin_lab_call(struct plugin_lab *l, int fd, const char *path, const char *body)
{
	unsigned status = 0;
	char *text;

	assert_true(plugin_lab_send(l, fd, path, body));
	text = plugin_lab_hear(l, fd, &status);
	if (!text || status != 200)
		fail_msg("%s: %u %s", path, status, text ? text : "closed");
	return text;
}

void plugin_lab_until_held(struct plugin_lab *l, size_t n)
{
	uint64_t end = clock_boot_ms() + API_CLIENT_DEADLINE_MS;

	while (l->n_held < n) {
		assert_true(clock_boot_ms() < end);
		plugin_lab_turn(l);
	}
}
