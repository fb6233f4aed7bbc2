/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name server's sockets: one pair in the overlay namespace, one for each address of a bridge in the host's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/names_priv.h"
#include "base/log.h"
#include "base/mem.h"
#include "overlay/state.h"

void names_note(struct names *n, uint32_t key, const struct err *e)
{
	size_t i = 0;

	while (i < n->n_problems && n->problems[i].key != key)
		i++;
	if (!e) {
		if (i == n->n_problems)
			return;
		log_info("names are served there again", "was=%s", LOG_Q(n->problems[i].text));
		free(n->problems[i].text);
		n->problems[i] = n->problems[--n->n_problems];
		return;
	}
	if (i < n->n_problems && strcmp(n->problems[i].text, err_text(e)) == 0)
		return;
	log_warn("names cannot be served; will retry", "err=%s", LOG_Q(err_text(e)));
	if (i == n->n_problems) {
		n->problems = mem_grow(n->problems, n->n_problems + 1, sizeof(*n->problems));
		n->problems[n->n_problems++] = (struct names_problem){ .key = key };
	}
	free(n->problems[i].text);
	n->problems[i].text = mem_strdup(err_text(e));
}

static void tick(uv_timer_t *t)
{
	names_listen_all(t->data);
	names_files_again(t->data);
}

void names_retry(struct names *n)
{
	if (n->started && uv_timer_get_due_in(&n->timer) > NAMES_RETRY_MS)
		uv_timer_start(&n->timer, tick, NAMES_RETRY_MS, 0);
}

void names_listen_one(struct names *n, const struct model_network *net)
{
	uint32_t key = network_key(net);
	struct err e = { 0 }, one = { 0 };
	char device[IFNAMSIZ];

	network_bridge(net, device);
	if (key == STATE_KEY_EGRESS)
		snprintf(device, sizeof(device), "%s", STATE_EGRESS_HOST);
	if (!device[0])
		return;
	/* Each: that one is taken says nothing of the others. The first error is told. */
	for (size_t i = 0; i < net->n_subnets; i++) {
		if (ip_is_set(net->subnets[i].gateway) &&
		    dns_listen_host(dns_listen(n->dns), key, device, net->subnets[i].gateway,
				    &one) < 0 &&
		    e.code == 0)
			e = one;
	}
	if (key == STATE_KEY_EGRESS)
		n->egress_key = e.code == 0 ? key : 0;
	/* That the bridge is not there (yet) is told by who makes it. */
	names_note(n, key, e.code && e.code != -ENODEV ? &e : NULL);
	if (e.code)
		names_retry(n);
}

void names_listen_drop(struct names *n, uint32_t key)
{
	dns_listen_host_del(dns_listen(n->dns), key);
	names_note(n, key, NULL);
}

static void listen_local(void *user, const struct model_network *net)
{
	if (model_network_is_local(net))
		names_listen_one(user, net);
}

void names_listen_all(struct names *n)
{
	struct err e = { 0 };
	int fd = n->d.overlay_fd(n->d.user);

	if (!n->started)
		return;
	uv_timer_start(&n->timer, tick, NAMES_CHECK_MS, 0);
	if (fd >= 0) {
		(void)dns_listen_overlay(dns_listen(n->dns), fd, &e);
		names_note(n, 0, e.code ? &e : NULL);
	}
	if (e.code || fd < 0)
		names_retry(n);
	network_each(n->d.networks, listen_local, n);
	names_gwbridge_check(n);
}

/* And once more: what is being repaired may not be all there. */
static void check(uv_timer_t *t)
{
	tick(t);
	names_retry(t->data);
}

void names_check(struct names *n)
{
	if (n && n->started)
		uv_timer_start(&n->timer, check, 0, 0);
}

void names_problems(const struct names *n, struct strv *ret)
{
	for (size_t i = 0; n && i < n->n_problems; i++)
		strv_add(ret, n->problems[i].text);
}
