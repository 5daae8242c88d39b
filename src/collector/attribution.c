/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/attribution.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/vec.h"
#include "collector/copy_store.h"
#include "collector/jit_code.h"
#include "collector/mapping_set.h"
#include "collector/record_dictionary.h"
#include "collector/unwinding.h"

#define MAX_PENDING (1u << 20)
/* Of the share for records: a sixth is for samples that wait. */
#define WAITING_PART 6
#define MAX_SCANS (256u << 10)
/* How long a sample waits for the mappings of its process. */
#define SCAN_PATIENCE_NS (2 * NSEC_PER_SEC)

struct pending_vec VEC(struct sample_record);

/* A sample whose process is known, and whose mappings are asked for, or the tables that its copied stack needs. */
struct waiting {
	struct sample_record sample;
	struct sample_key key;	      /* but for the user stack */
	struct mapping_set *mappings; /* of the sample's moment, held; NULL: not known yet */
	uint64_t deadline_ns;
	/* Whose table its walk lacked, and the version of that then. */
	uint32_t lacking_slot, slot_version;
};
struct waiting_vec VEC(struct waiting);

/* One message of a scan, with a copy of its bytes. */
struct scanned {
	uint64_t mono_ns;
	uint16_t type; /* MESSAGE_PROCESS, MESSAGE_MAPPINGS or MESSAGE_SCAN_DONE */
	uint32_t tgid; /* of SCAN_DONE */
	void *fixed;
	char *text; /* the cgroup, or the paths */
};
struct scanned_vec VEC(struct scanned);

struct attribution {
	struct attribution_options options;
	struct unwinding *unwinding; /* NULL: none */
	struct attribution_stats stats;
	struct record_dictionary *dictionary;
	struct pending_vec pending;
	struct waiting_vec waiting;
	struct scanned_vec scans; /* in the order in which they came */
	struct copy_store *copies;
};

int attribution_new(const struct attribution_options *options, struct attribution **ret)
{
	struct attribution *attribution = calloc(1, sizeof(*attribution));
	size_t record_bytes = options->record_bytes ? options->record_bytes : ATTRIBUTION_RECORD_BYTES;
	size_t waiting_bytes = record_bytes / WAITING_PART;
	int err;

	if (!attribution)
		return -ENOMEM;
	attribution->options = *options;
	vec_init(&attribution->pending, MAX_PENDING);
	vec_init(&attribution->waiting, waiting_bytes / sizeof(struct waiting));
	vec_init(&attribution->scans, MAX_SCANS);
	err = record_dictionary_new(record_bytes - waiting_bytes, &attribution->dictionary);
	if (!err)
		err = copy_store_new(options->copy_bytes ? options->copy_bytes : ATTRIBUTION_COPY_BYTES,
				     &attribution->copies);
	if (err) {
		attribution_free(attribution);
		return err;
	}
	*ret = attribution;
	return 0;
}

static void scanned_release(struct scanned *scanned)
{
	free(scanned->fixed);
	free(scanned->text);
}

void attribution_free(struct attribution *attribution)
{
	if (!attribution)
		return;
	copy_store_free(attribution->copies);
	vec_for_each (&attribution->waiting, waiting)
		mapping_set_unref(waiting->mappings);
	record_dictionary_free(attribution->dictionary);
	vec_for_each (&attribution->scans, scanned)
		scanned_release(scanned);
	vec_release(&attribution->scans);
	vec_release(&attribution->pending);
	vec_release(&attribution->waiting);
	free(attribution);
}

void attribution_use_unwinding(struct attribution *attribution, struct unwinding *unwinding)
{
	attribution->unwinding = unwinding;
}

/* A record that cannot be kept makes orphans of its samples: counted there. */
static void on_process(void *ctx, const struct process_record *record)
{
	struct attribution *attribution = ctx;

	record_dictionary_add_process(attribution->dictionary, record);
}

