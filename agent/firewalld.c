/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/firewalld.h"
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"

#define NAME "org.fedoraproject.FirewallD1"
#define PATH "/org/fedoraproject/FirewallD1"
#define ZONE "ovl"
#define POLICY "ovl-forwarding"
#define CALL_TIMEOUT_US (120 * (uint64_t)1000000) /* a reload with ten thousand rules */
#define RETRY_MIN_MS 1000 /* the bus is away, or a call failed */
#define RETRY_MAX_MS 30000
#define PUMP_MAX 1000 /* messages at a time; the loop has others to serve */
#define STATE_MAX 1024

struct firewalld {
	uv_loop_t *loop;
	sd_bus *bus; /* NULL: tried again by @retry */
	uv_poll_t *poll; /* of this connection: one may still be closing when the next opens */
	uv_timer_t wake, retry; /* sd-bus's own timeouts; ours */
	sd_bus_slot *call; /* the one that is under way */
	bool running, again, reloaded;
	struct strv want, put; /* interfaces: as told; as put into the zone */
	struct strv todo, gone; /* of the pass under way: to be put, to be taken out */
	char *state;
	unsigned retry_ms;
	bool closing;
	unsigned handles; /* open */
};

static void pump(struct firewalld *f);
static void pass(struct firewalld *f);

static void set_state(struct firewalld *f, char *text)
{
	free(f->state);
	f->state = text;
}

static void end_call(struct firewalld *f)
{
	f->call = sd_bus_slot_unref(f->call);
}

static void handle_gone(struct firewalld *f)
{
	if (--f->handles || !f->closing)
		return;
	strv_done(&f->want);
	strv_done(&f->put);
	strv_done(&f->todo);
	strv_done(&f->gone);
	free(f->state);
	free(f);
}

static void on_poll_closed(uv_handle_t *h)
{
	struct firewalld *f = h->data;

	free(h);
	handle_gone(f);
}

static void on_timer_closed(uv_handle_t *h)
{
	handle_gone(h->data);
}

static void disconnect(struct firewalld *f)
{
	end_call(f);
	uv_timer_stop(&f->wake);
	if (f->poll) {
		uv_close((uv_handle_t *)f->poll, on_poll_closed);
		f->poll = NULL;
	}
	f->bus = sd_bus_close_unref(f->bus);
	f->running = false;
	strv_done(&f->put);
	set_state(f, mem_strdup("not running"));
}

static void on_retry(uv_timer_t *t);

static void retry_later(struct firewalld *f)
{
	uv_timer_start(&f->retry, on_retry, f->retry_ms, 0);
	f->retry_ms = f->retry_ms < RETRY_MAX_MS / 2 ? f->retry_ms * 2 : RETRY_MAX_MS;
}

static void failed(struct firewalld *f, const char *what, const char *why)
{
	end_call(f);
	set_state(f, mem_printf("zone %s: %s: %s", ZONE, what, why));
	log_warn("firewalld refuses; will retry", "call=%s err=%s next=%us", what, LOG_Q(why),
		 f->retry_ms / 1000);
	retry_later(f);
}

/* firewalld's errors are all one; the message begins with a word for the kind. */
static bool is_kind(const sd_bus_error *e, const char *kind)
{
	return e && e->message && strncmp(e->message, kind, strlen(kind)) == 0;
}

/* Begin a call; never starts firewalld where it does not run. @types, ...: as sd_bus_message_append(). */
static void begin(struct firewalld *f, const char *path, const char *interface, const char *member,
		  sd_bus_message_handler_t done, const char *types, ...)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	va_list ap;
	int r;

	end_call(f);
	r = sd_bus_message_new_method_call(f->bus, &m, NAME, path, interface, member);
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, false);
	va_start(ap, types);
	if (r >= 0 && *types)
		r = sd_bus_message_appendv(m, types, ap);
	va_end(ap);
	if (r >= 0)
		r = sd_bus_call_async(f->bus, &f->call, m, done, f, CALL_TIMEOUT_US);
	if (r < 0)
		failed(f, member, strerror(-r));
}

