/* SPDX-License-Identifier: Apache-2.0 */
/* Replays records as the kernel writes them through queue, parser, merge and registry, as fast as it goes:
 *
 *     registry_replay                "name target measured ok|MISS", one a line; exit status 1 on a MISS
 *     registry_replay --corpus DIR   writes seeds for the fuzz target `sideband`
 *
 * Storm: a build of many small programs: fork, namespaces, exec, eight mappings with build ids, exit. Large: one
 * process with 100,000 mappings in scattered order, then found again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/counters.h"
#include "collector/registry.h"
#include "collector/sideband.h"

#include "../unit/sideband_records.h"

#define RECORDS_PER_S_TARGET 1000000.0
#define STORM_PROCESSES 100000
#define LARGE_MAPPINGS 100000
#define MAX_PROCESSES 16384
#define SHELL 50
#define CPUS 4

static struct object_table *objects;
static struct registry *registry;
static struct sideband *sideband;
static uint64_t applied;

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "registry_replay: %s\n", what);
	exit(1);
}

static void world_new(void)
{
	struct registry_options options = {.max_processes = MAX_PROCESSES};

	require(!object_table_new(1 << 20, &objects), "no object table");
	options.objects = objects;
	require(!registry_new(&options, &registry) && !sideband_new_detached(CPUS, &sideband), "no registry");
	applied = 0;
}

static void world_free(void)
{
	sideband_free(sideband);
	registry_free(registry);
	object_table_free(objects);
}

/* One program from fork to exit, on one CPU, as seen of `cc1` and its like. */
static void records_life(struct records *records, uint32_t tgid)
{
	static const char *const libraries[] = {
		"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
		"/usr/lib/x86_64-linux-gnu/libc.so.6",
		"/usr/lib/x86_64-linux-gnu/libm.so.6",
		"/usr/lib/x86_64-linux-gnu/libz.so.1.2.13",
		"/usr/lib/x86_64-linux-gnu/libzstd.so.1.5.4",
		"/usr/lib/x86_64-linux-gnu/libgmp.so.10.4.1",
	};

	records_fork(records, tgid, SHELL);
	records_namespaces(records, tgid, tgid, 4026531841u, 4026531836u);
	records->mono_ns += 50000;
	records_exec(records, tgid, "cc1");
	records_mmap_build_id(records, tgid, 0x555555554000, 0x1800000, 0x200000, (uint8_t)(tgid % 7), 20,
			      "/usr/libexec/gcc/x86_64-linux-gnu/12/cc1");
	records_mmap(records, tgid, 0x7ffff7fc1000, 0x2000, 0, 0, "[vdso]");
	for (uint32_t i = 0; i < 6; i++) {
		records->mono_ns += 20000;
		records_mmap_build_id(records, tgid, 0x7ffff7000000 + i * 0x200000ull + (tgid & 0xff) * 0x1000ull,
				      0x155000, 0x26000, (uint8_t)(10 + i), 20, libraries[i]);
	}
	records->mono_ns += 100000;
	records_exit(records, tgid, tgid);
}

static void apply_until(uint64_t until_ns)
{
	struct sideband_record record;

	while (sideband_next(sideband, until_ns, &record)) {
		registry_apply(registry, &record);
		applied++;
	}
}

static bool report(const char *name, double target, double measured, bool is_ok)
{
	printf("%s %.0f %.0f %s\n", name, target, measured, is_ok ? "ok" : "MISS");
	return is_ok;
}

/* The time of building records is not measured. */
static bool replay_storm(struct records *cpus)
{
	uint64_t mono_ns = 1000000000, built = 0;
	double spent = 0, rate;
	uint32_t tgid = 1000;

	world_new();
	records_exec(&cpus[0], SHELL, "make");
	while (tgid < 1000 + STORM_PROCESSES) {
		double start;

		for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
			cpus[cpu].mono_ns = mono_ns;
			while (cpus[cpu].len < 128 << 10) {
				cpus[cpu].mono_ns += 700 + cpu;
				records_life(&cpus[cpu], tgid++);
			}
			if (cpus[cpu].mono_ns > mono_ns)
				mono_ns = cpus[cpu].mono_ns;
			built += cpus[cpu].n;
		}
		start = seconds();
		for (uint32_t cpu = 0; cpu < CPUS; cpu++)
			sideband_feed(sideband, cpu, cpus[cpu].bytes, cpus[cpu].len);
		apply_until(UINT64_MAX);
		spent += seconds() - start;
		for (uint32_t cpu = 0; cpu < CPUS; cpu++)
			cpus[cpu].len = cpus[cpu].n = 0;
	}
	require(applied == built, "records were lost");
	require(registry_find(registry, tgid - 1) && !registry_find(registry, tgid - 1)->is_alive,
		"a process is missing");
	rate = (double)applied / spent;
	fprintf(stderr, "storm: %llu records, %u processes, registry %zu KiB\n", (unsigned long long)applied,
		tgid - 1000, registry_memory_bytes(registry) >> 10);
	world_free();
	return report("registry_records_per_s", RECORDS_PER_S_TARGET, rate, rate >= RECORDS_PER_S_TARGET);
}

