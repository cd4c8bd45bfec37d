#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (mutirao::fuzz::target("open_list").run)(bytes));