static void finish(struct firewalld *f)
{
	_cleanup_buf_ struct buf b;

	end_call(f);
	buf_init(&b, STATE_MAX);
	for (size_t i = 0; i < f->want.n; i++) {
		if (strv_has(&f->put, f->want.v[i]))
			buf_printf(&b, "%s%s", b.len ? ", " : "", f->want.v[i]);
	}
	set_state(f, f->put.n ? mem_printf("zone %s: %s", ZONE, b.data) :
				mem_strdup("running, nothing of ours in it"));
	uv_timer_stop(&f->retry);
	f->retry_ms = RETRY_MIN_MS;
	if (f->again)
		pass(f);
}

static void next_interface(struct firewalld *f);

static int on_changed(sd_bus_message *m, void *user, sd_bus_error *unused)
{
	struct firewalld *f = user;
	const sd_bus_error *e = sd_bus_message_get_error(m);
	bool out = !f->todo.n;
	struct strv *list = out ? &f->gone : &f->todo;
	_cleanup_free_ char *name = list->v[--list->n];

	(void)unused;
	/* Already there, or already gone, is as it should be. */
	if (e && !is_kind(e, "ZONE_ALREADY_SET") && !is_kind(e, "UNKNOWN_INTERFACE") &&
	    !is_kind(e, "ZONE_CONFLICT")) {
		failed(f, name, e->message ? e->message : e->name);
		return 0;
	}
	if (!out)
		strv_add(&f->put, name);
	next_interface(f);
	return 0;
}

static void next_interface(struct firewalld *f)
{
	if (f->todo.n)
		begin(f, PATH, NAME ".zone", "changeZoneOfInterface", on_changed, "ss", ZONE,
		      f->todo.v[f->todo.n - 1]);
	else if (f->gone.n)
		begin(f, PATH, NAME ".zone", "removeInterface", on_changed, "ss", ZONE,
		      f->gone.v[f->gone.n - 1]);
	else
		finish(f);
}

/* Read an array of strings into @ret. Return: false after saying that it failed. */
static bool read_names(struct firewalld *f, sd_bus_message *m, const char *what, struct strv *ret)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);
	const char *s;
	int r;

	if (e) {
		failed(f, what, e->message ? e->message : e->name);
		return false;
	}
	r = sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "s");
	while (r >= 0 && (r = sd_bus_message_read_basic(m, SD_BUS_TYPE_STRING, &s)) > 0)
		strv_add(ret, s);
	if (r < 0)
		failed(f, what, strerror(-r));
	return r >= 0;
}

static int on_interfaces(sd_bus_message *m, void *user, sd_bus_error *unused)
{
	struct firewalld *f = user;
	_cleanup_strv_ struct strv have = { 0 }, put = { 0 };

	(void)unused;
	if (!read_names(f, m, "getInterfaces", &have))
		return 0;
	strv_done(&f->todo);
	strv_done(&f->gone);
	for (size_t i = 0; i < f->want.n; i++)
		strv_add(strv_has(&have, f->want.v[i]) ? &put : &f->todo, f->want.v[i]);
	/* Ours by the record, or by its name: put there before a restart. Somebody else's stay. */
	for (size_t i = 0; i < have.n; i++) {
		if (!strv_has(&f->want, have.v[i]) &&
		    (strv_has(&f->put, have.v[i]) || strncmp(have.v[i], "ovl", 3) == 0))
			strv_add(&f->gone, have.v[i]);
	}
	strv_done(&f->put);
	strv_copy(&f->put, &put);
	next_interface(f);
	return 0;
}

static void ask_interfaces(struct firewalld *f)
{
	begin(f, PATH, NAME ".zone", "getInterfaces", on_interfaces, "s", ZONE);
}

static int on_reloaded(sd_bus_message *m, void *user, sd_bus_error *unused)
{
	struct firewalld *f = user;
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)unused;
	if (e)
		failed(f, "reload", e->message ? e->message : e->name);
	else {
		end_call(f);
		pass(f);
	}
	return 0;
}

/* What is permanent comes into force with a reload. Once per firewalld: where that does not help, more would not. */
static void reload(struct firewalld *f)
{
	if (f->reloaded) {
		failed(f, "reload", "the zone is not there after it");
		return;
	}
	f->reloaded = true;
	log_info("firewalld is reloaded for our zone, which is new", "zone=%s", ZONE);
	begin(f, PATH, NAME, "reload", on_reloaded, "");
}

