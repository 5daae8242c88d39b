/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "ipc/batch.h"
#include "ipc/summary.h"
#include "ipc/usage.h"
#include "resolver/builder.h"
#include "resolver/jit_names.h"
#include "resolver/kernel_names.h"

#define USAGE_INTERVAL_NS (100 * NSEC_PER_MSEC)

struct output_context {
	struct resolver *resolver;
	uint64_t batch;
	uint64_t told_ns; /* when the collector was last told what we use */
};

/* A batch is when memory peaks, so its use is told meanwhile. */
static int tell_usage(struct output_context *context)
{
	uint64_t now_ns = clock_mono_ns(&clock_system);
	struct message_pong pong;

	if (context->told_ns && now_ns - context->told_ns < USAGE_INTERVAL_NS)
		return 0;
	context->told_ns = now_ns;
	usage_read(&context->resolver->usage, &pong);
	return channel_send(context->resolver->channel, MESSAGE_PONG, 0, &pong, sizeof(pong), -1);
}

static int send_output(void *ctx, uint32_t sequence, uint32_t output, const char *name, uint64_t samples, int fd)
{
	struct {
		struct message_output head;
		char name[256];
	} message = {0};
	struct output_context *context = ctx;
	size_t len = strlen(name);
	int err = tell_usage(context);

	if (err)
		return err;
	if (len > sizeof(message.name))
		return -ENAMETOOLONG;
	message.head = (struct message_output){.batch = context->batch,
					       .sequence = sequence,
					       .output = output,
					       .samples = samples,
					       .name_len = (uint32_t)len};
	memcpy(message.name, name, len);
	return channel_send(context->resolver->channel, MESSAGE_OUTPUT, 0, &message, sizeof(message.head) + len, fd);
}

static int send_summary(struct resolver *resolver, uint64_t batch, const struct summary *summary)
{
	const struct message_summary head = {.batch = batch};
	auto_close int fd = -1;
	int err = summary_write(summary, &fd);

	return err ? err : channel_send(resolver->channel, MESSAGE_SUMMARY, 0, &head, sizeof(head), fd);
}

static int build(struct resolver *resolver, const struct message_batch *request, int fd, struct builder_result *result)
{
	struct output_context context = {.resolver = resolver, .batch = request->batch};
	const struct builder_sink sink = {.output = send_output, .ctx = &context};
	auto_free struct summary *summary = calloc(1, sizeof(*summary));
	struct batch batch;
	int err = summary ? batch_read(fd, &batch) : -ENOMEM;

	if (err)
		return err;
	kernel_names_begin_batch(resolver->kernel, &batch);
	jit_names_begin_batch(resolver->jit, batch.info.end_mono_ns);
	err = builder_run(&batch, resolver->cache, resolver->jit, resolver->kernel, request->skip,
			  resolver->naming_bytes, &sink, summary, result);
	if (!err)
		err = send_summary(resolver, request->batch, summary);
	batch_release(&batch);
	return err;
}

int resolver_on_batch(struct resolver *resolver, const struct message *message)
{
	const struct message_batch request = *(const struct message_batch *)message->payload;
	struct message_batch_done done = {.batch = request.batch};
	struct builder_result result = {0};
	int err;

	resolver_limit(resolver, resolver->naming_bytes);
	err = resolver_parse_all(resolver);
	if (err)
		return err;
	done.err = build(resolver, &request, message->fd, &result);
	if (done.err == -EPIPE)
		return done.err;
	done.outputs = result.outputs;
	done.frames_named = result.frames_named;
	done.frames_unnamed = result.frames_unnamed;
	done.samples = result.samples;
	return channel_send(resolver->channel, MESSAGE_BATCH_DONE, message->id, &done, sizeof(done), -1);
}
