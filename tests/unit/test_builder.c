/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of known content through the builder: which outputs come, in which order, with how many samples. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "ipc/batch.h"
#include "ipc/message.h"
#include "resolver/builder.h"
#include "resolver/frame_names.h"
#include "resolver/jit_names.h"
#include "resolver/object_cache.h"
#include "resolver/kernel_names.h"

#define MAX_BYTES (1u << 20)
#define MAX_OUTPUTS 16
#define TEXT_BYTES (1u << 20)

struct seen {
	uint32_t n;
	struct {
		uint32_t sequence, output;
		uint64_t samples;
		char name[64];
		char text[TEXT_BYTES]; /* of folded outputs */
	} outputs[MAX_OUTPUTS];
};

static int take_output(void *ctx, uint32_t sequence, uint32_t output, const char *name, uint64_t samples, int fd)
{
	struct seen *seen = ctx;
	ssize_t n;

	assert_true(seen->n < MAX_OUTPUTS);
	n = io_pread_full(fd, seen->outputs[seen->n].text, TEXT_BYTES - 1, 0);
	assert_true(n > 0);
	seen->outputs[seen->n].text[n] = 0;
	seen->outputs[seen->n].sequence = sequence;
	seen->outputs[seen->n].output = output;
	seen->outputs[seen->n].samples = samples;
	snprintf(seen->outputs[seen->n].name, sizeof(seen->outputs[0].name), "%s", name);
	seen->n++;
	return 0;
}

static void add_process(struct batch_writer *writer, uint32_t tgid, uint32_t generation, const char *comm)
{
	struct batch_process process = {
		.tgid = tgid, .generation = generation, .executable = 0, .first_mapping = 0, .mappings = 1};

	process.comm = batch_writer_string(writer, comm, strlen(comm));
	buf_append(&writer->processes, &process, sizeof(process));
}

static void add_stack(struct batch_writer *writer, const uint64_t *words, uint16_t n, uint8_t end, uint8_t is_kernel)
{
	const struct batch_stack stack = {.first_word = (uint32_t)(writer->words.len / sizeof(*words)),
					  .words = n,
					  .end = end,
					  .is_kernel = is_kernel};

	buf_append(&writer->words, words, n * sizeof(*words));
	buf_append(&writer->stacks, &stack, sizeof(stack));
}

static void add_sample(struct batch_writer *writer, uint32_t process, uint32_t user, uint32_t kernel, uint64_t count)
{
	const struct batch_sample sample = {.process = process,
					    .user_stack = user,
					    .kernel_stack = kernel,
					    .cpu = UINT16_MAX,
					    .count = count,
					    .weight = count * 10};

	buf_append(&writer->samples, &sample, sizeof(sample));
}

static void add_output(struct batch_writer *writer, enum output_format format, const char *name)
{
	struct batch_output output = {.output = format, .format = format};

	output.name = batch_writer_string(writer, name, strlen(name));
	buf_append(&writer->outputs, &output, sizeof(output));
}

/* Three processes: two executions of one pid, and one without samples. The object could not be opened. With others: a
 * 32-bit process, and more stacks that end early. */
