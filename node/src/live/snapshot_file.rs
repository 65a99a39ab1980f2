//! Snapshots as files: whole under their name, or not there.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use archivas_core::primitives::Height;
use archivas_core::storage::Reader;

use crate::snapshot::{ExportError, Exported, Progress, export};

/// Writes a snapshot into a new file: under another name, which is synced and renamed.
///
/// # Errors
/// As `export`; when the file is there already. Then no file of that name has been made.
pub fn write(
    rows: &impl Reader,
    height: Height,
    path: &Path,
    progress: Progress<'_>,
) -> Result<Exported, ExportError> {
    if path.try_exists()? {
        let sentence = format!("{} is there already: name a new file", path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, sentence).into());
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let written = write_part(rows, height, &part, progress);
    if written.is_err() {
        // It holds nothing of use, and may never have been made.
        let _ = std::fs::remove_file(&part);
        return written;
    }
    std::fs::rename(&part, path)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    written
}

fn write_part(
    rows: &impl Reader,
    height: Height,
    part: &Path,
    progress: Progress<'_>,
) -> Result<Exported, ExportError> {
    let mut out = BufWriter::new(File::create(part)?);
    let exported = export(rows, height, &mut out, progress)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(exported)
}