static int on_policy_added(sd_bus_message *m, void *user, sd_bus_error *unused)
{
	struct firewalld *f = user;
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)unused;
	/* Before 0.9 there are no policies, and zones forward to each other. */
	if (e && !is_kind(e, "NAME_CONFLICT") &&
	    strcmp(e->name, "org.freedesktop.DBus.Error.UnknownMethod") != 0)
		failed(f, "addPolicy", e->message ? e->message : e->name);
	else
		reload(f);
	return 0;
}

static int on_zone_added(sd_bus_message *m, void *user, sd_bus_error *unused)
{
	struct firewalld *f = user;
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)unused;
	if (e && !is_kind(e, "NAME_CONFLICT")) {
		failed(f, "addZone2", e->message ? e->message : e->name);
		return 0;
	}
	/* The zone's target is for what comes from it; the policy is for what goes to it. */
	begin(f, PATH "/config", NAME ".config", "addPolicy", on_policy_added, "sa{sv}", POLICY, 4,
	      "description", "s", "forwarding to containers of ovl, which decides itself", "target",
	      "s", "ACCEPT", "ingress_zones", "as", 1, "ANY", "egress_zones", "as", 1, ZONE);
	return 0;
}

static void add_zone(struct firewalld *f)
{
	begin(f, PATH "/config", NAME ".config", "addZone2", on_zone_added, "sa{sv}", ZONE, 3,
	      "short", "s", "ovl", "description", "s",
	      "interfaces of ovl's container networks; ovl decides itself what may pass", "target",
	      "s", "ACCEPT");
}

static int on_policies(sd_bus_message *m, void *user, sd_bus_error *unused)
{
	struct firewalld *f = user;
	const sd_bus_error *e = sd_bus_message_get_error(m);
	_cleanup_strv_ struct strv names = { 0 };

	(void)unused;
	if (e && strcmp(e->name, "org.freedesktop.DBus.Error.UnknownMethod") == 0) {
		ask_interfaces(f);
		return 0;
	}
	if (!read_names(f, m, "getPolicies", &names))
		return 0;
	if (strv_has(&names, POLICY))
		ask_interfaces(f);
	else
		add_zone(f);
	return 0;
}

static int on_zones(sd_bus_message *m, void *user, sd_bus_error *unused)
{
	struct firewalld *f = user;
	_cleanup_strv_ struct strv names = { 0 };

	(void)unused;
	if (!read_names(f, m, "getZones", &names))
		return 0;
	if (strv_has(&names, ZONE))
		begin(f, PATH, NAME ".policy", "getPolicies", on_policies, "");
	else if (f->want.n)
		add_zone(f);
	else
		finish(f);
	return 0;
}

/* Make firewalld's run-time state fit, from the zone on; one pass at a time. */
static void pass(struct firewalld *f)
{
	f->again = f->call != NULL;
	if (f->running && !f->call)
		begin(f, PATH, NAME ".zone", "getZones", on_zones, "");
}

static void set_running(struct firewalld *f, bool running)
{
	end_call(f);
	strv_done(&f->put);
	f->running = running;
	f->reloaded = false;
	uv_timer_stop(&f->retry);
	f->retry_ms = RETRY_MIN_MS;
	set_state(f, mem_strdup(running ? "running" : "not running"));
	pass(f);
}

static int on_owner(sd_bus_message *m, void *user, sd_bus_error *unused)
{
	(void)unused;
	/* The other answer is that the name has no owner. */
	set_running(user, !sd_bus_message_get_error(m));
	return 0;
}

static int on_owner_changed(sd_bus_message *m, void *user, sd_bus_error *unused)
{
	const char *name, *before, *after;

	(void)unused;
	if (sd_bus_message_read(m, "sss", &name, &before, &after) >= 0)
		set_running(user, *after != '\0');
	return 0;
}

static int on_reload_signal(sd_bus_message *m, void *user, sd_bus_error *unused)
{
	struct firewalld *f = user;

	(void)m;
	(void)unused;
	pass(f);
	return 0;
}

