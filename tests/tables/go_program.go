// SPDX-License-Identifier: Apache-2.0

// A program with some of the standard library in it, for tests/tables/go_rows.sh: goroutines, large frames, stacks that
// grow, a panic, the clock. Builds with Go 1.10 and newer.
package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"
)

//go:noinline
func large(n int) int {
	var bytes [70000]byte

	for i := range bytes {
		bytes[i] = byte(i * n)
	}
	sum := 0
	for i := 0; i < n; i++ {
		sum += int(bytes[(i*7919)%len(bytes)])
	}
	return sum
}

func deep(n int) int {
	var bytes [200]byte

	if n == 0 {
		return 1
	}
	bytes[n%len(bytes)] = 1
	return deep(n-1) + int(bytes[1])
}

func fails(p *int) (err error) {
	defer func() { err = fmt.Errorf("%v", recover()) }()
	*p++
	return nil
}

func work(n int) string {
	words := make([]string, 20)

	for i := range words {
		words[i] = fmt.Sprint(time.Now().Nanosecond(), deep(n*50+i))
		runtime.Gosched()
	}
	sort.Strings(words)
	return strings.Join(words, " ")
}

func main() {
	var group sync.WaitGroup

	for i := 0; i < 4; i++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			for j := 0; j < 10; j++ {
				fmt.Println(work(n), fails(nil))
				runtime.GC()
			}
		}(i)
	}
	group.Wait()
	json.NewEncoder(os.Stdout).Encode(map[string]int{"large": large(len(os.Args))})
	fmt.Println(regexp.MustCompile("a+b*").MatchString(os.Args[0]), new(big.Int).Exp(big.NewInt(3), big.NewInt(99), nil))
}
