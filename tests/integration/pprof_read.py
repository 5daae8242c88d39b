# SPDX-License-Identifier: Apache-2.0
"""A reader of pprof files that shares nothing with the program: the wire format of profile.proto by hand."""
import gzip


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data):
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("field longer than its message")
            value = data[at : at + length]
            at += length
        else:
            raise ValueError(f"unexpected wire type {wire}")
        yield number, value


def _numbers(value):
    """a repeated integer, packed or not"""
    if isinstance(value, int):
        return [value]
    out, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        out.append(number)
    return out


def _signed(value):
    return value - (1 << 64) if value >> 63 else value


class Profile:
    """samples: list of (values, frames leaf first, labels); a frame is (names innermost first, mapping or None,
    address); a mapping is a dict. Everything refers to checked strings."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        strings, raw = [], {number: [] for number in range(1, 16)}
        for number, value in _fields(data):
            if number == 6:
                strings.append(value.decode("utf-8"))  # raises on what is not UTF-8
            else:
                raw[number].append(value)
        if not strings or strings[0] != "":
            raise ValueError("string_table[0] is not empty")
        self.strings = strings
        self.sample_types = [self._type(v) for v in raw[1]]
        self.period_type = self._type(raw[11][0]) if raw[11] else None
        self.period = raw[12][0] if raw[12] else 0
        self.time_nanos = raw[9][0] if raw[9] else 0
        self.duration_nanos = raw[10][0] if raw[10] else 0
        comments = [strings[i] for value in raw[13] for i in _numbers(value)]
        self.comments = {}
        for line in comments:
            key, _, text = line.partition(": ")
            self.comments[key] = text
        self.mappings = {}
        for value in raw[3]:
            f = dict(_fields(value))
            self.mappings[f[1]] = {
                "start": f.get(2, 0), "limit": f.get(3, 0), "offset": f.get(4, 0),
                "file": strings[f.get(5, 0)], "build_id": strings[f.get(6, 0)],
            }
        self.first_mapping = self.mappings[min(self.mappings)] if self.mappings else None
        functions = {}
        self.sources = {}  # name: {(file, line at which it begins)}, one a function of that name
        for value in raw[5]:
            f = dict(_fields(value))
            functions[f[1]] = strings[f.get(2, 0)]
            self.sources.setdefault(strings[f.get(2, 0)], set()).add((strings[f.get(4, 0)], f.get(5, 0)))
        locations = {}
        for value in raw[4]:
            names, mapping, address, ident = [], None, 0, 0
            for number, v in _fields(value):
                if number == 1:
                    ident = v
                elif number == 2:
                    mapping = self.mappings[v]
                elif number == 3:
                    address = v
                elif number == 4:
                    names.append(functions[dict(_fields(v))[1]])
            locations[ident] = (names, mapping, address)
        self.samples = []
        for value in raw[2]:
            stack, values, labels = [], [], {}
            for number, v in _fields(value):
                if number == 1:
                    stack += [locations[i] for i in _numbers(v)]
                elif number == 2:
                    values += [_signed(n) for n in _numbers(v)]
                elif number == 3:
                    f = dict(_fields(v))
                    labels[strings[f[1]]] = strings[f[2]] if 2 in f else _signed(f.get(3, 0))
            self.samples.append((values, stack, labels))

    def _type(self, value):
        f = dict(_fields(value))
        return self.strings[f.get(1, 0)], self.strings[f.get(2, 0)]