static void on_stack(void *ctx, const struct stack_record *record)
{
	struct attribution *attribution = ctx;

	record_dictionary_add_stack(attribution->dictionary, record);
}

static void on_sample(void *ctx, const struct sample_record *record)
{
	struct attribution *attribution = ctx;
	struct sample_record *slot = vec_push(&attribution->pending);

	attribution->stats.received++;
	if (slot)
		*slot = *record;
	else
		attribution->stats.lost[LOSS_store_full]++;
}

/* --- copies of stacks --------------------------------------------------------------------------------------------- */

/* A copy that cannot be kept makes an orphan of its sample. */
static void on_copy(void *ctx, const struct stack_copy_record *record)
{
	struct attribution *attribution = ctx;

	copy_store_add(attribution->copies, record);
}

static void drop_copy(struct attribution *attribution, const struct sample_record *sample)
{
	if (sample->flags & SAMPLE_STACK_COPY)
		copy_store_drop(attribution->copies, sample->user);
}

/* --- located stacks ----------------------------------------------------------------------------------------------- */

struct sampler_sink attribution_sink(struct attribution *attribution)
{
	return (struct sampler_sink){
		.process = on_process, .stack = on_stack, .sample = on_sample, .copy = on_copy, .ctx = attribution};
}

/* Whose sample it is, and what was mapped then. */
struct moment {
	struct process *process;
	struct mapping_set *mappings; /* borrowed; NULL: none are known */
	bool is_last;		      /* what is missing will not come */
	uint64_t now_ns;
	uint32_t lacking_slot; /* of a walk that has to wait */
};

/* What the process says of its code is opened while the process lives. */
static void want_jit_files(struct attribution *attribution, struct process *process, uint64_t now_ns)
{
	struct object *jitdump = object_table_get(attribution->options.objects, process->jitdump);
	const struct mapping *mapping;

	jit_code_want(attribution->options.jit, process, now_ns);
	if (!jitdump || jitdump->state != OBJECT_UNSEEN)
		return;
	mapping = process_find_object(process, jitdump->id);
	if (mapping)
		attribution->options.want_object(attribution->options.ctx, jitdump, process, mapping);
}

/* Generated code: an offset in an object of the process alone. */
static void locate_jit_frame(struct attribution *attribution, const struct moment *moment, uint64_t ip, int is_return,
			     uint64_t *ret)
{
	uint32_t id = jit_code_object(attribution->options.jit, moment->process, ip - (uint64_t)is_return);
	const struct object *object = object_table_get(attribution->options.objects, id);

	want_jit_files(attribution, moment->process, moment->now_ns);
	if (object && ip - object->base <= FRAME_OFFSET_MAX)
		*ret = frame_from_object(FRAME_FILE, id, ip - object->base, is_return);
}

static bool has_jit_code(const struct attribution *attribution, const struct process *process)
{
	const struct mapping *mappings;
	size_t n;

	mappings = process_mappings(process, &n);
	for (size_t i = 0; i < n; i++) {
		const struct object *object = object_table_get(attribution->options.objects, mappings[i].object);

		if (object && jit_code_is(object))
			return true;
	}
	return false;
}

/* The word of one frame: an address in a file becomes the file and the offset in it. false: the address is in no
 * mapping. Code of which nobody says what it is keeps its address. */
static bool locate_frame(struct attribution *attribution, const struct moment *moment, uint64_t word, uint64_t *ret)
{
	int is_return = frame_is_return(word);
	uint64_t ip = frame_address(word), offset;
	const struct mapping *mapping = mapping_set_find(moment->mappings, ip - (uint64_t)is_return);
	struct object *object;

	if (!mapping)
		return false;
	*ret = word;
	object = object_table_get(attribution->options.objects, mapping->object);
	if (object && attribution->options.jit && jit_code_is(object))
		locate_jit_frame(attribution, moment, ip, is_return, ret);
	if (!object || object->kind == OBJECT_ANONYMOUS)
		return true;
	object->is_sampled = true;
	if (object->state == OBJECT_UNSEEN)
		attribution->options.want_object(attribution->options.ctx, object, moment->process, mapping);
	offset = ip - mapping->start + mapping->file_off;
	if (offset <= FRAME_OFFSET_MAX)
		*ret = frame_from_object(FRAME_FILE, object->id, offset, is_return);
	return true;
}

