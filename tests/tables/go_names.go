// SPDX-License-Identifier: Apache-2.0

// Prints "ADDRESS NAME" of each function of an unstripped Go program, as Go's own debug/gosym reads its table.
package main

import (
	"bufio"
	"debug/elf"
	"debug/gosym"
	"fmt"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	file, err := elf.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	section := file.Section(".gopclntab")
	if section == nil {
		section = file.Section(".data.rel.ro.gopclntab")
	}
	if section == nil {
		log.Fatal("no table")
	}
	data, err := section.Data()
	if err != nil {
		log.Fatal(err)
	}
	symbols, err := file.Symbols()
	if err != nil {
		log.Fatal(err)
	}
	text := file.Section(".text").Addr
	for _, symbol := range symbols {
		if symbol.Name == "runtime.text" {
			text = symbol.Value
		}
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text))
	if err != nil {
		log.Fatal(err)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for _, function := range table.Funcs {
		if function.Entry != function.End {
			fmt.Fprintf(out, "%x %s\n", function.Entry, function.Name)
		}
	}
}
