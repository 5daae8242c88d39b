/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The top of a stack that cannot be walked yet, with its registers: user space walks it when the tables are there, with
 * the code of walk.h. It is read straight into the ring of copies, in records of a few sizes, for the ring wants to
 * know them when the program is loaded. */
#pragma once

#include "scratch.h"

/* Chunks that could not be read in a row: then the stack's end was passed. */
#define STACK_COPY_MAX_GAP 2
/* A main thread's stack is not larger (RLIMIT_STACK, in all but odd cases). */
#define STACK_COPY_MAIN_BYTES (64ULL << 20)
/* Below sp a leaf may have words of its own, by which a rule may go (x86-64 psABI, section 3.2.2). */
#define STACK_COPY_RED_ZONE 128
/* Chunks of the records, the largest apart. A stack takes at most about twice its size of the ring. */
#define STACK_COPY_SMALL 3
#define STACK_COPY_MEDIUM 8
#define STACK_COPY_LARGE 16
#define STACK_COPY_LARGER 32

/* What is wanted of the stack. */
struct stack_copy_request {
	__u64 id, image, base;
	__u32 chunks;
};

/* Room for a record in the ring of copies; NULL: it is full. `size` is a constant. */
SHIM struct stack_copy_record *shim_copies_reserve(__u64 size);
/* The record is complete. */
SHIM void shim_copies_submit(struct stack_copy_record *record);

/* Chunks from `base` to the end of the main thread's stack; of another thread nothing is known. */
static __always_inline __u32 stack_copy_wanted(__u64 base, __u64 start_stack)
{
	__u64 bytes = start_stack - base;

	if (bytes >= STACK_COPY_MAIN_BYTES)
		return STACK_COPY_MEDIUM;
	return bytes / STACK_CHUNK_BYTES >= STACK_COPY_CHUNKS ? STACK_COPY_CHUNKS : bytes / STACK_CHUNK_BYTES + 1;
}

/* The walk that ended left the sample's own registers and ip in the scratch. */
static __always_inline void stack_copy_head(const struct scratch *scratch, const struct stack_copy_request *request,
					    struct stack_copy_record *copy)
{
	__u64 first = scratch->user_frames[0];

	copy->kind = RECORD_STACK_COPY;
	copy->id = request->id;
	copy->image = request->image;
	copy->base = request->base;
	copy->ip = frame_address(first);
	copy->task_size = scratch->walk.task_size;
	copy->is_exact = !frame_is_return(first);
	copy->is_in_exec = scratch->walk.is_in_exec;
	__builtin_memcpy(copy->registers, scratch->registers, sizeof(copy->registers));
	copy->code = 0;
	shim_read_user(&copy->code, sizeof(copy->code), copy->ip);
}

/* Reads up to `wanted` chunks, at most `room` (a constant). */
static __always_inline void stack_copy_read(struct stack_copy_record *copy, __u32 wanted, const __u32 room)
{
	__u64 readable[2] = {};
	__u32 chunks = 0, gap = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < room; i++) {
		if (i >= wanted || gap >= STACK_COPY_MAX_GAP)
			break;
		if (shim_read_user((__u8 *)(copy + 1) + i * STACK_CHUNK_BYTES, STACK_CHUNK_BYTES,
				   copy->base + i * STACK_CHUNK_BYTES)) {
			gap++;
			continue;
		}
		gap = 0;
		readable[i / 64] |= 1ULL << (i % 64);
		chunks = i + 1;
	}
	copy->readable[0] = readable[0];
	copy->readable[1] = readable[1];
	copy->chunks = chunks;
}

/* A record of `room` chunks (a constant). 0: the ring is full. */
static __always_inline __u64 stack_copy_in(const struct scratch *scratch, const struct stack_copy_request *request,
					   const __u32 room)
{
	struct stack_copy_record *copy = shim_copies_reserve(sizeof(*copy) + room * STACK_CHUNK_BYTES);

	if (!copy)
		return 0;
	stack_copy_head(scratch, request, copy);
	stack_copy_read(copy, request->chunks, room);
	shim_copies_submit(copy);
	return request->id;
}

/* The id of the copy that was sent, or 0. A shorter one is better than none. */
VERIFIED_ALONE __u64 stack_copy_send(__u64 image, __u64 id, __u64 start_stack)
{
	const struct scratch *scratch = shim_scratch();
	struct stack_copy_request request = {.id = id, .image = image};
	__u64 sent = 0;

	if (!scratch)
		return 0;
	request.base = (scratch->registers[REGISTER_SP] - STACK_COPY_RED_ZONE) & ~(__u64)(STACK_CHUNK_BYTES - 1);
	request.chunks = stack_copy_wanted(request.base, start_stack);
	if (request.chunks > STACK_COPY_LARGER)
		sent = stack_copy_in(scratch, &request, STACK_COPY_CHUNKS);
	if (!sent && request.chunks > STACK_COPY_LARGE)
		sent = stack_copy_in(scratch, &request, STACK_COPY_LARGER);
	if (!sent && request.chunks > STACK_COPY_MEDIUM)
		sent = stack_copy_in(scratch, &request, STACK_COPY_LARGE);
	if (!sent && request.chunks > STACK_COPY_SMALL)
		sent = stack_copy_in(scratch, &request, STACK_COPY_MEDIUM);
	if (!sent)
		sent = stack_copy_in(scratch, &request, STACK_COPY_SMALL);
	return sent;
}
