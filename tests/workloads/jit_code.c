// SPDX-License-Identifier: Apache-2.0
/* A runtime in small: makes three functions with frame pointers, of which the first calls the second and that the
 * third, tells what they are called, and runs them.
 *
 *     jit_code map SECONDS           in /tmp/perf-PID.map, which is deleted at the end
 *     jit_code dump SECONDS FOLDER   in FOLDER/jit-PID.dump, with a line of the innermost, deleted at the end
 *     jit_code none SECONDS          nowhere
 *
 * With JIT_CODE_REST_US in its environment it rests so long behind each call, of about a third of a millisecond. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SLOT 64
#define PAGE 65536

static const char *const names[] = {"jit outer [a b]", "jit middle", "jit leaf"};

static void put(uint8_t **to, const void *bytes, size_t n)
{
	memcpy(*to, bytes, n);
	*to += n;
}

/* A loop of as many rounds as its argument says. */
static void make_leaf(uint8_t *to)
{
#ifdef __aarch64__
	static const uint32_t code[] = {0xa9bf7bfd, 0x910003fd, 0x71000400, 0x54ffffe1, 0xa8c17bfd, 0xd65f03c0};
#else
	static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0x89, 0xf9, 0xff, 0xc9, 0x75, 0xfc, 0x5d, 0xc3};
#endif
	memcpy(to, code, sizeof(code));
}

static void make_caller(uint8_t *to, const uint8_t *callee)
{
	uint64_t address = (uintptr_t)callee;
#ifdef __aarch64__
	/* the address is a literal behind the code */
	static const uint32_t code[] = {0xa9bf7bfd, 0x910003fd, 0x58000089, 0xd63f0120, 0xa8c17bfd, 0xd65f03c0};

	put(&to, code, sizeof(code));
	put(&to, &address, sizeof(address));
#else
	put(&to, "\x55\x48\x89\xe5\x48\xb8", 6);
	put(&to, &address, sizeof(address));
	put(&to, "\xff\xd0\x5d\xc3", 4);
#endif
}

static void write_all(int fd, const void *bytes, size_t n)
{
	if (write(fd, bytes, n) != (ssize_t)n)
		exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void record(int fd, uint32_t type, const void *fixed, size_t n, const char *text, size_t code)
{
	static const uint8_t zeros[SLOT];
	const uint32_t head[] = {type, (uint32_t)(16 + n + strlen(text) + 1 + code)};
	uint64_t time = now_ns();

	write_all(fd, head, sizeof(head));
	write_all(fd, &time, sizeof(time));
	write_all(fd, fixed, n);
	write_all(fd, text, strlen(text) + 1);
	write_all(fd, zeros, code);
}

static void write_dump(int fd, const uint8_t *code)
{
	const uint32_t header[10] = {0x4A695444, 1, 40, 62, 0, (uint32_t)getpid()};
	uint64_t leaf = (uintptr_t)code + 2 * SLOT;
	const struct {
		uint64_t code, n, address;
		uint32_t line, column;
	} lines = {leaf, 1, leaf, 4711, 0};

	write_all(fd, header, sizeof(header));
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		exit(1);
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t start = (uintptr_t)code + i * SLOT;
		const uint64_t load[] = {0, start, start, SLOT, i};

		if (start == leaf)
			record(fd, 2, &lines, sizeof(lines), "/srv/leaf.jit", 0);
		record(fd, 0, load, sizeof(load), "jit before", SLOT);
		record(fd, 0, load, sizeof(load), names[i], SLOT);
		if (start == leaf) {
			record(fd, 2, &lines, sizeof(lines), "/srv/leaf.jit", 0);
			record(fd, 0, load, sizeof(load), names[i], SLOT);
		}
	}
}

static void write_map(int fd, const uint8_t *code)
{
	dprintf(fd, "%lx %x jit before\n", (unsigned long)(uintptr_t)code, 3 * SLOT);
	for (int i = 0; i < 3; i++)
		dprintf(fd, "%s%lx %x %s\n", i & 1 ? "0x" : "", (unsigned long)((uintptr_t)code + (size_t)i * SLOT),
			SLOT, names[i]);
}

int main(int argc, char **argv)
{
	uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[4096] = "";
	int fd = -1;
	const char *rest = getenv("JIT_CODE_REST_US");
	useconds_t rest_us = rest ? (useconds_t)atoi(rest) : 0;
	uint64_t until_ns;

	if (argc < 3 || code == MAP_FAILED)
		return 2;
	make_caller(code, code + SLOT);
	make_caller(code + SLOT, code + 2 * SLOT);
	make_leaf(code + 2 * SLOT);
	__builtin___clear_cache((char *)code, (char *)code + PAGE);
	if (mprotect(code, PAGE, PROT_READ | PROT_EXEC))
		return 1;
	if (!strcmp(argv[1], "map"))
		snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	else if (!strcmp(argv[1], "dump") && argc > 3)
		snprintf(path, sizeof(path), "%s/jit-%d.dump", argv[3], getpid());
	if (path[0]) {
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0)
			return 1;
		if (argv[1][0] == 'm')
			write_map(fd, code);
		else
			write_dump(fd, code);
	}
	until_ns = now_ns() + (uint64_t)(atof(argv[2]) * 1e9);
	while (now_ns() < until_ns) {
		((void (*)(uint32_t))(uintptr_t)code)(1000000);
		if (rest_us)
			usleep(rest_us);
	}
	if (path[0])
		unlink(path);
	return 0;
}
