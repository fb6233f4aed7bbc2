/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/etc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/dns/resolv_conf.h"
#include "base/mem.h"

#define HASH_DIGITS 16
#define HASH_BEGUN "0000000000000000" /* in its place while the rest is being written */
#define WITH_DIR " and its directory"
#define ADVICE ": once changed by anybody else it is left alone\n"

/* FNV-1a, 64 bits (draft-eastlake-fnv). */
static uint64_t hash_of(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3u;
	return h;
}

static const char *behind_first_line(const char *text)
{
	const char *end = strchr(text, '\n');

	return end ? end + 1 : text + strlen(text);
}

char *etc_file_seal(const char *text, bool with_dir)
{
	const char *rest = behind_first_line(text);

	return mem_printf(RESOLV_MARK " %016" PRIx64 "%s" ADVICE "%s", hash_of(rest),
			  with_dir ? WITH_DIR : "", rest);
}

/* Is it whole, as etc_file_seal() made it, or was whoever wrote it killed half way? */
static bool is_sealed(const char *text, bool *ret_with_dir)
{
	const size_t mark = strlen(RESOLV_MARK " ");
	char hash[HASH_DIGITS + 1];

	if (strncmp(text, RESOLV_MARK " ", mark) != 0)
		return false;
	snprintf(hash, sizeof(hash), "%016" PRIx64, hash_of(behind_first_line(text)));
	if (strncmp(text + mark, hash, HASH_DIGITS) != 0 &&
	    strncmp(text + mark, HASH_BEGUN, HASH_DIGITS) != 0)
		return false;
	if (ret_with_dir)
		*ret_with_dir = strncmp(text + mark + HASH_DIGITS, WITH_DIR, strlen(WITH_DIR)) == 0;
	return true;
}

/* The whole of a regular file as a text; NULL: it is none, or too large. */
static char *read_all(int fd)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > ETC_FILE_MAX)
		return NULL;
	text = mem_alloc((size_t)st.st_size + 1);
	while (len < (size_t)st.st_size &&
	       (n = pread(fd, text + len, (size_t)st.st_size - len, (off_t)len)) > 0)
		len += (size_t)n;
	if (strlen(text) != len)
		return NULL; /* zero bytes: never ours */
	return TAKE_PTR(text);
}

enum etc_file_owner etc_file_owner(int dir, const char *name, bool *ret_with_dir)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;

	if (fd < 0)
		return errno == ENOENT ? ETC_FILE_NONE : ETC_FILE_THEIRS;
	text = read_all(fd);
	return text && is_sealed(text, ret_with_dir) ? ETC_FILE_OURS : ETC_FILE_THEIRS;
}

static int write_at(int fd, const char *text, size_t len, size_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, text + done, len - done, (off_t)(at + done));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

/* Its first line says all the while that it is ours, the hash comes last: cut short by a kill it is not taken for somebody's work. */
static int write_all(int fd, const char *sealed)
{
	const size_t mark = strlen(RESOLV_MARK " "), len = strlen(sealed);
	const size_t first = (size_t)(behind_first_line(sealed) - sealed);
	_cleanup_free_ char *begun = mem_strdup(sealed);
	int r;

	for (size_t i = 0; i < HASH_DIGITS; i++)
		begun[mark + i] = HASH_BEGUN[i];
	r = write_at(fd, begun, first, 0);
	if (r == 0)
		r = write_at(fd, sealed + first, len - first, first);
	if (r == 0 && ftruncate(fd, (off_t)len) < 0)
		r = -errno;
	return r < 0 ? r : write_at(fd, sealed + mark, HASH_DIGITS, mark);
}

static int write_new(int dir, const char *name, const char *text)
{
	_cleanup_free_ char *temp = mem_printf(".ovl-%s", name);
	_cleanup_close_ int fd = -1;
	int r;

	if (unlinkat(dir, temp, 0) < 0 && errno != ENOENT) /* of one that was killed right here */
		return -errno;
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text);
	if (r == 0 && fchmod(fd, 0644) < 0) /* whatever the umask */
		r = -errno;
	if (r == 0 && renameat2(dir, temp, dir, name, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, temp, 0);
	return r;
}

int etc_file_write(int dir, const char *name, const char *sealed, bool *ret_theirs, struct err *e)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *now = NULL;
	int r = 0;

	*ret_theirs = false;
	if (fd < 0 && errno == ENOENT) {
		r = write_new(dir, name, sealed);
		if (r == -EEXIST) { /* somebody was faster */
			*ret_theirs = true;
			r = 0;
		}
	} else if (fd < 0 && errno != ELOOP && errno != EISDIR && errno != ENXIO) {
		r = -errno;
	} else {
		now = fd < 0 ? NULL : read_all(fd);
		*ret_theirs = !now || (*now && !is_sealed(now, NULL));
		if (!*ret_theirs && strcmp(now, sealed) != 0)
			r = write_all(fd, sealed);
	}
	return r < 0 ? err_set(e, r, "%s", strerror(-r)) : 0;
}

int etc_file_remove(int dir, const char *name, bool force)
{
	if (!force && etc_file_owner(dir, name, NULL) != ETC_FILE_OURS)
		return 0;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}
