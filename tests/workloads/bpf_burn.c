/* SPDX-License-Identifier: Apache-2.0 */
/* bpf_burn SECONDS: loads a BPF program named "burn" and runs it for so long: nearly all samples are in its code. Exits
 * with 77 where the kernel does not let it. */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define N_INSNS 4000
#define REPEAT 20000

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int load(void)
{
	static struct bpf_insn insns[N_INSNS];
	static const char license[] = "GPL";
	union bpf_attr attr;

	insns[0] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1};
	for (int i = 1; i < N_INSNS - 1; i++)
		insns[i] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MUL | BPF_K, .dst_reg = 0, .imm = 3};
	insns[N_INSNS - 1] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = N_INSNS;
	attr.license = (uintptr_t)license;
	memcpy(attr.prog_name, "burn", 5);
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int run(int fd)
{
	static uint8_t packet[64];
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)fd;
	attr.test.data_in = (uintptr_t)packet;
	attr.test.data_size_in = sizeof(packet);
	attr.test.repeat = REPEAT;
	return (int)syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr));
}

int main(int argc, char **argv)
{
	double until = now() + (argc > 1 ? atof(argv[1]) : 1);
	int fd = load();

	if (fd < 0) {
		perror("bpf_burn: load");
		return 77;
	}
	while (now() < until) {
		if (run(fd)) {
			perror("bpf_burn: run");
			return 77;
		}
	}
	return 0;
}
