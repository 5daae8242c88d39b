/* SPDX-License-Identifier: Apache-2.0 */
/* map_and_run FILE SECONDS: maps the page at 0x1000 of the file and spends its time in the function that begins there,
 * which counts its argument down. Whatever else the file says of itself is not looked at. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define CODE_OFFSET 0x1000
#define CODE_BYTES 4096

typedef unsigned long count_down(unsigned long n);

int main(int argc, char **argv)
{
	time_t until = time(NULL) + (argc > 2 ? atoi(argv[2]) : 5);
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	void *code = MAP_FAILED;
	unsigned long sum = 0;

	if (fd >= 0)
		code = mmap(NULL, CODE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, CODE_OFFSET);
	if (code == MAP_FAILED) {
		perror(argc > 1 ? argv[1] : "usage: map_and_run FILE SECONDS");
		return 1;
	}
	while (time(NULL) < until)
		sum += ((count_down *)code)(1000000);
	return sum == 1;
}
