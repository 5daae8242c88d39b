/* SPDX-License-Identifier: Apache-2.0 */
/* From an address to frames:
 *
 *     address ──► index ──► unit ──► functions, parents ──► names     abstract_origin, specification
 *                 heads     DIEs └─► lines              ──► paths
 *
 * Sections lie in sources: the file itself, what dwz shares, and for split units a .dwo file or what a package has of
 * it. Only dwarf_section does I/O. Offsets are those in the section unless said otherwise. */
#pragma once

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "base/vec.h"
#include "dwarf/dwarf.h"

/* --- sections ----------------------------------------------------------------------------------------------------- */

enum dwarf_section_id {
	DWARF_INFO,
	DWARF_ABBREV,
	DWARF_LINE,
	DWARF_STR,
	DWARF_LINE_STR,
	DWARF_RANGES,
	DWARF_RNGLISTS,
	DWARF_ADDR,
	DWARF_STR_OFFSETS,
	DWARF_ARANGES,
	DWARF_CU_INDEX,
	DWARF_SECTIONS,
};

enum dwarf_place {
	DWARF_IN_FILE,
	DWARF_PACKED, /* not read yet */
	DWARF_IN_MEMORY,
	DWARF_IN_TEMPORARY,
	DWARF_IN_PACKAGE,
};

struct dwarf_section {
	enum dwarf_place place;
	uint64_t offset;	       /* in the file, the temporary file or the package's section */
	uint64_t size;		       /* unpacked; 0: absent */
	uint8_t *bytes;		       /* owned; in memory */
	struct dwarf_section *package; /* what this is a part of */
};

struct dwarf_head_vec VEC(struct dwarf_head);

struct dwarf_source {
	struct dwarf *dwarf;
	const struct elf_file *file;
	struct dwarf_source *package;	    /* that it is a part of, or NULL */
	struct dwarf_source *supplementary; /* NULL: none */
	struct dwarf_section sections[DWARF_SECTIONS];
	bool is_split, has_heads;
	struct dwarf_head_vec heads; /* in the order of the section */
};

#define DWARF_MAX_SOURCES (64u << 10)

/* Sources live as long as the dwarf. is_split: sections have the names of .dwo files. -E2BIG, -ENOMEM, -EIO. */
int dwarf_source_new(struct dwarf *dwarf, const struct elf_file *file, bool is_split, struct dwarf_source **ret);
/* One without sections. */
int dwarf_source_add(struct dwarf *dwarf, const struct elf_file *file, struct dwarf_source **ret);
void dwarf_source_free(struct dwarf_source *source);
size_t dwarf_source_memory_bytes(const struct dwarf_source *source);

/* What all sections together may take when they are unpacked. */
#define DWARF_MAX_UNPACKED_BYTES (1ull << 30)
#define DWARF_UNPACKED_IN_MEMORY (1u << 20)	/* beyond, they go to the temporary file */
#define DWARF_UNPACKED_WITHOUT_FILE (64u << 20) /* in memory, when there is no such file */

/* Makes a packed section one that can be read. -EBADMSG: it cannot, and is absent from now on; -ENOMEM. */
int dwarf_section_unpack(struct dwarf_source *source, struct dwarf_section *section);

/* The only way to the bytes of a section. -EBADMSG: not within it; -EIO. */
int dwarf_section_read(struct dwarf_source *source, enum dwarf_section_id id, uint64_t offset, void *to, size_t n);
/* An unsigned number of `size` bytes (at most 8). */
int dwarf_section_number(struct dwarf_source *source, enum dwarf_section_id id, uint64_t offset, unsigned int size,
			 uint64_t *ret);

struct dwarf_text VEC(char);

/* Appends the string at the offset, with its NUL. -EBADMSG: it does not end, or is too long; the text is as before. */
int dwarf_section_string(struct dwarf_source *source, enum dwarf_section_id id, uint64_t offset,
			 struct dwarf_text *text);

/* Bytes of a section whose number shows only when they are read. Each call of dwarf_bytes_grow() gives a longer piece,
 * to be parsed anew, until the cursor no longer fails. */
#define DWARF_MAX_INDEX_BYTES (512u << 20)
#define DWARF_MAX_ANSWER_BYTES (64u << 20) /* without the unit itself */

