//! The tile instructions in software, for tests on a processor that has none.
//!
//! There each of them raises SIGILL. The handler installed here looks at the instruction, does what Intel's manual
//! (volume 2) says of it to the tiles of the thread, and lets the program go on behind it. What the manual forbids ends
//! the process with a message. Any other illegal instruction is left to the handler that was there before.
//!
//! Decoded is what our `asm!` can contain: no segment or address-size prefixes, no addresses without a base register.
//! The handler calls nothing but arithmetic, and allocates and locks nothing.

use super::{Shapes, TILE};
use crate::bf16::to_f32;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_ulong, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The tile registers of a thread, in plain memory.
pub(super) struct TileFile {
    /// Per tile: rows and bytes of a row; zero if it has no shape.
    shapes: [(usize, usize); 8],
    pub(super) tiles: [Tile; 8],
}

/// 16 rows of 16 pairs, or of 16 f32.
pub(super) type Tile = [[u32; 16]; TILE];

/// An instruction as it stands in memory, with its operands' values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instruction {
    Configure { from: usize },
    Release,
    Zero { tile: usize },
    Load { tile: usize, from: usize, stride: usize },
    Store { tile: usize, to: usize, stride: usize },
    Multiply { sums: usize, a: usize, b: usize },
}

/// What the manual has a fault for.
type Fault = &'static str;

impl TileFile {
    pub(super) const fn new() -> TileFile {
        TileFile { shapes: [(0, 0); 8], tiles: [[[0; 16]; TILE]; 8] }
    }

    /// # Safety
    /// The memory that the instruction names must be there.
    pub(super) unsafe fn execute(&mut self, instruction: Instruction) -> Result<(), Fault> {
        match instruction {
            // SAFETY: the caller's promise.
            Instruction::Configure { from } => self.configure(&unsafe { (from as *const Shapes).read_unaligned() })?,
            Instruction::Release => *self = TileFile::new(),
            Instruction::Zero { tile } => {
                self.shape(tile)?;
                self.tiles[tile] = [[0; 16]; TILE];
            }
            Instruction::Load { tile, from, stride } => {
                let (rows, bytes) = self.shape(tile)?;
                self.tiles[tile] = [[0; 16]; TILE];
                for i in 0..rows {
                    let from = from.wrapping_add(i.wrapping_mul(stride)) as *const u8;
                    // SAFETY: the caller's promise; a row of a tile has 64 bytes, at least as many as its shape.
                    unsafe { from.copy_to_nonoverlapping(self.tiles[tile][i].as_mut_ptr().cast(), bytes) };
                }
            }
            Instruction::Store { tile, to, stride } => {
                let (rows, bytes) = self.shape(tile)?;
                for i in 0..rows {
                    let to = to.wrapping_add(i.wrapping_mul(stride)) as *mut u8;
                    // SAFETY: as for loads.
                    unsafe { to.copy_from_nonoverlapping(self.tiles[tile][i].as_ptr().cast(), bytes) };
                }
            }
            Instruction::Multiply { sums, a, b } => self.multiply(sums, a, b)?,
        }
        Ok(())
    }

    pub(super) fn configure(&mut self, new: &Shapes) -> Result<(), Fault> {
        *self = TileFile::new();
        match new.palette {
            0 => return Ok(()),
            1 => (),
            _ => return Err("ldtilecfg: only palette 1 exists"),
        }
        if new.reserved != [0; 14] || new.row_bytes[8..] != [0; 8] || new.rows[8..] != [0; 8] {
            return Err("ldtilecfg: what is reserved must be zero");
        }
        if new.start_row != 0 {
            return Err("ldtilecfg: continuing at a later row is not emulated");
        }
        for tile in 0..8 {
            let (rows, bytes) = (usize::from(new.rows[tile]), usize::from(new.row_bytes[tile]));
            if rows > TILE || bytes > 64 {
                return Err("ldtilecfg: a tile has at most 16 rows of 64 bytes");
            }
            if (rows == 0) != (bytes == 0) {
                return Err("ldtilecfg: a tile without rows or without columns");
            }
            self.shapes[tile] = (rows, bytes);
        }
        Ok(())
    }

    fn shape(&self, tile: usize) -> Result<(usize, usize), Fault> {
        match self.shapes[tile] {
            (0, 0) => Err("a tile is used that was not configured on this thread"),
            (_, bytes) if bytes % 4 != 0 => Err("a row of a tile must be whole elements of 4 bytes"),
            shape => Ok(shape),
        }
    }

    fn multiply(&mut self, sums: usize, a: usize, b: usize) -> Result<(), Fault> {
        if sums == a || sums == b || a == b {
            return Err("tdpbf16ps: the three tiles must be different");
        }
        let ((m, n), (a_rows, a_bytes), (k, b_bytes)) = (self.shape(sums)?, self.shape(a)?, self.shape(b)?);
        if (m, n, k) != (a_rows, b_bytes, a_bytes / 4) {
            return Err("tdpbf16ps: the shapes of the tiles do not fit");
        }
        let (a, b) = (self.tiles[a], self.tiles[b]);
        multiply(&mut self.tiles[sums], &a, &b, [m, n / 4, k]);
        Ok(())
    }
}

