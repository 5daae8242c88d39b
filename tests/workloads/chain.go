// SPDX-License-Identifier: Apache-2.0

// Goroutines whose stacks grow, closures, deferred functions, an interface, and functions too small for a frame.
//
//	runtime.goexit main.main.func1 main.worker
//	    main.recurse (40 times) main.visit main.(*square).area main.spin
//	    main.recurse (40 times) main.visit main.(*cube).area main.tiny
//	    main.deferred main.deferred.func1 main.spin
//	    main.deferred main.tiny
//	    main.sorts [go]+ main.sorts.func1 main.spin
//
// and the runtime's, which has stacks of its own for what it does.
package main

import "sort"

//go:noinline
func spin(x uint64) uint64 {
	for i := 0; i < 500; i++ {
		x = x*6364136223846793005 + 1
	}
	return x
}

//go:noinline
func tiny(x uint64) uint64 { return x + 1 }

type shape interface{ area(x uint64) uint64 }
type square struct{ n uint64 }
type cube struct{ n uint64 }

//go:noinline
func (s *square) area(x uint64) uint64 { return spin(x) * s.n }

//go:noinline
func (c *cube) area(x uint64) uint64 {
	for i := 0; i < 100; i++ {
		x += tiny(x)
	}
	return x * c.n
}

//go:noinline
func visit(s shape, x uint64) uint64 { return s.area(x) + 1 }

//go:noinline
func recurse(depth int, s shape, x uint64) uint64 {
	var room [9]uint64
	room[depth%9] = x
	if depth <= 1 {
		return visit(s, x) + room[x%9]
	}
	return recurse(depth-1, s, x+1) + room[x%9]
}

//go:noinline
func deferred(x uint64) (sum uint64) {
	defer func() { sum += spin(x) }()
	return tiny(x)
}

//go:noinline
func sorts(x uint64) uint64 {
	values := make([]int, 50)
	for i := range values {
		x = x*6364136223846793005 + 1
		values[i] = int(x >> 1)
	}
	sort.Slice(values, func(i, j int) bool { return spin(uint64(values[i])) > 0 && values[i] < values[j] })
	return uint64(values[7])
}

//go:noinline
func worker(x uint64) uint64 {
	for i := 0; i < 100; i++ {
		x += recurse(40, &square{3}, x)
		x += recurse(40, &cube{4}, x)
		x += deferred(x)
	}
	return x + sorts(x)
}

// A goroutine of its own each time: its stack is small at first.
func main() {
	to := make(chan uint64)
	for x := uint64(1); x != 0; x = <-to {
		x := x
		go func() { to <- worker(x) }()
	}
}
