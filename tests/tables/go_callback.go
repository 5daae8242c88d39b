// SPDX-License-Identifier: Apache-2.0

// Go calls C, which calls Go, and so on, for tests/tables/go_rows.sh.
package main

/*
extern int up(int);
static int down(int n) { return up(n) + 1; }
*/
import "C"

import (
	"sync"
	"time"
)

//export up
func up(n C.int) C.int {
	if n > 0 {
		return C.down(n - 1)
	}
	return C.int(time.Now().Nanosecond() & 1)
}

func main() {
	var group sync.WaitGroup

	for i := 0; i < 4; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for j := 0; j < 50; j++ {
				print(C.down(C.int(j % 5)))
			}
		}()
	}
	group.Wait()
}