static void make_batch(struct batch *batch, int with_error_frames, int with_others)
{
	const uint64_t user[] = {frame_from_object(FRAME_FILE, 1, 0x1010, 0),
				 frame_from_object(FRAME_FILE, 1, 0x1021, 1)};
	const uint64_t kernel[] = {0xffffffff81000010ULL, 0xffffffff81000031ULL};
	const struct batch_mapping mapping = {.start = 0x400000, .limit = 0x410000, .file_off = 0x1000};
	struct batch_object object = {.id = 1, .kind = OBJECT_FILE};
	struct batch_writer writer;
	const uint64_t unknown[] = {0}, called[] = {0, user[1]};
	int fd;

	batch_writer_init(&writer, MAX_BYTES);
	writer.info.period = 10;
	writer.info.with_error_frames = (uint32_t)with_error_frames;
	object.path = batch_writer_string(&writer, "/opt/bin/task", 13);
	buf_append(&writer.objects, &object, sizeof(object));
	buf_append(&writer.mappings, &mapping, sizeof(mapping));
	add_process(&writer, 10, 0, "task");
	add_process(&writer, 10, 1, "task");
	add_process(&writer, 11, 0, "idle one");
	add_process(&writer, 12, 0, "old one");
	add_stack(&writer, user, 2, UNWIND_END_ROOT, 0);
	add_stack(&writer, user, 1, UNWIND_END_NO_FRAME_POINTER, 0);
	add_stack(&writer, kernel, 2, UNWIND_END_ROOT, 1);
	add_stack(&writer, unknown, 1, UNWIND_END_COMPAT_TASK, 0);
	add_stack(&writer, called, 2, UNWIND_END_NOT_CODE, 0);
	add_sample(&writer, 0, 0, 2, 5);
	add_sample(&writer, 1, 1, BATCH_NONE, 3);
	add_sample(&writer, 0, BATCH_NONE, BATCH_NONE, 1);
	if (with_others) {
		add_sample(&writer, 3, 3, 2, 4);
		add_sample(&writer, 3, 3, BATCH_NONE, 2);
		add_sample(&writer, 0, 4, BATCH_NONE, 2);
		add_sample(&writer, 1, 1, 2, 1);
	}
	add_output(&writer, OUTPUT_PPROF_EACH, "");
	add_output(&writer, OUTPUT_PPROF_MERGED, "all.pb.gz");
	add_output(&writer, OUTPUT_FOLDED, "");
	assert_int_equal(batch_writer_finish(&writer, &fd), 0);
	batch_writer_release(&writer);
	assert_int_equal(batch_read(fd, batch), 0);
	close(fd);
}

static struct kernel_names *make_kernel_names(void)
{
	static const char text[] = "ffffffff81000000 T _stext\nffffffff81000000 T _text\n"
				   "ffffffff81000010 T leaf_in_kernel\nffffffff81000020 t caller_in_kernel\n"
				   "ffffffff81000100 T _etext\n";
	FILE *file = tmpfile();
	struct kernel_names *kernel;
	bool is_restricted;

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, sizeof(text) - 1, file), sizeof(text) - 1);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	assert_int_equal(kernel_names_new(&kernel), 0);
	assert_int_equal(kernel_names_read(kernel, fileno(file)), 0);
	assert_false(is_restricted);
	fclose(file);
	return kernel;
}

static struct object_cache *make_cache(void)
{
	const struct message_object object = {.object = 1, .kind = OBJECT_FILE, .err = -2};
	struct object_cache *cache;

	assert_int_equal(object_cache_new(100, &cache), 0);
	assert_int_equal(object_cache_add(cache, &object, "/opt/bin/task", -1), 0);
	return cache;
}

static void run_limited(int with_error_frames, int with_others, uint32_t skip, size_t max_bytes, struct seen *seen,
			struct summary *summary, struct builder_result *result)
{
	const struct builder_sink sink = {.output = take_output, .ctx = seen};
	struct object_cache *cache = make_cache();
	struct kernel_names *kernel = make_kernel_names();
	struct batch batch;

	make_batch(&batch, with_error_frames, with_others);
	memset(seen, 0, sizeof(*seen));
	assert_int_equal(builder_run(&batch, cache, NULL, kernel, skip, max_bytes, &sink, summary, result), 0);
	batch_release(&batch);
	kernel_names_free(kernel);
	object_cache_free(cache);
}

static void run_batch(int with_error_frames, int with_others, uint32_t skip, struct seen *seen, struct summary *summary,
		      struct builder_result *result)
{
	run_limited(with_error_frames, with_others, skip, 0, seen, summary, result);
}

