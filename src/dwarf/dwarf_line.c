/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a line program (6.2.5). Rows that tell nothing new are not kept. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/partition_point.h"
#include "dwarf/dwarf_constants.h"
#include "dwarf/dwarf_internal.h"

struct machine {
	struct cursor cursor;
	const struct dwarf_line_header *header;
	struct dwarf_lines *lines;
	uint64_t address_mask;
	uint64_t address, line, file, column;
	/* The open sequence. */
	bool is_open, is_bad;
	uint64_t low, last;
	size_t first;
	/* By special opcode. */
	uint8_t operations[UINT8_MAX + 1];
	int16_t lines_on[UINT8_MAX + 1];
};

static void reset(struct machine *machine)
{
	machine->address = machine->column = 0;
	machine->line = machine->file = 1;
	machine->is_open = machine->is_bad = false;
}

static uint16_t small(uint64_t value)
{
	return value > UINT16_MAX ? 0 : (uint16_t)value;
}

static int add_row(struct machine *machine)
{
	struct dwarf_row_vec *rows = &machine->lines->rows;
	struct dwarf_line_row row = {
		.line = machine->line > UINT32_MAX ? 0 : (uint32_t)machine->line,
		.column = small(machine->column),
		.file = machine->file >= UINT16_MAX ? UINT16_MAX : (uint16_t)machine->file,
	};
	struct dwarf_line_row *before = NULL;

	if (!machine->is_open) {
		machine->is_open = true;
		machine->low = machine->last = machine->address;
		machine->first = rows->len;
	}
	if (machine->address < machine->last || machine->address - machine->low > UINT32_MAX)
		machine->is_bad = true;
	if (machine->is_bad)
		return 0;
	machine->last = machine->address;
	row.distance = (uint32_t)(machine->address - machine->low);
	if (rows->len > machine->first)
		before = &rows->items[rows->len - 1];
	/* Of several rows with one address the last counts. */
	if (before && before->distance == row.distance) {
		*before = row;
		return 0;
	}
	if (before && before->line == row.line && before->file == row.file && before->column == row.column)
		return 0;
	if (rows->len == DWARF_MAX_LINE_ROWS)
		return -E2BIG;
	if (vec_reserve(rows, rows->len + 1))
		return -ENOMEM;
	*vec_push_reserved(rows) = row;
	return 0;
}

static int end_sequence(struct machine *machine)
{
	struct dwarf_lines *lines = machine->lines;
	bool is_good = machine->is_open && !machine->is_bad && machine->address >= machine->last &&
		       machine->address > machine->low && machine->address - machine->low <= UINT32_MAX;

	/* Linkers relocate what they drop to 0, or to one of the last two addresses. */
	is_good = is_good && machine->low && machine->low < machine->address_mask - 1;
	if (is_good) {
		if (vec_reserve(&lines->sequences, lines->sequences.len + 1))
			return -ENOMEM;
		*vec_push_reserved(&lines->sequences) = (struct dwarf_sequence){
			.low = machine->low,
			.bytes = (uint32_t)(machine->address - machine->low),
			.first = (uint32_t)machine->first,
			.n = (uint32_t)(lines->rows.len - machine->first),
		};
	} else if (machine->is_open) {
		lines->rows.len = machine->first;
	}
	reset(machine);
	return 0;
}

static int extended(struct machine *machine)
{
	struct cursor cursor = cursor_sub(&machine->cursor, cursor_uleb128(&machine->cursor));
	uint64_t address = 0;

	switch (cursor_u8(&cursor)) {
	case DW_LNE_END_SEQUENCE:
		return cursor_ok(&cursor) ? end_sequence(machine) : -EBADMSG;
	case DW_LNE_SET_ADDRESS:
		for (unsigned int i = 0; i < 8 && !cursor_at_end(&cursor); i++)
			address |= (uint64_t)cursor_u8(&cursor) << 8 * i;
		machine->address = address;
		break;
	case DW_LNE_DEFINE_FILE: /* nobody writes it */
	default:
		break;
	}
	return cursor_ok(&cursor) ? 0 : -EBADMSG;
}

static void advance(struct machine *machine, uint64_t operations)
{
	machine->address = (machine->address + operations * machine->header->min_instruction) & machine->address_mask;
}

static int standard(struct machine *machine, uint8_t opcode)
{
	const struct dwarf_line_header *header = machine->header;
	struct cursor *cursor = &machine->cursor;

	switch (opcode) {
	case DW_LNS_EXTENDED:
		return extended(machine);
	case DW_LNS_COPY:
		return add_row(machine);
	case DW_LNS_ADVANCE_PC:
		advance(machine, cursor_uleb128(cursor));
		break;
	case DW_LNS_ADVANCE_LINE:
		machine->line = (uint32_t)(machine->line + (uint64_t)cursor_sleb128(cursor));
		break;
	case DW_LNS_SET_FILE:
		machine->file = cursor_uleb128(cursor);
		break;
	case DW_LNS_SET_COLUMN:
		machine->column = cursor_uleb128(cursor);
		break;
	case DW_LNS_CONST_ADD_PC:
		if (!header->line_range)
			return -EBADMSG;
		advance(machine, (UINT8_MAX - header->opcode_base) / header->line_range);
		break;
	case DW_LNS_FIXED_ADVANCE_PC:
		machine->address = (machine->address + cursor_u16(cursor)) & machine->address_mask;
		break;
	default:
		for (uint8_t i = 0; i < header->operands[opcode]; i++)
			cursor_uleb128(cursor);
	}
	return 0;
}

