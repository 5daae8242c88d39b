/* SPDX-License-Identifier: Apache-2.0 */
/* CFI assembled by hand, behind the small ELF file of elf_image.h:
 *
 *     frame_init(&frame, false);
 *     cie = put_plain_cie(&frame);
 *     put_fde(&frame, cie, IMAGE_TEXT, 0x40, (uint8_t[]){ADVANCE(1), DEF_CFA_OFFSET(16)}, 3);
 *     fd = frame_fd(&frame); */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "elf_image.h"

#define FRAME_VA 0x500000
#define FRAME_OFFSET 0x8000 /* in the file, behind the image */
#define TABLE_VA 0x402000   /* .eh_frame_hdr takes the place of .plt */
#define TABLE_OFFSET 0x5000
#define MAX_FRAME_BYTES (16u << 20)

/* --- instructions and expressions --------------------------------------------------------------------------------- */

#define RBX 3
#define RDI 5
#define RBP 6
#define RSP 7
#define R10 10
#define RIP 16
#define X19 19
#define FP 29
#define LR 30
#define SPR 31

#define ADVANCE(n) 0x40 | (n)
#define OFFSET(reg, n) 0x80 | (reg), n
#define RESTORE(reg) 0xc0 | (reg)
#define NOP 0x00
#define SET_LOC(b0, b1, b2, b3, b4, b5, b6, b7) 0x01, b0, b1, b2, b3, b4, b5, b6, b7
#define ADVANCE1(n) 0x02, n
#define ADVANCE2(n) 0x03, (n)&0xff, (n) >> 8
#define ADVANCE4(n) 0x04, n, 0, 0, 0
#define ADVANCE8(n) 0x1d, n, 0, 0, 0, 0, 0, 0, 0
#define OFFSET_EXTENDED(reg, n) 0x05, reg, n
#define RESTORE_EXTENDED(reg) 0x06, reg
#define UNDEFINED(reg) 0x07, reg
#define SAME_VALUE(reg) 0x08, reg
#define REGISTER(reg, other) 0x09, reg, other
#define REMEMBER 0x0a
#define RESTORE_STATE 0x0b
#define DEF_CFA(reg, n) 0x0c, reg, n
#define DEF_CFA_REGISTER(reg) 0x0d, reg
#define DEF_CFA_OFFSET(n) 0x0e, n
#define DEF_CFA_EXPRESSION(...) 0x0f, sizeof((uint8_t[]){__VA_ARGS__}), __VA_ARGS__
#define EXPRESSION(reg, ...) 0x10, reg, sizeof((uint8_t[]){__VA_ARGS__}), __VA_ARGS__
#define OFFSET_EXTENDED_SF(reg, n) 0x11, reg, (n)&0x7f
#define DEF_CFA_SF(reg, n) 0x12, reg, (n)&0x7f
#define DEF_CFA_OFFSET_SF(n) 0x13, (n)&0x7f
#define VAL_OFFSET(reg, n) 0x14, reg, n
#define VAL_OFFSET_SF(reg, n) 0x15, reg, (n)&0x7f
#define VAL_EXPRESSION(reg, ...) 0x16, reg, sizeof((uint8_t[]){__VA_ARGS__}), __VA_ARGS__
#define NEGATE_RA_STATE_WITH_PC 0x2c
#define NEGATE_RA_STATE 0x2d
#define ARGS_SIZE(n) 0x2e, n
#define NEGATIVE_OFFSET(reg, n) 0x2f, reg, n

#define BREG(reg, n) 0x70 + (reg), (n)&0x7f
#define BREGX(reg, n) 0x92, reg, (n)&0x7f
#define LIT(n) 0x30 + (n)
#define DEREF 0x06
#define AND 0x1a
#define MINUS 0x1c
#define PLUS 0x22
#define PLUS_UCONST(n) 0x23, n
#define SHL 0x24
#define GE 0x2a
#define LAZY_PLT(n) BREG(RSP, 8), BREG(RIP, 0), LIT(15), AND, LIT(n), GE, LIT(3), SHL, PLUS

/* What every function begins with. */
#define X86_ENTRY DEF_CFA(RSP, 8), OFFSET(RIP, 1)
#define ARM64_ENTRY DEF_CFA(SPR, 0)

#define MAX_CODE 96
#define CODE(...) .n = sizeof((uint8_t[]){__VA_ARGS__}), .code = {__VA_ARGS__}

/* --- sections ----------------------------------------------------------------------------------------------------- */

/* A section of CFI, and the image that it goes into: in the place of .data. */
struct frame {
	struct buf bytes;
	bool is_debug_frame;
	uint16_t machine;
	struct elf_image image;
};

struct cie {
	size_t n;
	uint8_t code[MAX_CODE];
	const char *augmentation; /* NULL: "" */
	size_t data_n;
	uint8_t data[32];
	uint8_t excess;	    /* of what the CIE says of data_n */
	uint8_t version;    /* 0: 1 */
	uint8_t code_align; /* 0: 1 */
	uint8_t data_align; /* 0: -8 */
	uint8_t ra;	    /* 0: that of the machine */
	uint8_t address_size, selector_size;
	bool is_64_bit;
};

#define DATA(...) .data_n = sizeof((uint8_t[]){__VA_ARGS__}), .data = {__VA_ARGS__}

static inline void frame_init(struct frame *frame, bool is_debug_frame)
{
	buf_init(&frame->bytes, MAX_FRAME_BYTES);
	frame->is_debug_frame = is_debug_frame;
	frame->machine = EM_X86_64;
	image_init(&frame->image);
}

