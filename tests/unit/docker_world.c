/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/docker_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/hostnet.h"
#include "base/json.h"
#include "base/mem.h"

#define DEADLINE_MS 10000

static struct world *world; /* for stand-ins that are not told whose they are */

static struct id node_of(unsigned n)
{
	return (struct id){ .b = { 1, (uint8_t)n } };
}

/* ---- the loop ---- */

static void on_turn(uv_timer_t *t)
{
	(void)t;
}

void world_until(struct world *w, bool (*done)(void *user), void *user, const char *what)
{
	uint64_t end = uv_hrtime() / 1000000 + DEADLINE_MS;

	uv_timer_start(&w->turn, on_turn, 1, 1);
	while (!done(user) && uv_hrtime() / 1000000 < end)
		uv_run(&w->loop, UV_RUN_ONCE);
	uv_timer_stop(&w->turn);
	if (!done(user))
		fail_msg("not in time: %s", what);
}

void world_turn(struct world *w)
{
	for (int i = 0; i < 50; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
}

static bool call_is_done(void *user)
{
	struct plugin_call *c = user;

	return c->done;
}

int world_wait(struct world *w, struct plugin_call *c)
{
	world_until(w, call_is_done, c, "an answer");
	world_turn(w);
	return c->status;
}

void world_call_done(struct plugin_call *c)
{
	free(c->answer);
	*c = (struct plugin_call){ 0 };
}

/* ---- in the place of the plugin's socket ---- */

int plugin_start(uv_loop_t *loop, const char *path, const struct plugin_backend *b, void *user,
		 struct plugin **ret, struct err *e)
{
	(void)loop;
	(void)path;
	(void)user;
	(void)e;
	assert_non_null(b->leave);
	*ret = (struct plugin *)world;
	return 0;
}

void plugin_close(struct plugin *p)
{
	(void)p;
}

void plugin_stats(const struct plugin *p, struct plugin_stats *ret)
{
	(void)p;
	*ret = (struct plugin_stats){ .calls = 7 };
}

void plugin_reply(struct plugin_call *c, cJSON *j)
{
	assert_false(c->done);
	c->done = true;
	c->answer = j ? json_print(j) : mem_strdup("{}");
	cJSON_Delete(j);
}

void plugin_reply_err(struct plugin_call *c, const struct err *e)
{
	assert_false(c->done);
	assert_true(e->code < 0);
	c->done = true;
	c->status = e->code;
	snprintf(c->why, sizeof(c->why), "%.1000s", err_text(e));
}

bool plugin_call_late(const struct plugin_call *c)
{
	return c->late;
}

/* ---- of the loop that watches Docker ---- */

struct docker_watch *docker_watch_new(uv_loop_t *loop, const char *path, struct mirror *m,
				      const struct docker_steps *steps, void *user)
{
	(void)loop;
	(void)path;
	(void)m;
	world->steps = steps;
	world->steps_user = user;
	return (struct docker_watch *)world;
}

void docker_watch_start(struct docker_watch *x)
{
	(void)x;
}

void docker_watch_close(struct docker_watch *x)
{
	(void)x;
}

void docker_watch_mirror(struct docker_watch *x, const struct mirror_change *c)
{
	(void)x;
	(void)c;
}

void docker_watch_soon(struct docker_watch *x, const struct id *net)
{
	(void)x;
	(void)net;
}

struct docker_api *docker_watch_api(struct docker_watch *x)
{
	return (struct docker_api *)x;
}

void docker_watch_state(const struct docker_watch *x, struct docker_watch_state *ret)
{
	(void)x;
	*ret = (struct docker_watch_state){ .connected = true, .problem = "", .version = "1" };
}

void docker_step_done(struct docker_step *s, int status, const struct err *e)
{
	(void)e;
	assert_false(s->done);
	s->done = true;
	s->status = status;
}

struct docker_gwbridge *docker_gwbridge_new(uv_loop_t *loop, struct docker_api *api,
					    struct names *names)
{
	(void)loop;
	(void)api;
	(void)names;
	return NULL;
}

void docker_gwbridge_close(struct docker_gwbridge *g)
{
	(void)g;
}

void docker_gwbridge_container(struct docker_gwbridge *g, const struct docker_container *c)
{
	(void)g;
	(void)c;
}

void docker_gwbridge_ask(struct docker_gwbridge *g)
{
	(void)g;
}

void docker_api_network(struct docker_api *a, const char *ref, docker_networks_fn fn, void *user)
{
	struct err e = { 0 };

	(void)a;
	(void)ref;
	fn(user, world->list_status, world->listed, world->listed ? 1 : 0, &e);
}

/* ---- of endpoints ---- */

void endpoint_docker_create(struct endpoints *es, const struct endpoint_docker_request *req,
			    endpoint_done_fn done, void *user)
{
	(void)es;
	world->asked = *req;
	world->creating.done = done;
	world->creating.user = user;
}

void world_endpoint(struct world *w)
{
	struct local_endpoint *row = &w->rows[w->n_rows];
	struct err e = { .code = w->endpoint_status };
	static char engine_network[] = WORLD_NET, name[] = "row";

	*row = (struct local_endpoint){ .id = w->asked.id,
					.network = w->asked.network,
					.state = LOCAL_BOUND,
					.ip4 = w->asked.ip4,
					.mac = mac_from_ip(w->asked.ip4),
					.name = name,
					.engine_network = engine_network };
	if (w->endpoint_status == 0)
		w->n_rows++;
	w->creating.done(w->creating.user, w->endpoint_status, w->endpoint_status ? NULL : row, &e);
	w->creating.done = NULL;
}

int endpoint_docker_join(struct endpoints *es, struct id id, const char *sandbox_key,
			 char ret_ifname[IFNAMSIZ], struct err *e)
{
	(void)es;
	if (!endpoint_get(es, id))
		return err_set(e, -ENOENT, "endpoint is not known");
	snprintf(world->sandbox, sizeof(world->sandbox), "%s", sandbox_key);
	snprintf(ret_ifname, IFNAMSIZ, "vdead");
	return 0;
}

int endpoint_docker_leave(struct endpoints *es, struct id id, struct err *e)
{
	(void)es;
	(void)id;
	(void)e;
	world->left++;
	return 0;
}

void endpoint_docker_delete(struct endpoints *es, struct id id, endpoint_done_fn done, void *user)
{
	struct err none = { 0 };

	(void)es;
	world->deleted++;
	for (size_t i = 0; i < world->n_rows; i++) {
		if (id_eq(world->rows[i].id, id))
			world->rows[i] = world->rows[--world->n_rows];
	}
	done(user, 0, NULL, &none);
}

void endpoint_docker_names(struct endpoints *es, struct id id,
			   const struct endpoint_docker_names *n)
{
	(void)es;
	(void)id;
	world->names++;
	snprintf(world->name, sizeof(world->name), "%s", n->name);
}

void endpoint_each(struct endpoints *es, void (*fn)(void *user, const struct local_endpoint *ep),
		   void *user)
{
	(void)es;
	for (size_t i = 0; i < world->n_rows; i++)
		fn(user, &world->rows[i]);
}

const struct local_endpoint *endpoint_get(struct endpoints *es, struct id id)
{
	(void)es;
	for (size_t i = 0; i < world->n_rows; i++) {
		if (id_eq(world->rows[i].id, id))
			return &world->rows[i];
	}
	return NULL;
}

/* ---- of the host ---- */

void hostnet_read(struct kernel *k, struct hostnet_taken *ret, struct err *e)
{
	struct prefix p;

	(void)k;
	(void)e;
	assert_int_equal(prefix_parse("10.0.0.0/24", &p, NULL), 0);
	hostnet_add(ret, p, "route 10.0.0.0/24 dev eth1", "eth1", false);
}

int hostnet_device(struct kernel *k, const char *ifname, bool *ret_own, struct err *e)
{
	(void)k;
	(void)ret_own;
	return err_set(e, -ENODEV, "there is no interface %s on this host", ifname);
}

int hostnet_parent(struct kernel *k, const char *ifname, struct err *e)
{
	return hostnet_device(k, ifname, NULL, e);
}

static struct ip vtep(void *user)
{
	(void)user;
	return ip_v4(0xc0a8cd0a);
}

static const char *busy(void *user, struct id id)
{
	(void)user;
	(void)id;
	return NULL;
}

static struct id self(void *user)
{
	(void)user;
	return node_of(1);
}

static int64_t own_lease(void *user)
{
	struct world *w = user;

	return w->lease;
}

/* ---- life ---- */

static void changed(void *user, const struct mirror_change *c, size_t n)
{
	struct world *w = user;

	for (size_t i = 0; i < n; i++)
		docker_mirror(w->docker, &c[i]);
}

static void state_changed(void *user, enum mirror_state s, const char *why)
{
	struct world *w = user;

	(void)s;
	(void)why;
	docker_mirror_state(w->docker);
}

static void on_bad(void *user, const struct err *e)
{
	(void)user;
	fail_msg("%s", err_text(e));
}

static void on_link(void *user, bool up, const char *why)
{
	struct world *w = user;

	(void)up;
	(void)why;
	docker_mirror_state(w->docker);
}

static bool in_sync(void *user)
{
	struct world *w = user;

	return mirror_get_state(w->mirror) == MIRROR_SYNCED && mirror_link_up(w->mirror);
}

void world_start(struct world *w)
{
	static const struct mirror_handlers handlers = {
		.changed = changed, .state = state_changed, .bad_record = on_bad, .link = on_link
	};
	static const struct mirror_config mc = { .prefix = WORLD_PREFIX };
	struct networks_deps nd = { .local = w->local,
				    .kernel = w->kernel,
				    .config = &w->config,
				    .vtep = vtep,
				    .busy = busy,
				    .user = w };
	struct docker_deps dd = { .loop = &w->loop,
				  .config = &w->config,
				  .local = w->local,
				  .events = w->events,
				  .kv = w->kv,
				  .self = self,
				  .lease = own_lease,
				  .user = w };
	struct err e = { 0 };

	w->mirror = nd.mirror = dd.mirror = mirror_new(&w->loop, w->kv, &mc, &handlers, w);
	w->claim = nd.claim = dd.claim = claim_new(&w->loop, w->kv, WORLD_PREFIX, 1);
	w->networks = dd.networks = networks_new(&nd);
	if (networks_load(w->networks, &e) < 0)
		fail_msg("%s", err_text(&e));
	w->docker = docker_new(&dd);
	docker_start(w->docker);
	mirror_start(w->mirror);
	world_until(w, in_sync, w, "the mirror in sync");
}

static bool settled_is_off(void *user)
{
	struct world *w = user;

	return !uv_is_active((uv_handle_t *)&w->docker->settle);
}

void world_settle(struct world *w)
{
	docker_settle_soon(w->docker);
	world_until(w, settled_is_off, w, "the timer");
	world_turn(w);
}

void world_stop(struct world *w)
{
	docker_close(w->docker);
	w->docker = NULL;
	claim_close(w->claim);
	mirror_close(w->mirror);
	world_turn(w);
	networks_free(w->networks);
}

void world_restart(struct world *w)
{
	world_stop(w);
	fake_kv_hold(w->fake, FAKE_ANY, FAKE_HOLD_NONE);
	world_turn(w);
	world_start(w);
	world_settle(w);
	world_settle(w); /* once more with the pools read */
}

static void granted(void *user, int status, const struct kv_result *res)
{
	struct world *w = user;

	assert_int_equal(status, 0);
	w->lease = res->lease_id;
}

static bool has_lease(void *user)
{
	struct world *w = user;

	return w->lease != 0;
}

static void put(struct world *w, char *key, char *value)
{
	fake_kv_put(w->fake, key, value, 0);
	free(key);
	free(value);
}

int world_open(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct model_cluster cluster = { .id = node_of(99), .epoch = 1 };
	struct err e = { 0 };

	world = w;
	*state = w;
	uv_loop_init(&w->loop);
	uv_timer_init(&w->loop, &w->turn);
	snprintf(w->dir, sizeof(w->dir), "/tmp/ovl-test-docker-XXXXXX");
	if (!mkdtemp(w->dir) || local_open(w->dir, &w->local, &e) < 0)
		fail_msg("%s", err_text(&e));
	w->fake = fake_kv_new(&w->loop);
	w->kv = fake_kv_kv(w->fake);
	w->fk = fake_kernel_new(&w->loop);
	w->kernel = fake_kernel_seam(w->fk);
	w->events = events_new();
	w->config.etcd_prefix = (char *)WORLD_PREFIX;
	w->config.docker_plugin = (char *)"/plugin.sock";
	w->config.docker_api = (char *)"/docker.sock";
	w->config.pools[0] = (struct subnet_pool){ { ip_v4(0x0a000000), 8 }, 24 };
	w->config.n_pools = 1;
	w->config.local_pools[0] = (struct subnet_pool){ { ip_v4(0xac1f0000), 16 }, 24 };
	w->config.n_local_pools = 1;
	put(w, model_key_cluster(WORLD_PREFIX), model_cluster_encode(&cluster));
	kv_lease_grant(w->kv, 100, granted, w);
	world_until(w, has_lease, w, "the node's lease");
	world_start(w);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int world_close(void **state)
{
	struct world *w = *state;

	world_stop(w);
	fake_kernel_free(w->fk);
	fake_kv_close(w->fake);
	uv_close((uv_handle_t *)&w->turn, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	events_free(w->events);
	local_close(w->local);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}
