/* SPDX-License-Identifier: Apache-2.0 */
#include "code_scan_passes.h"

#include <errno.h>
#include <stdlib.h>

#include "unwind/code_scan.h"

#define MAX_FRAMES (UINT16_MAX + 1) /* different ones; what is beyond is lost */
#define MAX_CALLEES (1u << 17)	    /* what is beyond returns */
#define MAX_PADDING 64		    /* bytes */

static uint8_t kept_of(const struct scan_insn *insn)
{
	unsigned int kept = insn->length;

	if (!insn->length || insn->length > INSN_LENGTH)
		return 0;
	if (insn->flow == SCAN_NEXT && !insn->is_padding && !insn->is_landing && !insn->is_sigreturn &&
	    scan_insn_keeps_frame(insn))
		kept |= INSN_PLAIN;
	if (insn->is_padding)
		kept |= INSN_PADDING;
	if (insn->flow == SCAN_CALL || insn->flow == SCAN_INDIRECT)
		kept |= INSN_LEAVES;
	if (insn->flow != SCAN_NEXT && insn->flow != SCAN_BRANCH && insn->flow != SCAN_CALL)
		kept |= INSN_ENDS;
	return (uint8_t)kept;
}

/* Each place is looked at many times, and most instructions are plain. */
size_t scan_decode(const struct scan *scan, size_t place, struct scan_insn *ret)
{
	uint8_t *kept = &scan->insns[place];

	if (*kept & INSN_PLAIN) {
		*ret = (struct scan_insn){.length = *kept & INSN_LENGTH};
	} else {
		scan->machine->decode(scan->region->bytes, scan->region->n, place << scan->machine->shift, ret);
		*kept = kept_of(ret);
	}
	return place + (ret->length ? ret->length >> scan->machine->shift : 1);
}

size_t scan_look(const struct scan *scan, size_t place, uint8_t *ret)
{
	struct scan_insn insn;

	if (!scan->insns[place])
		scan_decode(scan, place, &insn);
	*ret = scan->insns[place];
	return place + (*ret ? (*ret & INSN_LENGTH) >> scan->machine->shift : 1);
}

bool scan_find_target(const struct scan *scan, size_t place, const struct scan_insn *insn, size_t *ret)
{
	int64_t offset = (int64_t)(place << scan->machine->shift) + insn->target;

	if (!insn->has_target || offset < 0 || (uint64_t)offset >> scan->machine->shift >= scan->places)
		return false;
	*ret = (size_t)offset >> scan->machine->shift;
	return true;
}

uint64_t scan_address(const struct scan *scan, size_t place)
{
	return scan->region->va + (place << scan->machine->shift);
}

size_t scan_skip_padding(const struct scan *scan, size_t place)
{
	size_t limit = place + (MAX_PADDING >> scan->machine->shift);

	while (place < scan->places && place < limit && !scan_is_start(scan, place)) {
		uint8_t kept;
		size_t next = scan_look(scan, place, &kept);

		if (!(kept & INSN_PADDING))
			break;
		place = next;
	}
	return place;
}

void scan_set_start(struct scan *scan, size_t place, enum frame_number number)
{
	scan->flags[place] |= START | FIRM;
	scan->frame_of[place] = (uint16_t)number;
}

const struct scan_frame *scan_frame_at(const struct scan *scan, size_t place)
{
	return &scan->frames.items[scan->frame_of[place]];
}

uint16_t scan_frame_number(struct scan *scan, const struct scan_frame *frame)
{
	struct scan_frame *slot;
	uint16_t *number;
	bool is_new;
	int err = map_insert(&scan->numbers, frame, (void **)&number, &is_new);

	if (!err && !is_new)
		return *number;
	slot = err ? NULL : vec_push(&scan->frames);
	if (!slot) {
		if (err != -E2BIG)
			scan->err = -ENOMEM;
		return FRAME_LOST;
	}
	*slot = *frame;
	*number = (uint16_t)(scan->frames.len - 1);
	return *number;
}

int scan_init(struct scan *scan)
{
	const struct scan_frame frames[] = {
		[NOT_REACHED] = {.kind = SCAN_FRAME_LOST},
		[FRAME_LOST] = scan_frame_lost(0),
		[FRAME_ENTRY] = scan_frame_entry(scan->machine),
		[FRAME_SIGNAL] = scan_frame_signal(),
	};

	vec_init(&scan->frames, MAX_FRAMES);
	vec_init(&scan->branches, scan->places / 2 + 1);
	vec_init(&scan->calls, scan->places / 2 + 1);
	map_init(&scan->numbers, sizeof(struct scan_frame), sizeof(uint16_t), MAX_FRAMES);
	map_init(&scan->callees, sizeof(uint64_t), sizeof(struct callee), MAX_CALLEES);
	scan->frame_of = calloc(scan->places, sizeof(*scan->frame_of));
	scan->flags = calloc(scan->places, sizeof(*scan->flags));
	scan->insns = calloc(scan->places, sizeof(*scan->insns));
	if (!scan->frame_of || !scan->flags || !scan->insns)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames) && !scan->err; i++)
		scan_frame_number(scan, &frames[i]);
	return scan->err;
}

void scan_release(struct scan *scan)
{
	free(scan->frame_of);
	free(scan->flags);
	free(scan->insns);
	vec_release(&scan->frames);
	vec_release(&scan->branches);
	vec_release(&scan->calls);
	map_release(&scan->numbers);
	map_release(&scan->callees);
}