/// `tdpbf16ps`: sums (m×n) += a (m × k pairs) · b (k pairs × n).
///
/// Per element the products of the pairs' lower halves are summed from zero in a chain of fused multiply-adds, those of
/// the upper halves in another; the sum of the two is added.
pub(super) fn multiply(sums: &mut Tile, a: &Tile, b: &Tile, [m, n, k]: [usize; 3]) {
    let half = |pair: u32, upper: usize| to_f32((pair >> (16 * upper)) as u16);
    for i in 0..m {
        for j in 0..n {
            let mut chains = [0.0f32; 2];
            for p in 0..k {
                for h in 0..2 {
                    chains[h] = multiply_add(half(a[i][p], h), half(b[p][j], h), chains[h]);
                }
            }
            let sum = multiply_add(chains[0], 1.0, chains[1]);
            sums[i][j] = multiply_add(f32::from_bits(sums[i][j]), 1.0, sum).to_bits();
        }
    }
}

/// x·y + c, rounded to the nearest, with subnormal numbers as zeros: those that come in and those that would come out.
pub(super) fn multiply_add(x: f32, y: f32, c: f32) -> f32 {
    let normal = |x: f32| if x.is_subnormal() { 0.0f32.copysign(x) } else { x };
    let [x, y, c] = [x, y, c].map(normal);
    let sum = x.mul_add(y, c);
    if sum == 0.0 || sum.abs() > f32::MIN_POSITIVE || sum.is_nan() {
        return sum;
    }
    // Whether it is subnormal is decided on the sum rounded to 24 bits, so it is rounded where there are as many.
    const SCALE: f32 = (1u128 << 64) as f32;
    let scaled = (x * SCALE).mul_add(y, c * SCALE);
    if scaled.abs() < f32::MIN_POSITIVE * SCALE { 0.0f32.copysign(scaled) } else { scaled / SCALE }
}

/// The instruction whose byte i is `byte(i)`, if it is one of those that are emulated, and its length.
///
/// No byte behind it is asked for. `register(n)` is the value of general register n, in the order of encodings.
pub(super) fn decode(byte: impl Fn(usize) -> u8, register: impl Fn(usize) -> usize) -> Option<(Instruction, usize)> {
    // Three bytes of VEX prefix (register extensions R, X and B are stored inverted), opcode, ModRM.
    if byte(0) != 0xc4 {
        return None;
    }
    let (rxb, map, fields) = (!byte(1) >> 5, byte(1) & 31, byte(2));
    let (wide, vvvv, long, prefix) = (fields >> 7, !fields >> 3 & 15, fields >> 2 & 1, fields & 3);
    // All instructions of this map have a ModRM byte.
    if map != 2 || wide != 0 || long != 0 {
        return None;
    }
    let (opcode, modrm) = (byte(3), byte(4));
    let (mode, reg, rm) = (modrm >> 6, modrm >> 3 & 7, modrm & 7);
    let tile = usize::from(reg);
    // There are no tiles beyond 7.
    let extended = rxb & 0b100 != 0;
    if mode == 3 {
        let instruction = match (opcode, prefix) {
            (0x49, 0) if modrm == 0xc0 && vvvv == 0 => Instruction::Release,
            (0x49, 3) if rm == 0 && vvvv == 0 && !extended => Instruction::Zero { tile },
            (0x5c, 2) if vvvv < 8 && rxb & 0b101 == 0 => {
                Instruction::Multiply { sums: tile, a: usize::from(rm), b: usize::from(vvvv) }
            }
            _ => return None,
        };
        return Some((instruction, 5));
    }
    if !matches!((opcode, prefix), (0x49, 0) | (0x4b, 1..=3)) || vvvv != 0 {
        return None;
    }
    let (address, stride, length) = memory_operand(&byte, rxb, register)?;
    let instruction = match (opcode, prefix, stride) {
        (0x49, _, index) if reg == 0 => Instruction::Configure { from: address.wrapping_add(index.unwrap_or(0)) },
        // A tile wants the form with an index, which is the stride. The load with prefix 1 hints at the cache.
        (0x4b, 1 | 3, Some(stride)) if !extended => Instruction::Load { tile, from: address, stride },
        (0x4b, 2, Some(stride)) if !extended => Instruction::Store { tile, to: address, stride },
        _ => return None,
    };
    Some((instruction, length))
}

