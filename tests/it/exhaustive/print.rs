//! What a state is known by: 128 bits of all that tells it from others.

use std::hash::Hasher;

/// FNV-1a's prime for 128 bits.
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// FNV-1a's offset for 128 bits.
pub struct Printer(u128);

impl Default for Printer {
    fn default() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Printer {
    pub fn printed(self) -> u128 {
        let mixed = (self.0 ^ (self.0 >> 71)).wrapping_mul(0xda94_2042_e4dd_58b5_9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 64)
    }

    fn take(&mut self, word: u64) {
        self.0 = (self.0 ^ u128::from(word)).wrapping_mul(PRIME);
        self.0 ^= self.0 >> 67;
    }
}

impl Hasher for Printer {
    fn finish(&self) -> u64 {
        self.0 as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.take(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, it: u8) {
        self.take(u64::from(it));
    }

    fn write_u32(&mut self, it: u32) {
        self.take(u64::from(it));
    }

    fn write_u64(&mut self, it: u64) {
        self.take(it);
    }

    fn write_usize(&mut self, it: usize) {
        self.take(it as u64);
    }
}
