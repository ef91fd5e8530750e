//! Where the linker finds the library: `make` has built it before this.

fn main() {
    let root =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in a folder of the workspace");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-search=native={}", root.join("build/lib").display());
}
