//! A small Go module with one defect, and the log of its crash, made by really running it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{go, run};

/// The module `example.com/till`: `basket.Last` takes the last of its items and forgets that there may
/// be none.
pub(crate) struct Till {
    folder: TempDir,
}

/// A package whose `Last` takes the last of its items and forgets that there may be none.
pub(crate) const BASKET: &str = "package basket

import \"errors\"

// ErrUnknown is returned for an item that is not in the basket.
var ErrUnknown = errors.New(\"basket: unknown item\")

// Last returns the last of the items.
func Last(items []string) (string, error) {
\tlast := items[len(items)-1]
\tif last == \"\" {
\t\treturn \"\", ErrUnknown
\t}
\treturn last, nil
}
";

const BASKET_TEST: &str = "package basket

import \"testing\"

func TestLast(t *testing.T) {
\tif got, err := Last([]string{\"a\", \"b\"}); err != nil || got != \"b\" {
\t\tt.Fatalf(\"got %q, %v\", got, err)
\t}
}
";

const MAIN: &str = "package main

import (
\t\"fmt\"
\t\"os\"

\t\"example.com/till/basket\"
)

func main() {
\tlast, err := basket.Last(os.Args[1:])
\tfmt.Println(last, err)
}
";

impl Till {
    pub(crate) fn new() -> Self {
        let till = Self { folder: TempDir::new().unwrap() };
        till.write("go.mod", "module example.com/till\n\ngo 1.21\n");
        till.write("basket/basket.go", BASKET);
        till.write("basket/basket_test.go", BASKET_TEST);
        till.write("main.go", MAIN);
        till
    }

    /// The repository.
    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("till")
    }

    /// A folder beside the repository that no fix may touch.
    pub(crate) fn outside(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.repository().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Runs the program without arguments and keeps what it prints as it crashes.
    pub(crate) fn crash_log(&self) -> PathBuf {
        let output = run(go().args(["run", "."]).current_dir(self.repository()));
        let log = self.folder.path().join("crash.log");
        std::fs::write(&log, &output.stderr).unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("index out of range [-1]"), "{output:?}");
        log
    }
}
