/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <unistd.h>

#include "base/clock.h"
#include "collector/jit_code.h"
#include "collector/mapping_set.h"
#include "wire/frame.h"

struct fixture {
	struct object_table *objects;
	struct jit_code *code;
	struct process process;
	unsigned wanted;
};

static void want_perf_map(void *ctx, struct object *perf_map)
{
	struct fixture *fixture = ctx;

	assert_int_equal(perf_map->state, OBJECT_WANTED);
	fixture->wanted++;
}

static int setup(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof(*fixture));

	fixture->process = (struct process){.tgid = 4711, .inner_tgid = 17, .is_alive = true};
	*state = fixture;
	return 0;
}

/* What may fail for want of memory is made within the test. */
static struct fixture *start(void **state)
{
	struct fixture *fixture = *state;
	struct jit_code_options options = {.want_perf_map = want_perf_map, .ctx = fixture};

	assert_int_equal(object_table_new(100, &fixture->objects), 0);
	options.objects = fixture->objects;
	assert_int_equal(jit_code_new(&options, &fixture->code), 0);
	return fixture;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	jit_code_free(fixture->code);
	object_table_free(fixture->objects);
	test_free(fixture);
	return 0;
}

static const struct object *object_of(const struct fixture *fixture, uint32_t id)
{
	const struct object *object = object_table_get(fixture->objects, id);

	assert_non_null(object);
	return object;
}

static struct object *perf_map_of(const struct fixture *fixture)
{
	struct object *perf_map = object_table_get(fixture->objects, fixture->process.perf_map);

	assert_non_null(perf_map);
	return perf_map;
}

static void each_part_of_the_address_space_is_an_object(void **state)
{
	struct fixture *fixture = start(state);
	struct process other = {.tgid = 4712};
	uint32_t first = jit_code_object(fixture->code, &fixture->process, 0x7f0000001000);
	uint32_t second = jit_code_object(fixture->code, &fixture->process, 0x1000);

	assert_int_not_equal(first, 0);
	assert_int_equal(jit_code_object(fixture->code, &fixture->process, 0x7fffffffffff), first);
	assert_int_not_equal(first, second);
	assert_int_equal(object_of(fixture, first)->base, 0x7f0000000000);
	assert_int_equal(object_of(fixture, second)->base, 0);
	assert_int_equal(jit_code_find(fixture->code, &fixture->process, 0x7f0012345678), first);
	assert_int_equal(jit_code_find(fixture->code, &other, 0x7f0012345678), 0);
	assert_int_not_equal(jit_code_object(fixture->code, &other, 0x7f0012345678), first);
	assert_ptr_equal(object_of(fixture, first)->process, &fixture->process);
	assert_int_equal(fixture->wanted, 0);
	jit_code_want(fixture->code, &fixture->process, 0);
	assert_int_equal(fixture->wanted, 1);
	assert_string_equal(perf_map_of(fixture)->path, "/tmp/perf-17.map");
}

static void a_map_that_is_not_there_is_looked_for_again_and_less_often(void **state)
{
	struct fixture *fixture = start(state);
	unsigned asked = 0;

	for (uint64_t second = 0; second < 64; second++) {
		jit_code_want(fixture->code, &fixture->process, second * NSEC_PER_SEC);
		if (fixture->wanted > asked)
			assert_true(second == 0 || second == 1 || second == 3 || second == 7 || second == 15 ||
				    second == 31 || second == 63);
		asked = fixture->wanted;
		perf_map_of(fixture)->state = OBJECT_FAILED;
	}
	assert_int_equal(fixture->wanted, 7);
	perf_map_of(fixture)->state = OBJECT_OPEN;
	jit_code_want(fixture->code, &fixture->process, 10000 * NSEC_PER_SEC);
	assert_int_equal(fixture->wanted, 7);
}

static void at_the_end_maps_are_looked_for_that_may_be_others(void **state)
{
	static const struct {
		enum object_state state;
		bool is_alive, is_open;
		unsigned wanted;
	} cases[] = {
		{OBJECT_OPEN, true, true, 1},	 {OBJECT_FAILED, true, false, 1}, {OBJECT_FAILED, false, false, 1},
		{OBJECT_WANTED, true, false, 0}, {OBJECT_OPEN, false, true, 0},
	};
	struct fixture *fixture = start(state);

	jit_code_want(fixture->code, &fixture->process, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fixture->wanted = 0;
		fixture->process.is_alive = cases[i].is_alive;
		perf_map_of(fixture)->state = cases[i].state;
		perf_map_of(fixture)->fd = cases[i].is_open ? dup(0) : -1;
		jit_code_look_again(fixture->code);
		assert_int_equal(fixture->wanted, cases[i].wanted);
		if (cases[i].is_open)
			close(perf_map_of(fixture)->fd);
		perf_map_of(fixture)->fd = -1;
	}
}

static void runtimes_are_known_by_their_programs(void **state)
{
	static const struct {
		const char *path, *runtime;
	} cases[] = {
		{"/usr/bin/node", "[jit node]"},
		{"/usr/local/bin/nodejs", "[jit node]"},
		{"/usr/lib/x86_64-linux-gnu/libnode.so.108", "[jit node]"},
		{"/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "[jit java]"},
		{"/usr/lib/jvm/java-17/lib/server/libjvm.so", "[jit java]"},
		{"/usr/bin/python3.12", "[jit python]"},
		{"/usr/share/dotnet/dotnet", "[jit dotnet]"},
		{"/usr/bin/php8.2", "[jit php]"},
		{"/usr/bin/qemu-x86_64-static", "[jit qemu]"},
		{"node", "[jit node]"},
		{"/usr/bin/nodemon", "[jit]"},
		{"/usr/bin/javac", "[jit]"},
		{"/srv/a", "[jit]"},
		{"", "[jit]"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(jit_runtime_name(cases[i].path), cases[i].runtime);
}

/* A program of any name that has loaded the library of a runtime. */
static void a_library_tells_the_runtime_too(void **state)
{
	struct fixture *fixture = start(state);
	struct mapping_budget budget = {.limit_bytes = 1u << 20};
	struct mapping mapping = {.start = 0x1000, .limit = 0x2000};
	uint32_t id;

	fixture->process.executable = object_table_add(fixture->objects, &(struct object_identity){.path = "/srv/a"});
	mapping.object = object_table_add(fixture->objects, &(struct object_identity){.path = "/lib/libcoreclr.so"});
	assert_int_equal(mapping_set_new(&budget, &fixture->process.mappings), 0);
	assert_int_equal(mapping_set_insert(&fixture->process.mappings, &mapping), 0);
	id = jit_code_object(fixture->code, &fixture->process, 0x1000);
	assert_string_equal(object_of(fixture, id)->path, "[jit dotnet]");
	mapping_set_unref(fixture->process.mappings);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_part_of_the_address_space_is_an_object),
		TEST(a_map_that_is_not_there_is_looked_for_again_and_less_often),
		TEST(at_the_end_maps_are_looked_for_that_may_be_others),
		cmocka_unit_test(runtimes_are_known_by_their_programs),
		TEST(a_library_tells_the_runtime_too),
	};

	return cmocka_run_group_tests_name("jit_code", tests, NULL, NULL);
}
