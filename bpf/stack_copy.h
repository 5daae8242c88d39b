/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The top of a stack that cannot be walked yet, with its registers: user space walks it when the tables are there, with
 * the code of walk.h. */
#pragma once

#include "scratch.h"

/* Chunks that could not be read in a row: then the stack's end was passed. */
#define STACK_COPY_MAX_GAP 8
/* A main thread's stack is not larger (RLIMIT_STACK, in all but odd cases). */
#define STACK_COPY_MAIN_BYTES (64ULL << 20)

struct stack_copy {
	__u64 made; /* on this CPU */
	struct stack_copy_record head;
	__u8 bytes[STACK_COPY_CHUNKS * STACK_CHUNK_BYTES];
};

/* The CPU's room for a copy. */
SHIM struct stack_copy *shim_copy_room(void);
/* Copies the record into the ring of copies; negative when it is full. */
SHIM long shim_copies_output(void *record, __u64 size);

/* Chunks from `base` to the end of the main thread's stack; of another thread nothing is known. */
static __always_inline __u32 stack_copy_wanted(__u64 base, __u64 start_stack)
{
	__u64 bytes = start_stack - base;

	if (bytes >= STACK_COPY_MAIN_BYTES || bytes / STACK_CHUNK_BYTES >= STACK_COPY_CHUNKS)
		return STACK_COPY_CHUNKS;
	return bytes / STACK_CHUNK_BYTES + 1;
}

/* Reads up to `wanted` chunks from head.base. */
VERIFIED_ALONE int stack_copy_read(__u32 wanted)
{
	struct stack_copy *copy = shim_copy_room();
	__u32 readable = 0, chunks = 0, gap = 0;

	if (!copy)
		return 0;
	for (__u32 i = 0; i < STACK_COPY_CHUNKS; i++) {
		if (i >= wanted || gap >= STACK_COPY_MAX_GAP)
			break;
		if (shim_read_user(copy->bytes + i * STACK_CHUNK_BYTES, STACK_CHUNK_BYTES,
				   copy->head.base + i * STACK_CHUNK_BYTES)) {
			gap++;
			continue;
		}
		gap = 0;
		readable |= 1u << i;
		chunks = i + 1;
	}
	copy->head.readable = readable;
	copy->head.chunks = chunks;
	return 0;
}

/* The id of the copy that was sent, or 0. The walk that ended left the sample's own registers and ip in the scratch. */
static __always_inline __u64 stack_copy_make(struct scratch *scratch, __u64 image, __u32 cpu, __u64 start_stack)
{
	struct stack_copy *copy = shim_copy_room();
	__u64 first = scratch->user_frames[0], chunks;

	if (!copy)
		return 0;
	copy->head.kind = RECORD_STACK_COPY;
	copy->head.id = (__u64)(cpu + 1) << 48 | ++copy->made;
	copy->head.image = image;
	copy->head.ip = frame_address(first);
	copy->head.task_size = scratch->walk.task_size;
	copy->head.base = scratch->registers[REGISTER_SP] & ~(__u64)(STACK_CHUNK_BYTES - 1);
	copy->head.is_exact = !frame_is_return(first);
	copy->head.is_in_exec = scratch->walk.is_in_exec;
	__builtin_memcpy(copy->head.registers, scratch->registers, sizeof(copy->head.registers));
	copy->head.code = 0;
	shim_read_user(&copy->head.code, sizeof(copy->head.code), copy->head.ip);
	stack_copy_read(stack_copy_wanted(copy->head.base, start_stack));
	chunks = copy->head.chunks;
	asm volatile("" : "+r"(chunks));
	if (chunks > STACK_COPY_CHUNKS)
		return 0;
	if (shim_copies_output(&copy->head, sizeof(copy->head) + chunks * STACK_CHUNK_BYTES))
		return 0;
	return copy->head.id;
}
