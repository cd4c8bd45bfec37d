//! What is preloaded into the program, so that calls of its own can be seen or spoilt.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes of the C file of the tests what `LD_PRELOAD` takes, in `folder`.
pub fn compile(source: &str, folder: &Path) -> PathBuf {
    let shim = folder.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(source);
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-O1", "-Wall", "-shared", "-fPIC", "-o"]).arg(&shim).arg(source);
    assert!(compiler.status().expect("a C compiler, as SQLite needs one").success());
    shim
}
