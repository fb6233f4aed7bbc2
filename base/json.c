/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define EXACT_MAX 9007199254740992.0 /* 2^53: above it a double skips whole numbers */
#define PRINT_MAX 999999999999999ULL /* cJSON prints 15 digits and takes what is near for equal */
#define PRETTY_MAX ((size_t)256 << 20)

/*
 * What cJSON lets pass and we do not: deep nesting (it recurses), raw control bytes, escaped NUL
 * (its strings end there), text that is not UTF-8.
 */
struct scan {
	const unsigned char *p, *end;
	const char *why;
};

/* One character outside ASCII. RFC 3629 §4: no overlong forms, no surrogates, nothing above 10FFFF. */
static bool scan_utf8(struct scan *s)
{
	unsigned char c = *s->p;
	unsigned n = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	unsigned char lo = 0x80, hi = 0xbf;

	if (c < 0xc2 || c > 0xf4 || (size_t)(s->end - s->p) <= n)
		return false;
	if (c == 0xe0)
		lo = 0xa0;
	else if (c == 0xed)
		hi = 0x9f;
	else if (c == 0xf0)
		lo = 0x90;
	else if (c == 0xf4)
		hi = 0x8f;
	for (unsigned i = 1; i <= n; i++) {
		if (s->p[i] < lo || s->p[i] > hi)
			return false;
		lo = 0x80;
		hi = 0xbf;
	}
	s->p += n + 1;
	return true;
}

/* From behind the opening quote to behind the closing one. */
static bool scan_string(struct scan *s)
{
	while (s->p < s->end && *s->p != '"') {
		if (*s->p < 0x20) {
			s->why = "control character in a string";
			return false;
		}
		if (*s->p >= 0x80) {
			if (!scan_utf8(s)) {
				s->why = "not UTF-8";
				return false;
			}
			continue;
		}
		if (*s->p == '\\') {
			if (s->end - s->p >= 6 && memcmp(s->p, "\\u0000", 6) == 0) {
				s->why = "NUL in a string";
				return false;
			}
			s->p++;
		}
		if (s->p < s->end)
			s->p++;
	}
	if (s->p >= s->end) {
		s->why = "string without end";
		return false;
	}
	s->p++;
	return true;
}