struct dwarf_bytes {
	struct dwarf_source *source;
	enum dwarf_section_id id;
	uint64_t offset, limit;
	uint8_t *more; /* owned; NULL while the small ones do */
	size_t n, max;
	struct cursor cursor;
	uint8_t few[256];
};

void dwarf_bytes_init(struct dwarf_bytes *bytes, struct dwarf_source *source, enum dwarf_section_id id, uint64_t offset,
		      uint64_t limit, size_t max);
/* false: nothing more to be had: *err is -EBADMSG, or what went wrong (-E2BIG: dwarf->bytes_left are spent). */
bool dwarf_bytes_grow(struct dwarf_bytes *bytes, int *err);
void dwarf_bytes_release(struct dwarf_bytes *bytes);

/* The last part of a path; false: there is none that could be a file's name. */
bool dwarf_base_name(const char *path, char to[DWARF_MAX_NAME_BYTES]);

/* --- forms (7.5.6) ------------------------------------------------------------------------------------------------ */

struct dwarf_format {
	uint16_t version;
	uint8_t address_size, offset_size;
};

/* form 0: absent. Strings within DIEs are told by where they lie, from the cursor's start. */
struct dwarf_value {
	uint16_t form;
	uint64_t u;
};

/* Fails the cursor when the form is unknown. */
void dwarf_value_read(struct cursor *cursor, const struct dwarf_format *format, uint16_t form, int64_t implicit,
		      struct dwarf_value *ret);
/* Bytes of a form when always the same, else -1. */
int dwarf_form_bytes(uint16_t form, const struct dwarf_format *format);

struct dwarf_head;
/* -EBADMSG: no address, or nowhere. */
int dwarf_value_address(const struct dwarf_head *head, const struct dwarf_value *value, uint64_t *ret);
bool dwarf_value_is_address(const struct dwarf_value *value);
/* Where the DIE is that is referred to. -EBADMSG: nowhere that can be followed. */
int dwarf_value_reference(const struct dwarf_head *head, const struct dwarf_value *value,
			  struct dwarf_source **ret_source, uint64_t *ret);
/* Appends the string with its NUL; `within` is the section that strings of DW_FORM_STRING lie in, and then value->u is
 * an offset there. */
int dwarf_value_string(const struct dwarf_head *head, const struct dwarf_value *value, enum dwarf_section_id within,
		       struct dwarf_text *text);

/* --- abbreviations (7.5.3) ---------------------------------------------------------------------------------------- */

#define DWARF_ABBREV_TABLES 128u
#define DWARF_MAX_ABBREVS_HELD (8u << 20) /* bytes of all tables, but the last one is always held */
#define DWARF_MAX_ABBREV_BYTES (1u << 20) /* of a table; real ones have 10 KiB */
#define DWARF_VARIES UINT16_MAX
#define DWARF_FORM_VARIES UINT8_MAX

struct dwarf_attribute {
	uint16_t name, form;
	uint8_t bytes;	  /* of the form, or DWARF_FORM_VARIES */
	int32_t implicit; /* a larger constant is 0: nothing that is asked for is one */
};

/* dwarf_value_read() of an attribute, or past `n` of them: where most of the time goes. */
static inline void dwarf_attribute_read(struct cursor *cursor, const struct dwarf_format *format,
					const struct dwarf_attribute *attribute, struct dwarf_value *ret)
{
	uint32_t u;

	if (attribute->bytes == 1) {
		*ret = (struct dwarf_value){.form = attribute->form, .u = cursor_u8(cursor)};
	} else if (attribute->bytes == sizeof(u) && cursor_left(cursor) >= sizeof(u)) {
		memcpy(&u, cursor->pos, sizeof(u));
		cursor->pos += sizeof(u);
		*ret = (struct dwarf_value){.form = attribute->form, .u = le32toh(u)};
	} else {
		dwarf_value_read(cursor, format, attribute->form, attribute->implicit, ret);
	}
}

void dwarf_attributes_skip(struct cursor *cursor, const struct dwarf_format *format,
			   const struct dwarf_attribute *attributes, size_t n);

