//! A claim at a million rows must not look at a million rows.
