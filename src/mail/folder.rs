//! Mail as files: each letter whole or not at all, readable for whoever runs the process and nobody else.

use super::failure::Failure;
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// A folder of `.eml` files.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder that is made with the first letter.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Writes a letter. One of the same id takes the place of the file before.
    pub(super) async fn send(&self, id: &str, message: Vec<u8>) -> Result<(), Failure> {
        let (folder, name) = (self.path.clone(), file_name(id));
        let written = tokio::task::spawn_blocking(move || write(&folder, &name, &message)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::service(format!("the folder for mail cannot be written: {error}"))),
            Err(_) => Err(Failure::service("the folder for mail cannot be written")),
        }
    }
}

/// Ids come from the queue, which is no reason to let one climb out of the folder.
fn file_name(id: &str) -> String {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    format!("{}.eml", id.chars().map(safe).collect::<String>())
}

fn write(folder: &Path, name: &str, message: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // A folder that was there before, with more rights, would show links to others.
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    let unfinished = folder.join(format!(".{name}.new"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(message)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_letter_is_a_private_file_and_the_same_letter_is_the_same_file() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("data/mail");
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let folder = Folder::new(path.clone());
        folder.send("01J-a", b"first".to_vec()).await.unwrap();
        folder.send("01J-a", b"second".to_vec()).await.unwrap();
        folder.send("../../etc/x", b"third".to_vec()).await.unwrap();

        let mut names: Vec<_> =
            fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["01J-a.eml", "______etc_x.eml"]);
        assert_eq!(fs::read(path.join("01J-a.eml")).unwrap(), b"second");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("01J-a.eml"))), (0o700, 0o600));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_concerns_all_letters() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("mail");
        fs::write(&path, "a file").unwrap();
        let failure = Folder::new(path).send("a", Vec::new()).await.unwrap_err();
        assert_eq!(failure.scope, super::super::failure::Scope::Service);
    }
}
