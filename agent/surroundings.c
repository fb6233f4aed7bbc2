/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/surroundings.h"

#include <stdlib.h>
#include <string.h>

#include "agent/firewalld.h"
#include "base/log.h"
#include "base/mem.h"

struct surroundings {
	struct coexist *coexist; /* NULL: it could not be opened, or was removed */
	struct firewalld *firewalld;
	char (*ifaces)[IFNAMSIZ]; /* sorted */
	size_t n_ifaces;
	char (*dns_also)[IFNAMSIZ]; /* zeroed behind their ends */
	size_t n_dns_also;
	bool set; /* was told at least once */
	uv_poll_t poll;
	uv_timer_t gather;
	bool polling;
	unsigned open_handles;
};

static void gathered(uv_timer_t *t);

static void update(struct surroundings *s)
{
	struct err e = { 0 };
	unsigned writes = 0;

	uv_timer_stop(&s->gather);
	if (!s->coexist || !s->set)
		return;
	if (coexist_update(s->coexist, (const char(*)[IFNAMSIZ])s->ifaces, s->n_ifaces, &writes,
			   &e) < 0) {
		log_warn("other firewalls on this host could not be dealt with; will retry",
			 "err=%s in_ms=%d", LOG_Q(err_text(&e)), SURROUNDINGS_RETRY_MS);
		uv_timer_start(&s->gather, gathered, SURROUNDINGS_RETRY_MS, 0);
	} else if (writes) {
		log_info("accept rules in other firewalls brought in line", "rules=%u", writes);
	}
}

/* A timer that is due earlier stays as it is, so that a stream of changes does not put it off for ever. */
static void later(struct surroundings *s, uint64_t ms)
{
	if (!uv_is_active((uv_handle_t *)&s->gather) || uv_timer_get_due_in(&s->gather) > ms)
		uv_timer_start(&s->gather, gathered, ms, 0);
}

static void gathered(uv_timer_t *t)
{
	update(t->data);
}

static void readable(uv_poll_t *p, int status, int events)
{
	struct surroundings *s = p->data;

	(void)status;
	(void)events;
	if (s->coexist && coexist_event_read(s->coexist))
		later(s, SURROUNDINGS_GATHER_MS);
}

struct surroundings *surroundings_new(uv_loop_t *loop, uint16_t vxlan_port, bool dns)
{
	struct surroundings *s = mem_alloc(sizeof(*s));
	struct err e = { 0 };

	uv_timer_init(loop, &s->gather);
	s->gather.data = s;
	s->open_handles = 1;
	s->firewalld = firewalld_new(loop);
	if (coexist_new(vxlan_port, &s->coexist, &e) < 0) {
		log_warn("other firewalls on this host cannot be looked at", "err=%s",
			 LOG_Q(err_text(&e)));
		return s;
	}
	coexist_dns(s->coexist, dns);
	if (uv_poll_init(loop, &s->poll, coexist_event_fd(s->coexist)) == 0) {
		s->poll.data = s;
		s->open_handles++;
		s->polling = true;
		uv_poll_start(&s->poll, UV_READABLE, readable);
	}
	return s;
}

static void closed(uv_handle_t *h)
{
	struct surroundings *s = h->data;

	if (--s->open_handles > 0)
		return;
	coexist_free(s->coexist);
	free(s->ifaces);
	free(s->dns_also);
	free(s);
}

void surroundings_close(struct surroundings *s)
{
	if (!s)
		return;
	firewalld_close(s->firewalld);
	s->firewalld = NULL;
	if (s->polling)
		uv_close((uv_handle_t *)&s->poll, closed);
	uv_close((uv_handle_t *)&s->gather, closed);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool has(const struct surroundings *s, const char *name)
{
	return s->n_ifaces && bsearch(name, s->ifaces, s->n_ifaces, IFNAMSIZ, by_name);
}

void surroundings_set(struct surroundings *s, const char (*ifaces)[IFNAMSIZ], size_t n)
{
	char(*v)[IFNAMSIZ] = mem_alloc_array(n + 1, IFNAMSIZ);
	bool more = !s->set, less = false;
	size_t known = 0;

	for (size_t i = 0; i < n; i++) {
		memcpy(v[i], ifaces[i], IFNAMSIZ);
		known += has(s, ifaces[i]);
	}
	more = more || known < n;
	less = known < s->n_ifaces;
	qsort(v, n, IFNAMSIZ, by_name);
	free(s->ifaces);
	s->ifaces = v;
	s->n_ifaces = n;
	s->set = true;
	if ((more || less) && s->firewalld)
		firewalld_set(s->firewalld, (const char(*)[IFNAMSIZ])v, n);
	if (more)
		update(s);
	else if (less)
		later(s, SURROUNDINGS_GATHER_MS);
}

void surroundings_dns_also(struct surroundings *s, const char (*ifaces)[IFNAMSIZ], size_t n)
{
	bool less = n < s->n_dns_also;

	if (!s->coexist ||
	    (n == s->n_dns_also && (n == 0 || memcmp(ifaces, s->dns_also, n * IFNAMSIZ) == 0)))
		return;
	free(s->dns_also);
	s->dns_also = n ? mem_dup(ifaces, n * IFNAMSIZ) : NULL;
	s->n_dns_also = n;
	coexist_dns_also(s->coexist, ifaces, n);
	if (s->set && less)
		later(s, SURROUNDINGS_GATHER_MS);
	else
		update(s);
}

int surroundings_remove(struct surroundings *s, struct err *e)
{
	int r = 0;

	uv_timer_stop(&s->gather);
	if (s->polling)
		uv_poll_stop(&s->poll);
	s->n_ifaces = 0;
	if (s->firewalld)
		firewalld_set(s->firewalld, NULL, 0);
	if (s->coexist)
		r = coexist_remove(s->coexist, e);
	return r;
}

bool surroundings_settled(const struct surroundings *s)
{
	return !s->firewalld || firewalld_settled(s->firewalld);
}

size_t surroundings_findings(const struct surroundings *s, const struct coexist_finding **ret)
{
	*ret = NULL;
	return s->coexist ? coexist_findings(s->coexist, ret) : 0;
}

const char *surroundings_firewalld(const struct surroundings *s)
{
	return s->firewalld ? firewalld_state(s->firewalld) : "";
}
