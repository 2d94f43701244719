// Tries one thing that code under test must not be able to do, and says whether it could.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	attempt, ok := attempts[os.Args[1]]
	if !ok {
		fmt.Println("no such attempt")
		os.Exit(2)
	}
	if err := attempt(os.Args[2:]); err != nil {
		fmt.Println("DENIED", err)
		os.Exit(1)
	}
	fmt.Println("REACHED")
}

var attempts = map[string]func([]string) error{
	// Files: the argument is a file outside.
	"read":     func(a []string) error { _, err := os.ReadFile(a[0]); return err },
	"list":     func(a []string) error { _, err := os.ReadDir(filepath.Dir(a[0])); return err },
	"write":    func(a []string) error { return os.WriteFile(a[0], []byte("broken"), 0o644) },
	"create":   func(a []string) error { return os.WriteFile(a[0]+".new", nil, 0o644) },
	"remove":   func(a []string) error { return os.Remove(a[0]) },
	"truncate": func(a []string) error { return os.Truncate(a[0], 0) },
	"truncating-open": func(a []string) error {
		fd, err := syscall.Open(a[0], syscall.O_RDONLY|syscall.O_TRUNC, 0)
		if err == nil {
			syscall.Close(fd)
		}
		return err
	},
	"accessless-truncating-open": func(a []string) error {
		fd, err := syscall.Open(a[0], 3|syscall.O_TRUNC, 0)
		if err == nil {
			syscall.Close(fd)
		}
		return err
	},
	"chmod":  func(a []string) error { return os.Chmod(a[0], 0o777) },
	"chtime": func(a []string) error { return os.Chtimes(a[0], time.Unix(1, 0), time.Unix(1, 0)) },
	"symlink": func(a []string) error {
		link := "link-" + strconv.Itoa(os.Getpid())
		if err := os.Symlink(a[0], link); err != nil {
			return err
		}
		return os.WriteFile(link, []byte("broken"), 0o644)
	},
	"hardlink": func(a []string) error {
		link := "hard-" + strconv.Itoa(os.Getpid())
		if err := os.Link(a[0], link); err != nil {
			return err
		}
		return os.WriteFile(link, []byte("broken"), 0o644)
	},
	"rename-out": func(a []string) error {
		if err := os.WriteFile("inner", []byte("broken"), 0o644); err != nil {
			return err
		}
		return os.Rename("inner", a[0])
	},
	"rename-in": func(a []string) error { return os.Rename(a[0], "stolen") },

	// The network: the argument is an address of the host.
	"tcp": func(a []string) error {
		c, err := net.DialTimeout("tcp", a[0], time.Second)
		if err == nil {
			c.Close()
		}
		return err
	},
	"udp":      func(a []string) error { return datagram("udp", a[0]) },
	"unix":     func(a []string) error { return datagram("unixgram", a[0]) },
	"abstract": func(a []string) error { return datagram("unixgram", "@"+a[0]) },
	"pair": func(a []string) error {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		return syscall.Sendto(pair[0], []byte("reached"), 0, &syscall.SockaddrUnix{Name: a[0]})
	},
	// No family but UNIX has pairs today; the kernel says so only after it made both sockets.
	"pair-inet": func([]string) error {
		_, err := syscall.Socketpair(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		return err
	},
	"io-uring": func([]string) error {
		params := make([]byte, 120)
		return syscalled(425, 4, uintptr(unsafe.Pointer(&params[0])), 0)
	},

	// Processes: the argument is the number of one outside.
	"signal": func(a []string) error { return syscall.Kill(number(a[0]), syscall.SIGUSR1) },
	"queue": func(a []string) error {
		info := make([]byte, 128)
		*(*int32)(unsafe.Pointer(&info[8])) = -1
		return syscalled(syscall.SYS_RT_SIGQUEUEINFO, uintptr(number(a[0])), uintptr(syscall.SIGUSR1), uintptr(unsafe.Pointer(&info[0])))
	},
	"tgkill": func(a []string) error {
		return syscalled(syscall.SYS_TGKILL, uintptr(number(a[0])), uintptr(number(a[0])), uintptr(syscall.SIGUSR1))
	},
	"ptrace": func(a []string) error { return syscall.PtraceAttach(number(a[0])) },
	"environ": func(a []string) error {
		_, err := os.ReadFile("/proc/" + a[0] + "/environ")
		return err
	},
	"limit": func(a []string) error {
		limit := [2]uint64{64, 64}
		return syscalled(syscall.SYS_PRLIMIT64, uintptr(number(a[0])), syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&limit)))
	},
	"owner": func(a []string) error {
		// Have the kernel send the signal when a pipe becomes readable.
		var pipe [2]int
		if err := syscall.Pipe(pipe[:]); err != nil {
			return err
		}
		for _, set := range [][2]uintptr{{10, uintptr(syscall.SIGUSR1)}, {8, uintptr(number(a[0]))}, {syscall.F_SETFL, syscall.O_ASYNC}} {
			if err := syscalled(syscall.SYS_FCNTL, uintptr(pipe[0]), set[0], set[1]); err != nil {
				return err
			}
		}
		_, err := syscall.Write(pipe[1], []byte("x"))
		return err
	},
	"session":   func([]string) error { _, err := syscall.Setsid(); return err },
	"group":     func([]string) error { return syscall.Setpgid(0, 0) },
	"namespace": func([]string) error { return syscall.Unshare(syscall.CLONE_NEWUSER) },
	"clone": func([]string) error {
		command := exec.Command(os.Args[0], "nothing")
		command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
		return command.Run()
	},
	"nothing": func([]string) error { return nil },
	"groups": func([]string) error {
		command := exec.Command(os.Args[0], "nothing")
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return command.Run()
	},
	"env": func(a []string) error {
		for _, key := range a {
			if os.Getenv(key) == "" {
				return fmt.Errorf("no %s", key)
			}
		}
		return nil
	},
	"descriptor": func(a []string) error {
		fd := number(a[0])
		return syscalled(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
	},

	// Things an honest test does.
	"loopback": func([]string) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		return c.Close()
	},
	"children": func([]string) error {
		for range 3 {
			if err := exec.Command(os.Args[0], "nothing").Run(); err != nil {
				return err
			}
		}
		child := exec.Command(os.Args[0], "sleep")
		if err := child.Start(); err != nil {
			return err
		}
		return child.Process.Signal(syscall.Signal(0))
	},
	"scratch": func([]string) error {
		if err := os.WriteFile("kept", []byte("kept"), 0o644); err != nil {
			return err
		}
		if err := os.Mkdir("sub", 0o755); err != nil {
			return err
		}
		return os.WriteFile("sub/kept", nil, 0o644)
	},

	// Excess.
	"sleep": func([]string) error { time.Sleep(time.Hour); return nil },
	"family": func([]string) error {
		for range 3 {
			if err := exec.Command(os.Args[0], "sleep").Start(); err != nil {
				return err
			}
		}
		time.Sleep(time.Hour)
		return nil
	},
	"spin": func([]string) error {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		for {
		}
	},
	"hog": func([]string) error {
		var all [][]byte
		for {
			piece := make([]byte, 8<<20)
			for i := 0; i < len(piece); i += 4096 {
				piece[i] = 1
			}
			all = append(all, piece)
		}
	},
	"print": func([]string) error {
		piece := make([]byte, 1<<16)
		for {
			if _, err := os.Stdout.Write(piece); err != nil {
				return err
			}
		}
	},
	"threads": func([]string) error {
		for {
			go func() {
				runtime.LockOSThread()
				time.Sleep(time.Hour)
			}()
			time.Sleep(100 * time.Microsecond)
		}
	},
	// What it holds is held by a process whose parent has left.
	"orphan": func([]string) error {
		if err := exec.Command(os.Args[0], "leave", "hog").Run(); err != nil {
			return err
		}
		time.Sleep(time.Hour)
		return nil
	},
	"leave": func(a []string) error { return exec.Command(os.Args[0], a...).Start() },
	"fork": func([]string) error {
		for {
			exec.Command(os.Args[0], "fork").Start()
		}
	},
	"fill": func([]string) error {
		piece := make([]byte, 1<<20)
		for n := 0; ; n++ {
			file, err := os.Create("fill-" + strconv.Itoa(n))
			if err != nil {
				return err
			}
			for range 16 {
				if _, err := file.Write(piece); err != nil {
					return err
				}
			}
			file.Close()
		}
	},
	"large": func([]string) error {
		file, err := os.Create("large")
		if err != nil {
			return err
		}
		for range 64 {
			if _, err := file.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
		return nil
	},
	// Leaves a child behind that would show itself in a second: the argument is a file it may write.
	"daemon": func(a []string) error {
		return exec.Command(os.Args[0], "late", a[0]).Start()
	},
	"late": func(a []string) error {
		os.Stdout.Close()
		os.Stderr.Close()
		time.Sleep(time.Second)
		return os.WriteFile(a[0], []byte("alive"), 0o644)
	},
}

func datagram(network, address string) error {
	c, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte("reached"))
	return err
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func syscalled(call, a, b, c uintptr) error {
	if _, _, errno := syscall.Syscall(call, a, b, c); errno != 0 {
		return errno
	}
	return nil
}
