//! Settings: flags over environment over files over defaults.