static int special(struct machine *machine, uint8_t opcode)
{
	const struct dwarf_line_header *header = machine->header;

	if (!header->line_range)
		return -EBADMSG;
	advance(machine, machine->operations[opcode]);
	machine->line = (uint32_t)((int64_t)machine->line + machine->lines_on[opcode]);
	return add_row(machine);
}

/* What special opcodes mean: most of a program is made of them. */
static void prepare(struct machine *machine)
{
	const struct dwarf_line_header *header = machine->header;

	for (unsigned int opcode = header->opcode_base; opcode <= UINT8_MAX && header->line_range; opcode++) {
		const unsigned int adjusted = opcode - header->opcode_base;

		machine->operations[opcode] = (uint8_t)(adjusted / header->line_range);
		machine->lines_on[opcode] = (int16_t)(header->line_base + (int)(adjusted % header->line_range));
	}
}

static int run(struct machine *machine)
{
	int err = 0;

	prepare(machine);
	reset(machine);
	while (!err && !cursor_at_end(&machine->cursor)) {
		uint8_t opcode = cursor_u8(&machine->cursor);

		err = opcode >= machine->header->opcode_base ? special(machine, opcode) : standard(machine, opcode);
		if (!err && !cursor_ok(&machine->cursor))
			err = -EBADMSG;
	}
	/* Without an end nobody knows how far its last row goes. */
	if (machine->is_open)
		machine->lines->rows.len = machine->first;
	return err;
}

static int compare_sequences(const void *a, const void *b)
{
	const struct dwarf_sequence *one = a, *other = b;

	if (one->low != other->low)
		return one->low < other->low ? -1 : 1;
	return (one->first > other->first) - (one->first < other->first);
}

/* The program's bytes: from its length field to its end. */
static int program_bytes(struct dwarf_source *source, uint64_t offset, uint64_t *ret)
{
	uint64_t length, head = 4;
	int err = dwarf_section_number(source, DWARF_LINE, offset, 4, &length);

	if (!err && length == UINT32_MAX) {
		head = 12;
		err = dwarf_section_number(source, DWARF_LINE, offset + 4, 8, &length);
	}
	if (err)
		return err;
	if (length > DWARF_MAX_UNIT_BYTES - head || length + head > source->sections[DWARF_LINE].size - offset)
		return -EBADMSG;
	*ret = length + head;
	return 0;
}

int dwarf_lines_read(const struct dwarf_head *head, struct dwarf_lines **ret)
{
	struct dwarf_line_header header = {0};
	struct machine machine = {.header = &header};
	struct dwarf_lines *lines = NULL;
	auto_free uint8_t *bytes = NULL;
	uint64_t size;
	int err = program_bytes(head->source, head->lines, &size);

	if (err)
		return err;
	bytes = malloc(size);
	lines = calloc(1, sizeof(*lines));
	err = -ENOMEM;
	if (!bytes || !lines)
		goto fail;
	vec_init(&lines->rows, DWARF_MAX_LINE_ROWS);
	vec_init(&lines->sequences, DWARF_MAX_LINE_ROWS);
	vec_init(&lines->dirs, DWARF_MAX_FILES);
	vec_init(&lines->files, DWARF_MAX_FILES);
	err = dwarf_section_read(head->source, DWARF_LINE, head->lines, bytes, size);
	if (err)
		goto fail;
	cursor_init(&machine.cursor, bytes, size);
	err = dwarf_line_header_read(&machine.cursor, head->lines, head->format.address_size, lines, &header);
	if (err)
		goto fail;
	machine.lines = lines;
	machine.address_mask = lines->format.address_size == 4 ? UINT32_MAX : UINT64_MAX;
	err = run(&machine);
	/* What came before the broken place is as good as ever. */
	if (dwarf_is_fatal(err))
		goto fail;
	if (lines->sequences.len)
		qsort(lines->sequences.items, lines->sequences.len, sizeof(struct dwarf_sequence), compare_sequences);
	*ret = lines;
	return 0;
fail:
	dwarf_lines_free(lines);
	return err;
}

void dwarf_lines_free(struct dwarf_lines *lines)
{
	if (!lines)
		return;
	vec_release(&lines->rows);
	vec_release(&lines->sequences);
	vec_release(&lines->dirs);
	vec_release(&lines->files);
	free(lines);
}

const struct dwarf_line_row *dwarf_lines_find(const struct dwarf_lines *lines, uint64_t va)
{
	const struct dwarf_sequence *sequence;
	const struct dwarf_line_row *rows;
	size_t n = partition_point(lines->sequences.len, i, lines->sequences.items[i].low <= va);

	if (!n)
		return NULL;
	sequence = &lines->sequences.items[n - 1];
	if (va - sequence->low >= sequence->bytes)
		return NULL;
	rows = lines->rows.items + sequence->first;
	n = partition_point(sequence->n, i, rows[i].distance <= va - sequence->low);
	return n ? &rows[n - 1] : NULL;
}

size_t dwarf_lines_memory_bytes(const struct dwarf_lines *lines)
{
	return sizeof(*lines) + lines->rows.cap * sizeof(struct dwarf_line_row) +
	       lines->sequences.cap * sizeof(struct dwarf_sequence) +
	       (lines->dirs.cap + lines->files.cap) * sizeof(struct dwarf_line_file);
}