static void run(int with_error_frames, uint32_t skip, struct seen *seen, struct summary *summary,
		struct builder_result *result)
{
	run_batch(with_error_frames, 0, skip, seen, summary, result);
}

static struct seen seen; /* large */
static struct summary summary;

static void each_process_with_samples_has_a_file_and_generations_are_numbered(void **state)
{
	struct builder_result result;

	(void)state;
	run(1, 0, &seen, &summary, &result);
	assert_int_equal(seen.n, 4);
	assert_int_equal(result.outputs, 4);
	assert_string_equal(seen.outputs[0].name, "task-10.pb.gz");
	assert_int_equal(seen.outputs[0].samples, 6);
	assert_string_equal(seen.outputs[1].name, "task-10-2.pb.gz");
	assert_int_equal(seen.outputs[1].samples, 3);
	assert_string_equal(seen.outputs[2].name, "all.pb.gz");
	assert_int_equal(seen.outputs[2].samples, 9);
	for (uint32_t i = 0; i < seen.n; i++)
		assert_int_equal(seen.outputs[i].sequence, i);
}

static void outputs_that_arrived_are_not_made_again(void **state)
{
	struct builder_result result;

	(void)state;
	run(1, 3, &seen, &summary, &result);
	assert_int_equal(seen.n, 1);
	assert_int_equal(result.outputs, 4);
	assert_int_equal(seen.outputs[0].sequence, 3);
	assert_int_equal(seen.outputs[0].output, OUTPUT_FOLDED);
}

static void folded_lines_have_kernel_frames_and_reasons(void **state)
{
	struct builder_result result;

	(void)state;
	run(1, 3, &seen, &summary, &result);
	assert_string_equal(
		seen.outputs[0].text,
		"task;[missing task+0x1020];[missing task+0x1010];caller_in_kernel_[k];leaf_in_kernel_[k] 5\n"
		"task;[truncated: no unwind information, no frame pointer];[missing task+0x1010] 3\n"
		"task;[unknown] 1\n");
	run(0, 3, &seen, &summary, &result);
	assert_null(strstr(seen.outputs[0].text, "truncated"));
}

/* Two processes with code at one address, and a map of it of the first alone. */
static void generated_code_has_the_names_of_its_process(void **state)
{
	const uint64_t base = 0x7f0000000000;
	const uint64_t first[] = {frame_from_object(FRAME_FILE, 5, 0x1010, 0),
				  frame_from_object(FRAME_FILE, 5, 0x1020, 1)};
	const uint64_t second[] = {frame_from_object(FRAME_FILE, 6, 0x1010, 0)};
	static const char map[] = "7f0000001000 20 hot\n";
	const struct message_object file = {.object = 9, .kind = OBJECT_PERF_MAP};
	const struct jit_names_options options = {.max_bytes = 1u << 20};
	const struct builder_sink sink = {.output = take_output, .ctx = &seen};
	int map_fd = memfd_create("map", MFD_CLOEXEC), fd;
	struct object_cache *cache = make_cache();
	struct builder_result result;
	struct batch_writer writer;
	struct jit_names *jit;
	struct batch batch;

	(void)state;
	assert_int_equal(io_write_full(map_fd, map, strlen(map)), 0);
	assert_int_equal(jit_names_new(&options, &jit), 0);
	assert_int_equal(jit_names_add(jit, &file, map_fd), 0);
	batch_writer_init(&writer, MAX_BYTES);
	for (uint32_t i = 0; i < 2; i++) {
		const struct batch_object object = {.id = 5 + i,
						    .kind = OBJECT_JIT,
						    .process = i,
						    .base = base,
						    .path = batch_writer_string(&writer, "[jit node]", 10)};
		const struct batch_process process = {.tgid = i, .executable = BATCH_NONE, .perf_map = i ? 0 : 9};

		buf_append(&writer.objects, &object, sizeof(object));
		buf_append(&writer.processes, &process, sizeof(process));
		add_sample(&writer, i, i, BATCH_NONE, 1 + i);
	}
	add_stack(&writer, first, 2, UNWIND_END_ROOT, 0);
	add_stack(&writer, second, 1, UNWIND_END_ROOT, 0);
	add_output(&writer, OUTPUT_FOLDED, "");
	assert_int_equal(batch_writer_finish(&writer, &fd), 0);
	batch_writer_release(&writer);
	assert_int_equal(batch_read(fd, &batch), 0);
	close(fd);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(builder_run(&batch, cache, jit, NULL, 0, 0, &sink, &summary, &result), 0);
	assert_string_equal(seen.outputs[0].text, "[unknown];[jit node+0x7f0000001010] 2\n[unknown];hot;hot 1\n");
	assert_int_equal(result.frames_named, 2);
	assert_int_equal(result.frames_unnamed, 2);
	assert_string_equal(summary.rows[0].module, "[jit node]");
	batch_release(&batch);
	jit_names_free(jit);
	object_cache_free(cache);
}