/* Locates all frames. A frame-pointer step may be led astray: a caller outside every executable mapping is none, and
 * the stack ends there. Of a process whose mappings never became known nothing can be said, so its addresses stay. */
static void locate_stack(struct attribution *attribution, const struct moment *moment, const uint64_t *frames,
			 uint16_t n_frames, uint64_t *words, struct stored_stack *ret)
{
	bool has_mappings = moment->mappings && !mapping_set_is_empty(moment->mappings);
	uint16_t n;

	for (n = 0; n < n_frames; n++) {
		if (!has_mappings) {
			words[n] = frames[n];
		} else if (!locate_frame(attribution, moment, frames[n], &words[n])) {
			if (n) {
				ret->end = UNWIND_END_NOT_CODE;
				break;
			}
			words[n] = frame_from_address(0, 0);
			count(COUNTER_frames_unmapped);
		}
	}
	ret->words = words;
	ret->n = n;
}

static enum loss loss_of(int err)
{
	(void)err; /* no memory and no room are one cause for the user: the store is full */
	return LOSS_store_full;
}

/* Walks the copy of a stack that the kernel could not walk. -EAGAIN: not yet. */
static int walk_copy(struct attribution *attribution, struct moment *moment, const struct sample_record *sample,
		     uint64_t *words, struct stored_stack *ret)
{
	const struct stack_copy_record *copy = copy_store_get(attribution->copies, sample->user);
	struct host_walk_result walked;
	int err;

	if (!copy)
		return -ENOENT;
	if (!attribution->unwinding) {
		*ret = (struct stored_stack){.end = UNWIND_END_PROCESS_UNKNOWN};
		locate_stack(attribution, moment, &(uint64_t){frame_from_address(copy->ip, !copy->is_exact)}, 1, words,
			     ret);
		return 0;
	}
	err = unwinding_walk(attribution->unwinding, moment->process, moment->mappings, copy, moment->is_last,
			     moment->now_ns, &walked);
	moment->lacking_slot = walked.lacking_slot;
	if (err)
		return err;
	*ret = (struct stored_stack){.end = (uint8_t)walked.end};
	locate_stack(attribution, moment, walked.frames, (uint16_t)walked.n, words, ret);
	return 0;
}

static int store_user_stack(struct attribution *attribution, struct moment *moment, const struct sample_record *sample,
			    uint32_t *ret_id, uint8_t *ret_end)
{
	uint64_t words[MAX_USER_FRAMES];
	const struct stack_record *record;
	struct stored_stack stack;
	int err;

	*ret_id = STACK_NONE;
	*ret_end = UNWIND_END_NOT_ASKED;
	if (!sample->user)
		return 0;
	if (sample->flags & SAMPLE_STACK_COPY) {
		err = walk_copy(attribution, moment, sample, words, &stack);
		if (err)
			return err;
	} else {
		record = record_dictionary_stack(attribution->dictionary, sample->user);
		if (!record || record->words > MAX_USER_FRAMES || record->end >= UNWIND_END_COUNT)
			return -ENOENT;
		stack = (struct stored_stack){.end = record->end};
		locate_stack(attribution, moment, (const uint64_t *)record->frames, record->words, words, &stack);
		if (stack.end == UNWIND_END_COMPAT_TASK && !stack.n) /* one frame stands for the code of the process */
			words[stack.n++] = frame_from_address(0, 0);
	}
	*ret_end = stack.end;
	err = stack_store_add_stack(attribution->options.store, &stack, ret_id);
	if (err != -E2BIG)
		return err;
	*ret_end = UNWIND_END_OVER_BUDGET;
	*ret_id = STACK_FOLDED;
	return 0;
}