/// Base + displacement; the scaled index, if there is a byte for it; the instruction's length.
fn memory_operand(
    byte: impl Fn(usize) -> u8,
    rxb: u8,
    register: impl Fn(usize) -> usize,
) -> Option<(usize, Option<usize>, usize)> {
    let (mode, rm) = (byte(4) >> 6, byte(4) & 7);
    let number = |low: u8, bit: u8| usize::from(low & 7 | (rxb >> bit & 1) << 3);
    let (base, stride, at) = if rm == 4 {
        let sib = byte(5);
        let index = number(sib >> 3, 1);
        // The stack pointer cannot be an index: its number says that there is none.
        let stride = if index == 4 { 0 } else { register(index) << (sib >> 6) };
        (number(sib, 0), Some(stride), 6)
    } else {
        (number(rm, 0), None, 5)
    };
    let (displacement, length) = match mode {
        // No base, or one relative to the instruction pointer.
        0 if base & 7 == 5 => return None,
        0 => (0, at),
        1 => (isize::from(byte(at) as i8), at + 1),
        _ => (i32::from_le_bytes([0, 1, 2, 3].map(|i| byte(at + i))) as isize, at + 4),
    };
    Some((register(base).wrapping_add_signed(displacement), stride, length))
}

thread_local! {
    // Without a destructor and with a constant to begin with, so that the first use does not call anything either.
    static TILES: UnsafeCell<TileFile> = const { UnsafeCell::new(TileFile::new()) };
}

/// From now on illegal tile instructions of this process are emulated.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = Box::leak(Box::new(Action::default()));
        // SAFETY: asks for the present action, which it writes over a valid one.
        assert_eq!(unsafe { sigaction(SIGILL, std::ptr::null(), previous) }, 0);
        // Before the handler can run, which looks there.
        PREVIOUS.store(previous, Ordering::Release);
        let ours = Action { handler: on_illegal as *const () as usize, flags: SA_SIGINFO, ..Action::default() };
        // SAFETY: `on_illegal` has the signature that SA_SIGINFO wants.
        assert_eq!(unsafe { sigaction(SIGILL, &ours, std::ptr::null_mut()) }, 0);
    });
}

static PREVIOUS: AtomicPtr<Action> = AtomicPtr::new(std::ptr::null_mut());

const SIGILL: c_int = 4;
const SA_SIGINFO: c_int = 4;

/// `struct sigaction` of glibc and musl on x86-64.
#[repr(C)]
#[derive(Default)]
struct Action {
    /// 0 is the default, 1 to ignore.
    handler: usize,
    mask: [c_ulong; 16],
    flags: c_int,
    restorer: usize,
}

/// The beginning of Linux's `ucontext_t` on x86-64.
#[repr(C)]
struct Context {
    flags: c_ulong,
    link: *mut c_void,
    stack: [usize; 3],
    registers: [usize; 17],
}

/// Where in [`Context::registers`] a general register of that number in encodings is.
const PLACES: [usize; 16] = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7];
const INSTRUCTION_POINTER: usize = 16;

unsafe extern "C" {
    fn sigaction(signal: c_int, action: *const Action, previous: *mut Action) -> c_int;
    fn write(file: c_int, bytes: *const c_void, count: usize) -> isize;
}

unsafe extern "C" fn on_illegal(signal: c_int, info: *mut c_void, context: *mut c_void) {
    // SAFETY: the system hands over the context of this thread, to be changed as the handler likes.
    let registers = unsafe { &mut (*context.cast::<Context>()).registers };
    let at = registers[INSTRUCTION_POINTER] as *const u8;
    // SAFETY: the processor has just read this instruction, of which no more is asked for than there is.
    match decode(|i| unsafe { at.wrapping_add(i).read() }, |n| registers[PLACES[n]]) {
        Some((instruction, length)) => {
            // SAFETY: only this thread has this tile file, and its handler does not interrupt itself.
            let tiles = TILES.with(|tiles| unsafe { &mut *tiles.get() });
            // SAFETY: the program promised this memory to the instruction; else it ends here by SIGSEGV, as there.
            if let Err(fault) = unsafe { tiles.execute(instruction) } {
                for text in ["emulated AMX: ", fault, "\n"] {
                    // SAFETY: a valid string; without an open standard error nothing is written.
                    unsafe { write(2, text.as_ptr().cast(), text.len()) };
                }
                std::process::abort();
            }
            registers[INSTRUCTION_POINTER] += length;
        }
        // SAFETY: `install` stored it before this handler.
        None => unsafe { forward(&*PREVIOUS.load(Ordering::Acquire), signal, info, context) },
    }
}

/// # Safety
/// The arguments of a signal's handler.
unsafe fn forward(previous: &Action, signal: c_int, info: *mut c_void, context: *mut c_void) {
    // SAFETY: handlers have these signatures; an action that was there before can be put back.
    unsafe {
        if previous.handler <= 1 {
            // By default the signal ends the process, when the instruction is tried again.
            sigaction(SIGILL, &Action::default(), std::ptr::null_mut());
        } else if previous.flags & SA_SIGINFO != 0 {
            type Handler = unsafe extern "C" fn(c_int, *mut c_void, *mut c_void);
            std::mem::transmute::<usize, Handler>(previous.handler)(signal, info, context);
        } else {
            std::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(previous.handler)(signal);
        }
    }
}
