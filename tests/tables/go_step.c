/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a Go program (not position independent) one instruction at a time, all of its threads, and compares what the
 * rows say of each frame with the calls and returns that were seen. On x86-64; elsewhere it says so.
 *
 *     go_step STEPS PROGRAM [ARGUMENT]...
 *
 * A frame is what a call made: where its CFA is, its return address, the frame pointer at the call, and the frame that
 * called. Calls and returns are known by what they do to sp and ip; a goroutine that is resumed is found by its sp.
 * After every instruction the rule at ip must give the CFA, return address and frame pointer of the thread's frame;
 * every CHAIN_STEPS instructions so must those of all its callers, over switches of stacks and signal frames. */
#include <stdio.h>

#ifndef __x86_64__
int main(void)
{
	fprintf(stderr, "go_step: x86-64 only\n");
	return 2;
}
#else

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/map.h"
#include "base/partition_point.h"
#include "base/vec.h"
#include "elf/elf_file.h"
#include "elf/gopclntab.h"
#include "unwind/go_rows.h"

#define MAX_THREADS 64
#define CHAIN_STEPS 16
#define MAX_CHAIN 128
#define MAX_SIGNALS 4
#define MAX_TOLD 20

struct frame {
	uint64_t cfa, ra, fp;
	const struct frame *caller; /* NULL: not seen */
	bool has_fp;
	bool is_signal; /* a handler: its caller is the frame that was interrupted, at ip and sp */
	uint64_t ip, sp;
};

struct thread {
	pid_t tid;
	struct user_regs_struct regs;
	const struct frame *frame;
	const struct frame *handlers[MAX_SIGNALS];
	size_t n_handlers;
	bool is_known;	  /* regs are those of its last stop */
	bool is_handling; /* a signal is being delivered */
};

struct row {
	uint64_t va;
	struct unwind_rule rule;
};

static struct row_vec VEC(struct row) rows = VEC_INIT(16u << 20);
static struct map frames; /* CFA to the last frame there */
static struct thread threads[MAX_THREADS];
static struct gopclntab *table;
static pid_t child;
static uint64_t steps, checked, chains, chain_frames, in_go, mismatches, unsupported, no_rule, switches, over_signals;

static int add_row(void *ctx, uint64_t elf_va, const struct unwind_rule *rule)
{
	struct row *row = vec_push(&rows);

	(void)ctx;
	if (!row)
		return -ENOMEM;
	*row = (struct row){elf_va, *rule};
	return 0;
}

static const struct unwind_rule *rule_at(uint64_t va)
{
	size_t n;
	uint64_t start, limit;

	gopclntab_range(table, &start, &limit);
	if (va < start || va >= limit)
		return NULL;
	n = partition_point(rows.len, i, rows.items[i].va <= va);
	return n ? &rows.items[n - 1].rule : NULL;
}

static const char *name_of(uint64_t va, uint64_t *ret_start)
{
	static char name[256];
	struct go_function function;
	size_t index;

	name[0] = '\0';
	*ret_start = 0;
	if (!gopclntab_find(table, va, &index) && !gopclntab_function(table, index, &function) &&
	    !gopclntab_name(table, &function, name, sizeof(name)))
		*ret_start = function.start;
	return name;
}

static uint64_t read_word(uint64_t address)
{
	uint64_t word = 0;
	struct iovec to = {&word, sizeof(word)}, from = {(void *)address, sizeof(word)};

	return process_vm_readv(child, &to, 1, &from, 1, 0) == sizeof(word) ? word : 0;
}

/* --- following ---------------------------------------------------------------------------------------------------- */

static struct frame *new_frame(uint64_t cfa, uint64_t ra, const struct frame *caller)
{
	struct frame *frame = calloc(1, sizeof(*frame));
	void *slot;

	if (!frame || map_insert(&frames, &cfa, &slot, NULL))
		abort();
	*frame = (struct frame){.cfa = cfa, .ra = ra, .caller = caller};
	*(struct frame **)slot = frame;
	return frame;
}

static const struct frame *frame_at(uint64_t cfa, uint64_t ra)
{
	struct frame **slot = map_find(&frames, &cfa);

	return slot && (*slot)->ra == ra ? *slot : NULL;
}

/* A goroutine is resumed: behind a call that it made, or for the first time. */
static const struct frame *resumed_frame(const struct user_regs_struct *regs)
{
	const struct frame *call = frame_at(regs->rsp, regs->rip);
	uint64_t start;

	if (call)
		return call->caller;
	name_of(regs->rip, &start);
	return start == regs->rip ? new_frame(regs->rsp + 8, read_word(regs->rsp), NULL) : NULL;
}

static const struct frame *handler_frame(struct thread *thread, const struct user_regs_struct *regs)
{
	struct frame *frame = new_frame(regs->rsp + 8, read_word(regs->rsp), thread->frame);

	frame->is_signal = true;
	frame->ip = thread->regs.rip;
	frame->sp = thread->regs.rsp;
	if (thread->n_handlers == MAX_SIGNALS)
		abort();
	thread->handlers[thread->n_handlers++] = frame;
	return frame;
}

