/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etc_file - one small text file that is ours as long as nobody else changes it.
 *
 * Its first line is sealed: RESOLV_MARK and a hash of all that follows, so that even after a restart it shows whether somebody
 * has changed it since; then it is theirs, as is a symlink, and what does not begin with the mark. An empty file is nobody's and is taken.
 * One that was being written when ovld was killed says so there, and is ours still. Not for secrets: the hash (FNV-1a) recognises editing, not intent.
 * Nothing is synced to disk: what is lost is written again at the next start.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

#define ETC_FILE_MAX (1024 * 1024) /* bytes; a larger one is not ours */

enum etc_file_owner { ETC_FILE_NONE, ETC_FILE_OURS, ETC_FILE_THEIRS };
/** etc_file_seal() - @text (which begins with the line RESOLV_MARK) with its first line sealed; heap. @with_dir: remember that the directory is ours too. */
char *etc_file_seal(const char *text, bool with_dir);
/** etc_file_owner() - whose @name in directory @dir is. @ret_with_dir (may be NULL): as sealed. */
enum etc_file_owner etc_file_owner(int dir, const char *name, bool *ret_with_dir);
/**
 * etc_file_write() - @sealed as the content of @name in @dir: in place where it is ours, else new (0644)
 * @ret_theirs: it is somebody else's, and was left alone. Return: 0, also then; -errno with the reason.
 */
int etc_file_write(int dir, const char *name, const char *sealed, bool *ret_theirs, struct err *e);
/** etc_file_remove() - if it is ours, or in any case (@force). Return: 0, also where there is none; -errno. */
int etc_file_remove(int dir, const char *name, bool force);
