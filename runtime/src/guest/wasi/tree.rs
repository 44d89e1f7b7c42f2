//! The file system of a command: two directories, nothing else, and no way out of them.

use super::errno::Errno;
use super::result_file::ResultFile;
use super::table_file::TableFile;

/// The one name that can be created.
pub(super) const RESULT: &str = "result.arrow";
/// What a table's file is called after its name.
const TABLE_SUFFIX: &str = ".arrow";
/// Longest path, as on Linux.
const PATH_BYTES_MAX: usize = 4096;

/// One of the two directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directory {
    /// The inputs, read-only.
    In,
    /// Room for the result.
    Out,
}

impl Directory {
    /// The path under which a program finds it.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::In => "/in",
            Self::Out => "/out",
        }
    }
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Directory(Directory),
    /// A table, by its position among the inputs.
    Table(usize),
    /// The result, which may not exist yet.
    Result,
    /// A name that does not exist.
    Nothing(Directory),
}

/// Everything there is.
pub(super) struct Tree {
    tables: Vec<(String, TableFile)>,
    pub(super) result: ResultFile,
}

impl Tree {
    /// None where an input's name cannot be the name of a file.
    pub(super) fn new(tables: Vec<(String, TableFile)>, result: ResultFile) -> Option<Self> {
        let fits = |name: &str| !name.contains(['/', '\0']);
        if !tables.iter().all(|(name, _)| fits(name)) {
            return None;
        }
        let tables = tables
            .into_iter()
            .map(|(name, file)| (name + TABLE_SUFFIX, file))
            .collect();
        Some(Self { tables, result })
    }

    pub(super) fn table(&mut self, position: usize) -> Result<&mut TableFile, Errno> {
        let found = self.tables.get_mut(position);
        found.map(|(_, file)| file).ok_or(Errno::NoEntry)
    }

    pub(super) fn has_tables(&self) -> bool {
        !self.tables.is_empty()
    }

    /// The names in a directory, with what they are.
    pub(super) fn list(&self, directory: Directory) -> Vec<(&str, Place)> {
        match directory {
            Directory::In => self
                .tables
                .iter()
                .enumerate()
                .map(|(position, (name, _))| (name.as_str(), Place::Table(position)))
                .collect(),
            Directory::Out if self.result.exists() => vec![(RESULT, Place::Result)],
            Directory::Out => vec![],
        }
    }

    /// What is at a path below a directory. Absolute paths and every `..` are refused, even one that
    /// would lead back.
    pub(super) fn find(&self, from: Directory, path: &[u8]) -> Result<Place, Errno> {
        if path.len() > PATH_BYTES_MAX {
            return Err(Errno::NameTooLong);
        }
        let path = std::str::from_utf8(path).map_err(|_| Errno::IllegalBytes)?;
        if path.contains('\0') {
            return Err(Errno::Invalid);
        }
        if path.is_empty() {
            return Err(Errno::NoEntry);
        }
        if path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(Errno::NotCapable);
        }
        let mut parts = path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".");
        let Some(name) = parts.next() else {
            return Ok(Place::Directory(from));
        };
        let place = self.named(from, name);
        let leads_on = parts.next().is_some() || path.ends_with('/') || path.ends_with("/.");
        match place {
            Place::Nothing(_) if leads_on => Err(Errno::NoEntry),
            Place::Result if leads_on && !self.result.exists() => Err(Errno::NoEntry),
            Place::Table(_) | Place::Result if leads_on => Err(Errno::NotDirectory),
            place => Ok(place),
        }
    }

    fn named(&self, from: Directory, name: &str) -> Place {
        match from {
            Directory::In => self
                .tables
                .iter()
                .position(|(known, _)| known == name)
                .map_or(Place::Nothing(from), Place::Table),
            Directory::Out if name == RESULT => Place::Result,
            Directory::Out => Place::Nothing(from),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn paths_stay_inside_their_directory() {
        let tree = Tree::new(vec![], ResultFile::new(10)).unwrap();
        let find = |path: &str| tree.find(Directory::Out, path.as_bytes());
        for path in [".", "./", "./.", "././/."] {
            assert_eq!(find(path), Ok(Place::Directory(Directory::Out)), "{path}");
        }
        for path in ["result.arrow", "./result.arrow", ".//result.arrow"] {
            assert_eq!(find(path), Ok(Place::Result), "{path}");
        }
        for (path, errno) in [
            ("", Errno::NoEntry),
            ("/", Errno::NotCapable),
            ("/out/result.arrow", Errno::NotCapable),
            ("..", Errno::NotCapable),
            ("../in", Errno::NotCapable),
            ("a/../result.arrow", Errno::NotCapable),
            ("./../out/result.arrow", Errno::NotCapable),
            ("result.arrow/..", Errno::NotCapable),
            ("result.arrow\0", Errno::Invalid),
            ("result.arrow/", Errno::NoEntry),
            ("a/b", Errno::NoEntry),
        ] {
            assert_eq!(find(path), Err(errno), "{path:?}");
        }
        for name in [
            "...",
            "..result.arrow",
            "RESULT.ARROW",
            "result.arrow ",
            "~",
        ] {
            assert_eq!(find(name), Ok(Place::Nothing(Directory::Out)), "{name}");
        }
        assert_eq!(tree.find(Directory::In, b"\xff"), Err(Errno::IllegalBytes));
        assert_eq!(
            tree.find(Directory::In, &[b'a'; 5000]),
            Err(Errno::NameTooLong)
        );
        assert_eq!(
            tree.find(Directory::In, b"result.arrow"),
            Ok(Place::Nothing(Directory::In))
        );
    }
}