static int store_kernel_stack(struct attribution *attribution, const struct sample_record *sample, uint32_t *ret_id)
{
	const struct stack_record *record;
	struct stored_stack stack;
	int err;

	*ret_id = STACK_NONE;
	if (!sample->kernel)
		return 0;
	record = record_dictionary_stack(attribution->dictionary, sample->kernel);
	if (!record)
		return -ENOENT;
	stack = (struct stored_stack){
		.words = (const uint64_t *)record->frames, .n = record->words, .end = record->end, .is_kernel = 1};
	err = stack_store_add_stack(attribution->options.store, &stack, ret_id);
	if (err == -E2BIG)
		*ret_id = STACK_FOLDED;
	return err == -E2BIG ? 0 : err;
}

static void count_lost(struct attribution *attribution, const struct sample_record *sample, enum loss loss)
{
	attribution->stats.lost[loss]++;
	drop_copy(attribution, sample);
}

/* All of the key but the user stack: what the dictionary holds may be gone when a copied stack can be walked. */
static int make_key(struct attribution *attribution, struct process *process, const struct process_record *record,
		    const struct sample_record *sample, struct sample_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->process = process;
	ret->tid = sample->tid;
	ret->source = sample->source;
	ret->cpu = UINT16_MAX;
	if (sample->tid)
		memcpy(ret->thread_comm, record->thread_comm, sizeof(ret->thread_comm));
	return store_kernel_stack(attribution, sample, &ret->kernel_stack);
}

/* Of a sample whose kernel part does not fit only the process is known: its user part alone would seem to have run. */
static void give_up_stacks(struct sample_key *key, uint8_t *ret_end)
{
	key->user_stack = STACK_FOLDED;
	key->kernel_stack = STACK_NONE;
	*ret_end = UNWIND_END_OVER_BUDGET;
}

/* false: what its stack needs is not there yet; nothing was counted. */
static bool store_sample(struct attribution *attribution, struct moment *moment, const struct sample_record *sample,
			 struct sample_key *key)
{
	uint8_t end;
	int err = store_user_stack(attribution, moment, sample, &key->user_stack, &end);

	if (err == -EAGAIN)
		return false;
	if (!err && key->kernel_stack == STACK_FOLDED)
		give_up_stacks(key, &end);
	if (!err)
		err = stack_store_count(attribution->options.store, key, 1, sample->weight);
	if (err) {
		count_lost(attribution, sample, err == -ENOENT ? LOSS_orphan : loss_of(err));
		return true;
	}
	drop_copy(attribution, sample);
	attribution->stats.stored++;
	attribution->stats.by_end[end]++;
	return true;
}

static bool is_unscanned(const struct process *process, const struct sample_record *sample)
{
	return process->needs_scan && sample->user;
}

/* Until there is something new to walk by. */
static void await_table(const struct attribution *attribution, const struct moment *moment, struct waiting *waiting)
{
	waiting->lacking_slot = moment->lacking_slot;
	waiting->slot_version = unwinding_slot_version(attribution->unwinding, moment->lacking_slot);
}

/* The leaf of a stack that waits is known already. */
static void foresee_jit_code(struct attribution *attribution, const struct moment *moment,
			     const struct sample_record *sample)
{
	const struct stack_copy_record *copy =
		sample->flags & SAMPLE_STACK_COPY ? copy_store_head(attribution->copies, sample->user) : NULL;
	const struct mapping *mapping = copy && moment->mappings ? mapping_set_find(moment->mappings, copy->ip) : NULL;
	const struct object *object = mapping ? object_table_get(attribution->options.objects, mapping->object) : NULL;

	if (attribution->options.jit && object && jit_code_is(object))
		want_jit_files(attribution, moment->process, moment->now_ns);
}

