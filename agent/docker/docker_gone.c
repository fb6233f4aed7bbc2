/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Docker has no more, and what of it is still to be told the cluster: remembered before it is done. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/docker/docker_priv.h"
#include "base/log.h"
#include "base/mem.h"

#define GONE "docker-gone"
#define LEFT "docker-left"
#define ENTRY_MAX (PLUGIN_ID_MAX + 2)
/* The first letter of an entry, before Docker's id. */
#define MAKING '+'
#define DELETED '-'
#define LOST '?'

/* ---- lists in SQLite ---- */

static void list_load(struct docker *d, const char *name, struct strv *ret)
{
	_cleanup_free_ char *text = NULL;

	if (local_get(d->d.local, name, &text) == 0)
		strv_split(ret, text, ',');
}

static int list_save(struct docker *d, const char *name, const struct strv *v, struct err *e)
{
	size_t len = 1, at = 0;
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < v->n; i++)
		len += strlen(v->v[i]) + 1;
	text = mem_alloc(len);
	for (size_t i = 0; i < v->n; i++) {
		size_t n = strlen(v->v[i]);

		if (i > 0)
			text[at++] = ',';
		memcpy(text + at, v->v[i], n);
		at += n;
	}
	return local_set(d->d.local, name, text, e);
}

static bool list_drop(struct strv *v, const char *item)
{
	for (size_t i = 0; i < v->n; i++) {
		if (strcmp(v->v[i], item) != 0)
			continue;
		free(v->v[i]);
		memmove(v->v + i, v->v + i + 1, (v->n - i - 1) * sizeof(*v->v));
		v->n--;
		return true;
	}
	return false;
}

static int list_add(struct docker *d, const char *name, struct strv *v, const char *item,
		    struct err *e)
{
	int r;

	if (strv_has(v, item))
		return 0;
	strv_add(v, item);
	r = list_save(d, name, v, e);
	if (r < 0)
		list_drop(v, item);
	return r;
}

static void list_forget(struct docker *d, const char *name, struct strv *v, const char *item)
{
	struct err e = { 0 };

	if (list_drop(v, item) && list_save(d, name, v, &e) < 0)
		log_error("cannot write the state of this node", "what=%s err=%s", name,
			  LOG_Q(err_text(&e)));
}

void docker_memory_load(struct docker *d)
{
	list_load(d, GONE, &d->gone);
	list_load(d, LEFT, &d->left);
}

void docker_memory_done(struct docker *d)
{
	strv_done(&d->gone);
	strv_done(&d->left);
	strv_done(&d->working);
	strv_done(&d->refused);
}

void docker_told_drop(struct docker *d, const char *network)
{
	list_drop(&d->refused, network);
}

/* ---- made ---- */

static const char *entry_of(char sign, const char *docker, char ret[ENTRY_MAX])
{
	snprintf(ret, ENTRY_MAX, "%c%s", sign, docker);
	return ret;
}

int docker_making(struct docker *d, const char *docker, struct err *e)
{
	char entry[ENTRY_MAX];
	int r;

	if (strv_has(&d->working, docker))
		return err_set(e, -EBUSY,
			       "network %.*s is being made or removed already: try again",
			       ID_SHORT_LEN, docker);
	r = list_add(d, GONE, &d->gone, entry_of(MAKING, docker, entry), e);
	if (r == 0)
		strv_add(&d->working, docker);
	return r;
}

void docker_made(struct docker *d, const char *docker)
{
	char entry[ENTRY_MAX];

	list_drop(&d->working, docker);
	list_forget(d, GONE, &d->gone, entry_of(MAKING, docker, entry));
}

void docker_unmade(struct docker *d, const char *docker, bool clean)
{
	if (clean) {
		docker_made(d, docker);
		return;
	}
	list_drop(&d->working, docker);
	docker_settle_soon(d);
}

/* ---- left ---- */

bool docker_left(const struct docker *d, struct id network)
{
	char id[ID_TEXT_MAX];

	return d && strv_has(&d->left, id_format(network, id));
}

