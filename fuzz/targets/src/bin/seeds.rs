//! Writes the seeds of every target into `fuzz/corpus/TARGET/seed-NN`.

use std::path::Path;
use std::{fs, io};

use archivas_targets::{TARGETS, seeds};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for target in TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| name.starts_with("seed-")) {
                fs::remove_file(path)?;
            }
        }
        for (number, seed) in seeds::of(target.name).into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
    }
    Ok(())
}