static inline void put_uint(struct frame *frame, uint64_t value, size_t n)
{
	assert_int_equal(buf_append(&frame->bytes, &value, n), 0);
}

static inline void put_bytes(struct frame *frame, const void *bytes, size_t n)
{
	assert_int_equal(buf_append(&frame->bytes, bytes, n), 0);
}

/* An entry's length and id; put_end() writes the length. Returns where the entry starts. */
static inline size_t put_head(struct frame *frame, bool is_64_bit, bool is_cie, size_t cie)
{
	size_t start = frame->bytes.len;

	put_uint(frame, is_64_bit ? UINT32_MAX : 0, 4);
	if (is_64_bit)
		put_uint(frame, 0, 8);
	if (!frame->is_debug_frame)
		put_uint(frame, is_cie ? 0 : frame->bytes.len - cie, 4);
	else
		put_uint(frame, is_cie ? UINT64_MAX : cie, is_64_bit ? 8 : 4);
	return start;
}

static inline void put_end(struct frame *frame, size_t start)
{
	uint32_t first;

	memcpy(&first, frame->bytes.data + start, sizeof(first));
	if (first == UINT32_MAX) {
		uint64_t length = frame->bytes.len - start - 12;

		memcpy(frame->bytes.data + start + 4, &length, sizeof(length));
	} else {
		uint32_t length = (uint32_t)(frame->bytes.len - start - 4);

		memcpy(frame->bytes.data + start, &length, sizeof(length));
	}
}

static inline size_t put_cie(struct frame *frame, const struct cie *cie)
{
	size_t start = put_head(frame, cie->is_64_bit, true, 0);
	const char *augmentation = cie->augmentation ? cie->augmentation : "";

	put_uint(frame, cie->version ? cie->version : 1, 1);
	put_bytes(frame, augmentation, strlen(augmentation) + 1);
	if (strncmp(augmentation, "eh", 2) == 0)
		put_uint(frame, 0x1122334455667788, 8);
	if (cie->version == 4) {
		put_uint(frame, cie->address_size ? cie->address_size : 8, 1);
		put_uint(frame, cie->selector_size, 1);
	}
	put_uint(frame, cie->code_align ? cie->code_align : 1, 1);
	put_uint(frame, cie->data_align ? cie->data_align : 0x78, 1);
	put_uint(frame, cie->ra ? cie->ra : frame->machine == EM_X86_64 ? RIP : LR, 1);
	if (*augmentation == 'z')
		put_uint(frame, cie->data_n + cie->excess, 1);
	put_bytes(frame, cie->data, cie->data_n);
	put_bytes(frame, cie->code, cie->n);
	put_end(frame, start);
	return start;
}

/* One whose FDEs have plain addresses of 8 bytes. */
static inline size_t put_plain_cie(struct frame *frame)
{
	static const struct cie x86 = {CODE(X86_ENTRY)}, arm64 = {CODE(ARM64_ENTRY), .code_align = 4};

	return put_cie(frame, frame->machine == EM_X86_64 ? &x86 : &arm64);
}

static inline size_t put_fde(struct frame *frame, size_t cie, uint64_t va, uint64_t size, const uint8_t *code, size_t n)
{
	size_t start = put_head(frame, false, false, cie);

	put_uint(frame, va, 8);
	put_uint(frame, size, 8);
	put_bytes(frame, code, n);
	put_end(frame, start);
	return start;
}

static inline size_t put_empty_fde(struct frame *frame, size_t cie, uint64_t va, uint64_t size)
{
	return put_fde(frame, cie, va, size, NULL, 0);
}

/* The rows of .eh_frame_hdr: pairs of address and place in .eh_frame. */
static inline void put_table(struct frame *frame, const uint64_t (*rows)[2], uint32_t n)
{
	uint8_t *at = frame->image.bytes + TABLE_OFFSET;
	int32_t frame_distance = FRAME_VA - (TABLE_VA + 4);

	memcpy(at, (uint8_t[]){1, 0x1b, 0x03, 0x3b}, 4);
	memcpy(at + 4, &frame_distance, 4);
	memcpy(at + 8, &n, 4);
	for (uint32_t i = 0; i < n; i++) {
		int32_t row[2] = {(int32_t)(rows[i][0] - TABLE_VA), (int32_t)(FRAME_VA + rows[i][1] - TABLE_VA)};

		memcpy(at + 12 + 8 * i, row, sizeof(row));
	}
	image_section(&frame->image, SECTION_PLT, ".eh_frame_hdr",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				   .sh_addr = TABLE_VA,
				   .sh_offset = TABLE_OFFSET,
				   .sh_size = 12 + 8 * n});
}

static inline int frame_fd(struct frame *frame)
{
	int fd;

	image_section(&frame->image, SECTION_DATA, frame->is_debug_frame ? ".debug_frame" : ".eh_frame",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS,
				   .sh_addr = frame->is_debug_frame ? 0 : FRAME_VA,
				   .sh_offset = FRAME_OFFSET,
				   .sh_size = frame->bytes.len});
	image_ehdr(&frame->image)->e_machine = frame->machine;
	fd = image_fd(&frame->image);
	if (frame->bytes.len)
		assert_int_equal(pwrite(fd, frame->bytes.data, frame->bytes.len, FRAME_OFFSET), frame->bytes.len);
	return fd;
}
