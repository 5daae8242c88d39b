/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of a batch in its memfd:
 *
 *    0            struct layout: magic, version, info, one {offset, count} a section, total size
 *    offset[0]    strings (count bytes)            each section 8-byte aligned
 *    offset[1]    objects (count structs)
 *    …
 *
 * The reader trusts nothing: sections must lie inside the memfd, and every index inside a struct must lie inside the
 * section that it points to. What it hands out was checked. */
#include "ipc/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"
#include "ipc/message.h"

#define BATCH_MAGIC 0x48425031u /* "1PBH" */
#define BATCH_LAYOUT_VERSION 2
#define BATCH_MAX_BYTES (1ULL << 30)
#define BATCH_ALIGN 8

enum section {
	SECTION_STRINGS,
	SECTION_OBJECTS,
	SECTION_PROCESSES,
	SECTION_MAPPINGS,
	SECTION_STACKS,
	SECTION_WORDS,
	SECTION_SAMPLES,
	SECTION_KSYMBOLS,
	SECTION_OUTPUTS,
	SECTION_PAIRS,
	SECTION_COUNT
};

struct layout {
	uint32_t magic, version;
	struct batch_info info;
	struct {
		uint64_t offset, count;
	} section[SECTION_COUNT];
	uint64_t total;
};

static const size_t item_size[SECTION_COUNT] = {
	[SECTION_STRINGS] = 1,
	[SECTION_OBJECTS] = sizeof(struct batch_object),
	[SECTION_PROCESSES] = sizeof(struct batch_process),
	[SECTION_MAPPINGS] = sizeof(struct batch_mapping),
	[SECTION_STACKS] = sizeof(struct batch_stack),
	[SECTION_WORDS] = sizeof(uint64_t),
	[SECTION_SAMPLES] = sizeof(struct batch_sample),
	[SECTION_KSYMBOLS] = sizeof(struct batch_ksymbol),
	[SECTION_OUTPUTS] = sizeof(struct batch_output),
	[SECTION_PAIRS] = sizeof(struct batch_pair),
};

static struct buf *section_buf(struct batch_writer *writer, enum section section)
{
	switch (section) {
	case SECTION_STRINGS:
		return &writer->strings;
	case SECTION_OBJECTS:
		return &writer->objects;
	case SECTION_PROCESSES:
		return &writer->processes;
	case SECTION_MAPPINGS:
		return &writer->mappings;
	case SECTION_STACKS:
		return &writer->stacks;
	case SECTION_WORDS:
		return &writer->words;
	case SECTION_SAMPLES:
		return &writer->samples;
	case SECTION_KSYMBOLS:
		return &writer->ksymbols;
	case SECTION_OUTPUTS:
		return &writer->outputs;
	case SECTION_PAIRS:
		return &writer->pairs;
	case SECTION_COUNT:
		break;
	}
	return NULL;
}

void batch_writer_init(struct batch_writer *writer, size_t max_bytes)
{
	memset(writer, 0, sizeof(*writer));
	for (enum section s = 0; s < SECTION_COUNT; s++)
		buf_init(section_buf(writer, s), max_bytes);
	buf_append_byte(&writer->strings, 0); /* offset 0 is "" */
}

void batch_writer_release(struct batch_writer *writer)
{
	for (enum section s = 0; s < SECTION_COUNT; s++)
		buf_release(section_buf(writer, s));
}

uint32_t batch_writer_string(struct batch_writer *writer, const char *str, size_t len)
{
	size_t at = writer->strings.len;

	if (!len || at > UINT32_MAX)
		return 0;
	buf_append(&writer->strings, str, strnlen(str, len));
	buf_append_byte(&writer->strings, 0);
	return writer->strings.err ? 0 : (uint32_t)at;
}

