/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Unwind tables as the walk in the kernel reads them, and the same walk on the host. User space writes them into memory
 * that both map; only user space writes, but for the stamps of struct unwind_object and what children inherit.
 *
 *   process key ──► slot ──► mappings, sorted by address      ip - bias = offset in the file
 *                              │
 *                              └─► object ──► directory: one word for each 64 KiB page of the file
 *                                                │
 *                                                └─► page blob: block index, rows {offset in page, rule}
 *                                                                                             │
 *                                                                        rules, shared by all ◄┘
 *
 * Everything is keyed by *file offset*, so that nobody but the parser of the file needs to know its address space.
 * Directories, blobs and mapping arrays lie in segments of 1 MiB; a place in them is counted in units of 8 bytes over
 * all segments. Place 0 is never given out: 0 means "nothing there", which is also what fresh memory says.
 *
 * Publication: what is pointed at is written first, then (after a barrier) the one word that points at it; a reader
 * follows addresses that it loaded, so it sees either nothing or everything. What is taken back is reused only after
 * UNWIND_GRACE_NS, far longer than any walk; and a mapping array repeats the key of its process, an object its
 * generation, so that even a reader that was held up longer does not take one thing for another. */
#pragma once

#include "wire/types.h"

/* --- segments ----------------------------------------------------------------------------------------------------- */

#define UNWIND_SEGMENT_SHIFT 20
#define UNWIND_SEGMENT_BYTES (1u << UNWIND_SEGMENT_SHIFT)
#define UNWIND_MAX_SEGMENTS 1024u /* places have; a store gives out one less */
/* A segment as a map: a reader that masked an offset may load a struct from there. */
#define UNWIND_SEGMENT_SLACK 4096u
#define UNWIND_UNIT_SHIFT 3
#define UNWIND_PLACE_BITS 27 /* segment: 10 bits, unit within it: 17 */
#define UNWIND_GRACE_NS 1000000000ULL

static inline __u32 unwind_place_segment(__u32 place)
{
	return place >> (UNWIND_SEGMENT_SHIFT - UNWIND_UNIT_SHIFT);
}