/* Stores the sample, or lets it wait for its process' mappings, or for the tables of its stack. */
static void store_or_wait(struct attribution *attribution, struct sample_key *key, const struct sample_record *sample,
			  uint64_t now_ns)
{
	struct process *process = key->process;
	bool awaits_scan = is_unscanned(process, sample);
	struct moment moment = {.process = process, .mappings = process->mappings, .now_ns = now_ns};
	struct waiting *waiting;

	if (!awaits_scan && store_sample(attribution, &moment, sample, key))
		return;
	waiting = vec_push(&attribution->waiting);
	if (!waiting) {
		moment.is_last = true;
		store_sample(attribution, &moment, sample, key);
		return;
	}
	foresee_jit_code(attribution, &moment, sample);
	*waiting = (struct waiting){.sample = *sample,
				    .key = *key,
				    .deadline_ns = now_ns + (awaits_scan ? SCAN_PATIENCE_NS : UNWINDING_PATIENCE_NS)};
	if (awaits_scan)
		return;
	await_table(attribution, &moment, waiting);
	if (process->mappings)
		waiting->mappings = mapping_set_ref(process->mappings);
}

/* Finds the process, and publishes it for the walks to come. */
static void take_sample(struct attribution *attribution, const struct sample_record *sample, uint64_t now_ns)
{
	const struct process_record *record = record_dictionary_process(attribution->dictionary, sample->process);
	struct process *process;
	struct sample_key key;
	bool had_samples;
	int err;

	if (!record) {
		count_lost(attribution, sample, LOSS_orphan);
		return;
	}
	process = registry_attribute(attribution->options.registry, record, sample->mono_ns);
	if (!process) {
		count_lost(attribution, sample, LOSS_process_table_full);
		return;
	}
	had_samples = process->has_stored_samples;
	process->has_stored_samples = true;
	attribution->stats.processes += !had_samples;
	if (!attribution->stats.first_stored_ns)
		attribution->stats.first_stored_ns = now_ns;
	if (is_unscanned(process, sample) && !process->scan_asked) {
		attribution->options.want_scan(attribution->options.ctx, process);
		process->scan_asked = true;
	}
	/* A stack that has to wait for its tables may outlive its process. */
	if (attribution->options.jit && !had_samples && has_jit_code(attribution, process))
		want_jit_files(attribution, process, now_ns);
	if (attribution->unwinding && !process->needs_scan && sample->user)
		unwinding_publish(attribution->unwinding, process, record->image, now_ns);
	err = make_key(attribution, process, record, sample, &key);
	if (err)
		count_lost(attribution, sample, err == -ENOENT ? LOSS_orphan : loss_of(err));
	else
		store_or_wait(attribution, &key, sample, now_ns);
}

/* One of those that wait; true: it still does. */
static bool keeps_waiting(struct attribution *attribution, struct waiting *waiting, uint64_t now_ns)
{
	bool is_due = now_ns >= waiting->deadline_ns;
	struct process *process = waiting->key.process;
	struct moment moment = {.process = process, .mappings = waiting->mappings, .is_last = is_due, .now_ns = now_ns};

	if (!waiting->mappings) {
		if (is_unscanned(process, &waiting->sample) && !is_due)
			return true;
		/* The scan came. Now it may turn out that tables are missing. */
		moment.mappings = process->mappings;
		moment.is_last = now_ns == UINT64_MAX;
		waiting->deadline_ns = now_ns + UNWINDING_PATIENCE_NS;
		if (moment.mappings)
			waiting->mappings = mapping_set_ref(moment.mappings);
		else
			moment.is_last = true;
	}
	if (!store_sample(attribution, &moment, &waiting->sample, &waiting->key)) {
		await_table(attribution, &moment, waiting);
		return true;
	}
	mapping_set_unref(waiting->mappings);
	return false;
}