/* Back from a handler: where the signal came, or in a call that the handler made it look like. */
static bool is_back(const struct thread *thread, const struct user_regs_struct *regs)
{
	const struct frame *handler = thread->n_handlers ? thread->handlers[thread->n_handlers - 1] : NULL;

	if (!handler || thread->regs.rsp == regs->rsp)
		return false;
	return (regs->rsp == handler->sp && regs->rip == handler->ip) ||
	       (regs->rsp == handler->sp - 8 && read_word(regs->rsp) == handler->ip);
}

static const struct frame *interrupted_frame(struct thread *thread, const struct user_regs_struct *regs)
{
	const struct frame *handler = thread->handlers[--thread->n_handlers];
	struct frame *frame;

	if (regs->rsp == handler->sp)
		return handler->caller;
	frame = new_frame(handler->sp, handler->ip, handler->caller);
	frame->fp = regs->rbp;
	frame->has_fp = true;
	return frame;
}

static void follow(struct thread *thread, const struct user_regs_struct *now)
{
	const struct user_regs_struct *then = &thread->regs;
	bool has_jumped = now->rip < then->rip || now->rip > then->rip + 15;
	uint64_t start, ra;

	if (thread->is_handling) {
		thread->is_handling = false;
		thread->frame = handler_frame(thread, now);
	} else if (is_back(thread, now)) {
		thread->frame = interrupted_frame(thread, now);
	} else if (now->rsp == then->rsp - 8 && (ra = read_word(now->rsp)) > then->rip && ra <= then->rip + 8 &&
		   (has_jumped || now->rip != ra)) {
		struct frame *frame = new_frame(then->rsp, ra, thread->frame);

		frame->fp = then->rbp;
		frame->has_fp = true;
		thread->frame = frame;
	} else if (thread->frame && now->rsp == thread->frame->cfa && now->rip == thread->frame->ra) {
		thread->frame = thread->frame->caller;
	} else if (has_jumped && strstr(name_of(then->rip, &start), "gogo")) {
		if (!strstr(name_of(now->rip, &start), "gogo"))
			thread->frame = resumed_frame(now);
	}
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

struct state {
	uint64_t ip, sp, fp;
	bool has_fp;
	bool is_exact; /* ip is of an instruction that is about to run, and not behind a call */
};

static void tell_mismatch(const char *what, uint64_t ip, uint64_t is, uint64_t should)
{
	uint64_t start;
	const char *name = name_of(ip, &start);

	if (mismatches++ < MAX_TOLD)
		fprintf(stderr, "step %" PRIu64 ", %s+0x%" PRIx64 ": %s is 0x%" PRIx64 ", the row says 0x%" PRIx64 "\n",
			steps, name, ip - start, what, should, is);
}

/* One frame by its rule. False: there is none, or it ends here. */
static bool step_frame(struct state *state, const struct frame *frame, bool is_first)
{
	const struct unwind_rule *rule = rule_at(state->is_exact ? state->ip : state->ip - 1);
	uint64_t cfa, ra;

	if (!rule)
		return false;
	if (rule->cfa == UNWIND_CFA_STOP)
		return false;
	if (rule->cfa == UNWIND_CFA_NONE || rule->cfa == UNWIND_CFA_UNSUPPORTED) {
		no_rule += rule->cfa == UNWIND_CFA_NONE;
		unsupported += rule->cfa == UNWIND_CFA_UNSUPPORTED;
		return false;
	}
	if (rule->cfa == UNWIND_CFA_SIGNAL)
		return false;
	if (rule->cfa != UNWIND_CFA_SP && !state->has_fp)
		return false;
	cfa = (rule->cfa == UNWIND_CFA_SP ? state->sp : state->fp) + (uint64_t)(int64_t)rule->cfa_off;
	switches += !is_first && rule->cfa == UNWIND_CFA_SWITCH;
	ra = read_word(cfa + (uint64_t)(int64_t)rule->ra_off);
	if (cfa != frame->cfa)
		tell_mismatch("CFA", state->ip, cfa, frame->cfa);
	else if (ra != frame->ra)
		tell_mismatch("return address", state->ip, ra, frame->ra);
	if (rule->fp == UNWIND_FP_SAVED) {
		state->fp = read_word(cfa + (uint64_t)(int64_t)rule->fp_off);
		state->has_fp = true;
	} else if (rule->fp == UNWIND_FP_LOST) {
		state->has_fp = false;
	}
	if (state->has_fp && frame->has_fp && state->fp != frame->fp)
		tell_mismatch("frame pointer", state->ip, state->fp, frame->fp);
	checked++;
	state->ip = ra;
	state->is_exact = rule->ra == UNWIND_RA_EXACT;
	state->sp = cfa;
	return cfa == frame->cfa && ra == frame->ra;
}

static void check(struct thread *thread)
{
	const struct user_regs_struct *regs = &thread->regs;
	struct state state = {regs->rip, regs->rsp, regs->rbp, true, true};
	const struct frame *frame = thread->frame;

	if (!rule_at(regs->rip))
		return;
	in_go++;
	if (!frame)
		return;
	chains += steps % CHAIN_STEPS == 0;
	for (size_t depth = 0; frame && depth < (steps % CHAIN_STEPS ? 1 : MAX_CHAIN); depth++) {
		if (!step_frame(&state, frame, !depth))
			return;
		chain_frames += steps % CHAIN_STEPS == 0;
		if (frame->is_signal) {
			const struct unwind_rule *rule = rule_at(state.ip - 1);
			uint64_t start;

			if (rule && rule->cfa != UNWIND_CFA_SIGNAL)
				tell_mismatch("signal frame", state.ip, 0, 1);
			if (!rule) /* C's */
				return;
			/* struct rt_sigframe: gregs are 40 bytes above; rbp, rsp, rip */
			state = (struct state){read_word(state.sp + 40 + 16 * 8), read_word(state.sp + 40 + 15 * 8),
					       read_word(state.sp + 40 + 10 * 8), true, true};
			/* The handler makes it look like a call: sp first, then ip, and there is one frame more. */
			if (state.sp == frame->sp - 8 &&
			    (state.ip == frame->ip || strstr(name_of(state.ip, &start), "asyncPreempt")))
				return;
			/* A system call that is to go on after the handler: back at its instruction (signal(7),
			 * SA_RESTART). */
			if (state.ip == frame->ip - 2 && (read_word(state.ip) & 0xffff) == 0x050f)
				state.ip = frame->ip;
			if (state.ip != frame->ip || state.sp != frame->sp)
				tell_mismatch("interrupted ip", frame->ip, state.ip, frame->ip);
			over_signals++;
		}
		frame = frame->caller;
	}
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static struct thread *thread_of(pid_t tid)
{
	struct thread *free_one = NULL;

	for (size_t i = 0; i < MAX_THREADS; i++) {
		if (threads[i].tid == tid)
			return &threads[i];
		if (!threads[i].tid && !free_one)
			free_one = &threads[i];
	}
	if (!free_one)
		abort();
	*free_one = (struct thread){.tid = tid};
	return free_one;
}

static void stopped(struct thread *thread, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, thread->tid, NULL, &regs))
		return;
	if (thread->is_known && !event && (signal == SIGTRAP || regs.rip != thread->regs.rip)) {
		steps++;
		follow(thread, &regs);
		thread->regs = regs;
		check(thread);
	}
	thread->regs = regs;
	thread->is_known = true;
	if (signal == SIGTRAP || (signal == SIGSTOP && !thread->frame))
		signal = 0;
	thread->is_handling = signal != 0;
	ptrace(PTRACE_SINGLESTEP, thread->tid, NULL, (void *)(intptr_t)signal);
}

