// SPDX-License-Identifier: Apache-2.0
// Generic functions, a trait object, a closure called by the standard library's sort, and panics that are caught.
//
//      chain::main chain::drive chain::recurse (10 times) chain::visit chain::Square::area chain::spin
//      chain::main chain::drive chain::sorts [std] chain::compare chain::spin
//      chain::main chain::drive chain::catches [std] chain::panics [std]
use std::cmp::Ordering;
use std::hint::black_box;
use std::panic::{catch_unwind, panic_any, set_hook};

#[inline(never)]
fn spin(mut x: u64) -> u64 {
    for _ in 0..500 {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1);
    }
    x
}

trait Shape {
    fn area(&self, x: u64) -> u64;
}
struct Square(u64);
impl Shape for Square {
    #[inline(never)]
    fn area(&self, x: u64) -> u64 {
        black_box(spin(x).wrapping_mul(self.0))
    }
}

#[inline(never)]
fn visit(shape: &dyn Shape, x: u64) -> u64 {
    black_box(shape.area(x).wrapping_add(1))
}

#[inline(never)]
fn recurse(depth: u32, x: u64) -> u64 {
    let room = black_box([x; 7]);
    if depth <= 1 {
        black_box(visit(black_box(&Square(x)), x).wrapping_add(room[3]))
    } else {
        black_box(recurse(depth - 1, x + 1).wrapping_add(room[2]))
    }
}

#[inline(never)]
fn compare(a: &u64, b: &u64) -> Ordering {
    black_box(spin(*a));
    black_box(a.cmp(b))
}

#[inline(never)]
fn sorts(mut x: u64) -> u64 {
    let mut values = [0u64; 64];
    for value in values.iter_mut() {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1);
        *value = x;
    }
    values.sort_by(compare);
    black_box(values[7])
}

#[inline(never)]
fn panics(x: u64) -> u64 {
    if black_box(x) != 1 {
        panic_any(x);
    }
    x
}

#[inline(never)]
fn catches(x: u64) -> u64 {
    match catch_unwind(|| black_box(panics(x))) {
        Ok(x) => x,
        Err(_) => black_box(x + 1),
    }
}

#[inline(never)]
fn drive(mut x: u64) -> u64 {
    while black_box(true) {
        for _ in 0..50 {
            x = x.wrapping_add(recurse(10, x >> 1));
        }
        x = x.wrapping_add(sorts(x));
        for _ in 0..10 {
            x = x.wrapping_add(catches(x | 2));
        }
    }
    x
}

fn main() {
    set_hook(Box::new(|_| {}));
    std::process::exit((drive(1) == 0) as i32);
}
