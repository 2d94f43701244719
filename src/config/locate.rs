//! Where the configuration file is, and how it is read.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::environment::Environment;
use super::problem::{Place, Problem};

/// The variable that may name the file.
pub const FILE_VARIABLE: &str = "HEPHAESTUS_CONFIG";

/// The place looked at where no file is named. The working folder is not: it may be a repository that
/// nobody trusts yet, and the configuration names programs to run.
const USUAL_PLACES: [&str; 1] = ["/etc/hephaestus/hephaestus.yaml"];

/// A configuration is written by hand: what is larger is another file.
const LARGEST: u64 = 1 << 20;

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `--config` named it.
    Argument(PathBuf),
    /// `$HEPHAESTUS_CONFIG` named it.
    Variable(PathBuf),
    /// It was found in one of the usual places.
    Found(PathBuf),
    /// There is no file: the defaults hold.
    BuiltIn,
}

impl Origin {
    /// Looks for the file. A named file is taken whether it exists or not, so that a wrong name is a
    /// mistake and never silently replaced by the defaults.
    #[must_use]
    pub fn locate(
        named: Option<&Path>,
        environment: Environment<'_>,
        is_file: impl Fn(&Path) -> bool,
    ) -> Self {
        if let Some(path) = named {
            return Self::Argument(path.to_owned());
        }
        if let Some(path) = environment(FILE_VARIABLE).filter(|path| !path.is_empty()) {
            return Self::Variable(path.into());
        }
        match USUAL_PLACES.iter().map(Path::new).find(|path| is_file(path)) {
            Some(path) => Self::Found(path.to_owned()),
            None => Self::BuiltIn,
        }
    }

    /// The file, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Argument(path) | Self::Variable(path) | Self::Found(path) => Some(path),
            Self::BuiltIn => None,
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Argument(path) => write!(f, "{} (named on the command line)", path.display()),
            Self::Variable(path) => write!(f, "{} (named by ${FILE_VARIABLE})", path.display()),
            Self::Found(path) => write!(f, "{}", path.display()),
            Self::BuiltIn => f.write_str("built-in defaults"),
        }
    }
}

/// Reads a configuration file whole.
pub(super) fn read_file(path: &Path) -> Result<String, Problem> {
    let problem = |message: String, remedy: &str| {
        let place = Place { file: Arc::from(path.display().to_string()), line: 0, column: 0 };
        Problem::at(&place, "", message, remedy)
    };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "correct the name, or leave it out to run on the defaults",
            std::io::ErrorKind::PermissionDenied => "make it readable for the user that runs hephaestus",
            _ => "name a YAML file",
        };
        problem(format!("cannot be read: {error}"), remedy)
    })?;
    if bytes.len() as u64 > LARGEST {
        return Err(problem("larger than 1 MiB".into(), "name a configuration, not a data file"));
    }
    String::from_utf8(bytes)
        .map_err(|error| problem(format!("not UTF-8: {}", error.utf8_error()), "save it as UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_places() {
        let set = |name: &str| (name == FILE_VARIABLE).then(|| "env.yaml".to_owned());
        let unset = |_: &str| None;
        let argument = Some(Path::new("arg.yaml"));
        assert_eq!(Origin::locate(argument, &set, |_| true), Origin::Argument("arg.yaml".into()));
        assert_eq!(Origin::locate(None, &set, |_| true), Origin::Variable("env.yaml".into()));
        let etc = Origin::Found("/etc/hephaestus/hephaestus.yaml".into());
        assert_eq!(Origin::locate(None, &unset, |_| true), etc);
        assert_eq!(Origin::locate(None, &unset, |_| false), Origin::BuiltIn);
        assert_eq!(Origin::locate(None, &|_| Some(String::new()), |_| false), Origin::BuiltIn);
    }

    #[test]
    fn unreadable_files_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let missing = read_file(&directory.path().join("none.yaml")).unwrap_err();
        assert!(missing.remedy.contains("correct the name"), "{missing}");
        assert!(read_file(directory.path()).unwrap_err().message.contains("cannot be read"));
        let binary = directory.path().join("binary.yaml");
        std::fs::write(&binary, b"a: \xff\xfe").unwrap();
        assert!(read_file(&binary).unwrap_err().message.contains("not UTF-8"));
        let large = directory.path().join("large.yaml");
        std::fs::write(&large, vec![b'#'; LARGEST as usize + 1]).unwrap();
        assert!(read_file(&large).unwrap_err().message.contains("larger than 1 MiB"));
    }
}