static void run(uint64_t limit)
{
	while (steps < limit) {
		int status;
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid < 0)
			break;
		if (WIFSTOPPED(status))
			stopped(thread_of(tid), status);
		else
			thread_of(tid)->tid = 0;
	}
	kill(child, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
}

static int open_rows(const char *path, struct elf_file **ret_file)
{
	const struct row_sink sink = {add_row, NULL};
	struct go_rows *go = NULL;
	int err = elf_file_open(open(path, O_RDONLY | O_CLOEXEC), ret_file);

	if (!err)
		err = gopclntab_open(*ret_file, &table);
	if (!err)
		err = go_rows_open(*ret_file, &go);
	if (!err)
		err = go_rows_emit(go, 0, UINT64_MAX, &sink);
	go_rows_free(go);
	return err;
}

int main(int argc, char **argv)
{
	struct elf_file *file;
	int err, status;

	if (argc < 3)
		return 2;
	map_init(&frames, sizeof(uint64_t), sizeof(struct frame *), 64u << 20);
	err = open_rows(argv[2], &file);
	if (err) {
		fprintf(stderr, "%s: %s\n", argv[2], err_name(err));
		return 2;
	}
	child = fork();
	if (!child) {
		personality(ADDR_NO_RANDOMIZE);
		if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr) ||
		    ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(127);
		execv(argv[2], argv + 2);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
		fprintf(stderr, "cannot trace %s\n", argv[2]);
		return 2;
	}
	ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL));
	stopped(thread_of(child), status);
	run(strtoull(argv[1], NULL, 10));
	printf("%" PRIu64 " steps, %" PRIu64 " in Go: %" PRIu64 " frames checked, %" PRIu64 " of them in %" PRIu64
	       " stacks, over %" PRIu64 " switches and %" PRIu64 " signals; %" PRIu64 " without rule, %" PRIu64
	       " unsupported, %" PRIu64 " mismatches\n",
	       steps, in_go, checked, chain_frames, chains, switches, over_signals, no_rule, unsupported, mismatches);
	return mismatches ? 1 : 0;
}
#endif