struct dwarf_abbrev {
	uint32_t code, first; /* attribute */
	uint16_t tag, n;
	uint16_t fixed_bytes;		/* of all attributes, or DWARF_VARIES */
	bool has_children, has_sibling; /* a DIE that tells where it ends (DW_AT_sibling) */
	bool is_declaration; /* of a function: nothing in it has code, and DW_AT_sibling tells where it ends */
};

struct dwarf_abbrev_vec VEC(struct dwarf_abbrev);
struct dwarf_attribute_vec VEC(struct dwarf_attribute);

struct dwarf_abbrevs {
	const struct dwarf_source *source;
	uint64_t offset, used;
	struct dwarf_format format;
	bool is_dense; /* code i + 1 at i */
	struct dwarf_abbrev_vec abbrevs;
	struct dwarf_attribute_vec attributes;
};

/* Up to the one with the code `last` (0: all). */
int dwarf_abbrevs_read(const struct dwarf_head *head, uint64_t last, struct dwarf_abbrevs **ret);
void dwarf_abbrevs_free(struct dwarf_abbrevs *abbrevs);
/* All of the unit's, from the cache: valid until the next call. */
int dwarf_abbrevs_of(const struct dwarf_head *head, const struct dwarf_abbrevs **ret);
const struct dwarf_abbrev *dwarf_abbrev_search(const struct dwarf_abbrevs *abbrevs, uint64_t code);
/* NULL: none. */
static inline const struct dwarf_abbrev *dwarf_abbrev_find(const struct dwarf_abbrevs *abbrevs, uint64_t code)
{
	if (!abbrevs->is_dense)
		return dwarf_abbrev_search(abbrevs, code);
	return code && code <= abbrevs->abbrevs.len ? &abbrevs->abbrevs.items[code - 1] : NULL;
}
size_t dwarf_abbrevs_memory_bytes(const struct dwarf_abbrevs *abbrevs);

/* --- ranges ------------------------------------------------------------------------------------------------------- */

#define DWARF_NOBODY UINT32_MAX
#define DWARF_MAX_INTERVALS (2u << 20)
#define DWARF_MAX_LIST_ENTRIES (8u << 20) /* read for a unit, or for the index */
#define DWARF_MAX_OVERLAP 256u

struct dwarf_interval {
	uint64_t low, limit;
	uint32_t owner;
};

/* From `start` to the start of the next one. */
struct dwarf_piece {
	uint64_t start;
	uint32_t owner; /* DWARF_NOBODY: a gap */
};

struct dwarf_interval_vec VEC(struct dwarf_interval);
struct dwarf_piece_vec VEC(struct dwarf_piece);

/* Sorts the intervals; where they overlap the greatest owner has the address. */
int dwarf_pieces_make(struct dwarf_interval_vec *intervals, struct dwarf_piece_vec *pieces);
uint32_t dwarf_piece_owner(const struct dwarf_piece_vec *pieces, uint64_t va);

/* Adds one that is not empty; what the linker dropped has no place. -E2BIG, -ENOMEM. */
int dwarf_interval_add(const struct dwarf_head *head, uint64_t low, uint64_t limit, uint32_t owner,
		       struct dwarf_interval_vec *to);
/* Adds what DW_AT_low_pc, DW_AT_high_pc and DW_AT_ranges say (2.17).
 * -EBADMSG; -E2BIG: more than is believed; -ENOMEM, -EIO. */
int dwarf_ranges_add(const struct dwarf_head *head, const struct dwarf_value *low, const struct dwarf_value *high,
		     const struct dwarf_value *ranges, uint32_t owner, struct dwarf_interval_vec *to);

/* --- units -------------------------------------------------------------------------------------------------------- */

#define DWARF_MAX_UNITS (1u << 20)
#define DWARF_MAX_FUNCTIONS (8u << 20) /* of a unit, with what is inlined */
#define DWARF_MAX_DEPTH 1024u	       /* of DIEs; real ones have some 40 */

