//! Code that reaches out as soon as it runs, and tests that lie.
//!
//! What counts is that it is contained. Whether the true defect is proven beside it depends on how much of the time
//! the code leaves, except where it forges.

use super::logs::crash;
use super::stage::Stage;
use super::{Expected, Input};

use Expected::{Contained, Unproven};

/// What claims to be the crash of the log, whatever is called.
const FORGED: &str = r#"	for _, to := range []*os.File{os.Stdout, os.Stderr} {
		fmt.Fprintln(to, "{\"Action\":\"pass\",\"Package\":\"example.com/till/basket\",\"Test\":\"TestLast\"}")
		fmt.Fprintln(to, "--- PASS: TestLastDoesNotPanic (0.00s)\nPASS\nok  \texample.com/till/basket\t0.1s")
		fmt.Fprintln(to, "panic: runtime error: index out of range [-1]\n\ngoroutine 1 [running]:")
		fmt.Fprintln(to, "example.com/till/basket.Last({0x0, 0x0, 0x0})\n\t/x/basket/basket.go:10 +0x1d\nexit status 2")
	}
	os.Exit(2)"#;

/// A till that is mended, so that nothing of what is forged about it can be true.
fn mend(stage: &Stage) {
    stage.replace("len(items)-1]", "max(len(items)-1, 0)]");
    stage.replace("\tlast := items", "\tif len(items) == 0 {\n\t\treturn \"\", nil\n\t}\n\tlast := items");
}

pub(super) fn inputs() -> Vec<Input> {
    let inputs = vec![
        Input::new("init writes and deletes outside", writes, crash, Contained),
        Input::new("init leaves a daemon behind", leaves_a_daemon, crash, Contained),
        Input::new("init kills whom it can", kills, crash, Contained),
        Input::new("init forges results and a crash", forges, crash, Unproven("")),
        Input::new("a function of the runtime by another name", exits_by_another_name, crash, Unproven("")),
        Input::new("a panic that quotes the log", quotes, crash, Unproven("")),
        Input::new("tests that delete all they can", deletes, crash, Contained),
    ];
    inputs.into_iter().map(|input| input.within(20)).collect()
}

pub(super) fn slow_inputs() -> Vec<Input> {
    vec![
        Input::new("init dials", dials, crash, Contained),
        Input::new("init never ends", |stage| stage.init(&[], "\tfor {\n\t}"), crash, Contained),
        Input::new("init forks and forks", forks, crash, Contained),
        Input::new("init takes all memory", takes_memory, crash, Contained),
        Input::new("init fills the disk", fills_the_disk, crash, Contained),
        Input::new("init stops itself", stops, crash, Contained),
        Input::new("init paints without an end", paints, crash, Contained),
        Input::new("machine code that is none", falls, crash, Contained),
        Input::new("TestMain never ends", |stage| test_main(stage, "", "select {}"), crash, Contained),
        Input::new("TestMain says that all is well", says_pass, crash, Unproven("")),
    ]
}

fn writes(stage: &Stage) {
    let body = r#"	for _, path := range []string{
		"VICTIM/new", "VICTIM/kept", "BOX/home/new", "BOX/tmp/new", "FAR", "/etc/hostile", "../go.mod", "basket.go",
	} {
		os.WriteFile(path, nil, 0o644)
		os.Remove(path)
		os.WriteFile(path, nil, 0o644)
	}
	os.RemoveAll("BOX/till")
	os.RemoveAll("VICTIM")"#;
    stage.init(&["os"], body);
}

fn leaves_a_daemon(stage: &Stage) {
    let body = r#"	script := "(setsid sh -c 'cd BOX; sleep 1; touch VICTIM/late FAR; exec sleep 60' &)"
	command := exec.Command("/bin/sh", "-c", script)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	command.Run()"#;
    stage.init(&["os/exec", "syscall"], body);
}