static void a_32_bit_process_has_one_frame_which_is_no_error_frame(void **state)
{
	static const char *const lines = "old one;[32-bit] 2\n"
					 "old one;[32-bit];caller_in_kernel_[k];leaf_in_kernel_[k] 4\n";
	struct builder_result result;

	(void)state;
	for (int with_error_frames = 0; with_error_frames < 2; with_error_frames++) {
		run_batch(with_error_frames, 1, 4, &seen, &summary, &result);
		assert_int_equal(seen.n, 1);
		assert_non_null(strstr(seen.outputs[0].text, lines));
		assert_null(strstr(seen.outputs[0].text, "32-bit process"));
	}
}

static void frames_are_counted_as_often_as_they_were_sampled(void **state)
{
	struct builder_result result;

	(void)state;
	run(1, 0, &seen, &summary, &result);
	assert_int_equal(result.samples, 9);
	assert_int_equal(result.frames_named, 10);   /* two kernel frames, five times */
	assert_int_equal(result.frames_unnamed, 13); /* two user frames five times, one three times */
}

static void the_summary_ranks_functions_and_programs(void **state)
{
	struct builder_result result;

	(void)state;
	run(1, 0, &seen, &summary, &result);
	assert_int_equal(summary.samples, 9);
	assert_int_equal(summary.truncated, 3);
	assert_true(summary.functions >= 2);
	assert_string_equal(summary.rows[0].name, "leaf_in_kernel");
	assert_int_equal(summary.rows[0].self, 5);
	assert_string_equal(summary.rows[0].module, "[kernel]");
	assert_string_equal(summary.rows[1].name, "[missing task+0x1010]");
	assert_int_equal(summary.rows[1].self, 3);
	assert_int_equal(summary.rows[1].total, 8);
	assert_int_equal(summary.processes, 1);
	assert_string_equal(summary.rows[summary.functions].name, "task");
	assert_int_equal(summary.rows[summary.functions].self, 9);
}

/* The unnamed file is in the user stack of all samples but one. */
static void the_summary_tells_where_and_why_frames_have_no_name(void **state)
{
	struct builder_result result;

	(void)state;
	run_batch(1, 1, 0, &seen, &summary, &result);
	assert_true(summary.n_unnamed >= 2);
	assert_string_equal(summary.unnamed[0].module, "task");
	assert_int_equal(summary.unnamed[0].why, UNNAMED_MISSING);
	assert_false(summary.unnamed[0].is_read);
	assert_int_equal(summary.unnamed[0].err, -ENOENT);
	for (uint32_t i = 0; i < summary.n_unnamed; i++) {
		assert_true(summary.unnamed[i].samples <= summary.samples);
		if (i)
			assert_true(summary.unnamed[i].samples <= summary.unnamed[i - 1].samples);
		if (summary.unnamed[i].why == UNNAMED_COMPAT)
			assert_int_equal(summary.unnamed[i].samples, 6);
	}
}

