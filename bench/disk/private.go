package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// folderVar names the folder of a process in a namespace of its own.
const folderVar = "HOMEHUB_BENCH_FOLDER"

// keepVar names the same folder to the process that holds the namespace.
const keepVar = "HOMEHUB_BENCH_KEEP"

// Folder is where a process started by Private puts its files.
func Folder() string { return os.Getenv(folderVar) }

// Missing says what keeps this process from making devices and mounting them,
// "" if nothing does.
func Missing() string {
	if os.Geteuid() != 0 {
		return "not root"
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		return "no mkfs.ext4 (apt-get install e2fsprogs)"
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return "no loop devices"
	}
	return ""
}

// Private runs this program again in a mount namespace, a Folder in RAM and a
// temporary folder of its own, and returns its exit code. When that process is
// gone, however it went, its mounts are gone too, and so are the loop devices
// under them. Without the rights for it the process only gets the folders.
//
// A process between the two holds the namespace: were the mounts taken down by
// the end of the very process that serves a FUSE file below them, it would
// wait for itself for ever.
func Private() (code int, err error) {
	if folder := os.Getenv(keepVar); folder != "" {
		return again(0, syscall.SIGKILL, folderVar+"="+folder)
	}
	base := "/dev/shm" // a device in RAM: its counters are what is looked at, not its speed
	if st, err := os.Stat(base); err != nil || !st.IsDir() {
		base = ""
	}
	folder, err := os.MkdirTemp(base, "homehub-bench-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(folder)
	temp, err := os.MkdirTemp("", "homehub-bench-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(temp)
	var flags uintptr
	if Missing() == "" {
		flags = syscall.CLONE_NEWNS
	}
	return again(flags, syscall.SIGTERM, keepVar+"="+folder, "TMPDIR="+temp)
}

// again runs this program once more, with additions to its environment. A
// signal that ends this process goes on to that one, as death does.
func again(unshare uintptr, end syscall.Signal, env ...string) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	runtime.LockOSThread() // Pdeathsig looks at the thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(end) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: end, Unshareflags: unshare}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, fmt.Errorf("running in a namespace of its own: %w", err)
	}
	return 0, nil
}