static inline __u32 unwind_place_offset(__u32 place)
{
	return (place << UNWIND_UNIT_SHIFT) & (UNWIND_SEGMENT_BYTES - 1);
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

/* How the frame's CFA (the caller's sp) is found. */
#define UNWIND_CFA_NONE 0	 /* nothing is known about this code: the frame pointer may tell */
#define UNWIND_CFA_SP 1		 /* sp + cfa_off */
#define UNWIND_CFA_FP 2		 /* fp + cfa_off */
#define UNWIND_CFA_REGISTER 3	 /* register `reg` + cfa_off; rbx as below, others only where all registers are known */
#define UNWIND_CFA_PLT 4	 /* x86-64 lazy PLT: sp + 8, + 8 more where (ip & 15) >= cfa_off */
#define UNWIND_CFA_DEREF_SP 5	 /* *(sp + cfa_off) + ra_off; the return address is at CFA - 8 */
#define UNWIND_CFA_DEREF_FP 6	 /* *(fp + cfa_off) + ra_off; the return address is at CFA - 8 */
#define UNWIND_CFA_SIGNAL 7	 /* the frame that the kernel made for a signal handler */
#define UNWIND_CFA_STOP 8	 /* the first function of a thread: it has no caller */
#define UNWIND_CFA_UNSUPPORTED 9 /* there is a rule but not one of the above, or the file's own rule is broken */
#define UNWIND_CFA_SWITCH 10	 /* fp + cfa_off, on another stack: Go's runtime.systemstack and its like */
#define UNWIND_CFA_FOLDED 11	 /* x86-64: a run of rows in one, see `steps` */
#define UNWIND_CFA_COUNT 12

/* The caller's frame pointer (rbp, x29). */
#define UNWIND_FP_SAME 0
#define UNWIND_FP_SAVED 1 /* at CFA + fp_off */
#define UNWIND_FP_LOST 2
#define UNWIND_FP_AT_FP 3  /* at fp + fp_off: where the stack was realigned, the CFA is no fixed distance away */
#define UNWIND_FP_PUSHED 4 /* FOLDED: SAVED where CFA + fp_off is at or above sp, else SAME */
#define UNWIND_FP_STORED 5 /* FOLDED: SAME before the last step, SAVED from there on */
#define UNWIND_FP_COUNT 6

/* The return address. */
#define UNWIND_RA_SAVED 0    /* at CFA + ra_off */
#define UNWIND_RA_REGISTER 1 /* in `reg`; only where all registers are known */
#define UNWIND_RA_LINK 2     /* arm64: in x30, which is the frame's own in a leaf or an interrupted frame only */
#define UNWIND_RA_EXACT 3    /* at CFA + ra_off, and no return address: what is there was about to run; see below */
#define UNWIND_RA_COUNT 4

/* EXACT on arm64: where ra_off is 0 it is in x30; and what is there had this x30, saved so far below the CFA. */
#define UNWIND_ARM64_SAVED_LINK 16

/* x86-64, kinds SP and FP with a saved return address, and FOLDED: what `reg` says of the caller's rbx. The dynamic
 * linker's lazy binding has its CFA relative to rbx beneath frames of its own: files with such a rule tell it in all of
 * their rules, and no others do. In between: saved at CFA - 8 * reg. */
#define UNWIND_BX_UNKNOWN 0
#define UNWIND_BX_SAME 255

/* Fields that a kind does not use are 0, so that equal rules are equal bytes. NONE, SIGNAL, STOP and UNSUPPORTED use
 * `cfa` alone; PLT uses cfa and cfa_off, its fp is SAME and its return address at CFA - 8 (ra_off -8). */
struct unwind_rule {
	__u8 cfa, fp, ra;
	__u8 reg; /* DWARF number, or UNWIND_BX_* */
	__s32 cfa_off;
	__s16 fp_off;
	__s16 ra_off; /* DEREF: what is added to the word that was read; FOLDED: what the last step is */
	/* FOLDED only, 0 in others. Bit d (1 … 31) is a step: something changes d bytes behind the row's start. */
	__u32 steps;
};

/* A folded rule begins as kind SP with the return address at CFA - 8. Each step moves sp by 8, all in one direction:
 * bit 0 of `steps` says which, 0 pushes (the CFA offset rises), 1 pops. The last step may be another one, as ra_off
 * says: 0 one as the others are (with STORED: only the frame pointer was saved); UNWIND_STEP_TO_FP from there on the
 * CFA is the frame pointer less fp_off; else it moves the CFA offset by 8 * ra_off. */
#define UNWIND_STEPS_POP 1u
#define UNWIND_STEP_TO_FP (-32768)
#define UNWIND_MAX_STEP_DISTANCE 31
#define UNWIND_MAX_RULES 65536u

/* DWARF register numbers (x86-64 psABI figure 3.36; AAPCS64 DWARF section 4.1). */
#define UNWIND_X86_RBX 3
#define UNWIND_X86_RBP 6
#define UNWIND_X86_RSP 7
#define UNWIND_X86_RA 16
#define UNWIND_X86_REGISTERS 17
#define UNWIND_ARM64_FP 29
#define UNWIND_ARM64_LR 30
#define UNWIND_ARM64_SP 31
#define UNWIND_ARM64_REGISTERS 32

static inline __u32 unwind_count_bits(__u32 word)
{
	word -= (word >> 1) & 0x55555555;
	word = (word & 0x33333333) + ((word >> 2) & 0x33333333);
	return (((word + (word >> 4)) & 0x0f0f0f0f) * 0x01010101) >> 24;
}

/* The rule without steps that holds `distance` bytes behind the start of its row, into *plain. */
static inline void unwind_rule_unfold(const struct unwind_rule *rule, __u32 distance, struct unwind_rule *plain)
{
	__u32 steps = rule->steps & ~UNWIND_STEPS_POP, done, moved, fp = rule->fp, offset = rule->cfa_off;
	int is_done;

	*plain = *rule;
	if (rule->cfa != UNWIND_CFA_FOLDED)
		return;
	if (distance > UNWIND_MAX_STEP_DISTANCE)
		distance = UNWIND_MAX_STEP_DISTANCE;
	done = steps & (__u32)((2ULL << distance) - 1);
	is_done = done == steps;
	moved = unwind_count_bits(done);
	if (is_done && (rule->ra_off || fp == UNWIND_FP_STORED))
		moved--;
	offset += 8 * (rule->steps & UNWIND_STEPS_POP ? -moved : moved);
	plain->cfa = UNWIND_CFA_SP;
	if (is_done && rule->ra_off == UNWIND_STEP_TO_FP) {
		plain->cfa = UNWIND_CFA_FP;
		offset = -rule->fp_off;
		fp = UNWIND_FP_SAVED;
	} else if (is_done) {
		offset += 8 * rule->ra_off;
	}
	if (fp == UNWIND_FP_PUSHED)
		fp = (__s32)(offset + rule->fp_off) >= 0 ? UNWIND_FP_SAVED : UNWIND_FP_SAME;
	else if (fp == UNWIND_FP_STORED)
		fp = is_done ? UNWIND_FP_SAVED : UNWIND_FP_SAME;
	plain->fp = fp;
	plain->fp_off = fp == UNWIND_FP_SAVED ? rule->fp_off : 0;
	plain->cfa_off = offset;
	plain->ra_off = -8;
	plain->steps = 0;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* A row: offset in its page, and the rule from there to the next row. */
static inline __u32 unwind_row(__u32 offset, __u32 rule)
{
	return offset | rule << 16;
}

static inline __u32 unwind_row_offset(__u32 row)
{
	return row & 0xffff;
}

static inline __u32 unwind_row_rule(__u32 row)
{
	return row >> 16;
}

#define UNWIND_PAGE_SHIFT 16
#define UNWIND_PAGE_BYTES (1u << UNWIND_PAGE_SHIFT)
#define UNWIND_MAX_PAGES (1u << 17) /* 8 GiB of file */

/* The word of a page in its object's directory:
 *
 *    31 30 | 29 .. 27  | 26 ............ 0
 *    kind  | shift - 5 | ROWS: place of the blob       CONSTANT: rule in the low 16 bits, shift 0
 *
 * A blob is __u16 first[(65536 >> shift) + 1], padded to 4 bytes, then rows. Block b of 1 << shift bytes has the rows
 * first[b] .. first[b + 1]; they are at most UNWIND_MAX_BLOCK_ROWS. The row that holds an offset may be the last one of
 * an earlier block: it is always the row before. Row 0 has offset 0. */
#define UNWIND_PAGE_UNLOADED 0u
#define UNWIND_PAGE_CONSTANT 1u
#define UNWIND_PAGE_ROWS 2u
#define UNWIND_MIN_BLOCK_SHIFT 5
#define UNWIND_MAX_BLOCK_SHIFT 12
#define UNWIND_MAX_BLOCK_ROWS 31
#define UNWIND_MAX_BLOB_BYTES (4u * 65536 + 2 * (65536u >> UNWIND_MIN_BLOCK_SHIFT) + 8)

static inline __u32 unwind_page_kind(__u32 word)
{
	return word >> 30;
}

static inline __u32 unwind_page_block_shift(__u32 word)
{
	return ((word >> UNWIND_PLACE_BITS) & 7) + UNWIND_MIN_BLOCK_SHIFT;
}

static inline __u32 unwind_page_place(__u32 word)
{
	return word & ((1u << UNWIND_PLACE_BITS) - 1);
}

static inline __u32 unwind_page_rows(__u32 place, __u32 block_shift)
{
	return UNWIND_PAGE_ROWS << 30 | (block_shift - UNWIND_MIN_BLOCK_SHIFT) << UNWIND_PLACE_BITS | place;
}

static inline __u32 unwind_page_constant(__u32 rule)
{
	return UNWIND_PAGE_CONSTANT << 30 | rule;
}

/* Bytes of a blob's block index, padded. */
static inline __u32 unwind_index_bytes(__u32 block_shift)
{
	return (2 * ((UNWIND_PAGE_BYTES >> block_shift) + 1) + 3) & ~3u;
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

#define UNWIND_MAX_OBJECTS 8192u

#define UNWIND_OBJECT_UNLOADED 0u /* no table yet */
#define UNWIND_OBJECT_LOADED 1u	  /* `word` has its directory */
#define UNWIND_OBJECT_NONE 2u	  /* there is none to be had: the frame pointer may tell */

/* `word`: 63 .. 48 generation | 47 .. 40 state | 31 .. 0 place of the directory, which is a word for each page.
 * What tells of the directory is written before the word is LOADED, and changed only after it was something else: who
 * reads it looks at the word before and after. */
struct unwind_object {
	__u64 word;
	/* The walk writes these, without care for races between CPUs: they are hints. */
	__u32 used_epoch;  /* the store's epoch at its last use */
	__u32 misses;	   /* walks that lacked a page of it */
	__u32 missed_page; /* the last one of those */
	__u32 first_page;  /* of the directory, in the file */
	__u32 pages;
	__u32 serial; /* no other directory has or had it; not 0, below UNWIND_MAX_SERIAL */
};

#define UNWIND_MAX_SERIAL (1u << 31)

static inline __u64 unwind_object_word(__u32 generation, __u32 state, __u32 place)
{
	return (__u64)generation << 48 | (__u64)state << 40 | place;
}

static inline __u32 unwind_object_generation(__u64 word)
{
	return word >> 48;
}

static inline __u32 unwind_object_state(__u64 word)
{
	return (word >> 40) & 0xff;
}

static inline __u32 unwind_object_directory(__u64 word)
{
	return (__u32)word;
}

/* --- processes ---------------------------------------------------------------------------------------------------- */

#define UNWIND_NO_OBJECT 0xffffffffu /* a mapping without a file: the frame pointer may tell */
#define UNWIND_MAX_MAPPINGS 1024u    /* published of one process; what does not fit is counted */

/* An executable mapping. */
struct unwind_mapping {
	__u64 start;
	__u64 bias;  /* ip - bias is the offset in the file */
	__u32 pages; /* length in units of 4 KiB */
	__u32 object;
	__u32 generation; /* of the object's slot: another one means that the object is gone */
	__u32 pad;
};

/* In front of a process' mappings. Behind it come their starts once more, close together for the search: a __u64 each;
 * then the mappings. */
struct unwind_mappings {
	__u64 key;
	__u32 n;
	__u32 is_partial; /* the process has more than were published */
	__u32 misses;	  /* addresses in none of them; counted by the walk, without care for races */
	__u32 serial;	  /* another one each time that mappings are published; 0: taken back */
	__u32 pad[2];
};

/* A process' slot: two buckets of UNWIND_BUCKET slots each may hold a key (its low half and its high half choose). */
struct unwind_process {
	__u64 key;   /* of struct process_record; never 0 */
	__u32 place; /* of its struct unwind_mappings; 0: none */
	__u32 pad;
};

/* A child that is not published yet has its parent's mappings, those of the moment when it was forked: until it maps or
 * executes anything they are its own. The kernel side writes this when a process forks; its slot is chosen by the key's
 * low bits. Who is in a slot is the last one that came there: two CPUs may even write at once, and then the words do
 * not belong together. So the second one makes sense only with the key, and only as long as its serial is that of the
 * mappings at its place. */
struct unwind_inherited {
	__u64 key;  /* of the child */
	__u64 word; /* key ^ (serial << 32 | place) */
};

#define UNWIND_INHERITED_SLOTS 4096u

static inline __u64 unwind_inherited_word(__u64 key, __u32 place, __u32 serial)
{
	return key ^ ((__u64)serial << 32 | place);
}

#define UNWIND_MAX_PROCESSES 16384u
#define UNWIND_BUCKET 4u
#define UNWIND_BUCKETS (UNWIND_MAX_PROCESSES / UNWIND_BUCKET)

/* Bytes of n mappings, their starts and their head. */
static inline __u32 unwind_mappings_bytes(__u32 n)
{
	return sizeof(struct unwind_mappings) + n * (sizeof(__u64) + sizeof(struct unwind_mapping));
}

static inline __u32 unwind_bucket(__u64 key, __u32 which)
{
	return (which ? key >> 32 : key) & (UNWIND_BUCKETS - 1);
}

_Static_assert(sizeof(struct unwind_rule) == 16, "unwind_rule has no padding of its own");
_Static_assert(sizeof(struct unwind_object) == 32, "unwind_object has no padding of its own");
_Static_assert(sizeof(struct unwind_mapping) == 32, "unwind_mapping has no padding of its own");
_Static_assert(sizeof(struct unwind_mappings) == 32, "unwind_mappings has no padding of its own");
_Static_assert(sizeof(struct unwind_process) == 16, "unwind_process has no padding of its own");
_Static_assert((UNWIND_INHERITED_SLOTS & (UNWIND_INHERITED_SLOTS - 1)) == 0, "keys are masked to a slot");
