/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strv.h"

#include <string.h>

/* Doubles at each power of two, so that the structs need no capacity field. */
static void *grow_for_one(void *v, size_t n, size_t size)
{
	if (n & (n - 1))
		return v;
	return mem_grow(v, n ? n * 2 : 1, size);
}

static void strv_add_n(struct strv *s, const char *item, size_t len)
{
	s->v = grow_for_one(s->v, s->n, sizeof(*s->v));
	s->v[s->n++] = mem_strndup(item, len);
}

void strv_add(struct strv *s, const char *item)
{
	strv_add_n(s, item, strlen(item));
}

bool strv_has(const struct strv *s, const char *item)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->v[i], item) == 0)
			return true;
	}
	return false;
}

void strv_copy(struct strv *dst, const struct strv *src)
{
	*dst = (struct strv){ 0 };
	for (size_t i = 0; i < src->n; i++)
		strv_add(dst, src->v[i]);
}

bool strv_eq(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	}
	return true;
}

void strv_done(struct strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct strv){ 0 };
}

void strv_split(struct strv *s, const char *text, char sep)
{
	while (*text) {
		const char *end = strchrnul(text, sep);

		if (end > text)
			strv_add_n(s, text, (size_t)(end - text));
		text = *end ? end + 1 : end;
	}
}

static struct kv_pair *find(const struct kv_pairs *p, const char *key)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->v[i].key, key) == 0)
			return &p->v[i];
	}
	return NULL;
}

void kv_pairs_set(struct kv_pairs *p, const char *key, const char *value)
{
	struct kv_pair *at = find(p, key);

	if (at) {
		/* @value may be the one that is replaced. */
		char *old = at->value;

		at->value = mem_strdup(value);
		free(old);
		return;
	}
	p->v = grow_for_one(p->v, p->n, sizeof(*p->v));
	p->v[p->n++] = (struct kv_pair){ .key = mem_strdup(key), .value = mem_strdup(value) };
}

const char *kv_pairs_get(const struct kv_pairs *p, const char *key)
{
	const struct kv_pair *at = find(p, key);

	return at ? at->value : NULL;
}

void kv_pairs_copy(struct kv_pairs *dst, const struct kv_pairs *src)
{
	*dst = (struct kv_pairs){ 0 };
	for (size_t i = 0; i < src->n; i++)
		kv_pairs_set(dst, src->v[i].key, src->v[i].value);
}

void kv_pairs_done(struct kv_pairs *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].key);
		free(p->v[i].value);
	}
	free(p->v);
	*p = (struct kv_pairs){ 0 };
}