static int subscribe(struct firewalld *f)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r;

	r = sd_bus_add_match_async(
		f->bus, NULL,
		"type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
		"member='NameOwnerChanged',arg0='" NAME "'",
		on_owner_changed, NULL, f);
	if (r >= 0)
		r = sd_bus_add_match_async(f->bus, NULL,
					   "type='signal',sender='" NAME "',interface='" NAME
					   "',member='Reloaded'",
					   on_reload_signal, NULL, f);
	if (r >= 0)
		r = sd_bus_message_new_method_call(f->bus, &m, "org.freedesktop.DBus",
						   "/org/freedesktop/DBus", "org.freedesktop.DBus",
						   "GetNameOwner");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", NAME);
	if (r >= 0)
		r = sd_bus_call_async(f->bus, &f->call, m, on_owner, f, CALL_TIMEOUT_US);
	return r;
}

static void on_readable(uv_poll_t *p, int status, int events)
{
	(void)status;
	(void)events;
	pump(p->data);
}

static void on_wake(uv_timer_t *t)
{
	pump(t->data);
}

static void connect_bus(struct firewalld *f)
{
	/* Returns at once: the connection goes on in sd_bus_process(). */
	int r = sd_bus_open_system(&f->bus);

	if (r >= 0)
		r = subscribe(f);
	if (r >= 0) {
		f->poll = mem_alloc(sizeof(*f->poll));
		f->poll->data = f;
		if (uv_poll_init(f->loop, f->poll, sd_bus_get_fd(f->bus)) < 0) {
			free(f->poll);
			f->poll = NULL;
			r = -EIO;
		} else {
			f->handles++;
		}
	}
	if (r >= 0)
		return;
	disconnect(f);
	retry_later(f);
}

static void on_retry(uv_timer_t *t)
{
	struct firewalld *f = t->data;

	if (f->bus)
		pass(f);
	else
		connect_bus(f);
	pump(f);
}

/* Let sd-bus do what it can now, and be told when there is more. */
static void pump(struct firewalld *f)
{
	struct timespec now;
	uint64_t until, now_us;
	int r = 1, events;

	if (!f->bus)
		return;
	for (unsigned i = 0; r > 0 && i < PUMP_MAX; i++)
		r = sd_bus_process(f->bus, NULL);
	if (r < 0 || sd_bus_is_open(f->bus) <= 0) {
		disconnect(f);
		retry_later(f);
		return;
	}
	events = sd_bus_get_events(f->bus); /* POLLIN, POLLOUT */
	uv_poll_start(f->poll,
		      (events & POLLIN ? UV_READABLE : 0) | (events & POLLOUT ? UV_WRITABLE : 0),
		      on_readable);
	if (sd_bus_get_timeout(f->bus, &until) < 0 || until == UINT64_MAX) {
		uv_timer_stop(&f->wake);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	uv_update_time(f->loop);
	uv_timer_start(&f->wake, on_wake, until > now_us ? (until - now_us + 999) / 1000 : 0, 0);
}

struct firewalld *firewalld_new(uv_loop_t *loop)
{
	struct firewalld *f = mem_alloc(sizeof(*f));

	f->loop = loop;
	f->retry_ms = RETRY_MIN_MS;
	f->handles = 2;
	set_state(f, mem_strdup("not running"));
	uv_timer_init(loop, &f->wake);
	uv_timer_init(loop, &f->retry);
	f->wake.data = f->retry.data = f;
	connect_bus(f);
	pump(f);
	return f;
}

void firewalld_close(struct firewalld *f)
{
	if (!f)
		return;
	f->closing = true;
	disconnect(f);
	uv_close((uv_handle_t *)&f->wake, on_timer_closed);
	uv_close((uv_handle_t *)&f->retry, on_timer_closed);
}

void firewalld_set(struct firewalld *f, const char (*ifaces)[IFNAMSIZ], size_t n)
{
	struct strv want = { 0 };

	for (size_t i = 0; i < n; i++)
		strv_add(&want, ifaces[i]);
	if (strv_eq(&want, &f->want)) {
		strv_done(&want);
		return;
	}
	strv_done(&f->want);
	f->want = want;
	pass(f);
	pump(f);
}

bool firewalld_settled(const struct firewalld *f)
{
	return !f->running || (!f->call && !f->again);
}

const char *firewalld_state(const struct firewalld *f)
{
	return f->state;
}