/* Stores the waiting samples that are due: their process was scanned, their tables came, or patience ended. */
static void store_waiting(struct attribution *attribution, uint64_t now_ns)
{
	struct waiting_vec *waiting = &attribution->waiting;
	size_t kept = 0;

	for (size_t i = 0; i < waiting->len; i++) {
		struct waiting *one = &waiting->items[i];
		bool is_idle = one->mappings && now_ns < one->deadline_ns &&
			       one->slot_version == unwinding_slot_version(attribution->unwinding, one->lacking_slot);

		if (is_idle || keeps_waiting(attribution, one, now_ns))
			waiting->items[kept++] = *one;
	}
	waiting->len = kept;
}

static int by_time(const void *a, const void *b)
{
	const struct sample_record *x = a, *y = b;

	return (x->mono_ns > y->mono_ns) - (x->mono_ns < y->mono_ns);
}

static void apply_records(struct attribution *attribution, struct sideband *sideband, uint64_t until_ns)
{
	const struct attribution_options *options = &attribution->options;
	struct sideband_record record;

	while (sideband_next(sideband, until_ns, &record)) {
		switch (record.type) {
		case SIDEBAND_KSYMBOL:
			options->on_ksymbol(options->ctx, &record);
			break;
		case SIDEBAND_LOST:
			options->on_records_lost(options->ctx);
			break;
		default:
			registry_apply(options->registry, &record);
		}
	}
}

/* --- scans -------------------------------------------------------------------------------------------------------- */

static int keep_scanned(struct attribution *attribution, struct scanned scanned, const void *fixed, size_t fixed_len,
			const char *text, size_t text_len)
{
	struct scanned *slot;

	scanned.fixed = malloc(fixed_len + 1);
	scanned.text = malloc(text_len + 1);
	slot = scanned.fixed && scanned.text ? vec_push(&attribution->scans) : NULL;
	if (!slot) {
		scanned_release(&scanned);
		return -ENOMEM;
	}
	memcpy(scanned.fixed, fixed, fixed_len);
	memcpy(scanned.text, text, text_len);
	scanned.text[text_len] = 0;
	*slot = scanned;
	return 0;
}

int attribution_scan_process(struct attribution *attribution, const struct message_process *process, const char *cgroup)
{
	const struct scanned scanned = {.mono_ns = process->scanned_mono_ns, .type = MESSAGE_PROCESS};

	return keep_scanned(attribution, scanned, process, sizeof(*process), cgroup, strlen(cgroup));
}

int attribution_scan_mappings(struct attribution *attribution, const struct message_mappings *mappings,
			      const char *paths)
{
	const struct scanned scanned = {.mono_ns = mappings->scanned_mono_ns, .type = MESSAGE_MAPPINGS};
	size_t paths_len = 0;

	for (uint32_t i = 0; i < mappings->n; i++)
		paths_len += mappings->mappings[i].path_len;
	return keep_scanned(attribution, scanned, mappings,
			    sizeof(*mappings) + mappings->n * sizeof(mappings->mappings[0]), paths, paths_len);
}

int attribution_scan_done(struct attribution *attribution, uint32_t tgid, uint64_t now_ns)
{
	const struct scanned scanned = {.mono_ns = now_ns, .type = MESSAGE_SCAN_DONE, .tgid = tgid};

	return keep_scanned(attribution, scanned, "", 0, "", 0);
}

static void apply_scanned(struct attribution *attribution, const struct scanned *scanned)
{
	struct registry *registry = attribution->options.registry;
	struct process *process;

	switch (scanned->type) {
	case MESSAGE_PROCESS:
		registry_add_scanned(registry, scanned->fixed, scanned->text);
		break;
	case MESSAGE_MAPPINGS:
		registry_add_scanned_mappings(registry, scanned->fixed, scanned->text);
		break;
	case MESSAGE_SCAN_DONE:
		/* All generations of the pid: whoever waits has what is to be had. */
		for (process = registry_find(registry, scanned->tgid); process; process = process->older)
			process->needs_scan = false;
		break;
	}
}