static bool scan_text(struct scan *s)
{
	size_t depth = 0;

	while (s->p < s->end) {
		unsigned char c = *s->p;

		if (c == '"') {
			s->p++;
			if (!scan_string(s))
				return false;
			continue;
		}
		if (c >= 0x80 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r')) {
			s->why = "unexpected byte";
			return false;
		}
		if (c == '[' || c == '{') {
			if (++depth > JSON_DEPTH_MAX) {
				s->why = "nested too deep";
				return false;
			}
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
		s->p++;
	}
	return true;
}

int json_parse(const char *text, size_t len, size_t max, cJSON **ret, struct err *e)
{
	struct scan s = { .p = (const unsigned char *)text };
	_cleanup_json_ cJSON *j = NULL;
	const char *end = text;

	if (len > max)
		return err_set(e, -EMSGSIZE, "JSON of %zu bytes is larger than %zu", len, max);
	if (len == 0)
		return err_set(e, -EINVAL, "not JSON: empty");
	s.end = s.p + len;
	if (!scan_text(&s))
		return err_set(e, -EINVAL, "not JSON: %s at byte %zu", s.why,
			       (size_t)((const char *)s.p - text));
	j = cJSON_ParseWithLengthOpts(text, len, &end, 0);
	if (!j)
		return err_set(e, -EINVAL, "not JSON: error at byte %zu", (size_t)(end - text));
	while (end < text + len && strchr(" \t\r\n", *end) && *end)
		end++;
	if (end != text + len)
		return err_set(e, -EINVAL, "not JSON: more after the value at byte %zu",
			       (size_t)(end - text));
	*ret = TAKE_PTR(j);
	return 0;
}

int json_parse_object(const char *text, size_t len, size_t max, cJSON **ret, struct err *e)
{
	_cleanup_json_ cJSON *j = NULL;
	int r = json_parse(text, len, max, &j, e);

	if (r < 0)
		return r;
	if (!cJSON_IsObject(j))
		return err_set(e, -EINVAL, "not a JSON object");
	*ret = TAKE_PTR(j);
	return 0;
}

char *json_print(const cJSON *j)
{
	char *s = cJSON_PrintUnformatted(j);

	if (!s)
		abort(); /* out of memory (base/mem.h) */
	return s;
}

static void pretty_text(struct buf *b, const char *s)
{
	/* The tree is ours and printable; running over PRETTY_MAX means a leak, as out of memory. */
	if (buf_puts(b, s) < 0)
		abort();
}

static void pretty_indent(struct buf *b, unsigned depth)
{
	pretty_text(b, "\n");
	while (depth-- > 0)
		pretty_text(b, "    ");
}

static void pretty_scalar(struct buf *b, const cJSON *j)
{
	_cleanup_free_ char *s = json_print(j);

	pretty_text(b, s);
}

static void pretty_key(struct buf *b, const char *key)
{
	_cleanup_json_ cJSON *k = cJSON_CreateStringReference(key);

	pretty_scalar(b, k);
	pretty_text(b, ": ");
}

/* Recursion is bounded: parsed trees by JSON_DEPTH_MAX, our own by what builds them. */
static void pretty_value(struct buf *b, const cJSON *j, unsigned depth)
{
	bool object = cJSON_IsObject(j);
	const cJSON *item;

	if (!object && !cJSON_IsArray(j)) {
		pretty_scalar(b, j);
		return;
	}
	pretty_text(b, object ? "{" : "[");
	cJSON_ArrayForEach(item, j) {
		if (item != j->child)
			pretty_text(b, ",");
		pretty_indent(b, depth + 1);
		if (object)
			pretty_key(b, item->string);
		pretty_value(b, item, depth + 1);
	}
	if (j->child)
		pretty_indent(b, depth);
	pretty_text(b, object ? "}" : "]");
}

char *json_print_pretty(const cJSON *j)
{
	_cleanup_buf_ struct buf b;

	buf_init(&b, PRETTY_MAX);
	pretty_value(&b, j, 0);
	return buf_take(&b);
}

cJSON *json_get(const cJSON *obj, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(obj, key);
}

/* The member, or NULL where it is absent or null: both mean "not given". */
static const cJSON *given(const cJSON *obj, const char *key)
{
	const cJSON *j = json_get(obj, key);

	return cJSON_IsNull(j) ? NULL : j;
}

static int check_str(const cJSON *j, const char *key, size_t max_len, struct err *e)
{
	if (!cJSON_IsString(j))
		return err_set(e, -EINVAL, "%.64s: not a string", key);
	if (strlen(j->valuestring) > max_len)
		return err_set(e, -EINVAL, "%.64s: longer than %zu bytes", key, max_len);
	return 0;
}

int json_get_str(const cJSON *obj, const char *key, size_t max_len, const char **ret, struct err *e)
{
	const cJSON *j = given(obj, key);
	int r;

	if (!j)
		return 0;
	r = check_str(j, key, max_len, e);
	if (r < 0)
		return r;
	*ret = j->valuestring;
	return 0;
}

int json_get_str_req(const cJSON *obj, const char *key, size_t max_len, const char **ret,
		     struct err *e)
{
	if (!given(obj, key))
		return err_set(e, -EINVAL, "%.64s: missing", key);
	return json_get_str(obj, key, max_len, ret, e);
}

int json_get_bool(const cJSON *obj, const char *key, bool *ret, struct err *e)
{
	const cJSON *j = given(obj, key);

	if (!j)
		return 0;
	if (!cJSON_IsBool(j))
		return err_set(e, -EINVAL, "%.64s: not true or false", key);
	*ret = cJSON_IsTrue(j);
	return 0;
}

/* Decimal digits only, as etcd's gateway writes 64-bit numbers. */
static bool parse_digits(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (*s == '\0')
		return false;
	for (; *s; s++) {
		unsigned d = (unsigned)(*s - '0');

		if (d > 9 || v > UINT64_MAX / 10 || v * 10 > UINT64_MAX - d)
			return false;
		v = v * 10 + d;
	}
	*ret = v;
	return true;
}

/* Sign and magnitude of a whole number in either form. */
static bool whole_number(const cJSON *j, bool *ret_negative, uint64_t *ret)
{
	bool negative;

	if (cJSON_IsNumber(j)) {
		double d = j->valuedouble;

		/* NaN and infinities fail the range. */
		if (!(d >= -EXACT_MAX && d <= EXACT_MAX) || d != trunc(d))
			return false;
		*ret_negative = d < 0;
		*ret = (uint64_t)fabs(d);
		return true;
	}
	if (!cJSON_IsString(j))
		return false;
	negative = j->valuestring[0] == '-';
	if (!parse_digits(j->valuestring + negative, ret))
		return false;
	*ret_negative = negative && *ret > 0;
	return true;
}

int json_get_u64(const cJSON *obj, const char *key, uint64_t min, uint64_t max, uint64_t *ret,
		 struct err *e)
{
	const cJSON *j = given(obj, key);
	bool negative;
	uint64_t v;

	if (!j)
		return 0;
	if (!whole_number(j, &negative, &v))
		return err_set(e, -EINVAL, "%.64s: not a whole number", key);
	if (negative || v < min || v > max)
		return err_set(e, -EINVAL,
			       "%.64s: %s%" PRIu64 " is not within %" PRIu64 " to %" PRIu64, key,
			       negative ? "-" : "", v, min, max);
	*ret = v;
	return 0;
}

int json_get_i64(const cJSON *obj, const char *key, int64_t *ret, struct err *e)
{
	const cJSON *j = given(obj, key);
	bool negative;
	uint64_t v;

	if (!j)
		return 0;
	if (!whole_number(j, &negative, &v) || v > (uint64_t)INT64_MAX + negative)
		return err_set(e, -EINVAL, "%.64s: not a whole number of 64 bits", key);
	/* Negated as unsigned: -INT64_MIN has no positive twin. */
	*ret = (int64_t)(negative ? 0 - v : v);
	return 0;
}

int json_get_ip(const cJSON *obj, const char *key, struct ip *ret, struct err *e)
{
	const char *s = NULL;
	int r = json_get_str(obj, key, IP_TEXT_MAX, &s, e);

	if (r == 0 && s) {
		r = ip_parse(s, ret, e);
		if (r < 0)
			err_prefix(e, "%.64s", key);
	}
	return r;
}

int json_get_prefix(const cJSON *obj, const char *key, struct prefix *ret, struct err *e)
{
	const char *s = NULL;
	int r = json_get_str(obj, key, PREFIX_TEXT_MAX, &s, e);

	if (r == 0 && s) {
		r = prefix_parse(s, ret, e);
		if (r < 0)
			err_prefix(e, "%.64s", key);
	}
	return r;
}

int json_get_mac(const cJSON *obj, const char *key, struct mac *ret, struct err *e)
{
	const char *s = NULL;
	int r = json_get_str(obj, key, MAC_TEXT_MAX, &s, e);

	if (r == 0 && s) {
		r = mac_parse(s, ret, e);
		if (r < 0)
			err_prefix(e, "%.64s", key);
	}
	return r;
}

/* cJSON_GetArraySize() walks the list: one walk, and an end as soon as there are too many. */
static int check_count(const cJSON *j, const char *key, size_t max_items, struct err *e)
{
	const cJSON *item;
	size_t n = 0;

	cJSON_ArrayForEach(item, j) {
		if (++n > max_items)
			return err_set(e, -EINVAL, "%.64s: more than %zu entries", key, max_items);
	}
	return 0;
}

int json_get_array(const cJSON *obj, const char *key, size_t max_items, const cJSON **ret,
		   struct err *e)
{
	const cJSON *j = given(obj, key);
	int r;

	if (!j)
		return 0;
	if (!cJSON_IsArray(j))
		return err_set(e, -EINVAL, "%.64s: not a list", key);
	r = check_count(j, key, max_items, e);
	if (r < 0)
		return r;
	*ret = j;
	return 0;
}

int json_get_object(const cJSON *obj, const char *key, const cJSON **ret, struct err *e)
{
	const cJSON *j = given(obj, key);

	if (!j)
		return 0;
	if (!cJSON_IsObject(j))
		return err_set(e, -EINVAL, "%.64s: not an object", key);
	*ret = j;
	return 0;
}

int json_get_strv(const cJSON *obj, const char *key, size_t max_items, size_t max_len,
		  struct strv *ret, struct err *e)
{
	const cJSON *arr = NULL, *item;
	char name[96];
	size_t i = 0;
	int r = json_get_array(obj, key, max_items, &arr, e);

	if (r < 0 || !arr)
		return r;
	cJSON_ArrayForEach(item, arr) {
		snprintf(name, sizeof(name), "%.64s[%zu]", key, i++);
		r = check_str(item, name, max_len, e);
		if (r < 0)
			return r;
	}
	cJSON_ArrayForEach(item, arr) {
		strv_add(ret, item->valuestring);
	}
	return 0;
}

int json_get_pairs(const cJSON *obj, const char *key, size_t max_items, size_t max_len,
		   struct kv_pairs *ret, struct err *e)
{
	const cJSON *o = NULL, *item;
	int r = json_get_object(obj, key, &o, e);

	if (r < 0 || !o)
		return r;
	r = check_count(o, key, max_items, e);
	if (r < 0)
		return r;
	cJSON_ArrayForEach(item, o) {
		if (strlen(item->string) > max_len)
			return err_set(e, -EINVAL, "%.64s: a key longer than %zu bytes", key,
				       max_len);
		r = check_str(item, item->string, max_len, e);
		if (r < 0) {
			json_err_in(e, "%.64s", key);
			return r;
		}
	}
	cJSON_ArrayForEach(item, o) {
		kv_pairs_set(ret, item->string, item->valuestring);
	}
	return 0;
}

int json_err_in(struct err *e, const char *fmt, ...)
{
	char way[256], text[ERR_TEXT_MAX];
	va_list ap;

	if (!e || e->code == 0)
		return 0;
	va_start(ap, fmt);
	vsnprintf(way, sizeof(way), fmt, ap);
	va_end(ap);
	snprintf(text, sizeof(text), "%s", err_text(e));
	return err_set(e, e->code, "%s.%s", way, text);
}

/* cJSON returns NULL, and drops nothing, when it cannot allocate. */
static void put(cJSON *obj, const char *key, cJSON *value)
{
	if (!value || !cJSON_AddItemToObject(obj, key, value))
		abort();
}

void json_put_str(cJSON *obj, const char *key, const char *value)
{
	put(obj, key, value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

void json_put_str_opt(cJSON *obj, const char *key, const char *value)
{
	if (value && *value)
		json_put_str(obj, key, value);
}

void json_put_u64(cJSON *obj, const char *key, uint64_t value)
{
	char text[24];

	if (value <= PRINT_MAX) {
		put(obj, key, cJSON_CreateNumber((double)value));
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64, value);
	json_put_str(obj, key, text);
}

void json_put_bool(cJSON *obj, const char *key, bool value)
{
	put(obj, key, cJSON_CreateBool(value));
}

void json_put_ip_opt(cJSON *obj, const char *key, struct ip a)
{
	char text[IP_TEXT_MAX];

	json_put_str_opt(obj, key, ip_format(a, text));
}

void json_put_prefix_opt(cJSON *obj, const char *key, struct prefix p)
{
	char text[PREFIX_TEXT_MAX];

	json_put_str_opt(obj, key, prefix_format(p, text));
}

void json_put_mac(cJSON *obj, const char *key, struct mac m)
{
	char text[MAC_TEXT_MAX];

	json_put_str(obj, key, mac_format(m, text));
}

void json_put_strv(cJSON *obj, const char *key, const struct strv *s)
{
	cJSON *arr = cJSON_CreateArray();

	put(obj, key, arr);
	for (size_t i = 0; i < s->n; i++) {
		cJSON *item = cJSON_CreateString(s->v[i]);

		if (!item || !cJSON_AddItemToArray(arr, item))
			abort();
	}
}

void json_put_pairs(cJSON *obj, const char *key, const struct kv_pairs *p)
{
	cJSON *o = cJSON_CreateObject();

	put(obj, key, o);
	for (size_t i = 0; i < p->n; i++)
		json_put_str(o, p->v[i].key, p->v[i].value);
}

void json_remove_keys(cJSON *obj, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* A hostile object may hold one key several times. */
		while (json_get(obj, keys[i]))
			cJSON_DeleteItemFromObjectCaseSensitive(obj, keys[i]);
	}
}
