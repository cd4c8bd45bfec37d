//! What is given to one alone, and cannot be guessed.

use sha2::{Digest, Sha256};

/// What opens the door, or says who is inside: 256 random bits in hexadecimal.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("a system gives random numbers to everybody once it has booted");
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub fn text(&self) -> &str {
        &self.0
    }
}

/// By its digest a secret is compared: how long that takes tells nothing of it.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}
