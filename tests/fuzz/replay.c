/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds the files of corpus directories to a fuzz target, without libFuzzer: what a fuzzer once found stays mended.
 * Each input must end within INPUT_SECONDS; one that crashes is the last one named on stderr. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "../unit/guard.h"

#define MAX_INPUT_BYTES (64u << 20)
#define INPUT_SECONDS 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static void run(const uint8_t *data, size_t size)
{
#ifdef HOSTPROF_SANITIZED
	/* On the heap and of the exact size, so that the sanitizer guards both ends. */
	auto_free uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
#else
	struct guarded copy = guarded_copy(data, size);

	LLVMFuzzerTestOneInput(copy.bytes, size);
	guarded_release(&copy);
#endif
}

static int replay_file(int dir_fd, const char *dir, const char *name)
{
	auto_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	struct buf buf;
	int err;

	fprintf(stderr, "replay %s/%s\n", dir, name);
	if (fd < 0)
		return -errno;
	buf_init(&buf, MAX_INPUT_BYTES);
	err = io_read_all(fd, &buf);
	if (!err) {
		alarm(INPUT_SECONDS);
		run(buf.data, buf.len);
		alarm(0);
	}
	buf_release(&buf);
	return err;
}

/* The number of files, or -errno. */
static int replay_directory(const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort), files = 0, err = 0;
	auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.' && !err) {
			err = replay_file(dir_fd, dir, names[i]->d_name);
			files++;
		}
		free(names[i]);
	}
	free(names);
	return err ? err : files;
}

/* fuzz_maps_line is replay_maps_line here; its corpus is the argument or tests/fuzz/corpus/maps_line. */
int main(int argc, char **argv)
{
	const char *program = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	const char *target = !strncmp(program, "replay_", 7) ? program + 7 : program;
	char standard[256];
	char *directories[] = {standard};
	int n = argc > 1 ? argc - 1 : 1, inputs = 0;
	char **directory = argc > 1 ? argv + 1 : directories;

	snprintf(standard, sizeof(standard), "tests/fuzz/corpus/%s", target);
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	run((const uint8_t *)"", 0);
	for (int i = 0; i < n; i++) {
		int files = replay_directory(directory[i]);

		if (files < 0)
			fprintf(stderr, "%s: %s\n", directory[i], err_name(files));
		if (files <= 0) {
			printf("not ok fuzz_%s: no inputs in %s\n", target, directory[i]);
			return 1;
		}
		inputs += files;
	}
	printf("ok fuzz_%s: %d inputs\n", target, inputs);
	return 0;
}
