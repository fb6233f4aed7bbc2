/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name server, and what is asked of namespaces, as far as the API's routes call them (api_modules.h). */
#include "tests/unit/api_modules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/docker/docker.h"
#include "agent/target.h"
#include "base/mem.h"

#define M(handle) ((struct modules *)(handle))

static void problems(void *user, struct strv *ret)
{
	(void)user;
	strv_add(ret, "port 53 of 172.31.0.1 is in use by dnsmasq (pid 1)");
}

void modules_dns_init(struct modules *m)
{
	m->zone = zone_new("ovl");
	m->clients = dns_clients_new();
	m->config.dns_ttl_s = 5;
	m->ctx.dns = (struct dns *)m;
	m->ctx.dns_problems = problems;
}

void modules_dns_done(struct modules *m)
{
	zone_free(m->zone);
	dns_clients_free(m->clients);
}

struct zone *dns_zone(struct dns *d)
{
	return M(d)->zone;
}

struct dns_clients *dns_clients(struct dns *d)
{
	return M(d)->clients;
}

void dns_stats(const struct dns *d, struct dns_stats *ret)
{
	*ret = M(d)->dns_stats;
}

static void answer_told(struct modules *m)
{
	dns_told_fn fn = (dns_told_fn)m->done;

	fn(m->user, &m->told);
}

int dns_ask(struct dns *d, const struct dns_client *client, const char *name, uint16_t type,
	    dns_told_fn fn, void *user, struct err *e)
{
	struct modules *m = M(d);

	snprintf(m->called, sizeof(m->called), "dns_ask");
	snprintf(m->asked, sizeof(m->asked), "%s %u networks=%zu links=%zu ino=%llu%s", name, type,
		 client->n_networks, client->links.n, (unsigned long long)client->place.ino,
		 client->forward ? " forward" : "");
	if (m->status < 0)
		return err_set(e, m->status, "%s", m->err.text);
	m->done = (void *)fn;
	m->user = user;
	if (m->told_at_once)
		answer_told(m);
	else
		m->pending = answer_told;
	return 0;
}

/* ---- namespaces ---- */

int64_t containers_pid(void *containers, const char *name)
{
	(void)containers;
	(void)name;
	return 0;
}

/* One namespace has a name. */
int target_resolve(const char *text, target_run_fn run, void *user, struct local_target *ret,
		   char **ret_run_name, struct err *e)
{
	(void)run;
	(void)user;
	if (strcmp(text, "netns:blue") != 0)
		return err_set(e, -ENOENT, "target: no namespace is named \"%s\"", text);
	*ret = (struct local_target){ .path = mem_strdup("/run/netns/blue"),
				      .netns_dev = 4,
				      .netns_ino = 77 };
	*ret_run_name = NULL;
	return 0;
}

void target_done(struct local_target *t)
{
	free(t->path);
}

bool target_match(const struct local_target *t, const struct local_target *other)
{
	return t->netns_ino == other->netns_ino && t->netns_dev == other->netns_dev;
}

/* ---- Docker: switched off ---- */

bool docker_left(const struct docker *d, struct id network)
{
	(void)d;
	(void)network;
	return false;
}

void docker_state(const struct docker *d, struct docker_state *ret)
{
	(void)d;
	*ret = (struct docker_state){ 0 };
}
