/* SPDX-License-Identifier: Apache-2.0 */
/* A 32-bit program without any library, so that no 32-bit one is needed. It works, and calls the kernel.
 *
 *      [32-bit], with the kernel's frames below where the sample is in the kernel */
static unsigned int work(unsigned int x)
{
	for (unsigned int i = 0; i < 1000; i++)
		x = x * 1664525u + 1013904223u;
	return x;
}

void _start(void);
__attribute__((force_align_arg_pointer)) void _start(void)
{
	enum { GETPPID = 64 };
	unsigned int result, x = 1;

	for (;;) {
		x += work(x);
		__asm__ volatile("int $0x80" : "=a"(result) : "a"(GETPPID) : "memory");
		x += result;
	}
}
