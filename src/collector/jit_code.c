/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/jit_code.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "wire/frame.h"

#define FIRST_WAIT_NS NSEC_PER_SEC
#define MAX_WAIT_NS (32 * NSEC_PER_SEC)
#define UNKNOWN_RUNTIME "[jit]"

struct part_key {
	const struct process *process;
	uint64_t part; /* address >> FRAME_OBJECT_SHIFT */
};

struct jit_code {
	struct jit_code_options options;
	struct map by_part; /* struct part_key -> uint32_t */
};

int jit_code_new(const struct jit_code_options *options, struct jit_code **ret)
{
	struct jit_code *code = calloc(1, sizeof(*code));

	if (!code)
		return -ENOMEM;
	code->options = *options;
	map_init(&code->by_part, sizeof(struct part_key), sizeof(uint32_t), FRAME_OBJECT_MAX);
	*ret = code;
	return 0;
}

void jit_code_free(struct jit_code *code)
{
	if (!code)
		return;
	map_release(&code->by_part);
	free(code);
}

/* --- runtimes ----------------------------------------------------------------------------------------------------- */

/* What a name begins with, and what the runtime is called. A name goes on with a version at most. */
static const struct runtime {
	const char *name, *shown;
} runtimes[] = {
	{"node", "[jit node]"},
	{"nodejs", "[jit node]"},
	{"libnode.so", "[jit node]"},
	{"java", "[jit java]"},
	{"libjvm.so", "[jit java]"},
	{"python", "[jit python]"},
	{"pypy", "[jit pypy]"},
	{"dotnet", "[jit dotnet]"},
	{"libcoreclr.so", "[jit dotnet]"},
	{"mono", "[jit mono]"},
	{"mono-sgen", "[jit mono]"},
	{"libmonosgen-2.0.so", "[jit mono]"},
	{"ruby", "[jit ruby]"},
	{"luajit", "[jit luajit]"},
	{"libluajit-5.1.so", "[jit luajit]"},
	{"php", "[jit php]"},
	{"php-fpm", "[jit php]"},
	{"beam.smp", "[jit erlang]"},
	{"deno", "[jit deno]"},
	{"bun", "[jit bun]"},
	{"julia", "[jit julia]"},
	{"chrome", "[jit chrome]"},
	{"chromium", "[jit chrome]"},
	{"firefox", "[jit firefox]"},
	{"firefox-esr", "[jit firefox]"},
	{"postgres", "[jit postgres]"},
	{"wasmtime", "[jit wasmtime]"},
	{"qemu-", "[jit qemu]"},
};

static bool is_runtime(const char *name, const struct runtime *runtime)
{
	size_t len = strlen(runtime->name);

	if (strncmp(name, runtime->name, len) != 0)
		return false;
	if (runtime->name[len - 1] == '-')
		return true;
	return !name[len + strspn(name + len, "0123456789.-")];
}

const char *jit_runtime_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
		if (is_runtime(name, &runtimes[i]))
			return runtimes[i].shown;
	return UNKNOWN_RUNTIME;
}

static const char *runtime_of_object(const struct jit_code *code, uint32_t id)
{
	const struct object *object = object_table_get(code->options.objects, id);

	return object && object->kind == OBJECT_FILE ? jit_runtime_name(object->path) : UNKNOWN_RUNTIME;
}

/* By its executable, else by what it has loaded: a program of another name may run the libraries of a runtime. */
static const char *runtime_of(const struct jit_code *code, const struct process *process)
{
	const char *runtime = runtime_of_object(code, process->executable);
	const struct mapping *mappings;
	size_t n;

	mappings = process_mappings(process, &n);
	for (size_t i = 0; i < n && !strcmp(runtime, UNKNOWN_RUNTIME); i++)
		runtime = runtime_of_object(code, mappings[i].object);
	return runtime;
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

bool jit_code_is(const struct object *mapped)
{
	return mapped->kind == OBJECT_ANONYMOUS && strcmp(mapped->path, "[vsyscall]") != 0 &&
	       strcmp(mapped->path, "[uprobes]") != 0;
}

/* Where runtimes put it for perf: tools/perf/Documentation/jit-interface.txt. */
static void add_perf_map(struct jit_code *code, struct process *process)
{
	uint32_t inner_tgid = process->inner_tgid ? process->inner_tgid : process->tgid;
	char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%u.map", inner_tgid);
	process->perf_map = object_table_add_own(code->options.objects, OBJECT_PERF_MAP, path, process, 0);
	process->perf_map_wait_ns = FIRST_WAIT_NS;
}

static void want(struct jit_code *code, struct object *perf_map)
{
	perf_map->state = OBJECT_WANTED;
	code->options.want_perf_map(code->options.ctx, perf_map);
}

void jit_code_want(struct jit_code *code, struct process *process, uint64_t now_ns)
{
	struct object *perf_map;

	if (!process->perf_map)
		add_perf_map(code, process);
	perf_map = object_table_get(code->options.objects, process->perf_map);
	if (!perf_map || perf_map->state == OBJECT_OPEN || perf_map->state == OBJECT_WANTED ||
	    now_ns < process->perf_map_due_ns)
		return;
	process->perf_map_due_ns = now_ns + process->perf_map_wait_ns;
	if (process->perf_map_wait_ns < MAX_WAIT_NS)
		process->perf_map_wait_ns *= 2;
	want(code, perf_map);
}

uint32_t jit_code_find(const struct jit_code *code, const struct process *process, uint64_t ip)
{
	const struct part_key key = {.process = process, .part = ip >> FRAME_OBJECT_SHIFT};
	const uint32_t *known = map_find(&code->by_part, &key);

	return known ? *known : 0;
}

uint32_t jit_code_object(struct jit_code *code, struct process *process, uint64_t ip)
{
	const struct part_key key = {.process = process, .part = ip >> FRAME_OBJECT_SHIFT};
	uint32_t *slot;

	if (map_insert(&code->by_part, &key, (void **)&slot, NULL))
		return 0;
	if (!*slot)
		*slot = object_table_add_own(code->options.objects, OBJECT_JIT, runtime_of(code, process), process,
					     key.part << FRAME_OBJECT_SHIFT);
	return *slot;
}

/* What a process that ended has written is what we have of it. */
void jit_code_look_again(struct jit_code *code)
{
	uint32_t n = object_table_count(code->options.objects);

	for (uint32_t id = 1; id <= n; id++) {
		struct object *object = object_table_get(code->options.objects, id);

		if (object->kind == OBJECT_PERF_MAP && object->state != OBJECT_WANTED &&
		    (object->process->is_alive || object->fd < 0))
			want(code, object);
	}
}

size_t jit_code_memory_bytes(const struct jit_code *code)
{
	return sizeof(*code) + map_memory_bytes(&code->by_part);
}