static bool replay_large(struct records *cpu)
{
	double spent = 0, rate;
	size_t n, found = 0;

	world_new();
	records_exec(cpu, 77, "large");
	for (uint64_t i = 0; i < LARGE_MAPPINGS; i++) {
		uint64_t place = i * 7919 % LARGE_MAPPINGS;

		records_mmap(cpu, 77, 0x10000 + place * 0x3000, 0x2000, place * 0x1000, 1 + place % 100, "/opt/jit.so");
		cpu->mono_ns += 1000;
		if (cpu->len > RECORDS_MAX / 2 || i + 1 == LARGE_MAPPINGS) {
			double start = seconds();

			sideband_feed(sideband, 0, cpu->bytes, cpu->len);
			apply_until(UINT64_MAX);
			spent += seconds() - start;
			cpu->len = cpu->n = 0;
		}
	}
	process_mappings(registry_find(registry, 77), &n);
	for (uint64_t i = 0; i < LARGE_MAPPINGS; i++) {
		const struct mapping *mapping = process_find_mapping(registry_find(registry, 77), 0x10000 + i * 0x3000);

		found += mapping && mapping->file_off == i * 0x1000;
	}
	require(!counters[COUNTER_registry_mappings_dropped], "mappings were dropped");
	fprintf(stderr, "large: registry %zu KiB\n", registry_memory_bytes(registry) >> 10);
	world_free();
	rate = LARGE_MAPPINGS / spent;
	return report("registry_mappings_of_one_process", LARGE_MAPPINGS, (double)found,
		      n == LARGE_MAPPINGS && found == LARGE_MAPPINGS) &
	       report("registry_mappings_of_one_process_per_s", RECORDS_PER_S_TARGET, rate,
		      rate >= RECORDS_PER_S_TARGET);
}

/* --- seeds for fuzzing ----------------------------------------------------------------------------------------- */

static void write_seed(const char *dir, const char *name, struct records *records, uint8_t piece)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	require(file && fputc(piece, file) != EOF && fwrite(records->bytes, 1, records->len, file) == records->len &&
			!fclose(file),
		"cannot write a seed");
	records->len = 0;
	records->mono_ns = 1000000000;
}

static void write_corpus(const char *dir, struct records *records)
{
	records_life(records, 60);
	records_life(records, 61);
	write_seed(dir, "life", records, 255);
	for (uint32_t i = 0; i < 12; i++) {
		records_mmap(records, 60, 0x10000 + i % 5 * 0x1000ull, 0x3000, i * 0x1000ull, i,
			     i % 2 ? "/a (deleted)" : "");
		records->mono_ns += 1000;
	}
	write_seed(dir, "mappings", records, 1);
	for (uint32_t i = 0; i < 6; i++) {
		records_fork(records, 60 + i % 3, 59 + i % 3);
		records_namespaces(records, 60 + i % 3, 60 + i % 3, i % 4, 1);
		records_exec(records, 60 + i % 3, "again");
		records_thread(records, 60 + i % 3, 70 + i);
		records_exit(records, 60 + i % 2, 60 + i % 2);
		records->mono_ns += 400000000;
	}
	write_seed(dir, "generations", records, 255);
	records_cgroup(records, 1, "/system.slice");
	records_cgroup(records, 2, "/");
	records_ksymbol(records, 0xffffffffc0001000, 77, false, "bpf_prog_0123456789abcdef_main");
	records_lost(records, 3);
	records_comm(records, 60, "sixteen bytes..");
	write_seed(dir, "others", records, 255);
}

int main(int argc, char **argv)
{
	struct records cpus[CPUS];
	bool is_ok;

	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		cpus[cpu] = (struct records){.bytes = malloc(RECORDS_MAX), .mono_ns = 1000000000, .cpu = cpu};
		require(cpus[cpu].bytes, "no memory");
	}
	if (argc == 3 && !strcmp(argv[1], "--corpus")) {
		write_corpus(argv[2], &cpus[0]);
		return 0;
	}
	is_ok = replay_storm(cpus);
	cpus[0].len = cpus[0].n = 0;
	is_ok &= replay_large(&cpus[0]);
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		free(cpus[cpu].bytes);
	return is_ok ? 0 : 1;
}
