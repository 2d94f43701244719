//! What only the type checker of the Go toolchain can tell.

use super::soundness::{Trial, judged};
#[cfg(target_arch = "x86_64")]
use crate::harness::{go, run};

const LABEL: &str = "// Package label prints labels for parcels.
package label

import \"errors\"

// ErrNoOrder is returned where there is nothing to print.
var ErrNoOrder = errors.New(\"label: no order\")

// Customer is who ordered.
type Customer struct {
\tName string
}

// Address is where a parcel goes.
type Address struct {
\tStreet string
\tCity   string
}

// Order is what was ordered.
type Order struct {
\tCustomer *Customer
\tAddress  *Address
}

// Line is the line of a label.
func Line(o *Order) (string, error) {
\tif o == nil {
\t\treturn \"\", ErrNoOrder
\t}
\treturn o.Customer.Name + \", \" + o.Address.City, nil
}
";

/// Two links of the statement can be nil: the address of the access tells which of them was. Once it is mended the
/// other one is too.
#[test]
fn the_address_tells_what_was_nil() {
    let main = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split/label\"\n)\n\nfunc main() {\n\tfmt.Println(label.Line(&label.Order{Customer: &label.Customer{Name: \"Ada\"}}))\n}\n";
    let trial = Trial::new(&[("label/label.go", LABEL), ("cmd/run/main.go", main)]);
    let suggestion = &trial.fix_log(&trial.crash())[0];
    let diagnosis = suggestion["diagnosis"].as_str().unwrap();
    assert!(diagnosis.starts_with("`o.Address` was nil when its field City was used"), "{diagnosis}");
    assert_eq!(judged(suggestion), ("proven", None), "{suggestion:#}");
    let patch = suggestion["patch"].as_str().unwrap();
    assert!(patch.contains("o.Address == nil") && patch.contains("o.Customer == nil"), "{patch}");
}

/// A program with addresses of 32 bits has its fields elsewhere: nothing is told of what was nil rather than the wrong
/// link.
#[cfg(target_arch = "x86_64")]
#[test]
fn an_address_of_32_bits_names_no_link() {
    let main = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split/label\"\n)\n\nfunc main() {\n\tfmt.Println(label.Line(&label.Order{Customer: &label.Customer{Name: \"Ada\"}}))\n}\n";
    let label = LABEL
        .replace("\tName string\n", "\tTitle string\n\tName  string\n")
        .replace("\tCity   string\n", "\tZip    string\n\tCity   string\n");
    let trial = Trial::new(&[("label/label.go", &label), ("cmd/run/main.go", main)]);
    let narrow = run(go().args(["run", "./cmd/run"]).env("GOARCH", "386").current_dir(trial.repository()));
    let log = String::from_utf8(narrow.stderr).unwrap();
    // The city's pointer or its length: with 64 bits the customer's name lies there.
    assert!(log.contains("addr=0x10 ") || log.contains("addr=0x14 "), "{log}");
    let suggestion = &trial.fix_log(&log)[0];
    let diagnosis = suggestion["diagnosis"].as_str().unwrap();
    assert!(diagnosis.starts_with("A nil pointer, interface or function was used."), "{diagnosis}");
    let search = suggestion["search"].as_str().unwrap();
    assert!(search.contains("the log does not tell that it was this one"), "{search}");
}

const NAMES: &str = "// Package names shortens names.
package names

import \"strings\"

// Person is who signs.
type Person struct {
\tFirst, Last string
}

func surname(full string) string {
\tparts := strings.Fields(full)
\treturn parts[1]
}

// Initials are the first letters of a name.
func Initials(full string) (string, error) {
\treturn full[:1] + surname(full)[:1], nil
}

// Less compares by surname.
func Less(a, b Person) bool {
\tsurname := a.Last
\treturn surname < b.Last
}
";

/// A function has few callers, whatever else has its name: it is given an error, and they pass it on.
#[test]
fn variables_of_its_name_use_no_function() {
    let main = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split/names\"\n)\n\nfunc main() {\n\tfmt.Println(names.Initials(\"Ada\"))\n}\n";
    let trial = Trial::new(&[("names/names.go", NAMES), ("cmd/run/main.go", main)]);
    let suggestion = &trial.fix_log(&trial.crash())[0];
    assert_eq!(judged(suggestion), ("proven", None), "{suggestion:#}");
    let patch = suggestion["patch"].as_str().unwrap();
    assert!(patch.contains("+func surname(full string) (string, error) {"), "{patch}");
}
