/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay - a main() for fuzz targets in ordinary builds: runs every file of the corpus once.
 *
 * Usage: fuzz_x CORPUS_DIR|FILE...   Fails where a directory holds no input: an empty corpus tests nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	struct stat st;
	size_t size;

	if (!f || fstat(fileno(f), &st) < 0 || (size_t)st.st_size > INPUT_MAX) {
		fprintf(stderr, "%s: %s\n", path, f ? "not a usable input" : strerror(errno));
		exit(1);
	}
	size = (size_t)st.st_size;
	/* Exactly as long as the input, so that ASan sees a read behind it. */
	data = malloc(size ? size : 1);
	if (!data || fread(data, 1, size, f) != size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

static int run_dir(const char *dir)
{
	struct dirent **names;
	int done = 0, n = scandir(dir, &names, NULL, alphasort);

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", dir, strerror(errno));
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
			done += run_file(path);
		}
		free(names[i]);
	}
	free(names);
	return done;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;
		int done;

		if (stat(argv[i], &st) < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		done = S_ISDIR(st.st_mode) ? run_dir(argv[i]) : run_file(argv[i]);
		printf("%s: %d inputs\n", argv[i], done);
		if (done == 0)
			return 1;
	}
	return argc > 1 ? 0 : 1;
}
