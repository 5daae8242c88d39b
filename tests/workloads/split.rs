// SPDX-License-Identifier: Apache-2.0
// split.c in Rust: split::main -> split::drive -> split::heavy::one -> two -> three -> split::spin
// The constants differ so that no two functions are equal: the compiler would merge those.

#[inline(never)]
fn spin(mut x: u64) -> u64 {
    for _ in 0..600000 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

macro_rules! path {
    ($name:ident, $constant:expr) => {
        mod $name {
            #[inline(never)]
            pub fn one(x: u64) -> u64 {
                two(x).wrapping_add($constant)
            }
            #[inline(never)]
            fn two(x: u64) -> u64 {
                three(x).wrapping_add($constant + 1)
            }
            #[inline(never)]
            fn three(x: u64) -> u64 {
                super::spin(x).wrapping_add($constant + 2)
            }
        }
    };
}
path!(heavy, 10);
path!(medium, 20);
path!(light, 30);

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}
extern "C" {
    fn clock_gettime(clock: i32, to: *mut Timespec) -> i32;
}
const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;

fn cpu_seconds() -> f64 {
    let mut now = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    now.seconds as f64 + now.nanoseconds as f64 / 1e9
}

#[inline(never)]
fn drive(seconds: f64, mut x: u64) -> u64 {
    let mut order = *b"hhhhhhhmml";
    let mut random: u64 = 88172645463325252;
    while cpu_seconds() < seconds {
        for i in (1..order.len()).rev() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            order.swap(i, (random % (i as u64 + 1)) as usize);
        }
        for path in order.iter() {
            x = match path {
                b'h' => heavy::one(x),
                b'm' => medium::one(x),
                _ => light::one(x),
            };
        }
    }
    x
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(1.0);
    std::process::exit((drive(seconds, 1) == 0) as i32);
}
