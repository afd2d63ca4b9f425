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
// temporary folder of its own, and returns its exit code. When that process is gone, however it went,
// its mounts are gone too, and so are the loop devices under them. Without
// the rights for it the process only gets the folder.
func Private() (code int, err error) {
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	runtime.LockOSThread() // Pdeathsig looks at the thread
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), folderVar+"="+folder, "TMPDIR="+temp)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if Missing() == "" {
		cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	}
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
