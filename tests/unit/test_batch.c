/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "ipc/batch.h"
#include "ipc/message.h"

#define MAX_BYTES (1u << 20)

/* One process with one file, one user stack and one sample. */
static void write_small(struct batch_writer *writer)
{
	const uint64_t words[] = {frame_from_object(FRAME_FILE, 7, 0x1234, 0)};
	struct batch_object object = {.id = 7, .kind = OBJECT_FILE};
	struct batch_mapping mapping = {.start = 0x1000, .limit = 0x2000};
	struct batch_process process = {.tgid = 42, .mappings = 1};
	const struct batch_stack stack = {.words = 1, .end = UNWIND_END_ROOT};
	const struct batch_sample sample = {.kernel_stack = BATCH_NONE, .count = 3, .weight = 30};
	struct batch_output output = {.format = OUTPUT_FOLDED};

	batch_writer_init(writer, MAX_BYTES);
	object.path = batch_writer_string(writer, "/bin/true", 9);
	process.comm = batch_writer_string(writer, "true", 4);
	buf_append(&writer->objects, &object, sizeof(object));
	buf_append(&writer->mappings, &mapping, sizeof(mapping));
	buf_append(&writer->processes, &process, sizeof(process));
	buf_append(&writer->stacks, &stack, sizeof(stack));
	buf_append(&writer->words, words, sizeof(words));
	buf_append(&writer->samples, &sample, sizeof(sample));
	buf_append(&writer->outputs, &output, sizeof(output));
	writer->info.period = 10;
}

/* -1 when it could not be written. */
static int finish_and_read(struct batch_writer *writer, struct batch *batch)
{
	int fd, err = batch_writer_finish(writer, &fd);

	batch_writer_release(writer);
	assert_int_equal(err, 0);
	err = batch_read(fd, batch);
	close(fd);
	return err;
}

static void what_is_written_is_read(void **state)
{
	struct batch_writer writer;
	struct batch batch;

	(void)state;
	write_small(&writer);
	assert_int_equal(finish_and_read(&writer, &batch), 0);
	assert_int_equal(batch.n_processes, 1);
	assert_int_equal(batch.n_words, 1);
	assert_int_equal(batch.info.period, 10);
	assert_int_equal(batch.samples[0].count, 3);
	assert_string_equal(batch_string(&batch, batch.objects[0].path), "/bin/true");
	assert_string_equal(batch_string(&batch, batch.processes[0].comm), "true");
	batch_release(&batch);
}

static void an_empty_batch_is_read(void **state)
{
	struct batch_writer writer;
	struct batch batch;

	(void)state;
	batch_writer_init(&writer, MAX_BYTES);
	assert_int_equal(finish_and_read(&writer, &batch), 0);
	assert_int_equal(batch.n_samples, 0);
	batch_release(&batch);
}

/* Each of these spoils one reference. */
static void spoil_sample_process(struct batch_writer *writer)
{
	((struct batch_sample *)writer->samples.data)->process = 1;
}

static void spoil_sample_stack(struct batch_writer *writer)
{
	((struct batch_sample *)writer->samples.data)->user_stack = 1;
}

static void spoil_stack_range(struct batch_writer *writer)
{
	((struct batch_stack *)writer->stacks.data)->words = 2;
}

static void spoil_stack_end(struct batch_writer *writer)
{
	((struct batch_stack *)writer->stacks.data)->end = UNWIND_END_COUNT;
}

static void spoil_mapping_object(struct batch_writer *writer)
{
	((struct batch_mapping *)writer->mappings.data)->object = 1;
}

static void spoil_mapping_range(struct batch_writer *writer)
{
	((struct batch_mapping *)writer->mappings.data)->limit = 0x1000;
}

static void spoil_process_mappings(struct batch_writer *writer)
{
	((struct batch_process *)writer->processes.data)->first_mapping = UINT32_MAX;
}

static void spoil_process_executable(struct batch_writer *writer)
{
	((struct batch_process *)writer->processes.data)->executable = 1;
}

static void spoil_string(struct batch_writer *writer)
{
	((struct batch_object *)writer->objects.data)->path = 100000;
}

static void spoil_object_id(struct batch_writer *writer)
{
	((struct batch_object *)writer->objects.data)->id = 0;
}

static void spoil_format(struct batch_writer *writer)
{
	((struct batch_output *)writer->outputs.data)->format = OUTPUT_FORMAT_COUNT;
}

static void spoil_last_string(struct batch_writer *writer)
{
	writer->strings.data[writer->strings.len - 1] = 'x';
}

static void a_reference_out_of_place_is_refused(void **state)
{
	static void (*const spoil[])(struct batch_writer *) = {
		spoil_sample_process, spoil_sample_stack,  spoil_stack_range,	   spoil_stack_end,
		spoil_mapping_object, spoil_mapping_range, spoil_process_mappings, spoil_process_executable,
		spoil_string,	      spoil_object_id,	   spoil_format,	   spoil_last_string,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
		struct batch_writer writer;
		struct batch batch;

		write_small(&writer);
		spoil[i](&writer);
		assert_int_equal(finish_and_read(&writer, &batch), -EBADMSG);
	}
}

static void a_cut_batch_is_refused_at_every_length(void **state)
{
	struct batch_writer writer;
	struct memfd_map map;
	struct batch batch;
	uint8_t *copy;
	int fd;

	(void)state;
	write_small(&writer);
	assert_int_equal(batch_writer_finish(&writer, &fd), 0);
	batch_writer_release(&writer);
	assert_int_equal(memfd_map(fd, MAX_BYTES, &map), 0);
	close(fd);
	for (size_t len = 0; len < map.len; len++) {
		copy = malloc(len + 1); /* sanitizers watch its end */
		memcpy(copy, map.bytes, len);
		assert_int_equal(batch_read_bytes(copy, len, &batch), -EBADMSG);
		free(copy);
	}
	memfd_unmap(&map);
}

static void an_unsealed_memfd_is_refused(void **state)
{
	FILE *file = tmpfile();
	struct batch batch;

	(void)state;
	assert_non_null(file);
	assert_true(batch_read(fileno(file), &batch) < 0);
	fclose(file);
}

static void a_writer_that_overflowed_does_not_finish(void **state)
{
	struct batch_writer writer;
	int fd = -1;

	(void)state;
	batch_writer_init(&writer, 16);
	batch_writer_string(&writer, "a string longer than the maximum", 32);
	assert_int_equal(batch_writer_finish(&writer, &fd), -E2BIG);
	assert_int_equal(fd, -1);
	batch_writer_release(&writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(an_empty_batch_is_read),
		cmocka_unit_test(a_reference_out_of_place_is_refused),
		cmocka_unit_test(a_cut_batch_is_refused_at_every_length),
		cmocka_unit_test(an_unsealed_memfd_is_refused),
		cmocka_unit_test(a_writer_that_overflowed_does_not_finish),
	};

	return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
