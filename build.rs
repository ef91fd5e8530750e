//! Writes the C headers from the sources, and puts the soname into the library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The files of src/ffi that export something, in the order of the header.
const EXPORTING: [&str; 12] = [
    "manager.rs",
    "check.rs",
    "adapter.rs",
    "response.rs",
    "outcome.rs",
    "stream.rs",
    "token.rs",
    "jwt.rs",
    "error.rs",
    "callbacks.rs",
    "store.rs",
    "library.rs",
];

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    println!("cargo:rerun-if-changed=src/ffi");
    println!("cargo:rerun-if-changed=src/error.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=cbindgen-ffi.toml");
    println!("cargo:rerun-if-changed=include");
    write_header(&root, "cbindgen.toml", "tokenmgr.h");
    write_header(&root, "cbindgen-ffi.toml", "tokenmgr-ffi.h");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libtokenmgr.so.0");
        // P2: PHP unloads a library with its FFI object. The fork handler and the thread-locals must stay.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        link_unwinder();
    }
}

/// Links the unwinder in: to load `libgcc_s.so.1` takes a tenth of a cold start. Where the C compiler has no static one,
/// that is what happens. A linker that was named, as for another machine or an older glibc, brings its own.
fn link_unwinder() {
    if env::var_os("RUSTC_LINKER").is_some() {
        return;
    }
    let found = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let path = found.ok().and_then(|found| String::from_utf8(found.stdout).ok()).map(|path| PathBuf::from(path.trim()));
    if let Some(folder) = path.as_ref().filter(|path| path.is_file()).and_then(|path| path.parent()) {
        println!("cargo:rustc-link-search=native={}", folder.display());
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// Generates one header. It is committed; where it is already right, or the sources cannot be written to
/// (a packaged build), it is left alone.
fn write_header(root: &Path, config: &str, name: &str) {
    let config = cbindgen::Config::from_file(root.join(config)).expect("the cbindgen configuration is valid");
    let mut builder = cbindgen::Builder::new().with_config(config).with_src(root.join("src/error.rs"));
    for file in EXPORTING {
        builder = builder.with_src(root.join("src/ffi").join(file));
    }
    let bindings = builder.generate().expect("the sources give a header");
    let mut header = Vec::new();
    bindings.write(&mut header);
    let path = root.join("include").join(name);
    if fs::read(&path).ok().as_deref() != Some(&header[..])
        && let Err(cause) = fs::write(&path, &header)
    {
        println!("cargo:warning={} is out of date and could not be written: {cause}", path.display());
    }
}
