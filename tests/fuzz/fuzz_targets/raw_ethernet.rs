//! See [`zt_fuzz`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zt_fuzz::raw_ethernet(data));