static void the_summary_tells_where_and_why_stacks_end(void **state)
{
	static const struct {
		uint64_t samples;
		uint32_t end;
		const char *module;
	} expected[] = {
		{6, UNWIND_END_COMPAT_TASK, "[unknown]"},
		{4, UNWIND_END_NO_FRAME_POINTER, "task"},
		{2, UNWIND_END_NOT_CODE, "task"}, /* its leaf is in no file */
	};
	const struct summary_row *program;
	struct builder_result result;

	(void)state;
	run_batch(1, 1, 0, &seen, &summary, &result);
	assert_int_equal(summary.n_ends, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(summary.ends[i].samples, expected[i].samples);
		assert_int_equal(summary.ends[i].end, expected[i].end);
		assert_string_equal(summary.ends[i].module, expected[i].module);
	}
	assert_int_equal(summary.truncated, 12);
	assert_int_equal(summary.processes, 2);
	program = &summary.rows[summary.functions];
	assert_string_equal(program[0].name, "task");
	assert_int_equal(program[0].self, 12);
	assert_int_equal(program[0].truncated, 6);
	assert_string_equal(program[1].name, "old one");
	assert_int_equal(program[1].self, 6);
	assert_int_equal(program[1].truncated, 6);
}

static void a_summary_is_checked_before_it_is_believed(void **state)
{
	static struct summary good, read;
	int fd;

	(void)state;
	for (int change = 0; change < 10; change++) {
		memset(&good, 0, sizeof(good));
		good.functions = good.processes = good.n_ends = good.n_unnamed = 1;
		good.ends[0].end = UNWIND_END_NOT_CODE;
		if (change == 1)
			good.functions = SUMMARY_MAX_ROWS + 1;
		else if (change == 2)
			good.n_ends = SUMMARY_MAX_ENDS + 1;
		else if (change == 3)
			good.ends[0].end = UNWIND_END_COUNT;
		else if (change == 4)
			memset(good.ends[0].module, 'm', sizeof(good.ends[0].module));
		else if (change == 5)
			good.n_unnamed = SUMMARY_MAX_UNNAMED + 1;
		else if (change == 6)
			good.unnamed[0].why = UNNAMED_COUNT;
		else if (change == 7)
			good.unnamed[0].found = 1u << SOURCE_KINDS;
		else if (change == 8)
			memset(good.unnamed[0].module, 'm', sizeof(good.unnamed[0].module));
		else if (change == 9)
			memset(good.unnamed[0].build_id, 'b', sizeof(good.unnamed[0].build_id));
		assert_int_equal(summary_write(&good, &fd), 0);
		assert_int_equal(summary_read(fd, &read), change ? -EBADMSG : 0);
		close(fd);
	}
}

/* Stacks of which none is like another, and frames likewise. */
static void make_large_batch(struct batch *batch, uint32_t n_stacks, uint32_t n_frames)
{
	const struct batch_mapping mapping = {.start = 0x400000, .limit = 0x410000, .file_off = 0};
	struct batch_object object = {.id = 1, .kind = OBJECT_FILE};
	struct batch_writer writer;
	int fd;

	batch_writer_init(&writer, MAX_BYTES);
	writer.info.with_error_frames = 1;
	object.path = batch_writer_string(&writer, "/opt/bin/task", 13);
	buf_append(&writer.objects, &object, sizeof(object));
	buf_append(&writer.mappings, &mapping, sizeof(mapping));
	add_process(&writer, 10, 0, "task");
	for (uint32_t s = 0; s < n_stacks; s++) {
		uint64_t words[16];

		for (uint32_t w = 0; w < 16; w++)
			words[w] = frame_from_object(FRAME_FILE, 1, (s * 16 + w) % n_frames * 16, 0);
		words[0] = frame_from_object(FRAME_FILE, 1, s % n_frames * 16, 0);
		add_stack(&writer, words, 16, UNWIND_END_ROOT, 0);
		add_sample(&writer, 0, s, BATCH_NONE, 2);
	}
	add_output(&writer, OUTPUT_PPROF_MERGED, "all.pb.gz");
	add_output(&writer, OUTPUT_FOLDED, "");
	assert_int_equal(batch_writer_finish(&writer, &fd), 0);
	batch_writer_release(&writer);
	assert_int_equal(batch_read(fd, batch), 0);
	close(fd);
}