void docker_left_forget(struct docker *d, struct id network)
{
	char id[ID_TEXT_MAX];

	list_forget(d, LEFT, &d->left, id_format(network, id));
}

static void remember_left(struct docker *d, const struct model_network *net, const struct err *why)
{
	char id[ID_TEXT_MAX];
	struct err e = { 0 };

	if (list_add(d, LEFT, &d->left, id_format(net->id, id), &e) < 0)
		log_error("cannot write the state of this node", "what=" LEFT " err=%s",
			  LOG_Q(err_text(&e)));
	log_warn(
		"a network was removed from this Docker while others use it: it stays in the cluster, and is not made here again until asked for",
		"network=%s id=%.*s why=%s", net->name, ID_SHORT_LEN, id, LOG_Q(err_text(why)));
}

static void left_removed(void *user, int status, const struct model_network *net,
			 const struct err *e)
{
	struct docker *d = user;

	(void)e; /* somebody has it again, or etcd is away: asked again when that changes */
	if (status == 0 && net)
		log_info("network removed: no node's Docker has it any more", "network=%s",
			 net->name);
	docker_unref(d);
}

static bool from_docker(const struct model_network *net)
{
	const char *origin = kv_pairs_get(&net->labels, DOCKER_LABEL_ORIGIN);

	return origin && strcmp(origin, DOCKER_ORIGIN) == 0;
}

void docker_left_settle(struct docker *d)
{
	struct strv left = { 0 };

	strv_copy(&left, &d->left);
	for (size_t i = 0; i < left.n; i++) {
		struct mirror_network *net;
		struct id id;

		if (id_parse(left.v[i], &id) < 0 || !(net = mirror_network(d->d.mirror, id)) ||
		    !net->rec) {
			list_forget(d, LEFT, &d->left, left.v[i]);
		} else if (net->n_bindings == 0 && net->n_endpoints == 0 && from_docker(net->rec)) {
			docker_ref(d);
			network_remove(d->d.networks, id, left_removed, d);
		}
	}
	strv_done(&left);
}

/* ---- gone ---- */

struct undo {
	struct docker *d;
	docker_gone_fn done; /* NULL: nobody waits */
	void *user;
	char sign;
	char *docker;
	struct id network;
	int64_t binding; /* mod_revision; 0: none */
};

static void undo_end(struct undo *u, int status, const struct err *e)
{
	struct docker *d = u->d;
	char entry[ENTRY_MAX];

	list_drop(&d->working, u->docker);
	if (status == 0)
		list_forget(d, GONE, &d->gone, entry_of(u->sign, u->docker, entry));
	else if (status != -ECANCELED)
		log_warn("a network that Docker has no more cannot be given up yet; will retry",
			 "docker=%.*s err=%s", ID_SHORT_LEN, u->docker, LOG_Q(err_text(e)));
	if (u->done)
		u->done(u->user, status, e);
	free(u->docker);
	free(u);
	docker_unref(d);
}

static void unbound(void *user, int status, int64_t revision, const struct err *e)
{
	struct undo *u = user;
	struct docker *d = u->d;

	if (status == 0 && revision > 0) {
		_cleanup_free_ char *key =
			model_key_binding(d->d.config->etcd_prefix, u->network, docker_self(d));

		mirror_apply_own(d->d.mirror, key, NULL, revision);
	}
	undo_end(u, status, e);
}

static void unbind(struct undo *u)
{
	struct docker *d = u->d;
	struct model_binding b = { .network = u->network,
				   .node = docker_self(d),
				   .mod_revision = u->binding };
	struct err none = { 0 };

	if (u->binding == 0)
		undo_end(u, 0, &none);
	else
		claim_binding_del(d->d.claim, &b, unbound, u);
}

