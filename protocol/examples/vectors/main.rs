//! Writes `vectors/` and the seeds of the fuzz corpus: `cargo run --example vectors`.

mod generator;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let protocol = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in generator::files() {
        write(&protocol.join("vectors").join(name), text.as_bytes())?;
    }
    for (target, name, bytes) in generator::seeds() {
        let corpus = protocol.join("../fuzz/corpus");
        write(&corpus.join(target).join(name), &bytes)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, bytes)
}
