//! Tables of number segments, issuers, places, surnames and column names in a folder, in place of those compiled in.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use masking::{TableTexts, Tables};

use crate::error::Error;
use crate::platform::Platform;

/// A file of a table larger than this is a mistake.
const BYTES_MAX: u64 = 16 << 20;
/// The option by which a worker is told the folder.
const OPTION: &str = "--tables";

/// The texts of a folder's tables, by the name of their file.
#[derive(Debug)]
pub struct TableFolder {
    folder: PathBuf,
    texts: Vec<(&'static str, String)>,
}

impl TableFolder {
    /// Reads the files that a folder has of `mobile.txt`, `machine.txt`, `bank_cards.csv`, `area_codes.csv`, `regions.csv`,
    /// `regions_historic.csv`, `surnames.txt` and `hints.csv`; what it lacks stays as compiled in.
    ///
    /// # Errors
    /// A folder with none of them; a file that cannot be read, is no UTF-8, or has more than 16 MiB. Names the file.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let mut texts = Vec::new();
        let mut names = Vec::new();
        for (name, _) in TableTexts::default().files() {
            names.push(name);
            if let Some(text) = text_of(&folder.join(name))? {
                texts.push((name, text));
            }
        }
        if texts.is_empty() {
            let (shown, names) = (folder.display(), names.join(", "));
            return Err(Error::invalid(
                "tables_missing",
                format!("{shown} 中没有任何号段表。"),
                format!("{shown} has none of the tables."),
            )
            .with_remedy(
                format!("放入其中至少一个文件：{names}"),
                format!("put at least one of these files there: {names}"),
            ));
        }
        Ok(Self {
            folder: folder.to_owned(),
            texts,
        })
    }

    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &'static str> {
        self.texts.iter().map(|(name, _)| *name)
    }

    /// Has the whole process go by them. To be called once, before anything is looked at.
    ///
    /// # Errors
    /// A line that does not have its file's form, with file and line; tables that are in use already.
    pub fn put_in_use(&self) -> Result<(), Error> {
        self.tables()
            .and_then(|tables| Tables::put_in_use(tables).map_err(|fault| self.refused(fault)))
    }

    /// Takes them apart.
    fn tables(&self) -> Result<Tables, Error> {
        let mut texts: TableTexts<'_> = TableTexts::default();
        for (name, text) in texts.files() {
            if let Some((_, own)) = self.texts.iter().find(|(own, _)| *own == name) {
                *text = own;
            }
        }
        Tables::from_texts(&texts).map_err(|fault| self.refused(fault))
    }

    fn refused(&self, fault: masking::TableError) -> Error {
        let shown = self.folder.display();
        Error::invalid(
            "tables_unreadable",
            format!("{shown}：{}。", fault.message.zh),
            format!("{shown}: {}.", fault.message.en),
        )
        .with_remedy(fault.remedy.zh, fault.remedy.en)
    }
}

impl Platform {
    /// Goes by other tables from the next push on: one that is being processed ends with those that it began with. Workers read
    /// the folder when they start, so the next ones have them.
    ///
    /// # Errors
    /// A line that does not have its file's form, with file and line; the tables in use stay then.
    pub async fn replace_tables(&self, folder: &TableFolder) -> Result<(), Error> {
        let tables = folder.tables()?;
        let _turn = self.intake().turn().await;
        Tables::replace(tables);
        Ok(())
    }
}

/// The arguments that tell a worker the folder.
#[must_use]
pub fn worker_tables(folder: &Path) -> [std::ffi::OsString; 2] {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    [OPTION.into(), folder.into()]
}

/// What a worker was told, read before it enters its jail and taken apart once it is needed.
static OF_WORKER: OnceLock<TableFolder> = OnceLock::new();

/// Reads the tables that the arguments of a worker name; one that cannot have them does not begin.
pub(crate) fn read_for_worker(
    mut arguments: impl Iterator<Item = std::ffi::OsString>,
) -> Result<(), Error> {
    if !arguments.any(|argument| argument == OsStr::new(OPTION)) {
        return Ok(());
    }
    let folder = arguments.next().unwrap_or_default();
    let _ = OF_WORKER.set(TableFolder::read(Path::new(&folder))?);
    Ok(())
}

/// Goes by the tables that the worker was told.
pub(crate) fn use_in_worker() -> Result<(), Error> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let put = || {
        OF_WORKER
            .get()
            .is_none_or(|folder| folder.put_in_use().is_ok())
    };
    if *DONE.get_or_init(put) {
        return Ok(());
    }
    Err(Error::unavailable(
        "tables_unreadable",
        "号段表无法读取。",
        "the tables cannot be read.",
    ))
}

fn text_of(file: &Path) -> Result<Option<String>, Error> {
    let shown = file.display();
    let unreadable = |why: &dyn std::fmt::Display| {
        Error::invalid(
            "tables_unreadable",
            format!("无法读取 {shown}：{why}。"),
            format!("cannot read {shown}: {why}."),
        )
    };
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&error)),
    };
    let mut bytes = Vec::new();
    opened
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > BYTES_MAX {
        return Err(unreadable(&"16 MiB"));
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| unreadable(&"UTF-8"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use masking::find_identifiers;

    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let fails = |files: &[(&str, &[u8])], words: [&str; 2]| {
            let folder = folder(files);
            let read = TableFolder::read(folder.path()).and_then(|read| read.put_in_use());
            let said = read.unwrap_err();
            for text in [&said.message().zh, &said.message().en] {
                assert!(
                    text.contains(&folder.path().display().to_string()),
                    "{text}"
                );
                assert!(words.iter().all(|word| text.contains(word)), "{text}");
            }
        };
        fails(&[("notes.txt", b"x")], ["", ""]);
        fails(
            &[("mobile.txt", b"138\n# note\n13x\n")],
            ["mobile.txt", "3"],
        );
        fails(
            &[("regions.csv", "350203\n".as_bytes())],
            ["regions.csv", "1"],
        );
        fails(&[("surnames.txt", b"\xff\xfe")], ["surnames.txt", "UTF-8"]);
        fails(&[("hints.csv", b"# nothing\n")], ["hints.csv", ""]);
        let missing = TableFolder::read(Path::new("/nowhere")).unwrap_err();
        assert!(missing.remedy().unwrap().en.contains("area_codes.csv"));
    }

    /// In a process of its own, as each test has under the runner that the project uses.
    #[test]
    fn tables_in_use_decide_what_a_number_is() {
        let folder = folder(&[("mobile.txt", b"199\n")]);
        let read = TableFolder::read(folder.path()).unwrap();
        assert_eq!(read.files().collect::<Vec<_>>(), ["mobile.txt"]);
        if read.put_in_use().is_err() {
            return; // Another test of this process was first.
        }
        assert!(find_identifiers("电话 13812345678").is_empty());
        assert_eq!(find_identifiers("电话 19912345678").len(), 1);
        let again = read.put_in_use().unwrap_err();
        assert!(again.message().en.contains("in use"), "{again}");
    }
}