static void removed(void *user, int status, const struct model_network *net, const struct err *e)
{
	struct undo *u = user;
	struct mirror_network *mn = mirror_network(u->d->d.mirror, u->network);

	(void)net;
	if (status == -EBUSY && mn && mn->rec && u->sign != MAKING)
		remember_left(u->d, mn->rec, e);
	if (status == 0 || status == -ENOENT || status == -EBUSY)
		unbind(u);
	else
		undo_end(u, status, e);
}

/* Not known here, which says little where the creation's outcome is not: etcd was asked. */
static void erased(void *user, int status, int64_t revision, const struct err *e)
{
	struct undo *u = user;
	struct docker *d = u->d;

	if (status == 0 && revision > 0) {
		_cleanup_free_ char *key = model_key_network(d->d.config->etcd_prefix, u->network);

		mirror_apply_own(d->d.mirror, key, NULL, revision);
	}
	/* Somebody uses it: it is no leftover. */
	undo_end(u, status == -ENOENT || status == -EBUSY ? 0 : status, e);
}

/* What was joined is not what was made, and stays. */
static bool is_kept(char sign, const struct mirror_network *net, const char *docker)
{
	switch (sign) {
	case MAKING:
		return !id_eq(net->id, docker_network_id(docker));
	case LOST: /* perhaps with all the rest of Docker's memory: others can use it still */
		return net->n_bindings > 1 || net->n_endpoints > 0 || !net->rec ||
		       !from_docker(net->rec);
	default:
		return false;
	}
}

static void undo(struct docker *d, char sign, const char *docker, docker_gone_fn done, void *user)
{
	struct mirror_network *net = docker_network_of(d, docker);
	struct mirror_binding *b;
	struct err none = { 0 };
	struct undo *u = mem_alloc(sizeof(*u));

	*u = (struct undo){
		.d = d, .sign = sign, .docker = mem_strdup(docker), .done = done, .user = user
	};
	docker_ref(d);
	strv_add(&d->working, docker);
	if (!net && sign == MAKING) {
		u->network = docker_network_id(docker);
		claim_network_remove(d->d.claim, u->network, erased, u);
		return;
	}
	if (!net) {
		undo_end(u, 0, &none);
		return;
	}
	u->network = net->id;
	b = mirror_binding(d->d.mirror, net->id, docker_self(d));
	u->binding = b ? b->rec->mod_revision : 0;
	if (is_kept(sign, net, docker))
		unbind(u);
	else
		network_remove(d->d.networks, net->id, removed, u);
}

void docker_gone(struct docker *d, const char *docker, bool told, docker_gone_fn done, void *user)
{
	char sign = told ? DELETED : LOST, entry[ENTRY_MAX];
	struct err e = { 0 };

	if (mirror_get_state(d->d.mirror) == MIRROR_SYNCED && !docker_network_of(d, docker)) {
		done(user, 0, &e);
		return;
	}
	if (strv_has(&d->working, docker))
		err_set(&e, -EBUSY, "network %.*s is being made or removed", ID_SHORT_LEN, docker);
	else if (list_add(d, GONE, &d->gone, entry_of(sign, docker, entry), &e) == 0 &&
		 docker_ready(d, &e) < 0)
		err_prefix(&e, "the network is given up later");
	if (e.code == 0)
		undo(d, sign, docker, done, user);
	else
		done(user, e.code, &e);
}

static void answer(void *user, int status, const struct err *e)
{
	if (status < 0)
		plugin_reply_err(user, e);
	else
		docker_ok(user);
}

void docker_delete_network(void *user, const struct plugin_ref *r, struct plugin_call *c)
{
	docker_gone(user, r->network, true, answer, c);
}

void docker_gone_settle(struct docker *d)
{
	struct strv list = { 0 };

	strv_copy(&list, &d->gone);
	for (size_t i = 0; i < list.n; i++) {
		char sign = list.v[i][0];
		const char *docker = list.v[i] + 1;

		if (!strv_has(&d->working, docker))
			undo(d, sign, docker, NULL, NULL);
	}
	strv_done(&list);
}
