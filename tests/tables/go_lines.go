// SPDX-License-Identifier: Apache-2.0

// Reads addresses of an unstripped Go program from stdin and prints, a line each, the address and what its DWARF says
// of it, read by Go's own debug/dwarf, in the form of go_lines.c. An address that DWARF knows nothing of stands alone.
package main

import (
	"bufio"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"log"
	"os"
	"sort"
	"strconv"
	"strings"
)

// A function, or a call that was inlined into `parent`.
type scope struct {
	low, high          uint64
	name               string
	parent             *scope
	callFile, callLine int64
	unit               *unit
}

type unit struct {
	lines []dwarf.LineEntry // sorted by address, with the ends of sequences
	files []*dwarf.LineFile
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func nameOf(data *dwarf.Data, entry *dwarf.Entry) string {
	if origin, ok := entry.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset); ok {
		reader := data.Reader()
		reader.Seek(origin)
		entry = must(reader.Next())
	}
	name, _ := entry.Val(dwarf.AttrName).(string)
	return strings.TrimSuffix(strings.TrimSuffix(name, ".abi0"), ".abiinternal")
}

func readUnit(data *dwarf.Data, entry *dwarf.Entry) *unit {
	reader := must(data.LineReader(entry))
	read := &unit{}
	if reader == nil {
		return read
	}
	var line dwarf.LineEntry
	for reader.Next(&line) == nil {
		read.lines = append(read.lines, line)
	}
	read.files = reader.Files()
	sort.SliceStable(read.lines, func(i, j int) bool { return read.lines[i].Address < read.lines[j].Address })
	return read
}

func readScopes(data *dwarf.Data) (scopes []*scope) {
	reader := data.Reader()
	var open []*scope // of each depth
	var current *unit
	for entry := must(reader.Next()); entry != nil; entry = must(reader.Next()) {
		if entry.Tag == 0 {
			open = open[:len(open)-1]
			continue
		}
		var here *scope
		if len(open) > 0 {
			here = open[len(open)-1]
		}
		switch entry.Tag {
		case dwarf.TagCompileUnit:
			current = readUnit(data, entry)
		case dwarf.TagSubprogram, dwarf.TagInlinedSubroutine:
			parent := here
			for _, interval := range must(data.Ranges(entry)) {
				here = &scope{low: interval[0], high: interval[1], name: nameOf(data, entry), parent: parent, unit: current}
				here.callFile, _ = entry.Val(dwarf.AttrCallFile).(int64)
				here.callLine, _ = entry.Val(dwarf.AttrCallLine).(int64)
				scopes = append(scopes, here)
			}
		}
		if entry.Children {
			open = append(open, here)
		}
	}
	return scopes
}

// The innermost one.
func find(scopes []*scope, pc uint64) (found *scope) {
	at := sort.Search(len(scopes), func(i int) bool { return scopes[i].low > pc })
	for i := at - 1; i >= 0 && i > at-5000; i-- {
		if s := scopes[i]; pc < s.high && (found == nil || s.high-s.low < found.high-found.low) {
			found = s
		}
		if scopes[i].parent == nil && found != nil {
			break
		}
	}
	return found
}

func main() {
	log.SetFlags(0)
	data := must(must(elf.Open(os.Args[1])).DWARF())
	scopes := readScopes(data)
	sort.SliceStable(scopes, func(i, j int) bool { return scopes[i].low < scopes[j].low })
	in, out := bufio.NewScanner(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		pc := must(strconv.ParseUint(in.Text(), 0, 64))
		fmt.Fprint(out, in.Text())
		if s := find(scopes, pc); s != nil {
			lines := s.unit.lines
			at := sort.Search(len(lines), func(i int) bool { return lines[i].Address > pc }) - 1
			if at >= 0 && !lines[at].EndSequence {
				file, line := lines[at].File.Name, int64(lines[at].Line)
				for ; s != nil; s = s.parent {
					fmt.Fprintf(out, "\t%s %s:%d", s.name, file, line)
					if s.parent != nil {
						file, line = s.unit.files[s.callFile].Name, s.callLine
					}
				}
			}
		}
		fmt.Fprintln(out)
	}
}