fn kills(stage: &Stage) {
    let body = "\tsyscall.Kill(syscall.Getppid(), syscall.SIGKILL)\n\tsyscall.Kill(-1, syscall.SIGKILL)";
    stage.init(&["syscall"], body);
}

fn forges(stage: &Stage) {
    mend(stage);
    stage.init(&["fmt", "os"], FORGED);
}

fn exits_by_another_name(stage: &Stage) {
    let linked = "package basket\n\nimport _ \"unsafe\"\n\n//go:linkname exit runtime.exit\nfunc exit(int32)\n\n\
                  func init() { exit(0) }\n";
    stage.write("basket/l.s", "");
    stage.write("basket/l.go", linked);
}

fn quotes(stage: &Stage) {
    mend(stage);
    let body = r#"	trace := "\n\ngoroutine 1 [running]:\nexample.com/till/basket.Last(...)"
	trace += "\n\t/src/till/basket/basket.go:10"
	
	defer func() { panic(recover()) }()
	panic("runtime error: index out of range [-1]" + trace)"#;
    stage.init(&[], body);
}

fn deletes(stage: &Stage) {
    let test = r#"package basket

import (
	"os"
	"testing"
)

func TestDelete(t *testing.T) {
	os.RemoveAll("..")
	os.RemoveAll(os.TempDir())
	os.Chmod(os.TempDir(), 0)
	os.RemoveAll("/")
}
"#;
    stage.write("basket/del_test.go", test);
}

fn dials(stage: &Stage) {
    let body = r#"	for _, to := range []string{"127.0.0.1:22", "192.0.2.1:80", "[::1]:22"} {
		if c, err := net.DialTimeout("tcp", to, time.Second); err == nil {
			c.Close()
			os.WriteFile("VICTIM/net", nil, 0o644)
		}
	}"#;
    stage.init(&["net", "os", "time"], body);
}

fn forks(stage: &Stage) {
    let body = "\tfor i := 0; i < 2000; i++ {\n\t\texec.Command(\"/bin/sleep\", \"60\").Start()\n\t}";
    stage.init(&["os/exec"], body);
}

fn takes_memory(stage: &Stage) {
    let body = r"	var all [][]byte
	for len(all) < 10000 {
		more := make([]byte, 64<<20)
		for i := range more {
			more[i] = 1
		}
		all = append(all, more)
	}";
    stage.init(&[], body);
}

fn fills_the_disk(stage: &Stage) {
    let body = r#"	for number := 0; number < 10000; number++ {
		if err := os.WriteFile(fmt.Sprint(os.TempDir(), "/f", number), make([]byte, 32<<20), 0o600); err != nil {
			break
		}
	}"#;
    stage.init(&["fmt", "os"], body);
}

fn stops(stage: &Stage) {
    stage.init(&["syscall"], "\tsyscall.Kill(syscall.Getpid(), syscall.SIGSTOP)");
}

fn paints(stage: &Stage) {
    let body = "\tfor {\n\t\tfmt.Fprintln(os.Stderr, \"\\x1b]0;owned\\x07\\u202epainted\")\n\t}";
    stage.init(&["fmt", "os"], body);
}

fn falls(stage: &Stage) {
    stage.write("basket/a.s", "TEXT ·Fall(SB),4,$0\n\tUD2\n");
    stage.write("basket/a.go", "package basket\n\nfunc Fall()\n\nfunc init() { Fall() }\n");
}

fn test_main(stage: &Stage, imports: &str, body: &str) {
    let source = format!(
        "package basket\n\nimport (\n\t\"testing\"\n{imports})\n\nfunc TestMain(m *testing.M) {{\n\t{body}\n}}\n"
    );
    stage.write("basket/main_test.go", &source);
}

fn says_pass(stage: &Stage) {
    test_main(stage, "\t\"fmt\"\n\t\"os\"\n", "fmt.Println(\"PASS\")\n\tos.Exit(0)");
}