static void apply_scans(struct attribution *attribution, uint64_t until_ns)
{
	struct scanned_vec *scans = &attribution->scans;
	size_t done = 0;

	for (; done < scans->len && scans->items[done].mono_ns <= until_ns; done++) {
		apply_scanned(attribution, &scans->items[done]);
		scanned_release(&scans->items[done]);
	}
	if (!done)
		return;
	memmove(scans->items, scans->items + done, (scans->len - done) * sizeof(*scans->items));
	scans->len -= done;
}

/* --- time -----------------------------------------------------------------------------------------------------------
 */

/* What tables leave free of their share. */
static size_t free_table_bytes(const struct attribution *attribution)
{
	struct unwinding_stats stats;

	if (!attribution->unwinding)
		return 0;
	unwinding_get_stats(attribution->unwinding, &stats);
	return stats.store.table_bytes < attribution->options.table_bytes
		       ? attribution->options.table_bytes - stats.store.table_bytes
		       : 0;
}

static void share_memory(struct attribution *attribution)
{
	const struct attribution_options *options = &attribution->options;
	size_t registry = registry_memory_bytes(options->registry) + object_table_memory_bytes(options->objects);
	size_t least = options->stack_bytes / 4, stacks, left;
	size_t others = registry > options->registry_bytes ? registry - options->registry_bytes : 0;

	if (!options->stack_bytes)
		return;
	stacks = 3 * least > others + least ? 3 * least - others : least;
	stack_store_set_limit(options->store, stacks);
	stacks = stack_store_memory_bytes(options->store) + others;
	left = options->stack_bytes > stacks + least ? options->stack_bytes - stacks : least;
	copy_store_set_limit(attribution->copies, left + free_table_bytes(attribution) / 2);
}

void attribution_step(struct attribution *attribution, struct sideband *sideband, uint64_t until_ns, uint64_t now_ns)
{
	struct pending_vec *pending = &attribution->pending;
	size_t done = 0;

	if (pending->len)
		qsort(pending->items, pending->len, sizeof(*pending->items), by_time);
	while (done < pending->len && pending->items[done].mono_ns <= until_ns) {
		apply_records(attribution, sideband, pending->items[done].mono_ns);
		take_sample(attribution, &pending->items[done], now_ns);
		done++;
	}
	apply_records(attribution, sideband, until_ns);
	apply_scans(attribution, until_ns);
	if (done) {
		memmove(pending->items, pending->items + done, (pending->len - done) * sizeof(*pending->items));
		pending->len -= done;
	}
	store_waiting(attribution, now_ns);
	share_memory(attribution);
}

void attribution_flush(struct attribution *attribution)
{
	store_waiting(attribution, UINT64_MAX);
}

size_t attribution_waiting(const struct attribution *attribution)
{
	return attribution->waiting.len;
}

void attribution_next_epoch(struct attribution *attribution)
{
	record_dictionary_next_epoch(attribution->dictionary);
}

bool attribution_wants_epoch(const struct attribution *attribution)
{
	if (!record_dictionary_is_filling(attribution->dictionary))
		return false;
	/* Those that wait for a scan will look up their frames. */
	for (size_t i = 0; i < attribution->waiting.len; i++)
		if (!attribution->waiting.items[i].mappings)
			return false;
	return true;
}

void attribution_get_stats(const struct attribution *attribution, struct attribution_stats *ret)
{
	const uint64_t *folded = stack_store_folded(attribution->options.store);

	*ret = attribution->stats;
	for (size_t end = 0; end < UNWIND_END_COUNT; end++) {
		ret->by_end[end] -= folded[end];
		ret->by_end[UNWIND_END_OVER_BUDGET] += folded[end];
	}
}

size_t attribution_memory_bytes(const struct attribution *attribution)
{
	return record_dictionary_memory_bytes(attribution->dictionary) +
	       attribution->pending.cap * sizeof(*attribution->pending.items) +
	       attribution->waiting.cap * sizeof(*attribution->waiting.items) +
	       copy_store_memory_bytes(attribution->copies);
}