/* What the header (7.5.1) and the root DIE say. */
struct dwarf_head {
	struct dwarf_source *source;
	uint64_t start, limit, root; /* root: the first DIE */
	uint64_t abbrevs;
	struct dwarf_format format;
	bool has_lines, has_ranges;
	uint64_t lines;
	uint64_t base; /* of range lists: the unit's low_pc, or 0 */
	uint64_t addr_base, str_offsets_base, rnglists_base;
	struct dwarf_value dir;
	struct dwarf_unit *unit; /* owned; NULL: not held */
	/* Split units (3.1.3): the id (has_id) is that of both halves. */
	bool has_id, split_is_known;
	uint64_t id;
	uint64_t ranges_base;		   /* of the other half's lists, before version 5 */
	struct dwarf_value split_name;	   /* of a skeleton; form 0: it is whole */
	struct dwarf_head *split;	   /* what the skeleton stands for; NULL: not there */
	const struct dwarf_head *skeleton; /* of a half with the functions: the one that has addresses and lines */
};

/* Reads the heads of another source than the file itself, if they are not read yet. -ENOMEM, -EIO. */
int dwarf_heads_make(struct dwarf_source *source);
/* Makes the file's heads and dwarf->index. -ENOMEM, -EIO. */
int dwarf_index_make(struct dwarf *dwarf);
/* The same, once. */
int dwarf_index_need(struct dwarf *dwarf);
/* The unit that has the offset, or NULL. */
const struct dwarf_head *dwarf_head_at(const struct dwarf_source *source, uint64_t offset);

/* Its number in dwarf->index. */
uint32_t dwarf_head_owner(const struct dwarf *dwarf, const struct dwarf_head *head);
/* Adds what .debug_aranges says of units without ranges. -EBADMSG, -E2BIG: not all of it; -ENOMEM, -EIO. */
int dwarf_aranges_add(struct dwarf *dwarf, struct dwarf_interval_vec *to);

struct dwarf_function {
	uint32_t die;	 /* from the unit's start */
	uint32_t parent; /* what it was inlined into, or DWARF_NOBODY */
	uint32_t call_file, call_line, call_column;
	uint32_t limit; /* of the DIE, whose inside was not read, from the unit's start; 0: it was */
};

struct dwarf_function_vec VEC(struct dwarf_function);

/* Functions, and which of them has an address. */
struct dwarf_tree {
	struct dwarf_function_vec functions; /* a parent comes before what is inlined in it */
	struct dwarf_piece_vec pieces;
	bool is_partial; /* there may be more than was seen */
};

void dwarf_tree_init(struct dwarf_tree *tree);
void dwarf_tree_release(struct dwarf_tree *tree);
/* Of the DIEs from `from` to `to`, counted from the unit's start. is_quick: those within others may be left out.
 * -EBADMSG, -E2BIG: broken, and the tree is empty; -ENOMEM, -EIO. */
int dwarf_tree_read(const struct dwarf_head *head, uint64_t from, uint64_t to, bool is_quick, struct dwarf_tree *tree);
/* What is held for long has no room to grow. */
void dwarf_shrink(void **items, size_t *cap, size_t len, size_t item_size);
#define DWARF_SHRINK(vec) dwarf_shrink((void **)&(vec)->items, &(vec)->cap, (vec)->len, sizeof(*(vec)->items))
void dwarf_tree_shrink(struct dwarf_tree *tree);
size_t dwarf_tree_memory_bytes(const struct dwarf_tree *tree);

struct dwarf_unit {
	const struct dwarf_head *head; /* of the functions' DIEs */
	uint64_t used;
	size_t memory_bytes;
	struct dwarf_tree tree;
	struct dwarf_lines *lines; /* NULL: it has none, or they are broken */
};

/* What lies in one function of a unit. */
struct dwarf_inside {
	const struct dwarf_unit *unit; /* NULL: nothing is held */
	uint32_t function;	       /* of the unit's tree */
	struct dwarf_tree tree;
};

/* Sets skeleton->split, where there is what it stands for. -EAGAIN: not yet; -ENOMEM. */
int dwarf_split_find(struct dwarf_head *skeleton);

/* A broken unit has no functions, or no lines. -EAGAIN: see dwarf_split_find(); -ENOMEM, -EIO. */
int dwarf_unit_read(struct dwarf_head *head, struct dwarf_unit **ret);
/* The tree that has the innermost function at the address, and which one that is (DWARF_NOBODY: none). What of the unit
 * was not read yet is read for it. -ENOMEM, -EIO. */
