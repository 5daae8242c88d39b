// SPDX-License-Identifier: Apache-2.0

// split.c in Go: main.main -> main.drive -> main.heavyOne -> heavyTwo -> heavyThree -> main.spin
package main

import (
	"os"
	"strconv"
	"syscall"
)

// Go sets up a frame pointer only in functions that have locals on the stack: hence the array.
//
//go:noinline
func spin(x uint64) uint64 {
	var last [4]uint64
	for i := 0; i < 600000; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		last[i&3] = x
	}
	return last[x&3]
}

//go:noinline
func heavyOne(x uint64) uint64 { return heavyTwo(x) + 1 }

//go:noinline
func heavyTwo(x uint64) uint64 { return heavyThree(x) + 1 }

//go:noinline
func heavyThree(x uint64) uint64 { return spin(x) + 1 }

//go:noinline
func mediumOne(x uint64) uint64 { return mediumTwo(x) + 1 }

//go:noinline
func mediumTwo(x uint64) uint64 { return mediumThree(x) + 1 }

//go:noinline
func mediumThree(x uint64) uint64 { return spin(x) + 1 }

//go:noinline
func lightOne(x uint64) uint64 { return lightTwo(x) + 1 }

//go:noinline
func lightTwo(x uint64) uint64 { return lightThree(x) + 1 }

//go:noinline
func lightThree(x uint64) uint64 { return spin(x) + 1 }

func cpuSeconds() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

//go:noinline
func drive(seconds float64, x uint64) uint64 {
	order := []byte("hhhhhhhmml")
	random := uint64(88172645463325252)
	for n := 0; n%8 != 0 || cpuSeconds() < seconds; n++ {
		for i := len(order) - 1; i > 0; i-- {
			random ^= random << 13
			random ^= random >> 7
			random ^= random << 17
			j := random % uint64(i+1)
			order[i], order[j] = order[j], order[i]
		}
		for _, path := range order {
			switch path {
			case 'h':
				x = heavyOne(x)
			case 'm':
				x = mediumOne(x)
			default:
				x = lightOne(x)
			}
		}
	}
	return x
}

func main() {
	seconds := 1.0
	if len(os.Args) > 1 {
		seconds, _ = strconv.ParseFloat(os.Args[1], 64)
	}
	if drive(seconds, 1) == 0 {
		os.Exit(1)
	}
}