static uint64_t folded_sum(const char *text)
{
	uint64_t sum = 0;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		const char *end = strchr(line, '\n');

		while (end[-1] != ' ')
			end--;
		sum += strtoull(end, NULL, 10);
	}
	return sum;
}

static void frames_that_are_too_many_are_one(void **state)
{
	struct object_cache *cache = make_cache();
	struct frame_names *names;
	struct batch batch;
	uint32_t over = 0;

	(void)state;
	make_large_batch(&batch, 100, 500);
	assert_int_equal(frame_names_new(&batch, cache, NULL, NULL, 100 << 8, &names), 0);
	assert_int_equal(frame_names_count(names), 101);
	for (uint32_t s = 0; s < batch.n_stacks; s++) {
		for (uint32_t w = 0; w < batch.stacks[s].words; w++) {
			const struct frame_name *frame =
				frame_names_get(names, frame_names_find(names, &batch.stacks[s], w));
			const char *name = frame_names_string(names, frame_names_line(names, frame->first_line)->name);

			over += frame->why == UNNAMED_OVER_BUDGET;
			assert_int_equal(frame->why == UNNAMED_OVER_BUDGET, !strcmp(name, "[over the memory budget]"));
		}
	}
	assert_true(over > 100 && over < batch.n_words - 100);
	frame_names_free(names);
	batch_release(&batch);
	object_cache_free(cache);
}

/* The profile is full long before its end: what comes then counts for the process alone. */
static void samples_that_are_too_many_for_a_profile_lose_their_stacks_only(void **state)
{
	const struct builder_sink sink = {.output = take_output, .ctx = &seen};
	struct object_cache *cache = make_cache();
	struct builder_result result;
	struct batch batch;

	(void)state;
	make_large_batch(&batch, 1000, 300);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(builder_run(&batch, cache, NULL, NULL, 0, 500 << 10, &sink, &summary, &result), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.outputs[1].samples, 2000);
	assert_int_equal(folded_sum(seen.outputs[1].text), 2000);
	assert_non_null(strstr(seen.outputs[1].text, "task;[truncated: over the memory budget] "));
	assert_non_null(strstr(seen.outputs[1].text, ";[missing task+0x1"));
	batch_release(&batch);
	object_cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_process_with_samples_has_a_file_and_generations_are_numbered),
		cmocka_unit_test(outputs_that_arrived_are_not_made_again),
		cmocka_unit_test(folded_lines_have_kernel_frames_and_reasons),
		cmocka_unit_test(a_32_bit_process_has_one_frame_which_is_no_error_frame),
		cmocka_unit_test(generated_code_has_the_names_of_its_process),
		cmocka_unit_test(frames_are_counted_as_often_as_they_were_sampled),
		cmocka_unit_test(the_summary_ranks_functions_and_programs),
		cmocka_unit_test(the_summary_tells_where_and_why_frames_have_no_name),
		cmocka_unit_test(the_summary_tells_where_and_why_stacks_end),
		cmocka_unit_test(a_summary_is_checked_before_it_is_believed),
		cmocka_unit_test(frames_that_are_too_many_are_one),
		cmocka_unit_test(samples_that_are_too_many_for_a_profile_lose_their_stacks_only),
	};

	return cmocka_run_group_tests_name("builder", tests, NULL, NULL);
}