int batch_writer_finish(struct batch_writer *writer, int *ret_fd)
{
	static const uint8_t zeros[BATCH_ALIGN];
	struct layout layout = {.magic = BATCH_MAGIC, .version = BATCH_LAYOUT_VERSION, .info = writer->info};
	uint64_t at = sizeof(layout);
	auto_close int fd = -1;
	int err;

	for (enum section s = 0; s < SECTION_COUNT; s++) {
		const struct buf *buf = section_buf(writer, s);

		if (buf->err)
			return buf->err;
		at = (at + BATCH_ALIGN - 1) & ~(uint64_t)(BATCH_ALIGN - 1);
		layout.section[s].offset = at;
		layout.section[s].count = buf->len / item_size[s];
		at += buf->len;
	}
	layout.total = at;
	if (at > BATCH_MAX_BYTES)
		return -E2BIG;

	fd = memfd_create("hostprof-batch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	err = io_write_full(fd, &layout, sizeof(layout));
	at = sizeof(layout);
	for (enum section s = 0; !err && s < SECTION_COUNT; s++) {
		const struct buf *buf = section_buf(writer, s);

		err = io_write_full(fd, zeros, layout.section[s].offset - at);
		if (!err && buf->len)
			err = io_write_full(fd, buf->data, buf->len);
		at = layout.section[s].offset + buf->len;
	}
	if (!err)
		err = memfd_seal(fd);
	if (err)
		return err;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* A string offset points at the start of a string or into one: both end with a NUL inside the section. */
static bool string_ok(uint32_t offset, uint64_t strings)
{
	return offset < strings;
}

static bool index_ok(uint32_t index, uint32_t n)
{
	return index == BATCH_NONE || index < n;
}

static bool range_ok(uint64_t first, uint64_t n, uint64_t limit)
{
	return first <= limit && n <= limit - first;
}

static bool contents_ok(const struct batch *batch, uint64_t strings)
{
	for (uint32_t i = 0; i < batch->n_objects; i++) {
		const struct batch_object *object = &batch->objects[i];

		if (object->kind >= OBJECT_KIND_COUNT ||
		    (object->kind == OBJECT_JIT && object->process >= batch->n_processes) || !object->id ||
		    object->id > FRAME_OBJECT_MAX || !string_ok(object->path, strings) ||
		    !string_ok(object->build_id, strings))
			return false;
	}
	for (uint32_t i = 0; i < batch->n_mappings; i++)
		if (batch->mappings[i].object >= batch->n_objects ||
		    batch->mappings[i].start >= batch->mappings[i].limit)
			return false;
	for (uint32_t i = 0; i < batch->n_processes; i++) {
		const struct batch_process *process = &batch->processes[i];

		if (!string_ok(process->comm, strings) || !string_ok(process->cgroup, strings) ||
		    !index_ok(process->executable, batch->n_objects) ||
		    !range_ok(process->first_mapping, process->mappings, batch->n_mappings))
			return false;
	}
	for (uint32_t i = 0; i < batch->n_stacks; i++)
		if (batch->stacks[i].end >= UNWIND_END_COUNT ||
		    !range_ok(batch->stacks[i].first_word, batch->stacks[i].words, batch->n_words))
			return false;
	for (uint32_t i = 0; i < batch->n_samples; i++) {
		const struct batch_sample *sample = &batch->samples[i];

		if (sample->process >= batch->n_processes || !index_ok(sample->user_stack, batch->n_stacks) ||
		    !index_ok(sample->kernel_stack, batch->n_stacks) || !string_ok(sample->thread_name, strings) ||
		    sample->source >= SAMPLE_SOURCE_COUNT)
			return false;
	}
	for (uint32_t i = 0; i < batch->n_ksymbols; i++)
		if (!string_ok(batch->ksymbols[i].name, strings))
			return false;
	for (uint32_t i = 0; i < batch->n_outputs; i++)
		if (batch->outputs[i].format >= OUTPUT_FORMAT_COUNT || !string_ok(batch->outputs[i].name, strings))
			return false;
	for (uint32_t i = 0; i < batch->n_pairs; i++)
		if (!string_ok(batch->pairs[i].key, strings) || !string_ok(batch->pairs[i].value, strings))
			return false;
	return batch->info.source < SAMPLE_SOURCE_COUNT;
}

int batch_read_bytes(const uint8_t *bytes, size_t len, struct batch *ret)
{
	const void *at[SECTION_COUNT];
	struct batch batch = {0};
	struct layout layout;
	uint64_t strings;

	if (len < sizeof(layout))
		return -EBADMSG;
	memcpy(&layout, bytes, sizeof(layout));
	if (layout.magic != BATCH_MAGIC || layout.version != BATCH_LAYOUT_VERSION || layout.total != len)
		return -EBADMSG;
	for (enum section s = 0; s < SECTION_COUNT; s++) {
		uint64_t offset = layout.section[s].offset, size;

		if (layout.section[s].count > UINT32_MAX || offset % BATCH_ALIGN ||
		    !checked_mul(layout.section[s].count, item_size[s], &size) || !range_ok(offset, size, len))
			return -EBADMSG;
		at[s] = bytes + offset;
	}
	strings = layout.section[SECTION_STRINGS].count;
	batch.info = layout.info;
	batch.strings = at[SECTION_STRINGS];
	batch.objects = at[SECTION_OBJECTS];
	batch.processes = at[SECTION_PROCESSES];
	batch.mappings = at[SECTION_MAPPINGS];
	batch.stacks = at[SECTION_STACKS];
	batch.words = at[SECTION_WORDS];
	batch.samples = at[SECTION_SAMPLES];
	batch.ksymbols = at[SECTION_KSYMBOLS];
	batch.outputs = at[SECTION_OUTPUTS];
	batch.pairs = at[SECTION_PAIRS];
	batch.n_objects = (uint32_t)layout.section[SECTION_OBJECTS].count;
	batch.n_processes = (uint32_t)layout.section[SECTION_PROCESSES].count;
	batch.n_mappings = (uint32_t)layout.section[SECTION_MAPPINGS].count;
	batch.n_stacks = (uint32_t)layout.section[SECTION_STACKS].count;
	batch.n_words = layout.section[SECTION_WORDS].count;
	batch.n_samples = (uint32_t)layout.section[SECTION_SAMPLES].count;
	batch.n_ksymbols = (uint32_t)layout.section[SECTION_KSYMBOLS].count;
	batch.n_outputs = (uint32_t)layout.section[SECTION_OUTPUTS].count;
	batch.n_pairs = (uint32_t)layout.section[SECTION_PAIRS].count;
	if (!strings || batch.strings[0] || batch.strings[strings - 1] || !contents_ok(&batch, strings))
		return -EBADMSG;
	*ret = batch;
	return 0;
}

int batch_read(int fd, struct batch *ret)
{
	struct memfd_map map;
	int err = memfd_map(fd, BATCH_MAX_BYTES, &map);

	if (err)
		return err;
	err = batch_read_bytes(map.bytes, map.len, ret);
	if (err) {
		memfd_unmap(&map);
		return err;
	}
	ret->map = map;
	return 0;
}

void batch_release(struct batch *batch)
{
	if (batch->map.bytes)
		memfd_unmap(&batch->map);
	memset(batch, 0, sizeof(*batch));
}

const char *batch_string(const struct batch *batch, uint32_t offset)
{
	return batch->strings + offset;
}
