//! What both binary forms of Excel's workbooks share: fields of a fixed length, numbers and errors.

/// The fields of a record, one after the other. `None`: it is too short for them.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, n_bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n_bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }
}

/// A number in four bytes: an integer or the upper half of a float, or a hundredth of either. Source:
/// [MS-XLS] 2.5.217.
pub(super) fn short_number(bits: u32) -> f64 {
    let value = if bits & 2 == 2 {
        f64::from(bits.cast_signed() >> 2)
    } else {
        f64::from_bits(u64::from(bits & !3) << 32)
    };
    if bits & 1 == 1 { value / 100.0 } else { value }
}

/// What a cell shows whose formula failed. Source: [MS-XLS] 2.5.10.
pub(super) fn error(code: u8) -> &'static str {
    match code {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0F => "#VALUE!",
        0x17 => "#REF!",
        0x1D => "#NAME?",
        0x24 => "#NUM!",
        0x2A => "#N/A",
        _ => "#ERROR!",
    }
}

pub(super) fn truth(byte: u8) -> &'static str {
    if byte == 0 { "false" } else { "true" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_four_bytes_is_an_integer_or_a_float_or_a_hundredth() {
        let float = |value: f64| u32::try_from(value.to_bits() >> 32).unwrap();
        for (bits, expected) in [
            (11000 << 2 | 2, 11000.0),
            ((-5_i32 << 2).cast_unsigned() | 2, -5.0),
            (12_345 << 2 | 3, 123.45),
            (float(1.5), 1.5),
            (float(250.0) | 1, 2.5),
        ] {
            assert_eq!(short_number(bits), expected);
        }
    }
}