int dwarf_unit_find(struct dwarf_unit *unit, uint64_t va, const struct dwarf_tree **ret_tree, uint32_t *ret_function);
void dwarf_unit_free(struct dwarf_unit *unit);

/* Name and linkage name of the function whose DIE it is, with their NULs, as offsets in the text; 0: none. -ENOMEM,
 * -EIO. */
int dwarf_name_find(struct dwarf_source *source, uint64_t die, struct dwarf_text *text, size_t *ret_name,
		    size_t *ret_linkage);

/* --- lines (6.2) -------------------------------------------------------------------------------------------------- */

#define DWARF_MAX_LINE_ROWS (16u << 20) /* of a unit */
#define DWARF_MAX_FILES (1u << 20)

struct dwarf_line_row {
	uint32_t distance; /* from the start of the sequence */
	uint32_t line;
	uint16_t file, column;
};

struct dwarf_sequence {
	uint64_t low;
	uint32_t bytes, first, n; /* rows */
};

struct dwarf_line_file {
	struct dwarf_value name;
	uint64_t dir;
};

struct dwarf_row_vec VEC(struct dwarf_line_row);
struct dwarf_sequence_vec VEC(struct dwarf_sequence);
struct dwarf_file_vec VEC(struct dwarf_line_file);

struct dwarf_lines {
	struct dwarf_format format;
	struct dwarf_row_vec rows;
	struct dwarf_sequence_vec sequences;
	struct dwarf_file_vec dirs, files;
};

struct dwarf_line_header {
	uint8_t min_instruction, opcode_base, line_range;
	int8_t line_base;
	uint8_t operands[256]; /* of standard opcodes */
};

int dwarf_lines_read(const struct dwarf_head *head, struct dwarf_lines **ret);
void dwarf_lines_free(struct dwarf_lines *lines);
/* Leaves the cursor at the program; -EBADMSG. base: where the cursor's first byte is. */
int dwarf_line_header_read(struct cursor *cursor, uint64_t base, uint8_t address_size, struct dwarf_lines *lines,
			   struct dwarf_line_header *ret);
/* NULL: none has the address. */
const struct dwarf_line_row *dwarf_lines_find(const struct dwarf_lines *lines, uint64_t va);
/* Appends the path with its NUL. -EBADMSG: there is no such file. */
int dwarf_lines_path(const struct dwarf_head *head, const struct dwarf_lines *lines, uint64_t file,
		     struct dwarf_text *text);
size_t dwarf_lines_memory_bytes(const struct dwarf_lines *lines);

/* --- all of it ---------------------------------------------------------------------------------------------------- */

struct dwarf_frame_vec VEC(struct dwarf_frame);
struct dwarf_source_vec VEC(struct dwarf_source *);

struct dwarf {
	struct dwarf_files files;
	struct file_pages *pages;	 /* of all files */
	struct dwarf_source_vec sources; /* owned */
	struct dwarf_source *main;
	int temporary; /* a file with unpacked sections; -1: none yet */
	bool has_asked_temporary;
	uint64_t temporary_bytes;
	size_t unpacked_bytes;	      /* in memory */
	struct dwarf_piece_vec index; /* owner: DWARF_NOBODY - 1 - number of the head, so that the first one wins */
	struct dwarf_abbrevs *abbrevs[DWARF_ABBREV_TABLES];
	size_t abbrev_bytes;
	uint64_t bytes_left; /* of DWARF_MAX_ANSWER_BYTES or DWARF_MAX_INDEX_BYTES, that dwarf_bytes_grow() may still
				read */
	size_t entries_left; /* of DWARF_MAX_LIST_ENTRIES */
	uint64_t uses;
	size_t cache_bytes, unit_bytes;
	struct dwarf_inside inside; /* the last one that was asked for */
	struct dwarf_frame_vec frames;
	struct dwarf_text text;
};

/* What is no -EBADMSG or -E2BIG: not the file's fault, or not its alone. */
static inline bool dwarf_is_fatal(int err)
{
	return err && err != -EBADMSG && err != -E2BIG && err != -ENOENT;
}
